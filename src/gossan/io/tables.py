"""Tables of points in text, workbook or vector files: cells as they are, coordinates in the project's CRS."""

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from gossan.errors import DataError, DataWarning, UsageError
from gossan.io.cells import Column, to_numbers
from gossan.io.crs import choose_crs, parse_crs, reproject_points
from gossan.io.degrees import datum_of, degrees_in, find_parts, join_parts, side_of
from gossan.io.exchange import refuse_unplaced
from gossan.io.files import file_kind, naming
from gossan.io.places import refuse_misplaced
from gossan.io.text import Plan, Table, read_text, read_workbook, table_of
from gossan.io.vectors import find_column, open_vector

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PARTED", "Chosen", "Parts", "Points", "coordinate_columns", "find_pair", "named", "read_points"]

#: Between the names of columns that make one coordinate together.
PARTED = " + "
#: Columns of one coordinate: one, or degrees, minutes, seconds and hemisphere.
Parts = tuple[str, ...]

_PAIRS = (
    (r"x", r"y"),
    (r"easting", r"northing"),
    (r"east", r"north"),
    (r"easting[_ (].*|east_.*|e_m", r"northing[_ (].*|north_.*|n_m"),
    (
        r"(utm|mga|amg|nad|gda|wgs|etrs|itm|ing|bng)\w*?[_ ]?(x|e|east|easting)",
        r"(utm|mga|amg|nad|gda|wgs|etrs|itm|ing|bng)\w*?[_ ]?(y|n|north|northing)",
    ),
    (r"utm[_ ]?e(ast(ing)?)?[_ (].*", r"utm[_ ]?n(orth(ing)?)?[_ (].*"),
    (r"este|leste|rechtswert|横坐标|东坐标", r"norte|hochwert|纵坐标|北坐标"),
    (r"x ?坐标", r"y ?坐标"),
    (
        r"x_?coord(inate)?|coord_?x|point_?x|x[_ (]*(m|km)\)?",
        r"y_?coord(inate)?|coord_?y|point_?y|y[_ (]*(m|km)\)?",
    ),
    (r"e", r"n"),
)
_DEGREES = (
    r"lon|long|longitude|longitud|longitudine|lon(g|gitude)?[_ (].*|经度|东经|долгота",
    r"lat|latitude|latitud|latitudine|lat(itude)?[_ (].*|纬度|北纬|широта",
)

_AXES: tuple[Literal["x", "y"], ...] = ("x", "y")

#: Rows to keep, by the cells of the table, and why the others are dropped.
Chosen = Callable[["pd.DataFrame"], tuple[NDArray[np.bool_], dict[str, int]]]


class _Source(Protocol):
    """What sample and deposit sources have in common."""

    @property
    def x(self) -> str | None: ...
    @property
    def y(self) -> str | None: ...
    @property
    def sheet(self) -> str | None: ...
    @property
    def crs(self) -> str | None: ...


@dataclass(frozen=True)
class Points:
    """Rows with usable coordinates, (n, 2) in the project's CRS; ``used`` are the coordinate columns.

    columns: every name in the file; cells: columns as text; numbers: columns taken apart; units, limits: of
    the rows under the header.
    """

    columns: list[str]
    cells: "pd.DataFrame"
    numbers: dict[str, Column]
    coordinates: NDArray[np.float64]
    used: tuple[str, ...]
    comma: bool
    counts: dict[str, Any] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)


def read_points(
    path: Path,
    source: _Source,
    crs: Any,
    what: str,
    *,
    plan: Callable[[list[str]], Plan] | None = None,
    choose: Chosen | None = None,
) -> Points:
    """Read a table of points of any format.

    Rows whose coordinates are missing, no numbers, both zero, or unknown to the project's CRS are
    dropped and counted.

    Parameters
    ----------
    plan
        Which columns are wanted; without it all, as text.
    choose
        Rows to keep before coordinates are looked at; without it all.

    Raises
    ------
    UsageError
        The format, a column, the sheet or layer, or the CRS cannot be used.
    DataError
        The file cannot be read, no row is left, or coordinates are degrees or kilometres where metres were
        said, or easting and northing the wrong way round.
    """
    kind = file_kind(path, what, ("text", "workbook", "vector"))
    wanted = _with_coordinates(plan, source)
    if kind == "vector":
        table, raw, used, told = _from_vector(path, source, crs, what, wanted)
    else:
        known = [part for name in (source.x, source.y) if name for part in (name, *name.split(PARTED))]
        table = (
            read_text(path, what, wanted, known)
            if kind == "text"
            else read_workbook(path, what, source.sheet, wanted, known)
        )
        raw, used, told = _from_columns(table, source, crs, what)
    told = table.notes | told
    way = (parse_crs(told.pop("_crs"), "crs"), parse_crs(crs, "[project] crs"))
    keep = np.ones(len(raw), dtype=bool)
    dropped: dict[str, int] = {}
    if choose is not None:
        keep, dropped = choose(table.cells)
    names = f"{told['x']} and {told['y']}" if used else ""
    moved, keep, lost = _place(raw, keep, way, what, names, assumed=told["crs_from"].startswith("assumed"))
    counts = {"rows": len(raw), "kept": int(keep.sum()), "dropped": lost | dropped, **told}
    _check_rows(counts, path, what)
    return Points(
        table.columns,
        table.cells[keep].reset_index(drop=True),
        {name: column.take(keep) for name, column in table.numbers.items()},
        *(moved[keep], used, table.comma, counts, table.units, table.limits),
    )


