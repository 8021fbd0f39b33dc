import numpy as np
import pandas as pd
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from gossan import _direct, _far, _nearest
from gossan.errors import DataError, DataWarning, UsageError
from gossan.grid import centres, make_grid, pixel_index
from gossan.interpolate import (
    far_share,
    idw,
    interpolation_errors,
    leave_one_out,
    merge_coincident,
    nearest_sample,
)

UTM = "EPSG:32649"
WEST, SOUTH = 421_000.0, 2_400_000.0


def brute_force(points, values, grid, *, power=2.0, neighbours=None, radius=None):
    """The formula in float64, one sample after the other, without any of the library's own steps."""
    easting, northing = centres(grid)
    distance = np.hypot(easting[None, :, None] - points[:, 0], northing[:, None, None] - points[:, 1])
    out = np.empty((values.shape[1], *grid.shape))
    for element, value in enumerate(values.T):
        known = np.isfinite(value)
        d, v = distance[..., known], value[known]
        if neighbours is not None:
            order = np.argsort(d, axis=-1)[..., :neighbours]
            d, v = np.take_along_axis(d, order, axis=-1), v[order]
        with np.errstate(invalid="ignore"):
            weight = (d.min(axis=-1, keepdims=True) / d) ** power
            if radius is not None:
                weight = np.where(d <= radius, weight, 0)
            out[element] = (weight * v).sum(axis=-1) / weight.sum(axis=-1)
    return out


def survey(n=150, elements=3, *, seed=0, missing=0.0, side=4000.0):
    rng = np.random.default_rng(seed)
    # a third of the samples lie outside the map
    points = rng.uniform(-0.2 * side, 1.2 * side, (n, 2)) + np.array((WEST, SOUTH))
    values = rng.lognormal(size=(n, elements))
    values[rng.random(values.shape) < missing] = np.nan
    return points, values


@pytest.fixture
def grid():
    return make_grid((WEST, SOUTH, WEST + 4000, SOUTH + 3000), 100, UTM)


POWERS = [0.5, 1, 2, 3, 4, 5, 7.3, 20]


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("power", POWERS)
def test_all_samples_agree_with_brute_force_in_float64(grid, power, missing):
    points, values = survey(missing=missing)
    np.testing.assert_allclose(
        idw(points, values, grid, power=power),
        brute_force(points, values, grid, power=power),
        rtol=2e-5,
        atol=2e-5,
    )


@pytest.mark.parametrize("neighbours", [1, 2, 12, 1000])
@pytest.mark.parametrize("power", [1, 2, 3, 30])
def test_nearest_samples_agree_with_brute_force_in_float64(grid, power, neighbours):
    points, values = survey(missing=0.2)
    expected = brute_force(points, values, grid, power=power, neighbours=neighbours)
    found = idw(points, values, grid, power=power, neighbours=neighbours)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("neighbours", [None, 4])
@pytest.mark.parametrize("power", [2, 6])
def test_a_radius_agrees_with_brute_force_and_leaves_nan_where_no_sample_is_near(grid, power, neighbours):
    points, values = survey(40, missing=0.2)
    options = {"power": power, "neighbours": neighbours, "radius": 430.0}
    found, expected = idw(points, values, grid, **options), brute_force(points, values, grid, **options)
    assert 0.05 < np.isnan(found).mean() < 0.95
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


def test_four_pixels_of_ten_metres_have_their_centres_at_5_15_25_35():
    grid = make_grid((0, 0, 40, 10), 10, UTM)
    ramp = [0.0, 1, 2, 3]
    found = idw(([5.0, 15, 25, 35], [5.0] * 4), ramp, grid, power=2)
    np.testing.assert_array_equal(found, [[ramp]])


@pytest.mark.parametrize("options", [{}, {"neighbours": 5}, {"power": 1}, {"power": 9}, {"radius": 1.0}])
def test_exact_at_a_sample_on_a_pixel_centre(grid, options):
    easting, northing = centres(grid)
    rng = np.random.default_rng(3)
    row, col = np.divmod(rng.choice(grid.shape[0] * grid.shape[1], 60, replace=False), grid.shape[1])
    values = rng.normal(size=(60, 2)) * (1, 1e6)
    values[:20, 0] = np.nan
    found = idw((easting[col], northing[row]), values, grid, **options)[:, row, col].T
    known = np.isfinite(values)
    np.testing.assert_array_equal(found[known], values.astype(np.float32)[known])
    if "radius" in options:
        assert np.isnan(found[~known]).all()
    else:
        assert np.isfinite(found[~known]).all()


