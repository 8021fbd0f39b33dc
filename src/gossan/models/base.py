"""What every model is: its settings, its answer, and the four things it can do."""

import sys
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from gossan.balance import BalanceSettings
from gossan.errors import DataError, MissingFileError
from gossan.hooks import Checkpoint, Progress, no_checkpoint, no_progress

if TYPE_CHECKING:
    from gossan.recipe import WindowSet

__all__ = [
    "WEIGHTS_FILE",
    "Check",
    "ModelSettings",
    "Prediction",
    "Scorer",
    "check_labels",
    "check_windows",
    "decide",
    "device_type",
    "read_arrays",
    "write_arrays",
]

#: File name of a model's arrays in its folder.
WEIGHTS_FILE = "model.safetensors"

#: One of them is there where torch finds an accelerator on Linux: NVIDIA's, in WSL, on a Jetson, AMD's.
_ACCELERATORS = ("/dev/nvidiactl", "/dev/dxg", "/dev/nvmap", "/dev/kfd")

#: Positions of an inner training part and of an inner check part within the training windows.
Check = tuple[NDArray[np.intp], NDArray[np.intp]]


@dataclass(frozen=True)
class ModelSettings:
    """``[model]``: which model, and the knobs of MFAF (S6-S9).

    Attributes
    ----------
    name
        A name that `gossan.models.names` lists.
    rates
        Dilation rates of the branches, pixels, each at least 1 and with a span ``2 rate + 1`` that fits the
        window; ``scaled`` = the paper's times size / 128; None = the paper's 1, 6, 12, 18, 24 in windows of
        49 px and more, else scaled. MFAF only.
    beta
        Weight of the self-distillation in the loss, >= 0 (S9). MFAF only.
    temperature
        Temperature of the distillation, > 0. MFAF only.
    mix
        Convolve all factors together; the attention weights are then not per factor. MFAF only.
    pool
        Pooling of the channel attention: ``avg+max`` (CBAM) or ``avg`` (SE). MFAF only.
    channel_attention, spatial_attention
        Whether the module is there (ablations of Table 4). MFAF only.
    width
        Factor on the channels of the backbone: .5, 1, 1.5 or 2 for ShuffleNetV2, any from .25 to 2 for
        MobileNetV2 and MnasNet, 1 for the others.
    weights
        ``none``, ``imagenet`` (downloaded by torchvision) or the path of a weights file to start from.
    depth
        Blocks of the backbone that are kept, from the front, at least 1; None = all, as in the paper. With a
        few dozen ore windows and no weights to start from, the first block alone does as well, in a twentieth
        of the time (`scripts/mfaf_tuning.py`).
    summary
        The head also reads each factor's mean, standard deviation and maximum over the window, as the rivals
        do. Not in the paper; worth about .01 in AUC on the built-in survey, with a learning rate of 1e-3 or
        so (`scripts/mfaf_tuning.py`).
    halo
        Windows are read with as much ground around them as the network sees, and only what lies inside is
        pooled; channel attention is local. The scores of a dense map are then those of its windows, at a
        fraction of the time (``[dense]``). Not in the paper; for networks of one or two blocks (``depth``).
        Dead zones are at least two halos wide. Networks only.
    valid_channel
        Whether the channel ``valid`` is among the inputs.
    """

    name: str = "mfaf-resnet18"
    rates: tuple[int, ...] | Literal["scaled"] | None = None
    beta: float = 0.4
    temperature: float = 1.0
    mix: bool = False
    pool: Literal["avg+max", "avg"] = "avg+max"
    channel_attention: bool = True
    spatial_attention: bool = True
    width: float = 1.0
    weights: str = "none"
    depth: int | None = None
    summary: bool = False
    halo: bool = False
    valid_channel: bool = True


@dataclass(frozen=True)
class Prediction:
    """A model's answer for n windows.

    Attributes
    ----------
    score
        Balanced score in [0, 1], float64 (n,): as if ore and barren had been equally frequent in training.
    vote
        Majority of the branches, bool (n,); a tie goes to the score (equations 10-11).
    branches
        Balanced probability of ore of each branch, float64 (k, n).
    members
        Score of each member of an ensemble, float64 (m, n).
    """

    score: NDArray[np.float64]
    vote: NDArray[np.bool_]
    branches: NDArray[np.float64]
    members: NDArray[np.float64]


