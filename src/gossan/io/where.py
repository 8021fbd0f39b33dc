"""The filter ``where``: comparisons of columns joined by ``and``; nothing is ever run."""

import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.errors import UsageError
from gossan.io.cells import to_numbers
from gossan.io.vectors import find_column

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["columns_of", "rows_where"]

_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>'[^']*'|"[^"]*")|`(?P<column>[^`]+)`|(?P<sign>==|!=|<=|>=|=|<|>|\(|\)|\[|\]|,)"""
    r"""|(?P<word>[^\s'"`=!<>()\[\],]+))"""
)
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_Token = tuple[str, str]


def rows_where(text: str, table: "pd.DataFrame", *, setting: str = "[deposits] where") -> NDArray[np.bool_]:
    """Rows of a table for which a condition holds.

    Parameters
    ----------
    text
        ``column op value``, joined by ``and``; op is one of = == != < <= > >= in; a value is a number,
        a word or quoted text; ``in`` takes several in brackets. A column with blanks stands in
        backticks.
    setting
        Where the condition was given, for messages.

    Returns
    -------
    (n,) bool.

    Raises
    ------
    UsageError
        The condition cannot be read, or names a column that is not there.

    Examples
    --------
    >>> import pandas as pd
    >>> rows_where("is_Cu == 1 and type in ('VMS')", pd.DataFrame({"is_Cu": [1, 0], "type": ["VMS", "VMS"]}))
    array([ True, False])
    """
    keep = np.ones(len(table), dtype=bool)
    try:
        for clause in _clauses(text):
            keep &= _clause(clause, table, setting)
    except _UnreadableError as error:
        raise _refusal(text, setting) from error
    return keep


def columns_of(text: str, columns: list[str], setting: str) -> list[str]:
    """List the columns that a condition names.

    Raises
    ------
    UsageError
        The condition cannot be read, or names a column that is not there.
    """
    try:
        named = [_column(clause) for clause in _clauses(text)]
    except _UnreadableError as error:
        raise _refusal(text, setting) from error
    return [find_column(name, columns, f"{setting}, column") for name in named]


class _UnreadableError(Exception):
    """Tells that a condition is not of the form that is read."""


def _clauses(text: str) -> list[list[_Token]]:
    clauses: list[list[_Token]] = [[]]
    for token in _tokens(text):
        if token[0] == "word" and token[1].lower() == "and":
            clauses.append([])
        else:
            clauses[-1].append(token)
    return clauses


def _column(tokens: list[_Token]) -> str:
    if len(tokens) < 3 or tokens[0][0] not in ("word", "column"):
        raise _UnreadableError
    return tokens[0][1]


def _tokens(text: str) -> list[_Token]:
    found, place = [], 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            raise _UnreadableError
        kind = str(match.lastgroup)
        found.append((kind, match[kind][1:-1] if kind == "quoted" else match[kind]))
        place = match.end()
    return found


def _clause(tokens: list[_Token], table: "pd.DataFrame", setting: str) -> NDArray[np.bool_]:
    columns = [str(column) for column in table.columns]
    name = find_column(_column(tokens), columns, f"{setting}, column")
    sign, values = tokens[1], tokens[2:]
    if sign == ("word", "in") or sign == ("word", "IN"):
        wanted = _listed(values)
        return np.asarray(np.stack([_equal(table[name], one) for one in wanted]).any(axis=0), dtype=bool)
    if sign[0] != "sign" or sign[1] not in _COMPARE or len(values) != 1 or values[0][0] == "sign":
        raise _UnreadableError
    if sign[1] in ("=", "=="):
        return _equal(table[name], values[0])
    if sign[1] == "!=":
        return ~_equal(table[name], values[0])
    limit = _number(values[0][1])
    if limit is None:
        raise UsageError(f"{setting}: {sign[1]} compares numbers, not {values[0][1]!r}; use = or !=")
    return np.asarray(_COMPARE[sign[1]](to_numbers(table[name]), limit), dtype=bool)


def _listed(tokens: list[_Token]) -> list[_Token]:
    inner = tokens[1:-1]
    brackets = tokens[0][1] + tokens[-1][1]
    values, commas = inner[::2], inner[1::2]
    if brackets not in ("()", "[]") or not values or any(one != ("sign", ",") for one in commas):
        raise _UnreadableError
    if any(one[0] == "sign" for one in values):
        raise _UnreadableError
    return values


def _equal(column: "pd.Series[Any]", value: _Token) -> NDArray[np.bool_]:
    """Compare as numbers where a bare number is asked, else as text."""
    number = None if value[0] == "quoted" else _number(value[1])
    if number is not None:
        return np.asarray(to_numbers(column) == number, dtype=bool)
    same = column.astype(str).str.strip() == value[1].strip()
    return np.asarray(same, dtype=bool)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _refusal(text: str, setting: str) -> UsageError:
    return UsageError(
        f"{setting} = {text!r} cannot be read; allowed is: column = value, with = != < <= > >= or in, "
        "joined by and; correct it"
    )
