"""What modules of PyTorch each layer becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from vgcore import activations, layers
from vgcore.activations import Activation
from vgcore.exchange.pytorch import modules
from vgcore.layers.base import Layer, Shape, features, is_image
from vgcore.layers.recurrent import Recurrent


@dataclass
class Recipe:
    """Modules in order, by what stands behind the layer's name; which axes sequences have before them.

    ``channels_first``: (n, channels, time), (n, time, features), or None for either.
    """

    modules: dict[str, nn.Module]
    channels_first: bool | None = None


def lacks(layer: Layer, what: str) -> NotImplementedError:
    """The error of a layer without a counterpart."""
    return NotImplementedError(f"{layer.name}: {type(layer).__name__} {what}")


def filled(layer: Layer, module: nn.Module, main: bool) -> nn.Module:
    """A module that has the layer's parameters, if it is the ``main`` one of its recipe."""
    stacked = isinstance(layer, Recurrent | layers.Bidirectional)
    for name, view in layer.views.items() if main else ():
        tensor = getattr(module, _numbered(name) if stacked else name)
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(np.ascontiguousarray(view)))
    return module


def _numbered(name: str) -> str:
    """PyTorch's name of a parameter of a recurrent layer."""
    number, _, own = name.rpartition(".")
    base, reverse, _ = own.partition("_reverse")
    return f"{base}_l{number or 0}{reverse}"


# ---- activations

_PLAIN: dict[str, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "hard_swish": nn.Hardswish,
    "softplus": lambda: nn.Softplus(threshold=40),  # above 20, PyTorch's own, it is off by 2e-9
    "softsign": nn.Softsign,
}
_WITH_ALPHA: dict[str, Callable[[float], nn.Module]] = {
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "celu": nn.CELU,
}
_FORMULAS = {
    "snake": "z + sin({a!r} * z) ** 2 / {a!r}",
    "hard_sigmoid": "minimum(maximum({a!r} * z + 0.5, 0), 1)",
}


def activation(chosen: Activation, shape: Shape, learned: Mapping[str, Any] = {}) -> nn.Module:
    """The module of an activation of outputs of this shape; ``learned``: a formula's parameters."""
    axis = 1 if is_image(shape) else -1
    if chosen.name == "identity":
        return nn.Identity()
    if isinstance(chosen, activations.Formula):
        values = {name: torch.from_numpy(view.copy()) for name, view in learned.items()}
        return modules.Formula(chosen.name, values, axis)
    if chosen.name in ("softmax", "softmin"):
        return nn.Softmax(dim=axis) if chosen.name == "softmax" else nn.Softmin(dim=axis)
    if chosen == activations.get("hard_sigmoid"):
        return nn.Hardsigmoid()
    if chosen.name in _WITH_ALPHA:
        return _WITH_ALPHA[chosen.name](chosen.alpha)
    if chosen.name in _FORMULAS:
        return modules.Formula(_FORMULAS[chosen.name].format(a=chosen.alpha), {}, axis)
    return _PLAIN[chosen.name]()


def own_activation(layer: Layer, shape: Shape) -> nn.Module | None:
    """The module of an activation that a layer of another kind has; None for the identity."""
    chosen = getattr(layer, "activation", None)
    if isinstance(layer, _WITHIN) or chosen is None or chosen.name == "identity":
        return None
    return activation(chosen, shape)


def mixes(layer: Layer) -> bool:
    """Whether a layer's activation is over the features."""
    chosen = getattr(layer, "activation", None)
    return chosen is not None and not chosen.unitwise


def _activation(layer: Any, shape: Shape) -> Recipe:
    made = activation(layer.activation, shape, layer.views)
    return Recipe({"": made}, channels_first=False if mixes(layer) or layer.views else None)


# ---- layers with weights


def _dense(layer: Any, shape: Shape) -> Recipe:
    made = nn.Linear(features(shape), layer.units, bias=layer.use_bias)
    return Recipe({"": made}, channels_first=False)


def _convolution(layer: Any, shape: Shape) -> Recipe:
    made = (nn.Conv2d if is_image(shape) else nn.Conv1d)(
        features(shape),
        layer.filters,
        layer.kernel_size,
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=layer.groups,
        bias=layer.use_bias,
    )
    return Recipe({"": made}, channels_first=True)


