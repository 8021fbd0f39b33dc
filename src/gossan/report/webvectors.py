"""What lies on the interactive map: areas and targets, faults, deposits, samples, and a kilometre grid."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.report.model import ReportModel
from gossan.report.plan import Places
from gossan.report.screen import to_degrees
from gossan.report.words import named

if TYPE_CHECKING:
    import geopandas as gpd

__all__ = [
    "area_data",
    "deposit_data",
    "fault_data",
    "kilometre_grid",
    "land_data",
    "sample_data",
    "unit_data",
]

#: What the page says of an area: column, label, decimals; text has none.
FIELDS: tuple[tuple[str, str, int | None], ...] = (
    ("score", "Score", 2),
    ("spread", "Spread", 2),
    ("probability", "Probability (known deposit)", 2),
    ("applicability", "Dissimilarity", 2),
    ("known_deposits", "Known deposits", 0),
    ("samples", "Samples", 0),
    ("area_km2", "Area (km²)", 1),
    ("easting", "Easting (m)", 0),
    ("northing", "Northing (m)", 0),
)
REASONS = ("for_1", "for_2", "for_3", "against_1")
#: Upper ends of the classes of samples, per cent of the samples; the last class holds the rest.
PERCENTILES = (50, 75, 90, 95, 98)
#: More points than these make a page slow; then every k-th is shown, and the page says so.
MOST_SAMPLES = 20_000
#: Points that the outlines of rock units may have together; beyond them they are drawn more coarsely.
MOST_POINTS = 60_000
#: Values of samples that the page holds to show them one by one; beyond them a sample shows its class.
MOST_VALUES = 400_000
#: Lines of the kilometre grid along the longer side, about.
_LINES = 7


def area_data(report: ReportModel, places: Places, crs: str) -> dict[str, Any]:
    """List the areas with their corners, what is known of them, and the rank of those that are targets.

    A target's own row of the report adds what the layer of areas lacks.
    """
    import shapely

    areas = places.layers.get("areas")
    if areas is None:
        return {"fields": [], "rows": []}
    targets = {row.get("number"): row for row in report.get("targets") or []}
    bounds = shapely.bounds(areas.geometry.to_numpy()).reshape(-1, 4)
    west, south, east, north = bounds.T
    x, y = np.stack([west, east, east, west], 1), np.stack([north, north, south, south], 1)
    rings = to_degrees(x.ravel(), y.ravel(), crs)[:, ::-1].reshape(-1, 4, 2).tolist()
    rows = []
    for ring, area in zip(rings, areas.drop(columns="geometry").to_dict("records"), strict=True):
        target = targets.get(area["number"], {})
        known = {**area, **{key: value for key, value in target.items() if value is not None}}
        rows.append(
            {
                "number": int(area["number"]),
                "rank": int(target["rank"]) if target.get("rank") else 0,
                "ring": ring,
                "values": [_value(known.get(column)) for column, _, _ in FIELDS],
                "outside": bool(known.get("inside") is not None and not known["inside"]),
                "reasons": [named(known[key]) if _said(known.get(key)) else "" for key in REASONS],
                **_land_of(known),
            }
        )
    return {"fields": [[label, digits] for _, label, digits in FIELDS], "rows": rows}


def _land_of(known: Mapping[str, Any]) -> dict[str, Any]:
    """Say how much of an area is excluded and who holds it, where a run knows either."""
    share, holder = _value(known.get("excluded_share")), known.get("tenure")
    told: dict[str, Any] = {"excluded": round(100 * share)} if share else {}
    return told | {"tenure": named(holder)} if _said(holder) else told


def land_data(places: Places, crs: str, resolution: float) -> dict[str, Any]:
    """Return excluded ground and tenure as rings of latitude and longitude, by polygon the outer one first.

    A run that has neither has no keys. Bends under half a pixel are left out, and what lies off the map.
    """
    import shapely

    found: dict[str, Any] = {}
    for key, label in (("excluded", "source"), ("tenure", "holder")):
        shapes = places.layers.get(key)
        if shapes is None:
            continue
        inside = shapely.clip_by_rect(shapes.geometry.to_numpy(), *places.ground.region)
        simple = shapely.simplify(inside, resolution / 2)
        rows = [
            {"name": named(name), "rings": rings}
            for name, shape in zip(shapes[label].astype(str), simple, strict=True)
            for rings in _rings(_polygons(shape), crs)
        ]
        if rows:
            found[key] = rows
    return found


def _value(value: Any) -> float | None:
    """Return a number that JSON can hold, in six digits."""
    if value is None or not math.isfinite(float(value)):
        return None
    return float(f"{float(value):.7g}")


def _said(text: Any) -> bool:
    return isinstance(text, str) and bool(text)


def fault_data(places: Places, crs: str, resolution: float) -> list[list[list[float]]]:
    """Return the faults inside the map as lines of latitude and longitude, without bends under half a px."""
    import shapely

    faults = places.ground.faults
    if faults is None or not len(faults):
        return []
    inside = shapely.clip_by_rect(faults.geometry.to_numpy(), *places.ground.region)
    parts = shapely.get_parts(shapely.get_parts(shapely.simplify(inside, resolution / 2)))
    lines = [part for part in parts if part.geom_type == "LineString" and not part.is_empty]
    points, of = shapely.get_coordinates(lines, return_index=True)
    if not len(points):
        return []
    degrees = to_degrees(points[:, 0], points[:, 1], crs)[:, ::-1]
    cuts = np.flatnonzero(np.diff(of)) + 1
    return [part.tolist() for part in np.split(degrees, cuts)]


def unit_data(places: Places, crs: str, resolution: float) -> list[dict[str, Any]]:
    """Return the outlines of every rock unit inside the map: its name, and the rings of each of its parts.

    The first ring of a part is its outside, others are holes; points are latitude and longitude. Borders are
    drawn without bends under half a px, more coarsely where there are too many, and neighbours keep them in
    common.
    """
    import shapely

    geology = places.ground.geology
    if geology is None or not len(geology):
        return []
    clipped = shapely.clip_by_rect(geology.geometry.to_numpy(), *places.ground.region)
    parts, of = shapely.get_parts(clipped, return_index=True)
    areal = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    parts, of = parts[areal], of[areal]
    tolerance = resolution / 2
    while (
        shapely.get_num_coordinates(
            drawn := shapely.coverage_simplify(parts, tolerance, simplify_boundary=False)
        ).sum()
        > MOST_POINTS
        and tolerance < 64 * resolution
    ):
        tolerance *= 2
    names = geology["unit"].astype(str).to_numpy()[of]
    return [
        {"name": named(unit), "parts": _rings(drawn[names == unit], crs)} for unit in dict.fromkeys(names)
    ]


def _polygons(shape: Any) -> NDArray[Any]:
    """Return the polygons of a shape, whatever else clipping has left of it."""
    import shapely

    parts = shapely.get_parts(shape)
    return np.asarray(parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON])


def _rings(polygons: NDArray[Any], crs: str) -> list[list[list[list[float]]]]:
    """Return the rings of each polygon, rounded to a metre (1e-5 degrees)."""
    import shapely

    parts = shapely.get_parts(polygons)
    rings, part = shapely.get_rings(parts[~shapely.is_empty(parts)], return_index=True)
    points, of = shapely.get_coordinates(rings, return_index=True)
    degrees = np.round(to_degrees(points[:, 0], points[:, 1], crs)[:, ::-1], 5)
    split: list[list[list[list[float]]]] = [[] for _ in range(part.max(initial=-1) + 1)]
    for which, ring in zip(part, np.split(degrees, np.flatnonzero(np.diff(of)) + 1), strict=False):
        split[which].append(ring.tolist())
    return split


def deposit_data(places: Places, crs: str) -> list[dict[str, Any]]:
    """Return the known deposits inside the map, with their names."""
    deposits = places.ground.deposits
    if deposits is None or not len(deposits):
        return []
    west, south, east, north = places.ground.region
    inside = deposits.cx[west:east, south:north]
    if not len(inside):
        return []
    degrees = to_degrees(inside.geometry.x, inside.geometry.y, crs)[:, ::-1].tolist()
    names = inside["name"] if "name" in inside else [""] * len(inside)
    return [
        {"at": at, "name": named(name) if _said(name) else ""}
        for at, name in zip(degrees, names, strict=True)
    ]


def sample_data(samples: "gpd.GeoDataFrame | None", units: Mapping[str, str], crs: str) -> dict[str, Any]:
    """Return the samples, and by element the class of every sample as one digit, ``-`` where missing.

    Where they are not too many, the values stand beside the classes, in three digits.
    """
    empty = {"points": [], "elements": [], "shown": 0, "all": 0, "percentiles": PERCENTILES}
    if samples is None or not len(samples):
        return empty
    step = math.ceil(len(samples) / MOST_SAMPLES)
    thinned = samples.iloc[::step]
    points = to_degrees(thinned.geometry.x, thinned.geometry.y, crs)[:, ::-1]
    with_values = len(thinned) * (samples.shape[1] - 1) <= MOST_VALUES
    elements = []
    for name in samples.columns.drop("geometry"):
        values = samples[name].to_numpy(dtype=np.float64)
        known = values[np.isfinite(values)]
        if not len(known):
            continue
        breaks = np.percentile(known, PERCENTILES)
        unit = str(units.get(str(name), ""))
        elements.append(
            {
                "name": named(name),
                "unit": named(unit),
                "breaks": [f"{edge:.3g}" for edge in breaks],
                "classes": _classes(values[::step], breaks),
                "values": _values(values[::step]) if with_values else [],
            }
        )
    return empty | {
        "points": np.round(points, 5).tolist(),
        "elements": elements,
        "shown": len(thinned),
        "all": len(samples),
    }


def _classes(values: NDArray[np.float64], breaks: NDArray[np.float64]) -> str:
    """Class each value by the breaks: one digit a value; a value on a break is of the class above it."""
    digits = np.searchsorted(breaks, values, side="right").astype("U1")
    return "".join(np.where(np.isfinite(values), digits, "-").tolist())


def _values(values: NDArray[np.float64]) -> list[float | None]:
    """Return values in three digits; none where missing."""
    return [float(f"{value:.3g}") if math.isfinite(value) else None for value in values.tolist()]


def kilometre_grid(region: tuple[float, float, float, float], crs: str) -> list[dict[str, Any]]:
    """Return lines of equal easting and northing at round kilometres, each with its label in km."""
    west, south, east, north = region
    rough = max(east - west, north - south) / _LINES
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * min((1, 2, 5, 10), key=lambda each: abs(each * power - rough))
    along = np.linspace(0, 1, 17)
    lines = []
    for low, high, vertical in ((west, east, True), (south, north, False)):
        for at in np.arange(math.ceil(low / step), math.floor(high / step) + 1) * step:
            x = np.full(17, at) if vertical else west + along * (east - west)
            y = south + along * (north - south) if vertical else np.full(17, at)
            label = f"{at / 1000:.10g} {'E' if vertical else 'N'}"
            lines.append({"line": to_degrees(x, y, crs)[:, ::-1].tolist(), "label": label})
    return lines
