"""Camps held out inside a training part, and the paper's test sets."""

import numpy as np
import pandas as pd
import pytest

from gossan.balance import BalanceSettings
from gossan.calibrate import Calibrator
from gossan.evaluate import Ground, InnerDesign, choose, fit_part, inner_folds, paper_predictions
from gossan.grid import make_grid
from gossan.metrics import summarise
from gossan.models import make_scorer
from gossan.split import check_folds
from gossan.survey import make_stack
from gossan.windows import cut_windows, deposits_in


@pytest.fixture(scope="module")
def ground():
    """12 camps of two deposits on a map of 24 x 24 areas, with an anomaly of copper over each."""
    rng = np.random.default_rng(3)
    grid = make_grid((0, 0, 38_400, 38_400), 100, "EPSG:32650")
    camps = rng.uniform(1500, 36_900, (12, 2))
    deposits = np.repeat(camps, 2, axis=0) + rng.normal(0, 150, (24, 2))
    north, east = np.mgrid[38_350:0:-100, 50:38_400:100]
    halo = sum(np.exp(-((east - x) ** 2 + (north - y) ** 2) / 1500**2) for x, y in camps)
    copper = (halo + 0.3 * rng.normal(size=(384, 384))).astype(np.float32)
    stack = make_stack(grid, {"Cu": copper}, {})
    windows = cut_windows(grid, 16, strides=(16, 8))
    windows["deposits"] = deposits_in(windows, grid, deposits)
    row, col = windows["row"].to_numpy() + 8, windows["col"].to_numpy() + 8
    centre = np.column_stack([col * 100, 38_400 - row * 100])
    nearest = np.argmin(((centre[:, None] - camps) ** 2).sum(axis=2), axis=1) + 1
    windows["camp"] = np.where(windows["deposits"] > 0, nearest, 0)
    return Ground(stack, windows)


def test_inner_folds_are_spatial_and_lie_inside_the_training_part(ground):
    index = np.flatnonzero(ground.windows["col"].to_numpy() < 300)
    folds = inner_folds(ground, index, InnerDesign(3, 64, 16), seed=[1])
    assert len(folds) == 3
    part = ground.windows.iloc[index].reset_index(drop=True)
    check_folds(part, folds, dead_zone=0, camp=part["camp"].to_numpy())


def test_without_enough_camps_there_are_no_inner_folds(ground):
    one = np.flatnonzero((ground.windows["camp"] <= 2).to_numpy())
    assert inner_folds(ground, one, InnerDesign(3, 64, 16), seed=[1]) == []
    assert inner_folds(ground, one, InnerDesign(0, 64, 16), seed=[1]) == []


def scores(auc_like, seed=0):
    """A fold of 60 areas, 6 of them ore, that a model tells apart more or less."""
    rng = np.random.default_rng(seed)
    is_ore = np.arange(60) < 6
    score = 1 / (1 + np.exp(-(rng.normal(size=60) + auc_like * is_ore)))
    table = {"repeat": 0, "fold": seed, "number": np.arange(1, 61), "score": score, "vote": score > 0.5}
    table |= {
        "probability": score,
        "is_ore": is_ore,
        "deposits": 1 * is_ore,
        "camp": is_ore * np.arange(1, 61),
    }
    return pd.DataFrame(table)


def test_the_configuration_that_finds_inner_camps_best_is_chosen():
    weak, good = [scores(0.2, k) for k in range(3)], [scores(3.0, k) for k in range(3)]
    tuned = choose([{}, {"C": 1.0}], [weak, good], prevalence=0.1)
    assert tuned.options == {"C": 1.0}
    assert tuned.aucs[1] > tuned.aucs[0]
    assert tuned.calibrator.kind == "platt"
    assert choose([{}, {"C": 1.0}], [good, good], prevalence=0.1).options == {}


def test_without_inner_scores_the_first_configuration_is_kept_and_only_the_balance_undone():
    tuned = choose([{"C": 2.0}, {}], [[], []], prevalence=0.04)
    assert tuned.options == {"C": 2.0}
    assert tuned.calibrator == Calibrator(0.04)
    assert tuned.note


def test_the_papers_test_set_has_four_times_the_ore_and_is_the_same_twice(ground):
    rng = np.random.default_rng(0)
    order = rng.permutation(len(ground.windows))
    train, test = np.sort(order[:-300]), np.sort(order[-300:])
    scorer = make_scorer("logistic-regression")
    recipe, fitted = fit_part(ground, train, ["Cu"], scorer, balance=BalanceSettings(), seed=[0])
    made = [paper_predictions(ground, test, recipe, fitted, repeat=0, fold=0, seed=[5]) for _ in range(2)]
    pd.testing.assert_frame_equal(*made)
    real = ground.is_ore[test].sum()
    assert made[0]["is_ore"].sum() == 4 * real
    barren = (~ground.is_ore[test]).sum()
    assert (~made[0]["is_ore"]).sum() == barren + round(0.05 * barren)
    assert made[0].loc[made[0]["is_ore"], "camp"].min() > 0
    assert made[0]["number"].is_unique or made[0].duplicated("number").sum() == 0
    assert 0.5 < summarise(made[0])["auc"]["mean"] <= 1
