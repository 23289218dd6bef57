"""Mean-field theory of wide random networks: where signals and gradients neither vanish nor explode.

With weights N(0, σw²/fan_in) and biases N(0, σb²) the pre-activations z of a layer of many units are
normal, N(0, q), and q obeys the length map ([1]_)

    q' = σw² E f(√q Z)² + σb²,    Z standard normal.

At its fixed point q* the squared norm of the error signal δ = dL/dz grows per layer, on its way back, by

    χ₁ = σw² E f'(√q* Z)²

([1]_, [2]_): gradients vanish where χ₁ < 1, explode where χ₁ > 1, and the edge of chaos χ₁ = 1 is
where depth costs nothing. The expectations are taken by quadrature over the engine's own
activations.

Two inputs whose pre-activations have correlation c have in the next layer ([1]_, [2]_)

    c' = (σw² E f(z_a) f(z_b) + σb²) / q*,    z_a, z_b ~ N(0, q*) with correlation c,

which runs into the fixed point c*: 1 in the ordered phase, χ₁ < 1, where all inputs look alike in the end,
and less in the chaotic one, where the slightest difference grows.

References
----------
.. [1] Poole, Lahiri, Raghu, Sohl-Dickstein, Ganguli, "Exponential expressivity in deep neural networks
   through transient chaos", NIPS 2016, arXiv:1606.05340.
.. [2] Schoenholz, Gilmer, Ganguli, Sohl-Dickstein, "Deep information propagation", ICLR 2017,
   arXiv:1611.01232.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate
from vgcore.activations import Activation
from vgcore.theory import gaussian, phases
from vgcore.theory.gaussian import LARGEST, SMALLEST
from vgcore.theory.gaussian import moments as _moments
from vgcore.theory.phases import PhaseDiagram, phase_diagram

__all__ = [
    "CriticalPoint",
    "PhaseDiagram",
    "chi",
    "correlation",
    "correlation_map",
    "critical",
    "depth_scale",
    "length_map",
    "phase_diagram",
]

_SMALL = 1e-8  # q from which to tell where the length map leaves 0
_ROUNDING = 1e-12
_TERMS = 256  # of Mehler's formula where one pair is asked for
_OF = ("gradient", "length", "correlation")


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
        below, the length map runs away from its fixed point [1]_.
        Softplus has none.

    See Also
    --------
    vgcore.initializers.Critical : draws weights and biases so.

    References
    ----------
    .. [1] Roberts, Yaida, Hanin, "The Principles of Deep Learning Theory", 2022, arXiv:2106.10165, Chapter 5.

    Examples
    --------
    >>> vg.critical("tanh", sigma_b=0.3)
    CriticalPoint(sigma_w=1.3955..., sigma_b=0.3, q=0.7634...)
    """
    chosen, _, sigma_b = _network(activation, 0.0, sigma_b)
    return _critical(chosen, sigma_b)


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
    q = _fixed_point(*network)
    slope = _moments(network[0], q).slope
    if q == 0 or math.isinf(q):
        nearer = _moments(network[0], SMALLEST * 4 if q == 0 else LARGEST / 4).slope
        if not 0.5 * nearer <= slope <= 2 * nearer:
            slope = 0.0 if slope < nearer else math.inf
    return network[1] ** 2 * slope


