"""What the page says of excluded ground, tenure, and of what following up takes."""

from collections.abc import Mapping
from typing import Any

from gossan.report.model import ReportModel
from gossan.report.table import Table
from gossan.report.words import NONE, by_model, named, number, percent, significant

__all__ = ["land_sentences", "land_tables", "walk_sentences"]

#: Holders that a table lists; the others are counted.
_MOST_HOLDERS = 20


def land_sentences(report: ReportModel) -> list[str]:
    """Say how much ground is excluded, and what that changes."""
    land = report.get("land") or {}
    share = land.get("excluded_share")
    if share is None:
        return []
    closed = land.get("areas_excluded")
    told = (
        f"{percent(share)} of the ground ({significant(land['excluded_km2'])} km²) is excluded (hatched on"
        f" the maps): {_areas(closed)} mostly on it {_verb(closed)} not ranked, and shares of ground are"
        " those of the open ground."
    )
    if cut := land.get("areas_cut"):
        told += (
            f" {_areas(cut).capitalize()} with a smaller part excluded {_verb(cut)} ranked by the open rest."
        )
    lost = land.get("deposits_excluded")
    told += " Training and testing use all ground"
    told += f"; {number(lost)} of the known deposits lie in areas that are left out." if lost else "."
    return [told]


def _areas(count: int | None) -> str:
    return f"{number(int(count or 0))} area{'' if count == 1 else 's'}"


def _verb(count: int | None) -> str:
    return "is" if count == 1 else "are"


def walk_sentences(report: ReportModel) -> list[str]:
    """Say what a deposit found takes, and up to which rank it is worth it."""
    walk = (report.get("metrics") or {}).get("walk") or {}
    rows = [row for row in walk.get("at") or [] if row.get("km2_per_deposit") is not None]
    if not walk:
        return []
    told = []
    if rows:
        row = next((each for each in rows if each["share"] == 0.1), rows[0])
        told.append(
            f"Walking the best {percent(row['share'])} of the {_open(report)}areas"
            f" ({significant(row['ground_km2'])} km²) would have taken {significant(row['km2_per_deposit'])}"
            f" km² for each held-out deposit found{_span(row)}, against"
            f" {significant(walk['chance_km2_per_deposit'])} km² at random."
        )
    if even := walk.get("break_even"):
        told += [_break_even(even, walk, _open(report))]
    told.append(
        "This takes the known deposits for all there are to find, and each for one hit: how many are still"
        " hidden nobody knows."
    )
    return [" ".join(told)]


def _span(row: Mapping[str, Any]) -> str:
    if row.get("low") is None:
        return ""
    high = row.get("high")
    end = "no upper end" if high is None else f"{significant(high)}"
    return f" (95 % interval {significant(row['low'])} to {end})"


def _open(report: ReportModel) -> str:
    """Return what areas are called where some ground is excluded."""
    return "open " if (report.get("land") or {}).get("excluded_share") else ""


def _break_even(even: Mapping[str, Any], walk: Mapping[str, Any], opened: str) -> str:
    money = f" {named(even['currency'])}" if even.get("currency") else ""
    per = "area" if even["cost_of"] == "area" else "km²"
    given = f"At {_money(even['cost'])}{money} per {per} and {_money(even['value'])}{money} per deposit found"
    areas, ends = walk["areas"], _ranks(even)
    if not even["rank"]:
        return f"{given}, following up never pays for itself{ends}."
    best = even["best"]
    gain = (
        f" The gain is largest at rank {number(best['rank'])}{_ranks(best)}: {_money(best['gain'])}{money}."
        if best["rank"]
        else ""
    )
    if even["rank"] == areas:
        return f"{given}, following up pays for itself on all {number(areas)} {opened}areas{ends}.{gain}"
    where = f"rank {number(even['rank'])} of {number(areas)}{ends}, {significant(even['ground_km2'])} km²"
    return f"{given}, following up breaks even at {where}; beyond it, it costs more than it finds.{gain}"


def _ranks(entry: Mapping[str, Any]) -> str:
    if entry.get("low") is None:
        return " (too few camps for an interval)"
    return f" (95 % interval {number(int(entry['low']))} to {number(int(entry['high']))})"


def _money(value: float) -> str:
    return number(round(float(value))) if abs(value) >= 100 else significant(float(value))


def land_tables(report: ReportModel) -> dict[str, Table]:
    """Return the tables of tenure, of what the walk takes, and of captures both ways."""
    return {"tenure": _tenure(report), "walk": _walk(report), "captures_open": _both_ways(report)}


def _tenure(report: ReportModel) -> Table:
    held = (report.get("land") or {}).get("tenure") or []
    rows = [(named(each["holder"]), significant(each["km2"])) for each in held[:_MOST_HOLDERS]]
    if rest := held[_MOST_HOLDERS:]:
        rows.append((f"{len(rest)} others", significant(sum(each["km2"] for each in rest))))
    return Table("Who holds the ground", ("Holder", "km² of the map"), tuple(rows))


def _walk(report: ReportModel) -> Table:
    walk = (report.get("metrics") or {}).get("walk") or {}
    rows = tuple(
        (
            percent(row["share"]),
            number(int(row["rank"])),
            significant(row["ground_km2"]),
            number(float(row["found"]), 1),
            significant(row["km2_per_deposit"]),
            NONE if row.get("low") is None else f"{significant(row['low'])} to {_end(row.get('high'))}",
        )
        for row in walk.get("at") or []
    )
    head = ("Areas, the best", "Rank", "km² walked", "Deposits found", "km² per deposit", "95 % interval")
    where = ", on open ground" if _open(report) else ""
    return Table(f"What a held-out deposit takes{where}", head, rows)


def _end(high: float | None) -> str:
    return "no end" if high is None else significant(high)


def _both_ways(report: ReportModel) -> Table:
    opened = (report.get("land") or {}).get("captures_open") or []
    name = next(iter(by_model(report)))
    every = {row["share"]: row for row in (report.get("captures") or {}).get(name) or []}
    rows = tuple(
        (percent(row["share"]), _captured(every.get(row["share"])), _captured(row)) for row in opened
    )
    head = ("Ground, the best", "Of all ground", "Of the open ground")
    note = "Held-out deposits found; open: without the areas that are mostly excluded, and their deposits."
    return Table("Deposits found, with and without the excluded ground", head, rows, note=note)


def _captured(row: Mapping[str, Any] | None) -> str:
    if row is None or row.get("captured") is None:
        return NONE
    if row.get("low") is None:
        return percent(row["captured"])
    return f"{percent(row['captured'])} ({percent(row['low'])} to {percent(row['high'])})"
