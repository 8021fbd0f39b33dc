"""Run the main job on several draws of the built-in survey and say what came out, with intervals over draws.

    python scripts/twin_study.py --seeds 10 --out runs/twin --to docs/results/twin.json

Each draw is written as files and run as `gossan run` does it; a draw that is done is not run again. To each
survey two things are added that say nothing: a raster of pure noise, and a decoy element, thallium, that
follows a smooth field of its own. Influence is measured on groups that are the same for every draw, so that
their ranking can be compared between draws. Probabilities are pooled over draws, since one draw has too few
ore areas to judge them.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

#: Groups by the contrast of their haloes (`gossan.synthetic.Twin.halo`): 2 and more; 1.6 to 1.9; less.
GROUPS = {
    "ore association": ("Au", "Ag", "Hg", "Sb", "Cu"),
    "weak halo": ("Sn", "Mo", "Ba"),
    "Pb, As": ("Pb", "As"),
    "W, Bi, B": ("W", "Bi", "B"),
    "Mn, Zn, F": ("Mn", "Zn", "F"),
    "decoy element": ("Tl",),
    "noise layer": ("noise",),
}
DECOY_RANGE, DECOY_SD, DECOY_NUGGET, DECOY_MEDIAN = 5000.0, 0.2, 0.13, 0.4


def main() -> None:
    """Run every draw, then write and print the table."""
    arguments = _parse()
    rows, pooled = [], []
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        row, areas = _draw(seed, arguments)
        rows.append(row)
        pooled.append(areas)
    kept = [name for name in rows[0] if name not in ("seed", "influence")]
    summary = {name: _over_draws([row[name] for row in rows]) for name in kept}
    content = {
        "format": 1,
        "settings": _settings(arguments),
        "draws": rows,
        "summary": summary,
        "calibration": _calibration(pooled),
        "influence": _influence([row["influence"] for row in rows]),
    }
    if arguments.to:
        arguments.to.parent.mkdir(parents=True, exist_ok=True)
        arguments.to.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for name, value in summary.items():
        print(
            f"{name:44s} {value['mean']:7.3f}  sd {value['sd']:.3f}  "
            f"95 % {value['low']:.3f} to {value['high']:.3f}"
        )
    print(json.dumps(content["calibration"], indent=1))
    print(json.dumps(content["influence"], indent=1))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10, help="draws of the survey")
    parser.add_argument("--first", type=int, default=0, help="seed of the first draw")
    parser.add_argument("--null", action="store_true", help="camps anywhere: nothing can be found")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--to", type=Path, help="JSON file for the figures")
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    return parser.parse_args()


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "seeds": arguments.seeds,
        "first": arguments.first,
        "null": arguments.null,
        "set": arguments.overrides,
    }


def _draw(seed: int, arguments: argparse.Namespace) -> tuple[dict[str, Any], Any]:
    """Run one draw; return its figures and its areas."""
    from gossan import io
    from gossan.config import load_project
    from gossan.pipeline import run

    folder = arguments.out / f"{'null-' if arguments.null else ''}{seed}"
    file = _written(seed, folder / "survey", null=arguments.null)
    done = run(
        load_project(file, [f"project.seed={seed}", *arguments.overrides]),
        folder / "run",
        jobs=arguments.jobs,
    )
    report = json.loads((done.folder / "report.json").read_text(encoding="utf-8"))
    row = {"seed": seed, **_figures(report)}
    names = {", ".join(members): name for name, members in GROUPS.items()}
    row["influence"] = {
        names.get(each["group"], each["group"]): [each["drop"], each["margin_drop"]]
        for each in (report["influence"] or {"rows": []})["rows"]
    }
    shown = {name: round(value, 3) for name, value in row.items() if isinstance(value, float)}
    print(json.dumps({"seed": seed, **shown}), flush=True)
    return row, io.read_layers(done.folder / "targets.gpkg")["areas"]


def _written(seed: int, folder: Path, *, null: bool) -> Path:
    """Write a draw as files, with the two layers that say nothing."""
    from gossan import io
    from gossan.grid import pixel_index
    from gossan.pipeline.run import DEMO, DEMO_RESOLUTION, DEMO_SIZE
    from gossan.survey import Layer
    from gossan.synthetic import laboratory_table, synthetic_survey
    from gossan.synthetic.fields import gaussian_field

    survey = synthetic_survey(seed, size=DEMO_SIZE, resolution=DEMO_RESOLUTION, null=null)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 77]))
    noise = rng.standard_normal((DEMO_SIZE, DEMO_SIZE)).astype(np.float32)
    survey = replace(survey, rasters=(*survey.rasters, Layer("noise", noise, survey.grid)))
    field = gaussian_field(rng, DEMO_SIZE, DEMO_RESOLUTION, DECOY_RANGE)
    row, col, _ = pixel_index(survey.grid, survey.samples.coordinates)
    at = field[np.clip(row, 0, DEMO_SIZE - 1), np.clip(col, 0, DEMO_SIZE - 1)]
    table = laboratory_table(survey)
    spread = DECOY_SD * at + DECOY_NUGGET * rng.standard_normal(len(at))
    table["Tl_ppm"] = np.round(DECOY_MEDIAN * 10**spread, 3)
    lines = ["[project]", 'truth = "truth.csv"']
    for section, settings in DEMO.items():
        lines += [f"[{section}]", *settings]
    lines += ["[explain]", f"groups = {json.dumps([list(members) for members in GROUPS.values()])}"]
    return io.write_survey(survey, folder, table=table, settings=lines)


def _figures(report: dict[str, Any]) -> dict[str, float]:
    metrics, hidden = report["metrics"], report["hidden"]
    row = {"camps": metrics["camps"], "auc model": metrics["summary"]["auc"]["mean"]}
    for rival, summary in metrics["rivals"].items():
        row[f"auc {rival}"] = summary["auc"]["mean"]
        row[f"model - {rival}"] = metrics["paired"][rival]["difference"]
    for name, audit in (report["audit"] or {}).items():
        row |= {f"auc {name}, {each['protocol']}": each["auc"]["mean"] for each in audit["rows"]}
    row["hidden in the best tenth"] = hidden["found_share"]
    row |= {f"hidden, {name}": share for name, share in hidden["rivals"].items()}
    row["hidden in the tenth nearest to known"] = hidden["distance_share"]
    row["outside the area of applicability"] = report["applicability"]["outside_share"]
    return row


def _calibration(pooled: Sequence[Any]) -> dict[str, float]:
    """Judge the probabilities of all draws together, each by a model that did not train on the area."""
    from gossan import metrics

    probability = np.concatenate([areas["probability"].to_numpy() for areas in pooled])
    is_ore = np.concatenate([areas["known_deposits"].to_numpy() > 0 for areas in pooled])
    base = np.concatenate([np.full(len(areas), (areas["known_deposits"] > 0).mean()) for areas in pooled])
    slope, intercept = metrics.calibration_line(probability, is_ore)
    return {
        "areas": int(is_ore.size),
        "ore_areas": int(is_ore.sum()),
        "brier_skill": metrics.brier_skill(probability, is_ore, base),
        "slope": slope,
        "intercept": intercept,
        "expected_observed": metrics.expected_observed(probability, is_ore),
        "ece": metrics.calibration(probability, is_ore).error,
    }


def _influence(draws: Sequence[dict[str, list[float]]]) -> dict[str, Any]:
    """Rank the groups over draws, and say how well one draw's ranking agrees with another's."""
    from scipy.stats import rankdata, spearmanr

    names = list(draws[0])
    found: dict[str, Any] = {"groups": names}
    for k, kind in enumerate(("drop", "margin_drop")):
        values = np.array([[draw[name][k] for name in names] for draw in draws])
        mean = values.mean(axis=0)
        pairs = [
            float(spearmanr(values[i], values[j]).statistic)
            for i in range(len(values))
            for j in range(i + 1, len(values))
        ]
        halves = _half_correlations(values)
        found[kind] = {
            "mean": dict(zip(names, mean.tolist(), strict=True)),
            "rank": dict(zip(names, rankdata(-mean).tolist(), strict=True)),
            "mean_rank": dict(zip(names, rankdata(-values, axis=1).mean(axis=0).tolist(), strict=True)),
            "correlation_of_two_draws": float(np.mean(pairs)) if pairs else None,
            "correlation_of_halves": halves,
        }
    return found


def _half_correlations(values: np.ndarray, draws: int = 200) -> float | None:
    """Mean rank correlation of the mean influence of two random halves of the draws."""
    from scipy.stats import spearmanr

    if len(values) < 4:
        return None
    rng = np.random.default_rng(0)
    found = []
    for _ in range(draws):
        order = rng.permutation(len(values))
        half = len(values) // 2
        first, second = values[order[:half]].mean(axis=0), values[order[half:]].mean(axis=0)
        found.append(float(spearmanr(first, second).statistic))
    return float(np.mean(found))


def _over_draws(values: Sequence[float]) -> dict[str, float]:
    """Mean, standard deviation and 95 % t interval over draws: each is a survey of its own."""
    from scipy import stats

    found = np.asarray(values, dtype=float)
    mean, sd = float(found.mean()), float(found.std(ddof=1)) if len(found) > 1 else 0.0
    reach = float(stats.t.ppf(0.975, len(found) - 1)) * sd / len(found) ** 0.5 if len(found) > 1 else 0.0
    return {"mean": mean, "sd": sd, "low": mean - reach, "high": mean + reach}


if __name__ == "__main__":
    main()
