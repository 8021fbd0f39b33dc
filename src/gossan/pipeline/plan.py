"""The flat list of tasks that a project comes to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gossan.config import Project
from gossan.errors import MissingFileError
from gossan.models import candidates, names
from gossan.models.training import TrainingSettings
from gossan.pipeline.scan import scan_tasks
from gossan.pipeline.tasks import AUDITED, STAGES
from gossan.runs import Task, file_hash

__all__ = [
    "audit_task",
    "audited_models",
    "compared_models",
    "fit_names",
    "fitting",
    "fold_tasks",
    "land_paths",
    "parts",
    "rivals_of",
    "survey_paths",
    "survey_tasks",
    "weights_file",
]

_TASKS = "gossan.pipeline.tasks:"
_FITS = "gossan.pipeline.fits:"
_REASONS = "gossan.pipeline.reasons:"

#: What the Stack depends on; changing anything else leaves it as it is.
_STACK = ("samples", "deposits", "geology", "faults", "rasters", "interpolate")
#: Of the settings of validation, those that change which windows train and test.
_DESIGN = ("folds", "block", "dead_zone", "repeats")
#: And those that a fit looks at.
_FIT = ("protocol", "block", "dead_zone", "inner")


def survey_paths(project: Project) -> list[str]:
    """Name the files that the Stack and the labels are made of, by the paths that the project gives.

    What is excluded and who holds it is not among them: it changes the ranking, and nothing that is computed.
    """
    named = [project.project.area, project.project.truth, project.samples.path, project.deposits.path]
    sources = (project.geology, project.faults, *project.rasters)
    named += [source.path for source in sources if source is not None]
    return [path for path in named if path is not None]


def land_paths(project: Project) -> list[str]:
    """Name the files of excluded ground and of tenure, by the paths that the project gives."""
    return [each.path for each in project.exclude] + [each.path for each in project.tenure]


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
    land = set(land_paths(project)) - set(survey_paths(project))
    files = {key: values[key] for key in _STACK}
    files["project"] = {key: values["project"][key] for key in ("crs", "area", "resolution")}
    validation = {key: values["validation"][key] for key in _DESIGN}
    design = {
        "windows": asdict(project.windows),
        "validation": {**validation, "audit": bool(audited_models(project))},
        "seed": project.project.seed,
    }
    return [
        Task(
            "prepare",
            _TASKS + "prepare",
            {"project": files, "inputs": {name: it for name, it in inputs.items() if name not in land}},
            weight=10,
            places={"folder": str(project.folder)},
        ),
        Task("design", _TASKS + "design", design, {"prepare": "prepare"}, weight=2),
    ]


# ---- who is scored


def parts(design: Mapping[str, Any], split: str = "strict") -> list[str]:
    """Name every fold of a split, of all its repeats, such as ``strict 0/2``: split, repeat, fold."""
    return [
        f"{name}/{fold}"
        for name, folds in design["folds"].items()
        if name.split(" ")[0] == split
        for fold in folds
    ]


def compared_models(project: Project) -> dict[str, Project]:
    """Give the models that read windows, by label: the project's, and where it uses SMOTE it without."""
    name = project.model.name
    found = {name: project}
    if project.balance.compare and project.balance.method == "smote" and name in names("network"):
        found[f"{name} without SMOTE"] = replace(project, balance=replace(project.balance, method="none"))
    return found


def rivals_of(project: Project) -> tuple[list[str], dict[str, str]]:
    """Give the rivals that can be scored, and those that cannot, with the reason."""
    wanted = [name for name in project.validation.rivals if name != project.model.name]
    left_out = {}
    if project.faults is None and "fault-distance" in wanted:
        left_out["fault-distance"] = "the project has no faults"
    return [name for name in wanted if name not in left_out], left_out


def audited_models(project: Project) -> dict[str, Project]:
    """Give the models whose leakage is audited, by name; under the paper's protocol the project's too."""
    audited = list(project.validation.audit)
    if project.validation.protocol == "paper" and project.model.name not in audited:
        audited.append(project.model.name)
    return {name: _as_model(project, name) for name in audited}


