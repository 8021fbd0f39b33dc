import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from gossan.errors import DesignWarning, UsageError
from gossan.grid import make_grid
from gossan.targets import TargetSettings, choose_targets, coverage, describe_areas, hidden_found
from gossan.windows import cut_windows, deposits_in

GRID = make_grid((500_000.0, 3_000_000.0, 501_600.0, 3_001_600.0), 10.0, "EPSG:32649")


def areas_of(score, known=0, valid=1.0, **columns):
    """Areas with the given scores, numbered from 1."""
    n = len(score)
    table = {"number": np.arange(1, n + 1), "score": np.asarray(score, float), "valid_share": valid}
    return pd.DataFrame({**table, "known_deposits": known, **columns})


def map_areas():
    """16 areas of 400 m each on GRID."""
    return cut_windows(GRID, 40)


def centre_of(number):
    row, col = divmod(number - 1, 4)
    return [500_200.0 + 400 * col, 3_001_400.0 - 400 * row]


def test_the_best_tenth_of_the_open_ground_is_proposed_ranked_from_one():
    score = np.arange(110) / 110
    known = (np.arange(110) >= 100).astype(int)  # the ten best hold a known deposit
    targets = choose_targets(areas_of(score, known), TargetSettings())
    assert targets["number"].tolist() == list(range(100, 90, -1))
    assert targets["rank"].tolist() == list(range(1, 11))
    assert targets["score"].is_monotonic_decreasing
    assert list(targets.columns[:2]) == ["number", "rank"]


def test_equal_scores_are_ranked_by_number():
    areas = areas_of([0.5, 0.9, 0.9, 0.9, 0.1]).sample(frac=1, random_state=1)
    assert choose_targets(areas, TargetSettings(budget=0.4))["number"].tolist() == [2, 3]


def test_the_budget_counts_valid_ground_not_areas():
    areas = areas_of([0.9, 0.8, 0.7, 0.6], valid=[0.5, 0.5, 1.0, 1.0])
    assert choose_targets(areas, TargetSettings(budget=1 / 3))["number"].tolist() == [1, 2]
    assert choose_targets(areas, TargetSettings(budget=0.3))["number"].tolist() == [1]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.5, 1), st.integers(0, 1)), min_size=1, max_size=60),
    st.floats(0.01, 1),
)
@settings(max_examples=80, deadline=None)
def test_targets_are_open_within_the_budget_and_nothing_left_out_is_better(rows, budget):
    score, valid, known = map(np.array, zip(*rows, strict=True))
    areas = areas_of(score, known, valid)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        targets = choose_targets(areas, TargetSettings(budget=budget))
    assert (targets["known_deposits"] == 0).all()
    open_ground = valid[known == 0].sum()
    assert targets["valid_share"].sum() <= budget * open_ground + 1e-6
    left = areas[(known == 0) & ~areas["number"].isin(targets["number"])]
    if len(targets) and len(left):
        assert left["score"].max() <= targets["score"].min()
        following = left.sort_values(["score", "number"], ascending=[False, True]).iloc[0]
        assert targets["valid_share"].sum() + following["valid_share"] > budget * open_ground
    if budget == 1:
        assert left.empty


def test_the_vote_the_crossing_and_a_number_choose_by_themselves():
    areas = areas_of([0.9, 0.7, 0.4, 0.2, 0.95], known=[0, 0, 0, 0, 2], vote=[True, False, True, False, True])
    assert choose_targets(areas, TargetSettings("vote"))["number"].tolist() == [1, 3]
    shares = areas.assign(vote=[0.4, 0.5, 1.0, 0.0, 1.0])
    assert choose_targets(shares, TargetSettings("vote"))["number"].tolist() == [2, 3]
    by_crossing = choose_targets(areas, TargetSettings("prediction-area"), crossing=0.7)
    assert by_crossing["number"].tolist() == [1, 2]
    assert choose_targets(areas, TargetSettings(0.3))["number"].tolist() == [1, 2, 3]


def test_areas_without_a_score_are_neither_ground_nor_targets():
    areas = areas_of([0.9, np.nan, 0.1, 0.2])
    assert choose_targets(areas, TargetSettings(budget=0.34))["number"].tolist() == [1]
    assert choose_targets(areas, TargetSettings(0.0))["number"].tolist() == [1, 4, 3]


def test_no_target_is_said_aloud():
    with pytest.warns(DesignWarning, match="none of 2 areas without a known deposit"):
        assert choose_targets(areas_of([0.5, 0.6]), TargetSettings()).empty
    with pytest.warns(DesignWarning, match="none of 0 areas"):
        assert choose_targets(areas_of([0.5, 0.6], known=1), TargetSettings()).empty


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (TargetSettings(budget=0), "above 0 to 1"),
        (TargetSettings(budget=1.1), "above 0 to 1"),
        (TargetSettings("vote"), "without votes"),
        (TargetSettings("prediction-area"), "without a crossing"),
        (TargetSettings(1.5), "numbers from 0 to 1"),
        (TargetSettings("best"), "'best' given"),
    ],
)
def test_settings_that_cannot_be_followed_are_refused(setting, message):
    with pytest.raises(UsageError, match=message):
        choose_targets(areas_of([0.5, 0.6]), setting)


