"""How each layer of vgcore is written for ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from vgcore import activations
from vgcore import layers as vg
from vgcore.activations import SELU_ALPHA, SELU_SCALE, Activation
from vgcore.exchange.onnx import cells
from vgcore.exchange.onnx.operators import (
    PLAIN,
    WITH_ALPHA,
    axes_of,
    channels_last,
    channels_second,
    lacks,
)
from vgcore.exchange.onnx.writing import Writer, Writing
from vgcore.layers.base import Layer, features
from vgcore.layers.recurrent import Between


def _activate(writing: Writing, layer: Any, name: str) -> None:
    """Add a layer's activation."""
    activation: Activation = layer.activation
    kind = activation.name
    called = f"{name}_{kind}"
    feature = writing.axes.index("c")
    if isinstance(activation, activations.Formula) or kind == "snake":
        raise lacks(name, layer, f"the activation {activation!r} has no counterpart")
    if kind == "celu" and writing.dtype == "float64":
        raise lacks(name, layer, "Celu is of float32 alone")
    if kind in PLAIN:
        writing.node(PLAIN[kind], called)
    elif kind in WITH_ALPHA:
        writing.node(WITH_ALPHA[kind][0], called, alpha=activation.alpha)
    elif kind == "hard_sigmoid":
        writing.node("HardSigmoid", called, alpha=activation.alpha, beta=0.5)
    elif kind == "relu6":
        bounds = [
            writing.put(bound, f"{called}.{end}") for bound, end in ((0.0, "min"), (6.0, "max"))
        ]
        writing.node("Clip", called, *bounds)
    elif kind == "selu":
        writing.node("Selu", called, alpha=SELU_ALPHA, gamma=SELU_SCALE)
    elif kind in ("gelu", "gelu_tanh"):
        writing.node("Gelu", called, approximate="tanh" if kind == "gelu_tanh" else "none")
    elif kind == "silu":
        before = writing.tensor
        gate = writing.node("Sigmoid", called)
        writing.tensor = before
        writing.node("Mul", called, gate)
    elif kind in ("softmax", "softmin"):
        if kind == "softmin":
            writing.node("Neg", called)
        writing.node("Softmax", called, axis=feature)


def _activation(writing: Writing, layer: Any, name: str) -> None:
    if layer.activation.name != "identity":
        _activate(writing, layer, name)


def _dense(writing: Writing, layer: Any, name: str) -> None:
    if writing.axes == "nc":
        weight = writing.put(layer.weight, f"{name}.weight")
        bias = [writing.put(layer.bias, f"{name}.bias")] if layer.use_bias else []
        writing.node("Gemm", name, weight, *bias, transB=1)
    else:
        writing.turn("ntc")
        writing.node("MatMul", name, writing.put(layer.weight.T, f"{name}.weight"))
        if layer.use_bias:
            writing.node("Add", f"{name}_bias", writing.put(layer.bias, f"{name}.bias"))
    _activation(writing, layer, name)


def _convolution(writing: Writing, layer: Any, name: str) -> None:
    writing.turn(channels_second(writing.axes))
    given = ["weight", "bias"] if layer.use_bias else ["weight"]
    arrays = [writing.put(getattr(layer, each), f"{name}.{each}") for each in given]
    writing.node("Conv", name, *arrays, group=layer.groups, **_window(layer._window))
    _activation(writing, layer, name)


def _window(window: Any) -> dict[str, Any]:
    first, last = zip(*window.padding, strict=True)
    return {
        "kernel_shape": [*window.kernel],
        "strides": [*window.stride],
        "pads": [*first, *last],
        "dilations": [*window.dilation],
    }


def _pool(writing: Writing, layer: Any, name: str) -> None:
    writing.turn(channels_second(writing.axes))
    options = _window(layer.window(writing.shape))
    if isinstance(layer, vg.AvgPool):
        writing.node("AveragePool", name, count_include_pad=int(layer.count_include_pad), **options)
    else:
        writing.node("MaxPool", name, **options)


def _global_pool(writing: Writing, layer: Any, name: str) -> None:
    writing.turn(channels_second(writing.axes))
    writing.node("GlobalMaxPool" if layer.largest else "GlobalAveragePool", name)
    writing.node("Flatten", f"{name}_flat", axis=1)
    writing.axes = "nc"


def _flatten(writing: Writing, layer: Any, name: str) -> None:
    writing.turn(axes_of(writing.shape))
    writing.node("Flatten", name, axis=1)
    writing.axes = "nc"


def _reshape(writing: Writing, layer: Any, name: str) -> None:
    writing.turn(axes_of(writing.shape))
    shape = np.array([0, *layer.shape], np.int64)
    writing.node("Reshape", name, writing.put(shape, f"{name}.shape"))
    writing.axes = axes_of(layer.shape)


def _affine(writing: Writing, layer: Any, name: str) -> list[str]:
    """Weight and bias of a norm, which operators want to have both."""
    columns = features(writing.shape)
    weight = layer.weight if layer.scale else np.ones(columns)
    bias = layer.bias if layer.shift else np.zeros(columns)
    return [writing.put(weight, f"{name}.weight"), writing.put(bias, f"{name}.bias")]


def _batch_norm(writing: Writing, layer: Any, name: str) -> None:
    writing.turn(channels_second(writing.axes))
    arrays = _affine(writing, layer, name)
    arrays += [
        writing.put(getattr(layer, each), f"{name}.{each}")
        for each in ("running_mean", "running_var")
    ]
    writing.node(
        "BatchNormalization", name, *arrays, epsilon=layer.epsilon, momentum=1 - layer.momentum
    )
    _activation(writing, layer, name)


