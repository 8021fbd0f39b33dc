"""Balancing: what is done about ore being rare, on training windows only (S5, section 3.2.1 (4)).

SMOTE looks at the ore windows only through their distances, which their inner products hold. So
imbalanced-learn's SMOTE runs on a few coordinates per ore window, and a synthetic window is kept as two
parents and a share, to be mixed when its batch is gathered. No window is copied before.

Departure from the paper: nothing is ever balanced in a test part.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gossan.errors import DataError, UsageError

__all__ = [
    "BalanceSettings",
    "Plan",
    "epoch_order",
    "inner_products",
    "mix",
    "ore_share",
    "plan_balance",
    "smote_parents",
]

_NEIGHBOURS = 5
#: The paper's training set grows from 286 to 300 barren windows.
_PAPER_COPIES = 0.05


@dataclass(frozen=True)
class BalanceSettings:
    """``[balance]``: what is done about ore being rare (S5).

    Attributes
    ----------
    method
        ``smote``: synthetic ore windows between real ones; ``weights``: ore windows weigh more; ``batches``:
        half of every batch is ore; ``none``: nothing.
    factor
        ``smote``: ore windows after, for each one before, 1 or more; at most as many as
        there are barren ones under the strict protocol.
    noise_variance
        Variance of the Gaussian noise on synthetic windows and copies, in squared standard deviations of a
        channel, 0 or more.
    copies
        ``smote``: noisy copies of barren windows, for each barren window, in [0, 1]; None for none under the
        strict protocol and 0.05 under the paper's (286 -> 300).
    compare
        ``smote`` of a network: also evaluate it without, on the same folds; doubles the time of the folds.
    """

    method: Literal["smote", "weights", "batches", "none"] = "smote"
    factor: float = 4.0
    noise_variance: float = 0.01
    copies: float | None = None
    compare: bool = True


@dataclass(frozen=True)
class Plan:
    """The windows to train on, real ones first, each as ``(1 - share) * first + share * second + noise``.

    Attributes
    ----------
    first, second
        (n,), parents, as positions in the training part; a real window is its own parent.
    share
        (n,), share of the second parent, in [0, 1].
    noise
        (n,), standard deviation of the Gaussian noise, 0 for real windows.
    is_ore
        (n,).
    weight
        (n,), weight in the loss, 1 on average.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    share: NDArray[np.float32]
    noise: NDArray[np.float32]
    is_ore: NDArray[np.bool_]
    weight: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.first)


def plan_balance(
    is_ore: ArrayLike,
    settings: BalanceSettings,
    *,
    gram: NDArray[np.float64] | None = None,
    seed: int | Sequence[int],
    protocol: Literal["strict", "paper"] = "strict",
) -> Plan:
    """Plan the windows of a balanced training part.

    Parameters
    ----------
    is_ore
        (window,), of the training part.
    gram
        Inner products of its ore windows, in order, as `inner_products` gives them; SMOTE needs it.
    protocol
        ``paper``: ore may outnumber barren windows, and some barren windows are copied with noise.

    Raises
    ------
    UsageError
        For a setting outside its range, or SMOTE without the inner products.
    DataError
        Where there is no barren window, no ore window or, for SMOTE, only one.
    """
    ore = np.asarray(is_ore, dtype=bool)
    _check(ore, settings)
    n = len(ore)
    weight = n / 2 / np.where(ore, ore.sum(), (~ore).sum()) if settings.method == "weights" else np.ones(n)
    none = np.empty(0, dtype=np.int64)
    first, second, share, made_ore = none, none, none.astype(np.float64), none.astype(bool)
    if settings.method == "smote":
        first, second, share, made_ore = _synthesise(ore, settings, gram, seed, protocol)
    real, made = np.arange(n), len(first)
    return Plan(
        first=np.append(real, first),
        second=np.append(real, second),
        share=np.append(np.zeros(n), share).astype(np.float32),
        noise=np.repeat([0.0, settings.noise_variance**0.5], [n, made]).astype(np.float32),
        is_ore=np.append(ore, made_ore),
        weight=np.append(weight, np.ones(made)).astype(np.float32),
    )


def _check(ore: NDArray[np.bool_], settings: BalanceSettings) -> None:
    copies = 0.0 if settings.copies is None else settings.copies
    if not (1 <= settings.factor < np.inf and 0 <= settings.noise_variance < np.inf and 0 <= copies <= 1):
        raise UsageError(
            f"balance.factor = {settings.factor}, noise_variance = {settings.noise_variance}, copies = "
            f"{settings.copies} given; 1 or more, 0 or more and a share from 0 to 1 are allowed: change them"
        )
    fewest = 2 if settings.method == "smote" else 1
    n_ore = int(ore.sum())
    if n_ore < fewest or n_ore == len(ore):
        raise DataError(
            f"{n_ore} ore and {len(ore) - n_ore} barren windows to train on; balance.method = "
            f"{settings.method!r} needs at least {fewest} and 1: change it, add strides or make fewer folds"
        )


