"""Cells of a laboratory table: numbers, numbers below or above a limit, codes for nothing, and other text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from gossan.io.decimals import (
    POINT,
    Forms,
    Style,
    add_plain,
    add_strange,
    add_typed,
    decide,
    misread,
    rewritten,
)

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
    "settle",
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


@dataclass(frozen=True)
class Column:
    """A column of text taken apart.

    values: (n,) float64, NaN where a cell is no plain number; odd: the rows whose cells are neither a number
    nor blank; which: for each of them its text, an index into ``texts`` (folded, small letters); forms: how
    its numbers are written; pointed: whether commas were taken for decimal points at once; parted: cells
    from which signs between thousands were taken out.
    """

    values: NDArray[np.float64]
    odd: NDArray[np.int64]
    which: NDArray[np.int64]
    texts: tuple[str, ...]
    forms: Forms = field(default_factory=dict)
    pointed: bool = False
    parted: int = 0

    def take(self, keep: NDArray[np.bool_]) -> "Column":
        """Keep some rows."""
        if keep.all():
            return self
        place = np.cumsum(keep) - 1
        stays = keep[self.odd]
        odd, which = place[self.odd[stays]], self.which[stays]
        return replace(self, values=self.values[keep], odd=odd, which=which)


def gather(
    cells: "pd.Series[Any]", *, comma: bool = False, parted: bool = False, known: Forms | None = None
) -> Column:
    """Take a column of text or numbers apart.

    Each different text is looked at once, however often it comes.

    Parameters
    ----------
    comma
        A comma is the decimal sign wherever no point is, so numbers are made of such cells at once.
    parted
        Points are known to part thousands, and commas to be decimal.
    known
        How the numbers of earlier blocks of the column are written.
    """
    import pandas as pd

    if pd.api.types.is_numeric_dtype(cells.dtype):
        values = cells.to_numpy(dtype=float, na_value=np.nan).copy()
        odd = np.flatnonzero(np.isinf(values))
        values[odd] = np.nan
        return Column(values, odd, np.zeros(len(odd), dtype=np.int64), ("inf",))
    codes, raw = pd.factorize(cells.to_numpy(dtype=object))
    forms = dict(known or {})
    texts, typed = _as_texts(np.asarray(raw, dtype=object), forms)
    cut = np.zeros(len(texts) + 1, dtype=bool)  # the last: missing, which factorize codes as -1
    if parted:
        pairs = zip(texts, typed, strict=True)
        both = [(text, False) if sure else rewritten(_fold(text), ",") for text, sure in pairs]
        texts, cut[:-1] = np.array([text for text, _ in both], dtype=object), [one for _, one in both]
    numbers, folded = _numbers(texts, typed, forms)
    pointed = comma and POINT not in forms
    if pointed:
        open_ones = [place for place in folded if np.isnan(numbers[place])]
        numbers[open_ones] = _finite(np.array([_pointed(folded[place]) for place in open_ones], dtype=object))
    index = np.full(len(texts) + 1, -1, dtype=np.int64)
    left = [place for place, text in folded.items() if np.isnan(numbers[place]) and text]
    index[left] = np.arange(len(left))
    which = index[codes]
    odd = np.flatnonzero(which >= 0)
    values, rest = np.append(numbers, np.nan)[codes], tuple(folded[place] for place in left)
    return Column(values, odd, which[odd], rest, forms, pointed, int(cut[codes].sum()))


def _as_texts(texts: NDArray[np.object_], forms: Forms) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    """Write what is no text as text; tell what were numbers, which mean what they say."""
    import pandas as pd

    typed = np.zeros(len(texts), dtype=bool)
    if pd.api.types.infer_dtype(texts, skipna=False) in ("string", "empty"):
        return texts, typed
    typed[:] = [isinstance(one, int | float | np.number) for one in texts]
    texts = np.array([str(one) for one in texts], dtype=object)
    for text in texts[typed]:
        add_typed(forms, text)
    return texts, typed


def _numbers(
    texts: NDArray[np.object_], typed: NDArray[np.bool_], forms: Forms
) -> tuple[NDArray[np.float64], dict[int, str]]:
    """Read plain numbers, and note how they are written; the other texts by place, folded."""
    numbers = _finite(texts)
    add_plain(forms, texts[~np.isnan(numbers) & ~typed])
    strange = np.flatnonzero(np.isnan(numbers) & (texts != ""))
    folded = [_fold(text) for text in texts[strange]]
    numbers[strange] = _finite(np.array(folded, dtype=object))
    add_strange(forms, folded)
    return numbers, dict(zip(strange.tolist(), folded, strict=True))


def _fold(text: str) -> str:
    return text.translate(_FOLD).strip().lower()


def settle(
    columns: Mapping[str, Column],
    again: Callable[[Mapping[str, Style]], Mapping[str, Column]],
    *,
    comma: bool,
) -> tuple[dict[str, Column], dict[str, Any]]:
    """Read commas, and points between thousands, of columns for what they are proved to be.

    Parameters
    ----------
    again
        Gathers columns anew, in the styles given, whose numbers were taken for others at first.
    comma
        A comma is the decimal sign even where all cells look like ``1,234``; that is read as text
        otherwise.

    Returns
    -------
    The columns, their values changed in place; and for the counts ``thousands`` (cells by column from which
    signs were taken out) and ``doubtful_decimals`` (a number by column), where there are any.

    Raises
    ------
    DataError
        As of ``decide``.
    """
    styles, doubtful = decide({name: one.forms for name, one in columns.items()}, comma=comma)
    wrong = {
        name: styles[name]
        for name, one in columns.items()
        if misread(one.forms, styles[name], pointed=one.pointed)
    }
    whole = {**columns, **(again(wrong) if wrong else {})}
    # a comma that was made a point as a column was gathered anew must not be taken out as one of thousands
    done = {name for name, style in wrong.items() if style == ","}
    found = {name: whole[name] if name in done else _settled(whole[name], styles[name]) for name in columns}
    thousands = {name: one.parted for name, one in found.items() if one.parted}
    told = {"thousands": thousands, "doubtful_decimals": doubtful}
    return found, {name: each for name, each in told.items() if each}


def _settled(column: Column, style: Style) -> Column:
    """Write the texts of a column as Python reads numbers, and take out those that are plain ones then."""
    both = [rewritten(text, style) for text in column.texts] if style else []
    if not any(text != now for text, (now, _) in zip(column.texts, both, strict=False)):
        return column
    texts = np.array([text for text, _ in both], dtype=object)
    cut = np.array([one for _, one in both], dtype=bool)[column.which]
    numbers = _finite(texts)
    plain = ~np.isnan(numbers)
    sure = plain[column.which]
    column.values[column.odd[sure]] = numbers[column.which[sure]]
    place = np.cumsum(~plain) - 1
    return replace(
        column,
        odd=column.odd[~sure],
        which=place[column.which[~sure]],
        texts=tuple(texts[~plain]),
        parted=column.parted + int(cut.sum()),
    )


def _alone(cells: "pd.Series[Any]", *, comma: bool) -> Column:
    """Take a column apart that is its own proof."""
    name = str(cells.name)

    def again(styles: Mapping[str, Style]) -> dict[str, Column]:
        return {name: gather(cells, parted=styles[name] == ",")}

    return settle({name: gather(cells, comma=comma)}, again, comma=comma)[0][name]


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
        self._pointed, self._parted = False, 0
        self.forms: Forms = {}

    def add(self, block: Column) -> None:
        """Append a block."""
        number = [self._texts.setdefault(text, len(self._texts)) for text in block.texts]
        self._values[self._rows : self._rows + len(block.values)] = block.values
        self._odd.append(block.odd + self._rows)
        self._which.append(np.array(number, dtype=np.int64)[block.which] if number else block.which)
        self._rows += len(block.values)
        self._pointed |= block.pointed
        self._parted += block.parted
        self.forms = block.forms | self.forms

    def done(self) -> Column:
        """Give the column."""
        none = [np.array([], dtype=np.int64)]
        odd, which = np.concatenate(self._odd or none), np.concatenate(self._which or none)
        values, texts = self._values[: self._rows], tuple(self._texts)
        return Column(values, odd, which, texts, self.forms, self._pointed, self._parted)


def to_numbers(cells: "pd.Series[Any] | Column", *, comma: bool = False) -> NDArray[np.float64]:
    """Numbers of a column, NaN elsewhere; decimal commas of one that is not settled as in ``read_cells``."""
    column = cells if isinstance(cells, Column) else _alone(cells, comma=comma)
    return column.values.copy()


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

    Raises
    ------
    DataError
        Cells such as ``1.234`` beside ``1.234,5`` and ``0.5`` may be thousands or decimals.

    Returns
    -------
    The number of each cell (a limit where it is below or above one; NaN where there is none) and its
    code, an index into ``RULES``.
    """
    return interpret(_alone(cells, comma=comma))


def interpret(column: Column) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Read a column that was settled, as ``read_cells`` does; its values are changed in place."""
    values = column.values
    code = np.where(np.isnan(values), _EMPTY, _MEASURED).astype(np.uint8)
    if len(column.odd):
        number, kind = _judge(column.texts)
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

    numbers = np.asarray(pd.to_numeric(cells, errors="coerce"))
    values = numbers.astype(float)
    if numbers.dtype.kind == "i":  # whole numbers have no -0, but degrees before minutes do
        values[[place for place in np.flatnonzero(numbers == 0) if "-" in cells[place]]] = -0.0
    values[np.isinf(values)] = np.nan
    return values


def _pointed(text: str) -> str:
    return text.replace(",", ".") if text.count(",") == 1 else text
