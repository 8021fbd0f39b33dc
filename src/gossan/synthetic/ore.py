"""Where the camps are, which of them are known, and what haloes they have."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gossan.grid import centres, region_of, resolution_of
from gossan.synthetic.fields import gaussian_field
from gossan.synthetic.ground import Ground, Stage, stream_of
from gossan.synthetic.knobs import ELEMENTS, Twin
from gossan.synthetic.terrain import distance_to

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Haloes", "camp_odds", "draw_deposits", "draw_haloes", "mapped_places", "remoteness"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Haloes:
    """Sources in bedrock: places (n, 2) easting, northing, m; contrast (n, element), the a S of 1 + a S g."""

    places: Array
    contrast: Array


def camp_odds(seed: int, ground: Ground, twin: Twin) -> Array:
    """Odds of a camp in each cell (sum 1): near faults, in favourable units, and by an unobserved field."""
    rng = stream_of(seed, Stage.CAMPS)
    reach = twin.camp_field_range
    unseen = gaussian_field(rng, ground.units.shape[0], resolution_of(ground.grid), reach)
    odds = np.exp(-ground.fault_distance / twin.camp_fault_decay + twin.camp_field_weight * unseen)
    odds *= np.array(twin.camp_unit_odds)[ground.units]
    return np.asarray(odds / odds.sum())


def remoteness(ground: Ground, twin: Twin) -> Array:
    """How far each cell lies from roads and valleys; mean 0, sd 1 over the map."""
    far = np.zeros(ground.units.shape)
    for mask in (ground.roads, ground.drainage.valleys(twin)):
        way = np.log1p(distance_to(mask, resolution_of(ground.grid))[0] / 500)
        far += (way - way.mean()) / way.std()
    return np.asarray((far - far.mean()) / far.std())


def draw_deposits(
    rng: np.random.Generator, ground: Ground, odds: Array, hide: Array | None, twin: Twin
) -> "pd.DataFrame":
    """Draw camps and their deposits, and hide some camps.

    Parameters
    ----------
    odds
        Of a camp in each cell, sum 1.
    hide
        Log odds in each cell that a camp there is unknown; None: all alike.

    Returns
    -------
    the truth table: one row a deposit.
    """
    import pandas as pd

    number = max(6, round(twin.camps * ground.share))
    centre = _places(rng, ground, odds, number)
    key = rng.gumbel(size=number) + (0 if hide is None else hide.ravel()[ground.cell_of(centre)])
    hidden = np.isin(np.arange(number), np.argsort(-key)[: round(number * twin.hidden_camps / twin.camps)])
    camp = np.repeat(np.arange(number), 1 + rng.poisson(twin.camp_extra, number))
    place = _reflected(centre[camp] + rng.normal(0, twin.camp_sd, (camp.size, 2)), ground)
    known = np.flatnonzero(~hidden[camp])
    wrong = rng.choice(known, size=round(twin.displaced_share * known.size), replace=False)
    blind = rng.choice(camp.size, size=round(twin.blind_share * camp.size), replace=False)
    return pd.DataFrame(
        {
            "easting": place[:, 0],
            "northing": place[:, 1],
            "camp": camp + 1,
            "hidden": hidden[camp],
            "blind": np.isin(np.arange(camp.size), blind),
            "displaced": np.isin(np.arange(camp.size), wrong),
            "strength": rng.lognormal(0, twin.strength_sd, camp.size),
        }
    )


def _places(rng: np.random.Generator, ground: Ground, odds: Array, number: int) -> Array:
    """Draw points (number, 2), at most one a cell."""
    at = rng.choice(odds.size, size=number, replace=False, p=(odds / odds.sum()).ravel())
    east, north = centres(ground.grid)
    row, col = np.divmod(at, east.size)
    reach = resolution_of(ground.grid) / 2 - 0.01
    return np.column_stack([east[col], north[row]]) + rng.uniform(-reach, reach, (number, 2))


def mapped_places(rng: np.random.Generator, truth: "pd.DataFrame", ground: Ground, twin: Twin) -> Array:
    """Places (known, 2) at which the known deposits are mapped, the displaced ones wrongly."""
    known = truth[~truth["hidden"]]
    place = known[["easting", "northing"]].to_numpy()
    angle, by = rng.uniform(0, 2 * np.pi, len(known)), rng.uniform(*twin.displaced_by, len(known))
    shift = by[:, None] * np.column_stack([np.sin(angle), np.cos(angle)])
    shift[~known["displaced"].to_numpy()] = 0
    west, south, east, north = region_of(ground.grid)
    # a step over the map's edge is turned round, so that its length stays
    leaves = (place + shift <= (west, south)) | (place + shift >= (east, north))
    return np.asarray(place + np.where(leaves, -shift, shift))


def _reflected(places: Array, ground: Ground) -> Array:
    """Fold places beyond the edge back, and keep them a metre inside."""
    west, south, east, north = region_of(ground.grid)
    low, high = np.array([west, south]) + 1, np.array([east, north]) - 1
    folded = np.where(places < low, 2 * low - places, places)
    return np.clip(np.where(folded > high, 2 * high - folded, folded), low, high)


def draw_haloes(seed: int, ground: Ground, truth: "pd.DataFrame", twin: Twin) -> Haloes:
    """Give every deposit its halo, and add decoys: haloes of some elements without ore."""
    rng = stream_of(seed, Stage.HALOES)
    strength = truth["strength"].to_numpy() * np.where(truth["blind"], twin.blind_factor, 1.0)
    contrast = strength[:, None] * np.array(twin.halo)
    contrast *= rng.lognormal(0, twin.strength_element_sd, contrast.shape)
    rng = stream_of(seed, Stage.DECOYS)
    number = round(twin.decoys * ground.share)
    # fluids that left no ore used the faults too
    places = _places(rng, ground, np.exp(-ground.fault_distance / twin.camp_fault_decay), number)
    count = round(twin.decoy_elements * len(ELEMENTS))
    chosen = rng.permuted(np.tile(np.arange(len(ELEMENTS)) < count, (number, 1)), axis=1)
    strength = rng.lognormal(0, twin.strength_sd, (number, 1))
    decoy = chosen * strength * np.array(twin.halo)
    decoy *= rng.lognormal(0, twin.strength_element_sd, decoy.shape)
    return Haloes(
        np.concatenate([truth[["easting", "northing"]].to_numpy(), places]),
        np.concatenate([contrast, decoy]),
    )
