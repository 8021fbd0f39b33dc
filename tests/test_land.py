"""Excluded ground and tenure: what is read, what is left of an area, and what a ranking makes of it."""

import json
import warnings

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gossan import io
from gossan.config import load_project
from gossan.errors import DataError, DataWarning, SettingWarning, UsageError
from gossan.grid import make_grid, region_of
from gossan.io import read_exclude, read_tenure
from gossan.pipeline import check, run
from gossan.pipeline.land import (
    land_facts,
    open_pixels,
    read_land,
    refuse_closed,
    with_land,
    without_land,
)
from gossan.survey import Deposits, ExcludeSource, Samples, Survey, TenureSource
from gossan.synthetic import laboratory_table, synthetic_survey
from gossan.targets import TargetSettings, choose_targets, coverage, hidden_found, open_ground
from gossan.windows import cut_windows

CRS = "EPSG:32649"
WEST, SOUTH, SIDE = 500_000.0, 3_000_000.0, 1600.0
GRID = make_grid((WEST, SOUTH, WEST + SIDE, SOUTH + SIDE), 10.0, CRS)
VALID = np.ones((160, 160), dtype=bool)
AREAS = cut_windows(GRID, 40)


def box(west, south, east, north):
    """A rectangle in metres from the map's south-west corner."""
    return shapely.box(WEST + west, SOUTH + south, WEST + east, SOUTH + north)


def frame(shapes, **columns):
    columns = columns or {"source": "parks"}
    return gpd.GeoDataFrame({k: [v] * len(shapes) for k, v in columns.items()}, geometry=shapes, crs=CRS)


def survey_of(excluded=None, tenure=None):
    nothing = Samples(np.empty((0, 2)), pd.DataFrame(), {})
    return Survey("s", GRID, nothing, Deposits(np.empty((0, 2)), ()), excluded=excluded, tenure=tenure)


def shares(*shapes, valid=VALID):
    return with_land(survey_of(frame(list(shapes))), valid, AREAS)["excluded_share"].to_numpy()


@pytest.fixture
def vector(tmp_path):
    def inner(shapes, name="parks.gpkg", crs=CRS, **columns):
        path = tmp_path / name
        gpd.GeoDataFrame(columns, geometry=list(shapes), crs=crs).to_file(path)
        return path

    return inner


# ---- reading


def test_polygons_are_read_with_their_file_and_counted(vector):
    bowtie = shapely.Polygon(
        [(WEST, SOUTH), (WEST + 100, SOUTH + 100), (WEST + 100, SOUTH), (WEST, SOUTH + 100)]
    )
    path = vector([box(0, 0, 400, 400), bowtie])
    with pytest.warns(DataWarning, match="repaired 1 invalid"):
        found, counts = read_exclude(path, ExcludeSource(path.name), CRS)
    assert found["source"].tolist() == ["parks", "parks"]
    assert (counts["rows"], counts["kept"], counts["repaired"]) == (2, 2, 1)
    assert counts["crs_from"] == "file"
    assert found.geometry.area.tolist() == pytest.approx([160_000, 5_000])


def test_a_file_in_degrees_comes_into_the_projects_crs(vector):
    degrees = gpd.GeoSeries([box(0, 0, 800, 800)], crs=CRS).to_crs(4326)
    found, _ = read_exclude(vector(degrees, crs=4326), ExcludeSource("parks.gpkg"), CRS)
    assert found.crs == CRS
    assert found.geometry.area.sum() == pytest.approx(640_000, rel=1e-3)


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        (shapely.Point(WEST + 800, SOUTH + 800), np.pi * 300**2),
        (
            shapely.LineString([(WEST + 400, SOUTH + 800), (WEST + 1200, SOUTH + 800)]),
            600 * 800 + np.pi * 300**2,
        ),
        (box(400, 400, 1200, 1200), 800**2 + 4 * 800 * 300 + np.pi * 300**2),
    ],
)
def test_a_buffer_widens_points_lines_and_polygons(vector, shape, area):
    path = vector([shape])
    found, counts = read_exclude(path, ExcludeSource(path.name, buffer=300.0), CRS)
    assert found.geometry.area.sum() == pytest.approx(area, rel=0.002)
    assert counts["buffer_m"] == 300


