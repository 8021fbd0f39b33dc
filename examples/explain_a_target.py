# # Why here?
#
# A target is worth a walk only if somebody can say why it is one. This goes on from the run of the quick
# start and asks about its best target.

import json
from pathlib import Path

import pandas as pd

targets = pd.read_csv("demo/run/targets.csv")
best = targets.iloc[0]
best[["number", "score_mean", "probability", "easting", "northing"]]

# For each target the run says which groups of channels speak for it and which one against it: the change
# of the log odds when the group is set to what the training ground has on average.

best[["for_1", "for_2", "for_3", "against_1"]]

# What the samples there say, beside the local background: the elements that are raised most, as ratios of
# medians; the rock; the nearest fault and the nearest known deposit.

best[["element_1", "ratio_1", "percentile_1", "association", "rock_unit", "fault_m", "nearest_known_m"]]

# How much the whole map rests on each group: what the AUC of held-out deposits loses when the group is
# shuffled.

report = json.loads(Path("demo/run/report.json").read_text(encoding="utf-8"))
pd.DataFrame(report["influence"]["rows"])[["rank", "group", "drop", "sd"]].round(3)

# And whether the model was trained on ground like this: inside its area of applicability, or not.
#
# ![Map of how unlike the training ground is](demo/run/figures/applicability.png)

bool(best["inside"])
