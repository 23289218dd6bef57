"""Networks and data that recipes are made of, for tests."""

import numpy as np

import vgcore as vg

CLASSES = "sparse_categorical_crossentropy"


def blobs(rows=120, features=4, classes=3, seed=0):
    """Points around the classes' own places."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % classes
    return rng.normal(size=(rows, features)) + 4 * rng.normal(size=(classes, features))[y], y


def deep(layers=6, units=5, activation="sigmoid", features=4, classes=3, **options):
    stack = [vg.Dense(units, activation) for _ in range(layers)]
    model = vg.Sequential([*stack, vg.Dense(classes, "softmax")], input_shape=features, seed=1)
    model.compile(CLASSES, vg.SGD(0.1), **options)
    return model


def sequences(rows=40, time=6, features=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, time, features))
    return x, (x[:, 0, 0] > 0).astype(int)


def recurrent(cell=vg.RNN, time=None, **options):
    model = vg.Sequential(
        [cell(8, **options), vg.Dense(2, "softmax")], input_shape=(time, 3), seed=1
    )
    model.compile(CLASSES, "adam")
    return model
