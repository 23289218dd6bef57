"""NumPy arrays seen from C: where they lie, and whole-array checks fast enough for every call."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t

from .simd cimport Leaf, leaf_table


cdef void *data_of(array) except? NULL:
    """Where a C-contiguous array's elements lie; the caller keeps the array alive."""
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
    PyBuffer_Release(&view)
    return view.buf


def all_finite(array):
    """True if a C-contiguous float32 or float64 array holds no NaN and no infinity."""
    cdef const void *data = <const void *>data_of(array)
    cdef Py_ssize_t n = array.size
    cdef const Leaf *leaf = leaf_table(array.itemsize)
    cdef bint finite
    with nogil:
        finite = leaf.all_finite(data, n)
    return finite


def label_range(labels):
    """(smallest, largest) of a C-contiguous int64 array that is not empty."""
    cdef const int64_t *data = <const int64_t *>data_of(labels)
    cdef int64_t low = data[0], high = data[0]
    cdef Py_ssize_t i
    for i in range(1, labels.size):
        low = min(low, data[i])
        high = max(high, data[i])
    return low, high
