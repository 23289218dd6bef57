"""Changes of data, and of what is asked of outputs: scaling, lengths, labels, output, loss, classes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore import losses
from vgcore.diagnosis import targets
from vgcore.diagnosis.changes.base import Given, change
from vgcore.diagnosis.changes.stacks import output_at
from vgcore.diagnosis.plain import OUTPUTS
from vgcore.diagnosis.preparation import (
    AsSequence,
    FindLengths,
    Labels,
    ScaleInputs,
    ScaleTargets,
    lengths_of,
)
from vgcore.diagnosis.recipe import Recipe
from vgcore.layers import Activation, Dense, Dropout
from vgcore.layers.base import Layer

Array = NDArray[Any]

_MIDDLE, _NARROW, _WIDE = 0.5, 0.5, 2.0  # means and deviations of features that need no scaling
_SPARSE = "sparse_categorical_crossentropy"


def is_sparse(recipe: Recipe) -> bool:
    """Whether its loss takes integer labels."""
    return bool(recipe.compiling["loss"] == _SPARSE)


def is_of_outputs(y: Array, shape: tuple[int, ...]) -> bool:
    """Whether targets are numbers, one for each output (n, ..., outputs)."""
    if y.dtype.kind not in "fiub":
        return False
    return y.shape == shape or (shape[-1] == 1 and y.shape == shape[:-1])


def has_own_targets(recipe: Recipe, y: Array) -> bool:
    """Whether a loss of one's own takes targets that only it understands."""
    if not isinstance(recipe.compiling["loss"], losses.Custom):
        return False
    shape = recipe.build(0).session.shapes[-1]
    return not is_of_outputs(y, (*y.shape[: len(shape)], shape[-1] or 0))


@change("lengths of padded sequences")
def lengths(recipe: Recipe, data: Given) -> Recipe | None:
    """Timesteps of zeros at the end of a sequence taken for padding."""
    x = recipe.prepare(*data)[0]
    in_time = x.ndim == 3 or (x.ndim == 2 and recipe.layers[0].vocabulary is not None)
    if data.lengths is not None or not in_time or (lengths_of(x) == x.shape[1]).all():
        return None
    session = recipe.build(0).session
    if session.gives_time or any(layer.fixes_time for layer in session.layers):
        return None  # what is asked at a timestep counts, whatever goes in there
    return replace(recipe, preparation=(FindLengths(), *recipe.preparation))


@change("features as timesteps")
def timesteps(recipe: Recipe, data: Given) -> Recipe | None:
    """Sequences of one timestep with many features as those of many timesteps with one."""
    x = recipe.prepare(*data)[0]
    if x.ndim != 3 or x.shape[1] != 1 or x.shape[2] < 2:
        return None
    made = replace(recipe, input_shape=(x.shape[2], 1))
    return made.prepared_by(AsSequence(), *data)


@change("inputs standardised")
def scale_inputs(recipe: Recipe, data: Given) -> Recipe | None:
    """Each feature with mean 0 and standard deviation 1 (LeCun et al. 1998, "Efficient BackProp", 4.3)."""
    x, y, lengths = recipe.prepare(*data)
    if recipe.layers[0].vocabulary is not None or x.dtype.kind not in "fiu":
        return None
    step = ScaleInputs().fitted(x, y, lengths)
    mean, std = np.asarray(step.mean), np.asarray(step.std)
    varies = np.ptp(x, axis=step.axes, keepdims=not step.masked).reshape(std.shape) > 0
    small = np.abs(mean).max() <= _MIDDLE and not varies[(std < _NARROW) | (std > _WIDE)].any()
    return None if small else recipe.prepared_by(step, *data)


@change("labels counted from 0")
def labels(recipe: Recipe, data: Given) -> Recipe | None:
    """Classes numbered from 0, with as many outputs as there are classes."""
    y = recipe.prepare(*data)[1]
    if not is_sparse(recipe) or y.dtype.kind not in "iu":
        return None
    classes = np.unique(y)
    if np.array_equal(classes, np.arange(len(classes))) or "ignore_index" in recipe.compiling:
        return None
    made = recipe.prepared_by(Labels(), *data)
    return made.of_layers(_ending(made.layers, "softmax", len(classes)))


def _ending(layers: tuple[Layer, ...], activation: str, units: int) -> list[Layer]:
    """The layers with an output layer of so many units and an activation."""
    place = output_at(layers)
    before = [layer.copy() for layer in layers[: place + 1]]
    last = before.pop() if place < len(layers) else None
    if isinstance(last, Dense):
        start = (
            {} if activation == last.activation.name else {"weight_initializer": "xavier_uniform"}
        )
        return [*before, last.copy(units=units, activation=activation, **start)]
    before += [] if last is None else [last]
    behind = [
        layer.copy()
        for layer in layers[place + 1 :]
        if layer.passes_on and not isinstance(layer, Activation | Dropout)
    ]
    return [*before, *behind, Dense(units, activation)]


