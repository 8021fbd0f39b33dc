"""Projected coordinate systems to guess from: the zone of a place, and the one that coordinates are in."""

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["fitting_crs", "is_metric", "zone_of"]

#: Datums whose zones are offered, those of one continent before the world's.
_DATUMS = ("GDA94", "NAD83", "ETRS89", "WGS 84")
_ZONE = re.compile(r"(GDA94 / MGA|(NAD83|ETRS89|WGS 84) / UTM) zone \d+[NS]?")
#: Metres within which coordinates and degrees mean one place: degrees are often rounded to 4 decimals.
_CLOSE = 30.0
#: Degrees beyond which no zone is used: three of them.
_REACH = 18.0
#: Points that are tried; more say the same.
_TRIED = 500


def zone_of(degrees: NDArray[np.float64]) -> str | None:
    """Zone that a longitude and latitude lies in, such as ``EPSG:32650``; None where there is none.

    >>> zone_of(np.array([118.2, -34.3])), zone_of(np.array([117.0, 30.0]))
    ('EPSG:28350', 'EPSG:32650')
    """
    found = _zones(float(degrees[0]), float(degrees[1]))
    return found[0] if found else None


def fitting_crs(coordinates: NDArray[np.float64], degrees: NDArray[np.float64]) -> str | None:
    """Zone in which coordinates are the given longitudes and latitudes; also a zone used beyond its edge.

    Parameters
    ----------
    coordinates, degrees
        (n, 2) easting and northing in metres; longitude and latitude, NaN = missing.

    Returns
    -------
    The zone whose median distance is least and under 30 m; None where there is none.
    """
    import pyproj

    known = np.isfinite(degrees).all(axis=1) & (np.abs(degrees) <= (180, 90)).all(axis=1)
    rows = np.flatnonzero(known)[:: max(1, int(known.sum()) // _TRIED)]
    if not len(rows):
        return None
    misfits = {}
    middle = np.median(degrees[rows], axis=0)
    for zone in _zones(float(middle[0]), float(middle[1]), reach=_REACH):
        way = pyproj.Transformer.from_crs("EPSG:4326", zone, always_xy=True)
        moved = np.column_stack(way.transform(*degrees[rows].T))
        misfits[zone] = float(np.median(np.hypot(*(moved - coordinates[rows]).T)))
    # differences under a centimetre are of the transformation, not of the data: then the order decides
    best = min(misfits, key=lambda zone: round(misfits[zone], 2), default=None)
    return best if best is not None and misfits[best] < _CLOSE else None


def _zones(longitude: float, latitude: float, *, reach: float = 0.0) -> list[str]:
    """List the zones within so many degrees east and west of a place, those of a continent first."""
    from pyproj.aoi import AreaOfInterest
    from pyproj.database import query_crs_info
    from pyproj.enums import PJType

    west, east = (float(np.clip(longitude + way * (reach + 1e-6), -180, 180)) for way in (-1, 1))
    box = AreaOfInterest(west, latitude - 1e-6, east, latitude + 1e-6)
    found = query_crs_info("EPSG", pj_types=PJType.PROJECTED_CRS, area_of_interest=box)
    named = [(info.name, f"EPSG:{info.code}") for info in found if _ZONE.fullmatch(info.name)]
    return [code for _, code in sorted(named, key=lambda each: _DATUMS.index(each[0].split(" / ")[0]))]


def is_metric(crs: Any) -> str | None:
    """Write a CRS as text where it is projected in metres; None where it is not, or there is none."""
    from gossan.io.crs import plain_crs

    if crs is None:
        return None
    import pyproj

    known = pyproj.CRS.from_user_input(str(crs) if hasattr(crs, "epsg") else crs)
    units = {axis.unit_name for axis in known.axis_info[:2]}
    return plain_crs(known) if known.is_projected and units == {"metre"} else None
