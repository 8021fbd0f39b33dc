"""What is true of folds: camps, counts, gaps, and the proof that training and test are apart."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError, UsageError
from gossan.grid import pixel_index

if TYPE_CHECKING:
    import pandas as pd
    from odc.geo.geobox import GeoBox
    from scipy.sparse import csr_array

__all__ = [
    "Fold",
    "all_camps",
    "check_folds",
    "flags",
    "fold_counts",
    "gap_between",
    "graph",
    "places",
    "share_pixels",
    "window_camps",
    "windows_that_overlap",
]

#: Row numbers, into the table of windows, of the training and of the test windows.
Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


def places(windows: "pd.DataFrame") -> tuple[NDArray[np.int64], int]:
    """Return row and column of the windows' north-west pixels (window, 2), and their one size in pixels."""
    sizes = np.unique(windows["size"].to_numpy())
    if len(sizes) != 1:
        raise UsageError(f"windows of {sizes.tolist()} px given; they have one size: split them one by one")
    return windows[["row", "col"]].to_numpy(dtype=np.int64), int(sizes[0])


def flags(is_ore: ArrayLike, n: int) -> NDArray[np.bool_]:
    """Return one bool per window, (n,)."""
    ore = np.asarray(is_ore, dtype=bool)
    if ore.shape != (n,):
        raise UsageError(f"is_ore of shape {ore.shape} given for {n} windows; it has one value per window")
    return ore


def graph(place: NDArray[np.int64], reach: int) -> "csr_array":
    """Link windows whose corners are at most ``reach`` rows and columns apart."""
    from scipy.sparse import csr_array
    from scipy.spatial import cKDTree

    pairs = cKDTree(place).query_pairs(reach, p=np.inf, output_type="ndarray")
    both = np.concatenate((pairs, pairs[:, ::-1])).T
    return csr_array((np.ones(both.shape[1]), (both[0], both[1])), shape=(len(place), len(place)))


def all_camps(
    place: NDArray[np.int64], size: int, ore: NDArray[np.bool_], camp: ArrayLike | None
) -> NDArray[np.int64]:
    """Return each window's camp; ore windows without one form a camp where they touch, also at a corner."""
    from scipy.sparse.csgraph import connected_components

    camps = np.zeros(len(place), dtype=np.int64) if camp is None else np.array(camp, dtype=np.int64)
    if camps.shape != ore.shape or (camps < 0).any():
        raise UsageError(
            f"camps of shape {camps.shape} given for {len(place)} windows; each window has one id, 0 for none"
        )
    loose = np.flatnonzero(ore & (camps == 0))
    if len(loose):
        _, label = connected_components(graph(place[loose], size), directed=False)
        camps[loose] = camps.max() + 1 + label
    return camps


def fold_counts(
    windows: "pd.DataFrame", is_ore: ArrayLike, folds: Sequence[Fold], *, camp: ArrayLike | None = None
) -> "pd.DataFrame":
    """Count what each fold tests, what training keeps and what is lost between them.

    Returns
    -------
    one row per fold: fold (from 1), test_windows (of any stride), test_areas, test_ore (areas), test_camps
    (of ore windows), train_windows (of any stride), train_areas, train_ore (areas), gap (as `gap_between`,
    empty without training), lost_areas and lost_ore (areas in neither part).
    """
    import pandas as pd

    place, size = places(windows)
    ore = flags(is_ore, len(windows))
    camps = all_camps(place, size, ore, camp)
    area = windows["number"].to_numpy() > 0
    counts = pd.DataFrame(
        {
            "fold": k,
            "test_windows": len(test),
            "test_areas": area[test].sum(),
            "test_ore": (area & ore)[test].sum(),
            "test_camps": len(np.unique(camps[test][ore[test]])),
            "train_windows": len(train),
            "train_areas": area[train].sum(),
            "train_ore": (area & ore)[train].sum(),
            "gap": gap_between(windows, train, test) if len(train) else None,
        }
        for k, (train, test) in enumerate(folds, 1)
    )
    counts["lost_areas"] = area.sum() - counts["test_areas"] - counts["train_areas"]
    counts["lost_ore"] = (area & ore).sum() - counts["test_ore"] - counts["train_ore"]
    return counts


