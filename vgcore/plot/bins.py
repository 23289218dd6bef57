"""Shares of values by bins, and beside them, in lanes of their own, what no bin can hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from vgcore import _slopes
from vgcore.activations import Activation
from vgcore.plot.fields import Array

_BINS = 61  # of a linear axis; of an even number, two would meet at the middle, where 0 often is
_FAR = 1e6  # z at which a bounded activation has come to its bounds
_LARGEST = 1e300  # that a linear axis bears
SIGNS = {
    "-inf": "−∞",
    "zero": "zeros",
    "huge": f"beyond {_LARGEST:.0e}".replace("+", ""),
    "inf": "∞",
    "nan": "NaN",
}
"""The lanes, and what they are called, from the left to the right: the first two left of the bins."""


class Binned(NamedTuple):
    """Histograms of R rows: layers, or steps.

    Attributes
    ----------
    edges : ndarray, (B + 1,)
        Of bins: exponents of two where ``log``, else values.
    shares : ndarray, (R, B)
        Of each row's elements.
    lanes : dict of str to ndarray, (R,)
        Of each of `SIGNS` that is not empty.
    counts : dict of str to int
        How many values are in these, in all rows.
    total : ndarray, (R,)
        Elements of each row.
    log : bool
    """

    edges: Array
    shares: Array
    lanes: dict[str, Array]
    counts: dict[str, int]
    total: Array
    log: bool

    @property
    def powers(self) -> int:
        """How many powers of two a bin holds, where it holds powers of two."""
        return round(float(self.edges[1] - self.edges[0]))

    @property
    def peaks(self) -> Array:
        """Of each row (R,) the largest share of a bin; 0 where no bin holds any."""
        return np.asarray(self.shares.max(axis=1, initial=0.0))

    @property
    def bodies(self) -> Array:
        """Of each row (R,) that a bin holds any of: the second largest share, or that of the only bin.

        A peak of one bin, such as the zeros of a relu among its outputs, is not all there is to see.
        """
        some = np.sort(self.shares[self.peaks > 0], axis=1)
        return np.array([row[row > 0][-2:][0] for row in some])


def percent(share: float) -> str:
    """A share as people say it; what is not all of it is not called so, nor what is some of it none."""
    if 0 < share < 0.001:
        return "<0.1 %"
    if 0.995 < share < 1:
        return ">99 %"
    return f"{100 * share:.{1 if 0 < share < 0.0995 else 0}f} %"


def joined(binned: Binned, most: float) -> Binned:
    """At most so many bins of powers of two: neighbours are one, which holds all that they hold."""
    powers = math.ceil((len(binned.edges) - 1) / most)
    if powers == 1 or not binned.log:
        return binned
    first = int(binned.edges[0] // powers)
    last = -int(-binned.edges[-1] // powers)
    shares = np.zeros((len(binned.shares), powers * (last - first)))
    begin = int(binned.edges[0]) - powers * first
    shares[:, begin : begin + binned.shares.shape[1]] = binned.shares
    shares = shares.reshape(len(shares), -1, powers).sum(axis=2)
    return binned._replace(edges=powers * np.arange(first, last + 1.0), shares=shares)


def _binned(
    edges: Array, counts: Array, apart: dict[str, Array], total: Array, *, log: bool
) -> Binned:
    """Shares of counts (R, B), of the bins from the first to the last that is not empty."""
    whole = np.maximum(total, 1)
    used = np.flatnonzero(counts.any(axis=0))
    if log:  # of nothing but zeros one bin is left
        first, last = (used[0], used[-1]) if used.size else (0, 0)
        counts, edges = counts[:, first : last + 1], edges[first : last + 2]
    there = {name: number for name, number in apart.items() if number.any()}
    return Binned(
        edges,
        counts / whole[:, np.newaxis],
        {name: number / whole for name, number in there.items()},
        {name: int(number.sum()) for name, number in there.items()},
        total,
        log,
    )


def of_distribution(recorded: Any, rows: Sequence[int], columns: Sequence[int]) -> Binned:
    """Of what `GradientFlow.distribution` gives: some steps of one layer, or one of some layers."""
    where = np.ix_(rows, columns)
    flat = (len(rows) * len(columns), -1)
    counts = np.asarray(recorded.positive[where] + recorded.negative[where]).reshape(flat)
    apart = {
        "zero": recorded.zero[where].ravel(),
        "inf": (recorded.plus_inf[where] + recorded.minus_inf[where]).ravel(),
        "nan": recorded.nan[where].ravel(),
    }
    total = np.asarray(recorded.total[where]).ravel()
    with np.errstate(divide="ignore"):
        edges = np.log2(recorded.edges)
    if len(edges) == 1:  # of nothing but zeros and what is not finite
        edges, counts = np.array([-1.0, 0.0]), np.zeros((len(counts), 1), counts.dtype)
    edges[-1] = edges[-2] + 1  # the largest floats' may be no float
    return _binned(edges, counts, apart, total, log=True)


def of_arrays(arrays: Sequence[Array], *, log: bool, within: Iterable[float] = ()) -> Binned:
    """Of arrays of values: by powers of two of their size, or on a linear axis that shows ``within``, too."""
    flat = [np.asarray(values, float).ravel() for values in arrays]
    finite = [values[np.isfinite(values)] for values in flat]
    apart = {"nan": np.array([np.isnan(values).sum() for values in flat])}
    if log:
        finite = [np.abs(values[values != 0]) for values in finite]
        exponents = [np.frexp(values)[1] - 1 for values in finite]
        some = np.concatenate(exponents) if exponents else np.empty(0)
        edges = np.arange(some.min(), some.max() + 2) if some.size else np.array([-1, 0])
        counts = [np.histogram(each, edges)[0] for each in exponents]
        # The last bin of np.histogram holds its right edge, too; exponents are integers below it.
        apart["zero"] = np.array([np.count_nonzero(values == 0) for values in flat])
        apart["inf"] = np.array([np.isinf(values).sum() for values in flat])
    else:
        apart["huge"] = np.array([np.count_nonzero(np.abs(each) > _LARGEST) for each in finite])
        finite = [each[np.abs(each) <= _LARGEST] for each in finite]
        edges = _linear(finite, within)
        counts = [np.histogram(values, edges)[0] for values in finite]
        apart["-inf"] = np.array([np.count_nonzero(values == -np.inf) for values in flat])
        apart["inf"] = np.array([np.count_nonzero(values == np.inf) for values in flat])
    total = np.array([len(values) for values in flat])
    return _binned(edges.astype(float), np.array(counts), apart, total, log=log)


def _linear(finite: Sequence[Array], within: Iterable[float]) -> Array:
    """Edges of bins from the least to the largest value that is, or that the axis is to show.

    Values that would fit into one bin do not lie on both sides of an edge: all edges move aside.
    """
    ends = [end for values in finite if values.size for end in (values.min(), values.max())]
    shown = [*ends, *(bound for bound in within if np.isfinite(bound))]
    low, high = (min(shown), max(shown)) if shown else (0.0, 1.0)
    if high - low <= 1e-12 * max(abs(low), abs(high)):  # one value alone
        room = max(abs(low), abs(high)) / 4 or 0.5
        low, high = low - room, high + room
    edges = np.linspace(low, high, _BINS + 1)
    width = edges[1] - edges[0]
    if ends and max(ends) - min(ends) < width / 2:
        first, last = np.searchsorted(edges, [min(ends), max(ends)], side="right")
        if first < min(last, _BINS):
            return np.append(edges - width / 2, edges[-1] + width / 2)
    return edges


def own_range(activation: Activation) -> tuple[float, float]:
    """The least and the largest output there is; infinite where there is no bound."""
    z = np.concatenate([-np.geomspace(_FAR, 1e-3, 400), [0.0], np.geomspace(1e-3, _FAR, 400)])
    h, _ = _slopes.evaluate(activation.function, z)
    low, high = float(h.min()), float(h.max())
    return low if abs(low) < 1e3 else -np.inf, high if abs(high) < 1e3 else np.inf