def test_exact_at_samples_of_a_grid_whose_pixels_are_no_binary_fraction():
    grid = make_grid((7_000_000.1, 100.1, 7_000_003.1, 103.1), 0.3, UTM)
    easting, northing = centres(grid)
    values = np.random.default_rng(0).normal(size=len(easting))
    found = idw((easting, np.full(easting.shape, northing[2] + 1e-9)), values, grid, power=1)
    np.testing.assert_array_equal(found[0, 2], values.astype(np.float32))


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("neighbours", [None, 7])
def test_estimates_stay_within_the_range_of_the_samples(grid, power, neighbours):
    points, values = survey(missing=0.3, seed=5)
    found = idw(points, values * 1e6 - 3e5, grid, power=power, neighbours=neighbours)
    low = np.nanmin(values * 1e6 - 3e5, axis=0).astype(np.float32)[:, None, None]
    high = np.nanmax(values * 1e6 - 3e5, axis=0).astype(np.float32)[:, None, None]
    assert ((found >= low) & (found <= high)).all()


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e9])
def test_a_constant_field_stays_constant(grid, constant):
    points, values = survey(missing=0.3)
    found = idw(points, np.where(np.isnan(values), np.nan, constant), grid)
    np.testing.assert_array_equal(found, np.float32(constant))


@pytest.mark.parametrize("options", [{}, {"neighbours": 9}, {"power": 3}, {"radius": 800.0}])
def test_a_mirrored_survey_gives_the_mirrored_map(grid, options):
    points, values = survey()
    mirrored = np.column_stack((2 * WEST + 4000 - points[:, 0], points[:, 1]))
    turned = np.column_stack((points[:, 0], 2 * SOUTH + 3000 - points[:, 1]))
    found = idw(points, values, grid, **options)
    np.testing.assert_allclose(idw(mirrored, values, grid, **options)[..., ::-1], found, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(idw(turned, values, grid, **options)[:, ::-1], found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"neighbours": 9}, {"power": 1.3}])
def test_a_shift_of_seven_million_metres_changes_nothing(options):
    points, values = survey(side=40.0)
    points = (
        np.round((points - (WEST, SOUTH)) * 1024) / 1024
    )  # so that shifted coordinates are the same numbers
    near = make_grid((0, 0, 40, 40), 1, UTM)
    far = make_grid((7e6, -7e6, 7e6 + 40, -7e6 + 40), 1, UTM)
    moved = idw(points + np.array((7e6, -7e6)), values, far, **options)
    np.testing.assert_allclose(moved, idw(points, values, near, **options), atol=1e-5, rtol=0)


@pytest.mark.parametrize("options", [{}, {"neighbours": 6}, {"power": 8}, {"radius": 900.0}])
def test_missing_values_equal_dropped_rows(grid, options):
    points, values = survey(missing=0.4)
    together = idw(points, values, grid, **options)
    for element in range(values.shape[1]):
        rows = np.isfinite(values[:, element])
        alone = idw(points[rows], values[rows, element], grid, **options)
        np.testing.assert_allclose(together[element], alone[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"neighbours": 6}, {"power": 6}, {"radius": 900.0}])
def test_tiles_of_any_size_give_the_same_map(grid, options, monkeypatch):
    points, values = survey(missing=0.2)
    whole = idw(points, values, grid, **options)
    for side, block in ((1, 1000), (8, 50), (32, 13)):
        monkeypatch.setattr(_far, "_SIDES", (max(side, 4),))
        monkeypatch.setattr(_far, "_KEPT", 32)
        monkeypatch.setattr(_far, "_PAIRS", block)
        monkeypatch.setattr(_nearest, "_SIDES", (side,))
        for module in (_far, _nearest, _direct):
            monkeypatch.setattr(module, "_BLOCK", block)
        np.testing.assert_allclose(idw(points, values, grid, **options), whole, rtol=1e-5, atol=1e-5)


def test_a_part_of_the_grid_gives_that_part_of_the_map(grid):
    points, values = survey()
    part = make_grid((WEST + 300, SOUTH + 1300, WEST + 3000, SOUTH + 2500), 100, UTM)
    expected = idw(points, values, grid)[:, 5:17, 3:30]
    np.testing.assert_allclose(idw(points, values, part), expected, rtol=1e-5)


