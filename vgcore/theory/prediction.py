"""`predict`: how large a wide random network's signals and gradients are expected to be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _html, _validate
from vgcore._frames import dataframe
from vgcore.layers.base import Layer, Shape, features
from vgcore.layers.batchnorm import BatchNorm
from vgcore.layers.gru import GRU
from vgcore.layers.lstm import LSTM
from vgcore.layers.pooling import AvgPool, GlobalAvgPool
from vgcore.model import Sequential, inputs
from vgcore.theory import blocks, data, norms, place, recurrent, rules, softmax
from vgcore.theory.signal import Course, Gradient, Length, Row, Signal, with_diagonal

if TYPE_CHECKING:
    from pandas import DataFrame

    from vgcore.model.session import Session

Array = NDArray[np.float64]

_ROOMS = rules, norms, blocks, recurrent  # whose rules there are
_COVERED = 1.6448536269514722  # standard deviations either way: 90 of 100 draws
_MOST_ROWS = 20_000  # samples times places that are followed one by one
_MOST_PAIRED, _LEAST_PAIRED = 48, 4  # samples that are followed in pairs
_MOST_DEEP = 24_000  # ... times layers
_MOST_TOGETHER = 256  # ... where they are normalised with each other
_MOST_PAIRS = 256  # samples times places: all pairs of them


@dataclass(frozen=True, eq=False, repr=False)
class Prediction:
    """What mean-field theory expects of a network's start; see `predict`.

    Attributes
    ----------
    layers : list of str, (L,)
        As of `vgcore.GradientFlow`.
    z, h, delta : ndarray of float64, (L,)
        Expected root mean square over batch, units, places and timesteps of the pre-activations, of the
        outputs, and of dL/dz, the last relative to the last layer's. NaN where a layer has none.
    spread : dict of str to ndarray, (2, L)
        By "z", "h" and "delta": between which lengths 90 of 100 draws of the weights lie.
    time : dict of str to ndarray, (T,)
        Of each recurrent layer: expected norm of dL/dh_t relative to that of the last timestep of its walk.
    time_spread : dict of str to ndarray, (2, T)
    bounds : dict of str to float
        Of each RNN Pascanu's bound: what dh_t/dh_(t-1) of many units stretches a vector by at most. Draws of
        some tens of units may exceed it by a few percent.
    backwards : frozenset of str
        Walks from the end to the beginning, whose last timestep is the first.
    """

    layers: list[str]
    z: Array
    h: Array
    delta: Array
    spread: Mapping[str, Array]
    time: Mapping[str, Array] = field(default_factory=dict)
    time_spread: Mapping[str, Array] = field(default_factory=dict)
    bounds: Mapping[str, float] = field(default_factory=dict)
    backwards: frozenset[str] = frozenset()
    _fields: Mapping[str, Array] = field(default_factory=dict)

    def of(self, field: str) -> tuple[Array, Array, Array]:
        """A field of `vgcore.GradientFlow` as theory has it: expected value, and where 90 of 100 draws lie.

        Parameters
        ----------
        field : str
            "delta", "delta_skip", "delta_body", "activation_mean", "activation_std" or "weight_norm". Those
            of gradients are norms over the batch, but for one factor: that of the last layer's delta is 1.

        Returns
        -------
        mean, low, high : ndarray of float64, (L,)
            NaN where a layer has no such value.

        Raises
        ------
        TypeError, ValueError
            If theory has no such field.
        """
        mean, low, high = self._fields[_validate.one_of("field", field, self._fields)]
        return mean, low, high

    def to_dataframe(self) -> DataFrame:
        """A row for each layer, as a pandas DataFrame; `ModuleNotFoundError` without pandas."""
        columns: dict[str, Any] = {"layer": self.layers}
        for name in self.spread:
            columns[name] = getattr(self, name)
            columns[f"{name}_low"], columns[f"{name}_high"] = self.spread[name]
        return dataframe(columns)

    def __repr__(self) -> str:
        """Say what becomes of the gradient."""
        return f"<{self._title()}>"

    def _title(self) -> str:
        count = len(self.layers)
        title = f"Prediction: {count} layer{'' if count == 1 else 's'}"
        norms = self.of("delta")[0]
        ends = np.flatnonzero(np.isfinite(norms))
        if len(ends) > 1:
            first, last = (self.layers[end] for end in (ends[0], ends[-1]))
            ratio = norms[ends[0]] / norms[ends[-1]]
            title += f"; the norm of delta of {first} is {ratio:.3g} times that of {last}"
        return title

    def _repr_html_(self) -> str:
        rows = [
            (name, *(float(getattr(self, each)[place]) for each in self.spread))
            for place, name in enumerate(self.layers)
        ]
        return _html.table(self._title(), ["layer", *self.spread], rows)


def predict(model: Sequential, x: ArrayLike) -> Prediction:
    """What mean-field theory expects a model's signals and gradients to be, before it is trained.

    Of a network as wide as one likes, of the model's layers, with weights drawn as its layers' initializers
    say, for the minibatch ``x``, while training (with dropout, batch statistics): lengths of z, h and the
    error signal delta in every layer, and how far draws of the real widths differ.

    Parameters
    ----------
    model : Sequential
        Compiled or not; it is not changed. What counts are the initializers that its layers were made with,
        and not its weights by now.
    x : array_like
        Inputs as for `Sequential.fit`: a minibatch, where there is batch normalisation; up to some
        hundred samples are followed.

    Returns
    -------
    Prediction

    Raises
    ------
    NotImplementedError
        If theory does not have a layer, or a start; the message names it.
    TypeError, ValueError
        For bad arguments, and for a model that is not trained whose weights are clearly not those of its
        layers' initializers, for it is from a file or was initialized as a whole (`lsuv`, `fixup`). Of a
        trained model nobody can tell: files keep no initializers, so one that was trained and loaded is
        silently taken for one with its layers' defaults. ValueError, too, for an activation without finite
        moments, as ``formula("1/z")``.

    Notes
    -----
    Lengths follow Poole et al. 2016 (arXiv:1606.05340), gradients Schoenholz et al. 2017
    (arXiv:1611.01232), with dropout, too; convolutions Xiao et al. 2018 (arXiv:1806.05393); blocks
    Yang and Schoenholz 2017 (arXiv:1712.08969); batch normalisation Yang et al. 2019 (arXiv:1902.08129);
    RNNs Chen et al. 2018 (arXiv:1806.05394), LSTMs and GRUs Gilboa et al. 2019 (arXiv:1901.08987). Draws of
    finite widths: Hanin and Nica 2020 (arXiv:1812.05994), whose 5/n per layer of rectifiers this gives; of
    one sample, or of samples that are alike. Gradients of different samples are taken to have at the last
    layer as much in common as random vectors of its width have, and equal lengths.

    Weights are independent with mean 0, or orthogonal (to first order the same: Pennington et al. 2017,
    arXiv:1711.04735). ``Constant`` but for 0, ``Uniform`` and normal weights with another mean, and
    ``Identity`` are refused; an initializer or function of one's own is drawn from.

    Bands are of real widths, to first order in 1/width, for gradients that come from above independent of the
    weights: of outputs whose softmax is far from even, of inputs that are all alike, 60 to 80 of 100 draws
    lie in those of the gradient. They are NaN, not known, for mean and standard deviation of activations
    behind batch normalisation that is itself behind more than one layer of weights. What has no spread at
    all, as a LayerNorm's outputs, has a band of no width; measured numbers lie in it but for rounding.

    Examples
    --------
    >>> import numpy as np
    >>> import vgcore as vg
    >>> deep = [*(vg.Dense(200, "tanh") for _ in range(5)), vg.Dense(10, "softmax")]
    >>> model = vg.Sequential(deep, input_shape=64, seed=0)
    >>> model.compile("sparse_categorical_crossentropy")
    >>> x, y = np.random.default_rng(0).normal(size=(100, 64)), np.arange(100) % 10
    >>> theory = vg.theory.predict(model, x)
    >>> expected, low, high = theory.of("delta")  # norms, as a flow has them, but for one factor
    >>> measured = model.gradient_flow(x, y).delta[-1]
    >>> measured = measured / measured[-1] * expected[-1]
    >>> bool(np.all((low <= measured) & (measured <= high)))
    True
    """
    if not isinstance(model, Sequential):
        raise TypeError(f"model: expected a Sequential, got {_validate.kind(model)}")
    session = model.session
    given = inputs.samples(session, x).x
    with session.turn, np.errstate(all="ignore"):
        course, rows = _follow(session, given)
    names = list(session.layout.columns)
    found = {row.name: row for row in rows}
    return _prediction(course, [found[name] for name in names])


def _follow(session: Session, x: NDArray[Any]) -> tuple[Course, list[Row]]:
    layers, shapes = session.layers, session.shapes
    times = x.shape[1] if session.stack.takes_time else 1
    together = any(isinstance(layer, BatchNorm) for layer in _all(layers))
    gates = any(isinstance(layer, LSTM | GRU) for layer in _all(layers))
    walks = any(layer.walks() for layer in layers)
    pooled = any(isinstance(layer, AvgPool | GlobalAvgPool) for layer in _all(layers))
    whole = together or gates or pooled
    most = _most_places(layers, shapes, times)
    deep = max(_MOST_DEEP // len(_all(layers)), _LEAST_PAIRED)
    pairs = recurrent.MOST_ROWS if whole or walks else _MOST_PAIRS
    paired = min(len(x), pairs // most, _MOST_TOGETHER if together else min(_MOST_PAIRED, deep))
    if walks:
        paired = min(paired, max(recurrent.MOST_DRAWN // most, 1))
    count = paired if whole and paired else min(len(x), max(paired, _MOST_ROWS // most, 1))
    course = Course(len(x))
    course.resolution = float(np.finfo(session.dtype).eps)
    course.trained = session.step > 0
    chosen = _evenly(len(x), count, paired)
    start = data.read(course, session.stack, x[chosen], paired)
    signal, back = place.through(
        course, layers[start.layers :], shapes[start.layers :], start.signal, times=times
    )
    signed, squared = _alike(course, session, signal)
    count, places = signal.square.shape
    ones = np.ones((count, places))
    common = crossed = None
    if paired:
        shape = paired, places, paired, places
        common = with_diagonal(np.full(shape, math.sqrt(squared)), ones)
        if together or walks:
            crossed = with_diagonal(np.full(shape, signed), ones)
    start.back(back(Gradient(ones, crossed, common)))
    return course, course.rows


def _alike(course: Course, session: Session, signal: Signal) -> tuple[float, float]:
    """What dL/dz of two rows of the last layer have in common: the mean, and the mean square.

    Those of cross-entropy with random labels where outputs are classes, of random vectors elsewhere.
    """
    logits = course.logits
    if session.chosen is not None and session.chosen.loss.categorical and signal.normal:
        logits = signal
    if logits is None or logits.square.size == 1 or not np.isfinite(logits.square).all():
        return 0.0, 1 / signal.units
    return softmax.alike(logits)


def _evenly(count: int, wanted: int, first: int) -> NDArray[np.int64]:
    """Some of ``count`` samples from all over, the ``first`` of which are themselves from all over."""
    some = np.unique(np.linspace(0, count - 1, wanted).astype(np.int64))
    if not first:
        return some
    ahead = np.unique(np.linspace(0, len(some) - 1, first).astype(np.int64))
    return np.concatenate([some[ahead], np.delete(some, ahead)])


def _all(layers: Iterable[Layer]) -> list[Layer]:
    return [each for layer in layers for each in (layer, *_all(layer.members()))]


def _most_places(layers: Sequence[Layer], shapes: Sequence[Shape], times: int) -> int:
    """Pixels or timesteps of the largest signal, inside blocks too."""
    found = 1
    for layer, shape in zip(layers, shapes, strict=False):
        if layer.vocabulary is None:
            found = max(found, _places(shape, times))
        for inner, inside, _ in layer.branches(shape):
            found = max(found, _most_places(inner, inside, times))
    return max(found, _places(shapes[-1], times))


def _places(shape: Shape, times: int) -> int:
    return math.prod(times if size is None else size for size in shape) // features(shape)


def _prediction(course: Course, rows: Sequence[Row]) -> Prediction:
    z, h, delta = (_bands([getattr(row, name) for row in rows]) for name in ("z", "h", "delta"))
    sizes = np.array([row.numbers for row in rows], np.float64)
    last = delta[0, -1] * math.sqrt(sizes[-1])
    inputs = np.array([row.inputs for row in rows], np.float64)
    mean = np.array([row.mean for row in rows])
    off = _COVERED * np.sqrt(mean[:, 1])
    fields = {
        "delta": delta * np.sqrt(sizes) / last,
        "delta_skip": _bands([row.skip for row in rows]) * np.sqrt(inputs) / last,
        "delta_body": _bands([row.body for row in rows]) * np.sqrt(inputs) / last,
        "activation_mean": np.stack([mean[:, 0], mean[:, 0] - off, mean[:, 0] + off]),
        "activation_std": _bands([row.spread for row in rows]),
        "weight_norm": _bands([row.weight for row in rows]),
    }
    spread = {"z": z[1:], "h": h[1:], "delta": delta[1:] / delta[0, -1]}
    time = {name: _bands(of_time) for name, of_time in course.time.items()}
    return Prediction(
        [row.name for row in rows],
        z[0],
        h[0],
        delta[0] / delta[0, -1],
        MappingProxyType(spread),
        MappingProxyType({name: each[0] for name, each in time.items()}),
        MappingProxyType({name: each[1:] for name, each in time.items()}),
        MappingProxyType(course.bounds),
        frozenset(course.backwards),
        MappingProxyType(fields),
    )


def _bands(lengths: Sequence[Length | None]) -> Array:
    """Expected root, and where 90 of 100 draws lie, of mean squares whose logarithms are normal."""
    square = np.array([math.nan if each is None else each.square for each in lengths])
    spread = np.array([0.0 if each is None else each.variance for each in lengths])
    root = np.sqrt(square)
    off = _COVERED * np.sqrt(spread) / 2
    logs = [-np.nan_to_num(spread) / 8, -spread / 4 - off, -spread / 4 + off]
    return np.stack([root * np.exp(each) for each in logs])
