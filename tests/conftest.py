"""Seeds, the real surveys' folder, and the rule that nothing is skipped in silence."""

import os
from pathlib import Path

import pytest

ALLOWED = Path(__file__).with_name("allowed_skips.txt")

#: Run by the system's Python, which has QGIS; ours cannot import it.
collect_ignore = ["qgis_reader.py"]


def pytest_configure(config):
    os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(scope="session")
def data():
    """Folder of the real surveys; the test is skipped where it is not at hand."""
    folder = os.environ.get("GOSSAN_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("the real surveys are not here: set GOSSAN_DATA to their folder")
    return Path(folder)


@pytest.fixture(scope="session")
def soak_share():
    """Share of the full soak that is run, in (0, 1]."""
    return float(os.environ.get("GOSSAN_SOAK_SHARE", "1"))


def _allowed():
    lines = (line.split("#")[0].strip() for line in ALLOWED.read_text().splitlines())
    return [line for line in lines if line]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    """With GOSSAN_NO_SKIP set, fail the run if a test was skipped that the allow-list does not name."""
    if not os.environ.get("GOSSAN_NO_SKIP") or hasattr(session.config, "workerinput"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = [report.nodeid for report in reporter.stats.get("skipped", [])]
    refused = [name for name in skipped if not any(name.startswith(allowed) for allowed in _allowed())]
    if refused and exitstatus == 0:
        reporter.write_line(f"skipped but not allowed: {', '.join(refused)}", red=True)
        session.exitstatus = 1
