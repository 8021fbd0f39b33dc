"""The baselines order windows by one quantity, and refuse windows that lack it."""

import numpy as np
import pytest

from fake_windows import mapped, planted
from gossan.balance import BalanceSettings
from gossan.errors import DataError, UsageError
from gossan.metrics import auc
from gossan.models import load_scorer, make_scorer, names
from gossan.models.tables import WindowTable


def table_of(row=None, col=None, samples=None, **means):
    """One number channel a keyword, blanks written as underscores."""
    channels = tuple(name.replace("_", " ") for name in means)
    length = len(next(each for each in (*means.values(), row, samples) if each is not None))
    features = np.column_stack([*means.values()]) if means else np.zeros((length, 0))
    tell = tuple(f"{channel} mean" for channel in channels)
    return WindowTable(features.astype(float), tell, channels, 16, row=row, col=col, samples=samples)


def fit(name, table, is_ore, **options):
    return make_scorer(name, options=options).fit_table(table, np.asarray(is_ore, bool), seed=[0])


class TestEveryBaseline:
    @pytest.mark.parametrize("name", [name for name in names("baseline") if name != "nearest-known"])
    def test_the_score_is_the_share_of_barren_training_windows_that_are_less_ore_like(self, name):
        windows, is_ore = planted(n=12, n_ore=4)
        scorer = make_scorer(name).fit(mapped(windows), is_ore, balance=BalanceSettings(), seed=[0])
        score = scorer.predict(windows).score
        # Without ties, each barren training window stands half a step above those below it.
        np.testing.assert_allclose(np.sort(score[~is_ore]), (np.arange(8) + 0.5) / 8)

    @pytest.mark.parametrize("name", names("baseline"))
    def test_it_takes_no_seed(self, name):
        windows, is_ore = planted(n=12, n_ore=4)
        scores = [
            make_scorer(name).fit(mapped(windows), is_ore, balance=BalanceSettings(), seed=[seed])
            for seed in (0, 1)
        ]
        np.testing.assert_array_equal(*(scorer.predict(windows).score for scorer in scores))


class TestNearest:
    row = np.array([0, 0, 0, 0, 0, 64])
    col = np.array([0, 16, 32, 64, 160, 0])
    is_ore = np.array([1, 0, 0, 0, 0, 0])

    def test_nearer_is_better(self):
        scorer = fit("nearest-known", table_of(row=self.row, col=self.col), self.is_ore)
        new = table_of(row=np.array([0, 0, 10, 3]), col=np.array([1000, 161, 10, 24]))
        score = scorer.score_table(new)
        assert np.argsort(score).tolist() == [0, 1, 3, 2]
        np.testing.assert_allclose(score[[0, 2]], [0, 1])

    def test_ties_count_half(self):
        scorer = fit("nearest-known", table_of(row=self.row, col=self.col), self.is_ore)
        score = scorer.score_table(table_of(row=np.array([0]), col=np.array([64])))
        # Farther: 160; as far: 64 to the east and 64 to the south.
        assert score == pytest.approx((1 + 2 / 2) / 5)

    def test_it_reads_places_only_and_needs_them(self):
        with pytest.raises(DataError, match="row and col"):
            fit("nearest-known", table_of(Au=self.row), self.is_ore)


class TestFault:
    near = np.arange(10.0)

    @pytest.mark.parametrize("sign", [1, -1])
    def test_the_direction_is_learnt(self, sign):
        is_ore = np.arange(10) >= 7
        scorer = fit("fault-distance", table_of(fault_distance=sign * self.near), is_ore)
        score = scorer.score_table(table_of(fault_distance=sign * np.arange(-0.5, 9)))
        assert scorer.direction_ == sign
        # Ore has the three largest; the seven barren are passed one by one, whatever the sign.
        np.testing.assert_allclose(score, np.minimum(np.arange(10), 7) / 7)

    @pytest.mark.parametrize(
        ("channels", "taken"),
        [
            (("Au", "fault density", "fault distance"), "fault distance"),
            (("fault density", "faults"), "faults"),
            (("Au", "fault density"), "fault density"),
        ],
    )
    def test_the_best_channel_is_taken(self, channels, taken):
        rng = np.random.default_rng(0)
        table = table_of(**{channel.replace(" ", "_"): rng.random(10) for channel in channels})
        scorer = fit("fault-distance", table, np.arange(10) < 3)
        assert scorer.learnt()["channel"] == taken

    def test_a_stack_without_faults_is_refused(self):
        with pytest.raises(DataError, match=r"Au.*fault density.*leave this baseline out"):
            fit("fault-distance", table_of(Au=self.near), np.arange(10) < 3)


