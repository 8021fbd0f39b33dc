import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from gossan import grid as g
from gossan.errors import UsageError

UTM = "EPSG:32649"


@st.composite
def grids(draw, max_side=40):
    """Grids of any orientation, at ordinary and very large coordinates."""
    rows, cols = draw(st.integers(1, max_side)), draw(st.integers(1, max_side))
    step = draw(st.sampled_from([0.1, 1.0, 2.5, 25.0, 33.3, 100.0, 123.456]))
    west = draw(st.floats(-5e6, 5e6))
    north = draw(st.floats(-1e7, 1e7))
    flip_x, flip_y = draw(st.sampled_from([(1, -1), (1, 1), (-1, -1)]))
    return GeoBox((rows, cols), Affine(flip_x * step, 0, west, 0, flip_y * step, north), UTM)


@given(grids())
def test_index_of_a_pixel_centre_is_that_pixel(grid):
    easting, northing = g.centres(grid)
    rows, cols = np.meshgrid(np.arange(grid.shape[0]), np.arange(grid.shape[1]), indexing="ij")
    points = np.column_stack((easting[cols.ravel()], northing[rows.ravel()]))
    row, col, inside = g.pixel_index(grid, points)
    assert inside.all()
    np.testing.assert_array_equal(row, rows.ravel())
    np.testing.assert_array_equal(col, cols.ravel())
    np.testing.assert_allclose(g.to_pixel(grid, points), np.column_stack((row, col)) + 0.5, atol=1e-4)


@given(grids(), st.data())
def test_a_pixel_owns_its_west_and_north_edge_and_not_the_other_two(grid, data):
    row = data.draw(st.integers(0, grid.shape[0] - 1))
    col = data.draw(st.integers(0, grid.shape[1] - 1))
    west, south, east, north = (float(edge) for edge in g.window_region(grid, row, col, 1))
    corners = np.array([(west, north), (east, north), (west, south), (east, south)])
    r, c, inside = g.pixel_index(grid, corners)
    own = inside & (r == row) & (c == col)
    assert own.tolist() == [True, False, False, False]


@given(grids())
def test_the_east_and_south_edge_of_the_map_are_outside(grid):
    west, south, east, north = g.region_of(grid)
    points = [(west, north), (east, north), (west, south), (np.nan, north), (west, np.inf)]
    row, col, inside = g.pixel_index(grid, points)
    assert inside.tolist() == [True, False, False, False, False]
    assert (row[~inside] == -1).all()
    assert (col[~inside] == -1).all()


@given(grids(), st.integers(1, 9))
def test_windows_tile_the_map_so_that_every_point_lies_in_exactly_one(grid, size):
    rows, cols = np.meshgrid(
        np.arange(0, grid.shape[0], size), np.arange(0, grid.shape[1], size), indexing="ij"
    )
    west, south, east, north = g.window_region(grid, rows.ravel(), cols.ravel(), size)
    edges = (
        g.window_region(grid, np.arange(grid.shape[0]), 0, 1),
        g.window_region(grid, 0, np.arange(grid.shape[1]), 1),
    )
    y = np.concatenate((edges[0][3], g.centres(grid)[1]))
    x = np.concatenate((edges[1][0], g.centres(grid)[0]))
    xx, yy = (a.ravel()[:, None] for a in np.meshgrid(x, y))
    assert (((xx >= west) & (xx < east) & (yy > south) & (yy <= north)).sum(axis=1) == 1).all()


@given(
    st.floats(-1e6, 1e6),
    st.floats(-1e6, 1e6),
    st.floats(1, 5e3),
    st.floats(1, 5e3),
    st.sampled_from([1.0, 7, 25, 100]),
)
def test_make_grid_covers_the_region_on_multiples_of_the_resolution(west, south, width, height, resolution):
    region = (west, south, west + width, south + height)
    grid = g.make_grid(region, resolution, UTM)
    found = np.array(g.region_of(grid))
    assert (found[:2] <= np.array(region[:2]) + 1e-5 * resolution).all()
    assert (found[2:] >= np.array(region[2:]) - 1e-5 * resolution).all()
    assert (np.abs(found - region) < resolution * 1.00001).all()
    np.testing.assert_array_equal(found % resolution, 0)
    assert g.resolution_of(grid) == resolution


