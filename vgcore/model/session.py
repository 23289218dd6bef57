"""A network that runs: where its numbers lie, the engine's programs of it, and the steps it has done.

`Sequential` is what people hold; a `Session` is what training, prediction, files and theory work on.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

from numpy.typing import NDArray

from vgcore import _validate
from vgcore._core.program import Program
from vgcore._locks import lock_of
from vgcore.layers.base import TIMESTEPS, Layer, Parameter, Shape, describe, name_layers, places
from vgcore.layers.membership import Owner, claim
from vgcore.model import generators, making, planning, threads
from vgcore.model.compiling import Compiled
from vgcore.model.history import History
from vgcore.model.parameters import Layout
from vgcore.model.states import Carried

Array = NDArray[Any]


class Session(Owner):
    """Layers one after the other, their parameters, and what has been done with them.

    Attributes
    ----------
    layers : tuple of Layer
    input_shape : tuple of int
    dtype : numpy.dtype
    rng : numpy.random.Generator
        Of initial weights and of shuffling.
    seed : int
        Of what is random inside the engine.
    shapes : list of tuple
        Of the input, then of each layer's output.
    layout : Layout
        Where each parameter lies in the flat vectors.
    values, gradients : ndarray
        The flat vectors of parameters and of their gradients.
    states : list of ndarray
        Those of the optimizer's states.
    carried : Carried or None
        What stateful layers go on from.
    history : History or None
        The course of the last `fit`, also of one that was broken off.
    batch_size : int or None
        Rows of the minibatches of the last `fit`, where they were cut by it.
    run : object
        Stands for the count of steps since `compile`.
    warned : bool
        Whether it has been said that a loss is not finite.
    turn : RLock
        Whoever runs the engine, or changes what it runs on, holds it.
    """

    def __init__(self, layers: Sequence[Layer], input_shape: Any, dtype: Any, seed: Any) -> None:
        self.input_shape = making.shape(input_shape)
        self.dtype = _validate.real_dtype("dtype", dtype)
        self.rng = making.generator(seed)
        self.layers = making.layers(layers)
        given_names = [layer.name for layer in self.layers]
        try:
            self._take_in()
        except BaseException:
            for layer, name in zip(self.layers, given_names, strict=True):
                layer.name = name
                layer.adopt({})
            raise
        claim(self, self.layers)
        self.stateful = any(layer.stateful for layer in self.layers)
        self.meets = any(layer.meets for layer in self.layers)
        self.chosen: Compiled | None = None
        self.states: list[Array] = []
        self.carried: Carried | None = None
        self.history: History | None = None
        self.batch_size: int | None = None
        self.run = object()
        self.warned = False
        self.turn = lock_of(self, "turn")
        self._step = 0
        self._program: Program | None = None
        self._forward_program: Program | None = None

    def _take_in(self) -> None:
        """Name the layers, lay out their parameters and initialize them."""
        name_layers(self.layers)
        for part in (part for layer in self.layers for part in layer.parts()):
            part.check_dtype(self.dtype)
        described = self._lay_out()
        self.values = self.layout.vector(self.dtype)
        self.gradients = self.layout.vector(self.dtype)
        self.seed = int(copy.deepcopy(self.rng).integers(2**63))
        views = self._share_out(described)
        for parameter, (name, view) in zip(chain(*described), views.items(), strict=True):
            try:
                view[...] = parameter.initializer(parameter.shape, self.rng, self.dtype)
            except (TypeError, ValueError) as error:
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"{name}: {error}") from error

    def _lay_out(self) -> list[list[Parameter]]:
        """Find where parameters lie, and say of which layers they are."""
        self.shapes, described = lay_out(self.layers, self.input_shape)
        self.layout = Layout(self.layers, described)
        return described

    def _share_out(self, described: list[list[Parameter]]) -> dict[str, Array]:
        """Give each layer its parameters; all of them, by name."""
        views = self.layout.views(self.values)
        for layer, mine in zip(self.layers, described, strict=True):
            layer.adopt({p.name: views[f"{layer.name}.{p.name}"] for p in mine})
        return views

    def members(self) -> tuple[Layer, ...]:
        """The layers."""
        return self.layers

    @contextmanager
    def changing(self, attribute: str) -> Iterator[None]:
        """Around a change of a layer: it goes by its name everywhere, and programs are made anew."""
        with self.turn:
            yield
            if attribute == "name":
                before = self.layout.layers
                self._share_out(self._lay_out())
                if self.chosen is not None:
                    self.chosen.treatment.rename(dict(zip(before, self.layout.layers, strict=True)))
            self.step = self.step

    def compile(self, chosen: Compiled) -> None:
        """Train with ``chosen`` from now on: the optimizer's state and the count of steps start anew."""
        states = [self.layout.vector(self.dtype) for _ in chosen.optimizer.states]
        for vector, value in zip(states, chosen.optimizer.states.values(), strict=True):
            vector.fill(value)
        self.chosen, self.states, self.run = chosen, states, object()
        self.warned = False
        self._program = self._forward_program = None
        self._step = 0

    @property
    def compiled(self) -> Compiled:
        """What `compile` chose; RuntimeError before it."""
        if self.chosen is None:
            raise RuntimeError(
                "the model has no loss yet: call compile(loss=..., optimizer=...) first"
            )
        return self.chosen

    @property
    def planned(self) -> Compiled:
        """What is compiled, or what stands in for it where there is only forward."""
        return self.chosen or planning.forward_only()

    @property
    def step(self) -> int:
        """Optimizer steps done since `compile`."""
        return self._program.time if self._program is not None else self._step

    @step.setter
    def step(self, number: int) -> None:
        self._program = self._forward_program = None
        self._step = number

    @property
    def takes_time(self) -> bool:
        """Whether inputs are sequences."""
        return self.stack.takes_time

    @property
    def gives_time(self) -> bool:
        """Whether there is an output for every timestep."""
        return places(self.shapes[-1]) == TIMESTEPS

    @property
    def stack(self) -> planning.Stack:
        """The layers as they are planned."""
        vectors = self.values, self.gradients, self.states
        return planning.Stack(self.layers, self.shapes, self.layout.offsets, vectors, self.seed)

    def vectors(self) -> dict[str, Array]:
        """The flat vectors that make up the state: parameters, then the optimizer's."""
        names = self.chosen.optimizer.states if self.chosen else ()
        return {"parameters": self.values, **dict(zip(names, self.states, strict=True))}

    def description(self) -> dict[str, Any]:
        """All of it but its vectors, as JSON can hold it."""
        chosen = self.chosen
        return {
            "layers": [describe(layer) for layer in self.layers],
            "input_shape": self.input_shape,
            "dtype": self.dtype.name,
            "compiled": chosen and chosen.config(),
            "step": self.step,
            "plateau": chosen and chosen.course.seen,
            "rng": generators.describe(self.rng),
            "seed": self.seed,
            "carried": self.carried and [self.carried.rows, self.carried.times],
        }

    def output_shape(self, x: Array) -> tuple[int, ...]:
        """Shape of the outputs for checked inputs."""
        shape = self.shapes[-1]
        if None in shape:
            shape = tuple(x.shape[1] if size is None else size for size in shape)
        return (len(x), *shape)  # type: ignore[arg-type]

    def program(self, batch: int, times: int = 1, epoch: int | None = None) -> Program:
        """The engine's program at the current learning rate, for at least so many rows and timesteps.

        ``epoch``: of `fit`, for what acts in some epochs.
        """
        program = self._program
        if program is None or not _fits(program, batch, times):
            if program is not None:
                self._step = program.time
                batch, times = max(batch, program.batch), max(times, program.longest)
            program = self._program = self.stack.program(self.planned, batch, times)
            program.time = self._step
        if self.chosen is not None:
            program.rate = self.chosen.course.rate(program.time)
            program.notices = self.chosen.on_nonfinite == "warn" and not self.warned
            if self.chosen.treatment.amplify:
                operations = len(self.layout.offsets)
                program.amplify(self.chosen.treatment.amplification(operations, epoch))
        return program

    def forward_program(self, batch: int, times: int) -> Program:
        """A program to run forward alone: another than that of training, if that is too small.

        A larger plan would make training slower, were it left to train with.
        """
        if self._program is not None and _fits(self._program, batch, times):
            return self._program
        if self._forward_program is None or not _fits(self._forward_program, batch, times):
            self._forward_program = self.stack.program(self.planned, batch, times)
        return self._forward_program


def lay_out(
    layers: Sequence[Layer], input_shape: Shape
) -> tuple[list[Shape], list[list[Parameter]]]:
    """The shapes of the input and of each layer's output, and each layer's parameters."""
    shapes = [input_shape]
    for layer in layers:
        if layer.vocabulary is not None and layer is not layers[0]:
            raise ValueError(f"layers: expected {layer.name} as the first layer, it takes integers")
        shapes.append(layer.output_shape(shapes[-1]))
        making.check_size(f"{layer.name}: expected outputs", shapes[-1])
    return shapes, [layer.parameters(shape) for layer, shape in zip(layers, shapes, strict=False)]


def _fits(program: Program, batch: int, times: int) -> bool:
    """Whether a program can run minibatches of so many rows and timesteps, as many threads as wanted."""
    return (
        program.batch >= batch
        and program.longest >= times
        and program.threads >= threads.get_num_threads()
    )
