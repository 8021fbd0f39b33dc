"""The Recipe learns from the training windows alone and gives back what it was given."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossan.errors import DataError, UsageError
from gossan.grid import make_grid
from gossan.recipe import OTHER, VALID, Recipe, WindowSet, covered_pixels
from gossan.survey import make_stack
from gossan.windows import cut_windows, gather


@pytest.fixture
def stack():
    rng = np.random.default_rng(0)
    grid = make_grid((0, 0, 6400, 6400), 100, "EPSG:32650")
    layers = {name: rng.normal(size=(64, 64)).astype(np.float32) for name in ("Cu", "Zn")}
    layers["Zn"][:, 40:48] = np.nan
    mask = np.ones((64, 64), dtype=bool)
    mask[:8, :8] = False
    classes = np.zeros((64, 64), dtype=np.int16)
    classes[:, 20:] = 1
    classes[60:62, 62:] = 2
    return make_stack(grid, layers, {}, classes=classes, class_names=["shale", "lime", "dyke"], mask=mask)


@pytest.fixture
def windows(stack):
    return cut_windows(stack.odc.geobox, 16, valid=stack["valid"].values)


def test_training_windows_have_mean_0_and_deviation_1_over_their_own_pixels(stack, windows):
    train = windows.iloc[:6]
    recipe = Recipe.fit(stack, train, ["Cu", "Zn"])
    values, valid = WindowSet(stack, train, recipe).read_masked(np.arange(6))
    copper = values[:, 0][valid]
    assert copper.mean() == pytest.approx(0, abs=1e-5)
    assert copper.std() == pytest.approx(1, abs=1e-5)


def test_nothing_outside_the_training_windows_changes_the_recipe(stack, windows):
    train = windows.iloc[:6]
    before = Recipe.fit(stack, train, ["Cu", "Zn"])
    outside = ~covered_pixels(train, (64, 64))
    stack["layers"].values[:, outside] *= 100
    stack["classes"].values[outside] = 2
    assert Recipe.fit(stack, train, ["Cu", "Zn"]) == before


def test_masked_pixels_are_0_in_every_channel_and_the_valid_channel_says_so(stack, windows):
    recipe = Recipe.fit(stack, windows, ["Cu", "Zn"])
    values, valid = recipe.apply(gather(stack, windows.iloc[:1]))
    assert not valid[0, :8, :8].any()
    assert (values[0][:, :8, :8] == 0).all()
    np.testing.assert_array_equal(values[:, recipe.channels.index(VALID)], valid)


def test_a_missing_value_becomes_the_training_mean(stack, windows):
    recipe = Recipe.fit(stack, windows, ["Cu", "Zn"])
    batch = gather(stack, windows)
    values, valid = recipe.apply(batch)
    missing = np.isnan(batch[:, 1]) & valid
    assert missing.any()
    assert (values[:, 1][missing] == 0).all()


def test_rare_and_unseen_classes_are_other_and_every_valid_pixel_has_one_class(stack, windows):
    recipe = Recipe.fit(stack, windows, ["Cu"])
    assert recipe.classes == ("shale", "lime")
    values, valid = recipe.apply(gather(stack, windows))
    one_hot = values[:, recipe.class_channels]
    np.testing.assert_array_equal(one_hot.sum(axis=1), valid)
    assert recipe.channels[-2] == f"geology: {OTHER}"
    assert one_hot[:, -1].sum() == np.isin(stack["classes"].values, 2).sum()


def test_ordinal_geology_is_one_scaled_channel(stack, windows):
    recipe = Recipe.fit(stack, windows, ["Cu"], encoding="ordinal", valid=False)
    assert recipe.channels == ("Cu", "geology")
    assert list(recipe.class_channels) == [False, True]


def test_a_recipe_survives_json(stack, windows):
    import json

    recipe = Recipe.fit(stack, windows, ["Zn"])
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_other_channels_than_those_learnt_on_are_refused(stack, windows):
    recipe = Recipe.fit(stack, windows, ["Cu"])
    with pytest.raises(DataError, match="channels"):
        recipe.apply(np.zeros((1, 2, 16, 16), dtype=np.float32))
    with pytest.raises(UsageError, match="no channel 'Au'"):
        Recipe.fit(stack, windows, ["Au"])


def test_a_layer_without_values_in_the_training_part_is_refused(stack, windows):
    stack["layers"].values[0, :16] = np.nan
    with pytest.raises(DataError, match="'Cu' has no value"):
        Recipe.fit(stack, windows.iloc[:4], ["Cu"])


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=6), st.integers(1, 12)
)
@settings(deadline=None, max_examples=50)
def test_covered_pixels_are_those_of_some_window(corners, size):
    import pandas as pd

    table = pd.DataFrame(corners, columns=["row", "col"]).assign(size=size)
    truth = np.zeros((32, 32), dtype=bool)
    for row, col in corners:
        truth[row : row + size, col : col + size] = True
    np.testing.assert_array_equal(covered_pixels(table, (32, 32)), truth)
