"""The interactive map: what of a run it shows, as the data that ``map.js`` draws from.

Colours and their ranges are those of the figures. Names are text: `embedded` writes JSON that no name can
leave, and the page puts every text into the document as text.
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.report.model import ReportModel
from gossan.report.plan import Maps
from gossan.report.screen import Screen, distinct, fit_coordinates, make_screen, palette_png
from gossan.report.webvectors import (
    area_data,
    deposit_data,
    fault_data,
    kilometre_grid,
    land_data,
    sample_data,
    unit_data,
)
from gossan.report.words import named, number

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

__all__ = ["Raster", "WebMap", "embedded", "web_map"]

#: Steps of a colour scale; the eye tells fewer, and a picture of fewer is smaller.
STEPS = 64
#: Bytes that the pictures of all layers may take in the page, and the sides that are tried in turn.
MOST_BYTES = 8_000_000
SIDES = (1500, 1000, 700, 500, 350)
#: A pointer's coordinates are right to this share of a pixel, where a polynomial can.
EXACT = 0.05

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Raster:
    """One layer of the map before it is a picture.

    ``index`` (row, col) of the grid is 0 where there is nothing, else the number of its colour; ``labels``
    are those of classes, ``low`` and ``high`` the ends of a scale.
    """

    key: str
    name: str
    group: str
    index: NDArray[np.uint8]
    palette: Sequence[Colour]
    unit: str = ""
    labels: Sequence[str] = ()
    low: float = 0.0
    high: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class WebMap:
    """What the page needs: controls by name, the data as JSON, the pictures in base64 by key."""

    groups: Mapping[str, Sequence[tuple[str, str]]]
    overlays: Sequence[tuple[str, str, bool]]
    elements: Sequence[str]
    data: str
    error: float
    pictures: Mapping[str, str] = field(default_factory=dict)


def web_map(report: ReportModel, maps: Maps) -> WebMap:
    """Collect the layers, places and areas of a run for the map."""
    rasters = list(_rasters(report, maps))
    screen, pictures = _pictures(rasters, maps)
    resolution = (maps.ground.region[2] - maps.ground.region[0]) / maps.score.shape[1]
    crs = str(report.get("crs") or maps.ground.crs)
    fit = fit_coordinates(screen.corners, crs, EXACT * resolution)
    samples = sample_data(maps.layers.get("samples"), report.get("sample_units") or {}, crs)
    shown = {
        "areas": area_data(report, maps, crs),
        "faults": fault_data(maps, crs, resolution),
        "units": unit_data(maps, crs, resolution),
        "deposits": deposit_data(maps, crs),
        "samples": samples,
        "grid": kilometre_grid(maps.ground.region, crs),
        **land_data(maps, crs, resolution),
    }
    data = {
        "bounds": screen.corners,
        "crs": named(crs),
        "fit": {
            "middle": fit.middle,
            "half": fit.half,
            "powers": fit.powers,
            "coefficients": fit.coefficients,
            "error": fit.error,
        },
        "rasters": [_described(each) for each in rasters],
        **shown,
    }
    groups: dict[str, list[tuple[str, str]]] = {}
    for each in rasters:
        groups.setdefault(each.group, []).append((each.key, named(each.name)))
    elements = [each["name"] for each in samples["elements"]]
    return WebMap(groups, _overlays(shown), elements, embedded(data), fit.error, pictures)


def embedded(content: Any) -> str:
    r"""Write JSON as it may stand within a script element: no text in it can end the element or a line.

    >>> embedded({"name": "</script>\u2028"})
    '{"name":"\\u003c/script\\u003e\\u2028"}'
    """
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _overlays(shown: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Name the switches, and whether they are on at first; what a run lacks has none."""
    listed = (
        ("targets", "Targets", True, any(area["rank"] for area in shown["areas"]["rows"])),
        ("areas", "Numbered areas", True, bool(shown["areas"]["rows"])),
        ("deposits", "Known deposits", True, bool(shown["deposits"])),
        ("faults", "Faults", True, bool(shown["faults"])),
        ("units", "Outlines of rock units", False, bool(shown["units"])),
        ("samples", "Samples", False, bool(shown["samples"]["points"])),
        ("excluded", "Excluded ground", True, bool(shown.get("excluded"))),
        ("tenure", "Tenure", True, bool(shown.get("tenure"))),
        ("grid", "Kilometre grid", True, True),
    )
    return [(key, name, on) for key, name, on, there in listed if there]


# ---- layers


