"""What runs a program."""

from .plan cimport Run

# Run on up to `threads` threads; return when all is done.
cdef void train(Run *run, int threads) noexcept nogil
cdef void forward(Run *run, int threads) noexcept nogil
