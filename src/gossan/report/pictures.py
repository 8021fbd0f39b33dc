"""The figures of a report, drawn from the files of the run folder."""

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gossan import plots
from gossan.errors import DataError, MissingFileError
from gossan.report.model import ReportModel
from gossan.report.plan import Maps, Plan
from gossan.report.trust_pictures import ci_pair, trust_charts, trust_maps, why_charts
from gossan.report.words import TOLD, by_model, estimate, is_paper, percent

if TYPE_CHECKING:
    import geopandas as gpd
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Maps", "Picture", "drawings", "ground_of", "read_maps", "undrawable"]

PRINT_DPI = 300
#: Times fewer pixels a side has on the page.
THINNED = 2


@dataclass(frozen=True)
class Picture:
    """A figure on the page; ``alt`` is what a reader is told who does not see it."""

    name: str
    alt: str
    caption: str
    uri: str
    shape: str


def read_maps(folder: Path, report: ReportModel) -> Maps:
    """Read the rasters, as many pixels as are drawn, and the layers of a run folder.

    Raises
    ------
    MissingFileError
        A file of the run is not there.
    DataError
        ``applicability.tif`` is on another grid than ``prospectivity.tif``.
    """
    from gossan.grid import region_of
    from gossan.io import read_layers, thin_bands, thin_stack

    paths = [folder / name for name in ("stack.tif", "prospectivity.tif", "targets.gpkg")]
    if missing := [path.name for path in paths if not path.is_file()]:
        raise MissingFileError(
            f"{folder} has no {', '.join(missing)}; a report needs a finished run: run it again"
        )
    stack = thin_stack(paths[0], plots.MOST_PIXELS)
    bands, grid, _ = thin_bands(paths[1], plots.MOST_PIXELS)
    layers = read_layers(paths[2])
    ground = ground_of(
        report,
        layers,
        region_of(grid),
        str(grid.crs),
        classes=stack["classes"].values if "classes" in stack else None,
        class_names=tuple(stack.attrs["class_names"]),
        class_counts=tuple(stack.attrs["class_counts"]),
    )
    return Maps(
        ground, stack, bands["score"], bands["spread"], layers, _applicability(folder, bands["score"])
    )


def ground_of(
    report: ReportModel,
    layers: "Mapping[str, gpd.GeoDataFrame]",
    region: tuple[float, float, float, float],
    crs: str,
    **classes: Any,
) -> plots.Ground:
    """Put together what maps show beneath their own subject.

    Parameters
    ----------
    layers
        Of ``targets.gpkg``, by name.
    crs
        Of the rasters, where the report names none.
    classes
        What `gossan.plots.Ground` takes of a class layer.
    """
    geology = layers.get("geology")
    return plots.Ground(
        region=region,
        crs=str(report.get("crs") or crs),
        geology=geology if geology is not None and "unit" in geology else None,
        faults=layers.get("faults"),
        deposits=layers.get("deposits"),
        credit=_credit(report),
        excluded=layers.get("excluded"),
        tenure=layers.get("tenure"),
        **classes,
    )


def _applicability(folder: Path, score: "NDArray[np.float32]") -> "dict[str, NDArray[np.float32]]":
    """Read the bands of ``applicability.tif``, which a run may lack."""
    from gossan.io import thin_bands

    path = folder / "applicability.tif"
    if not path.is_file():
        return {}
    bands, _, _ = thin_bands(path, plots.MOST_PIXELS)
    if any(band.shape != score.shape for band in bands.values()):
        raise DataError(
            f"{path} is not on the grid of prospectivity.tif beside it; run again to write both anew"
        )
    return bands


def _credit(report: ReportModel) -> str:
    version = report.get("version") or ""
    made = version if isinstance(version, str) else version.get("gossan", "")
    return " · ".join(part for part in (str(report.get("title") or ""), f"gossan {made}".strip()) if part)


def drawings(folder: Path, report: ReportModel, maps: Maps) -> dict[str, Callable[[], Picture]]:
    """Return what draws each figure that there are numbers for, by its name; what takes longest comes last.

    Each goes to ``figures/`` too, at 300 dpi and as PDF.
    """
    plans = (*_map_plans(report, maps), *_chart_plans(report), *_large_plans(report, maps))
    return {plan.name: partial(_draw, plan, folder / "figures") for plan in plans}


