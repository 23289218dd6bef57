"""NumPy arrays as the leaf kernels take them."""

from cpython.buffer cimport PyBUF_RECORDS_RO, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t

from .simd cimport Leaf, Matrix, Rows, leaf_table


cdef Matrix as_matrix(array) except *:
    """The rows of a float32 or float64 array; a 1-d array is one row."""
    cdef Py_buffer view
    cdef Matrix made
    PyObject_GetBuffer(array, &view, PyBUF_RECORDS_RO)
    try:
        if view.format not in (b"f", b"d") or view.ndim > 2:
            raise TypeError(f"expected a float32 or float64 matrix, got {array.dtype} {array.shape}")
        if view.ndim and view.strides[view.ndim - 1] != view.itemsize:
            raise ValueError(f"expected contiguous rows, got strides {array.strides}")
        made = Matrix(data=view.buf, ld=1, cols=view.shape[view.ndim - 1] if view.ndim else 1)
        made.ld = view.strides[0] // view.itemsize if view.ndim == 2 else made.cols
    finally:
        PyBuffer_Release(&view)
    return made


cdef const Leaf *leaf_of(arrays) except NULL:
    """The kernels for arrays of one dtype; those that are None are none."""
    dtype = None
    for array in arrays:
        if array is None:
            continue
        if dtype is not None and array.dtype != dtype:
            dtypes = [str(each.dtype) for each in arrays if each is not None]
            raise TypeError(f"expected one dtype, got {dtypes}")
        dtype = array.dtype
    return leaf_table(dtype.itemsize)


cdef int expect(name, array, tuple shape) except -1:
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")


cdef int expect_lines(name, x) except -1:
    if x.size % (64 // x.itemsize):
        raise ValueError(f"{name}: expected whole cache lines, got {x.size} elements of {x.dtype}")


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


cdef Rows part_of(Py_ssize_t rows, part) except *:
    """Rows `part`, a pair, of samples; all of them by default."""
    begin, end = (0, rows) if part is None else part
    return Rows(begin=begin, end=end, times=1, stride=rows, ends=NULL)


cdef Matrix of_doubles(double[:, ::1] array) except *:
    return Matrix(data=&array[0, 0], ld=array.shape[1], cols=array.shape[1])


cdef void *data_or_null(array) except? NULL:
    return as_matrix(array).data if array is not None else NULL
