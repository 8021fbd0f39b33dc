"""The file that says which cluster to start: a batch system by dask-jobqueue, or this machine."""

import importlib.util
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gossan.errors import MissingFileError, UsageError

__all__ = ["ClusterFile", "extra_missing", "read_cluster", "start_cluster"]

#: The batch systems of dask-jobqueue.
_KINDS = (
    "HTCondorCluster",
    "LSFCluster",
    "MoabCluster",
    "OARCluster",
    "PBSCluster",
    "SGECluster",
    "SLURMCluster",
)


@dataclass(frozen=True)
class ClusterFile:
    """What a cluster file holds.

    Attributes
    ----------
    kind
        ``local`` or the name of a class of dask-jobqueue, such as ``SLURMCluster``.
    workers
        Number of workers, at least 1; each does one task at a time.
    wait
        Seconds that the run waits while there is no worker at all, above 0; a queue may be long.
    options
        Keyword arguments of the class. Without ``cores`` and ``processes`` a job is one worker with one core.
    """

    kind: str
    workers: int
    wait: float = 3600.0
    options: Mapping[str, Any] = field(default_factory=dict)


def extra_missing(option: str, name: str) -> UsageError:
    """Make the error for a library of the extra that is not installed."""
    return UsageError(f"{option} needs {name}, which is not installed; pip install 'gossan[scale]'")


def read_cluster(path: str | Path) -> ClusterFile:
    """Read a cluster file, TOML or (by its ending ``.yaml`` or ``.yml``) YAML.

    Raises
    ------
    UsageError
        When it is not there, is not of that format, or holds something that a cluster file does not.
    """
    found = _parsed(Path(path))
    known = [each.name for each in fields(ClusterFile)]
    if odd := sorted(set(found) - set(known)):
        raise UsageError(f"{path}: {odd[0]!r} given; a cluster file has {', '.join(known)}")
    kinds = ("local", *_KINDS)
    if found.get("kind") not in kinds:
        raise UsageError(f"{path}: kind = {found.get('kind')!r}; it must be one of {', '.join(kinds)}")
    for name, least, kind in (("workers", 1, int), ("wait", 1, (int, float))):
        value = found.get(name, 3600.0 if name == "wait" else None)
        if isinstance(value, bool) or not isinstance(value, kind) or value < least:
            raise UsageError(f"{path}: {name} = {value!r}; it must be a number of {least} or more")
    if not isinstance(found.get("options", {}), dict):
        raise UsageError(f"{path}: options must be a table of keyword arguments of {found['kind']}")
    return ClusterFile(**found)


def _parsed(path: Path) -> dict[str, Any]:
    import yaml  # a requirement of dask

    if not path.is_file():
        raise MissingFileError(f"--cluster {path} is not there; give a file that names a cluster")
    try:
        text = path.read_text(encoding="utf-8")
        is_yaml = path.suffix.lower() in (".yaml", ".yml")
        found = yaml.safe_load(text) if is_yaml else tomllib.loads(text)
    except (ValueError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} holds no keys; a cluster file has kind, workers, wait and options")
    return found


@contextmanager
def start_cluster(file: ClusterFile) -> Iterator[Any]:
    """Start a cluster of Dask and ask for its workers; all of it ends with the block.

    Raises
    ------
    UsageError
        When an option is none of its class, or a library is missing.
    """
    with ExitStack() as block:
        try:
            if file.kind == "local":
                cluster = block.enter_context(_local(file, block.enter_context(TemporaryDirectory())))
            else:
                cluster = block.enter_context(_queued(file))
                cluster.scale(file.workers)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{file.kind}: {' '.join(str(error).split())}; correct its options") from error
        yield cluster


def _local(file: ClusterFile, folder: str) -> Any:
    import logging

    from distributed import LocalCluster

    fixed = {"n_workers": file.workers, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
    # memory: mapped files of the store count as the worker's own, so a limit would end it for reading
    quiet = {"local_directory": folder, "silence_logs": logging.CRITICAL, "memory_limit": 0}
    # without an address it would take the dashboard's port for its counters, and fail beside another's
    page = {"scheduler_kwargs": {"dashboard": False, "dashboard_address": "127.0.0.1:0"}}
    start: Any = LocalCluster
    return start(**{**quiet, **page, **file.options, **fixed})


def _queued(file: ClusterFile) -> Any:
    if importlib.util.find_spec("dask_jobqueue") is None:
        raise extra_missing("--cluster", "dask-jobqueue")
    import dask_jobqueue

    cores = file.options.get("cores", 1)
    return getattr(dask_jobqueue, file.kind)(**{"cores": cores, "processes": cores, **file.options})
