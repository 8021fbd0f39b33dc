"""What every registered model promises, and how the networks are made."""

import copy
import re
import subprocess
import sys
import urllib.error
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fake_windows import FakeWindows, mapped, planted
from gossan.balance import BalanceSettings
from gossan.errors import DataError, MissingFileError, UsageError
from gossan.models import (
    ModelSettings,
    TrainingSettings,
    backbones,
    base,
    create,
    load_scorer,
    make_scorer,
    names,
)
from gossan.models import _torchvision as guard
from gossan.models.backbones import make_backbone
from gossan.models.classical import summarise_windows
from gossan.models.device import choose_device
from gossan.models.mfaf import mfaf_loss
from gossan.models.shuffled import keep_channels_last

NETWORKS = names("network")
BACKBONES = NETWORKS[:5]
NARROW = {"shufflenet-v2": 0.5, "mobilenet-v2": 0.25, "mnasnet": 0.25}
TRAINING = TrainingSettings(epochs=1, batch=4, device="cpu")


def narrow(name):
    """The narrowest form of a network, for speed."""
    return NARROW.get(name.removeprefix("mfaf-"), 1.0)


def small(name, size=16, channels=4, **options):
    torch.manual_seed(0)
    if name.startswith("mfaf"):
        options.setdefault("rates", (1, 2))
    return create(name, channels=channels, size=size, width=narrow(name), **options)


def fitted(name, seed=3):
    windows, is_ore = planted(n=9, n_ore=3)
    mapped(windows)
    model = ModelSettings(width=narrow(name), rates=(1, 2))
    scorer = make_scorer(name, model=model, training=TRAINING)
    return scorer.fit(windows, is_ore, balance=BalanceSettings("weights"), seed=[seed]), windows


@pytest.fixture(scope="module", params=names())
def scorer_and_windows(request):
    return (request.param, *fitted(request.param))


class TestEveryModel:
    def test_the_same_seed_gives_the_same_scores(self, scorer_and_windows):
        name, scorer, windows = scorer_and_windows
        again, _ = fitted(name)
        np.testing.assert_array_equal(again.predict(windows).score, scorer.predict(windows).score)

    def test_scores_are_finite_shares_of_the_right_shape(self, scorer_and_windows):
        name, scorer, windows = scorer_and_windows
        found = scorer.predict(windows)
        branches = 2 if name.startswith("mfaf") else 1
        assert found.score.shape == found.vote.shape == (9,)
        assert found.branches.shape == (branches, 9)
        assert found.members.shape == (1, 9)
        assert found.score.dtype == np.float64
        assert found.vote.dtype == bool
        assert ((found.score >= 0) & (found.score <= 1)).all()

    def test_saved_and_loaded_it_gives_the_same_scores(self, scorer_and_windows, tmp_path):
        import json

        _, scorer, windows = scorer_and_windows
        record = json.loads(json.dumps(scorer.save(tmp_path), allow_nan=False))
        loaded = load_scorer(tmp_path, record)
        np.testing.assert_array_equal(loaded.predict(windows).score, scorer.predict(windows).score)
        assert json.loads(json.dumps(loaded.save(tmp_path / "again"))) == record

    def test_a_wrong_channel_count_is_refused(self, scorer_and_windows):
        _, scorer, windows = scorer_and_windows
        with pytest.raises(DataError, match=r"3 channels.*fitted on 4"):
            scorer.predict(FakeWindows(windows.values[:, :3]))

    def test_another_window_size_is_refused(self, scorer_and_windows):
        _, scorer, windows = scorer_and_windows
        with pytest.raises(DataError, match="12 px"):
            scorer.predict(FakeWindows(windows.values[..., :12, :12], channels=windows.channels))

    def test_a_changed_weights_file_is_refused(self, scorer_and_windows, tmp_path):
        _, scorer, _ = scorer_and_windows
        record = scorer.save(tmp_path)
        file = tmp_path / "model.safetensors"
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        with pytest.raises(DataError, match="SHA-256"):
            load_scorer(tmp_path, record)
        file.unlink()
        with pytest.raises(MissingFileError, match=r"model\.safetensors"):
            load_scorer(tmp_path, record)


