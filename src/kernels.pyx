"""The leaf kernels of the CPU level in use, on NumPy arrays: a door for tests, benchmarks and theory.

Matrices are made by `matrix`, whose rows are whole vectors; a kernel runs over all rows at once. Kernels of
images and of norms are in image_kernels.pyx and norm_kernels.pyx.
"""

import numpy as np

from libc.stdint cimport int64_t, uint16_t, uint64_t

from .arrays cimport data_of, doubles_of, int64s_of
from .function cimport ActivationFunction
from .kernel_arrays cimport all_rows, as_matrix, expect, expect_lines, leaf_of, some_rows
from .op cimport row_chunks
from .simd cimport (
    Bins, LONGEST_ENTRY, Leaf, Norms, PACKED_SIZE, PADDED, RULE_STATES, Rows, Rule, Span, TABLE_BYTES,
    Update, advance, clear_table, leaf_table,
)


def matrix(Py_ssize_t rows, Py_ssize_t cols, dtype):
    """Zeros (rows, cols) whose rows are padded to whole cache lines."""
    lanes = 64 // np.dtype(dtype).itemsize
    return np.zeros((rows, -(-cols // lanes) * lanes), dtype)[:, :cols]


def vector(Py_ssize_t n, dtype):
    """Zeros (n,) with room for whole vectors behind them."""
    return matrix(1, n, dtype)[0]


def affine(y, x, w, b=None, *, bint add=False):
    """y = x w + b, or y += x w."""
    expect("x", x, (len(y), len(w)))
    expect("w", w, (x.shape[1], y.shape[1]))
    if b is not None:
        expect("b", b, (y.shape[1],))
    cdef const Leaf *leaf = leaf_of([y, x, w, b])
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


cdef Span span_over(x, Py_ssize_t before, Py_ssize_t behind, into, partial, bint add) except *:
    cdef Span span = Span(rows=len(x), before=before, behind=behind, partial=0, add=add)
    if partial is not None:
        expect("partial", partial, into.shape)
        span.partial = <char *>as_matrix(partial).data - <char *>as_matrix(into).data
    return span


def affine_weight(
    dw, x, dy, *, Py_ssize_t before=0, Py_ssize_t behind=0, partial=None, bint add=False
):
    """dw = x^T dy, or dw += x^T dy; `before`, `behind`: rows of the same sum that other windows hold,
    `partial`: where a block that is cut in two waits."""
    expect("x", x, (len(dy), len(dw)))
    expect("dy", dy, (len(x), dw.shape[1]))
    cdef Span span = span_over(x, before, behind, dw, partial, add)
    leaf_of([dw, x, dy]).affine_weight(
        as_matrix(dw), as_matrix(x), as_matrix(dy), &span, 0, len(dw)
    )


def column_sums(db, dy, *, Py_ssize_t before=0, Py_ssize_t behind=0, partial=None, bint add=False):
    """db = sum of the rows of dy, or db += it, likewise; all made by `matrix` or `vector`."""
    expect("db", db, (dy.shape[1],))
    cdef Span span = span_over(dy, before, behind, db, partial, add)
    leaf_of([db, dy]).column_sums(as_matrix(db).data, as_matrix(dy), &span, 0, dy.shape[1])


def column_products(db, x, dy, *, Py_ssize_t before=0, Py_ssize_t behind=0, partial=None, bint add=False):
    """db = sum of the rows of x times dy, or db += it, likewise."""
    expect("db", db, (dy.shape[1],))
    expect("x", x, dy.shape)
    cdef Span span = span_over(dy, before, behind, db, partial, add)
    leaf_of([db, x, dy]).column_products(
        as_matrix(db).data, as_matrix(x), as_matrix(dy), &span, 0, dy.shape[1]
    )


def activation(h, z, ActivationFunction f not None):
    """h = f(z); both made by `matrix`."""
    expect("z", z, h.shape)
    cdef Rows rows = all_rows(h)
    leaf_of([h, z]).activation(as_matrix(h), as_matrix(z), &f.function, &rows)


def activation_backward(delta, h, z, ActivationFunction f not None):
    """delta *= f'(z); all made by `matrix`."""
    expect("h", h, delta.shape)
    expect("z", z, delta.shape)
    cdef Rows rows = all_rows(delta)
    leaf_of([delta, h, z]).activation_backward(
        as_matrix(delta), as_matrix(h), as_matrix(z), &f.function, False, NULL, &rows
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
            weight=doubles_of("norms", norms[0]),
            gradient=doubles_of("norms", norms[1]),
            update=doubles_of("norms", norms[2]),
            ratios=NULL,
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


class Counter:
    """Counts numbers of a dtype by sign and binary exponent, as the engine does step by step."""

    def __init__(self, dtype):
        self.dtype = np.dtype(dtype)
        self.table = np.zeros(TABLE_BYTES(self.dtype.itemsize) // 8, np.int64)
        clear_table(<Bins *>int64s_of("table", self.table), self.dtype.itemsize)

    def add(self, x):
        """A contiguous vector."""
        cdef const Leaf *leaf = leaf_of([x])
        cdef Bins *table = <Bins *>int64s_of("table", self.table)
        cdef const void *given = as_matrix(x).data
        cdef Py_ssize_t n = x.size
        with nogil:
            leaf.count(table, given, n)

    def add_rows(self, x, *, Py_ssize_t places=1, part=None, ends=None):
        """Rows `part` of a matrix at so many places, as far as sequences reach."""
        cdef Rows rows = some_rows(x, places, part, ends)
        leaf_of([x]).count_rows(<Bins *>int64s_of("table", self.table), as_matrix(x), &rows)

    def take(self):
        """Counts since the last time: (lowest exponent, (W, 2) from there on, (4,) zeros, NaN, inf, -inf)."""
        entry = np.empty(LONGEST_ENTRY(self.dtype.itemsize), np.uint16)
        cdef Bins *table = <Bins *>int64s_of("table", self.table)
        cdef uint16_t *words = <uint16_t *>data_of("entry", entry, entry.dtype)
        size = leaf_table(self.dtype.itemsize).join_tables(words, table, 1)
        numbers = entry[3:size] if entry[2] == 1 else entry[3:size].copy().view(np.int64)
        about = np.finfo(self.dtype)
        return int(entry[0]) + about.minexp - about.nmant, numbers[4:].reshape(-1, 2), numbers[:4]


def unit_norms(x, *, bint by_column=False):
    """The L2 norm of each column, by chunks of rows or, `by_column`, of columns."""
    cdef const Leaf *leaf = leaf_of([x])
    cdef Py_ssize_t cols = x.shape[1], chunks = 1 if by_column else row_chunks(len(x)), down
    down = cols if by_column else PADDED(cols)
    sums = np.zeros((chunks, 2 * down))
    cdef Rows rows = all_rows(x)
    if by_column:
        leaf.column_squares(doubles_of("sums", sums), as_matrix(x), len(x), 0, cols)
    else:
        leaf.unit_squares(as_matrix(sums), as_matrix(x), &rows)
    total = sums.sum(axis=0)
    return np.array([leaf.unit_norm(total[j], total[down + j]) for j in range(cols)])


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
