"""Measure how often the 95 % interval of the headline AUC holds the true AUC.

    python scripts/interval_coverage.py --surveys 200 --seed 0 --to docs/results/interval_coverage.json

A survey is a cheap score model: barren areas score N(0, 1), ore areas skill + camp effect + N(0, 1), deposits
are spread unevenly over camps, camps are held out whole, and each fold's model shifts and blurs all scores
anew. The truth is the AUC of a new camp's ore against barren ground in a large draw of the same model.
Beside it stand intervals that are often printed: the spread of fold AUCs, and DeLong's; and the intervals of
other measures, whose truth is their mean over all surveys.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gossan import metrics

if TYPE_CHECKING:
    import pandas as pd

NOMINAL = 0.95
#: The coverage that must not be significantly undercut, and at which level.
FLOOR, LEVEL = 0.85, 0.05

OTHERS = ("capture_5", "capture_10", "capture_20", "mean_log_rank")


@dataclass(frozen=True)
class Model:
    """The score model: numbers a survey, standard deviations and mean in units of the barren spread."""

    camps: int = 15
    ore_areas: int = 20
    barren_areas: int = 106
    folds: int = 5
    repeats: int = 3
    skill: float = 1.2
    camp_sd: float = 0.7
    refit_sd: float = 0.3
    shift_sd: float = 0.5
    richness_sd: float = 1.0


#: What else the interval is put through, beside the model that the floor is for.
VARIANTS = {
    "camps that differ more": Model(camp_sd=1.4),
    "deposits in few camps": Model(richness_sd=2.0),
    "large camps": Model(ore_areas=60),
    "8 camps": Model(camps=8),
    "30 camps": Model(camps=30, ore_areas=40),
    "high skill": Model(skill=2.4),
    "no skill": Model(skill=0.0),
    "one repeat": Model(repeats=1),
}


def main() -> None:
    """Draw the surveys, count the intervals that cover, and write the rates."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--surveys", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", type=Path)
    arguments = parser.parse_args()
    content = {
        "format": 1,
        "surveys": arguments.surveys,
        "seed": arguments.seed,
        "nominal": NOMINAL,
        "floor": FLOOR,
        "inflation": metrics.INFLATION,
    }
    content |= coverage(arguments.surveys, arguments.seed)
    content["variants"] = {
        name: coverage(arguments.surveys, arguments.seed, variant) for name, variant in VARIANTS.items()
    }
    print(json.dumps(content, indent=1))
    if arguments.to:
        arguments.to.parent.mkdir(parents=True, exist_ok=True)
        arguments.to.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def coverage(surveys: int, seed: int, model: Model | None = None) -> dict[str, Any]:
    """Count how often each interval holds the truth; a survey without an interval counts as not covered."""
    from scipy.stats import binomtest

    model = model or Model()
    truth = true_auc(model, np.random.SeedSequence([seed, surveys]))
    drawn = (survey(model, np.random.SeedSequence([seed, number])) for number in range(surveys))
    summaries, found = zip(*(intervals(table) for table in drawn), strict=True)
    auc = [summary["auc"]["mean"] for summary in summaries]
    given = {name: [each[name] for each in found if each[name] is not None] for name in found[0]}
    hits = {name: sum(low <= truth <= high for low, high in pairs) for name, pairs in given.items()}
    p = float(binomtest(hits["ci95"], surveys, FLOOR, alternative="less").pvalue)
    return {
        "model": asdict(model),
        "true auc": round(truth, 4),
        "mean auc": round(float(np.mean(auc)), 4),
        "without interval": surveys - len(given["ci95"]),
        "covered": hits["ci95"],
        "coverage": hits["ci95"] / surveys,
        "p of so few, were the coverage the floor": p,
        "not significantly below the floor": p > LEVEL,
        "coverage of other intervals": {name: hit / surveys for name, hit in hits.items() if name != "ci95"},
        "coverage of the mean over surveys": {name: _around(name, summaries) for name in OTHERS},
        "mean width": {
            name: round(float(np.mean([high - low for low, high in pairs])), 4)
            for name, pairs in given.items()
        },
    }


