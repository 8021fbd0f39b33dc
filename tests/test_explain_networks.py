"""Looks inside networks against the networks themselves."""

import builtins
import sys

import numpy as np
import pytest
import torch

from fake_windows import FakeWindows, planted
from gossan.balance import BalanceSettings
from gossan.errors import DataWarning, UsageError
from gossan.explain import (
    Group,
    agreement,
    attention_weights,
    integrated_gradients,
    reasons,
    spatial_maps,
)
from gossan.models import ModelSettings, TrainingSettings, make_scorer
from gossan.models.base import Prediction

GROUPS = [Group("pair", ("layer 0", "layer 1")), Group("noise", ("layer 2",))]


def fitted(name="mfaf-shufflenet-v2", *, epochs=1, ensemble=1, **model):
    windows, is_ore = planted(n=16, channels=4)
    windows.valid_channel = 3
    windows.values[:, 3] = 1
    scorer = make_scorer(
        name,
        model=ModelSettings(name=name, **{"rates": (1, 3), "width": 0.5} | model)
        if name.startswith("mfaf")
        else ModelSettings(name=name, width=0.5),
        training=TrainingSettings(preset="fast", epochs=epochs, ensemble=ensemble, device="cpu"),
    )
    return scorer.fit(windows, is_ore, balance=BalanceSettings(method="none"), seed=[0]), windows


@pytest.fixture(scope="module")
def mfaf():
    return fitted(ensemble=2)


class TestAttention:
    def test_the_table_holds_the_networks_weights_by_factor_and_branch(self, mfaf):
        scorer, windows = mfaf
        table = attention_weights(scorer, windows)
        assert list(table["factor"]) == list(windows.channels) * 2
        assert list(table["branch"]) == [1] * 4 + [3] * 4
        assert table["mean"].between(0, 1, inclusive="neither").all()
        x = torch.from_numpy(windows.values)
        with torch.no_grad():
            each = np.stack([net.eval().channel_weights(x).numpy() for net in scorer.members_])
        np.testing.assert_allclose(table["mean"], each.mean(axis=(0, 2)).ravel(), atol=1e-6)
        np.testing.assert_allclose(table["sd"], each.mean(axis=0).std(axis=1).ravel(), atol=1e-6)
        assert "not causes" in table.attrs["note"]

    def test_mixed_branches_have_no_weight_per_factor_and_say_so(self):
        scorer, windows = fitted(mix=True)
        table = attention_weights(scorer, windows)
        assert list(table["factor"][:2]) == ["mixed map 1", "mixed map 2"]
        assert "no weight belongs to one" in table.attrs["note"]

    def test_spatial_maps_cover_the_window_and_are_the_networks_mean(self, mfaf):
        scorer, windows = mfaf
        maps = spatial_maps(scorer, windows)
        assert maps.shape == (16, 16, 16)
        assert maps.dtype == np.float32
        assert ((maps > 0) & (maps < 1)).all()
        x = torch.from_numpy(windows.values)
        with torch.no_grad():
            cells = np.stack([net.eval().spatial_weights(x).numpy() for net in scorer.members_]).mean(
                axis=(0, 1)
            )
        assert maps.max() <= cells.max() + 1e-6
        # bilinear spreading keeps the corners
        np.testing.assert_allclose(maps[:, 0, 0], cells[:, 0, 0], atol=1e-6)

    @pytest.mark.filterwarnings("ignore:the integrated gradients")  # few steps, kinked network
    def test_looking_changes_neither_scores_nor_random_numbers(self, mfaf):
        scorer, windows = mfaf
        before, state = scorer.predict(windows).score, torch.get_rng_state()
        attention_weights(scorer, windows)
        integrated_gradients(scorer, windows, GROUPS, steps=8)
        np.testing.assert_array_equal(scorer.predict(windows).score, before)
        assert torch.equal(torch.get_rng_state(), state)

    def test_models_without_it_are_refused(self):
        scorer, windows = fitted("shufflenet-v2")
        with pytest.raises(UsageError, match="only MFAF has attention"):
            attention_weights(scorer, windows)
        forest = make_scorer("random-forest")
        with pytest.raises(UsageError, match="needs a network"):
            spatial_maps(forest, windows)
        bare, windows = fitted(channel_attention=False, spatial_attention=False)
        with pytest.raises(UsageError, match="no channel attention"):
            attention_weights(bare, windows)
        with pytest.raises(UsageError, match="no spatial attention"):
            spatial_maps(bare, windows)


def test_agreement_is_the_share_of_branches_that_vote_as_the_model():
    branches = np.array([[0.9, 0.9, 0.1], [0.8, 0.2, 0.2], [0.7, 0.1, 0.9]])
    answer = Prediction(branches.mean(axis=0), np.array([True, False, False]), branches, branches[:1])
    np.testing.assert_allclose(agreement(answer), [1, 2 / 3, 2 / 3])