def _as_model(project: Project, name: str) -> Project:
    """Give the project with another model: its own settings where it is the project's, else the defaults."""
    if name == project.model.name:
        return project
    training = project.training if name in names("network") else TrainingSettings()
    training = replace(training, threads=project.training.threads)
    return replace(project, model=replace(project.model, name=name), training=training)


def fit_names(project: Project, part: str, label: str) -> list[str]:
    """Name the fits of a model on a part: one for each draw of barren windows."""
    draws = project.barren.draws
    return [f"fit {part} {label}" + (f" draw {draw}" if draw else "") for draw in range(draws)]


# ---- the tasks of the folds


def fold_tasks(project: Project, design: Mapping[str, Any]) -> list[Task]:
    """List everything that hangs on a fold, the final model, and what explains both.

    Returns
    -------
    Tasks ``screen <part>``, ``inner <part> <model> <configuration>/<fold>``, ``tune <part> <model>``,
    ``fit <part> <label>``, ``table <part>``, ``rival <part> <name>``, ``audit <part> <name>``,
    ``explain <part>``, and ``screen all``, ``final``, ``dense <part>``, ``dense check``, ``groups``,
    ``applicability``, ``interpolation``.
    """
    tasks: list[Task] = []
    for part in parts(design):
        tasks.append(_screen(project, part, "strict"))
        tasks += _tuning(project, part)
        for label, settings in compared_models(project).items():
            tasks += _fits(project, settings, part, label)
        tasks += _rivals(project, part)
    tasks += _audits(project, design)
    tasks.append(_screen(project, "all", project.validation.protocol))
    tasks.append(_final(project, design))
    return [*tasks, *scan_tasks(project), *_explaining(project, design)]


def _place(part: str) -> list[int]:
    """Repeat and fold of a part; [] for ``all``."""
    return [int(number) for number in part.split(" ")[1].split("/")] if " " in part else []


def _screen(project: Project, part: str, protocol: str) -> Task:
    settings = {
        "part": part,
        "settings": asdict(project.screen),
        "block": project.validation.block,
        "protocol": protocol,
        "seed": [project.project.seed, STAGES["screen"], *_place(part)],
    }
    weight = 10 if project.screen.enabled and protocol == "strict" else 0.2
    return Task(f"screen {part}", _TASKS + "screen", settings, _INPUTS, weight)


_INPUTS = {"prepare": "prepare", "design": "design"}


def _fit(
    name: str,
    function: str,
    project: Project,
    screened: str,
    settings: Mapping[str, Any],
    inputs: Mapping[str, str | Sequence[str]] | None = None,
) -> Task:
    kept = fitting(project)
    # Without dead zones and folds the final model learns from about twice as many windows as a fold's.
    share = {"inner": 0.6, "fit_final": 2.0}.get(function, 1.0)
    weight = (20 if project.model.name in names("network") else 1) * share
    places = {}
    if weights := weights_file(project):
        places["weights"], kept["weights"] = str(weights), file_hash(weights)
    needs = {**_INPUTS, "screen": screened, **(inputs or {})}
    return Task(name, _FITS + function, {"settings": kept, **settings}, needs, weight=weight, places=places)


def fitting(project: Project) -> dict[str, Any]:
    """Give the settings that a fit depends on, as JSON holds them: the ``settings`` of a task of fits."""
    values = asdict(project)
    kept = {key: values[key] for key in ("geology", "model", "training", "balance", "barren")}
    kept["barren"] = {**kept["barren"], "draws": 1}
    kept["validation"] = {key: values["validation"][key] for key in _FIT}
    return kept


def _candidates(project: Project) -> list[dict[str, Any]]:
    budget = project.validation.tune if project.validation.inner else 1
    return candidates(project.model.name, budget, training=project.training)


def _tuning(project: Project, part: str) -> Iterator[Task]:
    """List the inner fits of the project's model, and the task that chooses and calibrates by them."""
    name, tried = project.model.name, _candidates(project)
    seed = [project.project.seed, STAGES["inner"], *_place(part)]
    made = []
    for c, options in enumerate(tried):
        for fold in range(project.validation.inner):
            made.append(f"inner {part} {name} {c}/{fold}")
            settings = {"part": part, "options": options, "fold": fold, "seed": seed}
            yield _fit(made[-1], "inner", project, f"screen {part}", settings)
    yield Task(
        f"tune {part} {name}",
        _FITS + "tune",
        {"part": part, "candidates": tried},
        {**_INPUTS, "inner": made},
        weight=0.1,
    )


