"""What is weak or impossible about a design, each time with what to change."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from gossan.abundance import ppm_factor
from gossan.config import Project

__all__ = ["impossible", "weak"]

#: Pixels finer than this share of the sample spacing show nothing but interpolation.
_FINEST = 0.1
#: With fewer samples, a window's maps say little.
_SAMPLES_PER_WINDOW = 25
#: Windows of more pixels are slow; then coarser pixels are proposed, for windows of the usual size.
_LARGEST, _USUAL = 128, 64
#: Fewer camps give no interval; fewer than the second give a wide one.
_EVALUATED, _COMFORTABLE = 8, 12
#: A layer that covers less of the ground is warned of.
_COVERED = 0.8
#: A median so many times above or below the upper crust's is more likely a wrong unit.
_FAR_OFF = 30.0
#: Elements that a warning names; the others are counted.
_NAMED = 6
#: Mean spacings from the nearest sample beyond which a map is guesswork, and the share of ground that may be.
_GAP, _GAP_SHARE = "2", 0.1
#: Share of an element's values that may be one and the same smallest value.
_REPLACED = 0.3
#: Surveys that share less ground differ by geology too.
_OVERLAP = 0.2


def weak(found: Mapping[str, Any], project: Project) -> list[str]:
    """List what can run and is weak.

    Parameters
    ----------
    found
        As of `gossan.pipeline.check`.
    project
        Resolved, or as given where it could not be.
    """
    return [
        *_resolution(found),
        *_windows(found, project),
        *_camps(found, project),
        *_gaps(found),
        *_cover(found),
        *_units(found),
        *_replaced(found),
        *_surveys(found, project),
    ]


def impossible(found: Mapping[str, Any]) -> list[str]:
    """List the sources that do not lie on the map at all."""
    if found["sampling"]["inside"] == 0:
        return ["no sample lies on the map; samples and project.area must overlap: check the CRS of both"]
    named = [row for row in found["layers"] if row["share"] == 0 or row.get("inside_km") == 0]
    return [
        f"{row['source']} has nothing on the map; layers must overlap: check its CRS"
        f" ({row.get('crs', 'unknown')}, {row.get('crs_from', 'unknown')}), or leave it out"
        for row in named
    ]


def _resolution(found: Mapping[str, Any]) -> Iterator[str]:
    resolution, spacing = found["grid"]["resolution"], found["grid"]["sample_spacing"]
    if resolution < _FINEST * spacing:
        yield (
            f"pixels of {resolution:g} m given for samples {spacing:.0f} m apart; finer than a tenth of the "
            f"spacing is only interpolation: project.resolution = {spacing / 4:.0f} is enough"
        )


def _windows(found: Mapping[str, Any], project: Project) -> Iterator[str]:
    windows, sampling = found.get("windows"), found["sampling"]
    if windows is None or windows["samples_median"] is None:
        return
    median = windows["samples_median"]
    if median < _SAMPLES_PER_WINDOW and sampling["inside"]:
        side = math.sqrt(_SAMPLES_PER_WINDOW * sampling["ground_km2"] / sampling["inside"]) * 1000
        pixels = math.ceil(side / found["grid"]["resolution"])
        change = f"windows.size = {pixels}"
        if pixels > _LARGEST:
            change = f"project.resolution = {float(f'{side / _USUAL:.2g}'):g} and windows.size = {_USUAL}"
        yield (
            f"the median window of {windows['size_m']:.0f} m holds {median:.0f} samples; "
            f"{_SAMPLES_PER_WINDOW} and more are wanted: windows of {side / 1000:.3g} km "
            f"({change}) would hold them here"
        )


def _camps(found: Mapping[str, Any], project: Project) -> Iterator[str]:
    camps = found.get("camps")
    if camps is None or camps >= _COMFORTABLE:
        return
    change = "add deposits, enlarge project.area, or make windows.size smaller so that fewer camps merge"
    if camps < _EVALUATED:
        yield f"{camps} camps are not enough to evaluate; {_EVALUATED} and more give an interval: {change}"
    else:
        yield f"{camps} camps make a weak evaluation; {_COMFORTABLE} and more a fair one: {change}"


def _gaps(found: Mapping[str, Any]) -> Iterator[str]:
    share = found["sampling"]["gaps"][_GAP]
    reach = int(_GAP) * found["sampling"]["mean_spacing"]
    unset = found["settings"]["interpolate"]["max_gap"] is None
    if share is not None and share > _GAP_SHARE and unset:
        yield (
            f"{share:.0%} of the ground is farther than {reach:.0f} m from any sample, twice the side of the "
            f"square that one has; maps are guesswork there: interpolate.max_gap = {reach:.0f} leaves it out"
        )


def _cover(found: Mapping[str, Any]) -> Iterator[str]:
    for row in found["layers"]:
        if row["share"] is not None and 0 < row["share"] < _COVERED:
            yield (
                f"{row['source']} covers {row['share']:.0%} of the ground; all of it is wanted: draw "
                "project.area around what every layer covers, or leave the layer out"
            )


def _units(found: Mapping[str, Any]) -> Iterator[str]:
    told_of = found["data"].get("samples", {}).get("suspect_units", {})  # the reader's own, farther off
    odd = [
        row
        for row in found["elements"]
        if row["ratio"] is not None and not 1 / _FAR_OFF <= row["ratio"] <= _FAR_OFF
        if row["element"] not in told_of
    ]
    if odd:
        odd.sort(key=lambda row: -abs(math.log(row["ratio"])))
        told = ", ".join(
            f"{row['element']} {row['median']:.3g} {row['unit']} {_times(row['ratio'])}"
            for row in odd[:_NAMED]
        ) + (f" and {len(odd) - _NAMED} more" if len(odd) > _NAMED else "")
        yield (
            f"medians far from the upper crust's: {told}; more than {_FAR_OFF:g} times off is rather a wrong "
            "unit than geology: check the units in the columns' names"
        )
    ratios = [row["ratio"] for row in found["elements"] if row["ratio"] is not None]
    low = sum(ratio < 1 / _FAR_OFF for ratio in ratios)
    if len(ratios) >= _NAMED and low > len(ratios) / 2:
        yield (
            f"{low} of {len(ratios)} elements lie more than {_FAR_OFF:g} times below the upper crust, as "
            "after a partial leach: then the units may be right, and such samples must not be mixed with "
            "analyses of the whole: choose one kind with samples.where"
        )
    bare = [row for row in found["elements"] if ppm_factor(row["unit"]) is None and not row["left_out"]]
    if unknown := [row["element"] for row in bare]:
        yield (
            f"{', '.join(unknown)} given without a unit; a model for another survey needs it: write it into "
            "the column's name, such as Cu_ppm"
        )


def _replaced(found: Mapping[str, Any]) -> Iterator[str]:
    told = [
        f"{row['element']} {row['at_min']:.0%}"
        for row in found["elements"]
        if (row["at_min"] or 0) > _REPLACED and not row["left_out"] and (row["censored"] or 0) <= _REPLACED
    ]
    if told:
        yield (
            f"values that are all the smallest one: {', '.join(told)}; over {_REPLACED:.0%} their maps "
            "show a detection limit that was replaced in the file: leave them out of samples.elements"
        )


def _times(ratio: float) -> str:
    """Say how far off a median is.

    >>> _times(187.0), _times(1 / 610)
    ('(190 times)', '(1/610)')
    """
    times = f"{float(f'{max(ratio, 1 / ratio):.2g}'):g}"
    return f"({times} times)" if ratio > 1 else f"(1/{times})"


def _surveys(found: Mapping[str, Any], project: Project) -> Iterator[str]:
    surveys = found["surveys"]
    if project.samples.level_by != "survey" or surveys is None or surveys["overlap"] is None:
        return
    if surveys["overlap"] < _OVERLAP:
        yield (
            f"surveys are levelled and one has {surveys['overlap']:.0%} of its samples on others' ground; "
            "steps that are geology go too: compare with samples.level_by = 'none'"
        )
