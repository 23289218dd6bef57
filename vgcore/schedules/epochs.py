"""Rates by epochs instead of steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vgcore._settings import Checks
from vgcore.schedules.base import Epochs, Rates, Schedule, Seen, Steps, count, given_schedule
from vgcore.schedules.decay import Constant


def _of_steps(name: str, value: Any) -> Schedule:
    given = given_schedule(name, value)
    if given.start() is not None:
        raise ValueError(f"{name}: expected a schedule that counts steps, got {given!r}")
    return given


@dataclass(repr=False)
class PerEpoch(Schedule):
    """A schedule that counts epochs where it would count steps: what `per_epoch` makes.

    Attributes
    ----------
    schedule : Schedule
    steps : int or None
        Of an epoch, or None where `fit` counts epochs as they end.
    """

    schedule: Schedule
    steps: int | None = None

    checks: ClassVar[Checks] = {
        "schedule": _of_steps,
        "steps": lambda name, value: None if value is None else count(name, value),
    }

    def __repr__(self) -> str:
        """Show the call that makes it."""
        steps = "" if self.steps is None else f", steps={self.steps}"
        return f"per_epoch({self.schedule!r}{steps})"

    def rates(self, steps: Steps) -> Rates:
        """The rate of the epoch that each step is of; of the first, where `fit` counts."""
        return self.schedule.rates(steps * 0 if self.steps is None else steps // self.steps)

    def start(self) -> Epochs | None:
        """No epochs, where `fit` counts them."""
        return Epochs() if self.steps is None else None

    def after_epoch(self, seen: Seen | None, values: Mapping[str, float]) -> Seen | None:
        """One more epoch."""
        return Epochs(seen.ended + 1) if isinstance(seen, Epochs) else seen

    def given(self, seen: Seen | None) -> Schedule:
        """The rate of the present epoch, where `fit` counts them."""
        if not isinstance(seen, Epochs):
            return self
        return Constant(float(self.schedule.rates(np.array([seen.ended]))[0]))


def per_epoch(schedule: Schedule, *, steps: int | None = None) -> PerEpoch:
    """The same schedule, counted in epochs from 0: ``per_epoch(Cosine(0.1, steps=30))`` falls for 30 epochs.

    All steps of an epoch have one rate, as with PyTorch's schedules that are stepped once an epoch.

    Parameters
    ----------
    schedule : Schedule
        One that counts steps.
    steps : int, >= 1, optional
        Of an epoch: the epoch of step s is then ``s // steps``, however steps are made. By default `fit`
        counts the epochs that have ended since `compile`, one that was stopped early among them; files keep
        the count. `Sequential.train_on_batch`, which makes no epochs, then raises ValueError.

    Raises
    ------
    TypeError, ValueError
        If it is no schedule or counts epochs already, as `ReduceOnPlateau` does, or ``steps`` is out of
        range.
    """
    return PerEpoch(schedule, steps)
