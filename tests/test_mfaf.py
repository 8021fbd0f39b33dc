"""MFAF against its equations, written out again in NumPy and SciPy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage, special

from gossan.errors import UsageError
from gossan.models import create, mfaf
from gossan.models.base import decide
from gossan.models.mfaf import (
    PAPER_RATES,
    RECORD,
    ChannelAttention,
    SpatialAttention,
    branch_rates,
    mfaf_loss,
)


def network(size=16, channels=3, seed=0, **options):
    torch.manual_seed(seed)
    options = {"rates": (1, 3), "width": 0.5} | options
    return create("mfaf-shufflenet-v2", channels=channels, size=size, **options).eval()


def windows(n=2, channels=3, size=16, seed=1):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.standard_normal((n, channels, size, size), np.float32))


class TestRates:
    def test_the_papers_rates_are_taken_where_they_fit(self):
        assert branch_rates(128) == branch_rates(49) == (1, 6, 12, 18, 24)
        assert branch_rates(128, "scaled") == PAPER_RATES

    def test_smaller_windows_scale_them_with_halves_up_and_no_duplicates(self):
        assert branch_rates(48) == (1, 2, 5, 7, 9)  # .375, 2.25, 4.5, 6.75, 9
        assert branch_rates(32) == (1, 2, 3, 5, 6)  # .25, 1.5, 3, 4.5, 6
        assert branch_rates(16) == (1, 2, 3)  # .125, .75, 1.5, 2.25, 3

    def test_a_span_beyond_the_window_is_refused_with_the_largest_that_fits(self):
        with pytest.raises(UsageError, match=r"rate 24 .* spans 49 px of a 32 px.*largest that fits is 15"):
            branch_rates(32, PAPER_RATES)
        assert branch_rates(32, (1, 15)) == (1, 15)
        with pytest.raises(UsageError, match="largest that fits is 16"):
            branch_rates(33, (17,))
        with pytest.raises(UsageError, match="spans 49"):
            create("mfaf-resnet18", channels=3, size=32, rates=[24])

    @pytest.mark.parametrize("rates", [(), (0, 1), (2, 2), (-1,)])
    def test_rates_that_are_no_rates_are_refused(self, rates):
        with pytest.raises(UsageError, match="different whole numbers"):
            branch_rates(64, rates)

    @given(st.integers(16, 400))
    def test_default_rates_always_fit_and_differ(self, size):
        rates = branch_rates(size)
        assert rates[0] == 1
        assert list(rates) == sorted(set(rates))
        assert 2 * rates[-1] + 1 <= size
        assert branch_rates(size, rates) == rates


class TestDilatedBranches:
    def test_a_branch_is_equation_6_with_zeros_outside_the_window(self):
        net, x = network(), windows()
        for rate, branch in zip((1, 3), net.branches, strict=True):
            found = branch(x).detach().numpy()
            for factor in range(3):
                kernel = np.zeros((2 * rate + 1, 2 * rate + 1))
                kernel[::rate, ::rate] = branch.weight[factor, 0].detach().numpy()
                expected = ndimage.correlate(x[0, factor].double().numpy(), kernel, mode="constant")
                np.testing.assert_allclose(found[0, factor], expected, atol=1e-5)

    def test_depthwise_branches_keep_factors_apart_and_mixed_ones_do_not(self):
        x = windows()
        changed = x.clone()
        changed[:, 1] += 1
        for mix, moved in ((False, [False, True, False]), (True, [True, True, True])):
            for branch in network(mix=mix).branches:
                difference = (branch(changed) - branch(x)).abs().amax(dim=(0, 2, 3))
                assert (difference > 1e-6).tolist() == moved

    @pytest.mark.parametrize("mix", [False, True])
    def test_branches_start_near_the_identity(self, mix):
        x = windows(channels=6)
        for branch in network(channels=6, mix=mix).branches:
            moved = branch(x).detach()
            correlation = np.corrcoef(moved.numpy().ravel(), x.numpy().ravel())[0, 1]
            assert 0.8 < correlation < 0.999

    def test_side_by_side_the_branches_give_what_each_gives_alone(self):
        net, x = network(), windows(4)
        alone = []
        for branch, attention in zip(net.branches, net.channel_attention, strict=True):
            maps = branch(x)
            last = net.features(maps * attention(maps)[:, :, None, None])
            alone.append(net.head(last * net.spatial_attention(last)))
        torch.testing.assert_close(net(x), torch.stack(alone), rtol=1e-4, atol=1e-5)

    def test_all_branches_share_one_backbone_and_one_head(self):
        def count(rates):
            return sum(weight.numel() for weight in network(rates=rates).parameters())

        more = count((1, 2, 3)) - count((1, 2))
        kernel, mlp = 3 * 9, (3 * 4 + 4) + (4 * 3 + 3)
        assert more == kernel + mlp


class TestOnePass:
    """What a CPU computes in fewer passes over memory is what the equations say, gradients included."""

    @pytest.mark.parametrize("rate", [11, 12, 24])
    @pytest.mark.parametrize("mix", [False, True])
    def test_a_frame_of_zeros_around_wide_dilations_changes_nothing(self, rate, mix):
        branch, x = network(size=50, rates=(rate,), mix=mix).branches[0], windows(size=50).requires_grad_()
        found, expected = mfaf._dilate(branch, x), branch(x)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        over = torch.randn_like(found)
        for ours, theirs in zip(
            torch.autograd.grad(found, (x, branch.weight), over),
            torch.autograd.grad(expected, (x, branch.weight), over),
            strict=True,
        ):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)

    @pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
    @pytest.mark.parametrize("pool", ["avg+max", "avg"])
    def test_weighing_side_by_side_has_the_values_and_gradients_of_single_steps(self, layout, pool):
        torch.manual_seed(0)
        attentions = [ChannelAttention(3, pool).double() for _ in range(2)]
        maps = [
            windows(4, seed=seed).double().contiguous(memory_format=layout).requires_grad_()
            for seed in (1, 2)
        ]
        found = mfaf._attend(maps, attentions)
        expected = torch.cat([m * a(m)[:, :, None, None] for m, a in zip(maps, attentions, strict=True)])
        torch.testing.assert_close(found, expected)
        inputs = [*maps, *(weight for each in attentions for weight in each.parameters())]
        over = torch.randn_like(found)
        for ours, theirs in zip(
            torch.autograd.grad(found, inputs, over), torch.autograd.grad(expected, inputs, over), strict=True
        ):
            torch.testing.assert_close(ours, theirs)

    def test_a_shared_maximum_passes_its_gradient_on_once(self):
        maps = torch.ones(1, 2, 4, 4, requires_grad=True)
        _, _, top = mfaf._pool(maps)
        (gradient,) = torch.autograd.grad(top.sum(), maps)
        assert gradient.sum(dim=(2, 3)).tolist() == [[1.0, 1.0]]


class TestAttention:
    @pytest.mark.parametrize("pool", ["avg+max", "avg"])
    def test_channel_attention_is_equation_7(self, pool):
        torch.manual_seed(0)
        module, maps = ChannelAttention(5, pool), windows(3, 5)
        (w1, b1), (w2, b2) = ((m.weight.detach().numpy(), m.bias.detach().numpy()) for m in module.mlp[::2])

        def mlp(pooled):
            return np.maximum(pooled @ w1.T + b1, 0) @ w2.T + b2

        values = maps.numpy()
        logits = mlp(values.mean(axis=(2, 3)))
        if pool == "avg+max":
            logits = logits + mlp(values.max(axis=(2, 3)))
        np.testing.assert_allclose(module(maps).detach().numpy(), special.expit(logits), rtol=1e-5)

    def test_spatial_attention_is_equation_8(self):
        torch.manual_seed(0)
        module, maps = SpatialAttention(), windows(2, 5, 8)
        kernel = module.conv.weight.detach().numpy()[0]
        values = maps.numpy()[1]
        logits = sum(
            ndimage.correlate(pooled, k, mode="constant")
            for pooled, k in zip((values.mean(axis=0), values.max(axis=0)), kernel, strict=True)
        )
        np.testing.assert_allclose(module(maps)[1, 0].detach().numpy(), special.expit(logits), rtol=1e-4)

    def test_weights_are_exported_per_branch_and_factor_and_per_cell(self):
        net, x = network(), windows(4)
        by_factor, by_cell = net.channel_weights(x), net.spatial_weights(x)
        assert by_factor.shape == (2, 4, 3)
        assert by_cell.shape == (2, 4, 4, 4)
        for weights in (by_factor, by_cell):
            assert ((weights > 0) & (weights < 1)).all()
        maps = net.branches[1](x)
        torch.testing.assert_close(by_factor[1], net.channel_attention[1](maps))

    def test_switched_off_attention_has_no_weights_and_exports_ones(self):
        net = network(channel_attention=False, spatial_attention=False)
        assert not [key for key in net.state_dict() if "attention" in key]
        assert (net.channel_weights(windows()) == 1).all()
        assert (net.spatial_weights(windows()) == 1).all()

    def test_an_unknown_pool_is_refused(self):
        with pytest.raises(UsageError, match="pool 'max'"):
            network(pool="max")


class TestLoss:
    logits = np.random.default_rng(0).normal(size=(3, 5, 2)).astype(np.float32)
    target = np.array([0, 1, 1, 0, 1])
    weight = np.array([1.0, 2.0, 0.5, 1.0, 3.0], np.float32)

    def loss(self, logits=None, weight=None, **options):
        logits = torch.from_numpy(self.logits if logits is None else logits)
        return mfaf_loss(logits, torch.from_numpy(self.target), weight, **options)

    def expected(self, beta, temperature, weight):
        share = weight / len(weight)  # weights are 1 on average over a plan, not over a batch
        log_p = special.log_softmax(self.logits, axis=-1)
        entropy = -log_p[:, np.arange(5), self.target]
        teacher = special.softmax(self.logits.mean(axis=0) / temperature, axis=-1)
        students = special.log_softmax(self.logits / temperature, axis=-1)
        divergence = (teacher * (np.log(teacher) - students)).sum(axis=-1)
        return ((entropy + beta * temperature**2 * divergence) * share).sum(axis=1).mean()

    @pytest.mark.parametrize(("beta", "temperature"), [(0.0, 1.0), (0.4, 1.0), (0.7, 3.0)])
    def test_it_is_cross_entropy_plus_beta_times_divergence(self, beta, temperature):
        found = self.loss(weight=torch.from_numpy(self.weight), beta=beta, temperature=temperature)
        assert found.item() == pytest.approx(self.expected(beta, temperature, self.weight), rel=1e-5)
        found = self.loss(beta=beta, temperature=temperature)
        assert found.item() == pytest.approx(self.expected(beta, temperature, np.ones(5)), rel=1e-5)

    def test_one_branch_has_cross_entropy_only(self):
        found = self.loss(self.logits[:1], beta=5.0)
        expected = torch.nn.functional.cross_entropy(
            torch.from_numpy(self.logits[0]), torch.from_numpy(self.target)
        )
        assert found.item() == pytest.approx(expected.item(), rel=1e-6)

    def test_branches_that_agree_have_nothing_to_distil(self):
        same = np.repeat(self.logits[:1], 3, axis=0)
        assert self.loss(same, beta=5.0).item() == pytest.approx(self.loss(same, beta=0.0).item(), abs=1e-6)

    def test_the_teacher_gets_no_gradient(self):
        logits = torch.from_numpy(self.logits).double().requires_grad_()
        target = torch.from_numpy(self.target)
        (mfaf_loss(logits, target, beta=1.0) - mfaf_loss(logits, target, beta=0.0)).backward()
        students = special.softmax(self.logits.astype(float), axis=-1)
        teacher = special.softmax(self.logits.astype(float).mean(axis=0), axis=-1)
        # The derivative of KL(teacher || student) by the student's logits alone.
        np.testing.assert_allclose(logits.grad.numpy(), (students - teacher) / 15, atol=1e-12)

    def test_a_window_without_weight_changes_nothing(self):
        weight = torch.from_numpy(self.weight)
        weight = torch.where(torch.arange(5) == 2, 0.0, weight)
        other = self.logits.copy()
        other[:, 2] += 7
        assert self.loss(other, weight).item() == pytest.approx(self.loss(weight=weight).item(), rel=1e-6)


class TestVote:
    def test_the_majority_of_branches_decides_and_the_mean_is_the_score(self):
        found = decide(np.array([[[0.9, 0.6], [0.2, 0.6], [0.1, 0.1]]]))
        assert found.vote.tolist() == [False, True]
        np.testing.assert_allclose(found.score, [0.4, 1.3 / 3])

    def test_a_tie_goes_to_the_mean_probability(self):
        assert decide(np.array([[[0.9, 0.6], [0.2, 0.2]]])).vote.tolist() == [True, False]

    def test_members_of_an_ensemble_are_averaged_before_they_vote(self):
        found = decide(np.array([[[0.9]], [[0.3]]]))
        assert found.vote.tolist() == [True]
        np.testing.assert_allclose(found.members, [[0.9], [0.3]])


def test_the_record_names_the_paper():
    assert RECORD["doi"] == "10.3390/su151310269"
