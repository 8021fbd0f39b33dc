"""The main job as a flat list of tasks: read, prepare, fold by fold, write."""

from gossan.pipeline.foreign import predict
from gossan.pipeline.guess import draft_project
from gossan.pipeline.look import check, draw_look, look_at
from gossan.pipeline.run import Run, demo, run

__all__ = ["Run", "check", "demo", "draft_project", "draw_look", "look_at", "predict", "run"]
