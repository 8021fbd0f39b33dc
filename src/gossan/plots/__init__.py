"""Figures from arrays and tables: nothing is computed here that a result would need, no file is opened.

Every function returns a `matplotlib.figure.Figure` that no global state knows of; `save` turns one into
bytes that depend on nothing but the picture.
"""

from gossan.plots.associations import biplot
from gossan.plots.channels import channels_figure
from gossan.plots.charts import interval_plot, prediction_rate, roc, screening_plot
from gossan.plots.confusion import confusion_matrices
from gossan.plots.domain import applicability_map, ore_like_map
from gossan.plots.frame import Ground
from gossan.plots.maps import MOST_PIXELS, folds_map, score_classes, score_map, spread_map, target_map
from gossan.plots.rates import rates_figure
from gossan.plots.style import lay_out, missing_glyphs, save, thinned
from gossan.plots.survey import anomaly_maps, class_map, gap_map, samples_map
from gossan.plots.trust import (
    audit_plot,
    calibration_plot,
    distance_plot,
    precision_recall,
    prediction_area,
    success_rate,
)
from gossan.plots.walk import walk_plot
from gossan.plots.why import attention_map, influence_plot

__all__ = [
    "MOST_PIXELS",
    "Ground",
    "anomaly_maps",
    "applicability_map",
    "attention_map",
    "audit_plot",
    "biplot",
    "calibration_plot",
    "channels_figure",
    "class_map",
    "confusion_matrices",
    "distance_plot",
    "folds_map",
    "gap_map",
    "influence_plot",
    "interval_plot",
    "lay_out",
    "missing_glyphs",
    "ore_like_map",
    "precision_recall",
    "prediction_area",
    "prediction_rate",
    "rates_figure",
    "roc",
    "samples_map",
    "save",
    "score_classes",
    "score_map",
    "screening_plot",
    "spread_map",
    "success_rate",
    "target_map",
    "thinned",
    "walk_plot",
]
