"""Degrees, minutes and seconds in coordinate columns, as field books and old reports write them."""

import re
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gossan.errors import DataError
from gossan.io.cells import Column

__all__ = ["datum_of", "degrees_in", "read_degrees"]

_D, _M = (r"\d{1,3}(?:[.,]\d{1,12})?", r"\d{1,2}(?:[.,]\d{1,12})?")
#: a sign or a hemisphere before or behind; between the numbers stand their marks, colons or blanks
_DEGREES = re.compile(
    rf"(?P<before>[nsew])? ?(?P<sign>[-+])? ?(?P<d>{_D})"
    rf"(?: ?(?P<mark>°|deg\.?|d|:) ?(?=\d)|(?P<blank> )(?=\d)|(?P<only> ?°))?"
    rf"(?:(?<=\D)(?P<m>{_M})(?:(?: ?(?:'|min\.?|m|:) ?| )(?P<s>{_M}) ?(?:\"|''|sec\.?)?| ?'|))?"
    r" ?(?P<behind>[nsew])?"
)
_FOLD = str.maketrans(
    {**dict.fromkeys("\u00ba\u02da", "°"), **dict.fromkeys("\u2032\u2019\u2018`\u00b4\u02b9", "'")}
    | dict.fromkeys("\u2033\u201d\u201c\u02ba", '"')
)
_MOST_DEGREES = {"x": 360.0, "y": 90.0}
_LETTERS = {"x": "ew", "y": "ns"}
#: datums as the names of columns say them, each with its geographic CRS
_DATUMS = {
    "gda2020": "EPSG:7844",
    "gda94": "EPSG:4283",
    "agd66": "EPSG:4202",
    "agd84": "EPSG:4203",
    "nad83": "EPSG:4269",
    "nad27": "EPSG:4267",
    "etrs89": "EPSG:4258",
    "ed50": "EPSG:4230",
    "cgcs2000": "EPSG:4490",
    "wgs84": "EPSG:4326",
}


def datum_of(*names: str) -> str:
    """Geographic CRS that the names of columns of degrees say, else WGS 84.

    >>> datum_of("lon_gda94", "lat_gda94"), datum_of("Longitude (NAD 27)", "Latitude"), datum_of("lon", "lat")
    ('EPSG:4283', 'EPSG:4267', 'EPSG:4326')
    """
    said = re.sub(r"[^a-z0-9]", "", "".join(names).lower())
    return next((crs for datum, crs in _DATUMS.items() if datum in said), "EPSG:4326")


def read_degrees(text: str, axis: Literal["x", "y"]) -> float | None:
    """Read a cell such as ``120°30'15"E``, ``35 12 20.5 S`` or ``-120:30:15``; None where it is none.

    Parameters
    ----------
    text
        In small letters.
    axis
        ``x`` for a longitude, ``y`` for a latitude.

    Raises
    ------
    DataError
        A longitude has a north or south, or a latitude an east or west.

    Examples
    --------
    >>> read_degrees("120°30'e", "x"), read_degrees("35 12 36 s", "y"), read_degrees("500 000", "x")
    (120.5, -35.21, None)
    """
    match = _DEGREES.fullmatch(" ".join(text.translate(_FOLD).split()))
    if match is None:
        return None
    letters = (match["before"] or "") + (match["behind"] or "")
    parts = [match["d"], match["m"], match["s"]]
    told = sum(part is not None for part in parts)
    # without a mark, two numbers are more likely one with a blank between its thousands, or a time
    if told < 3 and not (letters or match["only"]) and match["mark"] in (None, ":"):
        return None
    if len(letters) > 1 or any("." in part or "," in part for part in parts[: told - 1] if part):
        return None
    if letters and letters not in _LETTERS[axis]:
        raise DataError(
            f"a {'longitude' if axis == 'x' else 'latitude'} is given as {text}; one ends in "
            f"{' or '.join(_LETTERS[axis].upper())}; exchange x and y"
        )
    d, m, s = (float((part or "0").replace(",", ".")) for part in parts)
    negative = match["sign"] == "-" or letters in ("s", "w")
    if m >= 60 or s >= 60 or (match["sign"] == "-" and letters in ("n", "e")):
        return None
    value = d + m / 60 + s / 3600
    return None if value > _MOST_DEGREES[axis] else -value if negative else value


def degrees_in(column: Column, numbers: NDArray[np.float64], axis: Literal["x", "y"]) -> bool:
    """Fill the degrees, minutes and seconds of a column into its numbers, in place, where most rows are so.

    Parameters
    ----------
    numbers
        (n,) the column's plain numbers, NaN elsewhere.

    Returns
    -------
    Whether they are degrees. Otherwise nothing is changed: a few such cells among metres are mistakes.

    Raises
    ------
    DataError
        As of `read_degrees`.
    """
    found, refused = np.full(len(column.texts), np.nan), None
    wrong = np.zeros(len(column.texts), dtype=bool)
    for place, text in enumerate(column.texts):
        try:
            value = read_degrees(text, axis)
        except DataError as error:
            refused, wrong[place] = refused or error, True
        else:
            found[place] = np.nan if value is None else value
    told = np.isfinite(found[column.which]) & np.isnan(numbers[column.odd])
    plain, exchanged = int(np.isfinite(numbers).sum()), int(wrong[column.which].sum())
    if refused is not None and exchanged > max(plain, told.sum()):
        raise refused
    if not told.any() or told.sum() < plain:
        return False
    numbers[column.odd[told]] = found[column.which][told]
    return True
