import heapq
import importlib.util
import re
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from gossan.errors import UsageError
from gossan.evidence import class_map, fault_distance
from gossan.grid import centres, make_grid, pixel_index, region_of
from gossan.synthetic import ELEMENTS, TWIN, laboratory_table, synthetic_survey
from gossan.synthetic.chemistry import halo_factor, sediment
from gossan.synthetic.fields import gaussian_field
from gossan.synthetic.ground import Stage, make_ground, stream_of
from gossan.synthetic.ore import Haloes
from gossan.synthetic.sampling import analyse
from gossan.synthetic.selftest import association, self_test, variogram
from gossan.synthetic.terrain import route

NAMES = (*TWIN.strata, "Quaternary")


@pytest.fixture(scope="module")
def survey():
    return synthetic_survey(7, size=192, resolution=203.125)


@pytest.fixture(scope="module")
def ground():
    return make_ground(7, TWIN.side, TWIN)


def assert_same(a, b):
    np.testing.assert_array_equal(a.samples.coordinates, b.samples.coordinates)
    pd.testing.assert_frame_equal(a.samples.values, b.samples.values)
    np.testing.assert_array_equal(a.deposits.coordinates, b.deposits.coordinates)
    pd.testing.assert_frame_equal(a.truth, b.truth)
    assert a.geology.geometry.equals(b.geology.geometry)
    assert a.faults.geometry.equals(b.faults.geometry)


# ---- the survey


def test_the_default_is_a_square_of_39_km_at_25_m_and_a_coarser_grid_is_the_same_ground(survey):
    fine = synthetic_survey(7)
    assert fine.grid.shape == (1560, 1560)
    assert survey.grid.shape == (192, 192)
    assert region_of(fine.grid) == region_of(survey.grid)
    west, south, east, north = region_of(fine.grid)
    assert (east - west, north - south) == (39_000, 39_000)
    # the samples of the paper's Table 1 lie in it
    assert west <= 419_860 <= 421_630 <= east
    assert south <= 2_415_850 <= 2_416_850 <= north
    assert_same(fine, survey)


def test_the_seed_decides_everything(survey):
    assert_same(survey, synthetic_survey(7, size=192, resolution=203.125))
    other = synthetic_survey(8, size=192, resolution=203.125)
    assert not np.array_equal(other.samples.coordinates, survey.samples.coordinates)
    assert not np.array_equal(other.truth["easting"].head(20), survey.truth["easting"].head(20))


def test_samples_per_unit_are_those_of_the_paper(survey):
    points = gpd.GeoDataFrame(
        geometry=gpd.points_from_xy(*survey.samples.coordinates.T), crs=survey.geology.crs
    )
    unit = points.sjoin(survey.geology, predicate="within")["unit"]
    assert unit.value_counts().reindex(NAMES).tolist() == [3568, 1559, 1942, 342, 101]
    assert len(survey.samples) == 7512


def test_a_third_of_the_camps_is_hidden_whole_and_no_survey_file_shows_them(survey):
    camps = survey.truth.groupby("camp")["hidden"]
    assert camps.nunique().eq(1).all()
    assert (camps.ngroups, int(camps.first().sum())) == (36, 12)
    known, hidden = (survey.truth[survey.truth["hidden"] == what] for what in (False, True))
    assert len(survey.deposits) == len(known)
    shown = {tuple(place) for place in survey.deposits.coordinates}
    assert not shown & {tuple(place) for place in hidden[["easting", "northing"]].to_numpy()}


def test_only_displaced_deposits_are_mapped_200_to_500_m_off(survey):
    known = survey.truth[~survey.truth["hidden"]]
    off = np.hypot(*(survey.deposits.coordinates - known[["easting", "northing"]].to_numpy()).T)
    displaced = known["displaced"].to_numpy()
    assert (off[~displaced] == 0).all()
    assert ((off[displaced] >= 200) & (off[displaced] <= 500)).all()
    assert displaced.sum() == round(0.1 * len(known))
    assert not survey.truth.loc[survey.truth["hidden"], "displaced"].any()


def test_everything_lies_on_the_map(survey):
    west, south, east, north = region_of(survey.grid)
    for places in (survey.samples.coordinates, survey.deposits.coordinates):
        assert (places > (west, south)).all()
        assert (places < (east, north)).all()
    assert survey.faults.total_bounds[:2].min() >= min(west, south)
    assert shapely.box(*region_of(survey.grid)).buffer(1e-6).covers(survey.faults.union_all())


