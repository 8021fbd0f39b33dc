"""What the page says and shows of excluded ground, tenure, and what a deposit found takes."""

import json
import re
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely

from gossan import plots
from gossan.io.styles import Symbol, VectorStyle, style_text
from gossan.report import pictures, webvectors, write_report
from gossan.report.budget import land_sentences, land_tables, walk_sentences
from gossan.report.sheets import target_sheets
from gossan.report.tables import all_tables
from run_folder import CRS, make_report, make_run, write_run

HOLDER = "<b>Alpha</b> 金山 \u0648"
LAND = {
    "ground_km2": 1500.0,
    "excluded_km2": 300.0,
    "excluded_share": 0.2,
    "areas": 60,
    "areas_excluded": 11,
    "areas_cut": 1,
    "deposits_excluded": 3,
    "captures_open": [{"share": 0.1, "captured": 0.4, "low": 0.2, "high": 0.6}],
    "tenure": [{"holder": HOLDER, "km2": 120.0}, *({"holder": f"H{k}", "km2": 1.0} for k in range(30))],
}
EVEN = {
    "cost": 20000.0,
    "cost_of": "area",
    "value": 500000.0,
    "currency": "AUD",
    "rank": 12,
    "low": 4,
    "high": 31,
    "ground_km2": 240.0,
    "found": 8.0,
    "best": {"rank": 7, "low": 2, "high": 9, "gain": 1.5e6},
}
AT = {
    "share": 0.1,
    "rank": 5,
    "ground_km2": 100.0,
    "found": 4.0,
    "km2_per_deposit": 25.0,
    "low": 12.0,
    "high": None,
}
WALK = {
    "areas": 49,
    "ground_km2": 1000.0,
    "deposits": 20.0,
    "camps": 9,
    "chance_km2_per_deposit": 50.0,
    "at": [AT],
    "break_even": EVEN,
}
CURVE = {
    "rank": [1, 10, 49],
    "ground_km2": [20.0, 200.0, 1000.0],
    "found": [0.0, 10.0, 20.0],
    "km2_per_deposit": [None, 20.0, 50.0],
    "low": [None, 10.0, 40.0],
    "high": [None, None, 60.0],
}


def land_report(made, **changes):
    report = make_report(made)
    targets = [
        {**row, "excluded_share": 0.25 * (k == 0), "tenure": HOLDER if k < 2 else "", "tenure_share": 0.5}
        for k, row in enumerate(report["targets"])
    ]
    metrics = {**report["metrics"], "walk": WALK}
    return report | {"land": LAND, "walk": CURVE, "metrics": metrics, "targets": targets} | changes


@pytest.fixture(scope="module")
def made():
    """A made run with a park that covers the western third, and one lot with a hole."""
    plain = make_run(64, 16)
    west, south, east, north = plain.grid.boundingbox.bbox
    third = west + (east - west) / 3
    lot = shapely.box(third, south, east, north).difference(
        shapely.Point(third + 4000, south + 4000).buffer(2000)
    )
    excluded = gpd.GeoDataFrame(
        {"source": ["parks"]}, geometry=[shapely.box(west - 9, south - 9, third, north)], crs=CRS
    )
    tenure = gpd.GeoDataFrame({"source": ["lots"], "holder": [HOLDER]}, geometry=[lot], crs=CRS)
    areas = plain.layers["areas"].assign(excluded_share=0.0, tenure=HOLDER)
    free = ~areas["number"].isin(plain.layers["targets"]["number"])
    areas.loc[areas.index[free][0], "excluded_share"] = 0.75
    layers = {**plain.layers, "areas": areas, "excluded": excluded, "tenure": tenure}
    return replace(plain, layers=layers)


@pytest.fixture(scope="module")
def page_file(made, tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("land"), made, land_report(made))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "PRINT_DPI", 120)
        return write_report(folder)


def test_a_run_without_land_says_and_shows_nothing(made):
    report = make_report(make_run(64, 16))
    assert land_sentences(report) == walk_sentences(report) == []
    assert not any(table.rows for table in land_tables(report).values())
    assert "Excluded (%)" not in all_tables(report)["targets"].head
    assert not any(
        label in ("Excluded", "Tenure") for sheet in target_sheets(report) for label, _ in sheet.rows
    )


def test_the_sentences_say_what_the_numbers_say(made):
    report = land_report(made)
    (land,) = land_sentences(report)
    assert re.sub("[\u00a0\u202f]", " ", land).startswith("20 % of the ground (300 km²) is excluded")
    assert "11 areas mostly on it are not ranked" in land
    assert "1 area with a smaller part excluded is ranked" in land
    assert "3 of the known deposits" in land
    (walk,) = (re.sub("[\u00a0\u202f]", " ", text) for text in walk_sentences(report))
    assert (
        "would have taken 25 km² for each held-out deposit found (95 % interval 12 to no upper end)" in walk
    )
    assert "against 50 km² at random" in walk
    assert (
        "At 20 000 AUD per area and 500 000 AUD per deposit found, following up breaks even at rank 12 of 49"
        in walk
    )
    assert "(95 % interval 4 to 31), 240 km²" in walk
    assert "largest at rank 7 (95 % interval 2 to 9): 1 500 000 AUD" in walk


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rank": 0, "low": 0, "high": 3}, "never pays for itself (95 % interval 0 to 3)"),
        ({"rank": 49, "low": 9, "high": 49}, "pays for itself on all 49 open areas (95 % interval 9 to 49)"),
        ({"low": None, "high": None}, "rank 12 of 49 (too few camps for an interval)"),
        ({"cost_of": "km2", "currency": ""}, "At 20 000 per km² and 500 000 per deposit found"),
    ],
)
def test_a_break_even_at_the_ends_is_said_as_it_is(made, changes, said):
    walk = {**WALK, "break_even": {**EVEN, **changes}}
    report = land_report(made, metrics={"walk": walk})
    assert said in re.sub("[\u00a0\u202f]", " ", " ".join(walk_sentences(report)))


