"""Dropout: h = m x / (1 - rate), where m is 0 with a chance of `rate` and else 1.

dL/dx = m dL/dh / (1 - rate)

m is a function of the step's key and of where a number lies, and is made again on the way back.
"""

from .op cimport Kind, Op, OpTaps, Operation, Step, TIMESTEPS, pass_down, set_up
from .simd cimport Matrix, Rows

cdef Kind DROPOUT


cdef void drop(
    const Op *op, const Step *step, Matrix y, Matrix x, double rate, const Rows *rows
) noexcept nogil:
    cdef Py_ssize_t first_place = step.time if op.x_places == TIMESTEPS else 0
    op.leaf.dropout(y, x, rate, step.key, op.stream, first_place, op.variant, rows)


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    drop(op, step, op.h, op.x, op.rate if step.training else 0, rows)
    op.leaf.clear_ended(op.h, rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    if taps != NULL:
        op.leaf.activation_backward(
            op.dh, op.h, op.h, &op.activation, True, &taps.layer, rows
        )
    drop(op, step, op.dh, op.dh, op.rate, rows)
    pass_down(op, rows)


DROPOUT = Kind(forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=NULL)


def operation(Py_ssize_t units, *, double rate, bint across, Py_ssize_t real_bytes):
    """Dropout of `units` features; `across`: one mask for all places of a row."""
    cdef Operation made = Operation()
    set_up(made, &DROPOUT, units, units, real_bytes)
    made.op.in_place = True
    made.op.rate = rate
    made.op.variant = across
    return made
