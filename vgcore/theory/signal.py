"""What goes through a wide random network, forwards and backwards, as mean-field theory follows it.

A `Signal` is the units' second moments, sample by sample and place by place; a `Gradient` those of dL/dh or
dL/dz. What differs between draws of the weights is of order 1/width: each mean over a layer's units is off by
a little, at random, and the logarithms of these errors add up along the way (Hanin and Nica 2020, "Products
of many large random matrices and gradients in deep neural networks"). Each has a direction of its
own in a space of sources, so that what branches have in common adds up, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_MOST_SOURCES = (
    4000  # whose common errors forwards and backwards are followed: memory grows with the square
)


@dataclass(frozen=True)
class Signal:
    """Units of a layer, over draws of the weights.

    Attributes
    ----------
    square, mean : ndarray, (n, places)
        E h² and E h.
    cross : ndarray, (m, places, m, places), or None
        E h_a h_b of the same unit, for the first m samples.
    loose : ndarray, (m, places, m, places), or None
        By how much the mean of h_a h_b over the units varies between draws: its variance.
    units : int
    noise : ndarray, (sources,)
        Relative error of the batch's mean square in one draw.
    drift : ndarray, (sources,)
        Error of the mean over units and batch.
    rough : float
        Relative variance of one row's mean square between draws, since it was last normalised.
    tied : float
        Relative covariance of that with the mean of the slopes' squares that led there.
    normal : bool
        Whether each unit is normal.
    weights : int
        How many layers of random weights are behind it.
    fourth : float
        By how much E h⁴ / (E h²)² is off a normal unit's 3, over 3.
    unknown : bool
        Whether theory has no word of how far the units' means are off.
    """

    square: Array
    mean: Array
    cross: Array | None
    units: int
    loose: Array | None = None
    noise: Array = field(default_factory=lambda: np.zeros(0))
    drift: Array = field(default_factory=lambda: np.zeros(0))
    rough: float = 0.0
    tied: float = 0.0
    normal: bool = False
    weights: int = 0
    fourth: float = 0.0
    unknown: bool = False

    @property
    def size(self) -> float:
        """The mean square over the batch."""
        return np.float64(self.square.mean())

    def scaled(self, factor: float) -> Signal:
        """Times a number whose square is ``factor``."""
        root = math.sqrt(factor)
        cross = None if self.cross is None else self.cross * factor
        loose = None if self.loose is None else self.loose * factor**2
        square, mean, drift = self.square * factor, self.mean * root, self.drift * root
        return replace(self, square=square, mean=mean, cross=cross, loose=loose, drift=drift)


@dataclass(frozen=True)
class Gradient:
    """dL/dh, or dL/dz, relative to that of the last layer.

    Attributes
    ----------
    square : ndarray, (n, places)
        E g².
    cross : ndarray, (m, places, m, places), or None
        E g_a g_b of the same unit; followed where rows are normalised with each other, or walked.
    overlap : ndarray, (m, places, m, places), or None
        The root of the mean square of what g_a and g_b have in common, over their units.
    noise : ndarray, (sources,)
        As of `Signal`.
    uneven : 0, or ndarray, (places, places)
        Covariance between draws of the logarithms of the places' mean squares, as far as it is followed:
        behind walks, and weights that all timesteps have in common.
    """

    square: Array
    cross: Array | None
    overlap: Array | None
    noise: Array = field(default_factory=lambda: np.zeros(0))
    uneven: Any = 0.0

    @property
    def size(self) -> float:
        """The mean square over the batch."""
        return np.float64(self.square.mean())

    def times(self, factor: Any, pairs: Any, noise: Array | None = None) -> Gradient:
        """Each g² times a ``factor``, (n, places), each product of two times ``pairs``."""
        square = self.square * factor
        return replace(
            self,
            square=square,
            cross=scaled(self.cross, pairs, square),
            overlap=scaled(self.overlap, pairs, square),
            noise=self.noise if noise is None else noise,
        )


class Length(NamedTuple):
    """A mean square, and the variance of its logarithm over draws."""

    square: float
    variance: float = 0.0


@dataclass
class Row:
    """What is found of one column of a flow."""

    name: str
    numbers: int
    z: Length | None = None
    h: Length | None = None
    mean: tuple[float, float] = (math.nan, 0.0)
    spread: Length | None = None
    delta: Length | None = None
    skip: Length | None = None
    body: Length | None = None
    weight: Length | None = None
    inputs: int = 0


class Course:
    """One way through a model: the rows found, and the sources of errors.

    ``samples`` is how many there are in the batch, of which some are followed.
    """

    def __init__(self, samples: int) -> None:
        self.samples = samples
        self.rows: list[Row] = []
        self.time: dict[str, Any] = {}
        self.bounds: dict[str, float] = {}
        self.backwards: set[str] = set()
        self.resolution = 0.0  # from 1 to the next number
        self.trained = False  # whether weights are still those drawn
        self.logits: Signal | None = None  # of a softmax at the end
        self.starts = True  # whether the gradient is the last layer's own
        self._sources, self._rng = 0, np.random.default_rng(0)

    @cached_property
    def doubt(self) -> Array:
        """What theory itself may be off by, in all layers in one direction."""
        return self.chance(1.0)

    def source(self, relative: float) -> Array:
        """A new source of errors with a relative variance: of the logarithm."""
        return self.chance(math.log1p(max(relative, 0.0)) if math.isfinite(relative) else 0.0)

    def chance(self, size: float) -> Array:
        """A new source of errors with a variance.

        Of very deep models it takes the place of an old one, with a sign at random.
        """
        place, around = self._sources % _MOST_SOURCES, self._sources // _MOST_SOURCES
        self._sources += 1
        found = np.zeros(_MOST_SOURCES if around else place + 1)
        if math.isfinite(size):
            sign = self._rng.choice([-1.0, 1.0]) if around else 1.0
            found[place] = sign * math.sqrt(max(size, 0.0))
        return found

    def of_mean(self, cross: Array | None, square: Array, mean: Array, units: int) -> Array:
        """A new source: the mean over units that are independent."""
        if cross is None:
            common = float(square.mean() - (mean**2).mean())
        else:
            common = self.average(cross - outer(mean, len(cross)))
        return self.chance(common / units)

    def products(self, pairs: Array | None, square: Array, loose: Array | None = None) -> float:
        """The mean square of all pairs, relative to that of rows; 1 where all are alike."""
        size = np.float64(square.mean())
        if size == 0 or not math.isfinite(size):
            return 0.0
        if pairs is None:
            return np.float64((square**2).mean()) / size**2
        found = pairs**2
        if loose is not None:  # in no draw have two rows more in common than each with itself
            found = np.minimum(found + loose, outer(square, len(pairs)))
        return self.average(found) / size**2

    def average(self, pairs: Array) -> float:
        """The mean over all pairs of the batch's rows, by those that are followed, (m, places, m, places)."""
        return float(self.by_place(pairs.mean(axis=(1, 3))[:, np.newaxis, :, np.newaxis])[0, 0])

    def by_place(self, pairs: Array) -> Array:
        """The same of each pair of places, (places, places)."""
        count = len(pairs)
        within: Array = np.einsum("apaq->pq", pairs) / count
        if count == 1:
            return within
        across = (pairs.sum(axis=(0, 2)) - count * within) / (count * (count - 1))
        found: Array = within / self.samples + across * (1 - 1 / self.samples)
        return found


