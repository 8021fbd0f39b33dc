"""Splits as objects: folds with what they estimate, how they were made, and the proof that they hold."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError, DesignWarning, UsageError
from gossan.split.checks import (
    Fold,
    all_camps,
    check_folds,
    flags,
    fold_counts,
    gap_between,
    places,
    windows_that_overlap,
)
from gossan.split.loose import deal, random_folds
from gossan.split.spatial import WEAK_CAMPS, design_folds, training_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Split", "block_split", "cut_to_size", "paper_split", "random_split", "strict_split"]

Seed = int | Sequence[int]

#: From so many camps on several share a fold; below, down to 8, one camp is left out at a time.
_MANY_CAMPS = 12


@dataclass(frozen=True, eq=False)
class Split:
    """The folds of one repeat, and what a score on them estimates.

    Attributes
    ----------
    name
        ``strict``, ``blocks``, ``random``, ``paper``; with ``-cut`` behind where training was cut to size.
    estimand
        ``new camp``: camps are held out whole; ``near known``: training may share ground with the test.
    repeat
        From 0.
    folds
        (train, test) of each fold, row numbers into the table of windows.
    block
        Side of the blocks, pixels; None where there are none.
    dead_zone
        Free pixels between any training and any test window; 0 promises nothing for ``near known``.
    warnings
        What is weak about the design, in words.
    """

    name: str
    estimand: Literal["new camp", "near known"]
    repeat: int
    folds: tuple[Fold, ...]
    block: int | None = None
    dead_zone: int = 0
    warnings: tuple[str, ...] = ()

    def __eq__(self, other: object) -> bool:
        """Compare everything, the folds number by number."""
        if not isinstance(other, Split):
            return NotImplemented
        names = [field.name for field in fields(self) if field.name != "folds"]
        same = all(getattr(self, name) == getattr(other, name) for name in names)
        return (
            same
            and len(self.folds) == len(other.folds)
            and all(
                np.array_equal(mine, others)
                for fold, other_fold in zip(self.folds, other.folds, strict=True)
                for mine, others in zip(fold, other_fold, strict=True)
            )
        )

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash

    @property
    def sentence(self) -> str:
        """What a score on this split says, in one sentence."""
        if self.estimand == "near known":
            return (
                "Near known: how well the model fills in between windows that it has seen, some of which "
                "may share ground with the tested ones; not how it does on new ground."
            )
        free = f"at least {self.dead_zone} px of free ground" if self.dead_zone else "no free ground"
        return (
            "New camp: how well the model finds a camp of which it has seen no window, with "
            f"{free} between its training windows and the tested ones."
        )

    def check(self, windows: "pd.DataFrame", camp: ArrayLike | None = None) -> str:
        """Prove that the split keeps what its estimand promises, and say so in one sentence.

        Parameters
        ----------
        camp
            One id per window, 0 = none.

        Raises
        ------
        DataError
            For ``new camp``, as `check_folds`: where a test window shares a pixel with training or is
            nearer than the dead zone, a camp is on both sides, or an area is not tested exactly once.
        """
        if self.estimand == "near known":
            tested = sum(len(test) for _, test in self.folds)
            shared = sum(int(windows_that_overlap(windows, *fold).sum()) for fold in self.folds)
            return f"near known, not spatial: {shared} of {tested} test windows share pixels with training"
        check_folds(windows, self.folds, dead_zone=self.dead_zone, camp=camp)
        if not self.dead_zone:
            return "no test window shares a pixel with training, and no camp is on both sides"
        gap = min(gap_between(windows, train, test) for train, test in self.folds)
        return (
            f"no test window shares a pixel with training: in {len(self.folds)} folds the smallest gap is "
            f"{gap} px, {self.dead_zone} px are needed, and no camp is on both sides"
        )

    def counts(
        self, windows: "pd.DataFrame", is_ore: ArrayLike, *, camp: ArrayLike | None = None
    ) -> "pd.DataFrame":
        """Count as `fold_counts`, with the columns split, estimand and repeat in front."""
        table = fold_counts(windows, is_ore, self.folds, camp=camp)
        for name in ("repeat", "estimand", "split"):
            table.insert(0, name, getattr(self, "name" if name == "split" else name))
        return table

    def to_table(self, windows: "pd.DataFrame") -> "pd.DataFrame":
        """List the windows of every fold in long form, to be saved as CSV and read by `from_table`.

        Returns
        -------
        split, estimand, repeat, block (pixels, 0 for none), dead_zone (pixels), fold (from 1), role (train or
        test), row and col (of the north-west pixel), number (of the area, 0 for none), warnings (JSON list,
        in the first row; empty in the others).
        """
        import pandas as pd

        parts = [part for fold in self.folds for part in fold]
        index = np.concatenate(parts)
        lengths = [len(part) for part in parts]
        table = pd.DataFrame(
            {
                "split": self.name,
                "estimand": self.estimand,
                "repeat": self.repeat,
                "block": self.block or 0,
                "dead_zone": self.dead_zone,
                "fold": np.repeat(np.arange(len(parts)) // 2 + 1, lengths),
                "role": np.repeat(["train", "test"] * len(self.folds), lengths),
            }
        )
        for name in ("row", "col", "number"):
            table[name] = windows[name].to_numpy()[index]
        table["warnings"] = [json.dumps(self.warnings), *[""] * (len(index) - 1)]
        return table

    @classmethod
    def from_table(cls, table: "pd.DataFrame", windows: "pd.DataFrame") -> Self:
        """Make the split of a table as of `to_table`.

        Raises
        ------
        UsageError
            Where the table holds more or less than one repeat of one split.
        DataError
            Where the table names windows that are not there, or a place holds two windows.
        """
        design = ["split", "estimand", "repeat", "block", "dead_zone"]
        found = table[design].drop_duplicates()
        if len(found) != 1:
            raise UsageError(f"{len(found)} splits given; one is read at a time: choose its rows by {design}")
        name, estimand, repeat, block, dead_zone = found.iloc[0]
        index = _row_numbers(table, windows)
        fold, tested = table["fold"].to_numpy(), (table["role"] == "test").to_numpy()
        folds = tuple((index[(fold == k) & ~tested], index[(fold == k) & tested]) for k in np.unique(fold))
        said = tuple(json.loads(str(table["warnings"].iloc[0])))
        return cls(name, estimand, int(repeat), folds, int(block) or None, int(dead_zone), said)


def _row_numbers(table: "pd.DataFrame", windows: "pd.DataFrame") -> NDArray[np.int64]:
    """Find each place of a table among the windows."""
    import pandas as pd

    known = pd.MultiIndex.from_frame(windows[["row", "col"]])
    if known.has_duplicates:
        raise DataError(f"{int(known.duplicated().sum())} windows lie where another does; each has its place")
    index = known.get_indexer(pd.MultiIndex.from_frame(table[["row", "col"]])).astype(np.int64)
    if (index < 0).any():
        raise DataError(
            f"{(index < 0).sum()} of {len(index)} rows of the split name a window that is not among the "
            f"{len(windows)} given; a split is read with the windows that it was made of"
        )
    return index


def strict_split(
    windows: "pd.DataFrame",
    is_ore: ArrayLike,
    *,
    camp: ArrayLike | None = None,
    folds: int = 5,
    block: int | None = None,
    dead_zone: int | None = None,
    repeat: int = 0,
    seed: Seed = 0,
) -> Split:
    """Hold camps out whole: several a fold, or one at a time where there are 8 to 11 with an ore area.

    Where leaving one camp out is refused, and with fewer than 8 camps, spatial folds are made.

    Parameters
    ----------
    is_ore, camp, folds, block, dead_zone, seed
        As of `gossan.split.spatial_folds`.

    Raises
    ------
    UsageError, DataError
        As of `gossan.split.spatial_folds`.

    Warns
    -----
    DesignWarning
        With everything that the split's ``warnings`` say.
    """
    place, size = places(windows)
    ore = flags(is_ore, len(windows))
    camps = all_camps(place, size, ore, camp)
    how: dict[str, Any] = {"camp": camps, "block": block, "dead_zone": dead_zone, "seed": seed}
    number = len(np.unique(camps[ore & (windows["number"].to_numpy() > 0)]))
    made: list[Fold] | None = None
    notes: list[str] = []
    if WEAK_CAMPS <= number < _MANY_CAMPS:
        notes = [f"{number} camps, under {_MANY_CAMPS}: the interval is wide"]
        try:
            made, more = design_folds(windows, ore, **how)
            notes += ["one camp is left out at a time", *more]
        except DataError as error:
            notes.append(f"leaving one camp out was refused ({error})")
    if made is None:
        made, more = design_folds(windows, ore, folds=folds, **how)
        notes += more
    if notes:
        warnings.warn(f"a weak design: {', '.join(notes)}", DesignWarning, stacklevel=2)
    block, dead_zone = 4 * size if block is None else block, size if dead_zone is None else dead_zone
    return Split("strict", "new camp", repeat, tuple(made), block, dead_zone, tuple(notes))


def block_split(
    windows: "pd.DataFrame", is_ore: ArrayLike, strict: Split, *, camp: ArrayLike | None = None
) -> Split:
    """Take the dead zone out of a strict split: the same tests, and training up to their edge.

    Camps stay whole and no pixel is shared. Since nothing else differs, scores differ by the dead zone only.
    """
    place, size = places(windows)
    camps = all_camps(place, size, flags(is_ore, len(windows)), camp)
    folds = tuple((training_of(place, camps, test, size), test) for _, test in strict.folds)
    return replace(strict, name="blocks", folds=folds, dead_zone=0)


def random_split(
    windows: "pd.DataFrame", is_ore: ArrayLike, *, folds: int = 5, repeat: int = 0, seed: Seed = 0
) -> Split:
    """Deal the areas to folds at random, as `gossan.split.random_folds`; training keeps all other windows."""
    made = random_folds(windows, is_ore, folds=folds, seed=seed)
    return Split("random", "near known", repeat, tuple(made))


def paper_split(
    windows: "pd.DataFrame", is_ore: ArrayLike, *, folds: int = 5, repeat: int = 0, seed: Seed = 0
) -> Split:
    """Deal *all* windows, of every stride, to folds at random, ore and barren ones evenly, as the paper does.

    Windows of any stride are tested, and their overlapping neighbours are trained on.

    Raises
    ------
    UsageError
        For fewer than 2 folds.
    DataError
        Where there are fewer ore or barren windows than folds.
    """
    ore = flags(is_ore, len(windows))
    made = deal(np.ones(len(ore), dtype=bool), ore, folds, seed, "windows")
    return Split("paper", "near known", repeat, tuple(made))


def cut_to_size(
    split: Split, reference: Split, is_ore: ArrayLike, windows: "pd.DataFrame", *, seed: Seed = 0
) -> Split:
    """Cut the training parts of a split at random to the size of another's: leakage without more data.

    Each fold keeps as many ore areas, other ore windows, barren areas and other barren windows as the
    reference keeps in the mean fold, or all where it has fewer, which is noted in ``warnings``.
    """
    area = windows["number"].to_numpy() > 0
    kind = 2 * flags(is_ore, len(windows)) + area
    wanted = np.rint(
        np.mean([np.bincount(kind[train], minlength=4) for train, _ in reference.folds], axis=0)
    ).astype(np.int64)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    folds = tuple((_cut(train, kind, wanted, rng), test) for train, test in split.folds)
    short = sum(int((np.bincount(kind[train], minlength=4) < wanted).any()) for train, _ in split.folds)
    note = f"{short} of {len(folds)} folds have fewer training windows than {reference.name}: they keep all"
    said = (*split.warnings, note) if short else split.warnings
    return replace(split, name=f"{split.name}-cut", folds=folds, warnings=said)


def _cut(
    train: NDArray[np.int64], kind: NDArray[np.int64], wanted: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw the wanted number of each kind from a training part, in its order."""
    mixed = rng.permutation(train)
    order = np.argsort(kind[mixed], kind="stable")
    sorted_kind = kind[mixed][order]
    rank = np.arange(len(mixed)) - np.searchsorted(sorted_kind, sorted_kind)
    return np.sort(mixed[order][rank < wanted[sorted_kind]])
