"""Inverse distance weighting of scattered samples onto the pixel centres of a grid (S2, equations 4 and 5).

`idw` cuts the grid into tiles and hands each to one function, a ``Kernel``, which returns the estimates at
the pixel centres y times x: `_direct_tile` sums over all samples, `_nearest_tile` over the k nearest. A
faster method for the far field is one more such function.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan._leaveout import far_share, interpolation_errors, leave_one_out
from gossan._sites import as_points, check_options, merge_coincident
from gossan.errors import DataWarning
from gossan.grid import centres, pixel_index, resolution_of, tiles
from gossan.hooks import Progress, no_progress

if TYPE_CHECKING:
    from odc.geo import Shape2d
    from odc.geo.geobox import GeoBox
    from scipy.spatial import cKDTree

__all__ = [
    "InterpolateSettings",
    "far_share",
    "idw",
    "interpolation_errors",
    "leave_one_out",
    "merge_coincident",
    "nearest_sample",
]

Floats = NDArray[np.float64]

#: Samples closer than this to a pixel centre, in pixels, lie on it: far above rounding, far below any survey.
_ON_CENTRE = 1e-6
#: Bytes that all tiles at work may use together.
_WORKING_SET = 64 * 2**20
#: Samples in a block of weights and longest side of a tile: half a MB in float32 stays in a core's cache.
_BLOCK, _TILE = 1024, 128
#: Powers up to this one cannot leave the range of float32 between 1e-6 and 1e9 pixels.
_PLAIN_POWER = 4
#: Whole powers up to this one are made by multiplication.
_WHOLE_POWER = 8


@dataclass(frozen=True)
class InterpolateSettings:
    """``[interpolate]``: how element maps are made.

    Attributes
    ----------
    method
        Inverse distance weighting is the one there is.
    power
        Exponent of the distance, > 0; 2 in the paper (equation 5).
    neighbours
        Samples that a pixel is made from: ``"all"`` (the paper) or the k nearest, k >= 1.
    radius
        Samples farther than this from a pixel do not count, metres, > 0; None: no limit.
    max_gap
        Pixels farther than this from any sample are nodata, metres, > 0; None: no limit.
    """

    method: Literal["idw"] = "idw"
    power: float = 2.0
    neighbours: int | Literal["all"] = "all"
    radius: float | None = None
    max_gap: float | None = None


@dataclass(frozen=True)
class _Weighting:
    """How weights come from distances; all lengths are in pixels but ``unit``, the pixel in metres."""

    power: float
    radius: float
    neighbours: int | None
    unit: float


@dataclass(frozen=True)
class _Group:
    """Elements that share one set of weights.

    elements: their numbers; sites (n, 2), metres; columns (n, elements + patterns): values scaled to [0, 1],
    0 where missing, then one column of 0 and 1 a pattern of missing values; pattern: that of each element.
    """

    elements: NDArray[np.intp]
    sites: Floats
    columns: NDArray[np.float32]
    pattern: NDArray[np.intp]
    tree: "cKDTree"

    def divide(self, sums: Floats) -> Floats:
        """Divide the sums (..., column) of values by those of their weights; NaN where no sample counts."""
        count = len(self.elements)
        with np.errstate(invalid="ignore"):
            return np.asarray(sums[..., :count] / sums[..., count + self.pattern])


#: (group, weighting, easting (cols,), northing (rows,)) -> estimates (rows, cols, element), scaled to [0, 1]
Kernel = Callable[[_Group, _Weighting, Floats, Floats], Floats]


def idw(
    coordinates: ArrayLike,
    values: ArrayLike,
    grid: "GeoBox",
    *,
    power: float = 2.0,
    neighbours: int | None = None,
    radius: float | None = None,
    progress: Progress = no_progress,
) -> NDArray[np.float32]:
    """Interpolate samples onto pixel centres with weights 1 / distance ** power (equations 4 and 5).

    A pixel whose centre is a sample gets that sample's value. Coincident samples count as their mean, see
    `merge_coincident`. Samples outside the grid count. An element's missing values are as if their rows were
    absent. Tiles are worked on by as many threads as BLAS is set to use; their number does not change a bit.

    Parameters
    ----------
    coordinates
        Metres: a tuple (easting (n,), northing (n,)) or one array (n, 2).
    values
        (n,) or (n, elements), NaN = missing, transformed already.
    grid
        North-up or south-up grid with square pixels.
    power
        > 0. Towards 0 the map becomes the mean, for large powers the value of the nearest sample.
    neighbours
        Number of nearest samples with a value that count, >= 1; None: all, as in the paper.
    radius
        Metres, > 0: samples farther away do not count; None: no limit.

    Returns
    -------
    float32 (element, row, col), NaN where no sample counts. The error against exact arithmetic is about 1e-6
    of an element's range.

    Raises
    ------
    UsageError
        For shapes that do not fit and options out of range.
    DataError
        Where there is no sample, or a coordinate or value is infinite, or a coordinate missing.

    Examples
    --------
    >>> from gossan.grid import make_grid
    >>> idw([(5, 5), (25, 5)], [0.0, 1.0], make_grid((0, 0, 30, 10), 10, "EPSG:32649"))
    array([[[0. , 0.5, 1. ]]], dtype=float32)
    """
    weighting = _weighting(power, neighbours, radius, resolution_of(grid))
    sites, table, _ = merge_coincident(coordinates, values)
    table = table.reshape(len(sites), -1)
    low, high = _ranges(table)
    scaled = (table - low) / np.where(high > low, high - low, 1.0)
    joint = neighbours is None and power <= _PLAIN_POWER
    groups = _joint_group(sites, scaled) if joint else _groups_by_pattern(sites, scaled)
    out = np.full((table.shape[1], *grid.shape), np.nan, dtype=np.float32)

    def work(group: _Group, rows: slice, cols: slice) -> None:
        estimate = kernel(group, weighting, easting[cols], northing[rows])
        lower, upper = low[group.elements], high[group.elements]
        estimate = np.clip(lower + (upper - lower) * estimate, lower, upper)
        out[group.elements, rows, cols] = np.moveaxis(estimate, -1, 0)

    easting, northing = centres(grid)
    kernel: Kernel = _direct_tile if neighbours is None else _nearest_tile
    widest = max((_bytes_per_pixel(group, weighting) for group in groups), default=1)
    _run_tiles(work, groups, grid.shape, widest, progress)
    _set_exact(out, grid, sites, table)
    return out


def _weighting(power: float, neighbours: int | None, radius: float | None, unit: float) -> _Weighting:
    check_options(power, neighbours, radius)
    return _Weighting(power, math.inf if radius is None else radius / unit, neighbours, unit)


def _ranges(table: Floats) -> tuple[Floats, Floats]:
    """Return the smallest and largest value of each element; NaN, with a warning, where it has none."""
    empty = np.isnan(table).all(axis=0)
    if empty.any():
        message = f"{int(empty.sum())} of {table.shape[1]} elements have no value: their maps are empty"
        warnings.warn(message, DataWarning, stacklevel=3)
    low = np.where(empty, np.nan, np.where(np.isnan(table), np.inf, table).min(axis=0))
    high = np.where(empty, np.nan, np.where(np.isnan(table), -np.inf, table).max(axis=0))
    return low, high


def _joint_group(sites: Floats, scaled: Floats) -> list[_Group]:
    """Put all elements into one group, whose missing values have weight 0."""
    from scipy.spatial import cKDTree

    known = np.isfinite(scaled)
    patterns, pattern = np.unique(known, axis=1, return_inverse=True)
    columns = np.hstack((np.where(known, scaled, 0.0), patterns)).astype(np.float32)
    return [_Group(np.arange(scaled.shape[1]), sites, columns, pattern.ravel(), cKDTree(sites))]


def _groups_by_pattern(sites: Floats, scaled: Floats) -> list[_Group]:
    """Group the elements that are missing in the same rows, and drop these rows."""
    patterns, pattern = np.unique(np.isfinite(scaled), axis=1, return_inverse=True)
    groups = []
    for number, rows in enumerate(patterns.T):
        if rows.any():
            elements = np.flatnonzero(pattern.ravel() == number)
            [group] = _joint_group(sites[rows], scaled[np.ix_(rows, elements)])
            groups.append(replace(group, elements=elements))
    return groups


def _bytes_per_pixel(group: _Group, weighting: _Weighting) -> int:
    """Return the memory that a kernel needs for a pixel of its tile, besides the blocks of fixed size."""
    columns = int(group.columns.shape[1])
    return 32 * columns + (weighting.neighbours or 0) * (40 + 8 * columns)


def _run_tiles(
    work: Callable[[_Group, slice, slice], None],
    groups: Sequence[_Group],
    shape: "tuple[int, int] | Shape2d",
    bytes_per_pixel: int,
    progress: Progress,
) -> None:
    """Work on all tiles in as many threads as BLAS is set to use, which gets one thread in each."""
    from threadpoolctl import threadpool_info, threadpool_limits

    threads = max(
        (pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1
    )
    side = math.isqrt(_WORKING_SET // (threads * bytes_per_pixel))
    jobs = [(group, *tile) for tile in tiles(shape, min(max(side, 1), _TILE)) for group in groups]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        try:
            for done, _ in enumerate(pool.map(lambda job: work(*job), jobs), 1):
                progress(done / len(jobs))
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C waits for the tiles at work, not for all


def _direct_tile(group: _Group, weighting: _Weighting, x: Floats, y: Floats) -> Floats:
    """Sum over all samples: blocks of weights (cols, samples), row by row, times the columns.

    Squared distances are sums of one part for the column and one for the row, both taken in float64.
    """
    sums = np.zeros((len(y), len(x), group.columns.shape[1]))
    inverse = _inverse_nearest(group, weighting, x, y) if weighting.power > _PLAIN_POWER else None
    chosen = _within_reach(group.sites, x, y, weighting.radius * weighting.unit)
    limit = np.float32(weighting.radius**2 * (1 + 1e-6)) if math.isfinite(weighting.radius) else None
    for start in range(0, len(chosen), _BLOCK):
        part = chosen[start : start + _BLOCK]
        part_x, part_y = group.sites[part].T
        columns = group.columns[part]
        square_x = (((x[:, None] - part_x) / weighting.unit) ** 2).astype(np.float32)
        square_y = (((y[:, None] - part_y) / weighting.unit) ** 2 + _ON_CENTRE**2).astype(np.float32)
        weights = np.empty_like(square_x)
        for row in range(len(y)):
            np.add(square_x, square_y[row], out=weights)
            near = weights <= limit if limit else None
            if inverse is not None:
                weights *= inverse[row]
            _weigh(weights, weighting.power)
            if near is not None:
                weights *= near
            sums[row] += weights @ columns
    return group.divide(sums)


def _within_reach(sites: Floats, x: Floats, y: Floats, reach: float) -> NDArray[np.intp]:
    """Find the sites that are not farther than ``reach`` from the box of a tile's pixel centres."""
    gap_x = np.maximum(np.maximum(x.min() - sites[:, 0], sites[:, 0] - x.max()), 0)
    gap_y = np.maximum(np.maximum(y.min() - sites[:, 1], sites[:, 1] - y.max()), 0)
    return np.flatnonzero(np.hypot(gap_x, gap_y) <= reach * (1 + 1e-6))


