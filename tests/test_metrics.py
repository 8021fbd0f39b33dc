"""Metrics: what must be true, the paper's Table 2, scikit-learn, and the interval's coverage."""

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from gossan import metrics
from gossan.errors import DataError, UsageError
from gossan.metrics.intervals import camp_draws

ROOT = Path(__file__).parents[1]

# element: (k of AUC = k / 244, AUC and Z as printed in Table 2 of the paper)
TABLE_2 = {
    "Au": (147, 0.6024, 2.8395),
    "Sn": (148, 0.6065, 2.9595),
    "Ag": (165, 0.6762, 5.1563),
    "Mn": (136, 0.5573, 1.5617),
    "Zn": (133, 0.5450, 1.2232),
    "Sb": (145, 0.5942, 2.6017),
    "Hg": (156, 0.6393, 3.9516),
    "W": (141, 0.5778, 2.1341),
    "B": (144, 0.5901, 2.4839),
    "Cu": (154, 0.6311, 3.6977),
    "Ba": (150, 0.6147, 3.2020),
    "Pb": (141, 0.5778, 2.1341),
    "As": (138, 0.5655, 1.7893),
    "Bi": (144, 0.5901, 2.4839),
    "Mo": (146, 0.5983, 2.7203),
    "F": (139, 0.5696, 1.9037),
}


def cut(value):
    return math.floor(value * 10_000) / 10_000


def area_under(curve):
    return np.sum(np.diff(curve.x) * (curve.y[1:] + curve.y[:-1]) / 2)


