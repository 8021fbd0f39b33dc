"""Figures from arrays and tables: nothing is computed here that a result would need, no file is opened.

Every function returns a `matplotlib.figure.Figure` that no global state knows of; `save` turns one into
bytes that depend on nothing but the picture.
"""

from gossan.plots.associations import biplot
from gossan.plots.channels import channels_figure
from gossan.plots.charts import interval_plot, prediction_rate, roc, screening_plot
from gossan.plots.frame import Ground
from gossan.plots.maps import folds_map, score_classes, score_map, spread_map, target_map
from gossan.plots.style import missing_glyphs, save
from gossan.plots.survey import class_map, gap_map, samples_map

__all__ = [
    "Ground",
    "biplot",
    "channels_figure",
    "class_map",
    "folds_map",
    "gap_map",
    "interval_plot",
    "missing_glyphs",
    "prediction_rate",
    "roc",
    "samples_map",
    "save",
    "score_classes",
    "score_map",
    "screening_plot",
    "spread_map",
    "target_map",
]
