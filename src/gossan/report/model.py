"""What ``report.json`` holds: format 1, the only thing a page says anything from.

A value that is not known is null or its key is missing; the page then leaves it out or says so. Shares are
in [0, 1], lengths in metres. Every probability is that of a *known* deposit. `Summary` is what
`metrics.summarise` returns; ``paired`` differences are the model of the run minus the rival.
"""

from collections.abc import Mapping
from typing import Any, TypedDict

from gossan.report.land import Land, Walk

__all__ = [
    "Applicability",
    "Attention",
    "AttentionRow",
    "Audit",
    "AuditRow",
    "Balance",
    "Barren",
    "Bins",
    "CalibrationFit",
    "Capture",
    "Channel",
    "Confusion",
    "Coverage",
    "Curve",
    "Curves",
    "Dense",
    "Design",
    "Distances",
    "Estimate",
    "GridInfo",
    "Hidden",
    "Influence",
    "InfluenceRow",
    "Interpolation",
    "InterpolationRow",
    "Leakage",
    "Metrics",
    "Paired",
    "PredictionArea",
    "ReportModel",
    "Screening",
    "ScreeningRow",
    "Summary",
    "Threshold",
    "Tuning",
    "TuningRow",
    "Validation",
    "Windows",
]


class Estimate(TypedDict, total=False):
    """A measure: its mean, its spreads over folds and repeats, and its 95 % interval where it has one."""

    mean: float | None
    sd_folds: float | None
    sd_repeats: float | None
    ci95: list[float] | None


#: Measures by name, each an `Estimate`; ``counts`` beside them is not a measure: its ``verdict`` is "not
#: enough to evaluate", "weak: fewer than 12 camps" or "".
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
    walk: dict[str, Any] | None


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


class Design(TypedDict, total=False):
    """One way of keeping training and test apart, and what it estimates ("new camp", "near known")."""

    name: str
    estimand: str
    folds: int | None
    block_m: float | None
    dead_zone_m: float | None
    note: str | None


class Distances(TypedDict, total=False):
    """Distances (m) from the map to the nearest deposit against those from test to training ore.

    The two hold quantiles by name (``q05`` to ``q95``); ``samples`` at most 200 sorted distances each under
    ``map`` and ``test``; ``sentence`` says in words what they mean for the score.
    """

    map_to_deposit: dict[str, float | None]
    test_to_training: dict[str, float | None]
    samples: dict[str, list[float]]
    wasserstein_m: float | None
    sentence: str | None


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
    designs: list[Design]
    distances: Distances | None


class Curve(TypedDict, total=False):
    """A curve and, where it has one, its band; ``prevalence`` belongs to precision against recall."""

    x: list[float]
    y: list[float]
    low: list[float] | None
    high: list[float] | None
    prevalence: float | None


class Bins(TypedDict, total=False):
    """Bins by rising probability: its mean, share of ore, number of areas, and the interval of the share."""

    probability: list[float]
    share_ore: list[float | None]
    number: list[int]
    low: list[float | None] | None
    high: list[float | None] | None


class Curves(TypedDict, total=False):
    """The curves of one model; ``success_rate`` is fitted (training deposits), all others are held-out."""

    roc: Curve
    prediction_rate: Curve
    precision_recall: Curve
    success_rate: Curve | None
    calibration: Bins | None


class Confusion(TypedDict, total=False):
    """Held-out areas, means over repeats: ore called ore, ore not, other ground called ore, and the rest."""

    hit: float
    miss: float
    false: float
    rest: float


class Capture(TypedDict, total=False):
    """Share of the held-out deposits in the best ``share`` of the ground."""

    share: float
    captured: float | None
    low: float | None
    high: float | None


class PredictionArea(TypedDict, total=False):
    """The prediction-area plot: shares of ground (x) and deposits (y) that score at least ``threshold``.

    They cross at the score ``at``, where the share of deposits ``pr`` is one minus the share of ground
    ``oa``; ``nd`` = pr / oa. The first threshold of a curve is null: it chooses nothing.
    """

    x: list[float]
    y: list[float]
    threshold: list[float | None]
    at: float | None
    oa: float | None
    pr: float | None
    nd: float | None
    ln_nd: float | None


class Threshold(TypedDict, total=False):
    """What follows from following up the best ``share`` of the ground, on held-out scores."""

    share: float
    threshold: float | None
    deposits: int | None
    deposits_share: float | None
    ore_areas: int | None
    precision: float | None
    lift: float | None
    expected_ore: float | None


class AuditRow(TypedDict, total=False):
    """A model under one protocol: "paper", "random", "random-cut", "blocks" or "strict"."""

    protocol: str
    label: str
    estimand: str
    auc: Estimate | None
    train_windows: int | None
    train_ore: int | None


