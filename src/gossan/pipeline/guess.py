"""The first project file of a survey: what its files say of columns, units and coordinates, as guesses."""

import math
import os
import re
import tomllib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gossan import io
from gossan.abundance import ppm_factor
from gossan.config import new_project, parse_override
from gossan.errors import DataError, DataWarning, GossanError, GossanWarning, MissingFileError, UsageError
from gossan.grid import nice_resolution
from gossan.io.cells import gather, read_cells, to_numbers
from gossan.io.degrees import datum_of, find_parts, join_parts
from gossan.io.elements import parse_column
from gossan.io.tables import PARTED, Points, read_points
from gossan.io.vectors import open_vector
from gossan.pipeline.run import DEMO
from gossan.pipeline.zones import fitting_crs, is_metric, zone_of
from gossan.survey import DepositSource, RasterSource, SampleSource, sample_spacing
from gossan.windows import WindowSettings, window_size

__all__ = ["START", "draft_project"]

_DEGREES, _METRES = "EPSG:4326", "EPSG:3857"
_LONGITUDE, _LATITUDE = r"lon|long|longitude|lon(g|gitude)?[_ (].*", r"lat|latitude|lat(itude)?[_ (].*"
#: Why a first project file has settings near the demo's: those of the paper's size take two cores hours.
START = "for a first run in minutes; remove it for the default"
#: What a survey of one's own takes less of than the demo, whose map is small: no windows but the areas.
_LIGHTER: dict[str, Any] = {"windows.strides": (), "training.ensemble": 3, "validation.tune": 1}
#: Where there are more areas than this, few of the barren ones are trained on, and influence is rougher.
_MANY_AREAS = 250
_FEW = {"barren.method": "random", "barren.ratio": 6.0, "explain.repeats": 2}
#: Attributes of geology that are likely to be rock units, by their names.
_UNIT_NAMES = r"(map_?)?unit.*|.*lith.*|rock.*|strat.*|form.*|geol.*|period|age|era|code|symbol"
#: Attributes of tenure that are likely to name its holders.
_HOLDER_NAMES = r".*(holder|owner|company|applicant|licensee|grantee).*"
#: Rock units that make good classes: few enough to have ground each, enough to tell places apart.
_FEWEST_UNITS, _USUAL_UNITS, _MOST_UNITS = 3, 15, 40
#: Share of the polygons that must have a text.
_FEW_GAPS = 0.9
#: Of latitude, metres.
_DEGREE = 111_195.0


@dataclass
class _Draft:
    """Values by key, and why the guessed ones are what they are."""

    values: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def guess(self, key: str, value: Any, why: str) -> None:
        if key not in self.values:
            self.values[key], self.notes[key] = value, why


def draft_project(
    out: Path, files: Mapping[str, Path | None], *, crs: str = "", overrides: Sequence[str] = ()
) -> tuple[str, dict[str, dict[str, Any]]]:
    """Write the text of a project file for the given files, with every guess marked as one.

    Parameters
    ----------
    out
        The project file that it will be; paths are written from its folder.
    files
        By key, such as ``samples.path`` or ``rasters.0.path``; None: not given.
    crs
        Of the project; empty: guessed, and left empty where the files do not tell.
    overrides
        ``key=value`` settings on top; they are no guesses.

    Returns
    -------
    The text, and by key each guess: its ``value`` (None where the default stands) and ``why``.

    Raises
    ------
    UsageError
        The project file exists already, or a setting is refused.
    MissingFileError
        A file is not there.
    """
    if os.path.lexists(out):
        raise UsageError(f"{out} exists already; give another name with --out, or remove it")
    given = {key: file for key, file in files.items() if file is not None}
    for key, file in given.items():
        if not file.exists():
            raise MissingFileError(f"{key.partition('.')[0]} file {file} does not exist")
    crs = dict(parse_override(text) for text in overrides).get("project.crs", crs)
    draft = _Draft({"project.crs": crs} if crs else {})
    draft.values |= {key: Path(os.path.relpath(file, out.parent)).as_posix() for key, file in given.items()}
    areas = _look(draft, given)
    _start_small(draft, [key for key, _ in map(parse_override, overrides)], areas)
    draft.values.setdefault("project.crs", "")
    text = new_project(draft.values, overrides, name=out.stem, notes=draft.notes)
    return text, {key: {"value": draft.values.get(key), "why": why} for key, why in draft.notes.items()}


