"""Measure time and memory against pixels, samples, elements, windows and workers; make the page that says so.

    python scripts/cost_curves.py            measure, then write the JSON, the figure and the page
    python scripts/cost_curves.py --quick    with fewer and smaller points
    python scripts/cost_curves.py --page     only write figure and page from the JSON
    python scripts/cost_curves.py --check    fail where the page is not what the JSON gives

Every point is a process of its own, one thread. Time is that of the work without imports; memory is the
highest that the process cannot give back (``RssAnon``) above what it held before the work. Workers are
measured by `worker_curve.py` of this folder, up to twice the cores of the machine.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from worker_curve import worker_curve

ROOT = Path(__file__).resolve().parents[1]
RESULTS, FIGURE, PAGE = (
    ROOT / "docs" / name for name in ("results/cost_curves.json", "images/cost_curves.png", "scale.md")
)
BEGIN, END = "<!-- made by scripts/cost_curves.py -->", "<!-- end -->"

#: What is varied, over two decades; the others stay at the base.
CURVES = {
    "pixels": (65_536, 262_144, 1_048_576, 2_359_296, 6_553_600),
    "samples": (1_000, 3_000, 10_000, 30_000, 100_000),
    "elements": (1, 4, 10, 40, 100),
    "windows": (160, 500, 1_600, 5_000, 16_000),
}
BASE = {"pixels": 1_048_576, "samples": 5_000, "elements": 8, "windows": 0}
#: Side of the windows that are scored, pixels.
SIZE = 64
#: The country.
COUNTRY = {"pixels": 1e9, "samples": 1e6, "elements": 40, "window": 128}


# ---- one point, in a process of its own


def point(curve: str, value: int) -> dict[str, float]:
    """Do the work of a point: make and write a Stack, or score windows of one."""
    given = {**BASE, curve: value}
    if curve == "windows":
        given |= {"pixels": 1_048_576, "elements": 8}
    with tempfile.TemporaryDirectory() as folder:
        work = _scoring(given, Path(folder)) if curve == "windows" else _making(given, Path(folder))
        return _measured(work)


def _making(given: dict[str, int], folder: Path) -> Any:
    """Prepare to make the Stack of random samples on files and to write it as a GeoTIFF."""
    import pandas as pd

    from gossan import io, mapped
    from gossan.config import from_values
    from gossan.grid import make_grid
    from gossan.pipeline.prepare import build_stack
    from gossan.survey import Deposits, Samples, Survey

    side, rng = math.isqrt(given["pixels"]), np.random.default_rng(0)
    grid = make_grid((0, 0, side * 25.0, side * 25.0), 25.0, "EPSG:32649")
    points = rng.uniform(0, side * 25.0, size=(given["samples"], 2))
    names = [f"E{k}" for k in range(given["elements"])]
    values = pd.DataFrame(rng.normal(size=(len(points), len(names))), columns=names)
    samples = Samples(points, values, dict.fromkeys(names, "log10(ppm)"))
    survey = Survey("made", grid, samples, Deposits(np.empty((0, 2)), ()))
    paths = {"samples": {"path": "none.csv"}, "deposits": {"path": "none.csv"}}
    project = from_values({"project": {"name": "made", "crs": "EPSG:32649"}, **paths})
    numbers = iter(range(1000))

    def work() -> None:
        stack = build_stack(
            survey,
            samples,
            project,
            make=lambda shape, dtype: mapped.create(folder / f"{next(numbers)}.npy", shape, dtype),
        )
        io.write_stack(folder / "stack.tif", stack)

    return work


def _scoring(given: dict[str, int], folder: Path) -> Any:
    """Prepare to score windows with a small MFAF network."""
    from gossan import mapped
    from gossan.balance import BalanceSettings
    from gossan.grid import make_grid
    from gossan.models import ModelSettings, make_scorer
    from gossan.models.training import TrainingSettings
    from gossan.recipe import Recipe, WindowSet
    from gossan.survey import join_stack
    from gossan.windows import cut_windows

    side, rng = math.isqrt(given["pixels"]), np.random.default_rng(0)
    grid = make_grid((0, 0, side * 25.0, side * 25.0), 25.0, "EPSG:32649")
    layers = mapped.create(folder / "layers.npy", (given["elements"], side, side), np.float32)
    for layer in layers:
        layer[:] = rng.normal(size=layer.shape)
    units = {f"E{k}": "" for k in range(given["elements"])}
    stack = join_stack(grid, layers, np.ones((side, side), dtype=bool), units)
    table = cut_windows(grid, SIZE, strides=(7,))
    recipe = Recipe.fit(stack, table.iloc[:200], list(units))
    model = ModelSettings(name="mfaf-shufflenet-v2", width=0.5, depth=1)
    scorer = make_scorer(model.name, model=model, training=TrainingSettings(epochs=1, lr=1e-3, device="cpu"))
    train, ore = WindowSet(stack, table.iloc[:64], recipe), np.arange(64) % 2 == 0
    scorer.fit(train, ore, balance=BalanceSettings(method="weights"), seed=[0])
    asked = WindowSet(stack, table.iloc[rng.integers(len(table), size=given["windows"])], recipe)
    return lambda: scorer.predict(asked)


def _measured(work: Any) -> dict[str, float]:
    """Time the work and watch its memory, MiB."""
    most, done = 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.01):
            most = max(most, _own())

    before, watcher = _own(), threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    return {"seconds": round(seconds, 3), "mib": round(max(most - before, 0) / 1024, 1)}


def _own() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


# ---- all points


def measure(*, quick: bool) -> dict[str, Any]:
    """Run every point and fit the exponents."""
    curves = {}
    for curve, values in CURVES.items():
        rows = []
        for value in values[:3] if quick else values:
            command = [sys.executable, __file__, "--point", curve, str(value)]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            rows.append({"value": value, **json.loads(said.splitlines()[-1])})
            print(curve, rows[-1], flush=True)
        curves[curve] = {"points": rows, **_exponents(rows)}
    cores = len(os.sched_getaffinity(0))
    workers = worker_curve([1, 2, 4] if quick else sorted({1, 2, cores, 2 * cores}))
    return {"format": 2, "quick": quick, "base": BASE, "window": SIZE, "curves": curves, "workers": workers}


def _exponents(rows: list[dict[str, float]]) -> dict[str, float]:
    """Fit a straight line to the logarithms by least squares; memory counts from 1 MiB."""
    x = np.log([row["value"] for row in rows])
    seconds = np.log([max(row["seconds"], 1e-3) for row in rows])
    mib = np.log([max(row["mib"], 1.0) for row in rows])
    return {
        "time_exponent": round(float(np.polyfit(x, seconds, 1)[0]), 2),
        "memory_exponent": round(float(np.polyfit(x, mib, 1)[0]), 2),
    }


# ---- figure and page


def draw(found: dict[str, Any]) -> None:
    """Draw time and memory of every curve."""
    from matplotlib.figure import Figure

    from gossan.plots.style import BRIGHT, save, style

    with style():
        figure = Figure(figsize=(7.6, 3.6))
        panels = figure.subplots(2, len(CURVES) + 1, sharey="row")
        figure.subplots_adjust(left=0.08, right=0.99, bottom=0.13, top=0.93, hspace=0.55, wspace=0.14)
        for place, (curve, what) in enumerate(found["curves"].items()):
            x = [row["value"] for row in what["points"]]
            for line, key in enumerate(("seconds", "mib")):
                exponent = what[("time_exponent", "memory_exponent")[line]]
                y = [max(row[key], 1e-3 if key == "seconds" else 1.0) for row in what["points"]]
                _line(panels[line][place], x, y, BRIGHT[line], curve, f"exponent {exponent:.2f}")
        _workers(panels[:, -1], found["workers"], BRIGHT)
        for axes in panels[:, 0]:
            low, high = axes.get_ylim()  # whole decades, so that there is more than one label
            axes.set_ylim(10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high)))
        panels[0][0].set_ylabel("time, s", fontsize=8)
        panels[1][0].set_ylabel("memory, MiB", fontsize=8)
        FIGURE.write_bytes(save(figure, "png", dpi=200))


def _line(axes: Any, x: list[int], y: list[float], colour: str, what: str, title: str) -> None:
    """Draw one curve on logarithmic axes with short labels."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.loglog(x, y, "o-", color=colour, markersize=3, linewidth=1.2)
    axes.set_title(title, fontsize=7.5)
    axes.set_xlabel(what, fontsize=8, labelpad=1)
    axes.tick_params(labelsize=7)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(short))
        axis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.12, y=0.15)


