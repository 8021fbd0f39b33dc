"""How well scores find ore: pure functions of arrays, no fold is made and no file is read here.

The headline is the AUC of *held-out deposits within their own fold*, because scores of two folds come
from two models and are not on one scale. Its interval is clustered by camp, because deposits of one
camp are found or missed together; see `camp_interval`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan._scores import (
    Calibration,
    Curve,
    auc,
    average_precision,
    brier,
    calibration,
    capture,
    confusion,
    crossing,
    placements,
    prediction_rate,
    roc_curve,
    s_auc,
    z_auc,
)
from gossan.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Calibration",
    "Curve",
    "area_placements",
    "auc",
    "average_precision",
    "brier",
    "calibration",
    "camp_error",
    "camp_interval",
    "capture",
    "confusion",
    "crossing",
    "fold_percentile",
    "folds_of",
    "paired",
    "placements",
    "prediction_rate",
    "roc_curve",
    "s_auc",
    "summarise",
    "z_auc",
]

#: Camps below which no interval is given: the sandwich error of fewer clusters is far too small.
MIN_CAMPS = 8
#: What the sandwich error is multiplied with: it is too small for 8 to 30 clusters, and it does not see
#: that the barren windows are a sample too.
INFLATION = 1.25

Array = NDArray[np.float64]
Measures = dict[str, Any]

# ---- intervals clustered by camp


def camp_error(values: ArrayLike, camp: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Give the standard error of a weighted mean whose values hang together within camps.

    Sandwich estimate: residuals are summed within each camp, the sums squared and added; times 1.25.

    Parameters
    ----------
    values
        (n,), one a deposit or area.
    camp
        (n,) camp ids.
    weight
        (n,), such as the deposits in the area; 1 each without it.
    """
    value = np.asarray(values, dtype=np.float64)
    share = np.ones_like(value) if weight is None else np.asarray(weight, dtype=np.float64)
    share = share / share.sum()
    _, group = np.unique(np.asarray(camp), return_inverse=True)
    sums = np.bincount(group, weights=share * (value - share @ value))
    return float(INFLATION * np.sqrt(np.sum(sums**2)))


def camp_interval(
    estimate: float,
    values: ArrayLike,
    camp: ArrayLike,
    weight: ArrayLike | None = None,
    *,
    logit: bool = True,
) -> tuple[float, float] | None:
    """Give the 95 % interval of a mean, clustered by camp.

    Sandwich error x 1.25, t with camps - 1 degrees of freedom. Shares are handled on the logit scale
    throughout (delta method): around .5 that is nearly the plain interval; near 1 it stays inside and is
    longer on the side of .5, and no rule switches to another in between.

    Parameters
    ----------
    estimate
        The mean.
    values, camp, weight
        As for `camp_error`; repeats must be averaged before, since they add no independent deposit.
    logit
        False for quantities that are no share, such as differences.

    Returns
    -------
    (low, high), or None with fewer than 8 camps, or where the values do not vary (a perfect score): their
    sandwich error of 0 would claim certainty.
    """
    camps, error = len(np.unique(np.asarray(camp))), camp_error(values, camp, weight)
    if camps < MIN_CAMPS or error <= 1e-12:  # rounding of the mean leaves 1e-17
        return None
    reach = _t(0.975, camps - 1) * error
    if not logit:
        return estimate - reach, estimate + reach
    if not 0 < estimate < 1:
        return None
    centre, reach = np.log(estimate / (1 - estimate)), reach / (estimate * (1 - estimate))
    low, high = ((1 + np.tanh((centre + side * reach) / 2)) / 2 for side in (-1, 1))
    return float(low), float(high)


# ---- a table of predictions


def area_placements(predictions: "pd.DataFrame") -> Array:
    """Give each row's placement among the barren rows of its own repeat and fold.

    Parameters
    ----------
    predictions
        Columns ``repeat, fold, number, score, vote, probability, is_ore, deposits, camp``: one row an area
        and repeat; deposits: held-out deposits in the area; camp: 0 where there is none.

    Returns
    -------
    (n,) shares in [0, 1], NaN in rows without a held-out deposit.
    """
    table = _read(predictions)
    return _placed(table, table.repeat, table.fold)


