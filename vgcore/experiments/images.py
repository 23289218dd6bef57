"""MNIST as experiments take it: its images to train on where there are any, those to test on if not."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore.data import mnist


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
    try:
        x, y = mnist(data, "train")
        test_x, test_y = mnist(data, "test") if held_out else (x[:0], y[:0])
        about = f"the first {min(count, len(x)):,} of MNIST's train split"
        return Images(x[:count], y[:count], test_x[:held_out], test_y[:held_out], about)
    except FileNotFoundError as error:
        try:
            x, y = mnist(data, "test")
        except FileNotFoundError:
            raise FileNotFoundError(
                "data: expected a folder that holds MNIST's files (train-images-idx3-ubyte.gz and "
                f"train-labels-idx1-ubyte.gz, or those of t10k), got {data}"
            ) from error
    rest = len(x) - held_out
    if rest < 1:
        raise ValueError(f"data: expected more than {held_out:,} images, got {len(x):,} in {data}")
    about = (
        f"the first {min(count, rest):,} of MNIST's test split (the folder lacks the train split)"
    )
    return Images(x[:rest][:count], y[:rest][:count], x[rest:], y[rest:], about)
