"""What ``metrics.json`` says of a model's predictions."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.errors import DataError
from gossan.metrics._table import Table, groups, placed_among, ranks_within, read_table
from gossan.metrics.curves import capture, ground_rank, mean_log_rank, prediction_area, prediction_rate
from gossan.metrics.intervals import MIN_CAMPS, camp_error, camp_interval, capture_intervals, student
from gossan.metrics.probability import (
    EDGE,
    brier,
    brier_skill,
    calibration,
    calibration_line,
    expected_observed,
)
from gossan.metrics.scores import average_precision, confusion

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["folds_of", "headline", "paired", "summarise"]

#: Camps below which a result is called weak.
FEW_CAMPS = 12
#: Shares of the ground at which what was found is stated.
_SHARES = (0.05, 0.1, 0.2)
#: The draws of camps are the same for every model and run, so that equal predictions get equal intervals.
_SEED = 8

Array = NDArray[np.float64]
Rows = NDArray[np.bool_]
Measures = dict[str, Any]


def summarise(predictions: "pd.DataFrame") -> dict[str, Measures]:
    """Summarise one model's predictions as ``metrics.json`` does.

    `auc` is the mean over held-out deposits of their placement among the barren areas of the same repeat and
    fold, averaged over repeats; `auc_pooled` takes the barren areas of all folds of the repeat.
    `average_precision` is taken within folds and averaged over their ore areas. The others pool the areas of
    a repeat and are averaged over repeats: at `vote`, of `probability`, or by rank within the fold
    (`fold_percentile`), every area counting as ground alike.

    Parameters
    ----------
    predictions
        As for `area_placements`; with ``prevalence`` that is the rival of `brier_skill`, else the share of
        ore in the repeat.

    Returns
    -------
    One ``{"mean", "sd_folds", "sd_repeats", "ci95"}`` each; None where undefined:

    - ``auc, auc_pooled, average_precision``;
    - at the vote ``accuracy, recall_ore, f1_ore, f1_macro, f1_weighted, accuracy_all_barren``;
    - of the probability ``brier, brier_skill, calibration_slope, calibration_intercept, expected_observed,
      ece`` (see `calibration_line` and `calibration`);
    - by rank ``mean_log_rank, capture_5, capture_10, capture_20`` (share of held-out deposits in the best 5,
      10 and 20 % of the ground), ``nd, ln_nd`` (`prediction_area`) and ``lift_10`` (share of ore in the best
      10 % over `prevalence`, ties in proportion);
    - ``prevalence``.

    ``counts``: camps, deposits, areas, ore_areas, repeats, folds, ``clipped`` (probabilities within 1e-6 of 0
    or 1, moved for the calibration line) and ``verdict``: "not enough to evaluate" with fewer than 8 camps,
    "weak: fewer than 12 camps", or "". `ci95` is given for `auc`, `recall_ore` and `mean_log_rank`
    (`camp_interval`) and for captures (`capture_intervals`, 2,000 draws, fixed seed), and for none with fewer
    than 8 camps; the others have no camp to cluster by. `sd_folds` (within a repeat, root mean square over
    repeats) and `sd_repeats` are no intervals.

    Raises
    ------
    UsageError
        If a column is missing.
    DataError
        If no held-out deposit or no barren area is there, a score is NaN or an ore area has no camp.
    """
    table = read_table(predictions)
    placed, precision = placed_among(table, table.repeat, table.fold), _precisions(table)
    pooled, ore = placed_among(table, table.repeat), table.is_ore.astype(np.int64)
    rank = ranks_within(table.score, table.repeat, table.fold)

    def measure(rows: Rows) -> dict[str, float]:
        first = {
            "auc": _mean(placed, table.deposits, rows),
            "auc_pooled": _mean(pooled, table.deposits, rows),
            "average_precision": _mean(precision, ore, rows),
        }
        return first | _pooled(table, rows) | _calibrated(table, rows) | _ranked(table, rank, rows)

    summary = _entries(table, measure)
    for name, value, weight in (("auc", placed, table.deposits), ("recall_ore", 1.0 * table.vote, ore)):
        summary[name]["ci95"] = _area_interval(table, summary[name]["mean"], value, weight)
    _rank_intervals(table, rank, summary)
    summary["counts"] = {"repeats": len(np.unique(table.repeat)), "folds": len(np.unique(table.fold))}
    summary["counts"] |= _counts(table, np.unique(table.number, return_index=True)[1])
    summary["counts"]["clipped"] = int(np.sum(np.abs(table.probability - 0.5) > 0.5 - EDGE))
    summary["counts"]["verdict"] = _verdict(summary["counts"]["camps"])
    return summary


def headline(predictions: "pd.DataFrame") -> dict[str, float | None]:
    """Give the first measures alone: those of `summarise` that the paper's tables and ours share.

    Parameters
    ----------
    predictions
        As for `area_placements`.

    Returns
    -------
    ``auc, average_precision, accuracy, recall_ore, f1_ore, f1_macro, f1_weighted, accuracy_all_barren``, the
    ``mean`` of each as in `summarise`; None where undefined.
    """
    table = read_table(predictions)
    placed, precision = placed_among(table, table.repeat, table.fold), _precisions(table)
    found = []
    for _, rows in groups(table.repeat):
        measured = {
            "auc": _mean(placed, table.deposits, rows),
            "average_precision": _mean(precision, table.is_ore.astype(np.int64), rows),
        }
        found.append(measured | confusion(table.vote[rows], table.is_ore[rows]))
    return {name: _number(float(np.mean([each[name] for each in found]))) for name in found[0]}


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
    table = read_table(predictions)
    placed, precision = placed_among(table, table.repeat, table.fold), _precisions(table)
    return [
        {"repeat": int(repeat), "fold": int(fold)}
        | _counts(table, rows)
        | {"auc": _number(_mean(placed, table.deposits, rows))}
        | {"average_precision": _number(_mean(precision, table.is_ore.astype(np.int64), rows))}
        | {name: _number(value) for name, value in _pooled(table, rows).items()}
        for (repeat, fold), rows in groups(table.repeat, table.fold)
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
    first, second = (read_table(each.sort_values(keys, kind="stable")) for each in (a, b))
    for name in (*keys, "deposits", "is_ore"):
        if not np.array_equal(getattr(first, name), getattr(second, name)):
            raise DataError(f"the two models' {name} differ; a pair needs the same areas: score both on them")
    gain = placed_among(first, first.repeat, first.fold) - placed_among(second, second.repeat, second.fold)
    value, camp, weight = _area_means(first, gain, first.deposits)
    difference = float(np.mean([_mean(gain, first.deposits, rows) for _, rows in groups(first.repeat)]))
    interval = camp_interval(difference, value, camp, weight, logit=False)
    smallest = None
    if interval is not None:
        degrees = len(np.unique(camp)) - 1
        smallest = (student(0.975, degrees) + student(0.8, degrees)) * camp_error(value, camp, weight)
    ci95 = None if interval is None else list(interval)
    return {"difference": difference, "ci95": ci95, "smallest_detectable": smallest}


# ---- inside


def _precisions(table: Table) -> Array:
    """Give every row its fold's average precision; NaN in folds of one class."""
    precision = np.full(len(table.score), np.nan)
    for _, rows in groups(table.repeat, table.fold):
        if table.is_ore[rows].any() and not table.is_ore[rows].all():
            precision[rows] = average_precision(table.score[rows], table.is_ore[rows])
    return precision


