"""The charts of scores: ROC, prediction rate, scores with intervals, screening."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gossan.plots.style import BRIGHT, FAINT, INK, model_style, shorten, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "GRID",
    "WIDTH",
    "Curve",
    "Place",
    "Score",
    "draw_band",
    "draw_curves",
    "interval_plot",
    "prediction_rate",
    "roc",
    "row_chart",
    "screening_plot",
    "square_chart",
]

WIDTH = 5.0
GRID = "#e4e4e4"

#: One curve: ``x`` and ``y`` and, where there is a band, ``low`` and ``high``.
Curve = Mapping[str, Any]

#: Where a legend stands.
Place = Literal["lower right", "upper right"]

#: Name of a model, its score, and the interval where there is one.
Score = tuple[str, float, tuple[float, float] | None]


def roc(curves: Mapping[str, Curve], *, title: str = "ROC curve") -> "Figure":
    """Draw ROC curves; the first is the model of the run.

    Parameters
    ----------
    curves
        By model: ``x`` share of barren areas, ``y`` share of ore areas, scored at least as high; the band
        (``low``, ``high``) of the first is drawn.
    """
    with style():
        figure, axes = square_chart(title)
        axes.set(xlabel="barren areas scored at least as high", ylabel="ore areas scored at least as high")
        draw_band(axes, curves)
        draw_curves(axes, curves)
    return figure


def prediction_rate(
    curves: Mapping[str, Curve], *, budget: float | None = None, title: str = "Prediction rate"
) -> "Figure":
    """Draw the share of held-out deposits found against the share of ground searched, the best first.

    Parameters
    ----------
    curves
        By model, the first is the model of the run, whose band (``low``, ``high``) is drawn.
    budget
        Share of the ground to mark.
    """
    with style():
        figure, axes = square_chart(title)
        axes.set(xlabel="ground searched, the best first", ylabel="held-out deposits found")
        draw_band(axes, curves)
        if budget is not None:
            axes.axvline(budget, color=INK, linewidth=0.7, zorder=1)
            axes.text(budget + 0.012, 0.985, f"budget {100 * budget:.3g} %", va="top", fontsize=7)
        draw_curves(axes, curves)
    return figure


def square_chart(title: str) -> tuple["Figure", "Axes"]:
    """Make a chart of one share against another."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(WIDTH, 4.3), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1.01), title=title)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.grid(color=GRID, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def draw_band(axes: "Axes", curves: Mapping[str, Curve]) -> None:
    """Fill the band of the first curve, where it has one."""
    main = next(iter(curves.values()), {})
    low, high = main.get("low"), main.get("high")
    if low and high:
        look: dict[str, Any] = {"color": BRIGHT[0], "alpha": 0.18, "linewidth": 0, "zorder": 1}
        axes.fill_between(np.asarray(main["x"]), low, high, label="95 % band", **look)


def draw_curves(
    axes: "Axes", curves: Mapping[str, Curve], *, chance: float | None = None, place: Place = "lower right"
) -> None:
    """Draw the curves, the line of chance, and the legend in the order of drawing.

    Parameters
    ----------
    chance
        Its height where it is level; None: the diagonal.
    place
        Of the legend.
    """
    for i, (name, curve) in enumerate(curves.items()):
        colour, dash, _ = model_style(i)
        width = 1.2 if i else 1.9
        axes.plot(
            curve.get("x") or [],
            curve.get("y") or [],
            label=shorten(name),
            color=colour,
            linestyle=dash,
            linewidth=width,
            zorder=4 - 0.01 * i,
        )
    level = [0, 1] if chance is None else [chance, chance]
    label = "chance" if chance is None else f"chance: prevalence {100 * chance:.2g} %"
    axes.plot([0, 1], level, color=FAINT, linewidth=0.9, linestyle=(0, (1, 2)), label=label)
    axes.legend(loc=place)


