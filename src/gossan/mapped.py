"""Arrays that lie in files: the system reads their pages when they are asked for.

Pages that were read count as memory of the process until the system needs them elsewhere or they are given
back. A computation that goes over such an array block by block calls `relieve` after each, so that what it
holds does not grow with the array.
"""

import math
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["create", "file_of", "forget", "load", "relieve", "scratch"]

#: Bytes of pages that may be held, besides what was held after the last time that all were given back.
LIMIT = 1 << 27

#: The file, shape and type of the array that lies in each map.
_maps: "WeakKeyDictionary[mmap.mmap, tuple[Path, tuple[int, ...], np.dtype[Any]]]" = WeakKeyDictionary()
_floor = 0


def create(path: Path, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """Make an ``.npy`` file of zeros and return it as an array that can be written to.

    Raises
    ------
    OSError
        If the disk cannot take it.
    """
    if not math.prod(shape):
        return np.zeros(tuple(shape), dtype=dtype)  # an empty file cannot be mapped
    made = np.lib.format.open_memmap(os.fspath(path), "w+", np.dtype(dtype), tuple(shape))
    if hasattr(os, "posix_fallocate"):  # a full disk is told of here, not by the end of the process later
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    _keep(made)
    return made


def scratch(shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """Make an array of zeros in a file that nobody else sees and that is gone when nobody uses the array.

    Raises
    ------
    OSError
        If the disk cannot take it.
    """
    with TemporaryDirectory(prefix="gossan-") as folder:
        return create(Path(folder) / "array.npy", shape, dtype)  # mapped, it needs its name no more


def load(path: Path) -> NDArray[Any]:
    """Open an ``.npy`` file as an array that cannot be written to."""
    found: NDArray[Any] = np.load(os.fspath(path), mmap_mode="r", allow_pickle=False)
    _keep(found)
    return found


def _keep(array: NDArray[Any]) -> None:
    if isinstance(array, np.memmap):
        _maps[array._mmap] = (Path(array.filename or ""), array.shape, array.dtype)  # type: ignore[attr-defined]


def file_of(array: NDArray[Any]) -> Path | None:
    """Return the file whose whole content an array is; None for a part of one and for arrays in memory."""
    inside: Any = array
    while inside is not None and not isinstance(inside, np.memmap):
        inside = inside.base if isinstance(inside, np.ndarray) else None
    lies = None if inside is None else _maps.get(inside._mmap)  # type: ignore[attr-defined]
    if lies is None:
        return None
    file, *form = lies
    return file if array.flags.c_contiguous and [array.shape, array.dtype] == form else None


def forget() -> None:
    """Give back all pages of mapped arrays; they come again from their files when they are asked for."""
    global _floor
    for each in list(_maps):
        if not each.closed and hasattr(mmap, "MADV_DONTNEED"):
            each.madvise(mmap.MADV_DONTNEED)
    _floor = _held()


def relieve() -> None:
    """Give back all pages of mapped arrays where more than 128 MiB of them are held.

    On systems that do not say how much is held nothing is done: they take pages away themselves.
    """
    if _maps and _held() > _floor + LIMIT:
        forget()


def _held() -> int:
    """Return the bytes of files that this process holds, libraries included; 0 where it is not known."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[2]) * mmap.PAGESIZE
    except (OSError, IndexError, ValueError):
        return 0
