"""The page: one file, the same bytes, nothing from outside, nothing said that the numbers do not carry."""

import base64
import hashlib
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from gossan.errors import DataError, MissingFileError
from gossan.report import drawing, model_card, pictures, words, write_report
from gossan.report.tables import all_tables
from gossan.report.verdicts import sentences
from run_folder import make_report, make_run, write_run

HARD = '<script>alert("x")</script> & 金山'
VOID = {"meta", "img", "br", "link", "hr", "input"}


@pytest.fixture(scope="module")
def made():
    return make_run(64, 16, names=["<b>Unit</b> 1", "Unit 2 & 'co'", "Permian", "Unit 4", "\U00012000 unit"])


@pytest.fixture(scope="module")
def report(made):
    report = make_report(made, title=HARD)
    report["screening"]["rows"][0]["element"] = "<i>Ag</i>"
    return report


@pytest.fixture(scope="module")
def folder(made, report, tmp_path_factory):
    """A run folder with its page, drawn coarsely to be quick."""
    folder = write_run(tmp_path_factory.mktemp("run"), made, report)
    _write_coarsely(folder)
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


def _write_coarsely(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "PRINT_DPI", 80)
        return write_report(folder)


class Page(HTMLParser):
    """Checks that tags nest, and keeps what a reader and a browser meet."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


# ---- the file


def test_the_same_run_gives_the_same_bytes_in_another_folder(folder, made, report, tmp_path):
    other = _write_coarsely(write_run(tmp_path / "elsewhere", made, report)).parent
    files = [Path("report.html"), *(path.relative_to(folder) for path in (folder / "figures").iterdir())]
    assert len(files) == 1 + 2 * 21
    for name in files:
        assert (folder / name).read_bytes() == (other / name).read_bytes(), name


def test_nothing_is_loaded_from_outside_and_only_its_own_scripts_run(page):
    parsed = Page(page)
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.S)
    assert len(scripts) == 2
    assert not re.search(r"https?:|//[a-z]+\.[a-z]", re.sub(r"<script>.*?</script>", "", page, flags=re.S))
    assert not {"link", "iframe", "object", "base"} & {tag for tag, _ in parsed.tags}
    assert not any("src" in attrs for attrs in parsed.all("script"))
    assert all(image["src"].startswith("data:image/") for image in parsed.all("img"))
    policy = parsed.all("meta")[2]["content"]
    assert policy.startswith(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-"
    )
    for script in scripts:
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy
    assert "sourceMappingURL" not in page
    assert "Volodymyr Agafonkin" in page  # Leaflet's licence goes where Leaflet goes
    assert not re.search(r"url\(|@import", "".join(re.findall(r"<style>(.*?)</style>", page, flags=re.S)))


def test_tags_nest_and_markup_in_names_is_text(page):
    parsed = Page(page)
    assert not parsed.open
    assert "i" not in {tag for tag, _ in parsed.tags}
    assert {attrs.get("type") for attrs in parsed.all("script")} == {None, "application/json", "text/plain"}
    assert 'alert("x")' not in "".join(re.findall(r"<script[^>]*>(.*?)</script>", page, flags=re.S))
    assert HARD in "".join(parsed.text)
    assert "<i>Ag</i>" in "".join(parsed.text)


def test_every_figure_has_an_alternative_text_a_caption_and_a_file(page, folder):
    parsed = Page(page)
    images, files = parsed.all("img"), {path.stem for path in (folder / "figures").iterdir()}
    assert len(images) == len(parsed.all("figcaption")) == len(files) == 21
    assert all(len(image["alt"]) > 20 for image in images)
    linked = {attrs["href"] for attrs in parsed.all("a") if attrs["href"].startswith("figures/")}
    assert linked == {f"figures/{path.name}" for path in (folder / "figures").iterdir()}
    assert {attrs["id"] for attrs in parsed.all("figure")} == {f"figure-{name}" for name in files}


def test_line_charts_are_drawings_and_maps_are_pixels(page):
    shapes = {attrs["id"]: attrs["class"] for attrs in Page(page).all("figure")}
    kinds = re.findall(
        r'id="figure-(\w+)".*?src="data:image/(png|svg\+xml);base64,([^"]+)"', page, flags=re.S
    )
    assert {f"figure-{name}": kind for name, kind, _ in kinds} == {
        name: "svg+xml" if shape == "chart" else "png" for name, shape in shapes.items()
    }
    for _, kind, data in kinds:
        start = base64.b64decode(data)[:5]
        assert start == (b"<?xml" if kind == "svg+xml" else b"\x89PNG\r")


def test_every_table_has_a_caption_and_heads_its_rows_and_columns(page):
    parsed = Page(page)
    tables = parsed.all("table")
    assert {table["id"] for table in tables} >= {
        "table-targets",
        "table-models",
        "table-data",
        "table-settings",
    }
    assert len(parsed.all("caption")) == len(tables)
    assert {head["scope"] for head in parsed.all("th")} == {"col", "row"}


def test_the_page_is_made_for_phones_print_and_dark(page):
    for wanted in ('name="viewport"', "prefers-color-scheme: dark", "@media print", 'lang="en"'):
        assert wanted in page


def test_figures_are_printed_at_300_dpi(folder):
    assert pictures.PRINT_DPI == 300
    with Image.open(folder / "figures" / "targets.png") as image:
        assert image.info["dpi"] == pytest.approx((80, 80), abs=1)


def test_two_processes_draw_the_bytes_of_one(made, report, tmp_path, monkeypatch):
    folders = [write_run(tmp_path / name, made, report) for name in ("one", "two")]
    for jobs, folder in enumerate(folders, 1):
        with drawing(jobs) as helpers:
            if helpers is not None:
                assert helpers.pool.submit(os.getpid).result() != os.getpid()
            write_report(folder, helpers)
    files = [sorted(path.relative_to(folder) for path in folder.rglob("*.*")) for folder in folders]
    assert files[0] == files[1]
    assert len(files[0]) > 20
    for path in files[0]:
        assert (folders[0] / path).read_bytes() == (folders[1] / path).read_bytes(), path


def test_the_sections_come_in_the_order_of_the_questions(page):
    places = [page.index(f'id="{name}"') for name in ("found", "trust", "why", "what", "how")]
    assert places == sorted(places)
    inside = [
        "figure-targets",
        "table-targets",
        "table-models",
        "figure-prediction_rate",
        "table-audit",
        "figure-calibration",
        "figure-distances",
        "figure-applicability",
        "figure-influence",
        "table-reasons",
        "table-data",
        "table-settings",
    ]
    assert (order := [page.index(f'id="{name}"') for name in inside]) == sorted(order)


def test_letters_that_no_font_has_are_told(page):
    assert "No font of this machine draws" in page
    assert "\U00012000" in page


def test_numbers_of_the_model_are_on_the_page(page, report):
    text = " ".join("".join(Page(page).text).split())
    for wanted in ("0.74", "0.61 to 0.85", "logistic-regression", "7 512", "SMOTE", report["command"]):
        assert " ".join(wanted.split()) in text, wanted
    for note in report["warnings"]:
        assert note in text


def test_at_most_ten_targets_are_listed_the_best_first(made):
    rows = [{"rank": i, "number": 100 - i, "score_mean": 1 - i / 50} for i in range(1, 31)]
    table = all_tables({"targets": rows, "crs": "EPSG:1"})["targets"]
    assert [row[0] for row in table.rows] == [str(i) for i in range(1, 11)]
    assert table.caption == "The best 10 of 30 targets"
    assert table.head == ("Rank", "Area", "Score")


# ---- what is missing


def test_a_report_with_nothing_in_it_is_still_a_page(made, tmp_path):
    folder = write_run(tmp_path / "bare", made, {"format": 1})
    page = _write_coarsely(folder).read_text(encoding="utf-8")
    assert not Page(page).open
    assert "No score of the model could be computed" in page
    assert "None" not in page
    assert "nan" not in "".join(Page(page).text)


def test_nulls_are_as_good_as_missing_keys(report):
    empty = dict.fromkeys(report, None) | {"format": 1}
    assert all_tables(empty) == all_tables({"format": 1})
    assert words.found(empty) == words.found({"format": 1})
    assert words.key_numbers(empty) == words.key_numbers({"format": 1})
    assert sentences(empty) == sentences({"format": 1})
    assert model_card(empty) == model_card({"format": 1})
    assert not list(pictures._chart_plans(empty))


def test_an_empty_score_band_leaves_its_map_out(made, report, tmp_path):
    from dataclasses import replace

    import numpy as np

    blank = replace(made, score=np.full_like(made.score, np.nan))
    folder = write_run(tmp_path / "blank", blank, report)
    page = _write_coarsely(folder).read_text(encoding="utf-8")
    assert "figure-score" not in page
    assert "figure-spread" in page


@pytest.mark.parametrize("name", ["report.json", "stack.tif", "prospectivity.tif", "targets.gpkg"])
def test_a_missing_file_is_named_and_nothing_is_written(folder, tmp_path, name):
    for path in folder.iterdir():
        if path.is_file() and path.name not in (name, "report.html"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(MissingFileError, match=re.escape(name)) as caught:
        write_report(tmp_path)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "report.html").exists()
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format": 2}'])
def test_a_report_of_another_form_is_refused(tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(DataError, match="run again"):
        write_report(tmp_path)


# ---- the words


def told(report):
    return " ".join([*words.found(report), *words.beside(report)]).replace("\u00a0", " ")


def with_auc(mean, ci, protocol="strict"):
    auc = {"mean": mean, "ci95": ci}
    return {"format": 1, "metrics": {"model": "m", "protocol": protocol, "camps": 9, "summary": {"auc": auc}}}


@pytest.mark.parametrize(
    ("ci", "wanted"),
    [
        ([0.55, 0.8], "lies above 0.5: the ranking is better than chance"),
        ([0.45, 0.8], "do not show that the ranking is better than chance"),
        ([0.5, 0.8], "do not show that the ranking is better than chance"),
        ([0.2, 0.45], "worse than chance, and the map should not be used"),
        (None, "too few camps for an interval"),
    ],
)
def test_the_interval_decides_what_is_said_of_chance(ci, wanted):
    text = told(with_auc(0.65, ci))
    assert wanted in text
    assert ("better than chance" in text) == ("better than chance" in wanted)


@pytest.mark.parametrize(
    ("difference", "ci", "wanted"),
    [
        (0.1, [0.02, 0.18], "forest +0.10 (+0.02 to +0.18): this model ranks better."),
        (-0.1, [-0.18, -0.02], "forest −0.10 (−0.18 to −0.02): the rival ranks better, so prefer its map."),
        (-0.1, [-0.3, 0.1], "no difference is shown, and one under 0.20 could not be seen"),
        (0.1, None, "too few camps to say whether that is chance"),
    ],
)
def test_a_rival_that_wins_is_said_to_win(difference, ci, wanted):
    report = with_auc(0.7, [0.6, 0.8])
    report["metrics"]["rivals"] = {"forest": {"auc": {"mean": 0.7 - difference}}}
    paired = {"difference": difference, "ci95": ci, "smallest_detectable": 0.2}
    report["metrics"]["paired"] = {"forest": paired}
    assert wanted in told(report)


def test_fitted_coverage_is_never_offered_as_evidence(report):
    text = told(report)
    assert "as predicted by models that were not trained there" in text
    assert "that is fitted, and no evidence" in text
    assert "chance would give about" in text


def test_hidden_deposits_are_told_beside_chance(report):
    assert "38 % of 24 hidden deposits, against 10 % by chance and 21 %" in told(report)
    assert "on its rivals' maps: random-forest 33 %" in told(report)
    assert "hidden" not in told(report | {"hidden": None})


def test_the_papers_protocol_is_never_praised_as_held_out():
    paper, strict = with_auc(0.9, [0.8, 0.95], "paper"), with_auc(0.9, [0.8, 0.95])
    assert "expect less on new ground" in told(paper)
    assert "share pixels" in words.trust(paper)
    assert "dead zone" not in words.trust(paper)
    assert "dead zone" in words.trust(strict)


def test_unknown_ground_is_never_called_empty(page):
    text = " ".join("".join(Page(page).text).split())
    assert "‘barren’ means that none is known" in text
    assert "no probability of a deposit" in text


def test_the_random_split_stands_beside_the_strict_score(report):
    table = all_tables(report | {"audit": {}})["leakage"]
    assert [row[0] for row in table.rows] == ["mfaf-resnet18", "random-forest"]
    assert table.rows[0][1].startswith("0.74")
    assert table.rows[0][2].startswith("0.91")
    assert "do not expect" in table.note
    assert "leakage" not in all_tables(report)  # the audit says it, and more


def test_targets_without_known_deposits_are_said_to_be_new():
    rows = [{"number": 1, "known_deposits": 0}, {"number": 2, "known_deposits": 0}]
    assert "2 targets are proposed, none of them with a known deposit." in told({"targets": rows})
    rows[0]["known_deposits"] = 3
    assert "1 of them without a known deposit" in told({"targets": rows})


def test_rivals_may_hold_their_measures_under_summary():
    auc = {"auc": {"mean": 0.6}}
    for entry in (auc, {"summary": auc}):
        report = {"metrics": {"model": "m", "summary": auc, "rivals": {"r": entry}}}
        assert words.by_model(report) == {"m": auc, "r": auc}


def test_the_model_of_the_run_leads_every_curve(report):
    shuffled = report | {"curves": dict(sorted(report["curves"].items()))}
    plans = {plan.name: plan for plan in pictures._chart_plans(shuffled)}
    legend = plans["roc"].draw().axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()][:2] == ["95 % band", "mfaf-resnet18"]
    assert plans["prediction_rate"].alt.index("mfaf-resnet18") < plans["prediction_rate"].alt.index(
        "random-forest"
    )


def test_a_third_digit_is_printed_only_where_the_interval_allows():
    assert words.estimate({"mean": 0.7449, "ci95": [0.74, 0.75]}).startswith("0.745 ")
    assert words.estimate({"mean": 0.7449, "ci95": [0.6, 0.9]}).startswith("0.74 ")


def test_the_report_json_of_the_tests_is_json_without_nan(report):
    assert json.loads(json.dumps(report, allow_nan=False)) == report


# ---- trust and reasons

TOPICS = {
    "audit": ("table-audit", "figure-audit"),
    "captures": (),
    "thresholds": ("table-thresholds",),
    "prediction_area": ("figure-prediction_area",),
    "influence": ("table-influence", "figure-influence"),
    "attention": ("figure-attention",),
    "interpolation": ("table-interpolation",),
    "tuning": ("table-tuning",),
    "barren": (),
    "calibration": (),
    "applicability": (),
    "looks": (),
    "dense": (),
}


def rendered(report):
    """The page without pictures, for what is said."""
    from gossan.report import render

    return render(words.settled(report), {}, [])


def test_a_missing_key_leaves_its_section_out(report):
    for key, parts in TOPICS.items():
        less = {name: value for name, value in report.items() if name != key}
        page, names = rendered(less), {plan.name for plan in pictures._chart_plans(less)}
        for part in parts:
            kind, name = part.split("-")
            assert name not in (all_tables(less) if kind == "table" else names), (key, part)
            assert name in (
                all_tables(report) if kind == "table" else {p.name for p in pictures._chart_plans(report)}
            )
        said = sentences(less).get(key, [])
        assert not said or key == "calibration"  # which is measured too, in the metrics
        assert said != sentences(report).get(key) or not said
        assert not Page(page).open
        assert "None" not in page


def test_sections_without_content_have_no_heading(report):
    page = rendered({"format": 1})
    for heading in ("How much is leakage?", "Are the probabilities right?", "How far does it reach?", "Why?"):
        assert heading not in page
        assert heading in rendered(report)


def few(report, camps, verdict=""):
    """The same run, on so few camps."""
    metrics = report["metrics"] | {"camps": camps}
    metrics["summary"] = metrics["summary"] | {"counts": {"camps": camps, "verdict": verdict}}
    return report | {"metrics": metrics}


@pytest.mark.parametrize(("camps", "verdict"), [(7, ""), (3, ""), (9, "not enough to evaluate")])
def test_with_too_few_camps_no_interval_is_shown_anywhere(report, camps, verdict):
    small = words.settled(few(report, camps, verdict))
    page = " ".join("".join(Page(rendered(small)).text).split())
    assert "Not enough to evaluate" in page
    assert "better than chance" not in page.replace("shows that the map is better than chance", "")
    assert "0.61 to 0.85" not in page.replace("\u00a0", " ")
    assert words.key_numbers(small)[0][0] == "Not enough"
    for table in ("models", "ground", "probability", "audit", "balance"):
        cells = [cell for row in all_tables(small)[table].rows for cell in row]
        assert not [cell for cell in cells if re.search(r"\d\u00a0to\u00a0", cell)], table
    plans = {plan.name: plan for plan in pictures._chart_plans(small)}
    assert not plans["prediction_rate"].draw().axes[0].collections
    card = model_card(few(report, camps, verdict))
    assert "no interval is given" in card
    assert not re.search(r"\d\u00a0to\u00a0", card)


@pytest.mark.parametrize("camps", [8, 11])
def test_with_few_camps_the_intervals_stay_and_the_evidence_is_called_weak(report, camps):
    small = few(report, camps)
    assert words.settled(small) is small
    page = " ".join("".join(Page(rendered(small)).text).split()).replace("\u00a0", " ")
    assert "The evidence is weak" in page
    assert f"{camps} camps, fewer than 12" in page
    assert "0.61 to 0.85" in page


def test_without_intervals_nothing_is_said_to_have_one(report):
    small = words.settled(few(report, 5))
    for table in ("models", "audit"):
        assert not [head for head in all_tables(small)[table].head if "interval" in head]
    plans = {plan.name: plan for plan in pictures._chart_plans(small)}
    for name in ("auc", "audit"):
        assert "interval" not in plans[name].draw().axes[0].get_xlabel()
        assert "interval" not in plans[name].alt + plans[name].caption


def test_the_score_names_what_it_estimates(report):
    assert all_tables(report)["models"].caption.endswith(": new camp")
    paper = report | {"metrics": report["metrics"] | {"protocol": "paper"}}
    assert all_tables(paper)["models"].caption.endswith(": near known")
    assert "new camp**" not in model_card(paper)
    assert "expect less on new ground" in model_card(paper)


def test_the_audit_goes_from_the_loosest_to_the_strictest(report):
    rows = report["audit"]["mfaf-resnet18"]["rows"]
    mixed = report | {"audit": {"mfaf-resnet18": {"rows": rows[::-1]}}}
    assert [row[1] for row in all_tables(mixed)["audit"].rows] == [row["label"] for row in rows]
    plan = next(plan for plan in pictures._chart_plans(mixed) if plan.name == "audit")
    assert [label.get_text() for label in plan.draw().axes[0].get_yticklabels()][-1] == rows[-1]["label"]


def test_with_enough_camps_nothing_is_said_of_few(report):
    page = rendered(few(report, 12))
    assert "weak" not in page
    assert "Not enough" not in page


def test_fitted_and_predicted_are_never_on_one_chart(report):
    plans = {plan.name: plan for plan in pictures._chart_plans(report)}
    for name, plan in plans.items():
        legend = plan.draw().axes[0].get_legend()
        labels = [text.get_text() for text in legend.get_texts()] if legend else []
        fitted = [label for label in labels if "fitted" in label]
        assert bool(fitted) == (name == "success_rate"), name
        assert ("fitted" in plan.alt.lower()) == (name == "success_rate")
    assert "mfaf-resnet18" not in plans["success_rate"].alt


def test_every_probability_is_that_of_a_known_deposit(report):
    text = " ".join("".join(Page(rendered(report)).text).split())
    assert "Probability (known deposit)" in text
    assert "probability of a known deposit" in plans_text(report)
    assert "never that of one nobody has found" in text


def plans_text(report):
    charts = [plan.draw().axes[0] for plan in pictures._chart_plans(report) if plan.name == "calibration"]
    return " ".join(axes.get_xlabel() for axes in charts)


def test_a_target_outside_is_flagged_where_it_stands_and_counted(report):
    rows = [
        {"rank": 1, "number": 5, "applicability": 0.2, "inside": True, "for_1": "Cu, Au", "for_2": "faults"},
        {"rank": 2, "number": 9, "applicability": 0.7, "inside": False, "against_1": "Ba"},
    ]
    table = all_tables({"targets": rows})["targets"]
    assert table.head == ("Rank", "Area", "Dissimilarity", "Why")
    assert [row[2:] for row in table.rows] == [("0.20", "Cu, Au · faults"), ("0.70, outside", "against: Ba")]
    assert "1 of them lies on ground unlike anything the model was trained on" in told({"targets": rows})


def test_names_with_markup_or_right_to_left_letters_stay_names(report):
    hard = ["<b>Cu</b>", "a\u202eb", "نحاس", "x | y"]
    rows = [
        {"group": name, "members": [name], "drop": 0.1 / i, "sd": 0.0, "rank": i}
        for i, name in enumerate(hard, start=1)
    ]
    target = {"rank": 1, "number": 1, "for_1": hard[0], "for_2": hard[2], "against_1": hard[1]}
    nasty = report | {"influence": {"rows": rows, "note": None}, "targets": [target]}
    page, card = rendered(nasty), model_card(nasty | {"title": "<b>T</b> | *x*\n# y"})
    assert "<b>Cu" not in page
    assert "&lt;b&gt;Cu&lt;/b&gt;" in page
    assert "\u202e" not in page + card
    assert "\u2068نحاس\u2069" in page
    assert page.count("\u2068") == page.count("\u2069") > 0
    assert card.splitlines()[0].endswith("on &lt;b&gt;T&lt;/b&gt; \\| \\*x\\* \\# y")


def test_the_pooled_auc_comes_second(report):
    tile = words.key_numbers(report)[0]
    assert tile[0] == "0.74"
    assert tile[1].index("within folds") < tile[1].index("pooled over folds 0.72")
    head = all_tables(report)["models"].head
    assert head.index("AUC within folds (95 % interval)") < head.index("AUC pooled")


def test_an_applicability_file_on_another_grid_is_refused(made, report, tmp_path):
    from gossan.io import write_bands

    folder = write_run(tmp_path / "run", made, report)
    other = make_run(32, 16)
    write_bands(folder / "applicability.tif", other.grid, other.applicability)
    with pytest.raises(DataError, match="not on the grid"):
        write_report(folder)


def test_a_run_without_an_applicability_file_has_no_such_maps(made, report, tmp_path):
    folder = write_run(tmp_path / "run", made, report)
    (folder / "applicability.tif").unlink()
    page = _write_coarsely(folder).read_text(encoding="utf-8")
    assert "figure-applicability" not in page
    assert "figure-ore_like" not in page
    assert "applicability.tif" not in page


def test_the_capture_of_a_model_without_rows_comes_from_its_summary(report):
    less = report | {"captures": {}}
    row = dict(zip(*(lambda t: (t.head, t.rows[0]))(all_tables(less)["ground"]), strict=True))
    assert row["In the best 10\u00a0%"] == "38\u00a0%"
    full = all_tables(report)["ground"].rows[0]
    assert full[2] == "38\u00a0% (26\u00a0to\u00a053)"


def test_looks_may_be_a_number_or_words():
    assert sentences({"looks": 1})["looks"][0].startswith(
        "The held-out scores of these data were looked at once"
    )
    assert sentences({"looks": "Looked at twice."})["looks"] == ["Looked at twice."]
    assert sentences({"looks": ["a", "b"]})["looks"] == ["a", "b"]


def test_no_influence_above_its_spread_is_said():
    rows = [{"group": "a", "members": [], "drop": 0.01, "sd": 0.02, "rank": 1}]
    assert "No group" in sentences({"influence": {"rows": rows}})["influence"][0]
    assert sentences({"influence": {"rows": []}})["influence"] == []


# ---- the model card

SECTIONS = [
    "Purpose",
    "Data and labels",
    "Evaluation",
    "Explanation",
    "Applicability",
    "Limits",
    "Reproduce",
    "Cite",
    "Licence",
]


def test_the_card_has_its_sections_and_the_numbers_of_the_run(report):
    card = model_card(report).replace("\u00a0", " ")
    assert re.findall(r"^## (.*)$", card, flags=re.M) == SECTIONS
    for wanted in (
        "| mfaf-resnet18 | 0.74 (0.61 to 0.85) | this model | 0.72 |",
        "| random-forest | 0.71 (0.60 to 0.81) | +0.03 (−0.04 to +0.10) | 0.72 |",
        report["audit"]["mfaf-resnet18"]["sentence"],
        "Brier skill 0.08 (−0.02 to 0.17)",
        "probability is that of a known deposit",
        "Cu, Au (0.098)",
        "12 % of the ground is unlike anything",
        report["command"],
        "Licence of the data: unknown",
    ):
        assert wanted in card, wanted
    assert "None" not in card
    assert "{" not in card


def test_a_card_from_nothing_says_what_was_not_measured():
    card = model_card({"format": 1})
    assert re.findall(r"^## (.*)$", card, flags=re.M) == SECTIONS
    assert "did not measure which channels" in card
    assert "did not measure which ground" in card
    assert "None" not in card
    assert "()" not in card


def test_the_card_is_the_same_for_the_same_report(report):
    assert model_card(report) == model_card(json.loads(json.dumps(report)))


def test_the_cards_command_cannot_end_its_code(report):
    card = model_card(report | {"command": "gossan run `x` y"})
    assert "gossan run `x` y" in card
    assert "``gossan run `x` y``" in card
