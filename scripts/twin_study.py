"""Run the main job on several draws of the built-in survey and say what came out, with intervals over draws.

    python scripts/twin_study.py --seeds 10 --out runs/twin --to docs/results/twin.json

Each draw is written as files and run by the command line's own `run`; a draw that is done is not run again.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    """Run every draw, then write and print the table."""
    arguments = _parse()
    rows = [_draw(seed, arguments) for seed in range(arguments.seeds)]
    summary = {name: _over_draws([row[name] for row in rows]) for name in rows[0] if name != "seed"}
    content = {"format": 1, "settings": _settings(arguments), "draws": rows, "summary": summary}
    if arguments.to:
        arguments.to.parent.mkdir(parents=True, exist_ok=True)
        arguments.to.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for name, value in summary.items():
        print(
            f"{name:44s} {value['mean']:7.3f}  sd {value['sd']:.3f}  "
            f"95 % {value['low']:.3f} to {value['high']:.3f}"
        )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10, help="draws of the survey, from seed 0")
    parser.add_argument("--null", action="store_true", help="camps anywhere: nothing can be found")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--to", type=Path, help="JSON file for the figures")
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    return parser.parse_args()


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    return {"seeds": arguments.seeds, "null": arguments.null, "set": arguments.overrides}


def _draw(seed: int, arguments: argparse.Namespace) -> dict[str, float]:
    from gossan.pipeline import demo

    folder = arguments.out / f"{'null-' if arguments.null else ''}{seed}"
    overrides = [f"project.seed={seed}", *arguments.overrides]
    run = demo(folder, seed=seed, null=arguments.null, overrides=overrides, jobs=arguments.jobs)
    report = json.loads((run.folder / "report.json").read_text(encoding="utf-8"))
    metrics = report["metrics"]
    row = {"seed": seed, "camps": metrics["camps"], "auc model": metrics["summary"]["auc"]["mean"]}
    for rival, summary in metrics["rivals"].items():
        row[f"auc {rival}"] = summary["auc"]["mean"]
        row[f"model - {rival}"] = metrics["paired"][rival]["difference"]
    row |= {
        f"random split auc {name}": each["auc"]["mean"] for name, each in metrics["leakage"]["random"].items()
    }
    row["hidden in the best tenth"] = report["hidden"]["found_share"]
    row |= {f"hidden, {name}": share for name, share in report["hidden"]["rivals"].items()}
    row["hidden in the tenth nearest to known"] = report["hidden"]["distance_share"]
    print(json.dumps({name: round(value, 3) for name, value in row.items()}), flush=True)
    return row


def _over_draws(values: Sequence[float]) -> dict[str, float]:
    """Mean, standard deviation and 95 % t interval over draws: each is a survey of its own."""
    from scipy import stats

    found = np.asarray(values, dtype=float)
    mean, sd = float(found.mean()), float(found.std(ddof=1)) if len(found) > 1 else 0.0
    reach = float(stats.t.ppf(0.975, len(found) - 1)) * sd / len(found) ** 0.5 if len(found) > 1 else 0.0
    return {"mean": mean, "sd": sd, "low": mean - reach, "high": mean + reach}


if __name__ == "__main__":
    main()
