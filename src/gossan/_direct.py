"""The sum over all samples, one by one. A private part of `gossan.interpolate`.

For what `gossan._far` cannot do: a radius, and powers so high that too many nodes would be needed.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan._far import ON_CENTRE, PLAIN_POWER, Put, weigh

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

__all__ = ["EverySample"]

Floats = NDArray[np.float64]

#: Samples in a block of weights: half a MB in float32 stays in a core's cache.
_BLOCK = 1024


class EverySample:
    """Sums of weighted columns over all samples within a radius.

    Parameters
    ----------
    place
        Row and column of each sample, pixels, (n, 2); a pixel's centre lies at .5.
    columns
        What is summed, (n, columns), in [0, 1].
    shape
        Rows and columns of the map.
    power
        Exponent of the distance, > 0.
    radius
        Pixels; infinite for no limit.
    dtype
        float32, or float64 where rounding must not be seen.

    Attributes
    ----------
    cell
        Rows and columns of the pieces that `fill` works on: multiples of 128 pixels.
    """

    cell = (128, 128)

    def __init__(
        self, place: Floats, columns: Floats, shape: tuple[int, int], power: float, radius: float, dtype: Any
    ) -> None:
        self.shape, self.power, self.radius, self.dtype = shape, power, radius, np.dtype(dtype)
        self._place, self._columns = place, columns.astype(dtype)
        self._tree = _tree(place) if power > PLAIN_POWER else None

    def fill(self, rows: slice, cols: slice, put: Put) -> None:
        """Sum for the whole cells that reach into a part of the map.

        Blocks of weights (cols, samples) are multiplied with the columns, row by row. Squared distances are
        sums of one part for the column and one for the row, both taken in float64.
        """
        side = self.cell[0]
        for top in range(rows.start - rows.start % side, rows.stop, side):
            for left in range(cols.start - cols.start % side, cols.stop, side):
                y = np.arange(top, min(top + side, self.shape[0])) + 0.5
                x = np.arange(left, min(left + side, self.shape[1])) + 0.5
                sums = np.moveaxis(self._sums(y, x), -1, 0)
                put(np.array([top]), np.array([left]), sums[None])

    def _sums(self, y: NDArray[Any], x: NDArray[Any]) -> Floats:
        sums = np.zeros((len(y), len(x), self._columns.shape[1]))
        chosen = self._within_reach(y, x)
        limit = self.radius**2 * (1 + 1e-6) if math.isfinite(self.radius) else None
        inverse = self._inverse_nearest(y, x)
        for start in range(0, len(chosen), _BLOCK):
            part = chosen[start : start + _BLOCK]
            part_y, part_x = self._place[part].T
            columns = self._columns[part]
            square_x = ((x[:, None] - part_x) ** 2).astype(self.dtype)
            square_y = ((y[:, None] - part_y) ** 2 + ON_CENTRE**2).astype(self.dtype)
            weights = np.empty_like(square_x)
            for row in range(len(y)):
                np.add(square_x, square_y[row], out=weights)
                near = None if limit is None else weights <= limit
                if inverse is not None:
                    weights *= inverse[row]
                with np.errstate(over="ignore"):  # too far away for float32: the weight is 0
                    weigh(weights, self.power)
                if near is not None:
                    weights *= near
                sums[row] += weights @ columns
        return sums

    def _within_reach(self, y: Floats, x: Floats) -> NDArray[np.intp]:
        """Find the samples that are not farther than the radius from the box of a tile's pixel centres."""
        row, col = self._place.T
        gap_y = np.maximum(np.maximum(y[0] - row, row - y[-1]), 0)
        gap_x = np.maximum(np.maximum(x[0] - col, col - x[-1]), 0)
        return np.flatnonzero(np.hypot(gap_y, gap_x) <= self.radius * (1 + 1e-6))

    def _inverse_nearest(self, y: Floats, x: Floats) -> NDArray[Any] | None:
        """Return 1 / distance ** 2 of the nearest sample, (rows, cols, 1): for high powers in float32."""
        if self._tree is None:
            return None
        pixels = np.stack(np.broadcast_arrays(y[:, None], x), axis=-1).reshape(-1, 2)
        distance, _ = self._tree.query(pixels)
        square = np.asarray(distance) ** 2 + ON_CENTRE**2
        return np.asarray(1 / square, dtype=self.dtype).reshape(len(y), len(x), 1)


def _tree(place: Floats) -> "cKDTree":
    from scipy.spatial import cKDTree

    return cKDTree(place)
