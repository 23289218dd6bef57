"""Table A: gradients that vanish, explode or die.

Deep networks of AutoTrainer (Zhang et al. 2021, ICSE) and DeepDiagnosis (Wardat et al. 2022, ICSE) on
circles and blobs. Adam, rates, minibatches and epochs are those of AutoTrainer's demos where its
repository names no others. Smaller than published: 2000 rows of MNIST, images of 16x16 in the place of
CIFAR-10, and of both fewer filters and epochs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import vgcore as vg
from programs import data, keras
from programs.program import Data, Form, Layers, Program, dense, of, stack
from vgcore.layers.base import Layer

VANISHING = frozenset({"vanishing_gradient", "collapsed_activations", "too_deep"})
SMALL_START = VANISHING | {"small_weights"}
DYING = frozenset(
    {"dead_layer", "dead_units", "vanishing_gradient", "collapsed_activations", "too_deep"}
)
OSCILLATING = frozenset({"oscillating_loss", "rate_too_high", "beyond_stability"})


def normalised(*units: int, activation: str = "relu") -> list[Layer]:
    """Dense layers with batch normalization in front of each activation."""
    layers: list[Layer] = []
    for n in units:
        layers += [
            vg.Dense(n, use_bias=False, weight_initializer=keras.HE_UNIFORM),
            keras.batch_norm(activation),
        ]
    return layers


def _deep(classes: int, *hidden: Any) -> Layers:
    """Hidden layers, and the output of two classes or more."""
    output = of(vg.Dense, 1, "sigmoid") if classes == 2 else of(vg.Dense, classes, "softmax")
    return stack(*hidden, output)


def _circle(depth: int, activation: str, start: Any) -> Program:
    """So many layers of 5 units on circles; batch normalization and selu make it train, as published."""
    faulty = Form(
        _deep(2, of(dense, *[5] * depth, activation=activation, weight_initializer=start)),
        "binary_crossentropy",
        keras.adam(1e-3),
        batch=128,
        epochs=300,
        targets="column",
    )
    healthy = faulty.but(layers=_deep(2, of(normalised, *[5] * depth, activation="selu")))
    short = {"sigmoid": "sig", "relu": "relu"}[activation]
    name = f"AT-Circle-{short}{depth}" if depth > 8 else "AT-demo-GV"
    causes = VANISHING if activation == "sigmoid" else DYING
    return Program(name, "A", causes, data.circles, faulty, healthy)


def _blob(depth: int) -> Program:
    """So many layers of 5 sigmoids on blobs; batch normalization and relu make it train."""
    faulty = Form(
        _deep(3, of(dense, *[5] * depth, activation="sigmoid")),
        "categorical_crossentropy",
        keras.adam(1e-3),
        batch=128,
        epochs=300,
    )
    healthy = faulty.but(layers=_deep(3, of(normalised, *[5] * depth)))
    return Program(f"AT-Blob-sig{depth}", "A", VANISHING, data.blobs, faulty, healthy)


def _improper_output() -> Program:
    """A relu in front of cross-entropy."""
    hidden = of(dense, 50, 50, 50, 50, weight_initializer=keras.HE_UNIFORM)
    faulty = Form(
        stack(hidden, of(vg.Dense, 3, "relu")),
        "categorical_crossentropy",
        keras.adam(1e-4),
        batch=256,
        epochs=300,
    )
    healthy = faulty.but(layers=_deep(3, hidden))
    causes = frozenset({"output_activation", "not_finite"})
    return Program("AT-demo-IO", "A", causes, data.blobs, faulty, healthy)


def _oscillating() -> Program:
    """20 layers whose loss leaps: plain SGD at a high rate (the published one is not told), Adam at 1e-4."""
    faulty = Form(
        _deep(10, of(dense, *[64] * 20, weight_initializer=keras.HE_UNIFORM)),
        "categorical_crossentropy",
        keras.adam(0.01),
        batch=32,
        epochs=10,
    )
    healthy = faulty.but(optimizer=keras.adam(5e-4), epochs=15)
    return Program("AT-mot-OL20", "A", OSCILLATING, _mnist_flat, faulty, healthy, mnist=True)


def _mnist_flat(rng: np.random.Generator) -> Data:
    return data.mnist_rows(rng)


def _mnist_images(rng: np.random.Generator) -> Data:
    return data.mnist_rows(rng, images=True)


def _convolutions(first: int, second: int) -> list[Layer]:
    """Two convolutions of 5x5, each with a pool."""
    return [
        vg.Conv2d(first, 5, "relu", padding=2),
        vg.MaxPool(2),
        vg.Conv2d(second, 5, "relu"),
        vg.MaxPool(2),
        vg.Flatten(),
    ]


def _convolutional(
    name: str, hidden: Any, mended: Any, causes: frozenset[str], epochs: int, **about: Any
) -> Program:
    """Convolutions in front of dense layers."""
    faulty = Form(
        _deep(10, of(_convolutions, 6, 16), of(dense, 120), hidden),
        "categorical_crossentropy",
        keras.adam(1e-3),
        batch=32,
        epochs=epochs,
    )
    healthy = faulty.but(layers=_deep(10, of(_convolutions, 6, 16), of(dense, 120), mended))
    return Program(name, "A", causes, about.pop("rows"), faulty, healthy, **about)


def _sigmoids(name: str, depth: int, **about: Any) -> Program:
    hidden = of(dense, *[84] * depth, activation="sigmoid", weight_initializer=keras.HE_NORMAL)
    return _convolutional(name, hidden, of(normalised, *[84] * depth), VANISHING, 8, **about)


PROGRAMS = [
    _circle(8, "sigmoid", keras.HE_UNIFORM),
    _improper_output(),
    _oscillating(),
    *(_circle(depth, "sigmoid", "glorot_uniform") for depth in (11, 12, 13)),
    *(_circle(depth, "relu", keras.HE_UNIFORM) for depth in (15, 16, 17)),
    *(_blob(depth) for depth in (11, 12)),
    *(
        _sigmoids(f"AT-MNIST-lenet-sig{depth}", depth, rows=_mnist_images, mnist=True)
        for depth in (7, 8, 9)
    ),
    _sigmoids("AT-CIFAR-sig7", 7, rows=data.textures),
    _convolutional(
        "AT-CIFAR-ru20",
        of(dense, *[64] * 20, weight_initializer=keras.UNIFORM),
        of(dense, *[64] * 20, weight_initializer=keras.HE_UNIFORM),
        SMALL_START,
        20,
        rows=data.textures,
    ),
]
