"""The globe of Fig. 1: what is land in degrees is land on it, from wherever it is seen."""

import numpy as np
import pytest
import shapely

from gossan.plots import locator

CENTRES = [
    (111.0, 21.6),
    (-130.0, 57.0),
    (139.0, -30.0),
    (-68.0, -30.0),
    (0.0, 90.0),
    (30.0, -89.0),
    (180.0, 0.0),
]


@pytest.mark.parametrize("centre", CENTRES)
def test_land_is_where_the_coasts_say(centre):
    """Random points on the sphere, tested in degrees and on the globe; those near a coast may differ."""
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.uniform(-180, 180, 4000), np.degrees(np.arcsin(rng.uniform(-1, 1, 4000)))])
    rings = [shapely.Polygon(ring) for ring in locator._coasts()]
    x, y, seen = locator.on_globe(points, centre)
    places = shapely.points(points)
    land = np.any([shapely.contains(ring, places) for ring in rings], axis=0)
    clear = np.min([shapely.distance(ring.exterior, places) for ring in rings], axis=0) > 2.5
    clear &= seen & (np.hypot(x, y) < 0.98)
    outlines = [
        shapely.make_valid(shapely.Polygon(each))
        for r in locator._coasts()
        for each in locator._outlines(r, centre)
    ]
    drawn = np.any([shapely.contains(each, shapely.points(x, y)) for each in outlines], axis=0)
    assert clear.sum() > 700
    assert 0.05 < land[clear].mean() < 0.9
    assert np.mean(drawn[clear] == land[clear]) > 0.995


@pytest.mark.parametrize("centre", CENTRES)
def test_no_outline_leaves_the_globe(centre):
    for ring in locator._coasts():
        for outline in locator._outlines(ring, centre):
            assert np.hypot(*outline.T).max() < 1 + 1e-9
