"""A table made once serves every rival, candidate and inner fold; and models that doubt barren windows."""

import json

import numpy as np
import pytest

from fake_windows import FakeWindows, mapped, planted
from gossan.balance import BalanceSettings
from gossan.errors import DataError, UsageError
from gossan.metrics import auc
from gossan.models import load_scorer, make_scorer, names
from gossan.models.tables import tabulate

RIVALS = names("classical") + names("baseline")
ODD = np.arange(24) % 2 == 1


class TestTable:
    def test_it_keeps_the_places_of_windows_that_have_some(self):
        windows, _ = planted(n=6, n_ore=2)
        assert tabulate(windows).row is None
        table = tabulate(mapped(windows, samples=[5, 0, 0, 1, 2, 9]))
        assert table.row.tolist() == [0, 0, 0, 16, 16, 16]
        assert table.col.tolist() == [0, 16, 32] * 2
        assert table.samples.tolist() == [5, 0, 0, 1, 2, 9]
        assert (table.size, len(table), table.channels[-1]) == (16, 6, "fault distance")

    @pytest.mark.parametrize("index", [np.array([4, 0]), np.arange(6) > 3])
    def test_rows_are_taken_of_every_column(self, index):
        windows, _ = planted(n=6, n_ore=2)
        whole = tabulate(mapped(windows))
        part = whole.take(index)
        assert part.arrays().keys() == whole.arrays().keys()
        for key, values in part.arrays().items():
            np.testing.assert_array_equal(values, whole.arrays()[key][index])
        assert (part.names, part.channels, part.size) == (whole.names, whole.channels, whole.size)

    def test_it_names_the_column_of_a_channels_summary(self):
        windows = FakeWindows(np.zeros((1, 3, 4, 4)), classes=(2,), channels=("Au", "Cu mean", "geology: a"))
        table = tabulate(windows)
        assert table.columns("mean") == {"Au": 0, "Cu mean": 1}
        assert table.columns("share") == {"geology: a": 6}


@pytest.mark.parametrize("name", RIVALS)
class TestEveryRival:
    def windows(self):
        windows, is_ore = planted(n=24, n_ore=6, lift=0.7)
        order = np.random.default_rng(0).permutation(24)
        return mapped(FakeWindows(windows.values[order]), across=6), is_ore[order]

    def test_rows_of_a_table_give_what_windows_give(self, name):
        windows, is_ore = self.windows()
        part = FakeWindows(windows.values[ODD], channels=windows.channels)
        part.windows = windows.windows[ODD]
        direct = make_scorer(name).fit(part, is_ore[ODD], balance=BalanceSettings(), seed=[2])
        whole = tabulate(windows)
        rows = make_scorer(name).fit_table(whole.take(ODD), is_ore[ODD], seed=[2])
        np.testing.assert_array_equal(rows.score_table(whole), direct.predict(windows).score)

    def test_another_scale_and_zero_of_the_layers_change_no_order(self, name):
        windows, is_ore = self.windows()
        scaled = mapped(FakeWindows(4 * windows.values + 1), across=6)
        found = [
            make_scorer(name).fit(each, is_ore, balance=BalanceSettings(), seed=[2]).predict(each).score
            for each in (windows, scaled)
        ]
        np.testing.assert_allclose(found[1], found[0], atol=0.05)

    def test_options_come_back_from_the_record(self, name, tmp_path):
        windows, is_ore = self.windows()
        table = tabulate(windows)
        knobs = type(make_scorer(name)).knobs.get(name, {})
        options = {key: option.default for key, option in knobs.items()}
        scorer = make_scorer(name, options=options).fit_table(table, is_ore, seed=[2])
        loaded = load_scorer(tmp_path, json.loads(json.dumps(scorer.save(tmp_path))))
        assert loaded.options == options
        np.testing.assert_array_equal(loaded.score_table(table), scorer.score_table(table))
        plain = make_scorer(name).fit_table(table, is_ore, seed=[2])
        np.testing.assert_array_equal(plain.score_table(table), scorer.score_table(table))

    def test_a_table_of_other_windows_is_refused(self, name):
        windows, is_ore = self.windows()
        scorer = make_scorer(name).fit_table(tabulate(windows), is_ore, seed=[0])
        with pytest.raises(DataError, match="3 channels"):
            scorer.score_table(tabulate(FakeWindows(windows.values[:, :3])))
        with pytest.raises(DataError, match="5 labels for 24 windows"):
            make_scorer(name).fit_table(tabulate(windows), is_ore[:5], seed=[0])

    def test_scoring_before_fitting_is_refused(self, name):
        with pytest.raises(UsageError, match="not fitted"):
            make_scorer(name).score_table(tabulate(self.windows()[0]))


