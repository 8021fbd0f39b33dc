"""Cells of a laboratory table: numbers, numbers below or above a limit, codes for nothing, and other text."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RULES", "read_cells", "replace_censored", "to_numbers"]

#: What a cell was found to be, by code.
RULES = ("measured", "empty", "below", "below_unknown_limit", "above", "sentinel", "text", "zero")
_MEASURED, _EMPTY, _BELOW, _UNKNOWN, _ABOVE, _SENTINEL, _TEXT, _ZERO = range(len(RULES))

_SENTINELS = (-9999.0, -999.0, -99.0)
_NOTHING = (
    "na",
    "n/a",
    "n.a.",
    "#n/a",
    "nan",
    "null",
    "none",
    "-",
    "--",
    "?",
    ".",
    "ns",
    "is",
    "i.s.",
    "lnr",
)
_UNDETECTED = (
    "bdl",
    "b.d.l.",
    "bd",
    "b.d.",
    "nd",
    "n.d.",
    "n/d",
    "n",
    "l",
    "lod",
    "dl",
    "tr",
    "trace",
    "bld",
)
#: full-width signs, the minus sign, and "or equal"
_FOLD = {0xFF01 + i: 0x21 + i for i in range(94)} | {0x2212: "-", 0x2264: "<", 0x2265: ">"}
_LIMIT = r"^([<>]?)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)$"


def to_numbers(cells: "pd.Series[Any]", *, comma: bool = False) -> NDArray[np.float64]:
    """Numbers of a column of text or numbers, NaN elsewhere; decimal commas as in ``read_cells``."""
    return _split(cells, comma)[0]


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
    values, odd, text = _split(cells, comma)
    code = np.where(np.isnan(values), _EMPTY, _MEASURED).astype(np.uint8)
    if len(odd):
        limit = text.str.extract(_LIMIT)
        sign, number = limit[0].to_numpy(dtype=object), limit[1].astype(float).to_numpy()
        bare = text.str.lstrip("<").str.strip()
        kind = np.full(len(odd), _TEXT, dtype=np.uint8)
        kind[text.isin(_NOTHING).to_numpy()] = _EMPTY
        kind[bare.isin(_UNDETECTED).to_numpy()] = _UNKNOWN
        usable = np.isfinite(number) & (number >= 0)
        kind[usable & (sign == "<")] = _BELOW
        kind[usable & (sign == ">")] = _ABOVE
        limited = (kind == _BELOW) | (kind == _ABOVE)
        values[odd[limited]] = number[limited]
        code[odd] = kind
    plain = code == _MEASURED
    sentinel = plain & np.isin(values, _SENTINELS)
    code[sentinel] = _SENTINEL
    code[plain & ~sentinel & (values < 0)] = _BELOW
    values[sentinel] = np.nan
    return np.abs(values), code


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


def _split(
    cells: "pd.Series[Any]", comma: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64], "pd.Series[str]"]:
    """Numbers, the places of cells that are neither a number nor blank, and their folded text."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(cells.dtype):
        values = cells.to_numpy(dtype=float, na_value=np.nan).copy()
        odd = np.flatnonzero(np.isinf(values))
        values[odd] = np.nan
        return values, odd, pd.Series(["inf"] * len(odd), dtype=object)
    raw = cells.to_numpy(dtype=object)
    values = _finite(raw)
    odd = np.flatnonzero(np.isnan(values))
    odd = odd[(raw[odd] != "") & ~pd.isna(raw[odd])]
    text = pd.Series(raw[odd], dtype=object).astype(str).astype(object)
    text = text.str.translate(_FOLD).str.strip().str.lower()
    if len(odd):
        text = _with_points(text, raw, comma)
        numbers = _finite(text.to_numpy(dtype=object))
        values[odd] = numbers
        left = np.isnan(numbers) & (text != "").to_numpy(dtype=bool)
        odd, text = odd[left], text[left].reset_index(drop=True)
    return values, odd, text


def _finite(cells: NDArray[np.object_]) -> NDArray[np.float64]:
    import pandas as pd

    values = np.array(pd.to_numeric(cells, errors="coerce"), dtype=float)
    values[np.isinf(values)] = np.nan
    return values


def _with_points(text: "pd.Series[str]", raw: NDArray[np.object_], comma: bool) -> "pd.Series[str]":
    """Turn decimal commas into points where it is sure that they are none between thousands.

    They are when a cell has other than three digits behind the comma or a lone zero before it, or
    when the file says so (``comma``); never beside decimal points.
    """
    fits = text.str.fullmatch(r"[<>]?\s*[-+]?\d+,\d+(?:e[-+]?\d+)?").to_numpy(dtype=bool)
    if not fits.any():
        return text
    thousands = text[fits].str.fullmatch(r"[<>]?\s*[-+]?[1-9]\d{0,2},\d{3}").all()
    points = any("." in cell for cell in raw[~np.isnan(_finite(raw))] if isinstance(cell, str))
    return text if points or (thousands and not comma) else text.where(~fits, text.str.replace(",", "."))
