"""Pairs of runs in turn, and the rows that they become.

A benchmark is a module of this folder with one function ``rows() -> list[Row]`` that does all its work
itself. `python -m benchmarks` runs them, one process each.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Row", "alone", "clock", "paired", "row"]

PAIRS = 5


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes
    ----------
    work, peer
        What is done, and what it is compared with.
    unit
        Of the two figures: ``s``, ``MiB``, ``windows/s`` ...
    ours, theirs
        Medians over the pairs; None for what was not measured.
    ratio, low, high
        Median, smallest and largest ratio over the pairs, in the sense of `wanted`.
    wanted
        What must hold: ``at least`` or ``at most`` this ratio; None where nothing is asked.
    error
        Greatest difference of the results, with its unit, or why there is none.
    note
        What a reader must know: sizes, threads, what is left out.
    """

    work: str
    peer: str
    unit: str
    ours: float | None
    theirs: float | None
    ratio: float | None
    low: float | None
    high: float | None
    wanted: tuple[Literal["at least", "at most"], float] | None
    error: str
    note: str

    @property
    def holds(self) -> bool | None:
        """Whether the median ratio is as wanted; None where nothing is asked."""
        if self.wanted is None or self.ratio is None:
            return None
        sense, limit = self.wanted
        return self.ratio >= limit if sense == "at least" else self.ratio <= limit


def clock(work: Callable[[], Any]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def paired(
    ours: Callable[[], float], theirs: Callable[[], float], *, pairs: int = PAIRS
) -> list[tuple[float, float]]:
    """Measure the two in turn after one unmeasured pair; each call returns its own figure."""
    ours(), theirs()
    return [(ours(), theirs()) for _ in range(pairs)]


def row(
    work: str,
    peer: str,
    found: list[tuple[float, float]],
    *,
    unit: str = "s",
    wanted: tuple[Literal["at least", "at most"], float] | None = None,
    inverse: bool = False,
    error: str = "",
    note: str = "",
) -> Row:
    """Make a row of pairs (ours, theirs); the ratio is theirs / ours, or ours / theirs where `inverse`.

    A speed-up of times is theirs / ours; a cost or a rate (windows/s) is ours / theirs.
    """
    ratios = [(a / b) if inverse else (b / a) for a, b in found]
    ours, theirs = (statistics.median(side) for side in zip(*found, strict=True))
    return Row(
        work,
        peer,
        unit,
        ours,
        theirs,
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        wanted,
        error,
        note,
    )


def alone(work: str, ours: float | None, *, unit: str = "s", note: str) -> Row:
    """Make a row of one figure that no peer stands beside; None where it could not be measured here."""
    return Row(work, "", unit, ours, None, None, None, None, None, "", note)
