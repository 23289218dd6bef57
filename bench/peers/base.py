"""What `compare.py` asks of a framework."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from workloads import SEED, Array, Workload


class Peer(ABC):
    """One framework, ready to train one workload on a given number of threads.

    A peer starts from `workload.initial_weights()`, and does what a user who wants speed from that
    framework would do: the data is in its own arrays before the clock starts, a step computes the
    loss, all gradients and the SGD update, and nothing else.
    """

    name: ClassVar[str]
    package: ClassVar[str]  # the distribution whose version goes into the record

    @classmethod
    def runs(cls, workload: Workload) -> bool:
        """Whether this peer has something to say on that workload."""
        return True

    def __init__(self, workload: Workload, threads: int) -> None:
        self.workload = workload
        self.threads = threads

    @abstractmethod
    def run(self, epochs: int) -> None:
        """Train `epochs` passes over the data, each in a new random order; block until done."""

    @abstractmethod
    def losses(self, steps: int) -> NDArray[np.floating]:
        """Train the first `steps` minibatches in stored order; return each loss, (steps,)."""

    @abstractmethod
    def parameters(self) -> dict[str, Array]:
        """Copies of the parameters as they are now, by vgcore's names and in its layouts."""


class Shuffler:
    """Minibatches of sample indices, each pass over the data in a new random order."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._rng = np.random.default_rng(SEED + 2)

    def __call__(self, epochs: int) -> NDArray[np.int32]:
        """Return the minibatches of `epochs` passes, (epochs · batches, batch)."""
        once = np.arange(self._workload.samples, dtype=np.int32)
        passes = self._rng.permuted(np.tile(once, (epochs, 1)), axis=1)
        return passes.reshape(-1, self._workload.batch)