@pytest.mark.parametrize("name", names())
def test_labels_of_one_class_or_of_another_length_are_refused(name):
    windows, is_ore = planted(n=6, n_ore=2)
    for labels in (np.zeros(6, bool), np.ones(6, bool), is_ore[:5]):
        with pytest.raises(DataError):
            make_scorer(name).fit(windows, labels, balance=BalanceSettings(), seed=[0])


@pytest.mark.parametrize("name", names())
def test_predict_before_fit_is_refused(name):
    with pytest.raises(UsageError, match="not fitted"):
        make_scorer(name).predict(planted()[0])


class TestEveryNetwork:
    @pytest.mark.parametrize("name", NETWORKS)
    def test_logits_are_finite_and_every_weight_gets_a_gradient(self, name):
        net = small(name)
        torch.manual_seed(1)
        logits = net(torch.randn(4, 4, 16, 16))
        assert logits.shape == (2 if name.startswith("mfaf") else 1, 4, 2)
        mfaf_loss(logits, torch.tensor([0, 1, 0, 1])).backward()
        assert torch.isfinite(logits).all()
        for key, weight in net.named_parameters():
            assert weight.grad is not None, key
            assert torch.isfinite(weight.grad).all(), key
            assert weight.grad.abs().max() > 0, key

    @pytest.mark.parametrize("name", NETWORKS)
    def test_a_wrong_batch_is_refused_by_forward(self, name):
        with pytest.raises(UsageError, match=r"\(batch, 4, 16, 16\)"):
            small(name)(torch.zeros(2, 5, 16, 16))

    @pytest.mark.parametrize("size", [16, 32, 64])
    @pytest.mark.parametrize("name", NETWORKS[5:])
    def test_removing_an_attention_changes_the_scores(self, name, size):
        net = small(name, size=size).eval()
        x = torch.randn(2, 4, size, size)
        with torch.inference_mode():
            full = net(x).softmax(dim=-1)
            spatial, net.spatial_attention = net.spatial_attention, None
            without_spatial = net(x).softmax(dim=-1)
            net.spatial_attention, net.channel_attention = spatial, None
            without_channel = net(x).softmax(dim=-1)
        assert (full - without_spatial).abs().max() > 1e-4
        assert (full - without_channel).abs().max() > 1e-4


