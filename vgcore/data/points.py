"""Made-up data sets of one or two numbers a sample: shapes to tell apart, and a curve to follow.

They can be drawn, with what a network makes of the whole plane behind them. All lie in [-1, 1] without
noise, so that one level of it means the same for each: the standard deviation of the Gaussian noise
that is added, as in scikit-learn, to the points (of `sine`, to its targets) and changes no label.
Classes are of equal size, or differ by one where ``n`` cannot be parted evenly. Samples come in random order.

F. Pedregosa et al., "Scikit-learn: machine learning in Python", JMLR 12 (2011): make_circles, make_moons.
D. Smilkov, S. Carter, "TensorFlow Playground" (2016), https://github.com/tensorflow/playground,
src/dataset.ts: classifySpiralData, classifyXORData. Its noise is uniform instead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vgcore._validate import fits, integer, real

_LARGEST = 1e30  # of noise, turns and periods: sums and products of such are finite float32 numbers
_GAP = 0.3 / 5.3  # of TensorFlow Playground's XOR: 0.3 to each side, where numbers go up to 5.3


def spirals(
    n: int, noise: float = 0.0, seed: int = 0, *, turns: float = 1.75, classes: int = 2
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Tell intertwined spirals apart, one for each class.

    Of the m points of class k the i-th, from 1 to m, is at the distance r = i / m from the origin, in the
    direction (sin t, cos t) with t = 2 pi (``turns`` r + k / ``classes``). With the defaults these are
    TensorFlow Playground's spirals, of radius 5 there and with the classes 1 and -1 for 0 and 1; but there i
    begins with 0, so that the origin is of both.

    Parameters
    ----------
    n : int
        The number of points, ``classes`` or more.
    noise : float
        Standard deviation of the Gaussian noise that is added to the points, 0 or more.
    seed : int
        Seeds the generator: the same seed and arguments give the same points in the same order.
    turns : float
        How often a spiral goes around the origin, 0 (rays) or more: the more, the harder.
    classes : int
        The number of spirals, 2 or more.

    Returns
    -------
    x : ndarray of float32, shape (n, 2)
        The points.
    y : ndarray of int64, shape (n,)
        Their classes, from 0.

    Raises
    ------
    TypeError
        If an argument is not a number, or not an integer where one is needed.
    ValueError
        If an argument is out of range.
    """
    turns = real("turns", turns, minimum=0, maximum=_LARGEST)
    classes = integer("classes", classes, minimum=2)
    n, noise, rng = _checked(n, noise, seed, fewest=classes)
    along, y = np.divmod(np.arange(n, dtype=np.int64), classes)
    r = (along + 1) / np.bincount(y)[y]
    t = 2 * np.pi * (turns * r + y / classes)
    return _mixed(_polar(r, t)[:, ::-1], y, noise, rng)


