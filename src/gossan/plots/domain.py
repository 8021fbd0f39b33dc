"""The maps of the ground that the model knows: applicability, and likeness to what is known to hold ore."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.plots.frame import Entry, Ground, Sheet, new_sheet
from gossan.plots.ground import draw_deposits, draw_raster
from gossan.plots.maps import MOST_PIXELS, limits, thin
from gossan.plots.style import style

if TYPE_CHECKING:
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

__all__ = ["applicability_map", "ore_like_map", "pale"]

Floats = NDArray[np.floating[Any]]


def applicability_map(
    ground: Ground,
    index: Floats,
    *,
    inside: Floats | None = None,
    far: Floats | None = None,
    threshold: float | None = None,
    title: str = "Area of applicability",
) -> "Figure":
    """Draw how unlike the training ground is, with what lies outside greyed and hatched.

    Parameters
    ----------
    index
        (row, col) dissimilarity after Meyer and Pebesma (2021), 0 = as trained on, NaN = no value.
    inside
        (row, col) 1 inside the area of applicability, 0 outside, NaN = no value.
    far
        (row, col) share of pixels farther than two sample spacings from any sample.
    threshold
        The largest index that counts as inside.
    """
    with style():
        sheet = new_sheet(ground, title)
        _draw_index(sheet, ground, index, threshold)
        marks = []
        if inside is not None:
            said = "Outside: unlike anything the model was trained on"
            marks += _hatch(sheet, ground, inside < 0.5, said, "////", veil="#d9d9d9")
        if far is not None:
            said = "Mostly farther than two sample spacings from any sample"
            marks += _hatch(sheet, ground, far > 0.5, said, "...", veil="none")
        marks += draw_deposits(sheet.axes, ground, size=3.2)
        sheet.legend(("", marks), top=0.57)
    return sheet.figure


def ore_like_map(
    ground: Ground, index: Floats, *, threshold: float | None = None, title: str = "Like nothing known"
) -> "Figure":
    """Draw how unlike every training window with ore the ground is.

    Parameters
    ----------
    index
        (row, col) distance to the nearest window with a known deposit, in the units of applicability.
    threshold
        Above it, ground is like no known deposit of the training.
    """
    with style():
        sheet = new_sheet(ground, title)
        _draw_index(sheet, ground, index, threshold)
        marks = []
        if threshold is not None:
            said = "Like no deposit that the model was trained on"
            marks += _hatch(sheet, ground, index > threshold, said, "////", veil="none")
        marks += draw_deposits(sheet.axes, ground, size=3.2)
        sheet.legend(("", marks), top=0.57)
    return sheet.figure


def pale() -> "ListedColormap":
    """Return a sequential scheme whose darkest tone still shows a hatching."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap([tuple(tone) for tone in colormaps["PuBu"](np.linspace(0.05, 0.72, 256))])


def _draw_index(sheet: Sheet, ground: Ground, index: Floats, threshold: float | None) -> None:
    """Draw the index with its scale, on which the threshold is marked."""
    shown = thin(index, MOST_PIXELS)
    high = max(limits(shown)[1], 1.15 * (threshold or 0.0))
    image = draw_raster(sheet.axes, shown, ground.region, cmap=pale(), vmin=0.0, vmax=high)
    bar = sheet.figure.colorbar(image, cax=sheet.side.inset_axes((0.13, 0.63, 0.08, 0.36)), extend="max")
    bar.set_label("dissimilarity", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    if threshold is not None:
        bar.ax.axhline(threshold, color="#b2182b", linewidth=1.6)
        place: dict[str, Any] = {"xytext": (-2, 0), "textcoords": "offset points"}
        bar.ax.annotate("limit", (0, threshold), ha="right", va="center", fontsize=6, **place)


def _hatch(
    sheet: Sheet, ground: Ground, where: NDArray[np.bool_], label: str, pattern: str, *, veil: str
) -> list[Entry]:
    """Hatch the ground that is chosen, over a veil of one colour or none; returns the row of the legend."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    chosen = thin(where.astype(np.float32), MOST_PIXELS)
    if not chosen.any() or min(chosen.shape) < 2:
        return []
    if veil != "none":
        flat = np.ma.masked_less(chosen, 0.5)
        draw_raster(sheet.axes, flat, ground.region, cmap=ListedColormap([veil]), alpha=0.75, zorder=1.5)
    west, south, east, north = ground.region
    rows, cols = chosen.shape
    across = west + (np.arange(cols) + 0.5) * (east - west) / cols
    up = north - (np.arange(rows) + 0.5) * (north - south) / rows
    hatched = sheet.axes.contourf(
        across, up, chosen, levels=[0.5, 1.5], colors="none", hatches=[pattern], zorder=1.6
    )
    hatched.set(edgecolor="#333333", linewidth=0.5)
    look: dict[str, Any] = {"edgecolor": "#333333", "linewidth": 0.4, "hatch": pattern}
    return [(Patch(facecolor="white" if veil == "none" else veil, **look), label)]
