"""The half of `compare.py` that measures: one process for each number of threads.

JAX fixes its threads when it starts, so one process cannot compare one thread with two. The parent
asks its workers for one round after another, in turn; whoever is not asked is idle.
"""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

import agreement
from peers.registry import PEERS
from timing import Round, Timer, time_round
from vgcore._core import simd
from workloads import SEED, Workload

PEAK_SECONDS = 0.02


class Worker:
    """A process of its own that measures on `threads` threads; a context manager."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._process = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.shutdown(cancel_futures=True)

    def prepare(self, workload: Workload, peers: Sequence[str]) -> dict[str, NDArray[np.floating]]:
        """Make and warm the peers up; return the losses on which they agree."""
        return self._process.submit(_prepare, workload, peers, self.threads).result()

    def round(self) -> Round:
        """Time one block of every peer."""
        return self._process.submit(_round, self.threads).result()


# State of the worker's process: the peers of the present workload.
_timers: dict[str, Timer] = {}
_order = random.Random(SEED)


def _prepare(
    workload: Workload, names: Sequence[str], threads: int
) -> dict[str, NDArray[np.floating]]:
    _timers.clear()
    peers = [PEERS[name](workload, threads) for name in names]
    losses = agreement.check(peers)
    _timers.update((peer.name, Timer(peer)) for peer in peers)
    return losses


def _round(threads: int) -> Round:
    peak = simd.fma_peak(PEAK_SECONDS) * threads
    return Round(time_round(_timers, _order), threads, peak)
