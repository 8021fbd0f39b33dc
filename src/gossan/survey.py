"""What a project is made of once read and checked, and the label-free Stack made from it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from gossan.errors import UsageError
from gossan.hooks import MakeArray, in_memory
from gossan.shown import Shown, extent

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import xarray as xr
    from odc.geo.geobox import GeoBox

__all__ = [
    "DepositSource",
    "Deposits",
    "ExcludeSource",
    "FaultSource",
    "GeologySource",
    "Layer",
    "RasterSource",
    "SampleSource",
    "Samples",
    "Survey",
    "TenureSource",
    "by_pixel",
    "find_camps",
    "join_stack",
    "make_stack",
    "sample_spacing",
]

#: Rows that layers are put together in: few enough to stay in a processor's cache.
_STRIP = 16

# ---- settings: [samples], [deposits], [geology], [faults], [[rasters]], [[exclude]], [[tenure]]


@dataclass(frozen=True)
class SampleSource:
    """``[samples]``: where the analyses are and how they are read.

    Attributes
    ----------
    path
        CSV, XLSX, GeoPackage, Shapefile or GeoJSON, from the project's data folder.
    x, y
        Columns of easting and northing, or parts to join (``"lat_deg + lat_min"``); None: names or geometry.
    elements
        Columns or symbols to use; None: all that are recognised.
    censored
        What stands for a value below the detection limit: half of it, it over the root of 2, it, or nothing.
    transform
        Of all values, before anything is computed from them: log10, log-ratios to the sample's centre (clr),
        balances of each element against those before it (ilr; samples that lack one are missing), or none.
    level_by
        Step that is taken out: between survey years, between rock units, or none.
    survey
        Column that names the survey or its year, for ``level_by = "survey"``; None: found by name.
    level_method
        Between surveys: by the ratio of medians, which keeps contrast, or by ranks onto the largest survey.
    sheet
        Of a workbook; None: the first.
    crs
        Of the coordinates; None: the file's own, else the project's.
    where
        Condition on the columns that rows must meet, such as ``"medium = 'soil'"``; None: all rows.
    """

    path: str
    x: str | None = None
    y: str | None = None
    elements: tuple[str, ...] | None = None
    censored: Literal["half", "sqrt2", "limit", "drop"] = "half"
    transform: Literal["log10", "clr", "ilr", "none"] = "log10"
    level_by: Literal["none", "survey", "geology"] = "none"
    survey: str | None = None
    level_method: Literal["median", "quantile"] = "median"
    sheet: str | None = None
    crs: str | None = None
    where: str | None = None


@dataclass(frozen=True)
class DepositSource:
    """``[deposits]``: the known deposits; labels only, never a channel.

    Attributes
    ----------
    path
        A table or points, as for samples.
    x, y
        Columns of easting and northing, or parts to join (``"lat_deg + lat_min"``); None: names or geometry.
    where
        Condition on the columns that rows must meet, such as ``"commodity == 'Cu'"``; None: all rows.
    camp
        Column with the name of the camp; None: camps are found by distance.
    sheet
        Of a workbook; None: the first.
    crs
        Of the coordinates; None: the file's own, else the project's.
    """

    path: str
    x: str | None = None
    y: str | None = None
    where: str | None = None
    camp: str | None = None
    sheet: str | None = None
    crs: str | None = None


@dataclass(frozen=True)
class GeologySource:
    """``[geology]``: polygons with an attribute, or a class raster.

    Attributes
    ----------
    path
        Polygons or a raster of integers.
    attribute
        Column of the polygons that names the rock unit; None: the only text column.
    encoding
        One channel a class, or one channel of class numbers (the paper).
    layer
        Of a file with several; None: the first.
    crs
        Of the file; None: its own.
    """

    path: str
    attribute: str | None = None
    encoding: Literal["onehot", "ordinal"] = "onehot"
    layer: str | None = None
    crs: str | None = None


@dataclass(frozen=True)
class FaultSource:
    """``[faults]``: lines, or a ready raster.

    Attributes
    ----------
    path
        Lines, of which distance and density are made, or a raster of either.
    layer
        Of a file with several; None: the first.
    crs
        Of the file; None: its own.
    density_radius
        Of the disc in which the length of faults is measured, metres, > 0; None: no density channel.
    """

    path: str
    layer: str | None = None
    crs: str | None = None
    density_radius: float | None = None


@dataclass(frozen=True)
class RasterSource:
    """One of ``[[rasters]]``: a further evidence layer.

    Attributes
    ----------
    path
        Any raster that GDAL reads.
    band
        From 1.
    name
        Of the channel; None: that of the file.
    kind
        Numbers are averaged or interpolated onto the grid; of classes the nearest pixel counts.
    crs
        Of the file; None: its own.
    """

    path: str
    band: int = 1
    name: str | None = None
    kind: Literal["number", "class"] = "number"
    crs: str | None = None


@dataclass(frozen=True)
class ExcludeSource:
    """One of ``[[exclude]]``: ground where nothing is proposed, such as parks, towns and water.

    Attributes
    ----------
    path
        Polygons; with a buffer also lines and points.
    buffer
        Ground around the shapes that is excluded too, metres, >= 0.
    layer
        Needed where the file has several.
    crs
        Of the file; None: its own.
    """

    path: str
    buffer: float = 0.0
    layer: str | None = None
    crs: str | None = None


@dataclass(frozen=True)
class TenureSource:
    """One of ``[[tenure]]``: who holds the ground.

    Attributes
    ----------
    path
        Polygons.
    holder
        Column of the file that names the holders; where it has no such column, the name of the one holder
        of all of it. None: "unknown".
    layer
        Needed where the file has several.
    crs
        Of the file; None: its own.
    """

    path: str
    holder: str | None = None
    layer: str | None = None
    crs: str | None = None


# ---- what was read


@dataclass(frozen=True, repr=False)
class Samples(Shown):
    """Analyses at points, in the project's CRS.

    coordinates: (n, 2) float64 easting, northing in metres; values: n rows, one column an element,
    in ``units[element]``, NaN = missing, not transformed; survey: (n,) its year or name, where the file
    has a column for it, empty = unknown.
    """

    coordinates: NDArray[np.float64]
    values: "pd.DataFrame"
    units: Mapping[str, str]
    survey: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.coordinates)

    def _rows(self) -> Iterator[tuple[str, object]]:
        yield "samples", len(self)
        named = ", ".join(f"{name} ({self.units.get(str(name), '')})" for name in self.values)
        yield "elements", f"{self.values.shape[1]}: {named}"
        yield "values", f"{100 * self.values.notna().to_numpy().mean():.1f} % known" if len(self) else ""
        yield "surveys", len(set(self.survey)) if self.survey else ""
        yield "extent", extent(self.coordinates)


@dataclass(frozen=True, repr=False)
class Deposits(Shown):
    """Known deposits, in the project's CRS.

    coordinates: (n, 2) float64 easting, northing in metres; names: (n,); camp: (n,), where the file has it.
    """

    coordinates: NDArray[np.float64]
    names: tuple[str, ...]
    camp: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.coordinates)

    def _rows(self) -> Iterator[tuple[str, object]]:
        yield "deposits", len(self)
        yield "names", ", ".join(dict.fromkeys(name for name in self.names if name))
        yield "camps", len(set(self.camp)) if self.camp else ""
        yield "extent", extent(self.coordinates)


@dataclass(frozen=True, repr=False)
class Layer(Shown):
    """A further raster on its own grid: array (row, col), NaN = missing; ``kind`` as in RasterSource."""

    name: str
    values: NDArray[np.float32]
    grid: "GeoBox"
    kind: Literal["number", "class"] = "number"
    unit: str = ""

    def _rows(self) -> Iterator[tuple[str, object]]:
        yield "name", self.name
        yield "kind", self.kind
        yield "unit", self.unit
        yield "pixels", f"{self.values.shape[0]} rows, {self.values.shape[1]} columns"


@dataclass(frozen=True, repr=False)
class Survey(Shown):
    """Everything known about an area, in one CRS (projected, metres).

    geology: GeoDataFrame with a text column ``unit`` and polygon geometry, or a Layer of kind ``class``
    whose ``class_names`` are its integers as text; faults: GeoDataFrame of lines, or a Layer;
    area: GeoDataFrame of polygons, or None; counts: what was read, dropped and replaced, by source.
    truth: for a made survey only, what is really there (one row a deposit, hidden ones included).
    excluded: polygons of ``[[exclude]]`` that reach the map, buffers included, with a text column ``source``;
    tenure: those of ``[[tenure]]``, with ``source`` and ``holder``; None where the project names none.
    """

    name: str
    grid: "GeoBox"
    samples: Samples
    deposits: Deposits
    geology: "gpd.GeoDataFrame | Layer | None" = None
    faults: "gpd.GeoDataFrame | Layer | None" = None
    rasters: tuple[Layer, ...] = ()
    area: "gpd.GeoDataFrame | None" = None
    counts: Mapping[str, Any] = field(default_factory=dict)
    truth: "pd.DataFrame | None" = None
    excluded: "gpd.GeoDataFrame | None" = None
    tenure: "gpd.GeoDataFrame | None" = None

    @property
    def crs(self) -> str:
        """The CRS as text, ``EPSG:n`` where it has a number."""
        return str(self.grid.crs)

    def _rows(self) -> Iterator[tuple[str, object]]:
        rows, cols = self.grid.shape
        yield "name", self.name
        yield "grid", f"{rows} rows, {cols} columns of {self.grid.resolution.x:g} m, {self.crs}"
        yield "samples", f"{len(self.samples)}, {self.samples.values.shape[1]} elements"
        yield "deposits", len(self.deposits)
        for name, thing in (("geology", self.geology), ("faults", self.faults)):
            shapes = "raster" if isinstance(thing, Layer) else f"{0 if thing is None else len(thing)} shapes"
            yield name, "none" if thing is None else shapes
        yield "rasters", ", ".join(layer.name for layer in self.rasters)


def sample_spacing(coordinates: NDArray[np.float64]) -> float:
    """Median distance in metres from a distinct position to its nearest neighbour."""
    from scipy.spatial import cKDTree

    distinct = np.unique(coordinates, axis=0)
    if len(distinct) < 2:
        return float("nan")
    distance, _ = cKDTree(distinct).query(distinct, k=2)
    return float(np.median(np.asarray(distance)[:, 1]))


def find_camps(coordinates: NDArray[np.float64], window: float) -> NDArray[np.int64]:
    """Assign deposits to camps by single linkage.

    Two deposits are of one camp when they are closer than max(one window, twice the median
    nearest-neighbour distance of distinct positions).

    Parameters
    ----------
    coordinates
        Easting and northing, (n, 2), metres.
    window
        Side of a window, metres.

    Returns
    -------
    camp ids (n,), from 1, in the order of first appearance.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    n = len(coordinates)
    spacing = sample_spacing(coordinates)
    reach = max(window, 2 * spacing) if np.isfinite(spacing) else window
    pairs = cKDTree(coordinates).query_pairs(np.nextafter(reach, 0), output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, label = connected_components(links, directed=False)
    _, first = np.unique(label, return_index=True)
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first)] = np.arange(1, len(first) + 1)
    return order[label]


