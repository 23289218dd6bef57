"""QR by blocks of rows, and vectors carried through products of matrices, against NumPy and closed forms."""

import numpy as np
import pytest
from processes import numbers_at

from vgcore._core import simd, tangents

SHAPES = [
    (1, 1),
    (1, 7),
    (2, 2),
    (3, 5),
    (15, 16),
    (16, 16),
    (17, 17),
    (31, 90),
    (48, 49),
    (129, 130),
]


def guarded(values):
    """A copy that lies between numbers that must stay, and those numbers."""
    room = np.full(values.size + 64, 7.0)
    copy = room[32:-32].reshape(values.shape)
    copy[...] = values
    return copy, (room[:32], room[-32:])


def decompose(values):
    """The vectors and lengths that the kernel makes; rows of ``values`` are what QR has for columns."""
    q, outside = guarded(values)
    lengths = tangents.orthonormalise(q)
    assert all(np.all(each == 7) for each in outside)
    return q, lengths


def check_nesting(q, values):
    """The first i rows of q span what the first i rows of the values do."""
    triangle = values @ q.T
    scale = np.linalg.norm(values, axis=1, keepdims=True)
    assert np.all(np.abs(np.triu(triangle, 1)) <= 1e-14 * len(q) * scale)


@pytest.mark.parametrize("shape", SHAPES)
def test_vectors_are_orthonormal_and_lengths_are_numpys(shape):
    values = np.random.default_rng(0).normal(size=shape)
    q, lengths = decompose(values)
    np.testing.assert_allclose(q @ q.T, np.eye(len(q)), rtol=0, atol=1e-14 * shape[1])
    np.testing.assert_allclose(lengths, np.abs(np.diag(np.linalg.qr(values.T)[1])), rtol=1e-10)
    check_nesting(q, values)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weakest", [1e-4, 1e-8, 1e-11])
def test_nearly_dependent_rows_are_orthonormal_all_the_same(shape, weakest):
    rng = np.random.default_rng(1)
    k, n = shape
    left, right = (np.linalg.qr(rng.normal(size=(size, size)))[0] for size in shape)
    values = left * np.geomspace(1, weakest, k) @ right[:k]
    q, lengths = decompose(values)
    np.testing.assert_allclose(q @ q.T, np.eye(k), rtol=0, atol=1e-14 * n)
    volume = np.sum(np.log(np.linalg.svd(values, compute_uv=False)))
    assert np.sum(np.log(lengths)) == pytest.approx(volume, abs=1e-4 * k)
    check_nesting(q, values)


def test_rows_of_all_sizes_are_measured_exactly():
    """Where squares over- and underflow, too."""
    values = np.random.default_rng(2).normal(size=(20, 33))
    sizes = 10.0 ** np.linspace(-305, 305, 20)
    q, lengths = decompose(values * sizes[:, np.newaxis])
    plain, expected = decompose(values)
    np.testing.assert_allclose(q, plain, rtol=0, atol=1e-13)
    np.testing.assert_allclose(lengths / sizes, expected, rtol=1e-12)


@pytest.mark.parametrize("k", [3, 16, 40])
def test_of_dependent_rows_nothing_is_left(k):
    rng = np.random.default_rng(3)
    values = rng.normal(size=(k, 50))
    values[1] = 0
    values[k - 1] = rng.normal(size=k - 1) @ values[: k - 1]
    q, lengths = decompose(values)
    gone = np.isin(np.arange(k), [1, k - 1])
    np.testing.assert_array_equal(lengths == 0, gone)
    np.testing.assert_array_equal(q[gone], 0)
    np.testing.assert_allclose(q @ q.T, np.diag(~gone), rtol=0, atol=5e-13)


@pytest.mark.parametrize("rank", [1, 5, 16, 30])
def test_as_many_lengths_are_above_0_as_the_rank(rank):
    rng = np.random.default_rng(4)
    values = rng.normal(size=(40, rank)) @ rng.normal(size=(rank, 45))
    _, lengths = decompose(values)
    np.testing.assert_array_equal(lengths > 0, np.arange(40) < rank)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("row", [0, 3, 20])
