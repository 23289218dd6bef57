"""Initial values of weights and biases.

By name or as objects they are given to layers (draws.py). `lsuv` and `fixup` initialize a whole model
(models.py).
"""

from typing import TYPE_CHECKING

from vgcore import _answers
from vgcore.initializers.draws import (
    Constant,
    Critical,
    Custom,
    Draw,
    Identity,
    Initializer,
    Nielsen,
    Normal,
    Ones,
    Orthogonal,
    Sparse,
    TruncatedNormal,
    Uniform,
    VarianceScaling,
    Zeros,
    gain,
    get,
    names,
)
from vgcore.initializers.models import Scaled, fixup, lsuv

__all__ = [
    "Constant",
    "Critical",
    "Custom",
    "Draw",
    "Identity",
    "Initializer",
    "Nielsen",
    "Normal",
    "Ones",
    "Orthogonal",
    "Scaled",
    "Sparse",
    "TruncatedNormal",
    "Uniform",
    "VarianceScaling",
    "Zeros",
    "fixup",
    "gain",
    "get",
    "lsuv",
    "names",
]


def __dir__() -> list[str]:
    """What users look for."""
    return __all__


if not TYPE_CHECKING:  # for whom there is nothing but what is declared
    __getattr__ = _answers.attributes(__name__)
