"""The main job as a flat list of tasks: read, prepare, fold by fold, write."""

from gossan.pipeline.foreign import predict
from gossan.pipeline.look import check
from gossan.pipeline.run import Run, demo, run

__all__ = ["Run", "check", "demo", "predict", "run"]