def _inverse_nearest(group: _Group, weighting: _Weighting, x: Floats, y: Floats) -> NDArray[np.float32]:
    """Return 1 / distance ** 2 of the nearest site, (rows, cols, 1): it keeps high powers within float32."""
    distance, _ = group.tree.query(_pixels(x, y))
    square = (distance / weighting.unit) ** 2 + _ON_CENTRE**2
    return np.asarray(1 / square, dtype=np.float32).reshape(len(y), len(x), 1)


def _weigh(squares: NDArray[np.float32], power: float) -> None:
    """Replace squared distances by distance ** -power; whole powers need no logarithm."""
    if power > _WHOLE_POWER or power != int(power):
        np.power(squares, np.float32(-power / 2), out=squares)
        return
    if power % 2:
        np.sqrt(squares, out=squares)
    times = int(power if power % 2 else power / 2)
    factor = squares.copy() if times > 1 else squares
    for _ in range(times - 1):
        squares *= factor
    np.divide(np.float32(1), squares, out=squares)


def _nearest_tile(group: _Group, weighting: _Weighting, x: Floats, y: Floats) -> Floats:
    """Sum over the k nearest samples that a k-d tree finds."""
    k = min(weighting.neighbours or 1, len(group.sites))
    distance, index = group.tree.query(_pixels(x, y), k=np.arange(1, k + 1))
    ratio = np.maximum(distance / weighting.unit, _ON_CENTRE)
    far = ratio > weighting.radius * (1 + 1e-9)
    weights = (ratio[:, :1] / ratio) ** weighting.power
    weights[far] = 0
    sums = np.einsum("pk,pkc->pc", weights, group.columns[index])
    return group.divide(sums).reshape(len(y), len(x), -1)


