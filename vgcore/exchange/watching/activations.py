"""Activations of PyTorch by the names of its functions: the slopes of outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

from vgcore.activations import SELU_ALPHA, SELU_SCALE
from vgcore.exchange.watching import measures

Tensor = Any

_FLAT = 0.05  # of the steepest slope

STEEPEST = {
    **dict.fromkeys(("relu", "relu6", "tanh", "softplus", "softsign", "celu", "hardtanh"), 1.0),
    **dict.fromkeys(("tanhshrink", "softshrink", "hardshrink", "threshold"), 1.0),
    **dict.fromkeys(("log_sigmoid", "logsigmoid"), 1.0),
    "sigmoid": 0.25,
    "hardsigmoid": 1 / 6,
    "hardswish": 1.5,
    "selu": SELU_SCALE * SELU_ALPHA,
    "gelu": 1.1289,
    "silu": 1.0998,
    "mish": 1.0884,
    "elu": 1.0,
    "leaky_relu": 1.0,
}
"""Of each that works number by number: what its slope is at most, or where its parameter is not more."""

_PARAMETER = {"elu": ("alpha", 1.0), "leaky_relu": ("negative_slope", 0.01)}

MIXING = ("softmax", "softmin", "log_softmax", "glu")
_NAMES = {f"{name}{place}": name for name in (*STEEPEST, *MIXING) for place in ("", "_")}
_PUBLIC = {"log_sigmoid": "logsigmoid"}


class Seen(NamedTuple):
    """What is seen of a layer's outputs in one pass; None where they have no slopes of their own.

    Attributes
    ----------
    outputs : Tensor
    flat : Tensor or None
        How many slopes are below 5 % of the steepest there is; NaN where one is unknown.
    alive : Tensor of bool, (units,), or None
        Units with a slope that is not 0.
    """

    outputs: Tensor
    flat: Tensor | None = None
    alive: Tensor | None = None


def name_of(function: Any) -> str | None:
    """The activation that a function of PyTorch is, in place or not."""
    return _NAMES.get(getattr(function, "__name__", ""))


def seen(
    name: str, z: Tensor, rest: tuple[Any, ...], options: Mapping[str, Any], axis: int
) -> Seen:
    """What an activation is about to make of z, whose units lie along an axis."""
    given = {key: value for key, value in options.items() if key not in ("inplace", "_stacklevel")}
    function = getattr(torch.nn.functional, _PUBLIC.get(name, name))
    with measures.second_pass():
        leaf = z.detach().requires_grad_()
        h = function(leaf, *rest, **given)
        if name in MIXING:
            return Seen(h.detach())
        slopes = torch.autograd.grad(h, leaf, torch.ones_like(h))[0]
    steepest = STEEPEST[name]
    if name in _PARAMETER:
        called, default = _PARAMETER[name]
        steepest = max(steepest, abs(given.get(called, rest[0] if rest else default)))
    return from_slopes(h.detach(), slopes, steepest, axis)


def linear(z: Tensor, axis: int) -> Seen:
    """Outputs that are the pre-activations: the slope is 1."""
    return from_slopes(z.detach(), torch.ones_like(z), 1.0, axis)


def from_slopes(h: Tensor, slopes: Tensor, steepest: float, axis: int) -> Seen:
    """What outputs and their slopes tell."""
    unknown = (h.isnan() | slopes.isnan()).any()
    flat = (slopes.abs() < _FLAT * steepest).sum()
    places = [place for place in range(h.ndim) if place != axis % h.ndim]
    moving = slopes != 0
    alive = moving.any(dim=tuple(places)) if places else moving
    return Seen(h, torch.where(unknown, torch.nan, measures.double(flat)), alive)
