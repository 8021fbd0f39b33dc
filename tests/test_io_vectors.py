"""Reading geology, faults, areas and rasters: repaired, cut to what is wanted, counted or refused."""

import json
import os
import warnings
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from gossan.errors import DataError, DataWarning, MissingFileError, UsageError
from gossan.io import file_hash, read_area, read_faults, read_geology, read_raster
from gossan.survey import FaultSource, GeologySource, Layer, RasterSource

CRS = "EPSG:26910"
PLACE = Affine(100, 0, 5e5, 0, -100, 6.1e6)
BOX = shapely.box(0, 0, 1000, 1000)
BOWTIE = shapely.Polygon([(2000, 0), (3000, 1000), (3000, 0), (2000, 1000)])


def geology(path, crs=CRS, **options):
    return read_geology(path, GeologySource(path.name, **options), crs)


def faults(path, **options):
    return read_faults(path, FaultSource(path.name, **options), CRS)


def raster(path, crs=CRS, **options):
    return read_raster(path, RasterSource(path.name, **options), crs)


@pytest.fixture
def vector(tmp_path):
    """Write geometries with columns as a file and return its path."""

    def inner(geometry, name="v.gpkg", crs=CRS, **columns):
        path = tmp_path / name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # files without a CRS are meant
            gpd.GeoDataFrame(columns, geometry=list(geometry), crs=crs).to_file(path)
        return path

    return inner


@pytest.fixture
def tif(tmp_path):
    """Write an array as a raster and return its path."""

    def inner(values, transform=None, crs=CRS, name="r.tif", **options):
        path = tmp_path / name
        values = np.atleast_3d(np.asarray(values).T).T
        count, height, width = values.shape
        given = PLACE if transform is None else transform
        with rasterio.open(
            path, "w", driver="GTiff", count=count, height=height, width=width, dtype=values.dtype, crs=crs,
            transform=given, **options,
        ) as file:  # fmt: skip
            file.write(values)
        return path

    return inner


# ---- polygons


def test_invalid_rings_are_repaired_and_counted(vector):
    with pytest.warns(DataWarning, match="repaired 1 invalid polygons"):
        got, counts = geology(vector([BOX, BOWTIE], rock=["basalt", "shale"]))
    assert got["unit"].tolist() == ["basalt", "shale"]
    assert got.is_valid.all()
    assert counts["repaired"] == 1
    assert got.area.round().tolist() == [1e6, 5e5]
    json.dumps(counts)


def test_parts_that_are_no_polygons_are_dropped_and_counted(vector):
    mixed = shapely.GeometryCollection([BOX, shapely.LineString([(0, 0), (5, 5)])])
    whole = shapely.GeometryCollection([shapely.MultiPolygon([BOX, shapely.box(5000, 0, 5100, 100)])])
    rows = [mixed, whole, shapely.Point(0, 0), None, shapely.Polygon()]
    with pytest.warns(
        DataWarning, match="dropped 2 rows without geometry, 1 rows without a polygon, 2 parts"
    ):
        got, counts = geology(vector(rows, rock=list("abcde")))
    assert got["unit"].tolist() == ["a", "b"]
    assert set(got.geom_type) <= {"Polygon", "MultiPolygon"}
    assert got.area.tolist() == [1e6, 1.01e6]
    assert counts["dropped"] == {
        "rows without geometry": 2,
        "rows without a polygon": 1,
        "parts that are no polygons": 2,
    }


def test_a_missing_attribute_value_is_unknown(vector):
    got, counts = geology(vector([BOX, BOX, BOX], rock=["basalt", None, "  "]))
    assert got["unit"].tolist() == ["basalt", "unknown", "unknown"]
    assert counts["without_attribute"] == 2


def test_numbers_as_the_attribute_become_text(vector):
    path = vector([BOX, BOX], code=[3.0, np.nan], rock=["a", "b"])
    assert geology(path, attribute="CODE")[0]["unit"].tolist() == ["3", "unknown"]


@pytest.mark.parametrize(
    ("columns", "attribute", "said"),
    [
        ({"age": ["a"], "rock": ["b"]}, None, "2 text attributes could be meant; there are age, rock"),
        ({"number": [1]}, None, "0 text attributes could be meant; there are number"),
        ({"rock": ["b"]}, "rok", "'rok' is no column of the file; close ones are 'rock'"),
    ],
)
def test_an_attribute_that_is_not_clear_is_refused(vector, columns, attribute, said):
    with pytest.raises(UsageError, match=said):
        geology(vector([BOX], **columns), attribute=attribute)


def test_three_dimensions_become_two(vector):
    got, _ = geology(vector([shapely.force_3d(BOX, 7.0)], rock=["a"]))
    assert not got.has_z.any()


def test_a_file_without_crs_takes_the_settings_or_the_projects(vector):
    path = vector([BOX], name="v.shp", crs=None, rock=["a"])
    assert geology(path)[1]["crs_from"] == "assumed to be the project's"
    got, counts = geology(path, crs="EPSG:26911")
    assert got.crs.to_epsg() == 26911
    got, counts = geology(path, crs=CRS, layer=None)
    given, counts = read_geology(path, GeologySource("v", crs="EPSG:32610"), "EPSG:32611")
    assert (counts["crs"], counts["crs_from"]) == ("EPSG:32610", "settings")
    assert not np.allclose(given.total_bounds, got.total_bounds)


