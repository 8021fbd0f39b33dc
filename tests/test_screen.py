"""Screening: which elements pass, that noise does not, and that the null moves camps as it says."""

import time
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist, pdist
from sklearn.svm import SVC

from gossan import screen
from gossan.errors import DataError, DesignWarning, UsageError
from gossan.grid import make_grid, pixel_index

SIDE, CELL, REACH = 20_000.0, 100.0, 900.0
GRID = make_grid((0, 0, SIDE, SIDE), CELL, "EPSG:32650")
GROUND = np.ones(GRID.shape, dtype=bool)


def camps_of(rng, camps=10):
    size = rng.integers(1, 4, camps)
    middle = rng.uniform(2000, SIDE - 2000, (camps, 2))
    camp = np.repeat(np.arange(1, camps + 1), size)
    return middle[camp - 1] + rng.normal(0, 400, (len(camp), 2)), camp


def smooth(rng, samples):
    """Give each sample the value of a smooth random map plus noise: pure noise, but spatially dependent."""
    field = gaussian_filter(rng.normal(size=GRID.shape), 15)
    row, col, _ = pixel_index(GRID, samples)
    return field[row, col] / field.std() + 0.7 * rng.normal(size=len(samples))


def design(seed, n=700, draws=499):
    """Make samples, ore, folds and null; the observed camps are one more draw of the null."""
    rng = np.random.default_rng(seed)
    samples = rng.uniform(1, SIDE - 1, (n, 2))
    deposits, camp = camps_of(rng)
    moved = screen.moved_camps(deposits, camp, GROUND, GRID, draws + 1, seed, margin=REACH)
    null = screen.null_patterns(samples, moved, REACH)
    nearest = camp[cdist(samples, moved[0]).argmin(axis=1)]
    folds = screen.sample_folds(samples, null[0], block=4000, folds=3, seed=seed, camp=nearest)
    return rng, samples, null[0], folds, null[1:]


@pytest.fixture(scope="module")
def screened():
    rng, samples, ore, folds, null = design(1)
    values = pd.DataFrame({name: smooth(rng, samples) for name in ("up", "down", "noise", "gaps")})
    values["up"] += 2.5 * ore
    values["down"] -= 2.5 * ore
    values.loc[::5, "gaps"] = np.nan
    values.loc[1, "gaps"] = -np.inf
    given = {"values": values, "is_ore": ore, "folds": folds, "null": null, "draws": 3, "seed": 7}
    return given, screen.screen_elements(**given).set_index("element")


# ---- the strict protocol


def test_planted_elements_pass_and_noise_does_not(screened):
    _, table = screened
    assert table.keep.to_dict() == {"up": True, "down": True, "noise": False, "gaps": False}
    assert table.loc[["up", "down"], "p"].eq(1 / 500).all(), "no pattern of 499 does as well"
    assert table.loc[["up", "down"], "auc"].gt(0.85).all(), "a depletion is found as well as an enrichment"
    assert table.attrs["note"] == ""


def test_the_direction_is_told(screened):
    _, table = screened
    assert table.direction[["up", "down"]].tolist() == ["enriched", "depleted"]


def test_missing_values_are_left_out_per_element_and_counted(screened):
    given, table = screened
    lost = given["values"]["gaps"].isin([-np.inf]) | given["values"]["gaps"].isna()
    assert table.missing.to_dict() == {"up": 0, "down": 0, "noise": 0, "gaps": int(lost.sum())}
    assert table.n_ore["gaps"] == int(np.sum(given["is_ore"] & ~lost))
    assert (table.n_ore + table.n_barren + table.missing == 700).all()
    assert (table.drawn == np.minimum(122, table.n_ore)).all()


def test_hopeless_elements_stop_early_with_a_valid_p(screened):
    _, table = screened
    stopped = table.null_draws < 499
    assert stopped["noise"]
    assert np.allclose(table.p[stopped], 20 / table.null_draws[stopped])


def test_the_columns_are_those_of_the_contract(screened):
    _, table = screened
    columns = table.reset_index().columns
    assert list(columns[:7]) == ["element", "auc", "s_auc", "z_auc", "p", "direction", "keep"]


