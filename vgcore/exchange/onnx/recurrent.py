"""How the recurrent operators of ONNX are read: gates, biases, directions, and where walks start."""

from __future__ import annotations

from typing import Any

import numpy as np

from vgcore import layers as vg
from vgcore.exchange.onnx.file import Array, Node
from vgcore.exchange.onnx.operators import GATES, WITH_ALPHA, of_cell, reordered
from vgcore.exchange.onnx.reading import Part, Place, Reading
from vgcore.layers.base import Layer
from vgcore.layers.recurrent import Recurrent

KINDS: dict[str, type[Recurrent]] = {"RNN": vg.RNN, "LSTM": vg.LSTM, "GRU": vg.GRU}
_USUAL = {"RNN": ["Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}
_MOVING = ("Expand", "Slice", "Unsqueeze", "Squeeze", "Transpose", "Reshape", "Cast")
_STATES = {"initial_h": 5, "initial_c": 6}


def read(reading: Reading, node: Node, at: Place, parts: list[Part]) -> None:
    """Read an RNN, LSTM or GRU, which gives its outputs at all timesteps or its last states."""
    if at.axes != "tnc":
        raise node.lacks(f"expected the axes tnc, got {at.axes}")
    given = node.attributes
    for name in ("clip", "input_forget", "layout"):
        if given.get(name):
            raise node.lacks(f"vgcore has no {name}={given[name]}")
    if node.input(4):
        raise node.lacks(
            "vgcore takes the lengths of sequences in fit and its other verbs, not here"
        )
    direction = node.text("direction", "forward")
    sides = 2 if direction == "bidirectional" else 1
    used = [place for place, name in enumerate(node.outputs) if name and reading.graph.uses(name)]
    used += [place for place, name in enumerate(node.outputs) if name == reading.graph.output]
    if len(used) != 1 or used[0] > 1:
        raise node.lacks("a layer has one output here: h at all timesteps, or the last")
    arrays, options = _arrays(reading, node, sides)
    options.update(_cell(node, sides))
    options["return_sequences"] = used[0] == 0
    kind = KINDS[node.kind]
    if sides == 2:
        part = Part(_bidirectional, {"kind": kind, **options}, arrays)
    else:
        part = Part(kind, {**options, "go_backwards": direction == "reverse"}, arrays)
    reading.add(part, at, node, parts)
    at.tensor = node.outputs[used[0]]
    at.axes = "tdnc" if used[0] == 0 else "dnc"


def _bidirectional(*, kind: type[Recurrent], name: str | None = None, **options: Any) -> Layer:
    return vg.Bidirectional(kind(**options), name=name)


def is_single(parts: list[Part]) -> bool:
    """Whether the last layer goes in one direction."""
    return bool(parts) and parts[-1].kind in KINDS.values()


def take_last(node: Node, place: int, parts: list[Part]) -> None:
    """Have the last layer give what it has at the end of its walk, if ``place`` is there."""
    last = parts[-1] if is_single(parts) else None
    if last is None or not last.options["return_sequences"]:
        raise node.lacks("vgcore chooses the last timestep of an RNN, LSTM or GRU")
    if place != (0 if last.options["go_backwards"] else -1):
        raise node.lacks("vgcore chooses the timestep at which a walk ends")
    last.options["return_sequences"] = False


def _arrays(reading: Reading, node: Node, sides: int) -> tuple[dict[str, Array], dict[str, Any]]:
    """The parameters of each direction, and what options they tell."""
    order = GATES[node.kind][1]
    w, r, b = (reading.graph.constant(node, place) for place in (1, 2, 3))
    peepholes = reading.graph.constant(node, 7)
    assert w is not None and r is not None
    places = _STATES if node.kind == "LSTM" else {"initial_h": 5}
    starts = {name: _start(reading, node, place) for name, place in places.items()}
    learned = any(array is not None for array in starts.values())
    arrays: dict[str, Array] = {}
    for side, suffix in enumerate(("", "_reverse")[:sides]):
        arrays[f"weight_ih{suffix}"] = reordered(w[side], order)
        arrays[f"weight_hh{suffix}"] = reordered(r[side], order)
        if b is not None:
            for name, half in zip(("bias_ih", "bias_hh"), np.split(b[side], 2), strict=True):
                arrays[name + suffix] = reordered(half, order)
        if peepholes is not None:
            for gate, row in zip("iof", np.split(peepholes[side], 3), strict=True):
                arrays[f"weight_c{gate}{suffix}"] = row
        for name, start in starts.items() if learned else ():
            zeros = np.zeros(r.shape[-1], r.dtype)
            arrays[name + suffix] = zeros if start is None else start.reshape(sides, -1)[side]
    options: dict[str, Any] = {"units": r.shape[-1], "use_bias": b is not None}
    if learned:
        options["initial_state"] = "learned"
    if node.kind == "LSTM":
        options["peepholes"] = peepholes is not None
    if node.kind == "GRU":
        options["reset_after"] = bool(node.attributes.get("linear_before_reset", 0))
    return arrays, options


def _start(reading: Reading, node: Node, place: int) -> Array | None:
    """What walks start from; None for zeros of any number of rows."""
    name = node.input(place)
    if not name or _is_zero(reading, name):
        return None
    maker = reading.graph.makers.get(name)
    if maker is not None and maker.kind == "Expand":
        name = maker.input(0)
    array = reading.graph.arrays.get(name)
    if array is None or array.ndim != 3 or array.shape[1] != 1:
        raise node.lacks(
            "vgcore starts each walk from zeros, or from a state that all samples share"
        )
    return array


def _is_zero(reading: Reading, name: str) -> bool:
    """Whether all numbers of a tensor are 0, whatever its shape."""
    if name in reading.graph.arrays:
        return not reading.graph.arrays[name].any()
    maker = reading.graph.makers.get(name)
    if maker is None:
        return False
    if maker.kind == "ConstantOfShape":
        value = maker.attributes.get("value")
        return value is None or not (any(value.raw_data) or any(value.float_data))
    return maker.kind in _MOVING and _is_zero(reading, maker.input(0))


def _cell(node: Node, sides: int) -> dict[str, Any]:
    """The activations of a cell."""
    names = [n.decode() for n in node.attributes.get("activations", [])] or _USUAL[
        node.kind
    ] * sides
    alphas, betas = (
        [*node.attributes.get(name, [])] for name in ("activation_alpha", "activation_beta")
    )
    found = []
    for name in names:
        taking = {kind.lower() for kind, _ in WITH_ALPHA.values()} | {"hardsigmoid"}
        alpha = alphas.pop(0) if name.lower() in taking and alphas else None
        beta = betas.pop(0) if name.lower() in taking and betas else None
        found.append(of_cell(name, alpha, beta))
    one = found[: len(found) // sides]
    if found != one * sides:
        raise node.lacks("vgcore has the same activations in both directions")
    if node.kind == "LSTM" and one[1] != one[2]:
        raise node.lacks("vgcore has one activation of an LSTM's g and of its c")
    options: dict[str, Any] = {"activation": one[-1]}
    if node.kind != "RNN":
        options["recurrent_activation"] = one[0]
    return options
