"""One fold: what is learnt from its training part, and the scores of its test part."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gossan.balance import BalanceSettings
from gossan.barren import BarrenSettings, choose_barren
from gossan.errors import DataError
from gossan.grid import pixel_index, resolution_of
from gossan.hooks import Checkpoint, MakeArray, Progress, in_memory, no_checkpoint, no_progress
from gossan.recipe import Recipe, WindowSet, covered_ground
from gossan.screen import (
    ScreenSettings,
    moved_camps,
    needed_draws,
    null_patterns,
    ore_samples,
    sample_folds,
    screen_elements,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from odc.geo.geobox import GeoBox

    from gossan.models.base import Check, Prediction, Scorer
    from gossan.survey import Samples

__all__ = ["Ground", "barren_choice", "fit_part", "predictions", "screen_part", "training_samples"]

#: Number of the draw of barren windows in the seed of a fit.
_BARREN = 9


@dataclass(frozen=True)
class Ground:
    """What every fold shares: the label-free stack, the windows and the labels.

    Attributes
    ----------
    stack
        The Stack.
    windows
        One row a window, as `cut_windows` makes them, with ``deposits`` (known ones inside) and ``camp``
        (0 = none).
    encoding
        How geology becomes channels.
    valid_channel
        Whether a channel ``valid`` is added.
    """

    stack: "xr.Dataset"
    windows: "pd.DataFrame"
    encoding: str = "onehot"
    valid_channel: bool = True

    @property
    def grid(self) -> "GeoBox":
        """The stack's grid."""
        import odc.geo.xr  # noqa: F401  (registers .odc)

        grid: GeoBox = self.stack.odc.geobox
        return grid

    @property
    def is_ore(self) -> NDArray[np.bool_]:
        """True for windows that hold a known deposit, (window,)."""
        flags: NDArray[np.bool_] = self.windows["deposits"].to_numpy() > 0
        return flags


