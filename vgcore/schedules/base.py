"""Contract of a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate
from vgcore._settings import Settings

Steps = NDArray[np.int64]
Rates = NDArray[np.float64]

positive = partial(_validate.real, above=0)
not_negative = partial(_validate.real, minimum=0)
count = partial(_validate.integer, minimum=1)


class Plateau(NamedTuple):
    """How far a `ReduceOnPlateau` has come: rate, best value, epochs without a better one, epochs to rest."""

    rate: float
    best: float | None = None
    bad_epochs: int = 0
    cooldown: int = 0


@dataclass
class Schedule(Settings):
    """A learning rate for every step."""

    def rates(self, steps: Steps) -> Rates:
        """The rate of each of ``steps``, (n,) int64."""
        raise NotImplementedError

    def monitored(self) -> str | None:
        """The entry of `History` it depends on, if it does."""
        return None

    def start(self) -> Plateau | None:
        """What has been seen before the first epoch, where that matters."""
        return None

    def after_epoch(self, seen: Plateau | None, values: Mapping[str, float]) -> Plateau | None:
        """What has been seen after one more epoch, whose entries of `History` are ``values``."""
        return seen

    def given(self, seen: Plateau | None) -> Schedule:
        """The schedule as it stands after all that has been seen."""
        return self


def check_minimum(min_rate: float, rate: float) -> None:
    """Raise if the lowest rate is above the highest."""
    if min_rate > rate:
        raise ValueError(f"min_rate: expected at most the rate of {rate:g}, got {min_rate:g}")