def test_the_tables_hold_holders_captures_both_ways_and_the_walk(made):
    tables = all_tables(land_report(made))
    assert tables["targets"].head.count("Tenure") == 1
    assert len(tables["tenure"].rows) == 21
    assert tables["tenure"].rows[-1][0] == "11 others"
    assert len(tables["walk"].rows) == len(tables["captures_open"].rows) == 1
    assert "no end" in tables["walk"].rows[0][-1]
    rows = dict(target_sheets(land_report(made))[0].rows)
    assert "25" in rows["Excluded"]
    assert "Alpha" in rows["Tenure"]


def test_the_map_holds_the_rings_of_both_and_none_without_them(made):
    class Maps:
        layers = made.layers
        ground = plots.Ground(region=tuple(made.grid.boundingbox.bbox), crs=CRS)

    found = webvectors.land_data(Maps, CRS, 100.0)
    assert [len(each["rings"]) for each in found["tenure"]] == [2]  # the hole stays open
    west, _, east, _ = made.grid.boundingbox.bbox
    (ring,) = found["excluded"][0]["rings"]
    corners = gpd.GeoSeries(gpd.points_from_xy(*np.array(ring).T[::-1]), crs=4326)
    x = corners.to_crs(CRS).x
    assert x.min() == pytest.approx(west, abs=2)  # cut at the edge of the map
    assert x.max() == pytest.approx(west + (east - west) / 3, abs=2)
    Maps.layers = {}
    assert webvectors.land_data(Maps, CRS, 100.0) == {}


def test_the_figures_hatch_what_is_excluded_and_change_nothing_without_it(made):
    ground = plots.Ground(region=tuple(made.grid.boundingbox.bbox), crs=CRS)
    closed = replace(ground, excluded=made.layers["excluded"], tenure=made.layers["tenure"])
    plain, hatched = (plots.score_map(each, made.score) for each in (ground, closed))
    patterns = [each.get_hatch() for each in hatched.axes[0].collections]
    assert [each for each in patterns if each]
    assert not any(each.get_hatch() for each in plain.axes[0].collections)
    empty = replace(ground, excluded=made.layers["excluded"].iloc[:0], tenure=made.layers["tenure"].iloc[:0])
    assert plots.save(plots.score_map(empty, made.score), dpi=40) == plots.save(plain, dpi=40)


def test_the_walk_is_drawn_with_its_band_and_marks():
    figure = plots.walk_plot(CURVE, chance=50.0, rank=12, interval=(4, 31))
    (axes,) = figure.axes
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["95 % band", "at random", "by the ranking", "break-even: best 12 areas"]
    line = next(each for each in axes.lines if each.get_label() == "by the ranking")
    np.testing.assert_array_equal(line.get_ydata(), [np.nan, 20.0, 50.0])
    plots.save(figure, dpi=40)
    bare = plots.walk_plot({**CURVE, "low": None, "high": None})
    assert bare.axes[0].get_legend_handles_labels()[1] == ["by the ranking"]
    plots.save(bare, dpi=40)


def test_a_hatched_fill_is_hatched_in_qgis():
    style = VectorStyle(((None, "x", Symbol("fill", "#333333", "#333333", hatched=True)),))
    assert 'value="diagonal_x"' in style_text(style)


def test_the_note_under_the_map_names_the_hatching_and_the_outlines(page_file):
    text = page_file.read_text(encoding="utf-8")
    assert "Hatched: excluded ground. Dashed violet: tenure." in text


def test_names_stay_text_on_the_page(page_file):
    page = page_file.read_text(encoding="utf-8")
    assert "<b>Alpha" not in page
    assert "&lt;b&gt;Alpha" in page
    data = json.loads(re.search(r'id="map-data">(.*?)</script>', page)[1])
    told = {row["number"]: row for row in data["areas"]["rows"]}
    assert sorted(row["excluded"] for row in told.values() if "excluded" in row) == [25, 75]
    assert all("Alpha" in row["tenure"] for row in told.values() if not row["rank"])


@pytest.mark.browser
def test_both_are_switched_and_a_click_on_an_outline_says_the_holder(offline, page_file):
    with offline(page_file) as page:
        hatched = "document.querySelectorAll('.leaflet-land-pane path[fill=\"url(#land-hatch)\"]').length"
        assert page.evaluate(hatched) == 1
        page.uncheck("#show-excluded")
        assert page.evaluate(hatched) == 0
        page.check("#show-excluded")
        for name in ("targets", "areas"):  # what lies above an outline takes the click
            page.uncheck(f"#show-{name}")
        page.locator("#map").scroll_into_view_if_needed()
        page.wait_for_timeout(800)
        where = page.evaluate(
            """() => { const own = document.getElementById('map').gossan; let hit;
            const look = (one) => {
              if (one.eachLayer) one.eachLayer(look); else if (one.options.dashArray) hit = one;
            };
            look(own.groups.tenure);
            const [first, , , last] = hit.getLatLngs()[0].map((at) => own.map.latLngToContainerPoint(at));
            const box = document.getElementById('map').getBoundingClientRect();
            return [box.left + (first.x + last.x) / 2, box.top + (first.y + last.y) / 2]; }"""
        )
        page.mouse.click(*where)
        assert "Alpha" in page.inner_text("#map-info")
        assert page.inner_text("#map-info").startswith("Tenure: ")
        page.uncheck("#show-tenure")
