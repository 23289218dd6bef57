"""Rates that adapt to the size of each element's gradient: AdaGrad, AdaDelta, RMSProp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vgcore.optimizers.base import Optimizer
from vgcore.schedules import Schedule


@dataclass
class AdaGrad(Optimizer):
    """AdaGrad (Duchi, Hazan and Singer 2011, section 1.1, of diagonal matrices).

    ``s += g^2``; ``w -= rate / (1 + (t - 1) lr_decay) g / (sqrt(s) + epsilon)`` at step t = 1, 2, ...;
    s starts at ``initial_accumulator_value``.

    Parameters
    ----------
    learning_rate : float, >= 0, or Schedule
    lr_decay : float, >= 0
    initial_accumulator_value : float, >= 0
    epsilon : float, > 0
    weight_decay : float, >= 0
        L2: ``weight_decay * w`` is added to the gradient.
    """

    learning_rate: float | Schedule = 0.01
    lr_decay: float = 0.0
    initial_accumulator_value: float = 0.0
    epsilon: float = 1e-10
    weight_decay: float = 0.0

    rule: ClassVar[str] = "adagrad"
    squares: ClassVar[frozenset[str]] = frozenset({"square_sum"})

    @property
    def states(self) -> dict[str, float]:
        """The sum of g^2."""
        return {"square_sum": self.initial_accumulator_value}

    def numbers(self) -> dict[str, float]:
        """The rate's decay and epsilon."""
        return {"step_decay": self.lr_decay, "epsilon": self.epsilon}


@dataclass
class AdaDelta(Optimizer):
    """AdaDelta (Zeiler 2012, algorithm 1; arXiv 1212.5701).

    ``v = rho v + (1 - rho) g^2``; ``d = sqrt(a + epsilon) / sqrt(v + epsilon) g``;
    ``a = rho a + (1 - rho) d^2``; ``w -= rate d``.

    Parameters
    ----------
    learning_rate : float, >= 0, or Schedule
        The paper has none: 1.
    rho : float in [0, 1)
    epsilon : float, > 0
    weight_decay : float, >= 0
        L2: ``weight_decay * w`` is added to the gradient.
    """

    learning_rate: float | Schedule = 1.0
    rho: float = 0.9
    epsilon: float = 1e-6
    weight_decay: float = 0.0

    rule: ClassVar[str] = "adadelta"
    squares: ClassVar[frozenset[str]] = frozenset({"square_mean", "delta_square_mean"})

    @property
    def states(self) -> dict[str, float]:
        """The running means of g^2 and d^2."""
        return {"square_mean": 0.0, "delta_square_mean": 0.0}

    def numbers(self) -> dict[str, float]:
        """The decay rate and epsilon."""
        return {"beta2": self.rho, "epsilon": self.epsilon}


@dataclass
class RMSProp(Optimizer):
    """RMSProp (Tieleman and Hinton 2012, lecture 6.5), centered as in Graves 2013, eq. 38-41.

    ``v = alpha v + (1 - alpha) g^2``; ``w -= rate u`` with ``u = g / (sqrt(v) + epsilon)``. Centered: ``m =
    alpha m + (1 - alpha) g``, and ``v - m^2`` stands for v under the root. With momentum:
    ``b = momentum b + u``; ``w -= rate b``. Epsilon is outside the root, as PyTorch's; where ``v - m^2``
    is rounded to less than 0, it is taken as 0, whereas PyTorch returns NaN.

    Parameters
    ----------
    learning_rate : float, >= 0, or Schedule
    alpha : float in [0, 1)
    epsilon : float, > 0
    momentum : float in [0, 1)
    centered : bool
    weight_decay : float, >= 0
        L2: ``weight_decay * w`` is added to the gradient.
    """

    learning_rate: float | Schedule = 0.01
    alpha: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.0
    centered: bool = False
    weight_decay: float = 0.0

    rule: ClassVar[str] = "rmsprop"
    squares: ClassVar[frozenset[str]] = frozenset({"square_mean"})

    @property
    def states(self) -> dict[str, float]:
        """The running mean of g^2 and, where they are used, that of g and the velocity."""
        used = {"square_mean": True, "mean": self.centered, "velocity": self.momentum > 0}
        return {name: 0.0 for name, kept in used.items() if kept}

    def numbers(self) -> dict[str, float]:
        """Momentum, decay rate, epsilon, and whether it is centered."""
        return {
            "beta1": self.momentum,
            "beta2": self.alpha,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }
