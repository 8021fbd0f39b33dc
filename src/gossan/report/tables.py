"""The tables of a report as text: every cell is written here, the page only places it."""

from collections.abc import Mapping, Sequence
from typing import Any

from gossan.report.budget import land_tables
from gossan.report.model import ReportModel
from gossan.report.sources import source_tables
from gossan.report.table import Table, kilometres
from gossan.report.trust_tables import trust_tables
from gossan.report.why_tables import against, reasons, why_tables
from gossan.report.words import NONE, by_model, estimate, flatten, named, number, p_value, percent

__all__ = ["all_tables"]

TOP = 10

#: Columns of targets: heading, decimals, divisor.
TARGET_COLUMNS = {
    "rank": ("Rank", 0, 1),
    "number": ("Area", 0, 1),
    "score_mean": ("Score", 2, 1),
    "spread": ("Spread", 2, 1),
    "probability": ("Probability (known deposit)", 2, 1),
    "applicability": ("Dissimilarity", 2, 1),
    "area_km2": ("km²", 1, 1),
    "known_deposits": ("Known deposits", 0, 1),
    "nearest_known_m": ("Nearest known (km)", 1, 1000),
    "excluded_share": ("Excluded (%)", 0, 0.01),
    "tenure": ("Tenure", 0, 1),
    "easting": ("Easting (m)", 0, 1),
    "northing": ("Northing (m)", 0, 1),
    "longitude": ("Longitude (°)", 4, 1),
    "latitude": ("Latitude (°)", 4, 1),
}

#: The audit holds the random split too: then its own table says nothing more.
NO_TABLE = Table("", (), ())

BALANCE = {"smote": "SMOTE", "weights": "class weights", "batches": "balanced batches", "none": "nothing"}


def all_tables(report: ReportModel) -> dict[str, Table]:
    """Return the tables for which the run has numbers, by name."""
    made = {
        "targets": _targets(report),
        **trust_tables(report),
        **why_tables(report),
        **land_tables(report),
        "balance": _balance(report),
        "design": _design(report),
        **source_tables(report),
        "screening": _screening(report),
        "leakage": _leakage(report) if not report.get("audit") else NO_TABLE,
        "settings": _settings(report),
    }
    return {name: table for name, table in made.items() if table.rows}


def _targets(report: ReportModel) -> Table:
    targets = (report.get("targets") or [])[:TOP]
    columns = [name for name in TARGET_COLUMNS if any(row.get(name) is not None for row in targets)]
    if not any(row.get("known_deposits") for row in targets):
        columns = [name for name in columns if name != "known_deposits"]  # all are new: the words say so
    idle = [name for name in ("excluded_share", "tenure") if not any(row.get(name) for row in targets)]
    columns = [name for name in columns if name not in idle]
    why = any(reasons(row) or against(row) for row in targets)
    rows = tuple(
        tuple(_target_cell(row, name) for name in columns) + ((_why(row),) if why else ()) for row in targets
    )
    count = len(report.get("targets") or [])
    caption = f"The best {len(rows)} of {count} targets" if count > len(rows) else f"All {count} targets"
    head = tuple(TARGET_COLUMNS[name][0] for name in columns) + (("Why",) if why else ())
    named_rows = "number" in columns and all(row.get("number") is not None for row in targets)
    return Table(
        caption,
        head,
        rows,
        text=0,
        note=_targets_note(report, columns),
        prose=int(why),
        keys=tuple(int(row["number"]) for row in targets) if named_rows else (),
        link=columns.index("number") if named_rows else -1,
    )


def _targets_note(report: ReportModel, columns: Sequence[str]) -> str:
    note = (
        f"Coordinates are centres, in {report.get('crs') or 'the project’s CRS'} and WGS 84."
        " Score: mean over repeats of models that were not trained on the area."
        " Spread: standard deviation over repeats and seeds. All targets are in targets.csv and targets.gpkg."
    )
    if "probability" in columns:
        note += " Probability: that of a known deposit, not of one still to be found."
    if "applicability" in columns:
        note += " Dissimilarity: to the training windows; outside: unlike anything the model was trained on."
    return note


def _target_cell(row: Mapping[str, Any], name: str) -> str:
    _, digits, divisor = TARGET_COLUMNS[name]
    value = row.get(name)
    if value is None or value == "":
        return NONE
    if isinstance(value, str):
        return named(value)
    text = number(float(value) / divisor, digits)
    return f"{text}, outside" if name == "applicability" and row.get("inside") is False else text


def _why(row: Mapping[str, Any]) -> str:
    """Say what speaks for a target and what against it."""
    parts = [" · ".join(reasons(row)), f"against: {against(row)}" if against(row) else ""]
    return "; ".join(part for part in parts if part) or NONE


