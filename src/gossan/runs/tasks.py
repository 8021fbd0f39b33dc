"""A task, and the key that its result is known by."""

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["Call", "Task", "source_hash", "task_key", "versions"]

#: The libraries whose version can change a result.
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "torchvision", "imbalanced-learn", "pandas")


@dataclass(frozen=True)
class Task:
    """A piece of work whose result is kept.

    Attributes
    ----------
    name
        What it is called in messages, results and other tasks' inputs; unique in a list of tasks.
    function
        ``"module:function"``; called with the settings and inputs as keywords and ``progress`` and
        ``checkpoint`` (see `gossan.hooks`), returns a dictionary of arrays, tables, stacks and JSON.
    settings
        What JSON can hold; the function gets it as JSON gives it back, tuples as lists.
    inputs
        Argument -> name of the task whose result it takes, or a list of names for a list of results.
    weight
        Expected share of the work beside the other tasks, any unit.
    places
        Further settings that say where things lie, such as the folder of the input files; made absolute,
        since a worker may have another folder. They are no part of the key: what lies there is known by its
        hash, and a moved project is the same project.
    threads
        Threads that numerical libraries may use in it; None takes the runner's.
    """

    name: str
    function: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    weight: float = 1.0
    places: Mapping[str, str] = field(default_factory=dict)
    threads: int | None = None


@dataclass(frozen=True)
class Call:
    """A task with the keys of its result and inputs: all that a worker needs; settings as JSON text."""

    name: str
    function: str
    settings: str
    inputs: Mapping[str, str | tuple[str, ...]]
    key: str
    threads: int
    weight: float


def task_key(task: Task, input_keys: Mapping[str, str | Sequence[str]], context: Mapping[str, Any]) -> str:
    """Give the key of a task's result: equal keys, equal results.

    A task's own name and weight are left out, so that equal work in two lists is done once.

    Parameters
    ----------
    input_keys
        Argument -> key of the result that it takes (or keys), which stands for its contents.
    context
        What else the result depends on: versions, source, device, threads.
    """
    parts = {
        "function": task.function,
        "settings": task.settings,
        "inputs": {name: key if isinstance(key, str) else list(key) for name, key in input_keys.items()},
        "context": context,
    }
    text = json.dumps(parts, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def source_hash() -> str:
    """Hash the source of the whole package: a changed line is a changed result."""
    import gossan

    folder = Path(gossan.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py"), key=lambda file: file.relative_to(folder).as_posix()):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def versions() -> Mapping[str, str]:
    """List the versions of Python, GDAL and the libraries that results depend on."""
    import rasterio

    found = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), "gdal": rasterio.__gdal_version__, **found}