def _start_small(draft: _Draft, given: Sequence[str], areas: float) -> None:
    """Take settings with which two cores are done in minutes, unless a model is asked for."""
    if any(key.startswith("model.") for key in given):
        return
    for key, (value, why) in _small(areas).items():
        # what is given is no guess; of the barren windows one setting means nothing without the other
        if not any(one == key or (one.startswith("barren.") and key.startswith("barren.")) for one in given):
            draft.guess(key, value, why)


def _small(areas: float) -> dict[str, tuple[Any, str]]:
    """Return the settings of a first run by key, each with its reason; later ones win."""
    demo = {name: tomllib.loads("\n".join(lines)) for name, lines in DEMO.items() if name != "windows"}
    found = {f"{name}.{key}": (value, START) for name, part in demo.items() for key, value in part.items()}
    found |= {key: (value, START) for key, value in _LIGHTER.items()}
    if areas > _MANY_AREAS:
        found |= {key: (value, f"about {areas:.0f} areas; {START}") for key, value in _FEW.items()}
    return found


def _look(draft: _Draft, files: Mapping[str, Path]) -> float:
    """Fill in what each file says; a file that cannot be read says nothing, with a warning.

    Returns about how many areas there will be, 0 where the samples do not tell.
    """
    tables = {name: _points(files[f"{name}.path"], name) for name in ("samples", "deposits")}
    _guess_crs(draft, files, tables)
    for name, points in tables.items():
        if points is not None:
            _guess_columns(draft, name, points)
    if tables["samples"] is not None:
        _guess_elements(draft, files["samples.path"], tables["samples"])
    if "geology.path" in files:
        _guess_attribute(draft, files["geology.path"])
    for key, path in files.items():
        if key.startswith("tenure."):
            _guess_holder(draft, key.replace(".path", ".holder"), path)
    return 0.0 if tables["samples"] is None else _areas(tables["samples"])


def _areas(points: Points) -> float:
    """Count the areas of default windows in the box around the samples."""
    metres = points.coordinates
    if (degrees := _in_degrees(points)) is not None:
        metres = degrees * _DEGREE * (math.cos(math.radians(float(np.median(degrees[:, 1])))), 1.0)
    spacing = sample_spacing(metres)
    if not spacing > 0:
        return 0.0
    side = window_size(WindowSettings(), 1.0) * nice_resolution(spacing)
    return float(np.prod(np.ptp(metres, axis=0) / side))


def _points(path: Path, name: str) -> Points | None:
    """Read a table of points with its coordinates as they are, or in degrees where the file has a CRS."""
    source = SampleSource(path.name) if name == "samples" else DepositSource(path.name)
    refused = ""
    for crs in (_DEGREES, _METRES):  # where nothing says what they are, each takes only what can be its own
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", GossanWarning)  # `check` says it all
                return read_points(path, source, crs, name)
        except GossanError as error:
            refused = refused or str(error)
    _warn(f"nothing is guessed from the {name}: {refused}")
    return None


def _warn(message: str) -> None:
    warnings.warn(message, DataWarning, stacklevel=2)


# ---- coordinates


def _guess_crs(draft: _Draft, files: Mapping[str, Path], tables: Mapping[str, Points | None]) -> None:
    """Guess the project's CRS: a file's, else the zone that metres and degrees fit in, else the degrees'."""
    if "project.crs" in draft.values:
        return
    for key, path in files.items():
        stored = _stored_crs(key, path)
        if stored is not None:
            draft.guess("project.crs", stored, f"that of the {key.partition('.')[0]} file")
            return
    known = [(name, points) for name, points in tables.items() if points is not None]
    for name, points in known:
        fitted = _fitted(points)
        if fitted:
            x, y = points.counts["x"], points.counts["y"]
            why = f"{x} and {y} of the {name} fit their longitudes and latitudes in it"
            draft.guess("project.crs", fitted, why)
            return
    for name, points in known:
        degrees = _in_degrees(points)
        if degrees is not None:
            middle = np.median(degrees, axis=0)
            zone = zone_of(middle)
            if zone is not None:
                why = f"the zone of the middle of the {name} ({middle[0]:.2f}, {middle[1]:.2f} degrees)"
                draft.guess("project.crs", zone, why)
                return
    _warn(
        "project.crs is not guessed: no file has one, and there are no degrees; fill it in,"
        " such as EPSG:32633 (UTM zone 33 north) or EPSG:32733 (south)"
    )


