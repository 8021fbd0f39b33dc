"""The Recipe: everything learnt from a training part, and the only such thing."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from gossan._around import gather_around
from gossan.errors import DataError, UsageError
from gossan.grid import tiles
from gossan.hooks import MakeArray, in_memory
from gossan.mapped import relieve

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["OTHER", "VALID", "Recipe", "WindowSet", "covered_ground", "covered_pixels", "covered_tiles"]

#: Name of the class that rare and unseen classes are pooled in.
OTHER = "other"
#: Name of the channel that says which pixels hold data.
VALID = "valid"

#: A class covering less than this share of the training pixels is pooled.
RARE_SHARE = 0.02

#: Numbers that are gathered and scaled at once, few enough to stay in a processor's cache.
_READ = 1 << 17
#: Side of the tiles that a stack is read in, pixels.
_TILE = 1024


@dataclass(frozen=True)
class Recipe:
    """How windows of a stack become what a model reads.

    Learnt from the training windows of one fold and nothing else. Missing values are filled with the
    training mean (0 after scaling); pixels outside the valid ground are 0 in every channel.

    Attributes
    ----------
    stack_channels
        The stack's channels, in order: a batch must have exactly these, then the classes if there are any.
    layers
        The number channels that are kept.
    centre, scale
        Mean and standard deviation of each kept layer over the training pixels, in the layer's unit.
    classes
        The vocabulary: names of the classes that get a channel of their own; the rest is ``other``.
    class_names
        Name of every class number in the stack.
    encoding
        ``onehot``, ``ordinal`` (the class number as one scaled channel, as in the paper) or ``none``.
    ordinal
        Mean and standard deviation of the class number, for ``ordinal``.
    valid
        Whether a channel ``valid`` is added.
    """

    stack_channels: tuple[str, ...]
    layers: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    classes: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    encoding: str = "none"
    ordinal: tuple[float, float] = (0.0, 1.0)
    valid: bool = True

    @classmethod
    def fit(
        cls,
        stack: "xr.Dataset",
        windows: "pd.DataFrame",
        layers: Sequence[str],
        *,
        encoding: str = "onehot",
        valid: bool = True,
        rare_share: float = RARE_SHARE,
    ) -> Self:
        """Learn scales and vocabulary from the pixels that the training windows cover, each once.

        Parameters
        ----------
        stack
            The label-free stack.
        windows
            Training windows only.
        layers
            Number channels to keep, in the stack's names.
        encoding
            ``onehot`` or ``ordinal``; without effect where the stack has no classes.
        rare_share
            Classes under this share of the training pixels, in [0, 1), are pooled in ``other``.

        Raises
        ------
        DataError
            If a kept layer has no value in the training windows.
        """
        names = [str(name) for name in stack["channel"].values]
        unknown = sorted(set(layers) - set(names))
        if unknown:
            raise UsageError(f"the stack has no channel {unknown[0]!r}; it has {', '.join(names)}")
        moments, counts = _learn(stack, windows, [names.index(name) for name in layers])
        centre_scale = [_scaling(found, name) for found, name in zip(moments.T, layers, strict=True)]
        vocabulary: dict[str, Any] = {}
        if "classes" in stack:
            vocabulary = _vocabulary(stack, counts, encoding, rare_share)
        return cls(
            stack_channels=tuple(names),
            layers=tuple(layers),
            centre=tuple(mean for mean, _ in centre_scale),
            scale=tuple(sd for _, sd in centre_scale),
            valid=valid,
            **vocabulary,
        )

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels that a model reads."""
        names = self.layers
        if self.encoding == "onehot":
            names += tuple(f"geology: {name}" for name in (*self.classes, OTHER))
        elif self.encoding == "ordinal":
            names += ("geology",)
        return (*names, VALID) if self.valid else names

    @property
    def class_channels(self) -> NDArray[np.bool_]:
        """True for the channels that classes became, one-hot or ordinal, (channel,)."""
        flags = np.zeros(len(self.channels), dtype=bool)
        count = {"onehot": len(self.classes) + 1, "ordinal": 1}.get(self.encoding, 0)
        flags[len(self.layers) : len(self.layers) + count] = True
        return flags

    def apply(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Turn gathered windows into model input.

        Parameters
        ----------
        batch
            (window, stack channel [+ classes], row, col), NaN = missing, as `gather` gives it.

        Returns
        -------
        float32 (window, channel, row, col), finite; and the valid pixels, bool (window, row, col).
        """
        out = np.empty((len(batch), len(self.channels), *batch.shape[2:]), dtype=np.float32)
        valid = np.empty((len(batch), *batch.shape[2:]), dtype=bool)
        self.write(batch, out, valid)
        return out, valid

    def write(self, batch: NDArray[np.float32], out: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
        """Write what `apply` returns into arrays; where nothing is there, every channel becomes 0."""
        expected = len(self.stack_channels) + (self.encoding != "none")
        if batch.shape[1] != expected:
            raise DataError(
                f"windows with {batch.shape[1]} channels given; this recipe was learnt on {expected} "
                f"({', '.join(self.stack_channels)}); make the stack with the same layers"
            )
        n, kept = len(self.layers), {name: place for place, name in enumerate(self.layers)}
        valid[...] = np.isfinite(batch[:, -1]) if self.encoding != "none" else False
        for source, name in enumerate(self.stack_channels):
            if name not in kept:
                valid |= np.isfinite(batch[:, source])
                continue
            part = out[:, kept[name]]  # a channel may lie scattered in the batch: it is read once
            np.subtract(batch[:, source], np.float32(self.centre[kept[name]]), out=part)
            there = np.isfinite(part)
            valid |= there
            part /= np.float32(self.scale[kept[name]])
            np.copyto(part, 0, where=~there)
        if self.encoding == "onehot":
            self._one_hot(batch[:, -1], valid, out[:, n : n + len(self.classes) + 1])
        elif self.encoding == "ordinal":
            mean, sd = self.ordinal
            out[:, n] = np.nan_to_num((batch[:, -1] - mean) / sd, nan=0.0)
        if self.valid:
            out[:, -1] = valid

    def _one_hot(
        self, classes: NDArray[np.float32], valid: NDArray[np.bool_], out: NDArray[np.float32]
    ) -> None:
        """Write one channel a known class, then ``other`` for the rare, the unseen and the unmapped."""
        number = {name: i for i, name in enumerate(self.class_names)}
        for channel, name in enumerate(self.classes):
            out[:, channel] = classes == number[name]
        out[:, -1] = valid & ~out[:, :-1].any(axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON-able values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Make a recipe from `to_dict`'s values."""
        known: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**known)


