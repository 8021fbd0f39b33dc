"""Models: a registry of names, networks to create, and scorers to fit.

Importing this package loads neither torch nor scikit-learn.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

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
    "candidates",
    "create",
    "create_from_settings",
    "load_scorer",
    "make_scorer",
    "names",
]

Kind = Literal["network", "classical", "baseline"]


class _Model(NamedTuple):
    """One row a model: kind, where its scorer is, and a network's backbone, with MFAF around it or not."""

    kind: Kind
    scorer: str = "network:NetworkScorer"
    backbone: str = ""
    mfaf: bool = False


def _network(backbone: str, *, mfaf: bool = False) -> _Model:
    return _Model("network", backbone=backbone, mfaf=mfaf)


_MODELS = {
    "resnet18": _network("resnet18"),
    "shufflenet-v2": _network("shufflenet-v2"),
    "googlenet": _network("googlenet"),
    "mobilenet-v2": _network("mobilenet-v2"),
    "mnasnet": _network("mnasnet"),
    "mfaf-resnet18": _network("resnet18", mfaf=True),
    "mfaf-shufflenet-v2": _network("shufflenet-v2", mfaf=True),
    "mfaf-googlenet": _network("googlenet", mfaf=True),
    "mfaf-mobilenet-v2": _network("mobilenet-v2", mfaf=True),
    "mfaf-mnasnet": _network("mnasnet", mfaf=True),
    "random-forest": _Model("classical", "classical:ClassicalScorer"),
    "gradient-boosting": _Model("classical", "classical:ClassicalScorer"),
    "logistic-regression": _Model("classical", "classical:ClassicalScorer"),
    "svm": _Model("classical", "classical:ClassicalScorer"),
    "weights-of-evidence": _Model("classical", "evidence_weights:EvidenceScorer"),
    "isolation-forest": _Model("classical", "unlabelled:IsolationScorer"),
    "pu-bagging": _Model("classical", "unlabelled:BaggingScorer"),
    "nearest-known": _Model("baseline", "baselines:NearestScorer"),
    "fault-distance": _Model("baseline", "baselines:FaultScorer"),
    "best-element": _Model("baseline", "baselines:ElementScorer"),
    "sample-density": _Model("baseline", "baselines:SamplesScorer"),
}

#: Options of `create`, which are fields of `ModelSettings`.
_BACKBONE_OPTIONS = ("width", "weights", "depth")
_HEAD_OPTIONS = ("summary", "halo")
_MFAF_OPTIONS = ("rates", "mix", "pool", "channel_attention", "spatial_attention")


def names(kind: Kind | None = None) -> list[str]:
    """Return the registered names.

    >>> names("baseline")
    ['nearest-known', 'fault-distance', 'best-element', 'sample-density']
    """
    if kind not in ("network", "classical", "baseline", None):
        raise UsageError(f"kind {kind!r} given; it is 'network', 'classical', 'baseline' or None")
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
        ``width``, ``weights``, ``depth``, ``summary`` and ``halo``; for MFAF also ``rates``, ``mix``,
        ``pool``, ``channel_attention`` and ``spatial_attention``; see `ModelSettings`.

    Returns
    -------
    A module whose ``forward`` takes (batch, channel, size, size) to logits (branch, batch, 2); plain networks
    have one branch. With ``halo`` windows have ``context.halo`` more pixels on every side. Its first weights
    come from torch's global random numbers.

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
    from gossan.models.backbones import make_backbone

    plain, around = _network_classes(halo=bool(options.pop("halo", False)))
    of_backbone = {key: options.pop(key) for key in _BACKBONE_OPTIONS if key in options}
    if model.mfaf:
        from gossan.models.mfaf import branch_rates

        branch_rates(size, options.get("rates"))  # refused before a network is built
        backbone = make_backbone(model.backbone, channels=channels, size=size, **of_backbone)
        return cast("nn.Module", around(backbone, channels=channels, size=size, **options))
    backbone = make_backbone(model.backbone, channels=channels, size=size, **of_backbone)
    return cast("nn.Module", plain(backbone, channels, size, **options))


