"""The sections of docs/results.md about the paper's study, from docs/results/study_*.json."""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from study_questions import PAPER, QUESTIONS, surveys_needed

__all__ = ["eskay", "protocols", "twin"]

RESULTS = Path(__file__).parents[1] / "docs" / "results"
TITLES = {3: "Methods", 4: "Ablations", 5: "Weight of the self-distillation", 6: "Dilation rates"}
DEVICE = "2 CPU cores"
#: What stands where a study has not come to its end.
NOT_YET = "*Not run to its end yet: no figure is given.*\n"

#: Survey -> its lines of one protocol.
Lines = Mapping[str, Sequence[Mapping[str, Any]]]


def twin() -> str:
    """Write the study of the built-in surveys."""
    content, screened = _read("study_twin"), _read("study_twin_screening")
    if not content:
        return f"### Built-in surveys\n\n{NOT_YET}"
    lines = {name: _under(rows, "strict") for name, rows in content["lines"].items()}
    head = _head(content["head"]).replace("twin 0", f"{len(lines)} built-in surveys")
    parts = [f"### Built-in surveys\n\n{head}, strict protocol.\n"]
    parts += [_questions(content["questions"], len(lines)), *_tables(lines)]
    return "\n".join([*parts, *_screening(screened["screening"] if screened else {})])


def eskay() -> str:
    """Write the study of Eskay Creek."""
    content = _read("study_eskay")
    if not content:
        return f"### Eskay Creek\n\n{NOT_YET}"
    design, lines = content["design"]["strict"], {content["project"]: _under(content["lines"], "strict")}
    head = (
        f"### Eskay Creek\n\n{_head(content['heads']['strict'])}, strict protocol; {design['areas']} areas, {design['ore_areas']} "
        f"with ore in {design['camps']} camps; {content['failed']} fits failed.\n"
    )
    parts = [head, _camp_questions(lines[content["project"]], design["camps"]), *_tables(lines)]
    parts += _screening(content["screening"])
    if content["protocol_gaps"]:
        drawn = content["design"]["paper"]
        parts.append(
            "**What the paper's protocol adds.** The strict protocol trained and tested on windows of one "
            f"stride, the paper's drew its 428 from {drawn['windows']} windows of two strides "
            f"({drawn['ore_windows']} with ore).\n"
        )
        parts.append(_gaps(content["protocol_gaps"], _under(content["lines"], "strict")))
    return "\n".join(parts)


def protocols() -> str:
    """Write what the paper's protocol adds on a built-in survey."""
    content = _read("study_protocols")
    parts = ["### What the paper's protocol adds on a built-in survey\n"]
    parts += [] if content else [NOT_YET]
    for name, gaps in content.get("protocol_gaps", {}).items():
        strides = " and ".join(map(str, content["strides"]))
        parts.append(f"{_head(content['head']).replace('twin 0', name)}, strides of {strides} px.\n")
        parts.append(_gaps(gaps, _under(content["lines"][name], "strict")))
    return "\n".join(parts)


def _read(name: str) -> dict[str, Any]:
    """Read a study's file; {} where it was not run."""
    file = RESULTS / f"{name}.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def _under(lines: Sequence[Mapping[str, Any]], protocol: str) -> list[Mapping[str, Any]]:
    return [line for line in lines if line["protocol"] == protocol]


def _head(text: str) -> str:
    """Cut a study's head to its settings and name the device."""
    settings = text.split(";")[0].replace("device auto", DEVICE)
    return settings.replace("first 1 blocks of each backbone", "first block of each backbone")


# ---- tables 3 to 6


def _tables(surveys: Lines) -> list[str]:
    first = next(iter(surveys.values()))
    numbers = sorted({line["table"] for line in first})
    return [_table(number, surveys) for number in numbers]