class WindowSet:
    """Windows of a stack as a model reads them: nothing is copied until a batch is read.

    Attributes
    ----------
    halo
        Pixels that are read on every side of a window, beside its own.
    """

    halo = 0

    def __init__(self, stack: "xr.Dataset", windows: "pd.DataFrame", recipe: Recipe) -> None:
        self.stack = stack
        self.windows = windows
        self.recipe = recipe

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels."""
        return self.recipe.channels

    @property
    def class_channels(self) -> NDArray[np.bool_]:
        """True for the channels that classes became, one-hot or ordinal, (channel,)."""
        return self.recipe.class_channels

    @property
    def valid_channel(self) -> int | None:
        """Position of the channel ``valid``, or None."""
        return len(self.channels) - 1 if self.recipe.valid else None

    @property
    def size(self) -> int:
        """Side of a window in pixels."""
        return int(self.windows["size"].iloc[0])

    def around(self, halo: int) -> Self:
        """Return the same windows, read with so many pixels on every side; missing off the map."""
        wide = copy(self)
        wide.halo = halo
        return wide

    def read(self, index: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return windows (n, channel, size, size): scaled, filled, 0 where there is no ground."""
        return self.read_masked(index)[0]

    def read_masked(self, index: NDArray[np.intp]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return what `read` gives and the valid pixels, bool (n, size, size)."""
        windows, side = self.windows.iloc[index], self.size + 2 * self.halo
        out = np.empty((len(windows), len(self.channels), side, side), dtype=np.float32)
        valid = np.empty((len(windows), side, side), dtype=bool)
        few = max(1, _READ // (side * side * len(self.recipe.stack_channels)))
        found = None
        for start in range(0, len(windows), few):
            part, here = windows.iloc[start : start + few], slice(start, start + few)
            found = gather_around(self.stack, part, self.halo, out=found)
            self.recipe.write(found, out[here], valid[here])
        relieve()
        return out, valid


def covered_pixels(windows: "pd.DataFrame", shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Mark the pixels under any window, (row, col)."""
    covered = np.empty(shape, dtype=bool)
    for rows, cols in tiles((shape[0], shape[1]), _TILE):
        covered[rows, cols] = _covered(*_corners(windows), rows, cols)
    return covered


def covered_tiles(
    windows: "pd.DataFrame", valid: NDArray[np.bool_]
) -> Iterator[tuple[slice, slice, NDArray[np.bool_]]]:
    """Go over the valid ground under any window, tile by tile; tiles without any are left out.

    Parameters
    ----------
    valid
        (row, col), in memory or in a file.

    Yields
    ------
    rows, cols, and which of their pixels are covered and valid.
    """
    corners = _corners(windows)
    for rows, cols in tiles((valid.shape[0], valid.shape[1]), _TILE):
        covered = _covered(*corners, rows, cols)
        if covered.any():
            covered &= valid[rows, cols]
            yield rows, cols, covered
            relieve()


def covered_ground(
    windows: "pd.DataFrame", valid: NDArray[np.bool_], make: MakeArray = in_memory
) -> NDArray[np.bool_]:
    """Mark the valid pixels under any window in an array that ``make`` gives, (row, col)."""
    ground: NDArray[np.bool_] = make(valid.shape, bool)
    for rows, cols, covered in covered_tiles(windows, valid):
        ground[rows, cols] = covered
    return ground


def _corners(windows: "pd.DataFrame") -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    row, col, size = (windows[name].to_numpy(dtype=np.int64) for name in ("row", "col", "size"))
    return row, col, size


def _covered(
    row: NDArray[np.int64], col: NDArray[np.int64], size: NDArray[np.int64], rows: slice, cols: slice
) -> NDArray[np.bool_]:
    """Mark the pixels of a tile under any window: +1 and -1 at the corners, summed twice."""
    high, wide = rows.stop - rows.start, cols.stop - cols.start
    north, south = (np.clip(edge - rows.start, 0, high) for edge in (row, row + size))
    west, east = (np.clip(edge - cols.start, 0, wide) for edge in (col, col + size))
    here = (south > north) & (east > west)
    edges = np.zeros((high + 1, wide + 1), dtype=np.int32)
    for down, across, sign in ((north, west, 1), (south, west, -1), (north, east, -1), (south, east, 1)):
        np.add.at(edges, (down[here], across[here]), sign)
    edges.cumsum(axis=0, out=edges)
    edges.cumsum(axis=1, out=edges)
    covered: NDArray[np.bool_] = edges[:-1, :-1] > 0
    return covered


def _learn(
    stack: "xr.Dataset", windows: "pd.DataFrame", channels: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Learn from the pixels under windows, each once, tile by tile.

    Returns
    -------
    count, mean and sum of squared deviations of each channel, (3, channel), and the count of each class.
    """
    layers = stack["layers"].values
    classes = stack["classes"].values if "classes" in stack else None
    moments = np.zeros((3, len(channels)))
    counts = np.zeros(len(stack.attrs.get("class_names", ())), dtype=np.int64)
    for rows, cols, covered in covered_tiles(windows, stack["valid"].values):
        for place, channel in enumerate(channels):
            values = layers[channel, rows, cols][covered]
            moments[:, place] = _added(moments[:, place], values[np.isfinite(values)].astype(np.float64))
        if classes is not None:
            numbers = classes[rows, cols][covered]
            counts += np.bincount(numbers[numbers >= 0], minlength=len(counts))
    return moments, counts


def _added(found: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add values to a count, mean and sum of squared deviations (Chan, Golub and LeVeque 1979)."""
    if not len(values):
        return found
    count, mean, squares = found
    own = values.mean()
    total = count + len(values)
    apart = own - mean
    squares += np.square(values - own).sum() + apart**2 * count * len(values) / total
    return np.array([total, mean + apart * len(values) / total, squares])


def _scaling(found: NDArray[np.float64], name: str) -> tuple[float, float]:
    count, mean, squares = found.tolist()
    if count == 0:
        raise DataError(
            f"layer {name!r} has no value in the training windows; every layer needs some: "
            "leave it out or check its extent"
        )
    deviation = float(np.sqrt(squares / count))
    # A layer that is flat in the training part, but for rounding, tells nothing: by 1 it stays 0 there.
    return mean, deviation if deviation > 1e-6 * max(1.0, abs(mean)) else 1.0


def _vocabulary(
    stack: "xr.Dataset", counts: NDArray[np.int64], encoding: str, rare_share: float
) -> dict[str, Any]:
    names = tuple(str(name) for name in stack.attrs["class_names"])
    share = counts / max(counts.sum(), 1)
    kept = tuple(name for name, s in zip(names, share, strict=True) if s >= rare_share and s > 0)
    found: dict[str, Any] = {"classes": kept, "class_names": names, "encoding": encoding}
    if encoding == "ordinal" and counts.any():
        number = np.arange(len(counts))
        mean = np.average(number, weights=counts)
        spread = np.sqrt(np.average((number - mean) ** 2, weights=counts))
        found["ordinal"] = (float(mean), float(spread) or 1.0)
    return found
