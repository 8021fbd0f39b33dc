"""Names of element columns: symbol, optional oxide, method and unit, as laboratories write them."""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from gossan.errors import UsageError
from gossan.io.files import naming

__all__ = [
    "ElementColumn",
    "choose_elements",
    "column_name",
    "parse_column",
    "parse_unit",
    "qualified_by",
    "with_units",
]

_SYMBOLS = str.split(
    "H Li Be B C N F Na Mg Al Si P S Cl K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Rb Sr Y Zr Nb Mo "
    "Ru Rh Pd Ag Cd In Sn Sb Te I Cs Ba La Ce Pr Nd Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au "
    "Hg Tl Pb Bi Th U"
)
_OXIDES = str.split(
    "Li2O BeO B2O3 Na2O MgO Al2O3 SiO2 P2O5 SO3 K2O CaO Sc2O3 TiO2 V2O5 Cr2O3 MnO MnO2 FeO Fe2O3 CoO NiO "
    "CuO ZnO Ga2O3 GeO2 As2O3 As2O5 Rb2O SrO Y2O3 ZrO2 Nb2O5 MoO3 SnO2 Sb2O3 Sb2O5 Cs2O BaO La2O3 CeO2 "
    "Ce2O3 Pr2O3 Pr6O11 Nd2O3 Sm2O3 Eu2O3 Gd2O3 Tb2O3 Tb4O7 Dy2O3 Ho2O3 Er2O3 Tm2O3 Yb2O3 Lu2O3 HfO2 Ta2O5 "
    "WO3 PbO Bi2O3 ThO2 UO2 U3O8"
)
#: element of every symbol and oxide
_ELEMENT = {name: re.sub(r"[\dO].*", "", name) if name in _OXIDES else name for name in (*_SYMBOLS, *_OXIDES)}
_UPPER = {name.upper(): name for name in _ELEMENT}

_UNITS = {
    # as Chinese laboratories write: 10-6, x10-9
    "ppm": (
        "ppm",
        "106",
        "x106",
        "mgkg",
        "mgkg1",
        "ugg",
        "ugg1",
        "gt",
        "gpt",
        "gton",
        "gtonne",
        "partspermillion",
    ),
    "ppb": ("ppb", "109", "x109", "ngg", "ngg1", "ugkg", "ugkg1", "mgt", "partsperbillion"),
    "ppt": ("ppt", "pgg", "ngkg"),
    "pct": ("pct", "102", "x102", "percent", "perc", "%", "wt%", "wtpct", "wtpercent", "weight%", "mass%"),
}
_UNIT_OF = {written: unit for unit, spellings in _UNITS.items() for written in spellings}
#: methods as suffixes, also as the codes of laboratories, such as ME-MS61, Au-AA25, FA50
_METHODS = (
    r"(?:me|au|hg|tr|fus|td)?(?:icp|ms|aa|xrf)\d+[a-z]?|(?:[a-z]{2})?(?:og|gra|scr|tl)\d+[a-z]?"
    r"|(?:ge|go)?(?:faa|fai|icp|icm|ims|arm|cva)\d+[a-z]?\d*|lf\d+|icp(?:ms|oes|aes|es)?|p?xrf|inaa|naa|gfaas|hgcv|aas|aa"
    r"|fa\d*|aquaregia|ar|aqr|4acid|4a|ma\d*|aq\d*|oes|ms|fusion|tot(?:al)?|t"
)
_UNIT_SPELLINGS = "|".join(sorted(_UNIT_OF, key=len, reverse=True))
_REST = re.compile(rf"(?:{_METHODS})*?(?P<unit>{_UNIT_SPELLINGS})?(?:{_METHODS})*?")
_NAME = re.compile(r"(?P<body>[A-Za-z][A-Za-z0-9]*)(?:[\s_\-(\[{.,:]+(?P<rest>.*))?", re.DOTALL)
_DUPLICATE = re.compile(r"\.\d+$")  # pandas' mark on a header that comes twice
_QUALIFIER = re.compile(
    r"(?P<of>.+?)[\s_.\-]*(?<=[\s_.\-])"
    r"(?:q|qc|qual|qualifiers?|flags?|rem|remarks?|sign|lt|qlf|qlfr|code|dl_?flag)",
    re.IGNORECASE,
)
_GLUED = re.compile(r"(?P<body>[A-Z][a-z]?)(?P<rest>ppm|ppb|pct|%|PPM|PPB|PCT)")

#: Cyrillic and Greek letters that look like Latin ones; mu is the u of ug/g
_LOOK_ALIKE = str.maketrans(
    "АВСЕНКМОРТХУІЅасеорхуіѕгΑΒΕΖΗΙΚΜΝΟΡΤΥΧμ",
    "ABCEHKMOPTXYISaceopxyisrABEZHIKMNOPTYXu",
)


@dataclass(frozen=True)
class ElementColumn:
    """An element column: its name in the file, the element, how it is expressed, and the unit (or empty)."""

    column: str
    symbol: str
    oxide: str
    unit: str

    @property
    def measured_in(self) -> str:
        """Unit as kept with the values: ``ppm``, or ``pct Fe2O3`` for an oxide."""
        return f"{self.unit} {self.oxide}".strip()