def _stored_crs(key: str, path: Path) -> str | None:
    """CRS that a vector file or raster stores, where it is projected in metres."""
    if path.suffix.lower() in (".csv", ".tsv", ".txt", ".xlsx", ".xlsm"):
        return None
    what = key.partition(".")[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GossanWarning)
            if what == "rasters" or path.suffix.lower() in (".tif", ".tiff", ".asc", ".img", ".vrt"):
                layer, _ = io.read_raster(path, RasterSource(path.name), _DEGREES)
                stored: Any = layer.grid.crs
            else:
                stored = open_vector(path, what, None)[0].crs
    except GossanError as error:
        if what not in ("samples", "deposits"):  # these were told of
            _warn(f"nothing is guessed from the {what}: {error}")
        return None
    return is_metric(stored)


def _in_degrees(points: Points) -> NDArray[np.float64] | None:
    """Longitude and latitude of the points where that is what their coordinates are."""
    given = points.coordinates
    low, high = given.min(axis=0), given.max(axis=0)
    fits = (low >= (-180, -90)).all() and (high <= (180, 90)).all() and (high - low).max() > 0
    return given if fits else None


def _beside(points: Points) -> NDArray[np.float64] | None:
    """Longitude and latitude in other columns than those of the coordinates."""
    names = [str(name) for name in points.cells.columns if name not in points.used]
    try:
        parts = [join_parts([gather(points.cells[name]) for name in find_parts(names, "x")], "x")[0]]
        parts.append(join_parts([gather(points.cells[name]) for name in find_parts(names, "y")], "y")[0])
        return np.column_stack(parts)
    except DataError:  # there are none
        pass
    found = []
    for pattern in (_LONGITUDE, _LATITUDE):
        names = [
            str(name) for name in points.cells.columns if re.fullmatch(pattern, str(name), re.IGNORECASE)
        ]
        free = [name for name in names if name not in points.used]
        if not free:
            return None
        try:
            found.append(to_numbers(points.cells[free[0]], comma=points.comma))
        except DataError:  # thousands or decimals
            return None
    return np.column_stack(found)


def _fitted(points: Points) -> str | None:
    degrees = _beside(points) if points.used and _in_degrees(points) is None else None
    return None if degrees is None else fitting_crs(points.coordinates, degrees)


def _guess_columns(draft: _Draft, name: str, points: Points) -> None:
    """Write down the coordinate columns, and the CRS where it is not the project's."""
    if not points.used:
        return
    for axis in ("x", "y"):
        columns = points.counts[axis]
        draft.guess(f"{name}.{axis}", columns, "by their names" if PARTED in columns else "by its name")
    project = draft.values.get("project.crs", "")
    if _in_degrees(points) is not None:
        # once columns are named, their names no longer say that they are degrees
        datum = datum_of(*points.used)
        why = "degrees of WGS 84" if datum == _DEGREES else "degrees of the datum in the columns' names"
        draft.guess(f"{name}.crs", datum, f"the coordinates lie within 180 and 90; {why}")
    else:
        fitted = _fitted(points)
        if fitted and fitted != project and not _alike(fitted, project, points):
            draft.guess(f"{name}.crs", fitted, "the coordinates fit their longitudes and latitudes in it")


def _alike(one: str, other: str, points: Points) -> bool:
    """Whether two CRS put the points within a metre of each other."""
    import pyproj

    if not other:
        return True
    way = pyproj.Transformer.from_crs(one, other, always_xy=True)
    moved = np.column_stack(way.transform(*points.coordinates.T))
    return bool(np.nanmax(np.abs(moved - points.coordinates)) < 1.0)


# ---- elements and geology


