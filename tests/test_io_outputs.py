"""Writing: what is read back is what was written, and the same content gives the same bytes."""

import json
import tomllib
import warnings

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from gossan import io
from gossan.abundance import element_share
from gossan.errors import DataError, DataWarning, RunError, UsageError
from gossan.io.files import replacing
from gossan.survey import (
    Deposits,
    DepositSource,
    FaultSource,
    GeologySource,
    Layer,
    Samples,
    SampleSource,
    Survey,
    make_stack,
)

#: odc-geo still multiplies affine 3 transforms with *
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

CRS = "EPSG:26910"
GRID = GeoBox((5, 7), Affine(100, 0, 5e5, 0, -100, 6.1e6), CRS)


@pytest.fixture
def stack():
    rng = np.random.default_rng(1)
    layers = {"Cu": rng.normal(size=(5, 7)), "distance to faults": rng.normal(size=(5, 7))}
    layers["Cu"][0, :3] = np.nan
    mask = np.ones((5, 7), dtype=bool)
    mask[4] = False
    return make_stack(
        GRID,
        {name: layer.astype(np.float32) for name, layer in layers.items()},
        {"Cu": "log10(ppm)", "distance to faults": "m"},
        classes=rng.integers(-1, 3, (5, 7)).astype(np.int16),
        class_names=["granite", "schist, grey", "Kies & Größe"],
        mask=mask,
    )


def areas(n=3, crs=CRS):
    squares = [shapely.box(5e5 + 100 * k, 6.1e6, 5e5 + 100 * k + 100, 6.1e6 + 100) for k in range(n)]
    return gpd.GeoDataFrame(
        {"number": range(1, n + 1), "score": np.linspace(0, 1, n)}, geometry=squares, crs=crs
    )


# ---- rasters


def test_a_stack_is_read_back_as_it_was(tmp_path, stack):
    io.write_stack(tmp_path / "stack.tif", stack)
    again = io.read_stack(tmp_path / "stack.tif")
    assert again.identical(stack)
    assert again.odc.geobox == GRID


def test_a_stack_without_classes_has_only_its_channels(tmp_path, stack):
    plain = stack.drop_vars("classes").assign_attrs(class_names=[])
    io.write_stack(tmp_path / "stack.tif", plain)
    assert io.read_stack(tmp_path / "stack.tif").identical(plain)


def test_a_stack_of_several_strips_is_read_back_as_it_was(tmp_path):
    grid, rng = GeoBox((1100, 600), GRID.transform, CRS), np.random.default_rng(0)
    layers = {name: rng.random(grid.shape, dtype=np.float32) for name in ("Cu", "Au", "Sn")}
    layers["Cu"][500:520] = np.nan  # across the edge of a strip
    mask, classes = rng.random(grid.shape) < 0.7, rng.integers(-1, 2, grid.shape, dtype=np.int16)
    whole = make_stack(
        grid, layers, {"Cu": "ppm"}, classes=classes, class_names=["granite", "slate"], mask=mask
    )
    io.write_stack(tmp_path / "stack.tif", whole)
    assert io.read_stack(tmp_path / "stack.tif").identical(whole)


def test_the_bands_of_a_stack_have_names_and_units(tmp_path, stack):
    io.write_stack(tmp_path / "stack.tif", stack)
    with rasterio.open(tmp_path / "stack.tif") as file:
        assert file.descriptions == ("Cu", "distance to faults", "classes")
        assert file.units == ("log10(ppm)", "m", "class")
        assert set(file.dtypes) == {"float32"}
        assert np.isnan(file.nodata)
        assert file.compression.name == "deflate"
        assert file.profile["tiled"]


def test_the_same_stack_gives_the_same_bytes(tmp_path, stack):
    io.write_stack(tmp_path / "a.tif", stack)
    io.write_stack(tmp_path / "b.tif", stack)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "b.tif"]


def test_a_channel_cannot_be_called_classes(tmp_path, stack):
    with pytest.raises(UsageError, match="'classes'"):
        io.write_stack(tmp_path / "a.tif", stack.assign_coords(channel=["Cu", "classes"]))


def test_another_raster_is_no_stack(tmp_path):
    io.write_bands(tmp_path / "a.tif", GRID, {"score": np.zeros((5, 7))})
    with pytest.raises(DataError, match="is no stack"):
        io.read_stack(tmp_path / "a.tif")


