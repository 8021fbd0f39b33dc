"""What a process does while it waits for others."""

import os
import sys
import threading
import time

import numpy as np
import pytest
from rasterio.errors import RasterioIOError

from gossan import io
from gossan.pipeline import meanwhile as module
from gossan.pipeline.meanwhile import meanwhile


def forever(go_on):
    while True:
        go_on()
        time.sleep(0.01)


def test_the_block_runs_beside_the_work_and_its_end_waits_for_it():
    order, begun = [], threading.Event()

    def do(go_on):
        begun.set()
        time.sleep(0.2)
        go_on()
        order.append("work")

    with meanwhile(do):
        assert begun.wait(10), "the work waits for the block"
        order.append("block")
    assert order == ["block", "work"]


@pytest.mark.skipif(sys.platform != "linux", reason="priorities of threads are Linux's")
def test_the_work_is_nicer_than_the_block():
    nice = []
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with meanwhile(lambda go_on: nice.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))):
        pass
    assert nice == [min(before + module.NICER, 19)]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_what_the_work_raises_is_raised_at_the_end_of_the_block():
    reached = []
    with pytest.raises(RasterioIOError, match="full"), meanwhile(full):
        reached.append(True)
    assert reached


def full(go_on):
    raise RasterioIOError("full")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_of_the_block_ends_the_work(error):
    start = time.monotonic()
    with pytest.raises(error, match="why"), meanwhile(forever):
        raise error("why")
    assert time.monotonic() - start < 5
    assert not any("ThreadPoolExecutor" in thread.name for thread in threading.enumerate())


def test_a_stack_whose_writing_is_ended_leaves_no_file(tmp_path):
    from run_folder import make_run

    calls = []

    def twice():
        calls.append(1)
        if len(calls) > 1:
            raise ZeroDivisionError

    made = make_run(600)
    with pytest.raises(ZeroDivisionError):
        io.write_stack(tmp_path / "stack.tif", made.stack, between=twice)
    assert not list(tmp_path.iterdir())
    io.write_stack(tmp_path / "stack.tif", made.stack)
    np.testing.assert_array_equal(io.read_stack(tmp_path / "stack.tif")["layers"], made.stack["layers"])
