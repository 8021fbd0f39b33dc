"""Cells of a laboratory table: numbers, numbers below or above a limit, codes for nothing, and other text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "RULES",
    "Column",
    "Growing",
    "code_of",
    "gather",
    "interpret",
    "read_cells",
    "replace_censored",
    "to_numbers",
]

#: What a cell was found to be, by code.
RULES = (
    "measured",
    "empty",
    "below",
    "below_unknown_limit",
    "above",
    "sentinel",
    "text",
    "zero",
    "above_unknown_limit",
    "over_100_pct",
)
_MEASURED, _EMPTY, _BELOW, _UNKNOWN, _ABOVE, _SENTINEL, _TEXT, _ZERO, _ABOVE_UNKNOWN, _ = range(len(RULES))

_SENTINELS = (-9999.0, -999.0, -99.0)
_NOTHING = frozenset(
    [
        *("na", "n/a", "n.a.", "#n/a", "#na", "nan", "null", "none", "nil", "-", "--", "---", "?", ".", "*"),
        *(
            "ns",
            "n.s.",
            "n/s",
            "is",
            "i.s.",
            "i/s",
            "lnr",
            "nr",
            "n.r.",
            "nss",
            "no sample",
            "insufficient sample",
        ),
        *("not analysed", "not analyzed", "not assayed", "no data", "missing", "#value!", "#div/0!", "#ref!"),
    ]
)
_UNDETECTED = frozenset(
    [
        *("bdl", "b.d.l.", "bd", "b.d.", "bld", "blod", "bql", "b.l.d.", "nd", "n.d.", "n/d", "n", "l"),
        *("lod", "loq", "dl", "mdl", "lld", "ldl", "tr", "trace", "u", "udl", "below detection"),
        *("below detection limit", "not detected", "undetected", "detection limit", "<", "below limit"),
    ]
)
_OVERFLOWN = frozenset(
    [
        *(">", ">lod", ">ul", ">uol", ">max", "ol", "o.l.", "uol", "aol", "overlimit", "over limit"),
        *("over range", "overrange", "above limit", "above detection limit", "saturated", "g"),
    ]
)
#: full-width signs, the minus signs, "or equal", and spaces that do not break
_FOLD = {0xFF01 + i: 0x21 + i for i in range(94)} | {
    **dict.fromkeys((0x2212, 0x2013, 0x2010, 0x2011), "-"),
    **dict.fromkeys((0x2264, 0x2A7D), "<"),
    **dict.fromkeys((0x2265, 0x2A7E), ">"),
    **dict.fromkeys((0xA0, 0x202F, 0x2009, 0x3000, 0xFEFF, 0x200B), " "),
}
#: a sign before a number, or behind it the letters of the USGS: N and L below, G above
_LIMIT = r"^([<>]?)\s*=?\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*([<>lnug+]?)$"
#: a number whose thousands are parted by commas, in groups that are to be filled in
_GROUPED = r"[<>]?\s*[-+]?[1-9]\d{{0,2}}{}\s*[<>lnug+]?"


@dataclass(frozen=True)
class Column:
    """A column of text taken apart.

    values: (n,) float64, NaN where a cell is no plain number; odd: the rows whose cells are neither a number
    nor blank; which: for each of them its text, an index into ``texts`` (folded, small letters); points:
    whether a decimal point stands among the numbers.
    """

    values: NDArray[np.float64]
    odd: NDArray[np.int64]
    which: NDArray[np.int64]
    texts: tuple[str, ...]
    points: bool

    def take(self, keep: NDArray[np.bool_]) -> "Column":
        """Keep some rows."""
        if keep.all():
            return self
        place = np.cumsum(keep) - 1
        stays = keep[self.odd]
        return Column(self.values[keep], place[self.odd[stays]], self.which[stays], self.texts, self.points)


def gather(cells: "pd.Series[Any]", *, comma: bool = False) -> Column:
    """Take a column of text or numbers apart.

    Each different text is looked at once, however often it comes.

    Parameters
    ----------
    comma
        A comma is the decimal sign wherever no point is, so numbers are made of such cells at once.
    """
    import pandas as pd

    if pd.api.types.is_numeric_dtype(cells.dtype):
        values = cells.to_numpy(dtype=float, na_value=np.nan).copy()
        odd = np.flatnonzero(np.isinf(values))
        values[odd] = np.nan
        return Column(values, odd, np.zeros(len(odd), dtype=np.int64), ("inf",), True)
    codes, raw = pd.factorize(cells.to_numpy(dtype=object))
    texts = np.asarray(raw, dtype=object)
    if pd.api.types.infer_dtype(texts, skipna=False) not in ("string", "empty"):
        texts = np.array([str(one) for one in texts], dtype=object)
    numbers = _finite(texts)
    points = any("." in text for text in texts[~np.isnan(numbers)])
    strange = np.flatnonzero(np.isnan(numbers) & (texts != ""))
    folded = [text.translate(_FOLD).strip().lower() for text in texts[strange]]
    numbers[strange] = _finite(np.array(folded, dtype=object))
    if comma and not points:
        numbers[strange] = np.where(
            np.isnan(numbers[strange]),
            _finite(np.array([_pointed(text) for text in folded], dtype=object)),
            numbers[strange],
        )
    index = np.full(len(texts) + 1, -1, dtype=np.int64)  # the last: missing, which factorize codes as -1
    left = [place for place, text in zip(strange, folded, strict=True) if np.isnan(numbers[place]) and text]
    index[left] = np.arange(len(left))
    which = index[codes]
    odd = np.flatnonzero(which >= 0)
    known = dict(zip(strange, folded, strict=True))
    values = np.append(numbers, np.nan)[codes]
    return Column(values, odd, which[odd], tuple(known[place] for place in left), points)


class Growing:
    """Puts the blocks of one column together in memory that is taken once.

    Parameters
    ----------
    most
        Rows that will come at most.
    """

    def __init__(self, most: int) -> None:
        self._values = np.empty(most)
        self._rows = 0
        self._texts: dict[str, int] = {}
        self._odd: list[NDArray[np.int64]] = []
        self._which: list[NDArray[np.int64]] = []
        self._points = False

    def add(self, block: Column) -> None:
        """Append a block."""
        number = [self._texts.setdefault(text, len(self._texts)) for text in block.texts]
        self._values[self._rows : self._rows + len(block.values)] = block.values
        self._odd.append(block.odd + self._rows)
        self._which.append(np.array(number, dtype=np.int64)[block.which] if number else block.which)
        self._rows += len(block.values)
        self._points |= block.points

    def done(self) -> Column:
        """Give the column."""
        none = [np.array([], dtype=np.int64)]
        odd, which = np.concatenate(self._odd or none), np.concatenate(self._which or none)
        return Column(self._values[: self._rows], odd, which, tuple(self._texts), self._points)


def to_numbers(cells: "pd.Series[Any] | Column", *, comma: bool = False) -> NDArray[np.float64]:
    """Numbers of a column of text or numbers, NaN elsewhere; decimal commas as in ``read_cells``."""
    column = cells if isinstance(cells, Column) else gather(cells)
    values = column.values.copy()
    numbers = _finite(np.array(_with_points(column, comma), dtype=object))
    values[column.odd] = numbers[column.which]
    return values


def read_cells(
    cells: "pd.Series[Any]", *, comma: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Read a column of analyses.

    A negative number means below that number, except the sentinels -9999, -999 and -99.

    Parameters
    ----------
    cells
        Text, or numbers.
    comma
        A comma is the decimal sign even where all cells look like ``1,234``; that is read as text
        otherwise.

    Returns
    -------
    The number of each cell (a limit where it is below or above one; NaN where there is none) and its
    code, an index into ``RULES``.
    """
    return interpret(gather(cells), comma=comma)


