"""What a task may return, and how it lies on disk: one JSON tree and plain ``.npy`` files, never a pickle.

Arrays, tables (with geometry or without), stacks and their grids become marked entries of the tree, whose
numbers stand in files of their own; everything else is JSON. Tuples come back as lists.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from odc.geo.geobox import GeoBox

__all__ = ["decode", "encode"]

#: Writes an array and returns the name of its file.
Save = Callable[[NDArray[Any]], str]
#: Reads the array of a file; the flag asks for memory of its own instead of the mapped file.
Load = Callable[[str, bool], NDArray[Any]]

_MARK = "$kind"


def encode(value: Any, save: Save) -> Any:
    """Turn a value into a tree that JSON can hold, its arrays handed to `save`.

    Raises
    ------
    TypeError
        When something in it is none of the kinds that can be kept.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else _marked("float", value=repr(value))
    if isinstance(value, list | tuple):
        return [encode(item, save) for item in value]
    if isinstance(value, np.ndarray):
        return _encode_array(value, save)
    if encoder := _ENCODERS.get(_name_of(value)):  # before mappings, since a stack is one
        return encoder(value, save)
    if isinstance(value, Mapping):
        return _encode_mapping(value, save)
    raise TypeError(f"a {type(value).__name__} cannot be kept; return arrays, tables, stacks or JSON")


def decode(tree: Any, load: Load) -> Any:
    """Give back what `encode` was given."""
    if isinstance(tree, list):
        return [decode(item, load) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if _MARK not in tree:
        return {key: decode(item, load) for key, item in tree.items()}
    return _DECODERS[tree[_MARK]](tree, load)


def _marked(kind: str, **entries: Any) -> dict[str, Any]:
    return {_MARK: kind, **entries}


def _name_of(value: Any) -> str:
    """Name a type without importing its library, which is loaded where such a value exists."""
    return f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"


def _encode_mapping(value: Mapping[Any, Any], save: Save) -> dict[str, Any]:
    odd = [key for key in value if not isinstance(key, str) or key == _MARK]
    if odd:
        raise TypeError(f"the key {odd[0]!r} cannot be kept; keys are text other than {_MARK!r}")
    return {key: encode(item, save) for key, item in value.items()}


def _encode_array(value: NDArray[Any], save: Save) -> dict[str, Any]:
    if value.dtype.hasobject or isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"an array of {value.dtype} or with a mask cannot be kept; use numbers or text")
    return _marked("array", file=save(np.asarray(value)))


# ---- tables


def _encode_frame(frame: "pd.DataFrame", save: Save) -> dict[str, Any]:
    if frame.columns.nlevels > 1 or frame.index.nlevels > 1:
        raise TypeError("a table with several levels of rows or columns cannot be kept; reset_index() first")
    columns = [[encode(name, save), _encode_column(frame[name], save)] for name in frame.columns]
    index = _encode_column(frame.index.to_series(), save)
    geometry = getattr(frame, "_geometry_column_name", None)
    return _marked(
        "frame",
        columns=columns,
        index=None if _is_plain(frame.index) else [encode(frame.index.name, save), index],
        rows=len(frame),
        geometry=geometry,
        attrs=encode(dict(frame.attrs), save),
    )


def _is_plain(index: "pd.Index") -> bool:
    """Tell whether an index only counts the rows."""
    import pandas as pd

    return index.name is None and index.equals(pd.RangeIndex(len(index)))


def _encode_column(column: "pd.Series[Any]", save: Save) -> dict[str, Any]:
    dtype = column.dtype
    if str(dtype) == "geometry":
        return _encode_geometry(column, save)
    if isinstance(dtype, np.dtype) and dtype.kind in "biufcmM":
        return _marked("column", values=save(column.to_numpy()))
    if str(dtype) == "category" or str(dtype).startswith("datetime64["):
        raise TypeError(f"a column of {dtype} cannot be kept; make it text or numbers")
    items = column.astype(object).where(column.notna(), None).tolist()
    return _marked("column", items=encode(items, save), dtype=str(dtype))


def _encode_geometry(column: Any, save: Save) -> dict[str, Any]:
    shapes = [shape or b"" for shape in column.to_wkb()]
    ends = np.cumsum([len(shape) for shape in shapes], dtype=np.int64)
    content = np.frombuffer(b"".join(shapes), dtype=np.uint8)
    crs = None if column.crs is None else column.crs.to_wkt()
    return _marked("geometry", content=save(content), ends=save(ends), crs=crs)


def _decode_column(tree: Mapping[str, Any], load: Load) -> Any:
    import pandas as pd

    if "items" in tree:
        return pd.array(decode(tree["items"], load), dtype=tree["dtype"])
    return load(tree["values"], True)


