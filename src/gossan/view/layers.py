"""The layers that a run's rasters hold: a fixed table, made once, in which every request is looked up."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gossan import io
from gossan.io import RasterHead
from gossan.plots import MOST_PIXELS, Ground
from gossan.report.looks import (
    Kind,
    Look,
    channel_look,
    index_look,
    inside_look,
    scaled_look,
    score_look,
    spread_look,
    unit_look,
)
from gossan.report.screen import palette_png
from gossan.report.webmap import INDEXES

__all__ = ["Layer", "Limits", "map_layers", "run_layers"]

Floats = NDArray[np.floating[Any]]
#: From which value of a band on ground is unlike what is known; None where that is not known.
Limits = Mapping[str, float | None]

_TITLES = {
    "score": ("Score", "Result"),
    "spread": ("Spread of the score", "Result"),
    "final": ("Final model", "Result"),
}
#: Colours are made one layer after another: pandas and matplotlib set filters of warnings meanwhile, which
#: are those of all threads; two at once would undo each other's.
_LOOKING = threading.Lock()


@dataclass
class Layer:
    """One band that is shown; its look, and the thin copy of a large file, are made when asked for.

    ``make`` gives the look from the pixels that the figures are drawn from and the counts of whole numbers.
    """

    kind: Kind
    path: Path
    band: int
    bare: bool
    make: Callable[[Floats, Mapping[int, int]], Look]
    counted: str | None = None
    _look: Look | None = None
    _thin: tuple[Path, int] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self) -> Look:
        """Return the layer's colours; raises `gossan.errors.DataError` where its file cannot be read."""
        if self._look is not None:
            return self._look
        with _LOOKING:
            if self._look is None:
                bands, _, about = io.thin_bands(self.path, MOST_PIXELS, counted=self.counted, only=self.band)
                (values,) = bands.values()
                self._look = self.make(values, about.counts)
            return self._look

    def tile(self, scratch: Path, zoom: int, x: int, y: int) -> bytes | None:
        """Return a tile as PNG, its pixels clear where there is no value; None off the map.

        Parameters
        ----------
        scratch
            Folder for the thin copy of a large file that has no overviews.
        """
        look = self.look()
        values = io.read_tile(self._files(scratch), zoom, x, y)
        return None if values is None else palette_png(look.index(values), look.palette)

    def _files(self, scratch: Path) -> list[tuple[Path, int]]:
        with self._lock:
            if self._thin is None and self.bare:  # one that fails is made when next asked for
                copy = Path(mkdtemp(dir=scratch)) / "thin.tif"
                io.thin_copy(self.path, self.band, copy)
                self._thin = (copy, 1)
            return [(self.path, self.band), *([self._thin] if self._thin else [])]


def run_layers(folder: Path, ground: Ground, limits: Limits) -> Iterator[Layer]:
    """List the layers of a run folder in the order in which the page offers them.

    Raises
    ------
    gossan.errors.DataError
        A file cannot be read.
    """
    yield from _of_file(folder / "prospectivity.tif", "", limits, titles=_TITLES)
    dense = {
        name: (f"Dense {title[0].lower()}{title[1:]}", group) for name, (title, group) in _TITLES.items()
    }
    yield from _of_file(folder / "dense.tif", "dense-", limits, titles=dense)
    yield from _of_file(folder / "applicability.tif", "", limits, titles=_unlike())
    yield from _stack(folder / "stack.tif", ground)
    for stem in ("attention", "gradients"):
        yield from _of_file(folder / f"{stem}.tif", f"{stem}-", limits, group="Why")


def map_layers(path: Path, limits: Limits) -> Iterator[Layer]:
    """List the layers of a map of `gossan predict` and of the files beside it; raises as `run_layers`."""
    yield from _of_file(path, "", limits, titles={"final": ("Score", "Result")})
    for name in ("applicability", "dense"):
        titles = _unlike() if name == "applicability" else {"score": ("Dense score", "Result")}
        prefix = "" if name == "applicability" else "dense-"
        yield from _of_file(path.with_name(f"{path.stem}-{name}.tif"), prefix, limits, titles=titles)


def _unlike() -> dict[str, tuple[str, str]]:
    named = {key: (name, "Result") for key, name in INDEXES.items()}
    return {
        "probability": ("Probability of a known deposit", "Result"),
        **named,
        "inside": ("Area of applicability", "Result"),
        "far": ("Far from samples", "Result"),
    }


def _of_file(
    path: Path,
    prefix: str,
    limits: Limits,
    *,
    titles: Mapping[str, tuple[str, str]] | None = None,
    group: str = "",
) -> Iterator[Layer]:
    """List the bands of a file that have a title, or all as one group; none where there is no file."""
    if not path.is_file():
        return
    head = io.raster_head(path)
    for number, name in enumerate(head.names, 1):
        if titles is not None and name not in titles:
            continue
        title, within = (f"{group}: {name}", group) if titles is None else titles[name]
        key = f"{prefix}{number}" if titles is None else f"{prefix}{name}"
        kind = (key, title, within)
        yield Layer(kind, path, number, head.bare, partial(_result_look, kind, name, limits))


def _result_look(kind: Kind, name: str, limits: Limits, values: Floats, counts: Mapping[int, int]) -> Look:
    """Colour a band of a result by what it is."""
    from matplotlib import colormaps

    from gossan.plots.maps import limits as ends

    if name in ("score", "final"):
        return score_look(values, kind)
    if name == "spread":
        return spread_look(values, kind)
    if name == "inside":
        return inside_look()
    if name in INDEXES:
        return index_look(kind, values, limits.get(name))
    if name in ("probability", "far"):
        high = 1.0 if name == "far" else ends(values, cut=0.0)[1]
        return scaled_look(kind, colormaps["cividis"], (0.0, high))
    return scaled_look(kind, colormaps["cividis"], ends(values))


def _stack(path: Path, ground: Ground) -> Iterator[Layer]:
    """List the rock units and then every channel of a Stack."""
    if not path.is_file():
        return
    head: RasterHead = io.raster_head(path)
    names = json.loads(head.tags.get("GOSSAN_CLASS_NAMES", "[]"))
    for number, name in enumerate(head.names, 1):
        if name == "classes" and names:
            kind = ("geology", "Geology", "Ground")
            make = partial(_unit_look, ground, names)
            yield Layer(kind, path, number, head.bare, make, counted=name)
    for number, (name, unit) in enumerate(zip(head.names, head.units, strict=True), 1):
        if name != "classes":
            kind = (f"channel-{number - 1}", name, "Channels")
            yield Layer(kind, path, number, head.bare, partial(_channel_look, kind, unit))


def _unit_look(ground: Ground, names: list[str], values: Floats, counts: Mapping[int, int]) -> Look:
    classes = np.where(np.isfinite(values), values, -1).astype(np.int16)
    every = tuple(counts.get(number, 0) for number in range(len(names)))
    return unit_look(replace(ground, classes=classes, class_names=tuple(names), class_counts=every), names)


def _channel_look(kind: Kind, unit: str, values: Floats, counts: Mapping[int, int]) -> Look:
    return channel_look(kind, values, unit)
