"""The paper's study: its tables by its own numbers and counts, and the same bytes however it is run."""

import json
import math
import os
import random
import signal
import threading

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_ind, ttest_rel

import gossan
from gossan.balance import BalanceSettings, plan_balance
from gossan.errors import DataError, UsageError
from gossan.io import write_survey
from gossan.metrics import headline, summarise, z_auc
from gossan.models import create_from_settings, names
from gossan.study import study
from gossan.study.collect import _camp_intervals, _gap, _welch, spread
from gossan.study.draws import TEST_COPIES, TRAIN_COPIES, draw_windows
from gossan.study.variants import TABLES, as_variant, rows_of
from gossan.study.write import cut, latex, markdown, screening_table
from gossan.synthetic import synthetic_survey
from processes import children, wait_until

#: Table 2 of the paper: element -> correct of 244, AUC and Z_AUC as printed.
TABLE2 = {
    "Au": (147, "0.6024", "2.8395"),
    "Sn": (148, "0.6065", "2.9595"),
    "Ag": (165, "0.6762", "5.1563"),
    "Mn": (136, "0.5573", "1.5617"),
    "Zn": (133, "0.5450", "1.2232"),
    "Sb": (145, "0.5942", "2.6017"),
    "Hg": (156, "0.6393", "3.9516"),
    "W": (141, "0.5778", "2.1341"),
    "B": (144, "0.5901", "2.4839"),
    "Cu": (154, "0.6311", "3.6977"),
    "Ba": (150, "0.6147", "3.2020"),
    "Pb": (141, "0.5778", "2.1341"),
    "As": (138, "0.5655", "1.7893"),
    "Bi": (144, "0.5901", "2.4839"),
    "Mo": (146, "0.5983", "2.7203"),
    "F": (139, "0.5696", "1.9037"),
}


def test_table_2_is_the_papers_to_the_digit():
    auc = np.array([k / 244 for k, *_ in TABLE2.values()])
    z = z_auc(auc, 122, 122)
    screening = pd.DataFrame(
        {"element": list(TABLE2), "auc": auc, "z_auc": z, "p": math.nan, "keep": z > 2.58}
    )
    table = screening_table(screening).set_index("Element")
    for element, (_, printed_auc, printed_z) in TABLE2.items():
        assert (table.loc[element, "AUC"], table.loc[element, "Z_AUC"]) == (printed_auc, printed_z), element
    assert set(table.index[table["Selected"] == "yes"]) == {"Ag", "Au", "Sn", "Cu", "Ba", "Sb", "Hg", "Mo"}


def test_digits_are_cut_and_not_rounded():
    assert [cut(0.99999), cut(0.57), cut(0.6024), cut(math.nan)] == ["0.9999", "0.5700", "0.6024", ""]


def multi_stride_windows(ore, barren):
    return pd.DataFrame({"deposits": np.r_[np.ones(ore, int), np.zeros(barren, int)]})


@pytest.mark.parametrize("seed", range(5))
def test_the_counts_of_section_3_2_1(seed):
    windows = multi_stride_windows(80, 500)
    is_ore = windows["deposits"].to_numpy() > 0
    train, test = draw_windows(windows, seed=[seed])
    assert (len(train), int(is_ore[train].sum())) == (342, 56)
    assert (len(test), int(is_ore[test].sum())) == (86, 14)
    assert not set(train) & set(test)
    for part, copies, expected in ((train, TRAIN_COPIES, (224, 300)), (test, TEST_COPIES, (56, 74))):
        rng = np.random.default_rng(seed)
        features = rng.normal(size=(int(is_ore[part].sum()), 6))
        plan = plan_balance(
            is_ore[part],
            BalanceSettings("smote", 4.0, 0.01, copies),
            gram=features @ features.T,
            seed=seed,
            protocol="paper",
        )
        assert (int(plan.is_ore.sum()), int((~plan.is_ore).sum())) == expected


@pytest.mark.parametrize("counts", [(69, 358), (70, 357)])
def test_fewer_windows_than_the_papers_are_refused_with_their_counts(counts):
    with pytest.raises(DataError, match=f"{counts[0]} ore and {counts[1]} barren"):
        draw_windows(multi_stride_windows(*counts), seed=[0])


