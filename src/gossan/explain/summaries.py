"""Summaries of windows for the area of applicability, and the weight that each deserves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gossan.explain.groups import Group, group_channels
from gossan.hooks import Progress, no_progress

if TYPE_CHECKING:
    import pandas as pd

    from gossan.recipe import WindowSet

__all__ = ["WindowSummaries", "feature_weights", "window_summaries"]

Floats = NDArray[np.float64]

#: Share of the valid pixels below the third number of a channel.
_HIGH = 0.95
#: Windows read at once.
_READ_BATCH = 64


@dataclass(frozen=True, eq=False)
class WindowSummaries:
    """A few numbers a window.

    Attributes
    ----------
    features
        float64 (window, feature), finite, in the model's scaled units and shares.
    names
        Of the features.
    channel
        Position of the channel that each feature is made from, (feature,).
    """

    features: Floats
    names: tuple[str, ...]
    channel: NDArray[np.intp]


def window_summaries(windows: "WindowSet", *, progress: Progress = no_progress) -> WindowSummaries:
    """Summarise windows over their valid pixels.

    Mean, standard deviation and 95th percentile (linear between pixels) of every number channel, missing
    values filled as the model reads them; the share of every one-hot class, the mean of an ordinal
    one. The channel ``valid`` is left out. A window without a valid pixel is 0.
    """
    is_class = np.asarray(windows.class_channels, dtype=bool)
    number = ~is_class
    if windows.valid_channel is not None:
        number[windows.valid_channel] = is_class[windows.valid_channel] = False
    numbers, classes = np.flatnonzero(number), np.flatnonzero(is_class)
    parts = [np.empty((0, 3 * len(numbers) + len(classes)))]
    for start in range(0, len(windows), _READ_BATCH):
        index = np.arange(start, min(start + _READ_BATCH, len(windows)))
        parts.append(_summaries(windows, index, numbers, classes))
        progress((index[-1] + 1) / len(windows))
    names = [f"{windows.channels[i]} {what}" for what in ("mean", "sd", "p95") for i in numbers]
    names += [f"{windows.channels[i]} share" for i in classes]
    return WindowSummaries(
        np.concatenate(parts), tuple(names), np.concatenate([np.tile(numbers, 3), classes]).astype(np.intp)
    )


def _summaries(
    windows: "WindowSet", index: NDArray[np.intp], numbers: NDArray[np.intp], classes: NDArray[np.intp]
) -> Floats:
    x, valid = windows.read_masked(index)
    ground = valid.reshape(len(index), 1, -1)
    flat = x.reshape(*x.shape[:2], -1)
    count = np.maximum(ground.sum(axis=2), 1)
    mean = np.where(ground, flat, 0).sum(axis=2, dtype=np.float64) / count
    spread = np.where(ground, flat[:, numbers] - mean[:, numbers, None], 0)
    sd = np.sqrt(np.square(spread).sum(axis=2) / count)
    high = _percentile(flat[:, numbers], ground, count[:, 0])
    return np.concatenate([mean[:, numbers], sd, high, mean[:, classes]], axis=1)


def _percentile(values: NDArray[np.float32], ground: NDArray[np.bool_], count: NDArray[np.int64]) -> Floats:
    """Return the 95th percentile over each window's own pixels, (window, channel)."""
    place = _HIGH * (count - 1)
    low = np.floor(place).astype(np.intp)
    above = np.minimum(low + 1, count - 1)
    ranked = np.partition(np.where(ground, values, np.inf), np.unique(np.r_[low, above]), axis=2)
    first, second = (
        np.take_along_axis(ranked, at[:, None, None], axis=2)[..., 0].astype(np.float64)
        for at in (low, above)
    )
    with np.errstate(invalid="ignore"):  # a window without ground is infinite here
        between = first + (place - low)[:, None] * (second - first)
    return np.where(ground.any(axis=2), between, 0.0)


def feature_weights(
    influence: "pd.DataFrame", groups: Sequence[Group], windows: "WindowSet", summaries: WindowSummaries
) -> Floats:
    """Return the weight of each feature for `gossan.applicability`: the influence of its channel's group.

    The influence is divided by the root of the number of features of the group, so that a group counts by
    what it is worth and not by how many channels describe it (squares of distances are added).

    Parameters
    ----------
    influence
        Columns ``group, drop``, as `combine_influence` gives them; groups that it lacks count as 0.
    windows
        Any windows of the recipe that the summaries were made with.

    Returns
    -------
    (feature,), not negative; all 0 where no group has influence, which `fit_applicability` takes for equal.
    """
    drop = dict(zip(influence["group"], influence["drop"], strict=True))
    weights = np.zeros(len(summaries.channel))
    for group, channels in zip(groups, group_channels(groups, windows), strict=True):
        own = np.isin(summaries.channel, channels)
        weights[own] = max(float(drop.get(group.name, 0.0)), 0.0) / np.sqrt(max(own.sum(), 1))
    return weights