def test_the_same_seed_gives_the_same_table_and_another_does_not(screened):
    given, table = screened
    given = given | {"values": given["values"][["noise"]]}
    with pytest.warns(DesignWarning, match="all that were tested are kept"):
        again, other = (screen.screen_elements(**given | {"seed": seed}) for seed in (7, [7, 1]))
    assert again.set_index("element").loc["noise", ["auc", "p"]].equals(table.loc["noise", ["auc", "p"]])
    assert other.auc[0] != again.auc[0]


def test_if_nothing_passes_all_are_kept_and_the_note_says_so(screened):
    given, _ = screened
    given = given | {"values": given["values"][["noise", "gaps"]]}
    with pytest.warns(DesignWarning, match="no element of 2 passes at a false discovery rate"):
        table = screen.screen_elements(**given)
    assert table.keep.all()
    assert table.attrs["note"].startswith("no element of 2 passes")


def test_p_is_uniform_where_ore_tells_nothing(monkeypatch):
    """The rule for p and the null, with the value itself for the SVM's decision, on 100 noise maps."""
    monkeypatch.setattr(screen, "_decision", lambda value, ore, at: at)
    p = []
    for seed in range(10):
        rng, samples, ore, folds, null = design(seed, n=400)
        values = pd.DataFrame({str(i): smooth(rng, samples) for i in range(10)})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DesignWarning)
            table = screen.screen_elements(values, ore, folds=folds, null=null, draws=1, seed=seed)
        p += table.p.tolist()
    # 100 p values, those of one survey tied by its camps: twice the error of independent ones
    assert abs(np.mean(p) - 0.5) < 4 * 0.289 / np.sqrt(100)
    assert np.mean(np.array(p) <= 0.05) <= 0.12


def test_on_noise_the_svm_passes_rarely_strict_and_often_by_the_papers_rule(monkeypatch):
    monkeypatch.setattr(screen, "ENOUGH", 5)  # coarser and as valid
    strict, paper = [], []
    for seed in range(3):
        rng, samples, ore, folds, null = design(100 + seed, n=400)
        values = pd.DataFrame({str(i): smooth(rng, samples) for i in range(4)})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DesignWarning)
            strict += screen.screen_elements(values, ore, folds=folds, null=null, draws=1).p.tolist()
            for i in range(10):
                table = screen.screen_elements(values, ore, protocol="paper", seed=i)
                paper += table.z_auc.gt(2.58).tolist()
    assert np.mean(np.array(strict) <= 0.05) <= 0.25, "at most 3 of 12, nominal .6"
    assert np.mean(paper) > 0.03, "the nominal rate of Z > 2.58 is .005"


def test_null_and_tested_pattern_take_their_samples_from_one_order():
    order = np.random.default_rng(0).permutation(50)
    ore = np.arange(50) < 20
    rows, labels = screen._draw(order, ore, 12)
    assert (labels.sum(), (~labels).sum()) == (12, 12)
    assert np.array_equal(rows[:12], order[ore[order]][:12])
    swapped, _ = screen._draw(order, ~ore, 12)
    assert set(swapped) == set(rows), "the other class of the same order: the same samples"
    assert len(screen._draw(order, np.arange(50) < 5, 12)[0]) == 10, "balanced even where ore is short"


def test_the_decision_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    value, ore = rng.lognormal(size=120), rng.random(120) < 0.5
    train = (value[:90] - value[:90].mean()) / value[:90].std()
    test = (value[90:] - value[:90].mean()) / value[:90].std()
    machine = SVC(kernel="rbf", C=1.0, gamma="scale").fit(train[:, None], ore[:90])
    ours = screen._decision(value[:90], ore[:90], value[90:])
    assert ours == pytest.approx(machine.decision_function(test[:, None]), abs=1e-9)


def test_libsvm_itself_and_the_svc_around_it_give_the_same_bits(monkeypatch, capfd):
    rng = np.random.default_rng(1)
    value, ore = rng.normal(size=160), rng.random(160) < 0.4
    assert screen._solver() is screen._libsvm
    direct = screen._decision(value[:100], ore[:100], value[100:])
    assert capfd.readouterr() == ("", "")
    monkeypatch.setattr(screen, "_solver", lambda: screen._svc)
    assert np.array_equal(screen._decision(value[:100], ore[:100], value[100:]), direct)


