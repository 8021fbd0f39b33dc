"""Whether probabilities mean what they say."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError

__all__ = [
    "EDGE",
    "Calibration",
    "brier",
    "brier_skill",
    "calibration",
    "calibration_line",
    "expected_observed",
]

#: Probabilities are moved this far off 0 and 1 before their logit is taken.
EDGE = 1e-6
#: Largest gradient of the mean log likelihood that counts as its maximum.
_SLACK = 1e-6

Array = NDArray[np.float64]


class Calibration(NamedTuple):
    """Bins by rising probability: its mean, share of ore, number; and the expected calibration error."""

    probability: Array
    share_ore: Array
    number: NDArray[np.int64]
    error: float


def brier(probability: ArrayLike, is_ore: ArrayLike) -> float:
    """Give the mean squared difference between probability and truth, in [0, 1], 0 is best; NaN stays NaN.

    B = sum (p_i - y_i)^2 / n (Brier 1950). Misleads where ore is rare: 0 everywhere gets the prevalence, such
    as .02, which looks good; `brier_skill` puts it beside the base rate.
    """
    return float(
        np.mean((np.asarray(probability, dtype=np.float64) - np.asarray(is_ore, dtype=np.float64)) ** 2)
    )


def brier_skill(probability: ArrayLike, is_ore: ArrayLike, base: ArrayLike | None = None) -> float:
    """Give 1 - B / B0: the part of the base rate's Brier score that the probabilities save.

    B is the mean of (p - y)^2, B0 that of (base - y)^2 (Brier 1950; Murphy 1973). 1 is perfect, 0 as good as
    saying the base rate everywhere, below 0 worse than that.

    Misleads between grounds: a calibrated score with an AUC of .77 (two normal classes) has a skill of .15
    where 16 % of the rows are ore and of .03 where 2 % are. The base rate of the very rows, used without
    `base`, is known only afterwards and makes the rival a little too good.

    Parameters
    ----------
    probability
        (n,) in [0, 1].
    is_ore
        (n,) bool.
    base
        What the rival says: a number, or (n,) such as each row's prevalence in training; without it the share
        of ore among the rows.

    Returns
    -------
    at most 1; NaN where a probability is NaN or the rival makes no error.
    """
    truth = np.asarray(is_ore, dtype=np.float64)
    rival = truth.mean() if base is None else base
    reference = brier(np.broadcast_to(np.asarray(rival, dtype=np.float64), truth.shape), truth)
    return 1 - brier(probability, truth) / reference if reference > 0 else float("nan")


def expected_observed(probability: ArrayLike, is_ore: ArrayLike) -> float:
    """Give the sum of the probabilities over the number of ore rows, E / O (calibration in the large).

    1 is right, 2 means twice as much ore announced as known. Misleads alone: the base rate everywhere gets 1,
    and too high and too low cancel. Its chance error is about 1 / sqrt(ore rows), more where ore is
    clustered.

    Parameters
    ----------
    probability
        (n,) in [0, 1].
    is_ore
        (n,) bool.

    Returns
    -------
    at least 0; NaN without ore.
    """
    expected, observed = (float(np.sum(np.asarray(each, dtype=np.float64))) for each in (probability, is_ore))
    return expected / observed if observed else float("nan")


def calibration_line(probability: ArrayLike, is_ore: ArrayLike) -> tuple[float, float]:
    """Fit logit P(ore) = intercept + slope logit(p) by maximum likelihood, without penalty (Cox 1958).

    (1, 0) is calibrated. A slope below 1 means too extreme probabilities (overfitting), above 1 too timid
    ones; both are fitted together, so that the intercept is the offset at p = .5, not the offset on average
    (for that see `expected_observed`).

    Misleads with little ore: at 20 ore rows its standard error is about .3. It takes rows for independent,
    and a straight line hides a bend that `calibration` shows.

    Parameters
    ----------
    probability
        (n,) in [0, 1]; moved to [1e-6, 1 - 1e-6] first, since the logit of 0 and 1 is infinite.
    is_ore
        (n,) bool.

    Returns
    -------
    slope, intercept; NaN both where no maximum exists: one class, a perfect separation of the classes in
    either direction, probabilities all alike, or NaN among them; and where it is not found.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    p, ore = np.asarray(probability, dtype=np.float64), np.asarray(is_ore, dtype=bool)
    inside = np.clip(p, EDGE, 1 - EDGE)
    logit = np.log(inside) - np.log1p(-inside)
    if not _overlap(logit[ore], logit[~ore]):
        return float("nan"), float("nan")
    # in standardised units the curvature is alike in both directions, whatever the spread of the logits
    centre, scale = logit.mean(), logit.std()
    rows = np.column_stack([np.ones_like(logit), (logit - centre) / scale])

    def loss(line: Array) -> float:
        return float(np.mean(np.logaddexp(0, rows @ line) - ore * (rows @ line)))

    def gradient(line: Array) -> Array:
        return np.asarray(rows.T @ (expit(rows @ line) - ore)) / len(rows)

    def curvature(line: Array) -> Array:
        share = expit(rows @ line)
        return np.asarray((rows.T * (share * (1 - share))) @ rows) / len(rows)

    start = np.array([np.log(ore.mean() / (1 - ore.mean())), 0.0])
    best = minimize(loss, start, jac=gradient, hess=curvature, method="trust-exact", options={"gtol": 1e-10})
    if np.abs(best.jac).max() > _SLACK:
        return float("nan"), float("nan")
    slope = best.x[1] / scale
    return float(slope), float(best.x[0] - slope * centre)


def calibration(probability: ArrayLike, is_ore: ArrayLike, *, bins: int = 10) -> Calibration:
    """Compare probabilities with the share of ore in bins of equal number (tied probabilities stay together).

    The error is the mean absolute difference of the two, weighted by the bins' numbers: sum n_b |mean p -
    share of ore| / n (expected calibration error; Naeini et al. 2015, there with bins of equal width).

    Misleads on few rows, since it cannot be negative: a perfectly calibrated score gets about .03 by chance
    with 1,000 rows and 10 bins, .07 with 126 (a seventh ore). The base rate everywhere gets 0.
    """
    values, ore = np.asarray(probability, dtype=np.float64), np.asarray(is_ore, dtype=np.float64)
    if not values.size or np.isnan(values).any():
        raise DataError(f"{values.size} probabilities given, or NaN among them; give at least 1 and no NaN")
    edges = np.unique(np.quantile(values, np.arange(1, bins) / bins))
    label = np.searchsorted(edges, values, "right")
    number = np.bincount(label)
    kept = number > 0
    mean, share = (np.bincount(label, weights=each)[kept] / number[kept] for each in (values, ore))
    error = float(np.sum(number[kept] * np.abs(mean - share)) / values.size)
    return Calibration(mean, share, number[kept].astype(np.int64), error)


# ---- inside


def _overlap(ore: Array, barren: Array) -> bool:
    """Tell whether a finite logistic fit of one predictor exists: no cut parts the two classes."""
    if not ore.size or not barren.size or np.isnan(ore).any() or np.isnan(barren).any():
        return False
    return bool(ore.min() < barren.max() and barren.min() < ore.max())