def _table(number: int, surveys: Lines) -> str:
    """Write one table: mean over surveys, sd over seeds, paired differences of the AUC."""
    rows = _rows(number, surveys)
    several = len(surveys) > 1
    difference = "each survey (over camps) | mean [over surveys]" if several else "[over seeds] (over camps)"
    parts = [
        f"**Table {number}. {TITLES[number]}**\n",
        "| row | the paper: accuracy, AUC | accuracy | AUC | recall | F1 ore / macro / weighted | AP | AUC minus "
        f"that of | {difference} |",
        "|---|---|---|---|---|---|---|---|---|" + ("---|" if several else ""),
    ]
    for label, found in rows.items():
        printed = PAPER[number].get(_key(label))
        paper = "" if printed is None else f"{printed[0]:.1f}, {printed[1]:.1f}"
        f1 = " / ".join(f"{_mean(found, f'f1_{kind}'):.1f}" for kind in ("ore", "macro", "weighted"))
        cells = [label, paper, *(_spread(found, name) for name in ("accuracy", "auc", "recall_ore")), f1]
        cells += [f"{_mean(found, 'average_precision'):.1f}", found[0]["against"], *_differences(found)]
        parts.append("| " + " | ".join(cells) + " |")
    return "\n".join([*parts, "", _order(number, rows), ""])


