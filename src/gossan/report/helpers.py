"""Processes that draw figures beside this one: drawing is the longest part of writing a report."""

import multiprocessing
import pickle
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkstemp
from typing import Any, Generic, TypeVar

from gossan.children import as_child, without_interruption

__all__ = ["Helpers", "Shared", "helpers"]

T = TypeVar("T")

#: Each keeps what it draws from for itself.
MOST = 3


@dataclass(frozen=True)
class Helpers:
    """Processes to hand work to, and a folder for what they work with."""

    pool: Executor
    folder: Path


@contextmanager
def helpers(count: int, ahead: Callable[[], None]) -> Iterator[Helpers | None]:
    """Start processes that `Shared` hands work to, none for a count of 0.

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
        with TemporaryDirectory() as folder:
            yield Helpers(pool, Path(folder))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class Shared(Generic[T]):
    """Work that helpers begin with at once, from its back; `results` does what is left, from the front.

    Parameters
    ----------
    make
        Makes what there is to do, by name: a function of a module, so that other processes find it.
    given
        Its arguments, the same for all; they are written to a file once, and each helper reads it once.
    """

    def __init__(
        self, make: Callable[..., Mapping[str, Callable[[], T]]], given: tuple[Any, ...], by: Helpers | None
    ) -> None:
        self._work = make(*given)
        self._asked: dict[str, Future[T]] = {}
        if by is None:
            return
        number, path = mkstemp(dir=by.folder)
        with open(number, "wb") as file:
            pickle.dump((make, given), file, pickle.HIGHEST_PROTOCOL)
        with suppress(BrokenExecutor):
            for name in reversed(list(self._work)):
                self._asked[name] = by.pool.submit(_do, path, name)

    def results(self) -> dict[str, T]:
        """Do what no helper has begun, and give all results by name, in order.

        What a helper cannot do, since its process died, is done here.
        """
        asked = self._asked
        mine = {name: do() for name, do in self._work.items() if name not in asked or asked[name].cancel()}
        results: dict[str, T] = {}
        for name, do in self._work.items():
            try:
                results[name] = mine[name] if name in mine else asked[name].result()
            except BrokenExecutor:
                results[name] = do()
        return results


def _do(path: str, name: str) -> Any:
    return _made_once(path)[name]()


@cache
def _made_once(path: str) -> Mapping[str, Callable[[], Any]]:
    with open(path, "rb") as file:
        make, given = pickle.load(file)
    work: Mapping[str, Callable[[], Any]] = make(*given)
    return work