def test_an_area_is_described_by_its_centre_its_ground_and_what_is_known():
    deposits = np.array([centre_of(1), [500_400.0, 3_001_300.0], centre_of(16)])  # the second: west edge of 2
    areas = map_areas().assign(score=0.5, valid_share=0.75)
    described = describe_areas(areas, GRID, deposits).set_index("number")
    assert described.loc[6, ["easting", "northing"]].tolist() == centre_of(6)
    assert described.loc[6, "area_km2"] == pytest.approx(0.75 * 0.16)
    assert described["known_deposits"].tolist() == deposits_in(areas, GRID, deposits).tolist()
    assert described.loc[[1, 2, 16, 6], "known_deposits"].tolist() == [1, 1, 1, 0]
    assert described.loc[1, "nearest_known_m"] == 0
    assert described.loc[5, "nearest_known_m"] == np.hypot(200, 300)
    assert described.loc[15, "nearest_known_m"] == 400
    assert (described["score_mean"] == 0.5).all()
    assert (described["score_max"] == 0.5).all()
    assert described["spread"].isna().all()
    back = Transformer.from_crs("EPSG:4326", "EPSG:32649", always_xy=True)
    place = back.transform(described.loc[6, "longitude"], described.loc[6, "latitude"])
    np.testing.assert_allclose(place, centre_of(6), atol=1e-3)
    assert 110 < described.loc[6, "longitude"] < 112
    assert 27 < described.loc[6, "latitude"] < 28


def test_given_spread_and_scores_are_kept_and_no_deposit_means_no_distance():
    areas = map_areas().assign(score=0.5, score_max=0.7, spread=0.1)
    described = describe_areas(areas, GRID, np.empty((0, 2)))
    assert (described["score_max"] == 0.7).all()
    assert (described["score_mean"] == 0.5).all()
    assert (described["spread"] == 0.1).all()
    assert described["nearest_known_m"].isna().all()
    assert not described["known_deposits"].any()
    assert "easting" not in areas


def test_targets_of_described_areas_carry_the_columns_of_the_contract_first():
    areas = describe_areas(map_areas().assign(score=np.arange(16) / 16), GRID, [centre_of(16)])
    targets = choose_targets(areas, TargetSettings(budget=0.2))
    expected = (
        "number rank easting northing longitude latitude area_km2 "
        "score_mean score_max spread known_deposits nearest_known_m"
    )
    assert " ".join(targets.columns[:12]) == expected
    assert targets["number"].tolist() == [15, 14, 13]


def test_coverage_keeps_predicted_and_fitted_apart():
    known = [3, 2, 0, 0, 0, 0, 0, 0, 0, 1]
    predicted = [0.9, 0.1, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.0]
    fitted = [0.9, 0.8, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.7]
    found = coverage(areas_of(predicted, known, final=fitted), budget=0.3)
    assert found == {"budget": 0.3, "known": 6, "predicted": 3, "fitted": 6}
    assert coverage(areas_of(predicted, known), budget=0.3)["fitted"] is None


def test_coverage_of_all_ground_is_all_deposits_and_unscored_areas_are_no_ground():
    areas = areas_of([0.2, np.nan, 0.4], known=[1, 5, 2], final=[0.1, 0.2, 0.3])
    assert coverage(areas, budget=1.0) == {"budget": 1.0, "known": 3, "predicted": 3, "fitted": 3}


def described(score, known=((1,),)):
    deposits = [centre_of(number) for (number,) in known]
    return describe_areas(map_areas().assign(score=score), GRID, deposits)


def test_a_score_that_points_at_the_hidden_deposits_finds_all_and_its_reverse_none():
    hidden = [centre_of(8), centre_of(11), centre_of(11)]
    score = np.isin(np.arange(1, 17), [8, 11]) + np.linspace(0, 0.1, 16)
    found = hidden_found(described(score), hidden, GRID, budget=2 / 15, rivals={"reverse": -score})
    assert found["found_share"] == pytest.approx(1)
    assert found["rivals"]["reverse"] == 0
    assert found["count"] == 3
    assert found["elsewhere"] == 0
    assert found["chance"] == 2 / 15


def test_hidden_deposits_beside_known_ones_or_off_the_map_are_not_open_ground():
    hidden = [centre_of(1), [0.0, 0.0], centre_of(7)]
    found = hidden_found(described(np.linspace(1, 0, 16)), hidden, GRID, budget=6 / 15)
    assert found["count"] == 1
    assert found["elsewhere"] == 2
    assert found["found_share"] == pytest.approx(1)  # area 7 is the sixth of the open ones


def test_nearness_to_known_deposits_is_the_rival_and_equal_scores_count_in_proportion():
    hidden = [centre_of(2)]  # as near to the known deposit as area 5
    found = hidden_found(described(np.zeros(16)), hidden, GRID, budget=1 / 15)
    assert found["distance_share"] == pytest.approx(0.5)
    assert found["found_share"] == pytest.approx(1 / 15)  # all areas score alike: chance


@pytest.mark.parametrize("budget", [0.03, 0.1, 0.5, 0.9])
def test_a_score_without_meaning_finds_the_budget_on_average(budget):
    rng = np.random.default_rng(0)
    draws = {str(draw): rng.random(16) for draw in range(400)}
    everywhere = [centre_of(number) for number in range(2, 17)]
    found = hidden_found(described(np.zeros(16)), everywhere, GRID, budget=budget, rivals=draws)
    assert list(found["rivals"].values()) == pytest.approx([budget] * 400)
    found = hidden_found(described(np.zeros(16)), everywhere[3:4], GRID, budget=budget, rivals=draws)
    standard_error = np.sqrt(budget * (1 - budget) / 400)
    assert abs(np.mean(list(found["rivals"].values())) - budget) < 3 * standard_error


def test_shares_are_empty_where_there_is_nothing_to_find_or_nothing_known():
    assert hidden_found(described(np.zeros(16)), np.empty((0, 2)), GRID)["found_share"] is None
    found = hidden_found(described(np.zeros(16), known=()), [centre_of(3)], GRID)
    assert found["distance_share"] is None
    assert found["found_share"] == pytest.approx(0.1)
