"""The paper's protocol, for the leakage audit: synthetic windows in the test set too (READING, 2 and 3).

Windows of every stride are dealt at random, so that training and test share pixels, and the test part is
balanced like the training part: ore windows times four by SMOTE among the test windows, a few noisy copies of
barren ones. Scores under it are too good; they are computed to say by how much.
"""

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from gossan.balance import BalanceSettings, Plan, inner_products, mix, plan_balance
from gossan.recipe import Recipe, WindowSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import xarray as xr

    from gossan.evaluate.fold import Ground
    from gossan.models.base import Scorer

__all__ = ["SyntheticWindows", "paper_predictions"]


class SyntheticWindows(WindowSet):
    """Windows of a plan, mixed when they are read: real ones first, then synthetic ones and noisy copies.

    Attributes
    ----------
    plan
        Parents, shares and noise of every window, positions within ``windows``.
    seed
        Entropy of the noise; a window has the same noise whenever it is read.
    """

    def __init__(
        self, stack: "xr.Dataset", windows: "pd.DataFrame", recipe: Recipe, plan: Plan, seed: "Sequence[int]"
    ) -> None:
        super().__init__(stack, windows.iloc[plan.first], recipe)
        self.parents = WindowSet(stack, windows, recipe)
        self.plan = plan
        self.seed = list(seed)

    def around(self, halo: int) -> Self:
        """Return the same windows, read with so many pixels on every side."""
        wide = super().around(halo)
        wide.parents = self.parents.around(halo)
        return wide

    def read_masked(self, index: NDArray[np.intp]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return mixed windows and the valid pixels of their first parents."""
        plan = self.plan
        first, valid = self.parents.read_masked(plan.first[index])
        second, _ = self.parents.read_masked(plan.second[index])
        mixed = mix(first, second, plan.share[index], class_channels=self.class_channels, nearest=False)
        numbers = ~self.class_channels
        if self.valid_channel is not None:
            numbers[self.valid_channel] = False
        for place, row in enumerate(np.asarray(index)):
            if plan.noise[row] > 0:
                rng = np.random.default_rng(np.random.SeedSequence([*self.seed, int(row)]))
                noise = rng.standard_normal((np.count_nonzero(numbers), *mixed.shape[2:]), dtype=np.float32)
                mixed[place, numbers] += plan.noise[row] * noise * valid[place]
        return mixed, valid


def paper_predictions(
    ground: "Ground",
    test: NDArray[np.intp],
    recipe: Recipe,
    scorer: "Scorer",
    *,
    repeat: int,
    fold: int,
    seed: "Sequence[int]",
    balance: BalanceSettings | None = None,
    copies: float | None = None,
) -> "pd.DataFrame":
    """Score a test part that is balanced as the paper balances it.

    Parameters
    ----------
    copies
        Noisy copies of barren test windows for each of them; None for as many as in training.

    Returns
    -------
    A table as `gossan.metrics` reads it. Every ore window, real or synthetic, counts as one deposit, of the
    camp of its first parent; ``number`` is the window's place in the table of windows, counted from 1, for
    synthetic ones counted on from its end.
    """
    import pandas as pd

    windows = ground.windows.iloc[test]
    real = WindowSet(ground.stack, windows, recipe)
    is_ore = ground.is_ore[test]
    how = balance or BalanceSettings()
    several = np.count_nonzero(is_ore) > 1
    how = BalanceSettings("smote" if several else "none", how.factor, how.noise_variance, copies)
    gram = inner_products(real.read, np.flatnonzero(is_ore)) if several else None
    plan = plan_balance(is_ore, how, gram=gram, seed=seed, protocol="paper")
    answer = scorer.predict(SyntheticWindows(ground.stack, windows, recipe, plan, seed))
    camp = windows["camp"].to_numpy()[plan.first]
    made = np.arange(len(plan)) - len(test)
    number = np.where(made < 0, test[plan.first] + 1, len(ground.windows) + 1 + made + fold * 10**6)
    return pd.DataFrame(
        {
            "repeat": repeat,
            "fold": fold,
            "number": number,
            "score": answer.score,
            "vote": answer.vote,
            "probability": answer.score,
            "is_ore": plan.is_ore,
            "deposits": plan.is_ore.astype(np.int64),
            "camp": np.where(plan.is_ore, camp, 0),
        }
    )
