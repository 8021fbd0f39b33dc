"""The multiscale feature attention framework (MFAF) of Gao et al. 2023, sections 3.2.2-3.2.6.

Windows of N factors are convolved at k dilation rates; each of the k results is weighted factor by factor
(channel attention), passes one shared backbone, is weighted cell by cell on the last convolution (spatial
attention), and is classified by one shared head. The k predictions vote; their mean probability is the score.

Where the paper is silent or contradicts itself, and what is done here:

* Equation 6: one 3 x 3 kernel a factor and rate (depthwise), so that attention weights belong to factors;
  ``mix`` convolves all factors together. Kernels start as the identity plus noise of sd .1, so that training
  begins from k slightly different views of the window.
* Equation 7 is missing from the text: average *and* maximum pooling through one MLP, added, sigmoid (CBAM,
  Woo et al. 2018, as 3.2.4 describes it); ``pool = "avg"`` is plain squeeze and excitation (SE). Each
  branch has its own MLP, with half as many hidden units as factors, at least 4 (SE's sixteenth is for
  hundreds of maps).
* The backbone's strides are those of `gossan.models.backbones`.
* Equation 9 sums over branches and samples; here it is their mean, so that the learning rate does not depend
  on the number of branches or the batch.
* Distillation is named, not defined: the teacher is the mean of the branches' detached logits, each branch
  is a student, Kullback-Leibler divergence at a temperature, times its square (Hinton et al. 2015).
* ``summary`` gives the head the window's own statistics beside the pooled maps, which the paper does not.
* A tie of the vote (equation 11) goes to the mean probability.
* Paper rates that do not fit a small window are scaled to it (`branch_rates`).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from gossan.errors import UsageError
from gossan.models.backbones import Backbone, SummaryHead, check_input, classify

__all__ = [
    "MFAF",
    "PAPER_RATES",
    "RECORD",
    "ChannelAttention",
    "SpatialAttention",
    "branch_rates",
    "mfaf_loss",
]

#: Dilation rates of section 4.1.
PAPER_RATES = (1, 6, 12, 18, 24)
#: Window of the paper, pixels a side.
PAPER_SIZE = 128
#: Dilation rates above this one leave the fast path of the CPU's convolutions.
WIDE = 11

RECORD = {
    "paper": "Gao, Wang, Zhang, Wang (2023). Intelligent Identification and Prediction Mineral Resources "
    "Deposit Based on Deep Learning. Sustainability 15, 10269",
    "doi": "10.3390/su151310269",
    "sections": "3.2.2-3.2.6",
    "licence": "CC BY 4.0",
}


def branch_rates(size: int, rates: Sequence[int] | Literal["scaled"] | None = None) -> tuple[int, ...]:
    """Return the dilation rates for windows of a size.

    Parameters
    ----------
    size
        Side of a window in pixels.
    rates
        Rates, ``scaled`` (the paper's times size / 128, halves up, at least 1, duplicates dropped), or None:
        the paper's where they fit, else scaled.

    Raises
    ------
    UsageError
        If a rate is below 1, given twice, or spans more than the window.

    Examples
    --------
    >>> branch_rates(128), branch_rates(32), branch_rates(16)
    ((1, 6, 12, 18, 24), (1, 2, 3, 5, 6), (1, 2, 3))
    """
    if rates is None:
        rates = PAPER_RATES if 2 * max(PAPER_RATES) + 1 <= size else "scaled"
    if rates == "scaled":
        scaled = (max(1, (2 * rate * size + PAPER_SIZE) // (2 * PAPER_SIZE)) for rate in PAPER_RATES)
        return tuple(dict.fromkeys(scaled))
    given = tuple(int(rate) for rate in rates)
    if not given or min(given) < 1 or len(set(given)) < len(given):
        raise UsageError(
            f"rates {list(given)} given; they are different whole numbers from 1: change model.rates"
        )
    if 2 * max(given) + 1 > size:
        raise UsageError(
            f"rate {max(given)} given, which spans {2 * max(given) + 1} px of a {size} px window; the "
            f"largest that fits is {(size - 1) // 2}: use smaller rates or rates = 'scaled'"
        )
    return given


class ChannelAttention(nn.Module):
    """Weights in (0, 1) of each factor: pooled over the window, through one MLP, sigmoid (equation 7)."""

    def __init__(self, channels: int, pool: Literal["avg+max", "avg"] = "avg+max") -> None:
        super().__init__()
        if pool not in ("avg+max", "avg"):
            raise UsageError(f"pool {pool!r} given; it is 'avg+max' or 'avg': change model.pool")
        hidden = max(4, channels // 2)
        self.pool = pool
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Return weights (batch, channel) of maps (batch, channel, row, col)."""
        return self.weigh(maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3)))

    def weigh(self, mean: Tensor, top: Tensor) -> Tensor:
        """Return weights (batch, channel) of the maps' means and maxima, each (batch, channel)."""
        pooled: Tensor = self.mlp(mean)
        if self.pool == "avg+max":
            pooled = pooled + self.mlp(top)
        return torch.sigmoid(pooled)


