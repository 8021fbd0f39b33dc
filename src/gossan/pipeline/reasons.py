"""Task functions that say why, where the model knows nothing, and how well the maps were interpolated."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gossan.applicability import fit_applicability, held_out_index
from gossan.errors import UsageError
from gossan.evaluate import Ground
from gossan.explain import (
    Group,
    agreement,
    attention_weights,
    combine_influence,
    correlated_groups,
    feature_weights,
    integrated_gradients,
    permutation_influence,
    reasons,
    spatial_maps,
    training_shares,
    window_summaries,
)
from gossan.grid import tiles
from gossan.hooks import Checkpoint, Progress
from gossan.interpolate import NearestSample, far_share, interpolation_errors
from gossan.mapped import relieve
from gossan.models import load_scorer
from gossan.models.base import WEIGHTS_FILE, Scorer
from gossan.pipeline.fits import Fitting
from gossan.pipeline.tasks import test_index, training_index
from gossan.recipe import Recipe, WindowSet
from gossan.survey import sample_spacing

if TYPE_CHECKING:
    import pandas as pd
    from odc.geo.geobox import GeoBox

__all__ = ["applicability", "explain", "far_areas", "groups", "interpolation", "loaded"]

#: Side of the blocks that distances to samples are measured in, pixels, where areas are smaller.
_BLOCK = 512


def groups(
    *,
    prepare: dict[str, Any],
    given: list[list[str]] | None,
    seed: list[int],
    progress: Progress,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Group the stack's channels as the project says, the others by correlation; no label is read."""
    found = [Group(", ".join(members), tuple(members)) for members in given or ()]
    taken = {name for group in found for name in group.members}
    there = [str(name) for name in prepare["stack"]["channel"].values]
    if unknown := sorted(taken - set(there)):
        raise UsageError(
            f"explain.groups names {unknown[0]!r}; the layers are {', '.join(there)}: take one of these"
        )
    rest = [name for name in there if name not in taken]
    found += correlated_groups(prepare["stack"], rest, seed=seed)
    return {"groups": [{"name": group.name, "members": list(group.members)} for group in found]}


def _groups(kept: Mapping[str, Any]) -> list[Group]:
    return [Group(each["name"], tuple(each["members"])) for each in kept["groups"]]


def loaded(kept: Mapping[str, Any]) -> tuple[Recipe, Scorer]:
    """Bring back a model that a task kept: its Recipe and its scorer."""
    with TemporaryDirectory() as folder:
        (Path(folder) / WEIGHTS_FILE).write_bytes(np.asarray(kept["weights"]).tobytes())
        scorer = load_scorer(Path(folder), kept["record"])
    return Recipe.from_dict(kept["recipe"]), scorer


