"""Looking at a network: inside it, at how a copy trains, and at how well it does beside a plain one."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore.diagnosis import score
from vgcore.diagnosis.changes.data import takes_numbers
from vgcore.diagnosis.evidence import Evidence, Samples
from vgcore.diagnosis.grading import Grading
from vgcore.diagnosis.network import Network
from vgcore.diagnosis.recipe import Recipe
from vgcore.diagnosis.rows import apart, leaves_one
from vgcore.diagnosis.sharpness import sharpness
from vgcore.flow import GradientFlow
from vgcore.model import Sequential
from vgcore.model.history import History, Progress

Array = NDArray[Any]

_LOOKED_AT = 256  # samples of a look inside, or fewer where it would hold more numbers than this
_MOST_NUMBERS = 20_000_000
_NUMBERS = 1_000_000  # of them that may be had in a second
_FEWEST = 16  # samples of a look
_LEAST_TIMESTEPS = 6  # of sequences that are cut off
_EPOCHS = 10  # of a course, and no fewer than so many steps
_STEPS = 300
_MINIBATCHES, _LEAST_ROWS = 16, 32  # of the loss while nothing is trained, and samples of each
_ENOUGH = 0.5  # of the steps that a course should have
_SHARE = 0.15  # of the seconds that a course may take, and again a plain network
_DESCENDING = ("SGD", "Momentum", "Nesterov")  # what curvature bounds the rate of


def present(model: Sequential, recipe: Recipe, **changed: Any) -> Sequential:
    """A network like it, with the parameters that it has now, compiled alike but for what is changed."""
    twin = recipe.build(0, **changed)
    twin.load_state_dict(model.state_dict())
    return twin


def examined(
    model: Sequential, recipe: Recipe, samples: Samples, history: History | None, seconds: float
) -> Evidence:
    """What there is to look at."""
    batch = recipe.fitting["batch_size"]
    # What was not trained yet is at its start
    anew = partial(recipe.build, 0) if model.step else partial(present, model, recipe)
    start, course, flow = anew(), anew(on_nonfinite="stop"), GradientFlow()
    rows = _apart(model, samples)
    taught = samples.of(rows[0])
    wanted = max(model.step, _EPOCHS * math.ceil(len(taught.x) / batch), _STEPS)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        _train(course, taught, batch, wanted, seconds * _SHARE, flow)
    messages = [str(each.message) for each in said]
    broken = next((each.split("; ")[0] for each in messages if "not finite" in each), "")
    seen = present(model, recipe) if model.step else course
    few = _some(samples, _numbers(model, samples), seconds)
    look = _look(seen, few)
    inside_start, inside = (
        _at_rest(each).internals(few.x, few.y, lengths=few.lengths) for each in (start, seen)
    )
    steps = model.step or course.step or wanted
    train = partial(_train, batch=batch, steps=steps, seconds=seconds * _SHARE)
    outcome = None
    if not samples.own:
        grading = Grading(samples, *rows, as_classes=not takes_numbers(recipe))
        outcome = grading.outcome(seen, course, train, steps=steps)
    if outcome is not None and broken and seen is course:
        outcome = replace(outcome, score=math.nan)
    return Evidence(
        network=Network(model),
        samples=samples,
        flow=flow,
        look=look,
        look_at_start=None if _starts_finite(flow) else _look(start, few),
        start=Network(start),
        seen=Network(seen),
        inside_start=inside_start,
        inside=inside,
        outcome=outcome,
        history=history,
        batch_size=batch,
        chance_loss=score.chance_loss(model.loss, samples.wanted),
        sharpness=_sharpness(start, recipe, few, seconds * _SHARE / 2),
        sampling=_sampling(course, taught, batch),
        broken=broken,
        notes=() if broken else tuple(_cut_short(course.step, wanted)),
    )


def _sampling(model: Sequential, samples: Samples, batch: int) -> float | None:
    """Median leap of the loss from one minibatch to the next while nothing is trained, as a part of it; None
    where there are too few.
    """
    rows = max(batch, _LEAST_ROWS)
    if len(samples.x) < _MINIBATCHES * rows // 4 or model.session.stateful:
        return None
    rng = np.random.default_rng(0)
    losses = []
    for _ in range(_MINIBATCHES):
        some = samples.of(rng.permutation(len(samples.x))[:rows])
        losses.append(model.evaluate(some.x, some.y, lengths=some.lengths).loss)
    typical = float(np.median(np.abs(losses)))
    return float(np.median(np.abs(np.diff(losses)))) / typical if typical > 0 else None


def _cut_short(steps: int, wanted: int) -> Iterator[str]:
    """What is said of a course that time has cut short."""
    if steps < _ENOUGH * wanted:
        yield (
            f"Too little time: a copy was trained for {steps:,} of {wanted:,} steps. Give more seconds to be "
            "surer."
        )


def _apart(model: Sequential, samples: Samples) -> tuple[Array, Array]:
    """Which samples a course is trained with, and which are held out; of a stateful network, whose rows go
    on from minibatch to minibatch, all of them, twice.
    """
    every = np.arange(len(samples.x))
    if model.session.stateful:
        return every, every
    return apart(len(every), samples.strata, np.random.default_rng(0))


def _look(model: Sequential, few: Samples) -> GradientFlow:
    """The gradient now; where sequences overflow, that of their first half, or the half of that."""
    session = model.session
    fixed = not session.takes_time or any(layer.fixes_time for layer in session.layers)
    while True:
        _at_rest(model)
        look = model.gradient_flow(few.x, few.y, lengths=few.lengths, units=True)
        if fixed or _is_finite(look) or few.x.shape[1] < 2 * _LEAST_TIMESTEPS:
            return look
        few = few.until(few.x.shape[1] // 2)


def _starts_finite(flow: GradientFlow) -> bool:
    """Whether the first recorded step is."""
    return bool(len(flow)) and _is_finite(flow[:1])


def _is_finite(look: GradientFlow) -> bool:
    walks = [*look.time.values(), *look.time_direct.values()]
    return bool(np.isfinite(look.loss).all()) and not any(np.isinf(rows).any() for rows in walks)


def _at_rest(model: Sequential) -> Sequential:
    """The network, whose stateful layers start anew."""
    model.reset_states()
    return model


def _numbers(model: Sequential, samples: Samples) -> int:
    """How many numbers a look inside holds of each sample, about."""
    times = samples.x.shape[1] if model.session.takes_time else 1
    shapes = [[times if size is None else size for size in each] for each in model.session.shapes]
    return 6 * sum(math.prod(shape) for shape in shapes)


def _some(samples: Samples, numbers: int, seconds: float) -> Samples:
    """Some of the samples, as they come, for a look inside."""
    most = int(min(_MOST_NUMBERS, _NUMBERS * seconds))
    count = min(_LOOKED_AT, max(most // numbers, _FEWEST), len(samples.x))
    rows = np.sort(np.random.default_rng(0).permutation(len(samples.x))[:count])
    return samples.of(rows)


def _sharpness(start: Sequential, recipe: Recipe, few: Samples, seconds: float) -> float | None:
    """The curvature at the start, where it bounds the learning rate."""
    plain = type(start.optimizer).__name__ in _DESCENDING and start.loss.function is None
    if not plain or few.lengths is not None or start.session.stateful:
        return None
    exact = present(start, replace(recipe, dtype=np.dtype(np.float64)))
    return sharpness(exact, few.x, few.y, seconds)


def _train(
    model: Sequential,
    samples: Samples,
    batch: int,
    steps: int,
    seconds: float,
    flow: GradientFlow | None = None,
) -> None:
    """Train for some steps, or as many as the seconds allow."""
    end = time.monotonic() + seconds
    rows = len(samples.x)
    batch = min(batch, rows)
    drop_last = leaves_one(rows, batch) or model.session.stateful  # whose minibatches are all alike
    steps_of_epoch = rows // batch if drop_last else math.ceil(rows / batch)

    class Clock:
        def on_progress(self, progress: Progress) -> bool:
            return time.monotonic() > end or progress.step >= steps

    model.fit(
        samples.x,
        samples.y,
        lengths=samples.lengths,
        epochs=math.ceil(steps / steps_of_epoch),
        batch_size=batch,
        drop_last=drop_last,
        shuffle=not model.session.stateful,
        track=flow,
        callbacks=[Clock()],
        verbose=0,
    )
