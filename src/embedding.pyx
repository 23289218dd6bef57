"""Embedding: h_t = row x_t of the weight, for integers x_t.

dL/dW = the sum of dL/dh_t over the timesteps t at which x_t is the row, but 0 in that of padding
"""

from libc.string cimport memset

from .op cimport Kind, Op, OpTaps, Operation, Step, add_parameter, from_row, places_in, set_up
from .simd cimport Matrix, Rows

cdef Kind EMBEDDING


cdef class Embedding(Operation):
    cdef Py_ssize_t padding  # its row, or -1


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    op.leaf.gather(op.h, op.parameter[0].value, op.tokens, rows)
    op.leaf.clear_ended(op.h, rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    if taps != NULL:
        op.leaf.activation_backward(
            op.dh, op.h, op.h, &op.activation, True, &taps.layer, rows
        )
    op.leaf.clear_ended(op.dh, rows)


cdef void gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    cdef Matrix dw = op.parameter[0].gradient
    cdef Py_ssize_t padding = (<const Py_ssize_t *>op.tables)[0]
    op.leaf.scatter(
        dw, op.dh, op.tokens, step.accumulating,
        step.rows * places_in(op.x_places, step), row0, row1,
    )
    if row0 <= padding < row1:
        memset(from_row(dw, padding, op.leaf).data, 0, dw.cols * op.leaf.real_bytes)


EMBEDDING = Kind(
    forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=gradient
)


def operation(Py_ssize_t vocabulary, Py_ssize_t units, *, Py_ssize_t padding, Py_ssize_t real_bytes):
    """A table of `vocabulary` rows of `units` numbers; that of `padding`, if it is one, stays as it is."""
    cdef Embedding made = Embedding()
    made.padding = padding
    made.op.tables = &made.padding
    set_up(made, &EMBEDDING, 1, units, real_bytes)
    made.op.integers = True
    add_parameter(made, vocabulary, units)
    return made
