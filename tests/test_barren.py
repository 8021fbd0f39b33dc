import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossan.barren import BarrenSettings, barren_draws, choose_barren
from gossan.errors import DataError, DesignWarning, SettingWarning, UsageError

SIZE = 16


def map_of(side=12, ore=((2, 2), (8, 9)), step=SIZE):
    """Windows at a regular step, some of them ore: windows, is_ore."""
    row, col = np.mgrid[:side, :side].reshape(2, -1)
    windows = pd.DataFrame({"row": row * step, "col": col * step, "size": SIZE})
    is_ore = np.zeros(len(windows), dtype=bool)
    is_ore[[r * side + c for r, c in ore]] = True
    return windows, is_ore


def chosen(windows, is_ore, *, features=None, seed=0, resolution=10.0, **settings):
    return choose_barren(
        windows, is_ore, BarrenSettings(**settings), resolution=resolution, features=features, seed=seed
    )


def test_by_default_every_window_is_kept():
    windows, is_ore = map_of()
    np.testing.assert_array_equal(chosen(windows, is_ore), np.arange(144))


@given(
    seed=st.integers(0, 10_000),
    ratio=st.sampled_from([1.0, 1.5, 3.0, 10.0]),
    method=st.sampled_from(["random", "distance", "dissimilar"]),
)
@settings(max_examples=40, deadline=None)
def test_a_draw_has_every_ore_window_and_the_ratio_of_barren_ones_in_order(seed, ratio, method):
    rng = np.random.default_rng(seed)
    windows, is_ore = map_of(ore=[tuple(rng.integers(0, 12, 2)) for _ in range(4)])
    features = rng.standard_normal((144, 3))
    index = chosen(windows, is_ore, method=method, ratio=ratio, distance=0.0, features=features, seed=seed)
    assert (np.diff(index) > 0).all()
    assert is_ore[index].sum() == is_ore.sum()
    assert (~is_ore[index]).sum() == round(ratio * is_ore.sum())
    again = chosen(windows, is_ore, method=method, ratio=ratio, distance=0.0, features=features, seed=seed)
    np.testing.assert_array_equal(index, again)


def test_draws_differ_and_in_the_long_run_take_every_barren_window_alike():
    windows, is_ore = map_of()
    taken = np.zeros(144)
    for seed in range(400):
        taken[chosen(windows, is_ore, method="random", ratio=35, seed=[1, seed])] += 1
    assert (taken[is_ore] == 400).all()
    share = taken[~is_ore] / 400
    assert share.mean() == pytest.approx(70 / 142)
    assert np.abs(share - 70 / 142).max() < 4.5 * np.sqrt(0.25 / 400)


@pytest.mark.parametrize("distance", [None, 0.0, 150.0, 160.0, 170.0])
def test_distance_is_free_ground_between_windows_edge_to_edge(distance):
    windows, is_ore = map_of(side=24, ore=((3, 4), (15, 18)), step=8)  # windows overlap by half
    index = chosen(windows, is_ore, method="distance", distance=distance)
    least = 2 * SIZE if distance is None else distance / 10
    expected = []
    for i, (row, col) in enumerate(windows[["row", "col"]].to_numpy()):
        free = [
            max(abs(row - r) - SIZE, abs(col - c) - SIZE)
            for r, c in windows.loc[is_ore, ["row", "col"]].to_numpy()
        ]
        if is_ore[i] or min(free) >= least:
            expected.append(i)
    assert index.tolist() == expected
    assert len(index) < len(windows)


def test_dissimilar_leaves_out_the_share_that_looks_most_like_ore_whatever_the_units():
    windows, is_ore = map_of()
    rng = np.random.default_rng(0)
    features = rng.standard_normal((144, 2)) + 6
    features[is_ore] = 0.0
    alike = np.flatnonzero(~is_ore)[::4][:35]
    features[alike] = 0.1 * rng.standard_normal((35, 2))
    for scale in ([1.0, 1.0], [1e4, 1e-3]):
        left = chosen(windows, is_ore, method="dissimilar", features=features * scale, quantile=35 / 142)
        np.testing.assert_array_equal(left, np.setdiff1d(np.arange(144), alike))
    everything = chosen(windows, is_ore, method="dissimilar", features=features, quantile=0.0)
    assert len(everything) == 144
    flat = np.column_stack((features, np.full(144, 3.0)))
    np.testing.assert_array_equal(
        chosen(windows, is_ore, method="dissimilar", features=flat),
        chosen(windows, is_ore, method="dissimilar", features=features),
    )


def test_too_few_barren_windows_are_refused_with_the_counts():
    windows, is_ore = map_of()
    with pytest.raises(DataError, match=r"distance leaves 0 of 142 barren windows for 2 ore windows"):
        chosen(windows, is_ore, method="distance", distance=1e6)
    with pytest.raises(DataError, match=r"all leaves 44 of 44 barren windows for 100 ore"):
        chosen(windows, np.arange(144) < 100)
    with pytest.raises(DataError, match="0 ore windows among 144"):
        chosen(windows, np.zeros(144))


def test_a_ratio_that_asks_for_more_than_there_are_takes_all_and_says_so():
    windows, is_ore = map_of()
    with pytest.warns(DesignWarning, match=r"asks for 200 barren windows, 142 are left"):
        assert len(chosen(windows, is_ore, method="random", ratio=100)) == 144


def test_settings_that_do_not_go_together_are_refused():
    windows, is_ore = map_of()
    with pytest.raises(UsageError, match="random needs a number"):
        chosen(windows, is_ore, method="random")
    with pytest.raises(UsageError, match="all takes none"):
        chosen(windows, is_ore, ratio=2.0)
    for features in (None, np.zeros((3, 2)), np.full((144, 2), np.nan), np.zeros(144)):
        with pytest.raises(UsageError, match="dissimilar needs one row"):
            chosen(windows, is_ore, method="dissimilar", features=features)
    with pytest.raises(UsageError, match="one value per window"):
        chosen(windows, is_ore[1:])
    with pytest.raises(UsageError, match="above 0"):
        chosen(windows, is_ore, resolution=0.0)


def test_draws_count_only_where_something_is_drawn():
    assert barren_draws(BarrenSettings()) == 1
    assert barren_draws(BarrenSettings("random", ratio=1.0, draws=10)) == 10
    assert barren_draws(BarrenSettings("distance", ratio=2.0, draws=3)) == 3
    for idle in (BarrenSettings(draws=5), BarrenSettings("dissimilar", draws=5)):
        with pytest.warns(SettingWarning, match=r"barren\.draws = 5 has no effect"):
            assert barren_draws(idle) == 1
