"""What can be counted of a survey before anything is computed from it, as values that JSON can hold."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gossan import evidence
from gossan.abundance import UPPER_CRUST_PPM, crust_ratio, ppm_factor
from gossan.config import Project
from gossan.errors import DataError
from gossan.grid import centres, region_of, resolution_of
from gossan.pipeline.prepare import ground_mask
from gossan.survey import Layer, Survey, sample_spacing
from gossan.transform import Associations, association_table, associations

__all__ = [
    "association_facts",
    "element_facts",
    "find_associations",
    "gap_raster",
    "layer_facts",
    "sampling_facts",
    "survey_facts",
]

#: Pixels along the longer side of the coarse maps that shares of ground are counted on.
_COARSE = 400


def element_facts(survey: Survey) -> list[dict[str, Any]]:
    """Say of each element how its cells were read, the range of its values, and the upper crust's.

    Returns
    -------
    element, column, unit, ``rules`` (cells by rule), ``censored`` and ``missing`` (shares in [0, 1]), min,
    median and max in the unit, ``at_min`` (share of the values that are the smallest), ``crust`` in that unit
    and ``ratio`` of the median to it (None where it is not known), and ``left_out`` (why, or None).
    """
    told = survey.counts.get("samples", {})
    left_out = told.get("left_out", {})
    return [
        _one_element(survey, name, counts, left_out.get(name))
        for name, counts in told.get("elements", {}).items()
    ]


def _one_element(survey: Survey, name: str, counts: Mapping[str, Any], why: str | None) -> dict[str, Any]:
    rules = {rule: n for rule, n in counts.items() if isinstance(n, int) and rule != "factor"}
    unit = str(counts.get("unit", ""))
    values = survey.samples.values[name].dropna() if name in survey.samples.values else None
    some = values is not None and len(values) > 0
    rows = sum(rules.values())
    below = rules.get("below", 0)
    valued = rules.get("measured", 0) + below + rules.get("above", 0)
    factor = ppm_factor(unit)
    median = float(values.median()) if some and values is not None else None
    known = factor is not None and name in UPPER_CRUST_PPM
    return {
        "element": name,
        "column": counts.get("column"),
        "unit": unit,
        "rules": rules,
        "censored": below / valued if valued else None,
        "missing": 1 - valued / rows if rows else None,
        "min": float(values.min()) if some and values is not None else None,
        "median": median,
        "max": float(values.max()) if some and values is not None else None,
        "crust": UPPER_CRUST_PPM[name] / factor if known and factor else None,
        "ratio": crust_ratio(name, median * factor) if median is not None and factor else None,
        "at_min": float((values == values.min()).mean()) if some and values is not None else None,
        "left_out": why,
    }


def sampling_facts(survey: Survey, project: Project) -> dict[str, Any]:
    """Say how densely the ground is sampled, and how much of it is far from any sample.

    Returns
    -------
    Counts of rows and positions; ground in km2; ``spacing`` and ``spacing_p90`` (median and 90 % quantile of
    the distance from a position to the next, metres); ``mean_spacing`` (side of the square that a position
    has, metres); ``clark_evans`` (mean distance to the next over that of positions at random: 1 = random,
    below = clustered); ``gaps``: share of the ground farther than 1, 2 and 3 mean spacings from any sample;
    ``farthest``, metres.
    """
    from scipy.spatial import cKDTree

    coordinates = survey.samples.coordinates
    distinct = np.unique(coordinates, axis=0)
    spacing = sample_spacing(coordinates)
    distance, ground = gap_raster(survey, project)
    far, told = distance[np.isfinite(distance)], survey.counts.get("samples", {})
    nearest = np.array([np.nan])
    if len(distinct) > 1:
        nearest = np.asarray(cKDTree(distinct).query(distinct, k=2)[0])[:, 1]
    inside = int(told.get("inside", len(coordinates)))
    mean_spacing = 1000 * math.sqrt(ground / len(distinct))
    return {
        "rows": told.get("rows", len(coordinates)),
        "kept": len(coordinates),
        "positions": len(distinct),
        "coincident": len(coordinates) - len(distinct),
        "inside": inside,
        "outside": told.get("outside", 0),
        "ground_km2": ground,
        "per_100_km2": 100 * inside / ground if ground else None,
        "spacing": spacing,
        "spacing_p90": float(np.quantile(nearest, 0.9)),
        "mean_spacing": mean_spacing,
        "clark_evans": float(2 * nearest.mean() / mean_spacing) if mean_spacing else None,
        "gaps": {str(k): float((far > k * mean_spacing).mean()) if len(far) else None for k in (1, 2, 3)},
        "farthest": float(far.max()) if len(far) else None,
    }


def _coarse(survey: Survey) -> Survey:
    factor = max(1, -(-max(survey.grid.shape) // _COARSE))
    return survey if factor == 1 else replace(survey, grid=survey.grid.zoom_out(factor))


def gap_raster(survey: Survey, project: Project) -> tuple[NDArray[np.float32], float]:
    """Distance to the nearest sample on a coarse grid, metres, NaN off the ground; and the ground in km2."""
    from scipy.spatial import cKDTree

    coarse = _coarse(survey)
    mask = ground_mask(coarse, project)
    east, north = centres(coarse.grid)
    row, col = np.nonzero(mask)
    distance = np.full(mask.shape, np.nan, dtype=np.float32)
    distance[mask] = cKDTree(survey.samples.coordinates).query(np.column_stack([east[col], north[row]]))[0]
    return distance, float(mask.sum() * resolution_of(coarse.grid) ** 2 / 1e6)


def layer_facts(survey: Survey, project: Project) -> list[dict[str, Any]]:
    """Say of geology, faults and rasters how much of the ground they cover and what was mended in them.

    Returns
    -------
    source (as in the project file), kind, ``share`` of the ground with a value (of faults that are lines:
    None), ``inside_km`` (length of fault lines on the map) and the reader's own counts.
    """
    coarse = _coarse(survey)
    mask = ground_mask(coarse, project)
    rows = []
    for name, layer in (("geology", survey.geology), ("faults", survey.faults)):
        if layer is not None:
            rows.append({"source": name, **_cover(name, layer, coarse, mask), **_mended(survey.counts[name])})
    for layer in survey.rasters:
        told = survey.counts.get(f"raster {layer.name}", {})
        rows.append(
            {"source": f"raster {layer.name}", **_cover("raster", layer, coarse, mask), **_mended(told)}
        )
    return rows


def _cover(name: str, layer: Any, coarse: Survey, mask: NDArray[np.bool_]) -> dict[str, Any]:
    if isinstance(layer, Layer):
        values = evidence.resample(layer.values, layer.grid, coarse.grid, layer.kind)
        return {"kind": "raster", "share": _share(np.isfinite(values), mask)}
    if name == "geology":
        classes = evidence.class_map(layer.geometry, np.zeros(len(layer), dtype=np.int64), coarse.grid)
        return {"kind": "polygons", "share": _share(classes >= 0, mask)}
    import shapely

    inside = shapely.clip_by_rect(layer.geometry.to_numpy(), *region_of(coarse.grid))
    return {"kind": "lines", "share": None, "inside_km": float(shapely.length(inside).sum() / 1000)}


def _share(there: NDArray[np.bool_], mask: NDArray[np.bool_]) -> float:
    return float(there[mask].mean()) if mask.any() else 0.0


def _mended(counts: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("rows", "kept", "repaired", "dropped", "attribute", "units", "without_attribute", "length_m")
    return {name: counts[name] for name in (*kept, "crs", "crs_from") if name in counts}


def survey_facts(survey: Survey) -> dict[str, Any] | None:
    """Say which surveys the samples are of, and whether they cover the same ground; None without a column.

    Returns
    -------
    ``column``, ``samples`` by survey (the unknown as ``""``), and ``overlap``: the least share of a survey's
    samples inside the convex hull of the others, among surveys of 30 samples and more; None with one survey.
    """
    names = survey.samples.survey
    if names is None:
        return None
    given = np.asarray(names, dtype=object).astype(str)
    found, counts = np.unique(given, return_counts=True)
    large = found[(counts >= 30) & (found != "")]
    shares = [_inside_others(survey.samples.coordinates, given == name) for name in large]
    return {
        "column": survey.counts.get("samples", {}).get("survey"),
        "samples": {str(name): int(count) for name, count in zip(found, counts, strict=True)},
        "overlap": min(shares) if len(large) > 1 else None,
    }


def _inside_others(coordinates: NDArray[np.float64], own: NDArray[np.bool_]) -> float:
    import shapely

    hull = shapely.convex_hull(shapely.multipoints(coordinates[~own]))
    return float(shapely.contains_xy(hull, coordinates[own]).mean())


def find_associations(survey: Survey, project: Project) -> Associations | str:
    """Find the element associations of the samples, or say why there are none."""
    values = survey.samples.values
    try:
        return associations(values.where(values > 0), survey.samples.units, seed=project.project.seed)
    except DataError as error:
        return str(error)


def association_facts(found: Associations | str) -> dict[str, Any]:
    """Write associations as a table and loadings; ``why`` where there are none."""
    if isinstance(found, str):
        return {"why": found}
    return {
        "rows": found.rows,
        "left_out": dict(found.left_out),
        "table": association_table(found).to_dict("records"),
        "loadings": {str(name): column.to_dict() for name, column in found.loadings.items()},
    }
