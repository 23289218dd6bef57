"""Activations by name, those that take a parameter, and formulas of one's own.

========================  =====================================================================
identity, linear          z
sigmoid                   1 / (1 + e^-z)
tanh                      tanh z
relu                      max(z, 0)
leaky_relu                z if z >= 0 else alpha z; alpha = 0.01 (Maas et al. 2013)
relu6                     min(max(z, 0), 6) (Howard et al. 2017)
elu                       z if z >= 0 else alpha (e^z - 1); alpha = 1 (Clevert et al. 2016, eq. 15)
celu                      z if z >= 0 else alpha (e^(z / alpha) - 1); alpha = 1 (Barron 2017)
selu                      SELU_SCALE elu(z; alpha = SELU_ALPHA) (Klambauer et al. 2017, eq. 2)
gelu                      z Phi(z), Phi the normal distribution function (Hendrycks, Gimpel 2016)
gelu_tanh                 z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2, the same paper's other form
silu, swish               z sigmoid(z) (Elfwing et al. 2018)
mish                      z tanh(softplus(z)) (Misra 2019)
hard_swish                z min(max(z + 3, 0), 6) / 6 (Howard et al. 2019)
snake                     z + sin(alpha z)^2 / alpha; alpha = 1 (Ziyin et al. 2020)
softplus                  log(1 + e^z)
softsign                  z / (1 + abs z)
hard_sigmoid              min(max(slope z + 1/2, 0), 1); slope = 1/6, PyTorch's and Keras 3's; Keras 2's: 0.2
softmax                   e^z_j / sum_k e^z_k, over the units
softmin                   softmax of -z
========================  =====================================================================

SELU_SCALE = 1.0507009873554805 and SELU_ALPHA = 1.6732632423543772 keep mean 0 and variance 1 a fixed point.

`formula` makes one of an expression in z.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from vgcore import _answers, _formulas, _slopes, _validate
from vgcore._core import simd
from vgcore._core.function import ActivationFunction

__all__ = [
    "SELU_ALPHA",
    "SELU_SCALE",
    "Activation",
    "Formula",
    "celu",
    "elu",
    "formula",
    "gelu",
    "get",
    "hard_sigmoid",
    "leaky_relu",
    "names",
    "snake",
]

SELU_SCALE = 1.0507009873554804934
SELU_ALPHA = 1.6732632423543772848

_ALIASES = {"linear": "identity", "swish": "silu"}
_MIXING = ("softmax", "softmin")
_FROM_H = ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "relu6", "hard_sigmoid", *_MIXING)


class _Parameter(NamedTuple):
    """Its default, whether it may be 0, and what functions call it."""

    default: float
    zero: bool = False
    called: str = "alpha"


_PARAMETERS = {
    "leaky_relu": _Parameter(0.01, zero=True),
    "elu": _Parameter(1.0),
    "celu": _Parameter(1.0),
    "snake": _Parameter(1.0),
    "hard_sigmoid": _Parameter(1 / 6, called="slope"),
}


@dataclass(frozen=True)
class Activation:
    """An activation function as a layer uses it.

    Attributes
    ----------
    name : str
        Its name, aliases resolved.
    alpha : float
        The parameter of those that take one; 0 for the others.
    """

    name: str
    alpha: float = 0.0

    def __post_init__(self) -> None:
        _validate.one_of("name", self.name, simd.ACTIVATIONS)
        taken = _PARAMETERS.get(self.name)
        least: dict[str, float] = {}
        if taken:
            least = {"minimum": 0.0} if taken.zero else {"above": 0.0}
        _validate.real(taken.called if taken else "alpha", self.alpha, **least)

    @property
    def spec(self) -> str | Activation:
        """What one writes for it: the name, if that says all."""
        return self.name if self == get(self.name) else self

    def __repr__(self) -> str:
        """Show what makes it."""
        plain = f"Activation({self.name!r})"
        return plain if self == get(self.name) else f"{self.name}({self.alpha:g})"

    @property
    def function(self) -> ActivationFunction:
        """What the engine's kernels get."""
        return ActivationFunction(
            simd.ACTIVATIONS[self.name], self.alpha, keeps_z=self.name not in _FROM_H
        )

    @property
    def kinks(self) -> tuple[float, ...]:
        """Where it is not smooth."""
        if self.name == "hard_sigmoid":
            return (-0.5 / self.alpha, 0.5 / self.alpha)
        return {"relu6": (0.0, 6.0), "hard_swish": (-3.0, 3.0)}.get(self.name, (0.0,))

    @property
    def unitwise(self) -> bool:
        """Whether each unit's output is of its own z alone."""
        return self.name not in _MIXING

    def config(self) -> list[Any]:
        """What `of_config` makes it of, as JSON can hold it."""
        return [self.name, self.alpha]