def gap_between(windows: "pd.DataFrame", train: NDArray[np.int64], test: NDArray[np.int64]) -> int:
    """Return the smallest number of free pixels between two sets of windows, negative where they overlap.

    Raises
    ------
    DataError
        Where one of the sets, row numbers into ``windows``, is empty.
    """
    from scipy.spatial import cKDTree

    if not (len(train) and len(test)):
        raise DataError(f"{len(train)} training and {len(test)} test windows given; neither may be empty")
    place, size = places(windows)
    distance, _ = cKDTree(place[test]).query(place[train], p=np.inf)
    return int(np.min(distance)) - size


def share_pixels(windows: "pd.DataFrame", train: NDArray[np.int64], test: NDArray[np.int64]) -> bool:
    """Tell whether a window of one set shares a pixel with one of the other; arguments as `gap_between`."""
    return gap_between(windows, train, test) < 0


def windows_that_overlap(
    windows: "pd.DataFrame", train: NDArray[np.int64], test: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Mark the test windows (test,) that share a pixel with a training window."""
    from scipy.spatial import cKDTree

    place, size = places(windows)
    distance, _ = cKDTree(place[train]).query(place[test], p=np.inf)
    return np.asarray(distance < size, dtype=bool)


def check_folds(
    windows: "pd.DataFrame", folds: Sequence[Fold], *, dead_zone: int = 0, camp: ArrayLike | None = None
) -> None:
    """Prove that folds are spatial, with a dead zone in pixels.

    Raises
    ------
    DataError
        Where a training window is nearer to a test window than the dead zone, a camp is on both sides,
        a test window is no area, or an area is not tested exactly once.
    """
    number = windows["number"].to_numpy()
    tested = np.concatenate([test for _, test in folds])
    if not np.array_equal(np.sort(tested), np.flatnonzero(number > 0)):
        raise DataError(f"{len(tested)} windows are tested; each of {(number > 0).sum()} areas must be, once")
    camps = np.zeros(len(windows), dtype=np.int64) if camp is None else np.asarray(camp)
    for k, (train, test) in enumerate(folds, 1):
        gap = gap_between(windows, train, test)
        if gap < dead_zone:
            raise DataError(f"fold {k}: training is {gap} px from the test; {dead_zone} px are needed")
        both = np.intersect1d(camps[train], camps[test])
        if (both > 0).any():
            raise DataError(f"fold {k}: camps {both[both > 0].tolist()} are in training and test: move them")


def window_camps(
    windows: "pd.DataFrame", ids: ArrayLike, coordinates: ArrayLike, grid: "GeoBox"
) -> NDArray[np.int64]:
    """Return the camp of each window (window,): that of the deposits inside it, 0 where there is none.

    Camps that share a window, directly or through others, become one, with the smallest of their ids.

    Parameters
    ----------
    ids
        Camp of each deposit, (deposit,), from 1.
    coordinates
        Easting and northing of each deposit, (deposit, 2), metres.

    Raises
    ------
    UsageError
        Where ids and coordinates differ in number, or an id is below 1.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    row, col, inside = pixel_index(grid, coordinates)
    camp = np.asarray(ids, dtype=np.int64)
    if camp.shape != row.shape or (camp < 1).any():
        raise UsageError(f"{camp.size} camp ids given for {len(row)} deposits; each deposit has one, from 1")
    place, size = places(windows)
    down, across = row[inside] - place[:, :1], col[inside] - place[:, 1:]
    window, deposit = np.nonzero((down >= 0) & (down < size) & (across >= 0) & (across < size))
    known, node = np.unique(camp[inside][deposit], return_inverse=True)
    n = len(windows) + len(known)
    links = csr_array((np.ones(len(window)), (window, len(windows) + node)), shape=(n, n))
    count, label = connected_components(links, directed=False)
    smallest = np.zeros(count, dtype=np.int64)
    smallest[label[len(windows) :][::-1]] = known[::-1]
    return smallest[label[: len(windows)]]
