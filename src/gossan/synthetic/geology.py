"""Folded strata, valley fill and faults."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gossan.grid import centres, resolution_of
from gossan.synthetic.fields import gaussian_field, smooth
from gossan.synthetic.knobs import Twin
from gossan.synthetic.terrain import Drainage, distance_to

if TYPE_CHECKING:
    import geopandas as gpd
    from odc.geo.geobox import GeoBox

__all__ = ["draw_faults", "draw_units", "fault_lines", "outline_units"]

#: Vertices of a fault, (n, 2) easting and northing, m.
Trace = NDArray[np.float64]

#: West, south, east, north, m.
Region = tuple[float, float, float, float]


def draw_units(
    rng: np.random.Generator, drainage: Drainage, grid: "GeoBox", traces: list[Trace], twin: Twin
) -> NDArray[np.int16]:
    """Give every cell its unit: 0, 1, ... in stratigraphic order, Quaternary last.

    A smooth surface with folds along the strike and a step at every fault is cut at its quantiles, so that
    away from faults only neighbours in the column touch.
    """
    cell = resolution_of(grid)
    surface = gaussian_field(
        rng,
        drainage.filled.shape[0],
        cell,
        twin.fold_range / np.sqrt(twin.fold_anisotropy),
        smoothness=1.5,
        anisotropy=twin.fold_anisotropy,
        azimuth=twin.fold_azimuth,
    )
    for trace in traces:
        surface += rng.normal(0, twin.fault_throw) * _step(trace, grid, twin.fault_drag)
    fill = _valley_fill(drainage, cell, twin)
    cuts = np.quantile(surface[~fill], np.cumsum(twin.strata_share)[:-1])
    units = np.searchsorted(cuts, surface).astype(np.int16)
    units[fill] = len(twin.strata)
    return units


def _step(trace: Trace, grid: "GeoBox", drag: float) -> NDArray[np.float64]:
    """Offset of the rocks about a fault: +1 and -1 on its sides, fading away from it and to its tips."""
    east, north = centres(grid)
    middle, chord = trace.mean(axis=0), trace[-1] - trace[0]
    x, y = chord / np.hypot(*chord)
    # along and across the chord; the trace is so little bent that it is a function of the way along
    along = (trace - middle) @ (x, y)
    across = (trace - middle) @ (-y, x)
    u = x * (east - middle[0])[None, :] + y * (north - middle[1])[:, None]
    v = -y * (east - middle[0])[None, :] + x * (north - middle[1])[:, None]
    off = v - np.interp(u, along, across)
    tips = np.clip(1 - (2 * u / (along[-1] - along[0])) ** 2, 0, None)
    return np.asarray(np.sign(off) * np.exp(-np.abs(off) / drag) * np.sqrt(tips))


def _valley_fill(drainage: Drainage, cell: float, twin: Twin) -> NDArray[np.bool_]:
    """Cells that lie low over the nearest large stream and close to it."""
    distance, nearest = distance_to(drainage.valleys(twin), cell)
    above = drainage.filled - drainage.filled.ravel()[nearest]
    size = np.sqrt(drainage.basin.ravel()[nearest] / twin.valley_basin)
    # 10 m of height count as much as 100 m of way; larger rivers have wider flats
    score = smooth((distance + 10 * np.abs(above)) / size, 1.0)
    return np.asarray(score <= np.quantile(score, twin.quaternary_share))


def draw_faults(rng: np.random.Generator, region: Region, twin: Twin) -> list[Trace]:
    """Draw gently bent lines; they may leave the map."""
    west, south, east, north = region
    share = (east - west) * (north - south) / twin.side**2
    return [
        _trace(rng, region, azimuth, length, twin)
        for azimuth, number, length in twin.fault_sets
        for _ in range(max(1, round(number * share)))
    ]


def fault_lines(traces: list[Trace], region: Region, crs: str) -> "gpd.GeoDataFrame":
    """Cut the faults at the map's edge; one row a line."""
    import geopandas as gpd
    from shapely import box, linestrings

    frame = gpd.GeoDataFrame(geometry=[linestrings(trace) for trace in traces], crs=crs)
    cut = frame.clip(box(*region), keep_geom_type=True).sort_index()
    return cut.explode(index_parts=False).reset_index(drop=True)


def _trace(
    rng: np.random.Generator,
    region: Region,
    azimuth: float,
    length: float,
    twin: Twin,
) -> Trace:
    """One fault's vertices every 250 m; its strike wanders by some degrees about its own mean."""
    west, south, east, north = region
    spread = twin.fault_length_sd
    length = length * np.exp(rng.normal(0, spread) - spread**2 / 2)
    own = azimuth + rng.normal(0, twin.fault_azimuth_sd)
    steps = max(4, round(length / 250))
    bend = np.cumsum(rng.normal(0, 2.5, steps))
    strike = np.radians(own + bend - bend.mean())
    way = np.cumsum(length / steps * np.column_stack([np.sin(strike), np.cos(strike)]), axis=0)
    middle = np.array([rng.uniform(west, east), rng.uniform(south, north)])
    return np.asarray(way - way.mean(axis=0) + middle)


def outline_units(units: NDArray[np.int16], grid: "GeoBox", names: tuple[str, ...]) -> "gpd.GeoDataFrame":
    """Outline the units; boundaries are smoothed jointly, so that neither gaps nor overlaps arise.

    Returns
    -------
    one row a polygon, columns ``unit`` and geometry.
    """
    import geopandas as gpd
    import shapely
    from rasterio.features import shapes

    found = [(shape, int(value)) for shape, value in shapes(units, transform=grid.transform)]
    outlines = np.array([shapely.geometry.shape(shape) for shape, _ in found])
    # every corner of a cell becomes a vertex, so that neighbours share all of theirs
    outlines = shapely.segmentize(outlines, resolution_of(grid))
    outlines = shapely.coverage_simplify(outlines, resolution_of(grid), simplify_boundary=False)
    kept = ~shapely.is_empty(outlines)
    frame = gpd.GeoDataFrame(
        {"unit": [names[value] for _, value in found]}, geometry=outlines, crs=str(grid.crs)
    )
    return frame[kept].reset_index(drop=True)
