"""``report.html``: one page from one ``report.json`` and the maps beside it.

The page needs no network, holds no clock, and is the same bytes for the same run folder. What
``report.json`` must hold is in `gossan.report.model`.
"""

import importlib
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

from gossan.errors import DataError, MissingFileError
from gossan.io.files import replacing
from gossan.report import parts, tables, verdicts, words
from gossan.report.card import model_card
from gossan.report.helpers import Helpers, Shared, helpers
from gossan.report.model import ReportModel
from gossan.report.pictures import Picture, drawings, read_maps, undrawable
from gossan.report.sheets import target_sheets
from gossan.report.webmap import WebMap, web_map
from gossan.report.words import significant

__all__ = ["Page", "ReportModel", "drawing", "model_card", "read_report", "render", "write_report"]


def drawing(jobs: int) -> AbstractContextManager[Helpers | None]:
    """Start the processes that draw for a report beside this one; they begin with their imports."""
    return helpers(jobs - 1, _imports)


def _imports() -> None:
    for name in ("geopandas", "matplotlib.figure", "rasterio", "xarray"):
        importlib.import_module(name)


class Page:
    """The page of a finished run, whose figures are being drawn.

    Parameters
    ----------
    folder
        Of a finished run: ``report.json``, ``stack.tif``, ``prospectivity.tif``, ``targets.gpkg``, and
        ``applicability.tif`` where the run has one.
    by
        Of `drawing`; the bytes are the same.

    Attributes
    ----------
    model, maps
        What the page says, and what it shows.

    Raises
    ------
    MissingFileError
        A file of the run is not there.
    DataError
        ``report.json`` is no report of format 1.
    """

    def __init__(self, folder: Path, by: Helpers | None = None) -> None:
        self.folder = folder
        self.model = words.settled(read_report(folder))
        self.maps = read_maps(folder, self.model)
        (folder / "figures").mkdir(exist_ok=True)
        self._drawn = Shared(drawings, (folder, self.model, self.maps), by)

    def write(self) -> Path:
        """Write ``report.html`` and ``figures/`` into the run folder; returns the page's path."""
        interactive = web_map(self.model, self.maps)
        pictures = self._drawn.results()
        notes = list(self.model.get("warnings") or [])
        if letters := undrawable(self.model, self.maps):
            notes.append(
                f"No font of this machine draws {letters}: names with them show boxes in the figures."
            )
        with replacing(self.folder / "report.html") as temporary:
            page = render(self.model, pictures, notes, interactive)
            temporary.write_text(page, encoding="utf-8", newline="\n")
        return self.folder / "report.html"


def write_report(folder: Path, by: Helpers | None = None) -> Path:
    """Write the `Page` of a finished run, with its parameters and errors; returns the page's path."""
    return Page(folder, by).write()


def read_report(folder: Path) -> ReportModel:
    """Read ``report.json`` of a run folder; raises as `write_report` does."""
    path = folder / "report.json"
    if not path.is_file():
        raise MissingFileError(
            f"{folder} has no report.json; a folder of a finished run is needed: run it first"
        )
    try:
        report: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is no JSON ({error}); run again to write it anew") from error
    if not isinstance(report, dict) or report.get("format") != 1:
        given = report.get("format") if isinstance(report, dict) else type(report).__name__
        raise DataError(f"{path} has format {given}; this version reads format 1: run again to write it anew")
    return cast(ReportModel, report)


def render(
    report: ReportModel, pictures: dict[str, Picture], notes: list[str], interactive: WebMap | None = None
) -> str:
    """Fill the page's template; every text that comes from data is escaped."""
    from markupsafe import Markup

    page = parts.templates().get_template("report.html.jinja")
    made, said = tables.all_tables(report), verdicts.sentences(report)
    reasons = {"influence", "attention", "reasons"} & {
        *made,
        *pictures,
        *(topic for topic in said if said[topic]),
    }
    scripts = (parts.leaflet_script(), parts.map_script()) if interactive else ()
    sheets = target_sheets(report)
    return page.render(
        map=interactive,
        map_data=Markup(interactive.data) if interactive else "",
        map_error=significant(interactive.error) if interactive else "",
        leaflet_style=Markup(parts.leaflet_style()),
        leaflet_script=Markup(scripts[0]) if scripts else "",
        map_script=Markup(scripts[1]) if scripts else "",
        policy=parts.policy(*scripts),
        sheets=sheets,
        beside=words.beside(report),
        title=report.get("title") or "Prospectivity report",
        command=report.get("command") or "",
        pictures=pictures,
        notes=notes,
        said=said,
        why=bool(reasons or sheets),
        verdict=words.verdict(report).split(":")[0],
        found=words.found(report),
        trust=words.trust(report),
        tiles=words.key_numbers(report),
        tables=made,
    )
