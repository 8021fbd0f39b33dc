"""The content-addressed store that runs share, and the checkpoints of tasks that are not done yet.

::

    store/ab/ab12.../entry.json    the tree of a value, the size of every file beside it, its warnings
                     0.npy ...     its arrays
    store/partial/ab12....npz      the latest state of a task in the making
    store/tmp/                     what is being written; renamed when whole
"""

import contextlib
import itertools
import json
import os
import platform
import shutil
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gossan import mapped
from gossan.errors import RunError
from gossan.runs.values import decode, encode

__all__ = ["Store", "StoreCheckpoint", "unwritten"]

_FORMAT = 1
#: Arrays below this many bytes are read whole: a mapped file costs a descriptor.
_SMALL = 1 << 16

_numbers = itertools.count()


class Store:
    """Results by key; what is in it is whole, and is never changed.

    Parameters
    ----------
    folder
        Made when the first value is put in.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(os.path.abspath(folder))

    def has(self, key: str) -> bool:
        """Tell whether the value of a key is there and undamaged."""
        return self._entry(key) is not None

    def get(self, key: str) -> Any:
        """Read a value; large arrays are mapped from disk and cannot be written to.

        Raises
        ------
        KeyError
            When the value is not there or damaged.
        """
        entry = self._entry(key)
        if entry is None:
            raise KeyError(key)
        place = self._place(key)

        def load(name: str, own: bool) -> NDArray[Any]:
            if own or entry["files"][name] < _SMALL:
                return np.asarray(np.load(place / name, allow_pickle=False))
            return mapped.load(place / name)

        return decode(entry["value"], load)

    def warnings(self, key: str) -> list[tuple[str, str]]:
        """Read what was warned of while the value was made: class name and message."""
        entry = self._entry(key)
        return [(kind, message) for kind, message in entry["warnings"]] if entry else []

    def put(self, key: str, value: Any, *, warnings: Sequence[tuple[str, str]] = ()) -> None:
        """Write a value whole or not at all; what another process put there meanwhile stays.

        Raises
        ------
        TypeError
            When the value holds something that cannot be kept.
        RunError
            When the disk cannot take it.
        """
        draft = self.temporary(key)
        try:
            draft.mkdir(parents=True)
            self._write(draft, value, warnings)
            self._publish(draft, key)
        except OSError as error:
            raise unwritten(self.folder, error) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what killed processes of this machine left half-written."""
        for draft in self.folder.glob(f"tmp/{platform.node()}-*"):
            process = draft.name.removeprefix(f"{platform.node()}-").partition("-")[0]
            if process.isdecimal() and not _alive(int(process)):
                shutil.rmtree(draft, ignore_errors=True) if draft.is_dir() else draft.unlink(missing_ok=True)

    def temporary(self, key: str) -> Path:
        """Name a place to write to before renaming; no other process or call has the same."""
        return self.folder / "tmp" / f"{platform.node()}-{os.getpid()}-{next(_numbers)}-{key}"

    def _place(self, key: str) -> Path:
        return self.folder / key[:2] / key

    def _entry(self, key: str) -> dict[str, Any] | None:
        place = self._place(key)
        try:
            entry: dict[str, Any] = json.loads((place / "entry.json").read_text(encoding="utf-8"))
            whole = all((place / name).stat().st_size == size for name, size in entry["files"].items())
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return None  # not there or damaged, which is the same: it will be made again
        return entry if whole and entry["format"] == _FORMAT else None

    def _write(self, draft: Path, value: Any, warnings: Sequence[tuple[str, str]]) -> None:
        files: dict[str, int] = {}

        def save(array: NDArray[Any]) -> str:
            name = f"{len(files)}.npy"
            file = mapped.file_of(array)
            if file is not None and file.parent == self.folder / "tmp" and file.is_file():
                file.rename(draft / name)  # made by `StoreCheckpoint.array`
            else:
                np.save(draft / name, array, allow_pickle=False)
            files[name] = (draft / name).stat().st_size
            return name

        tree = encode(value, save)
        entry = {"format": _FORMAT, "files": files, "warnings": list(warnings), "value": tree}
        (draft / "entry.json").write_text(json.dumps(entry, allow_nan=False), encoding="utf-8")

    def _publish(self, draft: Path, key: str) -> None:
        place = self._place(key)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists() and not self.has(key):
            damaged = self.temporary(key)
            with contextlib.suppress(FileNotFoundError):  # another process was quicker
                place.rename(damaged)
            shutil.rmtree(damaged, ignore_errors=True)
        try:
            draft.rename(place)
        except OSError:
            if not self.has(key):
                raise


def unwritten(path: Path, error: OSError) -> RunError:
    """Name the path that could not be written, which the error of a write does not."""
    why = error.strerror or " ".join(str(error).split())
    return RunError(f"{path} cannot be written: {why}; make room, or choose another --out")


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class StoreCheckpoint:
    """The `gossan.hooks.Checkpoint` of one task, kept in the store until the task is done."""

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key
        self._file = store.folder / "partial" / f"{key}.npz"

    def load(self) -> dict[str, Any] | None:
        """Read the latest state saved, or None."""
        try:
            with self._file.open("rb") as file, np.load(file, allow_pickle=False) as found:
                state: dict[str, Any]
                state, names = json.loads(str(found["arr_0"]))
                return state | {name: found[f"arr_{number}"] for number, name in enumerate(names, 1)}
        except (OSError, ValueError, KeyError, BadZipFile, EOFError):
            return None

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state, whole or not at all.

        Raises
        ------
        TypeError
            When an entry is neither an array of numbers nor JSON.
        RunError
            When the disk cannot take it.
        """
        arrays = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
        if any(array.dtype.hasobject for array in arrays.values()):
            raise TypeError("an array of objects cannot be kept in a checkpoint")
        scalars = {name: value for name, value in state.items() if name not in arrays}
        header = json.dumps([scalars, list(arrays)])
        draft = self._store.temporary(self._key)
        try:
            draft.parent.mkdir(parents=True, exist_ok=True)
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                np.savez(file, np.array(header), *arrays.values())
            draft.replace(self._file)
        except OSError as error:
            raise unwritten(self._store.folder, error) from error

    def array(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        """Make an array of zeros in a file of the store, which `Store.put` moves to its place."""
        file = self._store.temporary(f"{self._key}.npy")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            made = mapped.create(file, shape, dtype)
        except OSError as error:
            raise unwritten(self._store.folder, error) from error
        weakref.finalize(made, file.unlink, missing_ok=True)
        return made

    def clear(self) -> None:
        """Forget the state: the task is done."""
        self._file.unlink(missing_ok=True)
