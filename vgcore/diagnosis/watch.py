"""What is said of a network while it trains: one line of each symptom, when it begins."""

from __future__ import annotations

import time
from collections.abc import Iterable

from vgcore.diagnosis.evidence import Evidence
from vgcore.diagnosis.finding import Finding
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
        self._before = self._looked = len(self.flow)

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
        rows = len(self.flow)
        if rows - self._before < _BEGINNING + 2:
            return
        for finding in self._illnesses(rows):
            if finding.symptom not in self._told and not finding.follows_from:
                self._told.add(finding.symptom)
                step = int(self.flow.step[self._begun(finding.symptom, rows) - 1])
                warn_caller(f"step {step}: {finding.title.lower()}: {finding.measured}")
        self._looked = rows

    def _illnesses(self, rows: int, names: Iterable[str] = WATCHED) -> tuple[Finding, ...]:
        """Of the record's first rows, or what is looked at of them."""
        begun = self._before + _BEGINNING
        recent = self.flow[max(begun, rows - _RECENT) : rows]
        record = self.flow[self._before : begun].joined([recent])
        return judged(Evidence(flow=record), names).illnesses

    def _begun(self, symptom: str, rows: int) -> int:
        """At how many rows it was ill first since the last look, by bisection."""
        well = max(self._looked, self._before + _BEGINNING + 1)
        while well + 1 < rows:
            middle = (well + rows) // 2
            if self._illnesses(middle, (symptom,)):
                rows = middle
            else:
                well = middle
        return rows