def explain(
    *,
    prepare: dict[str, Any],
    design: dict[str, Any],
    groups: dict[str, Any],
    fit: dict[str, Any],
    part: str,
    settings: dict[str, Any],
    explain: dict[str, Any],
    seed: list[int],
    progress: Progress,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Ask the model of one fold why: influence and reasons on its held-out areas, and looks inside."""
    ground = Ground(prepare["stack"], design["windows"])
    known, (recipe, scorer) = _groups(groups), loaded(fit["model"])
    test = test_index(design, part)
    held = WindowSet(ground.stack, ground.windows.iloc[test], recipe)
    train = WindowSet(ground.stack, ground.windows.iloc[training_index(design, part)], recipe)
    influence = permutation_influence(
        scorer,
        held,
        fit["predictions"],
        known,
        repeats=explain["repeats"],
        seed=seed,
        progress=lambda share: progress(0.6 * share),
    )
    fill = training_shares(train)
    found: dict[str, Any] = {
        "influence": influence,
        "reasons": reasons(scorer, held, known, fill=fill),
        "number": ground.windows["number"].to_numpy()[test],
    }
    progress(0.8)
    name, model = settings["model"]["name"], settings["model"]
    if name.startswith("mfaf-"):
        found["agreement"] = agreement(scorer.predict(held))
        if explain["attention"] and model["channel_attention"]:
            found["attention"] = attention_weights(scorer, held)
        if explain["attention"] and model["spatial_attention"]:
            found["spatial"] = spatial_maps(scorer, held, make=checkpoint.array)
    if explain["gradients"]:
        found["gradients"] = integrated_gradients(
            scorer, held, known, steps=explain["steps"], fill=fill, make=checkpoint.array
        )
    return found


def applicability(
    *,
    prepare: dict[str, Any],
    design: dict[str, Any],
    screen: dict[str, Any],
    groups: dict[str, Any],
    explained: list[dict[str, Any]],
    settings: dict[str, Any],
    progress: Progress,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Say of each area how unlike it is what the models that scored it were trained on."""
    how = Fitting.of(settings)
    ground = Ground(
        prepare["stack"],
        design["windows"],
        how.geology.encoding if how.geology else "onehot",
        how.model.valid_channel,
    )
    recipe = Recipe.fit(
        ground.stack,
        ground.windows,
        screen["layers"],
        encoding=ground.encoding,
        valid=ground.valid_channel,
    )
    windows, known = WindowSet(ground.stack, ground.windows, recipe), _groups(groups)
    summaries = window_summaries(windows, progress=lambda share: progress(0.8 * share))
    weights = np.zeros(len(summaries.names))
    if explained:
        influence = combine_influence([each["influence"] for each in explained])
        weights = feature_weights(influence, known, windows, summaries)
    folds = [
        (training_index(design, f"{split}/{fold}"), test_index(design, f"{split}/{fold}"))
        for split, made in design["folds"].items()
        if split.startswith("strict ")
        for fold in made
    ]
    yardstick = fit_applicability(summaries.features, weights, ground.is_ore, folds, names=summaries.names)
    areas = np.flatnonzero(ground.windows["number"].to_numpy() > 0)
    ore = held_out_index(
        summaries.features,
        weights,
        [(train[ground.is_ore[train]], test) for train, test in folds],
    )
    index = held_out_index(summaries.features, weights, folds)
    return {
        "yardstick": yardstick.to_dict(),
        "number": ground.windows["number"].to_numpy()[areas],
        "index": index[areas],
        "ore_index": ore[areas],
        "far": far_areas(
            ground.grid,
            ground.windows.iloc[areas],
            np.asarray(prepare["coordinates"]),
            ground.stack["valid"].values,
        ),
    }


def far_areas(
    grid: "GeoBox", areas: "pd.DataFrame", coordinates: NDArray[np.float64], valid: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Share of each area's valid pixels that lie farther than two sample spacings from any sample, (area,).

    Parameters
    ----------
    areas
        Areas of one size, from `cut_windows`.
    coordinates
        Of the samples, (n, 2), metres.
    valid
        (row, col) of the grid.
    """
    row, col, size = (areas[name].to_numpy() for name in ("row", "col", "size"))
    share, limit = np.full(len(areas), np.nan), 2 * sample_spacing(coordinates)
    nearest, side = NearestSample(coordinates, grid), max(_BLOCK // int(size[0]), 1) * int(size[0])
    for rows, cols in tiles(grid.shape, side):
        here = (row >= rows.start) & (row < rows.stop) & (col >= cols.start) & (col < cols.stop)
        if here.any():
            share[here] = far_share(
                nearest.block(rows, cols),
                limit,
                row[here] - rows.start,
                col[here] - cols.start,
                int(size[0]),
                valid=valid[rows, cols],
            )
            relieve()
    return share


def interpolation(
    *, prepare: dict[str, Any], settings: dict[str, Any], progress: Progress, checkpoint: Checkpoint
) -> dict[str, Any]:
    """Predict every sample from the others, element by element."""
    neighbours = settings["neighbours"]
    return {
        "errors": interpolation_errors(
            np.asarray(prepare["coordinates"]),
            prepare["values"],
            power=settings["power"],
            neighbours=None if neighbours == "all" else neighbours,
            radius=settings["radius"],
        )
    }
