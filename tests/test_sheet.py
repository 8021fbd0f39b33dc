"""The target sheet: samples against their local background, rock, fault, and where to sample next."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gossan.grid import make_grid, window_region
from gossan.io import write_gpx
from gossan.report.sheets import degrees_text, target_sheets
from gossan.sheet import nearest_fault, next_samples, rock_unit, target_sheet
from gossan.survey import Samples

GRID = make_grid((500_000, 4_000_000, 510_000, 4_010_000), 100, "EPSG:32649")


def target(row=40, col=40, size=20, **more):
    return pd.DataFrame(
        {"number": [7], "row": [row], "col": [col], "size": [size], "area_km2": [4.0], **more}
    )


def spread_out(seed=0, count=900):
    rng = np.random.default_rng(seed)
    at = np.column_stack([rng.uniform(500_000, 510_000, count), rng.uniform(4_000_000, 4_010_000, count)])
    return at, rng


def inside_of(at, table):
    west, south, east, north = (float(edge[0]) for edge in window_region(GRID, *_place(table)))
    return (at[:, 0] >= west) & (at[:, 0] < east) & (at[:, 1] > south) & (at[:, 1] <= north)


def _place(table):
    return (table[name].to_numpy() for name in ("row", "col", "size"))


# ---- local background


def test_ratio_and_percentile_are_those_of_plain_counting():
    at, rng = spread_out()
    values = pd.DataFrame({"Au": rng.lognormal(size=900), "Cu": rng.lognormal(size=900)})
    held = inside_of(at, target())
    values.loc[held, "Au"] *= 3
    sheet = target_sheet(target(), GRID, Samples(at, values, {})).iloc[0]
    # the frame: two sides of 2 km around a square from 504 to 506 km east and 4004 to 4006 km north
    near = (at[:, 0] >= 500_000) & (at[:, 0] < 510_000) & (at[:, 1] > 4_000_000) & (at[:, 1] <= 4_010_000)
    around = values["Au"][near & ~held]
    assert sheet["samples_inside"] == held.sum()
    assert sheet["background_samples"] == (near & ~held).sum()
    assert sheet["background_m"] == 4000
    assert sheet["area_ha"] == 400
    middle = values["Au"][held].median()
    assert sheet["element_1"] == "Au"
    assert sheet["ratio_1"] == pytest.approx(middle / around.median())
    assert sheet["percentile_1"] == pytest.approx(100 * (around < middle).mean())


def test_samples_beyond_the_frame_change_nothing():
    at, rng = spread_out()
    values = pd.DataFrame({"Au": rng.lognormal(size=900)})
    small = target(row=45, col=45, size=5)  # a frame of 1 km around 500 m
    near = inside_of(at, target(row=35, col=35, size=25))
    changed = values.assign(Au=np.where(near, values["Au"], 1e6))
    one = target_sheet(small, GRID, Samples(at, values, {}))
    other = target_sheet(small, GRID, Samples(at, changed, {}))
    pd.testing.assert_frame_equal(one, other)


@settings(deadline=None, max_examples=25)
@given(factor=st.floats(0.01, 100), seed=st.integers(0, 50))
def test_units_do_not_matter(factor, seed):
    at, rng = spread_out(seed, 300)
    values = pd.DataFrame({"Au": rng.lognormal(size=300), "As": rng.lognormal(size=300)})
    one = target_sheet(target(), GRID, Samples(at, values, {}))
    other = target_sheet(target(), GRID, Samples(at, values * factor, {}))
    pd.testing.assert_frame_equal(one, other)


def test_nothing_is_said_where_too_few_values_tell():
    at, rng = spread_out()
    values = pd.DataFrame({"Au": rng.lognormal(size=900), "Cu": np.nan, "W": 0.0})
    held = np.flatnonzero(inside_of(at, target()))
    values["Au"] *= 0.1
    values.loc[held[:2], "Cu"] = 5.0  # two inside, none around
    values.loc[held[2:], "Au"] = np.nan
    sheet = target_sheet(target(), GRID, Samples(at, values, {})).iloc[0]
    assert sheet[["element_1", "element_2", "element_3", "association"]].tolist() == [""] * 4
    assert np.isnan(sheet["ratio_1"])


def test_an_association_holds_the_elements_far_above_the_background():
    at, rng = spread_out()
    values = pd.DataFrame({name: rng.lognormal(sigma=0.5, size=900) for name in ("Au", "As", "Sb", "Cu")})
    held = inside_of(at, target())
    values.loc[held, ["As", "Au"]] *= [9.0, 5.0]
    sheet = target_sheet(target(), GRID, Samples(at, values, {})).iloc[0]
    assert sheet["association"] == "As-Au"
    assert [sheet["element_1"], sheet["element_2"]] == ["As", "Au"]


def test_no_targets_give_the_same_columns_and_no_rows():
    at, rng = spread_out(count=20)
    samples = Samples(at, pd.DataFrame({"Au": rng.lognormal(size=20)}), {})
    none = target().iloc[:0]
    assert list(target_sheet(none, GRID, samples)) == list(target_sheet(target(), GRID, samples))
    assert len(next_samples(none.assign(score=[], spread=[]), GRID, at)) == 0
    centre = pd.DataFrame({"easting": [], "northing": []}, dtype=float)
    assert len(nearest_fault(centre, [shapely.LineString([(0, 0), (1, 1)])])) == 0


# ---- rock and fault


def test_the_rock_unit_is_the_one_with_most_mapped_pixels():
    classes = np.full((100, 100), -1)
    classes[40:60, 40:46], classes[40:60, 46:50] = 1, 0
    found = rock_unit(pd.concat([target(), target(row=0, col=0)]), classes, ["shale", "tuff"])
    assert found["rock_unit"].tolist() == ["tuff", ""]
    assert found["rock_share"].iloc[0] == pytest.approx(0.6)
    assert np.isnan(found["rock_share"].iloc[1])


@given(strike=st.floats(0, 179.9), distance=st.floats(1, 5000))
def test_a_straight_fault_has_its_distance_and_strike(strike, distance):
    angle = np.radians(strike)
    along, across = np.array([np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), -np.sin(angle)])
    line = shapely.LineString([distance * across - 9000 * along, distance * across + 9000 * along])
    far = shapely.LineString([(1e5, 0), (1e5, 1)])
    found = nearest_fault(pd.DataFrame({"easting": [0.0], "northing": [0.0]}), [far, None, line]).iloc[0]
    assert found["fault_m"] == pytest.approx(distance, rel=1e-6)
    turn = abs(found["fault_trend"] - strike) % 180
    assert min(turn, 180 - turn) < 1e-6
    assert 0 <= found["fault_trend"] < 180


def test_parts_of_a_line_are_not_joined_and_no_fault_is_nothing():
    parts = shapely.MultiLineString([[(-1000, 1000), (-900, 1000)], [(900, -1000), (1000, -1000)]])
    centre = pd.DataFrame({"easting": [0.0], "northing": [0.0]})
    assert nearest_fault(centre, [parts])["fault_m"].iloc[0] == pytest.approx(np.hypot(900, 1000))
    assert nearest_fault(centre, []).isna().all(axis=None)


# ---- next samples


def brute_gap(place, samples):
    return np.hypot(*(samples - place).T).min()


def test_the_first_site_is_the_pixel_farthest_from_every_sample():
    at, _ = spread_out(3, 200)
    table = target(score=[0.8], spread=[0.1])
    sites = next_samples(table, GRID, at)
    rows, cols = np.mgrid[40:60, 40:60]
    centres = np.column_stack([500_050 + 100 * cols.ravel(), 4_009_950 - 100 * rows.ravel()])
    gaps = np.array([brute_gap(place, at) for place in centres])
    assert sites["gap_m"].iloc[0] == pytest.approx(gaps.max())
    placed = sites[["easting", "northing"]].to_numpy()
    for k, gap in enumerate(sites["gap_m"]):
        assert gap == pytest.approx(brute_gap(placed[k], np.vstack([at, placed[:k]])))
    assert (np.diff(sites["gap_m"]) <= 1e-9).all()
    assert sites["site"].tolist() == [1, 2, 3]


def test_sites_come_where_score_and_spread_are_high_first():
    at, _ = spread_out(4, 30)
    table = pd.concat([target(), target(0, 0), target(0, 60)], ignore_index=True).assign(number=[1, 2, 3])
    order = next_samples(table.assign(score=[0.9, 0.5, 0.6], spread=[0.01, 0.3, 0.2]), GRID, at)["number"]
    assert list(dict.fromkeys(order)) == [2, 3, 1]
    order = next_samples(table.assign(score=[0.9, 0.5, 0.6], spread=np.nan), GRID, at)["number"]
    assert list(dict.fromkeys(order)) == [1, 3, 2]


def test_no_site_off_the_ground_or_where_it_is_sampled():
    at, _ = spread_out(5, 100)
    valid = np.zeros((100, 100), dtype=bool)
    assert len(next_samples(target(score=[1.0], spread=[0.1]), GRID, at, valid=valid)) == 0
    valid[45:50, 50:55] = True
    sites = next_samples(target(score=[1.0], spread=[0.1]), GRID, at, valid=valid)
    assert sites["easting"].between(505_000, 505_500).all()
    assert sites["northing"].between(4_005_000, 4_005_500).all()
    x, y = np.meshgrid(np.arange(500_050, 510_000, 100.0), np.arange(4_000_050, 4_010_000, 100.0))
    everywhere = np.column_stack([x.ravel(), y.ravel()])
    assert len(next_samples(target(score=[1.0], spread=[0.1]), GRID, everywhere)) == 0


def test_degrees_of_sites_are_those_of_their_metres():
    from pyproj import Transformer

    at, _ = spread_out(6, 100)
    sites = next_samples(target(score=[1.0], spread=[0.1]), GRID, at)
    way = Transformer.from_crs("EPSG:4326", "EPSG:32649", always_xy=True)
    back = np.column_stack(way.transform(sites["longitude"].to_numpy(), sites["latitude"].to_numpy()))
    assert np.allclose(back, sites[["easting", "northing"]], atol=0.01)


def test_waypoints_are_well_formed_whatever_the_names_hold(tmp_path):
    title, name = 'a<b> & "c" 金山 \x00\x1b\ud800', "<wpt/>"
    write_gpx(tmp_path / "a.gpx", [(110.5, -21.25, name, "x\ny")], title=title)
    root = ElementTree.parse(tmp_path / "a.gpx").getroot()
    space = {"g": "http://www.topografix.com/GPX/1/1"}
    assert root.find("g:metadata/g:name", space).text == 'a<b> & "c" 金山 '
    (point,) = root.findall("g:wpt", space)
    assert (point.get("lat"), point.get("lon")) == ("-21.2500000", "110.5000000")
    assert point.find("g:name", space).text == name


# ---- as text


def test_a_sheet_says_only_what_is_known():
    assert target_sheets({}) == []
    (sheet,) = target_sheets({"targets": [{"number": 3, "rank": 1, "score_mean": 0.71}]})
    assert dict(sheet.rows) == {"Mean score": "0.71"}
    assert sheet.sites == ()
    row = {"number": 3, "fault_m": 840.0, "fault_trend": 179.8, "inside": False, "applicability": 0.9}
    said = dict(target_sheets({"targets": [row]})[0].rows)
    assert said["Nearest fault"] == "0.84\u00a0km from the centre, striking N–S (000°)"
    assert said["Applicability (dissimilarity)"] == "0.90, outside: unlike the training ground"


def test_hemispheres_are_written_as_letters():
    assert degrees_text(56.65, -130.45) == "56.6500° N, 130.4500° W"