def _draw(plan: Plan, target: Path) -> Picture:
    figure = plan.draw()
    plots.lay_out(figure, dpi=PRINT_DPI)  # which takes longest
    printed = plots.save(figure, dpi=PRINT_DPI)
    (target / f"{plan.name}.png").write_bytes(printed)
    (target / f"{plan.name}.pdf").write_bytes(plots.save(figure, "pdf", dpi=PRINT_DPI))
    if plan.kind == "svg":
        page, mime = plots.save(figure, "svg"), "image/svg+xml"
    else:
        page, mime = plots.thinned(printed, THINNED), "image/png"
    data = base64.b64encode(page).decode("ascii")
    return Picture(plan.name, plan.alt, plan.caption, f"data:{mime};base64,{data}", plan.shape)


def _map_plans(report: ReportModel, maps: Maps) -> Iterator[Plan]:
    import numpy as np

    ground, areas, targets = maps.ground, maps.layers["areas"], maps.layers["targets"]
    if "rank" in targets:
        targets = targets.sort_values("rank")
    numbers = ", ".join(str(value) for value in targets["number"].head(10))
    yield Plan(
        "targets",
        lambda: plots.target_map(ground, areas, targets),
        f"Map of {len(targets)} numbered targets on the geology with faults and known deposits."
        + (f" The best are areas {numbers}." if numbers else ""),
        "Targets on the geology, as Fig. 8 of Gao et al. (2023). An area is proposed by models that were not"
        " trained on it. Its number is its place, counted by rows from the north-west, and no rank."
        " Dashed: areas with known deposits that score at least as high as the lowest target.",
        shape="wide",
    )
    if np.isfinite(maps.score).any():
        yield Plan(
            "score",
            lambda: plots.score_map(ground, maps.score),
            "Map of the score in five classes from very low to very high, with known deposits.",
            "Score by models that were not trained on the area. Classes are shares of the scored ground,"
            " since a score ranks ground and is no probability of a deposit.",
        )
    if np.isfinite(maps.spread).any():
        yield Plan(
            "spread",
            lambda: plots.spread_map(ground, maps.spread),
            "Map of the standard deviation of the score over repeats and seeds.",
            "Where repeats and seeds disagree. This is not the whole uncertainty: all saw the same deposits.",
        )
    if "fold" in areas:
        yield Plan(
            "folds",
            lambda: plots.folds_map(ground, areas),
            "Map of the fold that held out each area, with the camps of deposits outlined and numbered.",
            "Which fold held out each area (first repeat), and the camps by their numbers."
            + ("" if is_paper(report) else " A camp is never split between training and test."),
        )
    yield from trust_maps(report, maps)


def _large_plans(report: ReportModel, maps: Maps) -> Iterator[Plan]:
    yield from _area_plan(report, maps)
    yield _channels_plan(report, maps)


def _area_plan(report: ReportModel, maps: Maps) -> Iterator[Plan]:
    import numpy as np

    samples = maps.layers.get("samples")
    if samples is None or not len(samples):
        return
    places = np.column_stack([samples.geometry.x, samples.geometry.y])
    known = 0 if maps.ground.deposits is None else len(maps.ground.deposits)
    yield Plan(
        "study_area",
        lambda: plots.samples_map(maps.ground, places, locate=not report.get("hidden"), title="Study area"),
        f"Map of {len(places)} samples and {known} known deposits on the geology with faults.",
        "Study area, as Fig. 1 of Gao et al. (2023): samples and known deposits on the geology.",
        shape="wide",
    )


def _channels_plan(report: ReportModel, maps: Maps) -> Plan:
    names = [str(name) for name in maps.stack["channel"].values]
    units = [str(unit) for unit in maps.stack["units"].values]
    kept = {row["name"]: row.get("kept", True) for row in report.get("channels") or []}
    used = [bool(kept.get(name, True)) for name in names]
    return Plan(
        "channels",
        lambda: plots.channels_figure(
            maps.ground, maps.stack["layers"].values, names, units=units, kept=used
        ),
        f"Small maps of {len(names)} channels: {', '.join(names)}.",
        "Channels, as Fig. 2 of Gao et al. (2023), each on its own scale cut at its 2 % and 98 % quantiles;"
        " points are known deposits, which are labels and never a channel. In brackets: dropped by the"
        " screening. Detail finer than the sample spacing is interpolation.",
        shape="wide",
    )


