"""Four scores that take no model to make, and shame one that does not beat them.

Each orders windows by one quantity. The score is the share of the barren training windows that are less
ore-like, a tie counting half: .5 is the median barren window, not balanced odds, so numbers at a threshold
(accuracy, F1) say little of them and ranks (AUC, capture) all.
"""

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gossan.errors import DataError
from gossan.metrics import auc, placements
from gossan.models.tables import TableScorer, WindowTable
from gossan.models.tuning import texts

__all__ = ["ElementScorer", "FaultScorer", "NearestScorer", "SamplesScorer"]

#: Channels that tell of faults, the best first.
FAULT_CHANNELS = ("fault distance", "faults", "fault density")


class _OneQuantity(TableScorer):
    """A quantity of each window, its direction, and its ranks among the barren training windows."""

    direction_: int
    _barren: NDArray[np.float64]

    def _fit(self, table: WindowTable, is_ore: NDArray[np.bool_]) -> None:
        self._prepare(table, is_ore)
        quantity = self._quantity(table)
        self.direction_ = self._direction(quantity, is_ore)
        self._barren = self.direction_ * quantity[~is_ore]

    def _score(self, table: WindowTable) -> NDArray[np.float64]:
        return placements(self.direction_ * self._quantity(table), self._barren)

    def _prepare(self, table: WindowTable, is_ore: NDArray[np.bool_]) -> None:
        """Learn what the quantity needs; most need nothing."""

    @abstractmethod
    def _quantity(self, table: WindowTable) -> NDArray[np.float64]:
        """Return the quantity of each window, (n,)."""

    def _direction(self, quantity: NDArray[np.float64], is_ore: NDArray[np.bool_]) -> int:
        """Return 1 where ore has more of it in the training part, else -1."""
        return 1 if auc(quantity, is_ore) >= 0.5 else -1

    def learnt(self) -> dict[str, Any]:
        """Return the direction: 1 where more of the quantity is more ore-like, else -1."""
        return {"direction": self.direction_}


class NearestScorer(_OneQuantity):
    """Distance from a window's centre to that of the nearest ore window in training; nearer is better.

    Distances are in pixels of the training grid, so it means nothing on another map.
    """

    _ore: NDArray[np.float64]

    def _prepare(self, table: WindowTable, is_ore: NDArray[np.bool_]) -> None:
        self._ore = _centres(table)[is_ore]

    def _quantity(self, table: WindowTable) -> NDArray[np.float64]:
        from scipy.spatial import cKDTree

        return np.asarray(cKDTree(self._ore).query(_centres(table))[0], dtype=np.float64)

    def _direction(self, quantity: NDArray[np.float64], is_ore: NDArray[np.bool_]) -> int:
        return -1


def _centres(table: WindowTable) -> NDArray[np.float64]:
    if table.row is None or table.col is None:
        raise DataError(
            "windows without row and col given; nearest-known needs the place of each: pass windows that "
            "were cut from a map"
        )
    return np.column_stack((table.row, table.col)).astype(np.float64) + 0.5 * table.size


class FaultScorer(_OneQuantity):
    """Mean of one fault channel alone: ``fault distance``, else ``faults``, else ``fault density``.

    Whether ore lies where there is more or less of it is learnt in the training part.
    """

    channel_: str

    def _prepare(self, table: WindowTable, is_ore: NDArray[np.bool_]) -> None:
        means = table.columns("mean")
        found = [name for name in FAULT_CHANNELS if name in means]
        if not found:
            raise DataError(
                f"windows with the channels {', '.join(table.channels)} given; fault-distance needs "
                f"{', '.join(FAULT_CHANNELS[:-1])} or {FAULT_CHANNELS[-1]}: add faults to the project or "
                "leave this baseline out"
            )
        self.channel_ = found[0]

    def _quantity(self, table: WindowTable) -> NDArray[np.float64]:
        return table.features[:, table.columns("mean")[self.channel_]]

    def learnt(self) -> dict[str, Any]:
        """Return the channel and its direction."""
        return {"channel": self.channel_, **super().learnt()}


class ElementScorer(_OneQuantity):
    """Mean of the one channel that tells ore from barren best in the training part, in either direction.

    The option ``elements`` names the channels to choose from; those that are not among the windows' channels,
    as the screening left them out, are passed over. Without it every number channel is a candidate. Of
    equally good ones the first is taken.
    """

    knobs = {"best-element": {"elements": texts()}}  # noqa: RUF012

    channel_: str
    auc_: float

    def _prepare(self, table: WindowTable, is_ore: NDArray[np.bool_]) -> None:
        means, wanted = table.columns("mean"), self.values["elements"]
        names = [name for name in means if wanted is None or name in wanted]
        if not names:
            asked = "no number channel" if wanted is None else f"none of {', '.join(wanted) or 'no element'}"
            raise DataError(
                f"windows with the channels {', '.join(table.channels)} given; best-element finds {asked} "
                "among them: pass the elements of the survey or leave this baseline out"
            )
        found = [auc(table.features[:, means[name]], is_ore) for name in names]
        best = int(np.argmax(np.abs(np.subtract(found, 0.5))))
        self.channel_, self.auc_ = names[best], max(found[best], 1 - found[best])

    def _quantity(self, table: WindowTable) -> NDArray[np.float64]:
        return table.features[:, table.columns("mean")[self.channel_]]

    def learnt(self) -> dict[str, Any]:
        """Return the channel, its direction and its AUC on the training windows, which is fitted."""
        return {"channel": self.channel_, "fitted_auc": self.auc_, **super().learnt()}


class SamplesScorer(_OneQuantity):
    """Number of samples in a window: people sample where they expect ore. The direction is learnt."""

    def _quantity(self, table: WindowTable) -> NDArray[np.float64]:
        if table.samples is None:
            raise DataError(
                "windows without a column 'samples' given; sample-density needs the number of samples in "
                "each: count them into the windows' table"
            )
        return table.samples.astype(np.float64)
