"""Weights of evidence against hand-made numbers, odds ratios, and patterns that were planted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats.contingency import odds_ratio

from gossan.errors import DesignWarning, UsageError
from gossan.models import make_scorer
from gossan.models.evidence_weights import independence, posterior, weights
from gossan.models.tables import WindowTable

cells = st.tuples(*[st.integers(1, 500)] * 4)


def table_of(values, number=None):
    """One number channel a column, whose mean is the value."""
    channels = tuple(f"c{i}" for i in range(values.shape[1]))
    names = tuple(f"{channel} mean" for channel in channels)
    return WindowTable(np.asarray(values, float), names, channels, 16, number=number)


def planted_cells():
    """N 1000, D 20, B 200, B and D 12."""
    present, deposit = np.zeros(1000, bool), np.zeros(1000, bool)
    present[:200] = True
    deposit[:12] = deposit[200:208] = True
    return present, deposit


def fit(values, is_ore, number=None, **options):
    return make_scorer("weights-of-evidence", options=options).fit_table(
        table_of(values, number), is_ore, seed=[0]
    )


class TestWeights:
    def test_the_worked_example(self):
        found = weights(n=1000, d=20, b=200, bd=12)
        numbers = (found.plus, found.minus, found.contrast, found.error, found.studentised)
        np.testing.assert_allclose(numbers, [1.1403, -0.7033, 1.8436, 0.4636, 3.977], atol=5e-4)
        np.testing.assert_allclose(posterior(0.02, [found.plus, found.minus]), [0.06, 0.01], rtol=1e-12)

    @given(cells)
    def test_the_contrast_is_the_log_odds_ratio_with_its_standard_error(self, counts):
        both, only_pattern, only_deposit, neither = counts
        found = weights(sum(counts), both + only_deposit, both + only_pattern, both)
        ratio = odds_ratio([[both, only_pattern], [only_deposit, neither]], kind="sample")
        assert found.contrast == pytest.approx(np.log(ratio.statistic), abs=1e-9)
        interval = ratio.confidence_interval(0.95)
        error = np.log(interval.high / interval.low) / (2 * norm.ppf(0.975))
        assert found.error == pytest.approx(error, rel=1e-6)

    @given(cells)
    def test_the_absence_of_a_pattern_is_the_same_evidence(self, counts):
        both, only_pattern, only_deposit, _ = counts
        n, d, b = sum(counts), both + only_deposit, both + only_pattern
        found, absent = weights(n, d, b, both), weights(n, d, n - b, d - both)
        assert absent.plus == pytest.approx(found.minus)
        assert absent.studentised == pytest.approx(-found.studentised)

    @given(cells)
    def test_one_pattern_gives_back_the_share_of_deposits_on_each_side(self, counts):
        both, only_pattern, only_deposit, _ = counts
        n, d, b = sum(counts), both + only_deposit, both + only_pattern
        found = weights(n, d, b, both)
        after = posterior(d / n, [found.plus, found.minus])
        np.testing.assert_allclose(after, [both / b, only_deposit / (n - b)], rtol=1e-9)

    def test_a_pattern_that_deposits_do_not_care_for_weighs_nothing(self):
        np.testing.assert_allclose(weights(1000, 20, 500, 10)[:3], 0, atol=1e-12)

    def test_an_empty_kind_of_cell_counts_a_half(self):
        none, half = weights(1000, 20, 200, 0), np.log((0.5 / 20.5) / (200 / 980))
        assert none.plus == pytest.approx(half)
        assert np.isfinite(weights(100, 10, 10, 10)).all()

    def test_many_are_weighed_at_once(self):
        many = weights(1000, 20, [200, 500], [12, 10])
        np.testing.assert_array_equal(many.contrast[0], weights(1000, 20, 200, 12).contrast)

    @pytest.mark.parametrize("counts", [(100, 0, 10, 0), (100, 100, 10, 5), (100, 9, 10, 11), (10, 6, 6, 1)])
    def test_counts_that_contradict_each_other_are_refused(self, counts):
        with pytest.raises(UsageError, match="contradict"):
            weights(*counts)


class TestIndependence:
    def test_one_pattern_expects_exactly_the_deposits_there_are(self):
        present, _ = planted_cells()
        found = weights(1000, 20, [200], [12])
        test = independence(present[:, None], found, 20)
        assert test.expected == pytest.approx(20)
        assert test.statistic == pytest.approx(0, abs=1e-9)
        assert test.p == pytest.approx(0.5)
        inside, outside = 0.06**2 * (1 / 20 + 1 / 12 + 1 / 188), 0.01**2 * (1 / 20 + 1 / 8 + 1 / 792)
        assert test.error == pytest.approx(np.sqrt(200**2 * inside + 800**2 * outside))

    def test_a_pattern_said_four_times_expects_too_many(self):
        present, _ = planted_cells()
        found = weights(1000, 20, [200] * 4, [12] * 4)
        test = independence(np.repeat(present[:, None], 4, axis=1), found, 20)
        assert test.expected > 60
        assert test.statistic > 0
        assert test.p < 0.2

    def test_independent_patterns_expect_about_the_deposits_there_are(self):
        rng = np.random.default_rng(0)
        deposit = np.arange(20000) < 400
        present = rng.random((20000, 3)) < np.where(deposit, 0.5, 0.2)[:, None]
        found = weights(20000, 400, present.sum(0), present[deposit].sum(0))
        assert independence(present, found, 400).expected == pytest.approx(400, rel=0.1)


class TestScorer:
    def test_a_planted_pattern_is_recovered_with_its_weights(self):
        present, deposit = planted_cells()
        noise = np.random.default_rng(0).standard_normal((1000, 3))
        scorer = fit(np.column_stack([noise, present]), deposit, critical=3.9)
        (pattern,) = scorer.patterns_
        assert pattern.feature == "c3 mean"
        assert (pattern.plus, pattern.minus) == pytest.approx((1.1403, -0.7033), abs=5e-4)
        score = scorer.score_table(scorer.train_)
        np.testing.assert_allclose(score, np.where(present, *posterior(0.5, [pattern.plus, pattern.minus])))
        assert scorer.prior_ == 0.02

    @pytest.mark.parametrize("sign", [1, -1])
    def test_the_cut_is_where_ore_begins_in_either_direction(self, sign):
        cell = np.arange(1001)
        value, every = cell / 1000, np.where(cell > 700, 5, 50)
        scorer = fit(sign * value[:, None], cell % every == 0)
        assert sign * scorer.patterns_[0].cut == pytest.approx(0.7, abs=2e-3)
        assert np.sign(scorer.patterns_[0].contrast) == sign

    def test_without_a_pattern_that_passes_the_best_one_is_used(self):
        present, deposit = planted_cells()
        values = np.column_stack([np.random.default_rng(0).standard_normal(1000), present])
        assert [p.feature for p in fit(values, deposit, critical=50).patterns_] == ["c1 mean"]

    def test_layers_that_are_flat_say_nothing(self):
        _, deposit = planted_cells()
        scorer = fit(np.ones((1000, 2)), deposit)
        np.testing.assert_array_equal(scorer.score_table(scorer.train_), 0.5)

    def test_only_areas_are_counted(self):
        present, deposit = planted_cells()
        again = np.repeat(np.arange(1000), 3)
        number = np.where(np.arange(3000) % 3 == 0, again + 1, 0)
        scorer = fit(present[again, None], deposit[again], number)
        assert scorer.counted_ == 1000
        assert scorer.patterns_[0].studentised == pytest.approx(3.977, abs=5e-4)
        assert fit(present[again, None], deposit[again]).patterns_[0].studentised > 6

    def test_areas_of_one_class_fall_back_on_all_windows_and_say_so(self):
        present, deposit = planted_cells()
        with pytest.warns(DesignWarning, match=r"0 of 980 training areas.*1000 windows"):
            scorer = fit(present[:, None], deposit, np.where(deposit, 0, 1))
        assert scorer.counted_ == 1000

    def test_scores_keep_their_order_when_many_patterns_agree(self):
        rng = np.random.default_rng(1)
        deposit = np.arange(1000) < 100
        values = rng.random((1000, 90)) < np.where(deposit, 0.8, 0.2)[:, None]
        scorer = fit(values, deposit)
        assert sum(pattern.plus for pattern in scorer.patterns_) > 60
        score = scorer.score_table(scorer.train_)
        count = values[:, [int(pattern.feature[1:-5]) for pattern in scorer.patterns_]].sum(axis=1)
        assert np.corrcoef(count, np.log(score / (1 - score)))[0, 1] > 0.99
        assert len(np.unique(score)) > 500
        assert score.max() < 1
        assert score.min() > 0

    def test_what_it_learnt_stands_in_the_record(self, tmp_path):
        present, deposit = planted_cells()
        learnt = fit(present[:, None], deposit).save(tmp_path)["learnt"]
        assert learnt["counted"] == 1000
        assert learnt["patterns"][0]["contrast"] == pytest.approx(1.8436, abs=5e-4)
        assert learnt["independence"]["expected"] == pytest.approx(20)
