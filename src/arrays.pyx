"""NumPy arrays seen from C: where they lie, and whole-array checks fast enough for every call."""

import numpy as np

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t, int64_t

from .simd cimport Leaf, leaf_table

cdef object FLOAT32 = np.dtype(np.float32)
cdef object FLOAT64 = np.dtype(np.float64)
cdef object INT32 = np.dtype(np.int32)
cdef object INT64 = np.dtype(np.int64)


cdef void *data_of(str name, array, dtype) except? NULL:
    """Where the elements of a C-contiguous array of a dtype lie; the caller keeps the array alive."""
    cdef Py_buffer view
    given = array.dtype
    if given is not dtype and given != dtype:
        raise TypeError(f"{name}: expected {dtype}, got {given}")
    PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
    PyBuffer_Release(&view)
    return view.buf


cdef double *doubles_of(str name, array) except? NULL:
    return <double *>data_of(name, array, FLOAT64)


cdef int32_t *int32s_of(str name, array) except? NULL:
    return <int32_t *>data_of(name, array, INT32)


cdef int64_t *int64s_of(str name, array) except? NULL:
    return <int64_t *>data_of(name, array, INT64)


def all_finite(array):
    """True if a C-contiguous float32 or float64 array holds no NaN and no infinity."""
    cdef Py_ssize_t n = array.size
    cdef bint single = array.itemsize == sizeof(float)
    cdef const void *data = data_of("array", array, FLOAT32 if single else FLOAT64)
    cdef const Leaf *leaf = leaf_table(sizeof(float) if single else sizeof(double))
    cdef bint finite
    with nogil:
        finite = leaf.all_finite(data, n)
    return finite


def ready(array, tuple shape, dtype):
    """Whether it is what the engine reads: a C-contiguous array (n, *shape) of `dtype`, finite, n >= 1."""
    if type(array) is not np.ndarray or array.dtype is not dtype or array.shape[1:] != shape:
        return False
    return array.flags.c_contiguous and array.size > 0 and all_finite(array)


def label_range(labels):
    """(smallest, largest) of a C-contiguous int64 array that is not empty."""
    cdef const int64_t *data = int64s_of("labels", labels)
    cdef int64_t low = data[0], high = data[0]
    cdef Py_ssize_t i
    for i in range(1, labels.size):
        low = min(low, data[i])
        high = max(high, data[i])
    return low, high
