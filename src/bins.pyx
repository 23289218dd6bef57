"""Distributions: the tables that threads count into, and what becomes of them at the end of a step.

Every thread counts into tables of its own (simd/bins.h) over all windows of a step. One of them joins what
all have counted: sums of integers, the same whoever counted what. An entry holds the exponents that occur and
no others, so that a step takes as much of the record as it needs; a call ends when what is left might be too
little for one more.
"""

from libc.stdint cimport uintptr_t

import numpy as np

from .arrays cimport data_of
from .op cimport Parameter
from .plan cimport ALIGNMENT, BIN_FIELDS, Plan, Run
from .simd cimport LONGEST_ENTRY, TABLE_BYTES, clear_table


cdef object lay_tables(Plan *plan, int threads):
    cdef Py_ssize_t real_bytes = plan.leaf.real_bytes, bytes_each = TABLE_BYTES(real_bytes)
    cdef Py_ssize_t of_op = bytes_each * BIN_FIELDS * threads, index, i
    cdef char *base
    cdef Parameter *p
    plan.table_threads = threads
    plan.ratio_stride = 0
    for index in range(plan.ops):
        for i in range(plan.op[index].parameters):
            p = &plan.op[index].parameter[i]
            if p.counted:
                plan.ratio_stride = max(
                    plan.ratio_stride, min(p.block_rows * p.value.cols, p.padded) * real_bytes
                )
    plan.ratio_stride = (plan.ratio_stride + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
    memory = np.zeros(plan.ops * of_op + threads * plan.ratio_stride + ALIGNMENT, np.uint8)
    base = <char *>data_of("memory", memory, memory.dtype)
    base += -<uintptr_t>base % ALIGNMENT
    for index in range(plan.ops):
        plan.book[index].tables = <Bins *>(base + index * of_op)
        for i in range(BIN_FIELDS * threads):
            clear_table(<Bins *>(base + index * of_op + i * bytes_each), <int>real_bytes)
    plan.ratios = base + plan.ops * of_op
    return memory


cdef void record_bins(Run *run, Py_ssize_t row) noexcept nogil:
    cdef Plan *plan = run.plan
    cdef int index, field
    for index in range(plan.ops):
        for field in range(BIN_FIELDS):
            run.bin_places[(row * plan.ops + index) * BIN_FIELDS + field] = run.bins_used
            run.bins_used += plan.leaf.join_tables(
                run.bin_entries + run.bins_used, table_of(plan, &plan.book[index], field, 0),
                plan.table_threads,
            )


cdef Py_ssize_t most_entries(const Plan *plan) noexcept nogil:
    return plan.ops * BIN_FIELDS * LONGEST_ENTRY(plan.leaf.real_bytes)
