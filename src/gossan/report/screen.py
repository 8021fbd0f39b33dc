"""From the project's grid to a browser's map: Web Mercator, palette pictures, and coordinates at the pointer.

The grid is sampled by the nearest pixel: each pixel of the screen asks where its centre lies on the grid, so
that no value is made up and classes stay classes. The transformation is exact (PROJ), not a fitted one, and
the same for every layer, so it is computed once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["WEB", "Fit", "Screen", "distinct", "fit_coordinates", "make_screen", "palette_png", "to_degrees"]

#: Web Mercator, in which browsers draw maps.
WEB = "EPSG:3857"
DEGREES = "EPSG:4326"
#: Pixels along the longer side of a picture; more would not be seen and only make the page large.
MOST_PIXELS = 1500
#: Points along an edge of the grid, whose bulge on the screen is followed.
_EDGE = 65
_FIT, _TEST, _MOST_DEGREE = 41, 57, 7

Region = tuple[float, float, float, float]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Screen:
    """A picture in Web Mercator and where its pixels lie on the grid.

    Attributes
    ----------
    bounds
        West, south, east, north of the picture's edges, metres of Web Mercator.
    row, col
        (height, width) int32 pixel of the grid under the centre of each pixel; -1 off the grid.
    """

    bounds: Region
    row: NDArray[np.int32]
    col: NDArray[np.int32]

    @property
    def corners(self) -> list[list[float]]:
        """South-west and north-east corner as latitude, longitude."""
        west, south, east, north = self.bounds
        return [[*_latitude_longitude(west, south)], [*_latitude_longitude(east, north)]]

    def show(self, values: NDArray[Any], empty: Any) -> NDArray[Any]:
        """Take values (row, col) of the grid to the picture, ``empty`` off the grid."""
        return np.where(self.row >= 0, values[self.row, self.col], empty)


def _latitude_longitude(x: float, y: float) -> tuple[float, float]:
    """Return the latitude and longitude of a point of Web Mercator, by its definition on the sphere."""
    radius = 6378137.0
    latitude = math.degrees(2 * math.atan(math.exp(y / radius)) - math.pi / 2)
    return round(latitude, 9), round(math.degrees(x / radius), 9)


def make_screen(region: Region, shape: tuple[int, int], crs: str, *, most: int = MOST_PIXELS) -> Screen:
    """Lay a picture over a grid.

    Parameters
    ----------
    region
        West, south, east, north of the grid, metres of ``crs``.
    shape
        Rows and columns of the grid, whose rows run from the north.
    most
        Pixels along the longer side; a small grid gets two for each of its own.
    """
    from pyproj import Transformer

    west, south, east, north = region
    away = Transformer.from_crs(crs, WEB, always_xy=True)
    x, y = away.transform(*_outline(region))
    bounds = float(np.min(x)), float(np.min(y)), float(np.max(x)), float(np.max(y))
    wide, high = bounds[2] - bounds[0], bounds[3] - bounds[1]
    longest = min(most, 2 * max(shape))
    width, height = (max(1, round(longest * side / max(wide, high))) for side in (wide, high))
    across = bounds[0] + (np.arange(width) + 0.5) * wide / width
    down = bounds[3] - (np.arange(height) + 0.5) * high / height
    back = Transformer.from_crs(WEB, crs, always_xy=True)
    easting, northing = back.transform(*np.meshgrid(across, down))
    col = np.floor((np.asarray(easting) - west) / (east - west) * shape[1])
    row = np.floor((north - np.asarray(northing)) / (north - south) * shape[0])
    on = (row >= 0) & (row < shape[0]) & (col >= 0) & (col < shape[1])
    return Screen(bounds, np.where(on, row, -1).astype(np.int32), np.where(on, col, -1).astype(np.int32))


def _outline(region: Region) -> tuple[Floats, Floats]:
    """Return points along the four edges of a region."""
    west, south, east, north = region
    across, up = np.linspace(west, east, _EDGE), np.linspace(south, north, _EDGE)
    x = np.concatenate([across, across, np.full(_EDGE, west), np.full(_EDGE, east)])
    y = np.concatenate([np.full(_EDGE, south), np.full(_EDGE, north), up, up])
    return x, y


def to_degrees(x: Any, y: Any, crs: str) -> NDArray[np.float64]:
    """Return longitude and latitude (n, 2) of points of a CRS, rounded to a decimetre (1e-6 degrees)."""
    from pyproj import Transformer

    way = Transformer.from_crs(crs, DEGREES, always_xy=True)
    return np.round(np.column_stack(way.transform(np.asarray(x), np.asarray(y))), 6)


# ---- coordinates at the pointer


@dataclass(frozen=True)
class Fit:
    """A polynomial from longitude and latitude to the project's coordinates.

    With u = (longitude - middle) / half, and v likewise, each coordinate is the sum of
    ``coefficients`` times u^i v^j over ``powers``.

    Attributes
    ----------
    middle, half
        Longitude and latitude, degrees.
    powers
        Pairs i, j.
    coefficients
        For easting and for northing, metres.
    error
        Largest distance from PROJ's own answer over the map, metres.
    """

    middle: tuple[float, float]
    half: tuple[float, float]
    powers: tuple[tuple[int, int], ...]
    coefficients: tuple[tuple[float, ...], tuple[float, ...]]
    error: float

    def apply(self, longitude: Any, latitude: Any) -> Floats:
        """Return easting and northing (n, 2), as the page computes them."""
        terms = _terms(self.powers, *self._normal(longitude, latitude))
        return np.asarray(terms @ np.array(self.coefficients).T, dtype=np.float64)

    def _normal(self, longitude: Any, latitude: Any) -> tuple[Floats, Floats]:
        u = (np.asarray(longitude, dtype=np.float64) - self.middle[0]) / self.half[0]
        return u, (np.asarray(latitude, dtype=np.float64) - self.middle[1]) / self.half[1]


def _terms(powers: Sequence[tuple[int, int]], u: Floats, v: Floats) -> Floats:
    return np.stack([u**i * v**j for i, j in powers], axis=-1)


def fit_coordinates(corners: Sequence[Sequence[float]], crs: str, wanted: float) -> Fit:
    """Fit a polynomial that a page can compute without PROJ, of the least degree whose error is ``wanted``.

    Parameters
    ----------
    corners
        South-west and north-east corner as latitude, longitude.
    wanted
        Metres; where no degree up to 7 reaches it, the best is taken, and ``error`` says how good it is.
    """
    from pyproj import Transformer

    (south, west), (north, east) = corners
    way = Transformer.from_crs(DEGREES, crs, always_xy=True)
    middle, half = ((west + east) / 2, (south + north) / 2), ((east - west) / 2, (north - south) / 2)

    def lattice(count: int) -> tuple[Floats, Floats]:
        # nodes denser at the edges, where a polynomial errs most
        nodes = np.sin(np.linspace(-np.pi / 2, np.pi / 2, count))
        u, v = (each.ravel() for each in np.meshgrid(nodes, nodes))
        return middle[0] + half[0] * u, middle[1] + half[1] * v

    fits: list[Fit] = []
    fitted, tested = lattice(_FIT), lattice(_TEST)
    for degree in range(2, _MOST_DEGREE + 1):
        powers = tuple((i, k - i) for k in range(degree + 1) for i in range(k + 1))
        blank = Fit(middle, half, powers, ((), ()), math.inf)
        terms = _terms(powers, *blank._normal(*fitted))
        found = np.linalg.lstsq(terms, np.column_stack(way.transform(*fitted)), rcond=None)[0].T
        fit = replace(blank, coefficients=(tuple(found[0].tolist()), tuple(found[1].tolist())))
        misfit = fit.apply(*tested) - np.column_stack(way.transform(*tested))
        fits.append(replace(fit, error=float(np.hypot(*misfit.T).max())))
        if fits[-1].error <= wanted:
            break
    return min(fits, key=lambda each: each.error)


# ---- pictures


def palette_png(index: NDArray[np.uint8], palette: Sequence[tuple[int, int, int]]) -> bytes:
    """Write a picture of at most 255 colours as an 8-bit PNG; 0 is clear, k is ``palette[k - 1]``."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = index.shape
    lines = np.empty((height, width + 1), dtype=np.uint8)
    lines[:, 0] = 2  # the filter: what a line adds to the one above it, which packs faster and smaller
    lines[:1, 1:] = index[:1]
    np.subtract(index[1:], index[:-1], out=lines[1:, 1:])
    parts = (
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        chunk(b"PLTE", bytes([0, 0, 0, *(level for colour in palette for level in colour)])),
        chunk(b"tRNS", b"\x00"),
        chunk(b"IDAT", zlib.compress(lines.tobytes(), 4)),
        chunk(b"IEND", b""),
    )
    return b"".join(parts)


def distinct(colours: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Return the colours with no two the same, so that a pixel's colour tells its class; changes are unseen.

    >>> distinct([(255, 255, 255), (255, 255, 255), (0, 0, 0)])
    [(255, 255, 255), (255, 255, 254), (0, 0, 0)]
    """
    taken: set[tuple[int, int, int]] = set()
    kept = []
    for red, green, blue in colours:
        step = -1 if blue > 127 else 1
        while (red, green, blue) in taken:
            blue += step
            if not 0 <= blue <= 255:
                blue, green = (255 if step < 0 else 0), green + (1 if green < 128 else -1)
        taken.add((red, green, blue))
        kept.append((red, green, blue))
    return kept
