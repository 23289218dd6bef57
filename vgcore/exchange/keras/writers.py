"""How each layer of vgcore is written for Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore import layers as vg
from vgcore.activations import Activation
from vgcore.exchange import channels
from vgcore.exchange.keras import activation_names
from vgcore.exchange.keras.writing import Writer, Writing, lacks
from vgcore.layers.base import Layer, features, is_image
from vgcore.layers.recurrent import Between
from vgcore.layers.window import sizes

Array = NDArray[Any]


def function(name: str, layer: Layer, activation: Activation) -> str:
    """An activation's name in Keras, where it must be one."""
    written = activation_names.written(activation)
    if written is None:
        raise lacks(name, layer, f"the activation {activation!r} has no name")
    return written


def _activate(writing: Writing, layer: Any, name: str, behind: str = "") -> None:
    """Add a layer's activation as a layer, which ``behind`` ends the name of."""
    activation = layer.activation
    if activation.name == "leaky_relu":
        writing.add("LeakyReLU", name + behind, negative_slope=activation.alpha)
    elif activation.name == "elu":
        writing.add("ELU", name + behind, alpha=activation.alpha)
    else:
        writing.add("Activation", name + behind, function(name, layer, activation))


def _activate_behind(writing: Writing, layer: Any, name: str) -> None:
    """Add a layer's activation behind it, unless it is the identity."""
    if layer.activation.name != "identity":
        _activate(writing, layer, name, f"_{layer.activation.name}")


def _own(layer: Any) -> tuple[str, bool]:
    """An activation that Keras's layer computes itself, and whether another layer must."""
    written = activation_names.written(layer.activation)
    return ("linear", True) if written is None else (written, False)


def _dense(writing: Writing, layer: Any, name: str) -> None:
    activation, behind = _own(layer)
    kernel = writing.by_feature(layer.weight.T)
    arrays = {"kernel": kernel, **({"bias": layer.bias} if layer.use_bias else {})}
    writing.add(
        "Dense", name, layer.units, activation=activation, use_bias=layer.use_bias, arrays=arrays
    )
    writing.order = None
    if behind:
        _activate_behind(writing, layer, name)


def _convolution(writing: Writing, layer: Any, name: str) -> None:
    activation, behind = _own(layer)
    kernel = np.moveaxis(layer.weight, (0, 1), (-1, -2))
    arrays = {"kernel": kernel, **({"bias": layer.bias} if layer.use_bias else {})}
    same = layer.padding == "same"
    if not same:
        _pad(writing, layer.padding, name)
    writing.add(
        f"Conv{layer.axes}D",
        name,
        layer.filters,
        layer.kernel_size,
        strides=layer.stride,
        padding="same" if same else "valid",
        dilation_rate=layer.dilation,
        groups=layer.groups,
        activation=activation,
        use_bias=layer.use_bias,
        arrays=arrays,
        data_format="channels_last",
    )
    if behind:
        _activate_behind(writing, layer, name)


def _pad(writing: Writing, padding: tuple[int, ...], name: str) -> None:
    if any(padding):
        axes = len(padding)
        pads = tuple((each, each) for each in padding)
        options = {"padding": pads if axes == 2 else pads[0], "data_format": "channels_last"}
        writing.add(f"ZeroPadding{axes}D", f"{name}_padding", **options)


def _pool(writing: Writing, layer: Any, name: str) -> None:
    axes = 2 if is_image(writing.shape) else 1
    window = layer.window(writing.shape)
    padding = sizes("padding", layer.padding, axes, minimum=0)
    if any(step > 1 for step in window.dilation):
        raise lacks(name, layer, "a pool has no dilation")
    average = isinstance(layer, vg.AvgPool)
    padded = "valid"
    if any(padding):
        counted = average and layer.count_include_pad
        if not counted and _is_same(window, layer.name, writing.shape):
            padded = "same"
        elif counted or (not average and writing.activation in activation_names.NEVER_NEGATIVE):
            _pad(writing, padding, name)
        else:
            raise lacks(
                name, layer, f"a pool is padded as 'same' or not at all, and not by {layer.padding}"
            )
    kind = f"{'Average' if average else 'Max'}Pooling{axes}D"
    writing.add(
        kind,
        name,
        window.kernel,
        strides=window.stride,
        padding=padded,
        data_format="channels_last",
    )


