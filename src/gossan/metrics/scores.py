"""AUC, precision and votes of one set of rows."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError
from gossan.metrics._rows import both_classes, cumulate

__all__ = ["auc", "average_precision", "confusion", "placements", "s_auc", "z_auc"]

Array = NDArray[np.float64]

# ---- AUC


def placements(ore: ArrayLike, barren: ArrayLike) -> Array:
    """Give, for each ore score, the share of barren scores that are lower; a tie counts half.

    Parameters
    ----------
    ore, barren
        Scores, (n,) and (m,), finite.

    Returns
    -------
    shares in [0, 1], (n,); their mean is the AUC (Hanley and McNeil 1982).
    """
    found, ground = np.asarray(ore, dtype=np.float64), np.sort(np.asarray(barren, dtype=np.float64))
    if not ground.size:
        raise DataError("no barren score is given; a placement needs at least 1: use fewer or larger folds")
    if np.isnan(found).any() or np.isnan(ground).any():
        raise DataError("a score is NaN; scores must be numbers: leave such rows out")
    below = ground.searchsorted(found, "left") + ground.searchsorted(found, "right")
    return below / (2.0 * ground.size)


def auc(score: ArrayLike, is_ore: ArrayLike) -> float:
    """Give the probability that an ore score is above a barren one; ties count half.

    AUC = P(s+ > s-) + P(s+ = s-) / 2, Mann and Whitney's U over the number of pairs (Hanley and McNeil 1982).

    Misleads as usefulness: it weighs all thresholds alike, of which a survey can afford the first few, and it
    does not see how rare ore is. Scores of different models must not be pooled for it.

    Parameters
    ----------
    score
        (n,), any scale, higher = more ore-like.
    is_ore
        (n,) bool.

    Returns
    -------
    a share in [0, 1].

    Raises
    ------
    DataError
        If one of the two classes is empty or a score is NaN.

    Examples
    --------
    >>> auc([0.1, 0.4, 0.4, 0.8], [False, False, True, True])
    0.875
    """
    values, ore = both_classes(score, is_ore)
    return float(placements(values[ore], values[~ore]).mean())


def s_auc(auc: ArrayLike, n_ore: ArrayLike, n_barren: ArrayLike) -> Any:
    """Give the standard error of an AUC (equations 1 and 2 of the paper; Hanley and McNeil 1982).

    It takes samples for independent; clustered ore makes it too small (see `camp_interval`).

    Parameters
    ----------
    auc
        In [0, 1], float or array.
    n_ore, n_barren
        Number of ore and of barren samples, at least 2 each; broadcast against `auc`.

    Returns
    -------
    float for scalars, else an array of the broadcast shape.

    Raises
    ------
    DataError
        If a class has fewer than 2 members or an AUC is outside [0, 1].
    """
    area, ore, barren = (np.asarray(each, dtype=np.float64) for each in (auc, n_ore, n_barren))
    if not (np.all(ore >= 2) and np.all(barren >= 2)):
        raise DataError(f"{ore} ore and {barren} barren given; each class needs at least 2: add some")
    if not np.all((area >= 0) & (area <= 1)):
        raise DataError(f"AUC {area} is given; an AUC must lie in [0, 1]: check the scores")
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (ore - 1) * (q1 - area**2) + (barren - 1) * (q2 - area**2)
    error = np.sqrt(np.maximum(variance, 0.0) / (ore * barren))  # rounding makes it -1e-17 close to 0 and 1
    return float(error) if error.ndim == 0 else error


def z_auc(auc: ArrayLike, n_ore: ArrayLike, n_barren: ArrayLike) -> Any:
    """Give the distance of an AUC from .5 in standard errors (equation 3 of the paper).

    Parameters
    ----------
    auc
        In (0, 1), float or array.
    n_ore, n_barren
        Number of ore and of barren samples, at least 2 each.

    Returns
    -------
    float for scalars, else an array of the broadcast shape.

    Raises
    ------
    DataError
        If a class has fewer than 2 members, or an AUC is not in (0, 1): its standard error is 0 at the ends.

    Examples
    --------
    >>> round(z_auc(165 / 244, 122, 122), 4)
    5.1563
    """
    area = np.asarray(auc, dtype=np.float64)
    if not np.all((area > 0) & (area < 1)):
        raise DataError(f"AUC {area} is given; Z needs an AUC above 0 and below 1: report the AUC alone")
    z = (area - 0.5) / np.asarray(s_auc(area, n_ore, n_barren))
    return float(z) if z.ndim == 0 else z


# ---- other scores


def average_precision(score: ArrayLike, is_ore: ArrayLike) -> float:
    """Give the precision averaged over the ore found, by falling score; tied scores enter together.

    AP = sum over thresholds of (recall_i - recall_(i-1)) precision_i. Misleads between grounds: a random
    score gets about the prevalence, so it compares only within one prevalence.
    """
    values, ore = both_classes(score, is_ore)
    found, wrong, _ = cumulate(values, ore.astype(np.float64), (~ore).astype(np.float64))
    return float(np.sum(np.diff(found) * found[1:] / (found[1:] + wrong[1:])) / found[-1])


def confusion(vote: ArrayLike, is_ore: ArrayLike) -> dict[str, float]:
    """Give accuracy, recall of ore, and F1 of the ore class, macro and weighted.

    Parameters
    ----------
    vote, is_ore
        (n,) bool: called ore, is ore.

    Returns
    -------
    ``accuracy, recall_ore, f1_ore, f1_macro, f1_weighted`` in [0, 1], and ``accuracy_all_barren``, what
    calling everything barren would get. `f1_macro` is the plain mean of both classes' F1, `f1_weighted`
    weights them by their size. NaN where undefined: recall without ore, F1 of a class neither there nor
    called.
    """
    called, ore = np.asarray(vote, dtype=bool), np.asarray(is_ore, dtype=bool)
    hit, miss, false = int(np.sum(called & ore)), int(np.sum(~called & ore)), int(np.sum(called & ~ore))
    rest, n = ore.size - hit - miss - false, ore.size
    f1_ore, f1_barren = _ratio(2 * hit, 2 * hit + miss + false), _ratio(2 * rest, 2 * rest + miss + false)
    return {
        "accuracy": _ratio(hit + rest, n),
        "recall_ore": _ratio(hit, hit + miss),
        "f1_ore": f1_ore,
        "f1_macro": (f1_ore + f1_barren) / 2,
        "f1_weighted": ((hit + miss) * f1_ore + (rest + false) * f1_barren) / n if n else np.nan,
        "accuracy_all_barren": _ratio(rest + false, n),
    }


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
