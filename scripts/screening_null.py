"""Measure how often the screening passes an element where nothing can be found.

    python scripts/screening_null.py --surveys 200 --to docs/results/screening_null.json

Every survey is a small draw of the built-in one with `null=True`: camps lie anywhere and have no halo.
"""

import argparse
import json
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

LEVEL = 0.01
SAMPLES = 800
SIZE, RESOLUTION = 96, 406.25


def main() -> None:
    """Screen every survey under both rules and write the rates."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--surveys", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--to", type=Path)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.jobs) as pool:
        found = np.array(list(pool.map(_screened, range(arguments.surveys))))
    strict, discovered, paper, elements = found.sum(axis=0)
    content = {
        "format": 1,
        "surveys": arguments.surveys,
        "elements": int(elements),
        "nominal": LEVEL,
        "strict: share of elements with p <= nominal": strict / elements,
        "strict: share kept by Benjamini-Hochberg at nominal": discovered / elements,
        "strict: share of surveys with an element kept": float((found[:, 1] > 0).mean()),
        "paper: share of elements with Z > 2.58": paper / elements,
    }
    print(json.dumps(content, indent=1))
    if arguments.to:
        arguments.to.parent.mkdir(parents=True, exist_ok=True)
        arguments.to.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _screened(seed: int) -> tuple[int, int, int, int]:
    """Count the elements of one survey that pass: p, Benjamini-Hochberg, paper; and all of them."""
    from gossan.evaluate import Ground, screen_part
    from gossan.screen import ScreenSettings
    from gossan.survey import Samples, find_camps, make_stack, sample_spacing
    from gossan.synthetic import synthetic_survey
    from gossan.transform import transform_values
    from gossan.windows import cut_windows

    warnings.simplefilter("ignore")
    survey = synthetic_survey(seed, size=SIZE, resolution=RESOLUTION, samples=SAMPLES, null=True)
    values, units = transform_values(survey.samples.values, survey.samples.units, "log10")
    samples = Samples(survey.samples.coordinates, values, units)
    flat = np.zeros(tuple(survey.grid.shape), dtype=np.float32)
    ground = Ground(make_stack(survey.grid, {"flat": flat}, {}), cut_windows(survey.grid, 16))
    deposits = survey.deposits.coordinates
    tables = [
        screen_part(
            samples,
            ground,
            np.arange(len(ground.windows)),
            deposits,
            find_camps(deposits, 16 * RESOLUTION / 2),
            distance=2 * sample_spacing(samples.coordinates),
            block=8 * RESOLUTION * 4,
            settings=ScreenSettings(level=LEVEL, draws=1),
            protocol=protocol,
            seed=[seed],
        )
        for protocol in ("strict", "paper")
    ]
    strict, paper = tables
    kept = 0 if strict.attrs["note"] else int(strict["keep"].sum())
    return int((strict["p"] <= LEVEL).sum()), kept, int((paper["z_auc"] > 2.58).sum()), len(strict)


if __name__ == "__main__":
    main()
