"""The counterparts of PyTorch's modules: what layer each is here, and where its tensors go."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import nn

from vgcore import activations, layers
from vgcore.exchange.pytorch import activation_names, modules, pools
from vgcore.exchange.pytorch.places import (
    SEQUENCES,
    Counterpart,
    Place,
    check_unchanged,
    tensors_of,
)

Converter = Callable[[Place], Counterpart]

# ---- products


def _linear(place: Place) -> Counterpart:
    module: Any = place.module
    place.read("nf", *SEQUENCES)
    place.expect(module.in_features)
    layer = layers.Dense(module.out_features, place.activation, use_bias=module.bias is not None)
    return Counterpart(layer, place.axes, tensors_of(place, "weight", "bias"))


def _convolution(place: Place) -> Counterpart:
    module: Any = place.module
    axes, made = (
        ("nfhw", layers.Conv2d) if isinstance(module, nn.Conv2d) else ("nft", layers.Conv1d)
    )
    place.read(axes)
    place.check(padding_mode="zeros", only="padding is zeros here")
    place.expect(module.in_channels, "channels")
    padding = 0 if module.padding == "valid" else module.padding
    layer = made(
        module.out_channels,
        pools.plain(module.kernel_size),
        place.activation,
        stride=module.stride,
        padding=padding,
        dilation=module.dilation,
        groups=module.groups,
        use_bias=module.bias is not None,
    )
    return Counterpart(layer, axes, tensors_of(place, "weight", "bias"))


# ---- norms


def _scaling(place: Place) -> dict[str, Any]:
    module: Any = place.module
    return {
        "activation": place.activation,
        "scale": module.weight is not None,
        "shift": getattr(module, "bias", None) is not None,
        "epsilon": module.eps,
    }


def _batch_norm(place: Place) -> Counterpart:
    module: Any = place.module
    place.read(*(("nfhw", "nf11") if isinstance(module, nn.BatchNorm2d) else ("nf", "nft", "nf1")))
    place.check(track_running_stats=True, only="prediction always takes running statistics here")
    if module.momentum is None:
        raise place.lacks("with momentum=None, and running statistics move by a fixed share here")
    if not module.training:
        raise place.lacks(
            "in eval mode within a module that trains, and batch norms train with a minibatch's statistics "
            "here; put all of it into one mode"
        )
    place.expect(module.num_features, "channels")
    layer = layers.BatchNorm(momentum=module.momentum, **_scaling(place))
    names = ("weight", "bias", "running_mean", "running_var")
    return Counterpart(layer, place.axes, tensors_of(place, *names))


def _group_norm(place: Place) -> Counterpart:
    module: Any = place.module
    place.read("nf", "nft", "nfhw")
    place.expect(module.num_channels, "channels")
    layer = layers.GroupNorm(module.num_groups, **_scaling(place))
    return Counterpart(layer, place.axes, tensors_of(place, "weight", "bias"))


def _instance_norm(place: Place) -> Counterpart:
    module: Any = place.module
    place.read("nfhw" if isinstance(module, nn.InstanceNorm2d) else "nft")
    place.check(track_running_stats=False, only="instance norms keep no statistics here")
    if module.affine:
        place.expect(module.num_features, "channels")
    layer = layers.InstanceNorm(**_scaling(place))
    return Counterpart(layer, place.axes, tensors_of(place, "weight", "bias"))


def _row_norm(place: Place) -> Counterpart:
    module: Any = place.module
    if len(module.normalized_shape) > 1:
        raise place.lacks(
            f"over {tuple(module.normalized_shape)}, and rows are normalised over their features alone here"
        )
    place.read("nf", *SEQUENCES, "nhwf")
    place.expect(module.normalized_shape[0])
    options = _scaling(place)
    if isinstance(module, nn.RMSNorm):
        del options["shift"]
        return Counterpart(layers.RMSNorm(**options), place.axes, tensors_of(place, "weight"))
    layer = layers.LayerNorm(**options)
    return Counterpart(layer, place.axes, tensors_of(place, "weight", "bias"))


# ---- dropout


def _dropout(place: Place) -> Counterpart:
    module: Any = place.module
    across = isinstance(module, nn.Dropout1d | nn.Dropout2d | nn.FeatureAlphaDropout)
    if across:
        images = ["nfhw"] * (not isinstance(module, nn.Dropout1d))
        sequences = ["nft"] * (not isinstance(module, nn.Dropout2d))
        place.read(*images, *sequences)
    if module.p >= 1:
        raise place.lacks(f"with p={module.p:g}, and a rate is below 1 here")
    alpha = isinstance(module, nn.AlphaDropout | nn.FeatureAlphaDropout)
    rate = float(module.p) if module.training else 0.0
    made = layers.AlphaDropout if alpha else layers.Dropout
    return Counterpart(made(rate, across_time=across), place.axes)


# ---- activations


def _activation(place: Place) -> Counterpart:
    chosen = activation_names.softmax_of(place) or activation_names.activation_of(place.module)
    if chosen is None:
        extra = place.module.extra_repr()
        raise place.lacks(f"({extra}), and there is no such activation here")
    return Counterpart(layers.Activation(chosen), place.axes)


def _log_softmax(place: Place) -> Counterpart:
    raise place.lacks(
        "has no counterpart: losses take the logarithm by themselves here; leave it out, and train with "
        "'sparse_categorical_crossentropy' of logits"
    )


def _prelu(place: Place) -> Counterpart:
    module: Any = place.module
    shared = module.num_parameters == 1
    if not shared:
        place.read("nf", "nft", "nfhw", "nf1", "nf11")
        place.expect(module.num_parameters, "channels")
    return Counterpart(layers.PReLU(shared=shared), place.axes, tensors_of(place, "weight"))


# ---- shapes


def _flatten(place: Place) -> Counterpart:
    module: Any = place.module
    last = len(place.axes) - 1
    if module.start_dim != 1 or module.end_dim not in (-1, last):
        raise place.lacks(
            f"from {module.start_dim} to {module.end_dim}, and all of a sample becomes one vector here"
        )
    place.read("nf", "nf1", "nf11", "ntf", "nft", "nfhw")
    if place.axes.startswith("nf") and place.axes.rstrip("1") == "nf":
        return Counterpart(None, "nf")
    return Counterpart(layers.Flatten(channels_first=place.axes == "nft"), "nf")


def _unflatten(place: Place) -> Counterpart:
    module: Any = place.module
    place.read("nf")
    if module.dim not in (1, -1) or len(module.unflattened_size) not in (2, 3):
        raise place.lacks(
            f"({place.module.extra_repr()}), and a vector becomes a sequence or an image here"
        )
    return reshaped(place, tuple(module.unflattened_size))


def reshaped(place: Place, sizes: tuple[int, ...]) -> Counterpart:
    """One vector as a sequence or an image."""
    if -1 in sizes:
        total = math.prod(place.shape)  # type: ignore[arg-type]
        sizes = tuple(total // -math.prod(sizes) if size == -1 else size for size in sizes)
    return Counterpart(layers.Reshape(sizes), "ntf" if len(sizes) == 2 else "nfhw")


def _formula(place: Place) -> Counterpart:
    module: Any = place.module
    if not module.names:
        return _activation(place)
    starts = {name: float(getattr(module, name).detach()[0]) for name in module.names}
    shared = all(getattr(module, name).numel() == 1 for name in module.names)
    chosen = activations.formula(module.text, shared=shared, **starts)
    return Counterpart(layers.Activation(chosen), place.axes, tensors_of(place, *module.names))


def _highway(place: Place) -> Counterpart:
    module: Any = place.module
    place.read("nf", *SEQUENCES)
    chosen = [
        activation_names.activation_of(each) for each in (module.activation, module.gate_activation)
    ]
    layer = layers.Highway(chosen[0] or "identity", gate_activation=chosen[1] or "identity")
    return Counterpart(
        layer, place.axes, tensors_of(place, "weight", "weight_gate", "bias", "bias_gate")
    )


def _noise(place: Place) -> Counterpart:
    module: Any = place.module
    return Counterpart(layers.GaussianNoise(module.stddev), place.axes)


def _subsample(place: Place) -> Counterpart:
    module: Any = place.module
    place.read("nfhw")
    return Counterpart(layers.Subsample(module.filters, module.stride), place.axes)


def _nothing(place: Place) -> Counterpart:
    return Counterpart(None, place.axes)


def _embedding(place: Place) -> Counterpart:
    module: Any = place.module
    place.read("nt", "tn")
    place.check(max_norm=None, only="rows keep their norms here")
    place.check(scale_grad_by_freq=False, only="gradients are sums over a minibatch here")
    layer = layers.Embedding(
        module.num_embeddings, module.embedding_dim, padding_idx=module.padding_idx
    )
    return Counterpart(layer, place.axes + "f", tensors_of(place, "weight"))


_CONVERTERS: dict[type[nn.Module], Converter] = {
    nn.Linear: _linear,
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.GroupNorm: _group_norm,
    nn.InstanceNorm1d: _instance_norm,
    nn.InstanceNorm2d: _instance_norm,
    nn.LayerNorm: _row_norm,
    nn.RMSNorm: _row_norm,
    nn.PReLU: _prelu,
    nn.LogSoftmax: _log_softmax,
    nn.Flatten: _flatten,
    nn.Unflatten: _unflatten,
    nn.Identity: _nothing,
    nn.Embedding: _embedding,
    modules.Formula: _formula,
    modules.Highway: _highway,
    modules.GaussianNoise: _noise,
    modules.Subsample: _subsample,
    **dict.fromkeys((nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d), pools.pool),
    **dict.fromkeys(
        (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d),
        pools.adaptive,
    ),
    **dict.fromkeys(
        (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout), _dropout
    ),
    **dict.fromkeys((*activation_names.NAMES, *activation_names.FORMULAS), _activation),
    **dict.fromkeys(
        (
            nn.LeakyReLU,
            nn.ELU,
            nn.CELU,
            nn.GELU,
            nn.Softmax,
            nn.Softmax2d,
            nn.Softmin,
            *activation_names.FORMULAS,
        ),
        _activation,
    ),
}
_TAKING_ACTIVATIONS = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm1d,
    nn.InstanceNorm2d, nn.LayerNorm, nn.RMSNorm,
)  # fmt: skip
_OF_NUMBERS = (nn.Identity, nn.Flatten, nn.BatchNorm1d, nn.BatchNorm2d, nn.PReLU, nn.Dropout)


def takes_activation(module: nn.Module) -> bool:
    """Whether the layer that a module becomes may have an activation."""
    return type(module) in _TAKING_ACTIVATIONS


def minds_ones(module: nn.Module) -> bool:
    """Whether a module reads the axes of one place that a global pool has left."""
    return type(module) not in _OF_NUMBERS and activation_names.activation_of(module) is None


def counterpart(place: Place) -> Counterpart:
    """The layer that a module is here.

    Raises
    ------
    NotImplementedError
        If there is none, or it has an option that has no counterpart; `AxesError`, if it reads other axes.
    ValueError
        If the number of features is another.
    """
    check_unchanged(place)
    if type(place.module) not in _CONVERTERS:
        raise place.lacks("has no counterpart here")
    return _CONVERTERS[type(place.module)](place)
