"""Units, oxides, and the upper continental crust, to judge units by.

A median that is far from its element's abundance is more often a wrong unit than a geological fact: between
one unit and the next (ppb, ppm) lies a factor of 1000, between ppm and % one of 10 000.
"""

import re
from collections.abc import Mapping

__all__ = ["PPM_PER_UNIT", "UPPER_CRUST_PPM", "crust_ratio", "element_share", "ppm_factor"]

#: How many parts per million one of each unit is.
PPM_PER_UNIT: Mapping[str, float] = {"ppt": 1e-6, "ppb": 1e-3, "ppm": 1.0, "pct": 1e4}

#: Standard atomic masses (CIAAW 2021, abridged) of the elements that analyses give as oxides.
_MASS = {
    "Li": 6.94,
    "Be": 9.0122,
    "B": 10.81,
    "C": 12.011,
    "H": 1.008,
    "Na": 22.990,
    "Mg": 24.305,
    "Al": 26.982,
    "Si": 28.085,
    "P": 30.974,
    "S": 32.06,
    "K": 39.098,
    "Ca": 40.078,
    "Sc": 44.956,
    "Ti": 47.867,
    "V": 50.942,
    "Cr": 51.996,
    "Mn": 54.938,
    "Fe": 55.845,
    "Co": 58.933,
    "Ni": 58.693,
    "Cu": 63.546,
    "Zn": 65.38,
    "Ga": 69.723,
    "Ge": 72.630,
    "As": 74.922,
    "Rb": 85.468,
    "Sr": 87.62,
    "Y": 88.906,
    "Zr": 91.224,
    "Nb": 92.906,
    "Mo": 95.95,
    "Sn": 118.71,
    "Sb": 121.76,
    "Cs": 132.91,
    "Ba": 137.33,
    "La": 138.91,
    "Ce": 140.12,
    "Pr": 140.91,
    "Nd": 144.24,
    "Sm": 150.36,
    "Eu": 151.96,
    "Gd": 157.25,
    "Tb": 158.93,
    "Dy": 162.50,
    "Ho": 164.93,
    "Er": 167.26,
    "Tm": 168.93,
    "Yb": 173.05,
    "Lu": 174.97,
    "Hf": 178.49,
    "Ta": 180.95,
    "W": 183.84,
    "Pb": 207.2,
    "Bi": 208.98,
    "Th": 232.04,
    "U": 238.03,
}
_OXYGEN = 15.999
_OXIDE = re.compile(r"([A-Z][a-z]?)(\d*)O(\d*)")

#: Oxides in percent; all iron is given as FeO.
_OXIDES_PCT = {
    "SiO2": 66.6,
    "Al2O3": 15.4,
    "FeO": 5.04,
    "MnO": 0.10,
    "MgO": 2.48,
    "CaO": 3.59,
    "Na2O": 3.27,
    "K2O": 2.80,
    "TiO2": 0.64,
    "P2O5": 0.15,
}
_TRACES_PPM = {
    "Li": 24,
    "Be": 2.1,
    "B": 17,
    "N": 83,
    "F": 557,
    "S": 621,
    "Cl": 370,
    "Sc": 14,
    "V": 97,
    "Cr": 92,
    "Co": 17.3,
    "Ni": 47,
    "Cu": 28,
    "Zn": 67,
    "Ga": 17.5,
    "Ge": 1.4,
    "As": 4.8,
    "Se": 0.09,
    "Br": 1.6,
    "Rb": 84,
    "Sr": 320,
    "Y": 21,
    "Zr": 193,
    "Nb": 12,
    "Mo": 1.1,
    "Ru": 0.34e-3,
    "Pd": 0.52e-3,
    "Ag": 0.053,
    "Cd": 0.09,
    "In": 0.056,
    "Sn": 2.1,
    "Sb": 0.4,
    "I": 1.4,
    "Cs": 4.9,
    "Ba": 628,
    "La": 31,
    "Ce": 63,
    "Pr": 7.1,
    "Nd": 27,
    "Sm": 4.7,
    "Eu": 1.0,
    "Gd": 4.0,
    "Tb": 0.7,
    "Dy": 3.9,
    "Ho": 0.83,
    "Er": 2.3,
    "Tm": 0.30,
    "Yb": 1.96,
    "Lu": 0.31,
    "Hf": 5.3,
    "Ta": 0.9,
    "W": 1.9,
    "Re": 0.198e-3,
    "Os": 0.031e-3,
    "Ir": 0.022e-3,
    "Pt": 0.5e-3,
    "Au": 1.5e-3,
    "Hg": 0.05,
    "Tl": 0.9,
    "Pb": 17,
    "Bi": 0.16,
    "Th": 10.5,
    "U": 2.7,
}


def element_share(oxide: str) -> float | None:
    """Mass of the element in one mass of its oxide; None for what is no oxide that is known.

    >>> round(element_share("Fe2O3"), 4)
    0.6994
    """
    found = _OXIDE.fullmatch(oxide)
    if found is None or found[1] not in _MASS:
        return None
    metal = _MASS[found[1]] * int(found[2] or 1)
    return metal / (metal + _OXYGEN * int(found[3] or 1))


def ppm_factor(unit: str) -> float | None:
    """Factor that brings a value to ppm of the element; None where the unit is not known.

    Parameters
    ----------
    unit
        ``ppm``, ``ppb``, ``pct`` or ``ppt``, perhaps followed by an oxide, such as ``pct Fe2O3``.

    >>> ppm_factor("ppb"), ppm_factor("")
    (0.001, None)
    """
    base, _, oxide = unit.partition(" ")
    share = element_share(oxide) if oxide else 1.0
    return PPM_PER_UNIT[base] * share if base in PPM_PER_UNIT and share is not None else None


#: Upper continental crust, ppm of the element (oxides brought to the element): Rudnick and Gao (2003),
#: doi 10.1016/B0-08-043751-6/03016-4; sulphur as in their edition of 2014. Te and Rh are not in it.
UPPER_CRUST_PPM: Mapping[str, float] = _TRACES_PPM | {
    re.sub(r"\d*O\d*$", "", oxide): round(pct * 1e4 * (element_share(oxide) or 0.0), 1)
    for oxide, pct in _OXIDES_PCT.items()
}


def crust_ratio(element: str, ppm: float) -> float | None:
    """How many times the upper crust's a concentration is; None for an element that is not in the table.

    Parameters
    ----------
    element
        Symbol.
    ppm
        Concentration of the element (not of its oxide), ppm.

    Examples
    --------
    >>> crust_ratio("Cu", 56.0)
    2.0
    """
    known = UPPER_CRUST_PPM.get(element)
    return None if known is None else ppm / known
