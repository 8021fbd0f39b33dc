"""The interactive map: where its pixels lie, and what a reader without a network can do with it."""

import base64
import json
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.warp import Resampling, reproject

from gossan.report import looks, pictures, webmap, webvectors, write_report
from gossan.report.screen import WEB, distinct, fit_coordinates, make_screen, palette_png, to_degrees
from run_folder import CRS, make_report, make_run, write_run

NASTY = ["<b>Unit</b> 1", "Unit 2 & 'co'", '"</script>', "\u0648\u062d\u062f\u0629", "金山组"]
REGIONS = {
    "EPSG:32648": (410_000.0, 2_400_000.0, 449_000.0, 2_426_000.0),
    "EPSG:26910": (200_000.0, 6_200_000.0, 330_000.0, 6_330_000.0),  # far north, beyond the zone's edge
    "EPSG:28350": (480_000.0, 6_240_000.0, 580_000.0, 6_330_000.0),  # the southern hemisphere
}


def degrees_of(crs, *xy):
    from pyproj import Transformer

    return Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(*xy)


# ---- where pixels lie


@pytest.mark.parametrize("crs", REGIONS)
@pytest.mark.parametrize("shape", [(97, 140), (900, 1300), (2600, 3900)])
def test_a_known_point_falls_on_its_pixel_within_half_a_pixel(crs, shape):
    """A point is looked up as the page does: by latitude and longitude on the stretched picture."""
    region = west, south, east, north = REGIONS[crs]
    screen = make_screen(region, shape, crs)
    rng = np.random.default_rng(0)
    x, y = rng.uniform(west, east, 500), rng.uniform(south, north, 500)
    from pyproj import Transformer

    mx, my = Transformer.from_crs("EPSG:4326", WEB, always_xy=True).transform(*degrees_of(crs, x, y))
    left, low, right, high = screen.bounds
    height, width = screen.row.shape
    col = np.floor((mx - left) / (right - left) * width).astype(int)
    row = np.floor((high - my) / (high - low) * height).astype(int)
    shown = screen.row[row, col] >= 0
    assert shown.mean() > 0.99  # a point on the very edge may fall on a pixel whose centre is outside
    pixel = (east - west) / shape[1], (north - south) / shape[0]
    across = west + (screen.col[row, col] + 0.5) * pixel[0]
    up = north - (screen.row[row, col] + 0.5) * pixel[1]
    # half a pixel of the grid and half of the picture, whose pixels shrink on the ground by cos(latitude)
    latitude = np.radians(degrees_of(crs, x, y)[1])
    picture = (right - left) / width * np.cos(latitude) * 1.02
    slack = 0.5 * picture * np.sqrt(2)  # the picture is turned against the grid
    assert (np.abs(across - x)[shown] <= 0.5 * pixel[0] + slack[shown]).all()
    assert (np.abs(up - y)[shown] <= 0.5 * pixel[1] + slack[shown]).all()


@pytest.mark.parametrize("crs", REGIONS)
def test_the_picture_is_the_one_that_gdal_warps(crs):
    region, shape = REGIONS[crs], (120, 160)
    screen = make_screen(region, shape, crs)
    values = np.arange(1, shape[0] * shape[1] + 1, dtype=np.float32).reshape(shape)
    height, width = screen.row.shape
    theirs = np.zeros((height, width), dtype=np.float32)
    reproject(
        values,
        theirs,
        src_transform=rasterio.transform.from_bounds(*region, shape[1], shape[0]),
        src_crs=crs,
        dst_transform=rasterio.transform.from_bounds(*screen.bounds, width, height),
        dst_crs=WEB,
        resampling=Resampling.nearest,
    )
    ours = screen.show(values, 0)
    from pyproj import Transformer

    left, low, right, high = screen.bounds
    across = left + (np.arange(width) + 0.5) * (right - left) / width
    down = high - (np.arange(height) + 0.5) * (high - low) / height
    east, north = Transformer.from_crs(WEB, crs, always_xy=True).transform(*np.meshgrid(across, down))
    col, row = (east - region[0]) / (region[2] - region[0]), (region[3] - north) / (region[3] - region[1])
    from_edge = np.minimum(*(abs(at - np.round(at)) for at in (col * shape[1], row * shape[0])))
    assert (ours > 0).mean() > 0.8
    assert (ours == theirs).mean() > 0.9
    assert from_edge[ours != theirs].max() < 0.125  # GDAL's own error, in pixels, where it is in a hurry


