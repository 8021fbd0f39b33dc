"""The sum over all samples in near-linear time, beside the formula in float64."""

import pickle
import shutil
import subprocess
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import KroghInterpolator
from scipy.spatial import cKDTree

from gossan import _far, _nearest
from gossan.errors import UsageError
from gossan.grid import centres, make_grid, pixel_index
from gossan.interpolate import Interpolator, NearestSample, idw, nearest_sample

UTM = "EPSG:32649"
WEST, SOUTH, PIXEL = 421_000.0, 7_400_000.0, 10.0
ROWS, COLS = 300, 420


@pytest.fixture(scope="module")
def grid():
    return make_grid((WEST, SOUTH, WEST + COLS * PIXEL, SOUTH + ROWS * PIXEL), PIXEL, UTM)


@pytest.fixture
def small_tiles(monkeypatch):
    """Six levels on a small map, and blocks that do not hold a long list."""
    monkeypatch.setattr(_far, "_SIDES", (8,))
    monkeypatch.setattr(_far, "_KEPT", 64)
    monkeypatch.setattr(_far.AllSamples, "cell", (32, 32))
    monkeypatch.setattr(_far, "_PAIRS", 5000)


def formula(points, values, at, power=2.0):
    """Equation 5 in float64 at points (m, 2): estimates (m, element)."""
    out = np.empty((len(at), values.shape[1]))
    for element, value in enumerate(values.T):
        known = np.isfinite(value)
        distance = np.hypot(*np.moveaxis(at[:, None] - points[known], -1, 0))
        weight = (distance.min(axis=1, keepdims=True) / distance) ** power
        out[:, element] = weight @ value[known] / weight.sum(axis=1)
    return out


def worst(points, values, grid, found, power=2.0, pixels=1500):
    """Largest difference as a share of each element's range, at random pixels and at those of samples."""
    rng = np.random.default_rng(7)
    easting, northing = centres(grid)
    row, col = rng.integers(grid.shape[0], size=pixels), rng.integers(grid.shape[1], size=pixels)
    near_row, near_col, inside = pixel_index(grid, points)
    row, col = np.r_[row, near_row[inside][:800]], np.r_[col, near_col[inside][:800]]
    at = np.column_stack((easting[col], northing[row]))
    apart = cKDTree(points).query(at)[0] > 2e-6 * PIXEL  # the formula has no value at a sample
    expected = formula(points, values, at[apart], power)
    spread = np.nanmax(values, axis=0) - np.nanmin(values, axis=0)
    return np.nanmax(np.abs(found[:, row, col].T[apart] - expected) / spread)


def layout(name, rng):
    """Positions in pixels from the south-west corner, made to be awkward."""
    side = np.array((COLS, ROWS))
    uniform = rng.uniform(0, 1, (600, 2)) * side
    return {
        "uniform": lambda: uniform,
        "clusters": lambda: np.vstack(
            [rng.normal(centre, 0.5, (300, 2)) for centre in rng.uniform(0, 1, (4, 2)) * side]
        ),
        "one dense spot": lambda: np.vstack(
            (uniform[:20], np.array((200.3, 100.1)) + rng.normal(0, 1e-3, (900, 2)))
        ),
        "near duplicates": lambda: np.vstack((uniform, uniform + rng.normal(0, 1e-4, uniform.shape))),
        "exact duplicates": lambda: np.vstack((uniform, uniform[:300], uniform[:100])),
        "a line": lambda: np.column_stack((np.linspace(-50, 500, 800), np.full(800, 150.5))),
        "a slanted line": lambda: np.linspace((-90, -40), (480, 360), 700),
        "a lattice on tile edges": lambda: np.stack(
            np.meshgrid(np.arange(0, 421, 16.0), np.arange(0, 301, 16.0)), -1
        ).reshape(-1, 2),
        "all outside": lambda: rng.uniform(1, 3, (300, 2)) * side,
        "all very far": lambda: rng.uniform(1e4, 2e4, (300, 2)),
        "one inside, many far": lambda: np.vstack(([(210.2, 150.7)], rng.uniform(-1e5, 1e5, (500, 2)))),
        "on pixel centres": lambda: np.floor(uniform) + 0.5,
        "at pixel corners": lambda: np.floor(uniform),
        "one": lambda: uniform[:1],
        "three": lambda: uniform[:3],
    }[name]()


