"""The page that shows a run's tiles: the report's map, its files, and what lies on it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from gossan import io
from gossan.errors import DataError, MissingFileError
from gossan.grid import region_of, resolution_of
from gossan.plots import Ground
from gossan.report import ReportModel, parts, read_report
from gossan.report.pictures import ground_of
from gossan.report.screen import make_screen
from gossan.report.webmap import WebMap, grouped, map_without_pictures, unlike_limits
from gossan.report.words import significant
from gossan.view.layers import Layer, map_layers, run_layers

if TYPE_CHECKING:
    import geopandas as gpd

__all__ = ["POLICY", "Shown", "page_files", "read_shown"]

#: The page runs its own scripts and styles and asks nobody else for anything.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: Length of the equator in Web Mercator, metres; pixels along a side of a tile; the deepest zoom there is.
_EQUATOR, _TILE, _MOST_ZOOM = 40075016.685578488, 256, 24
#: Pixels of a tile of the deepest zoom to one of the map, at least: edges of the map are seen to a quarter.
_FINE = 4


@dataclass(frozen=True)
class _Places:
    """What lies on the map."""

    ground: Ground
    layers: "Mapping[str, gpd.GeoDataFrame]"


@dataclass(frozen=True)
class Shown:
    """What is served: layers by key, the deepest zoom of tiles, and the page's content."""

    title: str
    layers: Mapping[str, Layer]
    deepest: int
    content: WebMap


def read_shown(path: Path) -> Shown:
    """Read what a finished run, or a map of ``gossan predict``, has to show; pixels are read later.

    Parameters
    ----------
    path
        Folder of a run, or the GeoTIFF of a map.

    Raises
    ------
    MissingFileError
        There is no such folder or file, or the run is not finished.
    DataError
        A file cannot be read, or is no map of this package.
    """
    return _map(path) if path.is_file() else _run(path)


def _run(folder: Path) -> Shown:
    needed = ("manifest.json", "prospectivity.tif", "targets.gpkg")  # the manifest is what ends a run
    report = read_report(folder)
    if missing := [name for name in needed if not (folder / name).is_file()]:
        raise MissingFileError(
            f"{folder} is no finished run: it has no {', '.join(missing)}; only a finished run has maps to "
            "show: run it again, it goes on from where it stopped"
        )
    layers = io.read_layers(folder / "targets.gpkg")
    grid = io.raster_head(folder / "prospectivity.tif").grid
    ground = ground_of(report, layers, region_of(grid), str(grid.crs))
    listed = list(run_layers(folder, ground, unlike_limits(report)))
    title = str(report.get("title") or folder.resolve().name)
    return _shown(title, listed, report, _Places(ground, layers), resolution_of(grid))


def _map(path: Path) -> Shown:
    head = io.raster_head(path)
    if "final" not in head.names:
        raise DataError(
            f"{path} has the bands {', '.join(head.names)}; a folder of a run or a map of `gossan predict`, "
            "which has a band final, can be shown: give one of them"
        )
    ground = Ground(region=region_of(head.grid), crs=str(head.grid.crs))
    listed = list(map_layers(path, {}))
    return _shown(path.stem, listed, {}, _Places(ground, {}), resolution_of(head.grid))


def _shown(title: str, listed: list[Layer], report: ReportModel, places: _Places, resolution: float) -> Shown:
    corners = make_screen(places.ground.region, (1, 1), places.ground.crs).corners
    deepest = _deepest(corners, resolution)
    told = [{"key": each.kind[0], "name": each.kind[1]} for each in listed]
    groups = grouped((each.kind[2], each.kind[0], each.kind[1]) for each in listed)
    content = map_without_pictures(report, places, told, groups, corners, resolution=resolution)
    return Shown(title, {each.kind[0]: each for each in listed}, deepest, content)


def _deepest(corners: list[list[float]], resolution: float) -> int:
    """Return the zoom at which a tile's pixel is at most a quarter of the map's, anywhere on it."""
    nearest = min(abs(corners[0][0]), abs(corners[1][0])) if corners[0][0] * corners[1][0] > 0 else 0.0
    ground = _EQUATOR * math.cos(math.radians(nearest)) / _TILE
    return min(_MOST_ZOOM, max(0, math.ceil(math.log2(_FINE * ground / resolution))))


def page_files(shown: Shown) -> dict[str, tuple[str, bytes]]:
    """Return the page and its files by name: their type and content."""
    from markupsafe import Markup

    page = (
        parts.templates()
        .get_template("view.html.jinja")
        .render(
            title=shown.title,
            map=shown.content,
            map_data=Markup(shown.content.data),
            map_error=significant(shown.content.error),
            deepest=shown.deepest,
        )
    )
    read = files("gossan").joinpath("templates")
    styles = [
        read.joinpath(name).read_text(encoding="utf-8") for name in ("report.css", "map.css", "view.css")
    ]
    script = "text/javascript; charset=utf-8"
    return {
        "": ("text/html; charset=utf-8", page.encode()),
        "style.css": ("text/css; charset=utf-8", "\n".join([parts.leaflet_style(), *styles]).encode()),
        "leaflet.js": (script, parts.leaflet_script().encode()),
        "tiles.js": (script, read.joinpath("tiles.js").read_bytes()),
        "map.js": (script, parts.map_script().encode()),
    }
