"""The sum over all samples in near-linear time. A private part of `gossan.interpolate`.

Seen from a small tile, 1 / distance ** power of a far sample is smooth: its values at q x q Chebyshev nodes
say what it is at every pixel. So tiles form a quadtree. A tile's sum over the samples outside its near zone
is kept as values at its nodes; its four children take it over by interpolation, which is exact for what are
polynomials already, and add the samples that their own, smaller near zones no longer hold. Only the smallest
tiles look at pixels: the few samples of their near zone one by one, all others by one interpolation. A sample
is in the near zones of a bounded number of tiles of a level wherever it lies, so time grows as samples times
levels plus pixels. See `docs/methods.md` for the bound of the error.
"""

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.polynomial.chebyshev import chebvander
from numpy.typing import NDArray

__all__ = ["ON_CENTRE", "PLAIN_POWER", "AllSamples", "Expansion", "Put", "expansion", "weigh", "weight_error"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Numbers = NDArray[Any]  # float32 or float64, as the error asks for; or whole numbers
#: (tops, lefts of tiles (tile,), sums (tile, column, side, side)) -> None
Put = Callable[[Ints, Ints, Numbers], None]

#: Near zones that are tried: radius of the circle around a tile that is near, in half tiles.
_REACHES = np.arange(1.6, 4.21, 0.05)
#: Share of the error that interpolation may use; the rest is for rounding.
_SHARE = 0.8
_MOST_NODES = 16
#: Side of the tiles whose node values are kept: about 1 / 2100 of a map's size a column.
_KEPT = 512
_SIDES = (16, 32, 64, 128)
#: Numbers in a block of weights (512 KB in float32), samples that one holds at most, pairs listed at a time.
_BLOCK, _WIDEST, _PAIRS = 2**17, 256, 2**20
#: Samples closer than this to a pixel centre, in pixels, lie on it: far above rounding, far below any survey.
ON_CENTRE = 1e-6
#: Powers up to this one cannot leave the range of float32 between 1e-6 and 1e9 pixels.
PLAIN_POWER = 4
#: Whole powers up to this one are made by multiplication.
_WHOLE_POWER = 8


_memory = threading.local()


def _scratch(shape: tuple[int, ...], dtype: Any) -> Numbers:
    """Return memory of this thread's own that the last block of weights has warmed already."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    held: NDArray[np.uint8] | None = getattr(_memory, "held", None)
    if held is None or held.size < size:
        held = np.empty(size, dtype=np.uint8)
        if size <= 16 * _BLOCK:
            _memory.held = held
    return np.asarray(held[:size].view(dtype).reshape(shape))


def weigh(squares: Numbers, power: float) -> None:
    """Replace squared distances by distance ** -power; whole powers need no logarithm."""
    if power > _WHOLE_POWER or power != int(power):
        np.power(squares, squares.dtype.type(-power / 2), out=squares)
        return
    if power % 2:
        np.sqrt(squares, out=squares)
    times = int(power if power % 2 else power / 2)
    factor = squares.copy() if times > 1 else squares
    for _ in range(times - 1):
        squares *= factor
    np.reciprocal(squares, out=squares)


# ---- how many nodes


@dataclass(frozen=True)
class Expansion:
    """How far samples are summed.

    Attributes
    ----------
    nodes
        Chebyshev nodes along a side of a tile.
    reach
        Samples farther than this from a tile's centre are far, in half tiles.
    bound
        Largest relative error of the interpolated weight of any far sample at any pixel.
    """

    nodes: int
    reach: float
    bound: float


@lru_cache(maxsize=64)
def expansion(power: float, error: float) -> Expansion | None:
    """Choose near zone and nodes so that interpolation takes no more than 0.8 ``error``; None: no way.

    If every weight w of a far sample is off by at most b w, a weighted mean z of values in [0, 1] is off by
    at most b sum(w |v - z|) / ((1 - b) sum(w)) <= b / (2 (1 - b)), since a mean absolute deviation is at most
    half the range. A power of the distance has no scale, so b is the same for tiles of any side. It is
    measured on the edge of the near zone, where the singularity of the weight is closest.
    """
    found, number = [], len(_REACHES)
    for nodes in range(3, _MOST_NODES + 1):  # the more nodes, the smaller the zone
        while number and (bound := weight_error(power, nodes, _REACHES[number - 1])) <= _most(error):
            number -= 1
            found.append(Expansion(nodes, float(_REACHES[number]), bound))
    # measured: what the smallest tiles do with a near sample costs as much as 40 nodes of larger ones
    return min(found, key=lambda each: each.reach**2 * (each.nodes**2 + 40), default=None)


def _most(error: float) -> float:
    """Return the largest b with b / (2 (1 - b)) <= 0.8 error."""
    return 2 * _SHARE * error / (1 + 2 * _SHARE * error)


def weight_error(power: float, nodes: int, reach: float) -> float:
    """Measure the largest relative error of a weight from the edge of the near zone, one eighth of it."""
    angle = np.linspace(0, math.pi / 4, 17)
    x, y = reach * np.cos(angle), reach * np.sin(angle)
    at, pixels = _nodes(nodes), np.cos(np.linspace(0, math.pi, 25))
    matrix = _matrix(pixels, nodes)

    def weights(places: Floats) -> Floats:
        square = (places - x[:, None]) ** 2
        return np.asarray((square[:, :, None] + ((places - y[:, None]) ** 2)[:, None, :]) ** (-power / 2))

    return float(np.abs(matrix @ weights(at) @ matrix.T / weights(pixels) - 1).max())


def _nodes(count: int) -> Floats:
    return np.cos((2 * np.arange(count) + 1) * math.pi / (2 * count))


def _matrix(points: Floats, nodes: int) -> Floats:
    """Return the matrix (points, nodes) that takes values at Chebyshev nodes to points in [-1, 1]."""
    basis = chebvander(_nodes(nodes), nodes - 1)
    basis[:, 0] /= 2
    return np.asarray(chebvander(points, nodes - 1) @ basis.T * (2 / nodes))


# ---- lists of samples, one a tile


@dataclass(frozen=True)
class _Lists:
    """Samples of each tile: those of tile t are item[start[t] : start[t + 1]]."""

    start: Ints
    item: Numbers

    @cached_property
    def count(self) -> Ints:
        return self.start[1:] - self.start[:-1]

    def take(self, chosen: Ints) -> tuple[Ints, Numbers]:
        """Return the number in ``chosen`` and the sample of each pair of the chosen tiles."""
        count = self.count[chosen]
        tile = np.repeat(np.arange(len(chosen)), count)
        return tile, self.item[
            np.arange(len(tile)) + np.repeat(self.start[chosen] - _starts(count)[:-1], count)
        ]

    def padded(self, chosen: Ints, width: int) -> tuple[Ints, NDArray[np.bool_]]:
        """Return places in ``item``, (chosen, width), and which of them lie behind a list's end."""
        steps = np.arange(width)
        place = np.minimum(self.start[chosen][:, None] + steps, len(self.item) - 1)
        return place, steps >= self.count[chosen][:, None]

    @cached_property
    def width(self) -> Ints:
        """Lengths that lists are filled up to, so that few differ.

        A tile's depends on its own list alone, and so does every bit of its sums.
        """
        step = 2 ** np.maximum(np.frexp(self.count)[1] - 3, 2)
        return np.asarray(-(-self.count // step) * step)

    def batches(self, numbers: int, among: Ints | None = None) -> Iterator[tuple[Ints, int]]:
        """Put those tiles among some together that have one width; each needs some numbers a sample."""
        widths = self.width if among is None else self.width[among]
        for width in sorted(set(widths.tolist()) - {0}):
            tiles = np.flatnonzero(widths == width)
            size = max(1, _BLOCK // (min(width, _WIDEST) * numbers))
            for begin in range(0, len(tiles), size):
                yield tiles[begin : begin + size], width


def _starts(count: Ints) -> Ints:
    return np.concatenate(([0], np.cumsum(count)))


@dataclass(frozen=True)
class _Tiles:
    """Tiles of one side: row and column (t,) in units of it, node values (t, column, q, q), samples near."""

    side: int
    row: Ints
    col: Ints
    far: Numbers
    near: _Lists

    def __getitem__(self, chosen: Ints) -> "_Tiles":
        count = self.near.count[chosen]
        near = _Lists(_starts(count), self.near.take(chosen)[1])
        return _Tiles(self.side, self.row[chosen], self.col[chosen], self.far[chosen], near)


class AllSamples:
    """Sums of weighted columns over all samples, by tiles.

    Parameters
    ----------
    place
        Row and column of each sample, pixels, (n, 2); a pixel's centre lies at .5.
    columns
        What is summed, (n, columns), in [0, 1].
    shape
        Rows and columns of the map.
    power
        Exponent of the distance, > 0.
    how
        As `expansion` gives it for that power.
    dtype
        float32, or float64 where rounding must not be seen.

    Attributes
    ----------
    cell
        Rows and columns of the pieces that `fill` works on: multiples of 128 pixels.
    """

    cell = (256, 1024)

    def __init__(
        self, place: Floats, columns: Floats, shape: tuple[int, int], power: float, how: Expansion, dtype: Any
    ) -> None:
        self.power, self.how, self.dtype, self.shape = power, how, np.dtype(dtype), shape
        # one more sample that weighs nothing, for lists of unequal lengths
        self._row, self._col = np.vstack((place, place.min(axis=0) - 1e7)).T.copy()
        self._columns = np.vstack((columns, np.zeros(columns.shape[1]))).astype(dtype)
        self._side = _best_side(len(place) / (shape[0] * shape[1]), how)
        self._to_pixels = _matrix(np.linspace(-1, 1, self._side), how.nodes).astype(dtype)
        self._cells = self._coarse()

    def _coarse(self) -> _Tiles:
        """Go down from one tile that holds the map to the cells."""
        side = self._side
        while side < max(self.shape):
            side *= 2
        count, q = len(self._row) - 1, self.how.nodes
        everything = _Lists(np.array([0, count]), np.arange(count, dtype=np.int32))
        far = np.zeros((1, self._columns.shape[1], q, q), dtype=self.dtype)
        zero = np.zeros(1, dtype=np.intp)
        tiles = self._settle(_Tiles(side, zero, zero, far, everything))
        return self._descend(tiles, _KEPT, slice(0, self.shape[0]), slice(0, self.shape[1]))

    def fill(self, rows: slice, cols: slice, put: Put) -> None:
        """Sum for all smallest tiles that reach into a part of the map, one row of them after the other."""
        cells, side = self._cells, self._side
        inside = np.flatnonzero(_reaches(cells, rows, cols))
        tiles = self._descend(cells[inside], side, rows, cols)
        order = np.lexsort((tiles.col, tiles.row))
        for chosen in np.split(order, np.flatnonzero(np.diff(tiles.row[order])) + 1):
            sums = _spread(tiles.far[chosen], self._to_pixels)
            self._add(tiles, chosen, sums)
            put(tiles.row[chosen] * side, tiles.col[chosen] * side, sums)

    def _descend(self, tiles: _Tiles, side: int, rows: slice, cols: slice) -> _Tiles:
        """Go down to tiles of a side, those that reach into a part of the map."""
        while tiles.side > side:
            row, col, parent, quarter = _children(tiles, rows, cols)
            pairs = np.cumsum(tiles.near.count[parent])
            cuts = np.searchsorted(pairs, np.arange(_PAIRS, pairs[-1] + _PAIRS, _PAIRS), side="right")
            parts = [part for part in np.split(np.arange(len(row)), np.unique(cuts)) if len(part)]
            tiles = _joined([self._born(tiles, row[i], col[i], parent[i], quarter[i]) for i in parts])
        return tiles

    def _born(self, parents: _Tiles, row: Ints, col: Ints, parent: Ints, quarter: Ints) -> _Tiles:
        """Make children: what is far of the parent is far of the child."""
        side, q = parents.side // 2, self.how.nodes
        family, place = np.unique(parent, return_inverse=True)
        matrix = _to_children(side, q).astype(self.dtype)
        far = _spread(parents.far[family], matrix).reshape(len(family), -1, 2, q, 2, q)
        own = far[place, :, quarter // 2, :, quarter % 2, :]
        item = parents.near.take(parent)[1]
        return self._settle(_Tiles(side, row, col, own, _Lists(_starts(parents.near.count[parent]), item)))

    def _settle(self, tiles: _Tiles) -> _Tiles:
        """Put those of the listed samples that are far on the nodes, keep the others as near."""
        half, listed = (tiles.side - 1) / 2, tiles.near
        tile = np.repeat(np.arange(len(tiles.row)), listed.count)
        # |p - s| ** 2 is the product of this with (|p| ** 2, -2 p, 1)
        place = np.empty((len(tile), 4), dtype=self.dtype)
        place[:, 0] = 1
        place[:, 1] = self._row[listed.item] - ((tiles.row + 0.5) * tiles.side)[tile]
        place[:, 2] = self._col[listed.item] - ((tiles.col + 0.5) * tiles.side)[tile]
        place[:, 3] = place[:, 1] ** 2 + place[:, 2] ** 2
        close = place[:, 3] <= (self.how.reach * half) ** 2
        start = np.concatenate(([0], np.cumsum(close)))[listed.start]
        moved = _Lists(listed.start - start, np.flatnonzero(~close))
        self._move(tiles.far, moved, place, listed.item, half)
        return _Tiles(tiles.side, tiles.row, tiles.col, tiles.far, _Lists(start, listed.item[close]))

    def _move(self, far: Numbers, moved: _Lists, place: Numbers, item: Numbers, half: float) -> None:
        """Add far samples to the node values of their tiles.

        The product of matrices takes a digit at most, since nodes and samples are far apart.
        """
        y, x = (half * each.ravel() for each in np.meshgrid(*[_nodes(self.how.nodes)] * 2, indexing="ij"))
        points = np.stack((y**2 + x**2, -2 * y, -2 * x, np.ones_like(y))).astype(self.dtype)
        flat = far.reshape(len(far), far.shape[1], -1)
        for chosen, width in moved.batches(points.shape[1]):
            where, behind = moved.padded(chosen, width)
            pair = moved.item[where]
            sample = item[pair]
            sample[behind] = len(self._row) - 1
            for begin in range(0, width, _WIDEST):
                part = np.s_[:, begin : begin + _WIDEST]
                weights = _scratch((*pair[part].shape, points.shape[1]), self.dtype)
                np.matmul(place[pair[part]], points, out=weights)
                weigh(weights, self.power)
                flat[chosen] += self._columns[sample[part]].transpose(0, 2, 1) @ weights

    def _add(self, tiles: _Tiles, strip: Ints, sums: Numbers) -> None:
        """Add the near samples of some tiles at their pixels, one by one."""
        side, near = self._side, tiles.near
        steps, flat = np.arange(side) + 0.5, sums.reshape(*sums.shape[:2], -1)
        for batch, width in near.batches(side * side, strip):
            chosen = strip[batch]
            where, behind = near.padded(chosen, width)
            sample = near.item[where]
            sample[behind] = len(self._row) - 1
            row, col = (each[chosen, None, None] * side + steps for each in (tiles.row, tiles.col))
            for begin in range(0, width, _WIDEST):
                part = sample[:, begin : begin + _WIDEST]
                # a product of matrices adds rows and columns faster than broadcasting
                down = np.ones((*part.shape, side, 2), dtype=self.dtype)
                across = np.ones((*part.shape, 2, side), dtype=self.dtype)
                down[..., 0] = (self._row[part][:, :, None] - row) ** 2 + ON_CENTRE**2
                across[:, :, 1] = (self._col[part][:, :, None] - col) ** 2
                weights = _scratch((*part.shape, side, side), self.dtype)
                np.matmul(down, across, out=weights)
                weigh(weights, self.power)
                more = self._columns[part].transpose(0, 2, 1) @ weights.reshape(*part.shape, -1)
                for tile, each in zip(batch.tolist(), more, strict=True):
                    flat[tile] += each


@lru_cache(maxsize=64)
def _to_children(side: int, nodes: int) -> Floats:
    """Return the matrix that takes a tile's node values to its children's nodes, both halves of a side."""
    at = np.array((-side / 2, side / 2))[:, None] + (side - 1) / 2 * _nodes(nodes)
    return _matrix(at.ravel() / (side - 0.5), nodes)


def _best_side(density: float, how: Expansion) -> int:
    """Choose the side of the smallest tiles: samples near a pixel against work a tile."""

    def cost(side: int) -> float:
        return density * 0.25 * math.pi * how.reach**2 * side**2 + 60 * how.nodes**2 / side**2

    return min(_SIDES, key=cost)


def _reaches(tiles: _Tiles, rows: slice, cols: slice) -> NDArray[np.bool_]:
    return _overlap(tiles.row, tiles.side, rows) & _overlap(tiles.col, tiles.side, cols)


def _overlap(index: Ints, side: int, part: slice) -> NDArray[np.bool_]:
    return np.asarray((index * side < part.stop) & ((index + 1) * side > part.start))


def _children(tiles: _Tiles, rows: slice, cols: slice) -> tuple[Ints, Ints, Ints, Ints]:
    """Return row, column, parent and quarter of the children that reach into a part of the map."""
    row = (2 * tiles.row[:, None] + np.array((0, 0, 1, 1))).ravel()
    col = (2 * tiles.col[:, None] + np.array((0, 1, 0, 1))).ravel()
    side = tiles.side // 2
    kept = np.flatnonzero(_overlap(row, side, rows) & _overlap(col, side, cols))
    return row[kept], col[kept], kept // 4, kept % 4


def _joined(parts: list[_Tiles]) -> _Tiles:
    if len(parts) == 1:
        return parts[0]
    near = _Lists(
        _starts(np.concatenate([part.near.count for part in parts])),
        np.concatenate([part.near.item for part in parts]),
    )
    row, col, far = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("row", "col", "far")
    )
    return _Tiles(parts[0].side, row, col, far, near)


def _spread(far: Numbers, matrix: Numbers) -> Numbers:
    """Interpolate node values (tile, column, q, q) to points y x x, given by a matrix (points, q)."""
    count, columns, q = far.shape[:3]
    rows = far.reshape(-1, q) @ matrix.T
    return np.asarray(np.matmul(matrix, rows.reshape(count, columns, q, len(matrix))))
