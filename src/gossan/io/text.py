"""Tables of text and workbooks: encoding, separator, where the header stands, and rows in blocks."""

import codecs
import csv
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gossan.errors import DataError, UsageError
from gossan.io.cells import Column, Growing, gather, settle
from gossan.io.decimals import Style
from gossan.io.degrees import find_parts
from gossan.io.elements import parse_column, parse_unit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Plan", "Table", "read_text", "read_workbook", "table_of"]

_BLOCK = 1 << 20
_ROWS = 20_000  # of a block: little enough that its text never outweighs the numbers of the whole
_LONGEST_LINE = 1 << 20
_SNIFFED = 4096
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a]")
_SEARCHED = 30  # lines in which the header is looked for
_MOST_HEAD = 4  # rows of units, limits and methods under the header
_MOST_UNPACKED = 1 << 30  # bytes: a million rows of 40 columns; more is a bomb or no laboratory's
_MOST_RATIO = 250  # between a part of a workbook unpacked and packed; XML of numbers has 10 to 30
_SMALL = 50 << 20  # bytes unpacked under which no ratio is asked for
#: What zipfile, zlib, expat and openpyxl raise on a workbook that is broken or has a password.
_BROKEN = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, ArithmeticError, LookupError),
    *(ValueError, OSError, EOFError, SyntaxError, TypeError, AttributeError, RuntimeError, AssertionError),
)
_LIMIT_WORDS = r"(lower |min(imum)? )?(detection|limits?|lod|loq|dl|mdl|lld|ldl)\b.*|d\.?l\.?"
#: what coordinates are called, whole and at the start
_PLACES = frozenset(["x", "y", "easting", "northing", "east", "north", "lon", "long", "lat"])
_PLACED = ("longitude", "easting")
_METHOD_WORDS = r"(method|scheme|analytical|technique|procedure|lab ?code|analyte|upper|max|uom|units?)\b.*"


@dataclass(frozen=True)
class Plan:
    """Which columns of a table are wanted: as numbers taken apart, and as text."""

    numbers: Collection[str]
    text: Collection[str]


@dataclass(frozen=True)
class Table:
    """A table as read.

    columns: every name; numbers: columns taken apart; cells: columns as text; units: of the row of units;
    limits: of the row of detection limits; comma: whether the file's decimal sign is a comma.
    """

    columns: list[str]
    numbers: dict[str, Column]
    cells: "pd.DataFrame"
    comma: bool = False
    units: dict[str, str] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


def read_text(path: Path, what: str, plan: Callable[[list[str]], Plan], known: Collection[str] = ()) -> Table:
    """Read a table of text, a block of rows at a time.

    Parameters
    ----------
    plan
        Chooses among the names of the columns.
    known
        Names of columns that the header holds, beside those of elements and coordinates.

    Raises
    ------
    DataError
        The file is no table.
    """
    import pandas as pd

    encoding = _encoding(path)
    head = _head(path, what, encoding)
    separator, first = _separator(head, known)
    comma = separator in (";", "\t")
    reader = csv.reader(head[first:], delimiter=separator)  # a name may hold a line end
    names = _unique(next(reader, []))
    rows = [row for row in reader if row][:_MOST_HEAD]
    skipped, units, limits = _head_rows(names, rows, comma=comma)
    chosen = plan(names)
    kept = [name for name in names if name in chosen.text]
    most = _most_rows(path)
    texts: list[pd.DataFrame] = []

    def read(styles: Mapping[str, Style | None], *, text: bool = False) -> dict[str, Column]:
        numbers = {name: Growing(most) for name in styles}
        for number, block in enumerate(_blocks(path, what, encoding, separator, first, names)):
            part = block.iloc[skipped:] if number == 0 else block
            for name, column in numbers.items():
                style = styles[name]
                guess, parted = comma and style is None, style == ","
                column.add(gather(part[name], comma=guess, parted=parted, known=column.forms))
            if text:
                texts.append(part[kept])
        return {name: column.done() for name, column in numbers.items()}

    columns = read(dict.fromkeys(chosen.numbers), text=True)
    columns, told = _settled(columns, read, f"{what} file {path.name}", comma=comma)
    notes: dict[str, Any] = {"encoding": encoding, "separator": {"\t": "tab"}.get(separator, separator)}
    if skipped or first:
        notes["header"] = {"lines_above": first, "rows_below": skipped}
    if short := _short_rows(path, encoding, separator, len(names), first):
        notes["short_rows"] = short
    cells = pd.concat(texts, ignore_index=True)
    return Table(names, columns, cells, comma, units, limits, notes | told)


