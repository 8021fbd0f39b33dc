"""What a geologist asks of a target: its samples, rock and faults, and where to take the next samples."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.grid import window_region
from gossan.survey import Samples, sample_spacing

if TYPE_CHECKING:
    import pandas as pd
    from odc.geo.geobox import GeoBox

__all__ = ["SITES", "STRONGEST", "nearest_fault", "next_samples", "rock_unit", "target_sheet"]

#: Elements that a sheet names, and sites that it proposes.
STRONGEST, SITES = 3, 3
#: Width of the frame around a target whose samples are its local background, in sides of the target.
FRAME = 2.0
#: With fewer values than these, inside and in the frame, nothing is said of an element.
LEAST_INSIDE, LEAST_AROUND = 3, 10
#: An element belongs to a target's association when its median exceeds this percentile of the background.
ASSOCIATED, MOST_ASSOCIATED = 75.0, 5
#: Candidates for a site along a target's side.
_CANDIDATES = 24

Floats = NDArray[np.float64]


def target_sheet(targets: "pd.DataFrame", grid: "GeoBox", samples: Samples) -> "pd.DataFrame":
    """Compare the samples inside each target with those around it.

    The local background of a target is every sample in a frame two of its sides wide around it; samples
    inside the target are not part of it. An element's *ratio* is the median inside over the median of the
    background, its *percentile* the share of the background's values below the median inside (equal ones
    count half), in per cent.

    Parameters
    ----------
    targets
        ``row``, ``col``, ``size`` (pixels) and ``area_km2``.
    samples
        Concentrations that are not transformed.

    Returns
    -------
    One row a target, with the index of ``targets``: ``area_ha``; ``samples_inside``; ``background_samples``;
    ``background_m`` (width of the frame, metres); ``element_1`` to ``element_3`` (highest percentile first,
    only those above the background; empty where there are fewer), each with ``ratio_1`` and
    ``percentile_1``, ...; ``association`` (the elements whose percentile is at least 75, at most five, joined
    by hyphens). Nothing is said of an element with under 3 values inside or under 10 around.

    Examples
    --------
    >>> import pandas as pd
    >>> from gossan.grid import make_grid
    >>> at = np.array([[x, y] for x in range(5, 100, 10) for y in range(5, 100, 10)], dtype=float)
    >>> middle = (abs(at - 50) < 10).all(axis=1)
    >>> samples = Samples(at, pd.DataFrame({"Au": np.where(middle, 8.0, 2.0)}), {"Au": "ppb"})
    >>> target = pd.DataFrame({"row": [4], "col": [4], "size": [2], "area_km2": [0.0004]})
    >>> sheet = target_sheet(target, make_grid((0, 0, 100, 100), 10, "EPSG:32649"), samples)
    >>> sheet[["samples_inside", "element_1", "ratio_1", "percentile_1"]].to_numpy().tolist()
    [[4, 'Au', 4.0, 100.0]]
    """
    import pandas as pd

    west, south, east, north = _edges(targets, grid)
    frame = FRAME * (east - west)
    x, y = np.asarray(samples.coordinates, dtype=np.float64).reshape(-1, 2).T
    values = samples.values.to_numpy(dtype=np.float64)
    names = [str(name) for name in samples.values.columns]
    rows = []
    for k in range(len(targets)):
        inside = (x >= west[k]) & (x < east[k]) & (y > south[k]) & (y <= north[k])
        near = (x >= west[k] - frame[k]) & (x < east[k] + frame[k])
        around = near & (y > south[k] - frame[k]) & (y <= north[k] + frame[k]) & ~inside
        row = {"samples_inside": int(inside.sum()), "background_samples": int(around.sum())}
        rows.append(row | {"background_m": frame[k]} | _strongest(values[inside], values[around], names))
    columns = ("samples_inside", "background_samples", "background_m", *_element_columns(), "association")
    sheet = pd.DataFrame(rows, index=targets.index, columns=columns)
    sheet.insert(0, "area_ha", targets["area_km2"] * 100)
    return sheet


def _edges(targets: "pd.DataFrame", grid: "GeoBox") -> tuple[Floats, Floats, Floats, Floats]:
    return window_region(grid, *(targets[name].to_numpy() for name in ("row", "col", "size")))


def _element_columns() -> list[str]:
    return [f"{what}_{k + 1}" for k in range(STRONGEST) for what in ("element", "ratio", "percentile")]


def _strongest(inside: Floats, around: Floats, names: Sequence[str]) -> dict[str, Any]:
    """Say which elements are raised inside: the strongest, and the association."""
    ratio, percentile = _against(inside, around)
    raised = [k for k in np.lexsort((-ratio, -percentile)) if ratio[k] > 1]
    row: dict[str, Any] = {}
    for place in range(STRONGEST):
        k = raised[place] if place < len(raised) else None
        row[f"element_{place + 1}"] = "" if k is None else names[k]
        row[f"ratio_{place + 1}"] = np.nan if k is None else float(ratio[k])
        row[f"percentile_{place + 1}"] = np.nan if k is None else float(percentile[k])
    together = [names[k] for k in raised if percentile[k] >= ASSOCIATED][:MOST_ASSOCIATED]
    return row | {"association": "-".join(together) if len(together) > 1 else ""}


def _against(inside: Floats, around: Floats) -> tuple[Floats, Floats]:
    """Return every element's ratio and percentile, NaN where too few values tell."""
    ratio = np.full(inside.shape[1], np.nan)
    percentile = ratio.copy()
    counted = np.isfinite(inside).sum(axis=0) >= LEAST_INSIDE
    counted &= np.isfinite(around).sum(axis=0) >= LEAST_AROUND
    if counted.any():
        own, others = np.nanmedian(inside[:, counted], axis=0), around[:, counted]
        usual = np.nanmedian(others, axis=0)
        ratio[counted] = np.where(usual > 0, own / np.where(usual > 0, usual, 1), np.nan)
        below = (others < own).sum(axis=0) + 0.5 * (others == own).sum(axis=0)
        percentile[counted] = 100 * below / np.isfinite(others).sum(axis=0)
    return ratio, percentile


