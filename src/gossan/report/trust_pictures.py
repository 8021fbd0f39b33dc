"""The figures of trust and of reasons: curves, calibration, audit, applicability, influence, attention."""

from collections.abc import Iterator, Mapping
from typing import Any

from gossan import plots
from gossan.report.model import Audit, ReportModel
from gossan.report.plan import Maps, Plan
from gossan.report.table import kilometres
from gossan.report.trust_tables import audit_rows
from gossan.report.words import TOLD, by_model, named, number, percent, significant

__all__ = ["ci_pair", "trust_charts", "trust_maps", "why_charts"]


def ci_pair(ci: Any) -> tuple[float, float] | None:
    """Return the ends of an interval."""
    return (float(ci[0]), float(ci[1])) if ci else None


def trust_charts(report: ReportModel) -> Iterator[Plan]:
    """Plan the charts of trust that the run has numbers for."""
    yield from _precision_plan(report)
    yield from _success_plan(report)
    yield from _walk_plan(report)
    yield from _calibration_plan(report)
    yield from _area_plan(report)
    yield from _distance_plan(report)
    yield from _audit_plan(report)


def _main_curves(report: ReportModel) -> Mapping[str, Any]:
    model = next(iter(by_model(report)))
    return (report.get("curves") or {}).get(model) or {}


def _precision_plan(report: ReportModel) -> Iterator[Plan]:
    given: Mapping[str, Any] = report.get("curves") or {}
    curves = {
        name: given[name]["precision_recall"]
        for name in [name for name in by_model(report) if name in given][: 2 + TOLD]
        if (given.get(name) or {}).get("precision_recall")
    }
    if curves:
        prevalence = next((each["prevalence"] for each in curves.values() if each.get("prevalence")), None)
        chance = f", against a prevalence of {percent(prevalence)}" if prevalence else ""
        yield Plan(
            "precision_recall",
            lambda: plots.precision_recall(curves, prevalence=prevalence),
            f"Precision against recall of {', '.join(curves)} on held-out areas{chance}.",
            "Precision and recall over the held-out areas, and the lift over the prevalence. Precision counts"
            " known ore only: areas chosen may hold ore that nobody has found.",
            "chart",
        )


def _success_plan(report: ReportModel) -> Iterator[Plan]:
    curve = _main_curves(report).get("success_rate")
    if curve:
        yield Plan(
            "success_rate",
            lambda: plots.success_rate(curve),
            "Fitted: share of the training deposits covered against share of ground, by the final model.",
            "Success rate, fitted: how well the final model covers the deposits that it was trained on. It"
            " says nothing of new ground and is not to be compared with the prediction rate.",
            "chart",
        )


def _walk_plan(report: ReportModel) -> Iterator[Plan]:
    curve, told = report.get("walk"), (report.get("metrics") or {}).get("walk") or {}
    if not curve or not any(each is not None for each in curve.get("km2_per_deposit") or []):
        return
    at, even = {row["share"]: row for row in told.get("at") or []}, told.get("break_even") or {}
    ends = (even["low"], even["high"]) if even.get("low") is not None else None
    said = "; ".join(
        f"in the best {percent(share)} of the areas {significant(row['km2_per_deposit'])} km²"
        for share, row in at.items()
        if row.get("km2_per_deposit") is not None
    )
    chance = told.get("chance_km2_per_deposit")
    random = f"; at random {significant(chance)} km²" if chance is not None else ""
    yield Plan(
        "walk",
        lambda: plots.walk_plot(curve, chance=chance, rank=even.get("rank"), interval=ends),
        f"Ground to walk for each held-out deposit found: {said or 'none found in the best 20 %'}{random}.",
        "What a deposit found takes, walking the ground with the best scores first, had the known"
        " deposits been unknown. Low is good; on the dotted line the ranking saves nothing. The band is 95 %,"
        " by camps.",
        "chart",
    )


def _calibration_plan(report: ReportModel) -> Iterator[Plan]:
    bins = _main_curves(report).get("calibration")
    if bins and any(share is not None for share in bins.get("share_ore") or []):
        pairs = zip(bins["probability"], bins["share_ore"], strict=True)
        said = "; ".join(
            f"{percent(p)} said, {percent(share)} held" for p, share in pairs if share is not None
        )
        yield Plan(
            "calibration",
            lambda: plots.calibration_plot(bins),
            f"Share of areas with a known deposit by calibrated probability: {said}.",
            "Calibration on held-out ground: of the areas given a probability, how many hold a known deposit."
            " Below the dotted line the model promises too much.",
            "chart",
        )


def _area_plan(report: ReportModel) -> Iterator[Plan]:
    area = report.get("prediction_area") or {}
    if area.get("x") and area.get("y") and area.get("threshold"):
        crossing = f"{percent(area.get('pr'))} of deposits in {percent(area.get('oa'))} of the ground"
        yield Plan(
            "prediction_area",
            lambda: plots.prediction_area(area),
            f"Shares of held-out deposits and of ground by score; the lines cross at {crossing}.",
            "Prediction-area plot on held-out deposits (the right-hand axis is turned round: Pr = 1 − Oa"
            " where the lines cross). For rare ore the crossing is the point of equal error, not an optimum.",
            "chart",
        )


