"""The target sheets: everything that is known of one target, as text."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gossan.report.model import ReportModel
from gossan.report.table import kilometres
from gossan.report.why_tables import against, reasons
from gossan.report.words import NONE, named, number, percent, significant

__all__ = ["TargetSheet", "degrees_text", "target_sheets"]

#: Points of the compass for a strike, from north in steps of 22.5 degrees; a strike has two ends.
STRIKES = ("N–S", "NNE–SSW", "NE–SW", "ENE–WSW", "E–W", "ESE–WNW", "SE–NW", "SSE–NNW")


@dataclass(frozen=True)
class TargetSheet:
    """One target: its number, rank, rows of label and text, and the sites of the next samples."""

    number: int
    rank: int
    lead: str
    rows: tuple[tuple[str, str], ...]
    sites: tuple[tuple[str, ...], ...]


def target_sheets(report: ReportModel) -> list[TargetSheet]:
    """Return the sheet of every target, the best first; what a run does not know is left out."""
    crs, sites = str(report.get("crs") or "project"), report.get("next_samples") or []
    sheets = []
    for row in report.get("targets") or []:
        if row.get("number") is None:
            continue
        own = tuple(_site(site) for site in sites if site.get("number") == row["number"])
        found = (*_score(row), *_ground(row), *_why(row), *_place(row, crs))
        rows = tuple((label, text) for label, text in found if text)
        sheets.append(TargetSheet(int(row["number"]), int(row.get("rank") or 0), _lead(row), rows, own))
    return sheets


def _lead(row: Mapping[str, Any]) -> str:
    """Say the target in a line: why here, how sure."""
    parts = []
    if row.get("score_mean") is not None:
        parts.append(f"score {_spreading(row['score_mean'], row.get('spread'))}")
    if speaking := reasons(row):
        parts.append(f"for it {' · '.join(speaking)}")
    if row.get("inside") is False:
        parts.append("unlike anything the model was trained on")
    return "; ".join(parts)


def _spreading(score: float, spread: float | None) -> str:
    text = number(float(score))
    return text if spread is None else f"{text} ± {number(float(spread))}"


def _score(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    area, hectares = row.get("area_km2"), row.get("area_ha")
    if area is not None:
        hectares = 100 * area if hectares is None else hectares
        yield "Area", f"{significant(float(area))} km² ({number(round(float(hectares)))} ha)"
    if (mean := row.get("score_mean")) is not None:
        label = "Mean score" if row.get("spread") is None else "Mean score ± spread"
        yield label, _spreading(mean, row.get("spread"))
    if row.get("score_max") is not None:
        yield "Best score", number(float(row["score_max"]))
    if row.get("probability") is not None:
        yield "Probability of a known deposit", number(float(row["probability"]))
    if row.get("applicability") is not None:
        inside = row.get("inside")
        side = "" if inside is None else ", inside" if inside else ", outside: unlike the training ground"
        yield "Applicability (dissimilarity)", f"{number(float(row['applicability']))}{side}"


def _ground(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    samples = row.get("samples_inside", row.get("samples"))
    yield "Samples inside", "" if samples is None else number(int(samples))
    yield "Strongest elements", "; ".join(_element(row, k) for k in (1, 2, 3) if row.get(f"element_{k}"))
    if row.get("background_samples") is not None and row.get("background_m") is not None:
        frame = kilometres(row["background_m"], 2)
        yield "Local background", f"{number(int(row['background_samples']))} samples up to {frame} around it"
    yield "Association", named(row["association"]) if row.get("association") else ""
    if row.get("rock_unit"):
        share = row.get("rock_share")
        held = f" ({percent(float(share))} of the target)" if share is not None else ""
        yield "Rock unit", f"{named(row['rock_unit'])}{held}"
    if row.get("fault_m") is not None:
        yield "Nearest fault", f"{kilometres(row['fault_m'], 2)} from the centre{_trend(row)}"
    if row.get("excluded_share"):
        yield "Excluded", f"{percent(float(row['excluded_share']))} of its ground"
    if row.get("tenure"):
        share = row.get("tenure_share")
        held = f" ({percent(float(share))} of the square)" if share is not None else ""
        yield "Tenure", f"{named(row['tenure'])}{held}"
    known = row.get("nearest_known_m")
    yield "Nearest known deposit", "" if known is None else f"{kilometres(known, 2)} from the centre"
    if row.get("known_deposits"):
        yield "Known deposits inside", number(int(row["known_deposits"]))


def _element(row: Mapping[str, Any], k: int) -> str:
    ratio, share = row.get(f"ratio_{k}"), row.get(f"percentile_{k}")
    text = named(row[f"element_{k}"])
    if ratio is not None:
        text += f" {significant(float(ratio))} × the background"
    return text if share is None else f"{text} (percentile {number(float(share), 0)})"


def _trend(row: Mapping[str, Any]) -> str:
    if row.get("fault_trend") is None:
        return ""
    degrees = round(float(row["fault_trend"])) % 180
    return f", striking {STRIKES[round(degrees / 22.5) % 8]} ({degrees:03d}°)"


def _why(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "For it", " · ".join(reasons(row))
    yield "Against it", against(row)
    if row.get("agreement") is not None:
        yield "Branches that agree", percent(float(row["agreement"]))


def _place(row: Mapping[str, Any], crs: str) -> Iterator[tuple[str, str]]:
    if row.get("easting") is not None and row.get("northing") is not None:
        east, north = (number(float(row[name]), 0) for name in ("easting", "northing"))
        yield f"Centre, {named(crs)}", f"E {east} m, N {north} m"
    if row.get("longitude") is not None and row.get("latitude") is not None:
        yield "Centre, WGS 84", degrees_text(float(row["latitude"]), float(row["longitude"]))


def degrees_text(latitude: float, longitude: float) -> str:
    """Write a place in degrees, to ten metres.

    >>> degrees_text(-31.9523, 115.8613)
    '31.9523° S, 115.8613° E'
    """
    ns, ew = "S" if latitude < 0 else "N", "W" if longitude < 0 else "E"
    return f"{abs(latitude):.4f}° {ns}, {abs(longitude):.4f}° {ew}"


def _site(site: Mapping[str, Any]) -> tuple[str, ...]:
    gap = site.get("gap_m")
    return (
        f"{site['number']}-{site['site']}",
        number(int(site["order"])),
        number(float(site["easting"]), 0),
        number(float(site["northing"]), 0),
        degrees_text(float(site["latitude"]), float(site["longitude"])),
        NONE if gap is None else kilometres(gap, 2),
    )
