"""Analyses of samples: from columns taken apart to values in one unit, every replacement counted."""

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.abundance import UPPER_CRUST_PPM, crust_ratio, ppm_factor
from gossan.errors import DataError, DataWarning
from gossan.io.cells import RULES, code_of, interpret, replace_censored
from gossan.io.chemistry import common_unit
from gossan.io.elements import ElementColumn
from gossan.io.tables import Points
from gossan.survey import SampleSource

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_analyses"]

_MUCH_CENSORED = 0.3
_MANY_ZEROS = 0.3
_FAR = 10**2.5  # a unit mistaken is a factor of 1000 and more; a real median seldom strays 300 times
_FEWEST = 10  # values for a median that means something
_NAMED = 6  # elements that a warning names; the others are counted
_LEAST_SHARE = 0.01  # of the rows: with fewer values an element that nobody asked for is left out
_WHOLE = {"pct": 1e2, "ppm": 1e6, "ppb": 1e9, "ppt": 1e12}
_BELOW_SIGNS = ("<", "l", "n", "u", "b", "nd", "bdl", "lt", "below")
_ABOVE_SIGNS = (">", "g", "gt", "above", "ol", "over")
_QUIET_SIGNS = ("", "=", "j", "e", "p", "ok", "nan", "none", "0")


def read_analyses(
    points: Points,
    chosen: Sequence[ElementColumn],
    signs: Mapping[str, str],
    source: SampleSource,
) -> tuple[dict[str, NDArray[np.float64]], dict[str, str], dict[str, Any]]:
    """Read the columns of elements.

    Of several columns for one element, the one with the most values is used: of those, the one with fewer
    below a limit, then the element before its oxide, then the first in the file.

    Parameters
    ----------
    chosen
        Columns of elements, with their units.
    signs
        Column of an element -> column of its qualifiers.

    Returns
    -------
    Values by element, their units, and the counts ``elements``, ``left_out``, ``alternatives``,
    ``suspect_units``, ``reruns`` (values over the limit of the column used, taken from others by column),
    ``qualifiers``.

    Raises
    ------
    DataError
        No element has values that vary, or one is constant.
    """
    values: dict[str, NDArray[np.float64]] = {}
    units: dict[str, str] = {}
    names = ("elements", "left_out", "alternatives", "suspect_units", "reruns")
    counts: dict[str, Any] = {name: {} for name in names}
    strange: dict[str, int] = {}
    for symbol in dict.fromkeys(one.symbol for one in chosen):
        same = [one for one in chosen if one.symbol == symbol]
        (best, numbers, code), *others = _ranked(points, same, signs, strange)
        if others:
            counts["alternatives"][symbol] = [one.column for one in same if one is not best]
        unit, factor = common_unit(symbol, best.unit, best.oxide)
        numbers *= factor
        if again := _rerun((best, numbers, code), unit, others):
            counts["reruns"][symbol] = again
        counts["suspect_units"] |= _suspect(symbol, unit, numbers[code == 0])
        found = replace_censored(numbers, code, source.censored, positive=source.transform != "none")
        why = _no_contrast(numbers, found, best, source)
        counts["elements"][symbol] = {"column": best.column, "unit": unit, **found}
        if factor != 1:
            counts["elements"][symbol] |= {"file_unit": best.measured_in, "factor": factor}
        if why:
            counts["left_out"][symbol] = why
        else:
            values[symbol], units[symbol] = numbers, unit
    if not values:
        raise DataError(
            f"no element of the samples holds values that vary ({_held(counts['elements'])}); one at least "
            "is needed; check the columns and how missing and censored values are written"
        )
    counts["qualifiers"] = {"columns": dict(signs), "unknown": strange}
    _warn(counts)
    return values, units, counts


def _held(elements: Mapping[str, Any]) -> str:
    """Say what the cells of the first elements are."""
    told = []
    for name, found in list(elements.items())[:3]:
        kinds = [f"{found[rule]} {rule.replace('_', ' ')}" for rule in RULES if found.get(rule)]
        told.append(f"{name}: {', '.join(kinds)}")
    return "; ".join(told) + ("; ..." if len(elements) > 3 else "")


_Read = tuple[ElementColumn, NDArray[np.float64], NDArray[np.uint8]]


