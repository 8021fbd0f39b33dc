"""The long ones: runs killed, starved and disturbed; readers fed with made and changed inputs."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import warnings
import zipfile

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import corpus_files
from dirty import LAYER_CRS, LONGEST, SHAPES, hold_of_a_layer, hold_of_a_table, tables
from fuzz import fuzz
from gossan import io
from gossan.config import load_project
from gossan.errors import GossanError
from gossan.io.cells import read_cells
from gossan.io.elements import parse_column
from gossan.io.where import rows_where
from gossan.survey import GeologySource, RasterSource, SampleSource
from gossan.synthetic import laboratory_table, synthetic_survey
from test_pipeline import QUICK, _contents

pytestmark = pytest.mark.soak

KILLS = 50
CASES = 10_000
VECTORS = 2_000
FUZZ_SECONDS = 60
SHARE = float(os.environ.get("GOSSAN_SOAK_SHARE", "1"))
SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


def _note(what, **figures):
    """Append what was measured to the file that GOSSAN_SOAK_FIGURES names, one JSON object a line."""
    if path := os.environ.get("GOSSAN_SOAK_FIGURES"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"test": what, "share": SHARE, **figures}) + "\n")


# ---- runs


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    survey = synthetic_survey(3, size=160, resolution=243.75, samples=1500)
    folder = tmp_path_factory.mktemp("survey")
    return io.write_survey(survey, folder, table=laboratory_table(survey), settings=QUICK)


@pytest.fixture(scope="module")
def whole(project, tmp_path_factory):
    """Make a run that nothing disturbs; its folder and its seconds."""
    out = tmp_path_factory.mktemp("whole") / "run"
    started = time.monotonic()
    subprocess.run(command(project, out), check=True, capture_output=True)
    return out, time.monotonic() - started


def command(project, out):
    return [sys.executable, "-m", "gossan", "run", str(project), "--out", str(out), "--jobs", "1"]


def refused(done, code):
    """Tell that a run ended with a code and one line, no traceback."""
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == code, done.stderr
    assert len(errors) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return errors[0]


def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(project, whole, tmp_path):
    moments, kills = random.Random(0), 0
    while kills < KILLS * SHARE:
        out = tmp_path / f"killed-{kills}"
        for _ in range(3):
            process = subprocess.Popen(
                command(project, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(moments.uniform(0.5, whole[1]))
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
        subprocess.run(command(project, out), check=True, capture_output=True)
        assert _contents(out) == _contents(whole[0])
        shutil.rmtree(out)


@pytest.mark.parametrize("most", [100, 5_000, 60_000, 150_000, 400_000])
def test_a_full_disk_ends_a_run_in_one_line_and_the_next_one_ends_whole(project, whole, tmp_path, most):
    out = tmp_path / "run"
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))  # noqa: E731
    done = subprocess.run(
        command(project, out), capture_output=True, text=True, check=False, preexec_fn=limit
    )
    refused(done, 1)
    assert not (out / "manifest.json").exists()
    subprocess.run(command(project, out), check=True, capture_output=True)
    assert _contents(out) == _contents(whole[0])


def test_an_output_folder_that_cannot_be_written_is_refused(project, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    out = closed / "run"
    if os.access(closed, os.W_OK):  # who may write everywhere is refused by the system's own folders
        out = "/proc/gossan-run"
    done = subprocess.run(command(project, out), capture_output=True, text=True, check=False)
    assert "give another folder" in refused(done, 2)


@pytest.mark.parametrize("name", ["samples.csv", "geology.gpkg", "deposits.csv"])
def test_a_file_that_changes_during_a_run_stops_it_and_spoils_nothing(project, whole, tmp_path, name):
    folder = tmp_path / "survey"
    shutil.copytree(project.parent, folder)
    out, path = tmp_path / "run", folder / name
    good = path.read_bytes()
    process = subprocess.Popen(
        command(folder / project.name, out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    log = out / "log.jsonl"
    while process.poll() is None and not log.exists():  # it is written once the files have been read
        time.sleep(0.01)
    path.write_bytes(good[: len(good) // 2] if name.endswith("csv") else good + b"more")
    _, said = process.communicate()
    done = subprocess.CompletedProcess((), process.returncode, "", said)
    if process.returncode != 0:  # else all was read before the change
        assert "changed while it was read" in refused(done, 1) or "samples" in said or "deposits" in said
    path.write_bytes(good)
    subprocess.run(command(folder / project.name, out), check=True, capture_output=True)
    assert _contents(out) == _contents(whole[0])


def test_of_two_runs_into_one_folder_one_is_refused_and_one_ends_whole(project, whole, tmp_path):
    for number in range(max(1, round(5 * SHARE))):
        out = tmp_path / f"run-{number}"
        both = [
            subprocess.Popen(
                command(project, out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        said = [process.communicate()[1] for process in both]
        codes = sorted(process.returncode for process in both)
        assert codes in ([0, 1], [0, 0])
        if codes == [0, 1]:
            assert sum("another process works in" in text for text in said) == 1
        assert _contents(out) == _contents(whole[0])


# ---- made inputs


@settings(max_examples=int(CASES * SHARE), deadline=None, suppress_health_check=SLOW)
@given(tables(), st.sampled_from(["half", "drop"]), st.sampled_from(["log10", "none"]))
@pytest.mark.filterwarnings("ignore")
def test_a_dirty_table_is_read_or_refused_in_one_line(tmp_path, content, censored, transform):
    hold_of_a_table(tmp_path / "dirty.csv", content, censored, transform)


@settings(max_examples=int(VECTORS * SHARE), deadline=None, suppress_health_check=SLOW)
@given(st.lists(SHAPES, max_size=5), st.sampled_from(LAYER_CRS), st.sampled_from(["gpkg", "geojson", "fgb"]))
@pytest.mark.filterwarnings("ignore")
def test_a_dirty_layer_is_read_or_refused_in_one_line(tmp_path, shapes, crs, ending):
    hold_of_a_layer(tmp_path / f"dirty.{ending}", shapes, crs)


# ---- changed inputs


def _texts(*endings):
    return [path.read_bytes() for path in sorted(corpus_files.FOLDER.iterdir()) if path.suffix in endings]


def _built(folder, *endings):
    made = []
    for name, build in corpus_files.BUILDERS.items():
        if name.endswith(endings) and name not in ("absurd.tif", "bomb.xlsx", "lying_bomb.xlsx"):
            build(folder / name)
            made.append((folder / name).read_bytes())
    return [content for content in made if len(content) < 300_000]


def _reader(folder, name, *reads):
    path = folder / name

    def parse(content):
        for beside in folder.glob(f"{path.stem}.*"):
            beside.unlink()
        path.write_bytes(content)
        for read in reads:
            read(path)
        assert path.read_bytes() == content

    return parse


def _sheet_text(folder):
    """Write a workbook as a frame for sheets, and return the one that it holds."""
    path = folder / "frame.xlsx"
    corpus_files.good_samples(4).to_excel(path, index=False)
    with zipfile.ZipFile(path) as archive:
        return archive.read("xl/worksheets/sheet1.xml")


def _sheet(folder):
    """Put a changed sheet into a workbook that is whole otherwise; changed archives rarely open."""
    path = folder / "f.xlsx"

    def parse(content):
        with zipfile.ZipFile(folder / "frame.xlsx") as frame, zipfile.ZipFile(path, "w") as archive:
            for name in frame.namelist():
                archive.writestr(name, content if name.endswith("sheet1.xml") else frame.read(name))
        _samples(path)

    return parse


def _samples(path):
    return io.read_samples(path, SampleSource(path.name), "EPSG:26910")


def _geology(path):
    return io.read_geology(path, GeologySource(path.name, attribute="unit"), "EPSG:26910")


def _raster(path):
    return io.read_raster(path, RasterSource(path.name), "EPSG:26910")


def _words(content):
    return content.decode("utf-8", errors="replace")


def _parsers(folder):
    good = corpus_files.good_samples(12).to_csv(index=False).encode()
    table = pd.DataFrame({"type": ["VMS", "SEDEX"], "is_Cu": ["1", "0"]})
    conditions = [b"type = 'VMS' and is_Cu > 0", b"`type` in (VMS, 'SEDEX')", b"is_Cu != 1"]
    cells = [b"1,5\n<0.5\nbdl\n-9999\n>9\n", b"1.5\n2\n\n5L\n"]
    names = [b"Cu_ppm", b"Fe2O3T (wt.%)", b"Au-FA50 ppb"]
    return {
        "text": (_reader(folder, "f.csv", _samples), [good, *_texts(".csv")]),
        "workbook": (_reader(folder, "f.xlsx", _samples), _built(folder, ".xlsx")),
        "sheet": (_sheet(folder), [_sheet_text(folder)]),
        "geopackage": (_reader(folder, "f.gpkg", _geology), _built(folder, ".gpkg")),
        "geojson": (_reader(folder, "f.geojson", _geology), _texts(".geojson")),
        "geotiff": (_reader(folder, "f.tif", _raster), _built(folder, ".tif")),
        "ascii grid": (_reader(folder, "f.asc", _raster), _texts(".asc")),
        "virtual raster": (_reader(folder, "f.vrt", _raster), _texts(".vrt")),
        "project": (
            _reader(folder, "f.toml", load_project),
            [corpus_files.PROJECT.encode(), *_texts(".toml")],
        ),
        "condition": (lambda content: rows_where(_words(content), table), conditions),
        "cells": (
            lambda content: read_cells(pd.Series(_words(content).split("\n"), dtype=object)),
            cells,
        ),
        "names": (lambda content: parse_column(_words(content)), names),
    }


@pytest.mark.parametrize(
    "name",
    [
        *(
            "text",
            "workbook",
            "sheet",
            "geopackage",
            "geojson",
            "geotiff",
            "ascii grid",
            "virtual raster",
            "project",
        ),
        *("condition", "cells", "names"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_parser_fed_with_changed_inputs_ends_in_one_line(tmp_path, name):
    parse, seeds = _parsers(tmp_path)[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = fuzz(parse, seeds, seconds=FUZZ_SECONDS * SHARE, allowed=(GossanError,))
    _note(f"fuzz {name}", inputs=found.runs, lines=len(found.lines), slowest_s=round(found.slowest, 2))
    assert found.failures == []
    assert found.slowest < LONGEST
    assert found.runs > len(seeds)
