"""Where a model may be applied: how unlike its training windows a window is.

Dissimilarity index and area of applicability of Meyer and Pebesma (2021, doi 10.1111/2041-210X.13650), on
summaries of windows. Each feature is standardised on the training windows and multiplied by its weight; the
index is the distance to the nearest training window, divided by the mean distance between training windows.

It sees what the features see: a window can look familiar and still follow another rule. It says nothing about
whether the model is right inside.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError, UsageError

__all__ = ["Applicability", "fit_applicability", "held_out_index"]

Floats = NDArray[np.float64]
#: Training windows and the windows held out from them, which lie outside their dead zone.
Fold = tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]]

#: Bytes of one block of distances.
_BLOCK_BYTES = 32 * 2**20


@dataclass(frozen=True, eq=False)
class Applicability:
    """The training windows as a yardstick for others.

    Attributes
    ----------
    names
        Name of each feature, (f,).
    centre, scale
        Mean and standard deviation of each feature over the training windows, (f,), in the feature's unit.
    weights
        Weight of each feature, (f,), not negative, largest 1.
    reference
        The training windows, standardised and weighted, (n, f).
    is_ore
        Which of them hold a known deposit, (n,).
    mean_distance
        Mean distance between two training windows, > 0.
    threshold
        Largest index that counts as inside.
    ore_threshold
        The same for the distance to the nearest ore window; NaN where no ore window was held out from others.
    """

    names: tuple[str, ...]
    centre: Floats
    scale: Floats
    weights: Floats
    reference: Floats
    is_ore: NDArray[np.bool_]
    mean_distance: float
    threshold: float
    ore_threshold: float

    def index(self, features: ArrayLike) -> Floats:
        """Return the dissimilarity index of windows.

        Parameters
        ----------
        features
            (m, f), the features of the fit, in their order and units.

        Returns
        -------
        (m,), at least 0: 0 is like a training window, 1 as far from all of them as they are from each other.

        Raises
        ------
        DataError
            For another number of features, and values that are not finite.
        """
        return _nearest(self._scaled(features), self.reference) / self.mean_distance

    def inside(self, features: ArrayLike) -> NDArray[np.bool_]:
        """Tell which windows lie in the area of applicability, (m,); see `index`."""
        return np.asarray(self.index(features) <= self.threshold)

    def ore_index(self, features: ArrayLike) -> Floats:
        """Return the distance to the nearest ore window instead, on the same scale, (m,); see `index`."""
        return _nearest(self._scaled(features), self.reference[self.is_ore]) / self.mean_distance

    def like_known_ore(self, features: ArrayLike) -> NDArray[np.bool_]:
        """Tell which windows are as near to a known ore window as these are to each other, (m,).

        All of them where there is no `ore_threshold`.
        """
        return np.asarray(~(self.ore_index(features) > self.ore_threshold))

    def _scaled(self, features: ArrayLike) -> Floats:
        table = _table(features)
        if table.shape[1] != len(self.centre):
            raise DataError(
                f"{table.shape[1]} features given; the yardstick has {len(self.centre)} "
                f"({', '.join(self.names[:3])}, ...): summarise windows of the same recipe"
            )
        return (table - self.centre) / self.scale * self.weights

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        arrays = ("centre", "scale", "weights", "reference", "is_ore")
        numbers: dict[str, Any] = {name: getattr(self, name).tolist() for name in arrays}
        ore = self.ore_threshold
        return {
            "names": list(self.names),
            **numbers,
            "mean_distance": self.mean_distance,
            "threshold": self.threshold,
            "ore_threshold": ore if np.isfinite(ore) else None,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Make it from `to_dict`'s values."""
        arrays = {name: np.asarray(values[name], np.float64) for name in ("centre", "scale", "weights")}
        ore = values["ore_threshold"]
        return cls(
            names=tuple(values["names"]),
            reference=np.asarray(values["reference"], np.float64).reshape(-1, len(arrays["centre"])),
            is_ore=np.asarray(values["is_ore"], bool),
            mean_distance=float(values["mean_distance"]),
            threshold=float(values["threshold"]),
            ore_threshold=float("nan") if ore is None else float(ore),
            **arrays,
        )


