"""MNIST as experiments take it: its images to train on where there are any, those to test on if not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate
from vgcore.data import mnist, mnist_files

_SPLITS = "train", "test"


class Images(NamedTuple):
    """Images to train on and held out, (n, 784) in [0, 1] and their labels (n,); which they are, in words."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    held_out_x: NDArray[np.float32]
    held_out_y: NDArray[np.int64]
    about: str


def images(data: Any, count: int, held_out: int = 0) -> Images:
    """The first images of MNIST, as many as there are or as asked for.

    Parameters
    ----------
    data : path-like or None
        The folder of its files; None: they are downloaded once and kept. A folder without the images to
        train on will do: then the first of the images to test on are trained on, and their last are held out.
    count, held_out : int
        How many to train on, and how many others.
    """
    if "train" in splits(data):
        x, y = read(data, "train")
        test_x, test_y = read(data, "test") if held_out else (x[:0], y[:0])
        about = f"the first {min(count, len(x)):,} of MNIST's train split"
        return Images(x[:count], y[:count], test_x[:held_out], test_y[:held_out], about)
    x, y = read(data, "test")
    rest = len(x) - held_out
    if rest < 1:
        raise ValueError(f"data: expected more than {held_out:,} images, got {len(x):,} in {data}")
    about = (
        f"the first {min(count, rest):,} of MNIST's test split (the folder lacks the train split)"
    )
    return Images(x[:rest][:count], y[:rest][:count], x[rest:], y[rest:], about)


def splits(data: Any) -> list[str]:
    """The splits that are there, in whole or in part: what is there in part is not passed over."""
    if data is None:
        return list(_SPLITS)
    folder = Path(_validate.path("data", data))
    there = [split for split in _SPLITS if mnist_files.begun(folder, split)]
    if not there:
        raise FileNotFoundError(
            "data: expected a folder that holds MNIST's files (train-images-idx3-ubyte.gz and "
            f"train-labels-idx1-ubyte.gz, or those of t10k), got {data}"
        )
    return there


def files(data: Any) -> Iterator[Path]:
    """The files of MNIST that are there, for `Keep`; they are looked for when they are asked for."""
    for split in splits(data):
        yield from mnist_files.files(data, split, "data")


def read(data: Any, split: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """A split; what is missing is said of the argument that was given."""
    mnist_files.files(data, split, "data")
    return mnist(data, split)
