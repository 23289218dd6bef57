"""Softmax of random logits, at the end of a model."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore.theory import gaussian
from vgcore.theory.signal import Course, Signal, total

Array = NDArray[Any]

_STEP = 0.25  # of log s in the integral
_STEEP = 50.0  # standard deviation of logits from which softmax is all or nothing
_DIFFERENCE = 0.05  # of log q, over which the slope by q is taken
_DRAWS, _ROWS = 200, 64  # of logits, where what their softmax has in common is drawn


def of(course: Course, name: str, signal: Signal, last: bool) -> Signal:
    """Probabilities of independent normal logits, at the end of a model."""
    if not last:
        raise NotImplementedError(f"{name}: theory has softmax at the end of a model alone")
    if not signal.normal:
        raise NotImplementedError(f"{name}: theory has softmax of normal logits alone")
    course.logits = signal
    q = np.maximum(signal.square - signal.mean**2, 0)
    some = np.unique(np.quantile(q, [0.05, 0.25, 0.5, 0.75, 0.95]))
    square, above = (
        float(np.mean([_square(signal.units, math.sqrt(factor * each)) for each in some]))
        for factor in (1.0, math.exp(_DIFFERENCE))
    )
    elasticity = math.log(above / square) / _DIFFERENCE
    return replace(
        signal,
        square=np.full(q.shape, square),
        mean=np.full(q.shape, 1 / signal.units),
        cross=None,
        loose=None,
        noise=total(elasticity * signal.noise, course.source(_chance(signal, q, elasticity))),
        drift=np.zeros(0),
        normal=False,
    )


def draw(signal: Signal, rng: np.random.Generator) -> Array:
    """Logits (draws, rows, units) that have in common what they should, of the samples that are followed."""
    q = np.maximum(signal.square - signal.mean**2, 0)
    if signal.cross is None:
        some = np.quantile(q, np.linspace(0.05, 0.95, _ROWS))
        root: Array = np.sqrt(some)[:, np.newaxis]
        return root * rng.standard_normal((_DRAWS, 1, signal.units))
    shape = signal.cross.shape
    few = min(len(signal.cross), max(_ROWS // shape[1], 1))
    rows = few * shape[1]
    mean = signal.mean[:few].ravel()
    pairs = signal.cross[:few, :, :few].reshape(rows, rows) - np.multiply.outer(mean, mean)
    values, vectors = np.linalg.eigh(pairs)
    root = vectors * np.sqrt(np.maximum(values, 0))
    found: Array = root @ rng.standard_normal((_DRAWS, rows, signal.units))
    return found


def probabilities(logits: Array) -> Array:
    """Softmax over the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    found: Array = raised / raised.sum(axis=-1, keepdims=True)
    return found


def alike(logits: Signal) -> tuple[float, float]:
    """What gradients of the cross-entropy of random labels have in common, sample with sample.

    E a·b and E (a·b)² of two, over E a·a and its square.
    """
    rng = np.random.default_rng(0)
    p = probabilities(draw(logits, rng))
    gradient = p - np.eye(logits.units)[rng.integers(0, logits.units, p.shape[:2])]
    pairs = gradient @ gradient.swapaxes(1, 2)
    size = float(np.einsum("daa->", pairs)) / pairs.shape[0] / pairs.shape[1]
    apart = ~np.eye(pairs.shape[1], dtype=bool)
    return float(pairs[:, apart].mean() / size), float((pairs[:, apart] ** 2).mean() / size**2)


def _chance(signal: Signal, q: Array, elasticity: float) -> float:
    """Relative variance of the mean of p² over a batch, but for that of logits' squares."""
    if not np.isfinite(signal.square).all() or (
        signal.cross is not None and not np.isfinite(signal.cross).all()
    ):
        return 0.0
    logits = draw(signal, np.random.default_rng(0))
    squares = (logits**2).mean(axis=(1, 2))
    if (squares == 0).any():
        return 0.0
    off = np.log((probabilities(logits) ** 2).mean(axis=(1, 2))) - elasticity * np.log(squares)
    return float(np.expm1(off.var()))


@lru_cache(maxsize=256)
def _square(units: int, scale: float) -> float:
    """E p² = ∫ s E[e^2z e^(-s e^z)] (E e^(-s e^z))^(units - 1) ds, from 1 / x² = ∫ s e^(-s x) ds."""
    if scale > _STEEP:
        return 1 / units
    z, weight = gaussian.nodes((0.0,))
    log_s = np.arange(-10 * scale - 20, 10 * scale + 6, _STEP)
    found = 0.0
    for some in np.array_split(log_s, 8):
        with np.errstate(under="ignore"):
            w = np.exp(np.add.outer(some, scale * z))
            fade = np.exp(-w)
            found += float(((w**2 * fade) @ weight * (fade @ weight) ** (units - 1)).sum())
    return found * _STEP
