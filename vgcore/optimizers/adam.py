"""Adam and its relatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vgcore.optimizers.base import Optimizer
from vgcore.schedules import Schedule


@dataclass
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1).

    ``m = beta1 m + (1 - beta1) g``; ``v = beta2 v + (1 - beta2) g^2``;
    ``w -= rate m_hat / (sqrt(v_hat) + epsilon)`` with ``m_hat = m / (1 - beta1^t)`` and likewise v.

    Parameters
    ----------
    learning_rate : float, >= 0, or Schedule
    beta1, beta2 : float in [0, 1)
    epsilon : float, > 0
    weight_decay : float, >= 0
        L2: ``weight_decay * w`` is added to the gradient.
    """

    learning_rate: float | Schedule = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    rule: ClassVar[str] = "adam"
    squares: ClassVar[frozenset[str]] = frozenset({"moment2"})

    @property
    def states(self) -> dict[str, float]:
        """The running means of g and g^2."""
        return {"moment1": 0.0, "moment2": 0.0}

    def numbers(self) -> dict[str, float]:
        """The decay rates and epsilon."""
        return {"beta1": self.beta1, "beta2": self.beta2, "epsilon": self.epsilon}


@dataclass
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2; arXiv 1711.05101).

    `Adam`, but ``weight_decay * w`` is not part of the gradient: ``rate weight_decay w`` is subtracted from
    w besides, as PyTorch does.
    """

    weight_decay: float = 0.01

    rule: ClassVar[str] = "adamw"


@dataclass
class NAdam(Adam):
    """Adam with Nesterov's momentum (Dozat 2016, algorithm 8).

    With m and v of `Adam`, and ``mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2)``: ``w -= rate n /
    (sqrt(v_hat) + epsilon)`` where ``n = (1 - mu_t) g / (1 - mu_1 ... mu_t) + mu_(t+1) m /
    (1 - mu_1 ... mu_(t+1))``. The product of momenta is multiplied up in double precision; PyTorch's is in
    its default dtype.

    Parameters
    ----------
    learning_rate : float, >= 0, or Schedule
    beta1, beta2 : float in [0, 1)
    epsilon : float, > 0
    weight_decay : float, >= 0
        L2: ``weight_decay * w`` is added to the gradient.
    momentum_decay : float, >= 0
    """

    learning_rate: float | Schedule = 0.002
    momentum_decay: float = 0.004

    rule: ClassVar[str] = "nadam"

    def numbers(self) -> dict[str, float]:
        """The decay rates, of momentum too, and epsilon."""
        return {**super().numbers(), "step_decay": self.momentum_decay}
