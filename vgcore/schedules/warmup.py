"""Warm-up, in front of any schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np

from vgcore import _validate
from vgcore._settings import Checks
from vgcore.schedules.base import Rates, Schedule, Seen, Steps, count, given_schedule


@dataclass
class Warmup(Schedule):
    """A straight line up to the first rate of a schedule, which follows (Goyal et al. 2017, section 2.2).

    ``first (start_factor + (1 - start_factor) s / steps)`` at step s below ``steps``; behind it the schedule,
    whose own steps count from there. In PyTorch it is SequentialLR of LinearLR(start_factor,
    total_iters=steps) and the schedule.

    Parameters
    ----------
    schedule : Schedule
    steps : int, >= 1
    start_factor : float in [0, 1]
        Share of the schedule's first rate at step 0.
    """

    schedule: Schedule
    steps: int
    start_factor: float = 0.0

    checks: ClassVar[Checks] = {
        "schedule": given_schedule,
        "steps": count,
        "start_factor": partial(_validate.real, minimum=0, maximum=1),
    }

    def rates(self, steps: Steps) -> Rates:
        """A share of the schedule's first rate, then its rates."""
        rates = self.schedule.rates(np.maximum(steps - self.steps, 0))
        grown = np.minimum(steps / self.steps, 1)
        return rates * (self.start_factor + (1 - self.start_factor) * grown)

    def monitored(self) -> str | None:
        """The schedule's."""
        return self.schedule.monitored()

    def start(self) -> Seen | None:
        """The schedule's."""
        return self.schedule.start()

    def after_epoch(self, seen: Seen | None, values: Mapping[str, float]) -> Seen | None:
        """The schedule's."""
        return self.schedule.after_epoch(seen, values)

    def given(self, seen: Seen | None) -> Schedule:
        """The same in front of the schedule as it stands."""
        return replace(self, schedule=self.schedule.given(seen))
