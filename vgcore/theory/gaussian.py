"""What activations make of normal pre-activations z: expectations by quadrature, kept and interpolated.

Of pairs (z_a, z_b) of N(0, q) with correlation c it is Mehler's formula,

    E g(z_a) g(z_b) = sum over k of a_k(q_a) a_k(q_b) c^k,    a_k(q) = E g(√q Z) He_k(Z) / √k!,

whose sum at c = 1 is E g(z)², known without it: what lies behind the last term is put there, so that both
ends are exact. Of rectifiers there is a closed form (Cho, Saul 2009, "Kernel methods for deep learning").
Where z has a mean, it is a ``shift`` of f.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore._slopes import evaluate
from vgcore.activations import Activation

Array = NDArray[Any]
Shifted = tuple[Activation, float]
"""f(z + shift)."""

SMALLEST, LARGEST = 1e-24, 1e24  # q that stand for 0 and infinity
_HALVES = np.ldexp(1.0, np.arange(-40, 1))  # panels that resolve an f which bends at 1/√q
_FAR = 10.0  # standard deviations; e^-50 of the weight lies beyond
_TERMS = 48  # of Mehler's formula, even
_NOTHING = 1e-15  # of the largest term
_PER_OCTAVE = 4  # values of q that are kept
_POINTS = 8  # of them that a polynomial goes through: an error of 1e-9
_TAIL, _ALONE = 1e-4, 0.3  # of an expectation, in the last panel and at one node: it is infinite
_STEP = math.log(2) / _PER_OCTAVE
_LAST = math.floor(math.log(LARGEST) / _STEP)


class Moments(NamedTuple):
    """E f(x)², E f'(x)² and E x f(x) f'(x) / q = d(E f²)/dq, for x ~ N(0, q)."""

    square: float
    slope: float
    growth: float


def moments(activation: Activation, q: float) -> Moments:
    """Gauss-Legendre on panels that end at the kinks and shrink towards 0, where f bends if q is large."""
    scale = math.sqrt(min(max(q, SMALLEST), LARGEST))
    z, weight = nodes(tuple(kink / scale for kink in (0.0, *activation.kinks)))
    with np.errstate(all="ignore"):
        f, slope = evaluate(activation.function, scale * z)
        square, steepness = (_expected(z, weight, g**2) for g in (f, slope))
        growth = float(weight @ (z * f * slope)) / scale
    return Moments(square, steepness, growth if math.isfinite(growth) else math.inf)


def _expected(z: Array, weight: Array, g: Array) -> float:
    """E g(Z) of a g >= 0; infinite where the sum over nodes is what the last or a single one of them is."""
    parts = weight * g
    total = float(parts.sum())
    if not math.isfinite(total):
        return math.inf
    diverges = parts[np.abs(z) > _FAR - 1].sum() > _TAIL * total or parts.max() > _ALONE * total
    return math.inf if diverges and total > 0 else total


@lru_cache(maxsize=256)
def fault(activation: Activation) -> str | None:
    """Why there are no expectations of an activation over standard normal numbers, or None."""
    with np.errstate(all="ignore"):
        z, weight = nodes((0.0, *activation.kinks))
        f, slope = evaluate(activation.function, z)
        gone = np.isnan(f) | np.isnan(slope)
        if gone.any():
            where = z[gone][np.abs(z[gone]).argmax()]
            return f"is not a number, or has no slope, at z = {where:.3g}"
        for g, name in ((f, "f(z)"), (slope, "f'(z)")):
            octaves = [
                (weight * g**2)[(np.abs(z) > low) & (np.abs(z) < 2 * low)].sum()
                for low in _HALVES[[1, 10]]
            ]
            if math.isinf(_expected(z, weight, g**2)) or octaves[0] > octaves[1] / 2:  # towards 0
                return f"has no finite mean of {name}² over standard normal z"
    return None


class Series(NamedTuple):
    """Coefficients of Mehler's formula for a g, (rows, terms), and the sums (rows,) of what lies behind them.

    The sum is of squares: of even terms in ``rest[0]``, of odd ones in ``rest[1]``.
    """

    terms: Array
    rest: Array

    def pairs(self, c: Array, other: Series | None = None, first: int = 0) -> Array:
        """E g(z_a) g'(z_b) for correlations c (rows, rows), g' being ``other``'s; from term ``first`` on."""
        other = other or self
        rests = np.sqrt(self.rest[:, :, np.newaxis]) * np.sqrt(other.rest[:, np.newaxis])
        found = rests[0] + rests[1] * c
        matter = np.abs(self.terms).max(axis=0) * np.abs(other.terms).max(axis=0)
        bar = _NOTHING * float(matter.max())
        for k in range(self.terms.shape[1] - 1, first - 1, -1):
            found *= c
            if matter[k] > bar:
                found += np.multiply.outer(self.terms[:, k], other.terms[:, k])
        scaled: Array = found * c**first if first else found
        return scaled

    def alike(self, c: Array) -> Array:
        """E g(z_a) g(z_b) for correlations c (pairs,), both of the q of the only row."""
        powers = np.power.outer(c, np.arange(self.terms.shape[1] + 2))
        found: Array = powers @ np.concatenate([self.terms[0] ** 2, self.rest[:, 0]])
        return found


