"""From the results of all tasks to what a run folder holds: scores, targets' table, measures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan import metrics
from gossan.calibrate import Calibrator, fit_calibrator
from gossan.config import Project
from gossan.grid import pixel_index
from gossan.pipeline.plan import compared_models, fit_names, parts, rivals_of
from gossan.survey import Survey
from gossan.targets import describe_areas, hidden_found

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Findings",
    "area_table",
    "areas_of",
    "crossing",
    "final_calibrator",
    "hidden",
    "measures",
    "screening",
]


@dataclass(frozen=True)
class Findings:
    """What the tasks of a project found.

    Attributes
    ----------
    project
        Resolved.
    results
        Value of every task by name.
    warnings
        Every warning that was given, in order.
    inputs
        SHA-256 of every file that was read.
    """

    project: Project
    survey: Survey
    results: Mapping[str, Any]
    warnings: Sequence[str] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def design(self) -> Mapping[str, Any]:
        """The windows, camps, splits and folds."""
        found: Mapping[str, Any] = self.results["design"]
        return found

    @property
    def name(self) -> str:
        """The project's model."""
        return self.project.model.name

    @cached_property
    def scored(self) -> "dict[str, pd.DataFrame]":
        """Collect, by model, the scores of held-out areas over all folds and repeats; the project's first."""
        import pandas as pd

        found: dict[str, list[pd.DataFrame]] = {}
        for part in parts(self.design):
            for label in compared_models(self.project):
                found.setdefault(label, []).append(self._of_draws(part, label))
            for rival in rivals_of(self.project)[0]:
                result = self.results[f"rival {part} {rival}"]
                found.setdefault(rival, []).append(_calibrated(result["predictions"], result["calibrator"]))
        return {label: pd.concat(tables, ignore_index=True) for label, tables in found.items()}

    def _of_draws(self, part: str, label: str) -> "pd.DataFrame":
        """Average a model over draws of barren windows, and calibrate what comes out."""
        tables = [self.results[name]["predictions"] for name in fit_names(self.project, part, label)]
        table: pd.DataFrame = tables[0].copy()
        if len(tables) > 1:
            members = [each[column] for each in tables for column in _members(each)]
            table = table.drop(columns=[name for name in table if str(name).startswith("member_")])
            for k, score in enumerate(members):
                table[f"member_{k}"] = score.to_numpy()
            table["score"] = np.mean(members, axis=0)
            table["vote"] = np.mean([each["vote"] for each in tables], axis=0) >= 0.5
        calibrator = self.results[f"tune {part} {self.name}"]["calibrator"]
        return _calibrated(table, calibrator if label == self.name else None)

    @property
    def held(self) -> NDArray[np.bool_]:
        """Which deposits lie on valid ground, (deposit,)."""
        valid = self.results["prepare"]["stack"]["valid"].values
        row, col, inside = pixel_index(self.survey.grid, self.survey.deposits.coordinates)
        on_ground = inside.copy()
        on_ground[inside] = valid[row[inside], col[inside]]
        return on_ground

    @property
    def predictions(self) -> "pd.DataFrame":
        """The scores of the project's model, each by one that did not train on the area."""
        return self.scored[self.name]


def _members(table: "pd.DataFrame") -> list[str]:
    return [str(name) for name in table if str(name).startswith("member_")] or ["score"]


def _calibrated(table: "pd.DataFrame", calibrator: Mapping[str, Any] | None) -> "pd.DataFrame":
    """Give a table its calibrated probability; without a calibrator only the balancing is undone."""
    if calibrator is None:
        return table
    return table.assign(probability=Calibrator.from_dict(dict(calibrator)).apply(table["score"]))


def final_calibrator(found: Findings) -> Calibrator:
    """Calibrate the final model by the scores that the strict folds gave: nothing that it was fitted on."""
    table = found.predictions
    return fit_calibrator(table["score"], table["is_ore"], prevalence=float(table["is_ore"].mean()))