class Smooth(torch.nn.Module):
    """Two branches of a small network without kinks, whose integral a few steps take exactly."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(4, 6, 3, padding=1)
        self.head = torch.nn.Linear(6, 4)

    def forward(self, x):
        found = self.head(torch.tanh(self.conv(x)).mean(dim=(2, 3)))
        return found.reshape(len(x), 2, 2).movedim(1, 0)


class Sum(torch.nn.Module):
    def forward(self, x):
        total = (2 * x[:, 0] - x[:, 2]).sum(dim=(1, 2))
        return torch.stack([torch.zeros_like(total), total], dim=-1)[None]


class Step(torch.nn.Module):
    def forward(self, x):
        total = 10 * torch.sign(x[:, 0].sum(dim=(1, 2))) + 0 * x.sum(dim=(1, 2, 3))
        return torch.stack([torch.zeros_like(total), total], dim=-1)[None]


@pytest.fixture
def wrapped(mfaf, monkeypatch):
    """Return a scorer whose ensemble is the networks given, and its windows."""

    def wrap(*networks):
        monkeypatch.setattr(mfaf[0], "members_", list(networks))
        return mfaf

    return wrap


class TestIntegratedGradients:
    def test_they_add_up_to_the_margin_less_that_of_the_empty_window(self, wrapped):
        net = Smooth()
        scorer, windows = wrapped(net, net)
        found = integrated_gradients(scorer, windows, GROUPS)
        assert found.shape == (16, 2, 16, 16)
        assert found.dtype == np.float32
        empty = windows.values.copy()
        empty[:, :3] = 0

        def margin(values):
            with torch.no_grad():
                logits = net(torch.from_numpy(values)).numpy()
            return (logits[..., 1] - logits[..., 0]).mean(axis=0)

        expected = margin(windows.values) - margin(empty)
        assert np.abs(expected).max() > 0.01
        np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), expected, rtol=1e-3, atol=1e-5)

    def test_those_of_a_linear_network_are_its_terms_pixel_by_pixel(self, wrapped):
        scorer, windows = wrapped(Sum())
        found = integrated_gradients(scorer, windows, GROUPS, steps=8, batch=5)
        np.testing.assert_allclose(found[:, 0], 2 * windows.values[:, 0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found[:, 1], -windows.values[:, 2], rtol=1e-5, atol=1e-6)

    def test_the_batch_does_not_matter(self, wrapped):
        scorer, windows = wrapped(Smooth())
        one, many = (integrated_gradients(scorer, windows, GROUPS, steps=8, batch=n) for n in (1, 16))
        np.testing.assert_allclose(one, many, atol=1e-6)

    def test_a_group_that_is_not_read_gets_nothing(self, wrapped):
        scorer, windows = wrapped(Smooth())
        found = integrated_gradients(scorer, windows, [*GROUPS, Group("Hg", ("Hg",))], steps=8)
        assert (found[:, 2] == 0).all()

    def test_gradients_that_do_not_add_up_warn(self, wrapped):
        with pytest.warns(DataWarning, match="of 16 windows, 8 steps, miss"):
            integrated_gradients(*wrapped(Step()), GROUPS, steps=8)

    def test_without_captum_the_message_names_what_to_install(self, mfaf, monkeypatch):
        real = builtins.__import__

        def refuse(name, *arguments, **options):
            if name.startswith("captum"):
                raise ImportError(name)
            return real(name, *arguments, **options)

        for name in [name for name in sys.modules if name.startswith("captum")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(builtins, "__import__", refuse)
        with pytest.raises(UsageError, match=r"pip install 'gossan\[explain\]'"):
            integrated_gradients(*mfaf, GROUPS)

    def test_too_few_steps_and_other_models_are_refused(self, mfaf):
        with pytest.raises(UsageError, match="4 steps"):
            integrated_gradients(*mfaf, GROUPS, steps=4)
        with pytest.raises(UsageError, match="needs a network"):
            integrated_gradients(make_scorer("svm"), mfaf[1], GROUPS)


def test_reasons_work_for_networks_and_a_group_that_is_never_read_has_none(mfaf):
    scorer, windows = mfaf
    found = reasons(scorer, windows, [*GROUPS, Group("Hg", ("Hg",))])
    assert found.shape == (16, 3)
    assert (np.abs(found[:, 0]) > 0).all()
    assert (found[:, 2] == 0).all()


def test_windows_of_another_size_are_refused(mfaf):
    other = FakeWindows(np.zeros((2, 4, 20, 20)))
    with pytest.raises(ValueError, match="windows of 20 px given"):
        attention_weights(mfaf[0], other)