class Response(NamedTuple):
    """Of f at each of some q (rows,): E f, E f², E f'², d(E f²)/dq, and the series of f, f', f² and f'²."""

    mean: Array
    square: Array
    slope: Array
    growth: Array
    value: Series
    steepness: Series
    value_squared: Series
    steepness_squared: Series


def response(activation: Activation, q: Array, shift: float = 0.0) -> Response:
    """`Response` at each of some q, between those that are kept."""
    return _response(_interpolated((activation, shift), q), _TERMS)


def exact_response(activation: Activation, q: float, terms: int) -> Response:
    """`Response` at one q, with as many terms as one likes."""
    return _response(_record((activation, 0.0), q, terms)[np.newaxis], terms)


def _response(records: Array, terms: int) -> Response:
    mean, growth = records[:, 0], records[:, 1]
    series = []
    for part in np.split(records[:, 2:], 4, axis=1):
        whole, turned, coefficients = part[:, 0], part[:, 1], part[:, 2:]
        with np.errstate(over="ignore", invalid="ignore"):
            known = [(coefficients[:, parity::2] ** 2).sum(axis=1) for parity in (0, 1)]
            rest = np.stack([(whole + turned) / 2 - known[0], (whole - turned) / 2 - known[1]])
        series.append(Series(coefficients, np.maximum(np.nan_to_num(rest), 0)))
    width = terms + 2
    return Response(mean, records[:, 2], records[:, 2 + width], growth, *series)


class Scalars(NamedTuple):
    """E f, d(E f²)/dq, E f² and E f'² at each of some q, of the shape of these."""

    mean: Array
    growth: Array
    square: Array
    slope: Array


def scalars(activation: Activation, q: Array, shift: float = 0.0) -> Scalars:
    """What `Response` has of each row by itself."""
    columns = [0, 1, 2, 2 + _TERMS + 2]
    return Scalars(*_interpolated((activation, shift), q.ravel(), columns).T.reshape(4, *q.shape))


