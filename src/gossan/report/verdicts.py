"""What the page and the model card say of trust, sentence by sentence: nothing the numbers do not carry."""

from collections.abc import Mapping
from typing import Any

from gossan.report.budget import land_sentences, walk_sentences
from gossan.report.model import ReportModel
from gossan.report.words import (
    FEW_CAMPS,
    MANY_CAMPS,
    NONE,
    gap,
    measure,
    named,
    number,
    percent,
    significant,
    verdict,
)

__all__ = ["sentences"]

METHODS = {
    "random": "at random",
    "distance": "beyond a distance from known deposits",
    "dissimilar": "among the ground least like known deposits",
}
UNKNOWN = "Barren means unknown: some of them may hold ore."
KINDS = {
    "platt": "a two-parameter Platt fit on inner out-of-fold scores",
    "isotonic": "an isotonic fit on inner out-of-fold scores",
    "prior": "undoing the balancing alone",
}


def sentences(report: ReportModel) -> dict[str, list[str]]:
    """Return what is said by topic; a topic of which the run knows nothing is empty."""
    return {
        "verdict": _verdict(report),
        "audit": _audit(report),
        "distances": _one((report.get("validation") or {}).get("distances"), "sentence"),
        "applicability": _applicability(report),
        "calibration": _calibration(report),
        "crossing": _crossing(report),
        "barren": _barren(report),
        "influence": _influence(report),
        "attention": _attention(report),
        "screening": _screening(report),
        "looks": _looks(report),
        "dense": _dense(report),
        "land": land_sentences(report),
        "walk": walk_sentences(report),
    }


def _dense(report: ReportModel) -> list[str]:
    """Say what the dense map is, and how far its scores are from those of windows one by one."""
    found = report.get("dense")
    if not found:
        return []
    told = (
        f"dense.tif scores {number(found.get('windows'))} windows, one every"
        f" {number(found.get('stride_m'), 0)} m, by the final model, which was trained on the known deposits:"
        " it shows where inside an area the score comes from, and no other figure uses it."
    )
    off = found.get("deviation")
    if not off:
        return [f"{told} Every window was scored on its own."]
    ranks = "" if off["rank_correlation"] is None else f", rank correlation {off['rank_correlation']:.4f}"
    return [
        f"{told} Windows share one pass of the network; of {off['windows']} drawn at random and scored on"
        f" their own, scores differ by up to {off['largest']:.1g}{ranks}, and the best tenths have"
        f" {percent(off['top_overlap'])} in common."
    ]


def _one(entry: Mapping[str, Any] | None, key: str) -> list[str]:
    said = (entry or {}).get(key)
    return [str(said)] if said else []


def _verdict(report: ReportModel) -> list[str]:
    said = verdict(report)
    metrics, checked = report.get("metrics") or {}, report.get("validation") or {}
    camps = metrics.get("camps") or checked.get("camps")
    if said.startswith("not enough"):
        count = f"The map holds {camps} camps" if camps else "The map holds too few camps"
        least = f" with fewer than {FEW_CAMPS}" if camps and camps < FEW_CAMPS else ""
        return [
            f"{count} of deposits; no interval is given{least}, and nothing here shows that the map is"
            " better than chance."
        ]
    if said:
        return [
            f"With {camps or 'so few'} camps, fewer than {MANY_CAMPS}, intervals are rough: leaving out one"
            " camp can change what they say."
        ]
    return []


def _audit(report: ReportModel) -> list[str]:
    told = []
    for model, audit in (report.get("audit") or {}).items():
        if said := audit.get("sentence"):
            told.append(said)
            continue
        parts = [
            f"{label} {_gap(audit.get(key))}"
            for key, label in (("leakage", "leakage"), ("less_data", "less to learn from"))
            if audit.get(key) is not None
        ]
        if parts:
            told.append(f"{named(model)}: of the AUC on a random split, {' and '.join(parts)}.")
    return told


def _gap(value: Any) -> str:
    text = gap(value if isinstance(value, Mapping) else {"mean": value})
    return "is unknown" if text == NONE else f"is {text}"


def _applicability(report: ReportModel) -> list[str]:
    found = report.get("applicability") or {}
    told, share, limit = [], found.get("outside_share"), found.get("threshold")
    if share is not None:
        text = f"{percent(share)} of the ground is unlike anything the model was trained on"
        text += f" (dissimilarity above {significant(limit)})" if limit is not None else ""
        told.append(f"{text}: there the score is an extrapolation, and the scores above do not hold.")
    ore = found.get("ore_like") or {}
    if ore.get("outside_share") is not None:
        told.append(
            f"{percent(ore['outside_share'])} is like no known deposit: a new kind of deposit there would not"
            " be seen by this model."
        )
    return [*told, *_one(found, "note")]


