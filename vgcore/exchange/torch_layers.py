"""The counterparts of PyTorch's modules: what layer each is here, and where its tensors go."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from vgcore import activations, layers
from vgcore.activations import Activation
from vgcore.layers.base import Layer, Shape, features

Tensors = dict[str, torch.Tensor]


class Unfit(NotImplementedError):
    """The axes are not those that a module reads: another order of the input's may be meant."""


@dataclass
class Place:
    """Where a module stands, and what reaches it.

    ``axes`` are PyTorch's, a letter each: n samples, t timesteps, f features or channels, h height, w width,
    and 1 for those that a global pool has left. ``shape`` is vgcore's, of one sample. ``activation``: what
    follows, where the layer may take it as its own.
    """

    path: str
    module: nn.Module
    axes: str
    shape: Shape
    activation: Activation | None = None

    @property
    def kind(self) -> str:
        """The name of the module's class."""
        return type(self.module).__name__

    def lacks(self, what: str) -> NotImplementedError:
        """The error of a module without a counterpart."""
        return NotImplementedError(f"{self.path}: {self.kind} {what}")

    def check(self, *, only: str, **options: Any) -> None:
        """Raise where the module has an option with another value than the one that there is here."""
        for name, value in options.items():
            came = getattr(self.module, name)
            if came != value:
                raise self.lacks(f"with {name}={came!r}, and {only}")

    def read(self, *accepted: str) -> None:
        """Raise where its axes are none of the accepted ones."""
        if self.axes not in accepted:
            wanted = " or ".join(dict.fromkeys(map(told, accepted)))
            raise Unfit(
                f"{self.path}: {self.kind} of inputs {told(self.axes)}, and here it reads {wanted}"
            )

    def expect(self, count: int, what: str = "features") -> None:
        """Raise where the inputs have not so many features."""
        came = features(self.shape)
        if came != count:
            hint = ""
            if len(self.shape) == 2 and self.shape[0] == count:
                hint = "; sequences are (time, features) here"
            raise ValueError(
                f"input_shape: {self.path} ({self.kind}) expects {count} {what}, got {came}{hint}"
            )


@dataclass
class Counterpart:
    """A layer, the axes that PyTorch's outputs have, and what tensors its parameters are."""

    layer: Layer | None
    axes: str
    tensors: Tensors = field(default_factory=dict)


Converter = Callable[[Place], Counterpart]
_SEQUENCES = ("ntf", "tnf")
_LETTERS = {"n": "n", "t": "time", "f": "features", "h": "height", "w": "width", "1": "1"}


def told(axes: str) -> str:
    """Axes in words."""
    return f"({', '.join(_LETTERS[letter] for letter in axes)})"


def _tensors(place: Place, *names: str) -> Tensors:
    """The module's parameters and statistics, which must be plain ones."""
    found = {}
    for name in names:
        tensor = getattr(place.module, name)
        if tensor is None:
            continue
        kept = place.module._parameters.get(name, place.module._buffers.get(name))
        if kept is None:
            raise place.lacks(f"whose {name} is computed, as by weight_norm; remove that first")
        found[name] = tensor
    return found


# ---- products


def _linear(place: Place) -> Counterpart:
    module: Any = place.module
    place.read("nf", *_SEQUENCES)
    place.expect(module.in_features)
    layer = layers.Dense(
        module.out_features, place.activation, use_bias=module.bias is not None
    )
    return Counterpart(layer, place.axes, _tensors(place, "weight", "bias"))


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
        module.kernel_size,
        place.activation,
        stride=module.stride,
        padding=padding,
        dilation=module.dilation,
        groups=module.groups,
        use_bias=module.bias is not None,
    )
    return Counterpart(layer, axes, _tensors(place, "weight", "bias"))


# ---- pools


def _sizes(value: Any, axes: int) -> tuple[int, ...]:
    given = value if isinstance(value, tuple | list) else (value,) * axes
    return tuple(given) * (axes if len(given) == 1 else 1)


def _extent(place: Place, axes: str) -> tuple[int, ...]:
    """Height and width, or timesteps."""
    place.read(axes)
    sizes = place.shape[1:] if axes == "nfhw" else place.shape[:1]
    known = tuple(size for size in sizes if size is not None)
    if len(known) < len(sizes):
        raise ValueError(
            f"input_shape: {place.path} ({place.kind}) needs a known number of timesteps, got None"
        )
    return known


