"""Many networks of an experiment, trained side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vgcore.experiments.base import Meter, fit_callback
from vgcore.model import Sequential
from vgcore.model.history import History
from vgcore.sweeps import fit_many


def train(
    models: Sequence[Sequential], x: Any, y: Any, *, part: str, meter: Meter, **options: Any
) -> list[History]:
    """Train as `fit_many` does; what ends one network's training is raised.

    Parameters
    ----------
    part : str
        Under this name the meter hears of the steps.
    """
    report = fit_callback(meter, part)
    histories = []
    for outcome in fit_many(models, x, y, callbacks=[report], verbose=0, **options):
        if isinstance(outcome, Exception):
            raise outcome
        histories.append(outcome)
    return histories