LAYOUTS = [
    "uniform",
    "clusters",
    "one dense spot",
    "near duplicates",
    "exact duplicates",
    "a line",
    "a slanted line",
    "a lattice on tile edges",
    "all outside",
    "all very far",
    "one inside, many far",
    "on pixel centres",
    "at pixel corners",
    "one",
    "three",
]


def places(name, seed=0):
    rng = np.random.default_rng(seed)
    points = layout(name, rng) * PIXEL + np.array((WEST, SOUTH))
    _, place = np.unique(points, axis=0, return_inverse=True)
    # one value a position, since the formula knows no duplicates
    return points, rng.lognormal(size=(place.max() + 1, 2))[place.ravel()]


@pytest.mark.usefixtures("small_tiles")
class TestError:
    @pytest.mark.parametrize("name", LAYOUTS)
    def test_it_is_kept_on_any_layout(self, grid, name):
        points, values = places(name)
        found = idw(points, values, grid)
        distinct, first = np.unique(points, axis=0, return_index=True)
        if len(distinct) == 1:
            np.testing.assert_array_equal(
                found, np.broadcast_to(values[0].astype(np.float32)[:, None, None], found.shape)
            )
        else:
            assert worst(distinct, values[first], grid, found) <= 1e-5

    @pytest.mark.parametrize(
        "name", ["uniform", "clusters", "near duplicates", "a slanted line", "all very far"]
    )
    @pytest.mark.parametrize(
        ("power", "error"), [(0.5, 1e-5), (1, 1e-4), (3, 1e-5), (4, 1e-5), (5, 1e-5), (8, 1e-4)]
    )
    def test_it_is_kept_at_any_power(self, grid, name, power, error):
        points, values = places(name)
        assert _far.expansion(power, error) is not None
        assert (
            worst(points, values, grid, idw(points, values, grid, power=power, error=error), power) <= error
        )

    def test_the_caller_sets_it(self, grid):
        points, values = places("uniform")
        found = {
            error: worst(points, values, grid, idw(points, values, grid, error=error))
            for error in (1e-1, 1e-3, 1e-5, 1e-7)
        }
        assert all(got <= error + 1e-7 for error, got in found.items())
        assert found[1e-1] > 1e-4  # fewer nodes do less: the bound is no accident
        assert found[1e-3] > 1e-6
        assert found[1e-7] < 1e-7 + 1e-7  # the second part: float32 in what is returned

    def test_it_is_kept_with_as_many_patterns_of_missing_values_as_elements(self, grid):
        points, values = places("uniform")
        values = np.tile(values, (1, 5))
        values[np.random.default_rng(1).random(values.shape) < np.linspace(0, 0.95, 10)] = np.nan
        values[5, :] = (1, 2) * 5
        values[6, :] = (3, 1) * 5
        assert worst(points, values, grid, idw(points, values, grid)) <= 1e-5

    def test_missing_values_equal_dropped_rows(self, grid):
        points, values = places("uniform")
        values[np.random.default_rng(1).random(values.shape) < 0.5] = np.nan
        together = idw(points, values, grid)
        for element, spread in enumerate(np.nanmax(values, axis=0) - np.nanmin(values, axis=0)):
            rows = np.isfinite(values[:, element])
            alone = idw(points[rows], values[rows, element], grid)[0]
            np.testing.assert_allclose(together[element], alone, rtol=0, atol=2e-5 * spread)

    @pytest.mark.parametrize("name", ["uniform", "clusters", "a lattice on tile edges"])
    def test_a_mirrored_survey_gives_the_mirrored_map(self, grid, name):
        points, values = places(name)
        spread = np.ptp(values, axis=0)[:, None, None]
        mirrored = np.column_stack((2 * WEST + COLS * PIXEL - points[:, 0], points[:, 1]))
        turned = np.column_stack((points[:, 0], 2 * SOUTH + ROWS * PIXEL - points[:, 1]))
        found = idw(points, values, grid) / spread
        np.testing.assert_allclose(idw(mirrored, values, grid)[..., ::-1] / spread, found, rtol=0, atol=1e-5)
        np.testing.assert_allclose(idw(turned, values, grid)[:, ::-1] / spread, found, rtol=0, atol=1e-5)

    def test_large_values_on_a_small_range_lose_only_what_float32_cannot_hold(self, grid):
        points, values = places("uniform")
        values = 1e4 + values / np.ptp(values, axis=0)
        found = idw(points, values, grid)
        assert worst(points, values, grid, found) <= 1e-5 + np.spacing(np.float32(1e4))

    @given(data=st.data())
    @settings(max_examples=60, deadline=None, derandomize=True)
    def test_it_is_kept_whatever_the_samples(self, data):
        rows, cols = data.draw(st.tuples(st.integers(1, 70), st.integers(1, 70)), label="shape")
        # halves of a pixel: many coincide, many lie on centres and corners
        place = st.tuples(st.integers(-60, 200), st.integers(-60, 200))
        points = np.array(data.draw(st.lists(place, min_size=2, max_size=60, unique=True))) / 2.0
        seed = data.draw(st.integers(0, 999), label="values")
        power = data.draw(st.sampled_from([0.7, 1, 2, 3, 4, 6]), label="power")
        values = np.random.default_rng(seed).uniform(size=(len(points), 2))
        values[:2] = ((0, 1), (1, 0))
        little = make_grid((0, 0, cols, rows), 1, UTM)
        found = idw(points, values, little, power=power, error=1e-4)
        x, y = centres(little)
        at = np.stack(np.broadcast_arrays(x, y[:, None]), -1).reshape(-1, 2)
        on = cKDTree(points).query(at)[0] == 0
        expected = formula(points, values, at[~on], power)
        assert np.abs(found.reshape(2, -1).T[~on] - expected).max() <= 1e-4
        row, col, inside = pixel_index(little, points)
        centred = inside & (points % 1 == 0.5).all(axis=1)
        np.testing.assert_array_equal(
            found[:, row[centred], col[centred]].T, values[centred].astype(np.float32)
        )


