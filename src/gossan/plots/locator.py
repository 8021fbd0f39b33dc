"""Where on Earth a map lies: a small globe beside it."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gossan.plots.frame import Ground, Sheet
from gossan.plots.style import NEW_TARGET

__all__ = ["GLOBE_ROWS", "draw_locator", "on_globe"]

#: Lines of legend that the globe takes the room of.
GLOBE_ROWS = 8
#: Inches: its side, and how far above the foot of the side panel it stands, over north arrow and scale bar.
SIDE, FOOT = 1.05, 0.72
#: Points this far apart, degrees, draw a line as round as it is.
STEP = 3.0


def draw_locator(sheet: Sheet, ground: Ground) -> None:
    """Draw the globe as seen from above the map, with a dot where the map is.

    Coasts are those of Natural Earth (public domain), to about a degree.
    """
    from matplotlib.collections import PathCollection
    from matplotlib.patches import Circle
    from matplotlib.path import Path as Outline
    from pyproj import Transformer

    west, south, east, north = ground.region
    to_degrees = Transformer.from_crs(ground.crs, "EPSG:4326", always_xy=True)
    centre = to_degrees.transform((west + east) / 2, (south + north) / 2)
    if not np.isfinite(centre).all():  # a local grid lies nowhere on Earth
        return
    height = sheet.side.get_position().height * sheet.figure.get_figheight()
    width = sheet.side.get_position().width * sheet.figure.get_figwidth()
    globe = sheet.side.inset_axes((0.04, FOOT / height, SIDE / width, SIDE / height))
    globe.set(xlim=(-1.04, 1.04), ylim=(-1.04, 1.04), aspect="equal")
    globe.set_axis_off()
    globe.add_patch(Circle((0, 0), 1, facecolor="#eef4f9", edgecolor="#777777", linewidth=0.6))
    land = [Outline(points) for ring in _coasts() for points in _outlines(ring, centre)]
    look: dict[str, Any] = {"facecolor": "#c9c9c0", "edgecolor": "#8a8a84", "linewidth": 0.25}
    globe.add_collection(PathCollection(land, **look), autolim=False)
    for line in _graticule():
        x, y, seen = on_globe(line, centre)
        globe.plot(np.where(seen, x, np.nan), np.where(seen, y, np.nan), color="#ffffff", linewidth=0.4)
    globe.plot([0], [0], "o", color=NEW_TARGET, markersize=4.5, markeredgecolor="white", markeredgewidth=0.7)


def on_globe(
    degrees: NDArray[np.float64], centre: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Project longitudes and latitudes orthographically onto a globe of radius 1 (Snyder 1987, p. 149).

    Parameters
    ----------
    degrees
        (n, 2) longitude, latitude.
    centre
        Longitude and latitude of the nearest point.

    Returns
    -------
    x, y, and whether the point is on the near side.

    >>> x, y, seen = on_globe(np.array([[10.0, 50.0], [100.0, 0.0], [190.0, -50.0]]), (10.0, 50.0))
    >>> np.round(x, 6).tolist(), seen.tolist()
    ([0.0, 1.0, 0.0], [True, True, False])
    """
    turned, up = np.radians(degrees[:, 0] - centre[0]), np.radians(degrees[:, 1])
    tilt = np.radians(centre[1])
    x = np.cos(up) * np.sin(turned)
    y = np.cos(tilt) * np.sin(up) - np.sin(tilt) * np.cos(up) * np.cos(turned)
    near = np.sin(tilt) * np.sin(up) + np.cos(tilt) * np.cos(up) * np.cos(turned)
    return x, y, near > -1e-12


def _outlines(ring: NDArray[np.float64], centre: tuple[float, float]) -> list[NDArray[np.float64]]:
    """Project a ring that has its land on the left, cut off at the limb: closed outlines (n, 2)."""
    x, y, seen = on_globe(_dense(ring)[:-1], centre)
    if seen.all() or not seen.any():
        return [np.column_stack([x, y])] if seen.all() else []
    first = int(np.argmin(seen))  # a point behind the globe, so that no run goes over the end of the array
    points, seen = np.roll(np.column_stack([x, y]), -first, axis=0), np.roll(seen, -first)
    edges = np.flatnonzero(np.diff(np.r_[False, seen, False].astype(int)))
    runs = [points[start:end] for start, end in edges.reshape(-1, 2)]
    return _joined(runs)


def _joined(runs: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Close runs of points that begin and end at the limb along it, anticlockwise: the land stays left."""
    begin, end = (np.array([np.arctan2(*run[place][::-1]) for run in runs]) for place in (0, -1))
    left, outlines = set(range(len(runs))), []
    while left:
        start = at = min(left)
        parts: list[NDArray[np.float64]] = []
        while True:
            left.discard(at)
            ahead = {i: (begin[i] - end[at]) % (2 * np.pi) for i in (*left, start)}
            following = min(ahead, key=lambda i: ahead[i])
            arc = end[at] + np.linspace(0, ahead[following], 2 + int(ahead[following] / 0.05))
            parts += [runs[at], np.column_stack([np.cos(arc), np.sin(arc)])]
            if following == start:
                break
            at = following
        outlines.append(np.vstack(parts))
    return outlines


def _dense(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add points to a closed ring, so that its straight sides bend with the globe."""
    closed = np.vstack([ring, ring[:1]])
    along = np.r_[0.0, np.cumsum(np.hypot(*np.diff(closed, axis=0).T))]
    at = np.union1d(along, np.arange(0, along[-1], STEP))
    return np.column_stack([np.interp(at, along, closed[:, axis]) for axis in (0, 1)])


def _graticule() -> list[NDArray[np.float64]]:
    """Give meridians and parallels, every 30 degrees."""
    up, round_ = np.linspace(-90, 90, 61), np.linspace(-180, 180, 121)
    meridians = [np.column_stack([np.full_like(up, lon), up]) for lon in range(-180, 180, 30)]
    return [*meridians, *(np.column_stack([round_, np.full_like(round_, lat)]) for lat in range(-60, 61, 30))]


@cache
def _coasts() -> list[NDArray[np.float64]]:
    text = Path(__file__).with_name("coasts.txt").read_text(encoding="ascii")
    rings = (line.split() for line in text.splitlines() if not line.startswith("#"))
    found = [np.array([point.split(",") for point in ring], dtype=np.float64) for ring in rings]
    return [ring if _area(ring) > 0 else ring[::-1] for ring in found]


def _area(ring: NDArray[np.float64]) -> float:
    """Give the area within a ring, negative where it runs clockwise."""
    x, y = ring.T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)
