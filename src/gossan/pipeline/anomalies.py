"""Anomaly maps of every element, on a coarse grid, before anything is learnt."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gossan.anomaly import anomaly_classes, concentration_area, mad_thresholds
from gossan.config import Project
from gossan.errors import DataError
from gossan.interpolate import idw
from gossan.pipeline.prepare import ground_mask
from gossan.survey import Survey

__all__ = ["Anomaly", "anomaly_facts", "find_anomalies"]

#: Pixels along the longer side, and samples that a pixel is made from.
_COARSE, _NEIGHBOURS = 160, 12
#: Straight parts of a concentration-area curve.
_PARTS = 4


@dataclass(frozen=True)
class Anomaly:
    """Thresholds of an element in its unit, and its classes (row, col), -1 off the ground.

    mad: of the samples, median + 2 MAD of the logarithms; area: of the map, where the concentration-area
    curve breaks. None, with ``why``, where there is none.
    """

    mad: float | None
    area: tuple[float, ...] | None
    mad_classes: NDArray[np.int16]
    area_classes: NDArray[np.int16]
    why: str = ""


def find_anomalies(survey: Survey, project: Project) -> dict[str, Anomaly]:
    """Class the map of every element by median + 2 MAD and by concentration-area.

    Maps are by inverse distance of log10 concentrations from the 12 nearest samples, on a coarse grid.
    """
    factor = max(1, -(-max(survey.grid.shape) // _COARSE))
    coarse = replace(survey, grid=survey.grid.zoom_out(factor)) if factor > 1 else survey
    values = survey.samples.values
    logs = values.where(values > 0).dropna(axis="columns", how="all").apply(np.log10)
    mask = ground_mask(coarse, project)
    maps = idw(survey.samples.coordinates, logs, coarse.grid, neighbours=_NEIGHBOURS)
    return {
        str(name): _one(logs[name].to_numpy(), np.where(mask, one, np.nan))
        for name, one in zip(logs.columns, maps, strict=True)
    }


def _one(samples: NDArray[np.float64], raster: NDArray[np.floating[Any]]) -> Anomaly:
    none, why = np.where(np.isfinite(raster), 0, -1).astype(np.int16), []
    mad: NDArray[np.float64] | None = None
    area: NDArray[np.float64] | None = None
    try:
        mad = mad_thresholds(samples)
    except DataError as error:
        why.append(str(error))
    try:
        area = np.log10(concentration_area(10.0**raster, parts=_PARTS).thresholds)
    except DataError as error:
        why.append(str(error))
    return Anomaly(
        None if mad is None else float(10 ** mad[0]),
        None if area is None else tuple(float(10**each) for each in area),
        none if mad is None else anomaly_classes(raster, mad),
        none if area is None else anomaly_classes(raster, area),
        "; ".join(why),
    )


def anomaly_facts(found: Mapping[str, Anomaly]) -> list[dict[str, Any]]:
    """Write thresholds, and the share of the ground at or above the highest of each kind."""
    return [
        {
            "element": name,
            "mad": one.mad,
            "mad_share": _top(one.mad_classes, 1) if one.mad is not None else None,
            "concentration_area": None if one.area is None else list(one.area),
            "top_share": _top(one.area_classes, _PARTS - 1) if one.area is not None else None,
            "why": one.why,
        }
        for name, one in found.items()
    ]


def _top(classes: NDArray[np.int16], least: int) -> float:
    ground = classes >= 0
    return float((classes[ground] >= least).mean()) if ground.any() else 0.0
