import os
import shutil
import subprocess
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from shapely import LinearRing, LineString, MultiLineString, MultiPolygon, Point, Polygon, box

from gossan import _nest
from gossan.errors import DataError, UsageError
from gossan.evidence import (
    ClassMap,
    FaultDensity,
    FaultDistance,
    area_mask,
    class_map,
    fault_density,
    fault_distance,
    resample,
)
from gossan.grid import centres, make_grid, region_of, tiles

UTM = "EPSG:32649"
WEST, SOUTH = 421_000.0, 2_400_000.0


def make(width=4000, height=3000, resolution=50, west=WEST, south=SOUTH):
    return make_grid((west, south, west + width, south + height), resolution, UTM)


def random_lines(n=12, *, seed=0, vertices=6, step=600.0, side=4000.0):
    """Random walks, some of which start outside the map."""
    rng = np.random.default_rng(seed)
    starts = rng.uniform(-0.3 * side, 1.3 * side, (n, 1, 2)) + np.array((WEST, SOUTH))
    walks = starts + np.cumsum(rng.normal(0, step, (n, vertices, 2)), axis=1)
    return [LineString(walk) for walk in walks]


def points_of(grid):
    easting, northing = centres(grid)
    return shapely.points(*np.meshgrid(easting, northing))


def mirror(lines):
    def turn(xy):
        return np.column_stack((2 * WEST + 4000 - xy[:, 0], xy[:, 1]))

    return [shapely.transform(line, turn) for line in lines]


# ---- distance


@pytest.mark.parametrize(
    "lines",
    [
        random_lines(),
        random_lines(2, vertices=2, seed=3),
        random_lines(40, seed=5),
        random_lines(
            3, vertices=400, step=8.0, seed=4
        ),  # vertices much denser than pixels, beside a long line
        [
            *random_lines(2, vertices=600, step=2.0, seed=6),
            LineString([(WEST - 9e4, SOUTH), (WEST + 9e4, SOUTH + 9)]),
        ],
        random_lines(3, seed=7) * 12,  # every line twelve times
        [LineString([(WEST - 5e4, SOUTH - 5e4), (WEST - 4e4, SOUTH - 5e4)])],  # far outside
        [LineString([(WEST + 10, SOUTH + 10), (WEST + 10, SOUTH + 10)])],  # no length
    ],
)
def test_distance_agrees_with_shapely_to_a_hundredth_of_a_pixel(lines):
    grid = make()
    expected = np.min([shapely.distance(points_of(grid), line) for line in lines], axis=0)
    found = fault_distance(lines, grid)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-3)


BLOCKS = (128, 256, 1152)
#: What makes a layer in blocks, and at once; discs smaller than a tile of pixels, as large, and larger.
LAYERS = [
    (FaultDistance, fault_distance),
    *(
        (
            lambda lines, grid, radius=radius: FaultDensity(lines, grid, radius),
            lambda lines, grid, radius=radius: fault_density(lines, grid, radius),
        )
        for radius in (30.0, 400.0, 6000.0)
    ),
]


@pytest.mark.parametrize(("blocks", "whole"), LAYERS)
@pytest.mark.parametrize("size", BLOCKS)
def test_a_map_in_blocks_has_the_bits_of_the_whole(blocks, whole, size):
    grid = make(
        13_000, 3_300, 10
    )  # 330 x 1300 px: more than the largest tile, and no multiple of the smallest
    lines = random_lines(60, seed=8, side=13_000.0)
    layer, expected = blocks(lines, grid), whole(lines, grid)
    assert np.ptp(expected) > 0
    for rows, cols in tiles(grid.shape, size):
        np.testing.assert_array_equal(layer.block(rows, cols), expected[rows, cols])
    odd = slice(101, 270), slice(1017, 1031)  # across a border of the largest tiles
    np.testing.assert_array_equal(layer.block(*odd), expected[odd])


@pytest.mark.parametrize("blocks", [each for each, _ in LAYERS])
def test_working_through_tiles_one_after_the_other_changes_no_bit(blocks, monkeypatch):
    grid, lines = make(6000, 6000, 20), random_lines(80, seed=9, side=6000.0)
    expected = blocks(lines, grid).block(slice(None), slice(None))
    monkeypatch.setattr(_nest, "_MOST_PAIRS", 200)
    monkeypatch.setattr(_nest, "_BATCH", 7)
    np.testing.assert_array_equal(blocks(lines, grid).block(slice(None), slice(None)), expected)


