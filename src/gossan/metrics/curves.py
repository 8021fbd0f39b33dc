"""Curves by falling score, and the numbers read off them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError
from gossan.metrics._rows import both_classes, cumulate

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Curve",
    "PrecisionRecall",
    "capture",
    "crossing",
    "ground_rank",
    "mean_log_rank",
    "precision_recall",
    "prediction_area",
    "prediction_rate",
    "roc_curve",
    "threshold_table",
]

#: Shares of the ground that a threshold table lists.
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
#: A share that is reached but for the rounding of a sum of areas counts as reached.
ROUNDING = 1e-9

Array = NDArray[np.float64]


class Curve(NamedTuple):
    """A curve by falling score; x and y rise from 0 to 1.

    ``threshold[0]`` is infinite; the scores from ``threshold[i]`` upwards give point i. Tied scores make one
    straight segment.
    """

    x: Array
    y: Array
    threshold: Array


class PrecisionRecall(NamedTuple):
    """Recall (x) against precision (y) by falling score, and the share of ore among all rows.

    The scores from ``threshold[i]`` upwards give point i; at ``threshold[0]``, infinite, nothing is called
    ore yet, and the precision of the first step stands there.
    """

    x: Array
    y: Array
    threshold: Array
    prevalence: float

    @property
    def lift(self) -> Array:
        """Precision / prevalence: how many times richer the called rows are than all rows."""
        return self.y / self.prevalence


def roc_curve(score: ArrayLike, is_ore: ArrayLike) -> Curve:
    """Give share of barren (x) against share of ore (y) found at each score; the area under it is `auc`.

    Misleads where ore is rare: x = .1 may be ten barren areas to each ore area; see `precision_recall`.
    """
    values, ore = both_classes(score, is_ore)
    found, wrong, threshold = cumulate(values, ore.astype(np.float64), (~ore).astype(np.float64))
    return Curve(wrong / wrong[-1], found / found[-1], threshold)


def precision_recall(score: ArrayLike, is_ore: ArrayLike) -> PrecisionRecall:
    """Give recall (share of ore found) against precision (share of ore among what is called ore).

    With TP(t) and FP(t) the ore and the barren rows that score at least t, recall = TP / (TP + FN) and
    precision = TP / (TP + FP) (Davis and Goadrich 2006). The area under the steps,
    sum (recall_i - recall_(i-1)) precision_i, is `average_precision`; straight lines between the points are
    too high.

    Misleads when curves of two prevalences are compared: a random score lies at the prevalence, so that
    richer ground looks like a better score (`lift` removes only the level). Its left end rests on a handful
    of rows.

    Parameters
    ----------
    score
        (n,), any scale, higher = more ore-like.
    is_ore
        (n,) bool.

    Raises
    ------
    DataError
        If one of the two classes is empty or a score is NaN.
    """
    values, ore = both_classes(score, is_ore)
    found, wrong, threshold = cumulate(values, ore.astype(np.float64), (~ore).astype(np.float64))
    precision = found[1:] / (found[1:] + wrong[1:])
    return PrecisionRecall(
        found / found[-1], np.concatenate([precision[:1], precision]), threshold, float(ore.mean())
    )


def prediction_rate(score: ArrayLike, area: ArrayLike, deposits: ArrayLike) -> Curve:
    """Give share of ground (x) against share of deposits (y) at each score (Chung and Fabbri 2003).

    With deposits that were held out it is the prediction rate, with those trained on the success rate. For
    equal areas, one deposit an ore area and no ties the area under it is pi / 2 + (1 - pi) AUC, pi being the
    share of ore areas.

    Misleads where the two rates are mixed up: the success rate of a flexible model is near 1 whatever it is
    worth on new ground. With one map of few deposits each is a step of the curve; see `camp_bands`.

    Parameters
    ----------
    score
        (n,), comparable between all rows (see `fold_percentile`).
    area
        (n,) ground of each row, at least 0, any unit.
    deposits
        (n,) number of deposits in each row.
    """
    values = np.asarray(score, dtype=np.float64)
    ground, count = (
        np.broadcast_to(np.asarray(each, dtype=np.float64), values.shape) for each in (area, deposits)
    )
    if np.isnan(values).any() or ground.sum() <= 0 or count.sum() <= 0:
        raise DataError(
            f"{int(count.sum())} deposits on ground of {ground.sum():g} are given, scores NaN: "
            f"{int(np.isnan(values).sum())}; the curve needs some of both and no NaN: leave such rows out"
        )
    found, spent, threshold = cumulate(values, count, ground)
    return Curve(spent / spent[-1], found / found[-1], threshold)


def capture(curve: Curve, share: ArrayLike) -> Array:
    """Give the share of deposits within the best `share` of the ground, both in [0, 1]."""
    return np.asarray(np.interp(np.asarray(share, dtype=np.float64), curve.x, curve.y))


def crossing(curve: Curve) -> tuple[float, float, float]:
    """Find where the prediction-area plot crosses (Yousefi and Carranza 2015).

    Returns
    -------
    share of ground Oa, share of deposits Pr = 1 - Oa, and the highest score from which upwards Pr >= 1 - Oa.
    For rare ore this is the point of equal error, not an optimum.
    """
    rest = curve.x + curve.y - 1
    after = int(np.argmax(rest >= 0))
    step = -rest[after - 1] / (rest[after] - rest[after - 1])
    share = float(curve.x[after - 1] + step * (curve.x[after] - curve.x[after - 1]))
    return share, 1 - share, float(curve.threshold[after])


def prediction_area(curve: Curve) -> dict[str, float]:
    """Read the crossing of the prediction-area plot off a prediction-rate curve.

    Where the share of deposits found and the share of ground left over meet, Pr = 1 - Oa (Yousefi and
    Carranza 2015). Normalised density Nd = Pr / Oa, deposits per unit of ground within the threshold over
    those on all ground; ln Nd is above 0 where there are more than by chance (Mihalasky and Bonham-Carter
    2001).

    Misleads as an optimum: since the share of ground is nearly the share of barren ground where ore is rare,
    Pr = 1 - Oa is the point where the shares of ore missed and of barren ground called are equal, as if both
    errors cost the same. It says nothing of how much ground anybody can afford to look at. With deposits that
    the score was trained on it is fitted, not predicted.

    Parameters
    ----------
    curve
        From `prediction_rate`.

    Returns
    -------
    ``oa`` and ``pr``, shares in [0, 1]; ``nd``, at least 0, infinite where oa is 0, 1 for a random score;
    ``ln_nd``; ``threshold``, the highest score from which upwards Pr >= 1 - Oa.
    """
    share, found, threshold = crossing(curve)
    with np.errstate(divide="ignore"):  # all deposits on no ground: infinitely dense
        density = np.divide(found, share)
        logarithm = np.log(density)
    return {
        "oa": share,
        "pr": found,
        "nd": float(density),
        "ln_nd": float(logarithm),
        "threshold": threshold,
    }


def ground_rank(score: ArrayLike, area: ArrayLike) -> Array:
    """Give the share of all ground that is scored as high as each row or higher; ties count half.

    r_i = (sum of a_j with s_j > s_i + half the sum of a_j with s_j = s_i) / sum of a_j: a row stands in the
    middle of the ground that shares its score, its own included.

    Parameters
    ----------
    score
        (n,), comparable between all rows, no NaN.
    area
        (n,) or a number: ground of each row, at least 0, any unit.

    Returns
    -------
    (n,) shares in [0, 1], low is good.
    """
    values = np.asarray(score, dtype=np.float64)
    ground = np.broadcast_to(np.asarray(area, dtype=np.float64), values.shape)
    if np.isnan(values).any() or not (ground >= 0).all() or ground.sum() <= 0:
        raise DataError(
            f"{int(np.isnan(values).sum())} scores are NaN, ground sums to {ground.sum():g}; ranks need "
            "numbers and some ground, none of it negative: leave such rows out"
        )
    levels, group = np.unique(-values, return_inverse=True)
    tied = np.bincount(group, weights=ground, minlength=len(levels))
    return np.asarray(((np.cumsum(tied) - tied / 2) / tied.sum())[group])


def mean_log_rank(score: ArrayLike, area: ArrayLike, deposits: ArrayLike) -> float:
    """Average over deposits the decimal logarithm of the share of ground scored as high as theirs or higher.

    M = sum of d_i log10 r_i / sum of d_i, with d_i deposits in row i and r_i from `ground_rank` (own
    definition; 10 ** M is the deposits' geometric mean rank). -1 means that a deposit typically lies where a
    tenth of the ground scores as high. By chance, ranks uniform in (0, 1), M = -1 / ln 10 = -.434; a constant
    score gets log10 .5 = -.301.

    Misleads on few rows: the best of n equal rows has rank 1 / (2 n), which no score can undercut. It rewards
    the top so much that one deposit in first place makes up for several in the middle.

    Parameters
    ----------
    score
        (n,), comparable between all rows.
    area
        (n,) or a number: ground of each row, above 0 where there are deposits, any unit.
    deposits
        (n,) number of deposits in each row.

    Raises
    ------
    DataError
        Without deposits, with deposits on no ground, or if a score is NaN.
    """
    rank = ground_rank(score, area)
    count = np.broadcast_to(np.asarray(deposits, dtype=np.float64), rank.shape)
    if count.sum() <= 0 or (rank[count > 0] <= 0).any():
        raise DataError(
            f"{int(count.sum())} deposits are given, {int(count[rank <= 0].sum())} of them on no ground; a "
            "rank needs a deposit on some: leave such rows out"
        )
    held = count > 0
    return float(np.average(np.log10(rank[held]), weights=count[held]))


def threshold_table(
    score: ArrayLike,
    area: ArrayLike,
    deposits: ArrayLike,
    is_ore: ArrayLike,
    *,
    probability: ArrayLike | None = None,
    shares: Sequence[float] = SHARES,
) -> "pd.DataFrame":
    """List what each share of the ground, best scores first, holds.

    Rows enter whole and tied scores together, so that a line's ground is its share or a little more:
    ``ground`` says how much. Precision = ore areas found / areas found, lift = precision / prevalence,
    expected ore = sum of the probabilities of the areas found.

    Misleads where it is read line by line for the best one: choose the share before looking. With fewer
    deposits than lines, neighbouring lines differ by one deposit.

    Parameters
    ----------
    score
        (n,), comparable between all rows, no NaN.
    area
        (n,) or a number: ground of each row, at least 0, any unit.
    deposits, is_ore
        (n,) number of deposits, and whether the row is ore.
    probability
        (n,) calibrated, in [0, 1]; without it ``expected_ore`` is NaN.
    shares
        Of the ground, each above 0 to 1.

    Returns
    -------
    One row a share: ``share, ground`` (share used), ``threshold`` (lowest score within), ``areas, deposits,
    deposits_share`` (NaN without any), ``ore_areas, precision, lift`` (NaN without ore), ``expected_ore``.

    Raises
    ------
    DataError
        If a share is not in (0, 1], a score is NaN or there is no ground.
    """
    import pandas as pd

    wanted = np.asarray(shares, dtype=np.float64)
    if not ((wanted > 0) & (wanted <= 1)).all():
        raise DataError(f"shares {list(shares)} are given; each must be above 0 and at most 1: change them")
    values = np.asarray(score, dtype=np.float64)
    ground_rank(values, area)  # refuses NaN and missing ground
    ground, found, ore, expected = (
        np.broadcast_to(np.asarray(each, dtype=np.float64), values.shape)
        for each in (area, deposits, is_ore, np.nan if probability is None else probability)
    )
    spent, areas, threshold = cumulate(values, ground, np.ones_like(values))
    sums = [cumulate(values, each, each)[0] for each in (found, ore, expected)]
    at = np.maximum(1, np.searchsorted(spent, (wanted - ROUNDING) * spent[-1]))
    held, hit, expectation = (each[at] for each in sums)
    precision = hit / areas[at]
    return pd.DataFrame(
        {
            "share": wanted,
            "ground": spent[at] / spent[-1],
            "threshold": threshold[at],
            "areas": areas[at].astype(np.int64),
            "deposits": held.astype(np.int64),
            "deposits_share": held / sums[0][-1] if sums[0][-1] else np.nan,
            "ore_areas": hit.astype(np.int64),
            "precision": precision,
            "lift": precision / ore.mean() if ore.any() else np.nan,
            "expected_ore": expectation,
        }
    )
