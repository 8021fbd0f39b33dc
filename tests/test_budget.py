"""Ground to walk for each deposit found, and where it stops to pay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossan.budget import BudgetSettings, break_even, budget_problems, costs, walk_curve
from gossan.config import load_project
from gossan.errors import DataError, UsageError

MINIMAL = '[project]\ncrs = "EPSG:32649"\n[samples]\npath = "s"\n[deposits]\npath = "d"\n'


def walk(score, ground, deposits, camp=None, repeat=None, **options):
    camp = np.cumsum(np.asarray(deposits) > 0) * (np.asarray(deposits) > 0) if camp is None else camp
    repeat = np.zeros(len(score)) if repeat is None else repeat
    return walk_curve(score, ground, deposits, camp, repeat=repeat, seed=[0], **options)


def test_ground_and_deposits_add_up_from_the_best_area():
    found = walk([0.1, 0.9, 0.5, 0.7], [4.0, 1.0, 3.0, 2.0], [0, 1, 2, 0])
    np.testing.assert_allclose(found.ground, [1, 3, 6, 10])
    np.testing.assert_allclose(found.found, [1, 1, 3, 3])
    assert (found.deposits, found.camps) == (3, 2)
    assert found.low is None
    assert found.high is None


def test_tied_areas_share_what_they_hold():
    found = walk([1, 1, 1, 1], [1.0, 2.0, 3.0, 2.0], [0, 0, 2, 0])
    np.testing.assert_allclose(found.found, [0.5, 1.0, 1.5, 2.0])
    np.testing.assert_allclose(found.ground, [2, 4, 6, 8])


def test_repeats_are_averaged():
    one = walk([4, 3, 2, 1], np.ones(4), [1, 0, 0, 0])
    other = walk([1, 2, 3, 4], np.ones(4), [1, 0, 0, 0])
    both = walk([4, 3, 2, 1, 1, 2, 3, 4], np.ones(8), [1, 0, 0, 0] * 2, repeat=[0] * 4 + [1] * 4)
    np.testing.assert_allclose(both.found, (one.found + other.found) / 2)
    assert both.deposits == 1


scores = st.permutations(range(40))


@given(scores, st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_the_curve_is_that_of_plain_sums_and_its_band_holds_it(order, seed):
    rng = np.random.default_rng(seed)
    ground, deposits = rng.uniform(0.5, 2, 40), rng.poisson(1.0, 40)
    deposits[:10] += 1  # at least ten camps
    found = walk(np.array(order, float), ground, deposits)
    best = np.argsort(-np.array(order))
    np.testing.assert_allclose(found.ground, np.cumsum(ground[best]))
    np.testing.assert_allclose(found.found, np.cumsum(deposits[best]), atol=1e-9)
    assert (found.low <= found.found).all()
    assert (found.found <= found.high).all()
    assert found.low[-1] < found.deposits < found.high[-1] or (deposits[deposits > 0] == deposits.max()).all()


def test_a_score_without_meaning_walks_as_much_as_at_random():
    rng = np.random.default_rng(0)
    n, repeats = 200, 400
    deposits = np.zeros(n)
    deposits[:12] = 1
    found = walk(
        rng.random(n * repeats),
        np.ones(n * repeats),
        np.tile(deposits, repeats),
        camp=np.tile(np.arange(1, n + 1) * (deposits > 0), repeats),
        repeat=np.repeat(np.arange(repeats), n),
        draws=50,
    )
    np.testing.assert_allclose(found.found, 12 * np.arange(1, n + 1) / n, atol=0.4)


def test_the_break_even_of_an_example_by_hand():
    found = walk([5, 4, 3, 2, 1], np.ones(5), [0, 2, 0, 1, 0])  # finds 0, 2, 2, 3, 3
    cost = costs(found, BudgetSettings(cost_per_target=10.0, value_per_hit=14.0))
    np.testing.assert_allclose(cost, [10, 20, 30, 40, 50])
    even = break_even(found, cost, 14.0)  # gains -10, 8, -2, 2, -8
    assert (even.rank, even.best, even.gain) == (4, 2, 8.0)
    assert (even.low, even.high) == (None, None)
    assert break_even(found, cost, 20.0).rank == 5  # 3 x 20 - 50 = 10
    assert break_even(found, cost, 40 / 3).rank == 4  # a gain of exactly nothing
    never = break_even(found, cost, 9.0)  # 2 x 9 < 20, 3 x 9 < 40
    assert (never.rank, never.best, never.gain) == (0, 0, 0.0)


def test_a_cost_by_ground_counts_the_ground():
    found = walk([2, 1], [1.0, 3.0], [1, 1])
    cost = costs(found, BudgetSettings(cost_per_km2=5.0, value_per_hit=9.0))
    np.testing.assert_allclose(cost, [5, 20])
    assert break_even(found, cost, 9.0).rank == 1
    assert costs(found, BudgetSettings()) is None


def test_the_interval_is_that_of_the_draws_whatever_they_are_cut_into(monkeypatch):
    rng = np.random.default_rng(3)
    deposits = np.where(rng.random(60) < 0.3, rng.integers(1, 6, 60), 0)
    found = walk(rng.permutation(60).astype(float) + 30 * (deposits > 0), np.ones(60), deposits)
    cost = 10.0 * np.arange(1, 61)
    even = break_even(found, cost, 9.0)
    gain = 9.0 * found.drawn(0, 60) - cost
    ranks = np.array([np.flatnonzero(row >= -1e-9).max(initial=-1) + 1 for row in gain])
    assert even.low <= even.rank <= even.high
    assert (ranks < even.low).mean() <= 0.025
    assert (ranks > even.high).mean() <= 0.025
    assert even.low < even.high
    monkeypatch.setattr("gossan.budget._CHUNK", 7)
    assert break_even(found, cost, 9.0) == even


def test_a_higher_value_never_breaks_even_earlier():
    found = walk(np.arange(30.0)[::-1], np.ones(30), np.tile([1, 0, 0], 10))
    ranks = [break_even(found, 10.0 * np.arange(1, 31), value).rank for value in np.linspace(5, 60, 23)]
    assert ranks == sorted(ranks)
    assert ranks[0] < ranks[-1]


def test_what_cannot_be_is_refused():
    with pytest.raises(DataError, match="NaN"):
        walk([np.nan, 1], [1, 1], [1, 0])
    with pytest.raises(DataError, match="deposit"):
        walk([2, 1], [1, 1], [0, 0])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("cost_per_target = 5\ncost_per_km2 = 6\nvalue_per_hit = 7", "both given"),
        ("cost_per_km2 = 6", "without budget.value_per_hit"),
        ("value_per_hit = 6", "without a cost"),
        ("cost_per_km2 = 0\nvalue_per_hit = 6", "must be above 0"),
    ],
)
def test_half_a_budget_is_refused_in_one_line(tmp_path, lines, said):
    (tmp_path / "p.toml").write_text(f"{MINIMAL}[budget]\n{lines}\n")
    with pytest.raises(UsageError, match=said) as caught:
        load_project(tmp_path / "p.toml")
    assert "\n" not in str(caught.value)
    assert budget_problems(BudgetSettings()) == []
