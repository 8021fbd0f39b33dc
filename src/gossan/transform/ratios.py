"""Transforms of concentrations and their inverses: log10, the centred and the isometric log-ratio."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from gossan.abundance import PPM_PER_UNIT
from gossan.errors import DataError, UsageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "clr",
    "clr_inverse",
    "ilr",
    "ilr_basis",
    "ilr_inverse",
    "ilr_table_inverse",
    "log10",
    "log10_inverse",
    "transform_values",
]


def log10(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm to base 10; NaN stays NaN.

    Raises
    ------
    DataError
        A value is zero, negative or infinite.

    Examples
    --------
    >>> log10(np.array([1.0, 100.0, np.nan]))
    array([ 0.,  2., nan])
    """
    _check_positive(values)
    return np.asarray(np.log10(values), dtype=np.float64)


def log10_inverse(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ten to the power of ``values``; NaN stays NaN."""
    return np.power(10.0, values)


def clr(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centred log-ratio of each row (Aitchison 1982): ln x - mean of ln x over the parts that are present.

    Parameters
    ----------
    values
        (n, parts), all in one unit, above zero; NaN = missing.

    Returns
    -------
    (n, parts): NaN stays NaN, the rest of a row sums to zero. A row with a single part says nothing
    about ratios and becomes NaN. Rows that lack different parts have different centres.

    Raises
    ------
    DataError
        A value is zero, negative or infinite.

    Examples
    --------
    >>> clr(np.array([[1.0, 1.0, 1.0], [2.0, 2.0, np.nan]]))
    array([[ 0.,  0.,  0.], [ 0.,  0., nan]])
    """
    _check_positive(values)
    logs = np.log(values)
    present = np.isfinite(logs)
    count = present.sum(axis=1, keepdims=True)
    centre = np.where(present, logs, 0.0).sum(axis=1, keepdims=True) / np.maximum(count, 1)
    return np.where(count >= 2, logs - centre, np.nan)


def clr_inverse(values: NDArray[np.float64], total: float = 1.0) -> NDArray[np.float64]:
    """Composition whose centred log-ratios are ``values``; the parts present in a row sum to ``total``.

    Closure is what a log-ratio forgets, so ``clr_inverse(clr(x))`` is x up to one factor a row.
    """
    parts = np.exp(values)
    sums = np.nansum(parts, axis=1, keepdims=True)
    return np.asarray(parts * (total / np.where(sums > 0, sums, 1.0)), dtype=np.float64)


def ilr_basis(parts: int) -> NDArray[np.float64]:
    """Orthonormal basis of the plane that centred log-ratios lie in (Egozcue et al. 2003).

    Returns
    -------
    (parts, parts - 1): column k sets the geometric mean of the first k parts against part k + 1; columns
    have length 1, are orthogonal, and sum to zero.

    Raises
    ------
    UsageError
        Fewer than two parts.
    """
    if parts < 2:
        raise UsageError(f"a log-ratio of {parts} part(s) was asked for; it needs two or more: add elements")
    k = np.arange(1, parts)
    above = np.triu(np.ones((parts, parts - 1)))  # the first k parts of column k
    basis = above / k
    basis[k, k - 1] = -1.0
    return np.asarray(basis * np.sqrt(k / (k + 1.0)), dtype=np.float64)


def ilr(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Isometric log-ratio of each row: its centred log-ratios in the basis of `ilr_basis`.

    Distances and angles are those of the centred log-ratios, without their surplus dimension: a covariance
    of them can be inverted.

    Parameters
    ----------
    values
        (n, parts), all in one unit, above zero; NaN = missing.

    Returns
    -------
    (n, parts - 1); a row with a part missing is NaN.

    Raises
    ------
    DataError
        A value is zero, negative or infinite.
    UsageError
        Fewer than two parts.
    """
    return np.asarray(clr(values) @ ilr_basis(values.shape[1]), dtype=np.float64)


def ilr_inverse(values: NDArray[np.float64], total: float = 1.0) -> NDArray[np.float64]:
    """Composition (n, parts), closed to ``total``, with ``values`` (n, parts - 1) as isometric log-ratios."""
    return clr_inverse(values @ ilr_basis(values.shape[1] + 1).T, total)


def transform_values(
    values: "pd.DataFrame", units: Mapping[str, str], transform: Literal["log10", "clr", "ilr", "none"]
) -> tuple["pd.DataFrame", dict[str, str]]:
    """Transform a table of concentrations.

    Parameters
    ----------
    values
        Samples x elements; NaN = missing.
    units
        Unit of each element: ``ppm``, ``ppb``, ``pct``, ``ppt``, perhaps followed by an oxide, or
        empty where unknown. Log-ratios bring all to ppm first.

    Returns
    -------
    The table, and the units after the transform: ``log10(ppm)``, ``clr``, or those given. The isometric
    log-ratio has one column fewer: ``ilr Cu`` sets Cu against the geometric mean of all elements before it
    in the table, and its unit lists them, ``ilr(Cu / Ag As)``; high where Cu is. `ilr_table_inverse` gives
    the composition back.

    Raises
    ------
    DataError
        A value to be logged is zero, negative or infinite; or no sample has every element, for ``ilr``.
    UsageError
        The transform is unknown, or a log-ratio was asked of one element or of units that cannot be compared.

    Examples
    --------
    >>> import pandas as pd
    >>> table, units = transform_values(pd.DataFrame({"As": [1.0], "Cu": [1.0]}), {}, "ilr")
    >>> table["ilr Cu"].tolist(), units
    ([0.0], {'ilr Cu': 'ilr(Cu / As)'})
    """
    if transform == "none":
        return values.astype(float), {name: units.get(name, "") for name in values.columns}
    array = values.to_numpy(dtype=float)
    if transform == "log10":
        after = {name: f"log10({units.get(name) or 'unit unknown'})" for name in values.columns}
        return _like(values, log10(array)), after
    if transform == "clr":
        factors = _ppm_factors([units.get(name, "") for name in values.columns], "clr")
        return _like(values, clr(array * factors)), dict.fromkeys(values.columns, "clr")
    if transform == "ilr":
        factors = _ppm_factors([units.get(name, "") for name in values.columns], "ilr")
        return _balances(values, ilr(array * factors))
    raise UsageError(f"transform {transform!r} is unknown; allowed are log10, clr, ilr and none; choose one")


def _balances(values: "pd.DataFrame", ratios: NDArray[np.float64]) -> tuple["pd.DataFrame", dict[str, str]]:
    """Name isometric log-ratios by the element that each sets against those before it; high where it is."""
    import pandas as pd

    parts = [str(name) for name in values.columns]
    if not np.isfinite(ratios).any():
        raise DataError(
            f"transform = 'ilr' given and no sample has all of {len(parts)} elements; balances need every "
            "one: list fewer as samples.elements, or use 'clr'"
        )
    names = [f"ilr {part}" for part in parts[1:]]
    units = {name: f"ilr({parts[k]} / {' '.join(parts[:k])})" for k, name in enumerate(names, 1)}
    return pd.DataFrame(-ratios, index=values.index, columns=names), units


def ilr_table_inverse(values: "pd.DataFrame", first: str, total: float = 1.0) -> "pd.DataFrame":
    """Composition, closed to ``total``, of a table that `transform_values` made with ``ilr``.

    Parameters
    ----------
    first
        Name of the element that the first balance is against, which has no column of its own.
    """
    import pandas as pd

    parts = [first, *(str(name).removeprefix("ilr ") for name in values.columns)]
    closed = ilr_inverse(-values.to_numpy(dtype=float), total)
    return pd.DataFrame(closed, index=values.index, columns=parts)


def _like(values: "pd.DataFrame", array: NDArray[np.float64]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(array, index=values.index, columns=values.columns)


def _ppm_factors(units: list[str], transform: str) -> NDArray[np.float64]:
    if len(units) < 2:
        raise UsageError(
            f"{transform} was asked of one element; it needs at least two; use transform = 'log10'"
        )
    if len(set(units)) == 1:
        return np.ones(len(units))
    known = [unit.split(" ")[0] for unit in units]
    odd = sorted({unit or "(none)" for unit in known} - PPM_PER_UNIT.keys())
    if odd:
        raise UsageError(
            f"{transform} cannot compare the units {', '.join(odd)} with the others; known are "
            f"{', '.join(PPM_PER_UNIT)}; write the unit into the column's name, such as Cu_ppm"
        )
    return np.array([PPM_PER_UNIT[unit] for unit in known])


def _check_positive(values: NDArray[np.float64]) -> None:
    bad = int(np.count_nonzero((values <= 0) | np.isinf(values)))
    if bad:
        raise DataError(
            f"{bad} values are zero, negative or infinite; a logarithm needs positive ones; "
            "make them missing or use transform = 'none'"
        )
