"""Which sign a column writes its decimals with, and which one parts its thousands: proved, or not guessed."""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from gossan.errors import DataError

__all__ = [
    "POINT",
    "Forms",
    "Style",
    "add_plain",
    "add_strange",
    "add_typed",
    "decide",
    "misread",
    "rewritten",
]

#: ``.``: points are decimal and commas part thousands; ``,``: the other way round; empty: neither is used.
Style = Literal["", ".", ","]
#: How the numbers of a column are written, each way with the first text that is so.
Forms = dict[str, str]

POINT, COMMA = "point", "comma"  # decimal for sure: 0.5 and 1234.5; 0,5 and 1,25
POINT_OF_LIMIT = "point_of_limit"  # <0.5: typed by a laboratory's program beside numbers of any kind
COMMAS, POINTS = "commas", "points"  # between thousands for sure: 1,234.5 and 1,234,567; 1.234,5
EITHER_COMMA, EITHER_POINT = "either_comma", "either_point"  # 1,234 and 1.234
TYPED = "typed"  # a number of a workbook, not text, that would look like 1.234

_THREE = r"[1-9]\d{0,2}"
_EITHER = re.compile(rf"\s*[-+]?{_THREE}\.\d{{3}}\s*")
_FORM = re.compile(
    r"(?P<sign>[<>]?)\s*=?\s*[-+]?(?:"
    rf"(?P<commas>{_THREE}(?:(?:,\d{{3}})+\.\d*|(?:,\d{{3}}){{2,}}))"
    rf"|(?P<points>{_THREE}(?:(?:\.\d{{3}})+,\d*|(?:\.\d{{3}}){{2,}}))"
    rf"|(?P<either_comma>{_THREE},\d{{3}})|(?P<either_point>{_THREE}\.\d{{3}})"
    r"|(?P<comma>\d*,\d+(?:e[-+]?\d+)?)|(?P<point>(?:\d+\.\d*|\.\d+)(?:e[-+]?\d+)?)"
    r")\s*[<>lnug+]?"
)


def add_plain(forms: Forms, texts: Iterable[str]) -> None:
    """Look how numbers with a decimal point are written, until one proves that it is decimal."""
    if POINT in forms:
        return
    for text in texts:
        if "." in text:
            if not _EITHER.fullmatch(text):
                forms[POINT] = text
                return
            forms.setdefault(EITHER_POINT, text)


def add_typed(forms: Forms, number: str) -> None:
    """Note a number that a program typed, where text that looks like it could be another number."""
    if _EITHER.fullmatch(number):
        forms.setdefault(TYPED, number)


def add_strange(forms: Forms, texts: Iterable[str]) -> None:
    """Look how texts that are no plain numbers are written: with commas, or as limits."""
    for text in texts:
        if "," in text or "." in text:
            match = _FORM.fullmatch(text)
            kind = match.lastgroup if match else None
            if kind is not None:
                forms.setdefault(POINT_OF_LIMIT if kind == POINT else kind, text)


def rewritten(text: str, style: Style) -> tuple[str, bool]:
    """Write a text as Python reads numbers, and tell whether thousands were parted; other text stays.

    >>> rewritten("<1.234,5", ","), rewritten("1,234", "."), rewritten("1,5", ".")
    (('<1234.5', True), ('1234', True), ('1,5', False))
    """
    match = _FORM.fullmatch(text) if style else None
    kind = match.lastgroup if match else None
    if style == "," and kind in (POINTS, EITHER_POINT):
        return text.replace(".", "").replace(",", "."), True
    if style == "," and kind in (COMMA, EITHER_COMMA):
        return text.replace(",", "."), False
    if style == "." and kind in (COMMAS, EITHER_COMMA):
        return text.replace(",", ""), True
    return text, False


def misread(forms: Forms, style: Style, *, pointed: bool) -> bool:
    """Tell whether numbers were made of texts otherwise than the style says.

    Parameters
    ----------
    pointed
        Whether commas were taken for decimal points.
    """
    if style == ",":
        return EITHER_POINT in forms
    return pointed and (COMMA in forms or EITHER_COMMA in forms)


def decide(columns: Mapping[str, Forms], *, comma: bool) -> tuple[dict[str, Style], dict[str, str]]:
    """Decide how the numbers of each column are written.

    A column's own numbers prove it, else those of the other columns. Where none does, points are decimal,
    and commas are where fields are parted by something else; such columns are told.

    Parameters
    ----------
    columns
        By name, how its numbers are written.
    comma
        Whether fields are parted by semicolons or tabs, so that a comma may well be decimal.

    Returns
    -------
    The style of each column, and of those in doubt a number.

    Raises
    ------
    DataError
        Numbers such as 1.234 and 1,234 may be either, for there are proofs of both ways, or of none.
    """
    alone = {name: _alone(name, forms) for name, forms in columns.items()}
    proofs = {style: name for name, style in alone.items() if style and _proves(columns[name])}
    styles, doubtful = dict(alone), {}
    for name, forms in columns.items():
        open_ones = [forms[kind] for kind in (EITHER_POINT, EITHER_COMMA) if kind in forms]
        if alone[name] or not open_ones:
            continue
        if len(proofs) == 2:
            told = " and ".join(f"decimal {_WORDS[style]}s in {proofs[style]!r}" for style in (".", ","))
            raise _refusal(name, open_ones, f"there are {told}")
        if proofs:
            styles[name] = next(iter(proofs))
        elif len(open_ones) == 2:
            raise _refusal(name, open_ones, "nothing tells which sign is decimal")
        elif comma:
            styles[name], doubtful[name] = "." if EITHER_POINT in forms else ",", open_ones[0]
    if len({styles[name] for name in doubtful}) == 2:
        name, other = (next(one for one in doubtful if styles[one] == style) for style in (".", ","))
        raise _refusal(name, [doubtful[name]], f"column {other!r} has {doubtful[other]!r}")
    return styles, doubtful


_WORDS = {".": "point", ",": "comma"}


def _alone(name: str, forms: Forms) -> Style:
    """Tell what a column's own numbers prove."""
    if POINTS in forms:
        against = next((forms[kind] for kind in (POINT, COMMAS, TYPED) if kind in forms), None)
        if against is not None:
            raise _refusal(name, [forms[POINTS], against], "a point is decimal in one, not in the other")
    if POINT in forms or COMMAS in forms:
        if COMMA in forms and EITHER_COMMA in forms:
            proof = forms.get(POINT) or forms[COMMAS]
            raise _refusal(name, [forms[EITHER_COMMA]], f"it has {proof!r} and {forms[COMMA]!r} too")
        return "."
    if COMMA in forms or POINTS in forms:
        return ","
    return "." if POINT_OF_LIMIT in forms else ""


def _proves(forms: Forms) -> bool:
    return any(kind in forms for kind in (POINT, COMMA, POINTS, COMMAS))


def _refusal(name: str, texts: list[str], why: str) -> DataError:
    shown = " and ".join(map(repr, texts))
    return DataError(
        f"column {name!r} has {shown}, which may be thousands or decimals: {why}; write one decimal sign "
        "throughout, and none between thousands"
    )
