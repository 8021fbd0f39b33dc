"""Networks whose scores of overlapping windows can share their convolutions, to the last digits.

A convolution pads what lies behind the edge of a window with zeros. A pass over the whole map sees the ground
there, so cells near the edge differ. With ``model.halo`` a window is read with so many pixels around it that
no cell inside it depends on padding, and the head pools the cells inside only: the cells of a window are then
the same numbers whichever pass they come from.

One thing of MFAF would still depend on the window: channel attention pools over it, in front of the shared
backbone (equation 7), so no cell is the same in two windows. A network with a halo pools over the square
around each cell instead, a quarter of a window wide (the ``extent`` of Hu et al. 2018, Gather-Excite): the
weights belong to factors as before, and to a place.

Other networks can be put through the same pass; what comes out is near their score and not equal to it.
"""

import math
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from gossan.errors import UsageError
from gossan.models import create_from_settings
from gossan.models.backbones import Backbone, Plain, SummaryHead, check_input, classify
from gossan.models.mfaf import MFAF

if TYPE_CHECKING:
    from gossan.models.base import ModelSettings
    from gossan.recipe import WindowSet

__all__ = ["Context", "WideMFAF", "WidePlain", "context_of", "dense_logits", "halo_of", "widened"]

Windows = TypeVar("Windows", bound="WindowSet")

#: A halo wider than so many windows is refused: nearly all that is read would be halo.
_WIDEST = 2
#: Rows of the probe, pixels: the total stride of any backbone; its first and greatest length.
_PROBE_ROWS, _SHORTEST, _LONGEST = 32, 256, 4096
#: Cells on each side that spatial attention reads.
_ATTENTION = 3


class Context(NamedTuple):
    """How far a network sees, and on which grid.

    Attributes
    ----------
    stride
        Pixels between the cells of the last map.
    cells
        Cells a side that lie in a window.
    halo
        Pixels on every side of a window that its cells depend on, a whole number of strides.
    extent
        Cells on each side that local attention pools over.
    """

    stride: int
    cells: int
    halo: int
    extent: int

    @property
    def margin(self) -> int:
        """Cells of the halo."""
        return self.halo // self.stride


class WideMFAF(MFAF):
    """MFAF on windows read with a halo; channel attention is local.

    Attributes
    ----------
    context
        How far it sees.
    """

    def __init__(self, backbone: Backbone, *, channels: int, size: int, **options: Any) -> None:
        super().__init__(backbone, channels=channels, size=size, **options)
        self.context = _checked(context_of(self), size)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (branch, batch, 2) of windows (batch, channel, size + 2 halo, size + 2 halo)."""
        last = self._last_maps(x)
        if self.spatial_attention is not None:
            last = last * self.spatial_attention(last)
        logits = classify(
            self.head, _inner_cells(last, self.context), _inner_pixels(x, self.context, self.size)
        )
        return logits.reshape(len(self.rates), len(x), 2)

    def channel_weights(self, x: Tensor) -> Tensor:
        """Return the attention on each factor (branch, batch, channel), mean over the window itself."""
        check_input(x, self.channels, self.size + 2 * self.context.halo)
        if self.channel_attention is None:
            return x.new_ones(len(self.rates), len(x), self.channels)
        pairs = zip(self.branches, self.channel_attention, strict=True)
        weights = [_local_weights(attention, branch(x), self.context) for branch, attention in pairs]
        return torch.stack(
            [_inner_pixels(each, self.context, self.size).mean(dim=(2, 3)) for each in weights]
        )

    def _last_maps(self, x: Tensor) -> Tensor:
        check_input(x, self.channels, self.size + 2 * self.context.halo)
        last: Tensor = self.features(
            torch.cat([_factors(self, x, i, self.context) for i in range(len(self.rates))])
        )
        return last


class WidePlain(Plain):
    """A plain backbone on windows read with a halo; ``context`` says how far it sees."""

    def __init__(self, backbone: Backbone, channels: int, size: int, *, summary: bool = False) -> None:
        super().__init__(backbone, channels, size, summary=summary)
        self.context = _checked(context_of(self), size)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (1, batch, 2) of windows (batch, channel, size + 2 halo, size + 2 halo)."""
        check_input(x, self.channels, self.size + 2 * self.context.halo)
        last = _inner_cells(self.features(x), self.context)
        return classify(self.head, last, _inner_pixels(x, self.context, self.size))[None]


def _checked(context: Context, size: int) -> Context:
    if context.halo > _WIDEST * size:
        raise UsageError(
            f"model.halo given for a network whose cells see {context.halo} px past a window of {size} px; "
            f"at most {_WIDEST * size} px are read: keep fewer blocks (model.depth), or use larger windows"
        )
    return context


