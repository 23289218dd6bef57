"""What Keras does where nothing is said: optimizers, starts, and cross-entropies of probabilities.

Chollet et al., Keras 2 (keras/backend, `binary_crossentropy` and `categorical_crossentropy`):
probabilities are cut to [1e-7, 1 - 1e-7], and those of classes are first divided by their sum, whatever
the output layer is. Where that cuts, there is no gradient. Where the sum is 0, Keras's loss is NaN and
so are all weights from then on; here it is infinite, to the same effect.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import vgcore as vg

Array = NDArray[Any]

EPSILON = 1e-7
UNIFORM = vg.initializers.Uniform(-0.05, 0.05)
NORMAL = vg.initializers.Normal(0, 0.05)
HE_UNIFORM = vg.initializers.VarianceScaling(2**0.5, "fan_in", "uniform")
HE_NORMAL = vg.initializers.VarianceScaling(2**0.5, "fan_in", "normal")


def adam(rate: float = 0.001, **options: Any) -> vg.Adam:
    """Adam."""
    return vg.Adam(rate, **{"epsilon": EPSILON, **options})


def rmsprop(rate: float = 0.001) -> vg.RMSProp:
    """RMSprop."""
    return vg.RMSProp(rate, alpha=0.9, epsilon=EPSILON)


def sgd(rate: float = 0.01) -> vg.SGD:
    """Plain gradient descent."""
    return vg.SGD(rate)


def nesterov(rate: float, momentum: float) -> vg.Nesterov:
    """SGD with Nesterov's momentum."""
    return vg.Nesterov(rate, momentum)


def batch_norm(activation: str | None = None) -> vg.BatchNorm:
    """Batch normalization, but for its momentum: runs here are too short for 0.99."""
    return vg.BatchNorm(activation, momentum=0.1, epsilon=1e-3)


def _cut(p: Array) -> tuple[Array, Array]:
    """Probabilities within bounds, and where they lay there."""
    return np.clip(p, EPSILON, 1 - EPSILON), (p >= EPSILON) & (p <= 1 - EPSILON)


def binary(y: Array, h: Array) -> tuple[Array, Array]:
    """Cross-entropy of probabilities, a mean over outputs, and its slope; a function for `Custom`."""
    p, inside = _cut(h.astype(float))
    y = y.reshape(h.shape)
    losses = -(y * np.log(p) + (1 - y) * np.log(1 - p))
    slopes = ((1 - y) / (1 - p) - y / p) * inside
    return losses.mean(axis=1), (slopes / h.shape[1]).astype(h.dtype)


def categorical(y: Array, h: Array) -> tuple[Array, Array]:
    """Cross-entropy of shares of classes, and its slope; a function for `Custom`."""
    total = h.sum(axis=1, keepdims=True, dtype=float)
    share = np.divide(h, total, out=np.zeros(h.shape), where=total != 0)
    p, inside = _cut(share)
    slopes = -y / p * inside
    slopes -= (slopes * share).sum(axis=1, keepdims=True)
    broken = total[:, 0] == 0
    slopes = np.divide(slopes, total, out=np.full(h.shape, np.inf), where=total != 0)
    losses = np.where(broken, np.inf, -(y * np.log(p)).sum(axis=1))
    return losses, slopes.astype(h.dtype)


BINARY = vg.losses.Custom(binary)
CATEGORICAL = vg.losses.Custom(categorical)
LOSSES: dict[Any, vg.losses.Custom] = {
    "binary_crossentropy": BINARY,
    "categorical_crossentropy": CATEGORICAL,
}
"""Keras's, by the names that vgcore and Keras share."""
