"""Folds: how training and test windows are kept apart.

Spatial folds ask 'does it find a camp that it never saw?': camps are held out whole, in square blocks with a
dead zone around. Random folds, the paper's, ask 'is this window like its neighbours?': windows share pixels.

The gap between two windows is the larger of the free rows and the free columns between them, so a dead zone
is a square ring of free pixels all around each test window, its corners included.
"""

from gossan.split.checks import Fold, check_folds, fold_counts, gap_between, share_pixels, window_camps
from gossan.split.distances import distance_match
from gossan.split.loose import random_folds
from gossan.split.objects import (
    Split,
    block_split,
    cut_to_size,
    paper_split,
    random_split,
    strict_split,
)
from gossan.split.scale import factor_range
from gossan.split.settings import ValidationSettings, default_block
from gossan.split.spatial import leave_one_camp_out, spatial_folds

__all__ = [
    "Fold",
    "Split",
    "ValidationSettings",
    "block_split",
    "check_folds",
    "cut_to_size",
    "default_block",
    "distance_match",
    "factor_range",
    "fold_counts",
    "gap_between",
    "leave_one_camp_out",
    "paper_split",
    "random_folds",
    "random_split",
    "share_pixels",
    "spatial_folds",
    "strict_split",
    "window_camps",
]
