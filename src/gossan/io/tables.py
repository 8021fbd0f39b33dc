"""Tables of points in text, workbook or vector files: cells as they are, coordinates in the project's CRS."""

import codecs
import csv
import re
import warnings
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gossan.errors import DataError, DataWarning, UsageError
from gossan.io.cells import to_numbers
from gossan.io.crs import choose_crs, parse_crs, reproject_points
from gossan.io.files import file_kind, naming
from gossan.io.vectors import find_column, open_vector

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Points", "read_points"]

_BLOCK = 1 << 20
_PAIRS = (
    (r"x", r"y"),
    (r"easting", r"northing"),
    (r"east", r"north"),
    (r"utm_?(x|e|east|easting)", r"utm_?(y|n|north|northing)"),
    (r"x_?coord|coord_?x|point_?x", r"y_?coord|coord_?y|point_?y"),
)
_DEGREES = (r"lon|long|longitude|lon(g|gitude)?[_ (].*", r"lat|latitude|lat(itude)?[_ (].*")


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
    """Rows with usable coordinates, (n, 2) in the project's CRS; ``used`` are the coordinate columns."""

    cells: "pd.DataFrame"
    coordinates: NDArray[np.float64]
    used: tuple[str, ...]
    comma: bool
    counts: dict[str, Any] = field(default_factory=dict)


def read_points(path: Path, source: _Source, crs: Any, what: str) -> Points:
    """Read a table of points of any format.

    Rows whose coordinates are missing, no numbers, both zero, or unknown to the project's CRS are
    dropped and counted.

    Raises
    ------
    UsageError
        The format, a column, the sheet or layer, or the CRS cannot be used.
    DataError
        The file cannot be read, no row is left, or degrees came where metres were said.
    """
    kind = file_kind(path, what, ("text", "workbook", "vector"))
    if kind == "vector":
        raw, cells, used, told, comma = _from_vector(path, source, crs, what)
    else:
        reader = _read_text if kind == "text" else _read_workbook
        cells, notes = reader(path, what, source.sheet)
        comma = notes.get("separator") in (";", "tab")
        raw, used, told = _from_columns(cells, source, crs, what, comma)
        told = notes | told
    way = (parse_crs(told.pop("_crs"), "crs"), parse_crs(crs, "[project] crs"))
    keep, dropped = _usable(raw)
    if told["crs_from"].startswith("assumed"):
        _refuse_degrees(raw[keep], way[1], what, used)
    moved = np.full(raw.shape, np.nan)
    moved[keep] = reproject_points(raw[keep], *way)
    lost = keep & np.isnan(moved).any(axis=1)
    dropped["outside the CRS"] = int(lost.sum())
    keep &= ~lost
    counts = {"rows": len(raw), "kept": int(keep.sum()), "dropped": dropped, **told}
    _check_rows(counts, path, what)
    return Points(cells[keep].reset_index(drop=True), moved[keep], used, comma, counts)


def _check_rows(counts: dict[str, Any], path: Path, what: str) -> None:
    told = ", ".join(f"{n} {why}" for why, n in counts["dropped"].items() if n)
    if not counts["kept"]:
        raise DataError(
            f"{what} file {path.name} has no usable row of {counts['rows']} ({told or 'it is empty'}); "
            "one at least is needed; check the coordinate columns"
        )
    if told:
        warnings.warn(f"{what}: dropped rows with coordinates {told}", DataWarning, stacklevel=4)


def _usable(raw: NDArray[np.float64]) -> tuple[NDArray[np.bool_], dict[str, int]]:
    missing = ~np.isfinite(raw).all(axis=1)
    zero = (raw == 0).all(axis=1)
    return ~(missing | zero), {"missing or no numbers": int(missing.sum()), "at zero": int(zero.sum())}


def _refuse_degrees(raw: NDArray[np.float64], project: Any, what: str, used: tuple[str, ...]) -> None:
    if project.is_projected and len(raw) and (np.abs(raw) <= (180, 90)).all():
        raise DataError(
            f"{what} coordinates {' and '.join(used) or 'of the geometry'} all lie within 180 and 90, like "
            f"degrees, but the project's CRS is in metres; set [{what}] crs, such as 'EPSG:4326'"
        )


# ---- vector files


def _from_vector(
    path: Path, source: _Source, crs: Any, what: str
) -> tuple[NDArray[np.float64], "pd.DataFrame", tuple[str, ...], dict[str, Any], bool]:
    """Coordinates from the geometry, or from the columns that the settings name."""
    import shapely

    frame, counts = open_vector(path, what, source.sheet)
    cells = frame.drop(columns="geometry")
    cells.columns = [str(name) for name in cells.columns]
    if source.x is not None or source.y is not None:
        raw, used, told = _from_columns(cells, source, crs, what, False)
        return raw, cells, used, {"layer": counts["layer"], **told}, False
    geometry = frame.geometry.to_numpy().copy()
    single = (shapely.get_type_id(geometry) == 4) & (shapely.get_num_geometries(geometry) == 1)
    geometry[single] = shapely.get_geometry(geometry[single], 0)
    point = shapely.get_type_id(geometry) == 0
    raw = np.full((len(frame), 2), np.nan)
    raw[point] = np.column_stack([shapely.get_x(geometry[point]), shapely.get_y(geometry[point])])
    own, told = choose_crs(frame.crs, source.crs, crs, what)
    return (
        raw,
        cells,
        (),
        {"layer": counts["layer"], "x": "geometry", "y": "geometry", "_crs": own, **told},
        False,
    )


