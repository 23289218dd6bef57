"""Recipes trained side by side for the same number of steps, and what becomes of each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vgcore.diagnosis import score, targets
from vgcore.diagnosis.changes import Given
from vgcore.diagnosis.changes.data import is_of_outputs
from vgcore.diagnosis.recipe import Recipe
from vgcore.diagnosis.rows import Rows, leaves_one
from vgcore.model import Sequential, inputs
from vgcore.model.history import Progress
from vgcore.sweeps import fit_many

Array = NDArray[Any]

_LOOKED_AT = 256  # held-out rows of the gradient
_LEAST_COST = 1e-5  # seconds of a step, with its share of what surrounds it
_COPIES = 6  # of its parameters that a network in training holds, about

Kind = Literal["change", "none", "random", "reference"]


@dataclass(frozen=True)
class Result:
    """What became of one run.

    Attributes
    ----------
    loss : float
        As compiled, of held-out rows.
    score : float
        Accuracy of classes; of numbers 1 - mean squared error over variance, in the targets' own units; of
        targets that are neither, minus the loss. -inf of a run that has diverged.
    gradient_ratio : float
        Norm of dL/dz of the first layer with weights over that of the last one.
    seconds : float
        Of training.
    steps : int
    diverged : bool
    """

    loss: float
    score: float
    gradient_ratio: float
    seconds: float
    steps: int
    diverged: bool


@dataclass
class Run:
    """A recipe that is trained from one seed."""

    recipe: Recipe
    seed: int
    rows: Rows
    data: tuple[Any, Any, Any]
    batch: int
    model: Sequential = field(init=False)
    seconds: float = 0.0
    diverged: bool = False

    def __post_init__(self) -> None:
        self.model = self.recipe.build(self.seed, on_nonfinite="raise", metrics=())

    @property
    def how(self) -> tuple[Any, ...]:
        """What all models of one `fit_many` have in common."""
        shuffle = bool(self.recipe.fitting.get("shuffle", True))
        return self.batch, leaves_one(len(self.data[0]), self.batch), shuffle

    def result(self) -> Result:
        """How well it does on held-out rows."""
        failed = Result(math.nan, -math.inf, math.nan, self.seconds, self.model.step, diverged=True)
        if self.diverged:
            return failed
        x, y, lengths = self.recipe.prepare(*self.rows.held)
        with np.errstate(all="ignore"):
            loss = self.model.evaluate(x, y, lengths=lengths).loss
            outputs = self.model.predict(x, lengths=lengths)
            if not np.isfinite(outputs).all():
                return failed
            reached = self._score(outputs, y, lengths)
            few = Given(x, y, lengths).of(np.arange(min(len(x), _LOOKED_AT)))
            flow = self.model.gradient_flow(few.x, few.y, lengths=few.lengths)
        weighted = np.isfinite(flow.weight_grad[0])
        delta = flow.delta[0][weighted]
        ratio = float(delta[0] / delta[-1]) if len(delta) and delta[-1] > 0 else math.nan
        return Result(loss, reached, ratio, self.seconds, self.model.step, diverged=False)

    def _score(self, outputs: Array, y: Array, lengths: Array | None) -> float:
        loss = self.model.loss
        middle = loss.middle if loss.judged is not None else 0.5
        numbers, wanted = outputs, y
        if self.rows.kind == "numbers":
            numbers, wanted = self.recipe.restored(outputs), np.asarray(self.rows.held.y)
        if not loss.sparse and not is_of_outputs(wanted, numbers.shape):
            return -self.model.evaluate(*self.recipe.prepare(*self.rows.held)[:2]).loss
        if lengths is not None and outputs.ndim == 3:
            valid = np.arange(outputs.shape[1]) < lengths[:, np.newaxis]
            numbers, wanted = numbers[valid], wanted.reshape(*valid.shape, -1)[valid]
        kind = (
            targets.kind_of(wanted, sparse=loss.sparse)
            if self.rows.kind != "numbers"
            else "numbers"
        )
        if kind == "numbers" and self.rows.kind != "numbers":
            return _nearest(numbers, wanted)
        return score.score(numbers, wanted, kind, middle)


def _nearest(outputs: Array, y: Array) -> float:
    """The share of outputs that are nearest to their own class's number."""
    classes = np.unique(y)
    found = classes[np.abs(outputs.reshape(-1, 1) - classes).argmin(axis=1)]
    return float((found == y.ravel()).mean())


