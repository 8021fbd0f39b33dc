"""What every measure of rows starts from: checked labels, and sums from the highest score downwards."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError

__all__ = ["both_classes", "cumulate"]

Array = NDArray[np.float64]


def both_classes(score: ArrayLike, is_ore: ArrayLike) -> tuple[Array, NDArray[np.bool_]]:
    """Give scores and labels as arrays; a NaN score or a single class is refused with `DataError`."""
    values, ore = np.asarray(score, dtype=np.float64), np.asarray(is_ore, dtype=bool)
    if np.isnan(values).any():
        raise DataError(
            f"{int(np.isnan(values).sum())} scores are NaN; they must be numbers: leave such rows out"
        )
    if ore.all() or not ore.any():
        raise DataError(
            f"{int(ore.sum())} of {ore.size} rows are ore; both classes are needed: add the other"
        )
    return values, ore


def cumulate(score: Array, found: Array, spent: Array) -> tuple[Array, Array, Array]:
    """Sum two columns from the highest score downwards: one point per distinct score, from (0, 0, inf)."""
    levels, group = np.unique(-score, return_inverse=True)
    sums = (np.cumsum(np.bincount(group, weights=each)) for each in (found, spent))
    first, second = (np.concatenate([[0.0], each]) for each in sums)
    return first, second, np.concatenate([[np.inf], -levels])
