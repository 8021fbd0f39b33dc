r"""Run a project and keep the figures that the docs show.

GOSSAN_DATA=... python scripts/example_results.py examples/eskay_creek.toml \
        --out runs/eskay --to docs/results/eskay_creek.json
"""

import argparse
import json
import time
from pathlib import Path

#: What is kept of ``report.json``: no curve and no map.
KEPT = (
    "title",
    "windows",
    "validation",
    "coverage",
    "metrics",
    "audit",
    "captures",
    "calibration",
    "tuning",
    "influence",
    "applicability",
    "interpolation",
    "screening",
    "warnings",
    "command",
)


def main() -> None:
    """Run, then write the summary."""
    from gossan.config import load_project
    from gossan.pipeline import run

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("project", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    started = time.time()
    done = run(load_project(arguments.project, arguments.overrides), arguments.out, jobs=arguments.jobs)
    report = json.loads((done.folder / "report.json").read_text(encoding="utf-8"))
    content = {name: report[name] for name in KEPT}
    content["validation"]["distances"].pop("samples")
    content["training"] = {name: report["project"][name] for name in ("model", "training", "balance")}
    content["minutes"] = round((time.time() - started) / 60, 1)
    arguments.to.parent.mkdir(parents=True, exist_ok=True)
    arguments.to.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report["metrics"]["summary"]["auc"]), content["minutes"], "minutes")


if __name__ == "__main__":
    main()
