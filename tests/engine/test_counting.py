"""Counts of numbers by sign and binary exponent, and sums by unit, against NumPy: at every CPU level."""

import os

import numpy as np
import pytest
from processes import run_python
from reference import DTYPES

from vgcore._core import kernels, simd

SIZES = [0, 1, 3, 17, 100, 511, 512, 513, 1000, 7680, 7681, 70_000]
over_dtypes = pytest.mark.parametrize("dtype", DTYPES)


def counted(numbers):
    """How many there are of each exponent and sign, and zeros, NaN, inf and -inf."""
    numbers = np.asarray(numbers, float).ravel()
    special = [(numbers == 0).sum(), np.isnan(numbers).sum()]
    special += [(numbers == infinity).sum() for infinity in (np.inf, -np.inf)]
    some = numbers[np.isfinite(numbers) & (numbers != 0)]
    keys = np.stack((np.frexp(some)[1] - 1, np.signbit(some)), axis=1)
    kinds, counts = np.unique(keys, axis=0, return_counts=True)
    return {tuple(map(int, kind)): int(n) for kind, n in zip(kinds, counts, strict=True)}, special


def told(entry):
    lowest, counts, special = entry
    cells = zip(*counts.nonzero(), strict=True)
    return {(int(lowest + k), int(s)): int(counts[k, s]) for k, s in cells}, special.tolist()


def normal(rng, n):
    return rng.normal(size=n) * 1e-3


def ratios(rng, n):
    """With tails that no window of exponents holds."""
    return rng.normal(size=n) / rng.normal(size=n)


def half_zeros(rng, n):
    return np.where(rng.random(n) < 0.5, 0, rng.normal(size=n))


def special(rng, n):
    """All that has no exponent, ends of the range, subnormals, and both signs of each."""
    info = np.finfo(np.float32), np.finfo(np.float64)
    kinds = [0.0, np.nan, np.inf, 1.0, 2.0, np.nextafter(2.0, 0)]
    kinds += [f(i) for i in info for f in (lambda i: i.max, lambda i: i.tiny, lambda i: i.tiny / 2)]
    kinds += [float(i.smallest_subnormal) for i in info]
    return rng.choice(kinds, n) * rng.choice([-1, 1], n)


def everywhere(rng, n):
    return np.exp(rng.uniform(-745, 709, n)) * rng.choice([-1, 1], n)


def alike(rng, n):
    """All in one bin, so that counters are full."""
    return np.full(n, -0.75)


DRAWS = [normal, ratios, half_zeros, special, everywhere, alike]


@over_dtypes
@pytest.mark.parametrize("draw", DRAWS, ids=lambda draw: draw.__name__)
def test_counts_are_those_of_frexp(draw, dtype):
    """Whatever was counted before, which is where a table looks first."""
    rng = np.random.default_rng(0)
    counter = kernels.Counter(dtype)
    for n in SIZES:
        with np.errstate(over="ignore", under="ignore"):  # in float32
            numbers = draw(rng, n).astype(dtype)
        counter.add(numbers)
        assert told(counter.take()) == counted(numbers), n
        other = (
            ratios(rng, 1000).astype(dtype) * np.dtype(dtype).type(10.0 ** rng.integers(-20, 20))
            if n
            else numbers
        )
        counter.add(other)
        assert told(counter.take()) == counted(other)
    counter.add(numbers)
    counter.add(numbers[:777])
    assert told(counter.take()) == counted(np.concatenate((numbers, numbers[:777])))


@over_dtypes
@pytest.mark.parametrize("cols", [1, 3, 16, 33, 100, 600])
def test_rows_are_counted_without_what_lies_beside_and_behind_them(cols, dtype):
    rng = np.random.default_rng(1)
    places, batch, ends = 5, 19, np.array([13, 13, 9, 8, 4, 0], np.int64)
    x = kernels.matrix(places * batch, cols, dtype)
    x.base[:] = np.nan
    with np.errstate(over="ignore"):
        x[:] = special(rng, x.shape)
    counter = kernels.Counter(dtype)
    for part in ((0, 8), (8, 19)):
        counter.add_rows(x, places=places, part=part)
    assert told(counter.take()) == counted(x)
    counter.add_rows(x, places=places, part=(0, 8), ends=np.minimum(ends, 8))
    alive = [x[t * batch : t * batch + min(ends[t], 8)] for t in range(places)]
    assert told(counter.take()) == counted(np.concatenate(alive))


@over_dtypes
def test_squares_of_units_neither_overflow_nor_underflow(dtype):
    rng = np.random.default_rng(2)
    info = np.finfo(dtype)
    x = kernels.matrix(29, 21, dtype)
    x[:] = rng.normal(size=x.shape)
    x[:, 3], x[:, 4], x[:, 5], x[7, 6] = 0, info.tiny, info.max / 2, np.nan
    expected = [float(np.hypot.reduce(column)) for column in x.astype(np.longdouble).T]
    np.testing.assert_allclose(kernels.unit_norms(x), expected, rtol=1e-14)
    np.testing.assert_allclose(kernels.unit_norms(x, by_column=True), expected, rtol=1e-14)


@pytest.mark.parametrize("level", simd.levels())
def test_at_every_level(level):
    if level == simd.level:
        pytest.skip("all other tests are of it")
    environment = {**os.environ, "VGCORE_CPU": level}
    done = run_python("-m", "pytest", "-q", "-k", "not level", __file__, env=environment)
    assert done.returncode == 0, done.stdout
