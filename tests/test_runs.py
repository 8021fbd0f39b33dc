import collections
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from shapely import Point

import toy_tasks
from gossan.errors import BusyError, DataError, DataWarning, RunError, UsageError
from gossan.runs import RunFolder, Runner, Store, StoreCheckpoint, Task, file_hash, task_key
from gossan.runs.work import limited
from gossan.survey import make_stack

GRID = GeoBox((3, 4), Affine(100, 0, 500000, 0, -100, 4000300), "EPSG:32650")


@pytest.fixture(autouse=True)
def frozen(monkeypatch):
    monkeypatch.setattr("gossan.runs.runner.source_hash", lambda: "frozen")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def trace(tmp_path, monkeypatch):
    file = tmp_path / "trace.txt"
    monkeypatch.setenv("TOY_TRACE", str(file))
    return lambda: file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def contents(store):
    """Every finished byte of a store."""
    files = [file for file in store.folder.rglob("*") if file.is_file()]
    return {file.relative_to(store.folder).as_posix(): file.read_bytes() for file in files}


# ---- values and the store


def test_arrays_tables_and_json_come_back_as_they_were(store):
    table = pd.DataFrame(
        {"n": [1, 2], "x": [0.5, np.nan], "ore": [True, False], "name": ["a", None]}, index=[7, 9]
    )
    table.index.name = "number"
    value = {
        "big": np.arange(30000.0).reshape(100, 300),
        "empty": np.zeros((0, 3), dtype=np.int16),
        "text": np.array(["Cu", "Au"]),
        "table": table,
        "nested": {"b": [1, None, {"a": True}], "a": [float("inf"), np.float32(0.5)]},
    }
    store.put("k" * 64, value)
    found = store.get("k" * 64)
    assert list(found) == list(value)
    for name in ("big", "empty", "text"):
        np.testing.assert_array_equal(found[name], value[name])
        assert found[name].dtype == value[name].dtype
    pd.testing.assert_frame_equal(found["table"], table)
    assert found["nested"] == {"b": [1, None, {"a": True}], "a": [float("inf"), 0.5]}
    assert list(found["nested"]) == ["b", "a"]