def test_what_is_not_finite_is_seen_in_all_that_follows(value, row):
    values = np.random.default_rng(5).normal(size=(24, 24))
    expected = decompose(values)[1]
    values[row, 2] = value
    q, lengths = decompose(values)
    np.testing.assert_allclose(lengths[:row], expected[:row], rtol=1e-12)
    assert not np.isfinite(lengths[row:]).any()
    assert np.isnan(q[row:]).any(axis=1).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_vectors_are_carried_as_numpy_carries_them(shape):
    rng = np.random.default_rng(6)
    k, n = shape
    jacobians = rng.normal(size=(5, n, n))
    start = np.linalg.qr(rng.normal(size=(n, n)))[0][:k].copy()
    q, outside = guarded(start)
    lengths = np.empty((5, k))
    tangents.carry(q, jacobians, lengths)
    twin = start.T
    for jacobian, length in zip(jacobians, lengths, strict=True):
        twin, triangle = np.linalg.qr(jacobian @ twin)
        np.testing.assert_allclose(length, np.abs(np.diag(triangle)), rtol=1e-8)
    np.testing.assert_allclose(np.abs(np.sum(q.T * twin, axis=0)), 1, rtol=1e-10)
    assert all(np.all(each == 7) for each in outside)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("backwards", [False, True])
def test_products_are_numpys(shape, backwards):
    rng = np.random.default_rng(8)
    n = shape[1]
    jacobians = rng.normal(size=(4, n, n)) / np.sqrt(n)
    start = rng.normal(size=shape)
    q, outside = guarded(start)
    tangents.multiply(q, jacobians, backwards=backwards)
    expected = start
    for jacobian in jacobians[::-1] if backwards else jacobians.transpose(0, 2, 1):
        expected = expected @ jacobian
    np.testing.assert_allclose(q, expected, rtol=1e-12, atol=1e-12)
    assert all(np.all(each == 7) for each in outside)


def digamma(x):
    """By its recurrence and its asymptotic series."""
    below = 0.0
    while x < 10:
        below -= 1 / x
        x += 1
    return below + np.log(x) - 1 / (2 * x) - 1 / (12 * x**2) + 1 / (120 * x**4) - 1 / (252 * x**6)


@pytest.mark.parametrize("n", [1, 4, 20])
def test_products_of_gaussian_matrices(n):
    """Newman 1986: lambda_i = (ln 2 + psi((n - i + 1) / 2)) / 2 where elements are standard normal.

    log R_ii are independent: half the logarithm of a chi-square number of n - i + 1 degrees of freedom.
    """
    times = 4000
    jacobians = np.random.default_rng(7).normal(size=(times, n, n))
    lengths = np.empty((times, n))
    tangents.carry(np.eye(n), jacobians, lengths)
    degrees = n - np.arange(n)
    expected = [(np.log(2) + digamma(each / 2)) / 2 for each in degrees]
    growth = np.log(lengths)
    error = growth.std(axis=0) / np.sqrt(times)
    assert np.all(np.abs(growth.mean(axis=0) - expected) < 4 * error)
    assert error.max() < 0.03


def test_arrays_of_other_shapes_or_dtypes_are_refused():
    good = np.eye(3), np.zeros((2, 3, 3)), np.empty((2, 3))
    for place, bad, error in (
        (1, np.zeros((2, 3, 4)), ValueError),
        (2, np.empty((2, 2)), ValueError),
        (0, np.eye(3, dtype=np.float32), TypeError),
        (1, np.zeros((3, 3, 2)).T, ValueError),
        (2, np.empty((3, 2)).T, ValueError),
    ):
        given = [bad if i == place else each for i, each in enumerate(good)]
        with pytest.raises(error):
            tangents.carry(*given)
        if place < 2:
            with pytest.raises(error):
                tangents.multiply(*given[:2], backwards=True)
    with pytest.raises(TypeError):
        tangents.orthonormalise(np.eye(3, dtype=np.float32))


@pytest.mark.parametrize("level", simd.levels()[:-1])
def test_other_levels_do_the_same(level, monkeypatch):
    script = (
        "import numpy as np; from vgcore._core import simd, tangents; r = np.random.default_rng(0);"
        "q = r.normal(size=(35, 41)); made = tangents.orthonormalise(q), q;"
        "j = r.normal(size=(3, 41, 41)); lengths = np.empty((3, 35)); tangents.carry(q, j, lengths);"
        "print(simd.level, *made[0], *q.ravel(), *lengths.ravel())"
    )
    there, here = (numbers_at(each, script, monkeypatch) for each in (level, simd.levels()[-1]))
    np.testing.assert_allclose(there, here, rtol=1e-9, atol=1e-12)