def _calibration(report: ReportModel) -> list[str]:
    fit = report.get("calibration") or {}
    summary = (report.get("metrics") or {}).get("summary") or {}
    told = []
    if kind := fit.get("kind"):
        text = f"Scores become probabilities of a known deposit by {KINDS.get(kind, kind)}"
        if fit.get("slope") is not None and fit.get("intercept") is not None:
            text += f" (slope {significant(fit['slope'])}, intercept {significant(fit['intercept'])})"
        told.append(f"{text}; balancing is undone first." if kind != "prior" else f"{text}.")
    names = {
        "brier_skill": "Brier skill",
        "calibration_slope": "calibration slope",
        "expected_observed": "expected over observed ore areas",
    }
    parts = [f"{label} {measure(summary[key])}" for key, label in names.items() if summary.get(key)]
    if parts:
        told.append(f"On held-out ground: {', '.join(parts)}.")
    last = "A probability is that of a known deposit, never that of one nobody has found."
    return [*told, *(_one(fit, "note") or [last] * bool(told))]


def _crossing(report: ReportModel) -> list[str]:
    area = report.get("prediction_area") or {}
    pr, oa, nd = area.get("pr"), area.get("oa"), area.get("nd")
    if pr is None or oa is None:
        return []
    text = f"The curves cross where {percent(oa)} of the ground holds {percent(pr)} of the held-out deposits"
    logarithm = f", ln Nd {significant(area['ln_nd'])}" if area.get("ln_nd") is not None else ""
    text += f" (Nd {significant(nd)}{logarithm})" if nd is not None else ""
    return [f"{text}. For rare ore the crossing is the point of equal error, and no optimum."]


def _barren(report: ReportModel) -> list[str]:
    barren = report.get("barren") or {}
    method, draws, chosen = barren.get("method"), barren.get("draws"), barren.get("chosen")
    if not method:
        return []
    if method == "all":
        return [f"Every barren window of the training ground is used. {UNKNOWN}"]
    count = f"{number(int(chosen))} barren" if chosen else "Barren"
    text = f"{count} training windows are drawn {METHODS.get(method, method)}"
    text += f", {barren['ratio']:g} for each with ore" if barren.get("ratio") else ""
    if draws and draws > 1:
        text += f", in {number(draws)} draws"
        if (spread := barren.get("spread")) is not None:
            text += f" over which the AUC has a standard deviation of {significant(spread)}"
    return [f"{text}. {UNKNOWN}"]


def _influence(report: ReportModel) -> list[str]:
    rows = (report.get("influence") or {}).get("rows") or []
    ranked = sorted(
        ((drop, row) for row in rows if (drop := row.get("drop")) is not None),
        key=lambda pair: pair[1].get("rank") or 10**6,
    )
    leading = [(drop, row) for drop, row in ranked if drop > (row.get("sd") or 0.0)][:3]
    if not ranked:
        return []
    if not leading:
        return ["No group of channels alone moves the held-out AUC by more than its spread."]
    named_rows = "; ".join(f"{named(row['group'])} ({significant(drop)})" for drop, row in leading)
    told = f"Shuffling these lowers the held-out AUC most, and by more than the loss varies: {named_rows}."
    top = ranked[0][1]
    if top is leading[0][1]:
        return [told]
    return [
        f"{told} {named(top['group'])} costs more on average ({significant(ranked[0][0])}), but the"
        " loss varies by more than that from fold to fold."
    ]


def _attention(report: ReportModel) -> list[str]:
    attention = report.get("attention") or {}
    if not attention.get("rows"):
        return []
    return _one(attention, "note") or [
        "Attention weights are a diagnostic of the network and no cause: a factor with a high weight need not"
        " matter to the score."
    ]


def _screening(report: ReportModel) -> list[str]:
    """Say why there is no table of the screening, where elements were kept without being tested."""
    rows = (report.get("screening") or {}).get("rows") or []
    if not rows or any(row.get("auc") is not None for row in rows):
        return []
    kept = ", ".join(named(row["element"]) for row in rows if row.get("keep"))
    return [f"Elements were not screened; the model sees all {number(len(rows))}: {kept}."]


def _looks(report: ReportModel) -> list[str]:
    looks = report.get("looks")
    if looks is None or looks == "" or looks == []:
        return []
    if isinstance(looks, int):
        times = "once" if looks == 1 else f"{number(looks)} times"
        return [f"The held-out scores of these data were looked at {times}; each look favours what is kept."]
    return [looks] if isinstance(looks, str) else [str(look) for look in looks]
