r"""The paper's study on several built-in surveys, and what they say together.

`python scripts/study_twins.py --surveys 3 --seeds 5 --epochs 20` runs `gossan.study` on the built-in
surveys of seeds 0, 1, 2 and writes docs/results/study_twin.json: for each question of the paper the
difference on each survey (mean over seeds), its mean with a 95 % interval over surveys (Student's t), and
how many surveys would tell a difference of this size from 0 (two-sided 5 %, power 80 %, normal
approximation). Surveys are the independent draws here: seeds of one survey share its deposits.

What the paper's protocol adds, on windows of two strides, from which its counts can be drawn:
`python scripts/study_twins.py --surveys 1 --strides 16 8 --tables 3 --protocols strict paper \
        --out docs/results/study_protocols.json`
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
from study_questions import MEASURES, QUESTIONS, surveys_needed

from gossan import load_project
from gossan.io import write_survey
from gossan.metrics.intervals import student
from gossan.study import study
from gossan.study.variants import TABLES
from gossan.synthetic import laboratory_table, synthetic_survey

SETTINGS = """
[windows]
size = 16
strides = {strides}
[model]
depth = 1
[training]
epochs = {epochs}
lr = 1e-3
[screen]
enabled = false
"""


def main() -> None:
    """Run the studies and pool them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--surveys", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--protocols", nargs="+", default=["strict"])
    parser.add_argument("--tables", type=int, nargs="+", default=[2, *TABLES])
    parser.add_argument("--strides", type=int, nargs="+", default=[16])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--work", type=Path, default=Path("runs/study_twins"), help="folder that it goes on in"
    )
    parser.add_argument("--out", type=Path, default=Path("docs/results/study_twin.json"))
    given = parser.parse_args()
    studies = []
    for number in range(given.surveys):
        folder = given.work / f"twin {number}"
        project = write(folder / "survey", number, given.epochs, given.strides)
        made = study(
            load_project(project),
            folder / "run",
            tables=given.tables,
            seeds=given.seeds,
            protocols=given.protocols,
            jobs=given.jobs,
        )
        studies.append(json.loads((made.folder / "study.json").read_text(encoding="utf-8")))
        print(f"survey {number}: {len(made.records)} runs, {len(made.failed)} failed", flush=True)
    content = {
        "format": 1,
        "surveys": given.surveys,
        "seeds": given.seeds,
        "epochs": given.epochs,
        "protocols": given.protocols,
        "head": studies[0]["head"],
        "strides": given.strides,
        "questions": [
            question(name, measure, studies)
            for name, (table, *_) in QUESTIONS.items()
            for measure in MEASURES
            if table in given.tables and "strict" in given.protocols
        ],
        "lines": {study_["project"]: study_["lines"] for study_ in studies},
        "protocol_gaps": {study_["project"]: study_["protocol_gaps"] for study_ in studies},
    }
    given.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for each in content["questions"]:
        print(each)


def write(folder: Path, seed: int, epochs: int, strides: list[int]) -> Path:
    """Write one built-in survey as files, as its own project, once."""
    file = folder / "project.toml"
    if not file.is_file():
        survey = synthetic_survey(seed, size=192, resolution=203.125)
        lines = SETTINGS.format(epochs=epochs, strides=strides).splitlines()
        write_survey(survey, folder, table=laboratory_table(survey), settings=lines)
    return file


def question(name: str, measure: str, studies: list[dict]) -> dict:
    """Answer one question by one measure over all surveys, under the strict protocol."""
    table, row, base, paper = QUESTIONS[name]
    found = []
    for content in studies:
        lines = [line for line in content["lines"] if line["table"] == table and line["protocol"] == "strict"]
        means = [pick(lines, each)["measures"][measure]["mean"] for each in (row, base)]
        found.append(means[0] - means[1])
    values = np.array(found)
    mean, sd = float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else math.nan
    reach = student(0.975, len(values) - 1) * sd / len(values) ** 0.5 if len(values) > 1 else math.nan
    return {
        "question": name,
        "measure": measure,
        "paper_auc_points": paper if measure == "auc" else None,
        "surveys": found,
        "mean": mean,
        "ci95": None if reach != reach else [mean - reach, mean + reach],
        "sd_surveys": None if sd != sd else sd,
        "surveys_needed": surveys_needed(mean, sd),
    }


def pick(lines: list[dict], row: str | int) -> dict:
    """Find a line by its label, or by its place in the table."""
    return lines[row] if isinstance(row, int) else next(line for line in lines if line["label"] == row)


if __name__ == "__main__":
    main()
