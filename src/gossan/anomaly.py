"""Anomaly classes of a map or of samples: median and MAD, and concentration-area; arrays in, classes out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError, UsageError

__all__ = ["ConcentrationArea", "anomaly_classes", "concentration_area", "mad_thresholds"]

#: Makes the median absolute deviation of a normal distribution its standard deviation.
_NORMAL = 1.4826


def mad_thresholds(values: ArrayLike, multiples: Sequence[float] = (2.0,)) -> NDArray[np.float64]:
    """Thresholds median + k MAD (Reimann, Filzmoser and Garrett 2005, with k = 2).

    MAD is the median absolute deviation times 1.4826. Give logarithms or log-ratios: concentrations are
    skewed, and most would come out anomalous.

    Parameters
    ----------
    values
        Any shape, transformed; NaN = missing.
    multiples
        The k, rising.

    Raises
    ------
    DataError
        There is no value, or more than half of them are the same, so that MAD is 0.

    Examples
    --------
    >>> mad_thresholds([1.0, 2.0, 3.0, 4.0, 5.0, np.nan])
    array([5.9652])
    """
    given = np.asarray(values, dtype=float)
    given = given[np.isfinite(given)]
    if not len(given):
        raise DataError("no value given; a threshold needs some: check the layer's extent")
    median = np.median(given)
    spread = _NORMAL * np.median(np.abs(given - median))
    if spread == 0:
        raise DataError(
            f"more than half of {len(given)} values are {median:g}; median + MAD needs values that vary: "
            "most are below detection, so class the element as detected or not"
        )
    return np.asarray(median + spread * np.asarray(multiples, dtype=float), dtype=np.float64)


def anomaly_classes(
    values: ArrayLike, thresholds: Sequence[float] | NDArray[np.float64]
) -> NDArray[np.int16]:
    """Class of each value: the number of thresholds that it reaches; -1 where it is missing.

    Parameters
    ----------
    values
        Any shape, in the unit of the thresholds.
    thresholds
        Rising.

    Raises
    ------
    UsageError
        The thresholds do not rise.

    Examples
    --------
    >>> anomaly_classes([0.0, 2.0, 7.0, np.nan], [2.0, 5.0])
    array([ 0,  1,  2, -1], dtype=int16)
    """
    given, bounds = np.asarray(values, dtype=float), np.asarray(thresholds, dtype=float)
    if (np.diff(bounds) <= 0).any():
        raise UsageError(f"thresholds {bounds.tolist()} given; they must rise: put them in order")
    classes = np.searchsorted(bounds, given, side="right").astype(np.int16)
    return np.where(np.isnan(given), np.int16(-1), classes)


@dataclass(frozen=True)
class ConcentrationArea:
    """A concentration-area curve and the straight parts that it falls into.

    Attributes
    ----------
    thresholds
        Concentrations where one part ends and the next begins, rising.
    exponents
        Slope of log area on log concentration in each part; steeper means rarer.
    levels, area
        The curve: the share of the ground, in (0, 1], at or above each concentration.
    """

    thresholds: NDArray[np.float64]
    exponents: NDArray[np.float64]
    levels: NDArray[np.float64]
    area: NDArray[np.float64]


def concentration_area(
    values: ArrayLike, *, parts: int = 3, levels: int = 100, fewest: int = 10
) -> ConcentrationArea:
    """Fit the concentration-area curve by straight parts on logarithms (Cheng et al. 1994).

    The area A at or above a concentration v falls as a power of v; where the power changes, one population
    of values ends and another begins. The breaks are those with the least squared error of all there are.

    Parameters
    ----------
    values
        Concentrations of pixels of equal area, above zero, any shape, **not** logarithms; NaN = missing.
    parts
        Straight parts, 2 or more: one threshold fewer.
    levels
        Points of the curve, evenly spaced in log concentration.
    fewest
        The curve ends where fewer pixels are left.

    Raises
    ------
    DataError
        A value is zero or negative, or too few different ones are there.
    UsageError
        Fewer than two parts, or too few levels for them.
    """
    if parts < 2 or levels < 4 * parts:
        raise UsageError(
            f"{parts} parts and {levels} levels given; 2 parts and 4 levels for each are the fewest"
        )
    given = np.asarray(values, dtype=float)
    given = np.sort(given[np.isfinite(given)])
    if len(given) and given[0] <= 0:
        raise DataError("values of zero or below given; concentrations are positive: undo the logarithm")
    top = given[-min(fewest, len(given))] if len(given) else 0.0
    if len(given) < 4 * parts or top <= given[0]:
        raise DataError(
            f"{len(given)} values that hardly vary given; a curve needs more: class by median + MAD"
        )
    at = np.geomspace(given[0], top, levels)
    area = (len(given) - np.searchsorted(given, at * (1 - 1e-12))) / len(given)
    breaks, slopes = _straight_parts(np.log10(at), np.log10(area), parts)
    return ConcentrationArea(np.sqrt(at[breaks - 1] * at[breaks]), slopes, at, area)


def _straight_parts(
    x: NDArray[np.float64], y: NDArray[np.float64], parts: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """First point of every part but the first, and every part's slope, with the least squared error.

    Exact, by dynamic programming over the last part's first point; a part has three points at least.
    """
    slope, error = _line_fits(x, y)
    n = len(x)
    best, begin = error[0].copy(), np.zeros((parts, n + 1), dtype=np.intp)
    for part in range(1, parts):
        total = best[:, None] + error  # [first point of this part, end]
        begin[part] = total.argmin(axis=0)
        best = total[begin[part], np.arange(n + 1)]
    ends = [n]
    for part in range(parts - 1, 0, -1):
        ends.append(int(begin[part, ends[-1]]))
    cuts = np.array([0, *ends[::-1]], dtype=np.intp)
    return cuts[1:-1], slope[cuts[:-1], cuts[1:]]


def _line_fits(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Slope and squared error of the line through points [first, end), both (n + 1, n + 1)."""
    x, y = x - x.mean(), y - y.mean()
    sums = [np.concatenate([[0.0], np.cumsum(each)]) for each in (np.ones_like(x), x, y, x * x, x * y, y * y)]
    count, sx, sy, sxx, sxy, syy = (each[None, :] - each[:, None] for each in sums)
    size = np.maximum(count, 1)
    vxx, vxy, vyy = sxx - sx * sx / size, sxy - sx * sy / size, syy - sy * sy / size
    fits = count >= 3
    slope = np.where(fits, vxy / np.where(fits & (vxx > 0), vxx, 1.0), np.nan)
    return slope, np.where(fits, np.maximum(vyy - slope * vxy, 0.0), np.inf)
