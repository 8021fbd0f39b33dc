"""The blocks of ShuffleNetV2 with a channel shuffle that keeps channels last, on a CPU.

torchvision's own lays the maps out anew, channels first, and every convolution behind it lays them out once
more, in both directions. Without that the numbers are the same bits.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from gossan.models import _torchvision

__all__ = ["keep_channels_last"]


def keep_channels_last(net: nn.Module) -> None:
    """Let the blocks of a ShuffleNetV2 keep the layout of what they are given; weights and names stay."""
    for module in net.modules():
        if type(module) is _theirs():
            module.__class__ = _ours()


class _Interleave(torch.autograd.Function):
    """Two maps (batch, channel, row, col) in one, whose channels come from the one and the other by turns."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        shape = (first.shape[0], 2 * first.shape[1], *first.shape[2:])
        kind = torch.promote_types(first.dtype, second.dtype)
        out = torch.empty(shape, dtype=kind, device=first.device, memory_format=torch.channels_last)
        out[:, 0::2], out[:, 1::2] = first, second
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        grad = grad.contiguous(memory_format=torch.channels_last)
        # Without gaps: what comes next, such as a ReLU, is several times slower over every second channel.
        return tuple(grad[:, i::2].contiguous(memory_format=torch.channels_last) for i in (0, 1))


_interleave: Callable[[Tensor, Tensor], Tensor] = _Interleave.apply


def _theirs() -> Any:
    return _torchvision.load().models.shufflenetv2.InvertedResidual


@cache
def _ours() -> Any:
    return type("Block", (_theirs(),), {"forward": _forward})


def _forward(block: Any, x: Tensor) -> Tensor:
    """Compute a block of ShuffleNetV2 (Ma et al. 2018, Fig. 3 c and d)."""
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return cast(Tensor, _theirs().forward(block, x))
    kept, used = x.chunk(2, dim=1) if block.stride == 1 else (block.branch1(x), x)
    return _interleave(kept, block.branch2(used))
