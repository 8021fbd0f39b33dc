"""What a project would come to, without computing it."""

import warnings
from dataclasses import asdict
from typing import Any

import numpy as np

from gossan.config import Project
from gossan.errors import DesignWarning, GossanWarning
from gossan.grid import resolution_of
from gossan.pipeline.prepare import derive, ground_mask, read_survey
from gossan.pipeline.tasks import label_windows, strict_splits
from gossan.survey import sample_spacing

__all__ = ["check"]

#: Pixels finer than this share of the sample spacing show nothing but interpolation.
_FINEST = 0.1
#: With fewer samples, a window's maps say little.
_SAMPLES_PER_WINDOW = 25


def check(project: Project) -> dict[str, Any]:
    """Read every file, cut the windows and the folds, and say what is weak.

    Returns
    -------
    ``data`` (counts by source), ``grid``, ``settings`` (resolved), ``windows``, ``camps``, ``folds`` and
    ``warnings``; JSON-able.

    Raises
    ------
    GossanError
        Where a run would end in it before anything long is computed.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", GossanWarning)
        survey = read_survey(project)
        resolved = derive(project, survey)
        valid = ground_mask(survey, resolved)
        table, _ = label_windows(
            survey.grid, valid, survey.deposits.coordinates, survey.deposits.camp, asdict(resolved.windows)
        )
        resolution = resolution_of(survey.grid)
        splits = strict_splits(table, resolution, asdict(resolved.validation), resolved.project.seed)
        _judge(resolved, sample_spacing(survey.samples.coordinates))
    areas = table["number"].to_numpy() > 0
    ore, camps = table["deposits"].to_numpy() > 0, table["camp"].to_numpy()
    return {
        "format": 1,
        "name": resolved.project.name,
        "crs": survey.crs,
        "data": dict(survey.counts),
        "grid": {
            "rows": survey.grid.shape[0],
            "cols": survey.grid.shape[1],
            "resolution": resolution_of(survey.grid),
            "valid_share": float(valid.mean()),
            "sample_spacing": sample_spacing(survey.samples.coordinates),
        },
        "windows": {
            "size": resolved.windows.size,
            "areas": int(areas.sum()),
            "ore_areas": int((areas & ore).sum()),
            "training": len(table),
        },
        "camps": len(np.unique(camps[areas & ore])),
        "folds": [
            {"train": len(train), "test": len(test), "test_ore": int(ore[test].sum())}
            for train, test in splits[0].folds
        ],
        "settings": asdict(resolved) | {"file": str(resolved.file)},
        "warnings": [str(each.message) for each in caught if issubclass(each.category, GossanWarning)],
    }


def _judge(project: Project, spacing: float) -> None:
    """Warn of a design that can run and is weak, each time with what to change."""
    resolution = project.project.resolution or 1.0
    if resolution < _FINEST * spacing:
        warnings.warn(
            f"pixels of {resolution:g} m given for samples {spacing:.0f} m apart; finer than a tenth of the "
            f"spacing is only interpolation: project.resolution = {spacing / 4:.0f} is enough",
            DesignWarning,
            stacklevel=2,
        )
    side = (project.windows.size or 0) * resolution
    if (expected := (side / spacing) ** 2) < _SAMPLES_PER_WINDOW:
        warnings.warn(
            f"windows of {side:.0f} m hold about {expected:.0f} samples; {_SAMPLES_PER_WINDOW} and more are "
            "wanted: make the windows larger",
            DesignWarning,
            stacklevel=2,
        )
