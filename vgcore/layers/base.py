"""The contract of a layer.

A layer's Python file names its parameters, their shapes and initializers, and its operation; its kernel
file in ``src/`` computes it. A layer is described first and gets its parameters, views into the flat
vector of a model, when a model takes it in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, overload

from numpy.typing import ArrayLike, NDArray

from vgcore import _validate
from vgcore._core.op import Operation
from vgcore.initializers import Initializer

Array = NDArray[Any]
Shape = tuple[int | None, ...]
"""Of one sample; None is a number of timesteps that may differ from call to call."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a layer: its name, its shape in PyTorch's layout, and how it starts.

    ``order`` "F" stores it with its last index slowest, as the matrix products want a weight (out, in);
    ``operation`` is which of the layer's operations it belongs to.
    """

    name: str
    shape: tuple[int, ...]
    initializer: Initializer
    order: Literal["C", "F"] = "F"
    operation: int = 0


@dataclass(frozen=True)
class Walk:
    """One walk of a layer through time: what it is called behind the layer's name, and what it carries.

    ``states`` names the states, h first; each is of ``units`` numbers. ``gates`` names the
    pre-activations whose gradients are recorded.
    """

    suffix: str
    units: int
    states: tuple[str, ...]
    gates: tuple[str, ...]
    reverse: bool
    learned: bool


class View:
    """An attribute that is a layer's parameter: reading gives the view, assigning copies into it."""

    def __set_name__(self, owner: type, name: str) -> None:
        """Learn the attribute's name, which is the parameter's."""
        self.name = name

    @overload
    def __get__(self, layer: None, owner: type) -> View: ...
    @overload
    def __get__(self, layer: Layer, owner: type) -> Array: ...
    def __get__(self, layer: Layer | None, owner: type) -> View | Array:
        """Give the view of the parameter in the model's flat vector."""
        if layer is None:
            return self
        try:
            return layer.views[self.name]
        except KeyError:
            raise AttributeError(
                f"{layer.name or type(layer).__name__}: no {self.name} yet or at all; a layer gets "
                "its parameters when a model is made of it"
            ) from None

    def __set__(self, layer: Layer, value: ArrayLike) -> None:
        """Copy ``value`` into the parameter."""
        argument = f"{layer.name}.{self.name}"
        view = self.__get__(layer, type(layer))
        array = _validate.array(argument, value)
        if array.shape != view.shape:
            raise ValueError(f"{argument}: expected shape {view.shape}, got {array.shape}")
        view[...] = _validate.finite(argument, array, view.dtype)


class Layer(ABC):
    """Base of all layers.

    Attributes
    ----------
    kind : str
        What automatic names begin with: the first layer of kind "dense" is "dense1".
    name : str or None
        Given by the user, or by the model that takes the layer in.
    views : dict of str to ndarray
        The parameters' values in the model's flat vector, once a model has taken the layer in.
    vocabulary : int or None
        Where the layer takes integers: they are below it.
    stateful : bool
        Whether its walks go on from where the minibatch before ended.
    output_activation : str
        Name of the activation whose values the outputs are, as losses want to know it.
    fuses_loss : bool
        Whether a loss may compute it in the layer's stead.
    """

    kind: ClassVar[str]
    vocabulary: int | None = None
    stateful: bool = False
    output_activation: str = "identity"
    fuses_loss: ClassVar[bool] = False

    def __init__(self, name: str | None = None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name: expected a str, got {name!r} ({type(name).__name__})")
        if name is not None and (not name or "." in name):
            raise ValueError(f"name: expected a non-empty str without '.', got {name!r}")
        self.name = name
        self.views: dict[str, Array] = {}

    @abstractmethod
    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of one output for one input; ValueError if the layer cannot take such an input."""

    @abstractmethod
    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """The parameters in the order of the operation's."""

    @abstractmethod
    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """What the engine runs, for reals of 4 or 8 bytes: side by side, if there are several."""

    def parts(self) -> list[Layer]:
        """The layers it is made of: itself alone, or those it wraps."""
        return [self]

    def adopt(self, views: dict[str, Array]) -> None:
        """Become part of a model, whose parameters ``views`` are; of none, if there are none."""
        self.views = views

    def walks(self) -> list[Walk]:
        """The layer's walks through time, one for each operation; none if it has no states."""
        return []

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The arguments that make an equal layer, as JSON can hold them."""


def features(input_shape: Shape) -> int:
    """Numbers of one sample at one timestep."""
    last = input_shape[-1]
    if last is None:
        raise ValueError(f"expected a number of features, got shape {input_shape}")
    return last
