"""What held-out ground is called, beside what is known of it: confusion matrices."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gossan.plots.style import INK, shorten, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["confusion_matrices"]

#: Matrices beside each other.
ACROSS = 4


def confusion_matrices(
    counts: Mapping[str, Mapping[str, Any]], *, title: str = "What held-out areas are called"
) -> "Figure":
    """Draw a confusion matrix a model; each cell has its number and its share of the row.

    Parameters
    ----------
    counts
        By model, the model of the run first: ``hit`` (ore called ore), ``miss``, ``false`` (other ground
        called ore) and ``rest``, numbers of areas >= 0, means over repeats.
    """
    from matplotlib.figure import Figure

    across = max(1, min(ACROSS, len(counts)))
    down = max(1, math.ceil(len(counts) / across))
    with style():
        figure = Figure(figsize=(0.9 + 1.75 * across, 0.4 + 2.4 * down), layout="constrained")
        panels = list(figure.subplots(down, across, squeeze=False).flat)
        for i, (name, cells) in enumerate(counts.items()):
            _matrix(panels[i], cells)
            panels[i].set_title(shorten(name, 24), fontsize=8, loc="center")
            panels[i].set_xlabel("called", fontsize=7.5)
            if i % across == 0:
                panels[i].set_yticks([0, 1], ["ore\nknown", "none\nknown"])
        for axes in panels[len(counts) :]:
            axes.set_axis_off()
        figure.suptitle(title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")
    return figure


def _matrix(axes: "Axes", cells: Mapping[str, Any]) -> None:
    table = np.array([[cells["hit"], cells["miss"]], [cells["false"], cells["rest"]]], dtype=np.float64)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    axes.set_xticks([0, 1], ["ore", "not"])
    axes.set_yticks([])
    axes.tick_params(length=0, labelsize=7.5)
    axes.spines[:].set_visible(False)
    for (row, col), value in np.ndenumerate(table):
        look: dict[str, Any] = {"color": "white" if share[row, col] > 0.6 else INK, "fontsize": 8}
        text = f"{_count(value)}\n{100 * share[row, col]:.0f}\u00a0%"
        axes.text(col, row, text, ha="center", va="center", **look)


def _count(value: float) -> str:
    """Write a number of areas, which is a mean over repeats.

    >>> _count(12.0), _count(12.4)
    ('12', '12.4')
    """
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"