def _synthesise(
    ore: NDArray[np.bool_],
    settings: BalanceSettings,
    gram: NDArray[np.float64] | None,
    seed: int | Sequence[int],
    protocol: Literal["strict", "paper"],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return first, second, share and is_ore of the synthetic windows, then of the copies of barren ones."""
    at, barren = np.flatnonzero(ore), np.flatnonzero(~ore)
    if gram is None or gram.shape != (len(at), len(at)):
        shape = None if gram is None else gram.shape
        raise UsageError(
            f"inner products {shape} given for {len(at)} ore windows; SMOTE needs one for every pair of them"
        )
    draw, draw_copies = (int(state) for state in np.random.SeedSequence(seed).generate_state(2))
    total, share_copied = round(settings.factor * len(at)), _PAPER_COPIES
    if protocol == "strict":
        total, share_copied = max(min(total, len(barren)), len(at)), 0.0
    if settings.copies is not None:
        share_copied = settings.copies
    first, second, share = smote_parents(gram, total - len(at), random_state=draw)
    count = round(share_copied * len(barren))
    copied = np.sort(np.random.default_rng(draw_copies).choice(barren, count, replace=False))
    return (
        np.append(at[first], copied),
        np.append(at[second], copied),
        np.append(share, np.zeros(count)),
        np.arange(len(share) + count) < len(share),
    )


def smote_parents(
    gram: NDArray[np.float64], count: int, *, random_state: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Draw synthetic windows with imbalanced-learn's SMOTE, from inner products alone.

    The windows' coordinates are the eigenvectors of their centred inner products. To each an own unit axis is
    added: it lengthens all distances alike, so that no neighbour changes, and the parents and their share are
    read from it.

    Parameters
    ----------
    gram
        Inner products of the windows, (n, n), n >= 2.
    count
        Number of synthetic windows.
    random_state
        The draws are those of ``SMOTE(random_state=...)`` on whole windows, with min(5, n - 1) neighbours.

    Returns
    -------
    the nearer parent, the farther parent and its share, in [0, 0.5], each (count,).
    """
    n = len(gram)
    if count == 0:
        return *np.empty((2, 0), dtype=np.int64), np.empty(0)
    from imblearn.over_sampling import SMOTE

    mean = gram.mean(axis=0)
    values, vectors = np.linalg.eigh(gram - mean - mean[:, None] + mean.mean())
    values = np.maximum(values, 0)
    places = vectors * np.sqrt(values / max(values.mean(), np.finfo(np.float64).tiny))
    ore = np.hstack((places, np.eye(n)))
    table = np.vstack((ore, np.zeros((n + count, 2 * n))))
    label = np.arange(len(table)) < n
    sampler = SMOTE(
        sampling_strategy={True: n + count}, k_neighbors=min(_NEIGHBOURS, n - 1), random_state=random_state
    )
    made = sampler.fit_resample(table, label)[0][len(table) :, n:]
    order = np.argsort(made, axis=1)
    return order[:, -1], order[:, -2], np.take_along_axis(made, order[:, -2:-1], axis=1)[:, 0]


def inner_products(
    read: Callable[[NDArray[np.int64]], NDArray[np.float32]], index: ArrayLike, *, block: int = 16
) -> NDArray[np.float64]:
    """Return the inner products of windows, a pair of blocks in memory at a time.

    Parameters
    ----------
    read
        Gives windows by position, (n, ...), without missing values.
    index
        Positions of the windows, (n,).
    block
        Windows read at once, 1 or more.

    Returns
    -------
    (n, n), in float64.

    Raises
    ------
    DataError
        Where a window holds a value that is not finite.
    """
    index = np.asarray(index, dtype=np.int64)
    gram = np.empty((len(index), len(index)))
    parts = [slice(start, start + block) for start in range(0, len(index), block)]

    def flat(part: slice) -> NDArray[np.float64]:
        return read(index[part]).reshape(len(index[part]), -1).astype(np.float64)

    for i, rows in enumerate(parts):
        left = flat(rows)
        for cols in parts[i:]:
            gram[rows, cols] = left @ (left if cols == rows else flat(cols)).T
            gram[cols, rows] = gram[rows, cols].T
    if not np.isfinite(gram).all():
        missing = np.count_nonzero(~np.isfinite(gram.diagonal()))
        raise DataError(f"{missing} of {len(index)} windows hold missing values; SMOTE needs none: fill them")
    return gram


def mix(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    share: NDArray[np.float32],
    *,
    class_channels: NDArray[np.bool_] | None = None,
    nearest: bool = True,
) -> NDArray[np.float32]:
    """Mix pairs of windows: ``first + share * (second - first)``.

    Parameters
    ----------
    first, second
        (n, channel, size, size).
    share
        (n,), share of the second, in [0, 1].
    class_channels
        (channel,), True for classes; None for no such channel.
    nearest
        Classes are those of the nearer parent, the first at a half; else they are mixed, as in the paper.

    Returns
    -------
    (n, channel, size, size), a new array.
    """
    mixed = second - first
    mixed *= np.asarray(share, dtype=np.float32)[:, None, None, None]
    mixed += first
    if nearest and class_channels is not None and class_channels.any():
        near = (share <= 0.5)[:, None, None, None]
        mixed[:, class_channels] = np.where(near, first[:, class_channels], second[:, class_channels])
    return mixed


def epoch_order(plan: Plan, settings: BalanceSettings, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw one epoch: positions in the plan, (n,), as many as it has windows.

    Every window once, shuffled; with balanced batches barren and ore windows by turns instead, so that half
    of any batch is ore, each window of a class as often as the others or once more.
    """
    n = len(plan)
    if settings.method != "batches":
        return rng.permutation(n)
    order = np.empty(n, dtype=np.int64)
    for start, part in enumerate((~plan.is_ore, plan.is_ore)):
        index, count = np.flatnonzero(part), len(order[start::2])
        passes = [rng.permutation(index) for _ in range(-(-count // len(index)))]
        order[start::2] = np.concatenate(passes)[:count]
    return order


def ore_share(plan: Plan, settings: BalanceSettings) -> float:
    """Return the share of ore, in (0, 1), that training sees: the prior to be undone in a score."""
    if settings.method == "batches":
        return 0.5
    weight = plan.weight.astype(np.float64)
    return float(weight[plan.is_ore].sum() / weight.sum())
