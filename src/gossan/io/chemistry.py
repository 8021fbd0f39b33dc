"""Units of concentrations, the share of an element in its oxides, and what the upper crust holds of it."""

import re
from collections.abc import Mapping

__all__ = ["CRUST_PPM", "common_unit", "crust_factor", "oxide_share"]


def _table(text: str) -> dict[str, float]:
    parts = text.split()
    return {name: float(value) for name, value in zip(parts[::2], parts[1::2], strict=True)}


#: Standard atomic weights, abridged (IUPAC 2021).
_WEIGHT = _table(
    "Li 6.94 Be 9.0122 B 10.81 O 15.999 Na 22.990 Mg 24.305 Al 26.982 Si 28.085 P 30.974 S 32.06 "
    "K 39.098 Ca 40.078 Sc 44.956 Ti 47.867 V 50.942 Cr 51.996 Mn 54.938 Fe 55.845 Co 58.933 "
    "Ni 58.693 Cu 63.546 Zn 65.38 Ga 69.723 Ge 72.630 As 74.922 Rb 85.468 Sr 87.62 Y 88.906 "
    "Zr 91.224 Nb 92.906 Mo 95.95 Sn 118.71 Sb 121.76 Cs 132.905 Ba 137.327 La 138.905 Ce 140.116 "
    "Pr 140.908 Nd 144.242 Sm 150.36 Eu 151.964 Gd 157.25 Tb 158.925 Dy 162.500 Ho 164.930 "
    "Er 167.259 Tm 168.934 Yb 173.045 Lu 174.967 Hf 178.49 Ta 180.948 W 183.84 Pb 207.2 Bi 208.980 "
    "Th 232.038 U 238.029"
)

#: Upper continental crust, ppm: Rudnick and Gao (2003), Treatise on Geochemistry 3, doi
#: 10.1016/B0-08-043751-6/03016-4; major elements from their oxides. Te, Rh, C and H are not given there.
CRUST_PPM: Mapping[str, float] = _table(
    "Si 311_300 Al 81_500 Fe 39_200 Mn 774 Mg 14_960 Ca 25_660 Na 24_260 Ti 3_840 K 23_240 P 655 "
    "Li 24 Be 2.1 B 17 N 83 F 557 S 62 Cl 370 Sc 14 V 97 Cr 92 Co 17.3 Ni 47 Cu 28 Zn 67 Ga 17.5 "
    "Ge 1.4 As 4.8 Se 0.09 Br 1.6 Rb 84 Sr 320 Y 21 Zr 193 Nb 12 Mo 1.1 Ru 0.34e-3 Pd 0.52e-3 "
    "Ag 0.053 Cd 0.09 In 0.056 Sn 2.1 Sb 0.4 I 1.4 Cs 4.9 Ba 628 La 31 Ce 63 Pr 7.1 Nd 27 Sm 4.7 "
    "Eu 1.0 Gd 4.0 Tb 0.7 Dy 3.9 Ho 0.83 Er 2.3 Tm 0.30 Yb 1.96 Lu 0.31 Hf 5.3 Ta 0.9 W 1.9 "
    "Re 0.198e-3 Os 0.031e-3 Ir 0.022e-3 Pt 0.5e-3 Au 1.5e-3 Hg 0.05 Tl 0.9 Pb 17 Bi 0.16 Th 10.5 "
    "U 2.7"
)

_POWER = {"ppt": -6, "ppb": -3, "ppm": 0, "pct": 4}  # of ten, in ppm
_IN_PPB = frozenset(("Ag", "Au", "Hg", "Ir", "Os", "Pd", "Pt", "Re", "Rh", "Ru"))
_IN_PCT = frozenset(("Al", "Ca", "Fe", "K", "Mg", "Na", "Si", "Ti"))


def oxide_share(oxide: str) -> float:
    """Mass of the element in one mass of its oxide.

    Examples
    --------
    >>> round(oxide_share("Fe2O3"), 4), round(oxide_share("U3O8"), 4)
    (0.6994, 0.848)
    """
    found = re.fullmatch(r"([A-Z][a-z]?)(\d*)O(\d*)", oxide)
    if found is None:
        return 1.0
    metal, oxygen = _WEIGHT[found[1]] * int(found[2] or 1), _WEIGHT["O"] * int(found[3] or 1)
    return metal / (metal + oxygen)


def common_unit(element: str, unit: str, oxide: str = "") -> tuple[str, float]:
    """Give the unit that an element comes in, and the factor from the unit of a file to it.

    Precious metals, mercury and rhenium come in ppb, the rock-forming Al, Ca, Fe, K, Mg, Na, Si and Ti in
    pct, all else in ppm, as the element and not as the oxide. A value without a unit stays as it is.

    Examples
    --------
    >>> common_unit("Cu", "ppb"), common_unit("Au", "ppm"), common_unit("Fe", "pct")
    (('ppm', 0.001), ('ppb', 1000.0), ('pct', 1.0))
    >>> common_unit("Fe", "", "Fe2O3")
    ('Fe2O3', 1.0)
    """
    if unit not in _POWER or not re.fullmatch("[A-Z][a-z]?", element):
        return f"{unit} {oxide}".strip(), 1.0
    wanted = "ppb" if element in _IN_PPB else "pct" if element in _IN_PCT else "ppm"
    return wanted, 10.0 ** (_POWER[unit] - _POWER[wanted]) * oxide_share(oxide)


def crust_factor(element: str, unit: str, median: float) -> float | None:
    """How many times the upper crust's content a median is; None where either is unknown.

    Parameters
    ----------
    unit
        As from ``common_unit``.
    median
        Of the measured values, above zero.
    """
    crust = CRUST_PPM.get(element)
    if crust is None or unit not in _POWER or not median > 0:
        return None
    return median * 10.0 ** _POWER[unit] / crust