def test_pixel_centres_of_four_pixels_of_ten_metres_are_5_15_25_35():
    easting, northing = g.centres(g.make_grid((0, 0, 40, 40), 10, UTM))
    assert easting.tolist() == [5, 15, 25, 35]
    assert northing.tolist() == [35, 25, 15, 5]


def test_a_region_on_the_pixel_edges_gets_no_extra_pixel():
    assert g.make_grid((0.3, 0.1, 0.7, 0.6), 0.1, UTM).shape == (5, 4)
    assert g.make_grid((421_000, 2_400_000, 460_000, 2_439_000), 25, UTM).shape == (1560, 1560)


def test_to_pixel_agrees_with_the_affine_of_a_rotated_grid():
    affine = Affine(8, 3, 421_000, 2, -9, 2_400_000)
    grid = GeoBox((50, 60), affine, UTM)
    pixels = np.random.default_rng(1).uniform(-10, 70, (50, 2))
    points = np.array([affine @ (col, row) for row, col in pixels])
    np.testing.assert_allclose(g.to_pixel(grid, points), pixels, atol=1e-6)


def test_rotated_and_oblong_grids_are_refused():
    rotated = GeoBox((5, 5), Affine(8, 3, 0, 2, -9, 0), UTM)
    for function in (g.centres, g.region_of, g.resolution_of, lambda grid: g.pixel_index(grid, [(0, 0)])):
        with pytest.raises(UsageError, match="rotated"):
            function(rotated)
    with pytest.raises(UsageError, match="square"):
        g.resolution_of(GeoBox((5, 5), Affine(8, 0, 0, 0, -9, 0), UTM))


@pytest.mark.parametrize(
    ("crs", "message"),
    [
        (None, "no CRS"),
        ("", "no CRS"),
        ("EPSG:4326", "not projected"),
        ("EPSG:2263", "metres"),
        ("nonsense", "PROJ"),
    ],
)
def test_a_crs_without_metres_is_refused(crs, message):
    with pytest.raises(UsageError, match=message):
        g.make_grid((0, 0, 40, 40), 10, crs)


@pytest.mark.parametrize(
    ("region", "resolution"),
    [
        ((0, 0, 0, 1), 1),
        ((0, 1, 1, 0), 1),
        ((0, 0, np.nan, 1), 1),
        ((0, 0, 1, 1), 0),
        ((0, 0, 1, 1), -5),
        ((0, 0, 1, 1), np.nan),
    ],
)
def test_an_empty_region_or_resolution_is_refused(region, resolution):
    with pytest.raises(UsageError, match="given"):
        g.make_grid(region, resolution, UTM)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 12))
def test_tiles_cover_every_pixel_once(rows, cols, size):
    seen = np.zeros((rows, cols), dtype=int)
    for tile in g.tiles((rows, cols), size):
        assert max(seen[tile].shape) <= size
        seen[tile] += 1
    assert (seen == 1).all()


def test_a_tile_size_below_one_is_refused():
    with pytest.raises(UsageError, match="at least 1"):
        g.tiles((3, 3), 0)


@given(st.floats(1e-3, 1e6))
def test_a_nice_resolution_is_the_largest_round_number_up_to_a_quarter(spacing):
    value = g.nice_resolution(spacing)
    assert value <= spacing / 4 < 2 * value * 1.0000001
    digits = f"{value:.6e}".split("e")[0]
    assert float(digits) in (1, 2, 2.5, 5)


@pytest.mark.parametrize(
    ("spacing", "nice"), [(400, 100), (399.9, 50), (100, 25), (99, 20), (4, 1), (0.4, 0.1)]
)
def test_nice_resolutions_at_their_limits(spacing, nice):
    assert g.nice_resolution(spacing) == nice


@pytest.mark.parametrize("spacing", [0, -1, float("nan"), float("inf")])
def test_a_spacing_that_is_no_positive_number_is_refused(spacing):
    with pytest.raises(UsageError, match="spacing"):
        g.nice_resolution(spacing)
