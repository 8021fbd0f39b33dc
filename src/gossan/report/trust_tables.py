"""The tables that say how far to trust the map: scores beside the rivals, audit, thresholds, designs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gossan.report.model import Audit, AuditRow, ReportModel
from gossan.report.table import Table, choices, kilometres, whole
from gossan.report.words import (
    NONE,
    by_model,
    estimand,
    estimate,
    gap,
    measure,
    named,
    number,
    percent,
    significant,
)

__all__ = ["audit_rows", "trust_tables"]

#: Measures by table; a heading each, and how a cell is written.
AS_PROBABILITY = {
    "brier_skill": "Brier skill",
    "calibration_slope": "Calibration slope",
    "calibration_intercept": "Intercept",
    "expected_observed": "Expected / observed",
    "ece": "Calibration error",
    "brier": "Brier score",
}
AS_CLASSES = {
    "recall_ore": "Recall, ore",
    "f1_ore": "F1, ore",
    "f1_macro": "F1, macro",
    "f1_weighted": "F1, weighted",
    "accuracy": "Accuracy",
    "accuracy_all_barren": "Accuracy of ‘all barren’",
}
AS_GROUND = {
    "lift_10": "Lift at 10\u00a0%",
    "nd": "Nd",
    "ln_nd": "ln Nd",
    "mean_log_rank": "Mean log rank",
}
#: The protocols of the audit, the loosest first.
PROTOCOLS = ("paper", "random", "random-cut", "blocks", "strict")
SHARES = (0.05, 0.10, 0.20)


def trust_tables(report: ReportModel) -> dict[str, Table]:
    """Return the tables of trust by name; those without rows are left out by `tables.all_tables`."""
    return {
        "models": _models(report),
        "ground": _ground(report),
        "probability": _measures(
            report,
            AS_PROBABILITY,
            "As probabilities of a known deposit, on held-out ground",
            "Brier skill: against saying the base rate everywhere; above 0 is better. Slope 1, intercept 0"
            " and expected / observed 1 are perfect; under a slope of 1 probabilities are too extreme.",
        ),
        "classes": _measures(
            report,
            AS_CLASSES,
            "As classes: ore or barren, on held-out ground",
            "At the vote for MFAF, at 0.5 for the others. With rare ore a high accuracy says nothing: compare"
            " it with that of calling everything barren.",
        ),
        "audit": _audit(report),
        "thresholds": _thresholds(report),
        "designs": _designs(report),
        "distances": _distances(report),
        "interpolation": _interpolation(report),
        "tuning": _tuning(report),
    }


def _models(report: ReportModel) -> Table:
    models = by_model(report)
    paired = (report.get("metrics") or {}).get("paired") or {}
    rows: list[tuple[str, ...]] = []
    for i, (name, summary) in enumerate(models.items()):
        auc, pair = summary.get("auc") or {}, paired.get(name) or {}
        minus = {"mean": pair.get("difference"), "ci95": pair.get("ci95")}
        rows.append(
            (
                named(name),
                estimate(auc),
                "this run" if i == 0 else gap(minus),
                number(pair.get("smallest_detectable")) if i else "",
                estimate(summary.get("auc_pooled")),
                estimate(summary.get("average_precision")),
                number(auc.get("sd_folds")),
                number(auc.get("sd_repeats")),
            )
        )
    head: tuple[str, ...] = (
        "Model",
        _interval_head("AUC within folds", models.values()),
        "This run minus it",
        "Smallest difference to be seen",
        "AUC pooled",
        "Average precision",
        "SD folds",
        "SD repeats",
    )
    note = (
        "AUC within folds, the headline: share of barren areas of the same fold that score below a held-out"
        " deposit; 0.5 is chance. Pooled: over the areas of all folds, whose scores need not be on one scale."
        " Intervals are clustered by camp; the standard deviations (SD) over folds and repeats are of the AUC"
        " and are no interval."
    )
    if not any((summary.get("auc") or {}).get("sd_repeats") is not None for summary in models.values()):
        head, rows = head[:-1], [row[:-1] for row in rows]  # a single repeat has no spread
        note = note.replace(" over folds and repeats are", " over folds are")
    measures = estimand(report)
    caption = f"The model and its rivals on held-out ground{f': {measures}' if measures else ''}"
    shown = tuple(rows) if any(models.values()) else ()
    return Table(caption, head, shown, note=note)


def _interval_head(label: str, summaries: Iterable[Mapping[str, Any]]) -> str:
    """Name a column of AUCs, and their intervals where they have any."""
    known = any((summary.get("auc") or {}).get("ci95") for summary in summaries)
    return f"{label} (95 % interval)" if known else label


def _measures(report: ReportModel, wanted: Mapping[str, str], caption: str, note: str) -> Table:
    models = by_model(report)
    known = [key for key in wanted if any(_has(summary.get(key)) for summary in models.values())]
    rows = [(named(name), *(measure(summary.get(key)) for key in known)) for name, summary in models.items()]
    return Table(caption, ("Model", *(wanted[key] for key in known)), tuple(rows) if known else (), note=note)


def _has(value: Any) -> bool:
    return (value.get("mean") if isinstance(value, Mapping) else value) is not None


def _ground(report: ReportModel) -> Table:
    """Tell how many deposits the best ground holds, by model."""
    models, captures = by_model(report), report.get("captures") or {}
    rest = [key for key in AS_GROUND if any(_has(summary.get(key)) for summary in models.values())]
    held = {name: [_captured(captures.get(name), models[name], share) for share in SHARES] for name in models}
    shares = [i for i in range(len(SHARES)) if any(cells[i] != NONE for cells in held.values())]
    rows = tuple(
        (named(name), *(held[name][i] for i in shares), *(measure(summary.get(key)) for key in rest))
        for name, summary in models.items()
    )
    head = (
        "Model",
        *(f"In the best {percent(SHARES[i])}" for i in shares),
        *(AS_GROUND[key] for key in rest),
    )
    note = (
        "Share of held-out deposits in so much of the ground, the best first, with intervals by camps where"
        " there are enough; by chance it is the share of the ground. Lift: times chance. Nd: share of"
        " deposits over that of ground where the two curves of the prediction-area plot cross."
        " Log rank: nearer the top is lower."
    )
    caption = "Held-out deposits in the best ground"
    return Table(caption, head, rows if shares or rest else (), note=note)


def _captured(captures: Sequence[Mapping[str, Any]] | None, summary: Mapping[str, Any], share: float) -> str:
    row = next((row for row in captures or [] if abs((row.get("share") or 0) - share) < 1e-6), None)
    if row is None:
        value = summary.get(f"capture_{100 * share:.0f}")
        mean = value.get("mean") if isinstance(value, Mapping) else value
        ci = value.get("ci95") if isinstance(value, Mapping) else None
        row = {"captured": mean, "low": ci[0] if ci else None, "high": ci[1] if ci else None}
    text, low, high = percent(row.get("captured")), row.get("low"), row.get("high")
    return f"{text} ({_bare(low)}\u00a0to\u00a0{_bare(high)})" if None not in (low, high) else text


def _bare(share: float | None) -> str:
    return percent(share).removesuffix("\u00a0%")


def _audit(report: ReportModel) -> Table:
    audit = report.get("audit") or {}
    rows = [_audit_row(model, row) for model, each in audit.items() for row in audit_rows(each)]
    auc = _interval_head("AUC", (row for each in audit.values() for row in audit_rows(each)))
    head = ("Model", "Protocol", "What it measures", auc, "Training windows", "Of them ore")
    note = (
        "The same models; only the way of keeping training and test apart differs. The random split cut to"
        " the size of the strict one tells leakage from having less to learn from."
    )
    return Table("Leakage audit", head, tuple(rows), text=3, note=note)


def audit_rows(audit: Audit) -> list[AuditRow]:
    """Return the rows of one model, the loosest protocol first."""
    order = {name: i for i, name in enumerate(PROTOCOLS)}
    return sorted(audit.get("rows") or [], key=lambda row: order.get(row.get("protocol") or "", -1))


def _audit_row(model: str, row: AuditRow) -> tuple[str, ...]:
    label = row.get("label") or row.get("protocol") or NONE
    counts = whole(row.get("train_windows")), whole(row.get("train_ore"))
    return (named(model), label, row.get("estimand") or NONE, estimate(row.get("auc")), *counts)


def _thresholds(report: ReportModel) -> Table:
    columns: dict[str, tuple[str, Callable[[Any], str]]] = {
        "share": ("Ground", percent),
        "threshold": ("Score from", significant),
        "deposits": ("Deposits", whole),
        "deposits_share": ("Share of deposits", percent),
        "ore_areas": ("Ore areas", whole),
        "precision": ("Precision", percent),
        "lift": ("Lift", significant),
        "expected_ore": ("Ore areas expected", significant),
    }
    given: Sequence[Mapping[str, Any]] = report.get("thresholds") or []
    known = [key for key in columns if any(row.get(key) is not None for row in given)]
    rows = tuple(tuple(columns[key][1](row.get(key)) for key in known) for row in given)
    note = (
        "What following up the best ground would have met of what is known, by held-out scores. Precision:"
        " known ore among the areas chosen; lift: times chance. Expected: by the calibrated"
        " probabilities of a known deposit."
    )
    return Table("Where to draw the line", tuple(columns[key][0] for key in known), rows, text=0, note=note)


def _designs(report: ReportModel) -> Table:
    rows = tuple(
        (
            row.get("name") or NONE,
            row.get("estimand") or NONE,
            whole(row.get("folds")),
            kilometres(row.get("block_m")),
            kilometres(row.get("dead_zone_m")),
            row.get("note") or "",
        )
        for row in (report.get("validation") or {}).get("designs") or []
    )
    head = ("Split", "What it estimates", "Folds", "Block", "Dead zone", "Remark")
    note = "New camp: a deposit in a camp that nobody knows yet, the headline. Near known: beside known ones."
    return Table("What each split estimates", head, rows, text=2, note=note, prose=1)


def _distances(report: ReportModel) -> Table:
    distances = (report.get("validation") or {}).get("distances") or {}
    names = {
        "map_to_deposit": "From the map to the nearest deposit",
        "test_to_training": "From test to the nearest training",
    }
    quantiles = ("q05", "q25", "q50", "q75", "q95")
    tables: Mapping[str, Any] = distances
    rows = tuple(
        (label, *(kilometres((tables.get(key) or {}).get(q), 2) for q in quantiles))
        for key, label in names.items()
        if tables.get(key)
    )
    head = ("Distance", *(f"{int(q[1:])}\u00a0%" for q in quantiles))
    gap = distances.get("wasserstein_m")
    note = (
        ""
        if gap is None
        else f"On average the two distributions differ by {kilometres(gap, 2)} (Wasserstein)."
    )
    return Table("How far the ground lies from what is known (quantiles)", head, rows, note=note)


def _interpolation(report: ReportModel) -> Table:
    found = report.get("interpolation") or {}
    given: Sequence[Mapping[str, Any]] = found.get("rows") or []
    rows = tuple(
        (
            named(row.get("element") or NONE),
            whole(row.get("n")),
            *(significant(row.get(key)) for key in ("rmse", "mae", "bias", "r2")),
        )
        for row in given
    )
    head = ("Element", "Samples", "RMSE", "MAE", "Bias", "R²")
    usual = (
        "Leave-one-out: each of the samples counted is predicted from all others, at 5,000 positions at most;"
        " errors in the element's transformed unit."
    )
    return Table("How well elements are interpolated", head, rows, note=found.get("note") or usual)


def _tuning(report: ReportModel) -> Table:
    tuning = report.get("tuning") or {}
    rows = tuple(
        (named(row.get("model") or NONE), choices(row.get("options")), _of_folds(row.get("fold_choices")))
        for row in tuning.get("rows") or []
        if tuning.get("budget") != 1  # of one configuration none was chosen
    )
    budget = tuning.get("budget")
    note = (
        ""
        if budget is None
        else f"Every model had the same budget, {number(budget)} setting{'' if budget == 1 else 's'}, chosen"
        " on inner camps."
    )
    return Table("Tuning", ("Model", "Options", "Chosen by the folds"), rows, text=3, note=note)


def _of_folds(chosen: Any) -> str:
    """Write in how many folds options were chosen, or what each fold chose."""
    if not isinstance(chosen, int):
        return choices(chosen)
    return f"in {chosen} fold{'' if chosen == 1 else 's'}"
