"""What following up costs: the ground to walk for each deposit found, and where that stops to pay.

Both are read off the scores of held-out deposits, as if those were still to be found.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError
from gossan.metrics import MIN_CAMPS
from gossan.metrics.intervals import DRAWS, camp_draws, camp_rates, number_camps

__all__ = ["BreakEven", "BudgetSettings", "Walk", "break_even", "budget_problems", "costs", "walk_curve"]

#: Ranks whose draws are held at once.
_CHUNK = 1000
#: A gain that is below zero but for the rounding of its sums is none.
_ROUNDING = 1e-9

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BudgetSettings:
    """``[budget]``: what following up costs and a find is worth, for the rank at which it breaks even.

    Attributes
    ----------
    cost_per_target
        Of following up one area, above 0; give this or ``cost_per_km2``.
    cost_per_km2
        Of following up a square kilometre of open ground, above 0.
    value_per_hit
        What a deposit found is worth, above 0, in the same money.
    currency
        Its name in the report, such as "AUD".
    """

    cost_per_target: float | None = None
    cost_per_km2: float | None = None
    value_per_hit: float | None = None
    currency: str = ""


def budget_problems(settings: BudgetSettings) -> list[str]:
    """Say what is wrong with a budget: two costs, or one half of what a break-even needs.

    >>> budget_problems(BudgetSettings(cost_per_km2=900.0, value_per_hit=1e6))
    []
    """
    given = [key for key in ("cost_per_target", "cost_per_km2") if getattr(settings, key) is not None]
    if len(given) == 2:
        return ["budget.cost_per_target and budget.cost_per_km2 are both given; keep one of them"]
    if given and settings.value_per_hit is None:
        return [f"budget.{given[0]} is given without budget.value_per_hit; a break-even needs both: add it"]
    if settings.value_per_hit is not None and not given:
        return [
            "budget.value_per_hit is given without a cost; a break-even needs both: add "
            "budget.cost_per_target or budget.cost_per_km2"
        ]
    return []


@dataclass(frozen=True)
class Walk:
    """What following up the best 1, 2, ... n areas takes and finds.

    Attributes
    ----------
    ground
        Of the best k areas, (n,), km2, mean over repeats.
    found
        Held-out deposits in them, (n,), mean over repeats; tied areas in proportion.
    low, high
        95 % band of ``found`` by drawing camps, (n,); None with fewer than 8 camps.
    deposits, camps
        Deposits on all n areas, and the camps that they are of.
    """

    ground: Floats
    found: Floats
    low: Floats | None
    high: Floats | None
    deposits: float
    camps: int
    _curves: Floats
    _seed: Sequence[int]
    _draws: int

    def drawn(self, start: int, stop: int) -> Floats:
        """Give what each draw of camps finds at ranks ``start + 1`` to ``stop``, (draw, stop - start)."""
        times = camp_draws(self.camps, self._draws, self._seed)
        return np.asarray(times @ self._curves[:, start:stop])


def walk_curve(
    rank: ArrayLike,
    ground: ArrayLike,
    deposits: ArrayLike,
    camp: ArrayLike,
    *,
    repeat: ArrayLike,
    seed: Sequence[int],
    draws: int = DRAWS,
) -> Walk:
    """Count the ground walked and the held-out deposits found, area by area from the best.

    N_k held-out deposits lie in the best k areas (within each repeat, averaged over repeats), and
    A_k = sum of their ground: A_k / N_k is the ground to walk for each deposit found. The band draws camps
    with replacement, as `gossan.metrics.camp_bands` does: N_k is the sum over the camps drawn of what each
    has in the best k areas, so that it holds both which camps the ranking finds and how many deposits camps
    have. It is widened where it would not hold the curve itself.

    Misleads as a forecast: it says what the ranking would have saved on the *known* deposits, had they been
    unknown. How many are still to be found nobody knows; where the known ones are most of them, ground costs
    more.

    Parameters
    ----------
    rank
        (n x repeats,) scores comparable within a repeat, higher = better, no NaN.
    ground
        Open ground of each area, km2, at least 0.
    deposits, camp
        Held-out deposits of each area and the camp that they are of, from 1.
    repeat
        Key of the repeat of each row; every repeat has the same number of areas.
    seed
        Of the draws, for `numpy.random.SeedSequence`.

    Raises
    ------
    DataError
        Without a deposit or ground, or where a score is NaN.
    """
    score, weight = np.asarray(rank, dtype=np.float64), np.asarray(deposits, dtype=np.float64)
    area, key = np.asarray(ground, dtype=np.float64), np.asarray(repeat)
    if np.isnan(score).any() or not area.sum() > 0:
        raise DataError(
            f"{int(np.isnan(score).sum())} scores are NaN, ground sums to {area.sum():g} km2; a curve needs "
            "numbers and some ground: leave such rows out"
        )
    camps, group = number_camps(camp, weight)
    curves, walked = [], []
    for each in np.unique(key):
        rows = key == each
        unit, at = np.ones(int(rows.sum())), np.arange(1, rows.sum() + 1) / rows.sum()
        curves.append(camp_rates(score[rows], unit, weight[rows], group[rows], at, camps=camps)[0])
        alone = np.zeros(len(unit), dtype=np.intp)
        walked.append(camp_rates(score[rows], unit, area[rows], alone, at, camps=1)[0][0])
    by_camp = np.mean(curves, axis=0)
    found = by_camp.sum(axis=0)
    low, high = (None, None) if camps < MIN_CAMPS else _band(by_camp, found, camp_draws(camps, draws, seed))
    total = float(weight.sum() / len(curves))
    return Walk(np.mean(walked, axis=0), found, low, high, total, camps, by_camp, tuple(seed), draws)


def _band(curves: Floats, found: Floats, times: Floats) -> tuple[Floats, Floats]:
    low, high = found.copy(), found.copy()
    for start in range(0, len(found), _CHUNK):
        part = slice(start, start + _CHUNK)
        ends = np.quantile(times @ curves[:, part], (0.025, 0.975), axis=0)
        low[part], high[part] = np.minimum(ends[0], found[part]), np.maximum(ends[1], found[part])
    return low, high


# ---- where it stops to pay


@dataclass(frozen=True)
class BreakEven:
    """Ranks at which following up pays for itself, and at which it gains most; 0: at none.

    Attributes
    ----------
    rank, low, high
        The largest k with value x N_k >= cost of the best k areas, and its 95 % interval by drawing camps,
        None with fewer than 8 of them.
    best, best_low, best_high
        The k with the largest value x N_k - cost.
    gain
        That largest value x N_k - cost, 0 where ``best`` is 0.
    """

    rank: int
    low: int | None
    high: int | None
    best: int
    best_low: int | None
    best_high: int | None
    gain: float


def costs(walk: Walk, settings: BudgetSettings) -> Floats | None:
    """Give the cost of following up the best 1, 2, ... areas, (n,); None where the settings name none."""
    if settings.cost_per_target is not None:
        return settings.cost_per_target * np.arange(1, len(walk.ground) + 1, dtype=np.float64)
    return None if settings.cost_per_km2 is None else settings.cost_per_km2 * walk.ground


def break_even(walk: Walk, cost: ArrayLike, value: float) -> BreakEven:
    """Find up to which rank the deposits found are worth the ground walked.

    G_k = value N_k - C_k, with C_k the cost of the best k areas. The break-even rank is the largest k with
    G_k >= 0, the best rank the one with the largest G_k. Each draw of camps has its own; the interval holds
    the middle 95 % of them, and the ranks themselves.

    Parameters
    ----------
    cost
        C_k, (n,), in the money of ``value``.
    value
        Of one deposit found, > 0.

    Examples
    --------
    >>> how = {"repeat": [0] * 4, "seed": [0]}
    >>> walk = walk_curve([4, 3, 2, 1], [1, 1, 1, 1], [1, 0, 1, 0], [1, 0, 2, 0], **how)
    >>> found = break_even(walk, [10.0, 20.0, 30.0, 40.0], 15.0)  # gains 5, -5, 0, -10
    >>> found.rank, found.best, found.gain
    (3, 1, 5.0)
    """
    spent = np.asarray(cost, dtype=np.float64)
    rank, best, gain = (each[0] for each in _ranks([walk.found[None]], spent, value))
    if walk.low is None:
        return BreakEven(int(rank), None, None, int(best), None, None, float(gain))
    starts = range(0, len(spent), _CHUNK)
    drawn = (walk.drawn(start, min(start + _CHUNK, len(spent))) for start in starts)
    ranks, bests, _ = _ranks(drawn, spent, value)
    (low, high), (best_low, best_high) = (_ends(each, own) for each, own in ((ranks, rank), (bests, best)))
    return BreakEven(int(rank), low, high, int(best), best_low, best_high, float(gain))


def _ranks(parts: Any, cost: Floats, value: float) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Give the break-even rank, the best rank and its gain of each draw; parts follow each other by rank."""
    start, last, best, most = 0, np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1)
    for found in parts:
        spent = cost[start : start + found.shape[1]]
        gain = value * found - spent
        pays = gain >= -_ROUNDING * spent
        ranks = start + 1 + np.arange(found.shape[1])
        last = np.maximum(last, np.where(pays, ranks, 0).max(axis=1))
        here = gain.max(axis=1)
        best = np.where(here > most, start + 1 + gain.argmax(axis=1), best)
        most = np.maximum(most, here)
        start += found.shape[1]
    return last, best, most


def _ends(ranks: NDArray[np.int64], own: int) -> tuple[int, int]:
    low, high = np.sort(ranks)[[math.floor(0.025 * len(ranks)), math.ceil(0.975 * len(ranks)) - 1]]
    return int(min(low, own)), int(max(high, own))
