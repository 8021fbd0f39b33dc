"""What a project is made of and would come to, without computing it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gossan import __version__
from gossan.config import Project
from gossan.errors import DataError, GossanWarning
from gossan.grid import region_of, resolution_of
from gossan.pipeline.anomalies import Anomaly, anomaly_facts, find_anomalies
from gossan.pipeline.facts import (
    association_facts,
    element_facts,
    find_associations,
    gap_raster,
    layer_facts,
    sampling_facts,
    survey_facts,
)
from gossan.pipeline.judge import impossible, weak
from gossan.pipeline.land import land_facts, refuse_closed, with_land
from gossan.pipeline.prepare import derive, ground_mask, read_survey, transformed
from gossan.pipeline.tasks import label_windows, strict_splits
from gossan.shown import Shown
from gossan.survey import Layer, Survey
from gossan.transform import Associations
from gossan.windows import deposits_in

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Look", "check", "draw_look", "look_at"]

_MAD_CAPTION = (
    "Anomalies by median + 2 MAD of the samples' logarithms (Reimann, Filzmoser and Garrett 2005), mapped"
    " from the 12 nearest samples; points are deposits."
)
_AREA_CAPTION = (
    "Classes where the concentration-area curve of a map breaks (Cheng, Agterberg and Ballantyne 1994): four"
    " populations of values, the highest in dark red."
)


@dataclass(frozen=True, repr=False)
class Look(Shown):
    """A project looked at: what was found, and what it was found in.

    project: resolved, or as given where no design can be made of it.
    """

    found: dict[str, Any]
    project: Project
    survey: Survey
    associations: Associations | str
    anomalies: dict[str, Anomaly]

    def _rows(self) -> Iterator[tuple[str, object]]:
        yield "project", self.project.project.name
        yield "samples", len(self.survey.samples)
        yield "deposits", len(self.survey.deposits)
        yield "warnings", len(self.found["warnings"])
        yield "problems", "; ".join(map(str, self.found["problems"])) or "none"


def check(project: Project) -> dict[str, Any]:
    """Read every file, cut the windows and the folds, and say what is weak or impossible.

    Returns
    -------
    ``data`` (the readers' counts by source), ``elements``, ``sampling``, ``surveys``, ``layers``, ``grid``,
    ``settings`` (resolved), ``windows``, ``land`` (excluded ground and tenure, None without either),
    ``camps``, ``folds``, ``associations``, ``anomalies``, ``warnings`` and ``problems``: what no run gets
    past. With problems of the design, ``windows``, ``camps`` or ``folds``
    may be None. JSON-able.

    Raises
    ------
    GossanError
        Where the files or the settings themselves are refused.
    """
    return look_at(project).found


def look_at(project: Project) -> Look:
    """Look at a project as `check` does, and keep the survey to draw it."""
    with _hearing() as heard:
        survey = read_survey(project)
        problems: list[str] = []
        try:
            project = derive(project, survey)
            transformed(survey, project)
            design = _design(project, survey, problems)
        except DataError as error:
            problems.append(str(error))
            design = dict.fromkeys(("windows", "camps", "folds", "land"))
        associated = find_associations(survey, project)
        odd = find_anomalies(survey, project)
        found = _facts(project, survey) | design | {"associations": association_facts(associated)}
        found["anomalies"] = anomaly_facts(odd)
    found["problems"] = [*problems, *impossible(found)]
    found["warnings"] = list(dict.fromkeys([*heard, *weak(found, project)]))
    return Look(found, project, survey, associated, odd)


@contextmanager
def _hearing() -> Iterator[list[str]]:
    """Collect our own warnings, each once, in the order they come."""
    heard: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", GossanWarning)
        yield heard
        ours = (str(each.message) for each in caught if issubclass(each.category, GossanWarning))
        heard += dict.fromkeys(ours)


def _facts(project: Project, survey: Survey) -> dict[str, Any]:
    sampling = sampling_facts(survey, project)
    rows, cols = survey.grid.shape
    return {
        "format": 1,
        "name": project.project.name,
        "crs": survey.crs,
        "data": dict(survey.counts),
        "elements": element_facts(survey),
        "sampling": sampling,
        "surveys": survey_facts(survey),
        "layers": layer_facts(survey, project),
        "grid": {
            "rows": rows,
            "cols": cols,
            "resolution": resolution_of(survey.grid),
            "region": list(region_of(survey.grid)),
            "valid_share": float(ground_mask(survey, project).mean()),
            "sample_spacing": sampling["spacing"],
        },
        "settings": asdict(project) | {"file": str(project.file)},
    }


def _design(project: Project, survey: Survey, problems: list[str]) -> dict[str, Any]:
    """Cut the windows and make the folds; what forbids the folds is added to the problems."""
    valid = ground_mask(survey, project)
    table, _ = label_windows(
        survey.grid, valid, survey.deposits.coordinates, survey.deposits.camp, asdict(project.windows)
    )
    areas, ore = table["number"].to_numpy() > 0, table["deposits"].to_numpy() > 0
    samples = deposits_in(table[areas], survey.grid, survey.samples.coordinates)
    closed = with_land(survey, valid, table[areas]) if areas.any() else None
    found: dict[str, Any] = {
        "land": land_facts(survey, valid, closed),
        "windows": {
            "size": project.windows.size,
            "size_m": (project.windows.size or 0) * resolution_of(survey.grid),
            "areas": int(areas.sum()),
            "ore_areas": int((areas & ore).sum()),
            "training": len(table),
            "samples_median": float(np.median(samples)) if len(samples) else None,
            "samples_none": int((samples == 0).sum()),
        },
        "camps": len(np.unique(table["camp"].to_numpy()[areas & ore])),
        "folds": None,
    }
    try:
        refuse_closed(survey, valid, table[areas])
    except DataError as error:
        problems.append(str(error))
    try:
        found["folds"] = _folds(table, survey, project, ore)
    except DataError as error:
        problems.append(str(error))
    return found


def _folds(table: "pd.DataFrame", survey: Survey, project: Project, ore: Any) -> list[dict[str, int]]:
    """Count what the strict folds of the first repeat hold."""
    resolution = resolution_of(survey.grid)
    splits = strict_splits(table, resolution, asdict(project.validation), project.project.seed)
    return [
        {"train": len(train), "test": len(test), "test_ore": int(ore[test].sum())}
        for train, test in splits[0].folds
    ]


def draw_look(look: Look) -> str:
    """Write the data report as one HTML page: the tables, what lies where, gaps, and the biplot."""
    from gossan import plots
    from gossan.report.survey import survey_page

    survey, found = look.survey, look.found
    coordinates = survey.samples.coordinates
    ground = _ground(look)
    distance, _ = gap_raster(survey, look.project)
    spacing = found["sampling"]["mean_spacing"]
    figures: dict[str, tuple[Any, str, str]] = {
        "extent": (
            plots.samples_map(ground, coordinates, area=survey.area),
            f"Map of {len(coordinates)} samples and {len(survey.deposits)} deposits.",
            "Samples and deposits, and geology and faults where there are some, as they will be used.",
        ),
        "gaps": (
            plots.gap_map(ground, distance, spacing, samples=coordinates),
            "Map of the distance from the ground to the nearest sample, in five classes.",
            "How far the ground is from the nearest sample, in steps of the side of the square that a"
            " position has on average. What is two and more away is guesswork.",
        ),
    }
    if not isinstance(look.associations, str):
        it = look.associations
        figures["biplot"] = (
            plots.biplot(it.loadings, it.scores, it.variance),
            "Biplot of the first two components of the elements' log-ratios.",
            "Elements whose tips lie close rise and fall together; opposite ones replace each other. Points"
            " are samples.",
        )
    return survey_page(found, figures | _anomaly_figures(look, ground))


def _anomaly_figures(look: Look, ground: Any) -> dict[str, tuple[Any, str, str]]:
    """Draw the classes of every element: by median and MAD, and by concentration-area."""
    from gossan import plots

    mad = {name: one.mad_classes for name, one in look.anomalies.items() if one.mad is not None}
    area = {name: one.area_classes for name, one in look.anomalies.items() if one.area is not None}
    return {
        name: (
            plots.anomaly_maps(ground, classes, labels, title=title),
            f"Small maps of anomaly classes of {', '.join(classes)}.",
            caption,
        )
        for name, classes, labels, title, caption in (
            ("mad", mad, ("below", "at or above median + 2 MAD"), "Median + 2 MAD", _MAD_CAPTION),
            (
                "area",
                area,
                ("lowest part", "second", "third", "highest"),
                "Concentration-area",
                _AREA_CAPTION,
            ),
        )
        if classes
    }


def _ground(look: Look) -> Any:
    """Say what the maps show beneath their subject."""
    import geopandas as gpd

    from gossan import plots

    survey = look.survey
    polygons = None if survey.geology is None or isinstance(survey.geology, Layer) else survey.geology
    faults = None if survey.faults is None or isinstance(survey.faults, Layer) else survey.faults
    points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(*survey.deposits.coordinates.T), crs=survey.crs)
    return plots.Ground(
        region=region_of(survey.grid),
        crs=survey.crs,
        geology=polygons,
        faults=faults,
        deposits=points,
        credit=f"{look.project.project.name} · gossan {__version__}",
        excluded=survey.excluded,
        tenure=survey.tenure,
    )
