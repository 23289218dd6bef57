"""Gaussian noise: h = x + sigma e while training, where each e is a standard normal number.

dL/dx = dL/dh

e is a function of the step's key and of where it is added.
"""

from .op cimport Kind, Op, OpTaps, Operation, Step, TIMESTEPS, pass_down, set_up
from .simd cimport Rows

cdef Kind NOISE


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    op.leaf.noise_rows(
        op.h, op.x, op.rate if step.training else 0, step.key, op.stream,
        step.time if op.x_places == TIMESTEPS else 0, rows,
    )
    op.leaf.clear_ended(op.h, rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    if taps != NULL:
        op.leaf.activation_backward(
            op.dh, op.h, op.h, &op.activation, True, &taps.layer, rows
        )
    pass_down(op, rows)


NOISE = Kind(forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=NULL)


def operation(Py_ssize_t units, *, double stddev, Py_ssize_t real_bytes):
    """Noise of such a deviation on `units` features."""
    cdef Operation made = Operation()
    set_up(made, &NOISE, units, units, real_bytes)
    made.op.in_place = True
    made.op.rate = stddev
    return made
