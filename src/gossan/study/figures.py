"""Figures 2, 7 and 8 of the paper from a study: the channels, the rates, the areas called ore."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gossan import plots
from gossan.grid import region_of, window_region
from gossan.runs import Failure
from gossan.study.collect import Line
from gossan.study.plan import Grid
from gossan.study.variants import Variant
from gossan.survey import Layer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gossan.survey import Survey

__all__ = ["draw_figures"]

#: What Fig. 7 of the paper draws.
_DRAWN = {"accuracy": "accuracy", "auc": "AUC", "recall_ore": "recall", "f1_ore": "F1 of ore"}
#: The row whose areas Fig. 8 shows.
_MAPPED = Variant("ResNet18*", "mfaf-resnet18")


def draw_figures(
    grid: Grid, tables: Sequence[int], survey: "Survey", lines: Sequence[Line], results: Mapping[str, Any]
) -> dict[str, bytes]:
    """Draw what the tables of the study have the numbers for: file name -> content, PNG and PDF."""
    ground = _ground(survey, results)
    found: dict[str, Figure] = {}
    if 2 in tables:
        found["fig2_channels"] = _channels(ground, results)
    for protocol in grid.protocols if 6 in tables else ():
        rates = [line for line in lines if line["table"] == 6 and line["protocol"] == protocol]
        found[f"fig7_rates_{protocol}"] = _rates(rates, f"Dilation rates, {protocol} protocol")
    if "strict" in grid.protocols and _MAPPED.fit in grid.variants:
        drawn = _targets(grid, survey, ground, results)
        found |= {} if drawn is None else {"fig8_targets": drawn}
    files: dict[str, bytes] = {}
    for name, figure in found.items():
        files[f"{name}.png"] = plots.save(figure, "png", dpi=300)
        files[f"{name}.pdf"] = plots.save(figure, "pdf", dpi=300)
    return files


def _ground(survey: "Survey", results: Mapping[str, Any]) -> plots.Ground:
    import geopandas as gpd

    stack = results["prepare"]["stack"]
    geology, faults = (
        None if thing is None or isinstance(thing, Layer) else thing
        for thing in (survey.geology, survey.faults)
    )
    points = gpd.points_from_xy(*survey.deposits.coordinates.T)
    return plots.Ground(
        region=region_of(survey.grid),
        crs=survey.crs,
        geology=geology,
        classes=stack["classes"].values if geology is None and "classes" in stack else None,
        class_names=tuple(stack.attrs.get("class_names", ())),
        faults=faults,
        deposits=gpd.GeoDataFrame(geometry=points, crs=survey.crs),
        credit=survey.name,
    )


def _channels(ground: plots.Ground, results: Mapping[str, Any]) -> "Figure":
    stack = results["prepare"]["stack"]
    names = [str(name) for name in stack["channel"].values]
    screened = next(
        (each for name, each in results.items() if name.startswith("screen all") and isinstance(each, dict)),
        {"layers": names},
    )
    return plots.channels_figure(
        ground,
        stack["layers"].data,
        names,
        units=[str(unit) for unit in stack["units"].values],
        kept=[name in screened["layers"] for name in names],
    )


def _rates(lines: Sequence[Line], title: str) -> "Figure":
    measures = {
        label: [(line["measures"][name]["mean"], line["measures"][name]["sd"]) for line in lines]
        for name, label in _DRAWN.items()
    }
    settings = [line["label"].replace(", used ", "\nused ") for line in lines]
    return plots.rates_figure(settings, measures, title=title, label="dilation rates, pixels")


def _targets(
    grid: Grid, survey: "Survey", ground: plots.Ground, results: Mapping[str, Any]
) -> "Figure | None":
    """Draw the areas that networks which did not see them vote ore, the first seed's."""
    import geopandas as gpd
    import pandas as pd
    import shapely

    found = [results[name] for name in grid.prediction_tasks(results["design"], _MAPPED, "strict", 0)]
    if any(isinstance(each, Failure) for each in found):
        return None
    scores = pd.concat([each["predictions"] for each in found]).set_index("number")[["score", "vote"]]
    windows = results["design"]["windows"]
    areas = windows[windows["number"] > 0].join(scores, on="number").dropna(subset="score")
    areas = areas.rename(columns={"deposits": "known_deposits"})
    corners = window_region(survey.grid, *(areas[name].to_numpy() for name in ("row", "col", "size")))
    west, south, east, north = corners
    squares = gpd.GeoDataFrame(areas, geometry=shapely.box(west, south, east, north), crs=survey.crs)
    called = squares["vote"].astype(bool)
    new = squares[called & (squares["known_deposits"] == 0)].sort_values("score", ascending=False)
    held = squares["known_deposits"] > 0
    title = (
        f"Areas voted ore, never trained on: {int((called & held).sum())} of {int(held.sum())} with known "
        f"deposits, {len(new)} others"
    )
    return plots.target_map(ground, squares, new, title=title, known=squares[called & held])
