"""The long ones: a run killed at many moments, and readers fed with thousands of dirty tables."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gossan import io
from gossan.errors import GossanError
from gossan.survey import SampleSource
from gossan.synthetic import laboratory_table, synthetic_survey
from test_pipeline import QUICK, _contents

pytestmark = pytest.mark.soak

KILLS = 50
TABLES = 10_000
SHARE = float(os.environ.get("GOSSAN_SOAK_SHARE", "1"))


def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(tmp_path):
    survey = synthetic_survey(3, size=160, resolution=243.75, samples=1500)
    file = io.write_survey(survey, tmp_path / "survey", table=laboratory_table(survey), settings=QUICK)

    def command(out):
        return [sys.executable, "-m", "gossan", "run", str(file), "--out", str(out), "--jobs", "1"]

    started = time.monotonic()
    subprocess.run(command(tmp_path / "whole"), check=True, capture_output=True)
    whole = time.monotonic() - started
    moments, kills = random.Random(0), 0
    while kills < KILLS * SHARE:
        out = tmp_path / f"killed-{kills}"
        for _ in range(3):
            process = subprocess.Popen(command(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(moments.uniform(1, whole))
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
        subprocess.run(command(out), check=True, capture_output=True)
        assert _contents(out) == _contents(tmp_path / "whole")


CELLS = st.one_of(
    st.floats(allow_nan=True).map(str),
    st.sampled_from(
        ["<0.5", "< 2", "<LOD", "bdl", "ND", "-9999", "-5", "0", ">10000", "", "1,5", "1e3", "=1+1"]
    ),
    st.text(max_size=8),
)
HEADS = st.lists(
    st.one_of(
        st.sampled_from(["x", "y", "Cu_ppm", "Au (ng/g)", "Fe2O3_pct", "id", "В", "lon", "lat"]),
        st.text(max_size=6),
    ),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=int(TABLES * SHARE),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(HEADS, st.lists(st.lists(CELLS, min_size=1, max_size=6), max_size=6), st.sampled_from(",;\t"))
@pytest.mark.filterwarnings("ignore")
def test_a_dirty_table_is_read_or_refused_in_one_line(tmp_path, heads, rows, separator):
    path = tmp_path / "dirty.csv"
    lines = [separator.join(heads), *(separator.join(row) for row in rows)]
    path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
    before = path.read_bytes()
    try:
        samples, counts = io.read_samples(path, SampleSource(path="dirty.csv"), "EPSG:32650")
    except GossanError as error:
        message = str(error)
    else:
        message = ""
        assert len(samples) == counts["kept"]
    assert "\n" not in message
    assert path.read_bytes() == before