def _rasters(report: ReportModel, maps: Maps) -> Iterator[Raster]:
    from matplotlib import colormaps

    from gossan.plots.domain import pale
    from gossan.plots.maps import limits

    if np.isfinite(maps.score).any():
        yield _score(maps.score)
    if np.isfinite(maps.spread).any():
        low, high = limits(maps.spread, cut=0.0)
        yield _scaled(
            ("spread", "Spread of the score", "Result"), maps.spread, colormaps["cividis"], (low, high)
        )
    told = report.get("applicability") or {}
    limit, ore = told.get("threshold"), (told.get("ore_like") or {}).get("threshold")
    for key, name, edge in (
        ("index", "Applicability: dissimilarity", limit),
        ("ore_index", "Like nothing known", ore),
    ):
        band = maps.applicability.get(key)
        if band is not None and np.isfinite(band).any():
            span = 0.0, max(limits(band)[1], 1.15 * (edge or 0.0))
            note = f"Limit {number(float(edge))}: above it, unlike the training ground." if edge else ""
            yield _scaled((key, name, "Result"), band, pale(), span, note=note)
    if (inside := maps.applicability.get("inside")) is not None and np.isfinite(inside).any():
        index = np.where(np.isfinite(inside), np.where(inside >= 0.5, 1, 2), 0).astype(np.uint8)
        labels = ("inside: like the training ground", "outside: unlike it")
        yield Raster(
            "inside",
            "Area of applicability",
            "Result",
            index,
            ((190, 205, 228), (150, 90, 60)),
            labels=labels,
        )
    yield from _geology(maps)
    names, units = maps.stack["channel"].values, maps.stack["units"].values
    for k, (name, unit) in enumerate(zip(names, units, strict=True)):
        values = maps.stack["layers"].values[k]
        if np.isfinite(values).any():
            kind = (f"channel-{k}", str(name), "Channels")
            yield _scaled(kind, values, colormaps["viridis"], limits(values), unit=str(unit))


def _score(score: NDArray[np.float32]) -> Raster:
    from matplotlib.colors import to_rgb

    from gossan.plots.maps import CLASSES, score_classes, score_tones

    tones = np.array([to_rgb(tone) for tone in score_tones()])
    lows = [0.0, *(high for _, high in CLASSES)]
    spans = [f"{100 * low:.0f} to {100 * high:.0f}" for low, (_, high) in zip(lows, CLASSES, strict=False)]
    spans[0] = f"best {100 * CLASSES[0][1]:.0f}"
    labels = [f"{name} ({span} %)" for (name, _), span in zip(CLASSES, spans, strict=True)]
    index = (score_classes(score) + 1).astype(np.uint8)
    note = "Classes are shares of the scored ground: a score ranks ground and is no probability."
    return Raster("score", "Score", "Result", index, _bytes(tones), labels=labels, note=note)


def _scaled(
    kind: tuple[str, str, str],
    values: NDArray[np.floating[Any]],
    colours: "Colormap",
    span: tuple[float, float],
    *,
    unit: str = "",
    note: str = "",
) -> Raster:
    """Cut values into equal steps of a scale; what lies beyond an end has the colour of the end."""
    low, high = span
    width = (high - low) or 1.0
    step = np.clip(np.nan_to_num((values - low) / width) * STEPS, 0, STEPS - 1)
    index = np.where(np.isfinite(values), 1 + step.astype(np.uint8), 0).astype(np.uint8)
    palette = _bytes(colours((np.arange(STEPS) + 0.5) / STEPS))
    return Raster(*kind, index, palette, unit=unit, low=low, high=high, note=note)


def _geology(maps: Maps) -> Iterator[Raster]:
    """Show the classes of the stack in the colours of the figures, the largest unit first."""
    from matplotlib.colors import to_rgb

    from gossan.plots.ground import unit_shares
    from gossan.plots.style import OTHER_UNIT, unit_colours

    names = list(maps.stack.attrs.get("class_names", ()))[:254]
    if "classes" not in maps.stack or not names:
        return
    classes = maps.stack["classes"].values
    shares = unit_shares(maps.ground)
    colours = unit_colours(list(shares))
    order = sorted(range(len(names)), key=lambda k: (-shares.get(names[k], 0.0), names[k]))
    place = np.zeros(len(names) + 1, dtype=np.uint8)  # the last one, 0, is for class -1
    for position, k in enumerate(order, start=1):
        place[k] = position
    known = np.where((classes >= 0) & (classes < len(names)), classes, -1)
    palette = _bytes(np.array([to_rgb(colours.get(names[k], OTHER_UNIT)) for k in order]))
    labels = [f"{named(names[k])} ({_share(shares.get(names[k], 0.0))})" for k in order]
    yield Raster("geology", "Geology", "Ground", place[known], palette, labels=labels)


def _share(share: float) -> str:
    return "under 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def _bytes(tones: Any) -> list[Colour]:
    levels = np.round(255 * np.asarray(tones)[:, :3]).astype(int).tolist()
    return [(int(red), int(green), int(blue)) for red, green, blue in levels]


def _described(raster: Raster) -> dict[str, Any]:
    """Say what the page must know of a layer."""
    palette = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in distinct(raster.palette)]
    return {
        "key": raster.key,
        "name": named(raster.name),
        "unit": named(raster.unit),
        "palette": palette,
        "labels": list(raster.labels),
        "low": raster.low,
        "high": raster.high,
        "note": raster.note,
    }


def _pictures(rasters: Sequence[Raster], maps: Maps) -> tuple[Screen, dict[str, str]]:
    """Draw every layer, all at one size: the largest at which they fit into the page."""
    shape = (int(maps.score.shape[0]), int(maps.score.shape[1]))
    for side in SIDES:
        screen = make_screen(maps.ground.region, shape, maps.ground.crs, most=side)
        pictures: dict[str, str] = {}
        left = MOST_BYTES
        for each in rasters:
            shown = screen.show(each.index, 0).astype(np.uint8)
            pictures[each.key] = base64.b64encode(palette_png(shown, distinct(each.palette))).decode("ascii")
            left -= len(pictures[each.key])
            if left < 0 and side != SIDES[-1]:
                break
        else:
            break
    return screen, pictures
