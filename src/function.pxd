from .simd cimport Formula, Function


# Python's handle on an activation as the kernels get it.
cdef class ActivationFunction:
    cdef Function function
    cdef Formula program
    cdef readonly bint keeps_z  # the slope is taken from z, not from h
