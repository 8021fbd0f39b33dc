"""The rivals: what they read of a window, and that they come back from a file as they were."""

import numpy as np
import pytest

from fake_windows import FakeWindows, planted
from gossan.balance import BalanceSettings
from gossan.errors import DataError
from gossan.metrics import auc
from gossan.models import TrainingSettings, load_scorer, make_scorer, names, tables
from gossan.models.tables import TableScorer, summarise_windows, summary_names, tabulate

RIVALS = names("classical")
#: Those whose .5 is balanced odds; the isolation forest's is the median window.
BALANCED = [name for name in RIVALS if name != "isolation-forest"]


def masked_windows():
    """Two numbers, two classes and ``valid``; the third window has no ground."""
    rng = np.random.default_rng(0)
    valid = rng.random((3, 8, 8)) < 0.7
    valid[2] = False
    values = rng.standard_normal((3, 5, 8, 8))
    values[:, 2] = rng.random((3, 8, 8)) < 0.3
    values[:, 3] = 1 - values[:, 2]
    values[:, 4] = 1
    names = ("Au", "Cu", "geology: a", "geology: b", "valid")
    return FakeWindows(values * valid[:, None], classes=(2, 3), valid=valid, valid_channel=4, channels=names)


class TestSummaries:
    def test_they_are_mean_sd_and_maximum_over_valid_pixels_and_class_shares(self):
        windows = masked_windows()
        found = summarise_windows(windows)
        for row in range(2):
            values = windows.values[row][:, windows.valid[row]].astype(float)
            expected = [*values[:2].mean(1), *values[:2].std(1), *values[:2].max(1), *values[2:4].mean(1)]
            np.testing.assert_allclose(found[row], expected, rtol=1e-6)

    def test_the_columns_are_named_and_valid_is_not_among_them(self):
        windows = masked_windows()
        assert summary_names(windows) == [
            *("Au mean", "Cu mean", "Au sd", "Cu sd", "Au max", "Cu max"),
            *("geology: a share", "geology: b share"),
        ]
        assert summarise_windows(windows).shape == (3, 8)

    def test_a_window_without_ground_is_zero(self):
        assert (summarise_windows(masked_windows())[2] == 0).all()

    def test_they_do_not_depend_on_how_many_are_read_at_once(self, monkeypatch):
        windows, _ = planted(n=7, n_ore=2)
        whole = summarise_windows(windows)
        monkeypatch.setattr(tables, "READ_BATCH", 3)
        np.testing.assert_array_equal(summarise_windows(windows), whole)

    def test_they_do_not_change_when_windows_are_turned(self):
        windows, _ = planted(n=4, n_ore=2)
        turned = FakeWindows(np.rot90(windows.values, axes=(2, 3)))
        np.testing.assert_allclose(summarise_windows(turned), summarise_windows(windows), rtol=1e-5)


def fit_rival(name, threads=1, seed=0):
    windows, is_ore = planted(n=80, n_ore=16, lift=1.5)
    scorer = make_scorer(name, training=TrainingSettings(threads=threads))
    return scorer.fit(windows, is_ore, balance=BalanceSettings(), seed=[seed])


@pytest.mark.parametrize("name", BALANCED)
def test_scores_are_balanced_about_a_half(name):
    windows, is_ore = planted(n=200, n_ore=100, lift=1.5, seed=1)
    vote = fit_rival(name).predict(windows).vote
    assert vote[is_ore].mean() > 0.6
    assert vote[~is_ore].mean() < 0.4


@pytest.mark.parametrize("name", RIVALS)
class TestRivals:
    def test_it_finds_planted_anomalies(self, name):
        windows, is_ore = planted(n=80, n_ore=16, lift=1.5, seed=1)
        assert auc(fit_rival(name).predict(windows).score, is_ore) > 0.9

    def test_threads_do_not_change_a_bit(self, name):
        windows, _ = planted(n=80, n_ore=16, seed=1)
        one, two = (fit_rival(name, threads).predict(windows).score for threads in (1, 2))
        np.testing.assert_array_equal(one, two)

    def test_another_scikit_learn_that_makes_another_model_is_noticed(self, name, tmp_path, monkeypatch):
        record = fit_rival(name).save(tmp_path)
        refit = TableScorer._refit

        def otherwise(scorer):
            kept = np.arange(len(scorer.train_)) % 2 == 0
            table, scorer.train_, scorer.is_ore_ = (
                scorer.train_,
                scorer.train_.take(kept),
                scorer.is_ore_[kept],
            )
            refit(scorer)
            scorer.train_ = table

        monkeypatch.setattr(TableScorer, "_refit", otherwise)
        with pytest.raises(DataError, match=r"saved by scikit-learn \d.*another model"):
            load_scorer(tmp_path, record)

    def test_progress_ends_at_one_and_never_falls(self, name):
        windows, is_ore = planted(n=12, n_ore=4)
        seen = []
        scorer = make_scorer(name).fit(
            windows, is_ore, balance=BalanceSettings(), seed=[0], progress=seen.append
        )
        scorer.predict(windows, progress=seen.append)
        assert seen[-1] == 1.0
        assert seen[: seen.index(1.0)] == sorted(seen[: seen.index(1.0)])


def test_binning_before_boosting_changes_nothing_where_every_value_has_its_bin():
    from sklearn.ensemble import HistGradientBoostingClassifier

    windows, is_ore = planted(n=80, n_ore=20, lift=0.5)
    table = tabulate(windows)
    scorer = make_scorer("gradient-boosting").fit_table(table, is_ore, seed=[0])
    plain = HistGradientBoostingClassifier(
        learning_rate=0.05, max_leaf_nodes=8, min_samples_leaf=10, class_weight="balanced", random_state=0
    )
    expected = plain.fit(table.features, is_ore).predict_proba(table.features)[:, 1]
    np.testing.assert_allclose(scorer.score_table(table), expected, atol=1e-9)
