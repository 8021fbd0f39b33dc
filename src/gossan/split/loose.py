"""Random folds, the paper's: training and test windows share pixels, so scores from them are too good."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError, UsageError
from gossan.split.checks import Fold, flags

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["deal", "random_folds"]


def random_folds(
    windows: "pd.DataFrame", is_ore: ArrayLike, *, folds: int = 5, seed: int | Sequence[int] = 0
) -> list[Fold]:
    """Split windows at random, with as many ore areas in each fold, as the paper does.

    Only areas are tested. Training keeps every other window, those that share pixels with a test window
    included: scores from this split are too good, and are given for comparison only.

    Raises
    ------
    UsageError
        For fewer than 2 folds.
    DataError
        Where there are fewer ore or barren areas than folds.
    """
    area = windows["number"].to_numpy() > 0
    return deal(area, flags(is_ore, len(windows)), folds, seed, "areas")


def deal(
    dealt: NDArray[np.bool_], ore: NDArray[np.bool_], folds: int, seed: int | Sequence[int], what: str
) -> list[Fold]:
    """Deal the windows marked ``dealt``, called ``what``, to folds, ore and barren ones evenly."""
    if folds < 2:
        raise UsageError(f"{folds} folds given; 2 or more are needed: ask for more")
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    classes = [rng.permutation(np.flatnonzero(dealt & part)) for part in (ore, ~ore)]
    if min(map(len, classes)) < folds:
        raise DataError(
            f"{len(classes[0])} ore and {len(classes[1])} barren {what} for {folds} folds; each needs one of "
            "both: ask for fewer folds"
        )
    order = np.concatenate(classes)
    tests = [np.sort(order[k::folds]) for k in range(folds)]
    return [(np.setdiff1d(np.arange(len(dealt)), test), test) for test in tests]
