"""Inverse distance weighting: beside GDAL and scipy, and beside itself on more elements and a larger map."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from threadpoolctl import threadpool_info

from benchmarks.paired import Row, clock, paired, row
from gossan.grid import centres, make_grid, pixel_index
from gossan.interpolate import Interpolator, idw

SAMPLES, SIDE, PIXEL, ELEMENTS, NEIGHBOURS = 7512, 1560, 25.0, 8, 12
RANDOM_PIXELS = 20_000
SIZES = f"{SAMPLES} samples, {SIDE} x {SIDE} px, {ELEMENTS} elements"


def survey(elements: int = ELEMENTS, *, times: int = 1) -> tuple[Any, Any, Any]:
    """Make samples, values and a grid; `times` as many samples and pixels."""
    rng = np.random.default_rng(5)
    side = round(SIDE * times**0.5)
    grid = make_grid((0, 0, side * PIXEL, side * PIXEL), PIXEL, "EPSG:32649")
    points = rng.uniform(0, side * PIXEL, (times * SAMPLES, 2))
    return points, np.log10(rng.lognormal(size=(len(points), elements))), grid


def threads() -> int:
    """Return the threads that `idw` uses."""
    return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")


def exact(points: Any, values: Any, at: Any) -> Any:
    """Sum in float64, one block of pixels after the other: what all errors are measured against."""
    out = np.empty((len(at), values.shape[1]))
    for start in range(0, len(at), 1000):
        part = at[start : start + 1000]
        square = (part[:, :1] - points[:, 0]) ** 2 + (part[:, 1:] - points[:, 1]) ** 2
        weight = 1 / square
        out[start : start + 1000] = weight @ values / weight.sum(axis=1)[:, None]
    return out


def error(points: Any, values: Any, grid: Any, maps: list[Any]) -> list[float]:
    """Return the largest error of each map, as a share of an element's range.

    At random pixels, at the pixels that hold a sample and at the eight around each of these.
    """
    rng = np.random.default_rng(0)
    row_, col_, _ = pixel_index(grid, points)
    beside = np.stack(np.meshgrid((-1, 0, 1), (-1, 0, 1)), -1).reshape(-1, 2)
    near = (np.column_stack((row_, col_))[:, None] + beside).reshape(-1, 2)
    pixels = np.unique(np.vstack((rng.integers(SIDE, size=(RANDOM_PIXELS, 2)), near)), axis=0)
    pixels = pixels[((pixels >= 0) & (pixels < SIDE)).all(axis=1)]
    easting, northing = centres(grid)
    expected = exact(points, values, np.column_stack((easting[pixels[:, 1]], northing[pixels[:, 0]])))
    spread = np.ptp(values, axis=0)
    found = [np.abs(each[:, pixels[:, 0], pixels[:, 1]].T - expected) / spread for each in maps]
    return [float(each.max()) for each in found] + [len(pixels)]


def gdal(folder: Path, side: int = SIDE) -> None:
    """Run gdal_grid once an element, with all threads, its vector code and its fastest way of reading."""
    program = shutil.which("gdal_grid")
    if program is None:
        sys.exit("gdal_grid is missing: apt-get install gdal-bin")
    edge = f"{SIDE * PIXEL}"
    for element in range(ELEMENTS):
        command = [program, "-q", "-a", "invdist:power=2.0:smoothing=0.0", "-zfield", f"e{element}"]
        command += ["-txe", "0", edge, "-tye", edge, "0", "-outsize", f"{side}", f"{side}", "-ot", "Float32"]
        command += ["--config", "GDAL_NUM_THREADS", "ALL_CPUS", f"{folder / 'samples.fgb'}"]
        subprocess.run([*command, f"{folder / f'{element}.tif'}"], check=True)


def write_samples(folder: Path, points: Any, values: Any) -> None:
    """Write the file that gdal_grid reads."""
    import geopandas as gpd

    columns = {f"e{element}": column for element, column in enumerate(values.T)}
    frame = gpd.GeoDataFrame(columns, geometry=gpd.points_from_xy(*points.T), crs="EPSG:32649")
    frame.to_file(folder / "samples.fgb", driver="FlatGeobuf")


def beside_gdal() -> list[Row]:
    """Compare all elements over all samples with as many runs of gdal_grid: the first call and the next.

    While GDAL runs, our process waits for 13 s, and its memory and what processors kept of it have gone.
    """
    import rasterio

    points, values, grid = survey()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_samples(folder, points, values)
        again: list[float] = []

        def ours() -> float:
            first = clock(lambda: idw(points, values, grid))
            again.append(clock(lambda: idw(points, values, grid)))
            return first

        found = paired(ours, lambda: clock(lambda: gdal(folder)))
        theirs = []
        for element in range(ELEMENTS):
            with rasterio.open(folder / f"{element}.tif") as file:
                theirs.append(file.read(1))
        start = clock(lambda: gdal(folder, 2))
    off, peer, pixels = error(points, values, grid, [idw(points, values, grid), np.stack(theirs)])
    note = (
        f"{threads()} threads; power 2, error 1e-5. Errors against float64 sums at {pixels:.0f} pixels: "
        f"{RANDOM_PIXELS} random ones, all that hold a sample and those around. Starting and reading take "
        f"{start:.2f} s of GDAL's time; it also writes its {ELEMENTS} maps."
    )
    warm = [(ours, theirs) for ours, (_, theirs) in zip(again[1:], found, strict=True)]
    return [
        row(
            f"IDW, all samples, {which}: {SIZES}",
            f"`gdal_grid -a invdist`, all threads, {ELEMENTS} runs",
            pairs,
            wanted=("at least", 60),
            error=f"{off:.1e} of an element's range (GDAL's own: {peer:.1e})",
            note=note,
        )
        for which, pairs in (("first call after a wait", found), ("the next call", warm))
    ]


def more_elements() -> Row:
    """Compare twice as many elements with the usual number."""
    twice, once = survey(2 * ELEMENTS), survey()
    return row(
        f"IDW, all samples, {2 * ELEMENTS} elements",
        f"the same, {ELEMENTS} elements",
        paired(lambda: clock(lambda: idw(*twice)), lambda: clock(lambda: idw(*once))),
        wanted=("at most", 1.7),
        inverse=True,
        error="",
        note=f"{SIZES}, and with {2 * ELEMENTS} elements.",
    )


def twice_as_large() -> Row:
    """Compare twice the samples and pixels, which a plain sum would take four times for."""
    twice, once = survey(times=2), survey()
    return row(
        "IDW, all samples: samples and pixels doubled",
        "itself",
        paired(lambda: clock(lambda: idw(*twice)), lambda: clock(lambda: idw(*once))),
        wanted=("at most", 2.3),
        inverse=True,
        error="",
        note=f"{len(twice[0])} samples on {twice[2].shape[0]} x {twice[2].shape[1]} px beside {SIZES}.",
    )


def plain(points: Any, values: Any, grid: Any) -> Any:
    """Interpolate from the k nearest as one does with scipy and NumPy."""
    easting, northing = centres(grid)
    pixels = np.stack(np.meshgrid(easting, northing), axis=-1).reshape(-1, 2)
    distance, index = cKDTree(points).query(pixels, k=NEIGHBOURS, workers=-1)
    weight = 1 / distance**2
    maps = (weight[..., None] * values[index]).sum(axis=1) / weight.sum(axis=1)[:, None]
    return maps.T.reshape(values.shape[1], *grid.shape).astype(np.float32)


def few(points: Any, values: Any, grid: Any) -> Any:
    """Interpolate from the k nearest as gossan does."""
    return idw(points, values, grid, neighbours=NEIGHBOURS)


def beside_scipy() -> list[Row]:
    """Compare the k nearest with scipy's k-d tree and NumPy: time, and peak memory of a process each."""
    given = survey()
    time = paired(lambda: clock(lambda: few(*given)), lambda: clock(lambda: plain(*given)))
    memory = [(peak("few"), peak("plain")) for _ in range(3)]
    off = np.abs(few(*given) - plain(*given)) / np.ptp(given[1], axis=0)[:, None, None]
    names = f"IDW k = {NEIGHBOURS}: {SIZES}", "scipy `cKDTree.query(workers=-1)` and NumPy"
    note = f"{threads()} threads; neither side works in blocks of the caller's."
    return [
        row(
            *names, time, wanted=("at least", 1.0), error=f"{off.max():.1e} of an element's range", note=note
        ),
        row(
            f"the same, peak memory of the process ({SAMPLES} samples)",
            names[1],
            memory,
            unit="MiB",
            wanted=("at least", 10),
            note="High-water mark of resident memory (VmHWM) of a process that does nothing else; Python and "
            "libraries included.",
        ),
    ]


