"""Crustal abundances: the same as another package keeps, and oxides brought to their element."""

import csv
from importlib.resources import files

import pytest

from gossan.abundance import UPPER_CRUST_PPM, crust_ratio

FACTOR = {"ppb": 1e-3, "ppm": 1.0, "%": 1e4}


@pytest.fixture(scope="module")
def published():
    """Rudnick and Gao (2003) as pyrolite keeps it: element or oxide -> ppm."""
    text = files("pyrolite").joinpath("data/geochem/refcomp/UCC_RudnickGao2003.csv").read_text()
    rows = [row for row in csv.DictReader(text.splitlines()) if row["units"] in FACTOR and row["value"]]
    return {row["var"]: float(row["value"]) * FACTOR[row["units"]] for row in rows}


def test_every_trace_element_is_the_published_one(published):
    traces = {name: value for name, value in published.items() if len(name) <= 2 and name != "S"}
    assert len(traces) > 50
    assert {name: UPPER_CRUST_PPM[name] for name in traces} == pytest.approx(traces)
    assert set(UPPER_CRUST_PPM) - set(traces) == {
        "Si",
        "Al",
        "Fe",
        "Mn",
        "Mg",
        "Ca",
        "Na",
        "K",
        "Ti",
        "P",
        "S",
    }


def test_oxides_are_brought_to_the_element_by_mass(published):
    import periodictable

    for oxide in ("SiO2", "Al2O3", "FeO", "MnO", "MgO", "CaO", "Na2O", "K2O", "TiO2", "P2O5"):
        formula = periodictable.formula(oxide)
        element = next(atom for atom in formula.atoms if str(atom) != "O")
        share = formula.mass_fraction[element]
        assert UPPER_CRUST_PPM[str(element)] == pytest.approx(published[oxide] * share, rel=1e-3)


def test_an_element_that_is_not_known_has_no_ratio():
    assert crust_ratio("Te", 1.0) is None
    assert crust_ratio("Au", 0.0015) == pytest.approx(1)
