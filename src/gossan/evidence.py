"""Evidence layers on a grid: distance to faults, their density, geological classes, further rasters (S3)."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan._nest import DensityNest, DistanceNest, Nest
from gossan.errors import DataError, UsageError
from gossan.grid import resolution_of, to_pixel

if TYPE_CHECKING:
    import geopandas as gpd
    from odc.geo.geobox import GeoBox
    from shapely.geometry.base import BaseGeometry

__all__ = [
    "ClassMap",
    "FaultDensity",
    "FaultDistance",
    "area_mask",
    "class_map",
    "fault_density",
    "fault_distance",
    "resample",
]

Floats = NDArray[np.float64]
Shapes: TypeAlias = "gpd.GeoDataFrame | gpd.GeoSeries | Iterable[BaseGeometry | None]"


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
    """Take lines apart into straight segments: their ends, (n, 2) each, rows and columns in pixels."""
    import shapely

    parts = shapely.get_parts(_geometries(lines, grid, "Line"))
    points, part = shapely.get_coordinates(parts, return_index=True)
    if not np.isfinite(points).all():
        raise DataError("lines with coordinates that are not finite given: repair the file")
    pixels, same = to_pixel(grid, points), part[1:] == part[:-1]
    return pixels[:-1][same], pixels[1:][same]


class _Faults:
    """Segments of lines on a grid, asked block by block."""

    def __init__(self, grid: "GeoBox", nest: Nest) -> None:
        self._grid, self._nest = grid, nest

    def block(self, rows: slice, cols: slice) -> NDArray[np.float32]:
        """Return one tile of the map, float32 (row, col).

        Parameters
        ----------
        rows, cols
            Of the grid. The result is the same to the bit however the map is cut.

        Raises
        ------
        UsageError
            Where the block is empty, reaches over the map or has a step.
        """
        return self._nest.block(*_within(rows, cols, self._grid))


def _within(rows: slice, cols: slice, grid: "GeoBox") -> tuple[slice, slice]:
    """Return the slices of a block with their ends filled in."""
    found = []
    for part, size in zip((rows, cols), grid.shape, strict=True):
        start, stop = part.start or 0, int(size) if part.stop is None else part.stop
        if part.step not in (None, 1) or not 0 <= start < stop <= size:
            raise UsageError(
                f"block {rows}, {cols} given for a map of {grid.shape[0]} x {grid.shape[1]} px; it must lie "
                "inside, not be empty and have no step: change the slices"
            )
        found.append(slice(start, stop))
    return found[0], found[1]


class FaultDistance(_Faults):
    """Distance from pixel centres to the nearest line, block by block; `fault_distance` is all of it.

    Examples
    --------
    >>> from gossan.grid import make_grid
    >>> from shapely import LineString
    >>> grid = make_grid((0, 0, 30, 10), 10, "EPSG:32649")
    >>> FaultDistance([LineString([(5, 5), (5, 50)])], grid).block(slice(0, 1), slice(1, 3))
    array([[10., 20.]], dtype=float32)
    """

    def __init__(self, lines: Shapes, grid: "GeoBox") -> None:
        resolution = resolution_of(grid)
        super().__init__(grid, DistanceNest(*_segments(lines, grid), scale=resolution))


class FaultDensity(_Faults):
    """Length of line in a disc around pixel centres, block by block; `fault_density` is all of it."""

    def __init__(self, lines: Shapes, grid: "GeoBox", radius: float) -> None:
        if not (math.isfinite(radius) and radius > 0):
            raise UsageError(f"radius {radius} m given; it must be above 0: set another one")
        resolution = resolution_of(grid)
        per_area = resolution / (math.pi * radius**2 / 1e6)
        super().__init__(grid, DensityNest(*_segments(lines, grid), radius / resolution, scale=per_area))


def fault_distance(lines: Shapes, grid: "GeoBox") -> NDArray[np.float32]:
    """Measure the distance from each pixel centre to the nearest line.

    It is exact, not taken from a picture of the lines: nested tiles keep every segment that can be nearest
    to one of their pixels, and each pixel is held against those of its tile of 8 px. What is left is the
    rounding of float32 (relative to the distance, or to 10 pixels where it is less).

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
    return FaultDistance(lines, grid).block(slice(None), slice(None))


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
    return FaultDensity(lines, grid, radius).block(slice(None), slice(None))


class ClassMap:
    """Codes of polygons at pixel centres, block by block; `class_map` is all of it.

    Parameters
    ----------
    polygons
        n polygons or multipolygons in the grid's CRS; where they overlap the later one counts.
    codes
        (n,) whole numbers, 0 to 32767.

    Raises
    ------
    UsageError
        Where the codes do not fit the polygons, or the CRS of polygons and grid differ.
    DataError
        Where there is no polygon, or something else than polygons.
    """

    def __init__(self, polygons: Shapes, codes: ArrayLike, grid: "GeoBox") -> None:
        import shapely

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
        self._grid, self._shapes, self._codes = grid, geometries[here], numbers[here]
        self._tree = shapely.STRtree(self._shapes)

    def block(self, rows: slice, cols: slice) -> NDArray[np.int16]:
        """Return one tile of the map, int16 (row, col), -1 where there is no polygon.

        It is that part of the whole map; only where an edge goes through a pixel's centre to the last digit
        may the side depend on how the map is cut.

        Raises
        ------
        UsageError
            Where the block is empty, reaches over the map or has a step.
        """
        from rasterio.features import rasterize
        from shapely import box

        here = self._grid[_within(rows, cols, self._grid)]
        extent = here.extent.boundingbox
        near = np.sort(self._tree.query(box(extent.left, extent.bottom, extent.right, extent.top)))
        if not len(near):
            return np.full(tuple(here.shape), -1, dtype=np.int16)
        burnt: NDArray[np.int16] = rasterize(
            zip(self._shapes[near], self._codes[near].tolist(), strict=True),
            out_shape=tuple(here.shape),
            transform=here.affine,
            fill=-1,
            dtype="int16",
        )
        return burnt


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
    return ClassMap(polygons, codes, grid).block(slice(None), slice(None))


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