def read_workbook(
    path: Path,
    what: str,
    sheet: str | None,
    plan: Callable[[list[str]], Plan],
    known: Collection[str] = (),
) -> Table:
    """Read one sheet of a workbook.

    Raises
    ------
    UsageError
        The sheet is not there, or not given while there are several.
    DataError
        The file is no workbook, or unpacks to more than any laboratory's table.
    """
    _refuse_bomb(path, what)
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl remarks on styles and validation, never on values
            with pd.ExcelFile(path, engine="openpyxl") as book:
                name = _sheet_name([str(one) for one in book.sheet_names], sheet, _hidden(book), path, what)
                raw = book.parse(name, header=None, dtype=object, na_filter=False)
    except UsageError:
        raise
    except _BROKEN as error:
        said = " ".join(str(error).split())
        raise DataError(f"{what} file {path.name} is no workbook: {said}; save it again as .xlsx") from error
    rows = [[str(one) for one in row] for row in raw.head(_SEARCHED + _MOST_HEAD + 1).to_numpy()]
    if not rows:
        raise DataError(f"{what} file {path.name} is no table: sheet {name!r} is empty; give another")
    first = _header(rows, known)
    first = 0 if first is None else first
    names = _unique(rows[first])
    skipped, units, limits = _head_rows(names, rows[first + 1 :][:_MOST_HEAD], comma=False)
    typed = raw.iloc[first + 1 + skipped :].reset_index(drop=True)
    typed.columns = names
    cells = typed.map(str)
    filled = ~(cells == "").all(axis=1)
    notes: dict[str, Any] = {"sheet": name}
    if skipped or first:
        notes["header"] = {"lines_above": first, "rows_below": skipped}
    cells, typed = (one[filled].reset_index(drop=True) for one in (cells, typed))
    of = f"{what} file {path.name}"
    return table_of(cells, plan, of, typed=typed, units=units, limits=limits, notes=notes)


def table_of(
    cells: "pd.DataFrame",
    plan: Callable[[list[str]], Plan],
    of: str,
    *,
    typed: "pd.DataFrame | None" = None,
    notes: Mapping[str, Any] | None = None,
    **more: Any,
) -> Table:
    """Make a Table of cells that are all at hand.

    Parameters
    ----------
    of
        What they are from, for messages.
    typed
        The cells as a program typed them, numbers as numbers.
    """
    names = [str(name) for name in cells.columns]
    cells.columns = names
    source = cells if typed is None else typed
    columns = {name: gather(source[name]) for name in plan(names).numbers}

    def again(styles: Mapping[str, Style]) -> dict[str, Column]:
        return {name: gather(source[name], parted=style == ",") for name, style in styles.items()}

    columns, told = _settled(columns, again, of, comma=False)
    return Table(names, columns, cells, notes={**(notes or {}), **told}, **more)


def _settled(
    columns: dict[str, Column],
    again: Callable[[Mapping[str, Style]], dict[str, Column]],
    of: str,
    *,
    comma: bool,
) -> tuple[dict[str, Column], dict[str, Any]]:
    try:
        return settle(columns, again, comma=comma)
    except DataError as error:
        raise DataError(f"{of}: {error}") from error


# ---- the header


def _header(rows: Sequence[Sequence[str]], known: Collection[str]) -> int | None:
    """Find the row of names: the first with two names of elements, coordinates or columns that are known.

    One with a coordinate comes before one without: methods such as Au-AA23 stand above the names too.
    """
    wanted = {name.casefold() for name in known} | _PLACES
    first = None
    for number, row in enumerate(rows[:_SEARCHED]):
        names = {cell.strip() for cell in row}
        place = any(one.casefold() in wanted or one.casefold().startswith(_PLACED) for one in names)
        if find_parts(row, "x") and find_parts(row, "y"):
            return number
        told = [one for one in names if one and (one.casefold() in wanted or parse_column(one))]
        if place and (len(told) >= 2 or any(one.casefold().startswith(_PLACED) for one in names)):
            return number
        if len(told) >= 2 and first is None:
            first = number
    return first