def test_a_limit_leaves_folds_out_and_never_changes_the_side(monkeypatch):
    rng = np.random.default_rng(2)
    value, ore, fold = rng.normal(size=90), rng.random(90) < 0.5, rng.integers(0, 3, 90)
    rows, made = np.arange(90), []
    monkeypatch.setattr(screen, "_decision", lambda value, ore, at: made.append(1) or at)
    whole = screen._fold_auc(value, fold, rows, ore)
    limits = [*np.linspace(0, 1, 41), whole]
    made.clear()
    found = [screen._fold_auc(value, fold, rows, ore, limit) for limit in limits]
    assert [area < limit for area, limit in zip(found, limits, strict=True)] == [
        whole < limit for limit in limits
    ]
    assert found[-1] == whole
    assert len(made) < 2.5 * len(limits)


def test_only_pairs_of_one_fold_are_compared(monkeypatch):
    monkeypatch.setattr(screen, "_decision", lambda value, ore, at: at)
    value = np.array([0.0, 1.0, 10.0, 11.0])
    ore, fold = np.array([False, True, False, True]), np.array([0, 0, 1, 1])
    assert screen._fold_auc(value, fold, np.arange(4), ore) == 1.0, "pooled it would be 3 of 4"


def test_benjamini_hochberg_by_hand():
    p = np.array([0.03, 0.9, 0.01, 0.02, 0.2])
    assert screen._discoveries(p, 0.05).tolist() == [True, False, True, True, False]
    assert not screen._discoveries(p, 0.01).any()


# ---- the paper's protocol


def test_the_papers_rule_scores_hard_labels_on_the_training_samples():
    rng = np.random.default_rng(3)
    ore = np.arange(500) < 150
    values = pd.DataFrame({"Cu": rng.normal(size=500) + 0.8 * ore, "Zn": rng.normal(size=500)})
    table = screen.screen_elements(values, ore, protocol="paper", seed=2).set_index("element")
    assert table.keep.to_dict() == (table.z_auc > 2.58).to_dict()
    assert table.keep["Cu"]
    assert (table.drawn == 122).all()
    k = table.auc * 244
    assert np.allclose(k, k.round()), "a hard AUC on 122 + 122 samples is k / 244"
    assert table.z_auc["Cu"] == pytest.approx((table.auc["Cu"] - 0.5) / table.s_auc["Cu"])


def test_a_perfect_element_has_no_z_and_is_kept():
    ore = np.arange(40) < 15
    values = pd.DataFrame({"Au": np.where(ore, 5.0, 1.0) + np.arange(40) / 1000})
    table = screen.screen_elements(values, ore, protocol="paper")
    assert (table.auc[0], table.keep[0], table.attrs["note"]) == (1.0, True, "")
    assert np.isnan(table.z_auc[0])


# ---- refusals


@pytest.mark.parametrize("missing", ["folds", "null"])
def test_strict_without_folds_or_null_is_refused(screened, missing):
    with pytest.raises(UsageError, match=f"no {missing}"):
        screen.screen_elements(**screened[0] | {missing: None})


def test_too_few_null_patterns_are_refused_with_the_numbers(screened):
    given, _ = screened
    with pytest.raises(UsageError, match=r"498 null patterns.*4 elements at level 0.05 need 499"):
        screen.screen_elements(**given | {"null": given["null"][:498]})
    assert screen.needed_draws(16, 0.05) == 640
    assert screen.needed_draws(10, 0.01) == 2000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": "loose"}, '"loose"'),
        ({"draws": 0}, "0 draws"),
        ({"level": 1.0}, "level 1"),
        ({"is_ore": np.ones(3, dtype=bool)}, r"shape \(3,\)"),
        ({"folds": np.ones(3)}, r"folds of shape \(3,\)"),
    ],
)
def test_wrong_calls_are_refused(screened, change, message):
    with pytest.raises(UsageError, match=message):
        screen.screen_elements(**screened[0] | change)


def test_constant_elements_and_too_few_ore_samples_are_refused():
    ore = np.arange(30) < 10
    with pytest.raises(DataError, match="Cu: it is constant"):
        screen.screen_elements(pd.DataFrame({"Cu": np.ones(30)}), ore, protocol="paper")
    with pytest.raises(DataError, match="1 ore and 29 barren"):
        screen.screen_elements(pd.DataFrame({"Cu": np.arange(30)}), np.arange(30) < 1, protocol="paper")
    with pytest.raises(DataError, match="0 ore"):
        screen.screen_elements(pd.DataFrame({"Cu": np.where(ore, np.nan, 1.0)}), ore, protocol="paper")


