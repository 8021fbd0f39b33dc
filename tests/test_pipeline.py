"""The main job on a small draw of the built-in survey, with a model that is quick."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio

from gossan import io
from gossan.config import load_project
from gossan.errors import DataError, DesignWarning, GossanError, MissingFileError, UsageError
from gossan.pipeline import check, demo, predict, run
from gossan.synthetic import laboratory_table, synthetic_survey

QUICK = [
    "[project]",
    'truth = "truth.csv"',
    "[windows]",
    "size = 16",
    "strides = [16]",
    "[screen]",
    "enabled = false",
    "[model]",
    'name = "logistic-regression"',
    "[validation]",
    "tune = 1",
    'rivals = ["random-forest", "nearest-known"]',
    "[dense]",
    "stride = 8",
]
FILES = {
    "report.html",
    "report.json",
    "metrics.json",
    "screening.csv",
    "splits.csv",
    "applicability.tif",
    "stack.tif",
    "prospectivity.tif",
    "prospectivity.qml",
    "stack.qml",
    "applicability.qml",
    "gossan.qgz",
    "dense.qml",
    "dense.tif",
    "targets.gpkg",
    "targets.csv",
    "next_samples.gpx",
    "model/model.safetensors",
    "model/model.json",
    "MODEL_CARD.md",
    "manifest.json",
    "log.jsonl",
}


@pytest.fixture(scope="module")
def survey_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("survey")
    survey = synthetic_survey(3, size=160, resolution=243.75, samples=1500)
    return io.write_survey(survey, folder, table=laboratory_table(survey), settings=QUICK)


@pytest.fixture(scope="module")
def finished(survey_files, tmp_path_factory):
    return run(load_project(survey_files), tmp_path_factory.mktemp("runs") / "first", jobs=1)


def _contents(folder):
    """Bytes of every file of a run but the log and the clock."""
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(".store") and name != "log.jsonl":
            files[name] = path.read_bytes()
    manifest = json.loads(files.pop("manifest.json"))
    del manifest["times"], manifest["machine"]
    return files | {"manifest.json": json.dumps(manifest, sort_keys=True).encode()}


def test_a_run_leaves_every_file_of_the_contract(finished):
    found = {path.relative_to(finished.folder).as_posix() for path in finished.folder.rglob("*")}
    assert found >= FILES


def test_the_map_has_three_named_bands_on_the_stacks_grid(finished):
    with (
        rasterio.open(finished.folder / "prospectivity.tif") as score,
        rasterio.open(finished.folder / "stack.tif") as stack,
    ):
        assert score.descriptions == ("score", "spread", "final")
        assert (score.shape, score.transform, score.crs) == (stack.shape, stack.transform, stack.crs)
        assert np.isnan(score.nodata)
        values = score.read(1)
        assert stack.descriptions[-1] == "classes"
    assert np.nanmin(values) >= 0
    assert np.nanmax(values) <= 1


def test_every_area_is_scored_by_a_model_that_did_not_train_on_it(finished):
    store = finished.folder / ".store"
    assert store.is_dir()
    areas = io.read_layers(finished.folder / "targets.gpkg")["areas"]
    assert areas["score"].notna().all()
    assert not np.allclose(areas["score"], areas["final"])


def test_the_dense_map_scores_the_areas_as_the_final_model_does(finished):
    with rasterio.open(finished.folder / "dense.tif") as file:
        score, grid = file.read(1), file.transform
        assert file.descriptions == ("score",)
        assert file.tags()["GOSSAN_METHOD"] == "exact"
    with rasterio.open(finished.folder / "prospectivity.tif") as file:
        assert grid.a == 8 * file.transform.a
        assert grid.c == file.transform.c + 4 * file.transform.a  # half a window of 16 px less half a stride
    areas = io.read_layers(finished.folder / "targets.gpkg")["areas"]
    here = score[areas["row"] // 8, areas["col"] // 8]
    np.testing.assert_allclose(here, areas["final"], atol=1e-6)
    said = json.loads((finished.folder / "report.json").read_text())["dense"]
    assert (said["rows"], said["cols"]) == score.shape == (19, 19)
    assert said["windows"] == np.isfinite(score).sum()
    assert said["deviation"] is None
    assert "dense.tif scores 361 windows" in (finished.folder / "report.html").read_text()


def test_targets_are_ranked_open_areas_within_the_budget(finished):
    targets = finished.targets
    assert list(targets["rank"]) == list(range(1, len(targets) + 1))
    assert targets["score_mean"].is_monotonic_decreasing
    assert (targets["known_deposits"] == 0).all()
    areas = io.read_layers(finished.folder / "targets.gpkg")["areas"]
    is_open = areas["known_deposits"] == 0
    assert targets["area_km2"].sum() <= 0.1 * areas.loc[is_open, "area_km2"].sum() + 1e-6
    wanted = "number rank easting northing longitude latitude area_km2 score_mean score_max spread"
    assert {*wanted.split(), "known_deposits", "nearest_known_m"} <= set(targets.columns)


def test_targets_have_their_sheets_behind_the_columns_of_the_contract(finished):
    targets, grid = finished.targets, 243.75
    first = "number rank easting northing longitude latitude area_km2 score_mean score_max spread"
    assert list(targets.columns[:12]) == [*first.split(), "known_deposits", "nearest_known_m"]
    assert targets["area_ha"].to_numpy() == pytest.approx(100 * targets["area_km2"].to_numpy())
    assert (targets["samples_inside"] == targets["samples"]).all()
    assert targets["element_1"].notna().any()
    assert (targets["ratio_1"].dropna() > 1).all()
    assert targets["percentile_1"].dropna().between(0, 100).all()
    assert targets["rock_unit"].notna().all()
    assert targets["fault_trend"].between(0, 180, inclusive="left").all()
    layers = io.read_layers(finished.folder / "targets.gpkg")
    lines = layers["faults"].union_all()
    centre = layers["targets"].geometry.centroid
    assert centre.distance(lines).to_numpy() == pytest.approx(targets["fault_m"].to_numpy(), abs=grid / 1e3)
    assert set(layers["samples"].columns) > {"Au", "geometry"}
    assert (finished.folder / "next_samples.gpx").read_text().count("<wpt ") == 3 * len(targets)


def test_metrics_follow_the_contract(finished):
    metrics = json.loads((finished.folder / "metrics.json").read_text())
    assert metrics["format"] == 1
    assert {"protocol", "model", "camps", "summary", "folds", "rivals", "paired", "leakage"} <= set(metrics)
    assert {"mean", "sd_folds", "sd_repeats", "ci95"} == set(metrics["summary"]["auc"])
    assert {"difference", "ci95", "smallest_detectable"} <= set(metrics["paired"]["random-forest"])
    assert "NaN" not in (finished.folder / "metrics.json").read_text()


def test_the_report_counts_hidden_deposits_beside_chance(finished):
    report = json.loads((finished.folder / "report.json").read_text())
    assert report["hidden"]["chance"] == 0.1
    assert 0 <= report["hidden"]["found_share"] <= 1


def test_a_moved_survey_run_on_two_processes_gives_the_same_bytes(finished, survey_files, tmp_path):
    shutil.copytree(survey_files.parent, tmp_path / "moved")
    again = run(load_project(tmp_path / "moved" / "project.toml"), tmp_path / "again", jobs=2)
    assert _contents(again.folder) == _contents(finished.folder)


def test_a_second_run_into_the_same_folder_computes_nothing(finished, survey_files):
    before = _contents(finished.folder)
    log = finished.folder / "log.jsonl"
    lines = len(log.read_text().splitlines())
    run(load_project(survey_files), finished.folder, jobs=1)
    events = [json.loads(line) for line in log.read_text().splitlines()[lines:]]
    assert events
    assert not [event for event in events if event["event"] == "done"]
    assert _contents(finished.folder) == before


def test_the_stack_reads_no_label(finished, survey_files, tmp_path):
    deposits = pd.read_csv(survey_files.parent / "deposits.csv").iloc[::-1]
    deposits["x"] += 1500
    deposits.to_csv(tmp_path / "moved.csv", index=False)
    moved = load_project(survey_files, [f"deposits.path={tmp_path / 'moved.csv'}"])
    other = run(moved, tmp_path / "run", jobs=1)
    assert (other.folder / "stack.tif").read_bytes() == (finished.folder / "stack.tif").read_bytes()


def test_predict_on_the_same_survey_gives_the_final_band_back(finished, survey_files, tmp_path):
    path = predict(finished.folder, load_project(survey_files), tmp_path / "map.tif")
    with (
        rasterio.open(tmp_path / "map-dense.tif") as dense,
        rasterio.open(finished.folder / "dense.tif") as trained,
    ):
        np.testing.assert_allclose(dense.read(1), trained.read(1), atol=1e-6)
    with rasterio.open(path) as new, rasterio.open(finished.folder / "prospectivity.tif") as old:
        assert np.isnan(new.read(1)).all()
        np.testing.assert_allclose(new.read(3), old.read(3), atol=1e-6, equal_nan=True)


def test_predict_writes_the_styles_of_a_run_beside_its_maps(finished, survey_files, tmp_path):
    path = predict(finished.folder, load_project(survey_files), tmp_path / "map.tif")
    styles = {one.name: one.read_text(encoding="utf-8") for one in tmp_path.glob("*.qml")}
    assert set(styles) == {"map.qml", "map-applicability.qml", "map-dense.qml"}
    assert path.with_suffix(".qml").is_file()
    for name, own in (("map-applicability.qml", "applicability.qml"), ("map-dense.qml", "dense.qml")):
        tones = re.findall(r'color="(#\w+)"', styles[name])
        assert tones == re.findall(r'color="(#\w+)"', (finished.folder / own).read_text(encoding="utf-8"))
    assert 'band="3"' in styles["map.qml"]  # band 1 is empty: nothing was held out
    assert len(re.findall("<item ", styles["map.qml"])) == 5


def test_predict_needs_no_deposits(finished, survey_files, tmp_path):
    project = load_project(survey_files, ["deposits.path=none.csv"])
    assert predict(finished.folder, project, tmp_path / "map.tif").is_file()


def test_a_folder_that_holds_something_else_is_left_alone(survey_files, tmp_path):
    (tmp_path / "manifest.json").write_text('{"name": "webapp"}')
    project = load_project(survey_files)
    with pytest.raises(UsageError, match="no run"):
        run(project, tmp_path, jobs=1)
    assert [file.name for file in tmp_path.iterdir()] == ["manifest.json"]


def test_a_refused_demo_writes_nothing(tmp_path):
    with pytest.raises(UsageError, match="bogus"):
        demo(tmp_path / "demo", overrides=["bogus.key=1"])
    assert not (tmp_path / "demo").exists()


def test_predict_refuses_another_resolution_and_missing_layers(finished, survey_files, tmp_path):
    coarse = load_project(survey_files, ["project.resolution=300"])
    with pytest.raises(DataError, match="resolution"):
        predict(finished.folder, coarse, tmp_path / "a.tif")
    only = load_project(survey_files, ['samples.elements=["Cu","Zn"]'])
    with pytest.raises(DataError, match="no layer"):
        predict(finished.folder, only, tmp_path / "b.tif")
    assert not list(tmp_path.iterdir())


def test_check_agrees_with_the_run(finished, survey_files):
    found = check(load_project(survey_files))
    report = json.loads((finished.folder / "report.json").read_text())
    assert found["windows"]["areas"] == report["windows"]["areas"]
    assert found["camps"] == report["validation"]["camps"]
    assert len(found["folds"]) == report["validation"]["folds"]
    json.dumps(found)


def _with(path, name, edit):
    """Copy an input, edited, beside the others; returns its override."""
    table = pd.read_csv(path.parent / f"{name}.csv")
    changed = path.parent / f"{name}-{abs(hash(edit.__name__))}.csv"
    edit(table).to_csv(changed, index=False)
    return f"{name}.path={changed.name}"


def _far(table):
    return table.assign(x=table["x"] + 1e6)


def _one(table):
    return table.iloc[:1]


def _constant(table):
    name = next(column for column in table if column.startswith("Cu"))
    return table.assign(**{name: 20.0})


BAD = {
    "no samples file": (["samples.path=none.csv"], MissingFileError, "none.csv"),
    "no such column": (["samples.x=nowhere", "samples.y=y"], UsageError, "nowhere"),
    "no CRS": (['project.crs=""'], UsageError, "crs"),
    "a geographic CRS": (["project.crs=EPSG:4326"], UsageError, "geographic"),
    "an unknown key": (["windows.sise=16"], UsageError, "size"),
    "a window larger than the map": (["windows.size=512"], DataError, "160"),
    "no deposit inside": (_far, DataError, "deposits"),
    "too few camps": (_one, DataError, "camp"),
    "a constant element": (_constant, DataError, "Cu"),
}


def _load_and_run(file, overrides, out):
    run(load_project(file, overrides), out, jobs=1)


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_one_line_and_leaves_nothing(case, survey_files, tmp_path):
    change, kind, word = BAD[case]
    out = tmp_path / "run"
    out.mkdir()
    if callable(change):
        name = "samples" if change is _constant else "deposits"
        change = [_with(survey_files, name, change)]
    with pytest.raises(kind) as caught:
        _load_and_run(survey_files, change, out)
    assert "\n" not in str(caught.value)
    assert word in str(caught.value)
    assert isinstance(caught.value, GossanError)
    assert not list(out.iterdir())


def test_a_layer_without_values_is_refused(survey_files, tmp_path):
    with rasterio.open(
        survey_files.parent / "empty.tif",
        "w",
        driver="GTiff",
        width=40,
        height=40,
        count=1,
        dtype="float32",
        nodata=-9999,
        crs="EPSG:32649",
        transform=rasterio.Affine(1000, 0, 400_000, 0, -1000, 2_440_000),
    ) as file:
        file.write(np.full((1, 40, 40), -9999, dtype=np.float32))
    text = survey_files.read_text() + '\n[[rasters]]\npath = "empty.tif"\nname = "nothing"\n'
    project = survey_files.with_name("empty.toml")
    project.write_text(text)
    with pytest.raises(DataError, match="nothing"):
        run(load_project(project), tmp_path / "run", jobs=1)
    assert not (tmp_path / "run").exists()


def test_elements_that_cannot_be_screened_are_all_kept_and_that_is_said(survey_files, tmp_path, recwarn):
    quick = ["screen.enabled=true", "screen.ore_distance=0.5", "validation.rivals=[]", "validation.audit=[]"]
    made = run(load_project(survey_files, [*quick, "explain.enabled=false"]), tmp_path / "run", jobs=1)
    said = [str(each.message) for each in recwarn if issubclass(each.category, DesignWarning)]
    assert any(
        re.match("screening of part strict 0/0: every element is kept, since none can", each) for each in said
    )
    report = json.loads((made.folder / "report.json").read_text())
    assert report["screening"]["note"].startswith(
        "every element is kept, since none can be tested: 0 samples lie"
    )
    assert all(row["keep"] and row["folds_kept"] == row["folds"] for row in report["screening"]["rows"])
    assert "since none can be tested" in (made.folder / "report.html").read_text()


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_same_files(finished, survey_files, tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "gossan", "run", str(survey_files), "--out", str(out), "--jobs", "1"]
    for seconds in (6, 9):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert _contents(out) == _contents(finished.folder)


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.parametrize("name", ["eskay_creek", "mount_painter"])
def test_the_examples_run_end_to_end_at_small_settings(name, data, tmp_path):
    small = [
        "training.epochs=1",
        "screen.enabled=false",
        "interpolate.neighbours=12",
        "balance.compare=false",
        "validation.folds=3",
        "validation.tune=1",
        'validation.audit=["random-forest"]',
        "training.ensemble=1",
        "explain.repeats=1",
    ]
    if name == "eskay_creek":
        small += ["project.resolution=500", "windows.size=16", "windows.strides=[16]"]
    project = load_project(Path(__file__).parents[1] / "examples" / f"{name}.toml", small)
    done = run(project, tmp_path / "run", jobs=1)
    assert done.metrics["camps"] >= 8
    assert 0 < done.metrics["summary"]["auc"]["mean"] < 1
    assert (done.folder / "report.html").stat().st_size < 15e6