@dataclass(frozen=True)
class Formula(Activation):
    """An activation that is an expression in z; its name is the text. See `formula`.

    Attributes
    ----------
    parameters : tuple of (str, float)
        Those that are learned, and where they start.
    shared : bool
        Whether a parameter is one for all units.
    steepest : float
        The largest slope there is, in absolute value; NaN where it has no bound.
    """

    parameters: tuple[tuple[str, float], ...] = ()
    shared: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"text: expected an expression (str), got {self.name!r}")
        _validate.boolean("shared", self.shared)
        for name, value in self.parameters:
            _formulas.parameter(name, value)
        self.program()

    def __repr__(self) -> str:
        more = [f"{name}={value!r}" for name, value in self.parameters]
        if self.shared:
            more.append("shared=True")
        return f"formula({', '.join([repr(self.name), *more])})"

    @property
    def spec(self) -> str | Activation:
        """What one writes for it: itself."""
        return self

    def program(self) -> _formulas.Program:
        """What the engine runs where parameters are learned."""
        return _formulas.compiled(self.name, [name for name, _ in self.parameters])

    @property
    def function(self) -> ActivationFunction:
        """What the engine's kernels get; parameters are where they start."""
        return _compiled(self)[0]

    @property
    def steepest(self) -> float:
        """The largest slope there is, in absolute value; NaN where it has no bound."""
        return _compiled(self)[1].steepest

    @property
    def kinks(self) -> tuple[float, ...]:
        """Where value or slope jumps, between -32 and 32."""
        return _compiled(self)[1].kinks

    def config(self) -> list[Any]:
        """What `of_config` makes it of, as JSON can hold it."""
        return [self.name, dict(self.parameters), self.shared]


@lru_cache(maxsize=256)
def _compiled(formula: Formula) -> tuple[ActivationFunction, _slopes.Survey]:
    names, values = zip(*formula.parameters, strict=True) if formula.parameters else ((), ())
    program = _formulas.compiled(formula.name, names, values)
    survey = _slopes.survey(program.function(1.0))
    return program.function(survey.steepest), survey


def formula(text: str, *, shared: bool = False, **parameters: float) -> Formula:
    """An activation from an expression in z; its slope is derived, and both run at compiled speed.

    Parameters
    ----------
    text : str
        Of z, numbers, pi, e and parameters: ``+ - * / **``, comparisons, which are 1 or 0 and may be chained,
        ``where(condition, a, b)``, exp, log, log1p, sqrt, abs, sign, sin, cos, tanh, sigmoid, softplus, erf,
        ``minimum(a, b)``, ``maximum(a, b)``. It is read with Python's grammar and never run by Python.
    shared : bool
        One number of each parameter for all units or channels, instead of one for each.
    **parameters : float
        Names in the expression that are learned, and where they start. Such a formula is one for the layer
        `vgcore.Activation`.

    Returns
    -------
    Formula
        An `Activation`, for wherever one may be. Equal expressions are equal.

    Raises
    ------
    TypeError, ValueError
        If the expression is not of these, is too long, or is not one in z; the message tells the column.

    Notes
    -----
    Slopes are those of dual numbers: each of two equal sides of minimum and maximum has half, as in PyTorch;
    abs has 0 at 0; comparisons and sign have none; of ``where`` only the side that is taken counts. What is
    compared with NaN is NaN. The tracker calls flat what is below 5 % of the steepest slope, which is looked
    for when the formula is first used; where it has no bound, ``saturated`` is NaN.

    Powers whose exponent is no integer up to 64 are taken number by number, which is slow; the slope of a
    quotient such as ``z / (1 + exp(-z))`` is NaN where its parts overflow, that of ``z * sigmoid(z)`` is not.

    Examples
    --------
    >>> quick_gelu = vg.activations.formula("z * sigmoid(1.702 * z)")
    >>> model = vg.Sequential([vg.Dense(30, quick_gelu), vg.Dense(10, "softmax")], input_shape=64)
    >>> swish = vg.Activation(vg.activations.formula("z * sigmoid(b * z)", b=1.0))
    """
    if not isinstance(text, str):
        raise TypeError(f"text: expected an expression (str), got {text!r}")
    starts = tuple((name, _formulas.parameter(name, value)) for name, value in parameters.items())
    return Formula(text.strip(), parameters=starts, shared=shared)


