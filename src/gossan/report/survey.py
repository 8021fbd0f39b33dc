"""The data report of `gossan check`: the same tables as text for a terminal and as a page."""

import base64
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gossan.report import parts
from gossan.report.pictures import Picture
from gossan.report.table import Table
from gossan.report.words import NONE, flatten, number, percent

__all__ = ["survey_drawn", "survey_page", "survey_tables", "survey_text"]

#: Rules of the readers that are worth a column, with their heading.
_RULES = {
    "below": "Below limit",
    "below_unknown_limit": "Below, limit unknown",
    "above": "Above limit",
    "sentinel": "Missing code",
    "zero": "Zero",
    "text": "Other text",
    "empty": "Empty",
}

#: Holders of ground that are named; the others are counted.
_HOLDERS = 6

#: Columns that a terminal does without first, where it is too narrow.
_FIRST_TO_GO = (
    "Column",
    "Upper crust",
    "Empty",
    "Other text",
    "Missing code",
    "At the minimum",
    "Max",
    "Min",
)


def survey_tables(found: Mapping[str, Any]) -> dict[str, Table]:
    """Return the tables of what `gossan.pipeline.check` found, by name; what was not found has none."""
    made = {
        "summary": _summary(found),
        "elements": _elements(found.get("elements") or []),
        "left_out": _left_out(found.get("elements") or []),
        "sampling": _sampling(found.get("sampling") or {}),
        "layers": _layers(found.get("layers") or []),
        "crs": _crs(found.get("data") or {}),
        "surveys": _surveys(found.get("surveys") or {}),
        "associations": _associations(found.get("associations") or {}),
        "anomalies": _anomalies(found.get("anomalies") or [], found.get("elements") or []),
        "settings": _settings(found.get("settings") or {}),
    }
    return {name: table for name, table in made.items() if table.rows}


def _summary(found: Mapping[str, Any]) -> Table:
    grid, windows, data = found.get("grid") or {}, found.get("windows") or {}, found.get("data") or {}
    folds, deposits = found.get("folds"), data.get("deposits") or {}
    rows = [
        ("Samples kept of those read", _of(data.get("samples"))),
        ("Deposits on the map, and outside", _pair(deposits.get("inside"), deposits.get("outside"))),
        ("CRS of the maps", found.get("crs")),
        ("Grid", _grid(grid)),
        ("Side of a window", _side(windows)),
        ("Windows to score (areas)", windows.get("areas")),
        *_land(found.get("land") or {}),
        ("Areas with a deposit (ore)", windows.get("ore_areas")),
        ("Windows to train on", windows.get("training")),
        (
            "Samples in the median area; areas with none",
            _pair(windows.get("samples_median"), windows.get("samples_none")),
        ),
        ("Camps of deposits in the areas", found.get("camps")),
        ("Folds", None if folds is None else len(folds)),
        (
            "Ore areas in the test of each fold",
            None if not folds else ", ".join(str(f["test_ore"]) for f in folds),
        ),
    ]
    cells = tuple(
        (label, value if isinstance(value, str) else number(value, 0))
        for label, value in rows
        if value is not None
    )
    return Table("What a run would work on", ("What", "Value"), cells)


