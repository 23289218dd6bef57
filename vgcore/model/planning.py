"""Makes the engine's program of a model's layers: how many rows, and how long a window of time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, losses, optimizers
from vgcore._core import simd
from vgcore._core.program import Program
from vgcore.layers.base import Layer, Shape, features, is_image
from vgcore.model import threads
from vgcore.model.compiling import Compiled
from vgcore.model.steps import order_by_length

Array = NDArray[Any]

# Bytes that an arena may take before states are kept at checkpoints only; half a GiB leaves room for the
# data in the GiB that a long sequence is meant to train in.
ARENA_LIMIT = 2**29


def forward_only() -> Compiled:
    """What stands in for a compilation where there is only forward."""
    return Compiled(losses.get("mse", "mean", "identity"), optimizers.SGD())


@dataclass(frozen=True)
class Stack:
    """Layers one after the other, and where their numbers lie.

    ``shapes`` has one more entry than there are layers; ``offsets`` one per operation, and ``vectors`` is
    the parameters, their gradients and the optimizer's states. ``seed`` is that of random layers.
    """

    layers: Sequence[Layer]
    shapes: list[Shape]
    offsets: Sequence[Sequence[int]]
    vectors: tuple[Array, Array, list[Array]]
    seed: int = 0

    def part(self, begin: int, end: int) -> Stack:
        """Layers begin to end - 1 by themselves."""
        counts = [len(layer.columns()) for layer in self.layers]
        first = sum(counts[:begin])
        return Stack(
            self.layers[begin:end],
            self.shapes[begin : end + 1],
            self.offsets[first : first + sum(counts[begin:end])],
            self.vectors,
            self.seed,
        )

    def in_double(self) -> Stack:
        """The same layers with copies of their parameters in float64, and nothing of an optimizer's."""
        values = self.vectors[0].astype(np.float64)
        return replace(self, vectors=(values, np.zeros_like(values), []))

    def branches(self) -> list[Stack]:
        """The stacks of layers inside the only layer, which is a block; none if it is not."""
        return [
            Stack(layers, shapes, self.offsets[first:], self.vectors, self.seed)
            for layers, shapes, first in self.layers[0].branches(self.shapes[0])
        ]

    def outputs(
        self, x: Array, lengths: Array | None = None, initial: Sequence[Array | None] = ()
    ) -> Array:
        """What the layers make of inputs, as they are when predicting.

        ``initial``: what each state starts from, where it is not the layer's own.
        """
        times = x.shape[1] if self.takes_time else 1
        shape = (times if size is None else size for size in self.shapes[-1])
        outputs = np.zeros((len(x), *shape), self.vectors[0].dtype)
        self.program(forward_only(), len(x), times).forward(
            x,
            outputs,
            batch=len(x),
            order=order_by_length(None, lengths, len(x)),
            lengths=lengths,
            states=[(each, None, None, False) for each in initial],
        )
        return outputs

    @property
    def takes_time(self) -> bool:
        """Whether inputs are sequences."""
        return len(self.shapes[0]) == 2 or self.layers[0].vocabulary is not None

    def program(
        self,
        compiled: Compiled,
        batch: int,
        times: int,
        *,
        updating: bool = True,
        input_gradient: bool = False,
        open_inside: bool = False,
    ) -> Program:
        """A program for minibatches of up to ``batch`` rows, of sequences of up to ``times`` timesteps.

        One that is not ``updating`` sums truncated gradients over all of its windows; one that is
        ``open_inside`` can be looked into.
        """
        window, windows, truncated = times, 1, False
        if self.may_checkpoint() and self.takes_time and compiled.tbptt is not None:
            if times > compiled.tbptt:
                window, truncated = compiled.tbptt, True
                each_a_step = updating and len(self.shapes[-1]) == 2
                windows = 1 if each_a_step else -(-times // window)
        elif self.takes_time and self.may_checkpoint():
            window = self._window(compiled, batch, times, open_inside)
            windows = -(-times // window)
        return self._program(
            compiled,
            batch=batch,
            times=window,
            windows=windows,
            truncated=truncated,
            input_gradient=input_gradient,
            open_inside=open_inside,
        )

    def may_checkpoint(self) -> bool:
        """Whether every layer takes timesteps as they come, so that time can be cut into windows."""
        return not any(
            layer.meets or layer.fixes_time or any(walk.reverse for walk in layer.walks())
            for layer in self.layers
        )

    def _window(self, compiled: Compiled, batch: int, times: int, open_inside: bool) -> int:
        """Timesteps between two checkpoints: all of them where nothing asks for fewer."""
        if isinstance(compiled.checkpoint, int):
            return min(compiled.checkpoint, times)
        if compiled.checkpoint is None or times < 3:
            return times
        one, two = (
            self._program(compiled, batch=batch, times=steps, open_inside=open_inside).arena_bytes
            for steps in (1, 2)
        )
        if one + (times - 1) * (two - one) <= ARENA_LIMIT:
            return times
        return math.ceil(math.sqrt(times))

    def arena_bytes(self, compiled: Compiled, batch: int, times: int) -> int:
        """Memory that a program without checkpoints takes, parameters aside."""
        return self._program(compiled, batch=batch, times=times).arena_bytes

    def _program(
        self,
        compiled: Compiled,
        *,
        batch: int,
        times: int,
        windows: int = 1,
        truncated: bool = False,
        input_gradient: bool = False,
        open_inside: bool = False,
    ) -> Program:
        values, gradients, states = self.vectors
        loss = compiled.loss
        self._check_size(batch, times)
        return Program(
            self.operations(values.itemsize),
            [list(each) for each in self.offsets],
            values,
            gradients,
            states,
            batch=batch,
            times=times,
            windows=windows,
            truncated=truncated,
            input_gradient=input_gradient,
            image_input=is_image(self.shapes[0]),
            image_output=is_image(self.shapes[-1]),
            open_inside=open_inside,
            refuses=compiled.refuses,
            loss=loss.numbers(features(self.shapes[-1])),
            custom=loss.function is not None,
            sparse=loss.sparse,
            ignoring=loss.ignore_index is not None,
            fused=loss.fused,
            apply_activation=loss.applies_activation,
            mean_over_outputs=loss.mean_over_outputs,
            mean_over_places=loss.reduction == "mean",
            rule=simd.RULES[compiled.optimizer.rule],
            update=compiled.update(),
            treatment=compiled.treatment.numbers(),
            rates=compiled.treatment.operation_rates(len(self.offsets)),
            undecayed=compiled.treatment.undecayed,
            threads=threads.get_num_threads(),
            seed=self.seed,
        )

    def _check_size(self, batch: int, times: int) -> None:
        """Raise before the engine counts bytes that its integers do not hold."""
        numbers = sum(math.prod(size or times for size in shape) for shape in self.shapes)
        _validate.fits("batch_size", batch * numbers, self.vectors[0].itemsize)

    def operations(self, real_bytes: int) -> list[Any]:
        """The engine's operations of all layers."""
        return [
            operation
            for layer, shape in zip(self.layers, self.shapes, strict=False)
            for operation in layer.planned(shape, real_bytes)
        ]
