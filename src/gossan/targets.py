"""Targets: which areas are proposed for follow-up, and what the best ground holds (S14, section 4.4).

A score is *predicted* where it comes from models that did not train on the area, and else *fitted*. The
paper's '100 % of the known deposits' is fitted; here the two are counted apart.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DesignWarning, UsageError
from gossan.grid import pixel_index, resolution_of, window_region

if TYPE_CHECKING:
    import pandas as pd
    from odc.geo.geobox import GeoBox

__all__ = [
    "EXCLUDED",
    "TargetSettings",
    "choose_targets",
    "coverage",
    "describe_areas",
    "hidden_found",
    "open_ground",
]

#: An area with at least this share of its valid pixels on excluded ground is not ranked.
EXCLUDED = 0.5


#: The first columns of a table of targets.
_COLUMNS = (
    "number",
    "rank",
    "easting",
    "northing",
    "longitude",
    "latitude",
    "area_km2",
    "score_mean",
    "score_max",
    "spread",
    "known_deposits",
    "nearest_known_m",
)
#: An area that ends exactly on the budget is within it, whatever the rounding of the sum.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class TargetSettings:
    """``[targets]``: what is proposed for follow-up (S14).

    Only open areas, those without a known deposit and not mostly on excluded ground, are proposed.

    Attributes
    ----------
    threshold
        ``budget``: the best open areas, by their number or their share of the ground; ``vote``: those that
        the models vote for; ``prediction-area``: those that score at least as at the crossing of the
        prediction-area plot; a number: those that score at least that, in [0, 1].
    budget
        Share of the valid open ground that may be proposed, above 0 to 1; used by ``budget`` only.
    count
        Number of areas to propose in place of that share; used by ``budget`` only.
    """

    threshold: Literal["budget", "vote", "prediction-area"] | float = "budget"
    budget: float = 0.1
    count: int | None = None


def choose_targets(
    areas: "pd.DataFrame", settings: TargetSettings, *, crossing: float | None = None
) -> "pd.DataFrame":
    """Choose the open areas to be followed up, best first.

    Parameters
    ----------
    areas
        One row an area, with ``number``, ``score``, ``valid_share`` and ``known_deposits``, and ``vote``
        (bool, or share of the models, from a half on) where the threshold is the vote; with
        ``excluded_share`` as for `open_ground` where ground is excluded. Areas without a score are never
        chosen.
    crossing
        Score at the crossing of the prediction-area plot.

    Returns
    -------
    the areas chosen, all their columns and ``rank``, from 1, by score; equal scores by number.

    Raises
    ------
    UsageError
        For a setting outside its range, or without the vote or the crossing that it needs.
    """
    _check_budget(settings.budget)
    ranked = open_ground(areas)
    candidates = ranked[(ranked["known_deposits"] == 0) & ranked["score"].notna()]
    passed = candidates.index[_passes(candidates, settings, crossing)]
    chosen = areas.loc[passed]
    if chosen.empty:
        warnings.warn(
            f"no target: none of {len(candidates)} areas without a known deposit passes targets.threshold = "
            f"{settings.threshold!r}, budget = {settings.budget:g}",
            DesignWarning,
            stacklevel=2,
        )
    best = chosen.sort_values(["score", "number"], ascending=[False, True]).reset_index(drop=True)
    best["rank"] = np.arange(1, len(best) + 1)
    first = [name for name in _COLUMNS if name in best]
    return best[[*first, *(name for name in best if name not in first)]]


def open_ground(areas: "pd.DataFrame") -> "pd.DataFrame":
    """Leave excluded ground out: areas that are mostly excluded, and of the others their excluded pixels.

    Parameters
    ----------
    areas
        With ``valid_share`` and, where ground is excluded, ``excluded_share``: the share of an area's valid
        pixels whose centre lies on excluded ground, in [0, 1].

    Returns
    -------
    The areas of which less than half is excluded, with ``valid_share`` counting open ground alone; all of
    them as they are where nothing is excluded.

    Examples
    --------
    >>> import pandas as pd
    >>> areas = pd.DataFrame({"valid_share": [1.0, 0.8, 1.0], "excluded_share": [0.0, 0.25, 0.5]})
    >>> open_ground(areas)["valid_share"].round(9).tolist()
    [1.0, 0.6]
    """
    if "excluded_share" not in areas:
        return areas
    ranked: pd.DataFrame = areas[areas["excluded_share"] < EXCLUDED]
    return ranked.assign(valid_share=ranked["valid_share"] * (1 - ranked["excluded_share"]))


def _check_budget(budget: float) -> None:
    if not 0 < budget <= 1:
        raise UsageError(f"targets.budget = {budget} given; it is a share above 0 to 1: change it")


def _passes(areas: "pd.DataFrame", settings: TargetSettings, crossing: float | None) -> NDArray[np.bool_]:
    threshold, score = settings.threshold, areas["score"].to_numpy(dtype=np.float64)
    if threshold == "budget":
        return _best(areas, score, settings.budget, count=settings.count)
    if threshold == "vote":
        if "vote" not in areas:
            raise UsageError("targets.threshold = 'vote' given, without votes; choose 'budget' or a number")
        return areas["vote"].to_numpy(dtype=np.float64) >= 0.5
    if threshold == "prediction-area":
        if crossing is None or not np.isfinite(crossing):
            raise UsageError(
                "targets.threshold = 'prediction-area' given, without a crossing; choose 'budget' or a number"
            )
        return score >= crossing
    if isinstance(threshold, str) or not 0 <= threshold <= 1:
        raise UsageError(
            f"targets.threshold = {threshold!r} given; 'budget', 'vote', 'prediction-area' and numbers from "
            "0 to 1 are allowed: change it"
        )
    return score >= threshold


def _best(
    areas: "pd.DataFrame", score: NDArray[np.float64], budget: float, *, count: int | None = None
) -> NDArray[np.bool_]:
    """Mark the best whole areas that hold at most ``budget`` of the ground, or ``count`` of them.

    Equal scores go by number.
    """
    ground = areas["valid_share"].to_numpy(dtype=np.float64)
    order = np.lexsort((areas["number"].to_numpy(), -score))
    within = np.cumsum(ground[order]) <= budget * ground.sum() * (1 + _ROUNDING)
    best = np.zeros(len(areas), dtype=bool)
    best[order[within] if count is None else order[:count]] = True
    return best


def describe_areas(areas: "pd.DataFrame", grid: "GeoBox", deposits: ArrayLike) -> "pd.DataFrame":
    """Say of each area where it lies, how large it is and what is known there.

    Parameters
    ----------
    areas
        ``row``, ``col``, ``size`` (pixels), ``valid_share``, and ``score`` where it has one.
    deposits
        Easting and northing of the known deposits, (n, 2), metres.

    Returns
    -------
    the areas with ``easting, northing`` (centre, metres), ``longitude, latitude`` (centre, WGS 84, degrees),
    ``area_km2`` (valid ground), ``known_deposits`` (inside, west and north edges included),
    ``nearest_known_m`` (centre to nearest known deposit, metres, NaN without any), ``score_mean`` and
    ``score_max`` (the score where windows are scored as a whole) and ``spread`` (NaN where not known).
    """
    from pyproj import Transformer

    described = areas.copy()
    row, col, size = (areas[name].to_numpy() for name in ("row", "col", "size"))
    west, south, east, north = window_region(grid, row, col, size)
    centre = np.column_stack(((west + east) / 2, (south + north) / 2))
    described["easting"], described["northing"] = centre.T
    to_degrees = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True)
    described["longitude"], described["latitude"] = to_degrees.transform(*centre.T)
    described["area_km2"] = areas["valid_share"] * (size * resolution_of(grid) / 1000) ** 2
    described["known_deposits"] = _held(areas, grid, deposits)
    described["nearest_known_m"] = _nearest(centre, deposits)
    for name in ("score_mean", "score_max"):
        if name not in areas and "score" in areas:
            described[name] = areas["score"]
    if "spread" not in areas:
        described["spread"] = np.nan
    return described


def _held(areas: "pd.DataFrame", grid: "GeoBox", coordinates: ArrayLike) -> NDArray[np.int64]:
    """Count the points inside each area."""
    row, col, inside = pixel_index(grid, coordinates)
    place = areas[["row", "col", "size"]].to_numpy(dtype=np.int64)
    down, across = row[inside] - place[:, :1], col[inside] - place[:, 1:2]
    size = place[:, 2:]
    counts: NDArray[np.int64] = ((down >= 0) & (down < size) & (across >= 0) & (across < size)).sum(axis=1)
    return counts


def _nearest(centre: NDArray[np.float64], deposits: ArrayLike) -> NDArray[np.float64]:
    from scipy.spatial import cKDTree

    places = np.asarray(deposits, dtype=np.float64).reshape(-1, 2)
    if not len(places):
        return np.full(len(centre), np.nan)
    return np.asarray(cKDTree(places).query(centre)[0], dtype=np.float64)


def coverage(areas: "pd.DataFrame", *, budget: float = 0.1) -> dict[str, Any]:
    """Count the known deposits in the best ground, apart for predicted and fitted scores.

    Parameters
    ----------
    areas
        ``number``, ``valid_share``, ``known_deposits``, ``score`` (predicted) and, where there is one,
        ``final`` (fitted). Areas without a score are no ground.
    budget
        Share of the valid ground, above 0 to 1; only whole areas within it count.

    Returns
    -------
    budget, known (deposits on scored ground), predicted and fitted (those in the best ground; fitted is None
    without a final score).
    """
    _check_budget(budget)
    scored = areas[areas["score"].notna()]
    known = scored["known_deposits"].to_numpy()

    def covered(name: str) -> int | None:
        if name not in scored or scored[name].isna().any():
            return None
        return int(known[_best(scored, scored[name].to_numpy(dtype=np.float64), budget)].sum())

    return {
        "budget": budget,
        "known": int(known.sum()),
        "predicted": covered("score"),
        "fitted": covered("final"),
    }


def hidden_found(
    areas: "pd.DataFrame",
    hidden: ArrayLike,
    grid: "GeoBox",
    *,
    budget: float = 0.1,
    rivals: Mapping[str, ArrayLike] | None = None,
) -> dict[str, Any]:
    """Say what the best ground without known deposits holds of the hidden ones, for scores and for rivals.

    Ground is open where it is scored and no deposit is known. The area on the edge of the budget, or all
    those that score like it, count by the share that is within: a score without meaning finds ``budget`` on
    average.

    Parameters
    ----------
    areas
        As `describe_areas` gives them, with ``score``.
    hidden
        Easting and northing of deposits that nobody knew, (n, 2), metres.
    budget
        Share of the valid open ground, above 0 to 1.
    rivals
        Other scores by name, (area,), finite, higher = better.

    Returns
    -------
    budget; count (of hidden deposits on open ground); elsewhere (of the others); found_share (of ``count``),
    the same as distance_share for nearness to a known deposit, and by name as rivals; chance. Shares are None
    where there is nothing to find or no deposit is known.
    """
    _check_budget(budget)
    is_open = ((areas["known_deposits"] == 0) & areas["score"].notna()).to_numpy()
    held, ground = _held(areas, grid, hidden)[is_open], areas["valid_share"].to_numpy()[is_open]

    def found(score: ArrayLike) -> float | None:
        values = np.asarray(score, dtype=np.float64)[is_open]
        return _captured(values, ground, held, budget) if held.sum() and np.isfinite(values).all() else None

    return {
        "budget": budget,
        "count": int(held.sum()),
        "elsewhere": len(np.asarray(hidden).reshape(-1, 2)) - int(held.sum()),
        "found_share": found(areas["score"]),
        "distance_share": found(-areas["nearest_known_m"]),
        "rivals": {name: found(score) for name, score in (rivals or {}).items()},
        "chance": budget,
    }


def _captured(
    score: NDArray[np.float64], ground: NDArray[np.float64], held: NDArray[np.int64], budget: float
) -> float:
    """Return the share of what is held by the best ``budget`` of the ground, equal scores in proportion."""
    _, group = np.unique(-score, return_inverse=True)
    covered, caught = (np.append(0, np.cumsum(np.bincount(group, each))) for each in (ground, held))
    return float(np.interp(budget * covered[-1], covered, caught) / caught[-1])
