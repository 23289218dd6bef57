"""The largest curvature of a loss: what bounds a learning rate from above."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vgcore.model import Sequential

_TURNS = 12
_STEP = 1e-4


def sharpness(model: Sequential, x: NDArray[np.generic], y: NDArray[np.generic]) -> float:
    """The eigenvalue of the loss's Hessian that is largest in absolute value, by power iteration.

    Products with the Hessian are central differences of gradients, ``(g(w + e v) - g(w - e v)) / 2e``.
    The model's parameters are moved meanwhile, and are its own again in the end.

    Parameters
    ----------
    model : Sequential
        Compiled, of float64.
    x, y : ndarray
        As in `Sequential.fit`.

    Returns
    -------
    float
        NaN where a gradient is not finite.
    """
    session = model.session
    start = session.values.copy()
    direction = np.random.default_rng(0).normal(size=start.shape) * (start != 0)
    try:
        curvature = float("nan")
        for _ in range(_TURNS):
            norm = float(np.linalg.norm(direction))
            if not norm > 0 or not np.isfinite(norm):
                return norm
            direction /= norm
            slopes = []
            for sign in (1, -1):
                session.values[...] = start + sign * _STEP * direction
                model.gradients(x, y)
                slopes.append(session.gradients.copy())
            product = (slopes[0] - slopes[1]) / (2 * _STEP)
            curvature = float(direction @ product)
            direction = product
        return abs(curvature)
    finally:
        session.values[...] = start
