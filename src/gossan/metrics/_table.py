"""A table of predictions as arrays, and what all its measures need."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.errors import DataError, UsageError
from gossan.metrics.scores import placements

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Table", "groups", "placed_among", "ranks_within", "read_table"]

_COLUMNS = ("repeat", "fold", "number", "score", "vote", "probability", "is_ore", "deposits", "camp")
_KINDS = {"score": np.float64, "probability": np.float64, "vote": np.bool_, "is_ore": np.bool_}

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """The columns of a table of predictions as arrays of one length.

    `prevalence` is the share of ore where the row's model was trained, or of the repeat where that is not
    given.
    """

    repeat: NDArray[np.int64]
    fold: NDArray[np.int64]
    number: NDArray[np.int64]
    score: Array
    vote: NDArray[np.bool_]
    probability: Array
    is_ore: NDArray[np.bool_]
    deposits: NDArray[np.int64]
    camp: NDArray[np.int64]
    prevalence: Array


def read_table(predictions: "pd.DataFrame") -> Table:
    """Read a table of predictions; a missing column, deposit, barren area or camp is refused."""
    if missing := [name for name in _COLUMNS if name not in predictions.columns]:
        raise UsageError(f"predictions lack the columns {missing}; they need {list(_COLUMNS)}: add them")
    columns = {name: predictions[name].to_numpy(dtype=_KINDS.get(name, np.int64)) for name in _COLUMNS}
    table = Table(**columns, prevalence=_base(predictions, columns["repeat"], columns["is_ore"]))
    held = table.deposits > 0
    without = set(table.repeat) - set(table.repeat[held])
    if without or not held.any() or table.is_ore.all():
        raise DataError(
            f"{int(table.deposits.sum())} held-out deposits, {int((~table.is_ore).sum())} barren areas; "
            "each repeat needs 1 of both: use other folds"
        )
    if lost := int((held & (table.camp <= 0)).sum()):
        raise DataError(f"{lost} areas with held-out deposits lack a camp; ids start at 1: number them")
    if odd := int((held & ~table.is_ore).sum()):
        raise DataError(f"{odd} areas hold deposits but are not ore; a deposit makes ore: correct is_ore")
    return table


def _base(predictions: "pd.DataFrame", repeat: NDArray[Any], is_ore: NDArray[Any]) -> Array:
    if "prevalence" in predictions.columns:
        return predictions["prevalence"].to_numpy(dtype=np.float64)
    base = np.empty(len(repeat))
    for _, rows in groups(repeat):
        base[rows] = is_ore[rows].mean()
    return base


def groups(*keys: NDArray[Any]) -> Iterator[tuple[Any, NDArray[np.bool_]]]:
    """Yield each value of one key (or tuple of several), sorted, with its rows."""
    values, group = np.unique(np.column_stack(keys), axis=0, return_inverse=True)
    for i, value in enumerate(values):
        yield (value if len(keys) > 1 else value[0]), group.ravel() == i


def placed_among(table: Table, *keys: NDArray[Any]) -> Array:
    """Place each area that holds deposits among the barren areas that share its keys; NaN elsewhere."""
    placed = np.full(len(table.score), np.nan)
    for _, rows in groups(*keys):
        held = rows & (table.deposits > 0)
        if held.any():
            placed[held] = placements(table.score[held], table.score[rows & ~table.is_ore])
    return placed


def ranks_within(score: Array, *keys: NDArray[Any]) -> Array:
    """Give each score's rank percentile among the rows that share its keys, (mean rank - .5) / rows."""
    out = np.empty(len(score))
    for _, rows in groups(*keys):
        out[rows] = placements(score[rows], score[rows])
    return out
