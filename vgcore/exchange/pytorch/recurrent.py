"""Recurrent modules of PyTorch, which return more than outputs."""

from __future__ import annotations

from typing import Any

from torch import fx, nn

from vgcore import layers
from vgcore.exchange.pytorch import functions, nodes
from vgcore.exchange.pytorch.places import Counterpart, Place, check_unchanged, tensors_of
from vgcore.layers.base import Layer


def recurrent(place: Place, *, sequences: bool) -> Counterpart:
    """An RNN, LSTM or GRU that gives its outputs at every timestep, or where each of its walks ends."""
    module: Any = place.module
    place.read("ntf" if module.batch_first else "tnf")
    place.check(proj_size=0, only="states are not projected here")
    place.expect(module.input_size)
    options: dict[str, Any] = {
        "return_sequences": sequences,
        "num_layers": module.num_layers,
        "use_bias": module.bias,
    }
    if module.num_layers > 1:
        options["dropout"] = float(module.dropout) if module.training else 0.0
    made: Any
    if isinstance(module, nn.LSTM):
        made = layers.LSTM(module.hidden_size, unit_forget_bias=False, **options)
    elif isinstance(module, nn.GRU):
        made = layers.GRU(module.hidden_size, **options)
    else:
        made = layers.RNN(module.hidden_size, module.nonlinearity, **options)
    layer: Layer = layers.Bidirectional(made) if module.bidirectional else made
    tensors = {}
    for number in range(module.num_layers):
        for ending in ("", "_reverse") if module.bidirectional else ("",):
            for name in (
                "weight_ih",
                "weight_hh",
                *(("bias_ih", "bias_hh") if module.bias else ()),
            ):
                where = f"{number}.{name}" if module.num_layers > 1 else name
                theirs = f"{name}_l{number}{ending}"
                tensors[where + ending] = tensors_of(place, theirs)[theirs]
    return Counterpart(layer, place.axes if sequences else "nf", tensors)


RECURRENT = (nn.RNN, nn.LSTM, nn.GRU)


def check_start(node: fx.Node, place: Place) -> None:
    """Raise where a call begins with states other than zeros."""
    states = [*node.args[1:], *node.kwargs.values()]
    if not all(map(functions.is_zeros, states)):
        raise place.lacks("with initial states of its own, and predict takes them here")
    check_unchanged(place)


def picked(node: fx.Node, place: Place, part: str) -> str:
    """What a node picks of a part of the results: another part, or "end", the last h of the last layer.

    The parts are "all" that the module returns, its "outputs", its "states" h and c, and "h".
    """
    module: Any = place.module
    index = node.args[1] if nodes.picks(node) else None
    if part == "all" and index in (0, 1):
        behind = "states" if isinstance(module, nn.LSTM) else "h"
        return behind if index else "outputs"
    if part == "states" and index == 0:
        return "h"
    if part == "h" and not module.bidirectional:
        last = nodes.first_index(index) in (-1, module.num_layers - 1)
        squeezes = node.target == "squeeze" and node.args[1:] == (0,) and module.num_layers == 1
        if (index is not None and last) or squeezes:
            return "end"
    if part == "outputs" and nodes.is_last(index, place):
        if module.bidirectional:
            raise place.lacks(
                "goes both ways, and at the last timestep the backward walk has only begun; where both end "
                "is torch.cat((h[-2], h[-1]), dim=1)"
            )
        return "end"
    raise place.lacks(
        f"of whose results {nodes.title(node)} takes what is not given here: that is the outputs, "
        "their last timestep, or the last h of the last layer"
    )
