"""Windows from a GeoTIFF: beside torchgeo, beside a plain copy, and beside the step that they feed."""

import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.paired import Row, clock, paired, row

MAP, CHANNELS, BATCH, RESOLUTION = 1560, 10, 32, 25.0
#: Pixels a side, and between windows.
SIZES = ((32, 32), (128, 64))
#: As in the presets ``fast`` and ``paper``.
EPOCHS, MANY = 8, 220


def rows() -> list[Row]:
    """Measure each on one thread, as in a fit, but for the decoding of the file."""
    import torch

    from gossan.models.device import session

    with tempfile.TemporaryDirectory() as folder, session(1, torch.device("cpu")):
        path = Path(folder) / "stack.tif"
        _write(path)
        found = _beside_torchgeo(path)
        for size, stride in SIZES:
            opened = _stack(path, size, stride)
            found += [_beside_copy(*opened), _beside_step(*opened, _recipe(*opened))]
    return found


def _write(path: Path) -> None:
    """Write smooth layers with some pixels missing as a stack."""
    from scipy.ndimage import zoom

    from gossan.io.outputs import write_stack
    from gossan.survey import make_stack

    rng = np.random.default_rng(0)
    layers: dict[str, Any] = {}
    for number in range(CHANNELS):
        layer = zoom(rng.standard_normal((40, 40)), MAP / 40, order=1).astype(np.float32)
        layer[rng.random(layer.shape) < 0.001] = np.nan
        layers[f"element {number}"] = layer
    write_stack(path, make_stack(_grid(), layers, {}))


def _grid() -> Any:
    from affine import Affine
    from odc.geo.geobox import GeoBox

    return GeoBox((MAP, MAP), Affine(RESOLUTION, 0, 5e5, 0, -RESOLUTION, 4e6), "EPSG:32650")


def _stack(path: Path, size: int, stride: int) -> tuple[Any, Any]:
    from gossan.io.outputs import read_stack
    from gossan.windows import cut_windows

    stack = read_stack(path)
    return stack, cut_windows(_grid(), size, strides=(stride,))


def _recipe(stack: Any, windows: Any) -> Any:
    from gossan.recipe import Recipe

    return Recipe.fit(stack, windows, [str(name) for name in stack["channel"].values], valid=False)


def _batches(count: int, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    order = rng.permutation(count)
    return [order[start : start + BATCH] for start in range(0, count, BATCH)]


def _ours(path: Path, size: int, stride: int, *, ready: bool, epochs: int = EPOCHS) -> float:
    """Return windows a second: the file read, windows gathered, where `ready` also made fit to train on."""
    import torch

    from gossan.models.training import symmetry
    from gossan.recipe import WindowSet
    from gossan.windows import gather

    start, seen, rng = time.perf_counter(), 0, np.random.default_rng(0)
    stack, windows = _stack(path, size, stride)
    whole = WindowSet(stack, windows, _recipe(stack, windows)) if ready else None
    room = None
    for _ in range(epochs):
        for index in _batches(len(windows), rng):
            if whole is not None:
                batch = symmetry(whole.read(index), rng.integers(8, size=len(index)))
            else:
                batch = gather(stack, windows.iloc[index], out=room)
                room = batch if room is None else room
            seen += len(torch.from_numpy(batch))
    return seen / (time.perf_counter() - start)


def _torchgeo(path: Path, size: int, stride: int) -> float:
    """Return windows a second of torchgeo's sampler and loader, which only read."""
    import torch
    from torch.utils.data import DataLoader
    from torchgeo.datasets import RasterDataset, stack_samples
    from torchgeo.samplers import GridGeoSampler

    start, seen = time.perf_counter(), 0
    dataset = RasterDataset(str(path))
    sampler = GridGeoSampler(dataset, size=size, stride=stride)
    loader = DataLoader(dataset, batch_size=BATCH, sampler=sampler, collate_fn=stack_samples)
    for _ in range(EPOCHS):
        for batch in loader:
            seen += len(torch.as_tensor(batch["image"]))
    return seen / (time.perf_counter() - start)


def _beside_torchgeo(path: Path) -> list[Row]:
    from gossan.models import _torchvision

    _torchvision.load()  # torchgeo's own import of torchvision fails beside a CPU-only torch
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            _race(path, *size, ready=ready, epochs=epochs)
            for size in SIZES
            for ready, epochs in ((False, EPOCHS), (False, MANY), (True, EPOCHS))
        ]


