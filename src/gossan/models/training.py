"""The training protocol (S10): its presets, learning rates, and the batches of an epoch. No torch here."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gossan.balance import BalanceSettings, Plan, epoch_order, inner_products, mix, ore_share, plan_balance
from gossan.errors import UsageError

if TYPE_CHECKING:
    from gossan.recipe import WindowSet

__all__ = ["Batch", "Feed", "Schedule", "TrainingSettings", "make_feed", "resolve", "symmetry"]


@dataclass(frozen=True)
class TrainingSettings:
    """``[training]``: the training protocol (S10); None takes the preset's value.

    Attributes
    ----------
    preset
        ``paper``: section 4.1 to the letter, 220 epochs of SGD; ``fast``: for CPUs.
    epochs
        Passes over the balanced training windows, at least 1.
    batch
        Windows a step, at least 2.
    lr
        Learning rate, > 0; with ``fast`` its peak. Left out, it follows the optimizer.
    momentum
        Of SGD, in [0, 1).
    weight_decay
        At least 0. Left out, it follows the optimizer.
    optimizer
        ``sgd`` or ``adamw``.
    augment
        Draw one of the 8 rotations and reflections for every window of a batch.
    patience
        Stop after so many epochs without a better AUC on inner check windows, at least 1, and keep the best
        epoch; None trains to the end on all windows.
    device
        ``auto`` takes CUDA, then MPS, then the CPU.
    threads
        CPU threads of a fit; results are the same only for the same number.
    ensemble
        Networks trained from different seeds and averaged, at least 1.
    precision
        Number format of a network's convolutions: ``auto`` takes bf16 on CUDA and float32 elsewhere.
    compile
        Compile a network's training steps with ``torch.compile``, on CUDA with CUDA graphs; needs a
        compiler and about a minute, which long fits of large windows win back. Other bits than without.
    """

    preset: Literal["paper", "fast"] = "fast"
    epochs: int | None = None
    batch: int | None = None
    lr: float | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    optimizer: Literal["sgd", "adamw"] | None = None
    augment: bool | None = None
    patience: int | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    threads: int = 1
    ensemble: int = 1
    precision: Literal["auto", "float32", "bf16"] = "auto"
    compile: bool = False


@dataclass(frozen=True)
class Schedule:
    """A protocol with nothing left open; attributes as in `TrainingSettings`."""

    epochs: int
    batch: int
    optimizer: Literal["sgd", "adamw"]
    augment: bool
    decay: Literal["steps", "cosine"]
    lr: float
    momentum: float
    weight_decay: float

    def rate(self, epoch: float) -> float:
        """Return the learning rate at a fractional epoch, in [0, epochs]."""
        if self.decay == "steps":
            # Section 4.1, 'decay of 40 % every 30 times': times .6 every 30 epochs.
            return self.lr * 0.6 ** (int(epoch) // 30)
        done = epoch / self.epochs
        if done < _WARM_UP:
            return self.lr * (0.1 + 0.9 * done / _WARM_UP)
        return self.lr * 0.5 * (1 + float(np.cos(np.pi * (done - _WARM_UP) / (1 - _WARM_UP))))


#: What a preset fills.
_OPEN = {field.name for field in fields(Schedule)}
#: Share of the epochs in which the learning rate of ``cosine`` rises.
_WARM_UP = 0.15

PRESETS = {
    # Section 4.1.
    "paper": Schedule(220, 32, "sgd", False, "steps", lr=0.02, momentum=0.2, weight_decay=1e-4),
    "fast": Schedule(8, 16, "adamw", True, "cosine", lr=1e-2, momentum=0.9, weight_decay=1e-2),
}


def resolve(settings: TrainingSettings) -> Schedule:
    """Fill what the settings leave open.

    A learning rate, momentum or weight decay that is left out follows the optimizer, not the preset: each is
    the value of the preset that uses this optimizer.

    Raises
    ------
    UsageError
        If a value is out of its range.

    Examples
    --------
    >>> resolve(TrainingSettings("paper", epochs=10)).lr, resolve(TrainingSettings(optimizer="sgd")).lr
    (0.02, 0.02)
    """
    preset = PRESETS[settings.preset]
    given = {key: value for key, value in asdict(settings).items() if key in _OPEN and value is not None}
    optimizer = settings.optimizer or preset.optimizer
    tuned = next(each for each in PRESETS.values() if each.optimizer == optimizer)
    base = replace(preset, lr=tuned.lr, momentum=tuned.momentum, weight_decay=tuned.weight_decay)
    schedule = replace(base, **given)
    _check(settings, schedule)
    return schedule


def _check(settings: TrainingSettings, schedule: Schedule) -> None:
    patience = 1 if settings.patience is None else settings.patience
    ranges: list[tuple[str, float, str, bool]] = [
        ("epochs", schedule.epochs, "at least 1", schedule.epochs >= 1),
        ("batch", schedule.batch, "at least 2", schedule.batch >= 2),
        ("lr", schedule.lr, "above 0", schedule.lr > 0),
        ("momentum", schedule.momentum, "in [0, 1)", 0 <= schedule.momentum < 1),
        ("weight_decay", schedule.weight_decay, "at least 0", schedule.weight_decay >= 0),
        ("threads", settings.threads, "at least 1", settings.threads >= 1),
        ("ensemble", settings.ensemble, "at least 1", settings.ensemble >= 1),
        ("patience", patience, "at least 1", patience >= 1),
    ]
    for name, value, allowed, fine in ranges:
        if not fine:
            raise UsageError(f"training.{name} = {value} given; it is {allowed}: change training.{name}")


class Batch(NamedTuple):
    """One step's windows: float32 (n, channel, size, size), class int64 (n,), weight float32 (n,)."""

    windows: NDArray[np.float32]
    target: NDArray[np.int64]
    weight: NDArray[np.float32]