def test_lines_without_a_buffer_are_refused_with_the_way_out(vector):
    path = vector([shapely.LineString([(WEST, SOUTH), (WEST + 100, SOUTH)])])
    with pytest.raises(DataError, match=r"no polygon.*buffer"):
        read_exclude(path, ExcludeSource(path.name), CRS)


def test_a_file_without_shapes_is_warned_of(vector):
    path = vector([None], name="empty.gpkg")
    with pytest.warns(DataWarning, match="holds no shape"):
        found, counts = read_exclude(path, ExcludeSource(path.name), CRS)
    assert len(found) == counts["kept"] == 0
    with pytest.warns(DataWarning, match="holds no shape"):
        assert list(read_tenure(path, TenureSource(path.name), CRS)[0].columns) == [
            "source",
            "holder",
            "geometry",
        ]


def test_a_holder_is_a_column_where_there_is_one_and_else_a_name(vector):
    path = vector([box(0, 0, 100, 100), box(100, 0, 200, 100)], HOLDER=["Alpha", None])
    found, counts = read_tenure(path, TenureSource(path.name, holder="holder"), CRS)
    assert found["holder"].tolist() == ["Alpha", "unknown"]
    assert (counts["holder_from"], counts["without_holder"]) == ("column HOLDER", 1)
    found, counts = read_tenure(path, TenureSource(path.name, holder="Beta Ltd"), CRS)
    assert found["holder"].tolist() == ["Beta Ltd", "Beta Ltd"]
    assert counts["holder_from"] == "the project"
    assert read_tenure(path, TenureSource(path.name), CRS)[0]["holder"].tolist() == ["unknown", "unknown"]


def test_a_holder_that_looks_like_a_misspelt_column_is_told_of(vector):
    path = vector([box(0, 0, 100, 100)], HOLDER=["Alpha"])
    with pytest.warns(DataWarning, match="was the column 'HOLDER' meant"):
        read_tenure(path, TenureSource(path.name, holder="holdr"), CRS)


def test_what_lies_off_the_map_is_warned_of_and_what_reaches_it_is_kept(vector, tmp_path):
    far = vector([box(50_000, 0, 51_000, 900)], name="far.gpkg")
    near = vector([box(-500, 0, 500, 900), box(9_000, 0, 9_900, 900)], name="near.gpkg")
    text = f'[project]\ncrs = "{CRS}"\n[samples]\npath = "s"\n[deposits]\npath = "d"\n'
    text += "".join(f'[[exclude]]\npath = "{path.name}"\n' for path in (far, near))
    (tmp_path / "p.toml").write_text(text)
    counts = {}
    with pytest.warns(DataWarning, match=r"exclude far\.gpkg: none of 1 shapes lies on the map"):
        excluded, tenure = read_land(load_project(tmp_path / "p.toml"), GRID, counts)
    assert tenure is None
    assert excluded["source"].tolist() == ["near"]
    assert counts["exclude near.gpkg"]["on_map_km2"] == pytest.approx(0.45)
    assert counts["exclude far.gpkg"]["on_map"] == 0


# ---- areas


@given(st.tuples(*[st.integers(0, 159)] * 4).filter(lambda b: b[0] < b[2] and b[1] < b[3]))
@settings(max_examples=40, deadline=None)
def test_excluded_pixels_are_the_area_of_the_shape(edges):
    shape = box(*(10 * edge for edge in edges))
    facts = land_facts(survey_of(frame([shape])), VALID)
    assert facts["excluded_km2"] * 1e6 == pytest.approx(shape.area)
    assert facts["excluded_share"] == pytest.approx(shape.area / SIDE**2)
    inside = shapely.intersection(
        [
            box(400 * col, SIDE - 400 * (row + 1), 400 * (col + 1), SIDE - 400 * row)
            for row in range(4)
            for col in range(4)
        ],
        shape,
    )
    np.testing.assert_allclose(shares(shape), shapely.area(inside) / 160_000, atol=1e-12)


def test_a_mirrored_park_excludes_the_mirrored_areas():
    park = shapely.Polygon([(WEST + 90, SOUTH + 210), (WEST + 950, SOUTH + 320), (WEST + 470, SOUTH + 1430)])
    mirrored = shapely.transform(park, lambda at: np.column_stack([2 * WEST + SIDE - at[:, 0], at[:, 1]]))
    there, here = shares(park).reshape(4, 4), shares(mirrored).reshape(4, 4)
    np.testing.assert_allclose(here, there[:, ::-1], atol=2 / 1600)  # a centre on an edge may fall either way
    assert 0 < there.sum() < 16


