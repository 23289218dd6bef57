"""How each layer of Keras is read."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore import layers as vg
from vgcore.activations import Activation
from vgcore.exchange import channels
from vgcore.exchange.keras import activation_names, recurrent
from vgcore.exchange.keras.graph import Pending, lacks, values
from vgcore.exchange.keras.reading import Reader, Reading
from vgcore.layers.base import features

Array = NDArray[Any]


def _dense(reading: Reading, layer: Any) -> None:
    if len(reading.shape) > 2:
        raise lacks(layer, "a Dense layer of images is a Conv2D with a kernel of 1 here")
    activation = activation_names.read(layer.activation)
    made = vg.Dense(layer.units, activation, use_bias=layer.use_bias, name=reading.name(layer))
    weight = values(layer.kernel).T
    weight = weight if reading.order is None else weight[:, reading.order]
    reading.order = None
    reading.add(made, weight=weight, bias=layer.bias if layer.use_bias else None)


def _convolution(reading: Reading, layer: Any) -> None:
    axes = layer.rank
    if axes == 1 and layer.data_format != "channels_last":
        raise lacks(layer, "sequences have their features last here")
    activation = activation_names.read(layer.activation)
    own = activation if activation.unitwise else None
    kind = vg.Conv2d if axes == 2 else vg.Conv1d
    made = kind(
        layer.filters,
        tuple(layer.kernel_size),
        own,
        stride=tuple(layer.strides),
        padding=_padding(reading, layer, layer.kernel_size, layer.dilation_rate),
        dilation=tuple(layer.dilation_rate),
        groups=layer.groups,
        use_bias=layer.use_bias,
        name=reading.name(layer),
    )
    weight = np.moveaxis(values(layer.kernel), (-1, -2), (0, 1))
    reading.add(made, weight=weight, bias=layer.bias if layer.use_bias else None)
    if own is None:
        _activated(reading, layer, activation)


def _activated(reading: Reading, layer: Any, activation: Activation) -> None:
    reading.add(vg.Activation(activation, name=reading.name(layer, f"_{activation.name}")))


def _padding(reading: Reading, layer: Any, size: Any, dilation: Any) -> tuple[int, ...] | str:
    """What a window is padded with on both sides of each axis."""
    before = None if reading.pending is None else reading.pending.padding
    if layer.padding == "valid":
        return before or (0,) * len(size)
    if layer.padding != "same":
        raise lacks(layer, f"vgcore pads both sides, and has no padding {layer.padding!r}")
    if before is not None:
        raise lacks(layer, "padding='same' behind a ZeroPadding is none of both sides")
    if all(step == 1 for step in layer.strides) and type(layer).__name__.startswith("Conv"):
        return "same"
    sizes = reading.shape[1:] if len(reading.shape) == 3 else reading.shape[:1]
    totals = []
    for count, kernel, step, apart in zip(sizes, size, layer.strides, dilation, strict=True):
        if count is None:
            raise lacks(layer, "padding='same' needs a known number of timesteps here")
        span = apart * (kernel - 1) + 1
        totals.append(max((math.ceil(count / step) - 1) * step + span - count, 0))
    if any(total % 2 for total in totals):
        raise lacks(
            layer,
            f"padding='same' of {'x'.join(map(str, sizes))} places is one more behind than in front, "
            "and vgcore pads both sides alike",
        )
    return tuple(total // 2 for total in totals)


def _zero_padding(reading: Reading, layer: Any) -> None:
    pads = [each if isinstance(each, tuple | list) else (each, each) for each in layer.padding]
    if len(reading.shape) == 2:
        pads = [tuple(layer.padding)]
    if any(first != last for first, last in pads):
        raise lacks(layer, f"vgcore pads both sides alike, not {layer.padding}")
    padding = tuple(first for first, _ in pads)
    reading.pending = Pending(layer, ("Conv", "AveragePooling", "MaxPooling"), padding)


def _pool(kind: Callable[..., Any]) -> Callable[[Reading, Any], None]:
    def read(reading: Reading, layer: Any) -> None:
        if len(reading.shape) == 2 and layer.data_format != "channels_last":
            raise lacks(layer, "sequences have their features last here")
        padded = reading.pending is not None
        padding = _padding(reading, layer, layer.pool_size, (1,) * len(layer.pool_size))
        options = {} if kind is vg.MaxPool else {"count_include_pad": padded}
        if padded and not options and reading.activation not in activation_names.NEVER_NEGATIVE:
            raise lacks(
                layer,
                "zeros of a ZeroPadding may be the largest, and a MaxPool's padding never is here; behind a "
                "ReLU that is the same",
            )
        made = kind(
            tuple(layer.pool_size),
            stride=tuple(layer.strides),
            padding=padding,
            name=reading.name(layer),
            **options,
        )
        reading.add(made)

    return read


def _global_pool(kind: Callable[..., Any]) -> Callable[[Reading, Any], None]:
    def read(reading: Reading, layer: Any) -> None:
        if layer.keepdims:
            raise lacks(layer, "vgcore's gives vectors, and has no keepdims")
        if len(reading.shape) == 2 and layer.data_format != "channels_last":
            raise lacks(layer, "sequences have their features last here")
        reading.add(kind(name=reading.name(layer)))

    return read


def _flatten(reading: Reading, layer: Any) -> None:
    shape, order = reading.shape, reading.order
    turned = reading.pending is not None
    if len(shape) == 3:  # Keras moves channels last here, whatever its data_format
        order = channels.order_of(shape)
    elif len(shape) == 2 and layer.data_format == "channels_first":
        turned = not turned
    reading.add(vg.Flatten(channels_first=turned, name=reading.name(layer)))
    reading.order = order


def _permute(reading: Reading, layer: Any) -> None:
    if len(reading.shape) != 2 or tuple(layer.dims) != (2, 1):
        raise lacks(layer, f"vgcore moves no axes, here {layer.dims}, but (2, 1) of sequences in front of a "
                    "Flatten")  # fmt: skip
    reading.pending = Pending(layer, ("Flatten",))


def _reshape(reading: Reading, layer: Any) -> None:
    if None in reading.shape:
        raise lacks(layer, f"vgcore reshapes what has known sizes, not {reading.shape}")
    numbers = math.prod(size or 1 for size in reading.shape)
    known = -math.prod(layer.target_shape)
    target = tuple(numbers // known if size == -1 else size for size in layer.target_shape)
    before, shape = reading.order, channels.moved_first(target) if reading.last else target
    if reading.last and len(reading.shape) == 3:
        before = channels.order_of(reading.shape)
    behind = channels.order_of(shape) if reading.last else None
    if len(shape) == 1:
        behind = before
    if not channels.same(before, behind):
        raise lacks(
            layer, f"to {target} it lays out numbers in another order than with channels first"
        )
    reading.add(vg.Reshape(shape, name=reading.name(layer)))
    reading.order = before if len(shape) == 1 else None


def _batch_norm(reading: Reading, layer: Any) -> None:
    affine = {"scale": layer.scale, "shift": layer.center}
    made = vg.BatchNorm(momentum=_rest(layer.momentum), **affine, **_norm(reading, layer))
    reading.add(
        made,
        **_affine(reading, layer),
        running_mean=reading.by_feature(layer.moving_mean),
        running_var=reading.by_feature(layer.moving_variance),
    )


def _rest(momentum: float) -> float:
    """1 minus a momentum, which in decimals is short on both sides."""
    return round(1 - momentum, 15)


def _norm(reading: Reading, layer: Any) -> dict[str, Any]:
    """What all norms have."""
    if not reading.is_feature_axis(layer.axis):
        raise lacks(layer, f"vgcore normalises features or channels, not axis {layer.axis}")
    return {"epsilon": float(layer.epsilon), "name": reading.name(layer)}


def _affine(reading: Reading, layer: Any) -> dict[str, Any]:
    return {
        "weight": reading.by_feature(layer.gamma) if layer.scale else None,
        "bias": reading.by_feature(layer.beta) if layer.center else None,
    }


def _layer_norm(reading: Reading, layer: Any) -> None:
    if getattr(layer, "rms_scaling", False):
        raise lacks(layer, "rms_scaling=True is none of vgcore's; RMSNormalization is vg.RMSNorm")
    affine = {"scale": layer.scale, "shift": layer.center}
    reading.add(vg.LayerNorm(**affine, **_norm(reading, layer)), **_affine(reading, layer))


def _rms_norm(reading: Reading, layer: Any) -> None:
    made = vg.RMSNorm(**_norm(reading, layer))
    reading.add(made, weight=reading.by_feature(layer.scale))


def _group_norm(reading: Reading, layer: Any) -> None:
    columns = features(reading.shape)
    groups = columns if layer.groups == -1 else layer.groups
    if reading.order is not None and groups not in (1, columns):
        raise lacks(
            layer, "groups of what a Flatten of images gives are others with channels first"
        )
    affine = {"scale": layer.scale, "shift": layer.center}
    reading.add(vg.GroupNorm(groups, **affine, **_norm(reading, layer)), **_affine(reading, layer))


def _dropout(reading: Reading, layer: Any) -> None:
    across = _across(reading, layer)
    reading.add(vg.Dropout(float(layer.rate), across_time=across, name=reading.name(layer)))


def _alpha_dropout(reading: Reading, layer: Any) -> None:
    across = _across(reading, layer)
    reading.add(vg.AlphaDropout(float(layer.rate), across_time=across, name=reading.name(layer)))


def _across(reading: Reading, layer: Any) -> bool:
    """Whether one mask is for all timesteps or places."""
    if type(layer).__name__.startswith("Spatial"):
        return True
    noise = layer.noise_shape
    if noise is None:
        return False
    shape = reading.shape
    theirs = channels.moved_last(shape) if reading.last else shape
    wanted = [1] * len(shape)
    feature = len(shape) - 1 if reading.last or len(shape) < 3 else 0
    got, size = list(noise)[1:], theirs[feature]
    wanted[feature] = got[feature] if got[feature] in (None, size) else -1
    if noise[0] is not None or got != wanted or len(shape) == 1:
        raise lacks(layer, f"vgcore has no masks of noise_shape {tuple(noise)}")
    return True


def _noise(reading: Reading, layer: Any) -> None:
    reading.add(vg.GaussianNoise(float(layer.stddev), name=reading.name(layer)))


def _activation(reading: Reading, layer: Any) -> None:
    activation = activation_names.OF_LAYERS[type(layer).__name__](layer)
    if not activation.unitwise and not reading.last and len(reading.shape) == 3:
        raise lacks(layer, "a softmax is over channels here, and is over the width there")
    reading.add(vg.Activation(activation, name=reading.name(layer)))


def _prelu(reading: Reading, layer: Any) -> None:
    alpha = values(layer.alpha)
    columns = features(reading.shape)
    feature = alpha.ndim - 1 if reading.last or len(reading.shape) < 3 else 0
    shared = alpha.size == 1 and columns > 1
    if not shared and (alpha.size != columns or alpha.shape[feature] != columns):
        raise lacks(layer, "vgcore has one slope for all places; give it shared_axes")
    slopes = alpha.reshape(-1)
    weight = slopes if shared else reading.by_feature(slopes)
    reading.add(vg.PReLU(shared=shared, name=reading.name(layer)), weight=weight)


def _embedding(reading: Reading, layer: Any) -> None:
    if layer.mask_zero:
        raise lacks(
            layer, "mask_zero=True is lengths= of fit and other verbs here, for zeros at the end"
        )
    made = vg.Embedding(layer.input_dim, layer.output_dim, name=reading.name(layer))
    reading.add(made, weight=layer.embeddings)


def _nothing(reading: Reading, layer: Any) -> None:
    """Read a layer that does nothing."""


def _time_distributed(reading: Reading, layer: Any) -> None:
    kind = type(layer.layer).__name__
    if len(reading.shape) != 2 or kind not in ("Dense", *activation_names.OF_LAYERS):
        raise lacks(layer, f"vgcore has no counterpart around a {kind}")
    reading.read(layer.layer)


READERS: dict[str, Reader] = {
    "Dense": _dense,
    **dict.fromkeys(("Conv1D", "Conv2D"), _convolution),
    **dict.fromkeys(("ZeroPadding1D", "ZeroPadding2D"), _zero_padding),
    **dict.fromkeys(("MaxPooling1D", "MaxPooling2D"), _pool(vg.MaxPool)),
    **dict.fromkeys(("AveragePooling1D", "AveragePooling2D"), _pool(vg.AvgPool)),
    **dict.fromkeys(
        ("GlobalAveragePooling1D", "GlobalAveragePooling2D"), _global_pool(vg.GlobalAvgPool)
    ),
    **dict.fromkeys(("GlobalMaxPooling1D", "GlobalMaxPooling2D"), _global_pool(vg.GlobalMaxPool)),
    "Flatten": _flatten,
    "Permute": _permute,
    "Reshape": _reshape,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "RMSNormalization": _rms_norm,
    "GroupNormalization": _group_norm,
    **dict.fromkeys(("Dropout", "SpatialDropout1D", "SpatialDropout2D"), _dropout),
    "AlphaDropout": _alpha_dropout,
    "GaussianNoise": _noise,
    **dict.fromkeys(activation_names.OF_LAYERS, _activation),
    "PReLU": _prelu,
    "Embedding": _embedding,
    **dict.fromkeys(recurrent.KINDS, recurrent.recurrent),
    "Bidirectional": recurrent.bidirectional,
    "Identity": _nothing,
    "TimeDistributed": _time_distributed,
}
