"""One training step of MFAF beside k steps of its backbone, and windows a second of each."""

import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.paired import Row, paired, row

CHANNELS = 12
#: Backbone, pixels a side, windows a batch.
CASES = (
    ("resnet18", 128, 8),
    ("shufflenet-v2", 128, 16),
    ("resnet18", 32, 16),
    ("shufflenet-v2", 32, 16),
)


@dataclass
class Trainer:
    """A network in training on one batch of noise, as `gossan.models.network` trains it, 1 thread."""

    name: str
    channels: int = CHANNELS
    size: int = 128
    batch: int = 8
    model: Any = field(init=False)

    def __post_init__(self) -> None:
        import torch

        from gossan.models import create

        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.model = create(self.name, channels=self.channels, size=self.size).train()
        self.model.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 1e-3)
        self.x = torch.randn(self.batch, self.channels, self.size, self.size)
        self.target = torch.arange(self.batch) % 2

    def step(self) -> float:
        """Return the seconds of one step."""
        import torch

        from gossan.models.mfaf import mfaf_loss

        start = time.perf_counter()
        loss = mfaf_loss(self.model(self.x.to(memory_format=torch.channels_last)), self.target)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimizer.step()
        return time.perf_counter() - start


def rows() -> list[Row]:
    """Measure every case."""
    import torch

    from gossan.models.device import session

    with session(1, torch.device("cpu")):
        return [found for case in CASES for found in _case(*case)]


def _case(backbone: str, size: int, batch: int) -> list[Row]:
    ours = Trainer(f"mfaf-{backbone}", size=size, batch=batch)
    plain = Trainer(backbone, size=size, batch=batch)
    k = len(ours.model.rates)
    pairs = paired(ours.step, lambda: sum(plain.step() for _ in range(k)), pairs=7)
    about = f"{batch} windows of {size} px, {CHANNELS} channels, k = {k} branches, AdamW, float32, 1 thread"
    step = row(
        f"one step of MFAF-{backbone}, {size} px",
        f"{k} steps of {backbone}",
        pairs,
        wanted=("at most", 1.15),
        inverse=True,
        note=about,
    )
    speeds = [(batch / a, batch * k / b) for a, b in pairs]
    each = row(
        f"training MFAF-{backbone}, {size} px",
        f"plain {backbone}",
        speeds,
        unit="windows/s",
        inverse=True,
        note=f"{about}; a window of MFAF passes the backbone {k} times",
    )
    return [step, each]
