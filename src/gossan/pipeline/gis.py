"""The run folder as QGIS opens it: a style beside each raster, styles in the GeoPackage, and a project."""

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from gossan import io
from gossan.io import Label, MapLayer, RasterStyle, Stop, Symbol, VectorStyle
from gossan.plots.maps import MOST_PIXELS
from gossan.report import ReportModel

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

    from gossan.report.plan import Maps

__all__ = ["write_gis", "write_map_styles"]

Floats = NDArray[np.floating[Any]]

#: Colours of a scale; between them QGIS mixes, which is off by less than two of 255 levels.
_STOPS = 33
_INSIDE = (Stop(0, "#965a3c", "outside: unlike it"), Stop(1, "#becde4", "inside: like the training ground"))


def write_gis(folder: Path, report: ReportModel, maps: "Maps") -> None:
    """Write ``gossan.qgz`` and the styles of a run folder, in the figures' colours."""
    vectors = list(_vectors(maps))
    io.write_layer_styles(
        folder / "targets.gpkg",
        {each.table: each.style for each in vectors if isinstance(each.style, VectorStyle)},
    )
    rasters = [*_results(folder, report, maps), *_inside(folder), *_ground(maps)]
    for layer in reversed(rasters):  # the first layer of a file gives the file its style
        io.write_style((folder / layer.file).with_suffix(".qml"), layer.style)
    io.write_project(
        folder / "gossan.qgz",
        [*vectors, *rasters],
        title=str(report.get("title") or "gossan"),
        crs=str(report.get("crs") or maps.ground.crs),
        region=maps.ground.region,
    )


def write_map_styles(path: Path, *, limit: float | None) -> None:
    """Write the styles beside a map of another survey: its final scores, how unlike it is, and a dense map.

    Parameters
    ----------
    path
        Of the map; ``<name>-applicability.tif`` lies beside it, and ``<name>-dense.tif`` where there is one.
    limit
        Dissimilarity from which ground is unlike the training ground.
    """
    bands, _, _ = io.thin_bands(path, MOST_PIXELS)
    io.write_style(path.with_suffix(".qml"), _score_steps(bands["final"], list(bands).index("final") + 1))
    unlike = path.with_name(f"{path.stem}-applicability.tif")
    io.write_style(
        unlike.with_suffix(".qml"), _index(io.thin_bands(unlike, MOST_PIXELS)[0]["index"], limit, 1)
    )
    dense = path.with_name(f"{path.stem}-dense.tif")
    if dense.is_file():
        (score,) = io.thin_bands(dense, MOST_PIXELS)[0].values()
        io.write_style(dense.with_suffix(".qml"), _score_steps(score, 1))


# ---- places


def _vectors(maps: "Maps") -> Iterator[MapLayer]:
    from gossan.plots.style import INK, NEW_TARGET, TENURE

    def layer(
        name: str, table: str, geometry: Literal["Point", "Line", "Polygon"], look: VectorStyle, shown: bool
    ) -> Iterator[MapLayer]:
        if table in maps.layers:
            yield MapLayer(name, "Places", "targets.gpkg", look, table, geometry, shown)

    outline = Symbol("fill", None, NEW_TARGET, 0.6)
    label = Label("number", NEW_TARGET, bold=True)
    yield from layer("Targets", "targets", "Polygon", _one("Target", outline, label), True)
    diamond = Symbol("marker", "#111111", "#ffffff", 0.25, 2.6, "diamond")
    yield from layer("Known deposits", "deposits", "Point", _one("Known deposit", diamond), True)
    closed = Symbol("fill", "#333333", "#333333", 0.2, hatched=True)
    yield from layer("Excluded ground", "excluded", "Polygon", _one("Excluded ground", closed), True)
    held = _one("Tenure", Symbol("fill", None, TENURE, 0.4), Label("holder", TENURE))
    yield from layer("Tenure", "tenure", "Polygon", held, True)
    grid = _one("Area that was scored", Symbol("fill", None, "#666666", 0.1))
    yield from layer("Areas", "areas", "Polygon", grid, True)
    yield from layer("Faults", "faults", "Line", _one("Fault", Symbol("line", INK, width=0.25)), True)
    dot = _one("Sample", Symbol("marker", INK, "#ffffff", 0.1, 0.9))
    yield from layer("Samples", "samples", "Point", dot, False)
    yield from layer("Geology", "geology", "Polygon", _units(maps), False)


def _one(name: str, symbol: Symbol, label: Label | None = None) -> VectorStyle:
    return VectorStyle(((None, name, symbol),), label=label)


def _units(maps: "Maps") -> VectorStyle:
    """Colour the rock units as the figures do, the largest first."""
    if maps.ground.geology is None:
        return _one("Rock unit", Symbol("fill", "#dddddd", "#777777", 0.1))
    colours = _unit_colours(maps)
    rest = sorted(set(maps.ground.geology["unit"].astype(str)) - set(colours))  # wholly off the map
    named = {**colours, **dict.fromkeys(rest, "#dddddd")}
    symbols = [(name, name, Symbol("fill", colour, "#777777", 0.1)) for name, colour in named.items()]
    return VectorStyle(symbols, column="unit")


def _unit_colours(maps: "Maps") -> dict[str, str]:
    from gossan.plots.ground import unit_shares
    from gossan.plots.style import unit_colours

    return unit_colours(list(unit_shares(maps.ground)))


