"""The full chain on Eskay Creek beside the commit that closed the main job, each with its own sources.

Needs ``$GOSSAN_DATA`` and the history of the repository. `eskay.toml` holds only keys that the old commit
knows; what came later and has no like there is switched off for ours, and the rivals are the two that it had.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.paired import Row, paired, row

#: The commit that closed the issue of the main job.
OLD = "a91ab39"
HERE = Path(__file__).parent
SETTINGS = (
    'validation.rivals=["random-forest", "logistic-regression"]',
    "validation.audit=[]",
    "validation.tune=1",
    "validation.inner=0",
    "explain.enabled=false",
)


def rows() -> list[Row]:
    """Run both by turns."""
    if "GOSSAN_DATA" not in os.environ:
        raise SystemExit("set GOSSAN_DATA to the folder of the open surveys")
    with tempfile.TemporaryDirectory() as folder:
        old = Path(folder) / "old"
        clone = ["git", "clone", "--quiet", "--shared", "--no-checkout", str(HERE.parent), str(old)]
        subprocess.run(clone, check=True)
        subprocess.run(["git", "-C", str(old), "checkout", "--quiet", OLD], check=True)
        pairs = paired(
            lambda: _chain(HERE.parent / "src", Path(folder), SETTINGS),
            lambda: _chain(old / "src", Path(folder), ()),
        )
    note = (
        "benchmarks/eskay.toml: 125 m, windows of 64 px, MFAF-ShuffleNetV2 of width .5, 1 epoch, 3 folds; "
        "from the files to the report, all cores; ours without what the old one has not (calibration, audit, "
        "reasons), but with its larger report, map page and checks of interpolation and applicability"
    )
    return [
        row(
            "full chain, Eskay Creek",
            f"commit {OLD}",
            pairs,
            wanted=("at least", 2.0),
            error="other inner draws; scores are compared in docs/results.md",
            note=note,
        )
    ]


def _chain(source: Path, folder: Path, settings: tuple[str, ...]) -> float:
    """Return the seconds of one run, in a new folder."""
    environment = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    with tempfile.TemporaryDirectory(dir=folder) as out:
        command = [sys.executable, "-m", "gossan", "run", str(HERE / "eskay.toml"), "--out", f"{out}/run"]
        for setting in settings:
            command += ["--set", setting]
        start = time.perf_counter()
        subprocess.run(command, check=True, env=environment, capture_output=True)
        return time.perf_counter() - start
