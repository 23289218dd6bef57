"""How recurrent layers are written for Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore import layers as vg
from vgcore.exchange.keras.recurrent import GATES, KINDS, reordered
from vgcore.exchange.keras.writers import function
from vgcore.exchange.keras.writing import Writer, Writing, lacks
from vgcore.layers.base import Layer

Array = NDArray[Any]


def _recurrent(writing: Writing, layer: Any, name: str) -> None:
    if layer.layers:
        _stack(writing, layer, name)
        return
    kind, options, arrays = _described(layer, name)
    if layer.go_backwards and layer.return_sequences:
        raise lacks(name, layer, "outputs of go_backwards=True begin with the last timestep")
    writing.add(
        kind,
        name,
        go_backwards=layer.go_backwards,
        **options,
        arrays={f"cell.{key}": array for key, array in arrays.items()},
    )


def _stack(writing: Writing, layer: Any, name: str) -> None:
    for each in layer.stacks[0]:
        writing.write(each, f"{name}_")


def _bidirectional(writing: Writing, layer: Any, name: str) -> None:
    if layer.layers:
        _stack(writing, layer, name)
        return
    kind, options, arrays = _described(layer.forward_layer, name)
    other = _described(layer.backward_layer, name)[2]
    inner = getattr(writing.layers, kind)(**options, dtype=writing.dtype, name=f"{name}_one")
    both = {f"forward_layer.cell.{key}": array for key, array in arrays.items()}
    both.update({f"backward_layer.cell.{key}": array for key, array in other.items()})
    writing.add("Bidirectional", name, inner, arrays=both)


def _described(layer: Any, name: str) -> tuple[str, dict[str, Any], dict[str, Array]]:
    """A recurrent layer's class in Keras, its options but for the direction, and its arrays."""
    kind = next(theirs for theirs, ours in KINDS.items() if type(layer) is ours)
    for option, usual in (
        ("stateful", False), ("initial_state", "zeros"), ("peepholes", False), ("omega", 0),
    ):  # fmt: skip
        if getattr(layer, option, usual) != usual:
            hint = " without a number of rows" if option == "stateful" else ""
            raise lacks(name, layer, f"there is no {option}={getattr(layer, option)!r}{hint}")
    options: dict[str, Any] = {
        "units": layer.units,
        "activation": function(name, layer, layer.activation),
        "use_bias": layer.use_bias,
        "return_sequences": layer.return_sequences,
        "recurrent_dropout": layer.recurrent_dropout,
    }
    if kind != "SimpleRNN":
        options["recurrent_activation"] = function(name, layer, layer.recurrent_activation)
    if kind == "LSTM":
        options["unit_forget_bias"] = layer.unit_forget_bias
    if kind == "GRU":
        options["reset_after"] = layer.reset_after
    gates = GATES[kind]
    arrays = {
        "kernel": reordered(layer.weight_ih, gates).T,
        "recurrent_kernel": reordered(layer.weight_hh, gates).T,
    }
    if layer.use_bias:
        both = [reordered(each, gates) for each in (layer.bias_ih, layer.bias_hh)]
        apart = kind == "GRU" and layer.reset_after
        arrays["bias"] = np.stack(both) if apart else both[0] + both[1]
    return kind, options, arrays


WRITERS: dict[type[Layer], Writer] = {
    **dict.fromkeys(KINDS.values(), _recurrent),
    vg.Bidirectional: _bidirectional,
}