def _inner_cells(last: Tensor, context: Context) -> Tensor:
    start, stop = context.margin, context.margin + context.cells
    return last[..., start:stop, start:stop]


def _inner_pixels(x: Tensor, context: Context, size: int) -> Tensor:
    return x[..., context.halo : context.halo + size, context.halo : context.halo + size]


def _factors(model: Any, x: Tensor, branch: int, context: Context) -> Tensor:
    """Return what the shared backbone reads of a branch; of a plain network the input itself."""
    if not isinstance(model, MFAF):
        return x
    maps: Tensor = model.branches[branch](x)
    if model.channel_attention is not None:
        maps = maps * _local_weights(model.channel_attention[branch], maps, context)
    return maps


def _local_weights(attention: Any, maps: Tensor, context: Context) -> Tensor:
    """Pool over ``2 extent + 1`` blocks around each block of ``stride`` px; one weight a factor and block.

    Blocks are counted from the first pixel, which lies a whole number of strides before a window.
    """
    rows, cols = maps.shape[-2:]
    side, half, block = 2 * context.extent + 1, context.extent, context.stride
    mean = F.avg_pool2d(maps, block, ceil_mode=True, count_include_pad=False)
    # Down, then across: a square's mean and maximum are those of its columns'.
    for kernel, padding in (((side, 1), (half, 0)), ((1, side), (0, half))):
        mean = F.avg_pool2d(mean, kernel, 1, padding, count_include_pad=False)
    pooled: Tensor = attention.mlp(mean.movedim(1, -1))
    if attention.pool == "avg+max":
        top = F.max_pool2d(maps, block, ceil_mode=True)
        for kernel, padding in (((side, 1), (half, 0)), ((1, side), (0, half))):
            top = F.max_pool2d(top, kernel, 1, padding)
        pooled = pooled + attention.mlp(top.movedim(1, -1))
    weights = torch.sigmoid(pooled).movedim(-1, 1)
    return weights.repeat_interleave(block, dim=2).repeat_interleave(block, dim=3)[..., :rows, :cols]


# ---- how far a network sees