def _guess_elements(draft: _Draft, path: Path, points: Points) -> None:
    """Say which elements are read; list their columns where the reader would not choose between several."""
    source = SampleSource(
        path.name,
        x=draft.values.get("samples.x"),
        y=draft.values.get("samples.y"),
        crs=draft.values.get("samples.crs"),
    )
    crs = draft.values.get("project.crs") or (_METRES if _in_degrees(points) is None else _DEGREES)
    counts = _accepted(path, source, crs)
    if counts is None:
        chosen = _best_columns(points)
        counts = _accepted(path, replace(source, elements=tuple(chosen)), crs) if chosen else None
        if counts is None:
            _warn("no elements are guessed: `gossan check` says why the samples are refused")
            return
        why = "of several columns for one element the one with most values"
        draft.guess("samples.elements", tuple(chosen), f"{why}; {_units(counts)}")
        return
    draft.notes["samples.elements"] = f"all that are recognised: {_units(counts)}"
    if counts.get("survey"):
        draft.guess("samples.survey", counts["survey"], "by its name")


def _accepted(path: Path, source: SampleSource, crs: str) -> dict[str, Any] | None:
    """Return the counts of the reader, None where it refuses the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GossanWarning)
            return io.read_samples(path, source, crs)[1]
    except GossanError:
        return None


def _units(counts: Mapping[str, Any]) -> str:
    used = {name: one for name, one in counts["elements"].items() if name not in counts.get("left_out", {})}
    return ", ".join(f"{name} {one.get('file_unit') or _unit(one['unit'])}" for name, one in used.items())


def _unit(unit: str) -> str:
    """Write a unit; an oxide alone is of unknown unit."""
    return unit if ppm_factor(unit) is not None else f"{unit} (unit unknown)".strip()


def _best_columns(points: Points) -> list[str]:
    """Choose for each element the column with the most values that vary, an element before its oxide."""
    best: dict[str, tuple[tuple[int, bool], str]] = {}
    for name in (str(column) for column in points.cells.columns):
        parsed = parse_column(name) if name not in points.used else None
        if parsed is None:
            continue
        try:
            values, code = read_cells(points.cells[name], comma=points.comma)
        except DataError:  # thousands or decimals: the reader refuses it too
            continue
        usable = values[np.isfinite(values) & (values > 0)]
        rank = (len(usable), not parsed.oxide)
        # a constant element is refused by the reader, and so is one of a handful of values by sense
        varies = len(usable) > 0.01 * len(values) and len(np.unique(usable)) > 1 and (code == 0).any()
        if varies and (parsed.symbol not in best or rank > best[parsed.symbol][0]):
            best[parsed.symbol] = rank, name
    return [name for _, name in best.values()]


def _guess_holder(draft: _Draft, key: str, path: Path) -> None:
    """Guess which attribute of the tenure names the holders, by its name."""
    try:
        frame, _ = open_vector(path, "tenure", None)
    except GossanError:
        return  # told of where the CRS was looked for, or by `gossan check`
    named = [str(name) for name in frame.columns if re.fullmatch(_HOLDER_NAMES, str(name), re.IGNORECASE)]
    if named:
        others = f"; others are {', '.join(named[1:])}" if named[1:] else ""
        draft.guess(key, named[0], f"by its name{others}")


def _guess_attribute(draft: _Draft, path: Path) -> None:
    """Guess which attribute of the polygons names the rock unit."""
    from pandas.api.types import is_numeric_dtype

    if path.suffix.lower() in (".tif", ".tiff", ".asc", ".img", ".vrt"):
        return
    try:
        frame, _ = open_vector(path, "geology", None)
    except GossanError:
        return  # told of where the CRS was looked for
    text = [
        str(name) for name in frame.columns if name != "geometry" and not is_numeric_dtype(frame[name].dtype)
    ]
    counts = {name: int(frame[name].nunique()) for name in text}
    if len(text) < 2:
        return

    def rank(name: str) -> tuple[bool, bool, bool, float]:
        usual = re.fullmatch(_UNIT_NAMES, name, re.IGNORECASE) is not None
        full = bool(frame[name].notna().mean() > _FEW_GAPS)
        fits = _FEWEST_UNITS <= counts[name] <= _MOST_UNITS
        return fits, usual, full, -abs(math.log(max(counts[name], 1) / _USUAL_UNITS))

    best = max(text, key=rank)
    others = ", ".join(f"{name} ({n})" for name, n in counts.items() if name != best)
    draft.guess("geology.attribute", best, f"{counts[best]} different texts; the others are {others}")