def rock_unit(
    targets: "pd.DataFrame", classes: NDArray[np.integer[Any]], names: Sequence[str]
) -> "pd.DataFrame":
    """Name the rock unit that covers most of each target.

    Parameters
    ----------
    classes
        Class numbers (row, col), -1 = none.
    names
        Name of each class.

    Returns
    -------
    ``rock_unit`` (empty where nothing is mapped) and ``rock_share`` (of the target's mapped pixels, in
    [0, 1]); of equal ones the first by number.
    """
    import pandas as pd

    units, shares = [], []
    for row, col, size in targets[["row", "col", "size"]].to_numpy(dtype=np.int64):
        held = np.asarray(classes[row : row + size, col : col + size])
        counts = np.bincount(held[held >= 0], minlength=1)
        most = int(counts.argmax())
        units.append(names[most] if counts[most] else "")
        shares.append(counts[most] / counts.sum() if counts[most] else np.nan)
    return pd.DataFrame({"rock_unit": units, "rock_share": shares}, index=targets.index)


def nearest_fault(targets: "pd.DataFrame", lines: Iterable[Any]) -> "pd.DataFrame":
    """Measure how far the centre of each target is from the nearest fault, and how that fault runs there.

    Parameters
    ----------
    targets
        ``easting`` and ``northing`` of the centre, metres.
    lines
        Shapely lines in the same coordinates.

    Returns
    -------
    ``fault_m`` (metres) and ``fault_trend`` (strike of the nearest piece of fault, degrees from grid north,
    in [0, 180)); NaN without faults.

    Examples
    --------
    >>> import pandas as pd, shapely
    >>> centre = pd.DataFrame({"easting": [0.0], "northing": [0.0]})
    >>> nearest_fault(centre, [shapely.LineString([(300, -500), (300, 500)])]).iloc[0].tolist()
    [300.0, 0.0]
    """
    import pandas as pd
    import shapely

    empty = pd.DataFrame({"fault_m": np.nan, "fault_trend": np.nan}, index=targets.index)
    parts = shapely.get_parts([line for line in lines if line is not None and not line.is_empty])
    points, of = shapely.get_coordinates(parts, return_index=True)
    joined = of[1:] == of[:-1]
    start, end = points[:-1][joined], points[1:][joined]
    long = np.hypot(*(end - start).T) > 0
    start, end = start[long], end[long]
    if not len(start) or not len(targets):
        return empty
    pieces = np.atleast_1d(np.asarray(shapely.linestrings(np.stack([start, end], axis=1)), dtype=object))
    centres = shapely.points(targets[["easting", "northing"]].to_numpy(dtype=np.float64))
    nearest = shapely.STRtree(pieces).nearest(centres)
    east, north = (end - start)[nearest].T
    trend = np.degrees(np.arctan2(east, north)) % 180
    return empty.assign(fault_m=shapely.distance(centres, pieces[nearest]), fault_trend=trend % 180)


