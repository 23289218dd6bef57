"""Distributions: how many numbers of a layer there are of each sign and binary exponent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _html, _validate
from vgcore._frames import dataframe
from vgcore._settings import Sealed
from vgcore.flow.record import DISTRIBUTION_FIELDS, Part

if TYPE_CHECKING:
    from pandas import DataFrame

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

_SHOWN = (0.05, 0.25, 0.5, 0.75, 0.95)  # quantiles in a notebook


class Distribution(Sealed):
    """How the numbers of each layer are distributed: histograms by sign and binary exponent, one bin for each
    power of two.

    `GradientFlow.distribution` makes them.

    Attributes
    ----------
    field : str
        "delta", "weight_grad", "activation" or "update_ratio".
    step : ndarray of int, (S,)
    layers : tuple of str
    edges : ndarray, (B + 1,)
        Powers of two: bin b holds ``edges[b] <= abs(x) < edges[b + 1]``, over all exponents that occur. The
        last is inf where numbers reach 2^1023.
    positive, negative : ndarray of int, (S, L, B)
        Numbers in each bin, by sign.
    zero, nan, plus_inf, minus_inf : ndarray of int, (S, L)
        Numbers that are in no bin.
    """

    def __init__(self, field: str, step: Counts, layers: tuple[str, ...], part: Part) -> None:
        self.field, self.step, self.layers = field, step, layers
        lowest = part.columns[field, "lowest"].astype(np.int64)
        counts = part.columns[field, "counts"]
        special = part.columns[field, "special"].astype(np.int64)
        at, first, bins = _occurring(lowest, counts)
        dense = np.zeros((*lowest.shape, bins, 2), np.int64)
        steps, places, _ = at
        dense[steps, places, lowest[steps, places] + at[2] - first] = counts[at]
        with np.errstate(over="ignore"):
            self.edges = np.ldexp(1.0, np.arange(first, first + bins + 1))
        self.positive, self.negative = dense[..., 0], dense[..., 1]
        self.zero, self.nan, self.plus_inf, self.minus_inf = np.moveaxis(special, -1, 0)
        for array in vars(self).values():
            if isinstance(array, np.ndarray):
                array.flags.writeable = False

    @property
    def counts(self) -> Counts:
        """Numbers in each bin, of either sign, (S, L, B)."""
        return self.positive + self.negative

    @property
    def total(self) -> Counts:
        """All numbers, those in no bin included, (S, L)."""
        special = self.zero + self.nan + self.plus_inf + self.minus_inf
        total: Counts = self.counts.sum(axis=-1) + special
        return total

    def quantile(self, q: ArrayLike) -> Array:
        """Magnitudes that shares of the numbers do not exceed.

        Within a bin they are taken to be spread evenly in log2: what is told is within a factor of two of the
        numbers' own quantile. Zeros count as 0, infinite ones of either sign as inf.

        Parameters
        ----------
        q : array_like
            Of 0 to 1.

        Returns
        -------
        ndarray, (S, L) or, for several q, (len(q), S, L)
            NaN where a number is NaN, and where a layer has no numbers.

        Raises
        ------
        TypeError, ValueError
            If q is not of numbers from 0 to 1, or of more than one axis.
        """
        shares = _validate.finite("q", _validate.array("q", q), np.float64)
        if shares.ndim > 1:
            raise ValueError(f"q: expected a number or a list of them, got shape {shares.shape}")
        if ((shares < 0) | (shares > 1)).any():
            raise ValueError(f"q: expected numbers from 0 to 1, got {q!r}")
        infinite = self.plus_inf + self.minus_inf
        held = np.concatenate((self.zero[..., None], self.counts, infinite[..., None]), axis=-1)
        below = held.cumsum(axis=-1)
        found = [self._quantile(share, held, below) for share in shares.reshape(-1)]
        result: Array = np.reshape(found, (*shares.shape, *self.zero.shape))
        return result

    def _quantile(self, share: float, held: Counts, below: Counts) -> Array:
        """Of one share, from the numbers held by and up to the zeros, the bins and the infinite ones."""
        wanted = share * below[..., -1:]
        at = ((below >= wanted) & (held > 0)).argmax(axis=-1)[..., None]
        mine, upto = (np.take_along_axis(a, at, -1)[..., 0] for a in (held, below))
        inside = (wanted[..., 0] - (upto - mine)) / np.maximum(mine, 1)
        bins = len(self.edges) - 1
        exponent = np.frexp(self.edges[0])[1] - 1 + (at[..., 0] - 1)
        with np.errstate(over="ignore"):
            value = np.ldexp(np.exp2(inside), exponent)
        value = np.where(at[..., 0] == 0, 0.0, np.where(at[..., 0] > bins, np.inf, value))
        known = (below[..., -1] > 0) & (self.nan == 0)
        return np.where(known, value, np.nan)

    def to_dataframe(self) -> DataFrame:
        """The counts as a pandas DataFrame.

        Returns
        -------
        pandas.DataFrame
            A row for each step, layer and bin with a number in it: the columns step, layer, least (the bin's
            lower edge), positive, negative and count. Zeros have a row whose least is 0, infinite
            numbers one of inf, NaN one of NaN.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed.
        """
        none = np.zeros_like(self.zero)
        positive = np.dstack(
            (none[..., None], self.positive, self.plus_inf[..., None], none[..., None])
        )
        negative = np.dstack(
            (none[..., None], self.negative, self.minus_inf[..., None], none[..., None])
        )
        count = positive + negative
        count[..., 0], count[..., -1] = self.zero, self.nan
        least = np.concatenate(([0.0], self.edges[:-1], [np.inf, np.nan]))
        steps, layers, bins = count.nonzero()
        return dataframe(
            {
                "step": self.step[steps],
                "layer": np.array(self.layers, dtype=object)[layers],
                "least": least[bins],
                "positive": positive[steps, layers, bins],
                "negative": negative[steps, layers, bins],
                "count": count[steps, layers, bins],
            }
        )

    def __repr__(self) -> str:
        """Say what is distributed, when, and over which magnitudes."""
        return f"<{self._title()}>"

    def _title(self) -> str:
        steps, layers = self.zero.shape
        which = f"{steps} step{'' if steps == 1 else 's'}"
        title = (
            f"Distribution of {self.field}: {which} of {layers} layer{'' if layers == 1 else 's'}"
        )
        if len(self.edges) > 1:
            title += f", magnitudes from {self.edges[0]:.3g} to {self.edges[-1]:.3g}"
        return title

    def _repr_html_(self) -> str:
        """Show quantiles of the last step in a notebook."""
        if not len(self.step):
            return _html.table(self._title(), ["layer"], [(name,) for name in self.layers])
        values = self.quantile(_SHOWN)[:, -1]
        special = ("zero", "nan", "plus_inf", "minus_inf")
        shown = [name for name in special if getattr(self, name)[-1].any()]
        rows = [
            (
                name,
                *map(float, values[:, place]),
                *(int(getattr(self, kind)[-1, place]) for kind in ("total", *shown)),
            )
            for place, name in enumerate(self.layers)
        ]
        head = [
            "layer",
            *(f"{q:.0%}" for q in _SHOWN),
            "numbers",
            *(s.replace("_", " ") for s in shown),
        ]
        caption = f"{self._title()}; quantiles of the magnitude at step {self.step[-1]}"
        return _html.table(caption, head, rows)


def _occurring(lowest: Counts, counts: NDArray[Any]) -> tuple[Any, int, int]:
    """Where counts are not 0; the least exponent there, and how many there are from it to the largest."""
    at = np.nonzero(counts.any(axis=-1))
    if not len(at[0]):
        return at, 0, 0
    exponents = lowest[at[:2]] + at[2]
    first = int(exponents.min())
    return at, first, int(exponents.max()) + 1 - first


def tallied(argument: str, given: Any, layers: tuple[str, ...]) -> Part:
    """One step's part, of arrays of numbers by field and layer; TypeError or ValueError for others."""
    mapping(argument, given)
    columns: dict[Any, NDArray[Any]] = {}
    for field in given:
        _validate.one_of(argument, field, DISTRIBUTION_FIELDS)
    for field in DISTRIBUTION_FIELDS:
        name = f"{argument}[{field!r}]"
        arrays = mapping(name, given.get(field, {}))
        for layer in arrays:
            _validate.one_of(name, layer, layers)
        cells = [_tally(f"{name}[{layer!r}]", arrays.get(layer, ())) for layer in layers]
        widest = max((len(counts) for _, counts, _ in cells), default=0)
        counts = np.zeros((1, len(layers), widest, 2), np.int64)
        for place, (_, mine, _) in enumerate(cells):
            counts[0, place, : len(mine)] = mine
        columns[field, "lowest"] = np.array([[lowest for lowest, _, _ in cells]], np.int16)
        columns[field, "counts"] = narrowed(counts)
        special = np.array([special for _, _, special in cells], np.int64).reshape(
            1, len(layers), 4
        )
        columns[field, "special"] = narrowed(special)
    return Part(np.zeros(1, np.int64), columns)


