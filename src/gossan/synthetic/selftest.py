"""Whether the twin looks like a survey: what a geochemist would measure on its samples."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gossan.grid import pixel_index, region_of
from gossan.metrics import auc
from gossan.survey import Survey
from gossan.synthetic.chemistry import background, halo_factor, sediment
from gossan.synthetic.ground import Ground, make_ground
from gossan.synthetic.knobs import PAPER_EIGHT, TWIN, Twin
from gossan.synthetic.ore import draw_haloes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ORE_DISTANCE", "anomaly_offset", "association_correlations", "channel_aucs", "variogram"]

Array = NDArray[np.float64]

#: A sample within this many metres of a known deposit counts as an ore sample (about two sample spacings).
ORE_DISTANCE = 1000.0


def variogram(coordinates: Array, values: Array, *, reach: float = 12_000.0) -> tuple[float, float]:
    """Fit a spherical model with a nugget to the robust variogram (Cressie and Hawkins 1980).

    Parameters
    ----------
    coordinates
        (n, 2), m.
    values
        (n,) finite, on the scale on which they are mapped.
    reach
        Longest lag, m.

    Returns
    -------
    range, m, and nugget as a share of the sill.
    """
    from scipy.optimize import curve_fit
    from scipy.spatial.distance import pdist

    rng = np.random.default_rng(0)
    some = rng.choice(len(values), size=min(2500, len(values)), replace=False)
    lag = pdist(coordinates[some])
    near = lag < reach
    root = np.sqrt(pdist(values[some, None], "cityblock")[near])
    bin_ = (lag[near] / reach * 24).astype(np.int64)
    number = np.bincount(bin_, minlength=24)
    used = number > 30
    mean = np.bincount(bin_, weights=root, minlength=24)[used] / number[used]
    gamma = mean**4 / (2 * (0.457 + 0.494 / number[used]))
    middle = (np.bincount(bin_, weights=lag[near], minlength=24)[used] / number[used])

    def spherical(h: Array, nugget: float, sill: float, length: float) -> Array:
        x = np.minimum(h / length, 1)
        return np.asarray(nugget + sill * (1.5 * x - 0.5 * x**3))

    top = float(gamma.max())
    start, bounds = (top / 2, top / 2, reach / 2), ((0, 0, 500), (2 * top, 2 * top, 2 * reach))
    (nugget, sill, length), _ = curve_fit(
        spherical, middle, gamma, p0=start, bounds=bounds, sigma=1 / np.sqrt(number[used] / middle)
    )
    return float(length), float(nugget / (nugget + sill))


def association_correlations(logs: "pd.DataFrame", twin: Twin = TWIN) -> dict[str, float]:
    """Mean correlation between the members of each association, by their names joined with dashes."""
    table = logs.corr()
    means = {}
    for _, members in twin.factors:
        part = table.loc[list(members), list(members)].to_numpy()
        means["-".join(members)] = float(part[np.triu_indices(len(members), 1)].mean())
    return means


def channel_aucs(survey: Survey) -> dict[str, float]:
    """AUC of every element, and of nearness to a fault, for samples near a known deposit against the rest."""
    import geopandas as gpd
    import shapely
    from scipy.spatial import cKDTree

    coordinates = survey.samples.coordinates
    distance, _ = cKDTree(survey.deposits.coordinates).query(coordinates)
    is_ore = distance <= ORE_DISTANCE
    scores = {name: auc(survey.samples.values[name].to_numpy(), is_ore) for name in survey.samples.values}
    assert isinstance(survey.faults, gpd.GeoDataFrame)
    lines = survey.faults.geometry.to_numpy()
    _, away = shapely.STRtree(lines).query_nearest(
        shapely.points(coordinates), all_matches=False, return_distance=True
    )
    return scores | {"fault": auc(-away, is_ore)}


def anomaly_offset(seed: int, survey: Survey, ground: Ground, twin: Twin = TWIN) -> tuple[float, Array]:
    pass
