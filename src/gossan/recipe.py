"""The Recipe: everything learnt from a training part, and the only such thing."""

from collections.abc import Sequence
from copy import copy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from gossan._around import gather_around
from gossan.errors import DataError, UsageError
from gossan.windows import gather

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["OTHER", "VALID", "Recipe", "WindowSet", "covered_pixels"]

#: Name of the class that rare and unseen classes are pooled in.
OTHER = "other"
#: Name of the channel that says which pixels hold data.
VALID = "valid"

#: A class covering less than this share of the training pixels is pooled.
RARE_SHARE = 0.02


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
        covered = covered_pixels(windows, stack["layers"].shape[1:]) & stack["valid"].values
        moments = [_moments(stack["layers"].values[names.index(name)], covered, name) for name in layers]
        vocabulary: dict[str, Any] = {}
        if "classes" in stack:
            vocabulary = _vocabulary(stack, covered, encoding, rare_share)
        return cls(
            stack_channels=tuple(names),
            layers=tuple(layers),
            centre=tuple(mean for mean, _ in moments),
            scale=tuple(sd for _, sd in moments),
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
        expected = len(self.stack_channels) + (self.encoding != "none")
        if batch.shape[1] != expected:
            raise DataError(
                f"windows with {batch.shape[1]} channels given; this recipe was learnt on {expected} "
                f"({', '.join(self.stack_channels)}); make the stack with the same layers"
            )
        valid: NDArray[np.bool_] = np.any(np.isfinite(batch), axis=1)
        out = np.empty((len(batch), len(self.channels), *batch.shape[2:]), dtype=np.float32)
        n = len(self.layers)
        index = [self.stack_channels.index(name) for name in self.layers]
        np.subtract(batch[:, index], _column(self.centre), out=out[:, :n])
        out[:, :n] /= _column(self.scale)
        np.nan_to_num(out[:, :n], copy=False, nan=0.0)
        if self.encoding == "onehot":
            self._one_hot(batch[:, -1], valid, out[:, n : n + len(self.classes) + 1])
        elif self.encoding == "ordinal":
            mean, sd = self.ordinal
            out[:, n] = np.nan_to_num((batch[:, -1] - mean) / sd, nan=0.0)
        if self.valid:
            out[:, -1] = valid
        out *= valid[:, None]
        return out, valid

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
        windows = self.windows.iloc[index]
        if self.halo:
            return self.recipe.apply(gather_around(self.stack, windows, self.halo))
        return self.recipe.apply(gather(self.stack, windows))


def _column(values: Sequence[float]) -> NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32)[:, None, None]


def covered_pixels(windows: "pd.DataFrame", shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Mark the pixels under any window: +1 and -1 at the corners, summed twice."""
    edges = np.zeros((shape[0] + 1, shape[1] + 1), dtype=np.int32)
    row, col, size = (windows[name].to_numpy() for name in ("row", "col", "size"))
    for rows, cols, sign in ((row, col, 1), (row + size, col, -1), (row, col + size, -1)):
        np.add.at(edges, (rows, cols), sign)
    np.add.at(edges, (row + size, col + size), 1)
    covered: NDArray[np.bool_] = edges.cumsum(axis=0).cumsum(axis=1)[:-1, :-1] > 0
    return covered


def _moments(layer: NDArray[np.float32], covered: NDArray[np.bool_], name: str) -> tuple[float, float]:
    values = layer[covered]
    values = values[np.isfinite(values)].astype(np.float64)
    if len(values) == 0:
        raise DataError(
            f"layer {name!r} has no value in the training windows; every layer needs some: "
            "leave it out or check its extent"
        )
    mean, deviation = float(values.mean()), float(values.std())
    # A layer that is flat in the training part, but for rounding, tells nothing: by 1 it stays 0 there.
    return mean, deviation if deviation > 1e-6 * max(1.0, abs(mean)) else 1.0


def _vocabulary(
    stack: "xr.Dataset", covered: NDArray[np.bool_], encoding: str, rare_share: float
) -> dict[str, Any]:
    names = tuple(str(name) for name in stack.attrs["class_names"])
    numbers = stack["classes"].values[covered]
    numbers = numbers[numbers >= 0]
    share = np.bincount(numbers, minlength=len(names)) / max(len(numbers), 1)
    kept = tuple(name for name, s in zip(names, share, strict=True) if s >= rare_share and s > 0)
    found: dict[str, Any] = {"classes": kept, "class_names": names, "encoding": encoding}
    if encoding == "ordinal" and len(numbers):
        found["ordinal"] = (float(numbers.mean()), float(numbers.std()) or 1.0)
    return found