class TestElement:
    def table(self, seed=0):
        rng = np.random.default_rng(seed)
        is_ore = np.arange(60) < 15
        noise = rng.standard_normal((4, 60))
        table = table_of(
            Au=noise[0] + 0.5 * is_ore,
            Pb=noise[1] - 2 * is_ore,
            fault_distance=noise[2] - 9 * is_ore,
            magnetics=noise[3],
        )
        return table, is_ore

    def test_the_best_of_the_elements_is_taken_with_its_direction(self):
        table, is_ore = self.table()
        scorer = fit("best-element", table, is_ore, elements=("Au", "Pb", "Zn"))
        assert (scorer.channel_, scorer.direction_) == ("Pb", -1)
        assert scorer.auc_ == pytest.approx(auc(-table.features[:, 1], is_ore))
        assert auc(scorer.score_table(table), is_ore) == pytest.approx(scorer.auc_)

    def test_without_a_list_every_number_channel_may_be_it(self):
        assert fit("best-element", *self.table()).channel_ == "fault distance"

    def test_mirrored_labels_reverse_the_direction(self):
        table, is_ore = self.table()
        one, other = (fit("best-element", table, labels) for labels in (is_ore, ~is_ore))
        assert one.channel_ == other.channel_
        assert one.direction_ == -other.direction_

    def test_the_choice_is_that_of_the_training_part(self):
        table, is_ore = self.table()
        rows = np.arange(0, 60, 2)
        part = table.take(rows)
        changed = table.features.copy()
        changed[1::2] = 99
        whole = WindowTable(changed, table.names, table.channels, 16)
        found = [
            fit("best-element", each, is_ore[rows], elements=["Au", "Pb"]).learnt()
            for each in (part, whole.take(rows))
        ]
        assert found[0] == found[1]

    @pytest.mark.parametrize("elements", [("Zn",), ()])
    def test_elements_that_are_no_channels_are_refused(self, elements):
        with pytest.raises(DataError, match="none of"):
            fit("best-element", *self.table(), elements=elements)

    def test_a_list_is_a_list_of_names(self):
        with pytest.raises(UsageError, match=r"elements = 'Au'.*a list of names or None"):
            make_scorer("best-element", options={"elements": "Au"})

    def test_its_list_survives_saving(self, tmp_path):
        scorer = fit("best-element", *self.table(), elements=("Au",))
        assert load_scorer(tmp_path, scorer.save(tmp_path)).options == {"elements": ("Au",)}


class TestSamples:
    def test_more_samples_are_better_where_ore_has_more(self):
        samples = np.array([9, 8, 3, 2, 1, 0])
        scorer = fit("sample-density", table_of(samples=samples), [1, 1, 0, 0, 0, 0])
        np.testing.assert_allclose(
            scorer.score_table(table_of(samples=np.array([50, 3, 0]))), [1, 3.5 / 4, 0.5 / 4]
        )

    def test_it_survives_saving(self, tmp_path):
        scorer = fit("sample-density", table_of(samples=np.arange(6)), [0, 0, 0, 0, 1, 1])
        loaded = load_scorer(tmp_path, scorer.save(tmp_path))
        np.testing.assert_array_equal(loaded.score_table(scorer.train_), scorer.score_table(scorer.train_))

    def test_windows_whose_samples_nobody_counted_are_refused(self):
        with pytest.raises(DataError, match=r"'samples'.*count them"):
            fit("sample-density", table_of(Au=np.arange(6)), [0, 0, 0, 0, 1, 1])
