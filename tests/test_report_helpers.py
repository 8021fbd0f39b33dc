"""Processes that draw beside the one that writes the report."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from gossan.report.helpers import Shared, helpers


def nothing():
    """Import nothing."""


def pid(folder, name):
    time.sleep(0.05)
    with (folder / "done.txt").open("a") as file:
        file.write(f"{name}\n")
    return name, os.getpid()


def work(folder):
    return {name: partial(pid, folder, name) for name in "abcdefghijklmnopqrstuvwxyz"}


def deadly(folder, here):
    """Kill whoever is not process `here`."""
    return {name: partial(pid_or_death, folder, here, name) for name in "ab"}


def pid_or_death(folder, here, name):
    if os.getpid() != here:
        os.kill(os.getpid(), signal.SIGKILL)
    return pid(folder, name)


def faulty(here):
    return {"a": partial(time.sleep, 1), "b": partial(divide, os.getpid() == here)}


def divide(by):
    return 1 / by


def test_the_work_is_done_once_by_both_and_comes_in_order(tmp_path):
    with helpers(1, nothing) as by:
        by.pool.submit(nothing).result()
        results = Shared(work, (tmp_path,), by).results()
        assert by.folder.is_dir()
    assert not by.folder.exists()
    assert list(results) == list(work(tmp_path))
    assert [name for name, _ in results.values()] == list(results)
    assert sorted((tmp_path / "done.txt").read_text().split()) == sorted(results)
    who = {results["a"][1], results["z"][1]}
    assert results["a"][1] == os.getpid()
    assert {each for _, each in results.values()} == who
    assert len(who) == 2
    helper = next(iter(who - {os.getpid()}))
    end = time.monotonic() + 10
    while Path(f"/proc/{helper}").exists():
        assert time.monotonic() < end, "a helper is left behind"
        time.sleep(0.01)


def test_helpers_begin_before_this_process_asks_for_results(tmp_path):
    with helpers(1, nothing) as by:
        shared = Shared(work, (tmp_path,), by)
        end = time.monotonic() + 20
        while not (tmp_path / "done.txt").exists() or len((tmp_path / "done.txt").read_text()) < 6:
            assert time.monotonic() < end, "no helper begins"
            time.sleep(0.01)
        results = shared.results()
    assert os.getpid() not in {results[name][1] for name in "xyz"}


def test_without_helpers_it_is_done_here(tmp_path):
    with helpers(0, nothing) as by:
        assert by is None
        results = Shared(work, (tmp_path,), by).results()
    assert {who for _, who in results.values()} == {os.getpid()}


# a thread of the pool may still be writing to the process that died
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_a_helper_died_of_is_done_here(tmp_path):
    with helpers(1, nothing) as by:
        results = Shared(deadly, (tmp_path, os.getpid()), by).results()
        assert results == {name: (name, os.getpid()) for name in "ab"}
        # and so is everything once they are all dead
        assert list(Shared(work, (tmp_path,), by).results()) == list(work(tmp_path))


def test_an_error_of_a_helper_is_raised_here():
    with helpers(1, nothing) as by:
        by.pool.submit(nothing).result()
        with pytest.raises(ZeroDivisionError):
            Shared(faulty, (os.getpid(),), by).results()
