"""Every evidence layer of a project, one block of the map at a time (S2, S3).

Nothing here holds a layer whole, so a map may be larger than memory. What a pixel gets does not depend on
the blocks that the map is cut into.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan import evidence
from gossan.config import Project
from gossan.errors import DataWarning, UsageError
from gossan.grid import pixel_index, tiles
from gossan.interpolate import Interpolator, NearestSample
from gossan.mapped import relieve
from gossan.recipe import VALID
from gossan.survey import Layer, Samples, Survey

if TYPE_CHECKING:
    import geopandas as gpd
    from odc.geo.geobox import GeoBox

__all__ = ["BLOCK", "ClassMaker", "Maker", "class_at", "class_maker", "ground_maker", "layer_makers"]

#: Side of the blocks that layers are made in, and of the cells that GDAL is asked for, pixels.
BLOCK = _CELL = 512
#: An additional class raster gives at most this many channels, its most frequent classes.
MOST_CLASSES = 20

#: Gives (rows, cols) of a map.
Numbers = Callable[[slice, slice], NDArray[np.float32]]
Flags = Callable[[slice, slice], NDArray[np.bool_]]


@dataclass(frozen=True)
class Maker:
    """Layers that are made together: their units by name, and what gives float32 (layer, rows, cols)."""

    units: Mapping[str, str]
    block: Numbers


@dataclass(frozen=True)
class ClassMaker:
    """The geology: the names of its classes, and what gives int16 (rows, cols), -1 = none."""

    names: tuple[str, ...]
    block: Callable[[slice, slice], NDArray[np.int16]]


def layer_makers(survey: Survey, samples: Samples, project: Project) -> list[Maker]:
    """List what makes the number layers, in the order of the Stack's channels.

    Raises
    ------
    UsageError
        If two layers have one name.
    """
    makers = [_elements(survey, samples, project), *_faults(survey, project)]
    for layer in survey.rasters:
        makers.append(_raster(layer, survey.grid))
    names = [name for maker in makers for name in maker.units]
    for place, name in enumerate(names):
        if name in names[:place] or name in (VALID, "classes", "geology"):
            raise UsageError(f"two layers are called {name!r}; names are unique: set the raster's name")
    return makers


def _elements(survey: Survey, samples: Samples, project: Project) -> Maker:
    how = project.interpolate
    maps = Interpolator(
        samples.coordinates,
        samples.values,
        survey.grid,
        power=how.power,
        neighbours=None if how.neighbours == "all" else how.neighbours,
        radius=how.radius,
        error=how.error,
    )
    return Maker({str(name): samples.units[name] for name in samples.values.columns}, maps.block)


def _faults(survey: Survey, project: Project) -> Iterator[Maker]:
    if survey.faults is None or project.faults is None:
        return
    grid, faults, radius = survey.grid, survey.faults, project.faults.density_radius
    if isinstance(faults, Layer):
        yield Maker({"faults": faults.unit}, _one(_resampled(faults, grid)))
        return
    yield Maker({"fault distance": "m"}, _one(evidence.FaultDistance(faults, grid).block))
    if radius is not None:
        yield Maker({"fault density": "m/km2"}, _one(evidence.FaultDensity(faults, grid, radius).block))


def _one(block: Numbers) -> Numbers:
    """Give a single layer as one of several."""
    return lambda rows, cols: block(rows, cols)[None]


def _raster(layer: Layer, grid: "GeoBox") -> Maker:
    values = _resampled(layer, grid)
    if layer.kind == "number":
        return Maker({layer.name: layer.unit}, _one(values))
    numbers, counts = _counted(values, grid)
    if len(numbers) > MOST_CLASSES:
        lost = np.sort(counts)[:-MOST_CLASSES].sum() / counts.sum()
        warnings.warn(
            f"raster {layer.name!r} has {len(numbers)} classes; the {MOST_CLASSES} most frequent become "
            f"channels, the others ({lost:.1%} of its pixels) none",
            DataWarning,
            stacklevel=2,
        )
    chosen = np.sort(numbers[np.argsort(-counts, kind="stable")[:MOST_CLASSES]])

    def block(rows: slice, cols: slice) -> NDArray[np.float32]:
        here = values(rows, cols)
        member = np.where(np.isfinite(here), here == chosen[:, None, None], np.nan)
        return member.astype(np.float32)

    return Maker({f"{layer.name}: {number:g}": "share" for number in chosen}, block)


def _resampled(layer: Layer, grid: "GeoBox") -> Numbers:
    if layer.grid == grid:
        return lambda rows, cols: np.array(layer.values[rows, cols], dtype=np.float32)
    return _in_cells(
        lambda rows, cols: evidence.resample(
            layer.values, layer.grid, grid[rows, cols], layer.kind, whole=grid
        ),
        grid,
    )


def _in_cells(make: Callable[[slice, slice], NDArray[Any]], grid: "GeoBox") -> Callable[[slice, slice], Any]:
    """Put blocks together from cells that have a fixed place on the grid.

    GDAL counts from the corner of what it is asked for, so its last bits depend on where that is.
    """
    high, wide = grid.shape

    def block(rows: slice, cols: slice) -> NDArray[Any]:
        tops, lefts = (range(part.start // _CELL, -(-part.stop // _CELL)) for part in (rows, cols))
        cells = [
            [
                make(
                    slice(top * _CELL, min(high, (top + 1) * _CELL)),
                    slice(left * _CELL, min(wide, (left + 1) * _CELL)),
                )
                for left in lefts
            ]
            for top in tops
        ]
        found = np.block(cells)
        top, left = rows.start - tops[0] * _CELL, cols.start - lefts[0] * _CELL
        return found[top : top + rows.stop - rows.start, left : left + cols.stop - cols.start]

    return block


def _counted(values: Numbers, grid: "GeoBox") -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the different values of a layer, rising, and how many pixels have each."""
    numbers, counts = np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int64)
    for rows, cols in tiles(grid.shape, BLOCK):
        here = values(rows, cols)
        more, many = np.unique(here[np.isfinite(here)], return_counts=True)
        numbers, place = np.unique(np.concatenate([numbers, more]), return_inverse=True)
        counts = np.bincount(place.ravel(), np.concatenate([counts, many]), minlength=len(numbers)).astype(
            np.int64
        )
        relieve()
    return numbers, counts


