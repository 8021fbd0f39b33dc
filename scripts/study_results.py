"""Keep of studies what the docs show: their lines, their screening, what the paper's protocol adds.

GOSSAN_DATA=... gossan study examples/eskay_study.toml --out runs/eskay_study
python scripts/study_results.py runs/eskay_study runs/eskay_study_paper --to docs/results/study_eskay.json
"""

import argparse
import json
from pathlib import Path
from typing import Any

import pandas as pd

from gossan.io import write_json
from gossan.runs import Store
from gossan.study.collect import protocol_gaps

#: Columns of the screening that Table 2 is made of.
SCREENED = ("element", "auc", "z_auc", "p", "keep")


def main() -> None:
    """Read the runs, write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", help="run folders that a study was written into")
    parser.add_argument("--to", type=Path, required=True)
    arguments = parser.parse_args()
    studies = [_read(folder) for folder in arguments.runs]
    lines = [line for study in studies for line in study["lines"]]
    write_json(
        arguments.to,
        {
            "format": 1,
            "project": studies[0]["project"],
            "heads": {protocol: each["head"] for each in studies for protocol in each["protocols"]},
            "design": {protocol: each["design"] for each in studies for protocol in each["protocols"]},
            "failed": sum(len(each["failed"]) for each in studies),
            "screening": {name: table for each in studies for name, table in each["screening"].items()},
            "lines": lines,
            "protocol_gaps": protocol_gaps(lines),
        },
    )


def _read(folder: Path) -> dict[str, Any]:
    """Read a study, its Table 2 by protocol, and the windows that it scored."""
    study = dict(json.loads((folder / "study" / "study.json").read_text(encoding="utf-8")))
    several = len(study["protocols"]) > 1
    study["screening"] = {}
    for protocol in study["protocols"]:
        file = folder / "study" / (f"table2_{protocol}.csv" if several else "table2.csv")
        if file.is_file():
            table = pd.read_csv(file)[list(SCREENED)]
            study["screening"][protocol] = json.loads(table.to_json(orient="records", double_precision=15))
    study["design"] = _design(folder)
    return study


def _design(folder: Path) -> dict[str, Any]:
    """Count windows, areas, ore and camps of the latest design in the run's store."""
    lines = map(json.loads, (folder / "log.jsonl").read_text(encoding="utf-8").splitlines())
    keys = [line["key"] for line in lines if line["event"] == "task" and line["name"] == "design"]
    found = Store(folder / ".store").get(keys[-1])
    windows = found["windows"]
    areas = windows[windows["number"] > 0]
    return {
        "windows": len(windows),
        "ore_windows": int((windows["deposits"] > 0).sum()),
        "areas": len(areas),
        "ore_areas": int((areas["deposits"] > 0).sum()),
        "camps": int((areas.loc[areas["camp"] > 0, "camp"]).nunique()),
        "folds": sum(len(folds) for name, folds in found["folds"].items() if name == "strict 0"),
    }


if __name__ == "__main__":
    main()