class TestExpansion:
    @pytest.mark.parametrize("power", [0.5, 1, 2, 3, 4, 8])
    @pytest.mark.parametrize("error", [1e-3, 1e-5])
    def test_no_far_sample_is_off_by_more_than_the_bound(self, power, error):
        """Samples anywhere outside the near zone, interpolated by scipy's polynomials, not by our matrix."""
        how = _far.expansion(power, error)
        assert how.bound / 2 / (1 - how.bound) <= 0.8 * error
        rng = np.random.default_rng(0)
        nodes = np.cos((2 * np.arange(how.nodes) + 1) * np.pi / (2 * how.nodes))
        pixels = np.linspace(-1, 1, 23)
        off = []
        while len(off) < 150:
            x, y = rng.uniform(-1, 1, 2) * rng.choice((1.2 * how.reach, 6, 40))
            if np.hypot(x, y) <= how.reach:
                continue
            at_nodes = np.hypot(nodes[:, None] - x, nodes - y) ** -power
            rows = KroghInterpolator(nodes, at_nodes)(pixels)
            got = KroghInterpolator(nodes, rows.T)(pixels).T
            off.append(np.abs(got / np.hypot(pixels[:, None] - x, pixels - y) ** -power - 1).max())
        assert max(off) <= how.bound * 1.02
        assert max(off) > how.bound / 100  # it is no idle bound either

    def test_a_smaller_error_takes_more_work_and_a_power_too_high_none(self):
        work = [_far.expansion(2, error) for error in (1e-2, 1e-4, 1e-6, 1e-8)]
        assert [each.nodes for each in work] == sorted({each.nodes for each in work})
        assert _far.expansion(30, 1e-5) is None
        assert _far.expansion(2, 1e-5).nodes == 11  # as the documentation says

    @pytest.mark.parametrize(("power", "error"), [(30, 1e-5), (14, 1e-5), (2, 1e-14)])
    def test_what_cannot_be_interpolated_is_summed_directly(self, grid, power, error):
        points, values = places("uniform")
        part = make_grid((WEST, SOUTH, WEST + 600, SOUTH + 500), PIXEL, UTM)
        found = idw(points, values, part, power=power, error=error)
        assert worst(points, values, part, found, power) <= max(error, 1e-7)


