import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from gossan.errors import DataError, DesignWarning, UsageError
from gossan.grid import make_grid
from gossan.split import (
    check_folds,
    default_block,
    fold_counts,
    gap_between,
    random_folds,
    share_pixels,
    spatial_folds,
    window_camps,
)
from gossan.windows import cut_windows, deposits_in

SIZE = 16


def survey(seed, *, side=12, camps=16, strides=None, size=SIZE):
    """Windows of a square map with clustered ore: windows, is_ore, camp of each window."""
    rng = np.random.default_rng(seed)
    grid = make_grid((0.0, 0.0, side * size * 10.0, side * size * 10.0), 10.0, "EPSG:32649")
    windows = cut_windows(grid, size, strides=strides)
    each = 1 + rng.poisson(1, camps)
    centre = rng.random((camps, 2)) * side * size * 10
    camp = np.repeat(np.arange(1, camps + 1), each)
    points = np.clip(centre[camp - 1] + rng.normal(0, 60, (each.sum(), 2)), 1, side * size * 10 - 1)
    return windows, deposits_in(windows, grid, points) > 0, window_camps(windows, camp, points, grid)


def folds_of(windows, is_ore, **options):
    """The folds, or nothing where the design is refused; weak designs are welcome."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DesignWarning)
        try:
            return spatial_folds(windows, is_ore, **options)
        except DataError:
            return []


def painted(windows, index, grow=0):
    """The pixels of some windows, each grown by a ring; independent of the code under test."""
    reach = int(windows["row"].max()) + SIZE
    canvas = np.zeros((reach, reach), dtype=bool)
    for window in windows.iloc[index].itertuples():
        rows = slice(max(window.row - grow, 0), window.row + SIZE + grow)
        canvas[rows, max(window.col - grow, 0) : window.col + SIZE + grow] = True
    return canvas


designs = {
    "seed": st.integers(0, 10_000),
    "folds": st.integers(3, 6),
    "block": st.sampled_from([None, 32, 50, 80]),
    "dead_zone": st.sampled_from([None, 0, 5, 16, 24]),
    "strides": st.sampled_from([None, (8,), (11, 16)]),
}


@given(**designs)
@settings(max_examples=25, deadline=None)
def test_training_keeps_the_dead_zone_from_every_test_window(seed, folds, block, dead_zone, strides):
    windows, is_ore, camp = survey(seed, strides=strides)
    made = folds_of(windows, is_ore, camp=camp, folds=folds, block=block, dead_zone=dead_zone, seed=seed)
    assume(made)
    ring = SIZE if dead_zone is None else dead_zone
    for train, test in made:
        assert not (painted(windows, test, ring) & painted(windows, train)).any()
        assert not share_pixels(windows, train, test)
        assert gap_between(windows, train, test) >= ring


@given(**designs)
@settings(max_examples=25, deadline=None)
def test_every_area_is_tested_once_and_camps_stay_whole(seed, folds, block, dead_zone, strides):
    windows, is_ore, camp = survey(seed, strides=strides)
    made = folds_of(windows, is_ore, camp=camp, folds=folds, block=block, dead_zone=dead_zone, seed=seed)
    assume(made)
    number = windows["number"].to_numpy()
    tested = np.concatenate([test for _, test in made])
    assert sorted(number[tested]) == sorted(number[number > 0])
    assert len(made) <= folds
    for train, test in made:
        held_out = set(camp[test]) - {0}
        assert held_out
        assert not held_out & set(camp[train])
        others = np.concatenate([t for _, t in made if t is not test])
        assert not held_out & set(camp[others])
    check_folds(windows, made, dead_zone=SIZE if dead_zone is None else dead_zone, camp=camp)


@given(seed=st.integers(0, 10_000), strides=st.sampled_from([None, (8,)]))
@settings(max_examples=15, deadline=None)
def test_training_drops_nothing_but_the_dead_zone_and_the_test_camps(seed, strides):
    windows, is_ore, camp = survey(seed, strides=strides)
    made = folds_of(windows, is_ore, camp=camp, seed=seed)
    assume(made)
    for train, test in made:
        near = painted(windows, test, SIZE)
        touched = np.array(
            [
                near[row : row + SIZE, col : col + SIZE].any()
                for row, col in windows[["row", "col"]].to_numpy()
            ]
        )
        held_out = np.isin(camp, camp[test][camp[test] > 0])
        np.testing.assert_array_equal(train, np.flatnonzero(~touched & ~held_out))


@pytest.mark.parametrize("seed", range(8))
def test_the_papers_map_with_default_blocks_keeps_about_half_and_passes(seed):
    windows, is_ore, camp = survey(seed, side=12, camps=30)
    made = folds_of(windows, is_ore, camp=camp, seed=seed)
    counts = fold_counts(windows, is_ore, made, camp=camp)
    assert 0.5 < counts["train_areas"].mean() / 144 < 0.75
    assert counts["train_ore"].mean() / is_ore.sum() > 0.5
    assert counts["test_areas"].sum() == 144
    assert (counts["gap"] >= SIZE).all()


def test_folds_are_balanced_in_ore():
    windows, is_ore, camp = survey(1, side=30, camps=40)
    counts = fold_counts(windows, is_ore, spatial_folds(windows, is_ore, camp=camp), camp=camp)
    assert len(counts) == 5
    assert counts["test_ore"].max() - counts["test_ore"].min() <= 2
    assert counts["test_areas"].max() < 1.3 * counts["test_areas"].min()


def test_counts_say_what_is_lost_to_the_dead_zone():
    windows, is_ore, camp = survey(3, side=16, camps=30)
    counts = fold_counts(windows, is_ore, spatial_folds(windows, is_ore, camp=camp, seed=3), camp=camp)
    area_sum = counts[["test_areas", "train_areas", "lost_areas"]].sum(axis=1)
    ore_sum = counts[["test_ore", "train_ore", "lost_ore"]].sum(axis=1)
    assert (area_sum == 256).all()
    assert (ore_sum == is_ore.sum()).all()
    assert counts["lost_ore"].sum() > 0
    assert counts["test_camps"].sum() == len(np.unique(camp[camp > 0]))


def test_the_same_seed_gives_the_same_folds_and_another_seed_another_origin():
    windows, is_ore, camp = survey(5, side=16, camps=30)

    def tests(seed):
        return [test.tolist() for _, test in spatial_folds(windows, is_ore, camp=camp, seed=seed)]

    assert tests(0) == tests(0)
    assert tests([1, 2]) == tests([1, 2])
    assert len({str(tests(seed)) for seed in range(6)}) == 6


def test_without_camps_touching_ore_windows_are_one_camp_also_at_a_corner():
    windows, is_ore, _ = survey(8, side=16, camps=30)
    labels, _ = ndimage.label(is_ore.reshape(16, 16), structure=np.ones((3, 3)))
    made = spatial_folds(windows, is_ore, seed=8)
    fold = np.zeros(len(windows), dtype=int)
    for k, (_, test) in enumerate(made):
        fold[test] = k
    for camp in range(1, labels.max() + 1):
        assert len(set(fold[labels.ravel() == camp])) == 1
    explicit = spatial_folds(windows, is_ore, camp=labels.ravel(), seed=8)
    for (train, test), (other_train, other_test) in zip(made, explicit, strict=True):
        np.testing.assert_array_equal(train, other_train)
        np.testing.assert_array_equal(test, other_test)


def camps_at(places, side=12):
    """A map with one ore window per place, each a camp."""
    grid = make_grid((0.0, 0.0, side * SIZE * 10.0, side * SIZE * 10.0), 10.0, "EPSG:32649")
    windows = cut_windows(grid, SIZE)
    camp = np.zeros(len(windows), dtype=int)
    for k, (row, col) in enumerate(places, 1):
        camp[row * side + col] = k
    return windows, camp


def test_too_few_ore_areas_for_five_folds_of_three_make_fewer_and_warn():
    places = [(1, 1), (1, 10), (1, 18), (10, 1), (10, 10), (10, 18), (18, 1), (18, 10), (18, 18), (5, 5)]
    windows, camp = camps_at(places, side=20)
    with pytest.warns(DesignWarning, match="a weak design: 3 folds instead of 5$"):
        made = spatial_folds(windows, camp > 0, camp=camp)
    assert sorted(np.count_nonzero(camp[test]) for _, test in made) == [3, 3, 4]


def test_where_fewer_folds_leave_too_little_the_most_that_work_are_made():
    windows, camp = camps_at([(0, 0), (0, 11), (11, 0), (11, 11), (5, 5)])
    with pytest.warns(DesignWarning, match=r"5 camps, under 8.*a fold with 1 ore"):
        made = spatial_folds(windows, camp > 0, camp=camp)
    assert len(made) == 5
    assert all(np.count_nonzero(camp[test]) == 1 for _, test in made)


def test_three_camps_are_the_least_that_can_be_split():
    windows, camp = camps_at([(0, 0), (0, 19), (19, 10)], side=20)
    with pytest.warns(DesignWarning, match="1 camp"):
        assert len(spatial_folds(windows, camp > 0, camp=camp)) == 3
    windows, camp = camps_at([(1, 1), (10, 10)])
    with pytest.raises(DataError, match=r"2 camp\(s\) in 2 ore areas"):
        spatial_folds(windows, camp > 0, camp=camp)
    with pytest.raises(DataError, match=r"0 camp\(s\)"):
        spatial_folds(windows, camp > 99)


def test_one_giant_camp_gets_company_so_that_five_folds_remain():
    rng = np.random.default_rng(0)
    giant = [(row, col) for row in range(4) for col in range(4)]
    windows, camp = camps_at(giant, side=20)
    camp[camp > 0] = 1
    single = rng.choice([i for i in range(400) if i // 20 > 6], size=24, replace=False)
    camp[single] = np.arange(2, 26)
    counts = fold_counts(windows, camp > 0, folds_of(windows, camp > 0, camp=camp), camp=camp)
    assert len(counts) == 5
    assert counts["test_camps"].min() >= 2


def test_a_design_that_leaves_too_little_for_training_is_refused_with_the_counts():
    windows, is_ore, camp = survey(2, camps=20)
    with pytest.raises(DataError, match=r"leave [\d.]+ of 144 areas and [\d.]+ of \d+ ore areas"):
        spatial_folds(windows, is_ore, camp=camp, dead_zone=4 * SIZE)
    with pytest.raises(DataError, match=r"leave 0\.0 of 144 areas"):
        spatial_folds(windows, is_ore, camp=camp, dead_zone=100 * SIZE)


def test_camps_in_too_few_blocks_are_refused():
    windows, camp = camps_at([(0, 0), (0, 2), (2, 0), (2, 2)])
    with pytest.raises(DataError, match="make the blocks smaller"):
        spatial_folds(windows, camp > 0, camp=camp, block=20 * SIZE)


@pytest.mark.parametrize("options", [{"folds": 2}, {"block": 0}, {"dead_zone": -1}, {"camp": [1, 2]}])
def test_arguments_outside_their_range_are_refused(options):
    windows, is_ore, camp = survey(0)
    with pytest.raises(UsageError):
        spatial_folds(windows, is_ore, **{"camp": camp, **options})
    with pytest.raises(UsageError, match="one value per window"):
        spatial_folds(windows, is_ore[1:])


def test_windows_without_areas_are_refused():
    windows, is_ore, _ = survey(0)
    with pytest.raises(DataError, match="in 0 ore areas"):
        spatial_folds(windows.assign(number=0), is_ore)
    with pytest.raises(DataError, match="0 ore and 0 barren areas"):
        random_folds(windows.assign(number=0), is_ore)
    with pytest.raises(UsageError, match="one size"):
        spatial_folds(windows.assign(size=np.arange(len(windows))), is_ore)


@pytest.mark.parametrize(
    ("place", "gap"),
    [((0, 16), 0), ((0, 20), 4), ((16, 16), 0), ((30, 20), 14), ((5, 5), -11), ((0, 0), -16)],
)
def test_the_gap_is_the_larger_of_free_rows_and_columns(place, gap):
    windows = pd.DataFrame({"number": [1, 0], "row": [0, place[0]], "col": [0, place[1]], "size": 16})
    assert gap_between(windows, np.array([1]), np.array([0])) == gap
    assert share_pixels(windows, np.array([1]), np.array([0])) == (gap < 0)


def test_the_checker_catches_a_leak_a_cut_camp_and_an_untested_area():
    windows, is_ore, camp = survey(1, side=16, camps=30)
    made = spatial_folds(windows, is_ore, camp=camp)
    train, test = made[0]
    with pytest.raises(DataError, match="fold 1: training is 0 px"):
        check_folds(windows, [(np.setdiff1d(np.arange(256), test), test), *made[1:]], dead_zone=SIZE)
    with pytest.raises(DataError, match="fold 1: camps"):
        check_folds(windows, made, camp=np.where(np.isin(np.arange(256), [train[0], test[0]]), 99, camp))
    with pytest.raises(DataError, match="each of 256 areas"):
        check_folds(windows, made[1:])


def test_random_folds_test_each_area_once_with_the_same_ore_and_keep_windows_that_share_pixels():
    windows, is_ore, _ = survey(4, camps=20, strides=(8,))
    made = random_folds(windows, is_ore, folds=5, seed=1)
    number = windows["number"].to_numpy()
    assert sorted(number[np.concatenate([test for _, test in made])]) == list(range(1, 145))
    ore = [is_ore[test].sum() for _, test in made]
    assert max(ore) - min(ore) <= 1
    for train, test in made:
        assert len(train) + len(test) == len(windows)
        assert share_pixels(windows, train, test)
    again = random_folds(windows, is_ore, folds=5, seed=1)
    assert all((a[1] == b[1]).all() for a, b in zip(made, again, strict=True))
    assert any(
        (a[1] != b[1]).any()
        for a, b in zip(made, random_folds(windows, is_ore, seed=2), strict=True)
        if len(a[1]) == len(b[1])
    )


def test_random_folds_refuse_one_fold_and_more_folds_than_ore():
    windows, camp = camps_at([(1, 1), (5, 5), (9, 9)])
    with pytest.raises(UsageError, match="2 or more"):
        random_folds(windows, camp > 0, folds=1)
    with pytest.raises(DataError, match="3 ore and 141 barren areas for 5 folds"):
        random_folds(windows, camp > 0, folds=5)


def test_camps_that_share_a_window_are_united_through_every_window():
    grid = make_grid((0.0, 0.0, 640.0, 640.0), 10.0, "EPSG:32649")
    windows = cut_windows(grid, 16)  # 4 x 4 areas of 160 m
    points = np.array(
        [
            [10.0, 630.0],
            [150.0, 630.0],  # camps 7 and 5 in area 1
            [170.0, 630.0],  # camp 5 again, in area 2, which holds camp 9 too
            [300.0, 630.0],
            [630.0, 10.0],  # camp 2 on its own in area 16
            [5000.0, 10.0],  # camp 7 off the map
        ]
    )
    camp = window_camps(windows, [7, 5, 5, 9, 2, 7], points, grid)
    assert camp.tolist() == [5, 5] + [0] * 13 + [2]


def test_a_camp_id_is_needed_for_each_deposit():
    grid = make_grid((0.0, 0.0, 640.0, 640.0), 10.0, "EPSG:32649")
    windows = cut_windows(grid, 16)
    with pytest.raises(UsageError, match="2 camp ids given for 1 deposits"):
        window_camps(windows, [1, 2], [[5.0, 5.0]], grid)
    with pytest.raises(UsageError, match="from 1"):
        window_camps(windows, [0], [[5.0, 5.0]], grid)
    assert not window_camps(windows, [], np.empty((0, 2)), grid).any()


@given(st.integers(0, 10_000), st.sampled_from([None, (8,), (5,)]))
@settings(max_examples=25, deadline=None)
def test_a_window_has_a_camp_exactly_where_it_holds_a_deposit(seed, strides):
    _, is_ore, camp = survey(seed, strides=strides)
    np.testing.assert_array_equal(camp > 0, is_ore)


def test_the_block_is_the_correlation_range_between_four_windows_and_a_fifth_of_the_map():
    assert default_block(32) == 128
    assert default_block(32, correlation=200.4, longest=1560) == 200
    assert default_block(32, correlation=900.0, longest=1560) == 312
    assert default_block(128, correlation=900.0, longest=1560) == 512  # the lower bound wins
