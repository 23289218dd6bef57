"""CIFAR-10 as experiments take it: its binary version, in a folder, read with NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate
from vgcore.experiments.images import Images

SHAPE = 3, 32, 32
_CLASSES = 10
_BYTES = 1 + 3 * 32 * 32  # a label, then red, green and blue, each row by row
_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_TEST = "test_batch.bin"


def cifar10(folder: Any, count: int, held_out: int) -> Images:
    """The first images of CIFAR-10, as many as there are or as asked for, (n, 3072) in [0, 1].

    Parameters
    ----------
    folder : path-like
        Of the binary version's files: data_batch_1.bin to data_batch_5.bin and test_batch.bin.
    count, held_out : int
        How many to train on, and how many to test on.
    """
    *train, test = map(_read, files(folder))
    x, y = (np.concatenate(parts) for parts in zip(*train, strict=True))
    about = f"the first {min(count, len(x)):,} of CIFAR-10's images to train on"
    return Images(x[:count], y[:count], test[0][:held_out], test[1][:held_out], about)


def files(folder: Any) -> Iterator[Path]:
    """The files of CIFAR-10, those to test on last; they are looked for when they are asked for."""
    folder = Path(_validate.path("cifar", folder))
    missing = [name for name in (*_TRAIN, _TEST) if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            "cifar: expected a folder that holds CIFAR-10's binary version, data_batch_1.bin to "
            f"data_batch_5.bin and {_TEST}; {', '.join(missing)} not found in {folder}"
        )
    yield from (folder / name for name in (*_TRAIN, _TEST))


def _read(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    data = np.fromfile(path, np.uint8)
    if not len(data) or len(data) % _BYTES:
        raise ValueError(
            f"{path}: expected images of {_BYTES:,} bytes each, got {len(data):,} bytes in all"
        )
    rows = data.reshape(-1, _BYTES)
    labels = rows[:, 0].astype(np.int64)
    if labels.max() >= _CLASSES:
        raise ValueError(f"{path}: expected labels from 0 to 9, got {labels.max()}")
    return (rows[:, 1:] / 255).astype(np.float32), labels
