"""A made run folder for the tests of figures and report: plausible numbers, no pipeline."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter
from shapely import LineString, Point, box

from gossan.grid import make_grid
from gossan.survey import make_stack

CRS = "EPSG:32648"
WEST, SOUTH = 410_000.0, 2_400_000.0
UNITS = ["Triassic sandstone", "Permian volcanics", "Carboniferous limestone", "Devonian shale", "Quaternary"]
ELEMENTS = ["Ag", "Au", "Sn", "Cu", "Ba", "Sb", "Hg", "Mo"]


@dataclass(frozen=True)
class Made:
    """The parts of a made run, before they are written."""

    grid: GeoBox
    stack: Any
    score: np.ndarray
    spread: np.ndarray
    layers: dict[str, gpd.GeoDataFrame]
    targets: pd.DataFrame


def make_run(pixels: int = 64, window: int = 16, *, seed: int = 0, resolution: float = 200.0, names: list[str] | None = None) -> Made:
    rng = np.random.default_rng(seed)
    side = pixels * resolution
    grid = make_grid((WEST, SOUTH, WEST + side, SOUTH + side), resolution, CRS)
    fields = {e: _field(rng, pixels) for e in ELEMENTS}
    classes, geology = _geology(rng, pixels, resolution, names or UNITS)
    faults = _faults(rng, side)
    distance = _distance(faults, pixels, resolution)
    stack = make_stack(
        grid,
        {**fields, "fault_distance": distance},
        {**{e: "log10(ug/g)" for e in ELEMENTS}, "fault_distance": "m"},
        classes=classes,
        class_names=names or UNITS,
    )
    deposits = _deposits(rng, side, pixels)
    areas = _areas(rng, pixels, window, resolution, deposits)
    ranked = areas.sort_values(["score", "number"], ascending=[False, True]).head(max(3, round(0.1 * len(areas))))
    targets = gpd.GeoDataFrame(ranked.assign(rank=np.arange(1, len(ranked) + 1)), crs=CRS)
    score = _paint(areas, "score", pixels, window)
    spread = _paint(areas, "spread", pixels, window)
    layers = {"areas": areas, "targets": targets, "deposits": deposits, "faults": faults, "geology": geology}
    return Made(grid, stack, score, spread, layers, _table(targets))


def _field(rng, pixels):
    rough = gaussian_filter(rng.normal(size=(pixels, pixels)), pixels / 16)
    return (1.5 + 0.3 * rough / rough.std()).astype(np.float32)


def _geology(rng, pixels, resolution, names):
    tilted = np.add.outer(np.arange(pixels), -0.6 * np.arange(pixels)) / pixels
    rough = _field(rng, pixels) + 1.2 * tilted
    classes = np.digitize(rough, np.quantile(rough, np.linspace(0, 1, len(names) + 1)[1:-1] ** 0.6)).astype(np.int16)
    from rasterio.features import shapes
    from shapely.geometry import shape

    transform = Affine(resolution, 0, WEST, 0, -resolution, SOUTH + pixels * resolution)
    rows = [{"unit": names[int(code)], "geometry": shape(part)} for part, code in shapes(classes, transform=transform)]
    frame = gpd.GeoDataFrame(rows, crs=CRS)
    frame["geometry"] = shapely.coverage_simplify(frame.geometry.to_numpy(), resolution)
    return classes, frame


def _faults(rng, side):
    lines = []
    for azimuth, length, count in ((45, 0.3, 9), (135, 0.2, 5), (0, 0.25, 3)):
        for _ in range(count):
            angle = np.radians(azimuth + rng.normal(0, 10))
            start = rng.uniform(0, side, 2)
            run = side * length * np.linspace(0, 1, 6)
            bend = rng.normal(0, 0.006 * side, 6)
            xy = start + np.column_stack([run * np.sin(angle) + bend, run * np.cos(angle)])
            lines.append(LineString(xy + (WEST, SOUTH)))
    return gpd.GeoDataFrame({"geometry": lines}, crs=CRS)


def _distance(faults, pixels, resolution):
    from rasterio.features import rasterize
    from scipy.ndimage import distance_transform_edt

    transform = Affine(resolution, 0, WEST, 0, -resolution, SOUTH + pixels * resolution)
    on = rasterize(faults.geometry, (pixels, pixels), transform=transform, fill=0)
    return (distance_transform_edt(on == 0) * resolution).astype(np.float32)


def _deposits(rng, side, pixels):
    camps = rng.uniform(0.06, 0.94, (6 if pixels < 100 else 24, 2)) * side
    rows = []
    for camp, centre in enumerate(camps, start=1):
        for k in range(1 + rng.poisson(1)):
            at = np.clip(centre + rng.normal(0, 0.015 * side, 2), 0, side - 1) + (WEST, SOUTH)
            rows.append({"name": f"D{camp}.{k}", "camp": camp, "geometry": Point(at)})
    return gpd.GeoDataFrame(rows, crs=CRS)


def _areas(rng, pixels, window, resolution, deposits):
    count = pixels // window
    size = window * resolution
    rows = []
    smooth = gaussian_filter(rng.normal(size=(count, count)), 1.0)
    for number in range(1, count * count + 1):
        row, col = divmod(number - 1, count)
        north = SOUTH + pixels * resolution - row * size
        square = box(WEST + col * size, north - size, WEST + (col + 1) * size, north)
        known = int(deposits.within(square).sum())
        score = 1 / (1 + np.exp(-(2 * smooth[row, col] + 0.8 * known + rng.normal(0, 0.4) - 0.5)))
        fold = (row // max(1, count // 4) + 2 * (col // max(1, count // 3))) % 5
        rows.append({"number": number, "row": row * window, "col": col * window, "score": score, "spread": 0.05 + 0.1 * score * (1 - score) * rng.uniform(0.5, 2), "final": min(1.0, score + 0.1 * known), "known_deposits": known, "valid_share": 1.0, "fold": fold, "geometry": square})
    return gpd.GeoDataFrame(rows, crs=CRS)


def _paint(areas, column, pixels, window):
    values = np.full((pixels, pixels), np.nan, dtype=np.float32)
    for area in areas.itertuples():
        values[area.row : area.row + window, area.col : area.col + window] = getattr(area, column)
    return values


def _table(targets):
    centre = targets.geometry.centroid
    lonlat = centre.to_crs(4326)
    return pd.DataFrame(
        {
            "number": targets["number"],
            "rank": targets["rank"],
            "easting": centre.x,
            "northing": centre.y,
            "longitude": lonlat.x,
            "latitude": lonlat.y,
            "area_km2": targets.area / 1e6,
            "score_mean": targets["score"],
            "score_max": targets["score"],
            "spread": targets["spread"],
            "known_deposits": targets["known_deposits"],
            "nearest_known_m": np.linspace(800, 9000, len(targets)),
        }
    ).reset_index(drop=True)