def make_stack(
    grid: "GeoBox",
    layers: Mapping[str, NDArray[np.float32]],
    units: Mapping[str, str],
    *,
    classes: NDArray[np.int16] | None = None,
    class_names: Sequence[str] = (),
    mask: NDArray[np.bool_] | None = None,
) -> "xr.Dataset":
    """Put layers on one grid into the Stack.

    Parameters
    ----------
    layers
        name -> (row, col) array, NaN = missing.
    units
        name -> unit after the transform, such as ``log10(ppm)``.
    classes
        (row, col) class numbers, -1 = none; ``class_names[i]`` names class i.
    mask
        (row, col), False outside the area or too far from any sample.

    Returns
    -------
    Dataset with ``layers (channel, y, x)`` float32, ``classes (y, x)`` int16 where given, coordinates
    ``units (channel)`` and ``valid (y, x)``. A pixel is valid where the mask holds and at least one
    layer has a value; everything is NaN (classes: -1) elsewhere.

    Raises
    ------
    UsageError
        Where there is no layer, or an array is not of the grid's shape.
    """
    parts = {**layers, "classes": classes, "mask": mask}
    wrong = [name for name, part in parts.items() if part is not None and np.shape(part) != tuple(grid.shape)]
    if wrong or not layers:
        given = f"another shape of {', '.join(wrong)}" if wrong else "no layer"
        raise UsageError(f"{given} given for a grid of {tuple(grid.shape)}: make all layers on that grid")
    values = by_pixel(in_memory, len(layers), grid.shape)
    valid: NDArray[np.bool_] = np.zeros(tuple(grid.shape), dtype=bool)
    for start in range(0, grid.shape[0], _STRIP):
        rows = slice(start, start + _STRIP)
        for place, layer in enumerate(layers.values()):
            values[place, rows] = layer[rows]
            valid[rows] |= np.isfinite(layer[rows])
    if mask is not None:
        valid &= mask
    if not valid.all():
        values.transpose(1, 2, 0)[~valid] = np.nan
    if classes is not None:
        classes = np.where(valid, classes, -1).astype(np.int16)
    named = {name: units.get(name, "") for name in layers}
    return join_stack(grid, values, valid, named, classes=classes, class_names=class_names)


