"""NumPy arrays seen from C: every address that C gets is taken here, where the dtype is checked."""

from libc.stdint cimport int32_t, int64_t

cdef void *data_of(str name, array, dtype) except? NULL
cdef double *doubles_of(str name, array) except? NULL
cdef int32_t *int32s_of(str name, array) except? NULL
cdef int64_t *int64s_of(str name, array) except? NULL
