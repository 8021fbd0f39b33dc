"""One fold: what is learnt from its training part, and the scores of its test part."""

from gossan.evaluate.fold import Ground, fit_part, predictions, screen_part, training_samples
from gossan.evaluate.inner import InnerDesign, Tuned, choose, inner_folds
from gossan.evaluate.paper import SyntheticWindows, paper_predictions

__all__ = [
    "Ground",
    "InnerDesign",
    "SyntheticWindows",
    "Tuned",
    "choose",
    "fit_part",
    "inner_folds",
    "paper_predictions",
    "predictions",
    "screen_part",
    "training_samples",
]
