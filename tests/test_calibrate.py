"""From balanced scores to probabilities: what must be true of a calibration."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from gossan.calibrate import ISOTONIC_ORE, Calibrator, fit_calibrator
from gossan.errors import DataError


def drawn(n, prevalence, *, slope=1.0, seed=0):
    """Balanced scores of a model whose log odds are `slope` times the true ones, and the truth."""
    rng = np.random.default_rng(seed)
    odds = logit(prevalence) + rng.normal(0, 1.5, n)
    is_ore = rng.random(n) < expit(odds)
    true_balanced = odds - logit(prevalence)
    return expit(true_balanced * slope), is_ore


@given(st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_an_uninformative_score_gives_the_prevalence(prevalence, score):
    calibrator = Calibrator(prevalence)
    assert calibrator.apply([0.5])[0] == pytest.approx(prevalence)
    odds = score / (1 - score) * prevalence / (1 - prevalence)
    assert calibrator.apply([score])[0] == pytest.approx(odds / (1 + odds))


def test_the_balanced_score_of_smote_and_of_none_give_one_probability():
    """logit(p) + logit(pi) - logit(pi_train), whatever share of ore was trained on."""
    prevalence, trained = 0.03, 0.4
    seen = np.array([0.2, 0.5, 0.8])  # what a network trained on 40 % ore says
    balanced = expit(logit(seen) - logit(trained))
    expected = expit(logit(seen) + logit(prevalence) - logit(trained))
    assert Calibrator(prevalence).apply(balanced) == pytest.approx(expected)


def test_a_calibrated_model_keeps_its_line_and_an_overconfident_one_is_flattened():
    score, is_ore = drawn(4000, 0.04)
    assert is_ore.sum() < ISOTONIC_ORE * 4
    few = slice(0, 1500)
    fair = fit_calibrator(score[few], is_ore[few], prevalence=0.04)
    loud_score, loud_ore = drawn(1500, 0.04, slope=3.0)
    loud = fit_calibrator(loud_score, loud_ore, prevalence=0.04)
    assert fair.kind == loud.kind == "platt"
    assert fair.slope == pytest.approx(1.0, abs=0.25)
    assert loud.slope == pytest.approx(1 / 3, abs=0.12)


def test_the_slope_stays_near_one_with_hardly_any_ore():
    rng = np.random.default_rng(1)
    score, is_ore = rng.random(60), np.arange(60) < 2
    assert abs(fit_calibrator(score, is_ore, prevalence=1 / 30).slope - 1) < 0.6


def test_the_expected_number_of_ore_windows_is_the_observed_one():
    """The free intercept makes the sum of the probabilities the number of ore windows."""
    score, is_ore = drawn(800, 0.05, slope=2.0, seed=3)
    calibrator = fit_calibrator(score, is_ore, prevalence=0.3)  # a wrong prevalence is put right
    assert calibrator.apply(score).sum() == pytest.approx(is_ore.sum(), rel=1e-6)


def test_isotonic_from_200_ore_windows_on_and_rising():
    score, is_ore = drawn(9000, 0.05, slope=2.0, seed=4)
    calibrator = fit_calibrator(score, is_ore, prevalence=0.05)
    assert is_ore.sum() >= ISOTONIC_ORE
    assert calibrator.kind == "isotonic"
    grid = calibrator.apply(np.linspace(0, 1, 50))
    assert (np.diff(grid) >= 0).all()
    assert grid.min() >= 0
    assert grid.max() <= 1


def test_one_class_undoes_the_balance_only():
    assert fit_calibrator([0.2, 0.4], [False, False], prevalence=0.1) == Calibrator(0.1)


@pytest.mark.parametrize(("score", "is_ore"), [drawn(300, 0.1), drawn(9000, 0.05)])
def test_a_calibration_survives_json(score, is_ore):
    made = fit_calibrator(score, is_ore, prevalence=0.1)
    again = Calibrator.from_dict(json.loads(json.dumps(made.to_dict())))
    assert again == made
    assert (again.apply(score) == made.apply(score)).all()


@pytest.mark.parametrize(
    ("score", "prevalence"), [([np.nan, 0.1], 0.1), ([0.2, 0.1], 0.0), ([0.2, 0.1], 1.0)]
)
def test_nonsense_is_refused(score, prevalence):
    with pytest.raises(DataError, match="calibration needs"):
        fit_calibrator(score, [True, False], prevalence=prevalence)