class TestBlocks:
    OPTIONS = ({}, {"power": 6}, {"power": 20}, {"neighbours": 5}, {"radius": 300.0}, {"power": 1.3})

    @pytest.mark.parametrize("options", OPTIONS)
    def test_no_bit_depends_on_how_a_map_is_cut(self, grid, options):
        points, values = (each[: 60 if options.get("power") == 20 else None] for each in places("uniform"))
        values[::3, 0] = np.nan
        whole = idw(points, values, grid, **options)
        maps = Interpolator(points, values, grid, **options)
        for side in (128, 256):
            for top in range(0, ROWS, side):
                for left in range(0, COLS, side):
                    rows, cols = slice(top, min(top + side, ROWS)), slice(left, min(left + side, COLS))
                    np.testing.assert_array_equal(maps.block(rows, cols), whole[:, rows, cols])
        odd = slice(37, 171), slice(250, 251)
        np.testing.assert_array_equal(maps.block(*odd), whole[:, *odd])

    def test_a_pickled_interpolator_gives_the_same_bits(self, grid):
        points, values = places("clusters")
        maps = Interpolator(points, values, grid)
        part = slice(0, 128), slice(128, 256)
        again = pickle.loads(pickle.dumps(maps))
        np.testing.assert_array_equal(again.block(*part), maps.block(*part))

    @pytest.mark.parametrize("name", LAYOUTS)
    def test_the_distance_to_the_nearest_sample_has_blocks_too(self, grid, name):
        points, _ = places(name)
        whole = nearest_sample(points, grid)
        easting, northing = centres(grid)
        at = np.stack(np.broadcast_arrays(easting, northing[:, None]), -1)
        np.testing.assert_allclose(whole, cKDTree(points).query(at)[0], rtol=1e-6, atol=1e-6)
        near = NearestSample(points, grid)
        for part in (
            (slice(0, 128), slice(0, 128)),
            (slice(256, 300), slice(384, 420)),
            (slice(5, 6), slice(None)),
        ):
            np.testing.assert_array_equal(near.block(*part), whole[part])

    @pytest.mark.parametrize(
        "part",
        [
            (slice(0, 0), slice(0, 5)),
            (slice(0, 5), slice(0, COLS + 1)),
            (slice(-5, 5), slice(0, 5)),
            (slice(0, 6, 2), slice(0, 5)),
        ],
    )
    def test_parts_that_are_none_are_refused(self, grid, part):
        points, values = places("three")
        with pytest.raises(UsageError, match=f"map of {ROWS} x {COLS} px"):
            Interpolator(points, values, grid).block(*part)
        with pytest.raises(UsageError, match="must lie inside"):
            NearestSample(points, grid).block(*part)

    @pytest.mark.parametrize("options", [{}, {"neighbours": 12}])
    def test_memory_is_that_of_a_block_and_not_of_the_map(self, options):
        side, rng = 10_000, np.random.default_rng(0)
        big = make_grid((0, 0, side, side), 1, UTM)
        points, values = rng.uniform(0, side, (20_000, 2)), rng.uniform(size=(20_000, 2))
        tracemalloc.start()
        try:
            maps = Interpolator(points, values, big, **options)
            tracemalloc.reset_peak()
            for top in (0, 4096, 9728):
                maps.block(slice(top, top + 256), slice(4096, 4352))
            assert tracemalloc.get_traced_memory()[1] < 60e6  # the map has 800 MB
        finally:
            tracemalloc.stop()


