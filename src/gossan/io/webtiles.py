"""Tiles of a raster for a browser's map: squares of 256 px in Web Mercator, read when they are asked for.

Only the pixels beneath a tile are read, from the overview that is just fine enough, so that a tile costs the
same whatever the size of the map. Pixels are the nearest ones, no value is made up and classes stay classes;
where they lie is right to an eighth of a pixel, as GDAL warps.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.grid import tiles
from gossan.io.rasters import band_names, grid_of, own_raster

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["TILE", "RasterHead", "raster_head", "read_tile", "thin_copy", "tile_bounds"]

#: Pixels along a side of a tile.
TILE = 256
#: Web Mercator, and half the length of the equator in it, metres.
_WEB = "EPSG:3857"
_HALF = 20037508.342789244
#: Pixels along the longer side from which a file without overviews gets a thinner copy, and how thin it is.
_LARGE, _STEP = 2048, 4
#: Rows that are read at once, and bytes that GDAL may keep of files, or have in hand while it warps (MB).
_STRIP, _CACHE, _WARP = 512, 64 << 20, 64

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class RasterHead:
    """What a raster says of itself, without its pixels: bands and units in order, tags, and its grid.

    ``bare`` is true of a large file without overviews, of which every tile of the whole map would read all.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    tags: dict[str, str]
    grid: "GeoBox"
    bare: bool


def raster_head(path: Path) -> RasterHead:
    """Read what a raster of this package says of itself; raises as `gossan.io.rasters.own_raster`."""
    with own_raster(path) as file:
        units = tuple(unit or "" for unit in file.units)
        bare = max(file.shape) > _LARGE and not file.overviews(1)
        return RasterHead(band_names(file), units, file.tags(), grid_of(file), bare)