def _land(land: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Say what of the map is excluded, and who holds how much."""
    if land.get("excluded_share") is not None:
        shown = f"{number(land['excluded_km2'], 0)} km², {percent(land['excluded_share'])}"
        yield "Excluded ground", shown
        yield (
            "Areas not ranked; ranked with a part excluded",
            _pair(land["areas_excluded"], land["areas_cut"]),
        )
    held = land.get("tenure") or []
    told = [f"{each['holder']} {number(each['km2'], 0)} km²" for each in held[:_HOLDERS]]
    rest = [f"{len(held) - _HOLDERS} more"] if held[_HOLDERS:] else []
    yield "Tenure on the map", ", ".join([*told, *rest]) or None


def _of(counts: Mapping[str, Any] | None) -> str | None:
    if not counts or counts.get("rows") is None:
        return None
    return f"{number(counts.get('kept'), 0)} of {number(counts['rows'], 0)}"


def _pair(first: Any, second: Any) -> str | None:
    return None if first is None else f"{number(first, 0)}; {number(second, 0)}"


def _grid(grid: Mapping[str, Any]) -> str | None:
    if not grid.get("resolution"):
        return None
    valid = f", {percent(grid['valid_share'])} of them ground" if grid.get("valid_share") is not None else ""
    return f"{number(grid['rows'])} × {number(grid['cols'])} pixels of {grid['resolution']:g} m{valid}"


def _side(windows: Mapping[str, Any]) -> str | None:
    return f"{windows['size']} px, {windows['size_m'] / 1000:.3g} km" if windows.get("size") else None


def _elements(elements: Sequence[Mapping[str, Any]]) -> Table:
    read = [row for row in elements if not row.get("left_out")]
    seen = dict.fromkeys(rule for row in read for rule, n in row["rules"].items() if n)
    used = list(dict.fromkeys(rule for rule in (*_RULES, *seen) if rule in seen and rule != "measured"))
    rows = tuple(
        (
            str(row["element"]),
            str(row.get("column") or NONE),
            _unit(row.get("unit")),
            number(row["rules"].get("measured", 0)),
            *(number(row["rules"].get(rule, 0)) for rule in used),
            percent(row.get("censored")),
            percent(row.get("at_min")),
            *(_value(row.get(name)) for name in ("min", "median", "max", "crust")),
            _ratio(row.get("ratio")),
        )
        for row in read
    )
    head = (
        "Element", "Column", "Unit", "Measured",
        *(_RULES.get(rule, rule.replace("_", " ")) for rule in used), "Censored",
        "At the minimum", "Min", "Median", "Max", "Upper crust", "Median / crust",
    )  # fmt: skip
    note = (
        "Cells by the rule they were read by; min, median and max after values below a limit were replaced."
        " Censored: share below detection of the cells with a value; from 30 % on, a map shows the limit as"
        " much as the ground. At the minimum: share of the smallest value; where that is large, limits were"
        " replaced before the file was made. Upper crust: Rudnick and Gao (2003), in the element's unit;"
        " ‘!’ marks a median more than 30 times off, which is rather a wrong unit or a partial leach."
    )
    return Table("Elements", head, rows, text=3, note=note)


def _left_out(elements: Sequence[Mapping[str, Any]]) -> Table:
    """List the elements that are not used, with the cells that each has."""
    rows = tuple(
        (
            str(row["element"]),
            str(row.get("column") or NONE),
            ", ".join(f"{number(n)} {rule.replace('_', ' ')}" for rule, n in row["rules"].items() if n)
            or NONE,
            str(row["left_out"]),
        )
        for row in elements
        if row.get("left_out")
    )
    return Table("Elements left out", ("Element", "Column", "Cells", "Why"), rows, text=4)


def _unit(unit: Any) -> str:
    """Write a unit; an oxide alone is of unknown unit."""
    from gossan.abundance import ppm_factor

    text = str(unit or "")
    return text if text and ppm_factor(text) is not None else f"unknown {text}".strip()


def _value(value: float | None) -> str:
    return NONE if value is None else f"{value:.3g}" if abs(value) < 1000 else number(float(value), 0)


def _ratio(ratio: float | None) -> str:
    if ratio is None:
        return NONE
    written = f"{ratio:.2g}" if ratio >= 0.01 else f"1/{number(float(f'{1 / ratio:.2g}'), 0)}"
    return written + ("\u00a0!" if not 1 / 30 <= ratio <= 30 else "")


def _sampling(sampling: Mapping[str, Any]) -> Table:
    gaps = sampling.get("gaps") or {}
    rows = [
        ("Rows kept", number(sampling.get("kept"), 0)),
        (
            "Positions; rows on a position used before",
            _pair(sampling.get("positions"), sampling.get("coincident")),
        ),
        ("Samples on the map; outside", _pair(sampling.get("inside"), sampling.get("outside"))),
        ("Ground", f"{number(sampling.get('ground_km2'), 0)} km²"),
        ("Samples per 100 km²", number(sampling.get("per_100_km2"), 1)),
        (
            "From a position to the next, median; 90 %",
            _metres(sampling.get("spacing"), sampling.get("spacing_p90")),
        ),
        ("Side of the square that a position has", _metres(sampling.get("mean_spacing"))),
        ("Clark–Evans ratio (1 random, below clustered)", number(sampling.get("clark_evans"))),
        *(
            (f"Ground farther than {k} such sides from any sample", percent(share))
            for k, share in gaps.items()
        ),
        ("Farthest ground from any sample", _metres(sampling.get("farthest"))),
    ]
    return Table("Sampling", ("What", "Value"), tuple((a, b) for a, b in rows if b) if sampling else ())


def _metres(*lengths: float | None) -> str:
    known = [f"{number(float(each), 0)} m" for each in lengths if each is not None]
    return "; ".join(known)


def _layers(layers: Sequence[Mapping[str, Any]]) -> Table:
    rows = tuple(
        (
            str(row["source"]),
            str(row.get("kind", "")),
            percent(row["share"]) if row.get("share") is not None else NONE,
            number(row.get("kept")),
            f"{number(float(row['inside_km']), 0)} km" if row.get("inside_km") is not None else NONE,
            number(row.get("units")),
            number(row.get("repaired")),
            number(sum((row.get("dropped") or {}).values())),
        )
        for row in layers
    )
    head = ("Source", "Kind", "Covers", "Features", "Length on the map", "Units", "Rings repaired", "Dropped")
    return Table("Geology, faults and rasters", head, rows, text=2)


def _crs(data: Mapping[str, Any]) -> Table:
    rows = tuple(
        (source, str(counts["crs"]), str(counts.get("crs_from", NONE)), _columns(counts))
        for source, counts in data.items()
        if isinstance(counts, Mapping) and counts.get("crs")
    )
    head = ("Source", "CRS", "Known from", "Coordinates")
    return Table("Coordinate systems, and how they are known", head, rows, text=4)


def _columns(counts: Mapping[str, Any]) -> str:
    given = [str(counts[name]) for name in ("x", "y") if counts.get(name)]
    return "geometry" if not given or set(given) == {"geometry"} else ", ".join(given)


def _surveys(surveys: Mapping[str, Any]) -> Table:
    rows = tuple((name or "unknown", number(count)) for name, count in (surveys.get("samples") or {}).items())
    overlap = surveys.get("overlap")
    note = "" if overlap is None else (
        f"At the least, {percent(overlap)} of a survey’s samples lie on the others’ ground; levelling takes"
        " surveys to have sampled ground alike."
    )  # fmt: skip
    return Table(f"Surveys, by column {surveys.get('column')}", ("Survey", "Samples"), rows, note=note)


def _associations(found: Mapping[str, Any]) -> Table:
    rows = tuple(
        (str(row["component"]), percent(row["explained"]), row["positive"] or NONE, row["negative"] or NONE)
        for row in found.get("table") or []
    )
    left = "; ".join(f"{name} ({why})" for name, why in (found.get("left_out") or {}).items())
    note = (
        f"Robust principal components of the log-ratios of {number(found.get('rows'))} complete samples;"
        " elements of one side rise together while those of the other fall; named are those with a loading of"
        " 0.3 and more, or 1.5 over the root of their number where they are many."
        + (f" Left out: {left}." if left else "")
    )
    return Table(
        "Element associations", ("Component", "Variance", "One side", "The other"), rows, text=4, note=note
    )


def _anomalies(anomalies: Sequence[Mapping[str, Any]], elements: Sequence[Mapping[str, Any]]) -> Table:
    units = {row["element"]: _unit(row.get("unit")) for row in elements}
    rows = tuple(
        (
            str(row["element"]),
            units.get(row["element"], ""),
            _value(row["mad"]),
            percent(row["mad_share"]),
            *(_value(each) for each in row["concentration_area"] or (None, None, None)),
            percent(row["top_share"]),
        )
        for row in anomalies
    )
    head = (
        "Element",
        "Unit",
        "Median + 2 MAD",
        "Ground above",
        "C-A first break",
        "Second",
        "Third",
        "Ground above",
    )
    note = (
        "Thresholds in the element's unit. Median + 2 MAD: of the logarithms of the samples. C-A: where the"
        " concentration-area curve of the map breaks. A dash: most values are one and the same."
    )
    return Table("Anomaly thresholds", head, rows, text=2, note=note)


def _settings(settings: Mapping[str, Any]) -> Table:
    return Table(
        "Every setting, derived ones filled in", ("Setting", "Value"), tuple(flatten(settings)), text=2
    )


# ---- for a terminal


def survey_text(found: Mapping[str, Any], width: int = 110) -> list[str]:
    """Write the tables as lines of text, at most ``width`` wide; the settings are left out.

    Parameters
    ----------
    found
        As of `gossan.pipeline.check`.
    """
    import io

    from rich.console import Console

    text = io.StringIO()
    console = Console(file=text, width=width, color_system=None, soft_wrap=False)
    for part in survey_drawn(found, width):
        console.print(part, highlight=False)
    return text.getvalue().rstrip("\n").split("\n")


def survey_drawn(found: Mapping[str, Any], width: int = 110) -> Iterator[Any]:
    """Draw the tables for a console of rich, at most ``width`` wide; the settings are left out."""
    from rich.text import Text

    for name, table in survey_tables(found).items():
        if name == "settings":
            continue
        shown, gone = _fitting(table, width)
        yield _rich(shown)
        if gone:
            yield Text(f"Too wide for here, but on the page (--out FILE.html): {', '.join(gone)}\n")
    if why := (found.get("associations") or {}).get("why"):
        yield Text(f"No element associations: {why}")


def _fitting(table: Table, width: int) -> tuple[Table, list[str]]:
    """Take columns out of a table until it fits; the table, and what was taken."""
    gone: list[str] = []
    for name in _FIRST_TO_GO:
        if _width(table) <= width:
            break
        if name in table.head:
            place = table.head.index(name)
            rows = tuple((*row[:place], *row[place + 1 :]) for row in table.rows)
            head = (*table.head[:place], *table.head[place + 1 :])
            table = replace(table, head=head, rows=rows, text=table.text - (place < table.text))
            gone.append(name)
    return table, gone


def _width(table: Table) -> int:
    """Letters that the lines of a table take."""
    wide = 0
    for i, head in enumerate(table.head):
        cells = [row[i] for row in table.rows]
        if any(cell not in ("", NONE) for cell in cells):
            wide += 3 + max(map(len, [*cells, *_headline(head, number=i >= table.text).split("\n")]))
    return wide


def _headline(head: str, *, number: bool) -> str:
    return textwrap.fill(head, 9, break_long_words=False) if number else head


def _rich(table: Table) -> Any:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    head = [i for i, _ in enumerate(table.head) if any(row[i] not in ("", NONE) for row in table.rows)]
    made = RichTable(
        title=Text(table.caption, "bold"), box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False
    )
    for i in head:
        # numbers stay whole where a line is too short: only words wrap
        text = i < table.text
        head_lines = _headline(table.head[i], number=not text)
        made.add_column(Text(head_lines), justify="left" if text else "right", no_wrap=not text)
    for row in table.rows:
        made.add_row(*(Text(row[i]) for i in head))
    return made


# ---- the page


def survey_page(found: Mapping[str, Any], figures: Mapping[str, tuple[Any, str, str]]) -> str:
    """Write the report as one page that needs no network; every text from data is escaped.

    Parameters
    ----------
    found
        As of `gossan.pipeline.check`.
    figures
        By name: the figure, what a reader is told who does not see it, and its caption.
    """
    return (
        parts.templates()
        .get_template("survey.html.jinja")
        .render(
            title=f"Data of {found['name']}",
            found=found,
            lead=list(_lead(found)),
            pictures={name: _picture(name, *each) for name, each in figures.items()},
            tables=survey_tables(found),
        )
    )


def _picture(name: str, figure: Any, alt: str, caption: str) -> Picture:
    from gossan import plots

    data = base64.b64encode(plots.save(figure, "png", dpi=150)).decode("ascii")
    shape = "map" if name in ("gaps", "biplot") else "wide"
    return Picture(name, alt, caption, f"data:image/png;base64,{data}", shape)


def _lead(found: Mapping[str, Any]) -> Iterator[str]:
    """Say first whether a run can start, and how good it can be."""
    problems, warnings = found.get("problems") or [], found.get("warnings") or []
    if problems:
        yield "A run on these data would stop: see the problems below, each with what to change."
    elif warnings:
        told = "One warning says" if len(warnings) == 1 else f"{len(warnings)} warnings say"
        yield f"A run can start. {told} what weakens it and what to change."
    else:
        yield "A run can start, and nothing was found that weakens it."
