"""How a network computes: number format, compiled steps, and windows that stay on the device."""

import numpy as np
import pytest
import torch

from fake_windows import FakeWindows, planted
from gossan.balance import BalanceSettings
from gossan.errors import UsageError
from gossan.models import ModelSettings, TrainingSettings, create, device, make_scorer, network, resident
from gossan.models.resident import Resident
from gossan.models.training import make_feed

CPU = torch.device("cpu")
NARROW = ModelSettings(width=0.5, rates=(1, 2))


def fit(balance=None, **training):
    windows, is_ore = planted(n=14, n_ore=5)
    settings = TrainingSettings(**{"epochs": 2, "batch": 4, "device": "cpu", **training})
    scorer = make_scorer("mfaf-shufflenet-v2", model=NARROW, training=settings)
    return scorer.fit(windows, is_ore, balance=balance or BalanceSettings(), seed=(3,)), windows


def weights(scorer):
    return [value.numpy() for member in scorer.members_ for value in member.state_dict().values()]


class TestPrecision:
    def test_auto_is_bf16_on_cuda_only(self):
        assert not device.precision(CPU)._enabled
        assert not device.precision(CPU, "float32")._enabled
        assert device.precision(CPU, "bf16")._enabled

    def test_bf16_on_a_cpu_is_near_float32_and_is_not_it(self):
        torch.manual_seed(0)
        net, x = (
            create("mfaf-shufflenet-v2", channels=3, size=32, width=0.5).eval(),
            torch.randn(4, 3, 32, 32),
        )
        with torch.inference_mode():
            exact = net(x)
            with device.precision(CPU, "bf16"):
                rough = net(x).float()
        assert not torch.equal(rough, exact)
        torch.testing.assert_close(rough, exact, rtol=0.05, atol=0.05)

    def test_a_fit_in_bf16_learns_float32_weights_of_its_own(self):
        (rough, windows), (exact, _) = fit(precision="bf16"), fit()
        assert all(value.dtype != np.float16 for value in weights(rough))
        assert any((a != b).any() for a, b in zip(weights(rough), weights(exact), strict=True))
        assert np.isfinite(rough.predict(windows).score).all()

    def test_float32_asked_for_is_what_auto_is_on_a_cpu(self):
        for ours, theirs in zip(weights(fit(precision="float32")[0]), weights(fit()[0]), strict=True):
            np.testing.assert_array_equal(ours, theirs)


class TestCompile:
    def test_a_compiled_network_is_trained_through_what_torch_compiles(self, monkeypatch):
        seen = []

        def compile_(model, **options):
            seen.append(options)
            return lambda x: seen.append(len(x)) or model(x)

        monkeypatch.setattr(torch, "compile", compile_)
        found = fit(compile=True)[0]
        assert seen[0] == {"mode": None, "dynamic": False}
        assert len(seen) > 2
        for ours, theirs in zip(weights(found), weights(fit()[0]), strict=True):
            np.testing.assert_array_equal(ours, theirs)

    def test_without_a_compiler_it_is_refused_with_what_is_missing(self, monkeypatch):
        from torch._inductor.exc import InductorError

        def broken(x):
            raise InductorError("no C++ compiler found", None)

        monkeypatch.setattr(torch, "compile", lambda model, **options: broken)
        with pytest.raises(UsageError, match="cannot compile here"):
            fit(compile=True)

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's own compiler
    def test_compiled_steps_give_what_plain_ones_give(self):
        torch.manual_seed(0)
        net, x = (
            create("mfaf-shufflenet-v2", channels=2, size=16, width=0.5, depth=1),
            torch.randn(4, 2, 16, 16),
        )
        net.eval()
        torch.testing.assert_close(device.compiled(net, CPU, wanted=True)(x), net(x), rtol=1e-3, atol=1e-4)


class TestResident:
    def feed(self, *, augment=False, windows=None, protocol="strict", **balance):
        data, is_ore = planted(n=14, n_ore=5)
        return make_feed(
            windows or data,
            is_ore,
            np.arange(1, 14),
            balance=BalanceSettings(**balance),
            augment=augment,
            seed=[1],
            protocol=protocol,
        )

    @pytest.mark.parametrize("augment", [False, True])
    @pytest.mark.parametrize("protocol", ["strict", "paper"])
    def test_without_noise_its_batches_are_the_feeds(self, augment, protocol):
        values = np.random.default_rng(0).standard_normal((14, 4, 16, 16)).astype(np.float32)
        values[:, 2] = values[:, 2] > 0
        windows = FakeWindows(values, classes=(2,), valid_channel=3)
        options = {"method": "smote", "factor": 1.8, "noise_variance": 0.0}
        feed = self.feed(augment=augment, windows=windows, protocol=protocol, **options)
        batches = Resident(feed, CPU).epoch(np.random.default_rng(0), 4)
        count = 0
        for (done, found), (share, wanted) in zip(
            batches, feed.epoch(np.random.default_rng(0), 4), strict=True
        ):
            assert done == share
            for ours, theirs in zip(found, wanted, strict=True):
                np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-6, atol=1e-6)
            count += 1
        assert count > 2

    def test_its_noise_has_the_given_variance_on_the_ground_of_number_channels_only(self):
        values = np.random.default_rng(0).standard_normal((14, 4, 16, 16)).astype(np.float32)
        values[:, 2] = values[:, 2] > 0
        values[:, 3] = 1
        values[:5] = values[:1]
        values[:, :, :, 8:] = 0
        windows = FakeWindows(values, classes=(2,), valid_channel=3)
        feed = self.feed(windows=windows, method="smote", factor=2.0, noise_variance=0.01)
        made = [batch for _, batch in Resident(feed, CPU).epoch(np.random.default_rng(0), 4)]
        noise = np.concatenate([x[target == 1].numpy() - values[0] for x, target, _ in made])
        noisy = noise[np.abs(noise).max(axis=(1, 2, 3)) > 1e-6]
        assert len(noisy) > 2
        assert (noisy[:, 2:] == 0).all()
        assert (noisy[..., 8:] == 0).all()
        assert noisy[:, :2, :, :8].std() == pytest.approx(0.1, rel=0.1)

    def test_a_fit_with_resident_windows_ends_as_one_without(self, monkeypatch):
        none = BalanceSettings(method="none")
        plain = fit(none)[0]
        monkeypatch.setattr(network, "fits", lambda feed, device: True)
        for ours, theirs in zip(weights(fit(none)[0]), weights(plain), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)

    def test_windows_stay_on_cuda_only_and_only_where_they_leave_room(self, monkeypatch):
        feed, cuda = self.feed(), torch.device("cuda")
        assert not resident.fits(feed, CPU)
        needed = 13 * 4 * 16 * 16 * 4
        for free, kept in ((needed * 3, True), (needed * 2, False)):
            monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, free))
            assert resident.fits(feed, cuda) is kept
