"""Which elements tell ore from barren ground (section 3.2.1 (1) of the paper, equations 1 to 3, Table 2).

One support vector machine (SVM) an element, its AUC, and a test whether that AUC could be chance. Ore samples
lie in camps and element maps are smooth, so samples are not independent and equation 3 passes far too much:
the strict protocol moves the camps about instead, and asks how often ore at a random place does as well.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args
from warnings import warn

import numpy as np
from numpy.typing import NDArray

from gossan._nulls import Flags, Floats, Seed, moved_camps, null_patterns, ore_samples, sample_folds
from gossan.errors import DataError, DataWarning, DesignWarning, UsageError
from gossan.metrics import auc, placements, s_auc, z_auc

if TYPE_CHECKING:
    import pandas as pd

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
#: Null patterns as good as the tested one after which an element is given up (Besag and Clifford 1991).
ENOUGH = 20
#: Difference of two AUCs far above rounding and far below one pair of samples.
_SURE = 1e-9
#: What stands in the row of an element that cannot be tested.
UNTESTED = dict.fromkeys(("auc", "s_auc", "z_auc"), math.nan) | {"p": 1.0, "drawn": 0, "null_draws": 0}

Protocol = Literal["strict", "paper"]


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
    return max(499, math.ceil(2 * elements / level))


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
    with the SVM, and only pairs of one fold are compared. p compares the statistic of the first draw with
    that of the null patterns under the same draw: one random order of all samples, from which each
    pattern takes its first ore and barren samples. A null pattern never draws more samples than the
    tested one, so its AUC scatters at least as much, and one that cannot be scored counts as better:
    where the tested pattern is one of the null's kind, p is exact or conservative. Patterns are taken in
    the order given until 20 have reached the tested AUC; then p = 20 / patterns taken, else (reached + 1)
    / (patterns + 1), a valid p value (Besag and Clifford 1991) that spends no time on hopeless elements:
    a pattern costs about 5 ms. Kept: Benjamini-Hochberg over elements at `level`. `critical` has no
    effect.

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
    taken). auc is the mean over draws, s_auc and z_auc are the paper's for ``drawn`` samples a class;
    z_auc is NaN where the AUC is 0 or 1. direction is ``enriched`` or ``depleted`` in ore (Mann-Whitney
    over all samples), ``none`` where they tie. An element that cannot be tested (a class has fewer than 2
    samples with a value, it is constant, its ore samples lie in one fold) is not kept, has p = 1, no AUC
    and nothing drawn; a warning counts them. If nothing passes, all that were tested are kept, with a
    warning, and ``attrs["note"]`` says so; else it is empty.

    Raises
    ------
    UsageError
        If shapes or options do not fit, or strict gets no `folds`, no `null` or too few patterns.
    DataError
        If no element can be tested.
    """
    import pandas as pd
    import sklearn

    ore, strict = np.asarray(is_ore, dtype=bool), protocol == "strict"
    _check(values, ore, protocol, draws)
    fold, moved = _check_strict(values, folds, null, level) if strict else (ore, ore)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    orders = [rng.permutation(ore.size) for _ in range(draws if strict else 1)]
    rows, faults = [], []
    # scikit-learn's checks of a call cost more than the SVM of 160 values
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        for name, column in values.items():
            value = column.to_numpy(dtype=np.float64)
            row = _describe(str(name), value, ore)
            try:
                _check_element(row, value)
                row |= _strict(value, ore, orders, fold, moved) if strict else _paper(value, ore, orders[0])
            except DataError as fault:
                faults.append(f"{name}: {fault}")
                row |= UNTESTED
            rows.append(row)
    _report(faults, len(rows))
    table = pd.DataFrame(rows)
    passed = _discoveries(table["p"].to_numpy(), level) if strict else table["z_auc"].gt(critical).to_numpy()
    rule = f"at a false discovery rate of {level:g}" if strict else f"with Z above {critical:g}"
    return _keep(table, passed | (not strict) & table["auc"].eq(1).to_numpy(), rule)


def _keep(table: "pd.DataFrame", passed: Flags, rule: str) -> "pd.DataFrame":
    note = "" if passed.any() else f"no element of {len(table)} passes {rule}; all that were tested are kept"
    if note:
        warn(f"{note}: look at the ore distance and the number of samples", DesignWarning, stacklevel=3)
    table["keep"] = passed if passed.any() else table["drawn"].gt(0)
    first = ["element", "auc", "s_auc", "z_auc", "p", "direction", "keep"]
    table = table[first + [name for name in table.columns if name not in first]]
    table.attrs["note"] = note
    return table


def _describe(name: str, value: Floats, ore: Flags) -> dict[str, Any]:
    """Count an element's samples and tell its direction."""
    there = np.isfinite(value)
    n_ore, n_barren = int(np.sum(there & ore)), int(np.sum(there & ~ore))
    higher = auc(value[there], ore[there]) if n_ore and n_barren else 0.5
    return {
        "element": name,
        "direction": "enriched" if higher > 0.5 else "depleted" if higher < 0.5 else "none",
        "n_ore": n_ore,
        "n_barren": n_barren,
        "missing": int(np.sum(~there)),
        "drawn": min(DRAWN, n_ore, n_barren),
    }


