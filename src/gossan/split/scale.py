"""How far apart two places must be to differ: the variogram range of the channels' first factor."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError

__all__ = ["factor_range"]

#: Pixels below which no variogram is worth the name.
_FEWEST = 50
_BINS = 30
#: A smaller part of the variance that depends on distance is taken for none.
_LEAST_SHARE = 0.1


def factor_range(
    layers: ArrayLike, valid: NDArray[np.bool_], *, seed: int | Sequence[int] = 0, most: int = 4000
) -> float:
    """Return the practical variogram range, in pixels, of the first factor of number channels.

    The factor is the first principal component of the channels, standardised over a random sample of the
    valid pixels, with the mean in place of missing values. Its isotropic empirical semivariogram (Matheron)
    up to a third of the map's longer side is fitted by the exponential model
    nugget + sill (1 - exp(-3 h / range)), least squares weighted by the square root of the number of pairs.
    At the practical range, which is returned, 95 % of the sill is reached.

    Parameters
    ----------
    layers
        (channel, row, col), any unit, NaN for missing.
    valid
        (row, col), the valid pixels.
    seed
        Draws the pixels.
    most
        Valid pixels used at most.

    Returns
    -------
    Pixels, from 0 to the map's longer side; 0 where less than a tenth of the fitted variance depends on
    distance, or no channel varies.

    Raises
    ------
    DataError
        For fewer than 50 valid pixels, or a mask of another shape.
    """
    values = np.asarray(layers)
    if values.ndim != 3 or values.shape[1:] != valid.shape:
        raise DataError(f"layers of {values.shape} and a mask of {valid.shape} given; both are of one map")
    ground = np.flatnonzero(valid)
    if len(ground) < _FEWEST:
        raise DataError(f"{len(ground)} valid pixels given; a variogram needs {_FEWEST}: enlarge the area")
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    chosen = np.sort(rng.choice(ground, min(most, len(ground)), replace=False))
    row, col = np.unravel_index(chosen, valid.shape)
    factor = _first_factor(values[:, row, col].T.astype(np.float64))
    if factor is None:
        return 0.0
    longest = float(max(valid.shape))
    lag, half_square, pairs = _semivariogram(np.stack((row, col), axis=1), factor, longest / 3)
    return _practical_range(lag, half_square, pairs, longest)


def _first_factor(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the first principal component (pixel,), of unit variance; None where nothing varies."""
    known = np.isfinite(values)
    values = values[:, known.sum(axis=0) > 1]
    known = np.isfinite(values)
    mean = np.where(known, values, 0).sum(axis=0) / known.sum(axis=0)
    centred = np.where(known, values - mean, 0)
    deviation = centred.std(axis=0)
    # A channel that is flat but for rounding tells nothing.
    varies = deviation > 1e-6 * np.maximum(1.0, np.abs(mean))
    if not varies.any():
        return None
    standard = centred[:, varies] / deviation[varies]
    _, axes = np.linalg.eigh(standard.T @ standard)
    factor = standard @ axes[:, -1]
    return np.asarray(factor / factor.std(), dtype=np.float64)


def _semivariogram(
    place: NDArray[np.int64], factor: NDArray[np.float64], longest: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return mean distance, mean half squared difference and number of pairs of each bin that has some.

    Bins widen with distance, so that a range of few pixels is seen too.
    """
    from scipy.spatial.distance import pdist

    distance = pdist(place.astype(np.float64))
    bins = np.floor(np.sqrt(distance / longest) * _BINS).astype(np.int64)
    near = bins < _BINS
    bins, distance = bins[near], distance[near]
    square = pdist(factor[:, None], "sqeuclidean")[near]
    pairs = np.bincount(bins, minlength=_BINS)
    some = pairs > 0
    lag = np.bincount(bins, distance, _BINS)[some] / pairs[some]
    half_square = np.bincount(bins, square, _BINS)[some] / pairs[some] / 2
    return lag, half_square, pairs[some]


def _practical_range(
    lag: NDArray[np.float64], half_square: NDArray[np.float64], pairs: NDArray[np.int64], longest: float
) -> float:
    """Fit nugget, sill and range of the exponential model: for each range the other two are linear."""
    from scipy.optimize import minimize_scalar, nnls

    # Far bins have most pairs by far, but the near ones tell the range: hence the root of their number.
    weight = (pairs / pairs.sum()) ** 0.25

    def fitted(log_range: float) -> tuple[NDArray[np.float64], float]:
        rise = -np.expm1(-3 * lag / np.exp(log_range))
        design = np.stack((np.ones_like(rise), rise), axis=1)
        return nnls(design * weight[:, None], half_square * weight)

    steps = np.linspace(0, np.log(longest), 40)
    best = int(np.argmin([fitted(step)[1] for step in steps]))
    bounds = steps[max(best - 1, 0)], steps[min(best + 1, len(steps) - 1)]
    found = minimize_scalar(lambda step: fitted(step)[1], bounds=bounds, method="bounded")
    (nugget, sill), _ = fitted(found.x)
    return float(np.exp(found.x)) if sill >= _LEAST_SHARE * (nugget + sill) else 0.0
