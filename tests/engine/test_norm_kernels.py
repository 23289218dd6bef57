"""Leaf kernels of normalisation, PReLU, dropout and random numbers against plain NumPy twins."""

import sys

import numpy as np
import pytest

import vgcore as vg
from vgcore._core import kernels, norm_kernels

DTYPES = ["float32", "float64"]
TOLERANCE = {"float32": 3e-5, "float64": 1e-12}
IDENTITY, RELU, TANH, GELU = (
    vg.activations.get(name).function for name in ("identity", "relu", "tanh", "gelu")
)
# rows, places, columns: one of everything, odd ones, more than a block's rows, more than a block's places
SHAPES = [
    (1, 1, 1),
    (2, 1, 3),
    (7, 5, 17),
    (9, 4, 16),
    (33, 1, 100),
    (130, 1, 65),
    (40, 3, 600),
    (8, 300, 3),
]
EPSILON = 1e-5


def filled(rng, shape, dtype, mean=0.0, scale=1.0):
    rows, places, cols = shape
    x = kernels.matrix(rows * places, cols, dtype)
    x[...] = rng.normal(mean, scale, size=x.shape)
    return x


def ends_of(rng, rows, places):
    """Rows alive at each place: falling, and never more than there are."""
    ends = np.sort(rng.integers(1, rows + 1, places + 1))[::-1].astype("int64")
    ends[0], ends[-1] = rows, 0
    return np.ascontiguousarray(ends)


def alive(rows, places, ends):
    """Which rows of the matrix count."""
    steps = np.arange(rows) < (ends[:places, None] if ends is not None else rows)
    return np.broadcast_to(steps, (places, rows)).reshape(-1)


def double(*arrays):
    return [array.astype("float64") for array in arrays]


def close(got, want, dtype, scale=1.0):
    np.testing.assert_allclose(got, want, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale)


def parts(rows):
    """The rows of two threads."""
    cut = (rows + 15) // 16 * 8
    return [(0, min(cut, rows)), (min(cut, rows), rows)]


CASES = [
    (shape, ending) for shape in SHAPES for ending in (False, True) if shape[1] > 1 or not ending
]


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


@pytest.mark.parametrize(("shape", "ending"), CASES)
def test_moments(shape, ending, dtype):
    rng = np.random.default_rng(0)
    ends = ends_of(rng, *shape[:2]) if ending else None
    x = filled(rng, shape, dtype, mean=3)
    live = alive(*shape[:2], ends)
    count, mean, variance = norm_kernels.column_moments(x, places=shape[1], ends=ends)
    assert count == live.sum()
    close(mean, x[live].mean(0, dtype="float64"), dtype)
    close(variance, x[live].var(0, dtype="float64"), dtype)
    if not ending:
        pieces = norm_kernels.column_moments(x, places=shape[1], parts=parts(shape[0]))
        for got, want in zip(pieces, (count, mean, variance), strict=True):
            np.testing.assert_array_equal(got, want)


def test_moments_far_from_0_keep_their_digits(dtype):
    """What a float32 has lost before is all that is lost."""
    rng = np.random.default_rng(1)
    x = filled(rng, (64, 20, 5), dtype, mean=1e4)
    _, mean, variance = norm_kernels.column_moments(x, places=20)
    np.testing.assert_allclose(mean, x.mean(0, dtype="float64"), rtol=1e-10)
    np.testing.assert_allclose(variance, x.var(0, dtype="float64"), rtol=1e-6)
    h = np.empty_like(x)
    columns = norm_kernels.normaliser(mean, variance, EPSILON, dtype)
    norm_kernels.normalise(h, h, x, columns, None, None, IDENTITY, places=20)
    want = (x.astype("float64") - mean) / np.sqrt(variance + EPSILON)
    np.testing.assert_allclose(h, want, atol=2e-6 if dtype == "float32" else 1e-11)
    rows = np.empty_like(x)
    norm_kernels.row_normalise(rows, rows, x, None, None, EPSILON, True, IDENTITY, places=20)
    wide = x.astype("float64")
    want = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + EPSILON)
    np.testing.assert_allclose(rows, want, atol=2e-6 if dtype == "float32" else 1e-11)


