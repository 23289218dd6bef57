"""How the recurrent layers of Keras are read: their gates, and their biases."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore import layers as vg
from vgcore.exchange.keras import activation_names
from vgcore.exchange.keras.graph import lacks, values
from vgcore.exchange.keras.reading import Reading
from vgcore.layers.recurrent import Recurrent

Array = NDArray[Any]

KINDS: dict[str, type[Recurrent]] = {"SimpleRNN": vg.RNN, "LSTM": vg.LSTM, "GRU": vg.GRU}
GATES = {"SimpleRNN": (0,), "LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2)}
"""Which of Keras's gates each gate here is, and the other way round: Keras's GRU has z, r, h."""

_ALIKE = ("units", "use_bias", "return_sequences", "stateful", "dropout", "recurrent_dropout", "reset_after",
          "activation", "recurrent_activation")  # fmt: skip


def recurrent(reading: Reading, layer: Any) -> None:
    """Read a SimpleRNN, LSTM or GRU."""
    _check(layer)
    if layer.go_backwards and layer.return_sequences:
        raise lacks(
            layer,
            "with go_backwards=True Keras gives the last timestep first, and vgcore leaves each where it is",
        )
    if layer.dropout:
        name = reading.name(layer, "_dropout")
        reading.add(vg.Dropout(float(layer.dropout), across_time=True, name=name))
    made = _made(layer, go_backwards=layer.go_backwards, name=reading.name(layer))
    reading.add(made, **_arrays(layer))


def bidirectional(reading: Reading, layer: Any) -> None:
    """Read a Bidirectional around one of these."""
    one, other = layer.forward_layer, layer.backward_layer
    if layer.merge_mode != "concat":
        raise lacks(layer, f"vgcore has outputs side by side, not merge_mode={layer.merge_mode!r}")
    if type(one).__name__ not in KINDS:
        raise lacks(layer, f"vgcore has no counterpart around a {type(one).__name__}")
    differing = [name for name in _ALIKE if getattr(one, name, None) != getattr(other, name, None)]
    if type(one) is not type(other) or differing or one.go_backwards or not other.go_backwards:
        raise lacks(
            layer,
            f"vgcore has two layers alike, forward and backward; {', '.join(differing)} differ",
        )
    _check(one)
    if one.dropout:
        raise lacks(layer, "each direction has a dropout of its own, which vgcore has not")
    both = dict(_arrays(one))
    both.update((f"{name}_reverse", array) for name, array in _arrays(other).items())
    made = vg.Bidirectional(_made(one), name=reading.name(layer))
    reading.add(made, **both)


def _check(layer: Any) -> None:
    if layer.return_state:
        raise lacks(
            layer, "a model has one output here; predict(..., return_state=True) gives states"
        )
    if (layer.dropout or layer.recurrent_dropout) and getattr(layer, "implementation", 2) != 2:
        raise lacks(layer, "vgcore has one mask for all gates, which is implementation=2")


def _made(layer: Any, **more: Any) -> Recurrent:
    kind = type(layer).__name__
    options: dict[str, Any] = {}
    if kind == "GRU":
        options["reset_after"] = layer.reset_after
    if kind != "SimpleRNN":
        options["recurrent_activation"] = activation_names.read(layer.recurrent_activation)
    if kind == "LSTM":
        options["unit_forget_bias"] = bool(layer.unit_forget_bias)
    return KINDS[kind](
        layer.units,
        activation_names.read(layer.activation),
        return_sequences=layer.return_sequences,
        stateful=layer.stateful,
        use_bias=layer.use_bias,
        recurrent_dropout=float(layer.recurrent_dropout),
        **options,
        **more,
    )


def _arrays(layer: Any) -> dict[str, Array | None]:
    gates = GATES[type(layer).__name__]
    cell = layer.cell
    arrays: dict[str, Array | None] = {
        "weight_ih": reordered(values(cell.kernel).T, gates),
        "weight_hh": reordered(values(cell.recurrent_kernel).T, gates),
    }
    if layer.use_bias:
        bias = values(cell.bias)
        ours, theirs = bias if bias.ndim == 2 else (bias, np.zeros_like(bias))
        arrays["bias_ih"], arrays["bias_hh"] = (reordered(each, gates) for each in (ours, theirs))
    return arrays


def reordered(rows: Array, gates: tuple[int, ...]) -> Array:
    """The gates' blocks of rows in another order."""
    blocks = rows.reshape(len(gates), -1, *rows.shape[1:])
    return blocks[list(gates)].reshape(rows.shape)
