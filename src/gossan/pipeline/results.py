"""From the results of all tasks to what a run folder holds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gossan import __version__, io, metrics
from gossan.config import Project, to_toml
from gossan.grid import region_of, resolution_of, window_region
from gossan.pipeline.plan import models_of, parts
from gossan.recipe import Recipe, covered_pixels
from gossan.survey import Layer, Survey
from gossan.targets import choose_targets, coverage, describe_areas, hidden_found
from gossan.windows import stitch

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

__all__ = ["Findings", "write_outputs"]

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
    warnings: tuple[str, ...] = ()

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
    def predictions(self) -> "pd.DataFrame":
        """The scores of the project's model, each by one that did not train on the area."""
        return self.scored()[self.project.model.name]


def write_outputs(found: Findings, folder: Path) -> dict[str, Any]:
    """Write every file of a run but the report and the manifest; return ``metrics.json``'s content."""
    areas = area_table(found)
    scores = measures(found)
    targets = choose_targets(areas, found.project.targets, crossing=_crossing(found))
    _write_maps(found, areas, folder)
    io.write_layers(folder / "targets.gpkg", _layers(found, areas, targets))
    io.write_csv(folder / "targets.csv", targets)
    io.write_csv(folder / "screening.csv", screening(found))
    _write_model(found, folder / "model")
    io.write_json(folder / "metrics.json", scores)
    io.write_json(folder / "report.json", report(found, areas, targets, scores))
    (folder / "project.toml").write_text(to_toml(found.project), encoding="utf-8")
    (folder / "MODEL_CARD.md").write_text(model_card(found, scores), encoding="utf-8")
    return scores


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
        areas.reset_index(), found.survey.grid, found.survey.deposits.coordinates
    )
    return described


def measures(found: Findings) -> dict[str, Any]:
    """Compute ``metrics.json``: the model and its rivals on the same folds, and the random split beside them."""
    name = found.project.model.name
    rivals = found.scored()
    table = rivals.pop(name)
    camps = found.design["windows"]["camp"]
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
    table = found.results["screen all"]["table"]
    if table is None:
        table = pd.DataFrame({"element": list(found.survey.samples.values.columns)})
        table["keep"] = True
    table = table.copy()
    table["folds_kept"] = [sum(element in layers for layers in kept) for element in table["element"]]
    table["folds"] = len(kept)
    return table


def _crossing(found: Findings) -> float | None:
    """Score at which the prediction-area curves of the held-out deposits cross."""
    table = found.predictions
    curve = metrics.prediction_rate(table["score"], np.ones(len(table)), table["deposits"])
    return float(metrics.crossing(curve)[-1])


def _write_maps(found: Findings, areas: "pd.DataFrame", folder: Path) -> None:
    grid, stack = found.survey.grid, found.results["prepare"]["stack"]
    io.write_stack(folder / "stack.tif", stack)
    bands = [stitch(areas[name].to_numpy(), areas, grid.shape) for name in ("score", "spread", "final")]
    for band in bands:
        band[~stack["valid"].values] = np.nan
    io.write_prospectivity(folder / "prospectivity.tif", grid, *bands)


def _write_model(found: Findings, folder: Path) -> None:
    final, project = found.results["final"], found.project
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(np.asarray(final["weights"]).tobytes())
    stack = found.results["prepare"]["stack"]
    io.write_json(
        folder / "model.json",
        {
            "format": 1,
            "name": project.model.name,
            "recipe": final["recipe"],
            "record": final["record"],
            "window": {"size": project.windows.size, "resolution": resolution_of(found.survey.grid)},
            "crs": found.survey.crs,
            "units": dict(
                zip(map(str, stack["channel"].values), map(str, stack["units"].values), strict=True)
            ),
            "transform": project.samples.transform,
        },
    )


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


def report(
    found: Findings, areas: "pd.DataFrame", targets: "pd.DataFrame", scores: dict[str, Any]
) -> dict[str, Any]:
    """Put everything that the page says into one dictionary; the figures come from the other files."""
    project, grid = found.project, found.survey.grid
    stack = found.results["prepare"]["stack"]
    table = screening(found)
    name = project.model.name
    return {
        "format": 1,
        "title": project.project.name,
        "version": __version__,
        "project": asdict(project) | {"file": None},
        "crs": found.survey.crs,
        "grid": {
            "rows": grid.shape[0],
            "cols": grid.shape[1],
            "resolution": resolution_of(grid),
            "region": list(region_of(grid)),
        },
        "data": dict(found.survey.counts),
        "screening": {
            "protocol": project.validation.protocol,
            "rows": table.to_dict("records"),
            "note": found.results["screen all"].get("note"),
        },
        "windows": _window_counts(found, areas),
        "validation": _validation(found),
        "metrics": scores,
        "curves": curves(found),
        "coverage": coverage(areas, budget=project.targets.budget),
        "hidden": hidden(found, areas),
        "targets": targets.to_dict("records"),
        "channels": [
            {
                "name": str(channel),
                "unit": str(unit),
                "kept": str(channel) in found.results["screen all"]["layers"],
            }
            for channel, unit in zip(stack["channel"].values, stack["units"].values, strict=True)
        ],
        "balance": {
            "with": scores["summary"]["auc"],
            "without": scores["rivals"].get(f"{name} without SMOTE", {}).get("auc"),
        },
        "warnings": list(found.warnings),
        "command": _command(project),
    }


