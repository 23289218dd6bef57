"""Table D: dense programs of deepmufl (Ghanbari et al. 2023, ASE); faults are inferred.

Data are scikit-learn's generators, as published. Smaller than published: 46869312 has 8000 rows of
125,000, and more epochs for that; 53749895 has 64 features of 179,776.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import vgcore as vg
from programs import data, keras
from programs.program import (
    Data,
    Form,
    Program,
    between_0_and_1,
    dense,
    of,
    split,
    stack,
    standardised,
)

Rng = np.random.Generator

ONE_SOFTMAX = frozenset({"output_activation"})
OUTPUT = frozenset({"output_activation", "targets_out_of_range", "loss_of_classes"})
NOT_YET = frozenset({"not_trained_long", "rate_too_low"})


def _cls(rows: int, features: int, number: int, **options: Any) -> Any:
    return lambda rng: data.classes(rng, rows, features, number, **options)


def _reg(rows: int, features: int, targets: int = 1) -> Any:
    return lambda rng: data.regression(rng, rows, features, targets)


def _sigmoid_of_five() -> Program:
    """Sigmoid outputs with the cross-entropy of classes."""
    hidden = [of(vg.Dense, 256, "relu"), of(vg.Dropout, 0.5)]
    faulty = Form(
        stack(*hidden, of(vg.Dense, 5, "sigmoid")),
        "categorical_crossentropy",
        keras.rmsprop(),
        epochs=50,
    )
    healthy = faulty.but(layers=stack(*hidden, of(vg.Dense, 5, "softmax")))
    return Program("41823068", "D", OUTPUT, _cls(1000, 10, 5), faulty, healthy)


def _sigmoid_of_many() -> Program:
    """The same with 122 classes, and weights that start small; mended, they start as Glorot has it."""
    faulty = Form(
        stack(
            of(dense, 50, 33, 33, 33, weight_initializer=keras.UNIFORM),
            of(vg.Dense, 122, "sigmoid", weight_initializer=keras.UNIFORM),
        ),
        "categorical_crossentropy",
        keras.adam(),
        batch=20,
        epochs=35,
    )
    healthy = faulty.but(
        layers=stack(of(dense, 50, 33, 33, 33), of(vg.Dense, 122, "softmax")),
    )
    causes = OUTPUT | {"small_weights", "vanishing_gradient", "collapsed_activations"}
    return Program(
        "42472447",
        "D",
        causes,
        lambda rng: data.clusters(rng, 2440, 33, 122, 0.4),
        faulty,
        healthy,
    )


def _scaled_regression(rng: Rng) -> Data:
    """Targets between -1 and 1."""
    found = data.regression(rng, 8000, 64)
    y = np.concatenate([found.y, found.held_y])
    y = 2 * (y - y.min()) / (y.max() - y.min()) - 1
    return split(np.concatenate([found.x, found.held_x]), y, "numbers")


def _regression_as_classes() -> Program:
    """Numbers between -1 and 1 taken for probabilities."""
    faulty = Form(
        stack(of(dense, 64, 32), of(vg.Dense, 1, "sigmoid")),
        "binary_crossentropy",
        keras.adam(),
        batch=200,
        epochs=60,
    )
    healthy = faulty.but(layers=stack(of(dense, 64, 32), of(vg.Dense, 1)), loss="mse")
    causes = frozenset({"targets_out_of_range", "output_activation", "loss_of_classes"})
    return Program("46869312", "D", causes, _scaled_regression, faulty, healthy)


def _sine(rng: Rng) -> Data:
    x = rng.uniform(0, 2 * np.pi, (5000, 1))
    return split(x, np.sin(x), "numbers")


def _sine_by_sigmoids() -> Program:
    """Three layers of sigmoids that start small, and SGD for two epochs."""
    faulty = Form(
        stack(
            of(dense, 20, 20, 20, activation="sigmoid", weight_initializer=keras.UNIFORM),
            of(vg.Dense, 1, weight_initializer=keras.UNIFORM),
        ),
        "mse",
        keras.sgd(0.01),
        epochs=2,
        scale_x=between_0_and_1,
        scale_y=between_0_and_1,
    )
    healthy = faulty.but(
        layers=stack(of(dense, 20, 20, 20, activation="tanh"), of(vg.Dense, 1)),
        optimizer=keras.adam(0.003),
        epochs=20,
        scale_x=standardised,
        scale_y=standardised,
    )
    causes = NOT_YET | {"vanishing_gradient", "collapsed_activations", "small_weights"}
    return Program("49583466", "D", causes, _sine, faulty, healthy)


def _relu_output() -> Program:
    """A relu in front of binary cross-entropy."""
    hidden = of(dense, 512, 200, 200, 200, 128)
    faulty = Form(
        stack(hidden, of(vg.Dense, 1, "relu")),
        "binary_crossentropy",
        keras.rmsprop(),
        batch=200,
        epochs=2,
        targets="column",
    )
    healthy = faulty.but(layers=stack(hidden, of(vg.Dense, 1, "sigmoid")), epochs=10)
    causes = OUTPUT | {"not_trained_long"}
    return Program("51185079", "D", causes, _cls(1000, 34, 2), faulty, healthy)


def _softmax_of_numbers() -> Program:
    """Regression by a softmax."""
    faulty = Form(
        stack(of(dense, 32), of(vg.Dense, 3, "softmax")),
        "mse",
        keras.nesterov(0.01, 0.9),
        epochs=20,
    )
    healthy = faulty.but(
        layers=stack(of(dense, 32), of(vg.Dense, 3)), scale_y=standardised, epochs=40
    )
    return Program(
        "53749895",
        "D",
        OUTPUT | {"targets_out_of_scale", "dead_layer"},
        _reg(1000, 64, 3),
        faulty,
        healthy,
    )


def _halves(rng: Rng) -> Data:
    x = np.array([[0.4], [0.5], [1], [5], [25]])
    return split(x, x / 2, "numbers")


def _one_unit() -> Program:
    """Y = x / 2 through one relu, which is dead in many runs, and for ten steps only."""
    faulty = Form(stack(of(dense, 1, 9), of(vg.Dense, 1, "relu")), "mse", keras.adam(), epochs=10)
    healthy = faulty.but(
        layers=stack(of(dense, 16, 9), of(vg.Dense, 1)), optimizer=keras.adam(0.01), epochs=500
    )
    causes = NOT_YET | {"dead_layer", "dead_units", "bottleneck", "output_activation"}
    return Program("56452176", "D", causes, _halves, faulty, healthy)


def _one_softmax(
    name: str, rows: Any, hidden: Any, optimizer: Any, batch: int, epochs: int, **scaled: Any
) -> Program:
    """A softmax over one unit, which is always 1; mended, a sigmoid."""
    faulty = Form(
        stack(*hidden, of(vg.Dense, 1, "softmax")),
        "binary_crossentropy",
        optimizer,
        batch=batch,
        epochs=epochs,
        targets="column",
    )
    healthy = faulty.but(layers=stack(*hidden, of(vg.Dense, 1, "sigmoid")), **scaled)
    return Program(name, "D", ONE_SOFTMAX, rows, faulty, healthy)


def _squares(rng: Rng) -> Data:
    """x^2, for each of ten outputs, as Keras repeats a column of targets."""
    x = rng.uniform(0, 10, (1000, 1))
    return split(x, np.repeat(x**2, 10, axis=1), "numbers")


def _softmax_of_squares() -> Program:
    """x^2 by a softmax over ten units."""
    hidden = [of(vg.Dense, 128, "relu"), of(vg.Dropout, 0.2)]
    faulty = Form(stack(*hidden, of(vg.Dense, 10, "softmax")), "mse", keras.adam(), epochs=5)
    healthy = faulty.but(
        layers=stack(of(vg.Dense, 128, "relu"), of(vg.Dense, 10)),
        scale_x=standardised,
        scale_y=standardised,
        epochs=20,
    )
    return Program("59078187", "D", OUTPUT | {"targets_out_of_scale"}, _squares, faulty, healthy)


def _softmax_of_four() -> Program:
    """Four numbers by a softmax, behind sigmoids."""
    hidden = [of(dense, 32, 20, 15, activation="sigmoid"), of(vg.Dropout, 0.1)]
    faulty = Form(
        stack(*hidden, of(vg.Dense, 4, "softmax")),
        "mse",
        keras.nesterov(0.01, 0.87),
        batch=1,
        epochs=100,
        scale_x=standardised,
    )
    healthy = faulty.but(layers=stack(*hidden, of(vg.Dense, 4)), scale_y=standardised)
    return Program(
        "60766775", "D", OUTPUT | {"targets_out_of_scale"}, _reg(1000, 8, 4), faulty, healthy
    )


def _deep_iris() -> Program:
    """Seven layers of tanh for one epoch, which is four steps."""
    faulty = Form(
        stack(
            of(dense, 1000, 500, 250, 125, 64, 32, 9, activation="tanh"),
            of(vg.Dense, 3, "softmax"),
        ),
        "categorical_crossentropy",
        keras.adam(),
        epochs=1,
    )
    healthy = faulty.but(epochs=40, scale_x=standardised)
    causes = NOT_YET | {"too_deep"}
    return Program("61234347", "D", causes, lambda rng: data.known(rng, "iris"), faulty, healthy)


def _and(rng: Rng) -> Data:
    x = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    return split(x, x.all(axis=1).astype(int))


def _linear_probability() -> Program:
    """Binary cross-entropy of an output without sigmoid; vgcore takes it for logits, Keras does not."""
    faulty = Form(
        stack(of(dense, 2, 128), of(vg.Dense, 1)),
        keras.BINARY,
        keras.adam(),
        epochs=1000,
        targets="column",
    )
    healthy = faulty.but(
        layers=stack(of(dense, 8, 128), of(vg.Dense, 1, "sigmoid")), loss="binary_crossentropy"
    )
    return Program("64395424", "D", OUTPUT | {"dead_units", "bottleneck"}, _and, faulty, healthy)


def _one_relu() -> Program:
    """A bottleneck of one relu, and a relu in front of binary cross-entropy."""
    faulty = Form(
        stack(of(dense, 31, 1), of(vg.Dense, 1, "relu")),
        "binary_crossentropy",
        keras.sgd(0.01),
        batch=500,
        epochs=10,
        targets="column",
    )
    healthy = faulty.but(
        layers=stack(of(dense, 31), of(vg.Dense, 1, "sigmoid")),
        optimizer=keras.sgd(0.1),
        batch=32,
        epochs=30,
    )
    causes = OUTPUT | NOT_YET | {"bottleneck"}
    return Program("69787272", "D", causes, _cls(1000, 31, 2), faulty, healthy)


PROGRAMS = [
    _sigmoid_of_five(),
    _sigmoid_of_many(),
    _regression_as_classes(),
    _sine_by_sigmoids(),
    _relu_output(),
    _softmax_of_numbers(),
    _one_unit(),
    _one_softmax(
        "57397440",
        lambda rng: data.known(rng, "breast_cancer"),
        [
            of(vg.Dense, 30, "relu"),
            of(keras.batch_norm),
            of(vg.Dense, 60, "relu"),
            of(keras.batch_norm),
        ],
        keras.adam(),
        batch=32,
        epochs=6,
        scale_x=standardised,
    ),
    _one_softmax(
        "58055105",
        _cls(1000, 22, 2),
        [of(vg.Dense, 48, "relu"), of(vg.Dropout, 0.5)],
        keras.adam(1e-4),
        batch=5,
        epochs=20,
    ),
    _softmax_of_squares(),
    _softmax_of_four(),
    _deep_iris(),
    _linear_probability(),
    _one_softmax(
        "66407123", _cls(1000, 5, 2), [of(dense, 32, 32)], keras.sgd(0.01), batch=64, epochs=100
    ),
    _one_relu(),
]
