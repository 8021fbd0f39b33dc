"""Segments of lines and every pixel of a map, through nested tiles that drop what cannot matter to them.

Everything is in pixels, so that offsets within a tile are exact. A segment is seen from the centre of a
tile: `along` is the position of the centre along the segment's direction, from its middle, and `across`
the position beside it. Tiles are counted from the map's first corner, and what a tile keeps depends on the
tile alone, so the result does not depend on how a map is cut into blocks.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["DensityNest", "DistanceNest", "Level", "Nest"]

Floats = NDArray[np.float64]
Whole = NDArray[np.intp]

#: Sides of the nested tiles, pixels.
_SIDES = (1024, 256, 64, 16, 8)
_SIDE = _SIDES[-1]
#: Pairs of tile and segment above which the children of a level are worked on one after the other: 100 MB.
_MOST_PAIRS = 1_000_000
#: Small tiles worked on at once, and segments from which on a small tile is worked on alone.
_BATCH, _MANY = 1024, 64
#: What rounding may add to a bound, pixels and relative: far above that of float64, far below a pixel.
_SLACK, _RELATIVE = 1e-6, 1e-9
#: Centres of a small tile's pixels, from the tile's centre.
_PIXELS = np.arange(_SIDE) - (_SIDE - 1) / 2


@dataclass(frozen=True)
class Level:
    """Tiles of one size with the segments that may matter to each, tile after tile.

    Attributes
    ----------
    row, col
        (tile,) first pixel.
    count
        (tile,) number of segments.
    sure
        (tile,) what is already known to hold for every pixel of the tile.
    seen
        (5, pair): along, across, the direction's part along columns and along rows, half the length.
    """

    row: Whole
    col: Whole
    count: Whole
    sure: Floats
    seen: Floats

    def start(self) -> Whole:
        """Return the first pair of each tile."""
        return np.cumsum(self.count) - self.count

    def kept(self, tiles: NDArray[np.bool_], pairs: NDArray[np.bool_]) -> "Level":
        """Return the level with fewer tiles and pairs."""
        before = np.concatenate(([0], np.cumsum(pairs)))
        first = self.start()
        count = before[first + self.count] - before[first]
        return Level(self.row[tiles], self.col[tiles], count[tiles], self.sure[tiles], self.seen[:, pairs])


def _joined(levels: list[Level]) -> Level:
    return Level(
        np.concatenate([each.row for each in levels]),
        np.concatenate([each.col for each in levels]),
        np.concatenate([each.count for each in levels]),
        np.concatenate([each.sure for each in levels]),
        np.concatenate([each.seen for each in levels], axis=1),
    )


def _reach(side: int) -> float:
    """Return how far the centre of a pixel can be from the centre of its tile."""
    return (side - 1) / 2 * math.sqrt(2)


class Nest(ABC):
    """Segments that a function of all of them is asked from at every pixel centre of a map.

    Parameters
    ----------
    start, end
        (segment, 2), row and column of the ends, in pixels (centres lie at .5).
    scale
        What the result in pixels is multiplied with.
    """

    #: Of the working arrays, and how the parts of segments are put together.
    dtype: ClassVar[type[np.floating[Any]]]
    put: ClassVar[np.ufunc]

    def __init__(self, start: Floats, end: Floats, *, scale: float = 1.0) -> None:
        step = end - start
        length = np.hypot(*step.T)
        # a segment of no length is a point, seen along any direction
        some = np.where(length[:, None] > 0, step, (0.0, 1.0)) / np.where(length > 0, length, 1)[:, None]
        self._middle = (start + end) / 2
        self._scale = scale
        self._turn = np.stack((some[:, 1], some[:, 0], length / 2))

    def block(self, rows: slice, cols: slice) -> NDArray[np.float32]:
        """Return what is asked for, (row, col)."""
        out = np.empty((rows.stop - rows.start, cols.stop - cols.start), dtype=np.float32)
        side = _SIDES[0]
        for top in range(rows.start // side * side, rows.stop, side):
            for left in range(cols.start // side * side, cols.stop, side):
                inside = (
                    slice(max(rows.start, top), min(rows.stop, top + side)),
                    slice(max(cols.start, left), min(cols.stop, left + side)),
                )
                at = tuple(
                    slice(part.start - of.start, part.stop - of.start)
                    for part, of in zip(inside, (rows, cols), strict=True)
                )
                out[at] = self._square(top, left, *inside)
        return out

    def _square(self, top: int, left: int, rows: slice, cols: slice) -> NDArray[np.float32]:
        """Work on the part of one of the largest tiles."""
        first_row, first_col = rows.start // _SIDE, cols.start // _SIDE
        shape = -(-rows.stop // _SIDE) - first_row, -(-cols.stop // _SIDE) - first_col
        out = np.empty((shape[0], _SIDE, shape[1], _SIDE), dtype=np.float32)
        for level in self._descend(self._top(top, left), 0, rows, cols):
            for tiles, values in self._small(level):
                at = level.row[tiles] // _SIDE - first_row, level.col[tiles] // _SIDE - first_col
                out[at[0], :, at[1], :] = values.transpose(2, 0, 1)
        above, before = rows.start - first_row * _SIDE, cols.start - first_col * _SIDE
        return out.reshape(shape[0] * _SIDE, shape[1] * _SIDE)[
            above : above + rows.stop - rows.start, before : before + cols.stop - cols.start
        ]

    def _top(self, top: int, left: int) -> Level:
        """Look at all segments from one of the largest tiles."""
        south, east = np.array([top, left])[:, None] + _SIDES[0] / 2 - self._middle.T
        across_col, across_row, half = self._turn
        seen = np.stack(
            (
                east * across_col + south * across_row,
                east * across_row - south * across_col,
                across_col,
                across_row,
                half,
            )
        )
        level = Level(np.array([top]), np.array([left]), np.array([len(half)]), np.zeros(1), seen)
        return self._sifted(level, _SIDES[0])

    def _descend(self, level: Level, depth: int, rows: slice, cols: slice) -> Iterator[Level]:
        """Go down to the smallest tiles that touch the rows and columns."""
        if depth == len(_SIDES) - 1:
            yield level
            return
        children = list(self._children(level, depth, rows, cols))
        if sum(each.seen.shape[1] for each in children) <= _MOST_PAIRS:
            children = [_joined(children)]
        for child in children:
            yield from self._descend(child, depth + 1, rows, cols)

    def _children(self, level: Level, depth: int, rows: slice, cols: slice) -> Iterator[Level]:
        side, small = _SIDES[depth : depth + 2]
        for down in range(0, side, small):
            for right in range(0, side, small):
                row, col = level.row + down, level.col + right
                touches = (row < rows.stop) & (row + small > rows.start)
                touches &= (col < cols.stop) & (col + small > cols.start)
                if not touches.any():
                    continue
                part = Level(row, col, level.count, level.sure, level.seen)
                if not touches.all():
                    part = part.kept(touches, np.repeat(touches, level.count))
                south, east = down + (small - side) / 2, right + (small - side) / 2
                yield self._sifted(_moved(part, south, east), small)

    def _small(self, level: Level) -> Iterator[tuple[Whole, NDArray[Any]]]:
        """Work on every pixel of the smallest tiles: yield which tiles, and their (row, col, tile)."""
        order = np.argsort(-level.count, kind="stable")
        count, start, ready = level.count[order], level.start()[order], self._ready(level.seen)
        many = int(np.searchsorted(-count, -_MANY, side="left"))
        for place in range(many):  # each of at least 4096 values
            total = self._all_at_once(ready[:, start[place] : start[place] + count[place]])
            yield order[place : place + 1], self._finished(total, level.sure[order[place : place + 1]])
        for first in range(many, len(order), _BATCH):
            batch = slice(first, first + _BATCH)
            total = self._in_turn(ready, start[batch], count[batch])
            yield order[batch], self._finished(total, level.sure[order[batch]])

    def _all_at_once(self, ready: NDArray[Any]) -> NDArray[Any]:
        """Put all pairs of one tile together: (row, col, 1)."""
        parts = [
            self.put.reduce(self._values(ready[:, first : first + _BATCH]), axis=-1)
            for first in range(0, ready.shape[1], _BATCH)
        ]
        return np.asarray(self.put.reduce(parts, axis=0))[..., None]

    def _in_turn(self, ready: NDArray[Any], start: Whole, count: Whole) -> NDArray[Any]:
        """Put the first pairs of all tiles together, then the second ...; counts fall: (row, col, tile)."""
        total = np.zeros((_SIDE, _SIDE, len(count)), dtype=self.dtype)
        for turn in range(count[0]):
            n = int(np.searchsorted(-count, -turn, side="left"))  # tiles that have as many
            values = self._values(ready[:, start[:n] + turn])
            if turn:
                self.put(total[..., :n], values, out=total[..., :n])
            else:
                total[..., :n] = values
        return total

    @abstractmethod
    def _sifted(self, level: Level, side: int) -> Level:
        """Drop the pairs that no pixel of the tile needs."""

    @abstractmethod
    def _ready(self, seen: Floats) -> NDArray[Any]:
        """Turn pairs into what `_values` reads, (part, pair)."""

    @abstractmethod
    def _values(self, ready: NDArray[Any]) -> NDArray[Any]:
        """Return what each pair gives to each pixel, (row, col, pair)."""

    @abstractmethod
    def _finished(self, total: NDArray[Any], sure: Floats) -> NDArray[Any]:
        """Turn what was put together (row, col, tile) into the result."""


def _moved(level: Level, south: float, east: float) -> Level:
    """See the segments from other centres, which lie so many pixels down and right of the former ones."""
    along, across, col, row, half = level.seen
    seen = np.stack((along + (east * col + south * row), across + (east * row - south * col), col, row, half))
    return Level(level.row, level.col, level.count, level.sure, seen)


class DistanceNest(Nest):
    """The distance to the nearest segment.

    Proof that no nearest segment is lost: let a pixel lie at most r from the centre of its tile and let the
    segment nearest to the centre be d away from it. Then the pixel's nearest segment is at most d + r from
    the pixel and at most d + 2 r from the centre; all such segments are kept.
    """

    dtype = np.float32
    put = np.minimum

    def _sifted(self, level: Level, side: int) -> Level:
        along, across, _, _, half = level.seen
        away = np.abs(along)
        away -= half
        np.maximum(away, 0, out=away)
        away *= away
        away += across * across
        np.sqrt(away, out=away)
        bound = np.minimum.reduceat(away, level.start())
        bound = bound * (1 + _RELATIVE) + (2 * _reach(side) + _SLACK)
        return level.kept(np.ones(len(bound), dtype=bool), away <= np.repeat(bound, level.count))

    def _ready(self, seen: Floats) -> NDArray[np.float32]:
        # both ends along the segment, from the centre: float32 of these is exact to the rounding of the
        # distance itself, however long the segment
        along, across, col, row, half = seen
        return np.stack((-half - along, half - along, across, col, row)).astype(np.float32)

    def _values(self, ready: NDArray[np.float32]) -> NDArray[np.float32]:
        low, high, across, col, row = ready
        place = _PIXELS.astype(np.float32)[:, None]
        along = (place * row)[:, None] + (place * col)[None]
        past = along - high
        np.subtract(low, along, out=along)
        np.maximum(past, along, out=past)
        np.maximum(past, 0, out=past)
        np.multiply(past, past, out=past)
        np.subtract((place * row + across)[None], (place * col)[:, None], out=along)
        np.multiply(along, along, out=along)
        return np.asarray(np.add(past, along, out=past))

    def _finished(self, total: NDArray[np.float32], sure: Floats) -> NDArray[np.float32]:
        return np.asarray(np.sqrt(total) * np.float32(self._scale))


class DensityNest(Nest):
    """The length of the segments within a radius, pixels.

    Of a tile whose pixels lie at most r from its centre, segments farther than radius + r from the centre
    give nothing and those whose two ends are at most radius - r away give their whole length to each pixel.
    """

    dtype = np.float64
    put = np.add

    def __init__(self, start: Floats, end: Floats, radius: float, *, scale: float = 1.0) -> None:
        super().__init__(start, end, scale=scale)
        self._radius = radius

    def _sifted(self, level: Level, side: int) -> Level:
        along, across, _, _, half = level.seen
        away, beside = np.abs(along), across * across
        within, without = self._radius - _reach(side) - _SLACK, self._radius + _reach(side) + _SLACK
        touches = np.maximum(away - half, 0) ** 2 + beside < without**2
        whole = (away + half) ** 2 + beside < within**2 if within > 0 else np.zeros(len(half), dtype=bool)
        tile = np.repeat(np.arange(len(level.count)), level.count)[whole]
        sure = level.sure + np.bincount(tile, weights=2 * half[whole], minlength=len(level.count))
        known = Level(level.row, level.col, level.count, sure, level.seen)
        return known.kept(np.ones(len(sure), dtype=bool), touches & ~whole)

    def _ready(self, seen: Floats) -> Floats:
        return seen

    def _values(self, ready: Floats) -> Floats:
        along, across, col, row, half = ready
        place = _PIXELS[:, None]
        beside = (place * row + across)[None] - (place * col)[:, None]
        np.multiply(beside, beside, out=beside)
        np.subtract(self._radius**2, beside, out=beside)
        np.maximum(beside, 0, out=beside)
        chord = np.sqrt(beside, out=beside)
        centre = (place * row + along)[:, None] + (place * col)[None]
        far = np.minimum(centre + chord, half)
        centre -= chord
        np.maximum(centre, -half, out=centre)
        far -= centre
        return np.asarray(np.maximum(far, 0, out=far))

    def _finished(self, total: Floats, sure: Floats) -> Floats:
        return np.asarray((total + sure) * self._scale)
