"""Every channel as a small map: the paper's Fig. 2."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.plots.frame import Ground
from gossan.plots.ground import deposit_points, draw_faults, draw_geology, draw_raster, unit_shares
from gossan.plots.maps import limits, thin
from gossan.plots.style import FAINT, INK, shorten, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["channels_figure"]

WIDTH = 7.6
MOST_PIXELS = 300


def channels_figure(
    ground: Ground,
    layers: NDArray[np.floating[Any]],
    names: Sequence[str],
    *,
    units: Sequence[str],
    kept: Sequence[bool],
) -> "Figure":
    """Draw every channel small, then geology and faults; dots are known deposits.

    Each channel has its own scale, cut at its 2 % and 98 % quantiles.

    Parameters
    ----------
    layers
        (channel, row, col), NaN = missing.
    kept
        False for channels that no model saw: their names are grey and in brackets.
    """
    extra: dict[str, Callable[[Axes, Ground], Any]] = {}
    if unit_shares(ground):
        extra["geology"] = draw_geology
    if ground.faults is not None and len(ground.faults):
        extra["faults"] = draw_faults
    with style():
        figure, panels = _panels(ground, len(names) + len(extra))
        for i, name in enumerate(names):
            label = f"({_letter(i)}) {shorten(name, 18)}"
            panels[i].set_title(label if kept[i] else f"[{label}]", color=INK if kept[i] else FAINT)
            _channel(figure, panels[i], ground, layers[i], units[i])
        for i, (name, draw) in enumerate(extra.items(), start=len(names)):
            draw(panels[i], ground)
            _dots(panels[i], ground, INK)
            panels[i].set_title(f"({_letter(i)}) {name}")
    return figure


def _panels(ground: Ground, count: int) -> tuple["Figure", list["Axes"]]:
    from matplotlib.figure import Figure

    west, south, east, north = ground.region
    columns = min(5 if count > 12 else 4, max(count, 1))
    rows = math.ceil(count / columns) or 1
    height = min(WIDTH / columns * (north - south) / (east - west), 3.0) + 0.42
    figure = Figure(figsize=(WIDTH, rows * height), layout="compressed")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        axes.set(xticks=[], yticks=[], xlim=(west, east), ylim=(south, north), aspect="equal")
        axes.title.set_fontsize(8)
    for axes in panels[count:]:
        axes.set_axis_off()
    return figure, panels


def _channel(figure: "Figure", axes: "Axes", ground: Ground, layer: NDArray[Any], unit: str) -> None:
    shown = thin(layer, MOST_PIXELS)
    low, high = limits(shown)
    image = draw_raster(axes, shown, ground.region, cmap="viridis", vmin=low, vmax=high)
    _dots(axes, ground, "white")
    bar = figure.colorbar(image, ax=axes, location="bottom", fraction=0.05, pad=0.02, aspect=28)
    bar.ax.tick_params(labelsize=6, length=1.5, pad=1)
    bar.ax.locator_params(nbins=4)
    bar.set_label(shorten(unit, 24), fontsize=6, labelpad=0)


def _dots(axes: "Axes", ground: Ground, colour: str) -> None:
    """Mark the known deposits, which no channel holds."""
    axes.plot(*deposit_points(ground).T, linestyle="none", marker=".", markersize=1.6, color=colour)


def _letter(index: int) -> str:
    """Return a, b, ... z, aa, ab, ...

    >>> _letter(0), _letter(27)
    ('a', 'ab')
    """
    letter = chr(ord("a") + index % 26)
    return letter if index < 26 else _letter(index // 26 - 1) + letter