def table(rng, *, camps=10, repeats=2, folds=5, barren=60, skill=1.0, camp_sd=0.7):
    """Make predictions: camps of 1-3 ore areas with 1-2 deposits, held out whole, fold by fold."""
    size = rng.integers(1, 4, camps)
    camp = np.concatenate([np.repeat(np.arange(1, camps + 1), size), np.zeros(barren, dtype=int)])
    deposits = np.where(camp > 0, rng.integers(1, 3, len(camp)), 0)
    effect = np.append(0.0, skill + camp_sd * rng.normal(size=camps))
    parts = []
    for repeat in range(repeats):
        camp_fold = rng.permutation(camps) % folds
        fold = np.where(camp > 0, camp_fold[camp - 1], rng.permutation(len(camp)) % folds)
        raw = effect[camp] + rng.normal(size=len(camp)) + 0.3 * fold
        score = 1 / (1 + np.exp(-raw))
        parts.append(
            pd.DataFrame(
                {
                    "repeat": repeat,
                    "fold": fold,
                    "number": np.arange(1, len(camp) + 1),
                    "score": score,
                    "vote": score > 0.7,
                    "probability": score,
                    "is_ore": camp > 0,
                    "deposits": deposits,
                    "camp": camp,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


# ---- equations 1 to 3


@pytest.mark.parametrize("element", TABLE_2)
def test_table_2_of_the_paper_follows_to_the_digit(element):
    k, area, z = TABLE_2[element]
    assert (cut(k / 244), cut(metrics.z_auc(k / 244, 122, 122))) == (area, z)


def test_exactly_the_papers_eight_elements_pass():
    area = np.array([k / 244 for k, _, _ in TABLE_2.values()])
    passed = np.array(list(TABLE_2))[metrics.z_auc(area, 122, 122) > 2.58]
    assert set(passed) == {"Ag", "Au", "Sn", "Cu", "Ba", "Sb", "Hg", "Mo"}


def test_unequal_classes_are_not_swapped():
    assert metrics.s_auc(0.893, 51, 58) == pytest.approx(0.0325, abs=5e-5)
    assert metrics.z_auc(0.82, 20, 681) == pytest.approx(5.5185, abs=5e-5)


def test_z_broadcasts_over_arrays_and_gives_a_float_for_a_float():
    z = metrics.z_auc([[0.6], [0.7]], [20, 30], 50)
    assert z.shape == (2, 2)
    assert z[1, 0] == metrics.z_auc(0.7, 20, 50)
    assert isinstance(metrics.z_auc(0.7, 20, 50), float)


@pytest.mark.parametrize(
    "given",
    [
        (0.0, 9, 9),
        (1.0, 9, 9),
        ([0.5, 1.0], 9, 9),
        (0.6, 1, 9),
        (0.6, 9, 1),
        (0.6, 9, [9, 1]),
        (np.nan, 9, 9),
    ],
)
def test_z_refuses_the_ends_and_classes_of_fewer_than_two(given):
    with pytest.raises(DataError):
        metrics.z_auc(*given)


def test_the_standard_error_is_zero_at_the_ends():
    assert np.array_equal(metrics.s_auc([0.0, 1.0], 5, 7), [0.0, 0.0])


# ---- AUC and the other scores

scores = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: len({ore for _, ore in rows}) == 2
)


@given(scores, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_auc_of_any_scores(rows, random):
    score, ore = np.array(rows).T[0], np.array([ore for _, ore in rows])
    area = metrics.auc(score, ore)
    pairs = np.subtract.outer(score[ore], score[~ore])
    assert area == pytest.approx(np.mean((pairs > 0) + (pairs == 0) / 2))
    assert metrics.auc(-score, ore) == pytest.approx(1 - area), "a reversed score gives 1 - AUC"
    order = random.sample(range(len(score)), len(score))
    assert metrics.auc(score[order], ore[order]) == pytest.approx(area), "the order of rows is no matter"
    assert area == pytest.approx(reference.roc_auc_score(ore, score))
    assert metrics.average_precision(score, ore) == pytest.approx(
        reference.average_precision_score(ore, score)
    )
    curve = metrics.roc_curve(score, ore)
    assert area_under(curve) == pytest.approx(area)


def test_auc_of_perfect_constant_and_reversed_scores():
    ore = np.array([True, True, False, False, False])
    assert [metrics.auc(s, ore) for s in ([2, 2, 1, 1, 0], [3] * 5, [0, 0, 1, 1, 2])] == [1.0, 0.5, 0.0]


@pytest.mark.parametrize("ore", [[True, True], [False, False]])
@pytest.mark.parametrize("measure", [metrics.auc, metrics.average_precision, metrics.roc_curve])
def test_a_single_class_is_refused(measure, ore):
    with pytest.raises(DataError, match="both classes"):
        measure([0.1, 0.2], ore)


def test_a_nan_score_is_refused():
    with pytest.raises(DataError, match="1 scores are NaN"):
        metrics.auc([0.1, np.nan], [True, False])


def test_confusion_and_brier_agree_with_scikit_learn():
    rng = np.random.default_rng(1)
    ore, probability = rng.random(200) < 0.2, rng.random(200)
    vote = probability > 0.6
    ours = metrics.confusion(vote, ore)
    assert ours["accuracy"] == pytest.approx(reference.accuracy_score(ore, vote))
    assert ours["recall_ore"] == pytest.approx(reference.recall_score(ore, vote))
    for name, average in (("f1_ore", "binary"), ("f1_macro", "macro"), ("f1_weighted", "weighted")):
        assert ours[name] == pytest.approx(reference.f1_score(ore, vote, average=average))
    assert ours["accuracy_all_barren"] == pytest.approx(np.mean(~ore))
    assert metrics.brier(probability, ore) == pytest.approx(reference.brier_score_loss(ore, probability))


def test_the_accuracy_of_all_barren_on_the_papers_test_sets():
    for ore, n, accuracy in ((56, 130, 0.569), (14, 86, 0.837)):
        given = metrics.confusion(np.zeros(n, dtype=bool), np.arange(n) < ore)
        assert given["accuracy"] == given["accuracy_all_barren"] == pytest.approx(accuracy, abs=5e-4)
        assert given["f1_ore"] == given["recall_ore"] == 0


# ---- tables


def naive_auc(predictions):
    repeats = []
    for _, repeat in predictions.groupby("repeat"):
        placed = []
        for _, fold in repeat.groupby("fold"):
            barren = fold.score[~fold.is_ore].to_numpy()
            for row in fold[fold.deposits > 0].itertuples():
                placed += [np.mean((barren < row.score) + (barren == row.score) / 2)] * row.deposits
        repeats.append(np.mean(placed))
    return np.mean(repeats)


def test_the_headline_is_the_mean_over_deposits_of_their_own_fold():
    predictions = table(np.random.default_rng(3))
    summary = metrics.summarise(predictions)
    assert summary["auc"]["mean"] == pytest.approx(naive_auc(predictions))
    shifted = predictions.assign(score=predictions.score + 10 * predictions.fold)
    again = metrics.summarise(shifted)
    assert again["auc"] == summary["auc"], "scores of two folds are never compared"
    assert again["auc_pooled"]["mean"] != pytest.approx(summary["auc_pooled"]["mean"])


def test_one_fold_and_one_deposit_an_area_give_the_plain_auc():
    predictions = table(np.random.default_rng(4), folds=1, repeats=1)
    predictions["deposits"] = predictions.is_ore.astype(int)
    summary = metrics.summarise(predictions)
    plain = metrics.auc(predictions.score, predictions.is_ore)
    assert summary["auc"]["mean"] == pytest.approx(plain)
    assert summary["auc_pooled"]["mean"] == pytest.approx(plain)
    assert summary["auc"]["sd_folds"] is None
    assert summary["auc"]["sd_repeats"] is None


def test_the_summary_does_not_depend_on_the_order_of_rows():
    predictions = table(np.random.default_rng(5))
    first, second = (
        metrics.summarise(each) for each in (predictions, predictions.sample(frac=1, random_state=1))
    )
    for name, entry in first.items():
        for key, value in entry.items():
            assert second[name][key] == pytest.approx(value), (name, key)


def test_the_summary_has_the_contracts_form_and_is_json_without_nan():
    predictions = table(np.random.default_rng(6))
    predictions.loc[0, "probability"] = np.nan
    summary = metrics.summarise(predictions)
    measures = ["auc", "accuracy", "recall_ore", "f1_ore", "f1_macro", "f1_weighted", "average_precision"]
    for name in [*measures, "brier"]:
        assert set(summary[name]) == {"mean", "sd_folds", "sd_repeats", "ci95"}
    assert summary["brier"]["mean"] is None
    low, high = summary["auc"]["ci95"]
    assert low < summary["auc"]["mean"] < high
    assert summary["counts"]["camps"] == 10
    assert summary["counts"]["areas"] == predictions.number.nunique()
    json.dumps([summary, metrics.folds_of(predictions)], allow_nan=False)


def test_fold_rows_average_to_the_headline_by_their_deposits():
    predictions = table(np.random.default_rng(7), repeats=1)
    rows = pd.DataFrame(metrics.folds_of(predictions))
    summary = metrics.summarise(predictions)
    held = rows[rows.deposits > 0]
    assert np.average(held.auc.astype(float), weights=held.deposits) == pytest.approx(summary["auc"]["mean"])
    assert rows.areas.sum() == len(predictions)
    assert rows.camps.sum() == 10, "camps are held out whole"
    assert np.std(held.auc.astype(float), ddof=1) == pytest.approx(summary["auc"]["sd_folds"])


def test_the_spread_over_repeats_is_that_of_the_repeats():
    predictions = table(np.random.default_rng(8), repeats=3)
    each = [metrics.summarise(part)["auc"]["mean"] for _, part in predictions.groupby("repeat")]
    assert metrics.summarise(predictions)["auc"]["sd_repeats"] == pytest.approx(np.std(each, ddof=1))


def test_a_missing_column_a_missing_camp_and_no_deposit_are_refused():
    predictions = table(np.random.default_rng(9))
    with pytest.raises(UsageError, match="camp"):
        metrics.summarise(predictions.drop(columns="camp"))
    with pytest.raises(DataError, match="lack a camp"):
        metrics.summarise(predictions.assign(camp=0))
    with pytest.raises(DataError, match="0 held-out deposits"):
        metrics.summarise(predictions.assign(deposits=0))
    with pytest.raises(DataError, match="NaN"):
        metrics.summarise(predictions.assign(score=np.nan))


# ---- intervals


def test_with_single_camps_the_error_is_the_usual_one_times_1_25():
    value = np.random.default_rng(0).random(12)
    usual = np.std(value, ddof=0) / np.sqrt(12)
    assert metrics.camp_error(value, np.arange(12)) == pytest.approx(1.25 * usual)


def test_copies_of_a_deposit_within_its_camp_do_not_narrow_the_interval():
    value, camp = np.random.default_rng(0).random(12), np.arange(12)
    once = metrics.camp_interval(value.mean(), value, camp)
    assert metrics.camp_interval(value.mean(), np.tile(value, 5), np.tile(camp, 5)) == pytest.approx(once)
    assert metrics.camp_interval(value.mean(), value, camp, np.full(12, 3)) == pytest.approx(once)


def test_the_interval_stays_inside_and_is_longer_towards_a_half():
    value = np.append(np.full(11, 0.999), 0.9)
    low, high = metrics.camp_interval(value.mean(), value, np.arange(12))
    assert 0 < low < value.mean() < high < 1
    assert value.mean() - low > high - value.mean()


def test_no_interval_below_8_camps_nor_without_variation():
    value = np.random.default_rng(0).random(14)
    assert metrics.camp_interval(value.mean(), value, np.arange(14) % 7) is None
    assert metrics.camp_interval(value.mean(), value, np.arange(14) % 8) is not None
    assert metrics.camp_interval(1.0, np.ones(14), np.arange(14)) is None
    assert metrics.summarise(table(np.random.default_rng(1), camps=7))["auc"]["ci95"] is None


def test_paired_is_the_difference_of_the_headlines_and_flips_its_sign():
    rng = np.random.default_rng(10)
    a = table(rng, camps=14)
    b = a.assign(score=a.score + rng.normal(size=len(a)) * 0.3)
    there, back = metrics.paired(a, b.sample(frac=1, random_state=0)), metrics.paired(b, a)
    means = [metrics.summarise(each)["auc"]["mean"] for each in (a, b)]
    assert there["difference"] == pytest.approx(means[0] - means[1])
    assert there["difference"] == pytest.approx(-back["difference"])
    assert there["ci95"] == pytest.approx([-back["ci95"][1], -back["ci95"][0]])
    half = (there["ci95"][1] - there["ci95"][0]) / 2
    # t quantiles with 13 degrees of freedom, from a printed table
    assert there["smallest_detectable"] == pytest.approx(half * (2.160 + 0.870) / 2.160, rel=1e-3)


def test_paired_refuses_other_areas_and_gives_no_interval_to_twins():
    a = table(np.random.default_rng(11))
    assert metrics.paired(a, a) == {"difference": 0.0, "ci95": None, "smallest_detectable": None}
    with pytest.raises(DataError, match="fold differ"):
        metrics.paired(a, a.assign(fold=0))
    with pytest.raises(DataError, match="repeat differ"):
        metrics.paired(a, a[a["repeat"] == 0])


def test_the_interval_covers_at_least_85_of_100_times():
    """15 camps, about 20 ore areas; a true AUC from a million pairs."""
    rng = np.random.default_rng(2023)
    skill, camp_sd = 1.0, 0.7
    difference = skill + np.hypot(camp_sd, np.sqrt(2)) * rng.normal(size=1_000_000)
    truth, covered, draws = np.mean(difference > 0), 0, 120
    for _ in range(draws):
        predictions = table(rng, camps=15, repeats=1, barren=110, skill=skill, camp_sd=camp_sd)
        low, high = metrics.summarise(predictions)["auc"]["ci95"]
        covered += low <= truth <= high
    # not significantly below 85 %: the 5 % quantile of a binomial with 120 draws is 95
    assert covered >= 95


# ---- curves


@given(st.lists(st.booleans(), min_size=2, max_size=60).filter(lambda ore: len(set(ore)) == 2))
@settings(max_examples=60, deadline=None)
def test_area_under_the_prediction_rate_is_half_pi_plus_one_minus_pi_auc(ore):
    """By falling score, without ties."""
    score, pi = -np.arange(len(ore)), np.mean(ore)
    curve = metrics.prediction_rate(score, 0.64, np.array(ore, dtype=int))
    assert area_under(curve) == pytest.approx(pi / 2 + (1 - pi) * metrics.auc(score, ore), abs=1e-12)


def test_a_constant_score_captures_in_proportion_to_the_ground():
    curve = metrics.prediction_rate(np.zeros(9), np.arange(1, 10), np.arange(9))
    assert metrics.capture(curve, [0.05, 0.1, 0.2]) == pytest.approx([0.05, 0.1, 0.2])
    assert metrics.crossing(curve)[:2] == pytest.approx((0.5, 0.5))


def test_capture_counts_ground_by_its_area_and_deposits_by_their_number():
    curve = metrics.prediction_rate([0.9, 0.5, 0.1], [1, 4, 5], [3, 1, 0])
    assert metrics.capture(curve, [0.0, 0.1, 0.3, 0.5, 1.0]) == pytest.approx([0, 0.75, 0.875, 1, 1])
    assert curve.threshold.tolist() == [np.inf, 0.9, 0.5, 0.1]


def test_the_curve_rises_and_ends_in_one():
    rng = np.random.default_rng(2)
    curve = metrics.prediction_rate(rng.integers(0, 9, 80), rng.random(80), rng.integers(0, 2, 80))
    assert (np.diff(curve.x) >= 0).all()
    assert (np.diff(curve.y) >= 0).all()
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)


def test_the_prediction_area_plot_crosses_where_found_is_one_minus_ground():
    rng = np.random.default_rng(3)
    score, deposits = rng.random(200), rng.integers(0, 2, 200)
    curve = metrics.prediction_rate(score, 1.0, deposits)
    ground, found, threshold = metrics.crossing(curve)
    assert found == pytest.approx(1 - ground)
    assert metrics.capture(curve, ground) == pytest.approx(found)
    assert deposits[score >= threshold].sum() / deposits.sum() >= 1 - np.mean(score >= threshold)


def test_a_curve_without_deposits_is_refused():
    with pytest.raises(DataError, match="0 deposits"):
        metrics.prediction_rate([0.1, 0.2], 1.0, [0, 0])


def test_a_calibrated_score_has_a_small_error_and_a_shifted_one_has_not():
    rng = np.random.default_rng(4)
    p = rng.beta(1, 6, 100_000)
    ore = rng.random(100_000) < p
    bins = metrics.calibration(p, ore)
    assert bins.error < 0.01
    assert bins.number.sum() == 100_000
    assert metrics.calibration(np.minimum(p + 0.1, 1), ore).error == pytest.approx(0.1, abs=0.01)
    tied = metrics.calibration([0.2] * 10, [True, True, *[False] * 8])
    assert (tied.error, tied.number.tolist()) == (pytest.approx(0), [10])


def test_fold_percentiles_order_within_folds_and_forget_between_them():
    predictions = table(np.random.default_rng(12))
    share = metrics.fold_percentile(predictions)
    assert ((share > 0) & (share < 1)).all()
    for _, rows in predictions.groupby(["repeat", "fold"]).indices.items():
        assert np.array_equal(np.argsort(share[rows]), np.argsort(predictions.score.to_numpy()[rows]))
        assert share[rows].mean() == pytest.approx(0.5)


# ---- precision and recall, thresholds, the prediction-area plot, ranks


@given(scores)
@settings(max_examples=60, deadline=None)
def test_precision_and_recall_of_any_scores(rows):
    score, ore = np.array(rows).T[0], np.array([ore for _, ore in rows])
    curve = metrics.precision_recall(score, ore)
    precision, recall, threshold = reference.precision_recall_curve(ore, score)
    # scikit-learn goes up the scores and adds a last point of precision 1 that no threshold has
    assert curve.threshold[1:] == pytest.approx(threshold[::-1])
    assert curve.y[1:] == pytest.approx(precision[:-1][::-1])
    assert curve.x[1:] == pytest.approx(recall[:-1][::-1])
    assert (curve.x[0], curve.y[0]) == (0, curve.y[1])
    assert np.sum(np.diff(curve.x) * curve.y[1:]) == pytest.approx(metrics.average_precision(score, ore))
    assert curve.prevalence == pytest.approx(np.mean(ore))
    assert curve.lift[-1] == pytest.approx(1), "all ground is as rich as all ground"


def test_the_threshold_table_by_hand():
    found = metrics.threshold_table(
        [0.9, 0.7, 0.7, 0.2, 0.1],
        [1, 2, 2, 4, 1],
        [3, 0, 1, 0, 1],
        [True, False, True, False, True],
        probability=[0.8, 0.5, 0.5, 0.1, 0.1],
        shares=(0.1, 0.2, 0.5, 1),
    )
    assert found["ground"].tolist() == pytest.approx([0.1, 0.5, 0.5, 1.0]), "tied areas enter together"
    assert found["threshold"].tolist() == [0.9, 0.7, 0.7, 0.1]
    assert found["areas"].tolist() == [1, 3, 3, 5]
    assert found["deposits"].tolist() == [3, 4, 4, 5]
    assert found["deposits_share"].tolist() == pytest.approx([0.6, 0.8, 0.8, 1.0])
    assert found["ore_areas"].tolist() == [1, 2, 2, 3]
    assert found["precision"].tolist() == pytest.approx([1, 2 / 3, 2 / 3, 0.6])
    assert found["lift"].tolist() == pytest.approx([1 / 0.6, 1 / 0.9, 1 / 0.9, 1.0])
    assert found["expected_ore"].tolist() == pytest.approx([0.8, 1.8, 1.8, 2.0])


def test_a_share_that_the_areas_reach_exactly_is_not_overshot_by_rounding():
    score = np.arange(10.0)
    found = metrics.threshold_table(score, 0.1, score > 6, score > 6, shares=(0.1, 0.3, 0.7))
    assert found["areas"].tolist() == [1, 3, 7]
    assert found["expected_ore"].isna().all(), "without probabilities nothing is expected"


@pytest.mark.parametrize("share", [0.0, 1.01, np.nan])
def test_a_share_outside_the_ground_is_refused(share):
    with pytest.raises(DataError, match="above 0 and at most 1"):
        metrics.threshold_table([0.1, 0.2], 1, [0, 1], [False, True], shares=[share])


def test_the_table_without_deposits_says_so_by_nan():
    found = metrics.threshold_table([0.1, 0.2], 1, 0, False, shares=[0.5])
    assert found[["deposits_share", "lift"]].isna().all(axis=None)
    assert found["precision"].tolist() == [0]


def test_the_prediction_area_of_a_perfect_and_of_a_constant_score():
    first = metrics.prediction_area(metrics.prediction_rate([9, *[0] * 9], 1, [5, *[0] * 9]))
    # from (0, 0) to (.1, 1) the curve meets 1 - x at 1 / 11
    assert first == pytest.approx(
        {"oa": 1 / 11, "pr": 10 / 11, "nd": 10, "ln_nd": np.log(10), "threshold": 9}
    )
    chance = metrics.prediction_area(metrics.prediction_rate(np.zeros(9), 1, np.ones(9)))
    assert (chance["nd"], chance["ln_nd"]) == pytest.approx((1, 0))


def test_the_crossing_is_where_ore_missed_and_barren_called_are_equal_if_ore_is_rare():
    rng = np.random.default_rng(5)
    ore = np.arange(200_000) < 200
    score = rng.normal(size=len(ore)) + ore
    crossed = metrics.prediction_area(metrics.prediction_rate(score, 1, ore))
    missed, called = np.mean(score[ore] < crossed["threshold"]), np.mean(score[~ore] >= crossed["threshold"])
    assert missed == pytest.approx(called, abs=0.006)
    assert metrics.prediction_area(metrics.prediction_rate(-score, 1, ore))["ln_nd"] < 0


def test_the_mean_log_rank_by_hand_and_by_chance():
    score, area, deposits = [0.9, 0.5, 0.5, 0.1], [1, 2, 3, 4], [1, 2, 0, 1]
    by_hand = (np.log10(0.05) + 2 * np.log10(0.1 + 0.25) + np.log10(0.8)) / 4
    assert metrics.mean_log_rank(score, area, deposits) == pytest.approx(by_hand)
    assert metrics.mean_log_rank(np.exp(score), area, deposits) == pytest.approx(by_hand)
    rng = np.random.default_rng(0)
    chance = metrics.mean_log_rank(rng.random(200_000), 1, 1)
    assert chance == pytest.approx(-1 / np.log(10), abs=0.003)
    assert metrics.mean_log_rank(np.zeros(7), 1, np.arange(7)) == pytest.approx(np.log10(0.5))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9)), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_ranks_do_not_depend_on_how_ground_of_one_score_is_cut(rows):
    score, area = np.array(rows).T
    whole = metrics.ground_rank(score, area)
    assert metrics.ground_rank(np.repeat(score, 2), np.repeat(area / 2, 2))[::2] == pytest.approx(whole)
    assert whole == pytest.approx(1 - metrics.ground_rank(-score, area)), (
        "a reversed score has the other rank"
    )
    assert np.average(whole, weights=area) == pytest.approx(0.5)