def _interpolated(function: Shifted, q: Array, columns: list[int] | None = None) -> Array:
    """Records (rows, columns) at some q; where q leaves what is kept they go on as powers of it."""
    with np.errstate(divide="ignore"):
        place = np.log(q) / _STEP
    inside = np.clip(place, -_LAST, _LAST)
    first = np.clip(np.floor(inside), -_LAST, _LAST - 1).astype(np.int64) - (_POINTS // 2 - 1)
    wanted, where = np.unique(first, return_inverse=True)
    offset = inside - first
    points = np.arange(_POINTS)
    weights = np.ones((len(q), _POINTS))
    for point in points:
        others = points[points != point]
        weights[:, point] = np.prod((offset[:, np.newaxis] - others) / (point - others), axis=1)
    rows = np.stack([[_kept(function, int(start) + point) for point in points] for start in wanted])
    rows = rows if columns is None else rows[:, :, columns]
    found = np.empty((len(q), rows.shape[2]))
    with np.errstate(all="ignore"):
        for group in range(len(wanted)):
            mine = where == group
            found[mine] = weights[mine] @ rows[group]
    for end, inwards in ((-_LAST, 1), (_LAST, -1)):
        beyond = (place != inside) & (inside == end)
        if beyond.any():
            with np.errstate(all="ignore"):
                at, nearer = _kept(function, end), _kept(function, end + inwards)
                power = np.round(np.log(np.abs(nearer / at)) / inwards, 9)
                power[~np.isfinite(power)] = 0
                terms = np.abs(
                    at[2:].reshape(4, -1)[:, 2:]
                )  # those that are mere rounding have no power
                noise = terms <= _NOTHING * terms.max(axis=1, keepdims=True)
                power[2:].reshape(4, -1)[:, 2:][noise] = 0
                distance = (place[beyond] - end)[:, np.newaxis]
                far = at * np.exp(np.where(power == 0, 0, power * distance))
                found[beyond] = np.where(at == 0, 0, far)[:, columns or slice(None)]
    rows = (q == 0)[:, np.newaxis]  # where mere rounding goes on as a power, too
    found[rows & ~np.isfinite(found)] = 0.0
    found[np.isnan(found)] = math.inf
    return found


@lru_cache(maxsize=4096)
def _kept(function: Shifted, place: int) -> Array:
    return _record(function, math.exp(place * _STEP), _TERMS)


def _record(function: Shifted, q: float, terms: int) -> Array:
    """E f and d(E f²)/dq; then of f, f', f² and f'² E g(z)², E g(z) g(-z), and the coefficients."""
    activation, shift = function
    scale = math.sqrt(q)
    bends = [(kink - shift) / scale for kink in (0.0, *activation.kinks)]
    kinks = {0.0, *(sign * bend for bend in bends for sign in (1, -1))}
    z, weight = nodes(tuple(sorted(kinks)))
    polynomials = _polynomials(tuple(sorted(kinks)), terms)
    with np.errstate(all="ignore"):
        f, slope = evaluate(activation.function, scale * z + shift)
        parts = [np.array([weight @ f, weight @ (z * f * slope) / scale])]
        for g in (f, slope, f**2, slope**2):
            weighted = weight * g
            square = _expected(z, weight, g**2)
            parts += [np.array([square, weighted @ g[::-1]]), polynomials @ weighted]
    return np.concatenate(parts)


@lru_cache(maxsize=64)
def _polynomials(kinks: tuple[float, ...], terms: int) -> Array:
    """He_k / √k! at the nodes, (terms, nodes)."""
    z, _ = nodes(kinks)
    found = np.empty((terms, len(z)))
    found[0], found[1] = 1, z
    for k in range(2, terms):
        found[k] = (z * found[k - 1] - math.sqrt(k - 1) * found[k - 2]) / math.sqrt(k)
    return found


@lru_cache(maxsize=64)
def nodes(kinks: tuple[float, ...]) -> tuple[Array, Array]:
    """Nodes on the line and their weights, the normal density times the quadrature's."""
    node, weight = _gauss_legendre()
    far = np.concatenate([_HALVES, np.arange(2, _FAR + 1)])
    near = [kink for kink in kinks if abs(kink) < _FAR]
    ends = np.unique(np.concatenate([-far, near, far]))
    half = np.diff(ends)[:, np.newaxis] / 2
    z = ends[:-1, np.newaxis] + half * (1 + node)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return z.ravel(), (half * weight * density).ravel()


@lru_cache(maxsize=1)
def _gauss_legendre() -> tuple[Array, Array]:
    node, weight = np.polynomial.legendre.leggauss(20)
    return node, weight