# ---- coordinate columns


def _from_columns(
    cells: "pd.DataFrame", source: _Source, crs: Any, what: str, comma: bool
) -> tuple[NDArray[np.float64], tuple[str, str], dict[str, Any]]:
    x, y = _coordinate_columns(list(cells.columns), source, what)
    degrees = _matches(_DEGREES[0], x) and _matches(_DEGREES[1], y)
    own, told = choose_crs("EPSG:4326" if degrees and source.crs is None else None, source.crs, crs, what)
    if degrees and source.crs is None:
        told["crs_from"] = "names of the coordinate columns"
    raw = np.column_stack([to_numbers(cells[name], comma=comma) for name in (x, y)])
    return raw, (x, y), {"x": x, "y": y, "_crs": own, **told}


def _coordinate_columns(columns: list[str], source: _Source, what: str) -> tuple[str, str]:
    if (source.x is None) != (source.y is None):
        raise UsageError(f"[{what}] gives only one of x and y; both or neither are allowed; add the other")
    if source.x is not None and source.y is not None:
        return find_column(source.x, columns, f"[{what}] x"), find_column(source.y, columns, f"[{what}] y")
    for first, second in (*_PAIRS, _DEGREES):
        x, y = _pick(first, columns), _pick(second, columns)
        if x is not None and y is not None:
            return x, y
    raise UsageError(
        f"{what}: no coordinate columns are recognised; {naming('x', columns)}; x and y, easting and "
        f"northing or lon and lat are; name them as [{what}] x and y"
    )


def _pick(pattern: str, columns: list[str]) -> str | None:
    """Return the one column that fits; small letters win, so that ``Y`` beside ``y`` may be yttrium."""
    fits = [name for name in columns if _matches(pattern, name)]
    small = [name for name in fits if name.islower()]
    return next(iter(small or fits), None)


def _matches(pattern: str, name: str) -> bool:
    return re.fullmatch(pattern, name.strip(), re.IGNORECASE) is not None


# ---- text and workbooks


def _read_text(path: Path, what: str, sheet: str | None) -> tuple["pd.DataFrame", dict[str, Any]]:
    import pandas as pd

    encoding = _encoding(path)
    separator = _separator(path, encoding)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            cells = pd.read_csv(
                path, sep=separator, encoding=encoding, dtype=str, na_filter=False, index_col=False
            )
    except pd.errors.ParserWarning as error:
        raise DataError(
            f"{what} file {path.name} has rows with more fields than its header; they must agree; "
            "remove separators at the end of lines or name every column"
        ) from error
    except (
        pd.errors.ParserError,
        pd.errors.EmptyDataError,
        UnicodeError,
        ValueError,
        OverflowError,
    ) as error:
        said = " ".join(str(error).split())
        raise DataError(
            f"{what} file {path.name} is no table: {said}; a header and rows are needed"
        ) from error
    cells.columns = [str(name).strip() for name in cells.columns]
    return cells, {"encoding": encoding, "separator": {"\t": "tab"}.get(separator, separator)}


def _read_workbook(path: Path, what: str, sheet: str | None) -> tuple["pd.DataFrame", dict[str, Any]]:
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl remarks on styles and validation, never on values
            with pd.ExcelFile(path, engine="openpyxl") as book:
                name = _sheet_name([str(one) for one in book.sheet_names], sheet, path, what)
                cells = book.parse(name, dtype=str, na_filter=False)
    except UsageError:
        raise
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError, SyntaxError) as error:
        said = " ".join(str(error).split())
        raise DataError(f"{what} file {path.name} is no workbook: {said}; save it again as .xlsx") from error
    cells.columns = [str(one).strip() for one in cells.columns]
    return cells, {"sheet": name}


def _sheet_name(names: list[str], wanted: str | None, path: Path, what: str) -> str:
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted in names:
        return str(wanted)
    given = "is not given" if wanted is None else f"= {wanted!r} is not there"
    raise UsageError(
        f"[{what}] sheet {given}; {path.name} has {', '.join(map(repr, names))}; name one of these"
    )


def _encoding(path: Path) -> str:
    """Find the encoding: UTF-16 or UTF-8 as marked, UTF-8 or GBK as it decodes, else Latin-1."""
    with path.open("rb") as stream:
        start = stream.read(3)
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    if _decodes(path, "utf-8"):
        return "utf-8-sig" if start == codecs.BOM_UTF8 else "utf-8"
    # only pairs of high bytes are Chinese; GBK as a whole would also take Latin text with accents
    return "gb18030" if _decodes(path, "gb2312") else "cp1252" if _decodes(path, "cp1252") else "latin-1"


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _separator(path: Path, encoding: str) -> str:
    """Find the separator that cuts the first lines into the most fields, alike in every line."""
    with path.open(encoding=encoding, newline="") as stream:
        lines = [line for line, _ in zip(stream, range(20), strict=False) if line.strip()]

    def score(separator: str) -> tuple[bool, int]:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=separator)]
        except csv.Error:
            return False, 0
        return len(set(widths)) == 1 and widths[0] > 1, widths[0] if widths else 0

    return max(("\t", ";", ","), key=score)
