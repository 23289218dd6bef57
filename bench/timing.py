"""How a step is timed: blocks of many steps, one of each peer per round, in random order."""

from __future__ import annotations

import gc
import math
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from peers.base import Peer

BLOCK_SECONDS = 0.05  # shortest block worth timing
SETTLE_SECONDS = 0.01  # for the idle threads of the last peer to stop spinning


@dataclass(frozen=True)
class Sample:
    """One timed block of one peer."""

    step_seconds: float
    cores: float  # CPU time over wall time: how many cores the block really kept busy


@dataclass(frozen=True)
class Round:
    """One block of every peer, and what the machine could do meanwhile."""

    samples: dict[str, Sample]  # by the peer's name
    threads: int
    peak: float  # float32 GFLOP/s of fused multiply-adds, on all of those threads


class Timer:
    """One peer, and the number of passes over the data that make a block of it."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        peer.run(1)  # compiles what is still to be compiled
        self._epochs = math.ceil(BLOCK_SECONDS / self._seconds(1))
        peer.run(self._epochs)  # JAX compiles anew for each number of steps

    def _seconds(self, epochs: int) -> float:
        start = time.perf_counter()
        self._peer.run(epochs)
        return time.perf_counter() - start

    def sample(self) -> Sample:
        """Time one block."""
        time.sleep(SETTLE_SECONDS)
        cpu = time.process_time()
        seconds = self._seconds(self._epochs)
        cpu = time.process_time() - cpu
        steps = self._epochs * self._peer.workload.batches
        return Sample(step_seconds=seconds / steps, cores=cpu / seconds)


def time_round(timers: dict[str, Timer], order: random.Random) -> dict[str, Sample]:
    """Time one block of every peer, in random order: none always follows the same neighbour."""
    shuffled = order.sample(list(timers), len(timers))
    with no_garbage_collector():
        samples = {name: timers[name].sample() for name in shuffled}
    return {name: samples[name] for name in timers}


@contextmanager
def no_garbage_collector() -> Iterator[None]:
    """What is timed is not stopped by it."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