def test_the_number_of_threads_does_not_change_a_bit(grid):
    from threadpoolctl import threadpool_limits

    points, values = survey(missing=0.2)
    maps = []
    for threads in (1, 3):
        with threadpool_limits(threads, user_api="blas"):
            maps.append(idw(points, values, grid))
    np.testing.assert_array_equal(*maps)


def test_samples_outside_the_map_count(grid):
    inside, outside = (WEST + 2050, SOUTH + 1550), (WEST - 5000, SOUTH - 5000)
    found = idw([inside, outside], [0.0, 1.0], grid)
    assert found.max() > 0.02
    assert found[0, -1, 0] == found.max()


def test_a_south_up_grid_gives_the_map_upside_down(grid):
    points, values = survey()
    affine = Affine(100, 0, WEST, 0, 100, SOUTH)
    upside_down = GeoBox(grid.shape, affine, UTM)
    np.testing.assert_allclose(
        idw(points, values, upside_down)[:, ::-1], idw(points, values, grid), rtol=1e-5
    )


def test_coordinates_as_a_tuple_and_as_one_array_are_the_same(grid):
    points, values = survey()
    one = idw(points, values, grid)
    np.testing.assert_array_equal(one, idw((points[:, 0], points[:, 1]), values, grid))
    assert one.dtype == np.float32
    assert one.shape == (3, 30, 40)
    np.testing.assert_array_equal(one[:1], idw(points, values[:, 0], grid))


def test_coincident_samples_count_as_their_mean(grid):
    points, values = survey(60, missing=0.3)
    doubled = np.vstack((points, points[:20], points[:10]))
    more = np.vstack((values, values[:20] + 1, values[:10] + 2))
    sites, means, surplus = merge_coincident(doubled, more)
    assert surplus == 30
    assert len(np.unique(sites, axis=0)) == 60
    row = np.flatnonzero((sites == points[3]).all(axis=1))[0]
    np.testing.assert_allclose(means[row], values[3] + 1)
    np.testing.assert_array_equal(idw(doubled, more, grid), idw(sites, means, grid))


def test_merging_takes_the_mean_of_the_values_that_are_there():
    sites, means, surplus = merge_coincident(
        ([1.0, 1, 2, 1], [5.0, 5, 5, 5]), [[1, np.nan], [3, 8], [9, np.nan], [np.nan, 10]]
    )
    np.testing.assert_array_equal(sites, [(1, 5), (2, 5)])
    np.testing.assert_array_equal(means, [(2, 9), (9, np.nan)])
    assert surplus == 2


def test_nearest_sample_is_the_distance_to_the_nearest_sample(grid):
    points, _ = survey(30)
    easting, northing = centres(grid)
    expected = np.hypot(easting[:, None] - points[:, 0], northing[:, None, None] - points[:, 1]).min(axis=-1)
    found = nearest_sample(points, grid)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_an_element_without_a_value_is_an_empty_map_and_a_warning(grid):
    points, values = survey()
    values[:, 1] = np.nan
    for options in ({}, {"neighbours": 3}):
        with pytest.warns(DataWarning, match="1 of 3 elements"):
            found = idw(points, values, grid, **options)
        assert np.isnan(found[1]).all()
        assert np.isfinite(found[[0, 2]]).all()


def test_progress_rises_to_one(grid, monkeypatch):
    monkeypatch.setattr(_far.AllSamples, "cell", (16, 16))
    points, values = survey()
    shares = []
    idw(points, values, grid, progress=shares.append)
    assert len(shares) == 6
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"power": 0}, "power 0"),
        ({"power": -2}, "power -2"),
        ({"power": np.nan}, "power nan"),
        ({"neighbours": 0}, "neighbours 0"),
        ({"neighbours": 2.5}, "neighbours 2.5"),
        ({"neighbours": "all"}, "neighbours 'all'"),
        ({"radius": 0}, "radius 0"),
        ({"radius": np.nan}, "radius nan"),
        ({"error": 0}, "error 0"),
        ({"error": np.inf}, "error inf"),
    ],
)
def test_options_out_of_range_are_refused(grid, options, message):
    with pytest.raises(UsageError, match=message):
        idw([(0.0, 0.0)], [1.0], grid, **options)