def test_the_rows_are_the_papers():
    paper = {table: [row.label for row in rows_of(table, 128) if not row.extra] for table in TABLES}
    assert paper[3] == [
        "ResNet18", "ResNet18*", "ShuffleNetV2", "ShuffleNetV2*", "GoogLeNet", "MobileNetV2", "MnasNet",
    ]  # fmt: skip
    assert paper[4] == [
        f"{title}{name}*" for name in ("ResNet18", "ShuffleNetV2") for title in ("", "R-CA-", "R-SA-")
    ]
    assert paper[5] == [f"beta = {beta}" for beta in ("0", "0.1", "0.4", "0.6", "0.7", "0.8")]
    assert paper[6] == [
        "{1, 2, 4, 8, 10}", "{1, 4, 8, 12, 16}", "{1, 6, 12, 18, 24}", "{1, 8, 16, 24, 32}",
    ]  # fmt: skip
    extra = {row.label for table in TABLES for row in rows_of(table, 128) if row.extra}
    assert {"Random forest", "Gradient boosting", "Logistic regression", "SVM", "All barren"} <= extra
    assert {"GoogLeNet*", "MobileNetV2*", "MnasNet*", "ResNet18 (plain)"} <= extra


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_every_row_has_its_base_and_a_network_that_can_be_made(size, small_project):
    for table in TABLES:
        rows = rows_of(table, size)
        labels = [row.label for row in rows]
        assert len(set(labels)) == len(labels)
        assert {row.against for row in rows} - {""} <= set(labels)
        for row in rows:
            if row.model in names("network"):
                create_from_settings(row.model, as_variant(small_project, row).model, channels=3, size=size)


def test_one_fit_serves_all_tables():
    fits = [row.fit for table in TABLES for row in rows_of(table, 128) if row.model == "mfaf-resnet18"]
    assert (
        fits.count("mfaf-resnet18") == 5
    )  # methods, ablations and without vote, beta 0.4, the paper's rates


# ---- the numbers


