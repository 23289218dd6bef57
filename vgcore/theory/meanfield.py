"""Mean-field theory of wide random networks: where signals and gradients neither vanish nor explode.

With weights N(0, σw²/fan_in) and biases N(0, σb²) the pre-activations z of a layer of many units are
normal, N(0, q), and q obeys the length map ([1]_ eq. 3)

    q' = σw² E f(√q Z)² + σb²,    Z standard normal.

At its fixed point q* the squared norm of the error signal δ = dL/dz grows per layer, on its way back, by

    χ₁ = σw² E f'(√q* Z)²

([1]_, [2]_): gradients vanish where χ₁ < 1, explode where χ₁ > 1, and the edge of chaos χ₁ = 1 is
where depth costs nothing. The expectations are taken by quadrature over the engine's own
activations.

References
----------
.. [1] Poole, Lahiri, Raghu, Sohl-Dickstein, Ganguli, "Exponential expressivity in deep neural networks
   through transient chaos", NIPS 2016, arXiv:1606.05340.
.. [2] Schoenholz, Gilmer, Ganguli, Sohl-Dickstein, "Deep information propagation", ICLR 2017,
   arXiv:1611.01232.
.. [3] Roberts, Yaida, Hanin, "The Principles of Deep Learning Theory", 2022, arXiv:2106.10165, Chapter 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, activations
from vgcore._core import kernels
from vgcore.activations import Activation

__all__ = [
    "CriticalPoint",
    "chi",
    "critical",
    "depth_scale",
    "length_map",
]

_HALVES = np.ldexp(1.0, np.arange(-40, 1))  # panels that resolve an f which bends at 1/√q
_FAR = 10.0  # standard deviations; e^-50 of the weight lies beyond
_SMALLEST, _LARGEST = 1e-24, 1e24  # q that stand for 0 and infinity
_SMALL = 1e-8  # q from which to tell where the length map leaves 0
_ROUNDING = 1e-12


class CriticalPoint(NamedTuple):
    """Weights N(0, sigma_w²/fan_in) and biases N(0, sigma_b²) on the edge of chaos, χ₁ = 1.

    Attributes
    ----------
    sigma_w, sigma_b : float
    q : float
        q*, the variance of the pre-activations that every layer keeps.
    """

    sigma_w: float
    sigma_b: float
    q: float


class _Moments(NamedTuple):
    """E f(x)², E f'(x)² and E x f(x) f'(x) / q = d(E f²)/dq, for x ~ N(0, q)."""

    square: float
    slope: float
    growth: float


def critical(activation: str | Activation, sigma_b: float = 0.0) -> CriticalPoint:
    """The edge of chaos of an activation: σw and q* for a given σb.

    Solves ``σw² E f(√q* Z)² + σb² = q*`` and ``χ₁ = σw² E f'(√q* Z)² = 1`` (Poole et al.
    2016, Schoenholz et al. 2017): with the second put into the first, one equation for q*.

    Parameters
    ----------
    activation : str or Activation
        One that acts unit by unit: any but softmax.
    sigma_b : float, >= 0
        Standard deviation of the biases.

    Returns
    -------
    CriticalPoint
        Of relu, leaky_relu and the identity, which keep any q, q is 1.

    Raises
    ------
    TypeError, ValueError
        If there is no such point. Relu, leaky_relu and the identity have theirs at σb = 0 alone. Gelu and
        silu need a σb of 0.4159 and 0.7451, mish, hard_swish and snake one of 0.3074, 0.7121 and 0.1309:
        below, the length map runs away from its fixed point (Roberts, Yaida, Hanin 2022, Section 5.3.4).
        Softplus has none.

    Examples
    --------
    >>> vg.critical("tanh", sigma_b=0.3)
    CriticalPoint(sigma_w=1.3955..., sigma_b=0.3, q=0.7634...)

    See Also
    --------
    vgcore.initializers.Critical : draws weights and biases so.
    """
    return _critical(
        activations.unitwise(activation, learned=True),
        _validate.real("sigma_b", sigma_b, minimum=0),
    )


def length_map(activation: str | Activation, sigma_w: float, sigma_b: float = 0.0) -> float:
    """Fixed point q* of the length map ``q' = σw² E f(√q Z)² + σb²`` that q = 1 runs into.

    0 where signals die out, infinity where they grow without end.
    """
    return _fixed_point(*_network(activation, sigma_w, sigma_b))


def chi(activation: str | Activation, sigma_w: float, sigma_b: float = 0.0) -> float:
    """``χ₁ = σw² E f'(√q* Z)²``: what one layer multiplies the squared norm of the gradient by.

    Its root is what `GradientFlow.rate` measures in a wide network whose layers have reached q*.
    """
    network = _network(activation, sigma_w, sigma_b)
    return network[1] ** 2 * _moments(network[0], _fixed_point(*network)).slope


def depth_scale(activation: str | Activation, sigma_w: float, sigma_b: float = 0.0) -> float:
    """``ξ = -1 / log χ₁``: so many layers shrink the squared gradient by e.

    Infinite on the edge of chaos, negative where gradients explode (Schoenholz et al. 2017).
    """
    factor = chi(activation, sigma_w, sigma_b)
    if abs(factor - 1) <= _ROUNDING:
        return math.inf
    return -1 / math.log(factor) if factor > 0 else 0.0


def second_moment(activation: str | Activation) -> float:
    """``E f(Z)²`` for standard normal Z."""
    return _moments(activations.unitwise(activation, learned=True), 1.0).square


def _network(
    activation: str | Activation, sigma_w: float, sigma_b: float
) -> tuple[Activation, float, float]:
    return (
        activations.unitwise(activation, learned=True),
        _validate.real("sigma_w", sigma_w, minimum=0),
        _validate.real("sigma_b", sigma_b, minimum=0),
    )


@cache
def _critical(activation: Activation, sigma_b: float) -> CriticalPoint:
    q = _critical_length(activation, sigma_b)
    if math.isinf(q):
        raise ValueError(
            f"activation: expected one with a critical point, got {activation.name!r}: its length map "
            "has no fixed point where gradients keep their size"
        )
    if _pull(activation, max(q, _SMALL)) < -_ROUNDING:
        edge = _root(lambda q: _pull(activation, q), max(q, _SMALL), 2)
        raise ValueError(
            f"sigma_b: {activation.name} expects at least {math.sqrt(_bias(activation, edge)):.4g}, below "
            f"which the length map leaves its fixed point; got {sigma_b:g}"
        )
    return CriticalPoint(1 / math.sqrt(_moments(activation, q).slope), sigma_b, q)


def _critical_length(activation: Activation, sigma_b: float) -> float:
    """q* where χ₁ = 1; infinity if there is none."""
    if abs(_bias(activation, 1)) <= _ROUNDING:  # f(c x) = c f(x)
        if sigma_b > 0:
            raise ValueError(
                f"sigma_b: expected 0, for where {activation.name} keeps gradients it keeps lengths, and "
                f"biases would add up from layer to layer; got {sigma_b:g}"
            )
        return 1.0
    if sigma_b == 0 and _moments(activation, 0).square <= _ROUNDING:  # f(0) = 0
        return 0.0
    bias = sigma_b**2
    return _root(lambda q: _bias(activation, q) - bias, max(bias, _SMALLEST), 2)


def _bias(activation: Activation, q: float) -> float:
    """σb² of the network with χ₁ = 1 and q* = q: it grows with q wherever it is above 0."""
    at = _moments(activation, q)
    return q - at.square / at.slope


def _pull(activation: Activation, q: float) -> float:
    """1 less the slope of that network's length map at its fixed point: below 0 it runs away from it."""
    at = _moments(activation, q)
    return 1 - at.growth / at.slope


