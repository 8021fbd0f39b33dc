"""Inside a training part: camps held out once more, to choose a configuration and to calibrate its scores.

Nothing here sees a test window of the outer fold. The elements are those that the outer training part's
screening kept, so inner scores are a little too good; what is chosen and calibrated by them is then tested on
the outer fold all the same.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.calibrate import Calibrator, fit_calibrator
from gossan.errors import DataError, DesignWarning
from gossan.metrics import folds_of
from gossan.split import Fold, spatial_folds

if TYPE_CHECKING:
    import pandas as pd

    from gossan.evaluate.fold import Ground

__all__ = ["InnerDesign", "Tuned", "choose", "inner_folds"]


@dataclass(frozen=True)
class InnerDesign:
    """How inner folds are made.

    Attributes
    ----------
    folds
        How many, 3 or more (0: none are made).
    block, dead_zone
        Pixels, those of the outer folds.
    """

    folds: int
    block: int
    dead_zone: int


@dataclass(frozen=True)
class Tuned:
    """What the inner folds of one training part say about one model.

    Attributes
    ----------
    options
        The configuration with the best mean AUC on inner camps; the first of equals.
    calibrator
        Of its scores.
    aucs
        Mean inner AUC of each configuration, NaN where it has none.
    note
        Why nothing was chosen or fitted, where it was not.
    """

    options: Mapping[str, Any]
    calibrator: Calibrator
    aucs: tuple[float, ...] = ()
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return {
            "options": dict(self.options),
            "calibrator": self.calibrator.to_dict(),
            "aucs": list(self.aucs),
            "note": self.note,
        }


@dataclass
class _Tally:
    """The inner scores of one configuration."""

    tables: "list[pd.DataFrame]" = field(default_factory=list)

    def auc(self) -> float:
        """Mean over inner folds of the AUC of their held-out deposits; folds without any do not count."""
        import pandas as pd

        found = [each["auc"] for each in folds_of(pd.concat(self.tables, ignore_index=True))]
        known = [value for value in found if value is not None]
        return float(np.mean(known)) if known else float("nan")


def inner_folds(
    ground: "Ground", index: NDArray[np.intp], design: InnerDesign, *, seed: Sequence[int]
) -> list[Fold]:
    """Split a training part in space, whole camps again; positions count within ``index``.

    Where the dead zone leaves too little, it is given up: blocks still share no pixel, but are neighbours.

    Parameters
    ----------
    index
        Positions of the training windows.
    seed
        Entropy of the blocks' origin.

    Returns
    -------
    (train, test) of each inner fold; none where the camps of the part allow no split.
    """
    windows = ground.windows.iloc[index]
    if not design.folds:
        return []
    for dead_zone in dict.fromkeys((design.dead_zone, 0)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DesignWarning)  # the design was judged as a whole
                return spatial_folds(
                    windows,
                    ground.is_ore[index],
                    camp=windows["camp"].to_numpy(),
                    folds=design.folds,
                    block=design.block,
                    dead_zone=dead_zone,
                    seed=seed,
                )
        except DataError:
            continue
    return []


def choose(
    candidates: Sequence[Mapping[str, Any]],
    scored: "Sequence[Sequence[pd.DataFrame]]",
    *,
    prevalence: float,
) -> Tuned:
    """Choose the configuration that finds inner camps best, and calibrate the scores it gave there.

    Parameters
    ----------
    candidates
        Configurations, the default first.
    scored
        For each configuration the predictions of every inner fold; empty where no inner fold could be made.
    prevalence
        Share of ore among the areas of the training part, in (0, 1).
    """
    import pandas as pd

    tallies = [_Tally([table for table in tables if len(table)]) for tables in scored]
    if not tallies or not tallies[0].tables:
        note = "no inner folds: the first configuration, and only the balancing undone"
        return Tuned(candidates[0], Calibrator(prevalence), note=note)
    aucs = tuple(tally.auc() for tally in tallies)
    best = int(np.argmax(np.nan_to_num(aucs, nan=-1.0)))
    inner = pd.concat(tallies[best].tables, ignore_index=True)
    calibrator = fit_calibrator(inner["score"], inner["is_ore"], prevalence=prevalence)
    return Tuned(candidates[best], calibrator, aucs)
