"""The functions that tasks call: each takes settings and earlier results and returns arrays and tables.

A task function must be a pure function of its arguments: what it returns is kept under a key made of them.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from warnings import warn

import numpy as np
from numpy.typing import NDArray

from gossan.config import from_values
from gossan.errors import DataError, DesignWarning
from gossan.evaluate import Ground, screen_part
from gossan.grid import pixel_index, resolution_of
from gossan.hooks import Checkpoint, Progress
from gossan.pipeline.prepare import build_stack, read_survey, transformed
from gossan.screen import ScreenSettings
from gossan.split import (
    Split,
    block_split,
    cut_to_size,
    distance_match,
    paper_split,
    random_split,
    strict_split,
    window_camps,
)
from gossan.survey import Samples, find_camps
from gossan.windows import cut_windows, deposits_in

if TYPE_CHECKING:
    import pandas as pd
    from odc.geo.geobox import GeoBox

__all__ = [
    "AUDITED",
    "STAGES",
    "audit_splits",
    "design",
    "label_windows",
    "prepare",
    "screen",
    "strict_splits",
    "test_index",
    "training_index",
]

#: The fixed number of each stage in the seed of its random draws.
STAGES = {"design": 1, "screen": 2, "fit": 3, "final": 4, "inner": 5, "bands": 6, "explain": 7, "dense": 8}

#: The splits of the leakage audit beside the strict one, from the loosest; made for the first repeat only.
AUDITED = ("paper", "random", "random-cut", "blocks")


def prepare(
    *,
    project: dict[str, Any],
    inputs: dict[str, str],
    folder: str,
    progress: Progress,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Read the survey's files and make the label-free Stack."""
    settings = from_values({**project, "project": {**project["project"], "data": folder}})
    survey = read_survey(settings)
    progress(0.2)
    samples = transformed(survey, settings)
    stack = build_stack(
        survey, samples, settings, make=checkpoint.array, progress=lambda share: progress(0.2 + 0.8 * share)
    )
    return {
        "stack": stack,
        "coordinates": samples.coordinates,
        "values": samples.values,
        "units": dict(samples.units),
        "deposits": survey.deposits.coordinates,
        "deposit_camps": list(survey.deposits.camp) if survey.deposits.camp else None,
    }