def test_ranks_refuse_nan_and_deposits_on_no_ground():
    with pytest.raises(DataError, match="1 scores are NaN"):
        metrics.ground_rank([0.1, np.nan], 1)
    with pytest.raises(DataError, match="1 of them on no ground"):
        metrics.mean_log_rank([0.9, 0.1], [0, 1], [1, 1])
    with pytest.raises(DataError, match="0 deposits"):
        metrics.mean_log_rank([0.9, 0.1], 1, 0)


# ---- probabilities


def calibrated(seed, n):
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 6, n)
    return p, rng.random(n) < p


def test_a_thousand_calibrated_rows_have_an_error_of_3_percent_by_chance():
    errors = [metrics.calibration(*calibrated(seed, 1000)).error for seed in range(100)]
    assert np.mean(errors) == pytest.approx(0.025, abs=0.005)


def test_the_line_of_calibrated_probabilities_is_the_diagonal():
    p, ore = calibrated(6, 100_000)
    slope, intercept = metrics.calibration_line(p, ore)
    assert slope == pytest.approx(1, abs=0.03)
    assert intercept == pytest.approx(0, abs=0.06)


def test_the_line_agrees_with_scikit_learn_and_undoes_itself():
    p, ore = calibrated(7, 400)
    logit = np.log(p / (1 - p))
    ours = metrics.calibration_line(p, ore)
    theirs = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000).fit(logit[:, None], ore)
    assert ours == pytest.approx((theirs.coef_[0, 0], theirs.intercept_[0]), rel=1e-4, abs=1e-5)
    again = 1 / (1 + np.exp(-(ours[1] + ours[0] * logit)))
    assert metrics.calibration_line(again, ore) == pytest.approx((1, 0), abs=1e-7)
    assert metrics.expected_observed(again, ore) == pytest.approx(1), "the equation of the intercept"