def _pixels(x: Floats, y: Floats) -> Floats:
    """Return the points y times x, (rows * cols, 2)."""
    return np.stack(np.broadcast_arrays(x, y[:, None]), axis=-1).reshape(-1, 2)


def _set_exact(out: NDArray[np.float32], grid: "GeoBox", sites: Floats, table: Floats) -> None:
    """Give pixels whose centre is a sample that sample's values."""
    row, col, inside = pixel_index(grid, sites)
    easting, northing = centres(grid)
    gap = np.hypot(easting[col] - sites[:, 0], northing[row] - sites[:, 1])
    on = inside & (gap <= _ON_CENTRE * resolution_of(grid))
    here = out[:, row[on], col[on]]
    out[:, row[on], col[on]] = np.where(np.isnan(table[on].T), here, table[on].T)


def nearest_sample(coordinates: ArrayLike, grid: "GeoBox") -> NDArray[np.float32]:
    """Return the distance from each pixel centre to the nearest sample, for ``max_gap``.

    Parameters
    ----------
    coordinates
        Metres: a tuple (easting (n,), northing (n,)) or one array (n, 2).

    Returns
    -------
    float32 (row, col), metres.

    Raises
    ------
    UsageError
        For shapes that do not fit and rotated grids.
    DataError
        Where there is no sample or a coordinate is not finite.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(as_points(coordinates))
    easting, northing = centres(grid)
    out = np.empty(grid.shape, dtype=np.float32)
    for rows, cols in tiles(grid.shape, 512):
        distance, _ = tree.query(_pixels(easting[cols], northing[rows]))
        out[rows, cols] = np.reshape(distance, (rows.stop - rows.start, -1))
    return out