def context_of(model: Any) -> Context:
    """Measure how far the cells of a network see past its window.

    Exact: missing numbers are put into one column of pixels at a time, and every cell that becomes missing
    depends on it.

    Raises
    ------
    UsageError
        If a cell depends on more than 2048 px to a side, as of a network that pools over the whole map.
    """
    stride, before, after = _reach(model.features, model.channels)
    size = int(model.size)
    cells = -(-size // stride)
    reach = max(before, (cells - 1) * stride + after - size + 1)
    extent = max(1, round((size / 4 / stride - 1) / 2))
    if getattr(model, "spatial_attention", None) is not None:
        reach += _ATTENTION * stride
    if isinstance(model, MFAF):
        reach += max(model.rates)
        if model.channel_attention is not None:
            reach += (extent + 1) * stride - 1
    return Context(stride, cells, -(-reach // stride) * stride, extent)


def _reach(features: nn.Module, channels: int) -> tuple[int, int, int]:
    """Return the stride of the last map, and how many pixels a cell sees before and after its first one."""
    probe = deepcopy(features).double().cpu().eval()
    length = _SHORTEST
    while length <= _LONGEST:
        found = _probe(probe, channels, length)
        if found is not None:
            return found
        length *= 2
    raise UsageError(
        f"a network that sees more than {_LONGEST // 2} px to a side given; its scores cannot be shared "
        "between windows: keep fewer blocks (model.depth), or set dense.method = 'exact'"
    )


def _probe(features: nn.Module, channels: int, length: int) -> tuple[int, int, int] | None:
    """Look for the cells that depend on each of a stride's columns; None where they reach the edge."""
    with torch.inference_mode():
        stride = length // features(torch.zeros(1, channels, _PROBE_ROWS, length).double()).shape[-1]
        columns = length // 2 + torch.arange(stride)
        x = torch.zeros(stride, channels, _PROBE_ROWS, length).double()
        x[torch.arange(stride), :, :, columns] = torch.nan
        hit = torch.isnan(features(x)).any(dim=1).any(dim=1)
    if bool(hit[:, [0, -1]].any()):
        return None
    seen = hit.any(dim=1)  # a convolution of one pixel that steps over some never sees them
    first = hit.int().argmax(dim=1)
    last = hit.shape[1] - 1 - hit.int().flip(1).argmax(dim=1)
    before = int((last * stride - columns)[seen].max())
    after = int((columns - first * stride)[seen].max())
    return stride, max(before, 0), max(after, 0)


@lru_cache(maxsize=64)
def _halo(name: str, settings: "ModelSettings", size: int) -> int:
    with torch.random.fork_rng(devices=[]):
        model: Any = create_from_settings(name, replace(settings, weights="none"), channels=1, size=size)
    return int(model.context.halo)


def halo_of(name: str, settings: "ModelSettings", size: int) -> int:
    """Return the pixels that the network of `[model]` reads on every side of a window; 0 without ``halo``.

    Raises
    ------
    UsageError
        As `gossan.models.create`.
    """
    return _halo(name, settings, size) if settings.halo else 0


def widened(windows: Windows, name: str, settings: "ModelSettings") -> Windows:
    """Return windows as the network of `[model]` reads them: with its halo."""
    return windows.around(halo_of(name, settings, windows.size)) if settings.halo else windows


# ---- many windows at once


def dense_logits(model: Any, x: Tensor, stride: int, context: Context) -> Tensor:
    """Return the logits of all windows of a rectangle whose corners lie on a grid.

    Of a network with a halo they are those of the windows one by one, but for rounding. Of another network
    they are not: its windows see zeros behind their edges, and its channel attention pools over them.

    Parameters
    ----------
    model
        In evaluation mode.
    x
        (1, channel, height, width): the ground of all windows with the context's halo around it.
    stride
        Pixels between corners, at least 1. The pass is repeated where the network's own stride does not
        divide it.

    Returns
    -------
    (branch, row, col, 2), one for each corner from the first pixel behind the halo.
    """
    side = int(model.size) + 2 * context.halo
    rows, cols = ((length - side) // stride + 1 for length in x.shape[-2:])
    passes = context.stride // math.gcd(stride, context.stride)
    branches = len(getattr(model, "rates", (1,)))
    out = x.new_empty(branches, rows, cols, 2, dtype=torch.float32)
    for down in range(min(passes, rows)):
        for across in range(min(passes, cols)):
            part = out[:, down::passes, across::passes]
            shifted = x[..., down * stride :, across * stride :]
            for branch in range(branches):
                maps = _pooled(model, shifted, branch, passes * stride, context)
                part[branch] = maps[: part.shape[1], : part.shape[2]]
    if isinstance(model.head, SummaryHead):
        own = model.head.own(model.head.norm(_box_summaries(x, int(model.size), stride, context.halo)))
        out += own.reshape(rows, cols, 2)
    return out


def _pooled(model: Any, x: Tensor, branch: int, step: int, context: Context) -> Tensor:
    """Return the head's logits of the maps alone, (row, col, 2), pooled over each window's cells."""
    last = model.features(_factors(model, x, branch, context))
    if getattr(model, "spatial_attention", None) is not None:
        last = last * model.spatial_attention(last)
    last = last[..., context.margin :, context.margin :]
    for kernel, move in (((context.cells, 1), (step, 1)), ((1, context.cells), (1, step))):
        last = F.avg_pool2d(last, kernel, tuple(max(1, each // context.stride) for each in move))
    head = model.head.head if isinstance(model.head, SummaryHead) else model.head
    logits: Tensor = head[-1](last[0].movedim(0, -1))
    return logits.float()


def _box_summaries(x: Tensor, size: int, stride: int, halo: int) -> Tensor:
    """Return mean, standard deviation and maximum over the ground of every window, (window, 3 channel)."""
    x = x[..., halo : x.shape[-2] - halo, halo : x.shape[-1] - halo]
    ground = (x != 0).any(dim=1, keepdim=True)
    precise = torch.float32 if x.device.type == "mps" else torch.float64
    values = x.to(precise)
    count = _boxes(ground.to(precise), size, stride) * size**2
    total, squares = (_boxes(each, size, stride) * size**2 for each in (values, values.square()))
    known = count.clamp(min=1)
    mean = total / known
    variance = (squares - mean * total) / known
    variance = torch.where(variance > 1e-12 * squares / known, variance, 0.0)  # flat, but for rounding
    top = _boxes(x.masked_fill(~ground, -torch.inf), size, stride, F.max_pool2d)
    top = torch.where(count > 0, top, 0.0)
    sd = torch.where(variance > 0, variance.clamp(min=1e-12).sqrt(), 0.0)
    return torch.cat([mean, sd, top], dim=1)[0].flatten(1).T.to(x.dtype)


def _boxes(x: Tensor, size: int, stride: int, pool: Any = F.avg_pool2d) -> Tensor:
    """Pool over every ``stride``-th square of ``size`` px: over common blocks first, down, then across."""
    block = math.gcd(size, stride)
    x = pool(x, block)
    side, step = size // block, stride // block
    pooled: Tensor = pool(pool(x, (side, 1), (step, 1)), (1, side), (1, step))
    return pooled
