"""What the docs show is what the code says."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_settings_results_and_the_readmes_table_are_written_from_code_and_measurements():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "write_docs.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"stale: {done.stdout}{done.stderr}; run scripts/write_docs.py"


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "LICENSE"])
def test_the_projects_papers_are_there(name):
    assert (ROOT / name).read_text(encoding="utf-8").strip()


def test_no_path_of_a_machine_is_in_the_papers():
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.toml")]:
        text = path.read_text(encoding="utf-8")
        assert "/home/" not in text, path
        assert "/work/" not in text, path
