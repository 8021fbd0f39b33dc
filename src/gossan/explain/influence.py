"""Influence: the held-out skill that is lost when a group of channels tells nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gossan.errors import UsageError
from gossan.explain.groups import Group, group_channels
from gossan.explain.views import logit, swapped
from gossan.hooks import Progress, no_progress
from gossan.metrics import area_placements

if TYPE_CHECKING:
    import pandas as pd

    from gossan.models.base import Scorer
    from gossan.recipe import WindowSet

__all__ = ["combine_influence", "permutation_influence"]

Floats = NDArray[np.float64]


def permutation_influence(
    scorer: "Scorer",
    windows: "WindowSet",
    table: "pd.DataFrame",
    groups: Sequence[Group],
    *,
    repeats: int = 5,
    seed: int | Sequence[int] = 0,
    progress: Progress = no_progress,
) -> "pd.DataFrame":
    """Permute each group's channels between held-out windows and see what skill is lost.

    The maps of all channels of a group move together, whole, from window to window of the same fold, so
    what they say among each other stays and what they say about the window goes (Breiman 2001, grouped as by
    Gregorutti et al. 2015). The model is not fitted again. All groups share the permutations of a repeat.
    It says what *this model* uses: where two groups tell the same, each can look idle.

    Parameters
    ----------
    scorer
        Fitted without these windows.
    windows
        The windows it is tested on.
    table
        Their rows as `evaluate.predictions` gives them, in the same order; ``score`` is not read.
    repeats
        Permutations, at least 1.
    seed
        Entropy of the permutations.

    Returns
    -------
    One row a group: ``group``; ``channels``, how many the model reads of it; ``auc``, of held-out deposits
    within their fold with nothing permuted; ``drop``, by how much permuting lowers it, mean over repeats
    (negative: it gets better); ``sd`` over repeats (NaN for one); ``margin_drop``, the same of the mean log
    odds of held-out deposits less that of barren windows, finer where deposits are few; ``deposits``.
    All NaN where the windows hold no deposit, or deposits only.

    Raises
    ------
    UsageError
        For tables of another length and fewer than 1 repeat.
    """
    import pandas as pd

    if len(table) != len(windows) or repeats < 1:
        raise UsageError(
            f"{len(table)} rows for {len(windows)} windows and {repeats} repeats given; a row a window and 1 "
            "repeat or more are needed: change them"
        )
    orders = _orders(table, repeats, seed)
    auc, margin = _skill(table, scorer.predict(windows).score)
    rows = []
    for number, (group, channels) in enumerate(zip(groups, group_channels(groups, windows), strict=True)):
        lost = np.zeros((repeats, 2))
        for repeat, order in enumerate(orders if len(channels) else ()):
            found = _skill(table, scorer.predict(swapped(windows, channels, order)).score)
            lost[repeat] = auc - found[0], margin - found[1]
            progress((number + (repeat + 1) / repeats) / len(groups))
        lost += np.zeros(2) * (auc, margin)  # undefined without deposits, also for groups left out
        sd = float(lost[:, 0].std(ddof=1)) if repeats > 1 else float("nan")
        rows.append((group.name, len(channels), auc, lost[:, 0].mean(), sd, lost[:, 1].mean()))
    columns = ["group", "channels", "auc", "drop", "sd", "margin_drop"]
    return pd.DataFrame(rows, columns=columns).assign(deposits=int(table["deposits"].sum()))


def _orders(table: "pd.DataFrame", repeats: int, seed: int | Sequence[int]) -> list[NDArray[np.intp]]:
    """Draw where each window takes its maps from, within its own repeat and fold."""
    entropy = [seed] if isinstance(seed, int) else list(seed)
    rng = np.random.default_rng(np.random.SeedSequence(entropy))
    _, part = np.unique(table[["repeat", "fold"]].to_numpy(), axis=0, return_inverse=True)
    home = np.argsort(part.ravel(), kind="stable")
    orders = []
    for _ in range(repeats):
        order = np.empty(len(table), dtype=np.intp)
        # by fold, at random inside: the k-th place of a fold gets the k-th of its own shuffled windows
        order[home] = np.lexsort((rng.random(len(table)), part.ravel()))
        orders.append(order)
    return orders


def _skill(table: "pd.DataFrame", score: Floats) -> tuple[float, float]:
    """Return the AUC of held-out deposits within folds, and the gap of log odds; NaN where undefined."""
    ore, deposits = table["is_ore"].to_numpy(dtype=bool), table["deposits"].to_numpy()
    if not deposits.any() or ore.all():
        return float("nan"), float("nan")
    held = deposits > 0
    placed = area_placements(table.assign(score=score))
    odds = logit(score)
    gap = np.average(odds[held], weights=deposits[held]) - odds[~ore].mean()
    return float(np.average(placed[held], weights=deposits[held])), float(gap)


def combine_influence(tables: Sequence["pd.DataFrame"]) -> "pd.DataFrame":
    """Pool the influence of several folds, each weighted by its held-out deposits.

    Parameters
    ----------
    tables
        As `permutation_influence` gives them, of the same groups. A group that a fold's screening left out
        has a drop of 0 there, as that fold's model does not use it. Folds without deposits do not count.

    Returns
    -------
    One row a group, largest drop first: ``group, drop, sd_folds`` (spread over folds, no interval),
    ``margin_drop, folds`` (that use the group).

    Raises
    ------
    UsageError
        Where no fold holds a deposit.
    """
    import pandas as pd

    every = pd.concat([table for table in tables if table["drop"].notna().any()] or [pd.DataFrame()])
    if every.empty:
        raise UsageError("no fold with held-out deposits given; influence needs one: give other folds")
    rows = []
    for name, part in every.groupby("group", sort=False):
        weight = part["deposits"].to_numpy(dtype=np.float64)
        drop, margin = (np.average(part[column], weights=weight) for column in ("drop", "margin_drop"))
        spread = float(part["drop"].std(ddof=1)) if len(part) > 1 else float("nan")
        rows.append((name, drop, spread, margin, int((part["channels"] > 0).sum())))
    found = pd.DataFrame(rows, columns=["group", "drop", "sd_folds", "margin_drop", "folds"])
    order = ["drop", "margin_drop"]
    return found.sort_values(order, ascending=False, kind="stable").reset_index(drop=True)