def _check_element(row: dict[str, Any], value: Floats) -> None:
    if row["drawn"] < 2:
        raise DataError(
            f"it has {row['n_ore']} ore and {row['n_barren']} barren samples with a value, "
            "each must be at least 2: leave it out or widen the ore distance"
        )
    if np.ptp(value[np.isfinite(value)]) == 0:
        raise DataError("it is constant, it must vary: leave it out")


def _report(faults: Sequence[str], elements: int) -> None:
    if len(faults) == elements:
        raise DataError(f"none of {elements} elements can be screened; {faults[0]}")
    if faults:
        message = f"{len(faults)} of {elements} elements cannot be screened and are not kept; {faults[0]}"
        warn(message, DataWarning, stacklevel=3)


def _strict(
    value: Floats, ore: Flags, orders: Sequence[NDArray[np.int64]], fold: NDArray[Any], null: Flags
) -> dict[str, Any]:
    there = np.isfinite(value)
    drawn = min(DRAWN, int(np.sum(there & ore)), int(np.sum(there & ~ore)))
    areas = np.array([_fold_auc(value, fold, *_draw(order[there[order]], ore, drawn)) for order in orders])
    if np.isnan(areas[0]):
        held, folds = len(np.unique(fold[ore & there])), len(np.unique(fold))
        raise DataError(
            f"its ore samples lie in {held} of {folds} folds, a draw needs both classes in at least 2: "
            "use fewer folds or smaller blocks"
        )
    order = orders[0][there[orders[0]]]
    reached = taken = 0
    for pattern in null:
        area = _fold_auc(value, fold, *_draw(order, pattern, drawn), float(areas[0]))
        reached, taken = reached + (not area < areas[0]), taken + 1  # NaN counts as reached
        if reached == ENOUGH:
            break
    p = reached / taken if reached == ENOUGH else (reached + 1) / (taken + 1)
    return _hanley(float(np.nanmean(areas)), drawn) | {"p": p, "null_draws": taken}


def _paper(value: Floats, ore: Flags, order: NDArray[np.int64]) -> dict[str, Any]:
    there = np.isfinite(value)
    drawn = min(DRAWN, int(np.sum(there & ore)), int(np.sum(there & ~ore)))
    rows, labels = _draw(order[there[order]], ore, drawn)
    labelled = _decision(value[rows], labels, value[rows]) > 0
    row = _hanley(auc(labelled, labels), drawn)
    return row | {"p": math.erfc(abs(row["z_auc"]) / math.sqrt(2)), "null_draws": 0}


def _hanley(area: float, drawn: int) -> dict[str, float]:
    z = z_auc(area, drawn, drawn) if 0 < area < 1 else math.nan
    return {"auc": area, "s_auc": s_auc(area, drawn, drawn), "z_auc": z}


def _draw(order: NDArray[np.int64], ore: Flags, drawn: int) -> tuple[NDArray[np.int64], Flags]:
    """Take the first ore and as many barren samples of an order: their rows and labels."""
    labels = ore[order]
    first, second = np.flatnonzero(labels), np.flatnonzero(~labels)
    size = min(drawn, first.size, second.size)
    taken = np.concatenate([first[:size], second[:size]])
    return order[taken], labels[taken]


def _fold_auc(
    value: Floats, fold: NDArray[Any], rows: NDArray[np.int64], ore: Flags, limit: float | None = None
) -> float:
    """Give the share of (ore, barren) pairs of one fold that an SVM of the other folds orders rightly.

    Where a limit is given, only on which side of it the share lies: folds that cannot change that are left
    out, and with them a third of the SVMs.
    """
    value, fold = value[rows], fold[rows]
    every: list[float] = np.bincount(fold).tolist()
    found: list[float] = np.bincount(fold, ore).tolist()
    barren = [whole - of_ore for whole, of_ore in zip(every, found, strict=True)]
    counts = {  # of folds that hold both classes, as do the others
        one: here * rest
        for one, (here, rest) in enumerate(zip(found, barren, strict=True))
        if 0 < here < sum(found) and 0 < rest < sum(barren)
    }
    pairs = left = sum(counts.values())
    right = 0.0
    for one, count in counts.items():
        test = fold == one
        here, rest = ore[test], ~test
        score = _decision(value[rest], ore[rest], value[test])
        right += float(placements(score[here], score[~here]).sum()) * barren[one]
        left -= count
        if limit is not None and right > (limit + _SURE) * pairs:
            return right / pairs
        if limit is not None and right + left < (limit - _SURE) * pairs:
            return (right + left) / pairs
    return right / pairs if pairs else math.nan