def leaky_relu(alpha: float = 0.01) -> Activation:
    """Leaky ReLU with slope ``alpha`` >= 0 below 0."""
    return Activation("leaky_relu", alpha)


def elu(alpha: float = 1.0) -> Activation:
    """ELU that saturates at ``-alpha``, alpha > 0."""
    return Activation("elu", alpha)


def celu(alpha: float = 1.0) -> Activation:
    """ELU whose slope is 1 on both sides of 0 and that saturates at ``-alpha``, alpha > 0."""
    return Activation("celu", alpha)


def snake(alpha: float = 1.0) -> Activation:
    """Snake of frequency ``alpha`` > 0."""
    return Activation("snake", alpha)


def hard_sigmoid(slope: float = 1 / 6) -> Activation:
    """Hard sigmoid of a ``slope`` > 0 at 0: 1/6 as in PyTorch and Keras 3, 0.2 as in Keras 2."""
    return Activation("hard_sigmoid", slope)


def gelu(approximate: str = "none") -> Activation:
    """GELU, or with "tanh" its form in tanh."""
    _validate.one_of("approximate", approximate, ("none", "tanh"))
    return get("gelu" if approximate == "none" else "gelu_tanh")


def of_config(name: str, alpha: float | Mapping[str, float], shared: bool = False) -> Activation:
    """The activation whose `Activation.config` this is; of files from before it had one, 0 is no slope."""
    if isinstance(alpha, Mapping):
        return formula(name, shared=shared, **alpha)
    if name == "hard_sigmoid" and alpha == 0:
        return get(name)
    return Activation(name, alpha)


def names() -> list[str]:
    """All names that `get` knows."""
    return [*simd.ACTIVATIONS, *_ALIASES]


def get(
    spec: str | Activation | None, argument: str = "activation", learned: bool = False
) -> Activation:
    """The activation of a name; None is the identity.

    Raises
    ------
    TypeError, ValueError
        If ``spec`` is neither an activation nor a known name, or has parameters to learn where there may be
        none, as ``learned`` says; named ``argument`` in the message.
    """
    if spec is None:
        return _named("identity")
    if isinstance(spec, Formula) and spec.parameters and not learned:
        raise ValueError(
            f"{argument}: expected an activation without parameters to learn, got {spec!r}; give the layer "
            "none and put the layer vg.Activation(...) of it behind"
        )
    if isinstance(spec, Activation):
        return spec
    if not isinstance(spec, str) and inspect.isroutine(spec):
        raise TypeError(
            f"{argument}: expected a name, or vg.activations.formula(text) for one of one's own, got "
            f"{_validate.kind(spec)}"
        )
    return _named(_validate.one_of(argument, spec, names()))


@cache
def _named(name: str) -> Activation:
    """The activation of a known name: once, for deep models ask often."""
    name = _ALIASES.get(name, name)
    return Activation(name, _PARAMETERS[name].default if name in _PARAMETERS else 0.0)


def unitwise(
    spec: str | Activation | None, argument: str = "activation", learned: bool = False
) -> Activation:
    """The activation of a name, which must work unit by unit."""
    chosen = get(spec, argument, learned)
    if not chosen.unitwise:
        raise ValueError(
            f"{argument}: expected an activation of single units, got {chosen.name!r}, which mixes them"
        )
    return chosen


def __dir__() -> list[str]:
    """What users look for."""
    return __all__


if not TYPE_CHECKING:  # for whom there is nothing but what is declared
    __getattr__ = _answers.attributes(__name__)
