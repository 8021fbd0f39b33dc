"""What results show of themselves: short, whole, and escaped wherever it is HTML."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gossan
from gossan.config import from_values
from gossan.pipeline.run import Run
from gossan.shown import Shown
from gossan.study import Study
from gossan.survey import Deposits, Samples

HARD = '<script>alert("x")</script> & 金山 \u202e'


class Cells(HTMLParser):
    """The cells of a table, and the tags around them."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.tags = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag in ("th", "td", "caption"):
            self.cells.append("")

    def handle_data(self, data):
        self.cells[-1] += data


def cells(shown):
    parsed = Cells(shown._repr_html_())
    assert set(parsed.tags) == {"table", "caption", "tbody", "tr", "th", "td"}
    return parsed.cells


def auc(mean, ends=None):
    return {"auc": {"mean": mean, "ci95": ends}}


@pytest.fixture
def run():
    metrics = {"model": HARD, "camps": 12, "summary": auc(0.871, [0.7, 0.95]), "rivals": {"svm": auc(None)}}
    return Run(Path("runs") / HARD.replace("/", ""), metrics, pd.DataFrame({"number": [7, 3]}))


def things(run):
    coordinates = np.array([[500_000.0, 4_000_000.0], [500_900.0, 4_000_100.0]])
    values = pd.DataFrame({HARD: [1.0, np.nan], "Cu": [2.0, 3.0]})
    survey = gossan.synthetic_survey(size=64, resolution=609.375, samples=300)
    return [
        run,
        Samples(coordinates, values, {HARD: "ppm", "Cu": "ppm"}, survey=(HARD, "1998")),
        Deposits(coordinates, (HARD, "B"), camp=("1", "1")),
        survey,
        from_values(
            {
                "project": {"crs": "EPSG:32650", "name": HARD.replace("/", "")},
                "samples": {"path": HARD},
                "deposits": {"path": "d.csv"},
            }
        ),
        Study(Path("study"), [], [{"table": 3}, {"table": 3}], {HARD: "no"}),
    ]


def test_every_result_is_short_and_its_html_says_what_its_text_says(run):
    for thing in things(run):
        text = repr(thing)
        name, *lines = text.splitlines()
        assert name == type(thing).__name__
        assert 1 < len(text.splitlines()) <= 16
        assert max(map(len, lines)) < 140
        shown = cells(thing)
        assert shown[0] == name
        pairs = [" ".join(pair) for pair in zip(shown[1::2], shown[2::2], strict=True)]
        assert [" ".join(line.split()) for line in lines] == [" ".join(pair.split()) for pair in pairs]


def test_markup_in_names_is_text(run):
    for thing in things(run):
        page = thing._repr_html_()
        assert "<script" not in page
        assert "&lt;script&gt;" in page or type(thing).__name__ == "Survey"


def test_a_run_says_its_scores_and_where_its_report_is(run):
    text = repr(run)
    assert "0.87 (0.70 to 0.95)" in text
    assert re.search(r"AUC of svm +not enough to evaluate", text)
    assert "2; the best are areas 7, 3" in text
    assert "report.html" in text


@given(st.lists(st.tuples(st.text(), st.text())))
def test_any_text_stays_in_its_cell(rows):
    class Thing(Shown):
        def _rows(self):
            return iter(rows)

    kept = [(label, value) for label, value in rows if value != ""]
    parsed = Cells(Thing()._repr_html_())
    assert parsed.tags.count("tr") == len(kept)
    assert len(parsed.cells) == 1 + 2 * len(kept)
    assert set(parsed.tags) <= {"table", "caption", "tbody", "tr", "th", "td"}