@given(st.floats(0.2, 4), st.floats(-3, 3))
@settings(max_examples=25, deadline=None)
def test_stretched_and_shifted_logits_give_the_line_that_straightens_them(stretch, shift):
    p, ore = calibrated(8, 300)
    p = np.clip(p, 0.05, 0.95)
    slope, intercept = metrics.calibration_line(p, ore)
    moved = 1 / (1 + np.exp(-(shift + stretch * np.log(p / (1 - p)))))
    inside = np.abs(moved - 0.5) < 0.499999
    if inside.all():
        found = metrics.calibration_line(moved, ore)
        assert found == pytest.approx((slope / stretch, intercept - slope / stretch * shift), abs=1e-6)


@pytest.mark.parametrize(
    ("p", "ore"),
    [
        ([0.1, 0.2, 0.8, 0.9], [False, False, True, True]),
        ([0.1, 0.2, 0.8, 0.9], [True, True, False, False]),
        ([0.1, 0.5, 0.5, 0.9], [False, False, True, True]),
        ([0.1, 0.2, 0.8, 0.9], [True] * 4),
        ([0.1, 0.2, 0.8, 0.9], [False] * 4),
        ([0.3] * 4, [True, False, True, False]),
        ([0.1, np.nan, 0.8, 0.9], [True, False, True, False]),
    ],
)
def test_there_is_no_line_where_no_maximum_exists(p, ore):
    assert np.isnan(metrics.calibration_line(p, ore)).all()