def test_corners_are_those_of_the_picture():
    screen = make_screen(REGIONS[CRS], (10, 15), CRS)
    from pyproj import Transformer

    way = Transformer.from_crs(WEB, "EPSG:4326", always_xy=True)
    lon, lat = way.transform(screen.bounds[0::2], screen.bounds[1::2])
    assert np.allclose(screen.corners, np.column_stack([lat, lon]), atol=1e-8)


@pytest.mark.parametrize("crs", REGIONS)
def test_the_pointers_coordinates_are_proj_s_within_the_stated_error(crs):
    west, south, east, north = REGIONS[crs]
    fit = fit_coordinates(make_screen(REGIONS[crs], (100, 150), crs).corners, crs, 5.0)
    rng = np.random.default_rng(1)
    x, y = rng.uniform(west, east, 2000), rng.uniform(south, north, 2000)
    error = np.hypot(*(fit.apply(*degrees_of(crs, x, y)) - np.column_stack([x, y])).T)
    assert fit.error <= 5.0
    assert error.max() <= fit.error + 1e-6
    closer = fit_coordinates(make_screen(REGIONS[crs], (100, 150), crs).corners, crs, 0.01)
    assert closer.error < fit.error
    assert len(closer.powers) > len(fit.powers)


def test_a_picture_is_read_back_as_it_was_written():
    rng = np.random.default_rng(2)
    index = rng.integers(0, 6, (17, 33)).astype(np.uint8)
    palette = distinct([(255, 0, 0)] * 3 + [(0, 0, 0)] * 2)
    assert len(set(palette)) == 5
    with Image.open(BytesIO(palette_png(index, palette))) as picture:
        assert picture.mode == "P"
        assert np.array_equal(np.asarray(picture), index)
        assert np.array_equal(
            np.asarray(picture.convert("RGBA"))[index == 0][:, 3], np.zeros((index == 0).sum())
        )
        colours = np.asarray(picture.convert("RGB"))
    for k, colour in enumerate(palette, start=1):
        assert (colours[index == k] == colour).all()


def test_many_equal_colours_become_distinct_ones():
    assert len(set(distinct([(221, 221, 221)] * 250))) == 250
    assert len(set(distinct([(0, 0, 255)] * 250))) == 250


# ---- what is embedded


def test_json_in_a_page_cannot_end_its_element():
    said = webmap.embedded({"a": "</script><!-- & \u2028\u2029"})
    assert not re.search("[<>&\u2028\u2029]", said)
    assert json.loads(said) == {"a": "</script><!-- & \u2028\u2029"}


def test_colours_and_ranges_are_those_of_the_figures():
    from matplotlib import colormaps

    from gossan.plots.maps import limits, score_classes

    made = make_run(64, 16)
    maps = _maps(made)
    drawn = {each.look.key: each for each in webmap._rasters(make_report(made), maps)}
    layers = {key: each.look for key, each in drawn.items()}
    assert set(layers) == {
        *("score", "spread", "index", "ore_index", "inside", "geology"),
        *(f"channel-{k}" for k in range(9)),
    }
    tones = np.round(255 * colormaps["viridis"](np.linspace(1, 0.08, 5))[:, :3]).astype(int)
    assert np.array_equal(layers["score"].palette, tones)
    assert np.array_equal(drawn["score"].index, score_classes(made.score) + 1)
    values = made.stack["layers"].values[0]
    low, high = limits(values)
    assert (layers["channel-0"].low, layers["channel-0"].high) == (low, high)
    middle = low + (drawn["channel-0"].index - 0.5) / looks.STEPS * (high - low)
    inside = (values > low) & (values < high)
    assert np.abs(middle - values)[inside].max() <= (high - low) / looks.STEPS * 0.5001


def _maps(made):
    from gossan import plots
    from gossan.grid import region_of
    from gossan.report.plan import Maps

    ground = plots.Ground(
        region=region_of(made.grid),
        crs=CRS,
        geology=made.layers["geology"],
        classes=made.stack["classes"].values,
        class_names=tuple(made.stack.attrs["class_names"]),
        faults=made.layers["faults"],
        deposits=made.layers["deposits"],
    )
    return Maps(ground, made.stack, made.score, made.spread, made.layers, made.applicability)


