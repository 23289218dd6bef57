"""Forward alone: predictions and evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate
from vgcore.model import inputs, states
from vgcore.model.history import Evaluation
from vgcore.model.inputs import Data
from vgcore.model.steps import order_by_length

if TYPE_CHECKING:
    from vgcore.model.session import Session

Array = NDArray[Any]

_BATCH = 256


def predict(
    session: Session,
    x: ArrayLike,
    *,
    lengths: ArrayLike | None,
    initial_state: Sequence[Any] | None,
    return_state: bool,
) -> Any:
    """See `Sequential.predict`."""
    _validate.boolean("return_state", return_state)
    data = inputs.samples(session, x, lengths)
    rows = len(data.x)
    final = states.empty(session.layers, rows, session.dtype)
    given = states.initial(session, initial_state, rows)
    with session.turn:
        carrying = session.stateful and initial_state is None
        if carrying:
            given = kept = states.carried(session, data, rows)
        entries = [(start, end, None, False) for start, end in zip(given, final, strict=True)]
        outputs = _forward(session, data, None, entries)
        if carrying:
            for array, end in zip(kept, final, strict=True):
                if array is not None:
                    array[...] = end
    return (outputs, states.nested(session.layers, final)) if return_state else outputs


def _forward(
    session: Session,
    data: Data,
    sample_losses: Array | None = None,
    entries: Sequence[tuple[Any, ...]] = (),
) -> Array:
    """Outputs of checked inputs; given targets, ``sample_losses`` gets each sample's summed loss."""
    outputs = np.zeros(session.output_shape(data.x), session.dtype)
    batch = min(len(data.x), _BATCH)
    session.forward_program(batch, data.times).forward(
        data.x,
        outputs,
        None if sample_losses is None else data.y,
        sample_losses,
        batch=batch,
        order=order_by_length(None, data.lengths, batch),
        lengths=data.lengths,
        states=entries,
    )
    return outputs


def evaluate(session: Session, data: Data) -> Evaluation:
    """Loss and accuracy over checked data, from fresh states."""
    assert data.compiled is not None
    loss = data.compiled.loss
    sample_losses = np.zeros(len(data.x))
    with session.turn:
        inputs.check_compiled(session, data)
        outputs = _forward(session, data, sample_losses)
    goal = data.y
    if outputs.ndim == 4:
        outputs = _channels_last(outputs)
        goal = goal if loss.sparse else _channels_last(goal)
    valid = _valid_places(data, outputs)
    counted = valid.sum() if loss.reduction == "mean" else len(data.x)
    mean = float(sample_losses.sum() / counted)
    if not loss.probabilities:
        return Evaluation(mean, float("nan"))
    if outputs.shape[-1] == 1 and not loss.categorical:
        half = 0.0 if loss.output == "identity" else 0.5
        right = ((outputs > half) == (goal > 0.5))[..., 0]
    else:
        labels = goal if loss.sparse else goal.argmax(axis=-1)
        right = outputs.argmax(axis=-1) == labels
    return Evaluation(mean, float(right[valid].mean()))


def _channels_last(images: Array) -> Array:
    return np.moveaxis(images, 1, -1)


def _valid_places(data: Data, outputs: Array) -> NDArray[np.bool_]:
    """Which outputs (n,) or (n, time), (n, height, width) are not padding."""
    if data.lengths is None or outputs.ndim == 2:
        return np.ones(outputs.shape[:-1], bool)
    return np.arange(outputs.shape[1]) < data.lengths[:, np.newaxis]