@dataclass
class Contender:
    """A recipe that is tried from several seeds.

    Attributes
    ----------
    name : str
    kind : str
        As of `vgcore.diagnosis.table.Tried`.
    changes : tuple of str
    recipe : Recipe
    runs : list of Run
    cost : float
        Seconds of a step on one thread, about.
    size : float
        Bytes of a network in training, about.
    """

    name: str
    kind: Kind
    changes: tuple[str, ...]
    recipe: Recipe
    runs: list[Run] = field(default_factory=list)
    cost: float = math.nan
    size: float = 0.0

    def start(self, seeds: Sequence[int], rows: Rows) -> None:
        """Begin a run from each seed; data are prepared once."""
        data = self.recipe.prepare(*rows.train)
        batch = min(self.recipe.fitting["batch_size"], len(data[0]))
        self.runs = [Run(self.recipe, seed, rows, data, batch) for seed in seeds]

    def check(self, rows: Rows) -> None:
        """Raise TypeError or ValueError if the network does not take the data."""
        model = self.recipe.build(0, metrics=())
        x, y, lengths = self.recipe.prepare(*rows.train)
        checked = inputs.to_train(model.session, x, y, lengths, None)
        inputs.by_class(model.session, checked, self.recipe.fitting.get("class_weight"))
        self.recipe.prepare(*rows.held)

    @property
    def measured_cost(self) -> float:
        """Seconds of a step in its runs."""
        steps = sum(run.model.step for run in self.runs)
        return max(sum(run.seconds for run in self.runs) / max(steps, 1), _LEAST_COST)

    @property
    def fewest_steps(self) -> float:
        """Of its runs that have not diverged."""
        return min((run.model.step for run in self.runs if not run.diverged), default=math.inf)


def probe(contenders: Sequence[Contender], rows: Rows, steps: int, end: float) -> None:
    """Find out what a step of each costs, behind the first, which plans; side by side."""
    for each in contenders:
        each.start([0], rows)
    train(contenders, 1, math.inf)
    planning = [each.runs[0].seconds for each in contenders]
    train(contenders, 1 + steps, end)
    for each, first in zip(contenders, planning, strict=True):
        (run,) = each.runs
        more = run.model.step - 1
        each.cost = max((run.seconds - first) / more if more > 0 else first, _LEAST_COST)
        each.size = _COPIES * run.model.session.values.nbytes
        each.size += run.data[0].nbytes if each.recipe.preparation else 0
        each.runs.clear()


def train(
    contenders: Sequence[Contender],
    steps: int,
    end: float,
    told: Callable[[], Any] | None = None,
) -> None:
    """Train all runs up to a number of steps, or until the clock says ``end``; mark those that diverge."""
    runs = [run for each in contenders for run in each.runs]
    due = [run for run in runs if run.model.step < steps and not run.diverged]
    for (batch, drop, shuffle), many in groupby(
        sorted(due, key=lambda run: run.how), lambda run: run.how
    ):
        group = list(many)
        missing = steps - group[0].model.step
        left = end - time.monotonic()
        if left <= 0:
            return
        options = [run.recipe.fitting.get("class_weight") for run in group]
        lengths = [run.data[2] for run in group]
        per_epoch = min(len(run.data[0]) // batch for run in group) or 1
        results = fit_many(
            [run.model for run in group],
            [run.data[0] for run in group],
            [run.data[1] for run in group],
            lengths=None if all(each is None for each in lengths) else lengths,
            class_weight=options if any(options) else None,
            epochs=math.ceil(missing / per_epoch),
            batch_size=batch,
            drop_last=drop,
            shuffle=shuffle,
            seconds=None if math.isinf(left) else left,
            callbacks=[[_Until(steps, told)] for _ in group],
            verbose=0,
        )
        for run, result in zip(group, results, strict=True):
            if isinstance(result, Exception) and not isinstance(result, FloatingPointError):
                raise result
            run.diverged = isinstance(result, Exception)
            history = run.model.history
            run.seconds += (
                0.0 if history is None else float(np.nansum(history.history.get("seconds", 0.0)))
            )


class _Until:
    """Stops behind a number of steps since `compile`."""

    def __init__(self, steps: int, told: Callable[[], Any] | None) -> None:
        self.every_steps, self._told = steps, told

    def on_step(self, step: int, logs: Any) -> bool:
        return True

    def on_progress(self, progress: Progress) -> None:
        if self._told is not None:
            self._told()
