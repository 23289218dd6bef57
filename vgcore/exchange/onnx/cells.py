"""How recurrent layers are written for ONNX: gates, biases, directions, and where walks start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vgcore import layers as vg
from vgcore.exchange.onnx.operators import GATES, IN_CELLS, alpha_of, lacks, reordered
from vgcore.exchange.onnx.writing import Writing
from vgcore.layers.recurrent import Recurrent


def walk(writing: Writing, sides: Sequence[Any], name: str) -> None:
    """Add a cell that walks in one direction, or in both: its layers."""
    one = sides[0]
    kind = type(one).__name__
    if one.stateful:
        raise lacks(
            name, one, "a call cannot go on from the states of the one before: stateful=True"
        )
    writing.turn("tnc")
    order = GATES[kind][0]

    def put(what: str, arrays: Sequence[Any]) -> str:
        return writing.put(np.stack(arrays), f"{name}.{what}")

    inputs = [
        put("W", [reordered(each.weight_ih, order) for each in sides]),
        put("R", [reordered(each.weight_hh, order) for each in sides]),
    ]
    biases = [
        np.concatenate([reordered(each.bias_ih, order), reordered(each.bias_hh, order)])
        for each in sides
        if each.use_bias
    ]
    inputs += [put("B", biases) if biases else "", ""]
    inputs += _starts(writing, sides, name)
    if getattr(one, "peepholes", False):
        inputs += [""] * (6 - len(inputs))
        inputs.append(
            put("P", [np.concatenate([e.weight_ci, e.weight_co, e.weight_cf]) for e in sides])
        )
    whole = one.return_sequences
    writing.node(
        kind,
        name,
        *inputs,
        outputs=1 if whole else 2,
        hidden_size=one.units,
        direction="bidirectional"
        if len(sides) > 1
        else "reverse"
        if one.go_backwards
        else "forward",
        **_cell(one, name, len(sides)),
    )
    if whole:
        writing.node("Transpose", f"{name}_sides", perm=[2, 0, 1, 3])
    else:
        writing.node("Transpose", f"{name}_sides", perm=[1, 0, 2])
    shape = np.array([0, 0, len(sides) * one.units] if whole else [0, len(sides) * one.units])
    writing.node("Reshape", f"{name}_beside", writing.put(shape.astype(np.int64), f"{name}.shape"))
    writing.axes = "ntc" if whole else "nc"


def _starts(writing: Writing, sides: Sequence[Any], name: str) -> list[str]:
    """Learned initial states, one for every row."""
    if sides[0].initial_state == "zeros":
        return []
    rows = writing.free_node("Shape", f"{name}_rows", writing.tensor, start=1, end=2)
    one = [
        writing.put(np.array([size], np.int64), f"{name}.size")
        for size in (len(sides), sides[0].units)
    ]
    shape = writing.free_node("Concat", f"{name}_size", one[0], rows, one[1], axis=0)
    found = []
    for state in sides[0].states:
        values = np.stack([getattr(each, f"initial_{state}") for each in sides])[:, None]
        start = writing.put(values, f"{name}.initial_{state}")
        found.append(writing.free_node("Expand", f"{name}_initial_{state}", start, shape))
    return found


def _cell(layer: Recurrent, name: str, sides: int) -> dict[str, Any]:
    """Activations of a cell's gates, and its kind."""
    options: dict[str, Any] = {}
    used = [layer.activation]
    if isinstance(layer, vg.LSTM | vg.GRU):
        used = [layer.recurrent_activation, layer.activation]
    if isinstance(layer, vg.LSTM):
        used.append(layer.activation)
    if isinstance(layer, vg.GRU):
        options["linear_before_reset"] = int(layer.reset_after)
    for each in used:
        if each.name not in IN_CELLS:
            raise lacks(name, layer, f"no cell has the activation {each!r}")
    pairs = [alpha_of(each) for each in used if any(alpha_of(each))] * sides
    if pairs:
        options["activation_alpha"], options["activation_beta"] = (
            list(each) for each in zip(*pairs, strict=True)
        )
    return {"activations": [IN_CELLS[each.name] for each in used] * sides, **options}
