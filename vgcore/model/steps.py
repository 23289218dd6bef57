"""The steps that one pass over the samples makes: which minibatch, and which chunk of time, each is of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vgcore.model.inputs import Data

if TYPE_CHECKING:
    from vgcore.model.session import Session

Array = NDArray[Any]


@dataclass(frozen=True)
class Steps:
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
        Timesteps of each chunk that a minibatch may be cut into.
    places : ndarray of int64, (N,)
        Of each step: C times its minibatch plus its chunk.
    weights : ndarray, (N,)
        What each step's loss counts in the mean loss of the pass.
    shares : ndarray, (N,)
        ... and the denominator's part.
    """

    order: Array | None
    batch: int
    chunks: NDArray[np.int64]
    places: NDArray[np.int64]
    weights: Array
    shares: Array

    def mean(self, losses: Array) -> float:
        """The loss of all samples that were in the steps whose ``losses`` these are, from the first on."""
        if len(losses) == 1:
            return float(losses[0])
        done = slice(len(losses))
        return float((losses * self.weights[done]).sum() / self.shares[done].sum())


def of_pass(
    session: Session, data: Data, batch: int, *, order: Array | None = None, updating: bool = True
) -> Steps:
    """The steps of one pass over ``data`` in ``order``."""
    samples = len(data.x)
    order = order_by_length(order, data.lengths, batch)
    chunks = _chunks(session, data.times, updating)
    first = np.arange(0, samples, batch)
    rows = np.minimum(batch, samples - first)
    if len(chunks) == 1 and data.lengths is None:
        return Steps(order, batch, chunks, np.arange(len(first)), rows, rows)
    lengths = np.full(samples, data.times) if data.lengths is None else data.lengths
    lengths = lengths if order is None else lengths[order]
    begins = np.cumsum(chunks) - chunks
    valid = np.add.reduceat(np.clip(lengths[:, np.newaxis] - begins, 0, chunks), first)
    alive = valid > 0
    if session.gives_time and session.compiled.loss.reduction == "mean":
        weights = shares = valid
    else:
        weights = np.broadcast_to(rows[:, np.newaxis], alive.shape)
        shares = weights / alive.sum(axis=1, keepdims=True)
    return Steps(order, batch, chunks, np.flatnonzero(alive), weights[alive], shares[alive])


def _chunks(session: Session, times: int, updating: bool) -> NDArray[np.int64]:
    """Timesteps of each chunk: one, but with truncated BPTT one per update."""
    length = session.compiled.tbptt
    if length is None or not session.gives_time or not updating:
        return np.array([times])
    begins = np.arange(0, times, length)
    return np.minimum(length, times - begins)


def order_by_length(order: Array | None, lengths: Array | None, batch: int) -> Array | None:
    """The order with each minibatch's samples by falling length, as the engine wants them."""
    if lengths is None:
        return order
    order = np.arange(len(lengths)) if order is None else order
    minibatch = np.arange(len(order)) // batch
    return np.ascontiguousarray(order[np.lexsort((-lengths[order], minibatch))])
