"""Weights of evidence: Bayes' rule on patterns that are there or not (Bonham-Carter et al. 1989).

With N unit cells, D of them with a deposit, B in the pattern and BD both:

    W+ = ln[P(pattern | deposit) / P(pattern | none)]        W- = the same of its absence
    C = W+ - W-          s(C)^2 = the sum of the inverse counts of the four kinds of cell

and the log odds of a deposit are those of the prior plus the weights of all patterns (Bonham-Carter 1994,
chapter 9), if the patterns are independent of each other given deposit, and given none.
"""

import warnings
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DesignWarning, UsageError
from gossan.models.tables import TableScorer, WindowTable
from gossan.models.tuning import above, whole

__all__ = ["EvidenceScorer", "Independence", "Pattern", "Weights", "independence", "posterior", "weights"]

Array = NDArray[np.float64]

#: Sums of weights up to this are told apart in a float64 score: 1 - 1 / (1 + e^30) is 1 - 9e-14.
LARGEST_SUM = 30.0


class Weights(NamedTuple):
    """Weights of one or many patterns, all of one shape.

    Attributes
    ----------
    plus, minus
        W+ and W-, natural logarithms.
    contrast
        C = W+ - W-; above 0 where deposits prefer the pattern.
    error
        s(C), above 0.
    studentised
        C / s(C).
    plus_variance, minus_variance
        s(W+)^2 and s(W-)^2.
    """

    plus: Array
    minus: Array
    contrast: Array
    error: Array
    studentised: Array
    plus_variance: Array
    minus_variance: Array


def weights(n: ArrayLike, d: ArrayLike, b: ArrayLike, bd: ArrayLike) -> Weights:
    """Weigh binary patterns.

    Parameters
    ----------
    n, d, b, bd
        Unit cells: all, with a deposit, in the pattern, and both; whole numbers that broadcast, with
        0 < d < n and the four kinds of cell not below 0.

    Returns
    -------
    the weights; where one of the four kinds of cell is 0 it counts as .5, so that all are finite.

    Raises
    ------
    UsageError
        For counts that contradict each other.

    Notes
    -----
    The cells have to be apart. Windows that overlap count one deposit and one piece of ground several times:
    the weights hardly move, but s(C) shrinks as if there were more deposits than anybody found.

    Examples
    --------
    >>> found = weights(n=1000, d=20, b=200, bd=12)
    >>> [round(float(x), 3) for x in found[:5]]
    [1.14, -0.703, 1.844, 0.464, 3.977]
    """
    n, d, b, bd = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (n, d, b, bd)))
    cells = np.stack([bd, b - bd, d - bd, n - b - d + bd])
    if (cells < 0).any() or (d <= 0).any() or (d >= n).any():
        raise UsageError(
            "counts of cells that contradict each other given; 0 < d < n, bd <= b, bd <= d and "
            "b + d - bd <= n are needed: count again"
        )
    both, pattern, deposit, neither = np.where(cells == 0, 0.5, cells)
    plus = np.log(both / (both + deposit)) - np.log(pattern / (pattern + neither))
    minus = np.log(deposit / (both + deposit)) - np.log(neither / (pattern + neither))
    plus_variance, minus_variance = 1 / both + 1 / pattern, 1 / deposit + 1 / neither
    error = np.sqrt(plus_variance + minus_variance)
    contrast = plus - minus
    return Weights(plus, minus, contrast, error, contrast / error, plus_variance, minus_variance)


def posterior(prior: float, total: ArrayLike) -> Array:
    """Return the probability of a deposit after a sum of weights.

    Parameters
    ----------
    prior
        Probability before, in (0, 1).
    total
        Sums of weights.

    Examples
    --------
    >>> posterior(0.02, [1.1403, -0.7033]).round(3)
    array([0.06, 0.01])
    """
    odds = np.log(prior / (1 - prior)) + np.asarray(total, dtype=np.float64)
    return np.asarray(1 / (1 + np.exp(-odds)))


@dataclass(frozen=True)
class Independence:
    """The test of Agterberg and Cheng (2002).

    Attributes
    ----------
    deposits, expected
        n, the cells with a deposit, and T, the sum of all posterior probabilities: equal when the patterns
        are conditionally independent, T above n when they say the same twice.
    error
        s(T), above 0.
    statistic
        (T - n) / s(T).
    p
        One-sided: probability of a statistic at least as large under conditional independence.
    """

    deposits: int
    expected: float
    error: float
    statistic: float
    p: float


def independence(present: NDArray[np.bool_], found: Weights, n_deposits: int) -> Independence:
    """Test whether the patterns are independent given the deposits (Agterberg and Cheng 2002).

    Cells with the same patterns form one condition k of N_k cells and probability P_k;
    s(P_k)^2 = P_k^2 [1 / n + sum of s(W)^2] (Bonham-Carter 1994) and s(T)^2 = sum of (N_k s(P_k))^2.

    Parameters
    ----------
    present
        Whether each cell is in each pattern, (cell, pattern).
    found
        The weights of these patterns, (pattern,).
    n_deposits
        Cells with a deposit, above 0 and under the number of cells.
    """
    from scipy.stats import norm

    conditions, cells = np.unique(present, axis=0, return_counts=True)
    total = np.where(conditions, found.plus, found.minus).sum(axis=1)
    chance = posterior(n_deposits / len(present), total)
    variance = np.where(conditions, found.plus_variance, found.minus_variance).sum(axis=1)
    error = float(np.sqrt(np.square(cells * chance).dot(1 / n_deposits + variance)))
    expected = float(cells @ chance)
    statistic = (expected - n_deposits) / error
    return Independence(n_deposits, expected, error, statistic, float(norm.sf(statistic)))


