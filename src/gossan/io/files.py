"""Files as such: is it there, of which kind is it, what is its hash, and how a new one is put in place."""

import glob
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from gossan.errors import DataError, MissingFileError, RunError, UsageError

__all__ = [
    "check_content",
    "check_file",
    "driver_of",
    "file_hash",
    "file_kind",
    "is_there",
    "naming",
    "replacing",
]

Kind = Literal["text", "workbook", "vector", "raster"]

_KINDS: dict[str, Kind] = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), "text"),
    **dict.fromkeys((".xlsx", ".xlsm"), "workbook"),
    **dict.fromkeys((".gpkg", ".shp", ".geojson", ".json", ".fgb"), "vector"),
    **dict.fromkeys((".kml", ".tab", ".mif", ".dxf", ".gdb"), "vector"),
    **dict.fromkeys((".tif", ".tiff", ".asc", ".img", ".vrt"), "raster"),
}
_SIDECARS: dict[str, tuple[str, ...]] = {
    ".shp": (".cpg", ".dbf", ".prj", ".shx"),
    ".tab": (".dat", ".dbf", ".id", ".ind", ".map"),
    ".mif": (".mid",),
    ".tif": (".tfw", ".tif.aux.xml", ".tif.msk"),
    ".tiff": (".tfw", ".tiff.aux.xml", ".tiff.msk"),
    ".asc": (".asc.aux.xml", ".prj"),
    ".img": (".ige", ".img.aux.xml"),
}
_BLOCK = 1 << 20

_AS_TABLE = "save it as .xlsx or .csv"
_AS_LAYER = "export its layer as GeoPackage (.gpkg), from QGIS or with ogr2ogr"
_AS_RASTER = "export it as GeoTIFF (.tif), from QGIS or with gdal_translate"
#: What to do with formats that surveys and laboratories send too, by their endings.
_INSTEAD = {
    **dict.fromkeys(
        (".xls", ".xlsb", ".ods", ".numbers", ".mdb", ".accdb", ".sif", ".dbf", ".gz"), _AS_TABLE
    ),
    **dict.fromkeys((".gpx", ".dgn", ".dwg", ".e00"), _AS_LAYER),
    **dict.fromkeys(
        (".ers", ".grd", ".gxf", ".nc", ".bil", ".flt", ".jp2", ".ecw", ".adf", ".dem"), _AS_RASTER
    ),
    **dict.fromkeys((".zip", ".7z", ".rar"), "unpack it and give the file inside"),
    ".kmz": "unpack it as a .zip and give the .kml inside",
    **dict.fromkeys((".shx", ".prj", ".cpg"), "give the .shp beside it"),
    **dict.fromkeys((".map", ".id", ".ind"), "give the .tab beside it"),
    ".mid": "give the .mif beside it",
}

#: What may open a raster, by its ending: none of these goes to the network.
_DRIVERS = {".tif": "GTiff", ".tiff": "GTiff", ".asc": "AAIGrid", ".img": "HFA", ".vrt": "VRT"}
#: How a vector file begins; a description of a service under such a name would be fetched from the network.
_BEGINS = {
    ".gpkg": (b"SQLite format 3\x00",),
    ".shp": (b"\x00\x00\x27\x0a",),
    ".fgb": (b"fgb",),
    **dict.fromkeys((".geojson", ".json"), (b"{",)),
}
_MOST_VRT = 50 << 20
#: Kinds of virtual rasters and bands that only take pixels from files; others run functions.
_PLAIN_VRT = (None, "VRTSourcedRasterBand", "VRTWarpedDataset", "VRTWarpedRasterBand", "VRTRawRasterBand")
#: Letters of an ASCII grid under its head; GDAL takes words for zeros.
_NUMERIC = b"0123456789+-.eEnNaAiIfFdD \t\r\n"
_LONGEST = 300
_GRID_HEAD = re.compile(rb"\s*(ncols|nrows|[xy]ll\w+|cellsize|dx|dy|nodata\w*|byteorder)\s", re.IGNORECASE)


def is_there(path: Path) -> bool:
    """Whether a path is of a file, or of a file geodatabase, which is a folder."""
    return path.is_file() or (path.suffix.lower() == ".gdb" and path.is_dir())


def check_file(path: Path, what: str) -> None:
    """Refuse a file that is not there; ``what`` names its part in the project, such as ``samples``.

    Raises
    ------
    MissingFileError
        There is no such file.
    """
    try:
        there, folder = is_there(path), path.is_dir()
    except OSError:  # a name too long for any file
        there = folder = False
    if not there:
        found = "is a folder" if folder else "does not exist"
        instead = _INSTEAD.get(path.suffix.lower()) if folder else None
        instead = instead or "give the path of a file, from [project] data"
        raise MissingFileError(f"{what} file {_shown(str(path))} {found}; {instead}")