def circles(
    n: int, noise: float = 0.0, seed: int = 0, *, factor: float = 0.8
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Tell a circle from a smaller one inside of it.

    scikit-learn's ``make_circles``: points in equal distances on a circle of radius 1, class 0, and on one
    of radius ``factor``, class 1.

    Parameters
    ----------
    n : int
        The number of points, 2 or more.
    noise : float
        Standard deviation of the Gaussian noise that is added to the points, 0 or more.
    seed : int
        Seeds the generator: the same seed and arguments give the same points in the same order.
    factor : float
        The radius of the inner circle, from 0 to less than 1: the larger, the harder.

    Returns
    -------
    x : ndarray of float32, shape (n, 2)
        The points.
    y : ndarray of int64, shape (n,)
        0 on the outer circle, 1 on the inner one.

    Raises
    ------
    TypeError
        If an argument is not a number, or not an integer where one is needed.
    ValueError
        If an argument is out of range.
    """
    factor = real("factor", factor, minimum=0, below=1)
    n, noise, rng = _checked(n, noise, seed)
    outer = _polar(1, np.linspace(0, 2 * np.pi, n // 2, endpoint=False))
    inner = _polar(factor, np.linspace(0, 2 * np.pi, n - n // 2, endpoint=False))
    return _mixed(*_two(outer, inner), noise, rng)


def moons(
    n: int, noise: float = 0.0, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Tell two half circles apart that reach into each other.

    scikit-learn's ``make_moons``, moved to the middle and scaled to reach from -1 to 1: its points less
    (0.5, 0.25), over 1.5. With the noise s they are as noisy as its own are with 1.5 s.

    Parameters
    ----------
    n : int
        The number of points, 2 or more.
    noise : float
        Standard deviation of the Gaussian noise that is added to the points, 0 or more.
    seed : int
        Seeds the generator: the same seed and arguments give the same points in the same order.

    Returns
    -------
    x : ndarray of float32, shape (n, 2)
        The points, between -1 and 1 across and between -0.5 and 0.5 in height without noise.
    y : ndarray of int64, shape (n,)
        0 on the moon that bulges upwards, 1 on the other.

    Raises
    ------
    TypeError
        If an argument is not a number, or not an integer where one is needed.
    ValueError
        If an argument is out of range.
    """
    n, noise, rng = _checked(n, noise, seed)
    # Each is the other, turned by half a turn around the middle of the two
    middle = np.array((0.5, 0.25))
    upper, lower = (_polar(1, np.linspace(0, np.pi, m)) - middle for m in (n // 2, n - n // 2))
    points, y = _two(upper, -lower)
    return _mixed(points / 1.5, y, noise, rng)


def xor(n: int, noise: float = 0.0, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Tell whether two numbers differ in sign.

    TensorFlow Playground's, of 5.3 each way there: both numbers are uniform between 3/53 and 1 in size, which
    leaves a gap along the axes. The class is what exclusive or says of the signs; there 1 is the other one.
    Each quadrant has as many points, or one more than others.

    Parameters
    ----------
    n : int
        The number of points, 2 or more.
    noise : float
        Standard deviation of the Gaussian noise that is added to the points, 0 or more.
    seed : int
        Seeds the generator: the same seed and arguments give the same points in the same order.

    Returns
    -------
    x : ndarray of float32, shape (n, 2)
        The points.
    y : ndarray of int64, shape (n,)
        1 where, without noise, one number is negative and the other is not; else 0.

    Raises
    ------
    TypeError
        If an argument is not a number, or not an integer where one is needed.
    ValueError
        If an argument is out of range.
    """
    n, noise, rng = _checked(n, noise, seed)
    quadrants = np.array(((1, 1), (1, -1), (-1, -1), (-1, 1)))
    around = np.arange(n, dtype=np.int64) % 4
    return _mixed(rng.uniform(_GAP, 1, (n, 2)) * quadrants[around], around % 2, noise, rng)


def sine(
    n: int, noise: float = 0.0, seed: int = 0, *, periods: float = 1.0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Follow a sine, sin(pi ``periods`` x), of which there are so many periods from -1 to 1.

    Chance: always answering 0 has a mean squared error of 1/2, over whole periods and without noise.

    Parameters
    ----------
    n : int
        The number of samples, 1 or more.
    noise : float
        Standard deviation of the Gaussian noise that is added to the targets, 0 or more.
    seed : int
        Seeds the generator: the same seed and arguments give the same samples.
    periods : float
        Above 0: the more, the harder.

    Returns
    -------
    x : ndarray of float32, shape (n, 1)
        Numbers, uniform on [-1, 1).
    y : ndarray of float32, shape (n, 1)
        Their sines, with noise.

    Raises
    ------
    TypeError
        If an argument is not a number, or not an integer where one is needed.
    ValueError
        If an argument is out of range.
    """
    periods = real("periods", periods, above=0, maximum=_LARGEST)
    n, noise, rng = _checked(n, noise, seed, fewest=1)
    x = rng.uniform(-1, 1, (n, 1))
    y = np.sin(np.pi * periods * x) + rng.normal(scale=noise, size=x.shape)
    return x.astype(np.float32), y.astype(np.float32)


def _checked(
    n: int, noise: float, seed: int, fewest: int = 2
) -> tuple[int, float, np.random.Generator]:
    """The arguments that all have, and the generator that is seeded."""
    n = integer("n", n, minimum=fewest)
    fits("n", 2 * n)
    noise = real("noise", noise, minimum=0, maximum=_LARGEST)
    return n, noise, np.random.default_rng(integer("seed", seed, minimum=0))


def _polar(r: float | NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points at the distance r from the origin, at the angle t from the first axis."""
    return np.stack((r * np.cos(t), r * np.sin(t)), axis=1)


def _two(
    zero: NDArray[np.float64], one: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The points of both classes, and their labels."""
    return np.concatenate((zero, one)), np.repeat(
        np.arange(2, dtype=np.int64), (len(zero), len(one))
    )


def _mixed(
    points: NDArray[np.float64], y: NDArray[np.int64], noise: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Points and labels in random order, with noise on the points."""
    order = rng.permutation(len(y))
    moved = points[order] + rng.normal(scale=noise, size=points.shape)
    return moved.astype(np.float32), y[order]
