"""Samples and deposits, from any table of points."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.errors import DataError, DataWarning
from gossan.io.analyses import read_analyses
from gossan.io.cells import interpret
from gossan.io.elements import ElementColumn, choose_elements, qualified_by, with_units
from gossan.io.rows import media_of, quality_rows, role_columns
from gossan.io.tables import Points, coordinate_columns, read_points
from gossan.io.text import Plan
from gossan.io.vectors import find_column
from gossan.io.where import columns_of, rows_where
from gossan.survey import Deposits, DepositSource, Samples, SampleSource

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

__all__ = ["read_deposits", "read_samples"]

#: columns that may name a deposit, best first
_NAMES = ("name", "(deposit|site|mine|prospect)_?name", "title", "deposit", "((deposit|occ|site|mine)_?)?id")
_PH = (0.5, 13.0)
_WHERE = "[samples] where"
#: columns that may name the survey that a sample is of, best first
_SURVEYS = (
    "(survey|campaign|project)[_ ]?(name|id|no|year)?",
    "(sampl(e|ing|ed)|survey|collection)?[_ ]?(year|yr)",
)


def read_samples(
    path: Path, source: SampleSource, crs: Any, *, area: "gpd.GeoDataFrame | None" = None
) -> tuple[Samples, dict[str, Any]]:
    """Read the analyses of a survey.

    Values below a limit are replaced as ``source.censored`` says; values above one stay at it. Zeros
    are missing under a logarithm. Every element comes in one unit, as the element and not as an oxide.
    Standards, blanks and duplicates that a column tells are dropped. Samples outside the area are kept, since
    interpolation uses them, and counted; so are several at one position, which interpolation merges by
    their mean.

    Returns
    -------
    The samples in the project's CRS, one column an element, not transformed; and the counts: ``rows``,
    ``kept``, ``dropped`` by reason, ``elements`` by rule, ``left_out``, ``alternatives`` (columns of an
    element that were not used), ``suspect_units``, ``qualifiers``, ``ignored`` columns, ``media``,
    ``impossible`` values of pH, ``coincident`` rows on a position used before, ``repeated`` rows that share
    theirs, ``negative_easting``.

    Raises
    ------
    UsageError
        A file, column, sheet, layer or CRS cannot be used.
    DataError
        No row is left; an element is constant, or was asked for and has no value.
    """
    points = read_points(
        path, source, crs, "samples", plan=lambda columns: _plan(columns, source), choose=_choose(source)
    )
    chosen = with_units(_elements(points.columns, source), points.units)
    signs = qualified_by(points.columns, chosen)
    media, impossible = media_of(points.cells), _impossible(points)
    values, units, found = read_analyses(points, chosen, signs, source)
    import pandas as pd

    survey = _survey_column(points.columns, source)
    taken = {one.column for one in chosen} | set(points.used) | set(signs.values())
    counts = points.counts | {
        **found,
        "survey": survey,
        "ignored": [name for name in points.columns if name not in taken],
        "media": None if media is None else {"column": media[0], "rows": media[1]},
        "impossible": impossible,
        **_positions(points.coordinates, area),
    }
    _warn_rows(counts)
    frame = pd.DataFrame(values, columns=list(values), copy=False)
    surveys = tuple(_texts(points.cells, survey)) if survey else None
    return Samples(points.coordinates, frame, units, surveys), counts


def read_deposits(
    path: Path, source: DepositSource, crs: Any, *, area: "gpd.GeoDataFrame | None" = None
) -> tuple[Deposits, dict[str, Any]]:
    """Read the known deposits.

    Returns
    -------
    The deposits for which ``source.where`` holds, in the project's CRS; and the counts, among them
    ``where`` (rows that it leaves out) and ``outside_area`` (kept).

    Raises
    ------
    UsageError
        A file, column, sheet, layer, CRS or the condition cannot be used.
    DataError
        No row is left.
    """
    points = read_points(path, source, crs, "deposits")
    columns = points.columns
    keep = np.ones(len(points.cells), dtype=bool)
    if source.where is not None:
        keep = rows_where(source.where, points.cells)
    if not keep.any():
        raise DataError(
            f"[deposits] where = {source.where!r} holds for none of {len(keep)} deposits; "
            "one at least is needed; correct it"
        )
    cells, coordinates = points.cells[keep].reset_index(drop=True), points.coordinates[keep]
    name = next((one for known in _NAMES for one in columns if re.fullmatch(known, one, re.IGNORECASE)), None)
    texts = _texts(cells, name) if name else [""] * len(cells)
    names = tuple(text or f"deposit {n}" for n, text in enumerate(texts, 1))
    camp, camps = None, None
    if source.camp is not None:
        camp = find_column(source.camp, columns, "[deposits] camp")
        # a deposit without a camp is one of its own
        camps = tuple(text or own for text, own in zip(_texts(cells, camp), names, strict=True))
    dropped = points.counts["dropped"] | {"where": int((~keep).sum())}
    counts = points.counts | {"kept": len(cells), "dropped": dropped, "name": name, "camp": camp}
    return Deposits(coordinates, names, camps), counts | _positions(coordinates, area)


def _survey_column(columns: list[str], source: SampleSource) -> str | None:
    """Column that names the survey: the one given, else the first that is called so."""
    if source.survey is not None:
        return find_column(source.survey, columns, "[samples] survey")
    return next(
        (one for known in _SURVEYS for one in columns if re.fullmatch(known, one, re.IGNORECASE)), None
    )


def _plan(columns: list[str], source: SampleSource) -> Plan:
    """Numbers of the elements and of pH; text of what says which rows and values count."""
    elements = _elements(columns, source)
    signs = set(qualified_by(columns, elements).values())
    survey = _survey_column(columns, source)
    where = [] if source.where is None else columns_of(source.where, columns, _WHERE)
    text = [*role_columns(columns), *signs, *where, *([survey] if survey else [])]
    numbers = [*(one.column for one in elements), *(name for name in columns if _is_ph(name))]
    return Plan(dict.fromkeys(numbers), dict.fromkeys(text))


def _elements(columns: list[str], source: SampleSource) -> list[ElementColumn]:
    return choose_elements(columns, source.elements, taken=coordinate_columns(columns, source))


def _choose(source: SampleSource) -> Callable[["pd.DataFrame"], tuple[NDArray[np.bool_], dict[str, int]]]:
    """Leave out standards, blanks and duplicates, and what ``where`` does not hold for."""

    def choose(cells: "pd.DataFrame") -> tuple[NDArray[np.bool_], dict[str, int]]:
        kinds = quality_rows(cells)
        keep = np.ones(len(cells), dtype=bool)
        for rows in kinds.values():
            keep &= ~rows
        dropped = {kind: int(rows.sum()) for kind, rows in kinds.items()}
        if source.where is not None:
            holds = rows_where(source.where, cells, setting=_WHERE)
            dropped["where"] = int((keep & ~holds).sum())
            keep &= holds
        return keep, dropped

    return choose


def _is_ph(name: str) -> bool:
    return re.fullmatch(r"ph([_ ].*)?", name.strip(), re.IGNORECASE) is not None and "ppm" not in name


def _impossible(points: Points) -> dict[str, dict[str, Any]]:
    """Count values of pH that no water or soil has: codes for nothing."""
    found = {}
    for name in (one for one in points.numbers if _is_ph(one)):
        values, code = interpret(points.numbers[name])
        rows = int(((code == 0) & ~((values >= _PH[0]) & (values <= _PH[1]))).sum())
        found[name] = {"rows": rows, "allowed": list(_PH)}
    return {name: told for name, told in found.items() if told["rows"]}


def _warn_rows(counts: dict[str, Any]) -> None:
    told = []
    media = counts["media"]
    if media and len(media["rows"]) > 1:
        shown = ", ".join(f"{n} {medium}" for medium, n in media["rows"].items())
        told.append(
            f"several media in column {media['column']!r} ({shown}) are used together; choose with "
            f"[samples] where, such as \"{media['column']} = '{next(iter(media['rows']))}'\""
        )
    told += [f"{name} is impossible in {one['rows']} rows" for name, one in counts["impossible"].items()]
    if told:
        warnings.warn(f"samples: {'; '.join(told)}", DataWarning, stacklevel=3)


def _positions(coordinates: NDArray[np.float64], area: "gpd.GeoDataFrame | None") -> dict[str, int]:
    _, often = np.unique(coordinates, axis=0, return_counts=True)
    counts = {
        "coincident": len(coordinates) - len(often),
        "repeated": int(often[often > 1].sum()),
        "negative_easting": int((coordinates[:, 0] < 0).sum()),
    }
    if area is not None:
        import shapely

        inside = shapely.contains_xy(shapely.union_all(area.geometry.to_numpy()), coordinates)
        counts["outside_area"] = int((~inside).sum())
    return counts


def _texts(cells: Any, column: str) -> list[str]:
    filled = cells[column].astype(object).where(cells[column].notna(), "")
    return [str(value).strip() for value in filled]