def _pooled(table: Table, rows: Rows) -> dict[str, float]:
    """Give the measures for which all rows count alike."""
    ore = table.is_ore[rows]
    return confusion(table.vote[rows], ore) | {
        "brier": brier(table.probability[rows], ore),
        "prevalence": float(np.mean(ore)),
    }


def _calibrated(table: Table, rows: Rows) -> dict[str, float]:
    """Give the measures of the probability; NaN all with a NaN among them."""
    p, ore = table.probability[rows], table.is_ore[rows]
    slope, intercept = calibration_line(p, ore)
    return {
        "brier_skill": brier_skill(p, ore, table.prevalence[rows]),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
        "expected_observed": expected_observed(p, ore),
        "ece": float("nan") if np.isnan(p).any() else calibration(p, ore).error,
    }


def _ranked(table: Table, rank: Array, rows: Rows) -> dict[str, float]:
    """Give the measures by rank within the fold; NaN all without a held-out deposit."""
    names = ("mean_log_rank", *map(_capture_name, _SHARES), "nd", "ln_nd", "lift_10")
    score, deposits, ore = rank[rows], table.deposits[rows], table.is_ore[rows]
    if not deposits.any():
        return dict.fromkeys(names, float("nan"))
    curve = prediction_rate(score, 1.0, deposits)
    crossed = prediction_area(curve)
    lift = float(capture(prediction_rate(score, 1.0, ore), 0.1)) / 0.1
    captured = capture(curve, _SHARES).tolist()
    values = (mean_log_rank(score, 1.0, deposits), *captured, crossed["nd"], crossed["ln_nd"], lift)
    return dict(zip(names, values, strict=True))


