# # Quick start
#
# The whole main job on the built-in survey, from Python. The settings below make it quick: classical
# models instead of networks, no tuning, no leakage audit. Leave them out for the full demonstration.
# `jobs=1` keeps the work in this process; a script with more of them needs the usual guard around its
# main part.

from gossan.pipeline import demo

quick = [
    "model.name='random-forest'",
    "validation.rivals=['logistic-regression', 'nearest-known']",
    "validation.tune=1",
    "validation.audit=[]",
    "screen.enabled=false",
]
run = demo("demo", overrides=quick, jobs=1)

# A run shows itself: where its page is, the score of every model on camps that it did not see, the
# targets.

run

# The targets are a table, the best first; `targets.csv` in the run folder holds the same.

run.targets[["rank", "number", "score_mean", "probability", "nearest_known_m"]].head(3).round(2)

# Every figure lies in the run folder as PNG with 300 dpi and as PDF.
#
# ![Numbered targets on the geology, with faults and known deposits](demo/run/figures/targets.png)

sorted(path.name for path in (run.folder / "figures").glob("*.pdf"))[:4]
