"""Training on sequences that are made as they are needed, until a task is solved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from vgcore.experiments.base import Meter
from vgcore.experiments.keep import Keep
from vgcore.model import Sequential
from vgcore.model.callbacks import Callback

Make = Callable[[int, int], tuple[Any, Any]]
"""Makes so many samples (x, y) of a seed."""

_AT_ONCE = 100  # minibatches


@dataclass(frozen=True)
class Practised:
    """A training.

    Attributes
    ----------
    steps : int
        How many it took, until the task was solved or training was given up.
    wrong : float
        Share of the sequences that were not learned, at the end.
    """

    steps: int
    wrong: float


class Endless(Callback):
    """Minibatches without end, the same ones of an epoch however often training was stopped before.

    It is told of the training that it feeds, which it stops where the task is solved.
    """

    def __init__(
        self,
        make: Make,
        batch_size: int,
        steps: int,
        seed: tuple[int, ...],
        solved: Callable[[Sequential], bool],
    ) -> None:
        self._make, self._size, self._steps = make, batch_size, steps
        self._seed, self._solved = seed, solved

    def on_train_begin(self, model: Sequential) -> None:
        self._model = model

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any) -> bool:
        return self._solved(self._model)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        rng, size = np.random.default_rng((*self._seed, self._epoch)), self._size
        for begin in range(0, self._steps, _AT_ONCE):
            count = min(_AT_ONCE, self._steps - begin)
            x, y = self._make(count * size, int(rng.integers(2**31)))
            for place in range(0, count * size, size):
                yield x[place : place + size], y[place : place + size]


def practise(
    kept: Keep,
    name: str,
    model: Sequential,
    make: Make,
    wrong: Callable[[Sequential], float],
    *,
    batch_size: int,
    below: float,
    steps: int,
    every: int,
    seed: tuple[int, ...],
    meter: Meter,
) -> Practised:
    """Train until the share of wrong answers is below a threshold, as a part of an experiment.

    Parameters
    ----------
    wrong : callable
        Called with the model after ``every`` steps.
    steps : int
        When to give up.
    """

    def solved(model: Sequential) -> bool:
        return wrong(model) < below

    def work() -> Practised:
        endless = Endless(make, batch_size, every, seed, solved)
        epochs = -(-steps // every)

        def report(epoch: int, logs: Any) -> None:
            meter(name, epoch + 1, epochs)

        trained = kept.fit(name, model, endless, None, epochs=epochs, callbacks=[endless, report])
        return Practised(every * len(trained.history["loss"]), wrong(trained.model))

    return kept.part(name, Practised, work)
