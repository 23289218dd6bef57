"""Tangent vectors carried through Jacobians, and kept orthonormal on the way (Benettin et al. 1980).

q := q J_t^T, then q := q' of the QR decomposition q^T = (q')^T R, whose diagonal is what the vectors grew by.

Vectors are the rows of q, (k, n). From a block of them products take what lies in the span of the rows before
it, then Gram-Schmidt makes the block orthonormal, and both again (block Gram-Schmidt with
reorthogonalisation: Barlow and Smoktunowicz 2013); so most of the work is products.
"""

from libc.float cimport DBL_EPSILON

import numpy as np

from .arrays cimport doubles_of
from .kernel_arrays cimport all_rows, as_matrix, expect, leaf_of
from .simd cimport Leaf, Matrix, Rows

cdef enum:
    BLOCK = 16  # rows; bench: looking.py lyapunov-rnn


cdef inline Matrix from_row(Matrix m, Py_ssize_t row) noexcept nogil:
    return Matrix(data=<double *>m.data + row * m.ld, ld=m.ld, cols=m.cols)


cdef inline Matrix first_columns(Matrix m, Py_ssize_t cols) noexcept nogil:
    return Matrix(data=m.data, ld=m.ld, cols=cols)


cdef void project(const Leaf *leaf, Matrix q, Matrix work, Py_ssize_t begin, const Rows *rows) noexcept nogil:
    """Take from rows what lies in the span of the rows before `begin`, which are orthonormal."""
    cdef Matrix shares = first_columns(work, begin)
    cdef double *share
    cdef Py_ssize_t r, j
    leaf.affine_input(shares, q, q, False, rows)
    for r in range(rows.begin, rows.end):
        share = <double *>from_row(shares, r).data
        for j in range(begin):
            share[j] = -share[j]
    leaf.affine(q, shares, q, NULL, True, rows)


cdef void orthonormalise_rows(
    const Leaf *leaf, Matrix q, Matrix work, double *length, Py_ssize_t k
) noexcept nogil:
    """Rows of q := orthonormal ones; length[r] := the diagonal of R. Where no more is left of a row, beside
    those before it, than rounding makes, both become 0."""
    cdef double least = q.cols * DBL_EPSILON
    cdef Rows rows = Rows(begin=0, end=0, times=1, stride=k, ends=NULL)
    cdef Py_ssize_t block, begin, r
    for r in range(k):  # first to length 1, and they can neither overflow nor underflow
        rows.begin, rows.end = r, r + 1
        length[r] = 1
        leaf.orthonormalise(length, q, 0, &rows)
    for block in range((k + BLOCK - 1) // BLOCK):
        begin = block * BLOCK
        rows.begin, rows.end = begin, min(begin + BLOCK, k)
        for _ in range(2):
            if begin > 0:
                project(leaf, q, work, begin, &rows)
            leaf.orthonormalise(length, q, least, &rows)


def orthonormalise(q):
    """Make the rows of q (k, n) float64 orthonormal; returns the diagonal of R (k,)."""
    cdef Py_ssize_t k = len(q)
    work, lengths = np.empty((k, k)), np.empty(k)
    cdef const Leaf *leaf = leaf_of([q, lengths])
    cdef Matrix vectors = as_matrix(q), shares = as_matrix(work)
    cdef double *length = doubles_of("lengths", lengths)
    with nogil:
        orthonormalise_rows(leaf, vectors, shares, length, k)
    return lengths


cdef Matrix checked(rows, jacobians) except *:
    """The first of the Jacobians, for rows that are carried through them."""
    cdef Py_ssize_t n = rows.shape[1]
    expect("jacobians", jacobians, (len(jacobians), n, n))
    return Matrix(data=doubles_of("jacobians", jacobians), ld=n, cols=n)


def carry(q, jacobians, lengths):
    """Take the rows of q (k, n) through jacobians (times, n, n), and make them orthonormal at each timestep.

    lengths (times, k) is written: the diagonals of R. All are float64 and C-contiguous.
    """
    cdef const Leaf *leaf = leaf_of([q, jacobians, lengths])
    cdef Py_ssize_t k = q.shape[0], n = q.shape[1], times = len(jacobians), t
    cdef Matrix jacobian = checked(q, jacobians)
    expect("lengths", lengths, (times, k))
    after, work = np.empty((k, n)), np.empty((k, k))
    cdef Matrix vectors = as_matrix(q), moved = as_matrix(after), shares = as_matrix(work)
    cdef double *length = doubles_of("lengths", lengths)
    cdef Rows rows = all_rows(q)
    with nogil:
        for t in range(times):
            leaf.affine_input(moved, vectors, from_row(jacobian, t * n), False, &rows)
            orthonormalise_rows(leaf, moved, shares, length + t * k, k)
            leaf.gather(vectors, moved, NULL, &rows)


def multiply(q, jacobians, *, bint backwards):
    """q := q J_1^T J_2^T ... or, `backwards`, q ... J_2 J_1: q (k, n), jacobians (times, n, n), float64."""
    cdef const Leaf *leaf = leaf_of([q, jacobians])
    cdef Py_ssize_t n = q.shape[1], times = len(jacobians), t
    cdef Matrix jacobian = checked(q, jacobians)
    after = np.empty_like(q)
    cdef Matrix vectors = as_matrix(q), moved = as_matrix(after)
    cdef Rows rows = all_rows(q)
    with nogil:
        for t in range(times):
            if backwards:
                leaf.affine(moved, vectors, from_row(jacobian, (times - 1 - t) * n), NULL, False, &rows)
            else:
                leaf.affine_input(moved, vectors, from_row(jacobian, t * n), False, &rows)
            leaf.gather(vectors, moved, NULL, &rows)
