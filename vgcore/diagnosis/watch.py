"""What is said of a network while it trains: one line of each symptom, when it begins."""

from __future__ import annotations

import time

from vgcore.diagnosis.evidence import Evidence
from vgcore.diagnosis.judge import judged
from vgcore.flow import GradientFlow
from vgcore.model import Sequential
from vgcore.model.callbacks import Callback
from vgcore.model.divergence import warn_caller
from vgcore.model.history import Progress

WATCHED = (
    "vanishing_gradient",
    "exploding_gradient",
    "vanishing_through_time",
    "exploding_through_time",
    "dead_layer",
    "dead_units",
    "saturated_units",
    "rate_too_high",
)
"""Symptoms that a record shows before a training is over."""

_EVERY = 20  # steps from one that is recorded to the next, or fewer in short trainings
_LEAST_ROWS = 40  # that a record of its own has, if there are as many steps
_ROWS = 1000  # that a record of its own may have, about
_BEGINNING, _RECENT = 5, 40  # rows that are looked at
_PURSE = 100  # times as long as a look has taken until the next


class Watch(Callback):
    """Looks at a record now and then, and warns of what begins.

    Parameters
    ----------
    flow : GradientFlow or None
        The record that the user keeps; without one it keeps its own, of every 20th step or fewer.
    steps : int or None
        Of the whole training, if they are known.
    """

    def __init__(self, flow: GradientFlow | None, steps: int | None) -> None:
        many = _EVERY if steps is None else min(_EVERY, max(steps // _LEAST_ROWS, 1))
        every = max(many, (steps or 0) // _ROWS)
        self.flow = GradientFlow(every) if flow is None else flow
        self._told: set[str] = set()
        self._next = 0.0

    def on_train_begin(self, model: Sequential) -> None:
        """Note what was recorded before."""
        self._before = len(self.flow)

    def on_progress(self, progress: Progress) -> None:
        """Look, if the last look is long enough ago for what it has taken."""
        begin = time.monotonic()
        if begin >= self._next:
            self._look()
            end = time.monotonic()
            self._next = end + _PURSE * (end - begin)

    def on_train_end(self, model: Sequential) -> None:
        """Look for the last time."""
        self._look()

    def _look(self) -> None:
        """Warn of the illnesses that there are now and were not before."""
        rows = len(self.flow) - self._before
        if rows < _BEGINNING + 2:
            return
        beginning = self.flow[self._before : self._before + _BEGINNING]
        recent = self.flow[-min(_RECENT, rows - _BEGINNING) :]
        record = beginning.joined([recent])
        for finding in judged(Evidence(flow=record), WATCHED).illnesses:
            if finding.symptom not in self._told and not finding.follows_from:
                self._told.add(finding.symptom)
                warn_caller(
                    f"step {int(record.step[-1])}: {finding.title.lower()}: {finding.measured}"
                )
