"""Which coordinate reference system a file is in, how that is known, and the way to the project's."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.errors import DataError, UsageError

if TYPE_CHECKING:
    import pyproj

__all__ = ["choose_crs", "parse_crs", "plain_crs", "reproject_points", "same_crs", "transformer"]


def parse_crs(crs: Any, what: str) -> "pyproj.CRS":
    """Read a CRS given as text, number or object.

    Raises
    ------
    UsageError
        It is none; ``what`` says which setting to change.
    """
    import pyproj

    try:
        return pyproj.CRS.from_user_input(str(crs) if hasattr(crs, "epsg") else crs)
    except pyproj.exceptions.CRSError as error:
        raise UsageError(f"{what} = {str(crs)!r} is no CRS; write one such as 'EPSG:26910'") from error


def same_crs(first: "pyproj.CRS", second: "pyproj.CRS") -> bool:
    """Whether two CRS agree; here coordinates are always easting before northing."""
    return bool(first.equals(second, ignore_axis_order=True))


def choose_crs(
    stored: Any, given: str | None, project: Any, what: str
) -> tuple["pyproj.CRS", dict[str, str]]:
    """Choose a file's CRS: what the settings give, else what the file stores, else the project's.

    Returns
    -------
    The CRS, and for the counts ``crs`` and ``crs_from``.
    """
    own = None if stored is None else parse_crs(stored, f"CRS of the {what} file")
    if given is not None:
        crs, origin = parse_crs(given, f"[{what}] crs"), "settings"
        if own is not None and not same_crs(own, crs):
            origin = f"settings, against the file's own {_name(own)}"
    elif own is not None:
        crs, origin = own, "file"
    else:
        crs, origin = parse_crs(project, "[project] crs"), "assumed to be the project's"
    return crs, {"crs": _name(crs), "crs_from": origin}


def transformer(source: "pyproj.CRS", target: "pyproj.CRS") -> "pyproj.Transformer":
    """Find the way from one CRS to another, easting before northing.

    Raises
    ------
    DataError
        There is none, as from a local grid.
    """
    import pyproj

    try:
        return pyproj.Transformer.from_crs(source, target, always_xy=True)
    except pyproj.exceptions.ProjError as error:
        raise DataError(
            f"no way is known from {_name(source)} to {_name(target)}; a CRS tied to the globe is needed; "
            "set the crs of the file to what its coordinates are in"
        ) from error


def reproject_points(
    coordinates: NDArray[np.float64], source: "pyproj.CRS", target: "pyproj.CRS"
) -> NDArray[np.float64]:
    """Reproject (n, 2) coordinates; NaN where the target CRS has no place for them."""
    if same_crs(source, target):
        return coordinates
    way = transformer(source, target)
    moved = np.column_stack(way.transform(coordinates[:, 0], coordinates[:, 1]))
    return np.where(np.isfinite(moved).all(axis=1, keepdims=True), moved, np.nan)


def plain_crs(crs: Any) -> str:
    """Write a CRS as ``EPSG:n`` where it has a number, else as WKT."""
    import pyproj

    known = pyproj.CRS.from_user_input(crs)
    number = known.to_epsg()
    return f"EPSG:{number}" if number else known.to_wkt()


def _name(crs: "pyproj.CRS") -> str:
    number = crs.to_epsg()
    return f"EPSG:{number}" if number else str(crs.name)
