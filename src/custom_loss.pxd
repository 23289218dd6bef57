"""A loss that is a function of Python's: asked once for each minibatch, on one thread, between barriers."""

from .plan cimport Run
from .team cimport Barrier
from .window cimport Share

# This thread's rows of the window's outputs, to where the function reads them.
cdef void hand_outputs(const Run *run, const Share *share) noexcept nogil

# Asks for losses and gradients of timesteps [time0, time1), times `scale`, when every thread has called it;
# False, for all alike, if the function has raised.
cdef bint answered(
    Run *run, const Share *share, double scale, Py_ssize_t time0, Py_ssize_t time1, Barrier *barrier
) noexcept nogil

# ... and this thread's rows of the answers, of the window's timesteps, into the arena.
cdef void take_answers(const Run *run, const Share *share) noexcept nogil

# The losses of all places of a row.
cdef double losses_of(const Run *run, Py_ssize_t row) noexcept nogil
