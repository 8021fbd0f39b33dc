"""The area of applicability: what must be flagged, what must not, and what must not matter."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist

from gossan.applicability import Applicability, fit_applicability, held_out_index
from gossan.errors import DataError, UsageError

#: Two channels matter, the others hardly.
WEIGHTS = np.array([1.0, 1.0, 0.1, 0.1, 0.05, 0.05, 0.0, 0.0])


def survey(n=400, seed=0, shift=()):
    """Windows with correlated features; `shift` names the features moved by 3 standard deviations."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(8) + 0.2
    features = rng.standard_normal((n, 8)) @ mixing / np.sqrt((mixing**2).sum(axis=0))
    features[:, list(shift)] += 3.0
    return features


def folds_of(n, folds=5, gap=2):
    """Blocks along a line with a dead zone of `gap` windows."""
    every, blocks = np.arange(n), np.array_split(np.arange(n), folds)
    return [(every[(every < test[0] - gap) | (every > test[-1] + gap)], test) for test in blocks]


def fitted(n=400, seed=0, weights=WEIGHTS, **options):
    is_ore = np.arange(n) % 20 == 0
    return fit_applicability(survey(n, seed), weights, is_ore, folds_of(n), **options)


@pytest.mark.parametrize("seed", range(5))
def test_an_unshifted_region_is_inside_and_one_shifted_in_two_important_channels_is_not(seed):
    area = fitted(seed=seed)
    assert np.mean(~area.inside(survey(400, seed + 100))) <= 0.1
    assert np.mean(~area.inside(survey(400, seed + 100, shift=(0, 1)))) >= 0.9


def test_a_shift_in_a_channel_without_weight_is_not_seen():
    area, ground = fitted(), survey(200, 50)
    moved = survey(200, 50, shift=(6, 7))
    np.testing.assert_array_equal(area.index(moved), area.index(ground))
    assert np.mean(~fitted(weights=np.ones(8)).inside(moved)) > np.mean(~area.inside(moved))


def test_the_index_is_its_definition():
    features, weights = survey(60), np.array([0.5, 0.2, 0.1, 0.0, 0.3, 0.1, 0.0, 0.9])
    folds, is_ore = folds_of(60), np.arange(60) % 7 == 0
    area = fit_applicability(features, weights, is_ore, folds)
    scaled = (features - features.mean(axis=0)) / features.std(axis=0) * weights
    new = survey(10, 9)
    new_scaled = (new - features.mean(axis=0)) / features.std(axis=0) * weights
    mean = pdist(scaled).mean()
    np.testing.assert_allclose(area.index(new), cdist(new_scaled, scaled).min(axis=1) / mean)
    np.testing.assert_allclose(area.ore_index(new), cdist(new_scaled, scaled[is_ore]).min(axis=1) / mean)
    held = np.concatenate([cdist(scaled[test], scaled[train]).min(axis=1) / mean for train, test in folds])
    np.testing.assert_allclose(held_out_index(features, weights, folds), held)
    bound = np.quantile(held, 0.75) + 1.5 * (np.quantile(held, 0.75) - np.quantile(held, 0.25))
    assert area.threshold == pytest.approx(held[held <= bound].max())