@pytest.mark.parametrize("many", [2, 10**9])
def test_tiles_with_many_segments_are_as_right_as_others(many, monkeypatch):
    grid, lines = make(2000, 2000, 20), random_lines(30, seed=10, side=2000.0)
    distance, density = fault_distance(lines, grid), fault_density(lines, grid, 300.0)
    monkeypatch.setattr(_nest, "_MANY", many)
    np.testing.assert_array_equal(fault_distance(lines, grid), distance)
    np.testing.assert_allclose(fault_density(lines, grid, 300.0), density, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "block", [(slice(3, 3), slice(None)), (slice(None), slice(0, 9, 2)), (slice(50, 61), slice(None))]
)
def test_a_block_that_is_none_is_refused(block):
    polygons = ClassMap([box(WEST, SOUTH, WEST + 90, SOUTH + 90)], [1], make())
    for layer in (
        FaultDistance(random_lines(), make()),
        FaultDensity(random_lines(), make(), 90.0),
        polygons,
    ):
        with pytest.raises(UsageError, match="change the slices"):
            layer.block(*block)


#: Rounded, because shapely divides by zero for steps of 1e-160.
PLACES = st.one_of(st.integers(-40, 40), *(st.floats(-most, most) for most in (1e3, 1e6))).map(
    lambda place: round(float(place), 6)
)
ODD_LINES = st.lists(st.lists(st.tuples(PLACES, PLACES), min_size=2, max_size=6), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(ODD_LINES, st.sampled_from([0.1, 1.0, 25.0]))
def test_distance_of_any_lines_is_that_of_shapely(lines, resolution):
    grid = make_grid((-20 * resolution, -13 * resolution, 21 * resolution, 12 * resolution), resolution, UTM)
    lines = [LineString(np.array(line) * resolution) for line in lines]
    expected = np.min([shapely.distance(points_of(grid), line) for line in lines], axis=0)
    # the rounding of float32, of the distance or of some pixels
    np.testing.assert_allclose(fault_distance(lines, grid), expected, rtol=4e-7, atol=4e-6 * resolution)


def test_lines_of_one_ring_around_a_pixel_are_all_kept():
    grid = make(1050, 1050, 50)
    angle = np.linspace(0, 2 * np.pi, 4001)
    middle = np.array((WEST + 525, SOUTH + 525))
    ring = LinearRing(middle + 450 * np.column_stack((np.cos(angle), np.sin(angle))))
    away = np.hypot(*(np.stack(np.meshgrid(*centres(grid)), axis=-1) - middle).transpose(2, 0, 1))
    # the chords of the ring lie within 450 (1 - cos(pi / 4000)) of it
    np.testing.assert_allclose(fault_distance([ring], grid), np.abs(away - 450), atol=2e-4)
    inside = fault_density([ring], grid, 600.0)[10, 10]
    assert inside == pytest.approx(ring.length / (np.pi * 0.6**2), rel=1e-6)


@pytest.mark.gdal
@pytest.mark.skipif(
    not (shutil.which("gdal_rasterize") and shutil.which("gdal_proximity.py")), reason="no GDAL programs"
)
def test_distance_is_within_a_pixel_of_gdals(tmp_path):
    grid, lines = make(), random_lines(30, seed=11)
    gpd.GeoDataFrame(geometry=lines, crs=UTM).to_file(
        tmp_path / "lines.gpkg", dataset_options={"VERSION": "1.2"}
    )
    west, south, east, north = region_of(grid)
    extent = [str(edge) for edge in (west, south, east, north)]
    burn = ["gdal_rasterize", "-q", "-at", "-burn", "1", "-ot", "Byte", "-tr", "50", "50", "-te", *extent]
    subprocess.run([*burn, tmp_path / "lines.gpkg", tmp_path / "burnt.tif"], check=True)
    near = ["gdal_proximity.py", "-q", "-distunits", "GEO", "-ot", "Float32"]
    subprocess.run([*near, tmp_path / "burnt.tif", tmp_path / "near.tif"], check=True, capture_output=True)
    with rasterio.open(tmp_path / "near.tif") as file:
        theirs = file.read(1)
    inside = shapely.union_all(lines).intersection(box(west, south, east, north))
    found = fault_distance([inside], grid)  # GDAL knows nothing of lines off the map
    # a line is at most half a diagonal from the centre of a burnt pixel, and GDAL's search adds to that
    assert np.abs(found - theirs).max() <= 50
    assert np.abs(found - theirs).mean() < 25


def test_distance_is_zero_on_a_fault_that_crosses_a_pixel_centre():
    grid = make(40, 40, 10)
    found = fault_distance([LineString([(WEST + 5, SOUTH - 100), (WEST + 5, SOUTH + 100)])], grid)
    np.testing.assert_allclose(found, [[0, 10, 20, 30]] * 4, atol=1e-9)
    slanting = fault_distance([LineString([(WEST - 20, SOUTH - 20), (WEST + 60, SOUTH + 60)])], grid)
    np.testing.assert_allclose(np.diag(slanting[::-1]), 0, atol=1e-5)  # a millionth of a pixel


@pytest.mark.parametrize("layer", [fault_distance, lambda lines, grid: fault_density(lines, grid, 500.0)])
def test_mirrored_faults_give_the_mirrored_map(layer):
    grid, lines = make(), random_lines()
    np.testing.assert_allclose(layer(mirror(lines), grid)[:, ::-1], layer(lines, grid), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("layer", [fault_distance, lambda lines, grid: fault_density(lines, grid, 500.0)])
def test_a_south_up_grid_gives_the_map_upside_down(layer):
    grid, lines = make(), random_lines()
    turned = GeoBox(grid.shape, Affine(50, 0, WEST, 0, 50, SOUTH), UTM)
    np.testing.assert_allclose(layer(lines, turned)[::-1], layer(lines, grid), rtol=1e-5, atol=1e-3)


def test_lines_may_come_in_every_form():
    grid, lines = make(), random_lines()
    expected = fault_distance(lines, grid)
    series = gpd.GeoSeries([*lines, None, LineString()], crs=UTM)
    forms = [
        series,
        gpd.GeoDataFrame(geometry=series),
        [MultiLineString(lines)],
        MultiLineString(lines),
        tuple(lines),
    ]
    for form in forms:
        np.testing.assert_array_equal(fault_distance(form, grid), expected)


@pytest.mark.parametrize(
    ("lines", "error", "message"),
    [
        ([], DataError, "no shape"),
        ([None, LineString()], DataError, "no shape"),
        ([Point(0, 0)], DataError, "Point given; Lines are needed"),
        ([box(0, 0, 1, 1)], DataError, "Polygon given"),
        ([LineString([(0, 0), (np.inf, 1)])], DataError, "not finite"),
        (gpd.GeoSeries([LineString([(0, 0), (1, 1)])], crs="EPSG:4326"), UsageError, "reproject"),
    ],
)
def test_what_is_no_line_is_refused(lines, error, message):
    for layer in (fault_distance, lambda lines, grid: fault_density(lines, grid, 500.0)):
        with pytest.raises(error, match=message):
            layer(lines, make())


# ---- density


def test_density_of_one_long_line_is_its_chord_over_the_disc():
    grid, radius = make(), 500.0
    found = fault_density(
        [LineString([(WEST + 1025, SOUTH - 9e4), (WEST + 1025, SOUTH + 9e4)])], grid, radius
    )
    assert found.dtype == np.float32
    offset = centres(grid)[0] - (WEST + 1025)
    chord = 2 * np.sqrt(np.maximum(radius**2 - offset**2, 0))
    np.testing.assert_allclose(
        found, np.broadcast_to(chord / (np.pi * radius**2) * 1e6, grid.shape), rtol=1e-6, atol=1e-6
    )
    assert found.max() == pytest.approx(2 * radius / (np.pi * radius**2) * 1e6)


@pytest.mark.parametrize("radius", [20.0, 300.0, 5000.0])
def test_density_agrees_with_lines_cut_by_discs_in_shapely(radius):
    grid, lines = make(2000, 1500, 100), random_lines(8, side=2000.0)
    cut = shapely.intersection(
        shapely.buffer(points_of(grid), radius, quad_segs=200), shapely.union_all(lines)
    )
    expected = shapely.length(cut) / (np.pi * radius**2) * 1e6
    np.testing.assert_allclose(
        fault_density(lines, grid, radius), expected, rtol=2e-3, atol=expected.max() * 1e-3
    )


def test_density_of_a_short_line_integrates_to_its_length():
    grid, length = make(resolution=10), 130.0
    line = LineString([(WEST + 1503, SOUTH + 1401), (WEST + 1503 + length, SOUTH + 1401)])
    assert fault_density([line], grid, 400.0).sum() * 1e-4 == pytest.approx(
        length, rel=1e-3
    )  # px of 1e-4 km2


@pytest.mark.parametrize("radius", [0, -1, np.nan, np.inf])
def test_a_radius_that_is_not_positive_is_refused(radius):
    with pytest.raises(UsageError, match="radius"):
        fault_density(random_lines(), make(), radius)


# ---- classes and masks


def random_polygons(n=15, seed=0):
    rng = np.random.default_rng(seed)
    middles = rng.uniform(-500, 4500, (n, 2)) + np.array((WEST, SOUTH))
    angles = np.sort(rng.uniform(0, 2 * np.pi, (n, 9)), axis=1)
    reach = rng.uniform(100, 1200, (n, 9))
    rings = middles[:, None] + np.stack((np.cos(angles), np.sin(angles)), axis=-1) * reach[..., None]
    return [Polygon(ring).buffer(0) for ring in rings]


def test_class_map_is_the_last_polygon_that_holds_the_pixel_centre():
    grid, polygons = make(), random_polygons()
    codes = np.random.default_rng(1).integers(0, 300, len(polygons))
    expected = np.full(grid.shape, -1)
    for polygon, code in zip(polygons, codes, strict=True):
        expected[shapely.contains(polygon, points_of(grid))] = code
    found = class_map(polygons, codes, grid)
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, expected)


def test_neighbouring_polygons_leave_no_gap_even_through_pixel_centres():
    grid = make(40, 40, 10)
    middle = WEST + 15
    found = class_map(
        [box(WEST, SOUTH, middle, SOUTH + 40), box(middle, SOUTH, WEST + 40, SOUTH + 40)], [4, 9], grid
    )
    assert set(found[:, 1]) <= {4, 9}
    assert (found[:, 0] == 4).all()
    assert (found[:, 2:] == 9).all()


@pytest.mark.parametrize("size", [7, 16, 128])
def test_classes_in_blocks_are_those_of_the_whole(size):
    grid, polygons = make(), [*random_polygons(40), box(WEST + 1000, SOUTH + 1000, WEST + 1500, SOUTH + 1125)]
    codes = np.random.default_rng(1).integers(0, 300, len(polygons))
    expected, classes = class_map(polygons, codes, grid), ClassMap(polygons, codes, grid)
    for rows, cols in tiles(grid.shape, size):
        np.testing.assert_array_equal(classes.block(rows, cols), expected[rows, cols])


def test_class_map_takes_frames_holes_and_missing_shapes():
    grid = make(40, 40, 10)
    ring = box(WEST, SOUTH, WEST + 40, SOUTH + 40).difference(
        box(WEST + 10, SOUTH + 10, WEST + 20, SOUTH + 20)
    )
    frame = gpd.GeoDataFrame({"code": [3, 1, 2]}, geometry=[None, MultiPolygon([ring]), Polygon()], crs=UTM)
    found = class_map(frame, frame["code"], grid)
    expected = np.ones((4, 4))
    expected[2, 1] = -1
    np.testing.assert_array_equal(found, expected)


def test_area_mask_is_true_where_any_polygon_holds_the_centre():
    grid, polygons = make(), random_polygons()
    expected = shapely.contains(shapely.union_all(polygons), points_of(grid))
    found = area_mask(gpd.GeoSeries(polygons, crs=UTM), grid)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("polygons", "codes", "error", "message"),
    [
        ([box(0, 0, 1, 1)], [1, 2], UsageError, "1 polygons"),
        ([box(0, 0, 1, 1)], [1.0], UsageError, "float64 codes"),
        ([box(0, 0, 1, 1)], [-1], UsageError, "codes -1"),
        ([box(0, 0, 1, 1)], [40_000], UsageError, "40000"),
        ([LineString([(0, 0), (1, 1)])], [1], DataError, "LineString given"),
        ([], [], DataError, "no shape"),
    ],
)
def test_class_map_refuses_what_does_not_fit(polygons, codes, error, message):
    with pytest.raises(error, match=message):
        class_map(polygons, codes, make())