class SpatialAttention(nn.Module):
    """Weights in (0, 1) of each cell: sigmoid of a 7 x 7 convolution of mean and maximum (equation 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel_size=7, padding=3, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Return weights (batch, 1, row, col) of maps (batch, map, row, col)."""
        pooled = torch.cat([maps.mean(dim=1, keepdim=True), maps.amax(dim=1, keepdim=True)], dim=1)
        return torch.sigmoid(self.conv(pooled))


class MFAF(nn.Module):
    """k dilated branches with channel attention, one shared backbone and head, spatial attention between.

    Parameters
    ----------
    backbone
        Features and head that all branches share.
    channels, size
        Factors and pixels a side of a window.
    rates
        As in `branch_rates`.
    mix
        Convolve all factors together instead of each on its own.
    pool
        Pooling of the channel attention.
    channel_attention, spatial_attention
        Whether the module is there.
    summary
        Let the head also read each factor's mean, standard deviation and maximum over the window.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        channels: int,
        size: int,
        rates: Sequence[int] | Literal["scaled"] | None = None,
        mix: bool = False,
        pool: Literal["avg+max", "avg"] = "avg+max",
        channel_attention: bool = True,
        spatial_attention: bool = True,
        summary: bool = False,
    ) -> None:
        super().__init__()
        self.channels, self.size = channels, size
        self.rates = branch_rates(size, rates)
        self.branches = nn.ModuleList(_dilated(channels, rate, mix=mix) for rate in self.rates)
        self.channel_attention: nn.ModuleList | None = None
        if channel_attention:
            self.channel_attention = nn.ModuleList(ChannelAttention(channels, pool) for _ in self.rates)
        self.features = backbone.features
        self.head: nn.Module = SummaryHead(backbone.head, channels) if summary else backbone.head
        self.spatial_attention = SpatialAttention() if spatial_attention else None

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (branch, batch, 2) of windows (batch, channel, size, size)."""
        last = self._last_maps(x)
        if self.spatial_attention is not None:
            last = last * self.spatial_attention(last)
        return classify(self.head, last, x).reshape(len(self.rates), len(x), 2)

    def channel_weights(self, x: Tensor) -> Tensor:
        """Return the attention on each factor (branch, batch, channel); ones without channel attention."""
        check_input(x, self.channels, self.size)
        if self.channel_attention is None:
            return x.new_ones(len(self.rates), len(x), self.channels)
        pairs = zip(self.branches, self.channel_attention, strict=True)
        return torch.stack([attention(branch(x)) for branch, attention in pairs])

    def spatial_weights(self, x: Tensor) -> Tensor:
        """Return the attention on each cell (branch, batch, row, col); ones without spatial attention."""
        last = self._last_maps(x)
        if self.spatial_attention is None:
            weights = torch.ones_like(last[:, 0])
        else:
            weights = self.spatial_attention(last)[:, 0]
        return weights.reshape(len(self.rates), len(x), *weights.shape[1:])

    def _last_maps(self, x: Tensor) -> Tensor:
        """All branches through the shared backbone, side by side in one batch (branch x batch, ...)."""
        check_input(x, self.channels, self.size)
        maps = [_dilate(branch, x) for branch in self.branches]  # F_i = r(x, M_i, alpha_i), equation 6
        if self.channel_attention is None:
            side_by_side = torch.cat(maps)
        elif x.device.type == "cpu" and not torch.compiler.is_compiling():
            side_by_side = _attend(maps, self.channel_attention)
        else:
            pairs = zip(maps, self.channel_attention, strict=True)
            side_by_side = torch.cat([each * attention(each)[:, :, None, None] for each, attention in pairs])
        last: Tensor = self.features(side_by_side)
        return last


def _attend(maps: Sequence[Tensor], attentions: Iterable[nn.Module]) -> Tensor:
    """Weigh the branches' maps and lay them side by side, with fewer passes over memory than by single steps.

    On a CPU these maps are far larger than its caches: one step of five branches of 128 px spent as long on
    reading and writing them as on half of the backbone.
    """
    kept, weights = [], []
    for each, attention in zip(maps, attentions, strict=True):
        same, mean, top = _pool(each)
        kept.append(same)
        weights.append(cast(ChannelAttention, attention).weigh(mean, top))
    return _weigh(torch.stack(weights), *kept)


