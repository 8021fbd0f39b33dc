"""The one executor of long work: a flat list of tasks, against the store, here or on local processes."""

import contextlib
import json
import multiprocessing
import signal
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from graphlib import CycleError, TopologicalSorter
from multiprocessing.connection import wait
from typing import Any

from gossan import errors
from gossan.errors import GossanWarning, RunError
from gossan.runs.store import Store
from gossan.runs.tasks import Call, Task, source_hash, task_key, versions
from gossan.runs.work import Outcome, limited, perform, serve

__all__ = ["Report", "Runner"]

#: Called with the share of all work done, the seconds left (None: not known yet) and what is being done.
Report = Callable[[float, float | None, str], None]


def _no_report(share: float, seconds_left: float | None, label: str) -> None:
    pass


def _no_log(event: str, **fields: Any) -> None:
    pass


class Runner:
    """Runs tasks whose results the store does not have, and reads the others.

    Parameters
    ----------
    store
        Where results and checkpoints are kept.
    jobs
        Processes; 1 works in this one. The results are the same.
    threads
        Threads of a task that does not say.
    device
        What the tasks compute on; part of every key.
    log
        Called with the name of an event and its fields.
    progress
        See `Report`.
    """

    def __init__(
        self,
        store: Store,
        *,
        jobs: int = 1,
        threads: int = 1,
        device: str = "cpu",
        log: Callable[..., None] = _no_log,
        progress: Report = _no_report,
    ) -> None:
        self.store = store
        self.jobs = jobs
        self.threads = threads
        self.device = device
        self.log = log
        self.progress = progress

    def keys(self, tasks: Iterable[Task]) -> dict[str, str]:
        """Give the key of every task's result, by name, without running any."""
        return {name: call.key for name, call in self._calls(tasks).items()}

    def run(self, tasks: Iterable[Task]) -> dict[str, Any]:
        """Run what is missing and return every result by the task's name.

        Warnings of a task are issued here, again when its result was already in the store.

        Raises
        ------
        GossanError
            What a task raised; `RunError` for anything that is no error of ours, for a worker that died
            twice on the same task, and for tasks that need each other.
        """
        calls = self._calls(tasks)
        self.store.sweep()
        missing = {call.key: call for call in calls.values() if not self.store.has(call.key)}
        for name, call in calls.items():
            self.log("task", name=name, key=call.key, state="missing" if call.key in missing else "stored")
        if missing:
            meter = _Meter(calls.values(), missing, self.progress)
            parallel = self.jobs > 1 and len(missing) > 1
            (self._run_parallel if parallel else self._run_here)(list(missing.values()), meter)
        for key in dict.fromkeys(call.key for call in calls.values()):
            _warn(self.store.warnings(key))
        return {name: self.store.get(call.key) for name, call in calls.items()}

    def _calls(self, tasks: Iterable[Task]) -> dict[str, Call]:
        """Key the tasks, in an order in which every one comes after its inputs."""
        calls: dict[str, Call] = {}
        base = {"source": source_hash(), "versions": dict(versions()), "device": self.device}
        for task in _sorted(list(tasks)):
            threads = task.threads or self.threads
            inputs = {
                argument: calls[need].key
                if isinstance(need, str)
                else tuple(calls[name].key for name in need)
                for argument, need in task.inputs.items()
            }
            key = task_key(task, inputs, {**base, "threads": threads})
            settings = json.dumps({**task.settings, **task.places}, allow_nan=False)
            calls[task.name] = Call(task.name, task.function, settings, inputs, key, threads, task.weight)
        return calls

    def _run_here(self, todo: Sequence[Call], meter: "_Meter") -> None:
        for call in todo:
            meter.start(call)
            self._finish(call, perform(self.store, call, partial(meter.update, call)))
            meter.finish(call)

    def _run_parallel(self, todo: Sequence[Call], meter: "_Meter") -> None:
        with limited(self.threads), _Workers(self.store, min(self.jobs, len(todo))) as workers:
            waiting = list(todo)
            lost: set[str] = set()
            while waiting or workers.busy:
                pending = {call.key for call in [*waiting, *workers.calls]}
                for call in [call for call in waiting if not pending.intersection(_flat(call.inputs))]:
                    if not workers.take(call):
                        break
                    waiting.remove(call)
                    meter.start(call)
                for call, message in workers.messages():
                    if message is None:
                        self._retry(call, lost)
                        waiting.insert(0, call)
                    elif isinstance(message, Outcome):
                        self._finish(call, message)
                        meter.finish(call)
                    else:
                        meter.update(call, message)

    def _finish(self, call: Call, outcome: Outcome) -> None:
        for kind, message in outcome.warnings:
            self.log("warning", task=call.name, kind=kind, message=message)
        if outcome.failure:
            failure = outcome.failure
            self.log("failed", task=call.name, message=failure.message, traceback=failure.traceback)
            _warn(outcome.warnings)
            raise failure.error(call.name)
        self.log("done", task=call.name)

    def _retry(self, call: Call, lost: set[str]) -> None:
        self.log("lost", task=call.name)
        if call.key in lost:
            raise RunError(
                f"task {call.name} ended its process twice (out of memory?); "
                "take fewer jobs, smaller batches or a coarser grid"
            )
        lost.add(call.key)