def _chart_plans(report: ReportModel) -> Iterator[Plan]:
    rows = [(name, summary.get("auc") or {}) for name, summary in by_model(report).items()]
    scores = [
        (name, float(auc["mean"]), ci_pair(auc.get("ci95")))
        for name, auc in rows
        if auc.get("mean") is not None
    ]
    if scores:
        said = "; ".join(f"{name} {estimate(auc)}" for name, auc in rows)
        banded = any(interval for _, _, interval in scores)
        said_of = "; intervals are clustered by camp" if banded else ""
        caption = f"AUC of the model and its rivals on the same folds{said_of}."
        yield Plan(
            "auc",
            lambda: plots.interval_plot(scores, title="Model and rivals on the same folds"),
            f"AUC{' with its interval' if banded else ''}: {said}.",
            caption,
            "chart",
        )
    given = report.get("curves") or {}
    drawn = [name for name in by_model(report) if name in given][
        : 2 + TOLD
    ]  # more lines than that hide each other
    curves = {name: given[name] for name in drawn}
    rates = {name: curve["prediction_rate"] for name, curve in curves.items() if curve.get("prediction_rate")}
    budget = (report.get("coverage") or {}).get("budget")
    if rates:
        yield Plan(
            "prediction_rate",
            lambda: plots.prediction_rate(rates, budget=budget),
            f"Share of held-out deposits found against share of ground searched: {_at(rates, budget)}.",
            "Prediction rate: what searching the best ground first would have found, had the deposits of the"
            " area been unknown. A curve on the dotted line is chance.",
            "chart",
        )
    rocs = {name: curve["roc"] for name, curve in curves.items() if curve.get("roc")}
    if rocs:
        said = f"ROC curves of {', '.join(rocs)}, with the chance line."
        caption = "ROC curves over the held-out areas. Barren means that no deposit is known there."
        yield Plan("roc", lambda: plots.roc(rocs), said, caption, "chart")
    yield from _confusion_plan(report)
    yield from trust_charts(report)
    yield from why_charts(report)
    yield from _screening_plan(report)


def _confusion_plan(report: ReportModel) -> Iterator[Plan]:
    given = report.get("confusion") or {}
    drawn: dict[str, Any] = {name: given[name] for name in by_model(report) if name in given}
    shown = dict(list(drawn.items())[: 1 + TOLD])
    if shown:
        said = "; ".join(
            f"{name} calls {each['hit']:.3g} of {each['hit'] + each['miss']:.3g} areas with ore, and"
            f" {each['false']:.3g} of {each['false'] + each['rest']:.3g} others"
            for name, each in shown.items()
        )
        yield Plan(
            "confusion",
            lambda: plots.confusion_matrices(shown),
            f"Held-out areas by what they hold and what they are called: {said}.",
            "What held-out areas are called, at the vote or at a balanced score of 0.5, and what is known of"
            " them; means over repeats. Called ore where none is known: a target, and no error yet.",
            "chart",
        )


def _screening_plan(report: ReportModel) -> Iterator[Plan]:
    elements = [
        row for row in (report.get("screening") or {}).get("rows") or [] if row.get("auc") is not None
    ]
    if elements:
        kept = ", ".join(row["element"] for row in elements if row.get("keep")) or "none"
        caption = "How well each element alone tells samples near known deposits from the others."
        yield Plan(
            "screening",
            lambda: plots.screening_plot(elements),
            f"AUC by element; kept: {kept}.",
            caption,
            "chart",
        )


def _at(rates: Any, budget: float | None) -> str:
    """Say what each curve has found at the budget."""
    import numpy as np

    share = 0.1 if budget is None else budget
    parts = (
        f"{name} {percent(float(np.interp(share, curve['x'], curve['y'])))}" for name, curve in rates.items()
    )
    return f"at {percent(share)} of the ground, {', '.join(parts)}"


def undrawable(report: ReportModel, maps: Maps) -> str:
    """Return the letters of names that no font of this machine can draw in a picture."""
    geology = maps.ground.geology
    units = (
        list(maps.ground.class_names) if geology is None else geology["unit"].astype(str).unique().tolist()
    )
    elements = [row["element"] for row in (report.get("screening") or {}).get("rows") or []]
    channels = [str(name) for name in maps.stack["channel"].values]
    groups = [str(row.get("group")) for row in (report.get("influence") or {}).get("rows") or []]
    factors = [str(row.get("factor")) for row in (report.get("attention") or {}).get("rows") or []]
    names = (*units, *elements, *channels, *groups, *factors, *by_model(report))
    return plots.missing_glyphs([maps.ground.credit, *names])
