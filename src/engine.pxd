"""What runs a program."""

from .plan cimport Run

# Return when all is done, or time is up.
cdef void train(Run *run) noexcept nogil
cdef void forward(Run *run) noexcept nogil
