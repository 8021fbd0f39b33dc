"""Windows of which some channels are exchanged while they are read; nothing else is copied."""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from gossan.recipe import OTHER

if TYPE_CHECKING:
    from gossan.recipe import WindowSet

__all__ = ["Change", "logit", "neutral", "put", "removed", "seen_through", "swapped"]

Index = NDArray[np.intp]
#: (windows (n, channel, row, col), valid pixels (n, row, col), positions (n,)) -> windows as they are seen
Change = Callable[[NDArray[np.float32], NDArray[np.bool_], Index], NDArray[np.float32]]

#: Scores closer to 0 or 1 are taken for this, so that a forest's unanimous vote is no infinite evidence.
_LEAST = 1e-4


class _View:
    """A `WindowSet` seen through a change."""

    def __init__(self, windows: "WindowSet", change: Change) -> None:
        self._windows, self._change = windows, change
        self.channels, self.size, self.halo = windows.channels, windows.size, windows.halo
        self.class_channels, self.valid_channel = windows.class_channels, windows.valid_channel

    def __len__(self) -> int:
        return len(self._windows)

    def around(self, halo: int) -> "_View":
        return _View(self._windows.around(halo), self._change)

    def read(self, index: Index) -> NDArray[np.float32]:
        return self.read_masked(index)[0]

    def read_masked(self, index: Index) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        x, valid = self._windows.read_masked(index)
        return self._change(x.copy(), valid, index), valid


def seen_through(windows: "WindowSet", change: Change) -> "WindowSet":
    """Return windows as a change shows them; they are read and changed batch by batch."""
    return cast("WindowSet", _View(windows, change))


def swapped(windows: "WindowSet", channels: Index, source: Index) -> "WindowSet":
    """Return windows with some channels' maps taken from other windows.

    Parameters
    ----------
    channels
        Which channels.
    source
        The window that each window takes them from, (n,). Where that one has no ground, a pixel gets the
        training mean, as a missing value does; a window keeps its own valid pixels.
    """
    fill = neutral(windows)

    def change(x: NDArray[np.float32], valid: NDArray[np.bool_], index: Index) -> NDArray[np.float32]:
        halo = (x.shape[-1] - windows.size) // 2
        other, there = (windows.around(halo) if halo else windows).read_masked(source[index])
        maps = np.where(there[:, None], other[:, channels], fill[channels, None, None])
        x[:, channels] = maps * valid[:, None]
        return x

    return seen_through(windows, change)


def removed(windows: "WindowSet", channels: Index, fill: NDArray[np.float32]) -> "WindowSet":
    """Return windows with some channels set to one value each, ``fill`` (channel,), on valid pixels."""
    return seen_through(windows, lambda x, valid, _: put(x, valid, channels, fill))


def put(
    x: NDArray[np.float32], valid: NDArray[np.bool_], channels: Index, fill: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Set channels of windows to their fill on valid pixels, in place."""
    x[:, channels] = fill[channels, None, None] * valid[:, None]
    return x


def neutral(windows: "WindowSet") -> NDArray[np.float32]:
    """Return what each channel is where nothing is known, (channel,): the mean, 0; class ``other``."""
    fill = np.zeros(len(windows.channels), dtype=np.float32)
    for channel in np.flatnonzero(windows.class_channels):
        fill[channel] = windows.channels[channel].endswith(f": {OTHER}")
    return fill


def logit(score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log odds of scores, which are first kept .0001 away from 0 and 1."""
    kept = np.clip(score, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(kept / (1 - kept)))