def _place(
    raw: NDArray[np.float64],
    keep: NDArray[np.bool_],
    way: tuple[Any, Any],
    what: str,
    names: str,
    *,
    assumed: bool,
) -> tuple[NDArray[np.float64], NDArray[np.bool_], dict[str, int]]:
    """Bring the coordinates of rows to the project's CRS; count what has none."""
    missing = keep & ~np.isfinite(raw).all(axis=1)
    zero = keep & (raw == 0).all(axis=1)
    keep = keep & ~(missing | zero)
    refuse_misplaced(raw[keep], way, what, names, assumed=assumed)
    moved = np.full(raw.shape, np.nan)
    moved[keep] = reproject_points(raw[keep], *way)
    lost = keep & np.isnan(moved).any(axis=1)
    told = {"missing or no numbers": missing, "at zero": zero, "outside the CRS": lost}
    return moved, keep & ~lost, {why: int(rows.sum()) for why, rows in told.items()}


def _check_rows(counts: dict[str, Any], path: Path, what: str) -> None:
    told = [f"{n} {why}" for why, n in counts["dropped"].items() if n]
    if not counts["kept"]:
        raise DataError(
            f"{what} file {path.name} has no usable row of {counts['rows']} "
            f"({', '.join(told) or 'it is empty'}); one at least is needed; check the coordinate columns and "
            "the conditions"
        )
    if told:
        warnings.warn(f"{what}: dropped rows with coordinates {', '.join(told)}", DataWarning, stacklevel=4)
    if short := counts.get("short_rows"):
        warnings.warn(
            f"{what}: {short} rows have fewer fields than the header; what they lack is missing",
            DataWarning,
            stacklevel=4,
        )
    if blank := counts.get("blank_seconds"):
        warnings.warn(f"{what}: blank seconds are taken as 0 in {blank} rows", DataWarning, stacklevel=4)
    if parted := counts.get("thousands"):
        shown = ", ".join(f"{rows} of {name}" for name, rows in parted.items())
        warnings.warn(
            f"{what}: signs between thousands are taken out in cells: {shown}", DataWarning, stacklevel=4
        )
    if doubtful := counts.get("doubtful_decimals"):
        shown = ", ".join(f"{name} ({text})" for name, text in doubtful.items())
        warnings.warn(
            f"{what}: nothing tells whether thousands or decimals are meant, so decimals are read: {shown}",
            DataWarning,
            stacklevel=4,
        )


def _with_coordinates(
    plan: Callable[[list[str]], Plan] | None, source: _Source
) -> Callable[[list[str]], Plan]:
    """Ask for the coordinate columns too, where there are some."""

    def wanted(columns: list[str]) -> Plan:
        chosen = Plan((), columns) if plan is None else plan(columns)
        numbers = dict.fromkeys([*coordinate_columns(columns, source), *chosen.numbers])
        return Plan(tuple(numbers), chosen.text)

    return wanted


# ---- vector files


def _from_vector(
    path: Path, source: _Source, crs: Any, what: str, plan: Callable[[list[str]], Plan]
) -> tuple[Table, NDArray[np.float64], tuple[str, ...], dict[str, Any]]:
    """Coordinates from the geometry, or from the columns that the settings name."""
    import shapely

    frame, counts = open_vector(path, what, source.sheet)
    refuse_unplaced(frame, source.crs, path, what)
    table = table_of(frame.drop(columns="geometry"), plan, f"{what} file {path.name}")
    if source.x is not None or source.y is not None:
        raw, used, told = _from_columns(table, source, crs, what)
        return table, raw, used, {"layer": counts["layer"], **told}
    geometry = frame.geometry.to_numpy().copy()
    single = (shapely.get_type_id(geometry) == 4) & (shapely.get_num_geometries(geometry) == 1)
    geometry[single] = shapely.get_geometry(geometry[single], 0)
    point = (shapely.get_type_id(geometry) == 0) & ~shapely.is_empty(geometry)
    raw = np.full((len(frame), 2), np.nan)
    raw[point] = np.column_stack([shapely.get_x(geometry[point]), shapely.get_y(geometry[point])])
    own, told = choose_crs(frame.crs, source.crs, crs, what)
    return table, raw, (), {"layer": counts["layer"], "x": "geometry", "y": "geometry", "_crs": own, **told}


# ---- coordinate columns