def _distance_plan(report: ReportModel) -> Iterator[Plan]:
    distances = (report.get("validation") or {}).get("distances") or {}
    samples = distances.get("samples") or {}
    if samples.get("map") or samples.get("test"):
        middles = [
            f"{label} {kilometres((entry or {}).get('q50'), 2)}"
            for label, entry in (
                ("from the map to a deposit", distances.get("map_to_deposit")),
                ("from test to training", distances.get("test_to_training")),
            )
        ]
        yield Plan(
            "distances",
            lambda: plots.distance_plot(samples),
            f"Distribution of two distances; medians: {', '.join(middles)}.",
            "Distances that the map asks of the model, and that the test asked. Where the test's are the"
            " longer, the test is the harder; where they are the shorter, the scores promise too much.",
            "chart",
        )


def _audit_plan(report: ReportModel) -> Iterator[Plan]:
    models = {model: rows for model, audit in _by_run(report) if (rows := _audited(audit))}
    if models:
        said = "; ".join(
            f"{model}: " + ", ".join(f"{label} {number(value)}" for label, value, _ in rows)
            for model, rows in models.items()
        )
        yield Plan(
            "audit",
            lambda: plots.audit_plot(models),
            f"AUC under each protocol, loosest first. {said}.",
            "Leakage audit: the same models, tested ever more honestly. Only blocks with a dead zone (strict)"
            " say what to expect of a camp that nobody knows yet.",
            "chart",
        )


def _audited(audit: Audit) -> list[tuple[str, float, tuple[float, float] | None]]:
    """Return protocol, AUC and interval of each row that has an AUC."""
    rows = []
    for row in audit_rows(audit):
        auc = row.get("auc") or {}
        if (mean := auc.get("mean")) is not None:
            label = str(row.get("label") or row.get("protocol"))
            rows.append((label, float(mean), ci_pair(auc.get("ci95"))))
    return rows


def _by_run(report: ReportModel) -> list[tuple[str, Audit]]:
    """Return the audits, that of the model of the run first."""
    audit, model = report.get("audit") or {}, (report.get("metrics") or {}).get("model")
    return sorted(audit.items(), key=lambda item: item[0] != model)


def trust_maps(report: ReportModel, maps: Maps) -> Iterator[Plan]:
    """Plan the maps of applicability, where the run folder holds them."""
    import numpy as np

    bands, found = maps.applicability, report.get("applicability") or {}
    limit, ore = found.get("threshold"), (found.get("ore_like") or {}).get("threshold")
    if "index" in bands and np.isfinite(bands["index"]).any():
        inside, far = bands.get("inside"), bands.get("far")
        share = found.get("outside_share")
        outside = f"; {percent(share)} of the ground lies outside" if share is not None else ""
        yield Plan(
            "applicability",
            lambda: plots.applicability_map(
                maps.ground, bands["index"], inside=inside, far=far, threshold=limit
            ),
            f"Map of the dissimilarity to the training windows{outside}.",
            "Area of applicability, after Meyer and Pebesma (2021). Hatched ground is unlike anything the"
            " model was trained on: its score is an extrapolation, neither good nor bad news. Dotted: few or"
            " no samples near, so the channels there are interpolation.",
        )
    if "ore_index" in bands and np.isfinite(bands["ore_index"]).any():
        yield Plan(
            "ore_like",
            lambda: plots.ore_like_map(maps.ground, bands["ore_index"], threshold=ore),
            "Map of the dissimilarity to the most similar training window with a known deposit.",
            "Like nothing known: how unlike every known deposit the ground is. A deposit of another kind"
            " would lie on the dark ground, and this model could not point to it.",
        )


def why_charts(report: ReportModel) -> Iterator[Plan]:
    """Plan the charts of reasons that the run has numbers for."""
    influence = (report.get("influence") or {}).get("rows") or []
    ranked = sorted(
        (row for row in influence if row.get("drop") is not None), key=lambda row: row.get("rank") or 10**6
    )
    if ranked:
        said = ", ".join(f"{row['group']} {significant(row['drop'])}" for row in ranked)
        yield Plan(
            "influence",
            lambda: plots.influence_plot(ranked),
            f"AUC lost when a group of channels is shuffled: {said}.",
            "Influence: what the held-out AUC loses when the channels of a group are shuffled together among"
            " the held-out windows. It says what the model uses, not what made the ore.",
            "chart",
        )
    attention = (report.get("attention") or {}).get("rows") or []
    if any(row.get("mean") is not None for row in attention):
        factors = list(dict.fromkeys(named(row["factor"]) for row in attention))
        branches = list(dict.fromkeys(named(row["branch"]) for row in attention))
        yield Plan(
            "attention",
            lambda: plots.attention_map(attention),
            f"Heat map of the mean attention weight of {', '.join(factors)} in {', '.join(branches)}.",
            "Channel attention by factor and branch: a diagnostic of the network, not a cause.",
            "chart",
        )