def _rows(number: int, surveys: Lines) -> dict[str, list[Mapping[str, Any]]]:
    """Group the lines of a table by row, over all surveys."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for line in itertools.chain.from_iterable(surveys.values()):
        if line["table"] == number:
            found.setdefault(line["label"], []).append(line)
    return found


def _key(label: str) -> str:
    """Take what was used instead off a row of Table 6."""
    return label.split(", used ")[0]


def _mean(found: Sequence[Mapping[str, Any]], name: str) -> float:
    """Give the mean over surveys, per cent; NaN where no run was whole."""
    means = [line["measures"][name]["mean"] for line in found]
    known = [value for value in means if value is not None]
    return 100 * sum(known) / len(known) if known else math.nan


def _spread(found: Sequence[Mapping[str, Any]], name: str) -> str:
    sds = [line["measures"][name]["sd"] or 0.0 for line in found]
    return f"{_mean(found, name):.1f} ± {100 * math.sqrt(sum(sd**2 for sd in sds) / len(sds)):.1f}"


def _differences(found: Sequence[Mapping[str, Any]]) -> list[str]:
    gaps = [line["gaps"].get("auc") for line in found]
    if None in gaps:
        return [""] * (2 if len(found) > 1 else 1)
    if len(gaps) == 1:
        return [
            _points(gaps[0]["mean"]) + _between(gaps[0]["seeds"], "[]") + _between(gaps[0]["camps"], "()")
        ]
    each = "; ".join(_points(gap["mean"]) + _between(gap["camps"], "()") for gap in gaps)
    return [each, _points(*_pooled([gap["mean"] for gap in gaps]))]


def _pooled(values: Sequence[float | None]) -> tuple[float | None, list[float] | None]:
    """Give the mean over surveys and its 95 % interval (Student's t)."""
    from scipy.special import stdtrit

    known = [value for value in values if value is not None]
    if len(known) < 2:
        return (known[0] if known else None), None
    mean = sum(known) / len(known)
    sd = math.sqrt(sum((value - mean) ** 2 for value in known) / (len(known) - 1))
    reach = float(stdtrit(len(known) - 1, 0.975)) * sd / math.sqrt(len(known))
    return mean, [mean - reach, mean + reach]


def _points(mean: float | None, ends: Sequence[float] | None = None) -> str:
    return "none" if mean is None else f"{100 * mean:+.1f}{_between(ends, '[]')}"


def _between(ends: Sequence[float] | None, brackets: str) -> str:
    return "" if not ends else f" {brackets[0]}{100 * ends[0]:+.1f}, {100 * ends[1]:+.1f}{brackets[1]}"


def _order(number: int, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Say how far the rows of the paper stand in its order, by AUC."""
    ours = {_key(label): _mean(found, "auc") for label, found in rows.items()}
    paper = {label: printed[1] for label, printed in PAPER[number].items() if label in ours}
    pairs = list(itertools.combinations(paper, 2))
    alike = sum((paper[a] - paper[b]) * (ours[a] - ours[b]) > 0 for a, b in pairs)
    best, mine = max(paper, key=paper.__getitem__), max(paper, key=ours.__getitem__)
    return (
        f"Of the {len(pairs)} pairs of the paper's rows, {alike} {'stands' if alike == 1 else 'stand'} in its "
        f"order by AUC (chance: half). Its best row is {best}, "
        + ("and so it is here." if mine == best else f"here it is {mine}.")
    )


# ---- questions


def _questions(questions: Sequence[Mapping[str, Any]], surveys: int) -> str:
    rows = [
        "| question | measure | the paper | each survey | mean [95 % over surveys] | answer |",
        "|---|---|---|---|---|---|",
    ]
    for each in questions:
        measure = {"auc": "AUC"}.get(each["measure"], each["measure"])
        paper = "" if each["paper_auc_points"] is None else f"+{each['paper_auc_points']:.1f}"
        found = ", ".join(_points(value) for value in each["surveys"])
        answer = _answer(each["ci95"], each["surveys_needed"], surveys)
        rows.append(
            f"| {each['question']} | {measure} | {paper} | {found} | {_points(each['mean'], each['ci95'])} | {answer} |"
        )
    verdict = _verdict([(each["mean"], each["ci95"]) for each in questions if each["measure"] == "auc"])
    return "\n".join([*rows, "", f"Differences in points; mean over seeds within a survey. {verdict}", ""])


def _verdict(found: Sequence[tuple[float | None, Sequence[float] | None]]) -> str:
    """Count the questions whose answer is the paper's, by AUC."""
    yes = sum(ends is not None and ends[0] > 0 for _, ends in found)
    no = sum(ends is not None and ends[1] < 0 for _, ends in found)
    alike = sum(mean is not None and mean > 0 for mean, _ in found)
    return (
        f"By AUC {yes} of {len(found)} findings of the paper are confirmed, {no} are reversed and "
        f"{len(found) - yes - no} are open; {alike} have the paper's sign."
    )


def _answer(ends: Sequence[float] | None, needed: int | None, surveys: int) -> str:
    """Answer by an interval; where it holds 0, say how many surveys would tell such a difference."""
    if ends and ends[0] > 0:
        return "**yes**"
    if ends and ends[1] < 0:
        return "**no: the reverse**"
    if needed is None:
        return "open"
    needed = max(needed, surveys + 1)
    many = "over 1000" if needed > 1000 else f"about {needed}"
    return f"open; {many} surveys"


def _camp_questions(lines: Sequence[Mapping[str, Any]], camps: int) -> str:
    """Ask the questions of one survey: the interval is over its camps."""
    from scipy.special import stdtrit

    gaps: list[tuple[float | None, Sequence[float] | None]] = []
    rows = [
        "| question | the paper, AUC | AUC [over seeds] (over camps) | answer by camps |",
        "|---|---|---|---|",
    ]
    for question, (table, row, base, paper) in QUESTIONS.items():
        gap = _gap_between([line for line in lines if line["table"] == table], row, base)
        if gap is None:
            continue
        ends, needed = gap["camps"], None
        gaps.append((gap["mean"], ends))
        if ends:
            error = (ends[1] - ends[0]) / 2 / float(stdtrit(camps - 1, 0.975))
            needed = surveys_needed(gap["mean"], error)
        answer = _answer(ends, needed, 1) if ends else "no interval"
        text = _points(gap["mean"]) + _between(gap["seeds"], "[]") + _between(ends, "()")
        rows.append(f"| {question} | +{paper:.1f} | {text} | {answer} |")
    return "\n".join([*rows, "", f"'Surveys': of as many camps as this one. {_verdict(gaps)}", ""])


def _gap_between(
    lines: Sequence[Mapping[str, Any]], row: str | int, base: str | int
) -> dict[str, Any] | None:
    """Give row minus base by AUC; with intervals where one is the other's base, as only these are paired."""
    if not lines:
        return None
    a, b = (
        lines[each] if isinstance(each, int) else next(line for line in lines if line["label"] == each)
        for each in (row, base)
    )
    for line, other, sign in ((a, b, 1), (b, a, -1)):
        if line["against"] == other["label"]:
            gap = line["gaps"]["auc"]
            turned = {
                kind: gap[kind] and sorted(sign * end for end in gap[kind]) for kind in ("seeds", "camps")
            }
            return {"mean": gap["mean"] if sign > 0 else _minus(gap["mean"]), **turned}
    means = [line["measures"]["auc"]["mean"] for line in (a, b)]
    return {"mean": None if None in means else means[0] - means[1], "seeds": None, "camps": None}


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


# ---- screening and protocols


def _screening(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Write Table 2: the strict screening and the paper's, of all samples."""
    if not tables:
        return []
    found = {name: {row["element"]: row for row in rows} for name, rows in tables.items()}
    heads = {"strict": ("AUC, spatial folds", "Z_AUC", "p of the spatial null", "kept")}
    heads["paper"] = ("AUC, the paper's way", "Z_AUC", "kept (Z > 2.58)")
    used = [name for name in ("strict", "paper") if name in found]
    columns = ["element", *itertools.chain.from_iterable(heads[name] for name in used)]
    rows = ["**Table 2. Screening of the elements**\n", "| " + " | ".join(columns) + " |"]
    rows.append("|---" * len(columns) + "|")
    for element in found[used[0]]:
        cells = [element]
        for name in used:
            each = found[name][element]
            cells += [f"{each['auc']:.3f}", f"{each['z_auc']:.2f}"]
            cells += [f"{each['p']:.3g}"] if name == "strict" else []
            cells.append("yes" if each["keep"] else "")
        rows.append("| " + " | ".join(cells) + " |")
    kept = {name: sum(row["keep"] for row in found[name].values()) for name in used}
    whose = {"strict": "the strict", "paper": "the paper's"}
    said = " and ".join(f"{whose[name]} screening keeps {count}" for name, count in kept.items())
    return [*rows, f"\nOf {len(found[used[0]])} elements {said}.\n"]


def _gaps(gaps: Sequence[Mapping[str, Any]], strict: Sequence[Mapping[str, Any]]) -> str:
    """Write what the paper's protocol adds to each score, and the mean over networks."""
    names = {"accuracy": "accuracy", "auc": "AUC", "recall_ore": "recall", "f1_ore": "F1 of ore"}
    rows = [
        "| row | AUC, strict | AUC, the paper's | adds to AUC [95 %] | to accuracy | to recall | to F1 of ore |"
    ]
    rows.append("|---|---|---|---|---|---|---|")
    base = {line["label"]: line for line in strict if line["table"] == 3}
    shown = [line for line in gaps if line["table"] == 3]
    for line in shown:
        found = line["gaps"]
        cells = [_spread([each], "auc") for each in (base[line["label"]], line)]
        cells += [_points(found["auc"]["mean"], found["auc"]["seeds"])]
        cells += [_points(found[name]["mean"]) for name in ("accuracy", "recall_ore", "f1_ore")]
        rows.append(f"| {line['label']} | " + " | ".join(cells) + " |")
    networks = [line for line in shown if line["label"].rstrip("*") in {*PAPER[3], "GoogLeNet", "MnasNet"}]
    means = {
        name: 100 * sum(line["gaps"][name]["mean"] for line in networks) / len(networks)
        for name in names
        if all(line["gaps"][name]["mean"] is not None for line in networks)
    }
    text = ", ".join(f"{value:+.1f} points of {names[name]}" for name, value in means.items())
    ends = [_mfaf_ahead({line["label"]: line for line in lines}) for lines in (shown, base.values())]
    said = "; ".join(
        f"{where} on {ahead} of {count}, by {low:+.1f} to {high:+.1f}"
        for where, (ahead, count, low, high) in zip(
            ("under the paper's protocol", "on held-out camps"), ends, strict=True
        )
    )
    return "\n".join(
        [
            *rows,
            f"\nMean over the {len(networks)} networks: {text}.\n",
            f"MFAF is ahead of its backbone by AUC {said} points.\n",
        ]
    )


def _mfaf_ahead(lines: Mapping[str, Mapping[str, Any]]) -> tuple[int, int, float, float]:
    """Count the backbones that MFAF is ahead of, of how many; the lowest and highest difference, points."""
    auc = {label: line["measures"]["auc"]["mean"] for label, line in lines.items()}
    gaps = [100 * (auc[f"{label}*"] - value) for label, value in auc.items() if f"{label}*" in auc]
    return sum(gap > 0 for gap in gaps), len(gaps), min(gaps), max(gaps)