def decide(members: NDArray[np.float64]) -> Prediction:
    """Turn balanced probabilities (member, branch, window) into score and vote.

    Equation 10 takes each branch's arg max, equation 11 their majority; the mean is the score.

    >>> decide(np.array([[[0.9, 0.4], [0.2, 0.3]]])).vote
    array([ True, False])
    """
    branches = members.mean(axis=0)
    score = branches.mean(axis=0)
    balance = np.where(branches > 0.5, 1, -1).sum(axis=0)
    vote = np.where(balance == 0, score >= 0.5, balance > 0)
    return Prediction(score, vote, branches, members.mean(axis=1))


class Scorer(Protocol):
    """What every model can do; the constructor only stores settings."""

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
        """Learn from labelled windows.

        Parameters
        ----------
        is_ore
            Label of each window, (n,).
        seed
            Entropy of every random number drawn.
        check
            Inner training and check positions, for early stopping; models that do not stop early ignore it.
        protocol
            ``strict`` or ``paper``.
        """

    def predict(self, windows: "WindowSet", *, progress: Progress = no_progress) -> Prediction:
        """Score windows with the channels and size that the model was fitted on."""

    def save(self, folder: Path) -> dict[str, Any]:
        """Write ``model.safetensors`` into a folder; return what else `load` needs, JSON-able."""

    @classmethod
    def load(cls, folder: Path, record: dict[str, Any]) -> Self:
        """Read what `save` wrote; no code in the files is run."""


class _Windows(Protocol):
    """What windows and their table have in common."""

    @property
    def channels(self) -> tuple[str, ...]: ...

    @property
    def size(self) -> int: ...


def check_labels(train: Sized, is_ore: NDArray[np.bool_]) -> None:
    """Refuse labels that do not fit the windows, or their table, or hold one class only.

    Raises
    ------
    DataError
    """
    if len(is_ore) != len(train):
        raise DataError(f"{len(is_ore)} labels for {len(train)} windows given; give one label a window")
    n_ore = int(np.count_nonzero(is_ore))
    if not 0 < n_ore < len(is_ore):
        raise DataError(
            f"{n_ore} ore windows among {len(is_ore)} given; a model needs both ore and barren windows: "
            "change the window size or the folds"
        )


def check_windows(windows: _Windows, channels: Sequence[str], size: int) -> None:
    """Refuse windows whose channels or size differ from those a model was fitted on.

    Raises
    ------
    DataError
    """
    if tuple(windows.channels) != tuple(channels):
        raise DataError(
            f"windows with {len(windows.channels)} channels ({', '.join(windows.channels)}) given; the model "
            f"was fitted on {len(channels)} ({', '.join(channels)}); use its recipe"
        )
    if windows.size != size:
        raise DataError(f"windows of {windows.size} px given; the model was fitted on {size} px: use those")


def write_arrays(folder: Path, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Write the weights file; return its hash and the shapes in it."""
    from hashlib import sha256

    from safetensors.numpy import save

    data = save({name: np.asarray(array, order="C") for name, array in arrays.items()})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS_FILE).write_bytes(data)
    shapes = {name: list(array.shape) for name, array in sorted(arrays.items())}
    return {"sha256": sha256(data).hexdigest(), "shapes": shapes}


def read_arrays(folder: Path, record: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Read the weights file if it is the one that was written.

    Raises
    ------
    MissingFileError
        If there is no such file.
    DataError
        If its hash or its shapes differ from the record.
    """
    from hashlib import sha256

    from safetensors.numpy import load

    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise MissingFileError(
            f"no file {path}; a model folder holds {WEIGHTS_FILE}: give that of a finished run"
        )
    data = path.read_bytes()
    if (found := sha256(data).hexdigest()) != record["sha256"]:
        raise DataError(
            f"{path} has SHA-256 {found[:12]}..., its record says {str(record['sha256'])[:12]}...; "
            "the file was changed or belongs to another run: copy the model folder again"
        )
    arrays = load(data)
    if {name: list(array.shape) for name, array in arrays.items()} != record["shapes"]:
        raise DataError(f"{path} holds other shapes than its record; copy the model folder again")
    return arrays


def device_type(name: str) -> str:
    """Return what `gossan.models.device.choose_device` chooses, ``cpu``, ``cuda`` or ``mps``.

    Where there can be no accelerator torch is not asked: to import it takes two seconds.

    Raises
    ------
    UsageError
        If this machine does not have it.

    >>> device_type("cpu")
    'cpu'
    """
    without = sys.platform == "linux" and not any(Path(each).exists() for each in _ACCELERATORS)
    if name == "cpu" or (name == "auto" and without):
        return "cpu"
    from gossan.models.device import choose_device

    return choose_device(name).type
