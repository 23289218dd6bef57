"""Networks that have one illness each, and twins that have not: (model, x, y) or (model, x, y, lengths)."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

import vgcore as vg
from vgcore.initializers import Normal

X, Y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)[:800]
Y = Y[:800]
ONE_HOT = np.eye(10, dtype=np.float32)[Y]
CLASSES = "sparse_categorical_crossentropy"
rng = np.random.default_rng(0)
NUMBERS = rng.normal(size=(400, 6)).astype(np.float32)
PRODUCT = (NUMBERS[:, :1] * NUMBERS[:, 1:2] + NUMBERS[:, 2:3]).astype(np.float32)


def model(layers, optimizer="adam", loss=CLASSES, shape=64, **options):
    made = vg.Sequential(layers, input_shape=shape, seed=1, **options)
    made.compile(loss, optimizer)
    return made


def dense(activation="relu", *, depth=2, output="softmax", outputs=10, optimizer="adam", **given):
    compiled = {name: given.pop(name) for name in ("loss", "shape") if name in given}
    hidden = [vg.Dense(32, activation, **given) for _ in range(depth)]
    return model([*hidden, vg.Dense(outputs, output)], optimizer, **compiled)


def regression(output="identity", **options):
    return dense(output=output, outputs=1, loss="mse", shape=6, **options)


def sequences(length=30, shift=0.0):
    """Sequences of two features whose class is that of the first step."""
    draw = np.random.default_rng(2)
    x = draw.normal(size=(400, length, 2)).astype(np.float32) + np.float32(shift)
    y = draw.integers(2, size=400)
    x[:, 0, 0] = np.where(y, 2, -2)
    return x, y


def recurrent(cell, x, **options):
    return model([cell, vg.Dense(2, "softmax")], vg.Adam(0.01), shape=(None, x.shape[2]), **options)


def vanishing():
    return dense("sigmoid", depth=10, optimizer=vg.SGD(0.1)), X, Y


def exploding():
    return dense("tanh", depth=12, optimizer=vg.SGD(0.01), weight_initializer=Normal(0, 0.5)), X, Y


def through_time(cell, length=60):
    x, y = sequences(length)
    return recurrent(cell, x), x, y
