"""A thread's share of a minibatch and of a window of time, and what goes in and out of it."""

from .op cimport Step, TIMESTEPS, spread
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
cdef Share share_of(const Run *run, Py_ssize_t first, int thread, int threads) noexcept nogil

# Turn to a window, at the states where the one before it ended; `saving`: it will be run again.
cdef void next_window(const Run *run, Share *share, Py_ssize_t window, bint saving) noexcept nogil

# Turn back to a window that was saved.
cdef void saved_window(const Run *run, Share *share, Py_ssize_t window) noexcept nogil

# Whether an op with so many places of x has work in this window: behind time it has where sequences end.
cdef inline bint runs_now(const Share *share, Py_ssize_t places) noexcept nogil:
    return places == TIMESTEPS or share.step.last

# This thread's rows at so many places.
cdef inline Rows rows_at(const Share *share, Py_ssize_t places) noexcept nogil:
    return share.sequences if places == TIMESTEPS else spread(&share.vectors, places)

# The states in which the window ended, to where they are wanted.
cdef void leave_window(const Run *run, const Share *share) noexcept nogil

# Places of a sample outside.
cdef inline Py_ssize_t sample_length(const Run *run, Py_ssize_t places) noexcept nogil:
    return run.times if places == TIMESTEPS else places

cdef void gather_inputs(const Run *run, const Share *share) noexcept nogil

cdef void gather_targets(const Run *run, const Share *share) noexcept nogil

# Asks the caches for this thread's rows of the next minibatch.
cdef void prefetch_rows(const Run *run, const Share *share) noexcept nogil

# Rows of the minibatch that are alive at timestep t of the window.
cdef Py_ssize_t living_rows(const Run *run, const Share *share, Py_ssize_t t) noexcept nogil

cdef void clear_rows(const Plan *plan, Matrix m, const Rows *rows) noexcept nogil

# Values at so many places, to an array (samples, places, cols) outside, or (samples, cols, places) of images;
# `by_row`: its samples are the rows of the minibatch.
cdef void write_places(
    const Run *run, const Share *share, char *to, Matrix source, Py_ssize_t places, bint image, bint by_row
) noexcept nogil

# ... and from one.
cdef void gather_numbers(
    const Run *run, const Share *share, Matrix to, Matrix source, Py_ssize_t places, bint image, bint by_row
) noexcept nogil

# Doubles from an array (samples, places) or, not `by_place`, (samples,).
cdef void gather_doubles(
    const Run *run, const Share *share, double *to, const double *source, Py_ssize_t places, bint by_place,
    bint by_row,
) noexcept nogil

# Final states, or the gradients of the initial ones, to the arrays outside.
cdef void write_states(const Run *run, const Share *share, bint gradients) noexcept nogil

# The states that rows carried into this minibatch, to where they came from.
cdef void write_kept_states(const Run *run, const Share *share) noexcept nogil