# ---- rasters


def _results(folder: Path, report: ReportModel, maps: "Maps") -> Iterator[MapLayer]:
    from matplotlib import colormaps

    if (folder / "dense.tif").is_file():
        dense, _, _ = io.thin_bands(folder / "dense.tif", MOST_PIXELS)
        yield from _scores("Dense ", "dense.tif", dense, shown=False)
    bands, _, _ = io.thin_bands(folder / "prospectivity.tif", MOST_PIXELS)
    yield from _scores("", "prospectivity.tif", bands, shown=True)
    told = report.get("applicability") or {}
    edges = {"index": told.get("threshold"), "ore_index": (told.get("ore_like") or {}).get("threshold")}
    titles = {"index": "Dissimilarity", "ore_index": "Like nothing known", "far": "Far from samples"}
    for number, (name, values) in enumerate(maps.applicability.items(), 1):
        if name == "inside":
            look = RasterStyle("classes", _INSIDE, number)
        elif name == "far":
            look = _scale(values, colormaps["cividis"], number, span=(0.0, 1.0))
        else:
            look = _index(values, edges.get(name), number)
        title = titles.get(name, "Area of applicability")
        yield MapLayer(title, "Can it be trusted", "applicability.tif", look)


def _scores(prefix: str, file: str, bands: Mapping[str, Floats], *, shown: bool) -> Iterator[MapLayer]:
    from matplotlib import colormaps

    from gossan.plots.maps import limits

    titles = {"score": "Score", "spread": "Spread of the score", "final": "Final model"}
    for number, (name, values) in enumerate(bands.items(), 1):
        spread = name == "spread"
        look = (
            _scale(values, colormaps["cividis"], number, span=limits(values, cut=0.0))
            if spread
            else _score_steps(values, number)
        )
        title = titles.get(name, name)
        title = f"{prefix}{title.lower()}" if prefix else title
        yield MapLayer(title, "Result", file, look, shown=shown and name == "score")


def _score_steps(score: Floats, band: int) -> RasterStyle:
    """Colour the five classes of the figure; a step lies half-way between the scores of two classes."""
    from gossan.plots.maps import CLASSES, score_classes, score_tones

    classes, tones = score_classes(score), score_tones()
    present = [number for number in reversed(range(len(CLASSES))) if (classes == number).any()]
    stops = []
    for number, better in zip_longest(present, present[1:]):
        edge = float("inf")
        if better is not None:
            edge = (float(score[classes == number].max()) + float(score[classes == better].min())) / 2
        low = 100 * CLASSES[number - 1][1] if number else 0
        high = 100 * CLASSES[number][1]
        share = f"{low:.0f} to {high:.0f} %" if number else f"best {high:.0f} %"
        stops.append(Stop(edge, tones[number], f"{CLASSES[number][0]} ({share})"))
    return RasterStyle("steps", stops or [Stop(float("inf"), "#ffffff", "not scored")], band)


def _index(values: Floats, threshold: float | None, band: int) -> RasterStyle:
    from gossan.plots.domain import pale
    from gossan.plots.maps import limits

    return _scale(values, pale(), band, span=(0.0, max(limits(values)[1], 1.15 * (threshold or 0.0))))


def _scale(
    values: Floats, colours: "Colormap", band: int, *, span: tuple[float, float] | None = None
) -> RasterStyle:
    from matplotlib.colors import to_hex

    from gossan.plots.maps import limits

    low, high = span or limits(values)
    high = high if high > low else low + 1.0
    shares = np.linspace(0, 1, _STOPS)
    stops = [
        Stop(low + float(share) * (high - low), to_hex(colours(float(share))), _figure(low, high, share))
        for share in shares
    ]
    return RasterStyle("scale", stops, band)


def _figure(low: float, high: float, share: float) -> str:
    return f"{low + share * (high - low):.3g}"


def _inside(folder: Path) -> Iterator[MapLayer]:
    """Show what the networks look at, where a run has it."""
    from matplotlib import colormaps

    for stem in ("attention", "gradients"):
        if not (folder / f"{stem}.tif").is_file():
            continue
        bands, _, _ = io.thin_bands(folder / f"{stem}.tif", MOST_PIXELS)
        for number, (name, values) in enumerate(bands.items(), 1):
            title = f"{stem.capitalize()}: {name}"
            yield MapLayer(title, "Why", f"{stem}.tif", _scale(values, colormaps["cividis"], number))


def _ground(maps: "Maps") -> Iterator[MapLayer]:
    """Show every layer of the stack, its classes in the colours of the rock units."""
    from matplotlib import colormaps

    names, units = maps.stack["channel"].values, maps.stack["units"].values
    for number, (name, unit) in enumerate(zip(names, units, strict=True), 1):
        values = maps.stack["layers"].values[number - 1]
        title = f"{name} ({unit})" if str(unit) else str(name)
        yield MapLayer(title, "Channels", "stack.tif", _scale(values, colormaps["viridis"], number))
    if "classes" in maps.stack:
        colours = _unit_colours(maps)
        stops = [
            Stop(number, colours.get(str(name), "#dddddd"), str(name))
            for number, name in enumerate(maps.stack.attrs["class_names"])
        ]
        look = RasterStyle("classes", stops, len(names) + 1)
        yield MapLayer("Rock units, by pixel", "Channels", "stack.tif", look)
