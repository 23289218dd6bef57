"""χ₁ over (σw, σb), and the line on which it is 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate, activations
from vgcore.activations import Activation
from vgcore.theory import gaussian

Array = NDArray[np.float64]

_HALVINGS = 50  # of a bracket of one octave
_OCTAVES = 79  # from q = 1 either way: 1e24
_ROUNDING = 1e-7  # of interpolated moments
_SMALL = 1e-4  # q from which to tell where the length map leaves 0
_FAR = 1e12  # q that is no fixed point
MOST_SIGMA = (
    1e10  # whose fixed points, but of activations that hardly shrink, are below `gaussian.LARGEST`
)


class PhaseDiagram(NamedTuple):
    """χ₁ of wide networks, and the edge of chaos.

    Attributes
    ----------
    sigma_w : ndarray, (columns,)
    sigma_b : ndarray, (rows,)
    chi : ndarray, (rows, columns)
        χ₁: below 1 in the ordered phase, where gradients vanish, above 1 in the chaotic one.
    q : ndarray, (rows, columns)
        q*; 0 where signals die out, infinite where they grow without end.
    critical : ndarray, (rows,)
        σw on the edge of chaos, χ₁ = 1, for each σb; NaN where there is none.
    """

    sigma_w: Array
    sigma_b: Array
    chi: Array
    q: Array
    critical: Array


def phase_diagram(
    activation: str | Activation, sigma_w: ArrayLike, sigma_b: ArrayLike
) -> PhaseDiagram:
    """χ₁ for each pair of a σw and a σb (Poole et al. 2016, Schoenholz et al. 2017).

    Parameters
    ----------
    activation : str or Activation
        One that acts unit by unit: any but softmax.
    sigma_w, sigma_b : array_like of float, >= 0
        One axis each.

    Returns
    -------
    PhaseDiagram
        To seven digits: moments are interpolated. `vgcore.meanfield.chi` gives one point to all digits. Of
        relu, leaky_relu and the identity χ₁ depends on σw alone, and so does the line, though q* is infinite
        on it where σb is not 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, empty, not of one axis, or has a number below 0.
    """
    chosen = checked(activation)
    width, height = _axis("sigma_w", sigma_w), _axis("sigma_b", sigma_b)
    weight, bias = (each**2 for each in np.meshgrid(width, height))

    def lengthens(q: Array, mine: NDArray[np.bool_]) -> Array:
        """By how much the length map lengthens q, of some of the networks."""
        return weight.ravel()[mine] * gaussian.scalars(chosen, q).square + bias.ravel()[mine] - q

    q = _fixed_points(lengthens, weight.size).reshape(weight.shape)
    inside = np.clip(q, gaussian.SMALLEST, gaussian.LARGEST)
    chi = weight * gaussian.scalars(chosen, inside).slope
    return PhaseDiagram(width, height, chi, q, _line(chosen, height**2))


def checked(activation: str | Activation) -> Activation:
    """An activation that has what expectations are taken of; ValueError for any other."""
    chosen = activations.unitwise(activation, learned=True)
    fault = gaussian.fault(chosen)
    if fault is not None:
        raise ValueError(
            f"activation: expected one with finite moments, got {chosen.name!r}, which {fault}"
        )
    return chosen


def _axis(argument: str, value: ArrayLike) -> Array:
    given = _validate.array(argument, value)
    if given.dtype.kind not in "fiu":
        raise TypeError(f"{argument}: expected real numbers, got {_validate.described(given)}")
    given = _validate.finite(argument, given, np.float64)
    if given.ndim != 1 or not given.size:
        raise ValueError(f"{argument}: expected numbers along one axis, got shape {given.shape}")
    if given.min() < 0:
        raise ValueError(f"{argument}: expected numbers of at least 0, got {given.min():g}")
    if given.max() > MOST_SIGMA:
        raise ValueError(
            f"{argument}: expected numbers of at most {MOST_SIGMA:g}, got {given.max():g}"
        )
    return given


def _fixed_points(lengthens: Callable[..., Array], count: int) -> Array:
    """The first q that is not changed, from q = 1 in the direction in which that is."""
    all_of_them = np.full(count, True)
    at_one = lengthens(np.ones(count), all_of_them)
    up = at_one > 0
    found = np.where(np.abs(at_one) <= _ROUNDING, 1.0, np.where(up, np.inf, 0.0))
    open_ = np.abs(at_one) > _ROUNDING
    for octave in range(_OCTAVES):
        if not open_.any():
            break
        q = np.where(up, 2.0 ** (octave + 1), 2.0 ** -(octave + 1))[open_]
        turned = np.full(count, False)
        turned[open_] = (lengthens(q, open_) > 0) != up[open_]
        if turned.any():
            low = np.where(up, 2.0**octave, 2.0 ** -(octave + 1))[turned]
            found[turned] = _bisected(partial(lengthens, mine=turned), low, 2 * low)
            open_ &= ~turned
    return found


def _bisected(falls: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """Where a function that falls through 0 is 0."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = falls(middle) > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return (low + high) / 2


def _line(activation: Activation, bias: Array) -> Array:
    """σw with χ₁ = 1 for each σb²: q - E f² / E f'² is σb² there, and grows with q."""
    at_one = gaussian.moments(activation, 1.0)
    if abs(1 - at_one.square / at_one.slope) <= _ROUNDING:  # f(c x) = c f(x)
        return np.full(len(bias), 1 / math.sqrt(at_one.slope))
    low = np.full(len(bias), -_OCTAVES * math.log(2))
    high = -low
    q = np.exp(_bisected(lambda q: bias - _of_edge(activation, np.exp(q)), low, high))
    at = gaussian.scalars(activation, q)
    beside = gaussian.scalars(activation, np.maximum(q, _SMALL))
    holds = (beside.growth <= beside.slope * (1 + _ROUNDING)) & (q < _FAR)
    return np.where(holds, 1 / np.sqrt(at.slope), np.nan)


def _of_edge(activation: Activation, q: Array) -> Array:
    """σb² of the network with χ₁ = 1 and q* = q."""
    at = gaussian.scalars(activation, q)
    return q - at.square / at.slope
