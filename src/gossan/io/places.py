"""Coordinates that cannot be where they say: degrees, kilometres, or easting and northing exchanged."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gossan.errors import DataError

if TYPE_CHECKING:
    import pyproj

__all__ = ["home_of", "refuse_misplaced"]

#: A CRS is used east and west of its area, up to a few zones away, as at Eskay Creek.
_WIDER = 2.0
_SETTING = {
    "area": "export the file with its crs",
    "rasters": "set the raster's crs",
    "exclude": "set the crs of that [[exclude]]",
    "tenure": "set the crs of that [[tenure]]",
}
_MOST = 0.9  # share of the rows that a guess must explain


def home_of(crs: "pyproj.CRS") -> tuple[float, float, float, float] | None:
    """Where a CRS is meant for: west, south, east, north in its own units; None where it does not say."""
    import pyproj

    use = crs.area_of_use
    if use is None:
        return None
    bounds = (use.west, use.south, use.east, use.north)
    if not crs.is_geographic:
        way = pyproj.Transformer.from_crs(crs.geodetic_crs or "EPSG:4326", crs, always_xy=True)
        bounds = way.transform_bounds(*bounds, densify_pts=21)
    if not np.isfinite(bounds).all() or bounds[0] >= bounds[2]:
        return None
    west, south, east, north = bounds
    return west, south, east, north


def refuse_misplaced(
    raw: NDArray[np.float64],
    way: tuple["pyproj.CRS", "pyproj.CRS"],
    what: str,
    names: str,
    *,
    assumed: bool,
) -> None:
    """Refuse coordinates that only make sense as something else.

    Parameters
    ----------
    raw
        (n, 2) in the CRS of the file, all finite.
    way
        CRS of the file, and of the project.
    names
        Of the coordinate columns; empty for a geometry.
    assumed
        Whether the file's CRS was taken from the project for want of any other.

    Raises
    ------
    DataError
        They look like degrees where metres are said, like kilometres, or as if exchanged; says what to set.
    """
    own = way[0]
    setting = _SETTING.get(what, f"set [{what}] crs")
    names = names or "of the geometry"
    if not len(raw):
        return
    if own.is_projected and assumed and (np.abs(raw) <= (180, 90)).all():
        raise DataError(
            f"{what} coordinates {names} all lie within 180 and 90, like "
            f"degrees, but the project's CRS is in metres; {setting}, such as 'EPSG:4326'"
        )
    if own.is_geographic and not assumed and (np.abs(raw) > (360, 360)).any(axis=1).mean() >= _MOST:
        raise DataError(
            f"{what} coordinates {names} are no degrees, but {_name(own)} is in degrees (as GeoJSON is that "
            f"says nothing else); {setting} to the CRS they are in"
        )
    if own.is_geographic:
        _refuse_mirrored(raw, way, what, names)
    home = home_of(own)
    if home is None or _share(raw, home) > 1 - _MOST:
        return
    if _share(raw[:, ::-1], home) >= _MOST and _share(raw, _wider(home)) <= 1 - _MOST:
        raise DataError(
            f"{what} coordinates {names} lie outside {_name(own)} and inside it when exchanged; easting "
            f"comes first; exchange [{what}] x and y"
        )
    if own.is_projected and _share(raw * 1000, home) >= _MOST:
        raise DataError(
            f"{what} coordinates {names} lie outside {_name(own)} and inside it when taken for kilometres; "
            f"metres are needed; {setting} = '{_in_km(own)}'"
        )


def _refuse_mirrored(
    raw: NDArray[np.float64], way: tuple["pyproj.CRS", "pyproj.CRS"], what: str, names: str
) -> None:
    """Refuse degrees that lie where the project's CRS is used only when changed in a way people forget."""
    use = way[1].area_of_use
    if use is None or (use.west, use.south, use.east, use.north) == (-180, -90, 180, 90):
        return
    box = (use.west, use.south, use.east, use.north)
    if _share(raw, _wider(box)) > 1 - _MOST:
        return
    west, south = np.array([-1.0, 1.0]), np.array([1.0, -1.0])
    for changed, how, change in (
        (raw[:, ::-1], "exchanged; longitude comes first", f"exchange [{what}] x and y"),
        (raw * west, "west is negative", "give longitudes west of Greenwich a minus"),
        (raw * south, "south is negative", "give latitudes south of the equator a minus"),
        (raw * west * south, "west and south are negative", "give them a minus"),
    ):
        if _share(changed, box) >= _MOST:
            raise DataError(
                f"{what} coordinates {names} lie outside {_name(way[1])} and inside it when {how}; {change}"
            )


def _wider(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    west, south, east, north = box
    more = _WIDER * (east - west)
    return west - more, south, east + more, north


def _share(points: NDArray[np.float64], box: tuple[float, float, float, float]) -> float:
    west, south, east, north = box
    inside = (points >= (west, south)) & (points <= (east, north))
    return float(inside.all(axis=1).mean())


def _name(crs: "pyproj.CRS") -> str:
    number = crs.to_epsg()
    return f"EPSG:{number}" if number else str(crs.name)


def _in_km(crs: "pyproj.CRS") -> str:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that some of a CRS is lost as a PROJ string
        text = crs.to_proj4()
    kept = [part for part in text.split() if not part.startswith(("+units", "+type", "+to_meter"))]
    return " ".join([*kept, "+units=km"])