def test_units_tile_the_map_with_the_shares_asked_for(survey):
    outlines = survey.geology.geometry.to_numpy()
    assert shapely.coverage_is_valid(outlines)
    assert survey.geology.is_valid.all()
    assert survey.geology.area.sum() == pytest.approx(39_000**2)
    share = survey.geology.dissolve("unit").area.reindex(NAMES) / 39_000**2
    wanted = np.append(np.array(TWIN.strata_share) * (1 - TWIN.quaternary_share), TWIN.quaternary_share)
    np.testing.assert_allclose(share, wanted, atol=0.005)


def test_one_sample_in_33_repeats_another_ones_place(survey):
    assert len(survey.samples) - len(np.unique(survey.samples.coordinates, axis=0)) == 225


def test_two_patches_of_3_km_have_no_sample(survey):
    grid = make_grid(region_of(survey.grid), 100, TWIN.crs)
    west, _, _, north = region_of(grid)
    col, row = ((survey.samples.coordinates - (west, north)) / (100, -100)).astype(int).T
    count = np.zeros((391, 391))
    np.add.at(count, (row + 1, col + 1), 1)
    total = count.cumsum(0).cumsum(1)
    held = total[30:, 30:] - total[:-30, 30:] - total[30:, :-30] + total[:-30, :-30]
    assert (held == 0).any()
    first = np.argwhere(held == 0)
    assert np.abs(first - first[0]).max() > 30, "both patches"


def test_the_laboratory_table_writes_censored_values_with_their_limit(survey):
    table = laboratory_table(survey)
    assert list(table.columns[:4]) == ["sample", "easting", "northing", "year"]
    assert {"Ag_ppb", "Au_ppb", "Hg_ppb", "Cu_ppm", "F_ppm"} <= set(table.columns)
    for name in ELEMENTS:
        text = table[f"{name}_{survey.samples.units[name]}"]
        censored = text.str.startswith("<")
        number = text.str.lstrip("<").astype(float)
        np.testing.assert_array_equal(np.where(censored, number / 2, number), survey.samples.values[name])
        assert (number[~censored] >= number[censored].max()).all() if censored.any() else True
        assert survey.counts["samples"]["censored"][name] == censored.sum()
        assert (0.02 <= censored.mean() <= 0.17) == (name in dict(TWIN.censored))
    assert all(re.fullmatch(r"<?\d+(\.\d+)?", value) for value in table["Au_ppb"])
    assert sorted(table["year"].unique()) == list(TWIN.years)


def test_null_moves_the_labels_and_nothing_else(survey):
    null = synthetic_survey(7, size=192, resolution=203.125, null=True)
    pd.testing.assert_frame_equal(null.samples.values, survey.samples.values)
    np.testing.assert_array_equal(null.samples.coordinates, survey.samples.coordinates)
    assert null.faults.geometry.equals(survey.faults.geometry)
    assert (null.truth["strength"] == 0).all()
    assert not np.array_equal(null.deposits.coordinates[:10], survey.deposits.coordinates[:10])


def test_camps_keep_to_faults_and_favourable_rock_unless_null():
    def nearness(null):
        found = []
        for seed in range(3):
            one = synthetic_survey(seed, size=390, resolution=100, samples=500, null=null)
            row, col, _ = pixel_index(one.grid, one.truth[["easting", "northing"]])
            found.append(np.median(fault_distance(one.faults, one.grid)[row, col]))
        return np.mean(found)

    assert nearness(False) < 900 < 1000 < nearness(True)


def test_without_signal_only_the_haloes_go(survey):
    bare = synthetic_survey(7, size=192, resolution=203.125, signal=0)
    np.testing.assert_array_equal(bare.samples.coordinates, survey.samples.coordinates)
    pd.testing.assert_frame_equal(bare.truth, survey.truth)
    free = [name for name in ELEMENTS if name not in dict(TWIN.censored)]
    assert (survey.samples.values[free] >= bare.samples.values[free]).all(axis=None)
    assert (survey.samples.values["Ag"] > 1.2 * bare.samples.values["Ag"]).mean() > 0.05


