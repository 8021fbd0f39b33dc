"""Reasons: what one window's score owes to each group of channels."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import UsageError
from gossan.explain.groups import Group, group_channels
from gossan.explain.views import logit, neutral, removed
from gossan.hooks import Progress, no_progress

if TYPE_CHECKING:
    from gossan.models.base import Scorer
    from gossan.recipe import WindowSet

__all__ = ["reasons", "speak", "training_shares"]

#: Changes of log odds below this are rounding.
_ROUNDING = 1e-6
#: Windows read at once.
_READ_BATCH = 64


def reasons(
    scorer: "Scorer",
    windows: "WindowSet",
    groups: Sequence[Group],
    *,
    fill: NDArray[np.float32] | None = None,
    progress: Progress = no_progress,
) -> NDArray[np.float64]:
    """Take each group away and see how the log odds of the score change (occlusion).

    A group is taken away by setting its channels to the training mean on all valid pixels: 0 for number
    channels, which are scaled, and for classes what ``fill`` says. The other groups stay as they are; so what
    two groups say together is counted for both or for neither, and the reasons do not add up to the score.

    Parameters
    ----------
    fill
        Value of each channel when taken away, (channel,): `training_shares` of the training windows. None: 0,
        and the class ``other`` everywhere.

    Returns
    -------
    (window, group): log odds with the group less those without it, scores kept .0001 away from 0 and 1.
    Positive speaks for ore.

    Raises
    ------
    UsageError
        For a fill of another length.
    """
    values = neutral(windows) if fill is None else np.asarray(fill, dtype=np.float32)
    if values.shape != (len(windows.channels),):
        raise UsageError(
            f"a fill of shape {values.shape} given; one value for each of {len(windows.channels)} channels "
            "is needed: make it from windows of the same recipe"
        )
    whole = logit(scorer.predict(windows).score)
    effect = np.zeros((len(windows), len(groups)))
    for number, channels in enumerate(group_channels(groups, windows)):
        if len(channels):
            effect[:, number] = whole - logit(scorer.predict(removed(windows, channels, values)).score)
        progress((number + 1) / len(groups))
    return effect


def training_shares(train: "WindowSet") -> NDArray[np.float32]:
    """Return the training mean of each channel as `reasons` wants it, (channel,).

    Number channels are scaled, so theirs is 0, and so is that of an ordinal class number. One-hot classes get
    their share of the training windows' valid pixels, overlapping windows counted as often as they are read.
    """
    total, ground = np.zeros(len(train.channels)), 0
    for start in range(0, len(train), _READ_BATCH):
        x, valid = train.read_masked(np.arange(start, min(start + _READ_BATCH, len(train))))
        total += x.sum(axis=(0, 2, 3), dtype=np.float64, where=valid[:, None])
        ground += int(valid.sum())
    one_hot = np.asarray(train.class_channels, dtype=bool)
    one_hot &= np.array([": " in name for name in train.channels])
    return np.where(one_hot, total / max(ground, 1), 0.0).astype(np.float32)


def speak(effects: ArrayLike, names: Sequence[str], *, most: int = 3) -> tuple[tuple[str, ...], str | None]:
    """Name the groups that speak for a window, strongest first, and the one that speaks most against it.

    Parameters
    ----------
    effects
        One window's row of `reasons`, (group,).
    names
        Of the groups.
    most
        How many may speak for it.

    Examples
    --------
    >>> speak([0.2, -0.1, 1.5, 0.0], ["Au, As", "Pb", "faults", "geology"])
    (('faults', 'Au, As'), 'Pb')
    """
    effect = np.asarray(effects, dtype=np.float64)
    order = np.argsort(-effect, kind="stable")
    speaking = tuple(names[i] for i in order[:most] if effect[i] > _ROUNDING)
    against = names[order[-1]] if len(order) and effect[order[-1]] < -_ROUNDING else None
    return speaking, against