def _embedding(layer: Any, shape: Shape) -> Recipe:
    made = nn.Embedding(layer.vocabulary, layer.units, padding_idx=layer.padding_idx)
    return Recipe({"": made}, channels_first=False)


def _prelu(layer: Any, shape: Shape) -> Recipe:
    return Recipe({"": nn.PReLU(1 if layer.shared else features(shape))}, channels_first=True)


def _highway(layer: Any, shape: Shape) -> Recipe:
    inner, gate = (activation(each, shape) for each in (layer.activation, layer.gate_activation))
    made = modules.Highway(features(shape), inner, gate)
    return Recipe({"": made}, channels_first=False)


# ---- pools and shapes


def _pool(layer: Any, shape: Shape) -> Recipe:
    images = is_image(shape)
    where: dict[str, Any] = {"stride": layer.stride, "padding": layer.padding}
    made: nn.Module
    if layer.largest:
        pool = nn.MaxPool2d if images else nn.MaxPool1d
        made = pool(layer.pool_size, dilation=layer.dilation, **where)
    else:
        if any(step != 1 for step in np.ravel(layer.dilation)):
            raise lacks(layer, f"with dilation={layer.dilation}, and PyTorch's averages have none")
        where["count_include_pad"] = layer.count_include_pad
        made = (nn.AvgPool2d if images else nn.AvgPool1d)(layer.pool_size, **where)
    return Recipe({"": made}, channels_first=True)


def _global_pool(layer: Any, shape: Shape) -> Recipe:
    made: nn.Module
    if is_image(shape):
        made = nn.AdaptiveMaxPool2d(1) if layer.largest else nn.AdaptiveAvgPool2d(1)
    else:
        made = nn.AdaptiveMaxPool1d(1) if layer.largest else nn.AdaptiveAvgPool1d(1)
    return Recipe({"": made, "_flatten": nn.Flatten()}, channels_first=True)


def _flatten(layer: Any, shape: Shape) -> Recipe:
    return Recipe({"": nn.Flatten()}, channels_first=layer.channels_first)


def _reshape(layer: Any, shape: Shape) -> Recipe:
    modules: dict[str, nn.Module] = {} if len(shape) == 1 else {"_flatten": nn.Flatten()}
    if len(layer.shape) > 1:
        modules[""] = nn.Unflatten(1, layer.shape)
    return Recipe(modules or {"": nn.Identity()}, channels_first=False)


def _subsample(layer: Any, shape: Shape) -> Recipe:
    return Recipe({"": modules.Subsample(layer.filters, layer.stride)})


# ---- norms and noise


def _norm(layer: Any, shape: Shape) -> Recipe:
    count, images = features(shape), is_image(shape)
    affine = layer.scale or layer.shift
    made: Any
    if isinstance(layer, layers.BatchNorm):
        kind: Any = nn.BatchNorm2d if images else nn.BatchNorm1d
        made = kind(count, layer.epsilon, layer.momentum, affine)
    elif isinstance(layer, layers.GroupNorm):
        if layer.shift and not layer.scale:
            raise lacks(layer, "with scale=False alone, and PyTorch's has no bias without a weight")
        made = nn.GroupNorm(layer.groups, count, layer.epsilon, affine)
    else:
        kind = nn.InstanceNorm2d if images else nn.InstanceNorm1d
        made = kind(count, layer.epsilon, affine=affine)
    return Recipe({"": _without(layer, made)}, channels_first=True)


def _row_norm(layer: Any, shape: Shape) -> Recipe:
    count = features(shape)
    made: nn.Module
    if isinstance(layer, layers.RMSNorm):
        made = nn.RMSNorm(count, layer.epsilon, layer.scale)
    else:
        affine = layer.scale or layer.shift
        made = _without(layer, nn.LayerNorm(count, layer.epsilon, affine))
    if not is_image(shape):
        return Recipe({"": made}, channels_first=False)
    last, first = modules.Permute(0, 2, 3, 1), modules.Permute(0, 3, 1, 2)
    return Recipe({"_channels_last": last, "": made, "_channels_first": first})