def test_ore_in_a_single_fold_is_refused(screened):
    given, _ = screened
    with pytest.raises(DataError, match=r"none of 4 elements.*up: its ore samples lie in 1 of 2 folds"):
        screen.screen_elements(**given | {"folds": given["is_ore"].astype(int)})


def test_null_patterns_without_ore_count_against_every_element(screened):
    given, _ = screened
    given = given | {"values": given["values"][["up"]], "null": np.zeros_like(given["null"])}
    with pytest.warns(DesignWarning) as caught:
        table = screen.screen_elements(**given)
    assert "499 of 499 null patterns" in str(caught[0].message)
    assert table.p[0] == 1.0


def test_an_element_that_cannot_be_tested_is_not_kept_and_does_not_stop_the_others():
    ore = np.arange(300) < 100
    rng = np.random.default_rng(1)
    values = pd.DataFrame({"Te": np.ones(300), "Cu": rng.normal(size=300) + ore, "W": np.nan})
    for shift in (0, 0.5):  # Cu passes; nothing passes
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            table = screen.screen_elements(values, ore, protocol="paper", critical=2.58 + 50 * shift)
        assert table.keep.tolist() == [False, True, False]
        assert table.p[[0, 2]].tolist() == [1, 1]
        assert table.drawn.tolist() == [0, 100, 0]
        assert "2 of 3 elements cannot be screened and are not kept; Te: it is" in str(caught[0].message)


# ---- labels and folds


def test_ore_samples_are_those_within_the_distance():
    rng = np.random.default_rng(0)
    samples, deposits = rng.uniform(0, 5000, (300, 2)), rng.uniform(0, 5000, (4, 2))
    assert np.array_equal(
        screen.ore_samples(samples, deposits, 800), cdist(samples, deposits).min(axis=1) <= 800
    )
    assert screen.ore_samples(np.array([[3.0, 4.0]]), np.zeros((1, 2)), 5.0)[0], "the distance itself counts"


def test_every_null_pattern_is_the_ore_of_its_deposits():
    rng = np.random.default_rng(1)
    samples, moved = rng.uniform(0, 5000, (200, 2)), rng.uniform(0, 5000, (6, 3, 2))
    null = screen.null_patterns(samples, moved, 700)
    assert null.shape == (6, 200)
    for pattern, deposits in zip(null, moved, strict=True):
        assert np.array_equal(pattern, screen.ore_samples(samples, deposits, 700))
    assert not screen.null_patterns(samples, moved + 1e6, 700).any()


def test_folds_keep_camps_whole_have_ore_and_even_sizes():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        samples = rng.uniform(0, SIDE, (2000, 2))
        deposits, camp = camps_of(rng)
        ore, nearest = (
            screen.ore_samples(samples, deposits, REACH),
            camp[cdist(samples, deposits).argmin(axis=1)],
        )
        fold = screen.sample_folds(samples, ore, block=3000, folds=4, seed=seed, camp=nearest)
        for one in np.unique(nearest[ore]):
            assert len(np.unique(fold[ore & (nearest == one)])) == 1
        assert set(fold[ore]) == set(range(4))
        assert np.bincount(fold).min() > 300


def test_barren_samples_of_a_block_stay_together():
    samples = np.random.default_rng(0).uniform(0, SIDE, (3000, 2))
    ore = np.zeros(3000, dtype=bool)
    ore[np.argmin(samples.sum(axis=1))] = True
    fold = screen.sample_folds(samples, ore, block=5000, folds=3, seed=0)
    near = cdist(samples, samples)
    nearest = np.where(near == 0, np.inf, near).argmin(axis=1)
    assert np.mean(fold == fold[nearest]) > 0.9
    assert np.array_equal(fold, screen.sample_folds(samples, ore, block=5000, folds=3, seed=0))
    assert not np.array_equal(fold, screen.sample_folds(samples, ore, block=5000, folds=3, seed=1))


def test_folds_that_cannot_be_are_refused():
    samples, ore = np.zeros((4, 2)), np.array([True, False, True, False])
    with pytest.raises(UsageError, match="1 folds"):
        screen.sample_folds(samples, ore, block=10, folds=1, seed=0)
    with pytest.raises(DataError, match="no sample is ore"):
        screen.sample_folds(samples, ~ore & ore, block=10, folds=2, seed=0)


