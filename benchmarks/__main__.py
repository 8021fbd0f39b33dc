"""Run the benchmarks and write RESULTS.md: ``python -m benchmarks [NAME ...]``, all without a name.

Every benchmark is a process of its own. What it found is kept in ``results/NAME.json`` and the page is made
of all files there, so that one benchmark can be repeated alone; each says on which machine it ran.
"""

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.paired import Row

HERE = Path(__file__).parent
NAMES = sorted(
    file.stem for file in HERE.glob("*.py") if not file.stem.startswith("_") and file.stem != "paired"
)
HEAD = "| work | against | ours | theirs | ratio (lowest, highest of the pairs) | wanted | holds | error |"


def machine() -> dict[str, Any]:
    """Describe the machine in the words that a ratio depends on."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": cores,
        "python": platform.python_version(),
    }


def measure(name: str) -> None:
    """Run one benchmark in this process and keep what it found."""
    rows: list[Row] = importlib.import_module(f"benchmarks.{name}").rows()
    content = {"format": 1, "machine": machine(), "rows": [asdict(found) for found in rows]}
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def page() -> str:
    """Make the page of all that was measured."""
    parts = [
        "# Benchmarks",
        "",
        "Written by `make bench`; medians of pairs of runs in turn, unless a note says otherwise. The ratio "
        "is the speed-up, or the cost where the wanted one is `at most`. Both sides used the same cores.",
    ]
    for file in sorted((HERE / "results").glob("*.json")):
        content = json.loads(file.read_text(encoding="utf-8"))
        on = content["machine"]
        parts += ["", f"## {file.stem}", "", f"`python -m benchmarks {file.stem}`, {on['cores']} cores, "]
        parts[-1] += f"{on['processor']}, Python {on['python']}."
        parts += ["", HEAD, "|" + "---|" * HEAD.count(" |")]
        rows = [
            Row(**{**found, "wanted": tuple(found["wanted"]) if found["wanted"] else None})
            for found in content["rows"]
        ]
        parts += [line(found) for found in rows]
        parts += ["", *(f"- {found.work}: {found.note}" for found in rows if found.note)]
    return "\n".join(parts) + "\n"


def line(found: Row) -> str:
    """Make one row of the table."""
    sense, limit = found.wanted or ("", "")
    holds = {None: "", True: "yes", False: "**no**"}[found.holds]
    ours = "not measured" if found.ours is None else f"{found.ours:.3g} {found.unit}"
    theirs = "" if found.theirs is None else f"{found.theirs:.3g} {found.unit}"
    ratio = "" if found.ratio is None else f"{found.ratio:.3g} ({found.low:.3g}, {found.high:.3g})"
    cells = (found.work, found.peer, ours, theirs, ratio, f"{sense} {limit}", holds, found.error)
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Run what was asked for, then write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--here", action="store_true", help="run in this process")
    given = parser.parse_args()
    if odd := sorted(set(given.names) - set(NAMES)):
        parser.error(f"{odd[0]} is no benchmark; there are {', '.join(NAMES)}")
    if given.here:
        for name in given.names:
            measure(name)
        return
    failed = []
    for name in given.names or NAMES:
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", "benchmarks", "--here", name]
        if subprocess.run(command, cwd=HERE.parent, check=False).returncode:
            failed.append(name)
    (HERE / "RESULTS.md").write_text(page(), encoding="utf-8")
    print(page())
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
