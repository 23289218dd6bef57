"""What units do: the norm of each one's delta and incoming weights, and how often its slope is flat.

Each thread counts slopes for itself. Squares are summed by chunks of rows, which belong to one thread, and
those of weights column by column, so that no number of threads changes a bit.
"""

from libc.math cimport NAN, isnan
from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memset

import numpy as np

from .arrays cimport data_of
from .op cimport Parameter, row_chunks
from .plan cimport ALIGNMENT, OpBook, Plan, Run, UNIT_FIELDS
from .simd cimport Matrix, PADDED, ROW_CHUNK
from .window cimport cut

cdef enum:
    COUNTS = 3  # of each unit: flat, zero, unknown
    COLUMNS = 16  # that a thread measures in one go


cdef Matrix by_column(const Parameter *p) noexcept nogil:
    """A weight with a column for each unit, or gate of one: a vector is a single row."""
    if p.value.cols > 1:
        return p.value
    return Matrix(data=p.value.data, ld=p.rows, cols=p.rows)


cdef inline Py_ssize_t rows_by_column(const Parameter *p) noexcept nogil:
    return p.rows if p.value.cols > 1 else 1


cdef object lay_units(Plan *plan, int threads):
    cdef Py_ssize_t size = 0, units = 0, chunks = row_chunks(plan.batch)
    cdef double *base = NULL
    cdef OpBook *book
    cdef Op *op
    cdef int index, i, laying
    for laying in range(2):
        if laying:
            memory = np.zeros(size + ALIGNMENT // sizeof(double), np.float64)
            base = <double *>data_of("memory", memory, memory.dtype)
            base += -<uintptr_t>base % ALIGNMENT // sizeof(double)
        size = units = 0
        for index in range(plan.ops):
            op, book = &plan.op[index], &plan.book[index]
            book.first_unit = units
            units += op.h.cols
            book.units.squares = Matrix(data=base + size, ld=2 * PADDED(op.h.cols), cols=op.h.cols)
            size += chunks * book.units.squares.ld
            book.units.flat = <int64_t *>(base + size)
            book.units.zero = book.units.flat + op.h.cols
            book.units.unknown = book.units.zero + op.h.cols
            size += threads * COUNTS * op.h.cols
            for i in range(op.parameters):
                book.unit_weights[i] = base + size if op.parameter[i].counted else NULL
                if op.parameter[i].counted:
                    size += 2 * by_column(&op.parameter[i]).cols
    plan.units = units
    return memory


cdef Units units_of(
    const Plan *plan, int index, const Step *step, const Rows *rows
) noexcept nogil:
    cdef Units units = plan.book[index].units
    cdef Py_ssize_t cols = units.squares.cols, first = rows.begin // ROW_CHUNK
    cdef int64_t *counts = units.flat + step.thread * COUNTS * cols
    units.flat, units.zero, units.unknown = counts, counts + cols, counts + 2 * cols
    if not step.accumulating:
        memset(counts, 0, COUNTS * cols * sizeof(int64_t))
        memset(
            <double *>units.squares.data + first * units.squares.ld, 0,
            (row_chunks(rows.end) - first) * units.squares.ld * sizeof(double),
        )
    return units


cdef void measure_weights(Plan *plan, int index, int thread, int threads) noexcept nogil:
    cdef Parameter *p
    cdef Matrix w
    cdef int i
    for i in range(plan.op[index].parameters):
        p = &plan.op[index].parameter[i]
        if p.counted:
            w = by_column(p)
            plan.leaf.column_squares(
                plan.book[index].unit_weights[i], w, rows_by_column(p),
                cut(w.cols, COLUMNS, thread, threads), cut(w.cols, COLUMNS, thread + 1, threads),
            )


cdef double delta_norm(const Plan *plan, const OpBook *book, Py_ssize_t unit, Py_ssize_t rows) noexcept nogil:
    cdef const double *sums = <const double *>book.units.squares.data + unit
    cdef double up = 0, down = 0
    cdef Py_ssize_t c
    for c in range(row_chunks(rows)):
        up += sums[c * book.units.squares.ld]
        down += sums[c * book.units.squares.ld + PADDED(book.units.squares.cols)]
    return plan.leaf.unit_norm(up, down)


cdef double weight_norm(const Plan *plan, int index, Py_ssize_t unit) noexcept nogil:
    """Of a unit's incoming weights, those of all of its gates; NaN where it has none."""
    cdef Py_ssize_t units = plan.op[index].h.cols, cols, column
    cdef double up = 0, down = 0
    cdef bint any_of_it = False
    cdef int i
    for i in range(plan.op[index].parameters):
        if plan.book[index].unit_weights[i] == NULL:
            continue
        any_of_it = True
        cols = by_column(&plan.op[index].parameter[i]).cols
        column = unit if cols >= units else 0  # one weight may be shared by all
        while column < cols:
            up += plan.book[index].unit_weights[i][column]
            down += plan.book[index].unit_weights[i][cols + column]
            column += units
    return plan.leaf.unit_norm(up, down) if any_of_it else NAN


cdef void record_units(Run *run, Py_ssize_t row, Py_ssize_t rows, int threads) noexcept nogil:
    cdef Plan *plan = run.plan
    cdef OpBook *book
    cdef Py_ssize_t cols, unit
    cdef const int64_t *counts
    cdef double flat, zero, samples
    cdef double *out = run.unit_fields + row * plan.units * UNIT_FIELDS
    cdef int index, thread
    for index in range(plan.ops):
        book = &plan.book[index]
        cols = book.units.squares.cols
        samples = book.seen.count / cols * plan.op[index].gates
        for unit in range(cols):
            flat = zero = 0
            for thread in range(threads):
                counts = book.units.flat + thread * COUNTS * cols + unit
                if counts[2 * cols]:
                    flat = NAN
                flat += counts[0]
                zero += counts[cols]
            out[0] = delta_norm(plan, book, unit, rows)
            out[1] = weight_norm(plan, index, unit)
            out[2] = flat / samples
            out[3] = NAN if isnan(out[2]) else zero / samples
            out += UNIT_FIELDS
