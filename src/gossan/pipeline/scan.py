"""The dense map: tasks that score it in parts, and what is written and said of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan import io
from gossan.config import Project
from gossan.dense import Scan, choose_method, deviation
from gossan.grid import dense_grid, resolution_of
from gossan.hooks import Checkpoint, Progress
from gossan.models.base import Scorer
from gossan.pipeline.reasons import loaded
from gossan.pipeline.tasks import STAGES
from gossan.recipe import Recipe
from gossan.runs import Task

if TYPE_CHECKING:
    import xarray as xr
    from odc.geo.geobox import GeoBox

    from gossan.pipeline.results import Findings

__all__ = ["compare", "dense_section", "scan", "scan_tasks", "write_dense", "write_scan"]

#: Parts of the dense map that are scored on their own, so that processes share them.
PARTS = 8
#: Rows of the dense map that are scored and written at once where no task keeps them.
_ROWS = 64
_SCAN = "gossan.pipeline.scan:"


def scan_tasks(project: Project) -> list[Task]:
    """List the parts of the final model's dense map and the task that checks it; none without a stride."""
    if project.dense.stride is None:
        return []
    settings = {
        "dense": asdict(project.dense),
        "window": {"size": project.windows.size, "min_valid": project.windows.min_valid},
    }
    inputs = {"prepare": "prepare", "final": "final"}
    parts = [
        Task(f"dense {part}", _SCAN + "scan", {**settings, "part": part, "parts": PARTS}, inputs, weight=4)
        for part in range(PARTS)
    ]
    seed = [project.project.seed, STAGES["dense"]]
    checked = {**inputs, "scanned": [part.name for part in parts]}
    return [*parts, Task("dense check", _SCAN + "compare", {**settings, "seed": seed}, checked, weight=2)]


def _opened(
    stack: "xr.Dataset", recipe: Recipe, scorer: Scorer, dense: Mapping[str, Any], window: Mapping[str, Any]
) -> Scan:
    method = choose_method(scorer, dense["method"])
    return Scan(stack, recipe, scorer, window["size"], dense["stride"], window["min_valid"], method)


def scan(
    *,
    prepare: dict[str, Any],
    final: dict[str, Any],
    dense: dict[str, Any],
    window: dict[str, Any],
    part: int,
    parts: int,
    progress: Progress,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Score some rows of the dense map; every part has as many, but for one."""
    made = _opened(prepare["stack"], *loaded(final), dense, window)
    rows, cols = made.shape
    first, last = (rows * place // parts for place in (part, part + 1))
    score, spread = (np.full((last - first, cols), np.nan, dtype=np.float32) for _ in range(2))
    for place in range(first, last, _ROWS):
        here = slice(place, min(place + _ROWS, last))
        own = slice(here.start - first, here.stop - first)
        score[own], spread[own] = made.block(here, slice(0, cols))
        progress((here.stop - first) / (last - first))
    return {"score": score, "spread": spread, "method": made.method}


def compare(
    *,
    prepare: dict[str, Any],
    final: dict[str, Any],
    scanned: list[dict[str, Any]],
    dense: dict[str, Any],
    window: dict[str, Any],
    seed: list[int],
    progress: Progress,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Measure how far shared scores are from those of windows one by one; nothing for the exact way."""
    made = _opened(prepare["stack"], *loaded(final), dense, window)
    if made.method == "exact":
        return {"deviation": None}
    found = deviation(made, np.concatenate([each["score"] for each in scanned]), seed=seed)
    return {"deviation": found.to_dict() if found else None}


# ---- what comes out


def dense_section(found: "Findings") -> dict[str, Any] | None:
    """Say of the dense map how it was made, how much ground it scores, and how exact it is."""
    project, stride = found.project, found.project.dense.stride
    if stride is None:
        return None
    grid, size = found.survey.grid, project.windows.size or 0
    parts = [found.results[f"dense {part}"] for part in range(PARTS)]
    return {
        "stride_px": stride,
        "stride_m": stride * resolution_of(grid),
        "rows": dense_grid(grid, size, stride).shape[0],
        "cols": dense_grid(grid, size, stride).shape[1],
        "windows": sum(int(np.isfinite(part["score"]).sum()) for part in parts),
        "method": parts[0]["method"],
        "deviation": found.results["dense check"]["deviation"],
    }


def write_dense(found: "Findings", folder: Path) -> None:
    """Write ``dense.tif`` strip by strip, where a stride is set."""
    said = dense_section(found)
    if said is None:
        return
    parts = (found.results[f"dense {part}"] for part in range(PARTS))
    grid = dense_grid(found.survey.grid, found.project.windows.size or 0, said["stride_px"])
    ensemble = found.project.training.ensemble > 1
    _write(folder / "dense.tif", grid, ((each["score"], each["spread"]) for each in parts), said, ensemble)


def _write(
    path: Path,
    grid: "GeoBox",
    strips: Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]],
    said: Mapping[str, Any],
    ensemble: bool,
) -> None:
    names = ("score", "spread") if ensemble else ("score",)
    io.write_strips(path, grid, names, (strip[: len(names)] for strip in strips), tags=_tags(said))


def _tags(said: Mapping[str, Any]) -> dict[str, str]:
    tags = {
        "GOSSAN_METHOD": said["method"],
        "GOSSAN_STRIDE_PX": str(said["stride_px"]),
        "GOSSAN_PLACE": "a pixel is the window around its centre",
    }
    measured = said["deviation"] or {}
    return tags | {f"GOSSAN_DEVIATION_{name.upper()}": f"{value}" for name, value in measured.items()}


def write_scan(
    path: Path,
    stack: "xr.Dataset",
    model: tuple[Recipe, Scorer],
    dense: Mapping[str, Any],
    window: Mapping[str, Any],
    *,
    grid: "GeoBox",
    seed: Sequence[int],
) -> dict[str, Any]:
    """Score a dense map and write it; return how it was made, as `dense_section`."""
    made = _opened(stack, *model, dense, window)
    rows, cols = made.shape
    strips = [slice(first, min(first + _ROWS, rows)) for first in range(0, rows, _ROWS)]
    blocks = [made.block(strip, slice(0, cols)) for strip in strips]
    found = None
    if made.method == "shared":
        found = deviation(made, np.concatenate([score for score, _ in blocks]), seed=seed)
    said = {
        "method": made.method,
        "stride_px": made.stride,
        "deviation": found.to_dict() if found else None,
    }
    ensemble = any(bool(np.isfinite(spread).any()) for _, spread in blocks)
    _write(path, dense_grid(grid, made.size, made.stride), iter(blocks), said, ensemble)
    return said