def test_a_large_array_is_mapped_from_disk_and_cannot_be_written_to(store):
    store.put("a1", {"big": np.zeros(100_000)})
    big = store.get("a1")["big"]
    assert isinstance(big, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        big[0] = 1


def test_a_stack_keeps_its_grid_and_its_layers_mapped(store):
    layers = {"Cu": np.arange(12, dtype=np.float32).reshape(3, 4), "Au": np.full((3, 4), np.nan, np.float32)}
    classes = np.zeros((3, 4), dtype=np.int16)
    stack = make_stack(GRID, layers, {"Cu": "log10(ppm)"}, classes=classes, class_names=["granite"])
    store.put("a1", {"stack": stack, "grid": GRID})
    found = store.get("a1")
    assert found["grid"] == GRID
    assert found["stack"].odc.geobox == GRID
    assert found["stack"].identical(stack)
    assert found["stack"].layers.dtype == np.float32


def test_geometry_comes_back_with_its_crs_and_its_gaps(store):
    table = gpd.GeoDataFrame(
        {"unit": ["a", "b", "c"]}, geometry=[Point(1, 2), None, Point(3, 4)], crs="EPSG:32650"
    )
    store.put("a1", {"table": table})
    found = store.get("a1")["table"]
    assert found.crs == table.crs
    assert found.geometry.isna().tolist() == [False, True, False]
    pd.testing.assert_frame_equal(found, table)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_any_json_survives_the_tree(value):
    from gossan.runs.values import decode, encode

    tree = json.loads(json.dumps(encode(value, save=lambda array: ""), allow_nan=False))
    assert decode(tree, load=lambda name, own: np.zeros(0)) == value


@pytest.mark.parametrize(
    "value",
    [
        object(),
        np.array([object()]),
        {1: "a"},
        {"$kind": "array"},
        np.ma.masked_array([1.0], [True]),
        pd.DataFrame({"a": pd.Categorical(["x"])}),
        pd.DataFrame({"a": [object()]}),
    ],
)
def test_what_would_need_a_pickle_is_refused_and_leaves_nothing(store, value):
    with pytest.raises(TypeError, match="cannot be kept"):
        store.put("a1", {"value": value})
    assert not store.has("a1")
    assert list(store.folder.glob("tmp/*")) == []


@pytest.mark.parametrize("damage", ["missing", "cut", "entry", "empty entry"])
def test_a_damaged_entry_counts_as_missing_and_is_replaced(store, damage):
    store.put("a1", {"field": np.ones(100)})
    file = store.folder / "a1" / "a1" / ("0.npy" if damage in ("missing", "cut") else "entry.json")
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(b"" if damage == "empty entry" else file.read_bytes()[:-3])
    assert not store.has("a1")
    with pytest.raises(KeyError):
        store.get("a1")
    store.put("a1", {"field": np.ones(100)})
    assert store.get("a1")["field"].sum() == 100
    assert list(store.folder.glob("tmp/*")) == []


def test_an_entry_is_never_changed(store):
    store.put("a1", {"x": 1})
    store.put("a1", {"x": 2})
    assert store.get("a1") == {"x": 1}


def test_what_killed_processes_left_is_swept_and_what_live_ones_write_is_not(store):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    mine = store.temporary("a1")
    mine.mkdir(parents=True)
    left = mine.with_name(mine.name.replace(f"-{os.getpid()}-", f"-{ended.pid}-"))
    left.mkdir()
    store.sweep()
    assert mine.exists()
    assert not left.exists()


def test_a_checkpoint_keeps_the_latest_state_and_survives_damage(store):
    checkpoint = StoreCheckpoint(store, "a1")
    assert checkpoint.load() is None
    checkpoint.save({"epoch": 1, "file": np.arange(3)})
    checkpoint.save({"epoch": 2, "file": np.arange(4), "best": None})
    state = StoreCheckpoint(store, "a1").load()
    assert state is not None
    np.testing.assert_array_equal(state.pop("file"), np.arange(4))
    assert state == {"epoch": 2, "best": None}
    file = store.folder / "partial" / "a1.npz"
    file.write_bytes(file.read_bytes()[:-40])
    assert checkpoint.load() is None
    checkpoint.clear()
    assert not file.exists()


# ---- keys


def test_a_key_depends_on_all_that_can_change_the_result_and_on_nothing_else():
    task = Task("a", "m:f", {"x": 1, "y": 2}, {"arg": "b"})
    base = task_key(task, {"arg": "k1"}, {"threads": 1})
    same = Task("other", "m:f", {"y": 2, "x": 1}, {"arg": "c"}, weight=9)
    assert task_key(same, {"arg": "k1"}, {"threads": 1}) == base
    assert task_key(Task("a", "m:g", task.settings), {"arg": "k1"}, {"threads": 1}) != base
    assert task_key(Task("a", "m:f", {"x": 1}), {"arg": "k1"}, {"threads": 1}) != base
    assert task_key(task, {"arg": "k2"}, {"threads": 1}) != base
    assert task_key(task, {"arg": "k1"}, {"threads": 2}) != base


def test_a_changed_setting_changes_the_keys_of_all_that_follow(store):
    runner = Runner(store)
    before, after = runner.keys(toy_tasks.chain(steps=3)), runner.keys(toy_tasks.chain(steps=9))
    assert before["first"] == after["first"]
    assert before["slow-0"] != after["slow-0"]
    assert before["total"] != after["total"]
    assert Runner(store, device="cuda").keys(toy_tasks.chain())["first"] != before["first"]


# ---- the runner


def test_what_is_in_the_store_is_not_run_again(store, trace):
    results = Runner(store).run(toy_tasks.chain(steps=3))
    assert results["total"]["total"] == results["slow-0"]["mean"] + results["slow-1"]["mean"]
    before = trace()
    assert before.count("first") == 1
    Runner(store).run(toy_tasks.chain(steps=3))
    assert trace() == before
    tasks = toy_tasks.chain(steps=3)
    tasks[0] = Task("total", "toy_tasks:total", {"factor": 2}, tasks[0].inputs)
    assert Runner(store).run(tasks)["total"]["total"] == 2 * results["total"]["total"]
    assert trace() == [*before, "total"]


def test_equal_work_under_two_names_is_done_once(store, trace):
    tasks = [Task(name, "toy_tasks:first", {"size": 3}) for name in ("a", "b")]
    results = Runner(store).run(tasks)
    np.testing.assert_array_equal(results["a"]["field"], results["b"]["field"])
    assert trace() == ["first"]


def test_a_damaged_result_is_made_again(store, trace):
    key = Runner(store).keys(toy_tasks.chain(steps=3))["slow-0"]
    before = Runner(store).run(toy_tasks.chain(steps=3))["slow-0"]["field"].copy()
    (store.folder / key[:2] / key / "0.npy").unlink()
    after = Runner(store).run(toy_tasks.chain(steps=3))["slow-0"]["field"]
    np.testing.assert_array_equal(before, after)
    assert trace().count("slow 0") == 3


def test_parallel_equals_serial_to_the_bit(tmp_path):
    stores = [Store(tmp_path / name) for name in ("serial", "parallel")]
    for store, jobs in zip(stores, (1, 2), strict=True):
        Runner(store, jobs=jobs).run(toy_tasks.chain())
    assert contents(stores[0]) == contents(stores[1])


@pytest.mark.parametrize("jobs", [1, 2])
def test_numerical_libraries_keep_to_a_tasks_threads(store, jobs):
    tasks = [Task("one", "toy_tasks:threads"), Task("two", "toy_tasks:threads", threads=2)]
    results = Runner(store, jobs=jobs).run(tasks)
    assert results["one"] == {"threads": [1], "variable": "1"}
    assert results["two"] == {"threads": [2], "variable": "2"}


def test_limits_end_with_their_block(monkeypatch):
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    with limited(1):
        assert os.environ["MKL_NUM_THREADS"] == os.environ["OMP_NUM_THREADS"] == "1"
    assert "MKL_NUM_THREADS" not in os.environ
    assert os.environ["OMP_NUM_THREADS"] == "5"


def with_filler(task):
    """Two tasks, so that processes are used where there are several."""
    return [task, Task("filler", "toy_tasks:first", {"size": 2})]


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("function", "kind", "said"),
    [
        ("refuses", DataError, "3 ore windows, at least 4 are needed; take smaller windows"),
        ("breaks", RunError, "task bad failed: ZeroDivisionError: division"),
        (
            "unkeepable",
            RunError,
            "task bad failed: TypeError: a object cannot be kept; return arrays, tables, stacks or JSON",
        ),
    ],
)
def test_an_error_of_ours_stays_itself_and_any_other_becomes_one_line(store, jobs, function, kind, said):
    events = []
    runner = Runner(store, jobs=jobs, log=lambda event, **fields: events.append((event, fields)))
    with pytest.raises(kind) as caught:
        runner.run(with_filler(Task("bad", f"toy_tasks:{function}")))
    assert str(caught.value) == said
    assert "Traceback" in caught.value.__notes__[0]
    assert any(event == "failed" and "Traceback" in fields["traceback"] for event, fields in events)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_warning_reaches_the_caller_also_when_its_task_was_done_before(store, trace, jobs):
    for _ in range(2):
        with pytest.warns(DataWarning, match="2 rows dropped"):
            Runner(store, jobs=jobs).run(with_filler(Task("a", "toy_tasks:warns")))
    assert trace().count("warns") == 1


