"""What a project file can say about folds, and the side of a block."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

__all__ = ["ValidationSettings", "default_block"]


@dataclass(frozen=True)
class ValidationSettings:
    """``[validation]``: how training and test are kept apart, and what is evaluated beside the model.

    A design is refused where there are fewer than 3 camps, or training keeps under a third of the areas or
    under half of the ore areas in the mean fold. It is called weak, with a warning, where there are fewer
    than 12 camps, fewer folds than asked for, or a fold with fewer than 3 ore areas or 2 camps. With 8 to 11
    camps one camp is left out at a time; with fewer than 8 no interval is given.

    Attributes
    ----------
    protocol
        ``strict``: spatial folds with whole camps and a dead zone; ``paper``: the model is also scored on the
        paper's random split, with its screening (too good, for comparison only).
    folds
        Number of folds, 3 or more; fewer are made where a fold would hold under 3 ore areas or 2 camps.
    block
        Side of the square blocks, metres; None for the variogram range of the channels' first factor between
        4 windows and a fifth of the map's longer side, the lower bound winning.
    dead_zone
        Free ground between any training and any test window, metres, 0 or more; None for one window.
    repeats
        How often the folds are drawn, each time with another origin of the blocks, 1 or more.
    tune
        Configurations tried on inner camps, the same number for every model with settings to try; 1 tries
        none.
    inner
        Inner folds of camps for tuning and calibration, 3 or more; 0 for none: no tuning, and no calibration
        beyond undoing the balance.
    audit
        Models whose leakage is audited: the same model under the paper's protocol, random windows, blocks,
        and blocks with a dead zone; empty for none.
    rivals
        Models on the same folds; empty for none.
    """

    protocol: Literal["strict", "paper"] = "strict"
    folds: int = 5
    block: float | None = None
    dead_zone: float | None = None
    repeats: int = 1
    tune: int = 2
    inner: int = 3
    audit: tuple[str, ...] = ("random-forest",)
    rivals: tuple[str, ...] = (
        "random-forest",
        "gradient-boosting",
        "logistic-regression",
        "svm",
        "weights-of-evidence",
        "isolation-forest",
        "nearest-known",
        "fault-distance",
        "best-element",
        "sample-density",
    )


def default_block(size: int, *, longest: int | None = None, correlation: float = 0.0) -> int:
    """Return the side of a block, pixels: the correlation range between 4 windows and a fifth of the map.

    Parameters
    ----------
    size
        Side of a window, pixels.
    longest
        The map's longer side, pixels; None for no upper bound.
    correlation
        Variogram range of the channels' first factor, pixels; 0 where it is not known.

    Examples
    --------
    >>> default_block(32), default_block(32, longest=1560, correlation=500.0)
    (128, 312)
    """
    bound = np.inf if longest is None else longest / 5
    return max(4 * size, round(min(correlation, bound)))
