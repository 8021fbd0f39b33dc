"""Figures from arrays and tables: nothing is computed here that a result would need, no file is opened.

Every function returns a `matplotlib.figure.Figure` that no global state knows of; `save` turns one into
bytes that depend on nothing but the picture.
"""

from gossan.plots.channels import channels_figure
from gossan.plots.charts import interval_plot, prediction_rate, roc, screening_plot
from gossan.plots.frame import Ground
from gossan.plots.maps import folds_map, score_classes, score_map, spread_map, target_map
from gossan.plots.style import missing_glyphs, save

__all__ = [
    "Ground",
    "channels_figure",
    "folds_map",
    "interval_plot",
    "missing_glyphs",
    "prediction_rate",
    "roc",
    "save",
    "score_classes",
    "score_map",
    "screening_plot",
    "spread_map",
    "target_map",
]
