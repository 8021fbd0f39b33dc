"""Transforms: what they are, their inverses, and what they refuse."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gossan import transform
from gossan.errors import DataError, UsageError

CONCENTRATIONS = arrays(
    float, st.tuples(st.integers(1, 6), st.integers(2, 5)), elements=st.floats(1e-4, 1e6) | st.just(np.nan)
)


@given(CONCENTRATIONS)
def test_log10_and_its_inverse_give_the_values_back(values):
    again = transform.log10_inverse(transform.log10(values))
    np.testing.assert_allclose(again, values, rtol=1e-12)


@given(CONCENTRATIONS)
def test_clr_rows_sum_to_zero_and_keep_their_gaps(values):
    ratios = transform.clr(values)
    rows = np.isfinite(values).sum(axis=1) >= 2
    assert np.array_equal(np.isnan(ratios[rows]), np.isnan(values[rows]))
    assert np.isnan(ratios[~rows]).all()
    np.testing.assert_allclose(np.nansum(ratios, axis=1), 0, atol=1e-10)


@given(CONCENTRATIONS)
def test_clr_inverse_gives_the_closed_composition_back(values):
    rows = np.isfinite(values).sum(axis=1) >= 2
    closed = values[rows] / np.nansum(values[rows], axis=1, keepdims=True)
    np.testing.assert_allclose(transform.clr_inverse(transform.clr(values[rows])), closed, rtol=1e-9)


@given(CONCENTRATIONS, st.floats(1e-3, 1e3))
def test_clr_does_not_see_the_size_of_a_row(values, factor):
    np.testing.assert_allclose(transform.clr(values * factor), transform.clr(values), atol=1e-9)


def test_clr_by_hand():
    ratios = transform.clr(np.array([[1.0, 10.0, 100.0]]))
    np.testing.assert_allclose(ratios, [[-np.log(10), 0, np.log(10)]])


def test_a_table_under_clr_is_brought_to_one_unit_first():
    mixed = pd.DataFrame({"Au": [5.0, np.nan], "Cu": [20.0, 7.0], "Fe": [3.0, 2.0]}, index=[3, 9])
    ppm = pd.DataFrame({"Au": [0.005, np.nan], "Cu": [20.0, 7.0], "Fe": [3e4, 2e4]}, index=[3, 9])
    one, units = transform.transform_values(mixed, {"Au": "ppb", "Cu": "ppm", "Fe": "pct Fe2O3"}, "clr")
    other, _ = transform.transform_values(ppm, dict.fromkeys(ppm, "ppm"), "clr")
    pd.testing.assert_frame_equal(one, other)
    assert units == {"Au": "clr", "Cu": "clr", "Fe": "clr"}


def test_units_name_the_transform():
    table = pd.DataFrame({"Au": [1.0], "Cu": [10.0]})
    logs, units = transform.transform_values(table, {"Au": "ppb"}, "log10")
    assert units == {"Au": "log10(ppb)", "Cu": "log10(unit unknown)"}
    assert logs["Cu"].tolist() == [1.0]
    plain, units = transform.transform_values(table, {"Au": "ppb"}, "none")
    assert units == {"Au": "ppb", "Cu": ""}
    pd.testing.assert_frame_equal(plain, table)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.inf])
def test_a_logarithm_of_nothing_is_refused_with_the_count(bad):
    with pytest.raises(DataError, match="1 values are zero"):
        transform.log10(np.array([bad, 1.0, np.nan]))


@pytest.mark.parametrize(
    ("units", "said"),
    [({"Au": "ppb"}, "units \\(none\\)"), ({"Au": "ppb", "Cu": "counts"}, "units counts")],
)
def test_clr_refuses_units_that_cannot_be_compared(units, said):
    with pytest.raises(UsageError, match=said):
        transform.transform_values(pd.DataFrame({"Au": [1.0], "Cu": [1.0]}), units, "clr")


def test_clr_of_one_element_is_refused():
    with pytest.raises(UsageError, match="at least two"):
        transform.transform_values(pd.DataFrame({"Au": [1.0]}), {}, "clr")
