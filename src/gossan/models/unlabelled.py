"""Models that do not take barren for granted: nobody drilled there.

The isolation forest reads no label at all; bagging compares ore with draws of the unlabelled windows.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gossan.metrics import placements
from gossan.models.tables import TableScorer, WindowTable
from gossan.models.tuning import one_of, whole

__all__ = ["BaggingScorer", "IsolationScorer"]


class IsolationScorer(TableScorer):
    """An isolation forest (Liu, Ting and Zhou 2008) on window summaries: how unusual a window is.

    No label is read. The score is the share of the training windows that are less anomalous, a tie counting
    half: .5 is the median training window, not balanced odds.

    Attributes
    ----------
    estimator_
        The fitted forest.
    """

    knobs = {"isolation-forest": {"n_estimators": whole(300, 1)}}  # noqa: RUF012

    estimator_: Any
    _usual: NDArray[np.float64]

    def _fit(self, table: WindowTable, is_ore: NDArray[np.bool_]) -> None:
        from sklearn.ensemble import IsolationForest

        self.estimator_ = IsolationForest(**self.values, random_state=self.seed_)
        self.estimator_.fit(table.features)
        self._usual = -self.estimator_.score_samples(table.features)

    def _score(self, table: WindowTable) -> NDArray[np.float64]:
        return placements(-self.estimator_.score_samples(table.features), self._usual)


class BaggingScorer(TableScorer):
    """Positive-unlabelled bagging of decision trees (Mordelet and Vert 2014).

    Each tree learns all ore windows against as many unlabelled windows, drawn without replacement (with
    replacement where there are fewer of them). Both classes are equally large in every bag, so the mean of
    the trees is the balanced score. New windows are scored by all trees.

    Attributes
    ----------
    trees_
        The fitted trees.
    out_of_bag_
        Of each training window the mean of the trees that did not learn from it, float64 (window,); NaN for
        ore windows, which are in every bag, and for windows that every bag drew.
    """

    knobs = {  # noqa: RUF012
        "pu-bagging": {
            "bags": whole(200, 1),
            "max_depth": whole(None, 1, or_none=True),
            "min_samples_leaf": whole(1, 1),
            "max_features": one_of("sqrt", "log2", or_share=True),
        }
    }
    tried = {  # noqa: RUF012
        "pu-bagging": (
            {"max_depth": 2},
            {"max_depth": 4},
            {"max_features": 1.0},
            {"max_depth": 1},
            {"max_depth": 4, "max_features": 1.0},
        )
    }

    trees_: list[Any]
    out_of_bag_: NDArray[np.float64]

    def _fit(self, table: WindowTable, is_ore: NDArray[np.bool_]) -> None:
        rng = np.random.default_rng(np.random.SeedSequence(self.seed_))
        ore, unknown = np.flatnonzero(is_ore), np.flatnonzero(~is_ore)
        total, count = np.zeros(len(table)), np.zeros(len(table))
        self.trees_ = []
        for _ in range(int(self.values["bags"])):
            drawn = rng.choice(unknown, len(ore), replace=len(ore) > len(unknown))
            out = np.setdiff1d(unknown, drawn)
            self.trees_.append(self._tree(table.features, ore, drawn, int(rng.integers(2**31))))
            if len(out):
                total[out] += self.trees_[-1].predict_proba(table.features[out])[:, 1]
                count[out] += 1
        self.out_of_bag_ = np.full(len(table), np.nan)
        np.divide(total, count, out=self.out_of_bag_, where=count > 0)

    def _tree(
        self, features: NDArray[np.float64], ore: NDArray[np.intp], drawn: NDArray[np.intp], seed: int
    ) -> Any:
        from sklearn.tree import DecisionTreeClassifier

        parameters = {key: value for key, value in self.values.items() if key != "bags"}
        labels = np.repeat([True, False], [len(ore), len(drawn)])
        tree = DecisionTreeClassifier(**parameters, random_state=seed)
        return tree.fit(features[np.concatenate([ore, drawn])], labels)

    def _score(self, table: WindowTable) -> NDArray[np.float64]:
        features = np.asarray(table.features, dtype=np.float32)
        total = np.zeros(len(table))
        for tree in self.trees_:
            total += tree.predict_proba(features, check_input=False)[:, 1]
        return total / len(self.trees_)
