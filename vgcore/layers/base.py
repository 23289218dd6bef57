"""The contract of a layer.

A layer's Python file names its parameters, their shapes and initializers, and its operation; its kernel
file in ``src/`` computes it. A layer is described first and gets its parameters, views into the flat
vector of a model, when a model takes it in.
"""

from __future__ import annotations

import copy
import inspect
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, overload

from numpy.typing import ArrayLike, DTypeLike, NDArray

from vgcore import _html, _validate, activations, initializers
from vgcore._core.op import Operation
from vgcore._settings import Checks
from vgcore.activations import Activation
from vgcore.initializers import Initializer
from vgcore.layers.membership import Member

if TYPE_CHECKING:
    from typing_extensions import Self

Array = NDArray[Any]
Shape = tuple[int | None, ...]
"""Of one sample: (features,), (time, features) or (channels, height, width); a time of None may differ from
call to call."""

TIMESTEPS = 0
"""Places of a sequence: as many as the call has timesteps."""


class FixedSteps(int):
    """A number of timesteps that a layer has made, other than that of the model's inputs."""


class Column(NamedTuple):
    """One operation's column in the tracker's record: the layer's name and ``suffix``.

    Where an operation is not ``shown`` it has none, but tells the column of the same name what the
    block's branches bring. ``branches``: it tells that of itself. ``slopes``: see `Layer.slopes`.
    ``gates`` names those it has.
    """

    suffix: str = ""
    shown: bool = True
    branches: bool = False
    slopes: bool = True
    gates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """One parameter of a layer: its name, its shape in PyTorch's layout, and how it starts.

    ``order`` "F" stores it with its last index slowest, as the matrix products want a weight (out, in);
    ``operation`` is which of the layer's operations it belongs to. What is not ``trained`` is a statistic
    that the layer keeps by itself; one that is not ``negative`` is never below 0.
    """

    name: str
    shape: tuple[int, ...]
    initializer: Initializer
    order: Literal["C", "F"] = "F"
    operation: int = 0
    trained: bool = True
    negative: bool = True


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
    """An attribute that is a layer's parameter: reading gives the view, assigning copies into it.

    ``negative`` is the parameter's.
    """

    def __init__(self, negative: bool = True) -> None:
        self.negative = negative

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
                "its parameters when a model is made of it, and those of a stack are its layers'"
            ) from None

    def __set__(self, layer: Layer, value: ArrayLike) -> None:
        """Copy ``value`` into the parameter."""
        argument = f"{layer.name}.{self.name}"
        view = self.__get__(layer, type(layer))
        array = _validate.array(argument, value)
        if array.shape != view.shape:
            raise ValueError(f"{argument}: expected shape {view.shape}, got {array.shape}")
        view[...] = _validate.state(argument, array, view.dtype, negative=self.negative)