@dataclass(frozen=True)
class Pattern:
    """One binary pattern of a fitted scorer.

    Attributes
    ----------
    feature
        The summary that was cut.
    cut
        The pattern is where the summary is above this, in the Recipe's scale.
    plus, minus, contrast, studentised
        As in `Weights`; a negative contrast says that deposits avoid the pattern.
    """

    feature: str
    cut: float
    plus: float
    minus: float
    contrast: float
    studentised: float


class EvidenceScorer(TableScorer):
    """Weights of evidence on window summaries as a `Scorer`.

    The mean of every number channel and the share of every class channel is cut in two where the studentised
    contrast is largest, in either direction, among ``quantiles`` evenly spaced quantiles of the training
    areas; patterns whose C / s(C) is under ``critical`` in size are left out, and if none is left the best
    one is used. 1.96 is the two-sided 5 % point of a cut that was fixed beforehand (Bonham-Carter 1994 asks
    for about 2); the largest of many cuts passes it more often, so what passes is no discovery.

    Only areas are counted, as they do not overlap; all windows where the table does not number areas, or,
    with a warning, where its areas hold one class only. The prior is dropped from the score: it is the
    posterior for a prior of .5. Where many patterns could add up to more than 30, all sums are shrunk in
    proportion, since nearer to 1 a float64 could no longer order them.

    Attributes
    ----------
    patterns_
        The patterns in use, the strongest first.
    prior_
        Share of the counted cells that hold a deposit.
    counted_
        Number of cells counted.
    independence_
        The test of conditional independence.
    """

    knobs = {  # noqa: RUF012
        "weights-of-evidence": {"critical": above(1.96, 0), "quantiles": whole(9, 1, 99)}
    }
    tried = {  # noqa: RUF012
        "weights-of-evidence": (
            {"critical": 2.58},
            {"quantiles": 4},
            {"quantiles": 19},
            {"critical": 3.29},
            {"critical": 2.58, "quantiles": 4},
        )
    }

    patterns_: list[Pattern]
    prior_: float
    counted_: int
    independence_: Independence
    _columns: NDArray[np.intp]
    _cuts: Array
    _found: Weights
    _shrink: float

    def _fit(self, table: WindowTable, is_ore: NDArray[np.bool_]) -> None:
        cells = _cells(table, is_ore)
        labels = is_ore[cells]
        self.prior_, self.counted_ = float(labels.mean()), int(cells.sum())
        columns = np.array([*table.columns("mean").values(), *table.columns("share").values()], dtype=np.intp)
        values = table.features[cells][:, columns]
        cuts, found = _best_cuts(values, labels, int(self.values["quantiles"]))
        strength = np.abs(found.studentised)
        order = np.argsort(-strength, kind="stable")
        kept = order[: max(1, int(np.count_nonzero(strength >= self.values["critical"])))]
        self._columns, self._cuts = columns[kept], cuts[kept]
        self._found = Weights(*(part[kept] for part in found))
        largest = np.maximum(np.abs(self._found.plus), np.abs(self._found.minus)).sum()
        self._shrink = min(1.0, LARGEST_SUM / max(float(largest), LARGEST_SUM))
        self.independence_ = independence(
            values[:, kept] > self._cuts, self._found, int(np.count_nonzero(labels))
        )
        self.patterns_ = [
            Pattern(table.names[column], float(cut), *(float(part[i]) for part in self._shown()))
            for i, (column, cut) in enumerate(zip(self._columns, self._cuts, strict=True))
        ]

    def _shown(self) -> tuple[Array, ...]:
        found = self._found
        return found.plus, found.minus, found.contrast, found.studentised

    def _score(self, table: WindowTable) -> NDArray[np.float64]:
        present = table.features[:, self._columns] > self._cuts
        return posterior(
            0.5, self._shrink * np.where(present, self._found.plus, self._found.minus).sum(axis=1)
        )

    def learnt(self) -> dict[str, Any]:
        """Return prior, cells counted, patterns and the test of conditional independence."""
        return {
            "prior": self.prior_,
            "counted": self.counted_,
            "patterns": [asdict(pattern) for pattern in self.patterns_],
            "independence": asdict(self.independence_),
        }


def _cells(table: WindowTable, is_ore: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the windows to count."""
    everything = np.ones(len(table), dtype=bool)
    if table.number is None:
        return everything
    areas = np.asarray(table.number > 0)
    n_ore = int(np.count_nonzero(is_ore[areas]))
    if 0 < n_ore < np.count_nonzero(areas):
        return areas
    warnings.warn(
        f"{n_ore} of {np.count_nonzero(areas)} training areas hold ore; weights of evidence needs both: all "
        f"{len(table)} windows are counted, which overlap",
        DesignWarning,
        stacklevel=2,
    )
    return everything


def _best_cuts(
    values: NDArray[np.float64], labels: NDArray[np.bool_], quantiles: int
) -> tuple[Array, Weights]:
    """Cut each column (cell, column) where its studentised contrast is largest; return cuts and weights.

    A column that is flat, so that no cut parts it, has weights of 0 and loses to any other.
    """
    cuts = np.quantile(values, np.arange(1, quantiles + 1) / (quantiles + 1), axis=0, method="lower")
    inside = values > cuts[:, None]
    b, bd = inside.sum(axis=1), inside[:, labels].sum(axis=1)
    found = weights(len(values), np.count_nonzero(labels), b, bd)
    parted = (b > 0) & (b < len(values))
    best = np.argmax(np.where(parted, np.abs(found.studentised), -1.0), axis=0)
    at = (best, np.arange(values.shape[1]))
    flat = ~parted[at]
    chosen = Weights(*(np.where(flat, 0.0, part[at]) for part in found))
    return cuts[at], chosen
