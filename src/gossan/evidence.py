"""Evidence layers on a grid: distance to faults, their density, geological classes, further rasters (S3)."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError, UsageError
from gossan.grid import centres, region_of, resolution_of, tiles

if TYPE_CHECKING:
    import geopandas as gpd
    from odc.geo.geobox import GeoBox
    from shapely.geometry.base import BaseGeometry

__all__ = ["area_mask", "class_map", "fault_density", "fault_distance", "resample"]

Floats = NDArray[np.float64]
Shapes: TypeAlias = "gpd.GeoDataFrame | gpd.GeoSeries | Iterable[BaseGeometry | None]"

#: Dots on lines that are looked at for a pixel, and the side of a tile: 10 MB of working arrays.
_CANDIDATES, _TILE = 4, 128
#: Dots that lines are cut into before they are spaced wider than a pixel, at no loss of accuracy.
_MOST_POINTS = 2_000_000


def _geometries(shapes: Shapes, grid: "GeoBox", kind: Literal["Line", "Polygon"]) -> NDArray[np.object_]:
    """Return shapes (n,) as an array of which every member is of the kind, empty or None."""
    import shapely

    crs = getattr(shapes, "crs", None)
    if crs is not None and grid.crs is not None and not crs.equals(grid.crs.proj, ignore_axis_order=True):
        raise UsageError(
            f"shapes in {crs.name} given for a grid in {grid.crs}; one CRS is needed: reproject them"
        )
    members = [shapes] if isinstance(shapes, shapely.Geometry) else list(getattr(shapes, "geometry", shapes))
    geometries = np.array([*members, None], dtype=object)[:-1]  # the None keeps NumPy from unpacking
    present = geometries[~(shapely.is_missing(geometries) | shapely.is_empty(geometries))]
    wrong = {shape.geom_type for shape in present if kind not in shape.geom_type}
    if wrong or not len(present):
        raise DataError(f"{', '.join(sorted(wrong)) or 'no shape'} given; {kind}s are needed: check the file")
    return geometries


def _segments(lines: Shapes, grid: "GeoBox") -> tuple[Floats, Floats]:
    """Take lines apart into straight segments: starts and steps, (n, 2)."""
    import shapely

    parts = shapely.get_parts(_geometries(lines, grid, "Line"))
    points, part = shapely.get_coordinates(parts, return_index=True)
    if not np.isfinite(points).all():
        raise DataError("lines with coordinates that are not finite given: repair the file")
    same = part[1:] == part[:-1]
    return points[:-1][same], np.diff(points, axis=0)[same]


def _cut(start: Floats, step: Floats, longest: float) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Cut segments into equal pieces no longer than ``longest`` metres: starts, steps and their segments."""
    length = np.hypot(*step.T)
    pieces = np.maximum(np.ceil(length / max(longest, length.sum() / _MOST_POINTS)), 1).astype(np.intp)
    segment = np.repeat(np.arange(len(start)), pieces)
    number = np.arange(len(segment)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    short = (step / pieces[:, None])[segment]
    return start[segment] + number[:, None] * short, short, segment


def fault_distance(lines: Shapes, grid: "GeoBox") -> NDArray[np.float32]:
    """Measure the distance from each pixel centre to the nearest line.

    It is exact, not taken from a picture of the lines: the distance to the segments that own the nearest
    dots of a dotted copy, proved by a bound on all others; without that proof, from a tree of all segments.

    Parameters
    ----------
    lines
        Lines or multilines in the grid's CRS; empty ones do not count, those outside the grid do.

    Returns
    -------
    float32 (row, col), metres.

    Raises
    ------
    UsageError
        Where the CRS of lines and grid differ, and for rotated grids.
    DataError
        Where there is no line, or something else than lines.

    Examples
    --------
    >>> from gossan.grid import make_grid
    >>> from shapely import LineString
    >>> fault_distance([LineString([(5, 5), (5, 50)])], make_grid((0, 0, 30, 10), 10, "EPSG:32649"))
    array([[ 0., 10., 20.]], dtype=float32)
    """
    from scipy.spatial import cKDTree

    west, south, east, north = region_of(grid)
    middle = np.array([(west + east) / 2, (south + north) / 2])
    start, step = _segments(lines, grid)
    start -= middle
    dots, gap, segment = _cut(start, step, resolution_of(grid))
    tree = cKDTree(np.vstack((dots, start + step)))
    owner = np.concatenate((segment, np.arange(len(start))))
    half = float(np.hypot(*gap.T).max()) / 2
    easting, northing = (axis - origin for axis, origin in zip(centres(grid), middle, strict=True))
    out = np.empty(grid.shape, dtype=np.float32)
    for rows, cols in tiles(grid.shape, _TILE):
        points = np.stack(np.broadcast_arrays(easting[cols], northing[rows, None]), axis=-1).reshape(-1, 2)
        to_dot, dot = tree.query(points, k=np.arange(1, min(_CANDIDATES, tree.n) + 1))
        distance = _segment_distance(points, start[owner[dot]], step[owner[dot]])
        # From the nearest point of a segment, at distance d, a dot is at most half a gap, h/2, along it, so
        # at most sqrt(d^2 + (h/2)^2) away. So a segment without a dot among the k nearest, the last of them
        # at d_k, is no nearer than sqrt(d_k^2 - (h/2)^2).
        unproved = distance**2 > np.asarray(to_dot)[:, -1] ** 2 - half**2
        if unproved.any() and tree.n > _CANDIDATES:
            distance[unproved] = _tree_distance(points[unproved], start, step)
        out[rows, cols] = distance.reshape(rows.stop - rows.start, -1)
    return out


def _segment_distance(points: Floats, start: Floats, step: Floats) -> Floats:
    """Return the distance of each point (n, 2) to the nearest of its own segments (n, k, 2)."""
    x, y = start[..., 0] - points[:, :1], start[..., 1] - points[:, 1:]
    dx, dy = step[..., 0], step[..., 1]
    share = np.clip(-(x * dx + y * dy) / np.maximum(dx**2 + dy**2, np.finfo(np.float64).tiny), 0, 1)
    return np.asarray(np.hypot(x + share * dx, y + share * dy).min(axis=1))


def _tree_distance(points: Floats, start: Floats, step: Floats) -> Floats:
    import shapely

    pieces: NDArray[np.object_] = np.asarray(shapely.linestrings(np.stack((start, start + step), axis=1)))
    tree = shapely.STRtree(pieces)
    _, distance = tree.query_nearest(shapely.points(points), return_distance=True, all_matches=False)
    return np.asarray(distance)


def fault_density(lines: Shapes, grid: "GeoBox", radius: float) -> NDArray[np.float32]:
    """Measure the length of line in a disc around each pixel centre, over the disc's area.

    The length inside the disc is computed from the lines, as a chord of each straight piece, so the only
    error is rounding; near the grid's edge the density is right if the lines go on outside.

    Parameters
    ----------
    lines
        Lines or multilines in the grid's CRS; empty ones do not count, those outside the grid do.
    radius
        Of the disc, metres, > 0.

    Returns
    -------
    float32 (row, col), metres per square kilometre, 0 where no line is near.

    Raises
    ------
    UsageError
        Where the radius is not positive, the CRS of lines and grid differ, and for rotated grids.
    DataError
        Where there is no line, or something else than lines.
    """
    if not (math.isfinite(radius) and radius > 0):
        raise UsageError(f"radius {radius} m given; it must be above 0: set another one")
    resolution_of(grid)
    start, step, _ = _cut(*_segments(lines, grid), 2 * radius)
    length = np.hypot(*step.T)
    easting, northing = centres(grid)
    first_col, last_col = _span(easting, start[:, 0], step[:, 0], radius)
    first_row, last_row = _span(northing, start[:, 1], step[:, 1], radius)
    total = np.zeros(grid.shape)
    for piece in np.flatnonzero((first_col < last_col) & (first_row < last_row) & (length > 0)):
        rows, cols = slice(first_row[piece], last_row[piece]), slice(first_col[piece], last_col[piece])
        x, y = easting[cols] - start[piece, 0], northing[rows, None] - start[piece, 1]
        east, north = step[piece] / length[piece]
        along, across = x * east + y * north, y * east - x * north
        half = np.sqrt(np.maximum(radius**2 - across**2, 0))
        chord = np.minimum(along + half, length[piece]) - np.maximum(along - half, 0)
        total[rows, cols] += np.maximum(chord, 0)
    return (total / (math.pi * radius**2 / 1e6)).astype(np.float32)


def _span(
    position: Floats, start: Floats, step: Floats, radius: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first and the last but one of the centres within a radius of each piece, along one axis."""
    low, high = np.minimum(start, start + step) - radius, np.maximum(start, start + step) + radius
    if position[0] > position[-1]:
        position, low, high = -position, -high, -low
    return np.searchsorted(position, low, side="left"), np.searchsorted(position, high, side="right")


def class_map(polygons: Shapes, codes: ArrayLike, grid: "GeoBox") -> NDArray[np.int16]:
    """Give each pixel the code of the polygon that holds its centre.

    Parameters
    ----------
    polygons
        n polygons or multipolygons in the grid's CRS; where they overlap the later one counts.
    codes
        (n,) whole numbers, 0 to 32767.

    Returns
    -------
    int16 (row, col), -1 where there is no polygon.

    Raises
    ------
    UsageError
        Where the codes do not fit the polygons, or the CRS of polygons and grid differ.
    DataError
        Where there is no polygon, or something else than polygons.
    """
    import shapely
    from rasterio.features import rasterize

    geometries, numbers = _geometries(polygons, grid, "Polygon"), np.asarray(codes)
    if numbers.shape != geometries.shape or numbers.dtype.kind not in "iu":
        raise UsageError(
            f"{numbers.dtype} codes {numbers.shape} given for {len(geometries)} polygons; an integer each"
        )
    if numbers.min() < 0 or numbers.max() > np.iinfo(np.int16).max:
        raise UsageError(
            f"codes {numbers.min()} to {numbers.max()} given; 0 to 32767 is allowed: number them anew"
        )
    here = ~(shapely.is_missing(geometries) | shapely.is_empty(geometries))
    burnt: NDArray[np.int16] = rasterize(
        zip(geometries[here], numbers[here].tolist(), strict=True),
        out_shape=tuple(grid.shape),
        transform=grid.affine,
        fill=-1,
        dtype="int16",
    )
    return burnt


def area_mask(polygons: Shapes, grid: "GeoBox") -> NDArray[np.bool_]:
    """Say which pixels have their centre in any of the polygons.

    Parameters
    ----------
    polygons
        Polygons or multipolygons in the grid's CRS.

    Returns
    -------
    bool (row, col).

    Raises
    ------
    UsageError
        Where the CRS of polygons and grid differ.
    DataError
        Where there is no polygon, or something else than polygons.
    """
    geometries = _geometries(polygons, grid, "Polygon")
    return class_map(list(geometries), np.zeros(len(geometries), dtype=np.int64), grid) >= 0


def resample(
    values: ArrayLike,
    source_grid: "GeoBox",
    grid: "GeoBox",
    kind: Literal["number", "class"],
    *,
    whole: "GeoBox | None" = None,
) -> NDArray[np.float32]:
    """Bring a raster onto another grid, of the same CRS or another one.

    Classes take the nearest pixel. Numbers are averaged where the pixels get larger and bilinear elsewhere;
    missing pixels have no weight.

    Parameters
    ----------
    values
        (row, col) on the source grid, NaN = missing.
    source_grid
        Any grid with a CRS: rotated and oblong ones too.
    whole
        The grid that ``grid`` is a part of, by which it is told whether pixels get larger; None: itself.

    Returns
    -------
    float32 (row, col), NaN where the source has nothing; the same numbers where the two grids are one.

    Raises
    ------
    UsageError
        Where the values do not fit the source grid, a CRS is missing or the kind is unknown.
    """
    from rasterio.enums import Resampling
    from rasterio.warp import reproject

    source = np.asarray(values, dtype=np.float32)
    if source.shape != tuple(source_grid.shape):
        raise UsageError(
            f"values {source.shape} given for a grid of {tuple(source_grid.shape)}; they must agree"
        )
    if kind not in ("number", "class"):
        raise UsageError(f"kind {kind!r} given; 'number' and 'class' are allowed")
    if source_grid == grid:
        return source.copy()
    if source_grid.crs is None or grid.crs is None:
        raise UsageError("a grid without CRS given; both need one: name it")
    larger = _pixel_ratio(source_grid, grid if whole is None else whole) > 1 + 1e-6
    out = np.full(grid.shape, np.nan, dtype=np.float32)
    reproject(
        source,
        out,
        src_transform=source_grid.affine,
        src_crs=source_grid.crs.to_wkt(),
        src_nodata=np.nan,
        dst_transform=grid.affine,
        dst_crs=grid.crs.to_wkt(),
        dst_nodata=np.nan,
        resampling=Resampling.nearest
        if kind == "class"
        else Resampling.average
        if larger
        else Resampling.bilinear,
        tolerance=0.01,  # of a pixel, where the CRS differ
    )
    return out


def _pixel_ratio(source_grid: "GeoBox", grid: "GeoBox") -> float:
    """Return how many times larger a pixel in the middle of the grid is than one of the source, as a side."""
    from pyproj import Transformer

    across = Transformer.from_crs(str(grid.crs), str(source_grid.crs), always_xy=True)
    to, source = grid.affine, source_grid.affine
    row, col = grid.shape[0] / 2 + np.array([0, 0, 1]), grid.shape[1] / 2 + np.array([0, 1, 0])
    x, y = across.transform(to.c + to.a * col + to.b * row, to.f + to.d * col + to.e * row)
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    return math.sqrt(abs(area / (source.a * source.e - source.b * source.d)))