def test_overlapping_shapes_count_once_and_invalid_ground_not_at_all():
    half = box(0, 1200, 200, 1600)  # the western half of area 1
    assert shares(half, half)[0] == 0.5
    valid = VALID.copy()
    valid[:40, :20] = False  # and none of it is ground
    assert shares(half, valid=valid)[0] == 0
    assert (shares(half, valid=valid) == 0).all()


def test_without_excluded_ground_areas_stay_as_they_are():
    assert with_land(survey_of(), VALID, AREAS) is AREAS
    assert land_facts(survey_of(), VALID) is None
    assert open_ground(AREAS) is AREAS
    assert open_pixels(survey_of(), VALID, AREAS) is VALID


def test_open_pixels_are_the_valid_ones_that_are_not_excluded():
    left = open_pixels(survey_of(frame([box(0, 0, 1600, 800)])), VALID, AREAS)
    assert left[:80].all()
    assert not left[80:].any()
    assert VALID.all()


def test_holders_are_named_by_the_ground_they_have():
    lots = gpd.GeoDataFrame(
        {"source": ["lots"] * 3, "holder": ["A", "B", "A"]},
        geometry=[box(0, 1200, 100, 1600), box(100, 1200, 400, 1600), box(0, 1200, 100, 1600)],
        crs=CRS,
    )
    found = with_land(survey_of(tenure=lots), VALID, AREAS)
    assert found["tenure"].tolist() == ["B; A", *[""] * 15]
    assert found["tenure_share"].tolist() == pytest.approx([1.0, *[0.0] * 15])
    assert "excluded_share" not in found
    held = land_facts(survey_of(tenure=lots), VALID)["tenure"]
    assert held == [{"holder": "B", "km2": pytest.approx(0.12)}, {"holder": "A", "km2": pytest.approx(0.04)}]


def test_everything_excluded_is_one_clear_line():
    whole = survey_of(frame([box(-10, -10, 1700, 1700)]))
    with pytest.raises(DataError, match=r"all 16 areas lie .* excluded ground") as caught:
        refuse_closed(whole, VALID, AREAS)
    assert "\n" not in str(caught.value)
    refuse_closed(survey_of(frame([box(0, 0, 1600, 1390)])), VALID, AREAS)  # the northern areas are half open


# ---- the ranking


def ranked(score, excluded, known=0):
    n = len(score)
    columns = {"number": np.arange(1, n + 1), "score": np.asarray(score, float), "valid_share": 1.0}
    return pd.DataFrame({**columns, "known_deposits": known, "excluded_share": excluded})


def test_mostly_excluded_areas_are_no_targets_however_they_score():
    areas = ranked([0.9, 0.8, 0.7, 0.6], [0.5, 1.0, 0.49, 0.0])
    chosen = choose_targets(areas, TargetSettings(budget=1.0))
    assert chosen["number"].tolist() == [3, 4]
    assert chosen["excluded_share"].tolist() == [0.49, 0.0]
    assert chosen["valid_share"].tolist() == [1.0, 1.0]  # of the area, as everywhere


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=60),
    st.floats(0.05, 1),
)
@settings(max_examples=60, deadline=None)
def test_targets_take_a_share_of_the_open_ground(rows, budget):
    score, excluded = map(np.array, zip(*rows, strict=True))
    areas = ranked(score, excluded)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chosen = choose_targets(areas, TargetSettings(budget=budget))
    ground = np.where(excluded < 0.5, 1 - excluded, 0.0)
    taken = ground[chosen["number"].to_numpy() - 1]
    assert (chosen["excluded_share"] < 0.5).all()
    assert taken.sum() <= budget * ground.sum() + 1e-6
    left = areas[(excluded < 0.5) & ~areas["number"].isin(chosen["number"])]
    if len(left):
        following = left.sort_values(["score", "number"], ascending=[False, True]).iloc[0]
        assert taken.sum() + 1 - following["excluded_share"] > budget * ground.sum() - 1e-6


def test_a_number_of_targets_is_that_many_of_the_best_open_areas():
    areas = ranked([0.9, 0.8, 0.7, 0.6, 0.5], [0, 1, 0, 0, 0], known=[0, 0, 1, 0, 0])
    assert choose_targets(areas, TargetSettings(count=2))["number"].tolist() == [1, 4]
    assert choose_targets(areas, TargetSettings(count=99))["number"].tolist() == [1, 4, 5]