def total(*parts: Array) -> Array:
    """The sum of errors, each of as many sources as there were."""
    found = np.zeros(max(map(len, parts)))
    for part in parts:
        found[: len(part)] += part
    return found


def variance(noise: Array) -> float:
    """Of an error."""
    return float(noise @ noise)


def scaled(pairs: Array | None, factor: Any, square: Array) -> Array | None:
    """Pairs times a factor, but for each row with itself."""
    return None if pairs is None else with_diagonal(pairs * factor, square)


def with_diagonal(pairs: Array, square: Array) -> Array:
    """Pairs (m, places, m, places), each row with itself as in ``square`` (n, places)."""
    count, places = pairs.shape[:2]
    found = np.array(pairs)
    rows = found.reshape(count * places, count * places)
    np.fill_diagonal(rows, square[:count].ravel())
    return found


def outer(rows: Array, count: int) -> Array:
    """Products of all pairs of the first ``count`` samples' rows."""
    return np.multiply.outer(rows[:count], rows[:count])


def without_diagonal(pairs: Array) -> Array:
    """Pairs (m, places, m, places), 0 for each row with itself."""
    return with_diagonal(pairs, np.zeros(pairs.shape[:2]))


def correlations(cross: Array, square: Array) -> Array:
    """Pairs as correlations, from -1 to 1."""
    root = np.sqrt(square)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        found = cross / outer(root, len(cross))
    return np.clip(np.nan_to_num(found, nan=0.0), -1, 1)
