"""The five plain networks of the paper's Table 3, from torchvision, for small windows of many channels.

ResNet18 (He et al. 2016), ShuffleNetV2 (Ma et al. 2018), GoogLeNet (Szegedy et al. 2015), MobileNetV2
(Sandler et al. 2018), MnasNet (Tan et al. 2019). Departures from torchvision, for plain networks as for MFAF:

* The first convolution reads any number of channels, the head answers two classes.
* All five networks halve the image five times, for images of 224 px. Halvings are taken out *from the front*
  until the last feature map has at least 4 x 4 cells: a convolution loses its stride, a pooling goes. From
  97 px on torchvision's own strides give that already.
* ``depth`` keeps the first blocks only: with few windows, the deep ones cannot be trained.
* Batch-norm momentum is .1 everywhere; torchvision's MnasNet has .0003, which never settles in a short fit.
  Running statistics start at those of noise windows, unless weights are given.
* GoogLeNet has no auxiliary heads and does not transform its input.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gossan.errors import DataError, MissingFileError, UsageError
from gossan.models import _torchvision
from gossan.models.shuffled import keep_channels_last

__all__ = [
    "MIN_CELLS",
    "MIN_SIZE",
    "Backbone",
    "Plain",
    "SummaryHead",
    "check_input",
    "classify",
    "comes_in",
    "make_backbone",
]

#: The last feature map has at least this many cells a side: spatial attention needs some to choose from.
MIN_CELLS = 4
#: Of every batch norm.
MOMENTUM = 0.1
#: Smallest window, pixels a side.
MIN_SIZE = 16

_SHUFFLE = {width: f"shufflenet_v2_x{width:.1f}".replace(".", "_") for width in (0.5, 1.0, 1.5, 2.0)}
_MNAS = {0.5: "mnasnet0_5", 0.75: "mnasnet0_75", 1.0: "mnasnet1_0", 1.3: "mnasnet1_3"}


class _Network(NamedTuple):
    """One row a backbone: how torchvision builds it, where its convolutions lie, which widths it has."""

    build: Callable[[Any, float], nn.Module]
    trunk: str | None
    widths: Callable[[float], bool]
    allowed: str
    imagenet: dict[float, str]


_NETWORKS = {
    "resnet18": _Network(lambda models, _: models.resnet18(), None, lambda w: w == 1, "1", {1.0: "resnet18"}),
    "shufflenet-v2": _Network(
        lambda models, width: getattr(models, _SHUFFLE[width])(),
        None,
        lambda w: w in _SHUFFLE,
        ".5, 1, 1.5 or 2",
        _SHUFFLE,
    ),
    "googlenet": _Network(
        lambda models, _: models.GoogLeNet(aux_logits=False, transform_input=False, init_weights=False),
        None,
        lambda w: w == 1,
        "1",
        {1.0: "googlenet"},
    ),
    "mobilenet-v2": _Network(
        lambda models, width: models.MobileNetV2(width_mult=width),
        "features",
        lambda w: 0.25 <= w <= 2,
        ".25 to 2",
        {1.0: "mobilenet_v2"},
    ),
    "mnasnet": _Network(
        lambda models, width: models.MNASNet(width), "layers", lambda w: 0.25 <= w <= 2, ".25 to 2", _MNAS
    ),
}


def comes_in(name: str, width: float) -> bool:
    """Tell whether a backbone exists in a width.

    >>> comes_in("shufflenet-v2", 0.5), comes_in("resnet18", 0.5)
    (True, False)
    """
    return _NETWORKS[name].widths(width)


class Backbone(NamedTuple):
    """A network in two parts, so that spatial attention fits between them.

    Attributes
    ----------
    features
        Up to the last convolution map: (batch, channel, size, size) -> (batch, map, cells, cells).
    head
        Pooling and the fully connected layer: -> (batch, 2).
    """

    features: nn.Sequential
    head: nn.Sequential


class SummaryHead(nn.Module):
    """A head that reads each factor's mean, standard deviation and maximum beside the pooled maps.

    It is one fully connected layer on both side by side, as the sum of one for each. Summaries are normalised
    over the batch, since their spreads differ. Both layers start at 0: otherwise random readings of the maps
    drown the summaries for the whole of a short fit, and a factor that never varies in training, such as a
    class that is met later, would get a say.
    """

    def __init__(self, head: nn.Sequential, channels: int) -> None:
        super().__init__()
        self.head = head
        self.norm = nn.BatchNorm1d(3 * channels, affine=False)
        self.own = nn.Linear(3 * channels, 2, bias=False)
        for layer in (*(module for module in head if isinstance(module, nn.Linear)), self.own):
            nn.init.zeros_(layer.weight)

    def forward(self, maps: Tensor, x: Tensor) -> Tensor:
        """Return logits (k batch, 2) of the maps of k branches (k batch, ...) and windows (batch, ...)."""
        logits: Tensor = self.head(maps)
        own: Tensor = self.own(self.norm(_summaries(x)))
        return logits + own.repeat(len(logits) // len(own), 1)


def _summaries(x: Tensor) -> Tensor:
    """Return mean, standard deviation and maximum over the ground of a window, (batch, 3 channel).

    Pixels that are 0 in every channel are no ground; a window without any gives 0.
    """
    flat = x.flatten(2)
    ground = (flat != 0).any(dim=1, keepdim=True)
    count = ground.sum(dim=2).clamp(min=1)
    mean = flat.sum(dim=2) / count
    variance = ((flat - mean[..., None]) * ground).square().sum(dim=2) / count
    top = flat.masked_fill(~ground, -torch.inf).amax(dim=2)
    top = torch.where(ground.any(dim=2), top, 0.0)
    # The square root has no finite slope at 0, where a factor is flat: attributions would be NaN there.
    sd = torch.where(variance > 0, variance.clamp(min=1e-12).sqrt(), 0.0)
    return torch.cat([mean, sd, top], dim=1)


def classify(head: nn.Module, maps: Tensor, x: Tensor) -> Tensor:
    """Return a head's logits; a `SummaryHead` reads the windows as well."""
    logits: Tensor = head(maps, x) if isinstance(head, SummaryHead) else head(maps)
    return logits