def survey(model: Model, seed: np.random.SeedSequence) -> "pd.DataFrame":
    """Draw one survey's predictions, all repeats and folds."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    camp = np.concatenate([_ore_camps(model, rng), np.zeros(model.barren_areas, dtype=np.int64)])
    richness = np.append(0.0, rng.lognormal(0, model.richness_sd, model.camps))
    deposits = np.where(camp > 0, 1 + rng.poisson(richness[camp]), 0)
    effect = np.append(0.0, model.skill + model.camp_sd * rng.normal(size=model.camps))
    evidence = effect[camp] + rng.normal(size=len(camp))
    tables = []
    for repeat in range(model.repeats):
        camp_fold = rng.permutation(model.camps) % model.folds
        fold = np.where(camp > 0, camp_fold[camp - 1], rng.permutation(len(camp)) % model.folds)
        shift = model.shift_sd * rng.normal(size=model.folds)
        raw = evidence + model.refit_sd * rng.normal(size=len(camp)) + shift[fold]
        score = 1 / (1 + np.exp(-raw))
        columns = {"repeat": repeat, "fold": fold, "number": np.arange(1, len(camp) + 1), "score": score}
        known = {"is_ore": camp > 0, "deposits": deposits, "camp": camp}
        tables.append(pd.DataFrame(columns | {"vote": score > 0.5, "probability": score} | known))
    return pd.concat(tables, ignore_index=True)


def true_auc(model: Model, seed: np.random.SeedSequence, pairs: int = 4_000_000) -> float:
    """Give the share of pairs of a new camp's ore area and a barren area that the score orders rightly."""
    rng = np.random.default_rng(seed)
    ore = model.skill + model.camp_sd * rng.normal(size=pairs) + rng.normal(size=pairs)
    ore += model.refit_sd * rng.normal(size=pairs)
    barren = rng.normal(size=pairs) + model.refit_sd * rng.normal(size=pairs)
    return float(np.mean(ore > barren))


def intervals(table: "pd.DataFrame") -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the summary, and by name (low, high) or None of the headline's interval and of its rivals."""
    summary = metrics.summarise(table)
    each = [(fold["repeat"], fold["auc"]) for fold in metrics.folds_of(table) if fold["auc"] is not None]
    once = table[table["repeat"] == 0]
    fixed = metrics.delong(metrics.fold_percentile(once), once["is_ore"])
    return summary, {
        "ci95": summary["auc"]["ci95"],
        "sd over folds of one repeat": _spread([area for repeat, area in each if repeat == 0]),
        "sd over folds and repeats": _spread([area for _, area in each]),
        "DeLong of one repeat, ranks within folds": (fixed.low, fixed.high),
    }


def _around(name: str, summaries: Sequence[dict[str, Any]]) -> float:
    """Give the share of surveys whose interval of a measure holds the measure's mean over all of them."""
    truth = np.mean([summary[name]["mean"] for summary in summaries])
    held = [ci[0] <= truth <= ci[1] for summary in summaries if (ci := summary[name]["ci95"]) is not None]
    return float(sum(held) / len(summaries))


def _spread(areas: Sequence[float]) -> tuple[float, float]:
    """Give mean -+ t times the standard error, as if the values were independent."""
    from scipy.special import stdtrit

    values = np.array(areas)
    reach = stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - reach), float(values.mean() + reach)


def _ore_camps(model: Model, rng: np.random.Generator) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Give each ore area's camp, from 1: one each, the rest by chance."""
    rest = rng.integers(1, model.camps + 1, model.ore_areas - model.camps)
    return np.concatenate([np.arange(1, model.camps + 1), rest])


if __name__ == "__main__":
    main()
