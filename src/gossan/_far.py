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
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.polynomial.chebyshev import chebvander
from numpy.typing import NDArray

__all__ = [
    "ON_CENTRE",
    "PLAIN_POWER",
    "AllSamples",
    "Expansion",
    "Put",
    "expansion",
    "scratch",
    "weigh",
    "weight_error",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Numbers = NDArray[Any]  # float32 or float64, as the error asks for; or whole numbers
#: (tops, lefts of tiles (tile,), sums (tile, column, side, side)) -> None
Put = Callable[[Ints, Ints, Numbers], None]
#: (samples, tile of each, squared distances (sample, point) to be filled in) -> None
_Weights = Callable[[Ints, Ints, Numbers], None]

#: Near zones that are tried: radius of the circle around a tile that is near, in half tiles.
_REACHES = np.arange(1.6, 4.21, 0.05)
#: Share of the error that interpolation may use; the rest is for rounding.
_SHARE = 0.8
_MOST_NODES = 16
#: Side of the tiles whose node values are kept: about 1 / 2100 of a map's size a column.
_KEPT = 512
_SIDES = (16, 32, 64, 128)
#: Numbers in a block of weights (1 MB in float32), and pairs listed at a time.
_BLOCK, _PAIRS = 2**18, 2**20
#: Samples closer than this to a pixel centre, in pixels, lie on it: far above rounding, far below any survey.
ON_CENTRE = 1e-6
#: Powers up to this one cannot leave the range of float32 between 1e-6 and 1e9 pixels.
PLAIN_POWER = 4
#: Whole powers up to this one are made by multiplication.
_WHOLE_POWER = 8


_memory = threading.local()


def scratch(use: str, shape: tuple[int, ...], dtype: Any) -> Numbers:
    """Return memory of this thread's own, one piece a use, that the last block has warmed already."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    held: NDArray[np.uint8] | None = getattr(_memory, use, None)
    if held is None or held.size < size:
        held = np.empty(size, dtype=np.uint8)
        setattr(_memory, use, held)
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

    @property
    def count(self) -> Ints:
        return self.start[1:] - self.start[:-1]

    def tile(self) -> Ints:
        """Return the tile of each item."""
        return np.repeat(np.arange(len(self.count)), self.count)

    def those(self, mask: NDArray[np.bool_], kept: Ints) -> "_Lists":
        """Return the marked items (quarter, item) of the lists that are kept; the others are empty."""
        number = np.arange(len(mask))[:, None] * len(self.item) + self.start[:-1]
        at = np.flatnonzero(mask)
        start = np.searchsorted(at, np.append(number.ravel()[kept], mask.size))
        return _Lists(start, self.item.take(at, mode="wrap"))

    def __getitem__(self, chosen: Ints) -> "_Lists":
        count = self.count[chosen]
        start = _starts(count)
        return _Lists(
            start, self.item[np.arange(start[-1]) + np.repeat(self.start[chosen] - start[:-1], count)]
        )

    @property
    def width(self) -> Ints:
        """Lengths that lists are filled up to, so that few differ.

        A tile's depends on its own list alone, and so does every bit of its sums.
        """
        step = 2 ** np.maximum(np.frexp(self.count)[1] - 3, 2)
        return np.asarray(-(-self.count // step) * step)

    def filled(self, order: Ints, nothing: int) -> "_Lists":
        """Return the lists of tiles in an order, each filled up to its width with ``nothing``."""
        width = self.width[order]
        start = _starts(width)
        step = np.arange(start[-1]) - np.repeat(start[:-1], width)
        item = self.item.take(step + np.repeat(self.start[order], width), mode="clip")
        item[step >= np.repeat(self.count[order], width)] = nothing
        return _Lists(start, item)

    def blocks(self, tiles: slice, most: int) -> Iterator[tuple[slice, list[tuple[slice, slice]]]]:
        """Cut the lists of some tiles into blocks of no more than ``most`` items.

        Yields
        ------
        Items, and the runs of tiles among them whose lists are equally long, with the items of each. A list
        that is longer than a block comes in parts.
        """
        start = self.start.tolist()
        cuts = [begin for begin, _ in _runs(self.count[tiles])]
        first = 0
        while first < tiles.stop - tiles.start:
            begin = start[tiles.start + first]
            last = bisect_right(start, begin + most, tiles.start, tiles.stop + 1) - 1 - tiles.start
            last = max(last, first + 1)
            edges = [first, *(cut for cut in cuts if first < cut < last), last]
            for part in range(begin, max(start[tiles.start + last], begin + 1), most):
                end = min(part + most, start[tiles.start + last])
                ends = [min(max(start[tiles.start + edge], part), end) for edge in edges]
                runs = [(slice(*edges[i : i + 2]), slice(*ends[i : i + 2])) for i in range(len(edges) - 1)]
                yield slice(part, end), runs
            first = last


def _runs(values: Ints) -> list[tuple[int, int]]:
    """Return where runs of equal values begin and end."""
    cuts = (1 + np.flatnonzero(np.diff(values))).tolist()
    return list(zip([0, *cuts], [*cuts, len(values)], strict=True))


def _starts(count: NDArray[Any]) -> Ints:
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
        return _Tiles(self.side, self.row[chosen], self.col[chosen], self.far[chosen], self.near[chosen])


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
        self._place = np.vstack((place, place.min(axis=0) - 1e7)).T.copy()
        self._columns = np.vstack((columns, np.zeros(columns.shape[1]))).astype(dtype)
        self._side = _best_side(len(place) / (shape[0] * shape[1]), how)
        self._to_pixels = _matrix(np.linspace(-1, 1, self._side), how.nodes).astype(dtype)
        self._cells = self._coarse()

    def _coarse(self) -> _Tiles:
        """Go down from a tile whose first quarter holds the map to the cells."""
        side = 2 * self._side
        while side < 2 * max(self.shape):
            side *= 2
        count, q = len(self._columns) - 1, self.how.nodes
        everything = _Lists(np.array([0, count]), np.arange(count))
        far = np.zeros((1, self._columns.shape[1], q, q), dtype=self.dtype)
        zero = np.zeros(1, dtype=np.intp)
        tiles = _Tiles(side, zero, zero, far, everything)
        return self._descend(tiles, _KEPT, slice(0, self.shape[0]), slice(0, self.shape[1]))

    def fill(self, rows: slice, cols: slice, put: Put) -> None:
        """Sum for all smallest tiles that reach into a part of the map, one row of them after the other."""
        cells, side = self._cells, self._side
        inside = np.flatnonzero(_reaches(cells, rows, cols))
        tiles = self._descend(cells[inside], side, rows, cols)
        tiles = tiles[np.lexsort((tiles.col, tiles.row))]
        corner = side * np.stack((tiles.row, tiles.col))
        order = np.lexsort((tiles.near.width, tiles.row))
        lists = tiles.near.filled(order, len(self._columns) - 1)
        weights = partial(self._at_pixels, corner[:, order])
        for first, last in _runs(tiles.row):
            near = self._sums(lists, slice(first, last), weights, side * side)
            strip = self._strip(tiles.far[first:last], _ordered(near, order[first:last]))
            put(corner[0, first : first + 1], corner[1, first : first + 1], strip)

    def _strip(self, far: Numbers, near: Numbers) -> Numbers:
        """Add what far and near samples give to tiles side by side."""
        count, columns, q = far.shape[:3]
        side = self._side
        rows = np.matmul(
            far.reshape(count, -1, q),
            self._to_pixels.T,
            out=scratch("rows", (count, columns * q, side), self.dtype),
        ).reshape(count, columns, q, side)
        strip = scratch("strip", (columns, side, count, side), self.dtype)
        np.matmul(self._to_pixels, rows, out=strip.transpose(2, 0, 1, 3))
        strip += near.reshape(count, columns, side, side).transpose(1, 2, 0, 3)
        return strip.reshape(1, columns, side, -1)

    def _descend(self, tiles: _Tiles, side: int, rows: slice, cols: slice) -> _Tiles:
        """Go down to tiles of a side, those that reach into a part of the map."""
        while tiles.side > side:
            pairs = 4 * tiles.near.start[1:]
            cuts = np.searchsorted(pairs, np.arange(_PAIRS, pairs[-1] + _PAIRS, _PAIRS), side="right")
            parts = [part for part in np.split(np.arange(len(pairs)), np.unique(cuts)) if len(part)]
            some = [tiles[part] for part in parts] if len(parts) > 1 else [tiles]
            tiles = _joined([self._children(each, rows, cols) for each in some])
        return tiles

    def _children(self, parents: _Tiles, rows: slice, cols: slice) -> _Tiles:
        """Make children that reach into a part of the map, all first quarters before all second ones.

        What is far of the parent is far of the child; what is not goes to the child's nodes or stays near.
        """
        side, q, near = parents.side // 2, self.how.nodes, parents.near
        row, col = (
            (2 * each + np.array(half)[:, None]).ravel()
            for each, half in ((parents.row, (0, 0, 1, 1)), (parents.col, (0, 1, 0, 1)))
        )
        inside = _overlap(row, side, rows) & _overlap(col, side, cols)
        kept = np.flatnonzero(inside)
        centre = parents.side * (np.stack((parents.row, parents.col)) + 0.5)
        tile = near.tile()
        gap = self._place.take(near.item, axis=1) - centre.take(tile, axis=1)
        square = (gap[:, None] + np.array((side / 2, -side / 2))[:, None]) ** 2
        square = (square[0, :, None] + square[1]).reshape(4, -1)
        close = square <= (self.how.reach * (side - 1) / 2) ** 2
        away = ~close
        if len(kept) < len(row):
            close, away = (each & inside.reshape(4, -1).take(tile, axis=1) for each in (close, away))
        far = _spread(parents.far, _to_children(side, q, self.dtype)).reshape(
            len(parents.row), -1, 2, q, 2, q
        )
        far = far.transpose(2, 4, 0, 1, 3, 5).reshape(len(row), -1, q, q)
        far = far if len(kept) == len(row) else far[kept]
        tiles = _Tiles(side, row[kept], col[kept], far, near.those(close, kept))
        self._move(tiles, near.those(away, kept))
        return tiles

    def _move(self, tiles: _Tiles, moved: _Lists) -> None:
        """Add far samples to the node values of their tiles."""
        points = _node_squares(tiles.side, self.how.nodes, self.dtype)
        order = np.argsort(moved.width, kind="stable")
        lists = moved.filled(order, len(self._columns) - 1)
        centre = tiles.side * (np.stack((tiles.row, tiles.col))[:, order] + 0.5)
        weights = partial(self._at_nodes, centre, points)
        flat = tiles.far.reshape(*tiles.far.shape[:2], -1)
        flat += _ordered(self._sums(lists, slice(0, len(order)), weights, points.shape[1]), order)

    def _sums(self, lists: _Lists, tiles: slice, weights: _Weights, points: int) -> Numbers:
        """Sum the columns of filled lists at points: (tile, column, point)."""
        tile = np.repeat(np.arange(tiles.start, tiles.stop), lists.count[tiles])
        skipped = int(lists.start[tiles.start])
        out = scratch("sums", (tiles.stop - tiles.start, self._columns.shape[1], points), self.dtype)
        for items, runs in lists.blocks(tiles, max(1, _BLOCK // points)):
            samples = lists.item[items]
            block = scratch("weights", (len(samples), points), self.dtype)
            weights(samples, tile[items.start - skipped : items.stop - skipped], block)
            weigh(block, self.power)
            columns = self._columns.take(samples, axis=0)
            for some, part in runs:
                at, count = slice(part.start - items.start, part.stop - items.start), some.stop - some.start
                run = columns[at].reshape(count, -1, columns.shape[1]).transpose(0, 2, 1)
                product = run, block[at].reshape(count, -1, points)
                if part.start == lists.start[tiles.start + some.start]:
                    np.matmul(*product, out=out[some])
                else:
                    out[some] += np.matmul(*product)
        return out

    def _at_nodes(self, centre: Numbers, points: Numbers, samples: Ints, tile: Ints, out: Numbers) -> None:
        """Square the distances of samples from the nodes of their tiles.

        The product of matrices takes a digit at most, since nodes and samples are far apart.
        """
        # |p - s| ** 2 is the product of this with (|p| ** 2, -2 p, 1)
        place = scratch("place", (4, len(samples)), self.dtype)
        place[0] = 1
        np.subtract(self._place.take(samples, axis=1), centre.take(tile, axis=1), out=place[1:3])
        np.add(place[1] ** 2, place[2] ** 2, out=place[3])
        np.matmul(place.T, points, out=out)

    def _at_pixels(self, corner: Ints, samples: Ints, tile: Ints, out: Numbers) -> None:
        """Square the distances of samples from the pixels of their tiles."""
        side = self._side
        gaps = self._place.take(samples, axis=1) - corner.take(tile, axis=1)
        squares: Floats = gaps[..., None] - (np.arange(side) + 0.5)
        squares *= squares
        squares += ON_CENTRE**2
        # a product of matrices adds rows and columns faster than broadcasting
        sides = scratch("sides", (2, len(samples), 2, side), self.dtype)
        sides.fill(1)
        sides[0, :, 0], sides[1, :, 1] = squares
        np.matmul(sides[0].swapaxes(1, 2), sides[1], out=out.reshape(-1, side, side))


@lru_cache(maxsize=64)
def _to_children(side: int, nodes: int, dtype: Any) -> Numbers:
    """Return the matrix that takes a tile's node values to the nodes of children of a side, both halves."""
    at = np.array((-side / 2, side / 2))[:, None] + (side - 1) / 2 * _nodes(nodes)
    return np.asarray(_matrix(at.ravel() / (side - 0.5), nodes).astype(dtype))


@lru_cache(maxsize=64)
def _node_squares(side: int, nodes: int, dtype: Any) -> Numbers:
    """Return (|p| ** 2, -2 p, 1) of the nodes p of a tile, seen from its centre, (4, node)."""
    at = (side - 1) / 2 * _nodes(nodes)
    y, x = (each.ravel() for each in np.meshgrid(at, at, indexing="ij"))
    return np.stack((y**2 + x**2, -2 * y, -2 * x, np.ones_like(y))).astype(dtype)


def _ordered(sums: Numbers, order: Ints) -> Numbers:
    """Put sums of tiles, given in an order, back into that of the tiles."""
    out = scratch("ordered", sums.shape, sums.dtype)
    return sums.take(np.argsort(order), axis=0, out=out, mode="clip")


def _best_side(density: float, how: Expansion) -> int:
    """Choose the side of the smallest tiles: samples near a pixel against work a tile."""

    def cost(side: int) -> float:
        return density * 0.25 * math.pi * how.reach**2 * side**2 + 60 * how.nodes**2 / side**2

    return min(_SIDES, key=cost)


def _reaches(tiles: _Tiles, rows: slice, cols: slice) -> NDArray[np.bool_]:
    return _overlap(tiles.row, tiles.side, rows) & _overlap(tiles.col, tiles.side, cols)


def _overlap(index: Ints, side: int, part: slice) -> NDArray[np.bool_]:
    return np.asarray((index * side < part.stop) & ((index + 1) * side > part.start))


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
    rows = far.reshape(count, -1, q) @ matrix.T
    return np.asarray(np.matmul(matrix, rows.reshape(count, columns, q, len(matrix))))