def _head_rows(
    names: Sequence[str], rows: Sequence[Sequence[str]], *, comma: bool
) -> tuple[int, dict[str, str], dict[str, float]]:
    """Count the rows of units, limits and methods under the header, and read them.

    Such a row holds no number outside the columns of elements, so no coordinate.
    """
    import pandas as pd

    units: dict[str, str] = {}
    limits: dict[str, float] = {}
    elements = [n for n, name in enumerate(names) if parse_column(name)]
    for number, row in enumerate(rows):
        cells = [cell.strip() for cell in [*row, *[""] * (len(names) - len(row))]]
        held = [n for n in elements if cells[n]]
        found = {names[n]: parse_unit(cells[n]) for n in held}
        label = next((cell.lower() for cell in cells if cell), "")
        others = [cell for n, cell in enumerate(cells) if n not in elements]
        if _hold_numbers(others):
            return number, units, limits
        if held and sum(map(bool, found.values())) > len(held) / 2:
            units |= {name: unit for name, unit in found.items() if unit}
        elif re.fullmatch(_LIMIT_WORDS, label):
            values = gather(pd.Series([cells[n].lstrip("<") for n in held], dtype=object), comma=comma).values
            limits |= {names[n]: float(value) for n, value in zip(held, values, strict=True) if value > 0}
        elif not re.fullmatch(_METHOD_WORDS, label):
            return number, units, limits
    return len(rows), units, limits


def _hold_numbers(cells: Sequence[str]) -> bool:
    """Tell whether one of the cells is a number, whatever its decimal sign; limits are none."""
    import pandas as pd

    column = gather(pd.Series(list(cells), dtype=object))
    written = any(text.startswith(tuple("0123456789,.+-")) for text in column.forms.values())
    return written or bool(np.isfinite(column.values).any())


def _unique(names: Sequence[str]) -> list[str]:
    """Name every column once: a second ``Cu`` is ``Cu.1``, one without a name says where it stands."""
    found: dict[str, int] = {}
    unique = []
    for number, name in enumerate(names):
        name = name.strip().lstrip("\ufeff") or f"unnamed {number + 1}"
        while name in found:
            found[name] += 1
            name = f"{name}.{found[name]}"
        found[name] = 0
        unique.append(name)
    return unique


# ---- rows


def _blocks(
    path: Path, what: str, encoding: str, separator: str, first: int, names: Sequence[str]
) -> Iterator["pd.DataFrame"]:
    import pandas as pd

    options: dict[str, Any] = {
        "sep": separator,
        "encoding": encoding,
        "dtype": object,
        "na_filter": False,
        "index_col": False,
        "skiprows": first,
        "chunksize": _ROWS,
    }
    empty = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            with pd.read_csv(path, **options) as blocks:
                for block in blocks:
                    if len(block.columns) != len(names):
                        raise ValueError("its header cannot be cut at the separators")
                    block.columns = list(names)
                    empty = False
                    yield block
    except pd.errors.ParserWarning as error:
        raise DataError(
            f"{what} file {path.name} has rows with more fields than its header; they must agree; "
            "remove separators at the end of lines or name every column"
        ) from error
    except (
        *(pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError),
        *(ValueError, OverflowError, MemoryError),
    ) as error:
        said = " ".join(str(error).split())
        raise DataError(
            f"{what} file {path.name} is no table: {said}; a header and rows are needed"
        ) from error
    if empty:
        yield pd.DataFrame({name: pd.Series([], dtype=object) for name in names})


def _most_rows(path: Path) -> int:
    """Rows that a file holds at most: its line ends, and one."""
    rows = 1
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            rows += block.count(b"\n") + block.count(b"\r")
    return rows


def _short_rows(path: Path, encoding: str, separator: str, width: int, first: int) -> int:
    """Count the rows with fewer fields than the header, as the last one of a file that was cut off has."""
    codes = "utf-8" if encoding == "utf-8-sig" else encoding
    if encoding != "utf-16":
        sign, ends, signs, lines, last = separator.encode(), b"\n", 0, 0, b"\n"
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                signs, lines, last = signs + block.count(sign), lines + block.count(ends), block[-1:]
        lines += last != ends
        if not first and signs == lines * (width - 1):
            return 0
    with path.open(encoding=codes, newline="", errors="replace") as stream:
        rows = csv.reader(stream, delimiter=separator)
        try:
            return sum(0 < len(row) < width for number, row in enumerate(rows) if number > first)
        except csv.Error:
            return 0


# ---- encoding and separator