def _decode_geometry(tree: Mapping[str, Any], load: Load) -> Any:
    import geopandas as gpd

    content = load(tree["content"], True).tobytes()
    ends = load(tree["ends"], True).tolist()
    shapes = [content[start:end] or None for start, end in zip([0, *ends], ends, strict=False)]
    return gpd.array.from_wkb(np.array(shapes, dtype=object), crs=tree["crs"])


def _decode_frame(tree: Mapping[str, Any], load: Load) -> Any:
    import pandas as pd

    columns = [decode(column, load) for _, column in tree["columns"]]
    index: Any = pd.RangeIndex(tree["rows"])
    if tree["index"] is not None:
        index = pd.Index(decode(tree["index"][1], load), name=tree["index"][0])
    frame = pd.DataFrame(dict(enumerate(columns)), index=index)
    frame.columns = pd.Index([name for name, _ in tree["columns"]])
    if tree["geometry"] is not None:
        import geopandas as gpd

        frame = gpd.GeoDataFrame(frame, geometry=tree["geometry"])
    frame.attrs.update(decode(tree["attrs"], load))
    return frame


# ---- stacks


def _encode_geobox(box: "GeoBox", save: Save) -> dict[str, Any]:
    return _marked("geobox", shape=list(box.shape), affine=list(box.affine)[:6], crs=_crs_text(box.crs))


def _crs_text(crs: Any) -> str:
    """Write a CRS by its number where that says all, since a stack's own is the long text."""
    number = crs.epsg
    return f"EPSG:{number}" if number is not None and crs == f"EPSG:{number}" else str(crs)


def _decode_geobox(tree: Mapping[str, Any], load: Load) -> Any:
    from affine import Affine
    from odc.geo.geobox import GeoBox

    return GeoBox(tuple(tree["shape"]), Affine(*tree["affine"]), tree["crs"])


def _encode_dataset(dataset: "xr.Dataset", save: Save) -> dict[str, Any]:
    import odc.geo.xr  # noqa: F401  (gives datasets their grid)

    box = dataset.odc.geobox
    made = set() if box is None else set(_box_coords(box))

    def variables(names: Sequence[Any], source: Any) -> dict[str, Any]:
        return {
            str(name): [
                list(source[name].dims),
                _encode_axes(_no_objects(source[name].values), save),
                dict(source[name].attrs),
            ]
            for name in names
        }

    return _marked(
        "dataset",
        geobox=None if box is None else _encode_geobox(box, save),
        data=variables(list(dataset.data_vars), dataset.data_vars),
        coords=variables([name for name in dataset.coords if name not in made], dataset.coords),
        attrs=encode(dict(dataset.attrs), save),
    )


def _encode_axes(values: NDArray[Any], save: Save) -> dict[str, Any]:
    """Keep an array as it lies in memory, with the order of its axes there."""
    order = sorted(range(values.ndim), key=lambda axis: -abs(values.strides[axis]))
    return _encode_array(values.transpose(order), save) | {"axes": order}


def _no_objects(values: NDArray[Any]) -> NDArray[Any]:
    """Turn an array of text objects into one of fixed width."""
    text = values.dtype.hasobject and all(isinstance(item, str) for item in values.flat)
    return values.astype(str) if text else values


def _box_coords(box: "GeoBox") -> Mapping[Any, Any]:
    from odc.geo.xr import xr_coords

    return xr_coords(box)


def _decode_dataset(tree: Mapping[str, Any], load: Load) -> Any:
    import xarray as xr

    def variables(part: Mapping[str, Any]) -> dict[str, Any]:
        return {name: (dims, decode(array, load), attrs) for name, (dims, array, attrs) in part.items()}

    coords = variables(tree["coords"])
    if tree["geobox"] is not None:
        coords |= dict(_box_coords(_decode_geobox(tree["geobox"], load)))
    return xr.Dataset(variables(tree["data"]), coords=coords, attrs=decode(tree["attrs"], load))


def _decode_array(tree: Mapping[str, Any], load: Load) -> NDArray[Any]:
    values = load(tree["file"], False)
    return values.transpose(np.argsort(tree["axes"])) if "axes" in tree else values


_ENCODERS: Mapping[str, Callable[[Any, Save], dict[str, Any]]] = {
    "pandas.DataFrame": _encode_frame,
    "geopandas.GeoDataFrame": _encode_frame,
    "xarray.Dataset": _encode_dataset,
    "odc.GeoBox": _encode_geobox,
}

_DECODERS: Mapping[str, Callable[[Mapping[str, Any], Load], Any]] = {
    "float": lambda tree, load: float(tree["value"]),
    "array": _decode_array,
    "frame": _decode_frame,
    "column": _decode_column,
    "geometry": _decode_geometry,
    "geobox": _decode_geobox,
    "dataset": _decode_dataset,
}