def fit_applicability(
    features: ArrayLike,
    weights: ArrayLike,
    is_ore: ArrayLike,
    folds: Sequence[Fold],
    *,
    names: Sequence[str] | None = None,
) -> Applicability:
    """Learn the yardstick from the training windows.

    The threshold is the largest held-out index (`held_out_index`) that is not above Q75 + 1.5 IQR.

    Parameters
    ----------
    features
        (n, f), all windows of the final model, finite.
    weights
        Held-out importance of each feature, (f,); negative ones count as 0, all as 1 if none is above 0.
    is_ore
        (n,), whether a window holds a known deposit.
    folds
        (training, test) positions of each fold, those of all repeats one after the other. A test window is
        compared with the training windows of its fold: outside its own fold and dead zone.
    names
        Of the features, (f,).

    Raises
    ------
    UsageError
        For shapes that do not fit.
    DataError
        Where values are not finite, no window is held out, or all training windows are alike.
    """
    table, ore = _table(features), np.asarray(is_ore, dtype=bool)
    share = _normalised(weights, table.shape[1])
    labels = tuple(names) if names is not None else tuple(f"feature {i}" for i in range(table.shape[1]))
    if ore.shape != (len(table),) or len(labels) != table.shape[1]:
        raise UsageError(
            f"{ore.shape} labels and {len(labels)} names for features {table.shape} given; one label a "
            "window and one name a feature are needed"
        )
    centre, scale = _moments(table)
    reference = (table - centre) / scale * share
    unit = _mean_distance(reference)
    everything = np.ones(len(table), dtype=bool)
    threshold = _threshold([_held_out(reference, fold, everything)[1] / unit for fold in folds])
    if not np.isfinite(threshold):
        raise DataError("no window is held out from others; the threshold needs some: give the folds")
    of_ore = [(np.asarray(train), np.asarray(test)[ore[np.asarray(test)]]) for train, test in folds]
    ore_threshold = _threshold([_held_out(reference, fold, ore)[1] / unit for fold in of_ore])
    return Applicability(labels, centre, scale, share, reference, ore, unit, threshold, ore_threshold)


def held_out_index(features: ArrayLike, weights: ArrayLike, folds: Sequence[Fold]) -> Floats:
    """Return each window's index against the training windows of the fold that scored it.

    Parameters
    ----------
    features, weights, folds
        As in `fit_applicability`.

    Returns
    -------
    (n,): the mean over repeats; NaN for windows that no fold tests.

    Raises
    ------
    UsageError, DataError
        As `fit_applicability`.
    """
    table = _table(features)
    centre, scale = _moments(table)
    reference = (table - centre) / scale * _normalised(weights, table.shape[1])
    unit, everything = _mean_distance(reference), np.ones(len(table), dtype=bool)
    total, count = np.zeros(len(table)), np.zeros(len(table))
    for fold in folds:
        test, distance = _held_out(reference, fold, everything)
        np.add.at(total, test, distance / unit)
        np.add.at(count, test, 1)
    return np.asarray(np.divide(total, count, out=np.full(len(table), np.nan), where=count > 0))


def _held_out(reference: Floats, fold: Fold, among: NDArray[np.bool_]) -> tuple[NDArray[np.intp], Floats]:
    """Return the test windows of a fold and their distance to its training windows of one kind."""
    train, test = (np.asarray(part, dtype=np.intp) for part in fold)
    if shared := np.intersect1d(train, test).size:
        raise UsageError(
            f"{shared} windows are both trained on and tested; a fold keeps them apart: split again"
        )
    return test, _nearest(reference[test], reference[train[among[train]]])


def _table(features: ArrayLike) -> Floats:
    table = np.asarray(features, dtype=np.float64)
    if table.ndim != 2:
        raise UsageError(f"features of shape {table.shape} given; (window, feature) is needed")
    if bad := int((~np.isfinite(table)).any(axis=1).sum()):
        raise DataError(f"{bad} of {len(table)} windows have features that are not finite: leave them out")
    return table


def _moments(table: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation; 1 for features that are flat but for rounding."""
    centre, scale = table.mean(axis=0), table.std(axis=0)
    flat = scale <= 1e-9 * np.maximum(1.0, np.abs(centre))
    return centre, np.where(flat, 1.0, scale)


def _normalised(weights: ArrayLike, count: int) -> Floats:
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != (count,) or not np.isfinite(given).all():
        raise UsageError(f"weights of shape {given.shape} given; {count} finite numbers are needed")
    share = np.maximum(given, 0.0)
    return share / share.max() if share.size and share.max() > 0 else np.ones(count)


def _mean_distance(reference: Floats) -> float:
    """Return the mean distance over all pairs."""
    n = len(reference)
    total = sum(float(block.sum()) for block in _distances(reference, reference))
    mean = total / (n * (n - 1)) if n > 1 else 0.0
    if not mean > 0:
        raise DataError(f"{n} training windows with the same features given; two different ones are needed")
    return mean


def _nearest(features: Floats, reference: Floats) -> Floats:
    """Return the distance to the nearest of the reference; infinite where there is none."""
    if not len(reference):
        return np.full(len(features), np.inf)
    return np.concatenate([block.min(axis=1) for block in _distances(features, reference)] or [np.zeros(0)])


def _distances(features: Floats, reference: Floats) -> Iterator[Floats]:
    """Yield blocks of rows of the matrix of distances."""
    from scipy.spatial.distance import cdist

    step = max(1, _BLOCK_BYTES // (8 * max(1, len(reference))))
    for start in range(0, len(features), step):
        yield cdist(features[start : start + step], reference)


def _threshold(indices: Sequence[Floats]) -> float:
    """Return the largest value not above Q75 + 1.5 IQR, NaN without any."""
    index = np.concatenate([np.zeros(0), *indices])
    finite = index[np.isfinite(index)]
    if not finite.size:
        return float("nan")
    low, high = np.quantile(finite, [0.25, 0.75])
    return float(finite[finite <= high + 1.5 * (high - low)].max())
