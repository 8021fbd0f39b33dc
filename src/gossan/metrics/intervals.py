"""Intervals clustered by camp, because deposits of one camp are found or missed together."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError, UsageError
from gossan.metrics._rows import both_classes, cumulate
from gossan.metrics.curves import ROUNDING
from gossan.metrics.scores import placements

__all__ = [
    "DRAWS",
    "INFLATION",
    "MIN_CAMPS",
    "Bands",
    "Captured",
    "DeLong",
    "camp_bands",
    "camp_draws",
    "camp_error",
    "camp_interval",
    "camp_rates",
    "capture_intervals",
    "delong",
    "number_camps",
    "student",
]

#: Camps below which no interval is given: the sandwich error of fewer clusters is far too small.
MIN_CAMPS = 8
#: What the sandwich error is multiplied with: it is too small for 8 to 30 clusters, and it does not see
#: that the barren windows are a sample too.
INFLATION = 1.25
#: Draws of camps for bands and intervals of curves.
DRAWS = 2000
#: Draws whose curves are held at once.
_CHUNK = 250
_LEVELS = (0.025, 0.975)

Array = NDArray[np.float64]
Bands = tuple[Array, Array]
Kind = Literal["prediction-rate", "roc", "precision-recall"]


def camp_error(values: ArrayLike, camp: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Give the standard error of a weighted mean whose values hang together within camps.

    Sandwich estimate: residuals are summed within each camp, the sums squared and added; times 1.25.

    Parameters
    ----------
    values
        (n,), one a deposit or area.
    camp
        (n,) camp ids.
    weight
        (n,), such as the deposits in the area; 1 each without it.
    """
    value = np.asarray(values, dtype=np.float64)
    share = np.ones_like(value) if weight is None else np.asarray(weight, dtype=np.float64)
    share = share / share.sum()
    _, group = np.unique(np.asarray(camp), return_inverse=True)
    sums = np.bincount(group, weights=share * (value - share @ value))
    return float(INFLATION * np.sqrt(np.sum(sums**2)))


def camp_interval(
    estimate: float,
    values: ArrayLike,
    camp: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    logit: bool = True,
) -> tuple[float, float] | None:
    """Give the 95 % interval of a mean, clustered by camp.

    Sandwich error x 1.25, t with camps - 1 degrees of freedom. Shares are handled on the logit scale
    throughout (delta method): around .5 that is nearly the plain interval; near 1 it stays inside and is
    longer on the side of .5, and no rule switches to another in between.

    Parameters
    ----------
    estimate
        The mean.
    values, camp, weight
        As for `camp_error`; repeats must be averaged before, since they add no independent deposit.
    logit
        False for quantities that are no share, such as differences.

    Returns
    -------
    (low, high), or None with fewer than 8 camps, or where the values do not vary (a perfect score): their
    sandwich error of 0 would claim certainty.
    """
    camps, error = len(np.unique(np.asarray(camp))), camp_error(values, camp, weight)
    if camps < MIN_CAMPS or error <= 1e-12:  # rounding of the mean leaves 1e-17
        return None
    reach = student(0.975, camps - 1) * error
    if not logit:
        return estimate - reach, estimate + reach
    if not 0 < estimate < 1:
        return None
    centre, reach = np.log(estimate / (1 - estimate)), reach / (estimate * (1 - estimate))
    low, high = ((1 + np.tanh((centre + side * reach) / 2)) / 2 for side in (-1, 1))
    return float(low), float(high)


def student(share: float, degrees: int) -> float:
    """Give a quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, share))


# ---- bands by drawing camps


def camp_draws(camps: int, draws: int, seed: int | Sequence[int]) -> Array:
    """Draw camps with replacement: how often each of `camps` camps comes up in each draw, (draws, camps)."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    return rng.multinomial(camps, np.full(camps, 1 / camps), size=draws).astype(np.float64)