def _is_same(window: Any, name: str | None, shape: Any) -> bool:
    """Whether a padding of both sides is what Keras's "same" pads."""
    counts = window.extent(name, shape)
    return all(
        first + last == max((-(-count // step) - 1) * step + kernel - count, 0)
        for count, kernel, step, (first, last) in zip(
            counts, window.kernel, window.stride, window.padding, strict=True
        )
    )


def _global_pool(writing: Writing, layer: Any, name: str) -> None:
    axes = 2 if is_image(writing.shape) else 1
    kind = "Max" if layer.largest else "Average"
    writing.add(f"Global{kind}Pooling{axes}D", name, data_format="channels_last")


def _flatten(writing: Writing, layer: Any, name: str) -> None:
    order = channels.order_of(writing.shape) if len(writing.shape) > 1 else writing.order
    if layer.channels_first and len(writing.shape) == 2:
        writing.add("Permute", f"{name}_permute", (2, 1))
    writing.add("Flatten", name, data_format="channels_last")
    writing.order = order


def _reshape(writing: Writing, layer: Any, name: str) -> None:
    before = channels.order_of(writing.shape) if len(writing.shape) > 1 else writing.order
    behind = before if len(layer.shape) == 1 else channels.order_of(layer.shape)
    if not channels.same(before, behind):
        raise lacks(
            name, layer, f"to {layer.shape} it lays out numbers in another order with channels last"
        )
    writing.add("Reshape", name, channels.moved_last(layer.shape))
    writing.order = before if len(layer.shape) == 1 else None


def _batch_norm(writing: Writing, layer: Any, name: str) -> None:
    writing.add(
        "BatchNormalization",
        name,
        momentum=round(1 - layer.momentum, 15),
        epsilon=layer.epsilon,
        scale=layer.scale,
        center=layer.shift,
        arrays={
            **_affine(writing, layer),
            "moving_mean": writing.by_feature(layer.running_mean),
            "moving_variance": writing.by_feature(layer.running_var),
        },
    )
    _activate_behind(writing, layer, name)


def _affine(writing: Writing, layer: Any) -> dict[str, Array]:
    arrays = {"gamma": layer.weight} if layer.scale else {}
    arrays.update({"beta": layer.bias} if layer.shift else {})
    return {key: writing.by_feature(array) for key, array in arrays.items()}


def _layer_norm(writing: Writing, layer: Any, name: str) -> None:
    writing.add(
        "LayerNormalization",
        name,
        epsilon=layer.epsilon,
        scale=layer.scale,
        center=layer.shift,
        arrays=_affine(writing, layer),
    )
    _activate_behind(writing, layer, name)


def _rms_norm(writing: Writing, layer: Any, name: str) -> None:
    epsilon = np.finfo(writing.dtype).eps if layer.epsilon is None else layer.epsilon
    if not layer.scale:
        raise lacks(name, layer, "an RMSNormalization always has a weight")
    arrays = {"scale": writing.by_feature(layer.weight)}
    writing.add("RMSNormalization", name, epsilon=float(epsilon), arrays=arrays)
    _activate_behind(writing, layer, name)


def _group_norm(writing: Writing, layer: Any, name: str) -> None:
    columns, groups = features(writing.shape), layer.groups_of(writing.shape)
    if writing.order is not None and groups not in (1, columns):
        raise lacks(name, layer, "groups of what a Flatten of images gives are others")
    writing.add(
        "GroupNormalization",
        name,
        groups=groups,
        epsilon=layer.epsilon,
        scale=layer.scale,
        center=layer.shift,
        arrays=_affine(writing, layer),
    )
    _activate_behind(writing, layer, name)


def _dropout(writing: Writing, layer: Any, name: str) -> None:
    axes = len(writing.shape) - 1
    across = layer.across_time and axes > 0
    if isinstance(layer, vg.AlphaDropout):
        shape = (None, *(1,) * axes, features(writing.shape)) if across else None
        writing.add("AlphaDropout", name, layer.rate, noise_shape=shape)
    elif across:
        options = {"data_format": "channels_last"} if axes == 2 else {}
        writing.add(f"SpatialDropout{axes}D", name, layer.rate, **options)
    else:
        writing.add("Dropout", name, layer.rate)


def _noise(writing: Writing, layer: Any, name: str) -> None:
    writing.add("GaussianNoise", name, layer.stddev)


def _activation(writing: Writing, layer: Any, name: str) -> None:
    _activate(writing, layer, name)


def _prelu(writing: Writing, layer: Any, name: str) -> None:
    axes = len(writing.shape)
    shared = [*range(1, axes + int(layer.shared))] or None
    weight = layer.weight if layer.shared else writing.by_feature(layer.weight)
    alpha = weight.reshape((1,) * (axes - 1) + (-1,))
    writing.add("PReLU", name, shared_axes=shared, arrays={"alpha": alpha})


def _embedding(writing: Writing, layer: Any, name: str) -> None:
    if layer.padding_idx is not None:
        raise lacks(name, layer, "no row is without a gradient: padding_idx")
    arrays = {"embeddings": layer.weight}
    writing.add("Embedding", name, layer.vocabulary, layer.units, arrays=arrays)


def _residual(writing: Writing, layer: Any, name: str) -> None:
    if layer.gate_start is not None:
        raise lacks(name, layer, "a sum has no learned factor: gate")
    writing.join(layer, name, "Add")
    _activate_behind(writing, layer, name)


def _parallel(writing: Writing, layer: Any, name: str) -> None:
    writing.join(layer, name, "Add" if layer.merge == "sum" else "Concatenate")


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
    vg.GaussianNoise: _noise,
    vg.Activation: _activation,
    vg.PReLU: _prelu,
    vg.Embedding: _embedding,
    vg.Residual: _residual,
    vg.Parallel: _parallel,
}
