"""Time of a fixed list of tasks against the number of workers, local processes and workers of Dask.

python scripts/worker_curve.py --workers 1 2 4 --tasks 24 --out curve.json

More workers than cores are measured too and marked as oversubscribed.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from gossan.runs import Runner, Store, Task, connected

KINDS = ("local", "dask")
SIDE = 260


def main() -> None:
    """Print the curve, and write it where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--tasks", type=int, default=24)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found = worker_curve(given.workers, given.tasks)
    for each in found:
        print(json.dumps(each))
    if given.out:
        given.out.write_text(json.dumps({"format": 1, "rows": found}, indent=1) + "\n", encoding="utf-8")


def worker_curve(workers: list[int], tasks: int = 24) -> list[dict[str, Any]]:
    """Time the same tasks on each number of workers.

    Parameters
    ----------
    workers
        Numbers of workers, at least 1 each.
    tasks
        Number of tasks; each takes about half a second on one thread.

    Returns
    -------
    One row for each kind (``local``, ``dask``) and number: ``kind``, ``workers``, ``cores``,
    ``oversubscribed``, ``tasks``, ``seconds``, and ``speedup`` against one worker of the same kind where that
    was measured before.
    """
    cores = len(os.sched_getaffinity(0))
    found: list[dict[str, Any]] = []
    for kind in KINDS:
        alone = None
        for count in workers:
            seconds = timed(kind, count, tasks)
            alone = seconds if count == 1 else alone
            row = {"kind": kind, "workers": count, "cores": cores, "oversubscribed": count > cores}
            speedup = None if alone is None else round(alone / seconds, 3)
            found.append(row | {"tasks": tasks, "seconds": round(seconds, 3), "speedup": speedup})
    return found


def timed(kind: str, workers: int, tasks: int) -> float:
    """Give the seconds that the tasks take.

    One local worker is this process; several are started in the time (half a second), as for any run. Those
    of Dask are there before and have loaded what they need, as on a cluster.
    """
    function = f"{Path(__file__).stem}:fit"
    work = [Task(f"task {n}", function, {"seed": n}) for n in range(tasks)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cluster.toml"
        file.write_text(f'kind = "local"\nworkers = {workers}\n', encoding="utf-8")
        with connected(cluster=file if kind == "dask" else None) as cluster:
            runner = Runner(Store(Path(folder) / "store"), jobs=workers, cluster=cluster)
            if cluster is not None:
                runner.run([Task(f"first {n}", function, {"seed": -1 - n}) for n in range(workers)])
            start = time.perf_counter()
            runner.run(work)
            return time.perf_counter() - start


def fit(*, seed: int, progress: Any, checkpoint: Any) -> dict[str, float]:
    """Solve systems of equations drawn from a seed, on one thread."""
    rng = np.random.default_rng(np.random.SeedSequence([abs(seed), int(seed < 0)]))
    total = 0.0
    for _ in range(60):
        matrix = rng.normal(size=(SIDE, SIDE))
        total += float(np.linalg.svd(matrix, compute_uv=False)[0])
    return {"total": total}


if __name__ == "__main__":
    main()
