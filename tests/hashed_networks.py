"""Trains networks of every kind for a few steps, and prints a hash of what each has become as JSON."""

import hashlib
import json

import numpy as np

import vgcore as vg

RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(50, 64)), RNG.integers(10, size=50)
IMAGES, SEQUENCES = RNG.normal(size=(50, 2, 9, 9)), RNG.normal(size=(50, 20, 3))
TARGETS, LENGTHS = RNG.normal(size=(50, 1)), RNG.integers(1, 21, size=50)
FORMULA = "z * sigmoid(1.5 * z) + 0.1 * erf(sin(z))"


def dense(activation, units=30):
    return [vg.Dense(units, activation) for _ in range(3)]


# An orthogonal start is LAPACK's, whose last digits are not the same everywhere
START = {"recurrent_initializer": "xavier_uniform"}


def cells(cell):
    return [cell(17, return_sequences=True, **START), cell(9, **START)]


def norms():
    hidden = [
        vg.Dense(30),
        vg.BatchNorm(),
        vg.Dense(33, "relu"),
        vg.LayerNorm(),
        vg.Dense(24, "gelu"),
    ]
    return [*hidden, vg.RMSNorm(), vg.GaussianNoise(0.1), vg.Dropout(0.3)]


def blocks():
    return [
        vg.Residual([vg.Dense(64, "relu"), vg.Dense(64)]),
        vg.Highway("tanh"),
        vg.Dense(20),
        vg.PReLU(),
    ]


def convolutions():
    return [vg.Conv2d(6, 3, "relu"), vg.GroupNorm(3), vg.MaxPool(2), vg.Conv2d(9, 2), vg.Flatten()]


NETWORKS = {
    **{
        name: (lambda name=name: dense(name))
        for name in ("sigmoid", "tanh", "relu", "softplus", "selu")
    },
    "formula": lambda: dense(vg.activations.formula(FORMULA)),
    "wide": lambda: dense("relu", 300),
    "norms": norms,
    "blocks": blocks,
    "convolutions": convolutions,
    **{cell.__name__: (lambda cell=cell: cells(cell)) for cell in (vg.RNN, vg.LSTM, vg.GRU)},
    "both ways": lambda: [vg.Bidirectional(vg.LSTM(9, **START))],
}
RECURRENT = {"RNN", "LSTM", "GRU", "both ways"}
OPTIMIZERS = {"sgd": lambda: vg.SGD(0.05, momentum=0.9), "adam": lambda: vg.Adam(1e-2)}


def trained(name, optimizer, dtype):
    """A hash of parameters, the optimizer's state and the record."""
    x, y, given = SEQUENCES, TARGETS, {"lengths": LENGTHS}
    end, loss = vg.Dense(1), "mse"
    if name not in RECURRENT:
        x, y, given = IMAGES if name == "convolutions" else X, LABELS, {}
        end, loss = vg.Dense(10, "softmax"), "sparse_categorical_crossentropy"
    shape = (None, x.shape[2]) if name in RECURRENT else x.shape[1:]
    model = vg.Sequential([*NETWORKS[name](), end], input_shape=shape, dtype=dtype, seed=1)
    model.compile(loss, OPTIMIZERS[optimizer](), clip_norm=1.0)
    flow = vg.GradientFlow(distributions=True)
    model.fit(x, y, epochs=3, batch_size=8, track=flow, verbose=0, **given)
    seen = hashlib.sha256()
    for vector in (*model.session.vectors().values(), flow.loss, flow.delta, *flow.time.values()):
        seen.update(vector.tobytes())
    return seen.hexdigest()


def hashes(names, dtypes=("float32", "float64")):
    return {
        f"{name}, {optimizer}, {dtype}": trained(name, optimizer, dtype)
        for name in names
        for optimizer in OPTIMIZERS
        for dtype in dtypes
    }


if __name__ == "__main__":
    one = hashes(NETWORKS)
    vg.set_num_threads(8)
    eight = {f"{name}, 8 threads": value for name, value in hashes(["wide", "LSTM"]).items()}
    print(json.dumps({"level": vg.cpu_level, **one, **eight}))
