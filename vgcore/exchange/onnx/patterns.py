"""Layers that files of ONNX have as several operators: these, found by the shape that they make."""

from __future__ import annotations

import numpy as np

from vgcore import activations
from vgcore import layers as vg
from vgcore.exchange.onnx.file import Node
from vgcore.exchange.onnx.operators import channels_last
from vgcore.exchange.onnx.reading import Part, Place, Reading
from vgcore.layers.base import features

Parts = list[Part]


def _silu(reading: Reading, uses: list[Node], at: Place, parts: Parts) -> bool:
    """Read x sigmoid(x)."""
    kinds = {node.kind: node for node in uses}
    if len(uses) != 2 or set(kinds) != {"Sigmoid", "Mul"}:
        return False
    if sorted(kinds["Mul"].inputs) != sorted([at.tensor, kinds["Sigmoid"].outputs[0]]):
        return False
    reading.activate(activations.get("silu"), at, kinds["Mul"], parts)
    return True


def _gelu(reading: Reading, uses: list[Node], at: Place, parts: Parts) -> bool:
    """Read x (1 + erf(x / sqrt(2))) / 2, which is Gelu before opset 20."""
    graph = reading.graph
    walk = next(
        (node for node in uses if node.kind in ("Div", "Mul") and _number(reading, node)), None
    )
    root = None if walk is None else _number(reading, walk)
    if walk is None or root is None or len(uses) != 2:
        return False
    root = root if walk.kind == "Div" else 1 / root
    wanted = {"Erf": None, "Add": 1.0, "Mul": None}
    for kind, number in wanted.items():
        behind = graph.uses(walk.outputs[0])
        if len(behind) != 1 or behind[0].kind != kind or _number(reading, behind[0]) != number:
            return False
        walk = behind[0]
    behind = graph.uses(walk.outputs[0])
    if walk not in uses or abs(root - 2**0.5) > 1e-6 or len(behind) != 1 or behind[0].kind != "Mul":
        return False
    if _number(reading, behind[0]) != 0.5:
        return False
    reading.activate(activations.get("gelu"), at, behind[0], parts)
    return True


def _number(reading: Reading, node: Node) -> float | None:
    """The one constant that a node reads, if that is a number."""
    found = [reading.graph.arrays[name] for name in node.inputs if name in reading.graph.arrays]
    return float(found[0].reshape(())) if len(found) == 1 and found[0].size == 1 else None


def _rms(reading: Reading, uses: list[Node], at: Place, parts: Parts) -> bool:
    """Read x / sqrt(mean(x x) + epsilon), and the weight behind it."""
    graph = reading.graph
    division = [node for node in uses if node.kind == "Div"]
    square = [node for node in uses if node.kind == "Mul" and node.inputs == [at.tensor] * 2]
    if len(uses) != 3 or len(division) != 1 or len(square) != 2:
        return False
    walk, epsilon = square[0], None
    for kind in ("ReduceMean", "Add", "Sqrt", "Div"):
        behind = graph.uses(walk.outputs[0])
        if len(behind) != 1 or behind[0].kind != kind:
            return False
        walk = behind[0]
        if kind == "Add":
            epsilon = _number(reading, walk)
    if walk is not division[0] or walk.inputs[0] != at.tensor or not epsilon:
        return False
    if at.axes != channels_last(at.axes):
        raise walk.lacks("vgcore normalises the features, the last axis")
    end, arrays = walk, {}
    behind = graph.uses(walk.outputs[0])
    if len(behind) == 1 and behind[0].kind == "Mul":
        weights = [graph.arrays[name] for name in behind[0].inputs if name in graph.arrays]
        if len(weights) == 1 and weights[0].shape == (features(at.shape),):
            end, arrays = behind[0], {"weight": weights[0]}
            if at.order is not None:
                arrays["weight"] = weights[0][at.order]
    machine = np.finfo("f8" if graph.double else "f4").eps
    options = {"epsilon": None if epsilon == machine else epsilon, "scale": bool(arrays)}
    reading.add(Part(vg.RMSNorm, options, arrays), at, walk, parts)
    at.tensor = end.outputs[0]
    return True


PATTERNS = (_silu, _gelu, _rms)
