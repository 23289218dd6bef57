"""What a program is: data, a network that is trained badly on them, and the same with its fault mended."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import vgcore as vg
from programs import keras
from vgcore.layers.base import Layer
from vgcore.model.history import History

Array = NDArray[Any]
Kind = Literal["classes", "labels", "numbers"]
Layers = Callable[[], list[Layer]]
FORMS = ("faulty", "healthy")

ROWS_HELD_OUT = 20  # from so many rows on a program has rows that are held out


@dataclass(frozen=True)
class Data:
    """Samples to train with, and those that are held out.

    Attributes
    ----------
    x, held_x : ndarray
    y, held_y : ndarray
        Integers (n,) of "classes"; 0 and 1 (n, k) of "labels", of which several may be right; "numbers"
        (n, k) or (n, time, k).
    """

    x: Array
    y: Array
    held_x: Array
    held_y: Array
    kind: Kind = "classes"

    @property
    def classes(self) -> int:
        """How many there are."""
        return int(max(self.y.max(), self.held_y.max())) + 1

    @property
    def chance(self) -> float:
        """The score of the best constant answer."""
        if self.kind == "numbers":
            return 0.0
        if self.kind == "labels":
            share = self.held_y.mean(axis=0)
            return float(np.maximum(share, 1 - share).mean())
        return float(np.bincount(self.held_y).max() / len(self.held_y))

    def score(self, outputs: Array) -> float:
        """Accuracy on what is held out, or the share of its variance that is explained; NaN of NaN."""
        if not np.isfinite(outputs).all():
            return float("nan")
        if self.kind == "numbers":
            missed = ((outputs.reshape(self.held_y.shape) - self.held_y) ** 2).mean(axis=0)
            return float(np.mean(1 - missed / self.held_y.var(axis=0)))
        if self.kind == "labels":
            return float(((outputs > 0.5) == (self.held_y > 0.5)).mean())
        if outputs.shape[-1] > 1:
            return float((outputs.argmax(axis=-1) == self.held_y).mean())
        return float((np.rint(outputs[:, 0]).clip(0, self.classes - 1) == self.held_y).mean())


def split(x: Array, y: Array, kind: Kind = "classes", share: float = 0.3) -> Data:
    """Data of which the last share is held out; of few rows none is, and they are judged by themselves."""
    rows = len(x)
    if rows < ROWS_HELD_OUT:
        return Data(x, y, x, y, kind)
    cut = rows - round(rows * share)
    return Data(x[:cut], y[:cut], x[cut:], y[cut:], kind)


@dataclass(frozen=True)
class Scaling:
    """``(values - shift) / size``."""

    shift: Any = 0.0
    size: Any = 1.0

    def do(self, values: Array) -> Array:
        """Scale."""
        return np.asarray((values - self.shift) / self.size, dtype=np.float32)

    def undo(self, values: Array) -> Array:
        """Scale back."""
        return np.asarray(values * self.size + self.shift)


def unscaled(values: Array) -> Scaling:
    """As they are."""
    return Scaling()


def standardised(values: Array) -> Scaling:
    """Mean 0 and variance 1 of each feature."""
    axes = tuple(range(values.ndim - 1))
    spread = values.std(axis=axes)
    return Scaling(values.mean(axis=axes), np.where(spread > 0, spread, 1))


def between_0_and_1(values: Array) -> Scaling:
    """Least 0 and greatest 1 of each feature."""
    axes = tuple(range(values.ndim - 1))
    low, high = values.min(axis=axes), values.max(axis=axes)
    return Scaling(low, np.where(high > low, high - low, 1))


def divided(by: float) -> Callable[[Array], Scaling]:
    """Divided by a number."""
    return lambda values: Scaling(size=by)


@dataclass(frozen=True)
class Form:
    """One way to train a network: the faulty one or the healthy one.

    Attributes
    ----------
    layers : callable
        Makes the layers anew.
    loss : str or Custom
        A name stands for vgcore's loss or, where vgcore refuses that, for Keras's.
    optimizer : Optimizer
    batch, epochs : int
    targets : {"one_hot", "column", "labels"}
        What classes are fed as: rows of 0 and a 1, one column of numbers, or integers.
    scale_x, scale_y : callable
        What makes a `Scaling` of the rows to train with.
    compiled, fitted : dict
        More arguments of `compile` and of `fit`.
    """

    layers: Layers
    loss: str | vg.losses.Custom
    optimizer: Any = field(default_factory=keras.adam)
    batch: int = 32
    epochs: int = 1
    targets: Literal["one_hot", "column", "labels"] = "one_hot"
    scale_x: Callable[[Array], Scaling] = unscaled
    scale_y: Callable[[Array], Scaling] = unscaled
    compiled: Mapping[str, Any] = field(default_factory=dict)
    fitted: Mapping[str, Any] = field(default_factory=dict)

    def but(self, **changes: Any) -> Form:
        """The same with some attributes changed."""
        return replace(self, **changes)

    def fed(self, y: Array, data: Data) -> Array:
        """Targets as the loss reads them."""
        if data.kind != "classes":
            return self.scale_y(data.y).do(y)
        if self.targets == "labels":
            return y.astype(np.int64)
        if self.targets == "column":
            return y[:, np.newaxis].astype(np.float32)
        return np.eye(data.classes, dtype=np.float32)[y]

    def run(self, data: Data, seed: int) -> Run:
        """The network, compiled, and what it is fed with; see `Run`."""
        scaling = self.scale_x(data.x)
        scale = (lambda x: x) if data.x.dtype.kind in "iu" else scaling.do
        x, held_x, y = scale(data.x), scale(data.held_x), self.fed(data.y, data)
        model, refusal = None, ""
        for loss in (self.loss, keras.LOSSES.get(self.loss, self.loss)):
            model = vg.Sequential(self.layers(), input_shape=x.shape[1:], seed=seed)
            try:
                model.compile(loss, self.optimizer, **self.compiled)
                model.evaluate(x, y)  # refuses targets, as `fit` would
            except ValueError as error:
                refusal, model = refusal or str(error), None
                continue
            break
        return Run(self, data, model, x, y, held_x, refusal)


@dataclass(frozen=True)
class Run:
    """A form with its data and one seed.

    Attributes
    ----------
    model : Sequential or None
        Compiled and not yet trained; None where vgcore has no such network at all.
    x, y, held_x : ndarray
        As the model is fed with them.
    refusal : str
        What vgcore says to the program as it is written; empty where it takes it. A model that is there
        all the same has Keras's loss.
    """

    form: Form
    data: Data
    model: vg.Sequential | None
    x: Array
    y: Array
    held_x: Array
    refusal: str = ""

    def train(self) -> History:
        """Train as the program does."""
        assert self.model is not None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of steps that are not finite
            return self.model.fit(
                self.x,
                self.y,
                epochs=self.form.epochs,
                batch_size=self.form.batch,
                verbose=0,
                **self.form.fitted,
            )

    def score(self) -> float:
        """Of the model as it is."""
        assert self.model is not None
        return self.judge(self.model.predict(self.held_x))

    def judge(self, outputs: Array) -> float:
        """The score of outputs for what is held out, in the targets' own units; see `Data.score`."""
        if self.data.kind == "numbers":
            outputs = self.form.scale_y(self.data.y).undo(outputs)
        return self.data.score(outputs)