class TestBackbones:
    @pytest.mark.parametrize("size", [16, 17, 32, 64, 96, 97, 128])
    @pytest.mark.parametrize("name", BACKBONES)
    def test_the_last_map_has_at_least_four_cells_a_side_and_no_more_than_needed(self, name, size):
        features, _ = make_backbone(name, channels=1, size=size, width=narrow(name))
        with torch.inference_mode():
            cells = features.eval()(torch.zeros(1, 1, size, size)).shape[-1]
        assert 4 <= cells <= 8

    @pytest.mark.parametrize("name", BACKBONES)
    def test_strides_are_taken_out_from_the_front(self, name):
        sides = []
        features, _ = make_backbone(name, channels=1, size=16, width=narrow(name))
        for child in features:
            child.register_forward_hook(lambda _module, _input, output: sides.append(output.shape[-1]))
        with torch.inference_mode():
            features.eval()(torch.zeros(1, 1, 16, 16))
        assert sides == sorted(sides, reverse=True)
        assert sides[-1] == 4
        # Three of five halvings are gone: the first part of the network sees every pixel.
        assert sides[0] == sides[1] == 16

    @pytest.mark.parametrize("name", ["resnet18", "googlenet", "mnasnet"])
    def test_large_windows_get_torchvisions_network_with_its_weights(self, name, tmp_path):
        torch.manual_seed(0)
        models = guard.load().models
        make = {
            "resnet18": models.resnet18,
            "googlenet": lambda: models.GoogLeNet(aux_logits=False, init_weights=False),
            "mnasnet": lambda: models.MNASNet(0.25),
        }
        original = make[name]().eval()
        save_file(original.state_dict(), tmp_path / "weights.safetensors")
        features, head = make_backbone(
            name, channels=3, size=144, width=narrow(name), weights=str(tmp_path / "weights.safetensors")
        )
        # The first convolution is replaced by its colour mean, so the picture is grey.
        x = torch.randn(1, 1, 144, 144).expand(1, 3, 144, 144)
        last = [module for module in original.modules() if isinstance(module, torch.nn.Linear)][-1]
        head[-1].weight.data, head[-1].bias.data = last.weight.data, last.bias.data
        with torch.inference_mode():
            torch.testing.assert_close(head.eval()(features.eval()(x)), original(x), rtol=1e-4, atol=1e-4)

    def test_pretrained_weights_serve_any_number_of_channels(self, tmp_path):
        state = guard.load().models.shufflenet_v2_x0_5().state_dict()
        torch.save(state, tmp_path / "weights.pth")
        features, _ = make_backbone(
            "shufflenet-v2", channels=7, size=16, width=0.5, weights=str(tmp_path / "weights.pth")
        )
        first = next(features.parameters())
        assert first.shape[1] == 7
        torch.testing.assert_close(first.sum(dim=1), state["conv1.0.weight"].sum(dim=1))
        torch.testing.assert_close(features.state_dict()["5.0.weight"], state["conv5.0.weight"])

    def test_weights_of_another_network_are_refused(self, tmp_path):
        save_file(guard.load().models.shufflenet_v2_x0_5().state_dict(), tmp_path / "w.safetensors")
        with pytest.raises(DataError, match="same torchvision network"):
            make_backbone("resnet18", channels=3, size=16, weights=str(tmp_path / "w.safetensors"))

    def test_a_weights_file_that_is_not_there_is_refused(self):
        with pytest.raises(MissingFileError, match=r"nowhere\.pth"):
            make_backbone("resnet18", channels=3, size=16, weights="nowhere.pth")

    def test_imagenet_weights_without_a_network_end_in_one_clear_line(self, monkeypatch):
        def offline(*_args, **_kwargs):
            raise urllib.error.URLError("no route to host")

        monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
        monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
        with pytest.raises(UsageError, match=r"cannot be reached.*model\.weights"):
            make_backbone("resnet18", channels=3, size=16, weights="imagenet")

    def test_imagenet_weights_of_a_width_that_has_none_are_refused(self):
        with pytest.raises(UsageError, match=r"mobilenet-v2 of width 0\.5"):
            make_backbone("mobilenet-v2", channels=3, size=16, width=0.5, weights="imagenet")

    @pytest.mark.parametrize("name", BACKBONES)
    def test_batch_norm_momentum_is_a_tenth(self, name):
        norms = [m for m in small(name).modules() if isinstance(m, torch.nn.BatchNorm2d)]
        assert norms
        assert {norm.momentum for norm in norms} == {0.1}

    @pytest.mark.parametrize(("name", "width"), [("resnet18", 0.5), ("googlenet", 2), ("shufflenet-v2", 0.7)])
    def test_a_width_that_does_not_exist_is_refused(self, name, width):
        with pytest.raises(UsageError, match="width"):
            create(name, channels=3, size=16, width=width)

    def test_width_changes_the_number_of_weights(self):
        for name in ("shufflenet-v2", "mobilenet-v2", "mnasnet"):
            counts = [
                sum(p.numel() for p in create(name, channels=3, size=16, width=width).parameters())
                for width in (0.5, 1)
            ]
            assert counts[0] < counts[1]

    @pytest.mark.parametrize("name", BACKBONES)
    def test_depth_keeps_the_first_blocks_as_they_are(self, name):
        # 128 px: torchvision's own strides, cut or not, so that the same weights give the same maps.
        whole, _ = make_backbone(name, channels=3, size=128, width=narrow(name))
        x = torch.randn(2, 3, 128, 128)
        for depth in (1, 2, 3):
            features, head = make_backbone(name, channels=3, size=128, width=narrow(name), depth=depth)
            convolving = [any(isinstance(m, torch.nn.Conv2d) for m in child.modules()) for child in features]
            assert sum(convolving) == depth
            kept = {key: value for key, value in whole.state_dict().items() if key in features.state_dict()}
            features.load_state_dict(kept)
            with torch.inference_mode():
                maps = features.eval()(x)
                torch.testing.assert_close(maps, whole.eval()[: len(features)](x))
                assert head.eval()(maps).shape == (2, 2)
            following = whole[len(features)]
            assert any(isinstance(m, torch.nn.Conv2d) for m in following.modules())

    @pytest.mark.parametrize(("name", "blocks"), [("resnet18", 5), ("shufflenet-v2", 5)])
    def test_all_blocks_are_the_whole_network_and_more_or_none_are_refused(self, name, blocks):
        shapes = [
            {key: value.shape for key, value in small(name, depth=depth).state_dict().items()}
            for depth in (blocks, None)
        ]
        assert shapes[0] == shapes[1]
        for depth in (0, -1, blocks + 1):
            with pytest.raises(UsageError, match=f"depth {depth} given; {name} has {blocks} blocks"):
                small(name, depth=depth)

    @pytest.mark.parametrize("size", [16, 17, 32, 64, 128])
    @pytest.mark.parametrize("name", BACKBONES)
    def test_a_cut_network_still_has_four_cells_a_side(self, name, size):
        for depth in (1, 2, 3):
            features, _ = make_backbone(name, channels=1, size=size, width=narrow(name), depth=depth)
            with torch.inference_mode():
                assert features.eval()(torch.zeros(1, 1, size, size)).shape[-1] >= 4

    @pytest.mark.parametrize("name", NETWORKS)
    def test_every_weight_of_a_cut_network_gets_a_gradient(self, name):
        torch.manual_seed(1)
        net = small(name, depth=1)
        mfaf_loss(net(torch.randn(8, 4, 16, 16)), torch.arange(8) % 2).backward()
        for key, weight in net.named_parameters():
            assert weight.grad is not None, key
            assert weight.grad.abs().max() > 0, key

    @pytest.mark.parametrize("name", ["shufflenet-v2", "mfaf-resnet18"])
    def test_a_cut_network_is_saved_and_loaded(self, name, tmp_path):
        windows, is_ore = planted(n=9, n_ore=3)
        model = ModelSettings(width=narrow(name), rates=(1, 2), depth=1)
        scorer = make_scorer(name, model=model, training=TRAINING)
        scorer.fit(windows, is_ore, balance=BalanceSettings("weights"), seed=[3])
        assert len(list(scorer.members_[0].features)) < len(list(small(name).features))
        loaded = load_scorer(tmp_path, scorer.save(tmp_path))
        np.testing.assert_array_equal(loaded.predict(windows).score, scorer.predict(windows).score)

    @pytest.mark.parametrize(("channels", "size"), [(3, 15), (0, 16)])
    def test_too_small_windows_are_refused(self, channels, size):
        with pytest.raises(UsageError, match="at least 1 channel and 16 px"):
            create("resnet18", channels=channels, size=size)


