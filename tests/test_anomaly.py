"""Anomaly classes: thresholds where they must be."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gossan.anomaly import anomaly_classes, concentration_area, mad_thresholds
from gossan.errors import DataError, UsageError


def test_of_normal_values_median_and_two_mad_leave_two_sigma_out():
    values = np.random.default_rng(0).normal(3.0, 0.5, 200_000)
    assert mad_thresholds(values, (2.0, 3.0)) == pytest.approx([4.0, 4.5], abs=0.01)
    assert (anomaly_classes(values, mad_thresholds(values)) == 1).mean() == pytest.approx(0.02275, abs=0.002)


@given(arrays(float, 51, elements=st.floats(-50, 50), unique=True), st.floats(0.1, 10), st.floats(-9, 9))
def test_thresholds_move_with_the_values(values, scale, shift):
    moved = mad_thresholds(scale * values + shift)
    np.testing.assert_allclose(moved, scale * mad_thresholds(values) + shift, rtol=1e-9, atol=1e-6)


def test_a_few_wild_values_hardly_move_the_threshold():
    values = np.random.default_rng(1).normal(0, 1, 1000)
    before = mad_thresholds(values)[0]
    values[:100] = 1e6
    assert mad_thresholds(values)[0] < before + 0.6


def test_values_below_detection_for_the_most_part_are_refused():
    with pytest.raises(DataError, match="more than half of 5 values are 1"):
        mad_thresholds([1, 1, 1, 2, 3])
    with pytest.raises(DataError, match="no value"):
        mad_thresholds([np.nan])


@given(arrays(float, (4, 5), elements=st.floats(-10, 10) | st.just(np.nan)))
def test_classes_count_the_thresholds_reached_and_keep_gaps(values):
    bounds = [-1.0, 0.0, 4.0]
    classes = anomaly_classes(values, bounds)
    expected = sum((values >= bound).astype(int) for bound in bounds)
    assert np.array_equal(classes, np.where(np.isnan(values), -1, expected))
    with pytest.raises(UsageError, match="must rise"):
        anomaly_classes(values, [1.0, 1.0])


def _of_curve(breaks, exponents, n=200_000):
    """Return values whose share of ground at or above v has those powers of v between the breaks."""
    log_area, log_v = [0.0], [0.0]
    for at, exponent in zip(breaks, exponents, strict=False):
        log_area.append(log_area[-1] - exponent * (np.log10(at) - log_v[-1]))
        log_v.append(np.log10(at))
    last = -np.log10(n)
    log_v.append(log_v[-1] + (log_area[-1] - last) / exponents[-1])
    log_area.append(last)
    share = (np.arange(n) + 0.5) / n
    return 10 ** np.interp(np.log10(share), log_area[::-1], log_v[::-1])


@pytest.mark.parametrize(
    ("breaks", "exponents"), [((20.0,), (0.8, 3.0)), ((10.0, 60.0), (0.5, 1.5, 4.0)), ((8.0,), (2.0, 0.7))]
)
def test_concentration_area_finds_the_breaks_it_was_made_with(breaks, exponents):
    values = np.random.default_rng(2).permutation(_of_curve(breaks, exponents))
    found = concentration_area(values.reshape(400, 500), parts=len(exponents))
    np.testing.assert_allclose(found.thresholds, breaks, rtol=0.06)
    np.testing.assert_allclose(-found.exponents, exponents, rtol=0.05)


def test_the_curve_is_the_share_of_ground_at_or_above_each_level():
    values = np.random.default_rng(3).lognormal(0, 1, 5000)
    values[::7] = np.nan
    found = concentration_area(values)
    given = values[np.isfinite(values)]
    for level, area in zip(found.levels[::9], found.area[::9], strict=True):
        assert area == pytest.approx((given >= level * (1 - 1e-9)).mean())
    assert found.area[0] == 1
    assert (given >= found.levels[-1] * (1 - 1e-9)).sum() >= 10


def test_the_breaks_are_the_best_of_all():
    x = np.log10(concentration_area(np.random.default_rng(4).lognormal(0, 1, 4000), levels=16).levels)
    values = np.random.default_rng(4).lognormal(0, 1, 4000)
    found = concentration_area(values, levels=16, parts=3)
    y = np.log10(found.area)

    def error(cuts):
        bounds = [0, *cuts, 16]
        return sum(np.polyfit(x[a:b], y[a:b], 1, full=True)[1].sum() for a, b in pairwise(bounds))

    tried = {(i, j): error((i, j)) for i in range(3, 11) for j in range(i + 3, 14)}
    best = min(tried, key=tried.get)
    levels = found.levels
    np.testing.assert_allclose(found.thresholds, [np.sqrt(levels[k - 1] * levels[k]) for k in best])


@pytest.mark.parametrize(
    ("values", "error", "said"),
    [
        ([0.0, 1.0], DataError, "undo the logarithm"),
        ([1.0] * 50, DataError, "hardly vary"),
        ([], DataError, "0 values"),
    ],
)
def test_what_has_no_curve_is_refused(values, error, said):
    with pytest.raises(error, match=said):
        concentration_area(values)
    with pytest.raises(UsageError, match="1 parts"):
        concentration_area([1.0, 2.0], parts=1)
