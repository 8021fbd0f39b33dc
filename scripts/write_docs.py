"""Write what the docs show from code and measurements: settings, results, the README's table, the house.

python scripts/write_docs.py          # after a change of settings or of docs/results/*.json
python scripts/write_docs.py --check  # say whether the docs are up to date
"""

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import study_docs

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
BEGIN, END = "<!-- results: scripts/write_docs.py -->", "<!-- /results -->"
SURVEYS = {
    "eskay_creek": "Eskay Creek (VMS, 8 km windows)",
    "mount_painter": "Mount Painter (Cu, 2 km windows)",
}


def main() -> None:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    stale = []
    for path, text in _pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.relative_to(ROOT).as_posix())
            if not arguments.check:
                path.write_text(text, encoding="utf-8")
    print("\n".join(stale) or "up to date")
    sys.exit(1 if stale and arguments.check else 0)


def _pages() -> dict[Path, str]:
    from draw_house import house

    from gossan.config import settings_table

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    before, rest = readme.split(BEGIN)
    after = rest.split(END)[1]
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    tables = {"README.md": f"{before}{BEGIN}\n{_short_table()}\n{END}{after}"}
    sections = {"twin": _twin, "tuning": _tuning, "surveys": _surveys, "noise": _noise, "checks": _checks}
    sections |= {
        "study_twin": study_docs.twin,
        "study_eskay": study_docs.eskay,
        "study_protocols": study_docs.protocols,
    }
    for name, table in sections.items():
        begin, end = f"<!-- {name}: scripts/write_docs.py -->", f"<!-- /{name} -->"
        head, tail = page.split(begin)
        page = f"{head}{begin}\n{table()}\n{end}{tail.split(end)[1]}"
    tables["docs/results.md"] = page
    tables["docs/settings.md"] = (
        "# Every setting\n\nWritten from the code. A key is given as in the project file, `[section]` first.\n\n"
        f"{settings_table()}"
    )
    tables["docs/images/house.svg"] = house()
    return {ROOT / name: text for name, text in tables.items()}


def _read(name: str) -> dict[str, Any]:
    return dict(json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")))


def _interval(entry: dict[str, Any]) -> str:
    ends = entry["ci95"]
    return f"{entry['mean']:.2f}" + ("" if ends is None else f" ({ends[0]:.2f} to {ends[1]:.2f})")


def _over(entry: dict[str, float]) -> str:
    return f"{entry['mean']:.2f} ({entry['low']:.2f} to {entry['high']:.2f})"


def _short_table() -> str:
    twin = _read("twin")
    rows = [
        "| survey | camps | MFAF | random forest | logistic regression | MFAF minus the better rival |",
        "|---|---|---|---|---|---|",
    ]
    rivals = ("random-forest", "logistic-regression")
    summary, camps = twin["summary"], [draw["camps"] for draw in twin["draws"]]
    best = max(rivals, key=lambda rival: summary[f"auc {rival}"]["mean"])
    rows.append(
        f"| built-in, {len(twin['draws'])} draws | {min(camps)} to {max(camps)} | "
        + " | ".join(_over(summary[f"auc {name}"]) for name in ("model", *rivals))
        + f" | {_over(summary[f'model - {best}'])} |"
    )
    for name, title in SURVEYS.items():
        metrics = _read(name)["metrics"]
        found = {rival: metrics["rivals"][rival]["auc"] for rival in rivals}
        best = max(rivals, key=lambda rival: found[rival]["mean"])
        pair = metrics["paired"][best]
        gain = {"mean": pair["difference"], "ci95": pair["ci95"]}
        rows.append(
            f"| {title} | {metrics['camps']} | {_interval(metrics['summary']['auc'])} | "
            + " | ".join(_interval(found[rival]) for rival in rivals)
            + f" | {_interval(gain)} |"
        )
    rows.append(
        "\nAUC on held-out camps, 95 % interval in brackets: over draws for the built-in survey, clustered by camp for "
        "the real ones. One seed each, CPU-sized settings."
    )
    return "\n".join(rows)


def _twin() -> str:
    content = _read("twin")
    rows = ["| measure | mean over draws | sd | 95 % interval of the mean |", "|---|---|---|---|"]
    for name, value in content["summary"].items():
        rows.append(
            f"| {name} | {value['mean']:.3f} | {value['sd']:.3f} | {value['low']:.3f} to {value['high']:.3f} |"
        )
    drawn = len(content["draws"])
    rows.append(
        f"\n{drawn} draws (seeds 0 to {drawn - 1}); settings changed from the demo's: {_changed(content)}.\n"
    )
    gains = [_gain_over_best(draw) for draw in content["draws"]]
    rows.append(
        f"Model minus the best rival of each draw, chosen after the fact: {_mean_and_error(gains)}.\n"
    )
    found = content["calibration"]
    rows += [
        f"Probabilities of all draws together ({found['areas']} held-out areas, {found['ore_areas']} with ore): Brier skill "
        f"against the base rate {found['brier_skill']:.3f}, calibration slope {found['slope']:.2f}, expected / observed ore "
        f"areas {found['expected_observed']:.2f}, calibration error {found['ece']:.3f}.\n",
        "| group of channels | loss of AUC without it, mean over draws | mean rank | loss of log odds |",
        "|---|---|---|---|",
    ]
    influence = content["influence"]
    drop, margin = influence["drop"], influence["margin_drop"]
    for name in sorted(influence["groups"], key=lambda each: drop["rank"][each]):
        rows.append(
            f"| {name} | {drop['mean'][name]:.3f} | {drop['mean_rank'][name]:.1f} | {margin['mean'][name]:.2f} |"
        )
    rows.append(
        f"\nRank correlation of the groups' influence between two draws: {drop['correlation_of_two_draws']:.2f} by AUC, "
        f"{margin['correlation_of_two_draws']:.2f} by log odds; between means over halves of the draws: "
        f"{drop['correlation_of_halves']:.2f} and {margin['correlation_of_halves']:.2f}."
    )
    return "\n".join(rows)


def _gain_over_best(draw: dict[str, Any]) -> float:
    rivals = [value for name, value in draw.items() if name.startswith("auc ") and "," not in name]
    rivals.remove(draw["auc model"])
    return float(draw["auc model"] - max(rivals))


def _mean_and_error(values: list[float]) -> str:
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):+.3f} (standard error {error:.3f})"


