"""Task functions around fits: inner folds, a configuration chosen, one fold, the rivals, the final model.

Each is a pure function of its settings and of earlier results, as in `gossan.pipeline.tasks`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from gossan.balance import BalanceSettings
from gossan.barren import BarrenSettings
from gossan.evaluate import Ground, InnerDesign, choose, fit_part, inner_folds, paper_predictions, predictions
from gossan.evaluate.fold import barren_choice
from gossan.grid import resolution_of
from gossan.hooks import Checkpoint, Progress
from gossan.models import ModelSettings, make_scorer, names
from gossan.models.base import WEIGHTS_FILE, Check, Prediction, Scorer, decide
from gossan.models.tables import TableScorer, WindowTable, tabulate
from gossan.models.training import TrainingSettings
from gossan.pipeline.tasks import STAGES, test_index, training_index
from gossan.recipe import Recipe, WindowSet
from gossan.split import ValidationSettings
from gossan.survey import GeologySource

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Fitting", "fit", "fit_final", "inner", "rival", "table", "tune"]


@dataclass(frozen=True)
class Fitting:
    """The settings that a fit depends on."""

    model: ModelSettings
    training: TrainingSettings
    balance: BalanceSettings
    barren: BarrenSettings
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
        validation: dict[str, Any] = dict(values["validation"])
        return cls(
            ModelSettings(**model),
            TrainingSettings(**values["training"]),
            BalanceSettings(**values["balance"]),
            BarrenSettings(**values["barren"]),
            ValidationSettings(**validation),
            GeologySource(**values["geology"]) if values["geology"] else None,
        )


@dataclass(frozen=True)
class _Fit:
    """One model to be fitted on one training part."""

    ground: Ground
    index: NDArray[np.intp]
    layers: list[str]
    how: Fitting
    options: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        prepare: dict[str, Any],
        design: dict[str, Any],
        screen: dict[str, Any],
        how: Fitting,
        part: str,
        options: Mapping[str, Any] | None = None,
    ) -> Self:
        encoding = how.geology.encoding if how.geology else "onehot"
        ground = Ground(prepare["stack"], design["windows"], encoding, how.model.valid_channel)
        return cls(ground, training_index(design, part), screen["layers"], how, options or {})

    def run(
        self,
        seed: list[int],
        protocol: str,
        progress: Progress,
        checkpoint: Checkpoint,
        *,
        within: NDArray[np.int64] | None = None,
    ) -> tuple[Recipe, Scorer]:
        """Fit on the training part, or on the windows ``within`` it."""
        how = self.how
        index = self.index if within is None else self.index[within]
        # Early stopping holds camps of the whole part out; a choice among its windows leaves no such fold.
        whole = within is None and how.barren.method == "all" and how.barren.ratio is None
        return fit_part(
            self.ground,
            index,
            self.layers,
            make_scorer(how.model.name, model=how.model, training=how.training, options=self.options),
            balance=how.balance,
            barren=how.barren,
            seed=seed,
            check=self._check(seed) if whole else None,
            protocol=protocol,
            progress=progress,
            checkpoint=checkpoint,
        )

    @property
    def prevalence(self) -> float:
        """Share of ore among the areas of the training part."""
        return _prevalence(self.ground, self.index)

    def inner_design(self, folds: int) -> InnerDesign:
        validation, resolution = self.how.validation, resolution_of(self.ground.grid)
        block, dead_zone = (
            round((side or 0) / resolution) for side in (validation.block, validation.dead_zone)
        )
        return InnerDesign(folds, block, dead_zone)

    def score(self, recipe: Recipe, scorer: Scorer, index: NDArray[np.intp]) -> Prediction:
        return scorer.predict(WindowSet(self.ground.stack, self.ground.windows.iloc[index], recipe))

    def _check(self, seed: list[int]) -> Check | None:
        """Hold camps of the training part out, with the same gap, to stop early by."""
        if not self.how.training.patience or self.how.model.name not in names("network"):
            return None
        folds = inner_folds(self.ground, self.index, self.inner_design(3), seed=[*seed, STAGES["inner"]])
        return folds[0] if folds else None


def _prevalence(ground: Ground, index: NDArray[np.intp]) -> float:
    areas = index[ground.windows["number"].to_numpy()[index] > 0]
    return float(ground.is_ore[areas if ground.is_ore[areas].any() else index].mean())


def inner(
    *,
    prepare: dict[str, Any],
    design: dict[str, Any],
    screen: dict[str, Any],
    part: str,
    settings: dict[str, Any],
    options: dict[str, Any],
    fold: int,
    seed: list[int],
    weights: str | None = None,
    progress: Progress,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Fit one configuration on one inner fold of a training part and score the camps it holds out."""
    job = _Fit.of(prepare, design, screen, Fitting.of(settings, weights), part, options)
    folds = inner_folds(job.ground, job.index, job.inner_design(job.how.validation.inner), seed=seed)
    if fold >= len(folds):
        return {"predictions": None}
    train, test = folds[fold]
    recipe, fitted = job.run([*seed, fold], "strict", progress, checkpoint, within=train)
    held = job.index[test]
    table = predictions(
        job.ground, held, job.score(recipe, fitted, held), prevalence=job.prevalence, repeat=0, fold=fold
    )
    return {"predictions": table}


