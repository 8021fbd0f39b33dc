"""Doing one task in this process, with everything that goes wrong caught as data; and the worker's loop."""

import contextlib
import importlib
import json
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from gossan import errors
from gossan.children import as_child
from gossan.errors import GossanError, GossanWarning, RunError
from gossan.hooks import Progress
from gossan.runs.store import Store, StoreCheckpoint
from gossan.runs.tasks import Call

__all__ = ["Failure", "Outcome", "limited", "perform", "serve"]

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@dataclass(frozen=True)
class Failure:
    """What a task raised: class name, message, traceback as text."""

    kind: str
    message: str
    traceback: str

    def error(self, task: str) -> GossanError:
        """Make the error to raise: the task's own where it is one of ours, else a `RunError`."""
        own = getattr(errors, self.kind, None) if self.kind in errors.__all__ else None
        lines = self.message.strip().splitlines() or [""]
        error = own(self.message) if own else RunError(f"task {task} failed: {self.kind}: {lines[0]}")
        error.add_note(self.traceback)
        return error


@dataclass(frozen=True)
class Outcome:
    """How a task ended: what it warned of (class name, message) and what it raised."""

    warnings: tuple[tuple[str, str], ...]
    failure: Failure | None


class _Caught:
    """Catches any exception of its block, but no interruption, and keeps it as a `Failure`."""

    failure: Failure | None = None

    def __enter__(self) -> "_Caught":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        text = "".join(traceback.format_exception(error))
        self.failure = Failure(type(error).__name__, str(error), text)
        return True


def perform(store: Store, call: Call, progress: Progress) -> Outcome:
    """Do one task and put its result into the store."""
    with _Caught() as caught, warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", GossanWarning)
        with limited(call.threads):
            value = _called(store, call, progress)
        store.put(call.key, value, warnings=_named(heard))
        StoreCheckpoint(store, call.key).clear()
    return Outcome(_named(heard), caught.failure)


def _called(store: Store, call: Call, progress: Progress) -> Any:
    function = _function(call.function)
    inputs = {
        argument: store.get(key) if isinstance(key, str) else [store.get(each) for each in key]
        for argument, key in call.inputs.items()
    }
    checkpoint = StoreCheckpoint(store, call.key)
    return function(**json.loads(call.settings), **inputs, progress=progress, checkpoint=checkpoint)


def _function(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def _named(heard: list[warnings.WarningMessage]) -> tuple[tuple[str, str], ...]:
    return tuple((each.category.__name__, str(each.message)) for each in heard)


@contextlib.contextmanager
def limited(threads: int) -> Iterator[None]:
    """Hold numerical libraries to so many threads, those loaded now as well as those loaded inside.

    The number of threads decides the order of sums, so a task has the same one wherever it runs.
    """
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, str(threads)))
    torch = sys.modules.get("torch")
    torch_before = torch.get_num_threads() if torch else None
    try:
        with _controller(len(sys.modules)).limit(limits=threads):
            if torch:
                torch.set_num_threads(threads)
            yield
    finally:
        if torch:
            torch.set_num_threads(torch_before)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@lru_cache(maxsize=1)
def _controller(modules: int) -> Any:
    """Find the numerical libraries of this process, which takes a millisecond; again with more modules."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


# ---- a worker process


def serve(connection: Connection, folder: str, ahead: Sequence[str]) -> None:
    """Do the tasks that come through the connection until it is closed.

    Sent back are the share done, from time to time, and at last the `Outcome`. Before the first task comes,
    the functions `ahead` are called.
    """
    as_child()
    store = Store(folder)
    for name in ahead:
        if not connection.poll():
            with _Caught():  # it is tried again where it is needed, and fails there
                _function(name)()
    with contextlib.suppress(EOFError, OSError):  # the runner is gone or has no more to do
        while True:
            call = connection.recv()
            connection.send(perform(store, call, _sender(connection)))


def _sender(connection: Connection) -> Progress:
    last = 0.0

    def send(share: float) -> None:
        nonlocal last
        if time.monotonic() - last > 0.1:
            last = time.monotonic()
            connection.send(float(share))

    return send
