"""A made survey, such as the built-in one, as the files of a project."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gossan.errors import MissingFileError, UsageError
from gossan.io.elements import column_name
from gossan.io.files import replacing
from gossan.io.outputs import write_bands, write_csv, write_layers
from gossan.survey import Layer, Survey

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

__all__ = ["read_truth", "write_survey"]


def write_survey(
    survey: Survey, folder: Path, *, table: "pd.DataFrame | None" = None, settings: Sequence[str] = ()
) -> Path:
    """Write a survey as files that a project reads: samples, deposits, geology, faults, rasters, area, truth.

    Parameters
    ----------
    folder
        Made where it is missing; files of the same names are replaced.
    table
        Written as ``samples.csv`` in place of the samples' values, so that limits may stand as ``<x``;
        coordinates are put before it where it has none.
    settings
        Lines of TOML put into the project file; a key given here replaces the one written by default.

    Returns
    -------
    Path of the ``project.toml``.

    Raises
    ------
    UsageError
        The lines are no TOML.
    """
    import pandas as pd

    sections = {
        "project": [
            f"name = {_text(survey.name)}",
            f"crs = {_text(survey.crs)}",
            f"resolution = {_size(survey)}",
        ]
    }
    write_csv(
        folder / "samples.csv", _samples_table(survey) if table is None else _with_coordinates(table, survey)
    )
    sections["samples"] = ['path = "samples.csv"']
    deposits = survey.deposits
    ore = {"name": deposits.names, "x": deposits.coordinates[:, 0], "y": deposits.coordinates[:, 1]}
    sections["deposits"] = ['path = "deposits.csv"']
    if deposits.camp is not None:
        ore["camp"] = deposits.camp
        sections["deposits"].append('camp = "camp"')
    write_csv(folder / "deposits.csv", pd.DataFrame(ore))
    write_layers(folder / "area.gpkg", {"area": _area(survey)})
    sections["project"].append('area = "area.gpkg"')
    sections |= _write_evidence(survey, folder)
    if survey.truth is not None:
        write_csv(folder / "truth.csv", survey.truth)
    path = folder / "project.toml"
    text = _project_text(sections, settings) + _write_rasters(survey, folder)
    _check_toml(text)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def read_truth(path: Path) -> "pd.DataFrame":
    """Read what is really there on a made survey: one row a deposit, with ``easting, northing, hidden``.

    Raises
    ------
    MissingFileError, UsageError
        There is no such file, or it lacks a column.
    """
    import pandas as pd

    if not path.is_file():
        raise MissingFileError(
            f"truth file {path} does not exist; give a CSV table or leave project.truth out"
        )
    table = pd.read_csv(path)
    if missing := [name for name in ("easting", "northing", "hidden") if name not in table]:
        raise UsageError(f"{path.name} has no column {missing[0]!r}; it needs easting, northing and hidden")
    return table


def _samples_table(survey: Survey) -> "pd.DataFrame":
    samples = survey.samples
    units = samples.units
    table = samples.values.rename(
        columns={name: column_name(str(name), units.get(str(name), "")) for name in samples.values}
    )
    return _with_coordinates(table, survey)


def _with_coordinates(table: "pd.DataFrame", survey: Survey) -> "pd.DataFrame":
    table = table.reset_index(drop=True)
    if {"x", "y"} <= set(table.columns):
        return table
    table.insert(0, "x", survey.samples.coordinates[:, 0])
    table.insert(1, "y", survey.samples.coordinates[:, 1])
    return table


def _area(survey: Survey) -> "gpd.GeoDataFrame":
    """Return the survey's area, or the whole of its grid, so that a project gets the same grid back."""
    import geopandas as gpd
    import shapely

    if survey.area is not None:
        return survey.area
    return gpd.GeoDataFrame(geometry=[shapely.box(*survey.grid.boundingbox.bbox)], crs=survey.crs)


def _write_evidence(survey: Survey, folder: Path) -> dict[str, list[str]]:
    sections = {}
    for name, thing, extra in (
        ("geology", survey.geology, ['attribute = "unit"']),
        ("faults", survey.faults, []),
    ):
        if isinstance(thing, Layer):
            write_bands(folder / f"{name}.tif", thing.grid, {name: thing.values}, cloud=False)
            sections[name] = [f'path = "{name}.tif"']
        elif thing is not None:
            write_layers(folder / f"{name}.gpkg", {name: thing})
            sections[name] = [f'path = "{name}.gpkg"', *extra]
    return sections


def _write_rasters(survey: Survey, folder: Path) -> str:
    text = ""
    for number, layer in enumerate(survey.rasters, 1):
        write_bands(folder / f"raster_{number}.tif", layer.grid, {layer.name: layer.values}, cloud=False)
        text += f'\n[[rasters]]\npath = "raster_{number}.tif"\n'
        text += f'name = {_text(layer.name)}\nkind = "{layer.kind}"\n'
    return text


def _project_text(sections: dict[str, list[str]], settings: Sequence[str]) -> str:
    """Join the sections with the lines given; a key given replaces the default one."""
    name = "project"
    for line in "\n".join(settings).splitlines():
        if line.lstrip().startswith("["):
            name = line.strip().strip("[]").strip()
            sections.setdefault(name, [])
            continue
        key = line.partition("=")[0].strip()
        kept = sections[name]
        if key and not key.startswith("#"):
            kept[:] = [own for own in kept if own.partition("=")[0].strip() != key]
        kept.append(line)
    return "\n".join(
        f"[{name}]\n" + "\n".join(line for line in lines if line) + "\n" for name, lines in sections.items()
    )


def _check_toml(text: str) -> None:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"the settings given make no TOML: {error}; give lines such as 'seed = 1'"
        ) from error


def _size(survey: Survey) -> str:
    return repr(float(np.abs(survey.grid.resolution.x)))


def _text(value: str) -> str:
    """TOML text: the escapes of JSON are among those of TOML."""
    import json

    return json.dumps(value)
