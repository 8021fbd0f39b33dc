"""Where the screening's labels, folds and null patterns come from; `gossan.screen` gives them out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from warnings import warn

import numpy as np
from numpy.typing import NDArray

from gossan.errors import DataError, DesignWarning, UsageError
from gossan.grid import MaskedPixels, centres, pixel_index, resolution_of
from gossan.survey import find_camps

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["moved_camps", "null_patterns", "ore_samples", "sample_folds"]

#: Places tried for a camp before it may overlap others.
TRIES = 200

Seed = int | Sequence[int]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def null_patterns(samples: Floats, moved: Floats, distance: float) -> Flags:
    """Label samples by each of many moved patterns of deposits.

    Parameters
    ----------
    samples
        Coordinates (n, 2), metres.
    moved
        (draws, deposits, 2), as of `moved_camps`.
    distance
        Metres, above 0.

    Returns
    -------
    (draws, n): the sample is at most `distance` from a deposit of the draw.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(samples)
    patterns = np.zeros((len(moved), len(samples)), dtype=bool)
    for pattern, deposits in zip(patterns, moved, strict=True):
        pattern[[i for near in tree.query_ball_point(deposits, distance) for i in near]] = True
    return patterns


def ore_samples(coordinates: Floats, deposits: Floats, distance: float) -> Flags:
    """Tell which samples, (n, 2), are at most `distance` metres from one of the deposits, (m, 2)."""
    return np.asarray(null_patterns(coordinates, np.asarray(deposits)[None], distance)[0])


