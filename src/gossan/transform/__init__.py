"""What is done to concentrations before anything is computed from them.

``ratios``: log10, centred and isometric log-ratios, and their inverses. ``levels``: steps between surveys or
rock units taken out. ``associations``: which elements go together (robust principal components).
"""

from gossan.transform.associations import Associations, association_table, associations
from gossan.transform.levels import level, level_surveys, survey_groups
from gossan.transform.ratios import (
    clr,
    clr_inverse,
    ilr,
    ilr_basis,
    ilr_inverse,
    ilr_table_inverse,
    log10,
    log10_inverse,
    transform_values,
)

__all__ = [
    "Associations",
    "association_table",
    "associations",
    "clr",
    "clr_inverse",
    "ilr",
    "ilr_basis",
    "ilr_inverse",
    "ilr_table_inverse",
    "level",
    "level_surveys",
    "log10",
    "log10_inverse",
    "survey_groups",
    "transform_values",
]
