"""Rates that follow a cosine: down, and again; up and down."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from vgcore import _validate
from vgcore._settings import Checks
from vgcore.schedules.base import (
    Rates,
    Schedule,
    Steps,
    check_minimum,
    count,
    not_negative,
    positive,
)


def _half_cosine(begin: Any, end: Any, share: Any) -> Rates:
    """From ``begin`` at a share of 0 to ``end`` at 1."""
    rates: Rates = end + (begin - end) * (1 + np.cos(np.pi * share)) / 2
    return rates


@dataclass
class Cosine(Schedule):
    """Half a cosine from ``rate`` to ``min_rate`` (Loshchilov and Hutter 2017, eq. 5; arXiv 1608.03983).

    ``min_rate + (rate - min_rate) (1 + cos(pi s / steps)) / 2``. Without restarts the rate stays at its
    minimum from step ``steps`` on, where PyTorch's CosineAnnealingLR would rise again; with restarts it
    begins anew, as CosineAnnealingWarmRestarts does.

    Parameters
    ----------
    rate : float, >= 0
    steps : int, >= 1
        Of the (first) period.
    min_rate : float, >= 0
    period_factor : int, >= 1, optional
        Restart, each period so many times as long as the one before.
    """

    rate: float
    steps: int
    min_rate: float = 0.0
    period_factor: int | None = None

    checks: ClassVar[Checks] = {
        "rate": not_negative,
        "steps": count,
        "min_rate": not_negative,
        "period_factor": lambda name, value: None if value is None else count(name, value),
    }

    def __post_init__(self) -> None:
        check_minimum(self.min_rate, self.rate)

    def rates(self, steps: Steps) -> Rates:
        """``min_rate + (rate - min_rate) (1 + cos(pi s / period)) / 2``, s counted within the period."""
        period: Any = self.steps
        place = np.minimum(steps, period)
        if self.period_factor == 1:
            place = steps % period
        elif self.period_factor is not None:
            begins, lengths = [0], [period]
            while len(steps) and begins[-1] + lengths[-1] <= steps.max():
                begins.append(begins[-1] + lengths[-1])
                lengths.append(lengths[-1] * self.period_factor)
            which = np.searchsorted(begins, steps, side="right") - 1
            place, period = steps - np.array(begins)[which], np.array(lengths)[which]
        return _half_cosine(self.rate, self.min_rate, place / period)


@dataclass
class OneCycle(Schedule):
    """Up to ``rate`` and far down again (Smith and Topin 2019; arXiv 1708.07120), in two phases.

    From ``rate / div_factor`` at step 0 to ``rate`` at step ``pct_start steps - 1``, and on to
    ``rate / (div_factor final_div_factor)`` at step ``steps - 1``, where it stays. These are OneCycleLR's
    rates; PyTorch refuses steps behind the last, and moves momentum besides unless cycle_momentum=False.

    Parameters
    ----------
    rate : float, >= 0
        The highest.
    steps : int, >= 1
        In all.
    pct_start : float, above 0 and below 1
        Share of the steps in which the rate rises.
    anneal : {"cos", "linear"}
    div_factor, final_div_factor : float, > 0
    """

    rate: float
    steps: int
    pct_start: float = 0.3
    anneal: str = "cos"
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    checks: ClassVar[Checks] = {
        "rate": not_negative,
        "steps": count,
        "pct_start": partial(_validate.real, above=0, below=1),
        "anneal": partial(_validate.one_of, options=("cos", "linear")),
        "div_factor": positive,
        "final_div_factor": positive,
    }

    def rates(self, steps: Steps) -> Rates:
        """Half a cosine or a straight line, up and down."""
        low, last = self.rate / self.div_factor, self.steps - 1
        top = self.pct_start * self.steps - 1
        place = np.minimum(steps, last).astype(float)
        rises = (place <= top) & (place < last)
        share = np.where(rises, place / max(top, 1e-300), (place - top) / (last - top))
        begin = np.where(rises, low, self.rate)
        end = np.where(rises, self.rate, low / self.final_div_factor)
        if self.anneal == "cos":
            return _half_cosine(begin, end, share)
        rates: Rates = begin + (end - begin) * share
        return rates
