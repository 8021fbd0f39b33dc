"""Windows as a table, and what all models on tables share: fitting, scoring, saving, loading.

Reading windows is what costs; a table of their summaries is made once a fold with `tabulate`, and every
rival, every candidate of its tuning and every inner fold then works on its rows (`WindowTable.take`).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from gossan.balance import BalanceSettings
from gossan.errors import DataError, UsageError
from gossan.hooks import Checkpoint, Progress, no_checkpoint, no_progress
from gossan.models.base import (
    Check,
    Prediction,
    check_labels,
    check_windows,
    decide,
    read_arrays,
    write_arrays,
)
from gossan.models.training import TrainingSettings
from gossan.models.tuning import Option, check_options

if TYPE_CHECKING:
    from gossan.recipe import WindowSet

__all__ = ["TableScorer", "WindowTable", "summarise_windows", "summary_names", "tabulate"]

#: Windows summarised at once.
READ_BATCH = 64

#: Columns of a windows table that are kept where they are there.
_PLACES = ("row", "col", "number", "samples")


@dataclass(frozen=True)
class WindowTable:
    """What is known of n windows without their pixels.

    Attributes
    ----------
    features
        Summaries as `summarise_windows` gives them, float64 (n, feature).
    names
        Name of each feature, as `summary_names` gives them.
    channels, size
        Channels and side (pixels) of the windows that were summarised.
    row, col
        North-west pixel of each window, (n,); None for windows without a place.
    number
        Number of the area that a window is, 0 where it is none, (n,), or None.
    samples
        Number of samples in each window, (n,), or None where nobody counted them.

    Notes
    -----
    A Recipe scales each number channel by an affine map with a positive factor, so where nothing is missing,
    mean, deviation and maximum under another Recipe with the same channels and classes are the same up to one
    shift and factor a column. Trees, cuts and ranks do not see it, and the scaled models scale again. So rows
    of the table of an outer training part serve its inner folds.
    """

    features: NDArray[np.float64]
    names: tuple[str, ...]
    channels: tuple[str, ...]
    size: int
    row: NDArray[np.int64] | None = None
    col: NDArray[np.int64] | None = None
    number: NDArray[np.int64] | None = None
    samples: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.features)

    def take(self, index: NDArray[Any]) -> "WindowTable":
        """Return some rows, by position or by a mask."""
        places = {key: values[index] for key, values in self.arrays().items()}
        return WindowTable(names=self.names, channels=self.channels, size=self.size, **places)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the features and every column that is there."""
        found = {key: getattr(self, key) for key in ("features", *_PLACES)}
        return {key: values for key, values in found.items() if values is not None}

    def columns(self, what: str) -> dict[str, int]:
        """Return the column of one summary (``mean``, ``sd``, ``max``, ``share``) of each channel with it."""
        end = f" {what}"
        return {name.removesuffix(end): i for i, name in enumerate(self.names) if name.endswith(end)}


def tabulate(windows: "WindowSet", *, progress: Progress = no_progress) -> WindowTable:
    """Summarise windows and keep their places; ``samples`` is taken where the windows' table has it."""
    frame = getattr(windows, "windows", None)
    here = [key for key in _PLACES if frame is not None and key in frame]
    return WindowTable(
        features=summarise_windows(windows, progress=progress),
        names=tuple(summary_names(windows)),
        channels=tuple(windows.channels),
        size=windows.size,
        **{key: frame[key].to_numpy(dtype=np.int64) for key in here if frame is not None},
    )


def summary_names(windows: "WindowSet") -> list[str]:
    """Name the columns of `summarise_windows`."""
    numbers, classes = _kinds(windows)
    found = [f"{windows.channels[i]} {what}" for what in ("mean", "sd", "max") for i in numbers]
    return found + [f"{windows.channels[i]} share" for i in classes]


