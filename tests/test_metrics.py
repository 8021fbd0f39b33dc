"""Metrics: what must be true, the paper's Table 2, scikit-learn, and the interval's coverage."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from gossan import metrics
from gossan.errors import DataError, UsageError

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


def test_area_under_the_prediction_rate_is_half_pi_plus_one_minus_pi_auc():
    rng = np.random.default_rng(0)
    ore = rng.random(500) < 0.1
    score = rng.permutation(500) + 100 * ore + rng.random(500) / 2  # no ties
    curve = metrics.prediction_rate(score, np.full(500, 0.64), ore.astype(int))
    pi = ore.mean()
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