def _pool(place: Place) -> Counterpart:
    module: Any = place.module
    axes = "nfhw" if isinstance(module, nn.MaxPool2d | nn.AvgPool2d) else "nft"
    count, extent = len(axes) - 2, _extent(place, axes)
    pool, padding = _sizes(module.kernel_size, count), _sizes(module.padding, count)
    stride = _sizes(module.kernel_size if module.stride is None else module.stride, count)
    dilation = _sizes(getattr(module, "dilation", 1), count)
    if module.ceil_mode and any(
        (size + 2 * pad - d * (k - 1) - 1) % step
        for size, pad, d, k, step in zip(extent, padding, dilation, pool, stride, strict=True)
    ):
        raise place.lacks(
            "with ceil_mode=True, and windows end within the padded input here: it is not a whole "
            "number of strides"
        )
    options: dict[str, Any] = {"stride": stride, "padding": padding}
    if isinstance(module, nn.MaxPool1d | nn.MaxPool2d):
        place.check(return_indices=False, only="pools give values alone here")
        return Counterpart(layers.MaxPool(pool, dilation=dilation, **options), axes)
    if getattr(module, "divisor_override", None) is not None:
        place.check(divisor_override=None, only="the divisor is the window's here")
    options["count_include_pad"] = module.count_include_pad
    return Counterpart(layers.AvgPool(pool, **options), axes)


