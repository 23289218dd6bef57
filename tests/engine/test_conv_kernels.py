"""Leaf kernels of images against their plain NumPy twins, at the CPU level in use."""

from itertools import pairwise

import numpy as np
import pytest

from vgcore._core import image_kernels, kernels
from vgcore._core.neighbours import Window

DTYPES = ["float32", "float64"]
THREADS = [(0, 3), (3, 8), (8, 13)]

# size, kernel, stride, padding, dilation; each of height and width
WINDOWS = {
    "plain": ((5, 7), (3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "same": ((6, 5), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "uneven": ((4, 7), (4, 3), (2, 1), ((1, 2), (0, 3)), (1, 2)),
    "stride above kernel": ((9, 8), (2, 1), (3, 5), ((0, 0), (0, 0)), (1, 1)),
    "dilation": ((9, 6), (3, 2), (1, 2), ((2, 2), (1, 1)), (3, 4)),
    "sequence": ((1, 11), (1, 5), (1, 2), ((0, 0), (2, 2)), (1, 1)),
    "all": ((3, 2), (3, 2), (1, 1), ((0, 0), (0, 0)), (1, 1)),
}
# channels, filters, groups
SIZES = [
    (1, 1, 1),
    (3, 17, 1),
    (17, 3, 1),
    (16, 16, 1),
    (33, 40, 1),
    (6, 10, 2),
    (3, 3, 3),
    (34, 68, 2),
]


def of_windows(function):
    return pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)(function)


def image(rng, size, rows, channels, dtype):
    """(places * rows, channels) as the engine has it."""
    matrix = kernels.matrix(size[0] * size[1] * rows, channels, dtype)
    matrix[...] = rng.normal(size=matrix.shape)
    return matrix


def neighbours(size, kernel, stride, padding, dilation):
    """(places of the output, [(p, q, tap's row, tap's column)])."""
    height, width = (
        (n + sum(pad) - d * (k - 1) - 1) // s + 1
        for n, k, s, pad, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )
    pairs = []
    for y, x, i, j in np.ndindex(height, width, *kernel):
        row = y * stride[0] - padding[0][0] + i * dilation[0]
        column = x * stride[1] - padding[1][0] + j * dilation[1]
        if 0 <= row < size[0] and 0 <= column < size[1]:
            pairs.append((y * width + x, row * size[1] + column, i, j))
    return (height, width), pairs


def products(window, x, weight, dy, groups):
    """(y, dx, dw) and the bounds of their rounding; the weight is (filters, channels / groups, *kernel)."""
    _, pairs = neighbours(*window)
    shares = [np.split(a.astype(float), groups, axis) for a, axis in ((x, 2), (weight, 0), (dy, 2))]
    results = []
    for parts in (shares, [[np.abs(a) for a in share] for share in shares]):
        y, dx = np.zeros(dy.shape), np.zeros(x.shape)
        dw = np.zeros(weight.shape)
        for xg, wg, dyg, yg, dxg, dwg in zip(
            *parts,
            np.split(y, groups, 2),
            np.split(dx, groups, 2),
            np.split(dw, groups),
            strict=True,
        ):
            for p, q, i, j in pairs:
                yg[p] += xg[q] @ wg[:, :, i, j].T
                dxg[q] += dyg[p] @ wg[:, :, i, j]
                dwg[:, :, i, j] += dyg[p].T @ xg[q]
        results.append((y, dx, dw))
    return results


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("channels", "filters", "groups"), SIZES)
@of_windows
def test_convolutions(window, channels, filters, groups, dtype):
    rng = np.random.default_rng(channels + filters)
    table, rows = Window(*window), 13
    size, _ = neighbours(*window)
    assert table.outputs == size[0] * size[1]
    x, dy = image(rng, window[0], rows, channels, dtype), image(rng, size, rows, filters, dtype)
    weight = rng.normal(size=(filters, channels // groups, *window[1])).astype(dtype)
    bias = rng.normal(size=filters).astype(dtype)
    stored = np.asfortranarray(weight).reshape(filters, -1, order="F").T
    exact, bounds = products(
        window, x.reshape(-1, rows, channels), weight, dy.reshape(-1, rows, filters), groups
    )

    def check(got, index, terms, shift=0):
        got = np.asarray(got, float).reshape(exact[index].shape, order="F" if index == 2 else "C")
        slack = (terms + 2) * np.finfo(dtype).eps * (bounds[index] + np.abs(shift))
        assert np.all(np.abs(got - exact[index] - shift) <= slack)

    y, dx = kernels.matrix(len(dy), filters, dtype), kernels.matrix(len(x), channels, dtype)
    dw = np.full(stored.shape, np.nan, dtype)
    how = {"rows": rows, "groups": groups}
    image_kernels.convolve(y, x, stored, table.forward(), b=bias, **how)
    check(y, 0, len(stored), bias)
    image_kernels.convolve(dx, dy, stored, table.backward(), transposed=True, **how)
    check(dx, 1, table.taps * filters)
    before = dx.copy()
    image_kernels.convolve(dx, dy, stored, table.backward(), transposed=True, add=True, **how)
    check(dx, 1, table.taps * filters, before.reshape(exact[1].shape))
    image_kernels.convolve_weight(dw, x, dy, table.weight(), **how)
    check(dw.T, 2, len(dy))

    parts = kernels.matrix(len(dy), filters, dtype), kernels.matrix(len(x), channels, dtype)
    for part in THREADS:
        image_kernels.convolve(parts[0], x, stored, table.forward(), b=bias, part=part, **how)
        image_kernels.convolve(
            parts[1], dy, stored, table.backward(), transposed=True, part=part, **how
        )
    np.testing.assert_array_equal(parts[0], y)
    np.testing.assert_array_equal(parts[1], before)
    again, cuts = np.full_like(dw, np.nan), [0, len(dw) // 3, len(dw) // 3 + 1, len(dw)]
    for part in pairwise(cuts):
        image_kernels.convolve_weight(again, x, dy, table.weight(), part=part, **how)
    np.testing.assert_array_equal(again, dw)


@pytest.mark.parametrize("dtype", DTYPES)
def test_convolutions_do_not_write_beside_their_output(dtype):
    table, rows = Window(*WINDOWS["same"]), 5
    rng = np.random.default_rng(0)
    for filters in (1, 3, 17, 40):
        around = np.full((30 * rows, filters + 40), 7, dtype)
        stored = rng.normal(size=(9 * 3, filters)).astype(dtype)
        image_kernels.convolve(
            around[:, 20 : 20 + filters],
            image(rng, (6, 5), rows, 3, dtype),
            stored,
            table.forward(),
            rows=rows,
        )
        assert not np.any(around[:, 20 : 20 + filters] == 7)
        np.testing.assert_array_equal(np.delete(around, np.s_[20 : 20 + filters], axis=1), 7)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3, 17, 40])
@of_windows
def test_largest_of_windows(window, channels, dtype):
    """Ties go to the first in row-major order, and NaN passes on."""
    rng = np.random.default_rng(channels)
    table, rows = Window(*window), 13
    size, pairs = neighbours(*window)
    x, dy = image(rng, window[0], rows, channels, dtype), image(rng, size, rows, channels, dtype)
    x[...] = np.round(x)
    x[rng.random(x.shape) < 0.02] = np.nan
    dy[...] = np.round(dy)
    start = np.round(image(rng, window[0], rows, channels, dtype))
    y, dx, parts = kernels.matrix(len(dy), channels, dtype), start.copy(), start.copy()
    seen = [[q for p, q, _, _ in pairs if p == place] for place in range(table.outputs)]
    places = x.reshape(-1, rows, channels)
    want, want_dx = np.empty((table.outputs, rows, channels), dtype), start.copy()
    for p, sources in enumerate(seen):
        want[p] = places[sources].max(axis=0)
        chosen = np.argmax(places[sources], axis=0)  # the first NaN, or the first of the largest
        for r, c in np.ndindex(rows, channels):
            want_dx[sources[chosen[r, c]] * rows + r, c] += dy[p * rows + r, c]
    image_kernels.max_pool(y, x, table.forward(), rows=rows)
    np.testing.assert_array_equal(y, want.reshape(y.shape))
    image_kernels.max_pool_backward(dx, dy, y, x, table.forward(), rows=rows, add=True)
    np.testing.assert_array_equal(dx, want_dx)
    image_kernels.max_pool_backward(dx, dy, y, x, table.forward(), rows=rows)
    np.testing.assert_array_equal(dx, want_dx - start)
    y[...] = 0
    for part in THREADS:
        image_kernels.max_pool(y, x, table.forward(), rows=rows, part=part)
        image_kernels.max_pool_backward(
            parts, dy, y, x, table.forward(), rows=rows, add=True, part=part
        )
    np.testing.assert_array_equal(y, want.reshape(y.shape))
    np.testing.assert_array_equal(parts, want_dx)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3, 17, 40])
