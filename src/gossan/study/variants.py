"""The rows of the paper's Tables 3 to 6, each as a change of one project."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from gossan.config import Project
from gossan.models import TrainingSettings, names
from gossan.models.backbones import comes_in
from gossan.models.mfaf import PAPER_RATES, PAPER_SIZE

__all__ = ["BETAS", "RATE_SETS", "TABLES", "Table", "Variant", "as_variant", "rows_of", "shrunk"]

#: Tables of the paper that are made of fits; Table 2 is the screening.
Table = Literal[3, 4, 5, 6]
TABLES: tuple[Table, ...] = (3, 4, 5, 6)

BETAS = (0.0, 0.1, 0.4, 0.6, 0.7, 0.8)
RATE_SETS = ((1, 2, 4, 8, 10), (1, 4, 8, 12, 16), PAPER_RATES, (1, 8, 16, 24, 32))

#: As the paper writes them; * = with MFAF.
_WRITTEN = {
    "resnet18": "ResNet18",
    "shufflenet-v2": "ShuffleNetV2",
    "googlenet": "GoogLeNet",
    "mobilenet-v2": "MobileNetV2",
    "mnasnet": "MnasNet",
}
_CLASSICAL = {
    "random-forest": "Random forest",
    "gradient-boosting": "Gradient boosting",
    "logistic-regression": "Logistic regression",
    "svm": "SVM",
}


@dataclass(frozen=True)
class Variant:
    """One row of a table.

    Attributes
    ----------
    label
        As the paper writes it.
    model
        A registered name, or "" for 'all barren', which is not fitted.
    changes
        ``"section.key"`` -> value, over the study's settings.
    against
        Label of the row that it is compared with in pairs, "" for none.
    extra
        Not in the paper: stands below the line.
    vote
        Decide by the branches' vote; False by their mean probability.
    """

    label: str
    model: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    against: str = ""
    extra: bool = False
    vote: bool = True

    @property
    def fit(self) -> str:
        """Name of what is fitted: rows of several tables that are one fit have one name."""
        return " ".join([self.model, *(f"{key}={value}" for key, value in sorted(self.changes.items()))])


def rows_of(table: Table, size: int) -> list[Variant]:
    """List the rows of a table, those of the paper first, in its order.

    Parameters
    ----------
    size
        Side of a window, pixels: rates that do not fit are scaled to it, those of Table 6 all alike.

    Examples
    --------
    >>> [row.label for row in rows_of(5, 128)]  # doctest: +NORMALIZE_WHITESPACE
    ['beta = 0', 'beta = 0.1', 'beta = 0.4', 'beta = 0.6', 'beta = 0.7', 'beta = 0.8', 'ResNet18 (plain)']
    """
    return {3: _methods, 4: _ablations, 5: _betas, 6: _rates}[table](size)


def _methods(size: int) -> list[Variant]:
    paper = [
        Variant("ResNet18", "resnet18"),
        Variant("ResNet18*", "mfaf-resnet18", against="ResNet18"),
        Variant("ShuffleNetV2", "shufflenet-v2"),
        Variant("ShuffleNetV2*", "mfaf-shufflenet-v2", against="ShuffleNetV2"),
        *(Variant(_WRITTEN[name], name) for name in ("googlenet", "mobilenet-v2", "mnasnet")),
    ]
    others = ("googlenet", "mobilenet-v2", "mnasnet")
    return [
        *paper,
        *(
            Variant(f"{_WRITTEN[name]}*", f"mfaf-{name}", against=_WRITTEN[name], extra=True)
            for name in others
        ),
        *(Variant(written, name, against="ResNet18*", extra=True) for name, written in _CLASSICAL.items()),
        Variant("All barren", "", against="ResNet18*", extra=True),
    ]


#: Ablation -> what changes, and whether the branches still vote; the first two are the paper's.
_ABLATIONS: Mapping[str, tuple[Mapping[str, Any], bool]] = {
    "R-CA-{}": ({"model.channel_attention": False}, True),
    "R-SA-{}": ({"model.spatial_attention": False}, True),
    "{} without dilation (one branch)": ({"model.rates": (1,)}, True),
    "{} without distillation": ({"model.beta": 0.0}, True),
    "{} without SMOTE": ({"balance.method": "none"}, True),
    "{} without vote": ({}, False),
}


def _ablations(size: int) -> list[Variant]:
    paper: list[Variant] = []
    extra: list[Variant] = []
    for name in ("resnet18", "shufflenet-v2"):
        full, model = f"{_WRITTEN[name]}*", f"mfaf-{name}"
        paper.append(Variant(full, model))
        for number, (label, (changes, vote)) in enumerate(_ABLATIONS.items()):
            row = Variant(label.format(full), model, changes, against=full, extra=number > 1, vote=vote)
            (extra if row.extra else paper).append(row)
    return [*paper, *extra]


def _betas(size: int) -> list[Variant]:
    base = "beta = 0.4"
    rows = [
        Variant(f"beta = {beta:g}", "mfaf-resnet18", _beta(beta), against="" if beta == 0.4 else base)
        for beta in BETAS
    ]
    return [*rows, Variant("ResNet18 (plain)", "resnet18", against=base, extra=True)]


def _beta(beta: float) -> dict[str, Any]:
    """0.4 is the default, so that its fits are those of Table 3."""
    return {} if beta == 0.4 else {"model.beta": beta}


def _rates(size: int) -> list[Variant]:
    fits = 2 * max(map(max, RATE_SETS)) + 1 <= size
    base = _rates_label(PAPER_RATES)
    rows = []
    for rates in RATE_SETS:
        used = rates if fits else shrunk(rates, size)
        changes = {} if rates == PAPER_RATES else {"model.rates": used}
        label = _rates_label(rates) + ("" if fits else f", used {_rates_label(used)}")
        rows.append(Variant(label, "mfaf-resnet18", changes))
        if rates == PAPER_RATES:
            base = label
    return [row if row.label == base else replace(row, against=base) for row in rows]


def _rates_label(rates: tuple[int, ...]) -> str:
    return "{" + ", ".join(map(str, rates)) + "}"


def shrunk(rates: tuple[int, ...], size: int) -> tuple[int, ...]:
    """Scale rates to a window as ``model.rates = "scaled"`` does: halves up, at least 1, duplicates dropped.

    >>> shrunk((1, 8, 16, 24, 32), 32)
    (1, 2, 4, 6, 8)
    """
    scaled = (max(1, (2 * rate * size + PAPER_SIZE) // (2 * PAPER_SIZE)) for rate in rates)
    return tuple(dict.fromkeys(scaled))


def as_variant(project: Project, variant: Variant) -> Project:
    """Give the project as a row of the study wants it.

    The study fits what the paper fits: one network, SMOTE, no summaries beside the maps, all barren windows.
    Classical models have their own defaults. A width that a backbone does not come in is left at 1.
    """
    training = replace(project.training, ensemble=1, patience=None)
    model = replace(project.model, name=variant.model, summary=False, beta=0.4, rates=None)
    if variant.model in names("network"):
        if not comes_in(variant.model.removeprefix("mfaf-"), model.width):
            model = replace(model, width=1.0)
    else:
        training = TrainingSettings(threads=training.threads)
    changed: dict[str, Any] = {"model": model, "training": training}
    changed["balance"] = replace(project.balance, method="smote", factor=4.0, compare=False)
    for key, value in variant.changes.items():
        section, _, name = key.partition(".")
        changed[section] = replace(changed[section], **{name: value})
    return replace(project, **changed, barren=replace(project.barren, method="all", ratio=None, draws=1))
