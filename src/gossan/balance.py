from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class BalanceSettings:
    """``[balance]``: what is done about ore being rare (S5)."""

    method: Literal["smote", "weights", "batches", "none"] = "smote"
    factor: float = 4.0
    noise_variance: float = 0.01
