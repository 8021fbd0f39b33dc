"""Files that a run writes: rasters, GeoPackages, CSV and JSON, each put in place only when whole.

The same content always gives the same bytes.
"""

import json
import math
import shutil
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gossan.errors import DataError, UsageError
from gossan.grid import tiles
from gossan.hooks import in_memory
from gossan.io.files import file_kind, replacing
from gossan.io.rasters import grid_of, own_raster, thin_bands
from gossan.mapped import relieve
from gossan.survey import by_pixel, join_stack, make_stack

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import xarray as xr
    from odc.geo.geobox import GeoBox

__all__ = [
    "STYLES",
    "Band",
    "copied",
    "fixed_date",
    "read_layers",
    "read_stack",
    "thin_stack",
    "write_bands",
    "write_bytes",
    "write_csv",
    "write_json",
    "write_layers",
    "write_prospectivity",
    "write_stack",
]

#: A band of a raster: an array (row, col), or what gives a block of it for slices of rows and columns.
Band: TypeAlias = NDArray[Any] | Callable[[slice, slice], NDArray[np.float32]]

#: Side of the blocks that rasters are written in, pixels, and bytes that GDAL may keep of them.
_SIDE, _CACHE = 512, 64 << 20
#: Rows of a stack that are read at once: one row of its tiles.
_READ = 256
#: The clock that GeoPackages are written with.
_FIXED_DATE = "2023-01-01T00:00:00.000Z"
_CLASSES = "classes"
#: The table in which QGIS keeps the styles of a GeoPackage.
STYLES = "layer_styles"
#: What starts a formula or a call to a program, and what may stand before it unseen.
_FORMULA = ("=", "+", "-", "\u2212", "@", "|", "%")
_UNSEEN = "".join(map(chr, range(0x21))) + "\x7f\xa0\u200b\u200c\u200d\u2060\ufeff"


# ---- rasters


def write_stack(path: Path, stack: "xr.Dataset", *, between: Callable[[], None] = lambda: None) -> None:
    """Write the Stack: one named band a channel with its unit, and the classes last as float32 (NaN = none).

    Tiled, deflate, NaN where missing; the names of the classes are a tag of the file.

    Parameters
    ----------
    between
        As of `write_bands`.
    """
    from odc.geo.geobox import GeoBox
    from odc.geo.xr import ODCExtensionDs

    layers = stack["layers"].values
    bands: dict[str, Band] = {str(name): layers[n] for n, name in enumerate(stack["channel"].values)}
    units = [str(unit) for unit in stack["units"].values]
    tags = {"GOSSAN_CLASS_NAMES": json.dumps(list(stack.attrs.get("class_names", ())))}
    if _CLASSES in stack:
        if _CLASSES in bands:
            raise UsageError(f"a channel is called {_CLASSES!r}; that name is the geology's; rename it")
        classes = stack[_CLASSES].values
        bands[_CLASSES] = lambda rows, cols: np.where(
            classes[rows, cols] < 0, np.nan, classes[rows, cols]
        ).astype(np.float32)
        units.append("class")
    grid = ODCExtensionDs(stack).geobox
    if not isinstance(grid, GeoBox):
        raise UsageError("the stack has no grid; stacks of make_stack have one; make it anew")
    write_bands(path, grid, bands, units=units, tags=tags, cloud=False, between=between)


def read_stack(path: Path) -> "xr.Dataset":
    """Read a Stack back as ``make_stack`` makes it, on all cores and a strip at a time.

    Raises
    ------
    DataError
        The file is no stack.
    """
    import rasterio
    from rasterio.windows import Window

    with rasterio.Env(GDAL_NUM_THREADS="ALL_CPUS", GDAL_CACHEMAX=_CACHE), own_raster(path, "stack") as file:
        names = json.loads(file.tags().get("GOSSAN_CLASS_NAMES", "null"))
        if names is None or not all(file.descriptions):
            raise DataError(f"{path.name} is no stack of this package; give the stack.tif of a run")
        units = dict(zip(file.descriptions, (unit or "" for unit in file.units), strict=True))
        classed = units.pop(_CLASSES, None) is not None
        layers, valid = by_pixel(in_memory, len(units), file.shape), np.empty(file.shape, dtype=bool)
        classes = np.empty(file.shape, dtype=np.int16) if classed else None
        # for all strips: fresh memory costs time too
        memory = np.empty(file.count * _READ * file.width, dtype=np.float32)
        for rows, _ in tiles((file.height, 1), _READ):
            form = (file.count, rows.stop - rows.start, file.width)
            bands = memory[: math.prod(form)].reshape(form)
            file.read(out=bands, window=Window(0, rows.start, form[2], form[1]))
            valid[rows] = np.isfinite(bands[: len(units)]).any(axis=0)
            layers[:, rows] = bands[: len(units)]
            if not valid[rows].all():
                layers[:, rows].transpose(1, 2, 0)[~valid[rows]] = np.nan
            if classes is not None:
                classes[rows] = np.where(valid[rows] & ~np.isnan(bands[-1]), bands[-1], -1)
        return join_stack(grid_of(file), layers, valid, units, classes=classes, class_names=names)


