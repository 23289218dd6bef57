"""Pools of PyTorch."""

from __future__ import annotations

from typing import Any

from torch import nn

from vgcore import layers
from vgcore.exchange.pytorch.places import Counterpart, Place


def _sizes(value: Any, axes: int) -> tuple[int, ...]:
    given = value if isinstance(value, tuple | list) else (value,) * axes
    return tuple(given) * (axes if len(given) == 1 else 1)


def plain(sizes: tuple[int, ...]) -> int | tuple[int, ...]:
    """One number where all are the same."""
    return sizes[0] if len({*sizes}) == 1 else sizes


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


def pool(place: Place) -> Counterpart:
    """A pool of windows of one size."""
    module: Any = place.module
    axes = "nfhw" if isinstance(module, nn.MaxPool2d | nn.AvgPool2d) else "nft"
    count, extent = len(axes) - 2, _extent(place, axes)
    window, padding = _sizes(module.kernel_size, count), _sizes(module.padding, count)
    stride = _sizes(module.kernel_size if module.stride is None else module.stride, count)
    dilation = _sizes(getattr(module, "dilation", 1), count)
    if module.ceil_mode and any(
        (size + 2 * pad - d * (k - 1) - 1) % step
        for size, pad, d, k, step in zip(extent, padding, dilation, window, stride, strict=True)
    ):
        raise place.lacks(
            "with ceil_mode=True, and windows end within the padded input here: it is not a whole "
            "number of strides"
        )
    options: dict[str, Any] = {"padding": plain(padding)}
    if stride != window:
        options["stride"] = plain(stride)
    if isinstance(module, nn.MaxPool1d | nn.MaxPool2d):
        place.check(return_indices=False, only="pools give values alone here")
        return Counterpart(layers.MaxPool(plain(window), dilation=plain(dilation), **options), axes)
    if getattr(module, "divisor_override", None) is not None:
        place.check(divisor_override=None, only="the divisor is the window's here")
    options["count_include_pad"] = module.count_include_pad
    return Counterpart(layers.AvgPool(plain(window), **options), axes)


def adaptive(place: Place) -> Counterpart:
    """A pool to one size, which is that of all places or one that divides it."""
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
    made = layers.MaxPool if largest else layers.AvgPool
    return Counterpart(made(plain(pool)), axes)
