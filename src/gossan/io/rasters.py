"""Rasters: further evidence layers, each on its own grid, and bands written by this package."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan import mapped
from gossan.errors import DataError, UsageError
from gossan.grid import tiles
from gossan.hooks import in_memory
from gossan.io.crs import choose_crs, plain_crs
from gossan.io.files import check_content, driver_of, file_kind
from gossan.survey import Layer, RasterSource

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["About", "band_names", "grid_of", "own_raster", "read_raster", "read_raster_bands", "thin_bands"]

_MOST_PIXELS = 500_000_000  # 2 GB as float32: more is a mistake or needs cutting first
#: Pixels from which a raster is kept in a file.
_LARGE = 1 << 25
#: Rows that are read at once, and bytes that GDAL may keep of a file.
_STRIP, _CACHE = 512, 64 << 20
_MOST_CLASS = 2**24  # whole numbers up to here are exact in float32
_ABSURD = 1e30  # undeclared nodata of many programs is -1.7e308, -3.4e38 or 1e31


def read_raster(
    path: Path, source: RasterSource, crs: Any, *, what: str = "rasters"
) -> tuple[Layer, dict[str, Any]]:
    """Read one band on its own grid, a strip at a time; a large one is kept in a file, not in memory.

    Nodata compares equal in the band's own type, so a valid value beside it stays. Values beyond 1e30
    are taken for undeclared nodata. Scale and offset of the band are applied.

    Returns
    -------
    The layer, in the CRS it is stored in, and the counts.

    Raises
    ------
    UsageError
        There is no such band.
    DataError
        The file cannot be read, has no position, holds no value, or is too large; or a class raster
        holds numbers that are not whole or beyond 16,777,216.
    """
    import rasterio

    file_kind(path, what, ("raster",))
    check_content(path, what)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with rasterio.open(path, driver=driver_of(path)) as file:
                layer, counts = _read_band(file, path, source, what)
                grid, told = _grid(file, path, source.crs, crs, what)
                unit = file.units[source.band - 1] or ""
    except rasterio.errors.RasterioError as error:
        said = " ".join(str(error.__cause__ or error).split())
        raise DataError(f"{what} file {path.name} cannot be read: {said}; repair or re-export it") from error
    return Layer(counts["name"], layer, grid, source.kind, unit), {**counts, **told}


@contextmanager
def own_raster(path: Path, what: str = "raster") -> Iterator[Any]:
    """Open a raster of this package to read; what rasterio cannot do with it is said to be the file's fault.

    Raises
    ------
    MissingFileError
        There is no such file.
    UsageError
        Its ending is no raster's.
    DataError
        The file cannot be read.
    """
    import rasterio

    file_kind(path, what, ("raster",))
    try:
        with rasterio.open(path) as file:
            yield file
    except rasterio.errors.RasterioError as error:
        said = " ".join(str(error.__cause__ or error).split())
        raise DataError(f"{path.name} cannot be read: {said}; run again to write it anew") from error


def read_raster_bands(path: Path) -> tuple[dict[str, NDArray[np.float32]], "GeoBox"]:
    """Read every band of a raster of this package by its name, with its grid; raises as `own_raster`."""
    with own_raster(path) as file:
        return {name: file.read(n) for n, name in enumerate(band_names(file), 1)}, grid_of(file)


def band_names(file: Any) -> tuple[str, ...]:
    """Names of the bands of an open raster in order, by number where they have none."""
    return tuple(name or f"band {n}" for n, name in enumerate(file.descriptions, 1))


@dataclass(frozen=True)
class About:
    """What a raster says of its bands: names and units in order, tags, and counts of one band's numbers."""

    names: tuple[str | None, ...]
    units: dict[str, str]
    tags: dict[str, str]
    counts: dict[int, int]


def thin_bands(
    path: Path, most: int, *, counted: str | None = None, only: int | None = None
) -> tuple[dict[str, NDArray[np.float32]], "GeoBox", About]:
    """Read every k-th pixel of a raster of this package, a strip at a time.

    Parameters
    ----------
    most
        Pixels that the longer side may have, >= 1.
    counted
        Band of whole numbers, 0 and more, of which all pixels are counted.
    only
        Number of the one band to read, from 1; all without it.

    Returns
    -------
    The bands by name, their grid, and what the file says of them.

    Raises
    ------
    As `own_raster`.
    """
    import rasterio
    from affine import Affine
    from odc.geo.geobox import GeoBox

    with rasterio.Env(GDAL_CACHEMAX=_CACHE), own_raster(path) as file:
        grid = grid_of(file)
        step = max(1, math.ceil(max(file.shape) / most))
        names = band_names(file)
        counts: dict[int, int] = {}
        bands = {
            name: _thinned(file, n, step, counts if name == counted else None)
            for n, name in enumerate(names, 1)
            if only in (None, n)
        }
        units = dict(zip(names, (unit or "" for unit in file.units), strict=True))
        about = About(file.descriptions, units, file.tags(), counts)
    shape = next(iter(bands.values())).shape
    return bands, GeoBox(shape, grid.affine * Affine.scale(step), grid.crs), about