class TestSummary:
    @pytest.mark.parametrize("name", NETWORKS)
    def test_every_weight_learns_once_the_heads_have_left_zero(self, name):
        torch.manual_seed(1)
        net, x, target = small(name, summary=True, depth=1), torch.randn(8, 4, 16, 16), torch.arange(8) % 2
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        assert (net(x) == net(x)[:, :1]).all()  # nothing is read before training
        for _ in range(2):
            optimizer.zero_grad()
            mfaf_loss(net(x), target).backward()
            optimizer.step()
        for key, weight in net.named_parameters():
            assert weight.grad.abs().max() > 0, key

    def test_the_summaries_are_those_of_the_rivals(self):
        values = np.random.default_rng(0).standard_normal((5, 3, 16, 16)).astype(np.float32)
        values[1, 2] = 0.5  # a flat factor
        valid = np.ones((5, 16, 16), bool)
        valid[0, :, 9:], valid[4] = False, False
        values *= valid[:, None]
        found = backbones._summaries(torch.from_numpy(values)).numpy()
        expected = summarise_windows(FakeWindows(values, valid=valid))
        np.testing.assert_allclose(found, expected, atol=1e-5)

    @pytest.mark.parametrize("name", ["shufflenet-v2", "mfaf-shufflenet-v2"])
    def test_a_change_of_level_that_only_the_summary_sees_changes_every_branch(self, name):
        net = small(name, summary=True).eval()
        torch.nn.init.ones_(net.head.own.weight[1])
        x = torch.randn(2, 4, 16, 16)
        with torch.inference_mode():
            before, after = net(x), net(x + 1)
        # The maps are not read: mean and maximum of 4 factors rise by 1, in units of the norm's start, 1.
        rise = (after - before)[..., 1]
        torch.testing.assert_close(rise, torch.full_like(rise, 8.0), atol=1e-3, rtol=1e-4)
        torch.testing.assert_close(after[..., 0], before[..., 0])

    def test_a_factor_that_never_varied_in_training_has_no_say(self):
        windows, is_ore = planted(n=14, n_ore=5)
        windows.values[:, 3] = 0
        model = ModelSettings(width=0.5, rates=(1, 2), summary=True, depth=1)
        scorer = make_scorer("mfaf-shufflenet-v2", model=model, training=TRAINING)
        scorer.fit(windows, is_ore, balance=BalanceSettings("weights"), seed=[0])
        own = scorer.members_[0].head.own.weight.detach()
        assert (own[:, [3, 7, 11]] == 0).all()
        assert (own[:, [0, 4, 8]] != 0).all()

    def test_attributions_of_flat_factors_and_empty_windows_are_finite(self):
        net = small("mfaf-shufflenet-v2", summary=True).eval()
        x = torch.randn(3, 4, 16, 16)
        x[0, 2], x[1] = 1.0, 0.0
        torch.nn.init.normal_(net.head.own.weight)
        x.requires_grad_()
        net(x)[..., 1].sum().backward()
        assert torch.isfinite(x.grad).all()

    @pytest.mark.parametrize("name", NETWORKS)
    def test_it_is_saved_and_loaded(self, name, tmp_path):
        windows, is_ore = planted(n=9, n_ore=3)
        model = ModelSettings(width=narrow(name), rates=(1, 2), depth=1, summary=True)
        scorer = make_scorer(name, model=model, training=TRAINING)
        scorer.fit(windows, is_ore, balance=BalanceSettings("weights"), seed=[3])
        loaded = load_scorer(tmp_path, scorer.save(tmp_path))
        np.testing.assert_array_equal(loaded.predict(windows).score, scorer.predict(windows).score)
        assert len(np.unique(loaded.predict(windows).score)) > 1

    def test_the_papers_network_has_none(self):
        assert not ModelSettings().summary
        assert not any("own" in key for key in small("mfaf-shufflenet-v2").state_dict())


