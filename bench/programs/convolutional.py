"""Table B, convolutional programs.

Smaller than published: 1000 to 1500 rows, textures of 16x16 or 24x24 in the place of CIFAR-10 and of
photographs, and half to an eighth of the filters and units.
"""

from __future__ import annotations

import numpy as np

import vgcore as vg
from programs import data, keras
from programs.dense import NOT_YET, OUTPUT
from programs.feedforward import UNSCALED
from programs.program import Data, Form, Program, divided, of, stack
from vgcore.layers.base import Layer

Rng = np.random.Generator


def _convolutions(
    *filters: int, size: int, activation: str = "relu", start: object = "glorot_uniform"
) -> list[Layer]:
    """Convolutions that keep the size of images, a pool behind each, and what they leave, flat."""
    layers: list[Layer] = []
    for n in filters:
        layers += [
            vg.Conv2d(n, size, activation, padding=size // 2, weight_initializer=start),
            vg.MaxPool(2),
        ]
    return [*layers, vg.Flatten()]


def _cars() -> Program:
    """Three classes for one sigmoid."""
    hidden = [of(_convolutions, 16, 16, 32, size=3), of(vg.Dense, 64, "relu"), of(vg.Dropout, 0.5)]
    faulty = Form(
        stack(*hidden, of(vg.Dense, 1, "sigmoid")),
        "binary_crossentropy",
        keras.rmsprop(),
        batch=16,
        epochs=8,
        targets="column",
    )
    healthy = faulty.but(
        layers=stack(*hidden, of(vg.Dense, 3, "softmax")),
        loss="categorical_crossentropy",
        targets="one_hot",
    )
    causes = OUTPUT | {"labels_off_by_one"}
    return Program(
        "50079585",
        "B",
        causes,
        lambda rng: data.textures(rng, 800, size=24, classes=3),
        faulty,
        healthy,
    )


def _relu_output() -> Program:
    """A relu in front of cross-entropy; biases start at 0.1, weights small as in TensorFlow's tutorial."""
    about = {
        "weight_initializer": vg.initializers.TruncatedNormal(0, 0.1),
        "bias_initializer": vg.initializers.Constant(0.1),
    }
    hidden = [
        of(vg.Conv2d, 8, 5, "relu", padding=2, **about),
        of(vg.MaxPool, 2),
        of(vg.Conv2d, 16, 5, "relu", padding=2, **about),
        of(vg.MaxPool, 2),
        of(vg.Flatten),
        of(vg.Dense, 256, "relu", **about),
        of(vg.Dropout, 0.5),
    ]
    faulty = Form(
        stack(*hidden, of(vg.Dense, 10, "relu", **about)),
        "categorical_crossentropy",
        keras.adam(),
        batch=50,
        epochs=5,
    )
    healthy = faulty.but(layers=stack(*hidden, of(vg.Dense, 10, "softmax", **about)))
    causes = OUTPUT | {"not_finite"}
    return Program(
        "47352366",
        "B",
        causes,
        lambda rng: data.mnist_rows(rng, images=True),
        faulty,
        healthy,
        mnist=True,
    )


def _unscaled_images() -> Program:
    """Pixels from 0 to 255."""
    faulty = Form(
        stack(
            of(_convolutions, 16, 32, size=3, start=keras.HE_NORMAL),
            of(vg.Dense, 128, "relu"),
            of(vg.Dropout, 0.3),
            of(vg.Dense, 10, "softmax"),
        ),
        "categorical_crossentropy",
        keras.adam(),
        batch=32,
        epochs=8,
    )
    causes = UNSCALED
    return Program(
        "48594888",
        "B",
        causes,
        lambda rng: data.textures(rng, grey=255),
        faulty,
        faulty.but(scale_x=divided(255)),
    )


def _signs() -> Program:
    """Six layers of relu, of which the first has three filters; mended, elu."""

    def form(activation: str) -> Form:
        return Form(
            stack(
                of(vg.Conv2d, 3, 1, activation),
                of(vg.Conv2d, 16, 5, activation, stride=2),
                of(vg.Conv2d, 32, 3, activation),
                of(vg.MaxPool, 2),
                of(vg.Conv2d, 32, 3, activation, padding=1),
                of(vg.Conv2d, 64, 3, activation, padding=1),
                of(vg.Flatten),
                of(vg.Dropout, 0.5),
                of(vg.Dense, 128, activation),
                of(vg.Dropout, 0.5),
                of(vg.Dense, 10, "softmax"),
            ),
            "categorical_crossentropy",
            keras.adam(),
            batch=64,
            epochs=10,
        )

    causes = frozenset({"dead_layer", "dead_units"})
    return Program("Traffic-Sign", "B", causes, _centred, form("relu"), form("elu"))


def _centred(rng: Rng) -> Data:
    found = data.textures(rng, size=24)
    return Data(found.x - 0.5, found.y, found.held_x - 0.5, found.held_y)


def _life() -> Program:
    """Three convolutions for ten epochs at Adam's default; mended, squared errors at 0.01, as published."""
    faulty = Form(
        stack(
            of(vg.Conv2d, 16, 3, "relu", padding=1),
            of(vg.Conv2d, 8, 1, "relu"),
            of(vg.Conv2d, 1, 1, "sigmoid"),
        ),
        "binary_crossentropy",
        keras.adam(),
        epochs=3,
    )
    healthy = faulty.but(loss="mse", optimizer=keras.adam(0.01), epochs=20)
    causes = NOT_YET | {"loss_of_classes"}
    return Program("gol_nn", "B", causes, data.life, faulty, healthy)


PROGRAMS = [_cars(), _relu_output(), _unscaled_images(), _signs(), _life()]
