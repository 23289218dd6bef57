"""The largest curvature of a loss: what bounds a learning rate from above."""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import NDArray

from vgcore.diagnosis.network import leaves
from vgcore.model import Sequential

_TURNS = 12
_NEAR = 0.01  # of itself, by which it changes when it is known well enough
_STEP = 1e-4
_OFF = 0.01  # standard deviation of biases in place of 0


def sharpness(
    model: Sequential,
    x: NDArray[np.generic],
    y: NDArray[np.generic],
    seconds: float = math.inf,
) -> float:
    """The eigenvalue of the loss's Hessian that is largest in absolute value, by power iteration.

    Products with the Hessian are central differences of gradients, ``(g(w + e v) - g(w - e v)) / 2e``. Biases
    that are 0 are taken a little off it, for a ReLU of inputs that are all 0 would stand on its kink, and a
    difference across that is no curvature. The model's parameters are its own again in the end.

    Parameters
    ----------
    model : Sequential
        Compiled, of float64.
    x, y : ndarray
        As in `Sequential.fit`.
    seconds : float
        After which it stops; what is found until then is too small, if anything.

    Returns
    -------
    float
        NaN where a gradient is not finite.
    """
    session, rng = model.session, np.random.default_rng(0)
    end = time.monotonic() + seconds
    own = session.values.copy()
    for _, layer in leaves(model):
        for name, view in layer.views.items():
            if name.startswith("bias"):
                view[...] = np.where(view == 0, _OFF * rng.normal(size=view.shape), view)
    start = session.values.copy()
    direction = rng.normal(size=start.shape) * (start != 0)
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
            before, curvature = curvature, float(direction @ product)
            direction = product
            known = abs(curvature - before) < _NEAR * abs(curvature)
            if known or time.monotonic() > end:
                break
        return abs(curvature)
    finally:
        session.values[...] = own
