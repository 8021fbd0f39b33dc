"""The files of a run, but for the page and the manifest."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan import __version__, io
from gossan.config import Project, to_toml
from gossan.grid import region_of, resolution_of, tiles, window_region
from gossan.pipeline.curves import all_curves, captures, confusions, prediction_area, thresholds
from gossan.pipeline.land import with_land
from gossan.pipeline.results import (
    Findings,
    area_table,
    crossing,
    final_calibrator,
    hidden,
    measures,
    screening,
)
from gossan.pipeline.scan import dense_section, write_dense
from gossan.pipeline.sections import (
    applicability,
    attention,
    barren,
    calibration,
    influence,
    inside_bands,
    interpolation,
    tuning,
    with_reasons,
)
from gossan.pipeline.sheets import next_sites, with_sheets, write_next_samples
from gossan.pipeline.walk import land_section, walk_measures, walk_of, walk_section
from gossan.recipe import covered_tiles
from gossan.report import model_card, read_report
from gossan.runs import versions
from gossan.survey import Layer
from gossan.targets import choose_targets, coverage, open_ground
from gossan.windows import AreaMap

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

__all__ = ["on_ground", "report_model", "write_outputs"]

#: Side of the tiles that the ground is counted in, pixels.
_TILE = 1024

#: Where the run folder lies must not change its bytes, so the inputs' folder is not written into it.
_HEAD = """\
# The resolved project of this run: every setting, derived ones included. Paths start from the folder of the
# project file that was run; to run this one, add --set project.data=THAT_FOLDER unless data is set below.

