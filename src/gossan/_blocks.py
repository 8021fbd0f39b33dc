"""A map in blocks: which pieces, who makes them, where they go. A private part of `gossan.interpolate`."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from gossan._far import Put
from gossan.errors import UsageError
from gossan.hooks import Progress

__all__ = ["Convert", "Method", "check_part", "in_threads", "jobs", "one_blas_thread"]

#: Sums of tiles (tile, column, y, x) -> values (tile, element, y, x)
Convert = Callable[[NDArray[Any]], NDArray[Any]]

#: Tiles of smaller sides are written pixel by pixel, all at once.
_SMALL = 4


class Method(Protocol):
    """What makes a part of the map that lies in one cell of so many rows and columns, tile by tile."""

    cell: tuple[int, int]

    def fill(self, rows: slice, cols: slice, put: Put) -> None:
        """Hand tiles that cover the part to ``put``; they may reach over it."""


def check_part(rows: slice, cols: slice, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return a part of a map with its ends filled in.

    Raises
    ------
    UsageError
        For a step, an empty part and one that reaches over the map.
    """
    found = []
    for part, size in zip((rows, cols), shape, strict=True):
        start, stop = part.start or 0, size if part.stop is None else part.stop
        if part.step not in (None, 1) or not 0 <= start < stop <= size:
            raise UsageError(
                f"block {rows}, {cols} given for a map of {shape[0]} x {shape[1]} px; it must lie inside, "
                "not be empty and have no step: change the slices"
            )
        found.append(slice(int(start), int(stop)))
    return found[0], found[1]


def jobs(
    out: NDArray[np.float32],
    part: tuple[slice, slice],
    method: Method,
    convert: Convert,
    chosen: NDArray[np.intp] | None = None,
) -> list[Callable[[], None]]:
    """List what has to be done so that some elements of a block are made.

    Parameters
    ----------
    out
        The block, (element, row, col).
    part
        Rows and columns of the map that it is.
    method
        Makes tiles of sums.
    convert
        Turns sums into values, (tile, element, y, x).
    chosen
        Numbers of the elements; None for all.
    """
    numbers = np.arange(len(out)) if chosen is None else chosen

    def work(rows: slice, cols: slice) -> None:
        def put(tops: NDArray[np.intp], lefts: NDArray[np.intp], sums: NDArray[Any]) -> None:
            _write(piece, numbers, tops - rows.start, lefts - cols.start, convert(sums))

        down, across = (
            slice(s.start - p.start, s.stop - p.start) for s, p in zip((rows, cols), part, strict=True)
        )
        piece = out[:, down, across]
        method.fill(rows, cols, put)

    return [partial(work, *cut) for cut in _pieces(*part, method.cell)]


def _write(
    piece: NDArray[np.float32],
    numbers: NDArray[np.intp],
    tops: NDArray[np.intp],
    lefts: NDArray[np.intp],
    tiles: NDArray[Any],
) -> None:
    """Write tiles (tile, element, y, x) of the numbered elements at their places, cut off at the edges."""
    rows, cols = piece.shape[1:]
    height, width = tiles.shape[2:]
    if width < _SMALL:
        y, x = tops[:, None] + np.arange(height), lefts[:, None] + np.arange(width)
        inside = ((y >= 0) & (y < rows))[:, :, None] & ((x >= 0) & (x < cols))[:, None]
        tile, down, across = np.nonzero(inside)
        piece[numbers[:, None], y[tile, down], x[tile, across]] = tiles[tile, :, down, across].T
        return
    whole = (tops >= 0) & (tops + height <= rows) & (lefts >= 0) & (lefts + width <= cols)
    if whole.any():
        places = sliding_window_view(piece, (height, width), axis=(1, 2), writeable=True)
        inner = tiles if whole.all() else tiles[whole]
        places[numbers[:, None], tops[whole], lefts[whole]] = inner.swapaxes(0, 1)
    for number in np.flatnonzero(~whole).tolist():
        top, left = int(tops[number]), int(lefts[number])
        up, down = max(top, 0), min(top + height, rows)
        west, east = max(left, 0), min(left + width, cols)
        piece[numbers, up:down, west:east] = tiles[
            number, :, up - top : down - top, west - left : east - left
        ]


def _pieces(rows: slice, cols: slice, cell: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Cut a part of the map at the edges of its cells."""

    def cut(part: slice, side: int) -> list[slice]:
        starts = range(part.start - part.start % side, part.stop, side)
        return [slice(max(start, part.start), min(start + side, part.stop)) for start in starts]

    return [(down, across) for down in cut(rows, cell[0]) for across in cut(cols, cell[1])]


def in_threads(todo: Sequence[Callable[[], None]], progress: Progress) -> None:
    """Do all jobs in as many threads as BLAS is set to use, which gets one thread in each."""
    from threadpoolctl import ThreadpoolController

    found = ThreadpoolController()  # looks for the libraries once, not twice
    threads = max((each["num_threads"] for each in found.info() if each["user_api"] == "blas"), default=1)
    with found.limit(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        try:
            for done, _ in enumerate(pool.map(lambda job: job(), todo), 1):
                progress(done / len(todo))
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C waits for the tiles at work, not for all


def one_blas_thread() -> Any:
    """Keep BLAS to one thread within a ``with`` block: more could change the order of a sum."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")
