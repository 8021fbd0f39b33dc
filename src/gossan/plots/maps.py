"""The maps: targets on the geology (Fig. 8 of the paper), score, spread, and folds."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from gossan.plots.frame import Entry, Ground, Sheet, new_sheet
from gossan.plots.ground import (
    deposit_points,
    draw_camps,
    draw_deposits,
    draw_faults,
    draw_geology,
    draw_land,
    draw_raster,
    lines,
    polygons,
    unit_shares,
)
from gossan.plots.labels import place_labels
from gossan.plots.style import FAINT, FOLDS, INK, KNOWN_TARGET, NEW_TARGET, clean, style

if TYPE_CHECKING:
    import geopandas as gpd
    from matplotlib.figure import Figure

__all__ = [
    "CLASSES",
    "MOST_PIXELS",
    "folds_map",
    "limits",
    "score_classes",
    "score_edges",
    "score_map",
    "score_tones",
    "spread_map",
    "target_map",
    "thin",
]

#: Prospectivity classes, and up to which share of the ground, the best first, each one reaches.
CLASSES = (("very high", 0.05), ("high", 0.10), ("moderate", 0.25), ("low", 0.50), ("very low", 1.0))

#: Pixels along the longer side of a map; more would not be seen.
MOST_PIXELS = 900


# ---- targets


def target_map(
    ground: Ground,
    areas: "gpd.GeoDataFrame",
    targets: "gpd.GeoDataFrame",
    *,
    title: str = "Prospecting targets",
    known: "gpd.GeoDataFrame | None" = None,
) -> "Figure":
    """Draw the numbered targets on the geology: the paper's Fig. 8.

    Areas that hold known deposits and score at least as high as the lowest target are outlined too:
    that is what the same score finds of what is known.

    Parameters
    ----------
    areas
        Squares that were scored: ``number``, ``score``, ``known_deposits``.
    targets
        Areas proposed, the best first: ``number``.
    known
        Areas with known deposits to outline instead, where targets were not chosen by their score but voted.
    """
    with style():
        units = list(unit_shares(ground))[:17]
        sheet = new_sheet(
            ground, title, width=5.0, rows=8 + sum(1 + 0.75 * (len(unit) > 20) for unit in units)
        )
        geology = draw_geology(sheet.axes, ground, alpha=0.85)
        found = "scores as high" if known is None else "is voted ore"
        known = known if known is not None else _known_ground(areas, targets)
        marks = [
            *_outline(sheet, targets, NEW_TARGET, "-", "Target"),
            *_outline(sheet, known, KNOWN_TARGET, "--", f"Known ground that {found}"),
            *draw_deposits(sheet.axes, ground),
            *draw_faults(sheet.axes, ground),
            *draw_land(sheet.axes, ground),
            *_area_grid(sheet, areas),
        ]
        left = _write_numbers(sheet, ground, ((targets, NEW_TARGET), (known, KNOWN_TARGET)))
        note = f"Targets and deposits\n({left} numbers left out: no room)" if left else "Targets and deposits"
        sheet.legend((note, marks), ("Rock units (share of ground)", geology))
    return sheet.figure


def _known_ground(areas: "gpd.GeoDataFrame", targets: "gpd.GeoDataFrame") -> "gpd.GeoDataFrame":
    """Return the areas with known deposits that score at least as high as the lowest target."""
    chosen = areas["number"].isin(targets["number"])
    lowest = areas.loc[chosen, "score"].min()  # NaN without targets: then no area is as high
    return areas[(areas["known_deposits"] > 0) & (areas["score"] >= lowest) & ~chosen]


def _outline(
    sheet: Sheet, areas: "gpd.GeoDataFrame", colour: str, dash: Literal["-", "--"], label: str
) -> list[Entry]:
    from matplotlib.patches import Patch

    if not len(areas):
        return []
    outline: dict[str, Any] = {"facecolor": "none", "linewidth": 1.7, "linestyle": dash, "edgecolor": colour}
    casing = outline | {"linewidth": 3.2, "linestyle": "-", "edgecolor": "white"}
    for look in (casing, outline):
        squares = polygons(areas.geometry, zorder=4, joinstyle="miter", **look)
        sheet.axes.add_collection(squares, autolim=False)
    return [(Patch(**outline), f"{label} ({len(areas)})")]


def _area_grid(sheet: Sheet, areas: "gpd.GeoDataFrame") -> list[Entry]:
    from matplotlib.lines import Line2D

    if not len(areas):
        return []
    edges = lines(areas.geometry.boundary, colors="#666666", linewidths=0.3, zorder=3)
    sheet.axes.add_collection(edges, autolim=False)
    return [(Line2D([], [], color="#666666", linewidth=0.6), f"Area that was scored ({len(areas)})")]


def _write_numbers(sheet: Sheet, ground: Ground, groups: "Sequence[tuple[gpd.GeoDataFrame, str]]") -> int:
    """Write the numbers of areas, the first group first; returns how many found no room."""
    from matplotlib.patheffects import withStroke

    texts = [clean(number) for areas, _ in groups for number in areas["number"]]
    if not texts:
        return 0
    colours = [colour for areas, colour in groups for _ in range(len(areas))]
    boxes = np.vstack([areas.geometry.bounds.to_numpy() for areas, _ in groups])
    side = float(np.median(boxes[:, 2] - boxes[:, 0])) / sheet.metres_per_point
    points = float(np.clip(side * 0.42, 5.0, 9.0))
    size = points * sheet.metres_per_point
    placed = place_labels(texts, boxes, size=size, points=deposit_points(ground), region=ground.region)
    halo = [withStroke(linewidth=2.2, foreground="white")]
    look: dict[str, Any] = {"ha": "center", "va": "center_baseline", "fontsize": points, "zorder": 6}
    for i, (easting, northing) in placed.items():
        mark = sheet.axes.text(easting, northing, texts[i], color=colours[i], clip_on=True, **look)
        mark.set(fontweight="bold", path_effects=halo)
    return len(texts) - len(placed)


# ---- score and spread


def score_classes(score: NDArray[np.floating[Any]]) -> NDArray[np.int8]:
    """Class scores by the share of the ground that scores at least as high: 0 very high ... 4 very low.

    A score says which ground ranks above which and is no probability, so the classes are shares of
    ground and not values. Ties share the lower class: none holds more ground than it says. -1: no score.

    >>> score_classes(np.arange(100.0)[::-1])[[0, 4, 5, 10, 25, 50]]
    array([0, 0, 1, 2, 3, 4], dtype=int8)
    """
    classes = np.zeros(score.shape, dtype=np.int8)
    for edge in score_edges(score):
        classes += score <= edge
    return np.where(np.isfinite(score), classes, np.int8(-1))


def score_edges(score: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return the highest score that is not of each class, the best class first; the last class has none.

    A score is of the class whose number is the count of edges that it does not exceed, as `score_classes`
    says; other scores of the same map, such as those between its pixels, are classed by the same edges.
    """
    ranked = np.sort(score[np.isfinite(score)])
    if not len(ranked):
        return ranked
    # as many as fit into a class, all that tie with the next one left out
    fit = np.floor(np.array([bound for _, bound in CLASSES[:-1]]) * len(ranked) + 1e-9).astype(np.int64)
    edges: NDArray[np.floating[Any]] = ranked[len(ranked) - 1 - fit]
    return edges


