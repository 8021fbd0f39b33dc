"""Samples and deposits, from any table of points."""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.errors import DataError, DataWarning
from gossan.io.cells import read_cells, replace_censored
from gossan.io.elements import ElementColumn, choose_elements
from gossan.io.tables import Points, read_points
from gossan.io.vectors import find_column
from gossan.io.where import rows_where
from gossan.survey import Deposits, DepositSource, Samples, SampleSource

if TYPE_CHECKING:
    import geopandas as gpd

__all__ = ["read_deposits", "read_samples"]

#: columns that may name a deposit, best first
_NAMES = ("name", "(deposit|site|mine|prospect)_?name", "title", "deposit", "((deposit|occ|site|mine)_?)?id")
_MUCH_CENSORED = 0.3
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
    are missing under a logarithm. Samples outside the area are kept, since interpolation uses them,
    and counted.

    Returns
    -------
    The samples in the project's CRS, one column an element, not transformed; and the counts: ``rows``,
    ``kept``, ``dropped`` by reason, ``elements`` by rule, ``left_out``, ``ignored`` columns,
    ``coincident`` rows on a position used before.

    Raises
    ------
    UsageError
        A file, column, sheet, layer or CRS cannot be used.
    DataError
        No row is left; an element is constant, or was asked for and has no value.
    """
    points = read_points(path, source, crs, "samples")
    chosen = choose_elements(list(points.cells.columns), source.elements, taken=points.used)
    values, elements, left_out = _analyses(points, chosen, source)
    import pandas as pd

    survey = _survey_column(points, source)
    taken = {one.column for one in chosen} | set(points.used)
    counts = points.counts | {
        "elements": elements,
        "left_out": left_out,
        "survey": survey,
        "ignored": [name for name in points.cells.columns if name not in taken],
        **_positions(points.coordinates, area),
    }
    _warn_elements(elements, left_out)
    units = {one.symbol: one.measured_in for one in chosen if one.symbol in values}
    frame = pd.DataFrame(values, columns=list(values))
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
    columns = list(points.cells.columns)
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


def _survey_column(points: Points, source: SampleSource) -> str | None:
    """Column that names the survey: the one given, else the first that is called so."""
    columns = list(points.cells.columns)
    if source.survey is not None:
        return find_column(source.survey, columns, "[samples] survey")
    free = [name for name in columns if name not in points.used]
    return next((one for known in _SURVEYS for one in free if re.fullmatch(known, one, re.IGNORECASE)), None)


def _analyses(
    points: Points, chosen: Sequence[ElementColumn], source: SampleSource
) -> tuple[dict[str, NDArray[np.float64]], dict[str, Any], dict[str, str]]:
    """Values by element, counts by element, and why an element was left out."""
    values: dict[str, NDArray[np.float64]] = {}
    counts: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for one in chosen:
        numbers, code = read_cells(points.cells[one.column], comma=points.comma)
        found = replace_censored(numbers, code, source.censored, positive=source.transform != "none")
        why = _no_contrast(numbers, found)
        if why and (source.elements is not None or (why == "constant" and not _only_limits(found))):
            raise DataError(
                f"element {one.symbol} (column {one.column!r}) is {why} over {len(numbers)} samples; "
                "it must vary; leave it out by listing the others in [samples] elements"
            )
        counts[one.symbol] = {"column": one.column, "unit": one.measured_in, **found}
        if why:
            left_out[one.symbol] = why
        else:
            values[one.symbol] = numbers
    if not values:
        raise DataError("no element column of the samples holds values that vary; one at least is needed")
    return values, counts, left_out


def _no_contrast(numbers: NDArray[np.float64], found: dict[str, int]) -> str:
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return "without any value"
    return "constant" if finite.min() == finite.max() else ""


def _only_limits(found: dict[str, int]) -> bool:
    """Whether nothing was measured, so that being constant says nothing."""
    return found["measured"] == 0


def _warn_elements(elements: dict[str, Any], left_out: dict[str, str]) -> None:
    told = [f"{name} left out ({why})" for name, why in left_out.items()]
    for name, found in elements.items():
        below = found.get("below", 0)
        valued = below + found["measured"] + found.get("above", 0)
        if name not in left_out and below > _MUCH_CENSORED * valued:
            told.append(f"{name} {100 * below / valued:.0f} % below detection")
        if "text" in found:
            told.append(f"{name} has {found['text']} cells of other text, taken as missing")
    if told:
        warnings.warn(f"samples: {'; '.join(told)}", DataWarning, stacklevel=3)


def _positions(coordinates: NDArray[np.float64], area: "gpd.GeoDataFrame | None") -> dict[str, int]:
    counts = {"coincident": len(coordinates) - len(np.unique(coordinates, axis=0))}
    if area is not None:
        import shapely

        inside = shapely.contains_xy(shapely.union_all(area.geometry.to_numpy()), coordinates)
        counts["outside_area"] = int((~inside).sum())
    return counts


def _texts(cells: Any, column: str) -> list[str]:
    filled = cells[column].astype(object).where(cells[column].notna(), "")
    return [str(value).strip() for value in filled]
