"""The interactive map: what of a run it shows, as the data that ``map.js`` draws from.

Colours and their ranges are those of the figures. Names are text: `embedded` writes JSON that no name can
leave, and the page puts every text into the document as text.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gossan.report.looks import (
    Look,
    Raster,
    channel_look,
    index_look,
    inside_look,
    score_look,
    spread_look,
    unit_look,
)
from gossan.report.model import ReportModel
from gossan.report.plan import Maps, Places
from gossan.report.screen import Screen, fit_coordinates, make_screen, palette_png
from gossan.report.webvectors import (
    area_data,
    deposit_data,
    fault_data,
    kilometre_grid,
    land_data,
    sample_data,
    unit_data,
)
from gossan.report.words import named

__all__ = ["INDEXES", "WebMap", "embedded", "grouped", "map_without_pictures", "unlike_limits", "web_map"]

#: Bytes that the pictures of all layers may take in the page, and the sides that are tried in turn.
MOST_BYTES = 8_000_000
SIDES = (1500, 1000, 700, 500, 350)
#: A pointer's coordinates are right to this share of a pixel, where a polynomial can.
EXACT = 0.05

#: The layers of the distance from what is known, by the band that holds them.
INDEXES = {"index": "Applicability: dissimilarity", "ore_index": "Like nothing known"}

#: The layers of each group: key and name.
Groups = Mapping[str, Sequence[tuple[str, str]]]


@dataclass(frozen=True)
class WebMap:
    """What the page needs: controls by name, the data as JSON, the pictures in base64 by key.

    ``first`` is the key of the layer that is shown at first.
    """

    groups: Groups
    overlays: Sequence[tuple[str, str, bool]]
    elements: Sequence[str]
    data: str
    error: float
    first: str = ""
    pictures: Mapping[str, str] = field(default_factory=dict)


def web_map(report: ReportModel, maps: Maps) -> WebMap:
    """Collect the layers, places and areas of a run for the map."""
    rasters = list(_rasters(report, maps))
    screen, pictures = _pictures(rasters, maps)
    resolution = (maps.ground.region[2] - maps.ground.region[0]) / maps.score.shape[1]
    told = [each.look.told() for each in rasters]
    groups = grouped((each.look.group, each.look.key, each.look.name) for each in rasters)
    made = map_without_pictures(report, maps, told, groups, screen.corners, resolution=resolution)
    return replace(made, pictures=pictures)


def map_without_pictures(
    report: ReportModel,
    places: Places,
    rasters: Sequence[Mapping[str, Any]],
    groups: Groups,
    corners: Sequence[Sequence[float]],
    *,
    resolution: float,
) -> WebMap:
    """Collect what lies on the map, and what is said of its layers.

    Parameters
    ----------
    rasters
        What the page is told of each: ``key`` and ``name``, and the rest of `Look.told` where it is known.
    groups
        As of `grouped`.
    corners
        South-west and north-east corner of the map as latitude, longitude.
    resolution
        Metres; bends finer than half of it are left out.
    """
    crs = str(report.get("crs") or places.ground.crs)
    fit = fit_coordinates(corners, crs, EXACT * resolution)
    samples = sample_data(places.layers.get("samples"), report.get("sample_units") or {}, crs)
    shown = {
        "areas": area_data(report, places, crs),
        "faults": fault_data(places, crs, resolution),
        "units": unit_data(places, crs, resolution),
        "deposits": deposit_data(places, crs),
        "samples": samples,
        "grid": kilometre_grid(places.ground.region, crs),
        **land_data(places, crs, resolution),
    }
    data = {
        "bounds": corners,
        "crs": named(crs),
        "fit": {
            "middle": fit.middle,
            "half": fit.half,
            "powers": fit.powers,
            "coefficients": fit.coefficients,
            "error": fit.error,
        },
        "rasters": rasters,
        **shown,
    }
    elements = [each["name"] for each in samples["elements"]]
    first = str(rasters[0]["key"]) if rasters else ""
    return WebMap(groups, _overlays(shown), elements, embedded(data), fit.error, first)


def grouped(layers: Iterable[tuple[str, str, str]]) -> Groups:
    """Sort layers, each its group, key and name, into their groups: key and name as shown."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for group, key, name in layers:
        groups.setdefault(group, []).append((key, named(name)))
    return groups


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
    if np.isfinite(maps.score).any():
        yield _drawn(score_look(maps.score), maps.score)
    if np.isfinite(maps.spread).any():
        yield _drawn(spread_look(maps.spread), maps.spread)
    limits = unlike_limits(report)
    for key, name in INDEXES.items():
        band = maps.applicability.get(key)
        if band is not None and np.isfinite(band).any():
            yield _drawn(index_look((key, name, "Result"), band, limits[key]), band)
    if (inside := maps.applicability.get("inside")) is not None and np.isfinite(inside).any():
        yield _drawn(inside_look(), inside)
    names = maps.stack.attrs.get("class_names", ())
    if "classes" in maps.stack and names:
        classes = maps.stack["classes"].values
        yield _drawn(unit_look(maps.ground, names), classes)
    names, units = maps.stack["channel"].values, maps.stack["units"].values
    for k, (name, unit) in enumerate(zip(names, units, strict=True)):
        values = maps.stack["layers"].values[k]
        if np.isfinite(values).any():
            yield _drawn(channel_look((f"channel-{k}", str(name), "Channels"), values, str(unit)), values)


def _drawn(look: Look, values: NDArray[Any]) -> Raster:
    return Raster(look, look.index(values))


def unlike_limits(report: ReportModel) -> dict[str, float | None]:
    """Return from which value on ground is unlike the training ground, or unlike what is known."""
    told = report.get("applicability") or {}
    return {"index": told.get("threshold"), "ore_index": (told.get("ore_like") or {}).get("threshold")}


def _pictures(rasters: Sequence[Raster], maps: Maps) -> tuple[Screen, dict[str, str]]:
    """Draw every layer, all at one size: the largest at which they fit into the page."""
    shape = (int(maps.score.shape[0]), int(maps.score.shape[1]))
    for side in SIDES:
        screen = make_screen(maps.ground.region, shape, maps.ground.crs, most=side)
        pictures: dict[str, str] = {}
        left = MOST_BYTES
        for each in rasters:
            shown = screen.show(each.index, 0).astype(np.uint8)
            key = each.look.key
            pictures[key] = base64.b64encode(palette_png(shown, each.look.palette)).decode("ascii")
            left -= len(pictures[key])
            if left < 0 and side != SIDES[-1]:
                break
        else:
            break
    return screen, pictures
