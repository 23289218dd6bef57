"""The leaf kernels of the CPU level in use, on NumPy arrays: a door for tests, benchmarks and theory.

Matrices are made by `matrix`, whose rows are whole vectors; a kernel runs over all rows at once.
"""

import numpy as np

from cpython.buffer cimport PyBUF_STRIDED_RO, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint64_t

from .neighbours cimport Table
from .op cimport row_chunks
from .simd cimport (
    Activation, Layout, Leaf, MOMENTS, Matrix, Norms, PACKED_SIZE, PADDED, RULE_STATES, Rows, Rule,
    Update, advance, leaf_table,
)


def matrix(Py_ssize_t rows, Py_ssize_t cols, dtype):
    """Zeros (rows, cols) whose rows are padded to whole cache lines."""
    lanes = 64 // np.dtype(dtype).itemsize
    return np.zeros((rows, -(-cols // lanes) * lanes), dtype)[:, :cols]


def vector(Py_ssize_t n, dtype):
    """Zeros (n,) with room for whole vectors behind them."""
    return matrix(1, n, dtype)[0]


cdef Matrix as_matrix(array) except *:
    """The rows of a float32 or float64 array; a 1-d array is one row."""
    cdef Py_buffer view
    array = np.atleast_2d(array)
    if array.dtype not in (np.float32, np.float64) or array.ndim != 2:
        raise TypeError(f"expected a float32 or float64 matrix, got {array.dtype} {array.shape}")
    if array.strides[1] != array.itemsize:
        raise ValueError(f"expected contiguous rows, got strides {array.strides}")
    PyObject_GetBuffer(array, &view, PyBUF_STRIDED_RO)
    cdef Matrix made = Matrix(
        data=view.buf, ld=array.strides[0] // array.itemsize, cols=array.shape[1]
    )
    PyBuffer_Release(&view)
    return made


cdef const Leaf *leaf_of(arrays) except NULL:
    if len({array.dtype for array in arrays}) != 1:
        raise TypeError(f"expected one dtype, got {[str(array.dtype) for array in arrays]}")
    return leaf_table(arrays[0].itemsize)


cdef int expect(name, array, tuple shape) except -1:
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")


cdef Rows all_rows(array) except *:
    return Rows(begin=0, end=len(array), times=1, stride=len(array), ends=NULL)


cdef Rows some_rows(array, Py_ssize_t places, part, const int64_t[::1] ends) except *:
    """Rows [part[0], part[1]) of a matrix of so many places, or all of them."""
    cdef Py_ssize_t stride = len(array) // places
    cdef Rows rows = Rows(begin=0, end=stride, times=places, stride=stride, ends=NULL)
    if part is not None:
        rows.begin, rows.end = part
    if ends is not None:
        rows.ends = &ends[0]
    return rows


cdef Matrix of_doubles(double[:, ::1] array) except *:
    return Matrix(data=&array[0, 0], ld=array.shape[1], cols=array.shape[1])


cdef void *data_or_null(array) except? NULL:
    return as_matrix(array).data if array is not None else NULL


def affine(y, x, w, b=None, *, bint add=False):
    """y = x w + b, or y += x w."""
    expect("x", x, (len(y), len(w)))
    expect("w", w, (x.shape[1], y.shape[1]))
    if b is not None:
        expect("b", b, (y.shape[1],))
    cdef const Leaf *leaf = leaf_of([y, x, w] if b is None else [y, x, w, b])
    cdef void *bias = as_matrix(b).data if b is not None else NULL
    cdef Rows rows = all_rows(y)
    leaf.affine(as_matrix(y), as_matrix(x), as_matrix(w), bias, add, &rows)


def affine_packed(y, x, w, *, bint transposed=False, bint add=False):
    """y = x w, or y += x w, or with w^T, by way of a packed w."""
    expect("w", w, (y.shape[1], x.shape[1]) if transposed else (x.shape[1], y.shape[1]))
    packed = np.empty(PACKED_SIZE(x.shape[1], y.shape[1]), y.dtype)
    cdef const Leaf *leaf = leaf_of([y, x, w])
    cdef Rows rows = all_rows(y)
    leaf.pack(as_matrix(packed).data, as_matrix(w), len(w), transposed)
    leaf.affine_packed(as_matrix(y), as_matrix(x), as_matrix(packed).data, NULL, add, &rows)


def affine_input(dx, dy, w, *, bint add=False):
    """dx = dy w^T, or dx += dy w^T."""
    expect("dy", dy, (len(dx), w.shape[1]))
    expect("w", w, (dx.shape[1], dy.shape[1]))
    cdef Rows rows = all_rows(dx)
    leaf_of([dx, dy, w]).affine_input(as_matrix(dx), as_matrix(dy), as_matrix(w), add, &rows)


def affine_weight(dw, x, dy, *, bint add=False):
    """dw = x^T dy, or dw += x^T dy."""
    expect("x", x, (len(dy), len(dw)))
    expect("dy", dy, (len(x), dw.shape[1]))
    leaf_of([dw, x, dy]).affine_weight(
        as_matrix(dw), as_matrix(x), as_matrix(dy), add, len(x), 0, len(dw)
    )


def column_sums(db, dy, *, bint add=False):
    """db = sum of the rows of dy, or db += it; both made by `matrix` or `vector`."""
    expect("db", db, (dy.shape[1],))
    leaf_of([db, dy]).column_sums(as_matrix(db).data, as_matrix(dy), add, len(dy), 0, dy.shape[1])


cdef Rows part_of(Py_ssize_t rows, part) except *:
    """Rows `part`, a pair, of samples; all of them by default."""
    begin, end = (0, rows) if part is None else part
    return Rows(begin=begin, end=end, times=1, stride=rows, ends=NULL)


def convolve(
    y, x, w, Table pairs, *, Py_ssize_t rows, b=None, Py_ssize_t groups=1, bint transposed=False,
    bint add=False, part=None,
):
    """y = x * w + b over images of `rows` samples; transposed: dx = y from dy = x."""
    cdef Py_ssize_t channels = (y if transposed else x).shape[1] // groups, taps = len(w) // channels
    cdef Py_ssize_t depth = x.shape[1] // groups
    packed = np.empty(groups * PACKED_SIZE(taps * depth, y.shape[1] // groups), y.dtype)
    cdef const Leaf *leaf = leaf_of([y, x, w] if b is None else [y, x, w, b])
    cdef void *bias = as_matrix(b).data if b is not None else NULL
    cdef Rows range = part_of(rows, part)
    leaf.pack_taps(as_matrix(packed).data, as_matrix(w), channels, taps, groups, transposed)
    leaf.convolve(
        as_matrix(y), as_matrix(x), as_matrix(packed).data, bias, &pairs.pairs, taps, groups, add, &range
    )


def convolve_weight(dw, x, dy, Table pairs, *, Py_ssize_t rows, Py_ssize_t groups=1, part=None):
    """dw = gradient of the weight, or rows `part` of it."""
    begin, end = (0, len(dw)) if part is None else part
    leaf_of([dw, x, dy]).convolve_weight(
        as_matrix(dw), as_matrix(x), as_matrix(dy), &pairs.pairs, len(dw) * groups // x.shape[1], groups,
        rows, begin, end,
    )


def max_pool(y, x, Table pairs, *, Py_ssize_t rows, part=None):
    """y = the largest of each window of x."""
    cdef Rows range = part_of(rows, part)
    leaf_of([y, x]).max_pool(as_matrix(y), as_matrix(x), &pairs.pairs, &range)


def max_pool_backward(dx, dy, y, x, Table pairs, *, Py_ssize_t rows, bint add=False, part=None):
    """dx = dy where the largest was, or dx += it."""
    cdef Rows range = part_of(rows, part)
    range.times = len(dx) // rows
    leaf_of([dx, dy, y, x]).max_pool_backward(
        as_matrix(dx), as_matrix(dy), as_matrix(y), as_matrix(x), &pairs.pairs, add, &range
    )


def average_pool(y, x, Table pairs, factor, *, Py_ssize_t rows, bint add=False, part=None):
    """y = sums over the pairs of x, each times the factor of its right."""
    cdef Rows range = part_of(rows, part)
    leaf_of([y, x, factor]).average_pool(
        as_matrix(y), as_matrix(x), &pairs.pairs, as_matrix(factor).data, add, &range
    )


cdef Layout layout(array, Py_ssize_t places, order) except *:
    cdef const int64_t[::1] rows
    cdef Layout made = Layout(matrix=as_matrix(array), places=abs(places), by_channel=places > 1, order=NULL)
    if order is not None:
        rows = order
        made.order = &rows[0]
    return made


def relayout(
    y, x, *, Py_ssize_t rows, Py_ssize_t y_places=1, Py_ssize_t x_places=1, y_order=None, x_order=None,
    bint add=False, part=None,
):
    """The elements of x laid out as y, or added to it; of sequences the number of places is negative."""
    cdef Layout to = layout(y, y_places, y_order), source = layout(x, x_places, x_order)
    cdef Rows range = part_of(rows, part)
    leaf_of([y, x]).relayout(&to, &source, add, &range)


def activation(h, z, int f, double alpha=0):
    """h = f(z); both made by `matrix`."""
    expect("z", z, h.shape)
    cdef Rows rows = all_rows(h)
    leaf_of([h, z]).activation(as_matrix(h), as_matrix(z), <Activation>f, alpha, &rows)


def activation_backward(delta, h, z, int f, double alpha=0):
    """delta *= f'(z); all made by `matrix`."""
    expect("h", h, delta.shape)
    expect("z", z, delta.shape)
    cdef Rows rows = all_rows(delta)
    leaf_of([delta, h, z]).activation_backward(
        as_matrix(delta), as_matrix(h), as_matrix(z), <Activation>f, alpha, False, NULL, &rows
    )


def update(w, states, g, int rule, dict numbers, *, int64_t time=1, Py_ssize_t chunk=1024, norms=None):
    """Step `time` of an optimizer's rule on w and its states; vectors of whole cache lines.

    numbers: the fields of the engine's update struct; norms (3, chunks) float64: of w, g and the update.
    """
    for array in (w, g, *states):
        expect_lines("w, g, states", array)
    cdef const Leaf *leaf = leaf_of([w, g, *states])
    cdef void *value = as_matrix(w).data
    cdef void *gradient = as_matrix(g).data
    cdef void *state[RULE_STATES]
    cdef Update u = numbers
    cdef Norms kept
    cdef bint tapped = norms is not None
    cdef Py_ssize_t n = w.size, i
    for i in range(RULE_STATES):
        state[i] = as_matrix(states[i]).data if i < len(states) else NULL
    if tapped:
        expect("norms", norms, (3, (n + chunk - 1) // chunk))
        kept = Norms(
            weight=<double *>as_matrix(norms[0]).data,
            gradient=<double *>as_matrix(norms[1]).data,
            update=<double *>as_matrix(norms[2]).data,
        )
    with nogil:
        advance(&u, <Rule>rule, time)
        leaf.update[rule](value, state, gradient, n, chunk, &u, &kept if tapped else NULL)


def stream(w, states, g):
    """w += g, and so the two states: Adam's reads and writes, for benchmarks."""
    for array in (w, g, *states):
        expect_lines("w, g, states", array)
    cdef const Leaf *leaf = leaf_of([w, g, *states])
    cdef void *value = as_matrix(w).data
    cdef void *gradient = as_matrix(g).data
    cdef void *state[2]
    cdef Py_ssize_t n = w.size
    state[0], state[1] = as_matrix(states[0]).data, as_matrix(states[1]).data
    with nogil:
        leaf.stream(value, state, gradient, n)


cdef int expect_lines(name, x) except -1:
    if x.size % (64 // x.itemsize):
        raise ValueError(f"{name}: expected whole cache lines, got {x.size} elements of {x.dtype}")


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
    h, z, x, normaliser, weight, bias, int f, double alpha=0, *, Py_ssize_t places=1, part=None, ends=None
):
    """z = standardised x times weight plus bias, h = f(z)."""
    cdef Rows rows = some_rows(x, places, part, ends)
    leaf_of([h, z, x, normaliser]).normalise(
        as_matrix(h), as_matrix(z), as_matrix(x), as_matrix(normaliser).data, data_or_null(weight),
        data_or_null(bias), <Activation>f, alpha, &rows,
    )


def normalise_backward(
    sums, delta, h, z, x, normaliser, weight, bias, int f, double alpha=0, *, Py_ssize_t places=1, part=None,
    ends=None,
):
    """delta *= f'(z), and each chunk's sums of it and of it times standardised x."""
    cdef Rows rows = some_rows(x, places, part, ends)
    leaf_of([delta, h, z, x, normaliser]).normalise_backward(
        of_doubles(sums), as_matrix(delta), as_matrix(h), as_matrix(z), as_matrix(x),
        as_matrix(normaliser).data, data_or_null(weight), data_or_null(bias), <Activation>f, alpha,
        False, NULL, &rows,
    )


def normalise_input(
    dx, delta, x, normaliser, weight, means, *, bint add=False, Py_ssize_t places=1, part=None, ends=None
):
    """dx, or dx += where ``add``, from the means of the two sums."""
    cdef Rows rows = some_rows(x, places, part, ends)
    leaf_of([dx, delta, x, normaliser, means]).normalise_input(
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
    h, z, x, weight, bias, double epsilon, bint centred, int f, double alpha=0, *, Py_ssize_t places=1,
    part=None, ends=None,
):
    """z = x standardised row by row, times weight plus bias, h = f(z)."""
    cdef Rows rows = some_rows(x, places, part, ends)
    leaf_of([h, z, x]).row_normalise(
        as_matrix(h), as_matrix(z), as_matrix(x), data_or_null(weight), data_or_null(bias), epsilon,
        centred, <Activation>f, alpha, &rows,
    )


def row_normalise_backward(
    sums, dx, delta, h, z, x, weight, double epsilon, bint centred, int f, double alpha=0, *,
    bint add=False, bint accumulating=False, Py_ssize_t places=1, part=None, ends=None,
):
    """delta *= f'(z), each chunk's sums, and dx."""
    cdef Rows rows = some_rows(x, places, part, ends)
    leaf_of([dx, delta, h, z, x]).row_normalise_backward(
        of_doubles(sums), as_matrix(dx), as_matrix(delta), as_matrix(h), as_matrix(z), as_matrix(x),
        data_or_null(weight), epsilon, centred, <Activation>f, alpha, False, add, accumulating, NULL,
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


def dropout(
    y, x, double rate, uint64_t key, int stream=0, *, Py_ssize_t first_place=0, bint shared=False,
    Py_ssize_t places=1, part=None, ends=None,
):
    """y = x / (1 - rate), or 0 with a chance of rate."""
    cdef Rows rows = some_rows(x, places, part, ends)
    leaf_of([y, x]).dropout(
        as_matrix(y), as_matrix(x), rate, key, stream, first_place, shared, &rows
    )


def add_noise(g, double sigma, uint64_t key, Py_ssize_t first_element=0):
    """g += sigma times normal numbers."""
    leaf_of([g]).add_noise(as_matrix(g).data, len(g), sigma, key, first_element)


def norm(x):
    """The L2 norm of a contiguous vector of whole cache lines."""
    expect_lines("x", x)
    cdef double result
    leaf_of([x]).chunk_norms(&result, as_matrix(x).data, x.size, x.size)
    return result


def exp(x):
    """e^x, element by element."""
    return elementwise(x, True)


def tanh(x):
    """tanh x, element by element."""
    return elementwise(x, False)


cdef elementwise(x, bint of_exp):
    x = np.ascontiguousarray(x)
    y = np.empty_like(x)
    cdef const Leaf *leaf = leaf_of([x, y])
    cdef void *out = as_matrix(y.reshape(1, -1)).data
    cdef const void *given = as_matrix(x.reshape(1, -1)).data
    cdef Py_ssize_t n = x.size
    with nogil:
        if of_exp:
            leaf.exp(out, given, n)
        else:
            leaf.tanh(out, given, n)
    return y
