"""Functions and methods of PyTorch, in a traced module, as the modules that do the same."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

_POOL = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
_AVERAGE = (
    "kernel_size",
    "stride",
    "padding",
    "ceil_mode",
    "count_include_pad",
    "divisor_override",
)
_Made = tuple[type[nn.Module], tuple[str, ...]]

# Each function's or method's module, and the names of its arguments behind the first
_FUNCTIONS: dict[str, _Made] = {
    "relu": (nn.ReLU, ("inplace",)),
    "relu_": (nn.ReLU, ()),
    "relu6": (nn.ReLU6, ("inplace",)),
    "leaky_relu": (nn.LeakyReLU, ("negative_slope", "inplace")),
    "elu": (nn.ELU, ("alpha", "inplace")),
    "celu": (nn.CELU, ("alpha", "inplace")),
    "selu": (nn.SELU, ("inplace",)),
    "gelu": (nn.GELU, ("approximate",)),
    "silu": (nn.SiLU, ("inplace",)),
    "mish": (nn.Mish, ("inplace",)),
    "hardswish": (nn.Hardswish, ("inplace",)),
    "hardsigmoid": (nn.Hardsigmoid, ("inplace",)),
    "softplus": (nn.Softplus, ("beta", "threshold")),
    "logsigmoid": (nn.LogSigmoid, ()),
    "tanhshrink": (nn.Tanhshrink, ()),
    "hardtanh": (nn.Hardtanh, ("min_val", "max_val", "inplace")),
    "hardshrink": (nn.Hardshrink, ("lambd",)),
    "softshrink": (nn.Softshrink, ("lambd",)),
    "softsign": (nn.Softsign, ()),
    "sigmoid": (nn.Sigmoid, ()),
    "tanh": (nn.Tanh, ()),
    "softmax": (nn.Softmax, ("dim",)),
    "softmin": (nn.Softmin, ("dim",)),
    "log_softmax": (nn.LogSoftmax, ("dim",)),
    "max_pool1d": (nn.MaxPool1d, _POOL),
    "max_pool2d": (nn.MaxPool2d, _POOL),
    "avg_pool1d": (nn.AvgPool1d, _AVERAGE[:-1]),
    "avg_pool2d": (nn.AvgPool2d, _AVERAGE),
    "adaptive_avg_pool1d": (nn.AdaptiveAvgPool1d, ("output_size",)),
    "adaptive_avg_pool2d": (nn.AdaptiveAvgPool2d, ("output_size",)),
    "adaptive_max_pool1d": (nn.AdaptiveMaxPool1d, ("output_size", "return_indices")),
    "adaptive_max_pool2d": (nn.AdaptiveMaxPool2d, ("output_size", "return_indices")),
    "dropout": (nn.Dropout, ("p", "training", "inplace")),
    "dropout1d": (nn.Dropout1d, ("p", "training", "inplace")),
    "dropout2d": (nn.Dropout2d, ("p", "training", "inplace")),
    "alpha_dropout": (nn.AlphaDropout, ("p", "training", "inplace")),
    "feature_alpha_dropout": (nn.FeatureAlphaDropout, ("p", "training", "inplace")),
    "flatten": (nn.Flatten, ("start_dim", "end_dim")),
    "contiguous": (nn.Identity, ()),
    "clone": (nn.Identity, ()),
}
_DEFAULTS = {"flatten": {"start_dim": 0}}  # where the function's is another than the module's
_DROPPING = ("dropout", "dropout1d", "dropout2d", "alpha_dropout", "feature_alpha_dropout")
_TRAINING = {"dropout": True, "alpha_dropout": False, "feature_alpha_dropout": False}
_ADDING = (operator.add, operator.iadd, torch.add, "add", "add_")
_JOINING = (torch.cat, torch.concat, torch.concatenate)
_SIZES = ("size", "dim", "new_zeros", "new_tensor")


def name_of(node: fx.Node) -> str:
    """The name of the function or method that a node calls, the same for all that do the same."""
    if isinstance(node.target, str):
        return node.target
    return str(getattr(node.target, "__name__", node.target))


def module_of(node: fx.Node) -> nn.Module | None:
    """A module that does what a call of a function or method does; None if there is none here."""
    name = name_of(node)
    if name not in _FUNCTIONS or not node.args:
        return None
    made, names = _FUNCTIONS[name]
    more = [value for key, value in node.kwargs.items() if key not in (*names, "_stacklevel")]
    if any(isinstance(each, fx.Node) for each in node.args[1:]) or any(more):
        return None
    given = {**_DEFAULTS.get(name, {}), **dict(zip(names, node.args[1:], strict=False))}
    given.update({key: value for key, value in node.kwargs.items() if key in names})
    training = given.pop("training", _TRAINING.get(name, True))
    module = made(**given)
    return module.train(bool(training))


def drops(node: fx.Node) -> bool:
    """Whether it is dropout, as a function."""
    return node.op == "call_function" and name_of(node) in _DROPPING


def adds(node: fx.Node) -> bool:
    """Whether it is a sum of two values."""
    return _calls(node, _ADDING)


def joins(node: fx.Node) -> bool:
    """Whether it sets values side by side."""
    return _calls(node, _JOINING)


def _calls(node: fx.Node, targets: tuple[Callable[..., Any] | str, ...]) -> bool:
    return node.op in ("call_function", "call_method") and node.target in targets


def is_size(node: fx.Node) -> bool:
    """Whether it is no value that flows through layers, but a size of one, or zeros of such."""
    if node.op == "call_method":
        own = node.target in _SIZES
    elif node.op == "call_function":
        own = node.target is torch.zeros or (
            node.target is getattr and node.args[1] in ("shape", "device", "dtype", "ndim")
        )
    else:
        return False
    sources = node.all_input_nodes
    return own or (bool(sources) and all(map(is_size, sources)))


def is_batch(node: Any) -> bool:
    """Whether it is the number of samples, the first size of a value."""
    if not isinstance(node, fx.Node):
        return False
    if node.target == "size":
        return tuple(node.args[1:]) == (0,)
    if node.target is operator.getitem and node.args[1] == 0:
        source = node.args[0]
        assert isinstance(source, fx.Node)
        return source.target == "size" or (source.target is getattr and source.args[1] == "shape")
    return False


def is_zeros(value: Any) -> bool:
    """Whether an initial state is None, or zeros."""
    if value is None or (isinstance(value, tuple | list) and all(map(is_zeros, value))):
        return True
    if not isinstance(value, fx.Node):
        return False
    if value.target == "to":
        return is_zeros(value.args[0])
    if value.op == "placeholder":  # specialised to its default, None
        return bool(value.args == (None,))
    return bool(value.target in (torch.zeros, "new_zeros"))


def sizes_asked(node: fx.Node) -> tuple[Any, ...] | None:
    """What a view or reshape asks of each sample, where its first size is the batch's; else None."""
    sizes: Any = node.args[1:]
    if len(sizes) == 1 and isinstance(sizes[0], tuple | list):
        sizes = sizes[0]
    first, *rest = sizes
    if not all(isinstance(size, int) for size in rest) or not rest:
        return None
    return tuple(rest) if is_batch(first) or (first == -1 and -1 not in rest) else None
