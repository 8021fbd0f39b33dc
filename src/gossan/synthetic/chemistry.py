"""What the stream sediment of every cell holds."""

import numpy as np
from numpy.typing import NDArray

from gossan.grid import centres, resolution_of
from gossan.synthetic.fields import gaussian_field
from gossan.synthetic.ground import Ground, Stage, stream_of
from gossan.synthetic.knobs import ELEMENTS, Twin
from gossan.synthetic.ore import Haloes

__all__ = ["background", "halo_factor", "sediment"]

Array = NDArray[np.float64]


def background(seed: int, ground: Ground, twin: Twin) -> Array:
    """Bedrock without ore, log10, (cell, element): median, unit, four associations and an own field."""
    rng = stream_of(seed, Stage.BACKGROUND)
    cells, cell = ground.units.shape[0], resolution_of(ground.grid)
    units = len(twin.strata) + 1
    effect = rng.normal(0, twin.unit_sd, (units, len(ELEMENTS)))
    rock = np.log10(twin.medians) + effect[ground.units.ravel()]
    for reach, members in twin.factors:
        field = gaussian_field(rng, cells, cell, reach).ravel()
        loading = rng.uniform(*twin.loadings, len(members))
        rock[:, [ELEMENTS.index(name) for name in members]] += field[:, None] * loading
    for column in range(len(ELEMENTS)):
        rock[:, column] += twin.own_sd * gaussian_field(rng, cells, cell, twin.own_range).ravel()
    return rock


def halo_factor(haloes: Haloes, ground: Ground, twin: Twin, signal: float = 1.0) -> Array:
    """1 + signal * sum of a S g over the sources, (cell, element)."""
    east, north = centres(ground.grid)
    # a Gaussian in the plane is the product of one along each axis
    along_x = np.exp(-0.5 * ((haloes.places[:, :1] - east) / twin.halo_sigma) ** 2)
    along_y = np.exp(-0.5 * ((haloes.places[:, 1:] - north) / twin.halo_sigma) ** 2)
    factor = np.empty((north.size * east.size, len(ELEMENTS)))
    for column in range(len(ELEMENTS)):
        factor[:, column] = ((along_y * haloes.contrast[:, [column]]).T @ along_x).ravel()
    return 1 + signal * factor


def sediment(source: Array, ground: Ground, twin: Twin) -> Array:
    """Mix what comes down from upstream, near sources more than far ones; (cell, element)."""
    mixed = ground.drainage.collect(np.column_stack([source, np.ones(len(source))]), twin.mixing_length)
    return np.asarray(mixed[:, :-1] / mixed[:, -1:])
