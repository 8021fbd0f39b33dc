"""The charts that say what a score rests on: influence of groups, attention by factor and branch."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gossan.plots.charts import WIDTH, row_chart
from gossan.plots.style import BRIGHT, INK, shorten, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["attention_map", "influence_plot"]

#: More cells than these are not written into: the numbers would not be read.
WRITTEN_CELLS = 90


def influence_plot(
    rows: Sequence[Mapping[str, Any]], *, title: str = "Influence of groups of channels"
) -> "Figure":
    """Draw what the held-out AUC loses when a group is shuffled, with one standard deviation either side.

    Parameters
    ----------
    rows
        ``group``, ``drop``, ``sd``, and ``rank`` by which they are ordered.
    """
    with style():
        ranked = sorted((row for row in rows if row.get("drop") is not None), key=_rank)
        figure, axes = row_chart(len(ranked), [str(row["group"]) for row in ranked], height=0.24, margin=0.95)
        for i, row in enumerate(ranked):
            drop, sd = float(row["drop"]), row.get("sd")
            axes.barh([i], [drop], height=0.62, color=BRIGHT[0] if drop > 0 else "#bbbbbb", zorder=2)
            if sd is not None:
                axes.plot([drop - sd, drop + sd], [i, i], color=INK, linewidth=1.1, zorder=3)
        axes.axvline(0, color=INK, linewidth=0.7)
        axes.set(title=title, xlabel="AUC lost when the group is shuffled (line: 1 SD)")
    return figure


def _rank(row: Mapping[str, Any]) -> tuple[float, float]:
    """Order by the given rank, or by the drop where there is none."""
    rank = row.get("rank")
    return (float("inf") if rank is None else float(rank), -float(row["drop"]))


def attention_map(rows: Sequence[Mapping[str, Any]], *, title: str = "Channel attention") -> "Figure":
    """Draw the mean attention weight of each factor in each branch.

    Parameters
    ----------
    rows
        ``factor``, ``branch``, ``mean``; factors and branches are drawn in the order of their first row.
    """
    from matplotlib.figure import Figure

    with style():
        factors = list(dict.fromkeys(str(row["factor"]) for row in rows))
        branches = list(dict.fromkeys(str(row["branch"]) for row in rows))
        table = np.full((len(factors), len(branches)), np.nan)
        for row in rows:
            if row.get("mean") is not None:
                table[factors.index(str(row["factor"])), branches.index(str(row["branch"]))] = row["mean"]
        figure = Figure(figsize=(WIDTH, 1.1 + 0.23 * max(1, len(factors))), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(np.ma.masked_invalid(table), cmap="cividis", aspect="auto")
        axes.set_yticks(range(len(factors)), [shorten(name, 34) for name in factors])
        axes.set_xticks(range(len(branches)), [shorten(name, 14) for name in branches])
        axes.set_title(title)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(image, ax=axes, shrink=0.9, pad=0.02)
        bar.set_label("mean weight", fontsize=7)
        bar.ax.tick_params(labelsize=7)
        _write_cells(axes, table, image)
    return figure


def _write_cells(axes: Any, table: Any, image: Any) -> None:
    """Write each weight into its cell, dark on light and light on dark."""
    if table.size > WRITTEN_CELLS:
        return
    for row, col in np.argwhere(np.isfinite(table)):
        ink = "white" if image.norm(table[row, col]) < 0.5 else INK
        axes.text(col, row, f"{table[row, col]:.2f}", ha="center", va="center", fontsize=6.5, color=ink)