# ---- resampling


@pytest.fixture
def raster():
    values = np.random.default_rng(0).normal(size=(60, 80)).astype(np.float32)
    values[10:20, 30:50] = np.nan
    return values


@pytest.mark.parametrize("kind", ["number", "class"])
def test_resampling_onto_the_same_grid_returns_the_raster(raster, kind):
    grid = make()
    found = resample(raster, grid, make(), kind)
    np.testing.assert_array_equal(found, raster)
    assert found is not raster


@pytest.mark.parametrize("kind", ["number", "class"])
def test_resampling_onto_an_aligned_part_returns_that_part(raster, kind):
    part = make(1500, 1000, 50, WEST + 500, SOUTH + 1500)
    np.testing.assert_allclose(resample(raster, make(), part, kind), raster[10:30, 10:40], rtol=1e-6)


@pytest.mark.parametrize("kind", ["number", "class"])
def test_outside_the_source_is_missing(raster, kind):
    wider = make(6000, 3000, 50, WEST - 1000)
    found = resample(raster, make(), wider, kind)
    assert np.isnan(found[:, :20]).all()
    assert np.isnan(found[:, -20:]).all()
    np.testing.assert_allclose(found[:, 20:-20], raster, rtol=1e-6)


def test_numbers_are_averaged_where_pixels_get_larger_and_missing_ones_do_not_count(raster):
    found = resample(raster, make(), make(resolution=200), "number")
    blocks = raster.reshape(15, 4, 20, 4).swapaxes(1, 2).reshape(15, 20, 16)
    known = np.isfinite(blocks)
    with np.errstate(invalid="ignore"):
        expected = np.where(known, blocks, 0).sum(axis=-1) / known.sum(axis=-1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_numbers_are_bilinear_where_pixels_get_smaller():
    coarse, fine = make(resolution=200), make()
    easting, northing = centres(coarse)
    plane = (0.001 * (easting - WEST) + 0.002 * (northing[:, None] - SOUTH)).astype(np.float32)
    easting, northing = centres(fine)
    expected = 0.001 * (easting - WEST) + 0.002 * (northing[:, None] - SOUTH)
    inner = np.s_[4:-4, 4:-4]
    np.testing.assert_allclose(resample(plane, coarse, fine, "number")[inner], expected[inner], rtol=1e-4)


def test_classes_keep_their_values_at_any_resolution():
    classes = np.random.default_rng(0).integers(0, 5, (60, 80)).astype(np.float32)
    classes[5, 5] = np.nan
    np.testing.assert_array_equal(
        resample(classes, make(), make(resolution=25), "class"), classes.repeat(2, axis=0).repeat(2, axis=1)
    )
    coarse = resample(classes, make(), make(resolution=250), "class")
    np.testing.assert_array_equal(coarse, classes[2::5, 2::5])


def test_another_crs_puts_a_plane_where_it_belongs():
    from pyproj import Transformer

    degrees = GeoBox((200, 200), Affine(0.0005, 0, 110.2, 0, -0.0005, 21.75), "EPSG:4326")
    lon = 110.2 + 0.0005 * (np.arange(200) + 0.5)
    lat = 21.75 - 0.0005 * (np.arange(200) + 0.5)
    grid = make(3000, 3000, 25, 421_000, 2_397_000)
    to_degrees = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True)
    x, y = to_degrees.transform(*np.meshgrid(*centres(grid)))
    found = resample(np.broadcast_to(lon, (200, 200)), degrees, grid, "number")
    np.testing.assert_allclose(found, x, atol=0.0005 * 0.05)
    found = resample(np.broadcast_to(lat[:, None], (200, 200)), degrees, grid, "number")
    np.testing.assert_allclose(found, y, atol=0.0005 * 0.05)


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [(np.zeros((3, 3)), "number", "must agree"), (np.zeros((60, 80)), "nearest", "'number' and 'class'")],
)
def test_resample_refuses_what_does_not_fit(values, kind, message):
    with pytest.raises(UsageError, match=message):
        resample(values, make(), make(resolution=100), kind)


def test_resample_refuses_a_grid_without_crs():
    bare = GeoBox((60, 80), Affine(50, 0, WEST, 0, -50, SOUTH + 3000), None)
    with pytest.raises(UsageError, match="without CRS"):
        resample(np.zeros((60, 80)), bare, make(), "number")


@pytest.mark.realdata
def test_distance_to_the_faults_of_mount_painter_is_that_of_shapely():
    folder = os.environ.get("GOSSAN_DATA")
    if not folder:
        pytest.skip("GOSSAN_DATA is not set")
    faults = gpd.read_file(Path(folder) / "mount_painter_sa" / "faults.gpkg").to_crs("EPSG:28354")
    west, south, east, north = faults.total_bounds
    grid = make_grid((west - 5000, south - 5000, east + 5000, north + 5000), 500, "EPSG:28354")
    found = fault_distance(faults, grid)
    expected = shapely.distance(points_of(grid), shapely.union_all(faults.geometry.values))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-2)