class Plain(nn.Module):
    """A backbone as it is, which answers as a single branch."""

    def __init__(self, backbone: Backbone, channels: int, size: int, *, summary: bool = False) -> None:
        super().__init__()
        self.features = backbone.features
        self.head: nn.Module = SummaryHead(backbone.head, channels) if summary else backbone.head
        self.channels, self.size = channels, size

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (1, batch, 2) of windows (batch, channel, size, size)."""
        check_input(x, self.channels, self.size)
        return classify(self.head, self.features(x), x)[None]


def check_input(x: Tensor, channels: int, size: int) -> None:
    """Refuse a batch that the network was not made for.

    Raises
    ------
    UsageError
    """
    if x.shape[1:] != (channels, size, size):
        raise UsageError(
            f"a batch of shape {tuple(x.shape)} given; it reads (batch, {channels}, {size}, {size}): "
            "create one for these channels and this size"
        )


def make_backbone(
    name: str,
    *,
    channels: int,
    size: int,
    width: float = 1.0,
    weights: str = "none",
    depth: int | None = None,
) -> Backbone:
    """Make one of the five networks for windows of any number of channels.

    Parameters
    ----------
    channels
        Channels of a window, at least 1.
    size
        Side of a window in pixels, at least 16.
    width
        Factor on the network's own channels.
    weights
        ``none``, ``imagenet``, or the path of a state dict (``.safetensors``, or a torch file that is read
        without running code). Its first convolution is averaged over its inputs, its head is left out.
    depth
        Convolutional blocks that are kept, from the front, at least 1; None for all.

    Raises
    ------
    UsageError
        If the network does not exist in this width or has fewer blocks, the window is too small, or the
        weights cannot be had.
    DataError
        If the weights belong to another network.
    """
    if channels < 1 or size < MIN_SIZE:
        raise UsageError(
            f"windows of {channels} channels and {size} px given; networks read at least 1 channel and "
            f"{MIN_SIZE} px: use larger windows"
        )
    network = _NETWORKS[name]
    if not network.widths(width):
        raise UsageError(
            f"width {width:g} given for {name}; it comes in {network.allowed}: change model.width"
        )
    net = network.build(_torchvision.load().models, float(width))
    keep_channels_last(net)
    if weights != "none":
        _copy_weights(net, _find_weights(name, width, weights), weights)
    _adapt_input(next(_convolutions(net)), channels, pretrained=weights != "none")
    backbone = _split(net, network.trunk)
    if depth is not None:
        backbone = _cut(backbone, name, depth, torch.zeros(1, channels, size, size))
    _keep_cells(backbone.features, channels, size)
    _settle_norms(backbone.features, channels, size, pretrained=weights != "none")
    return backbone


def _split(net: nn.Module, trunk: str | None) -> Backbone:
    """Cut a torchvision network into features and head, without what lies between."""
    last = [module for module in net.modules() if isinstance(module, nn.Linear)][-1]
    dropout = [nn.Dropout(module.p) for module in net.modules() if isinstance(module, nn.Dropout)]
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *dropout, nn.Linear(last.in_features, 2))
    after = {"avgpool", "dropout", "fc"}
    children = net.named_children() if trunk is None else net.get_submodule(trunk).named_children()
    features = nn.Sequential(*(child for name, child in children if name not in after))
    return Backbone(features, head)


def _cut(backbone: Backbone, name: str, depth: int, probe: Tensor) -> Backbone:
    """Keep the first blocks, each with the norm, activation and pooling behind it, and a head that fits."""
    starts = [i for i, child in enumerate(backbone.features) if any(_convolutions(child))]
    if not 1 <= depth <= len(starts):
        raise UsageError(
            f"depth {depth} given; {name} has {len(starts)} blocks: change model.depth, or leave it out"
        )
    features = nn.Sequential(*list(backbone.features)[: [*starts, len(backbone.features)][depth]])
    with torch.no_grad():
        maps = features.eval()(probe).shape[1]
    features.train()
    head = nn.Sequential(*list(backbone.head)[:-1], nn.Linear(maps, 2))
    return Backbone(features, head)


def _keep_cells(features: nn.Sequential, channels: int, size: int) -> None:
    """Take halvings out from the front until the last map has `MIN_CELLS` cells a side."""
    halvings = [i for i, child in enumerate(features) if any(_strided(child))]
    probe = torch.zeros(1, channels, size, size)
    features.eval()
    with torch.no_grad():
        for i in halvings:
            if features(probe).shape[-1] >= MIN_CELLS:
                break
            # A block keeps its own attribute `stride`, which only says whether it has a shortcut.
            for module in _strided(features[i]):
                module.stride = (1, 1)
            if isinstance(features[i], nn.MaxPool2d):
                features[i] = nn.Identity()
    features.train()


def _settle_norms(features: nn.Sequential, channels: int, size: int, *, pretrained: bool) -> None:
    """Set every momentum, and start the running statistics at those of noise windows.

    Left at mean 0 and variance 1, an untrained network shrinks its input to nothing outside of training.
    """
    norms = [module for module in features.modules() if isinstance(module, nn.BatchNorm2d)]
    if not pretrained:
        for norm in norms:
            norm.momentum = 1.0
        with torch.no_grad():
            features(torch.randn(8, channels, size, size))
    for norm in norms:
        norm.momentum = MOMENTUM


def _strided(child: nn.Module) -> Iterator[nn.Conv2d | nn.MaxPool2d]:
    for module in child.modules():
        if isinstance(module, nn.Conv2d | nn.MaxPool2d) and module.stride in (2, (2, 2)):
            yield module


def _convolutions(net: nn.Module) -> Iterator[nn.Conv2d]:
    return (module for module in net.modules() if isinstance(module, nn.Conv2d))


def _adapt_input(conv: nn.Conv2d, channels: int, *, pretrained: bool) -> None:
    """Make the first convolution read `channels` maps."""
    old = conv.weight.detach()
    conv.in_channels = channels
    conv.weight = nn.Parameter(old.new_empty(len(old), channels, *old.shape[2:]))
    if pretrained:
        # The mean over colours, scaled so that the sum over inputs keeps its size.
        conv.weight.data.copy_(old.mean(dim=1, keepdim=True) * (old.shape[1] / channels))
    else:
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")


def _find_weights(name: str, width: float, weights: str) -> dict[str, Tensor]:
    """Return the state dict of a file or of torchvision's ImageNet weights."""
    if weights == "imagenet":
        return _imagenet(name, width)
    path = Path(weights)
    if not path.is_file():
        raise MissingFileError(f"no weights file {weights}; give 'none', 'imagenet' or the path of a file")
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _imagenet(name: str, width: float) -> dict[str, Tensor]:
    known = _NETWORKS[name].imagenet
    if width not in known:
        raise UsageError(
            f"weights 'imagenet' given for {name} of width {width:g}; torchvision has them for "
            f"{', '.join(f'{w:g}' for w in known)}: change model.width or model.weights"
        )
    enum = _torchvision.load().models.get_model_weights(known[width])
    try:
        state: dict[str, Tensor] = enum.DEFAULT.get_state_dict(progress=False, check_hash=True)
    except OSError as error:
        raise UsageError(
            f"weights 'imagenet' given, but {enum.DEFAULT.url} cannot be reached ({error}); "
            "download it elsewhere and give its path as model.weights, or use 'none'"
        ) from error
    return state


def _copy_weights(net: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Copy everything but the head, tensor by tensor: a state dict's version mark does not matter then."""
    linear = {name for name, module in net.named_modules() if isinstance(module, nn.Linear)}
    for key, tensor in net.state_dict().items():
        if key.rpartition(".")[0] in linear:
            continue
        if key not in state or state[key].shape != tensor.shape:
            raise DataError(
                f"weights {source} have no {key} of shape {tuple(tensor.shape)}; "
                "give the state dict of the same torchvision network and width"
            )
        tensor.copy_(state[key])
