"""The charts that say how far to trust a map: precision, calibration, ground against deposits, distances."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gossan.plots.charts import GRID, WIDTH, Curve, Score, draw_band, draw_curves, row_chart, square_chart
from gossan.plots.style import BRIGHT, FAINT, INK, model_style, shorten, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "audit_plot",
    "calibration_plot",
    "distance_plot",
    "precision_recall",
    "prediction_area",
    "success_rate",
]


def precision_recall(
    curves: Mapping[str, Curve], *, prevalence: float | None = None, title: str = "Precision and recall"
) -> "Figure":
    """Draw precision against recall; the scale on the right is the lift over chance.

    Parameters
    ----------
    curves
        By model, the first is the model of the run: ``x`` recall, ``y`` precision.
    prevalence
        Share of ore among the held-out areas: the precision of chance.
    """
    from matplotlib.ticker import PercentFormatter

    with style():
        figure, axes = square_chart(title)
        axes.set(xlabel="ore areas found (recall)", ylabel="ore among the areas chosen (precision)")
        draw_band(axes, curves)
        draw_curves(axes, curves, chance=prevalence or 0.0, place="upper right")
        if prevalence:
            lift = axes.secondary_yaxis("right", functions=_times(prevalence))
            lift.set_ylabel("lift: times chance")
        axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    return figure


def _times(prevalence: float) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return the way from a precision to its lift, and back."""
    return lambda precision: precision / prevalence, lambda lift: lift * prevalence


def _turned(share: Any) -> Any:
    return 1 - share


def success_rate(curve: Curve, *, title: str = "Success rate (fitted)") -> "Figure":
    """Draw the share of *training* deposits covered: fitted, and never on one chart with what is predicted.

    Parameters
    ----------
    curve
        ``x`` share of ground, ``y`` share of the deposits that the model was trained on.
    """
    with style():
        figure, axes = square_chart(title)
        axes.set(xlabel="ground searched, the best first", ylabel="training deposits covered")
        axes.plot(
            curve.get("x") or [],
            curve.get("y") or [],
            color="#777777",
            linestyle=(0, (5, 2)),
            linewidth=1.6,
            label="fitted: the model was trained on them",
        )
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.9, linestyle=(0, (1, 2)), label="chance")
        axes.legend(loc="lower right")
    return figure


def calibration_plot(curve: Mapping[str, Any], *, title: str = "Calibration") -> "Figure":
    """Draw the share of ore in bins of the calibrated probability, each with its interval and number.

    Parameters
    ----------
    curve
        Lists of one value a bin: ``probability`` its mean, ``share_ore``, ``number`` of areas, and ``low``
        and ``high`` of the share where they are known. Bins without a share are not drawn.
    """
    from matplotlib.ticker import PercentFormatter

    with style():
        figure, axes = square_chart(title)
        bins = _bins(curve)
        top = 0.0
        counts = {number for *_, number, _, _ in bins}
        for probability, share, _, low, high in bins:
            if low is not None and high is not None:
                axes.plot([probability] * 2, [low, high], color=BRIGHT[0], linewidth=1.4, alpha=0.6, zorder=2)
            axes.plot([probability], [share], color=BRIGHT[0], marker="o", markersize=5.5, zorder=3)
            top = max(top, probability, share, high or 0.0)
        top = min(1.0, 1.08 * top) or 1.0
        if len(counts) > 1:
            numbers = [(row[0] / top, row[1] / top, f"{row[2]:g}") for row in bins if row[2] is not None]
            _write_numbers(axes, numbers, top)
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.9, linestyle=(0, (1, 2)), label="perfect")
        axes.set(xlim=(0, top), ylim=(0, top))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axes.set(
            xlabel=f"probability of a known deposit ({_of_bins(counts)})",
            ylabel="areas with a known deposit",
        )
        axes.legend(loc="upper left")
    return figure


def _write_numbers(axes: "Axes", places: Sequence[tuple[float, float, str]], top: float) -> None:
    """Write numbers beside points, shares of the chart's side, each moved up until it covers no other."""
    taken: list[tuple[float, float]] = []
    for across, up, text in sorted(places):
        at = up + 0.01
        while any(abs(across - x) < 0.011 * (len(text) + 1) and abs(at - y) < 0.032 for x, y in taken):
            at += 0.008
        taken.append((across, at))
        axes.annotate(text, (across * top, at * top), (5, 0), textcoords="offset points", fontsize=6.5)


def _of_bins(counts: set[float | None]) -> str:
    """Say how many areas a point stands for: once, where it is the same for all."""
    alike = next(iter(counts)) if len(counts) == 1 else None
    return "beside a point: its areas" if alike is None else f"each point: {alike:g} areas"


def _bins(curve: Mapping[str, Any]) -> list[tuple[float, float, float | None, float | None, float | None]]:
    probabilities, shares = curve.get("probability") or [], curve.get("share_ore") or []
    more = [curve.get(name) or [None] * len(shares) for name in ("number", "low", "high")]
    return [
        row
        for row in zip(probabilities, shares, *more, strict=True)
        if row[0] is not None and row[1] is not None
    ]


