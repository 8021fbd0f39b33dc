"""Numbers as text, and what was found in plain and careful words."""

import json
import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from gossan.report.model import Estimate, Paired, ReportModel, Summary

__all__ = [
    "TOLD",
    "beside",
    "by_model",
    "estimand",
    "estimate",
    "flatten",
    "found",
    "gap",
    "interval",
    "is_paper",
    "key_numbers",
    "measure",
    "named",
    "number",
    "p_value",
    "percent",
    "settled",
    "signed",
    "significant",
    "summary_of",
    "trust",
    "verdict",
]

NONE = "–"
TOLD = 3  # rivals that are told of one by one, the best first; the tables have all

#: With fewer camps than these, nothing is said of chance; with fewer than the second, it is said to be weak.
FEW_CAMPS, MANY_CAMPS = 8, 12

#: What has intervals by camps, and the keys that hold them.
JUDGED = ("metrics", "balance", "audit", "curves", "captures", "walk", "land")
INTERVALS = ("ci95", "low", "high")

#: Classes of letters that change the direction of the words around them.
RIGHT_TO_LEFT = {"R", "AL", "AN"}
OVERRIDES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


# ---- numbers


def number(value: Any, digits: int = 2) -> str:
    r"""Write a number with so many decimals, thousands apart; a dash where there is none.

    >>> number(0.7449), number(12345.6, 0), number(None), number(3)
    ('0.74', '12\u202f346', '–', '3')
    """
    if value is None:
        return NONE
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    text = f"{value:,d}" if isinstance(value, int) else f"{value:,.{digits}f}"
    return text.replace(",", "\u202f").replace("-", "−")


def percent(share: float | None) -> str:
    r"""Write a share.

    >>> percent(0.1), percent(0.004), percent(None)
    ('10\xa0%', '0.4\xa0%', '–')
    """
    if share is None:
        return NONE
    return f"{100 * share:.{0 if share >= 0.1 or share == 0 else 1}f}\u00a0%".replace(".0\u00a0", "\u00a0")


def signed(value: float) -> str:
    """Write a difference.

    >>> signed(0.031), signed(-0.1), signed(0.001)
    ('+0.03', '−0.10', '0.00')
    """
    text = number(float(value))
    if text.strip("−0.") == "":
        return "0.00"
    return f"+{text}" if value > 0 else text


def p_value(p: float | None) -> str:
    r"""Write a p value.

    >>> p_value(0.0002), p_value(0.0134), p_value(0.51)
    ('<\xa00.001', '0.013', '0.51')
    """
    if p is None:
        return NONE
    return "<\u00a00.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _decimals(ci: Sequence[float] | None) -> int:
    """Return two, or three where the interval is so narrow that the third says something."""
    return 3 if ci and (ci[1] - ci[0]) / 2 < 0.01 else 2


def interval(ci: Sequence[float] | None) -> str:
    r"""Write an interval.

    >>> interval([0.612, 0.853]), interval(None)
    ('0.61\xa0to\xa00.85', '–')
    """
    if not ci:
        return NONE
    digits = _decimals(ci)
    return f"{number(float(ci[0]), digits)}\u00a0to\u00a0{number(float(ci[1]), digits)}"  # never broken


def estimate(value: Estimate | Mapping[str, Any] | float | None) -> str:
    r"""Write a measure with its interval where it has one.

    >>> estimate({"mean": 0.7449, "ci95": [0.612, 0.853]}), estimate({"mean": 0.5}), estimate(None)
    ('0.74 (0.61\xa0to\xa00.85)', '0.50', '–')
    """
    if value is None or isinstance(value, int | float):
        return number(None if value is None else float(value))
    mean, ci = value.get("mean"), value.get("ci95")
    if mean is None:
        return NONE
    text = number(float(mean), _decimals(ci))
    return f"{text} ({interval(ci)})" if ci else text


