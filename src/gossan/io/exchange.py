"""Layers in the formats of other programs: KML, MapInfo tables, DXF drawings and file geodatabases.

The library's build says which it can open. What would go elsewhere, or unfold to more than any map holds, is
refused before it is opened.
"""

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from gossan.errors import DataError, DataWarning, UsageError

if TYPE_CHECKING:
    import geopandas as gpd

__all__ = ["check_exchange", "filled", "open_options", "refuse_unplaced", "tidied"]

#: What opens each ending: one of these must be there.
_DRIVERS = {
    ".kml": ("LIBKML", "KML"),
    ".tab": ("MapInfo File",),
    ".mif": ("MapInfo File",),
    ".dxf": ("DXF",),
    ".gdb": ("OpenFileGDB",),
}
_MOST = 200 << 20  # bytes of KML or DXF, which are read as a whole; a map of so many is sent otherwise
_MOST_COPIES = 100_000  # of blocks that a drawing repeats
_PROLOGUE = 1 << 16
#: Columns that the program itself adds to every layer.
_OWN = {
    ".kml": str.split(
        "id timestamp begin end altitudeMode tessellate extrude visibility drawOrder icon snippet"
    ),
    ".dxf": str.split(
        "SubClasses Linetype EntityHandle BlockName BlockScale BlockAngle BlockOCSNormal BlockOCSCoords "
        "BlockAttributes Block AttributeTag ExtendedEntity"
    ),
}
#: Columns that are there whether or not anything stands in them.
_OFTEN_EMPTY = ("Name", "description", "Description", "Text")


def check_exchange(path: Path, what: str) -> None:
    """Refuse a file of another program that cannot be opened, or should not be.

    Raises
    ------
    UsageError
        The library was built without the driver.
    DataError
        The file is not what its ending says, lacks a part, is too large, or unfolds to too much.
    """
    ending = path.suffix.lower()
    if ending not in _DRIVERS:
        return
    import pyogrio

    if not set(_DRIVERS[ending]) & set(pyogrio.list_drivers()):
        raise UsageError(
            f"{what} file {path.name} ends in {path.suffix!r}, which this build of GDAL does not read; "
            "export its layer as GeoPackage (.gpkg), from QGIS or with ogr2ogr"
        )
    if ending in (".kml", ".dxf") and path.stat().st_size > _MOST:
        raise DataError(
            f"{what} file {path.name} has {path.stat().st_size / 1e6:,.0f} MB; of {ending} at most "
            f"{_MOST / 1e6:,.0f} MB are read; export its layer as GeoPackage (.gpkg)"
        )
    check = {
        ".kml": _check_kml,
        ".tab": _check_tab,
        ".mif": _check_mif,
        ".dxf": _check_dxf,
        ".gdb": _check_gdb,
    }
    check[ending](path, what)


def open_options(path: Path, what: str) -> dict[str, str]:
    """Options that a layer is opened with.

    Blocks of a drawing stay points where they are put, as symbols are; closed lines are polygons where
    polygons are wanted.
    """
    if path.suffix.lower() != ".dxf":
        return {}
    return {"INLINE_BLOCKS": "NO", "CLOSED_LINE_AS_POLYGON": "YES" if what in ("geology", "area") else "NO"}


def filled(path: Path, names: list[str]) -> list[str]:
    """Leave out layers that are only folders around others, as in KML; all where none holds anything."""
    if path.suffix.lower() != ".kml" or len(names) < 2:
        return names
    import pyogrio

    return [name for name in names if pyogrio.read_info(path, layer=name)["features"] > 0] or names


def tidied(frame: "gpd.GeoDataFrame", path: Path, what: str) -> tuple["gpd.GeoDataFrame", dict[str, int]]:
    """Leave out a program's own columns, and what a drawing holds for printing beside its map.

    Returns
    -------
    The layer, and the count ``paper_space`` where such rows were left out, with a warning.

    Raises
    ------
    DataError
        A MapInfo exchange file has fewer objects than rows of attributes.
    """
    ending, counts = path.suffix.lower(), {}
    if ending == ".mif":
        _refuse_cut_off(len(frame), path, what)
    if ending == ".dxf" and "PaperSpace" in frame:
        paper = (frame["PaperSpace"].fillna(0).astype(float) > 0).to_numpy()
        if paper.any():
            counts["paper_space"] = int(paper.sum())
            warnings.warn(
                f"{what}: {counts['paper_space']} objects of the printed sheet, not of the map, are left out",
                DataWarning,
                stacklevel=4,
            )
        frame = frame.loc[~paper].drop(columns="PaperSpace").reset_index(drop=True)
    own = [
        *_OWN.get(ending, ()),
        *(name for name in _OFTEN_EMPTY if _is_empty(frame, name) and ending in _OWN),
    ]
    return frame.drop(columns=[name for name in own if name in frame]), counts


def _refuse_cut_off(objects: int, path: Path, what: str) -> None:
    """Compare objects with rows of attributes: the library ends without a word where a file is cut off."""
    rows = 0
    for beside in (path.with_suffix(one) for one in (".mid", ".MID", ".Mid")):
        if beside.is_file():
            with beside.open("rb") as stream:
                rows = sum(1 for line in stream if line.strip())
            break
    if objects < rows:
        raise _refuse(
            path, what, f"has {objects} objects and {rows} rows of attributes in its .mid", "copy both anew"
        )