def _tally(argument: str, values: ArrayLike) -> tuple[int, Counts, list[int]]:
    """The lowest exponent, counts (W, 2) from there on, and what has no exponent."""
    numbers = _validate.array(argument, values)
    if numbers.dtype.kind not in "fiub":
        raise TypeError(f"{argument}: expected real numbers, got {_validate.described(numbers)}")
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large for a double is infinite
        numbers = numbers.reshape(-1).astype(np.float64)
    binned = np.isfinite(numbers) & (numbers != 0)
    special = [(numbers == 0), np.isnan(numbers), numbers == np.inf, numbers == -np.inf]
    exponents = np.frexp(numbers[binned])[1].astype(np.int64) - 1
    lowest = int(exponents.min()) if len(exponents) else 0
    cells = 2 * (exponents - lowest) + np.signbit(numbers[binned])
    width = int(exponents.max()) + 1 - lowest if len(exponents) else 0
    counts = np.bincount(cells, minlength=2 * width).reshape(width, 2)
    return lowest, counts, [int(which.sum()) for which in special]


def narrowed(counts: NDArray[Any]) -> NDArray[Any]:
    """Of the smallest unsigned dtype that holds all."""
    return counts.astype(np.min_scalar_type(counts.max(initial=0)))


def mapping(argument: str, value: Any) -> Mapping[str, Any]:
    """A dict, or an empty one in place of None."""
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"{argument}: expected a dict, got {value!r} ({type(value).__name__})")
    return value or {}
