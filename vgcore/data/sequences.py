"""Tasks on which recurrent networks are tried: to solve them, something must be kept for long.

Four are made up, so that the distance to remember over can be chosen; the fifth is MNIST, pixel
by pixel. `vgcore.data.chance` knows what guessing scores on each.

Y. Bengio, P. Simard, P. Frasconi, "Learning long-term dependencies with gradient descent is
difficult", IEEE Transactions on Neural Networks 5 (1994).
S. Hochreiter, J. Schmidhuber, "LSTM can solve hard long time lag problems", NIPS 1996.
S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997).
Q. V. Le, N. Jaitly, G. E. Hinton, "A simple way to initialize recurrent networks of rectified
linear units", arXiv:1504.00941 (2015).
M. Arjovsky, A. Shah, Y. Bengio, "Unitary evolution recurrent neural networks", ICML 2016,
arXiv:1511.06464.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore._validate import boolean, fits, integer, one_of
from vgcore.data.mnist_files import mnist

# Of temporal_order: a, b, c, d are 0 to 3
_X, _E, _B, _SYMBOLS = 4, 6, 7, 8
# Where the relevant symbols may stand, both ends included, in hundredths of the length: these are
# the positions that the paper gives for its sequences of 100 symbols and a few more.
_INTERVALS = {
    "6a": ((10, 20), (50, 60)),
    "6b": ((10, 20), (33, 43), (66, 76)),
}
# From these lengths on, there is a whole position in every interval.
_SHORTEST = {"6a": 5, "6b": 6}

# Of copy_memory: data symbols are 0 to 7
_DATA, _BLANK, _DELIMITER, _ALPHABET = 8, 8, 9, 10
_COPIED = 10


def adding_problem(
    n: int, length: int, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Add two marked numbers out of a sequence of numbers.

    Experiment 4 of Hochreiter and Schmidhuber (1997) in the form of Le, Jaitly and Hinton (2015):
    sequences of one fixed length, numbers from [0, 1), their plain sum as target. The marks stand
    as in Arjovsky, Shah and Bengio (2016), one in each half.

    Chance: always answering 1 has a mean squared error of 1/6 (`chance.adding_problem`).

    Parameters
    ----------
    n : int
        The number of sequences, 1 or more.
    length : int
        The number of steps, 2 or more. The first ``length // 2`` are the first half.
    seed : int
        Seeds the generator: the same seed and sizes give the same sequences.

    Returns
    -------
    x : ndarray of float32, shape (n, length, 2)
        At each step a number, uniform on [0, 1), and a mark: 1 at two steps, 0 at the others.
    y : ndarray of float32, shape (n, 1)
        The sum of the two marked numbers.

    Raises
    ------
    TypeError
        If an argument is not an integer.
    ValueError
        If an argument is out of range.
    """
    n = integer("n", n, minimum=1)
    length = integer("length", length, minimum=2)
    fits("n", n * length * 2)
    rng = np.random.default_rng(integer("seed", seed, minimum=0))
    row, half = np.arange(n), length // 2

    x = np.zeros((n, length, 2), np.float32)
    x[:, :, 0] = rng.random((n, length), dtype=np.float32)
    first, second = rng.integers(half, size=n), rng.integers(half, length, size=n)
    x[row, first, 1] = 1
    x[row, second, 1] = 1
    y = x[row, first, 0] + x[row, second, 0]
    return x, y[:, np.newaxis]


