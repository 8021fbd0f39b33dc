"""Transforms: what they are, their inverses, and what they refuse."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pyrolite.comp import codata

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


# ---- against pyrolite, and the isometric log-ratio

COMPLETE = arrays(float, st.tuples(st.integers(1, 6), st.integers(2, 7)), elements=st.floats(1e-4, 1e6))


@given(COMPLETE)
def test_log_ratios_and_inverses_are_pyrolites(values):
    np.testing.assert_allclose(transform.clr(values), codata.CLR(values), atol=1e-9)
    ratios = transform.clr(values)
    np.testing.assert_allclose(transform.clr_inverse(ratios), codata.inverse_CLR(ratios), rtol=1e-9)


@given(COMPLETE)
def test_ilr_has_pyrolites_distances_and_gives_the_composition_back(values):
    ours, theirs = transform.ilr(values), codata.ILR(values)
    assert ours.shape == (len(values), values.shape[1] - 1)
    for one in (ours, theirs):  # the basis is free, distances are not
        np.testing.assert_allclose(
            np.linalg.norm(one[:, None] - one[None], axis=-1),
            np.linalg.norm(transform.clr(values)[:, None] - transform.clr(values)[None], axis=-1),
            atol=1e-7,
        )
    closed = values / values.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(transform.ilr_inverse(ours), closed, rtol=1e-8)


@given(COMPLETE)
def test_a_table_under_ilr_is_named_by_element_and_gives_pyrolites_composition_back(values):
    names = ["Ag", "As", "Au", "Cu", "Mo", "Pb", "Zn"][: values.shape[1]]
    table = pd.DataFrame(values, columns=names)
    ratios, units = transform.transform_values(table, dict.fromkeys(names, "ppm"), "ilr")
    assert list(ratios) == [f"ilr {name}" for name in names[1:]]
    assert units[f"ilr {names[-1]}"] == f"ilr({names[-1]} / {' '.join(names[:-1])})"
    # by hand: the last element over the geometric mean of those before it
    k = len(names) - 1
    balance = np.sqrt(k / (k + 1)) * (np.log(values[:, -1]) - np.log(values[:, :-1]).mean(axis=1))
    np.testing.assert_allclose(ratios.iloc[:, -1], balance, atol=1e-8)
    back = transform.ilr_table_inverse(ratios, names[0], total=100.0)
    assert list(back) == names
    np.testing.assert_allclose(back, 100 * codata.inverse_CLR(codata.CLR(values)), rtol=1e-7)


def test_a_table_under_ilr_is_brought_to_one_unit_and_loses_samples_that_lack_an_element():
    ppm = pd.DataFrame({"Au": [0.004, 0.01], "Cu": [20.0, np.nan], "Zn": [70.0, 9.0]})
    mixed = ppm.assign(Au=ppm["Au"] * 1000)
    one, _ = transform.transform_values(mixed, {"Au": "ppb", "Cu": "ppm", "Zn": "ppm"}, "ilr")
    other, _ = transform.transform_values(ppm, dict.fromkeys(ppm, "ppm"), "ilr")
    np.testing.assert_allclose(one, other)
    assert one.isna().to_numpy().tolist() == [[False, False], [True, True]]
    with pytest.raises(DataError, match="no sample has all of 3 elements"):
        transform.transform_values(ppm.iloc[1:], dict.fromkeys(ppm, "ppm"), "ilr")
    with pytest.raises(UsageError, match="ilr was asked of one element"):
        transform.transform_values(ppm[["Au"]], {}, "ilr")


@pytest.mark.parametrize("parts", [2, 3, 12])
def test_the_basis_of_ilr_is_orthonormal_and_sums_to_zero(parts):
    basis = transform.ilr_basis(parts)
    np.testing.assert_allclose(basis.T @ basis, np.eye(parts - 1), atol=1e-12)
    np.testing.assert_allclose(basis.sum(axis=0), 0, atol=1e-12)


def test_ilr_by_hand_and_with_a_part_missing():
    ratios = transform.ilr(np.array([[2.0, 1.0], [np.nan, 1.0]]))
    np.testing.assert_allclose(ratios, [[np.log(2) / np.sqrt(2)], [np.nan]])
    with pytest.raises(UsageError, match="two or more"):
        transform.ilr_basis(1)


# ---- levelling


def _two_surveys(rng, n=400, factor=3.0):
    """Return log-normal values whose second survey reads ``factor`` times too high, and the surveys."""
    truth = pd.DataFrame(10 ** rng.normal([1.0, 2.0], 0.3, (n, 2)), columns=["Cu", "Zn"])
    survey = np.where(np.arange(n) < 0.6 * n, "1978", "1987").astype(object)
    read = truth.copy()
    read.loc[survey == "1987", "Cu"] *= factor
    return truth, read, survey


@pytest.mark.parametrize("method", ["median", "quantile"])
def test_levelling_takes_out_a_step_between_surveys_and_leaves_the_larger_one(method):
    truth, read, survey = _two_surveys(np.random.default_rng(1))
    levelled, left = transform.level_surveys(read, survey, method=method)
    first = survey == "1978"
    pd.testing.assert_frame_equal(levelled[first], truth[first])
    assert left == 0
    gap = levelled[~first].median() / levelled[first].median()
    np.testing.assert_allclose(gap, 1, atol=1e-9 if method == "median" else 0.01)


@settings(deadline=None)
@given(st.floats(0.01, 100), st.integers(0, 50))
def test_levelling_does_not_see_the_factor_of_a_survey(factor, seed):
    _, read, survey = _two_surveys(np.random.default_rng(seed), n=100)
    scaled = read.copy()
    scaled.loc[survey == "1987"] *= factor
    for method in ("median", "quantile"):
        one, _ = transform.level_surveys(read, survey, method=method)
        other, _ = transform.level_surveys(scaled, survey, method=method)
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_the_median_keeps_a_surveys_contrast_and_quantiles_take_the_references():
    _, read, survey = _two_surveys(np.random.default_rng(2))
    late = survey == "1987"
    read.loc[late, "Cu"] **= 2  # twice the spread of its logarithms
    spread = {
        method: np.log10(transform.level_surveys(read, survey, method=method)[0]["Cu"])[late].std()
        for method in ("median", "quantile")
    }
    assert spread["median"] == pytest.approx(np.log10(read["Cu"])[late].std())
    assert spread["quantile"] == pytest.approx(np.log10(read["Cu"])[~late].std(), rel=0.1)


def test_too_few_values_or_a_median_of_zero_stay_and_are_counted():
    values = pd.DataFrame({"Cu": [1.0] * 40 + [5.0] * 40, "Au": [1.0] * 40 + [2.0] * 29 + [np.nan] * 11})
    values["Hg"] = [1.0] * 40 + [0.0] * 40
    survey = np.array(["a"] * 40 + ["b"] * 40, dtype=object)
    levelled, left = transform.level_surveys(values, survey)
    assert left == 2
    assert levelled["Cu"].tolist() == [1.0] * 80
    pd.testing.assert_frame_equal(levelled[["Au", "Hg"]], values[["Au", "Hg"]])
    with pytest.raises(UsageError, match="median and quantile"):
        transform.level_surveys(values, survey, method="mean")


def test_small_surveys_and_unknown_ones_are_pooled():
    survey = ["1978"] * 40 + ["1987"] * 29 + [""] * 3
    groups, pooled = transform.survey_groups(survey)
    assert pooled == ["1987"]
    assert groups.tolist() == ["1978"] * 40 + [""] * 32


def test_levelling_by_rock_unit_is_a_robust_z_within_each_and_pools_the_small():
    rng = np.random.default_rng(3)
    unit = np.array([0] * 200 + [1] * 200 + [2] * 20 + [-1] * 20)
    values = pd.DataFrame({"Cu": rng.normal(np.where(unit == 1, 5.0, 1.0), np.where(unit == 1, 2.0, 0.5))})
    levelled = transform.level(values, unit)["Cu"].to_numpy()
    for members in (unit == 0, unit == 1, (unit == 2) | (unit == -1)):
        assert np.median(levelled[members]) == pytest.approx(0, abs=1e-12)
        mad = np.median(np.abs(levelled[members] - np.median(levelled[members])))
        assert 1.4826 * mad == pytest.approx(1)
    assert (transform.level(pd.DataFrame({"Cu": np.ones(440)}), unit)["Cu"] == 0).all()