def slope_of(f, z):
    if f == RELU:
        return (z > 0).astype(float)
    return 1 - np.tanh(z) ** 2 if f == TANH else np.ones_like(z)


def value_of(f, z):
    return np.maximum(z, 0) if f == RELU else np.tanh(z) if f == TANH else z


@pytest.mark.parametrize("f", [IDENTITY, RELU, TANH], ids=["identity", "relu", "tanh"])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize(("shape", "ending"), CASES)
def test_batch_normalisation(shape, ending, affine, f, dtype):
    """Forward and backward, in parts, in place and added."""
    rng = np.random.default_rng(2)
    rows, places, cols = shape
    ends = ends_of(rng, rows, places) if ending else None
    x, dh = filled(rng, shape, dtype, mean=1, scale=2), filled(rng, shape, dtype)
    weight, bias = rng.normal(size=(2, cols)).astype(dtype) if affine else (None, None)
    live = alive(rows, places, ends)
    keywords = {"places": places, "ends": ends}
    count, mean, variance = norm_kernels.column_moments(x, **keywords)
    columns = norm_kernels.normaliser(mean, variance, EPSILON, dtype)
    h = kernels.matrix(*x.shape, dtype)
    h[...] = 7
    norm_kernels.normalise(h, h, x, columns, weight, bias, f, **keywords)

    wide = x.astype("float64")
    xhat = (wide - mean) / np.sqrt(variance + EPSILON)
    w, b = double(weight, bias) if affine else (np.ones(cols), np.zeros(cols))
    z = xhat * w + b
    close(h[live], value_of(f, z)[live], dtype)
    assert np.all(h[~live] == 7)

    delta = kernels.matrix(*x.shape, dtype)
    delta[...] = dh
    sums = norm_kernels.chunk_sums(rows, 2, cols)
    norm_kernels.normalise_backward(sums, delta, h, h, x, columns, weight, bias, f, **keywords)
    want_delta = dh * slope_of(f, z)
    close(delta[live], want_delta[live], dtype)
    joined = norm_kernels.join_chunks(sums, dtype).reshape(2, -1)[:, :cols]
    want_sums = [want_delta[live].sum(0), (want_delta * xhat)[live].sum(0)]
    close(joined, want_sums, dtype, scale=count)

    means = norm_kernels.join_chunks(sums, dtype, 1 / count)
    dx = kernels.matrix(*x.shape, dtype)
    dx[...] = 1
    norm_kernels.normalise_input(dx, delta, x, columns, weight, means, add=True, **keywords)
    shift, tilt = np.array(want_sums) / count
    want = w / np.sqrt(variance + EPSILON) * (want_delta - shift - xhat * tilt)
    scale = 1 if variance.min() > 0.01 else 300
    close(dx[live] - 1, want[live], dtype, scale=2 * scale)

    if not ending:
        again, other = norm_kernels.chunk_sums(rows, 2, cols), kernels.matrix(*x.shape, dtype)
        other[...] = dh
        for part in parts(rows):
            norm_kernels.normalise_backward(
                again, other, h, h, x, columns, weight, bias, f, places=places, part=part
            )
        for part in parts(rows):
            norm_kernels.normalise_input(
                other, other, x, columns, weight, means, places=places, part=part
            )
        np.testing.assert_array_equal(again, sums)
        norm_kernels.normalise_input(delta, delta, x, columns, weight, means, places=places)
        np.testing.assert_array_equal(other, delta)


