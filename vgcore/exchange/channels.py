"""Numbers of a sample where channels come last: in which order they lie there, and here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore.layers.base import Shape, is_image

Order = NDArray[np.intp]
"""Of each number of a sample, as it lies here, its place there."""


def moved_last(shape: tuple[Any, ...]) -> tuple[Any, ...]:
    """The shape of an image with its channels last; other shapes as they are."""
    return (*shape[1:], shape[0]) if len(shape) == 3 else shape


def moved_first(shape: tuple[Any, ...]) -> tuple[Any, ...]:
    """The shape of an image with its channels first; other shapes as they are."""
    return (shape[-1], *shape[:-1]) if len(shape) == 3 else shape


def order_of(shape: Shape) -> Order | None:
    """The order of a sample whose channels come last there; None if it is the same, or sizes are open."""
    if not is_image(shape) or None in shape:
        return None
    count = math.prod(size or 1 for size in shape)
    return different(np.arange(count).reshape(moved_last(shape)).transpose(2, 0, 1))


def different(order: NDArray[Any]) -> Order | None:
    """The order as a vector; None if it is the same on both sides."""
    flat = order.reshape(-1).astype(np.intp)
    return None if np.array_equal(flat, np.arange(flat.size)) else flat


def same(one: Order | None, other: Order | None) -> bool:
    """Whether two orders are the same."""
    return (one is None and other is None) or (
        one is not None and other is not None and np.array_equal(one, other)
    )


def beside(orders: Sequence[Order | None], counts: Sequence[int]) -> Order | None:
    """The order of vectors side by side, of which there are ``counts`` numbers."""
    starts = [0, *accumulate(counts)]
    whole = [
        start + (np.arange(count) if order is None else order)
        for order, count, start in zip(orders, counts, starts, strict=False)
    ]
    return different(np.concatenate(whole))
