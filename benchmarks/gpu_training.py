"""The paper's full training on a GPU: its time, and the share of the device's peak that it reaches.

220 epochs of 524 windows of 128 px with 10 channels, MFAF-ResNet18, in the paper's preset. Where there is no
CUDA device the rows say so.
"""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.paired import Row, alone, row

EPOCHS, WINDOWS, SIZE, CHANNELS, BATCH = 220, 524, 128, 10, 32
SECONDS = 60.0
#: Dense bf16 operations a second by the maker's data sheet.
PEAKS = {"H100 PCIe": 756e12, "H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "A10": 125e12}
WORK = f"the paper's training on a GPU: {EPOCHS} epochs, {WINDOWS} windows of {SIZE} px, MFAF-ResNet18"


class Windows:
    """Noise with the face of `gossan.recipe.WindowSet`."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.values = rng.standard_normal((WINDOWS, CHANNELS, SIZE, SIZE), dtype=np.float32)
        self.channels = tuple(f"layer {number}" for number in range(CHANNELS))
        self.class_channels = np.zeros(CHANNELS, dtype=bool)
        self.valid_channel, self.size, self.halo = None, SIZE, 0

    def __len__(self) -> int:
        return WINDOWS

    def read(self, index: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return windows (n, channel, size, size)."""
        return self.values[index]


def rows() -> list[Row]:
    """Train once with and once without compiled steps, or say that there is no GPU."""
    import torch

    if not torch.cuda.is_available():
        return [alone(WORK, None, note="no CUDA device on this machine")]
    return [found for wanted in (False, True) for found in _measured(wanted)]


def _measured(compiled: bool) -> list[Row]:
    import torch

    seconds = _fit(compiled)
    name = torch.cuda.get_device_name()
    peak = next((speed for key, speed in PEAKS.items() if key in name), None)
    reached = EPOCHS * WINDOWS / BATCH * _step_operations() / seconds
    share = "its peak is not in the list" if peak is None else f"{reached / peak:.1%} of its bf16 peak"
    note = (
        f"{name}: {reached / 1e12:.0f} Tflop/s by torch.utils.flop_counter, {share}; bf16, windows resident"
    )
    work = f"{WORK}, {'compiled' if compiled else 'eager'}"
    return [row(work, "60 s", [(seconds, SECONDS)], wanted=("at most", 1.0), inverse=True, note=note)]


def _fit(compiled: bool) -> float:
    """Return the seconds of the fit, compiling and reading windows included."""
    import torch

    from gossan.balance import BalanceSettings
    from gossan.models import ModelSettings, TrainingSettings, make_scorer

    training = TrainingSettings("paper", epochs=EPOCHS, batch=BATCH, device="cuda", compile=compiled)
    scorer: Any = make_scorer("mfaf-resnet18", model=ModelSettings(), training=training)
    windows: Any = Windows()
    start = time.perf_counter()
    scorer.fit(windows, np.arange(WINDOWS) < WINDOWS // 2, balance=BalanceSettings(method="none"), seed=[0])
    torch.cuda.synchronize()
    return time.perf_counter() - start


def _step_operations() -> float:
    """Count the operations of one step, forward and backward, from two windows on the CPU."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from gossan.models import create
    from gossan.models.mfaf import mfaf_loss

    model = create("mfaf-resnet18", channels=CHANNELS, size=SIZE).train()
    x, target = torch.randn(2, CHANNELS, SIZE, SIZE), torch.tensor([0, 1])
    with FlopCounterMode(display=False) as counter:
        torch.autograd.backward(mfaf_loss(model(x), target))
    return counter.get_total_flops() * BATCH / 2
