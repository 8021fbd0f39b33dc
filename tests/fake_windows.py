"""Windows held in memory, with the face of `gossan.recipe.WindowSet`."""

import numpy as np
import pandas as pd


class FakeWindows:
    halo = 0

    def __init__(self, values, *, classes=(), valid=None, valid_channel=None, channels=None):
        self.values = np.asarray(values, dtype=np.float32)
        count, self.size = self.values.shape[1], self.values.shape[-1]
        self.channels = tuple(channels or (f"layer {i}" for i in range(count)))
        self.class_channels = np.isin(np.arange(count), classes)
        self.valid_channel = valid_channel
        self.valid = np.ones((len(self), self.size, self.size), bool) if valid is None else valid

    def __len__(self):
        return len(self.values)

    def read(self, index):
        return self.read_masked(index)[0]

    def read_masked(self, index):
        return self.values[index], self.valid[index]


def planted(n=16, n_ore=6, channels=4, size=16, seed=0, lift=2.0):
    """Noise windows, the first `n_ore` of which hold a round anomaly in the first two channels."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n, channels, size, size)).astype(np.float32)
    row, col = np.mgrid[:size, :size]
    for window in range(n_ore):
        centre = rng.uniform(0.3 * size, 0.7 * size, 2)
        near = np.exp(-((row - centre[0]) ** 2 + (col - centre[1]) ** 2) / (size / 4) ** 2)
        values[window, :2] += lift * near
    return FakeWindows(values), np.arange(n) < n_ore


def mapped(windows, *, across=3, samples=None):
    """Give windows a place side by side, numbers, samples, and the last channel the name of a fault layer."""
    count, size = len(windows), windows.size
    place = np.arange(count)
    windows.channels = (*windows.channels[:-1], "fault distance")
    windows.windows = pd.DataFrame(
        {
            "number": place + 1,
            "row": place // across * size,
            "col": place % across * size,
            "size": size,
            "samples": place[::-1] if samples is None else samples,
        }
    )
    return windows
