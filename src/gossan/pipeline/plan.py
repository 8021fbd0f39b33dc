"""The flat list of tasks that a project comes to."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gossan.config import Project
from gossan.errors import MissingFileError
from gossan.models import names
from gossan.models.training import TrainingSettings
from gossan.pipeline.tasks import STAGES
from gossan.runs import Task, file_hash

__all__ = ["RIVALS", "fold_tasks", "models_of", "parts", "survey_tasks", "weights_file"]

#: Models that every result is compared with, on the same folds and windows and with a Recipe of their own.
RIVALS = ("random-forest", "logistic-regression")

_TASKS = "gossan.pipeline.tasks:"

#: What the Stack depends on; changing anything else leaves it as it is.
_STACK = ("samples", "deposits", "geology", "faults", "rasters", "interpolate")


def survey_tasks(project: Project, inputs: Mapping[str, str]) -> list[Task]:
    """List the tasks that read no label but to cut folds: ``prepare`` and ``design``.

    Parameters
    ----------
    project
        Resolved, as `derive` returns it.
    inputs
        SHA-256 of every file that is read, by its name in the project.
    """
    values = asdict(project)
    files = {key: values[key] for key in _STACK}
    files["project"] = {key: values["project"][key] for key in ("crs", "area", "resolution")}
    design = {
        "windows": asdict(project.windows),
        "validation": asdict(project.validation),
        "seed": project.project.seed,
    }
    return [
        Task(
            "prepare",
            _TASKS + "prepare",
            {"project": files, "inputs": dict(inputs)},
            weight=10,
            places={"folder": str(project.folder)},
        ),
        Task("design", _TASKS + "design", design, {"prepare": "prepare"}),
    ]


def parts(design: Mapping[str, Any]) -> list[str]:
    """Name every fold that was made, such as ``strict 0/2``: split, repeat, fold."""
    return [f"{split}/{fold}" for split, folds in design["folds"].items() for fold in folds]


def models_of(project: Project, split: str) -> dict[str, Project]:
    """Give each model that is scored on a split, by its label, with the settings that it is fitted with.

    The project's model is scored on the strict folds, with its balancing and, where that is SMOTE, without;
    on the random ones only under the paper's protocol. The rivals are scored on both.
    """
    name = project.model.name
    found = {}
    if split == "strict" or project.validation.protocol == "paper":
        found[name] = project
    compared = project.balance.compare and project.balance.method == "smote" and name in names("network")
    if split == "strict" and compared:
        found[f"{name} without SMOTE"] = replace(project, balance=replace(project.balance, method="none"))
    for rival in RIVALS:
        if rival != name:
            training = TrainingSettings(threads=project.training.threads)
            found[rival] = replace(project, model=replace(project.model, name=rival), training=training)
    return found


def fold_tasks(project: Project, design: Mapping[str, Any]) -> list[Task]:
    """List the screening and the fits of every fold, and those of the final model.

    Returns
    -------
    Tasks ``screen <part>``, ``fit <part> <label>``, ``screen all`` and ``final``.
    """
    seed, protocol = project.project.seed, project.validation.protocol
    tasks = []
    for part in parts(design):
        split, place = part.split(" ")
        repeat, fold = (int(number) for number in place.split("/"))
        tasks.append(_screen(project, part, split, [seed, STAGES["screen"], repeat, fold]))
        for label, settings in models_of(project, split).items():
            fit = {"part": part, "seed": [seed, STAGES["fit"], repeat, fold]}
            tasks.append(_fit(f"fit {part} {label}", "fit", settings, f"screen {part}", fit))
    tasks.append(_screen(project, "all", protocol, [seed, STAGES["screen"]]))
    return [*tasks, _fit("final", "fit_final", project, "screen all", {"seed": [seed, STAGES["final"]]})]


def _screen(project: Project, part: str, protocol: str, seed: list[int]) -> Task:
    settings = {
        "part": part,
        "settings": asdict(project.screen),
        "block": project.validation.block,
        "protocol": protocol,
        "seed": seed,
    }
    weight = 4 if project.screen.enabled and protocol == "strict" else 0.2
    return Task(
        f"screen {part}", _TASKS + "screen", settings, {"prepare": "prepare", "design": "design"}, weight
    )


def _fit(name: str, function: str, project: Project, screened: str, settings: dict[str, Any]) -> Task:
    values = asdict(project)
    kept = {key: values[key] for key in ("geology", "model", "training", "balance")}
    kept["validation"] = {key: values["validation"][key] for key in ("protocol", "block", "dead_zone")}
    inputs = {"prepare": "prepare", "design": "design", "screen": screened}
    weight = 20 if project.model.name in names("network") else 1
    places = {}
    if weights := weights_file(project):
        places["weights"], kept["weights"] = str(weights), file_hash(weights)
    return Task(name, _TASKS + function, {"settings": kept, **settings}, inputs, weight=weight, places=places)


def weights_file(project: Project) -> Path | None:
    """Return the file of weights that a network starts from, None where it starts from none or ImageNet's.

    Raises
    ------
    MissingFileError
        If it is not there.
    """
    name = project.model.weights
    if name in ("none", "imagenet") or project.model.name not in names("network"):
        return None
    path = project.resolve(name)
    if not path.is_file():
        raise MissingFileError(f"model.weights {path} does not exist; give a file, 'none' or 'imagenet'")
    return path
