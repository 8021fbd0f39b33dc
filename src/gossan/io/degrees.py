"""Degrees, minutes and seconds in coordinate columns, as field books and old reports write them."""

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gossan.errors import DataError
from gossan.io.cells import Column

__all__ = ["datum_of", "degrees_in", "find_parts", "join_parts", "read_degrees", "side_of"]

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


_AXES = {"x": r"(?:lon|long|longitude)", "y": r"(?:lat|latitude)"}
#: what the columns of one axis are called; the last holds letters
_PARTS = (
    r"(?:d|dd|deg|degs|degrees?|°)",
    r"(?:m|mm|min|mins|minutes?|')",
    r"(?:s|ss|sec|secs|seconds?|\")",
)
_SIDES = {"x": r"(?:ew|e[/_ ]w|we|w[/_ ]e)", "y": r"(?:ns|n[/_ ]s|sn|s[/_ ]n)"}
_SIDE = r"(?:dir|direction|hem|hemi|hemisphere|side)"
_DATUM = r"(?:[_ (]*(?:wgs|nad|gda|agd|ed|etrs|cgcs)[ _]?\d+\)?)?"


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
    text = " ".join(text.translate(_FOLD).split())
    match = _DEGREES.fullmatch(text)
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


def find_parts(columns: Sequence[str], axis: Literal["x", "y"]) -> tuple[str, ...]:
    """Find the columns of degrees, minutes, seconds and hemisphere of one axis, in this order.

    Returns
    -------
    Their names, the last two where they are there; none without degrees and minutes.

    Examples
    --------
    >>> find_parts(["id", "Lat_Deg", "Lat_Min", "Lat_Sec", "N/S"], "y")
    ('Lat_Deg', 'Lat_Min', 'Lat_Sec', 'N/S')
    >>> find_parts(["lat_min", "lat_max"], "y")
    ()
    """
    found = [_part_of(columns, axis, part) for part in _PARTS]
    if found[0] is None or found[1] is None:
        return ()
    return tuple(name for name in (*found, side_of(columns, axis)) if name is not None)


def side_of(columns: Sequence[str], axis: Literal["x", "y"]) -> str | None:
    """Find the column of hemispheres of one axis.

    >>> side_of(["lat", "lat_dir", "lon"], "y"), side_of(["lat", "lon"], "x")
    ('lat_dir', None)
    """
    alone = next((one for one in columns if re.fullmatch(_SIDES[axis], one.strip(), re.IGNORECASE)), None)
    return alone or _part_of(columns, axis, f"(?:{_SIDE}|{_SIDES[axis]})")


def _part_of(columns: Sequence[str], axis: Literal["x", "y"], part: str) -> str | None:
    named = rf"{_AXES[axis]}[\s_.\-(]*{part}\)?{_DATUM}|{part}[\s_.\-(]*{_AXES[axis]}\)?{_DATUM}"
    return next((one for one in columns if re.fullmatch(named, one.strip(), re.IGNORECASE)), None)


def join_parts(parts: Sequence[Column], axis: Literal["x", "y"]) -> tuple[NDArray[np.float64], int]:
    """Put degrees, minutes and seconds together that stand in columns of their own.

    Degrees with a fraction have no minutes, and minutes with one no seconds; both are under 60, and a minus
    before degrees is for all. A column without any number holds hemispheres; one that is blank is left out.
    What does not fit is NaN.

    Returns
    -------
    (n,) degrees, NaN = missing; and the rows in which only seconds are blank, which are taken as 0.

    Raises
    ------
    DataError
        There are more than three columns of numbers, or none, or hemispheres are those of the other axis.
    """
    parts = [*parts[:1], *(one for one in parts[1:] if len(one.odd) or np.isfinite(one.values).any())]
    letters = [bool(len(one.odd)) and not np.isfinite(one.values).any() for one in parts]
    sides = [one for one, side in zip(parts, letters, strict=True) if side]
    numbers = [one for one, side in zip(parts, letters, strict=True) if not side]
    if not 1 <= len(numbers) <= 3 or len(sides) > 1:
        raise DataError(
            f"{len(numbers)} of {len(parts)} columns of a coordinate hold numbers; degrees, minutes and "
            "seconds in this order and one column of hemispheres are read; name these"
        )
    values = [one.values for one in numbers]
    blank = np.zeros(len(values[0]), dtype=bool)
    if len(values) == 3:
        blank = np.isnan(values[2])
        blank[numbers[2].odd] = False
        values[2] = np.where(blank, 0.0, values[2])
        blank &= np.isfinite(values[0]) & np.isfinite(values[1])
    sign = _signs(sides[0], len(blank), axis) if sides else np.zeros(len(blank))
    return _joined(values, sign, axis), int(blank.sum())


def _joined(
    values: Sequence[NDArray[np.float64]], sign: NDArray[np.float64], axis: Literal["x", "y"]
) -> NDArray[np.float64]:
    """Add up parts of degrees; the sign of a hemisphere is 1 or -1, 0 where it is blank."""
    negative = np.signbit(values[0])
    wrong = np.isnan(sign) | (negative & (sign > 0))
    total = np.zeros(len(sign))
    fraction = np.zeros(len(sign), dtype=bool)
    for place, part in enumerate(values):
        size = np.abs(part)
        limit = _MOST_DEGREES[axis] if place == 0 else np.nextafter(60.0, 0.0)
        # a part below one that has a fraction is none of it, and a minus stands before all or the first
        wrong |= ~(size <= limit) | (fraction & (size > 0)) | ((part < 0) & ~negative)
        total, fraction = total + size / 60**place, fraction | (size % 1 > 0)
    wrong |= total > _MOST_DEGREES[axis]
    return np.where(wrong, np.nan, np.where(negative | (sign < 0), -total, total))


def _signs(side: Column, rows: int, axis: Literal["x", "y"]) -> NDArray[np.float64]:
    """Tell what hemispheres mean: 1 or -1, 0 where none is given, NaN where it is none."""
    means = dict(zip(_LETTERS[axis], (1.0, -1.0), strict=True))
    words = {"e": ("e", "east"), "w": ("w", "west"), "n": ("n", "north"), "s": ("s", "south")}
    known = {word: means.get(letter, np.nan) for letter, each in words.items() for word in each}
    told = np.array([known.get(text.rstrip("."), np.nan) for text in side.texts])
    other = np.array([text.rstrip(".") in known for text in side.texts]) & np.isnan(told)
    if other[side.which].sum() * 2 > len(side.which):
        raise DataError(
            f"a {'longitude' if axis == 'x' else 'latitude'} has the hemisphere {side.texts[0]!r}; one is "
            f"{' or '.join(_LETTERS[axis].upper())}; exchange x and y"
        )
    signs = np.zeros(rows)
    signs[side.odd] = told[side.which]
    return signs


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