def _rank_intervals(table: Table, rank: Array, summary: dict[str, Measures]) -> None:
    """Fill in the intervals of the measures by rank that are means over deposits."""
    logs = np.empty(len(rank))
    for _, rows in groups(table.repeat):
        logs[rows] = np.log10(ground_rank(rank[rows], 1.0))
    entry = summary["mean_log_rank"]
    entry["ci95"] = _area_interval(table, entry["mean"], logs, table.deposits, logit=False)
    intervals = capture_intervals(
        rank, 1.0, table.deposits, table.camp, _SHARES, seed=_SEED, repeat=table.repeat
    )
    for each in intervals:
        if each["low"] is not None:
            summary[_capture_name(each["share"])]["ci95"] = [each["low"], each["high"]]


def _capture_name(share: float) -> str:
    return f"capture_{share * 100:.0f}"


def _verdict(camps: int) -> str:
    if camps < MIN_CAMPS:
        return "not enough to evaluate"
    return f"weak: fewer than {FEW_CAMPS} camps" if camps < FEW_CAMPS else ""


def _mean(value: Array, weight: NDArray[np.int64], rows: NDArray[np.bool_]) -> float:
    """Give the weighted mean over the rows that have a weight and a value, NaN without any."""
    used = rows & (weight > 0) & ~np.isnan(value)
    return float(np.average(value[used], weights=weight[used])) if used.any() else float("nan")


def _entries(table: Table, measure: Callable[[Rows], dict[str, float]]) -> dict[str, Measures]:
    """Give mean and spreads over repeats of measures of rows; the caller fills in `ci95`."""
    repeats, folds = [], []
    for _, rows in groups(table.repeat):
        repeats.append(measure(rows))
        each = [rows & fold for _, fold in groups(table.fold)]
        folds.append([measure(fold) for fold in each if fold.any()])
    entries = {}
    for name in repeats[0]:
        means = np.array([repeat[name] for repeat in repeats])
        variances = [_variance(np.array([fold[name] for fold in each])) for each in folds]
        entries[name] = {
            "mean": _number(means.mean()),
            "sd_folds": _number(np.sqrt(np.mean(variances))),
            "sd_repeats": _number(np.sqrt(_variance(means))),
            "ci95": None,
        }
    return entries


def _variance(values: Array) -> float:
    defined = values[~np.isnan(values)]
    return float(np.var(defined, ddof=1)) if defined.size > 1 else float("nan")


def _area_means(
    table: Table, value: NDArray[Any], weight: NDArray[np.int64]
) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """Average a value over the repeats of each area that has a weight: value, camp, weight."""
    used = weight > 0
    keys = np.column_stack([table.camp[used], table.number[used], weight[used]])
    areas, group = np.unique(keys, axis=0, return_inverse=True)
    group = group.ravel()
    return np.bincount(group, weights=value[used]) / np.bincount(group), areas[:, 0], areas[:, 2]


def _area_interval(
    table: Table,
    estimate: float | None,
    value: NDArray[Any],
    weight: NDArray[np.int64],
    *,
    logit: bool = True,
) -> list[float] | None:
    mean, camp, share = _area_means(table, value, weight)
    if estimate is None or (camp <= 0).any():
        return None
    interval = camp_interval(estimate, mean, camp, share, logit=logit)
    return None if interval is None else list(interval)


def _counts(table: Table, rows: NDArray[Any]) -> dict[str, int]:
    held = table.deposits[rows] > 0
    return {
        "areas": int(held.size),
        "ore_areas": int(table.is_ore[rows].sum()),
        "deposits": int(table.deposits[rows].sum()),
        "camps": len(np.unique(table.camp[rows][held])),
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
