"""Steps that are no geology, or only that of the bedrock, taken out of a table of analyses."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from gossan.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["level", "level_surveys", "survey_groups"]

#: Groups with fewer samples, or elements with fewer values in one, have no median worth the name.
FEWEST = 30


def level(values: "pd.DataFrame", group: NDArray[np.int64], *, fewest: int = FEWEST) -> "pd.DataFrame":
    """Level samples of different background: robust z within each group (median, 1.4826 MAD).

    It reads no label, so it is done once for the survey and not in every fold.

    Parameters
    ----------
    values
        Samples x elements, transformed; NaN = missing.
    group
        (n,) rock unit of each sample, -1 = unknown.
    fewest
        Groups with fewer samples are pooled, with the unknown, into one.

    Returns
    -------
    The table, without unit. An element that does not vary in a group is 0 there.
    """
    names, inverse, counts = np.unique(group, return_inverse=True, return_counts=True)
    pooled = np.where((counts < fewest) | (names < 0), -1, names)[inverse]
    grouped = values.groupby(pooled)
    centred = values - grouped.transform("median")
    spread = 1.4826 * centred.abs().groupby(pooled).transform("median")
    return (centred / spread.where(spread > 0, np.inf)).astype(float)


def survey_groups(survey: Sequence[str], *, fewest: int = FEWEST) -> tuple[NDArray[np.object_], list[str]]:
    """Name the survey that each sample is levelled with.

    Parameters
    ----------
    survey
        (n,) year or name of each sample's survey, empty = unknown.
    fewest
        Surveys with fewer samples are pooled, with the unknown, into one called ``""``.

    Returns
    -------
    (n,) names, and the names that were pooled.
    """
    names, inverse, counts = np.unique(
        np.asarray(survey, dtype=object).astype(str), return_inverse=True, return_counts=True
    )
    small = (counts < fewest) & (names != "")
    return np.where(small, "", names).astype(object)[inverse], [str(name) for name in names[small]]


def level_surveys(
    values: "pd.DataFrame",
    survey: NDArray[np.object_],
    *,
    method: Literal["median", "quantile"] = "median",
    fewest: int = FEWEST,
) -> tuple["pd.DataFrame", int]:
    """Take out steps between surveys: bring every survey onto the one with the most values of an element.

    ``median`` multiplies a survey by the ratio of the medians, which is a shift of the logarithms and keeps
    its contrast; ``quantile`` gives each value the reference's at the same rank, which also evens out spread
    and detection limits, and lets no value exceed the reference's highest. Both take surveys to sample ground
    alike: where they do not, a step that is geology goes too. It reads no label, so it is done once.

    Parameters
    ----------
    values
        Samples x elements, concentrations of at least 0, not transformed; NaN = missing.
    survey
        (n,) survey of each sample, as of `survey_groups`.
    fewest
        An element with fewer values in a survey is left there as it is.

    Returns
    -------
    The table in its units, and how many pairs of an element and a survey were left as they are although they
    have values, because these are too few or their median is 0.

    Raises
    ------
    UsageError
        The method is unknown.
    """
    if method not in ("median", "quantile"):
        raise UsageError(f"level_method {method!r} is unknown; allowed are median and quantile; choose one")
    _, code = np.unique(np.asarray(survey).astype(str), return_inverse=True)
    grouped = values.groupby(code)
    counts, medians = grouped.count(), grouped.median()
    reference = counts.idxmax()
    usable = counts >= fewest
    if method == "median":
        onto = np.diag(medians.loc[list(reference)].to_numpy())
        usable &= (medians > 0) & (onto > 0)
    left = int(((counts > 0) & ~usable).to_numpy().sum())
    if method == "median":
        factor = np.where(usable, onto / medians.where(usable).to_numpy(), 1.0)
        return values.mul(factor[code]), left
    levelled = values.astype(float).copy()
    for element in values.columns:
        onto = np.sort(values.loc[code == reference[element], element].dropna().to_numpy(dtype=float))
        for number in counts.index[usable[element]]:
            rows = (code == number) & values[element].notna().to_numpy()
            levelled.loc[rows, element] = _at_ranks(values.loc[rows, element], onto)
    return levelled, left


def _at_ranks(values: "pd.Series[float]", onto: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of the sorted ``onto`` at the ranks of ``values``; ties share their mean rank."""
    share = (values.rank().to_numpy() - 0.5) / len(values)
    return np.asarray(np.interp(share, (np.arange(len(onto)) + 0.5) / len(onto), onto), dtype=np.float64)
