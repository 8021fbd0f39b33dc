"""Crustal abundances: the same as another package keeps, and oxides brought to their element."""

import csv
from importlib.resources import files

import pytest

from gossan.abundance import UPPER_CRUST_PPM, crust_ratio, element_share, ppm_factor
from gossan.io.elements import parse_column

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


OXIDES = "Li2O BeO B2O3 Na2O MgO Al2O3 SiO2 P2O5 SO3 K2O CaO TiO2 V2O5 Cr2O3 MnO FeO Fe2O3 NiO CuO ZnO As2O5 \
Rb2O SrO ZrO2 Nb2O5 MoO3 SnO2 BaO La2O3 Pr6O11 Tb4O7 HfO2 Ta2O5 WO3 PbO Bi2O3 ThO2 UO2 U3O8"


@pytest.mark.parametrize("oxide", OXIDES.split())
def test_the_element_in_an_oxide_is_its_share_of_the_mass(oxide):
    import periodictable

    formula = periodictable.formula(oxide)
    element = next(atom for atom in formula.atoms if str(atom) != "O")
    assert element_share(oxide) == pytest.approx(formula.mass_fraction[element], rel=1e-4)
    assert parse_column(oxide + "_pct").symbol == str(element)  # whatever the reader takes for an oxide


def test_oxides_are_brought_to_the_element(published):
    assert UPPER_CRUST_PPM["Fe"] == pytest.approx(published["FeO"] * 0.77731, rel=1e-4)
    assert UPPER_CRUST_PPM["K"] == pytest.approx(published["K2O"] * 0.83015, rel=1e-4)


def test_units_lead_to_ppm_of_the_element():
    assert ppm_factor("pct") == 1e4
    assert ppm_factor("pct Fe2O3") == pytest.approx(6994, rel=1e-3)
    assert (ppm_factor(""), ppm_factor("counts"), ppm_factor("pct LOI")) == (None, None, None)


def test_an_element_that_is_not_known_has_no_ratio():
    assert crust_ratio("Te", 1.0) is None
    assert crust_ratio("Au", 0.0015) == pytest.approx(1)
