"""How a layer of the interactive map is coloured: one table for the page's pictures and for tiles.

Colours and their ranges are those of the figures. A look is made from the pixels that the figures are drawn
from, and then colours any values of the same layer, so that a value has one colour wherever it is shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.report.screen import distinct
from gossan.report.words import named, number

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

    from gossan.plots import Ground

__all__ = [
    "STEPS",
    "Kind",
    "Look",
    "Raster",
    "channel_look",
    "index_look",
    "inside_look",
    "scaled_look",
    "score_look",
    "spread_look",
    "unit_look",
]

#: Steps of a colour scale; the eye tells fewer, and a picture of fewer is smaller.
STEPS = 64

Colour = tuple[int, int, int]
Floats = NDArray[np.floating[Any]]
#: Key, name and group of a layer.
Kind = tuple[str, str, str]


@dataclass(frozen=True)
class Look:
    """The colours of one layer.

    Attributes
    ----------
    palette
        No two the same, so that a pixel's colour tells its class.
    pick
        Numbers of the colours, from 0, of values (row, col); what it gives for NaN is not used.
    labels
        Of classes; a scale has none.
    low, high
        Ends of a scale, in ``unit``.
    """

    key: str
    name: str
    group: str
    palette: Sequence[Colour]
    pick: Callable[[Floats], NDArray[np.integer[Any]]]
    unit: str = ""
    labels: Sequence[str] = ()
    low: float = 0.0
    high: float = 0.0
    note: str = ""

    def index(self, values: Floats) -> NDArray[np.uint8]:
        """Return for each value 0 where there is none, else the number of its colour, from 1."""
        return np.where(np.isfinite(values), 1 + self.pick(values), 0).astype(np.uint8)

    def told(self) -> dict[str, Any]:
        """Return what the page must know of the layer."""
        return {
            "key": self.key,
            "name": named(self.name),
            "unit": named(self.unit),
            "palette": ["#{:02x}{:02x}{:02x}".format(*colour) for colour in self.palette],
            "labels": list(self.labels),
            "low": self.low,
            "high": self.high,
            "note": self.note,
        }


@dataclass(frozen=True)
class Raster:
    """A layer before it is a picture: its look, and the index (row, col) of its colours, 0 = none."""

    look: Look
    index: NDArray[np.uint8]


def score_look(score: Floats, kind: Kind = ("score", "Score", "Result")) -> Look:
    """Colour the classes of a score: which share of the ground scores at least as high."""
    from matplotlib.colors import to_rgb

    from gossan.plots.maps import CLASSES, score_edges, score_tones

    lows = [0.0, *(high for _, high in CLASSES)]
    spans = [f"{100 * low:.0f} to {100 * high:.0f}" for low, (_, high) in zip(lows, CLASSES, strict=False)]
    spans[0] = f"best {100 * CLASSES[0][1]:.0f}"
    labels = [f"{name} ({span} %)" for (name, _), span in zip(CLASSES, spans, strict=True)]
    note = "Classes are shares of the scored ground: a score ranks ground and is no probability."
    tones = _bytes(np.array([to_rgb(tone) for tone in score_tones()]))
    return Look(*kind, tones, partial(_class_of, score_edges(score)), labels=labels, note=note)


def _class_of(edges: Floats, score: Floats) -> NDArray[np.integer[Any]]:
    return len(edges) - np.searchsorted(edges[::-1], score, side="left")


def spread_look(spread: Floats, kind: Kind = ("spread", "Spread of the score", "Result")) -> Look:
    """Colour how far repeats and seeds disagree."""
    from matplotlib import colormaps

    from gossan.plots.maps import limits

    return scaled_look(kind, colormaps["cividis"], limits(spread, cut=0.0))


def index_look(kind: Kind, index: Floats, limit: float | None) -> Look:
    """Colour how unlike the training ground, or what is known, ground is; colours change at the limit."""
    from gossan.plots.domain import pale
    from gossan.plots.maps import limits

    note = f"Limit {number(float(limit))}: above it, unlike the training ground." if limit else ""
    return scaled_look(kind, pale(), (0.0, max(limits(index)[1], 1.15 * (limit or 0.0))), note=note)


def inside_look() -> Look:
    """Colour what lies inside and outside of the area of applicability."""
    labels = ("inside: like the training ground", "outside: unlike it")
    tones = ((190, 205, 228), (150, 90, 60))
    return Look("inside", "Area of applicability", "Result", tones, _outside, labels=labels)


def _outside(inside: Floats) -> NDArray[np.integer[Any]]:
    return np.where(inside >= 0.5, 0, 1)


def channel_look(kind: Kind, values: Floats, unit: str) -> Look:
    """Colour a channel between its 2 % and 98 % quantiles."""
    from matplotlib import colormaps

    from gossan.plots.maps import limits

    return scaled_look(kind, colormaps["viridis"], limits(values), unit=unit)


def unit_look(ground: "Ground", names: Sequence[str]) -> Look:
    """Colour the classes of the stack, at most 254, as the figures do, the largest rock unit first."""
    from matplotlib.colors import to_rgb

    from gossan.plots.ground import unit_shares
    from gossan.plots.style import OTHER_UNIT, unit_colours

    names = list(names)[:254]
    shares = unit_shares(ground)
    colours = unit_colours(list(shares))
    order = sorted(range(len(names)), key=lambda k: (-shares.get(names[k], 0.0), names[k]))
    place = np.full(len(names) + 1, -1, dtype=np.int16)  # the last one is for what is none of them
    for position, k in enumerate(order):
        place[k] = position
    palette = _bytes(np.array([to_rgb(colours.get(names[k], OTHER_UNIT)) for k in order]))
    labels = [f"{named(names[k])} ({_share(shares.get(names[k], 0.0))})" for k in order]
    return Look("geology", "Geology", "Ground", palette, partial(_place_of, place), labels=labels)


def _place_of(place: NDArray[np.int16], classes: NDArray[Any]) -> NDArray[np.integer[Any]]:
    last = len(place) - 1
    known = (classes >= 0) & (classes < last)  # false for NaN too
    return place[np.where(known, classes, last).astype(np.int64)]


def _share(share: float) -> str:
    return "under 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def scaled_look(
    kind: Kind, colours: "Colormap", span: tuple[float, float], *, unit: str = "", note: str = ""
) -> Look:
    """Cut values into equal steps of a scale; what lies beyond an end has the colour of the end."""
    palette = _bytes(colours((np.arange(STEPS) + 0.5) / STEPS))
    low, high = span
    return Look(*kind, palette, partial(_step_of, span), unit=unit, low=low, high=high, note=note)


def _step_of(span: tuple[float, float], values: Floats) -> NDArray[np.integer[Any]]:
    low, high = span
    width = (high - low) or 1.0
    step = np.clip(np.nan_to_num((values - low) / width) * STEPS, 0, STEPS - 1)
    return np.asarray(step, dtype=np.uint8)


def _bytes(tones: Any) -> list[Colour]:
    levels = np.round(255 * np.asarray(tones)[:, :3]).astype(int).tolist()
    return distinct([(int(red), int(green), int(blue)) for red, green, blue in levels])
