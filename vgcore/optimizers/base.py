"""Contract of an optimizer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from vgcore import _validate
from vgcore._settings import Checks, Settings
from vgcore.schedules import Schedule


def _rate(name: str, value: Any) -> float | Schedule:
    return value if isinstance(value, Schedule) else _validate.real(name, value, above=0)


positive = partial(_validate.real, above=0)
not_negative = partial(_validate.real, minimum=0)
fraction = partial(_validate.real, minimum=0, below=1)


@dataclass
class Optimizer(Settings):
    """What an update rule needs to be run by the engine.

    Attributes
    ----------
    learning_rate : float or Schedule
        May be assigned between and during calls of ``fit``; every assignment is checked.
    rule : str
        The engine's name of the rule.
    """

    learning_rate: float | Schedule
    rule: ClassVar[str]
    checks: ClassVar[Checks] = {"learning_rate": _rate, "weight_decay": not_negative}
    free: ClassVar[frozenset[str]] = frozenset({"learning_rate"})

    @property
    def states(self) -> dict[str, float]:
        """Names of the vectors that are kept from step to step, and what they start from."""
        raise NotImplementedError

    def numbers(self) -> dict[str, float]:
        """The fields of the engine's update struct that this rule sets."""
        raise NotImplementedError