@of_windows
def test_weighted_sums_of_windows(window, channels, dtype):
    rng = np.random.default_rng(channels)
    table, rows = Window(*window), 13
    _, pairs = neighbours(*window)
    x = image(rng, window[0], rows, channels, dtype)
    factor = rng.normal(size=table.taps).astype(dtype)
    y = kernels.matrix(table.outputs * rows, channels, dtype)
    want, bound = np.zeros((2, table.outputs, rows, channels))
    for p, q, i, j in pairs:
        term = factor[j * window[1][0] + i] * x.reshape(-1, rows, channels)[q].astype(float)
        want[p] += term
        bound[p] += np.abs(term)
    for times in (1, 2):
        image_kernels.average_pool(y, x, table.forward(), factor, rows=rows, add=times == 2)
        slack = (times * table.taps + 2) * np.finfo(dtype).eps * times * bound
        assert np.all(np.abs(y.reshape(want.shape) - times * want) <= slack)
    wide = np.full((len(y), channels + 20), np.nan, dtype)
    image_kernels.average_pool(wide, x, table.forward(), factor, rows=rows)
    assert not np.any(wide[:, channels:])
    again = np.zeros_like(y)
    for part in THREADS:
        for add in (False, True):
            image_kernels.average_pool(
                again, x, table.forward(), factor, rows=rows, add=add, part=part
            )
    np.testing.assert_array_equal(again, y)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("part", [None, (3, 9)])
