"""Curves and tables of thresholds, on held-out deposits; what is fitted is kept apart and named so."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan import metrics
from gossan.pipeline.tasks import STAGES

if TYPE_CHECKING:
    import pandas as pd

    from gossan.pipeline.results import Findings

__all__ = ["all_curves", "captures", "confusions", "prediction_area", "thresholds"]

#: Places along the horizontal axis at which curves are written.
_AT = np.linspace(0, 1, 201)
#: Bins of the calibration curve: each holds a fifth of the areas at least.
_BINS = 10


def all_curves(found: "Findings") -> dict[str, Any]:
    """Draw the curves of each model on held-out deposits, ranks taken within folds.

    ROC, prediction rate and precision-recall; for the project's model with bands of 2,000 draws of camps, its
    calibration, and the success rate of the final model, which is fitted.
    """
    drawn = {}
    for label, table in found.scored.items():
        drawn[label] = _curves(found, table, banded=label == found.name)
    drawn[found.name]["calibration"] = _calibration(found.predictions)
    drawn[found.name]["success_rate"] = _success(found)
    return drawn


def _curves(found: "Findings", table: "pd.DataFrame", *, banded: bool) -> dict[str, Any]:
    rank = metrics.fold_percentile(table)
    roc = metrics.roc_curve(rank, table["is_ore"])
    rate = metrics.prediction_rate(rank, np.ones(len(table)), table["deposits"])
    precision = metrics.precision_recall(rank, table["is_ore"])
    stepped = _first_reaching(precision.x, precision.y, _AT)
    return {
        "roc": _written(roc.x, roc.y, _bands(found, table, rank, "roc") if banded else None),
        "prediction_rate": _written(
            rate.x, rate.y, _bands(found, table, rank, "prediction-rate") if banded else None
        ),
        "precision_recall": {
            **_written(_AT, stepped, _bands(found, table, rank, "precision-recall") if banded else None),
            "prevalence": precision.prevalence,
        },
    }


def _first_reaching(x: NDArray[np.float64], y: NDArray[np.float64], at: ArrayLike) -> NDArray[np.float64]:
    """Read a curve that is not monotone at the first of its points whose x reaches each place."""
    place = np.searchsorted(x, np.maximum(np.asarray(at) - 1e-9, 1e-9))
    return np.asarray(y[np.minimum(place, len(y) - 1)])


def _written(x: NDArray[np.float64], y: NDArray[np.float64], bands: Any) -> dict[str, Any]:
    low, high = (None, None) if bands is None else (bands[0].tolist(), bands[1].tolist())
    return {"x": _AT.tolist(), "y": np.interp(_AT, x, y).tolist(), "low": low, "high": high}


def _bands(found: "Findings", table: "pd.DataFrame", rank: NDArray[np.float64], kind: Any) -> Any:
    return metrics.camp_bands(
        rank,
        np.ones(len(table)),
        table["deposits"],
        table["is_ore"],
        table["camp"],
        kind=kind,
        at=_AT,
        seed=[found.project.project.seed, STAGES["bands"]],
    )


def _success(found: "Findings") -> dict[str, Any]:
    """Draw the success rate: the final model's scores of deposits that it was trained on."""
    final = found.results["final"]
    areas = found.design["windows"].query("number > 0").set_index("number")
    held = areas.loc[np.asarray(final["number"])]
    curve = metrics.prediction_rate(final["score"], held["valid_share"], held["deposits"])
    return {"x": _AT.tolist(), "y": np.interp(_AT, curve.x, curve.y).tolist()}


def _calibration(table: "pd.DataFrame") -> dict[str, Any]:
    """Compare probabilities with the share of ore, in bins; the bounds of each bin by Wilson (1927)."""
    bins = metrics.calibration(table["probability"], table["is_ore"], bins=_BINS)
    low, high = _wilson(bins.share_ore, bins.number)
    return {
        "probability": bins.probability.tolist(),
        "share_ore": bins.share_ore.tolist(),
        "number": bins.number.tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "error": bins.error,
    }


def _wilson(
    share: NDArray[np.float64], number: NDArray[np.int64], z: float = 1.96
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the score interval of shares; it takes areas for independent, so camps make it too narrow."""
    centre = (share + z**2 / (2 * number)) / (1 + z**2 / number)
    reach = z * np.sqrt(share * (1 - share) / number + z**2 / (4 * number**2)) / (1 + z**2 / number)
    return np.maximum(centre - reach, 0.0), np.minimum(centre + reach, 1.0)


def captures(found: "Findings") -> dict[str, Any]:
    """Say what each model's best 5, 10 and 20 % of the ground hold of the held-out deposits."""
    return {
        label: metrics.capture_intervals(
            metrics.fold_percentile(table),
            np.ones(len(table)),
            table["deposits"],
            table["camp"],
            seed=[found.project.project.seed, STAGES["bands"]],
            repeat=table["repeat"],
        )
        for label, table in found.scored.items()
    }


def confusions(found: "Findings") -> dict[str, dict[str, float]]:
    """Count by model, as means over repeats, what held-out areas are called and what is known of them.

    Returns
    -------
    By model: ``hit`` ore called ore, ``miss`` ore not called so, ``false`` other ground called ore, ``rest``.
    """
    return {label: _confusion(table) for label, table in found.scored.items()}


def _confusion(table: "pd.DataFrame") -> dict[str, float]:
    called, ore = table["vote"].to_numpy(dtype=bool), table["is_ore"].to_numpy(dtype=bool)
    cells = {"hit": called & ore, "miss": ~called & ore, "false": called & ~ore, "rest": ~called & ~ore}
    return {name: float(cell.sum()) / table["repeat"].nunique() for name, cell in cells.items()}


def prediction_area(areas: "pd.DataFrame") -> dict[str, Any]:
    """Draw the prediction-area plot and read its crossing, by the scores that are mapped (all held out)."""
    curve = metrics.prediction_rate(areas["score"], areas["valid_share"], areas["known_deposits"])
    crossed = metrics.prediction_area(curve)
    drawn = {name: getattr(curve, name)[1:].tolist() for name in ("x", "y", "threshold")}
    return {**crossed, **drawn, "at": crossed["threshold"]}


def thresholds(areas: "pd.DataFrame") -> list[dict[str, Any]]:
    """List what each share of the ground holds, by the scores that are mapped (all held out)."""
    listed = metrics.threshold_table(
        areas["score"],
        areas["valid_share"],
        areas["known_deposits"],
        areas["known_deposits"] > 0,
        probability=areas["probability"],
    ).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in listed]