def significant(value: float | None) -> str:
    r"""Write a number with two significant digits, at most three decimals; more the intervals do not carry.

    >>> significant(0.742), significant(3.217), significant(-0.0312), significant(126.4), significant(None)
    ('0.74', '3.2', '−0.031', '126', '–')
    """
    if value is None:
        return NONE
    return number(float(value), _significant_decimals(float(value)))


def _significant_decimals(value: float) -> int:
    if value == 0 or not math.isfinite(value):
        return 2
    return min(3, max(0, 1 - math.floor(math.log10(abs(value)))))


def measure(value: Estimate | Mapping[str, Any] | float | None) -> str:
    r"""Write a measure of any size with its interval where it has one.

    >>> measure({"mean": 3.217, "ci95": [1.94, 5.02]}), measure({"mean": 0.0312}), measure(None)
    ('3.2 (1.9\xa0to\xa05.0)', '0.031', '–')
    >>> measure({"mean": 0.0823, "ci95": [-0.02, 0.17]})
    '0.08 (−0.02\xa0to\xa00.17)'
    """
    if value is None or isinstance(value, int | float):
        return significant(value)
    mean, ci = value.get("mean"), value.get("ci95")
    if mean is None or not ci:
        return significant(mean)
    # the interval decides: half of it is written with one digit, or two where the first is small
    half = (ci[1] - ci[0]) / 2
    digits = _significant_decimals(3 * half if half > 0 else float(mean))
    low, high = (number(float(end), digits) for end in ci)
    return f"{number(float(mean), digits)} ({low}\u00a0to\u00a0{high})"


def gap(value: Mapping[str, Any] | None) -> str:
    r"""Write a difference with its interval.

    >>> gap({"mean": 0.031, "ci95": [-0.04, 0.1]}), gap({"mean": -0.2}), gap({"mean": 0.001}), gap(None)
    ('+0.03 (−0.04\xa0to\xa0+0.10)', '−0.20', '0.00', '–')
    """
    value = value or {}
    mean, ci = value.get("mean"), value.get("ci95")
    if mean is None:
        return NONE
    text = signed(float(mean))
    return f"{text} ({signed(ci[0])}\u00a0to\u00a0{signed(ci[1])})" if ci else text


def named(name: object) -> str:
    r"""Return a name that cannot turn round the words beside it: right-to-left letters stay to themselves.

    Marks that change the direction of what follows are taken out; what is left is set apart if need be.

    >>> named("Cu, Au"), named("a\u202eb") == "ab", named("\u0646") == "\u2068\u0646\u2069"
    ('Cu, Au', True, True)
    """
    text = "".join(letter for letter in str(name) if unicodedata.bidirectional(letter) not in OVERRIDES)
    if any(unicodedata.bidirectional(letter) in RIGHT_TO_LEFT for letter in text):
        return f"\u2068{text}\u2069"
    return text


