"""Models: a registry of names, networks to create, and scorers to fit.

Importing this package loads neither torch nor scikit-learn.
"""

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from gossan.errors import UsageError
from gossan.models.base import ModelSettings, Prediction, Scorer
from gossan.models.training import TrainingSettings

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "ModelSettings",
    "Prediction",
    "Scorer",
    "TrainingSettings",
    "create",
    "create_from_settings",
    "load_scorer",
    "make_scorer",
    "names",
]

Kind = Literal["network", "classical"]


class _Model(NamedTuple):
    """One row a model: networks have a backbone, with MFAF around it or not."""

    kind: Kind
    backbone: str = ""
    mfaf: bool = False


_MODELS = {
    "resnet18": _Model("network", "resnet18"),
    "shufflenet-v2": _Model("network", "shufflenet-v2"),
    "googlenet": _Model("network", "googlenet"),
    "mobilenet-v2": _Model("network", "mobilenet-v2"),
    "mnasnet": _Model("network", "mnasnet"),
    "mfaf-resnet18": _Model("network", "resnet18", mfaf=True),
    "mfaf-shufflenet-v2": _Model("network", "shufflenet-v2", mfaf=True),
    "mfaf-googlenet": _Model("network", "googlenet", mfaf=True),
    "mfaf-mobilenet-v2": _Model("network", "mobilenet-v2", mfaf=True),
    "mfaf-mnasnet": _Model("network", "mnasnet", mfaf=True),
    "random-forest": _Model("classical"),
    "gradient-boosting": _Model("classical"),
    "logistic-regression": _Model("classical"),
    "svm": _Model("classical"),
}

#: Options of `create`, which are fields of `ModelSettings`.
_BACKBONE_OPTIONS = ("width", "weights", "depth")
_HEAD_OPTIONS = ("summary",)
_MFAF_OPTIONS = ("rates", "mix", "pool", "channel_attention", "spatial_attention")


def names(kind: Kind | None = None) -> list[str]:
    """Return the registered names.

    >>> names("classical")
    ['random-forest', 'gradient-boosting', 'logistic-regression', 'svm']
    """
    if kind not in ("network", "classical", None):
        raise UsageError(f"kind {kind!r} given; it is 'network', 'classical' or None")
    return [name for name, model in _MODELS.items() if kind in (None, model.kind)]


def create(name: str, *, channels: int, size: int, **options: Any) -> "nn.Module":
    """Make an untrained network.

    Parameters
    ----------
    name
        One of ``names("network")``.
    channels
        Channels of a window.
    size
        Side of a window in pixels, at least 16.
    **options
        ``width``, ``weights``, ``depth`` and ``summary``; for MFAF also ``rates``, ``mix``, ``pool``,
        ``channel_attention`` and ``spatial_attention``; see `ModelSettings`.

    Returns
    -------
    A module whose ``forward`` takes (batch, channel, size, size) to logits (branch, batch, 2); plain networks
    have one branch. Its first weights come from torch's global random numbers.

    Raises
    ------
    UsageError
        For a name that is not a network, an unknown option, or a value out of range.
    """
    model = _find(name)
    if model.kind != "network":
        raise UsageError(f"{name} is no network; create makes {', '.join(names('network'))}: use make_scorer")
    known = _BACKBONE_OPTIONS + _HEAD_OPTIONS + (_MFAF_OPTIONS if model.mfaf else ())
    for option in options:
        if option not in known:
            raise UsageError(f"option {option!r} given for {name}; it takes {', '.join(known)}: leave it out")
    from gossan.models.backbones import Plain, make_backbone

    of_backbone = {key: options.pop(key) for key in _BACKBONE_OPTIONS if key in options}
    if model.mfaf:
        from gossan.models.mfaf import MFAF, branch_rates

        branch_rates(size, options.get("rates"))  # refused before a network is built
        backbone = make_backbone(model.backbone, channels=channels, size=size, **of_backbone)
        return MFAF(backbone, channels=channels, size=size, **options)
    backbone = make_backbone(model.backbone, channels=channels, size=size, **of_backbone)
    return Plain(backbone, channels, size, **options)


def create_from_settings(name: str, settings: ModelSettings, *, channels: int, size: int) -> "nn.Module":
    """Make the untrained network that `[model]` describes; other fields are not looked at."""
    known = _BACKBONE_OPTIONS + _HEAD_OPTIONS + (_MFAF_OPTIONS if _find(name).mfaf else ())
    return create(name, channels=channels, size=size, **{key: getattr(settings, key) for key in known})


def make_scorer(
    name: str,
    *,
    model: ModelSettings | None = None,
    training: TrainingSettings | None = None,
) -> Scorer:
    """Make an unfitted scorer of any registered model.

    Parameters
    ----------
    name
        One of `names`; it wins over ``model.name``.
    model, training
        Settings; None takes the defaults.

    Raises
    ------
    UsageError
        For an unknown name.
    """
    model, training = model or ModelSettings(), training or TrainingSettings()
    if _find(name).kind == "network":
        from gossan.models.network import NetworkScorer

        return NetworkScorer(name, model=model, training=training)
    from gossan.models.classical import ClassicalScorer

    return ClassicalScorer(name, training=training)


def load_scorer(folder: Path, record: dict[str, Any]) -> Scorer:
    """Read the scorer that ``save`` wrote into a folder and described in a record.

    Raises
    ------
    MissingFileError
        If the weights file is not there.
    DataError
        If it is not the file that was written.
    """
    if _find(str(record["name"])).kind == "network":
        from gossan.models.network import NetworkScorer

        return NetworkScorer.load(folder, record)
    from gossan.models.classical import ClassicalScorer

    return ClassicalScorer.load(folder, record)


def _find(name: str) -> _Model:
    if name not in _MODELS:
        near = get_close_matches(name, _MODELS, n=1, cutoff=0.0)
        raise UsageError(f"model {name!r} given; known are {', '.join(_MODELS)}: did you mean {near[0]!r}?")
    return _MODELS[name]
