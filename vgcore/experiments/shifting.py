"""Images that are mirrored and shifted anew in each epoch, as in He et al. 2016, section 4.2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore.model.callbacks import Callback

_PAD = 4


class Shifted:
    """Minibatches of images, half of them mirrored, each cut from itself with zeros around.

    An epoch's order and draws depend on the seed and its number alone, so that a training that was stopped
    goes on as if it was not.

    Parameters
    ----------
    x : ndarray, (n, channels, height, width)
    y : ndarray, (n,)
    batch_size : int
    seed : int
    """

    def __init__(
        self, x: NDArray[np.float32], y: NDArray[np.int64], batch_size: int, seed: int
    ) -> None:
        self._y, self._batch_size, self._seed = y, batch_size, seed
        self._padded = np.pad(x, ((0, 0), (0, 0), (_PAD, _PAD), (_PAD, _PAD)))
        self.epoch = 0

    def __len__(self) -> int:
        return -(-len(self._y) // self._batch_size)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        rng = np.random.default_rng([self._seed, self.epoch])
        order = rng.permutation(len(self._y))
        windows = np.lib.stride_tricks.sliding_window_view(
            self._padded, tuple(side - 2 * _PAD for side in self._padded.shape[2:]), axis=(2, 3)
        )
        for first in range(0, len(order), self._batch_size):
            chosen = order[first : first + self._batch_size]
            down, right = rng.integers(2 * _PAD + 1, size=(2, len(chosen)))
            x = windows[chosen, :, down, right]
            mirrored = rng.random(len(chosen)) < 0.5
            x[mirrored] = x[mirrored, ..., ::-1]
            yield x, self._y[chosen]

    def follow(self) -> Callback:
        """A callback that tells it which epoch begins."""
        return _Following(self)


class _Following(Callback):
    every_steps = 0

    def __init__(self, samples: Shifted) -> None:
        self._samples = samples

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self._samples.epoch = epoch