def camp_bands(
    rank: ArrayLike,
    ground: ArrayLike,
    deposits: ArrayLike,
    is_ore: ArrayLike,
    camp: ArrayLike,
    *,
    kind: Kind,
    at: ArrayLike,
    draws: int = DRAWS,
    seed: int | Sequence[int],
) -> Bands | None:
    """Give pointwise 95 % bands of a curve by drawing camps with replacement (cluster bootstrap).

    In each draw a deposit or ore area counts as often as its camp came up; barren ground stays as it is, so
    that ``x`` of the prediction rate and of the ROC keeps its meaning. The band holds the middle 95 % of the
    draws' curves at each x (percentile bootstrap; Efron and Tibshirani 1993; clusters: Field and Welsh 2007).

    Misleads with few camps: the percentiles of 8 to 15 camps are too narrow, and of no width where all camps
    agree, as at 0 and 1. It is pointwise: a whole curve leaves its band somewhere far more often than 1 time
    in 20. It does not see that another fit would give another score.

    Parameters
    ----------
    rank
        (n,) scores comparable between all rows, such as `fold_percentile`; higher = more ore-like.
    ground
        (n,) or a number: ground of each row; of no matter to ROC and precision-recall.
    deposits
        (n,) deposits of each row; only of the prediction rate.
    is_ore
        (n,) bool; only of ROC and precision-recall.
    camp
        (n,) ids from 1; of no matter in rows without deposit or ore. Repeats of the same areas may be
        stacked.
    kind
        ``prediction-rate`` (as `prediction_rate`), ``roc`` (`roc_curve`) or ``precision-recall``: precision
        at the highest threshold whose recall reaches x, at x = 0 that of the first ore met.
    at
        (k,) x in [0, 1] at which the band is given.
    draws
        Number of draws of camps.
    seed
        Of `numpy.random.SeedSequence`.

    Returns
    -------
    (low, high), (k,) each; None with fewer than 8 camps.

    Raises
    ------
    DataError
        If ore or deposits lack a camp, a class is empty or a score is NaN.
    UsageError
        If the kind is unknown or an x is outside [0, 1].
    """
    if kind not in ("prediction-rate", "roc", "precision-recall"):
        raise UsageError(f"kind {kind!r} is given; allowed are prediction-rate, roc and precision-recall")
    score, ore = both_classes(rank, is_ore) if kind != "prediction-rate" else (_finite(rank), None)
    weight = _column(deposits if ore is None else ore, score)
    known, group = number_camps(camp, weight)
    x = _shares(at)
    if known < MIN_CAMPS:
        return None
    times = camp_draws(known, draws, seed)
    if ore is not None and kind == "precision-recall":
        drawn = _drawn_precision(times, score, ore, group, x)
    else:
        spent = _column(ground, score) if ore is None else (~ore).astype(np.float64)
        drawn = _drawn_rate(times, *camp_rates(score, spent, weight, group, x))
    low, high = np.quantile(drawn, _LEVELS, axis=0)
    return np.asarray(low), np.asarray(high)


class Captured(TypedDict):
    """The share of deposits in a share of the ground, and its 95 % interval where there is one."""

    share: float
    captured: float
    low: float | None
    high: float | None