def _race(path: Path, size: int, stride: int, *, ready: bool, epochs: int) -> Row:
    note = (
        f"{MAP} x {MAP} px, {CHANNELS} layers, a stack.tif (tiled, deflate), windows every {stride} px, {epochs} "
        f"epochs in batches of {BATCH}, no worker processes, 1 thread, from opening the file on; ours reads the "
        "whole file before the first batch, decoding on all cores, torchgeo a part of it for each window, which "
        f"such decoding makes slower; its rate is that of {EPOCHS} epochs"
    )
    return row(
        f"windows of {size} px {'scaled, filled and turned' if ready else 'read'}, {epochs} epochs",
        "torchgeo GridGeoSampler + DataLoader, which only read",
        paired(
            lambda: _ours(path, size, stride, ready=ready, epochs=epochs),
            lambda: _torchgeo(path, size, stride),
            pairs=3,
        ),
        unit="windows/s",
        wanted=None if ready else ("at least", 20.0),
        inverse=True,
        error="none: the same pixels",
        note=note,
    )


def _beside_copy(stack: Any, windows: Any) -> Row:
    """Compare with plain copies of as many bytes, of one piece of the same stack each."""
    from gossan.windows import gather

    size = int(windows["size"].iloc[0])
    batches = [windows.iloc[index] for index in _batches(len(windows), np.random.default_rng(1))][:-1]
    flat = stack["layers"].data.transpose(1, 2, 0).reshape(-1)  # as it lies in memory: no copy
    room, target = gather(stack, batches[0]), np.zeros(BATCH * CHANNELS * size**2, dtype=np.float32)
    starts = np.linspace(0, len(flat) - len(target), len(batches)).astype(int)

    def ours() -> None:
        for batch in batches:
            gather(stack, batch, out=room)

    def copies() -> None:
        for start in starts:
            np.copyto(target, flat[start : start + len(target)])

    count = len(batches) * BATCH
    return row(
        f"gather, windows of {size} px",
        "np.copyto of as many bytes of the same stack",
        paired(lambda: count / clock(ours), lambda: count / clock(copies)),
        unit="windows/s",
        wanted=("at least", 0.8),
        inverse=True,
        error="none",
        note=f"batches of {BATCH} windows drawn at random, {CHANNELS} layers of {MAP} px in memory, 1 thread; "
        "both write over the memory of the batch before",
    )


def _beside_step(stack: Any, windows: Any, recipe: Any) -> Row:
    """Give the loader's time for a batch beside a step of ResNet18 on it."""
    from benchmarks.training import Trainer
    from gossan.models.training import symmetry
    from gossan.recipe import WindowSet

    size, rng = int(windows["size"].iloc[0]), np.random.default_rng(2)
    ready, trainer = WindowSet(stack, windows, recipe), Trainer("resnet18", channels=CHANNELS, size=size)
    index = rng.permutation(len(windows))[: trainer.batch]
    return row(
        f"loading a batch, windows of {size} px",
        "a ResNet18 step of the same batch",
        paired(
            lambda: clock(lambda: symmetry(ready.read(index), rng.integers(8, size=len(index)))), trainer.step
        ),
        wanted=("at most", 0.05),
        inverse=True,
        note=f"{trainer.batch} windows, {CHANNELS} layers; gathered, scaled, filled and turned; 1 thread",
    )