class _Pool(torch.autograd.Function):
    """Maps (batch, channel, row, col) as they are, with their mean and maximum (batch, channel).

    A maximum that several pixels share passes its gradient to the first of them.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        top, place = _flat(maps).max(dim=1)
        ctx.save_for_backward(place)
        return maps.view_as(maps), maps.mean(dim=(2, 3)), top

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_maps: Tensor, of_mean: Tensor, of_top: Tensor) -> Tensor:
        (place,) = ctx.saved_tensors
        share = of_mean / (of_maps.shape[2] * of_maps.shape[3])
        grad = (of_maps + share[:, :, None, None]).contiguous(memory_format=torch.channels_last)
        _flat(grad).scatter_add_(1, place[:, None], of_top[:, None])
        return grad


class _Weigh(torch.autograd.Function):
    """k maps (batch, channel, row, col), each times its weights (k, batch, channel), in one batch."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, *maps: Tensor) -> Tensor:
        ctx.save_for_backward(weights, *maps)
        count, first = len(maps[0]), maps[0]
        shape = (len(maps) * count, *first.shape[1:])
        kind = torch.promote_types(weights.dtype, first.dtype)
        out = torch.empty(shape, dtype=kind, device=first.device, memory_format=torch.channels_last)
        for part, each, weight in zip(torch.split(out, count), maps, weights, strict=True):
            torch.mul(each, weight[:, :, None, None], out=part)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        weights, *maps = ctx.saved_tensors
        of_weights, of_maps = [], []
        for part, each, weight in zip(torch.split(grad, len(maps[0])), maps, weights, strict=True):
            product = part * each
            of_weights.append(product.sum(dim=(2, 3)))
            of_maps.append(torch.mul(part, weight[:, :, None, None], out=product))
        return (torch.stack(of_weights), *of_maps)


_pool: Callable[[Tensor], tuple[Tensor, Tensor, Tensor]] = _Pool.apply
_weigh: Callable[..., Tensor] = _Weigh.apply


def _flat(maps: Tensor) -> Tensor:
    """See maps (batch, channel, row, col) as (batch, pixel, channel), without a copy if channels are last."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2)


def _dilate(branch: nn.Module, x: Tensor) -> Tensor:
    """Convolve; a wide frame of zeros is laid on first: on a CPU 4 times faster than in the kernel."""
    conv = cast(nn.Conv2d, branch)
    rate = int(conv.dilation[0])
    if x.device.type != "cpu" or rate <= WIDE:
        return cast(Tensor, conv(x))
    return F.conv2d(F.pad(x, (rate,) * 4), conv.weight, dilation=rate, groups=conv.groups)


def _dilated(channels: int, rate: int, *, mix: bool) -> nn.Conv2d:
    """Make a 3 x 3 convolution that keeps the size and starts near the identity."""
    groups = 1 if mix else channels
    conv = nn.Conv2d(channels, channels, 3, padding=rate, dilation=rate, groups=groups, bias=False)
    nn.init.dirac_(conv.weight, groups)
    with torch.no_grad():
        conv.weight += 0.1 * torch.randn_like(conv.weight) / (channels // groups) ** 0.5
    return conv


def mfaf_loss(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    beta: float = 0.4,
    temperature: float = 1.0,
) -> Tensor:
    """Return cross entropy plus self-distillation; for one branch, cross entropy.

    Parameters
    ----------
    logits
        (branch, batch, 2).
    target
        Class of each window, int64 (batch,): 1 = ore.
    weight
        Weight of each window, (batch,); None = 1.
    beta
        Weight of the distillation, >= 0; Table 5's best is .4.
    temperature
        > 0; larger softens teacher and students.
    """
    weight = torch.ones_like(logits[0, :, 0]) if weight is None else weight
    # The plan's weights are 1 on average; a batch's own sum would undo them where it holds no ore.
    share = weight / len(weight)
    k = len(logits)
    entropy = F.cross_entropy(logits.flatten(0, 1), target.repeat(k), reduction="none")
    loss = (entropy.reshape(k, -1) * share).sum(dim=1).mean()  # equation 9, as a mean
    if k == 1 or beta == 0:
        return loss
    teacher = F.log_softmax(logits.detach().mean(dim=0) / temperature, dim=-1).expand_as(logits)
    students = F.log_softmax(logits / temperature, dim=-1)
    divergence = F.kl_div(students, teacher, reduction="none", log_target=True).sum(dim=-1)
    return loss + beta * temperature**2 * (divergence * share).sum(dim=1).mean()
