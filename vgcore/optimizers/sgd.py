"""Stochastic gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vgcore.optimizers.base import Optimizer
from vgcore.schedules import Schedule


@dataclass
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and Nesterov's.

    ``v = momentum v + g``; ``w -= rate v``, or with Nesterov's ``w -= rate (g + momentum v)``
    (Sutskever et al. 2013, eq. 1-4, in PyTorch's form; v starts at 0).

    Parameters
    ----------
    learning_rate : float, >= 0, or Schedule
    momentum : float in [0, 1)
    nesterov : bool
        Needs a momentum above 0.
    weight_decay : float, >= 0
        L2: ``weight_decay * w`` is added to the gradient.
    """

    learning_rate: float | Schedule = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    rule: ClassVar[str] = "sgd"

    def __post_init__(self) -> None:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov: expected a momentum above 0 with nesterov=True, got 0")

    @property
    def states(self) -> dict[str, float]:
        """The velocity, where there is momentum."""
        return {"velocity": 0.0} if self.momentum else {}

    def numbers(self) -> dict[str, float]:
        """Momentum and whether it is Nesterov's."""
        return {"beta1": self.momentum, "nesterov": self.nesterov}


@dataclass
class Momentum(SGD):
    """`SGD` with momentum (Polyak 1964; Sutskever et al. 2013, eq. 1-2): 0.9 unless told otherwise."""

    momentum: float = 0.9


@dataclass
class Nesterov(SGD):
    """`SGD` with Nesterov's momentum (Sutskever et al. 2013, eq. 3-4): 0.9 unless told otherwise."""

    momentum: float = 0.9
    nesterov: bool = True
