from .simd cimport Activation, Function


cdef class ActivationFunction:
    """An activation as the kernels get it: its number, its parameter, whether its slope is taken from z."""

    def __cinit__(self, int kind, double alpha=0, *, bint keeps_z=True):
        self.function = Function(kind=<Activation>kind, alpha=alpha)
        self.keeps_z = keeps_z
