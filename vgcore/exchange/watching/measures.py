"""Tensors told in a few numbers, which stay on the tensors' device until somebody asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Tensor = Any

_LOWEST = -1074  # exponents that a double may have, 2^_LOWEST <= abs(x) < 2^(_HIGHEST + 1)
_HIGHEST = 1023
_BINS = _HIGHEST - _LOWEST + 1
TALLY = 4 + 2 * _BINS  # numbers of a tally


@contextmanager
def second_pass() -> Iterator[None]:
    """Gradients can be had of what is computed here; nobody's hooks hear of it, and NaN is no error."""
    allowed = torch._C._autograd._saved_tensors_hooks_is_enabled()
    ours = torch.autograd.graph.saved_tensors_hooks(_same, _same) if allowed else nullcontext()
    with torch.enable_grad(), torch.autograd.set_detect_anomaly(False), ours:
        yield


def _same(tensor: Tensor) -> Tensor:
    return tensor


def numbers(tensor: Tensor) -> Tensor:
    """The elements, apart from the graph: of a sparse tensor those that are there."""
    tensor = tensor.detach()
    if tensor.is_sparse:
        tensor = tensor.coalesce().values()
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def double(tensor: Tensor) -> Tensor:
    """In double, or the widest type that the device has."""
    return tensor.to(torch.float32 if tensor.device.type == "mps" else torch.float64)


def norm(tensor: Tensor, dim: tuple[int, ...] | None = None) -> Tensor:
    """The L2 norm, which neither overflows nor underflows."""
    values = double(numbers(tensor))
    if not values.numel():
        return values.sum() if dim is None else values.sum(dim)
    if tensor.dtype != torch.float64:  # squares of narrower numbers are doubles
        return torch.linalg.vector_norm(values, dim=dim)
    top = values.abs().amax()
    scale = torch.where((top > 0) & torch.isfinite(top), top, 1.0)
    return torch.linalg.vector_norm(values / scale, dim=dim) * scale


def moments(tensor: Tensor) -> Tensor:
    """The mean, and the L2 norm of the differences from it."""
    values = double(tensor.detach())
    mean = values.mean()
    return torch.stack([mean, norm(values - mean)])


def tally(tensor: Tensor) -> Tensor:
    """Zeros, NaN, inf and -inf, then positive and negative numbers of each binary exponent of a double."""
    values = double(numbers(tensor)).reshape(-1)
    special = [values == 0, values.isnan(), values.isposinf(), values.isneginf()]
    binned = values[values.isfinite() & (values != 0)]
    exponents = torch.frexp(binned).exponent.long() - 1 - _LOWEST
    counts = torch.bincount(2 * exponents + torch.signbit(binned), minlength=2 * _BINS)
    return torch.cat([torch.stack([which.sum() for which in special]), counts])


def tallied(counts: NDArray[Any]) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """Of a tally: the lowest exponent, counts (W, 2) from there on, and what has no exponent."""
    special, bins = counts[:4].astype(np.int64), counts[4:].astype(np.int64).reshape(_BINS, 2)
    there = np.flatnonzero(bins.sum(axis=1))
    if not len(there):
        return 0, np.zeros((0, 2), np.int64), special
    return int(there[0]) + _LOWEST, bins[there[0] : there[-1] + 1], special


def fetched(tensors: list[Tensor]) -> list[NDArray[np.float64]]:
    """Their numbers, by one transfer from each device."""
    found: list[Any] = [None] * len(tensors)
    devices: dict[Any, list[int]] = {}
    for place, tensor in enumerate(tensors):
        devices.setdefault(tensor.device, []).append(place)
    for places in devices.values():
        flat = torch.cat([double(tensors[place]).reshape(-1) for place in places]).cpu().numpy()
        ends = np.cumsum([tensors[place].numel() for place in places])
        for place, values in zip(places, np.split(flat, ends[:-1]), strict=True):
            found[place] = values
    return found
