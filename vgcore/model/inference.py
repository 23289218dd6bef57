"""Forward alone: predictions and evaluations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate
from vgcore.layers.base import features
from vgcore.losses import Loss
from vgcore.metrics import Accuracy, Metric, Totals, get_all
from vgcore.model import custom_loss, inputs, minibatches, states
from vgcore.model.history import Evaluation
from vgcore.model.inputs import Data
from vgcore.model.minibatches import Minibatches
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
    order = order_by_length(None, data.lengths, batch)
    session.forward_program(batch, data.times).forward(
        data.x,
        outputs,
        None if sample_losses is None else data.y,
        sample_losses,
        batch=batch,
        order=order,
        lengths=data.lengths,
        weights=data.weights if sample_losses is not None else None,
        states=entries,
        function=None if sample_losses is None else custom_loss.of(session, data, batch, order),
    )
    return outputs


def evaluate(
    session: Session,
    x: Any,
    y: ArrayLike | None,
    *,
    lengths: ArrayLike | None,
    sample_weight: ArrayLike | None,
    metrics: Iterable[str | Metric] | None,
) -> Evaluation:
    """See `Sequential.evaluate`."""
    compiled = session.compiled
    chosen = compiled.metrics
    if metrics is not None:
        chosen = get_all(metrics, compiled.loss, features(session.shapes[-1]))
    if y is not None or isinstance(x, np.ndarray):
        data = inputs.with_targets(session, x, y, lengths, sample_weight)
        return measure(session, data, chosen)
    minibatches.refuse_with_minibatches(lengths=lengths, sample_weight=sample_weight)
    return measure(session, Minibatches("x", x), chosen)


def measure(session: Session, given: Data | Minibatches, metrics: Iterable[Metric]) -> Evaluation:
    """Loss, accuracy and metrics over checked data, or minibatches, from fresh states."""
    loss = session.compiled.loss
    totals = Totals(_with_accuracy(metrics, loss), loss)
    total = divisor = 0.0
    empty = True
    for data in _parts(session, given):
        empty = False
        more, counted = _add(session, data, totals)
        total, divisor = total + more, divisor + counted
    if empty:
        argument = given.argument if isinstance(given, Minibatches) else "x"
        raise ValueError(f"{argument}: expected at least one minibatch, got none")
    return Evaluation.of(total / divisor if divisor else 0.0, totals.values())


def _parts(session: Session, given: Data | Minibatches) -> Iterator[Data]:
    if isinstance(given, Data):
        yield given
        return
    for place, minibatch in given:
        yield minibatches.checked(session, minibatch, place)


def _add(session: Session, data: Data, totals: Totals) -> tuple[float, float]:
    """Add some samples to the metrics; the sum of their losses, and what it is to be divided by."""
    assert data.compiled is not None
    loss = data.compiled.loss
    sample_losses = np.zeros(len(data.x))
    with session.turn:
        inputs.check_compiled(session, data)
        outputs = _forward(session, data, sample_losses)
    counts = inputs.all_counted(session, data)
    divisor = counts.sum() if loss.reduction == "mean" else counts.any(axis=1).sum()
    if totals.metrics:
        totals.add(*inputs.compared(data, outputs, counts))
    return float(sample_losses.sum()), float(divisor)


def _with_accuracy(metrics: Iterable[Metric], loss: Loss) -> list[Metric]:
    """Accuracy comes with classes whether it is asked for or not."""
    chosen = [each for each in metrics if each.name != "accuracy"]
    return chosen if loss.judged is None else [Accuracy(), *chosen]