def test_a_smaller_map_with_fewer_samples_works():
    small = synthetic_survey(3, size=64, resolution=200, samples=400)
    assert len(small.samples) == 400
    assert small.grid.shape == (64, 64)
    assert small.truth["camp"].nunique() == 6
    assert 0 < len(small.deposits) < len(small.truth)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"size": 100}, "at least|or more"),
        ({"size": 0}, "px"),
        ({"resolution": float("nan")}, "nan"),
        ({"samples": 50}, "samples = 50"),
        ({"samples": 200_000}, "stream cells"),
        ({"signal": -1.0}, "signal = -1"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(given, said):
    with pytest.raises(UsageError, match=said) as caught:
        synthetic_survey(0, **given)
    assert "\n" not in str(caught.value)


# ---- its parts


def flood(height):
    """Priority flood (Barnes 2014): the level to which every cell fills."""
    level = np.full(height.shape, np.inf)
    rows, cols = height.shape
    heap = []
    for r in range(rows):
        for c in range(cols):
            if r in (0, rows - 1) or c in (0, cols - 1):
                level[r, c] = height[r, c]
                heapq.heappush(heap, (level[r, c], r, c))
    while heap:
        here, r, c = heapq.heappop(heap)
        for i in range(max(r - 1, 0), min(r + 2, rows)):
            for j in range(max(c - 1, 0), min(c + 2, cols)):
                if level[i, j] == np.inf:
                    level[i, j] = max(height[i, j], here)
                    heapq.heappush(heap, (level[i, j], i, j))
    return level


@pytest.mark.parametrize("seed", range(3))
def test_pits_fill_to_the_level_of_a_priority_flood(seed):
    height = np.random.default_rng(seed).normal(size=(23, 23))
    np.testing.assert_array_equal(route(height, 100.0).filled, flood(height))


def test_all_water_runs_down_to_the_edge_and_none_is_lost(ground):
    drainage = ground.drainage
    n = drainage.filled.size
    level = np.append(drainage.filled.ravel(), -np.inf)
    assert (level[drainage.receiver] <= level[:n]).all()
    rank = np.empty(n + 1)
    rank[drainage.order], rank[n] = np.arange(n), n
    assert (rank[drainage.receiver] > rank[:n]).all(), "no loop"
    leaving = drainage.basin.ravel()[drainage.receiver == n]
    assert leaving.sum() == pytest.approx(39.0**2)
    rows, cols = np.divmod(np.flatnonzero(drainage.receiver == n), 390)
    assert (np.minimum(np.minimum(rows, cols), np.minimum(389 - rows, 389 - cols)) == 0).all()


def test_mixing_is_what_following_every_cells_water_gives():
    height = np.random.default_rng(5).normal(size=(15, 15))
    drainage = route(height, 100.0)
    source = np.random.default_rng(6).random((225, 2))
    expected = np.zeros((225, 2))
    for cell in range(225):
        path = drainage.path(cell)
        way = np.concatenate([[0], np.cumsum(drainage.step[path])[:-1]])
        expected[path] += np.exp(-way / 400.0)[:, None] * source[cell]
    np.testing.assert_allclose(drainage.collect(source, 400.0), expected, rtol=1e-10)


def test_anomalies_lie_below_their_deposit(ground):
    """1.5 km down the stream the sediment still tells of a halo that the rock there does not have."""
    deposits = make_places(ground, 40)
    rock, mud, start = [], [], []
    for place in deposits:
        factor = halo_factor(Haloes(place[None], np.ones((1, len(ELEMENTS)))), ground, TWIN)[:, :1]
        mixed = sediment(factor, ground, TWIN)
        path = ground.drainage.path(int(ground.cell_of(place[None])[0]))
        way = np.cumsum(ground.drainage.step[path])
        if way[-1] > 2000:
            below = path[np.searchsorted(way, 1500)]
            rock.append(factor[below, 0] - 1)
            mud.append(mixed[below, 0] - 1)
            start.append(mixed[path[0], 0] - 1)
    assert np.mean(mud) > 2 * np.mean(rock)
    assert np.mean(mud) < np.mean(start), "it thins on the way"


def make_places(ground, number):
    west, south, east, north = region_of(ground.grid)
    rng = np.random.default_rng(0)
    return np.column_stack(
        [rng.uniform(west + 3000, east - 3000, number), rng.uniform(south + 3000, north - 3000, number)]
    )


def test_hidden_camps_are_likelier_far_from_roads_and_valleys():
    from gossan.synthetic.ore import camp_odds, draw_deposits, remoteness

    gain = []
    for seed in range(4):
        one = make_ground(seed, TWIN.side, TWIN)
        remote = remoteness(one, TWIN)
        for draw in range(5):
            truth = draw_deposits(np.random.default_rng(draw), one, camp_odds(seed, one, TWIN), remote, TWIN)
            at = remote.ravel()[one.cell_of(truth[["easting", "northing"]].to_numpy())]
            gain.append(at[truth["hidden"]].mean() - at[~truth["hidden"]].mean())
    assert np.mean(gain) > 0.3


def test_the_laboratory_adds_the_errors_that_the_knobs_name():
    n = 20_000
    truth = np.zeros((n, len(ELEMENTS)))
    site, year = np.repeat(np.arange(n // 2), 2), np.where(np.arange(n) % 4 < 2, *TWIN.years)
    found = analyse(stream_of(0, Stage.LABORATORY), truth, site, year, TWIN)
    logs = pd.DataFrame(np.log10(found.content), columns=list(ELEMENTS)).where(~found.wild & ~found.censored)
    assert logs["Cu"].std() == pytest.approx(np.hypot(TWIN.nugget, TWIN.laboratory), rel=0.03)
    pair = logs["Cu"].to_numpy().reshape(-1, 2)
    assert np.nanstd(pair[:, 0] - pair[:, 1]) == pytest.approx(np.sqrt(2) * TWIN.laboratory, rel=0.05)
    step = logs[year == TWIN.years[1]].mean() - logs[year == TWIN.years[0]].mean()
    stepped = step.index.isin(TWIN.year_elements)
    np.testing.assert_allclose(step[stepped], TWIN.year_step, atol=0.01)
    np.testing.assert_allclose(step[~stepped & ~step.index.isin(list(dict(TWIN.censored)))], 0, atol=0.01)
    assert found.wild.mean() == pytest.approx(TWIN.wild_share, rel=0.1)


def test_a_field_is_long_along_its_azimuth_and_has_the_reach_asked_for():
    rng = np.random.default_rng(1)
    along, across, at_reach = [], [], []
    for _ in range(20):
        field = gaussian_field(rng, 200, 100.0, 3000.0, anisotropy=2.5, azimuth=45.0)
        # north-east is up and to the right
        along.append(np.mean(field[10:, :-10] * field[:-10, 10:]))
        across.append(np.mean(field[:-10, :-10] * field[10:, 10:]))
        field = gaussian_field(rng, 200, 100.0, 3000.0)
        assert field.std() == pytest.approx(1)
        at_reach.append(np.mean(field[30:] * field[:-30]))
    assert np.mean(along) > np.mean(across) + 0.2
    assert np.mean(at_reach) == pytest.approx(0.05, abs=0.1)


def test_cells_have_the_unit_of_the_polygon_at_their_centre(ground):
    codes = np.array([ground.names.index(unit) for unit in ground.geology["unit"]])
    np.testing.assert_array_equal(ground.units, class_map(ground.geology, codes, ground.grid))
    assert (ground.units >= 0).all()


def test_strata_are_stepped_at_faults(ground):
    """Neighbours in the column touch everywhere; others touch mostly at faults."""
    units, near = ground.units, ground.fault_distance < 300
    pairs = units[:, 1:], units[:, :-1]
    jump = (np.abs(pairs[0] - pairs[1]) > 1) & (np.maximum(*pairs) < len(TWIN.strata))
    assert near[:, 1:][jump].mean() > 2 * near.mean()


# ---- the self-test's own measures


def test_the_variogram_finds_range_and_nugget_of_a_known_field():
    rng = np.random.default_rng(3)
    grid = make_grid((0, 0, 40_000, 40_000), 200, TWIN.crs)
    cell = rng.choice(200 * 200, 2500, replace=False)
    east, north = centres(grid)
    places = np.column_stack([east[cell % 200], north[cell // 200]])
    found = []
    for _ in range(6):
        field = gaussian_field(rng, 200, 200.0, 6000.0).ravel()[cell]
        found.append(variogram(places, field + rng.normal(0, 0.8, cell.size)))
    length, nugget = np.mean(found, axis=0)
    assert length == pytest.approx(6000, rel=0.3)
    assert nugget == pytest.approx(0.64 / 1.64, abs=0.12)


def test_association_is_the_mean_over_pairs():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=20_000)
    logs = pd.DataFrame({name: shared + rng.normal(size=20_000) for name in ("Cu", "Zn", "Mn")})
    assert association(logs, ("Cu", "Zn", "Mn")) == pytest.approx(0.48, abs=0.02)  # rank of r = .5


@pytest.mark.slow
def test_over_five_seeds_the_twin_looks_like_a_survey():
    tables = [self_test(seed) for seed in range(5)]
    mean = {name: np.mean([table.value[name] for table in tables]) for name in tables[0].value}
    outside = {
        name: value
        for name, value in mean.items()
        if not tables[0].wanted[name][0] <= value <= tables[0].wanted[name][1]
    }
    assert outside == {}


@pytest.mark.slow
def test_its_difficulty_stays_where_it_was_pinned_before_any_network_was_trained():
    path = Path(__file__).parents[1] / "scripts" / "twin_selftest.py"
    spec = importlib.util.spec_from_file_location("twin_selftest", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    table = pd.DataFrame([script.difficulty(seed) for seed in range(10)]).mean()
    assert 0.75 <= table["AUC LR"] <= 0.88
    assert 0.70 <= table["AUC RF"] <= 0.85
    assert table["hidden in tenth, LR"] >= 0.3
    assert table["hidden in tenth, LR"] > table["hidden in tenth, nearest"]
