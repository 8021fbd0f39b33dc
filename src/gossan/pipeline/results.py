"""From the results of all tasks to what a run folder holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan import metrics
from gossan.config import Project
from gossan.grid import pixel_index
from gossan.pipeline.plan import models_of, parts
from gossan.survey import Survey
from gossan.targets import describe_areas, hidden_found

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Findings", "area_table", "crossing", "curves", "hidden", "measures", "screening"]

#: Draws of camps for the bands of the curves.
_BANDS = 500


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
    """

    project: Project
    survey: Survey
    results: Mapping[str, Any]
    warnings: Sequence[str] = ()

    @property
    def design(self) -> Mapping[str, Any]:
        """The windows, camps and folds."""
        found: Mapping[str, Any] = self.results["design"]
        return found

    def scored(self, split: str = "strict") -> "dict[str, pd.DataFrame]":
        """Collect, by model, the scores of held-out areas over all folds and repeats of a split."""
        import pandas as pd

        found: dict[str, list[pd.DataFrame]] = {}
        for part in parts(self.design):
            if part.startswith(split):
                for label in models_of(self.project, split):
                    found.setdefault(label, []).append(self.results[f"fit {part} {label}"]["predictions"])
        return {label: pd.concat(tables, ignore_index=True) for label, tables in found.items()}

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
        return self.scored()[self.project.model.name]


def area_table(found: Findings) -> "pd.DataFrame":
    """List every area with the scores of models that did not train on it, and what is known of it.

    Returns
    -------
    One row an area: ``number, row, col, size, valid_share, known_deposits, camp, fold, score`` (mean over
    repeats), ``spread`` (standard deviation over repeats and ensemble members, NaN for a single one),
    ``vote`` (share of the repeats), ``final`` (the final model's), and where it lies.
    """
    table = found.predictions
    members = [str(name) for name in table if str(name).startswith("member_")] or ["score"]
    by_area = table.groupby("number")
    runs = table.melt(id_vars="number", value_vars=members, value_name="run")
    final = found.results["final"]
    windows = found.design["windows"]
    areas = windows[windows["number"] > 0].rename(columns={"deposits": "known_deposits"})
    areas = areas.drop(columns="stride").set_index("number")
    areas["score"] = by_area["score"].mean()
    areas["spread"] = runs.groupby("number")["run"].std(ddof=1)
    areas["vote"] = by_area["vote"].mean()
    areas["final"] = dict(zip(final["number"].tolist(), final["score"].tolist(), strict=True))
    areas["fold"] = table[table["repeat"] == 0].set_index("number")["fold"]
    described: pd.DataFrame = describe_areas(
        areas.reset_index(), found.survey.grid, found.survey.deposits.coordinates[found.held]
    )
    return described


def measures(found: Findings) -> dict[str, Any]:
    """Compute ``metrics.json``: the model, its rivals on the same folds, and the random split beside them."""
    name = found.project.model.name
    rivals = found.scored()
    table = rivals.pop(name)
    windows = found.design["windows"]
    camps = windows.loc[windows["number"] > 0, "camp"]
    return {
        "format": 1,
        "protocol": "strict",
        "estimand": "new camp: camps are held out whole",
        "model": name,
        "camps": int(camps[camps > 0].nunique()),
        "summary": metrics.summarise(table),
        "folds": metrics.folds_of(table),
        "rivals": {rival: metrics.summarise(rows) for rival, rows in rivals.items()},
        "paired": {rival: metrics.paired(table, rows) for rival, rows in rivals.items()},
        "leakage": {
            "estimand": "near known: random windows; training windows share pixels with test windows",
            "random": {label: metrics.summarise(rows) for label, rows in found.scored("paper").items()},
        },
    }


def curves(found: Findings) -> dict[str, Any]:
    """Draw ROC and prediction-rate of each model on held-out deposits, ranks taken within folds.

    The band of the prediction-rate curve holds 95 % of the curves of camps drawn with replacement.
    """
    drawn = {}
    for label, table in found.scored().items():
        rank = metrics.fold_percentile(table)
        area = np.ones(len(table))
        roc = metrics.roc_curve(rank, table["is_ore"])
        rate = metrics.prediction_rate(rank, area, table["deposits"])
        low, high = _band(found, table, rank, rate.x)
        drawn[label] = {
            "roc": {"x": roc.x.tolist(), "y": roc.y.tolist()},
            "prediction_rate": {
                "x": rate.x.tolist(),
                "y": rate.y.tolist(),
                "low": low.tolist(),
                "high": high.tolist(),
            },
        }
    return drawn


def _band(found: Findings, table: "pd.DataFrame", rank: Any, at: Any) -> tuple[Any, Any]:
    """Draw camps with replacement; a deposit counts as often as its camp was drawn."""
    camp, deposits = table["camp"].to_numpy(), table["deposits"].to_numpy()
    known = np.unique(camp[camp > 0])
    rng = np.random.default_rng(np.random.SeedSequence([found.project.project.seed, 6]))
    rates = []
    for _ in range(_BANDS):
        times = np.bincount(rng.choice(known, len(known)), minlength=camp.max() + 1)
        curve = metrics.prediction_rate(
            rank, np.ones(len(rank)), deposits * np.where(camp > 0, times[camp], 0)
        )
        rates.append(np.interp(at, curve.x, curve.y))
    return tuple(np.quantile(rates, (0.025, 0.975), axis=0))


def screening(found: Findings) -> "pd.DataFrame":
    """Return the screening with all samples, and in how many folds each element was kept."""
    import pandas as pd

    names = [f"screen {part}" for part in parts(found.design) if part.startswith("strict")]
    kept = [set(found.results[name]["layers"]) for name in names]
    tested = found.results["screen all"]["table"]
    every = {"element": list(found.survey.samples.values.columns), "keep": True}
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
        for label, table in found.scored().items()
        if label != found.project.model.name
    }
    return hidden_found(areas, places, found.survey.grid, budget=found.project.targets.budget, rivals=rivals)
