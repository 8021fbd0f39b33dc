"""Which elements tell ore from barren ground (section 3.2.1 (1) of the paper, equations 1 to 3, Table 2).

One support vector machine (SVM) an element, its AUC, and a test whether that AUC could be chance. Ore samples
lie in camps and element maps are smooth, so samples are not independent and equation 3 passes far too much:
the strict protocol moves the camps about instead, and asks how often ore at a random place does as well.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args
from warnings import warn

import numpy as np
from numpy.typing import NDArray

from gossan.errors import DataError, DataWarning, DesignWarning, UsageError
from gossan.grid import centres, pixel_index, resolution_of
from gossan.metrics import auc, placements, s_auc, z_auc
from gossan.survey import find_camps

if TYPE_CHECKING:
    import pandas as pd
    from odc.geo.geobox import GeoBox

__all__ = [
    "ScreenSettings",
    "moved_camps",
    "needed_draws",
    "null_patterns",
    "ore_samples",
    "sample_folds",
    "screen_elements",
]

#: Samples a class in a balanced draw: what the paper's Table 2 was made with, and what keeps an SVM cheap.
DRAWN = 122
#: Null patterns at least as good as the tested one after which an element is given up (Besag and Clifford 1991).
ENOUGH = 20

Protocol = Literal["strict", "paper"]
Seed = int | Sequence[int]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class ScreenSettings:
    """``[screen]``: which elements are kept (S1).

    Attributes
    ----------
    enabled
        False keeps every element.
    ore_distance
        Metres, above 0: samples this near to a deposit are ore. None: derived from the sample spacing.
    critical
        Above 0; Z from which the paper's rule keeps an element. 2.58 is two-sided 1 %.
    level
        In (0, 1); false discovery rate of the strict rule (Benjamini-Hochberg).
    draws
        At least 1; balanced draws of samples that the reported AUC is averaged over.
    null_draws
        Moved patterns, at least max(499, 2 x elements / level). None: exactly that many.
    folds
        At least 2; spatial folds of samples that the SVM is tested on.
    """

    enabled: bool = True
    ore_distance: float | None = None
    critical: float = 2.58
    level: float = 0.05
    draws: int = 10
    null_draws: int | None = None
    folds: int = 3


def needed_draws(elements: int, level: float) -> int:
    """Give the null patterns that the strict rule needs: max(499, 2 x elements / level).

    With fewer, the smallest p value possible would not pass Benjamini-Hochberg alone.
    """
    return max(499, math.ceil(2 * elements / level - 1e-9))  # 2 * 16 / .05 is a hair above 640


# ---- the screen


def screen_elements(
    values: "pd.DataFrame",
    is_ore: Flags,
    *,
    folds: NDArray[np.int64] | None = None,
    null: Flags | None = None,
    critical: float = 2.58,
    level: float = 0.05,
    draws: int = 10,
    protocol: Protocol = "strict",
    seed: Seed = 0,
) -> "pd.DataFrame":
    """Test each element for a difference between ore and barren samples.

    Both protocols fit a scikit-learn ``SVC`` (RBF kernel, C = 1, ``gamma = "scale"``) to the one standardised
    value of an element, on a balanced draw of at most 122 ore and as many barren samples.

    *strict*: the statistic is the AUC of the decision function out of `folds`; centre and scale are learnt
    with the SVM, and only pairs of one fold are compared. p compares the statistic of the first draw with that
    of the null patterns under the same draw: one random order of all samples, from which each pattern takes
    its first ore and barren samples. A null pattern never draws more samples than the tested one, so its AUC
    scatters at least as much, and one that cannot be scored counts against the element: where the tested
    pattern is one of the null's kind, p is exact or conservative. Patterns are taken in the order given until
    20 have reached the tested AUC; then p = 20 / patterns taken, else (reached + 1) / (patterns + 1), a valid
    p value (Besag and Clifford 1991) that spends no time on hopeless elements. Kept: Benjamini-Hochberg over
    elements at `level`. `critical` has no effect.

    *paper*: hard labels of an SVM scored on its own training samples, one draw, kept where Z > `critical`;
    p is two-sided normal. On pure noise it passes far more than its nominal 1 %. `folds`, `null`, `level` and
    `draws` have no effect.

    Parameters
    ----------
    values
        (samples x elements), transformed (an RBF kernel needs values of one scale, so logarithms); NaN or
        infinite = missing: left out for that element and counted.
    is_ore
        (n,) bool; samples near a deposit.
    folds
        (n,) fold ids, as of `sample_folds`.
    null
        (draws, n) bool; patterns of moved camps, as of `null_patterns`, at least `needed_draws`.
    critical, level, draws
        As in `ScreenSettings`.
    seed
        Same seed, same table.

    Returns
    -------
    A row an element: ``element, auc, s_auc, z_auc, p, direction, keep``, then ``n_ore, n_barren, missing``
    (samples with and without a value), ``drawn`` (samples a class in a draw) and ``null_draws`` (patterns
    taken). auc is the mean over draws, s_auc and z_auc are the paper's for ``drawn`` samples a class; z_auc is
    NaN where the AUC is 0 or 1. direction is ``enriched`` or ``depleted`` in ore (Mann-Whitney over all
    samples), ``none`` where they tie. If nothing passes, everything is kept, with a warning, and
    ``attrs["note"]`` says so; else it is empty.

    Raises
    ------
    UsageError
        If shapes or options do not fit, or strict gets no `folds`, no `null` or too few patterns.
    DataError
        If a class has fewer than 2 samples with a value, an element is constant, or the ore samples lie in one
        fold only.
    """
    import pandas as pd
    import sklearn

    ore = np.asarray(is_ore, dtype=bool)
    _check(values, ore, draws, protocol)
    test = _check_strict(values, folds, null, level) if protocol == "strict" else None
    rng = np.random.default_rng(_sequence(seed))
    orders = np.array([rng.permutation(len(ore)) for _ in range(draws if test else 1)])
    rows = []
    # the checks of a call cost more than the SVM of 160 values
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        for element in values.columns:
            value = values[element].to_numpy(dtype=np.float64)
            rows.append(_describe(str(element), value, ore) | _score(value, ore, orders, test))
    table = pd.DataFrame(rows)
    limit = np.inf if test else critical
    passed = _discoveries(table["p"].to_numpy(), level) if test else _above(table, limit)
    return _keep(table, passed, f"at false discovery rate {level:g}" if test else f"with Z above {critical:g}")
