"""Tasks on the workers of Dask: of a scheduler that runs already, or of a cluster that a file names.

A worker gets a task's name, settings, keys and the path of the store; results and checkpoints lie in the
store, a folder that all see. The runner gives every worker one task at a time and says itself what is begun
again, so that it is known which task a lost worker was doing.
"""

import contextlib
import importlib.util
import logging
import math
import queue
import re
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from gossan.children import without_interruption
from gossan.errors import GossanWarning, RunError, UsageError
from gossan.hooks import Progress
from gossan.runs.clusters import extra_missing, read_cluster, start_cluster
from gossan.runs.executors import Share
from gossan.runs.progress import flat
from gossan.runs.store import Store
from gossan.runs.tasks import Call, source_hash, versions
from gossan.runs.work import Failure, Outcome, perform

__all__ = ["Cluster", "Failed", "Workers", "attend", "connected", "probe"]

#: Seconds between two looks at which workers there are.
_LOOK = 0.5
#: Tasks of a worker at most, where each takes less than so many seconds; the way there takes milliseconds.
_AHEAD, _SHORT = 4, 0.1
#: Seconds in which a file that another machine wrote must be seen; a network's file system may be late.
_SEEN = 60.0
#: Seconds in which a scheduler must answer.
_ANSWER = 10.0
#: Seconds to wait for a worker of a scheduler that runs already.
_WAIT = 60.0


@dataclass(frozen=True)
class Cluster:
    """Workers of Dask.

    Attributes
    ----------
    client
        The open connection.
    where
        What it is called in messages.
    wait
        Seconds to wait while there is no worker at all.
    device
        The setting that tasks choose a device by; None asks no worker for its own.
    """

    client: Any
    where: str
    wait: float = _WAIT
    device: str | None = None

    def executor(self, store: Store, *, device: str, log: Callable[..., None]) -> "Workers":
        """Make the executor of one list of tasks."""
        return Workers(self, store, device, log)


@contextlib.contextmanager
def connected(
    scheduler: str | None = None, cluster: str | Path | None = None, *, device: str | None = None
) -> Iterator[Cluster | None]:
    """Connect to a scheduler, or start the cluster of a file for the length of the block.

    Parameters
    ----------
    scheduler
        Address, ``tcp://host:port`` or ``tls://host:port``.
    cluster
        A file as `gossan.runs.clusters.read_cluster` takes it.
    device
        See `Cluster`.

    Yields
    ------
    The cluster; None where neither is given, and then nothing of Dask is loaded.

    Raises
    ------
    UsageError
        Both given, a wrong address or file, or the extra ``scale`` not installed.
    RunError
        No scheduler answers.
    """
    if scheduler is None and cluster is None:
        yield None
        return
    if scheduler is not None and cluster is not None:
        raise UsageError("--scheduler and --cluster given; one of them says where the workers are")
    if scheduler is not None and not re.fullmatch(r"(tcp|tls)://\S+:\d+", scheduler):
        raise UsageError(f"--scheduler {scheduler}; it must be tcp://HOST:PORT or tls://HOST:PORT")
    option = "--scheduler" if cluster is None else "--cluster"
    file = None if cluster is None else read_cluster(cluster)
    if importlib.util.find_spec("distributed") is None:
        raise extra_missing(option, "distributed")
    with contextlib.ExitStack() as block:
        with without_interruption():
            address = block.enter_context(start_cluster(file)) if file else scheduler
            client = block.enter_context(_client(address))
        yield Cluster(client, file.kind if file else str(scheduler), file.wait if file else _WAIT, device)


@contextlib.contextmanager
def _client(address: Any) -> Iterator[Any]:
    from distributed import Client

    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # what matters of it is an error or an event of ours
    try:
        try:
            make: Any = Client  # it has no types
            client = make(address, timeout=_ANSWER, set_as_default=False)
        except OSError as error:
            allowed = (
                "start one with `dask scheduler` and its workers with `dask worker ADDRESS --nthreads 1`"
            )
            raise RunError(f"no scheduler of Dask answers at {address}; {allowed}") from error
        with client:
            yield client
    finally:
        logger.setLevel(level)


# ---- the runner's side


@dataclass(frozen=True)
class _Job:
    call: Call
    worker: str
    future: Any
    sent: float


