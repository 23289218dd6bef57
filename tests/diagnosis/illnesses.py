"""Networks that have one illness each, and twins that have not: (model, x, y) or (model, x, y, lengths)."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

import vgcore as vg
from vgcore.initializers import Constant, Normal

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


def fitted(made, x, y, **options):
    """The model, trained."""
    made.fit(x, y, verbose=0, **options)
    return made, x, y


def deep_relu(std, **options):
    start = Normal(0, std * np.sqrt(2 / 32))
    return dense(depth=14, weight_initializer=start, **options), X, Y


def padded(lengths):
    """Sequences of 40 timesteps whose class is said in the last of the first ten; zeros behind."""
    x = np.zeros((400, 40, 2), np.float32)
    draw = np.random.default_rng(3)
    ends = draw.integers(8, 12, 400)
    y = draw.integers(2, size=400)
    for row, (end, label) in enumerate(zip(ends, y, strict=True)):
        x[row, :end] = draw.normal(size=(end, 2))
        x[row, end - 1, 0] = 2 if label else -2
    network = recurrent(vg.RNN(16, weight_initializer=Normal(0, 0.3)), x)
    return (network, x, y, ends) if lengths else (network, x, y)


def gated(bias):
    x, y = sequences(12)
    cell = vg.LSTM(16, bias_initializer=Constant(bias))
    return model([cell, vg.Dense(2, "softmax")], vg.SGD(0.05), shape=(None, 2)), x, y


def stateful(ordered):
    """A slow sine cut into rows of eight timesteps; row i goes on in row i + 20."""
    wave = np.sin(np.arange(20)[:, None] + np.arange(20 * 8) / 8).astype(np.float32)
    x = wave.reshape(20, 20, 8).transpose(1, 0, 2).reshape(400, 8, 1)
    y = np.roll(wave, -1, axis=1).reshape(20, 20, 8).transpose(1, 0, 2).reshape(400, 8, 1)
    if not ordered:
        order = np.random.default_rng(4).permutation(400)
        x, y = x[order], y[order]
    made = model(
        [vg.RNN(8, return_sequences=True, stateful=True), vg.Dense(1)],
        vg.SGD(1e-4),
        "mse",
        (None, 1),
    )
    return fitted(made, x, y, batch_size=20, shuffle=False)


def deaf():
    x, y = sequences(8)
    cell = vg.RNN(16, weight_initializer=Normal(0, 3e-4), bias_initializer=Normal(0, 0.5))
    return model([cell, vg.Dense(2, "softmax")], vg.SGD(1e-5), shape=(None, 2)), x, y


def unequal():
    made = dense(optimizer=vg.SGD(0.1))
    made.compile(CLASSES, vg.SGD(1e-3), learning_rates={"dense3": 1e5, "dense1": 1e-3})
    return made, X, Y


def noisy(count=400):
    draw = np.random.default_rng(6)
    return draw.normal(size=(count, 20)).astype(np.float32), draw.integers(2, size=count)


def by_heart():
    x, y = noisy(200)
    made = model([vg.Dense(128, "relu"), vg.Dense(2, "softmax")], vg.Adam(0.01), shape=20)
    return fitted(made, x, y, validation_split=0.3, epochs=30)


def wide_range(sizes, **options):
    return dense(optimizer=vg.SGD(0.05), **options), X * np.asarray(sizes, np.float32), Y


CASES = {
    "vanishing_gradient": (vanishing, lambda: (dense(depth=4), X, Y)),
    "exploding_gradient": (
        lambda: deep_relu(2.9, optimizer=vg.SGD(1e-9)),
        lambda: deep_relu(1.0),
    ),
    "vanishing_through_time": (
        lambda: through_time(vg.RNN(16, recurrent_initializer=Normal(0, 0.1)), 30),
        lambda: through_time(vg.GRU(16), 20),
    ),
    "exploding_through_time": (
        lambda: through_time(vg.RNN(16, "relu", recurrent_initializer=Normal(0, 0.6)), 30),
        lambda: through_time(vg.GRU(16), 20),
    ),
    "unequal_layers": (unequal, lambda: (dense(), X, Y)),
    "dead_layer": (
        lambda: (dense(bias_initializer=Constant(-10)), X, Y),
        lambda: (dense(), X, Y),
    ),
    "dead_units": (
        lambda: (dense(bias_initializer=Normal(-3, 1.5), optimizer=vg.SGD(1e-2)), X, Y),
        lambda: (dense(), X, Y),
    ),
    "saturated_units": (
        lambda: (dense("tanh", bias_initializer=Normal(0, 20), optimizer=vg.SGD(1e-2)), X, Y),
        lambda: (dense("tanh"), X, Y),
    ),
    "collapsed_activations": (
        lambda: (dense("sigmoid", depth=5, optimizer=vg.SGD(0.01)), X, Y),
        lambda: (dense("tanh", depth=5), X, Y),
    ),
    "symmetric_units": (
        lambda: (dense(weight_initializer=Constant(0.05)), X, Y),
        lambda: (dense(), X, Y),
    ),
    "small_weights": (
        lambda: (dense(weight_initializer=Normal(0, 0.002), optimizer=vg.SGD(0.1)), X, Y),
        lambda: (dense(weight_initializer="he_normal", optimizer=vg.SGD(0.1)), X, Y),
    ),
    "large_weights": (
        lambda: (dense("tanh", weight_initializer=Normal(0, 3.0), optimizer=vg.SGD(0.01)), X, Y),
        lambda: (dense("tanh"), X, Y),
    ),
    "loss_far_from_chance": (
        lambda: (
            model([vg.Dense(10, "softmax", weight_initializer=Normal(0, 20))], vg.SGD(1e-3)), X, Y,
        ),
        lambda: (model([vg.Dense(10, "softmax")]), X, Y),
    ),
    "bottleneck": (
        lambda: (model([vg.Dense(1, "relu"), vg.Dense(32, "relu"), vg.Dense(10, "softmax")]), X, Y),
        lambda: (model([vg.Dense(16, "relu"), vg.Dense(32, "relu"), vg.Dense(10, "softmax")]), X, Y),
    ),
    "too_deep": (
        lambda: (dense(depth=12), X, Y),
        lambda: (
            model(
                [vg.Dense(32), *(vg.Residual([vg.Dense(32, "relu")]) for _ in range(12)),
                 vg.Dense(10, "softmax")]
            ), X, Y,
        ),
    ),
    "linear_network": (
        lambda: (
            dense(None, shape=6, outputs=2), NUMBERS, (NUMBERS[:, 0] * NUMBERS[:, 1] > 0).astype(int),
        ),
        lambda: (
            dense(shape=6, outputs=2), NUMBERS, (NUMBERS[:, 0] * NUMBERS[:, 1] > 0).astype(int),
        ),
    ),
    "rate_too_high": (
        lambda: (dense(optimizer=vg.Adam(0.5)), X, Y),
        lambda: (dense(optimizer=vg.Adam(0.001)), X, Y),
    ),
    "rate_too_low": (
        lambda: (dense(optimizer=vg.SGD(1e-5)), X, Y),
        lambda: (dense(optimizer=vg.SGD(0.1)), X, Y),
    ),
    "rising_loss": (
        lambda: (dense("tanh", optimizer=vg.SGD(8.0)), X, Y),
        lambda: (dense("tanh", optimizer=vg.SGD(0.1)), X, Y),
    ),
    "flat_loss": (
        lambda: (dense(optimizer=vg.SGD(1e-6)), X, Y),
        lambda: (dense(optimizer=vg.SGD(0.1)), X, Y),
    ),
    "oscillating_loss": (
        lambda: (dense("tanh", optimizer=vg.Momentum(3.0)), X, Y),
        lambda: (dense("tanh"), X, Y),
    ),
    "beyond_stability": (
        lambda: (regression(optimizer=vg.SGD(1.0)), NUMBERS * 2, PRODUCT),
        lambda: (regression(optimizer=vg.SGD(0.02)), NUMBERS, PRODUCT),
    ),
    "momentum_out_of_range": (
        lambda: (dense(optimizer=vg.Momentum(0.1, momentum=0.999)), X, Y),
        lambda: (dense(optimizer=vg.Momentum(0.1, momentum=0.9)), X, Y),
    ),
    "decay_too_strong": (
        lambda: (dense(optimizer=vg.SGD(0.1, weight_decay=1.0)), X, Y),
        lambda: (dense(optimizer=vg.SGD(0.1, weight_decay=1e-4)), X, Y),
    ),
    "epsilon_out_of_range": (
        lambda: (dense(optimizer=vg.Adam(1e-3, epsilon=100.0)), X, Y),
        lambda: (dense(optimizer=vg.Adam(1e-3, epsilon=1e-7)), X, Y),
    ),
    "inputs_out_of_scale": (
        lambda: (dense(optimizer=vg.SGD(0.1)), X * 255, Y),
        lambda: (dense(optimizer=vg.SGD(0.1)), X, Y),
    ),
    "inputs_of_unequal_scale": (
        lambda: wide_range(np.where(np.arange(64) % 8 == 3, 5, 1e-3)),
        lambda: wide_range(np.ones(64)),
    ),
    "constant_inputs": (lambda: (dense(), X * 0 + 1, Y), lambda: (dense(), X, Y)),
    "targets_out_of_scale": (
        lambda: (regression(optimizer=vg.SGD(0.01)), NUMBERS, PRODUCT * 1000),
        lambda: (regression(optimizer=vg.SGD(0.05)), NUMBERS, PRODUCT),
    ),
    "unbalanced_classes": (
        lambda: (
            dense(shape=20, outputs=2), noisy()[0], (np.arange(400) % 20 == 0).astype(int),
        ),
        lambda: (dense(), X, Y),
    ),
    "labels_off_by_one": (lambda: (dense(outputs=11), X, Y + 1), lambda: (dense(), X, Y)),
    "targets_out_of_range": (
        lambda: (regression("tanh"), NUMBERS, PRODUCT + 8),
        lambda: (regression(), NUMBERS, PRODUCT),
    ),
    "output_activation": (
        lambda: (dense("sigmoid", output="sigmoid", loss="mse", optimizer=vg.SGD(0.1)), X, ONE_HOT),
        lambda: (dense(loss="categorical_crossentropy"), X, ONE_HOT),
    ),
    "loss_of_classes": (
        lambda: (dense(output="identity", outputs=1, loss="mse"), X, Y[:, None].astype(np.float32)),
        lambda: (dense(), X, Y),
    ),
    "hidden_softmax": (lambda: (dense("softmax"), X, Y), lambda: (dense("tanh"), X, Y)),
    "one_step_sequences": (
        lambda: (model([vg.LSTM(4), vg.Dense(10, "softmax")], shape=(1, 64)), X[:, None], Y),
        lambda: (
            model([vg.GRU(32), vg.Dense(10, "softmax")], vg.Adam(0.01), shape=(8, 8)),
            X.reshape(-1, 8, 8), Y,
        ),
    ),
    "padding_without_lengths": (lambda: padded(False), lambda: padded(True)),
    "recurrence_repeats_bias": (
        deaf,
        lambda: (recurrent(vg.RNN(16), sequences(8)[0]), *sequences(8)),
    ),
    "gates_shut": (lambda: gated(-6.0), lambda: gated(0.0)),
    "stateful_shuffled": (lambda: stateful(False), lambda: stateful(True)),
    "not_finite": (
        lambda: (regression("relu", optimizer=vg.SGD(1e20)), NUMBERS, PRODUCT),
        lambda: (regression(), NUMBERS, PRODUCT),
    ),
    "too_much_dropout": (
        lambda: (
            model([vg.Dropout(0.8), vg.Dense(32, "relu"), vg.Dropout(0.8), vg.Dense(10, "softmax")]), X, Y,
        ),
        lambda: (model([vg.Dense(32, "relu"), vg.Dropout(0.2), vg.Dense(10, "softmax")]), X, Y),
    ),
    "small_batch_norm": (
        lambda: fitted(
            model([vg.Dense(8, "relu"), vg.BatchNorm(), vg.Dense(2, "softmax")], shape=20),
            *noisy(), batch_size=2,
        ),
        lambda: fitted(
            model([vg.Dense(8, "relu"), vg.BatchNorm(), vg.Dense(2, "softmax")], shape=20), *noisy()
        ),
    ),
    "learns_little": (
        lambda: (
            model([vg.Dense(3, "tanh"), vg.Dense(10, "softmax")], vg.Adam(0.003)), X, Y,
        ),
        lambda: (dense(), X, Y),
    ),
    "constant_targets": (
        lambda: (regression(), NUMBERS, np.full((400, 1), 3.0)),
        lambda: (regression(), NUMBERS, PRODUCT),
    ),
    "nothing_to_learn": (
        lambda: (dense(), X, np.random.default_rng(0).permutation(Y)),
        lambda: (dense(), X, Y),
    ),
    "overfitting": (by_heart, lambda: fitted(dense(), X, Y, validation_split=0.2, epochs=10)),
    "not_trained_long": (
        lambda: fitted(dense(), X, Y, epochs=4),
        lambda: fitted(dense(optimizer=vg.Adam(0.01)), X, Y, epochs=60),
    ),
}  # fmt: skip
"""By symptom: a network that has it, and one that has not."""
