import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from gossan.errors import DataError, UsageError
from gossan.grid import make_grid
from gossan.runs import Store
from gossan.survey import make_stack
from gossan.windows import WindowSettings, cut_windows, deposits_in, gather, stitch, window_size

CRS = "EPSG:32649"


def grid_of(rows: int, cols: int, resolution: float = 25.0) -> GeoBox:
    return make_grid((0.0, 0.0, cols * resolution, rows * resolution), resolution, CRS)


sides = st.integers(1, 40)
maps = st.tuples(st.integers(1, 60), st.integers(1, 60))


def test_the_papers_map_has_144_areas_numbered_row_by_row_from_the_north_west():
    areas = cut_windows(grid_of(1560, 1560), 128)
    assert areas["number"].tolist() == list(range(1, 145))
    assert areas.iloc[0][["row", "col"]].tolist() == [0, 0]
    assert areas.iloc[12][["row", "col"]].tolist() == [128, 0]
    assert areas.iloc[129][["row", "col"]].tolist() == [10 * 128, 9 * 128]
    assert (areas["stride"] == 128).all()
    assert (areas["valid_share"] == 1).all()


def test_strides_104_110_and_256_give_the_papers_428_windows_each_place_listed_once():
    windows = cut_windows(grid_of(1560, 1560), 128, strides=(104, 110, 256))
    row, col = windows["row"], windows["col"]
    counts = [((row % stride == 0) & (col % stride == 0)).sum() for stride in (104, 110, 256)]
    assert counts == [196, 196, 36]
    assert sum(counts) == 428
    assert not windows.duplicated(["row", "col"]).any()


def test_numbers_are_given_before_invalid_windows_are_dropped():
    valid = np.ones((96, 96), dtype=bool)
    valid[:32, :32] = False
    valid[32:64, 32:48] = False
    areas = cut_windows(grid_of(96, 96), 32, valid=valid)
    assert areas["number"].tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
    assert areas.loc[areas["number"] == 5, "valid_share"].item() == 0.5
    assert 5 not in cut_windows(grid_of(96, 96), 32, valid=valid, min_valid=0.51)["number"].tolist()


