"""Seeds, the real surveys' folder, and the rule that nothing is skipped in silence."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

ALLOWED = Path(__file__).with_name("allowed_skips.txt")

#: Run by the system's Python, which has QGIS; ours cannot import it.
collect_ignore = ["qgis_reader.py", "qgis_loader.py"]


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


@pytest.fixture(scope="module")
def chromium():
    """Chromium; the test is skipped where it is not installed."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def heard(chromium):
    """Give an empty page, the errors and messages that are heard from it, and what it asks for."""

    @contextmanager
    def opened(**named):
        context = chromium.new_context(viewport={"width": 1280, "height": 900}, **named)
        page = context.new_page()
        bad, asked = [], []
        page.on("console", lambda message: bad.append(message.text))
        page.on("pageerror", lambda error: bad.append(str(error)))
        page.on("dialog", lambda dialog: bad.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.on("requestfailed", lambda request: bad.append(request.url) if _wanted(request.url) else None)
        yield page, bad, asked
        context.close()

    return opened


def _wanted(url):
    """Whether a request that fails is missed: a map gives up tiles that have gone out of sight."""
    return "/tiles/" not in url


@pytest.fixture
def offline(heard):
    """Open a file without a network; at the end there was no error, no message and no request."""

    @contextmanager
    def opened(file):
        with heard(offline=True) as (page, bad, asked):
            page.goto(file.as_uri())
            yield page
        assert bad == []
        assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]

    return opened


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
