"""The only opener of survey data, and the writer of every file of a run.

Inside, each module importing only from those before it: ``files``, ``crs``, ``places``,
``chemistry``, ``elements``, ``decimals``, ``cells``, ``degrees``, ``text``, ``rasters``, ``exchange``,
``vectors``, ``land``, ``tables``, ``rows``, ``where``, ``analyses``, ``points``, ``outputs``, ``strips``,
``gpx``, ``styles``, ``qgis``, ``made``, ``webtiles``.

Readers return what they read and a dictionary of counts that JSON can hold.
"""

from gossan.io.files import file_hash, is_there
from gossan.io.gpx import write_gpx
from gossan.io.land import read_exclude, read_tenure
from gossan.io.made import read_truth, write_survey
from gossan.io.outputs import (
    Band,
    read_layers,
    read_stack,
    thin_stack,
    write_bands,
    write_bytes,
    write_csv,
    write_json,
    write_layers,
    write_prospectivity,
    write_stack,
)
from gossan.io.points import read_deposits, read_samples
from gossan.io.qgis import MapLayer, write_layer_styles, write_project, write_style
from gossan.io.rasters import read_raster, read_raster_bands, thin_bands
from gossan.io.strips import write_strips
from gossan.io.styles import Label, RasterStyle, Stop, Symbol, VectorStyle
from gossan.io.vectors import read_area, read_faults, read_geology
from gossan.io.webtiles import RasterHead, raster_head, read_tile, thin_copy

__all__ = [
    "Band",
    "Label",
    "MapLayer",
    "RasterHead",
    "RasterStyle",
    "Stop",
    "Symbol",
    "VectorStyle",
    "file_hash",
    "is_there",
    "raster_head",
    "read_area",
    "read_deposits",
    "read_exclude",
    "read_faults",
    "read_geology",
    "read_layers",
    "read_raster",
    "read_raster_bands",
    "read_samples",
    "read_stack",
    "read_tenure",
    "read_tile",
    "read_truth",
    "thin_bands",
    "thin_copy",
    "thin_stack",
    "write_bands",
    "write_bytes",
    "write_csv",
    "write_gpx",
    "write_json",
    "write_layer_styles",
    "write_layers",
    "write_project",
    "write_prospectivity",
    "write_stack",
    "write_strips",
    "write_style",
    "write_survey",
]
