"""Vectors and rasters as they come: parts missing, curves, surfaces, open rings, other places, odd grids."""

import warnings

import geopandas as gpd
import numpy as np
import pyogrio
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

import corpus_files
from corpus_files import CRS, SIDE, SOUTH, SQUARE, TRIANGLE, WEST
from gossan.errors import DataError, DataWarning
from gossan.io import read_area, read_faults, read_geology, read_raster
from gossan.survey import FaultSource, GeologySource, RasterSource


def geology(path, **options):
    return read_geology(path, GeologySource(path.name, **options), CRS)


def faults(path, **options):
    return read_faults(path, FaultSource(path.name, **options), CRS)


def raster(path, **options):
    return read_raster(path, RasterSource(path.name, **options), CRS)


@pytest.fixture
def built(tmp_path):
    """Build a file of the corpus, or of the bytes of geometries."""

    def inner(name, *blobs):
        path = tmp_path / name
        (corpus_files.wkb_layer(*blobs) if blobs else corpus_files.BUILDERS[name])(path)
        return path

    return inner


# ---- parts of a Shapefile


def test_a_shapefile_without_dbf_has_lines_but_no_rock_units(built, tmp_path):
    with pytest.raises(DataError, match=r"without attributes.*\.dbf"):
        geology(built("no_dbf.shp"))
    path = tmp_path / "faults.shp"
    pyogrio.write_dataframe(corpus_files.frame(corpus_files.LINE), path)
    path.with_suffix(".dbf").unlink()
    assert len(faults(path)[0]) == 1


def test_a_shapefile_without_shx_is_refused_and_nothing_is_written_beside_it(built, tmp_path):
    path = built("no_shx.shp")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match=r"has no no_shx\.shx beside it"):
        geology(path)
    assert sorted(tmp_path.iterdir()) == before


def test_without_prj_metres_are_the_projects_and_degrees_are_refused(built, tmp_path):
    path = tmp_path / "g.shp"
    pyogrio.write_dataframe(corpus_files.frame(SQUARE), path)
    path.with_suffix(".prj").unlink()
    assert geology(path)[1]["crs_from"] == "assumed to be the project's"
    with pytest.raises(DataError, match=r"like degrees.*set \[geology\] crs, such as 'EPSG:4326'"):
        geology(built("degrees_no_prj.shp"))
    got, counts = geology(tmp_path / "degrees_no_prj.shp", crs="EPSG:4326")
    assert counts["crs_from"] == "settings"
    assert got.total_bounds[3] > 6e6


# ---- geometry


def test_curves_become_lines_of_their_length(built):
    got, counts = faults(built("arc.gpkg", corpus_files.arc()))
    radius = 500.0
    assert counts["length_m"] == pytest.approx(np.pi * radius, rel=1e-3)
    assert set(got.geom_type) == {"LineString"}


def test_an_open_ring_is_closed_and_told(built):
    with pytest.warns(DataWarning) as heard:
        got, counts = geology(built("open_ring.gpkg"))
    assert any("closed 1 open rings" in str(one.message) for one in heard)
    assert counts["closed"] == 1
    assert got.is_valid.all()


def test_what_no_geometry_can_be_made_of_is_dropped_and_the_rest_is_read(built):
    blobs = (corpus_files.TIN, corpus_files.ring(*TRIANGLE, TRIANGLE[0]))
    with pytest.warns(DataWarning, match="1 rows without geometry"):
        got, counts = geology(built("some.gpkg", *blobs))
    assert len(got) == 1
    assert counts["dropped"]["rows without geometry"] == 1


def test_heights_and_measures_are_left_behind(tmp_path):
    path = tmp_path / "z.gpkg"
    line = shapely.LineString([(WEST, SOUTH, 5), (WEST + 30, SOUTH + 40, 500)])
    pyogrio.write_dataframe(corpus_files.frame(line), path)
    got, counts = faults(path)
    assert counts["length_m"] == pytest.approx(50)
    assert not got.has_z.any()


