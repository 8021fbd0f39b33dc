"""Peak memory of the full chain on a map with ten times the pixels, beside itself.

The same survey is run twice, from its files to the report, with pixels of 25 sqrt(10) m and of 25 m: ten
times the pixels, windows to train on and areas to score, with the same samples and deposits. Each run is a
process of its own with one job. Two figures are taken, since they mean different things:

* *own memory*: the highest ``RssAnon`` that was seen in samples 20 ms apart, what the process cannot give
  back;
* *resident*: the highest ``VmHWM``, which also counts pages of files that are mapped; the system takes these
  away when it needs them.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.paired import Row, row

#: Settings of both runs: everything on, a small network, one epoch.
SETTINGS = (
    ("windows", ("size = 32", "strides = [32]")),
    ("model", ('name = "mfaf-shufflenet-v2"', "width = 0.5", "depth = 1")),
    ("training", ("epochs = 1", "lr = 1e-3")),
    ("balance", ('method = "weights"',)),
    ("screen", ("folds = 2", "ore_distance = 800.0")),
    (
        "validation",
        ("folds = 3", 'rivals = ["random-forest", "fault-distance"]', 'audit = ["random-forest"]'),
    ),
    ("explain", ("repeats = 1",)),
)
SIZE, RESOLUTION, MORE = 1560, 25.0, 10.0
_EVERY = 0.02


def rows() -> list[Row]:
    """Run both maps and compare their peaks."""
    with tempfile.TemporaryDirectory() as folder:
        write_survey(Path(folder))
        base = chain(Path(folder), RESOLUTION * MORE**0.5)
        large = chain(Path(folder), RESOLUTION)
    note = (
        f"{SIZE} x {SIZE} pixels against {MORE:g} times fewer of the same ground; one run of each, one "
        "job; windows of 32 px, so ten times the windows too"
    )
    return [
        row(
            f"full chain, {MORE:g} x the pixels: {name}",
            "itself",
            [(large[key] / 2**20, base[key] / 2**20)],
            unit="MiB",
            wanted=("at most", 1.3),
            inverse=True,
            error="the same program",
            note=f"{note}; {large['seconds']:.0f} s against {base['seconds']:.0f} s",
        )
        for name, key in (("own memory (RssAnon)", "own"), ("resident (VmHWM)", "resident"))
    ]


def write_survey(folder: Path) -> None:
    """Write the files of the built-in survey, in a process of its own."""
    subprocess.run([sys.executable, "-m", "benchmarks.memory", "--write", str(folder)], check=True)


def chain(folder: Path, resolution: float) -> dict[str, float]:
    """Run the full chain in a process of its own; bytes and seconds."""
    command = [sys.executable, "-m", "benchmarks.memory", "--run", str(folder), str(resolution)]
    return watched(command)


def watched(command: list[str]) -> dict[str, float]:
    """Run a command and watch its memory, the largest of it and its children together."""
    started = time.perf_counter()
    own = resident = 0
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            found = [_status(pid) for pid in _family(process.pid)]
            own = max(own, sum(each.get("RssAnon", 0) for each in found))
            resident = max(resident, *(each.get("VmHWM", 0) for each in found), 0)
            time.sleep(_EVERY)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return {"own": own, "resident": resident, "seconds": time.perf_counter() - started}


def _status(pid: int) -> dict[str, int]:
    """Read the sizes of a process, bytes; nothing of one that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    parts = [line.split() for line in lines]
    return {part[0].rstrip(":"): 1024 * int(part[1]) for part in parts if part[-1:] == ["kB"]}


def _family(pid: int) -> list[int]:
    """Return a process and its children, and theirs."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(each for child in children for each in _family(int(child)))]


def _write(folder: Path) -> None:
    from gossan import io
    from gossan.synthetic import PAPER_EIGHT, laboratory_table, synthetic_survey

    survey = synthetic_survey(size=SIZE, resolution=RESOLUTION)
    lines = ["[samples]", f"elements = {list(PAPER_EIGHT)}".replace("'", '"')]
    for section, settings in SETTINGS:
        lines += [f"[{section}]", *settings]
    io.write_survey(survey, folder, table=laboratory_table(survey), settings=lines)


def _run(folder: Path, resolution: float) -> None:
    from gossan.config import load_project
    from gossan.pipeline import run

    project = load_project(folder / "project.toml", [f"project.resolution={resolution!r}"])
    run(project, folder / f"run-{resolution:.0f}", jobs=1)


def main() -> None:
    """Do one half of the work in this process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", type=Path, metavar="FOLDER")
    parser.add_argument("--run", nargs=2, metavar=("FOLDER", "METRES"))
    given = parser.parse_args()
    if given.write:
        _write(given.write)
    if given.run:
        _run(Path(given.run[0]), float(given.run[1]))


if __name__ == "__main__":
    main()