def _balance(report: ReportModel) -> Table:
    balance = report.get("balance") or {}
    method = ((report.get("project") or {}).get("balance") or {}).get("method", "balancing")
    pairs = (
        (f"with {BALANCE.get(method, method)}", balance.get("with")),
        ("without balancing", balance.get("without")),
    )
    rows = tuple((label, estimate(auc)) for label, auc in pairs if auc)
    return Table("Rare ore, balanced in the training windows only", ("Training", "AUC (95 % interval)"), rows)


def _design(report: ReportModel) -> Table:
    checked, windows = report.get("validation") or {}, report.get("windows") or {}
    lengths = ("block_m", "dead_zone_m")
    rows = [
        ("Grid", _grid(report)),
        ("Protocol", checked.get("protocol")),
        ("Folds", _whole(checked.get("folds"))),
        ("Repeats, each with its own blocks", _whole(checked.get("repeats"))),
        ("Camps of deposits", _whole(checked.get("camps"))),
        ("Deposits inside the map", _whole(checked.get("deposits_inside"))),
        ("Areas scored", _whole(windows.get("areas"))),
        ("Areas with deposits (ore)", _whole(windows.get("ore_areas"))),
        ("Ground in no area (margin)", _margin(windows)),
        ("Training windows", _whole(windows.get("training_windows"))),
        ("Side of a window", _window_side(windows)),
        *(
            (label, _length(checked.get(key)))
            for label, key in zip(("Block", "Dead zone"), lengths, strict=True)
        ),
        ("Areas that train, mean over folds", _share(checked.get("train_share"))),
        ("Ore areas that train, mean over folds", _share(checked.get("ore_share"))),
    ]
    shown = tuple((label, value) for label, value in rows if value is not None)
    return Table("How training and test were kept apart", ("What", "Value"), shown)


def _grid(report: ReportModel) -> str | None:
    grid = report.get("grid") or {}
    rows, cols, resolution = grid.get("rows"), grid.get("cols"), grid.get("resolution")
    if not (rows and cols and resolution):
        return None
    return f"{number(rows)} × {number(cols)} pixels of {resolution:g} m, {report.get('crs') or 'no CRS'}"


def _whole(value: Any) -> str | None:
    return None if value is None else number(int(value))


def _share(value: Any) -> str | None:
    return None if value is None else percent(float(value))


def _margin(windows: Mapping[str, Any]) -> str | None:
    """Say how much of the valid ground no area covers, which therefore has no score."""
    valid, left = windows.get("valid_pixels"), windows.get("uncovered_pixels")
    return f"{percent(left / valid)} of the valid pixels" if valid and left is not None else None


def _length(value: Any) -> str | None:
    return None if value is None else kilometres(value)


def _window_side(windows: Mapping[str, Any]) -> str | None:
    pixels, metres = windows.get("size_px"), windows.get("size_m")
    parts = [f"{pixels} px" if pixels else "", kilometres(metres) if metres else ""]
    return ", ".join(part for part in parts if part) or None


def _screening(report: ReportModel) -> Table:
    screening = report.get("screening") or {}
    elements = sorted(screening.get("rows") or [], key=lambda row: -(row.get("auc") or 0))
    rows = tuple(
        (
            named(row["element"]),
            row.get("direction") or NONE,
            number(row.get("auc")),
            number(row.get("z_auc")),
            p_value(row.get("p")),
            _kept_in(row),
            "kept" if row.get("keep") else "dropped",
        )
        for row in elements
    )
    head = ("Element", "Near deposits", "AUC", "Z_AUC", "p", "Folds that kept it", "Final model")
    note = screening.get("note") or ""
    if screening.get("protocol") == "strict":
        note = f"p is from a null in which every camp is moved; each fold screens anew on its own. {note}"
    if not any(row.get("auc") is not None for row in elements):
        rows = ()  # the screening was off or tested nothing: a table of dashes says less than a sentence
    return Table("Screening of elements", head, rows, text=2, note=note.strip())


def _kept_in(row: Mapping[str, Any]) -> str:
    kept, folds = row.get("folds_kept"), row.get("folds")
    return f"{kept} of {folds}" if kept is not None and folds else number(kept)


def _leakage(report: ReportModel) -> Table:
    leakage = (report.get("metrics") or {}).get("leakage") or {}
    strict, random = by_model(report), leakage.get("random") or {}
    rows = tuple(
        (name, estimate((strict.get(name) or {}).get("auc")), estimate(summary.get("auc")))
        for name, summary in random.items()
    )
    note = "The random split flatters: do not expect its scores on new ground."
    if leakage.get("estimand"):
        note = f"{note} What it measures: {leakage['estimand']}."
    return Table(
        "Leakage: the same models on a random split", ("Model", "AUC, strict", "AUC, random"), rows, note=note
    )


def _settings(report: ReportModel) -> Table:
    rows: Sequence[tuple[str, str]] = list(flatten(report.get("project") or {}))
    return Table("Every setting of the run", ("Setting", "Value"), tuple(rows), text=2)
