"""Small modules of PyTorch for what is a layer here and none there."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Permute(nn.Module):
    """Axes in another order: (n, time, features) and (n, channels, time) in turn."""

    def __init__(self, *order: int) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        """Move the axes."""
        return x.permute(*self.order)

    def extra_repr(self) -> str:
        """Show the order."""
        return ", ".join(map(str, self.order))


class Outputs(nn.Module):
    """Of what an `nn.RNN`, LSTM or GRU returns the outputs of all timesteps."""

    def forward(self, results: Any) -> Tensor:
        """Pick the outputs."""
        outputs: Tensor = results[0]
        return outputs


class Last(nn.Module):
    """Of what an `nn.RNN`, LSTM or GRU returns the last layer's h of where each walk ends."""

    def __init__(self, cell: bool, both: bool) -> None:
        super().__init__()
        self.cell, self.both = cell, both

    def forward(self, results: Any) -> Tensor:
        """Pick h, of both directions side by side."""
        h: Tensor = results[1][0] if self.cell else results[1]
        return torch.cat((h[-2], h[-1]), dim=1) if self.both else h[-1]


class Residual(nn.Module):
    """``f(skip(x) + g body(x))``, as `vgcore.Residual`."""

    def __init__(
        self,
        body: Mapping[str, nn.Module],
        skip: Mapping[str, nn.Module],
        activation: nn.Module | None,
        gate: Tensor | None,
    ) -> None:
        super().__init__()
        self.body, self.skip = _registered(self, body), _registered(self, skip)
        self.activation = activation
        self.gate = None if gate is None else nn.Parameter(gate)

    def forward(self, x: Tensor) -> Tensor:
        """Add both ways."""
        h = _through(self, self.body, x)
        if self.gate is not None:
            h = self.gate * h
        h = _through(self, self.skip, x) + h
        return h if self.activation is None else self.activation(h)


class Parallel(nn.Module):
    """Branches that read one input, summed or side by side, as `vgcore.Parallel`."""

    def __init__(self, branches: Sequence[Mapping[str, nn.Module]], dim: int | None) -> None:
        super().__init__()
        self.branches = [_registered(self, branch) for branch in branches]
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """Go through all branches."""
        ends = [_through(self, branch, x) for branch in self.branches]
        if self.dim is not None:
            return torch.cat(ends, dim=self.dim)
        total = ends[0]
        for end in ends[1:]:
            total = total + end
        return total


class Highway(nn.Module):
    """``t g + (1 - t) x``, as `vgcore.Highway`."""

    def __init__(self, units: int, activation: nn.Module, gate_activation: nn.Module) -> None:
        super().__init__()
        for name, shape in (("weight", (units, units)), ("bias", (units,))):
            setattr(self, name, nn.Parameter(torch.zeros(shape)))
            setattr(self, f"{name}_gate", nn.Parameter(torch.zeros(shape)))
        self.activation, self.gate_activation = activation, gate_activation

    def forward(self, x: Tensor) -> Tensor:
        """Mix what is new and what came."""
        g = self.activation(functional.linear(x, self.weight, self.bias))
        t = self.gate_activation(functional.linear(x, self.weight_gate, self.bias_gate))
        return t * g + (1 - t) * x


class GaussianNoise(nn.Module):
    """``x + stddev e`` while training, as `vgcore.GaussianNoise`."""

    def __init__(self, stddev: float) -> None:
        super().__init__()
        self.stddev = stddev

    def forward(self, x: Tensor) -> Tensor:
        """Add noise."""
        return x + self.stddev * torch.randn_like(x) if self.training else x

    def extra_repr(self) -> str:
        """Show the standard deviation."""
        return str(self.stddev)


class Subsample(nn.Module):
    """Every so many rows and columns, and channels of zeros behind, as `vgcore.Subsample`."""

    def __init__(self, filters: int, stride: tuple[int, ...]) -> None:
        super().__init__()
        self.filters, self.stride = filters, stride

    def forward(self, x: Tensor) -> Tensor:
        """Choose and pad."""
        down, across = self.stride
        return functional.pad(x[:, :, ::down, ::across], (0, 0, 0, 0, 0, self.filters - x.shape[1]))


class Formula(nn.Module):
    """An activation of an expression, as `vgcore.activations.formula`; ``axis`` has the features."""

    def __init__(self, text: str, parameters: Mapping[str, Tensor], axis: int) -> None:
        super().__init__()
        self.text, self.axis = text, axis
        self.names = tuple(parameters)
        self._tree = ast.parse(text, mode="eval").body
        for name, values in parameters.items():
            setattr(self, name, nn.Parameter(values))

    def forward(self, z: Tensor) -> Tensor:
        """Compute the expression."""
        shape = [1] * z.ndim
        known: dict[str, Any] = {"z": z, "pi": torch.pi, "e": torch.e}
        for name in self.names:
            shape[self.axis] = -1
            known[name] = getattr(self, name).reshape(shape)
        value = _computed(self._tree, known, z)
        return value + torch.zeros_like(z)

    def extra_repr(self) -> str:
        """Show the expression."""
        return self.text


WHOLE = (Highway, GaussianNoise, Subsample, Formula)
"""Those that are one layer here, and not made of such."""


def _registered(module: nn.Module, branch: Mapping[str, nn.Module]) -> tuple[str, ...]:
    for name, each in branch.items():
        module.add_module(name, each)
    return tuple(branch)


def _through(module: nn.Module, names: tuple[str, ...], x: Tensor) -> Tensor:
    for name in names:
        x = module.get_submodule(name)(x)
    return x


_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def _computed(node: ast.AST, known: Mapping[str, Any], like: Tensor) -> Any:
    """A formula's value; each number that a function takes is a tensor like the inputs."""

    def value(each: ast.AST) -> Any:
        return _computed(each, known, like)

    if isinstance(node, ast.Constant):
        number: Any = node.value
        return torch.as_tensor(float(number), dtype=like.dtype)
    if isinstance(node, ast.Name):
        return torch.as_tensor(known[node.id], dtype=like.dtype)
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](value(node.left), value(node.right))
    if isinstance(node, ast.UnaryOp):
        return -value(node.operand) if isinstance(node.op, ast.USub) else value(node.operand)
    if isinstance(node, ast.Compare):
        sides = [value(each) for each in (node.left, *node.comparators)]
        found = 1.0
        for op, left, right in zip(node.ops, sides, sides[1:], strict=False):
            found = found * _OPERATORS[type(op)](left, right).to(like.dtype)
        return found
    assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    arguments = [value(each) for each in node.args]
    if node.func.id == "where":
        return torch.where(arguments[0] != 0, *arguments[1:])
    if node.func.id == "softplus":  # PyTorch's own is the identity above 20
        return torch.logaddexp(arguments[0], torch.zeros_like(arguments[0]))
    return getattr(torch, node.func.id)(*arguments)
