"""A raster written strip by strip: no more of it is in memory than one strip."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.errors import UsageError
from gossan.io.files import replacing

if TYPE_CHECKING:
    from odc.geo.geobox import GeoBox

__all__ = ["write_strips"]


def write_strips(
    path: Path,
    grid: "GeoBox",
    names: Sequence[str],
    strips: Iterable[Sequence[NDArray[np.floating[Any]]]],
    *,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write named float32 bands as a tiled GeoTIFF, NaN = nodata, from the north to the south.

    Parameters
    ----------
    strips
        Each one array (rows, col) for every band; together they are as high as the grid.

    Raises
    ------
    UsageError
        The strips are not as wide, or together not as high, as the grid.
    """
    import rasterio
    from rasterio.windows import Window

    rows, cols = grid.shape
    profile = {
        "driver": "GTiff",
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
        "interleave": "band",
        "height": rows,
        "width": cols,
        "count": len(names),
        "dtype": "float32",
        "crs": str(grid.crs),
        "transform": grid.transform,
        "nodata": math.nan,
        "compress": "deflate",
        "bigtiff": "if_safer",
    }
    done = 0
    with replacing(path) as temporary, rasterio.open(temporary, "w", **profile) as file:
        file.update_tags(**(tags or {}))
        for strip in strips:
            high = len(strip[0])
            _check_strip(strip, (min(high, rows - done), cols), len(names))
            if high:
                values = np.stack([np.asarray(band, dtype=np.float32) for band in strip])
                file.write(values, window=Window(0, done, cols, high))
            done += high
        if done != rows:
            raise UsageError(f"strips of {done} rows given for a grid of {rows}; give all of them")
        for number, name in enumerate(names, 1):
            file.set_band_description(number, name)


def _check_strip(strip: Sequence[NDArray[Any]], shape: tuple[int, int], bands: int) -> None:
    if len(strip) != bands or any(band.shape != shape for band in strip):
        raise UsageError(
            f"a strip of shapes {[band.shape for band in strip]} given; {bands} bands of {shape[1]} columns "
            "within the grid are needed: cut them from the same grid"
        )
