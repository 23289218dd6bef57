"""What units do: the norm of each one's delta and incoming weights, and how often its slope is flat."""

from .op cimport Op, Step
from .plan cimport OpBook, Plan, Run
from .simd cimport Rows, Units


# Lays what is summed, for so many threads; returns what owns it.
cdef object lay_units(Plan *plan, int threads)

# A thread's sums of an op, at 0 where a step begins.
cdef Units units_of(
    const Plan *plan, int index, const Step *step, const Rows *rows
) noexcept nogil

# A thread's columns of the weights, before they are updated.
cdef void measure_weights(Plan *plan, int index, int thread, int threads) noexcept nogil

# Writes a step that is complete into a row of the record.
cdef void record_units(Run *run, Py_ssize_t row, Py_ssize_t rows, int threads) noexcept nogil
