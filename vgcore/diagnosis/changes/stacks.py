"""Going through the layers of a recipe, those in blocks too."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vgcore.diagnosis.recipe import anonymous
from vgcore.layers import Activation, Bidirectional, Conv1d, Conv2d, Dense, Parallel, Residual
from vgcore.layers.base import Layer
from vgcore.layers.normalisation import Normalisation
from vgcore.layers.prelu import PReLU
from vgcore.layers.recurrent import Recurrent

WEIGHTED = (Dense, Conv1d, Conv2d)
"""Layers that multiply by a weight, and then have an activation of their own."""

Edit = Callable[[Layer, Sequence[Layer]], Layer | list[Layer] | None]
"""Of a free layer and those behind it in its stack: what stands in its place, or None for itself."""


def output_at(layers: Sequence[Layer]) -> int:
    """The place of the layer that makes the outputs; behind it they are but moved or activated."""
    behind = (Activation, PReLU, Normalisation)
    places = [
        place
        for place, layer in enumerate(layers)
        if not (layer.passes_on or isinstance(layer, behind))
    ]
    return places[-1] if places else len(layers)


def rewritten(layers: Sequence[Layer], edit: Edit, end: int | None = None) -> list[Layer]:
    """Copies of the layers, edited up to a place; those of blocks too, but for projections of skips."""
    made: list[Layer] = []
    for place, layer in enumerate(layers):
        if end is not None and place >= end:
            made.append(layer.copy())
            continue
        inner = _inside(layer, edit)
        found = edit(inner, layers[place + 1 :])
        made += [inner] if found is None else found if isinstance(found, list) else [found]
    anonymous(made)
    return made


def hidden_rewritten(layers: Sequence[Layer], edit: Edit) -> list[Layer]:
    """The same of the layers in front of that which makes the outputs."""
    return rewritten(layers, edit, output_at(layers))


def _inside(layer: Layer, edit: Edit) -> Layer:
    if isinstance(layer, Residual):
        return layer.copy(layers=rewritten(layer.layers, edit))
    if isinstance(layer, Parallel):
        return layer.copy(branches=[rewritten(stack, edit) for stack in layer.stacks])
    if isinstance(layer, Bidirectional):
        side = layer.forward_layer.copy()
        side.name = None
        found = edit(side, ())
        return layer.copy(layer=found) if isinstance(found, Recurrent) else layer.copy()
    return layer.copy()


def activated_by(rest: Sequence[Layer]) -> bool:
    """Whether what comes behind a linear layer activates its outputs, or is the sum of a block."""
    for layer in rest:
        if isinstance(layer, Activation | PReLU):
            return True
        if isinstance(layer, Normalisation) and layer.activation.name != "identity":
            return True
        if not (layer.passes_on or isinstance(layer, Normalisation)):
            return False
    return not rest