def next_samples(
    targets: "pd.DataFrame",
    grid: "GeoBox",
    coordinates: ArrayLike,
    *,
    valid: NDArray[np.bool_] | None = None,
    sites: int = SITES,
) -> "pd.DataFrame":
    """Propose where the next samples would tell most.

    In each target the place farthest from every sample comes first, then the farthest from samples and that
    place, and so on; a place closer than half the sample spacing is none. Targets come in the order of score
    times spread: high ground of which the models are least sure (where no spread is known, by score).

    Parameters
    ----------
    targets
        ``number``, ``row``, ``col``, ``size`` (pixels), ``score`` and ``spread``.
    coordinates
        Of all samples, (n, 2), metres.
    valid
        (row, col) ground; places off it are not proposed.
    sites
        At most so many in a target.

    Returns
    -------
    One row a site, the first to be sampled first: ``order`` (from 1), ``number`` (of the target), ``site``
    (from 1 in each target), ``easting``, ``northing``, ``longitude``, ``latitude``, ``gap_m`` (distance to
    the nearest sample or earlier site) and ``worth`` (score times spread, or score).
    """
    import pandas as pd

    worth = targets["score"].to_numpy(dtype=np.float64)
    spread = targets["spread"].to_numpy(dtype=np.float64)
    worth = worth * spread if np.isfinite(spread).all() and len(spread) else worth
    places = np.asarray(coordinates, dtype=np.float64).reshape(-1, 2)
    spacing = sample_spacing(places)
    least = spacing / 2 if np.isfinite(spacing) else 0.0
    rows = []
    for k in np.lexsort((targets["number"].to_numpy(), -worth)):
        row, col, size = (int(targets[name].iloc[k]) for name in ("row", "col", "size"))
        found = _farthest(_candidates(grid, row, col, size, valid), places, sites, least)
        number = int(targets["number"].iloc[k])
        rows += [(number, n, *site, float(worth[k])) for n, site in enumerate(found, start=1)]
    table = pd.DataFrame(rows, columns=["number", "site", "easting", "northing", "gap_m", "worth"])
    table.insert(0, "order", np.arange(1, len(table) + 1))
    return _with_degrees(table, grid)


def _candidates(grid: "GeoBox", row: int, col: int, size: int, valid: NDArray[np.bool_] | None) -> Floats:
    """Return centres of pixels of a target, (n, 2), every k-th of a large one."""
    step = max(1, size // _CANDIDATES)
    picked = np.arange(step // 2, size, step)
    rows, cols = (each.ravel() for each in np.meshgrid(row + picked, col + picked, indexing="ij"))
    if valid is not None:
        there = (rows < valid.shape[0]) & (cols < valid.shape[1])
        rows, cols = rows[there], cols[there]
        rows, cols = rows[valid[rows, cols]], cols[valid[rows, cols]]
    west, south, east, north = window_region(grid, rows, cols, np.ones_like(rows))
    return np.column_stack([(west + east) / 2, (south + north) / 2])


def _farthest(
    candidates: Floats, samples: Floats, sites: int, least: float
) -> list[tuple[float, float, float]]:
    """Choose places one after the other, each farthest from samples and from those before it."""
    from scipy.spatial import cKDTree

    found: list[tuple[float, float, float]] = []
    if not len(candidates):
        return found
    gap = (
        np.asarray(cKDTree(samples).query(candidates)[0])
        if len(samples)
        else np.full(len(candidates), np.inf)
    )
    for _ in range(sites):
        best = int(gap.argmax())
        if gap[best] < max(least, np.finfo(float).tiny):
            break
        east, north = candidates[best]
        found.append((float(east), float(north), float(gap[best])))
        gap = np.minimum(gap, np.hypot(*(candidates - candidates[best]).T))
    return found


def _with_degrees(table: "pd.DataFrame", grid: "GeoBox") -> "pd.DataFrame":
    from pyproj import Transformer

    to_degrees = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(table["easting"].to_numpy(), table["northing"].to_numpy())
    table.insert(5, "longitude", longitude)
    table.insert(6, "latitude", latitude)
    return table
