"""The biplot of element associations: arrows of elements over the cloud of samples."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from gossan.plots.style import BRIGHT, FAINT, INK, shorten, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["biplot"]

#: More points would not be seen, and make the drawing heavy.
_MOST_POINTS = 4000


def biplot(
    loadings: "pd.DataFrame",
    scores: "pd.DataFrame",
    variance: ArrayLike,
    *,
    axes: tuple[int, int] = (0, 1),
    title: str = "Element associations",
) -> "Figure":
    """Draw the biplot of two components of log-ratios.

    An arrow is a loading times the standard deviation of its component, so that the distance between two
    tips is about the standard deviation of the elements' log-ratio: tips close together rise and fall
    together. Samples are scores divided by that deviation; the few beyond 4 are drawn on the frame.

    Parameters
    ----------
    loadings, scores
        Elements, and samples, by components.
    variance
        Of every component there is, also of those not drawn.
    axes
        The two components, from 0.
    """
    from matplotlib.figure import Figure

    spread = np.sqrt(np.asarray(variance, dtype=float))
    share = spread**2 / (spread**2).sum()
    pair = list(axes)
    tips = loadings.iloc[:, pair].to_numpy() * spread[pair]
    cloud = scores.iloc[:, pair].dropna().to_numpy() / spread[pair]
    reach = 1.12 * float(np.abs(tips).max())
    cloud = np.clip(cloud[:: max(1, -(-len(cloud) // _MOST_POINTS))] / 4, -1, 1) * reach
    with style():
        figure = Figure(figsize=(5.0, 4.9), layout="constrained")
        panel = figure.subplots()
        panel.plot(*cloud.T, ".", color=FAINT, markersize=1.6, alpha=0.45, zorder=1, rasterized=True)
        panel.axhline(0, color=INK, linewidth=0.4, zorder=0)
        panel.axvline(0, color=INK, linewidth=0.4, zorder=0)
        look: dict[str, Any] = {"arrowstyle": "-|>", "color": BRIGHT[0], "linewidth": 1.1, "shrinkA": 0}
        for tip in tips:
            panel.annotate("", tip, (0, 0), arrowprops=look | {"shrinkB": 0}, zorder=3)
        _name_tips(panel, [shorten(name, 12) for name in loadings.index], tips, reach)
        panel.set(xlim=(-1.18 * reach, 1.18 * reach), ylim=(-1.18 * reach, 1.18 * reach), title=title)
        first, second = (f"{loadings.columns[k]} ({100 * share[k]:.0f} % of the variance)" for k in pair)
        panel.set(xlabel=first, ylabel=second, aspect="equal")
    return figure


def _name_tips(panel: Any, names: list[str], tips: Any, reach: float) -> None:
    """Write each name beyond its tip, moved along the circle away from names it would cover."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2.2, foreground="white")]
    taken: list[tuple[float, float]] = []
    for i in np.argsort(-np.hypot(*tips.T)):  # the longest first: they have the best claim to their place
        angle, length = float(np.arctan2(tips[i, 1], tips[i, 0])), float(np.hypot(*tips[i])) + 0.07 * reach
        turns = (sign * 0.12 * step for step in range(13) for sign in (1, -1))
        rings = ((turn, out) for out in (0.0, 0.09, 0.18) for turn in turns)
        tried = [(length + out * reach, angle + turn) for turn, out in rings]
        spots = [(far * np.cos(way), far * np.sin(way)) for far, way in tried]
        free = (
            spot
            for spot in spots
            if all(abs(spot[0] - x) > 0.1 * reach or abs(spot[1] - y) > 0.075 * reach for x, y in taken)
        )
        spot = next(free, spots[0])
        taken.append(spot)
        text = panel.text(*spot, names[i], fontsize=8, ha="center", va="center", zorder=4)
        text.set(fontweight="bold", path_effects=halo)
