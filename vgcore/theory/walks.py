"""A walk through time by itself: found by its name, and taken apart into the Jacobians of its timesteps.

All in float64, whatever the model's dtype, and as when predicting: nothing is dropped.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate
from vgcore.layers.base import Layer
from vgcore.layers.recurrent import Recurrent
from vgcore.model import planning, states
from vgcore.theory import cells

if TYPE_CHECKING:
    from vgcore.model.inputs import Data
    from vgcore.model.session import Session

Array = NDArray[Any]
Float64 = NDArray[np.float64]

# Of the Jacobians that are there at once: few enough for the cache; bench: looking.py lyapunov-rnn
_NUMBERS = 2**18
_MOST_TIMES = 1024


def check(session: Session, layer: str) -> str:
    """The name of a walk; ValueError if there is none of that name."""
    names = [f"{each.name}{walk.suffix}" for each in session.layers for walk in each.walks()]
    if not names:
        raise ValueError("layer: the model has no recurrent layer")
    within = [name for name in names if name.startswith(f"{layer}.")]
    if within:
        raise ValueError(
            f"layer: expected one direction of one layer, {', '.join(within)}; got {layer!r}, which has "
            f"{len(within)}"
        )
    return _validate.one_of("layer", layer, names)


class _Found(NamedTuple):
    """One walk, forwards in time: its layer, the inputs it reads, the states it is given (or None)."""

    stack: planning.Stack
    inputs: Array
    initial: Sequence[Array | None]


def _find(
    stack: planning.Stack,
    names: Sequence[str],
    x: Array,
    lengths: Array | None,
    given: Sequence[Array | None],
) -> _Found:
    """The walk that is named, in a stack of layers, the blocks of it, and so on."""
    layer_names = [each.name for each in stack.layers]
    place = layer_names.index(names[0])
    if place > 0:
        below = stack.part(0, place)
        count = _states(below.layers)
        x = below.outputs(x, lengths, given[:count])
        given = given[count:]
    part = stack.part(place, place + 1)
    for branch in part.branches():
        if names[1] in [each.name for each in branch.layers]:
            return _find(branch, names[1:], x, lengths, given)
        given = given[_states(branch.layers) :]
    sides = part.layers[0].members()
    side = [walk.suffix for walk in part.layers[0].walks()].index(".".join(["", *names[1:]]))
    layer = sides[side] if sides else part.layers[0]
    walk, *_ = layer.walks()
    if walk.reverse:
        x = _reversed(x, lengths)
    layer = layer.altered(return_sequences=True, go_backwards=False)
    shape = (None, part.shapes[0][1])
    alone = dataclasses.replace(
        part,
        layers=[layer],
        shapes=[shape, layer.output_shape(shape)],
        offsets=part.offsets[side : side + 1],
    )
    count = len(walk.states)
    return _Found(alone, x, given[side * count : (side + 1) * count])


def _states(layers: Iterable[Layer]) -> int:
    return sum(len(walk.states) for layer in layers for walk in layer.walks())


def _reversed(x: Array, lengths: Array | None) -> Array:
    """Each sample from its own last timestep to its first: what a walk backwards reads."""
    turned = x[:, ::-1].copy()
    if lengths is not None:
        for row, sample, length in zip(turned, x, lengths, strict=True):
            row[:length] = sample[:length][::-1]
    return turned


class Walk:
    """One walk of a model along samples, from its own first timestep to its last.

    Its state is all that it carries, h and then c; ``size`` numbers, of which the first ``units`` are h.
    Several threads may follow a sample each.
    """

    def __init__(
        self, session: Session, name: str, data: Data, initial_state: Sequence[Any] | None
    ) -> None:
        given = [
            None if state is None else state.astype(np.float64)
            for state in states.initial(session, initial_state, len(data.x))
        ]
        x = data.x if data.x.dtype.kind == "i" else data.x.astype(np.float64)
        stack, self._inputs, self._initial = _find(
            session.stack.in_double(), name.split("."), x, data.lengths, given
        )
        [self._layer] = stack.layers
        assert isinstance(self._layer, Recurrent)
        [walk] = self._layer.walks()
        self._states, self._gates = walk.states, len(self._layer.gates)
        self.units, self.size = walk.units, walk.units * len(walk.states)
        self.times = self._inputs.shape[1]  # which layers below may have changed
        self.lengths = np.full(len(x), self.times) if data.lengths is None else data.lengths
        self._window = max(1, min(_NUMBERS // self.size**2, _MOST_TIMES, self.times))
        self._program = stack.program(planning.forward_only(), 1, self._window, open_inside=True)
        self._turn = threading.Lock()  # of the program, which all samples share
        self._cell = cells.of(self._layer)

    def _start(self, sample: int) -> Float64:
        """The state (size,) before a sample's first timestep: given, learned or 0."""
        parts = []
        for given, name in zip(self._initial, self._states, strict=True):
            learned = self._layer.views.get(f"initial_{name}", np.zeros(self.units))
            parts.append(learned if given is None else given[sample])
        return np.concatenate(parts).astype(np.float64)

    def _windows(self, sample: int) -> list[tuple[int, int]]:
        """Where each stretch of timesteps that is done at once begins and ends."""
        length = int(self.lengths[sample])
        return [
            (begin, min(begin + self._window, length)) for begin in range(0, length, self._window)
        ]

    def _inside(self, sample: int, begin: int, end: int, before: Float64) -> cells.Inside:
        """What is inside of timesteps [begin, end) from a state ``before`` them."""
        units, times = self.units, end - begin
        seen = {"h": np.zeros((1, times, units)), "z": np.empty((1, times, self._gates * units))}
        if len(self._states) > 1:
            seen["c"] = np.empty((1, times, units))
        if self._gates > 1:
            seen["gates"] = np.empty_like(seen["z"])
        with self._turn:
            self._program.forward(
                np.ascontiguousarray(self._inputs[sample : sample + 1, begin:end]),
                seen["h"],
                states=[
                    (part.copy(), None, None, False)
                    for part in np.split(before[np.newaxis], len(self._states), axis=1)
                ],
                sights=[(0, what, array) for what, array in seen.items() if what != "h"],
            )
        after = np.concatenate([seen[name][0] for name in self._states], axis=1)
        by_gate = (times, self._gates, units)
        return cells.Inside(
            np.concatenate([before[np.newaxis], after]),
            seen["z"].reshape(by_gate),
            seen.get("gates", seen["h"]).reshape(by_gate),
        )

    def forwards(self, sample: int) -> Iterator[tuple[int, int, Float64]]:
        """Stretches of timesteps [begin, end), first to last, and their Jacobians (times, size, size)."""
        state = self._start(sample)
        for begin, end in self._windows(sample):
            inside = self._inside(sample, begin, end, state)
            yield begin, end, self._cell(inside)
            state = inside.states[-1]

    def backwards(self, sample: int) -> Iterator[tuple[int, int, Float64]]:
        """The same, last to first: forward again from the states that stretches began with."""
        state, kept = self._start(sample), []
        for begin, end in self._windows(sample):
            kept.append((begin, end, state))
            state = self._inside(sample, begin, end, state).states[-1]
        for begin, end, state in reversed(kept):
            yield begin, end, self._cell(self._inside(sample, begin, end, state))
