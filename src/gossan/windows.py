"""Windows: squares of pixels, cut, read and put back without a copy of the stack (S4, section 3.2.3).

A window is half-open: its west and north edges belong to it. The *areas* are the whole windows of the final
map, side by side from the north-west corner and numbered as in the paper's Fig. 8; they alone are scored and
tested. Other strides and offsets only give more windows to learn from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError, UsageError
from gossan.grid import pixel_index, points_in_windows
from gossan.mapped import relieve

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from odc.geo.geobox import GeoBox

__all__ = ["AreaMap", "WindowSettings", "cut_windows", "deposits_in", "gather", "stitch", "window_size"]

#: The smallest window that the networks accept, pixels.
SMALLEST = 16
_DEFAULT_SIZE = 32
#: Windows that are read between two looks at how much of a mapped file is held, on average.
_RELIEVED = 16
#: Side of the tiles that a mask is summed in, pixels.
_TILE = 1024


@dataclass(frozen=True)
class WindowSettings:
    """``[windows]``: the squares that are learnt from and scored (S4).

    Attributes
    ----------
    size
        Side of a window, pixels, 16 or more; 32 where neither this nor ``size_m`` is given.
    size_m
        Side of a window, metres, instead of ``size``; rounded to whole pixels.
    strides
        Steps between training windows, pixels, 1 or more; the areas are always cut as well.
        None: also at half a window.
    offsets
        Where the training windows of each stride begin, both down and across, pixels, 0 or more.
    min_valid
        Share of valid pixels that a window needs, in [0, 1].
    """

    size: int | None = None
    size_m: float | None = None
    strides: tuple[int, ...] | None = None
    offsets: tuple[int, ...] = (0,)
    min_valid: float = 0.5


def window_size(settings: WindowSettings, resolution: float) -> int:
    """Return the side of a window in pixels.

    Parameters
    ----------
    resolution
        Side of a pixel, metres.

    Raises
    ------
    UsageError
        Where both ``size`` and ``size_m`` are given, or the window is under 16 pixels wide.

    Examples
    --------
    >>> window_size(WindowSettings(size_m=3200), 25.0)
    128
    """
    if settings.size is not None and settings.size_m is not None:
        raise UsageError(
            f"windows.size = {settings.size} px and windows.size_m = {settings.size_m} m given; one is "
            "allowed: remove the other"
        )
    if settings.size_m is not None:
        size = round(settings.size_m / resolution)
        given = f"windows.size_m = {settings.size_m:g} m, {size} px of {resolution:g} m"
    else:
        size = _DEFAULT_SIZE if settings.size is None else settings.size
        given = f"windows.size = {size} px"
    if size < SMALLEST:
        raise UsageError(
            f"{given}, given; a window has at least {SMALLEST} px ({SMALLEST * resolution:g} m): "
            "make it larger or the resolution finer"
        )
    return size


def cut_windows(
    grid: "GeoBox",
    size: int,
    *,
    strides: Sequence[int] | None = None,
    offsets: Sequence[int] = (0,),
    valid: NDArray[np.bool_] | None = None,
    min_valid: float = 0.5,
) -> "pd.DataFrame":
    """List the windows of a map: first its areas, then those of every stride and offset.

    A place is listed once: a window that coincides with an area is that area, one that two strides share
    has the first stride. The margin east and south that holds no whole window is left out.

    Parameters
    ----------
    size
        Side of a window, pixels.
    strides
        Steps between windows, pixels, the same down and across; None for the areas only.
    offsets
        First row and column of each stride's windows, pixels.
    valid
        (row, col), the valid pixels; None for all.
    min_valid
        Windows with a smaller share of valid pixels are left out, in [0, 1].

    Returns
    -------
    number (of the area, row by row from the north-west, from 1, given before ``min_valid`` filters; 0 for
    windows that are no area), row and col (of the north-west pixel), size, stride, valid_share (in [0, 1]).

    Raises
    ------
    UsageError
        For a size, stride, offset or share outside its range and a mask of another shape.
    DataError
        Where the window is larger than the map.
    """
    import pandas as pd

    rows, cols = (int(side) for side in grid.shape)
    _check_cut((rows, cols), size, strides or (), offsets, valid, min_valid)
    steps = [(size, 0)] + [(stride, offset) for stride in strides or () for offset in offsets]
    corners = [_corners((rows, cols), size, stride, offset) for stride, offset in steps]
    row, col = np.concatenate(corners, axis=1)
    stride = np.repeat([step for step, _ in steps], [part.shape[1] for part in corners])
    _, first = np.unique(row * cols + col, return_index=True)
    first.sort()
    row, col, stride = row[first], col[first], stride[first]
    is_area = (row % size == 0) & (col % size == 0)
    number = np.where(is_area, row // size * (cols // size) + col // size + 1, 0)
    share = np.ones(len(row)) if valid is None else _window_sums(valid, row, col, size) / size**2
    table = {"number": number, "row": row, "col": col, "size": size, "stride": stride, "valid_share": share}
    return pd.DataFrame(table)[share >= min_valid].reset_index(drop=True)


def _check_cut(
    shape: tuple[int, int],
    size: int,
    strides: Sequence[int],
    offsets: Sequence[int],
    valid: NDArray[np.bool_] | None,
    min_valid: float,
) -> None:
    if size < 1:
        raise UsageError(f"windows of {size} px given; a window has at least 1 px: make it larger")
    if size > min(shape):
        raise DataError(
            f"windows of {size} px given, on a map of {shape[0]} x {shape[1]} px; the largest that fits "
            f"is {min(shape)} px: make the windows smaller or the resolution finer"
        )
    if any(stride < 1 for stride in strides):
        raise UsageError(f"strides {tuple(strides)} given; each is at least 1 px: change them")
    if not all(0 <= offset <= min(shape) - size for offset in offsets):
        raise UsageError(
            f"offsets {tuple(offsets)} given; each is from 0 to {min(shape) - size} px, so that a window of "
            f"{size} px fits: change them"
        )
    if valid is not None and valid.shape != shape:
        raise UsageError(f"a mask of {valid.shape} given; the map has {shape}: give a mask of the map")
    if not 0 <= min_valid <= 1:
        raise UsageError(f"min_valid = {min_valid} given; it is a share from 0 to 1: change it")


def _corners(shape: tuple[int, int], size: int, stride: int, offset: int) -> NDArray[np.int64]:
    """Return row and column (2, n) of the windows of one stride, row by row."""
    row, col = (np.arange(offset, side - size + 1, stride, dtype=np.int64) for side in shape)
    return np.stack(np.meshgrid(row, col, indexing="ij")).reshape(2, -1)


def _window_sums(
    raster: NDArray[np.bool_], row: NDArray[np.int64], col: NDArray[np.int64], size: int
) -> NDArray[np.int64]:
    """Return each window's sum over the raster, from four corners of the integral image of its tile."""
    sums = np.zeros(len(row), dtype=np.int64)
    side = max(_TILE // size, 1) * size
    tile = row // side * (raster.shape[1] // side + 1) + col // side
    order = np.argsort(tile, kind="stable")
    _, starts = np.unique(tile[order], return_index=True)
    for part in np.split(order, starts[1:]):
        top, left = row[part] // side * side, col[part] // side * side
        cut = raster[top[0] : top[0] + side + size, left[0] : left[0] + side + size]
        integral = np.zeros((cut.shape[0] + 1, cut.shape[1] + 1), dtype=np.int64)
        np.cumsum(cut, axis=0, out=integral[1:, 1:])
        np.cumsum(integral, axis=1, out=integral)
        y, x = row[part] - top, col[part] - left
        sums[part] = (
            integral[y + size, x + size] - integral[y, x + size] - integral[y + size, x] + integral[y, x]
        )
        relieve()
    return sums


def _positions(windows: "pd.DataFrame") -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return the rows, columns and the one size of windows."""
    row, col, sizes = (windows[name].to_numpy(dtype=np.int64) for name in ("row", "col", "size"))
    if len(sizes) and (sizes != sizes[0]).any():
        given = np.unique(sizes).tolist()
        raise UsageError(f"windows of {given} px given; all have one size: take them one by one")
    return row, col, int(sizes[0]) if len(sizes) else 0


def _check_inside(row: NDArray[np.int64], col: NDArray[np.int64], size: int, shape: tuple[int, int]) -> None:
    outside = (row < 0) | (col < 0) | (row > shape[0] - size) | (col > shape[1] - size)
    if outside.any():
        raise UsageError(
            f"{outside.sum()} of {len(row)} windows reach over the map of {shape[0]} x {shape[1]} px; all "
            "must lie inside: cut them from the same grid"
        )


def gather(
    stack: "xr.Dataset", windows: "pd.DataFrame", *, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Read windows from the stack; only their pixels are touched, also in a memory map.

    A stack that lies pixel by pixel in memory, as `survey.make_stack` and a run lay it, is read in rows of a
    window: at a third of the speed of a plain copy for windows of 32 px, at .7 to .8 for 128 px
    (`benchmarks/`). What comes out lies so too.

    Parameters
    ----------
    stack
        As `survey.make_stack` gives it.
    windows
        Any rows of `cut_windows`, all of one size.
    out
        Array of an earlier call for at least as many windows, to be written over: fresh memory costs as much
        as reading. None makes one.

    Returns
    -------
    (window, channel, size, size): the layers, then the classes as numbers where the stack has them.
    NaN = missing, also for no class. In memory the channels of a pixel are neighbours.

    Raises
    ------
    UsageError
        Where windows reach over the map or differ in size, or ``out`` has no room for them.
    """
    row, col, size = _positions(windows)
    layers = stack.variables["layers"].data.transpose(1, 2, 0)
    classes = stack.variables["classes"].data if "classes" in stack.variables else None
    _check_inside(row, col, size, layers.shape[:2])
    count = layers.shape[2]
    batch = _room((len(row), size, size, count + (classes is not None)), out)
    numbers = batch[..., :count]
    order = np.lexsort((col, row))  # from north to south, so that a file is read in order
    # Window by window is measured to be the fastest.
    for done, (place, y, x) in enumerate(
        zip(order.tolist(), row[order].tolist(), col[order].tolist(), strict=True)
    ):
        numbers[place] = layers[y : y + size, x : x + size]
        if done % _RELIEVED == 0:
            relieve()
    if classes is not None and len(row):
        part = batch[..., -1]
        part[...] = _views(classes, size)[row, col]
        np.copyto(part, np.float32(np.nan), where=part < 0)
    return batch.transpose(0, 3, 1, 2)


def _room(shape: tuple[int, ...], out: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Return a batch to write to, (window, size, size, channel)."""
    if out is None:
        return np.empty(shape, dtype=np.float32)
    there = out.transpose(0, 2, 3, 1) if out.ndim == 4 else out
    if out.dtype != np.float32 or there.shape[1:] != shape[1:] or len(there) < shape[0]:
        raise UsageError(
            f"out is {out.dtype} {out.shape}; float32 (n, {shape[3]}, {shape[1]}, {shape[2]}) with n from "
            f"{shape[0]} is needed: give the result of a call for as many windows of this size"
        )
    return there[: shape[0]]


def _views(raster: NDArray[Any], size: int, *, writeable: bool = False) -> NDArray[Any]:
    """Return every window of a raster, (row, col, size, size), as views."""
    return np.lib.stride_tricks.sliding_window_view(raster, (size, size), writeable=writeable)


def deposits_in(windows: "pd.DataFrame", grid: "GeoBox", coordinates: ArrayLike) -> NDArray[np.int64]:
    """Count the deposits inside each window; its west and north edges belong to it.

    Parameters
    ----------
    coordinates
        Easting and northing, (n, 2), metres; deposits off the map count in no window.

    Returns
    -------
    counts, (window,).

    Raises
    ------
    UsageError
        Where windows reach over the map or differ in size.
    """
    row, col, size = _positions(windows)
    _check_inside(row, col, size, (grid.shape[0], grid.shape[1]))
    deposit_row, deposit_col, inside = pixel_index(grid, coordinates)
    return points_in_windows(row, col, max(size, 1), deposit_row[inside], deposit_col[inside])


def stitch(
    values: NDArray[np.floating], areas: "pd.DataFrame", shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Put areas back on the map.

    Parameters
    ----------
    values
        One value per area (n,), or its pixels (n, size, size).
    areas
        The areas that the values belong to, in the same order.
    shape
        Rows and columns of the map.

    Returns
    -------
    (row, col), NaN where there is no area.

    Raises
    ------
    UsageError
        Where a window is no area, so that windows may overlap, an area reaches over the map, or the number
        of values is another.
    """
    return AreaMap([values], areas, shape).block(slice(0, shape[0]), slice(0, shape[1]))


class AreaMap:
    """Areas put back on the map, a block at a time.

    Parameters
    ----------
    values
        One value per area, in one or more arrays that follow each other: each (n,), or pixels
        (n, size, size), which may lie in files.
    areas, shape
        As of `stitch`.

    Raises
    ------
    UsageError
        As `stitch`.
    """

    def __init__(self, values: Sequence[NDArray[Any]], areas: "pd.DataFrame", shape: tuple[int, int]) -> None:
        row, col, size = _positions(areas)
        count, forms = sum(map(len, values)), {each.shape[1:] for each in values}
        if count != len(row) or len(forms - {(), (size, size)}) or len(forms) > 1:
            given = ", ".join(str(each.shape) for each in values)
            raise UsageError(
                f"values of shape {given} given for {len(row)} areas of {size} px; one per area or one "
                "per pixel is needed: pass the areas they belong to"
            )
        _check_inside(row, col, size, shape)
        if (areas["number"] < 1).any() or (size and ((row % size) | (col % size)).any()):
            raise UsageError("windows without a number given; only areas can be put back: drop the others")
        self._values, self._size = values, size or max(shape)
        self._place = np.full((shape[0] // self._size + 1, shape[1] // self._size + 1), -1, dtype=np.int64)
        self._place[row // self._size, col // self._size] = np.arange(len(row))

    def block(self, rows: slice, cols: slice) -> NDArray[np.float32]:
        """Return a part of the map, (rows, cols), NaN where there is no area."""
        size = self._size
        top, left = rows.start // size, cols.start // size
        place = self._place[top : -(-rows.stop // size), left : -(-cols.stop // size)]
        pixels = bool(self._values) and self._values[0].ndim == 3
        tile = np.full((*place.shape, *((size, size) if pixels else (1, 1))), np.nan, dtype=np.float32)
        start = 0
        for each in self._values:
            here = (place >= start) & (place < start + len(each))
            found = np.asarray(each[place[here] - start], dtype=np.float32)
            tile[here] = found if pixels else found[:, None, None]
            start += len(each)
        if not pixels:
            tile = np.broadcast_to(tile, (*place.shape, size, size))
        whole = tile.swapaxes(1, 2).reshape(place.shape[0] * size, place.shape[1] * size)
        relieve()
        return whole[rows.start - top * size : rows.stop - top * size, cols.start - left * size :][
            :, : cols.stop - cols.start
        ]
