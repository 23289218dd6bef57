"""What `Sequential.diagnose` and `GradientFlow.diagnose` do: examine, judge, and try cures."""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import ArrayLike

from vgcore import _validate
from vgcore.diagnosis import examination, judge
from vgcore.diagnosis.diagnosis import Diagnosis
from vgcore.diagnosis.evidence import Evidence, Samples
from vgcore.flow import GradientFlow
from vgcore.model import Sequential, inputs
from vgcore.model.history import History

_BATCH = 32


def of_flow(flow: GradientFlow) -> Diagnosis:
    """See `GradientFlow.diagnose`."""
    if not len(flow):
        raise ValueError("flow: expected a record of at least one step, got none")
    return judge.judged(Evidence(flow=flow))


def of_model(
    model: Sequential,
    x: ArrayLike,
    y: ArrayLike,
    lengths: ArrayLike | None = None,
    *,
    history: History | None = None,
    seconds: float = 20,
    cures: bool = True,
) -> Diagnosis:
    """See `Sequential.diagnose`."""
    limit = _validate.real("seconds", seconds, above=0)
    _validate.boolean("cures", cures)
    if history is not None and not isinstance(history, History):
        raise TypeError(f"history: expected a History or None, got {_validate.kind(history)}")
    compiled = model.session.compiled
    data = inputs.to_train(model.session, x, y, lengths, None)
    targets = np.asarray(y) if compiled.loss.function is not None else np.asarray(data.y)
    samples = Samples(data.x, targets, data.lengths, compiled.loss.sparse)
    history = model.history if history is None else history
    batch = _batch_size(model, history, len(data.x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return judge.judged(examination.examined(model, samples, history, batch, limit))


def _batch_size(model: Sequential, history: History | None, rows: int) -> int:
    """Rows of the minibatches that the model was trained with, as far as can be told; 32 else."""
    if history is None or not history.epoch or not model.step:
        return min(_BATCH, rows)
    steps = max(round(model.step / len(history.epoch)), 1)
    return max(math.ceil(rows / steps), 1)
