"""The pages of real runs, read in Chromium as in a field camp: from a file, without a network.

Each page is made once, by a run with settings that are quick and layers that are all there. Screenshots go to
``$GOSSAN_SCREENSHOTS`` where it is set, to be looked at.
"""

import os
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from gossan.config import load_project
from gossan.pipeline import demo, run
from gossan.report import pictures

browser = pytest.mark.browser
HERE = Path(__file__).parent
FAULTS = (HERE / "browser_page.js").read_text(encoding="utf-8")
AXE = (HERE / "assets" / "axe" / "axe.min.js").read_text(encoding="utf-8")
#: A4 without its margins, in px of 1/96 inch.
PAPER = 688
QUICK = [
    "training.epochs=1",
    "training.ensemble=1",
    "screen.enabled=false",
    "interpolate.neighbours=12",
    "validation.tune=1",
    'validation.rivals=["weights-of-evidence"]',
    "explain.repeats=1",
]
#: What a sheet must say, and the columns of targets.csv that say the same.
SHEET = (
    *("Area", "Mean score", "Best score", "Applicability", "Samples inside", "Strongest elements"),
    *("Local background", "Association", "Rock unit", "Nearest known deposit", "For it", "WGS 84"),
)
COLUMNS = (
    *(
        "number",
        "rank",
        "area_km2",
        "area_ha",
        "score_mean",
        "score_max",
        "spread",
        "applicability",
        "inside",
    ),
    *("samples_inside", "element_1", "ratio_1", "percentile_1", "association", "rock_unit", "rock_share"),
    *("nearest_known_m", "for_1", "for_2", "for_3", "against_1"),
    *("easting", "northing", "longitude", "latitude"),
)
MAP = "document.getElementById('map').gossan"


@pytest.fixture(scope="session", params=["twin", pytest.param("eskay_creek", marks=pytest.mark.realdata)])
def run_folder(request, tmp_path_factory):
    """The folder of a quick run on the built-in survey or on Eskay Creek; print copies are drawn coarsely."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "PRINT_DPI", 200)
        if request.param == "twin":
            return demo(folder, overrides=QUICK, jobs=1).folder
        request.getfixturevalue("data")
        coarse = ["validation.folds=3", "project.resolution=500", "windows.size=16", "windows.strides=[16]"]
        project = load_project(HERE.parent / "examples" / "eskay_creek.toml", [*QUICK, *coarse])
        return run(project, folder / "run", jobs=1).folder


@pytest.fixture
def shots(run_folder, tmp_path):
    """Where screenshots go, and how their names begin."""
    folder = Path(os.environ.get("GOSSAN_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder, run_folder.parent.name.rstrip("0123456789")


@browser
@pytest.mark.slow
def test_the_page_of_a_run_works_from_a_file_without_a_network(offline, run_folder, shots):
    page_file = run_folder / "report.html"
    assert page_file.stat().st_size < 15e6
    with offline(page_file) as page:
        _opens_light(page)
        _layers_toggle(page)
        _target_1_says_why(page, run_folder)
        _table_moves_the_map(page)
        _keyboard_reaches_everything(page)
        _axe_finds_nothing_serious(page)
        _looks_right(page, *shots)


def _opens_light(page):
    """What makes a page slow is not there: one picture of the map is decoded, the others are text."""
    assert page.locator(".pixels").count() == 1
    assert page.locator("script[type='text/plain']").count() > 10
    assert page.evaluate("document.getElementsByTagName('*').length") < 10_000


def _layers_toggle(page):
    layers = page.eval_on_selector_all("#map-layer option", "options => options.map(each => each.value)")
    assert {"score", "index", "inside", "geology"} < set(layers)
    assert sum(each.startswith("channel-") for each in layers) > 10
    for layer in layers[1:]:
        page.select_option("#map-layer", layer)
        page.wait_for_function(
            "(p => p && p.complete && p.naturalWidth > 100)(document.querySelector('.pixels'))"
        )
        assert page.locator("#map-legend .patch, #map-legend .ramp").count() > 0, layer
    page.select_option("#map-layer", "score")
    overlays = page.eval_on_selector_all(".switch input", "boxes => boxes.map(each => each.id.slice(5))")
    assert {"targets", "areas", "deposits", "units", "samples", "grid"} <= set(overlays)
    for key in overlays:
        for wanted in (True, False, key not in ("samples", "units")):
            page.locator(f"#show-{key}").set_checked(wanted)
            assert page.evaluate(f"{MAP}.map.hasLayer({MAP}.groups.{key})") is wanted, key


def _target_1_says_why(page, folder):
    best = pd.read_csv(folder / "targets.csv").iloc[0]
    page.fill("#map-number", "#1")
    page.press("#map-number", "Enter")
    assert page.inner_text("#map-found") == f"Shown: target {best['number']}."
    page.click("#map-whole")
    page.locator(".number", has_text=re.compile(f"^{best['number']}$")).click()
    told = page.inner_text("#map-info")
    assert f"Target {best['number']} (rank 1)" in told
    assert "For it" in told
    assert best["for_1"] in told
    assert f"{best['score_mean']:.2f}" in told
    page.click("#map-info a[href^='#target-']")
    sheet = page.inner_text(f"#target-{best['number']} dl")
    for label in SHEET:
        assert label in sheet, label
    assert {*COLUMNS} <= set(best.index)


def _table_moves_the_map(page):
    before = page.evaluate(f"{MAP}.map.getCenter()")
    link = page.locator("#table-targets a[data-number]").nth(1)
    number = link.get_attribute("data-number")
    link.click()
    assert page.evaluate(f"{MAP}.map.getCenter()") != before
    assert page.inner_text("#map-info h4").startswith(f"Target {number} ")
    page.click("#map-whole")


def _keyboard_reaches_everything(page):
    wanted = page.evaluate(
        "[...document.querySelectorAll('a[href], button, input, select, summary, [tabindex=\"0\"]')]"
        ".filter(e => e.checkVisibility() && !e.closest('details:not([open]) > :not(summary)')).length"
    )
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0); window.reached = new Set()")
    page.evaluate("document.addEventListener('focusin', event => window.reached.add(event.target))")
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
    assert page.evaluate("window.reached.size") >= wanted
    page.locator(".number").first.focus()
    page.keyboard.press("Enter")
    assert page.inner_text("#map-info h4").startswith("Target ")


def _axe_finds_nothing_serious(page):
    page.evaluate(AXE)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        grave = [each for each in found if each["impact"] in ("serious", "critical")]
        assert [(each["id"], each["nodes"][0]["html"][:200]) for each in grave] == [], scheme
    page.emulate_media(color_scheme="light")


def _looks_right(page, folder, name):
    page.click("#sheets-all")
    page.click("#sheets-all")
    page.locator("#sheets summary").first.click()
    for width in (390, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        page.click("#map-whole")
        page.wait_for_timeout(200)
        page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
        assert page.evaluate(FAULTS) == [], width
    page.set_viewport_size({"width": PAPER, "height": 900})
    page.emulate_media(media="print")
    page.wait_for_timeout(200)
    assert page.evaluate(FAULTS) == []
    assert not page.locator("#map").is_visible()
    page.pdf(path=folder / f"{name}.pdf", format="A4")
    assert shutil.which("pdftoppm") is None or (folder / f"{name}.pdf").stat().st_size > 1e5
