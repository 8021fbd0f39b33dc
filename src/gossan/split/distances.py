"""Whether validation is as far from what is known as use is (Linnenbrink et al. 2024, kNNDM)."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError, UsageError
from gossan.split.checks import flags, places
from gossan.split.objects import Split

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["distance_match"]

_QUANTILES = (5, 25, 50, 75, 95)


def distance_match(
    windows: "pd.DataFrame", split: Split, is_ore: ArrayLike, *, resolution: float
) -> dict[str, Any]:
    """Compare the distances at which a split tests with those at which the map is used.

    Every distance is between window centres. *Use*: from every area without a known deposit, which is where
    the map is asked, to the nearest area with one. *Test*: from every held-out ore window to the nearest ore
    area that its fold was trained on; also given for every test window. The closer the two distributions,
    the more a score of the split says about the map (kNNDM; Linnenbrink et al. 2024, Geosci. Model Dev. 17,
    5897).

    Parameters
    ----------
    is_ore
        (window,), whether the window holds a known deposit.
    resolution
        Side of a pixel, metres.

    Returns
    -------
    map_to_ore, test_to_training, all_to_training: distances in metres, float64, sorted; quantiles: for each
    of the three the 5, 25, 50, 75 and 95 % in metres, by name; wasserstein and wasserstein_all: the
    Wasserstein-1 distance of the second and of the third to the first, metres; verdict: nearer, farther or
    alike, by the means, within half a window; sentence: the same in words.

    Raises
    ------
    UsageError
        For a resolution that is not above 0.
    DataError
        Where there is no barren area, or a fold tests no ore window or trains on no ore area.
    """
    from scipy.stats import wasserstein_distance

    if not resolution > 0:
        raise UsageError(f"resolution = {resolution} m given; it is above 0")
    place, size = places(windows)
    ore = flags(is_ore, len(windows))
    metres = np.asarray(place * resolution, dtype=np.float64)
    area = windows["number"].to_numpy() > 0
    if not (area & ~ore).any():
        raise DataError(f"0 barren areas among {area.sum()} given; distances of use need some")
    pairs = [_fold_distances(metres, ore, area, k, *fold) for k, fold in enumerate(split.folds, 1)]
    found = {
        "map_to_ore": _nearest(metres[area & ore], metres[area & ~ore]),
        "test_to_training": np.concatenate([near[tested] for near, tested in pairs]),
        "all_to_training": np.concatenate([near for near, _ in pairs]),
    }
    found = {name: np.sort(distances) for name, distances in found.items()}
    use, test, everything = found.values()
    verdict = _verdict(use, test, size * resolution / 2)
    return {
        **found,
        "quantiles": {name: _quantiles(distances) for name, distances in found.items()},
        "wasserstein": float(wasserstein_distance(test, use)),
        "wasserstein_all": float(wasserstein_distance(everything, use)),
        "verdict": verdict,
        "sentence": _sentence(use, test, verdict),
    }


def _fold_distances(
    metres: NDArray[np.float64],
    ore: NDArray[np.bool_],
    area: NDArray[np.bool_],
    fold: int,
    train: NDArray[np.int64],
    test: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the distance of each test window to the nearest training ore area, and which hold ore."""
    known = train[(ore & area)[train]]
    if not (len(known) and ore[test].any()):
        raise DataError(
            f"fold {fold} is trained on {len(known)} ore areas and tests {ore[test].sum()} ore windows; "
            "distances need one of both"
        )
    return _nearest(metres[known], metres[test]), ore[test]


def _nearest(known: NDArray[np.float64], asked: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(known).query(asked)[0], dtype=np.float64)


def _quantiles(distances: NDArray[np.float64]) -> dict[str, float]:
    found = np.percentile(distances, _QUANTILES)
    return {str(q): float(value) for q, value in zip(_QUANTILES, found, strict=True)}


def _verdict(use: NDArray[np.float64], test: NDArray[np.float64], tolerance: float) -> str:
    difference = test.mean() - use.mean()
    if abs(difference) <= tolerance:
        return "alike"
    return "nearer" if difference < 0 else "farther"


def _sentence(use: NDArray[np.float64], test: NDArray[np.float64], verdict: str) -> str:
    meaning = {
        "alike": "validation is about as far from known ore as use is",
        "nearer": "validation is nearer to known ore than use is, so scores are optimistic for the map",
        "farther": "validation is farther from known ore than use is, so scores are pessimistic for the map",
    }[verdict]
    return (
        f"Held-out ore lies {test.mean() / 1000:.1f} km on average from the nearest ore that its model was "
        f"trained on, an area without a known deposit {use.mean() / 1000:.1f} km from the nearest with one: "
        f"{meaning}."
    )
