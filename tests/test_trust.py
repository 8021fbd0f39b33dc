"""What a run says of its own worth: audit, inner camps, barren draws, reasons, applicability."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
import rasterio

from gossan import io
from gossan.calibrate import Calibrator
from gossan.config import load_project
from gossan.errors import DataWarning, GossanWarning, UsageError
from gossan.pipeline import predict, run
from gossan.split import Split
from gossan.synthetic import laboratory_table, synthetic_survey

SETTINGS = [
    "[project]",
    'truth = "truth.csv"',
    "[windows]",
    "size = 16",
    "strides = [16]",
    "[screen]",
    "enabled = false",
    "[model]",
    'name = "mfaf-shufflenet-v2"',
    "depth = 1",
    "[training]",
    "epochs = 1",
    "[balance]",
    "compare = false",
    "[barren]",
    'method = "random"',
    "ratio = 2",
    "draws = 2",
    "[explain]",
    "repeats = 2",
    "gradients = true",
    "steps = 8",
    "[validation]",
    "tune = 2",
    'audit = ["mfaf-shufflenet-v2", "random-forest"]',
    'rivals = ["random-forest", "weights-of-evidence", "nearest-known", "best-element", "fault-distance"]',
]
MODEL = "mfaf-shufflenet-v2"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def survey_files(tmp_path_factory):
    survey = synthetic_survey(0, size=192, resolution=203.125, samples=1500)
    folder = tmp_path_factory.mktemp("survey")
    return io.write_survey(survey, folder, table=laboratory_table(survey), settings=SETTINGS)


@pytest.fixture(scope="module")
def finished(survey_files, tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GossanWarning)  # gradients of one epoch at 8 steps are rough
        return run(load_project(survey_files), tmp_path_factory.mktemp("runs") / "run", jobs=2)


@pytest.fixture(scope="module")
def report(finished):
    return json.loads((finished.folder / "report.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def areas(finished):
    return io.read_layers(finished.folder / "targets.gpkg")["areas"]


def test_every_rival_is_scored_on_the_same_folds(finished):
    metrics = finished.metrics
    assert set(metrics["rivals"]) == set(metrics["paired"])
    counts = {name: each["counts"]["areas"] for name, each in metrics["rivals"].items()}
    assert set(counts.values()) == {metrics["summary"]["counts"]["areas"]}
    assert metrics["estimand"].startswith("new camp")


def test_the_audit_names_both_estimands_and_splits_the_gap(report):
    assert set(report["audit"]) == {MODEL, "random-forest"}
    for audit in report["audit"].values():
        auc = {row["protocol"]: row["auc"]["mean"] for row in audit["rows"]}
        assert list(auc) == ["paper", "random", "random-cut", "blocks", "strict"]
        size = {row["protocol"]: row["train_windows"] for row in audit["rows"]}
        assert size["random-cut"] == pytest.approx(size["strict"], abs=1.5)
        assert size["random"] > size["strict"]
        assert {row["estimand"] for row in audit["rows"]} == {"new camp", "near known"}
        # the same areas and deposits, so the two parts of the gap add up to the whole of it
        whole = audit["leakage"]["mean"] + audit["less_data"]["mean"]
        assert whole == pytest.approx(auc["random"] - auc["strict"], abs=1e-9)
        assert f"{auc['strict']:.2f}" in audit["sentence"]


def test_saved_splits_hold_what_they_promise(finished, report):
    table = pd.read_csv(finished.folder / "splits.csv", keep_default_na=False)
    assert set(table["split"]) == {"strict", "paper", "random", "random-cut", "blocks"}
    strict = table[table["split"] == "strict"]
    places = strict[["row", "col", "number"]].drop_duplicates()
    windows = places.assign(size=16, stride=16)
    split = Split.from_table(strict, windows)
    assert "no test window shares a pixel" in split.check(windows)
    assert split.dead_zone == 16
    assert len(split.folds) == report["validation"]["folds"]


def test_all_models_tried_the_same_number_of_configurations_where_there_are_some(report):
    tuning = report["tuning"]
    assert tuning["budget"] == 2
    chosen = pd.DataFrame(tuning["rows"]).groupby("model")["fold_choices"].sum()
    assert set(chosen) == {report["validation"]["folds"]}
    assert MODEL in chosen


def test_probabilities_add_up_to_about_the_ore_there_is(areas, report):
    assert areas["probability"].between(0, 1).all()
    expected, observed = areas["probability"].sum(), (areas["known_deposits"] > 0).sum()
    assert 0.3 < expected / observed < 3
    assert "known deposit" in report["calibration"]["note"]


def test_two_draws_of_barren_windows_give_a_spread(areas, report):
    assert areas["spread"].notna().all()
    assert (areas["spread"] > 0).mean() > 0.9
    assert report["barren"]["draws"] == 2
    assert report["barren"]["spread"] >= 0


def test_each_target_says_what_speaks_for_and_against_it(finished):
    targets = pd.read_csv(finished.folder / "targets.csv", keep_default_na=False)
    wanted = ["for_1", "for_2", "for_3", "against_1", "applicability", "inside", "probability", "agreement"]
    assert set(wanted) <= set(targets.columns)
    assert (targets["for_1"] != "").any()
    named = targets[["for_1", "for_2", "for_3", "against_1"]].to_numpy()
    assert not (named[:, :1] == named[:, 3:])[named[:, 3:] != ""].any()


def test_applicability_and_looks_inside_lie_on_the_stacks_grid(finished, areas):
    with rasterio.open(finished.folder / "stack.tif") as stack:
        grid = (stack.shape, stack.transform, stack.crs)
        valid = np.isfinite(stack.read()).any(axis=0)
    names = {
        "applicability": ("index", "inside", "ore_index", "far"),
        "attention": ("spatial attention", "branch agreement"),
        "gradients": None,
    }
    for name, bands in names.items():
        with rasterio.open(finished.folder / f"{name}.tif") as file:
            assert (file.shape, file.transform, file.crs) == grid
            assert bands is None or file.descriptions == bands
            values = file.read()
            assert np.isfinite(values[0]).any()
            assert not np.isfinite(values[:, ~valid]).any()
    with rasterio.open(finished.folder / "applicability.tif") as file:
        inside = file.read(2)
    assert np.nanmean(inside) == pytest.approx(areas["inside"].mean(), abs=0.1)
    assert areas["inside"].mean() > 0.8  # the threshold leaves out outliers only


def test_influence_ranks_groups_that_hold_every_layer_once(report):
    rows = report["influence"]["rows"]
    members = [name for row in rows for name in row["members"]]
    channels = {each["name"] for each in report["channels"]}
    assert sorted(members) == sorted({*channels, "geology"})
    assert [row["drop"] for row in rows] == sorted((row["drop"] for row in rows), reverse=True)
    weights = pd.DataFrame(report["attention"]["rows"])
    assert weights["mean"].between(0, 1).all()
    assert "not causes" in report["attention"]["note"]


def test_curves_are_held_out_and_the_fitted_one_is_named(report):
    curves = report["curves"][MODEL]
    assert {"roc", "prediction_rate", "precision_recall", "calibration", "success_rate"} <= set(curves)
    assert np.diff(curves["prediction_rate"]["y"]).min() >= 0
    low, high = (np.array(curves["prediction_rate"][side]) for side in ("low", "high"))
    assert (low <= high).all()
    crossed = report["prediction_area"]
    assert crossed["pr"] == pytest.approx(1 - crossed["oa"])
    page = report["thresholds"]
    assert [row["share"] for row in page] == sorted(row["share"] for row in page)


def test_the_model_card_says_how_far_to_trust_it(finished, report):
    card = (finished.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"{report['metrics']['summary']['auc']['mean']:.2f}" in card
    assert "known deposit" in card


def test_predict_gives_probability_and_applicability_beside_the_map(finished, survey_files, tmp_path):
    path = predict(finished.folder, load_project(survey_files), tmp_path / "map.tif")
    with rasterio.open(path) as file:
        final = file.read(3)
    with rasterio.open(path.with_name("map-applicability.tif")) as file:
        assert file.descriptions == ("index", "inside", "ore_index", "far", "probability")
        index, inside, probability = file.read(1), file.read(2), file.read(5)
    record = json.loads((finished.folder / "model" / "model.json").read_text(encoding="utf-8"))
    expected = Calibrator.from_dict(record["calibration"]).apply(final[np.isfinite(final)])
    np.testing.assert_allclose(probability[np.isfinite(final)], expected, atol=1e-5)
    # every area of this survey was trained on: it is as like the training ground as can be
    assert np.nanmax(index) == pytest.approx(0, abs=1e-6)
    assert np.nanmin(inside) == 1


def test_predict_counts_classes_that_the_model_never_saw(finished, survey_files, tmp_path):
    layers = io.read_layers(survey_files.parent / "geology.gpkg")
    (name, geology), *_ = layers.items()
    geology.loc[geology.index[:40], "unit"] = "Ophiolite"
    io.write_layers(tmp_path / "other.gpkg", {name: geology})
    project = load_project(survey_files, [f"geology.path={tmp_path / 'other.gpkg'}"])
    with pytest.warns(DataWarning, match=r"'other'.*Ophiolite"):
        predict(finished.folder, project, tmp_path / "map.tif")


@pytest.mark.parametrize(
    ("setting", "said"),
    [('validation.rivals=["resnet18"]', "rivals"), ('validation.audit=["foo"]', "audit")],
)
def test_a_rival_or_audited_model_that_is_none_is_refused(survey_files, tmp_path, setting, said):
    with pytest.raises(UsageError, match=f"validation.{said}"):
        run(load_project(survey_files, [setting]), tmp_path / "run", jobs=1)
    assert not (tmp_path / "run").exists()
