"""Explanations against models whose reasons are known."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import expit

from fake_windows import FakeWindows, planted
from gossan.applicability import fit_applicability
from gossan.balance import BalanceSettings
from gossan.errors import UsageError
from gossan.explain import (
    Group,
    combine_influence,
    correlated_groups,
    feature_weights,
    group_channels,
    permutation_influence,
    reasons,
    speak,
    training_shares,
    window_summaries,
)
from gossan.explain.influence import _orders
from gossan.models import make_scorer
from gossan.models.base import decide
from gossan.recipe import Recipe, WindowSet

NAMES = ("Au", "As", "Pb", "fault distance", "geology: shale", "geology: other", "valid")
GROUPS = [
    Group("Au, As", ("Au", "As")),
    Group("Pb", ("Pb",)),
    Group("faults", ("fault distance",)),
    Group("geology", ("geology",)),
]


class Linear:
    """The score's log odds are a weighted sum of channel means over the valid pixels."""

    def __init__(self, weights):
        self.weights, self.reads = np.asarray(weights, dtype=np.float64), []

    def terms(self, windows):
        x, valid = windows.read_masked(np.arange(len(windows)))
        self.reads.append(x)
        means = x.sum(axis=(2, 3), dtype=np.float64) / valid.sum(axis=(1, 2))[:, None]
        return means * self.weights

    def predict(self, windows, *, progress=None):
        return decide(expit(self.terms(windows).sum(axis=1))[None, None])


