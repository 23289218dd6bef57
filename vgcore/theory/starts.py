"""How parameters start: the mean and the variance that an initializer gives them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import initializers
from vgcore.activations import Activation
from vgcore.initializers import Initializer
from vgcore.theory import meanfield
from vgcore.theory.signal import Length

_TRUNCATED = 1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2))
"""Variance of a standard normal that is cut off at 2."""
_TRUNCATED_FOURTH = 3 - 28 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2))
_OF_UNIFORM = 9 / 5 - 1  # relative variance of the square
_CLEAR, _ROUNDING = 10.0, 0.05  # standard errors, and a share, by which a variance is another
_DOUBT = 6.0  # standard errors by which a drawn mean may differ from 0


class Start(NamedTuple):
    """Mean and variance of a parameter's elements, which are independent or those of an orthogonal matrix."""

    mean: float
    variance: float
    orthogonal: bool = False
    uneven: float = 2.0
    """Of an element's square, the relative variance."""

    def whole(self, *shape: int) -> Length:
        """The sum of squares of a weight."""
        count = math.prod(shape)
        return Length(count * self.variance, 0.0 if self.orthogonal else self.uneven / count)


def of_weight(name: str, initializer: Initializer, shape: tuple[int, ...]) -> Start:
    """How a weight (out, in, *kernel) starts; NotImplementedError where theory has no such one."""
    if isinstance(initializer, initializers.Identity):
        raise NotImplementedError(
            f"{name}: theory has random weights alone, got {initializer!r}, which mixes no units"
        )
    start = _start(name, initializer, shape)
    if start.mean != 0:
        raise NotImplementedError(
            f"{name}: theory has weights of mean 0, got a mean of {start.mean:.4g} from {initializer!r}"
        )
    return start


def check(name: str, start: Start, value: NDArray[Any]) -> None:
    """Raise where the weight of a model that is not trained is none of this start: that is not known then."""
    square = float(np.mean(np.square(value, dtype=np.float64)))
    doubt = _CLEAR * math.sqrt(3 / value.size) + _ROUNDING
    if abs(square - start.variance) > doubt * start.variance:
        raise ValueError(
            f"model: expected weights as its layers' initializers draw them, got {name} of variance "
            f"{square:.4g} where {start.variance:.4g} is theirs; a file does not keep initializers, nor do "
            "layers know what lsuv, fixup or an assignment has done: make the model anew, with initializers"
        )


def of_bias(name: str, initializer: Initializer, size: int) -> Start:
    """How a bias (out,) starts."""
    return _start(name, initializer, (size,))


def _start(name: str, initializer: Initializer, shape: tuple[int, ...]) -> Start:
    rows, fan_in = shape[0], math.prod(shape[1:])
    match initializer:
        case initializers.Constant():
            return Start(initializer.value, 0.0)
        case initializers.TruncatedNormal():
            uneven = _TRUNCATED_FOURTH / _TRUNCATED**2 - 1
            return Start(initializer.mean, _TRUNCATED * initializer.std**2, uneven=uneven)
        case initializers.Normal():
            return Start(initializer.mean, initializer.std**2)
        case initializers.Uniform():
            low, high = initializer.low, initializer.high
            return Start((low + high) / 2, (high - low) ** 2 / 12, uneven=_OF_UNIFORM)
        case initializers.VarianceScaling():
            fan_out = rows * math.prod(shape[2:])
            fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
            uneven = _OF_UNIFORM if initializer.distribution == "uniform" else 2.0
            return Start(0.0, _gain(initializer.gain) ** 2 / fans[initializer.mode], uneven=uneven)
        case initializers.Orthogonal():
            return Start(0.0, _gain(initializer.gain) ** 2 / max(rows, fan_in), orthogonal=True)
        case initializers.Sparse():
            zeros = math.ceil(initializer.sparsity * rows)
            left = 1 - zeros / rows
            return Start(0.0, left * initializer.std**2, uneven=2 / left if left else 0.0)
        case initializers.Nielsen():
            return Start(0.0, 1 / fan_in)
        case initializers.Critical():
            edge = meanfield.critical(initializer.activation, initializer.sigma_b)
            if len(shape) == 1:
                return Start(0.0, edge.sigma_b**2)
            return Start(0.0, edge.sigma_w**2 / fan_in)
    return _drawn(name, initializer, shape)


def _gain(given: float | str | Activation) -> float:
    return given if isinstance(given, int | float) else initializers.gain(given)


def _drawn(name: str, initializer: Initializer, shape: tuple[int, ...]) -> Start:
    """What an initializer of the user's own gives, by drawing."""
    first, second = (initializer(shape, np.random.default_rng(seed), np.float64) for seed in (0, 1))
    mean, variance = float(first.mean()), float(first.var())
    if variance > 0 and (first == second).all():
        raise NotImplementedError(
            f"{name}: theory has random numbers, got the same ones twice from {initializer!r}"
        )
    square = float((first**2).mean())
    uneven = float((first**4).mean()) / square**2 - 1 if square > 0 else 0.0
    if abs(mean) <= _DOUBT * math.sqrt(variance / first.size):
        return Start(0.0, square, uneven=uneven)
    return Start(mean, variance, uneven=uneven)
