"""Looks inside the networks: attention, agreement of the branches, integrated gradients.

Attention weights are diagnostics, not causes: they say how a network scales its own maps, and the layers
behind can undo it (Jain and Wallace 2019, for text). They are shown because the paper promises them;
`permutation_influence` is the measure.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast
from warnings import warn

import numpy as np
from numpy.typing import NDArray

from gossan.errors import DataWarning, UsageError
from gossan.explain.groups import Group, group_channels
from gossan.explain.views import neutral
from gossan.hooks import MakeArray, Progress, in_memory, no_progress

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn

    from gossan.models.base import Prediction, Scorer
    from gossan.models.mfaf import MFAF
    from gossan.models.network import NetworkScorer
    from gossan.recipe import WindowSet

__all__ = ["agreement", "attention_weights", "integrated_gradients", "spatial_maps"]

#: Share of f(x) - f(baseline), or log odds where that is more, that gradients may miss before they warn.
_MISS_SHARE, _MISS_ODDS = 0.1, 0.1
#: Windows whose gradients are taken at once, and network inputs of their steps.
_GRADIENT_BATCH, _STEP_BATCH = 8, 64

_CAVEAT = "diagnostics of the network, not causes: layers behind the attention can undo its weights"


def attention_weights(
    scorer: "Scorer", windows: "WindowSet", *, progress: Progress = no_progress
) -> "pd.DataFrame":
    """Return the channel attention of MFAF by factor and branch (equation 7).

    Parameters
    ----------
    scorer
        A fitted MFAF with channel attention.

    Returns
    -------
    ``factor, branch`` (its dilation rate, pixels), ``mean`` and ``sd`` over windows of the ensemble's mean
    weight, each in (0, 1). Weights belong to factors only with depthwise branches; with ``mix`` the rows are
    ``mixed map 1`` and so on. ``attrs["note"]`` says what the weights are not.

    Raises
    ------
    UsageError
        For another model, and one without channel attention.
    """
    import pandas as pd

    network = _mfaf(scorer)
    if not network.model.channel_attention:
        raise UsageError(
            "the model has no channel attention; set model.channel_attention = true and run again"
        )

    def look(net: "nn.Module", x: "Tensor", valid: "Tensor") -> "Tensor":
        return cast("MFAF", net).channel_weights(x).movedim(1, 0)

    weights = network.look_inside(look, windows, dtype=np.float64, progress=progress)
    mixed = network.model.mix
    factors = [f"mixed map {i + 1}" if mixed else name for i, name in enumerate(windows.channels)]
    rates = cast("MFAF", network.members_[0]).rates
    table = pd.DataFrame(
        {
            "factor": np.tile(factors, len(rates)),
            "branch": np.repeat(rates, len(factors)),
            "mean": weights.mean(axis=0).ravel(),
            "sd": weights.std(axis=0).ravel(),
        }
    )
    of_mix = "with mix = true every map holds all factors, so no weight belongs to one; " if mixed else ""
    table.attrs["note"] = of_mix + _CAVEAT
    return table


def spatial_maps(
    scorer: "Scorer",
    windows: "WindowSet",
    *,
    make: MakeArray = in_memory,
    progress: Progress = no_progress,
) -> NDArray[np.float32]:
    """Return the spatial attention of MFAF (equation 8), mean over branches and ensemble.

    The last convolution is coarser than the window: its cells are spread bilinearly and each saw more ground
    than it covers.

    Parameters
    ----------
    make
        Makes the array that is returned.

    Returns
    -------
    float32 (window, size, size), in (0, 1).

    Raises
    ------
    UsageError
        For another model, and one without spatial attention.
    """
    from torch.nn.functional import interpolate

    network = _mfaf(scorer)
    if not network.model.spatial_attention:
        raise UsageError(
            "the model has no spatial attention; set model.spatial_attention = true and run again"
        )

    def look(net: "nn.Module", x: "Tensor", valid: "Tensor") -> "Tensor":
        weights = cast("MFAF", net).spatial_weights(x).float().mean(dim=0)[:, None]
        return interpolate(weights, size=x.shape[-2:], mode="bilinear", align_corners=False)[:, 0]

    return _inner(network.look_inside(look, windows, make=make, progress=progress), windows.size)


def _inner(maps: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Cut off the pixels that a network with a halo reads around its windows."""
    halo = (maps.shape[-1] - size) // 2
    return np.asarray(maps[..., halo : halo + size, halo : halo + size]) if halo else maps


def agreement(prediction: "Prediction") -> NDArray[np.float64]:
    """Return the share of branches that vote as the model does, (window,); 1 for models of one branch.

    Branches share a backbone and were taught to agree (S9): agreement is no probability of being right.
    """
    votes = prediction.branches > 0.5
    return np.asarray((votes == prediction.vote).mean(axis=0))