def test_a_worker_that_dies_is_replaced_once(store):
    runner = Runner(store, jobs=2)
    assert runner.run(with_filler(Task("a", "toy_tasks:dies", {"times": 1})))["a"] == {"count": 1}
    with pytest.raises(RunError, match="task a ended its process 3 times"):
        runner.run([*with_filler(Task("a", "toy_tasks:dies", {"times": 5})), *toy_tasks.chain(steps=1)])


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ([Task("a", "m:f", inputs={"x": "b"})], "not in the list: b"),
        ([Task("a", "m:f", inputs={"x": "b"}), Task("b", "m:f", inputs={"x": ["a"]})], "need each other"),
        ([Task("a", "m:f"), Task("a", "m:g")], "same name"),
    ],
)
def test_a_list_that_cannot_be_ordered_is_refused(store, tasks, said):
    with pytest.raises(RunError, match=said):
        Runner(store).run(tasks)


@pytest.mark.parametrize("jobs", [1, 2])
def test_progress_rises_by_weight_to_one_and_tells_the_time_left(store, jobs):
    told = []
    Runner(store, jobs=jobs, progress=lambda *each: told.append(each)).run(toy_tasks.chain(wait=0.02))
    shares = [share for share, _, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert len(set(shares)) > 5
    assert told[0][1] is None
    assert any(left is not None and 0 < left < 20 for _, left, _ in told[1:])
    assert {label for _, _, label in told} == {"first", "slow-0", "slow-1", "total"}


def pids(runner, first, count=2):
    tasks = [
        Task(f"p{n}", "toy_tasks:process", {"number": n, "wait": 0.3}) for n in range(first, first + count)
    ]
    return {result["pid"] for result in runner.run(tasks).values()}


def test_runs_of_a_block_share_their_processes_which_end_with_it(store, trace):
    runner = Runner(store, jobs=2)
    one_by_one = [
        Task("a", "toy_tasks:process", {"number": -1, "wait": 2}),
        Task("b", "toy_tasks:after", {}, {"source": "a"}),
    ]
    with runner.held(["toy_tasks:break_ahead", "toy_tasks:wait_ahead"]):
        runner.run(one_by_one)
        wait_until(trace)
        (waited,) = {int(line.split()[1]) for line in trace()}  # the other, which had nothing to do
        shared = pids(runner, 0)
        assert pids(runner, 2) == shared
    assert waited in shared
    assert len(shared) == 2
    for pid in shared:
        wait_until(lambda pid=pid: not Path(f"/proc/{pid}").exists())
    assert pids(runner, 4).isdisjoint(shared)


def test_a_block_in_which_a_task_fails_leaves_no_process(store):
    runner, shared = Runner(store, jobs=2), set()

    def fail():
        with runner.held():
            shared.update(pids(runner, 0))
            others = {"number": 9, "wait": 5}
            runner.run([Task("a", "toy_tasks:breaks"), Task("b", "toy_tasks:process", others)])

    with pytest.raises(RunError, match="division"):
        fail()
    assert len(shared) == 2
    for pid in shared:
        wait_until(lambda pid=pid: not Path(f"/proc/{pid}").exists())


def test_one_job_is_done_here_in_a_block_too(store):
    runner = Runner(store)
    with runner.held():
        assert pids(runner, 0) == {os.getpid()}


# ---- killed and interrupted


def start(store, trace_file, jobs):
    environment = {**os.environ, "TOY_TRACE": str(trace_file), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, toy_tasks.__file__, str(store.folder), str(jobs)]
    return subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, start_new_session=True, text=True
    )