def capture_intervals(
    rank: ArrayLike,
    ground: ArrayLike,
    deposits: ArrayLike,
    camp: ArrayLike,
    shares: Sequence[float] = (0.05, 0.1, 0.2),
    *,
    draws: int = DRAWS,
    seed: int | Sequence[int],
    repeat: ArrayLike | None = None,
) -> list[Captured]:
    """Give the share of deposits within the best shares of the ground, with 95 % intervals by camps.

    As `camp_bands` of the prediction rate, which says how it misleads, at a few shares of ground.

    Parameters
    ----------
    rank, ground, deposits, camp
        As for `camp_bands`.
    shares
        Of the ground, in [0, 1].
    repeat
        (n,) keys: the curve is taken within each repeat and averaged, each draw of camps over all of them;
        without it all rows make one curve.

    Returns
    -------
    One ``{"share", "captured", "low", "high"}`` each; low and high None with fewer than 8 camps.
    """
    score, x = _finite(rank), _shares(shares)
    spent, weight = _column(ground, score), _column(deposits, score)
    known, group = number_camps(camp, weight)
    key = np.zeros(len(score)) if repeat is None else np.asarray(repeat)
    rates = []
    for each in np.unique(key):
        rows = key == each
        rates.append(camp_rates(score[rows], spent[rows], weight[rows], group[rows], x, camps=known))
    once = np.ones((1, known))
    captured = np.nanmean([_drawn_rate(once, *rate) for rate in rates], axis=0)[0]
    low, high = np.full((2, len(x)), np.nan)
    if known >= MIN_CAMPS:
        times = camp_draws(known, draws, seed)
        drawn = np.nanmean([_drawn_rate(times, *rate) for rate in rates], axis=0)
        low, high = np.quantile(drawn, _LEVELS, axis=0)
    given = known >= MIN_CAMPS
    return [
        {
            "share": float(x[i]),
            "captured": float(captured[i]),
            "low": float(low[i]) if given else None,
            "high": float(high[i]) if given else None,
        }
        for i in range(len(x))
    ]


# ---- one fixed model


class DeLong(NamedTuple):
    """An AUC, its standard error and 95 % interval; against another score also the difference, z and p."""

    auc: float
    error: float
    low: float
    high: float
    difference: float | None = None
    z: float | None = None
    p: float | None = None


def delong(score: ArrayLike, is_ore: ArrayLike, other: ArrayLike | None = None) -> DeLong:
    """Give the error of an AUC, or of the difference of two on the same rows (DeLong et al. 1988).

    With V10_i the share of barren rows below ore row i and V01_j the share of ore rows above barren row j
    (ties half), var(AUC) = var(V10) / m + var(V01) / n, m ore and n barren rows; for two scores the same of
    V10 - V10' and V01 - V01'. Placements come from sorting, as in the fast form of Sun and Xu (2014), not
    from all m n pairs. The interval is AUC +- 1.96 errors, cut to [0, 1].

    For ONE fixed model only, scored on rows it did not see: it knows nothing of another fit, another fold or
    another repeat. It takes rows for independent; ore clustered in camps makes it too narrow, and then
    `camp_interval` is the one to use. With perfect separation its error is 0, which is no certainty.

    Parameters
    ----------
    score, other
        (n,), any scale, higher = more ore-like.
    is_ore
        (n,) bool, at least 2 of each class.

    Returns
    -------
    `DeLong`; difference (score - other), z and two-sided p are None without `other`; z and p are NaN where
    the difference does not vary.

    Raises
    ------
    DataError
        If a class has fewer than 2 rows or a score is NaN.
    """
    from scipy.special import ndtr, ndtri

    found, ground = _components(score, is_ore)
    area, error = float(found.mean()), _delong_error(found, ground)
    reach = float(ndtri(0.975)) * error
    first = DeLong(area, error, max(0.0, area - reach), min(1.0, area + reach))
    if other is None:
        return first
    found_other, ground_other = _components(other, is_ore)
    difference = area - float(found_other.mean())
    error = _delong_error(found - found_other, ground - ground_other)
    z = difference / error if error > 0 else float("nan")
    return first._replace(difference=difference, z=z, p=float(2 * ndtr(-abs(z))))


# ---- inside


def _components(score: ArrayLike, is_ore: ArrayLike) -> Bands:
    """Place ore among barren and barren among ore, so that the mean of each is the AUC."""
    values, ore = both_classes(score, is_ore)
    if min(ore.sum(), (~ore).sum()) < 2:
        raise DataError(
            f"{ore.sum()} ore and {(~ore).sum()} barren given; each class needs at least 2: add some"
        )
    return placements(values[ore], values[~ore]), 1 - placements(values[~ore], values[ore])


def _delong_error(found: Array, ground: Array) -> float:
    return float(np.sqrt(found.var(ddof=1) / found.size + ground.var(ddof=1) / ground.size))


def _finite(rank: ArrayLike) -> Array:
    score = np.asarray(rank, dtype=np.float64)
    if missing := int(np.isnan(score).sum()):
        raise DataError(f"{missing} scores are NaN; they must be numbers: leave such rows out")
    return score


