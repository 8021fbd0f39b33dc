"""Processes that draw figures beside this one: drawing is the longest part of writing a report."""

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from gossan.children import as_child, without_interruption

__all__ = ["Read", "helpers", "shared_out"]

T = TypeVar("T")

#: Reads what there is to do in a folder, by name: a function of a module, so that other processes find it.
Read = Callable[[Path], Mapping[str, Callable[[], T]]]

#: Each reads the maps for itself; with more, reading takes longer than they save.
MOST = 3


@contextmanager
def helpers(count: int, ahead: Callable[[], None]) -> Iterator[Executor | None]:
    """Start processes that `shared_out` hands work to, none for a count of 0.

    Parameters
    ----------
    ahead
        A function of a module, which they call at once: long imports.
    """
    if count < 1:
        yield None
        return
    pool = ProcessPoolExecutor(min(count, MOST), multiprocessing.get_context("spawn"), initializer=as_child)
    try:
        with without_interruption():
            for _ in range(min(count, MOST)):  # a process starts when it is first needed
                pool.submit(ahead)
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def shared_out(
    read: "Read[T]", folder: Path, work: Mapping[str, Callable[[], T]], pool: Executor | None
) -> dict[str, T]:
    """Do all there is to do, from the front here and from the back by the helpers; results by name, in order.

    What a helper cannot do, since its process died, is done here.

    Parameters
    ----------
    read
        What gives `work`, or its like, to a helper.
    """
    asked: dict[str, Future[T]] = {}
    with suppress(BrokenExecutor):
        for name in reversed(list(work)):
            if pool is not None:
                asked[name] = pool.submit(_do, read, folder, name)
    mine = {name: do() for name, do in work.items() if name not in asked or asked[name].cancel()}
    results: dict[str, T] = {}
    for name, do in work.items():
        try:
            results[name] = mine[name] if name in mine else asked[name].result()
        except BrokenExecutor:
            results[name] = do()
    return results


def _do(read: "Read[T]", folder: Path, name: str) -> T:
    done: T = _read_once(read, folder)[name]()
    return done


@cache
def _read_once(read: "Read[Any]", folder: Path) -> Mapping[str, Callable[[], Any]]:
    return read(folder)
