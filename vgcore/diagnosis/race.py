"""Recipes trained side by side for the same number of steps, and what becomes of each."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from statistics import median_low
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vgcore.diagnosis.changes import Given
from vgcore.diagnosis.changes.data import is_of_outputs, is_sparse
from vgcore.diagnosis.recipe import Recipe
from vgcore.diagnosis.rows import Rows, leaves_one
from vgcore.diagnosis.score import ROOM, Measure, predicted
from vgcore.diagnosis.targets import as_rows
from vgcore.model import Sequential, inputs
from vgcore.model.history import Progress
from vgcore.sweeps import fit_many

Array = NDArray[Any]

_LOOKED_AT = 32  # held-out rows of the gradient
_AT_ONCE = 64  # held-out rows that are judged together
_PROBED = (3, math.inf), (31, 5e-4)  # steps of a probe, and of what costs at most so much
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
    planning: float = 0.0
    diverged: bool = False
    _judged: tuple[int, float] = field(
        init=False, default=(-1, -math.inf)
    )  # steps done, and the score then

    def __post_init__(self) -> None:
        self.model = self.recipe.build(self.seed, on_nonfinite="raise", metrics=())

    def anew(self) -> Run:
        """The same run at its start, with what it is known to take."""
        return Run(self.recipe, self.seed, self.rows, self.data, self.batch, planning=self.planning)

    @property
    def how(self) -> tuple[Any, ...]:
        """What all models of one `fit_many` have in common."""
        shuffle = bool(self.recipe.fitting.get("shuffle", True))
        return self.batch, leaves_one(len(self.data[0]), self.batch), shuffle

    def score(self) -> float:
        """How well it does on held-out rows; -inf of what is not finite."""
        if self.diverged:
            return -math.inf
        if self._judged[0] != self.model.step:
            x, y, lengths = self.recipe.prepare(*self.rows.held)
            with np.errstate(all="ignore"):
                outputs = np.concatenate(
                    [
                        self.model.predict(some.x, lengths=some.lengths)
                        for some in _by_parts(Given(x, y, lengths))
                    ]
                )
                found = (
                    self._score(outputs, y, lengths) if np.isfinite(outputs).all() else -math.inf
                )
            self._judged = self.model.step, -math.inf if math.isnan(found) else found
        return self._judged[1]

    def result(self) -> Result:
        """What became of it."""
        failed = Result(math.nan, -math.inf, math.nan, self.seconds, self.model.step, diverged=True)
        if self.diverged:
            return failed
        x, y, lengths = self.recipe.prepare(*self.rows.held)
        with np.errstate(all="ignore"):
            reached = self.score()
            if math.isinf(reached):
                return failed
            parts = [some._asdict() for some in _by_parts(Given(x, y, lengths))]
            loss = self.model.evaluate(parts).loss
            few = Given(x, y, lengths).of(np.arange(min(len(x), _LOOKED_AT)))
            flow = self.model.gradient_flow(few.x, few.y, lengths=few.lengths)
        weighted = np.isfinite(flow.weight_grad[0])
        delta = flow.delta[0][weighted]
        ratio = float(delta[0] / delta[-1]) if len(delta) and delta[-1] > 0 else math.nan
        return Result(loss, reached, ratio, self.seconds, self.model.step, diverged=False)

    @cached_property
    def _measure(self) -> Measure:
        """By the targets that were trained with, as the recipe has them or, of numbers, as its user has."""
        if self.rows.kind == "numbers":
            return Measure(as_rows(np.asarray(self.rows.train.y)))
        _, y, lengths = self.data
        counted = as_rows(y, _in_time(lengths, self.model))
        return Measure(counted, sparse=self.model.loss.sparse, as_classes=True)

    def _score(self, outputs: Array, y: Array, lengths: Array | None) -> float:
        loss = self.model.loss
        numbers, wanted = predicted(outputs, loss), y
        if self.rows.kind == "numbers":
            numbers, wanted = self.recipe.restored(numbers), np.asarray(self.rows.held.y)
        if not loss.sparse and not is_of_outputs(wanted, numbers.shape):
            return -self.model.evaluate(*self.recipe.prepare(*self.rows.held)[:2]).loss
        middle = loss.middle if loss.judged is not None else 0.5
        padded = _in_time(lengths, self.model)
        numbers, wanted = (as_rows(each, padded) for each in (numbers, wanted))
        return self._measure.score(numbers, wanted, middle)


def _in_time(lengths: Array | None, model: Sequential) -> Array | None:
    """Lengths of a network's outputs, if there is one at every timestep."""
    return lengths if model.session.gives_time else None


