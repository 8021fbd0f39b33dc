"""The functions that tasks call: each takes settings and earlier results and returns arrays and tables.

A task function must be a pure function of its arguments: what it returns is kept under a key made of them.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from gossan.balance import BalanceSettings
from gossan.config import from_values
from gossan.errors import DataError, DesignWarning, SettingWarning
from gossan.evaluate import Ground, fit_part, predictions, screen_part
from gossan.grid import pixel_index, resolution_of
from gossan.hooks import Checkpoint, Progress
from gossan.models import ModelSettings, make_scorer, names
from gossan.models.base import WEIGHTS_FILE, Check, Scorer
from gossan.models.training import TrainingSettings
from gossan.pipeline.prepare import build_stack, read_survey, transformed
from gossan.recipe import Recipe, WindowSet
from gossan.screen import ScreenSettings
from gossan.split import Fold, ValidationSettings, random_folds, spatial_folds, window_camps
from gossan.survey import GeologySource, Samples, find_camps
from gossan.windows import cut_windows, deposits_in

if TYPE_CHECKING:
    import pandas as pd
    from odc.geo.geobox import GeoBox

__all__ = [
    "STAGES",
    "Fitting",
    "design",
    "fit",
    "fit_final",
    "label_windows",
    "make_folds",
    "prepare",
    "screen",
    "training_index",
]

#: The fixed number of each stage in the seed of its random draws.
STAGES = {"design": 1, "screen": 2, "fit": 3, "final": 4, "inner": 5}


@dataclass(frozen=True)
class Fitting:
    """The settings that a fit depends on."""

    model: ModelSettings
    training: TrainingSettings
    balance: BalanceSettings
    validation: ValidationSettings
    geology: GeologySource | None

    @classmethod
    def of(cls, values: Mapping[str, Any], weights: str | None = None) -> Self:
        """Read back what `dataclasses.asdict` and JSON made; ``weights`` is where a file of them is."""
        model: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in values["model"].items()
        }
        if weights is not None:
            model["weights"] = weights
        return cls(
            ModelSettings(**model),
            TrainingSettings(**values["training"]),
            BalanceSettings(**values["balance"]),
            ValidationSettings(**values["validation"]),
            GeologySource(**values["geology"]) if values["geology"] else None,
        )


def prepare(
    *,
    project: dict[str, Any],
    inputs: dict[str, str],
    folder: str,
    progress: Progress,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Read the survey's files and make the label-free Stack."""
    settings = from_values({**project, "project": {**project["project"], "data": folder}})
    survey = read_survey(settings)
    progress(0.2)
    samples = transformed(survey, settings)
    stack = build_stack(survey, samples, settings)
    return {
        "stack": stack,
        "coordinates": samples.coordinates,
        "values": samples.values,
        "units": dict(samples.units),
        "deposits": survey.deposits.coordinates,
        "deposit_camps": list(survey.deposits.camp) if survey.deposits.camp else None,
    }


