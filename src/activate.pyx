"""An activation by itself: h = f(x), delta = dL/dx = dL/dh * f'(x)."""

from .function cimport ActivationFunction
from .op cimport (
    Kind, Op, OpTaps, Operation, Step, due_activation, pass_down, set_activation, set_up,
)
from .simd cimport Rows

cdef Kind ACTIVATE


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    op.leaf.activation(
        op.h, op.x, due_activation(op, step), rows
    )
    op.leaf.clear_ended(op.h, rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    op.leaf.activation_backward(
        op.dh, op.h, op.x, &op.activation, op.fused,
        &taps.layer if taps != NULL else NULL, rows,
    )
    pass_down(op, rows)


ACTIVATE = Kind(forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=NULL)


def operation(Py_ssize_t units, *, ActivationFunction activation not None, Py_ssize_t real_bytes):
    """The activation of `units` features."""
    cdef Operation made = Operation()
    set_up(made, &ACTIVATE, units, units, real_bytes)
    set_activation(made, activation)
    made.op.keeps_z = False
    made.op.z_is_x = True
    made.op.in_place = True
    return made
