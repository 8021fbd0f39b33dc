"""The frame that every map shares: kilometre grid, north arrow, scale bar, legend, credit."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.plots.style import FAINT, INK, shorten

if TYPE_CHECKING:
    import geopandas as gpd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Block", "Entry", "Ground", "Region", "Sheet", "new_sheet"]

LEFT, BOTTOM, TOP, GAP, RIGHT = 0.52, 0.56, 0.34, 0.16, 0.08
SIDE = 1.9
ROW = 0.16

#: West, south, east, north.
Region = tuple[float, float, float, float]

#: A row of the legend: what is drawn, and what it means.
Entry = tuple["Artist", str]

#: A part of the legend: its heading ("" for none) and its rows.
Block = tuple[str, Sequence[Entry]]


@dataclass(frozen=True)
class Ground:
    """What maps show beneath their own subject.

    Attributes
    ----------
    region
        West, south, east, north, metres.
    crs
        Its name as printed on the map, such as ``EPSG:26910``.
    geology
        Polygons with a text column ``unit``.
    classes
        Where there are no polygons: class numbers (row, col) over the region, -1 = none.
    class_names
        Names of the classes.
    class_counts
        Pixels of each class where ``classes`` holds only some of them; () counts these.
    faults
        Lines.
    deposits
        Points of the known deposits; ``camp`` where known.
    credit
        Data credit and run, printed below every map.
    excluded
        Polygons of excluded ground, which are hatched.
    tenure
        Polygons that somebody holds, which are outlined.
    """

    region: Region
    crs: str
    geology: "gpd.GeoDataFrame | None" = None
    classes: NDArray[np.integer[Any]] | None = None
    class_names: tuple[str, ...] = ()
    class_counts: tuple[int, ...] = ()
    faults: "gpd.GeoDataFrame | None" = None
    deposits: "gpd.GeoDataFrame | None" = None
    credit: str = ""
    excluded: "gpd.GeoDataFrame | None" = None
    tenure: "gpd.GeoDataFrame | None" = None


@dataclass(frozen=True)
class Sheet:
    """A map being drawn: its figure, its axes, and the axes that hold the legend beside them."""

    figure: "Figure"
    axes: "Axes"
    side: "Axes"
    metres_per_point: float

    def legend(self, *blocks: Block, top: float = 1.0) -> None:
        """Write blocks of the legend under each other in the side panel; empty ones are left out.

        Parameters
        ----------
        top
            Where it starts, as a share of the panel's height.
        """
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.legend import Legend

        canvas: Any = FigureCanvasAgg(self.figure)
        renderer = canvas.get_renderer()
        for title, entries in blocks:
            if not entries:
                continue
            legend = Legend(
                self.side,
                [handle for handle, _ in entries],
                ["\n".join(textwrap.wrap(label, 27)) or " " for _, label in entries],
                title=title,
                alignment="left",
                loc="upper left",
                bbox_to_anchor=(0, top),
                borderaxespad=0,
                borderpad=0,
                handlelength=1.5,
                labelspacing=0.42,
                title_fontproperties={"weight": "bold", "size": 7.5},
            )
            self.side.add_artist(legend)
            below = legend.get_window_extent(renderer).y0 - 0.13 * self.figure.dpi
            top = float(self.side.transAxes.inverted().transform((0, below))[1])


def new_sheet(ground: Ground, title: str, *, width: float = 3.3, rows: float = 0) -> Sheet:
    """Lay out a map sheet: map, side panel, title, kilometre grid, scale bar, north arrow, credit.

    Parameters
    ----------
    width
        Of the map itself, inches.
    rows
        Lines of legend that the side panel must hold.
    """
    from matplotlib.figure import Figure

    west, south, east, north = ground.region
    tall = (north - south) / (east - west)
    width = min(width, 1.35 * width / tall)
    map_height = width * tall
    body = max(map_height, rows * ROW + 0.75)
    total = LEFT + width + GAP + SIDE + RIGHT, BOTTOM + body + TOP
    figure = Figure(figsize=total)
    low = BOTTOM + body - map_height
    axes = figure.add_axes((LEFT / total[0], low / total[1], width / total[0], map_height / total[1]))
    left = (LEFT + width + GAP) / total[0]
    side = figure.add_axes((left, BOTTOM / total[1], SIDE / total[0], body / total[1]))
    side.set_axis_off()
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_aspect("equal")
    figure.text(LEFT / total[0], 1 - 0.22 / total[1], shorten(title, 80), fontsize=9.5, fontweight="bold")
    credit = shorten(ground.credit, int(total[0] * 21))
    figure.text(LEFT / total[0], 0.07 / total[1], credit, fontsize=6, color=FAINT)
    _kilometre_grid(axes, ground, width)
    _scale_and_north(axes, side, body)
    return Sheet(figure, axes, side, (east - west) / (72 * width))


def _kilometre_grid(axes: "Axes", ground: Ground, width: float) -> None:
    """Write the kilometres along the edges and put a cross where their lines meet."""
    west, south, east, north = ground.region
    step = _nice_step((east - west) / (1.25 * width))
    digits = 0 if step >= 1000 else 2
    across, up = _ticks(west, east, step), _ticks(south, north, step)
    corner = south + 0.16 * (east - west) / width  # a label there would run into the easting's
    axes.xaxis.set_ticks(across, [f"{tick / 1000:.{digits}f}" for tick in across])
    axes.yaxis.set_ticks(up, [f"{tick / 1000:.{digits}f}" if tick > corner else "" for tick in up])
    axes.tick_params(labelsize=7, length=2.5, pad=2)
    for label in axes.get_yticklabels():
        label.set(rotation=90, va="center")
    crosses = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2).T
    axes.plot(
        *crosses, linestyle="none", marker="+", markersize=7, markeredgewidth=0.5, color=INK, zorder=2.6
    )
    axes.set_xlabel(f"Easting (km), {shorten(ground.crs, 40)}", fontsize=7, labelpad=2)
    axes.set_ylabel("Northing (km)", fontsize=7, labelpad=2)


def _ticks(low: float, high: float, step: float) -> NDArray[np.float64]:
    steps = np.arange(math.ceil(low / step), math.floor(high / step) + 1)
    return steps.astype(np.float64) * step


def _nice_step(at_least: float) -> float:
    """Return the smallest of 1, 2 or 5 x 10^k metres that is at least so long.

    >>> _nice_step(3100)
    5000.0
    """
    power = 10.0 ** math.floor(math.log10(at_least))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= at_least)


def _scale_and_north(axes: "Axes", side: "Axes", height: float) -> None:
    """Draw both at the foot of the side panel, where they cover no ground; north is the grid's."""
    from matplotlib_scalebar.scalebar import ScaleBar

    place = {"location": "lower left", "bbox_to_anchor": (0.25, 0), "bbox_transform": side.transAxes}
    room = {"width_fraction": 0.012, "length_fraction": 0.25, "pad": 0, "border_pad": 0, "sep": 2}
    font = {"font_properties": {"size": 7}, "box_alpha": 0}
    axes.add_artist(ScaleBar(1, "m", **place, **room, **font))
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.2, "shrinkA": 4, "shrinkB": 0}
    tip, foot = (0.07, 0.5 / height), (0.07, 0.08 / height)
    north = side.annotate("N", tip, foot, "axes fraction", ha="center", va="center", arrowprops=arrow)
    north.set(fontsize=9, fontweight="bold")
