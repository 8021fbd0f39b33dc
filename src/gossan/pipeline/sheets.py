"""The target sheets of a run, and the waypoints of the next samples."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gossan import io
from gossan.pipeline.land import open_pixels
from gossan.sheet import nearest_fault, next_samples, rock_unit, target_sheet
from gossan.survey import Layer

if TYPE_CHECKING:
    import pandas as pd

    from gossan.pipeline.results import Findings

__all__ = ["next_sites", "with_sheets", "write_next_samples"]


def with_sheets(found: "Findings", targets: "pd.DataFrame") -> "pd.DataFrame":
    """Add to every target its samples against those around, its rock unit and its nearest fault.

    Returns
    -------
    The targets with the columns of `gossan.sheet.target_sheet`, ``rock_unit`` and `nearest_fault`, where the
    project has geology, and faults that are lines.
    """
    import pandas as pd

    survey, stack = found.survey, found.results["prepare"]["stack"]
    parts = [targets, target_sheet(targets, survey.grid, survey.samples)]
    if "classes" in stack:
        parts.append(rock_unit(targets, stack["classes"].values, list(stack.attrs["class_names"])))
    if survey.faults is not None and not isinstance(survey.faults, Layer):
        parts.append(nearest_fault(targets, survey.faults.geometry))
    joined: pd.DataFrame = pd.concat(parts, axis=1)
    return joined


def next_sites(found: "Findings", targets: "pd.DataFrame") -> "pd.DataFrame":
    """Propose the next samples, on valid and open ground of the targets."""
    valid = np.asarray(found.results["prepare"]["stack"]["valid"].values, dtype=bool)
    valid = open_pixels(found.survey, valid, targets)
    return next_samples(targets, found.survey.grid, found.survey.samples.coordinates, valid=valid)


def write_next_samples(path: Path, sites: "pd.DataFrame", title: str) -> None:
    """Write the proposed samples as waypoints, named by target and site, the first to be sampled first."""
    io.write_gpx(path, (_waypoint(site) for site in sites.to_dict("records")), title=f"{title}: next samples")


def _waypoint(site: Mapping[Any, Any]) -> tuple[float, float, str, str]:
    gap = f"; {site['gap_m']:.0f} m from any sample" if np.isfinite(site["gap_m"]) else ""
    name = f"{site['number']}-{site['site']}"
    return site["longitude"], site["latitude"], name, f"target {site['number']}, order {site['order']}{gap}"