def test_probabilities_of_0_and_1_still_give_a_line():
    assert np.isfinite(
        metrics.calibration_line([0, 0.2, 0.4, 1, 1, 0], [False, True, False, True, True, True])
    ).all()


def test_expected_over_observed():
    ore = np.array([True, False, False, True])
    assert metrics.expected_observed([0.5] * 4, ore) == 1
    assert metrics.expected_observed([1.0] * 4, ore) == 2
    assert np.isnan(metrics.expected_observed([0.1], [False]))


def test_the_brier_skill_of_the_base_rate_is_0_and_of_the_truth_1():
    p, ore = calibrated(9, 5000)
    assert metrics.brier_skill(np.full(len(ore), ore.mean()), ore) == pytest.approx(0)
    assert metrics.brier_skill(1.0 * ore, ore) == 1
    assert 0 < metrics.brier_skill(p, ore) < 1
    assert metrics.brier_skill(p, ore, np.full(len(ore), 0.3)) > metrics.brier_skill(p, ore), "a worse rival"
    assert metrics.brier_skill(p, ore, p) == pytest.approx(0)
    assert np.isnan(metrics.brier_skill([0.2], [False])), "a rival without error leaves nothing to save"
    assert np.isnan(metrics.brier_skill([0.2, np.nan], [False, True]))