def _thinned(file: Any, band: int, step: int, counts: dict[int, int] | None) -> NDArray[np.float32]:
    """Keep the pixels that `gossan.plots` keeps: from half a step on, one a step."""
    from rasterio.windows import Window

    kept = []
    for rows, _ in tiles((file.height, 1), _STRIP):
        strip = file.read(band, window=Window(0, rows.start, file.width, rows.stop - rows.start))
        kept.append(
            strip[(step // 2 - rows.start) % step :: step, step // 2 :: step].copy()
        )  # frees the rest
        if counts is not None:
            for number, many in zip(*np.unique(strip[strip >= 0], return_counts=True), strict=True):
                counts[int(number)] = counts.get(int(number), 0) + int(many)
    return np.concatenate(kept)


def grid_of(file: Any) -> "GeoBox":
    """Grid of an open raster, its CRS by number where it has one, so that equal grids compare equal."""
    from odc.geo.geobox import GeoBox

    if file.crs is None:
        raise DataError(f"{Path(file.name).name} has no CRS; a raster of this package has one; write it anew")
    return GeoBox((file.height, file.width), file.transform, plain_crs(file.crs.to_wkt()))


def _read_band(
    file: Any, path: Path, source: RasterSource, what: str
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Read the values, NaN where there are none, and count."""
    _check_band(file, path, source.band, what)
    name = source.name or path.stem
    layer: NDArray[np.float32] = (mapped.scratch if file.width * file.height > _LARGE else in_memory)(
        (file.height, file.width), np.float32
    )
    gone = odd = 0
    for rows, _ in tiles((file.height, 1), _STRIP):
        values, missing = _read_rows(file, source.band, rows)
        layer[rows] = np.where(missing, np.nan, values)
        gone += int(missing.sum())
        odd += _count_odd(values[~missing]) if source.kind == "class" else 0
        mapped.relieve()
    if gone == layer.size:
        raise DataError(
            f"{what} layer {name!r} has no value in any pixel; one at least is needed; leave it out"
        )
    if odd:
        raise DataError(
            f"class raster {name!r} has {odd} pixels that are no whole numbers up to {_MOST_CLASS:,}; "
            "classes are such numbers; say kind = 'number' or re-export it"
        )
    return layer, {"name": name, "band": source.band, "pixels": layer.size, "missing": gone}


def _check_band(file: Any, path: Path, band: int, what: str) -> None:
    if not 1 <= band <= file.count:
        raise UsageError(f"{what} file {path.name} has no band {band}; it has 1 to {file.count}; correct it")
    if file.width * file.height > _MOST_PIXELS:
        raise DataError(
            f"{what} file {path.name} has {file.width} x {file.height} pixels; at most {_MOST_PIXELS:,} are "
            "read; cut it to the area or make it coarser"
        )
    if "complex" in file.dtypes[band - 1]:
        raise DataError(
            f"{what} file {path.name} holds complex numbers; real ones are allowed; export one part"
        )


def _read_rows(file: Any, band: int, rows: slice) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read values, and where there are none."""
    from rasterio.windows import Window

    strip = Window(0, rows.start, file.width, rows.stop - rows.start)
    values = file.read(band, window=strip)
    with np.errstate(over="ignore", invalid="ignore"):
        missing = np.zeros(values.shape, dtype=bool)
        if np.issubdtype(values.dtype, np.floating):
            missing |= ~(np.abs(values) < _ABSURD)
        nodata = file.nodatavals[band - 1]
        if nodata is not None and np.isfinite(nodata):
            missing |= (
                values == np.float64(nodata).astype(values.dtype) if _fits(nodata, values.dtype) else False
            )
    flags = {flag.name for flag in file.mask_flag_enums[band - 1]}
    if flags & {"per_dataset", "alpha"}:
        missing |= file.read_masks(band, window=strip) == 0
    scale, offset = file.scales[band - 1], file.offsets[band - 1]
    return (values if (scale, offset) == (1, 0) else values * scale + offset), missing


def _fits(nodata: float, dtype: np.dtype[Any]) -> bool:
    """Whether a band of this type can hold the nodata value at all."""
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return bool(float(nodata).is_integer() and limits.min <= nodata <= limits.max)
    return True


def _grid(
    file: Any, path: Path, given: str | None, project: Any, what: str
) -> tuple["GeoBox", dict[str, str]]:
    from odc.geo.geobox import GeoBox

    if file.transform.is_identity:
        raise DataError(
            f"{what} file {path.name} has no position; a georeferenced raster is needed; re-export it"
        )
    crs, told = choose_crs(file.crs and file.crs.to_wkt(), given, project, what)
    return GeoBox((file.height, file.width), file.transform, plain_crs(crs)), told


def _count_odd(values: NDArray[Any]) -> int:
    """Count the values that are no class number."""
    return int(np.count_nonzero((values != np.rint(values)) | (np.abs(values) > _MOST_CLASS)))
