"""Work that this process does while it waits for others."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

__all__ = ["GoOn", "meanwhile"]

#: To be called from time to time: it ends the work where nobody waits for it any more.
GoOn = Callable[[], None]

#: How much nicer than the others the work is: it takes what they leave of the processors.
NICER = 10


class _LeftError(Exception):
    """Ends what nobody waits for."""


@contextmanager
def meanwhile(do: Callable[[GoOn], None]) -> Iterator[None]:
    """Do something in a thread beside the block, whose end waits for it and raises what it raised.

    Where the block ends in an error, the work ends at its next `GoOn`.
    """
    left = threading.Event()

    def go_on() -> None:
        if left.is_set():
            raise _LeftError

    with ThreadPoolExecutor(1, initializer=_nicer) as pool:
        done = pool.submit(do, go_on)
        try:
            yield
            done.result()
        finally:
            left.set()


def _nicer() -> None:
    if sys.platform == "linux":  # elsewhere a priority is that of the whole process
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(os.getpriority(os.PRIO_PROCESS, thread) + NICER, 19))
