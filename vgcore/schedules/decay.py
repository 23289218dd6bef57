"""Rates that decay: in steps, exponentially, in a line, inversely to time; or do not."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from vgcore import _validate
from vgcore._settings import Checks
from vgcore.schedules.base import (
    Rates,
    Schedule,
    Steps,
    check_minimum,
    count,
    not_negative,
    positive,
)


@dataclass
class Constant(Schedule):
    """``rate`` at every step."""

    rate: float

    checks: ClassVar[Checks] = {"rate": not_negative}

    def rates(self, steps: Steps) -> Rates:
        """``rate``."""
        return np.full(len(steps), self.rate)


@dataclass
class Step(Schedule):
    """``rate factor^floor(s / period)`` at step s (StepLR).

    Parameters
    ----------
    rate : float, >= 0
    period : int, >= 1
        Steps from one decay to the next.
    factor : float, > 0
    """

    rate: float
    period: int
    factor: float = 0.1

    checks: ClassVar[Checks] = {"rate": not_negative, "period": count, "factor": positive}

    def rates(self, steps: Steps) -> Rates:
        """``rate factor^floor(s / period)``."""
        return self.rate * self.factor ** (steps // self.period).astype(float)


def _milestones(name: str, value: Any) -> tuple[int, ...]:
    given = _validate.items(name, value, "a sequence of steps")
    steps = tuple(_validate.integer(name, step, minimum=1) for step in given)
    if not steps or any(b <= a for a, b in pairwise(steps)):
        raise ValueError(f"{name}: expected steps in rising order, each once; got {list(steps)}")
    return steps


@dataclass
class MultiStep(Schedule):
    """``rate factor^k`` at a step behind k of the milestones (MultiStepLR).

    Parameters
    ----------
    rate : float, >= 0
    milestones : sequence of int
        Steps from which on the rate is lower, in rising order.
    factor : float, > 0
    """

    rate: float
    milestones: tuple[int, ...]
    factor: float = 0.1

    checks: ClassVar[Checks] = {
        "rate": not_negative,
        "milestones": _milestones,
        "factor": positive,
    }

    def rates(self, steps: Steps) -> Rates:
        """``rate factor^k``."""
        behind = np.searchsorted(self.milestones, steps, side="right")
        return self.rate * self.factor ** behind.astype(float)


@dataclass
class Exponential(Schedule):
    """``rate factor^s`` at step s (ExponentialLR).

    Parameters
    ----------
    rate : float, >= 0
    factor : float, > 0
        Per step: 0.1 ** (1 / 1000) for a tenth in 1000 steps.
    """

    rate: float
    factor: float

    checks: ClassVar[Checks] = {"rate": not_negative, "factor": positive}

    def rates(self, steps: Steps) -> Rates:
        """``rate factor^s``."""
        return self.rate * self.factor ** steps.astype(float)


@dataclass
class Linear(Schedule):
    """A straight line from ``rate`` at step 0 to ``end_rate`` at step ``steps``, where it stays (LinearLR).

    Parameters
    ----------
    rate : float, >= 0
    steps : int, >= 1
    end_rate : float, >= 0
        Below or above ``rate``.
    """

    rate: float
    steps: int
    end_rate: float = 0.0

    checks: ClassVar[Checks] = {"rate": not_negative, "steps": count, "end_rate": not_negative}

    def rates(self, steps: Steps) -> Rates:
        """``rate + (end_rate - rate) min(s / steps, 1)``."""
        share: Rates = np.minimum(steps / self.steps, 1)
        # so that the end is end_rate itself
        return self.rate * (1 - share) + self.end_rate * share


@dataclass
class Polynomial(Schedule):
    """``min_rate + (rate - min_rate) (1 - s / steps)^power`` at step s, ``min_rate`` from then on.

    PolynomialLR, and Keras's PolynomialDecay, whose ``end_learning_rate`` is ``min_rate``. A power of 0.9 is
    that of semantic segmentation (Chen et al. 2018, arXiv 1606.00915, section 4.1.2).

    Parameters
    ----------
    rate : float, >= 0
    steps : int, >= 1
    power : float, > 0
    min_rate : float, >= 0
    """

    rate: float
    steps: int
    power: float = 1.0
    min_rate: float = 0.0

    checks: ClassVar[Checks] = {
        "rate": not_negative,
        "steps": count,
        "power": positive,
        "min_rate": not_negative,
    }

    def __post_init__(self) -> None:
        check_minimum(self.min_rate, self.rate)

    def rates(self, steps: Steps) -> Rates:
        """``min_rate + (rate - min_rate) (1 - min(s / steps, 1))^power``."""
        left: Rates = 1 - np.minimum(steps / self.steps, 1)
        return self.min_rate + (self.rate - self.min_rate) * left**self.power


@dataclass
class InverseTime(Schedule):
    """``rate / (1 + decay s)`` at step s (Robbins and Monro 1951); in PyTorch a LambdaLR.

    Parameters
    ----------
    rate : float, >= 0
    decay : float, >= 0
    """

    rate: float
    decay: float

    checks: ClassVar[Checks] = {"rate": not_negative, "decay": not_negative}

    def rates(self, steps: Steps) -> Rates:
        """``rate / (1 + decay s)``."""
        return self.rate / (1 + self.decay * steps.astype(float))
