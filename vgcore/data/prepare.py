"""The two steps between a data set and a model: part it, and spell out its labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore._validate import array, fits, integer, real


def train_test_split(
    x: ArrayLike, y: ArrayLike, *, test: float = 0.2, seed: int = 0
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Part a data set at random into one to train on and one to test on.

    Parameters
    ----------
    x, y : array_like, shape (n, ...)
        Samples and their targets, one row each.
    test : float
        The share of the rows to test on, strictly between 0 and 1: ``round(test * n)`` rows.
    seed : int
        Seeds the permutation: the same seed and n give the same parts.

    Returns
    -------
    x_train, y_train, x_test, y_test : ndarray
        Copies, each of the dtype of its source.

    Raises
    ------
    TypeError
        If ``test`` is not a number or ``seed`` not an integer.
    ValueError
        If ``x`` and ``y`` differ in length, ``test`` or ``seed`` is out of range, or a part
        would be empty.
    """
    test = real("test", test, above=0, below=1)
    seed = integer("seed", seed, minimum=0)
    x, y = array("x", x), array("y", y)
    for argument, given in (("x", x), ("y", y)):
        if given.ndim == 0:
            raise ValueError(f"{argument}: expected an array with one row per sample, got a scalar")
    n = len(x)
    if len(y) != n:
        raise ValueError(f"y: expected {n} rows, one for each of x; got {len(y)}")
    n_test = round(test * n)
    if not 0 < n_test < n:
        raise ValueError(
            f"test: expected a share that leaves rows in both parts; "
            f"got {test:g}, which parts {n} rows into {n - n_test} and {n_test}"
        )
    order = np.random.default_rng(seed).permutation(n)
    for_test, for_train = order[:n_test], order[n_test:]
    return x[for_train], y[for_train], x[for_test], y[for_test]


def one_hot(y: ArrayLike, classes: int | None = None) -> NDArray[np.float32]:
    """Turn labels into rows with a one at the label and zeros elsewhere.

    Parameters
    ----------
    y : array_like of integers, shape (n,)
        Labels, 0 to ``classes - 1``.
    classes : int, optional
        The number of columns; left out, one more than the largest label.

    Returns
    -------
    ndarray of float32, shape (n, classes)

    Raises
    ------
    TypeError
        If the labels or ``classes`` are not integers.
    ValueError
        If ``y`` is not of one dimension, a label is out of range, or ``classes`` is left out and
        there are no labels.
    """
    y = array("y", y)
    if not np.issubdtype(y.dtype, np.integer):
        raise TypeError(f"y: expected integer labels, got {y.dtype}")
    if y.ndim != 1:
        raise ValueError(f"y: expected labels of shape (n,), got shape {y.shape}")
    if classes is not None:
        classes = integer("classes", classes, minimum=1)
    elif y.size:
        classes = max(int(y.max()) + 1, 1)
    else:
        raise ValueError("classes: expected a number, as y is empty; got None")
    wrong = np.flatnonzero((y < 0) | (y >= classes))
    if wrong.size:
        raise ValueError(
            f"y: expected labels from 0 to {classes - 1}, got {y[wrong[0]]} at index {wrong[0]}"
        )
    fits("classes", len(y) * classes, 4)
    rows = np.zeros((len(y), classes), np.float32)
    rows[np.arange(len(y)), y] = 1
    return rows
