"""A model put to work on another survey, under a strict contract."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gossan import io
from gossan.config import Project
from gossan.errors import DataError, MissingFileError
from gossan.grid import resolution_of
from gossan.models import load_scorer
from gossan.pipeline.prepare import build_stack, derive, read_survey, transformed
from gossan.recipe import Recipe, WindowSet
from gossan.windows import WindowSettings, cut_windows, stitch

if TYPE_CHECKING:
    import xarray as xr

    from gossan.runs import Report

__all__ = ["predict"]

#: How far the pixel sizes of the two surveys may differ.
_SAME_RESOLUTION = 0.01


def predict(
    model_run: str | Path,
    project: Project,
    out: str | Path | None = None,
    *,
    on_progress: "Report | None" = None,
) -> Path:
    """Score another survey with the final model of a run: its Recipe and its network, and nothing else.

    Parameters
    ----------
    model_run
        Folder of a finished run.
    project
        The survey to score; its deposits are not used.
    out
        File to write; ``<name>-prediction.tif`` in the current folder without it.

    Returns
    -------
    Path of a map like ``prospectivity.tif``: band ``score`` is empty, because nothing was held out here,
    and band ``final`` holds the model's scores.

    Raises
    ------
    MissingFileError
        If the run holds no model.
    DataError
        If channels, units, pixel size or window size differ from those of the model.
    """
    say = on_progress or (lambda share, left, label: None)
    folder = Path(model_run) / "model"
    record = _record(folder)
    window = record["window"]
    survey = read_survey(project, labelled=False)
    _check_resolution(resolution_of(survey.grid), window["resolution"])
    settings = derive(replace(project, windows=WindowSettings(size=window["size"])), survey)
    say(0.1, None, "making the stack")
    stack = _as_trained(build_stack(survey, transformed(survey, settings), settings), record)
    areas = cut_windows(
        survey.grid, window["size"], valid=stack["valid"].values, min_valid=window["min_valid"]
    )
    if areas.empty:
        raise DataError(
            f"no window of {window['size']} px has {window['min_valid']:.0%} of valid ground; "
            "check the area and the layers' extent"
        )
    say(0.6, None, "scoring")
    scorer = load_scorer(folder, record["record"])
    answer = scorer.predict(WindowSet(stack, areas, Recipe.from_dict(record["recipe"])))
    rows, cols = survey.grid.shape
    final = stitch(answer.score, areas, (rows, cols))
    final[~stack["valid"].values] = np.nan
    path = Path(out) if out is not None else Path(f"{project.project.name}-prediction.tif")
    io.write_prospectivity(path, survey.grid, None, None, final)
    say(1.0, 0.0, "done")
    return path


def _record(folder: Path) -> Mapping[str, Any]:
    file = folder / "model.json"
    if not file.is_file():
        raise MissingFileError(f"{folder} holds no model.json; give the folder of a finished run")
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        Recipe.from_dict(record["recipe"])
        window = {name: record["window"][name] for name in ("size", "resolution", "min_valid")}
        known = {"window": window, "units": dict(record["units"]), "record": dict(record["record"])}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{file} is no model of this package ({error}); copy the model folder again"
        ) from error
    return known | {"recipe": record["recipe"]}


def _check_resolution(found: float, wanted: float) -> None:
    if abs(found / wanted - 1) > _SAME_RESOLUTION:
        raise DataError(
            f"pixels of {found:g} m given; the model was trained on {wanted:g} m: "
            f"set project.resolution = {wanted:g}"
        )


def _as_trained(stack: "xr.Dataset", record: Mapping[str, Any]) -> "xr.Dataset":
    """Put channels in the order of the training stack and number classes as it did; refuse what differs."""
    recipe = Recipe.from_dict(record["recipe"])
    found = {
        str(name): str(unit)
        for name, unit in zip(stack["channel"].values, stack["units"].values, strict=True)
    }
    if missing := [name for name in recipe.stack_channels if name not in found]:
        raise DataError(
            f"the survey has no layer {', '.join(missing)}; the model needs "
            f"{', '.join(recipe.stack_channels)}: add it"
        )
    for name in recipe.layers:
        if found[name] != record["units"][name]:
            raise DataError(
                f"layer {name} is in {found[name]!r}; the model was trained on {record['units'][name]!r}: "
                "give the same unit and transform"
            )
    if recipe.encoding == "none":
        return stack.sel(channel=list(recipe.stack_channels)).drop_vars("classes", errors="ignore")
    if "classes" not in stack:
        raise DataError("the survey has no geology; the model was trained with it: add [geology]")
    numbers = {name: number for number, name in enumerate(recipe.class_names)}
    table = np.array(
        [numbers.get(str(name), -1) for name in stack.attrs["class_names"]] + [-1], dtype=np.int16
    )
    renumbered = stack.sel(channel=list(recipe.stack_channels))
    renumbered["classes"] = (stack["classes"].dims, table[stack["classes"].values])
    renumbered.attrs["class_names"] = list(recipe.class_names)
    return renumbered