def by_pixel(make: MakeArray, layers: int, shape: Sequence[int]) -> NDArray[np.float32]:
    """Make an array (layer, row, col) in which all layers of a pixel are neighbours.

    Windows are then read in long pieces, and a part of the map lies in few pages of a file.

    Parameters
    ----------
    make
        Makes arrays, in memory or in files.
    shape
        Rows and columns.
    """
    made: NDArray[np.float32] = make((*shape, layers), np.float32)
    return made.transpose(2, 0, 1)


def join_stack(
    grid: "GeoBox",
    layers: NDArray[np.float32],
    valid: NDArray[np.bool_],
    units: Mapping[str, str],
    *,
    classes: NDArray[np.int16] | None = None,
    class_names: Sequence[str] = (),
) -> "xr.Dataset":
    """Put arrays that are finished, in memory or in files, into the Stack without a copy.

    Parameters
    ----------
    layers
        (channel, row, col), NaN where not valid.
    valid
        (row, col).
    units
        By channel, in order.
    classes
        (row, col), -1 where not valid.

    Returns
    -------
    As `make_stack`.
    """
    import xarray as xr
    from odc.geo.xr import xr_coords

    coords: dict[str, Any] = {str(name): axis for name, axis in xr_coords(grid).items()}
    rows, cols = (name for name in coords if coords[name].ndim == 1)
    coords["channel"] = list(units)
    coords["units"] = ("channel", list(units.values()))
    coords["valid"] = ((rows, cols), valid)
    data: dict[str, Any] = {"layers": (("channel", rows, cols), layers)}
    if classes is not None:
        data["classes"] = ((rows, cols), classes)
    stack = xr.Dataset(data, coords=coords)
    stack.attrs["class_names"] = list(class_names)
    return stack