#: Places of the support vectors (n,), their weights (n,) and the intercept, of a kernel (values, values) and
#: labels (values,), ore above 0.
_Solve = Callable[[Floats, Floats], tuple[NDArray[np.int32], Floats, float]]


@cache
def _solver() -> _Solve:
    """Choose what fits the SVM: the libsvm inside scikit-learn, or the SVC around it.

    The SVC does much around a fit of so few values, and the fits are tens of thousands. Both give the same
    bits.
    """
    try:
        _libsvm(np.eye(2), np.array([0.0, 1.0]))
    except (ImportError, AttributeError, TypeError, ValueError):  # it is no part of what they promise
        return _svc
    return _libsvm


def _libsvm(kernel: Floats, ore: Floats) -> tuple[NDArray[np.int32], Floats, float]:
    from sklearn.svm import _libsvm as libsvm

    libsvm.set_verbosity_wrap(0)  # left alone, it prints
    support, _, _, weights, intercept, *_ = libsvm.fit(
        kernel, ore, svm_type=0, kernel="precomputed", C=1.0, class_weight=np.ones(2)
    )
    return support, -weights[0], -float(intercept[0])  # its first class is above 0


def _svc(kernel: Floats, ore: Floats) -> tuple[NDArray[np.int32], Floats, float]:
    from sklearn.svm import SVC

    machine = SVC(kernel="precomputed", C=1.0).fit(kernel, ore > 0)
    return machine.support_, machine.dual_coef_[0], float(machine.intercept_[0])


def _decision(value: Floats, ore: Flags, at: Floats) -> Floats:
    """Fit the SVM to standardised values and give its decision function elsewhere, ore above 0."""
    centre = value.sum() / value.size
    centred = value - centre
    scale = math.sqrt((centred * centred).sum() / value.size)
    if scale == 0:
        return np.zeros(at.size)
    known = centred / scale
    support, weights, intercept = _solver()(_kernel(known, known), ore.astype(np.float64))
    # the sum over support vectors itself: a tenth of the time of decision_function, and the same to 1e-14
    return np.asarray(_kernel((at - centre) / scale, known[support]) @ weights + intercept)


def _kernel(left: Floats, right: Floats) -> Floats:
    """Give the Gaussian kernel (left, right) of standardised values, of whose variance "scale" is 1 over.

    All at once, and given to libsvm: to find the same values one by one takes it longer.
    """
    kernel = left[:, None] - right
    np.multiply(kernel, kernel, out=kernel)
    return np.exp(np.negative(kernel, out=kernel), out=kernel)


def _discoveries(p: Floats, level: float) -> Flags:
    """Tell which p values pass Benjamini and Hochberg (1995)."""
    order = np.argsort(p)
    fine = np.flatnonzero(p[order] <= level * np.arange(1, p.size + 1) / p.size)
    passed = np.zeros(p.size, dtype=bool)
    passed[order[: fine[-1] + 1 if fine.size else 0]] = True
    return passed


def _check(values: "pd.DataFrame", ore: Flags, protocol: str, draws: int) -> None:
    if protocol not in get_args(Protocol):
        raise UsageError(f'protocol "{protocol}" is given; it must be "strict" or "paper": choose one')
    if ore.shape != (len(values),) or not len(values.columns):
        raise UsageError(
            f"is_ore of shape {ore.shape} and values of shape {values.shape} are given; they must be "
            "(samples,) and (samples, elements): pass one row a sample and at least 1 element"
        )
    if draws < 1:
        raise UsageError(f"{draws} draws are given; there must be at least 1: raise draws")


def _check_strict(
    values: "pd.DataFrame", folds: NDArray[np.int64] | None, null: Flags | None, level: float
) -> tuple[NDArray[Any], Flags]:
    if folds is None or null is None:
        lack = " and ".join(name for name, given in (("folds", folds), ("null", null)) if given is None)
        raise UsageError(f'strict screening is given no {lack}; pass them, or protocol = "paper"')
    if not 0 < level < 1:
        raise UsageError(f"level {level:g} is given; it must lie in (0, 1): .05 is usual")
    fold = np.unique(folds, return_inverse=True)[1]
    moved = np.asarray(null, dtype=bool)
    rows, elements = values.shape
    if fold.shape != (rows,) or moved.ndim != 2 or moved.shape[1] != rows:
        raise UsageError(
            f"folds of shape {fold.shape} and null of shape {moved.shape} are given; they must be ({rows},) "
            f"and (draws, {rows}): make them for these samples"
        )
    if len(moved) < (least := needed_draws(elements, level)):
        raise UsageError(
            f"{len(moved)} null patterns are given; {elements} elements at level {level:g} need {least} "
            "or more: draw more"
        )
    if weak := int(np.sum(moved.sum(axis=1) < 2)):
        warn(
            f"{weak} of {len(moved)} null patterns hold fewer than 2 ore samples, which makes p larger",
            DesignWarning,
            stacklevel=3,
        )
    return fold, moved