# ---- DeLong


def placed_pair_by_pair(score, ore):
    psi = np.array([[1.0 * (x > y) + 0.5 * (x == y) for y in score[~ore]] for x in score[ore]])
    return psi.mean(axis=1), psi.mean(axis=0)


@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(2, 20))
@settings(max_examples=40, deadline=None)
def test_delong_agrees_with_the_definition_pair_by_pair(seed, m, n):
    rng = np.random.default_rng(seed)
    ore = rng.permutation(np.arange(m + n) < m)
    a, b = rng.integers(0, 6, (2, m + n)) + ore  # ties on purpose
    columns, rows = zip(*(placed_pair_by_pair(each, ore) for each in (a, b)), strict=True)
    covariance = np.cov(columns) / m + np.cov(rows) / n
    found = metrics.delong(a, ore, b)
    assert found.auc == pytest.approx(columns[0].mean())
    assert found.error**2 == pytest.approx(covariance[0, 0], abs=1e-12)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert found.difference == pytest.approx(columns[0].mean() - columns[1].mean())
    if variance > 1e-9:
        z = found.difference / np.sqrt(variance)
        assert found.z == pytest.approx(z)
        assert found.p == pytest.approx(math.erfc(abs(z) / math.sqrt(2)))


def test_delong_alone_with_a_twin_and_with_perfect_scores():
    ore = np.arange(40) < 15
    score = np.random.default_rng(3).normal(size=40) + ore
    alone, swapped = metrics.delong(score, ore), metrics.delong(-score, ore)
    assert (alone.difference, alone.z, alone.p) == (None, None, None)
    assert (swapped.low, swapped.high) == pytest.approx((1 - alone.high, 1 - alone.low))
    assert alone.high - alone.auc == pytest.approx(1.959964 * alone.error)
    twin = metrics.delong(score, ore, np.exp(score))
    assert twin.difference == 0
    assert np.isnan([twin.z, twin.p]).all()
    assert metrics.delong(1.0 * ore, ore)[:4] == (1, 0, 1, 1)
    with pytest.raises(DataError, match="at least 2"):
        metrics.delong(score, np.arange(40) < 1)


