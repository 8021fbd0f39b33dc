"""The long ones: runs killed, starved and disturbed. `make soak` runs them with test_soak_readers.py."""

import os
import random
import resource
import shutil
import subprocess
import sys
import time

import pytest

from gossan import io
from gossan.synthetic import laboratory_table, synthetic_survey
from soak import SHARE, note
from test_pipeline import _contents

pytestmark = pytest.mark.soak

KILLS, PARTS = 50, 5  # parts, so that two workers share the work
DISKS = ["300k", "2m", "5m", "9m"]
#: A whole run in seconds: every kind of task but networks, audits and rivals.
SMALL = [
    *("[windows]", "size = 16", "strides = [16]", "[screen]", "enabled = false"),
    *("[model]", 'name = "logistic-regression"'),
    *("[validation]", "tune = 1", "rivals = []", "audit = []"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    survey = synthetic_survey(3, size=160, resolution=243.75, samples=400)
    folder = tmp_path_factory.mktemp("survey")
    return io.write_survey(survey, folder, table=laboratory_table(survey), settings=SMALL)


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


def killed(arguments, moment):
    """Run a command and kill it (kill -9) at a moment, in seconds; False where it ended well before that."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        code = process.wait(timeout=moment)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    assert code == 0
    return False


@pytest.mark.parametrize("part", range(PARTS))
def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(project, whole, tmp_path, part):
    chance, wanted = random.Random(part), max(1, round(KILLS / PARTS * SHARE))
    moments, runs, most, started = [], 0, 0, time.monotonic()
    while len(moments) < wanted:
        out, before = tmp_path / f"run-{runs}", len(moments)
        while len(moments) < wanted and killed(
            command(project, out), moment := chance.uniform(0.3, whole[1])
        ):
            moments.append(round(moment, 2))
        subprocess.run(command(project, out), check=True, capture_output=True)
        assert _contents(out) == _contents(whole[0])
        shutil.rmtree(out)
        runs, most = runs + 1, max(most, len(moments) - before)
    note(
        f"kill -9, part {part}",
        kills=len(moments),
        runs=runs,
        most_kills_of_one_run=most,
        seconds_of_a_whole_run=round(whole[1], 1),
        moments_s=moments,
        seconds=round(time.monotonic() - started),
    )


@pytest.mark.parametrize("most", [100, 5_000, 60_000, 150_000, 400_000])
def test_a_file_that_cannot_grow_ends_a_run_in_one_line_and_the_next_ends_whole(
    project, whole, tmp_path, most
):
    out = tmp_path / "run"
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))  # noqa: E731
    done = subprocess.run(
        command(project, out), capture_output=True, text=True, check=False, preexec_fn=limit
    )
    assert str(out) in refused(done, 1)
    assert not (out / "manifest.json").exists()
    subprocess.run(command(project, out), check=True, capture_output=True)
    assert _contents(out) == _contents(whole[0])
    note(f"file of at most {most} bytes", said=refused(done, 1).replace(str(tmp_path), "..."))


def own_disk(script, *arguments):
    """Run a shell script where it may mount a disk of its own, which goes with it."""
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("size", DISKS)
def test_a_full_disk_ends_a_run_in_one_line_and_the_next_one_ends_whole(project, whole, tmp_path, size):
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    if own_disk('mount -t tmpfs -o size=300k none "$1"', str(disk)).returncode:
        pytest.skip("this system lets no process mount a disk of its own")
    script = (
        'mount -t tmpfs -o size="$1" none "$2"; out=$3; shift 3; '
        '"$@"; code=$?; test -e "$out/manifest.json" && exit 99; '
        'mount -o remount,size=1g "${out%/run}" && "$@" > /dev/null 2>&1 && cp -r "$out" "$out/../../kept" '
        "&& exit $code || exit 98"
    )
    out = disk / "run"
    done = own_disk(script, size, str(disk), str(out), *command(project, out))
    said = refused(done, 1)
    assert str(out) in said
    assert _contents(kept) == _contents(whole[0])
    note(f"disk of {size}", said=said.replace(str(tmp_path), "..."))


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
    note(f"{name} changed during a run", exit_code=process.returncode)


def test_of_two_runs_into_one_folder_one_is_refused_and_one_ends_whole(project, whole, tmp_path):
    turns = max(1, round(5 * SHARE))
    for number in range(turns):
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
    note("two runs into one folder", turns=turns)