def summarise(predictions: "pd.DataFrame") -> dict[str, Measures]:
    """Summarise one model's predictions as ``metrics.json`` does.

    `auc` is the mean over held-out deposits of their placement among the barren areas of the same repeat and
    fold, averaged over repeats; `auc_pooled` takes the barren areas of all folds of the repeat.
    `average_precision` is taken within folds and averaged over their ore areas. The others pool the areas of
    a repeat, at `vote` or of `probability`, and are averaged over repeats.

    Parameters
    ----------
    predictions
        As for `area_placements`.

    Returns
    -------
    One ``{"mean", "sd_folds", "sd_repeats", "ci95"}`` each for ``auc, auc_pooled, accuracy, recall_ore,
    f1_ore, f1_macro, f1_weighted, average_precision, brier, accuracy_all_barren, prevalence``; and
    ``counts``: camps, deposits, areas, ore_areas, repeats, folds. None where undefined. `ci95` is given for
    `auc` and `recall_ore` alone (others have no camp to cluster by); `sd_folds` (within a repeat, root mean
    square over repeats) and `sd_repeats` are no intervals.

    Raises
    ------
    UsageError
        If a column is missing.
    DataError
        If no held-out deposit or no barren area is there, a score is NaN or an ore area has no camp.
    """
    table = _read(predictions)
    placed, precision = _placed(table, table.repeat, table.fold), _precisions(table)
    pooled, ore = _placed(table, table.repeat), table.is_ore.astype(np.int64)
    summary = {
        "auc": _entry(table, lambda rows: _mean(placed, table.deposits, rows)),
        "auc_pooled": _entry(table, lambda rows: _mean(pooled, table.deposits, rows)),
        "average_precision": _entry(table, lambda rows: _mean(precision, ore, rows)),
    }
    for name in _pooled(table, np.ones(len(ore), dtype=bool)):
        summary[name] = _entry(table, partial(_pooled_one, table, name))
    for name, value, weight in (("auc", placed, table.deposits), ("recall_ore", 1.0 * table.vote, ore)):
        summary[name]["ci95"] = _area_interval(table, summary[name]["mean"], value, weight)
    summary["counts"] = {"repeats": len(np.unique(table.repeat)), "folds": len(np.unique(table.fold))}
    summary["counts"] |= _counts(table, np.unique(table.number, return_index=True)[1])
    return summary


def folds_of(predictions: "pd.DataFrame") -> list[Measures]:
    """List the measures of each repeat and fold.

    Parameters
    ----------
    predictions
        As for `area_placements`.

    Returns
    -------
    One dictionary a fold, by repeat and fold: ``repeat, fold, areas, ore_areas, deposits, camps``, and
    ``auc, average_precision, accuracy, ...`` as in `summarise`; None where undefined.
    """
    table = _read(predictions)
    placed, precision = _placed(table, table.repeat, table.fold), _precisions(table)
    return [
        {"repeat": int(repeat), "fold": int(fold)}
        | _counts(table, rows)
        | {"auc": _number(_mean(placed, table.deposits, rows))}
        | {"average_precision": _number(_mean(precision, table.is_ore.astype(np.int64), rows))}
        | {name: _number(value) for name, value in _pooled(table, rows).items()}
        for (repeat, fold), rows in _groups(table.repeat, table.fold)
    ]


def paired(a: "pd.DataFrame", b: "pd.DataFrame") -> Measures:
    """Compare two models on the same folds by their held-out deposits.

    Parameters
    ----------
    a, b
        Predictions of two models, as for `area_placements`, same areas, repeats and folds, any order.

    Returns
    -------
    ``difference`` of the AUCs (a - b), its ``ci95`` clustered by camp, and ``smallest_detectable``, the
    true difference that this design would tell from 0 at 5 % with a power of 80 %: (t_.975 + t_.8) times the
    error. The last two are None with fewer than 8 camps or without any variation.

    Raises
    ------
    DataError
        If the two do not hold the same areas, repeats, folds and deposits.
    """
    keys = ["repeat", "fold", "number", "camp"]
    first, second = (_read(each.sort_values(keys, kind="stable")) for each in (a, b))
    for name in (*keys, "deposits", "is_ore"):
        if not np.array_equal(getattr(first, name), getattr(second, name)):
            raise DataError(f"the two models' {name} differ; a pair needs the same areas: score both on them")
    gain = _placed(first, first.repeat, first.fold) - _placed(second, second.repeat, second.fold)
    value, camp, weight = _area_means(first, gain, first.deposits)
    entry = _entry(first, lambda rows: _mean(gain, first.deposits, rows))
    difference = float(entry["mean"])
    interval = camp_interval(difference, value, camp, weight, logit=False)
    smallest = None
    if interval is not None:
        degrees = len(np.unique(camp)) - 1
        smallest = (_t(0.975, degrees) + _t(0.8, degrees)) * camp_error(value, camp, weight)
    ci95 = None if interval is None else list(interval)
    return {"difference": difference, "ci95": ci95, "smallest_detectable": smallest}


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
    score = predictions["score"].to_numpy(dtype=np.float64)
    out = np.empty(len(score))
    for _, rows in _groups(predictions["repeat"].to_numpy(), predictions["fold"].to_numpy()):
        out[rows] = placements(score[rows], score[rows])
    return out


# ---- inside