def thin_stack(path: Path, most: int) -> "xr.Dataset":
    """Read every k-th pixel of a Stack, so that its longer side has at most ``most``, to be drawn.

    Returns
    -------
    As `read_stack`, on a coarser grid; ``attrs["class_counts"]`` holds the pixels of each class in the file.

    Raises
    ------
    DataError
        The file is no stack.
    """
    bands, grid, about = thin_bands(path, most, counted=_CLASSES)
    names = json.loads(about.tags.get("GOSSAN_CLASS_NAMES", "null"))
    if names is None or not all(about.names):
        raise DataError(f"{path.name} is no stack of this package; give the stack.tif of a run")
    classes = bands.pop(_CLASSES, None)
    numbers = None if classes is None else np.where(np.isnan(classes), -1, classes).astype(np.int16)
    stack = make_stack(grid, bands, about.units, classes=numbers, class_names=names)
    stack.attrs["class_counts"] = [about.counts.get(number, 0) for number in range(len(names))]
    return stack


def write_prospectivity(
    path: Path,
    grid: "GeoBox",
    score: Band | None,
    spread: Band | None,
    final: Band | None,
) -> None:
    """Write the map as a cloud-optimised GeoTIFF with the bands ``score``, ``spread`` and ``final``.

    Parameters
    ----------
    score, spread, final
        As of `write_bands`, NaN = not scored; None leaves the band empty.
    """
    bands = {"score": score, "spread": spread, "final": final}
    write_bands(path, grid, {name: _empty if band is None else band for name, band in bands.items()})


def _empty(rows: slice, cols: slice) -> NDArray[np.float32]:
    return np.full((rows.stop - rows.start, cols.stop - cols.start), np.nan, dtype=np.float32)


def write_bands(
    path: Path,
    grid: "GeoBox",
    bands: Mapping[str, Band],
    *,
    units: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    cloud: bool = True,
    between: Callable[[], None] = lambda: None,
) -> None:
    """Write named float32 bands on a grid, NaN = nodata, as a cloud-optimised or a plain tiled GeoTIFF.

    A block at a time: a cloud-optimised file is a copy of a tiled one, since writing it directly would take
    the whole raster into memory.

    Parameters
    ----------
    bands
        Each an array (row, col), in memory or in a file, or what gives float32 (rows, cols) for two slices.
    between
        Called before each block of a band; what it raises ends the writing, and no file is left.

    Raises
    ------
    UsageError
        A band does not have the grid's shape.
    """
    import rasterio
    from rasterio.shutil import copy

    shapes = {name: band.shape for name, band in bands.items() if isinstance(band, np.ndarray)}
    odd = [f"{name} {shape}" for name, shape in shapes.items() if shape != tuple(grid.shape)]
    if odd:
        raise UsageError(
            f"bands {', '.join(odd)} do not have the grid's shape {tuple(grid.shape)}; resample them"
        )
    with replacing(path) as temporary, rasterio.Env(GDAL_CACHEMAX=_CACHE):
        if not cloud:
            _write_tiles(temporary, grid, bands, units, tags or {}, between)
            return
        tiled = temporary.with_name(f"{temporary.name}.tiles")
        _write_tiles(tiled, grid, bands, units, tags or {}, between)
        look: dict[str, Any] = {"blocksize": _SIDE, "compress": "deflate", "bigtiff": "if_safer"}
        look["overview_resampling"] = "nearest"  # its own choice, cubic, makes up scores and mixes classes
        copy(tiled, temporary, driver="COG", **look)