def test_settings_against_the_files_own_crs_win_and_say_so(vector):
    _, counts = read_geology(vector([BOX], rock=["a"]), GeologySource("v", crs="EPSG:32611"), CRS)
    assert counts["crs_from"] == "settings, against the file's own EPSG:26910"


def test_one_of_several_layers_must_be_named(vector):
    path = vector([BOX], rock=["a"])
    gpd.GeoDataFrame({"rock": ["b"]}, geometry=[BOX], crs=CRS).to_file(path, layer="second")
    with pytest.raises(UsageError, match=r"has 2 layers \(v, second\)"):
        geology(path)
    assert geology(path, layer="second")[0]["unit"].tolist() == ["b"]
    with pytest.raises(UsageError, match="no layer 'secnd'; close ones are 'second'"):
        geology(path, layer="secnd")


def test_files_without_what_is_wanted_are_refused(vector, tmp_path):
    points = vector([shapely.Point(0, 0)], rock=["a"])
    with pytest.raises(DataError, match=r"holds no polygon.* it has 1 Point"):
        geology(points)
    with pytest.raises(DataError, match=r"holds no line.* it has 1 Point"):
        faults(points)
    with pytest.raises(MissingFileError, match=r"area file .* does not exist"):
        read_area(tmp_path / "no.gpkg", CRS)
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(UsageError, match=r"ends in '.csv'; allowed are"):
        faults(tmp_path / "a.csv")


def test_an_empty_layer_is_refused(vector):
    with pytest.raises(DataError, match="holds no polygon"):
        geology(vector([], rock=np.array([], dtype=object)))


def test_an_area_is_read_in_the_projects_crs(vector):
    path = vector([shapely.box(-123, 55, -122.9, 55.1)], crs="EPSG:4326", id=[1])
    got, counts = read_area(path, CRS)
    assert got.crs.to_epsg() == 26910
    assert list(got.columns) == ["geometry"]
    assert counts["area_km2"] == pytest.approx(71.2, abs=0.5)


# ---- lines


def test_multi_lines_are_taken_apart_and_the_rest_is_dropped_and_counted(vector):
    line = shapely.LineString([(0, 0), (100, 0)])
    rows = [
        shapely.MultiLineString([[(0, 0), (0, 50)], [(5, 5), (5, 30)]]),
        line,
        shapely.GeometryCollection([line, BOX]),
        shapely.LineString([(1, 1), (1, 1)]),
        None,
    ]
    with pytest.warns(
        DataWarning, match="1 rows without geometry, 1 parts that are no lines, 1 lines without"
    ):
        got, counts = faults(vector(rows))
    assert got.length.tolist() == [50, 25, 100, 100]
    assert set(got.geom_type) == {"LineString"}
    assert (counts["rows"], counts["kept"], counts["length_m"]) == (5, 4, 275)
    json.dumps(counts)


# ---- rasters


def test_a_raster_keeps_its_own_grid_and_crs(tif):
    layer, counts = raster(tif([[1, 2], [3, 4]], crs="EPSG:32611"), name="magnetics")
    assert (layer.name, layer.kind, layer.values.dtype) == ("magnetics", "number", np.float32)
    assert layer.grid.crs.epsg == 32611
    assert layer.grid.transform == PLACE
    assert counts["crs_from"] == "file"
    assert raster(tif([[1, 2]], name="gravity.tif"))[0].name == "gravity"


@pytest.mark.parametrize(
    "transform",
    [
        Affine(100, 0, 5e5, 0, -50, 6.1e6),
        Affine(70, 70, 5e5, 70, -70, 6.1e6),
        Affine(100, 0, -5e5, 0, 100, 0),
    ],
)
def test_non_square_rotated_and_south_up_rasters_are_read_as_they_are(tif, transform):
    assert raster(tif([[1, 2]], transform=transform))[0].grid.transform == transform


def test_nodata_beside_the_maximum_takes_no_valid_value(tif):
    high = np.float32(2145.0)
    above = np.nextafter(high, np.float32(1e9))
    layer, counts = raster(tif(np.array([[high, above, 1]], dtype=np.float32), nodata=float(above)))
    np.testing.assert_array_equal(layer.values, [[2145, np.nan, 1]])
    assert counts["missing"] == 1


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("uint8", 11), ("int32", -1), ("float32", np.nan), ("float64", -1e300)]
)
def test_nodata_of_any_type_is_missing(tif, dtype, nodata):
    values = np.array([[1, nodata, 10]], dtype=dtype)
    np.testing.assert_array_equal(raster(tif(values, nodata=nodata))[0].values, [[1, np.nan, 10]])


def test_undeclared_nodata_and_infinities_are_missing(tif):
    values = np.array([[1, -3.4028235e38, np.inf, np.nan, 2]], dtype=np.float32)
    assert raster(tif(values))[1]["missing"] == 3


