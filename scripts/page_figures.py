"""How fast the page of a run answers, in Chromium: python scripts/page_figures.py RUN...

Prints for each run folder the size of its page, the seconds until it has loaded and its map is drawn, and
until it answers a click: medians of five openings from a file, without a network, each anew.
"""

import shutil
import statistics
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

OPENINGS = 5
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd / 1000"
#: From the start of the page to the frame after a click on its best target is shown.
ANSWERED = """() => new Promise((done) => {
  document.querySelector("#table-targets a[data-number]").click();
  requestAnimationFrame(() => setTimeout(() => done(performance.now() / 1000), 0));
})"""


def main(folders: list[str]) -> int:
    """Measure the page of each folder; returns the exit code."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if not folders or program is None:
        print("give run folders; Chromium must be installed", file=sys.stderr)
        return 2
    print("| page | MB | loaded, s | answers, s |\n|---|---|---|---|")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for folder in folders:
            page = Path(folder).resolve() / "report.html"
            loaded, answers = zip(*(opening(browser, page) for _ in range(OPENINGS)), strict=True)
            size = page.stat().st_size / 1e6
            figures = f"{statistics.median(loaded):.2f} | {statistics.median(answers):.2f}"
            print(f"| {folder} | {size:.1f} | {figures} |")
        browser.close()
    return 0


def opening(browser: Browser, page_file: Path) -> tuple[float, float]:
    """Open the page once: seconds until it has loaded, and until it has answered a click."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    page.goto(page_file.as_uri())
    seconds = float(page.evaluate(LOADED)), float(page.evaluate(ANSWERED))
    context.close()
    return seconds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
