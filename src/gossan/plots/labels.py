"""Where the numbers of the targets stand: inside their area if they fit, and never on each other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["place_labels"]

#: Width of a bold digit and height of a line, as shares of the type size.
DIGIT, LINE = 0.72, 1.05


def place_labels(
    texts: Sequence[str],
    boxes: NDArray[np.float64],
    *,
    size: float,
    avoid: NDArray[np.float64],
    gap: float = 0.0,
) -> dict[int, tuple[float, float]]:
    """Place one label a box, the first ones first.

    A label stands inside its box (corners, then the centre) if it fits there, else beside it. A place
    on a point to avoid is taken only if there is no better one, a place on another label never.

    Parameters
    ----------
    boxes
        (n, 4) west, south, east, north.
    size
        Type size in map units.
    avoid
        (m, 2) points, such as deposits.
    gap
        Radius of their symbols in map units.

    Returns
    -------
    index -> centre of the text in map units; a label without room is missing.

    >>> area, deposit = np.array([[0.0, 0, 9, 9]]), np.array([[1.0, 8]])
    >>> place_labels(["7"], area, size=2, avoid=deposit)[0][0] > 4.5  # the deposit is in the west
    True
    """
    taken = np.empty((0, 4))
    placed: dict[int, tuple[float, float]] = {}
    for i, (text, box) in enumerate(zip(texts, boxes, strict=True)):
        half = np.array([DIGIT * len(text) + 0.2, LINE]) * size / 2
        spots = _spots(box, half)
        frames = np.hstack([spots - half, spots + half])
        free = np.flatnonzero(~_overlaps(frames, taken))
        if len(free):
            best = free[np.argmin(_covered(frames[free], avoid, gap))]
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


def _overlaps(frames: NDArray[np.float64], taken: NDArray[np.float64]) -> NDArray[np.bool_]:
    low = np.maximum(frames[:, None, :2], taken[None, :, :2])
    high = np.minimum(frames[:, None, 2:], taken[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    return np.asarray(shared.max(axis=1, initial=0.0) > 0)


def _covered(frames: NDArray[np.float64], avoid: NDArray[np.float64], gap: float) -> NDArray[np.int64]:
    """Count the points that each frame, widened by the gap, covers."""
    inside = (avoid[None] > frames[:, None, :2] - gap) & (avoid[None] < frames[:, None, 2:] + gap)
    return np.asarray(inside.all(axis=2).sum(axis=1))