def flatten(tree: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """List the leaves of nested settings or counts by dotted name.

    >>> list(flatten({"windows": {"size": 64, "strides": [32, 64]}, "rasters": [{"path": "a.tif"}]}))
    [('windows.size', '64'), ('windows.strides', '[32, 64]'), ('rasters.1.path', 'a.tif')]
    """
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from flatten(value, f"{name}.{key}" if name else str(key))
    elif isinstance(tree, list) and tree and all(isinstance(item, Mapping) for item in tree):
        for i, value in enumerate(tree, start=1):
            yield from flatten(value, f"{name}.{i}")
    else:
        yield (
            name,
            tree if isinstance(tree, str) else NONE if tree is None else json.dumps(tree, ensure_ascii=False),
        )


# ---- models


def verdict(report: ReportModel) -> str:
    """Say in the fewest words whether the camps suffice: as the run says, else by their number.

    >>> verdict({"metrics": {"camps": 7}}), verdict({"metrics": {"camps": 11}}), verdict({})
    ('not enough to evaluate', 'weak: fewer than 12 camps', '')
    """
    summary = (report.get("metrics") or {}).get("summary") or {}
    said = (summary.get("counts") or {}).get("verdict")
    if said:
        return str(said)
    camps = _camps(report)
    if camps is None or camps >= MANY_CAMPS:
        return ""
    return "not enough to evaluate" if camps < FEW_CAMPS else f"weak: fewer than {MANY_CAMPS} camps"


def _too_few(report: ReportModel) -> bool:
    return verdict(report).startswith("not enough")


def settled(report: ReportModel) -> ReportModel:
    """Take out every interval if there are too few camps for one, whoever computed it."""
    if not _too_few(report):
        return report
    return cast(
        ReportModel, {key: _without(value) if key in JUDGED else value for key, value in report.items()}
    )


def _without(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {key: None if key in INTERVALS else _without(value) for key, value in tree.items()}
    return [_without(each) for each in tree] if isinstance(tree, list) else tree


def summary_of(entry: Mapping[str, Any] | None) -> Summary:
    """Return the measures of a rival, which stand under ``summary`` or by themselves."""
    entry = entry or {}
    inner = entry.get("summary")
    return inner if isinstance(inner, Mapping) else entry


def by_model(report: ReportModel) -> dict[str, Summary]:
    """Return the measures of every model, the model of the run first, then its rivals by falling AUC."""
    metrics = report.get("metrics") or {}
    rivals = {name: summary_of(entry) for name, entry in (metrics.get("rivals") or {}).items()}
    order = sorted(rivals, key=lambda name: -((rivals[name].get("auc") or {}).get("mean") or 0))
    return {metrics.get("model") or "model": metrics.get("summary") or {}} | {
        name: rivals[name] for name in order
    }


def key_numbers(report: ReportModel) -> list[tuple[str, str]]:
    """Return the few numbers to see first, each with its meaning."""
    metrics, coverage = report.get("metrics") or {}, report.get("coverage") or {}
    summary = metrics.get("summary") or {}
    tiles = []
    if (tile := _auc_tile(report, summary)) is not None:
        tiles.append(tile)
    if coverage.get("known") and coverage.get("predicted") is not None:
        share = percent(coverage.get("budget"))
        held = f"{coverage['predicted']} of {coverage['known']}"
        tiles.append((held, f"known deposits predicted in the best {share} of the ground"))
    if camps := _camps(report):
        weak = "; few, so the evidence is weak" if verdict(report).startswith("weak") else ""
        tiles.append((number(camps), f"camps of deposits: the real sample size{weak}"))
    targets = report.get("targets") or []
    return [*tiles, (number(len(targets)), f"targets, {_new(targets)}")] if targets else tiles


def _auc_tile(report: ReportModel, summary: Summary) -> tuple[str, str] | None:
    auc, pooled = summary.get("auc") or {}, (summary.get("auc_pooled") or {}).get("mean")
    if auc.get("mean") is None:
        return None
    ci = auc.get("ci95")
    value = number(float(auc["mean"]), _decimals(ci))
    if _too_few(report):
        return "Not enough", f"to evaluate: too few camps for an interval (AUC {value})"
    reach = f"95 % interval {interval(ci)}" if ci else "too few camps for an interval"
    second = f"; pooled over folds {number(float(pooled))}" if pooled is not None else ""
    return value, f"AUC within folds on held-out ground; {reach}{second}"


# ---- what was found


def found(report: ReportModel) -> list[str]:
    """Say what was found in one paragraph, nothing that the numbers do not carry."""
    return [" ".join(filter(None, (_ground(report), _auc(report), _coverage(report), _targets(report))))]


def beside(report: ReportModel) -> list[str]:
    """Say how the model does beside its rivals, and what is known of the truth of a made survey."""
    return list(filter(None, (" ".join(_rivals(report)), _hidden(report))))


def _ground(report: ReportModel) -> str:
    windows, checked = report.get("windows") or {}, report.get("validation") or {}
    areas, size = windows.get("areas"), windows.get("size_m")
    if not areas:
        return ""
    side = f" of {size / 1000:.3g} km a side" if size else ""
    text = f"{number(areas)} square areas{side} were scored"
    if (deposits := checked.get("deposits_inside")) is not None and (camps := _camps(report)):
        text += f"; {number(deposits)} known deposits, in {number(camps)} camps, lie inside"
    return text + "."


def _camps(report: ReportModel) -> int | None:
    return (report.get("metrics") or {}).get("camps") or (report.get("validation") or {}).get("camps")


def _auc(report: ReportModel) -> str:
    metrics = report.get("metrics") or {}
    auc = (metrics.get("summary") or {}).get("auc") or {}
    mean, ci = auc.get("mean"), auc.get("ci95")
    if mean is None:
        return (
            "No score of the model could be computed, so nothing says whether the map is better than chance."
        )
    value = number(float(mean), _decimals(ci))
    text = f"Held-out deposits scored above {percent(mean)} of the barren areas on average (AUC {value}"
    if _too_few(report):
        return f"{_verdict_sentence(report)} {text}; 0.5 is chance), which may be chance."
    if not ci:
        return f"{text}; 0.5 is chance); there are too few camps for an interval, so this may be chance."
    camps = _camps(report)
    source = f"95 % interval from {camps} camps: " if camps else "95 % interval: "
    weak = f" {_verdict_sentence(report)}" if verdict(report) else ""
    return f"{text}; {source}{interval(ci)}). {_against_chance(ci)}{weak}{_protocol(report)}"


def _verdict_sentence(report: ReportModel) -> str:
    camps = _camps(report)
    if _too_few(report):
        if camps is not None and camps < FEW_CAMPS:
            return (
                f"Not enough to evaluate: only {camps} camps of deposits, and an interval needs {FEW_CAMPS}."
            )
        return "Not enough to evaluate: too few camps of deposits for an interval."
    return (
        f"The evidence is weak: {camps or 'few'} camps, fewer than {MANY_CAMPS}, so a single camp can move"
        " every number here."
    )


def _against_chance(ci: Sequence[float]) -> str:
    if ci[0] > 0.5:
        return "The interval lies above 0.5: the ranking is better than chance."
    if ci[1] < 0.5:
        return (
            "The interval lies below 0.5: the ranking is worse than chance, and the map should not be used."
        )
    return "The interval includes 0.5: these data do not show that the ranking is better than chance."


def _protocol(report: ReportModel) -> str:
    if not is_paper(report):
        return ""
    return (
        " This was measured by the paper's protocol, in which training and test windows overlap:"
        " expect less on new ground."
    )


def trust(report: ReportModel) -> str:
    """Say what ``predicted`` and ``fitted`` mean under the protocol of the run."""
    strict = "Whole camps and blocks were held out, with a dead zone between training and test."
    paper = "As in the paper, training and test windows share pixels: this is nearer to fitted than it looks."
    return (
        "Predicted is said of ground that the scoring model was not trained on."
        f" {paper if is_paper(report) else strict} Fitted is said of ground that it was trained on,"
        " and proves nothing. Every figure, curve and coverage here is predicted unless it says fitted."
    )


def estimand(report: ReportModel) -> str:
    """Name what the headline score estimates: as its design says, else by the protocol.

    >>> estimand({"metrics": {"protocol": "strict"}}), estimand({"metrics": {"protocol": "paper"}})
    ('new camp', 'near known')
    """
    protocol = (report.get("metrics") or {}).get("protocol") or ""
    designs = (report.get("validation") or {}).get("designs") or []
    said = next((each.get("estimand") for each in designs if each.get("name") == protocol), None)
    return said or {"strict": "new camp", "paper": "near known", "random": "near known"}.get(protocol, "")


def is_paper(report: ReportModel) -> bool:
    """Tell whether training and test overlap, as in the paper."""
    return (report.get("metrics") or {}).get("protocol") == "paper"


def _rivals(report: ReportModel) -> list[str]:
    metrics = report.get("metrics") or {}
    paired = metrics.get("paired") or {}
    sentences = {name: _rival(name, paired.get(name) or {}) for name in list(by_model(report))[1:]}
    told = [sentence for sentence in sentences.values() if sentence]
    if not told:
        return []
    lead = f"In AUC, {metrics.get('model') or 'the model'} minus its {'best ' if told[TOLD:] else ''}rivals:"
    rest = [paired[name].get("ci95") or [0] for name, sentence in sentences.items() if sentence][TOLD:]
    better = sum(ci[0] > 0 for ci in rest)
    more = [f"Of the other {len(rest)} it ranks better than {better}."] if rest else []
    return [lead, *told[:TOLD], *more]


def _rival(name: str, paired: Paired) -> str:
    difference, ci = paired.get("difference"), paired.get("ci95")
    if difference is None:
        return ""
    told = f"{named(name)} {gap({'mean': difference, 'ci95': ci})}"
    if not ci:
        return f"{told}, with too few camps to say whether that is chance."
    if ci[0] > 0:
        return f"{told}: this model ranks better."
    if ci[1] < 0:
        return f"{told}: the rival ranks better, so prefer its map."
    least = paired.get("smallest_detectable")
    hint = f", and one under {number(float(least))} could not be seen with these camps" if least else ""
    return f"{told}: no difference is shown{hint}."


def _coverage(report: ReportModel) -> str:
    coverage = report.get("coverage") or {}
    known, predicted, budget = coverage.get("known"), coverage.get("predicted"), coverage.get("budget")
    if not known or predicted is None or budget is None:
        return ""
    opened = "open " if (report.get("land") or {}).get("excluded_share") else ""
    text = (
        f"The best {percent(budget)} of the {opened}ground holds {predicted} of {known} known deposits as"
        f" predicted by models that were not trained there; chance would give about {budget * known:.2g}."
    )
    if (fitted := coverage.get("fitted")) is not None:
        text += (
            f" The final model, which was trained on them, covers {fitted}: that is fitted, and no evidence."
        )
    return text


def _hidden(report: ReportModel) -> str:
    hidden = report.get("hidden") or {}
    share, count = hidden.get("found_share"), hidden.get("count")
    if share is None or not count:
        return ""
    budget, chance = hidden.get("budget"), hidden.get("chance")
    ground = (
        f"the best {percent(budget)} of the ground without known deposits" if budget else "the best ground"
    )
    text = (
        f"This survey is made and its truth known: {ground} holds {percent(share)} of {count} hidden deposits"
    )
    text += f", against {percent(chance)} by chance" if chance is not None else ""
    shares = hidden.get("rivals") or {}
    order = [name for name in by_model(report) if shares.get(name) is not None] or list(shares)
    others = [f"{name} {percent(shares[name])}" for name in order[:TOLD]]
    distance = hidden.get("distance_share")
    text += (
        f" and {percent(distance)} when ranked by the distance to a known one" if distance is not None else ""
    )
    return f"{text}; on its rivals' maps: {', '.join(others)}." if others else f"{text}."


def _targets(report: ReportModel) -> str:
    rows = report.get("targets") or []
    if not rows:
        return "No area qualified as a target."
    text = f"{number(len(rows))} targets are proposed, {_new(rows)}."
    outside = sum(1 for row in rows if row.get("inside") is False)
    if not outside:
        return text
    verb = "lies" if outside == 1 else "lie"
    return f"{text} {outside} of them {verb} on ground unlike anything the model was trained on."


def _new(rows: Sequence[Mapping[str, Any]]) -> str:
    new = sum(1 for row in rows if not row.get("known_deposits"))
    return (
        "none of them with a known deposit" if new == len(rows) else f"{new} of them without a known deposit"
    )
