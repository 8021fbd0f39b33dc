"""What the Runner costs a task: 5,000 small tasks beside pools that keep nothing, here and on Dask."""

import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.paired import Row, clock, paired, row
from gossan.runs import Cluster, Runner, Store, Task, connected

TASKS, ON_DASK, WORKERS, NUMBERS = 5000, 1000, 2, 200_000


def small(*, seed: int, progress: Any, checkpoint: Any) -> dict[str, float]:
    """Draw numbers and add them up: some milliseconds."""
    rng = np.random.default_rng(np.random.SeedSequence([seed]))
    return {"mean": float(rng.normal(size=NUMBERS).mean())}


def by_seed(seed: int) -> dict[str, float]:
    return small(seed=seed, progress=None, checkpoint=None)


def tasks(count: int) -> list[Task]:
    return [Task(str(seed), f"{__name__}:small", {"seed": seed}) for seed in range(count)]


def by_runner(found: list[Any], count: int, cluster: Cluster | None = None) -> float:
    """Run them into a new store; processes of our own are started in the time, as those of the pool."""
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(Store(folder), jobs=WORKERS, cluster=cluster)
        return clock(lambda: found.append(runner.run(tasks(count))))


def by_pool(found: list[Any]) -> float:
    def work() -> None:
        with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn")) as pool:
            found.append({str(seed): value for seed, value in enumerate(pool.map(by_seed, range(TASKS)))})

    return clock(work)


def by_dask(found: list[Any], cluster: Cluster) -> float:
    def work() -> None:
        futures = cluster.client.map(by_seed, range(ON_DASK), pure=False)
        found.append({str(n): value for n, value in enumerate(cluster.client.gather(futures))})

    return clock(work)


def compared(work: str, peer: str, found: list[tuple[float, float]], count: int, same: bool) -> Row:
    """Make the row, with what a task costs beyond the peer's."""
    more = sorted((ours - theirs) / count * WORKERS * 1e3 for ours, theirs in found)[len(found) // 2]
    note = f"{WORKERS} processes, a result kept on disk per task; {more:+.2f} ms of a process per task"
    return row(
        work, peer, found, inverse=True, error="none: equal results" if same else "DIFFERENT", note=note
    )


def rows() -> list[Row]:
    ours: list[Any] = []
    theirs: list[Any] = []
    here = paired(lambda: by_runner(ours, TASKS), lambda: by_pool(theirs))
    made = [
        compared(
            f"Runner, {TASKS} small tasks, local",
            "concurrent.futures.ProcessPoolExecutor, same tasks, nothing kept",
            here,
            TASKS,
            ours[-1] == theirs[-1],
        )
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cluster.toml"
        file.write_text(f'kind = "local"\nworkers = {WORKERS}\n', encoding="utf-8")
        with connected(cluster=file) as cluster:
            if cluster is None:
                raise RuntimeError("no cluster")
            dask = paired(lambda: by_runner(ours, ON_DASK, cluster), lambda: by_dask(theirs, cluster))
    same = ours[-1] == theirs[-1]
    made.append(
        compared(
            f"Runner, {ON_DASK} small tasks, workers of Dask",
            "distributed's Client.map, same tasks, nothing kept",
            dask,
            ON_DASK,
            same,
        )
    )
    return made