def _tuned(project: Project, part: str) -> dict[str, str]:
    """Give the input that says which configuration to fit; none where only one is tried."""
    return {"tuned": f"tune {part} {project.model.name}"} if len(_candidates(project)) > 1 else {}


def _fits(project: Project, settings: Project, part: str, label: str) -> Iterator[Task]:
    for draw, name in enumerate(fit_names(project, part, label)):
        seed = [project.project.seed, STAGES["fit"], *_place(part), *([draw] if draw else [])]
        fit = {"part": part, "seed": seed}
        yield _fit(name, "fit", settings, f"screen {part}", fit, _tuned(project, part))


def _rivals(project: Project, part: str) -> Iterator[Task]:
    seed = [project.project.seed, STAGES["fit"], *_place(part)]
    inner = [project.project.seed, STAGES["inner"], *_place(part)]
    yield _fit(
        f"table {part}",
        "table",
        _as_model(project, "random-forest"),
        f"screen {part}",
        {"part": part, "seed": seed},
    )
    for name in rivals_of(project)[0]:
        rival = _as_model(project, name)
        settings = {
            "settings": fitting(rival),
            "part": part,
            "candidates": _candidates(rival),
            "seed": seed,
            "inner_seed": inner,
        }
        needs = {**_INPUTS, "table": f"table {part}"}
        yield Task(f"rival {part} {name}", _FITS + "rival", settings, needs, weight=2)


# ---- the leakage audit


def audit_task(project: Project, part: str, name: str) -> str:
    """Name the task that scores a model on a part for the audit: the main fit where it is the same."""
    same = name == project.model.name and not _tuned(project, part)
    return f"fit {part} {name}" if part.startswith("strict") and same else f"audit {part} {name}"


def _audits(project: Project, design: Mapping[str, Any]) -> Iterator[Task]:
    """List the same models, without tuning, under every protocol; the first repeat only."""
    models = audited_models(project)
    for split in (*AUDITED, "strict") if models else ():
        for part in parts(design, split):
            if _place(part)[0]:
                continue
            if split != "strict":
                yield _screen(project, part, "paper" if split == "paper" else "strict")
            for name, settings in models.items():
                task = audit_task(project, part, name)
                if task.startswith("audit"):
                    seed = [project.project.seed, STAGES["fit"], *_place(part)]
                    yield _fit(task, "fit", settings, f"screen {part}", {"part": part, "seed": seed})


# ---- the final model, and why


def _final(project: Project, design: Mapping[str, Any]) -> Task:
    chosen = [f"tune {part} {project.model.name}" for part in parts(design)]
    inputs = {"tuned": chosen} if len(_candidates(project)) > 1 else {}
    seed = {"seed": [project.project.seed, STAGES["final"]]}
    return _fit("final", "fit_final", project, "screen all", seed, inputs)


def _explaining(project: Project, design: Mapping[str, Any]) -> Iterator[Task]:
    """List what says why, where the model knows nothing, and how well the maps were interpolated."""
    name, seed = project.model.name, project.project.seed
    grouping = {"given": asdict(project.explain)["groups"], "seed": [seed, STAGES["explain"]]}
    yield Task("groups", _REASONS + "groups", grouping, {"prepare": "prepare"})
    explained = []
    for part in parts(design) if project.explain.enabled else ():
        explained.append(f"explain {part}")
        settings = {
            "part": part,
            "settings": fitting(project),
            "explain": {**asdict(project.explain), "groups": None},
            "seed": [seed, STAGES["explain"], *_place(part)],
        }
        needs = {**_INPUTS, "groups": "groups", "fit": fit_names(project, part, name)[0]}
        yield Task(explained[-1], _REASONS + "explain", settings, needs, weight=8)
    yield Task(
        "applicability",
        _REASONS + "applicability",
        {"settings": fitting(project)},
        {**_INPUTS, "screen": "screen all", "groups": "groups", "explained": explained},
        weight=2,
    )
    yield Task(
        "interpolation",
        _REASONS + "interpolation",
        {"settings": asdict(project.interpolate)},
        {"prepare": "prepare"},
        weight=2,
    )


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
