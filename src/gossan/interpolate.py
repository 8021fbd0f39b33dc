"""Inverse distance weighting of scattered samples onto the pixel centres of a grid (S2, equations 4 and 5).

`Interpolator` cuts the map into cells and hands each to a summing method: `gossan._far` sums over all samples
in near-linear time, `gossan._nearest` over the k nearest, `gossan._direct` over all one by one where the
first cannot. Each gives sums of weighted values and of weights by tiles that lie where they lie, whatever
part of the map is asked for; here they become values.
"""

import math
import warnings
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan._blocks import Convert, Method, check_part, in_threads, jobs, one_blas_thread
from gossan._direct import EverySample
from gossan._far import ON_CENTRE, PLAIN_POWER, AllSamples, Put, expansion
from gossan._leaveout import far_share, interpolation_errors, leave_one_out
from gossan._nearest import Candidates, NearestFew
from gossan._sites import as_points, check_error, check_options, merge_coincident
from gossan.errors import DataWarning
from gossan.grid import centres, pixel_index, resolution_of, to_pixel
from gossan.hooks import Progress, no_progress

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = [
    "InterpolateSettings",
    "Interpolator",
    "NearestSample",
    "far_share",
    "idw",
    "interpolation_errors",
    "leave_one_out",
    "merge_coincident",
    "nearest_sample",
]

Floats = NDArray[np.float64]