def _command(project: Project) -> str:
    file = project.file.name if project.file else "project.toml"
    return " ".join(["gossan run", file, *(f"--set {each}" for each in project.overrides)])


def _window_counts(found: Findings, areas: "pd.DataFrame") -> dict[str, Any]:
    size, valid = found.project.windows.size or 0, found.results["prepare"]["stack"]["valid"].values
    covered = covered_pixels(areas, valid.shape)
    return {
        "size_px": size,
        "size_m": size * resolution_of(found.survey.grid),
        "areas": len(areas),
        "ore_areas": int((areas["known_deposits"] > 0).sum()),
        "training_windows": len(found.design["windows"]),
        "valid_pixels": int(valid.sum()),
        "uncovered_pixels": int((valid & ~covered).sum()),
    }


def _validation(found: Findings) -> dict[str, Any]:
    validation, windows = found.project.validation, found.design["windows"]
    folds = found.design["folds"]["strict 0"]
    is_area, is_ore = windows["number"].to_numpy() > 0, windows["deposits"].to_numpy() > 0
    trains = [np.asarray(fold["train"]) for fold in folds.values()]
    camps = windows.loc[is_area, "camp"]
    return {
        "protocol": validation.protocol,
        "folds": len(folds),
        "repeats": validation.repeats,
        "block_m": validation.block,
        "dead_zone_m": validation.dead_zone,
        "camps": int(camps[camps > 0].nunique()),
        "deposits_inside": int(windows.loc[is_area, "deposits"].sum()),
        "train_share": float(np.mean([is_area[train].sum() / is_area.sum() for train in trains])),
        "ore_share": float(
            np.mean([(is_area & is_ore)[train].sum() / (is_area & is_ore).sum() for train in trains])
        ),
    }


def model_card(found: Findings, scores: dict[str, Any]) -> str:
    """Write the model card from the run; nothing in it is typed by hand."""
    project, final = found.project, found.results["final"]
    auc = scores["summary"]["auc"]
    interval = auc["ci95"]
    between = (
        "no interval: fewer than 8 camps"
        if interval is None
        else f"95 % interval {interval[0]:.2f} to {interval[1]:.2f}"
    )
    rivals = "\n".join(
        f"- {rival}: AUC {summary['auc']['mean']:.3f}" for rival, summary in scores["rivals"].items()
    )
    labels = found.design["windows"].query("number > 0")
    return f"""# Model card: {project.model.name} on {project.project.name}

**Purpose.** Ranks areas of {project.windows.size} px ({resolution_of(found.survey.grid):g} m a pixel) by their likeness to
areas with a known deposit. It is trained on this survey and meant for it; elsewhere only through `gossan predict`,
which refuses other channels, units, resolutions and window sizes.

**Labels.** {int(labels["deposits"].sum())} known deposits in {int((labels["deposits"] > 0).sum())} of {len(labels)} areas,
{scores["camps"]} camps. *Barren* means that nobody has found ore there: it means unknown. Deposits are labels only,
never a channel.

**Channels.** {", ".join(_recipe_channels(final["recipe"]))}.

**Evaluation (new camp).** Camps are held out whole, {found.project.validation.dead_zone:g} m of free ground between
training and test: AUC {auc["mean"]:.3f} ({between}, clustered by camp).

On the same folds:

{rivals}

**Limits.** With few camps an AUC is known to about 0.1. Scores are balanced scores, not probabilities. Band `final`
of `prospectivity.tif` comes from a model that saw every label: it is fitted, not predicted.

**Reproduce.** `{_command(project)}` with gossan {__version__}, seed {project.project.seed}; every setting is in `project.toml`.

**Method.** Gao, Wang, Zhang, Wang (2023), Sustainability 15, 10269, doi 10.3390/su151310269.
"""


def _recipe_channels(recipe: dict[str, Any]) -> tuple[str, ...]:
    return Recipe.from_dict(recipe).channels


def _layers(found: Findings, areas: "pd.DataFrame", targets: "pd.DataFrame") -> dict[str, "gpd.GeoDataFrame"]:
    """Make the layers of ``targets.gpkg``: what was found, and what the map shows around it."""
    import geopandas as gpd
    import shapely

    survey = found.survey
    west, south, east, north = window_region(
        survey.grid, areas["row"].to_numpy(), areas["col"].to_numpy(), areas["size"].to_numpy()
    )
    squares = gpd.GeoDataFrame(areas, geometry=shapely.box(west, south, east, north), crs=survey.crs)
    of_target = squares.set_index("number").geometry.reindex(targets["number"]).to_numpy()
    deposits = survey.deposits
    layers = {
        "areas": squares,
        "targets": gpd.GeoDataFrame(targets, geometry=of_target, crs=survey.crs),
        "deposits": gpd.GeoDataFrame(
            {"name": list(deposits.names), "camp": np.asarray(found.design["deposit_camp"])},
            geometry=gpd.points_from_xy(*deposits.coordinates.T),
            crs=survey.crs,
        ),
        "samples": gpd.GeoDataFrame(
            geometry=gpd.points_from_xy(*survey.samples.coordinates.T), crs=survey.crs
        ),
    }
    for name, thing in (("geology", survey.geology), ("faults", survey.faults)):
        if thing is not None and not isinstance(thing, Layer):
            layers[name] = thing
    return layers