def _is_empty(frame: "gpd.GeoDataFrame", name: str) -> bool:
    return name in frame and not frame[name].map(lambda one: bool(str(one).strip()), na_action="ignore").any()


def refuse_unplaced(frame: "gpd.GeoDataFrame", given: str | None, path: Path, what: str) -> None:
    """Refuse a drawing whose CRS nobody names: the format holds none, so that it is never the project's.

    Raises
    ------
    UsageError
        The CRS is not given.
    """
    if path.suffix.lower() == ".dxf" and frame.crs is None and given is None:
        setting = "export it with its crs as GeoPackage" if what == "area" else f"give it as [{what}] crs"
        raise UsageError(f"{what} file {path.name} is a DXF drawing, which holds no CRS; {setting}")


# ---- each format


def _refuse(path: Path, what: str, is_not: str, instead: str) -> DataError:
    return DataError(f"{what} file {path.name} {is_not}; {instead}")


def _check_kml(path: Path, what: str) -> None:
    """Refuse what does not begin as KML, or declares entities; links to other files are not followed."""
    content = path.read_bytes()
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    text = content[:_PROLOGUE].decode(encoding, errors="replace").lstrip("\ufeff \t\r\n")
    for start, end in (("<?", "?>"), ("<!--", "-->")) * 20:
        if text.startswith(start):
            text = text.partition(end)[2].lstrip()
    if not re.match(r"<(\w+:)?kml[\s>/]", text):
        raise _refuse(path, what, "cannot be read: it does not begin like .kml", "repair or re-export it")
    links = content.count("<NetworkLink>".encode(encoding.replace("utf-16", "utf-16-le")))
    if links:
        warnings.warn(
            f"{what}: {links} links of {path.name} to other files are not followed; what is behind them is "
            "not read",
            DataWarning,
            stacklevel=5,
        )


def _check_tab(path: Path, what: str) -> None:
    """Refuse a table that only names others, such as seamless ones and views, or lacks a part."""
    with path.open("rb") as stream:
        text = stream.read(_PROLOGUE).decode("latin-1").lower()
    if not text.lstrip().startswith("!table"):
        raise _refuse(
            path, what, "cannot be read: it does not begin like a MapInfo .tab", "of text, name it .tsv"
        )
    if not re.search(r"^\s*type\s+(native|dbf)\b", text, re.MULTILINE) or "isseamless" in text:
        raise _refuse(
            path,
            what,
            "is no MapInfo table of its own, but of another kind: a raster, a view or several tables",
            "give the table that holds the objects",
        )
    missing = [one for one in (".map", ".dat") if not _beside(path, one)]
    if re.search(r"^\s*type\s+dbf\b", text, re.MULTILINE):
        missing = [one for one in (".map", ".dbf") if not _beside(path, one)]
    if missing:
        raise _refuse(
            path, what, f"has no {path.stem}{missing[0]} beside it", "copy all parts of the MapInfo table"
        )


def _check_mif(path: Path, what: str) -> None:
    """Refuse what does not begin as an exchange file, or lacks its attributes."""
    with path.open("rb") as stream:
        start = stream.read(_PROLOGUE).lower()
    if not start.lstrip().startswith(b"version"):
        raise _refuse(path, what, "cannot be read: it does not begin like .mif", "repair or re-export it")
    columns = re.search(rb"^\s*columns\s+(\d{1,9})", start, re.MULTILINE)
    if columns and int(columns[1]) and not _beside(path, ".mid"):
        raise _refuse(path, what, f"has no {path.stem}.mid beside it", "copy both parts")


def _check_dxf(path: Path, what: str) -> None:
    """Refuse what is no drawing in text, and one that repeats blocks more often than any map does."""
    content = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if content.startswith(b"AutoCAD Binary DXF"):
        raise _refuse(path, what, "is a binary DXF", "save it as DXF in text (ASCII), or as GeoPackage")
    parts = re.split(rb"(?:^|\n)[ \t]*0[ \t]*\n", content.removeprefix(b"\xef\xbb\xbf"))
    if len(parts) < 2 or not any(part.lstrip().startswith(b"SECTION") for part in parts[:3]):
        raise _refuse(path, what, "cannot be read: it does not begin like .dxf", "repair or re-export it")
    copies = sum(_copies(part) for part in parts if part.lstrip().startswith(b"INSERT"))
    if copies > _MOST_COPIES:
        raise _refuse(
            path,
            what,
            f"repeats blocks {copies:,} times; at most {_MOST_COPIES:,} are read",
            "export its layer as GeoPackage (.gpkg)",
        )


def _copies(insert: bytes) -> int:
    """Multiply the columns and rows of a block that is put down once or as an array."""
    lines = insert.split(b"\n")
    found = 1
    for code, value in zip(lines[1::2], lines[2::2], strict=False):
        if code.strip() in (b"70", b"71"):
            number = re.match(rb"\s*(\d{1,9})", value)
            found *= max(1, int(number[1]) if number else 1)
    return found


def _check_gdb(path: Path, what: str) -> None:
    """Refuse what is no folder of tables."""
    tables = list(path.glob("a*.gdbtable")) if path.is_dir() else []
    if not tables:
        raise _refuse(path, what, "is no file geodatabase: a folder of tables", "unpack it or copy all of it")


def _beside(path: Path, ending: str) -> bool:
    return any(path.with_suffix(one).is_file() for one in (ending, ending.upper(), ending.capitalize()))