def _shown(text: str) -> str:
    """Text as it may stand in a line: nothing that cannot be printed, and no more than is read."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in text)
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]}..."


def file_kind(path: Path, what: str, allowed: tuple[Kind, ...]) -> Kind:
    """Kind of a file by its ending.

    Raises
    ------
    MissingFileError
        There is no such file.
    UsageError
        The ending is unknown, or of a kind that cannot be used here.
    """
    check_file(path, what)
    kind = _KINDS.get(path.suffix.lower())
    if kind is None or kind not in allowed:
        endings = ", ".join(ending for ending, its in _KINDS.items() if its in allowed)
        instead = _INSTEAD.get(path.suffix.lower(), "convert the file")
        raise UsageError(f"{what} file {path.name} ends in {path.suffix!r}; allowed are {endings}; {instead}")
    return kind


def check_content(path: Path, what: str) -> None:
    """Refuse a file that is not what its ending says, or that sends its reader elsewhere.

    Raises
    ------
    DataError
        It begins otherwise, or is a virtual raster of sources that are no files.
    """
    ending = path.suffix.lower()
    if path.is_dir():
        return
    with path.open("rb") as stream:
        start = stream.read(64)
    if ending == ".vrt":
        _check_virtual(path, what)
    if ending == ".shp" and not any(path.with_suffix(one).is_file() for one in (".shx", ".SHX")):
        raise DataError(
            f"{what} file {path.name} has no {path.stem}.shx beside it; a Shapefile has .shp, .shx and .dbf; "
            "copy all of its parts"
        )
    if ending == ".asc":
        _check_numbers(path, what)
    begins = _BEGINS.get(ending, ())
    if begins and not start.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n").startswith(begins):
        raise DataError(
            f"{what} file {path.name} cannot be read: it does not begin like {ending}; repair or re-export it"
        )


def _check_virtual(path: Path, what: str) -> None:
    """Refuse a virtual raster whose pixels do not come from plain files that are there."""
    from xml.etree import ElementTree

    text = path.read_bytes()[: _MOST_VRT + 1]
    try:
        parts = list(ElementTree.fromstring(text).iter())
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise DataError(f"{what} file {path.name} is no virtual raster: {error}; export it anew") from error
    if not all(name.isascii() for part in parts for name in (part.tag, *part.attrib)):
        raise DataError(
            f"{what} file {path.name} is no virtual raster: names of its parts hold letters that GDAL does "
            "not take; export it anew"
        )
    plain = all(part.get("subClass") in _PLAIN_VRT for part in parts) and len(text) <= _MOST_VRT
    for part in parts:
        if part.tag in ("SourceFilename", "SourceDataset"):
            source = path.parent / (part.text or "").strip()
            try:
                plain = plain and source.is_file() and not _begins_like_text(source)
            except (OSError, ValueError):
                plain = False
    if not plain:
        raise DataError(
            f"{what} file {path.name} takes its pixels from archives, addresses, programs or files that "
            "are not there; plain rasters beside it are allowed; export it as GeoTIFF"
        )


def _begins_like_text(path: Path) -> bool:
    """Whether a file is a description, of another virtual raster or of a service, rather than pixels."""
    with path.open("rb") as stream:
        return stream.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"<", b"{"))


def _check_numbers(path: Path, what: str) -> None:
    """Refuse an ASCII grid that holds anything but numbers under its head."""
    with path.open("rb") as stream:
        place = 0
        while _GRID_HEAD.match(stream.readline(_BLOCK)):
            place = stream.tell()
        stream.seek(place)
        while block := stream.read(_BLOCK):
            if odd := block.translate(None, _NUMERIC):
                raise DataError(
                    f"{what} file {path.name} holds {_shown(odd[:20].decode('latin-1'))!r} among its values; "
                    "an ASCII grid holds numbers; export it anew"
                )


def driver_of(path: Path) -> str:
    """Name the driver that opens a raster: that of its ending, whatever stands inside.

    An ``.img`` is of ERDAS Imagine, or else of ENVI.
    """
    driver = _DRIVERS[path.suffix.lower()]
    if driver != "HFA":
        return driver
    with path.open("rb") as stream:
        return "HFA" if stream.read(15) == b"EHFA_HEADER_TAG" else "ENVI"


def file_hash(path: Path) -> str:
    """SHA-256 of a file as hexadecimal text; the sidecars that change how it reads are part of it.

    Of a file geodatabase, which is a folder, it is that of its files but the locks of programs.
    """
    check_file(path, "input")
    digest = hashlib.sha256()
    for part in _parts(path):
        name = part.name if path.is_dir() else part.suffix.lower()
        digest.update(f"{name} {part.stat().st_size}\n".encode())
        with part.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def _parts(path: Path) -> list[Path]:
    """List the files that make one input together."""
    if path.is_dir():
        return sorted(one for one in path.iterdir() if one.is_file() and one.suffix.lower() != ".lock")
    endings = _SIDECARS.get(path.suffix.lower(), ())
    beside = [path.with_suffix(one) for ending in endings for one in (ending, ending.upper())]
    return [path, *(one for one in beside if one.is_file())]


def naming(wanted: str, known: list[str]) -> str:
    """Say which names are close to one that is not there, or list the known ones."""
    folded = {name.casefold(): name for name in known}
    wanted = wanted[:_LONGEST]
    close = [folded[hit] for hit in get_close_matches(wanted.casefold(), list(folded), n=3, cutoff=0.6)]
    if close:
        return "close ones are " + ", ".join(repr(name) for name in close)
    shown = ", ".join(repr(_shown(name)) for name in known[:20])
    return f"there are {shown}{', ...' if len(known) > 20 else ''}" if known else "there are none"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name in the same folder; put it in place of ``path`` only when all went well.

    The name is always the same, so that what a killed process left is taken away by the next.

    Raises
    ------
    RunError
        The folder or the disk cannot take the file.
    """
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(temporary)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        said = " ".join(str(error.__cause__ or error).split())  # GDAL's own words are the cause
        raise RunError(f"{path} cannot be written: {said}; make room or choose another --out") from error
    finally:
        _remove(temporary)


def _remove(temporary: Path) -> None:
    """Remove a temporary file and what GDAL and SQLite keep beside one; an old journal would spoil it."""
    for left in temporary.parent.glob(glob.escape(temporary.name) + "*"):
        left.unlink()
