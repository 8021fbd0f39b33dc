"""Ground that is closed, and ground that somebody holds: parks, towns, water, and tenure."""

import difflib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gossan.errors import DataError, DataWarning, UsageError
from gossan.io.exchange import refuse_unplaced
from gossan.io.files import file_kind
from gossan.io.vectors import find_column, keep_polygons, kinds_of, open_vector, plain_text, to_project
from gossan.survey import ExcludeSource, TenureSource

if TYPE_CHECKING:
    import geopandas as gpd

__all__ = ["read_exclude", "read_tenure"]

_WITH_AREA = ("Polygon", "MultiPolygon", "GeometryCollection")
#: A holder so like the name of a column is more likely a column that was misspelt.
_ALIKE = 0.75


def read_exclude(path: Path, source: ExcludeSource, crs: Any) -> tuple["gpd.GeoDataFrame", dict[str, Any]]:
    """Read shapes on which, and around which, nothing is proposed.

    Returns
    -------
    GeoDataFrame of polygons in the project's CRS, buffer included, with the text column ``source`` (name of
    the file); and the counts. A file without any shape is warned of and gives no row.

    Raises
    ------
    DataError
        There are shapes and none of them is a polygon, or can be made one by a buffer.
    """
    frame, counts = _opened(path, "exclude", source)
    if frame is None:
        return _nothing(crs, "source"), counts
    frame, told = to_project(frame, source.crs, crs, "exclude")
    if not source.buffer and not frame.geometry.geom_type.isin(_WITH_AREA).any():
        raise DataError(
            f"exclude file {path.name} holds no polygon; {kinds_of(frame)}; polygons are allowed, and lines "
            "and points with a buffer: set exclude.N.buffer to metres"
        )
    frame, dropped = keep_polygons(frame[["geometry"]], "exclude", path, buffer=source.buffer)
    frame.insert(0, "source", path.stem)
    return frame, counts | told | dropped | {"buffer_m": float(source.buffer)}


def read_tenure(path: Path, source: TenureSource, crs: Any) -> tuple["gpd.GeoDataFrame", dict[str, Any]]:
    """Read who holds which ground.

    ``source.holder`` is the column that names the holders where the file has a column of that name, whatever
    its case, and else itself the name of the one holder. Ground without a name is held by ``unknown``.

    Returns
    -------
    GeoDataFrame of polygons in the project's CRS with the text columns ``source`` (name of the file) and
    ``holder``; and the counts. A file without any shape is warned of and gives no row.

    Raises
    ------
    DataError
        There are shapes and none of them is a polygon.
    """
    frame, counts = _opened(path, "tenure", source)
    if frame is None:
        return _nothing(crs, "source", "holder"), counts
    frame, told = to_project(frame, source.crs, crs, "tenure")
    column = _holder_column(frame, source.holder, path)
    kept = ["geometry"] if column is None else [column, "geometry"]
    frame, dropped = keep_polygons(frame[kept], "tenure", path)
    names = [source.holder or ""] * len(frame) if column is None else [plain_text(v) for v in frame[column]]
    frame = frame[["geometry"]]
    frame.insert(0, "source", path.stem)
    frame.insert(1, "holder", [name or "unknown" for name in names])
    return frame, counts | told | dropped | {
        "holder_from": "the project" if column is None else f"column {column}",
        "holders": int(frame["holder"].nunique()),
        "without_holder": sum(not name for name in names),
    }


def _opened(
    path: Path, what: str, source: ExcludeSource | TenureSource
) -> tuple["gpd.GeoDataFrame | None", dict[str, Any]]:
    """Open a layer; None where it holds no shape at all."""
    file_kind(path, what, ("vector",))
    frame, counts = open_vector(path, what, source.layer)
    if (frame.geometry.isna() | frame.geometry.is_empty).all():
        warnings.warn(
            f"{what} file {path.name} holds no shape, so it changes nothing; check it or leave it out",
            DataWarning,
            stacklevel=3,
        )
        return None, counts | {"kept": 0}
    refuse_unplaced(frame, source.crs, path, what)
    return frame, counts


def _nothing(crs: Any, *columns: str) -> "gpd.GeoDataFrame":
    import geopandas as gpd
    import pandas as pd

    empty = {name: pd.Series([], dtype=object) for name in columns}
    return gpd.GeoDataFrame(empty, geometry=[], crs=crs)


def _holder_column(frame: "gpd.GeoDataFrame", holder: str | None, path: Path) -> str | None:
    """Return the column that names the holders; None where ``holder`` is itself the name."""
    if holder is None:
        return None
    columns = [str(name) for name in frame.columns if name != "geometry"]
    try:
        return find_column(holder, columns, "[tenure] holder")
    except UsageError:
        near = difflib.get_close_matches(holder.casefold(), [name.casefold() for name in columns], 1, _ALIKE)
    if near:
        warnings.warn(
            f"tenure.holder = {holder!r} is no column of {path.name}, so it is taken for the holder's name; "
            f"was the column {next(n for n in columns if n.casefold() == near[0])!r} meant?",
            DataWarning,
            stacklevel=3,
        )
    return None