# ---- moved camps


def test_moved_camps_keep_their_shape_lie_on_ground_and_apart():
    rng = np.random.default_rng(5)
    deposits, camp = camps_of(rng, 12)
    ground = np.zeros(GRID.shape, dtype=bool)
    ground[20:180, 30:] = True
    moved = screen.moved_camps(deposits, camp, ground, GRID, 40, 3, margin=200)
    assert moved.shape == (40, len(deposits), 2)
    row, col, inside = pixel_index(GRID, moved.reshape(-1, 2))
    assert inside.all()
    assert ground[row, col].all()
    for draw in moved:
        circles = []
        for one in np.unique(camp):
            there, here = deposits[camp == one], draw[camp == one]
            assert pdist(here) == pytest.approx(pdist(there), abs=1e-6), "moved and turned, never bent"
            middle = here.mean(axis=0)
            circles.append((*middle, np.hypot(*(here - middle).T).max()))
        x, y, radius = np.array(circles).T
        gap = np.hypot(x - x[:, None], y - y[:, None]) - radius - radius[:, None]
        assert gap[~np.eye(12, dtype=bool)].min() >= 200 - 1e-6


def test_a_moved_deposit_may_land_anywhere_alike():
    moved = screen.moved_camps(np.array([[50.0, 50.0]]), np.array([1]), GROUND, GRID, 4000, 0)[:, 0]
    count, _, _ = np.histogram2d(*moved.T, bins=5, range=[[0, SIDE], [0, SIDE]])
    assert count.min() > 160 - 4 * np.sqrt(160)
    assert count.max() < 160 + 4 * np.sqrt(160)


def test_camps_are_turned_by_any_angle():
    pair = np.array([[9000.0, 9000.0], [9500.0, 9000.0]])
    moved = screen.moved_camps(pair, np.array([1, 1]), GROUND, GRID, 1000, 0)
    along = (moved[:, 1] - moved[:, 0]) / 500
    assert np.abs(along.mean(axis=0)).max() < 0.1


def test_the_same_seed_moves_camps_alike():
    deposits, camp = camps_of(np.random.default_rng(2))
    first, again, other = (screen.moved_camps(deposits, camp, GROUND, GRID, 5, s) for s in (1, 1, [1, 2]))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_camps_that_must_overlap_or_cannot_move_are_counted():
    two = np.array([[5.0, 50.0], [1405.0, 50.0], [5.0, 60.0], [1405.0, 60.0]])
    narrow = np.zeros(GRID.shape, dtype=bool)
    narrow[:, :20] = True
    narrow[8:] = False
    with pytest.warns(DesignWarning, match="of 6 moved camps 3 overlap another, 0 stayed"):
        moved = screen.moved_camps(two, np.array([1, 1, 2, 2]), narrow, GRID, 3, 0)
    assert narrow[pixel_index(GRID, moved.reshape(-1, 2))[:2]].all()
    with pytest.warns(DesignWarning, match="of 3 moved camps 0 overlap another, 3 stayed"):
        stayed = screen.moved_camps(two * [9, 1], np.ones(4, int), narrow, GRID, 3, 0)
    assert np.array_equal(stayed, np.tile(two * [9, 1], (3, 1, 1)))


def test_ground_of_another_shape_or_none_is_refused():
    deposits, camp = camps_of(np.random.default_rng(2))
    with pytest.raises(UsageError, match="must agree"):
        screen.moved_camps(deposits, camp, GROUND[1:], GRID, 5, 0)
    with pytest.raises(DataError, match="no ground is allowed"):
        screen.moved_camps(deposits, camp, ~GROUND, GRID, 5, 0)


def test_640_patterns_of_a_full_survey_take_less_than_two_seconds_of_processor_time():
    rng = np.random.default_rng(0)
    deposits, camp = camps_of(rng, 15)
    samples = rng.uniform(0, SIDE, (7500, 2))
    start = time.process_time()
    moved = screen.moved_camps(deposits, camp, GROUND, GRID, 640, 0, margin=REACH / 3)
    null = screen.null_patterns(samples, moved, REACH)
    assert time.process_time() - start < 2
    assert null.shape == (640, 7500)
