"""Pixels around windows and tiles, read where they lie on the map and missing where they do not."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gossan.windows import gather

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["gather_around", "gather_region"]


def gather_around(
    stack: "xr.Dataset", windows: "pd.DataFrame", halo: int, *, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Read windows with the pixels around them.

    Parameters
    ----------
    windows
        Any rows of `gossan.windows.cut_windows`, all of one size.
    halo
        Pixels on every side of a window, 0 or more.
    out
        As of `gossan.windows.gather`; without effect where a window reaches over the map.

    Returns
    -------
    (window, channel, size + 2 halo, size + 2 halo), as `gossan.windows.gather` gives them; NaN off the map.
    """
    if not halo:
        return gather(stack, windows, out=out)
    row, col = (windows[name].to_numpy(dtype=np.int64) - halo for name in ("row", "col"))
    side = int(windows["size"].iloc[0]) + 2 * halo if len(windows) else 0
    layers = stack["layers"].data
    rows, cols = layers.shape[1:]
    inside = (row >= 0) & (col >= 0) & (row <= rows - side) & (col <= cols - side)
    wide = windows.assign(row=row, col=col, size=side)
    if inside.all():
        return gather(stack, wide, out=out)
    classes = stack["classes"].data if "classes" in stack else None
    batch = np.empty((len(row), len(layers) + (classes is not None), side, side), dtype=np.float32)
    if inside.any():
        batch[inside] = gather(stack, wide[inside])
    down, across = (first[~inside, None] + np.arange(side) for first in (row, col))
    there = ((down >= 0) & (down < rows))[:, :, None] & ((across >= 0) & (across < cols))[:, None]
    place = (np.clip(down, 0, rows - 1)[:, :, None], np.clip(across, 0, cols - 1)[:, None])
    for channel, layer in enumerate(layers):
        batch[~inside, channel] = np.where(there, layer[place], np.float32(np.nan))
    if classes is not None:
        found = classes[place]
        batch[~inside, -1] = np.where(there & (found >= 0), found, np.float32(np.nan))
    return batch


def gather_region(stack: "xr.Dataset", rows: slice, cols: slice) -> NDArray[np.float32]:
    """Read one rectangle, which may reach over the map.

    Parameters
    ----------
    rows, cols
        First pixel and the one behind the last, below 0 or past the map's end where it reaches over.

    Returns
    -------
    (1, channel, rows, cols), as `gossan.windows.gather` gives them; NaN off the map.
    """
    layers = stack["layers"].data
    classes = stack["classes"].data if "classes" in stack else None
    shape = (1, len(layers) + (classes is not None), rows.stop - rows.start, cols.stop - cols.start)
    batch = np.full(shape, np.nan, dtype=np.float32)
    down, across = (
        slice(max(part.start, 0), max(min(part.stop, side), part.start, 0))
        for part, side in zip((rows, cols), layers.shape[1:], strict=True)
    )
    inside = (
        slice(down.start - rows.start, down.stop - rows.start),
        slice(across.start - cols.start, across.stop - cols.start),
    )
    batch[(0, slice(len(layers)), *inside)] = layers[:, down, across]
    if classes is not None:
        part = classes[down, across]
        batch[(0, -1, *inside)] = np.where(part < 0, np.float32(np.nan), part)
    return batch
