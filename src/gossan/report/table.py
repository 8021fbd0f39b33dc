"""A table as text, and the cells that several tables write."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gossan.report.words import NONE, named, number

__all__ = ["Table", "choices", "kilometres", "whole"]


@dataclass(frozen=True)
class Table:
    """A table ready to print.

    ``text`` is the number of leading columns that hold text and not numbers, ``prose`` that of the last ones.
    ``keys`` holds the target of each row, where rows are targets, and ``link`` the column that leads to it.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text: int = 1
    note: str = ""
    prose: int = 0
    keys: tuple[int, ...] = ()
    link: int = -1


def whole(value: Any) -> str:
    r"""Write a count.

    >>> whole(None), whole(12000.0)
    ('–', '12\u202f000')
    """
    return NONE if value is None else number(int(value))


def kilometres(value: Any, digits: int = 3) -> str:
    r"""Write a length given in metres with so many significant digits.

    >>> kilometres(3200), kilometres(183.4, 2), kilometres(None)
    ('3.2\xa0km', '0.18\xa0km', '–')
    """
    return NONE if value is None else f"{float(value) / 1000:.{digits}g}\u00a0km"


def choices(value: Any) -> str:
    """Write settings or choices; those that several folds share are counted.

    >>> choices([{"C": 0.1}, {"C": 1}, {"C": 0.1}]), choices(12), choices({"depth": [2, 4]})
    ('C 0.1 (2 folds); C 1 (1 fold)', '12', 'depth 2, 4')
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {choices(each)}" for name, each in value.items()) or NONE
    if isinstance(value, list | tuple):
        parts = [choices(each) for each in value]
        if not any(isinstance(each, Mapping | str) for each in value):
            return ", ".join(parts) or NONE
        counts = Counter(parts)
        return "; ".join(f"{part} ({n} fold{'s' if n > 1 else ''})" for part, n in counts.items())
    if isinstance(value, float):
        return f"{value:g}".replace("-", "−")
    return NONE if value is None else named(value)
