"""A thread's share of a minibatch and of a window of time, and what goes in and out of it."""

from .op cimport Step
from .plan cimport Plan, Run
from .simd cimport Matrix, Rows

# A step as one thread sees it: its rows, and the window of time it is at.
ctypedef struct Share:
    Step step
    Py_ssize_t first_sample
    Py_ssize_t time           # where the window begins
    Rows vectors
    Rows sequences


# Where part `part` of n rows begins when whole chunks are dealt to `parts`.
cdef inline Py_ssize_t cut(Py_ssize_t n, Py_ssize_t chunk, int part, int parts) noexcept nogil:
    return min(n, chunk * ((n + chunk - 1) // chunk * part // parts))

cdef inline Py_ssize_t sample_of(const Run *run, const Share *share, Py_ssize_t row) noexcept nogil:
    """The sample in row `row` of the minibatch."""
    cdef Py_ssize_t place = share.first_sample + row
    return run.order[place] if run.order != NULL else place


# The share of one of `threads` in the minibatch that starts at sample `first`.
cdef Share share_of(
    const Run *run, Py_ssize_t first, int thread, int threads, bint training
) noexcept nogil

# Forward through a window, from the states where the one before it ended; `saving`: it will be run again.
cdef void next_window(const Run *run, Share *share, Py_ssize_t window, bint saving) noexcept nogil

# Forward once more through a window that was saved.
cdef void run_again(const Run *run, Share *share, Py_ssize_t window) noexcept nogil

cdef void gather_targets(const Run *run, const Share *share) noexcept nogil

# Asks the caches for this thread's rows of the next minibatch.
cdef void prefetch_rows(const Run *run, const Share *share) noexcept nogil

# Rows of the minibatch that are alive at timestep t of the window.
cdef Py_ssize_t living_rows(const Run *run, const Share *share, Py_ssize_t t) noexcept nogil

cdef void clear_rows(const Plan *plan, Matrix m, const Rows *rows) noexcept nogil

# Rows to an array (samples, length, cols) outside.
cdef void write_rows(
    const Run *run, const Share *share, char *to, Matrix source, const Rows *rows, Py_ssize_t length,
    bint by_row,
) noexcept nogil

# Final states, or the gradients of the initial ones, to the arrays outside.
cdef void write_states(const Run *run, const Share *share, bint gradients) noexcept nogil
