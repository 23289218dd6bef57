"""The steps that one pass over the samples makes: which minibatch, and which chunk of time, each is of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore.model import inputs
from vgcore.model.inputs import Data

if TYPE_CHECKING:
    from vgcore.model.session import Session

Array = NDArray[Any]


class Steps(NamedTuple):
    """The steps of one pass, in order.

    Each minibatch is one step or, truncated and with targets at every timestep, one for each chunk of time
    in which a sample is alive.

    Attributes
    ----------
    order : ndarray of int64, (n,), or None
        The sample in each place; None: as they come.
    batch : int
        Samples of a minibatch; the last one may have fewer.
    chunks : ndarray of int64, (C,)
        Timesteps of each chunk that a minibatch may be cut into; only the last may be shorter.
    places : ndarray of int64, (N,)
        Of each step: C times its minibatch plus its chunk.
    weights : ndarray, (N,)
        What each step's loss counts in the mean loss of the pass.
    shares : ndarray, (N,)
        ... and the denominator's part.
    judged : ndarray, (N,), or None
        How many outputs of each step are right or wrong; None where outputs are numbers.
    """

    order: Array | None
    batch: int
    chunks: NDArray[np.int64]
    places: NDArray[np.int64]
    weights: Array
    shares: Array
    judged: Array | None

    def mean(self, losses: Array) -> float:
        """The loss of all samples that were in the steps whose ``losses`` these are, from the first on."""
        if len(losses) == 1:
            return float(losses[0])
        done = slice(len(losses))
        share = self.shares[done].sum()
        return float((losses * self.weights[done]).sum() / share) if share else 0.0


def whole(data: Data) -> Steps:
    """All samples, and all of time, in one step."""
    rows = len(data.x)
    order = order_by_length(None, data.lengths, rows)
    count = np.array([rows])
    return Steps(order, rows, np.array([data.times]), np.zeros(1, np.int64), count, count, None)


def of_pass(session: Session, data: Data, batch: int, *, order: Array | None = None) -> Steps:
    """The steps of one pass over ``data`` in ``order``."""
    order = order_by_length(order, data.lengths, batch)
    samples = len(data.x) if order is None else len(order)
    chunks = _chunks(session, data.times)
    first = np.arange(0, samples, batch)
    rows = np.minimum(batch, samples - first)
    counts = inputs.counted(session, data)
    judging = session.compiled.loss.judged is not None and data.compiled is not None
    if len(chunks) == 1 and counts is None and not (judging and data.weights is not None):
        judged = rows * inputs.places_of(session, data) if judging else None
        return Steps(
            order, batch, chunks, np.arange(len(first), dtype=np.int64), rows, rows, judged
        )
    counts = inputs.all_counted(session, data) if counts is None else counts

    def in_steps(values: Array) -> Array:
        """Sums over samples and places of each minibatch (rows) and chunk (columns)."""
        return np.add.reduceat(_in_chunks(values, order, chunks), first)

    alive = np.ones((len(first), len(chunks)), bool)
    if session.gives_time and data.lengths is not None:
        alive = in_steps(np.arange(data.times) < data.lengths[:, np.newaxis]) > 0
    if session.compiled.loss.reduction == "mean":
        weights = shares = in_steps(counts)
    else:
        whole = np.add.reduceat(_in_order(counts, order).any(axis=1), first, dtype=np.int64)
        weights = np.broadcast_to(whole[:, np.newaxis], alive.shape)
        if session.compiled.loss.ignore_index is not None:
            weights = np.add.reduceat(_in_chunks(counts, order, chunks) > 0, first, dtype=np.int64)
        each = whole[:, np.newaxis] / np.maximum(alive.sum(axis=1, keepdims=True), 1)
        shares = np.broadcast_to(each, alive.shape)
    judged = None
    if judging:
        seen = (
            counts if data.weights is None else counts & (data.weights.reshape(len(counts), -1) > 0)
        )
        judged = in_steps(seen)[alive]
    return Steps(
        order,
        batch,
        chunks,
        np.flatnonzero(alive).astype(np.int64, copy=False),
        weights[alive],
        shares[alive],
        judged,
    )


def _in_order(values: Array, order: Array | None) -> Array:
    return values if order is None else values[order]


def _in_chunks(values: Array, order: Array | None, chunks: NDArray[np.int64]) -> Array:
    """Sums over the places (n, places) of each sample that lie in each chunk, or over all of them."""
    begins = np.cumsum(chunks) - chunks if len(chunks) > 1 else np.zeros(1, np.intp)
    return np.add.reduceat(_in_order(values, order), begins, axis=1, dtype=np.int64)


def _chunks(session: Session, times: int) -> NDArray[np.int64]:
    """Timesteps of each chunk: one, but with truncated BPTT one per update."""
    length = session.compiled.tbptt
    if length is None or not session.gives_time:
        return np.array([times])
    begins = np.arange(0, times, length)
    return np.minimum(length, times - begins)


def order_by_length(order: Array | None, lengths: Array | None, batch: int) -> Array | None:
    """The order with each minibatch's samples by falling length, as the engine wants them."""
    if lengths is None:
        return order
    order = np.arange(len(lengths), dtype=np.int64) if order is None else order
    minibatch = np.arange(len(order)) // batch
    return np.ascontiguousarray(order[np.lexsort((-lengths[order], minibatch))])
