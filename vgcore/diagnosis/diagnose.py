"""What `Sequential.diagnose` and `GradientFlow.diagnose` do: look, judge, and try cures."""

from __future__ import annotations

import copy
import math
import time
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate
from vgcore.diagnosis import judge, score
from vgcore.diagnosis.diagnosis import Diagnosis
from vgcore.diagnosis.evidence import Evidence, Outcome, Samples
from vgcore.diagnosis.network import Network
from vgcore.diagnosis.plain import plain_network
from vgcore.diagnosis.sharpness import sharpness
from vgcore.flow import GradientFlow
from vgcore.model import Sequential, inputs
from vgcore.model.history import History, Progress

Array = NDArray[Any]

_LOOKED_AT = 256  # samples of a look inside
_BATCH = 32
_EPOCHS = 10  # of a course, and no fewer than so many steps
_STEPS = 300
_SHARE = 0.15  # of the seconds that a course may take, and again a plain network
_HELD_OUT = 20  # samples from which on a quarter is held out


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
        return judge.judged(_examined(model, samples, history, batch, limit))


def _batch_size(model: Sequential, history: History | None, rows: int) -> int:
    """Rows of the minibatches that the model was trained with, as far as can be told; 32 else."""
    if history is None or not history.epoch or not model.step:
        return min(_BATCH, rows)
    steps = max(round(model.step / len(history.epoch)), 1)
    return max(math.ceil(rows / steps), 1)


def fresh(model: Sequential, seed: int, dtype: Any = None, **changed: Any) -> Sequential:
    """A network like it, drawn anew and compiled alike."""
    twin = Sequential(
        [copy.copy(layer) for layer in model.layers],
        input_shape=model.input_shape,
        dtype=model.dtype if dtype is None else dtype,
        seed=seed,
    )
    twin.session.compile(replace(model.session.compiled, **changed))
    return twin


def present(model: Sequential) -> Sequential:
    """A network like it, with the parameters that it has now."""
    twin = fresh(model, 0)
    with model.session.turn:
        twin.session.values[...] = model.session.values
    return twin


def _examined(
    model: Sequential, samples: Samples, history: History | None, batch: int, seconds: float
) -> Evidence:
    """What there is to look at."""
    start = fresh(model, 0) if model.step else present(model)
    course = fresh(model, 0, on_nonfinite="stop")
    flow = GradientFlow()
    wanted = max(model.step, _EPOCHS * math.ceil(len(samples.x) / batch), _STEPS)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        steps = _trained(course, samples, batch, wanted, seconds * _SHARE, flow)
    broken = next(
        (str(each.message).split("; ")[0] for each in said if "not finite" in str(each.message)), ""
    )
    seen = present(model) if model.step else course
    few = np.random.default_rng(0).permutation(len(samples.x))[:_LOOKED_AT]
    few.sort()
    part = samples.x[few], samples.y[few]
    lengths = None if samples.lengths is None else samples.lengths[few]
    look = seen.gradient_flow(*part, lengths=lengths, units=True)
    outcome = _outcome(seen, samples, batch, model.step or steps, seconds * _SHARE)
    if broken and seen is course:
        outcome = replace(outcome, score=math.nan)
    loss = model.session.compiled.loss
    curvature = None
    if type(model.optimizer).__name__ in ("SGD", "Momentum", "Nesterov") and loss.function is None:
        curvature = sharpness(fresh(model, 0, "float64"), *part) if lengths is None else None
    return Evidence(
        network=Network(model),
        samples=samples,
        flow=flow,
        look=look,
        start=Network(start),
        seen=Network(seen),
        inside_start=start.internals(*part, lengths=lengths),
        inside=seen.internals(*part, lengths=lengths),
        outcome=outcome,
        history=history,
        batch_size=batch,
        chance_loss=score.chance_loss(loss, samples.y, samples.kind),
        sharpness=curvature,
        broken=broken,
    )


def _trained(
    model: Sequential,
    samples: Samples,
    batch: int,
    steps: int,
    seconds: float,
    flow: GradientFlow | None,
) -> int:
    """Train for some steps, or as many as the seconds allow; how many were done."""
    end = time.monotonic() + seconds
    epochs = math.ceil(steps / math.ceil(len(samples.x) / batch))

    class Clock:
        def on_progress(self, progress: Progress) -> bool:
            return time.monotonic() > end or progress.step >= steps

    model.fit(
        samples.x,
        samples.y,
        lengths=samples.lengths,
        epochs=epochs,
        batch_size=batch,
        shuffle=not model.session.stateful,
        track=flow,
        callbacks=[Clock()],
        verbose=0,
    )
    return model.step


def _outcome(
    model: Sequential, samples: Samples, batch: int, steps: int, seconds: float
) -> Outcome:
    """How well a network does, beside chance and a plain one."""
    kind = samples.kind
    rows = len(samples.x)
    order = np.random.default_rng(0).permutation(rows)
    held = order[: rows // 4] if rows >= _HELD_OUT else order
    taught = order[rows // 4 :] if rows >= _HELD_OUT else order
    reference = math.nan
    plain = plain_network(samples)
    if plain is not None:
        _trained(plain.model, plain.fed(taught), batch, steps, seconds, None)
        answers = plain.model.predict(plain.fed(held).x, lengths=plain.fed(held).lengths)
        reference = score.score(answers, plain.fed(held).y, kind)
    answers = model.predict(samples.x, lengths=samples.lengths)
    mine = score.score(answers, samples.y, kind, model.session.compiled.loss.middle)
    measure = "of its targets' variance" if kind == "numbers" else "accuracy"
    if samples.classes is not None and score.is_unbalanced(samples.classes):
        measure = "accuracy, as a mean over the classes"
    return Outcome(mine, score.of_chance(samples.y, kind), reference, measure, steps)
