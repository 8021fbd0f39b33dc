"""The same tasks on the workers of Dask: same bytes, same words, and lost workers survived."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import toy_tasks
from gossan import cli, io
from gossan.config import load_project
from gossan.errors import DataError, DataWarning, GossanWarning, MissingFileError, RunError, UsageError
from gossan.pipeline import run
from gossan.runs import Failure, Runner, Store, Task, connected
from gossan.runs.clusters import read_cluster, start_cluster
from gossan.runs.progress import Line
from gossan.runs.scale import _seen
from gossan.runs.tasks import Call
from gossan.synthetic import laboratory_table, synthetic_survey
from processes import children, wait_until

# Connections that end with a killed worker are closed when the garbage is collected.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TESTS = Path(__file__).parent
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
ENVIRONMENT["PYTHONPATH"] = os.pathsep.join([str(Path(io.__file__).parents[2]), str(TESTS)])


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A file that names a cluster of two workers on this machine."""
    file = tmp_path_factory.mktemp("cluster") / "two.toml"
    file.write_text('kind = "local"\nworkers = 2\n', encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def cluster(two):
    with connected(cluster=two) as found:
        yield found


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def contents(store):
    files = [file for file in store.folder.rglob("*") if file.is_file()]
    return {file.relative_to(store.folder).as_posix(): file.read_bytes() for file in files}


# ---- the same as here


def test_the_workers_of_dask_give_the_bytes_of_the_serial_run(cluster, tmp_path):
    stores = [Store(tmp_path / name) for name in ("serial", "dask")]
    for store, more in zip(stores, ({}, {"cluster": cluster}), strict=True):
        results = Runner(store, **more).run(toy_tasks.chain())
    assert results["total"]["total"] == results["slow-0"]["mean"] + results["slow-1"]["mean"]
    assert contents(stores[0]) == contents(stores[1])


def test_shares_grow_and_the_work_is_spread_over_the_workers(cluster, store):
    told, events = [], []
    runner = Runner(
        store,
        cluster=cluster,
        progress=lambda *each: told.append(each),
        log=lambda event, **fields: events.append((event, fields)),
    )
    runner.run(toy_tasks.chain(wait=0.05))
    shares = [share for share, _, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert len(set(shares)) > 5
    assert {label for _, _, label in told} == {"first", "slow-0", "slow-1", "total"}
    assert len({fields["address"] for event, fields in events if event == "worker"}) == 2
    pids = Runner(store, cluster=cluster).run(
        [Task(f"p{n}", "toy_tasks:process", {"number": n, "wait": 0.3}) for n in range(4)]
    )
    assert len({found["pid"] for found in pids.values()}) == 2
    assert os.getpid() not in {found["pid"] for found in pids.values()}


def test_a_warning_is_heard_once_more_when_its_task_was_done_before(cluster, store):
    for _ in range(2):
        with pytest.warns(DataWarning, match="2 rows dropped"):
            Runner(store, cluster=cluster).run([Task("a", "toy_tasks:warns")])


@pytest.mark.parametrize(
    ("function", "kind", "said"),
    [
        ("refuses", DataError, "3 ore windows, at least 4 are needed; take smaller windows"),
        ("breaks", RunError, "task bad failed: ZeroDivisionError: division"),
    ],
)
def test_an_error_has_the_words_that_it_has_here(cluster, store, function, kind, said):
    with pytest.raises(kind) as caught:
        Runner(store, cluster=cluster).run([Task("bad", f"toy_tasks:{function}")])
    assert str(caught.value) == said
    assert "Traceback" in caught.value.__notes__[0]


def test_a_task_keeps_to_its_threads(cluster, store):
    results = Runner(store, cluster=cluster).run([Task("two", "toy_tasks:threads", threads=2)])
    assert results["two"] == {"threads": [2], "variable": "2"}


@pytest.mark.parametrize("where", ["here", "processes", "dask"])
def test_a_poisoned_task_stops_those_that_need_it_and_no_other(cluster, store, where):
    more = {"here": {}, "processes": {"jobs": 2}, "dask": {"cluster": cluster}}[where]
    tasks = [
        *toy_tasks.chain(steps=2),
        Task("bad", "toy_tasks:breaks"),
        Task("after", "toy_tasks:total", {}, {"parts": ["bad", "slow-0"]}),
        Task("last", "toy_tasks:total", {"factor": 2}, {"parts": ["after"]}),
        Task("again", "toy_tasks:refuses"),
    ]
    found = Runner(store, **more).run(tasks, keep_going=True)
    failures = {name: each for name, each in found.items() if isinstance(each, Failure)}
    assert set(failures) == {"bad", "again", "after", "last"}
    assert failures["bad"].kind == "ZeroDivisionError"
    assert failures["last"].message == "task last needs bad, which failed"
    assert found["total"]["total"] == found["slow-0"]["mean"] + found["slow-1"]["mean"]
    with pytest.raises((RunError, DataError), match=r"task bad failed|3 ore windows"):
        Runner(store, **more).run(tasks)


def test_a_run_goes_on_from_the_checkpoints_that_a_serial_one_left(cluster, tmp_path, monkeypatch):
    class Stop(BaseException):
        pass

    def stop(share, left, label):
        if share > 0.3:
            raise Stop

    store, whole = Store(tmp_path / "store"), Store(tmp_path / "whole")
    with pytest.raises(Stop):
        Runner(store, progress=stop).run(toy_tasks.chain(wait=0.03))
    assert list(store.folder.glob("partial/*.npz"))
    Runner(store, cluster=cluster).run(toy_tasks.chain(wait=0.03))
    Runner(whole).run(toy_tasks.chain(wait=0.03))
    assert contents(store) == contents(whole)


def test_many_small_tasks_come_back_whole(cluster, store):
    tasks = [Task(f"t{n}", "toy_tasks:first", {"size": 2 + n % 50}) for n in range(300)]
    found = Runner(store, cluster=cluster).run(tasks)
    assert len(found) == 300
    np.testing.assert_array_equal(found["t7"]["field"], found["t57"]["field"])
    assert found["t49"]["field"].shape == (51, 51)


# ---- lost workers


@pytest.mark.parametrize("where", ["processes", "dask"])
def test_a_worker_killed_in_a_task_is_replaced_and_the_bytes_are_the_same(cluster, tmp_path, where):
    more = {"jobs": 2} if where == "processes" else {"cluster": cluster}
    store, whole, events = Store(tmp_path / "store"), Store(tmp_path / "whole"), []
    marks = tmp_path / "marks"
    marks.mkdir()
    place = {"folder": str(marks)}
    tasks = [*toy_tasks.chain(steps=5), Task("pid", "toy_tasks:hangs_once", {"number": 1}, places=place)]

    def kill():
        wait_until(lambda: list(marks.glob("pid-*")))
        (mark,) = marks.glob("pid-*")
        os.kill(int(mark.name.removeprefix("pid-")), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    found = Runner(store, log=lambda event, **fields: events.append((event, fields)), **more).run(tasks)
    killer.join()
    assert ("lost", {"task": "pid"}) in events
    assert found["pid"] == {"number": 1}
    Runner(whole).run(tasks)
    assert contents(store) == contents(whole)


@pytest.mark.parametrize("where", ["processes", "dask"])
def test_a_task_that_kills_its_workers_is_given_up_after_three_and_blames_no_other(cluster, store, where):
    more = {"jobs": 2} if where == "processes" else {"cluster": cluster}
    events = []
    runner = Runner(store, log=lambda event, **fields: events.append((event, fields)), **more)
    many = [Task(f"t{n}", "toy_tasks:first", {"size": n + 1}) for n in range(30)]
    found = runner.run([*many, Task("bad", "toy_tasks:dies", {"times": 9})], keep_going=True)
    assert [name for name, each in found.items() if isinstance(each, Failure)] == ["bad"]
    assert "task bad ended its process 3 times (out of memory?)" in found["bad"].message
    assert [fields for event, fields in events if event == "lost"] == 3 * [{"task": "bad"}]
    more_tasks = [Task(f"u{n}", "toy_tasks:first", {"size": n + 60}) for n in range(3)]
    with pytest.raises(RunError, match="task bad ended its process 3 times"):
        Runner(store, **more).run([Task("bad", "toy_tasks:dies", {"times": 99}), *more_tasks])


# ---- refusals, in one line


def test_a_worker_that_does_not_see_the_store_is_refused(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=r"does not see or cannot write the store /proc/self/cwd/store; put"):
        Runner(Store("/proc/self/cwd/store"), cluster=cluster).run(toy_tasks.chain())
    assert list((tmp_path / "store" / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("source_hash", lambda: "older", "has another source of gossan than this machine"),
        ("versions", lambda: {"numpy": "0.1"}, f"has numpy {np.__version__}, this machine 0.1; install"),
    ],
)
def test_a_worker_with_another_source_or_library_is_refused(cluster, store, monkeypatch, name, value, said):
    monkeypatch.setattr(f"gossan.runs.scale.{name}", value)
    with pytest.raises(RunError, match=re.escape(said)) as caught:
        Runner(store, cluster=cluster).run([Task("a", "toy_tasks:first", {"size": 2})])
    assert "\n" not in str(caught.value)
    assert not store.has("a")


def test_a_worker_that_computes_on_another_device_is_refused(cluster, store):
    from dataclasses import replace

    asked = replace(cluster, device="cpu")
    tasks = [Task("a", "toy_tasks:first", {"size": 2})]
    with pytest.raises(RunError, match=r"computes on cpu, this machine on cuda; set training\.device"):
        Runner(store, cluster=asked, device="cuda").run(tasks)
    assert set(Runner(store, cluster=asked, device="cpu").run(tasks)) == {"a"}


def test_a_worker_that_comes_late_with_another_source_is_left_out_with_a_warning(cluster, store):
    from gossan.runs.scale import Workers

    workers = Workers(cluster, store, "cpu", lambda *_, **__: None)
    with workers:
        first, second = sorted(workers._lines)
        del workers._lines[second]
        workers._reason = lambda *_: "worker x has another source"
        workers._next_look = 0.0
        with pytest.warns(GossanWarning, match="another source; it is left out"):
            list(workers._looked())
        assert list(workers._lines) == [first]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            workers._next_look = 0.0
            list(workers._looked())


def test_no_scheduler_and_no_worker_are_said_in_one_line(store, monkeypatch):
    monkeypatch.setattr("gossan.runs.scale._ANSWER", 0.5)
    with (
        pytest.raises(RunError, match=r"no scheduler of Dask answers at tcp://127\.0\.0\.1:9; start one"),
        connected("tcp://127.0.0.1:9"),
    ):
        pass
    from distributed import Client, LocalCluster

    from gossan.runs import Cluster

    with (
        LocalCluster(n_workers=0, dashboard_address=None, host="127.0.0.1") as empty,
        Client(empty, set_as_default=False) as client,
        pytest.raises(RunError, match=r"no worker at here for 0\.2 s; start some"),
    ):
        Runner(store, cluster=Cluster(client, "here", 0.2)).run(toy_tasks.chain())


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "http://h:1", "tcp://h", ""])
def test_an_address_of_another_form_is_refused(address):
    with pytest.raises(UsageError, match=r"it must be tcp://HOST:PORT"), connected(address):
        pass


def test_without_the_extra_one_line_says_what_to_install(two, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    there = lambda name: None if name in gone else find(name)  # noqa: E731
    gone = {"distributed"}
    monkeypatch.setattr("importlib.util.find_spec", there)
    for given in ({"scheduler": "tcp://127.0.0.1:9"}, {"cluster": two}):
        with pytest.raises(
            UsageError, match=r"distributed, which is not installed; pip install 'gossan\[scale\]'"
        ):
            connected(**given).__enter__()
    gone = {"dask_jobqueue"}
    file = tmp_path / "c.toml"
    file.write_text('kind = "SLURMCluster"\nworkers = 1\n', encoding="utf-8")
    with pytest.raises(UsageError, match="dask-jobqueue, which is not installed"):
        start_cluster(read_cluster(file)).__enter__()


def test_nothing_of_dask_distributed_is_loaded_before_it_is_asked_for():
    code = (
        "import sys, gossan.cli.commands, gossan.pipeline, gossan.runs; print('distributed' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


# ---- the cluster file


SLURM = """
kind = "SLURMCluster"
workers = 8
wait = 7200

[options]
queue = "short"
account = "geo"
memory = "8GB"
walltime = "02:00:00"
cores = 4
job_extra_directives = ["--exclusive"]
scheduler_options = {host = "127.0.0.1", dashboard_address = ":0"}
"""


def test_the_file_of_a_batch_system_becomes_its_job(tmp_path, monkeypatch):
    import dask_jobqueue

    asked = []
    monkeypatch.setattr(dask_jobqueue.SLURMCluster, "scale", lambda self, n: asked.append(n))
    file = tmp_path / "slurm.toml"
    file.write_text(SLURM, encoding="utf-8")
    with start_cluster(read_cluster(file)) as cluster:
        script = cluster.job_script()
    assert asked[0] == 8
    for line in ("-p short", "-A geo", "-n 1", "--cpus-per-task=4", "-t 02:00:00", "--exclusive"):
        assert f"#SBATCH {line}\n" in script
    assert re.search(r"dask[_. ]worker tcp://127\.0\.0\.1:\d+ ", script)
    assert "--nthreads 1 --memory-limit 1.86GiB --nworkers 4" in script


def test_yaml_says_the_same_as_toml(tmp_path):
    (tmp_path / "c.toml").write_text('kind = "local"\nworkers = 3\n[options]\nname = "a"\n', encoding="utf-8")
    (tmp_path / "c.yml").write_text("kind: local\nworkers: 3\noptions: {name: a}\n", encoding="utf-8")
    assert read_cluster(tmp_path / "c.toml") == read_cluster(tmp_path / "c.yml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('kind = "Slurm"\nworkers = 1', "kind = 'Slurm'; it must be one of local, HTCondorCluster"),
        ("workers = 1", "kind = None; it must be one of"),
        ('kind = "local"', "workers = None; it must be a number of 1 or more"),
        ('kind = "local"\nworkers = true', "workers = True"),
        ('kind = "local"\nworkers = 0', "workers = 0"),
        ('kind = "local"\nworkers = 1\nwait = 0', "wait = 0"),
        ('kind = "local"\nworkers = 1\nqueue = "a"', "'queue' given; a cluster file has kind, workers, wait"),
        ('kind = "local"\nworkers = 1\noptions = 3', "options must be a table"),
        ("kind = ", "cannot be read"),
        ("", "kind = None"),
    ],
)
def test_a_wrong_cluster_file_is_refused_in_one_line(tmp_path, text, said):
    file = tmp_path / "c.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=re.escape(said)) as caught:
        read_cluster(file)
    assert "\n" not in str(caught.value)
    with pytest.raises(MissingFileError, match="is not there"):
        read_cluster(tmp_path / "none.toml")


def test_an_option_that_its_class_does_not_have_is_refused(tmp_path):
    file = tmp_path / "c.toml"
    file.write_text(SLURM.replace("account", "acount"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"SLURMCluster: .*unexpected keyword argument 'acount'.*; correct"):
        start_cluster(read_cluster(file)).__enter__()


# ---- pieces


def test_a_line_gives_tasks_in_order_and_none_before_its_inputs():
    def call(name, *needs):
        return Call(name, "m:f", "{}", {"x": needs}, name, 1, 1.0)

    calls = {each.key: each for each in [call("a"), call("b", "a"), call("c"), call("d", "b", "c")]}
    line, order = Line(calls), []
    assert line.first is calls["a"]
    line.leave()
    assert line.first is calls["c"]
    line.back(calls["a"])
    while line:
        order.append(line.first.key)
        line.leave()
        line.done(calls[order[-1]])
    assert order == ["a", "b", "c", "d"]
    line = Line(calls)
    assert [each.key for each in line.drop(calls["a"])] == ["b", "d"]
    assert line.first is calls["a"] or line.first is calls["c"]


def test_a_result_that_is_seen_late_is_waited_for(store):
    writer = threading.Timer(0.3, lambda: store.put("a1", {"x": 1}))
    writer.start()
    assert _seen(store, "a1", 10)
    writer.join()
    assert not _seen(store, "b1", 0.1)


# ---- interrupted


@pytest.mark.parametrize("way", ["ctrl-c", "kill"])
def test_an_interrupted_run_leaves_no_process_of_its_cluster(two, tmp_path, store, way):
    trace = tmp_path / "trace.txt"
    process = subprocess.Popen(
        [sys.executable, toy_tasks.__file__, str(store.folder), "1", str(two)],
        env={**ENVIRONMENT, "TOY_TRACE": str(trace)},
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    wait_until(lambda: trace.exists() and trace.read_text().count("slow 3") == 2)
    below = children(process.pid)
    assert len(below) >= 2
    if way == "kill":
        process.kill()
        process.communicate()
        wait_until(lambda: not any(Path(f"/proc/{each}").exists() for each in below), 20)
        return
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1, errors
    assert "KeyboardInterrupt" in errors
    wait_until(lambda: not any(Path(f"/proc/{each}").exists() for each in below), 5)


def test_a_task_on_a_cluster_that_stays_ends_when_its_run_is_interrupted(
    cluster, store, tmp_path, monkeypatch
):
    class Stop(BaseException):
        pass

    def stop(share, left, label):
        if share > 0.2:
            raise Stop

    with pytest.raises(Stop):
        Runner(store, cluster=cluster, progress=stop).run(toy_tasks.chain(steps=400, wait=0.05))
    time.sleep(1.0)
    before = contents(store)
    time.sleep(0.5)
    assert contents(store) == before


# ---- the whole job


QUICK = [
    '[project]\ntruth = "truth.csv"',
    "[windows]\nsize = 16\nstrides = [16]",
    "[screen]\nenabled = false",
    '[model]\nname = "logistic-regression"',
    '[validation]\ntune = 1\nrivals = ["random-forest", "nearest-known"]',
]


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    folder = tmp_path_factory.mktemp("survey")
    made = synthetic_survey(3, size=160, resolution=243.75, samples=1500)
    return io.write_survey(made, folder, table=laboratory_table(made), settings=QUICK)


@pytest.fixture(scope="module")
def serial(survey, tmp_path_factory):
    return run(load_project(survey), tmp_path_factory.mktemp("serial") / "run", jobs=1).folder


def whole_run(folder):
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    del files["log.jsonl"]
    manifest = json.loads(files.pop("manifest.json").read_text(encoding="utf-8"))
    del manifest["times"], manifest["machine"]
    return {name: path.read_bytes() for name, path in files.items()} | {"manifest": manifest}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::gossan.errors.GossanWarning")
def test_a_run_on_dask_with_a_worker_killed_is_the_serial_run_to_the_byte(
    survey, serial, two, tmp_path, capsys
):
    killed = []

    def kill():
        log = tmp_path / "run" / "log.jsonl"
        wait_until(lambda: log.exists() and log.read_text().count('"done"') >= 4, 120)
        killed.append(worker := max(children(os.getpid())))
        os.kill(worker, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    code = cli.main(
        ["run", str(survey), "--out", str(tmp_path / "run"), "--cluster", str(two), "--jobs", "3"]
    )
    killer.join()
    assert code == 0
    assert killed
    assert "--jobs 3 has no effect with --cluster" in capsys.readouterr().err
    lines = (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    came = {each["address"] for each in map(json.loads, lines) if each["event"] == "worker"}
    assert len(came) >= 3  # the third is in place of the one that was killed
    mine, other = whole_run(tmp_path / "run"), whole_run(serial)
    assert mine.keys() == other.keys()
    assert [name for name in mine if mine[name] != other[name]] == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::gossan.errors.GossanWarning")
def test_a_run_by_the_address_of_a_scheduler_is_the_serial_run_to_the_byte(survey, serial, cluster, tmp_path):
    address = cluster.client.scheduler.address
    assert cli.main(["run", str(survey), "--out", str(tmp_path / "run"), "--scheduler", address]) == 0
    mine, other = whole_run(tmp_path / "run"), whole_run(serial)
    assert [name for name in mine | other if mine.get(name) != other.get(name)] == []


def test_the_command_line_refuses_two_places_and_what_is_not_there(tmp_path, capsys, monkeypatch):
    said = []
    monkeypatch.setattr("gossan.config.load_project", lambda *_: None)

    def stand_in(project, out, *, jobs, scheduler, cluster, on_progress):
        said.append((scheduler, cluster))
        with connected(scheduler, cluster):
            pass

    monkeypatch.setattr("gossan.pipeline.run", stand_in)
    (tmp_path / "p.toml").touch()
    given = ["run", str(tmp_path / "p.toml"), "--scheduler", "tcp://h:1", "--cluster", "c.toml"]
    assert cli.main(given) == 2
    assert "error: --scheduler and --cluster given" in capsys.readouterr().err
    assert cli.main([*given[:2], *given[4:]]) == 2
    assert "error: --cluster c.toml is not there" in capsys.readouterr().err
    assert said == [("tcp://h:1", Path("c.toml")), (None, Path("c.toml"))]