def score_tones() -> list[str]:
    """Return the colours of the classes as ``#rrggbb``, the best first."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(tone) for tone in colormaps["viridis"](np.linspace(1, 0.08, len(CLASSES)))]


def score_map(ground: Ground, score: NDArray[np.floating[Any]], *, title: str = "Prospectivity") -> "Figure":
    """Draw the scores in five named classes.

    Parameters
    ----------
    score
        (row, col) over the region, NaN where nothing was scored.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    with style():
        sheet = new_sheet(ground, title)
        tones = score_tones()
        classes = np.ma.masked_less(score_classes(thin(score, MOST_PIXELS)), 0)
        draw_raster(sheet.axes, classes, ground.region, cmap=ListedColormap(tones), vmin=-0.5, vmax=4.5)
        entries: list[Entry] = []
        for i, (tone, (name, high)) in enumerate(zip(tones, CLASSES, strict=True)):
            low = CLASSES[i - 1][1] if i else 0.0
            span = f"{100 * low:.0f} to {100 * high:.0f}\u00a0%" if low else f"best {100 * high:.0f}\u00a0%"
            entries.append((Patch(facecolor=tone, edgecolor=INK, linewidth=0.3), f"{name} ({span})"))
        entries.append((Patch(facecolor="white", edgecolor=FAINT, linewidth=0.4), "not scored"))
        marks = [*draw_deposits(sheet.axes, ground, size=3.2), *draw_faults(sheet.axes, ground)]
        marks += draw_land(sheet.axes, ground)
        sheet.legend(("Class (share of ground)", entries), ("", marks))
    return sheet.figure