def sample_folds(
    coordinates: Floats,
    is_ore: Flags,
    *,
    block: float,
    folds: int,
    seed: Seed,
    camp: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Deal samples into spatial folds with the ore samples of a camp together.

    Square blocks with a random origin. Camps are dealt first, the largest to the fold with the fewest ore
    samples so far, so each fold has ore while there are as many camps as folds. A block's barren samples go
    with the camp that has most ore samples in it, blocks without ore to the fold with the fewest samples.

    Parameters
    ----------
    coordinates
        (n, 2), metres.
    is_ore
        (n,) bool.
    block
        Side, metres, above 0.
    folds
        At least 2.
    camp
        (n,) ids, read for ore samples only, such as that of the nearest deposit; without it ore samples
        closer than a block are one camp.

    Returns
    -------
    fold ids (n,), from 0.
    """
    if folds < 2 or not block > 0:
        raise UsageError(
            f"{folds} folds, blocks of {block:g} m given; they must be at least 2 and above 0: raise"
        )
    if not is_ore.any():
        raise DataError("no sample is ore; folds need at least 1: widen the ore distance")
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    corner = np.floor((coordinates - rng.random(2) * block) / block)
    _, cell = np.unique(corner, axis=0, return_inverse=True)
    of_ore = find_camps(coordinates[is_ore], block) if camp is None else camp[is_ore]
    _, of_ore = np.unique(of_ore, return_inverse=True)
    cell = cell.ravel()
    shape = (cell.max() + 1, of_ore.max() + 1)
    ore = np.bincount(cell[is_ore] * shape[1] + of_ore, minlength=shape[0] * shape[1]).reshape(shape)
    fold_of_camp = _deal(ore.sum(axis=0), np.zeros(folds), rng)
    barren, led = np.bincount(cell[~is_ore], minlength=shape[0]), ore.any(axis=1)
    fold_of_cell: NDArray[np.int64] = fold_of_camp[ore.argmax(axis=1)]
    np.add.at(load := np.zeros(folds), fold_of_cell[led], barren[led])
    fold_of_cell[~led] = _deal(barren[~led], load, rng)
    fold: NDArray[np.int64] = fold_of_cell[cell]
    fold[is_ore] = fold_of_camp[of_ore]
    return fold


def _deal(size: NDArray[np.int64], load: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal things to folds, the largest first, each to the fold with the least load; adds to `load`."""
    given = np.empty(size.size, dtype=np.int64)
    shuffled = rng.permutation(size.size)  # ties fall by chance
    for i in shuffled[np.argsort(-size[shuffled], kind="stable")]:
        given[i] = np.argmin(load)
        load[given[i]] += size[i]
    return given


def moved_camps(
    coordinates: Floats,
    camp: NDArray[np.int64],
    allowed: Flags,
    grid: "GeoBox",
    draws: int,
    seed: Seed,
    *,
    margin: float | None = None,
) -> Floats:
    """Move each camp on its own to a random place, turned by a random angle.

    All deposits of a camp land on allowed ground, places uniform over what is possible, and the camps'
    bounding circles do not overlap. Camps are placed by falling radius. One that finds no free place in 200
    tries may overlap, and one that fits nowhere stays where it is; both are counted in a warning.

    Parameters
    ----------
    coordinates
        Deposits, (n, 2), metres.
    camp
        (n,) ids.
    allowed
        (row, col) of `grid`: ground where deposits may lie.
    draws
        Patterns, at least 1.
    margin
        Metres, at least 0, between bounding circles, such as the ore distance; None: one pixel.

    Returns
    -------
    (draws, n, 2) coordinates, metres.

    Raises
    ------
    UsageError
        If `allowed` is not of the grid's shape.
    DataError
        If no ground is allowed.
    """
    if allowed.shape != tuple(grid.shape):
        raise UsageError(
            f"allowed is {allowed.shape}, the grid {tuple(grid.shape)}; they must agree: use one"
        )
    place = _Places(allowed, grid, np.random.default_rng(np.random.SeedSequence(seed)))
    groups = [np.flatnonzero(camp == one) for one in np.unique(camp)]
    middles = [coordinates[group].mean(axis=0) for group in groups]
    radii = [np.hypot(*(coordinates[g] - m).T).max() for g, m in zip(groups, middles, strict=True)]
    gap = resolution_of(grid) if margin is None else margin
    moved = np.tile(np.asarray(coordinates, dtype=np.float64), (draws, 1, 1))
    circles = np.empty((draws, 0, 3))
    failed = np.zeros(2, dtype=int)
    for i in sorted(range(len(groups)), key=lambda i: (-radii[i], i)):
        shape = coordinates[groups[i]]
        moved[:, groups[i]], lost = _place_camp(place, shape, circles, radii[i] + gap, draws)
        failed += lost
        middle = moved[:, groups[i]].mean(axis=1)
        circle = np.column_stack([middle, np.full(draws, radii[i])])
        circles = np.concatenate([circles, circle[:, None]], axis=1)
    if failed.any():
        warn(
            f"of {draws * len(groups)} moved camps {failed[0]} overlap another, {failed[1]} stayed in place: "
            "the ground is narrow for them",
            DesignWarning,
            stacklevel=2,
        )
    return moved


class _Places:
    """Random places on allowed ground."""

    def __init__(self, allowed: Flags, grid: "GeoBox", rng: np.random.Generator):
        self.allowed, self.grid, self.rng = allowed, grid, rng
        self.ground = MaskedPixels(allowed)
        if not self.ground.count:
            raise DataError("no ground is allowed; camps need at least 1 pixel: check the stack's valid mask")
        self.centres, self.side = centres(grid), resolution_of(grid)

    def propose(self, shape: Floats, size: int) -> tuple[Floats, Flags]:
        """Turn a camp's deposits (k, 2) about the first, which lands anywhere on allowed ground.

        Returns the deposits (size, k, 2) and whether all of them are on allowed ground (size,). Since the
        first is uniform over all its places, those that are fine are uniform over all that are possible.
        """
        row, col = self.ground.at(self.rng.choice(self.ground.count, size))
        easting, northing = self.centres
        first = np.column_stack([easting[col], northing[row]])
        first = first + (self.rng.random((size, 2)) - 0.5) * self.side
        angle = self.rng.uniform(0, 2 * np.pi, size)
        x, y = (shape - shape[0]).T
        sin, cos = np.sin(angle)[:, None], np.cos(angle)[:, None]
        turned = np.stack([cos * x - sin * y, sin * x + cos * y], axis=2) + first[:, None]
        row, col, inside = pixel_index(self.grid, turned.reshape(-1, 2))
        fine = inside.copy()
        fine[inside] = self.allowed[row[inside], col[inside]]
        return turned, np.all(fine.reshape(size, -1), axis=1)


def _place_camp(
    place: _Places, shape: Floats, circles: Floats, reach: float, draws: int
) -> tuple[Floats, NDArray[np.int64]]:
    """Place one camp in every draw: its deposits, and how often it had to overlap and to stay in place."""
    placed = np.tile(shape, (draws, 1, 1))
    found = np.zeros(draws, dtype=np.int64)  # 1: on allowed ground, 2: and clear of other camps
    for _ in range(TRIES):
        pending = np.flatnonzero(found < 2)
        if not pending.size:
            break
        turned, fine = place.propose(shape, pending.size)
        away = circles[pending, :, :2] - turned.mean(axis=1)[:, None]
        clear = (np.hypot(away[..., 0], away[..., 1]) >= circles[pending, :, 2] + reach).all(axis=1)
        placed[pending[fine]] = turned[fine]
        found[pending[fine]] = np.where(clear[fine], 2, 1)
    return placed, np.array([np.sum(found == 1), np.sum(found == 0)])
