"""From files to a Survey, from a Survey to the label-free Stack, and the settings that both imply."""

import warnings
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from gossan import evidence, io
from gossan.barren import barren_draws
from gossan.config import Project
from gossan.errors import DataError, DataWarning, SettingWarning, UsageError
from gossan.grid import make_grid, nice_resolution, pixel_index, resolution_of, tiles
from gossan.hooks import MakeArray, Progress, in_memory, no_progress
from gossan.interpolate import idw
from gossan.mapped import relieve
from gossan.models import names
from gossan.pipeline.land import read_land
from gossan.pipeline.layers import BLOCK, class_at, class_maker, ground_maker, layer_makers
from gossan.split import default_block, factor_range
from gossan.survey import Deposits, Samples, Survey, by_pixel, join_stack, sample_spacing
from gossan.transform import level, level_surveys, survey_groups, transform_values
from gossan.windows import WindowSettings, window_size

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from odc.geo.geobox import GeoBox

__all__ = ["build_stack", "derive", "ground_mask", "read_survey", "transformed"]

#: Pixels of the longer side of the coarse maps that the size of blocks is read from.
_COARSE = 128


def read_survey(project: Project, *, labelled: bool = True) -> Survey:
    """Read every file that the project names and put the grid over them.

    Parameters
    ----------
    labelled
        Whether the deposits are read; a survey that is only scored needs none.

    Raises
    ------
    MissingFileError, UsageError, DataError
        As the readers do; and DataError where no deposit lies on the map.
    """
    crs = project.project.crs
    counts: dict[str, Any] = {}
    area = None
    if project.project.area:
        area, counts["area"] = io.read_area(project.resolve(project.project.area), crs)
    samples, counts["samples"] = io.read_samples(project.resolve(project.samples.path), project.samples, crs)
    deposits = Deposits(np.empty((0, 2)), ())
    if labelled:
        deposits, counts["deposits"] = io.read_deposits(
            project.resolve(project.deposits.path), project.deposits, crs
        )
    geology = faults = None
    if project.geology:
        geology, counts["geology"] = io.read_geology(
            project.resolve(project.geology.path), project.geology, crs
        )
    if project.faults:
        faults, counts["faults"] = io.read_faults(project.resolve(project.faults.path), project.faults, crs)
    rasters = []
    for source in project.rasters:
        layer, counts[f"raster {source.name or source.path}"] = io.read_raster(
            project.resolve(source.path), source, crs
        )
        rasters.append(layer)
    truth = io.read_truth(project.resolve(project.project.truth)) if project.project.truth else None
    grid = _grid(project, samples, area)
    _count_inside(counts, "samples", grid, samples.coordinates)
    if labelled:
        _count_inside(counts, "deposits", grid, deposits.coordinates)
    if labelled and counts["deposits"]["inside"] == 0:
        raise DataError(
            f"none of the {len(deposits)} deposits lies on the map {_words(grid)}; at least one camp must: "
            "check the deposits' coordinates and CRS"
        )
    excluded, tenure = read_land(project, grid, counts)
    return Survey(
        project.project.name,
        grid,
        samples,
        deposits,
        geology,
        faults,
        tuple(rasters),
        area,
        counts,
        truth,
        excluded,
        tenure,
    )


def _grid(project: Project, samples: Samples, area: Any) -> "GeoBox":
    spacing = sample_spacing(samples.coordinates)
    resolution = project.project.resolution or nice_resolution(spacing)
    if area is not None:
        west, south, east, north = area.total_bounds
    else:
        (west, south), (east, north) = samples.coordinates.min(axis=0), samples.coordinates.max(axis=0)
        _refuse_no_extent(len(samples), (west, south, east, north))
    region = (float(west), float(south), float(east), float(north))
    return make_grid(region, resolution, project.project.crs)


def _refuse_no_extent(samples: int, bounds: tuple[float, float, float, float]) -> None:
    """Refuse samples that span no map."""
    west, south, east, north = bounds
    if east > west and north > south:
        return
    place = f"at one place ({west:.0f} m east, {south:.0f} m north)"
    if east > west or north > south:
        place = f"on one line ({west:.0f} to {east:.0f} m east, {south:.0f} to {north:.0f} m north)"
    raise DataError(
        f"all {samples} samples lie {place}; a map needs ground to both sides: check the coordinate "
        "columns, or set project.area"
    )


def _count_inside(
    counts: dict[str, Any], name: str, grid: "GeoBox", coordinates: NDArray[np.float64]
) -> None:
    *_, inside = pixel_index(grid, coordinates)
    counts[name]["inside"] = int(np.count_nonzero(inside))
    counts[name]["outside"] = int(np.count_nonzero(~inside))


def _words(grid: "GeoBox") -> str:
    west, south, east, north = grid.boundingbox.bbox
    return f"({west:.0f} to {east:.0f} m east, {south:.0f} to {north:.0f} m north)"


