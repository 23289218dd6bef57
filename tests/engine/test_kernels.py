"""Every leaf kernel against its plain NumPy twin, at the CPU level in use."""

import itertools

import numpy as np
import pytest

from vgcore import activations
from vgcore._core import kernels, simd

SIZES = [1, 2, 3, 4, 5, 8, 15, 16, 17, 30, 31, 33, 48, 65, 100]
DTYPES = ["float32", "float64"]


def filled(rng, rows, cols, dtype):
    matrix = kernels.matrix(rows, cols, dtype)
    matrix[...] = rng.normal(size=(rows, cols))
    return matrix


def check_product(got, a, b, dtype):
    """Within the bound of a sum of products in any order (Higham 2002, eq. 3.13)."""
    a, b = a.astype("float64"), b.astype("float64")
    bound = (a.shape[1] + 2) * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b))
    assert np.all(np.abs(got - a @ b) <= bound)


def shapes(seed, count):
    """Random (rows, inputs, outputs), odd sizes and beyond one panel's depth among them."""
    rng = np.random.default_rng(seed)
    some = [tuple(int(n) for n in rng.choice([*SIZES, 257, 300, 520], 3)) for _ in range(count)]
    return [(n, n, n) for n in SIZES] + some + [(257, 600, 33), (13, 513, 257), (300, 31, 3)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rows", "inputs", "outputs"), shapes(0, 40))
def test_products(rows, inputs, outputs, dtype):
    rng = np.random.default_rng(rows + 1000 * inputs + outputs)
    x, dy = filled(rng, rows, inputs, dtype), filled(rng, rows, outputs, dtype)
    w = rng.normal(size=(inputs, outputs)).astype(dtype)
    b = rng.normal(size=outputs).astype(dtype)
    ones = np.ones((rows, 1), dtype)

    y = kernels.matrix(rows, outputs, dtype)
    kernels.affine(y, x, w, b)
    check_product(y, np.hstack([x, ones]), np.vstack([w, b]), dtype)
    kernels.affine(y, x, w, add=True)
    check_product(y, np.hstack([x, x, ones]), np.vstack([w, w, b]), dtype)

    dx = kernels.matrix(rows, inputs, dtype)
    kernels.affine_input(dx, dy, w)
    check_product(dx, dy, w.T, dtype)

    dw = np.full((inputs, outputs), np.nan, dtype)
    kernels.affine_weight(dw, x, dy)
    check_product(dw, x.T, dy, dtype)

    db = kernels.vector(outputs, dtype)
    kernels.column_sums(db, dy)
    check_product(db[np.newaxis], ones.T, dy, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rows", "inputs", "outputs"), shapes(5, 20))
def test_products_with_packed_weights(rows, inputs, outputs, dtype):
    """The weights or their transpose, packed once for many products; wholes and sums."""
    rng = np.random.default_rng(rows + 1000 * inputs + outputs)
    x, other = filled(rng, rows, inputs, dtype), filled(rng, rows, inputs, dtype)
    w = rng.normal(size=(inputs, outputs)).astype(dtype)
    for given, transposed in ((w, False), (np.ascontiguousarray(w.T), True)):
        y = kernels.matrix(rows, outputs, dtype)
        y[...] = np.nan
        kernels.affine_packed(y, x, given, transposed=transposed)
        check_product(y, x, w, dtype)
        kernels.affine_packed(y, other, given, transposed=transposed, add=True)
        check_product(y, np.hstack([x, other]), np.vstack([w, w]), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rows", "inputs", "outputs"), shapes(6, 20))
def test_sums_over_rows_go_on_to_the_same_bits(rows, inputs, outputs, dtype):
    """From the last row to the first: wherever they are cut in two, the sums are those of all rows."""
    rng = np.random.default_rng(rows + 1000 * inputs + outputs)
    x, dy = filled(rng, rows, inputs, dtype), filled(rng, rows, outputs, dtype)
    same = filled(rng, rows, outputs, dtype)
    sums = {
        kernels.affine_weight: ((inputs, outputs), (x, dy)),
        kernels.column_sums: ((outputs,), (dy,)),
        kernels.column_products: ((outputs,), (same, dy)),
    }
    for kernel, (shape, factors) in sums.items():
        make = kernels.matrix if len(shape) == 2 else kernels.vector
        whole, part, partial = (make(*shape, dtype) for _ in range(3))
        kernel(whole, *factors)
        for cuts in cut_in_windows(rows):
            part[...] = partial[...] = np.nan
            for begin, end in reversed(list(itertools.pairwise([0, *cuts, rows]))):
                kernel(
                    part,
                    *(f[begin:end] for f in factors),
                    before=begin,
                    behind=rows - end,
                    partial=partial,
                )
            np.testing.assert_array_equal(part, whole)


def cut_in_windows(rows):
    """Where rows may be cut: in two, in three within one block of the sum, at its ends, and in many."""
    inside = {1, 3, 8, rows // 2, rows - 1, 255, 256, 257} & set(range(1, rows))
    yield from ([cut] for cut in sorted(inside))
    yield sorted({rows // 3, rows // 2} - {0})
    yield list(range(7, rows, 7))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("rows", "inputs", "outputs"), shapes(7, 10))
def test_gradients_of_inputs_are_added_up(rows, inputs, outputs, dtype):
    """Those of two layers that read one input."""
    rng = np.random.default_rng(rows + 1000 * inputs + outputs)
    one, other = filled(rng, rows, outputs, dtype), filled(rng, rows, outputs, dtype)
    w, v = rng.normal(size=(2, inputs, outputs)).astype(dtype)
    dx = kernels.matrix(rows, inputs, dtype)
    dx[...] = np.nan
    kernels.affine_input(dx, one, w)
    kernels.affine_input(dx, other, v, add=True)
    check_product(dx, np.hstack([one, other]), np.hstack([w, v]).T, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_products_do_not_write_beside_their_output(dtype):
    rng = np.random.default_rng(1)
    for cols in SIZES:
        around = np.full((7, cols + 40), 7, dtype)
        inside = around[1:6, 20 : 20 + cols]
        for product in (kernels.affine, kernels.affine_packed):
            product(inside, filled(rng, 5, 9, dtype), rng.normal(size=(9, cols)).astype(dtype))
            assert not np.any(inside == 7)
            inside[...] = 7
            np.testing.assert_array_equal(around, 7)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_have_the_same_bits_however_many_there_are(dtype):
    """What makes results independent of the number of threads."""
    rng = np.random.default_rng(2)
    x, w = filled(rng, 100, 300, dtype), rng.normal(size=(300, 53)).astype(dtype)
    whole, part = kernels.matrix(100, 53, dtype), kernels.matrix(100, 53, dtype)
    for product in (kernels.affine, kernels.affine_packed):
        product(whole, x, w)
        for begin, end in [(0, 1), (3, 20), (8, 64), (90, 100)]:
            product(part[begin:end], x[begin:end], w)
            np.testing.assert_array_equal(part[begin:end], whole[begin:end])


def products(rows, inputs, outputs, dtype):
    """All three products of a layer, of wholes, of sums and by way of a packed w."""
    rng = np.random.default_rng(rows + 1000 * inputs + outputs)
    x, dy = filled(rng, rows, inputs, dtype), filled(rng, rows, outputs, dtype)
    w, b = rng.normal(size=(inputs, outputs)).astype(dtype), np.ones(outputs, dtype)
    y, packed, dx = (kernels.matrix(rows, n, dtype) for n in (outputs, outputs, inputs))
    dw = np.full((inputs, outputs), np.nan, dtype)
    kernels.affine(y, x, w, b)
    kernels.affine(y, x, w, add=True)
    kernels.affine_packed(packed, x, w)
    kernels.affine_input(dx, dy, w)
    kernels.affine_weight(dw, x, dy)
    return y, packed, dx, dw


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("rows", "inputs", "outputs"),
    [(600, 300, 200), (41, 520, 170), (300, 33, 1), (530, 7, 161), (64, 1024, 512), (90, 512, 200)],
)
def test_no_size_of_the_cache_changes_a_bit(rows, inputs, outputs, dtype, cache_of):
    """Whatever is packed, copied or cut: of the last two rows of w and of x share sets of the cache."""
    whole = products(rows, inputs, outputs, dtype)
    for size in (1, 2**12, 2**15, 2**18):
        cache_of(size)
        for part, expected in zip(products(rows, inputs, outputs, dtype), whole, strict=True):
            np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize("kernel", [kernels.affine, kernels.affine_packed])
def test_the_order_of_terms_is_that_of_blocks(kernel):
    """Blocks of 256 terms, each a chain, and their sums in order: in whole numbers that float32 rounds."""
    depth = 700
    x, w = np.full((1, depth), 1, "float32"), np.ones((depth, 3), "float32")
    x[0, 0] = 2**24  # what it swallows of its own block, other blocks keep
    y = kernels.matrix(1, 3, "float32")
    kernel(y, x, w)
    assert y[0, 0] == 2**24 + 256 + (depth - 512)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("depth", [1, 7, 300, 531])
@pytest.mark.parametrize(
    ("rows", "cols"),
    [
        (1, 40),
        (1, 600),
        (1, 1),
        (40, 1),
        (33, 2),
        (21, 3),
        (50, 4),
        (2, 5),
        (3, 70),
        (4, 33),
        (2, 20),
    ],
)
def test_few_rows_or_columns_have_the_bits_of_many(rows, cols, depth, dtype):
    """Whatever reads them: the same products of matrices that have more of both."""
    rng = np.random.default_rng(depth)
    x, w = filled(rng, rows + 20, depth, dtype), filled(rng, depth, cols + 50, dtype)
    wide_w = filled(rng, cols + 50, depth, dtype)
    b = rng.normal(size=cols + 50).astype(dtype)
    start = filled(rng, rows + 20, cols + 50, dtype)

    def all_of(rows, cols):
        y, dx, added = (start[:rows, :cols].copy() for _ in range(3))
        kernels.affine(y, x[:rows], w[:, :cols], b[:cols])
        kernels.affine(added, x[:rows], w[:, :cols], add=True)
        kernels.affine_input(dx, x[:rows], wide_w[:cols], add=True)
        dw, summed, partial = (start[:rows, :cols].copy() for _ in range(3))
        across = np.ascontiguousarray(x[:rows].T)
        kernels.affine_weight(dw, across, w[:, :cols])
        kernels.affine_weight(
            summed, across, w[:, :cols], before=50, behind=100, add=True, partial=partial
        )
        return y, added, dx, dw, summed, partial

    for few, many in zip(all_of(rows, cols), all_of(rows + 20, cols + 50), strict=True):
        np.testing.assert_array_equal(few, many[:rows, :cols])
    ones = np.ones((rows, 1), dtype)
    check_product(
        all_of(rows, cols)[0], np.hstack([x[:rows], ones]), np.vstack([w, b])[:, :cols], dtype
    )


def ulp_error(got, want, dtype):
    """Largest error in units of the last place of the exact results ``want`` (long double)."""
    spacing = np.spacing(np.abs(want).astype(dtype)).astype(np.longdouble)
    return float((np.abs(got - want) / spacing).max())


def skip_without_longer_doubles(function):
    """The C library may have them, and functions of them that are those of doubles."""
    if function(np.longdouble(0.1)) == function(0.1):
        pytest.skip("long double has no more digits than double here")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["exp", "tanh"])
def test_elementary_functions_are_within_2_ulp(name, dtype):
    skip_without_longer_doubles(getattr(np, name))
    rng = np.random.default_rng(3)
    low, high = (-103, 88.7) if dtype == "float32" else (-745, 709.7)
    smallest = -140 if dtype == "float32" else -1070
    x = np.concatenate(
        [
            rng.uniform(low, high, 200_000),
            rng.uniform(-2, 2, 400_000),
            rng.uniform(0.15, 0.4, 400_000),
            np.ldexp(rng.choice([-1, 1], 200_000), rng.integers(smallest, 6, 200_000))
            * rng.uniform(1, 2, 200_000),
        ]
    ).astype(dtype)
    x = x[(x > low) & (x < high)]
    got = getattr(kernels, name)(x)
    want = getattr(np, name)(x.astype(np.longdouble))
    assert ulp_error(got, want, dtype) <= 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_sigmoid_is_within_3_ulp_where_it_is_normal(dtype):
    skip_without_longer_doubles(np.exp)
    rng = np.random.default_rng(4)
    low = -87.3 if dtype == "float32" else -708.3
    x = np.concatenate([rng.uniform(low, -low, 300_000), rng.uniform(-20, 20, 300_000)])
    z, h = (kernels.matrix(600, 1000, dtype) for _ in range(2))
    z[...] = x.reshape(z.shape)
    kernels.activation(h, z, activations.get("sigmoid").function)
    want = 1 / (1 + np.exp(-z.astype(np.longdouble)))
    assert ulp_error(h, want, dtype) <= 3


@pytest.mark.parametrize("dtype", DTYPES)
def test_elementary_functions_at_special_values(dtype):
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e4, -1e4], dtype)
    np.testing.assert_array_equal(
        kernels.exp(x), np.array([1, 1, np.inf, 0, np.nan, np.inf, 0], dtype)
    )
    got = kernels.tanh(x)
    np.testing.assert_array_equal(got, np.array([0, 0, 1, -1, np.nan, 1, -1], dtype))
    assert list(np.signbit(got[:2])) == [False, True]
    for size in range(1, 40):
        np.testing.assert_array_equal(kernels.exp(np.zeros(size, dtype)), 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [16, 64, 1008])
@pytest.mark.parametrize("scale", [1, 1e-30, 1e-38, 1e30, 0])
def test_norm_neither_over_nor_underflows(dtype, size, scale):
    rng = np.random.default_rng(4)
    x = kernels.vector(size, dtype)
    x[...] = rng.normal(size=size) * scale
    want = np.linalg.norm(x.astype(np.longdouble))
    assert kernels.norm(x) == pytest.approx(float(want), rel=1e-6)


def test_norm_of_tiny_and_huge_doubles():
    x = kernels.vector(16, "float64")
    for scale in (1e-200, 1e200, 1e-308):
        x[...] = scale
        assert kernels.norm(x) == pytest.approx(4 * scale, rel=1e-12)


def test_levels_are_known():
    assert simd.level in simd.levels()
    assert simd.levels()[0] == "baseline"
    assert simd.fma_peak(0.001) > 0
