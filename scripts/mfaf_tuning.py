"""Score variants of MFAF on draws of the built-in survey that no study uses, beside the rivals.

    python scripts/mfaf_tuning.py --seeds 100 101 --only "depth 1" --to docs/results/mfaf_tuning.json

Screening is off. Each variant is scored on the strict folds, areas of held-out camps only, by the AUC within
folds. What the JSON file already holds for the same settings is not computed again. Seeds 0 to 9 are the
study's and are refused.
"""

import argparse
import json
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from gossan.errors import GossanWarning
from gossan.hooks import no_checkpoint, no_progress
from gossan.pipeline import fits, tasks
from gossan.pipeline.plan import parts

if TYPE_CHECKING:
    import pandas as pd

_HOOKS: dict[str, Any] = {"progress": no_progress, "checkpoint": no_checkpoint}

#: What every variant adds to; a later setting wins.
BASE = (
    "screen.enabled=false",
    "balance.compare=false",
    "windows.size=16",
    "windows.strides=[16]",
    'model.name="mfaf-shufflenet-v2"',
    "model.width=0.5",
)
RIVALS = ("logistic-regression", "random-forest")

#: One block, few epochs at a low rate: what the variants below change one by one.
CUT = ("model.depth=1", "training.epochs=8", "training.lr=3e-3")
WEIGHTS = (*CUT, 'balance.method="weights"')

SUMMARY = (*WEIGHTS, "training.lr=1e-3", "model.summary=true")

VARIANTS: dict[str, tuple[str, ...]] = {
    "logistic-regression": ('model.name="logistic-regression"',),
    "random-forest": ('model.name="random-forest"',),
    "as in the study": ("training.epochs=16",),
    "depth 1": CUT[:2],
    "depth 1, lr 3e-3": CUT,
    "depth 1, lr 1e-3": (*CUT, "training.lr=1e-3"),
    "depth 2, lr 3e-3": (*CUT, "model.depth=2"),
    "depth 1, lr 3e-3, class weights": WEIGHTS,
    "class weights": (*WEIGHTS[1:], "training.epochs=16"),
    "depth 1, lr 1e-3, class weights": (*WEIGHTS, "training.lr=1e-3"),
    "depth 1, lr 1e-2, class weights": (*WEIGHTS, "training.lr=1e-2"),
    "depth 1, lr 3e-3, class weights, 16 epochs": (*WEIGHTS, "training.epochs=16"),
    "depth 1, lr 3e-3, class weights, strides 16 and 8": (*WEIGHTS, "windows.strides=[16, 8]"),
    "depth 1, lr 3e-3, class weights, no augmentation": (*WEIGHTS, "training.augment=false"),
    "depth 1, lr 3e-3, class weights, ensemble of 5": (*WEIGHTS, "training.ensemble=5"),
    "depth 1, lr 3e-3, class weights, width 2": (*WEIGHTS, "model.width=2"),
    "ResNet18, depth 1, lr 3e-3, class weights": (*WEIGHTS, 'model.name="mfaf-resnet18"', "model.width=1"),
    "summary, depth 1, lr 1e-3, class weights": SUMMARY,
    "summary, depth 1, lr 1e-3, class weights, ensemble of 5": (*SUMMARY, "training.ensemble=5"),
    "summary, depth 1, lr 1e-3, SMOTE": (*SUMMARY, 'balance.method="smote"'),
    "summary, depth 1, lr 1e-3, class weights, strides 16 and 8": (*SUMMARY, "windows.strides=[16, 8]"),
}


def main() -> None:
    """Score what is asked for, write as it goes, and print the table."""
    arguments = _parse()
    done = _read(arguments.to)
    for seed in arguments.seeds:
        for name in dict.fromkeys((*RIVALS, *(arguments.only or VARIANTS))):
            entry = done.setdefault(name, {})
            if entry.get("set") != list(VARIANTS[name]):
                entry |= {"set": list(VARIANTS[name]), "auc": {}, "processor_seconds_per_fit": {}}
            if str(seed) not in entry["auc"]:
                auc, seconds = score(seed, VARIANTS[name])
                entry["auc"][str(seed)], entry["processor_seconds_per_fit"][str(seed)] = auc, seconds
                print(f"{seed} {name:52s} {auc:.3f} {seconds:7.1f} s", flush=True)
                _write(arguments.to, done)
    _print(_table(done))


def _write(file: Path | None, done: dict[str, Any]) -> None:
    if file is None:
        return
    content = {"format": 1, "base": list(BASE), "variants": done, "summary": _table(done)}
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102, 103])
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), metavar="NAME")
    parser.add_argument("--to", type=Path, help="JSON file to go on from and to write")
    arguments = parser.parse_args()
    if min(arguments.seeds) < 10:
        parser.error("seeds 0 to 9 are the study's; give others")
    return arguments


