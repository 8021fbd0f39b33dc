"""The only opener of survey data, and the writer of every file of a run.

Inside, each module importing only from those before it: ``files``, ``crs``, ``places``,
``chemistry``, ``elements``, ``cells``, ``text``, ``rasters``, ``vectors``, ``tables``, ``rows``, ``where``,
``analyses``, ``points``, ``outputs``, ``made``.

Readers return what they read and a dictionary of counts that JSON can hold.
"""

from gossan.io.files import file_hash
from gossan.io.made import read_truth, write_survey
from gossan.io.outputs import (
    read_layers,
    read_stack,
    write_bands,
    write_bytes,
    write_csv,
    write_json,
    write_layers,
    write_prospectivity,
    write_stack,
)
from gossan.io.points import read_deposits, read_samples
from gossan.io.rasters import read_raster, read_raster_bands
from gossan.io.vectors import read_area, read_faults, read_geology

__all__ = [
    "file_hash",
    "read_area",
    "read_deposits",
    "read_faults",
    "read_geology",
    "read_layers",
    "read_raster",
    "read_raster_bands",
    "read_samples",
    "read_stack",
    "read_truth",
    "write_bands",
    "write_bytes",
    "write_csv",
    "write_json",
    "write_layers",
    "write_prospectivity",
    "write_stack",
    "write_survey",
]