class Workers:
    """The `gossan.runs.executors.Executor` on the workers of Dask.

    A worker has one task, and a few more in line behind it where such tasks were short so far.
    """

    def __init__(self, cluster: Cluster, store: Store, device: str, log: Callable[..., None]) -> None:
        self._cluster = cluster
        self._client = cluster.client
        self._store = store
        self._log = log
        self._device = device
        self._topic = f"gossan-{uuid.uuid4().hex}"
        self._heard: queue.SimpleQueue[tuple[str, float | None]] = queue.SimpleQueue()
        self._jobs: dict[str, _Job] = {}
        self._lines: dict[str, list[str]] = {}  # of every worker: its jobs in order
        self._again: list[Call] = []
        self._took: dict[str, float] = {}  # by function: seconds of its latest task
        self._last_end: dict[str, float] = {}
        self._refused: set[str] = set()
        self._next_look = 0.0
        self._had_workers = time.monotonic()

    def __enter__(self) -> Self:
        with self._asking():
            self._client.subscribe_topic(self._topic, self._hear)
        list(self._looked())
        return self

    def __exit__(self, *_: object) -> None:
        futures = [job.future for job in self._jobs.values()]
        with contextlib.suppress(OSError, TimeoutError, RuntimeError):  # the scheduler is gone
            self._client.unsubscribe_topic(self._topic)
            if futures:
                self._client.cancel(futures, force=True)

    def take(self, call: Call) -> bool:
        """Send a task to a worker that has room for it."""
        worker = None if self._again else self._free(call)
        if worker is not None:
            self._send(call, worker)
        return worker is not None

    def ended(self, share: Share) -> Iterator[tuple[Call, Outcome | None]]:
        """Wait for news, half a second at most."""
        while self._again and (worker := self._free(self._again[0])):
            self._send(self._again.pop(0), worker)
        for key, value in self._news():
            job = self._jobs.get(key)
            if job is not None and value is not None:
                share(job.call, value)
            elif job is not None:
                yield job.call, self._taken_back(job)
        yield from self._looked()

    def _free(self, call: Call) -> str | None:
        """Choose the worker with the fewest tasks, none unless it is idle or all is short."""
        worker = min(self._lines, key=lambda each: len(self._lines[each]), default=None)
        if worker is None or not self._lines[worker]:
            return worker
        calls = [call, *(self._jobs[key].call for key in self._lines[worker])]
        short = all(self._took.get(each.function, math.inf) < _SHORT for each in calls)
        return worker if short and len(self._lines[worker]) < _AHEAD else None

    def _send(self, call: Call, worker: str) -> None:
        key = f"{call.name}-{uuid.uuid4().hex}"
        with self._asking():
            future = self._client.submit(
                attend, str(self._store.folder), call, self._topic, key=key, workers=[worker], pure=False
            )
        self._jobs[key] = _Job(call, worker, future, time.monotonic())
        self._lines[worker].append(key)
        future.add_done_callback(self._hear_end)

    def _hear(self, event: Any) -> None:
        key, share = event[1]
        self._heard.put((key, share))

    def _hear_end(self, future: Any) -> None:
        self._heard.put((future.key, None))

    def _news(self) -> Iterator[tuple[str, float | None]]:
        with contextlib.suppress(queue.Empty):
            yield self._heard.get(timeout=max(self._next_look - time.monotonic(), 0.001))
            while True:
                yield self._heard.get_nowait()

    def _taken_back(self, job: _Job) -> Outcome | None:
        """Say how a task ended that a worker is done with."""
        from distributed.scheduler import KilledWorker

        now = time.monotonic()
        self._took[job.call.function] = now - max(job.sent, self._last_end.get(job.worker, 0.0))
        self._last_end[job.worker] = now
        self._lines[job.worker].remove(job.future.key)
        del self._jobs[job.future.key]
        if job.future.status == "finished":
            return self._result(job)
        error = job.future.exception() if job.future.status == "error" else None
        if error is None or isinstance(error, KilledWorker):
            return None
        if isinstance(error, Failed):
            return error.outcome
        message = f"task {job.call.name} failed on {job.worker}: {_one_line(error)}"
        return Outcome((), Failure("RunError", message, ""))

    def _result(self, job: _Job) -> Outcome:
        if _seen(self._store, job.call.key):
            return Outcome(tuple(self._store.warnings(job.call.key)), None)
        message = f"the result of {job.call.name} on {job.worker} is not in the store {self._store.folder}"
        return Outcome((), Failure("RunError", f"{message}; it must be a folder that all machines see", ""))

    def _looked(self) -> Iterator[tuple[Call, Outcome | None]]:
        """Find workers that came and went; give the tasks that those that went were doing, or had done."""
        if time.monotonic() < self._next_look:
            return
        with self._asking():
            found = set(self._client.nthreads())
        for worker in [worker for worker in self._lines if worker not in found]:
            yield from self._lost(worker)
        if new := sorted(found - self._lines.keys() - self._refused):
            self._admit(new)
        self._next_look = time.monotonic() + _LOOK
        self._wait_for_workers()

    def _lost(self, worker: str) -> Iterator[tuple[Call, Outcome | None]]:
        """Give the task that a lost worker was doing; those behind it are sent to others."""
        jobs = [self._jobs.pop(key) for key in self._lines.pop(worker)]
        with self._asking():
            self._client.cancel([job.future for job in jobs])
        left = [job.call for job in jobs if not self._store.has(job.call.key)]
        for job in jobs:
            if job.call not in left:
                yield job.call, self._result(job)
        self._again += left[1:]
        yield from ((call, None) for call in left[:1])

    def _wait_for_workers(self) -> None:
        if self._lines:
            self._had_workers = time.monotonic()
        elif time.monotonic() - self._had_workers > self._cluster.wait:
            raise RunError(
                f"no worker at {self._cluster.where} for {self._cluster.wait:g} s; start some "
                "(dask worker ADDRESS --nthreads 1) and repeat the command, which goes on from here"
            )

    def _admit(self, workers: list[str]) -> None:
        """Take workers that see the store and run the same code; without any such one, say why not."""
        file = self._store.temporary("probe")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(file.name, encoding="utf-8")
        try:
            with self._asking():
                answers = self._client.run(
                    probe, str(file), self._cluster.device, workers=workers, on_error="return"
                )
            reasons = {worker: self._reason(worker, answers.get(worker), file) for worker in workers}
        finally:
            for left in [file, *file.parent.glob(f"{file.name}-*")]:
                left.unlink(missing_ok=True)
        for worker, reason in reasons.items():
            if reason is None:
                self._log("worker", address=worker)
                self._lines[worker] = []
                continue
            if not self._lines and reason:
                raise RunError(reason)
            self._refused.add(worker)
            if reason:
                self._log("refused", address=worker, reason=reason)
                warnings.warn(f"{reason}; it is left out", GossanWarning, stacklevel=2)

    def _reason(self, worker: str, answer: Any, file: Path) -> str | None:
        """Say why a worker cannot be used; None when it can, nothing when it went away meanwhile."""
        if isinstance(answer, OSError):
            return ""
        if not isinstance(answer, dict):
            return (
                f"worker {worker} cannot load gossan ({_one_line(answer)}); install the same on all machines"
            )
        for name, wanted in versions().items():
            if (found := answer["versions"].get(name)) != wanted:
                return f"worker {worker} has {name} {found}, this machine {wanted}; install the same on all"
        if answer["source"] != source_hash():
            return f"worker {worker} has another source of gossan than this machine; install the same on all"
        if answer["device"] not in (None, self._device):
            return (
                f"worker {worker} computes on {answer['device']}, this machine on {self._device}; "
                "set training.device to one that both have"
            )
        if answer["wrote"] is None or not file.with_name(answer["wrote"]).exists():
            folder = self._store.folder
            return (
                f"worker {worker} does not see or cannot write the store {folder}; put the run folder where "
                "all machines see it under the same path"
            )
        return None

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Say in one line that the scheduler is gone."""
        try:
            yield
        except (OSError, TimeoutError, RuntimeError) as error:
            raise RunError(
                f"the scheduler at {self._cluster.where} answers no more ({_one_line(error)}); "
                "start it and its workers again and repeat the command, which goes on from here"
            ) from error


def _one_line(error: Any) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _seen(store: Store, key: str, seconds: float = _SEEN) -> bool:
    """Wait until a result is there that another machine wrote."""
    end, pause = time.monotonic() + seconds, 0.01
    while not store.has(key):
        if time.monotonic() > end:
            return False
        time.sleep(pause)
        pause = min(2 * pause, 1.0)
        with contextlib.suppress(OSError):  # listing a folder has a network's file system look again
            list((store.folder / key[:2]).iterdir())
    return True


# ---- the worker's side


class Failed(Exception):  # noqa: N818  (it carries how a task ended, and is raised for nobody to catch)
    """Carries the outcome of a task that failed to the runner."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


