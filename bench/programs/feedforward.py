"""Table B: dense programs from Stack Overflow and GitHub, of DeepLocalize (Wardat et al. 2021, ICSE).

Smaller than published: 44164749 has 500 and 60 units of 5000 and 600 and, on 2000 rows, as many steps as make
it faulty; 38648195 has 20,000 rows of 60,000, 31880720 has 400 of 20,000, FacialKeypoints images of 24x24.
Inferred are the units that targets of Melbourne and inputs of Averaging come in.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import vgcore as vg
from programs import data, keras
from programs.dense import NOT_YET, ONE_SOFTMAX, OUTPUT
from programs.gradients import SMALL_START, VANISHING
from programs.program import (
    Data,
    Form,
    Program,
    dense,
    divided,
    of,
    split,
    stack,
    standardised,
)

Rng = np.random.Generator

UNSCALED = frozenset({"inputs_out_of_scale", "inputs_of_unequal_scale"})
UNSCALED_TARGETS = frozenset({"targets_out_of_scale", "loss_far_from_chance"})
TOO_FAST = frozenset({"rate_too_high", "beyond_stability", "oscillating_loss", "rising_loss"})


def program(
    name: str, causes: Any, rows: Any, faulty: Form, mnist: bool = False, **mended: Any
) -> Program:
    """A program of table B."""
    return Program(name, "B", frozenset(causes), rows, faulty, faulty.but(**mended), mnist=mnist)


def _softmax(units: int = 2, **options: Any) -> Any:
    return of(vg.Dense, units, "softmax", **options)


def _two_clusters(rng: Rng) -> Data:
    y = np.arange(200) % 2
    return split(np.where(y, 0.5, 0.2)[:, None] + 0.2 * rng.random((200, 2)), y)


def _several_labels(rng: Rng) -> Data:
    x = rng.random((20_000, 20))
    sides = np.random.default_rng(0).standard_normal((20, 3))
    return split(x, ((x - 0.5) @ sides > [0.3, -0.3, 0]).astype(np.float32), "labels")


def _ones_and_zeros(rng: Rng) -> Data:
    y = rng.integers(2, size=400)
    return split(np.repeat(y[:, None], 128, axis=1).astype(float), y)


def _permuted_bits(rng: Rng) -> Data:
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    bits = bits[rng.permutation(256)].astype(float)
    return split(bits, bits[:, np.random.default_rng(0).permutation(8)], "labels")


def _one_of_69(rng: Rng) -> Data:
    y = rng.integers(69, size=2000)
    return split(y[:, None] / 68, y)


def _line(rng: Rng) -> Data:
    x = rng.standard_normal((600, 2))
    return split(x, (x[:, 0] + x[:, 1] > 0).astype(int))


def _means(rng: Rng) -> Data:
    x = rng.integers(101, size=(1000, 2)).astype(float)
    return split(x, x.mean(axis=1, keepdims=True), "numbers")


def _mnist(rng: Rng) -> Data:
    return data.mnist_rows(rng)


def _unscaled_mnist(rng: Rng) -> Data:
    return data.mnist_rows(rng, grey=255)


def _noisy_dense(*units: int, rate: float, activation: str = "relu", **options: Any) -> list[Any]:
    """Parts of a stack: dense layers, each with dropout behind it."""
    parts = []
    for n in units:
        parts += [of(vg.Dense, n, activation, **options), of(vg.Dropout, rate)]
    return parts


_CCE, _BCE = "categorical_crossentropy", "binary_crossentropy"
_SOME_LABELS = _noisy_dense(20, 20, rate=0.5)
_SAME = _noisy_dense(50, 50, rate=0.2)
_TANHS = {"activation": "tanh", "weight_initializer": keras.UNIFORM}

PROGRAMS = [
    program(
        "44164749",
        NOT_YET,
        _mnist,
        Form(
            stack(*_noisy_dense(500, 60, rate=0.1), _softmax(10)),
            _CCE,
            keras.nesterov(0.01, 0.9),
            batch=200,
            epochs=4,
        ),
        mnist=True,
        optimizer=keras.nesterov(0.05, 0.9),
    ),
    program(
        "50306988",
        NOT_YET,
        _two_clusters,
        Form(stack(of(dense, 2, activation="sigmoid"), _softmax()), _CCE, epochs=5),
        optimizer=keras.adam(0.01),
        epochs=50,
    ),
    program(
        "38648195",
        OUTPUT,
        _several_labels,
        Form(stack(*_SOME_LABELS, _softmax(3)), "mse", keras.sgd(0.01), batch=20, epochs=20),
        layers=stack(*_SOME_LABELS, of(vg.Dense, 3, "sigmoid")),
        loss=_BCE,
    ),
    program(
        "55328966",
        OUTPUT | UNSCALED | NOT_YET,
        _unscaled_mnist,
        Form(
            stack(of(vg.Dense, 784), of(dense, 50), of(vg.Dense, 10, "sigmoid")),
            _CCE,
            keras.sgd(1e-4),
            epochs=10,
        ),
        mnist=True,
        layers=stack(of(vg.Dense, 784), of(dense, 50), _softmax(10)),
        optimizer=keras.adam(),
        epochs=5,
        scale_x=divided(255),
    ),
    program(
        "31880720",
        ONE_SOFTMAX,
        _ones_and_zeros,
        Form(
            stack(*_SAME, _softmax(1)), _BCE, keras.rmsprop(), batch=1, epochs=3, targets="column"
        ),
        layers=stack(*_SAME, of(vg.Dense, 1, "sigmoid")),
    ),
    program(
        "39217567",
        SMALL_START | NOT_YET | {"loss_of_classes"},
        _permuted_bits,
        Form(
            of(dense, 8, 8, 8, activation="sigmoid", weight_initializer=keras.NORMAL),
            "mse",
            keras.sgd(0.01),
            batch=50,
            epochs=1000,
        ),
        layers=of(dense, 8, 8, 8, weight_initializer=keras.NORMAL),
        batch=1,
    ),
    program(
        "47724077",
        UNSCALED,
        data.census,
        Form(stack(of(dense, 21), _softmax()), _CCE, batch=100, epochs=50),
        scale_x=standardised,
    ),
    program(
        "59278771",
        OUTPUT | NOT_YET | UNSCALED,
        lambda rng: data.known(rng, "iris"),
        Form(
            stack(
                of(dense, 4, weight_initializer=keras.NORMAL),
                of(vg.Dense, 3, "sigmoid", weight_initializer=keras.NORMAL),
            ),
            _CCE,
            batch=5,
            epochs=200,
        ),
        layers=stack(of(dense, 8, weight_initializer=keras.NORMAL), _softmax(3)),
        scale_x=standardised,
    ),
    program(
        "34673164",
        {"loss_of_classes", "small_weights"},
        lambda rng: data.classes(rng, 1000, 16, 2),
        Form(
            stack(
                *_noisy_dense(64, 64, rate=0.5, **_TANHS),
                _softmax(weight_initializer=keras.UNIFORM),
            ),
            "mse",
            keras.nesterov(0.1, 0.9),
            batch=16,
            epochs=20,
        ),
        layers=stack(
            of(vg.Dense, 64, weight_initializer=keras.UNIFORM),
            of(keras.batch_norm, "tanh"),
            of(vg.Dropout, 0.5),
            of(vg.Dense, 64, weight_initializer=keras.UNIFORM),
            of(keras.batch_norm, "tanh"),
            of(vg.Dropout, 0.5),
            _softmax(weight_initializer=keras.UNIFORM),
        ),
        loss=_BCE,
    ),
    program(
        "44066044",
        OUTPUT | UNSCALED,
        data.passengers,
        Form(
            stack(
                of(dense, 12, 12, weight_initializer=keras.NORMAL),
                of(vg.Dense, 1, "relu", weight_initializer=keras.NORMAL),
            ),
            _BCE,
            batch=5,
            epochs=100,
            targets="column",
        ),
        layers=stack(
            of(dense, 12, 12, weight_initializer=keras.NORMAL), of(vg.Dense, 1, "sigmoid")
        ),
        scale_x=standardised,
        epochs=20,
    ),
    program(
        "58609115",
        OUTPUT | NOT_YET | VANISHING | {"saturated_units", "large_weights"},
        _one_of_69,
        Form(
            of(dense, 69, 69, 69, activation="sigmoid", weight_initializer="normal"),
            _BCE,
            batch=50,
            epochs=1,
        ),
        layers=stack(of(dense, 69, 69), _softmax(69)),
        loss=_CCE,
        optimizer=keras.adam(0.005),
        epochs=300,
        scale_x=standardised,
    ),
    program(
        "41372874",
        {"bottleneck", "dead_layer", "dead_units", "small_weights", "vanishing_gradient"},
        _line,
        Form(
            stack(
                of(dense, 2, 2, weight_initializer=keras.UNIFORM),
                of(vg.Dense, 1, "sigmoid", weight_initializer=keras.UNIFORM),
            ),
            _BCE,
            batch=2,
            epochs=20,
            targets="column",
        ),
        layers=stack(of(dense, 8, 8), of(vg.Dense, 1, "sigmoid")),
    ),
    program(
        "FacialKeypoints",
        TOO_FAST,
        data.faces,
        Form(
            stack(of(vg.Dense, 50), of(vg.Dense, 100), of(vg.Dense, 30)),
            "mse",
            keras.adam(0.1),
            epochs=30,
        ),
        optimizer=vg.Momentum(0.01, 0.9),
        compiled={"clip_norm": 1.0},
    ),
    program(
        "Melbourne",
        UNSCALED_TARGETS | NOT_YET,
        data.houses,
        Form(
            stack(
                of(dense, 20, 20, activation="tanh", weight_initializer="glorot_normal"),
                of(vg.Dense, 1),
            ),
            "mse",
            epochs=60,
        ),
        layers=stack(of(dense, 20, 20), of(vg.Dense, 1)),
        scale_y=standardised,
    ),
    program(
        "Averaging",
        UNSCALED | UNSCALED_TARGETS | NOT_YET,
        _means,
        Form(stack(of(vg.Dense, 2), of(vg.Dense, 1)), "mse", keras.rmsprop(), epochs=5),
        optimizer=keras.rmsprop(0.01),
        scale_x=standardised,
        scale_y=standardised,
        epochs=20,
    ),
]
