"""Reading a large table of samples beside pandas: time and memory, as `docs/results/read_speed.json`.

`python scripts/read_speed.py` writes a table of a million samples x 40 elements (of every second element a
tenth below detection) and reads it in turn with `gossan.io.read_samples` and with
`pandas.read_csv(dtype=str)` and one `pandas.to_numeric` a column. Each reading is a process of its own;
memory is what that process reached above what it held once the libraries were loaded.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ELEMENTS = [
    "Ag",
    "As",
    "Au",
    "B",
    "Ba",
    "Be",
    "Bi",
    "Cd",
    "Ce",
    "Co",
    "Cr",
    "Cs",
    "Cu",
    "Ga",
    "Ge",
    "Hf",
    "Hg",
    "In",
    "La",
    "Li",
    "Mn",
    "Mo",
    "Nb",
    "Ni",
    "P",
    "Pb",
    "Pt",
    "Rb",
    "Sb",
    "Sc",
    "Se",
    "Sn",
    "Sr",
    "Th",
    "Tl",
    "U",
    "V",
    "W",
    "Y",
    "Zn",
]
CRS = "EPSG:26910"


def write_table(path: Path, rows: int, seed: int) -> None:
    """Write the table a block at a time; four digits a value, every second element censored in a tenth."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(["sample", "x", "y", *(f"{name}_ppm" for name in ELEMENTS)]) + "\n")
        for start in range(0, rows, 50_000):
            n = min(50_000, rows - start)
            values = np.char.mod("%.4g", rng.lognormal(2, 1, (n, len(ELEMENTS)))).astype(object)
            values[:, ::2] = np.where(rng.random((n, len(ELEMENTS[::2]))) < 0.1, "<0.5", values[:, ::2])
            x = np.char.mod("%.1f", rng.uniform(4e5, 6e5, n))
            y = np.char.mod("%.1f", rng.uniform(6.0e6, 6.2e6, n))
            for number, (east, north, row) in enumerate(zip(x, y, values, strict=True), start):
                file.write(f"S{number},{east},{north},{','.join(row)}\n")


def read_once(path: Path, reader: str) -> dict[str, float]:
    """Read in this process; seconds, and megabytes above the libraries' own."""
    import warnings

    import pandas as pd
    import pyproj

    from gossan.io import read_samples
    from gossan.survey import SampleSource

    pyproj.CRS.from_user_input(CRS)
    warnings.simplefilter("ignore")
    before = _resident()
    start = time.perf_counter()
    if reader == "gossan":
        samples, _ = read_samples(path, SampleSource(path.name), CRS)
        rows = len(samples)
    else:
        cells = pd.read_csv(path, dtype=str)
        numbers = {name: pd.to_numeric(cells[name], errors="coerce") for name in cells.columns[1:]}
        rows = len(numbers["x"])
    return {"seconds": time.perf_counter() - start, "peak_mb": (_peak() - before) / 1e6, "rows": rows}


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _peak() -> int:
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def main() -> None:
    """Measure, print, and write the JSON."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--pairs", type=int, default=3)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, default=Path("docs/results/read_speed.json"))
    options.add_argument("--read", nargs=2, metavar=("READER", "FILE"), help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.read:
        print(json.dumps(read_once(Path(given.read[1]), given.read[0])))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples.csv"
        write_table(path, given.rows, given.seed)
        found: dict[str, list[dict[str, float]]] = {"pandas": [], "gossan": []}
        for _ in range(given.pairs):
            for reader, runs in found.items():
                command = [sys.executable, __file__, "--read", reader, str(path)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                runs.append(json.loads(done.stdout))
                print(reader, runs[-1], flush=True)
        size = path.stat().st_size / 1e6
    pairs = zip(found["gossan"], found["pandas"], strict=True)
    ratio = statistics.median(ours["seconds"] / theirs["seconds"] for ours, theirs in pairs)
    peak = statistics.median(run["peak_mb"] for run in found["gossan"])
    options_given = f"--rows {given.rows} --pairs {given.pairs} --seed {given.seed}"
    result = {
        "format": 1,
        "command": f"python scripts/read_speed.py {options_given}",
        "rows": given.rows,
        "elements": len(ELEMENTS),
        "file_mb": size,
        "time_ratio": ratio,
        "memory_ratio": peak / size,
        "runs": found,
        "python": platform.python_version(),
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"time {ratio:.2f} of pandas, memory {peak / size:.2f} of the file ({size:.0f} MB)")


if __name__ == "__main__":
    main()
