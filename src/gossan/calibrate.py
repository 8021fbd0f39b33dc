"""Calibration: from a balanced score to the probability of a *known* deposit.

Training sees more ore than there is, and a balanced score says how a window would be called if ore and
barren were equally frequent. Undoing that is arithmetic (Elkan 2001; Saerens et al. 2002) and needs no fit;
what is left is the model's over- or underconfidence, learnt on inner out-of-fold scores. Nobody has drilled
the barren windows, so a probability is always that of a deposit that is *known*.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError

__all__ = ["Calibrator", "fit_calibrator"]

#: Ore windows from which an isotonic curve is fitted: with fewer its steps are noise.
ISOTONIC_ORE = 200
#: Penalty on half the squared distance of the slope from 1: that of a prior with a standard deviation of .5.
SLOPE_PENALTY = 4.0
#: Scores of 0 and 1 have no log odds; they are taken for this near to them.
_EDGE = 1e-6


@dataclass(frozen=True)
class Calibrator:
    """How balanced scores become probabilities.

    Attributes
    ----------
    prevalence
        Share of ore among the areas of the training part, in (0, 1).
    kind
        ``prior``: only the balancing is undone; ``platt``: then the log odds are stretched and shifted;
        ``isotonic``: then a rising step curve is read.
    slope, intercept
        Of the log odds, for ``platt``. A slope below 1 means that the model was overconfident.
    knots, values
        Log odds and probabilities of the curve, for ``isotonic``, (n,) each.
    """

    prevalence: float
    kind: Literal["prior", "platt", "isotonic"] = "prior"
    slope: float = 1.0
    intercept: float = 0.0
    knots: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    def apply(self, score: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of a known deposit, (n,), for balanced scores in [0, 1], (n,).

        Examples
        --------
        >>> Calibrator(prevalence=0.03).apply([0.5])
        array([0.03])
        """
        odds = _log_odds(score) + _log_odds(self.prevalence)
        if self.kind == "isotonic":
            return np.asarray(np.interp(odds, self.knots, self.values))
        return _share(self.intercept + self.slope * odds)

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as JSON-able values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Make a calibration from `to_dict`'s values."""
        known: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**known)


def fit_calibrator(score: ArrayLike, is_ore: ArrayLike, *, prevalence: float) -> Calibrator:
    r"""Fit a calibration on scores of windows that the scoring model was not trained on.

    The balancing is undone first, x = logit(score) + logit(prevalence). Then logit(p) = a + b x is fitted by
    maximum likelihood with b drawn towards 1 (Platt 1999, with a normal prior on the slope), or, from 200
    ore windows on, a rising step curve (Zadrozny and Elkan 2002). Without ore or barren windows only the
    balancing is undone. A temperature alone could not undo balancing: it has no shift.

    Parameters
    ----------
    score
        Balanced scores out of inner folds, in [0, 1], (n,).
    is_ore
        (n,).
    prevalence
        Share of ore among the areas that the model is trained on, in (0, 1).

    Raises
    ------
    DataError
        If a score is NaN or the prevalence is not between 0 and 1.
    """
    values, ore = np.asarray(score, dtype=np.float64), np.asarray(is_ore, dtype=bool)
    if np.isnan(values).any() or not 0 < prevalence < 1:
        raise DataError(
            f"{int(np.isnan(values).sum())} scores are NaN, prevalence {prevalence:g}; a calibration needs "
            "numbers and a share between 0 and 1: leave such rows out"
        )
    if ore.all() or not ore.any():
        return Calibrator(prevalence)
    odds = _log_odds(values) + _log_odds(prevalence)
    if np.count_nonzero(ore) >= ISOTONIC_ORE:
        return _isotonic(odds, ore, prevalence)
    intercept, slope = _platt(odds, ore)
    return Calibrator(prevalence, "platt", slope, intercept)


def _platt(odds: NDArray[np.float64], ore: NDArray[np.bool_]) -> tuple[float, float]:
    """Minimise the penalised log loss; it is convex, and Newton's steps take it from (0, 1)."""
    from scipy.optimize import minimize

    design = np.column_stack((np.ones_like(odds), odds))

    def loss(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        x = design @ line
        value = np.sum(np.logaddexp(0, x)) - x[ore].sum() + SLOPE_PENALTY / 2 * (line[1] - 1) ** 2
        slope = design.T @ (_share(x) - ore)
        slope[1] += SLOPE_PENALTY * (line[1] - 1)
        return float(value), slope

    def curvature(line: NDArray[np.float64]) -> NDArray[np.float64]:
        p = _share(design @ line)
        matrix: NDArray[np.float64] = design.T @ (design * (p * (1 - p))[:, None])
        matrix[1, 1] += SLOPE_PENALTY
        return matrix

    found = minimize(loss, np.array([0.0, 1.0]), jac=True, hess=curvature, method="trust-exact")
    return float(found.x[0]), float(found.x[1])


def _isotonic(odds: NDArray[np.float64], ore: NDArray[np.bool_], prevalence: float) -> Calibrator:
    from sklearn.isotonic import IsotonicRegression

    curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(odds, ore.astype(np.float64))
    knots, values = curve.X_thresholds_.tolist(), curve.y_thresholds_.tolist()
    return Calibrator(prevalence, "isotonic", knots=tuple(knots), values=tuple(values))


def _log_odds(share: ArrayLike) -> NDArray[np.float64]:
    inside = np.clip(np.asarray(share, dtype=np.float64), _EDGE, 1 - _EDGE)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def _share(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import expit

    return np.asarray(expit(odds), dtype=np.float64)
