"""What `fit` returns and what it tells its callback."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple


class Evaluation(NamedTuple):
    """Result of `Sequential.evaluate`.

    Attributes
    ----------
    loss : float
        Mean loss of the samples.
    accuracy : float
        Share of samples whose class is right; NaN where the loss is not one of classes. For
        binary_crossentropy: the largest output where there are several, the side of 1/2 where there
        is one.
    """

    loss: float
    accuracy: float


class Progress(NamedTuple):
    """Where a running `fit` stands; given to its callback about every 50 ms and after each epoch.

    Attributes
    ----------
    epoch, epochs : int
        Epochs finished, and in all.
    step, steps : int
        Steps done, and in all, of this call.
    loss : float
        Loss of the last step.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float


@dataclass
class History:
    """The course of one `fit`.

    Attributes
    ----------
    epoch : list of int
        Epochs finished or, the last one, broken off; from 0.
    history : dict of str to list of float
        "loss" (of all samples, each as it was at its step); with validation data, "val_loss" and
        "val_accuracy"; with a schedule, "learning_rate" (of the epoch's last step). One entry per
        epoch; of one that was broken off, the loss of the steps that were done, and NaN.
    """

    epoch: list[int] = field(default_factory=list)
    history: dict[str, list[float]] = field(default_factory=dict)

    def append(self, values: dict[str, float]) -> None:
        """Add the values of one more epoch; NaN stands for what it has not, or those before had not."""
        before = len(self.epoch)
        self.epoch.append(before)
        for name in {**self.history, **values}:
            column = self.history.setdefault(name, [math.nan] * before)
            column.append(values.get(name, math.nan))
