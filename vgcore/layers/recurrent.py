"""What the recurrent layers share: their options, and parameters in PyTorch's layouts."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Any, ClassVar

import numpy as np

from vgcore import _answers, _validate, activations, initializers
from vgcore._core.op import Operation
from vgcore._settings import Checks
from vgcore.activations import Activation
from vgcore.initializers import Initializer
from vgcore.layers.base import (
    Column,
    Layer,
    Parameter,
    Shape,
    View,
    Walk,
    features,
    is_image,
)
from vgcore.layers.block import Block
from vgcore.layers.dropout import Dropout
from vgcore.layers.membership import Member, claim

_STARTS = ("zeros", "learned")
_MOST_LAYERS = 1000  # of a stack: a file may ask for any number


@dataclass(frozen=True)
class Stacked(Initializer):
    """The weights of several gates above each other, each drawn by itself: its fans are a gate's."""

    initializer: Initializer
    gates: int

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> initializers.Draw:
        """Draw each gate's block in turn."""
        block = (shape[0] // self.gates, *shape[1:])
        return np.concatenate([self.initializer.draw(block, rng) for _ in range(self.gates)])


class Between(Dropout):
    """Dropout between two layers of a stack: no layer of its own to the tracker."""

    def columns(self) -> list[Column]:
        """None."""
        return [Column(shown=False)]


class Walking(Block):
    """A layer that walks through time, or with ``num_layers`` a stack of such, each on the outputs below.

    Attributes
    ----------
    layers : tuple of Layer
        Those of a stack, "0", "1", ...; empty where it is one by itself.
    """

    layers: tuple[Layer, ...] = ()
    _between: tuple[Between, ...] = ()

    @property
    def stacks(self) -> Sequence[Sequence[Layer]]:
        """The layers of the stack, dropout between them."""
        both = zip_longest(self.layers, self._between)
        return [[layer for pair in both for layer in pair if layer is not None]]

    def columns(self) -> list[Column]:
        """One for each walk; of a stack layer by layer."""
        if self.layers:
            return super().columns()
        return [Column(walk.suffix, gates=walk.gates) for walk in self.walks()]

    def planned(self, input_shape: Shape, real_bytes: int) -> list[Operation]:
        """The operations, each knowing the places of its inputs and outputs."""
        if self.layers:
            return super().planned(input_shape, real_bytes)
        return Layer.planned(self, input_shape, real_bytes)

    def stack_up(self, layers: Sequence[Layer], rate: float) -> None:
        """Become a stack of ``layers``."""
        self.layers = tuple(layers)
        self._between = tuple(Between(rate) for _ in layers[1:])
        for number, layer in enumerate(self.layers):
            layer.name = str(number)
        for number, layer in enumerate(self._between):
            layer.name = f"dropout{number}"
        claim(self, self.members())

    def share(self, name: str, value: float) -> None:
        """Assign a rate, which all layers of the stack have."""
        for part in self.parts() if self.layers else ():
            if name == "dropout" and isinstance(part, Between):
                part.keep("rate", value)
            elif name == "recurrent_dropout" and isinstance(part, Recurrent):
                part.keep(name, value)

    def change(self, member: Member, name: str, value: Any) -> None:
        """Assign nothing of a layer of the stack."""
        raise AttributeError(
            f"{name}: all layers of {self.name or type(self).__name__} go by its own; assign it there"
        )


class Recurrent(Walking):
    """Base of `RNN`, `LSTM` and `GRU`.

    Subclasses name their gates in PyTorch's order and their states, and hand over their operation. What a
    cell has of its own is there before this constructor makes a stack of it.

    Parameters
    ----------
    units : int
        Units H of the hidden state.
    activation : str or Activation
        Of the hidden state; any of `vgcore.activations` but softmax.
    return_sequences : bool
        Whether outputs are the hidden states of all timesteps (n, time, H) or of the last (n, H).
    go_backwards : bool
        Walk from the last timestep to the first. Outputs stay at the timesteps they belong to, as in
        PyTorch's reverse direction; the last one of the walk is at timestep 0.
    stateful : bool
        Start each minibatch from the states in which the one before ended, row by row, until
        `Sequential.reset_states`.
    initial_state : {"zeros", "learned"}
        What a walk starts from, unless it is given one: zeros, or parameters ``initial_h`` (H,) and, in an
        LSTM, ``initial_c`` that start as zeros.
    recurrent_dropout : float in [0, 1)
        Share of units that ``weight_hh`` does not see while training: drawn for each minibatch and row, the
        same ones at every timestep; the others are scaled by ``1 / (1 - recurrent_dropout)`` (Gal and
        Ghahramani 2016, arXiv 1512.05287, section 4). For the inputs, put
        ``Dropout(rate, across_time=True)`` before the layer. It may be assigned later on, as a Dropout's.
    use_bias : bool
        Whether there are ``bias_ih`` and ``bias_hh``.
    num_layers : int
        How many such layers lie one above the other: from 2 on they are "lstm1.0", "lstm1.1", ... in the
        tracker, in the names of parameters and states, and wherever layers are named; "lstm1" means all.
        All give their outputs at every timestep to the next; ``return_sequences`` is the last one's.
    dropout : float in [0, 1)
        Of the outputs of each layer of the stack but the last, as in PyTorch. It may be assigned later on.
    weight_initializer, recurrent_initializer, bias_initializer : str, Initializer or callable
        Of ``weight_ih``, ``weight_hh`` and the biases, each gate by itself; names of
        `vgcore.initializers`.
    name : str, optional

    Attributes
    ----------
    layers : tuple of Layer
        Those of a stack, which have the parameters; empty with ``num_layers=1``.
    weight_ih : ndarray, (gates * H, in)
    weight_hh : ndarray, (gates * H, H)
    bias_ih, bias_hh : ndarray, (gates * H,)
        Views of the model's parameters: assigning copies into them.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, out of range or an unknown name.
    """

    gates: ClassVar[tuple[str, ...]]
    states: ClassVar[tuple[str, ...]] = ("h",)
    fuses_loss: ClassVar[bool] = False
    kernels: Callable[..., Operation]
    arguments: ClassVar[tuple[str, ...]] = (
        "units", "activation", "return_sequences", "go_backwards", "stateful", "initial_state",
        "recurrent_dropout", "use_bias", "num_layers", "dropout",
    )  # fmt: skip
    checks: ClassVar[Checks] = {
        **Layer.checks,
        "recurrent_dropout": partial(_validate.real, minimum=0, below=1),
        "dropout": partial(_validate.real, minimum=0, below=1),
    }
    free = (*Layer.free, "recurrent_dropout", "dropout")

    weight_ih = View()
    weight_hh = View()
    bias_ih = View()
    bias_hh = View()
    initial_h = View()

    def __init__(
        self,
        units: int,
        activation: str | Activation = "tanh",
        *,
        return_sequences: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        initial_state: str = "zeros",
        recurrent_dropout: float = 0.0,
        use_bias: bool = True,
        num_layers: int = 1,
        dropout: float = 0.0,
        weight_initializer: Any = "xavier_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        name: str | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__(name)
        for option in unknown:
            names = self._options()
            raise TypeError(
                f"{option}: {type(self).__name__} expects the options {', '.join(names)}, got the option "
                f"{option!r}{_answers.keyword(type(self).__name__, option, names)}"
            )
        self.units = _validate.integer("units", units, minimum=1)
        self.activation = activations.unitwise(activation)
        self.return_sequences = _validate.boolean("return_sequences", return_sequences)
        self.go_backwards = _validate.boolean("go_backwards", go_backwards)
        self.stateful = _validate.boolean("stateful", stateful)
        self.initial_state = _validate.one_of("initial_state", initial_state, _STARTS)
        if self.stateful and self.initial_state == "learned":
            raise ValueError(
                "initial_state: expected 'zeros' of a stateful layer, whose states are carried over; got "
                "'learned'"
            )
        self.recurrent_dropout = recurrent_dropout
        self.use_bias = _validate.boolean("use_bias", use_bias)
        self.num_layers = _validate.integer(
            "num_layers", num_layers, minimum=1, maximum=_MOST_LAYERS
        )
        self.dropout = dropout
        self.weight_initializer, self.recurrent_initializer, self.bias_initializer = (
            Stacked(initializers.get(given, self.activation, argument), len(self.gates))
            for argument, given in (
                ("weight_initializer", weight_initializer),
                ("recurrent_initializer", recurrent_initializer),
                ("bias_initializer", bias_initializer),
            )
        )
        if self.num_layers > 1:
            one = {"num_layers": 1, "dropout": 0.0, "_sealed": True}
            below = [self.altered(**one, return_sequences=True) for _ in range(self.num_layers - 1)]
            self.stack_up([*below, self.altered(**one)], self.dropout)

    def __setattr__(self, name: str, value: Any) -> None:
        """Assign an attribute; a rate, of all layers of a stack."""
        if name == "dropout" and self.num_layers == 1:
            value = self.checks[name](name, value)
            if value > 0:
                raise ValueError(
                    f"dropout: expected 0 of one layer, for it acts between those of num_layers=; got "
                    f"{value:g}; Dropout({value:g}) behind the layer drops of its outputs"
                )
        super().__setattr__(name, value)
        self.share(name, self.__dict__.get(name, value))

    def keep(self, name: str, value: Any) -> None:
        """Assign an attribute, and tell no owner."""
        super().keep(name, value)
        self.share(name, value)

    @classmethod
    def _options(cls) -> list[str]:
        names = [
            name
            for kind in (cls, Recurrent)
            for name, parameter in inspect.signature(kind.__init__).parameters.items()
            if name != "self" and parameter.kind is not parameter.VAR_KEYWORD
        ]
        return list(dict.fromkeys(names))

    def output_shape(self, input_shape: Shape) -> Shape:
        """(time, units) with ``return_sequences``, else (units,), for an input (time, features)."""
        if len(input_shape) != 2 or input_shape[1] is None:
            hint = (
                "Reshape((time, features)) makes one of an image"
                if is_image(input_shape)
                else "a recurrent layer gives them on with return_sequences=True"
            )
            raise ValueError(
                f"{self.name}: expected sequences of shape (time, features), got shape {input_shape}; "
                f"{hint}"
            )
        return (input_shape[0], self.units) if self.return_sequences else (self.units,)

    def walks(self) -> list[Walk]:
        """One walk, to the end or to the beginning; of a stack one for each layer."""
        if self.layers:
            return super().walks()
        learned = self.initial_state == "learned"
        return [Walk("", self.units, self.states, self.gates, self.go_backwards, learned)]

    def parameters(self, input_shape: Shape) -> list[Parameter]:
        """Weights, biases, what the cell adds, and the initial states if they are learned."""
        if self.layers:
            return super().parameters(input_shape)
        rows = len(self.gates) * self.units
        parameters = [
            Parameter("weight_ih", (rows, features(input_shape)), self.weight_initializer),
            Parameter("weight_hh", (rows, self.units), self.recurrent_initializer),
        ]
        if self.use_bias:
            for name, initializer in zip(("bias_ih", "bias_hh"), self.biases(), strict=True):
                parameters.append(Parameter(name, (rows,), initializer))
        parameters += self.cell_parameters()
        if self.initial_state == "learned":
            zeros = initializers.get("zeros", self.activation, "initial_state")
            parameters += [Parameter(f"initial_{s}", (self.units,), zeros) for s in self.states]
        return parameters

    def biases(self) -> tuple[Initializer, Initializer]:
        """How ``bias_ih`` and ``bias_hh`` start."""
        return self.bias_initializer, self.bias_initializer

    def cell_parameters(self) -> list[Parameter]:
        """Parameters besides weights, biases and initial states."""
        return []

    @abstractmethod
    def cell_options(self) -> dict[str, Any]:
        """What the kernels of the cell take besides the options of every recurrent layer."""

    def operations(
        self, input_shape: Shape, real_bytes: int, *, beside: bool = False
    ) -> list[Operation]:
        """The kernels of the cell; ``beside``: in one layer with the operation before."""
        if self.layers:
            return super().operations(input_shape, real_bytes)
        options = {
            "activation": self.activation.function,
            "reverse": self.go_backwards,
            "bias": self.use_bias,
            "learned": self.initial_state == "learned",
            "dropout": self.recurrent_dropout,
            "beside": beside,
            **self.cell_options(),
        }
        return [self.kernels(features(input_shape), self.units, real_bytes=real_bytes, **options)]