def temporal_order(
    n: int, length: int, variant: str = "6a", seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Tell in which order widely separated symbols came.

    Experiments 6a and 6b of Hochreiter and Schmidhuber (1997, section 5.6): a sequence begins with
    E, ends with B, and is otherwise made of a, b, c and d at random, but for two (6a) or three (6b)
    symbols, each X or Y with equal odds. The class says which. The paper's sequences are of 100 to
    110 symbols, with the relevant ones at t1 from 10 to 20 and t2 from 50 to 60 (6a), or t1 from 10
    to 20, t2 from 33 to 43 and t3 from 66 to 76 (6b). Here all sequences are of one length L and
    these positions grow with it, as in R. Pascanu, T. Mikolov, Y. Bengio, "On the difficulty of
    training recurrent neural networks", ICML 2013: uniform on [L/10, 2L/10] and [5L/10, 6L/10]
    for 6a; on [L/10, 2L/10], [33L/100, 43L/100] and [66L/100, 76L/100] for 6b. Steps count from 0.

    Chance: equal odds on all classes have a cross-entropy of ln 4 for 6a, ln 8 for 6b
    (`chance.temporal_order`).

    Parameters
    ----------
    n : int
        The number of sequences, 1 or more.
    length : int
        The number of steps, L: 5 or more for 6a, 6 or more for 6b.
    variant : {"6a", "6b"}
        The experiment: two relevant symbols or three.
    seed : int
        Seeds the generator: the same seed, variant and sizes give the same sequences.

    Returns
    -------
    x : ndarray of float32, shape (n, length, 8)
        One-hot symbols, in the order a, b, c, d, X, Y, E, B.
    y : ndarray of int64, shape (n,)
        The classes in the paper's order, X before Y and the first symbol foremost: XX, XY, YX, YY
        are 0 to 3; XXX, XXY, XYX, XYY, YXX, YXY, YYX, YYY are 0 to 7.

    Raises
    ------
    TypeError
        If ``variant`` is not a string or another argument not an integer.
    ValueError
        If ``variant`` is neither name or another argument is out of range.
    """
    n = integer("n", n, minimum=1)
    intervals = _INTERVALS[one_of("variant", variant, _INTERVALS)]
    length = integer("length", length, minimum=_SHORTEST[variant])
    fits("n", n * length * _SYMBOLS)
    rng = np.random.default_rng(integer("seed", seed, minimum=0))
    relevant = len(intervals)

    symbols = rng.integers(_X, size=(n, length))
    symbols[:, 0], symbols[:, -1] = _E, _B
    lowest = [-(-start * length // 100) for start, _ in intervals]  # rounded up
    highest = [end * length // 100 for _, end in intervals]
    positions = rng.integers(lowest, highest, size=(n, relevant), endpoint=True)
    is_y = rng.integers(2, size=(n, relevant))
    np.put_along_axis(symbols, positions, _X + is_y, axis=1)

    place_values = 2 ** np.arange(relevant, dtype=np.int64)[::-1]
    return np.eye(_SYMBOLS, dtype=np.float32)[symbols], is_y @ place_values


def copy_memory(
    n: int, delay: int, seed: int = 0, *, one_hot: bool = True
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Repeat ten symbols after a delay.

    The task of Arjovsky, Shah and Bengio (2016). The alphabet is eight data symbols, 0 to 7, the
    blank 8 and the delimiter 9. The input is ten data symbols, ``delay - 1`` blanks, the delimiter,
    and ten blanks; the target is ``delay + 10`` blanks and the ten data symbols.

    Chance: without memory, the mean cross-entropy over all steps is at best 10 ln 8 / (delay + 20)
    (`chance.copy_memory`).

    Parameters
    ----------
    n : int
        The number of sequences, 1 or more.
    delay : int
        Steps from the last data symbol of the input to the delimiter, 1 or more; each symbol must
        be kept for ``delay + 10``.
    seed : int
        Seeds the generator: the same seed and sizes give the same sequences.
    one_hot : bool
        If false, ``x`` is the symbols' numbers, as an embedding takes them.

    Returns
    -------
    x : ndarray of float32, shape (n, delay + 20, 10), or of int64, shape (n, delay + 20)
        The input, one-hot or as numbers.
    y : ndarray of int64, shape (n, delay + 20)
        The target symbol of every step, 0 to 8.

    Raises
    ------
    TypeError
        If ``one_hot`` is not a bool or another argument not an integer.
    ValueError
        If an argument is out of range.
    """
    n = integer("n", n, minimum=1)
    delay = integer("delay", delay, minimum=1)
    fits("n", n * (delay + 2 * _COPIED) * _ALPHABET)
    boolean("one_hot", one_hot)
    rng = np.random.default_rng(integer("seed", seed, minimum=0))

    data = rng.integers(_DATA, size=(n, _COPIED))
    x = np.full((n, delay + 2 * _COPIED), _BLANK, np.int64)
    y = x.copy()
    x[:, :_COPIED] = data
    x[:, -_COPIED - 1] = _DELIMITER
    y[:, -_COPIED:] = data
    if one_hot:
        return np.eye(_ALPHABET, dtype=np.float32)[x], y
    return x, y


def parity(n: int, length: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Tell whether the number of ones in a sequence is odd.

    The parity problem of Bengio, Simard and Frasconi (1994), without the noise that they also tried:
    bits are 1 and -1, each with equal odds, and the answer is due at the end. Who has missed one bit
    knows nothing; yet one bit is all there is to keep. It is among the problems of which Hochreiter
    and Schmidhuber (1996) say that drawing weights at random solves them sooner than training does.

    Chance: equal odds on both classes have a cross-entropy of ln 2 (`chance.parity`).

    Parameters
    ----------
    n : int
        The number of sequences, 1 or more.
    length : int
        The number of bits, 1 or more.
    seed : int
        Seeds the generator: the same seed and sizes give the same sequences.

    Returns
    -------
    x : ndarray of float32, shape (n, length, 1)
        At each step 1 or -1.
    y : ndarray of int64, shape (n,)
        1 where the number of ones is odd, 0 where it is even.

    Raises
    ------
    TypeError
        If an argument is not an integer.
    ValueError
        If an argument is out of range.
    """
    n = integer("n", n, minimum=1)
    length = integer("length", length, minimum=1)
    fits("n", n * length)
    rng = np.random.default_rng(integer("seed", seed, minimum=0))
    bits = rng.integers(2, size=(n, length))
    return (2 * bits[:, :, np.newaxis] - 1).astype(np.float32), bits.sum(axis=1) % 2


def sequential_mnist(
    directory: str | os.PathLike[str] | None = None,
    split: str = "test",
    permutation_seed: int | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Read MNIST as sequences of 784 pixels, in the order of reading or in one random order.

    The tasks of Le, Jaitly and Hinton (2015). In reading order, neighbours in the image are often
    neighbours in time; permuted, what belongs together may lie hundreds of steps apart.

    Chance: equal odds on all digits have a cross-entropy of ln 10 (`chance.sequential_mnist`).

    Parameters
    ----------
    directory : str or PathLike, optional
        The folder of the IDX files; left out, they are downloaded (see `mnist`).
    split : {"test", "train"}
        The 10,000 images to test on, or the 60,000 to train on.
    permutation_seed : int, optional
        Seeds the one permutation that is done to the pixels of every image: the same for both
        splits if the seed is. Left out, the pixels are in reading order, row by row.

    Returns
    -------
    x : ndarray of float32, shape (n, 784, 1)
        At each step one grey level from 0 (paper) to 1 (ink).
    y : ndarray of int64, shape (n,)
        The digits, 0 to 9.

    Raises
    ------
    TypeError
        If ``permutation_seed`` is neither an integer nor None.
    ValueError
        If ``permutation_seed`` is negative.

    And what `mnist` raises.
    """
    if permutation_seed is not None:
        permutation_seed = integer("permutation_seed", permutation_seed, minimum=0)
    x, y = mnist(directory, split)
    if permutation_seed is not None:
        order = np.random.default_rng(permutation_seed).permutation(x.shape[1])
        x = np.take(x, order, axis=1)
    return x[:, :, np.newaxis], y