def test_another_datum_is_shifted_as_pyproj_shifts_it(tmp_path):
    path = tmp_path / "nad27.gpkg"
    pyogrio.write_dataframe(corpus_files.frame(corpus_files.LINE, crs="EPSG:26710"), path)
    got, counts = faults(path)
    way = pyproj.Transformer.from_crs("EPSG:26710", CRS, always_xy=True)
    np.testing.assert_allclose(got.geometry.iloc[0].coords[0], way.transform(WEST, SOUTH))
    assert counts["crs"] == "EPSG:26710"
    assert abs(got.total_bounds[1] - SOUTH) > 50


def test_negative_eastings_are_kept(tmp_path):
    path = tmp_path / "west.gpkg"
    pyogrio.write_dataframe(corpus_files.frame(shapely.box(-50_000, 6.1e6, -10_000, 6.2e6)), path)
    got, _ = geology(path)
    assert got.total_bounds.tolist() == [-50_000, 6.1e6, -10_000, 6.2e6]


def test_a_crs_that_no_way_leads_from_is_refused(built):
    with pytest.raises(DataError, match="no way is known from mine grid to EPSG:26910"):
        geology(built("local_crs.gpkg"))


def test_geojson_in_metres_that_says_nothing_is_refused_and_read_when_told(tmp_path):
    path = tmp_path / "f.geojson"
    line = '{"type":"LineString","coordinates":[[500000,6100000],[503000,6104000]]}'
    path.write_text(
        '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":' + line + "}]}"
    )
    with pytest.raises(DataError, match="no degrees, but EPSG:4326 is in degrees"):
        faults(path)
    assert faults(path, crs=CRS)[1]["length_m"] == pytest.approx(5000)


GEOMETRY = st.one_of(
    st.none(),
    st.builds(shapely.Point, st.floats(), st.floats()),
    st.lists(st.tuples(st.floats(-1e7, 1e7), st.floats(-1e7, 1e7)), min_size=2, max_size=6).map(
        shapely.LineString
    ),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=9).map(
        lambda points: shapely.Polygon([(WEST + x, SOUTH + y) for x, y in points])
    ),
    st.just(shapely.GeometryCollection([SQUARE, shapely.Point(0, 0)])),
    st.just(shapely.MultiPolygon([SQUARE, SQUARE])),
    st.just(shapely.Polygon()),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(GEOMETRY, max_size=5), st.sampled_from([None, CRS, "EPSG:4326", "EPSG:26710"]))
@pytest.mark.filterwarnings("ignore")
def test_any_geometry_is_read_or_refused_and_what_is_read_is_valid(tmp_path_factory, rows, crs):
    path = tmp_path_factory.mktemp("g") / "g.gpkg"
    frame = gpd.GeoDataFrame({"unit": ["a"] * len(rows)}, geometry=rows, crs=crs)
    pyogrio.write_dataframe(frame, path, geometry_type="Unknown")
    for read in (lambda one: geology(one, attribute="unit"), faults, lambda one: read_area(one, CRS)):
        try:
            got, counts = read(path)
        except DataError as error:
            said = str(error)
            assert said.count("\n") == 0
            continue
        assert counts["rows"] == len(rows)
        assert len(got) == counts["kept"] > 0
        assert got.is_valid.all()
        assert np.isfinite(got.total_bounds).all()


# ---- rasters


def write(path, values, transform, **profile):
    rows, cols = values.shape[-2:]
    values = values.reshape(-1, rows, cols)
    profile = {"dtype": values.dtype.name, "crs": CRS} | profile
    with rasterio.open(
        path, "w", height=rows, width=cols, count=len(values), transform=transform, **profile
    ) as file:
        file.write(values)
    return path


NORTH = SOUTH + SIDE


def test_a_rotated_raster_of_oblong_cells_keeps_its_cells(tmp_path):
    turned = Affine.translation(WEST, NORTH) * Affine.rotation(30) * Affine.scale(100, -250)
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    layer, _ = raster(write(tmp_path / "r.tif", values, turned))
    np.testing.assert_allclose(layer.grid.affine[:6], turned[:6])
    np.testing.assert_array_equal(layer.values, values)


def test_one_of_several_bands_is_read(tmp_path):
    values = np.stack([np.zeros((2, 2)), np.ones((2, 2))]).astype(np.int16)
    path = write(tmp_path / "b.tif", values, Affine(10, 0, WEST, 0, -10, NORTH))
    assert raster(path, band=2)[0].values.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