def _without(layer: Any, module: nn.Module) -> nn.Module:
    """A norm without what the layer has not: a weight, or a bias."""
    for name, wanted in (("weight", layer.scale), ("bias", layer.shift)):
        if not wanted:
            module.register_parameter(name, None)
    return module


def _dropout(layer: Any, shape: Shape) -> Recipe:
    across = layer.across_time and len(shape) > 1
    made: type[nn.Module]
    if layer.alpha:
        made = nn.FeatureAlphaDropout if across else nn.AlphaDropout
    elif across:
        made = nn.Dropout2d if is_image(shape) else nn.Dropout1d
    else:
        made = nn.Dropout
    return Recipe({"": made(layer.rate)}, channels_first=True if across else None)


def _noise(layer: Any, shape: Shape) -> Recipe:
    return Recipe({"": modules.GaussianNoise(layer.stddev)})


# ---- recurrent layers

_DEFAULTS: dict[str, Any] = {
    "go_backwards": False,
    "stateful": False,
    "initial_state": "zeros",
    "recurrent_dropout": 0.0,
    "omega": 0.0,
    "peepholes": False,
    "reset_after": True,
    "recurrent_activation": activations.get("sigmoid"),
}


def _recurrent(layer: Any, shape: Shape) -> Recipe:
    both = isinstance(layer, layers.Bidirectional)
    cell: Any = layer.forward_layer if both else layer
    assert isinstance(cell, Recurrent)
    for name, only in _DEFAULTS.items():
        came = getattr(cell, name, only)
        if came != only:
            raise lacks(
                layer, f"with {name}={came!r}, and PyTorch's {type(cell).__name__} has none"
            )
    taken = ("tanh", "relu") if isinstance(cell, layers.RNN) else ("tanh",)
    if cell.activation.spec not in taken:
        wanted = " or ".join(map(repr, taken))
        raise lacks(layer, f"with activation={cell.activation.spec!r}, and PyTorch's is {wanted}")
    options: dict[str, Any] = {
        "num_layers": cell.num_layers,
        "bias": cell.use_bias,
        "batch_first": True,
        "dropout": cell.dropout,
        "bidirectional": both,
    }
    kind: Any = {layers.LSTM: nn.LSTM, layers.GRU: nn.GRU}.get(type(cell))
    if kind is None:
        kind, options["nonlinearity"] = nn.RNN, cell.activation.name
    made = kind(features(shape), cell.units, **options)
    pick: nn.Module = modules.Outputs()
    if not cell.return_sequences:
        pick = modules.Last(cell=kind is nn.LSTM, both=both)
    suffix = "_outputs" if cell.return_sequences else "_last"
    return Recipe({"": made, suffix: pick}, channels_first=False)


_RECIPES: dict[type[Layer], Callable[[Any, Shape], Recipe]] = {
    layers.Activation: _activation,
    layers.Dense: _dense,
    layers.Embedding: _embedding,
    layers.PReLU: _prelu,
    layers.Highway: _highway,
    layers.Flatten: _flatten,
    layers.Reshape: _reshape,
    layers.Subsample: _subsample,
    layers.GaussianNoise: _noise,
    **dict.fromkeys((layers.Conv1d, layers.Conv2d), _convolution),
    **dict.fromkeys((layers.MaxPool, layers.AvgPool), _pool),
    **dict.fromkeys((layers.GlobalMaxPool, layers.GlobalAvgPool), _global_pool),
    **dict.fromkeys((layers.BatchNorm, layers.GroupNorm, layers.InstanceNorm), _norm),
    **dict.fromkeys((layers.LayerNorm, layers.RMSNorm), _row_norm),
    **dict.fromkeys((layers.Dropout, layers.AlphaDropout), _dropout),
    **dict.fromkeys((layers.RNN, layers.LSTM, layers.GRU, layers.Bidirectional), _recurrent),
}


_WITHIN = (
    layers.Activation,
    layers.Highway,
    Recurrent,
)  # their activation is a part of the modules


def recipe(layer: Layer, shape: Shape) -> Recipe:
    """The modules of a layer with its parameters, but for an activation of its own.

    Raises
    ------
    NotImplementedError
        If PyTorch has none, or none with its options.
    """
    if type(layer) not in _RECIPES:
        raise lacks(layer, "has no counterpart in PyTorch")
    return _RECIPES[type(layer)](layer, shape)
