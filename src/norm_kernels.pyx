"""The leaf kernels that sum over chunks of rows, on NumPy arrays: norms and PReLU. See kernels.pyx."""

import numpy as np

from .function cimport ActivationFunction
from .kernel_arrays cimport all_rows, as_matrix, data_or_null, leaf_of, of_doubles, some_rows
from .op cimport row_chunks
from .simd cimport Leaf, MOMENTS, PADDED, Rows


def chunk_sums(Py_ssize_t rows, Py_ssize_t vectors, Py_ssize_t cols):
    """Room for the sums of each chunk of so many rows: (chunks, vectors of padded columns)."""
    return np.zeros((row_chunks(rows), vectors * PADDED(cols)))


def column_moments(x, *, Py_ssize_t places=1, parts=(None,), ends=None):
    """Count, means and variances of the columns: each chunk's, taken part by part, then joined."""
    cdef Py_ssize_t cols = x.shape[1], chunks = row_chunks(len(x) // places)
    moments = np.zeros((chunks, MOMENTS(cols)))
    cdef double[::1] mean = np.empty(cols), variance = np.empty(cols)
    cdef const Leaf *leaf = leaf_of([x])
    cdef Rows rows
    for part in parts:
        rows = some_rows(x, places, part, ends)
        leaf.column_moments(of_doubles(moments), as_matrix(x), &rows)
    count = leaf.merged_moments(&mean[0], &variance[0], of_doubles(moments), len(moments), cols)
    return count, np.asarray(mean), np.asarray(variance)


def normaliser(double[::1] mean, double[::1] variance, double epsilon, dtype):
    """What standardises columns of such means and variances."""
    made = np.empty(3 * PADDED(len(mean)), dtype)
    leaf_of([made]).normaliser(as_matrix(made).data, &mean[0], &variance[0], epsilon, len(mean))
    return made


def normalise(
    h, z, x, normaliser, weight, bias, ActivationFunction f not None, *, Py_ssize_t places=1,
    part=None, ends=None,
):
    """z = standardised x times weight plus bias, h = f(z)."""
    cdef Rows rows = some_rows(x, places, part, ends)
    leaf_of([h, z, x, normaliser, weight, bias]).normalise(
        as_matrix(h), as_matrix(z), as_matrix(x), as_matrix(normaliser).data, data_or_null(weight),
        data_or_null(bias), &f.function, &rows,
    )


def normalise_backward(
    sums, delta, h, z, x, normaliser, weight, bias, ActivationFunction f not None, *,
    Py_ssize_t places=1, part=None, ends=None,
):
    """delta *= f'(z), and each chunk's sums of it and of it times standardised x."""
    cdef Rows rows = some_rows(x, places, part, ends)
    leaf_of([delta, h, z, x, normaliser, weight, bias]).normalise_backward(
        of_doubles(sums), as_matrix(delta), as_matrix(h), as_matrix(z), as_matrix(x),
        as_matrix(normaliser).data, data_or_null(weight), data_or_null(bias), &f.function,
        False, NULL, &rows,
    )


def normalise_input(
    dx, delta, x, normaliser, weight, means, *, bint add=False, Py_ssize_t places=1, part=None, ends=None
):
    """dx, or dx += where ``add``, from the means of the two sums."""
    cdef Rows rows = some_rows(x, places, part, ends)
    leaf_of([dx, delta, x, normaliser, weight, means]).normalise_input(
        as_matrix(dx), as_matrix(delta), as_matrix(x), as_matrix(normaliser).data, data_or_null(weight),
        as_matrix(means).data, add, &rows,
    )


def join_chunks(sums, dtype, double scale=1):
    """The sums of all chunks, scaled."""
    made = np.empty(sums.shape[1], dtype)
    leaf_of([made]).join_chunks(
        as_matrix(made).data, of_doubles(sums), len(sums), scale, 0, sums.shape[1]
    )
    return made


def row_normalise(
    h, z, x, weight, bias, double epsilon, bint centred, ActivationFunction f not None, *,
    Py_ssize_t places=1, part=None, ends=None,
):
    """z = x standardised row by row, times weight plus bias, h = f(z)."""
    cdef Rows rows = some_rows(x, places, part, ends)
    leaf_of([h, z, x, weight, bias]).row_normalise(
        as_matrix(h), as_matrix(z), as_matrix(x), data_or_null(weight), data_or_null(bias), epsilon,
        centred, &f.function, &rows,
    )


def row_normalise_backward(
    sums, dx, delta, h, z, x, weight, double epsilon, bint centred, ActivationFunction f not None, *,
    bint add=False, bint accumulating=False, Py_ssize_t places=1, part=None, ends=None,
):
    """delta *= f'(z), each chunk's sums, and dx."""
    cdef Rows rows = some_rows(x, places, part, ends)
    leaf_of([dx, delta, h, z, x, weight]).row_normalise_backward(
        of_doubles(sums), as_matrix(dx), as_matrix(delta), as_matrix(h), as_matrix(z), as_matrix(x),
        data_or_null(weight), epsilon, centred, &f.function, False, add, accumulating, NULL,
        &rows,
    )


def prelu(h, x, a):
    """h = max(x, 0) + a min(x, 0), for an a per column or a single one."""
    cdef Rows rows = all_rows(x)
    leaf_of([h, x, a]).prelu(as_matrix(h), as_matrix(x), as_matrix(a).data, len(a) == 1, &rows)


def prelu_backward(
    sums, delta, x, a, *, bint accumulating=False, Py_ssize_t places=1, part=None, ends=None
):
    """delta = dL/dx from dL/dh, and each chunk's sums of the gradient of a."""
    cdef Rows rows = some_rows(x, places, part, ends)
    leaf_of([delta, x, a]).prelu_backward(
        of_doubles(sums), as_matrix(delta), as_matrix(x), as_matrix(a).data, len(a) == 1,
        accumulating, &rows,
    )
