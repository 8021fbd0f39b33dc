"""What is tried of each model, equally often, and options that nobody knows."""

import numpy as np
import pytest

from fake_windows import mapped, planted
from gossan.balance import BalanceSettings
from gossan.errors import UsageError
from gossan.models import ModelSettings, TrainingSettings, candidates, make_scorer, names
from gossan.models.tables import tabulate

FIXED = [*names("baseline"), "isolation-forest"]
TUNED = [name for name in names() if name not in FIXED]
ON_TABLES = [name for name in names("classical") if name in TUNED]


class TestCandidates:
    @pytest.mark.parametrize("name", names())
    def test_the_defaults_come_first_and_none_comes_twice(self, name):
        found = candidates(name, 99)
        assert found[0] == {}
        assert len({str(sorted(options.items())) for options in found}) == len(found)

    @pytest.mark.parametrize("budget", [1, 2, 4, 5, 99])
    def test_every_tuned_model_gets_the_same_number(self, budget):
        counts = {len(candidates(name, budget)) for name in TUNED}
        assert counts == {min(budget, 6)}
        assert {len(candidates(name, budget)) for name in FIXED} == {1}

    def test_a_budget_under_one_is_refused(self):
        with pytest.raises(UsageError, match="budget of 0"):
            candidates("svm", 0)

    def test_changing_a_candidate_changes_no_other_list(self):
        candidates("svm", 2)[1]["C"] = 99
        assert candidates("svm", 2)[1]["C"] != 99

    @pytest.mark.parametrize("name", ON_TABLES)
    def test_every_candidate_makes_a_model_of_its_own(self, name):
        windows, is_ore = planted(n=120, n_ore=30, channels=12, size=8, lift=0.3)
        table = tabulate(windows)
        scores = [
            make_scorer(name, options=options).fit_table(table, is_ore, seed=[0]).score_table(table)
            for options in candidates(name, 99)
        ]
        # A stricter critical value leaves out no pattern where all are strong.
        least = len(scores) - 2 * (name == "weights-of-evidence")
        assert len({score.round(6).tobytes() for score in scores}) >= least

    def test_learning_rates_are_multiples_of_the_presets(self):
        for preset in ("fast", "paper"):
            training = TrainingSettings(preset)
            rates = [options.get("lr") for options in candidates("resnet18", 3, training=training)]
            assert rates[1:] == [0.005, 0.02] if preset == "fast" else [0.01, 0.04]

    @pytest.mark.parametrize("name", names("network"))
    def test_the_candidates_of_a_network_are_fields_of_its_settings(self, name):
        for options in candidates(name, 99):
            scorer = make_scorer(name, options=options)
            for key, value in options.items():
                assert value == getattr(scorer.training, key, None) or value == getattr(scorer.model, key)


class TestOptions:
    @pytest.mark.parametrize("name", names())
    def test_an_unknown_option_is_refused(self, name):
        with pytest.raises(UsageError, match=rf"'colour' given for {name}; it takes .*leave it out"):
            make_scorer(name, options={"colour": 1})

    @pytest.mark.parametrize(
        ("name", "options", "allowed"),
        [
            ("logistic-regression", {"C": 0}, "a number above 0"),
            ("logistic-regression", {"C": "1"}, "a number above 0"),
            ("logistic-regression", {"C": float("inf")}, "a number above 0"),
            ("svm", {"gamma": "auto"}, "'scale' or a number above 0"),
            ("random-forest", {"max_features": 1.5}, "'sqrt' or 'log2' or a share above 0, at most 1"),
            ("random-forest", {"min_samples_leaf": 1.5}, "a whole number from 1"),
            ("gradient-boosting", {"learning_rate": 2}, "above 0, at most 1"),
            ("gradient-boosting", {"max_leaf_nodes": True}, "a whole number from 2"),
            ("weights-of-evidence", {"quantiles": 100}, "a whole number from 1 to 99"),
            ("pu-bagging", {"max_depth": 0}, "a whole number from 1 or None"),
        ],
    )
    def test_a_value_outside_its_range_is_refused(self, name, options, allowed):
        with pytest.raises(UsageError, match=allowed):
            make_scorer(name, options=options)

    @pytest.mark.parametrize("option", ["beta", "rates", "device", "preset", "name"])
    def test_a_plain_network_takes_no_option_of_mfaf_and_none_that_describes_the_run(self, option):
        with pytest.raises(UsageError, match=rf"'{option}'.*it takes width, weights, epochs"):
            make_scorer("resnet18", options={option: 1})

    def test_options_replace_fields_of_the_settings_given(self):
        scorer = make_scorer(
            "mfaf-resnet18",
            model=ModelSettings(beta=0.7, mix=True),
            training=TrainingSettings(epochs=3, lr=0.1),
            options={"beta": 0.0, "rates": [1, 2], "lr": 0.2},
        )
        assert (scorer.model.beta, scorer.model.mix, scorer.model.rates) == (0.0, True, (1, 2))
        assert (scorer.training.epochs, scorer.training.lr) == (3, 0.2)

    def test_a_networks_options_stand_in_its_record(self, tmp_path):
        windows, is_ore = planted(n=9, n_ore=3)
        scorer = make_scorer(
            "shufflenet-v2",
            training=TrainingSettings(epochs=1, batch=4, device="cpu"),
            options={"width": 0.5, "lr": 0.004},
        )
        scorer.fit(mapped(windows), is_ore, balance=BalanceSettings("weights"), seed=[0])
        record = scorer.save(tmp_path)
        assert (record["model"]["width"], record["training"]["lr"]) == (0.5, 0.004)

    def test_options_reach_the_estimator(self):
        windows, is_ore = planted(n=12, n_ore=4)
        options = {"n_estimators": 7, "min_samples_leaf": 3}
        scorer = make_scorer("random-forest", options=options)
        scorer.fit_table(tabulate(windows), is_ore, seed=[0])
        assert len(scorer.estimator_.estimators_) == 7
        assert scorer.estimator_.min_samples_leaf == 3
        assert scorer.values == options | {"max_features": "sqrt"}
        assert np.isfinite(scorer.score_table(tabulate(windows))).all()
