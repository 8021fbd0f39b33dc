"""Relief and the streams that run down it (D8)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gossan.synthetic.fields import power_law_field
from gossan.synthetic.knobs import Twin

__all__ = ["Drainage", "distance_to", "draw_relief", "draw_roads", "route"]

#: The eight neighbours as (rows, columns) steps.
_STEPS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


@dataclass(frozen=True)
class Drainage:
    """Where the water of every cell goes.

    filled: height without pits (rows, cols), m; receiver: flat index of the cell below (n,), n itself
    for water that leaves the map; step: length of that step (n,), m; order: cells from the springs
    down (n,); basin: area upstream, the cell itself included (rows, cols), km2.
    """

    filled: NDArray[np.float64]
    receiver: NDArray[np.int64]
    step: NDArray[np.float64]
    order: NDArray[np.int64]
    basin: NDArray[np.float64]

    def collect(self, source: NDArray[np.float64], mixing_length: float = np.inf) -> NDArray[np.float64]:
        """Add up what lies upstream of every cell, fading as exp(-distance / mixing_length).

        Parameters
        ----------
        source
            (n,) or (n, k), one row a cell.

        Returns
        -------
        the same shape: the cell's own plus what reaches it.
        """
        return _collect(self.receiver, self.order, np.exp(-self.step / mixing_length), source)

    def valleys(self, twin: Twin) -> NDArray[np.bool_]:
        """Channels of large streams (row, col); a map without any has its largest stream instead."""
        return np.asarray(self.basin >= min(twin.valley_basin, float(self.basin.max()) / 2))

    def path(self, start: int) -> NDArray[np.int64]:
        """Cells (flat index) from ``start`` down to the map's edge."""
        cells = []
        while start < self.receiver.size:
            cells.append(start)
            start = int(self.receiver[start])
        return np.array(cells, dtype=np.int64)


def draw_relief(rng: np.random.Generator, cells: int, cell: float, twin: Twin) -> NDArray[np.float64]:
    """Rough ground on a regional slope, heights in m, row 0 in the north."""
    rough = power_law_field(rng, cells, cell, twin.terrain_slope)
    rough *= twin.relief / np.ptp(rough)
    direction = rng.uniform(0, 2 * np.pi)
    across = np.linspace(-0.5, 0.5, cells)
    fall = np.cos(direction) * across[:, None] + np.sin(direction) * across[None, :]
    height = rough + twin.tilt * fall
    return np.asarray(height - height.min() + 100.0, dtype=np.float64)


def route(height: NDArray[np.float64], cell: float) -> Drainage:
    """Fill the pits and send every cell's water down its steepest slope.

    The level to which a pit fills is the lowest pass on any way out, which is the highest cell on the
    way out along a minimum spanning tree; the same tree leads over the flats so made.
    """
    outlet = height.size
    way_out = _spanning_tree(height)
    level = _highest_on_the_way(height.ravel(), way_out)
    receiver = _steepest(level.reshape(height.shape), way_out)
    rows, cols = np.divmod(np.arange(outlet), height.shape[1])
    inside = np.minimum(receiver, outlet - 1)
    diagonal = (rows[inside] != rows) & (cols[inside] != cols) & (receiver < outlet)
    step = np.where(diagonal, np.sqrt(2.0), 1.0) * cell
    order = np.argsort(-_depth(receiver), kind="stable")
    ones = np.full(outlet, (cell / 1000) ** 2)
    basin = _collect(receiver, order, np.ones(outlet), ones)
    return Drainage(level.reshape(height.shape), receiver, step, order, basin.reshape(height.shape))


