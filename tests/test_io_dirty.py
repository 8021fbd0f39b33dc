"""Tables and layers of any content, a few of the many that `make soak` draws."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dirty import LAYER_CRS, SHAPES, hold_of_a_layer, hold_of_a_table, tables
from fuzz import fuzz
from gossan.errors import GossanError
from gossan.io.where import columns_of

SLOW = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=120, deadline=None, suppress_health_check=SLOW)
@given(tables(), st.sampled_from(["half", "drop"]), st.sampled_from(["log10", "none"]))
@pytest.mark.filterwarnings("ignore")
def test_a_dirty_table_is_read_or_refused_in_one_line(tmp_path, content, censored, transform):
    hold_of_a_table(tmp_path / "dirty.csv", content, censored, transform)


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(st.lists(SHAPES, max_size=5), st.sampled_from(LAYER_CRS), st.sampled_from(["gpkg", "geojson", "fgb"]))
@pytest.mark.filterwarnings("ignore")
def test_a_dirty_layer_is_read_or_refused_in_one_line(tmp_path, shapes, crs, ending):
    hold_of_a_layer(tmp_path / f"dirty.{ending}", shapes, crs)


def test_the_fuzzer_finds_an_input_that_breaks_a_parser():
    def parse(content):
        columns_of(content.decode("utf-8", errors="replace"), ["a"], "where")
        if b"-1" in content:  # behind a condition that is read
            raise KeyError("broken")

    found = fuzz(parse, [b"a = b"], seconds=10, allowed=(GossanError,), most=50_000)
    assert found.failures
    assert "KeyError" in found.failures[0][1]
    assert len(found.pool) > 1
    assert found.lines
