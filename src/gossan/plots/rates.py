"""Measures of a few settings side by side: the paper's Fig. 7."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gossan.plots.charts import GRID
from gossan.plots.style import model_style, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["rates_figure"]

#: Points of one setting stand this far apart, as a share of the distance of two settings.
_APART = 0.06


def rates_figure(
    settings: Sequence[str],
    measures: Mapping[str, Sequence[tuple[float | None, float | None]]],
    *,
    title: str,
    label: str,
) -> "Figure":
    """Draw several measures of the same settings, each with its standard deviation.

    Parameters
    ----------
    settings
        What stands below, such as ``{1, 6, 12, 18, 24}``.
    measures
        Name -> mean and standard deviation for each setting, None where there is none.
    label
        Of the x axis.
    """
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(6.6, 3.5), layout="constrained")
        axes = figure.subplots()
        places = np.arange(len(settings))
        for number, (name, found) in enumerate(measures.items()):
            colour, line, marker = model_style(number)
            shift = _APART * (number - (len(measures) - 1) / 2)
            mean = [np.nan if value is None else value for value, _ in found]
            look: dict[str, Any] = {
                "color": colour,
                "marker": marker,
                "linestyle": line,
                "label": name,
                "markersize": 5,
            }
            axes.errorbar(places + shift, mean, yerr=[sd or 0 for _, sd in found], capsize=2.5, **look)
        axes.set_xticks(places, settings)
        axes.set(title=title, xlabel=label, ylabel="mean and sd over seeds")
        axes.grid(axis="y", color=GRID, linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(measures))
    return figure
