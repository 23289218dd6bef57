"""Distributions: the tables that threads count into, and what becomes of them at the end of a step."""

from .op cimport Step
from .plan cimport OpBook, Plan, Run
from .simd cimport Bins, TABLE_BYTES


# A thread's table of one op.
cdef inline Bins *table_of(
    const Plan *plan, const OpBook *book, int field, int thread
) noexcept nogil:
    return <Bins *>(
        <char *>book.tables
        + (field * plan.table_threads + thread) * TABLE_BYTES(plan.leaf.real_bytes)
    )

# Lays the tables of a plan for so many threads; returns what owns them.
cdef object lay_tables(Plan *plan, int threads)

# Writes the tables of a step that is complete into a row of the record, and empties them.
cdef void record_bins(Run *run, Py_ssize_t row) noexcept nogil

# What a step may write, at most.
cdef Py_ssize_t most_entries(const Plan *plan) noexcept nogil
