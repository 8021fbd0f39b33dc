import tracemalloc
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.over_sampling import SMOTE

from gossan.balance import (
    BalanceSettings,
    epoch_order,
    inner_products,
    mix,
    ore_share,
    plan_balance,
    smote_parents,
)
from gossan.errors import DataError, UsageError


def windows_of(n, seed=0, channels=3, size=8):
    return np.random.default_rng(seed).uniform(-1, 1, (n, channels, size, size)).astype(np.float32)


def plan_of(is_ore, method="smote", *, seed=0, protocol="strict", batch=None, **options):
    is_ore = np.asarray(is_ore, dtype=bool)
    batch = windows_of(len(is_ore)) if batch is None else batch
    gram = inner_products(lambda index: batch[index], np.flatnonzero(is_ore))
    return plan_balance(
        is_ore, BalanceSettings(method=method, **options), gram=gram, seed=seed, protocol=protocol
    )


@given(st.integers(2, 30), st.integers(1, 60), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_mixed_windows_equal_imbalanced_learn_on_whole_windows(n, count, state):
    batch = windows_of(n, seed=state)
    flat = np.vstack((batch.reshape(n, -1), np.zeros((n + count, batch[0].size), dtype=np.float32)))
    label = np.arange(len(flat)) < n
    sampler = SMOTE(sampling_strategy={True: n + count}, k_neighbors=min(5, n - 1), random_state=state)
    expected = sampler.fit_resample(flat, label)[0][len(flat) :].reshape(count, *batch.shape[1:])
    gram = inner_products(lambda index: batch[index], np.arange(n))
    first, second, share = smote_parents(gram, count, random_state=state)
    mixed = mix(batch[first], batch[second], share.astype(np.float32), nearest=False)
    np.testing.assert_allclose(mixed, expected, rtol=0, atol=4e-7)


def test_parents_are_among_the_five_nearest_and_the_first_is_the_nearer():
    batch = windows_of(20)
    flat = batch.reshape(20, -1)
    distance = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
    nearest = np.argsort(distance, axis=1)[:, 1:6]
    gram = inner_products(lambda index: batch[index], np.arange(20))
    first, second, share = smote_parents(gram, 500, random_state=3)
    assert share.min() >= 0
    assert share.max() <= 0.5
    for a, b in zip(first, second, strict=True):
        assert b in nearest[a] or a in nearest[b]


def test_equal_windows_can_be_mixed_and_two_are_enough():
    same = np.repeat(windows_of(1), 2, axis=0)
    first, second, _ = smote_parents(inner_products(lambda i: same[i], [0, 1]), 10, random_state=0)
    assert {frozenset(pair) for pair in zip(first, second, strict=True)} == {frozenset({0, 1})}


def test_the_papers_factor_of_four_gives_three_synthetic_windows_for_each_real_one():
    plan = plan_of(np.arange(342) < 56)
    assert plan.is_ore.sum() == 224
    assert len(plan) - plan.is_ore.sum() == 286
    np.testing.assert_array_equal(plan.first[:342], np.arange(342))
    np.testing.assert_array_equal(plan.second[:342], np.arange(342))
    assert not plan.share[:342].any()
    assert not plan.noise[:342].any()
    np.testing.assert_allclose(plan.noise[342:], 0.1, rtol=1e-6)
    assert plan.is_ore[342:].all()
    assert (plan.first[342:] < 56).all()
    assert (plan.second[342:] < 56).all()
    assert (plan.weight == 1).all()


def test_the_papers_protocol_copies_barren_windows_with_noise_as_in_286_to_300():
    plan = plan_of(np.arange(342) < 56, protocol="paper")
    assert plan.is_ore.sum() == 224
    assert (~plan.is_ore).sum() == 300
    copies = np.flatnonzero(~plan.is_ore)[286:]
    np.testing.assert_array_equal(plan.first[copies], plan.second[copies])
    assert len(set(plan.first[copies])) == 14
    assert (plan.first[copies] >= 56).all()
    assert (plan.noise[copies] > 0).all()


def test_ore_never_outnumbers_barren_windows_but_under_the_papers_protocol():
    is_ore = np.arange(30) < 12
    assert plan_of(is_ore).is_ore.sum() == 18
    assert plan_of(is_ore, protocol="paper").is_ore.sum() == 48
    assert plan_of(np.arange(30) < 20).is_ore.sum() == 20


@given(st.integers(2, 20), st.integers(1, 60), st.floats(1, 6), st.sampled_from(["strict", "paper"]))
@settings(max_examples=40, deadline=None)
def test_synthetic_ore_has_ore_parents_and_copies_barren_ones(n_ore, n_barren, factor, protocol):
    is_ore = np.random.default_rng(n_ore).permutation(np.arange(n_ore + n_barren) < n_ore)
    plan = plan_of(is_ore, factor=factor, protocol=protocol, copies=0.5)
    np.testing.assert_array_equal(plan.is_ore, is_ore[plan.first])
    np.testing.assert_array_equal(plan.is_ore, is_ore[plan.second])
    total = round(factor * n_ore)
    assert plan.is_ore.sum() == (total if protocol == "paper" else max(n_ore, min(total, n_barren)))
    assert (~plan.is_ore).sum() == n_barren + round(0.5 * n_barren)


def test_the_same_seed_gives_the_same_plan_and_another_seed_another():
    is_ore = np.arange(40) < 9
    one, two, other = (plan_of(is_ore, seed=seed) for seed in ([1, 2], [1, 2], [1, 3]))
    np.testing.assert_array_equal(one.share, two.share)
    np.testing.assert_array_equal(one.first, two.first)
    assert (one.share != other.share).any()


def test_inner_products_are_the_same_whatever_the_block():
    batch = windows_of(23)
    index = np.random.default_rng(1).permutation(23)[:19]
    flat = batch[index].reshape(19, -1).astype(np.float64)
    for block in (1, 4, 16, 100):
        gram = inner_products(lambda i: batch[i], index, block=block)
        np.testing.assert_allclose(gram, flat @ flat.T, rtol=1e-12, atol=1e-9)


def test_a_plan_for_the_papers_windows_takes_little_memory():
    is_ore = np.arange(342) < 56

    def read(index):
        return np.stack(
            [np.random.default_rng(i).normal(size=(10, 128, 128)).astype(np.float32) for i in index]
        )

    tracemalloc.start()
    gram = inner_products(read, np.flatnonzero(is_ore)[:24], block=8)
    plan_balance(is_ore[32:], BalanceSettings(), gram=gram, seed=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60e6  # all 342 windows would take 224 MB


def test_classes_come_from_the_nearer_parent_or_are_mixed():
    first, second = np.zeros((3, 2, 1, 1), np.float32), np.ones((3, 2, 1, 1), np.float32)
    share, classes = np.float32([0.2, 0.5, 0.75]), np.array([False, True])
    near = mix(first, second, share, class_channels=classes, nearest=True)
    np.testing.assert_array_equal(near[:, :, 0, 0], np.float32([[0.2, 0], [0.5, 0], [0.75, 1]]))
    paper = mix(first, second, share, class_channels=classes, nearest=False)
    np.testing.assert_array_equal(paper[:, 1, 0, 0], share)
    assert near.dtype == np.float32
    assert not first.any()


def test_class_weights_give_both_classes_the_same_weight_and_one_on_average():
    plan = plan_of(np.arange(50) < 5, "weights")
    assert len(plan) == 50
    assert plan.weight[plan.is_ore].sum() == pytest.approx(25)
    assert plan.weight[~plan.is_ore].sum() == pytest.approx(25)
    assert ore_share(plan, BalanceSettings("weights")) == pytest.approx(0.5)


def test_the_share_of_ore_is_the_one_that_training_saw():
    is_ore = np.arange(342) < 56
    assert ore_share(plan_of(is_ore), BalanceSettings()) == pytest.approx(224 / 510)
    assert ore_share(plan_of(is_ore, "none"), BalanceSettings("none")) == pytest.approx(56 / 342)
    assert ore_share(plan_of(is_ore, "batches"), BalanceSettings("batches")) == 0.5


@given(st.integers(1, 20), st.integers(1, 60), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_balanced_batches_are_half_ore_and_use_every_window_of_a_class_alike(n_ore, n_barren, seed):
    n = n_ore + n_barren
    plan, how = plan_of(np.arange(n) < n_ore, "batches"), BalanceSettings("batches")
    order = epoch_order(plan, how, np.random.default_rng(seed))
    assert len(order) == n
    for start in range(0, n - 3, 4):
        assert plan.is_ore[order[start : start + 4]].sum() == 2
    for part in (plan.is_ore, ~plan.is_ore):
        often = Counter(order[part[order]].tolist())
        counts = [often[i] for i in np.flatnonzero(part)]
        assert max(counts) - min(counts) <= 1


def test_an_epoch_without_batches_draws_every_window_once_in_another_order_each_time():
    plan, rng = plan_of(np.arange(30) < 5), np.random.default_rng(0)
    one, two = (epoch_order(plan, BalanceSettings(), rng) for _ in range(2))
    assert sorted(one) == sorted(two) == list(range(len(plan)))
    assert (one != two).any()


def test_too_few_ore_windows_are_refused():
    with pytest.raises(DataError, match=r"1 ore and 9 barren .* at least 2 and 1"):
        plan_of(np.arange(10) < 1)
    with pytest.raises(DataError, match="10 ore and 0 barren"):
        plan_of(np.arange(10) < 10, "none")
    with pytest.raises(DataError, match="0 ore and 10 barren"):
        plan_of(np.arange(10) < 0, "weights")
    assert len(plan_of(np.arange(10) < 1, "none")) == 10


@pytest.mark.parametrize(
    "options", [{"factor": 0.5}, {"noise_variance": -1}, {"copies": 1.5}, {"copies": -0.1}]
)
def test_settings_outside_their_range_are_refused(options):
    with pytest.raises(UsageError, match=r"balance\.factor"):
        plan_of(np.arange(10) < 4, **options)


def test_smote_needs_the_inner_products_of_the_ore_windows():
    with pytest.raises(UsageError, match="None given for 4 ore windows"):
        plan_balance(np.arange(10) < 4, BalanceSettings(), seed=0)
    with pytest.raises(UsageError, match=r"\(3, 3\) given for 4"):
        plan_balance(np.arange(10) < 4, BalanceSettings(), gram=np.eye(3), seed=0)


def test_missing_values_are_refused_with_their_number():
    batch = windows_of(5)
    batch[2, 0, 0, 0] = np.nan
    with pytest.raises(DataError, match="1 of 5 windows hold missing values"):
        inner_products(lambda index: batch[index], np.arange(5), block=2)
