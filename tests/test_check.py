"""`gossan check`: what it counts is so, what is weak is said with what to change, and the page is safe."""

import json
import re
import warnings

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from gossan import cli
from gossan.config import load_project
from gossan.errors import DataError, UsageError
from gossan.io import write_survey
from gossan.pipeline import check, draw_look, look_at
from gossan.pipeline.facts import sampling_facts
from gossan.pipeline.judge import impossible, weak
from gossan.pipeline.prepare import derive, read_survey, transformed
from gossan.report.survey import survey_page, survey_text
from gossan.synthetic import Twin, laboratory_table, synthetic_survey

CRS = "EPSG:32650"
WEST, SOUTH = 400_000.0, 4_000_000.0
SIDE = 20_000.0


def write(folder, *, samples=None, deposits=None, geology=None, faults=None, settings=""):
    """Write a survey: samples every 500 m over 20 x 20 km, 16 lone deposits; returns its project file."""
    rng = np.random.default_rng(0)
    step = np.arange(250.0, SIDE, 500.0)
    x, y = (axis.ravel() for axis in np.meshgrid(WEST + step, SOUTH + step))
    if samples is None:
        samples = pd.DataFrame({"x": x, "y": y})
        for name, level in {"Cu_ppm": 28, "Pb_ppm": 17, "Zn_ppm": 67, "Au_ppb": 1.5}.items():
            samples[name] = (level * 10 ** rng.normal(0, 0.3, len(x))).round(4)
    if deposits is None:
        spots = np.arange(2500.0, SIDE, 5000.0)
        dx, dy = (axis.ravel() for axis in np.meshgrid(WEST + spots, SOUTH + spots))
        deposits = pd.DataFrame({"x": dx + 130, "y": dy + 130, "name": [f"d{i}" for i in range(len(dx))]})
    samples.to_csv(folder / "samples.csv", index=False)
    deposits.to_csv(folder / "deposits.csv", index=False)
    polygons((0, 0, SIDE, SIDE)).to_file(folder / "area.gpkg")
    lines = [f'[project]\ncrs = "{CRS}"\nresolution = 125\narea = "area.gpkg"']
    lines += ['[samples]\npath = "samples.csv"']
    lines += ['[deposits]\npath = "deposits.csv"\ncamp = "name"', "[windows]\nsize = 20\nstrides = [20]"]
    lines += ["[validation]\nblock = 2500\ndead_zone = 0"]
    for name, frame in (("geology", geology), ("faults", faults)):
        if frame is not None:
            frame.to_file(folder / f"{name}.gpkg")
            lines.append(f'[{name}]\npath = "{name}.gpkg"')
    (folder / "project.toml").write_text("\n".join([*lines, settings]), encoding="utf-8")
    return folder / "project.toml"


def polygons(*boxes, units=None):
    shapes = [shapely.box(WEST + a, SOUTH + b, WEST + c, SOUTH + d) for a, b, c, d in boxes]
    return gpd.GeoDataFrame({"unit": units or [f"u{i}" for i in range(len(boxes))]}, geometry=shapes, crs=CRS)


