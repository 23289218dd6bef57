"""Initial values of weights and biases.

By name or as objects they are given to layers (draws.py). `lsuv` sets those of a whole model by what its
layers make of data.
"""

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
from vgcore.initializers.lsuv import Scaled, lsuv

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
    "gain",
    "get",
    "lsuv",
    "names",
]
