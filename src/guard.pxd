"""What is done about a step whose loss or gradient is not finite."""

from .plan cimport Plan, Run
from .window cimport Share

# What a step may have to give back, before it begins; for thread 0.
cdef void keep_statistics(const Plan *plan) noexcept nogil

# Whether loss and gradient of step `s` are finite, as far as the plan's guard wants to know: its loss alone,
# or, when all threads have measured, the norms of what would be applied.
cdef bint is_sound(const Run *run, Py_ssize_t s) noexcept nogil

# The step is as if it had not been: statistics, carried states and the count of steps. For every thread, in
# place of its updates.
cdef void take_back(Run *run, Share *share) noexcept nogil
