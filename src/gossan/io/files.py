"""Files as such: is it there, of which kind is it, what is its hash, and how a new one is put in place."""

import glob
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from gossan.errors import MissingFileError, RunError, UsageError

__all__ = ["check_file", "file_hash", "file_kind", "naming", "replacing"]

Kind = Literal["text", "workbook", "vector", "raster"]

_KINDS: dict[str, Kind] = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), "text"),
    **dict.fromkeys((".xlsx", ".xlsm"), "workbook"),
    **dict.fromkeys((".gpkg", ".shp", ".geojson", ".json", ".fgb"), "vector"),
    **dict.fromkeys((".tif", ".tiff", ".asc", ".img", ".vrt"), "raster"),
}
_SIDECARS: dict[str, tuple[str, ...]] = {
    ".shp": (".cpg", ".dbf", ".prj", ".shx"),
    ".tif": (".tfw", ".tif.aux.xml", ".tif.msk"),
    ".tiff": (".tfw", ".tiff.aux.xml", ".tiff.msk"),
    ".asc": (".asc.aux.xml", ".prj"),
    ".img": (".ige", ".img.aux.xml"),
}
_BLOCK = 1 << 20


def check_file(path: Path, what: str) -> None:
    """Refuse a file that is not there; ``what`` names its part in the project, such as ``samples``.

    Raises
    ------
    MissingFileError
        There is no such file.
    """
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        raise MissingFileError(f"{what} file {path} {found}; give the path of a file, from [project] data")


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
        raise UsageError(
            f"{what} file {path.name} ends in {path.suffix!r}; allowed are {endings}; convert the file"
        )
    return kind


def file_hash(path: Path) -> str:
    """SHA-256 of a file as hexadecimal text; the sidecars that change how it reads are part of it."""
    check_file(path, "input")
    digest = hashlib.sha256()
    for part in (path, *(path.with_suffix(ending) for ending in _SIDECARS.get(path.suffix.lower(), ()))):
        if part.is_file():
            digest.update(f"{part.suffix.lower()} {part.stat().st_size}\n".encode())
            with part.open("rb") as stream:
                while block := stream.read(_BLOCK):
                    digest.update(block)
    return digest.hexdigest()


def naming(wanted: str, known: list[str]) -> str:
    """Say which names are close to one that is not there, or list the known ones."""
    folded = {name.casefold(): name for name in known}
    close = [folded[hit] for hit in get_close_matches(wanted.casefold(), list(folded), n=3, cutoff=0.6)]
    if close:
        return "close ones are " + ", ".join(repr(name) for name in close)
    shown = ", ".join(repr(name) for name in known[:20])
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
        raise RunError(f"{path} cannot be written: {error}; make room or choose another --out") from error
    finally:
        _remove(temporary)


def _remove(temporary: Path) -> None:
    """Remove a temporary file and what GDAL and SQLite keep beside one; an old journal would spoil it."""
    for left in temporary.parent.glob(glob.escape(temporary.name) + "*"):
        left.unlink()
