"""Vector files: polygons of geology and area, lines of faults, and the opening of any of them."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.errors import DataError, DataWarning, UsageError
from gossan.io.crs import choose_crs, parse_crs, same_crs, transformer
from gossan.io.exchange import check_exchange, filled, open_options, refuse_unplaced, tidied
from gossan.io.files import check_content, file_kind, naming
from gossan.io.places import refuse_misplaced
from gossan.io.rasters import read_raster
from gossan.survey import FaultSource, GeologySource, Layer, RasterSource

if TYPE_CHECKING:
    import geopandas as gpd

__all__ = [
    "find_column",
    "keep_polygons",
    "kinds_of",
    "open_vector",
    "plain_text",
    "read_area",
    "read_faults",
    "read_geology",
    "to_project",
]

_POLYGON, _LINE, _RING, _COLLECTION = 3, 1, 2, 7  # shapely's type numbers
#: Pieces of a quarter circle of a buffer: its area is then right to 0.2 %.
_ROUND = 16


def read_geology(
    path: Path, source: GeologySource, crs: Any
) -> tuple["gpd.GeoDataFrame | Layer", dict[str, Any]]:
    """Read the geology: polygons with an attribute, or a class raster.

    Invalid rings are repaired and counted, parts that are no polygons dropped and counted; a missing
    attribute becomes ``unknown``.

    Returns
    -------
    GeoDataFrame with the text column ``unit`` in the project's CRS, or a Layer of kind ``class`` on its
    own grid; and the counts.

    Raises
    ------
    UsageError
        The attribute is missing, or not given while several could be meant.
    DataError
        There is no polygon.
    """
    if file_kind(path, "geology", ("vector", "raster")) == "raster":
        raster = RasterSource(path=source.path, name="geology", kind="class", crs=source.crs)
        return read_raster(path, raster, crs, what="geology")
    frame, counts = open_vector(path, "geology", source.layer)
    refuse_unplaced(frame, source.crs, path, "geology")
    frame, told = to_project(frame, source.crs, crs, "geology")
    column = _attribute(frame, source.attribute)
    frame = frame[[column, "geometry"]].rename(columns={column: "unit"})
    frame, dropped = keep_polygons(frame, "geology", path)
    named = frame["unit"].map(plain_text)
    frame["unit"] = named.where(named != "", "unknown").astype(object)
    counts |= told | dropped | {"attribute": column, "without_attribute": int((named == "").sum())}
    return frame, counts | {"units": int(frame["unit"].nunique())}


def read_faults(
    path: Path, source: FaultSource, crs: Any
) -> tuple["gpd.GeoDataFrame | Layer", dict[str, Any]]:
    """Read the faults: lines (each part of a multi-line a row), or a ready raster.

    Returns
    -------
    GeoDataFrame of lines in the project's CRS with no other column, or a Layer; and the counts.

    Raises
    ------
    DataError
        There is no line with a length.
    """
    if file_kind(path, "faults", ("vector", "raster")) == "raster":
        raster = RasterSource(path=source.path, name="faults", crs=source.crs)
        return read_raster(path, raster, crs, what="faults")
    import geopandas as gpd
    import shapely

    frame, counts = open_vector(path, "faults", source.layer)
    refuse_unplaced(frame, source.crs, path, "faults")
    frame, told = to_project(frame, source.crs, crs, "faults")
    parts, origin = shapely.get_parts(_collections_to_parts(frame.geometry), return_index=True)
    line = np.isin(shapely.get_type_id(parts), (_LINE, _RING))
    placed = line & _finite(parts)
    whole = placed.copy()
    whole[placed] = shapely.length(parts[placed]) > 0
    dropped = {
        "rows without geometry": len(frame) - len(np.unique(origin)),
        "parts that are no lines": int((~line).sum()),
        "lines without length": int((placed & ~whole).sum()),
        "outside the CRS": int((line & ~placed).sum()),
    }
    if not whole.any():
        raise DataError(
            f"faults file {path.name} holds no line; lines or a raster are allowed; {kinds_of(frame)}"
        )
    lines = gpd.GeoDataFrame(geometry=_as_lines(parts[whole]), crs=frame.crs)
    _warn_dropped("faults", dropped)
    counts |= told | {"kept": len(lines), "dropped": dropped, "length_m": float(lines.length.sum())}
    return lines, counts


def read_area(
    path: Path, crs: Any, *, layer: str | None = None, source_crs: str | None = None
) -> tuple["gpd.GeoDataFrame", dict[str, Any]]:
    """Read the polygons of the study area.

    Returns
    -------
    GeoDataFrame of polygons in the project's CRS with no other column, and the counts.

    Raises
    ------
    DataError
        There is no polygon.
    """
    file_kind(path, "area", ("vector",))
    frame, counts = open_vector(path, "area", layer)
    refuse_unplaced(frame, source_crs, path, "area")
    frame, told = to_project(frame, source_crs, crs, "area")
    frame, dropped = keep_polygons(frame[["geometry"]], "area", path)
    return frame, counts | told | dropped | {"area_km2": float(frame.area.sum() / 1e6)}


def open_vector(path: Path, what: str, layer: str | None) -> tuple["gpd.GeoDataFrame", dict[str, Any]]:
    """Read one layer as it is, in two dimensions.

    Returns
    -------
    The layer, with the geometry column ``geometry``; counts with ``rows`` and ``layer``.

    Raises
    ------
    UsageError
        The layer is missing, or not given where there are several.
    DataError
        The file cannot be read or has no spatial layer.
    """
    import geopandas as gpd
    import pyogrio
    import pyproj
    import shapely

    check_content(path, what)
    check_exchange(path, what)
    try:
        name = _layer_name(path, what, layer)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            frame, closed = _read_layer(path, name, open_options(path, what))
    except (
        pyogrio.errors.DataSourceError,
        pyogrio.errors.DataLayerError,
        pyogrio.errors.FeatureError,
        pyogrio.errors.GeometryError,
        pyogrio.errors.FieldError,
        shapely.errors.ShapelyError,
        UnicodeError,
    ) as error:
        raise DataError(
            f"{what} file {path.name} cannot be read: {_one_line(error)}; repair or re-export it"
        ) from error
    except (UnboundLocalError, pyproj.exceptions.CRSError) as error:
        # the first is what pyogrio raises on a CRS that PROJ cannot write, the other what geopandas does
        raise DataError(
            f"{what} file {path.name} has a CRS that cannot be read; repair it (of a Shapefile: its .prj) "
            "or export the file anew"
        ) from error
    said = sorted({_one_line(one.message) for one in heard})
    if said:
        warnings.warn(f"{what} file {path.name}: {'; '.join(said)}", DataWarning, stacklevel=3)
    if not isinstance(frame, gpd.GeoDataFrame):
        raise DataError(f"{what} file {path.name} has no geometry; give a layer with one")
    if frame.geometry.name != "geometry":
        frame = frame.rename_geometry("geometry")
    frame["geometry"] = shapely.force_2d(frame.geometry.to_numpy())
    frame, told = tidied(frame, path, what)
    return frame, {"rows": len(frame), "layer": name, **closed, **told}


def _read_layer(path: Path, name: str, options: dict[str, str]) -> tuple[Any, dict[str, int]]:
    """Read a layer; where a ring is left open or no geometry can be made, close or leave out only that."""
    import pyogrio
    import shapely

    try:
        return pyogrio.read_dataframe(path, layer=name, **options), {}
    except shapely.errors.ShapelyError:
        frame = pyogrio.read_dataframe(path, layer=name, on_invalid="fix", **options)
        whole = pyogrio.read_dataframe(path, layer=name, on_invalid="ignore", **options)
        closed = whole.geometry.isna() & frame.geometry.notna()
        if closed.any():
            warnings.warn(f"closed {int(closed.sum())} open rings", DataWarning, stacklevel=2)
        return frame, {"closed": int(closed.sum())}


def find_column(wanted: str, columns: list[str], setting: str) -> str:
    """Find a column by its name, whatever its case where that is not ambiguous.

    Raises
    ------
    UsageError
        There is none; ``setting`` says where the name was given.
    """
    same = [name for name in columns if name.casefold() == wanted.casefold()]
    if wanted in columns or len(same) == 1:
        return wanted if wanted in columns else same[0]
    raise UsageError(
        f"{setting} = {wanted!r} is no column of the file; {naming(wanted, columns)}; correct it"
    )


def _layer_name(path: Path, what: str, layer: str | None) -> str:
    import pyogrio

    listed = pyogrio.list_layers(path)
    names = [str(name) for name, _ in listed]
    spatial = [str(name) for name, geometry in listed if geometry is not None]
    if layer is not None:
        if layer not in names:
            raise UsageError(
                f"{what} file {path.name} has no layer {layer!r}; {naming(layer, names)}; correct it"
            )
        return layer
    if not spatial:
        raise DataError(
            f"{what} file {path.name} has no spatial layer; {naming('', names)}; give another file"
        )
    spatial = filled(path, spatial)
    if len(spatial) > 1:
        raise UsageError(
            f"{what} file {path.name} has {len(spatial)} layers ({', '.join(spatial)}); one is read; "
            f"name it as [{what}] layer"
        )
    return spatial[0]


def to_project(
    frame: "gpd.GeoDataFrame", given: str | None, project: Any, what: str
) -> tuple["gpd.GeoDataFrame", dict[str, str]]:
    """Bring a layer into the project's CRS; the counts say which CRS it had, and who says so."""
    source, told = choose_crs(frame.crs, given, project, what)
    target = parse_crs(project, "[project] crs")
    refuse_misplaced(
        _corners(frame), (source, target), what, "", assumed=told["crs_from"].startswith("assumed")
    )
    if not same_crs(source, target):
        transformer(source, target)  # refuses where there is no way
    frame = frame.set_crs(source, allow_override=True)
    return (
        frame.set_crs(target, allow_override=True) if same_crs(source, target) else frame.to_crs(target)
    ), told