def _workers(panels: Any, rows: list[dict[str, Any]], colours: Any) -> None:
    """Draw time against workers; what is beyond the machine's cores is hollow."""
    axes, below = panels
    for kind, colour in (("local", colours[0]), ("dask", colours[2])):
        of_kind = [row for row in rows if row["kind"] == kind]
        x, y = [row["workers"] for row in of_kind], [row["seconds"] for row in of_kind]
        _line(axes, x, y, colour, "workers", "24 equal tasks")
        beyond = [(row["workers"], row["seconds"]) for row in of_kind if row["oversubscribed"]]
        if beyond:
            axes.plot(*zip(*beyond, strict=True), "o", color=colour, markersize=3, markerfacecolor="white")
        below.plot([], [], "o-", color=colour, markersize=3, label=f"time, {kind}")
    below.plot([], [], "o", color="0.4", markersize=3, markerfacecolor="white", label="more than cores")
    axes.set_xticks(sorted({row["workers"] for row in rows}))
    below.set_axis_off()
    below.legend(loc="center", fontsize=7, frameon=False)


def short(value: float, _: object = None) -> str:
    """Write a round number shortly: 10k, 1M."""
    for unit, sign in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{sign}"
    return f"{value:g}"


def text(found: dict[str, Any]) -> str:
    """Write the tables and the arithmetic of the page."""
    lines = [
        "| varied | from | to | time, s | exponent | own memory, MiB | exponent |",
        "|---|---|---|---|---|---|---|",
    ]
    for curve, what in found["curves"].items():
        first, last = what["points"][0], what["points"][-1]
        lines.append(
            f"| {curve} | {first['value']:,} | {last['value']:,} | {first['seconds']:.2f} to "
            f"{last['seconds']:.2f} | {what['time_exponent']:.2f} | {first['mib']:.0f} to "
            f"{last['mib']:.0f} | {what['memory_exponent']:.2f} |"
        )
    lines += [
        "",
        "| workers | kind | time of 24 equal tasks, s | against one worker |",
        "|---|---|---|---|",
        *(
            f"| {row['workers']}{' (more than cores)' if row['oversubscribed'] else ''} | {row['kind']} | "
            f"{row['seconds']:.2f} | {row['speedup']:.2f} |"
            for row in found["workers"]
        ),
        "",
        *_country(found),
    ]
    return "\n".join(lines)


