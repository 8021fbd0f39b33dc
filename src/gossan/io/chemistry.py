"""The one unit that each element comes in."""

import re

from gossan.abundance import PPM_PER_UNIT, element_share

__all__ = ["common_unit"]

_IN_PPB = frozenset(("Ag", "Au", "Hg", "Ir", "Os", "Pd", "Pt", "Re", "Rh", "Ru"))
_IN_PCT = frozenset(("Al", "Ca", "Fe", "K", "Mg", "Na", "Si", "Ti"))
_POWER = {"ppt": -6, "ppb": -3, "ppm": 0, "pct": 4}  # of ten, in ppm: exact where PPM_PER_UNIT is rounded


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
    share = element_share(oxide) if oxide else 1.0
    if unit not in PPM_PER_UNIT or share is None or not re.fullmatch("[A-Z][a-z]?", element):
        return f"{unit} {oxide}".strip(), 1.0
    wanted = "ppb" if element in _IN_PPB else "pct" if element in _IN_PCT else "ppm"
    return wanted, 10.0 ** (_POWER[unit] - _POWER[wanted]) * share