def _adaptive(place: Place) -> Counterpart:
    module: Any = place.module
    largest = isinstance(module, nn.AdaptiveMaxPool1d | nn.AdaptiveMaxPool2d)
    images = isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d)
    axes = "nfhw" if images else "nft"
    place.read(axes)
    if largest:
        place.check(return_indices=False, only="pools give values alone here")
    wanted = _sizes(module.output_size, len(axes) - 2)
    if all(size == 1 for size in wanted):
        layer = layers.GlobalMaxPool() if largest else layers.GlobalAvgPool()
        return Counterpart(layer, "nf" + "1" * len(wanted))
    extent = _extent(place, axes)
    sizes = [came if size is None else size for size, came in zip(wanted, extent, strict=True)]
    if any(came % size for size, came in zip(sizes, extent, strict=True)):
        raise place.lacks(
            f"with output_size={module.output_size!r}, and windows are of one size here: it does not "
            f"divide {extent}"
        )
    pool = tuple(came // size for size, came in zip(sizes, extent, strict=True))
    if all(size == 1 for size in pool):
        return Counterpart(None, axes)
    return Counterpart(layers.MaxPool(pool) if largest else layers.AvgPool(pool), axes)


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
    return Counterpart(layer, place.axes, _tensors(place, *names))


def _group_norm(place: Place) -> Counterpart:
    module: Any = place.module
    place.read("nf", "nft", "nfhw")
    place.expect(module.num_channels, "channels")
    layer = layers.GroupNorm(module.num_groups, **_scaling(place))
    return Counterpart(layer, place.axes, _tensors(place, "weight", "bias"))


def _instance_norm(place: Place) -> Counterpart:
    module: Any = place.module
    place.read("nfhw" if isinstance(module, nn.InstanceNorm2d) else "nft")
    place.check(track_running_stats=False, only="instance norms keep no statistics here")
    if module.affine:
        place.expect(module.num_features, "channels")
    layer = layers.InstanceNorm(**_scaling(place))
    return Counterpart(layer, place.axes, _tensors(place, "weight", "bias"))


def _row_norm(place: Place) -> Counterpart:
    module: Any = place.module
    if len(module.normalized_shape) > 1:
        raise place.lacks(
            f"over {tuple(module.normalized_shape)}, and rows are normalised over their features alone here"
        )
    place.read("nf", *_SEQUENCES, "nhwf")
    place.expect(module.normalized_shape[0])
    options = _scaling(place)
    if isinstance(module, nn.RMSNorm):
        del options["shift"]
        return Counterpart(layers.RMSNorm(**options), place.axes, _tensors(place, "weight"))
    layer = layers.LayerNorm(**options)
    return Counterpart(layer, place.axes, _tensors(place, "weight", "bias"))


# ---- dropout


def _dropout(place: Place) -> Counterpart:
    module: Any = place.module
    across = isinstance(module, nn.Dropout1d | nn.Dropout2d | nn.FeatureAlphaDropout)
    if across:
        place.read("nfhw" if isinstance(module, nn.Dropout2d) else "nft")
    if module.p >= 1:
        raise place.lacks(f"with p={module.p:g}, and a rate is below 1 here")
    alpha = isinstance(module, nn.AlphaDropout | nn.FeatureAlphaDropout)
    rate = float(module.p) if module.training else 0.0
    made = layers.AlphaDropout if alpha else layers.Dropout
    return Counterpart(made(rate, across_time=across), place.axes)


# ---- activations


def activation_of(module: nn.Module) -> Activation | None:
    """The activation that a module is, if it is one that works unit by unit."""
    chosen: Any = module
    if type(module) in _PLAIN:
        return activations.get(_PLAIN[type(module)])
    if type(module) is nn.LeakyReLU and chosen.negative_slope >= 0:
        return activations.leaky_relu(float(chosen.negative_slope))
    if type(module) is nn.ELU and chosen.alpha > 0:
        return activations.elu(float(chosen.alpha))
    if type(module) is nn.CELU and chosen.alpha > 0:
        return activations.celu(float(chosen.alpha))
    if type(module) is nn.GELU:
        return activations.gelu(chosen.approximate)
    if type(module) is nn.Softplus and (chosen.beta, chosen.threshold) == (1, 20):
        return activations.get("softplus")
    return None


def softmax_of(place: Place) -> Activation | None:
    """The softmax or softmin over the features that a module is."""
    module: Any = place.module
    if type(module) not in (nn.Softmax, nn.Softmin, nn.Softmax2d):
        return None
    dim = -3 if isinstance(module, nn.Softmax2d) else module.dim
    if dim is None:
        dim = 0 if len(place.axes) == 3 else 1  # as PyTorch has it
    if place.axes[dim] != "f":
        raise Unfit(
            f"{place.path}: {place.kind} over the axis {dim} of {told(place.axes)}, and it is over features "
            "here"
        )
    return activations.get("softmin" if isinstance(module, nn.Softmin) else "softmax")


def _activation(place: Place) -> Counterpart:
    chosen = softmax_of(place) or activation_of(place.module)
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
    return Counterpart(layers.PReLU(shared=shared), place.axes, _tensors(place, "weight"))


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
        raise place.lacks(f"({place.module.extra_repr()}), and a vector becomes a sequence or an image here")
    return reshaped(place, tuple(module.unflattened_size))


def reshaped(place: Place, sizes: tuple[int, ...]) -> Counterpart:
    """One vector as a sequence or an image."""
    if -1 in sizes:
        total = math.prod(place.shape)  # type: ignore[arg-type]
        sizes = tuple(total // -math.prod(sizes) if size == -1 else size for size in sizes)
    return Counterpart(layers.Reshape(sizes), "ntf" if len(sizes) == 2 else "nfhw")


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
    return Counterpart(layer, place.axes + "f", _tensors(place, "weight"))


# ---- recurrent layers


def recurrent(place: Place, *, sequences: bool) -> Counterpart:
    """An RNN, LSTM or GRU that gives its outputs at every timestep, or where each of its walks ends."""
    module: Any = place.module
    place.read("ntf" if module.batch_first else "tnf")
    place.check(proj_size=0, only="states are not projected here")
    place.expect(module.input_size)
    options: dict[str, Any] = {
        "return_sequences": sequences,
        "num_layers": module.num_layers,
        "use_bias": module.bias,
    }
    if module.num_layers > 1:
        options["dropout"] = float(module.dropout) if module.training else 0.0
    made: Any
    if isinstance(module, nn.LSTM):
        made = layers.LSTM(module.hidden_size, unit_forget_bias=False, **options)
    elif isinstance(module, nn.GRU):
        made = layers.GRU(module.hidden_size, **options)
    else:
        made = layers.RNN(module.hidden_size, module.nonlinearity, **options)
    layer: Layer = layers.Bidirectional(made) if module.bidirectional else made
    tensors = {}
    for number in range(module.num_layers):
        for ending in ("", "_reverse") if module.bidirectional else ("",):
            for name in ("weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if module.bias else ())):
                where = f"{number}.{name}" if module.num_layers > 1 else name
                theirs = f"{name}_l{number}{ending}"
                tensors[where + ending] = _tensors(place, theirs)[theirs]
    return Counterpart(layer, place.axes if sequences else "nf", tensors)


RECURRENT = (nn.RNN, nn.LSTM, nn.GRU)
_PLAIN = {
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.SELU: "selu",
    nn.SiLU: "silu",
    nn.Mish: "mish",
    nn.Hardswish: "hard_swish",
    nn.Hardsigmoid: "hard_sigmoid",
    nn.Softsign: "softsign",
    nn.Sigmoid: "sigmoid",
    nn.Tanh: "tanh",
}
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
    **dict.fromkeys((nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d), _pool),
    **dict.fromkeys(
        (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d),
        _adaptive,
    ),
    **dict.fromkeys(
        (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout), _dropout
    ),
    **dict.fromkeys(_PLAIN, _activation),
    **dict.fromkeys(
        (nn.LeakyReLU, nn.ELU, nn.CELU, nn.GELU, nn.Softplus, nn.Softmax, nn.Softmax2d, nn.Softmin),
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
    return type(module) not in _OF_NUMBERS and activation_of(module) is None


def counterpart(place: Place) -> Counterpart:
    """The layer that a module is here.

    Raises
    ------
    NotImplementedError
        If there is none, or it has an option that has no counterpart; `Unfit`, if it reads other axes.
    ValueError
        If the number of features is another.
    """
    check_hooks(place)
    if type(place.module) not in _CONVERTERS:
        raise place.lacks("has no counterpart here")
    return _CONVERTERS[type(place.module)](place)


def is_hooked(module: nn.Module) -> bool:
    """Whether functions are called with what a module takes or gives."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


def check_hooks(place: Place) -> None:
    """Raise where hooks may change what a module gives."""
    if is_hooked(place.module):
        raise place.lacks("with hooks, which may change what it gives; remove them first")
