"""What following up would have cost, on open ground, and what the ranking holds with and without the rest."""

from typing import TYPE_CHECKING, Any

import numpy as np

from gossan import metrics
from gossan.budget import Walk, break_even, costs, walk_curve
from gossan.pipeline.land import land_facts
from gossan.pipeline.tasks import STAGES
from gossan.targets import open_ground

if TYPE_CHECKING:
    import pandas as pd

    from gossan.pipeline.results import Findings

__all__ = ["land_section", "open_predictions", "walk_measures", "walk_of", "walk_section"]

#: Points that a curve is drawn from, and shares of the areas that are told of.
_POINTS = 200
_SHARES = (0.05, 0.1, 0.2)


def open_predictions(found: "Findings", areas: "pd.DataFrame") -> "pd.DataFrame":
    """Return the held-out scores of the areas that are ranked, with their open ground as ``open_km2``."""
    ranked = open_ground(areas)
    open_km2 = ranked["area_km2"] * ranked["valid_share"] / areas.loc[ranked.index, "valid_share"]
    ground = dict(zip(ranked["number"].tolist(), open_km2.tolist(), strict=True))
    table = found.predictions
    kept: pd.DataFrame = table[table["number"].isin(list(ground))]
    return kept.assign(open_km2=kept["number"].map(ground))


def walk_of(found: "Findings", areas: "pd.DataFrame") -> Walk | None:
    """Draw what following up the best areas takes and finds; None where no deposit lies on open ground."""
    table = open_predictions(found, areas)
    if not table["deposits"].sum():
        return None
    return walk_curve(
        metrics.fold_percentile(table),
        table["open_km2"],
        table["deposits"],
        table["camp"],
        repeat=table["repeat"],
        seed=[found.project.project.seed, STAGES["bands"]],
    )


def walk_measures(found: "Findings", walk: Walk | None) -> dict[str, Any] | None:
    """Say what a deposit found takes at a few shares of the areas, and where it breaks even."""
    if walk is None:
        return None
    areas = len(walk.ground)
    at = [max(1, round(share * areas)) for share in _SHARES]
    return {
        "areas": areas,
        "ground_km2": float(walk.ground[-1]),
        "deposits": walk.deposits,
        "camps": walk.camps,
        "chance_km2_per_deposit": float(walk.ground[-1] / walk.deposits),
        "at": [{"share": share, **_point(walk, k - 1)} for share, k in zip(_SHARES, at, strict=True)],
        "break_even": _break_even(found, walk),
    }


def walk_section(walk: Walk | None) -> dict[str, Any] | None:
    """Thin the curve to what is drawn: ranks, ground, and ground for each deposit with its band."""
    if walk is None:
        return None
    ranks = np.unique(np.round(np.linspace(1, len(walk.ground), _POINTS)).astype(int))
    points = [_point(walk, int(rank) - 1) for rank in ranks]
    return {name: [point[name] for point in points] for name in points[0]}


def _point(walk: Walk, k: int) -> dict[str, Any]:
    """Say what the best k + 1 areas take; the more is found, the less a deposit takes."""
    banded = walk.low is not None and walk.high is not None
    return {
        "rank": k + 1,
        "ground_km2": float(walk.ground[k]),
        "found": float(walk.found[k]),
        "km2_per_deposit": _each(walk.ground[k], walk.found[k]),
        "low": _each(walk.ground[k], walk.high[k]) if banded and walk.high is not None else None,
        "high": _each(walk.ground[k], walk.low[k]) if banded and walk.low is not None else None,
    }


def _each(ground: float, found: float) -> float | None:
    """Return the ground for one deposit; None where none is found, since no ground is enough."""
    return float(ground / found) if found > 0 else None


def _break_even(found: "Findings", walk: Walk) -> dict[str, Any] | None:
    budget = found.project.budget
    cost = costs(walk, budget)
    if cost is None or budget.value_per_hit is None:
        return None
    at = break_even(walk, cost, budget.value_per_hit)
    per_target = budget.cost_per_target is not None
    return {
        "cost": budget.cost_per_target if per_target else budget.cost_per_km2,
        "cost_of": "area" if per_target else "km2",
        "value": budget.value_per_hit,
        "currency": budget.currency,
        "rank": at.rank,
        "low": at.low,
        "high": at.high,
        "ground_km2": float(walk.ground[at.rank - 1]) if at.rank else 0.0,
        "found": float(walk.found[at.rank - 1]) if at.rank else 0.0,
        "best": {"rank": at.best, "low": at.best_low, "high": at.best_high, "gain": at.gain},
    }


def land_section(found: "Findings", areas: "pd.DataFrame") -> dict[str, Any] | None:
    """Say what is excluded, who holds the ground, and what the model's best ground holds both ways.

    Returns
    -------
    As `land_facts`, with ``deposits_excluded`` (known deposits in areas that are not ranked) and
    ``captures_open`` (as ``captures``, of the project's model, on the areas that are ranked); None where the
    project has neither ``[[exclude]]`` nor ``[[tenure]]``.
    """
    facts = land_facts(found.survey, found.results["prepare"]["stack"]["valid"].values, areas)
    if facts is None or found.survey.excluded is None:
        return facts
    table, known = open_predictions(found, areas), areas["known_deposits"].sum()
    lost = int(known - open_ground(areas)["known_deposits"].sum())
    captured = None
    if table["deposits"].sum():
        captured = metrics.capture_intervals(
            metrics.fold_percentile(table),
            table["open_km2"],
            table["deposits"],
            table["camp"],
            seed=[found.project.project.seed, STAGES["bands"]],
            repeat=table["repeat"],
        )
    return facts | {"deposits_excluded": lost, "captures_open": captured}
