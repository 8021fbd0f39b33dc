"""How QGIS (3.22 and later) draws a layer, as the XML of its styles; QGIS itself is not needed.

Names reach the XML only through `xml.etree`, which escapes them, without what XML forbids.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

from gossan.io.gpx import allowed

__all__ = [
    "DOCTYPE",
    "Element",
    "Label",
    "RasterStyle",
    "Stop",
    "Symbol",
    "VectorStyle",
    "add",
    "style_text",
    "written",
]

_VERSION = "3.22.0"
#: How styles and projects begin.
DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"

Element = ElementTree.Element


@dataclass(frozen=True)
class Stop:
    """A value of a raster, its colour (``#rrggbb``) and its text in the legend."""

    value: float
    colour: str
    label: str


@dataclass(frozen=True)
class RasterStyle:
    """Colours of one band, counted from 1.

    Attributes
    ----------
    kind
        ``scale``: colours between the stops are mixed, and beyond the ends they are those of the ends;
        ``steps``: a value has the colour of the first stop that is at least as high (the last one is
        infinite); ``classes``: only the values of the stops have a colour.
    stops
        By rising value.
    """

    kind: Literal["scale", "steps", "classes"]
    stops: Sequence[Stop]
    band: int = 1


@dataclass(frozen=True)
class Symbol:
    """How a shape is drawn: colours as ``#rrggbb`` (None: none), millimetres, opacity 0 to 1.

    ``colour`` fills areas and marks and draws lines; ``shape`` and ``size`` are those of a mark; a
    hatched fill shows what lies beneath.
    """

    kind: Literal["fill", "line", "marker"]
    colour: str | None
    outline: str | None = None
    width: float = 0.2
    size: float = 2.0
    shape: Literal["circle", "diamond"] = "circle"
    opacity: float = 1.0
    hatched: bool = False


@dataclass(frozen=True)
class Label:
    """A column that is written beside each shape, over a white halo."""

    column: str
    colour: str
    size: float = 8.0
    bold: bool = False


@dataclass(frozen=True)
class VectorStyle:
    """Symbols of a layer: one for all shapes, or one for each value of a column.

    Attributes
    ----------
    symbols
        Value, text in the legend, symbol; one of the value None where there is no column.
    """

    symbols: Sequence[tuple[str | None, str, Symbol]]
    column: str | None = None
    label: Label | None = None


def style_text(style: RasterStyle | VectorStyle) -> str:
    """Return the content of a ``.qml`` file."""
    labelled = isinstance(style, VectorStyle) and style.label is not None
    root = ElementTree.Element(
        "qgis",
        {"version": _VERSION, "styleCategories": "AllStyleCategories", "labelsEnabled": str(int(labelled))},
    )
    root.extend(written(style))
    ElementTree.indent(root)
    return DOCTYPE + ElementTree.tostring(root, encoding="unicode") + "\n"


def written(style: RasterStyle | VectorStyle) -> list[Element]:
    """Return the elements of a style, as they stand in a style file and within a project's layer."""
    parts = [_pipe(style)] if isinstance(style, RasterStyle) else _vector(style)
    blend = ElementTree.Element("blendMode")
    blend.text = "0"
    return [*parts, blend]


def add(parent: Element, tag: str, text: str | None = None, /, **attributes: str) -> Element:
    """Add an element with its attributes and its text."""
    child = ElementTree.SubElement(parent, tag, {key: allowed(value) for key, value in attributes.items()})
    if text is not None:
        child.text = allowed(text)
    return child


# ---- rasters


def _pipe(style: RasterStyle) -> Element:
    pipe = ElementTree.Element("pipe")
    add(
        add(pipe, "provider"),
        "resampling",
        enabled="false",
        zoomedInResamplingMethod="nearestNeighbour",
        zoomedOutResamplingMethod="nearestNeighbour",
        maxOversampling="2",
    )
    look = {"opacity": "1", "alphaBand": "-1", "nodataColor": "", "band": str(style.band)}
    if style.kind == "classes":
        palette = add(add(pipe, "rasterrenderer", type="paletted", **look), "colorPalette")
        for stop in style.stops:
            _stop(palette, "paletteEntry", stop)
    else:
        _shader(add(pipe, "rasterrenderer", type="singlebandpseudocolor", **look), style)
    add(pipe, "brightnesscontrast", brightness="0", contrast="0", gamma="1")
    add(pipe, "huesaturation", saturation="0", grayscaleMode="0", colorizeOn="0", invertColors="0")
    add(pipe, "rasterresampler", maxOversampling="2")
    return pipe


def _shader(renderer: Element, style: RasterStyle) -> None:
    low, high = _ends(style.stops)
    renderer.attrib.update(classificationMin=low, classificationMax=high)
    add(add(renderer, "minMaxOrigin"), "limits", "None")
    shader = add(
        add(renderer, "rastershader"),
        "colorrampshader",
        colorRampType="INTERPOLATED" if style.kind == "scale" else "DISCRETE",
        classificationMode="1",
        clip="0",
        minimumValue=low,
        maximumValue=high,
    )
    for stop in style.stops:
        _stop(shader, "item", stop)
    # the legend of a scale is a bar, which needs a ramp beside the stops
    if style.kind == "scale":
        options = add(add(shader, "colorramp", type="gradient", name="[source]"), "Option", type="Map")
        for name, value in _gradient(style.stops).items():
            add(options, "Option", name=name, type="QString", value=value)
    add(shader, "rampLegendSettings", useContinuousLegend="1", orientation="2", direction="0")


def _gradient(stops: Sequence[Stop]) -> dict[str, str]:
    low, high = stops[0].value, stops[-1].value
    between = (f"{(stop.value - low) / (high - low):.6g};{_rgba(stop.colour)}" for stop in stops[1:-1])
    return {
        "color1": _rgba(stops[0].colour),
        "color2": _rgba(stops[-1].colour),
        "discrete": "0",
        "rampType": "gradient",
        "stops": ":".join(between),
    }


def _ends(stops: Sequence[Stop]) -> tuple[str, str]:
    finite = [stop.value for stop in stops if abs(stop.value) != float("inf")]
    return (repr(float(finite[0])), repr(float(finite[-1]))) if finite else ("0.0", "1.0")


def _stop(parent: Element, name: str, stop: Stop) -> None:
    value = "inf" if stop.value == float("inf") else repr(float(stop.value))
    if name == "paletteEntry":
        value = f"{stop.value:g}"
    add(parent, name, value=value, color=stop.colour, alpha="255", label=stop.label)


# ---- vectors


def _vector(style: VectorStyle) -> list[Element]:
    renderer = ElementTree.Element(
        "renderer-v2",
        {"symbollevels": "0", "forceraster": "0", "enableorderby": "0", "referencescale": "-1"},
    )
    if style.column is None:
        renderer.set("type", "singleSymbol")
    else:
        renderer.attrib.update(type="categorizedSymbol", attr=style.column)
        categories = add(renderer, "categories")
        for number, (value, label, _) in enumerate(style.symbols):
            add(
                categories,
                "category",
                value=value or "",
                label=label,
                symbol=str(number),
                render="true",
                type="string",
            )
    symbols = add(renderer, "symbols")
    for number, (_, _, symbol) in enumerate(style.symbols):
        _symbol(symbols, str(number), symbol)
    return [renderer, *([] if style.label is None else [_labeling(style.label)])]


def _symbol(parent: Element, name: str, symbol: Symbol) -> None:
    whole = add(
        parent,
        "symbol",
        name=name,
        type=symbol.kind,
        alpha=f"{symbol.opacity:g}",
        clip_to_extent="1",
        force_rhr="0",
    )
    classes = {"fill": "SimpleFill", "line": "SimpleLine", "marker": "SimpleMarker"}
    layer = {"class": classes[symbol.kind], "enabled": "1", "locked": "0", "pass": "0"}
    options = add(add(whole, "layer", **layer), "Option", type="Map")
    for key, value in _options(symbol).items():
        add(options, "Option", name=key, type="QString", value=value)


def _options(symbol: Symbol) -> Mapping[str, str]:
    width = f"{symbol.width:g}"
    if symbol.kind == "line":
        return {
            "line_color": _rgba(symbol.colour or "#000000"),
            "line_style": "solid",
            "line_width": width,
            "line_width_unit": "MM",
            "capstyle": "round",
            "joinstyle": "round",
        }
    shared = {
        "color": _rgba(symbol.colour or "#ffffff"),
        "outline_color": _rgba(symbol.outline or "#000000"),
        "outline_style": "no" if symbol.outline is None else "solid",
        "outline_width": width,
        "outline_width_unit": "MM",
        "joinstyle": "miter",
    }
    if symbol.kind == "fill":
        solid = "diagonal_x" if symbol.hatched else "solid"
        return {**shared, "style": "no" if symbol.colour is None else solid}
    return {**shared, "name": symbol.shape, "size": f"{symbol.size:g}", "size_unit": "MM"}


def _labeling(label: Label) -> Element:
    labeling = ElementTree.Element("labeling", {"type": "simple"})
    settings = add(labeling, "settings", calloutType="simple")
    text = add(
        settings,
        "text-style",
        fieldName=label.column,
        isExpression="0",
        allowHtml="0",
        fontSize=f"{label.size:g}",
        fontSizeUnit="Point",
        fontFamily="DejaVu Sans",
        fontWeight="75" if label.bold else "50",
        textColor=_rgba(label.colour),
        textOpacity="1",
    )
    add(
        text,
        "text-buffer",
        bufferDraw="1",
        bufferSize="0.8",
        bufferSizeUnits="MM",
        bufferColor=_rgba("#ffffff"),
        bufferOpacity="1",
        bufferNoFill="1",
    )
    add(settings, "placement", placement="1", centroidInside="1")
    return labeling


def _rgba(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"{red},{green},{blue},255"
