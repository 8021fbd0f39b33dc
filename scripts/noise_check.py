"""Check that nothing leaks: camps moved anywhere, so that no map can tell where they are.

    python scripts/noise_check.py --model logistic-regression --draws 40 --to docs/results/noise_lr.json
    python scripts/noise_check.py --model mfaf-shufflenet-v2 --draws 8 --to docs/results/noise_mfaf.json

Each camp of the built-in survey is moved on its own (random rotation, random place with all its deposits on
valid ground, camps apart) *before* windows are labelled, elements screened and folds made. Under the strict
protocol the mean AUC over draws has to be .5 within 3 standard errors, screening and balancing included; the
paper's protocol on the same draws, with windows that overlap, is expected to be above, or the audit detects
nothing.
"""

import argparse
import json
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

SEED = 20
#: Patterns of moved camps that are drawn; every model sees the first of the same ones.
PATTERNS = 40


def main() -> None:
    """Run the draws and write what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="logistic-regression")
    parser.add_argument("--draws", type=int, default=PATTERNS, choices=range(2, PATTERNS + 1), metavar="N")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--to", type=Path)
    arguments = parser.parse_args()
    content = check(arguments.model, arguments.draws, arguments.jobs)
    print(json.dumps({name: value for name, value in content.items() if name != "draws"}, indent=1))
    if arguments.to:
        arguments.to.parent.mkdir(parents=True, exist_ok=True)
        arguments.to.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def check(model: str, draws: int, jobs: int) -> dict[str, Any]:
    """Score the model on every draw under both protocols."""
    with TemporaryDirectory() as folder:
        one = partial(_draw, _project(Path(folder), model))
        if jobs == 1:
            rows = [one(number) for number in range(draws)]
        else:
            with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
                rows = list(pool.map(one, range(draws)))
    return summarised(model, rows)


def summarised(model: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the mean AUC of each protocol over the draws, its standard error, and their ratio."""
    summary: dict[str, Any] = {"model": model, "seed": SEED}
    for protocol in ("strict", "paper"):
        auc = np.array([row[protocol] for row in rows if "refused" not in row])
        error = float(auc.std(ddof=1) / len(auc) ** 0.5)
        summary[protocol] = {
            "mean": float(auc.mean()),
            "standard_error": error,
            "z": float((auc.mean() - 0.5) / error),
        }
    summary["refused"] = sum("refused" in row for row in rows)
    return {"format": 1, **summary, "draws": rows}


def _project(folder: Path, model: str) -> str:
    """Write the built-in survey as files; return the project file."""
    from gossan import io
    from gossan.pipeline.run import DEMO, DEMO_RESOLUTION, DEMO_SIZE
    from gossan.synthetic import laboratory_table, synthetic_survey

    survey = synthetic_survey(SEED, size=DEMO_SIZE, resolution=DEMO_RESOLUTION)
    is_network = "net" in model
    small = ["width = 0.5", "depth = 1", "summary = true"] if is_network else []
    sections = {**DEMO, "model": [f'name = "{model}"', *small]}
    sections["windows"] = ["size = 16", "strides = [16, 8]"]  # overlapping ones too, as the paper cuts them
    sections["validation"] = ["tune = 1", "inner = 0", f'audit = ["{model}"]']
    sections["screen"] = ["folds = 2", "draws = 3"]
    sections["training"] = ["epochs = 4", "lr = 1e-3"]
    sections["balance"] = ['method = "smote"']
    if not is_network:
        sections.pop("training")
        sections.pop("balance")
    lines = [line for name, values in sections.items() for line in (f"[{name}]", *values)]
    return str(io.write_survey(survey, folder, table=laboratory_table(survey), settings=lines))


def _draw(file: str, number: int) -> dict[str, Any]:
    """Score one draw; a draw whose camps allow no folds is counted and left out."""
    from gossan.errors import DataError

    try:
        row = {"draw": number, **_moved(file, number)}
    except DataError as error:
        row = {"draw": number, "refused": str(error)}
    print(json.dumps(row), flush=True)
    return row


def _moved(file: str, number: int) -> dict[str, Any]:
    """Move the camps, then do everything: windows, folds, screening, balancing, fit, score."""
    from gossan.config import load_project
    from gossan.errors import GossanWarning
    from gossan.pipeline.plan import fold_tasks, survey_tasks
    from gossan.pipeline.prepare import derive, read_survey
    from gossan.screen import moved_camps
    from gossan.survey import find_camps

    warnings.simplefilter("ignore", GossanWarning)
    project = load_project(Path(file), [f"project.seed={number}"])
    survey = read_survey(project)
    resolved = derive(project, survey)
    tasks = {task.name: task for task in survey_tasks(resolved, {})}
    prepared = _call(tasks["prepare"], {})
    valid = prepared["stack"]["valid"].values
    places = survey.deposits.coordinates
    side = (resolved.windows.size or 0) * (resolved.project.resolution or 0)
    # No margin but a pixel: camps kept apart lie too evenly, and on smooth maps the ground near one of them
    # is then barren more often than elsewhere, which pushes the AUC of held-out camps under .5.
    moved = moved_camps(places, find_camps(places, side), valid, survey.grid, PATTERNS, [SEED, 1])
    prepared |= {"deposits": np.asarray(moved[number]), "deposit_camps": None}
    results = {"prepare": prepared, "design": _call(tasks["design"], {"prepare": prepared})}
    found = {
        protocol: _scored(resolved, results, fold_tasks(resolved, results["design"]), protocol)
        for protocol in ("strict", "paper")
    }
    return {"camps": int(results["design"]["windows"]["camp"].nunique() - 1), **found}


def _scored(project: Any, results: dict[str, Any], tasks: list[Any], protocol: str) -> float:
    import pandas as pd

    from gossan import metrics
    from gossan.pipeline.plan import parts

    listed, tables = {task.name: task for task in tasks}, []
    for part in parts(results["design"], protocol):
        kind = "fit" if protocol == "strict" else "audit"
        screened = _call(listed[f"screen {part}"], results)
        fitted = _call(listed[f"{kind} {part} {project.model.name}"], {**results, f"screen {part}": screened})
        tables.append(fitted["predictions"])
    return float(metrics.summarise(pd.concat(tables, ignore_index=True))["auc"]["mean"])


def _call(task: Any, results: dict[str, Any]) -> dict[str, Any]:
    """Do a task without a store."""
    from importlib import import_module

    from gossan.hooks import no_checkpoint, no_progress

    module, _, name = task.function.partition(":")
    inputs = {argument: results[need] for argument, need in task.inputs.items()}
    settings = json.loads(json.dumps({**task.settings, **task.places}))
    done: dict[str, Any] = getattr(import_module(module), name)(
        **settings, **inputs, progress=no_progress, checkpoint=no_checkpoint
    )
    return done


if __name__ == "__main__":
    main()
