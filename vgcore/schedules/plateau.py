"""Rates that fall where training stands still."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from vgcore import _validate
from vgcore._settings import Checks
from vgcore.schedules.base import (
    Plateau,
    Rates,
    Schedule,
    Seen,
    Steps,
    check_minimum,
    not_negative,
)
from vgcore.schedules.decay import Constant


@dataclass
class ReduceOnPlateau(Schedule):
    """Lower the rate by ``factor`` when ``monitor`` has not improved for more than ``patience`` epochs.

    ReduceLROnPlateau's rule with its relative threshold: an epoch is good whose value is below ``(1 -
    threshold) best``. Every reduction is made, however small; PyTorch leaves out those below 1e-8. An
    epoch of NaN is a bad one, and never the best.

    Parameters
    ----------
    rate : float, >= 0
        The first.
    monitor : {"loss", "val_loss"}
        Entry of `History`, one per epoch of ``fit``; "val_loss" needs ``validation_data``.
    factor : float, above 0 and below 1
    patience : int, >= 0
    threshold : float in [0, 1)
    cooldown : int, >= 0
        Epochs after a reduction in which bad ones do not count.
    min_rate : float, >= 0
    """

    rate: float
    monitor: str = "loss"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    cooldown: int = 0
    min_rate: float = 0.0

    checks: ClassVar[Checks] = {
        "rate": not_negative,
        "monitor": partial(_validate.one_of, options=("loss", "val_loss")),
        "factor": partial(_validate.real, above=0, below=1),
        "patience": partial(_validate.integer, minimum=0),
        "threshold": partial(_validate.real, minimum=0, below=1),
        "cooldown": partial(_validate.integer, minimum=0),
        "min_rate": not_negative,
    }

    def __post_init__(self) -> None:
        check_minimum(self.min_rate, self.rate)

    def rates(self, steps: Steps) -> Rates:
        """The rate before anything has been seen."""
        return np.full(len(steps), self.rate)

    def monitored(self) -> str:
        """``monitor``."""
        return self.monitor

    def start(self) -> Plateau:
        """The first rate, and nothing seen."""
        return Plateau(self.rate)

    def after_epoch(self, seen: Seen | None, values: Mapping[str, float]) -> Plateau:
        """One more epoch, good or bad."""
        rate, best, bad_epochs, cooldown = self._plateau(seen)
        value = values[self.monitor]
        bad_epochs += 1
        if not math.isnan(value) and (best is None or value < best * (1 - self.threshold)):
            best, bad_epochs = value, 0
        if cooldown > 0:
            bad_epochs, cooldown = 0, cooldown - 1
        if bad_epochs > self.patience:
            rate, bad_epochs, cooldown = max(rate * self.factor, self.min_rate), 0, self.cooldown
        return Plateau(rate, best, bad_epochs, cooldown)

    def given(self, seen: Seen | None) -> Constant:
        """The rate as it is now."""
        return Constant(self._plateau(seen).rate)

    def _plateau(self, seen: Seen | None) -> Plateau:
        return seen if isinstance(seen, Plateau) else self.start()
