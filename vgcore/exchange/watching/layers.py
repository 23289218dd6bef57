"""Which modules are the layers of a record, and what is known of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from vgcore.flow import Walk

Module = Any

_RECURRENT = {
    "RNN": Walk(("z",)),
    "LSTM": Walk(("i", "f", "g", "o"), cell=True),
    "GRU": Walk(("r", "z", "n")),
}
_BY_CHANNELS = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
    *(nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.GroupNorm),
)
_LINEAR = (
    *(nn.Linear, nn.Bilinear, *_BY_CHANNELS, nn.LayerNorm, nn.RMSNorm, nn.MultiheadAttention),
)


@dataclass(frozen=True)
class Column:
    """One column of the record, and the parameters whose norms stand in it."""

    name: str
    weights: tuple[Any, ...]
    biases: tuple[Any, ...]
    walk: Walk | None = None


@dataclass(frozen=True, eq=False)
class Layer:
    """A module with parameters: one column or, where it is a recurrent stack, one for each of its walks.

    ``first`` is the place of the first of them. Where a module is ``whole``, what it puts out is no layer's:
    it has layers inside, and parameters besides.
    """

    module: Module
    columns: tuple[Column, ...]
    first: int
    whole: bool = False

    @property
    def recurrent(self) -> bool:
        """Whether it walks through time."""
        return self.columns[0].walk is not None

    @property
    def linear(self) -> bool:
        """Whether what it puts out is a pre-activation, if no activation follows the output itself."""
        return isinstance(self.module, _LINEAR)

    @property
    def axis(self) -> int:
        """Along which units lie."""
        if isinstance(self.module, nn.modules.conv._ConvNd):
            return -1 - len(self.module.kernel_size)
        if isinstance(self.module, _BY_CHANNELS):
            return 1
        if isinstance(self.module, nn.LayerNorm | nn.RMSNorm):
            return -len(self.module.normalized_shape)
        return -1


def layers_of(root: Module) -> list[Layer]:
    """The layers of a module, in the order in which they were made parts of it."""
    layers: list[Layer] = []
    first = 0
    for path, module in _with_parameters(root):
        name = path or type(root).__name__.lower()
        layer = Layer(module, _columns(name, module), first, _whole(module))
        first += len(layer.columns)
        layers.append(layer)
    return layers


def _with_parameters(root: Module) -> Iterator[tuple[str, Module]]:
    inside: set[str] = set()
    for path, module in root.named_modules():
        if any(path == each or path.startswith(f"{each}.") for each in inside):
            continue
        if isinstance(module, nn.MultiheadAttention):  # calls none of its parts
            inside.add(f"{path}.out_proj".lstrip("."))
        if hasattr(module, "parametrizations"):
            inside.add(f"{path}.parametrizations".lstrip("."))
        if any(True for _ in _own(module)):
            yield path, module


def _own(module: Module) -> Iterator[tuple[str, Any]]:
    """Parameters of a module that are no layer's inside."""
    if isinstance(module, nn.MultiheadAttention):
        yield from module.named_parameters()
        return
    yield from module.named_parameters(recurse=False)
    if hasattr(module, "parametrizations"):
        yield from module.parametrizations.named_parameters()


def _whole(module: Module) -> bool:
    own = {id(parameter) for _, parameter in _own(module)}
    return any(id(parameter) not in own for parameter in module.parameters())


def _columns(name: str, module: Module) -> tuple[Column, ...]:
    own = list(_own(module))
    if not isinstance(module, nn.RNN | nn.LSTM | nn.GRU):
        return (Column(name, *_by_kind(own)),)
    columns = []
    for number in range(module.num_layers):
        stacked = f"{name}.{number}" if module.num_layers > 1 else name
        sides = (("", ".forward"), ("_reverse", ".backward"))
        for suffix, side in sides if module.bidirectional else (("", ""),):
            mine = [each for each in own if each[0].endswith(f"_l{number}{suffix}")]
            columns.append(Column(f"{stacked}{side}", *_by_kind(mine), _RECURRENT[_base(module)]))
    return tuple(columns)


def _base(module: Module) -> str:
    """Which of PyTorch's recurrent layers it is."""
    return next(name for name in _RECURRENT if isinstance(module, getattr(nn, name)))


def _by_kind(named: list[tuple[str, Any]]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Weights, and biases."""
    biases = [parameter for name, parameter in named if "bias" in name]
    weights = [parameter for name, parameter in named if "bias" not in name]
    return tuple(weights), tuple(biases)


def check(root: Any) -> None:
    """TypeError or ValueError for what cannot be watched."""
    if not isinstance(root, nn.Module):
        raise TypeError(f"module: expected a torch.nn.Module, got {root!r} ({type(root).__name__})")
    for path, module in root.named_modules():
        name = f"module: {path}" if path else "module"
        if isinstance(module, torch.jit.ScriptModule):
            raise TypeError(f"{name}: expected a module that Python runs, got one of torch.jit")
        if "_orig_mod" in module._modules or module._compiled_call_impl is not None:
            raise TypeError(
                f"{name}: expected a module that is not compiled, got one of torch.compile, whose "
                "layers are not seen any more; watch the module as it was before"
            )
        if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            raise TypeError(
                f"{name}: expected a module that is trained by itself, got {type(module).__name__}"
            )
        for parameter in module.parameters(recurse=False):
            if isinstance(parameter, nn.parameter.UninitializedParameter):
                raise ValueError(
                    f"{name}: expected parameters that have shapes, got a lazy module that has not run yet"
                )
    if not any(True for _ in root.parameters()):
        raise ValueError("module: expected one with parameters, got none")
