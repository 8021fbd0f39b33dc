"""The two callables that lower rooms are handed: one to report progress, one to keep checkpoints."""

from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["Checkpoint", "Progress", "no_checkpoint", "no_progress", "part_of"]

#: Called with the share of the work that is done, in [0, 1].
Progress = Callable[[float], None]


class Checkpoint(Protocol):
    """Keeps the latest state of a long computation across a kill.

    A state is a flat dictionary of NumPy arrays and JSON scalars.
    """

    def load(self) -> dict[str, Any] | None:
        """Return the latest state saved, or None."""

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state, whole or not at all."""


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


no_checkpoint: Checkpoint = _NoCheckpoint()