def predictions(seed, shift, *, areas=120, camps=12):
    rng = np.random.default_rng(seed)
    number = np.arange(1, areas + 1)
    is_ore = number <= 2 * camps
    score = 1 / (1 + np.exp(-rng.normal(size=areas) - shift * is_ore))
    return pd.DataFrame(
        {
            "repeat": 0, "fold": number % 3, "number": number, "score": score, "vote": score > 0.5,
            "probability": score, "is_ore": is_ore, "deposits": is_ore.astype(int),
            "camp": np.where(is_ore, (number - 1) // 2 + 1, 0),
        }
    )  # fmt: skip


def test_headline_is_the_beginning_of_the_summary():
    table = predictions(0, 1.0)
    whole = summarise(table)
    assert headline(table) == {name: whole[name]["mean"] for name in headline(table)}


def test_a_row_beside_itself_differs_by_nothing():
    table = predictions(1, 1.0)
    assert set(_camp_intervals(table, table).values()) == {None}  # no variation, so no claim of certainty


def test_a_better_row_is_seen_over_camps():
    good, bad = predictions(2, 3.0, camps=20), predictions(3, 0.0, camps=20)
    intervals = _camp_intervals(good, bad)
    assert all(intervals[name][0] > 0 for name in ("auc", "recall_ore", "f1_ore"))
    mirrored = _camp_intervals(bad, good)
    for name, interval in intervals.items():
        np.testing.assert_allclose(mirrored[name], [-interval[1], -interval[0]], atol=1e-12)


def test_intervals_over_seeds_are_students_and_welchs():
    rng = np.random.default_rng(4)
    a, b = rng.normal(1, 1, 6), rng.normal(0, 2, 9)
    expected = ttest_rel(a, b[:6]).confidence_interval()
    np.testing.assert_allclose(_gap(list(a - b[:6]), None)["seeds"], [expected.low, expected.high])
    expected = ttest_ind(a, b, equal_var=False).confidence_interval()
    np.testing.assert_allclose(
        _welch(spread(list(a)), spread(list(b)))["seeds"], [expected.low, expected.high]
    )


def test_names_do_not_break_the_tables():
    table = pd.DataFrame({"Methods": ["a|b", "50 % & {1}_x"], "AUC": ["1", "2"]})
    text = markdown("Title", "head", table, line_before=1)
    assert "a\\|b" in text
    assert text.splitlines()[-2].startswith("| *not in the paper:* |")
    assert r"50 \% \& \{1\}\_x & 2 \\" in latex("T", "h", table)


# ---- the whole


@pytest.fixture(scope="session")
def small_survey(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "survey"
    lines = [
        "[windows]", "size = 16", "strides = [16, 8]", "[screen]", "enabled = false",
        "[model]", "depth = 1", "[training]", "epochs = 1",
    ]  # fmt: skip
    survey = synthetic_survey(0, size=192, resolution=203.125, samples=400)
    return write_survey(survey, folder, settings=lines)


@pytest.fixture
def small_project(small_survey):
    return gossan.load_project(small_survey)


def contents(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture(scope="session")
def whole(small_survey, tmp_path_factory):
    """Table 6 under both protocols, without a stop."""
    project = gossan.load_project(small_survey)
    folder = tmp_path_factory.mktemp("whole") / "run"
    return study(project, folder, tables=[2, 6], seeds=2, protocols=["strict", "paper"], jobs=1)


@pytest.mark.slow
def test_a_study_holds_every_run_and_says_that_it_is_smoke(whole):
    content = json.loads((whole.folder / "study.json").read_text())
    assert len(content["runs"]) == 2 * 2 * 4  # protocols, seeds, rows
    assert not content["failed"]
    assert content["head"].startswith("**Smoke")
    assert {run["protocol"] for run in content["runs"]} == {"strict", "paper"}
    assert (whole.folder / "fig7_rates_strict.png").stat().st_size > 10_000
    table = pd.read_csv(whole.folder / "table6_paper.csv")
    runs = [
        run for run in content["runs"] if run["protocol"] == "paper" and run["label"] == table["method"][0]
    ]
    assert table["auc_mean"][0] == pytest.approx(np.mean([run["measures"]["auc"] for run in runs]))
    gaps = content["protocol_gaps"]
    assert {gap["against"] for gap in gaps} == {"strict"}


@pytest.fixture
def places(tmp_path):
    """Where a study can be run beside this process: on two processes, on a local cluster of two workers."""
    file = tmp_path / "two.toml"
    file.write_text('kind = "local"\nworkers = 2\n', encoding="utf-8")
    return {"processes": {"jobs": 2}, "dask": {"cluster": file}}


def events(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


#: Connections that end with a killed worker are closed when the garbage is collected.
lost_connections = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


on_workers = pytest.mark.parametrize("where", ["processes", pytest.param("dask", marks=lost_connections)])


@pytest.mark.slow
@on_workers
def test_a_study_whose_worker_is_killed_has_the_bytes_of_the_serial_one(
    whole, small_project, places, tmp_path, where
):
    run, killed = tmp_path / "run", []

    def fitted():
        found = events(run) if (run / "log.jsonl").exists() else []
        return [each for each in found if each["event"] == "done" and "seed" in each["task"]]

    def kill():
        wait_until(lambda: len(fitted()) >= 4, 600)
        killed.append(max(children(os.getpid())))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    settings = {"tables": [2, 6], "seeds": 2, "protocols": ["strict", "paper"]}
    again = study(small_project, run, **settings, **places[where])
    killer.join()
    assert killed
    said = [each["event"] for each in events(run)]
    # A task of the dead process was begun again; on Dask a third worker came in its place.
    assert "lost" in said if where == "processes" else said.count("worker") >= 3
    assert not again.failed
    assert contents(again.folder) == contents(whole.folder)


@pytest.mark.slow
def test_a_study_stopped_three_times_at_random_ends_with_the_same_bytes(whole, small_project, tmp_path):
    rng = random.Random(5)
    stops = 0

    def stop_at(share):
        def report(done, left, label):
            if done > share:
                raise KeyboardInterrupt

        return report

    settings = {"tables": [2, 6], "seeds": 2, "protocols": ["strict", "paper"], "jobs": 1}
    for low in (0.1, 0.4, 0.7):
        with pytest.raises(KeyboardInterrupt):
            study(small_project, tmp_path / "run", on_progress=stop_at(low + rng.random() * 0.2), **settings)
        stops += 1
    again = study(small_project, tmp_path / "run", **settings)
    assert stops == 3
    assert contents(again.folder) == contents(whole.folder)


@pytest.mark.slow
def test_a_poisoned_run_is_reported_and_stops_nothing(small_project, tmp_path, monkeypatch):
    from gossan.pipeline import fits

    def poisoned(**given):
        if given["settings"]["model"]["rates"] is not None and given["seed"][3] == 1:
            raise DataError("poisoned on purpose; nothing is allowed here: take another seed")
        return real(**given)

    real = fits.fit
    monkeypatch.setattr(fits, "fit", poisoned)
    made = study(small_project, tmp_path / "run", tables=[6], seeds=2, jobs=1)
    assert len(made.failed) == 3 * 5  # rows other than the base, folds
    rows = {line["label"]: (line["runs"], line["failed"]) for line in made.lines}
    assert sorted(rows.values()) == [(1, 1), (1, 1), (1, 1), (2, 0)]


@pytest.mark.slow
@on_workers
def test_a_protocol_that_fails_on_a_worker_stops_nothing_of_the_other(small_survey, places, tmp_path, where):
    few = gossan.load_project(small_survey, ["windows.strides=[16]"])
    made = study(few, tmp_path / "run", tables=[6], seeds=1, protocols=["strict", "paper"], **places[where])
    assert "the paper's protocol draws 70 and 358" in made.failed["study design"]
    assert all("study design" in name or "paper 0" in name for name in made.failed)
    runs = {(line["protocol"], line["runs"], line["failed"]) for line in made.lines}
    assert runs == {("strict", 1, 0), ("paper", 0, 1)}


def test_what_is_no_table_seed_or_protocol_is_refused(small_project, tmp_path):
    for wrong in ({"tables": [7]}, {"seeds": 0}, {"protocols": ["loose"]}):
        with pytest.raises(UsageError, match="given"):
            study(small_project, tmp_path / "run", **wrong)
    assert not (tmp_path / "run").exists()
