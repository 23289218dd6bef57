"""Softmax of random logits, at the end of a model."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from vgcore.theory import gaussian
from vgcore.theory.signal import Signal

_STEP = 0.25  # of log s in the integral
_STEEP = 50.0  # standard deviation of logits from which softmax is all or nothing
_DIFFERENCE = 0.05  # of log q, over which the slope by q is taken


def of(name: str, signal: Signal, last: bool) -> Signal:
    """Probabilities of independent normal logits, at the end of a model."""
    if not last:
        raise NotImplementedError(f"{name}: theory has softmax at the end of a model alone")
    if not signal.normal:
        raise NotImplementedError(f"{name}: theory has softmax of normal logits alone")
    q = np.maximum(signal.square - signal.mean**2, 0)
    some = np.unique(np.quantile(q, [0.05, 0.25, 0.5, 0.75, 0.95]))
    square, above = (
        float(np.mean([_square(signal.units, math.sqrt(factor * each)) for each in some]))
        for factor in (1.0, math.exp(_DIFFERENCE))
    )
    return replace(
        signal,
        square=np.full(q.shape, square),
        mean=np.full(q.shape, 1 / signal.units),
        cross=None,
        loose=None,
        noise=math.log(above / square) / _DIFFERENCE * signal.noise,
        normal=False,
    )


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