def summarise_windows(windows: "WindowSet", *, progress: Progress = no_progress) -> NDArray[np.float64]:
    """Summarise each window over its valid pixels.

    Returns
    -------
    float64 (window, feature), finite: mean, standard deviation and maximum of every number channel, then the
    share of every class channel; no channel ``valid``. A window without a valid pixel is 0.
    """
    parts = []
    for start in range(0, len(windows), READ_BATCH):
        index = np.arange(start, min(start + READ_BATCH, len(windows)))
        parts.append(_summarise(windows, index))
        progress((index[-1] + 1) / len(windows))
    return np.concatenate(parts)


def _summarise(windows: "WindowSet", index: NDArray[np.intp]) -> NDArray[np.float64]:
    x, valid = windows.read_masked(index)
    numbers, classes = _kinds(windows)
    ground = valid[:, None]
    count = np.maximum(ground.sum(axis=(2, 3)), 1)
    mean = np.where(ground, x, 0).sum(axis=(2, 3), dtype=np.float64) / count
    spread = np.where(ground, x - mean[:, :, None, None], 0)
    sd = np.sqrt(np.square(spread, dtype=np.float64).sum(axis=(2, 3)) / count)
    top = np.where(ground, x, -np.inf).max(axis=(2, 3))
    top[~np.isfinite(top)] = 0.0
    return np.concatenate([mean[:, numbers], sd[:, numbers], top[:, numbers], mean[:, classes]], axis=1)


