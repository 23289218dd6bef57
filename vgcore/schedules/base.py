"""Contract of a schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

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

    @classmethod
    def checked(cls, rate: Any, best: Any, bad_epochs: Any, cooldown: Any) -> Plateau:
        """One of a file; the best loss so far may be NaN or infinite."""
        if best is not None and not (isinstance(best, float) and not math.isfinite(best)):
            best = _validate.real("plateau", best)
        counts = (
            _validate.integer("plateau", count, minimum=0) for count in (bad_epochs, cooldown)
        )
        return cls(_validate.real("plateau", rate, minimum=0), best, *counts)


class Epochs(NamedTuple):
    """How many epochs a schedule that is `per_epoch` has seen end."""

    ended: int = 0

    @classmethod
    def checked(cls, ended: Any) -> Epochs:
        """One of a file."""
        return cls(_validate.integer("plateau", ended, minimum=0))


Seen = Plateau | Epochs


@dataclass
class Schedule(Settings):
    """A learning rate for every step, counted in optimizer steps from 0 unless it is `per_epoch`."""

    def rates(self, steps: Steps) -> Rates:
        """The rate of each of ``steps``, (n,) int64."""
        raise NotImplementedError

    def monitored(self) -> str | None:
        """The entry of `History` it depends on, if it does."""
        return None

    def start(self) -> Seen | None:
        """What has been seen before the first epoch, where that matters."""
        return None

    def after_epoch(self, seen: Seen | None, values: Mapping[str, float]) -> Seen | None:
        """What has been seen after one more epoch, whose entries of `History` are ``values``."""
        return seen

    def given(self, seen: Seen | None) -> Schedule:
        """The schedule as it stands after all that has been seen."""
        return self


def given_schedule(name: str, value: Any) -> Schedule:
    """``value``, if it is a schedule."""
    if not isinstance(value, Schedule):
        raise TypeError(f"{name}: expected a Schedule, got {value!r} ({type(value).__name__})")
    return value


def check_minimum(min_rate: float, rate: float) -> None:
    """Raise if the lowest rate is above the highest."""
    if min_rate > rate:
        raise ValueError(f"min_rate: expected at most the rate of {rate:g}, got {min_rate:g}")