def _asked(recipe: Recipe, data: Given) -> tuple[Recipe, str, str, int] | None:
    """The recipe that prepares the targets, and what they ask for: activation, loss and units; None where
    that is not known.
    """
    y = recipe.prepare(*data)[1]
    if y.dtype.kind not in "fiub" or y.ndim > 3 or has_own_targets(recipe, y):
        return None
    kind: targets.Kind = targets.kind_of(y, sparse=is_sparse(recipe))
    if kind == "numbers" and targets.as_labels(y) is not None and not takes_numbers(recipe):
        recipe = recipe.prepared_by(Labels(), *data)
        y = recipe.prepare(*data)[1]
        kind = "binary" if y.max() == 1 else "labels"
    activation, loss = OUTPUTS[kind]
    columns = 1 if y.ndim == 1 else y.shape[-1]
    units = int(y.max()) + 1 if kind == "labels" else columns
    if kind == "labels" and units < 2:
        return None
    return recipe, activation, loss, units


def takes_numbers(recipe: Recipe) -> bool:
    """Whether it is made for numbers and not for classes: by its loss and its output."""
    loss, output = recipe.compiling["loss"], recipe.layers[-1].output_activation
    return loss == "poisson" or (loss not in ("hinge", "squared_hinge") and output == "identity")


@change("the output that the targets ask for", family="output")
def output(recipe: Recipe, data: Given) -> Recipe | None:
    """Softmax for one of several classes, sigmoid for one of two and for labels of their own, the identity
    for numbers (Bishop 1995, chapter 6); the loss stays where it can.
    """
    asked = _asked(recipe, data)
    if asked is None:
        return None
    made, activation, loss, units = asked
    made = made.of_layers(_ending(made.layers, activation, units))
    kept = _kept_loss(made, activation)
    if (
        kept is None
        or kept.sparse != (loss == _SPARSE)
        or isinstance(made.compiling["loss"], losses.Custom)
    ):
        return None
    return made


@change("the loss that the targets ask for, with its output", family="output")
def loss(recipe: Recipe, data: Given) -> Recipe | None:
    """Cross-entropy behind softmax for one of several classes, binary cross-entropy behind sigmoid for one of
    two and for labels of their own, mean squared error behind the identity for numbers (Bishop 1995,
    chapter 6).
    """
    asked = _asked(recipe, data)
    if asked is None:
        return None
    made, activation, name, units = asked
    dropped = dict.fromkeys(("reduction", "ignore_index", "label_smoothing", "metrics"))
    if recipe.compiling["loss"] == name:
        dropped = {}
    made = made.of_layers(_ending(made.layers, activation, units))
    return made.compiled_with(loss=name, **dropped)


def _kept_loss(recipe: Recipe, activation: str) -> losses.Loss | None:
    """The loss behind such an output; None where it does not go with it."""
    try:
        return losses.get(recipe.compiling["loss"], "mean", activation)
    except ValueError:
        return None


@change("targets standardised")
def scale_targets(recipe: Recipe, data: Given) -> Recipe | None:
    """Each column of the targets with mean 0 and standard deviation 1; outputs are in these units."""
    y = recipe.prepare(*data)[1]
    takes_any = _kept_loss(recipe, "identity")
    if y.ndim > 3 or (
        is_sparse(recipe)
        or y.dtype.kind not in "fiu"
        or targets.kind_of(y) != "numbers"
        or not takes_any
    ):
        return None
    lowest, highest = takes_any.target_range
    if np.isfinite([lowest, highest]).any() or takes_any.signed:
        return None
    step = ScaleTargets().fitted(*recipe.prepare(*data))
    std = np.asarray(step.std)
    small = np.abs(step.mean).max() <= _MIDDLE and std.min() >= _NARROW and std.max() <= _WIDE
    return None if small else recipe.prepared_by(step, *data)


@change("classes weighed alike")
def balance(recipe: Recipe, data: Given) -> Recipe | None:
    """Losses weighed by class, so that all classes count as much (scikit-learn's "balanced")."""
    y: Any = recipe.prepare(*data)[1]
    sparse = is_sparse(recipe)
    if y.dtype.kind not in "fiub" or y.ndim > 2:
        return None
    found = targets.classes_of(y, targets.kind_of(y, sparse=sparse))
    loss_ = _kept_loss(recipe, recipe.layers[-1].output_activation)
    if found is None or loss_ is None or loss_.judged is None:
        return None
    counts = np.bincount(found)
    if counts[counts > 0].min() * 1.5 >= counts.max():
        return None
    return recipe.fed_with(class_weight="balanced")