def interpret(column: Column, *, comma: bool = False) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Read a column that was taken apart, as ``read_cells`` does; its values are changed in place."""
    values = column.values
    code = np.where(np.isnan(values), _EMPTY, _MEASURED).astype(np.uint8)
    if len(column.odd):
        number, kind = _judge(_with_points(column, comma))
        values[column.odd], code[column.odd] = number[column.which], kind[column.which]
    plain = code == _MEASURED
    sentinel = plain & np.isin(values, _SENTINELS)
    code[sentinel] = _SENTINEL
    code[plain & ~sentinel & (values < 0)] = _BELOW
    values[sentinel] = np.nan
    return np.abs(values, out=values), code


def replace_censored(
    values: NDArray[np.float64],
    code: NDArray[np.uint8],
    rule: Literal["half", "sqrt2", "limit", "drop"],
    *,
    positive: bool,
) -> dict[str, int]:
    """Replace values below their limit, in place; values above a limit stay at it.

    Parameters
    ----------
    values, code
        As from ``read_cells``.
    rule
        ``half`` the limit, limit / ``sqrt2``, the ``limit``, or ``drop`` (NaN).
    positive
        Whether zeros cannot be used (under a logarithm); they become missing.

    Returns
    -------
    Number of cells of each of ``RULES`` that occurs, ``measured`` always.
    """
    share = {"half": 0.5, "sqrt2": 0.5**0.5, "limit": 1.0, "drop": np.nan}[rule]
    values[code == _BELOW] *= share
    if positive:
        zero = values == 0
        values[zero], code[zero] = np.nan, _ZERO
    found = np.bincount(code, minlength=len(RULES))
    return {name: int(n) for name, n in zip(RULES, found, strict=True) if n or name == "measured"}


def code_of(rule: str) -> int:
    """Code of one of ``RULES``."""
    return RULES.index(rule)


def _judge(texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Find number and code of each text that is no plain number."""
    import pandas as pd

    text = pd.Series(list(texts), dtype=object)
    plain = _finite(text.to_numpy(dtype=object))
    limit = text.str.extract(_LIMIT)
    number = limit[1].astype(float).to_numpy(copy=True)
    sign, tail = (limit[n].to_numpy(dtype=object) for n in (0, 2))
    kind = np.full(len(text), _TEXT, dtype=np.uint8)
    bare = text.str.replace(r"^<\s*=?\s*", "", regex=True)
    kind[text.isin(_NOTHING).to_numpy()] = _EMPTY
    kind[(bare.isin(_UNDETECTED) | text.isin(_UNDETECTED)).to_numpy()] = _UNKNOWN
    kind[text.isin(_OVERFLOWN).to_numpy()] = _ABOVE_UNKNOWN
    usable = np.isfinite(number) & (number >= 0) & ((sign == "") | (tail == ""))
    kind[usable & ((sign == "<") | np.isin(tail, ("<", "l", "n", "u")))] = _BELOW
    kind[usable & ((sign == ">") | np.isin(tail, (">", "g", "+")))] = _ABOVE
    kind[~np.isnan(plain)] = _MEASURED
    number[~np.isin(kind, (_BELOW, _ABOVE))] = np.nan
    return np.where(np.isnan(plain), number, plain), kind


