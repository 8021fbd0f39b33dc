import numpy as np
import odc.geo.xr  # registers .odc
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from gossan.errors import UsageError
from gossan.grid import make_grid
from gossan.survey import Deposits, Samples, Survey, find_camps, make_stack, sample_spacing

assert odc.geo.xr
# odc-geo multiplies Affines by *, which affine 3.1 announces to deprecate
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")
UTM = "EPSG:32649"


@pytest.fixture
def grid():
    return make_grid((421_000, 2_400_000, 421_300, 2_400_200), 50, UTM)


def linked(coordinates, reach):
    """Single linkage by repeated flooding, as a check."""
    near = np.hypot(*(coordinates[:, None] - coordinates[None]).transpose(2, 0, 1)) < reach
    camp = np.arange(len(coordinates))
    while True:
        new = np.where(near, camp, len(camp)).min(axis=1)
        if (new == camp).all():
            return camp
        camp = new


@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 25),
    st.integers(1, 25),
    st.sampled_from([0.1, 1.0, 25.0, 33.3, 12.5]),
    st.integers(-200, 30_000),
    st.integers(-100_000, 200_000),
)
def test_the_geobox_of_a_stack_is_the_grid_it_was_made_on(rows, cols, resolution, left, top):
    grid = GeoBox(
        (rows, cols), Affine(resolution, 0, left * resolution, 0, -resolution, top * resolution), UTM
    )
    stack = make_stack(
        grid, {"Au": np.zeros(grid.shape, np.float32)}, {}, classes=np.zeros(grid.shape, np.int16)
    )
    assert stack.odc.geobox == grid
    assert stack["layers"].odc.geobox == grid
    assert stack["classes"].odc.geobox == grid


def test_a_stack_holds_what_it_was_given(grid):
    layers = {
        name: np.full(grid.shape, value, np.float32) for name, value in (("Au", 1), ("fault distance", 2))
    }
    units = {"Au": "log10(ppb)", "fault distance": "m"}
    stack = make_stack(
        grid, layers, units, classes=np.ones(grid.shape, np.int64), class_names=["slate", "chert"]
    )
    assert list(stack["channel"].values) == ["Au", "fault distance"]
    assert list(stack["units"].values) == ["log10(ppb)", "m"]
    assert stack["layers"].dims == ("channel", "y", "x")
    assert stack["layers"].dtype == np.float32
    assert stack["classes"].dtype == np.int16
    assert stack.attrs["class_names"] == ["slate", "chert"]
    np.testing.assert_array_equal(stack["layers"].values, np.stack(list(layers.values())))


def test_a_pixel_is_valid_inside_the_mask_where_any_layer_has_a_value(grid):
    first, second = np.zeros((2, *grid.shape), np.float32)
    first[0], second[0, :2], second[1] = np.nan, np.nan, np.nan
    mask = np.ones(grid.shape, bool)
    mask[:, -1] = False
    stack = make_stack(grid, {"a": first, "b": second}, {}, classes=np.zeros(grid.shape, np.int16), mask=mask)
    expected = mask.copy()
    expected[0, :2] = False
    np.testing.assert_array_equal(stack["valid"].values, expected)
    assert np.isnan(stack["layers"].values[:, ~expected]).all()
    assert (stack["classes"].values == np.where(expected, 0, -1)).all()
    assert stack["layers"].values[0, 1, 0] == 0
    assert first[1, -1] == 0  # the layers given stay as they were


def test_a_stack_refuses_what_is_not_on_its_grid(grid):
    good, bad = np.zeros(grid.shape, np.float32), np.zeros((3, 3), np.float32)
    with pytest.raises(UsageError, match="no layer"):
        make_stack(grid, {}, {})
    with pytest.raises(UsageError, match="another shape of Cu"):
        make_stack(grid, {"Au": good, "Cu": bad}, {})
    with pytest.raises(UsageError, match="another shape of classes, mask"):
        make_stack(grid, {"Au": good}, {}, classes=bad.astype(np.int16), mask=bad > 0)


def test_the_crs_of_a_survey_is_short_text(grid):
    import pandas as pd

    nothing = np.empty((0, 2))
    survey = Survey("none", grid, Samples(nothing, pd.DataFrame(), {}), Deposits(nothing, ()))
    assert survey.crs == UTM
    assert len(survey.samples) == len(survey.deposits) == 0


@pytest.mark.parametrize("seed", range(5))
def test_camps_are_the_single_linkage_clusters(seed):
    rng = np.random.default_rng(seed)
    middles = rng.uniform(0, 40_000, (10, 2))
    coordinates = middles[rng.integers(0, 10, 40)] + rng.normal(0, 500, (40, 2))
    reach = max(1500.0, 2 * sample_spacing(coordinates))
    camps, flooded = find_camps(coordinates, 1500.0), linked(coordinates, reach)
    np.testing.assert_array_equal(camps[:, None] == camps, flooded[:, None] == flooded)
    numbers, first = np.unique(camps, return_index=True)
    np.testing.assert_array_equal(numbers, np.arange(1, len(numbers) + 1))
    assert (np.diff(first) > 0).all()


def test_deposits_exactly_one_window_apart_are_two_camps():
    coordinates = np.array([(0, 0), (1, 0), (0, 1), (1000, 0), (1001, 0)], dtype=float)
    assert find_camps(coordinates, 999.0).tolist() == [1, 1, 1, 2, 2]
    assert find_camps(coordinates, 999.01).tolist() == [1, 1, 1, 1, 1]


def test_camps_reach_at_least_twice_the_median_spacing():
    line = np.column_stack((np.arange(6) * 100.0, np.zeros(6)))
    assert find_camps(line, 10.0).tolist() == [1] * 6


@pytest.mark.parametrize("count", [0, 1])
def test_none_or_one_deposit_makes_as_many_camps(count):
    assert find_camps(np.zeros((count, 2)), 100.0).tolist() == [1] * count


def test_coincident_deposits_are_one_camp():
    assert find_camps(np.zeros((4, 2)), 100.0).tolist() == [1] * 4


def test_sample_spacing_does_not_count_repeated_positions():
    positions = np.array([(0, 0), (0, 0), (0, 0), (100, 0), (200, 0)], dtype=float)
    assert sample_spacing(positions) == 100
    assert np.isnan(sample_spacing(positions[:3]))
