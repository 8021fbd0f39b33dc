"""What was sampled: samples over geology, and the ground that is far from any."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.plots.frame import Entry, Ground, Sheet, new_sheet
from gossan.plots.ground import (
    deposit_points,
    draw_deposits,
    draw_faults,
    draw_geology,
    draw_land,
    draw_raster,
    lines,
    unit_shares,
)
from gossan.plots.locator import GLOBE_ROWS, draw_locator
from gossan.plots.style import BRIGHT, FAINT, INK, KNOWN_TARGET, shorten, style

if TYPE_CHECKING:
    import geopandas as gpd
    from matplotlib.figure import Figure

__all__ = ["anomaly_maps", "class_map", "gap_map", "samples_map"]


def samples_map(
    ground: Ground,
    samples: NDArray[np.float64],
    *,
    area: "gpd.GeoDataFrame | None" = None,
    locate: bool = False,
    title: str = "What lies where",
) -> "Figure":
    """Draw the samples over geology, faults and deposits.

    Parameters
    ----------
    samples
        Easting and northing (n, 2), metres.
    area
        Polygons of the study area.
    locate
        Whether a globe shows where on Earth it is; a made survey is nowhere.
    """
    with style():
        units = list(unit_shares(ground))[:17]
        wide = sum(1 + 0.75 * (len(unit) > 20) for unit in units)
        sheet = new_sheet(ground, title, width=5.0, rows=6 + wide + locate * GLOBE_ROWS)
        geology = draw_geology(sheet.axes, ground, alpha=0.75)
        if locate:
            draw_locator(sheet, ground)
        marks = [
            *_dots(sheet, ground, samples),
            *draw_deposits(sheet.axes, ground, size=4.0),
            *draw_faults(sheet.axes, ground),
            *draw_land(sheet.axes, ground),
            *_outline(sheet, area),
        ]
        sheet.legend(("", marks), ("Rock units (share of ground)", geology))
    return sheet.figure


def _dots(sheet: Sheet, ground: Ground, samples: NDArray[np.float64]) -> list[Entry]:
    """Draw the samples on the map, smaller where there are many."""
    from matplotlib.lines import Line2D

    west, south, east, north = ground.region
    inside = ((samples >= (west, south)) & (samples <= (east, north))).all(axis=1)
    size = float(np.clip(90 / np.sqrt(max(len(samples), 1)), 0.7, 3.0))
    look: dict[str, Any] = {"linestyle": "none", "marker": "o", "color": KNOWN_TARGET, "markeredgewidth": 0}
    sheet.axes.plot(*samples[inside].T, markersize=size, zorder=3, **look)
    outside = f", {int((~inside).sum())} outside" if not inside.all() else ""
    return [(Line2D([], [], markersize=3.5, **look), f"Sample ({int(inside.sum())}{outside})")]


def _outline(sheet: Sheet, area: "gpd.GeoDataFrame | None") -> list[Entry]:
    import shapely
    from matplotlib.lines import Line2D

    if area is None or not len(area):
        return []
    edge: dict[str, Any] = {"linewidth": 1.3, "linestyle": (0, (4, 2))}
    whole = shapely.get_parts(shapely.boundary(shapely.union_all(area.geometry.to_numpy())))
    border = lines(whole, colors=BRIGHT[3], zorder=4, linewidths=1.3)
    border.set_linestyle((0, (4, 2)))
    sheet.axes.add_collection(border, autolim=False)
    return [(Line2D([], [], color=BRIGHT[3], **edge), "Study area")]


def gap_map(
    ground: Ground,
    distance: NDArray[np.floating[Any]],
    spacing: float,
    *,
    samples: NDArray[np.float64] | None = None,
    title: str = "Distance to the nearest sample",
) -> "Figure":
    """Draw how far the ground is from the nearest sample, in steps of the mean spacing.

    Parameters
    ----------
    distance
        (row, col) over the region, metres, NaN off the ground.
    spacing
        Side of the square that a sample has on average, metres.
    samples
        Easting and northing (n, 2), drawn as dots.
    """
    bounds = [0.5 * spacing, spacing, 2 * spacing, 3 * spacing]
    names = [
        f"under {_km(bounds[0])}",
        *(f"{_km(a)} to {_km(b)}" for a, b in pairwise(bounds)),
    ]
    classes = np.where(np.isfinite(distance), np.searchsorted(bounds, distance), -1)
    notes = ["", "", " (one spacing)", " (two)", " (three)"]
    labels = [f"{name}{note}" for name, note in zip([*names, f"over {_km(bounds[-1])}"], notes, strict=True)]
    return class_map(
        ground, classes, labels, heading="Share of the ground", samples=samples, title=title, cmap="YlOrBr"
    )


def class_map(
    ground: Ground,
    classes: NDArray[np.integer[Any]],
    labels: list[str],
    *,
    heading: str,
    samples: NDArray[np.float64] | None = None,
    title: str,
    cmap: str = "YlOrRd",
) -> "Figure":
    """Draw a map of classes, such as those of `gossan.anomaly`, with the share of the ground of each.

    Parameters
    ----------
    classes
        (row, col) over the region, from 0, -1 = none.
    labels
        What each class means, the lowest first.
    heading
        Of the legend.
    """
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    with style():
        sheet = new_sheet(ground, title)
        tones = [tuple(tone) for tone in colormaps[cmap](np.linspace(0.04, 0.9, len(labels)))]
        shown = np.ma.masked_less(classes, 0)
        top = len(labels) - 0.5
        draw_raster(
            sheet.axes, shown, ground.region, cmap=ListedColormap(tones), vmin=-0.5, vmax=top, zorder=1
        )
        shares = np.bincount(classes[classes >= 0], minlength=len(labels)) / max((classes >= 0).sum(), 1)
        entries: list[Entry] = [
            (Patch(facecolor=tone, edgecolor=INK, linewidth=0.3), f"{label}: {100 * share:.0f}\u00a0%")
            for tone, label, share in zip(tones, labels, shares, strict=True)
        ]
        if (classes < 0).any():
            entries.append((Patch(facecolor="white", edgecolor=FAINT, linewidth=0.4), "no value"))
        dots = [] if samples is None else _dots(sheet, ground, samples)
        sheet.legend(
            (heading, entries),
            ("", [*dots, *draw_deposits(sheet.axes, ground, size=3.2)]),
        )
    return sheet.figure


def anomaly_maps(
    ground: Ground,
    classes: Mapping[str, NDArray[np.integer[Any]]],
    labels: Sequence[str],
    *,
    title: str = "Anomaly maps",
) -> "Figure":
    """Draw small maps of classes, one an element, with the deposits.

    Parameters
    ----------
    classes
        By element: (row, col) over the region, from 0, -1 = none.
    labels
        What each class means, the lowest first.
    """
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    west, south, east, north = ground.region
    across = min(6, len(classes))
    down = -(-len(classes) // across)
    tall = (north - south) / (east - west)
    with style():
        side = 9.0 / across
        figure = Figure(figsize=(9.0, down * (side * tall + 0.22) + 0.75), layout="constrained")
        panels = np.atleast_1d(figure.subplots(down, across)).ravel()
        tones = ["#eeeeee", *(colormaps["YlOrRd"](np.linspace(0.35, 0.95, len(labels) - 1)))]
        points = deposit_points(ground)
        for panel, (name, one) in zip(panels, classes.items(), strict=False):
            shown = np.ma.masked_less(one, 0)
            top = len(labels) - 0.5
            draw_raster(panel, shown, ground.region, cmap=ListedColormap(tones), vmin=-0.5, vmax=top)
            panel.plot(*points.T, "D", color="#111111", markersize=1.6, markeredgewidth=0)
            panel.set_title(shorten(name, 14), fontsize=8, pad=2)
        for panel in panels:
            panel.set(xticks=[], yticks=[])
        for panel in panels[len(classes) :]:
            panel.set_axis_off()
        handles = [
            Patch(facecolor=tone, edgecolor=INK, linewidth=0.3, label=f"{label}")
            for tone, label in zip(tones, labels, strict=True)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(labels))
        figure.suptitle(title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")
    return figure


def _km(metres: float) -> str:
    """Write a distance.

    >>> _km(850.0), _km(3369.0)
    ('850 m', '3.4 km')
    """
    return f"{metres:.0f} m" if metres < 1000 else f"{metres / 1000:.1f} km"
