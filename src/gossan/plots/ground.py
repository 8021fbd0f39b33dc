"""What lies on the ground, drawn without pyplot: rock units, faults, known deposits, camps, squares."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.plots.frame import Entry, Ground
from gossan.plots.style import INK, OTHER_UNIT, TENURE, clean, shorten, unit_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection, PathCollection
    from matplotlib.image import AxesImage

__all__ = [
    "deposit_points",
    "draw_camps",
    "draw_deposits",
    "draw_faults",
    "draw_geology",
    "draw_land",
    "draw_raster",
    "lines",
    "polygons",
    "unit_shares",
]

#: Rock units with a colour of their own; what is left is one grey.
NAMED_UNITS = 16
UNIT_EDGE: dict[str, Any] = {"edgecolor": "#777777", "linewidth": 0.3}


def polygons(geometries: Iterable[Any], **look: Any) -> "PathCollection":
    """Make one collection of polygons; holes stay open."""
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path
    from shapely.geometry.polygon import orient

    paths = []
    for part in _parts(geometries, "Polygon"):
        whole = orient(part)
        rings = [
            Path(np.asarray(ring.coords)[:, :2], closed=True) for ring in (whole.exterior, *whole.interiors)
        ]
        paths.append(Path.make_compound_path(*rings))
    return PathCollection(paths, **look)


def lines(geometries: Iterable[Any], **look: Any) -> "LineCollection":
    """Make one collection of lines."""
    from matplotlib.collections import LineCollection

    return LineCollection(
        [np.asarray(part.coords)[:, :2] for part in _parts(geometries, "LineString")], **look
    )


def _parts(geometries: Iterable[Any], kind: str) -> list[Any]:
    import shapely

    shapes = [shape for shape in geometries if shape is not None and not shape.is_empty]
    return [part for part in shapely.get_parts(shapes) if part.geom_type == kind]


def draw_raster(
    axes: "Axes", values: NDArray[Any], region: tuple[float, float, float, float], **look: Any
) -> "AxesImage":
    """Draw a north-up raster over its region."""
    west, south, east, north = region
    return axes.imshow(values, extent=(west, east, south, north), origin="upper", aspect="equal", **look)


def unit_shares(ground: Ground) -> dict[str, float]:
    """Return each rock unit's share of the mapped ground, the largest first."""
    if ground.geology is not None:
        from shapely import box

        inside = ground.geology.geometry.intersection(box(*ground.region)).area
        area = inside.groupby(ground.geology["unit"].astype(str)).sum()
        sizes = {str(unit): float(size) for unit, size in area.items()}
    elif ground.classes is not None:
        drawn = np.bincount(ground.classes[ground.classes >= 0], minlength=len(ground.class_names))
        counts = list(ground.class_counts) or drawn.tolist()
        sizes = dict(zip(ground.class_names, counts, strict=False))
    else:
        return {}
    whole = sum(sizes.values()) or 1.0
    ranked = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
    return {unit: size / whole for unit, size in ranked if size > 0}


def draw_geology(axes: "Axes", ground: Ground, *, alpha: float = 1.0) -> list[Entry]:
    """Fill the map with the rock units; returns their rows of the legend."""
    from matplotlib.colors import to_rgba

    shares = unit_shares(ground)
    colours = unit_colours(list(shares))
    if ground.geology is not None:
        names = ground.geology["unit"].astype(str)
        for unit, colour in colours.items():
            look = {"facecolor": colour, "zorder": 1, "alpha": alpha, **UNIT_EDGE}
            axes.add_collection(polygons(ground.geology.geometry[names == unit], **look), autolim=False)
    elif ground.classes is not None:
        palette = np.zeros((len(ground.class_names) + 1, 4))  # the last one, clear, is for class -1
        for i, name in enumerate(ground.class_names):
            palette[i] = to_rgba(colours.get(name, OTHER_UNIT), alpha)
        draw_raster(axes, palette[ground.classes], ground.region, zorder=1)
    return _geology_entries(shares, colours)


def _geology_entries(shares: Mapping[str, float], colours: Mapping[str, str]) -> list[Entry]:
    from matplotlib.patches import Patch

    units = list(shares)
    entries: list[Entry] = []
    for unit in units[:NAMED_UNITS]:
        label = f"{shorten(unit, 40)} ({_percent(shares[unit])})"
        entries.append((Patch(facecolor=colours[unit], **UNIT_EDGE), label))
    if rest := units[NAMED_UNITS:]:
        label = f"{len(rest)} other units ({_percent(sum(shares[unit] for unit in rest))})"
        entries.append((Patch(facecolor=colours[rest[0]], **UNIT_EDGE), label))
    return entries


