"""Spatial folds: camps held out whole, in square blocks, with a dead zone around.

They ask 'does it find a camp that it never saw?'. With enough camps each fold holds several; with few, one
camp is left out at a time.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError, DesignWarning, UsageError
from gossan.split.checks import Fold, all_camps, flags, fold_counts, graph, places

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

__all__ = ["WEAK_CAMPS", "design_folds", "leave_one_camp_out", "spatial_folds", "training_of"]

_FEWEST_FOLDS = 3
#: A fold with fewer says little: fewer folds are made, down to three.
_ENOUGH_ORE = 3
_ENOUGH_CAMPS = 2
#: With fewer camps no interval can be given.
WEAK_CAMPS = 8
#: Shares of the areas and of the ore areas that training has to keep in the mean fold.
_KEEP_AREAS = 1 / 3
_KEEP_ORE = 1 / 2
#: Assignments drawn.
_TRIES = 16


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
    made, notes = design_folds(
        windows, is_ore, camp=camp, folds=folds, block=block, dead_zone=dead_zone, seed=seed
    )
    _warn(notes)
    return made


def leave_one_camp_out(
    windows: "pd.DataFrame",
    is_ore: ArrayLike,
    *,
    camp: ArrayLike | None = None,
    block: int | None = None,
    dead_zone: int | None = None,
    seed: int | Sequence[int] = 0,
) -> list[Fold]:
    """Split windows in space with one fold a camp, for designs with too few camps to put two in a fold.

    Every area is tested in exactly one fold. A block goes with the camp that has most areas in it; a further
    camp of the same block is held out without it. Blocks without a camp go, in random order, where they touch
    most of a fold that still has room for its equal share of the ground. Of several such assignments the
    one that leaves most for training is taken.

    Parameters
    ----------
    is_ore, camp, block, dead_zone, seed
        As of `spatial_folds`.

    Returns
    -------
    (train, test) for each camp with an ore area; otherwise as of `spatial_folds`.

    Raises
    ------
    UsageError, DataError
        As of `spatial_folds`; no fold needs 3 ore areas or 2 camps here.
    """
    made, notes = design_folds(windows, is_ore, camp=camp, block=block, dead_zone=dead_zone, seed=seed)
    _warn(notes)
    return made


def design_folds(
    windows: "pd.DataFrame",
    is_ore: ArrayLike,
    *,
    camp: ArrayLike | None = None,
    folds: int | None = None,
    block: int | None = None,
    dead_zone: int | None = None,
    seed: int | Sequence[int] = 0,
) -> tuple[list[Fold], list[str]]:
    """Make the folds, one a camp where ``folds`` is None, and say in words what is weak about them."""
    place, size = places(windows)
    ore = flags(is_ore, len(windows))
    block, dead_zone = 4 * size if block is None else block, size if dead_zone is None else dead_zone
    camps = all_camps(place, size, ore, camp)
    areas = np.flatnonzero(windows["number"].to_numpy() > 0)
    asked = max(len(np.unique(camps[areas][ore[areas]])), _FEWEST_FOLDS) if folds is None else folds
    _check_design(asked, block, dead_zone, camps[areas][ore[areas]])
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    ore_camp = np.where(ore, camps, 0)[areas]
    unit = _units(place[areas], camps[areas], size, block, rng)
    unit = _camp_units(unit, ore_camp, camps[areas]) if folds is None else unit
    units = _link_units(unit, place[areas], ore_camp, size, dead_zone)
    fold = (_best(units, asked, rng) if folds is None else _assign(units, asked, rng))[unit]
    tests = [areas[fold == k] for k in np.unique(fold)]
    made = [(training_of(place, camps, test, size + dead_zone), test) for test in tests]
    design = f"blocks of {block} px, dead zone {dead_zone} px"
    counts = fold_counts(windows, ore, made, camp=camps)
    _judge(counts, design)
    return made, _weaknesses(counts, asked, alone=folds is None)


def _warn(notes: list[str]) -> None:
    if notes:
        warnings.warn(f"a weak design: {', '.join(notes)}", DesignWarning, stacklevel=3)


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


def _camp_units(
    unit: NDArray[np.int64], ore_camp: NDArray[np.int64], camp: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Split units with several camps that have ore: the largest keeps the rest of the block."""
    held = np.isin(camp, ore_camp[ore_camp > 0])
    known, first, count = np.unique(camp[held], return_index=True, return_counts=True)
    home = unit[held][first]
    order = np.lexsort((-count, home))
    _, largest = np.unique(home[order], return_index=True)
    alone = np.setdiff1d(known, known[order[largest]])
    moved = np.isin(camp, alone)
    unit = unit.copy()
    unit[moved] = unit.max() + 1 + np.searchsorted(alone, camp[moved])
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
        links=csr_array(member.T @ graph(place, size) @ member),
        near=csr_array(graph(place, size + dead_zone - 1) @ member + member),
        is_ore=ore,
    )


def _assign(units: _Units, folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the fold of each unit: the most folds with enough ore and camps, else the most that can work."""
    made = []
    for k in range(folds, _FEWEST_FOLDS - 1, -1):
        fold = _best(units, k, rng)
        ore, camps = (np.bincount(fold, each, minlength=k) for each in (units.ore, units.camps))
        areas_kept, ore_kept = units.kept(fold)
        works = areas_kept >= _KEEP_AREAS and ore_kept >= _KEEP_ORE and camps.min() > 0
        if works and ore.min() >= _ENOUGH_ORE and camps.min() >= _ENOUGH_CAMPS:
            return fold
        made.append((works, fold))
    return max(made, key=lambda each: each[0])[1]


def _best(units: _Units, folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the assignment, of several drawn, that leaves most for training."""
    return max((_greedy(units, folds, rng) for _ in range(_TRIES)), key=lambda each: sum(units.kept(each)))


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


def training_of(
    place: NDArray[np.int64], camps: NDArray[np.int64], test: NDArray[np.int64], apart: int
) -> NDArray[np.int64]:
    """Return the windows at least ``apart`` rows or columns from every test window, test camps excepted."""
    from scipy.spatial import cKDTree

    distance, _ = cKDTree(place[test]).query(place, p=np.inf)
    tested = camps[test]
    return np.flatnonzero((distance >= apart) & ~np.isin(camps, tested[tested > 0]))


def _judge(counts: "pd.DataFrame", design: str) -> None:
    """Refuse a design that cannot work."""
    areas, ore, camps = (int(counts[f"test_{what}"].sum()) for what in ("areas", "ore", "camps"))
    kept, kept_ore = counts["train_areas"].mean(), counts["train_ore"].mean()
    empty = not counts["test_camps"].min() or (counts["test_areas"] == counts["test_ore"]).any()
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


def _weaknesses(counts: "pd.DataFrame", asked: int, *, alone: bool) -> list[str]:
    """Say what is weak about a design that works; a camp ``alone`` in its fold is meant to be."""
    camps, fewest = int(counts["test_camps"].sum()), counts[["test_ore", "test_camps"]].min()
    few = f"{camps} camps, under {WEAK_CAMPS}: not enough to evaluate, no interval"
    found = [
        (len(counts) < asked, f"{len(counts)} folds instead of {asked}"),
        (camps < WEAK_CAMPS, few),
        (not alone and fewest["test_ore"] < _ENOUGH_ORE, f"a fold with {fewest['test_ore']} ore area(s)"),
        (not alone and fewest["test_camps"] < _ENOUGH_CAMPS, f"a fold with {fewest['test_camps']} camp(s)"),
    ]
    return [text for true, text in found if true]