def _kinds(windows: "WindowSet") -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions of number and of class channels."""
    is_class = np.asarray(windows.class_channels, dtype=bool)
    is_number = ~is_class
    if windows.valid_channel is not None:
        is_number[windows.valid_channel] = is_class[windows.valid_channel] = False
    return np.flatnonzero(is_number), np.flatnonzero(is_class)


class TableScorer(ABC):
    """A model on a `WindowTable` as a `Scorer`; a model overrides ``_fit`` and ``_score``.

    A fitted scorer is saved as what it was fitted on, and fitted again when it is loaded: nothing in the file
    can run, and the scores of the training windows prove that it is the same model.

    Attributes
    ----------
    name, options
        Which model, and the options that were given; `values` has all of them.
    train_, is_ore_, seed_
        What it was fitted on: table, labels (window,) and the number that seeds it.
    """

    #: What can be turned at each model that the class serves.
    knobs: ClassVar[Mapping[str, Mapping[str, Option]]] = {}
    #: What is tried of each model beside its defaults.
    tried: ClassVar[Mapping[str, Sequence[dict[str, Any]]]] = {}

    train_: WindowTable
    is_ore_: NDArray[np.bool_]
    seed_: int

    def __init__(
        self,
        name: str,
        *,
        training: TrainingSettings | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.training = training or TrainingSettings()
        self.options = check_options(name, options, self.knobs.get(name, {}))

    @property
    def values(self) -> dict[str, Any]:
        """Every option with its value."""
        return {key: option.default for key, option in self.knobs.get(self.name, {}).items()} | self.options

    @property
    def threads(self) -> int:
        """Threads of a fit."""
        return self.training.threads

    def fit(
        self,
        train: "WindowSet",
        is_ore: NDArray[np.bool_],
        *,
        balance: BalanceSettings,
        seed: Sequence[int],
        check: Check | None = None,
        protocol: str = "strict",
        progress: Progress = no_progress,
        checkpoint: Checkpoint = no_checkpoint,
    ) -> Self:
        """Fit on window summaries; see `Scorer.fit`.

        Each model weighs ore and barren as its own description says, so `balance` and `protocol` change
        nothing here; neither does `check`, as nothing stops early, nor `checkpoint`, as a fit takes seconds.

        Raises
        ------
        DataError
            If the labels do not fit or hold one class only, or the windows lack what the model reads.
        """
        check_labels(train, is_ore)
        table = tabulate(train, progress=lambda share: progress(0.9 * share))
        self.fit_table(table, is_ore, seed=seed)
        progress(1.0)
        return self

    def fit_table(self, table: WindowTable, is_ore: NDArray[np.bool_], *, seed: Sequence[int]) -> Self:
        """Do what `fit` does with windows that are summarised already.

        Parameters
        ----------
        table
            The training windows.
        is_ore
            Label of each, (n,).
        seed
            Entropy of every random number drawn.

        Raises
        ------
        DataError
            If the labels do not fit or hold one class only, or the table lacks what the model reads.
        """
        check_labels(table, is_ore)
        self.train_, self.is_ore_ = table, np.asarray(is_ore, dtype=bool)
        self.seed_ = int(np.random.SeedSequence(list(seed)).generate_state(1)[0])
        self._refit()
        return self

    def _refit(self) -> None:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(self.threads):
            self._fit(self.train_, self.is_ore_)

    def predict(self, windows: "WindowSet", *, progress: Progress = no_progress) -> Prediction:
        """Score windows; see `Scorer.predict`.

        Raises
        ------
        UsageError
            If the scorer is not fitted.
        DataError
            If the channels or the size are not those of the fit.
        """
        self._check_fitted()
        check_windows(windows, self.train_.channels, self.train_.size)
        return decide(self.score_table(tabulate(windows, progress=progress))[None, None])

    def score_table(self, table: WindowTable) -> NDArray[np.float64]:
        """Return the balanced score of windows that are summarised already, float64 (n,) in [0, 1].

        Raises
        ------
        UsageError
            If the scorer is not fitted.
        DataError
            If the channels or the size are not those of the fit, or the table lacks what the model reads.
        """
        from threadpoolctl import threadpool_limits

        self._check_fitted()
        check_windows(table, self.train_.channels, self.train_.size)
        with threadpool_limits(self.threads):
            return self._score(table)

    def _check_fitted(self) -> None:
        if not hasattr(self, "train_"):
            raise UsageError("predict was called on a scorer that is not fitted; call fit or load first")

    @abstractmethod
    def _fit(self, table: WindowTable, is_ore: NDArray[np.bool_]) -> None:
        """Learn; with `seed_` and `values`."""

    @abstractmethod
    def _score(self, table: WindowTable) -> NDArray[np.float64]:
        """Return balanced scores, float64 (n,) in [0, 1]."""

    def learnt(self) -> dict[str, Any]:
        """Return what the model learnt in words and numbers, JSON-able; {} where it cannot be told so."""
        return {}

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the training table, labels and scores; see `Scorer.save`."""
        import sklearn

        table = self.train_
        arrays = table.arrays() | {"labels": self.is_ore_, "scores": self.score_table(table)}
        return write_arrays(folder, arrays) | {
            "name": self.name,
            "options": {k: list(v) if isinstance(v, tuple) else v for k, v in self.options.items()},
            "training": asdict(self.training),
            "names": list(table.names),
            "channels": list(table.channels),
            "size": table.size,
            "seed": self.seed_,
            "learnt": self.learnt(),
            "scikit-learn": sklearn.__version__,
        }

    @classmethod
    def load(cls, folder: Path, record: dict[str, Any]) -> Self:
        """Read what `save` wrote and fit again; see `Scorer.load`.

        Raises
        ------
        MissingFileError
            If there is no such file.
        DataError
            If it is another file, or this scikit-learn makes another model of it.
        """
        import sklearn

        arrays = read_arrays(folder, record)
        training = TrainingSettings(**record["training"])
        scorer = cls(str(record["name"]), training=training, options=record["options"])
        scores, scorer.is_ore_ = arrays.pop("scores"), arrays.pop("labels")
        scorer.train_ = WindowTable(
            names=tuple(record["names"]),
            channels=tuple(record["channels"]),
            size=int(record["size"]),
            **arrays,
        )
        scorer.seed_ = int(record["seed"])
        scorer._refit()
        if not np.allclose(scorer.score_table(scorer.train_), scores, rtol=0, atol=1e-4):
            raise DataError(
                f"{scorer.name} was saved by scikit-learn {record['scikit-learn']}; {sklearn.__version__} "
                "makes another model of the same data: install the version that saved it, or run again"
            )
        return scorer