class TestRegistry:
    def test_names_are_those_of_the_contract(self):
        plain = ["resnet18", "shufflenet-v2", "googlenet", "mobilenet-v2", "mnasnet"]
        assert names("network") == plain + [f"mfaf-{name}" for name in plain]
        established = ["random-forest", "gradient-boosting", "logistic-regression", "svm"]
        assert names("classical") == [*established, "weights-of-evidence", "isolation-forest", "pu-bagging"]
        assert names("baseline") == ["nearest-known", "fault-distance", "best-element", "sample-density"]
        assert names() == names("network") + names("classical") + names("baseline")

    def test_an_unknown_name_lists_the_known_ones(self):
        for make in (create, make_scorer):
            options = {"channels": 3, "size": 16} if make is create else {}
            with pytest.raises(UsageError, match=r"resnet18.*svm.*mean 'mfaf-resnet18'"):
                make("mfaf-resnet", **options)

    def test_an_unknown_kind_is_refused(self):
        with pytest.raises(UsageError, match="kind"):
            names("deep")

    def test_create_serves_networks_only(self):
        with pytest.raises(UsageError, match="no network"):
            create("svm", channels=3, size=16)

    @pytest.mark.parametrize(("name", "option"), [("resnet18", "rates"), ("mfaf-resnet18", "dropout")])
    def test_an_unknown_option_is_refused(self, name, option):
        with pytest.raises(UsageError, match=f"{option}.*width, weights"):
            create(name, channels=3, size=16, **{option: 3})

    def test_importing_the_package_loads_neither_torch_nor_scikit_learn(self):
        code = (
            "import sys, gossan.models, gossan.models.training; gossan.models.names(); "
            "print(sorted({'torch', 'sklearn', 'torchvision', 'safetensors'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"


class TestTorchvisionGuard:
    def test_the_declared_operators_are_those_that_torchvision_describes_at_import(self):
        folder = Path(guard.load().__file__).parent
        text = (folder / "_meta_registrations.py").read_text()
        wanted = set(re.findall(r'register_fake\("torchvision::(\w+)"\)', text))
        assert {schema.partition("(")[0] for schema in guard.OPERATORS} == wanted

    def test_the_schemas_are_registered_as_declared_whatever_the_mode(self):
        guard.load()
        for schema in guard.OPERATORS:
            name = schema.partition("(")[0]
            registered = getattr(torch.ops.torchvision, name).default._schema
            assert str(registered) == f"torchvision::{schema}"

    def test_the_mode_is_named(self):
        assert guard.mode() in ("native", "declared")
        from torchvision.extension import _has_ops

        assert (guard.mode() == "native") == _has_ops()

    def test_asking_for_the_mode_does_not_import_torchvision(self):
        code = (
            "import sys; from gossan.models import _torchvision; _torchvision.mode(); "
            "print('torchvision' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "False"


@pytest.mark.parametrize("stride", [1, 2])
def test_a_block_of_shufflenet_gives_the_bits_of_torchvisions_and_keeps_channels_last(stride):
    theirs = guard.load().models.shufflenetv2.InvertedResidual(24, 24 if stride == 1 else 48, stride)
    ours = copy.deepcopy(theirs)
    keep_channels_last(ours)
    assert type(ours) is not type(theirs)
    torch.manual_seed(0)
    x = torch.randn(4, 24, 9, 9).to(memory_format=torch.channels_last)
    given = [x.clone().requires_grad_() for _ in range(2)]
    out = [block(each) for block, each in zip((theirs, ours), given, strict=True)]
    assert torch.equal(*out)
    assert out[1].is_contiguous(memory_format=torch.channels_last)
    assert not out[0].is_contiguous(memory_format=torch.channels_last)
    pull = torch.randn_like(out[1])
    for each in out:
        each.backward(pull)
    assert torch.equal(given[0].grad, given[1].grad)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine.grad, other.grad)
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_the_device_is_chosen_without_torch_where_there_can_be_no_accelerator():
    code = (
        "import sys; from gossan.models import base; base._ACCELERATORS = (); sys.platform = 'linux';"
        "print(base.device_type('auto'), base.device_type('cpu'), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["cpu", "cpu", "False"]


@pytest.mark.parametrize("name", ["auto", "cpu", "cuda", "mps"])
def test_torch_is_asked_where_there_may_be_one(name, monkeypatch):
    monkeypatch.setattr(base, "_ACCELERATORS", (__file__,))
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}.get(name, True)
    if there:
        assert base.device_type(name) == choose_device(name).type
    else:
        with pytest.raises(UsageError, match=f"'{name}' given; this machine has"):
            base.device_type(name)
