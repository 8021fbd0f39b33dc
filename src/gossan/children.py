"""Processes that are started here: Ctrl-C ends their parent, which ends them, and they never outlive it."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process, resource_tracker

__all__ = ["as_child", "without_interruption"]


@contextmanager
def without_interruption() -> Iterator[None]:
    """Start processes and threads in the block that Ctrl-C does not reach: they inherit its mask."""
    resource_tracker.ensure_running()  # where it is not, starting a process starts it, and ends the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def as_child() -> None:
    """Leave Ctrl-C to the parent, and end when it is gone, however it went."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)