def test_geology_has_the_units_of_the_grid_in_the_figures_colours():
    from gossan.plots.ground import unit_shares
    from gossan.plots.style import unit_colours

    made = make_run(64, 16)
    layer = next(
        each for each in webmap._rasters(make_report(made), _maps(made)) if each.look.key == "geology"
    )
    names = made.stack.attrs["class_names"]
    colours = unit_colours(list(unit_shares(_maps(made).ground)))
    classes = made.stack["classes"].values
    for k, name in enumerate(names):
        place = set(layer.index[classes == k].tolist())
        assert len(place) == 1
        shown = place.pop() - 1
        assert layer.look.labels[shown].startswith(name)
        assert "#{:02x}{:02x}{:02x}".format(*layer.look.palette[shown]) == colours[name]


def test_pictures_shrink_until_the_page_is_small_enough(monkeypatch):
    made = make_run(64, 16)
    maps = _maps(made)
    rasters = list(webmap._rasters(make_report(made), maps))
    monkeypatch.setattr(webmap, "SIDES", (128, 64, 32))
    screen, large = webmap._pictures(rasters, maps)
    assert max(screen.row.shape) == 128
    monkeypatch.setattr(webmap, "MOST_BYTES", sum(map(len, large.values())) - 1)
    screen, small = webmap._pictures(rasters, maps)
    assert max(screen.row.shape) == 64
    assert set(small) == set(large)
    monkeypatch.setattr(webmap, "MOST_BYTES", 10)
    assert len(webmap._pictures(rasters, maps)[1]) == len(rasters)  # the smallest is taken as it is


def test_samples_are_classed_by_percentiles_and_thinned_beyond_the_limit(monkeypatch):
    samples = make_run(64, 16).layers["samples"]
    told = webvectors.sample_data(samples, {"Au": "ppb"}, CRS)
    gold = next(each for each in told["elements"] if each["name"] == "Au")
    assert gold["unit"] == "ppb"
    counts = [gold["classes"].count(digit) for digit in "012345"]
    assert counts == [200, 100, 60, 20, 12, 8]
    missing = next(each for each in told["elements"] if each["name"] == "Mo")["classes"]
    assert missing.count("-") == samples["Mo"].isna().sum()
    monkeypatch.setattr(webvectors, "MOST_SAMPLES", 150)
    thinned = webvectors.sample_data(samples, {}, CRS)
    assert (thinned["shown"], thinned["all"], len(thinned["points"])) == (134, 400, 134)
    assert webvectors.sample_data(None, {}, CRS)["points"] == []


def test_outlines_of_rock_units_cover_the_map_once_and_stay_below_the_limit(monkeypatch):
    from shapely.geometry import Polygon

    maps = _maps(make_run(64, 16))
    units = webvectors.unit_data(maps, CRS, 200.0)
    assert {unit["name"] for unit in units} == set(maps.ground.geology["unit"])
    shapes = [Polygon(rings[0], rings[1:]) for unit in units for rings in unit["parts"]]
    whole = sum(shape.area for shape in shapes)
    (west, south, east, north) = maps.ground.region
    corners = degrees_of(CRS, np.array([west, east, east, west]), np.array([south, south, north, north]))
    assert whole == pytest.approx(Polygon(np.column_stack(corners)[:, ::-1]).area, rel=2e-3)
    points = sum(len(ring) for unit in units for rings in unit["parts"] for ring in rings)
    monkeypatch.setattr(webvectors, "MOST_POINTS", points // 2)
    coarse = webvectors.unit_data(maps, CRS, 200.0)
    assert sum(len(ring) for unit in coarse for rings in unit["parts"] for ring in rings) <= points // 2
    assert webvectors.unit_data(replace(maps, ground=replace(maps.ground, geology=None)), CRS, 200.0) == []


def test_values_of_samples_are_given_where_they_are_few(monkeypatch):
    samples = make_run(64, 16).layers["samples"]
    gold = webvectors.sample_data(samples, {}, CRS)["elements"][1]
    assert gold["name"] == "Au"
    assert np.allclose(gold["values"], samples["Au"], rtol=6e-3)
    monkeypatch.setattr(webvectors, "MOST_VALUES", 100)
    assert webvectors.sample_data(samples, {}, CRS)["elements"][1]["values"] == []


def test_grid_lines_are_round_kilometres_inside_the_map():
    lines = webvectors.kilometre_grid(REGIONS[CRS], CRS)
    easts = [each for each in lines if each["label"].endswith("E")]
    assert [each["label"] for each in easts] == [
        "410 E",
        "415 E",
        "420 E",
        "425 E",
        "430 E",
        "435 E",
        "440 E",
        "445 E",
    ]
    first = np.array(easts[1]["line"])
    assert np.allclose(
        first[:, ::-1],
        np.column_stack(degrees_of(CRS, np.full(17, 415e3), np.linspace(2.4e6, 2.426e6, 17))),
        atol=1e-6,
    )


def test_degrees_are_rounded_to_a_decimetre():
    there = to_degrees([410_000.0], [2_400_000.0], CRS)
    assert np.allclose(there, np.array(degrees_of(CRS, 410_000.0, 2_400_000.0)), atol=5.1e-7)


# ---- in a browser


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    made = make_run(64, 16, names=NASTY)
    deposits = made.layers["deposits"].copy()
    deposits.loc[0, "name"] = '<img src=x onerror="alert(1)">'
    made = replace(made, layers={**made.layers, "deposits": deposits})
    report = make_report(made, title="</title><script>alert(1)</script> 金山 \u202e\u0648")
    folder = write_run(tmp_path_factory.mktemp("map"), made, report)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "PRINT_DPI", 120)
        return write_report(folder)