def _corners(frame: "gpd.GeoDataFrame") -> NDArray[np.float64]:
    """Two corners of every geometry that has a place."""
    import shapely

    bounds = shapely.bounds(frame.geometry.to_numpy())
    bounds = bounds[np.isfinite(bounds).all(axis=1)]
    return np.concatenate([bounds[:, :2], bounds[:, 2:]])


def _attribute(frame: "gpd.GeoDataFrame", given: str | None) -> str:
    from pandas.api.types import is_numeric_dtype

    columns = [str(name) for name in frame.columns if name != "geometry"]
    if given is not None:
        return find_column(given, columns, "[geology] attribute")
    if not columns:
        raise DataError(
            "geology has polygons without attributes; one that names the rock unit is needed; a Shapefile "
            "has them in its .dbf: copy that too"
        )
    text = [name for name in columns if not is_numeric_dtype(frame[name].dtype)]
    if len(text) != 1:
        raise UsageError(
            f"[geology] attribute is not given and {len(text)} text attributes could be meant; "
            f"there are {', '.join(text or columns) or 'none'}; name one"
        )
    return text[0]


def plain_text(value: Any) -> str:
    """Write an attribute as text, empty where it is missing."""
    import pandas as pd

    if pd.isna(value):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value).strip()


def keep_polygons(
    frame: "gpd.GeoDataFrame", what: str, path: Path, *, buffer: float = 0.0
) -> tuple["gpd.GeoDataFrame", dict[str, Any]]:
    """Repair rings; keep the polygons of each row, and the rows that have any.

    Parameters
    ----------
    buffer
        Metres that every shape, lines and points too, is widened by once it is repaired.
    """
    import shapely

    geometry = frame.geometry.to_numpy().copy()
    present = ~(shapely.is_missing(geometry) | shapely.is_empty(geometry))
    present[present] = _finite(geometry[present])
    geometry[~present] = None
    broken = present & ~shapely.is_valid(geometry)
    geometry[broken] = _repaired(geometry[broken])
    hopeless = present & shapely.is_missing(geometry)
    present &= ~hopeless
    broken &= ~hopeless
    if buffer:
        geometry[present] = shapely.buffer(geometry[present], buffer, quad_segs=_ROUND)
    parts, origin = shapely.get_parts(_collections_to_parts(geometry), return_index=True)
    flat = (shapely.get_type_id(parts) == _POLYGON) & (shapely.area(parts) > 0)
    kept = np.unique(origin[flat])
    if not len(kept):
        raise DataError(f"{what} file {path.name} holds no polygon; polygons are allowed; {kinds_of(frame)}")
    mixed = np.union1d(origin[~flat], np.flatnonzero(shapely.get_type_id(geometry) == _COLLECTION))
    for row in np.intersect1d(mixed, kept):
        geometry[row] = shapely.union_all(parts[(origin == row) & flat])  # they may overlap
    dropped = {
        "rows without geometry": int((~present).sum()),
        "rows without a polygon": int(present.sum()) - len(kept),
        "parts that are no polygons": int((~flat).sum()),
    }
    _warn_dropped(what, dropped)
    if broken.any():
        warnings.warn(f"{what}: repaired {int(broken.sum())} invalid polygons", DataWarning, stacklevel=3)
    frame = frame.set_geometry(geometry, crs=frame.crs).iloc[kept].reset_index(drop=True)
    return frame, {"kept": len(kept), "repaired": int(broken.sum()), "dropped": dropped}


