"""Ground that is closed and ground that somebody holds: where it lies, and what it leaves of each area."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan import evidence, io
from gossan.config import Project
from gossan.errors import DataError, DataWarning, SettingWarning
from gossan.grid import region_of, resolution_of, tiles, window_region
from gossan.survey import Survey
from gossan.targets import EXCLUDED
from gossan.windows import AreaMap

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    from odc.geo.geobox import GeoBox

__all__ = ["land_facts", "open_pixels", "read_land", "refuse_closed", "with_land", "without_land"]

#: Side of the tiles that pixels are counted in.
_TILE = 1024

Flags = Callable[[slice, slice], NDArray[np.bool_]]


def read_land(
    project: Project, grid: "GeoBox", counts: dict[str, Any]
) -> "tuple[gpd.GeoDataFrame | None, gpd.GeoDataFrame | None]":
    """Read every ``[[exclude]]`` and ``[[tenure]]``, and keep what reaches the map.

    Returns
    -------
    Excluded ground and tenure, as of `Survey`; what was read goes into ``counts``, by source.
    """
    crs = project.project.crs
    excluded = [
        _on_map(*io.read_exclude(project.resolve(each.path), each, crs), grid, ("exclude", each.path), counts)
        for each in project.exclude
    ]
    tenure = [
        _on_map(*io.read_tenure(project.resolve(each.path), each, crs), grid, ("tenure", each.path), counts)
        for each in project.tenure
    ]
    return _joined(excluded), _joined(tenure)


def _on_map(
    frame: "gpd.GeoDataFrame",
    told: dict[str, Any],
    grid: "GeoBox",
    source: tuple[str, str],
    counts: dict[str, Any],
) -> "gpd.GeoDataFrame":
    """Keep the shapes that cover ground of the map, and count it."""
    import shapely

    inside = shapely.clip_by_rect(frame.geometry.to_numpy(), *region_of(grid))
    reaches = shapely.area(inside) > 0
    name = " ".join(source)
    told = {**told, "on_map": int(reaches.sum())}
    told["on_map_km2"] = float(shapely.area(shapely.union_all(inside[reaches])) / 1e6)
    counts[name if name not in counts else f"{name} ({sum(key.startswith(name) for key in counts) + 1})"] = (
        told
    )
    if len(frame) and not reaches.any():
        warnings.warn(
            f"{name}: none of {len(frame)} shapes lies on the map, so it changes nothing; check its CRS "
            f"({told['crs']}, {told['crs_from']}) or leave it out",
            DataWarning,
            stacklevel=4,
        )
    kept: gpd.GeoDataFrame = frame[reaches].reset_index(drop=True)
    return kept


def _joined(frames: "list[gpd.GeoDataFrame]") -> "gpd.GeoDataFrame | None":
    import pandas as pd

    if not frames:
        return None
    some = [frame for frame in frames if len(frame)]
    joined: gpd.GeoDataFrame = pd.concat(some, ignore_index=True) if some else frames[0]
    return joined


def without_land(project: Project, what: str) -> Project:
    """Take excluded ground and tenure out of a project for a command that ranks nothing, with a warning."""
    named = [name for name in ("exclude", "tenure") if getattr(project, name)]
    if named:
        warnings.warn(
            f"{' and '.join(f'[[{name}]]' for name in named)} change nothing in `gossan {what}`, which ranks "
            "no ground; they are not read",
            SettingWarning,
            stacklevel=3,
        )
    return replace(project, exclude=(), tenure=())


# ---- areas


def _excluded(survey: Survey) -> Flags | None:
    """Return what marks the pixels whose centre lies on excluded ground, (rows, cols); None without any."""
    shapes = survey.excluded
    if shapes is None or not len(shapes):
        return None
    burnt = evidence.ClassMap(shapes.geometry, np.zeros(len(shapes), dtype=np.int64), survey.grid)
    return lambda rows, cols: burnt.block(rows, cols) >= 0


def with_land(survey: Survey, valid: NDArray[np.bool_], areas: "pd.DataFrame") -> "pd.DataFrame":
    """Add what is excluded of each area, and who holds it; areas as they are where a project says neither.

    Parameters
    ----------
    valid
        (row, col), in memory or in a file.
    areas
        With ``row``, ``col``, ``size`` (pixels) and ``number``.

    Returns
    -------
    The areas with ``excluded_share`` (of the valid pixels, those whose centre lies on excluded ground) where
    the project has ``[[exclude]]``, and ``tenure`` (holders, the one with most of the square first, joined by
    semicolons, empty without any) and ``tenure_share`` (of the square that anybody holds) where it has
    ``[[tenure]]``.
    """
    if survey.excluded is not None:
        held, lost = _pixels(survey, valid, areas)
        areas = areas.assign(excluded_share=lost / np.maximum(held, 1))
    return areas if survey.tenure is None else areas.assign(**_holders(areas, survey.grid, survey.tenure))


def open_pixels(survey: Survey, valid: NDArray[np.bool_], windows: "pd.DataFrame") -> NDArray[np.bool_]:
    """Return the valid pixels of windows that are not excluded, (row, col); nothing is marked elsewhere.

    Where a project excludes nothing, all valid pixels are returned as they are.
    """
    closed = _excluded(survey)
    if closed is None:
        return valid
    left = np.zeros(valid.shape, dtype=bool)  # memory is taken only where something is written
    for row, col, size in windows[["row", "col", "size"]].to_numpy(dtype=np.int64):
        part = slice(row, min(row + size, valid.shape[0])), slice(col, min(col + size, valid.shape[1]))
        left[part] = valid[part] & ~closed(*part)
    return left


def _pixels(
    survey: Survey, valid: NDArray[np.bool_], areas: "pd.DataFrame"
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the valid pixels of each area, and those of them that are excluded."""
    held, lost = np.zeros((2, len(areas)), dtype=np.int64)
    place = AreaMap([np.arange(len(areas))], areas, (valid.shape[0], valid.shape[1]))
    closed = _excluded(survey)
    for rows, cols in tiles((valid.shape[0], valid.shape[1]), _TILE):
        area = place.block(rows, cols)
        inside = np.isfinite(area) & valid[rows, cols]
        number = area[inside].astype(np.int64)
        held += np.bincount(number, minlength=len(areas))
        if closed is not None:
            lost += np.bincount(number[closed(rows, cols)[inside]], minlength=len(areas))
    return held, lost


