"""Random forest, gradient boosting, logistic regression and SVM on summaries of windows: MFAF's rivals.

They read the same windows through the same Recipe. Both classes are weighted to the same total, so .5 is the
balanced score. A fitted scorer is saved as what it was fitted on, and fitted again when it is loaded: nothing
in the file can run, and the scores of the training windows prove that it is the same model.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

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

if TYPE_CHECKING:
    from gossan.recipe import WindowSet

__all__ = ["ClassicalScorer", "summarise_windows", "summary_names"]

#: Windows summarised at once.
READ_BATCH = 64


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


def _estimator(name: str, seed: int, threads: int) -> Any:
    """Make the scikit-learn estimator of a row."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if name == "random-forest":
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(
            300, min_samples_leaf=2, class_weight="balanced", n_jobs=threads, random_state=seed
        )
    if name == "gradient-boosting":
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(
            learning_rate=0.05,
            max_leaf_nodes=8,
            min_samples_leaf=10,
            class_weight="balanced",
            random_state=seed,
        )
    if name == "logistic-regression":
        from sklearn.linear_model import LogisticRegression

        return make_pipeline(
            StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000)
        )
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(C=1.0, class_weight="balanced"))


class ClassicalScorer:
    """A scikit-learn classifier on window summaries as a `Scorer`.

    Attributes
    ----------
    estimator_
        The fitted estimator.
    channels_, size_
        What a window must have.
    features_, labels_
        What it was fitted on: float64 (window, feature) and bool (window,).
    """

    estimator_: Any
    channels_: tuple[str, ...]
    size_: int
    features_: NDArray[np.float64]
    labels_: NDArray[np.bool_]
    seed_: int

    def __init__(self, name: str, *, training: TrainingSettings | None = None) -> None:
        self.name = name
        self.training = training or TrainingSettings()

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

        Classes are always balanced by weights, so `balance` and `protocol` change nothing here; neither does
        `check`, as nothing stops early, nor `checkpoint`, as a fit takes seconds.

        Raises
        ------
        DataError
            If the labels do not fit or hold one class only.
        """
        check_labels(train, is_ore)
        self.channels_, self.size_ = tuple(train.channels), train.size
        self.features_ = summarise_windows(train, progress=lambda share: progress(0.9 * share))
        self.labels_ = np.asarray(is_ore, dtype=bool)
        self.seed_ = int(np.random.SeedSequence(list(seed)).generate_state(1)[0])
        self._refit()
        progress(1.0)
        return self

    def _refit(self) -> None:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(self.training.threads):
            self.estimator_ = _estimator(self.name, self.seed_, self.training.threads)
            self.estimator_.fit(self.features_, self.labels_)
        if self.name == "random-forest":
            # Threads add up the trees in whatever order they finish; one thread always gives the same bits.
            self.estimator_.set_params(n_jobs=1)

    def _score(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(self.training.threads):
            if self.name == "svm":
                # A logistic curve of the margin: monotone, .5 on the boundary, no second fit inside.
                margin = np.asarray(self.estimator_.decision_function(features), dtype=np.float64)
                return 0.5 * (1 + np.tanh(0.5 * margin))
            return np.asarray(self.estimator_.predict_proba(features)[:, 1], dtype=np.float64)

    def predict(self, windows: "WindowSet", *, progress: Progress = no_progress) -> Prediction:
        """Score windows; see `Scorer.predict`.

        Raises
        ------
        DataError
            If the channels or the size are not those of the fit.
        """
        if not hasattr(self, "estimator_"):
            raise UsageError("predict was called on a scorer that is not fitted; call fit or load first")
        check_windows(windows, self.channels_, self.size_)
        return decide(self._score(summarise_windows(windows, progress=progress))[None, None])

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the training summaries, labels and scores; see `Scorer.save`."""
        import sklearn

        arrays = {"features": self.features_, "labels": self.labels_, "scores": self._score(self.features_)}
        return write_arrays(folder, arrays) | {
            "name": self.name,
            "training": asdict(self.training),
            "channels": list(self.channels_),
            "size": self.size_,
            "seed": self.seed_,
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
        scorer = cls(str(record["name"]), training=TrainingSettings(**record["training"]))
        scorer.channels_, scorer.size_ = tuple(record["channels"]), int(record["size"])
        scorer.features_, scorer.labels_ = arrays["features"], arrays["labels"]
        scorer.seed_ = int(record["seed"])
        scorer._refit()
        if not np.allclose(scorer._score(scorer.features_), arrays["scores"], rtol=0, atol=1e-4):
            raise DataError(
                f"{scorer.name} was saved by scikit-learn {record['scikit-learn']}; {sklearn.__version__} "
                "makes another model of the same data: install the version that saved it, or run again"
            )
        return scorer
