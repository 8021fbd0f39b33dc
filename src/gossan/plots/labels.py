"""Where the numbers of the targets stand: inside their area if they fit, and never on each other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["place_labels"]

#: Width of a bold digit and height of a line, as shares of the type size.
DIGIT, LINE = 0.72, 1.05

#: A label that lies on the boxes of others by more than this share would be read as theirs.
MOST_SHARED = 0.4

#: What covering a point costs, as a share of the label lying on another box.
POINT_COST = 0.1


def place_labels(
    texts: Sequence[str],
    boxes: NDArray[np.float64],
    *,
    size: float,
    points: NDArray[np.float64],
    region: tuple[float, float, float, float],
) -> dict[int, tuple[float, float]]:
    """Place one label a box, the first ones first.

    A label stands inside its box (corners, then the centre) if it fits there, else beside or over it: where
    it covers least of other boxes and fewest points. It never leaves the region or touches another label,
    and is left out where it would be read as another box's.

    Parameters
    ----------
    boxes
        (n, 4) west, south, east, north.
    size
        Type size in map units.
    points
        (m, 2) points better not covered, such as deposits.
    region
        West, south, east, north of the map.

    Returns
    -------
    index -> centre of the text in map units; a label without room is missing.

    >>> area, deposit = np.array([[0.0, 0, 9, 9]]), np.array([[1.0, 8]])
    >>> place_labels(["7"], area, size=2, points=deposit, region=(0, 0, 9, 9))[0][0] > 4.5  # deposit: west
    True
    """
    taken = np.empty((0, 4))
    placed: dict[int, tuple[float, float]] = {}
    for i, (text, box) in enumerate(zip(texts, boxes, strict=True)):
        half = np.array([DIGIT * len(text) + 0.2, LINE]) * size / 2
        spots = _spots(box, half)
        frames = np.hstack([spots - half, spots + half])
        shared = _shared(frames, np.delete(boxes, i, axis=0)).sum(axis=1) / (4 * half.prod())
        inside = (frames[:, :2] >= region[:2]).all(axis=1) & (frames[:, 2:] <= region[2:]).all(axis=1)
        free = inside & (_shared(frames, taken).sum(axis=1) == 0) & (shared <= MOST_SHARED)
        if free.any():
            cost = shared + POINT_COST * _covered(frames, points, size / 4)
            best = int(np.argmin(np.where(free, cost, np.inf)))
            placed[i] = (float(spots[best, 0]), float(spots[best, 1]))
            taken = np.vstack([taken, frames[best]])
    return placed


def _spots(box: NDArray[np.float64], half: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return candidate centres (k, 2), the preferred first."""
    west, south, east, north = box
    centre = np.array([(west + east) / 2, (south + north) / 2])
    room = np.array([east - west, north - south]) / 2 - half
    if (room >= 0).all():
        moves = np.array([(-1, 1), (1, 1), (-1, -1), (1, -1), (0, 0), (0, 1), (0, -1)], dtype=float)
        return np.asarray(centre + moves * 0.94 * room)
    reach = np.array([east - west, north - south]) / 2 + half
    sides = np.array([(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1), (0, 0)])
    return np.asarray(centre + sides * reach)


def _shared(frames: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the area that each frame shares with each other box, (k, n)."""
    low = np.maximum(frames[:, None, :2], others[None, :, :2])
    high = np.minimum(frames[:, None, 2:], others[None, :, 2:])
    return np.asarray(np.prod(np.maximum(high - low, 0), axis=2))


def _covered(frames: NDArray[np.float64], points: NDArray[np.float64], gap: float) -> NDArray[np.int64]:
    """Count the points that each frame, widened by the gap, covers."""
    inside = (points[None] > frames[:, None, :2] - gap) & (points[None] < frames[:, None, 2:] + gap)
    return np.asarray(inside.all(axis=2).sum(axis=1))
