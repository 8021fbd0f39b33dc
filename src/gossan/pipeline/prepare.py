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
from gossan.grid import make_grid, nice_resolution, pixel_index, resolution_of
from gossan.interpolate import idw, nearest_sample
from gossan.models import names
from gossan.recipe import VALID
from gossan.split import default_block, factor_range
from gossan.survey import Deposits, Layer, Samples, Survey, make_stack, sample_spacing
from gossan.transform import level, level_surveys, survey_groups, transform_values
from gossan.windows import WindowSettings, window_size

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from odc.geo.geobox import GeoBox

__all__ = ["build_stack", "derive", "ground_mask", "read_survey", "transformed"]

#: An additional class raster gives at most this many channels, its most frequent classes.
MOST_CLASSES = 20
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
    return Survey(
        project.project.name, grid, samples, deposits, geology, faults, tuple(rasters), area, counts, truth
    )


def _grid(project: Project, samples: Samples, area: Any) -> "GeoBox":
    spacing = sample_spacing(samples.coordinates)
    resolution = project.project.resolution or nice_resolution(spacing)
    if area is not None:
        west, south, east, north = area.total_bounds
    else:
        (west, south), (east, north) = samples.coordinates.min(axis=0), samples.coordinates.max(axis=0)
    region = (float(west), float(south), float(east), float(north))
    return make_grid(region, resolution, project.project.crs)


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
    window wide; fault density counts lines within half a window; training windows are also cut at half a
    window.

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
            dead_zone=side if validation.dead_zone is None else validation.dead_zone,
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
            keep |= {"width", "weights", "depth", "summary"}
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
    classes, _ = _classes(survey)
    if classes is None:
        raise DataError(
            "samples.level_by = 'geology' given without geology; add [geology] or set it to 'none'"
        )
    row, col, inside = pixel_index(survey.grid, survey.samples.coordinates)
    unit = np.full(len(row), -1, dtype=np.int64)
    unit[inside] = classes[row[inside], col[inside]]
    return unit


def build_stack(survey: Survey, samples: Samples, project: Project) -> "xr.Dataset":
    """Put every evidence layer on the grid (S2, S3). Deposits make labels only, never a layer.

    Raises
    ------
    DataError
        If a layer has no value on the map.
    """
    grid, how = survey.grid, project.interpolate
    maps = idw(
        samples.coordinates,
        samples.values,
        grid,
        power=how.power,
        neighbours=None if how.neighbours == "all" else how.neighbours,
        radius=how.radius,
        error=how.error,
    )
    layers: dict[str, NDArray[np.float32]] = dict(zip(samples.values.columns, maps, strict=True))
    units = dict(samples.units)
    for name, unit, values in (*_fault_layers(survey, project), *_raster_layers(survey)):
        if name in layers or name in (VALID, "classes", "geology"):
            raise UsageError(f"two layers are called {name!r}; names are unique: set the raster's name")
        layers[name], units[name] = values, unit
    for name, values in layers.items():
        if not np.isfinite(values).any():
            raise DataError(
                f"layer {name!r} has no value on the map {_words(grid)}; leave it out or check its extent"
            )
    classes, class_names = _classes(survey)
    return make_stack(
        grid, layers, units, classes=classes, class_names=class_names, mask=ground_mask(survey, project)
    )


def ground_mask(survey: Survey, project: Project) -> NDArray[np.bool_]:
    """Mark the pixels inside the area that are not too far from any sample, (row, col)."""
    mask = np.ones(tuple(survey.grid.shape), dtype=bool)
    if survey.area is not None:
        mask &= evidence.area_mask(survey.area.geometry, survey.grid)
    if project.interpolate.max_gap is not None:
        mask &= nearest_sample(survey.samples.coordinates, survey.grid) <= project.interpolate.max_gap
    return mask


def _fault_layers(survey: Survey, project: Project) -> list[tuple[str, str, NDArray[np.float32]]]:
    if survey.faults is None or project.faults is None:
        return []
    if isinstance(survey.faults, Layer):
        return [("faults", survey.faults.unit, _resampled(survey.faults, survey.grid))]
    radius = project.faults.density_radius
    density = (
        []
        if radius is None
        else [("fault density", "m/km2", evidence.fault_density(survey.faults, survey.grid, radius))]
    )
    return [("fault distance", "m", evidence.fault_distance(survey.faults, survey.grid)), *density]


def _raster_layers(survey: Survey) -> list[tuple[str, str, NDArray[np.float32]]]:
    found = []
    for layer in survey.rasters:
        values = _resampled(layer, survey.grid)
        if layer.kind == "number":
            found.append((layer.name, layer.unit, values))
            continue
        numbers, counts = np.unique(values[np.isfinite(values)], return_counts=True)
        if len(numbers) > MOST_CLASSES:
            lost = np.sort(counts)[:-MOST_CLASSES].sum() / counts.sum()
            warnings.warn(
                f"raster {layer.name!r} has {len(numbers)} classes; the {MOST_CLASSES} most frequent become "
                f"channels, the others ({lost:.1%} of its pixels) none",
                DataWarning,
                stacklevel=2,
            )
        for number in np.sort(numbers[np.argsort(-counts, kind="stable")[:MOST_CLASSES]]):
            member = np.where(np.isfinite(values), values == number, np.nan).astype(np.float32)
            found.append((f"{layer.name}: {number:g}", "share", member))
    return found


def _resampled(layer: Layer, grid: "GeoBox") -> NDArray[np.float32]:
    return evidence.resample(layer.values, layer.grid, grid, layer.kind)


def _classes(survey: Survey) -> tuple[NDArray[np.int16] | None, list[str]]:
    """Rasterise the geology; class numbers follow the sorted names, whatever the file's order."""
    geology = survey.geology
    if geology is None:
        return None, []
    if isinstance(geology, Layer):
        values = _resampled(geology, survey.grid)
        numbers = np.unique(values[np.isfinite(values)])
        classes = np.where(np.isfinite(values), np.searchsorted(numbers, values), -1).astype(np.int16)
        return classes, [f"{number:g}" for number in numbers]
    names = sorted(set(geology["unit"]))
    codes = geology["unit"].map({name: code for code, name in enumerate(names)}).to_numpy()
    return evidence.class_map(geology.geometry, codes, survey.grid), names
