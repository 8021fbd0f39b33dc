"""Fitting a network: one plain loop, the same for every architecture.

A fit draws all its random numbers from ``SeedSequence([*seed, member, epoch])``, torch's dropout included,
so a fit resumed from a checkpoint ends with the same bits as one that was never stopped.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from warnings import warn

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor, nn

from gossan.balance import BalanceSettings
from gossan.errors import DataError, RunError, SettingWarning, UsageError
from gossan.hooks import Checkpoint, MakeArray, Progress, in_memory, no_checkpoint, no_progress, part_of
from gossan.metrics import auc
from gossan.models import create_from_settings
from gossan.models.base import (
    Check,
    ModelSettings,
    Prediction,
    check_labels,
    check_windows,
    decide,
    read_arrays,
    write_arrays,
)
from gossan.models.context import widened
from gossan.models.device import choose_device, compiled, place, precision, session
from gossan.models.mfaf import mfaf_loss
from gossan.models.resident import Resident, fits
from gossan.models.training import Feed, Schedule, TrainingSettings, make_feed, resolve

if TYPE_CHECKING:
    from gossan.recipe import WindowSet

__all__ = ["NetworkScorer"]

Look = Callable[[nn.Module, Tensor, Tensor], Tensor]

#: Seconds between checkpoints: at least this many, and this many times what the last one took.
CHECKPOINT_SECONDS = 5.0
CHECKPOINT_REST = 20.0
#: Windows scored at once, and on a CPU as many as have so many numbers: its caches hold little more.
SCORE_BATCH, _SCORE_NUMBERS, _FEWEST_SCORED = 64, 2**19, 8


@dataclass
class _Member:
    """One network of an ensemble while it is trained."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    best_auc: float = -1.0
    best_epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    run: Callable[[Tensor], Tensor] | None = None


