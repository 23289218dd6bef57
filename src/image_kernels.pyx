"""The leaf kernels of images on NumPy arrays: convolutions, pools, layouts. See kernels.pyx."""

import numpy as np

from libc.stdint cimport int64_t

from .kernel_arrays cimport as_matrix, leaf_of, part_of
from .neighbours cimport Table
from .simd cimport Layout, Leaf, PACKED_SIZE, Rows


def convolve(
    y, x, w, Table pairs, *, Py_ssize_t rows, b=None, Py_ssize_t groups=1, bint transposed=False,
    bint add=False, part=None,
):
    """y = x * w + b over images of `rows` samples; transposed: dx = y from dy = x."""
    cdef Py_ssize_t channels = (y if transposed else x).shape[1] // groups, taps = len(w) // channels
    cdef Py_ssize_t depth = x.shape[1] // groups
    packed = np.empty(groups * PACKED_SIZE(taps * depth, y.shape[1] // groups), y.dtype)
    cdef const Leaf *leaf = leaf_of([y, x, w, b])
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
