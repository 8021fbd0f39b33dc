"""Training windows that stay on the device: read once, then mixed, blurred and turned where they are."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gossan.models.device import place
from gossan.models.training import Feed

__all__ = ["Resident", "fits"]

#: Share of a device's free memory that windows may fill; activations need the rest.
SHARE = 0.4
#: Windows read at once.
READ = 64


def fits(feed: Feed, device: torch.device) -> bool:
    """Say whether a feed's windows are kept on a device: on CUDA where they leave most of its memory free."""
    if device.type != "cuda":
        return False
    size = feed.windows.size + 2 * int(getattr(feed.windows, "halo", 0))
    needed = len(feed.index) * len(feed.windows.channels) * size**2 * 4
    free, _ = torch.cuda.mem_get_info(device)
    return needed < SHARE * free


class Resident:
    """A `Feed` whose batches are made on the device; its noise alone has other random numbers.

    Parameters
    ----------
    feed
        What is drawn from which windows.
    device
        Where windows are kept, (n, channel, size, size), channels last.
    """

    def __init__(self, feed: Feed, device: torch.device) -> None:
        self.feed, self.device = feed, device
        parts = [feed.index[start : start + READ] for start in range(0, len(feed.index), READ)]
        self._bank = torch.cat([place(torch.from_numpy(feed.windows.read(part)), device) for part in parts])
        classes = torch.from_numpy(feed.windows.class_channels)
        self._classes = classes.to(device)[None, :, None, None]
        numbers = ~feed.windows.class_channels
        if feed.windows.valid_channel is not None:
            numbers[feed.windows.valid_channel] = False
        self._numbers = torch.from_numpy(numbers).to(device)[None, :, None, None]

    def epoch(self, rng: np.random.Generator, size: int) -> Iterator[tuple[float, tuple[Tensor, ...]]]:
        """Yield the batches of an epoch as `Feed.epoch`, on the device."""
        for done, rows in self.feed.order(rng, size):
            yield done, self._batch(rows, rng)

    def _batch(self, rows: NDArray[np.intp], rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        plan = self.feed.plan
        x = self._bank[self._sent(plan.first[rows])]
        if (plan.share[rows] > 0).any():
            x = self._mix(x, rows)
        if (plan.noise[rows] > 0).any():
            x = self._add_noise(x, self._sent(plan.noise[rows]), rng)
        if self.feed.augment:
            x = _turn(x, rng.integers(8, size=len(x)))
        target, weight = plan.is_ore[rows].astype(np.int64), plan.weight[rows].astype(np.float32)
        return place(x, self.device), self._sent(target), self._sent(weight)

    def _mix(self, first: Tensor, rows: NDArray[np.intp]) -> Tensor:
        """As `gossan.balance.mix`; where the share is 0 the second parent is the first."""
        second = self._bank[self._sent(self.feed.plan.second[rows])]
        share = self._sent(self.feed.plan.share[rows].astype(np.float32))[:, None, None, None]
        mixed = (second - first) * share + first
        if not self.feed.nearest:
            return mixed
        return torch.where(self._classes, torch.where(share <= 0.5, first, second), mixed)

    def _add_noise(self, x: Tensor, sd: Tensor, rng: np.random.Generator) -> Tensor:
        """Add Gaussian noise to the number channels of noisy windows, on their ground only."""
        draw = torch.Generator(self.device).manual_seed(int(rng.integers(2**63)))
        noise = torch.randn(x.shape, generator=draw, device=self.device)
        ground = (x != 0).any(dim=1, keepdim=True) & self._numbers
        return x + noise * sd.float()[:, None, None, None] * ground

    def _sent(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device, non_blocking=True)


def _turn(x: Tensor, which: NDArray[np.integer]) -> Tensor:
    """As `gossan.models.training.symmetry`, one pass for each of the 8 that is drawn."""
    out = torch.empty_like(x)
    for number in np.unique(which).tolist():
        chosen = torch.from_numpy(np.flatnonzero(which == number)).to(x.device)
        turned = torch.rot90(x[chosen], number % 4, dims=(2, 3))
        out[chosen] = turned if number < 4 else turned.transpose(2, 3)
    return out
