"""Rates that decay: in steps, exponentially, inversely to time; or do not."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from vgcore import _validate
from vgcore._settings import Checks
from vgcore.schedules.base import Rates, Schedule, Steps, count, not_negative, positive


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
