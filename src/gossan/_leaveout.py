"""How far interpolated values are off, by leaving samples out. A private part of `gossan.interpolate`."""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan._sites import as_points, check_options, merge_coincident
from gossan.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd
    from scipy.spatial import cKDTree

__all__ = ["far_share", "interpolation_errors", "leave_one_out"]

Floats = NDArray[np.float64]

#: Bytes of one block of weights; about four arrays of its size are alive at once.
_BLOCK_BYTES = 16 * 2**20
#: Positions that the errors of a map are taken from: an RMSE is then known to about 1 %.
MOST = 5000
#: Up to this power, weights relative to the nearest sample stay far inside float64 on any survey.
_JOINT_POWER = 8


def leave_one_out(
    coordinates: ArrayLike,
    values: ArrayLike,
    *,
    power: float = 2.0,
    neighbours: int | None = None,
    radius: float | None = None,
) -> Floats:
    """Predict each sample from all the others, with the weights of `idw` (equations 4 and 5).

    Samples at one position are merged first, as `idw` merges them, and the whole position is left out: a
    duplicate would otherwise give its twin away. A missing value is predicted too and helps nobody.

    Parameters
    ----------
    coordinates
        Metres: a tuple (easting (n,), northing (n,)) or one array (n, 2).
    values
        (n,) or (n, elements), NaN = missing, transformed already.
    power, neighbours, radius
        As in `idw`.

    Returns
    -------
    float64 (n, elements) (one column for values (n,)), in the unit of the values; NaN where no other sample
    counts.

    Raises
    ------
    UsageError
        For shapes that do not fit and options out of range.
    DataError
        Where there is no sample, or a coordinate or value is infinite, or a coordinate missing.

    Examples
    --------
    >>> leave_one_out([(0, 0), (10, 0), (30, 0)], [1.0, 2.0, 6.0]).round(2).ravel()
    array([2.4 , 2.  , 1.69])
    """
    return _left_out(coordinates, values, power, neighbours, radius, most=None)


def _left_out(
    coordinates: ArrayLike,
    values: ArrayLike,
    power: float,
    neighbours: int | None,
    radius: float | None,
    most: int | None,
) -> Floats:
    """Predict each sample from all the others, or those at some positions only, drawn with one seed."""
    check_options(power, neighbours, radius)
    points = as_points(coordinates)
    sites, table, _ = merge_coincident(points, values)
    table = table.reshape(len(sites), -1)
    limit = math.inf if radius is None else radius * (1 + 1e-9)
    asked = _some(len(sites), most)
    at, out = sites[asked], np.full(table.shape, np.nan)
    patterns, pattern = np.unique(np.isfinite(table), axis=1, return_inverse=True)
    if neighbours is None and power <= _JOINT_POWER:
        out[asked] = _from_all(at, sites, table, power, limit)
    else:
        for number, rows in enumerate(patterns.T):
            chosen = np.flatnonzero(pattern.ravel() == number)
            known, part = sites[rows], table[np.ix_(rows, chosen)]
            if not rows.any():
                continue
            if neighbours is None:
                found = _from_all(at, known, part, power, limit)
            else:
                found = _from_nearest(at, known, part, power, limit, neighbours)
            out[np.ix_(asked, chosen)] = found
    return out[_position(points, sites)]


def _some(count: int, most: int | None) -> NDArray[np.intp]:
    if most is None or count <= most:
        return np.arange(count)
    generator = np.random.default_rng(np.random.SeedSequence(0))
    return np.sort(generator.choice(count, most, replace=False))


def _position(points: Floats, sites: Floats) -> NDArray[np.intp]:
    """Find the site of each sample; sites are the distinct positions in rising order."""
    _, index = np.unique(points, axis=0, return_inverse=True)
    return np.asarray(index.ravel(), dtype=np.intp)


