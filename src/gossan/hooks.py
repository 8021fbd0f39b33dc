"""What lower rooms are handed: to report progress, to keep checkpoints, and room for large arrays."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["Checkpoint", "MakeArray", "Progress", "in_memory", "no_checkpoint", "no_progress", "part_of"]

#: Called with the share of the work that is done, in [0, 1].
Progress = Callable[[float], None]

#: Called with a shape and a type; gives an array of zeros, which may lie in a file.
MakeArray = Callable[[Sequence[int], DTypeLike], NDArray[Any]]


def in_memory(shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """Make an array of zeros in memory."""
    return np.zeros(tuple(shape), dtype=dtype)


class Checkpoint(Protocol):
    """Keeps the latest state of a long computation across a kill.

    A state is a flat dictionary of NumPy arrays and JSON scalars.
    """

    def load(self) -> dict[str, Any] | None:
        """Return the latest state saved, or None."""

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state, whole or not at all."""

    def array(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        """Make an array of zeros that need not fit into memory.

        One that the computation returns is kept without a copy; the others are gone when nobody refers to
        them any more.
        """


def no_progress(share: float) -> None:
    """Report nothing."""


def part_of(progress: Progress, number: int, count: int) -> Progress:
    """Return the progress of one of several equal parts; ``number`` counts from 0."""
    return lambda share: progress((number + share) / count)


class _NoCheckpoint:
    def load(self) -> dict[str, Any] | None:
        return None

    def save(self, state: dict[str, Any]) -> None:
        pass

    def array(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        return in_memory(shape, dtype)


no_checkpoint: Checkpoint = _NoCheckpoint()