def wait_until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_killed_in_a_task_goes_on_there_and_ends_with_the_same_bytes(tmp_path, store, trace, jobs):
    process = start(store, tmp_path / "trace.txt", jobs)
    wait_until(lambda: "slow 5" in trace())
    process.kill()
    process.communicate()
    time.sleep(0.5)  # its workers notice it at the end of a step, and must not do one beside the next runner
    results = Runner(store).run(toy_tasks.chain(wait=0.05))
    assert trace().count("first") == 1
    # a kill between a step and its state has the step done again, and only that one
    steps = collections.Counter(line for line in trace() if line.startswith("slow"))
    wanted = collections.Counter([f"slow {step}" for step in range(20)] * 2 + ["slow 20"])
    assert steps >= wanted, "a step was never done"
    assert (steps - wanted).total() <= jobs, "more than the step that the kill fell into was done again"
    undisturbed = Store(tmp_path / "undisturbed")
    Runner(undisturbed).run(toy_tasks.chain(wait=0.05))
    assert contents(store) == contents(undisturbed)
    assert results["total"]["total"] == Runner(undisturbed).run(toy_tasks.chain(wait=0.05))["total"]["total"]


def test_workers_end_with_a_killed_runner(tmp_path, store, trace):
    process = start(store, tmp_path / "trace.txt", 2)
    wait_until(lambda: trace().count("slow 3") == 2)
    process.kill()
    process.communicate()
    time.sleep(0.5)
    before = trace()
    time.sleep(0.3)
    assert trace() == before


def test_ctrl_c_ends_the_workers_at_once_and_keeps_what_is_done(tmp_path, store, trace):
    process = start(store, tmp_path / "trace.txt", 2)
    wait_until(lambda: trace().count("slow 3") == 2)
    asked = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert time.monotonic() - asked < 3
    assert process.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1, errors
    assert store.has(Runner(store).keys(toy_tasks.chain())["first"])


# ---- the run folder


def publish(folder, files):
    for name, text in files.items():
        (folder.staging / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.staging / name).write_text(text, encoding="utf-8")
    folder.publish(
        project="p", settings="[project]", inputs={"a.csv": "0"}, tasks={"read": "k"}, times={"s": 1}
    )


