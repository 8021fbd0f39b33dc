"""A model put to work on another survey, under a strict contract."""

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan import io
from gossan.applicability import Applicability
from gossan.calibrate import Calibrator
from gossan.config import Project
from gossan.errors import DataError, DataWarning, DesignWarning, MissingFileError, UsageError
from gossan.explain import window_summaries
from gossan.grid import resolution_of
from gossan.interpolate import far_share, nearest_sample
from gossan.models import load_scorer
from gossan.pipeline.prepare import build_stack, derive, read_survey, transformed
from gossan.pipeline.scan import write_scan
from gossan.pipeline.tasks import STAGES
from gossan.recipe import Recipe, WindowSet
from gossan.survey import Survey, sample_spacing
from gossan.windows import WindowSettings, cut_windows, stitch

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from gossan.runs import Report

__all__ = ["predict"]

#: How far the pixel sizes of the two surveys may differ.
_SAME_RESOLUTION = 0.01
#: Share of the areas outside the area of applicability from which a warning is due.
_MOST_OUTSIDE = 0.1


def predict(
    model_run: str | Path,
    project: Project,
    out: str | Path | None = None,
    *,
    on_progress: "Report | None" = None,
) -> Path:
    """Score another survey with the final model of a run: its Recipe and its network, and nothing else.

    The contract: every channel of the model, in its unit and transform, pixels of its size (1 %), windows of
    its size, scaled as its training area was. Classes that it never saw count as ``other`` and are counted.

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
    and band ``final`` holds the model's scores. Beside it ``<name>-applicability.tif``, as in a run folder,
    with a band ``probability`` of a known deposit, calibrated where the model was trained; with
    ``dense.stride`` in the project also ``<name>-dense.tif``.

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
    _check_portable(record["name"])
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
    windows = WindowSet(stack, areas, Recipe.from_dict(record["recipe"]))
    score = scorer.predict(windows).score
    say(0.9, None, "asking where the model knows nothing")
    unlike = _applicability(record, windows, survey)
    bands = {"final": score, **unlike, "probability": _calibrated(record, score)}
    maps = {name: _painted(values, areas, stack) for name, values in bands.items()}
    path = Path(out) if out is not None else Path(f"{project.project.name}-prediction.tif")
    io.write_prospectivity(path, survey.grid, None, None, maps.pop("final"))
    io.write_bands(path.with_name(f"{path.stem}-applicability.tif"), survey.grid, maps)
    if project.dense.stride is not None:
        say(0.95, None, "scoring the dense map")
        write_scan(
            path.with_name(f"{path.stem}-dense.tif"),
            stack,
            (windows.recipe, scorer),
            asdict(project.dense),
            window,
            grid=survey.grid,
            seed=[project.project.seed, STAGES["dense"]],
        )
    say(1.0, 0.0, "done")
    return path


def _check_portable(name: str) -> None:
    if name in ("nearest-known", "sample-density"):
        raise UsageError(
            f"the run's model is {name!r}, which says nothing about another survey: it knows only where its "
            "own deposits or samples lie; give the run of another model"
        )


def _painted(values: Any, areas: "pd.DataFrame", stack: "xr.Dataset") -> NDArray[np.float32]:
    valid = stack["valid"].values
    band = stitch(np.asarray(values, dtype=np.float64), areas, valid.shape)
    band[~valid] = np.nan
    return band


def _calibrated(record: Mapping[str, Any], score: NDArray[np.float64]) -> NDArray[np.float64]:
    return Calibrator.from_dict(dict(record["calibration"])).apply(score)


def _applicability(
    record: Mapping[str, Any], windows: WindowSet, survey: Survey
) -> dict[str, NDArray[np.float64]]:
    """Say of each area how unlike the training area it is, and warn where much is."""
    yardstick = Applicability.from_dict(dict(record["applicability"]))
    features = window_summaries(windows).features
    index, table = yardstick.index(features), windows.windows
    inside = index <= yardstick.threshold
    if (outside := int((~inside).sum())) > _MOST_OUTSIDE * len(inside):
        warnings.warn(
            f"{outside} of {len(inside)} areas are unlike anything that the model was trained on; its scores "
            "mean little there: see the band 'inside' of the applicability map",
            DesignWarning,
            stacklevel=3,
        )
    coordinates = survey.samples.coordinates
    far = far_share(
        nearest_sample(coordinates, survey.grid),
        2 * sample_spacing(coordinates),
        table["row"],
        table["col"],
        windows.size,
        valid=windows.stack["valid"].values,
    )
    ore_index = yardstick.ore_index(features)
    return {"index": index, "inside": inside.astype(np.float64), "ore_index": ore_index, "far": far}


def _record(folder: Path) -> Mapping[str, Any]:
    file = folder / "model.json"
    if not file.is_file():
        raise MissingFileError(f"{folder} holds no model.json; give the folder of a finished run")
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        Recipe.from_dict(record["recipe"])
        window = {name: record["window"][name] for name in ("size", "resolution", "min_valid")}
        known: dict[str, Any] = {
            name: dict(record[name]) for name in ("units", "record", "calibration", "applicability")
        }
        known |= {"window": window, "name": str(record["name"])}
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
    _tell_of_unseen(stack, recipe)
    renumbered = stack.sel(channel=list(recipe.stack_channels))
    renumbered["classes"] = (stack["classes"].dims, table[stack["classes"].values])
    renumbered.attrs["class_names"] = list(recipe.class_names)
    return renumbered


def _tell_of_unseen(stack: "xr.Dataset", recipe: Recipe) -> None:
    """Count the ground whose class the model never saw; rare ones it learnt as ``other``."""
    known = np.array([str(name) in recipe.class_names for name in stack.attrs["class_names"]], dtype=bool)
    classes = stack["classes"].values
    mapped = classes[classes >= 0]
    unseen = ~known[mapped]
    if unseen.any():
        names = [str(stack.attrs["class_names"][number]) for number in np.unique(mapped[unseen])]
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        warnings.warn(
            f"{len(names)} classes on {unseen.mean():.1%} of the mapped ground count as 'other', since the "
            f"model never saw them: {shown}",
            DataWarning,
            stacklevel=4,
        )