def area_table(found: Findings) -> "pd.DataFrame":
    """List every area with the scores of models that did not train on it, and what is known of it.

    Returns
    -------
    One row an area: ``number, row, col, size, valid_share, samples, known_deposits, camp, fold, score`` (mean
    over repeats), ``spread`` (standard deviation over repeats, draws and ensemble members, NaN for a single
    one), ``vote`` (share of the repeats), ``probability`` (calibrated, of a known deposit), ``final`` (the
    final model's score), and where it lies.
    """
    table = found.predictions
    by_area = table.groupby("number")
    runs = table.melt(id_vars="number", value_vars=_members(table), value_name="run")
    final = found.results["final"]
    areas = areas_of(found.design).rename(columns={"deposits": "known_deposits"})
    areas = areas.drop(columns="stride").set_index("number")
    for name in ("score", "vote", "probability"):
        areas[name] = by_area[name].mean()
    areas["spread"] = runs.groupby("number")["run"].std(ddof=1)
    areas["final"] = dict(zip(final["number"].tolist(), final["score"].tolist(), strict=True))
    areas["fold"] = table[table["repeat"] == 0].set_index("number")["fold"]
    described: pd.DataFrame = describe_areas(
        areas.reset_index(), found.survey.grid, found.survey.deposits.coordinates[found.held]
    )
    return described


def areas_of(design: Mapping[str, Any]) -> "pd.DataFrame":
    """Return the windows of a design that are areas of the map."""
    windows: pd.DataFrame = design["windows"]
    return windows[windows["number"] > 0]


def measures(found: Findings) -> dict[str, Any]:
    """Compute ``metrics.json``: the model, its rivals on the same folds, and the leakage audit."""
    from gossan.pipeline.audit import leakage

    rivals = dict(found.scored)
    table = rivals.pop(found.name)
    windows = found.design["windows"]
    camps = windows.loc[windows["number"] > 0, "camp"]
    summary = metrics.summarise(table)
    return {
        "format": 1,
        "protocol": "strict",
        "estimand": "new camp: camps are held out whole",
        "model": found.name,
        "camps": int(camps[camps > 0].nunique()),
        "verdict": summary["counts"]["verdict"],
        "summary": summary,
        "folds": metrics.folds_of(table),
        "rivals": {rival: metrics.summarise(rows) for rival, rows in rivals.items()},
        "rivals_left_out": rivals_of(found.project)[1],
        "paired": {rival: metrics.paired(table, rows) for rival, rows in rivals.items()},
        "leakage": leakage(found),
    }


def screening(found: Findings) -> "pd.DataFrame":
    """Return the screening with all samples, and in how many folds each element was kept."""
    import pandas as pd

    names = [f"screen {part}" for part in parts(found.design)]
    kept = [set(found.results[name]["layers"]) for name in names]
    tested = found.results["screen all"]["table"]
    every = {"element": list(found.results["prepare"]["values"].columns), "keep": True}
    table: pd.DataFrame = pd.DataFrame(every) if tested is None else tested.copy()
    table["folds_kept"] = [sum(element in layers for layers in kept) for element in table["element"]]
    table["folds"] = len(kept)
    return table


def crossing(areas: "pd.DataFrame") -> float:
    """Score at which the curves of the prediction-area plot cross, by the scores that are mapped."""
    curve = metrics.prediction_rate(areas["score"], areas["valid_share"], areas["known_deposits"])
    return float(metrics.crossing(curve)[-1])


def hidden(found: Findings, areas: "pd.DataFrame") -> dict[str, Any] | None:
    """Count, for a made survey, the hidden deposits in the best ground that holds no known one."""
    truth = found.survey.truth
    if truth is None:
        return None
    places = truth.loc[truth["hidden"].astype(bool), ["easting", "northing"]].to_numpy(dtype=np.float64)
    rivals = {
        label: areas["number"].map(table.groupby("number")["score"].mean()).to_numpy()
        for label, table in found.scored.items()
        if label != found.name
    }
    return hidden_found(areas, places, found.survey.grid, budget=found.project.targets.budget, rivals=rivals)
