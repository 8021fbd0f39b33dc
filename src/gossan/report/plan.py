"""What a figure of the page is before it is drawn, and what it is drawn from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from gossan import plots

if TYPE_CHECKING:
    import geopandas as gpd
    import numpy as np
    import xarray as xr
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["Maps", "Places", "Plan"]


@dataclass(frozen=True)
class Maps:
    """What the run folder holds to draw from; layers by name, score and spread (row, col).

    ``applicability`` holds the bands of ``applicability.tif`` by name, none where the run has none.
    """

    ground: plots.Ground
    stack: "xr.Dataset"
    score: "NDArray[np.float32]"
    spread: "NDArray[np.float32]"
    layers: "dict[str, gpd.GeoDataFrame]"
    applicability: "dict[str, NDArray[np.float32]]" = field(default_factory=dict)


class Places(Protocol):
    """What lies on a map: `Maps` without its rasters."""

    @property
    def ground(self) -> plots.Ground:
        """What maps show beneath their own subject."""

    @property
    def layers(self) -> "Mapping[str, gpd.GeoDataFrame]":
        """The layers of ``targets.gpkg`` by name."""


@dataclass(frozen=True)
class Plan:
    """A figure to be drawn; ``alt`` is what a reader is told who does not see it."""

    name: str
    draw: "Callable[[], Figure]"
    alt: str
    caption: str
    shape: Literal["chart", "map", "wide"] = "map"

    @property
    def kind(self) -> Literal["png", "svg"]:
        """Lines are drawn by the reader's machine, maps are pixels."""
        return "svg" if self.shape == "chart" else "png"