def ground(n=40, size=6, seed=0, holes=True):
    """Windows with numbers, a class pair, holes in the ground, and a channel that marks them."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n, 7, size, size)) + rng.standard_normal((n, 7, 1, 1))
    values[:, 4] = rng.random((n, 1, 1)) < 0.5
    values[:, 5], values[:, 6] = 1 - values[:, 4], 1
    valid = rng.random((n, size, size)) < (0.8 if holes else 1.1)
    return FakeWindows(values * valid[:, None], classes=(4, 5), valid=valid, valid_channel=6, channels=NAMES)


def rows(n=40, folds=2, ore=(0, 3, 7, 21, 30), repeat=0):
    is_ore = np.isin(np.arange(n), ore)
    return pd.DataFrame(
        {
            "repeat": repeat,
            "fold": np.arange(n) * folds // n,
            "number": np.arange(n) + 1,
            "score": 0.5,
            "vote": False,
            "probability": 0.5,
            "is_ore": is_ore,
            "deposits": is_ore * (1 + np.arange(n) % 2),
            "camp": is_ore * (np.arange(n) + 1),
        }
    )


def with_skill(windows, table, lift=1.5):
    """Put ore where the first channel is high, so that it is worth something."""
    windows.values[table["is_ore"].to_numpy(), 0] += lift * windows.valid[table["is_ore"].to_numpy()]
    return windows


class TestInfluence:
    def test_the_one_group_that_the_score_depends_on_is_first_and_the_others_are_exactly_zero(self):
        table = rows()
        windows = with_skill(ground(), table)
        found = permutation_influence(Linear([1, 0, 0, 0, 0, 0, 0]), windows, table, GROUPS, seed=3)
        assert list(found["group"]) == ["Au, As", "Pb", "faults", "geology"]
        assert found["drop"][0] > 0.15
        assert found["margin_drop"][0] > 0.5
        assert (found.loc[1:, ["drop", "sd", "margin_drop"]] == 0).all(axis=None)
        assert combine_influence([found])["group"][0] == "Au, As"

    def test_it_is_the_difference_that_its_definition_says(self):
        table, scorer = rows(folds=1), Linear([1, -1, 0.3, 0, 0.5, 0, 0])
        windows = with_skill(ground(), table)
        found = permutation_influence(scorer, windows, table, GROUPS[1:2], repeats=4, seed=1)
        barren, weight = ~table["is_ore"].to_numpy(), table["deposits"].to_numpy()

        def skill(score):
            above = (score[:, None] > score[barren]).mean(axis=1)
            return np.average(above[~barren], weights=weight[~barren])

        whole, lost = scorer.predict(windows).score, []
        for order in _orders(table, 4, 1):
            changed = FakeWindows(windows.values.copy(), classes=(4, 5), valid=windows.valid)
            changed.values[:, 2] = windows.values[order, 2] * windows.valid
            lost.append(skill(whole) - skill(scorer.predict(changed).score))
        assert found["auc"][0] == pytest.approx(skill(whole))
        assert found["drop"][0] == pytest.approx(np.mean(lost), abs=1e-9)
        assert found["sd"][0] == pytest.approx(np.std(lost, ddof=1), abs=1e-9)

    def test_maps_move_whole_and_together_and_stay_within_the_fold(self):
        windows, table, scorer = ground(holes=False), rows(), Linear(np.ones(7))
        permutation_influence(scorer, windows, table, GROUPS[:1], repeats=2, seed=5)
        for seen, order in zip(scorer.reads[1:], _orders(table, 2, 5), strict=True):
            assert (table["fold"].to_numpy()[order] == table["fold"]).all()
            assert sorted(order) == list(range(40))
            assert (order != np.arange(40)).mean() > 0.7
            np.testing.assert_array_equal(seen[:, :2], windows.values[order, :2])
            np.testing.assert_array_equal(seen[:, 2:], windows.values[:, 2:])

    def test_a_window_keeps_its_valid_pixels_and_unknown_ground_is_the_class_other(self):
        windows, scorer, table = ground(), Linear(np.ones(7)), rows()
        permutation_influence(scorer, windows, table, GROUPS, repeats=1, seed=5)
        [order] = _orders(table, 1, 5)
        for seen in scorer.reads:
            assert (seen[np.broadcast_to(~windows.valid[:, None], seen.shape)] == 0).all()
            np.testing.assert_array_equal(seen[:, 6], windows.values[:, 6])
            np.testing.assert_array_equal(seen[:, 4:6].sum(axis=1), windows.valid)
        lost = windows.valid & ~windows.valid[order]
        assert lost.any()
        assert (scorer.reads[-1][:, 5][lost] == 1).all()
        assert (scorer.reads[1][:, 0][lost] == 0).all()

    def test_permuting_within_a_fold_of_one_window_changes_nothing(self):
        table = rows(n=3, ore=(0,))
        table["fold"] = [0, 0, 1]
        assert all(order[2] == 2 for order in _orders(table, 20, 0))
        table["fold"] = [0, 1, 2]
        for order in _orders(table, 5, 0):
            np.testing.assert_array_equal(order, [0, 1, 2])

    def test_the_same_seed_gives_the_same_table_and_the_windows_are_left_alone(self):
        table = rows()
        windows, scorer = with_skill(ground(), table), Linear([1, 0.5, -1, 0.2, 1, 0, 0])
        before = windows.values.copy()
        first, second, other = (
            permutation_influence(scorer, windows, table, GROUPS, repeats=2, seed=seed) for seed in (1, 1, 2)
        )
        pd.testing.assert_frame_equal(first, second)
        assert (first["drop"] != other["drop"]).any()
        np.testing.assert_array_equal(windows.values, before)

    def test_without_deposits_it_is_undefined_and_pooling_leaves_it_out(self):
        windows, scorer = ground(), Linear([1, 0, 0, 0, 0, 0, 0])
        none = permutation_influence(scorer, windows, rows(ore=()), GROUPS, repeats=1)
        assert none[["auc", "drop", "margin_drop"]].isna().all(axis=None)
        table = rows()
        some = permutation_influence(scorer, with_skill(windows, table), table, GROUPS, repeats=1)
        pooled = combine_influence([none, some]).set_index("group")
        assert pooled.loc["Au, As", "drop"] == pytest.approx(some["drop"][0])
        with pytest.raises(UsageError, match="no fold with held-out deposits"):
            combine_influence([none])

    def test_folds_are_pooled_by_their_deposits(self):
        first = pd.DataFrame(
            {
                "group": ["a", "b"],
                "channels": [1, 0],
                "auc": 0.8,
                "drop": [0.1, 0.0],
                "sd": 0.0,
                "margin_drop": [1.0, 0.0],
                "deposits": 3,
            }
        )
        second = first.assign(drop=[0.5, 0.6], channels=1, deposits=1)
        pooled = combine_influence([first, second]).set_index("group")
        assert pooled.loc["a", "drop"] == pytest.approx(0.2)
        assert pooled.loc["b", "drop"] == pytest.approx(0.15)
        assert list(pooled.index) == ["a", "b"]
        assert pooled.loc["b", "folds"] == 1

    def test_tables_that_do_not_fit_are_refused(self):
        with pytest.raises(UsageError, match="39 rows for 40 windows"):
            permutation_influence(Linear(np.ones(7)), ground(), rows(n=39), GROUPS)
        with pytest.raises(UsageError, match="0 repeats"):
            permutation_influence(Linear(np.ones(7)), ground(), rows(), GROUPS, repeats=0)


class TestReasons:
    def test_those_of_a_linear_score_are_its_terms(self):
        windows, scorer = ground(), Linear([1, 0.5, -1, 0.2, 0, 0, 0])
        found, terms = reasons(scorer, windows, GROUPS), scorer.terms(windows)
        np.testing.assert_allclose(found[:, 0], terms[:, :2].sum(axis=1), atol=1e-5)
        np.testing.assert_allclose(found[:, 1], terms[:, 2], atol=1e-5)
        np.testing.assert_allclose(found[:, 2], terms[:, 3], atol=1e-5)
        assert (found[:, 3] == 0).all()

    def test_classes_are_taken_away_as_other_or_as_their_training_shares(self):
        windows, scorer = ground(), Linear([0, 0, 0, 0, 2, -1, 0])
        share = windows.values[:, 4].sum() / windows.valid.sum()
        whole = scorer.terms(windows).sum(axis=1)
        np.testing.assert_allclose(reasons(scorer, windows, GROUPS)[:, 3], whole + 1, atol=1e-5)
        fill = training_shares(windows)
        np.testing.assert_allclose(fill, [0, 0, 0, 0, share, 1 - share, 0], atol=1e-6)
        expected = whole - (2 * share - (1 - share))
        np.testing.assert_allclose(reasons(scorer, windows, GROUPS, fill=fill)[:, 3], expected, atol=1e-5)

    def test_a_certain_score_gives_finite_reasons(self):
        assert np.isfinite(reasons(Linear([1e6, 0, 0, 0, 0, 0, 0]), ground(), GROUPS)).all()

    def test_a_fill_of_another_length_is_refused(self):
        with pytest.raises(UsageError, match="one value for each of 7"):
            reasons(Linear(np.ones(7)), ground(), GROUPS, fill=np.zeros(3))

    def test_only_what_truly_speaks_is_named(self):
        names = ["a", "b", "c", "d", "e"]
        assert speak([3.0, 1.0, 2.0, 0.5, -1.0], names) == (("a", "c", "b"), "e")
        assert speak([1.0, 0.0, 0.0, 1e-9, 0.0], names) == (("a",), None)
        assert speak([0.0, -1e-9, -2.0, -1.0, 0.0], names) == ((), "c")
        assert speak([], []) == ((), None)


def stack_of(layers, names, *, units=None, classes=False, valid=None):
    layers = np.asarray(layers, dtype=np.float32)
    data = {"layers": (("channel", "y", "x"), layers)}
    if classes:
        data["classes"] = (("y", "x"), np.zeros(layers.shape[1:], np.int16))
    coords = {"channel": list(names), "units": ("channel", list(units or ["log10"] * len(names)))}
    valid = np.ones(layers.shape[1:], bool) if valid is None else valid
    return xr.Dataset(data, coords={**coords, "valid": (("y", "x"), valid)}, attrs={"class_names": ["shale"]})


class TestGroups:
    def layers(self, seed=0):
        a, b, c = np.random.default_rng(seed).standard_normal((3, 60, 50))
        return np.stack([a, b, a + 0.3 * c, -np.exp(b), c, a, b])

    def test_correlated_channels_are_grouped_whatever_the_sign_and_the_scale(self):
        names = ["Au", "Pb", "As", "Zn", "W", "fault distance", "fault density"]
        groups = correlated_groups(stack_of(self.layers(), names, classes=True))
        assert [group.name for group in groups] == ["Au, As", "Pb, Zn", "W", "faults", "geology"]
        assert groups[3].members == ("fault distance", "fault density")

    def test_the_invalid_ground_is_not_looked_at_and_missing_values_are_left_out(self):
        layers, valid = self.layers()[:5], np.arange(60)[:, None] + np.zeros(50) < 40
        names = ["Au", "Pb", "As", "Zn", "W"]
        expected = correlated_groups(stack_of(layers, names, valid=valid))
        layers[4, ~valid] = layers[1, ~valid] = 1e6 * np.random.default_rng(1).random((~valid).sum())
        layers[0, :5] = np.nan
        found = correlated_groups(stack_of(layers, names, valid=valid))
        assert [g.name for g in found] == [g.name for g in expected] == ["Au, As", "Pb, Zn", "W"]

    def test_the_layers_of_one_class_raster_stand_together_and_a_flat_one_alone(self):
        layers = self.layers()[:4]
        layers[3] = 7.0
        names, units = ["soil: 1", "soil: 2", "Au", "flat"], ["share", "share", "log10", "1"]
        groups = correlated_groups(stack_of(layers, names, units=units))
        assert [(g.name, g.members) for g in groups] == [
            ("soil", ("soil: 1", "soil: 2")),
            ("Au", ("Au",)),
            ("flat", ("flat",)),
        ]

    def test_the_same_seed_draws_the_same_pixels_and_names_pick_channels(self):
        stack = stack_of(self.layers()[:5], ["Au", "Pb", "As", "Zn", "W"])
        assert correlated_groups(stack, pixels=100, seed=4) == correlated_groups(stack, pixels=100, seed=4)
        assert [g.name for g in correlated_groups(stack, ["W", "As"])] == ["W", "As"]
        with pytest.raises(UsageError, match="channel 'Hg' given"):
            correlated_groups(stack, ["Hg"])
        with pytest.raises(UsageError, match="threshold 1"):
            correlated_groups(stack, threshold=1)

    def test_they_are_found_in_what_a_model_reads(self):
        found = group_channels([*GROUPS, Group("Hg", ("Hg",)), Group("odd", ("valid",))], ground())
        assert [list(channels) for channels in found] == [[0, 1], [2], [3], [4, 5], [], []]
        with pytest.raises(UsageError, match="in two groups"):
            group_channels([GROUPS[0], Group("Au", ("Au",))], ground())


class TestSummaries:
    def test_they_are_numpys_over_the_valid_pixels(self):
        windows = ground()
        windows.valid[5] = False
        windows.values[5] = 0
        found = window_summaries(windows)
        assert found.names[0] == "Au mean"
        assert found.names[-2:] == ("geology: shale share", "geology: other share")
        assert found.features.shape == (40, 14)
        for i in (0, 17, 39):
            x = windows.values[i][:, windows.valid[i]].astype(np.float64)
            expected = [*x[:4].mean(axis=1), *x[:4].std(axis=1), *np.quantile(x[:4], 0.95, axis=1)]
            np.testing.assert_allclose(found.features[i], [*expected, *x[4:6].mean(axis=1)], atol=1e-6)
        assert (found.features[5] == 0).all()
        assert list(found.channel) == [0, 1, 2, 3] * 3 + [4, 5]

    def test_a_groups_weight_does_not_depend_on_how_many_channels_describe_it(self):
        windows = ground()
        summaries = window_summaries(windows)
        influence = pd.DataFrame({"group": ["Au, As", "Pb", "geology"], "drop": [0.2, 0.2, -0.1]})
        weights = feature_weights(influence, GROUPS, windows, summaries)
        total = [
            np.sum(weights[np.isin(summaries.channel, each)] ** 2) for each in ([0, 1], [2], [3], [4, 5])
        ]
        np.testing.assert_allclose(total, [0.04, 0.04, 0, 0])


def region(seed, shift=()):
    """Windows of a region: channels vary from window to window and from pixel to pixel."""
    rng = np.random.default_rng(seed)
    values = 0.8 * rng.standard_normal((200, 6, 1, 1)) + 0.6 * rng.standard_normal((200, 6, 8, 8))
    values[:, list(shift)] += 3
    return window_summaries(FakeWindows(values))


@pytest.mark.parametrize("seed", range(3))
def test_a_region_moved_by_three_sd_in_two_important_channels_lies_outside_and_an_unmoved_one_inside(seed):
    names = [f"layer {i}" for i in range(6)]
    influence = pd.DataFrame({"group": names, "drop": [0.2, 0.15, 0.02, 0.01, -0.01, 0.0]})
    training, groups = region(seed), [Group(name, (name,)) for name in names]
    weights = feature_weights(influence, groups, FakeWindows(np.zeros((1, 6, 8, 8))), training)
    every = np.arange(200)
    folds = [(every[abs(every - (20 + 40 * k)) > 25], np.arange(40 * k, 40 * k + 40)) for k in range(5)]
    area = fit_applicability(training.features, weights, every % 20 == 0, folds, names=training.names)
    assert np.mean(~area.inside(region(seed + 50).features)) <= 0.1
    assert np.mean(~area.inside(region(seed + 50, shift=(0, 1)).features)) >= 0.9
    assert np.mean(~area.inside(region(seed + 50, shift=(4, 5)).features)) <= 0.1


def test_a_real_window_set_and_a_forest_are_explained():
    layers = np.random.default_rng(0).standard_normal((3, 64, 64)).astype(np.float32)
    corner = pd.DataFrame(
        {"row": np.repeat(np.arange(8) * 8, 8), "col": np.tile(np.arange(8) * 8, 8), "size": 8}
    )
    is_ore = np.arange(64) % 9 == 0
    for row, col in corner.loc[is_ore, ["row", "col"]].to_numpy():
        layers[0, row : row + 8, col : col + 8] += 2
    stack = stack_of(layers, ["Au", "Pb", "W"], classes=True)
    windows = WindowSet(stack, corner, Recipe.fit(stack, corner, ["Au", "Pb"]))
    scorer = make_scorer("random-forest").fit(windows, is_ore, balance=BalanceSettings(), seed=[0])
    table = rows(n=64, folds=1, ore=np.flatnonzero(is_ore))
    groups = correlated_groups(stack)
    found = permutation_influence(scorer, windows, table, groups, repeats=2).set_index("group")
    assert found["drop"].idxmax() == "Au"
    assert found.loc["W", "channels"] == 0
    assert found.loc["W", "drop"] == found.loc["geology", "drop"] == 0
    effect = reasons(scorer, windows, groups, fill=training_shares(windows))
    assert (effect[is_ore, 0] > 0).all()
    assert {speak(row, [g.name for g in groups])[0][0] for row in effect[is_ore]} == {"Au"}


def test_planted_anomalies_are_what_logistic_regression_owes_its_skill_to():
    windows, is_ore = planted(n=60, n_ore=20, lift=4.0)
    scorer = make_scorer("logistic-regression").fit(windows, is_ore, balance=BalanceSettings(), seed=[0])
    groups = [Group("both", ("layer 0", "layer 1")), Group("noise", ("layer 2", "layer 3"))]
    held, held_ore = planted(n=60, n_ore=20, lift=4.0, seed=1)
    found = permutation_influence(scorer, held, rows(n=60, folds=1, ore=np.flatnonzero(held_ore)), groups)
    assert found["drop"][0] > 0.2
    assert abs(found["drop"][1]) < 0.1
