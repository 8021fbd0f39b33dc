"""Distance to faults and their density, beside GDAL and shapely's tree, and a country by tiles."""

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.paired import Row, alone, clock, paired, row

RESOLUTION, CRS = 25.0, "EPSG:32649"
#: The survey of the pairs, and the country: pixels along a side, lines of three segments.
SIDE, LINES = 2000, 1600
WIDE_SIDE, WIDE_LINES = 10_000, 33_334
VERTICES, STEP = 4, 500.0
RADIUS = 1000.0
#: Pixels that the tree is asked for, of all; the time is scaled.
TREE_SHARE, DISC_SHARE = 1 / 50, 1 / 400


def main_map(side: int):
    from gossan.grid import make_grid

    return make_grid((0, 0, side * RESOLUTION, side * RESOLUTION), RESOLUTION, CRS)


def faults(number: int, side: int) -> NDArray[np.object_]:
    """Return random walks of three segments, about 600 m each, that start on the map."""
    import shapely

    rng = np.random.default_rng(np.random.SeedSequence(5))
    start = rng.uniform(0, side * RESOLUTION, (number, 1, 2))
    return shapely.linestrings(start + np.cumsum(rng.normal(0, STEP, (number, VERTICES, 2)), axis=1))


def rows() -> list[Row]:
    lines, grid = faults(LINES, SIDE), main_map(SIDE)
    found = [against_tree(lines, grid), density(lines, grid)]
    if shutil.which("gdal_rasterize") and shutil.which("gdal_proximity.py"):
        found.insert(0, against_gdal(lines, grid))
    return [*found, by_tiles("distance"), by_tiles("density")]


# ---- the pairs


def against_gdal(lines, grid) -> Row:
    import geopandas as gpd
    import rasterio
    from shapely import box, intersection

    from gossan.evidence import fault_distance

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        gpd.GeoDataFrame(geometry=lines, crs=CRS).to_file(
            folder / "lines.gpkg", dataset_options={"VERSION": "1.2"}
        )

        def programs() -> float:
            for name in ("burnt.tif", "near.tif"):
                (folder / name).unlink(missing_ok=True)
            return clock(lambda: gdal(folder))

        found = paired(lambda: clock(lambda: fault_distance(lines, grid)), programs)
        with rasterio.open(folder / "near.tif") as file:
            theirs = file.read(1)
    edge = SIDE * RESOLUTION
    inside = intersection(lines, box(0, 0, edge, edge))
    off = np.abs(fault_distance(inside, grid) - theirs).max() / RESOLUTION
    return row(
        f"fault distance, {LINES} lines, {SIDE} x {SIDE} px",
        "gdal_rasterize + gdal_proximity.py, both programs",
        found,
        wanted=("at most", 2.5),
        inverse=True,
        error=f"ours {error(lines, grid):.1e} px, GDAL's {off:.2f} px",
        note="Ours from lines in memory to the array in memory on one thread, GDAL's from a GeoPackage to a "
        "GeoTIFF with the start of both programs. Errors: the largest against shapely at 20,000 pixels, and "
        "GDAL's against ours for the lines cut at the map's edge.",
    )


def gdal(folder: Path) -> None:
    edge, side = str(SIDE * RESOLUTION), str(SIDE)
    burn = ["gdal_rasterize", "-q", "-at", "-burn", "1", "-ot", "Byte", "-ts", side, side]
    burn += ["-te", "0", "0", edge, edge, "lines.gpkg", "burnt.tif"]
    near = ["gdal_proximity.py", "-q", "-distunits", "GEO", "-ot", "Float32", "burnt.tif", "near.tif"]
    for command in (burn, near):
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)


def against_tree(lines, grid) -> Row:
    from gossan.evidence import fault_distance

    pixels = picked(int(SIDE**2 * TREE_SHARE))
    found = paired(
        lambda: clock(lambda: fault_distance(lines, grid)),
        lambda: clock(lambda: from_tree(lines, pixels)) / TREE_SHARE,
    )
    return row(
        f"fault distance, {LINES} lines, {SIDE} x {SIDE} px, every pixel",
        "shapely STRtree.query_nearest over the segments",
        found,
        wanted=("at least", 20),
        error=f"{error(lines, grid):.1e} px",
        note=f"The tree is asked for {len(pixels):,} random pixels of {SIDE**2:,} and its time scaled.",
    )


