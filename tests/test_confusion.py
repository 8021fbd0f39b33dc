"""The counts behind the confusion matrices agree with the measures at the vote."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossan import metrics
from gossan.pipeline.curves import _confusion


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_counts_give_the_measures_at_the_vote(areas):
    table = pd.DataFrame(areas, columns=["vote", "is_ore"]).assign(repeat=0)
    counts = _confusion(table)
    measured = metrics.confusion(table["vote"], table["is_ore"])
    assert sum(counts.values()) == len(areas)
    assert (counts["hit"] + counts["rest"]) / len(areas) == pytest.approx(measured["accuracy"])
    ore = counts["hit"] + counts["miss"]
    assert ore == table["is_ore"].sum()
    if ore:
        assert counts["hit"] / ore == pytest.approx(measured["recall_ore"])


def test_counts_are_means_over_repeats():
    one = pd.DataFrame({"vote": [True, True, False, False], "is_ore": [True, False, True, False]})
    twice = pd.concat([one.assign(repeat=0), one.assign(repeat=1, vote=[True, False, False, False])])
    assert _confusion(twice) == {"hit": 1.0, "miss": 1.0, "false": 0.5, "rest": 1.5}
    assert np.isclose(sum(_confusion(twice).values()), 4)
