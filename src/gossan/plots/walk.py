"""What a deposit found takes: ground to walk by ground walked."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.plots.charts import GRID, WIDTH
from gossan.plots.style import BRIGHT, FAINT, INK, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["walk_plot"]


def walk_plot(
    curve: Mapping[str, Any],
    *,
    chance: float | None = None,
    rank: int | None = None,
    interval: tuple[int, int] | None = None,
    title: str = "Ground to walk for each deposit found",
) -> "Figure":
    """Draw the ground that each deposit found takes, against the ground walked, the best first.

    Parameters
    ----------
    curve
        ``ground_km2`` and ``km2_per_deposit`` by ``rank``, None where nothing is found yet, and the band
        ``low`` and ``high`` where there is one; None in ``high`` has no upper end.
    chance
        km2 for each deposit when ground is chosen at random.
    rank, interval
        Break-even rank and its interval, to be marked; 0 is not.
    """
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
        axes = figure.subplots()
        ground, each = _numbers(curve["ground_km2"]), _numbers(curve["km2_per_deposit"])
        low, high = _numbers(curve.get("low")), _numbers(curve.get("high"))
        known = np.concatenate([each, low, high, [chance or np.nan]])
        known = known[np.isfinite(known) & (known > 0)]
        axes.set(
            title=title, xlabel="ground walked (km²), the best first", ylabel="km² for each deposit found"
        )
        axes.set_yscale("log")
        axes.set_xlim(0, float(ground[-1]))
        if len(known):
            axes.set_ylim(known.min() / 1.3, known.max() * 1.5)
        if np.isfinite(low).any():
            top = np.where(np.isfinite(high), high, axes.get_ylim()[1])
            look: dict[str, Any] = {"color": BRIGHT[0], "alpha": 0.18, "linewidth": 0, "zorder": 1}
            axes.fill_between(ground, low, top, where=np.isfinite(low), label="95 % band", **look)
        if chance is not None:
            axes.axhline(chance, color=FAINT, linewidth=0.9, linestyle=(0, (1, 2)), label="at random")
        axes.plot(ground, each, color=BRIGHT[0], label="by the ranking", zorder=3)
        if rank:
            _mark(axes, curve, rank, interval)
        axes.grid(color=GRID, linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
        axes.yaxis.set_minor_formatter(lambda value, _: "")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _mark(axes: Any, curve: Mapping[str, Any], rank: int, interval: tuple[int, int] | None) -> None:
    """Mark the break-even rank at the ground that it stands for."""
    ranks, ground = _numbers(curve["rank"]), _numbers(curve["ground_km2"])
    at = float(np.interp(rank, ranks, ground))
    axes.axvline(at, color=INK, linewidth=0.9, zorder=2, label=f"break-even: best {rank} areas")
    if interval is not None:
        low, high = (float(np.interp(end, [0.0, *ranks], [0.0, *ground])) for end in interval)
        axes.axvspan(low, high, color=INK, alpha=0.08, linewidth=0, zorder=0)


def _numbers(values: Sequence[float | None] | None) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values or []], dtype=np.float64)