def test_scale_and_offset_are_applied(tif):
    path = tif(np.array([[1, 2, 99]], dtype=np.uint8), nodata=99)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.5,), (10,)
    np.testing.assert_array_equal(raster(path)[0].values, [[10.5, 11, np.nan]])


def test_a_band_is_chosen_by_number(tif):
    path = tif(np.array([[[1.0]], [[2.0]]]))
    assert raster(path, band=2)[0].values.tolist() == [[2]]
    with pytest.raises(UsageError, match="has no band 3; it has 1 to 2"):
        raster(path, band=3)


def test_rasters_that_cannot_be_used_are_refused(tif, tmp_path):
    with pytest.raises(DataError, match="no value in any pixel"):
        raster(tif(np.full((2, 2), np.nan)))
    with pytest.raises(DataError, match="1 pixels that are no whole numbers"):
        raster(tif([[1.5, 2.0]]), kind="class")
    with pytest.raises(DataError, match="no whole numbers up to 16,777,216"):
        raster(tif([[2**24 + 1, 2]]), kind="class")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        nowhere = tif([[1, 2]], transform=Affine.identity(), crs=None)
    with pytest.raises(DataError, match="has no position"):
        raster(nowhere)
    (tmp_path / "bad.tif").write_bytes(b"no raster")
    with pytest.raises(DataError, match="cannot be read"):
        raster(tmp_path / "bad.tif")


def test_a_raster_can_stand_for_geology_and_faults(tif):
    path = tif(np.array([[585, 81641, -1]], dtype=np.int32), nodata=-1)
    layer, counts = geology(path)
    assert isinstance(layer, Layer)
    assert (layer.kind, layer.name) == ("class", "geology")
    np.testing.assert_array_equal(layer.values, [[585, 81641, np.nan]])
    assert faults(path)[0].kind == "number"
    json.dumps(counts)


def test_a_raster_without_crs_takes_the_projects(tif):
    layer, counts = raster(tif([[1, 2]], crs=None))
    assert (layer.grid.crs.epsg, counts["crs_from"]) == (26910, "assumed to be the project's")


# ---- hashes


def test_the_hash_of_a_shapefile_sees_its_sidecars(vector):
    path = vector([BOX], name="v.shp", rock=["a"])
    before = file_hash(path)
    assert before == file_hash(path)
    assert len(before) == 64
    path.with_suffix(".prj").unlink()
    assert file_hash(path) != before


# ---- the open surveys


@pytest.fixture
def data():
    folder = Path(os.environ.get("GOSSAN_DATA", ""))
    if not os.environ.get("GOSSAN_DATA") or not folder.is_dir():
        pytest.skip("GOSSAN_DATA does not name the folder of the open surveys")
    return folder


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("path", "crs", "attribute", "rows"),
    [
        ("eskay_creek_bc/geology.gpkg", "EPSG:26910", "ROCK_CLASS", 969),
        ("mount_painter_sa/geology.gpkg", "EPSG:28354", "Map_unit", 13),
        ("capricorn_wa/geology.gpkg", "EPSG:28350", "CODE", 634),
    ],
)
def test_the_geology_of_the_open_surveys_reads(data, path, crs, attribute, rows):
    got, counts = geology(data / path, crs, attribute=attribute)
    assert len(got) == counts["rows"] == rows


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("path", "crs", "rows", "lines"),
    [
        ("mount_painter_sa/faults.gpkg", "EPSG:28354", 607, 608),
        ("capricorn_wa/faults.gpkg", "EPSG:28350", 579, 579),
    ],
)
def test_the_faults_of_the_open_surveys_read(data, path, crs, rows, lines):
    got, counts = read_faults(data / path, FaultSource(path), crs)
    assert (counts["rows"], len(got)) == (rows, lines)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("path", "shape", "kind", "least", "most"),
    [
        ("eskay_creek_bc/fault_density_m_per_km2.tif", (304, 259), "number", 0, 2145),
        ("eskay_creek_bc/magnetics_nT.tif", (304, 259), "number", None, 1142.4045),
        ("eskay_creek_bc/gravity_residual.tif", (304, 259), "number", None, 23.5626),
        ("cloncurry_iocg_rasters/StratNo.tif", (2487, 1259), "class", 585, 81641),
        ("cloncurry_iocg_rasters/FaultDensity.tif", (2487, 1259), "number", 1, 10),
        ("cloncurry_iocg_rasters/Dist2Breccia.tif", (2487, 1259), "number", 100, 64200),
    ],
)
def test_the_rasters_of_the_open_surveys_read(data, path, shape, kind, least, most):
    layer, _ = raster(data / path, kind=kind)
    assert layer.values.shape == shape
    assert np.nanmax(layer.values) == pytest.approx(most)
    assert least is None or np.nanmin(layer.values) == least


@pytest.mark.realdata
def test_the_area_of_eskay_creek_reads(data):
    _, counts = read_area(data / "eskay_creek_bc/area.gpkg", "EPSG:26910")
    assert (counts["kept"], round(counts["area_km2"])) == (4, 45174)