class Audit(TypedDict, total=False):
    """The leakage audit of one model, the loosest protocol first.

    ``leakage`` and ``less_data`` (AUC, a number or an `Estimate`) split what the strict protocol takes off.
    """

    rows: list[AuditRow]
    leakage: float | Estimate | None
    less_data: float | Estimate | None
    sentence: str | None


class InfluenceRow(TypedDict, total=False):
    """A group of channels and the held-out AUC lost when it is shuffled."""

    group: str
    members: list[str]
    drop: float | None
    sd: float | None
    rank: int | None


class Influence(TypedDict, total=False):
    """Grouped permutation on held-out windows."""

    rows: list[InfluenceRow]
    note: str | None


class AttentionRow(TypedDict, total=False):
    """The mean attention weight of a factor in a branch, and its spread."""

    factor: str
    branch: str
    mean: float | None
    sd: float | None


class Attention(TypedDict, total=False):
    """Channel-attention weights: a diagnostic of the network, no cause."""

    rows: list[AttentionRow]
    note: str | None


class Applicability(TypedDict, total=False):
    """The area of applicability; ``ore_like`` has ``threshold`` and ``outside_share`` of the ore index.

    The run folder's ``applicability.tif`` holds its maps: bands ``index``, ``inside`` (1 or 0), ``ore_index``
    and ``far`` (share of pixels farther than two sample spacings from any sample).
    """

    threshold: float | None
    outside_share: float | None
    ore_like: dict[str, Any] | None
    note: str | None


class InterpolationRow(TypedDict, total=False):
    """Leave-one-out errors of one interpolated element, in its transformed unit."""

    element: str
    n: int | None
    rmse: float | None
    mae: float | None
    bias: float | None
    r2: float | None


class Interpolation(TypedDict, total=False):
    """Leave-one-out errors of every interpolated element."""

    rows: list[InterpolationRow]
    note: str | None


class Barren(TypedDict, total=False):
    """How barren training windows were drawn, and how far the AUC spreads over the draws.

    ``method`` is "random", "distance" or "dissimilar"; ``chosen`` is the number drawn each time.
    """

    method: str
    ratio: float | None
    draws: int | None
    chosen: int | None
    spread: float | None


class CalibrationFit(TypedDict, total=False):
    """How scores become probabilities of a known deposit: "platt", "isotonic" or "prior"."""

    kind: str
    slope: float | None
    intercept: float | None
    note: str | None


class TuningRow(TypedDict, total=False):
    """The choices of a model's tuning on inner camps; ``fold_choices`` holds the choice of each fold."""

    model: str
    options: Any
    fold_choices: Any


class Tuning(TypedDict, total=False):
    """Tuning on inner camps with the same ``budget`` for every model."""

    budget: int | None
    rows: list[TuningRow]


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


class Dense(TypedDict, total=False):
    """The dense map: a score every ``stride_m``; ``deviation`` of shared scores, None for the exact way."""

    stride_px: int
    stride_m: float
    rows: int
    cols: int
    windows: int
    method: str
    deviation: dict[str, Any] | None


#: The AUC with the balancing of the run and without any (``with`` is a keyword: hence this form).
Balance = TypedDict("Balance", {"with": Estimate | None, "without": Estimate | None}, total=False)


class ReportModel(TypedDict, total=False):
    """All of it.

    ``data`` counts what was read, kept and dropped, by source; ``targets`` are the rows of ``targets.csv``,
    the best first; ``version`` is the package's, or versions by name. ``captures``, ``confusion`` and
    ``audit`` are by model; ``looks`` counts how often the held-out scores were looked at, or says it.
    ``next_samples`` are the rows of `gossan.sheet.next_samples`, ``sample_units`` the unit of each element,
    ``versions`` those of the libraries, ``inputs`` the SHA-256 of each file that was read.
    """

    format: int
    title: str
    version: str | dict[str, str]
    versions: dict[str, str]
    inputs: dict[str, str]
    project: dict[str, Any]
    crs: str
    grid: GridInfo
    data: dict[str, Any]
    screening: Screening | None
    windows: Windows
    validation: Validation
    metrics: Metrics
    curves: dict[str, Curves]
    captures: dict[str, list[Capture]]
    confusion: dict[str, Confusion]
    prediction_area: PredictionArea | None
    thresholds: list[Threshold]
    audit: dict[str, Audit]
    influence: Influence | None
    attention: Attention | None
    applicability: Applicability | None
    interpolation: Interpolation | None
    dense: Dense | None
    barren: Barren | None
    calibration: CalibrationFit | None
    tuning: Tuning | None
    looks: int | str | list[str] | None
    coverage: Coverage | None
    hidden: Hidden | None
    land: Land | None
    walk: Walk | None
    targets: list[dict[str, Any]]
    next_samples: list[dict[str, Any]]
    sample_units: dict[str, str]
    channels: list[Channel]
    balance: Balance | None
    warnings: list[str]
    command: str