def depth_scale(
    activation: str | Activation, sigma_w: float, sigma_b: float = 0.0, *, of: str = "gradient"
) -> float:
    """So many layers change something by a factor of e (Schoenholz et al. 2017).

    Parameters
    ----------
    activation : str or Activation
    sigma_w, sigma_b : float, >= 0
    of : {"gradient", "length", "correlation"}
        "gradient": ``ξ = -1 / log χ₁``, in which the squared gradient shrinks, as of Schoenholz et al.; the
        gradient itself takes twice as many layers. Negative where it grows.
        "length": ``ξ_q = -1 / log(dq'/dq)``, in which the distance of q from q* shrinks. "correlation":
        ``ξ_c = -1 / log(dc'/dc)`` at c*, in which the distance of c from c* does: ``-1 / log χ₁`` in the
        ordered phase, ``-1 / log(σw² E f'(z_a) f'(z_b))`` at c* in the chaotic one. It bounds how deep a
        network can be that still tells its inputs apart.

    Returns
    -------
    float
        Infinite on the edge of chaos, and for a length or a correlation that nothing pulls back (relu's).
    """
    network = _network(activation, sigma_w, sigma_b)
    of = _validate.one_of("of", of, _OF)
    q = _fixed_point(*network)
    if of == "correlation":
        factor = _slope(*network, q, _correlation(*network, q))
    else:
        at = _moments(network[0], q)
        factor = network[1] ** 2 * (at.slope if of == "gradient" else at.growth)
    if abs(factor - 1) <= _ROUNDING:
        return math.inf
    return -1 / math.log(factor) if factor > 0 else 0.0


def correlation_map(
    activation: str | Activation, sigma_w: float, sigma_b: float, c: ArrayLike
) -> Any:
    """The correlation that two inputs have in the next layer, where theirs is ``c`` and their length q*.

    Parameters
    ----------
    activation : str or Activation
    sigma_w, sigma_b : float, >= 0
    c : float or array_like of float, from -1 to 1

    Returns
    -------
    float or ndarray of float64
        Of the shape of ``c``. Where lengths die out or grow without end it is the map's limit.
    """
    network = _network(activation, sigma_w, sigma_b)
    given = _validate.array("c", c)
    if given.dtype.kind not in "fiu":
        raise TypeError(f"c: expected real numbers, got {_validate.described(given)}")
    given = _validate.finite("c", given, np.float64)
    if given.size and np.abs(given).max() > 1:
        raise ValueError(
            f"c: expected correlations from -1 to 1, got {given.flat[np.abs(given).argmax()]:g}"
        )
    found = _correlations(*network, _fixed_point(*network), given.ravel()).reshape(given.shape)
    return found if given.ndim else float(found)


def correlation(activation: str | Activation, sigma_w: float, sigma_b: float = 0.0) -> float:
    """The fixed point c* of the correlation map that any two inputs run into.

    1 in the ordered phase and on the edge of chaos; less in the chaotic phase.
    """
    network = _network(activation, sigma_w, sigma_b)
    return _correlation(*network, _fixed_point(*network))


def second_moment(activation: str | Activation) -> float:
    """``E f(Z)²`` for standard normal Z."""
    return _moments(phases.checked(activation), 1.0).square


def _network(
    activation: str | Activation, sigma_w: float, sigma_b: float
) -> tuple[Activation, float, float]:
    return (
        phases.checked(activation),
        _validate.real("sigma_w", sigma_w, minimum=0, maximum=phases.MOST_SIGMA),
        _validate.real("sigma_b", sigma_b, minimum=0, maximum=phases.MOST_SIGMA),
    )