def spread_map(
    ground: Ground, spread: NDArray[np.floating[Any]], *, title: str = "Spread of the score"
) -> "Figure":
    """Draw how far repeats and seeds disagree: the standard deviation of the score.

    Parameters
    ----------
    spread
        (row, col) over the region, NaN where nothing was scored.
    """
    with style():
        sheet = new_sheet(ground, title)
        shown = thin(spread, MOST_PIXELS)
        low, high = limits(shown, cut=0.0)
        image = draw_raster(sheet.axes, shown, ground.region, cmap="cividis", vmin=low, vmax=high)
        bar = sheet.figure.colorbar(image, cax=sheet.side.inset_axes((0.0, 0.5, 0.08, 0.5)))
        bar.set_label("standard deviation of the score", fontsize=7)
        bar.ax.tick_params(labelsize=7)
        sheet.legend(("", draw_deposits(sheet.axes, ground, size=3.2)), top=0.44)
    return sheet.figure


def limits(values: NDArray[np.floating[Any]], *, cut: float = 0.02) -> tuple[float, float]:
    """Return the range of the values without the share ``cut`` at either end; never an empty range."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 1.0
    low, high = (float(edge) for edge in np.quantile(known, (cut, 1 - cut)))
    margin = 0.0 if high > low else 0.5 * (abs(low) or 1.0)
    return low - margin, high + margin


def thin(values: NDArray[np.floating[Any]], most: int) -> NDArray[np.floating[Any]]:
    """Keep every k-th pixel, so that the longer side has at most ``most``."""
    step = max(1, math.ceil(max(values.shape) / most))
    return values[step // 2 :: step, step // 2 :: step]


# ---- folds


def folds_map(ground: Ground, areas: "gpd.GeoDataFrame", *, title: str = "Folds and camps") -> "Figure":
    """Draw which fold held each area out, and the camps, each of which must lie in one fold.

    Parameters
    ----------
    areas
        Squares with ``fold``; missing or negative: held out in none.
    """
    from matplotlib.patches import Patch

    with style():
        sheet = new_sheet(ground, title)
        fold = np.full(len(areas), -1)
        if "fold" in areas:
            fold = areas["fold"].fillna(-1).to_numpy().astype(int)
        entries: list[Entry] = []
        for number in np.unique(fold):
            chosen = fold == number
            colour = FOLDS[number % len(FOLDS)] if number >= 0 else "#eeeeee"
            look: dict[str, Any] = {"facecolor": colour, "edgecolor": "white", "linewidth": 0.4}
            sheet.axes.add_collection(polygons(areas.geometry[chosen], zorder=1, **look), autolim=False)
            label = f"fold {number}" if number >= 0 else "no fold"
            entries.append((Patch(**look), f"{label} ({int(chosen.sum())} areas)"))
        marks = draw_camps(sheet.axes, ground, radius=7 * sheet.metres_per_point)
        sheet.legend(("Held-out fold", entries), ("", [*marks, *draw_deposits(sheet.axes, ground, size=3.0)]))
    return sheet.figure