def _repaired(geometry: NDArray[np.object_]) -> NDArray[np.object_]:
    """Make polygons valid; None where GEOS cannot."""
    import shapely

    try:
        return np.asarray(shapely.make_valid(geometry), dtype=object)
    except shapely.errors.GEOSException:
        return np.array([_repaired_one(one) for one in geometry], dtype=object)


def _repaired_one(geometry: Any) -> Any:
    import shapely

    try:
        return shapely.make_valid(geometry)
    except shapely.errors.GEOSException:
        pass
    try:
        return shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    except shapely.errors.GEOSException:
        return None


def _collections_to_parts(geometry: Any) -> NDArray[np.object_]:
    """Flatten what is nested in geometry collections by one level, so that parts are simple."""
    import shapely

    flat: NDArray[np.object_] = np.array(geometry, dtype=object)
    for place in np.flatnonzero(shapely.get_type_id(flat) == _COLLECTION):
        parts = shapely.get_parts(shapely.get_parts(flat[place]))
        flat[place] = shapely.geometrycollections(parts)
    return flat


def _as_lines(parts: NDArray[np.object_]) -> NDArray[np.object_]:
    import shapely

    ring = shapely.get_type_id(parts) == _RING
    parts[ring] = [shapely.LineString(one.coords) for one in parts[ring]]
    return parts


def _finite(geometry: NDArray[np.object_]) -> NDArray[np.bool_]:
    import shapely

    return np.asarray(np.isfinite(shapely.bounds(geometry)).all(axis=1), dtype=bool)


def kinds_of(frame: "gpd.GeoDataFrame") -> str:
    """Say of what kind the shapes of a layer are, for a message."""
    kinds = frame.geometry.geom_type.value_counts(dropna=False)
    return "it has " + (
        ", ".join(f"{n} {kind or 'without geometry'}" for kind, n in kinds.items()) or "no rows"
    )


def _warn_dropped(what: str, dropped: dict[str, int]) -> None:
    told = [f"{n} {why}" for why, n in dropped.items() if n]
    if told:
        warnings.warn(f"{what}: dropped {', '.join(told)}", DataWarning, stacklevel=4)


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