def test_prospectivity_is_a_cloud_optimised_map_of_three_bands(tmp_path):
    grid = GeoBox((700, 600), GRID.transform, CRS)
    score = np.random.default_rng(0).random(grid.shape).astype(np.float32)
    score[:, 590:] = np.nan
    for name in ("a.tif", "b.tif"):
        io.write_prospectivity(tmp_path / name, grid, score, None, score / 2)
    bands, place = io.read_raster_bands(tmp_path / "a.tif")
    assert list(bands) == ["score", "spread", "final"]
    assert place == grid
    np.testing.assert_array_equal(bands["score"], score)
    np.testing.assert_array_equal(bands["final"], score / 2)
    assert np.isnan(bands["spread"]).all()
    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert np.isnan(file.nodata)
        assert file.overviews(1)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_a_band_of_another_shape_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(UsageError, match=r"score \(3, 3\)"):
        io.write_prospectivity(tmp_path / "a.tif", GRID, np.zeros((3, 3)), None, None)
    assert not list(tmp_path.iterdir())


# ---- layers


def test_a_geopackage_has_its_layers_and_the_same_bytes_each_time(tmp_path):
    points = gpd.GeoDataFrame(
        {"name": ["a", "ü"]}, geometry=gpd.points_from_xy([5e5, 5e5 + 9], [6.1e6] * 2), crs=CRS
    )
    mixed = areas(2)
    mixed.loc[1, "geometry"] = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(5, 5, 6, 6)])
    layers = {"areas": areas(), "targets": mixed, "deposits": points, "none": areas(0)}
    for name in ("a.gpkg", "b.gpkg"):
        io.write_layers(tmp_path / name, layers)
    assert (tmp_path / "a.gpkg").read_bytes() == (tmp_path / "b.gpkg").read_bytes()
    again = io.read_layers(tmp_path / "a.gpkg")
    assert list(again) == list(layers)
    assert [len(frame) for frame in again.values()] == [3, 2, 2, 0]
    assert again["areas"].geom_equals(areas()).all()
    assert again["deposits"]["name"].tolist() == ["a", "ü"]
    assert again["areas"].crs.to_epsg() == 26910


def test_a_geopackage_replaces_the_one_before(tmp_path):
    io.write_layers(tmp_path / "a.gpkg", {"areas": areas(5), "old": areas()})
    io.write_layers(tmp_path / "a.gpkg", {"areas": areas(2)})
    assert {name: len(frame) for name, frame in io.read_layers(tmp_path / "a.gpkg").items()} == {"areas": 2}


# ---- text