def _shares(at: ArrayLike) -> Array:
    x = np.asarray(at, dtype=np.float64)
    if not ((x >= 0) & (x <= 1)).all():
        raise UsageError(f"{x.min():g} to {x.max():g} is given; shares lie in [0, 1]: divide percent by 100")
    return x


def _column(values: ArrayLike, like: Array) -> Array:
    return np.broadcast_to(np.asarray(values, dtype=np.float64), like.shape)


def number_camps(camp: ArrayLike, weight: Array) -> tuple[int, NDArray[np.intp]]:
    """Give the number of camps that have a weight, and each row's, from 0; 0 too without a weight.

    Raises
    ------
    DataError
        If no row has a weight, or one that has lacks a camp.
    """
    ids, held = np.asarray(camp), weight > 0
    if not held.any():
        raise DataError("no deposit and no ore area is given; a curve needs at least 1: use other rows")
    if lost := int((ids[held] <= 0).sum()):
        raise DataError(f"{lost} areas with ore lack a camp; ids start at 1: number them")
    known, group = np.unique(ids[held], return_inverse=True)
    every = np.zeros(len(ids), dtype=np.intp)
    every[held] = group
    return len(known), every


def camp_rates(
    score: Array, spent: Array, weight: Array, group: NDArray[np.intp], at: Array, *, camps: int | None = None
) -> Bands:
    """Cumulate each camp's weight along the ground: at `at`, (camp, k), and in all, (camp,).

    A draw's curve is linear in how often its camps came up, so the ground is sorted once for all draws.
    """
    levels, level = np.unique(-score, return_inverse=True)
    width, height = len(levels), int(group.max()) + 1 if camps is None else camps
    if spent.sum() <= 0:
        raise DataError("no ground is given; a curve needs some: give areas above 0")
    sums = np.bincount(group * width + level, weights=weight, minlength=height * width)
    found = np.cumsum(sums.reshape(height, width), axis=1)
    ground = np.cumsum(np.bincount(level, weights=spent, minlength=width)) / spent.sum()
    x = np.concatenate([[0.0], ground])
    curves = np.stack([np.interp(at, x, np.concatenate([[0.0], row])) for row in found])
    return curves, np.asarray(found[:, -1], dtype=np.float64)


def _drawn_rate(times: Array, curves: Array, totals: Array) -> Array:
    """Give each draw's curve, (draw, k); NaN where none of its camps has a weight here."""
    whole = times @ totals
    return np.asarray((times @ curves) / np.where(whole > 0, whole, np.nan)[:, None])


def _drawn_precision(
    times: Array, score: Array, ore: NDArray[np.bool_], group: NDArray[np.intp], at: Array
) -> Array:
    """Give each draw's precision at the highest threshold that reaches each recall, (draw, k)."""
    _, wrong, threshold = cumulate(score, ore.astype(np.float64), (~ore).astype(np.float64))
    level = np.searchsorted(-threshold[1:], -score)
    used, step = np.unique(level[ore], return_inverse=True)  # only there the recall rises
    height, width = times.shape[1], len(used)
    sums = np.bincount(group[ore] * width + step, minlength=height * width).reshape(height, width)
    found, barren = np.cumsum(sums, axis=1, dtype=np.float64), wrong[1:][used]
    out = np.empty((len(times), len(at)))
    wanted = np.maximum(at - ROUNDING, ROUNDING)
    for start in range(0, len(times), _CHUNK):
        part = times[start : start + _CHUNK] @ found
        recall = part / part[:, -1:]
        # one sorted line of all draws: recalls lie in [0, 1], so steps of 2 keep them apart
        offset = 2.0 * np.arange(len(part))[:, None]
        first = np.searchsorted((recall + offset).ravel(), (wanted + offset).ravel()).reshape(len(part), -1)
        hit = np.take(part.ravel(), first)
        out[start : start + _CHUNK] = hit / (hit + barren[first % width])
    return out