@pytest.mark.parametrize(
    ("coordinates", "values", "error", "message"),
    [
        ([(0, 0, 0)], [1.0], UsageError, "shape"),
        (([0.0, 1], [0.0]), [1.0, 2], UsageError, "tuple"),
        (((0.0, 0.0), (1.0, 1.0), (2.0, 2.0)), [1.0, 2, 3], UsageError, "tuple"),
        ([(0, 0), (1, 1)], [1.0], UsageError, "2 samples"),
        ([(0, 0)], [[[1.0]]], UsageError, "values of shape"),
        ([], [], DataError, "no samples"),
        (([], []), [], DataError, "no samples"),
        ([(0, 0), (np.nan, 1)], [1.0, 2], DataError, "1 of 2 samples"),
        ([(0, 0), (np.inf, 1)], [1.0, 2], DataError, "1 of 2 samples"),
        ([(0, 0), (1, 1)], [1.0, np.inf], DataError, "1 infinite"),
    ],
)
def test_bad_input_is_refused_with_a_line_that_names_it(grid, coordinates, values, error, message):
    with pytest.raises(error, match=message):
        idw(coordinates, values, grid)


def test_a_rotated_grid_is_refused():
    with pytest.raises(UsageError, match="rotated"):
        idw([(0.0, 0.0)], [1.0], GeoBox((4, 4), Affine(8, 3, 0, 3, -8, 0), UTM))


def left_out(points, values, *, power=2.0, neighbours=None, radius=None):
    """Leave-one-out in float64, one sample after the other, by the formula."""
    out = np.full(values.shape, np.nan)
    for i, point in enumerate(points):
        distance = np.hypot(*(points - point).T)
        for element, value in enumerate(values.T):
            # duplicates at other positions count as their mean: one weight a position
            rows = np.flatnonzero((distance > 0) & np.isfinite(value))
            _, first, place = np.unique(points[rows], axis=0, return_index=True, return_inverse=True)
            d = distance[rows][first]
            v = np.bincount(place.ravel(), weights=value[rows]) / np.bincount(place.ravel())
            order = np.argsort(d)[:neighbours]
            d, v = d[order], v[order]
            if radius is not None:
                d, v = d[d <= radius], v[d <= radius]
            if len(d):
                weight = (d.min() / d) ** power
                out[i, element] = (weight * v).sum() / weight.sum()
    return out


class TestLeaveOneOut:
    @pytest.mark.parametrize("missing", [0.0, 0.3])
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"power": 1},
            {"power": 7.3},
            {"power": 20},
            {"radius": 430.0},
            {"neighbours": 1},
            {"neighbours": 7},
            {"neighbours": 1000},
            {"neighbours": 5, "radius": 430.0, "power": 3},
            {"power": 20, "radius": 430.0},
        ],
    )
    def test_it_agrees_with_brute_force_in_float64(self, options, missing):
        points, values = survey(120, missing=missing)
        points[7], points[90] = points[3], points[3]  # three samples at one position
        found, expected = leave_one_out(points, values, **options), left_out(points, values, **options)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)

    def test_blocks_of_any_size_give_the_same_errors(self, monkeypatch):
        points, values = survey(80, missing=0.2)
        for options in ({}, {"neighbours": 6}):
            whole = leave_one_out(points, values, **options)
            monkeypatch.setattr("gossan._leaveout._BLOCK_BYTES", 3 * 8 * 80)
            np.testing.assert_allclose(leave_one_out(points, values, **options), whole, rtol=1e-12)
            monkeypatch.undo()

    def test_a_duplicate_does_not_give_its_twin_away(self):
        points = np.array([(0.0, 0), (0, 0), (100, 0), (200, 0)])
        found = leave_one_out(points, np.array([5.0, 5.0, 1.0, 1.0]))
        np.testing.assert_allclose(found[:, 0], [1, 1, (5 + 1) / 2, (5 / 4 + 1) / (1 / 4 + 1)])

    def test_a_lonely_sample_has_no_prediction(self):
        assert np.isnan(leave_one_out([(0.0, 0.0)], [3.0])).all()
        assert np.isnan(leave_one_out([(0, 0), (0, 0)], [3.0, 4.0], neighbours=2)).all()
        assert np.isnan(leave_one_out([(0, 0), (9, 0)], [[3.0, np.nan], [4.0, 1.0]])[1, 1])

    def test_every_samples_error_is_that_of_a_map_made_without_it(self, grid):
        values = survey(30)[1]
        on_grid = np.array([(WEST + 50 + 100 * i, SOUTH + 50 + 100 * (i % 7)) for i in range(30)])
        found = leave_one_out(on_grid, values)
        for i in (0, 11, 29):
            rest = np.arange(30) != i
            image = idw(on_grid[rest], values[rest], grid)
            row, col, _ = pixel_index(grid, on_grid[[i]])
            np.testing.assert_allclose(found[i], image[:, row[0], col[0]], rtol=2e-5)

    @pytest.mark.parametrize("options", [{"power": 0}, {"neighbours": 0}, {"radius": -1}])
    def test_options_out_of_range_are_refused(self, options):
        with pytest.raises(UsageError, match="given"):
            leave_one_out(*survey(10), **options)