def design(
    *,
    prepare: dict[str, Any],
    windows: dict[str, Any],
    validation: dict[str, Any],
    seed: int,
    progress: Progress,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Cut the windows, label them, number the camps and make the folds of every repeat."""
    stack, named = prepare["stack"], prepare["deposit_camps"]
    grid = stack.odc.geobox
    table, camps = label_windows(grid, stack["valid"].values, np.asarray(prepare["deposits"]), named, windows)
    folds = make_folds(table, grid, validation, seed)
    return {
        "windows": table,
        "deposit_camp": camps,
        "folds": {
            name: {str(k): {"train": train, "test": test} for k, (train, test) in enumerate(split)}
            for name, split in folds.items()
        },
    }


def label_windows(
    grid: "GeoBox",
    valid: NDArray[np.bool_],
    deposits: NDArray[np.float64],
    named: Sequence[str] | None,
    windows: Mapping[str, Any],
) -> tuple["pd.DataFrame", NDArray[np.int64]]:
    """Cut the windows; say what each holds: known deposits, and the camp they are of (0 = none).

    Parameters
    ----------
    named
        Camp of each deposit as its file names it; None numbers them by distance.
    windows
        The values of `WindowSettings`, resolved.

    Returns
    -------
    The windows, and the camp of each deposit, from 1.
    """
    table = cut_windows(
        grid,
        windows["size"],
        strides=windows["strides"],
        offsets=tuple(windows["offsets"]),
        valid=valid,
        min_valid=windows["min_valid"],
    )
    row, col, inside = pixel_index(grid, deposits)
    # What lies on ground that is left out is no label: the screening and the map leave it out too.
    held = inside.copy()
    held[inside] = valid[row[inside], col[inside]]
    table["deposits"] = deposits_in(table, grid, deposits[held])
    if named is None:
        camps = find_camps(deposits, windows["size"] * resolution_of(grid))
    else:
        camps = np.unique(list(named), return_inverse=True)[1].astype(np.int64) + 1
    table["camp"] = window_camps(table, camps[held], deposits[held], grid)
    return table, camps


def make_folds(
    table: "pd.DataFrame", grid: "GeoBox", validation: Mapping[str, Any], seed: int
) -> dict[str, list[Fold]]:
    """Make the strict and the random folds of every repeat, by name, such as ``strict 0``."""
    is_ore, camp = table["deposits"].to_numpy() > 0, table["camp"].to_numpy()
    block, dead_zone = (round(validation[name] / resolution_of(grid)) for name in ("block", "dead_zone"))
    folds = {}
    for repeat in range(validation["repeats"]):
        draw = [seed, STAGES["design"], repeat]
        folds[f"strict {repeat}"] = spatial_folds(
            table, is_ore, camp=camp, folds=validation["folds"], block=block, dead_zone=dead_zone, seed=draw
        )
        made = len(folds[f"strict {repeat}"])
        folds[f"paper {repeat}"] = random_folds(table, is_ore, folds=made, seed=draw)
    return folds


def screen(
    *,
    prepare: dict[str, Any],
    design: dict[str, Any],
    part: str,
    settings: dict[str, Any],
    block: float,
    protocol: str,
    seed: list[int],
    progress: Progress,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Screen the elements on the training part named ``part`` (``strict 0/2``, or ``all``)."""
    how = ScreenSettings(**settings)
    samples = Samples(np.asarray(prepare["coordinates"]), prepare["values"], prepare["units"])
    others = [str(name) for name in prepare["stack"]["channel"].values if name not in samples.values]
    if not how.enabled:
        return {"table": None, "layers": [*samples.values.columns, *others]}
    table = screen_part(
        samples,
        Ground(prepare["stack"], design["windows"]),
        training_index(design, part),
        np.asarray(prepare["deposits"]),
        np.asarray(design["deposit_camp"]),
        distance=float(how.ore_distance or 0),
        block=block,
        settings=how,
        protocol=protocol,
        seed=seed,
    )
    kept = [str(name) for name in table.loc[table["keep"], "element"]]
    return {"table": table, "layers": [*kept, *others], "note": table.attrs.get("note")}


def training_index(design: dict[str, Any], part: str) -> NDArray[np.intp]:
    """Positions of the training windows of a part."""
    if part == "all":
        return np.arange(len(design["windows"]))
    split, fold = part.split("/")
    return np.asarray(design["folds"][split][fold]["train"])


def fit(
    *,
    prepare: dict[str, Any],
    design: dict[str, Any],
    screen: dict[str, Any],
    part: str,
    settings: dict[str, Any],
    seed: list[int],
    weights: str | None = None,
    progress: Progress,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Fit one model on the training part of one fold and score its test areas."""
    job = _Fit.of(prepare, design, screen, Fitting.of(settings, weights), part)
    split, place = part.split(" ")
    repeat, fold = place.split("/")
    test = np.asarray(design["folds"][f"{split} {repeat}"][fold]["test"])
    recipe, fitted = job.run(seed, split, progress, checkpoint)
    answer = fitted.predict(WindowSet(job.ground.stack, job.ground.windows.iloc[test], recipe))
    prevalence = float(job.ground.is_ore[job.index].mean())
    table = predictions(job.ground, test, answer, prevalence=prevalence, repeat=int(repeat), fold=int(fold))
    return {"predictions": table}


def fit_final(
    *,
    prepare: dict[str, Any],
    design: dict[str, Any],
    screen: dict[str, Any],
    settings: dict[str, Any],
    seed: list[int],
    weights: str | None = None,
    progress: Progress,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Fit the final model on every window; its scores are fitted, not predicted."""
    job = _Fit.of(prepare, design, screen, Fitting.of(settings, weights), "all")
    recipe, fitted = job.run(seed, settings["validation"]["protocol"], progress, checkpoint)
    areas = np.flatnonzero(job.ground.windows["number"].to_numpy() > 0)
    answer = fitted.predict(WindowSet(job.ground.stack, job.ground.windows.iloc[areas], recipe))
    with TemporaryDirectory() as folder:
        record = fitted.save(Path(folder))
        written = np.frombuffer((Path(folder) / WEIGHTS_FILE).read_bytes(), dtype=np.uint8)
    numbers = job.ground.windows["number"].to_numpy()[areas]
    return {
        "recipe": recipe.to_dict(),
        "record": record,
        "weights": written,
        "number": numbers,
        "score": answer.score,
    }


@dataclass(frozen=True)
class _Fit:
    """One model to be fitted on one training part."""

    ground: Ground
    index: NDArray[np.intp]
    layers: list[str]
    settings: Fitting

    @classmethod
    def of(
        cls,
        prepare: dict[str, Any],
        design: dict[str, Any],
        screen: dict[str, Any],
        how: Fitting,
        part: str,
    ) -> Self:
        encoding = how.geology.encoding if how.geology else "onehot"
        ground = Ground(prepare["stack"], design["windows"], encoding, how.model.valid_channel)
        return cls(ground, training_index(design, part), screen["layers"], how)

    def run(
        self, seed: list[int], protocol: str, progress: Progress, checkpoint: Checkpoint
    ) -> tuple[Recipe, Scorer]:
        how = self.settings
        return fit_part(
            self.ground,
            self.index,
            self.layers,
            make_scorer(how.model.name, model=how.model, training=how.training),
            balance=how.balance,
            seed=seed,
            check=self._check(seed),
            protocol=protocol,
            progress=progress,
            checkpoint=checkpoint,
        )

    def _check(self, seed: list[int]) -> Check | None:
        """Hold camps of the training part out, with the same gap, to stop early by."""
        if not self.settings.training.patience or self.settings.model.name not in names("network"):
            return None
        validation, resolution = self.settings.validation, resolution_of(self.ground.grid)
        windows = self.ground.windows.iloc[self.index]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DesignWarning)  # the design was judged as a whole
                folds = spatial_folds(
                    windows,
                    self.ground.is_ore[self.index],
                    camp=windows["camp"].to_numpy(),
                    folds=3,
                    block=round((validation.block or 0) / resolution),
                    dead_zone=round((validation.dead_zone or 0) / resolution),
                    seed=[*seed, STAGES["inner"]],
                )
        except DataError as error:
            warnings.warn(
                f"training.patience has no effect: no inner fold can be made ({error})",
                SettingWarning,
                stacklevel=2,
            )
            return None
        return folds[0]
