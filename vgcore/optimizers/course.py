"""The learning rates a model trains by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vgcore.optimizers.base import Optimizer
from vgcore.schedules.base import Epochs, Rates, Schedule, Seen


class Course:
    """The learning rate of every step of one model: its optimizer's number, or its schedule and what that
    has seen of the training.

    Where the schedule is replaced, the new one has seen nothing.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self._watching: Schedule | None = None
        self._seen: Seen | None = None

    @property
    def schedule(self) -> Schedule | None:
        """The schedule, or None where the learning rate is a number."""
        rate = self.optimizer.learning_rate
        return rate if isinstance(rate, Schedule) else None

    @property
    def seen(self) -> Seen | None:
        """What the schedule has seen, if it watches."""
        schedule = self.schedule
        if schedule is None:
            return None
        return self._seen if schedule is self._watching else schedule.start()

    @property
    def monitored(self) -> str | None:
        """The entry of `History` that the schedule watches."""
        return self.schedule.monitored() if self.schedule else None

    def resume(self, seen: Sequence[Any] | None) -> None:
        """Go on from a saved `seen`; TypeError or ValueError if it can be none of the schedule's."""
        start = None if self.schedule is None else self.schedule.start()
        if (seen is None) != (start is None):
            raise ValueError(f"plateau: expected what the schedule has seen, got {seen!r}")
        self._watching = self.schedule
        self._seen = None if seen is None or start is None else start.checked(*seen)

    def check_single_steps(self) -> None:
        """ValueError where a rate is that of an epoch, and steps by themselves are of none."""
        if self.schedule is not None and isinstance(self.schedule.start(), Epochs):
            raise ValueError(
                "learning_rate: expected a schedule that counts steps, for only fit makes epochs; give "
                f"per_epoch(..., steps=N), where an epoch is N steps, got {self.schedule!r}"
            )

    def after_epoch(self, values: Mapping[str, float]) -> None:
        """Show the schedule an epoch's entries of `History`."""
        if self.schedule is not None:
            self._seen = self.schedule.after_epoch(self.seen, values)
            self._watching = self.schedule

    def rates(self, first: int, count: int) -> Rates | None:
        """The rates of ``count`` steps from the ``first`` on; None where the learning rate is a number."""
        return None if self.schedule is None else self._scheduled(self.schedule, first, count)

    def _scheduled(self, schedule: Schedule, first: int, count: int) -> Rates:
        given = schedule.given(self.seen).rates(np.arange(first, first + count))
        rates = np.ascontiguousarray(given, np.float64)
        if rates.shape != (count,) or not np.all(np.isfinite(rates) & (rates >= 0)):
            raise ValueError(
                f"learning_rate: expected {count} finite rates of at least 0 from "
                f"{type(schedule).__name__}.rates, got {given!r}"
            )
        return rates

    def rate(self, step: int) -> float:
        """The rate of a step."""
        number = self.optimizer.learning_rate
        # A quick look first, for a step by a call (bench D1): isinstance asks an abstract class
        if type(number) is float or not isinstance(number, Schedule):
            return number
        return float(self._scheduled(number, step, 1)[0])