@dataclass(frozen=True)
class _Table:
    """The columns of a table of predictions as arrays of one length."""

    repeat: NDArray[np.int64]
    fold: NDArray[np.int64]
    number: NDArray[np.int64]
    score: Array
    vote: NDArray[np.bool_]
    probability: Array
    is_ore: NDArray[np.bool_]
    deposits: NDArray[np.int64]
    camp: NDArray[np.int64]


def _read(predictions: "pd.DataFrame") -> _Table:
    kinds = {"score": np.float64, "probability": np.float64, "vote": np.bool_, "is_ore": np.bool_}
    names = list(_Table.__dataclass_fields__)
    if missing := [name for name in names if name not in predictions.columns]:
        raise UsageError(f"predictions lack the columns {missing}; they need {names}: add them")
    table = _Table(**{name: predictions[name].to_numpy(dtype=kinds.get(name, np.int64)) for name in names})
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


def _groups(*keys: NDArray[Any]) -> Iterator[tuple[Any, NDArray[np.bool_]]]:
    """Yield each value of one key (or tuple of several), sorted, with its rows."""
    values, group = np.unique(np.column_stack(keys), axis=0, return_inverse=True)
    for i, value in enumerate(values):
        yield (value if len(keys) > 1 else value[0]), group.ravel() == i


def _placed(table: _Table, *keys: NDArray[Any]) -> Array:
    """Place each area that holds deposits among the barren areas that share its keys; NaN elsewhere."""
    placed = np.full(len(table.score), np.nan)
    for _, rows in _groups(*keys):
        held = rows & (table.deposits > 0)
        if held.any():
            placed[held] = placements(table.score[held], table.score[rows & ~table.is_ore])
    return placed


def _precisions(table: _Table) -> Array:
    """Give every row its fold's average precision; NaN in folds of one class."""
    precision = np.full(len(table.score), np.nan)
    for _, rows in _groups(table.repeat, table.fold):
        if table.is_ore[rows].any() and not table.is_ore[rows].all():
            precision[rows] = average_precision(table.score[rows], table.is_ore[rows])
    return precision


def _pooled(table: _Table, rows: NDArray[np.bool_]) -> dict[str, float]:
    """Give the measures for which all rows count alike."""
    ore = table.is_ore[rows]
    return confusion(table.vote[rows], ore) | {
        "brier": brier(table.probability[rows], ore),
        "prevalence": float(np.mean(ore)),
    }


def _pooled_one(table: _Table, name: str, rows: NDArray[np.bool_]) -> float:
    return _pooled(table, rows)[name]


def _mean(value: Array, weight: NDArray[np.int64], rows: NDArray[np.bool_]) -> float:
    """Give the weighted mean over the rows that have a weight and a value, NaN without any."""
    used = rows & (weight > 0) & ~np.isnan(value)
    return float(np.average(value[used], weights=weight[used])) if used.any() else float("nan")


def _entry(table: _Table, measure: Callable[[NDArray[np.bool_]], float]) -> Measures:
    """Give the mean over repeats of a measure of rows, with its spreads; the caller fills in `ci95`."""
    repeats = np.array([measure(rows) for _, rows in _groups(table.repeat)])
    variances = []
    for _, rows in _groups(table.repeat):
        folds = np.array([measure(rows & fold) for _, fold in _groups(table.fold) if (rows & fold).any()])
        variances.append(_variance(folds))
    return {
        "mean": _number(repeats.mean()),
        "sd_folds": _number(np.sqrt(np.mean(variances))),
        "sd_repeats": _number(np.sqrt(_variance(repeats))),
        "ci95": None,
    }


def _variance(values: Array) -> float:
    defined = values[~np.isnan(values)]
    return float(np.var(defined, ddof=1)) if defined.size > 1 else float("nan")


def _area_means(
    table: _Table, value: NDArray[Any], weight: NDArray[np.int64]
) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """Average a value over the repeats of each area that has a weight: value, camp, weight."""
    used = weight > 0
    keys = np.column_stack([table.camp[used], table.number[used], weight[used]])
    areas, group = np.unique(keys, axis=0, return_inverse=True)
    group = group.ravel()
    return np.bincount(group, weights=value[used]) / np.bincount(group), areas[:, 0], areas[:, 2]


def _area_interval(
    table: _Table, estimate: float | None, value: NDArray[Any], weight: NDArray[np.int64]
) -> list[float] | None:
    mean, camp, share = _area_means(table, value, weight)
    interval = None if estimate is None or (camp <= 0).any() else camp_interval(estimate, mean, camp, share)
    return None if interval is None else list(interval)


def _counts(table: _Table, rows: NDArray[Any]) -> dict[str, int]:
    held = table.deposits[rows] > 0
    return {
        "areas": int(held.size),
        "ore_areas": int(table.is_ore[rows].sum()),
        "deposits": int(table.deposits[rows].sum()),
        "camps": len(np.unique(table.camp[rows][held])),
    }


def _t(share: float, degrees: int) -> float:
    """Give a quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, share))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
