"""The run folder: locked by one process, filled whole from a staging folder, its manifest last."""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from gossan.errors import BusyError, DataError, UsageError
from gossan.runs.store import unwritten
from gossan.runs.tasks import versions

__all__ = ["RunFolder", "file_hash"]

_MANIFEST = "manifest.json"
_PREVIOUS = ".previous.json"


class RunFolder:
    """A folder that holds a complete run or none; use it in a ``with`` block.

    What this process put into a folder that was new or empty is removed again when the block ends in an error
    before anything was computed, or because the call or the data were refused.

    Parameters
    ----------
    path
        A new or empty folder, or one of an earlier run.

    Attributes
    ----------
    staging
        Folder to write the run's files into; `publish` moves them.
    store
        Folder for the results of tasks, kept with the run so that it can go on.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(os.path.abspath(path))
        self.staging = self.path / ".staging"
        self.store = self.path / ".store"
        self._lock: int | None = None
        self._made: list[Path] = []
        self._fresh = False

    @property
    def complete(self) -> bool:
        """Whether the folder holds a whole run."""
        return (self.path / _MANIFEST).exists()

    def __enter__(self) -> "RunFolder":
        self._check()
        self._made = _make(self.path)
        self._lock = _locked(self.path / ".lock")
        shutil.rmtree(self.staging, ignore_errors=True)
        self.staging.mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.staging, ignore_errors=True)
        if error is not None and self._fresh and not self.complete:
            refused = isinstance(error, UsageError | DataError)
            if refused or not any(file.is_file() for file in self.store.rglob("*")):
                self._remove()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if isinstance(error, OSError) and error.filename is None:  # as a write error is
            raise unwritten(self.path, error) from error

    def log(self, event: str, **fields: Any) -> None:
        """Append an event to ``log.jsonl``.

        Raises
        ------
        RunError
            The disk cannot take it.
        """
        entry = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
        path = self.path / "log.jsonl"
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry, default=str) + "\n")
        except OSError as error:
            raise unwritten(path, error) from error

    def publish(
        self,
        *,
        project: str,
        settings: str,
        inputs: Mapping[str, str],
        tasks: Mapping[str, str],
        times: Mapping[str, Any] | None = None,
    ) -> None:
        """Move the staged files into the folder and mark the run complete.

        The files of an earlier run that this one does not have are removed. Stopped half-way, the folder
        has no manifest, and the next run puts everything in place.

        Parameters
        ----------
        project
            Name of the project.
        settings
            The resolved project file; its hash is kept.
        inputs
            File read -> SHA-256.
        tasks
            Task -> key of its result.
        times
            Anything about the clock; this and ``machine`` are all that may differ between equal runs.
        """
        from gossan import __version__

        staged = sorted(file for file in self.staging.rglob("*") if file.is_file())
        names = [file.relative_to(self.staging).as_posix() for file in staged]
        manifest = {
            "format": 1,
            "version": __version__,
            "project": project,
            "settings": hashlib.sha256(settings.encode()).hexdigest(),
            "inputs": dict(inputs),
            "tasks": dict(tasks),
            "files": {name: file_hash(file) for name, file in zip(names, staged, strict=True)},
            "versions": dict(versions()),
            "times": dict(times or {}),
            "machine": {"system": platform.platform(), "processor": _processor(), "cores": os.cpu_count()},
        }
        text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False) + "\n"
        self._retire(set(names))
        for name, file in zip(names, staged, strict=True):
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            file.replace(self.path / name)
        draft = self.staging / _MANIFEST
        draft.write_text(text, encoding="utf-8")
        draft.replace(self.path / _MANIFEST)
        (self.path / _PREVIOUS).unlink(missing_ok=True)

    def _retire(self, names: set[str]) -> None:
        """Mark the earlier run incomplete and remove its files that the new one does not have."""
        previous = self.path / _PREVIOUS
        if self.complete:
            (self.path / _MANIFEST).replace(previous)
        earlier = _files_of(previous)
        for name in set(earlier or ()) - names:
            if (self.path / name).resolve().is_relative_to(self.path.resolve()):
                (self.path / name).unlink(missing_ok=True)

    def _check(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path} is a file; give a folder for the run")
        found = {file.name for file in self.path.iterdir()} if self.path.exists() else set()
        ours = any(_files_of(self.path / name) is not None for name in (_MANIFEST, _PREVIOUS))
        self._fresh = not found
        # A run that was stopped early has a lock and no manifest yet.
        if found and not ours and (".lock" not in found or _MANIFEST in found):
            raise UsageError(f"{self.path} is not empty and holds no run; give a new folder")

    def _remove(self) -> None:
        shutil.rmtree(self.store, ignore_errors=True)
        for name in ("log.jsonl", ".lock"):
            (self.path / name).unlink(missing_ok=True)
        for folder in self._made:
            if any(folder.iterdir()):
                break
            folder.rmdir()


def _files_of(manifest: Path) -> dict[str, str] | None:
    """List the files of a run by its manifest; None where there is none, or it is not one of ours."""
    if not manifest.is_file():
        return None
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
    except ValueError:
        return None
    ours = isinstance(content, dict) and content.get("format") == 1 and isinstance(content.get("files"), dict)
    return dict(content["files"]) if ours else None


def file_hash(file: str | Path) -> str:
    """Give the SHA-256 of a file's contents."""
    with Path(file).open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _make(path: Path) -> list[Path]:
    """Make a folder and those above it; return what was made, the deepest first."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return missing
    except OSError as error:
        raise UsageError(f"cannot write into {path}: {error.strerror}; give another folder") from error


def _locked(file: Path) -> int:
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise BusyError(
            f"another process works in {file.parent}; wait for it to end or give another folder"
        ) from None
    if os.fstat(handle).st_nlink == 0:  # its holder removed it between the two calls
        os.close(handle)
        return _locked(file)
    return handle


def _processor() -> str:
    return platform.processor() or platform.machine()