def judged_by(recipe: Recipe, rows: Rows) -> tuple[str, float, float]:
    """What a score is, in words, that of the best constant answer, -inf where that is not known, and what
    another may be above it by luck.
    """
    y, held, lengths = rows.train.y, rows.held.y, rows.train.lengths
    many = f"{len(held):,} rows held out" if rows.apart else f"all {len(held):,} rows"
    model = recipe.build(0, metrics=())
    shape = model.session.shapes[-1]
    if rows.kind != "numbers":
        sparse = is_sparse(recipe)
        measure = Measure(as_rows(y, _in_time(lengths, model)), sparse=sparse, as_classes=True)
        test = as_rows(held, _in_time(rows.held.lengths, model))
        luck = measure.luck(test) if rows.apart else ROOM
        return f"{measure.words} on {many}", measure.chance, luck
    if not is_of_outputs(y, (*y.shape[: len(shape)], shape[-1] or 0)):
        return f"minus the loss on {many}", -math.inf, ROOM
    return f"{Measure(as_rows(y)).words} on {many}", 0.0, ROOM


def _by_parts(data: Given) -> Iterator[Given]:
    """Data by a few rows, for memory that many networks touch for the first time is slow."""
    for start in range(0, len(data.x), _AT_ONCE):
        yield data.of(np.arange(start, min(start + _AT_ONCE, len(data.x))))


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
    score : float
        Median over its runs (of two the worse) where they were judged last.
    low : float
        Of the worst of them.
    gain : float
        By how much it was above that of no change then.
    results : tuple of Result
        Of its runs, when they are over.
    """

    name: str
    kind: Kind
    changes: tuple[str, ...]
    recipe: Recipe
    runs: list[Run] = field(default_factory=list)
    cost: float = math.nan
    score: float = -math.inf
    low: float = -math.inf
    gain: float = 0.0
    results: tuple[Result, ...] = ()

    def start(self, seeds: Sequence[int], rows: Rows) -> None:
        """Begin a run from each seed that there is none of yet; data are prepared once."""
        data = self.runs[0].data if self.runs else self.recipe.prepare(*rows.train)
        batch = min(self.recipe.fitting["batch_size"], len(data[0]))
        known = [run.seed for run in self.runs]
        new = [seed for seed in seeds if seed not in known]
        self.runs += [Run(self.recipe, seed, rows, data, batch) for seed in new]

    def judge(self) -> None:
        """Score its runs as they are."""
        scores = [run.score() for run in self.runs]
        self.score, self.low = median_low(scores), min(scores)

    def end(self) -> None:
        """Keep what became of its runs, and not the runs."""
        self.judge()
        self.results = tuple(run.result() for run in self.runs)
        self.runs.clear()

    def check(self, rows: Rows) -> None:
        """Raise TypeError or ValueError if the network does not take the data."""
        model = self.runs[0].model if self.runs else self.recipe.build(0, metrics=())
        x, y, lengths = self.runs[0].data if self.runs else self.recipe.prepare(*rows.train)
        checked = inputs.to_train(model.session, x, y, lengths, None)
        inputs.by_class(model.session, checked, self.recipe.fitting.get("class_weight"))
        self.recipe.prepare(*rows.held)

    @property
    def size(self) -> float:
        """Bytes of a run, about; data that are prepared are its own."""
        (run, *_) = self.runs
        own = run.data[0].nbytes if self.recipe.preparation else 0
        return float(_COPIES * run.model.session.values.nbytes + own)

    @property
    def fewest_steps(self) -> float:
        """Of its runs that have not diverged; infinite where all have."""
        return min((run.model.step for run in self.runs if not run.diverged), default=math.inf)

    def measure(self) -> None:
        """Take the cost of a step from its runs, behind the first, which plans."""
        more = sum(run.model.step - 1 for run in self.runs)
        planning = sum(run.planning for run in self.runs) if more else 0.0
        took = sum(run.seconds for run in self.runs) - planning
        self.cost = max(took / max(more, len(self.runs)), _LEAST_COST)


def probe(contenders: Sequence[Contender], most: int) -> None:
    """Find out what a step of each costs, side by side: behind the first, which plans, from a few or, where
    they are short, from more; of ``most`` steps at most. Then all begin anew, or the order of their rows
    would be the clock's.
    """
    train(contenders, 1, math.inf)
    for run in (run for each in contenders for run in each.runs):
        run.planning = run.seconds
    for steps, longest in _PROBED:
        some = [each for each in contenders if not each.cost > longest]
        train(some, min(1 + steps, most), math.inf)
        for each in contenders:
            each.measure()
    for each in contenders:
        each.runs = [run.anew() for run in each.runs]


def train(
    contenders: Sequence[Contender],
    steps: int,
    end: float,
    told: Callable[[], Any] | None = None,
) -> None:
    """Train all runs up to a number of steps, or until the clock says ``end``; mark those that diverge.

    Those that are not trained in one go share the time by what is to be done.
    """
    due = [
        (run, (steps - run.model.step) * (1.0 if math.isnan(each.cost) else each.cost))
        for each in contenders
        for run in each.runs
        if run.model.step < steps and not run.diverged
    ]
    due.sort(key=lambda pair: pair[0].how)
    work = math.fsum(cost for _, cost in due)
    for (batch, drop, shuffle), many in groupby(due, lambda pair: pair[0].how):
        group, costs = zip(*many, strict=True)
        missing = steps - min(run.model.step for run in group)
        mine = math.fsum(costs)
        left = (end - time.monotonic()) * min(mine / work, 1.0)
        work = max(work - mine, mine * 1e-9)
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
