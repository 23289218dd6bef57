"""How a recurrent layer's last state depends on its earlier ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate, losses, optimizers
from vgcore.layers.recurrent import Recurrent
from vgcore.model import inputs, planning
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


def state_jacobian(session: Session, x: ArrayLike, layer: str, lags: Iterable[int]) -> Jacobian:
    """See `Sequential.state_jacobian`."""
    data = inputs.samples(session, x)
    names = [str(each.name) for each in session.layers if isinstance(each, Recurrent)]
    if not names:
        raise ValueError("layer: the model has no recurrent layer with one direction")
    _validate.one_of("layer", layer, names)
    place = [each.name for each in session.layers].index(layer)
    lags = _validate.items("lags", lags, "integers")
    earlier = data.x if place == 0 else session.stack.part(0, place).outputs(data.x)
    chosen = [_validate.integer("lags", lag, minimum=0, maximum=earlier.shape[1]) for lag in lags]
    walk = session.layers[place].walks()[0]
    if walk.reverse:
        raise ValueError(
            f"layer: expected one that walks forwards, got {layer}, which goes backwards"
        )
    alone = _alone(session.stack.part(place, place + 1))
    found = np.empty((2, len(earlier), len(chosen)))
    for sample in range(len(earlier)):
        for column, lag in enumerate(chosen):
            matrix = _backward(alone, earlier[sample : sample + 1], lag)
            found[:, sample, column] = np.linalg.norm(matrix, 2), np.linalg.norm(matrix)
    return Jacobian(np.array(chosen), *found)


def _alone(stack: planning.Stack) -> planning.Stack:
    """A recurrent layer by itself, of any number of timesteps, that drops no units."""
    layer = stack.layers[0].altered(recurrent_dropout=0.0)
    shape = (None, stack.shapes[0][1])
    return dataclasses.replace(stack, layers=[layer], shapes=[shape, layer.output_shape(shape)])


def _backward(stack: planning.Stack, x: Array, lag: int) -> NDArray[np.float64]:
    """dh_T/dh_{T-lag} (units, units) for one sequence x (1, time, features).

    Unit by unit: as many copies of the last ``lag`` timesteps as there are units start from the state at
    T - lag, and the loss of copy j is unit j of h_T. Its gradient by the initial state is row j.
    """
    walk = stack.layers[0].walks()[0]
    units, count = walk.units, len(walk.states)
    if lag == 0:
        return np.eye(units)
    start = _states_before(stack, x, lag, count)
    seeds = np.eye(units, dtype=x.dtype)
    targets: Array = seeds
    if len(stack.shapes[1]) == 2:
        targets = np.zeros((units, lag, units), x.dtype)
        targets[:, -1] = seeds
    gradients = [np.zeros((units, units), x.dtype) for _ in range(count)]
    compiled = Compiled(losses.Linear(), optimizers.SGD(), checkpoint=None)
    program = stack.program(compiled, units, lag, input_gradient=True)
    tail = np.repeat(x[:, x.shape[1] - lag :], units, axis=0)
    program.train(
        tail, targets, None, np.empty(1), batch=units, updating=False,
        states=[
            (np.repeat(state, units, axis=0), None, gradient, False)
            for state, gradient in zip(start, gradients, strict=True)
        ],
    )  # fmt: skip
    return gradients[0].astype(np.float64) * units


def _states_before(stack: planning.Stack, x: Array, lag: int, count: int) -> list[Array]:
    """The states at T - lag, each (1, units)."""
    units = stack.layers[0].walks()[0].units
    final = [np.zeros((1, units), x.dtype) for _ in range(count)]
    times = x.shape[1] - lag
    if times == 0:
        learned = stack.layers[0].views
        for state, name in zip(final, ("initial_h", "initial_c"), strict=False):
            state[...] = learned.get(name, 0)
        return final
    outputs = np.zeros((1, *((times,) if len(stack.shapes[-1]) == 2 else ()), units), x.dtype)
    stack.program(planning.forward_only(), 1, times).forward(
        np.ascontiguousarray(x[:, :times]), outputs,
        states=[(None, state, None, False) for state in final],
    )  # fmt: skip
    return final
