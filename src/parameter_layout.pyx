"""Lays the parameters of a program: places in the flat vectors, chunks and blocks of rows."""

import numpy as np

from .arrays cimport data_of
from .op cimport Parameter
from .plan cimport ALIGNMENT, Plan
from .simd cimport Matrix


cdef enum:
    # Rows of a gradient that are updated while they are in cache: so many bytes, but enough rows that
    # a product over them pays for packing its other factor
    BLOCK_BYTES = 24_576
    BLOCK_ROWS = 128
    CHUNK_ELEMENTS = 1024  # of a parameter, about: the grain of threads and of norms


cdef Py_ssize_t rows_per_chunk(Py_ssize_t rows, Py_ssize_t cols) noexcept:
    """Rows of about CHUNK_ELEMENTS elements whose end falls on a whole vector of either dtype."""
    cdef Py_ssize_t unit = 16
    while unit > 1 and (unit // 2) * cols % 16 == 0:
        unit //= 2
    return unit * max(1, CHUNK_ELEMENTS // (unit * cols))


cdef void cut_rows(Parameter *p, Py_ssize_t real_bytes) noexcept:
    """Its rows in chunks, and in blocks of whole chunks."""
    cdef Py_ssize_t cols = p.value.cols, lanes = ALIGNMENT // real_bytes
    p.padded = (p.rows * cols + lanes - 1) // lanes * lanes
    p.chunk_rows = rows_per_chunk(p.rows, cols)
    p.block_rows = max(BLOCK_ROWS, BLOCK_BYTES // (cols * real_bytes))
    p.block_rows = (p.block_rows + p.chunk_rows - 1) // p.chunk_rows * p.chunk_rows


cdef int lay_parameters(
    Plan *plan, list offsets, values, gradients, list states, frozenset undecayed
) except -1:
    cdef Py_ssize_t offset, cols, real_bytes = plan.leaf.real_bytes
    dtype = np.dtype(f"f{real_bytes}")
    cdef char *value = <char *>data_of("values", values, dtype)
    cdef char *gradient = <char *>data_of("gradients", gradients, dtype)
    cdef Parameter *p
    cdef int i, j, k, laid = 0
    for i in range(plan.ops):
        plan.book[i].first_parameter = laid
        for j in range(plan.op[i].parameters):
            p = &plan.op[i].parameter[j]
            cols = p.value.cols
            p.offset = offsets[i][j]
            p.undecayed = p.offset in undecayed
            offset = p.offset * real_bytes
            p.value = Matrix(data=value + offset, ld=cols, cols=cols)
            p.gradient = Matrix(data=gradient + offset, ld=cols, cols=cols)
            for k in range(len(states)):
                p.state[k] = <char *>data_of("states", states[k], dtype) + offset
            cut_rows(p, real_bytes)
            laid += 1
        for j in range(plan.op[i].states):
            if plan.op[i].state[j].parameter >= 0:
                plan.wants_initial = True
    return laid