def _layer_norm(writing: Writing, layer: Any, name: str) -> None:
    writing.turn(channels_last(writing.axes))
    arrays = _affine(writing, layer, name)
    writing.node("LayerNormalization", name, *arrays, axis=-1, epsilon=layer.epsilon)
    _activation(writing, layer, name)


def _rms_norm(writing: Writing, layer: Any, name: str) -> None:
    """ONNX has one from opset 23 on."""
    writing.turn(channels_last(writing.axes))
    epsilon = np.finfo(writing.dtype).eps if layer.epsilon is None else layer.epsilon
    before = writing.tensor
    writing.node("Mul", f"{name}_square", before)
    axes = writing.put(np.array([-1], np.int64), f"{name}.axes")
    writing.node("ReduceMean", f"{name}_mean", axes, keepdims=1)
    writing.node("Add", f"{name}_epsilon", writing.put(epsilon, f"{name}.epsilon"))
    root = writing.node("Sqrt", f"{name}_root")
    writing.tensor = before
    writing.node("Div", name, root)
    if layer.scale:
        writing.node("Mul", f"{name}_weight", writing.put(layer.weight, f"{name}.weight"))
    _activation(writing, layer, name)


def _group_norm(writing: Writing, layer: Any, name: str) -> None:
    writing.turn(channels_second(writing.axes))
    arrays = _affine(writing, layer, name)
    groups = layer.groups_of(writing.shape)
    if isinstance(layer, vg.InstanceNorm):
        writing.node("InstanceNormalization", name, *arrays, epsilon=layer.epsilon)
    else:
        writing.node("GroupNormalization", name, *arrays, num_groups=groups, epsilon=layer.epsilon)
    _activation(writing, layer, name)


def _dropout(writing: Writing, layer: Any, name: str) -> None:
    if type(layer) is not vg.AlphaDropout and not layer.across_time:
        writing.node("Dropout", name, writing.put(layer.rate, f"{name}.rate"))


def _nothing(writing: Writing, layer: Any, name: str) -> None:
    """Write nothing of what acts while training alone."""


def _prelu(writing: Writing, layer: Any, name: str) -> None:
    behind = len(writing.axes) - 1 - writing.axes.index("c")
    slopes = layer.weight.reshape(-1, *(1,) * behind)
    writing.node("PRelu", name, writing.put(slopes, f"{name}.weight"))


def _embedding(writing: Writing, layer: Any, name: str) -> None:
    table = writing.put(layer.weight, f"{name}.weight")
    writing.tensor = writing.free_node("Gather", name, table, writing.tensor)
    writing.axes = "ntc"


def _stack(writing: Writing, layer: Any, name: str) -> None:
    shape = writing.shape
    for each in layer.stacks[0]:
        writing.write(each, f"{name}.")
    writing.shape = shape  # whoever writes a layer goes on from its input


def _recurrent(writing: Writing, layer: Any, name: str) -> None:
    if layer.layers:
        _stack(writing, layer, name)
    else:
        cells.walk(writing, [layer], name)


def _bidirectional(writing: Writing, layer: Any, name: str) -> None:
    if layer.layers:
        _stack(writing, layer, name)
    else:
        cells.walk(writing, [layer.forward_layer, layer.backward_layer], name)


def _residual(writing: Writing, layer: Any, name: str) -> None:
    ends = _branches(writing, layer, name)
    body, skip = ends
    writing.tensor = body
    if layer.gate_start is not None:
        writing.node("Mul", f"{name}_gate", writing.put(layer.gate, f"{name}.gate"))
    writing.node("Add", name, skip)
    _activation(writing, layer, name)


def _parallel(writing: Writing, layer: Any, name: str) -> None:
    first, *others = _branches(writing, layer, name)
    writing.tensor = first
    if layer.merge == "sum":
        writing.node("Sum", name, *others)
    else:
        writing.node("Concat", name, *others, axis=writing.axes.index("c"))


def _branches(writing: Writing, layer: Any, name: str) -> list[str]:
    """Write the stacks of a block, each from its input: where they end, all with the same axes."""
    before, axes, shape = writing.tensor, writing.axes, writing.shape
    ends = []
    for layers in layer.stacks:
        writing.tensor, writing.axes, writing.shape = before, axes, shape
        for each in layers:
            writing.write(each, f"{name}.")
        writing.turn(axes_of(writing.shape))
        ends.append(writing.tensor)
    writing.shape = shape
    return ends


WRITERS: dict[type[Layer], Writer] = {
    vg.Dense: _dense,
    **dict.fromkeys((vg.Conv1d, vg.Conv2d), _convolution),
    **dict.fromkeys((vg.MaxPool, vg.AvgPool), _pool),
    **dict.fromkeys((vg.GlobalAvgPool, vg.GlobalMaxPool), _global_pool),
    vg.Flatten: _flatten,
    vg.Reshape: _reshape,
    vg.BatchNorm: _batch_norm,
    vg.LayerNorm: _layer_norm,
    vg.RMSNorm: _rms_norm,
    **dict.fromkeys((vg.GroupNorm, vg.InstanceNorm), _group_norm),
    **dict.fromkeys((vg.Dropout, vg.AlphaDropout, Between), _dropout),
    vg.GaussianNoise: _nothing,
    vg.Activation: _activation,
    vg.PReLU: _prelu,
    vg.Embedding: _embedding,
    **dict.fromkeys((vg.RNN, vg.LSTM, vg.GRU), _recurrent),
    vg.Bidirectional: _bidirectional,
    vg.Residual: _residual,
    vg.Parallel: _parallel,
}
