"""Maps larger than memory: what is made block by block is the same as made whole, and memory stays small."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from gossan import io, mapped, recipe, windows
from gossan.config import load_project
from gossan.grid import MaskedPixels, make_grid, points_in_windows, region_of, tiles
from gossan.hooks import in_memory
from gossan.pipeline import layers, prepare, reasons
from gossan.plots.maps import thin
from gossan.recipe import Recipe, covered_ground, covered_pixels
from gossan.runs import Store
from gossan.runs.store import StoreCheckpoint
from gossan.survey import Layer, make_stack
from gossan.synthetic import laboratory_table, synthetic_survey
from gossan.windows import AreaMap, cut_windows, stitch

UTM = "EPSG:32649"
linux = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="memory is read from /proc")


def grid_of(rows, cols, resolution=10.0):
    return make_grid((0, 0, cols * resolution, rows * resolution), resolution, UTM)


# ---- the Stack


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Return a project with every kind of layer: elements, faults, geology, an area, numbers, classes."""
    folder = tmp_path_factory.mktemp("survey")
    survey = synthetic_survey(3, size=96, resolution=400.0, samples=400)
    rng = np.random.default_rng(0)
    coarse = make_grid(region_of(survey.grid), 1500.0, survey.crs)
    numbers = rng.normal(size=coarse.shape).astype(np.float32)
    numbers[:3] = np.nan
    classes = rng.integers(1, 5, size=coarse.shape).astype(np.float32)
    rasters = (
        Layer("gravity", numbers, coarse),
        Layer("soil", classes, coarse, "class"),
        Layer("height", rng.normal(size=survey.grid.shape).astype(np.float32), survey.grid),
    )
    survey = replace(survey, rasters=rasters)
    lines = ["[interpolate]", "max_gap = 1500", "neighbours = 12", "[faults]", "density_radius = 3000.0"]
    file = io.write_survey(survey, folder, table=laboratory_table(survey), settings=lines)
    return load_project(file)


def test_a_stack_made_of_small_blocks_is_the_stack_made_whole(project, monkeypatch):
    survey = prepare.read_survey(project)
    samples = prepare.transformed(survey, project)
    found = []
    for side in (4096, 128, 17):
        monkeypatch.setattr(prepare, "BLOCK", side)
        monkeypatch.setattr(layers, "BLOCK", side)
        found.append(prepare.build_stack(survey, samples, project))
    whole, *cut = found
    assert {"gravity", "soil: 1", "height", "fault distance", "fault density"} <= set(whole["channel"].values)
    assert 0 < whole["valid"].values.sum() < whole["valid"].size
    assert (whole["classes"].values >= 0).any()
    for stack in cut:
        assert stack.identical(whole)