def test_coverage_and_hidden_ground_are_shares_of_the_open_ground():
    areas = ranked([0.9, 0.8, 0.7, 0.6], [1.0, 0.0, 0.0, 0.0], known=[5, 1, 0, 0])
    assert coverage(open_ground(areas), budget=1 / 3)["predicted"] == 1
    assert coverage(open_ground(areas), budget=1 / 3)["known"] == 1
    places = AREAS.head(4).assign(score=areas["score"], known_deposits=0, excluded_share=[1, 0, 0, 0])
    at = [[WEST + 200, SOUTH + 1400], [WEST + 600, SOUTH + 1400]]  # in areas 1 and 2
    places["nearest_known_m"] = 1.0
    found = hidden_found(open_ground(places), at, GRID, budget=1 / 3)
    assert (found["count"], found["elsewhere"], found["found_share"]) == (1, 1, 1.0)


# ---- a whole run


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A small survey with a park in the north-west, a buffered stream, and two holders."""
    folder = tmp_path_factory.mktemp("survey")
    made = synthetic_survey(3, size=160, resolution=243.75, samples=1500)
    lines = ["[windows]", "size = 16", "strides = [16]", "[screen]", "enabled = false", "[explain]"]
    lines += ["enabled = false", "[model]", 'name = "logistic-regression"', "[validation]", "tune = 1"]
    lines += ["rivals = []", "audit = []"]
    file = io.write_survey(made, folder, table=laboratory_table(made), settings=lines)
    west, south, east, north = region_of(made.grid)
    wide, high = east - west, north - south
    park = shapely.box(west, south + 0.6 * high, west + 0.4 * wide, north)
    stream = shapely.LineString([(west, south + 0.2 * high), (east, south + 0.1 * high)])
    lots = [
        shapely.box(west, south, west + 0.5 * wide, north),
        shapely.box(west + 0.5 * wide, south, east, north),
    ]
    gpd.GeoDataFrame(geometry=[park], crs=made.crs).to_file(folder / "park.gpkg")
    gpd.GeoDataFrame(geometry=[stream], crs=made.crs).to_file(folder / "stream.gpkg")
    gpd.GeoDataFrame({"who": ["West <b>", "Ост"]}, geometry=lots, crs=made.crs).to_file(folder / "lots.gpkg")
    gpd.GeoDataFrame(geometry=[shapely.box(west, south, east, north)], crs=made.crs).to_file(
        folder / "all.gpkg"
    )
    return file


LAND = """
[[exclude]]
path = "park.gpkg"
[[exclude]]
path = "stream.gpkg"
buffer = 1000
[[tenure]]
path = "lots.gpkg"
holder = "who"
[budget]
cost_per_km2 = 2000
value_per_hit = 100000
currency = "AUD"
"""


@pytest.fixture(scope="module")
def both(project, tmp_path_factory):
    """One run folder without excluded ground, then with it: bytes of the first, and the second."""
    out = tmp_path_factory.mktemp("runs") / "run"
    run(load_project(project), out, jobs=1)
    before = {
        path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()
    }
    file = project.with_name("land.toml")
    file.write_text(project.read_text() + LAND)
    return before, run(load_project(file), out, jobs=1)


@pytest.mark.slow
def test_nothing_is_trained_or_scored_anew_and_the_maps_are_the_same_bytes(both):
    before, land = both
    tasks = json.loads(before["manifest.json"])["tasks"]
    assert json.loads((land.folder / "manifest.json").read_text())["tasks"] == tasks
    for name in ("prospectivity.tif", "stack.tif", "screening.csv", "splits.csv", "model/model.json"):
        assert (land.folder / name).read_bytes() == before[name], name
    old = json.loads(before["metrics.json"])
    new = json.loads((land.folder / "metrics.json").read_text())
    assert old.pop("walk") != new.pop("walk")
    assert new == old


@pytest.mark.slow
def test_no_target_lies_on_excluded_ground_and_all_have_a_holder(both):
    _, land = both
    areas = io.read_layers(land.folder / "targets.gpkg")["areas"]
    closed = areas.loc[areas["excluded_share"] >= 0.5, "number"]
    assert len(closed)
    assert len(land.targets)
    assert not land.targets["number"].isin(closed).any()
    assert set("; ".join(land.targets["tenure"]).split("; ")) <= {"West <b>", "Ост"}
    open_km2 = (areas["area_km2"] * (1 - areas["excluded_share"]))[areas["excluded_share"] < 0.5]
    open_km2 = open_km2[areas["known_deposits"] == 0]
    taken = (land.targets["area_km2"] * (1 - land.targets["excluded_share"])).sum()
    assert taken <= 0.1 * open_km2.sum()
    assert taken > 0.1 * open_km2.sum() - areas["area_km2"].max()


@pytest.mark.slow
def test_the_next_samples_are_on_open_ground(both):
    _, land = both
    sites = json.loads((land.folder / "report.json").read_text())["next_samples"]
    closed = shapely.union_all(io.read_layers(land.folder / "targets.gpkg")["excluded"].geometry.to_numpy())
    places = shapely.points([[site["easting"], site["northing"]] for site in sites])
    assert len(places)
    assert not shapely.contains(closed, places).any()


@pytest.mark.slow
def test_the_report_counts_the_ground_both_ways(both):
    before, land = both
    report = json.loads((land.folder / "report.json").read_text())
    told = report["land"]
    assert json.loads(before["report.json"])["land"] is None
    assert (
        told["areas_excluded"]
        == (io.read_layers(land.folder / "targets.gpkg")["areas"]["excluded_share"] >= 0.5).sum()
    )
    excluded = io.read_layers(land.folder / "targets.gpkg")["excluded"]
    inside = shapely.clip_by_rect(shapely.union_all(excluded.geometry.to_numpy()), *report["grid"]["region"])
    assert told["excluded_km2"] == pytest.approx(inside.area / 1e6, rel=0.01)
    assert report["captures"] == json.loads(before["report.json"])["captures"]
    assert [row["share"] for row in told["captures_open"]] == [0.05, 0.1, 0.2]
    walk = land.metrics["walk"]
    assert (
        walk["deposits"] + told["deposits_excluded"]
        == report["data"]["deposits"]["inside"] - report["data"]["deposits"]["on_ground_left_out"]
    )
    assert walk["break_even"]["cost_of"] == "km2"


@pytest.mark.slow
def test_the_page_shows_the_ground_and_names_as_text(both):
    before, land = both
    page = land.report.read_text(encoding="utf-8")
    assert "West <b>" not in page
    assert "Ост" in page
    assert 'id="show-excluded"' in page
    assert 'id="show-tenure"' in page
    old = before["report.html"].decode()
    assert 'id="show-excluded"' not in old
    assert "Excluded (%)" not in old
    assert 'id="figure-walk"' in old
    assert (land.folder / "figures" / "walk.png").is_file()
    styles = (land.folder / "gossan.qgz").read_bytes()
    assert styles != before["gossan.qgz"]


@pytest.mark.slow
def test_check_says_what_is_excluded_and_held(project, both):
    found = check(load_project(project.with_name("land.toml")))
    assert found["problems"] == []
    assert found["land"]["areas_excluded"] > 0
    assert {row["holder"] for row in found["land"]["tenure"]} == {"West <b>", "Ост"}
    assert check(load_project(project))["land"] is None


@pytest.mark.slow
def test_a_run_with_everything_excluded_is_refused_before_a_fit(project, both, tmp_path):
    _, land = both
    file = project.with_name("closed.toml")
    file.write_text(project.read_text() + '[[exclude]]\npath = "all.gpkg"\n')
    with pytest.raises(DataError, match="on excluded ground") as caught:
        run(load_project(file), land.folder, jobs=1)
    assert "\n" not in str(caught.value)
    assert any("excluded ground" in problem for problem in check(load_project(file))["problems"])


def test_commands_that_rank_nothing_say_so(tmp_path):
    text = (
        f'[project]\ncrs = "{CRS}"\n[samples]\npath = "s"\n[deposits]\npath = "d"\n[[exclude]]\npath = "x"\n'
    )
    (tmp_path / "p.toml").write_text(text)
    project = load_project(tmp_path / "p.toml")
    with pytest.warns(SettingWarning, match=r"\[\[exclude\]\] change nothing in `gossan predict`"):
        assert without_land(project, "predict").exclude == ()
    with pytest.raises(UsageError, match=r"exclude\.0\.buffer"):
        load_project(tmp_path / "p.toml", ["exclude.0.buffer=-1"])
