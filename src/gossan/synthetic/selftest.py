"""Whether the twin looks like a survey: what a geochemist would measure on it."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gossan.grid import pixel_index
from gossan.metrics import auc
from gossan.survey import Survey
from gossan.synthetic.ground import Ground, make_ground
from gossan.synthetic.knobs import ELEMENTS, PAPER_EIGHT, TWIN, Twin

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ORE_DISTANCE",
    "SelfTest",
    "association",
    "channel_aucs",
    "peak_downstream",
    "self_test",
    "variogram",
]

Array = NDArray[np.float64]

#: A sample within this many metres of a known deposit is an ore sample: about two sample spacings.
ORE_DISTANCE = 1000.0

#: Lags of the variogram and of the stream profile, m.
LONGEST_LAG, LAGS = 12_000.0, 24
LONGEST_STREAM = 4_000.0


class SelfTest(NamedTuple):
    """What one twin measures, by name, and what it should (least, most)."""

    value: dict[str, float]
    wanted: dict[str, tuple[float, float]]


def self_test(seed: int, *, twin: Twin = TWIN, null: bool = False) -> SelfTest:
    """Measure one twin.

    Variograms, skewness and correlations are those of log10 values of the samples, the correlations by rank
    (wild values would rule them). Range, nugget and correlation are means over elements and pairs; skewness,
    being a bound, is that of the worst element.
    """
    import pandas as pd

    from gossan.synthetic import synthetic_survey

    survey = synthetic_survey(seed, size=390, resolution=100, null=null, twin=twin)
    logs = pd.DataFrame(np.log10(survey.samples.values.to_numpy()), columns=list(ELEMENTS))
    fits = np.array([variogram(survey.samples.coordinates, logs[name].to_numpy()) for name in ELEMENTS])
    aucs = channel_aucs(survey)
    eight = [aucs[name] for name in PAPER_EIGHT]
    others = [aucs[name] for name in ELEMENTS if name not in PAPER_EIGHT]
    found = {
        "variogram range, km": (float(np.mean(fits[:, 0])) / 1000, (4, 8)),
        "nugget over sill": (float(np.mean(fits[:, 1])), (0.3, 0.6)),
        "log skewness, worst element": (float(logs.skew().abs().max()), (0, 1)),
    }
    for _, members in twin.factors:
        found[f"correlation {'-'.join(members)}"] = (association(logs, members), (0.4, 0.7))
    found |= {
        "AUC of the paper's eight, mean": (float(np.mean(eight)), (0.6, 0.78)),
        "AUC of the others, mean": (float(np.mean(others)), (0.5, 0.66)),
    }
    found |= {f"AUC {name}": (aucs[name], (0.6, 0.78)) for name in PAPER_EIGHT}
    found |= {f"AUC {name}": (aucs[name], (0.5, 0.66)) for name in ELEMENTS if name not in PAPER_EIGHT}
    found["AUC of nearness to a fault"] = (aucs["fault"], (0.5, 0.78))
    truth = survey.truth
    if truth is not None:
        places = truth.loc[~truth["blind"], ["easting", "northing"]].to_numpy()
        peak = peak_downstream(survey, make_ground(seed, twin.side, twin), places)
        found["anomaly's peak downstream, km"] = (peak / 1000, (0.3, 1.5))
    value = {name: measured for name, (measured, _) in found.items()}
    return SelfTest(value, {name: wanted for name, (_, wanted) in found.items()})


def variogram(coordinates: Array, values: Array) -> tuple[float, float]:
    """Fit a spherical model with a nugget to the robust variogram (Cressie and Hawkins 1980).

    Parameters
    ----------
    coordinates
        (n, 2), m.
    values
        (n,), finite.

    Returns
    -------
    range in m, and nugget as a share of the sill.
    """
    from scipy.optimize import curve_fit
    from scipy.spatial.distance import pdist

    some = np.random.default_rng(0).permutation(len(values))[:2500]
    lag = pdist(coordinates[some])
    near = lag < LONGEST_LAG
    root = np.sqrt(pdist(values[some, None], "cityblock")[near])
    step = (lag[near] / LONGEST_LAG * LAGS).astype(np.int64)
    number = np.bincount(step, minlength=LAGS)
    mean, middle = (np.bincount(step, w, minlength=LAGS) / number for w in (root, lag[near]))
    gamma = mean**4 / (2 * (0.457 + 0.494 / number))

    def spherical(h: Array, nugget: float, sill: float, length: float) -> Array:
        x = np.minimum(h / length, 1)
        return np.asarray(nugget + sill * (1.5 * x - 0.5 * x**3))

    top = float(gamma.max())
    bounds = ((0, 0, 500), (2 * top, 2 * top, 2 * LONGEST_LAG))
    # weights number / lag squared, as gstat has them
    (nugget, sill, length), _ = curve_fit(
        spherical, middle, gamma, (top / 2, top / 2, LONGEST_LAG / 2), middle / np.sqrt(number), bounds=bounds
    )
    return float(length), float(nugget / (nugget + sill))


def association(logs: "pd.DataFrame", members: tuple[str, ...]) -> float:
    """Mean rank correlation of the pairs of an association."""
    table = logs[list(members)].corr("spearman").to_numpy()
    return float(np.mean(table[np.triu_indices(len(members), 1)]))


def channel_aucs(survey: Survey) -> dict[str, float]:
    """AUC of every element, and of nearness to a fault, for ore samples against the rest."""
    from scipy.spatial import cKDTree

    from gossan.evidence import fault_distance

    coordinates, values = survey.samples.coordinates, survey.samples.values
    distance, _ = cKDTree(survey.deposits.coordinates).query(coordinates)
    is_ore = distance <= ORE_DISTANCE
    scores = {name: auc(values[name].to_numpy(), is_ore) for name in ELEMENTS}
    row, col, _ = pixel_index(survey.grid, coordinates)
    away = fault_distance(survey.faults, survey.grid)[row, col]
    return scores | {"fault": auc(-away, is_ore)}


def peak_downstream(survey: Survey, ground: Ground, places: Array) -> float:
    """Way down the stream from a deposit to the highest sample on it, m: median over deposits (n, 2).

    High is the mean over the paper's eight of the standardised log10 values. Samples farther than 4 km count
    no longer; deposits with fewer than two samples on their stream tell nothing.
    """
    logs = np.log10(survey.samples.values[list(PAPER_EIGHT)])
    height = ((logs - logs.mean()) / logs.std()).mean(axis=1).to_numpy()
    of_cell = np.full(ground.units.size, -np.inf)
    np.maximum.at(of_cell, ground.cell_of(survey.samples.coordinates), height)
    peaks = []
    for start in ground.cell_of(places):
        path = ground.drainage.path(int(start))
        way = np.concatenate([[0.0], np.cumsum(ground.drainage.step[path])[:-1]])
        path, way = path[way <= LONGEST_STREAM], way[way <= LONGEST_STREAM]
        if np.isfinite(of_cell[path]).sum() > 1:
            peaks.append(way[np.argmax(of_cell[path])])
    return float(np.median(peaks)) if peaks else float("nan")
