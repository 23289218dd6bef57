"""What the networks of the playground learn: data, what they ask of an output, the code that makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore import data

Array = NDArray[Any]
Values = Mapping[str, Any]

SAMPLES = 512
_COPIED = 20  # timesteps of copy_memory beside its delay


@dataclass(frozen=True)
class Task:
    """A data set of the playground.

    Attributes
    ----------
    title : str
    kind : {"plane", "curve", "images", "sequences"}
        What its inputs are.
    code : callable
        From the values of controls, the expression that makes (x, y): evaluated, and shown.
    outputs : int
        Of the network: classes, or 1 for numbers.
    at_each : bool
        Whether there is a target at each timestep.
    """

    title: str
    kind: str
    code: Callable[[Values], str]
    outputs: int
    at_each: bool = False

    @property
    def numbers(self) -> bool:
        """Whether targets are numbers, and not classes."""
        return self.outputs == 1

    @property
    def in_time(self) -> bool:
        """Whether its inputs are sequences."""
        return self.kind == "sequences"

    @property
    def loss(self) -> str:
        """The loss, by its name."""
        return "mse" if self.numbers else "sparse_categorical_crossentropy"

    def arrays(self, values: Values) -> tuple[Array, Array]:
        """X and y; those of equal values are the same arrays."""
        return _made(self.code(values))


@lru_cache(maxsize=8)
def _made(code: str) -> tuple[Array, Array]:
    x, y = eval(code, {"vg": SimpleNamespace(data=data)})  # an expression of this file's own
    return np.ascontiguousarray(x), np.ascontiguousarray(y)


def _in_plane(name: str) -> Callable[[Values], str]:
    def code(values: Values) -> str:
        return f"vg.data.{name}({SAMPLES}, noise={values['noise']:.3g}, seed={values['seed']})"

    return code


def _in_time(name: str, beside: int = 0) -> Callable[[Values], str]:
    def code(values: Values) -> str:
        length = max(values["length"] - beside, 1)
        return f"vg.data.{name}({SAMPLES}, {length}, seed={values['seed']})"

    return code


def _first_digits(values: Values) -> str:
    return f"(each[:{SAMPLES}] for each in vg.data.digits())"


TASKS = {
    "spirals": Task("two spirals", "plane", _in_plane("spirals"), 2),
    "circles": Task("circles", "plane", _in_plane("circles"), 2),
    "moons": Task("moons", "plane", _in_plane("moons"), 2),
    "xor": Task("XOR", "plane", _in_plane("xor"), 2),
    "digits": Task("digits, 8 × 8", "images", _first_digits, 10),
    "sine": Task("sine", "curve", _in_plane("sine"), 1),
    "adding": Task("adding problem", "sequences", _in_time("adding_problem"), 1),
    "copy": Task("copy memory", "sequences", _in_time("copy_memory", _COPIED), 9, at_each=True),
    "temporal_order": Task("temporal order", "sequences", _in_time("temporal_order"), 4),
    "parity": Task("parity", "sequences", _in_time("parity"), 2),
}
SEQUENCES = [name for name, task in TASKS.items() if task.in_time]
STILL = [name for name, task in TASKS.items() if not task.in_time]