def test_delong_is_narrower_than_the_camps_interval_where_ore_is_clustered():
    predictions = table(np.random.default_rng(21), camps=12, repeats=1, folds=1, camp_sd=2.0, barren=300)
    fixed = metrics.delong(predictions.score, predictions.is_ore)
    low, high = metrics.summarise(predictions)["auc"]["ci95"]
    assert fixed.high - fixed.low < high - low


# ---- bands by camps

KINDS = ("prediction-rate", "roc", "precision-recall")


def bands(predictions, kind, **options):
    options = {"at": np.linspace(0, 1, 41), "seed": 1, "draws": 60} | options
    rank = options.pop("rank", None)
    rank = metrics.fold_percentile(predictions) if rank is None else rank
    columns = (predictions[name] for name in ("deposits", "is_ore", "camp"))
    return metrics.camp_bands(rank, 1.0, *columns, kind=kind, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_bands_agree_with_curves_of_rows_copied_as_often_as_their_camp_was_drawn(kind):
    predictions, at = table(np.random.default_rng(13), repeats=2), np.linspace(0, 1, 41)
    rank, curves = metrics.fold_percentile(predictions), []
    for times in camp_draws(10, 60, 1).astype(int):
        copies = np.where(predictions.camp > 0, np.append(0, times)[predictions.camp], 1)
        score, ore = np.repeat(rank, copies), np.repeat(predictions.is_ore, copies)
        if kind == "prediction-rate":
            curve = metrics.prediction_rate(rank, 1.0, predictions.deposits * (predictions.camp > 0) * copies)
            curves.append(np.interp(at, curve.x, curve.y))
        elif kind == "roc":
            curve = metrics.roc_curve(score, ore)
            curves.append(np.interp(at, curve.x, curve.y))
        else:
            curve = metrics.precision_recall(score, ore)
            reached = [np.flatnonzero((curve.x >= x - 1e-9) & (curve.x > 0))[0] for x in at]
            curves.append(curve.y[reached])
    low, high = bands(predictions, kind)
    assert low == pytest.approx(np.quantile(curves, 0.025, axis=0))
    assert high == pytest.approx(np.quantile(curves, 0.975, axis=0))


@pytest.mark.parametrize("kind", KINDS)
def test_bands_do_not_depend_on_order_or_on_copies_of_everything(kind):
    predictions = table(np.random.default_rng(14), repeats=1)
    rank = metrics.fold_percentile(predictions)
    plain = bands(predictions, kind, rank=rank)
    order = np.random.default_rng(0).permutation(len(rank))
    moved = bands(predictions.iloc[order], kind, rank=rank[order])
    copied = bands(pd.concat([predictions] * 3), kind, rank=np.tile(rank, 3))
    for other in (moved, copied):
        assert np.array(other) == pytest.approx(np.array(plain))
    more = bands(predictions.assign(deposits=predictions.deposits * 7), kind, rank=rank)
    assert np.array(more) == pytest.approx(np.array(plain)), "more deposits of the same camps narrow nothing"


def test_bands_hold_the_curve_and_need_8_camps():
    predictions = table(np.random.default_rng(15), camps=12, repeats=1)
    curve = metrics.prediction_rate(metrics.fold_percentile(predictions), 1.0, predictions.deposits)
    low, high = bands(predictions, "prediction-rate", at=curve.x, draws=2000)
    assert ((low <= curve.y + 1e-9) & (curve.y <= high + 1e-9)).all()
    assert (low[0], high[0], low[-1], high[-1]) == pytest.approx((0, 0, 1, 1))
    few = table(np.random.default_rng(15), camps=7)
    assert [bands(few, kind) for kind in KINDS] == [None] * 3


def test_camps_that_are_all_alike_leave_no_band():
    rows = pd.DataFrame({"camp": [*range(1, 10), *[0] * 9], "deposits": [2] * 9 + [0] * 9})
    rows = rows.assign(is_ore=rows.camp > 0)
    low, high = bands(rows, "prediction-rate", rank=np.where(rows.is_ore, 1.0, 0.0))
    assert low == pytest.approx(high)


def test_bands_refuse_what_they_cannot_draw():
    predictions = table(np.random.default_rng(16))
    with pytest.raises(UsageError, match="kind 'lift'"):
        bands(predictions, "lift")
    with pytest.raises(UsageError, match="divide percent by 100"):
        bands(predictions, "roc", at=[5, 10])
    with pytest.raises(DataError, match="lack a camp"):
        bands(predictions.assign(camp=0), "roc", rank=predictions.score)
    with pytest.raises(DataError, match="no deposit"):
        bands(predictions.assign(deposits=0), "prediction-rate", rank=predictions.score)


def test_captures_are_those_of_the_curve_averaged_over_repeats():
    predictions = table(np.random.default_rng(17), repeats=3)
    rank = metrics.fold_percentile(predictions)
    columns = (rank, 1.0, predictions.deposits, predictions.camp)
    found = metrics.capture_intervals(*columns, seed=0, repeat=predictions["repeat"])
    each = [
        metrics.capture(metrics.prediction_rate(rank[rows], 1.0, group.deposits), [0.05, 0.1, 0.2])
        for _, group in predictions.groupby("repeat")
        for rows in [group.index.to_numpy()]
    ]
    assert [entry["captured"] for entry in found] == pytest.approx(np.mean(each, axis=0))
    assert all(0 <= entry["low"] <= entry["captured"] <= entry["high"] <= 1 for entry in found)
    pooled = metrics.capture_intervals(*columns, seed=1)
    low, high = bands(predictions, "prediction-rate", at=[0.05, 0.1, 0.2], draws=2000)
    assert [entry["low"] for entry in pooled] == pytest.approx(low)
    assert [entry["high"] for entry in pooled] == pytest.approx(high)


# ---- the new entries of the summary

BY_RANK = ("mean_log_rank", "capture_5", "capture_10", "capture_20", "nd", "ln_nd", "lift_10")
OF_PROBABILITY = ("brier_skill", "calibration_slope", "calibration_intercept", "expected_observed", "ece")


def test_the_summary_states_each_measure_of_one_repeat_as_the_functions_do():
    predictions = table(np.random.default_rng(18), repeats=1)
    rank, p, ore = metrics.fold_percentile(predictions), predictions.probability, predictions.is_ore
    curve = metrics.prediction_rate(rank, 1.0, predictions.deposits)
    captured, crossed = metrics.capture(curve, [0.05, 0.1, 0.2]), metrics.prediction_area(curve)
    slope, intercept = metrics.calibration_line(p, ore)
    tenth = metrics.capture(metrics.prediction_rate(rank, 1.0, ore), 0.1)
    expected = {
        "mean_log_rank": metrics.mean_log_rank(rank, 1.0, predictions.deposits),
        "capture_5": captured[0],
        "capture_10": captured[1],
        "capture_20": captured[2],
        "nd": crossed["nd"],
        "ln_nd": crossed["ln_nd"],
        "lift_10": tenth / 0.1,
        "brier_skill": metrics.brier_skill(p, ore),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
        "expected_observed": metrics.expected_observed(p, ore),
        "ece": metrics.calibration(p, ore).error,
    }
    assert set(expected) == {*BY_RANK, *OF_PROBABILITY}
    summary = metrics.summarise(predictions)
    assert {name: summary[name]["mean"] for name in expected} == pytest.approx(expected)
    for name in expected:
        assert set(summary[name]) == {"mean", "sd_folds", "sd_repeats", "ci95"}
        assert (summary[name]["ci95"] is not None) == name.startswith(("capture", "mean_log")), name


def test_measures_by_rank_forget_what_a_fold_adds_to_its_scores():
    predictions = table(np.random.default_rng(19))
    shifted = predictions.assign(score=predictions.score + 10 * predictions.fold)
    first, second = (metrics.summarise(each) for each in (predictions, shifted))
    assert [first[name] for name in BY_RANK] == [second[name] for name in BY_RANK]


def test_the_skill_is_against_the_prevalence_in_training_where_it_is_given():
    predictions = table(np.random.default_rng(20), repeats=1).assign(prevalence=0.9)
    expected = metrics.brier_skill(predictions.probability, predictions.is_ore, 0.9)
    assert metrics.summarise(predictions)["brier_skill"]["mean"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("camps", "verdict"),
    [
        (7, "not enough to evaluate"),
        (8, "weak: fewer than 12 camps"),
        (11, "weak: fewer than 12 camps"),
        (12, ""),
    ],
)
def test_the_verdict_by_the_number_of_camps(camps, verdict):
    summary = metrics.summarise(table(np.random.default_rng(22), camps=camps))
    assert (summary["counts"]["camps"], summary["counts"]["verdict"]) == (camps, verdict)
    given = {name for name, entry in summary.items() if name != "counts" and entry["ci95"] is not None}
    named = {"auc", "recall_ore", "mean_log_rank", "capture_5", "capture_10", "capture_20"}
    assert given == (named if camps >= 8 else set())


def test_missing_and_extreme_probabilities_are_told():
    predictions = table(np.random.default_rng(23))
    predictions.loc[:2, "probability"] = [0.0, 1.0, 1e-9]
    summary = metrics.summarise(predictions)
    assert summary["counts"]["clipped"] == 3
    assert summary["calibration_slope"]["mean"] is not None
    predictions.loc[0, "probability"] = np.nan
    summary = metrics.summarise(predictions)
    assert [summary[name]["mean"] for name in OF_PROBABILITY] == [None] * 5


@pytest.mark.slow
def test_the_interval_does_not_cover_significantly_less_than_85_percent():
    """200 surveys of 20 ore areas in 15 camps; the same run is written down in docs/results."""
    spec = importlib.util.spec_from_file_location("interval_coverage", ROOT / "scripts/interval_coverage.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    written = json.loads((ROOT / "docs/results/interval_coverage.json").read_text(encoding="utf-8"))
    found = script.coverage(written["surveys"], written["seed"])
    assert written["surveys"] == 200
    assert found["p of so few, were the coverage the floor"] > 0.05
    assert found["mean auc"] == pytest.approx(found["true auc"], abs=0.02), "it aims at the truth"
    # another numpy may draw one survey otherwise
    assert found["covered"] == pytest.approx(written["covered"], abs=4)
    assert found["model"] == written["model"]