"""


def write_outputs(found: Findings, folder: Path) -> dict[str, Any]:
    """Write every file of a run but its stack, those for QGIS, the page and the manifest.

    Returns
    -------
    The content of ``metrics.json``.
    """
    valid = found.results["prepare"]["stack"]["valid"].values
    areas = with_land(found.survey, valid, with_reasons(found, area_table(found)))
    walk = walk_of(found, areas)
    scores = measures(found) | {"walk": walk_measures(found, walk)}
    targets = choose_targets(areas, found.project.targets, crossing=crossing(areas))
    targets = with_sheets(found, targets)
    sites = next_sites(found, targets)
    _write_maps(found, areas, folder)
    write_dense(found, folder)
    _write_looks_inside(found, areas, folder)
    io.write_layers(folder / "targets.gpkg", _layers(found, areas, targets))
    io.write_csv(folder / "targets.csv", targets)
    write_next_samples(folder / "next_samples.gpx", sites, found.project.project.name)
    io.write_csv(folder / "screening.csv", screening(found))
    io.write_csv(folder / "splits.csv", _splits(found))
    _write_model(found, folder / "model")
    io.write_json(folder / "metrics.json", scores)
    report = report_model(found, areas, targets, scores) | {
        "walk": walk_section(walk),
        "land": land_section(found, areas),
        "next_samples": sites.to_dict("records"),
        "sample_units": dict(found.survey.samples.units),
    }
    io.write_json(folder / "report.json", report)
    (folder / "project.toml").write_text(_HEAD + to_toml(found.project), encoding="utf-8")
    (folder / "MODEL_CARD.md").write_text(model_card(read_report(folder)), encoding="utf-8")
    return scores


def _write_maps(found: Findings, areas: "pd.DataFrame", folder: Path) -> None:
    grid, valid = found.survey.grid, found.results["prepare"]["stack"]["valid"].values

    def painted(column: str) -> io.Band:
        values = areas[column].to_numpy(dtype=np.float64)
        return on_ground(AreaMap([values], areas, valid.shape), valid)

    bands = (painted(name) for name in ("score", "spread", "final"))
    io.write_prospectivity(folder / "prospectivity.tif", grid, *bands)
    names = {"index": "applicability", "inside": "inside", "ore_index": "ore_index", "far": "far"}
    io.write_bands(
        folder / "applicability.tif", grid, {name: painted(column) for name, column in names.items()}
    )


def on_ground(areas: AreaMap, valid: NDArray[np.bool_]) -> io.Band:
    """Give areas on the map as a band that is NaN off the valid ground (row, col)."""

    def block(rows: slice, cols: slice) -> NDArray[np.float32]:
        return np.where(valid[rows, cols], areas.block(rows, cols), np.float32(np.nan))

    return block


def _write_looks_inside(found: Findings, areas: "pd.DataFrame", folder: Path) -> None:
    """Write what the networks look at, pixel by pixel: spatial attention, agreement, gradients by group."""
    valid = found.results["prepare"]["stack"]["valid"].values
    for name, maps in inside_bands(found, areas).items():
        bands = {band: on_ground(map_, valid) for band, map_ in maps.items()}
        io.write_bands(folder / f"{name}.tif", found.survey.grid, bands)


def _splits(found: Findings) -> "pd.DataFrame":
    """List which window trains and which is tested in every fold of every split."""
    import pandas as pd

    listed: pd.DataFrame = pd.concat([each["table"] for each in found.design["splits"]], ignore_index=True)
    return listed


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
            "options": final["options"],
            "recipe": final["recipe"],
            "record": final["record"],
            "calibration": final_calibrator(found).to_dict(),
            "applicability": found.results["applicability"]["yardstick"],
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
    table = screening(found)
    name = project.model.name
    return {
        "format": 1,
        "title": project.project.name,
        "version": __version__,
        "versions": dict(versions()),
        "inputs": dict(found.inputs),
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
        "audit": (scores["leakage"] or {}).get("audit"),
        "curves": all_curves(found),
        "captures": captures(found),
        "confusion": confusions(found),
        "prediction_area": prediction_area(areas),
        "thresholds": thresholds(open_ground(areas)),
        "coverage": coverage(open_ground(areas), budget=project.targets.budget),
        "hidden": hidden(found, open_ground(areas)),
        "targets": targets.to_dict("records"),
        "channels": _channels(found),
        "balance": {
            "with": scores["summary"]["auc"],
            "without": scores["rivals"].get(f"{name} without SMOTE", {}).get("auc"),
        },
        "barren": barren(found),
        "calibration": calibration(found),
        "tuning": tuning(found),
        "influence": influence(found),
        "attention": attention(found),
        "applicability": applicability(found, areas),
        "interpolation": interpolation(found),
        "dense": dense_section(found),
        "warnings": list(found.warnings),
        "command": _command(project),
    }


def _channels(found: Findings) -> list[dict[str, Any]]:
    stack, kept = found.results["prepare"]["stack"], found.results["screen all"]["layers"]
    return [
        {"name": str(channel), "unit": str(unit), "kept": str(channel) in kept}
        for channel, unit in zip(stack["channel"].values, stack["units"].values, strict=True)
    ]


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
    ground = sum(int(valid[rows, cols].sum()) for rows, cols in tiles(found.survey.grid.shape, _TILE))
    covered = sum(int(tile.sum()) for _, _, tile in covered_tiles(areas, valid))
    return {
        "size_px": size,
        "size_m": size * resolution_of(found.survey.grid),
        "areas": len(areas),
        "ore_areas": int((areas["known_deposits"] > 0).sum()),
        "training_windows": len(found.design["windows"]),
        "valid_pixels": ground,
        "uncovered_pixels": ground - covered,
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
        "designs": [_design(each, resolution_of(found.survey.grid)) for each in found.design["splits"]],
        "distances": _distances(found.design["distances"]),
        "deposits_inside": int(windows.loc[is_area, "deposits"].sum()),
        "train_share": float(np.mean([is_area[train].sum() / is_area.sum() for train in trains])),
        "ore_share": float(
            np.mean([(is_area & is_ore)[train].sum() / (is_area & is_ore).sum() for train in trains])
        ),
    }


def _design(split: Mapping[str, Any], resolution: float) -> dict[str, Any]:
    """Describe a split: what it estimates, how it was made, and the proof that it holds."""
    return {
        "name": f"{split['name']}, repeat {split['repeat']}" if split["repeat"] else split["name"],
        "estimand": split["estimand"],
        "sentence": split["sentence"],
        "folds": len(split["counts"]),
        "block_m": split["block"] * resolution if split["block"] else None,
        "dead_zone_m": split["dead_zone"] * resolution,
        "note": "; ".join([split["proof"], *split["warnings"]]),
    }


def _distances(found: Mapping[str, Any]) -> dict[str, Any]:
    """Thin the distances of validation and use out to what a chart shows."""
    samples = {}
    for name, key in (("map", "map_to_ore"), ("test", "test_to_training")):
        distances = np.asarray(found[key])
        samples[name] = np.quantile(distances, np.linspace(0, 1, min(200, len(distances)))).tolist()
    named = {"map_to_deposit": "map_to_ore", "test_to_training": "test_to_training"}
    quantiles = {
        name: {f"q{int(q):02d}": value for q, value in found["quantiles"][key].items()}
        for name, key in named.items()
    }
    return {
        **quantiles,
        "samples": samples,
        "wasserstein_m": found["wasserstein"],
        "verdict": found["verdict"],
        "sentence": found["sentence"],
    }


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
            survey.samples.values.reset_index(drop=True),
            geometry=gpd.points_from_xy(*survey.samples.coordinates.T),
            crs=survey.crs,
        ),
    }
    for name, thing in (("geology", survey.geology), ("faults", survey.faults)):
        if thing is not None and not isinstance(thing, Layer):
            layers[name] = thing
    for name, land in (("excluded", survey.excluded), ("tenure", survey.tenure)):
        if land is not None and len(land):
            layers[name] = land
    return layers
