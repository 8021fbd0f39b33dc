"""Write what the docs show from what was measured: settings, results, and the README's table.

python scripts/write_docs.py          # after a change of settings or of docs/results/*.json
python scripts/write_docs.py --check  # say whether the docs are up to date
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

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
    from gossan.config import settings_table

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    before, rest = readme.split(BEGIN)
    after = rest.split(END)[1]
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    tables = {"README.md": f"{before}{BEGIN}\n{_short_table()}\n{END}{after}"}
    for name, table in {"twin": _twin, "surveys": _surveys, "checks": _checks}.items():
        begin, end = f"<!-- {name}: scripts/write_docs.py -->", f"<!-- /{name} -->"
        head, tail = page.split(begin)
        page = f"{head}{begin}\n{table()}\n{end}{tail.split(end)[1]}"
    tables["docs/results.md"] = page
    tables["docs/settings.md"] = (
        "# Every setting\n\nWritten from the code. A key is given as in the project file, `[section]` first.\n\n"
        f"{settings_table()}"
    )
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
        f"\n{drawn} draws (seeds 0 to {drawn - 1}); settings changed from the demo's: {_changed(content)}."
    )
    return "\n".join(rows)


def _changed(content: dict[str, Any]) -> str:
    return ", ".join(f"`{each}`" for each in content["settings"]["set"]) or "none"


def _surveys() -> str:
    parts = []
    for name, title in SURVEYS.items():
        content = _read(name)
        metrics, windows, validation = content["metrics"], content["windows"], content["validation"]
        coverage = content["coverage"]
        parts.append(
            f"### {title}\n\n{windows['areas']} areas of {windows['size_m'] / 1000:g} km, {windows['ore_areas']} with "
            f"{validation['deposits_inside']} known deposits in {metrics['camps']} camps; {validation['folds']} folds, "
            f"dead zone {validation['dead_zone_m'] / 1000:g} km; {content['minutes']:g} minutes on 2 cores.\n\n"
            "| model | AUC, new camp | average precision | recall of ore | F1 ore / macro / weighted | "
            "model minus it |\n|---|---|---|---|---|---|"
        )
        pairs = {metrics["model"]: None} | metrics["paired"]
        for label, pair in pairs.items():
            summary = metrics["summary"] if pair is None else metrics["rivals"][label]
            f1 = " / ".join(f"{summary[f'f1_{kind}']['mean']:.2f}" for kind in ("ore", "macro", "weighted"))
            gain = "" if pair is None else _interval({"mean": pair["difference"], "ci95": pair["ci95"]})
            parts.append(
                f"| {label} | {_interval(summary['auc'])} | {summary['average_precision']['mean']:.3f} | "
                f"{summary['recall_ore']['mean']:.2f} | {f1} | {gain} |"
            )
        barren = metrics["summary"]["accuracy_all_barren"]["mean"]
        loose = ", ".join(
            f"{label} {_interval(each['auc'])}" for label, each in metrics["leakage"]["random"].items()
        )
        kept = [row["element"] for row in content["screening"]["rows"] if row["keep"]]
        parts.append(
            f"\n'All barren' has an accuracy of {barren:.3f}. Under the random split (near known): {loose}. "
            f"The best {coverage['budget']:.0%} of the ground holds {coverage['predicted']} of {coverage['known']} known "
            f"deposits as predicted, {coverage['fitted']} as fitted. Kept by the screening of all samples: "
            f"{', '.join(kept)}."
            + (f" {content['screening']['note']}." if content["screening"]["note"] else "")
            + f"\n\n`{content['command']}`\n"
        )
    return "\n".join(parts)


def _checks() -> str:
    null, memory = _read("screening_null"), _read("peak_memory")
    rows = ["| check | figure | command |", "|---|---|---|"]
    command = f"`python scripts/screening_null.py --surveys {null['surveys']}`"
    for name, value in null.items():
        if isinstance(value, float) and name != "nominal":
            rows.append(
                f"| screening on {null['surveys']} surveys without signal, {name} | {value:.4f} | {command} |"
            )
    for stage in memory["stages"]:
        rows.append(
            f"| peak memory of the full-size survey after: {stage['stage']} | {stage['peak_gib']} GiB | "
            "`python scripts/peak_memory.py` |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    main()