@dataclass(frozen=True)
class Feed:
    """The balanced training windows, read batch by batch.

    Attributes
    ----------
    windows
        All windows of the training part.
    index
        Positions of those that are trained on; the plan counts within them.
    plan
        What is drawn from which windows.
    prior
        Share of ore seen in training, in (0, 1).
    augment
        Draw a symmetry for every window.
    nearest
        A synthetic window takes the classes of its nearer parent; False mixes them as the paper did.
    """

    windows: "WindowSet"
    index: NDArray[np.intp]
    plan: Plan
    balance: BalanceSettings
    prior: float
    augment: bool
    nearest: bool

    def epoch(self, rng: np.random.Generator, size: int) -> Iterator[tuple[float, Batch]]:
        """Yield the batches of an epoch, each with the share of the epoch that is done before it."""
        for done, rows in self.order(rng, size):
            yield done, self._batch(rows, rng)

    def order(self, rng: np.random.Generator, size: int) -> Iterator[tuple[float, NDArray[np.intp]]]:
        """Yield positions in the plan batch by batch, with the share of the epoch that is done before."""
        order = epoch_order(self.plan, self.balance, rng)
        cuts = list(range(0, len(order), size))
        if len(cuts) > 1 and len(order) - cuts[-1] == 1:
            cuts.pop()  # a batch of one has no batch statistics: it joins the one before
        for start, stop in zip(cuts, [*cuts[1:], len(order)], strict=True):
            yield start / len(order), order[start:stop]

    def _batch(self, rows: NDArray[np.intp], rng: np.random.Generator) -> Batch:
        plan = self.plan
        x = self.windows.read(self.index[plan.first[rows]])
        synthetic = np.flatnonzero(plan.share[rows] > 0)
        if len(synthetic):
            second = self.windows.read(self.index[plan.second[rows[synthetic]]])
            x[synthetic] = mix(
                x[synthetic],
                second,
                plan.share[rows[synthetic]],
                class_channels=self.windows.class_channels,
                nearest=self.nearest,
            )
        self._add_noise(x, plan.noise[rows], rng)
        if self.augment:
            x = symmetry(x, rng.integers(8, size=len(x)))
        return Batch(x, plan.is_ore[rows].astype(np.int64), plan.weight[rows].astype(np.float32))

    def _add_noise(self, x: NDArray[np.float32], sd: NDArray[np.float32], rng: np.random.Generator) -> None:
        """Add Gaussian noise to the number channels of noisy windows, on their ground only."""
        noisy = np.flatnonzero(sd > 0)
        numbers = ~self.windows.class_channels
        if self.windows.valid_channel is not None:
            numbers[self.windows.valid_channel] = False
        if not len(noisy) or not numbers.any():
            return
        part = x[noisy]
        ground = (part != 0).any(axis=1, keepdims=True)  # masked pixels are 0 in every channel
        noise = rng.standard_normal((len(noisy), np.count_nonzero(numbers), *x.shape[2:]), dtype=np.float32)
        part[:, numbers] += noise * sd[noisy, None, None, None].astype(np.float32) * ground
        x[noisy] = part


def make_feed(
    windows: "WindowSet",
    is_ore: NDArray[np.bool_],
    index: NDArray[np.intp],
    *,
    balance: BalanceSettings,
    augment: bool,
    seed: list[int],
    protocol: str,
) -> Feed:
    """Balance the windows at `index`.

    Raises
    ------
    DataError
        If they hold too few ore windows to balance.
    """
    labels = is_ore[index]
    gram = None
    if balance.method == "smote":
        gram = inner_products(windows.read, index[labels])
    plan = plan_balance(
        labels, balance, gram=gram, seed=seed, protocol="paper" if protocol == "paper" else "strict"
    )
    prior = ore_share(plan, balance)
    return Feed(windows, index, plan, balance, prior, augment, nearest=protocol != "paper")


def symmetry(batch: NDArray[np.float32], which: NDArray[np.integer]) -> NDArray[np.float32]:
    """Apply to each window (n, channel, size, size) one of the 8 rotations and reflections of a square.

    >>> symmetry(np.arange(4.0).reshape(1, 1, 2, 2), np.array([5]))[0, 0]
    array([[1., 0.],
           [3., 2.]])
    """
    out = np.empty_like(batch)
    for window, turned, number in zip(batch, out, which.tolist(), strict=True):
        rotated = np.rot90(window, number % 4, axes=(1, 2))
        turned[...] = rotated if number < 4 else rotated.swapaxes(1, 2)
    return out