def _from_all(at: Floats, sites: Floats, table: Floats, power: float, limit: float) -> Floats:
    """Estimate (at, element) from all sites but the one that lies there, a block of rows at a time."""
    from scipy.spatial.distance import cdist

    known = np.isfinite(table)
    patterns, pattern = np.unique(known, axis=1, return_inverse=True)
    centre = np.where(known, table, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    columns = np.hstack((np.where(known, table - centre, 0), patterns))
    count, step = table.shape[1], max(1, _BLOCK_BYTES // (8 * len(sites)))
    out = np.empty((len(at), count))
    for start in range(0, len(at), step):
        sums = _weights(cdist(at[start : start + step], sites), power, limit) @ columns
        out[start : start + step] = _ratio(sums[:, :count], sums[:, count + pattern.ravel()]) + centre
    return out


def _weights(distance: Floats, power: float, limit: float) -> Floats:
    """Turn distances (row, site) into weights, the nearest's 1; 0 at no distance and beyond the limit."""
    distance[(distance == 0) | (distance > limit)] = np.inf
    nearest = distance.min(axis=1, keepdims=True)
    nearest[~np.isfinite(nearest)] = 0  # nothing counts in this row: its weights are 0
    distance = np.divide(nearest, distance, out=distance)
    return np.square(distance) if power == 2 else np.asarray(np.power(distance, power))


def _ratio(total: Floats, weight: Floats) -> Floats:
    return np.asarray(np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0))


def _from_nearest(
    at: Floats, sites: Floats, table: Floats, power: float, limit: float, neighbours: int
) -> Floats:
    """Estimate (at, element) from the k nearest sites but the one that lies there; no value is missing."""
    from scipy.spatial import cKDTree

    k = min(neighbours + 1, len(sites))
    step = max(1, _BLOCK_BYTES // (8 * k * (1 + table.shape[1])))
    out, tree = np.empty((len(at), table.shape[1])), cKDTree(sites)
    for start in range(0, len(at), step):
        distance, index = _others(tree, at[start : start + step], k, neighbours)
        weight = _weights(distance, power, limit)
        sums = np.einsum("pk,pkc->pc", weight, table[index])
        out[start : start + step] = _ratio(sums, weight.sum(axis=1)[:, None])
    return out


def _others(tree: "cKDTree", at: Floats, k: int, neighbours: int) -> tuple[Floats, NDArray[np.intp]]:
    """Return distance and number of the k nearest sites; one too many is put out of reach."""
    found = tree.query(at, k=np.arange(1, k + 1))
    distance, index = np.asarray(found[0]), np.asarray(found[1], dtype=np.intp)
    if k > neighbours:
        distance[distance[:, 0] > 0, -1] = np.inf
    return distance, index


def interpolation_errors(
    coordinates: ArrayLike,
    values: "pd.DataFrame",
    *,
    power: float = 2.0,
    neighbours: int | None = None,
    radius: float | None = None,
    most: int | None = MOST,
) -> "pd.DataFrame":
    """Say how well each element's map predicts a sample that it does not know.

    Leave-one-out error of `leave_one_out`. Samples lie closer to each other than the map's pixels lie to
    samples where the survey is patchy: there the map is worse than this says.

    Parameters
    ----------
    coordinates
        Metres: a tuple (easting (n,), northing (n,)) or one array (n, 2).
    values
        Samples x elements, NaN = missing, transformed already.
    power, neighbours, radius
        As in `idw`.
    most
        Positions that are left out in turn at most, drawn with one seed; each is predicted from all the
        others. The time grows with samples x positions. None for all.

    Returns
    -------
    One row an element: ``element``; ``n``, samples with a value and a prediction; ``rmse``, ``mae`` and
    ``bias`` (mean of predicted minus measured), in the unit of the values; ``r2``, 1 - squared errors /
    squared deviations from the mean (0: no better than the mean, below 0: worse); ``skill``, 1 - squared
    errors / those of copying the nearest other position (0: weighting gains nothing). NaN where undefined.

    Raises
    ------
    UsageError, DataError
        As `leave_one_out`.
    """
    import pandas as pd

    measured = values.to_numpy(dtype=np.float64)
    found = _left_out(coordinates, measured, power, neighbours, radius, most)
    copied = _left_out(coordinates, measured, 2.0, 1, None, most)
    error, plain = found - measured, copied - measured
    used = np.isfinite(error)
    n = used.sum(axis=0)
    deviation = measured - _mean(measured, used)
    table = {
        "element": [str(name) for name in values.columns],
        "n": n,
        "rmse": np.sqrt(_mean(error**2, used)),
        "mae": _mean(np.abs(error), used),
        "bias": _mean(error, used),
        "r2": 1 - _ratio(_mean(error**2, used), _mean(deviation**2, used)),
        "skill": 1 - _ratio(_mean(error**2, used), _mean(plain**2, used)),
    }
    return pd.DataFrame(table)


def _mean(values: Floats, used: NDArray[np.bool_]) -> Floats:
    return _ratio(np.where(used, values, 0).sum(axis=0), used.sum(axis=0).astype(np.float64))


def far_share(
    distance: NDArray[np.float32],
    limit: float,
    row: ArrayLike,
    col: ArrayLike,
    size: int,
    *,
    valid: NDArray[np.bool_] | None = None,
) -> Floats:
    """Return the share of each window's valid pixels that lie farther than a limit from any sample.

    Parameters
    ----------
    distance
        Of each pixel to the nearest sample, (row, col), metres, as `nearest_sample` gives it.
    limit
        Metres; two sample spacings are what the report marks.
    row, col
        North-west pixel of each window, (n,).
    size
        Side of a window, pixels.
    valid
        (row, col); None for all.

    Returns
    -------
    shares in [0, 1], (n,); NaN for a window without a valid pixel.

    Raises
    ------
    UsageError
        For a limit that is not above 0 and masks of another shape.
    DataError
        Where a window reaches over the map.
    """
    ground = np.ones(distance.shape, dtype=bool) if valid is None else valid
    if ground.shape != distance.shape or not limit > 0:
        raise UsageError(
            f"a mask of {ground.shape} for distances of {distance.shape} and a limit of {limit} m given; the "
            "shapes are the same and the limit is above 0: change them"
        )
    rows, cols = np.asarray(row, dtype=np.int64), np.asarray(col, dtype=np.int64)
    down, across = distance.shape
    outside = (rows < 0) | (cols < 0) | (rows + size > down) | (cols + size > across)
    if outside.any():
        raise DataError(
            f"{int(outside.sum())} of {len(rows)} windows reach over the map of {down} x {across} px; all "
            "must lie inside: cut them from the same grid"
        )
    far = _sums(ground & (distance > limit), rows, cols, size)
    return _ratio(far, _sums(ground, rows, cols, size))


def _sums(mask: NDArray[np.bool_], row: NDArray[np.int64], col: NDArray[np.int64], size: int) -> Floats:
    """Return each window's count, from four corners of the integral image."""
    total = np.pad(mask.cumsum(axis=0, dtype=np.int64).cumsum(axis=1), ((1, 0), (1, 0)))
    south, east = row + size, col + size
    sums = total[south, east] - total[row, east] - total[south, col] + total[row, col]
    return np.asarray(sums, dtype=np.float64)
