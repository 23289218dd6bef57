"""Table E: single faults put into networks that are sound (Braiek and Khomh 2023, TheDeepChecker).

Bases are a convolutional network on MNIST and a regression of fuel consumption (our own data, of the
shape of auto-mpg). Smaller than published: 2000 rows of MNIST, 8 and 16 filters of 32 and 64, 64 units
of 512. The base of six convolutions on CIFAR-10 is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import vgcore as vg
from programs import data, keras
from programs.feedforward import TOO_FAST
from programs.program import Data, Form, Layers, Program, Scaling, of, split, stack, standardised
from vgcore.layers.base import Layer

Rng = np.random.Generator
Array = Any

SAME = vg.initializers.Constant(0.01)
DECAY = 2e-5  # of an L2 penalty of 1e-5 times the squares


def _digits(rng: Rng) -> Data:
    return data.mnist_rows(rng, images=True)


def _unbalanced(rng: Rng) -> Data:
    """Most rows that show another digit than 0 are left out of those to train with."""
    found = data.mnist_rows(rng, 6000, images=True)
    kept = (found.y == 0) | (rng.random(len(found.y)) < 0.03)
    return Data(found.x[kept], found.y[kept], found.held_x, found.held_y)


def _cars(rng: Rng) -> Data:
    """9 features of 390 cars, and miles per gallon."""
    size = rng.standard_normal(390)
    others = 0.5 * size[:, np.newaxis] + rng.standard_normal((390, 5))
    origin = np.eye(3)[rng.integers(3, size=390)]
    x = np.column_stack([size, others, origin])
    miles = 23.5 - 6 * np.tanh(size) - 2 * others[:, 0] + 1.5 * others[:, 1] ** 2 + origin[:, 2] * 3
    return split(x, (miles + rng.standard_normal(390))[:, np.newaxis], "numbers")


def _cnn(start: Any = keras.HE_NORMAL, activation: str = "relu") -> Layers:
    """Two convolutions, each with a pool, and two dense layers, the first with ``activation``."""

    def layers() -> list[Layer]:
        return [
            vg.Conv2d(8, 5, "relu", padding=2, weight_initializer=start),
            vg.MaxPool(2),
            vg.Conv2d(16, 3, "relu", padding=1, weight_initializer=start),
            vg.MaxPool(2),
            vg.Flatten(),
            vg.Dense(64, activation, weight_initializer=start),
            vg.Dense(10, "softmax", weight_initializer=start),
        ]

    return layers


def _mlp(start: Any = keras.HE_NORMAL, output: str | None = None) -> Layers:
    """Two dense layers of 64 relus, and one output."""
    return stack(
        of(vg.Dense, 64, "relu", weight_initializer=start),
        of(vg.Dense, 64, "relu", weight_initializer=start),
        of(vg.Dense, 1, output, weight_initializer=start),
    )


BASE = Form(
    _cnn(),
    "categorical_crossentropy",
    vg.SGD(0.1, weight_decay=DECAY),
    epochs=4,
)
REGRESSION = Form(
    _mlp(),
    "mse",
    keras.adam(0.001, weight_decay=DECAY),
    epochs=60,
    scale_x=standardised,
    scale_y=standardised,
)

Loss = Callable[[Array, Array], tuple[Array, Array]]


def _squares(y: Array, h: Array) -> tuple[Array, Array]:
    return ((h - y) ** 2).mean(axis=1), 2 * (h - y) / h.shape[1]


def _summed(loss: Loss) -> vg.losses.Custom:
    """A sum over the minibatch in the place of a mean."""

    def function(y: Array, h: Array) -> tuple[Array, Array]:
        losses, slopes = loss(y, h)
        return losses * len(y), slopes * len(y)

    return vg.losses.Custom(function)


def _ascending(loss: Loss) -> vg.losses.Custom:
    """A gradient whose sign is wrong."""

    def function(y: Array, h: Array) -> tuple[Array, Array]:
        losses, slopes = loss(y, h)
        return losses, -slopes

    return vg.losses.Custom(function)


_SUM = TOO_FAST | {"exploding_gradient"}
_WRONG_SIGN = frozenset({"rising_loss"})
_EPSILON = frozenset({"epsilon_out_of_range", "rate_too_high"})


def _base(name: str, causes: frozenset[str], **changes: Any) -> Program:
    rows = changes.pop("rows", _digits)
    healthy = BASE.but(**changes.pop("healthy", {}))
    faulty = BASE.but(**changes)
    return Program(f"TDC-{name}-base", "E", causes, rows, faulty, healthy, mnist=True)


def _regr(name: str, causes: frozenset[str], **changes: Any) -> Program:
    return Program(f"TDC-{name}-regr", "E", causes, _cars, REGRESSION.but(**changes), REGRESSION)


def _ten_times(values: Array) -> Scaling:
    """Targets that are ten times as large as they come."""
    return Scaling(size=0.1)


PROGRAMS = [
    _base("sym", frozenset({"symmetric_units"}), layers=_cnn(SAME)),
    _regr("sym", frozenset({"symmetric_units"}), layers=_mlp(SAME)),
    _base("lr-high", TOO_FAST, optimizer=vg.SGD(0.5, weight_decay=DECAY)),
    _regr("lr-high", TOO_FAST, optimizer=keras.adam(0.1, weight_decay=DECAY)),
    _base("eps", _EPSILON, optimizer=keras.adam(0.1, epsilon=1e-16, weight_decay=DECAY)),
    _regr("eps", _EPSILON, optimizer=keras.adam(0.001, epsilon=1e-16, weight_decay=DECAY)),
    _base("softmax-hidden", frozenset({"hidden_softmax"}), layers=_cnn(activation="softmax")),
    _regr(
        "range",
        frozenset({"targets_out_of_range", "output_activation"}),
        layers=_mlp(output="sigmoid"),
        scale_y=data.within_1,
    ),
    _base("sum", _SUM, loss=_summed(keras.categorical)),
    _regr("sum", _SUM, loss=_summed(_squares)),
    _base("sign", _WRONG_SIGN, loss=_ascending(keras.categorical)),
    _regr("sign", _WRONG_SIGN, loss=_ascending(_squares)),
    _base(
        "unbal",
        frozenset({"unbalanced_classes"}),
        rows=_unbalanced,
        epochs=8,
        healthy={"fitted": {"class_weight": "balanced"}, "epochs": 8},
    ),
    _base("noreg", frozenset({"overfitting"}), optimizer=vg.SGD(0.1, weight_decay=2e-12)),
    _regr("noreg", frozenset({"overfitting"}), optimizer=keras.adam(0.001, weight_decay=2e-12)),
    _regr("target10", frozenset({"targets_out_of_scale"}), scale_y=_ten_times),
]
