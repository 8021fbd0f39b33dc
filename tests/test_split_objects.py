import io
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gossan.errors import DataError, DesignWarning, UsageError
from gossan.split import (
    Split,
    block_split,
    check_folds,
    cut_to_size,
    distance_match,
    factor_range,
    fold_counts,
    leave_one_camp_out,
    paper_split,
    random_folds,
    random_split,
    share_pixels,
    spatial_folds,
    strict_split,
)
from test_split import SIZE, camps_at, designs, painted, survey


def quiet(make, *args, **options):
    """What is made, or None where the design is refused; weak designs are welcome."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DesignWarning)
        try:
            return make(*args, **options)
        except DataError:
            return None


def through_csv(table):
    return pd.read_csv(io.StringIO(table.to_csv(index=False)))


# ---- one camp out


@given(
    seed=st.integers(0, 10_000),
    camps=st.integers(6, 11),
    block=designs["block"],
    dead_zone=designs["dead_zone"],
    strides=designs["strides"],
)
@settings(max_examples=30, deadline=None)
def test_one_camp_out_tests_every_area_once_and_one_camp_a_fold(seed, camps, block, dead_zone, strides):
    windows, is_ore, camp = survey(seed, camps=camps, strides=strides)
    made = quiet(leave_one_camp_out, windows, is_ore, camp=camp, block=block, dead_zone=dead_zone, seed=seed)
    assume(made)
    ring = SIZE if dead_zone is None else dead_zone
    check_folds(windows, made, dead_zone=ring, camp=camp)
    area = windows["number"].to_numpy() > 0
    assert len(made) == len(np.unique(camp[is_ore & area]))
    for train, test in made:
        assert len(np.unique(camp[test][is_ore[test]])) == 1
        assert not is_ore[test].all()
        assert not (painted(windows, test, ring) & painted(windows, train)).any()


def test_one_camp_out_shares_the_ground_evenly():
    windows, is_ore, camp = survey(3, side=30, camps=9)
    counts = fold_counts(windows, is_ore, quiet(leave_one_camp_out, windows, is_ore, camp=camp), camp=camp)
    assert counts["test_areas"].sum() == 900
    assert counts["test_areas"].max() < 1.3 * counts["test_areas"].min()


def test_two_camps_in_one_block_are_held_out_apart():
    windows, camp = camps_at(
        [(1, 1), (1, 3), (1, 17), (17, 1), (17, 17), (10, 10), (1, 10), (10, 1)], side=20
    )
    made = leave_one_camp_out(windows, camp > 0, camp=camp, block=6 * SIZE, seed=2)
    assert sorted(int(camp[test].max()) for _, test in made) == list(range(1, 9))


def test_one_camp_out_refuses_what_spatial_folds_refuse():
    windows, is_ore, camp = survey(2, camps=9)
    with pytest.raises(DataError, match=r"leave [\d.]+ of 144 areas and [\d.]+ of \d+ ore areas"):
        leave_one_camp_out(windows, is_ore, camp=camp, dead_zone=5 * SIZE)
    windows, camp = camps_at([(1, 1), (10, 10)])
    with pytest.raises(DataError, match=r"2 camp\(s\) in 2 ore areas"):
        leave_one_camp_out(windows, camp > 0, camp=camp)


def test_one_camp_out_is_the_same_for_the_same_seed():
    windows, is_ore, camp = survey(6, side=16, camps=9)

    def tests(seed):
        return [test.tolist() for _, test in leave_one_camp_out(windows, is_ore, camp=camp, seed=seed)]

    assert tests(3) == tests(3)
    assert tests(3) != tests(4)


# ---- the strict split chooses


SPREAD = [(1, 1), (1, 10), (1, 18), (10, 1), (10, 10), (10, 18), (18, 1), (18, 10), (18, 18), (5, 5), (14, 5)]
SPREAD += [(5, 14), (14, 14), (1, 5), (18, 5), (5, 1)]


@pytest.mark.parametrize(
    ("camps", "folds", "said"),
    [
        (7, 3, "7 camps, under 8: not enough to evaluate, no interval"),
        (8, 8, "8 camps, under 12: the interval is wide, one camp is left out at a time"),
        (11, 11, "11 camps, under 12: the interval is wide, one camp is left out at a time"),
        (12, 4, "4 folds instead of 5"),
        (16, 5, None),
    ],
)
def test_the_number_of_camps_chooses_the_split_and_what_is_said_of_it(camps, folds, said):
    windows, camp = camps_at(SPREAD[:camps], side=20)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        split = strict_split(windows, camp > 0, camp=camp, repeat=2, seed=1)
    assert (split.name, split.estimand, split.repeat) == ("strict", "new camp", 2)
    assert (split.block, split.dead_zone) == (4 * SIZE, SIZE)
    if camps != 7:
        assert len(split.folds) == folds
    if said is None:
        assert not caught
        assert split.warnings == ()
    else:
        assert [warning.category for warning in caught] == [DesignWarning]
        assert said in str(caught[0].message)
        assert said in ", ".join(split.warnings)
    assert split.check(windows, camp).startswith("no test window shares a pixel with training")


def test_from_12_camps_and_below_8_the_strict_split_is_that_of_spatial_folds():
    for camps in (5, 16):
        windows, camp = camps_at(SPREAD[:camps], side=20)
        split = quiet(strict_split, windows, camp > 0, camp=camp, folds=4, seed=5)
        made = quiet(spatial_folds, windows, camp > 0, camp=camp, folds=4, seed=5)
        assert split == Split("strict", "new camp", 0, tuple(made), 4 * SIZE, SIZE, split.warnings)


def test_where_one_camp_out_is_refused_spatial_folds_are_made_and_both_is_said(monkeypatch):
    import gossan.split.objects as room

    windows, camp = camps_at(SPREAD[:9], side=20)
    made = room.design_folds

    def refuses(*args, **options):
        if "folds" not in options:
            raise DataError("too little is left")
        return made(*args, **options)

    monkeypatch.setattr(room, "design_folds", refuses)
    with pytest.warns(DesignWarning, match=r"9 camps, under 12.*was refused \(too little is left\), 3 folds"):
        split = strict_split(windows, camp > 0, camp=camp)
    assert len(split.folds) == 3


def test_a_small_map_with_blocks_of_four_windows_keeps_about_half_and_passes():
    kept = []
    for seed in range(6):
        windows, is_ore, camp = survey(seed, side=12, camps=30)
        counts = strict_split(windows, is_ore, camp=camp, block=4 * SIZE, seed=seed).counts(
            windows, is_ore, camp=camp
        )
        kept.append(counts["train_areas"].mean() / 144)
    assert 0.5 < np.mean(kept) < 0.7


def test_a_strict_design_that_keeps_too_little_is_refused_with_the_counts():
    windows, is_ore, camp = survey(2, camps=20)
    with pytest.raises(
        DataError, match=r"leave [\d.]+ of 144 areas and [\d.]+ of \d+ ore areas for training"
    ):
        strict_split(windows, is_ore, camp=camp, dead_zone=4 * SIZE)


# ---- what a split says, and its table


@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(["strict", "blocks", "random", "paper", "random-cut"]),
    strides=designs["strides"],
    repeat=st.integers(0, 3),
    camps=st.sampled_from([6, 9, 20]),
)
@settings(max_examples=40, deadline=None)
def test_a_split_comes_back_from_its_table_through_csv(seed, kind, strides, repeat, camps):
    windows, is_ore, camp = survey(seed, camps=camps, strides=strides)
    strict = quiet(strict_split, windows, is_ore, camp=camp, repeat=repeat, seed=seed)
    assume(strict and is_ore[windows["number"] > 0].sum() >= 5)
    loose = random_split(windows, is_ore, repeat=repeat, seed=seed)
    split = {
        "strict": strict,
        "blocks": block_split(windows, is_ore, strict, camp=camp),
        "random": loose,
        "paper": paper_split(windows, is_ore, repeat=repeat, seed=seed),
        "random-cut": cut_to_size(loose, strict, is_ore, windows, seed=seed),
    }[kind]
    assert split.name == kind
    assert Split.from_table(through_csv(split.to_table(windows)), windows) == split


def test_the_table_is_one_row_a_window_of_a_part():
    windows, is_ore, camp = survey(1, side=16, camps=30, strides=(8,))
    split = strict_split(windows, is_ore, camp=camp, repeat=1)
    table = split.to_table(windows)
    train, test = split.folds[1]
    rows = table[(table["fold"] == 2) & (table["role"] == "test")]
    assert rows["number"].tolist() == windows["number"].to_numpy()[test].tolist()
    assert ((table["fold"] == 2) & (table["role"] == "train")).sum() == len(train)
    assert set(table["split"] + table["repeat"].astype(str)) == {"strict1"}
    assert table.columns[:7].tolist() == [
        "split",
        "estimand",
        "repeat",
        "block",
        "dead_zone",
        "fold",
        "role",
    ]


def test_a_table_of_two_splits_or_of_other_windows_is_refused():
    windows, is_ore, camp = survey(1, side=16, camps=30)
    split = strict_split(windows, is_ore, camp=camp)
    table = split.to_table(windows)
    both = pd.concat([table, random_split(windows, is_ore).to_table(windows)])
    with pytest.raises(UsageError, match="2 splits given"):
        Split.from_table(both, windows)
    with pytest.raises(DataError, match=r"\d+ of \d+ rows .* not among the 100 given"):
        Split.from_table(table, windows.iloc[:100])
    with pytest.raises(DataError, match="1 windows lie where another does"):
        Split.from_table(table, pd.concat([windows, windows.iloc[:1]]))


def test_splits_differ_when_anything_differs():
    windows, is_ore, _ = survey(1, side=16, camps=30)
    split = random_split(windows, is_ore, seed=1)
    assert split == random_split(windows, is_ore, seed=1)
    assert split != random_split(windows, is_ore, seed=2)
    assert split != random_split(windows, is_ore, seed=1, repeat=1)
    assert split != random_split(windows, is_ore, seed=1, folds=4)
    assert split != "random"


def test_the_estimand_is_always_named_and_the_check_says_what_is_not_proved():
    windows, is_ore, camp = survey(1, side=16, camps=30, strides=(8,))
    strict = strict_split(windows, is_ore, camp=camp)
    assert strict.sentence.startswith("New camp:")
    assert "16 px of free ground" in strict.sentence
    blocks = block_split(windows, is_ore, strict, camp=camp)
    assert "with no free ground between" in blocks.sentence
    loose = random_split(windows, is_ore)
    assert loose.sentence.startswith("Near known:")
    assert loose.check(windows, camp) == (
        "near known, not spatial: 256 of 256 test windows share pixels with training"
    )
    areas = windows[windows["number"] > 0]
    alone = random_split(areas, is_ore[: len(areas)])
    assert alone.check(areas).startswith("near known, not spatial: 0 of 256")
    leaky = Split("strict", "new camp", 0, loose.folds, None, SIZE)
    with pytest.raises(DataError, match="fold 1: training is -8 px"):
        leaky.check(windows, camp)


def test_counts_name_split_estimand_and_repeat_and_count_areas_apart_from_windows():
    windows, is_ore, _ = survey(1, side=16, camps=30, strides=(8,))
    counts = paper_split(windows, is_ore, repeat=3).counts(windows, is_ore)
    assert counts.columns[:4].tolist() == ["split", "estimand", "repeat", "fold"]
    assert set(counts["split"]) == {"paper"}
    assert set(counts["repeat"]) == {3}
    assert counts["test_windows"].sum() == len(windows)
    assert counts["test_areas"].sum() == 256
    assert (counts["lost_areas"] == 0).all()
    assert (counts["gap"] < 0).all()


# ---- the audit's splits


@pytest.mark.parametrize("seed", range(4))
def test_blocks_test_what_the_strict_split_tests_and_train_on_all_that_shares_no_pixel(seed):
    windows, is_ore, camp = survey(seed, side=16, camps=30, strides=(8,))
    strict = strict_split(windows, is_ore, camp=camp, seed=seed)
    blocks = block_split(windows, is_ore, strict, camp=camp)
    blocks.check(windows, camp)
    assert (blocks.estimand, blocks.dead_zone) == ("new camp", 0)
    for (strict_train, strict_test), (train, test) in zip(strict.folds, blocks.folds, strict=True):
        np.testing.assert_array_equal(strict_test, test)
        assert set(strict_train) < set(train)
        touched = painted(windows, test)
        free = [
            not touched[row : row + SIZE, col : col + SIZE].any()
            for row, col in windows[["row", "col"]].to_numpy()
        ]
        np.testing.assert_array_equal(
            train, np.flatnonzero(free & ~np.isin(camp, camp[test][camp[test] > 0]))
        )


def test_the_papers_split_deals_every_window_of_every_stride_once_and_evenly():
    windows, is_ore, _ = survey(4, camps=20, strides=(8,))
    split = paper_split(windows, is_ore, folds=4, seed=1)
    tests = [test for _, test in split.folds]
    np.testing.assert_array_equal(np.sort(np.concatenate(tests)), np.arange(len(windows)))
    for flag in (is_ore, ~is_ore):
        dealt = [flag[test].sum() for test in tests]
        assert max(dealt) - min(dealt) <= 1
    for train, test in split.folds:
        np.testing.assert_array_equal(np.sort(np.concatenate((train, test))), np.arange(len(windows)))
        assert (windows["number"].to_numpy()[test] == 0).any()
        assert share_pixels(windows, train, test)
    with pytest.raises(DataError, match="0 ore and 144 barren windows for 5 folds"):
        paper_split(windows[windows["number"] > 0], np.zeros(144))


def test_the_random_split_is_that_of_random_folds():
    windows, is_ore, _ = survey(4, camps=20, strides=(8,))
    assert random_split(windows, is_ore, folds=3, seed=7) == Split(
        "random", "near known", 0, tuple(random_folds(windows, is_ore, folds=3, seed=7))
    )


@given(seed=st.integers(0, 10_000), strides=st.sampled_from([None, (8,)]))
@settings(max_examples=20, deadline=None)
def test_cutting_to_size_gives_the_counts_of_the_reference_and_keeps_the_test(seed, strides):
    windows, is_ore, camp = survey(seed, side=16, camps=30, strides=strides)
    strict = quiet(strict_split, windows, is_ore, camp=camp, seed=seed)
    assume(strict)
    loose = random_split(windows, is_ore, folds=len(strict.folds), seed=seed)
    cut = cut_to_size(loose, strict, is_ore, windows, seed=seed)
    area = windows["number"].to_numpy() > 0
    for kind in (area & is_ore, area & ~is_ore, ~area & is_ore, ~area & ~is_ore):
        wanted = round(np.mean([kind[train].sum() for train, _ in strict.folds]))
        assert {int(kind[train].sum()) for train, _ in cut.folds} == {wanted}
    for (train, test), (all_train, all_test) in zip(cut.folds, loose.folds, strict=True):
        assert set(train) < set(all_train)
        assert (np.diff(train) > 0).all()
        np.testing.assert_array_equal(test, all_test)
    assert (cut.name, cut.estimand, cut.warnings) == ("random-cut", "near known", ())
    assert cut == cut_to_size(loose, strict, is_ore, windows, seed=seed)
    assert cut != cut_to_size(loose, strict, is_ore, windows, seed=seed + 1)


def test_cutting_to_a_larger_size_keeps_all_and_says_so():
    windows, is_ore, camp = survey(1, side=16, camps=30)
    strict = strict_split(windows, is_ore, camp=camp)
    same = cut_to_size(strict, random_split(windows, is_ore), is_ore, windows)
    assert same.warnings == ("5 of 5 folds have fewer training windows than random: they keep all",)
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(same.folds, strict.folds, strict=True))


# ---- the range of the first factor


def exponential_field(rng, side, reach):
    """A field with covariance exp(-3 h / reach), by circulant embedding; independent of the package."""
    wide = 3 * side
    step = np.minimum(np.arange(wide), wide - np.arange(wide))
    covariance = np.exp(-3 * np.hypot(step[:, None], step[None]) / reach)
    power = np.clip(np.fft.fft2(covariance).real, 0, None)
    noise = rng.standard_normal((wide, wide)) + 1j * rng.standard_normal((wide, wide))
    return np.fft.fft2(np.sqrt(power) / wide * noise).real[:side, :side]


@pytest.mark.parametrize("reach", [10.0, 20.0, 40.0])
def test_the_range_of_a_field_is_found_within_a_fifth_on_average(reach):
    rng = np.random.default_rng(0)
    valid = np.ones((300, 300), dtype=bool)
    found = [
        factor_range(exponential_field(rng, 300, reach)[None], valid, seed=k, most=2500) for k in range(8)
    ]
    assert np.mean(found) == pytest.approx(reach, rel=0.2)
    assert reach / 2 < min(found) <= max(found) < 2 * reach


def test_white_noise_has_no_range():
    rng = np.random.default_rng(1)
    valid = np.ones((200, 200), dtype=bool)
    found = [factor_range(rng.standard_normal((3, 200, 200)), valid, seed=k, most=2000) for k in range(10)]
    # Ranges under the spacing of the drawn pixels, here 4.5, cannot be told from none; 4 windows are 64 px.
    assert np.median(found) < 2
    assert max(found) < 9


def test_the_range_is_that_of_what_the_channels_share_in_any_unit_and_sign():
    rng = np.random.default_rng(2)
    valid = np.ones((300, 300), dtype=bool)
    shared = exponential_field(rng, 300, 30.0)
    noise = 0.3 * rng.standard_normal((4, 300, 300))
    layers = noise + np.array([1.0, -1.0, 0.8, 1.0])[:, None, None] * shared
    found = factor_range(layers, valid, seed=3)
    assert found == pytest.approx(factor_range(shared[None], valid, seed=3), rel=0.25)
    scale = np.array([1.0, 1e-3, -50.0, 7.0])[:, None, None]
    assert factor_range(1000 + scale * layers, valid, seed=3) == pytest.approx(found, rel=1e-3)


def test_missing_values_flat_channels_and_ground_that_is_not_valid_do_no_harm():
    rng = np.random.default_rng(4)
    field = exponential_field(rng, 300, 30.0)
    valid = np.zeros((300, 300), dtype=bool)
    valid[:200] = True
    layers = np.stack((field, np.full_like(field, 7.0), np.full_like(field, np.nan)))
    layers[:, 200:] = 1e9
    expected = factor_range(field[None], valid, seed=5)
    assert factor_range(layers, valid, seed=5) == pytest.approx(expected)
    layers[0][rng.random(field.shape) < 0.05] = np.nan
    assert factor_range(layers, valid, seed=5) == pytest.approx(expected, rel=0.5)
    assert factor_range(layers[1:2], valid) == 0.0
    assert factor_range(layers[2:], valid) == 0.0


def test_a_map_with_too_few_pixels_or_another_mask_has_no_range():
    with pytest.raises(DataError, match="49 valid pixels"):
        factor_range(np.zeros((1, 7, 7)), np.ones((7, 7), dtype=bool))
    with pytest.raises(DataError, match="one map"):
        factor_range(np.zeros((1, 7, 7)), np.ones((8, 7), dtype=bool))


# ---- distances of use and of test


def test_distances_by_hand():
    windows, camp = camps_at([(0, 0), (0, 3), (0, 7)], side=8)
    test = [np.flatnonzero(camp == k) for k in (1, 2, 3)]
    folds = tuple((np.setdiff1d(np.arange(64), each), each) for each in test)
    found = distance_match(windows, Split("strict", "new camp", 0, folds), camp > 0, resolution=10.0)
    side = SIZE * 10.0
    np.testing.assert_allclose(found["test_to_training"], np.array([3, 3, 4]) * side)
    np.testing.assert_allclose(found["all_to_training"], found["test_to_training"])
    by_hand = [
        min(math.hypot(row, col - ore) for ore in (0, 3, 7)) * side
        for row in range(8)
        for col in range(8)
        if (row, col) not in ((0, 0), (0, 3), (0, 7))
    ]
    np.testing.assert_allclose(found["map_to_ore"], np.sort(by_hand))
    assert found["quantiles"]["test_to_training"]["50"] == pytest.approx(3 * side)
    assert list(found["quantiles"]["map_to_ore"]) == ["5", "25", "50", "75", "95"]
    # Wasserstein-1 is the area between the two quantile functions
    share = (np.arange(6100) + 0.5) / 6100
    inverse = [
        np.quantile(found[name], share, method="inverted_cdf") for name in ("test_to_training", "map_to_ore")
    ]
    assert found["wasserstein"] == pytest.approx(np.abs(inverse[0] - inverse[1]).mean(), rel=1e-3)
    assert found["wasserstein_all"] == pytest.approx(found["wasserstein"])


def test_random_splits_test_nearer_than_strict_ones_and_clustered_ore_makes_them_optimistic():
    rng = np.random.default_rng(0)
    places = [(r + dr, c + dc) for r, c in SPREAD[:9] for dr in (0, 1) for dc in (0, 1)]
    windows, camp = camps_at(places, side=20)
    camp[camp > 0] = (camp[camp > 0] - 1) // 4 + 1
    strict = quiet(strict_split, windows, camp > 0, camp=camp)
    near = distance_match(windows, random_split(windows, camp > 0), camp > 0, resolution=25.0)
    far = distance_match(windows, strict, camp > 0, resolution=25.0)
    assert (near["verdict"], far["verdict"]) == ("nearer", "farther")
    assert "optimistic" in near["sentence"]
    assert "pessimistic" in far["sentence"]
    assert near["test_to_training"].mean() < far["test_to_training"].mean()
    np.testing.assert_array_equal(near["map_to_ore"], far["map_to_ore"])
    # ore all over the map, dealt at random: use and test alike
    dense = rng.random(400) < 0.5
    even = distance_match(windows, random_split(windows, dense), dense, resolution=25.0)
    assert even["verdict"] == "alike"


def test_folds_without_ore_on_one_side_and_a_wrong_resolution_are_refused():
    windows, camp = camps_at([(0, 0), (5, 5)])
    test = np.flatnonzero(camp > 0)
    split = Split("strict", "new camp", 0, ((np.setdiff1d(np.arange(144), test), test),))
    with pytest.raises(DataError, match="fold 1 is trained on 0 ore areas and tests 2 ore windows"):
        distance_match(windows, split, camp > 0, resolution=10.0)
    with pytest.raises(DataError, match="0 barren areas among 144"):
        distance_match(windows, split, np.ones(144), resolution=10.0)
    with pytest.raises(UsageError, match="above 0"):
        distance_match(windows, split, camp > 0, resolution=0.0)
