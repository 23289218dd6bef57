"""Deep networks of SELU and of ReLU, and how signals go through them, for `vgcore.experiments.selu`."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from vgcore.experiments.base import Meter
from vgcore.layers import Activation, Dense
from vgcore.model import Sequential
from vgcore.optimizers import SGD

Array = NDArray[np.float64]

FROM = (
    (-0.1, 0.8),
    (-0.1, 1.5),
    (0.1, 0.8),
    (0.1, 1.5),
    (1.0, 3.0),
    (0.0, 16.0),
    (0.1, 0.2),
    (0.0, 0.02),
)
"""Mean and variance that networks start from: theorem 1's corners, then two of theorem 2 and two of 3."""

NETWORKS = {"SELU": ("selu", "lecun_normal"), "ReLU": ("relu", "he_normal")}
EVERY, LOOKS = 100, 10  # of the 1,000 layers


@dataclass(frozen=True)
class Paths:
    """Mean and variance of inputs and of each layer's outputs, by `FROM`, (starts, layers + 1, 2)."""

    moments: Array


@dataclass(frozen=True)
class Deep:
    """Averages over the units of their means and standard deviations, every 100 layers, (2, draws, 10)."""

    moments: Array


def network(name: str, seed: list[int]) -> Sequential:
    """Géron's: 300 units, then 99 layers of 100, compiled to learn as in the notebook."""
    activation, start = NETWORKS[name]
    hidden = [Dense(n, activation, weight_initializer=start) for n in (300, *[100] * 99)]
    model = Sequential([*hidden, Dense(10, "softmax")], input_shape=784, seed=seed)
    model.compile("sparse_categorical_crossentropy", SGD(1e-3))
    return model


def selu(z: Array) -> Array:
    """SELU, as layers compute it."""
    model = Sequential([Activation("selu")], input_shape=1, dtype="float64")
    return np.asarray(model.predict(z.reshape(-1, 1))).reshape(z.shape)


def mapped(variance: float) -> tuple[float, float]:
    """Mean and variance of SELU's outputs for normal inputs of mean 0: the paper's map g."""
    z = np.linspace(-12, 12, 48_001)
    density = np.exp(-(z**2) / 2) / sqrt(2 * np.pi) * (z[1] - z[0])
    outputs = selu(sqrt(variance) * z)
    mean = float(density @ outputs)
    return mean, float(density @ outputs**2) - mean**2


def cosine(model: Sequential, x: NDArray[np.float32]) -> float:
    """The mean cosine between outputs of the last hidden layer of two different samples."""
    last = model.layers[-2].name
    assert last is not None
    h = np.asarray(model.internals(x, layers=last)[last].h, float)
    h /= np.linalg.norm(h, axis=1, keepdims=True)
    alike = h @ h.T
    return float((alike.sum() - np.trace(alike)) / (alike.size - len(alike)))


def paths(units: int, layers: int, seed: int, meter: Meter) -> Paths:
    moments = []
    for place, (mean, variance) in enumerate(FROM):
        hidden = [Dense(units, "selu", weight_initializer="lecun_normal") for _ in range(layers)]
        model = Sequential(hidden, input_shape=units, seed=[seed, 0, place])
        rng = np.random.default_rng([seed, 3, place])  # not what weights are drawn with
        h = rng.normal(mean, sqrt(variance), size=(100, units))
        inside = model.internals(h)
        signals = [h, *(each.h for each in inside.values())]
        moments.append([(np.mean(signal), np.var(signal)) for signal in signals])
        meter("starts", place + 1, len(FROM))
    return Paths(np.array(moments, float))


def deep(draws: int, seed: int, meter: Meter) -> Deep:
    moments = []
    for draw in range(draws):
        layers = [
            Dense(100, "selu", weight_initializer="lecun_normal", name=f"layer{place}")
            for place in range((LOOKS - 1) * EVERY + 1)
        ]
        model = Sequential(layers, input_shape=100, seed=[seed, 1, draw])
        x = np.random.default_rng([seed, 4, draw]).normal(size=(500, 100))
        wanted = [f"layer{place * EVERY}" for place in range(LOOKS)]
        inside = model.internals(x, layers=wanted)
        h = np.array([inside[name].h for name in wanted], float)
        moments.append((h.mean(axis=(1, 2)), h.std(axis=1).mean(axis=1)))
        meter("1,000 layers", draw + 1, draws)
    return Deep(np.transpose(moments, (1, 0, 2)))