@pytest.fixture
def opened(offline, page_file):
    with offline(page_file) as page:
        yield page


browser = pytest.mark.browser
PAGE = "document.getElementById('map').gossan"


@browser
def test_every_layer_and_every_switch_works(opened):
    values = opened.eval_on_selector_all("#map-layer option", "options => options.map(each => each.value)")
    assert values[:2] == ["", "score"]
    assert len(values) == 16
    seen = set()
    for value in values[1:]:
        opened.select_option("#map-layer", value)
        opened.wait_for_function(
            "document.querySelector('.pixels') && document.querySelector('.pixels').complete"
        )
        assert opened.locator(".pixels").count() == 1
        seen.add(opened.get_attribute(".pixels", "src"))
        name = opened.eval_on_selector("#map-layer", "box => box.selectedOptions[0].textContent")
        assert opened.inner_text("#map-legend h4") == name
    assert len(seen) == 15
    opened.select_option("#map-layer", "")
    assert opened.locator(".pixels").count() == 0
    for key in ("targets", "areas", "deposits", "faults", "units", "samples", "grid"):
        shown = f"(g => !!g.groups.{key} && g.map.hasLayer(g.groups.{key}))({PAGE})"
        switch = opened.locator(f"#show-{key}")
        for wanted in (True, False, True):
            switch.set_checked(wanted)
            assert opened.evaluate(shown) is wanted
    for name in ("Sn", "Mo"):
        opened.select_option("#map-element", label=name)
        assert opened.inner_text("#map-samples h4") == f"{name} in samples"


@browser
def test_opacity_is_that_of_the_slider(opened):
    opened.locator("#map-opacity").fill("35")
    assert opened.eval_on_selector(".pixels", "image => image.style.opacity") == "0.35"
    assert opened.inner_text("#map-opacity-said") == "35 %"


@browser
def test_a_click_on_a_target_shows_its_reasons_and_leads_to_its_row_and_sheet(opened):
    first = opened.locator("#table-targets a[data-number]").first
    number = first.get_attribute("data-number")
    opened.locator(".number", has_text=re.compile(f"^{number}$")).click()
    told = opened.inner_text("#map-info")
    assert f"Target {number} (rank 1)" in told
    for wanted in ("For it", "Cu, Au · fault distance", "Against it", "Ba", "Score", "Spread"):
        assert wanted in told
    opened.click("#map-info a[href^='#target-']")
    sheet = opened.locator(f"#target-{number}")
    assert sheet.get_attribute("open") is not None
    opened.wait_for_timeout(100)
    assert 0 <= sheet.bounding_box()["y"] < 900
    text = sheet.inner_text()
    for wanted in (
        "10 km² (1\u202f024 ha)",
        "Au 3.2 × the background (percentile 96)",
        "Au-Sb",
        "Permian",
        "NE–SW",
    ):
        assert wanted in text, wanted


