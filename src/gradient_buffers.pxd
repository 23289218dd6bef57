"""Which gradients of outputs may lie in one place."""

cdef class GradientBuffers:
    cdef list slot_of, second_of, live, sizes, place_of
    cdef dict readers
    cdef char *base

    cdef void lay(self, char *base)
    cdef Py_ssize_t total_bytes(self)
    cdef void *place(self, Py_ssize_t layer)
    cdef void *place_of_second(self, Py_ssize_t layer)
    cdef bint is_second(self, Py_ssize_t reader, Py_ssize_t layer)
    cdef void *_at(self, Py_ssize_t slot)
