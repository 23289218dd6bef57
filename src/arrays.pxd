"""NumPy arrays seen from C."""

cdef void *data_of(array) except? NULL
