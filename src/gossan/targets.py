from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TargetSettings:
    """``[targets]``: what is proposed for follow-up (S14)."""

    threshold: Literal["budget", "vote", "prediction-area"] | float = "budget"
    budget: float = 0.1