def row_chart(count: int, names: Sequence[str], *, height: float, margin: float) -> tuple["Figure", "Axes"]:
    """Make a chart of one row a name, the first on top; ``height`` of a row and ``margin`` in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, margin + height * max(count, 1)), layout="constrained")
    axes = figure.subplots()
    axes.set_yticks(range(count), [_wrapped(name) for name in names])
    axes.set_ylim(max(count, 1) - 0.4, -0.6)
    axes.grid(axis="x", color=GRID, linewidth=0.5)
    axes.locator_params(axis="x", nbins=5)  # more labels than that run into each other beside long names
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure, axes


def _wrapped(name: str) -> str:
    """Break a long name into two lines; what is longer still is cut."""
    return textwrap.fill(shorten(name, 78), 38, max_lines=2, placeholder="…")


def interval_plot(
    rows: Sequence[Score], *, label: str = "AUC", chance: float = 0.5, title: str = "Scores"
) -> "Figure":
    """Draw a score of several models, each with its interval.

    Parameters
    ----------
    rows
        Name, value, and interval where there is one; the first is the model of the run.
    chance
        Value of a coin.
    """
    with style():
        figure, axes = row_chart(len(rows), [name for name, _, _ in rows], height=0.34, margin=0.95)
        for i, (_, value, interval) in enumerate(rows):
            colour, _, marker = model_style(i)
            if interval is not None:
                axes.plot(interval, [i, i], color=colour, linewidth=2, solid_capstyle="butt")
            axes.plot([value], [i], color=colour, marker=marker, markersize=6, markeredgecolor="white")
        ends = [end for _, value, interval in rows for end in (value, *(interval or ()))] + [chance]
        margin = 0.06 * (max(ends) - min(ends) or 1)
        axes.set_xlim(min(ends) - margin, max(ends) + margin)
        axes.axvline(chance, color=FAINT, linewidth=0.9, linestyle=(0, (1, 2)), zorder=0)
        with_interval = any(interval is not None for _, _, interval in rows)
        interval_said = " and its 95 % interval" if with_interval else ""
        axes.set(title=title, xlabel=f"{label}{interval_said} (dotted: chance)")
    return figure


def screening_plot(rows: Sequence[Mapping[str, Any]], *, title: str = "Screening of elements") -> "Figure":
    """Draw each element's AUC from chance outwards, the kept ones filled, with p beside it.

    Parameters
    ----------
    rows
        ``element``, ``auc``, ``p`` and ``keep``, in any order; the highest AUC is drawn first.
    """
    from matplotlib.lines import Line2D

    with style():
        ranked = sorted((row for row in rows if row.get("auc") is not None), key=lambda row: -row["auc"])
        figure, axes = row_chart(len(ranked), [row["element"] for row in ranked], height=0.19, margin=0.95)
        for i, row in enumerate(ranked):
            colour, fill = (BRIGHT[0], BRIGHT[0]) if row.get("keep") else (FAINT, "white")
            axes.plot([0.5, row["auc"]], [i, i], color=colour, linewidth=1.8, solid_capstyle="butt")
            axes.plot([row["auc"]], [i], marker="o", markersize=5, color=colour, markerfacecolor=fill)
            place = (1.01, i), ("axes fraction", "data")
            axes.annotate(_p_text(row.get("p")), place[0], xycoords=place[1], fontsize=6.5, va="center")
        axes.axvline(0.5, color=INK, linewidth=0.7)
        axes.set(title=title, xlabel="AUC of the element alone (0.5 = chance)")
        look: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 5}
        kept = Line2D([], [], color=BRIGHT[0], label="kept", **look)
        dropped = Line2D([], [], color=FAINT, markerfacecolor="white", label="dropped", **look)
        figure.legend(handles=[kept, dropped], loc="outside lower right", ncols=2)
    return figure


def _p_text(p: float | None) -> str:
    """Write a p value.

    >>> _p_text(0.0004), _p_text(0.034), _p_text(None)
    ('p < 0.001', 'p = 0.034', '')
    """
    if p is None:
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