@browser
def test_the_tables_link_moves_the_map_and_back(opened):
    number = opened.locator("#table-targets a[data-number]").nth(1).get_attribute("data-number")
    before = opened.evaluate("document.getElementById('map').gossan.map.getCenter()")
    opened.locator("#table-targets a[data-number]").nth(1).click()
    after = opened.evaluate("document.getElementById('map').gossan.map.getCenter()")
    assert before != after
    assert opened.evaluate("document.activeElement.id") == "map"
    assert abs(opened.locator("#map-box").bounding_box()["y"]) < 100
    box, mark = (
        opened.locator("#map").bounding_box(),
        opened.locator(".number", has_text=re.compile(f"^{number}$")).bounding_box(),
    )
    assert box["x"] < mark["x"] < box["x"] + box["width"]
    assert box["y"] < mark["y"] < box["y"] + box["height"]
    opened.click("#map-info a[href^='#row-']")
    opened.wait_for_timeout(100)
    assert 0 <= opened.locator(f"#row-{number}").bounding_box()["y"] < 900


@browser
def test_search_finds_areas_and_says_what_it_does_not_find(opened):
    opened.fill("#map-number", "7")
    opened.press("#map-number", "Enter")
    assert opened.inner_text("#map-found") == "Shown: area 7."
    assert opened.inner_text("#map-info h4") == "Area 7"
    opened.fill("#map-number", "<b>999</b>")
    opened.press("#map-number", "Enter")
    assert opened.inner_text("#map-found") == "No area has the number <b>999</b>."
    opened.click("#map-whole")


@browser
def test_the_page_reads_the_class_of_the_pixel_under_a_point(opened, page_file):
    """The deepest check of all: ground to latitude to picture to canvas to colour to name, at many points."""
    from gossan.io import read_stack

    stack = read_stack(page_file.parent / "stack.tif")
    opened.select_option("#map-layer", "geology")
    opened.wait_for_timeout(200)
    classes, names = stack["classes"].values, stack.attrs["class_names"]
    rng = np.random.default_rng(3)
    rows, cols = rng.integers(1, 63, (2, 60))
    x = stack["x"].values[cols] if "x" in stack else 410_000 + 200 * (cols + 0.5)
    y = stack["y"].values[rows] if "y" in stack else 2_400_000 + 200 * (63.5 - rows)
    lon, lat = degrees_of(CRS, x, y)
    said = opened.evaluate(
        "points => points.map(([lat, lng]) => { const g = document.getElementById('map').gossan;"
        " return [g.under({lat: lat, lng: lng, }), g.project({lat: lat, lng: lng})]; })",
        [[float(a), float(b)] for a, b in zip(lat, lon, strict=True)],
    )
    for (label, place), row, col, east, north in zip(said, rows, cols, x, y, strict=True):
        assert names[classes[row, col]] in label
        assert np.hypot(place[0] - east, place[1] - north) < 0.5 * 200


@browser
def test_names_with_markup_are_text_everywhere(opened):
    opened.select_option("#map-layer", "geology")
    legend = opened.inner_text("#map-legend")
    for name in NASTY:
        assert name in legend
    assert opened.locator("#map-legend b, #map-box img[src='x']").count() == 0
    assert "alert(1)" in opened.inner_text("h1")


@browser
def test_the_keyboard_reaches_everything(opened):
    opened.evaluate("document.body.focus()")
    reached = set()
    for _ in range(140):
        opened.keyboard.press("Tab")
        name = opened.evaluate(
            "(() => { const e = document.activeElement; if (e.id) return e.id;"
            " if (e.classList.contains('number')) return 'number ' + e.textContent;"
            " return e.tagName + ' ' + (e.getAttribute('href') || e.className); })()"
        )
        reached.add(name)
    wanted = {"map", "map-number", "map-whole", "map-layer", "map-opacity", "map-element"}
    wanted |= {
        f"show-{key}" for key in ("targets", "areas", "deposits", "faults", "units", "samples", "grid")
    }
    assert wanted <= reached, wanted - reached
    assert len([name for name in reached if name.startswith("number ")]) == 3
    assert any("target-" in name for name in reached)
    opened.locator(".number").first.focus()
    opened.keyboard.press("Enter")
    assert "rank 1" in opened.inner_text("#map-info h4")
    opened.locator("#map").focus()
    before = opened.inner_text("#map-pointer")
    opened.keyboard.press("ArrowRight")
    opened.wait_for_function(
        "before => document.getElementById('map-pointer').innerText !== before", arg=before
    )


@browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(opened, scheme):
    opened.emulate_media(color_scheme=scheme)
    opened.locator("#table-targets a[data-number]").first.click()
    opened.click("#sheets-all")
    opened.evaluate((Path(__file__).parent / "assets" / "axe" / "axe.min.js").read_text(encoding="utf-8"))
    found = opened.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    bad = [
        (each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in ("serious", "critical")
    ]
    assert bad == []


@browser
@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_nothing_is_wider_than_the_screen(opened, width):
    opened.set_viewport_size({"width": width, "height": 900})
    opened.wait_for_timeout(100)
    assert opened.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert opened.locator("#map").bounding_box()["width"] >= 0.6 * min(width, 900)


@browser
def test_paper_gets_a_picture_and_the_sheets_that_are_open(opened):
    assert not opened.locator("#figure-targets").is_visible()
    opened.locator("#sheets summary").nth(1).click()
    opened.emulate_media(media="print")
    assert opened.locator("#figure-targets").is_visible()
    assert not opened.locator("#map").is_visible()
    shown = opened.eval_on_selector_all(".sheet", "all => all.map(each => each.checkVisibility())")
    assert shown == [False, True, False]


@browser
def test_without_script_the_picture_stands_there(chromium, page_file):
    context = chromium.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(page_file.as_uri())
    assert page.locator("#figure-targets").is_visible()
    assert not page.locator("#map-box").is_visible()
    context.close()


@browser
def test_a_picture_is_decoded_when_it_is_asked_for_and_not_before(opened):
    """What would make the page slow to open; how fast it is, ``scripts/page_figures.py`` measures."""
    assert opened.locator(".pixels").count() == 1
    assert opened.evaluate(f"Object.keys({PAGE}.groups).sort()") == [
        *("areas", "deposits", "faults", "grid", "targets"),
    ]


@browser
def test_a_click_names_the_rock_unit_the_sample_and_the_deposit(opened, page_file):
    """Where a unit is asked of its outlines, it is the one that the grid has there."""
    from gossan.io import read_stack

    stack = read_stack(page_file.parent / "stack.tif")
    classes, names = stack["classes"].values, stack.attrs["class_names"]
    alike = np.ones(classes.shape, dtype=bool)  # away from borders, which the outlines draw more smoothly
    for axis in (0, 1):
        for step in (-1, 1):
            alike &= np.roll(classes, step, axis) == classes
    rows, cols = np.nonzero(alike)
    pick = np.random.default_rng(4).choice(len(rows), 60, replace=False)
    x, y = 410_000 + 200 * (cols[pick] + 0.5), 2_400_000 + 200 * (63.5 - rows[pick])
    lon, lat = degrees_of(CRS, x, y)
    said = opened.evaluate(
        f"points => points.map(([lat, lng]) => {PAGE}.unitAt(L.latLng(lat, lng)))",
        [[float(a), float(b)] for a, b in zip(lat, lon, strict=True)],
    )
    wanted = [names[k] for k in classes[rows[pick], cols[pick]]]
    agree = [name in text for name, text in zip(wanted, said, strict=True)]
    assert np.mean(agree) > 0.9
    click = "layer.fire('click', {latlng: layer.getLatLng()}, true); return null;"
    first = f"{PAGE}.groups.KEY.getLayers()[0]"
    opened.evaluate(f"() => {{ const layer = {first.replace('KEY', 'deposits')}; {click} }}")
    assert "<img src=x onerror" in opened.inner_text("#map-info")
    opened.check("#show-samples")
    opened.evaluate(f"() => {{ const layer = {first.replace('KEY', 'samples')}; {click} }}")
    told = opened.inner_text("#map-info")
    assert told.startswith("Sample")
    assert re.search(r"Mo\s+missing", told)  # every ninth lacks it, the first among them


@browser
def test_a_target_is_found_by_its_rank(opened):
    opened.fill("#map-number", "#1")
    opened.press("#map-number", "Enter")
    assert "(rank 1)" in opened.inner_text("#map-info h4")
    opened.fill("#map-number", "# 99")
    opened.press("#map-number", "Enter")
    assert opened.inner_text("#map-found") == "No target has the rank 99."


def test_the_note_under_the_map_names_only_what_is_there(page_file):
    text = page_file.read_text(encoding="utf-8")
    assert "Red: targets, by their number." in text
    assert "Hatched: excluded" not in text
    assert "Dashed violet" not in text


def test_pictures_of_the_page_are_whole(page_file):
    page = page_file.read_text(encoding="utf-8")
    found = re.findall(r'<script type="text/plain" id="picture-([^"]+)">([^<]*)</script>', page)
    assert len(found) == 15
    for _, data in found:
        assert base64.b64decode(data, validate=True)[:8] == b"\x89PNG\r\n\x1a\n"
