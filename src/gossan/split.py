"""Folds: how training and test windows are kept apart.

Spatial folds ask 'does it find a camp that it never saw?': camps are held out whole, in square blocks with a
dead zone around. Random folds, the paper's, ask 'is this window like its neighbours?': windows share pixels.

The gap between two windows is the larger of the free rows and the free columns between them, so a dead zone
is a square ring of free pixels all around each test window, its corners included.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError, DesignWarning, UsageError
from gossan.grid import pixel_index

if TYPE_CHECKING:
    import pandas as pd
    from odc.geo.geobox import GeoBox
    from scipy.sparse import csr_array

__all__ = [
    "Fold",
    "ValidationSettings",
    "check_folds",
    "default_block",
    "fold_counts",
    "gap_between",
    "random_folds",
    "share_pixels",
    "spatial_folds",
    "window_camps",
]

#: Row numbers, into the table of windows, of the training and of the test windows.
Fold = tuple[NDArray[np.int64], NDArray[np.int64]]

_FEWEST_FOLDS = 3
#: A fold with fewer says little: fewer folds are made, down to three.
_ENOUGH_ORE = 3
_ENOUGH_CAMPS = 2
#: With fewer camps no interval can be given.
_WEAK_CAMPS = 8
#: Shares of the areas and of the ore areas that training has to keep in the mean fold.
_KEEP_AREAS = 1 / 3
_KEEP_ORE = 1 / 2
#: Assignments drawn.
_TRIES = 16


@dataclass(frozen=True)
class ValidationSettings:
    """``[validation]``: how training and test are kept apart.

    A design is refused where there are fewer than 3 camps, or training keeps under a third of the areas or
    under half of the ore areas in the mean fold. It is called weak, with a warning, where there are fewer
    than 8 camps, fewer folds than asked for, or a fold with fewer than 3 ore areas or 2 camps.

    Attributes
    ----------
    protocol
        ``strict``: spatial folds with whole camps and a dead zone; ``paper``: the model is also scored on the
        paper's random split, with its screening (too good, for comparison only).
    folds
        Number of folds, 3 or more; fewer are made where a fold would hold under 3 ore areas or 2 camps.
    block
        Side of the square blocks, metres; None for 4 windows.
    dead_zone
        Free ground between any training and any test window, metres, 0 or more; None for one window.
    repeats
        How often the folds are drawn, each time with another origin of the blocks, 1 or more.
    """

    protocol: Literal["strict", "paper"] = "strict"
    folds: int = 5
    block: float | None = None
    dead_zone: float | None = None
    repeats: int = 1


def default_block(size: int, *, longest: int | None = None, correlation: float = 0.0) -> int:
    """Return the side of a block, pixels: the correlation range between 4 windows and a fifth of the map.

    Parameters
    ----------
    size
        Side of a window, pixels.
    longest
        The map's longer side, pixels; None for no upper bound.
    correlation
        Variogram range of the channels' first factor, pixels; 0 where it is not known.

    Examples
    --------
    >>> default_block(32), default_block(32, longest=1560, correlation=500.0)
    (128, 312)
    """
    bound = np.inf if longest is None else longest / 5
    return max(4 * size, round(min(correlation, bound)))


def spatial_folds(
    windows: "pd.DataFrame",
    is_ore: ArrayLike,
    *,
    camp: ArrayLike | None = None,
    folds: int = 5,
    block: int | None = None,
    dead_zone: int | None = None,
    seed: int | Sequence[int] = 0,
) -> list[Fold]:
    """Split windows in space: whole camps, square blocks with a random origin, and a dead zone.

    Every area is tested in exactly one fold. Blocks that hold ore go, richest first, to the fold with the
    least ore; barren ones fill the folds up; among equals a block goes where it touches most of the fold.
    An area of a camp goes with the block that holds most of its camp. Of several such assignments the one
    that leaves most for training is taken.

    Parameters
    ----------
    is_ore
        (window,), whether the window holds a known deposit.
    camp
        One id per window, 0 = none. Ore windows without a camp form one where they touch.
    folds
        How many are wanted, 3 or more; fewer are made where one would hold under 3 ore areas or 2 camps.
    block
        Side of a block, pixels; None for 4 windows.
    dead_zone
        Free pixels between any training and any test window, 0 or more; None for one window.
    seed
        Draws the origin of the blocks and breaks ties.

    Returns
    -------
    (train, test) for each fold. ``test`` holds areas only; ``train`` every window, of any stride, outside the
    dead zone that does not belong to a test camp.

    Raises
    ------
    UsageError
        For an argument outside its range.
    DataError
        With the counts, where the design cannot work: see `ValidationSettings`.
    """
    place, size = _places(windows)
    ore = _flags(is_ore, len(windows))
    block, dead_zone = 4 * size if block is None else block, size if dead_zone is None else dead_zone
    camps = _all_camps(place, size, ore, camp)
    areas = np.flatnonzero(windows["number"].to_numpy() > 0)
    _check_design(folds, block, dead_zone, camps[areas][ore[areas]])
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    unit = _units(place[areas], camps[areas], size, block, rng)
    units = _link_units(unit, place[areas], np.where(ore, camps, 0)[areas], size, dead_zone)
    fold = _assign(units, folds, rng)[unit]
    tests = [areas[fold == k] for k in np.unique(fold)]
    made = [(_training(place, camps, test, size + dead_zone), test) for test in tests]
    design = f"blocks of {block} px, dead zone {dead_zone} px"
    _judge(fold_counts(windows, ore, made, camp=camps), folds, design)
    return made


def _places(windows: "pd.DataFrame") -> tuple[NDArray[np.int64], int]:
    sizes = np.unique(windows["size"].to_numpy())
    if len(sizes) != 1:
        raise UsageError(f"windows of {sizes.tolist()} px given; they have one size: split them one by one")
    return windows[["row", "col"]].to_numpy(dtype=np.int64), int(sizes[0])


def _flags(is_ore: ArrayLike, n: int) -> NDArray[np.bool_]:
    ore = np.asarray(is_ore, dtype=bool)
    if ore.shape != (n,):
        raise UsageError(f"is_ore of shape {ore.shape} given for {n} windows; it has one value per window")
    return ore


def _check_design(folds: int, block: int, dead_zone: int, ore_camps: NDArray[np.int64]) -> None:
    if folds < _FEWEST_FOLDS or block < 1 or dead_zone < 0:
        raise UsageError(
            f"{folds} folds, blocks of {block} px and a dead zone of {dead_zone} px given; spatial folds are "
            f"{_FEWEST_FOLDS} or more, blocks 1 px or more, dead zones 0 px or more: change them"
        )
    camps = len(np.unique(ore_camps))
    if camps < _FEWEST_FOLDS:
        raise DataError(
            f"{camps} camp(s) in {len(ore_camps)} ore areas; spatial folds need at least {_FEWEST_FOLDS} "
            "camps: add deposits, enlarge the area or make the windows smaller"
        )


def _graph(place: NDArray[np.int64], reach: int) -> "csr_array":
    """Link windows whose corners are at most ``reach`` rows and columns apart."""
    from scipy.sparse import csr_array
    from scipy.spatial import cKDTree

    pairs = cKDTree(place).query_pairs(reach, p=np.inf, output_type="ndarray")
    both = np.concatenate((pairs, pairs[:, ::-1])).T
    return csr_array((np.ones(both.shape[1]), (both[0], both[1])), shape=(len(place), len(place)))


def _all_camps(
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
        _, label = connected_components(_graph(place[loose], size), directed=False)
        camps[loose] = camps.max() + 1 + label
    return camps


def _units(
    place: NDArray[np.int64], camp: NDArray[np.int64], size: int, block: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the uncut unit of each area: its block, for a camp the block that holds most of it."""
    block_of = (place + size // 2 + rng.integers(block, size=2)) // block
    _, unit = np.unique(block_of, axis=0, return_inverse=True)
    held = np.flatnonzero(camp > 0)
    pairs, count = np.unique(np.stack((camp[held], unit[held])), axis=1, return_counts=True)
    order = np.lexsort((-count, pairs[0]))
    known, first = np.unique(pairs[0, order], return_index=True)
    main = pairs[1, order[first]]
    unit[held] = main[np.searchsorted(known, camp[held])]
    return np.unique(unit, return_inverse=True)[1]


@dataclass(frozen=True)
class _Units:
    """Blocks with their camps: counts (u,), how much they touch (u, u), which areas are near them (n, u)."""

    areas: NDArray[np.int64]
    ore: NDArray[np.int64]
    camps: NDArray[np.int64]
    links: "csr_array"
    near: "csr_array"
    is_ore: NDArray[np.bool_]

    def kept(self, fold: NDArray[np.int64]) -> tuple[float, float]:
        """Return the shares of areas and of ore areas left for training in the mean fold."""
        away = (self.near @ np.eye(int(fold.max()) + 1)[fold]) == 0
        return float(away.mean()), float(away[self.is_ore].mean())


def _link_units(
    unit: NDArray[np.int64], place: NDArray[np.int64], ore_camp: NDArray[np.int64], size: int, dead_zone: int
) -> _Units:
    """Sum up the units; ``ore_camp`` is the camp of each ore area and 0 for barren ones."""
    from scipy.sparse import csr_array

    ore = ore_camp > 0
    member = csr_array((np.ones(len(unit)), (np.arange(len(unit)), unit)))
    camp_units = np.unique(np.stack((ore_camp[ore], unit[ore])), axis=1)[1]
    return _Units(
        areas=np.bincount(unit),
        ore=np.bincount(unit, ore).astype(np.int64),
        camps=np.bincount(camp_units, minlength=member.shape[1]),
        links=csr_array(member.T @ _graph(place, size) @ member),
        near=csr_array(_graph(place, size + dead_zone - 1) @ member + member),
        is_ore=ore,
    )


def _assign(units: _Units, folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the fold of each unit: the most folds with enough ore and camps, else the most that can work."""
    made = []
    for k in range(folds, _FEWEST_FOLDS - 1, -1):
        fold = max((_greedy(units, k, rng) for _ in range(_TRIES)), key=lambda each: sum(units.kept(each)))
        ore, camps = (np.bincount(fold, each, minlength=k) for each in (units.ore, units.camps))
        areas_kept, ore_kept = units.kept(fold)
        works = areas_kept >= _KEEP_AREAS and ore_kept >= _KEEP_ORE and camps.min() > 0
        if works and ore.min() >= _ENOUGH_ORE and camps.min() >= _ENOUGH_CAMPS:
            return fold
        made.append((works, fold))
    return max(made, key=lambda each: each[0])[1]


def _greedy(units: _Units, folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the fold of each unit, the richest units first."""
    fold = np.empty(len(units.areas), dtype=np.int64)
    held = np.stack((units.ore, units.areas, units.camps))
    ore, areas, camps = totals = np.zeros((3, folds), dtype=np.int64)
    touching = np.zeros((folds, len(fold)))
    room = np.ceil(units.areas.sum() / folds)
    for unit in np.lexsort((rng.random(len(fold)), -units.ore)):
        if units.ore[unit]:
            missing = np.maximum(_ENOUGH_CAMPS - camps, 0)
            left = units.camps.sum() - camps.sum()
            needy = (missing > 0) | (left > missing.sum())
            open_to = needy & (ore == ore[needy].min())
        else:
            fits = areas + units.areas[unit] <= room
            open_to = fits if fits.any() else areas == areas.min()
        best = int(np.argmax(np.where(open_to, touching[:, unit] + rng.random(folds) / 2, -1)))
        fold[unit] = best
        totals[:, best] += held[:, unit]
        row = slice(units.links.indptr[unit], units.links.indptr[unit + 1])
        touching[best, units.links.indices[row]] += units.links.data[row]
    return fold


def _training(
    place: NDArray[np.int64], camps: NDArray[np.int64], test: NDArray[np.int64], apart: int
) -> NDArray[np.int64]:
    """Return the windows at least ``apart`` rows or columns from every test window, test camps excepted."""
    from scipy.spatial import cKDTree

    distance, _ = cKDTree(place[test]).query(place, p=np.inf)
    tested = camps[test]
    return np.flatnonzero((distance >= apart) & ~np.isin(camps, tested[tested > 0]))


def _judge(counts: "pd.DataFrame", asked: int, design: str) -> None:
    """Refuse a design that cannot work; warn of a weak one."""
    areas, ore, camps = (int(counts[f"test_{what}"].sum()) for what in ("areas", "ore", "camps"))
    fewest = counts[["test_ore", "test_camps"]].min()
    kept, kept_ore = counts["train_areas"].mean(), counts["train_ore"].mean()
    empty = not fewest["test_camps"] or (counts["test_areas"] == counts["test_ore"]).any()
    if len(counts) < _FEWEST_FOLDS or empty:
        raise DataError(
            f"{camps} camps do not give {_FEWEST_FOLDS} folds ({design}) with a camp and barren ground in "
            "each: make the blocks smaller"
        )
    if kept < _KEEP_AREAS * areas or kept_ore < _KEEP_ORE * ore:
        raise DataError(
            f"{len(counts)} folds ({design}) leave {kept:.1f} of {areas} areas and {kept_ore:.1f} of {ore} "
            "ore areas for training; a third and half are needed: make blocks, dead zone or windows smaller"
        )
    found = [
        (len(counts) < asked, f"{len(counts)} folds instead of {asked}"),
        (camps < _WEAK_CAMPS, f"{camps} camps, under {_WEAK_CAMPS}"),
        (fewest["test_ore"] < _ENOUGH_ORE, f"a fold with {fewest['test_ore']} ore area(s)"),
        (fewest["test_camps"] < _ENOUGH_CAMPS, f"a fold with {fewest['test_camps']} camp(s)"),
    ]
    if weak := ", ".join(text for true, text in found if true):
        warnings.warn(f"a weak design: {weak}", DesignWarning, stacklevel=3)


def fold_counts(
    windows: "pd.DataFrame", is_ore: ArrayLike, folds: Sequence[Fold], *, camp: ArrayLike | None = None
) -> "pd.DataFrame":
    """Count what each fold tests, what training keeps and what is lost between them.

    Returns
    -------
    one row per fold: fold (from 1), test_areas, test_ore (areas), test_camps (with ore areas), train_windows
    (of any stride), train_areas, train_ore (areas), gap (as `gap_between`, empty without training),
    lost_areas and lost_ore (areas in neither part).
    """
    import pandas as pd

    place, size = _places(windows)
    ore = _flags(is_ore, len(windows))
    camps = _all_camps(place, size, ore, camp)
    area = windows["number"].to_numpy() > 0
    counts = pd.DataFrame(
        {
            "fold": k,
            "test_areas": len(test),
            "test_ore": ore[test].sum(),
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
    place, size = _places(windows)
    distance, _ = cKDTree(place[test]).query(place[train], p=np.inf)
    return int(np.min(distance)) - size


def share_pixels(windows: "pd.DataFrame", train: NDArray[np.int64], test: NDArray[np.int64]) -> bool:
    """Tell whether a window of one set shares a pixel with one of the other; arguments as `gap_between`."""
    return gap_between(windows, train, test) < 0


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


def random_folds(
    windows: "pd.DataFrame", is_ore: ArrayLike, *, folds: int = 5, seed: int | Sequence[int] = 0
) -> list[Fold]:
    """Split windows at random, with as many ore areas in each fold, as the paper does.

    Only areas are tested. Training keeps every other window, those that share pixels with a test window
    included: scores from this split are too good, and are given for comparison only.

    Raises
    ------
    UsageError
        For fewer than 2 folds.
    DataError
        Where there are fewer ore or barren areas than folds.
    """
    ore = _flags(is_ore, len(windows))
    if folds < 2:
        raise UsageError(f"{folds} folds given; 2 or more are needed: ask for more")
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    area = windows["number"].to_numpy() > 0
    classes = [rng.permutation(np.flatnonzero(area & part)) for part in (ore, ~ore)]
    if min(map(len, classes)) < folds:
        raise DataError(
            f"{len(classes[0])} ore and {len(classes[1])} barren areas for {folds} folds; each needs one of "
            "both: ask for fewer folds"
        )
    order = np.concatenate(classes)
    tests = [np.sort(order[k::folds]) for k in range(folds)]
    return [(np.setdiff1d(np.arange(len(windows)), test), test) for test in tests]


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
    place, size = _places(windows)
    down, across = row[inside] - place[:, :1], col[inside] - place[:, 1:]
    window, deposit = np.nonzero((down >= 0) & (down < size) & (across >= 0) & (across < size))
    known, node = np.unique(camp[inside][deposit], return_inverse=True)
    n = len(windows) + len(known)
    links = csr_array((np.ones(len(window)), (window, len(windows) + node)), shape=(n, n))
    count, label = connected_components(links, directed=False)
    smallest = np.zeros(count, dtype=np.int64)
    smallest[label[len(windows) :][::-1]] = known[::-1]
    return smallest[label[: len(windows)]]