def test_text_that_a_spreadsheet_would_run_is_made_harmless(tmp_path):
    table = pd.DataFrame(
        {"name": ["=1+1", "+x", "-x", "@x", " =x", "\tx", "plain", "<0.5", "-5", None], "n": [-1.5] * 10}
    )
    io.write_csv(tmp_path / "a.csv", table.rename(columns={"n": "=n"}))
    again = pd.read_csv(tmp_path / "a.csv")
    assert again["name"].tolist()[:9] == ["'=1+1", "'+x", "'-x", "'@x", "' =x", "'\tx", "plain", "<0.5", "-5"]
    assert again.columns.tolist() == ["name", "'=n"]
    assert again["'=n"].tolist() == [-1.5] * 10


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**53), 2**53)),
        min_size=1,
        max_size=5,
    )
)
def test_numbers_in_a_table_are_read_back_exactly(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("t") / "a.csv"
    table = pd.DataFrame(rows, columns=["float", "int"])
    io.write_csv(path, table)
    again = pd.read_csv(path, dtype=str)
    assert [float(text) for text in again["float"]] == table["float"].tolist()
    assert [int(text) for text in again["int"]] == table["int"].tolist()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_json_is_read_back_with_its_format_first(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("t") / "a.json"
    io.write_json(path, content)
    again = json.loads(path.read_text(encoding="utf-8"))
    assert next(iter(again)) == "format"
    assert again == {"format": 1} | content
    rest = list(again)[1:]
    assert rest == sorted(rest)


def test_json_knows_numpy_and_writes_null_for_what_is_not_finite(tmp_path):
    content = {
        "b": np.float32(0.5), "a": np.array([1.0, np.nan]), "inf": float("inf"), "n": np.int64(3),
        "yes": np.True_, "none": pd.NA, "when": pd.NaT, "of": {2: (1, 2)}, "set": {"y", "x"},
    }  # fmt: skip
    io.write_json(tmp_path / "a.json", content)
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {
        "format": 1, "a": [1.0, None], "b": 0.5, "inf": None, "n": 3, "none": None, "of": {"2": [1, 2]},
        "set": ["x", "y"], "when": None, "yes": True,
    }  # fmt: skip
    assert text.endswith("}\n")
    assert "NaN" not in text


def test_json_refuses_what_it_cannot_hold(tmp_path):
    with pytest.raises(UsageError, match="object cannot be written as JSON"):
        io.write_json(tmp_path / "a.json", {"a": object()})
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_file_before_and_nothing_else(tmp_path):
    io.write_json(tmp_path / "a.json", {"a": 1})
    before = (tmp_path / "a.json").read_bytes()

    def fail():
        with replacing(tmp_path / "a.json") as temporary:
            temporary.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (tmp_path / "a.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_what_a_killed_write_left_is_taken_away(tmp_path):
    for name in (".a.part.gpkg", ".a.part.gpkg-journal"):
        (tmp_path / name).write_bytes(b"half")
    io.write_layers(tmp_path / "a.gpkg", {"areas": areas()})
    assert [path.name for path in tmp_path.iterdir()] == ["a.gpkg"]
    assert len(io.read_layers(tmp_path / "a.gpkg")["areas"]) == 3


def test_a_folder_that_cannot_be_made_is_a_run_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        io.write_json(tmp_path / "file" / "a.json", {})


# ---- a made survey


@pytest.fixture
def survey():
    rng = np.random.default_rng(2)
    place = np.column_stack([rng.uniform(5e5, 5e5 + 700, 20), rng.uniform(6.1e6 - 500, 6.1e6, 20)])
    values = pd.DataFrame(
        {"Cu": rng.lognormal(size=20), "Fe": rng.lognormal(size=20), "Au": rng.lognormal(size=20)}
    )
    rock = gpd.GeoDataFrame(
        {"unit": ["schist"]}, geometry=[shapely.box(5e5, 6.1e6 - 500, 5e5 + 700, 6.1e6)], crs=CRS
    )
    return Survey(
        name='twin "1"',
        grid=GRID,
        samples=Samples(place, values, {"Cu": "ppm", "Fe": "pct Fe2O3", "Au": "ppb"}),
        deposits=Deposits(place[:3], ("A", "B", "-C"), ("north", "north", "south")),
        geology=rock,
        faults=gpd.GeoDataFrame(geometry=[shapely.LineString([(5e5, 6.1e6), (5e5 + 9, 6.1e6 - 9)])], crs=CRS),
        rasters=(Layer("magnetics", rng.random((5, 7)).astype(np.float32), GRID),),
        truth=pd.DataFrame({"x": [1.0], "hidden": [True]}),
    )


def test_a_made_survey_is_read_back_from_its_files(tmp_path, survey):
    path = io.write_survey(
        survey, tmp_path / "twin", settings=["[windows]", "size = 16  # pixels", "[project]", "seed = 3"]
    )
    project = tomllib.loads(path.read_text())
    assert project["project"] == {
        "name": 'twin "1"', "crs": CRS, "resolution": 100.0, "area": "area.gpkg", "seed": 3,
    }  # fmt: skip
    assert project["windows"] == {"size": 16}
    assert project["rasters"] == [{"path": "raster_1.tif", "name": "magnetics", "kind": "number"}]
    folder = path.parent
    got, _ = io.read_samples(folder / project["samples"]["path"], SampleSource("s"), CRS)
    np.testing.assert_array_equal(got.coordinates, survey.samples.coordinates)
    iron = element_share("Fe2O3") * survey.samples.values["Fe"]
    pd.testing.assert_frame_equal(got.values, survey.samples.values.assign(Fe=iron))
    assert got.units == {"Cu": "ppm", "Fe": "pct", "Au": "ppb"}
    source = DepositSource(**project["deposits"])
    ore, _ = io.read_deposits(folder / source.path, source, CRS)
    assert (len(ore), ore.camp) == (3, ("north", "north", "south"))
    rock, _ = io.read_geology(folder / "geology.gpkg", GeologySource(**project["geology"]), CRS)
    assert rock["unit"].tolist() == ["schist"]
    assert len(io.read_faults(folder / "faults.gpkg", FaultSource(**project["faults"]), CRS)[0]) == 1
    area, _ = io.read_area(folder / "area.gpkg", CRS)
    assert area.total_bounds.tolist() == [5e5, 6.1e6 - 500, 5e5 + 700, 6.1e6]
    assert (folder / "truth.csv").read_text() == "x,hidden\n1.0,True\n"


def test_settings_replace_what_is_written_by_default_and_must_be_toml(tmp_path, survey):
    path = io.write_survey(
        survey, tmp_path, settings=['[project]\nname = "mine"\n[samples]\ncensored = "limit"']
    )
    project = tomllib.loads(path.read_text())
    assert project["project"]["name"] == "mine"
    assert project["samples"] == {"path": "samples.csv", "censored": "limit"}
    with pytest.raises(UsageError, match="make no TOML"):
        io.write_survey(survey, tmp_path, settings=["[windows]", "size ="])


def test_limits_in_a_table_of_text_are_read_as_limits(tmp_path, survey):
    table = pd.DataFrame({"sample_id": range(20), "Cu_ppm": ["<2", *map(str, range(3, 22))]})
    io.write_survey(survey, tmp_path, table=table)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        got, counts = io.read_samples(tmp_path / "samples.csv", SampleSource("s"), CRS)
    assert got.values["Cu"].tolist()[:2] == [1.0, 3.0]
    assert counts["elements"]["Cu"]["below"] == 1
    assert "x" not in table.columns
