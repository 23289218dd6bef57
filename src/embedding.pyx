"""Embedding: h_t = row x_t of the weight, for integers x_t.

dL/dW = the sum of dL/dh_t over the timesteps t at which x_t is the row
"""

from .op cimport Kind, Op, OpTaps, Operation, Step, add_parameter, places_in, set_up
from .simd cimport Rows

cdef Kind EMBEDDING


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
    op.leaf.scatter(
        op.parameter[0].gradient, op.dh, op.tokens, step.accumulating,
        step.rows * places_in(op.x_places, step), row0, row1,
    )


EMBEDDING = Kind(
    forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=gradient
)


def operation(Py_ssize_t vocabulary, Py_ssize_t units, *, Py_ssize_t real_bytes):
    """A table of `vocabulary` rows of `units` numbers."""
    cdef Operation made = Operation()
    set_up(made, &EMBEDDING, 1, units, real_bytes)
    made.op.integers = True
    add_parameter(made, vocabulary, units)
    return made
