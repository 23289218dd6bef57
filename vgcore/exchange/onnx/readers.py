"""How each operator of ONNX is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vgcore import activations
from vgcore import layers as vg
from vgcore.activations import SELU_ALPHA, SELU_SCALE, Activation
from vgcore.exchange.onnx import recurrent, shapes
from vgcore.exchange.onnx.file import Array, Node
from vgcore.exchange.onnx.operators import (
    PLAIN,
    WITH_ALPHA,
    channels_last,
    channels_second,
    decimal,
    hard_sigmoid,
)
from vgcore.exchange.onnx.reading import Part, Place, Reading, gate
from vgcore.exchange.onnx.shapes import expect, reduced
from vgcore.layers.base import features

Parts = list[Part]


def _gemm(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    given = node.attributes
    if given.get("transA", 0) or given.get("alpha", 1.0) != 1 or given.get("beta", 1.0) != 1:
        raise node.lacks("vgcore has x W^T + b, without factors")
    weight = reading.graph.constant(node, 1)
    assert weight is not None
    bias = reading.graph.constant(node, 2)
    _add_dense(reading, node, at, parts, weight if given.get("transB", 0) else weight.T, bias)


def _matmul(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    weight = reading.graph.constant(node, 1)
    if weight is None or weight.ndim != 2 or at.axes not in ("nc", "ntc"):
        raise node.lacks("vgcore multiplies vectors and sequences (n, time, features) by a matrix")
    bias, end = None, node
    behind = reading.graph.uses(node.outputs[0])
    if len(behind) == 1 and behind[0].kind == "Add":
        names = [name for name in behind[0].inputs if name in reading.graph.arrays]
        if len(names) == 1 and reading.graph.arrays[names[0]].size == weight.shape[1]:
            bias, end = reading.graph.arrays[names[0]], behind[0]
    _add_dense(reading, node, at, parts, weight.T, bias)
    at.tensor = end.outputs[0]


def _add_dense(
    reading: Reading, node: Node, at: Place, parts: Parts, weight: Array, bias: Array | None
) -> None:
    weight = weight if at.order is None else weight[:, at.order]
    arrays = {"weight": weight} if bias is None else {"weight": weight, "bias": bias.reshape(-1)}
    options = {"units": len(weight), "use_bias": bias is not None}
    at.order = None
    reading.add(Part(vg.Dense, options, arrays), at, node, parts)


def _conv(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    expect(node, at, channels_second(at.axes))
    weight, bias = reading.graph.constant(node, 1), reading.graph.constant(node, 2)
    assert weight is not None
    axes = weight.ndim - 2
    options = {
        "filters": len(weight),
        "kernel_size": weight.shape[2:],
        "groups": node.attributes.get("group", 1),
        "use_bias": bias is not None,
        **_window(node, axes, weight.shape[2:], same=True),
    }
    arrays = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    reading.add(Part(vg.Conv2d if axes == 2 else vg.Conv1d, options, arrays), at, node, parts)


def _window(node: Node, axes: int, kernel: Any, *, same: bool = False) -> dict[str, Any]:
    """Stride, padding and dilation of a window."""
    given = node.attributes
    stride, dilation = (tuple(given.get(each, [1] * axes)) for each in ("strides", "dilations"))
    totals = [apart * (size - 1) for size, apart in zip(kernel, dilation, strict=True)]
    pads = [*given.get("pads", [0] * 2 * axes)]
    automatic = node.text("auto_pad", "NOTSET")
    if automatic.startswith("SAME") and all(step == 1 for step in stride):
        less, more = [total // 2 for total in totals], [total - total // 2 for total in totals]
        pads = [*less, *more] if automatic == "SAME_UPPER" else [*more, *less]
    elif automatic not in ("NOTSET", "VALID"):
        raise node.lacks(f"vgcore has no auto_pad {automatic} with strides {stride}")
    first, last = tuple(pads[:axes]), tuple(pads[axes:])
    padding: Any = first
    if first != last:
        halves = [(total // 2, total - total // 2) for total in totals]
        fits = same and halves == [*zip(first, last, strict=True)] and all(s == 1 for s in stride)
        if not fits:
            raise node.lacks(f"vgcore pads both sides alike, not {first} and {last}")
        padding = "same"
    if given.get("ceil_mode", 0):
        raise node.lacks("vgcore has no ceil_mode")
    return {"stride": stride, "padding": padding, "dilation": dilation}


def _pool(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    expect(node, at, channels_second(at.axes))
    kernel = tuple(node.attributes["kernel_shape"])
    options = {"pool_size": kernel, **_window(node, len(kernel), kernel)}
    kind: Any = vg.MaxPool
    if node.kind == "AveragePool":
        kind = vg.AvgPool
        options["count_include_pad"] = bool(node.attributes.get("count_include_pad", 0))
    elif len([name for name in node.outputs if name]) > 1:
        raise node.lacks("vgcore's gives no indices")
    reading.add(Part(kind, options), at, node, parts)


def _global_pool(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    expect(node, at, channels_second(at.axes))
    kind = vg.GlobalMaxPool if node.kind == "GlobalMaxPool" else vg.GlobalAvgPool
    _pooled(reading, node, at, parts, kind, ones=True)


def _pooled(
    reading: Reading, node: Node, at: Place, parts: Parts, kind: Any, *, ones: bool
) -> None:
    reading.add(Part(kind, {}), at, node, parts)
    at.axes, at.ones = "nc", ones


def _reduce(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    over = {at.axes[place] for place in reduced(reading, node)}
    if over != set(at.axes) - {"n", "c"} or not over:
        raise node.lacks("vgcore reduces all places or timesteps, and nothing else")
    kind = vg.GlobalMaxPool if node.kind == "ReduceMax" else vg.GlobalAvgPool
    _pooled(reading, node, at, parts, kind, ones=bool(node.attributes.get("keepdims", 1)))


def _dropout(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    ratio = reading.graph.constant(node, 1) if reading.graph.opset >= 12 else None
    rate = node.attributes.get("ratio", 0.5) if ratio is None else float(ratio)
    reading.add(Part(vg.Dropout, {"rate": decimal(rate)}), at, node, parts)


def _batch_norm(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    expect(node, at, channels_second(at.axes))
    if node.attributes.get("training_mode", 0):
        raise node.lacks("it trains, and vgcore's knows by itself")
    names = ("weight", "bias", "running_mean", "running_var")
    arrays = _by_order(reading, node, at, names)
    momentum = round(1 - decimal(node.attributes.get("momentum", 0.9)), 7)
    reading.add(
        Part(vg.BatchNorm, {"momentum": momentum, **_epsilon(node)}, arrays), at, node, parts
    )


def _by_order(reading: Reading, node: Node, at: Place, names: tuple[str, ...]) -> dict[str, Array]:
    arrays = {name: reading.graph.constant(node, place) for place, name in enumerate(names, 1)}
    if any(array is not None and array.size != features(at.shape) for array in arrays.values()):
        raise node.lacks("vgcore has one weight and bias for each feature or channel")
    return {
        name: array.reshape(-1)[slice(None) if at.order is None else at.order]
        for name, array in arrays.items()
        if array is not None
    }


def _epsilon(node: Node) -> dict[str, float]:
    return {"epsilon": decimal(node.attributes.get("epsilon", 1e-5))}


def _row_norm(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    expect(node, at, channels_last(at.axes))
    if node.attributes.get("axis", -1) not in (-1, len(at.axes) - 1):
        raise node.lacks("vgcore normalises the features, the last axis")
    arrays = _by_order(reading, node, at, ("weight", "bias"))
    if node.kind == "LayerNormalization":
        options = {"shift": "bias" in arrays, **_epsilon(node)}
        reading.add(Part(vg.LayerNorm, options, arrays), at, node, parts)
    else:
        reading.add(Part(vg.RMSNorm, _epsilon(node), arrays), at, node, parts)


def _group_norm(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    expect(node, at, channels_second(at.axes))
    if node.kind == "InstanceNormalization":
        kind: Any = vg.InstanceNorm
        options: dict[str, Any] = {"scale": True, "shift": True}
    else:
        kind, options = vg.GroupNorm, {"groups": node.attributes["num_groups"]}
        if at.order is not None:
            raise node.lacks("groups of a flattened image are others with channels first")
    arrays = _by_order(reading, node, at, ("weight", "bias"))
    reading.add(Part(kind, {**options, **_epsilon(node)}, arrays), at, node, parts)


def _activation(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    reading.activate(_activations()[node.kind](node), at, node, parts)


def _activations() -> dict[str, Callable[[Node], Activation]]:
    def plain(name: str) -> Callable[[Node], Activation]:
        return lambda node: activations.get(name)

    def with_alpha(name: str, default: float) -> Callable[[Node], Activation]:
        return lambda node: Activation(name, decimal(node.attributes.get("alpha", default)))

    return {
        **{kind: plain(name) for name, kind in PLAIN.items()},
        **{kind: with_alpha(name, default) for name, (kind, default) in WITH_ALPHA.items()},
        "Selu": _selu,
        "Gelu": lambda node: activations.gelu(node.text("approximate", "none")),
        "HardSigmoid": lambda node: hard_sigmoid(
            node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
        ),
    }


def _selu(node: Node) -> Activation:
    alpha, scale = (node.attributes.get(name, value) for name, value in (
        ("alpha", SELU_ALPHA), ("gamma", SELU_SCALE),
    ))  # fmt: skip
    if abs(alpha - SELU_ALPHA) > 1e-4 or abs(scale - SELU_SCALE) > 1e-4:
        raise node.lacks(
            f"vgcore has the Selu of self-normalising networks, not of {alpha}, {scale}"
        )
    return activations.get("selu")


def _clip(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    bounds = [node.attributes.get("min"), node.attributes.get("max")]
    for place in (1, 2):
        array = reading.graph.constant(node, place)
        bounds[place - 1] = bounds[place - 1] if array is None else float(array.reshape(()))
    if bounds not in ([0, 6], [0, None]):
        raise node.lacks(f"vgcore clips from 0 to 6, not from {bounds[0]} to {bounds[1]}")
    reading.activate(activations.get("relu6" if bounds[1] else "relu"), at, node, parts)


def _softmax(reading: Reading, node: Node, at: Place, parts: Parts, name: str = "softmax") -> None:
    axis = node.attributes.get("axis", -1 if reading.graph.opset >= 13 else 1) % len(at.axes)
    early = reading.graph.opset < 13 and axis != len(at.axes) - 1
    if at.axes[axis] != "c" or early:
        raise node.lacks("vgcore has a softmax over the features or channels")
    reading.activate(activations.get(name), at, node, parts)


def _negative(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    behind = reading.graph.uses(node.outputs[0])
    if len(behind) != 1 or behind[0].kind != "Softmax":
        raise node.lacks("vgcore has no counterpart but in front of a Softmax")
    _softmax(reading, behind[0], at, parts, "softmin")


def _prelu(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    slopes = reading.graph.constant(node, 1)
    assert slopes is not None
    behind = len(at.axes) - 1 - at.axes.index("c")
    count = features(at.shape)
    shared = slopes.size == 1 and count > 1
    fits = slopes.size == count and (count == 1 or slopes.shape[-1 - behind :][:1] == (count,))
    if not shared and not fits:
        raise node.lacks("vgcore has a slope for each feature or channel, or one for all")
    weight = slopes.reshape(-1)
    weight = weight if shared or at.order is None else weight[at.order]
    reading.add(Part(vg.PReLU, {"shared": shared}, {"weight": weight}), at, node, parts)


def _factor(reading: Reading, node: Node, at: Place, parts: Parts) -> None:
    """Read a product with one number: the gate of a residual block."""
    factors = [reading.graph.arrays[name] for name in node.inputs if name in reading.graph.arrays]
    if len(factors) != 1 or factors[0].size != 1:
        raise node.lacks(
            "vgcore has a factor of a residual block's body alone, which is one number"
        )
    behind = reading.graph.uses(node.outputs[0])
    if len(behind) != 1 or behind[0].kind != "Add":
        raise node.lacks("vgcore has a factor of a residual block's body alone")
    parts.append(gate(factors[0].reshape(1)))
    at.tensor = node.outputs[0]


READERS: dict[str, Callable[[Reading, Node, Place, Parts], None]] = {
    "Transpose": shapes.transpose,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Conv": _conv,
    **dict.fromkeys(("MaxPool", "AveragePool"), _pool),
    **dict.fromkeys(("GlobalMaxPool", "GlobalAveragePool"), _global_pool),
    **dict.fromkeys(("ReduceMean", "ReduceMax"), _reduce),
    "Flatten": shapes.flatten,
    "Reshape": shapes.reshape,
    "Squeeze": shapes.squeeze,
    "Gather": shapes.gather,
    "Dropout": _dropout,
    "BatchNormalization": _batch_norm,
    **dict.fromkeys(("LayerNormalization", "RMSNormalization"), _row_norm),
    **dict.fromkeys(("GroupNormalization", "InstanceNormalization"), _group_norm),
    **dict.fromkeys(_activations(), _activation),
    "Clip": _clip,
    "Softmax": _softmax,
    "Neg": _negative,
    "PRelu": _prelu,
    "Mul": _factor,
    **dict.fromkeys(("RNN", "LSTM", "GRU"), recurrent.read),
}
