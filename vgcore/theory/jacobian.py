"""How a recurrent layer's last state depends on its earlier ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate, losses, optimizers
from vgcore.layers.base import Layer
from vgcore.model import inputs, planning, states
from vgcore.model.compiling import Compiled

if TYPE_CHECKING:
    from vgcore.model.session import Session

Array = NDArray[Any]


class Jacobian(NamedTuple):
    """Norms of dh_T/dh_{T-k}, (n, lags): one row per sample, one column per lag k.

    Attributes
    ----------
    lags : ndarray of int, (lags,)
    spectral : ndarray of float64
        The largest singular value: how much a change of h_{T-k} can change h_T.
    frobenius : ndarray of float64
        The root of the sum of squares of all elements.
    """

    lags: Array
    spectral: Array
    frobenius: Array


class _Walk(NamedTuple):
    """One walk by itself: its layer, the inputs it reads, and the states that it is given (or None)."""

    stack: planning.Stack
    inputs: Array
    initial: Sequence[Array | None]


def state_jacobian(
    session: Session,
    x: ArrayLike,
    layer: str,
    lags: Iterable[int],
    *,
    lengths: ArrayLike | None,
    align: str,
    initial_state: Sequence[Any] | None,
) -> Jacobian:
    """See `Sequential.state_jacobian`."""
    data = inputs.samples(session, x, lengths)
    names = _checked(session, layer).split(".")
    lags = _validate.items("lags", lags, "integers")
    _validate.one_of("align", align, ("end", "start"))
    given = states.initial(session, initial_state, len(data.x))
    with session.turn:
        walk = _find(session.stack, names, data.x, data.lengths, given)
        times = walk.inputs.shape[1]
        chosen = [_validate.integer("lags", lag, minimum=0, maximum=times) for lag in lags]
        found = np.full((2, len(data.x), len(chosen)), np.nan)
        for sample in range(len(data.x)):
            alone = _of_sample(walk, sample, data.lengths)
            length = alone.inputs.shape[1]
            for column, lag in enumerate(chosen):
                if lag <= length:
                    matrix = _backward(alone, length - lag if align == "end" else 0, lag)
                    found[:, sample, column] = np.linalg.norm(matrix, 2), np.linalg.norm(matrix)
    return Jacobian(np.array(chosen), *found)


def _checked(session: Session, layer: str) -> str:
    """The name of a walk."""
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


def _find(
    stack: planning.Stack,
    names: Sequence[str],
    x: Array,
    lengths: Array | None,
    given: Sequence[Array | None],
) -> _Walk:
    """The walk that is named, in a stack of layers, the blocks of it, and so on; forwards in time."""
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
    layer = layer.altered(recurrent_dropout=0.0, go_backwards=False)
    shape = (None, part.shapes[0][1])
    alone = dataclasses.replace(
        part,
        layers=[layer],
        shapes=[shape, layer.output_shape(shape)],
        offsets=part.offsets[side : side + 1],
    )
    count = len(walk.states)
    return _Walk(alone, x, given[side * count : (side + 1) * count])


def _states(layers: Iterable[Layer]) -> int:
    return sum(len(walk.states) for layer in layers for walk in layer.walks())


def _reversed(x: Array, lengths: Array | None) -> Array:
    """Each sample from its own last timestep to its first: what a walk backwards reads."""
    turned = x[:, ::-1].copy()
    if lengths is not None:
        for row, sample, length in zip(turned, x, lengths, strict=True):
            row[:length] = sample[:length][::-1]
    return turned


def _of_sample(walk: _Walk, sample: int, lengths: Array | None) -> _Walk:
    """The walk through one sample, to its own end."""
    one = slice(sample, sample + 1)
    end = None if lengths is None else lengths[sample]
    initial = [None if state is None else state[one] for state in walk.initial]
    return _Walk(walk.stack, walk.inputs[one, :end], initial)


def _backward(walk: _Walk, begin: int, lag: int) -> NDArray[np.float64]:
    """dh_{t+lag}/dh_t (units, units) of one sample, t = ``begin``.

    Unit by unit: as many copies of ``lag`` timesteps as there are units start from the state at t, and the
    loss of copy j is unit j of h_{t+lag}. Its gradient by the initial state is row j.
    """
    stack, x = walk.stack, walk.inputs
    units = stack.layers[0].walks()[0].units
    if lag == 0:
        return np.eye(units)
    start = _states_at(walk, begin)
    seeds = np.eye(units, dtype=x.dtype)
    targets: Array = seeds
    if len(stack.shapes[1]) == 2:
        targets = np.zeros((units, lag, units), x.dtype)
        targets[:, -1] = seeds
    gradients = [np.zeros((units, units), x.dtype) for _ in start]
    compiled = Compiled(losses.Linear(), optimizers.SGD(), checkpoint=None)
    program = stack.program(compiled, units, lag, input_gradient=True)
    steps = np.repeat(x[:, begin : begin + lag], units, axis=0)
    program.train(
        steps, targets, None, np.empty(1), batch=units, updating=False,
        states=[
            (np.repeat(state, units, axis=0), None, gradient, False)
            for state, gradient in zip(start, gradients, strict=True)
        ],
    )  # fmt: skip
    return gradients[0].astype(np.float64) * units


def _states_at(walk: _Walk, time: int) -> list[Array]:
    """The states before timestep ``time``, each (1, units)."""
    stack, x = walk.stack, walk.inputs
    [layer] = stack.layers
    units = layer.walks()[0].units
    final = [np.zeros((1, units), x.dtype) for _ in walk.initial]
    if time == 0:
        for state, given, name in zip(
            final, walk.initial, ("initial_h", "initial_c"), strict=False
        ):
            state[...] = layer.views.get(name, 0) if given is None else given
        return final
    outputs = np.zeros((1, *((time,) if len(stack.shapes[-1]) == 2 else ()), units), x.dtype)
    stack.program(planning.forward_only(), 1, time).forward(
        np.ascontiguousarray(x[:, :time]), outputs,
        states=[
            (given, state, None, False)
            for given, state in zip(walk.initial, final, strict=True)
        ],
    )  # fmt: skip
    return final
