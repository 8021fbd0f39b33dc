"""Where pixels lie on the ground: the one place with pixel and map arithmetic.

A grid is an ``odc.geo.geobox.GeoBox``. Pixels are half-open: a pixel's west and north edges belong to it,
so that windows tile the map and every point of it lies in exactly one pixel. Everything that asks on which
side of an edge a point lies uses the same floating-point edges, `_edges`.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError, UsageError
from gossan.mapped import relieve

if TYPE_CHECKING:
    from affine import Affine
    from odc.geo import CRS, Shape2d
    from odc.geo.geobox import GeoBox

__all__ = [
    "MaskedPixels",
    "centres",
    "dense_grid",
    "make_grid",
    "nice_resolution",
    "pixel_index",
    "points_in_windows",
    "region_of",
    "resolution_of",
    "tiles",
    "to_pixel",
    "window_region",
]

#: Share of a pixel by which a region may reach over a snapped edge before it gets one more pixel.
_SNAP = 1e-6
_TILE_PIXELS = 1 << 22  # of a mask that are counted at once
_PART = 1 << 12  # windows that points are counted in at once
_MOST_PIXELS = 1_000_000_000  # 25 times the largest survey that is planned for, 1 GB as bytes


def make_grid(region: tuple[float, float, float, float], resolution: float, crs: Any) -> "GeoBox":
    """Make a north-up grid with square pixels whose edges are multiples of the resolution.

    Parameters
    ----------
    region
        West, south, east, north, metres; the grid covers it, snapped outwards.
    resolution
        Side of a pixel, metres, > 0.
    crs
        Projected coordinate reference system in metres: anything that pyproj reads.

    Raises
    ------
    UsageError
        Where the CRS is missing, geographic or not in metres, the region is empty or the
        resolution not positive.
    DataError
        Where there would be more than 1,000,000,000 pixels: a place far off, or a wrong resolution.

    Examples
    --------
    >>> region_of(make_grid((12.0, 0.0, 95.0, 40.0), 10, "EPSG:32649"))
    (10.0, 0.0, 100.0, 40.0)
    """
    from affine import Affine
    from odc.geo.geobox import GeoBox

    metric = _metric_crs(crs)
    west, south, east, north = (float(edge) for edge in region)
    if not (math.isfinite(resolution) and resolution > 0):
        raise UsageError(f"resolution {resolution} m given; it must be above 0: set another one")
    if not all(map(math.isfinite, (west, south, east, north))) or west >= east or south >= north:
        raise UsageError(
            f"region {region} given; it must be finite (west < east, south < north): check the extent"
        )
    left, bottom = (math.floor(edge / resolution + _SNAP) for edge in (west, south))
    right, top = (math.ceil(edge / resolution - _SNAP) for edge in (east, north))
    shape = (max(top - bottom, 1), max(right - left, 1))
    if shape[0] * shape[1] > _MOST_PIXELS:
        raise DataError(
            f"a grid of {shape[0]:,} x {shape[1]:,} pixels of {resolution:g} m; at most {_MOST_PIXELS:,} are "
            "allowed; look for places far off the others, or set a coarser project.resolution"
        )
    affine = Affine(resolution, 0.0, left * resolution, 0.0, -resolution, (bottom + shape[0]) * resolution)
    return GeoBox(shape, affine, metric)


def _metric_crs(crs: Any) -> "CRS":
    from odc.geo import CRS
    from pyproj.exceptions import CRSError

    if crs is None or crs == "":
        raise UsageError("no CRS given; a projected one in metres is needed: name one, such as EPSG:32649")
    try:
        known = CRS(crs)
    except CRSError as error:
        raise UsageError(
            f"CRS {crs!r} given, which PROJ does not know: name one such as EPSG:32649"
        ) from error
    if not known.projected:
        raise UsageError(
            f"CRS {known} given, which is not projected; distances need metres: name a projected one"
        )
    if not set(known.units) <= {"metre", "meter", "m"}:
        raise UsageError(f"CRS {known} given, in {known.units[0]}; metres are needed: name a CRS in metres")
    return known


def _affine(grid: "GeoBox", *, square: bool = False) -> "Affine":
    """Return the transform of a grid that is checked to be parallel to its axes."""
    affine: Affine = grid.affine
    if affine.b or affine.d:
        raise UsageError("a rotated grid given; rows must run east: resample it onto a north-up grid")
    if square and abs(affine.a) != abs(affine.e):
        raise UsageError(
            f"pixels of {abs(affine.a)} x {abs(affine.e)} m given; they must be square: resample them"
        )
    return affine


def _edges(origin: float, step: float, index: ArrayLike) -> NDArray[np.float64]:
    """Return the coordinate at which pixel ``index`` starts."""
    return np.asarray(origin + np.asarray(index) * step, dtype=np.float64)


def _all_edges(grid: "GeoBox") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    affine, (rows, cols) = _affine(grid), grid.shape
    return _edges(affine.c, affine.a, np.arange(cols + 1)), _edges(affine.f, affine.e, np.arange(rows + 1))


def region_of(grid: "GeoBox") -> tuple[float, float, float, float]:
    """Return west, south, east, north of a grid, metres.

    Raises
    ------
    UsageError
        For a rotated grid.
    """
    x, y = _all_edges(grid)
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def resolution_of(grid: "GeoBox") -> float:
    """Return the side of a pixel, metres.

    Raises
    ------
    UsageError
        For a rotated grid and for pixels that are not square.
    """
    return float(abs(_affine(grid, square=True).a))


def centres(grid: "GeoBox") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the easting (cols,) and the northing (rows,) of pixel centres, metres.

    Raises
    ------
    UsageError
        For a rotated grid.

    Examples
    --------
    >>> centres(make_grid((0, 0, 40, 10), 10, "EPSG:32649"))[0]
    array([ 5., 15., 25., 35.])
    """
    affine, (rows, cols) = _affine(grid), grid.shape
    return _edges(affine.c, affine.a, np.arange(cols) + 0.5), _edges(
        affine.f, affine.e, np.arange(rows) + 0.5
    )