def _flat(inputs: Mapping[str, str | Sequence[str]]) -> Iterator[str]:
    for need in inputs.values():
        yield from [need] if isinstance(need, str) else need


def _sorted(tasks: Sequence[Task]) -> list[Task]:
    by_name = {task.name: task for task in tasks}
    if len(by_name) < len(tasks):
        raise RunError("two tasks have the same name; names are unique in a list of tasks")
    needs = {task.name: list(_flat(task.inputs)) for task in tasks}
    strange = {name for names in needs.values() for name in names} - by_name.keys()
    if strange:
        raise RunError(f"inputs name tasks that are not in the list: {', '.join(sorted(strange))}")
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        raise RunError(f"tasks need each other: {' <- '.join(error.args[1])}") from error
    # What the longest chain of work hangs on goes first: left for last it would run alone.
    path = {name: by_name[name].weight for name in order}
    for name in reversed(order):
        for need in needs[name]:
            path[need] = max(path[need], by_name[need].weight + path[name])
    return [by_name[name] for name in sorted(order, key=lambda name: -path[name])]


def _warn(found: Iterable[tuple[str, str]]) -> None:
    """Issue our own warnings again; those of libraries are in the log."""
    for kind, message in found:
        category = getattr(errors, kind, None) if kind in errors.__all__ else None
        if category is not None and issubclass(category, GossanWarning):
            warnings.warn(message, category, stacklevel=3)


class _Meter:
    """Adds up the shares of the tasks by weight and guesses the time left."""

    def __init__(self, calls: Iterable[Call], missing: Mapping[str, Call], report: Report) -> None:
        weights = {call.key: call.weight for call in calls}
        self._total = sum(weights.values()) or 1.0
        self._before = sum(weight for key, weight in weights.items() if key not in missing)
        self._done = self._before
        self._shares: dict[str, float] = {}
        self._running: dict[str, Call] = {}
        self._started = time.monotonic()
        self._last = float("-inf")
        self._report = report

    def start(self, call: Call) -> None:
        self._running[call.key] = call
        self._shares[call.key] = 0.0
        self._tell(call.name)

    def update(self, call: Call, share: float) -> None:
        self._shares[call.key] = min(max(float(share), self._shares[call.key]), 1.0)
        if time.monotonic() - self._last > 0.1:
            self._tell(call.name)

    def finish(self, call: Call) -> None:
        self._done += call.weight
        del self._shares[call.key], self._running[call.key]
        self._tell(call.name)

    def _tell(self, label: str) -> None:
        self._last = time.monotonic()
        done = self._done + sum(self._running[key].weight * share for key, share in self._shares.items())
        gained = done - self._before
        left = None
        if gained > 0.005 * self._total:
            left = (self._last - self._started) * (self._total - done) / gained
        self._report(min(done / self._total, 1.0), left, label)


class _Workers:
    """Processes that do tasks; started when needed, and ended at once when the block is left."""

    def __init__(self, store: Store, most: int) -> None:
        self._store = store
        self._most = most
        self._idle: list[_Worker] = []
        self.busy: dict[Any, tuple[_Worker, Call]] = {}

    def __enter__(self) -> "_Workers":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in [*self._idle, *(worker for worker, _ in self.busy.values())]:
            worker.stop()

    @property
    def calls(self) -> list[Call]:
        """What is being done."""
        return [call for _, call in self.busy.values()]

    def take(self, call: Call) -> bool:
        """Hand a task to a free worker; False when there is none."""
        if not self._idle:
            if len(self.busy) >= self._most:
                return False
            self._idle.append(_Worker(self._store))
        worker = self._idle.pop()
        self.busy[worker.connection] = (worker, call)
        with contextlib.suppress(OSError):  # it died idle, which its silence will tell
            worker.connection.send(call)
        return True

    def messages(self) -> Iterator[tuple[Call, float | Outcome | None]]:
        """Wait, and give what came: a share done, how a task ended, or None for a worker that died."""
        for connection in wait(list(self.busy)):
            worker, call = self.busy[connection]
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                message = None
            if not isinstance(message, float):
                del self.busy[connection]
                self._idle.append(worker) if message else worker.stop()
            yield call, message


class _Worker:
    def __init__(self, store: Store) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, str(store.folder)), daemon=True)
        # a child inherits the mask: Ctrl-C reaches this process, once it is out of here, and none of them
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()

    def stop(self) -> None:
        self.connection.close()
        self._process.kill()
        self._process.join()
