"""Random forest, gradient boosting, logistic regression and SVM on summaries of windows: MFAF's rivals.

They read the same windows through the same Recipe. Both classes are weighted to the same total, so .5 is the
balanced score.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gossan.models.tables import TableScorer, WindowTable, summarise_windows, summary_names
from gossan.models.tuning import above, one_of, whole

__all__ = ["ClassicalScorer", "summarise_windows", "summary_names"]

#: Quantile bins of a feature for boosting; scikit-learn takes no more.
BINS = 255


def _forest(values: dict[str, Any], seed: int, threads: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(**values, class_weight="balanced", n_jobs=threads, random_state=seed)


class _Binned:
    """Boosting on features cut at their quantiles.

    Given weights, scikit-learn 1.9 looks for the quantiles of its own bins one by one: 4 s for 450 windows of
    128 features. On values that are binned already it has nothing to look for.
    """

    def __init__(self, booster: Any) -> None:
        self.booster = booster

    def fit(self, features: NDArray[np.float64], is_ore: NDArray[np.bool_]) -> None:
        self.edges = np.quantile(features, np.linspace(0, 1, BINS + 1)[1:-1], axis=0).T
        self.booster.fit(self._bin(features), is_ore)

    def predict_proba(self, features: NDArray[np.float64]) -> Any:
        return self.booster.predict_proba(self._bin(features))

    def _bin(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        columns = zip(self.edges, features.T, strict=True)
        return np.column_stack([np.searchsorted(*each) for each in columns]).astype(np.float64)


def _boosting(values: dict[str, Any], seed: int, threads: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    # Early stopping would hold out windows that share pixels with the rest.
    return _Binned(
        HistGradientBoostingClassifier(
            **values, class_weight="balanced", early_stopping=False, random_state=seed
        )
    )


def _logistic(values: dict[str, Any], seed: int, threads: int) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        StandardScaler(), LogisticRegression(**values, class_weight="balanced", max_iter=5000)
    )


def _svm(values: dict[str, Any], seed: int, threads: int) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    return make_pipeline(StandardScaler(), SVC(**values, class_weight="balanced"))


_MAKE: dict[str, Callable[[dict[str, Any], int, int], Any]] = {
    "random-forest": _forest,
    "gradient-boosting": _boosting,
    "logistic-regression": _logistic,
    "svm": _svm,
}


class ClassicalScorer(TableScorer):
    """A scikit-learn classifier on window summaries as a `Scorer`.

    Its options are scikit-learn's parameters of the same name.

    Attributes
    ----------
    estimator_
        The fitted estimator.
    """

    knobs = {  # noqa: RUF012
        "random-forest": {
            "n_estimators": whole(300, 1),
            "min_samples_leaf": whole(2, 1),
            "max_features": one_of("sqrt", "log2", or_share=True),
        },
        "gradient-boosting": {
            "learning_rate": above(0.05, 0, 1),
            "max_iter": whole(100, 1),
            "max_leaf_nodes": whole(8, 2),
            "min_samples_leaf": whole(10, 1),
        },
        "logistic-regression": {"C": above(0.1, 0)},
        "svm": {"C": above(1.0, 0), "gamma": one_of("scale", or_above=True)},
    }
    tried = {  # noqa: RUF012
        "random-forest": (
            {"min_samples_leaf": 5},
            {"max_features": 0.3},
            {"min_samples_leaf": 10},
            {"min_samples_leaf": 5, "max_features": 0.3},
            {"min_samples_leaf": 1, "max_features": "log2"},
        ),
        "gradient-boosting": (
            {"max_iter": 50},
            {"max_leaf_nodes": 3},
            {"learning_rate": 0.1, "max_iter": 200},
            {"learning_rate": 0.02, "max_iter": 200, "max_leaf_nodes": 4},
            {"min_samples_leaf": 20},
        ),
        "logistic-regression": ({"C": 0.01}, {"C": 1.0}, {"C": 0.001}, {"C": 10.0}, {"C": 0.0001}),
        "svm": (
            {"C": 0.1},
            {"C": 10.0},
            {"gamma": 0.001},
            {"C": 10.0, "gamma": 0.001},
            {"C": 0.1, "gamma": 0.1},
        ),
    }

    estimator_: Any

    @property
    def threads(self) -> int:
        """Threads of a fit; boosting takes one, as its rounds on some hundred rows only wait for more."""
        return 1 if self.name == "gradient-boosting" else self.training.threads

    def _fit(self, table: WindowTable, is_ore: NDArray[np.bool_]) -> None:
        self.estimator_ = _MAKE[self.name](self.values, self.seed_, self.threads)
        self.estimator_.fit(table.features, is_ore)
        if self.name == "random-forest":
            # Threads add up the trees in whatever order they finish; one thread always gives the same bits.
            self.estimator_.set_params(n_jobs=1)

    def _score(self, table: WindowTable) -> NDArray[np.float64]:
        if self.name == "svm":
            # A logistic curve of the margin: monotone, .5 on the boundary, no second fit inside.
            margin = np.asarray(self.estimator_.decision_function(table.features), dtype=np.float64)
            return np.asarray(0.5 * (1 + np.tanh(0.5 * margin)))
        return np.asarray(self.estimator_.predict_proba(table.features)[:, 1], dtype=np.float64)
