"""The built-in survey: a twin of the paper's Jinshan area whose truth is known.

Relief drains into streams, folded strata are cut by faults, camps of deposits follow faults and strata,
their haloes wash downstream, and 7512 stream sediments are taken and analysed with all that goes wrong on
the way. A third of the camps is unknown to the survey, so that it can show what no real one can: whether
hidden deposits are found. The constants are the attributes of `Twin`.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from gossan.errors import UsageError
from gossan.grid import make_grid, region_of
from gossan.survey import Deposits, Samples, Survey
from gossan.synthetic.chemistry import background, halo_factor, sediment
from gossan.synthetic.ground import Ground, Stage, make_ground, stream_of
from gossan.synthetic.knobs import ELEMENTS, PAPER_EIGHT, TWIN, UNITS, Twin
from gossan.synthetic.ore import camp_odds, draw_deposits, draw_haloes, mapped_places, remoteness
from gossan.synthetic.sampling import analyse, place_samples, years_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ELEMENTS", "PAPER_EIGHT", "TWIN", "UNITS", "Twin", "laboratory_table", "synthetic_survey"]


def synthetic_survey(
    seed: int = 0,
    *,
    size: int = 1560,
    resolution: float = 25,
    samples: int = 7512,
    signal: float = 1.0,
    null: bool = False,
    twin: Twin = TWIN,
) -> Survey:
    """Make the twin.

    The ground depends on the seed and on the side of the map, ``size * resolution``, alone: another
    pixel size of the same side is the same ground, and ``signal`` and ``null`` change neither relief,
    rocks and faults nor where the samples lie.

    Parameters
    ----------
    size
        Side of the map, pixels.
    resolution
        Side of a pixel, metres. Side of the map: 39 km by default, at least 6 km.
    samples
        Number of samples, at least 100.
    signal
        Factor on all haloes, 0 = none.
    null
        Put the camps anywhere, without relation to faults, strata or haloes (which stay where they are).
    twin
        The constants.

    Returns
    -------
    Survey with ``truth``: one row a deposit with easting, northing (m), camp (from 1), hidden (unknown
    to the survey: the whole camp), blind (next to no halo), displaced (mapped 200-500 m off) and
    strength (of the halo; 1 = typical).

    Raises
    ------
    UsageError
        Where the map is too small or there are more samples asked for than there are stream cells.
    """
    side = float(size * resolution)
    if size < 1 or not np.isfinite(side) or side < 6000:
        raise UsageError(f"a map of {size} px of {resolution} m given; its side is 6 km or more: enlarge one")
    if samples < 100:
        raise UsageError(f"samples = {samples} given; there must be at least 100: ask for more")
    if not signal >= 0:
        raise UsageError(f"signal = {signal} given; it must be 0 or more: set 1 for the default")
    ground = make_ground(seed, side, twin)
    ore, truth = _truth(seed, ground, null, twin)
    coordinates = mapped_places(stream_of(seed, Stage.MAPPING), truth, ground, twin)
    taken, counts = _samples(seed, ground, ore, samples, signal, twin)
    return Survey(
        name=f"twin {seed}" + (" (null)" if null else ""),
        grid=make_grid(region_of(ground.grid), resolution, twin.crs),
        samples=taken,
        deposits=Deposits(coordinates, tuple(f"deposit {i}" for i in range(1, len(coordinates) + 1))),
        geology=ground.geology,
        faults=ground.faults,
        counts={"samples": counts, "deposits": {"read": len(coordinates)}},
        truth=truth,
    )


def _truth(seed: int, ground: Ground, null: bool, twin: Twin) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Return what makes the haloes and what is called a deposit: the same unless ``null``."""
    odds = camp_odds(seed, ground, twin)
    hide = twin.hide_weight * remoteness(ground, twin)
    ore = draw_deposits(stream_of(seed, Stage.DEPOSITS), ground, odds, hide, twin)
    if not null:
        return ore, ore
    anywhere = np.full(odds.shape, 1 / odds.size)
    truth = draw_deposits(stream_of(seed, Stage.NULL), ground, anywhere, None, twin)
    return ore, truth.assign(blind=True, strength=0.0)


def _samples(
    seed: int, ground: Ground, ore: "pd.DataFrame", samples: int, signal: float, twin: Twin
) -> tuple[Samples, dict[str, Any]]:
    import pandas as pd

    places = place_samples(stream_of(seed, Stage.SAMPLES), ground, samples, twin)
    rock = 10 ** background(seed, ground, twin)
    factor = halo_factor(draw_haloes(seed, ground, ore, twin), ground, twin, signal)
    content = np.log10(sediment(rock * factor, ground, twin)[places.cell])
    years = years_of(places.coordinates[:, 0], region_of(ground.grid), twin)
    analyses = analyse(stream_of(seed, Stage.LABORATORY), content, places.site, years, twin)
    counts = {
        "read": samples,
        "coincident": samples - len(np.unique(places.site)),
        "limits": analyses.limits,
        "censored": dict(zip(ELEMENTS, analyses.censored.sum(axis=0).tolist(), strict=True)),
        "wild": int(analyses.wild.sum()),
    }
    values = pd.DataFrame(analyses.content, columns=list(ELEMENTS))
    return Samples(places.coordinates, values, UNITS), counts


def laboratory_table(survey: Survey, *, twin: Twin = TWIN) -> "pd.DataFrame":
    """Return the samples of a twin as a laboratory sends them: text, ``<limit`` where below detection.

    Returns
    -------
    one row a sample: sample, easting, northing, year, then the elements with their units, such as
    ``Cu_ppm``.
    """
    import pandas as pd

    coordinates, values = survey.samples.coordinates, survey.samples.values
    limits = survey.counts["samples"]["limits"]
    table = pd.DataFrame({"sample": [f"S{i:05d}" for i in range(1, len(values) + 1)]})
    table["easting"], table["northing"] = coordinates.T
    table["year"] = years_of(coordinates[:, 0], region_of(survey.grid), twin)
    for name in values.columns:
        text = values[name].map("{:.10g}".format)
        limit = limits.get(name, 0.0)
        table[f"{name}_{survey.samples.units[name]}"] = text.where(values[name] >= limit, f"<{limit:g}")
    return table