def _fixed_point(activation: Activation, sigma_w: float, sigma_b: float) -> float:
    def loss(q: float) -> float:
        """By how much the length map shortens q."""
        return q - sigma_w**2 * _moments(activation, q).square - sigma_b**2

    shrinks = loss(1.0)
    if abs(shrinks) <= _ROUNDING:
        return 1.0
    return _root(loss, 1, 2) if shrinks < 0 else _root(lambda q: -loss(q), 1, 0.5)


def _root(function: Callable[[float], float], start: float, step: float) -> float:
    """Where an increasing function that is negative at ``start`` is 0, ``step`` by step away from it.

    0 or infinity where it stays negative as far as that.
    """
    low, high = start, start * step
    while function(high) < 0:
        low, high = high, high * step
        if not _SMALLEST < high < _LARGEST:
            return 0.0 if step < 1 else math.inf
    while (middle := math.sqrt(low) * math.sqrt(high)) not in (low, high):
        if function(middle) < 0:
            low = middle
        else:
            high = middle
    return middle


def _moments(activation: Activation, q: float) -> _Moments:
    """Gauss-Legendre on panels that end at the kinks and shrink towards 0, where f bends if q is large."""
    scale = math.sqrt(min(max(q, _SMALLEST), _LARGEST))
    z, weight = _nodes(tuple(kink / scale for kink in (0.0, *activation.kinks)))
    x, f, slope = (kernels.matrix(1, len(z), np.float64) for _ in range(3))
    x[0] = scale * z
    slope[0] = 1
    kernels.activation(f, x, activation.function)
    kernels.activation_backward(slope, f, x, activation.function)
    return _Moments(
        float(weight @ f[0] ** 2),
        float(weight @ slope[0] ** 2),
        float(weight @ (x * f * slope)[0]) / scale**2,
    )


def _nodes(kinks: tuple[float, ...]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Nodes on the line and their weights, the normal density times the quadrature's."""
    node, weight = _gauss_legendre()
    far = np.concatenate([_HALVES, np.arange(2, _FAR + 1)])
    near = [kink for kink in kinks if abs(kink) < _FAR]
    ends = np.unique(np.concatenate([-far, near, far]))
    half = np.diff(ends)[:, np.newaxis] / 2
    z = ends[:-1, np.newaxis] + half * (1 + node)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return z.ravel(), (half * weight * density).ravel()


@cache
def _gauss_legendre() -> tuple[NDArray[Any], NDArray[Any]]:
    node, weight = np.polynomial.legendre.leggauss(20)
    return node, weight


def __dir__() -> list[str]:
    """What users look for."""
    return __all__