def _percent(share: float) -> str:
    return "<1\u00a0%" if share < 0.01 else f"{100 * share:.0f}\u00a0%"  # no line break before the sign


def draw_faults(axes: "Axes", ground: Ground) -> list[Entry]:
    """Draw the faults; returns their row of the legend."""
    from matplotlib.lines import Line2D

    if ground.faults is None or not len(ground.faults):
        return []
    axes.add_collection(lines(ground.faults.geometry, colors=INK, linewidths=0.7, zorder=2), autolim=False)
    return [(Line2D([], [], color=INK, linewidth=0.9), "Fault")]


def draw_land(axes: "Axes", ground: Ground) -> list[Entry]:
    """Hatch the excluded ground and outline what somebody holds; returns their rows of the legend."""
    from matplotlib.patches import Patch

    entries: list[Entry] = []
    if ground.excluded is not None and len(ground.excluded):
        from shapely import union_all

        whole = [union_all(ground.excluded.geometry.to_numpy())]  # overlapping hatches would make a grid
        veil: dict[str, Any] = {"facecolor": "#ffffff", "alpha": 0.45, "linewidth": 0}
        axes.add_collection(polygons(whole, zorder=2.2, **veil), autolim=False)
        look: dict[str, Any] = {
            "facecolor": "none",
            "edgecolor": "#333333",
            "linewidth": 0.5,
            "hatch": "xxxx",
        }
        axes.add_collection(polygons(whole, zorder=2.3, **look), autolim=False)
        entries.append((Patch(**look), "Excluded ground"))
    if ground.tenure is not None and len(ground.tenure):
        edge: dict[str, Any] = {"facecolor": "none", "edgecolor": TENURE, "linewidth": 1.0}
        edge["linestyle"] = (0, (5, 2))
        axes.add_collection(polygons(ground.tenure.geometry, zorder=2.5, **edge), autolim=False)
        entries.append((Patch(**edge), f"Tenure ({ground.tenure['holder'].nunique()} holders)"))
    return entries


def draw_deposits(axes: "Axes", ground: Ground, *, size: float = 4.2) -> list[Entry]:
    """Mark the known deposits; returns their row of the legend."""
    points = deposit_points(ground)
    if not len(points):
        return []
    look: dict[str, Any] = {"marker": "D", "markerfacecolor": "#111111", "markeredgecolor": "white"}
    (mark,) = axes.plot(*points.T, linestyle="none", markersize=size, markeredgewidth=0.7, zorder=5, **look)
    return [(mark, f"Known deposit ({len(points)})")]


def deposit_points(ground: Ground) -> NDArray[np.float64]:
    """Return the positions (n, 2) of the known deposits inside the region."""
    if ground.deposits is None:
        return np.empty((0, 2))
    import shapely

    points = shapely.get_coordinates(shapely.centroid(ground.deposits.geometry.to_numpy()))
    west, south, east, north = ground.region
    inside = (points >= (west, south)).all(axis=1) & (points <= (east, north)).all(axis=1)
    return np.asarray(points[inside])


def draw_camps(axes: "Axes", ground: Ground, *, radius: float) -> list[Entry]:
    """Outline each camp, ``radius`` metres around its deposits, and write its number; returns its legend."""
    from matplotlib.patches import Patch
    from matplotlib.patheffects import withStroke

    if ground.deposits is None or "camp" not in ground.deposits or not len(ground.deposits):
        return []
    in_camp = ground.deposits[~ground.deposits["camp"].isin([0, ""])]  # 0: in none, on ground left out
    camps = in_camp[["camp", "geometry"]].dissolve("camp").geometry
    if not len(camps):
        return []
    look: dict[str, Any] = {"facecolor": "none", "edgecolor": INK, "linewidth": 1.1}
    hulls = camps.convex_hull.buffer(radius)
    axes.add_collection(polygons(hulls, zorder=4, **look), autolim=False)
    west, _, east, north = ground.region
    for camp, (left, low, right, high) in zip(hulls.index, hulls.bounds.to_numpy(), strict=True):
        # above the outline, below it where the map ends
        above = high + 2.4 * radius < north
        place = float(np.clip((left + right) / 2, west, east)), high if above else low
        mark = axes.text(*place, clean(camp), ha="center", va="bottom" if above else "top", clip_on=True)
        mark.set(fontsize=6.5, fontweight="bold", zorder=6)
        mark.set_path_effects([withStroke(linewidth=1.8, foreground="white")])
    return [(Patch(**look), f"Camp, with its number ({len(camps)})")]