def _encoding(path: Path) -> str:
    """Find the encoding: UTF-16 or UTF-8 as marked, UTF-8 or GBK as it decodes, else Latin-1."""
    with path.open("rb") as stream:
        start = stream.read(3)
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    if _decodes(path, "utf-8"):
        return "utf-8-sig" if start == codecs.BOM_UTF8 else "utf-8"
    # only pairs of high bytes are Chinese; GBK as a whole would also take Latin text with accents
    if _decodes(path, "gb2312") and not _within_words(path):
        return "gb18030"
    return "cp1252" if _decodes(path, "cp1252") else "latin-1"


def _within_words(path: Path) -> bool:
    """Whether high bytes stand only in pairs within words of small letters, such as those of Größe."""
    with path.open("rb") as stream:
        runs = re.findall(rb"([a-z]?)([\x80-\xff]+)([a-z]?)", stream.read(_BLOCK))
    return all(before and after and len(run) <= 2 for before, run, after in runs)


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


def _head(path: Path, what: str, encoding: str) -> list[str]:
    """First lines, at most a million letters; line ends kept out."""
    try:
        with path.open(encoding=encoding, newline="") as stream:
            text = stream.read(_LONGEST_LINE)
            whole = len(text) < _LONGEST_LINE
    except UnicodeError as error:
        raise DataError(
            f"{what} file {path.name} is no table: {error}; a header and rows are needed"
        ) from error
    lines = re.split(r"\r\n|\r|\n", text)
    if len(lines) == 1 and not whole:
        raise DataError(
            f"{what} file {path.name} has a first line of more than {_LONGEST_LINE:,} letters; a table has "
            "lines; export it anew"
        )
    lines = (lines if whole else lines[:-1])[: _SEARCHED + _MOST_HEAD + 2]
    if _CONTROL.search(text[:_SNIFFED]):
        raise DataError(
            f"{what} file {path.name} is no text: it holds letters that no text has; export the table as "
            "CSV in UTF-8 (UTF-16 needs its mark)"
        )
    if not any(line.strip() for line in lines):
        raise DataError(f"{what} file {path.name} is no table: it is empty; a header and rows are needed")
    return lines


def _separator(lines: Sequence[str], known: Collection[str]) -> tuple[str, int]:
    """Find the separator and the line of the header.

    The one that cuts a line into known names, then every line below it alike, then into the most fields.
    """

    def score(separator: str) -> tuple[bool, bool, int, int]:
        try:
            rows = list(csv.reader(lines, delimiter=separator))
        except csv.Error:
            return False, False, 0, 0
        header = _header(rows, known)
        first = next(n for n, line in enumerate(lines) if line.strip()) if header is None else header
        widths = [len(row) for row in rows[first:] if row]
        alike = len(set(widths)) == 1 and widths[0] > 1
        return header is not None, alike, widths[0] if widths else 0, -first

    best = max(("\t", ";", ",", "|"), key=score)
    return best, -score(best)[3]


# ---- workbooks


def _refuse_bomb(path: Path, what: str) -> None:
    """Refuse by the sizes that the archive states, before anything is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except _BROKEN as error:
        raise DataError(f"{what} file {path.name} is no workbook: {error}; save it again as .xlsx") from error
    size = sum(part.file_size for part in parts)
    ratio = max((part.file_size / max(1, part.compress_size) for part in parts), default=0.0)
    if size > _MOST_UNPACKED or (size > _SMALL and ratio > _MOST_RATIO):
        raise DataError(
            f"{what} file {path.name} unpacks to {size / 1e6:,.0f} MB, one part {ratio:.0f} times its size; "
            f"at most {_MOST_UNPACKED / 1e6:,.0f} MB and {_MOST_RATIO} times are read; save it as .csv"
        )


def _hidden(book: Any) -> set[str]:
    """Name the sheets that a spreadsheet program does not show."""
    return {sheet.title for sheet in book.book.worksheets if sheet.sheet_state != "visible"}


def _sheet_name(names: list[str], wanted: str | None, hidden: set[str], path: Path, what: str) -> str:
    """Choose the sheet that is asked for, else the only one that is shown."""
    shown = [name for name in names if name not in hidden]
    if wanted is None and len(shown or names) == 1:
        return (shown or names)[0]
    if wanted in names:
        return str(wanted)
    given = "is not given" if wanted is None else f"= {wanted!r} is not there"
    raise UsageError(
        f"[{what}] sheet {given}; {path.name} has {', '.join(map(repr, names))}; name one of these"
    )