class TestIsolation:
    def test_it_reads_no_label(self):
        windows, is_ore = planted(n=30, n_ore=6)
        found = [
            make_scorer("isolation-forest").fit(windows, labels, balance=BalanceSettings(), seed=[0])
            for labels in (is_ore, ~is_ore)
        ]
        np.testing.assert_array_equal(*(scorer.predict(windows).score for scorer in found))

    def test_the_score_is_the_share_of_training_windows_less_anomalous(self):
        windows, is_ore = planted(n=30, n_ore=6)
        scorer = make_scorer("isolation-forest").fit(windows, is_ore, balance=BalanceSettings(), seed=[0])
        np.testing.assert_allclose(
            np.sort(scorer.predict(windows).score), (np.arange(30) + 0.5) / 30, atol=1 / 30
        )
        assert scorer.predict(FakeWindows(windows.values[:1] + 50)).score == pytest.approx(1)


class TestBagging:
    def fit(self, n=120, n_ore=24, hidden=0, **options):
        windows, is_ore = planted(n=n, n_ore=n_ore, lift=1.0)
        labels = is_ore & (np.arange(n) >= hidden)
        scorer = make_scorer("pu-bagging", options=options)
        return scorer.fit_table(tabulate(windows), labels, seed=[0]), is_ore, labels

    def test_ore_that_nobody_found_stands_out_of_the_unlabelled(self):
        scorer, is_ore, labels = self.fit(hidden=10)
        assert auc(scorer.out_of_bag_[~labels], is_ore[~labels]) > 0.9

    def test_out_of_bag_is_the_mean_of_trees_that_did_not_see_the_window(self):
        scorer, _, labels = self.fit()
        assert np.isnan(scorer.out_of_bag_[labels]).all()
        assert (scorer.out_of_bag_[~labels] <= 1).all()
        # Grown trees know what they were given, so what they say of the rest is no lower.
        assert scorer.out_of_bag_[~labels].mean() > scorer.score_table(scorer.train_)[~labels].mean()

    def test_on_noise_out_of_bag_scores_lie_about_a_half(self):
        windows, _ = planted(n=200, n_ore=0)
        labels = np.arange(200) < 40
        scorer = make_scorer("pu-bagging").fit_table(tabulate(windows), labels, seed=[0])
        assert np.nanmean(scorer.out_of_bag_) == pytest.approx(0.5, abs=0.05)

    def test_a_window_that_every_bag_drew_has_no_out_of_bag_score(self):
        scorer, _, _ = self.fit(n=20, n_ore=10)
        assert np.isnan(scorer.out_of_bag_).all()
        assert (
            len(
                make_scorer("pu-bagging", options={"bags": 7})
                .fit_table(scorer.train_, ~scorer.is_ore_, seed=[0])
                .trees_
            )
            == 7
        )

    def test_fewer_unlabelled_windows_than_ore_are_drawn_again(self):
        scorer, _, _ = self.fit(n=20, n_ore=16)
        assert ((scorer.score_table(scorer.train_) >= 0) & (scorer.score_table(scorer.train_) <= 1)).all()
