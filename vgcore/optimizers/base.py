"""Contract of an optimizer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from vgcore import _validate
from vgcore._settings import Checks, Settings
from vgcore.schedules import Schedule


def _rate(name: str, value: Any) -> float | Schedule:
    return value if isinstance(value, Schedule) else _not_negative(name, value)


_positive = partial(_validate.real, above=0)
_not_negative = partial(_validate.real, minimum=0)
_fraction = partial(_validate.real, minimum=0, below=1)


@dataclass
class Optimizer(Settings):
    """What an update rule needs to be run by the engine.

    Attributes
    ----------
    learning_rate : float or Schedule
        May be assigned between and during calls of ``fit``; every assignment is checked. At 0 nothing
        moves but the optimizer's state.
    rule : str
        The engine's name of the rule.
    squares : frozenset of str
        Names of the states that hold squares, which are never below 0.
    """

    learning_rate: float | Schedule
    rule: ClassVar[str]
    squares: ClassVar[frozenset[str]] = frozenset()
    checks: ClassVar[Checks] = {
        "learning_rate": _rate,
        "weight_decay": _not_negative,
        "lr_decay": _not_negative,
        "momentum_decay": _not_negative,
        "initial_accumulator_value": _not_negative,
        "momentum": _fraction,
        "beta1": _fraction,
        "beta2": _fraction,
        "alpha": _fraction,
        "rho": _fraction,
        "epsilon": _positive,
        "nesterov": _validate.boolean,
        "centered": _validate.boolean,
    }
    free: ClassVar[tuple[str, ...]] = ("learning_rate",)

    @property
    def states(self) -> dict[str, float]:
        """Names of the vectors that are kept from step to step, and what they start from."""
        raise NotImplementedError

    def numbers(self) -> dict[str, float]:
        """The fields of the engine's update struct that this rule sets."""
        raise NotImplementedError

    def check_dtype(self, dtype: DTypeLike) -> None:
        """Raise if arithmetic in ``dtype`` would take epsilon for 0."""
        _validate.resolved("epsilon", getattr(self, "epsilon", None), np.dtype(dtype))