def design(
    *,
    prepare: dict[str, Any],
    windows: dict[str, Any],
    validation: dict[str, Any],
    seed: int,
    progress: Progress,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Cut the windows, label them, number the camps and make the folds of every split and repeat."""
    stack, named = prepare["stack"], prepare["deposit_camps"]
    grid = stack.odc.geobox
    table, camps = label_windows(grid, stack["valid"].values, np.asarray(prepare["deposits"]), named, windows)
    table["samples"] = deposits_in(table, grid, np.asarray(prepare["coordinates"]))
    resolution = resolution_of(grid)
    splits = strict_splits(table, resolution, validation, seed)
    is_ore = table["deposits"].to_numpy() > 0
    distances = distance_match(table, splits[0], is_ore, resolution=resolution)
    splits += audit_splits(table, splits[0], seed) if validation["audit"] else []
    return {
        "windows": table,
        "deposit_camp": camps,
        "folds": {
            f"{split.name} {split.repeat}": {
                str(k): {"train": train, "test": test} for k, (train, test) in enumerate(split.folds)
            }
            for split in splits
        },
        "splits": [_described(split, table) for split in splits],
        "distances": distances,
    }


def _described(split: Split, table: "pd.DataFrame") -> dict[str, Any]:
    """Say how a split was made and what it is worth, and prove it."""
    camp = table["camp"].to_numpy()
    proof = split.check(table, camp if split.estimand == "new camp" else None)
    counts = split.counts(table, table["deposits"].to_numpy() > 0, camp=camp)
    return {
        "name": split.name,
        "repeat": split.repeat,
        "estimand": split.estimand,
        "sentence": split.sentence,
        "proof": proof,
        "block": split.block,
        "dead_zone": split.dead_zone,
        "warnings": list(split.warnings),
        "counts": counts,
        "table": split.to_table(table),
    }


def label_windows(
    grid: "GeoBox",
    valid: NDArray[np.bool_],
    deposits: NDArray[np.float64],
    named: Sequence[str] | None,
    windows: Mapping[str, Any],
) -> tuple["pd.DataFrame", NDArray[np.int64]]:
    """Cut the windows; say what each holds: known deposits, and the camp they are of (0 = none).

    Parameters
    ----------
    named
        Camp of each deposit as its file names it; None numbers them by distance.
    windows
        The values of `WindowSettings`, resolved.

    Returns
    -------
    The windows, and the camp of each deposit, from 1.
    """
    table = cut_windows(
        grid,
        windows["size"],
        strides=windows["strides"],
        offsets=tuple(windows["offsets"]),
        valid=valid,
        min_valid=windows["min_valid"],
    )
    row, col, inside = pixel_index(grid, deposits)
    # What lies on ground that is left out is no label: the screening and the map leave it out too.
    held = inside.copy()
    held[inside] = valid[row[inside], col[inside]]
    table["deposits"] = deposits_in(table, grid, deposits[held])
    if named is None:
        camps = find_camps(deposits, windows["size"] * resolution_of(grid))
    else:
        camps = np.unique(list(named), return_inverse=True)[1].astype(np.int64) + 1
    table["camp"] = window_camps(table, camps[held], deposits[held], grid)
    return table, camps


def strict_splits(
    table: "pd.DataFrame", resolution: float, validation: Mapping[str, Any], seed: int
) -> list[Split]:
    """Hold camps out whole, once for every repeat, each with another origin of the blocks."""
    block, dead_zone = (round(validation[name] / resolution) for name in ("block", "dead_zone"))
    return [
        strict_split(
            table,
            table["deposits"].to_numpy() > 0,
            camp=table["camp"].to_numpy(),
            folds=validation["folds"],
            block=block,
            dead_zone=dead_zone,
            repeat=repeat,
            seed=[seed, STAGES["design"], repeat],
        )
        for repeat in range(validation["repeats"])
    ]


def audit_splits(table: "pd.DataFrame", strict: Split, seed: int) -> list[Split]:
    """Make the looser splits of the leakage audit, with as many folds as the strict one has."""
    is_ore, camp = table["deposits"].to_numpy() > 0, table["camp"].to_numpy()
    draw = [seed, STAGES["design"], strict.repeat]
    folds = len(strict.folds)
    loose = random_split(table, is_ore, folds=folds, seed=draw)
    return [
        paper_split(table, is_ore, folds=folds, seed=draw),
        loose,
        cut_to_size(loose, strict, is_ore, table, seed=draw),
        block_split(table, is_ore, strict, camp=camp),
    ]


def screen(
    *,
    prepare: dict[str, Any],
    design: dict[str, Any],
    part: str,
    settings: dict[str, Any],
    block: float,
    protocol: str,
    seed: list[int],
    progress: Progress,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Screen the elements on the training part named ``part`` (``strict 0/2``, or ``all``).

    Where that cannot be done, such as where all its ore samples lie in one camp, every element is kept.
    """
    how = ScreenSettings(**settings)
    samples = Samples(np.asarray(prepare["coordinates"]), prepare["values"], prepare["units"])
    others = [str(name) for name in prepare["stack"]["channel"].values if name not in samples.values]
    if not how.enabled:
        return {"table": None, "layers": [*samples.values.columns, *others]}
    try:
        table = screen_part(
            samples,
            Ground(prepare["stack"], design["windows"]),
            training_index(design, part),
            np.asarray(prepare["deposits"]),
            np.asarray(design["deposit_camp"]),
            distance=float(how.ore_distance or 0),
            block=block,
            settings=how,
            protocol=protocol,
            seed=seed,
            make=checkpoint.array,
        )
    except DataError as reason:
        note = f"every element is kept, since none can be tested: {reason}"
        warn(f"screening of part {part}: {note}", DesignWarning, stacklevel=2)
        return {"table": None, "layers": [*samples.values.columns, *others], "note": note}
    kept = [str(name) for name in table.loc[table["keep"], "element"]]
    return {"table": table, "layers": [*kept, *others], "note": table.attrs.get("note")}


def training_index(design: dict[str, Any], part: str) -> NDArray[np.intp]:
    """Positions of the training windows of a part."""
    if part == "all":
        return np.arange(len(design["windows"]))
    split, fold = part.split("/")
    return np.asarray(design["folds"][split][fold]["train"])


def test_index(design: dict[str, Any], part: str) -> NDArray[np.intp]:
    """Positions of the test windows of a part."""
    split, fold = part.split("/")
    return np.asarray(design["folds"][split][fold]["test"])