@dataclass
class _Fit:
    """What the steps of one member's fit share."""

    feed: Feed
    settings: ModelSettings
    schedule: Schedule
    device: torch.device
    seed: list[int]
    is_ore: NDArray[np.bool_]
    check: NDArray[np.intp] | None
    patience: int
    training: TrainingSettings
    resident: Resident | None = None

    def train(self, member: _Member, progress: Progress, keep: "_Keeper") -> None:
        """Run the epochs that are left."""
        while member.epoch < self.schedule.epochs and member.epoch - member.best_epoch < self.patience:
            self._epoch(member, progress)
            member.epoch += 1
            if self.check is not None:
                self._watch(member, self.check)
            keep.save(member)
        if member.best:
            member.model.load_state_dict(member.best)
        progress(1.0)

    def _epoch(self, member: _Member, progress: Progress) -> None:
        rng = _seeded([*self.seed, member.epoch + 1])
        member.model.train()
        total = torch.zeros((), device=self.device)
        for done, batch in (self.resident or self.feed).epoch(rng, self.schedule.batch):
            for group in member.optimizer.param_groups:
                group["lr"] = self.schedule.rate(member.epoch + done)
            total += self._step(member, *(torch.as_tensor(array) for array in batch))
            progress((member.epoch + done) / self.schedule.epochs)
        if not bool(torch.isfinite(total)):
            raise RunError(
                f"the loss is not finite in epoch {member.epoch + 1}, learning rate {self.schedule.lr:g}; "
                "it has to be: lower training.lr, or look for huge values in the layers"
            )

    def _step(self, member: _Member, x: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        with precision(self.device, self.training.precision):
            logits = (member.run or member.model)(place(x, self.device)).float()
        loss = mfaf_loss(
            logits,
            target.to(self.device),
            weight.to(self.device),
            beta=self.settings.beta,
            temperature=self.settings.temperature,
        )
        member.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        member.optimizer.step()
        return loss.detach()

    def _watch(self, member: _Member, check: NDArray[np.intp]) -> None:
        """Keep the weights of the epoch with the best AUC on the check windows."""
        (margin,) = _margins([member.model], self.feed.windows, check, self.device, self.training)
        found = auc(_balanced(margin, self.feed.prior).mean(axis=0), self.is_ore[check])
        if found > member.best_auc:
            member.best_auc, member.best_epoch = found, member.epoch
            member.best = {name: tensor.clone() for name, tensor in member.model.state_dict().items()}


class _Keeper:
    """Writes checkpoints, not too often, and continues from the latest."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.state = checkpoint.load() or {}
        self.finished = {key: value for key, value in self.state.items() if key.startswith("done/")}
        self._next = time.monotonic() + CHECKPOINT_SECONDS

    def save(self, member: _Member) -> None:
        """Write the member's state if it is time."""
        start = time.monotonic()
        if start < self._next:
            return
        state: dict[str, Any] = dict(self.finished)
        state |= {name: getattr(member, name) for name in ("epoch", "best_auc", "best_epoch")}
        state |= _arrays(member.model.state_dict(), "model/") | _arrays(member.best, "best/")
        for number, slots in member.optimizer.state_dict()["state"].items():
            state |= _arrays(slots, f"optimizer/{number}/")
        self.checkpoint.save(state)
        now = time.monotonic()
        self._next = now + max(CHECKPOINT_SECONDS, CHECKPOINT_REST * (now - start))

    def finish(self, number: int, model: nn.Module) -> None:
        """Keep a finished member; the next one starts from nothing."""
        self.finished |= _arrays(model.state_dict(), f"done/{number}/")
        self.state = {}
        self.checkpoint.save(dict(self.finished))

    def restore(self, member: _Member) -> None:
        """Continue from a checkpoint of this member, if there is one."""
        if "epoch" not in self.state:
            return
        member.model.load_state_dict(_tensors(self.state, "model/"))
        member.best = _tensors(self.state, "best/")
        member.epoch, member.best_epoch = int(self.state["epoch"]), int(self.state["best_epoch"])
        member.best_auc = float(self.state["best_auc"])
        values = member.optimizer.state_dict()
        for key, value in _tensors(self.state, "optimizer/").items():
            number, name = key.split("/")
            values["state"].setdefault(int(number), {})[name] = value
        member.optimizer.load_state_dict(values)


class NetworkScorer:
    """Any registered network as a `Scorer`.

    Attributes
    ----------
    members_
        The fitted networks.
    channels_, size_
        What a window must have.
    prior_
        Share of ore that training saw, in (0, 1).
    """

    members_: list[nn.Module]
    channels_: tuple[str, ...]
    size_: int
    prior_: float

    def __init__(
        self, name: str, *, model: ModelSettings | None = None, training: TrainingSettings | None = None
    ) -> None:
        self.name = name
        self.model = model or ModelSettings()
        self.training = training or TrainingSettings()

    def fit(
        self,
        train: "WindowSet",
        is_ore: NDArray[np.bool_],
        *,
        balance: BalanceSettings,
        seed: Sequence[int],
        check: Check | None = None,
        protocol: str = "strict",
        progress: Progress = no_progress,
        checkpoint: Checkpoint = no_checkpoint,
    ) -> Self:
        """Train; see `Scorer.fit`.

        With ``training.patience`` and `check` only the inner training windows are trained on and the best
        epoch is kept; without patience `check` has no use and all windows are trained on.

        Raises
        ------
        DataError
            If the labels do not fit or hold one class only.
        RunError
            If training diverges.
        """
        check_labels(train, is_ore)
        _check_loss(self.model)
        train = widened(train, self.name, self.model)
        self.channels_, self.size_, self.members_ = tuple(train.channels), train.size, []
        device, keep = choose_device(self.training.device), _Keeper(checkpoint)
        with session(self.training.threads, device):
            for number in range(self.training.ensemble):
                part = part_of(progress, number, self.training.ensemble)
                fit = self._prepare(
                    train,
                    is_ore,
                    check,
                    device=device,
                    balance=balance,
                    seed=[*seed, number],
                    protocol=protocol,
                )
                self.prior_ = fit.feed.prior
                self.members_.append(self._member(fit, number, part, keep))
        return self

    def _prepare(
        self,
        train: "WindowSet",
        is_ore: NDArray[np.bool_],
        check: Check | None,
        *,
        device: torch.device,
        balance: BalanceSettings,
        seed: list[int],
        protocol: str,
    ) -> _Fit:
        """Balance the windows of one member."""
        schedule = resolve(self.training)
        index, held, patience = np.arange(len(train)), None, schedule.epochs
        if self.training.patience is not None and check is None:
            warn(
                "training.patience is given without check windows; all epochs run",
                SettingWarning,
                stacklevel=4,
            )
        elif self.training.patience is not None and check is not None:
            (index, held), patience = check, self.training.patience
        feed = make_feed(
            train, is_ore, index, balance=balance, augment=schedule.augment, seed=seed, protocol=protocol
        )
        kept = Resident(feed, device) if fits(feed, device) else None
        return _Fit(feed, self.model, schedule, device, seed, is_ore, held, patience, self.training, kept)

    def _member(self, fit: _Fit, number: int, progress: Progress, keep: _Keeper) -> nn.Module:
        """Train one network, or take it from the checkpoint."""
        _seeded([*fit.seed, 0])
        model = place(self._create(), fit.device)
        done = _tensors(keep.finished, f"done/{number}/")
        if done:
            model.load_state_dict(done)
            return model
        member = _Member(model, _optimizer(model, fit.schedule))
        member.run = compiled(model, fit.device, wanted=self.training.compile)
        keep.restore(member)
        fit.train(member, progress, keep)
        keep.finish(number, model)
        return model

    def _create(self) -> nn.Module:
        return create_from_settings(self.name, self.model, channels=len(self.channels_), size=self.size_)

    def predict(self, windows: "WindowSet", *, progress: Progress = no_progress) -> Prediction:
        """Score windows; see `Scorer.predict`.

        Raises
        ------
        DataError
            If the channels or the size are not those of the fit.
        """
        if not hasattr(self, "members_"):
            raise UsageError("predict was called on a scorer that is not fitted; call fit or load first")
        check_windows(windows, self.channels_, self.size_)
        windows = widened(windows, self.name, self.model)
        device, index = choose_device(self.training.device), np.arange(len(windows))
        with session(self.training.threads, device):
            models = [place(model, device) for model in self.members_]
            margins = _margins(models, windows, index, device, self.training, progress)
        return decide(_balanced(margins, self.prior_))

    def look_inside(
        self,
        look: Look,
        windows: "WindowSet",
        *,
        batch: int | None = None,
        gradients: bool = False,
        dtype: DTypeLike = np.float32,
        make: MakeArray = in_memory,
        progress: Progress = no_progress,
    ) -> NDArray[Any]:
        """Apply a function to every window and network; the mean over networks, in what `make` makes.

        `look`: network, windows (n, channel, size, size), valid pixels -> (n, ...). DataError as `predict`.
        """
        check_windows(windows, self.channels_, self.size_)
        windows = widened(windows, self.name, self.model)
        device, mean = choose_device(self.training.device), np.zeros(0, dtype=dtype)
        batch = batch or _score_batch(windows, device)
        with session(self.training.threads, device), torch.inference_mode(not gradients):
            for number, model in enumerate(self.members_):
                part = part_of(progress, number, len(self.members_))
                for rows, found in _looks(look, place(model, device).eval(), windows, batch, device, part):
                    mean = mean if mean.size else make((len(windows), *found.shape[1:]), dtype)
                    mean[rows] += found
                    mean[rows] /= len(self.members_) if number == len(self.members_) - 1 else 1
        return mean

    def save(self, folder: Path) -> dict[str, Any]:
        """Write the weights; see `Scorer.save`."""
        arrays: dict[str, NDArray[Any]] = {}
        for number, model in enumerate(self.members_):
            arrays |= _arrays(model.state_dict(), f"{number}/")
        return write_arrays(folder, arrays) | {
            "name": self.name,
            "model": asdict(self.model),
            "training": asdict(self.training),
            "channels": list(self.channels_),
            "size": self.size_,
            "prior": self.prior_,
        }

    @classmethod
    def load(cls, folder: Path, record: dict[str, Any]) -> Self:
        """Read what `save` wrote; see `Scorer.load`.

        Raises
        ------
        MissingFileError
            If there is no weights file.
        DataError
            If it is another file, or does not fit the network that the record describes.
        """
        arrays, settings = read_arrays(folder, record), dict(record["model"])
        if isinstance(settings["rates"], list):
            settings["rates"] = tuple(settings["rates"])
        # The weights it started from are in the file: nothing is downloaded or opened again.
        model = ModelSettings(**{**settings, "weights": "none"})
        scorer = cls(str(record["name"]), model=model, training=TrainingSettings(**record["training"]))
        scorer.channels_, scorer.size_ = tuple(record["channels"]), int(record["size"])
        scorer.prior_, scorer.members_ = float(record["prior"]), []
        for number in range(scorer.training.ensemble):
            with torch.random.fork_rng(devices=[]):
                network = scorer._create()
            _fill(network, _tensors(arrays, f"{number}/"))
            scorer.members_.append(network)
        scorer.model = ModelSettings(**settings)
        return scorer


def _fill(network: nn.Module, weights: dict[str, Tensor]) -> None:
    expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
    found = {name: tensor.shape for name, tensor in weights.items()}
    if expected != found:
        odd = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise DataError(
            f"the weights do not fit the network of their record ({odd[0]} and {len(odd) - 1} more); "
            "copy the model folder again"
        )
    network.load_state_dict(weights)


def _check_loss(settings: ModelSettings) -> None:
    if settings.beta < 0 or settings.temperature <= 0:
        raise UsageError(
            f"beta {settings.beta:g} and temperature {settings.temperature:g} given; beta is at least 0, the "
            "temperature above 0: change model.beta or model.temperature"
        )


def _optimizer(model: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    weights = list(model.parameters())
    values: dict[str, Any] = {"lr": schedule.lr, "weight_decay": schedule.weight_decay}
    values |= {"fused": True} if weights[0].is_cuda else {}
    if schedule.optimizer == "sgd":
        return torch.optim.SGD(weights, momentum=schedule.momentum, **values)
    return torch.optim.AdamW(weights, **values)


def _seeded(entropy: list[int]) -> np.random.Generator:
    """Seed torch and return a generator, from two children of one sequence."""
    ours, torchs = np.random.SeedSequence(entropy).spawn(2)
    torch.manual_seed(int(torchs.generate_state(1, np.uint64)[0] >> np.uint64(1)))
    return np.random.default_rng(ours)


def _margins(
    models: Sequence[nn.Module],
    windows: "WindowSet",
    index: NDArray[np.intp],
    device: torch.device,
    training: TrainingSettings,
    progress: Progress = no_progress,
) -> NDArray[np.float64]:
    """Return the logit of ore minus that of barren, (model, branch, window)."""
    parts, few, models = [], _score_batch(windows, device), [model.eval() for model in models]
    with torch.inference_mode(), precision(device, training.precision):
        for start in range(0, len(index), few):
            x = place(torch.from_numpy(windows.read(index[start : start + few])), device)
            logits = np.stack([model(x).double().cpu().numpy() for model in models])
            parts.append(logits[..., 1] - logits[..., 0])
            progress(min(1.0, (start + few) / len(index)))
    return np.concatenate(parts, axis=-1)


def _score_batch(windows: "WindowSet", device: torch.device) -> int:
    if device.type != "cpu":
        return SCORE_BATCH
    numbers = len(windows.channels) * (windows.size + 2 * windows.halo) ** 2
    return max(_FEWEST_SCORED, _SCORE_NUMBERS // numbers)


def _looks(
    look: Look, model: nn.Module, windows: "WindowSet", batch: int, device: torch.device, progress: Progress
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield which windows a batch holds, and what is seen in them."""
    for start in range(0, len(windows), batch):
        rows = slice(start, min(start + batch, len(windows)))
        x, valid = windows.read_masked(np.arange(rows.start, rows.stop))
        found = look(model, place(torch.from_numpy(x), device), torch.from_numpy(valid).to(device))
        yield rows, found.detach().float().cpu().numpy()
        progress(min(1.0, (start + batch) / len(windows)))


def _balanced(margin: NDArray[np.float64], prior: float) -> NDArray[np.float64]:
    """Return the softmax with the training prior taken out: as if both classes had been equally frequent."""
    shifted = margin - np.log(prior / (1 - prior))
    return np.asarray(0.5 * (1 + np.tanh(0.5 * shifted)))


def _arrays(tensors: dict[str, Any], prefix: str) -> dict[str, NDArray[Any]]:
    """Copy the tensors of a flat dictionary into contiguous arrays; slots without a value are left out."""
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    return {prefix + name: np.array(t.detach().cpu().numpy(), order="C") for name, t in kept.items()}


def _tensors(arrays: dict[str, Any], prefix: str) -> dict[str, Tensor]:
    cut = len(prefix)
    return {
        name[cut:]: torch.from_numpy(np.array(a)) for name, a in arrays.items() if name.startswith(prefix)
    }