def distance_to(mask: NDArray[np.bool_], cell: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Distance in m to the nearest cell of the mask, and that cell's flat index."""
    from scipy.ndimage import distance_transform_edt

    distance, (row, col) = distance_transform_edt(~mask, sampling=cell, return_indices=True)
    return distance, row * mask.shape[1] + col


def draw_roads(rng: np.random.Generator, drainage: Drainage, cell: float, twin: Twin) -> NDArray[np.bool_]:
    """Least-effort ways from the first town to the others; towns lie low, slopes are dear."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    coarse = 4
    height = drainage.filled[coarse // 2 :: coarse, coarse // 2 :: coarse]
    first, second = _pairs(height.shape)
    rows, cols = np.divmod(np.stack([first, second]), height.shape[1])
    length = np.hypot(*(np.diff(axis, axis=0)[0] for axis in (rows, cols)))
    slope = np.abs(height.ravel()[first] - height.ravel()[second]) / (length * coarse * cell)
    effort = length * (1 + (slope / 0.05) ** 2)
    ways = coo_array((effort, (first, second)), shape=(height.size, height.size)).tocsr()
    odds = np.exp(-3 * (height - height.min()) / np.ptp(height)).ravel()
    towns = rng.choice(height.size, size=twin.towns, replace=False, p=odds / odds.sum())
    _, before = dijkstra(ways, directed=False, indices=towns[:1], return_predecessors=True)
    road = np.zeros(drainage.filled.shape, dtype=bool)
    for town in towns:
        at = int(town)
        while at >= 0:
            row, col = divmod(at, height.shape[1])
            road[row * coarse + coarse // 2, col * coarse + coarse // 2] = True
            at = int(before[0, at])
    return road


def _pairs(shape: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Flat indices of all pairs of cells that touch, diagonally too."""
    index = np.arange(shape[0] * shape[1]).reshape(shape)
    first = (index[:, :-1], index[:-1], index[:-1, :-1], index[:-1, 1:])
    second = (index[:, 1:], index[1:], index[1:, 1:], index[1:, :-1])
    return np.concatenate([a.ravel() for a in first]), np.concatenate([b.ravel() for b in second])


def _spanning_tree(height: NDArray[np.float64]) -> NDArray[np.int64]:
    """Next cell on the way out over the lowest passes, for every cell; the outside has number n."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

    n = height.size
    index = np.arange(n).reshape(height.shape)
    edge = np.concatenate([index[0], index[-1], index[1:-1, 0], index[1:-1, -1]])
    first, second = (
        np.append(pair, end)
        for pair, end in zip(_pairs(height.shape), (edge, np.full(edge.size, n)), strict=True)
    )
    flat = np.append(height.ravel(), -np.inf)
    weight = np.maximum(flat[first], flat[second]) - height.min() + 1.0  # a weight of 0 would be no edge
    tree = minimum_spanning_tree(coo_array((weight, (first, second)), shape=(n + 1, n + 1)).tocsr())
    _, before = breadth_first_order(tree, n, directed=False)
    return np.asarray(before[:n], dtype=np.int64)


def _highest_on_the_way(height: NDArray[np.float64], way_out: NDArray[np.int64]) -> NDArray[np.float64]:
    """Highest cell from each cell to the outside, by pointer doubling."""
    n = height.size
    level = np.append(height, -np.inf)
    ahead = np.append(way_out, n)
    while (ahead != n).any():
        level = np.maximum(level, level[ahead])
        ahead = ahead[ahead]
    return level[:n]


def _steepest(level: NDArray[np.float64], way_out: NDArray[np.int64]) -> NDArray[np.int64]:
    """Neighbour of the steepest fall; on a flat, the next cell on the way out."""
    rows, cols = level.shape
    padded = np.pad(level, 1, constant_values=np.inf)
    best = np.zeros(level.shape)
    receiver = way_out.reshape(level.shape).copy()
    index = np.arange(level.size).reshape(level.shape)
    for down, right in _STEPS:
        there = padded[1 + down : 1 + down + rows, 1 + right : 1 + right + cols]
        fall = (level - there) / np.hypot(down, right)
        steeper = fall > best
        best[steeper] = fall[steeper]
        receiver[steeper] = index[steeper] + down * cols + right
    return receiver.ravel()


def _depth(receiver: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the steps to the outside, by pointer doubling."""
    n = receiver.size
    ahead = np.append(receiver, n)
    depth = np.append(np.ones(n, dtype=np.int64), 0)
    while (ahead != n).any():
        depth = depth + depth[ahead]
        ahead = ahead[ahead]
    return depth[:n]


def _collect(
    receiver: NDArray[np.int64],
    order: NDArray[np.int64],
    passed_on: NDArray[np.float64],
    source: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Solve x = source + W x, W lower triangular once the cells run from the springs down."""
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import spsolve_triangular

    n = receiver.size
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n)
    inside = receiver < n
    down, up = rank[receiver[inside]], rank[np.flatnonzero(inside)]
    diagonal = np.arange(n)
    entries = np.concatenate([-passed_on[inside], np.ones(n)])
    place = (np.concatenate([down, diagonal]), np.concatenate([up, diagonal]))
    matrix = coo_array((entries, place), shape=(n, n)).tocsr()
    total = np.empty(source.shape)
    total[order] = spsolve_triangular(matrix, source[order], lower=True, unit_diagonal=True)
    return total
