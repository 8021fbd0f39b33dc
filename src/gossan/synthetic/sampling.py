"""Where the samples are taken and what the laboratory makes of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import UsageError
from gossan.grid import centres, resolution_of
from gossan.synthetic.ground import Ground
from gossan.synthetic.knobs import ELEMENTS, Twin

__all__ = ["Analyses", "Places", "analyse", "place_samples", "years_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Places:
    """Where the samples are.

    coordinates (n, 2), m; cell (n,), flat index in the ground; site (n,), the same for repeats.
    """

    coordinates: Array
    cell: NDArray[np.int64]
    site: NDArray[np.int64]


@dataclass(frozen=True)
class Analyses:
    """What came back.

    content (n, element), half the limit where censored; censored and wild (n, element); limits by element.
    """

    content: Array
    censored: NDArray[np.bool_]
    wild: NDArray[np.bool_]
    limits: dict[str, float]


def _shares(total: int, weights: ArrayLike) -> NDArray[np.int64]:
    """Split a total in proportion to weights, by largest remainders."""
    exact = total * np.asarray(weights, dtype=np.float64) / np.sum(weights)
    count: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    count[np.argsort(count - exact, kind="stable")[: total - count.sum()]] += 1
    return count


def _within_room(count: NDArray[np.int64], room: NDArray[np.int64]) -> NDArray[np.int64]:
    """Move what finds no room in its unit to the others, in proportion to the room there."""
    short = int(np.maximum(count - room, 0).sum())
    if short > int(np.maximum(room - count, 0).sum()):
        raise UsageError(
            f"{count.sum()} places of samples asked for; this map has {room.sum()} stream cells: "
            "ask for fewer samples or enlarge the map"
        )
    kept = np.minimum(count, room)
    return np.asarray(kept + _shares(short, room - kept)) if short else kept


def _ranked_cells(rng: np.random.Generator, ground: Ground, samples: int, twin: Twin) -> NDArray[np.int64]:
    """Rank the stream cells (flat index) for an even cover.

    The map is cut into as many squares as there are samples; the best liked cell of every square comes
    before any second one.
    """
    cells = ground.units.shape[0]
    basin = ground.drainage.basin
    stream = (basin >= twin.basin[0]) & (basin <= twin.basin[1]) & ~_gaps(rng, ground, twin)
    index = np.flatnonzero(stream)
    liking = rng.gumbel(size=index.size) + twin.stream_preference * np.log(basin.ravel()[index])
    index = index[np.argsort(-liking, kind="stable")]
    row, col = np.divmod(index, cells)
    pitch = cells / np.sqrt(samples)
    square = (row // pitch).astype(np.int64) * cells + (col // pitch).astype(np.int64)
    # rank within the square, in the order of liking that `index` has
    order = np.argsort(square, kind="stable")
    rank = np.empty(index.size, dtype=np.int64)
    rank[order] = np.arange(index.size) - np.searchsorted(square[order], square[order], side="left")
    return index[np.argsort(rank, kind="stable")]


def _gaps(rng: np.random.Generator, ground: Ground, twin: Twin) -> NDArray[np.bool_]:
    """Cells of the patches in which nobody sampled."""
    cells = ground.units.shape[0]
    width = round(twin.gap_side / resolution_of(ground.grid))
    gap = np.zeros((cells, cells), dtype=bool)
    for _ in range(round(twin.gaps * ground.share)):
        row, col = rng.integers(0, cells - width, 2)
        gap[row : row + width, col : col + width] = True
    return gap


def place_samples(rng: np.random.Generator, ground: Ground, samples: int, twin: Twin) -> Places:
    """Place the samples: distinct stream cells, and repeats at some of them, counts per unit as asked for."""
    index = _ranked_cells(rng, ground, samples, twin)
    unit = ground.units.ravel()[index]
    count = _shares(samples, twin.sample_counts)
    repeats = _shares(round(twin.duplicate_share * samples), twin.sample_counts)
    sites = _within_room(count - repeats, np.bincount(unit, minlength=count.size))
    cells = np.sort(np.concatenate([index[unit == u][:n] for u, n in enumerate(sites)]))
    unit = ground.units.ravel()[cells]
    repeats = _within_room(repeats, sites)
    again = [rng.choice(np.flatnonzero(unit == u), size=n, replace=False) for u, n in enumerate(repeats)]
    row = np.concatenate([np.arange(cells.size), *again])
    return Places(_within_unit(rng, ground, cells)[row], cells[row], row)


def _within_unit(rng: np.random.Generator, ground: Ground, cells: NDArray[np.int64]) -> Array:
    """Draw a point in each cell on the side of the geology's boundaries on which its centre lies."""
    import geopandas as gpd

    east, north = centres(ground.grid)
    row, col = np.divmod(cells, east.size)
    place = np.column_stack([east[col], north[row]])
    middle, unit = place.copy(), ground.units.ravel()[cells]
    # clear of the cell's edges
    reach = resolution_of(ground.grid) / 2 - 1
    left = np.arange(cells.size)
    for _ in range(16):
        # whole metres, as a field sheet has them
        tried = np.round(middle[left] + rng.uniform(-reach, reach, (left.size, 2)))
        points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(*tried.T), crs=str(ground.grid.crs))
        found = points.sjoin(ground.geology, predicate="within")["unit"].map(ground.names.index)
        inside = found.index[found.to_numpy() == unit[left[found.index]]]
        place[left[inside]] = tried[inside]
        left = np.delete(left, inside)
    return place


def years_of(easting: Array, region: tuple[float, float, float, float], twin: Twin) -> NDArray[np.int64]:
    """Year of sampling: the western map sheet first, the eastern one later."""
    west, _, east, _ = region
    first = easting < west + twin.year_sheet * (east - west)
    return np.where(first, *twin.years).astype(np.int64)


def analyse(
    rng: np.random.Generator, truth: Array, site: NDArray[np.int64], year: NDArray[np.int64], twin: Twin
) -> Analyses:
    """Analyse sediment of log10 content ``truth`` (n, element).

    Nugget (shared by repeats at one place), laboratory error, the grains of gold, the step between the
    years, wild values, detection limits, three significant digits; in this order.
    """
    n = truth.shape
    value = truth + rng.normal(0, twin.nugget, n)[site] + rng.normal(0, twin.laboratory, n)
    value[:, ELEMENTS.index("Au")] += rng.normal(0, twin.gold_nugget, n[0])
    stepped = np.isin(ELEMENTS, twin.year_elements)
    value += twin.year_step * np.outer(year == twin.years[1], stepped)
    wild = rng.uniform(size=n) < twin.wild_share
    value += wild * rng.uniform(*twin.wild_step, n) * rng.choice([-1.0, 1.0], n)
    limits = {
        name: float(_round_digits(10 ** np.quantile(value[:, ELEMENTS.index(name)], share), 2))
        for name, share in twin.censored
    }
    content = _round_digits(10**value, 3)
    censored = np.zeros(n, dtype=bool)
    for name, limit in limits.items():
        column = ELEMENTS.index(name)
        censored[:, column] = content[:, column] < limit
        content[censored[:, column], column] = limit / 2
    return Analyses(content, censored, wild, limits)


def _round_digits(value: Any, digits: int) -> Any:
    """Round to significant digits.

    >>> _round_digits(np.array([0.012345, 987.6]), 2)
    array([1.2e-02, 9.9e+02])
    """
    power = np.floor(np.log10(value))
    scale = 10.0 ** (digits - 1 - power)
    return np.round(value * scale) / scale
