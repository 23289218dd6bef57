"""How a network learns images: its gradients before training, some updates of it, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import NamedTuple

import numpy as np

from vgcore.experiments.base import Meter, fit_callback
from vgcore.experiments.images import Images
from vgcore.experiments.keep import Keep
from vgcore.flow import GradientFlow
from vgcore.model import Sequential

GUESSING = log(10)
"""The cross-entropy of ten classes that are all as likely."""

MEASURED = 300
"""Held-out images that a start is measured on."""

_WINDOW = 50  # updates that a loss is averaged over


class Training(NamedTuple):
    """Images to train on and held out, passes over them, and between how many updates one is recorded."""

    images: int
    held_out: int
    epochs: int
    batch_size: int
    every: int


@dataclass(frozen=True)
class Course:
    """What was measured of one network.

    Attributes
    ----------
    start : GradientFlow
        One pass over held-out images before the first update.
    flow : GradientFlow
        Some updates of the training, each over its minibatch.
    updates : int
        How many there were.
    error : float
        Share of the held-out images that are wrong after training.
    """

    start: GradientFlow
    flow: GradientFlow
    updates: int
    error: float

    @property
    def loss(self) -> np.ndarray:
        """Of the recorded updates, averaged over a window of fifty that ends there; NaN before."""
        every = int(np.diff(self.flow.step[:2]).max(initial=1))
        width = min(max(1, _WINDOW // every), len(self.flow))
        smooth = np.convolve(self.flow.loss, np.full(width, 1 / width), "valid")
        return np.concatenate([np.full(width - 1, np.nan), smooth])

    def learned(self, loss: float = GUESSING / 2) -> int | None:
        """The first update by which the averaged loss is below one, by default half of that of guessing."""
        low = np.flatnonzero(self.loss < loss)
        return int(self.flow.step[low[0]]) if len(low) else None


def train(
    name: str, model: Sequential, given: Images, training: Training, kept: Keep, meter: Meter
) -> Course:
    """Measure a new compiled model and train it, as the part ``name`` of an experiment."""

    def course() -> Course:
        x, y = given.held_out_x, given.held_out_y
        start = model.gradient_flow(x[:MEASURED], y[:MEASURED])
        trained = kept.fit(
            name,
            model,
            given.x,
            given.y,
            epochs=training.epochs,
            batch_size=training.batch_size,
            track=GradientFlow(every=training.every),
            callbacks=[fit_callback(meter, name)],
        )
        assert trained.flow is not None
        updates = training.epochs * -(-len(given.x) // training.batch_size)
        error = 1 - trained.model.evaluate(x, y).accuracy
        return Course(start, trained.flow, updates, float(error))

    return kept.part(name, Course, course)


def standardized(given: Images) -> Images:
    """Each pixel with mean 0 and standard deviation 1 over what is trained on; 0 where all are alike."""
    mean, std = given.x.mean(axis=0), given.x.std(axis=0)
    scale = np.where(std > 0, std, 1)
    x, held_out_x = ((each - mean) / scale for each in (given.x, given.held_out_x))
    return given._replace(x=x.astype(np.float32), held_out_x=held_out_x.astype(np.float32))


def count(updates: int | None) -> str:
    """How many updates something took, in words; None: there were not enough."""
    return "more than all" if updates is None else f"{updates:,}"
