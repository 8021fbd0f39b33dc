"""The files of a run, but for the page and the manifest."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gossan import __version__, io
from gossan.config import Project, to_toml
from gossan.grid import region_of, resolution_of, window_region
from gossan.pipeline.results import Findings, area_table, crossing, curves, hidden, measures, screening
from gossan.recipe import Recipe, covered_pixels
from gossan.survey import Layer
from gossan.targets import choose_targets, coverage
from gossan.windows import stitch

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

__all__ = ["model_card", "report_model", "write_outputs"]


#: Where the run folder lies must not change its bytes, so the inputs' folder is not written into it.
_HEAD = """\
# The resolved project of this run: every setting, derived ones included. Paths start from the folder of the
# project file that was run; to run this one, add --set project.data=THAT_FOLDER unless data is set below.

"""


def write_outputs(found: Findings, folder: Path) -> dict[str, Any]:
    """Write every file of a run but the report and the manifest; return ``metrics.json``'s content."""
    areas = area_table(found)
    scores = measures(found)
    targets = choose_targets(areas, found.project.targets, crossing=crossing(areas))
    _write_maps(found, areas, folder)
    io.write_layers(folder / "targets.gpkg", _layers(found, areas, targets))
    io.write_csv(folder / "targets.csv", targets)
    io.write_csv(folder / "screening.csv", screening(found))
    _write_model(found, folder / "model")
    io.write_json(folder / "metrics.json", scores)
    io.write_json(folder / "report.json", report_model(found, areas, targets, scores))
    (folder / "project.toml").write_text(_HEAD + to_toml(found.project), encoding="utf-8")
    (folder / "MODEL_CARD.md").write_text(model_card(found, scores), encoding="utf-8")
    return scores


def _write_maps(found: Findings, areas: "pd.DataFrame", folder: Path) -> None:
    grid, stack = found.survey.grid, found.results["prepare"]["stack"]
    io.write_stack(folder / "stack.tif", stack)
    rows, cols = grid.shape
    bands = [stitch(areas[name].to_numpy(), areas, (rows, cols)) for name in ("score", "spread", "final")]
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
            "window": {
                "size": project.windows.size,
                "resolution": resolution_of(found.survey.grid),
                "min_valid": project.windows.min_valid,
            },
            "crs": found.survey.crs,
            "units": dict(
                zip(map(str, stack["channel"].values), map(str, stack["units"].values), strict=True)
            ),
            "transform": project.samples.transform,
        },
    )


def report_model(
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
        "data": _counts(found),
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


def _counts(found: Findings) -> dict[str, Any]:
    """Return what was read, and how many of the deposits on the map lie on ground that is left out."""
    counts = dict(found.survey.counts)
    inside = counts["deposits"]["inside"]
    counts["deposits"] = {**counts["deposits"], "on_ground_left_out": inside - int(found.held.sum())}
    return counts


def _command(project: Project) -> str:
    file = project.file.name if project.file else "project.toml"
    changed = [part for each in project.overrides for part in ("--set", each)]
    return shlex.join(["gossan", "run", file, *changed])


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
    from jinja2 import Environment, PackageLoader, StrictUndefined

    project, auc = found.project, scores["summary"]["auc"]
    labels = found.design["windows"].query("number > 0")
    ends = auc["ci95"]
    environment = Environment(
        loader=PackageLoader("gossan", "templates"),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("model_card.md.jinja").render(
        model=project.model.name,
        name=project.project.name,
        size=project.windows.size,
        resolution=f"{resolution_of(found.survey.grid):g}",
        deposits=int(labels["deposits"].sum()),
        ore_areas=int((labels["deposits"] > 0).sum()),
        areas=len(labels),
        camps=scores["camps"],
        channels=Recipe.from_dict(found.results["final"]["recipe"]).channels,
        dead_zone=f"{project.validation.dead_zone:g}",
        auc=f"{auc['mean']:.3f}",
        interval="no interval: fewer than 8 camps"
        if ends is None
        else f"95 % interval {ends[0]:.2f} to {ends[1]:.2f}, clustered by camp",
        rivals=[(rival, f"{each['auc']['mean']:.3f}") for rival, each in scores["rivals"].items()],
        command=_command(project),
        version=__version__,
        seed=project.project.seed,
    )


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