def _read(file: Path | None) -> dict[str, Any]:
    if file is None or not file.is_file():
        return {}
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["variants"]
    return {name: entry for name, entry in found.items() if name in VARIANTS}


@cache
def _folder(seed: int) -> TemporaryDirectory[str]:
    """Write the files of a draw, once."""
    from gossan import io
    from gossan.pipeline.run import DEMO_RESOLUTION, DEMO_SIZE
    from gossan.synthetic import laboratory_table, synthetic_survey

    survey = synthetic_survey(seed, size=DEMO_SIZE, resolution=DEMO_RESOLUTION)
    folder = TemporaryDirectory()
    io.write_survey(survey, Path(folder.name), table=laboratory_table(survey))
    return folder


def _project(seed: int, variant: Sequence[str]) -> Any:
    """Return the resolved project of a variant on a draw."""
    from gossan.config import load_project
    from gossan.pipeline.prepare import derive, read_survey

    (file,) = Path(_folder(seed).name).glob("*.toml")
    project = load_project(file, [*BASE, f"project.seed={seed}", *variant])
    return derive(project, read_survey(project))


@cache
def _prepared(seed: int) -> dict[str, Any]:
    """Make the Stack of a draw, once: no variant changes it."""
    project = _project(seed, ())
    return tasks.prepare(project=asdict(project), inputs={}, folder=str(project.folder), **_HOOKS)


def score(seed: int, variant: Sequence[str]) -> tuple[float, float]:
    """Return the AUC within the strict folds of a draw, and the processor seconds of a fit."""
    import pandas as pd

    from gossan.metrics import summarise

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GossanWarning)
        project, ground = _project(seed, variant), _prepared(seed)
        design = tasks.design(
            prepare=ground,
            windows=asdict(project.windows),
            validation={**asdict(project.validation), "audit": False},
            seed=seed,
            **_HOOKS,
        )
        start = time.process_time()
        tables = [_fit(seed, ground, design, part, asdict(project)) for part in parts(design)]
    seconds = (time.process_time() - start) / len(tables)
    return round(float(summarise(pd.concat(tables))["auc"]["mean"]), 4), round(seconds, 2)


def _fit(
    seed: int, ground: dict[str, Any], design: dict[str, Any], part: str, settings: dict[str, Any]
) -> "pd.DataFrame":
    """Score the test areas of a fold by a model with all channels, seeded as in a run."""
    repeat, fold = (int(number) for number in part.split(" ")[1].split("/"))
    answer = fits.fit(
        prepare=ground,
        design=design,
        screen={"layers": [str(name) for name in ground["stack"]["channel"].values]},
        part=part,
        settings=settings,
        seed=[seed, tasks.STAGES["fit"], repeat, fold],
        **_HOOKS,
    )
    table: pd.DataFrame = answer["predictions"]
    return table


def _table(done: dict[str, Any]) -> list[dict[str, Any]]:
    """Put each variant beside the rivals, over the draws that all three were scored on."""
    rows = []
    for name, entry in done.items():
        rivals = {rival: done[rival]["auc"] if rival in done else {} for rival in RIVALS}
        seeds = sorted(set(entry["auc"]).intersection(*rivals.values()))
        if not seeds:
            continue
        auc = np.array([entry["auc"][seed] for seed in seeds])
        row: dict[str, Any] = {"variant": name, "seeds": [int(seed) for seed in seeds]}
        row["auc"] = round(float(auc.mean()), 4)
        for rival, scores in rivals.items():
            gain = auc - [scores[seed] for seed in seeds]
            row[f"minus {rival}"] = round(float(gain.mean()), 4)
            row[f"minus {rival}, sd"] = round(float(gain.std(ddof=1)), 4) if len(seeds) > 1 else None
        seconds = [entry["processor_seconds_per_fit"][seed] for seed in seeds]
        rows.append(row | {"processor_seconds_per_fit": round(float(np.mean(seconds)), 2)})
    return rows


def _print(table: Sequence[dict[str, Any]]) -> None:
    print(f"\n{'variant':58s} draws   AUC" + "".join(f"  minus {rival:19s}" for rival in RIVALS) + " s/fit")
    for row in table:
        gains = ""
        for rival in RIVALS:
            sd = row[f"minus {rival}, sd"]
            gains += f"  {row[f'minus {rival}']:+.3f}" + (
                " " * 19 if sd is None else f" (sd {sd:.3f})       "
            )
        seconds = row["processor_seconds_per_fit"]
        print(f"{row['variant']:58s} {len(row['seeds']):5d} {row['auc']:.3f}{gains} {seconds:5.1f}")


if __name__ == "__main__":
    main()
