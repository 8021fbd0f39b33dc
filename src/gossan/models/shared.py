"""The scores of many overlapping windows from one pass, of any network."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from gossan.models.base import Prediction, decide
from gossan.models.context import Context, context_of, dense_logits
from gossan.models.device import choose_device, place, precision, session
from gossan.models.network import NetworkScorer, _balanced

if TYPE_CHECKING:
    from gossan.models.base import Scorer

__all__ = ["scorer_context", "shared_scores", "shares"]


def shares(scorer: "Scorer") -> bool | None:
    """Say whether a scorer's windows can share a pass: True where nothing changes, None where it does.

    False for models that are no network.
    """
    if not isinstance(scorer, NetworkScorer):
        return False
    return True if scorer.model.halo else None


@lru_cache(maxsize=4)
def _measured(model: Any) -> Context:
    return context_of(model)


def scorer_context(scorer: NetworkScorer) -> Context:
    """Return how far the fitted networks of a scorer see; raises as `context_of`."""
    model: Any = scorer.members_[0]
    known: Context | None = getattr(model, "context", None)
    return known or _measured(model)


def shared_scores(
    scorer: NetworkScorer, x: NDArray[np.float32], stride: int
) -> tuple[Prediction, tuple[int, int]]:
    """Score all windows of a rectangle whose corners lie on a grid; see `dense_logits`.

    Parameters
    ----------
    x
        (1, channel, height, width), as a Recipe gives it: the windows with the context's halo around them.

    Returns
    -------
    The answer for the windows, row by row, and the rows and columns of them.
    """
    context, device, margins = scorer_context(scorer), choose_device(scorer.training.device), []
    with (
        session(scorer.training.threads, device),
        torch.inference_mode(),
        precision(device, scorer.training.precision),
    ):
        there = place(torch.from_numpy(x), device)
        for member in scorer.members_:
            logits = dense_logits(place(member, device).eval(), there, stride, context).double().cpu().numpy()
            margins.append(logits[..., 1] - logits[..., 0])
    found = np.stack(margins)
    shape = (found.shape[2], found.shape[3])
    return decide(_balanced(found.reshape(*found.shape[:2], -1), scorer.prior_)), shape
