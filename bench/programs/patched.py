"""Table B, programs of which the patch alone is published; the network around it, and its data, are inferred.

They are those of DeepFD (Cao et al. 2022, ICSE).
"""

from __future__ import annotations

import numpy as np

import vgcore as vg
from programs import data, keras
from programs.dense import NOT_YET
from programs.feedforward import TOO_FAST, UNSCALED, UNSCALED_TARGETS, program
from programs.gradients import VANISHING
from programs.program import Data, Form, between_0_and_1, dense, divided, of, split, stack

Rng = np.random.Generator


def _long_sine(rng: Rng) -> Data:
    x = rng.uniform(0, 10_000, (1000, 1))
    return split(x, np.sin(x * np.pi / 5000) + 0.05 * rng.standard_normal(x.shape), "numbers")


def _curve(rng: Rng) -> Data:
    x = rng.uniform(-2, 2, (600, 3))
    y = np.sin(x[:, :1]) * x[:, 1:2] + 0.5 * x[:, 2:]
    return split(x, y, "numbers")


def _unscaled_curve(rng: Rng) -> Data:
    found = _curve(rng)
    return Data(
        300 * (found.x + 2),
        1000 * found.y + 5000,
        300 * (found.held_x + 2),
        1000 * found.held_y + 5000,
        "numbers",
    )


def _codes(rng: Rng) -> Data:
    """Eight numbers that lie near a surface of three dimensions, up to 10; they are their own targets."""
    mixed = np.random.default_rng(0).standard_normal((3, 8))
    x = 2 * np.tanh(rng.standard_normal((1000, 3))) @ mixed
    return split(x, x, "numbers")


def _grey_digits(rng: Rng) -> Data:
    found = data.handwritten(rng)
    return Data(found.x * 255, found.y, found.held_x * 255, found.held_y)


_CCE, _BCE = "categorical_crossentropy", "binary_crossentropy"
_CODE = (16, 16, 3, 16, 16)


PROGRAMS = [
    program(
        "46995209",
        UNSCALED | VANISHING | {"dead_layer", "dead_units"},
        _long_sine,
        Form(
            stack(of(dense, 10, 90, activation="tanh"), of(dense, *[10] * 8), of(vg.Dense, 1)),
            "mse",
            epochs=60,
        ),
        layers=stack(of(dense, 10, 25), of(vg.Dense, 1)),
        optimizer=keras.adam(0.01),
        epochs=200,
        scale_x=divided(10_000),
    ),
    program(
        "56380303",
        UNSCALED | TOO_FAST,
        _grey_digits,
        Form(
            stack(of(dense, 128, 64), of(vg.Dense, 10, "softmax")), _CCE, keras.sgd(0.01), epochs=20
        ),
        optimizer=keras.adam(1e-4),
    ),
    program(
        "44998910",
        NOT_YET,
        _curve,
        Form(
            stack(of(dense, 20, activation="tanh"), of(vg.Dense, 1)),
            "mse",
            keras.sgd(0.01),
            epochs=20,
        ),
        optimizer=keras.sgd(0.03),
        epochs=400,
    ),
    program(
        "42514960",
        {"targets_out_of_range", "targets_out_of_scale", "output_activation", *UNSCALED},
        _codes,
        Form(stack(of(dense, *_CODE), of(vg.Dense, 8, "sigmoid")), "mse", epochs=60),
        layers=stack(of(dense, *_CODE, activation="tanh"), of(vg.Dense, 8, "tanh")),
        optimizer=keras.adam(0.003),
        epochs=100,
        scale_x=data.within_1,
        scale_y=data.within_1,
    ),
    program(
        "41327601",
        {"loss_of_classes", "too_deep", "vanishing_gradient", "collapsed_activations"},
        lambda rng: data.handwritten(rng),
        Form(stack(of(dense, *[64] * 10), of(vg.Dense, 10, "softmax")), _BCE, epochs=15),
        loss=_CCE,
    ),
    program(
        "47932589",
        UNSCALED | UNSCALED_TARGETS,
        _unscaled_curve,
        Form(stack(of(dense, 32, 32), of(vg.Dense, 1)), "mse", epochs=60),
        optimizer=keras.adam(0.003),
        scale_x=between_0_and_1,
        scale_y=between_0_and_1,
        epochs=150,
    ),
    program(
        "41600519",
        NOT_YET | TOO_FAST,
        lambda rng: data.classes(rng, 1000, 10, 2),
        Form(
            stack(of(dense, 16, 8), of(vg.Dense, 1, "sigmoid")),
            _BCE,
            keras.rmsprop(),
            batch=1,
            epochs=1,
            targets="column",
        ),
        loss="mse",
        optimizer=keras.adam(),
        batch=64,
        epochs=100,
    ),
]
