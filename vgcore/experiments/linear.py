"""Linear networks: how modes are learned, and how long it takes by depth, for `vgcore.experiments.saxe`."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore.initializers import Normal, Orthogonal, VarianceScaling
from vgcore.layers import Dense
from vgcore.model import Sequential
from vgcore.model.callbacks import Callback
from vgcore.optimizers import SGD

Array = NDArray[np.float64]

PATTERNS = HIDDEN = 32
FEATURES = 1000
STRENGTH, RATE = 1e-6, 0.5e-3
"""A mode's first strength u0, and 1/tau, the learning rate."""

MODES = [0, 1, 2, 4, 11, 17, 30]
"""Those that figure 3 draws, counted from 0."""

KINDS = "decoupled", "random", "tanh"
"""A linear network from a decoupled start, one from random weights, and a tanh network."""

_LEVELS, _FLIP = 5, 0.1
_EVERY = 5  # updates from one look at the modes to the next
_WEIGHTS = {"orthogonal": Orthogonal(), "Gaussian": VarianceScaling(1.0, "fan_in", "normal")}
STARTS = tuple(_WEIGHTS)
LEARNED = 0.05
"""Of the error that an output of 0 has: nearly complete learning."""

_DIVERGED = 1e3  # times the error that an output of 0 has


@dataclass(frozen=True)
class Course:
    """How modes were learned: after so many updates (looks,), each one's strength (looks, modes)."""

    step: NDArray[np.int64]
    strength: Array

    def half_learned(self, strengths: Array) -> Array:
        """The update by which each mode is half learned; NaN: it never was."""
        times = np.full(len(strengths), np.nan)
        for mode, share in enumerate((self.strength / strengths).T):
            above = np.flatnonzero(share >= 0.5)
            if len(above) and above[0]:
                at = above[0]
                times[mode] = np.interp(0.5, share[at - 1 : at + 1], self.step[at - 1 : at + 1])
        return times


@dataclass(frozen=True)
class Search:
    """Updates until a network had learned at each learning rate, inf where it had not; highest rate first."""

    rates: Array
    updates: Array

    @property
    def best(self) -> float:
        """The fewest updates."""
        return float(self.updates.min())

    @property
    def rate(self) -> float:
        """The rate of them; NaN: none."""
        return float(self.rates[self.updates.argmin()]) if np.isfinite(self.best) else np.nan


class Task(NamedTuple):
    """Inputs (d, d) and targets (d, 10) whose largest correlation between inputs is 1."""

    x: Array
    y: Array


def strength(update: Any, s: Any) -> Any:
    """Equation 12: a mode's strength after so many updates; written so that nothing overflows."""
    return s / (1 + (s / STRENGTH - 1) * np.exp(-2 * s * RATE * np.asarray(update, float)))


def half_learned(s: Array) -> Array:
    """The update by which equation 12 has it half learned."""
    return np.asarray(np.log(s / STRENGTH - 1) / (2 * s * RATE))


def tree(rng: np.random.Generator) -> Array:
    """Features (patterns, features), 1 or -1, that patterns inherit through a binary tree."""
    values = rng.choice([-1.0, 1.0], size=(1, FEATURES))
    for _ in range(_LEVELS):
        values = np.repeat(values, 2, axis=0)
        values = np.where(rng.random(values.shape) < _FLIP, -values, values)
    return values


def course(kind: str, features: Array, updates: int, seed: list[int]) -> Course:
    """Learn the features of orthogonal patterns with a network of one hidden layer."""
    u, _, v = np.linalg.svd(features.T, full_matrices=False)
    start = Normal(0.0, sqrt(2 * STRENGTH / HIDDEN))
    layers = [
        Dense(units, activation, use_bias=False, weight_initializer=start)
        for units, activation in ((HIDDEN, "tanh" if kind == "tanh" else None), (FEATURES, None))
    ]
    model = Sequential(layers, input_shape=PATTERNS, dtype="float64", seed=seed)
    if kind == "decoupled":
        turned = np.linalg.qr(np.random.default_rng(seed).normal(size=(HIDDEN, HIDDEN)))[0]
        layers[0].weight = sqrt(STRENGTH) * turned @ v
        layers[1].weight = sqrt(STRENGTH) * u @ turned.T
    # mse is a mean, and the energy half of a sum over patterns and features
    model.compile("mse", SGD(RATE * PATTERNS * FEATURES / 2))
    looks = _Looks(u, v)
    patterns = np.eye(PATTERNS)
    model.fit(
        patterns,
        features,
        epochs=updates,
        batch_size=PATTERNS,
        shuffle=False,
        callbacks=[looks],
        verbose=0,
    )
    return Course(np.array(looks.steps), np.array(looks.strengths))


class _Looks(Callback):
    """Keeps the strengths of the modes every few updates."""

    every_steps = _EVERY

    def __init__(self, u: Array, v: Array) -> None:
        self._u, self._v = u, v
        self.steps: list[int] = []
        self.strengths: list[Array] = []

    def on_train_begin(self, model: Sequential) -> None:
        self._model = model
        self._look(0)

    def on_step(self, step: int, logs: Any) -> None:
        self._look(step + 1)

    def _look(self, updates: int) -> None:
        outputs = self._model.predict(np.eye(PATTERNS)).T
        self.steps.append(updates)
        self.strengths.append(np.einsum("ia,ij,aj->a", self._u, outputs, self._v))


def condensed(x: NDArray[Any], labels: NDArray[Any], components: int) -> Task:
    """As few samples as components, to which a linear network's squared error differs by a constant."""
    targets = np.eye(10)[labels] / sqrt(len(x))
    u, s, _ = np.linalg.svd(np.asarray(x, float), full_matrices=False)
    return Task(np.diag(s[:components] / s[0]), u[:, :components].T @ targets)


def search(
    task: Task, depth: int, start: str, units: int, rates: int, updates: int, seed: list[int]
) -> Search:
    """Train a linear network of ``depth`` weight matrices at each rate, no longer than at the best before."""
    tried = np.logspace(1, -1.5, rates) / depth
    needed = np.full(rates, np.inf)
    for place, rate in enumerate(tried):
        most = min(updates, int(min(needed.min(), updates)))
        needed[place] = _updates(task, depth, start, units, float(rate), most, seed)
    return Search(tried, needed)


def _updates(
    task: Task, depth: int, start: str, units: int, rate: float, most: int, seed: list[int]
) -> float:
    """How many updates it takes until the task is learned; inf: more than ``most``."""
    widths = [units] * (depth - 1) + [task.y.shape[1]]
    weights = _WEIGHTS[start]
    layers = [Dense(width, use_bias=False, weight_initializer=weights) for width in widths]
    model = Sequential(layers, input_shape=len(task.x), seed=seed)
    model.compile("mse", SGD(rate * task.y.size / 2), on_nonfinite="ignore")
    stop = _Stop(LEARNED * float((task.y**2).mean()), _DIVERGED * float((task.y**2).mean()))
    model.fit(
        task.x,
        task.y,
        epochs=most,
        batch_size=len(task.x),
        shuffle=False,
        callbacks=[stop],
        verbose=0,
    )
    return stop.learned


class _Stop(Callback):
    """Stops where a loss is below one, or above another."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high
        self.learned = np.inf

    def on_step(self, step: int, logs: Any) -> bool:
        if logs["loss"] < self._low:
            self.learned = float(step)
            return True
        return not logs["loss"] < self._high