def _name(argument: str, value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and (not value or "." in value):
        raise ValueError(f"{argument}: expected a non-empty str without '.', got {value!r}")
    return _validate.name(argument, value)


class Layer(Member):
    """Base of all layers.

    Attributes are read-only, but for the name, parameters, and what a subclass says may change.

    Attributes
    ----------
    kind : str
        What automatic names begin with: the first layer of kind "dense" is "dense1".
    arguments : tuple of str
        The arguments of the constructor, but for the name and for what has done its work when the layer
        joins a model; there are attributes of the same names.
    name : str or None
        Given by the user, or by the model that takes the layer in. It may be assigned: parameters, columns
        of records, and what a model was compiled with go by the new one.
    vocabulary : int or None
        Where the layer takes integers: they are below it.
    stateful : bool
        Whether its walks go on from where the minibatch before ended.
    output_activation : str
        Name of the activation whose values the outputs are, as losses want to know it.
    fuses_loss : bool
        Whether a loss may compute it in the layer's stead. A walk's outputs are what it goes on from, and
        stay: the loss reads their pre-activations beside them.
    meets : bool
        Whether rows or timesteps meet, as in statistics: all of time must then be run at once.
    fixes_time : bool
        Whether it makes sequences of another length: it must then know the length.
    pools_time : bool
        Whether each sequence must have a valid timestep, for it makes one vector of all of them.
    passes_on : bool
        Whether outputs are the inputs, but moved, chosen, averaged or dropped: they are then what the layer
        before made them, say probabilities.
    """

    kind: ClassVar[str]
    arguments: ClassVar[tuple[str, ...]] = ()
    checks: ClassVar[Checks] = {"name": _name}
    free: ClassVar[tuple[str, ...]] = ("name",)
    vocabulary: int | None = None
    stateful: bool = False
    output_activation: str = "identity"
    fuses_loss: ClassVar[bool] = True
    meets: bool = False
    fixes_time: bool = False
    pools_time: bool = False
    passes_on: ClassVar[bool] = False
    _views: Mapping[str, Array] = MappingProxyType({})

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """Make nothing of a class that the engine cannot run."""
        foreign = sorted(name for name in ("call", "forward") if hasattr(cls, name))
        if foreign or cls.__abstractmethods__:
            raise TypeError(
                f"{cls.__name__}: expected a layer with kernels in vgcore's engine, got one with "
                f"{'Python of its own, ' if foreign else 'none for '}"
                f"{', '.join(foreign or sorted(cls.__abstractmethods__))}; no Python runs inside a step: "
                "put it together from layers such as Residual, Highway and Activation, or write its "
                "kernels ('Adding a layer' in docs/architecture.md)"
            )
        return super().__new__(cls)

    def __init__(self, name: str | None = None) -> None:
        self.name = name

    def given(self) -> dict[str, Any]:
        """The constructor's arguments, but for those that have done their work."""
        return {name: getattr(self, name) for name in (*self.arguments, "name")}

    def copy(self, **changes: Any) -> Self:
        """A layer like it, of the same name, that belongs to nobody; it has no parameters yet.

        Parameters
        ----------
        **changes
            Other arguments of the constructor. Initializers stay what they are: "he_normal" keeps the gain
            of the activation that it was given with.

        Raises
        ------
        TypeError, ValueError
            If the constructor takes no such arguments.
        """
        if not changes:
            return copy.copy(self)
        given = {name: _free(value) for name, value in self.given().items() if name not in changes}
        for name in _parameters(type(self)):
            if name.endswith("_initializer"):
                given[name] = self._start(name)
        return type(self)(**{**given, **changes})

    def __repr__(self) -> str:
        """Show a call that makes such a layer: what is not as by default."""
        shown = [f"{name}={value!r}" if name else repr(value) for name, value in self.shown()]
        return f"{type(self).__name__}({', '.join(shown)})"

    def shown(self) -> list[tuple[str, Any]]:
        """The arguments of a call that makes such a layer: name and value of each that is not as by default.

        Those that every call has come first, under no name.
        """
        given, found = self.given(), []
        for name, parameter in _parameters(type(self)).items():
            required = parameter.default is parameter.empty
            value, default = given.get(name), None if required else parameter.default
            if name.endswith("_initializer"):
                value, default = self._start(name), self._default_start(name, default)
            if isinstance(value, Activation):
                value, default = value.spec, activations.get(default).spec
            if isinstance(value, tuple) and isinstance(default, int) and len({*value}) == 1:
                value = value[0]
            if value is None or (value == default and not required):
                continue
            found.append(("" if required else name, value))
        return found

    def _repr_html_(self) -> str:
        """Show the parameters in a notebook."""
        rows = [(name, str(view.shape), view.size) for name, view in self.views.items()]
        return _html.table(repr(self), ("parameter", "shape", "numbers"), rows)

    def _start(self, name: str) -> Any:
        """An initializer as it was given: of gates, that of each."""
        start = getattr(self, name, None)
        return getattr(start, "initializer", start)

    def _default_start(self, name: str, default: Any) -> Any:
        function = getattr(self, "activation", "identity")
        return None if default is None else initializers.get(default, function, name)

    def __dir__(self) -> list[str]:
        """The constructor's arguments, the parameters, and what users call."""
        own = {*_parameters(type(self)), *self.views, "views", "copy"}
        return sorted(name for name in {*own, *self.free} if hasattr(self, name))

    def _label(self) -> str:
        return f"{self.name or type(self).__name__}."

    @property
    def views(self) -> Mapping[str, Array]:
        """The parameters' values in the model's flat vector, once a model has taken the layer in.

        Each time others, whose shapes are nobody else's.
        """
        return MappingProxyType({name: view[...] for name, view in self._views.items()})

    @abstractmethod
    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of one output for one input; ValueError if the layer cannot take such an input."""

    @abstractmethod
    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """The parameters in the order of the operation's."""

    @abstractmethod
    def operations(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """What the engine runs, for reals of 4 or 8 bytes."""

    def planned(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The operations, each knowing the places of its inputs and outputs."""
        before, behind = places(input_shape), places(self.output_shape(input_shape))
        return [each.lay(before, behind) for each in self.operations(input_shape, real_bytes)]

    def least_rows(self, input_shape: Shape, times: int) -> int:
        """Rows that a minibatch of sequences of ``times`` timesteps must have to train with."""
        return 1

    def columns(self) -> list[Column]:
        """The columns of the operations in the tracker's record."""
        return [Column(slopes=self.slopes)]

    @property
    def slopes(self) -> bool:
        """Whether each output has a slope of its own, which may be flat.

        It has behind an activation that acts unit by unit; not behind softmax, nor where numbers are but
        moved, chosen or averaged.
        """
        activation = getattr(self, "activation", None)
        return activation is not None and activation.unitwise

    def operation_shapes(self, input_shape: Shape) -> list[Shape]:
        """The shape of what each operation puts out, but for the units of a direction."""
        return [self.output_shape(input_shape) for _ in self.columns()]

    def members(self) -> Sequence[Layer]:
        """The layers it wraps."""
        return ()

    def parts(self) -> list[Layer]:
        """The layers it is made of in the end: itself alone, or those it wraps."""
        return [part for layer in self.members() for part in layer.parts()] or [self]

    def check_dtype(self, dtype: DTypeLike) -> None:
        """Raise if the layer cannot work in ``dtype``."""

    def branches(self, input_shape: Shape) -> list[tuple[Sequence[Layer], list[Shape], int]]:
        """The stacks inside a block: layers, their shapes as of a model, the first operation's number."""
        return []

    def adopt(self, views: dict[str, Array]) -> None:
        """Become part of a model, whose parameters ``views`` are; of none, if there are none."""
        self.__dict__["_views"] = views

    def walks(self) -> list[Walk]:
        """The layer's walks through time, one for each operation; none if it has no states."""
        return []

    def config(self) -> dict[str, Any]:
        """The arguments that make an equal layer, as JSON can hold them."""
        return {
            name: value.config() if isinstance(value, Activation) else value
            for name, value in self.given().items()
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The layer that `config` described, whose tuples JSON made lists."""
        options: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in config.items()
        }
        for name in options:
            if name.endswith("activation"):
                options[name] = activations.of_config(*options[name])
        return cls(**options)


@cache
def _parameters(kind: type) -> dict[str, inspect.Parameter]:
    """The arguments of a constructor, those that it hands on to its base's among them."""
    found: dict[str, inspect.Parameter] = {}
    for base in kind.__mro__:
        mine = inspect.signature(base).parameters if "__init__" in vars(base) else {}
        for name, parameter in mine.items():
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                found.setdefault(name, parameter)
    return found


def _free(value: Any) -> Any:
    """An argument of a constructor whose layers belong to nobody."""
    if isinstance(value, Layer):
        return value.copy()
    return type(value)(map(_free, value)) if isinstance(value, list | tuple) else value


def features(input_shape: Shape) -> int:
    """Numbers of one sample at one timestep or place."""
    number = input_shape[0] if is_image(input_shape) else input_shape[-1]
    if number is None:
        raise ValueError(f"expected a number of features, got shape {input_shape}")
    return number


def is_image(shape: Shape) -> bool:
    """Whether it is (channels, height, width)."""
    return len(shape) == 3


def places(shape: Shape) -> int:
    """How many places a sample of this shape has, or TIMESTEPS."""
    if is_image(shape):
        _, height, width = shape
        assert height is not None and width is not None
        return height * width
    if len(shape) == 1:
        return 1
    return shape[0] if isinstance(shape[0], FixedSteps) else TIMESTEPS


def joining(argument: str, given: Iterable[Layer]) -> tuple[Layer, ...]:
    """Layers that are free to join a model or a block."""
    if isinstance(given, Layer):
        raise TypeError(f"{argument}: expected a sequence of layers, got {type(given).__name__}")
    layers = tuple(_validate.items(argument, given, "a sequence of layers"))
    for layer in layers:
        if not isinstance(layer, Layer):
            raise TypeError(
                f"{argument}: expected layers, got {layer!r} ({_validate.kind(layer)}){_instead(layer)}"
            )
        check_free(argument, layer)
    return layers


def _instead(given: Any) -> str:
    """What to say in the place of something that is no layer."""
    if isinstance(given, type) and issubclass(given, Layer):
        return f"; make one: {given.__name__}(...)"
    if isinstance(given, str) and given in activations.names():
        return f"; an activation by itself is Activation({given!r})"
    if hasattr(given, "layers"):
        return "; list its layers, for models are not nested (a Residual holds layers)"
    return "; no Python runs inside a step" if callable(given) else ""


def check_free(argument: str, layer: Layer) -> None:
    """Raise if a layer belongs to a model or a block."""
    owner = "a model" if layer.views else layer.owned
    if owner is not None:
        raise ValueError(
            f"{argument}: {layer.name or type(layer).__name__} already belongs to {owner}; "
            "make a new layer, for each has parameters of its own"
        )


def check_once(layers: Iterable[Layer]) -> None:
    """Raise if a layer is there twice."""
    parts = [id(part) for layer in layers for part in layer.parts()]
    if len(set(parts)) < len(parts):
        raise ValueError(
            "layers: expected each layer once, got the same one twice; parameters are not shared between "
            "layers, so make one for each place"
        )


def name_layers(layers: Sequence[Layer]) -> None:
    """Name the layers that have no name after their kind and number.

    Raises
    ------
    ValueError
        If two would have the same name; none is named then.
    """
    taken = Counter(layer.name for layer in layers if layer.name is not None)
    repeated = [name for name, count in taken.items() if count > 1]
    if repeated:
        raise ValueError(
            f"layers: expected distinct names, got {', '.join(sorted(repeated))} twice"
        )
    counts: dict[str, int] = {}
    names = []
    for layer in layers:
        counts[layer.kind] = counts.get(layer.kind, 0) + 1
        names.append(layer.name or f"{layer.kind}{counts[layer.kind]}")
        if layer.name is None and names[-1] in taken:
            raise ValueError(
                f"layers: the name {names[-1]!r} is given to one layer and due to another"
            )
    for layer, name in zip(layers, names, strict=True):
        layer.name = name


def describe(layer: Layer) -> dict[str, Any]:
    """Class and arguments of a layer, as JSON can hold them."""
    return {"class": type(layer).__name__, **layer.config()}


def make(description: dict[str, Any]) -> Layer:
    """The layer that `describe` described; KeyError if there is no such class."""
    arguments = dict(description)
    kinds = {kind.__name__: kind for kind in _kinds(Layer)}  # type: ignore[type-abstract]
    return kinds[arguments.pop("class")].from_config(arguments)


def _kinds(base: type[Layer]) -> list[type[Layer]]:
    return [kind for each in base.__subclasses__() for kind in (each, *_kinds(each))]