@dataclass(frozen=True)
class Program:
    """A program that trains badly, and its healthy twin.

    Attributes
    ----------
    id, table : str
        As in the literature: its question's number on Stack Overflow, or its name; and a table of
        `programs.TABLES`.
    causes : frozenset of str
        Symptoms of `vgcore.diagnosis` that name its fault, as published or an equivalent.
    data : callable
        Makes `Data` from a generator of random numbers; the same for both forms.
    faulty, healthy : Form
        As published, and with the published fix or, where there is none, one that is inferred.
    mnist : bool
        Whether its data are MNIST's.
    """

    id: str
    table: str
    causes: frozenset[str]
    data: Callable[[np.random.Generator], Data]
    faulty: Form
    healthy: Form
    mnist: bool = False

    @property
    def recurrent(self) -> bool:
        """Whether it is of the table of recurrent ones."""
        return self.table == "C"

    @property
    def family(self) -> str:
        """What programs share that differ in depth or base alone."""
        return re.sub(r"(\d+|-base|-regr)$", "", self.id) or self.id

    def run(self, form: str, seed: int) -> Run:
        """One of the two `FORMS`, with data and weights of a seed."""
        data = self.data(np.random.default_rng(seed))
        return (self.faulty if form == "faulty" else self.healthy).run(data, seed)


def dense(*units: int, activation: str = "relu", **options: Any) -> list[Layer]:
    """Dense layers, all alike but for their units."""
    return [vg.Dense(n, activation, **options) for n in units]


def stack(*parts: Callable[[], Layer] | Callable[[], list[Layer]]) -> Layers:
    """A function that makes layers of functions that make one or several."""

    def layers() -> list[Layer]:
        made: list[Layer] = []
        for part in parts:
            some = part()
            made += some if isinstance(some, list) else [some]
        return made

    return layers


def of(layer: Callable[..., Any], *arguments: Any, **options: Any) -> Callable[[], Any]:
    """`layer` with its arguments, to be made later."""
    return partial(layer, *arguments, **options)
