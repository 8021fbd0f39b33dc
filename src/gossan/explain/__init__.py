"""Why a score is what it is: influence, reasons, attention and gradients, group by group.

Four views of a fitted model, none of which is a cause. `permutation_influence`: what held-out skill is lost
without a group. `reasons`: what one window's score owes to a group. `attention_weights` and `spatial_maps`:
what the network's own weights are (diagnostics). `integrated_gradients`: the same by pixel. Channels that say
the same are handled as one group (`correlated_groups`), since one of them can stand in for another.
"""

from gossan.explain.groups import ExplainSettings, Group, correlated_groups, group_channels
from gossan.explain.influence import combine_influence, permutation_influence
from gossan.explain.inside import agreement, attention_weights, integrated_gradients, spatial_maps
from gossan.explain.summaries import WindowSummaries, feature_weights, window_summaries
from gossan.explain.why import reasons, speak, training_shares

__all__ = [
    "ExplainSettings",
    "Group",
    "WindowSummaries",
    "agreement",
    "attention_weights",
    "combine_influence",
    "correlated_groups",
    "feature_weights",
    "group_channels",
    "integrated_gradients",
    "permutation_influence",
    "reasons",
    "spatial_maps",
    "speak",
    "training_shares",
    "window_summaries",
]