def _value(point: dict[str, float]) -> float:
    return point["value"]


def _country(found: dict[str, Any]) -> list[str]:
    """Show how the measured points become a country, step by step."""
    curves, base = found["curves"], found["base"]
    pixels, samples, elements, windows = (curves[name] for name in CURVES)
    top, scored = pixels["points"][-1], windows["points"][-1]
    more = COUNTRY["pixels"] / top["value"]
    # not by the exponents: they are fitted across the fixed part of the work
    usual = next(one for one in pixels["points"] if one["value"] == base["pixels"])
    near = max((one for one in elements["points"] if one["value"] <= COUNTRY["elements"]), key=_value)
    by_elements, by_memory = (
        near[key] / usual[key] * COUNTRY["elements"] / near["value"] for key in ("seconds", "mib")
    )
    hours = top["seconds"] * more * by_elements / 3600
    many = samples["points"][-1]
    each = max(many["seconds"] - samples["points"][0]["seconds"], 0) / many["value"]
    of_samples = each * COUNTRY["samples"] * by_elements / 3600
    kept = max(many["mib"] - samples["points"][0]["mib"], 0) / many["value"]
    held = top["mib"] * more ** max(pixels["memory_exponent"], 0)
    count = COUNTRY["pixels"] / COUNTRY["window"] ** 2
    window = scored["seconds"] / scored["value"] * (COUNTRY["window"] / found["window"]) ** 2
    disk = COUNTRY["pixels"] * (4 * (COUNTRY["elements"] + 2) + 2 + 1) / 1e9
    return [
        f"- **Stack.** {top['seconds']:.1f} s for {top['value']:,} pixels and {base['elements']} elements; "
        f"{more:.0f} times the pixels; {near['value']} elements took {near['seconds']:.2f} s where "
        f"{base['elements']} took {usual['seconds']:.2f}, so {by_elements:.1f} for {COUNTRY['elements']}: "
        f"{top['seconds']:.1f} x {more:.0f} x {by_elements:.1f} / 3600 = **{hours:.1f} hours** of one core.",
        f"- **Samples.** A sample adds {each * 1e6:.0f} µs: {each * 1e6:.0f} µs x 10^6 x "
        f"{by_elements:.1f} / 3600 = **{of_samples:.2f} hours** more.",
        f"- **Scores.** {COUNTRY['pixels']:.0e} / {COUNTRY['window']}^2 = {count:,.0f} areas of "
        f"{COUNTRY['window']} px; {scored['seconds']:.1f} s / {scored['value']:,} x ({COUNTRY['window']} / "
        f"{found['window']})^2 = {1000 * window:.1f} ms each by the small network of this page: "
        f"**{count * window / 3600:.2f} hours** of one core a fold.",
        f"- **Disk.** 4 bytes x ({COUNTRY['elements']} + 2 fault layers), 2 for the classes, 1 for the "
        f"ground, by 10^9 pixels: **{disk:.0f} GB** in the store, and about as much again as `stack.tif`.",
        f"- **Memory.** The Stack took {pixels['points'][0]['mib']:.0f} MiB of its own at "
        f"{pixels['points'][0]['value']:,} pixels and {top['mib']:.0f} MiB at {top['value']:,}: exponent "
        f"{pixels['memory_exponent']:.2f}, which gives {held:.0f} MiB at 10^9 pixels; {by_memory:.1f} "
        f"times as much for the elements, {held * by_memory:.0f} MiB; and 10^6 samples of "
        f"{1024 * kept:.2f} KiB: **{held * by_memory + 1e6 * kept:.0f} MiB**.",
    ]


def page(found: dict[str, Any]) -> str:
    """Put the made part into the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{text(found)}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--point", nargs=2, metavar=("CURVE", "VALUE"))
    for option in ("quick", "page", "check"):
        parser.add_argument(f"--{option}", action="store_true")
    given = parser.parse_args()
    if given.point:
        print(json.dumps(point(given.point[0], int(given.point[1]))))
        return
    if not (given.page or given.check):
        made = json.dumps(measure(quick=given.quick), indent=1)
        RESULTS.write_text(made + "\n", encoding="utf-8")
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    if given.check:
        if page(found) != PAGE.read_text(encoding="utf-8"):
            sys.exit(
                f"{PAGE.name} is not what {RESULTS.name} gives; run python scripts/cost_curves.py --page"
            )
        return
    draw(found)
    PAGE.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
