"""Where tasks are done: in this process, or on local ones. `gossan.runs.scale` has the one for Dask."""

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing.connection import wait
from typing import Any, Protocol, Self

from gossan.children import without_interruption
from gossan.runs.store import Store
from gossan.runs.tasks import Call
from gossan.runs.work import Outcome, limited, perform, serve

__all__ = ["Executor", "Here", "Processes", "Share"]

#: Called with a task and the share of it that is done.
Share = Callable[[Call, float], None]

#: The others are started when they are needed.
_STARTED_AHEAD = 4


class Executor(Protocol):
    """Does tasks somewhere; what is not done when its ``with`` block ends is given up at once."""

    def __enter__(self) -> Self:
        """Make ready."""

    def __exit__(self, *_: object) -> None:
        """Give up what is being done."""

    def take(self, call: Call) -> bool:
        """Begin a task; False when there is no room for one more, and the task is left with the caller."""

    def ended(self, share: Share) -> Iterator[tuple[Call, Outcome | None]]:
        """Wait for news and give the tasks that ended; None for one whose process died.

        Shares done are handed to `share`. It may give nothing; the caller asks again.
        """


class Here:
    """Does tasks in this process, one after the other."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._call: Call | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._call = None

    def take(self, call: Call) -> bool:
        """Take one task."""
        if self._call is not None:
            return False
        self._call = call
        return True

    def ended(self, share: Share) -> Iterator[tuple[Call, Outcome | None]]:
        """Do the task."""
        call, self._call = self._call, None
        if call is not None:
            yield call, perform(self._store, call, partial(share, call))


class Processes:
    """Does tasks on processes of this machine, started when they are needed.

    Parameters
    ----------
    most
        Number of processes.
    threads
        Threads that numerical libraries are held to while the processes load them.
    ahead
        Functions (``module:function``) that a process calls while it has no task, such as long imports.
        With any, the first processes are all started with the first task.
    """

    def __init__(self, store: Store, most: int, threads: int, ahead: Sequence[str] = ()) -> None:
        self._store = store
        self._most = most
        self._threads = threads
        self._ahead = tuple(ahead)
        self._idle: list[_Worker] = []
        self._busy: dict[Any, tuple[_Worker, Call]] = {}
        self._block = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._block.enter_context(limited(self._threads))
        return self

    def __exit__(self, *_: object) -> None:
        with self._block:
            for worker in [*self._idle, *(worker for worker, _ in self._busy.values())]:
                worker.stop()

    def take(self, call: Call) -> bool:
        """Hand a task to a free process."""
        if not self._idle:
            if len(self._busy) >= self._most:
                return False
            self._idle.append(_Worker(self._store, self._ahead))
        worker = self._idle.pop()
        self._busy[worker.connection] = (worker, call)
        with contextlib.suppress(OSError):  # it died idle, which its silence will tell
            worker.connection.send(call)
        while self._ahead and len(self._idle) + len(self._busy) < min(self._most, _STARTED_AHEAD):
            self._idle.append(_Worker(self._store, self._ahead))
        return True

    def ended(self, share: Share) -> Iterator[tuple[Call, Outcome | None]]:
        """Wait for one message at least; a process that says nothing more has died."""
        for connection in wait(list(self._busy)):
            worker, call = self._busy[connection]
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                message = None
            if isinstance(message, float):
                share(call, message)
                continue
            del self._busy[connection]
            self._idle.append(worker) if message else worker.stop()
            yield call, message


class _Worker:
    def __init__(self, store: Store, ahead: Sequence[str]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, str(store.folder), ahead), daemon=True)
        with without_interruption():
            self._process.start()
        theirs.close()

    def stop(self) -> None:
        self.connection.close()
        self._process.kill()
        self._process.join()
