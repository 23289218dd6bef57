"""What the tracker records of a step."""

from .plan cimport Run
from .window cimport Share

# The L2 norm of norms, which neither over- nor underflows.
cdef double combined_norm(const double *norms, Py_ssize_t n) noexcept nogil

# What the taps saw in a window, this thread's share of the ops; into row `row` of the records, at once where
# it is of a timestep, and else when the step is complete.
cdef void record_window(
    Run *run, Share *share, Py_ssize_t row, Py_ssize_t time0, bint complete, int threads
) noexcept nogil