#: Warnings and threads are a process's own: tasks of one worker take turns, whatever its threads are.
_alone = threading.Lock()


def attend(folder: str, call: Call, topic: str) -> None:
    """Do a task on a worker of Dask, and tell how far it is under a topic.

    Raises
    ------
    Failed
        When the task failed.
    """
    from distributed import get_worker

    worker, store = get_worker(), Store(folder)
    with _alone:
        for key in flat(call.inputs):
            _seen(store, key)
        outcome = perform(store, call, _sender(worker, topic))
    if outcome.failure is not None:
        raise Failed(outcome)


def _sender(worker: Any, topic: str) -> Progress:
    key, last = worker.get_current_task(), 0.0

    def send(share: float) -> None:
        nonlocal last
        if time.monotonic() - last > 0.2:
            last = time.monotonic()
            task = worker.state.tasks.get(key)
            if task is None or task.state == "cancelled":
                raise RunError("the runner is gone or interrupted; its task ends here")
            worker.log_event(topic, [key, float(share)])

    return send


def probe(file: str, device: str | None) -> dict[str, Any]:
    """Say what a worker runs, and leave a file beside the one given, whose content is its own name."""
    found = Path(file)
    wrote = f"{found.name}-{uuid.uuid4().hex}"
    try:
        seen = found.read_text(encoding="utf-8") == found.name
        found.with_name(wrote).touch()
    except OSError:
        seen = False
    chosen = None
    if device is not None:
        from gossan.models.device import choose_device

        try:
            chosen = choose_device(device).type
        except UsageError as error:
            chosen = f"no {device} ({error})"
    return {
        "source": source_hash(),
        "versions": dict(versions()),
        "device": chosen,
        "wrote": wrote if seen else None,
    }
