"""The training protocol: its numbers, its batches, and that a stopped fit ends as if it had not stopped."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from fake_windows import FakeWindows, planted
from gossan.balance import BalanceSettings
from gossan.errors import DataError, RunError, SettingWarning, UsageError
from gossan.metrics import auc
from gossan.models import ModelSettings, TrainingSettings, device, load_scorer, make_scorer, network
from gossan.models.training import make_feed, resolve, symmetry

NARROW = ModelSettings(width=0.5, rates=(1, 2))


class Memory:
    """A checkpoint in memory that is killed at its n-th save."""

    def __init__(self, kill_at=None):
        self.state, self.saves, self.kill_at = None, 0, kill_at

    def load(self):
        return self.state

    def save(self, state):
        assert all(isinstance(value, np.ndarray | int | float | str) for value in state.values())
        self.state = {key: np.copy(v) if isinstance(v, np.ndarray) else v for key, v in state.items()}
        self.saves += 1
        if self.saves == self.kill_at:
            raise KeyboardInterrupt


def fit(name="shufflenet-v2", *, data=None, check=None, checkpoint=None, seed=(5,), **training):
    windows, is_ore = data or planted(n=14, n_ore=5)
    training = {"epochs": 3, "batch": 4, "device": "cpu"} | training
    model = ModelSettings(width=0.25) if name.endswith("mobilenet-v2") else NARROW
    scorer = make_scorer(name, model=model, training=TrainingSettings(**training))
    options = {} if checkpoint is None else {"checkpoint": checkpoint}
    return scorer.fit(windows, is_ore, balance=BalanceSettings(), seed=seed, check=check, **options)


def weights(scorer):
    return [value.numpy() for member in scorer.members_ for value in member.state_dict().values()]


class TestProtocol:
    def test_the_papers_preset_is_section_4_1_to_the_letter(self):
        paper = resolve(TrainingSettings("paper"))
        assert (paper.optimizer, paper.momentum, paper.weight_decay) == ("sgd", 0.2, 1e-4)
        assert (paper.epochs, paper.lr, paper.batch, paper.augment) == (220, 0.02, 32, False)

    def test_its_rate_falls_by_40_percent_every_30_epochs(self):
        paper = resolve(TrainingSettings("paper"))
        rates = [paper.rate(epoch) for epoch in (0, 29.99, 30, 59, 60, 219)]
        np.testing.assert_allclose(rates, [0.02, 0.02, 0.012, 0.012, 0.0072, 0.02 * 0.6**7])

    def test_the_fast_rate_rises_to_its_peak_and_falls_to_nothing(self):
        fast = resolve(TrainingSettings("fast"))
        rates = [fast.rate(epoch) for epoch in np.linspace(0, fast.epochs, 201)]
        top = int(np.argmax(rates))
        assert rates[top] == pytest.approx(fast.lr)
        assert all(a < b for a, b in pairwise(rates[: top + 1]))
        assert all(a > b for a, b in pairwise(rates[top:]))
        assert rates[-1] == pytest.approx(0, abs=1e-12)

    def test_given_values_win_over_the_preset(self):
        found = resolve(TrainingSettings("paper", epochs=3, lr=0.5, augment=True, batch=8))
        assert (found.epochs, found.lr, found.augment, found.batch) == (3, 0.5, True, 8)
        assert found.momentum == 0.2

    @pytest.mark.parametrize(
        "wrong",
        [
            *({"epochs": 0}, {"batch": 1}, {"lr": 0.0}, {"momentum": 1.0}, {"weight_decay": -1.0}),
            *({"threads": 0}, {"ensemble": 0}, {"patience": 0}),
        ],
    )
    def test_values_out_of_range_are_refused_by_name(self, wrong):
        with pytest.raises(UsageError, match=rf"training\.{next(iter(wrong))} = .* given"):
            resolve(TrainingSettings(**wrong))


class TestFeed:
    def feed(self, n=14, n_ore=5, augment=False, protocol="strict", windows=None, **balance):
        data, is_ore = planted(n=n, n_ore=n_ore)
        return make_feed(
            windows or data,
            is_ore,
            np.arange(n),
            balance=BalanceSettings(**balance),
            augment=augment,
            seed=[1],
            protocol=protocol,
        )

    @pytest.mark.parametrize("n", [9, 12, 13])
    def test_no_batch_has_one_window_and_every_window_comes_once(self, n):
        feed = self.feed(n=n, method="none")
        batches = [batch for _, batch in feed.epoch(np.random.default_rng(0), 4)]
        sizes = [len(batch.windows) for batch in batches]
        assert min(sizes) > 1
        assert sum(sizes) == n
        together = np.concatenate([batch.windows for batch in batches])
        assert sorted(together.sum(axis=(1, 2, 3))) == pytest.approx(
            sorted(feed.windows.values.sum(axis=(1, 2, 3))), abs=1e-3
        )

    def test_synthetic_windows_lie_between_ore_windows(self):
        feed = self.feed(method="smote", factor=2.0, noise_variance=0.0)
        ore = feed.windows.values[:5].reshape(5, -1).astype(float)
        made = 0
        for _, batch in feed.epoch(np.random.default_rng(0), 4):
            for window in batch.windows[batch.target == 1].reshape(-1, ore.shape[1]).astype(float):
                share, rest, *_ = np.linalg.lstsq(ore.T, window, rcond=None)
                assert rest < 1e-6
                assert share.sum() == pytest.approx(1, abs=1e-4)
                made += (share > 1e-3).sum() > 1
        assert made == 4  # strict: no more ore than the 9 barren windows

    def test_the_prior_is_the_share_of_ore_that_training_sees(self):
        assert self.feed(method="none").prior == pytest.approx(5 / 14)
        assert self.feed(method="weights").prior == pytest.approx(0.5)
        assert self.feed(method="batches").prior == pytest.approx(0.5)
        assert self.feed(method="smote").prior == pytest.approx(0.5)

    def test_noise_of_the_given_variance_falls_on_the_ground_of_number_channels_only(self):
        values = np.random.default_rng(0).standard_normal((14, 4, 16, 16)).astype(np.float32)
        values[:, 2] = values[:, 2] > 0
        values[:, 3] = 1
        values[:5] = values[:1]  # equal ore windows: what SMOTE makes between them is known
        values[:, :, :, 8:] = 0
        windows = FakeWindows(values, classes=(2,), valid_channel=3)
        feed = self.feed(windows=windows, method="smote", factor=1.8, noise_variance=0.01)
        noise = np.concatenate(
            [b.windows[b.target == 1] - values[0] for _, b in feed.epoch(np.random.default_rng(0), 4)]
        )
        noisy = noise[np.abs(noise).max(axis=(1, 2, 3)) > 1e-6]
        assert len(noisy) == 4
        assert (noisy[:, 2:] == 0).all()
        assert (noisy[..., 8:] == 0).all()
        assert noisy[:, :2, :, :8].std() == pytest.approx(0.1, rel=0.1)

    def test_augmentation_only_turns_and_mirrors(self):
        plain, turned = (self.feed(method="none", augment=augment) for augment in (False, True))
        for feed in (plain, turned):
            _, batch = next(iter(feed.epoch(np.random.default_rng(0), 14)))
            feed_values = np.sort(batch.windows.reshape(14, 4, -1), axis=2)
            if feed is plain:
                expected, before = feed_values, batch.windows
        np.testing.assert_array_equal(feed_values, expected)
        assert (batch.windows != before).any(axis=(1, 2, 3)).sum() > 7

    def test_the_eight_symmetries_differ_and_each_window_gets_its_own(self):
        window = np.random.default_rng(0).random((1, 2, 5, 5), np.float32)
        turned = symmetry(np.repeat(window, 8, axis=0), np.arange(8))
        assert len({array.tobytes() for array in turned}) == 8
        np.testing.assert_array_equal(turned[0], window[0])
        np.testing.assert_array_equal(turned[4], window[0].swapaxes(1, 2))
        for number, array in enumerate(turned):
            np.testing.assert_array_equal(symmetry(window, np.array([number]))[0], array)


@pytest.fixture
def every_epoch(monkeypatch):
    """Write a checkpoint after every epoch."""
    monkeypatch.setattr(network, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(network, "CHECKPOINT_REST", 0.0)


class TestResume:
    # MobileNetV2 has dropout; AdamW and SGD with momentum keep state of their own.
    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("mfaf-mobilenet-v2", {}),
            ("mobilenet-v2", {"optimizer": "sgd", "momentum": 0.5}),
            ("shufflenet-v2", {"preset": "paper", "ensemble": 2, "epochs": 2}),
        ],
    )
    @pytest.mark.parametrize("kill_at", [1, 3])
    @pytest.mark.usefixtures("every_epoch")
    def test_a_killed_fit_ends_with_the_same_bits(self, name, options, kill_at):
        whole = Memory()
        expected = fit(name, checkpoint=whole, **options)
        memory = Memory(kill_at)
        with pytest.raises(KeyboardInterrupt):
            fit(name, checkpoint=memory, **options)
        found = fit(name, checkpoint=memory, **options)
        for ours, theirs in zip(weights(found), weights(expected), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert memory.saves == whole.saves  # nothing that was kept is done again

    @pytest.mark.usefixtures("every_epoch")
    def test_a_killed_fit_that_stops_early_ends_with_the_same_bits(self):
        data = planted(n=30, n_ore=10)
        check = (np.arange(0, 30, 2), np.arange(1, 30, 2))
        options = {"data": data, "check": check, "patience": 2, "epochs": 5, "lr": 3e-3}
        expected = fit(checkpoint=Memory(), **options)
        memory = Memory(3)
        with pytest.raises(KeyboardInterrupt):
            fit(checkpoint=memory, **options)
        for ours, theirs in zip(weights(fit(checkpoint=memory, **options)), weights(expected), strict=True):
            np.testing.assert_array_equal(ours, theirs)

    def test_checkpoints_take_at_most_a_twentieth_of_the_time(self, monkeypatch):
        clock = iter([0.0, 100.0, 101.0, 110.0, 120.9, 121.1, 121.2])
        monkeypatch.setattr(network.time, "monotonic", lambda: next(clock))
        memory, member = Memory(), network._Member(torch.nn.Linear(1, 1), torch.optim.SGD([torch.zeros(1)]))
        keeper = network._Keeper(memory)  # 0
        keeper.save(member)  # 100 to 101: the next not before 121
        keeper.save(member)  # 110
        keeper.save(member)  # 120.9
        assert memory.saves == 1
        keeper.save(member)  # 121.1
        assert memory.saves == 2


class TestFit:
    def test_a_planted_anomaly_is_learnt(self):
        data = planted(n=120, n_ore=40, lift=1.5)
        scorer = fit(data=data, epochs=6, batch=16, lr=5e-3)
        windows, is_ore = planted(n=120, n_ore=40, lift=1.5, seed=1)
        assert auc(scorer.predict(windows).score, is_ore) > 0.9

    def test_the_members_of_an_ensemble_differ_and_are_averaged(self):
        scorer, (windows, _) = fit(ensemble=2), planted(n=14, n_ore=5)
        found = scorer.predict(windows)
        assert found.members.shape == (2, 14)
        assert (found.members[0] != found.members[1]).any()
        np.testing.assert_allclose(found.members.mean(axis=0), found.score)

    def test_another_seed_gives_another_model(self):
        assert any((a != b).any() for a, b in zip(weights(fit()), weights(fit(seed=(6,))), strict=True))

    def test_scores_do_not_depend_on_how_many_are_read_at_once(self, monkeypatch):
        scorer, (windows, _) = fit(), planted(n=14, n_ore=5)
        whole = scorer.predict(windows).score
        assert network._score_batch(windows, torch.device("cpu")) > 14
        monkeypatch.setattr(network, "_SCORE_NUMBERS", 1)
        monkeypatch.setattr(network, "_FEWEST_SCORED", 5)
        np.testing.assert_allclose(scorer.predict(windows).score, whole, atol=1e-5)

    @pytest.mark.usefixtures("every_epoch")
    def test_the_best_epoch_is_kept_and_training_stops_after_patience(self, monkeypatch):
        values = iter([0.6, 0.8, 0.7, 0.8, 0.9, 0.9])
        monkeypatch.setattr(network, "auc", lambda *_: next(values))
        check = (np.arange(10), np.arange(4, 14))
        stopped = fit(check=check, patience=2, epochs=6)
        assert list(values) == [0.9, 0.9]  # epochs 3 and 4 were not better than 2: there was no fifth
        values = iter([0.6, 0.8])
        memory = Memory(2)
        with pytest.raises(KeyboardInterrupt):
            fit(check=check, patience=2, epochs=6, checkpoint=memory)
        for ours, kept in zip(stopped.members_[0].state_dict().items(), weights(stopped), strict=True):
            np.testing.assert_array_equal(memory.state[f"model/{ours[0]}"], kept)

    def test_patience_without_check_windows_is_said_to_have_no_use(self):
        with pytest.warns(SettingWarning, match="without check windows"):
            fit(patience=2, epochs=1)

    def test_check_windows_without_patience_change_nothing(self):
        check = (np.arange(10), np.arange(4, 14))
        for ours, theirs in zip(weights(fit(check=check)), weights(fit()), strict=True):
            np.testing.assert_array_equal(ours, theirs)

    def test_a_diverging_fit_ends_in_advice(self):
        with pytest.raises(RunError, match=r"not finite in epoch \d.*lower training\.lr"):
            fit(optimizer="sgd", lr=1e30)

    def test_progress_rises_to_one(self):
        seen = []
        windows, is_ore = planted(n=14, n_ore=5)
        training = TrainingSettings(epochs=2, batch=4, ensemble=2, device="cpu")
        make_scorer("shufflenet-v2", model=NARROW, training=training).fit(
            windows, is_ore, balance=BalanceSettings(), seed=[0], progress=seen.append
        )
        assert seen == sorted(seen)
        assert seen[-1] == 1.0

    def test_torch_is_left_as_it_was_found(self):
        torch.manual_seed(7)
        state, threads = torch.get_rng_state(), torch.get_num_threads()
        fit(epochs=1)
        with device.session(threads + 1, torch.device("cpu")):
            assert torch.get_num_threads() == threads + 1
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.get_num_threads() == threads

    def test_a_device_that_is_not_there_is_refused(self):
        if torch.backends.mps.is_available():
            pytest.skip("this machine has MPS")
        with pytest.raises(UsageError, match="'mps' given; this machine has"):
            fit(device="mps")

    @pytest.mark.parametrize("wrong", [{"beta": -0.1}, {"temperature": 0.0}])
    def test_a_loss_that_makes_no_sense_is_refused(self, wrong):
        windows, is_ore = planted()
        scorer = make_scorer("mfaf-shufflenet-v2", model=ModelSettings(width=0.5, **wrong))
        with pytest.raises(UsageError, match="beta is at least 0"):
            scorer.fit(windows, is_ore, balance=BalanceSettings(), seed=[0])


class TestScores:
    def test_the_balanced_score_takes_the_training_prior_out(self):
        margin = np.log(0.2 / 0.8)  # a network that says 'as often as in training'
        assert network._balanced(np.array([margin]), 0.2) == pytest.approx(0.5)
        odds = network._balanced(np.array([margin + np.log(3)]), 0.2)
        assert odds / (1 - odds) == pytest.approx(3)

    def test_a_weights_file_of_other_shapes_is_refused(self, tmp_path):
        scorer = fit(epochs=1)
        record = scorer.save(tmp_path)
        with pytest.raises(DataError, match="other shapes than its record"):
            load_scorer(tmp_path, record | {"shapes": {}})
        with pytest.raises(DataError, match="do not fit the network"):
            load_scorer(tmp_path, record | {"channels": [*record["channels"], "one more"]})

    def test_settings_come_back_from_the_record(self, tmp_path):
        scorer = fit("mfaf-shufflenet-v2", epochs=1, ensemble=2)
        loaded = load_scorer(tmp_path, scorer.save(tmp_path))
        assert (loaded.model, loaded.training) == (scorer.model, scorer.training)
        assert loaded.prior_ == scorer.prior_