def _write_tiles(
    path: Path,
    grid: "GeoBox",
    bands: Mapping[str, Band],
    units: Sequence[str],
    tags: Mapping[str, str],
    between: Callable[[], None],
) -> None:
    import rasterio
    from rasterio.windows import Window

    profile = {
        "driver": "GTiff",
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
        "interleave": "band",
        "height": grid.shape[0],
        "width": grid.shape[1],
        "count": len(bands),
        "dtype": "float32",
        "crs": str(grid.crs),
        "transform": grid.transform,
        "nodata": math.nan,
        "compress": "deflate",
        "predictor": 3,  # of floating-point numbers
        "zlevel": 1,  # the fastest: with the predictor, higher levels gain little
        "bigtiff": "if_safer",
    }
    with rasterio.open(path, "w", **profile) as file:
        file.update_tags(**tags)
        for rows, cols in tiles(grid.shape, _SIDE):  # all bands of a tile: they lie together in a stack
            for number, band in enumerate(bands.values(), 1):
                between()
                block = band[rows, cols] if isinstance(band, np.ndarray) else band(rows, cols)
                file.write(
                    block.astype(np.float32, copy=False), number, window=Window.from_slices(rows, cols)
                )
                relieve()
        for number, name in enumerate(bands, 1):
            file.set_band_description(number, name)
        if units:
            file.units = tuple(units)


# ---- vectors


def write_layers(path: Path, layers: Mapping[str, "gpd.GeoDataFrame"]) -> None:
    """Write a GeoPackage of one or more layers, in the order given."""
    import pyogrio

    with replacing(path) as temporary, _fixed_clock():
        for name, frame in layers.items():
            kinds = set(frame.geom_type.dropna())
            pyogrio.write_dataframe(
                frame,
                temporary,
                layer=name,
                driver="GPKG",
                geometry_type=None if kinds else "Unknown",
                promote_to_multi=len(kinds) > 1,
                append=temporary.exists(),
            )


def read_layers(path: Path) -> dict[str, "gpd.GeoDataFrame"]:
    """Read every layer of a GeoPackage by its name; the table of styles is none.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    import pyogrio

    file_kind(path, "layers", ("vector",))
    try:
        names = [str(name) for name, _ in pyogrio.list_layers(path) if name != STYLES]
        return {name: pyogrio.read_dataframe(path, layer=name) for name in names}
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise DataError(f"{path.name} cannot be read: {' '.join(str(error).split())}") from error


@contextmanager
def copied(path: Path) -> Iterator[Path]:
    """Yield a copy of a file that is to be changed, and put it in its place when all went well."""
    with replacing(path) as temporary:
        shutil.copyfile(path, temporary)
        yield temporary


def fixed_date() -> str:
    """Return the date that stands in GeoPackages."""
    return _FIXED_DATE


@contextmanager
def _fixed_clock() -> Iterator[None]:
    import pyogrio

    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _FIXED_DATE})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


# ---- text


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write a table; text that a spreadsheet would run as a formula gets an apostrophe before it."""
    import pandas as pd

    safe = table.copy()
    for column in safe.columns:
        if not (pd.api.types.is_numeric_dtype(safe[column]) or pd.api.types.is_bool_dtype(safe[column])):
            safe[column] = safe[column].map(_harmless)
    safe.columns = [_harmless(name) for name in safe.columns]
    with replacing(path) as temporary:
        safe.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON: ``"format": 1`` first, then keys in order; what is not finite becomes null."""
    ordered = {"format": content.get("format", 1)} | {
        name: value for name, value in _plain(content).items() if name != "format"
    }
    text = json.dumps(ordered, indent=2, ensure_ascii=False, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _harmless(value: Any) -> Any:
    """Guard text that begins like a formula, as any spreadsheet takes it; a plain number does nothing."""
    if not isinstance(value, str):
        return value
    if value[:1] in ("\t", "\r"):
        return "'" + value
    bare = unicodedata.normalize("NFKC", value).lstrip(_UNSEEN)
    if not bare.startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return "'" + value
    return value


def _plain(value: Any) -> Any:
    """Turn a value into what JSON knows; keys of mappings in order."""
    if isinstance(value, Mapping):
        return {key: _plain(value[name]) for key, name in sorted((str(name), name) for name in value)}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(one) for one in value)
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Path):
        return value.as_posix()
    if type(value).__name__ in ("NAType", "NaTType"):  # the missing values of pandas
        return None
    raise UsageError(
        f"{type(value).__name__} cannot be written as JSON; use numbers, text, lists and mappings"
    )
