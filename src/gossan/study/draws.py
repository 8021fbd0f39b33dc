"""The paper's protocol by its own counts (section 3.2.1): 70 ore and 358 barren windows, split at random.

Task functions of the study; each is a pure function of its settings and of earlier results.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.errors import DataError
from gossan.hooks import Checkpoint, Progress

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TEST_COPIES", "TRAIN_COPIES", "draw_parts", "draw_windows"]

#: Windows of the paper, ore and barren: all, and of them those that test.
ALL, TEST = (70, 358), (14, 72)
#: Noisy copies of barren windows for each barren one: 286 -> 300 to train on, 72 -> 74 to test.
TRAIN_COPIES, TEST_COPIES = 14 / 286, 2 / 72


def draw_windows(windows: "pd.DataFrame", *, seed: list[int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw the paper's windows from those of all strides and split them at random.

    Parameters
    ----------
    windows
        With ``deposits``, known ones inside.
    seed
        Entropy of the draw.

    Returns
    -------
    Positions that train (56 ore, 286 barren) and that test (14 ore, 72 barren), sorted. They overlap on the
    ground: that is the protocol.

    Raises
    ------
    DataError
        Where there are fewer windows than the paper had.
    """
    is_ore = windows["deposits"].to_numpy() > 0
    there = (int(is_ore.sum()), int((~is_ore).sum()))
    if there[0] < ALL[0] or there[1] < ALL[1]:
        raise DataError(
            f"{there[0]} ore and {there[1]} barren windows of all strides; the paper's protocol draws "
            f"{ALL[0]} and {ALL[1]}: add windows.strides or offsets, or study with --protocol strict"
        )
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    drawn = [
        rng.permutation(np.flatnonzero(part))[:count]
        for part, count in zip((is_ore, ~is_ore), ALL, strict=True)
    ]
    test = np.concatenate([part[:count] for part, count in zip(drawn, TEST, strict=True)])
    train = np.concatenate([part[count:] for part, count in zip(drawn, TEST, strict=True)])
    return np.sort(train), np.sort(test)


def draw_parts(
    *, design: dict[str, Any], seeds: int, seed: list[int], progress: Progress, checkpoint: Checkpoint
) -> dict[str, Any]:
    """Make the paper's split once a seed: the design with folds ``paper <seed>``."""
    windows = design["windows"]
    drawn = [draw_windows(windows, seed=[*seed, number]) for number in range(seeds)]
    folds = {
        f"paper {number}": {"0": {"train": train, "test": test}} for number, (train, test) in enumerate(drawn)
    }
    return {"windows": windows, "deposit_camp": design["deposit_camp"], "folds": folds}
