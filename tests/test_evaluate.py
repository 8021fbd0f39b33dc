"""What one fold may learn from: its training part and nothing else."""

import numpy as np
import pandas as pd
import pytest

from gossan.balance import BalanceSettings
from gossan.errors import DataError
from gossan.evaluate import Ground, fit_part, predictions, screen_part, training_samples
from gossan.grid import make_grid
from gossan.models import make_scorer
from gossan.recipe import WindowSet
from gossan.screen import ScreenSettings
from gossan.split import check_folds, spatial_folds
from gossan.survey import Samples, make_stack
from gossan.windows import cut_windows, deposits_in

DISTANCE = 400.0


@pytest.fixture(scope="module")
def deposits():
    rng = np.random.default_rng(4)
    camps = rng.uniform(1000, 24_600, (14, 2))
    return np.repeat(camps, 2, axis=0) + rng.normal(0, 150, (28, 2))


@pytest.fixture(scope="module")
def samples(deposits):
    rng = np.random.default_rng(5)
    coordinates = np.concatenate(
        [rng.uniform(0, 25_600, (800, 2)), deposits + rng.normal(0, 200, deposits.shape)]
    )
    values = pd.DataFrame(rng.normal(size=(len(coordinates), 2)), columns=["Cu", "Zn"])
    return Samples(coordinates, values, {})


@pytest.fixture(scope="module")
def ground(deposits):
    rng = np.random.default_rng(6)
    grid = make_grid((0, 0, 25_600, 25_600), 100, "EPSG:32650")
    layers = {name: rng.normal(size=(256, 256)).astype(np.float32) for name in ("Cu", "Zn")}
    stack = make_stack(grid, layers, {})
    windows = cut_windows(grid, 16, strides=(16, 8))
    windows["deposits"] = deposits_in(windows, grid, deposits)
    windows["camp"] = np.where(windows["deposits"] > 0, 1, 0)
    return Ground(stack, windows)


@pytest.fixture(scope="module")
def fold(ground):
    folds = spatial_folds(ground.windows, ground.is_ore, folds=4, seed=0)
    check_folds(ground.windows, folds, dead_zone=16)
    return folds[0]


def test_samples_of_the_test_part_and_of_the_dead_zone_are_not_used(samples, ground, fold, deposits):
    train, test = fold
    used, is_ore, covered = training_samples(samples, ground, train, deposits, DISTANCE)
    rows = ((25_600 - samples.coordinates[:, 1]) // 100).astype(int).clip(0, 255)
    cols = (samples.coordinates[:, 0] // 100).astype(int).clip(0, 255)
    tested = np.zeros((256, 256), dtype=bool)
    for row, col in ground.windows.iloc[test][["row", "col"]].to_numpy():
        tested[row : row + 16, col : col + 16] = True
    assert not (covered & tested).any()
    assert not tested[rows[used], cols[used]].any()
    assert not (is_ore & ~used).any()


def test_a_sample_near_a_deposit_outside_the_training_part_is_dropped_not_barren(
    samples, ground, fold, deposits
):
    used, is_ore, covered = training_samples(samples, ground, fold[0], deposits, DISTANCE)
    inside = covered[
        ((25_600 - deposits[:, 1]) // 100).astype(int).clip(0, 255), (deposits[:, 0] // 100).astype(int)
    ]
    barren = samples.coordinates[used & ~is_ore]
    to_foreign = np.hypot(*(barren[:, None] - deposits[~inside]).transpose(2, 0, 1))
    assert to_foreign.min() > DISTANCE


def test_values_outside_the_training_part_do_not_change_the_screening(samples, ground, fold, deposits):
    settings = ScreenSettings(draws=2, folds=2)
    how = {"distance": DISTANCE, "block": 6400.0, "settings": settings, "seed": [1]}
    camp = np.repeat(np.arange(1, 15), 2)
    used, *_ = training_samples(samples, ground, fold[0], deposits, DISTANCE)
    other = samples.values.copy()
    other.loc[~used] = 1e6
    with pytest.warns():
        first = screen_part(samples, ground, fold[0], deposits, camp, **how)
    with pytest.warns():
        second = screen_part(Samples(samples.coordinates, other, {}), ground, fold[0], deposits, camp, **how)
    pd.testing.assert_frame_equal(first, second)


def test_too_few_ore_samples_are_refused_with_what_to_do(samples, ground, fold, deposits):
    with pytest.raises(DataError, match="ore_distance"):
        screen_part(
            samples,
            ground,
            fold[0],
            deposits,
            np.ones(len(deposits), dtype=np.int64),
            distance=0.001,
            block=6400.0,
            settings=ScreenSettings(),
            seed=[0],
        )


def test_the_probability_undoes_the_balancing(ground, fold):
    train, test = fold
    scorer = make_scorer("logistic-regression")
    recipe, fitted = fit_part(ground, train, ["Cu"], scorer, balance=BalanceSettings(), seed=[0])
    answer = fitted.predict(WindowSet(ground.stack, ground.windows.iloc[test], recipe))
    table = predictions(ground, test, answer, prevalence=0.2, repeat=0, fold=1)
    odds = table["probability"] / (1 - table["probability"])
    np.testing.assert_allclose(odds, table["score"] / (1 - table["score"]) * 0.25)
    assert (table["number"] > 0).all()
