"""Which elements go together: robust principal components of log-ratios (Filzmoser et al. 2009)."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gossan.abundance import ppm_factor
from gossan.errors import DataError
from gossan.transform.ratios import ilr, ilr_basis

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Associations", "association_table", "associations"]

#: Rows for each dimension that a robust covariance is estimated from, at the least.
_ROWS_PER_PART = 5


@dataclass(frozen=True)
class Associations:
    """Principal components of the log-ratios.

    Attributes
    ----------
    loadings
        Elements x components PC1, PC2, ...; each column has length 1 and sums to zero, and its largest
        entry is positive.
    scores
        Samples x components, natural logarithms; NaN for a sample with an element missing.
    variance
        Robust variance of each component; all there are, so that shares can be taken.
    rows
        Complete samples that the components were estimated from.
    left_out
        Elements without a part in it, and why.
    """

    loadings: "pd.DataFrame"
    scores: "pd.DataFrame"
    variance: NDArray[np.float64]
    rows: int
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def explained(self) -> NDArray[np.float64]:
        """Share of the robust variance that each component explains, in [0, 1]."""
        return np.asarray(self.variance / self.variance.sum(), dtype=np.float64)


def associations(
    values: "pd.DataFrame",
    units: Mapping[str, str],
    *,
    components: int = 4,
    most_missing: float = 0.2,
    most_tied: float = 0.5,
    seed: int = 0,
) -> Associations:
    """Find which elements rise and fall together, whatever a few odd samples do.

    The covariance is the minimum covariance determinant of the isometric log-ratios; its eigenvectors are
    brought back to centred log-ratios, where each element has a loading of its own.

    Parameters
    ----------
    values
        Samples x elements, concentrations above zero, not transformed; NaN = missing.
    units
        Unit of each element; units that are not known are taken as they are, which moves the centre and
        changes no component.
    components
        How many are kept, at most the elements less one.
    most_missing, most_tied
        An element is left out when a larger share of its samples is missing, or a larger share of its values
        is one and the same (below detection, or coarsely rounded), in [0, 1].

    Raises
    ------
    DataError
        Fewer than three elements are left, or too few complete samples for them.
    """
    import pandas as pd

    left_out = _left_out(values, most_missing, most_tied)
    names = [name for name in values.columns if name not in left_out]
    factors = [ppm_factor(units.get(name, "")) or 1.0 for name in names]
    ratios = ilr(values[names].to_numpy(dtype=float) * factors) if len(names) > 1 else np.empty((0, 0))
    complete = np.isfinite(ratios).all(axis=1)
    rows, needed = int(complete.sum()), _ROWS_PER_PART * len(names)
    if len(names) < 3 or rows < needed:
        raise DataError(
            f"{len(names)} of {len(values.columns)} elements are measured in most samples, and {rows} samples"
            f" have all of them; associations need 3 elements and {_ROWS_PER_PART} samples for each: leave"
            " out elements that are often missing"
        )
    centre, covariance = _robust(ratios[complete], seed)
    variance, axes = np.linalg.eigh(covariance)
    variance, axes = variance[::-1], axes[:, ::-1]
    loadings = ilr_basis(len(names)) @ axes
    sign = np.sign(loadings[np.abs(loadings).argmax(axis=0), np.arange(loadings.shape[1])])
    kept = slice(0, min(components, len(names) - 1))
    labels = [f"PC{k + 1}" for k in range(kept.stop)]
    scores = (ratios - centre) @ (axes * sign)[:, kept]
    return Associations(
        pd.DataFrame((loadings * sign)[:, kept], index=names, columns=labels),
        pd.DataFrame(scores, index=values.index, columns=labels),
        variance,
        rows,
        left_out,
    )


def _left_out(values: "pd.DataFrame", most_missing: float, most_tied: float) -> dict[str, str]:
    """Name the elements that would thin out the complete samples, or whose ratios would hardly vary."""
    found = {}
    for name in values.columns:
        present = values[name].dropna()
        missing = 1 - len(present) / max(len(values), 1)
        tied = present.value_counts().iloc[0] / len(present) if len(present) else 0.0
        if missing > most_missing:
            found[str(name)] = f"{missing:.0%} missing"
        elif tied > most_tied:
            found[str(name)] = f"{tied:.0%} of the values are {present.mode().iloc[0]:g}"
    return found


def _robust(ratios: NDArray[np.float64], seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Minimum covariance determinant, reweighted: centre and covariance.

    Raises
    ------
    DataError
        Half of the samples lie in a plane, so that no covariance can be inverted.
    """
    from sklearn.covariance import MinCovDet

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = MinCovDet(random_state=seed).fit(ratios)
        except (Warning, ValueError) as error:
            raise DataError(
                "half of the samples have log-ratios that depend on each other exactly; associations need "
                "elements that vary: leave out those mostly below detection"
            ) from error
    return found.location_, found.covariance_


def association_table(found: Associations, *, least: float | None = None) -> "pd.DataFrame":
    """List the elements that make each component, the strongest first.

    Parameters
    ----------
    least
        Absolute loading from which an element is named; None: half as much again as all would have if they
        were equal, and at most 0.3.

    Returns
    -------
    component, explained (share), positive and negative (elements, separated by blanks): the one side rises
    where the other falls.
    """
    import pandas as pd

    rows = []
    if least is None:
        least = min(0.3, 1.5 / len(found.loadings) ** 0.5)
    for k, name in enumerate(found.loadings.columns):
        column = found.loadings[name].sort_values(ascending=False)
        positive, negative = column[column >= least], column[column <= -least][::-1]
        rows.append((name, float(found.explained[k]), " ".join(positive.index), " ".join(negative.index)))
    return pd.DataFrame(rows, columns=["component", "explained", "positive", "negative"])