def training_samples(
    samples: "Samples",
    ground: Ground,
    index: NDArray[np.intp],
    deposits: NDArray[np.float64],
    distance: float,
    *,
    make: MakeArray = in_memory,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Find the samples that a training part may be screened with.

    A sample belongs to the part when a training window covers it. One within the ore distance of a deposit
    that no training window holds is dropped: it is neither ore nor barren here.

    Parameters
    ----------
    index
        Positions of the training windows.
    deposits
        All known deposits, (n, 2), metres.
    distance
        A sample this close to a deposit, in metres, counts as ore.
    make
        Makes the array of the ground.

    Returns
    -------
    used (n,), is_ore (n,) among all samples, and the ground the training windows cover (row, col).
    """
    grid = ground.grid
    covered = covered_ground(ground.windows.iloc[index], ground.stack["valid"].values, make)
    inside = _holds(covered, *pixel_index(grid, samples.coordinates))
    known = _holds(covered, *pixel_index(grid, deposits))
    is_ore = ore_samples(samples.coordinates, deposits[known], distance)
    foreign = ore_samples(samples.coordinates, deposits[~known], distance)
    return inside & ~foreign, is_ore & inside & ~foreign, covered


def _holds(
    mask: NDArray[np.bool_], row: NDArray[np.int64], col: NDArray[np.int64], inside: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    held = np.zeros(len(row), dtype=bool)
    held[inside] = mask[row[inside], col[inside]]
    return held


def screen_part(
    samples: "Samples",
    ground: Ground,
    part_index: NDArray[np.intp],
    deposits: NDArray[np.float64],
    camp: NDArray[np.int64],
    *,
    distance: float,
    block: float,
    settings: ScreenSettings,
    protocol: str = "strict",
    seed: Sequence[int],
    make: MakeArray = in_memory,
) -> "pd.DataFrame":
    """Screen the elements (S1) with the training part's samples only.

    Parameters
    ----------
    samples
        Transformed values.
    camp
        Camp of each deposit, (n,).
    distance
        Ore distance, metres.
    block
        Side of the blocks that samples are dealt to folds in, metres.
    seed
        Entropy of the draws.
    make
        Makes the array of the ground that the part covers.

    Returns
    -------
    The table of `screen_elements`.

    Raises
    ------
    DataError
        If fewer than 2 samples of the part are ore.
    """
    from scipy.spatial import cKDTree

    used, is_ore, covered = training_samples(samples, ground, part_index, deposits, distance, make=make)
    if np.count_nonzero(is_ore) < 2:
        raise DataError(
            f"{np.count_nonzero(is_ore)} samples lie within {distance:.0f} m of a training deposit; the "
            "screening needs 2 and more: raise screen.ore_distance or set screen.enabled = false"
        )
    values = samples.values[used]
    if protocol == "paper":
        return screen_elements(
            values, is_ore[used], critical=settings.critical, protocol="paper", seed=[*seed, 3]
        )
    used_at, ore_at = samples.coordinates[used], is_ore[used]
    held = _holds(covered, *pixel_index(ground.grid, deposits))
    near = cKDTree(deposits[held]).query(used_at)[1]
    draws = settings.null_draws or needed_draws(samples.values.shape[1], settings.level)
    moved = moved_camps(deposits[held], camp[held], covered, ground.grid, draws, [*seed, 1], margin=distance)
    return screen_elements(
        values,
        ore_at,
        folds=sample_folds(
            used_at, ore_at, block=block, folds=settings.folds, seed=[*seed, 2], camp=camp[held][near]
        ),
        null=null_patterns(used_at, moved, distance),
        critical=settings.critical,
        level=settings.level,
        draws=settings.draws,
        seed=[*seed, 3],
    )


def fit_part(
    ground: Ground,
    index: NDArray[np.intp],
    layers: Sequence[str],
    scorer: "Scorer",
    *,
    balance: BalanceSettings,
    barren: BarrenSettings | None = None,
    seed: Sequence[int],
    check: "Check | None" = None,
    protocol: str = "strict",
    progress: Progress = no_progress,
    checkpoint: Checkpoint = no_checkpoint,
) -> tuple[Recipe, "Scorer"]:
    """Learn the Recipe and a model from one training part.

    Parameters
    ----------
    index
        Positions of the training windows.
    layers
        The number channels that the screening of this part kept.
    barren
        Which barren windows are trained on; None for all. The Recipe is learnt on the whole part.
    check
        Positions within ``index`` to train on and to stop early by; not with a choice of barren windows.
    """
    windows = ground.windows.iloc[index]
    recipe = Recipe.fit(ground.stack, windows, layers, encoding=ground.encoding, valid=ground.valid_channel)
    chosen = barren_choice(ground, index, recipe, barren or BarrenSettings(), seed=seed)
    fitted = scorer.fit(
        WindowSet(ground.stack, windows.iloc[chosen], recipe),
        ground.is_ore[index[chosen]],
        balance=balance,
        seed=seed,
        check=check,
        protocol=protocol,
        progress=progress,
        checkpoint=checkpoint,
    )
    return recipe, fitted


def barren_choice(
    ground: Ground,
    index: NDArray[np.intp],
    recipe: Recipe,
    settings: BarrenSettings,
    *,
    seed: Sequence[int],
) -> NDArray[np.int64]:
    """Choose the windows of a training part that are trained on: all ore, and the barren ones settled on.

    Returns
    -------
    Positions within ``index``, sorted.
    """
    windows, is_ore = ground.windows.iloc[index], ground.is_ore[index]
    if settings.method == "all" and settings.ratio is None:
        return np.arange(len(index))
    features = None
    if settings.method == "dissimilar":
        from gossan.models.classical import summarise_windows

        features = summarise_windows(WindowSet(ground.stack, windows, recipe))
    return choose_barren(
        windows,
        is_ore,
        settings,
        resolution=resolution_of(ground.grid),
        features=features,
        seed=[*seed, _BARREN],
    )


def predictions(
    ground: Ground,
    index: NDArray[np.intp],
    answer: "Prediction",
    *,
    prevalence: float,
    repeat: int,
    fold: int,
) -> "pd.DataFrame":
    """Put a model's answer for test windows beside their labels, as `gossan.metrics` reads them.

    ``probability`` undoes the balancing, logit(score) + logit(prevalence); it is not calibrated yet.

    Parameters
    ----------
    index
        Positions of the windows that were scored.
    prevalence
        Share of ore among the areas of the training part, in (0, 1).
    """
    import pandas as pd

    windows = ground.windows.iloc[index]
    odds = prevalence / (1 - prevalence)
    table = pd.DataFrame(
        {
            "repeat": repeat,
            "fold": fold,
            "number": windows["number"].to_numpy(),
            "score": answer.score,
            "vote": answer.vote,
            "probability": answer.score * odds / (answer.score * odds + 1 - answer.score),
            "prevalence": prevalence,
            "is_ore": ground.is_ore[index],
            "deposits": windows["deposits"].to_numpy(),
            "camp": windows["camp"].to_numpy(),
        }
    )
    for member, score in enumerate(answer.members if len(answer.members) > 1 else ()):
        table[f"member_{member}"] = score
    return table