def density(lines, grid) -> Row:
    from gossan.evidence import fault_density

    pixels = picked(int(SIDE**2 * DISC_SHARE))
    peer = in_discs(lines, pixels)
    ours = fault_density(lines, grid, RADIUS)[pixels[:, 0], pixels[:, 1]]
    found = paired(
        lambda: clock(lambda: fault_density(lines, grid, RADIUS)),
        lambda: clock(lambda: in_discs(lines, pixels)) / DISC_SHARE,
        pairs=3,
    )
    return row(
        f"fault density in {RADIUS:g} m, {LINES} lines, {SIDE} x {SIDE} px, every pixel",
        "chords of the segments that shapely's tree finds near each pixel",
        found,
        error=f"{np.abs(ours - peer).max() / peer.max():.1e} of the highest density",
        note=f"The peer takes {len(pixels):,} random pixels of {SIDE**2:,} at once; its time is scaled.",
    )


def picked(number: int) -> NDArray[np.int64]:
    return np.random.default_rng(np.random.SeedSequence(6)).integers(0, SIDE, (number, 2))


def places(pixels) -> NDArray[np.float64]:
    row_of, col_of = (pixels + 0.5).T
    return np.column_stack((col_of, SIDE - row_of)) * RESOLUTION


def pieces(lines) -> NDArray[np.float64]:
    """Return the ends of the segments, (n, 2, 2)."""
    import shapely

    points = shapely.get_coordinates(lines).reshape(-1, VERTICES, 2)
    return np.stack((points[:, :-1], points[:, 1:]), axis=2).reshape(-1, 2, 2)


def from_tree(lines, pixels) -> NDArray[np.float64]:
    import shapely

    tree = shapely.STRtree(shapely.linestrings(pieces(lines)))
    points = shapely.points(places(pixels))
    return np.asarray(tree.query_nearest(points, return_distance=True, all_matches=False)[1])


def in_discs(lines, pixels) -> NDArray[np.float64]:
    import shapely

    ends, points = pieces(lines), places(pixels)
    tree = shapely.STRtree(shapely.linestrings(ends))
    pixel, piece = tree.query(shapely.points(points), predicate="dwithin", distance=RADIUS)
    start, step = ends[piece, 0] - points[pixel], ends[piece, 1] - ends[piece, 0]
    length = np.hypot(*step.T)
    along = -(start * step).sum(axis=1) / length
    across = (start[:, 0] * step[:, 1] - start[:, 1] * step[:, 0]) / length
    half = np.sqrt(np.maximum(RADIUS**2 - across**2, 0))
    chord = np.maximum(np.minimum(along + half, length) - np.maximum(along - half, 0), 0)
    return np.bincount(pixel, chord, len(points)) / (np.pi * RADIUS**2 / 1e6)


def error(lines, grid) -> float:
    """Return the largest error of our distances at 20,000 pixels, in pixels."""
    from gossan.evidence import fault_distance

    pixels = picked(20_000)
    ours = fault_distance(lines, grid)[pixels[:, 0], pixels[:, 1]]
    return float(np.abs(ours - from_tree(lines, pixels)).max() / RESOLUTION)


# ---- a country


def by_tiles(layer: str) -> Row:
    """Work through 10^8 pixels in a process of its own, whose memory is told."""
    command = [sys.executable, "-m", "benchmarks.faults", layer]
    out = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    seconds, ready, peak = (float(part) for part in out.stdout.split())
    return alone(
        f"fault {layer}, {WIDE_LINES * (VERTICES - 1):,} segments, {WIDE_SIDE} x {WIDE_SIDE} px by tiles, one run",
        seconds,
        note=f"All 10^8 pixels, in blocks of 1024 px, one thread; peak memory {peak:.0f} MiB, of which "
        f"{ready:.0f} MiB stood before the first block (Python, libraries, lines). Command: "
        f"`python -m benchmarks.faults {layer}`.",
    )


def country(layer: str) -> None:
    from gossan.evidence import FaultDensity, FaultDistance
    from gossan.grid import tiles

    lines, grid = faults(WIDE_LINES, WIDE_SIDE), main_map(WIDE_SIDE)
    start = time.perf_counter()
    made = FaultDistance(lines, grid) if layer == "distance" else FaultDensity(lines, grid, RADIUS)
    ready = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for rows_of, cols_of in tiles(grid.shape, 1024):
        made.block(rows_of, cols_of)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(time.perf_counter() - start, ready, peak)


if __name__ == "__main__":
    country(sys.argv[1])
