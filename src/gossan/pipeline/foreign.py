"""A model put to work on another survey, under a strict contract."""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan import io, mapped
from gossan.applicability import Applicability
from gossan.calibrate import Calibrator
from gossan.config import Project
from gossan.errors import DataError, DataWarning, DesignWarning, MissingFileError, RunError, UsageError
from gossan.explain import window_summaries
from gossan.grid import resolution_of, tiles
from gossan.hooks import MakeArray
from gossan.models import load_scorer
from gossan.pipeline.gis import write_map_styles
from gossan.pipeline.land import without_land
from gossan.pipeline.layers import BLOCK
from gossan.pipeline.outputs import on_ground
from gossan.pipeline.prepare import build_stack, derive, read_survey, transformed
from gossan.pipeline.reasons import far_areas
from gossan.pipeline.scan import write_scan
from gossan.pipeline.tasks import STAGES
from gossan.recipe import Recipe, WindowSet
from gossan.survey import Survey, by_pixel, join_stack
from gossan.windows import AreaMap, WindowSettings, cut_windows

if TYPE_CHECKING:
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
    ``dense.stride`` in the project also ``<name>-dense.tif``. QGIS takes their look from the ``.qml`` beside
    each.

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
    project = without_land(project, "predict")
    survey = read_survey(project, labelled=False)
    _check_resolution(resolution_of(survey.grid), window["resolution"])
    settings = derive(replace(project, windows=WindowSettings(size=window["size"])), survey)
    path = Path(out) if out is not None else Path(f"{project.project.name}-prediction.tif")
    say(0.1, None, "making the stack")
    with _arrays_beside(path) as make:
        stack = build_stack(survey, transformed(survey, settings), settings, make=make)
        trained = _as_trained(stack, record, make)
        _score(path, survey, trained, record, folder, say)
        if project.dense.stride is not None:
            say(0.95, None, "scoring the dense map")
            write_scan(
                path.with_name(f"{path.stem}-dense.tif"),
                trained,
                (Recipe.from_dict(record["recipe"]), load_scorer(folder, record["record"])),
                asdict(project.dense),
                window,
                grid=survey.grid,
                seed=[project.project.seed, STAGES["dense"]],
            )
    write_map_styles(path, limit=record["applicability"]["threshold"])
    say(1.0, 0.0, "done")
    return path


@contextmanager
def _arrays_beside(path: Path) -> Iterator[MakeArray]:
    """Yield what makes arrays in files, which can be larger than memory; they are gone at the end."""
    folders = path.absolute().parents
    try:
        with TemporaryDirectory(dir=next(each for each in folders if each.is_dir())) as folder:
            numbers = count()
            yield lambda shape, dtype: mapped.create(Path(folder) / f"{next(numbers)}.npy", shape, dtype)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error}; make room or choose another --out") from error


def _score(
    path: Path,
    survey: Survey,
    stack: "xr.Dataset",
    record: Mapping[str, Any],
    folder: Path,
    say: "Report",
) -> None:
    """Score every area of a stack and write the maps."""
    window, valid = record["window"], stack["valid"].values
    areas = cut_windows(survey.grid, window["size"], valid=valid, min_valid=window["min_valid"])
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
    maps = {
        name: on_ground(AreaMap([np.asarray(values, dtype=np.float64)], areas, valid.shape), valid)
        for name, values in bands.items()
    }
    io.write_prospectivity(path, survey.grid, None, None, maps.pop("final"))
    io.write_bands(path.with_name(f"{path.stem}-applicability.tif"), survey.grid, maps)


def _check_portable(name: str) -> None:
    if name in ("nearest-known", "sample-density"):
        raise UsageError(
            f"the run's model is {name!r}, which says nothing about another survey: it knows only where its "
            "own deposits or samples lie; give the run of another model"
        )


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
    far = far_areas(survey.grid, table, survey.samples.coordinates, windows.stack["valid"].values)
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


def _as_trained(stack: "xr.Dataset", record: Mapping[str, Any], make: MakeArray) -> "xr.Dataset":
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
    layers = _ordered(stack, recipe.stack_channels, make)
    units = {name: found[name] for name in recipe.stack_channels}
    grid, valid = stack.odc.geobox, stack["valid"].values
    if recipe.encoding == "none":
        return join_stack(grid, layers, valid, units)
    if "classes" not in stack:
        raise DataError("the survey has no geology; the model was trained with it: add [geology]")
    classes, counts = _renumbered(stack, recipe)
    _tell_of_unseen([str(name) for name in stack.attrs["class_names"]], counts, recipe)
    return join_stack(grid, layers, valid, units, classes=classes, class_names=recipe.class_names)


def _ordered(stack: "xr.Dataset", wanted: Sequence[str], make: MakeArray) -> NDArray[np.float32]:
    """Put layers in another order, a tile at a time; as they are where it is theirs."""
    names, layers = [str(name) for name in stack["channel"].values], stack["layers"].values
    if names == list(wanted):
        return layers
    ordered = by_pixel(make, len(wanted), layers.shape[1:])
    places = [names.index(name) for name in wanted]
    for rows, cols in tiles(stack.odc.geobox.shape, BLOCK):
        ordered[:, rows, cols] = layers[:, rows, cols][places]
        mapped.relieve()
    return ordered


def _renumbered(stack: "xr.Dataset", recipe: Recipe) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Renumber the classes in place as the model knows them; count the pixels of each as they were."""
    known = {name: number for number, name in enumerate(recipe.class_names)}
    table = np.array([known.get(str(name), -1) for name in stack.attrs["class_names"]] + [-1], dtype=np.int16)
    classes, counts = stack["classes"].values, np.zeros(len(table), dtype=np.int64)
    for rows, cols in tiles(stack.odc.geobox.shape, BLOCK):
        here = classes[rows, cols]
        counts += np.bincount(here[here >= 0], minlength=len(table))
        classes[rows, cols] = table[here]
        mapped.relieve()
    return classes, counts[:-1]


def _tell_of_unseen(names: Sequence[str], counts: NDArray[np.int64], recipe: Recipe) -> None:
    """Tell of the ground whose class the model never saw; rare ones it learnt as ``other``."""
    unseen = {
        name: many
        for name, many in zip(names, counts.tolist(), strict=True)
        if many and name not in recipe.class_names
    }
    if unseen:
        told = list(unseen)
        shown = ", ".join(told[:5]) + (f" and {len(told) - 5} more" if len(told) > 5 else "")
        warnings.warn(
            f"{len(told)} classes on {sum(unseen.values()) / counts.sum():.1%} of the mapped ground count as "
            f"'other', since the model never saw them: {shown}",
            DataWarning,
            stacklevel=4,
        )
