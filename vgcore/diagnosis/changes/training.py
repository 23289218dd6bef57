"""Changes of how a network is trained: optimizer, learning rate, clipping, decay, minibatches."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np

from vgcore import schedules
from vgcore.diagnosis.changes.base import Given, change
from vgcore.diagnosis.recipe import Recipe
from vgcore.layers import BatchNorm
from vgcore.optimizers import SGD, Adam, AdamW, Lion, Optimizer, get
from vgcore.schedules import Schedule

TESTED = 100
"""Steps of the range test, at most."""
_FACTOR = 10.0
_LOWEST, _HIGHEST = 1e-6, 10.0  # rates of the range test
_SMOOTHING, _BEYOND = 0.9, 4.0  # of its losses; where it ends, as a multiple of the least
_SHARE = 0.1  # of the rate where the loss is least


def optimizer_of(recipe: Recipe) -> Optimizer:
    """The optimizer that a recipe is compiled with."""
    return get(recipe.compiling["optimizer"])


def rate_of(optimizer: Optimizer) -> float:
    """The learning rate that is highest in the first 1000 steps."""
    rate = optimizer.learning_rate
    if isinstance(rate, Schedule):
        return float(np.max(rate.given(rate.start()).rates(np.arange(1000))))
    return rate


def scaled(rate: float | Schedule, factor: float) -> float | Schedule:
    """A rate times a factor; of a schedule all of its rates."""
    if not isinstance(rate, Schedule):
        return float(f"{rate * factor:.6g}")
    found = {each.name: getattr(rate, each.name) for each in fields(rate)}
    names = [n for n in found if n in ("rate", "rates") or n.endswith("_rate") or n == "schedule"]
    changed = {
        name: scaled(found[name], factor)
        if isinstance(found[name], int | float | Schedule)
        else found[name]
        for name in names
    }
    return replace(rate, **changed)


def without_validation(recipe: Recipe) -> Recipe:
    """A recipe whose learning rate does not look at a validation that there is none of."""
    optimizer = optimizer_of(recipe)
    rate = optimizer.learning_rate
    monitored = rate.monitored() if isinstance(rate, Schedule) else None
    if monitored is None or not monitored.startswith("val_"):
        return recipe
    return recipe.compiled_with(optimizer=replace(optimizer, learning_rate=rate_of(optimizer)))


def _with_rate(recipe: Recipe, rate: float | Schedule) -> Recipe:
    optimizer = optimizer_of(recipe)
    return recipe.compiled_with(optimizer=replace(optimizer, learning_rate=rate))


@change("Adam", family="optimizer")
def adam(recipe: Recipe, data: Given) -> Recipe | None:
    """Adam at 0.001 (Kingma and Ba 2015, arXiv 1412.6980); where it is Adam already, with its usual betas and
    epsilon. Weight decay that is added to gradients stays as it is.
    """
    optimizer = optimizer_of(recipe)
    rate = optimizer.learning_rate if type(optimizer) is Adam else 0.001
    apart = isinstance(optimizer, AdamW | Lion)
    decay = 0.0 if apart else getattr(optimizer, "weight_decay", 0.0)
    return recipe.compiled_with(optimizer=Adam(rate, weight_decay=decay))


@change("momentum 0.9", family="optimizer")
def momentum(recipe: Recipe, data: Given) -> Recipe | None:
    """A momentum of 0.9 (Polyak 1964; Sutskever et al. 2013)."""
    optimizer = optimizer_of(recipe)
    if not isinstance(optimizer, SGD):
        return None
    return recipe.compiled_with(
        optimizer=SGD(optimizer.learning_rate, momentum=0.9, weight_decay=optimizer.weight_decay)
    )


@change("10 times the learning rate", family="rate")
def faster(recipe: Recipe, data: Given) -> Recipe | None:
    """Ten times the learning rate, of a schedule all of them."""
    return _with_rate(recipe, scaled(optimizer_of(recipe).learning_rate, _FACTOR))


@change("a tenth of the learning rate", family="rate")
def slower(recipe: Recipe, data: Given) -> Recipe | None:
    """A tenth of the learning rate, of a schedule all of them."""
    return _with_rate(recipe, scaled(optimizer_of(recipe).learning_rate, 1 / _FACTOR))


@change("no weight decay")
def no_decay(recipe: Recipe, data: Given) -> Recipe | None:
    """No weight decay."""
    optimizer: Any = optimizer_of(recipe)
    if not getattr(optimizer, "weight_decay", 0.0):
        return None
    return recipe.compiled_with(optimizer=replace(optimizer, weight_decay=0.0))


@change("gradients clipped to norm 1")
def clip(recipe: Recipe, data: Given) -> Recipe | None:
    """The gradient of all parameters scaled to norm 1 where it is larger (Pascanu, Mikolov and Bengio 2013,
    arXiv 1211.5063).
    """
    none = dict.fromkeys(("clip_value", "clip_layer_norm", "clip_adaptive"))
    if recipe.compiling.get("clip_norm", math.inf) <= 1:
        return None
    return recipe.compiled_with(clip_norm=1.0, **none)


@change("4 times the minibatch", family="batch")
def larger_batch(recipe: Recipe, data: Given) -> Recipe | None:
    """Four times the rows in a minibatch, as far as there are any."""
    batch = recipe.fitting["batch_size"]
    return recipe.fed_with(batch_size=max(min(4 * batch, len(data.x)), batch))


@change("a quarter of the minibatch", family="batch")
def smaller_batch(recipe: Recipe, data: Given) -> Recipe | None:
    """A quarter of the rows in a minibatch, two at least where a norm takes statistics of them."""
    batch = math.ceil(min(recipe.fitting["batch_size"], len(data.x)) / 4)
    normed = any(isinstance(part, BatchNorm) for layer in recipe.layers for part in layer.parts())
    return recipe.fed_with(batch_size=max(batch, 2) if normed else batch)


@change("learning rate by a range test", family="rate", trains=True)
def range_test(recipe: Recipe, data: Given) -> Recipe | None:
    """A copy is trained for 100 steps with rates that rise exponentially from 1e-6 to 10, until its smoothed
    loss is four times the least. The rate is a tenth of that where the smoothed loss was least (Smith 2017,
    arXiv 1506.01186, section 3.3; the fraction is fastai's).
    """
    growth = (_HIGHEST / _LOWEST) ** (1 / (TESTED - 1))
    rising = _with_rate(recipe, schedules.Exponential(_LOWEST, growth))
    model = rising.build(0, on_nonfinite="ignore", metrics=())
    x, y, lengths = rising.prepare(*data)
    fitting = {**recipe.fitting, "batch_size": min(recipe.fitting["batch_size"], len(x))}
    fitting["drop_last"] = True  # what meets in norms must not be one row
    if model.session.stateful:
        fitting["shuffle"] = False
    steps = len(x) // fitting["batch_size"]
    seen: list[float] = []

    class Ending:
        every_steps = 1

        def on_step(self, step: int, logs: Any) -> bool:
            seen.append(logs["loss"])
            return len(seen) >= TESTED or not smoothed(seen)[-1] <= _BEYOND * min(smoothed(seen))

    epochs = math.ceil(TESTED / steps)
    model.fit(x, y, lengths=lengths, epochs=epochs, callbacks=[Ending()], verbose=0, **fitting)
    losses = smoothed(seen)
    finite = np.where(np.isfinite(losses), losses, np.inf)
    rate = _SHARE * _LOWEST * growth ** int(np.argmin(finite))
    return _with_rate(recipe, float(f"{rate:.2g}"))


def smoothed(losses: list[float]) -> Any:
    """Their moving average, without the bias to 0 at its beginning."""
    mean, found = 0.0, []
    for step, loss in enumerate(losses, 1):
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
        found.append(mean / (1 - _SMOOTHING**step))
    return np.array(found)