def parse_column(name: str) -> ElementColumn | None:
    """Read the name of a column; None where it is no element.

    Look-alike Cyrillic and Greek letters are folded. Case is free where it cannot mislead: a single
    small letter needs a unit.

    Examples
    --------
    >>> parse_column("Fe2O3_pct").measured_in, parse_column("Au (ng/g)").measured_in
    ('pct Fe2O3', 'ppb')
    >>> parse_column("pH_water") is None
    True
    """
    folded = unicodedata.normalize("NFKC", name).translate(_LOOK_ALIKE).strip()
    folded = _DUPLICATE.sub("", folded)
    match = _NAME.fullmatch(folded)
    glued = _GLUED.fullmatch(folded)
    if glued and not (match and _species(match["body"])):
        match = glued
    if match is None:
        return None
    rest = _REST.fullmatch(re.sub(r"[^0-9a-z%]", "", (match["rest"] or "").lower()))
    species = _species(match["body"])
    if rest is None or species is None:
        return None
    unit = _UNIT_OF.get(rest["unit"] or "", "")
    if not unit and len(species) == 1 and match["body"].islower():
        return None
    symbol = _ELEMENT[species]
    return ElementColumn(name, symbol, "" if species == symbol else species, unit)


def parse_unit(text: str) -> str:
    """Read the cell of a row of units; empty where it is none.

    Examples
    --------
    >>> [parse_unit(text) for text in ("ppm", "(ng/g)", "wt. %", "Cu")]
    ['ppm', 'ppb', 'pct', '']
    """
    folded = unicodedata.normalize("NFKC", text).translate(_LOOK_ALIKE).lower()
    return _UNIT_OF.get(re.sub(r"[^0-9a-z%]", "", folded), "")


def with_units(columns: Sequence[ElementColumn], units: Mapping[str, str]) -> list[ElementColumn]:
    """Give columns that name no unit the one that stands in the row of units."""
    return [one if one.unit else replace(one, unit=units.get(one.column, "")) for one in columns]


def qualified_by(columns: Sequence[str], elements: Sequence[ElementColumn]) -> dict[str, str]:
    """Find the columns of qualifiers: name of an element's column -> name of its column of signs.

    Examples
    --------
    >>> qualified_by(["Si_ppm", "Si_Q", "Au_flag"], [parse_column("Si_ppm")])
    {'Si_ppm': 'Si_Q'}
    """
    found: dict[str, str] = {}
    for name in columns:
        match = _QUALIFIER.fullmatch(name.strip())
        if match is None:
            continue
        parsed = parse_column(match["of"])
        for one in elements:
            same = one.column.casefold() == match["of"].casefold()
            if same or (parsed and (parsed.symbol, parsed.oxide) == (one.symbol, one.oxide)):
                found.setdefault(one.column, name)
    return found


def _species(body: str) -> str | None:
    """Canonical element or oxide, also an iron oxide with the T of total behind it."""
    text = re.sub(r"^(Fe2O3|FeO)T$", r"\1", body, flags=re.IGNORECASE)
    if text in _ELEMENT:
        return text
    return _UPPER.get(text.upper()) if text.isupper() or text.islower() else None


def column_name(element: str, unit: str) -> str:
    """Name of a column that ``parse_column`` reads back as this element and unit.

    Examples
    --------
    >>> column_name("Fe", "pct Fe2O3"), column_name("Cu", "")
    ('Fe2O3_pct', 'Cu')
    """
    base, _, oxide = unit.partition(" ")
    if base not in _UNITS and unit:
        base, oxide = "", unit
    return "_".join(part for part in (oxide or element, base) if part)


def choose_elements(
    columns: Sequence[str], wanted: Sequence[str] | None, *, taken: Collection[str] = ()
) -> list[ElementColumn]:
    """Choose the element columns of a table.

    Parameters
    ----------
    wanted
        Symbols, oxides or names of columns; None takes every column recognised. A symbol takes every
        column that holds it: the reader uses the one with the most values.
    taken
        Columns with another part to play (coordinates).

    Raises
    ------
    UsageError
        None is recognised, a wanted one is not there, or two columns named hold one element.
    """
    free = [name for name in columns if name not in taken and not _is_coordinate(name, columns)]
    found = [parsed for parsed in map(parse_column, free) if parsed is not None]
    if wanted is None:
        chosen = found
    else:
        asked = [_find(name, found, list(columns)) for name in wanted]
        _refuse_twice(asked)
        chosen = [one for group in asked for one in group]
    if not chosen:
        raise UsageError(
            f"no element column is recognised; {naming('', list(columns))}; "
            "names such as Cu, Cu_ppm, Fe2O3_pct or Au (ng/g) are; rename them or list [samples] elements"
        )
    return chosen


def _refuse_twice(asked: Sequence[Sequence[ElementColumn]]) -> None:
    columns_of: dict[str, list[str]] = {}
    for group in asked:
        columns_of.setdefault(group[0].symbol, []).append(group[0].column)
    twice = [f"{symbol} ({', '.join(same)})" for symbol, same in columns_of.items() if len(same) > 1]
    if twice:
        raise UsageError(
            f"[samples] elements names several columns for one element: {'; '.join(twice)}; an element may "
            "come once; take one of them out"
        )


def _is_coordinate(name: str, columns: Sequence[str]) -> bool:
    """Whether a column ``y`` is the partner of an ``x`` rather than yttrium."""
    return (name == "y" and "x" in columns) or (name == "Y" and "X" in columns)


def _find(wanted: str, found: Sequence[ElementColumn], columns: list[str]) -> list[ElementColumn]:
    if wanted in columns:
        return [parse_column(wanted) or ElementColumn(wanted, wanted, "", "")]
    asked = parse_column(wanted)
    hits = [
        one
        for one in found
        if asked
        and one.symbol == asked.symbol
        and asked.oxide in ("", one.oxide)
        and asked.unit in ("", one.unit)
    ]
    if not hits:
        raise UsageError(
            f"[samples] elements has {wanted!r}, which no column holds; {naming(wanted, columns)}"
        )
    return hits
