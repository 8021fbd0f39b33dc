"""Processes that draw beside the one that writes the report."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from gossan.report.helpers import helpers, shared_out


def nothing():
    """Import nothing."""


def pid(folder, name):
    time.sleep(0.05)
    with (folder / "done.txt").open("a") as file:
        file.write(f"{name}\n")
    return name, os.getpid()


def read(folder):
    return {name: partial(pid, folder, name) for name in "abcdefghijklmnopqrstuvwxyz"}


def die(folder):
    return dict.fromkeys("ab", partial(os.kill, os.getpid(), signal.SIGKILL))


def refuse(folder):
    return {"a": partial(divide, 1), "b": partial(divide, 0)}


def divide(by):
    return 1 / by


def test_the_work_is_done_once_by_both_and_comes_in_order(tmp_path):
    with helpers(1, nothing) as pool:
        pool.submit(nothing).result()
        results = shared_out(read, tmp_path, read(tmp_path), pool)
    assert list(results) == list(read(tmp_path))
    assert [name for name, _ in results.values()] == list(results)
    assert sorted((tmp_path / "done.txt").read_text().split()) == sorted(results)
    by = {results["a"][1], results["z"][1]}
    assert results["a"][1] == os.getpid()
    assert {who for _, who in results.values()} == by
    assert len(by) == 2
    helper = next(iter(by - {os.getpid()}))
    end = time.monotonic() + 10
    while Path(f"/proc/{helper}").exists():
        assert time.monotonic() < end, "a helper is left behind"
        time.sleep(0.01)


def test_without_helpers_it_is_done_here(tmp_path):
    with helpers(0, nothing) as pool:
        assert pool is None
        results = shared_out(read, tmp_path, read(tmp_path), pool)
    assert {who for _, who in results.values()} == {os.getpid()}


# a thread of the pool may still be writing to the process that died
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_a_helper_died_of_is_done_here(tmp_path):
    with helpers(1, nothing) as pool:
        results = shared_out(die, tmp_path, {name: partial(pid, tmp_path, name) for name in "ab"}, pool)
    assert results == {name: (name, os.getpid()) for name in "ab"}
    # and so is everything once they are all dead
    assert shared_out(read, tmp_path, {"a": partial(divide, 2)}, pool) == {"a": 0.5}


def test_an_error_of_a_helper_is_raised_here(tmp_path):
    with helpers(1, nothing) as pool:
        pool.submit(nothing).result()
        with pytest.raises(ZeroDivisionError):
            shared_out(refuse, tmp_path, {"a": partial(time.sleep, 1), "b": nothing}, pool)