def integrated_gradients(
    scorer: "Scorer",
    windows: "WindowSet",
    groups: Sequence[Group],
    *,
    steps: int = 32,
    fill: NDArray[np.float32] | None = None,
    batch: int = _GRADIENT_BATCH,
    make: MakeArray = in_memory,
    progress: Progress = no_progress,
) -> NDArray[np.float32]:
    """Share each window's logit margin out to groups and pixels (Sundararajan et al. 2017, by captum).

    The margin is the logit of ore less that of barren, mean over branches and ensemble. The baseline is the
    window with all groups taken away, as in `reasons`; channels in no group, such as ``valid``, stay. The sum
    over groups and pixels is the margin less that of the baseline (completeness), but for the error of a sum
    of ``steps`` terms; a warning counts the windows where it misses a tenth. A network with many kinks that
    was fitted to few windows can need hundreds: raise ``steps`` until the warning goes, or trust `reasons`.

    Parameters
    ----------
    scorer
        A fitted network.
    steps
        Terms of the integral (Gauss-Legendre), at least 8.
    fill
        As in `reasons`.
    batch
        Windows at once, at least 1.
    make
        Makes the array that is returned.

    Returns
    -------
    float32 (window, group, size, size), log odds.

    Raises
    ------
    UsageError
        For a model that is no network, fewer than 8 steps, and where captum is not installed.
    """
    network = _network(scorer)
    if steps < 8 or batch < 1:
        raise UsageError(f"{steps} steps and a batch of {batch} given; 8 and 1 are the least: change them")
    channels = group_channels(groups, windows)
    baseline = _baseline(channels, neutral(windows) if fill is None else np.asarray(fill, np.float32))
    attribute = _attribution(channels, baseline, steps)

    def difference(net: "nn.Module", x: "Tensor", valid: "Tensor") -> "Tensor":
        return _margin(net, x) - _margin(net, baseline(x, valid))

    found = network.look_inside(attribute, windows, batch=batch, gradients=True, make=make, progress=progress)
    expected = network.look_inside(difference, windows, gradients=True)
    sums = [each.sum(axis=(1, 2, 3), dtype=np.float64) for each in np.array_split(found, len(found) or 1)]
    _judge(np.concatenate(sums), expected, steps)
    return _inner(found, windows.size)


def _baseline(
    channels: Sequence[NDArray[np.intp]], fill: NDArray[np.float32]
) -> Callable[["Tensor", "Tensor"], "Tensor"]:
    import torch

    every = torch.from_numpy(np.concatenate([np.zeros(0, dtype=np.intp), *channels]))

    def baseline(x: "Tensor", valid: "Tensor") -> "Tensor":
        empty = x.clone()
        where = every.to(x.device)
        value = torch.from_numpy(fill).to(x.device)[where, None, None]
        empty[:, where] = value * valid[:, None]
        return empty

    return baseline


def _attribution(
    channels: Sequence[NDArray[np.intp]], baseline: Callable[["Tensor", "Tensor"], "Tensor"], steps: int
) -> Callable[["nn.Module", "Tensor", "Tensor"], "Tensor"]:
    """Return a look that attributes a batch to groups, (batch, group, row, col)."""
    import torch

    try:
        from captum.attr import IntegratedGradients
    except ImportError as error:
        raise UsageError(
            "explain.gradients = true needs captum, which is not installed: pip install 'gossan[explain]' "
            "or set explain.gradients = false"
        ) from error

    def look(net: "nn.Module", x: "Tensor", valid: "Tensor") -> "Tensor":
        method = IntegratedGradients(lambda part: _margin(net, part))
        shares: Any = method.attribute(
            x, baseline(x, valid), n_steps=steps, internal_batch_size=max(_STEP_BATCH, len(x))
        )
        return torch.stack([shares[:, own].sum(dim=1) for own in channels], dim=1)

    return look


def _margin(net: "nn.Module", x: "Tensor") -> "Tensor":
    """Return the logit of ore less that of barren, mean over branches, (batch,)."""
    logits: Tensor = net(x)
    return (logits[..., 1] - logits[..., 0]).mean(dim=0)


def _judge(found: NDArray[np.float64], expected: NDArray[np.float32], steps: int) -> None:
    missed = np.abs(found - expected) > np.maximum(_MISS_SHARE * np.abs(expected), _MISS_ODDS)
    if missed.any():
        warn(
            f"the integrated gradients of {int(missed.sum())} of {len(missed)} windows, {steps} steps, miss "
            f"the margin by up to {np.abs(found - expected).max():.2g} log odds; a tenth is allowed: raise "
            "explain.steps",
            DataWarning,
            stacklevel=3,
        )


def _network(scorer: "Scorer") -> "NetworkScorer":
    from gossan.models.network import NetworkScorer

    if not isinstance(scorer, NetworkScorer):
        name = getattr(scorer, "name", type(scorer).__name__)
        raise UsageError(f"model {name!r} given; this look inside needs a network: choose another model.name")
    return scorer


def _mfaf(scorer: "Scorer") -> "NetworkScorer":
    network = _network(scorer)
    if not network.name.startswith("mfaf-"):
        raise UsageError(f"model {network.name!r} given; only MFAF has attention: choose an mfaf-... model")
    return network