def test_a_published_run_is_whole_and_its_manifest_describes_it(tmp_path):
    with RunFolder(tmp_path / "deep" / "run") as folder:
        folder.log("done", task="a")
        assert not folder.complete
        publish(folder, {"metrics.json": "{}", "model/model.json": "{}"})
    manifest = json.loads((folder.path / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["format"] == 1
    names = ("metrics.json", "model/model.json")
    assert manifest["files"] == {name: file_hash(folder.path / name) for name in names}
    fields = {"format", "version", "project", "settings", "inputs", "tasks", "files", "versions"}
    assert set(manifest) == fields | {"times", "machine"}
    assert {file.name for file in folder.path.iterdir()} == {
        *(".lock", "log.jsonl", "manifest.json", "metrics.json", "model")
    }
    assert (folder.path / ".lock").read_bytes() == b""
    (line,) = (folder.path / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["event"] == "done"


def test_a_second_run_replaces_the_first_and_removes_what_it_no_longer_has(tmp_path):
    for files in ({"a.txt": "1", "b.txt": "1"}, {"a.txt": "2"}):
        with RunFolder(tmp_path / "run") as folder:
            publish(folder, files)
    assert (folder.path / "a.txt").read_text(encoding="utf-8") == "2"
    assert not (folder.path / "b.txt").exists()


def test_publishing_stopped_half_way_leaves_no_manifest_and_the_next_run_cleans_up(tmp_path, monkeypatch):
    with RunFolder(tmp_path / "run") as folder:
        publish(folder, {"a.txt": "1", "b.txt": "1", "old.txt": "1"})
    replace = Path.replace

    def stopped(self, target):
        if self.name == "b.txt":
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stopped)
    with pytest.raises(KeyboardInterrupt), RunFolder(tmp_path / "run") as folder:
        publish(folder, {"a.txt": "2", "b.txt": "2"})
    assert not folder.complete
    monkeypatch.undo()
    with RunFolder(tmp_path / "run") as folder:
        publish(folder, {"a.txt": "2", "b.txt": "2"})
    assert {file.name for file in folder.path.iterdir()} == {".lock", "a.txt", "b.txt", "manifest.json"}


def test_a_folder_is_worked_in_by_one_process(tmp_path):
    with RunFolder(tmp_path / "run"):
        with pytest.raises(BusyError, match="another process works in"), RunFolder(tmp_path / "run"):
            pass
        assert (tmp_path / "run" / ".staging").exists()
    with RunFolder(tmp_path / "run"):
        pass


def fail(folder, error, computed=True):
    with folder:
        (folder.staging / "a.txt").write_text("half", encoding="utf-8")
        folder.log("task", name="read")
        if computed:
            Store(folder.store).put("a1", {})
        raise error


@pytest.mark.parametrize("error", [UsageError("no column Cu"), DataError("no deposit inside")])
def test_a_refusal_leaves_nothing_behind_even_after_some_work(tmp_path, error):
    with pytest.raises(type(error)):
        fail(RunFolder(tmp_path / "deep" / "run"), error)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("computed", "left"), [(False, set()), (True, {".lock", "log.jsonl", "entry.json"})])
def test_a_broken_run_keeps_its_log_and_store_only_when_something_was_computed(tmp_path, computed, left):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(RunError):
        fail(folder, RunError("broken"), computed=computed)
    assert {file.name for file in tmp_path.rglob("*") if file.is_file()} == left


def test_an_earlier_run_survives_a_failed_one(tmp_path):
    with RunFolder(tmp_path / "run") as folder:
        publish(folder, {"a.txt": "1"})
    with pytest.raises(DataError):
        fail(folder, DataError("refused"))
    assert folder.complete
    assert (folder.path / "a.txt").read_text(encoding="utf-8") == "1"


def test_a_foreign_folder_a_file_and_a_closed_place_are_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(UsageError, match="not empty and holds no run"), RunFolder(tmp_path):
        pass
    with pytest.raises(UsageError, match="is a file"), RunFolder(tmp_path / "letter.txt"):
        pass
    with pytest.raises(UsageError, match="cannot write into"), RunFolder("/proc/run"):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["letter.txt"]


def test_no_warning_is_lost_or_invented_by_a_quiet_task(store):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Runner(store).run([Task("a", "toy_tasks:first", {"size": 2})])
