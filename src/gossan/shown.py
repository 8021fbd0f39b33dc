"""How a result shows itself: a few lines in a terminal, a small table in a notebook."""

import html
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

__all__ = ["Shown", "extent"]

#: Longer texts are cut: a repr is for a glance.
_LONGEST = 100


class Shown:
    """Base of what people look at: a class says its rows once, as text and as escaped HTML.

    A dataclass that derives from it must be made with ``repr=False``.
    """

    def _rows(self) -> Iterator[tuple[str, object]]:
        """Yield label and value of each row; empty values are left out."""
        raise NotImplementedError(f"{type(self).__name__} has no rows")

    def _written(self) -> list[tuple[str, str]]:
        texts = ((label, " ".join(str(value).split())) for label, value in self._rows() if value != "")
        return [
            (label, text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}…")
            for label, text in texts
        ]

    def __repr__(self) -> str:
        rows = self._written()
        wide = max((len(label) for label, _ in rows), default=0)
        return "\n".join([type(self).__name__, *(f"  {label:<{wide}}  {text}" for label, text in rows)])

    def _repr_html_(self) -> str:
        """Give what a notebook shows; every text is escaped."""
        rows = "".join(
            f'<tr><th scope="row" style="text-align:left">{html.escape(label)}</th>'
            f'<td style="text-align:left">{html.escape(text)}</td></tr>'
            for label, text in self._written()
        )
        return f"<table><caption>{html.escape(type(self).__name__)}</caption><tbody>{rows}</tbody></table>"


def extent(coordinates: NDArray[Any]) -> str:
    """Write where points (n, 2) lie, in whole metres; empty for no points.

    >>> import numpy as np
    >>> extent(np.array([[500_000.4, 4e6], [501_000.0, 4.1e6]]))
    'easting 500000 to 501000, northing 4000000 to 4100000'
    """
    if not len(coordinates):
        return ""
    (west, south), (east, north) = coordinates.min(axis=0), coordinates.max(axis=0)
    return f"easting {west:.0f} to {east:.0f}, northing {south:.0f} to {north:.0f}"