def _tuning() -> str:
    rows = [
        "| variant | draws | AUC | minus logistic regression (sd) | minus random forest (sd) | s per fit |",
        "|---|---|---|---|---|---|",
    ]
    for row in _read("mfaf_tuning")["summary"]:
        gains = " | ".join(
            f"{row[f'minus {rival}']:+.3f} ({row[f'minus {rival}, sd']:.3f})"
            for rival in ("logistic-regression", "random-forest")
        )
        rows.append(
            f"| {row['variant']} | {len(row['seeds'])} | {row['auc']:.3f} | {gains} | {row['processor_seconds_per_fit']:.1f} |"
        )
    return "\n".join(rows)


def _noise() -> str:
    rows = [
        "| model | draws | strict: mean AUC (standard error), z | paper's protocol: mean AUC (standard error), z | command |",
        "|---|---|---|---|---|",
    ]
    for name in ("noise_lr", "noise_mfaf"):
        found = _read(name)
        scored = len(found["draws"]) - found["refused"]
        cells = [
            f"{each['mean']:.3f} ({each['standard_error']:.3f}), {each['z']:+.1f}"
            for each in (found["strict"], found["paper"])
        ]
        rows.append(
            f"| {found['model']} | {scored} of {len(found['draws'])} | {cells[0]} | {cells[1]} | "
            f"`python scripts/noise_check.py --model {found['model']} --draws {len(found['draws'])}` |"
        )
    first, second = (_read(name)["draws"] for name in ("noise_mfaf", "noise_lr"))
    pairs = [a["strict"] - b["strict"] for a, b in zip(first, second, strict=False)]
    rows.append(f"\nMFAF minus logistic regression on the same patterns, strict: {_mean_and_error(pairs)}.")
    return "\n".join(rows)


def _changed(content: dict[str, Any]) -> str:
    return ", ".join(f"`{each}`" for each in content["settings"]["set"]) or "none"


def _surveys() -> str:
    return "\n".join(_survey(name, title) for name, title in SURVEYS.items())


