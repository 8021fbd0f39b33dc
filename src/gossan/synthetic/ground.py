"""The ground itself: relief, streams, strata, faults, roads, on cells of about 100 m."""

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gossan.evidence import class_map, fault_distance
from gossan.grid import make_grid, pixel_index, region_of
from gossan.synthetic.geology import draw_faults, draw_units, fault_lines, outline_units
from gossan.synthetic.knobs import Twin
from gossan.synthetic.terrain import Drainage, draw_relief, draw_roads, route

if TYPE_CHECKING:
    import geopandas as gpd
    from odc.geo.geobox import GeoBox

__all__ = ["Ground", "Stage", "make_ground", "stream_of"]


class Stage(IntEnum):
    """Random streams; each part has its own, so that a knob of one leaves the others alone."""

    RELIEF = 0
    STRATA = 1
    FAULTS = 2
    ROADS = 3
    CAMPS = 4
    DEPOSITS = 5
    DECOYS = 6
    HALOES = 7
    BACKGROUND = 8
    SAMPLES = 9
    LABORATORY = 10
    MAPPING = 11
    NULL = 12


def stream_of(seed: int, stage: Stage) -> np.random.Generator:
    """Return the generator of one part of the twin."""
    return np.random.default_rng(np.random.SeedSequence([seed, int(stage)]))


@dataclass(frozen=True)
class Ground:
    """What is there before any ore.

    grid: its cells; names: of the units, by their number; height: relief (row, col), m; drainage; units: of
    each cell (row, col), as ``geology`` has them; fault_distance (row, col), m; roads (row, col) bool;
    share: the map's area over that of the square that the knobs' counts belong to.
    """

    grid: "GeoBox"
    names: tuple[str, ...]
    height: NDArray[np.float64]
    drainage: Drainage
    units: NDArray[np.int16]
    geology: "gpd.GeoDataFrame"
    faults: "gpd.GeoDataFrame"
    fault_distance: NDArray[np.float64]
    roads: NDArray[np.bool_]
    share: float

    def cell_of(self, coordinates: NDArray[np.float64]) -> NDArray[np.int64]:
        """Flat index of the cell in which each point (n, 2) lies."""
        row, col, _ = pixel_index(self.grid, coordinates)
        return np.asarray(row * self.grid.shape[1] + col)


def make_ground(seed: int, side: float, twin: Twin) -> Ground:
    """Make the ground of a square of ``side`` metres."""
    cells = max(1, round(side / twin.cell))
    west, south = (side * round(corner / side) for corner in twin.corner)
    grid = make_grid((west, south, west + side, south + side), side / cells, twin.crs)
    cell = side / cells
    height = draw_relief(stream_of(seed, Stage.RELIEF), cells, cell, twin)
    drainage = route(height, cell)
    names = (*twin.strata, "Quaternary")
    traces = draw_faults(stream_of(seed, Stage.FAULTS), region_of(grid), twin)
    drawn = draw_units(stream_of(seed, Stage.STRATA), drainage, grid, traces, twin)
    geology = outline_units(drawn, grid, names)
    units = class_map(geology, np.array([names.index(unit) for unit in geology["unit"]]), grid)
    faults = fault_lines(traces, region_of(grid), twin.crs)
    return Ground(
        grid=grid,
        names=names,
        height=height,
        drainage=drainage,
        units=units,
        geology=geology,
        faults=faults,
        fault_distance=fault_distance(faults, grid).astype(np.float64),
        roads=draw_roads(stream_of(seed, Stage.ROADS), drainage, cell, twin),
        share=(side / twin.side) ** 2,
    )