def prediction_area(area: Mapping[str, Any], *, title: str = "Prediction-area plot") -> "Figure":
    """Draw held-out deposits and ground against the score, with their crossing (Yousefi, Carranza 2015).

    Parameters
    ----------
    area
        Lists ``threshold`` (score), ``x`` and ``y``: the shares of ground and of deposits that score at
        least as high; ``at``: the score of the crossing, ``oa`` and ``pr`` the shares there. The axis of
        the ground is turned round, so that the lines cross where the share of deposits is one minus it.
    """
    from matplotlib.ticker import PercentFormatter

    with style():
        figure, axes = square_chart(title)
        ground, deposits, threshold = _known_points(area)
        deposit_line, ground_line = model_style(0), model_style(1)
        axes.plot(threshold, deposits, color=deposit_line[0], linewidth=1.9, label="held-out deposits")
        axes.plot(threshold, 1 - ground, color=ground_line[0], linestyle="--", linewidth=1.5, label="ground")
        right = axes.secondary_yaxis("right", functions=(_turned, _turned))
        right.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        right.set_ylabel("ground that scores at least as high")
        axes.set(xlabel="score", ylabel="held-out deposits that score at least as high")
        if len(threshold) > 1:
            axes.set_xlim(float(threshold.min()), float(threshold.max()))
        axes.xaxis.set_major_formatter("{x:g}")
        _crossing(axes, area)
        axes.legend(loc="center left")
    return figure


def _known_points(area: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Return the points that have a threshold (the first of a curve has none: it chooses nothing)."""
    columns = [area.get(name) or [] for name in ("x", "y", "threshold")]
    points = [row for row in zip(*columns, strict=True) if row[2] is not None and np.isfinite(row[2])]
    table = np.array(points, dtype=np.float64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def _crossing(axes: "Axes", area: Mapping[str, Any]) -> None:
    at, pr, oa = area.get("at"), area.get("pr"), area.get("oa")
    if at is None or pr is None or oa is None:
        return
    axes.plot([at, at], [0, pr], color=INK, linewidth=0.7, linestyle=(0, (1, 2)), zorder=1)
    axes.plot([at], [pr], marker="o", markersize=7, markerfacecolor="none", color=INK, zorder=5)
    text = f"{100 * pr:.0f} % of deposits\nin {100 * oa:.0f} % of ground"
    if area.get("nd") is not None:
        text += f"\nNd = {area['nd']:.2g}"
    left, right = axes.get_xlim()
    place = (at - left) / ((right - left) or 1)
    side: Literal["left", "center", "right"] = (
        "left" if place < 0.25 else "right" if place > 0.75 else "center"
    )
    # at its foot: below the crossing neither line runs
    backing = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    axes.text(at, 0.03, text, ha=side, va="bottom", fontsize=7, bbox=backing, zorder=2)


def distance_plot(samples: Mapping[str, Sequence[float]], *, title: str = "Distances") -> "Figure":
    """Draw which share of the ground, and of the held-out areas, lies within a distance.

    Parameters
    ----------
    samples
        Sorted distances in metres: ``map``: from the map to the nearest deposit; ``test``: from held-out
        to the nearest training area with ore.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    with style():
        figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
        axes = figure.subplots()
        names = {"map": "map to the nearest deposit", "test": "test to the nearest training"}
        for i, (key, label) in enumerate(names.items()):
            values = np.sort(np.asarray(samples.get(key) or [], dtype=np.float64)) / 1000
            if len(values):
                colour, dash, _ = model_style(i)
                share = np.arange(1, len(values) + 1) / len(values)
                axes.step(np.r_[0, values], np.r_[0, share], where="post", color=colour, ls=dash, label=label)
        axes.set(xlabel="distance (km)", ylabel="share within it", ylim=(0, 1.01), title=title)
        axes.set_xlim(left=0)
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axes.grid(color=GRID, linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="lower right")
    return figure


def audit_plot(models: Mapping[str, Sequence[Score]], *, title: str = "Leakage audit") -> "Figure":
    """Draw the AUC of the same models under each protocol, the loosest on top.

    Parameters
    ----------
    models
        By model, the model of the run first: protocol, AUC, and its interval where there is one.
    """
    from matplotlib.lines import Line2D

    with style():
        labels = list(dict.fromkeys(label for rows in models.values() for label, _, _ in rows))
        height = 0.3 + 0.1 * len(models)
        figure, axes = row_chart(len(labels), labels, height=height, margin=1.1)
        handles = []
        for k, (name, rows) in enumerate(models.items()):
            colour, _, marker = model_style(k)
            look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 5.5}
            for label, value, interval in rows:
                y = labels.index(label) + 0.2 * (k - (len(models) - 1) / 2)
                if interval is not None:
                    axes.plot(interval, [y, y], color=colour, linewidth=1.8, solid_capstyle="butt")
                axes.plot([value], [y], markeredgecolor="white", linestyle="none", **look)
            handles.append(Line2D([], [], label=shorten(name), linestyle="none", **look))
        axes.axvline(0.5, color=FAINT, linewidth=0.9, linestyle=(0, (1, 2)), zorder=0)
        with_interval = any(interval is not None for rows in models.values() for _, _, interval in rows)
        axes.set(
            title=title, xlabel=f"AUC{' and its 95 % interval' if with_interval else ''} (dotted: chance)"
        )
        figure.legend(handles=handles, loc="outside lower right", ncols=min(3, max(1, len(handles))))
    return figure