def _holders(areas: "pd.DataFrame", grid: "GeoBox", tenure: "gpd.GeoDataFrame") -> dict[str, Any]:
    """Name who holds how much of each area; less than a pixel counts for nothing."""
    import shapely

    edges = window_region(grid, *(areas[name].to_numpy() for name in ("row", "col", "size")))
    squares, least = shapely.box(*edges), resolution_of(grid) ** 2
    names = sorted(set(tenure["holder"]))
    ground = [shapely.union_all(tenure.geometry[tenure["holder"] == name].to_numpy()) for name in names]
    shares = np.zeros((len(names), len(areas)))
    tree = shapely.STRtree(squares)
    for place, shape in enumerate(ground):
        near = tree.query(shape)
        shares[place, near] = shapely.area(shapely.intersection(squares[near], shape))
    shares[shares < least] = 0
    anybody = shapely.union_all(ground)
    order = np.argsort(-shares, axis=0, kind="stable")
    told = ["; ".join(names[k] for k in order[:, n] if shares[k, n]) for n in range(len(areas))]
    held = shapely.area(shapely.intersection(squares, anybody)) / shapely.area(squares)
    return {"tenure": told, "tenure_share": held}


def refuse_closed(survey: Survey, valid: NDArray[np.bool_], areas: "pd.DataFrame") -> None:
    """Refuse a project of which every area is mostly excluded: there is nothing to rank.

    Raises
    ------
    DataError
        In one line.
    """
    if survey.excluded is None or areas.empty:
        return
    held, lost = _pixels(survey, valid, areas)
    if (lost >= EXCLUDED * held).all():
        raise DataError(
            f"all {len(areas)} areas lie for {EXCLUDED:.0%} and more on excluded ground; at least one must "
            "be open: check the files and buffers of [[exclude]], or leave some out"
        )


# ---- the whole map


def land_facts(
    survey: Survey, valid: NDArray[np.bool_], areas: "pd.DataFrame | None" = None
) -> dict[str, Any] | None:
    """Say how much ground is excluded, and who holds how much of the map.

    Parameters
    ----------
    areas
        As `with_land` gives them, or None.

    Returns
    -------
    None where the project has neither; else ``ground_km2`` (valid), ``excluded_km2``, ``excluded_share`` (of
    the valid ground; None without ``[[exclude]]``), ``areas``, ``areas_excluded``, ``areas_cut`` (ranked with
    a part excluded), and ``tenure``: ``holder`` and ``km2`` (of the map) by holder, the largest first.
    """
    if survey.excluded is None and survey.tenure is None:
        return None
    closed, ground, lost = _excluded(survey), 0, 0
    for rows, cols in tiles((valid.shape[0], valid.shape[1]), _TILE):
        here = valid[rows, cols]
        ground += int(np.count_nonzero(here))
        lost += 0 if closed is None else int(np.count_nonzero(here & closed(rows, cols)))
    pixel = resolution_of(survey.grid) ** 2 / 1e6
    known = survey.excluded is not None
    share = None if areas is None or "excluded_share" not in areas else areas["excluded_share"].to_numpy()
    return {
        "ground_km2": ground * pixel,
        "excluded_km2": lost * pixel if known else None,
        "excluded_share": lost / max(ground, 1) if known else None,
        "areas": None if areas is None else len(areas),
        "areas_excluded": None if share is None else int((share >= EXCLUDED).sum()),
        "areas_cut": None if share is None else int(((share > 0) & (share < EXCLUDED)).sum()),
        "tenure": _held_by(survey),
    }


def _held_by(survey: Survey) -> list[Mapping[str, Any]]:
    import shapely

    if survey.tenure is None:
        return []
    inside = shapely.clip_by_rect(survey.tenure.geometry.to_numpy(), *region_of(survey.grid))
    holder = survey.tenure["holder"].to_numpy()
    areas = {
        name: float(shapely.area(shapely.union_all(inside[holder == name])) / 1e6) for name in set(holder)
    }
    return [{"holder": name, "km2": km2} for name, km2 in sorted(areas.items(), key=lambda e: (-e[1], e[0]))]