def _network_classes(*, halo: bool) -> tuple[Any, Any]:
    """Return the classes of a plain network and of MFAF."""
    if halo:
        from gossan.models.context import WideMFAF, WidePlain

        return WidePlain, WideMFAF
    from gossan.models.backbones import Plain
    from gossan.models.mfaf import MFAF

    return Plain, MFAF


def create_from_settings(name: str, settings: ModelSettings, *, channels: int, size: int) -> "nn.Module":
    """Make the untrained network that `[model]` describes; other fields are not looked at."""
    known = _BACKBONE_OPTIONS + _HEAD_OPTIONS + (_MFAF_OPTIONS if _find(name).mfaf else ())
    return create(name, channels=channels, size=size, **{key: getattr(settings, key) for key in known})


def make_scorer(
    name: str,
    *,
    model: ModelSettings | None = None,
    training: TrainingSettings | None = None,
    options: Mapping[str, Any] | None = None,
) -> Scorer:
    """Make an unfitted scorer of any registered model.

    Parameters
    ----------
    name
        One of `names`; it wins over ``model.name``.
    model, training
        Settings; None takes the defaults.
    options
        What is turned at the model, such as one of `candidates`: for a network fields of `ModelSettings` and
        `TrainingSettings` that replace those given, for any other model its own. None turns nothing.

    Raises
    ------
    UsageError
        For an unknown name or option, or a value that the option does not take.
    """
    model, training = model or ModelSettings(), training or TrainingSettings()
    row, scorer = _find(name), _scorer_class(name)
    if row.kind == "network":
        from gossan.models.tuning import network_settings

        model, training = network_settings(name, options, mfaf=row.mfaf, model=model, training=training)
        return cast(Scorer, scorer(name, model=model, training=training))
    return cast(Scorer, scorer(name, training=training, options=options))


def candidates(name: str, budget: int, *, training: TrainingSettings | None = None) -> list[dict[str, Any]]:
    """List the options to try of a model on inner folds, its defaults (``{}``) first.

    Parameters
    ----------
    budget
        How many to try at most, 1 or more. Every model that can be tuned has the same number of candidates,
        so that at an equal budget all are tried equally often; baselines and the isolation forest have the
        defaults only.
    training
        Settings that a network's learning rates and weight decays are multiples of.

    Raises
    ------
    UsageError
        For an unknown name, or a budget under 1.

    Examples
    --------
    >>> candidates("logistic-regression", 3)
    [{}, {'C': 0.01}, {'C': 1.0}]
    """
    row = _find(name)
    if budget < 1:
        raise UsageError(f"a budget of {budget} configurations given; it is at least 1: raise it")
    if row.kind == "network":
        from gossan.models.tuning import network_candidates

        return network_candidates(training or TrainingSettings(), mfaf=row.mfaf)[:budget]
    return [{}, *(dict(options) for options in _scorer_class(name).tried.get(name, ()))][:budget]


def load_scorer(folder: Path, record: dict[str, Any]) -> Scorer:
    """Read the scorer that ``save`` wrote into a folder and described in a record.

    Raises
    ------
    MissingFileError
        If the weights file is not there.
    DataError
        If it is not the file that was written.
    """
    return cast(Scorer, _scorer_class(str(record["name"])).load(folder, record))


def _scorer_class(name: str) -> Any:
    module, _, scorer = _find(name).scorer.partition(":")
    return getattr(import_module(f"gossan.models.{module}"), scorer)


def _find(name: str) -> _Model:
    if name not in _MODELS:
        near = get_close_matches(name, _MODELS, n=1, cutoff=0.0)
        raise UsageError(f"model {name!r} given; known are {', '.join(_MODELS)}: did you mean {near[0]!r}?")
    return _MODELS[name]
