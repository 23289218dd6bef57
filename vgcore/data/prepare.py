"""The two steps between a data set and a model: part it, and spell out its labels."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore._validate import array, boolean, fits, integer, real


class Split(NamedTuple):
    """The parts of a data set, in the order of `train_test_split`."""

    x_train: NDArray[Any]
    y_train: NDArray[Any]
    x_test: NDArray[Any]
    y_test: NDArray[Any]


def train_test_split(
    x: ArrayLike,
    y: ArrayLike,
    *others: ArrayLike,
    test: float | None = None,
    seed: int | None = None,
    test_size: float | None = None,
    train_size: float | None = None,
    random_state: int | None = None,
    shuffle: bool = True,
    stratify: ArrayLike | None = None,
) -> Split:
    """Part a data set at random into one to train on and one to test on.

    Takes the arguments of `sklearn.model_selection.train_test_split`, too, but gives x and y of one part,
    then of the other: ``x_train, y_train, x_test, y_test = train_test_split(x, y)``.

    Parameters
    ----------
    x, y : array_like, shape (n, ...)
        Samples and their targets, one row each.
    test : float, optional
        The share of the rows to test on, strictly between 0 and 1: ``round(test * n)`` rows; 0.2 if nothing
        else is said.
    seed : int, optional
        Seeds the permutation: the same seed and n give the same parts. 0 by default.
    test_size, train_size : float or int, optional
        scikit-learn's: a share of the rows (the test's is rounded up, the training's down) or their number.
        Rows that neither takes are left out.
    random_state : int, optional
        scikit-learn's name of ``seed``; its permutations are other ones.
    shuffle : bool
        Whether rows are permuted; if not, the last ones are to test on.
    stratify : array_like, shape (n,), optional
        Labels whose shares are to be the same in both parts, such as ``y``.

    Returns
    -------
    x_train, y_train, x_test, y_test : ndarray
        Copies, each of the dtype of its source; a named tuple.

    Raises
    ------
    TypeError
        If an argument is of the wrong type, or there are more arrays than two.
    ValueError
        If ``x`` and ``y`` differ in length, a number is out of range, two arguments say the same, a part
        would be empty, or a label of ``stratify`` cannot be in both parts.
    """
    if others:
        raise TypeError(
            f"train_test_split: expected two arrays, x and y, got {2 + len(others)}; it returns x_train, "
            "y_train, x_test, y_test"
        )
    seed = _either("seed", seed, "random_state", random_state)
    rng = np.random.default_rng(0 if seed is None else seed)
    boolean("shuffle", shuffle)
    x, y = array("x", x), array("y", y)
    for argument, given in (("x", x), ("y", y)):
        if given.ndim == 0:
            raise ValueError(f"{argument}: expected an array with one row per sample, got a scalar")
    n = len(x)
    if len(y) != n:
        raise ValueError(f"y: expected {n} rows, one for each of x; got {len(y)}")
    n_train, n_test = _sizes(n, test, test_size, train_size)
    if stratify is not None:
        if not shuffle:
            raise ValueError("stratify: expected None with shuffle=False, got labels")
        for_train, for_test = _stratified(array("stratify", stratify), n, n_train, n_test, rng)
    elif shuffle:
        order = rng.permutation(n)
        for_test, for_train = order[:n_test], order[n_test : n_test + n_train]
    else:
        for_train, for_test = np.arange(n_train), np.arange(n_train, n_train + n_test)
    return Split(x[for_train], y[for_train], x[for_test], y[for_test])


def _either(name: str, value: int | None, other: str, twin: int | None) -> int | None:
    """The one that is given of two names of a seed."""
    if value is not None and twin is not None:
        raise ValueError(f"{other}: expected either {name} or {other}, got both")
    given = value if twin is None else twin
    return None if given is None else integer(name if twin is None else other, given, minimum=0)


def _sizes(
    n: int, test: float | None, test_size: float | None, train_size: float | None
) -> tuple[int, int]:
    """Rows to train on and to test on."""
    if test is not None and (test_size is not None or train_size is not None):
        other = "train_size" if test_size is None else "test_size"
        raise ValueError(f"{other}: expected either test or {other}, got both")
    said, value = ("test", 0.2 if test is None else test)
    n_train = None
    if train_size is not None:
        said, value = "train_size", train_size
        n_train = _rows(said, train_size, n, math.floor)
    if test_size is not None:
        said, value = "test_size", test_size
        n_test = _rows(said, test_size, n, math.ceil)
    elif n_train is not None:
        n_test = n - n_train
    else:
        n_test = round(real("test", value, above=0, below=1) * n)
    n_train = n - n_test if n_train is None else n_train
    if n_train < 1 or n_test < 1 or n_train + n_test > n:
        raise ValueError(
            f"{said}: expected a {'number' if isinstance(value, int) else 'share'} that leaves rows in "
            f"both parts; got {value:g}, which parts {n} rows into {n_train} and {n_test}"
        )
    return n_train, n_test


def _rows(argument: str, size: Any, n: int, rounded: Any) -> int:
    """Rows of a part whose size is a number of them, or a share."""
    if isinstance(size, int | np.integer) and not isinstance(size, bool):
        return integer(argument, size, minimum=1)
    # 0.7 of 10 rows are 7, though 0.7 * 10 is less in binary
    return int(rounded(round(real(argument, size, above=0, below=1) * n, 9)))


def _stratified(
    labels: NDArray[Any], n: int, n_train: int, n_test: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to train on and to test on, with each label's share in both."""
    if labels.shape != (n,):
        raise ValueError(f"stratify: expected labels of shape ({n},), got shape {labels.shape}")
    names, which, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        raise ValueError(
            f"stratify: expected two rows of each label at least, got one of {names[counts.argmin()]!r}"
        )
    if min(n_train, n_test) < len(names):
        raise ValueError(
            f"stratify: expected parts of {len(names)} rows at least, for there are as many labels; got "
            f"{n_train} and {n_test} rows"
        )
    for_test = _quotas(counts, n_test, rng)
    for_train = _quotas(counts - for_test, n_train, rng)
    test, train = [], []
    for label in range(len(names)):
        rows = rng.permutation(np.flatnonzero(which == label))
        test.append(rows[: for_test[label]])
        train.append(rows[for_test[label] :][: for_train[label]])
    return rng.permutation(np.concatenate(train)), rng.permutation(np.concatenate(test))


def _quotas(counts: NDArray[Any], rows: int, rng: np.random.Generator) -> NDArray[Any]:
    """How many of ``rows`` go to each label: its share, the largest remainders rounded up."""
    shares = counts * (rows / counts.sum())
    quotas: NDArray[Any] = np.floor(shares).astype(int)
    order = np.lexsort((rng.random(len(counts)), quotas - shares))
    quotas[order[: rows - quotas.sum()]] += 1
    return quotas


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
