"""The one door to torchvision, which also opens beside a CPU-only torch.

The registry's torchvision is built for CUDA torch. Beside a CPU torch its native library does not load, and
its import dies with ``operator torchvision::nms does not exist``, because it describes the shapes of two
operators that nobody declared. No network used here runs either of them, so declaring the two is enough.
Everything that needs torchvision calls `load` first, worker processes included.
"""

import importlib
import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

__all__ = ["OPERATORS", "load", "mode"]

#: Schemas of the operators that ``import torchvision`` asks for.
OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


@cache
def load() -> ModuleType:
    """Import torchvision and return it.

    Raises
    ------
    ImportError
        If torchvision is not installed.
    """
    mode()
    return importlib.import_module("torchvision")


@cache
def mode() -> Literal["native", "declared"]:
    """Say where torchvision's operators come from, making sure that they come from somewhere.

    Returns
    -------
    ``native`` if torchvision's own library loads, ``declared`` if only the schemas are there.
    """
    if _native():
        return "native"
    _declare()
    return "declared"


def _native() -> bool:
    """Load torchvision's library without importing torchvision, whose failed import leaves half a module."""
    import torch

    ops: Any = torch.ops
    spec = importlib.util.find_spec("torchvision")
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    for library in (path for folder in folders for path in sorted(Path(folder).glob("_C*.*"))):
        try:
            ops.load_library(library)
        except OSError:
            return False
    return hasattr(ops.torchvision, "nms")


@cache
def _declare() -> Any:
    """Declare the schemas; the cache keeps the library alive, and they vanish with it."""
    torch_library: Any = importlib.import_module("torch.library")
    library = torch_library.Library("torchvision", "FRAGMENT")
    for schema in OPERATORS:
        library.define(schema)
    return library
