"""Activations by name, and the two that take a parameter.

========================  =====================================================================
identity, linear          z
sigmoid                   1 / (1 + e^-z)
tanh                      tanh z
relu                      max(z, 0)
leaky_relu                z if z >= 0 else alpha z; alpha = 0.01 (Maas et al. 2013)
elu                       z if z >= 0 else alpha (e^z - 1); alpha = 1 (Clevert et al. 2016, eq. 15)
selu                      1.0507 elu(z; alpha = 1.6733) (Klambauer et al. 2017, eq. 2)
gelu                      z Phi(z), Phi the normal distribution function (Hendrycks, Gimpel 2016)
silu, swish               z sigmoid(z) (Elfwing et al. 2018)
softplus                  log(1 + e^z)
softsign                  z / (1 + abs z)
hard_sigmoid              min(max(z + 3, 0), 6) / 6
softmax                   e^z_j / sum_k e^z_k, over the units
========================  =====================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vgcore import _answers, _validate
from vgcore._core import simd
from vgcore._core.function import ActivationFunction

_ALIASES = {"linear": "identity", "swish": "silu"}
_KEEPS_Z = {"elu", "selu", "gelu", "silu", "softplus", "softsign"}
_ALPHA = {"leaky_relu": 0.01, "elu": 1.0}


@dataclass(frozen=True)
class Activation:
    """An activation function as a layer uses it.

    Attributes
    ----------
    name : str
        Its name, aliases resolved.
    alpha : float
        The parameter of leaky_relu and elu; 0 for the others.
    """

    name: str
    alpha: float = 0.0

    def __post_init__(self) -> None:
        _validate.one_of("name", self.name, simd.ACTIVATIONS)
        least = {"leaky_relu": {"minimum": 0.0}, "elu": {"above": 0.0}}.get(self.name, {})
        _validate.real("alpha", self.alpha, **least)

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
            simd.ACTIVATIONS[self.name], self.alpha, keeps_z=self.name in _KEEPS_Z
        )


def leaky_relu(alpha: float = 0.01) -> Activation:
    """Leaky ReLU with slope ``alpha`` >= 0 below 0."""
    return Activation("leaky_relu", alpha)


def elu(alpha: float = 1.0) -> Activation:
    """ELU that saturates at ``-alpha``, alpha > 0."""
    return Activation("elu", alpha)


def with_alpha(name: str, alpha: float) -> Activation:
    """The activation of a name and its parameter, which is 0 where it has none."""
    if name == "leaky_relu":
        return leaky_relu(alpha)
    return elu(alpha) if name == "elu" else get(name)


def names() -> list[str]:
    """All names that `get` knows."""
    return [*simd.ACTIVATIONS, *_ALIASES]


def get(spec: str | Activation | None, argument: str = "activation") -> Activation:
    """The activation of a name; None is the identity.

    Raises
    ------
    TypeError, ValueError
        If ``spec`` is neither an activation nor a known name; named ``argument`` in the message.
    """
    if spec is None:
        return Activation("identity")
    if isinstance(spec, Activation):
        return spec
    name = _validate.one_of(argument, spec, names())
    name = _ALIASES.get(name, name)
    return Activation(name, _ALPHA.get(name, 0.0))


def unitwise(spec: str | Activation | None, argument: str = "activation") -> Activation:
    """The activation of a name, which must work unit by unit."""
    chosen = get(spec, argument)
    if chosen.name == "softmax":
        raise ValueError(
            f"{argument}: expected an activation of single units, got 'softmax', which mixes them"
        )
    return chosen


if not TYPE_CHECKING:  # for whom there is nothing but what is declared
    __getattr__ = _answers.attributes(__name__)