def _finite(cells: NDArray[np.object_]) -> NDArray[np.float64]:
    import pandas as pd

    values = np.array(pd.to_numeric(cells, errors="coerce"), dtype=float)
    values[np.isinf(values)] = np.nan
    return values


def _pointed(text: str) -> str:
    return text.replace(",", ".") if text.count(",") == 1 else text


def _with_points(column: Column, comma: bool) -> list[str]:
    """Turn decimal commas into points, and take out those between thousands, where it is sure which they are.

    They are decimal when a cell has other than three digits behind the comma or a lone zero before it, or
    when the file says so (``comma``); never beside decimal points.
    """
    import pandas as pd

    text = pd.Series(list(column.texts), dtype=object)
    if not len(text):
        return []
    # a point behind groups of three, two such groups, or points in other cells: then commas part thousands
    sure = text.str.fullmatch(_GROUPED.format(r"(?:(?:,\d{3})+\.\d*|(?:,\d{3}){2,})"))
    if column.points or sure.any():
        grouped = text.str.fullmatch(_GROUPED.format(r"(?:,\d{3})+(?:\.\d*)?")).to_numpy(dtype=bool)
        return list(text.where(~grouped, text.str.replace(",", "", regex=False)))
    fits = text.str.fullmatch(r"[<>]?\s*[-+]?\d+,\d+(?:e[-+]?\d+)?\s*[<>lnug+]?").to_numpy(dtype=bool)
    thousands = text[fits].str.fullmatch(r"[<>]?\s*[-+]?[1-9]\d{0,2},\d{3}").all()
    if not fits.any() or (thousands and not comma):
        return list(text)
    return list(text.where(~fits, text.str.replace(",", ".", regex=False)))
