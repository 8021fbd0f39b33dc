"""Groups of channels that say the same, found without a label."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gossan.errors import UsageError
from gossan.grid import MaskedPixels
from gossan.mapped import relieve

if TYPE_CHECKING:
    import xarray as xr

    from gossan.recipe import WindowSet

__all__ = ["FAULTS", "GEOLOGY", "ExplainSettings", "Group", "correlated_groups", "group_channels"]

#: Group of the class channels.
GEOLOGY = "geology"
#: Layers that are made from the faults and stand together whatever their correlation.
FAULTS = ("faults", "fault distance", "fault density")

#: Pixels that are read between two looks at how much of a mapped file is held.
_READ = 4096

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ExplainSettings:
    """``[explain]``: what is said about why.

    Attributes
    ----------
    enabled
        Whether influence, reasons and the area of applicability are made.
    repeats
        Permutations of each group and fold, at least 1.
    attention
        Whether the network's attention weights and maps are written. MFAF only.
    gradients
        Whether integrated gradients are written, pixel by pixel; needs captum. Networks only.
    steps
        Steps of the integrated gradients from the training mean to the window, at least 8.
    groups
        Number channels that are explained together, a list of lists of their names; those that stand in none
        are grouped by correlation. None: all by correlation.
    """

    enabled: bool = True
    repeats: int = 5
    attention: bool = True
    gradients: bool = False
    steps: int = 32
    groups: tuple[tuple[str, ...], ...] | None = None


@dataclass(frozen=True)
class Group:
    """Channels that are handled as one.

    Attributes
    ----------
    name
        Its members, or ``geology`` or ``faults``.
    members
        Number channels by the stack's names; for the classes ``geology`` alone.
    """

    name: str
    members: tuple[str, ...]


def correlated_groups(
    stack: "xr.Dataset",
    names: Sequence[str] | None = None,
    *,
    threshold: float = 0.6,
    pixels: int = 20_000,
    seed: int | Sequence[int] = 0,
) -> list[Group]:
    """Group the stack's channels by their correlation over the ground; no label is read.

    Average linkage (scipy) on one minus the absolute Spearman correlation between number channels, cut at 1 -
    threshold, over a random subsample of valid pixels, missing values left out pair by pair. A channel that
    is flat stands alone.
    Classes form one group, so do the layers made from faults, and the layers that one class raster became.

    Parameters
    ----------
    names
        Number channels to group; None for all of the stack.
    threshold
        Mean absolute correlation from which groups are joined, in (0, 1).
    pixels
        Size of the subsample.
    seed
        Draws it.

    Returns
    -------
    Groups in the order of their first channel, the classes last.

    Raises
    ------
    UsageError
        For a name that the stack does not have and a threshold out of range.
    """
    there = [str(name) for name in stack["channel"].values]
    chosen = there if names is None else list(names)
    if unknown := sorted(set(chosen) - set(there)):
        raise UsageError(f"channel {unknown[0]!r} given; the stack has {', '.join(there)}: take one of these")
    if not 0 < threshold < 1:
        raise UsageError(f"threshold {threshold} given; it is a correlation above 0 and below 1: change it")
    labels = _tied(stack, chosen)
    free = [name for name in chosen if name not in labels]
    sample = _sample(stack, [there.index(name) for name in free], pixels, seed)
    labels |= {name: f"cluster {k}" for name, k in zip(free, _clusters(sample, threshold), strict=True)}
    together: dict[str, list[str]] = {}
    for name in chosen:
        together.setdefault(labels[name], []).append(name)
    groups = [
        Group(", ".join(members) if label.startswith("cluster ") else label, tuple(members))
        for label, members in together.items()
    ]
    return groups + ([Group(GEOLOGY, (GEOLOGY,))] if "classes" in stack else [])


def _tied(stack: "xr.Dataset", names: Sequence[str]) -> dict[str, str]:
    """Name the group of the channels that belong together by what they are: faults, a raster's classes."""
    units: dict[str, str] = {}
    if "units" in stack.coords:
        values = stack["units"].values
        units = {str(c): str(u) for c, u in zip(stack["channel"].values, values, strict=True)}
    found = {name: "faults" for name in names if name in FAULTS}
    shares = [name for name in names if units.get(name) == "share" and ": " in name]
    return found | {name: name.rsplit(": ", 1)[0] for name in shares}


def _sample(
    stack: "xr.Dataset", channels: Sequence[int], pixels: int, seed: int | Sequence[int]
) -> NDArray[np.float32]:
    """Draw valid pixels, (pixel, channel)."""
    entropy = [seed] if isinstance(seed, int) else list(seed)
    rng = np.random.default_rng(np.random.SeedSequence(entropy))
    ground = MaskedPixels(stack["valid"].values)
    row, col = ground.at(np.sort(rng.choice(ground.count, min(pixels, ground.count), replace=False)))
    layers = stack["layers"].data.transpose(1, 2, 0)
    sample = np.empty((len(row), len(channels)), dtype=np.float32)
    for part in np.array_split(np.arange(len(row)), len(row) // _READ + 1):
        sample[part] = layers[row[part], col[part]][:, channels]
        relieve()
    return sample


def _clusters(sample: NDArray[np.float32], threshold: float) -> NDArray[np.int64]:
    """Return the number of each column's cluster."""
    import pandas as pd
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    count = sample.shape[1]
    if count < 2:
        return np.arange(count, dtype=np.int64)
    rho = pd.DataFrame(sample).corr(method="spearman").to_numpy()
    apart = 1 - np.abs(np.nan_to_num(rho, nan=0.0))
    np.fill_diagonal(apart, 0.0)
    tree = linkage(squareform(np.clip(apart, 0, 1), checks=False), method="average")
    return np.asarray(fcluster(tree, 1 - threshold, criterion="distance"), dtype=np.int64)


def group_channels(groups: Sequence[Group], windows: "WindowSet") -> list[NDArray[np.intp]]:
    """Find each group's positions among the channels that a model reads; none where screening left it out.

    Raises
    ------
    UsageError
        Where two groups hold one channel.
    """
    is_class = np.asarray(windows.class_channels, dtype=bool)
    place = {name: i for i, name in enumerate(windows.channels) if not is_class[i]}
    if windows.valid_channel is not None:
        place.pop(windows.channels[windows.valid_channel], None)
    found = []
    for group in groups:
        numbers = [place[name] for name in group.members if name in place]
        classes = np.flatnonzero(is_class) if GEOLOGY in group.members else np.zeros(0, dtype=np.intp)
        found.append(np.sort(np.r_[np.asarray(numbers, dtype=np.intp), classes]))
    every = np.concatenate([np.zeros(0, dtype=np.intp), *found])
    if len(np.unique(every)) < len(every):
        raise UsageError("a channel is in two groups; it can be in one: make the groups anew")
    return found
