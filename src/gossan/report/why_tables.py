"""The tables that say what a score rests on: influence of groups, and what speaks for each target."""

from collections.abc import Mapping
from typing import Any

from gossan.report.model import ReportModel
from gossan.report.table import Table, whole
from gossan.report.words import NONE, named, number, significant

__all__ = ["against", "reasons", "why_tables"]

TOP = 10


def why_tables(report: ReportModel) -> dict[str, Table]:
    """Return the tables of reasons by name; those without rows are left out by `tables.all_tables`."""
    return {"influence": _influence(report), "reasons": _reasons(report)}


def reasons(target: Mapping[str, Any]) -> list[str]:
    """Return the groups that speak for a target, the strongest first."""
    return [named(target[key]) for key in ("for_1", "for_2", "for_3") if target.get(key)]


def against(target: Mapping[str, Any]) -> str:
    """Return the group that speaks most against a target, or nothing."""
    return named(target["against_1"]) if target.get("against_1") else ""


def _influence(report: ReportModel) -> Table:
    influence = report.get("influence") or {}
    ranked = sorted(influence.get("rows") or [], key=lambda row: row.get("rank") or 10**6)
    rows = tuple(
        (
            whole(row.get("rank")),
            named(row.get("group") or NONE),
            ", ".join(named(member) for member in row.get("members") or []) or NONE,
            significant(row.get("drop")),
            significant(row.get("sd")),
        )
        for row in ranked
    )
    head = ("Rank", "Group", "Channels", "AUC lost", "SD")
    usual = "Loss of held-out AUC when the channels of a group are shuffled together."
    note = (
        f"{influence.get('note') or usual} A loss near 0 or below says that the others carry the same or that"
        " the group carries nothing."
    )
    return Table("Influence of groups of channels", head, rows, text=3, note=note)


def _reasons(report: ReportModel) -> Table:
    targets = [row for row in (report.get("targets") or [])[:TOP] if reasons(row) or against(row)]
    agreement = any(row.get("agreement") is not None for row in targets)
    rows = tuple(
        (
            whole(row.get("number")),
            *(named(row.get(f"for_{i}") or NONE) for i in (1, 2, 3)),
            against(row) or NONE,
            *((number(row.get("agreement")),) if agreement else ()),
        )
        for row in targets
    )
    head = ("Area", "For it", "Second", "Third", "Against it", *(("Agreement",) if agreement else ()))
    note = "Groups whose channels raise or lower the score of the area most, beside the training ground."
    if agreement:
        note += " Agreement: share of the network's branches that vote alike."
    return Table("What speaks for each target, and what against", head, rows, text=5, note=note)
