"""Measure the peak memory of the full-size built-in survey: stack, screening, SMOTE and training steps.

    python scripts/peak_memory.py --to docs/results/peak_memory.json

1560 x 1560 pixels, the paper's eight elements with geology and fault distance (10 channels), windows of
128 px, MFAF-ResNet18 in batches of 32. The peak is the process's own, as the operating system counts it.
"""

import argparse
import json
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

#: Real windows of the one epoch that is run: two batches of 32 after SMOTE.
ORE, BARREN = 8, 32
LIMIT_GIB = 3.0


def main() -> None:
    """Run each stage in this process and say what the peak was after it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", type=Path)
    parser.add_argument(
        "--windows", type=int, default=96, help="training windows of the one epoch that is run"
    )
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        stages = _stages(Path(folder))
    content = {"format": 1, "limit_gib": LIMIT_GIB, "stages": stages, "peak_gib": stages[-1]["peak_gib"]}
    print(json.dumps(content, indent=1))
    if arguments.to:
        arguments.to.parent.mkdir(parents=True, exist_ok=True)
        arguments.to.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _stages(folder: Path) -> list[dict[str, object]]:
    from gossan import io
    from gossan.balance import BalanceSettings
    from gossan.config import load_project
    from gossan.hooks import no_checkpoint, no_progress
    from gossan.models import ModelSettings, make_scorer
    from gossan.models.training import TrainingSettings, make_feed
    from gossan.pipeline import tasks
    from gossan.pipeline.plan import fold_tasks, survey_tasks
    from gossan.pipeline.prepare import derive, read_survey
    from gossan.recipe import Recipe, WindowSet
    from gossan.synthetic import PAPER_EIGHT, laboratory_table, synthetic_survey

    started, stages = time.time(), []

    def done(stage: str) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        stages.append({"stage": stage, "peak_gib": round(peak, 2), "seconds": round(time.time() - started)})
        print(stages[-1], flush=True)

    survey = synthetic_survey()
    elements = ", ".join(f'"{name}"' for name in PAPER_EIGHT)
    lines = ["[samples]", f"elements = [{elements}]", "[windows]", "size = 128"]
    file = io.write_survey(survey, folder, table=laboratory_table(survey), settings=lines)
    done("survey")
    project = load_project(file)
    resolved = derive(project, read_survey(project))
    both = {"progress": no_progress, "checkpoint": no_checkpoint}
    first = {task.name: task for task in survey_tasks(resolved, {})}
    prepared = tasks.prepare(**first["prepare"].settings, **first["prepare"].places, **both)
    done("stack")
    designed = tasks.design(prepare=prepared, **first["design"].settings, **both)
    later = {task.name: task for task in fold_tasks(resolved, designed)}
    kept = tasks.screen(prepare=prepared, design=designed, **later["screen strict 0/0"].settings, **both)
    done("screening of one fold")
    index = tasks.training_index(designed, "strict 0/0")
    windows = designed["windows"].iloc[index]
    ore = windows["deposits"].to_numpy() > 0
    layers = [name for name in kept["layers"] if name != "fault density"]
    recipe = Recipe.fit(prepared["stack"], windows, layers, encoding="ordinal", valid=False)
    train = WindowSet(prepared["stack"], windows, recipe)
    make_feed(
        train, ore, np.arange(len(ore)), balance=BalanceSettings(), augment=False, seed=[0], protocol="strict"
    )
    done(f"SMOTE of {int(ore.sum())} of {len(ore)} windows, {len(train.channels)} channels")
    few = np.sort(np.concatenate([np.flatnonzero(ore)[:ORE], np.flatnonzero(~ore)[:BARREN]]))
    training = TrainingSettings(preset="paper", epochs=1, threads=2)
    scorer = make_scorer("mfaf-resnet18", model=ModelSettings(), training=training)
    part = WindowSet(prepared["stack"], windows.iloc[few], recipe)
    scorer.fit(part, ore[few], balance=BalanceSettings(), seed=[0])
    done("training steps of MFAF-ResNet18, batches of 32")
    return stages


if __name__ == "__main__":
    main()
