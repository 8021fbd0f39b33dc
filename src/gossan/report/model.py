"""What ``report.json`` holds: format 1, the only thing a page says anything from.

A value that is not known is null or its key is missing; the page then leaves it out or says so. Shares are
in [0, 1], lengths in metres. `Summary` is what `metrics.summarise` returns; ``paired`` differences are
the model of the run minus the rival.
"""

from collections.abc import Mapping
from typing import Any, TypedDict

__all__ = [
    "Balance",
    "Channel",
    "Coverage",
    "Curve",
    "Curves",
    "Estimate",
    "GridInfo",
    "Hidden",
    "Leakage",
    "Metrics",
    "Paired",
    "ReportModel",
    "Screening",
    "ScreeningRow",
    "Summary",
    "Validation",
    "Windows",
]


class Estimate(TypedDict, total=False):
    """A measure: its mean, its spreads over folds and repeats, and its 95 % interval where it has one."""

    mean: float | None
    sd_folds: float | None
    sd_repeats: float | None
    ci95: list[float] | None


#: Measures by name; ``counts`` beside them is not a measure.
Summary = Mapping[str, Any]


class Paired(TypedDict, total=False):
    """The model of the run minus a rival, in AUC."""

    difference: float | None
    ci95: list[float] | None
    smallest_detectable: float | None


class Leakage(TypedDict, total=False):
    """What the same models score where training and test may touch, and in words what that measures."""

    estimand: str
    random: dict[str, Summary]


class Metrics(TypedDict, total=False):
    """The content of ``metrics.json``; each rival is a `Summary`, or has one under ``summary``."""

    protocol: str
    model: str
    camps: int
    summary: Summary
    folds: list[dict[str, Any]]
    rivals: dict[str, Any]
    paired: dict[str, Paired]
    leakage: Leakage | None


class GridInfo(TypedDict, total=False):
    """The grid; ``region`` is west, south, east, north."""

    rows: int
    cols: int
    resolution: float
    region: list[float]


class ScreeningRow(TypedDict, total=False):
    """One element; ``folds_kept`` of ``folds`` screenings, each on its own samples, kept it."""

    element: str
    auc: float | None
    z_auc: float | None
    p: float | None
    direction: str | None
    keep: bool
    folds_kept: int | None
    folds: int | None


class Screening(TypedDict, total=False):
    """The screening of all samples; ``note`` is said below its table."""

    protocol: str
    rows: list[ScreeningRow]
    note: str | None


class Windows(TypedDict, total=False):
    """How the map is cut; ``uncovered_pixels`` are valid ones in the margin that no area covers."""

    size_px: int
    size_m: float
    areas: int
    ore_areas: int
    training_windows: int
    valid_pixels: int
    uncovered_pixels: int


class Validation(TypedDict, total=False):
    """How training and test were kept apart.

    ``train_share`` and ``ore_share`` say how many areas and how many ore areas train, as means over folds.
    """

    protocol: str
    folds: int
    repeats: int
    block_m: float
    dead_zone_m: float
    camps: int
    deposits_inside: int
    train_share: float
    ore_share: float


class Curve(TypedDict, total=False):
    """A curve and, where it has one, its band."""

    x: list[float]
    y: list[float]
    low: list[float] | None
    high: list[float] | None


class Curves(TypedDict, total=False):
    """The curves of one model."""

    roc: Curve
    prediction_rate: Curve


class Coverage(TypedDict, total=False):
    """Known deposits, and how many the best ``budget`` of the ground holds: predicted, and as fitted."""

    budget: float
    known: int
    predicted: int
    fitted: int | None


class Hidden(TypedDict, total=False):
    """On a made survey: what the best ``budget`` of the ground without known deposits holds of the hidden.

    ``found_share`` by the model, ``distance_share`` by nearness to a known deposit, ``rivals`` by name.
    """

    count: int
    found_share: float
    chance: float
    distance_share: float | None
    rivals: dict[str, float | None]
    budget: float


class Channel(TypedDict, total=False):
    """One layer of the stack; ``kept``: the final model sees it."""

    name: str
    unit: str
    kept: bool


#: The AUC with the balancing of the run and without any (``with`` is a keyword: hence this form).
Balance = TypedDict("Balance", {"with": Estimate | None, "without": Estimate | None}, total=False)


class ReportModel(TypedDict, total=False):
    """All of it.

    ``data`` counts what was read, kept and dropped, by source; ``targets`` are the rows of ``targets.csv``,
    the best first; ``version`` is the package's, or versions by name.
    """

    format: int
    title: str
    version: str | dict[str, str]
    project: dict[str, Any]
    crs: str
    grid: GridInfo
    data: dict[str, Any]
    screening: Screening | None
    windows: Windows
    validation: Validation
    metrics: Metrics
    curves: dict[str, Curves]
    coverage: Coverage | None
    hidden: Hidden | None
    targets: list[dict[str, Any]]
    channels: list[Channel]
    balance: Balance | None
    warnings: list[str]
    command: str
