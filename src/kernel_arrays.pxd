"""NumPy arrays as the leaf kernels take them."""

from libc.stdint cimport int64_t

from .simd cimport Leaf, Matrix, Rows

cdef Matrix as_matrix(array) except *
cdef const Leaf *leaf_of(arrays) except NULL
cdef int expect(name, array, tuple shape) except -1
cdef int expect_lines(name, x) except -1
cdef Rows all_rows(array) except *
cdef Rows some_rows(array, Py_ssize_t places, part, const int64_t[::1] ends) except *
cdef Rows part_of(Py_ssize_t rows, part) except *
cdef Matrix of_doubles(double[:, ::1] array) except *
cdef void *data_or_null(array) except? NULL
