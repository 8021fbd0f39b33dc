"""Scores of held-out areas, put on one scale within their own fold."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gossan.metrics._table import placed_among, ranks_within, read_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["area_placements", "fold_percentile"]

Array = NDArray[np.float64]


def area_placements(predictions: "pd.DataFrame") -> Array:
    """Give each row's placement among the barren rows of its own repeat and fold.

    Parameters
    ----------
    predictions
        Columns ``repeat, fold, number, score, vote, probability, is_ore, deposits, camp``: one row an area
        and repeat; deposits: held-out deposits in the area; camp: 0 where there is none. ``prevalence``, the
        share of ore where the row's model was trained, is read by `summarise` where it is there.

    Returns
    -------
    (n,) shares in [0, 1], NaN in rows without a held-out deposit.
    """
    table = read_table(predictions)
    return placed_among(table, table.repeat, table.fold)


def fold_percentile(predictions: "pd.DataFrame") -> Array:
    """Give each row's rank percentile within its repeat and fold, so that curves may pool folds.

    Scores of different folds come from different models. A rank percentile puts them on one scale: .9 means
    above nine tenths of the areas *of the same fold*. It takes folds for equally rich; a fold richer in ore
    than another loses that advantage.

    Parameters
    ----------
    predictions
        With columns ``repeat, fold, score``.

    Returns
    -------
    (n,) in (0, 1): (mean rank - .5) / areas in the fold; tied scores get one percentile.
    """
    keys = (predictions[name].to_numpy() for name in ("repeat", "fold"))
    return ranks_within(predictions["score"].to_numpy(dtype=np.float64), *keys)
