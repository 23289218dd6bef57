"""One network's training in slices, each as long as a frame may take, and the record of it.

Its steps are those of ``model.fit(x, y, epochs=..., batch_size=...)``, bit for bit, and what is recorded at a
step is the same whatever the slices were.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore.flow import GradientFlow, concat
from vgcore.live import networks
from vgcore.live.tasks import TASKS, Values
from vgcore.model.history import History
from vgcore.sweeps import fit_many

Array = NDArray[Any]

_MOST_RECORDED = 192  # steps; beyond it every second one is let go of
_SLICE = 0.004  # seconds between two looks at whether to go on


class Course:
    """A network of the playground that trains.

    Attributes
    ----------
    values : dict
        Of controls.
    task : Task
    x, y : ndarray
    model : Sequential
    loss : float
        Of the last minibatch; NaN before the first.
    broken : bool
        Whether a loss was not finite, which ends the training.
    seconds : float
        That training has taken.
    """

    def __init__(self, values: Values) -> None:
        self.values, self.task = values, TASKS[values["data"]]
        self.x, self.y = self.task.arrays(values)
        self.model = networks.built(values, self.x)
        self.batch = min(values["batch"], len(self.x))
        self.loss, self.broken, self.seconds = np.nan, False, 0.0
        self._every = 1
        self._kept: GradientFlow | None = None
        self._flow = self._recorder()
        self._layers: list[str] = []  # there are none before the first step
        self._first: GradientFlow | None = None
        self._last: tuple[int, GradientFlow] | None = None
        self._order = np.empty(0, np.int64)
        self._each = _SLICE  # seconds that a step takes, about

    @property
    def step(self) -> int:
        """Steps that are done."""
        return int(self.model.step)

    @property
    def epoch(self) -> float:
        """Epochs that are done."""
        return float(self.step / -(-len(self.x) // self.batch))

    @property
    def pace(self) -> float:
        """Seconds that a step takes, about."""
        return self._each

    @property
    def layers(self) -> list[str]:
        """Names of the layers with weights of their own units, in the record."""
        if not self._layers:
            self._layers = [name for name in self.newest.layers if _weighs(name)]
        return self._layers

    @property
    def newest(self) -> GradientFlow:
        """The record that goes on; it has the last step that was recorded."""
        return self._flow if len(self._flow) or self._kept is None else self._kept

    @property
    def first(self) -> GradientFlow:
        """The record of the first step alone."""
        if self._first is None:
            self._first = self.record()[:1]
        return self._first

    @property
    def last(self) -> GradientFlow:
        """The record of the last step that was recorded alone."""
        if self._last is None or self._last[0] != self.step:
            self._last = self.step, self.newest[-1:]
        return self._last[1]

    def losses(self) -> tuple[Array, Array]:
        """The steps that are kept, and their losses."""
        parts = [each for each in (self._kept, self._flow) if each is not None]
        steps, losses = zip(*((each.step, each.loss) for each in parts), strict=True)
        return np.concatenate(steps), np.concatenate(losses)

    def record(self) -> GradientFlow:
        """All that is kept: steps at equal distances, those that came first included."""
        return self._flow if self._kept is None else concat([self._kept, self._flow])

    def train(self, seconds: float, steps: int | None, enough: Callable[[], bool]) -> None:
        """Train for about so long, or so many steps, or until it is enough; one step at least."""
        begin = now = time.perf_counter()
        end, left = begin + seconds, np.inf if steps is None else steps
        while left > 0 and not self.broken:
            fitting = min(_SLICE, end - now) / self._each
            left -= self._slice(int(max(1, min(fitting, left))))
            now = time.perf_counter()
            if now + self._each > end or enough():
                break
        self.seconds += time.perf_counter() - begin

    def _slice(self, steps: int) -> int:
        """So many steps, or fewer: see `_next`."""
        rows = self._next(steps)
        done = -(-len(rows) // self.batch)
        begin = time.perf_counter()
        history = self.model.fit(
            *(self.x[rows], self.y[rows]),
            batch_size=self.batch,
            shuffle=False,
            track=self._flow,
            verbose=0,
        )
        each = (time.perf_counter() - begin) / done
        self._each = each if self.step == done else 0.8 * self._each + 0.2 * each
        self._look(history)
        return int(done)

    def _next(self, steps: int) -> Array:
        """Samples of the next steps, of one epoch and no more than the record has room for."""
        if not len(self._order):
            self._order = self.model.session.rng.permutation(len(self.x))
        full = (_MOST_RECORDED - 1) * self._every + 1
        rows, self._order = np.split(self._order, [min(steps, full - self.step) * self.batch])
        return rows

    def _look(self, history: History) -> None:
        """See what came of the newest steps."""
        last = self._flow.newest()
        self.loss = float(history["loss"][-1]) if last is None else float(last.loss[-1])
        self.broken = not np.isfinite(history["loss"][-1])
        self._thin()

    def _recorder(self) -> GradientFlow:
        return GradientFlow(every=self._every, distributions=max(self._every, 8))

    def _thin(self) -> None:
        """Keep every second step of a record that has become long."""
        if (self.step - 1) // self._every + 1 < _MOST_RECORDED:
            return
        whole = self.record()
        self._every *= 2
        self._kept = whole[::2]
        self._flow = self._recorder()


def train_together(courses: Sequence[Course], step: int) -> None:
    """Train side by side until each has done so many steps, or is broken: the same bits as alone."""
    while going := [each for each in courses if each.step < step and not each.broken]:
        batch = going[0].batch
        some = [each for each in going if each.batch == batch]
        rows = [each._next(step - each.step) for each in some]
        histories = fit_many(
            [each.model for each in some],
            [each.x[mine] for each, mine in zip(some, rows, strict=True)],
            [each.y[mine] for each, mine in zip(some, rows, strict=True)],
            batch_size=batch,
            shuffle=False,
            track=[each._flow for each in some],
            verbose=0,
        )
        for each, history in zip(some, histories, strict=True):
            if isinstance(history, Exception):
                raise history
            each._look(history)


def _weighs(name: str) -> bool:
    """Whether a layer of the record is dense or recurrent, in a block or not."""
    return name.rpartition(".")[2].rstrip("0123456789") in ("dense", "rnn", "lstm", "gru")
