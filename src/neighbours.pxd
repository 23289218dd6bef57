"""Which places of an image a window sees."""

from .simd cimport Pairs


cdef class Table:
    """Pairs by destination, and the arrays that hold them."""
    cdef Pairs pairs
    cdef object arrays
