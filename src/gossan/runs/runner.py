"""The one executor of long work: a flat list of tasks, against the store, here, on processes or on Dask."""

import json
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from gossan import errors
from gossan.errors import GossanWarning, RunError
from gossan.runs.executors import Executor, Here, Processes
from gossan.runs.progress import Line, Meter, Report, flat
from gossan.runs.store import Store
from gossan.runs.tasks import Call, Task, source_hash, task_key, versions
from gossan.runs.work import Failure, Outcome

if TYPE_CHECKING:
    from gossan.runs.scale import Cluster

__all__ = ["Runner"]


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
    cluster
        Workers of Dask to do the tasks, instead of `jobs` processes; see `gossan.runs.connected`.
    retries
        How often a task is begun again after its process died.
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
        cluster: "Cluster | None" = None,
        retries: int = 2,
        log: Callable[..., None] = _no_log,
        progress: Report = _no_report,
    ) -> None:
        self.store = store
        self.jobs = jobs
        self.threads = threads
        self.device = device
        self.cluster = cluster
        self.retries = retries
        self.log = log
        self.progress = progress
        self._held: Processes | None = None

    @contextmanager
    def held(self, ahead: Sequence[str] = ()) -> Iterator[None]:
        """Let the runs of the block share their processes: to start one and import in it takes seconds.

        Parameters
        ----------
        ahead
            Functions (``module:function``) that a process calls while it has no task, such as long imports.
        """
        if self.cluster is not None or self.jobs == 1:
            yield
            return
        with Processes(self.store, self.jobs, self.threads, ahead) as self._held:
            try:
                yield
            finally:
                self._held = None

    def keys(self, tasks: Iterable[Task]) -> dict[str, str]:
        """Give the key of every task's result, by name, without running any."""
        return {name: call.key for name, call in self._calls(tasks).items()}

    def run(self, tasks: Iterable[Task], *, keep_going: bool = False) -> dict[str, Any]:
        """Run what is missing and return every result by the task's name.

        Warnings of a task are issued here, again when its result was already in the store.

        Parameters
        ----------
        keep_going
            Do the rest although a task failed: in place of its result, and of those that need it, the
            `Failure` is returned, and nothing is raised for it. It is no result: the next run tries again.

        Raises
        ------
        GossanError
            What a task raised; `RunError` for anything that is no error of ours, for a task whose process
            died more than `retries` times, and for tasks that need each other.
        """
        calls = self._calls(tasks)
        self.store.sweep()
        missing = {call.key: call for call in calls.values() if not self.store.has(call.key)}
        for name, call in calls.items():
            self.log("task", name=name, key=call.key, state="missing" if call.key in missing else "stored")
        failures: dict[str, Failure] = {}
        if missing:
            meter = Meter(calls.values(), missing, self.progress)
            failures = _Work(self, missing, meter, keep_going).done()
        for key in dict.fromkeys(call.key for call in calls.values()):
            _warn(self.store.warnings(key))
        return {
            name: failures[call.key] if call.key in failures else self.store.get(call.key)
            for name, call in calls.items()
        }

    def executor(self, count: int) -> AbstractContextManager[Executor]:
        """Choose where so many tasks are done."""
        if self._held is not None and count > 1:
            return nullcontext(self._held)
        if self.cluster is not None:
            return self.cluster.executor(self.store, device=self.device, log=self.log)
        if self.jobs > 1 and count > 1:
            return Processes(self.store, min(self.jobs, count), self.threads)
        return Here(self.store)

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
            places = {name: os.path.abspath(place) for name, place in task.places.items()}
            settings = json.dumps({**task.settings, **places}, allow_nan=False)
            calls[task.name] = Call(task.name, task.function, settings, inputs, key, threads, task.weight)
        return calls


class _Work:
    """One call of `Runner.run`: the tasks that are missing, done wherever the executor does them."""

    def __init__(self, runner: Runner, missing: Mapping[str, Call], meter: Meter, keep_going: bool) -> None:
        self._runner = runner
        self._line = Line(missing)
        self._count = len(missing)
        self._meter = meter
        self._keep_going = keep_going
        self._lost: Counter[str] = Counter()
        self._failures: dict[str, Failure] = {}

    def done(self) -> dict[str, Failure]:
        """Do all; return what failed, by key."""
        line = self._line
        with self._runner.executor(self._count) as executor:
            while line:
                while (call := line.first) and executor.take(call):
                    line.leave()
                    self._meter.start(call)
                for call, outcome in executor.ended(self._meter.update):
                    self._lose(call) if outcome is None else self._end(call, outcome)
        return self._failures

    def _lose(self, call: Call) -> None:
        """Begin a task again whose process died, unless it did so too often."""
        self._runner.log("lost", task=call.name)
        self._lost[call.key] += 1
        if self._lost[call.key] <= self._runner.retries:
            self._line.back(call)
            return
        message = (
            f"task {call.name} ended its process {self._lost[call.key]} times (out of memory?); "
            "take fewer jobs, smaller batches or a coarser grid"
        )
        self._end(call, Outcome((), Failure("RunError", message, "")))

    def _end(self, call: Call, outcome: Outcome) -> None:
        log = self._runner.log
        for kind, message in outcome.warnings:
            log("warning", task=call.name, kind=kind, message=message)
        self._meter.finish(call)
        if outcome.failure is None:
            log("done", task=call.name)
            self._line.done(call)
            return
        failure = outcome.failure
        log("failed", task=call.name, message=failure.message, traceback=failure.traceback)
        _warn(outcome.warnings)
        if not self._keep_going:
            raise failure.error(call.name)
        self._failures[call.key] = failure
        for follower in self._line.drop(call):
            message = f"task {follower.name} needs {call.name}, which failed"
            self._failures[follower.key] = Failure("RunError", message, "")
            log("failed", task=follower.name, message=message, traceback="")
            self._meter.finish(follower)


def _sorted(tasks: Sequence[Task]) -> list[Task]:
    by_name = {task.name: task for task in tasks}
    if len(by_name) < len(tasks):
        raise RunError("two tasks have the same name; names are unique in a list of tasks")
    needs = {task.name: list(flat(task.inputs)) for task in tasks}
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
