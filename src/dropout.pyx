"""Dropout: h = m x / (1 - rate), where m is 0 with a chance of `rate` and else 1.

dL/dx = m dL/dh / (1 - rate)

m is a function of the step's key and of where a number lies, and is made again on the way back.

Alpha dropout: h = a (m x + (1 - m) D) + b, where selu is flat at D, and a and b keep mean 0 and variance 1.

dL/dx = a m dL/dh
"""

from libc.math cimport sqrt

from .op cimport Kind, Op, OpTaps, Operation, Step, TIMESTEPS, pass_down, set_up
from .simd cimport Matrix, Rows

cdef double DROPPED = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717

cdef Kind DROPOUT, ALPHA_DROPOUT


cdef inline Py_ssize_t first_place(const Op *op, const Step *step) noexcept nogil:
    return step.time if op.x_places == TIMESTEPS else 0


cdef inline double rate_now(const Op *op, const Step *step) noexcept nogil:
    return op.rate if step.training else 0


cdef void drop(
    const Op *op, const Step *step, Matrix y, Matrix x, const Rows *rows
) noexcept nogil:
    op.leaf.dropout(y, x, rate_now(op, step), step.key, op.stream, first_place(op, step), op.variant, rows)


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    drop(op, step, op.h, op.x, rows)
    op.leaf.clear_ended(op.h, rows)


cdef void tap(const Op *op, const OpTaps *taps, const Rows *rows) noexcept nogil:
    if taps != NULL:
        op.leaf.activation_backward(
            op.dh, op.h, op.h, &op.activation, True, &taps.layer, rows
        )


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    tap(op, taps, rows)
    drop(op, step, op.dh, op.dh, rows)
    pass_down(op, rows)


cdef inline double scale_of(double rate) noexcept nogil:
    """The a of alpha dropout."""
    return 1 / sqrt((1 - rate) * (1 + DROPPED * DROPPED * rate))


cdef void alpha_forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    cdef double rate = rate_now(op, step), scale = scale_of(rate)
    cdef double shift = -scale * rate * DROPPED
    op.leaf.alpha_dropout(
        op.h, op.x, rate, scale, shift, scale * DROPPED + shift, step.key, op.stream,
        first_place(op, step), op.variant, rows,
    )
    op.leaf.clear_ended(op.h, rows)


cdef void alpha_backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    cdef double rate = rate_now(op, step)
    tap(op, taps, rows)
    op.leaf.alpha_dropout(
        op.dh, op.dh, rate, scale_of(rate), 0, 0, step.key, op.stream, first_place(op, step),
        op.variant, rows,
    )
    pass_down(op, rows)


DROPOUT = Kind(forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=NULL)
ALPHA_DROPOUT = Kind(
    forward=alpha_forward, meet_forward=NULL, backward=alpha_backward, meet_backward=NULL, gradient=NULL
)


def operation(Py_ssize_t units, *, double rate, bint across, bint alpha, Py_ssize_t real_bytes):
    """Dropout of `units` features, or `alpha` dropout; `across`: one mask for all places of a row."""
    cdef Operation made = Operation()
    set_up(made, &ALPHA_DROPOUT if alpha else &DROPOUT, units, units, real_bytes)
    made.op.in_place = True
    made.op.rate = rate
    made.op.variant = across
    return made
