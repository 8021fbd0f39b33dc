import os
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely import LineString, MultiLineString, MultiPolygon, Point, Polygon, box

from gossan import evidence
from gossan.errors import DataError, UsageError
from gossan.evidence import area_mask, class_map, fault_density, fault_distance, resample
from gossan.grid import centres, make_grid

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


def test_distance_from_the_search_tree_alone_is_the_same(monkeypatch):
    grid, lines = make(), random_lines()
    expected = fault_distance(lines, grid)
    monkeypatch.setattr(evidence, "_CANDIDATES", 1)  # proves next to nothing
    monkeypatch.setattr(evidence, "_TILE", 17)
    np.testing.assert_allclose(fault_distance(lines, grid), expected, rtol=1e-6, atol=1e-3)


def test_distance_does_not_depend_on_how_lines_are_cut(monkeypatch):
    grid, lines = make(), random_lines()
    expected = fault_distance(lines, grid)
    monkeypatch.setattr(evidence, "_MOST_POINTS", 20)
    np.testing.assert_allclose(fault_distance(lines, grid), expected, rtol=1e-6, atol=1e-3)


def test_distance_is_zero_on_a_fault_that_crosses_a_pixel_centre():
    grid = make(40, 40, 10)
    found = fault_distance([LineString([(WEST + 5, SOUTH - 100), (WEST + 5, SOUTH + 100)])], grid)
    np.testing.assert_allclose(found, [[0, 10, 20, 30]] * 4, atol=1e-9)
    slanting = fault_distance([LineString([(WEST - 20, SOUTH - 20), (WEST + 60, SOUTH + 60)])], grid)
    np.testing.assert_allclose(np.diag(slanting[::-1]), 0, atol=1e-6)


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