def one_block() -> Row:
    """Say what memory one block of a map needs that has 100,000 samples and 10^8 pixels."""
    found = [(peak("large_block"), peak("large_map")) for _ in range(1)]
    return row(
        f"IDW k = {NEIGHBOURS} and all samples, 100,000 samples on 10,000 x 10,000 px, 32 blocks of 256 px each",
        "the float32 map alone",
        found,
        unit="MiB",
        note="Peak memory of a process: blocks are made one after the other and dropped.",
    )


def large_block() -> None:
    """Make blocks along the diagonal of a large map."""
    side, rng = 10_000, np.random.default_rng(0)
    grid = make_grid((0, 0, side, side), 1, "EPSG:32649")
    points, values = rng.uniform(0, side, (100_000, 2)), rng.uniform(size=(100_000, ELEMENTS))
    for neighbours in (NEIGHBOURS, None):
        maps = Interpolator(points, values, grid, neighbours=neighbours)
        for start in range(0, 32 * 256, 256):
            maps.block(slice(start, start + 256), slice(start, start + 256))


def large_map() -> None:
    """Hold a large map."""
    np.ones((ELEMENTS, 10_000, 10_000), dtype=np.float32)


def peak(work: str) -> float:
    """Run one of the functions here in a process of its own and return its peak memory, MiB."""
    command = [sys.executable, "-c", f"from benchmarks import idw; idw.alone({work!r})"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    return float(json.loads(done.stdout))


def alone(work: str) -> None:
    """Do one work and print the peak of this process's resident memory, MiB."""
    if work in ("few", "plain"):
        globals()[work](*survey())
    else:
        globals()[work]()
    with open(f"/proc/{os.getpid()}/status", encoding="ascii") as file:
        [mark] = [line.split()[1] for line in file if line.startswith("VmHWM")]
    print(int(mark) / 1024)


def rows() -> list[Row]:
    """Make the rows of the table."""
    return [*beside_gdal(), more_elements(), twice_as_large(), *beside_scipy(), one_block()]