def _ranked(
    points: Points, same: Sequence[ElementColumn], signs: Mapping[str, str], strange: dict[str, int]
) -> list[_Read]:
    """Read the columns of one element, the best first."""

    def rank(read: _Read) -> tuple[int, int, int]:
        one, numbers, code = read
        below = int((code == code_of("below")).sum())
        # zeros may mean anything, so they do not make a column better
        return -int((np.isfinite(numbers) & (numbers > 0)).sum()), below, int(bool(one.oxide))

    if not same:
        raise DataError("no column of an element was given; one at least is needed")
    return sorted(((one, *_interpreted(points, one, signs, strange)) for one in same), key=rank)


def _interpreted(
    points: Points, one: ElementColumn, signs: Mapping[str, str], strange: dict[str, int]
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Read one column with what stands above and beside it."""
    numbers, code = interpret(points.numbers[one.column])
    if one.column in points.limits:
        _fill_limit(numbers, code, points.limits[one.column])
    if one.column in signs:
        _apply_signs(numbers, code, points.cells[signs[one.column]], strange)
    _refuse_more_than_all(numbers, code, one.unit)
    return numbers, code


def _rerun(best: _Read, unit: str, others: Sequence[_Read]) -> dict[str, int]:
    """Take values over a limit, in place, from other columns of the element that measured them again.

    Only numbers in a known unit and not below the limit count, as of an ore-grade method.

    Parameters
    ----------
    best
        The column that is used, in ``unit``.

    Returns
    -------
    Column -> cells taken from it.
    """
    column, numbers, code = best
    found: dict[str, int] = {}
    over = code == code_of("above")
    for one, again, kind in others if column.unit and over.any() else ():
        other_unit, factor = common_unit(one.symbol, one.unit, one.oxide)
        if not one.unit or other_unit != unit:
            continue
        # a limit of 1 % is one of 10 000 ppm, whatever the last digit
        rows = over & (kind == code_of("measured")) & (again * factor >= numbers * (1 - 1e-9))
        if rows.any():
            numbers[rows], code[rows] = again[rows] * factor, code_of("measured")
            found[one.column], over = int(rows.sum()), over & ~rows
    return found


def _fill_limit(numbers: NDArray[np.float64], code: NDArray[np.uint8], limit: float) -> None:
    """Put the limit of the row of limits where a cell only says that it is below detection."""
    unknown = code == code_of("below_unknown_limit")
    numbers[unknown], code[unknown] = limit, code_of("below")


def _apply_signs(
    numbers: NDArray[np.float64], code: NDArray[np.uint8], cells: "pd.Series[Any]", strange: dict[str, int]
) -> None:
    """Make a limit of a number that has a sign in the column beside it."""
    text = cells.astype(object).where(cells.notna(), "").astype(str).str.strip().str.lower()
    measured = code == code_of("measured")
    code[measured & text.isin(_BELOW_SIGNS).to_numpy()] = code_of("below")
    code[measured & text.isin(_ABOVE_SIGNS).to_numpy()] = code_of("above")
    other = text[~text.isin((*_BELOW_SIGNS, *_ABOVE_SIGNS, *_QUIET_SIGNS))]
    for sign, rows in other.value_counts().items():
        strange[str(sign)] = strange.get(str(sign), 0) + int(rows)


def _refuse_more_than_all(numbers: NDArray[np.float64], code: NDArray[np.uint8], unit: str) -> None:
    """Take more than the whole of a sample, such as 1e31 or 9999999, for a code for nothing."""
    over = numbers > _WHOLE.get(unit, 1e30)
    numbers[over], code[over] = np.nan, code_of("over_100_pct")


def _suspect(symbol: str, unit: str, measured: NDArray[np.float64]) -> dict[str, dict[str, float]]:
    measured = measured[measured > 0]
    if len(measured) < _FEWEST:
        return {}
    median = float(np.median(measured))
    to_ppm = ppm_factor(unit)
    factor = None if to_ppm is None else crust_ratio(symbol, median * to_ppm)
    if factor is None or 1 / _FAR < factor < _FAR:
        return {}
    return {symbol: {"median": median, "crust_ppm": UPPER_CRUST_PPM[symbol], "factor": factor}}


def _no_contrast(
    numbers: NDArray[np.float64], found: dict[str, int], one: ElementColumn, source: SampleSource
) -> str:
    """Say why an element cannot be used; refuse where the data, or the one who asked for it, must know."""
    finite = numbers[np.isfinite(numbers)]
    why = "" if len(finite) else "without any value"
    few = source.elements is None and len(finite) < _LEAST_SHARE * len(numbers)
    if few and len(finite):
        why = f"values in only {len(finite)} of {len(numbers)} rows"
    elif len(finite) and finite.min() == finite.max():
        why = "constant"
    only_limits = found["measured"] == 0  # so that being constant says nothing
    if why and (source.elements is not None or (why == "constant" and not only_limits)):
        raise DataError(
            f"element {one.symbol} (column {one.column!r}) is {why} over {len(numbers)} samples; "
            "it must vary; leave it out by listing the others in [samples] elements"
        )
    return why


def _warn(counts: Mapping[str, Any]) -> None:
    """Warn of each kind of thing that was left out, replaced or doubted, once for all elements."""
    left_out, elements = counts["left_out"], counts["elements"]
    used = {name: found for name, found in elements.items() if name not in left_out}
    unknown = counts["qualifiers"]["unknown"]
    left = [
        f"{', '.join(name for name, its in left_out.items() if its == why)} left out ({why})"
        for why in dict.fromkeys(left_out.values())
    ]
    zeros = [
        f"{name} {found['zero']}"
        for name, found in sorted(used.items(), key=lambda item: -item[1].get("zero", 0))
        if found.get("zero", 0) * (1 - _MANY_ZEROS) > _MANY_ZEROS * _valued(found)
    ]
    for what, parts in (
        ("", left),
        ("", [text for name, found in used.items() if (text := _censored(name, found))]),
        ("taken as missing: ", [text for name, found in elements.items() for text in _lost(name, found)]),
        ("zeros, not analysed or below detection, are taken as missing: ", _some(zeros)),
        ("of several columns for one element the one with the most values is used: ", _some(_used(counts))),
        ("over the limit and taken from a second column: ", _again(counts)),
        ("medians far from the upper crust's, a wrong unit perhaps: ", _some(_suspected(counts))),
        ("qualifiers not understood: ", [f"{n} {sign!r}" for sign, n in unknown.items()]),
    ):
        if parts:
            warnings.warn(f"samples: {what}{', '.join(parts)}", DataWarning, stacklevel=5)


def _some(parts: Sequence[str]) -> list[str]:
    """Name the first and count the others."""
    more = len(parts) - _NAMED
    return [*parts[:_NAMED], *([f"and {more} more"] if more > 0 else [])]


def _used(counts: Mapping[str, Any]) -> list[str]:
    return [
        f"{counts['elements'][name]['column']} not {' or '.join(others)}"
        for name, others in counts["alternatives"].items()
        if name not in counts["left_out"]
    ]


def _again(counts: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} {rows} of {column}"
        for name, columns in counts["reruns"].items()
        for column, rows in columns.items()
    ]


def _suspected(counts: Mapping[str, Any]) -> list[str]:
    """Say how far medians are off, the farthest first."""
    told = []
    odd = counts["suspect_units"].items()
    for name, found in sorted(odd, key=lambda item: -abs(np.log(item[1]["factor"]))):
        factor = found["factor"]
        crust, times = (float(f"{one:.3g}") for one in (found["crust_ppm"], max(factor, 1 / factor)))
        told.append(f"{name} {f'{times:,g} times' if factor > 1 else f'1/{times:,.0f} of'} {crust:g} ppm")
    return told


def _valued(found: Mapping[str, Any]) -> int:
    """Count the cells that have a value, or are below a limit that is known."""
    return int(found["measured"] + found.get("below", 0) + found.get("above", 0))


def _censored(name: str, found: Mapping[str, Any]) -> str:
    below = found.get("below", 0)
    much = below > _MUCH_CENSORED * _valued(found)
    return f"{name} {100 * below / _valued(found):.0f} % below detection" if much else ""


def _lost(name: str, found: Mapping[str, Any]) -> list[str]:
    """Say which cells that are not empty have no value."""
    kinds = {
        "text": "cells of other text",
        "over_100_pct": "values over 100 %",
        "above_unknown_limit": "values over an unknown limit",
    }
    return [f"{name} has {found[rule]} {words}" for rule, words in kinds.items() if rule in found]