@given(maps, sides, st.lists(st.integers(1, 30), max_size=3), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_every_window_lies_inside_and_its_valid_share_is_the_mean_of_the_mask(shape, size, strides, seed):
    size = min(size, *shape)
    valid = np.random.default_rng(seed).random(shape) < 0.6
    windows = cut_windows(grid_of(*shape), size, strides=strides, valid=valid, min_valid=0)
    for window in windows.itertuples():
        part = valid[window.row : window.row + size, window.col : window.col + size]
        assert part.shape == (size, size)
        assert window.valid_share == part.mean()
    kept = cut_windows(grid_of(*shape), size, strides=strides, valid=valid, min_valid=0.6)
    assert len(kept) == (windows["valid_share"] >= 0.6).sum()
    assert not windows.duplicated(["row", "col"]).any()


@given(maps, sides, st.lists(st.integers(1, 30), max_size=3), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_areas_cover_every_pixel_once_whatever_other_strides_are_cut(shape, size, strides, offset):
    size = min(size, *shape)
    offset = min(offset, min(shape) - size)
    windows = cut_windows(grid_of(*shape), size, strides=strides, offsets=(offset,))
    areas = windows[windows["number"] > 0]
    covered = np.zeros(shape, dtype=int)
    for area in areas.itertuples():
        covered[area.row : area.row + size, area.col : area.col + size] += 1
    down, across = (side // size * size for side in shape)
    assert (covered[:down, :across] == 1).all()
    assert covered.sum() == down * across
    assert areas["number"].tolist() == list(range(1, len(areas) + 1))
    rows_cols = {
        (r, c)
        for s in strides
        for r in range(offset, shape[0] - size + 1, s)
        for c in range(offset, shape[1] - size + 1, s)
    }
    listed = set(zip(windows["row"], windows["col"], strict=True))
    assert listed == rows_cols | set(zip(areas["row"], areas["col"], strict=True))


@given(maps, sides, st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_a_raster_cut_and_stitched_comes_back(shape, size, seed):
    size = min(size, *shape)
    grid = grid_of(*shape)
    raster = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    areas = cut_windows(grid, size)
    back = stitch(gather(make_stack(grid, {"a": raster}, {}), areas)[:, 0], areas, shape)
    down, across = (side // size * size for side in shape)
    np.testing.assert_array_equal(back[:down, :across], raster[:down, :across])
    assert np.isnan(back[down:]).all()
    assert np.isnan(back[:, across:]).all()


def test_stitch_fills_each_area_with_its_value_and_leaves_the_margin_empty():
    areas = cut_windows(grid_of(5, 4), 2).iloc[[0, 3]]
    np.testing.assert_array_equal(
        stitch(np.array([0.25, 0.75]), areas, (5, 4)),
        np.float32([[0.25, 0.25, np.nan, np.nan]] * 2 + [[np.nan, np.nan, 0.75, 0.75]] * 2 + [[np.nan] * 4]),
    )


def test_stitch_refuses_windows_that_are_no_areas_and_values_of_another_length():
    windows = cut_windows(grid_of(8, 8), 4, strides=(2,))
    with pytest.raises(UsageError, match="without a number"):
        stitch(np.zeros(len(windows)), windows, (8, 8))
    with pytest.raises(UsageError, match="one per area"):
        stitch(np.zeros(3), cut_windows(grid_of(8, 8), 4), (8, 8))


def test_gather_gives_layers_then_classes_with_missing_as_nan_in_the_order_asked():
    grid = grid_of(6, 7)
    rng = np.random.default_rng(0)
    layers = {name: rng.normal(size=(6, 7)).astype(np.float32) for name in ("a", "b")}
    layers["b"][2, 3] = np.nan
    classes = rng.integers(-1, 3, size=(6, 7)).astype(np.int16)
    stack = make_stack(grid, layers, {}, classes=classes, class_names=("x", "y", "z"))
    windows = cut_windows(grid, 3, strides=(1,)).sample(frac=1, random_state=0)
    batch = gather(stack, windows)
    assert batch.shape == (len(windows), 3, 3, 3)
    assert batch.dtype == np.float32
    assert batch.transpose(0, 2, 3, 1).flags.c_contiguous
    for got, window in zip(batch, windows.itertuples(), strict=True):
        place = slice(window.row, window.row + 3), slice(window.col, window.col + 3)
        np.testing.assert_array_equal(got[0], layers["a"][place])
        np.testing.assert_array_equal(got[1], layers["b"][place])
        expected = classes[place].astype(float)
        expected[expected < 0] = np.nan
        np.testing.assert_array_equal(got[2], expected)
    assert gather(make_stack(grid, layers, {}), windows).shape[1] == 2


def test_gather_writes_over_an_earlier_batch_where_asked():
    rng = np.random.default_rng(0)
    grid = grid_of(40, 30)
    layers = {name: rng.normal(size=(40, 30)).astype(np.float32) for name in ("a", "b")}
    classes = rng.integers(-1, 3, size=(40, 30)).astype(np.int16)
    stack = make_stack(grid, layers, {}, classes=classes, class_names=("x", "y", "z"))
    windows = cut_windows(grid, 5, strides=(5,))
    room = gather(stack, windows.iloc[:7])
    again = gather(stack, windows.iloc[9:13], out=room)
    assert np.shares_memory(again, room)
    np.testing.assert_array_equal(again, gather(stack, windows.iloc[9:13]))
    with pytest.raises(UsageError, match="out is float32"):
        gather(stack, windows.iloc[:8], out=room)


def test_the_layers_of_a_pixel_are_neighbours_in_memory_and_stay_so_in_the_store(tmp_path):
    rng = np.random.default_rng(0)
    grid = grid_of(40, 30)
    layers = {name: rng.normal(size=(40, 30)).astype(np.float32) for name in ("a", "b", "c")}
    stack = make_stack(grid, layers, {})
    store = Store(tmp_path)
    store.put("ab12", {"stack": stack})
    for each in (stack, store.get("ab12")["stack"]):
        values = each["layers"].values
        assert values.transpose(1, 2, 0).flags.c_contiguous
        np.testing.assert_array_equal(values, np.stack(list(layers.values())))


def test_gather_from_a_memory_map_costs_little_more_than_the_windows_asked(tmp_path):
    import xarray as xr

    shape = (6, 900, 900)
    layers = np.memmap(tmp_path / "layers.bin", dtype=np.float32, mode="w+", shape=shape)
    layers[:] = np.arange(900, dtype=np.float32)
    classes = np.memmap(tmp_path / "classes.bin", dtype=np.int16, mode="w+", shape=shape[1:])
    stack = xr.Dataset({"layers": (("channel", "y", "x"), layers), "classes": (("y", "x"), classes)})
    windows = cut_windows(grid_of(900, 900), 64).iloc[5:13]
    tracemalloc.start()
    batch = gather(stack, windows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert batch[0, 0, 0, 0] == windows["col"].iloc[0]
    assert peak < 2 * batch.nbytes
    assert peak < layers.nbytes / 10


def test_gather_refuses_windows_of_another_map_and_of_two_sizes():
    stack = make_stack(grid_of(20, 20), {"a": np.zeros((20, 20), np.float32)}, {})
    with pytest.raises(UsageError, match="reach over the map"):
        gather(stack, cut_windows(grid_of(30, 30), 10))
    with pytest.raises(UsageError, match="one size"):
        gather(stack, cut_windows(grid_of(20, 20), 10).assign(size=[10, 10, 5, 5]))
    assert gather(stack, cut_windows(grid_of(20, 20), 10).iloc[:0]).shape[:2] == (0, 1)


def test_a_deposit_on_the_west_or_north_edge_belongs_to_the_window():
    grid = grid_of(64, 64, 10.0)  # windows of 320 m; their edges are at 320 m east and north
    areas = cut_windows(grid, 32)
    points = np.array(
        [
            [320.0, 500.0],  # the edge between 1 and 2: west edge of 2
            [100.0, 320.0],  # the edge between 1 and 3: north edge of 3
            [320.0, 320.0],  # the corner of all: north-west corner of 4
            [0.0, 640.0],  # the map's north-west corner: in 1
            [640.0, 100.0],  # the map's east edge: in none
            [100.0, 0.0],  # the map's south edge: in none
        ]
    )
    assert deposits_in(areas, grid, points).tolist() == [1, 1, 1, 1]
    assert deposits_in(areas, grid, points[[0]]).tolist() == [0, 1, 0, 0]
    assert deposits_in(areas, grid, points[[1]]).tolist() == [0, 0, 1, 0]
    assert deposits_in(areas, grid, points[4:]).tolist() == [0, 0, 0, 0]


@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_every_deposit_inside_the_areas_is_counted_in_exactly_one(seed, size):
    grid = grid_of(60, 60, 10.0)
    points = np.random.default_rng(seed).integers(0, 61, size=(30, 2)) * 10.0
    reach = 60 // size * size * 10.0
    inside = (points[:, 0] < reach) & (points[:, 1] > 600 - reach)
    assert deposits_in(cut_windows(grid, size), grid, points).sum() == inside.sum()


def test_a_window_larger_than_the_map_is_refused_with_the_largest_that_fits():
    with pytest.raises(DataError, match="largest that fits is 40 px"):
        cut_windows(grid_of(40, 90), 64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "at least 1 px"),
        ({"strides": (0,)}, "at least 1 px"),
        ({"strides": (8,), "offsets": (-1,)}, "from 0 to 24"),
        ({"strides": (8,), "offsets": (25,)}, "from 0 to 24"),
        ({"min_valid": 1.2}, "from 0 to 1"),
        ({"valid": np.ones((3, 3), dtype=bool)}, "mask of the map"),
    ],
)
def test_settings_outside_their_range_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        cut_windows(grid_of(40, 40), **{"size": 16, **options})


def test_the_window_size_comes_from_pixels_or_metres_but_not_both():
    assert window_size(WindowSettings(), 25.0) == 32
    assert window_size(WindowSettings(size=128), 25.0) == 128
    assert window_size(WindowSettings(size_m=3190), 25.0) == 128
    with pytest.raises(UsageError, match="remove the other"):
        window_size(WindowSettings(size=128, size_m=3200), 25.0)
    with pytest.raises(UsageError, match="at least 16 px"):
        window_size(WindowSettings(size=15), 25.0)
    with pytest.raises(UsageError, match=r"at least 16 px \(400 m\)"):
        window_size(WindowSettings(size_m=300), 25.0)