def _from_columns(
    table: Table, source: _Source, crs: Any, what: str
) -> tuple[NDArray[np.float64], tuple[str, ...], dict[str, Any]]:
    columns = _columns_of(table.columns, source, what)
    x, y = (PARTED.join(parts) for parts in columns)
    numbers, written, blank = _numbers(table, columns, what)
    degrees = written or all(_matches(one, parts[0]) for one, parts in zip(_DEGREES, columns, strict=True))
    stored = datum_of(x, y) if degrees and source.crs is None else None
    own, told = choose_crs(stored, source.crs, crs, what)
    if written and not own.is_geographic:
        raise DataError(
            f"{what} coordinates {x} and {y} are degrees and minutes, but [{what}] crs = {source.crs!r} is "
            "projected; a geographic one is needed, such as 'EPSG:4326'; change or remove it"
        )
    if stored is not None:
        told["crs_from"] = "degrees and minutes" if written else "names of the coordinate columns"
    notes: dict[str, Any] = {"x": x, "y": y, "_crs": own, **told}
    if blank:
        notes["blank_seconds"] = blank
    return np.column_stack(numbers), (*columns[0], *columns[1]), notes


def _numbers(
    table: Table, columns: tuple[Parts, Parts], what: str
) -> tuple[list[NDArray[np.float64]], bool, int]:
    """Read both coordinates; whether they are degrees and minutes, and rows with blank seconds."""
    numbers, written, blank = [], [], 0
    try:
        for axis, parts in zip(_AXES, columns, strict=True):
            if len(parts) > 1:
                joined, blanks = join_parts([table.numbers[name] for name in parts], axis)
                numbers.append(joined)
                blank = max(blank, blanks)
            else:
                numbers.append(to_numbers(table.numbers[parts[0]]))
            only = len(parts) == 1 and degrees_in(table.numbers[parts[0]], numbers[-1], axis)
            written.append(len(parts) > 1 or only)
    except DataError as error:
        x, y = (PARTED.join(parts) for parts in columns)
        raise DataError(f"{what} columns {x} and {y}: {error}") from error
    return numbers, any(written), blank


def _columns_of(columns: list[str], source: _Source, what: str) -> tuple[Parts, Parts]:
    if (source.x is None) != (source.y is None):
        raise UsageError(f"[{what}] gives only one of x and y; both or neither are allowed; add the other")
    if source.x is not None and source.y is not None:
        return named(source.x, columns, f"[{what}] x"), named(source.y, columns, f"[{what}] y")
    pair = find_pair(columns)
    if pair is None:
        raise UsageError(
            f"{what}: no coordinate columns are recognised; {naming('x', columns)}; x and y, easting and "
            f"northing or lon and lat are; name them as [{what}] x and y"
        )
    return pair


def named(wanted: str, columns: list[str], setting: str) -> Parts:
    """Find the column of a setting, or the columns of one such as ``lat_deg + lat_min + lat_sec``.

    Raises
    ------
    UsageError
        One is not there.
    """
    if wanted in columns or PARTED not in wanted:
        return (find_column(wanted, columns, setting),)
    return tuple(find_column(part.strip(), columns, setting) for part in wanted.split(PARTED))


def coordinate_columns(columns: list[str], source: _Source) -> list[str]:
    """List the columns of coordinates that are there: those that are named, else those recognised."""
    if source.x is None and source.y is None:
        return [name for parts in find_pair(columns) or () for name in parts]
    wanted = [part.strip().casefold() for one in (source.x, source.y) if one for part in one.split(PARTED)]
    wanted += [one.casefold() for one in (source.x, source.y) if one]
    return [name for name in columns if name.casefold() in wanted]


def find_pair(columns: list[str]) -> tuple[Parts, Parts] | None:
    """Find the columns of coordinates by their names; None where there are none.

    Metres come before degrees, and degrees in one column before those in several.
    """
    parts = find_parts(columns, "x"), find_parts(columns, "y")
    whole = [name for name in columns if not (all(parts) and name in (*parts[0], *parts[1]))]
    for first, second in (*_PAIRS, _DEGREES):
        x, y = _pick(first, whole), _pick(second, whole)
        if x is not None and y is not None and x != y:
            sides = (side_of(columns, "x"), side_of(columns, "y")) if first == _DEGREES[0] else (None, None)
            both = [
                (name, side) if side and side != name else (name,)
                for name, side in zip((x, y), sides, strict=True)
            ]
            return both[0], both[1]
    return (parts[0], parts[1]) if all(parts) else None


def _pick(pattern: str, columns: list[str]) -> str | None:
    """Return the one column that fits; small letters win, so that ``Y`` beside ``y`` may be yttrium."""
    fits = [name for name in columns if _matches(pattern, name)]
    small = [name for name in fits if name.islower()]
    return next(iter(small or fits), None)


def _matches(pattern: str, name: str) -> bool:
    return re.fullmatch(pattern, name.strip(), re.IGNORECASE) is not None