def to_pixel(grid: "GeoBox", coordinates: ArrayLike) -> NDArray[np.float64]:
    """Convert map coordinates to continuous pixel coordinates, in which centres lie at .5.

    Parameters
    ----------
    coordinates
        Easting and northing, (n, 2), metres.

    Returns
    -------
    row and column, (n, 2), 0 at the grid's first corner; any grid, rotated ones too.
    """
    affine = grid.affine
    x, y = (np.asarray(coordinates, dtype=np.float64).reshape(-1, 2) - (affine.c, affine.f)).T
    if not (affine.b or affine.d):
        return np.column_stack((y / affine.e, x / affine.a))
    scale = affine.a * affine.e - affine.b * affine.d
    return np.column_stack(((affine.a * y - affine.d * x) / scale, (affine.e * x - affine.b * y) / scale))


def pixel_index(
    grid: "GeoBox", coordinates: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Find the pixel in which each point lies; west and north edges belong to a pixel.

    Parameters
    ----------
    coordinates
        Easting and northing, (n, 2), metres; not finite ones are outside.

    Returns
    -------
    row (n,), col (n,), inside (n,): a point that is not inside has the row and column -1.

    Raises
    ------
    UsageError
        For a rotated grid.
    """
    points = np.asarray(coordinates, dtype=np.float64).reshape(-1, 2)
    x_edges, y_edges = _all_edges(grid)
    col, inside_x = _cell(x_edges, points[:, 0])
    row, inside_y = _cell(-y_edges, -points[:, 1])  # negated: the closed edge of a row is its north
    inside = inside_x & inside_y
    return np.where(inside, row, -1), np.where(inside, col, -1), inside


def _cell(
    edges: NDArray[np.float64], position: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Find the cell of each position, closed at its lower edge; falling edges count from the upper end."""
    cells = len(edges) - 1
    flipped = edges[0] > edges[-1]
    cell = np.searchsorted(edges[::-1] if flipped else edges, position, side="right") - 1
    inside = (cell >= 0) & (cell < cells)
    return (cells - 1 - cell if flipped else cell), inside


def tiles(shape: "tuple[int, int] | Shape2d", size: int) -> Iterator[tuple[slice, slice]]:
    """Cut an array into tiles, row by row.

    Parameters
    ----------
    shape
        Rows and columns of the array.
    size
        Side of a tile, pixels, >= 1; the last ones of a row or column may be smaller.

    Raises
    ------
    UsageError
        For a size below 1.

    Examples
    --------
    >>> [(rows.stop - rows.start, cols.stop - cols.start) for rows, cols in tiles((3, 2), 2)]
    [(2, 2), (1, 2)]
    """
    if size < 1:
        raise UsageError(f"tile size {size} px given; it must be at least 1: set another one")
    rows, cols = shape
    return (
        (slice(top, min(top + size, rows)), slice(left, min(left + size, cols)))
        for top in range(0, rows, size)
        for left in range(0, cols, size)
    )


class MaskedPixels:
    """The pixels of a mask by their rank, row by row, without a list of them.

    Parameters
    ----------
    mask
        (row, col), in memory or in a file.

    Attributes
    ----------
    count
        How many there are.
    """

    #: Pixels of a row that are counted together.
    _RUN = 64

    def __init__(self, mask: NDArray[np.bool_]) -> None:
        self._mask = mask
        starts = np.arange(0, mask.shape[1], self._RUN)
        counts = np.empty((len(mask), len(starts)), dtype=np.int64)
        for rows, _ in tiles((len(mask), 1), max(1, _TILE_PIXELS // max(mask.shape[1], 1))):
            counts[rows] = np.add.reduceat(mask[rows], starts, axis=1, dtype=np.int64)
            relieve()
        self._runs = len(starts)
        self._ends = counts.cumsum()
        self.count = int(self._ends[-1]) if self._ends.size else 0

    def at(self, rank: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return row and column (n,) of pixels by their rank (n,), from 0: as of ``np.flatnonzero(mask)``."""
        asked = np.asarray(rank, dtype=np.int64)
        run = np.searchsorted(self._ends, asked, side="right")
        row, first = run // self._runs, run % self._runs * self._RUN
        col = first[:, None] + np.arange(self._RUN)
        width = self._mask.shape[1]
        there = self._mask[row[:, None], np.minimum(col, width - 1)] & (col < width)
        before = np.where(run > 0, self._ends[run - 1], 0)
        return row, first + np.argmax(there.cumsum(axis=1) > (asked - before)[:, None], axis=1)


def points_in_windows(
    row: NDArray[np.int64],
    col: NDArray[np.int64],
    size: int,
    point_row: NDArray[np.int64],
    point_col: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Count points, given by their pixels, in windows of one size, given by their first pixels, (window,).

    Points are sorted into cells as wide as a window; a window looks at the four that it can reach.
    """
    counts = np.zeros(len(row), dtype=np.int64)
    if not (len(row) and len(point_row)):
        return counts
    wide = int(max(col.max(), point_col.max())) // size + 2
    cell = point_row // size * wide + point_col // size
    order = np.argsort(cell, kind="stable")
    cell, point_row, point_col = cell[order], point_row[order], point_col[order]
    for part, _ in tiles((len(row), 1), _PART):
        top, left = row[part], col[part]
        for down, across in ((0, 0), (0, 1), (1, 0), (1, 1)):
            asked = (top // size + down) * wide + left // size + across
            first = np.searchsorted(cell, asked)
            many = np.searchsorted(cell, asked, side="right") - first
            window = np.repeat(np.arange(len(top)), many)
            point = np.arange(len(window)) + np.repeat(first - (np.cumsum(many) - many), many)
            dy, dx = point_row[point] - top[window], point_col[point] - left[window]
            held = (dy >= 0) & (dy < size) & (dx >= 0) & (dx < size)
            counts[part] += np.bincount(window[held], minlength=len(top))
    return counts


def dense_grid(grid: "GeoBox", size: int, stride: int) -> "GeoBox":
    """Return the grid of a dense map: pixels of ``stride``, centred where the windows' centres are.

    Parameters
    ----------
    size
        Side of a window, pixels; at most the map's shorter side.
    stride
        Pixels between the north-west corners of windows, the first of which is the map's.

    Raises
    ------
    UsageError
        For a stride below 1 and a window that does not fit the map.

    Examples
    --------
    >>> dense = dense_grid(make_grid((0, 0, 1000, 1000), 10, "EPSG:32649"), 32, 8)
    >>> tuple(dense.shape), region_of(dense)
    ((9, 9), (120.0, 160.0, 840.0, 880.0))
    """
    from affine import Affine
    from odc.geo.geobox import GeoBox

    if stride < 1 or not 1 <= size <= min(grid.shape):
        raise UsageError(
            f"windows of {size} px every {stride} px given on a map of {grid.shape[0]} x {grid.shape[1]} px; "
            "they must fit, at least 1 px apart: change windows.size or dense.stride"
        )
    rows, cols = ((side - size) // stride + 1 for side in grid.shape)
    fine, shift = _affine(grid), (size - stride) / 2
    west, north = (_edges(start, step, shift) for start, step in ((fine.c, fine.a), (fine.f, fine.e)))
    coarse = Affine(fine.a * stride, 0.0, float(west), 0.0, fine.e * stride, float(north))
    return GeoBox((rows, cols), coarse, grid.crs)


def window_region(
    grid: "GeoBox", row: ArrayLike, col: ArrayLike, size: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return west, south, east, north of windows, metres; windows may reach over the grid.

    Parameters
    ----------
    row, col
        Top left pixel; numbers or arrays that broadcast.
    size
        Side of a window, pixels.

    Raises
    ------
    UsageError
        For a rotated grid.
    """
    affine, row, col, size = _affine(grid), np.asarray(row), np.asarray(col), np.asarray(size)
    x = _edges(affine.c, affine.a, col), _edges(affine.c, affine.a, col + size)
    y = _edges(affine.f, affine.e, row), _edges(affine.f, affine.e, row + size)
    return np.minimum(*x), np.minimum(*y), np.maximum(*x), np.maximum(*y)


def nice_resolution(spacing: float) -> float:
    """Return a quarter of the sample spacing, rounded down to 1, 2, 2.5 or 5 times a power of ten, metres.

    Parameters
    ----------
    spacing
        Median distance between neighbouring samples, metres, > 0.

    Raises
    ------
    UsageError
        Where the spacing is not a positive number.

    Examples
    --------
    >>> nice_resolution(500.0), nice_resolution(90.0)
    (100.0, 20.0)
    """
    if not (math.isfinite(spacing) and spacing > 0):
        raise UsageError(f"sample spacing {spacing} m given; it must be above 0: set the resolution")
    quarter = spacing / 4
    power = math.floor(math.log10(quarter))
    candidates = [float(f"{digit}e{power + shift}") for shift in (-1, 0, 1) for digit in (1, 2, 2.5, 5)]
    return max(value for value in candidates if value <= quarter)
