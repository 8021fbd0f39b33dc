"""Barren is unknown: which of the windows without a known deposit are trained on as barren.

Nobody may have looked there. Repeated random draws show how much a map depends on which were taken, and
their mean is positive-unlabelled bagging (Mordelet and Vert 2014). Windows that are tested are never touched.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError, DesignWarning, SettingWarning, UsageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BarrenSettings", "barren_draws", "choose_barren"]


@dataclass(frozen=True)
class BarrenSettings:
    """``[barren]``: which windows without a known deposit are trained on as barren; nobody may have looked.

    Attributes
    ----------
    method
        ``all``: every one; ``random``: ``ratio`` of them for each ore window; ``distance``: those with free
        ground towards every ore window; ``dissimilar``: all but those that look most like ore.
    ratio
        Barren windows drawn at random for each ore window, 1 or more; None for all that the method leaves
        (``random`` needs a number, ``all`` takes none).
    distance
        ``distance``: least free ground between a barren and any ore training window, edge to edge, metres,
        0 or more; None for two windows.
    draws
        How often barren windows are drawn and the model is fitted, 1 or more; the mean is the score, the
        spread is shown. More than 1 matters only where ``ratio`` draws.
    quantile
        ``dissimilar``: share of the barren windows, the most ore-like, that is left out, 0 or more and
        below 1.
    """

    method: Literal["all", "random", "distance", "dissimilar"] = "all"
    ratio: float | None = None
    distance: float | None = None
    draws: int = 1
    quantile: float = 0.25


def barren_draws(settings: BarrenSettings) -> int:
    """Return how many draws there are to fit: 1 where nothing is drawn at random.

    Warns
    -----
    SettingWarning
        Where more were asked for and have no effect.
    """
    if settings.draws > 1 and (settings.ratio is None or settings.method == "all"):
        warnings.warn(
            f"barren.draws = {settings.draws} has no effect: barren.method = {settings.method} without "
            "barren.ratio draws nothing at random",
            SettingWarning,
            stacklevel=2,
        )
        return 1
    return settings.draws


def choose_barren(
    windows: "pd.DataFrame",
    is_ore: ArrayLike,
    settings: BarrenSettings,
    *,
    resolution: float,
    features: NDArray[np.float64] | None = None,
    seed: int | Sequence[int] = 0,
) -> NDArray[np.int64]:
    """Choose the windows of a training part to train with: all ore windows and the barren ones chosen.

    Distances are free ground between windows, edge to edge, the larger of the free rows and columns, to the
    nearest ore window of the training part. Likeness is the Euclidean distance to the nearest ore window's
    features, each standardised over the training part.

    Parameters
    ----------
    windows
        Those of the training part, of any stride: row, col, size.
    is_ore
        (window,), whether the window holds a known deposit.
    resolution
        Side of a pixel, metres, above 0.
    features
        (window, feature), finite, such as window summaries; needed by ``dissimilar`` only.
    seed
        Draws where ``ratio`` is given.

    Returns
    -------
    positions (n,) in ``windows``, ascending.

    Raises
    ------
    UsageError
        For settings that do not go together, and features that are missing or of another length.
    DataError
        With the counts, where there is no ore window, or fewer barren ones than ore ones are left.

    Warns
    -----
    DesignWarning
        Where ``ratio`` asks for more barren windows than there are: all are taken.
    """
    ore = np.asarray(is_ore, dtype=bool)
    _check(ore, len(windows), settings, resolution, features)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    barren = np.flatnonzero(~ore)
    if settings.method == "distance":
        barren = barren[
            _free_ground(windows, ore, barren) * resolution >= _least(windows, settings, resolution)
        ]
    elif settings.method == "dissimilar" and features is not None:
        barren = _least_alike(features, ore, barren, settings.quantile)
    number = int(ore.sum())
    if len(barren) < number:
        raise DataError(
            f"barren.method = {settings.method} leaves {len(barren)} of {(~ore).sum()} barren windows for "
            f"{number} ore windows; as many are needed: lower barren.distance or barren.quantile"
        )
    return np.sort(np.concatenate((np.flatnonzero(ore), _drawn(barren, number, settings.ratio, rng))))


def _check(
    ore: NDArray[np.bool_],
    n: int,
    settings: BarrenSettings,
    resolution: float,
    features: NDArray[np.float64] | None,
) -> None:
    if ore.shape != (n,) or not resolution > 0:
        raise UsageError(
            f"is_ore of shape {ore.shape} for {n} windows and a resolution of {resolution} m given; is_ore "
            "has one value per window, the resolution is above 0"
        )
    if (settings.method == "random") == (settings.ratio is None) and settings.method in ("all", "random"):
        raise UsageError(
            f"barren.method = {settings.method} and barren.ratio = {settings.ratio} given; random needs a "
            "number of barren windows for each ore window, all takes none: change one of them"
        )
    if settings.method == "dissimilar":
        shape = None if features is None else features.shape
        if features is None or features.ndim != 2 or len(features) != n or not np.isfinite(features).all():
            raise UsageError(
                f"features of shape {shape} given for {n} windows; barren.method = dissimilar needs one row "
                "of finite numbers per window: give window summaries"
            )
    if not ore.any():
        raise DataError(
            f"0 ore windows among {n} given; barren windows are chosen for ore ones: add deposits"
        )


def _least(windows: "pd.DataFrame", settings: BarrenSettings, resolution: float) -> float:
    """Return the least free ground, metres."""
    if settings.distance is not None:
        return settings.distance
    return 2 * float(windows["size"].max()) * resolution


def _free_ground(
    windows: "pd.DataFrame", ore: NDArray[np.bool_], barren: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the free pixels between each barren window and the nearest ore one, negative on overlap."""
    from scipy.spatial import cKDTree

    place = windows[["row", "col"]].to_numpy(dtype=np.float64)
    distance, _ = cKDTree(place[ore]).query(place[barren], p=np.inf)
    return np.asarray(distance - float(windows["size"].max()), dtype=np.float64)


def _least_alike(
    features: NDArray[np.float64], ore: NDArray[np.bool_], barren: NDArray[np.int64], quantile: float
) -> NDArray[np.int64]:
    """Leave out the share of the barren windows whose features are nearest to an ore window's."""
    from scipy.spatial import cKDTree

    deviation = features.std(axis=0)
    standard = (features - features.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    distance, _ = cKDTree(standard[ore]).query(standard[barren])
    order = np.argsort(distance, kind="stable")
    return np.sort(barren[order[round(quantile * len(barren)) :]])


def _drawn(
    barren: NDArray[np.int64], ore: int, ratio: float | None, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw ``ratio`` barren windows for each of ``ore`` windows; all without a ratio."""
    if ratio is None:
        return barren
    wanted = round(ratio * ore)
    if wanted > len(barren):
        warnings.warn(
            f"barren.ratio = {ratio:g} asks for {wanted} barren windows, {len(barren)} are left: "
            "all are taken",
            DesignWarning,
            stacklevel=3,
        )
    return rng.permutation(barren)[:wanted]