def thin_copy(path: Path, band: int, out: Path) -> None:
    """Write every fourth pixel of one band of a file without overviews, with overviews, a strip at a time.

    Raises
    ------
    DataError
        The file cannot be read, or the copy not be written.
    """
    import rasterio
    from affine import Affine
    from rasterio.windows import Window

    with rasterio.Env(GDAL_CACHEMAX=_CACHE), own_raster(path) as file:
        first = _STEP // 2
        shape = tuple(math.ceil((side - first) / _STEP) for side in file.shape)
        profile: dict[str, Any] = {
            "driver": "GTiff",
            "tiled": True,
            "height": shape[0],
            "width": shape[1],
            "count": 1,
            "dtype": "float32",
            "crs": file.crs,
            "transform": file.transform * Affine.scale(_STEP),
            "nodata": math.nan,
            "compress": "deflate",
            "zlevel": 1,
        }
        with rasterio.open(out, "w", **profile) as copy:
            for rows, _ in tiles((file.height, 1), _STRIP):  # strips are multiples of the step
                strip = file.read(band, window=Window(0, rows.start, file.width, rows.stop - rows.start))
                kept = strip[first::_STEP, first::_STEP].astype(np.float32)
                copy.write(kept, 1, window=Window(0, rows.start // _STEP, *kept.shape[::-1]))
            halves = range(1, max(2, math.ceil(math.log2(max(shape) / TILE)) + 1))
            copy.build_overviews([2**half for half in halves], rasterio.enums.Resampling.nearest)


def tile_bounds(zoom: int, x: int, y: int) -> tuple[float, float, float, float]:
    """Return west, south, east, north of a tile, metres of Web Mercator; y counts from the north.

    >>> tile_bounds(1, 1, 0)
    (0.0, 0.0, 20037508.34, 20037508.34)
    """
    side = 2 * _HALF / 2**zoom
    return x * side - _HALF, _HALF - (y + 1) * side, (x + 1) * side - _HALF, _HALF - y * side


def read_tile(files: Sequence[tuple[Path, int]], zoom: int, x: int, y: int) -> Floats | None:
    """Read a tile of a band.

    Parameters
    ----------
    files
        The file and its band, counted from 1, and thinner copies of it in other files, if there are.
    zoom, x, y
        Of the tile: 2^zoom of them lie side by side, counted from the north-west corner of the world.

    Returns
    -------
    Values (256, 256), NaN where there are none; None for a tile that lies off the map.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    import rasterio

    with rasterio.Env(GDAL_CACHEMAX=_CACHE), own_raster(files[0][0]) as file:
        part = _part(file, tile_bounds(zoom, x, y))
        if part is None:
            return None
        wanted = _pixel(file, part.bounds, (part.cols, part.rows))
        values = np.full((TILE, TILE), np.nan, dtype=np.float32)
        values[part.rows, part.cols] = _warped(files, part, wanted)
        return values


@dataclass(frozen=True)
class _Part:
    """The pixels of a tile under which the map can lie, and their bounds in Web Mercator."""

    rows: slice
    cols: slice
    bounds: tuple[float, float, float, float]


def _part(file: Any, tile: tuple[float, float, float, float]) -> _Part | None:
    """Cut a tile to the map: far off it, a projection may have no answer, or a wrong one."""
    from rasterio.warp import transform_bounds

    west, south, east, north = transform_bounds(file.crs, _WEB, *file.bounds, densify_pts=65)
    pixel = (tile[2] - tile[0]) / TILE
    left, right = (west - tile[0]) / pixel, (east - tile[0]) / pixel
    top, bottom = (tile[3] - north) / pixel, (tile[3] - south) / pixel
    cols = slice(max(0, math.floor(left)), min(TILE, math.ceil(right)))
    rows = slice(max(0, math.floor(top)), min(TILE, math.ceil(bottom)))
    if cols.start >= cols.stop or rows.start >= rows.stop:
        return None
    west, east = tile[0] + cols.start * pixel, tile[0] + cols.stop * pixel
    north, south = tile[3] - rows.start * pixel, tile[3] - rows.stop * pixel
    return _Part(rows, cols, (west, south, east, north))


def _pixel(file: Any, bounds: tuple[float, float, float, float], part: tuple[slice, slice]) -> float:
    """Return the side of a tile's pixel on the ground, in the units of the file's CRS."""
    from rasterio.warp import transform_bounds

    west, south, east, north = transform_bounds(_WEB, file.crs, *bounds)
    cols, rows = (each.stop - each.start for each in part)
    return float(min((east - west) / cols, (north - south) / rows))


def _warped(files: Sequence[tuple[Path, int]], part: _Part, wanted: float) -> Floats:
    """Return a part of a tile, from the coarsest pixels that are no larger than its own."""
    import rasterio
    from rasterio.enums import Resampling
    from rasterio.io import MemoryFile
    from rasterio.transform import from_bounds
    from rasterio.warp import reproject

    path, band, level = _finest_needed(files, wanted)
    options: dict[str, Any] = {} if level is None else {"overview_level": level}
    height, width = (each.stop - each.start for each in (part.rows, part.cols))
    profile: dict[str, Any] = {
        "driver": "MEM",
        "height": height,
        "width": width,
        "count": 1,
        "dtype": "float32",
        "crs": _WEB,
        "transform": from_bounds(*part.bounds, width, height),
        "nodata": math.nan,
    }
    # Not into an array: for one, rasterio silences warnings meanwhile, of all threads, and two tiles at once
    # then leave them silenced for good, or let one through. Not through a WarpedVRT, which warps all bands.
    with rasterio.open(path, **options) as file, MemoryFile() as memory, memory.open(**profile) as out:
        source, goal = rasterio.band(file, band), rasterio.band(out, 1)
        reproject(source, goal, src_nodata=math.nan, resampling=Resampling.nearest, warp_mem_limit=_WARP)
        return np.asarray(out.read(1), dtype=np.float32)


def _finest_needed(files: Sequence[tuple[Path, int]], wanted: float) -> tuple[Path, int, int | None]:
    """Return file, band and overview (None: the file itself) with the coarsest pixels up to ``wanted``."""
    import rasterio

    best = -1.0
    chosen: tuple[Path, int, int | None] = (*files[0], None)
    for path, band in files:
        with rasterio.open(path) as file:
            side = float(max(file.res))
            sides = [side, *(side * factor for factor in file.overviews(band))]
        for number, each in enumerate(sides):
            if best < each <= wanted:
                best, chosen = each, (path, band, number - 1 if number else None)
    return chosen