@pytest.mark.parametrize(("places", "channels"), [(1, 1), (35, 1), (35, 3), (6, 17), (100, 40)])
def test_layouts(places, channels, part, dtype):
    """Images in and out of the engine, flattened and back; sequences."""
    rng = np.random.default_rng(places)
    rows, taken = 13, slice(*(part or (0, 13)))
    samples = rng.normal(size=(20, places * channels)).astype(dtype)
    order = rng.permutation(20)[:rows].astype(np.int64)
    by_channel = samples[order].reshape(rows, channels, places).transpose(2, 0, 1)[:, taken]
    by_place = samples[order].reshape(rows, places, channels).transpose(1, 0, 2)[:, taken]
    for sign, want in ((1, by_channel), (-1, by_place)):
        y = kernels.matrix(places * rows, channels, dtype)
        how = {"rows": rows, "part": part}
        image_kernels.relayout(y, samples, y_places=sign * places, x_order=order, **how)
        inside = y.reshape(places, rows, channels)
        np.testing.assert_array_equal(inside[:, taken], want)
        assert np.count_nonzero(y) == want.size
        back = np.zeros_like(samples)
        image_kernels.relayout(back, y, x_places=sign * places, y_order=order, **how)
        np.testing.assert_array_equal(back[order[taken]], samples[order[taken]])
        assert np.count_nonzero(back) == want.size
        image_kernels.relayout(y, samples, y_places=sign * places, x_order=order, add=True, **how)
        np.testing.assert_array_equal(inside[:, taken], 2 * want)


def test_an_image_becomes_an_image_of_another_shape():
    x, y = (kernels.matrix(5 * n, 60 // n, "float64") for n in (12, 20))
    x[...] = np.arange(x.size).reshape(x.shape)
    image_kernels.relayout(y, x, rows=5, y_places=20, x_places=12)
    flat = x.reshape(12, 5, 5).transpose(1, 2, 0).reshape(5, 60)
    np.testing.assert_array_equal(y.reshape(20, 5, 3).transpose(1, 2, 0).reshape(5, 60), flat)