def test_rock_units_at_samples_are_those_of_the_class_map(project):
    survey = prepare.read_survey(project)
    stack = prepare.build_stack(survey, prepare.transformed(survey, project), project)
    rng = np.random.default_rng(1)
    west, south, east, north = region_of(survey.grid)
    points = rng.uniform((west, south), (east, north), size=(200, 2))
    row, col = ((north - points[:, 1]) // 400).astype(int), ((points[:, 0] - west) // 400).astype(int)
    valid = stack["valid"].values[row, col]
    found = layers.class_at(survey, points)
    np.testing.assert_array_equal(found[valid], stack["classes"].values[row, col][valid])
    assert layers.class_at(survey, np.array([[west - 1e5, south]])).tolist() == [-1]


# ---- what goes over tiles


@given(st.integers(1, 40), st.integers(1, 200), st.floats(0, 1), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_masked_pixels_by_rank_are_those_of_a_list(rows, cols, share, seed):
    mask = np.random.default_rng(seed).random((rows, cols)) < share
    pixels = MaskedPixels(mask)
    assert pixels.count == mask.sum()
    row, col = pixels.at(np.arange(pixels.count))
    np.testing.assert_array_equal(row * cols + col, np.flatnonzero(mask))


@given(st.integers(1, 30), st.integers(0, 300), st.integers(0, 300), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_points_in_windows_are_counted_as_one_by_one(size, count, points, seed):
    rng = np.random.default_rng(seed)
    row, col = rng.integers(0, 90, size=(2, count))
    point_row, point_col = rng.integers(0, 120, size=(2, points))
    down, across = point_row - row[:, None], point_col - col[:, None]
    expected = ((down >= 0) & (down < size) & (across >= 0) & (across < size)).sum(axis=1)
    np.testing.assert_array_equal(points_in_windows(row, col, size, point_row, point_col), expected)


@given(st.integers(16, 60), st.integers(16, 60), st.integers(1, 16), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_an_area_map_by_blocks_is_the_whole_one(rows, cols, size, seed):
    rng = np.random.default_rng(seed)
    areas = cut_windows(grid_of(rows, cols), size).sample(frac=0.7, random_state=seed % 1000)
    pixels = rng.normal(size=(len(areas), size, size)).astype(np.float32)
    for values in (pixels, pixels[:, 0, 0]):
        whole = stitch(values, areas, (rows, cols))
        cut = AreaMap(np.array_split(values, 3), areas, (rows, cols))
        for part in tiles((rows, cols), 13):
            np.testing.assert_array_equal(cut.block(*part), whole[part])


def test_shares_of_valid_pixels_do_not_depend_on_the_tiles(monkeypatch):
    rng = np.random.default_rng(0)
    valid = rng.random((83, 71)) < 0.6
    how = {"strides": (3, 8), "offsets": (0, 5), "valid": valid, "min_valid": 0.3}
    whole = cut_windows(grid_of(83, 71), 8, **how)
    monkeypatch.setattr(windows, "_TILE", 16)
    assert cut_windows(grid_of(83, 71), 8, **how).equals(whole)
    expected = [valid[r : r + 8, c : c + 8].mean() for r, c in zip(whole["row"], whole["col"], strict=True)]
    np.testing.assert_allclose(whole["valid_share"], expected, rtol=1e-12)


@pytest.mark.parametrize("tile", [16, 1024])
def test_a_recipe_learns_from_every_covered_pixel_once_whatever_the_tiles(tile, monkeypatch):
    monkeypatch.setattr(recipe, "_TILE", tile)
    rng = np.random.default_rng(2)
    shape = (75, 62)
    raster = rng.normal(1e4, 3.0, size=shape).astype(np.float32)
    raster[rng.random(shape) < 0.1] = np.nan
    classes = rng.integers(0, 3, size=shape).astype(np.int16)
    mask = rng.random(shape) < 0.8
    flat = np.ones(shape, np.float32)
    stack = make_stack(
        grid_of(*shape), {"a": raster, "b": flat}, {}, classes=classes, class_names="xyz", mask=mask
    )
    train = cut_windows(grid_of(*shape), 8, strides=(8, 5)).iloc[10:60]
    under = np.zeros(shape, dtype=bool)
    for one in train.itertuples():
        under[one.row : one.row + 8, one.col : one.col + 8] = True
    np.testing.assert_array_equal(covered_pixels(train, shape), under)
    under &= mask
    np.testing.assert_array_equal(covered_ground(train, stack["valid"].values), under)
    learnt = Recipe.fit(stack, train, ["a"], encoding="ordinal")
    values = raster[under & np.isfinite(raster)].astype(np.float64)
    np.testing.assert_allclose([learnt.centre[0], learnt.scale[0]], [values.mean(), values.std()], rtol=1e-12)
    numbers = classes[under]
    np.testing.assert_allclose(learnt.ordinal, [numbers.mean(), numbers.std()], rtol=1e-12)


def test_far_shares_of_areas_do_not_depend_on_the_blocks(monkeypatch):
    rng = np.random.default_rng(3)
    grid, points = grid_of(120, 90), rng.uniform(0, 900, size=(40, 2))
    valid = rng.random((120, 90)) < 0.9
    areas = cut_windows(grid, 10)
    whole = reasons.far_areas(grid, areas, points, valid)
    monkeypatch.setattr(reasons, "_BLOCK", 20)
    np.testing.assert_array_equal(reasons.far_areas(grid, areas, points, valid), whole)
    assert 0 < np.nanmean(whole) < 1


# ---- files


def test_a_map_written_from_blocks_is_the_array_and_a_valid_cloud_optimised_file(tmp_path):
    grid, rng = grid_of(700, 1100), np.random.default_rng(4)
    score = rng.random((700, 1100), dtype=np.float32)
    score[:50] = np.nan
    for name, band in (("array", score), ("again", score), ("blocks", lambda rows, cols: score[rows, cols])):
        io.write_prospectivity(tmp_path / f"{name}.tif", grid, band, None, band)
    files = [(tmp_path / f"{name}.tif").read_bytes() for name in ("array", "again", "blocks")]
    assert files[0] == files[1] == files[2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.tif", "array.tif", "blocks.tif"]
    with rasterio.open(tmp_path / "blocks.tif") as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.overviews(1) == [2, 4][: len(file.overviews(1))] != []
        assert file.descriptions == ("score", "spread", "final")
        np.testing.assert_array_equal(file.read(1), score)
        np.testing.assert_array_equal(file.read(3), score)
        assert np.isnan(file.read(2)).all()


@pytest.mark.parametrize("most", [40, 333, 5000])
def test_thin_bands_are_the_pixels_that_a_map_draws(tmp_path, most):
    rng = np.random.default_rng(5)
    raster = rng.random((1300, 777), dtype=np.float32)
    classes = rng.integers(-1, 3, size=raster.shape).astype(np.int16)
    grid = grid_of(*raster.shape)
    stack = make_stack(grid, {"a": raster}, {"a": "ppm"}, classes=classes, class_names=("x", "y", "z"))
    io.write_stack(tmp_path / "stack.tif", stack)
    found = io.thin_stack(tmp_path / "stack.tif", most)
    np.testing.assert_array_equal(found["layers"].values[0], thin(raster, most))
    np.testing.assert_array_equal(found["classes"].values, thin(classes, most))
    assert found.attrs["class_counts"] == np.bincount(classes[classes >= 0]).tolist()
    assert found["units"].values.tolist() == ["ppm"]


def test_a_large_raster_is_read_as_a_small_one(tmp_path, monkeypatch):
    from gossan.io import rasters
    from gossan.survey import RasterSource

    raster = np.random.default_rng(6).normal(size=(1100, 60)).astype(np.float32)
    raster[100:200] = np.nan
    io.write_bands(tmp_path / "a.tif", grid_of(*raster.shape), {"a": raster}, cloud=False)
    source = RasterSource("a.tif")
    small, counts = io.read_raster(tmp_path / "a.tif", source, UTM)
    monkeypatch.setattr(rasters, "_LARGE", 100)
    large, again = io.read_raster(tmp_path / "a.tif", source, UTM)
    np.testing.assert_array_equal(large.values, raster)
    np.testing.assert_array_equal(small.values, raster)
    assert counts == again
    assert counts["missing"] == 6000
    assert mapped.file_of(large.values) is not None
    assert mapped.file_of(small.values) is None


# ---- the store


def test_an_array_of_the_store_is_moved_to_its_place_and_not_copied(tmp_path):
    store = Store(tmp_path)
    made = StoreCheckpoint(store, "ab12").array((3, 200, 200), np.float32)
    made[:] = 7
    file = mapped.file_of(np.asarray(made))
    assert mapped.file_of(made[:2]) is None  # a part is not the file
    assert mapped.file_of(made.transpose(1, 2, 0)) is None
    assert mapped.file_of(np.asarray(made.transpose(1, 2, 0)).transpose(2, 0, 1)) == file
    number = file.stat().st_ino
    store.put("ab12", {"map": np.asarray(made), "part": made[1]})
    assert not file.exists()
    kept = store.get("ab12")
    assert mapped.file_of(kept["map"]).stat().st_ino == number
    assert mapped.file_of(kept["part"]).stat().st_ino != number
    np.testing.assert_array_equal(kept["map"], np.full((3, 200, 200), 7, np.float32))
    np.testing.assert_array_equal(kept["part"], np.full((200, 200), 7, np.float32))
    assert list((tmp_path / "tmp").iterdir()) == []


def test_an_array_of_the_store_that_nobody_wants_leaves_no_file(tmp_path):
    made = StoreCheckpoint(Store(tmp_path), "ab12").array((10, 10), bool)
    assert len(list((tmp_path / "tmp").iterdir())) == 1
    del made
    assert list((tmp_path / "tmp").iterdir()) == []


def test_empty_arrays_can_be_made_and_kept(tmp_path):
    store = Store(tmp_path)
    made = StoreCheckpoint(store, "ab12").array((0, 5), np.float32)
    store.put("ab12", {"none": made})
    assert store.get("ab12")["none"].shape == in_memory((0, 5), np.float32).shape


@linux
def test_pages_that_are_given_back_are_no_memory_of_the_process_and_come_again():
    array = mapped.scratch((64, 1 << 20), np.uint8)
    array[:] = 3
    held = mapped._held()
    mapped.forget()
    assert mapped._held() < held - 48 * 2**20
    assert (array == 3).all()


# ---- memory

MAKE = """
import sys
import numpy as np
from dataclasses import replace
from pathlib import Path
from gossan import io, mapped
from gossan.config import load_project
from gossan.grid import make_grid, region_of
from gossan.pipeline import prepare
from gossan.recipe import Recipe
from gossan.windows import AreaMap, cut_windows

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

folder, resolution = Path(sys.argv[1]), float(sys.argv[2])
project = load_project(folder / "project.toml", [f"project.resolution={resolution}"])
survey = prepare.read_survey(project)
samples = prepare.transformed(survey, project)
numbers, most = iter(range(10**6)), 0

def make(shape, dtype):
    return mapped.create(folder / f"{next(numbers)}-{resolution}.npy", shape, dtype)

def note(share=0.0):
    global most
    most = max(most, peak())

small = prepare.build_stack(replace(survey, grid=survey.grid.zoom_out(8)), samples, project)
io.write_stack(folder / "small.tif", small)
start = peak()
stack = prepare.build_stack(survey, samples, project, make=make, progress=note)
valid = stack["valid"].values
areas = cut_windows(survey.grid, 64, valid=valid)
note()
Recipe.fit(stack, areas, [str(stack["channel"].values[0])])
note()
io.write_stack(folder / "stack.tif", stack)
note()
band = AreaMap([np.arange(len(areas), dtype=float)], areas, valid.shape).block
io.write_prospectivity(folder / "map.tif", survey.grid, band, None, band)
note()
print(most - start, stack["layers"].nbytes // 1024)
"""


@linux
@pytest.mark.slow
def test_no_map_is_held_in_memory(project):
    """The Stack of 16 channels on 1920 x 1920 pixels has 225 MiB; its process needs a fraction of that."""
    command = [sys.executable, "-c", MAKE, str(project.folder), "20.0"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    grown, stack = int(said[-2]), int(said[-1])
    assert stack > 200 * 1024
    assert grown < 0.45 * stack
