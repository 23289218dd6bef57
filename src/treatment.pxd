"""What becomes of a gradient: its treatment, and the optimizer's step."""

from .op cimport Parameter, Step
from .plan cimport Plan


# The numbers of the optimizer and of the noise at the plan's time.
cdef void begin_update(Plan *plan) noexcept nogil

# Rows [row0, row1) of the gradient of a parameter of op `index` are complete: their norms, and the update if
# it need not wait.
cdef void take_rows(
    Plan *plan, int index, Parameter *p, const Step *step, Py_ssize_t row0, Py_ssize_t row1, bint tapped
) noexcept nogil

# This thread's share of what the updates that wait, wait for; when all rows of all threads are complete.
cdef void measure(Plan *plan, int thread, int threads) noexcept nogil

# This thread's share of the updates that waited, when all threads have measured; of a step that was taken
# back, of the norms that they would have left.
cdef void update_all(Plan *plan, const Step *step, int threads, bint tapped) noexcept nogil
