"""From the predictions of all fits to the numbers of the tables: every run, means, and paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from gossan import metrics
from gossan.metrics import INFLATION, MIN_CAMPS, headline
from gossan.metrics.intervals import student
from gossan.runs import Failure
from gossan.study.plan import Grid, Protocol
from gossan.study.variants import Table, Variant

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MEASURES", "Gap", "Line", "RunRecord", "Spread", "collect", "protocol_gaps", "spread"]

#: The columns of the paper, F1 by its three readings, and average precision.
MEASURES = ("accuracy", "auc", "recall_ore", "f1_ore", "f1_macro", "f1_weighted", "average_precision")


class RunRecord(TypedDict):
    """One run: a variant under one protocol with one seed, all its folds together."""

    table: int
    label: str
    protocol: str
    seed: int
    fit: str
    failed: str | None
    measures: dict[str, float | None]


class Spread(TypedDict):
    """Mean and standard deviation over seeds; None where undefined."""

    mean: float | None
    sd: float | None
    n: int


class Gap(TypedDict):
    """A paired difference, row minus base: over seeds, and over camps (strict protocol only)."""

    mean: float | None
    seeds: list[float] | None
    camps: list[float] | None


class Line(TypedDict):
    """One row of a table under one protocol."""

    table: int
    label: str
    extra: bool
    protocol: str
    against: str
    runs: int
    failed: int
    measures: dict[str, Spread]
    gaps: dict[str, Gap]


@dataclass(frozen=True)
class _Runs:
    """The runs of one row: predictions by seed, or why there are none."""

    tables: "dict[int, pd.DataFrame]"
    failed: dict[int, str]

    def stacked(self, seeds: Sequence[int]) -> "pd.DataFrame":
        """Put seeds under each other as repeats of the same folds."""
        import pandas as pd

        return pd.concat([self.tables[s].assign(repeat=s) for s in seeds], ignore_index=True)


def collect(
    grid: Grid, design: Mapping[str, Any], results: Mapping[str, Any]
) -> tuple[list[RunRecord], list[Line]]:
    """Make the record of every run and the lines of every table.

    Parameters
    ----------
    results
        Value of every task by name, a `Failure` for one that failed.
    """
    records: list[RunRecord] = []
    lines: list[Line] = []
    for table in grid.tables:
        for protocol in grid.protocols:
            rows = grid.rows(table)
            runs = {row.label: _runs(grid, design, results, row, protocol) for row in rows}
            for row in rows:
                mine = _records(table, row, protocol, runs[row.label])
                records += mine
                base = runs.get(row.against)
                gaps = {} if base is None else _gaps(runs[row.label], base, camps=protocol == "strict")
                lines.append(_line(table, row, protocol, mine, gaps))
    return records, lines


def _runs(
    grid: Grid, design: Mapping[str, Any], results: Mapping[str, Any], row: Variant, protocol: Protocol
) -> _Runs:
    import pandas as pd

    fitted = row if row.model else _any_fitted(grid)
    tables, failed = {}, {}
    for seed in range(grid.seeds):
        found = [results[name] for name in grid.prediction_tasks(design, fitted, protocol, seed)]
        broken = [each for each in found if isinstance(each, Failure)]
        if broken:
            failed[seed] = broken[0].message
            continue
        table = pd.concat([each["predictions"] for each in found], ignore_index=True)
        tables[seed] = _decided(table, row)
    return _Runs(tables, failed)


def _any_fitted(grid: Grid) -> Variant:
    """Give a row whose areas 'all barren' is counted on: they are the same for all."""
    return next(iter(grid.variants.values()))


def _decided(table: "pd.DataFrame", row: Variant) -> "pd.DataFrame":
    """Let the row decide: by the vote, by the mean probability, or nothing is ore."""
    if not row.model:
        return table.assign(score=0.5, probability=0.5, vote=False)
    return table if row.vote else table.assign(vote=table["score"] >= 0.5)


def _records(table: Table, row: Variant, protocol: Protocol, runs: _Runs) -> list[RunRecord]:
    def record(seed: int, failed: str | None, measures: dict[str, float | None]) -> RunRecord:
        return {
            "table": table,
            "label": row.label,
            "protocol": protocol,
            "seed": seed,
            "fit": row.fit,
            "failed": failed,
            "measures": measures,
        }

    done = [record(seed, None, _measured(found)) for seed, found in runs.tables.items()]
    return sorted(
        [*done, *(record(seed, why, {}) for seed, why in runs.failed.items())], key=lambda each: each["seed"]
    )


def _measured(table: "pd.DataFrame") -> dict[str, float | None]:
    found = headline(table)
    return {name: found[name] for name in MEASURES}


def _line(
    table: Table, row: Variant, protocol: Protocol, records: Sequence[RunRecord], gaps: dict[str, Gap]
) -> Line:
    whole = [each["measures"] for each in records if each["failed"] is None]
    return {
        "table": table,
        "label": row.label,
        "extra": row.extra,
        "protocol": protocol,
        "against": row.against,
        "runs": len(whole),
        "failed": len(records) - len(whole),
        "measures": {name: spread([each[name] for each in whole]) for name in MEASURES},
        "gaps": gaps,
    }


def spread(values: Sequence[float | None]) -> Spread:
    """Give mean and standard deviation of what is defined."""
    known = np.array([value for value in values if value is not None])
    return {
        "mean": float(known.mean()) if len(known) else None,
        "sd": float(known.std(ddof=1)) if len(known) > 1 else None,
        "n": len(known),
    }


# ---- paired differences


def _gaps(row: _Runs, base: _Runs, *, camps: bool) -> dict[str, Gap]:
    shared = sorted(row.tables.keys() & base.tables.keys())
    if not shared:
        return {name: {"mean": None, "seeds": None, "camps": None} for name in MEASURES}
    per_seed = [_differences(_measured(row.tables[s]), _measured(base.tables[s])) for s in shared]
    by_camp = _camp_intervals(row.stacked(shared), base.stacked(shared)) if camps else {}
    return {name: _gap([each[name] for each in per_seed], by_camp.get(name)) for name in MEASURES}


def _differences(a: Mapping[str, float | None], b: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: None if (x := a[name]) is None or (y := b[name]) is None else x - y for name in MEASURES}


def _gap(values: Sequence[float | None], camps: list[float] | None) -> Gap:
    found = spread(values)
    mean, sd, n = found["mean"], found["sd"], found["n"]
    seeds = None
    if mean is not None and sd is not None:
        reach = student(0.975, n - 1) * sd / n**0.5
        seeds = [mean - reach, mean + reach]
    return {"mean": mean, "seeds": seeds, "camps": camps}


def _camp_intervals(row: "pd.DataFrame", base: "pd.DataFrame") -> dict[str, list[float] | None]:
    """Give 95 % intervals of the differences by camp: sandwich for the AUC, jackknife for the others.

    The jackknife leaves out the ore of one camp at a time; its error is widened by 1.25 like the sandwich's
    (`gossan.metrics.intervals`), with t of camps - 1 degrees of freedom.
    """
    found: dict[str, list[float] | None] = {"auc": metrics.paired(row, base)["ci95"]}
    known = np.unique(row.loc[row["camp"] > 0, "camp"])
    if len(known) < MIN_CAMPS:
        return dict.fromkeys(MEASURES)
    left_out = [
        _differences(_measured(row[row["camp"] != camp]), _measured(base[base["camp"] != camp]))
        for camp in known
    ]
    whole = _differences(_measured(row), _measured(base))
    for name in MEASURES:
        if name != "auc":
            found[name] = _jackknife(whole[name], [each[name] for each in left_out])
    return found


def _jackknife(estimate: float | None, left_out: Sequence[float | None]) -> list[float] | None:
    values = np.array([value for value in left_out if value is not None])
    n = len(values)
    if estimate is None or n < MIN_CAMPS:
        return None
    error = INFLATION * float(np.sqrt((n - 1) / n * np.sum((values - values.mean()) ** 2)))
    if error <= 1e-12:  # every camp says the same: that is no certainty
        return None
    reach = student(0.975, n - 1) * error
    return [estimate - reach, estimate + reach]


def protocol_gaps(lines: Sequence[Line]) -> list[Line]:
    """Say what the paper's protocol adds to each score: its line minus the strict one, row by row.

    Seeds are not paired across protocols, as their splits differ: the interval over seeds is Welch's.
    """
    strict = {(line["table"], line["label"]): line for line in lines if line["protocol"] == "strict"}
    found: list[Line] = []
    for line in lines:
        other = strict.get((line["table"], line["label"]))
        if line["protocol"] != "paper" or other is None:
            continue
        gaps = {name: _welch(line["measures"][name], other["measures"][name]) for name in MEASURES}
        found.append({**line, "protocol": "paper - strict", "against": "strict", "gaps": gaps})
    return found


def _welch(a: Spread, b: Spread) -> Gap:
    """Give the difference of two means and its interval for unequal variances (Welch 1947)."""
    if a["mean"] is None or b["mean"] is None:
        return {"mean": None, "seeds": None, "camps": None}
    difference = a["mean"] - b["mean"]
    parts = [each["sd"] ** 2 / each["n"] for each in (a, b) if each["sd"] is not None]
    if len(parts) < 2 or not sum(parts):
        return {"mean": difference, "seeds": None, "camps": None}
    degrees = sum(parts) ** 2 / sum(
        part**2 / (each["n"] - 1) for part, each in zip(parts, (a, b), strict=True)
    )
    from scipy.special import stdtrit

    reach = float(stdtrit(degrees, 0.975)) * sum(parts) ** 0.5
    return {"mean": difference, "seeds": [difference - reach, difference + reach], "camps": None}
