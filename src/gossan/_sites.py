"""Samples as sites: checked coordinates, one row a position. A private part of `gossan.interpolate`."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError, UsageError

__all__ = ["as_points", "check_error", "check_options", "merge_coincident"]

Floats = NDArray[np.float64]


def as_points(coordinates: ArrayLike) -> Floats:
    """Return coordinates as a checked float64 array (n, 2).

    Raises
    ------
    UsageError
        For shapes that do not fit.
    DataError
        Where there is no sample or a coordinate is not finite.
    """
    if isinstance(coordinates, tuple):
        axes = [np.asarray(axis, dtype=np.float64) for axis in coordinates]
        if len(axes) != 2 or axes[0].ndim != 1 or axes[0].shape != axes[1].shape:
            shapes = ", ".join(str(axis.shape) for axis in axes)
            raise UsageError(
                f"coordinates of shapes {shapes} given; a tuple must be (easting (n,), northing (n,))"
            )
        points = np.column_stack(axes)
    else:
        points = np.asarray(coordinates, dtype=np.float64)
    if points.size == 0:
        raise DataError("no samples given; at least one is needed: check the file and the area")
    if points.ndim != 2 or points.shape[1] != 2:
        raise UsageError(
            f"coordinates of shape {points.shape} given; (n, 2) or a tuple (easting, northing) is allowed"
        )
    bad = int((~np.isfinite(points)).any(axis=1).sum())
    if bad:
        raise DataError(f"{bad} of {len(points)} samples have no finite coordinates: drop or repair them")
    return points


def merge_coincident(coordinates: ArrayLike, values: ArrayLike) -> tuple[Floats, Floats, int]:
    """Replace samples at the same coordinates by their mean.

    Parameters
    ----------
    coordinates
        Metres: a tuple (easting (n,), northing (n,)) or one array (n, 2).
    values
        (n,) or (n, elements), NaN = missing.

    Returns
    -------
    coordinates (m, 2) in rising order, values (m,) or (m, elements): means of those not missing, and the
    number of surplus rows, n - m.

    Raises
    ------
    UsageError
        For shapes that do not fit.
    DataError
        Where there is no sample, a coordinate is not finite or a value infinite.

    Examples
    --------
    >>> merge_coincident([(0, 0), (9, 9), (0, 0)], [1.0, 5.0, 3.0])[1:]
    (array([2., 5.]), 1)
    """
    points, table = as_points(coordinates), np.asarray(values, dtype=np.float64)
    if table.ndim not in (1, 2) or len(table) != len(points):
        raise UsageError(
            f"values of shape {table.shape} given for {len(points)} samples; a row a sample is needed"
        )
    if np.isinf(table).any():
        raise DataError(
            f"{int(np.isinf(table).sum())} infinite values given: repair them, or make them NaN (missing)"
        )
    order = np.lexsort((points[:, 1], points[:, 0]))
    points, table = points[order], table[order]
    starts = np.flatnonzero(np.r_[True, (np.diff(points, axis=0) != 0).any(axis=1)])
    known = np.isfinite(table)
    number = np.add.reduceat(known, starts, axis=0, dtype=np.int64)
    total = np.add.reduceat(np.where(known, table, 0.0), starts, axis=0)
    mean = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
    return points[starts], mean, len(points) - len(starts)


def check_options(power: float, neighbours: int | None, radius: float | None) -> None:
    """Refuse options of inverse distance weighting that are out of range.

    Raises
    ------
    UsageError
        For a power or radius (metres) that is not above 0, or fewer than 1 neighbour.
    """
    if not (math.isfinite(power) and power > 0):
        raise UsageError(f"power {power} given; it must be above 0: the paper's is 2")
    if neighbours is not None and not (isinstance(neighbours, int | np.integer) and neighbours >= 1):
        raise UsageError(
            f"neighbours {neighbours!r} given; None (all) or a whole number from 1 on is allowed"
        )
    if radius is not None and not radius > 0:
        raise UsageError(f"radius {radius} m given; it must be above 0: leave it out for no limit")


def check_error(error: float) -> None:
    """Refuse an error that no sum can keep.

    Raises
    ------
    UsageError
        For a share that is not above 0.
    """
    if not (math.isfinite(error) and error > 0):
        raise UsageError(f"error {error} given; it must be above 0: 1e-5 of an element's range is usual")