def derive(project: Project, survey: Survey) -> Project:
    """Fill in the settings that follow from the data: the resolved project.

    The ore distance is twice the sample spacing and at least a quarter of a window; blocks are as wide as the
    variogram range of the elements' first factor, from 4 windows to a fifth of the map; the dead zone is one
    window wide, or two halos where those are wider; fault density counts lines within half a window; training
    windows are also cut at half a window.

    Raises
    ------
    UsageError
        If a setting asks for what is not there yet.
    DataError
        If the window does not fit the map.
    """
    _check_levelling(project, survey)
    _check_models(project)
    _warn_of_idle(project)
    resolution = resolution_of(survey.grid)
    size = window_size(project.windows, resolution)
    rows, cols = survey.grid.shape
    if size > min(rows, cols):
        raise DataError(
            f"windows of {size} px given on a map of {rows} x {cols} px; the largest that fits is "
            f"{min(rows, cols)} px: lower windows.size or project.resolution"
        )
    validation, side = project.validation, size * resolution
    distance = project.screen.ore_distance or round(
        max(2 * sample_spacing(survey.samples.coordinates), side / 4)
    )
    faults = project.faults
    if faults is not None and faults.density_radius is None:
        faults = replace(faults, density_radius=side / 2)
    return replace(
        project,
        project=replace(project.project, resolution=resolution),
        screen=replace(project.screen, ore_distance=float(distance)),
        windows=WindowSettings(
            size=size,
            strides=project.windows.strides if project.windows.strides is not None else (size, size // 2),
            offsets=project.windows.offsets,
            min_valid=project.windows.min_valid,
        ),
        validation=replace(
            validation,
            block=validation.block or _block(project, survey, size) * resolution,
            dead_zone=_dead_zone(project, size, resolution),
        ),
        faults=faults,
        barren=replace(project.barren, draws=barren_draws(project.barren)),
    )


def _check_levelling(project: Project, survey: Survey) -> None:
    """Refuse levelling between surveys where nothing tells them apart."""
    found = survey.samples.survey
    if project.samples.level_by != "survey":
        return
    if found is None:
        raise UsageError(
            "samples.level_by = 'survey' given and no column of the samples is called survey or year; name "
            "the column as samples.survey, or set samples.level_by = 'none'"
        )
    groups, _ = survey_groups(found)
    if len(np.unique(groups)) < 2:
        raise DataError(
            "samples.level_by = 'survey' given and all samples are of one survey, or none has 30; two "
            "are needed: name another column as samples.survey, or set samples.level_by = 'none'"
        )


def _dead_zone(project: Project, size: int, resolution: float) -> float:
    """Keep what is read around training and test windows apart, metres."""
    given, least = project.validation.dead_zone, 0.0
    if project.model.halo and project.model.name in names("network"):
        from gossan.models.context import halo_of

        least = 2 * halo_of(project.model.name, project.model, size) * resolution
    if given is None:
        return max(size * resolution, least)
    if given < least:
        raise UsageError(
            f"validation.dead_zone = {given:g} m given; with model.halo = true windows are read with "
            f"{least / 2:g} m around them, so at least {least:g} m are needed: raise it or leave it out"
        )
    return given


def _block(project: Project, survey: Survey, size: int) -> int:
    """Side of a block, pixels: how far two places must be apart to differ, read from coarse element maps."""
    rows, cols = survey.grid.shape
    longest = max(rows, cols)
    coarse = survey.grid.zoom_out(max(1.0, longest / _COARSE))
    samples = transformed(survey, project)
    maps = idw(samples.coordinates, samples.values, coarse, power=project.interpolate.power)
    ground = np.ones(tuple(coarse.shape), dtype=bool)
    if survey.area is not None:
        ground = evidence.area_mask(survey.area.geometry, coarse)
    reach = factor_range(maps, ground, seed=project.project.seed) * longest / max(coarse.shape)
    return default_block(size, longest=longest, correlation=reach)


def _check_models(project: Project) -> None:
    """Refuse rivals and audited models that are none, before anything long is computed."""
    tables = [name for name in names() if name not in names("network")]
    for key, given, allowed in (
        ("rivals", project.validation.rivals, tables),
        ("audit", project.validation.audit, names()),
    ):
        if odd := [name for name in given if name not in allowed]:
            raise UsageError(
                f"validation.{key} names {odd[0]!r}; it can name {', '.join(allowed)}: change it"
            )


def _warn_of_idle(project: Project) -> None:
    """Name the settings that were given and do nothing for the model that was chosen."""
    name, idle = project.model.name, []
    if not name.startswith("mfaf-"):
        keep = {"name", "valid_channel"}
        if name in names("network"):
            keep |= {"width", "weights", "depth", "summary", "halo"}
        idle += [f"model.{key}" for key in _changed(project.model) if key not in keep]
    how = project.samples
    if how.level_method != "median" and how.level_by != "survey":
        warnings.warn(
            f"samples.level_method = {how.level_method!r} has no effect without samples.level_by = 'survey'",
            SettingWarning,
            stacklevel=3,
        )
    if name not in names("network"):
        idle += [f"training.{key}" for key in _changed(project.training) if key not in ("threads", "device")]
        idle += [f"balance.{key}" for key in _changed(project.balance)]
    if project.targets.count is not None and project.targets.threshold != "budget":
        warnings.warn(
            f"targets.count = {project.targets.count} has no effect with targets.threshold = "
            f"{project.targets.threshold!r}; leave it out",
            SettingWarning,
            stacklevel=3,
        )
    if idle:
        warnings.warn(
            f"{', '.join(idle)} have no effect on {name}; leave them out or choose another model",
            SettingWarning,
            stacklevel=3,
        )


def _changed(settings: Any) -> list[str]:
    """Name the fields that differ from their default."""
    return [field.name for field in fields(settings) if getattr(settings, field.name) != field.default]


def transformed(survey: Survey, project: Project) -> Samples:
    """Return the samples with values levelled and transformed, as the Stack and the screening use them.

    Surveys are levelled as concentrations, rock units after the transform.
    """
    values = survey.samples.values
    if project.samples.level_by == "survey":
        values = _between_surveys(survey.samples, project.samples.level_method)
    values, units = transform_values(values, survey.samples.units, project.samples.transform)
    if project.samples.level_by == "geology":
        values = level(values, _rock_units(survey))
        units = {name: f"robust z of {unit} by rock unit" for name, unit in units.items()}
    return Samples(survey.samples.coordinates, values, units, survey.samples.survey)


def _between_surveys(samples: Samples, method: Literal["median", "quantile"]) -> "pd.DataFrame":
    groups, pooled = survey_groups(samples.survey or ())
    values, left = level_surveys(samples.values, groups, method=method)
    told = [f"surveys {', '.join(pooled)} have under 30 samples and count as one"] if pooled else []
    told += (
        [f"{left} times an element has too few values in a survey, or a median of 0, and stays"]
        if left
        else []
    )
    if told:
        warnings.warn(f"samples.level_by = 'survey': {'; '.join(told)}", DataWarning, stacklevel=3)
    return values


def _rock_units(survey: Survey) -> NDArray[np.int64]:
    """Give each sample the number of the rock unit it lies on, -1 where there is none."""
    if survey.geology is None:
        raise DataError(
            "samples.level_by = 'geology' given without geology; add [geology] or set it to 'none'"
        )
    return class_at(survey, survey.samples.coordinates)


def build_stack(
    survey: Survey,
    samples: Samples,
    project: Project,
    *,
    make: MakeArray = in_memory,
    progress: Progress = no_progress,
) -> "xr.Dataset":
    """Put every evidence layer on the grid (S2, S3), block by block. Deposits make labels, never a layer.

    Parameters
    ----------
    make
        Makes the Stack's arrays, in memory or in files.

    Raises
    ------
    UsageError
        If two layers have one name.
    DataError
        If a layer has no value on the map.
    """
    makers, geology = layer_makers(survey, samples, project), class_maker(survey)
    units = {name: unit for maker in makers for name, unit in maker.units.items()}
    shape, ground = tuple(survey.grid.shape), ground_maker(survey, project)
    layers, valid = by_pixel(make, len(units), shape), make(shape, bool)
    classes = None if geology is None else make(shape, np.int16)
    some = np.zeros(len(units), dtype=bool)
    blocks = list(tiles(survey.grid.shape, BLOCK))
    for number, (rows, cols) in enumerate(blocks, 1):
        values = np.concatenate([maker.block(rows, cols) for maker in makers])
        known = np.isfinite(values)
        some |= known.any(axis=(1, 2))
        valid[rows, cols] = known.any(axis=0) & ground(rows, cols)
        values[:, ~valid[rows, cols]] = np.nan
        layers[:, rows, cols] = values
        if classes is not None and geology is not None:
            classes[rows, cols] = np.where(valid[rows, cols], geology.block(rows, cols), -1)
        relieve()
        progress(number / len(blocks))
    if not some.all():
        raise DataError(
            f"layer {list(units)[int(np.argmin(some))]!r} has no value on the map {_words(survey.grid)}; "
            "leave it out or check its extent"
        )
    names = () if geology is None else geology.names
    return join_stack(survey.grid, layers, valid, units, classes=classes, class_names=names)


def ground_mask(survey: Survey, project: Project) -> NDArray[np.bool_]:
    """Mark the pixels inside the area that are not too far from any sample, (row, col)."""
    mask, ground = np.empty(tuple(survey.grid.shape), dtype=bool), ground_maker(survey, project)
    for rows, cols in tiles(survey.grid.shape, BLOCK):
        mask[rows, cols] = ground(rows, cols)
    return mask