def test_the_dead_zone_and_the_own_fold_are_left_out():
    # pairs of twins: each lies beside its twin, which would give it away
    features = np.repeat(survey(50), 2, axis=0)
    folds = folds_of(100, folds=5, gap=5)
    assert (held_out_index(features, np.ones(8), folds) > 0.05).all()
    area = fit_applicability(features, np.ones(8), np.arange(100) < 10, folds)
    np.testing.assert_allclose(area.index(features), 0, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(1e-3, 1e3), min_size=8, max_size=8),
    st.lists(st.floats(-100, 100), min_size=8, max_size=8),
    st.floats(1e-3, 1e3),
)
def test_units_and_the_scale_of_the_weights_do_not_matter(scale, offset, factor):
    features, new, is_ore = survey(40), survey(15, 1, shift=(0,)), np.arange(40) < 8
    area = fit_applicability(features, WEIGHTS, is_ore, folds_of(40))
    other = fit_applicability(features * scale + offset, WEIGHTS * factor, is_ore, folds_of(40))
    moved = new * scale + offset
    np.testing.assert_allclose(other.index(moved), area.index(new), rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(other.ore_index(moved), area.ore_index(new), rtol=1e-5, atol=1e-9)
    assert other.threshold == pytest.approx(area.threshold, rel=1e-5)


def test_negative_weights_count_as_none_and_all_zero_as_equal():
    features, is_ore, folds, new = survey(40), np.arange(40) < 8, folds_of(40), survey(9, 3)
    clipped = fit_applicability(features, [1, -5, 0, 0, 0, 0, 0, 0], is_ore, folds)
    plain = fit_applicability(features, [1, 0, 0, 0, 0, 0, 0, 0], is_ore, folds)
    np.testing.assert_array_equal(clipped.index(new), plain.index(new))
    none = fit_applicability(features, np.zeros(8), is_ore, folds)
    np.testing.assert_array_equal(
        none.index(new), fit_applicability(features, np.ones(8), is_ore, folds).index(new)
    )


def test_ground_like_training_but_unlike_any_ore_is_told_apart():
    rng = np.random.default_rng(0)
    is_ore = np.arange(400) % 4 == 0
    features = rng.standard_normal((400, 3)) * 0.3
    features[is_ore, 0] += 4
    area = fit_applicability(features, np.ones(3), is_ore, folds_of(400))
    barren = rng.standard_normal((50, 3)) * 0.3
    ore = barren + np.array([4.0, 0, 0])
    assert area.inside(barren).mean() > 0.9
    assert area.like_known_ore(barren).mean() < 0.05
    assert area.like_known_ore(ore).mean() > 0.8


def test_repeats_average_the_index_and_untested_windows_have_none():
    features, folds = survey(40), folds_of(40)
    first, second = folds[:1], [(np.arange(30, 40), folds[0][1])]
    both = held_out_index(features, WEIGHTS, first + second)
    apart = [held_out_index(features, WEIGHTS, each) for each in (first, second)]
    np.testing.assert_allclose(both, np.mean(apart, axis=0))
    assert np.isnan(both[8:]).all()
    assert np.isfinite(both[:8]).all()


def test_what_is_written_is_read_back_bit_by_bit():
    area = fitted(40, names=[f"x{i}" for i in range(8)])
    again = Applicability.from_dict(json.loads(json.dumps(area.to_dict(), allow_nan=False)))
    new = survey(20, 5)
    np.testing.assert_array_equal(again.index(new), area.index(new))
    np.testing.assert_array_equal(again.ore_index(new), area.ore_index(new))
    assert again.to_dict() == area.to_dict()


def test_without_held_out_ore_there_is_no_ore_threshold_and_nothing_is_called_unlike():
    area = fit_applicability(survey(40), WEIGHTS, np.arange(40) == 3, folds_of(40))
    assert np.isnan(area.ore_threshold)
    assert area.to_dict()["ore_threshold"] is None
    assert area.like_known_ore(survey(5, 2)).all()
    assert np.isnan(Applicability.from_dict(area.to_dict()).ore_threshold)


def test_blocks_of_distances_do_not_change_the_answer(monkeypatch):
    area, new = fitted(60), survey(33, 8)
    expected = area.index(new)
    monkeypatch.setattr("gossan.applicability._BLOCK_BYTES", 8 * 60 * 7)
    np.testing.assert_array_equal(area.index(new), expected)
    assert fitted(60).mean_distance == pytest.approx(area.mean_distance, rel=1e-12)


class TestRefused:
    def test_values_that_are_not_finite(self):
        features = survey(40)
        features[3, 2] = np.nan
        with pytest.raises(DataError, match="1 of 40 windows"):
            fit_applicability(features, WEIGHTS, np.arange(40) < 5, folds_of(40))

    def test_another_number_of_features(self):
        with pytest.raises(DataError, match="7 features given; the yardstick has 8"):
            fitted(40).index(np.zeros((3, 7)))

    def test_no_folds(self):
        with pytest.raises(DataError, match="no window is held out"):
            fit_applicability(survey(40), WEIGHTS, np.arange(40) < 5, [])

    def test_windows_on_both_sides(self):
        with pytest.raises(UsageError, match="1 windows are both"):
            held_out_index(survey(40), WEIGHTS, [([0, 1, 2], [2, 3])])

    def test_windows_that_are_all_alike(self):
        with pytest.raises(DataError, match="two different ones"):
            fit_applicability(np.ones((40, 8)), WEIGHTS, np.arange(40) < 5, folds_of(40))

    @pytest.mark.parametrize("weights", [np.ones(7), np.full(8, np.nan)])
    def test_weights_that_do_not_fit(self, weights):
        with pytest.raises(UsageError, match="8 finite numbers"):
            fit_applicability(survey(40), weights, np.arange(40) < 5, folds_of(40))

    def test_labels_that_do_not_fit(self):
        with pytest.raises(UsageError, match="one label a"):
            fit_applicability(survey(40), WEIGHTS, np.arange(39) < 5, folds_of(40))

    def test_features_of_another_shape(self):
        with pytest.raises(UsageError, match=r"\(window, feature\)"):
            held_out_index(np.zeros(4), WEIGHTS, [])
