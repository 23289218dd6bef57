"""Geometric laws: what one layer, or one timestep, multiplies a gradient by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class _Line(NamedTuple):
    factor: Array
    r2: Array


class Rate(_Line):
    """Result of `GradientFlow.rate` and `time_rate`, one entry per recorded step; unpacks to its two fields.

    Attributes
    ----------
    factor : ndarray, (S,)
        What one layer, or timestep, of the backward pass multiplies the gradient by: below 1 it
        vanishes, above 1 it explodes.
    r2 : ndarray, (S,)
        Coefficient of determination of the line: 1 where the decay is exactly geometric.
    left_out : ndarray of int, (S,)
        Layers or timesteps that the line could not take in: their norm is 0 or not finite.
    """

    left_out: NDArray[np.int64]

    def __new__(cls, factor: Array, r2: Array, left_out: Any = None) -> Rate:
        """Make the pair, and note how many entries it does not speak of."""
        rate = super().__new__(cls, factor, r2)
        rate.left_out = np.zeros(len(factor), np.int64) if left_out is None else left_out
        return rate

    def __repr__(self) -> str:
        """Show all three."""
        return f"Rate(factor={self.factor!r}, r2={self.r2!r}, left_out={self.left_out!r})"

    def __getnewargs__(self) -> tuple[Any, ...]:
        """Copy and pickle all three."""
        return (*self, self.left_out)

    @classmethod
    def _make(cls, iterable: Iterable[Any]) -> Rate:  # type: ignore[override]
        """Make it of the pair, or of all three."""
        return cls(*iterable)

    def _replace(self, **changes: Any) -> Rate:
        """The same with other values of some of the three."""
        return Rate(**{**self._asdict(), "left_out": self.left_out, **changes})

    __replace__ = _replace  # of copy.replace


def geometric(norms: Array) -> Rate:
    """The geometric law of each row of norms (S, N), from the last to the first.

    A least-squares line through the logarithms; the factor is e to minus its slope. Entries that are 0 or
    not finite are left out; NaN where fewer than two are left. Entries behind the end of a shorter row
    are NaN.
    """
    usable = np.isfinite(norms) & (norms > 0)
    count = usable.sum(axis=1, keepdims=True)

    def centred(values: Array) -> Array:
        values = np.where(usable, values, 0)
        return np.where(usable, values - values.sum(axis=1, keepdims=True) / count, 0)

    with np.errstate(divide="ignore", invalid="ignore"):
        place = centred(np.broadcast_to(np.arange(norms.shape[1], dtype=float), norms.shape))
        logs = centred(np.log(norms))
        slope = (place * logs).sum(axis=1) / (place**2).sum(axis=1)
        residual = ((logs - slope[:, np.newaxis] * place) ** 2).sum(axis=1)
        r2 = 1 - residual / (logs**2).sum(axis=1)
    low = norms.min(axis=1, where=usable, initial=np.inf)
    level = low == norms.max(axis=1, where=usable, initial=0)
    factor = np.where(level & (count[:, 0] > 1), 1, np.exp(-slope))
    left_out = norms.shape[1] - count[:, 0]
    return Rate(factor, np.where(level & (count[:, 0] > 1), 1, r2), left_out)
