"""The k nearest samples of every pixel, tile by tile. A private part of `gossan.interpolate`.

If the k-th nearest sample of a tile's centre lies r away, and no pixel of the tile farther than s from the
centre, then the k nearest of each pixel lie within r + 2 s of the centre. A k-d tree is asked once a tile for
these candidates; the pixels then choose among a few numbers, which needs no memory beyond one tile's.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gossan._far import ON_CENTRE, PLAIN_POWER, Put, scratch, weigh

__all__ = ["Candidates", "NearestFew"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Sides of tiles that are tried; half of one is the next one's, so that tiles can be quartered.
_SIDES = (32, 16, 8, 4, 2, 1)
#: Distances in a block (1 MB in float64).
_BLOCK = 2**17
#: Samples as near as the k-th to this share of its squared distance count with it.
_TIE = 2e-9


class Candidates:
    """The samples among which every pixel's k nearest are.

    Parameters
    ----------
    place
        Row and column of each sample, pixels, (n, 2); a pixel's centre lies at .5.
    shape
        Rows and columns of the map.
    neighbours
        k, >= 1.
    """

    def __init__(self, place: Floats, shape: tuple[int, int], neighbours: int) -> None:
        from scipy.spatial import cKDTree

        self.count, self.shape, self.k = len(place), shape, min(neighbours, len(place))
        self._tree = cKDTree(place)
        # one more sample that is nobody's neighbour, for lists of unequal lengths
        self._row, self._col = np.vstack((place, place.min(axis=0) - 1e9)).T.copy()
        self._side, self._guess = self._best_side()

    def _best_side(self) -> tuple[int, int]:
        """Choose the side of a tile and the candidates to ask for: work a pixel against work a tile, ns."""
        spread = np.maximum(np.ptp(np.column_stack((self._row, self._col))[:-1], axis=0), 1)
        density = self.count / float(np.prod(np.minimum(spread, np.array(self.shape) * 2)))
        radius = math.sqrt(self.k / (math.pi * density))
        expected = {
            side: max(self.k, density * math.pi * (radius + math.sqrt(2) * side) ** 2) for side in _SIDES
        }
        best = min(_SIDES, key=lambda side: 8 * expected[side] + (8000 + 500 * expected[side]) / side**2)
        return best, math.ceil(1.25 * expected[best]) + 4

    def blocks(self, rows: slice, cols: slice) -> Iterator[tuple[Ints, Ints, Ints, Floats]]:
        """Give tops and lefts of tiles that reach into a part of the map, their candidates and distances.

        Yields
        ------
        tops (t,), lefts (t,), candidates (t, c), numbers of samples, n standing for none, and squared
        distances (t, y, x, c), pixels ** 2, which last until the next are given. What a tile gets depends
        on the tile alone.
        """
        side = self._side
        top = np.arange(rows.start - rows.start % side, rows.stop, side)
        left = np.arange(cols.start - cols.start % side, cols.stop, side)
        tops, lefts = (each.ravel() for each in np.meshgrid(top, left, indexing="ij"))
        yield from self._tiles(tops, lefts, side)

    def _tiles(self, tops: Ints, lefts: Ints, side: int) -> Iterator[tuple[Ints, Ints, Ints, Floats]]:
        """Ask for more and more candidates until all tiles have theirs; quarter tiles with too many."""
        width, todo = min(self._guess, self.count), np.arange(len(tops))
        centres = np.column_stack((tops, lefts)) + side / 2
        while len(todo):
            distance, index = (
                np.asarray(x) for x in self._tree.query(centres[todo], k=np.arange(1, width + 1))
            )
            reach = (distance[:, self.k - 1] + math.sqrt(2) * (side - 1)) * (1 + _TIE)
            done = (distance[:, -1] > reach) | (width == self.count)
            counts = (distance <= reach[:, None]).sum(axis=1)
            for some, candidates in _by_width(np.flatnonzero(done), counts, index, self.count, side):
                chosen = todo[some]
                yield from self._distances(tops[chosen], lefts[chosen], side, candidates)
            todo = todo[~done]
            if side > 1 and width > 4 * self.k + 200:
                yield from self._tiles(*_quarters(tops[todo], lefts[todo], side // 2), side // 2)
                return
            width = min(2 * width, self.count)

    def _distances(
        self, tops: Ints, lefts: Ints, side: int, candidates: Ints
    ) -> Iterator[tuple[Ints, Ints, Ints, Floats]]:
        """Give squared distances, for as many rows of a tile at a time as a block holds."""
        steps = np.arange(side) + 0.5
        across = (lefts[:, None, None] + steps[:, None] - self._col[candidates][:, None]) ** 2
        down = (tops[:, None, None] + steps[:, None] - self._row[candidates][:, None]) ** 2
        height = max(1, _BLOCK // across[0].size)
        for begin in range(0, side, height):
            part = down[:, begin : begin + height]
            shape = (*part.shape[:2], *across.shape[1:])
            squares = scratch("squares", shape, np.float64)
            yield tops + begin, lefts, candidates, np.add(part[:, :, None], across[:, None], out=squares)


def _by_width(tiles: Ints, counts: Ints, index: Ints, filler: int, side: int) -> Iterator[tuple[Ints, Ints]]:
    """Put tiles with nearly as many candidates together, in blocks; lists are filled up to one width."""
    step = np.where(counts < 64, 4, 32)
    widths = -(-counts // step) * step
    for width in np.unique(widths[tiles]):
        chosen = tiles[widths[tiles] == width]
        size = max(1, _BLOCK // (int(width) * side**2))
        for begin in range(0, len(chosen), size):
            some = chosen[begin : begin + size]
            out = np.full((len(some), width), filler, dtype=np.intp)
            held = min(int(width), index.shape[1])
            out[:, :held] = np.where(np.arange(held) < counts[some, None], index[some, :held], filler)
            yield some, out


def _quarters(tops: Ints, lefts: Ints, side: int) -> tuple[Ints, Ints]:
    down, across = np.array((0, 0, side, side)), np.array((0, side, 0, side))
    return (tops[:, None] + down).ravel(), (lefts[:, None] + across).ravel()


class NearestFew:
    """Sums of weighted columns over the k nearest samples.

    Parameters
    ----------
    place, shape
        As in `Candidates`.
    columns
        What is summed, (n, columns), in [0, 1].
    power
        Exponent of the distance, > 0.
    radius
        Pixels; infinite for no limit.
    neighbours
        k, >= 1; samples as near as the k-th count with it.

    Attributes
    ----------
    cell
        Rows and columns of the pieces that `fill` works on: multiples of 128 pixels.
    """

    cell = (256, 256)

    def __init__(
        self,
        place: Floats,
        columns: Floats,
        shape: tuple[int, int],
        power: float,
        radius: float,
        neighbours: int,
    ) -> None:
        self.power, self.radius = power, radius
        self._candidates = Candidates(place, shape, neighbours)
        self._columns = np.vstack((columns, np.zeros(columns.shape[1]))).astype(np.float32)

    def fill(self, rows: slice, cols: slice, put: Put) -> None:
        """Sum for all tiles that reach into a part of the map."""
        for tops, lefts, candidates, squares in self._candidates.blocks(rows, cols):
            with np.errstate(over="ignore"):  # too far away for float32: the weight is 0
                weights = self._weights(squares)
            height, width = squares.shape[1:3]
            flat = weights.reshape(len(tops), height * width, -1).transpose(0, 2, 1)
            columns = self._columns.take(candidates, axis=0).transpose(0, 2, 1)
            sums = scratch("sums", (len(tops), columns.shape[1], height * width), np.float32)
            np.matmul(columns, flat, out=sums)
            put(tops, lefts, sums.reshape(len(tops), -1, height, width))

    def _weights(self, squares: Floats) -> NDArray[Any]:
        k = self._candidates.k
        ordered = scratch("ordered", squares.shape, squares.dtype)
        ordered[...] = squares
        ordered.partition(sorted({0, k - 1}), axis=-1)
        limit = np.minimum(ordered[..., k - 1] * (1 + _TIE), self.radius**2 * (1 + _TIE))
        counts = squares <= limit[..., None]
        squares += ON_CENTRE**2
        if self.power > PLAIN_POWER:  # relative to the nearest: high powers stay within float32
            squares /= ordered[..., :1] + ON_CENTRE**2
        weights = scratch("weights", squares.shape, np.float32)
        weights[...] = squares
        weigh(weights, self.power)
        weights *= counts
        return weights
