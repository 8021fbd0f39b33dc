"""Tasks for the tests of `gossan.runs`; they leave a trace in the file that TOY_TRACE names."""

import os
import signal
import time
import warnings
from pathlib import Path

import numpy as np

from gossan.errors import DataError, DataWarning
from gossan.runs import Runner, Store, Task, connected


def freeze():
    """Take the source for unchanged, since it may be edited between two processes of a test."""
    from gossan.runs import runner

    runner.source_hash = lambda: "frozen"


def trace(line):
    if "TOY_TRACE" in os.environ:
        with Path(os.environ["TOY_TRACE"]).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def first(*, size, progress, checkpoint):
    trace("first")
    return {"field": np.random.default_rng(np.random.SeedSequence([size])).normal(size=(size, size))}


def slow(*, source, steps, wait, progress, checkpoint):
    state = checkpoint.load() or {"step": 0, "field": source["field"]}
    field = np.array(state["field"])
    for step in range(state["step"], steps):
        noise = np.random.default_rng(np.random.SeedSequence([7, step])).normal(size=field.shape)
        field = np.tanh(field @ field + noise)
        trace(f"slow {step}")  # before it is kept: a kill between has it traced twice, never left out
        checkpoint.save({"step": step + 1, "field": field})
        progress((step + 1) / steps)
        time.sleep(wait)
    return {"field": field, "mean": float(field.mean())}


def total(*, parts, factor=1, progress, checkpoint):
    trace("total")
    return {"total": factor * sum(part["mean"] for part in parts)}


def refuses(*, progress, checkpoint):
    raise DataError("3 ore windows, at least 4 are needed; take smaller windows")


def breaks(*, progress, checkpoint):
    raise ZeroDivisionError("division\nby zero")


def unkeepable(*, progress, checkpoint):
    return {"object": object()}


def warns(*, progress, checkpoint):
    trace("warns")
    warnings.warn("2 rows dropped", DataWarning, stacklevel=1)
    return {}


def dies(*, times, progress, checkpoint):
    """End the process, as the system does when memory is out, so many times."""
    count = (checkpoint.load() or {"count": 0})["count"]
    if count < times:
        checkpoint.save({"count": count + 1})
        os.kill(os.getpid(), signal.SIGKILL)
    return {"count": count}


def threads(*, progress, checkpoint):
    from threadpoolctl import threadpool_info

    numbers = sorted({library["num_threads"] for library in threadpool_info()})
    return {"threads": numbers, "variable": os.environ["OMP_NUM_THREADS"]}


def process(*, number, wait, progress, checkpoint):
    time.sleep(wait)
    return {"pid": os.getpid()}


def after(*, source, progress, checkpoint):
    return {"pid": os.getpid()}


def wait_ahead():
    trace(f"ahead {os.getpid()}")


def break_ahead():
    raise ImportError("nothing of that name")


def hangs_once(*, number, folder, progress, checkpoint):
    """Wait to be killed, unless an earlier one left its process id in the folder."""
    if not list(Path(folder).glob("pid-*")):
        (Path(folder) / f"pid-{os.getpid()}").touch()
        time.sleep(30)
    return {"number": number}


def chain(steps=20, wait=0.0, branches=2):
    names = [f"slow-{number}" for number in range(branches)]
    return [
        Task("total", "toy_tasks:total", {}, {"parts": names}),
        *(
            Task(name, "toy_tasks:slow", {"steps": steps + n, "wait": wait}, {"source": "first"}, weight=4)
            for n, name in enumerate(names)
        ),
        Task("first", "toy_tasks:first", {"size": 60}),
    ]


if __name__ == "__main__":
    import sys

    freeze()

    with connected(cluster=sys.argv[3] if len(sys.argv) > 3 else None) as cluster:
        Runner(Store(sys.argv[1]), jobs=int(sys.argv[2]), cluster=cluster).run(chain(wait=0.05))
