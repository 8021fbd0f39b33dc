"""The rival that has to be a good one: no comparison is worth printing before it is."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gossan.config import load_project
from gossan.hooks import no_checkpoint, no_progress
from gossan.metrics import summarise
from gossan.models import make_scorer
from gossan.models.tables import tabulate
from gossan.pipeline import tasks
from gossan.pipeline.prepare import derive, read_survey
from gossan.recipe import Recipe, WindowSet

HOOKS = {"progress": no_progress, "checkpoint": no_checkpoint}


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::gossan.errors.GossanWarning"
)  # what the reader did is not the point here
def test_the_forest_is_as_good_as_it_has_to_be_on_eskay_creek_under_the_loose_protocol(data):
    """Window statistics, 300 trees, five folds of 40 km blocks, no dead zone: .77 is wanted."""
    file = Path(__file__).parents[1] / "examples" / "eskay_creek.toml"
    project = load_project(file, ["interpolate.neighbours=12", "balance.compare=false"])
    resolved = derive(project, read_survey(project))
    prepared = tasks.prepare(project=asdict(resolved), inputs={}, folder=str(resolved.folder), **HOOKS)
    design = tasks.design(
        prepare=prepared,
        windows=asdict(resolved.windows),
        validation={**asdict(resolved.validation), "audit": True},
        seed=0,
        **HOOKS,
    )
    table, stack = design["windows"], prepared["stack"]
    is_ore = table["deposits"].to_numpy() > 0
    assert (is_ore.sum(), len(table)) == (20, 701)
    scored = []
    for fold, parts in design["folds"]["blocks 0"].items():
        train, test = parts["train"], parts["test"]
        recipe = Recipe.fit(stack, table.iloc[train], [str(name) for name in stack["channel"].values])
        known, asked = (tabulate(WindowSet(stack, table.iloc[rows], recipe)) for rows in (train, test))
        forest = make_scorer("random-forest").fit_table(known, is_ore[train], seed=[0])
        score = forest.score_table(asked)
        rows = table.iloc[test][["number", "deposits", "camp"]].assign(
            repeat=0, fold=int(fold), score=score, probability=score, vote=score > 0.5, is_ore=is_ore[test]
        )
        scored.append(rows)
    found = summarise(pd.concat(scored, ignore_index=True))["auc"]["mean"]
    assert found >= 0.77
    assert np.isfinite(found)