# ---- classes and ground


def class_maker(survey: Survey) -> ClassMaker | None:
    """Return what makes the geology's classes; numbers follow the sorted names, whatever the file's order."""
    geology, grid = survey.geology, survey.grid
    if geology is None:
        return None
    if not isinstance(geology, Layer):
        names = sorted(set(geology["unit"]))
        codes = geology["unit"].map({name: code for code, name in enumerate(names)}).to_numpy()
        return ClassMaker(tuple(names), _burnt(geology, codes, grid))
    values = _resampled(geology, grid)
    numbers, _ = _counted(values, grid)

    def block(rows: slice, cols: slice) -> NDArray[np.int16]:
        here = values(rows, cols)
        return np.where(np.isfinite(here), np.searchsorted(numbers, here), -1).astype(np.int16)

    return ClassMaker(tuple(f"{number:g}" for number in numbers), block)


def _burnt(
    shapes: "gpd.GeoDataFrame", codes: NDArray[Any], grid: "GeoBox"
) -> Callable[[slice, slice], NDArray[np.int16]]:
    """Give the codes of polygons; a block looks only at those that reach it."""
    evidence.class_map(shapes.geometry, codes, grid[:1, :1])  # refuses what is wrong with any of them

    def block(rows: slice, cols: slice) -> NDArray[np.int16]:
        part = grid[rows, cols]
        near = np.sort(shapes.sindex.query(part.boundingbox.polygon.geom))
        if not len(near):
            return np.full(part.shape, -1, dtype=np.int16)
        return evidence.class_map(shapes.geometry.iloc[near], codes[near], part)

    return _in_cells(block, grid)


def class_at(survey: Survey, coordinates: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of the rock unit at points (n, 2), -1 where there is none; (n,)."""
    unit = np.full(len(coordinates), -1, dtype=np.int64)
    maker = class_maker(survey)
    row, col, inside = pixel_index(survey.grid, coordinates)
    if maker is None:
        return unit
    for rows, cols in tiles(survey.grid.shape, BLOCK):
        here = inside & (row >= rows.start) & (row < rows.stop) & (col >= cols.start) & (col < cols.stop)
        if here.any():
            unit[here] = maker.block(rows, cols)[row[here] - rows.start, col[here] - cols.start]
    return unit


def ground_maker(survey: Survey, project: Project) -> Flags:
    """Return what marks the pixels inside the area that are not too far from any sample, (rows, cols)."""
    grid, area, most = survey.grid, survey.area, project.interpolate.max_gap
    nearest = None if most is None else NearestSample(survey.samples.coordinates, grid)
    inside = None if area is None else _burnt(area, np.zeros(len(area), dtype=np.int64), grid)

    def block(rows: slice, cols: slice) -> NDArray[np.bool_]:
        part = grid[rows, cols]
        mask = np.ones(tuple(part.shape), dtype=bool)
        if inside is not None:
            mask &= inside(rows, cols) >= 0
        if nearest is not None and most is not None:
            mask &= nearest.block(rows, cols) <= most
        return mask

    return block