@pytest.mark.parametrize("f", [IDENTITY, RELU], ids=["identity", "relu"])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize(("shape", "ending"), CASES)
def test_row_normalisation(shape, ending, centred, affine, f, dtype):
    rng = np.random.default_rng(3)
    rows, places, cols = shape
    ends = ends_of(rng, rows, places) if ending else None
    x, dh = filled(rng, shape, dtype, mean=1, scale=2), filled(rng, shape, dtype)
    weight, bias = rng.normal(size=(2, cols)).astype(dtype) if affine else (None, None)
    w, b = double(weight, bias) if affine else (np.ones(cols), np.zeros(cols))
    live = alive(rows, places, ends)
    keywords = {"places": places, "ends": ends}
    epsilon = 0.1  # few columns may lie near each other
    h = kernels.matrix(*x.shape, dtype)
    norm_kernels.row_normalise(h, h, x, weight, bias, epsilon, centred, f, **keywords)

    wide = x.astype("float64")
    apart = wide - centred * wide.mean(1, keepdims=True)
    inverse = 1 / np.sqrt((apart**2).mean(1, keepdims=True) + epsilon)
    xhat = apart * inverse
    z = xhat * w + b
    close(h[live], value_of(f, z)[live], dtype)

    delta = kernels.matrix(*x.shape, dtype)
    delta[...] = dh
    sums = norm_kernels.chunk_sums(rows, 2, cols)
    dx = kernels.matrix(*x.shape, dtype)
    dx[...] = 1
    norm_kernels.row_normalise_backward(
        sums, dx, delta, h, h, x, weight, epsilon, centred, f, add=True, **keywords
    )
    want_delta = dh * slope_of(f, z)
    error = want_delta * w
    tilt = (error * xhat).mean(1, keepdims=True)
    want = inverse * (error - centred * error.mean(1, keepdims=True) - xhat * tilt)
    close(dx[live] - 1, want[live], dtype, scale=5)
    joined = norm_kernels.join_chunks(sums, dtype).reshape(2, -1)[:, :cols]
    close(joined[0], want_delta[live].sum(0), dtype, scale=live.sum())
    close(joined[1], (want_delta * xhat)[live].sum(0), dtype, scale=live.sum())

    other, again = kernels.matrix(*x.shape, dtype), norm_kernels.chunk_sums(rows, 2, cols)
    if not ending:
        other[...] = dh
        for part in parts(rows):
            norm_kernels.row_normalise_backward(
                again, other, other, h, h, x, weight, epsilon, centred, f, places=places, part=part
            )
        np.testing.assert_array_equal(again, sums)
        close(other, want, dtype, scale=5)
    if places > 1 and not ending:  # two windows of time
        cut = places // 2
        for times, later in ((slice(cut * rows, None), False), (slice(0, cut * rows), True)):
            other[...] = dh
            norm_kernels.row_normalise_backward(
                again,
                other[times],
                other[times],
                h[times],
                h[times],
                x[times],
                weight,
                epsilon,
                centred,
                f,
                accumulating=later,
                places=cut if later else places - cut,
            )
        np.testing.assert_array_equal(again, sums)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("shape", "ending"), CASES)
def test_prelu(shape, ending, shared, dtype):
    rng = np.random.default_rng(4)
    rows, places, cols = shape
    ends = ends_of(rng, rows, places) if ending else None
    x, dh = filled(rng, shape, dtype), filled(rng, shape, dtype)
    x[0, 0] = 0
    a = rng.normal(size=1 if shared else cols).astype(dtype)
    live = alive(rows, places, ends)
    h = kernels.matrix(*x.shape, dtype)
    norm_kernels.prelu(h, x, a)
    close(h, np.where(x > 0, x, a * x), dtype)
    width = 1 if shared else cols
    sums = norm_kernels.chunk_sums(rows, 1, width)
    delta = kernels.matrix(*x.shape, dtype)
    delta[...] = dh
    norm_kernels.prelu_backward(sums, delta, x, a, places=places, ends=ends)
    close(delta[live], np.where(x > 0, dh, a * dh)[live], dtype)
    want = (dh * np.minimum(x, 0)).astype("float64")[live].sum(0)
    got = norm_kernels.join_chunks(sums, dtype)[:width]
    close(got, want.sum() if shared else want, dtype, scale=live.sum())
    if places > 1 and not ending:
        cut, again = places // 2, norm_kernels.chunk_sums(rows, 1, width)
        for times, later in ((slice(cut * rows, None), False), (slice(0, cut * rows), True)):
            delta[...] = dh
            for part in parts(rows):
                norm_kernels.prelu_backward(
                    again,
                    delta[times],
                    x[times],
                    a,
                    accumulating=later,
                    part=part,
                    places=cut if later else places - cut,
                )
        np.testing.assert_array_equal(again, sums)