def test_nodata_just_above_the_maximum_takes_nothing_else_away(tmp_path, dtype):
    values = np.array([[250, 251], [252, 253]], dtype=dtype)
    path = write(tmp_path / "n.tif", values, Affine(10, 0, WEST, 0, -10, NORTH), nodata=253)
    layer, counts = raster(path)
    np.testing.assert_array_equal(layer.values, [[250, 251], [252, np.nan]])
    assert counts["missing"] == 1


def test_classes_of_another_grid_and_crs_stay_on_their_own_grid(tmp_path):
    values = np.array([[1, 2], [3, 255]], dtype=np.uint8)
    path = write(tmp_path / "c.tif", values, Affine(0.01, 0, -123, 0, -0.02, 55), crs="EPSG:4326", nodata=255)
    layer, counts = raster(path, kind="class")
    assert layer.kind == "class"
    assert str(layer.grid.crs) == counts["crs"] == "EPSG:4326"
    np.testing.assert_array_equal(layer.values, [[1, 2], [3, np.nan]])


def test_an_ascii_grid_with_words_is_refused_which_gdal_would_read_as_zeros(tmp_path):
    head = f"ncols 2\nnrows 2\nxllcorner {WEST}\nyllcorner {SOUTH}\ncellsize 100\nNODATA_value -9999\n"
    path = tmp_path / "a.asc"
    path.write_text(head + "1 -9999\n2.5e1 4\n")
    np.testing.assert_array_equal(raster(path)[0].values, [[1, np.nan], [25, 4]])
    path.write_text(head + "1 two\n3 4\n")
    with pytest.raises(DataError, match="'two' among its values"):
        raster(path)


@pytest.mark.parametrize("name", ["service.tif", "picture.tif", "service.gpkg", "text_renamed.gpkg"])
def test_a_file_is_opened_only_as_what_its_ending_says(built, name):
    path = built(name)
    with pytest.raises(DataError, match="cannot be read"):
        raster(path) if name.endswith("tif") else geology(path)


@pytest.mark.parametrize(
    "source",
    [
        "/vsicurl/http://127.0.0.1:9/x.tif",
        "http://127.0.0.1:9/x.tif",
        "/vsizip/x.zip/x.tif",
        "/vsis3/b/x.tif",
        "<![CDATA[/vsicurl/http://127.0.0.1:9/x.tif]]>",
        "&#47;vsicurl&#47;http:&#47;&#47;127.0.0.1:9/x.tif",
    ],
)
def test_a_virtual_raster_leads_to_no_address_and_into_no_archive(tmp_path, source):
    path = tmp_path / "v.vrt"
    path.write_text(
        '<VRTDataset rasterXSize="2" rasterYSize="2"><GeoTransform>500000,10,0,6100000,0,-10</GeoTransform>'
        '<VRTRasterBand dataType="Float32" band="1"><SimpleSource><SourceFilename>'
        f"{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(DataError, match="archives, addresses, programs"):
        raster(path)


def test_a_virtual_raster_of_a_virtual_raster_is_refused(tmp_path):
    inner = (
        '<VRTDataset rasterXSize="2" rasterYSize="2"><VRTRasterBand dataType="Byte" band="1"/></VRTDataset>'
    )
    (tmp_path / "inner.vrt").write_text(inner)
    path = tmp_path / "outer.vrt"
    source = "<SimpleSource><SourceFilename>inner.vrt</SourceFilename></SimpleSource>"
    path.write_text(inner.replace("/></VRT", f">{source}</VRTRasterBand></VRT"))
    with pytest.raises(DataError, match="archives, addresses, programs"):
        raster(path)


def test_a_virtual_raster_of_a_file_beside_it_is_read(tmp_path):
    values = np.arange(4, dtype=np.float32).reshape(2, 2)
    write(tmp_path / "a.tif", values, Affine(10, 0, WEST, 0, -10, NORTH))
    path = tmp_path / "v.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="2" rasterYSize="2"><SRS>{CRS}</SRS><GeoTransform>500000,10,0,6140000,0,-10'
        '</GeoTransform><VRTRasterBand dataType="Float32" band="1"><SimpleSource><SourceFilename '
        'relativeToVRT="1">a.tif</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>'
        "</VRTDataset>"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer, _ = raster(path)
    np.testing.assert_array_equal(layer.values, values)