@cache
def _critical(activation: Activation, sigma_b: float) -> CriticalPoint:
    if _moments(activation, 1.0).slope == 0:
        raise ValueError(
            f"activation: expected one with a critical point, got {activation.name!r}, which is flat"
        )
    q = _critical_length(activation, sigma_b)
    if math.isinf(q):
        raise ValueError(
            f"activation: expected one with a critical point, got {activation.name!r}: its length map "
            "has no fixed point where gradients keep their size"
        )
    if _pull(activation, max(q, _SMALL)) < -_ROUNDING:
        edge = _root(lambda q: _pull(activation, q), max(q, _SMALL), 2)
        if math.isinf(edge):
            raise ValueError(
                f"activation: expected one with a critical point, got {activation.name!r}: its length map "
                "leaves every fixed point where gradients keep their size"
            )
        least = math.ceil(math.sqrt(_bias(activation, edge)) * 1e4) / 1e4
        raise ValueError(
            f"sigma_b: {activation.name} expects at least {least:.4f}, below "
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
    return _root(lambda q: _bias(activation, q) - bias, max(bias, SMALLEST), 2)


def _bias(activation: Activation, q: float) -> float:
    """σb² of the network with χ₁ = 1 and q* = q: it grows with q wherever it is above 0."""
    at = _moments(activation, q)
    return q - at.square / at.slope if math.isfinite(at.square + at.slope) else -math.inf


def _pull(activation: Activation, q: float) -> float:
    """1 less the slope of that network's length map at its fixed point: below 0 it runs away from it."""
    at = _moments(activation, q)
    return 1 - at.growth / at.slope if math.isfinite(at.growth + at.slope) else -math.inf


def _fixed_point(activation: Activation, sigma_w: float, sigma_b: float) -> float:
    def loss(q: float) -> float:
        """By how much the length map shortens q."""
        return q - sigma_w**2 * _moments(activation, q).square - sigma_b**2

    shrinks = loss(1.0)
    if abs(shrinks) <= _ROUNDING:
        return 1.0
    return _root(loss, 1, 2) if shrinks < 0 else _root(lambda q: -loss(q), 1, 0.5)


def _correlations(
    activation: Activation, sigma_w: float, sigma_b: float, q: float, c: NDArray[Any]
) -> NDArray[Any]:
    """What correlations c become."""
    at = _at(activation, q)
    whole = sigma_w**2 * at.square[0] + sigma_b**2
    if whole == 0:  # no signal at all
        return c + 0.0
    found: NDArray[Any] = np.clip((sigma_w**2 * at.value.alike(c) + sigma_b**2) / whole, -1, 1)
    return found


def _slope(activation: Activation, sigma_w: float, sigma_b: float, q: float, c: float) -> float:
    """dc'/dc at c: σw² E f'(z_a) f'(z_b) at the fixed point of the length map."""
    at = _at(activation, q)
    whole = sigma_w**2 * at.square[0] + sigma_b**2
    if whole == 0:
        return 0.0
    [pair] = at.steepness.alike(np.array([c]))
    return float(sigma_w**2 * pair * min(max(q, SMALLEST), LARGEST) / whole)


def _correlation(activation: Activation, sigma_w: float, sigma_b: float, q: float) -> float:
    """c*: the map is convex from 0 to 1, so it crosses the diagonal once if it is steep at 1."""
    network = activation, sigma_w, sigma_b, q
    if _slope(*network, 1.0) <= 1 + _ROUNDING:
        return 1.0
    low, high = 0.0, 1.0
    while high - low > _ROUNDING * high + SMALLEST:
        middle = (low + high) / 2
        if _correlations(*network, np.array([middle]))[0] > middle:
            low = middle
        else:
            high = middle
    return high if low else 0.0


@lru_cache(maxsize=64)
def _at(activation: Activation, q: float) -> gaussian.Response:
    found = gaussian.exact_response(activation, min(max(q, SMALLEST), LARGEST), _TERMS)
    if not np.isfinite(found.square).all() or not np.isfinite(found.steepness.terms).all():
        raise ValueError(
            f"activation: expected one with finite moments where its lengths end, got {activation.name!r} "
            f"with q* = {q:.3g}"
        )
    return found


def _root(function: Callable[[float], float], start: float, step: float) -> float:
    """Where an increasing function that is negative at ``start`` is 0, ``step`` by step away from it.

    0 or infinity where it stays negative as far as that.
    """
    low, high = start, start * step
    while function(high) < 0:
        low, high = high, high * step
        if not SMALLEST < high < LARGEST:
            return 0.0 if step < 1 else math.inf
    while (middle := math.sqrt(low) * math.sqrt(high)) not in (low, high):
        if function(middle) < 0:
            low = middle
        else:
            high = middle
    return middle


def __dir__() -> list[str]:
    """What users look for."""
    return __all__
