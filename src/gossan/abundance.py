"""Concentrations of the elements in the upper continental crust, to judge units by.

A median that is far from its element's abundance is more often a wrong unit than a geological fact: between
one unit and the next (ppb, ppm) lies a factor of 1000, between ppm and % one of 10 000.
"""

from collections.abc import Mapping

__all__ = ["UPPER_CRUST_PPM", "crust_ratio"]

_OXIDES_PCT = {
    "Si": (66.6, 0.46744),
    "Al": (15.4, 0.52925),
    "Fe": (5.04, 0.77731),  # all iron as FeO
    "Mn": (0.10, 0.77446),
    "Mg": (2.48, 0.60304),
    "Ca": (3.59, 0.71470),
    "Na": (3.27, 0.74186),
    "K": (2.80, 0.83015),
    "Ti": (0.64, 0.59934),
    "P": (0.15, 0.43642),
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

#: Upper continental crust, ppm of the element (oxides brought to the element): Rudnick and Gao (2003),
#: doi 10.1016/B0-08-043751-6/03016-4; sulphur as in their edition of 2014. Te and Rh are not in it.
UPPER_CRUST_PPM: Mapping[str, float] = _TRACES_PPM | {
    name: round(pct * 1e4 * share, 1) for name, (pct, share) in _OXIDES_PCT.items()
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