def mask(shape, rate, key, stream=0, dtype="float32", **keywords):
    rows, places, cols = shape
    x, y = kernels.matrix(rows * places, cols, dtype), kernels.matrix(rows * places, cols, dtype)
    x[...] = 1
    kernels.dropout(y, x, rate, key, stream, places=places, **keywords)
    return y


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean(rate, dtype):
    y = mask((100, 10, 300), rate, 5, dtype=dtype)
    values = np.unique(y)
    scale = np.dtype(dtype).type(1 / (1 - rate))
    np.testing.assert_array_equal(values, [0, scale] if rate else [1])
    spread = np.sqrt(rate * (1 - rate))
    assert abs((y == 0).mean() - rate) <= 5 * spread / np.sqrt(y.size)
    for axis, count in ((0, 1000), (1, 300)):  # no row and no column is special
        part = (y == 0).mean(axis)
        assert np.abs(part - rate).max() <= 5.5 * spread / np.sqrt(count)


def test_masks_are_independent():
    """Of other rows, columns, places, keys and streams: agreement is what chance gives."""
    shape = (64, 8, 256)
    one = mask(shape, 0.5, 1) > 0
    others = [mask(shape, 0.5, 2), mask(shape, 0.5, 1, 1), mask(shape, 0.5, 1 << 40)]
    shifted = [np.roll(one, shift, axis) for axis in (0, 1) for shift in (1, 2, 3, 64, 128)]
    for other in [*(m > 0 for m in others), *shifted]:
        assert abs((one == other).mean() - 0.5) <= 5 * 0.5 / np.sqrt(one.size)
    bits = one.reshape(8, 64, 256)
    correlation = np.corrcoef(bits.reshape(512, 256).T)
    assert np.abs(correlation - np.eye(256)).max() < 6 / np.sqrt(512)


def test_masks_depend_on_nothing_but_their_place():
    """Not on dtype, threads, the rows beside or the window of time."""
    rows, places, cols = shape = (20, 6, 33)
    whole = mask(shape, 0.4, 9, 3) > 0
    np.testing.assert_array_equal(mask(shape, 0.4, 9, 3, dtype="float64") > 0, whole)
    pieces = sum(mask(shape, 0.4, 9, 3, part=part) for part in parts(rows)) > 0
    np.testing.assert_array_equal(pieces, whole)
    later = mask((rows, 4, cols), 0.4, 9, 3, first_place=2) > 0
    np.testing.assert_array_equal(later, whole[2 * rows :])
    fewer = mask((9, places, 5), 0.4, 9, 3).reshape(places, 9, 5) > 0
    np.testing.assert_array_equal(fewer, whole.reshape(places, rows, cols)[:, :9, :5])
    shared = mask(shape, 0.4, 9, 3, shared=True).reshape(places, rows, cols) > 0
    np.testing.assert_array_equal(shared, np.broadcast_to(shared[0], shared.shape))
    np.testing.assert_array_equal(shared[0], whole[:rows])


def noise(n, dtype, key=1, first=0, sigma=1.0):
    g = np.zeros(n, dtype)
    kernels.add_noise(g, sigma, key, first)
    return g


def test_noise_is_normal(dtype):
    n = 1_000_000
    g = noise(n, dtype).astype("float64")
    for power, want, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)):
        assert abs((g**power).mean() - want) < 5 * np.sqrt(spread / n)
    for lag in (1, 2, 8, 16, 4096):
        assert abs((g[lag:] * g[:-lag]).mean()) < 5 / np.sqrt(n)
    assert 4.5 < np.abs(g).max() < 6.7


def test_noise_is_accurate_and_knows_its_place():
    """float32 is float64 rounded; an element's number does not depend on where a call begins."""
    exact = noise(10_000, "float64")
    np.testing.assert_allclose(noise(10_000, "float32"), exact, rtol=2e-6, atol=1e-5)
    for first, n in ((0, 5), (17, 4100), (4095, 3), (4096, 33)):
        np.testing.assert_array_equal(noise(n, "float64", first=first), exact[first : first + n])
    assert abs((noise(10_000, "float64", key=2) * exact).mean()) < 5 / 100
    near = noise(10_000, "float64", first=min(10**10, sys.maxsize - 10_000))
    assert abs((near * exact).mean()) < 5 / 100
    np.testing.assert_allclose(noise(100, "float64", sigma=0.5), 0.5 * exact[:100])
