"""From survey files to a ranked, explained and honestly evaluated map of mineral targets.

Every name loads on first use, so that importing the package loads none of the heavy libraries.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gossan import models
    from gossan.config import load_project
    from gossan.evidence import fault_distance
    from gossan.interpolate import idw
    from gossan.metrics import z_auc
    from gossan.pipeline import run
    from gossan.screen import screen_elements
    from gossan.split import spatial_folds
    from gossan.synthetic import synthetic_survey
    from gossan.windows import cut_windows, gather

__all__ = [
    "cut_windows",
    "fault_distance",
    "gather",
    "idw",
    "load_project",
    "models",
    "run",
    "screen_elements",
    "spatial_folds",
    "synthetic_survey",
    "z_auc",
]

__version__ = "0.1.0"

#: Where each public name lives.
_HOMES = {
    "cut_windows": "windows",
    "fault_distance": "evidence",
    "gather": "windows",
    "idw": "interpolate",
    "load_project": "config",
    "run": "pipeline",
    "screen_elements": "screen",
    "spatial_folds": "split",
    "synthetic_survey": "synthetic",
    "z_auc": "metrics",
}


def __getattr__(name: str) -> Any:
    if name == "models":
        return import_module("gossan.models")
    if name not in _HOMES:
        raise AttributeError(f"module 'gossan' has no attribute {name!r}")
    return getattr(import_module(f"gossan.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