class TestInterpolationErrors:
    def test_the_measures_are_their_definitions(self):
        points, values = survey(100, missing=0.2)
        table = interpolation_errors(points, pd.DataFrame(values, columns=["Au", "As", "Sb"]))
        predicted, nearest = left_out(points, values), left_out(points, values, neighbours=1)
        for element, row in enumerate(table.itertuples()):
            known = np.isfinite(values[:, element])
            z, e = values[known, element], (predicted - values)[known, element]
            assert row.n == known.sum()
            assert row.rmse == pytest.approx(np.sqrt(np.mean(e**2)))
            assert row.mae == pytest.approx(np.abs(e).mean())
            assert row.bias == pytest.approx(e.mean())
            assert row.r2 == pytest.approx(1 - (e**2).sum() / ((z - z.mean()) ** 2).sum())
            assert row.skill == pytest.approx(
                1 - (e**2).sum() / (((nearest - values)[known, element]) ** 2).sum()
            )
        assert list(table["element"]) == ["Au", "As", "Sb"]

    @pytest.mark.parametrize("options", [{}, {"neighbours": 5}, {"power": 9.0}])
    def test_of_many_positions_some_are_left_out_each_from_all_the_others(self, options):
        points, values = survey(300, missing=0.2)
        names = ["Au", "As", "Sb"]
        errors = left_out(points, values, **options) - values
        table = interpolation_errors(points, pd.DataFrame(values, columns=names), most=40, **options)
        again = interpolation_errors(points, pd.DataFrame(values, columns=names), most=40, **options)
        pd.testing.assert_frame_equal(table, again)
        for element, row in enumerate(table.itertuples()):
            known = np.abs(errors[np.isfinite(errors[:, element]), element])
            assert 20 < row.n <= 40  # a fifth of the values are missing
            assert known.min() < row.mae < known.max()
            assert row.mae == pytest.approx(known.mean(), rel=0.5)

    def test_a_smooth_field_is_predicted_and_noise_is_not(self):
        rng = np.random.default_rng(0)
        points = rng.uniform(0, 10_000, (600, 2))
        smooth = np.sin(points[:, 0] / 2000) + np.cos(points[:, 1] / 2500)
        values = pd.DataFrame({"smooth": smooth, "noise": rng.standard_normal(600)})
        table = interpolation_errors(points, values, neighbours=12).set_index("element")
        assert table.loc["smooth", "r2"] > 0.9
        assert table.loc["noise", "r2"] < 0.05
        assert table.loc["noise", "skill"] > 0.3  # the mean of many beats one other draw

    def test_a_constant_has_no_r2_and_an_empty_element_no_errors(self):
        points, _ = survey(20)
        table = interpolation_errors(points, pd.DataFrame({"flat": np.ones(20), "none": np.full(20, np.nan)}))
        assert table["rmse"][0] == pytest.approx(0, abs=1e-12)
        assert np.isnan(table["r2"][0])
        assert table["n"][1] == 0
        assert table.iloc[1, 2:].isna().all()


class TestFarShare:
    def test_it_counts_the_valid_pixels_that_are_far(self):
        rng = np.random.default_rng(0)
        distance, valid = rng.uniform(0, 1000, (40, 50)).astype(np.float32), rng.random((40, 50)) < 0.7
        row, col = np.array([0, 3, 30]), np.array([0, 37, 40])
        found = far_share(distance, 400.0, row, col, 10, valid=valid)
        for i in range(3):
            part = np.s_[row[i] : row[i] + 10, col[i] : col[i] + 10]
            assert found[i] == pytest.approx((distance[part][valid[part]] > 400).mean())

    def test_a_window_without_ground_has_none_and_one_over_the_map_is_refused(self):
        distance = np.zeros((10, 10), np.float32)
        assert np.isnan(far_share(distance, 1.0, [0], [0], 5, valid=np.zeros((10, 10), bool))).all()
        with pytest.raises(DataError, match="1 of 2 windows reach over"):
            far_share(distance, 1.0, [0, 6], [0, 0], 5)
        with pytest.raises(UsageError, match="above 0"):
            far_share(distance, 0.0, [0], [0], 5)
