"""Lion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vgcore.optimizers.base import Optimizer
from vgcore.schedules import Schedule


@dataclass
class Lion(Optimizer):
    """Lion (Chen et al. 2023, algorithm 2; arXiv 2302.06675).

    ``c = beta1 m + (1 - beta1) g``; ``w -= rate (sign(c) + weight_decay w)``; ``m = beta2 m +
    (1 - beta2) g``. PyTorch has none; numbers and defaults are those of ``optax.lion``, but for a
    weight decay of 0.

    Parameters
    ----------
    learning_rate : float, >= 0, or Schedule
        A third to a tenth of Adam's.
    beta1, beta2 : float in [0, 1)
    weight_decay : float, >= 0
        Decoupled, as `AdamW`'s.
    """

    learning_rate: float | Schedule = 0.0001
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0

    rule: ClassVar[str] = "lion"

    @property
    def states(self) -> dict[str, float]:
        """The running mean of g."""
        return {"moment1": 0.0}

    def numbers(self) -> dict[str, float]:
        """The two decay rates."""
        return {"beta1": self.beta1, "beta2": self.beta2}
