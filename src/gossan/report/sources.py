"""The tables that say from what a run was made: sources, elements, every count, files with their hashes."""

from collections.abc import Mapping, Sequence
from typing import Any

from gossan.report.model import ReportModel
from gossan.report.table import Table
from gossan.report.words import NONE, flatten, named, number

__all__ = ["source_tables"]

#: Sources in the order of their weight; others follow by name.
ORDER = ("samples", "deposits", "geology", "faults", "area")
#: What a cell of an element can be, and how the page calls it; a rule that is not here is called by its name.
RULES = {"measured": "Measured", "below": "Below detection", "above": "Above the limit", "missing": "Missing"}
#: Counts worth a remark where they are not 0, and what is said of them.
REMARKS = {
    "coincident": "at a position that another has too",
    "repeated": "repeated",
    "negative_easting": "with a negative easting",
    "outside": "off the map",
    "on_ground_left_out": "on ground left out",
    "repaired": "rings repaired",
    "without_attribute": "without a unit",
    "missing": "without a value",
}
#: Letters of a hash that are shown: no two files of a survey share them by chance.
HASH = 16


def source_tables(report: ReportModel) -> dict[str, Table]:
    """Return the tables by name; those without rows are left out by `tables.all_tables`."""
    return {
        "data": _sources(report),
        "elements": _elements(report),
        "counts": _counts(report),
        "inputs": _inputs(report),
        "versions": _versions(report),
    }


def _ordered(data: Mapping[str, Any]) -> list[str]:
    return sorted(data, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def _sources(report: ReportModel) -> Table:
    data: Mapping[str, Any] = report.get("data") or {}
    rows = tuple(
        (
            named(source),
            _whole(counts.get("rows", counts.get("pixels"))),
            _whole(counts.get("kept")),
            _dropped(counts.get("dropped") or {}),
            named(counts.get("crs") or NONE),
            named(counts.get("crs_from") or NONE),
            _remarks(counts),
        )
        for source in _ordered(data)
        if isinstance(counts := data[source], Mapping)
    )
    head = ("Source", "Read", "Kept", "Dropped", "CRS", "Known from", "Remarks")
    note = "Read and kept are rows of a table, features of a layer or pixels of a raster."
    return Table("What was read, kept and dropped", head, rows, note=note, prose=3)


def _whole(value: Any) -> str:
    return NONE if value is None else number(int(value))


def _dropped(counts: Mapping[str, Any]) -> str:
    """Say how many were dropped, and why."""
    why = [f"{number(int(n))} {reason}" for reason, n in counts.items() if n]
    return ", ".join(why) or "0"


def _remarks(counts: Mapping[str, Any]) -> str:
    said = [
        f"{number(value)} {text}"
        for key, text in REMARKS.items()
        if isinstance(value := counts.get(key), int) and value
    ]
    if counts.get("units") and isinstance(counts["units"], int):
        said.append(f"{number(counts['units'])} units by {named(counts.get('attribute') or 'name')}")
    if counts.get("length_m"):
        said.append(f"{number(counts['length_m'] / 1000, 0)} km of lines")
    if counts.get("area_km2"):
        said.append(f"{number(float(counts['area_km2']), 0)} km²")
    impossible: Mapping[str, Any] = counts.get("impossible") or {}
    said += [f"{named(name)} impossible in {number(each['rows'])} rows" for name, each in impossible.items()]
    if ignored := counts.get("ignored"):
        said.append(f"not used: {', '.join(named(name) for name in ignored)}")
    return "; ".join(said) or NONE


def _elements(report: ReportModel) -> Table:
    samples: Mapping[str, Any] = (report.get("data") or {}).get("samples") or {}
    found = samples.get("elements")
    elements: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    left_out: Mapping[str, Any] = samples.get("left_out") or {}
    rules = _rules(list(elements.values()))
    rows = tuple(
        (
            named(name),
            named(counts.get("column") or NONE),
            _unit(counts),
            *(number(int(counts.get(rule, 0))) for rule in rules),
            named(left_out[name]) if name in left_out else "used",
        )
        for name, counts in elements.items()
        if isinstance(counts, Mapping)
    )
    head = ("Element", "Column", "Unit", *(RULES.get(rule, rule.replace("_", " ")) for rule in rules), "Use")
    note = "Cells by the rule that they were read by; what stands below detection was replaced as set."
    return Table("Elements", head, rows, text=3, note=note, prose=1)


def _rules(elements: Sequence[Any]) -> list[str]:
    """List the rules by which any cell was read, the usual ones first."""
    seen = {
        key
        for counts in elements
        if isinstance(counts, Mapping)
        for key, value in counts.items()
        if isinstance(value, int) and not isinstance(value, bool) and value and key != "factor"
    }
    return [rule for rule in RULES if rule in seen] + sorted(seen - set(RULES))


def _unit(counts: Mapping[str, Any]) -> str:
    unit, given = str(counts.get("unit") or NONE), counts.get("file_unit")
    return named(f"{unit}, from {given}" if given and given != unit else unit)


def _counts(report: ReportModel) -> Table:
    data: Mapping[str, Any] = report.get("data") or {}
    rows = tuple(
        (named(source), named(name.replace("_", " ").replace(".", ", ") or "rows"), _counted(value))
        for source in _ordered(data)
        for name, value in flatten(data[source])
    )
    return Table("Every count of the readers", ("Source", "What", "Value"), rows, text=2)


def _counted(text: str) -> str:
    if text.isdigit():
        return number(int(text))
    try:
        value = float(text)
    except ValueError:
        return named(text)
    return f"{value:.6g}".replace("-", "−")


def _inputs(report: ReportModel) -> Table:
    files: Mapping[str, str] = report.get("inputs") or {}
    rows = tuple((named(name), str(value)[:HASH]) for name, value in files.items())
    note = (
        f"The first {HASH} digits of each file’s SHA-256; manifest.json has them whole, and those of results."
    )
    return Table("Files that were read", ("File", "SHA-256"), rows, text=2, note=note)


def _versions(report: ReportModel) -> Table:
    version = report.get("version") or {}
    own = version if isinstance(version, Mapping) else {"gossan": version}
    rows = tuple((str(name), str(value)) for name, value in {**own, **(report.get("versions") or {})}.items())
    return Table("Versions", ("Package", "Version"), rows, text=2)
