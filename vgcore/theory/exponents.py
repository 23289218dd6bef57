"""Lyapunov exponents of recurrent layers: at what rates neighbouring states part along given inputs.

The state's tangent space is carried along by the Jacobians J_t = ds_t/ds_{t-1}, s the state:

    ``J_t Q_{t-1} = Q_t R_t``        ``lambda_i = lim 1/T sum over t of log (R_t)_ii``

with Q orthonormal and R upper triangular (Benettin et al. 1980; Engelken, Wolf and Abbott 2023, Phys. Rev.
Research 5, 043044; Vogt et al. 2022, Front. Appl. Math. Stat. 8). A QR decomposition follows every timestep.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _validate
from vgcore._core import tangents
from vgcore.model import Sequential, inputs, threads
from vgcore.theory.walks import Float64, Walk, check

if TYPE_CHECKING:
    from vgcore.model.inputs import Data

Array = NDArray[Any]


class Lyapunov(NamedTuple):
    """The leading k Lyapunov exponents of a walk, per timestep: log of a factor, in nats.

    They are in the order in which QR finds them, which for long sequences is from largest to smallest.
    -infinity is a direction of which nothing is left, as behind units that are dead or saturated: less than
    float64 can tell from rounding.

    Attributes
    ----------
    exponents : ndarray of float64, (k,)
        The mean over samples.
    samples : ndarray of float64, (n, k)
        Those of each sample, along all of it but the transient.
    history : ndarray of float64, (time, k)
        Row t is what they would be had sequences ended behind timestep t: the mean over samples that go on
        until then. NaN in the transient. Where it has become level, the sequence is long enough.
    """

    exponents: Float64
    samples: Float64
    history: Float64

    def __repr__(self) -> str:
        """Show how many there are, and in what range."""
        count, first, last = len(self.exponents), self.exponents[0], self.exponents[-1]
        return (
            f"<Lyapunov: {count} exponents from {first:.4g} to {last:.4g} per timestep, "
            f"of {len(self.samples)} samples>"
        )


def lyapunov(
    model: Sequential,
    x: ArrayLike,
    layer: str,
    k: int | None = None,
    *,
    lengths: ArrayLike | None = None,
    initial_state: Sequence[Any] | None = None,
    transient: int = 0,
) -> Lyapunov:
    """Lyapunov exponents of a recurrent layer along inputs, as when predicting, in float64.

    The first is the rate at which a small change of the state grows, or where it is negative fades; gradients
    that are backpropagated through time do the same. Where it is about 0 both stay.

    Parameters
    ----------
    model : Sequential
    x : array_like, (n, time, features) or integers (n, time)
    layer : str
        Name of an RNN, LSTM or GRU layer, as `Sequential.state_jacobian` takes it.
    k : int, optional
        How many; by default all: as many as the layer has units, and of an LSTM, whose state is h and c,
        twice as many.
    lengths : array_like of int, (n,), optional
        As in `fit`: each sample ends at its own last timestep.
    initial_state : list, optional
        What the layers start from, as in `predict`.
    transient : int
        Timesteps at the start that are left out, in which the state finds to where it stays, and the tangent
        vectors, which start from random directions (always the same), turn to where they grow.

    Returns
    -------
    Lyapunov

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, there is no such layer, or a sequence is not
        longer than the transient.

    Notes
    -----
    Of two runs over T timesteps the exponents differ by some multiple of 1/T from where the vectors start,
    and of 1/sqrt(T) from the inputs if these are random.
    """
    if not isinstance(model, Sequential):
        raise TypeError(f"model: expected a Sequential, got {_validate.kind(model)}")
    session = model.session
    data = inputs.samples(session, x, lengths)
    name = check(session, layer)
    transient = _validate.integer("transient", transient, minimum=0)
    with session.turn:
        walk = Walk(session, name, data, initial_state)
        if k is None:
            k = walk.size
        k = _validate.integer("k", k, minimum=1, maximum=walk.size)
        _check_lengths(walk, data, transient)
        return _averaged(walk, k, transient)


def _check_lengths(walk: Walk, data: Data, transient: int) -> None:
    """Raise if a sequence is over before the first timestep that counts."""
    shortest = int(walk.lengths.min())
    if shortest > transient:
        return
    if data.lengths is not None and shortest == 0:
        where = int(walk.lengths.argmin())
        raise ValueError(f"lengths: expected lengths of at least 1, got 0 at lengths[{where}]")
    raise ValueError(
        f"transient: expected fewer timesteps than the shortest sequence has, {shortest}; got {transient}"
    )


def _averaged(walk: Walk, k: int, transient: int) -> Lyapunov:
    """Exponents sample by sample, and their means."""
    most = int(walk.lengths.max())
    sums = np.zeros((most, k))
    samples = np.empty((len(walk.lengths), k))
    course_of = partial(_course, walk, k, transient)
    workers = threads.startable(len(samples))
    pool = ThreadPoolExecutor(workers) if workers else None
    try:
        courses = (pool.map if pool else map)(course_of, range(len(samples)))
        for sample, (length, course) in enumerate(zip(walk.lengths, courses, strict=True)):
            sums[transient:length] += course
            samples[sample] = course[-1]
    finally:
        if pool:
            pool.shutdown(cancel_futures=True)
    history = np.full((walk.times, k), np.nan)
    alive = (np.arange(most)[:, np.newaxis] < walk.lengths).sum(axis=1)
    history[transient:most] = sums[transient:] / alive[transient:, np.newaxis]
    return Lyapunov(samples.mean(axis=0), samples, history)


def _course(walk: Walk, k: int, transient: int, sample: int) -> Float64:
    """The exponents (length - transient, k) of one sample, up to each timestep behind the transient."""
    vectors = np.random.default_rng(0).normal(size=(walk.size, walk.size))[:k].copy()
    tangents.orthonormalise(vectors)
    lengths = np.empty((int(walk.lengths[sample]), k))
    for begin, end, jacobians in walk.forwards(sample):
        tangents.carry(vectors, jacobians, lengths[begin:end])
    with np.errstate(divide="ignore"):  # of directions that are gone
        growth = np.log(lengths[transient:])
    means: Float64 = np.cumsum(growth, axis=0) / np.arange(1, len(growth) + 1)[:, np.newaxis]
    return means
