"""How well scores find ore: pure functions of arrays, no fold is made and no file is read here.

The headline is the AUC of *held-out deposits within their own fold*, because scores of two folds come
from two models and are not on one scale. Its interval is clustered by camp, because deposits of one
camp are found or missed together; see `camp_interval`.
"""

from gossan.metrics.curves import (
    Curve,
    PrecisionRecall,
    capture,
    crossing,
    ground_rank,
    mean_log_rank,
    precision_recall,
    prediction_area,
    prediction_rate,
    roc_curve,
    threshold_table,
)
from gossan.metrics.intervals import (
    INFLATION,
    MIN_CAMPS,
    DeLong,
    camp_bands,
    camp_error,
    camp_interval,
    capture_intervals,
    delong,
)
from gossan.metrics.predictions import area_placements, fold_percentile
from gossan.metrics.probability import (
    Calibration,
    brier,
    brier_skill,
    calibration,
    calibration_line,
    expected_observed,
)
from gossan.metrics.scores import auc, average_precision, confusion, placements, s_auc, z_auc
from gossan.metrics.summary import folds_of, headline, paired, summarise

__all__ = [
    "INFLATION",
    "MIN_CAMPS",
    "Calibration",
    "Curve",
    "DeLong",
    "PrecisionRecall",
    "area_placements",
    "auc",
    "average_precision",
    "brier",
    "brier_skill",
    "calibration",
    "calibration_line",
    "camp_bands",
    "camp_error",
    "camp_interval",
    "capture",
    "capture_intervals",
    "confusion",
    "crossing",
    "delong",
    "expected_observed",
    "fold_percentile",
    "folds_of",
    "ground_rank",
    "headline",
    "mean_log_rank",
    "paired",
    "placements",
    "precision_recall",
    "prediction_area",
    "prediction_rate",
    "roc_curve",
    "s_auc",
    "summarise",
    "threshold_table",
    "z_auc",
]