def lines(*pairs):
    shapes = [shapely.LineString([(WEST + a, SOUTH + b), (WEST + c, SOUTH + d)]) for a, b, c, d in pairs]
    return gpd.GeoDataFrame({"n": range(len(pairs))}, geometry=shapes, crs=CRS)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Return a look at a survey with geology over all of it and a fault of 10 km, half of it on the map."""
    folder = tmp_path_factory.mktemp("sound")
    file = write(
        folder,
        geology=polygons((-1000, -1000, 10_000, 21_000), (10_000, -1000, 21_000, 21_000)),
        faults=lines((15_000, 10_000, 25_000, 10_000)),
    )
    return look_at(load_project(file))


# ---- what is counted


def test_a_regular_grid_of_samples_is_counted_as_what_it_is(sound):
    found = sound.found["sampling"]
    assert (found["rows"], found["positions"], found["coincident"], found["outside"]) == (1600, 1600, 0, 0)
    assert found["spacing"] == pytest.approx(500)
    assert found["ground_km2"] == pytest.approx(400)
    assert found["mean_spacing"] == pytest.approx(500)
    assert found["clark_evans"] == pytest.approx(2)  # the most even of all
    assert found["gaps"] == {"1": 0.0, "2": 0.0, "3": 0.0}
    assert found["farthest"] <= 500 / np.sqrt(2) + 1


def test_positions_at_random_have_a_clark_evans_ratio_of_one(tmp_path):
    rng = np.random.default_rng(1)
    spots = rng.uniform(0, SIDE, (4000, 2)) + np.array([WEST, SOUTH])
    table = pd.DataFrame(spots, columns=["x", "y"]).assign(Cu_ppm=rng.lognormal(3, 1, 4000))
    project = load_project(write(tmp_path, samples=table))
    assert sampling_facts(read_survey(project), project)["clark_evans"] == pytest.approx(1, abs=0.05)


def test_windows_camps_and_their_samples_are_those_of_the_design(sound):
    found = sound.found
    assert found["windows"]["size_m"] == 2500
    assert found["windows"]["samples_median"] == 25  # 5 x 5 of 500 m
    assert found["windows"]["samples_none"] == 0
    assert (found["windows"]["ore_areas"], found["camps"]) == (16, 16)
    assert len(found["folds"]) == 5
    assert found["problems"] == []


def test_layers_are_measured_on_the_map(sound):
    geology, faults = sound.found["layers"]
    assert geology["share"] == 1
    assert (geology["units"], geology["repaired"]) == (2, 0)
    assert faults["inside_km"] == pytest.approx(5)
    assert faults["length_m"] == pytest.approx(10_000)


def test_every_way_to_say_where_a_cell_stands_is_counted(tmp_path):
    file = write(tmp_path)
    table = pd.read_csv(tmp_path / "samples.csv").astype(object)
    table.loc[:639, "Cu_ppm"] = "<1"
    table.loc[640:679, "Cu_ppm"] = "-9999"
    table.loc[680:699, "Cu_ppm"] = ">5000"
    table.loc[:159, "Pb_ppm"] = ""
    table.loc[1599, ["x", "y"]] = [WEST + 250, SOUTH + 250]  # where the first one lies
    table.to_csv(tmp_path / "samples.csv", index=False)
    found = check(load_project(file))
    copper, lead = found["elements"][0], found["elements"][1]
    assert {name: copper["rules"][name] for name in ("below", "sentinel", "above", "measured")} == {
        "below": 640,
        "sentinel": 40,
        "above": 20,
        "measured": 900,
    }
    assert copper["censored"] == pytest.approx(640 / 1560)
    assert copper["missing"] == pytest.approx(40 / 1600)
    assert (copper["min"], copper["max"]) == (0.5, 5000)
    assert lead["missing"] == pytest.approx(0.1)
    assert found["sampling"]["coincident"] == 1
    assert any("Cu 41 % below detection" in each for each in found["warnings"])


def test_what_is_found_can_be_written_as_json_without_nan(sound):
    json.dumps(sound.found, allow_nan=False)


def test_the_crs_of_each_source_and_how_it_is_known(sound):
    data = sound.found["data"]
    assert data["samples"]["crs_from"].startswith("assumed")
    assert data["geology"] | {"crs": CRS, "crs_from": "file"} == data["geology"]


def test_anomalies_are_those_of_the_samples_logarithms(sound):
    values = sound.survey.samples.values
    for row in sound.found["anomalies"]:
        logs = np.log10(values[row["element"]])
        spread = np.median(np.abs(logs - np.median(logs)))
        assert row["mad"] == pytest.approx(10 ** (np.median(logs) + 2 * 1.4826 * spread))
        assert np.diff(row["concentration_area"]).min() > 0
        classes = sound.anomalies[row["element"]].area_classes
        assert row["top_share"] == pytest.approx((classes[classes >= 0] == 3).mean())


# ---- what is weak, and what is impossible


def warned(found, *words):
    return [each for each in found["warnings"] if all(word in each for word in words)]


def test_a_sound_design_is_not_warned_of(sound):
    assert sound.found["warnings"] == []


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["project.resolution=25", "windows.size=100"], ("finer than a tenth", "project.resolution = 125")),
        (
            ["windows.size=16", "windows.strides=[16]"],
            ("the median window of 2000 m", "windows of 2.5 km (windows.size = 20)"),
        ),
    ],
)
def test_a_weak_design_is_named_with_what_to_change(sound, overrides, words):
    found = check(load_project(sound.project.file, overrides))
    assert warned(found, *words)
    assert bool(warned(found, "finer than")) == ("resolution" in overrides[0])


@pytest.mark.parametrize(("camps", "said"), [(6, "not enough to evaluate"), (10, "weak evaluation")])
def test_few_camps_are_said_to_be_few(tmp_path, camps, said):
    file = write(tmp_path)
    table = pd.read_csv(tmp_path / "deposits.csv")
    table.iloc[:camps].to_csv(tmp_path / "deposits.csv", index=False)
    found = check(load_project(file, ["validation.folds=3"]))
    assert found["camps"] == camps
    assert warned(found, f"{camps} camps", said, "add deposits")


def test_too_few_camps_are_a_problem_and_the_data_are_reported_all_the_same(tmp_path, capsys):
    file = write(tmp_path)
    pd.read_csv(tmp_path / "deposits.csv").iloc[:2].to_csv(tmp_path / "deposits.csv", index=False)
    assert cli.main(["check", str(file), "--json"]) == 3
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert found["folds"] is None
    assert found["windows"]["ore_areas"] == 2
    assert "spatial folds need at least 3" in found["problems"][0]
    assert shown.err.splitlines()[-1].startswith("error: 2 camp(s)")


def test_a_window_that_does_not_fit_is_a_problem(sound):
    found = check(load_project(sound.project.file, ["windows.size=400"]))
    assert "the largest that fits" in found["problems"][0]
    assert found["windows"] is None
    assert survey_text(found)


def test_a_layer_that_covers_half_is_weak_and_one_elsewhere_impossible(tmp_path):
    half = polygons((-500, -500, 10_000, 21_000))
    found = check(load_project(write(tmp_path, geology=half, faults=lines((0, 50_000, 9000, 50_000)))))
    assert warned(found, "geology covers 5", "project.area")
    assert "faults has nothing on the map" in found["problems"][0]
    assert "EPSG:32650, file" in found["problems"][0]


def test_ground_without_samples_is_named_with_the_gap_that_leaves_it_out(tmp_path):
    file = write(tmp_path)
    table = pd.read_csv(tmp_path / "samples.csv")
    corner = (table["x"] > WEST + 8000) & (table["y"] > SOUTH + 8000) & (table.index < 1599)
    table[~corner].to_csv(tmp_path / "samples.csv", index=False)
    found = check(load_project(file))
    (told,) = warned(found, "maps are guesswork")
    gap = re.search(r"interpolate.max_gap = (\d+)", told)[1]
    again = check(load_project(file, [f"interpolate.max_gap={gap}"]))
    assert not warned(again, "maps are guesswork")
    assert again["grid"]["valid_share"] < found["grid"]["valid_share"]


def test_a_median_in_the_wrong_unit_and_a_replaced_limit_are_named(tmp_path):
    file = write(tmp_path)
    table = pd.read_csv(tmp_path / "samples.csv")
    table["Zn_ppm"] /= 100
    table.loc[:799, "Pb_ppm"] = 0.5
    table["Mo"] = np.arange(1600) + 1.0
    table.to_csv(tmp_path / "samples.csv", index=False)
    found = check(load_project(file))
    assert warned(found, "Zn 0.6", "ppm (1/", "check the units")
    assert warned(found, "Pb 50%", "samples.elements")
    assert warned(found, "Mo given without a unit")
    assert not warned(found, "Cu 2")


def test_samples_beside_the_area_are_a_problem(sound):
    found = sound.found | {"sampling": sound.found["sampling"] | {"inside": 0}}
    assert "no sample lies on the map" in impossible(found)[0]


@pytest.mark.slow
def test_the_built_in_survey_at_the_papers_resolution_earns_the_first_warning_alone(tmp_path):
    survey = synthetic_survey(0)
    lines = ["[windows]", "size = 128", "strides = [128]"]
    found = check(
        load_project(write_survey(survey, tmp_path, table=laboratory_table(survey), settings=lines))
    )
    assert len(found["warnings"]) == 1
    assert "finer than a tenth of the spacing" in found["warnings"][0]
    assert found["problems"] == []
    assert found["windows"]["samples_median"] > 25
    # the largest association that the survey was made with comes first, and nothing else with it
    planted = max((members for _, members in Twin().factors), key=len)
    first = found["associations"]["table"][0]
    assert len(set(first["positive"].split()) & set(planted)) >= 5
    assert set(first["positive"].split()) <= set(planted)


def test_every_rule_of_judgement_is_silent_on_a_sound_find(sound):
    assert weak(sound.found, sound.project) == []
    assert impossible(sound.found) == []


# ---- levelling


def surveys(table, name="year"):
    """Return the table with Cu read three times too high in the second of two years, side by side."""
    late = table["x"] > WEST + 12_000
    return table.assign(Cu_ppm=table["Cu_ppm"] * np.where(late, 3, 1), **{name: np.where(late, 2011, 2008)})


def test_levelling_between_surveys_takes_the_step_out_and_says_that_they_lie_apart(tmp_path):
    file = write(tmp_path, settings="")
    surveys(pd.read_csv(tmp_path / "samples.csv")).to_csv(tmp_path / "samples.csv", index=False)
    project = load_project(file, ["samples.level_by=survey"])
    survey = read_survey(project)
    values = transformed(survey, derive(project, survey)).values["Cu"].to_numpy()
    late = np.asarray(survey.samples.survey) == "2011"
    assert np.median(values[late]) == pytest.approx(np.median(values[~late]), abs=1e-4)
    found = check(project)
    assert found["surveys"]["samples"] == {"2008": 960, "2011": 640}
    assert found["surveys"]["column"] == "year"
    assert warned(found, "surveys are levelled", "level_by = 'none'")


def test_levelling_needs_a_column_with_two_surveys(tmp_path):
    file = write(tmp_path)
    project = load_project(file, ["samples.level_by=survey"])
    with pytest.raises(UsageError, match=r"name the column as samples\.survey"):
        derive(project, read_survey(project))
    pd.read_csv(tmp_path / "samples.csv").assign(batch="a").to_csv(tmp_path / "samples.csv", index=False)
    project = load_project(file, ["samples.level_by=survey", "samples.survey=batch"])
    with pytest.raises(DataError, match="all samples are of one survey"):
        derive(project, read_survey(project))
    with pytest.raises(UsageError, match="no column of the file"):
        read_survey(load_project(file, ["samples.survey=nowhere"]))
    project = load_project(file, ["samples.level_method=quantile"])
    survey = read_survey(project)
    with pytest.warns(UserWarning, match="level_method = 'quantile' has no effect"):
        derive(project, survey)


# ---- shown


def test_text_is_within_its_width_and_says_the_main_numbers(sound):
    for width in (60, 80, 100):
        assert max(map(len, survey_text(sound.found, width))) <= width
    text = survey_text(sound.found, 120)
    whole = "\n".join(text)
    for said in ("1 600 of 1 600", "16; 0", "Cu_ppm", "assumed to be the project's", "PC1", "Clark–Evans"):
        assert said in whole.replace("\u202f", " ")


def test_the_page_holds_every_figure_and_nothing_from_elsewhere(sound):
    page = draw_look(sound)
    for name in ("extent", "gaps", "biplot", "mad", "area"):
        assert f'id="figure-{name}"' in page
    assert "A run can start, and nothing was found that weakens it." in page
    assert re.findall(r'(?:src|href)="(?!data:image/png|#)', page) == []
    assert "<script" not in page
    assert page == draw_look(sound)


def test_names_from_data_are_escaped_on_the_page(sound):
    evil = "<script>alert('x')</script>"
    found = json.loads(json.dumps(sound.found))
    found["name"], found["warnings"] = evil, [evil]
    found["elements"][0]["element"] = evil
    found["layers"][0]["source"] = evil
    page = survey_page(found, {})
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 4


def test_markup_in_names_is_plain_text_on_the_terminal(sound):
    found = json.loads(json.dumps(sound.found))
    found["elements"][0]["column"] = "[red]Cu[/]"
    assert "[red]Cu[/]" in "\n".join(survey_text(found, 160))


def test_check_leaves_the_filters_of_warnings_as_they_are(sound):
    before = list(warnings.filters)
    check(load_project(sound.project.file))
    assert warnings.filters == before