#: Smaller errors than this need float64.
_ROUNDING = 5e-6
#: From this ratio of a value to the range on, float32 would lose digits when values are scaled back.
_OFFSET = 16
#: Values up to this many ranges lose no digit that counts, if they are summed as they are; neither do those
#: that are no more than so large.
_USUAL, _MOST = 2, 1e6


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
    error
        Largest error of the sum over all samples, as a share of the element's range, > 0.
    """

    method: Literal["idw"] = "idw"
    power: float = 2.0
    neighbours: int | Literal["all"] = "all"
    radius: float | None = None
    max_gap: float | None = None
    error: float = 1e-5


@dataclass(frozen=True)
class _Group:
    """Elements that share one set of weights.

    elements: their numbers; sites: the rows that count; columns (n, elements + patterns): values scaled as
    `_Range` says, 0 where missing, then one column of 0 and 1 a pattern of missing values; pattern: that of
    each element.
    """

    elements: NDArray[np.intp]
    sites: NDArray[np.intp]
    columns: Floats
    pattern: NDArray[np.intp]

    def divide(self, sums: NDArray[Any]) -> NDArray[Any]:
        """Divide sums (tile, column, pixel) of values by those of their weights; NaN where none counts."""
        count = len(self.elements)
        weights = sums[:, count:]
        if weights.shape[1] > 1:
            weights = weights[:, self.pattern]
        with np.errstate(invalid="ignore"):
            return np.asarray(np.divide(sums[:, :count], weights, out=sums[:, :count]))


@dataclass(frozen=True)
class _Range:
    """Smallest and largest value of each element, NaN where there is none."""

    low: Floats
    high: Floats

    @property
    def _usual(self) -> NDArray[np.bool_]:
        """Whether values are about as large as their range: then they need not be scaled."""
        span, most = self.high - self.low, np.maximum(np.abs(self.low), np.abs(self.high))
        return np.asarray((most <= _USUAL * span) & (most < _MOST) & (span > 1 / _MOST))

    @property
    def base(self) -> Floats:
        """What is subtracted before values are summed."""
        return np.where(self._usual, 0.0, self.low)

    @property
    def scale(self) -> Floats:
        """What they are divided by then."""
        return np.where(self._usual | ~(self.high > self.low), 1.0, self.high - self.low)


class Interpolator:
    """Samples ready to be interpolated onto any part of a map: what `idw` does, block by block.

    Memory does not grow with the map, but for node values of 1 / 2100 of its size a column: a map of any size
    can be made and written block by block. Objects can be pickled, and blocks made by other processes.

    Parameters
    ----------
    coordinates, values, grid, power, neighbours, radius, error
        As in `idw`.

    Attributes
    ----------
    shape
        Elements, rows and columns of the whole map.

    Raises
    ------
    UsageError, DataError
        As `idw`.

    Examples
    --------
    >>> from gossan.grid import make_grid
    >>> maps = Interpolator([(5, 5), (25, 5)], [0.0, 1.0], make_grid((0, 0, 30, 10), 10, "EPSG:32649"))
    >>> maps.block(slice(0, 1), slice(1, 3))
    array([[[0.5, 1. ]]], dtype=float32)
    """

    def __init__(
        self,
        coordinates: ArrayLike,
        values: ArrayLike,
        grid: "GeoBox",
        *,
        power: float = 2.0,
        neighbours: int | None = None,
        radius: float | None = None,
        error: float = 1e-5,
    ) -> None:
        check_options(power, neighbours, radius)
        check_error(error)
        unit = resolution_of(grid)
        sites, table, _ = merge_coincident(coordinates, values)
        table = table.reshape(len(sites), -1)
        self.shape = (table.shape[1], int(grid.shape[0]), int(grid.shape[1]))
        self._range = _Range(*_ranges(table))
        scaled = (table - self._range.base) / self._range.scale
        how = _Choice(power, neighbours, _limit(radius, sites, grid) / unit, error)
        place, (_, rows, cols) = to_pixel(grid, sites), self.shape
        groups = _groups_by_pattern(scaled) if how.by_pattern else _joint_group(scaled)
        with one_blas_thread():
            self._work = [(group, how.method(place, group, (rows, cols))) for group in groups]
        self._exact = _exact(grid, sites, table)

    def block(self, rows: slice, cols: slice) -> NDArray[np.float32]:
        """Interpolate onto a part of the map.

        Parameters
        ----------
        rows, cols
            Of pixels, without a step. No bit depends on how a map is cut into blocks; blocks whose edges are
            multiples of 256 pixels (or the map's own) are the fastest.

        Returns
        -------
        float32 (element, rows, cols), NaN where no sample counts.

        Raises
        ------
        UsageError
            For an empty part and one that reaches over the map.
        """
        return self._block(rows, cols, no_progress)

    def _block(self, rows: slice, cols: slice, progress: Progress) -> NDArray[np.float32]:
        rows, cols = check_part(rows, cols, self.shape[1:])
        out = np.empty((self.shape[0], rows.stop - rows.start, cols.stop - cols.start), dtype=np.float32)
        empty = np.isnan(self._range.low)
        out[empty] = np.nan
        todo = [
            jobs(out, (rows, cols), method, _scaling(group, self._range), group.elements)
            for group, method in self._work
        ]
        in_threads(list(chain.from_iterable(todo)), progress)
        row, col, known = self._exact
        on = (row >= rows.start) & (row < rows.stop) & (col >= cols.start) & (col < cols.stop)
        at = np.s_[:, row[on] - rows.start, col[on] - cols.start]
        out[at] = np.where(np.isnan(known[on].T), out[at], known[on].T)
        return out


@dataclass(frozen=True)
class _Choice:
    """The options that say which method sums; the radius is in pixels."""

    power: float
    neighbours: int | None
    radius: float
    error: float

    @property
    def far(self) -> bool:
        """Whether far samples can be interpolated within the error."""
        unlimited = self.neighbours is None and math.isinf(self.radius)
        return unlimited and expansion(self.power, self.error) is not None

    @property
    def by_pattern(self) -> bool:
        """Whether elements with other missing values need other samples, not only weights of 0."""
        return self.neighbours is not None or (self.power > PLAIN_POWER and not self.far)

    def method(self, place: Floats, group: _Group, shape: tuple[int, int]) -> Method:
        place = place[group.sites]
        if self.neighbours is not None:
            return NearestFew(place, group.columns, shape, self.power, self.radius, self.neighbours)
        found = expansion(self.power, self.error) if self.far else None
        if found is None:
            dtype = np.float32 if self.error >= _ROUNDING else np.float64
            return EverySample(place, group.columns, shape, self.power, self.radius, dtype)
        # a far weight falls by up to 2 ** power over a tile, so rounding matters more at its far side
        rough = self.power <= PLAIN_POWER and self.error >= _ROUNDING * 2 ** (self.power - 2)
        return AllSamples(place, group.columns, shape, self.power, found, np.float32 if rough else np.float64)


def idw(
    coordinates: ArrayLike,
    values: ArrayLike,
    grid: "GeoBox",
    *,
    power: float = 2.0,
    neighbours: int | None = None,
    radius: float | None = None,
    error: float = 1e-5,
    progress: Progress = no_progress,
) -> NDArray[np.float32]:
    """Interpolate samples onto pixel centres with weights 1 / distance ** power (equations 4 and 5).

    A pixel whose centre is a sample gets that sample's value. Coincident samples count as their mean, see
    `merge_coincident`. Samples outside the grid count. An element's missing values are as if their rows were
    absent. Tiles are worked on by as many threads as BLAS is set to use; their number does not change a bit.

    Far samples are summed by interpolation between the Chebyshev nodes of tiles of a quadtree: time grows as
    samples plus pixels, not as their product. The number of nodes (11 x 11 for power 2 and an error of 1e-5)
    is the smallest at which the weights of far samples cannot be so far off that the map is off by more than
    0.8 ``error``, see `gossan._far.expansion`; rounding has the rest. A radius, and powers above about 10,
    take the direct sum.

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
        Number of nearest samples with a value that count, >= 1; None: all, as in the paper. Samples as near
        as the last of them, to 1e-9 of the distance, count with it.
    radius
        Metres, > 0: samples farther away do not count; None: no limit.
    error
        Largest difference from the exact sum over all samples, as a share of the range (largest less smallest
        value) of an element's samples, > 0. What float32 cannot hold of a value comes on top.

    Returns
    -------
    float32 (element, row, col), NaN where no sample counts.

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
    options: dict[str, Any] = {"power": power, "neighbours": neighbours, "radius": radius, "error": error}
    whole = Interpolator(coordinates, values, grid, **options)
    return whole._block(slice(0, whole.shape[1]), slice(0, whole.shape[2]), progress)


def _limit(radius: float | None, sites: Floats, grid: "GeoBox") -> float:
    """Return the radius, metres; infinite where every sample reaches every pixel."""
    if radius is None:
        return math.inf
    ends = np.array([(axis.min(), axis.max()) for axis in centres(grid)])
    farthest = np.maximum(ends[:, 1] - sites.min(axis=0), sites.max(axis=0) - ends[:, 0])
    return math.inf if radius > 1.001 * math.hypot(*farthest) else radius


def _ranges(table: Floats) -> tuple[Floats, Floats]:
    """Return the smallest and largest value of each element; NaN, with a warning, where it has none."""
    empty = np.isnan(table).all(axis=0)
    if empty.any():
        message = f"{int(empty.sum())} of {table.shape[1]} elements have no value: their maps are empty"
        warnings.warn(message, DataWarning, stacklevel=4)
    low = np.where(empty, np.nan, np.where(np.isnan(table), np.inf, table).min(axis=0))
    high = np.where(empty, np.nan, np.where(np.isnan(table), -np.inf, table).max(axis=0))
    return low, high


def _joint_group(scaled: Floats) -> list[_Group]:
    """Put all elements into one group, whose missing values have weight 0."""
    known = np.isfinite(scaled)
    patterns, pattern = _patterns(known)
    columns = np.hstack((np.where(known, scaled, 0.0), patterns))
    return [_Group(np.arange(scaled.shape[1]), np.arange(len(scaled)), columns, pattern)]


def _patterns(known: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Return the distinct columns and which of them each column is, in the order of their first one."""
    seen: dict[bytes, int] = {}
    pattern = [seen.setdefault(column.tobytes(), len(seen)) for column in known.T]
    first = [pattern.index(number) for number in range(len(seen))]
    return known[:, first], np.array(pattern, dtype=np.intp)


def _groups_by_pattern(scaled: Floats) -> list[_Group]:
    """Group the elements that are missing in the same rows, and drop these rows."""
    patterns, pattern = _patterns(np.isfinite(scaled))
    groups = []
    for number, rows in enumerate(patterns.T):
        if rows.any():
            elements, sites = np.flatnonzero(pattern == number), np.flatnonzero(rows)
            columns = np.column_stack((scaled[np.ix_(sites, elements)], np.ones(len(sites))))
            groups.append(_Group(elements, sites, columns, np.zeros(len(elements), dtype=np.intp)))
    return groups


def _exact(grid: "GeoBox", sites: Floats, table: Floats) -> tuple[NDArray[Any], NDArray[Any], Floats]:
    """Return row, column and values of the samples that lie on a pixel's centre."""
    row, col, inside = pixel_index(grid, sites)
    easting, northing = centres(grid)
    gap = np.hypot(easting[col] - sites[:, 0], northing[row] - sites[:, 1])
    on = inside & (gap <= ON_CENTRE * resolution_of(grid))
    return row[on], col[on], table[on]


# ---- from sums to a map


def _scaling(group: _Group, ends: _Range) -> Convert:
    """Make what turns the sums of tiles into values."""
    low, high, base, scale = (
        end[group.elements][:, None] for end in (ends.low, ends.high, ends.base, ends.scale)
    )
    plain = bool(((base == 0) & (scale == 1)).all())
    wide = bool((np.maximum(np.abs(low), np.abs(high)) > _OFFSET * scale).any())

    def convert(sums: NDArray[Any]) -> NDArray[Any]:
        estimate = group.divide(sums.reshape(*sums.shape[:2], -1))
        if wide:
            estimate = estimate.astype(np.float64)
        if not plain:
            estimate *= scale.astype(estimate.dtype)
            estimate += base.astype(estimate.dtype)
        ends = low.astype(estimate.dtype), high.astype(estimate.dtype)
        least, most = estimate.min(axis=-1, keepdims=True), estimate.max(axis=-1, keepdims=True)
        # looking takes a quarter of what cutting takes
        if not ((least >= ends[0]) & (most <= ends[1])).all():
            np.maximum(estimate, ends[0], out=estimate)
            np.minimum(estimate, ends[1], out=estimate)
        return estimate.reshape(*estimate.shape[:2], *sums.shape[2:])

    return convert


# ---- distance to the nearest sample


class NearestSample:
    """Distance from pixel centres to the nearest sample, block by block.

    Parameters
    ----------
    coordinates
        Metres: a tuple (easting (n,), northing (n,)) or one array (n, 2).
    grid
        North-up or south-up grid with square pixels.

    Raises
    ------
    UsageError
        For shapes that do not fit, rotated grids and pixels that are not square.
    DataError
        Where there is no sample or a coordinate is not finite.
    """

    def __init__(self, coordinates: ArrayLike, grid: "GeoBox") -> None:
        place = np.unique(to_pixel(grid, as_points(coordinates)), axis=0)
        self._unit = resolution_of(grid)
        self._shape = (int(grid.shape[0]), int(grid.shape[1]))
        self._candidates = Candidates(place, self._shape, 1)
        self.cell = (256, 256)

    def block(self, rows: slice, cols: slice) -> NDArray[np.float32]:
        """Measure on a part of the map; no bit depends on how a map is cut into blocks.

        Parameters
        ----------
        rows, cols
            Of pixels, without a step.

        Returns
        -------
        float32 (rows, cols), metres.

        Raises
        ------
        UsageError
            For an empty part and one that reaches over the map.
        """
        rows, cols = check_part(rows, cols, self._shape)
        out = np.empty((1, rows.stop - rows.start, cols.stop - cols.start), dtype=np.float32)
        in_threads(jobs(out, (rows, cols), self, lambda tiles: tiles), no_progress)
        return np.asarray(out[0])

    def fill(self, rows: slice, cols: slice, put: Put) -> None:
        """Measure on the tiles of one cell."""
        for tops, lefts, _, squares in self._candidates.blocks(rows, cols):
            put(tops, lefts, self._unit * np.sqrt(squares.min(axis=-1))[:, None])


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
    UsageError, DataError
        As `NearestSample`.
    """
    return NearestSample(coordinates, grid).block(slice(None), slice(None))