def _survey(name: str, title: str) -> str:
    content = _read(name)
    metrics, windows, validation = content["metrics"], content["windows"], content["validation"]
    coverage = content["coverage"]
    parts = [
        f"### {title}\n\n{windows['areas']} areas of {windows['size_m'] / 1000:g} km, {windows['ore_areas']} with "
        f"{validation['deposits_inside']} known deposits in {metrics['camps']} camps; {validation['folds']} folds, "
        f"dead zone {validation['dead_zone_m'] / 1000:g} km; {content['minutes']:g} minutes on 2 cores."
        + (f" {metrics['verdict'].capitalize()}." if metrics["verdict"] else "")
        + f" {validation['distances']['sentence']}\n",
        "| model | AUC, new camp | average precision | in the best 10 % | Brier skill | model minus it |",
        "|---|---|---|---|---|---|",
    ]
    for label, pair in ({metrics["model"]: None} | metrics["paired"]).items():
        summary = metrics["summary"] if pair is None else metrics["rivals"][label]
        gain = "" if pair is None else _interval({"mean": pair["difference"], "ci95": pair["ci95"]})
        parts.append(
            f"| {label} | {_interval(summary['auc'])} | {summary['average_precision']['mean']:.3f} | "
            f"{_interval(summary['capture_10'])} | {summary['brier_skill']['mean']:.3f} | {gain} |"
        )
    parts += ["", *_audit(content["audit"])]
    ranked = ", ".join(f"{row['group']} ({row['drop']:.3f})" for row in content["influence"]["rows"][:4])
    kept = [row["element"] for row in content["screening"]["rows"] if row["keep"]]
    least = min(
        pair["smallest_detectable"] for pair in metrics["paired"].values() if pair["smallest_detectable"]
    )
    summary = metrics["summary"]
    parts.append(
        f"\nThe smallest difference of AUC that these camps could tell from 0 is {least:.2f} for the pair that is most "
        f"alike. 'All barren' has an accuracy of {summary['accuracy_all_barren']['mean']:.3f}; recall of ore at the vote "
        f"{summary['recall_ore']['mean']:.2f}, F1 ore / macro / weighted "
        + " / ".join(f"{summary[f'f1_{kind}']['mean']:.2f}" for kind in ("ore", "macro", "weighted"))
        + f". Calibration slope {summary['calibration_slope']['mean']:.2f}, expected / observed "
        f"{summary['expected_observed']['mean']:.2f}. The best {coverage['budget']:.0%} of the ground holds "
        f"{coverage['predicted']} of {coverage['known']} known deposits as predicted, {coverage['fitted']} as fitted. "
        f"{content['applicability']['outside_share']:.1%} of the ground is unlike what the models were trained on. Groups "
        f"with the most influence (loss of AUC): {ranked}. Kept by the screening of all samples: {', '.join(kept)}."
        + (f" {content['screening']['note'].capitalize()}." if content["screening"]["note"] else "")
        + f"\n\n`{content['command']}`\n"
    )
    return "\n".join(parts)


def _audit(audit: dict[str, Any]) -> list[str]:
    rows = ["| protocol | estimand | " + " | ".join(f"AUC {name}" for name in audit) + " |"]
    rows.append("|---|---|" + "---|" * len(audit))
    first = next(iter(audit.values()))
    for k, row in enumerate(first["rows"]):
        cells = " | ".join(_interval(each["rows"][k]["auc"]) for each in audit.values())
        rows.append(f"| {row['label']} | {row['estimand']} | {cells} |")
    return [*rows, "", *(f"{each['sentence']}\n" for each in audit.values())]


def _checks() -> str:
    null, memory, cover = _read("screening_null"), _read("peak_memory"), _read("interval_coverage")
    rows = ["| check | figure | command |", "|---|---|---|"]
    command = f"`python scripts/screening_null.py --surveys {null['surveys']}`"
    for name, value in null.items():
        if isinstance(value, float) and name != "nominal":
            rows.append(
                f"| screening on {null['surveys']} surveys without signal, {name} | {value:.4f} | {command} |"
            )
    command = f"`python scripts/interval_coverage.py --surveys {cover['surveys']} --seed {cover['seed']}`"
    simulated = {"20 ore areas in 15 camps": cover} | cover["variants"]
    for name, found in simulated.items():
        others = found["coverage of other intervals"]
        rows.append(
            f"| {cover['surveys']} simulated surveys, {name}: share of AUC intervals (95 %) that hold the truth | "
            f"{found['coverage']:.3f}; DeLong {others['DeLong of one repeat, ranks within folds']:.3f}; sd over folds and "
            f"repeats {others['sd over folds and repeats']:.3f} | {command} |"
        )
    for stage in memory["stages"]:
        rows.append(
            f"| peak memory of the full-size survey after: {stage['stage']} | {stage['peak_gib']} GiB | "
            "`python scripts/peak_memory.py` |"
        )
    return "\n".join([*rows, *_reading()])


def _reading() -> list[str]:
    """Say how fast a large table is read, and what the long tests came through."""
    speed, soak = _read("read_speed"), _read("soak")
    size = f"{speed['rows']:,} samples x {speed['elements']} elements"
    rows = [
        f"| reading {size}: time of pandas' (text, then numbers); memory of the file's size | "
        f"{speed['time_ratio']:.2f}; {speed['memory_ratio']:.2f} | `{speed['command']}` |"
    ]
    for name, total in soak["totals"].items():
        told = ", ".join(f"{value:,} {key.replace('_', ' ')}" for key, value in total.items())
        rows.append(f"| long tests, nothing failed: {name} | {told} | `{soak['command']}` |")
    return rows


if __name__ == "__main__":
    main()
