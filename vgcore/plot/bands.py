"""Medians and quantiles of what stands at one place: of several steps, a running window, or seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from vgcore import _validate
from vgcore.plot.fields import Array, Mask

_MOST_AT_ONCE = 10_000_000  # values of windows that are sorted together


class Summary(NamedTuple):
    """Of n places: the middle (n,), the band around it (2, n) or None, and where there is any value."""

    middle: Array
    band: Array | None
    present: Mask


def check(band: Any) -> tuple[float, float] | None:
    """The two quantiles of a band; TypeError or ValueError unless they are such."""
    if band is None:
        return None
    given = list(_validate.items("band", band, "two quantiles, as (0.1, 0.9)"))
    if len(given) != 2:
        raise ValueError(f"band: expected two quantiles, as (0.1, 0.9), got {len(given)}")
    low, high = (_validate.real("band", each, minimum=0, maximum=1) for each in given)
    if low >= high:
        raise ValueError(f"band: expected the lower quantile first, got {band!r}")
    return low, high


def name(band: tuple[float, float]) -> str:
    """What a legend calls it."""
    if band == (0, 1):
        return "lowest to highest"
    return f"{band[0]:.3g} to {band[1]:.3g} quantile"


def summary(values: Array, present: Mask, band: tuple[float, float] | None) -> Summary:
    """Of values (m, n) the median over the first axis, and the quantiles of a band."""
    wanted = (0.5, *(band or ()))
    found = quantiles(values, present, wanted)
    return Summary(found[0], found[1:] if band else None, np.asarray(present.any(axis=0)))


def running(values: Array, present: Mask, window: int, band: tuple[float, float] | None) -> Summary:
    """The same of each place's window of values (n,), which is shorter at both ends.

    NaN is left out, for one would make a window of them.
    """
    there = present & ~np.isnan(values)
    before, behind = (window - 1) // 2, window // 2
    padded = np.pad(values, (before, behind))
    padded_there = np.pad(there, (before, behind))
    found: list[Summary] = []
    some = max(1, _MOST_AT_ONCE // window)
    for begin in range(0, len(values), some):
        end = min(begin + some, len(values)) + window - 1
        cut = np.lib.stride_tricks.sliding_window_view
        found.append(
            summary(cut(padded[begin:end], window).T, cut(padded_there[begin:end], window).T, band)
        )
    if not found:
        return summary(values[np.newaxis], there[np.newaxis], band)
    middle, edges, some_there = zip(*found, strict=True)
    return Summary(
        np.concatenate(middle),
        np.concatenate(edges, axis=1) if band else None,
        np.concatenate(some_there),
    )


def quantiles(values: Array, present: Mask, wanted: Sequence[float]) -> Array:
    """Quantiles (len(wanted), n) of values (m, n), linear between two neighbours.

    NaN where one is NaN, and where there is none; infinite values are the largest there are.
    """
    count = present.sum(axis=0)
    ranked = np.sort(np.where(present, values, np.inf), axis=0)  # what is absent comes last
    spoilt = np.any(np.isnan(values) & present, axis=0) | (count == 0)
    found = np.full((len(wanted), values.shape[1]), np.nan)
    if not len(values):
        return found
    for row, share in zip(found, wanted, strict=True):
        place = share * np.maximum(count - 1, 0)
        below = np.floor(place).astype(int)
        above = np.ceil(place).astype(int)
        low, high = (np.take_along_axis(ranked, at[np.newaxis], axis=0)[0] for at in (below, above))
        with np.errstate(invalid="ignore", over="ignore"):
            between = low * (1 - (place - below)) + high * (place - below)
        row[:] = np.where(low == high, low, between)
    found[:, spoilt] = np.nan
    return found
