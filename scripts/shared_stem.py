"""What MFAF would gain and lose if its branches shared the first convolution of the backbone.

    PYTHONPATH=. python scripts/shared_stem.py --to docs/results/shared_stem.json

In MFAF every branch convolves the factors at its own dilation rate, weighs them, and passes the whole
backbone. Here the backbone's first stage sees the window once; the branches convolve and weigh *its* maps and
pass the rest. Attention then belongs to maps that no geologist can name, so this is a trial and no model.

Scores: AUC within the strict folds on draws of the built-in survey that no study uses, settings of
`mfaf_tuning.py` (summary, class weights, two blocks, since of one nothing would be left to pass). Costs: a
training step as a share of k steps of the backbone, 32 px, one thread, medians of pairs.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from mfaf_tuning import SUMMARY, score
from torch import Tensor

from gossan.models import create, mfaf
from gossan.models.backbones import Backbone, SummaryHead
from gossan.models.device import session

#: Two blocks: of one, all would be shared.
VARIANT = (*SUMMARY, "model.depth=2")
SEEDS = tuple(range(100, 110))
BACKBONES, CHANNELS, SIZE, BATCH, PAIRS = ("resnet18", "shufflenet-v2"), 12, 32, 16, 7


class SharedStem(mfaf.MFAF):
    """MFAF whose branches begin behind the first stage of the backbone."""

    def __init__(
        self, backbone: Backbone, *, channels: int, size: int, summary: bool = False, **options: Any
    ) -> None:
        stem = backbone.features[:1]
        with torch.no_grad():
            maps = stem.eval()(torch.zeros(1, channels, size, size)).shape[1]
        rest = Backbone(backbone.features[1:], backbone.head)
        super().__init__(rest, channels=maps, size=size, **options)
        self.stem, self.channels = stem.train(), channels
        if summary:
            self.head = SummaryHead(backbone.head, channels)

    def _last_maps(self, x: Tensor) -> Tensor:
        shared = self.stem(x)
        maps = [mfaf._dilate(branch, shared) for branch in self.branches]
        if self.channel_attention is None:
            raise TypeError("the trial is of the whole MFAF")
        last: Tensor = self.features(mfaf._attend(maps, self.channel_attention))
        return last


def scores() -> dict[str, Any]:
    """Score both on every draw."""
    whole, shared = [], []
    for seed in SEEDS:
        whole.append(score(seed, VARIANT))
        with patch.object(mfaf, "MFAF", SharedStem):
            shared.append(score(seed, VARIANT))
        print(seed, whole[-1], shared[-1], flush=True)
    gain = np.array([b[0] - a[0] for a, b in zip(whole, shared, strict=True)])
    return {
        "seeds": list(SEEDS),
        "auc": [auc for auc, _ in whole],
        "auc_shared": [auc for auc, _ in shared],
        "difference": {"mean": round(float(gain.mean()), 4), "sd": round(float(gain.std(ddof=1)), 4)},
        "processor_seconds_per_fit": [
            round(statistics.mean(seconds for _, seconds in side), 2) for side in (whole, shared)
        ],
    }


def costs() -> dict[str, Any]:
    """Time a step of both beside k steps of the backbone."""
    from benchmarks.paired import paired
    from benchmarks.training import Trainer

    found: dict[str, Any] = {}
    with session(1, torch.device("cpu")):
        for backbone in BACKBONES:
            name = f"mfaf-{backbone}"
            plain = Trainer(backbone, channels=CHANNELS, size=SIZE, batch=BATCH)
            whole = Trainer(name, channels=CHANNELS, size=SIZE, batch=BATCH)
            with patch.object(mfaf, "MFAF", SharedStem):
                shared = Trainer(name, channels=CHANNELS, size=SIZE, batch=BATCH)
            k = len(create(name, channels=CHANNELS, size=SIZE).rates)

            def plain_steps(plain: Any = plain, k: int = k) -> float:
                return float(sum(plain.step() for _ in range(k)))

            for key, ours in (("whole", whole), ("shared", shared)):
                ratios = [a / b for a, b in paired(ours.step, plain_steps, pairs=PAIRS)]
                found[f"{name}, {key}"] = round(statistics.median(ratios), 3)
    return found


def main() -> None:
    """Measure what is asked for, print it, and write it beside what the file holds already."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("costs", "scores"), help="costs need an idle machine")
    parser.add_argument("--to", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    file: Path | None = arguments.to
    found = json.loads(file.read_text(encoding="utf-8")) if file and file.is_file() else {"format": 1}
    for name, measure in (("costs", costs), ("scores", scores)):
        if arguments.only in (None, name):
            found[name] = measure()
    text = json.dumps(found, indent=1) + "\n"
    print(text)
    if file:
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