class TestNearestFew:
    @pytest.mark.parametrize("name", LAYOUTS)
    @pytest.mark.parametrize("neighbours", [1, 3, 12])
    def test_it_is_the_mean_of_the_k_that_a_tree_finds(self, grid, name, neighbours, monkeypatch):
        monkeypatch.setattr(_nearest, "_SIDES", (16, 8, 4, 2, 1))
        points, values = places(name)
        distinct, first = np.unique(points, axis=0, return_index=True)
        part = make_grid((WEST, SOUTH, WEST + 2400, SOUTH + 1600), PIXEL, UTM)
        easting, northing = centres(part)
        at = np.stack(np.broadcast_arrays(easting, northing[:, None]), -1).reshape(-1, 2)
        k = min(neighbours, len(distinct))
        # one more: where it is as near as the last, which of the two counts is nobody's to say
        distance, index = cKDTree(distinct).query(at, k=np.arange(1, k + 2))
        clear = (distance[:, -1] > distance[:, -2] * (1 + 1e-6)) & (distance[:, 0] > 1e-5)
        weight = (distance[clear, :1] / distance[clear, :-1]) ** 2
        expected = np.einsum("pk,pkc->pc", weight, values[first][index[clear, :-1]]) / weight.sum(1)[:, None]
        found = idw(points, values, part, neighbours=neighbours).reshape(2, -1).T[clear]
        assert clear.mean() > 0.05 or "lattice" in name
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)

    def test_samples_as_near_as_the_last_count_with_it(self):
        square = make_grid((0, 0, 3, 3), 1, UTM)
        corners = [(0.5, 0.5), (2.5, 0.5), (0.5, 2.5), (2.5, 2.5)]
        found = idw(corners, [0.0, 1.0, 2.0, 5.0], square, neighbours=1)
        assert found[0, 1, 1] == 2
        np.testing.assert_allclose(found[0, 2], [0, 0.5, 1])

    def test_a_crowd_far_from_a_tile_is_not_looked_at_by_all_its_pixels(self, grid):
        points, _ = places("one dense spot")
        most = 0
        candidates = _nearest.Candidates((points - (WEST, SOUTH))[:, ::-1] / PIXEL, (ROWS, COLS), 3)
        for _, _, some, squares in candidates.blocks(slice(0, ROWS), slice(0, COLS)):
            if squares.shape[2] > 1:
                most = max(most, some.shape[1])
        assert most < 400


@pytest.mark.gdal
def test_the_map_is_that_of_gdal_grid(tmp_path):
    """GDAL's invdist sums over all samples too: an independent implementation of equation 5."""
    import rasterio

    program = shutil.which("gdal_grid")
    if program is None:
        pytest.skip("gdal_grid is not installed")
    grid = make_grid((0, 0, COLS * PIXEL, ROWS * PIXEL), PIXEL, UTM)
    points, values = places("uniform")
    points -= (WEST, SOUTH)
    np.savetxt(
        tmp_path / "s.csv",
        np.column_stack((points, values[:, 0])),
        delimiter=",",
        header="x,y,z",
        comments="",
        fmt="%.17g",
    )
    (tmp_path / "s.vrt").write_text(
        f'<OGRVRTDataSource><OGRVRTLayer name="s"><SrcDataSource>{tmp_path / "s.csv"}</SrcDataSource>'
        '<GeometryType>wkbPoint</GeometryType><GeometryField encoding="PointFromColumns" x="x" y="y"/>'
        "</OGRVRTLayer></OGRVRTDataSource>"
    )
    command = [program, "-q", "-a", "invdist:power=2.0:smoothing=0.0", "-ot", "Float64", "-zfield", "z"]
    command += ["--config", "GDAL_USE_AVX", "NO", "--config", "GDAL_USE_SSE", "NO"]  # these use float32
    command += ["-txe", "0", f"{COLS * PIXEL}", "-tye", f"{ROWS * PIXEL}", "0"]
    command += ["-outsize", f"{COLS}", f"{ROWS}", "-l", "s", f"{tmp_path / 's.vrt'}", f"{tmp_path / 'o.tif'}"]
    subprocess.run(command, check=True)
    with rasterio.open(tmp_path / "o.tif") as file:
        expected = file.read(1)
    found = idw(points, values[:, 0], grid)[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.ptp(values[:, 0]))