def tune(
    *,
    prepare: dict[str, Any],
    design: dict[str, Any],
    inner: list[dict[str, Any]],
    part: str,
    candidates: list[dict[str, Any]],
    progress: Progress,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Choose a configuration and calibrate its scores, from the scores of inner folds."""
    ground = Ground(prepare["stack"], design["windows"])
    folds = len(inner) // len(candidates)
    scored = [
        [
            each["predictions"]
            for each in inner[c * folds : (c + 1) * folds]
            if each["predictions"] is not None
        ]
        for c in range(len(candidates))
    ]
    prevalence = _prevalence(ground, training_index(design, part))
    return choose(candidates, scored, prevalence=prevalence).to_dict()


def fit(
    *,
    prepare: dict[str, Any],
    design: dict[str, Any],
    screen: dict[str, Any],
    part: str,
    settings: dict[str, Any],
    seed: list[int],
    tuned: dict[str, Any] | None = None,
    weights: str | None = None,
    test_copies: float | None = None,
    progress: Progress,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Fit one model on the training part of one fold and score its test windows.

    ``test_copies`` is of the paper's protocol, see `paper_predictions`.
    """
    job = _Fit.of(prepare, design, screen, Fitting.of(settings, weights), part, (tuned or {}).get("options"))
    split, place = part.split(" ")
    repeat, fold = (int(number) for number in place.split("/"))
    test = test_index(design, part)
    protocol = "paper" if split == "paper" else "strict"
    recipe, fitted = job.run(seed, protocol, progress, checkpoint)
    if split == "paper":
        table = paper_predictions(
            job.ground,
            test,
            recipe,
            fitted,
            repeat=repeat,
            fold=fold,
            seed=seed,
            balance=job.how.balance,
            copies=test_copies,
        )
        return {"predictions": table}
    answer = job.score(recipe, fitted, test)
    table = predictions(job.ground, test, answer, prevalence=job.prevalence, repeat=repeat, fold=fold)
    return {"predictions": table, "model": _kept(recipe, fitted), "branches": answer.branches}


def _kept(recipe: Recipe, fitted: Scorer) -> dict[str, Any]:
    """Keep what a fitted model needs to be used again."""
    with TemporaryDirectory() as folder:
        record = fitted.save(Path(folder))
        written = np.frombuffer((Path(folder) / WEIGHTS_FILE).read_bytes(), dtype=np.uint8)
    return {"recipe": recipe.to_dict(), "record": record, "weights": written}


def fit_final(
    *,
    prepare: dict[str, Any],
    design: dict[str, Any],
    screen: dict[str, Any],
    settings: dict[str, Any],
    seed: list[int],
    tuned: list[dict[str, Any]] | None = None,
    weights: str | None = None,
    progress: Progress,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Fit the final model on every window; its scores are fitted, not predicted.

    Its configuration is the one that most folds chose, the first of equals.
    """
    options = _commonest([each["options"] for each in tuned]) if tuned else {}
    job = _Fit.of(prepare, design, screen, Fitting.of(settings, weights), "all", options)
    recipe, fitted = job.run(seed, settings["validation"]["protocol"], progress, checkpoint)
    areas = np.flatnonzero(job.ground.windows["number"].to_numpy() > 0)
    answer = job.score(recipe, fitted, areas)
    numbers = job.ground.windows["number"].to_numpy()[areas]
    return {**_kept(recipe, fitted), "options": dict(options), "number": numbers, "score": answer.score}


def _commonest(options: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the configuration that stands there most often, the first of equals."""
    listed = list(options)
    return max(listed, key=lambda each: (listed.count(each), -listed.index(each)))


# ---- rivals, on summaries of the windows


def table(
    *,
    prepare: dict[str, Any],
    design: dict[str, Any],
    screen: dict[str, Any],
    part: str,
    settings: dict[str, Any],
    seed: list[int],
    progress: Progress,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Summarise the training and the test windows of a part, by the Recipe of its training part."""
    job = _Fit.of(prepare, design, screen, Fitting.of(settings), part)
    ground, windows = job.ground, job.ground.windows
    train = windows.iloc[job.index]
    recipe = Recipe.fit(ground.stack, train, job.layers, encoding=ground.encoding, valid=ground.valid_channel)
    test = windows.iloc[test_index(design, part)]
    return {
        "train": _written(tabulate(WindowSet(ground.stack, train, recipe))),
        "test": _written(tabulate(WindowSet(ground.stack, test, recipe))),
        "chosen": barren_choice(ground, job.index, recipe, job.how.barren, seed=seed),
    }


def _written(made: WindowTable) -> dict[str, Any]:
    return {
        "arrays": made.arrays(),
        "names": list(made.names),
        "channels": list(made.channels),
        "size": made.size,
    }


def _read(kept: Mapping[str, Any]) -> WindowTable:
    arrays = {name: np.asarray(values) for name, values in kept["arrays"].items()}
    return WindowTable(
        names=tuple(kept["names"]), channels=tuple(kept["channels"]), size=int(kept["size"]), **arrays
    )


@dataclass(frozen=True)
class _Rival:
    """One rival on one training part: rows are positions within it."""

    name: str
    training: TrainingSettings
    train: WindowTable
    is_ore: NDArray[np.bool_]
    chosen: NDArray[np.int64]
    seed: list[int]

    def answer(self, options: Mapping[str, Any], rows: NDArray[np.int64], to: WindowTable) -> Prediction:
        used = np.intersect1d(rows, self.chosen)
        scorer = cast(TableScorer, make_scorer(self.name, training=self.training, options=options))
        fitted = scorer.fit_table(self.train.take(used), self.is_ore[used], seed=self.seed)
        return decide(fitted.score_table(to)[None, None])


def rival(
    *,
    prepare: dict[str, Any],
    design: dict[str, Any],
    table: dict[str, Any],
    part: str,
    settings: dict[str, Any],
    candidates: list[dict[str, Any]],
    seed: list[int],
    inner_seed: list[int],
    progress: Progress,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Tune, fit and calibrate one rival on a training part, and score its test areas."""
    job = _Fit.of(prepare, design, {"layers": []}, Fitting.of(settings), part)
    ground, index = job.ground, job.index
    train, test = _read(table["train"]), _read(table["test"])
    if job.how.model.name == "best-element":  # only elements are candidates, no fault and no raster
        candidates = [{"elements": [str(name) for name in prepare["values"].columns]}]
    one = _Rival(
        job.how.model.name, job.how.training, train, ground.is_ore[index], np.asarray(table["chosen"]), seed
    )
    scored: list[list[pd.DataFrame]] = []
    folds = inner_folds(ground, index, job.inner_design(job.how.validation.inner), seed=inner_seed)
    for options in candidates:
        tables = []
        for k, (rows, held) in enumerate(folds):
            found = one.answer(options, rows, train.take(held))
            tables.append(
                predictions(ground, index[held], found, prevalence=job.prevalence, repeat=0, fold=k)
            )
        scored.append(tables)
        progress(len(scored) / (len(candidates) + 1))
    tuned = choose(candidates, scored, prevalence=job.prevalence)
    repeat, fold = (int(number) for number in part.split(" ")[1].split("/"))
    found = one.answer(tuned.options, np.arange(len(index)), test)
    made = predictions(
        ground, test_index(design, part), found, prevalence=job.prevalence, repeat=repeat, fold=fold
    )
    return {"predictions": made, **tuned.to_dict()}
