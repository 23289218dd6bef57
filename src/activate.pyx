"""An activation by itself: h = f(x), delta = dL/dx = dL/dh * f'(x)."""

from .op cimport Kind, Op, OpTaps, Operation, Step, pass_down
from .simd cimport Activation, Rows, leaf_table
from .simd import ACTIVATIONS

cdef Activation IDENTITY = <Activation><int>ACTIVATIONS["identity"]
cdef Kind ACTIVATE


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    op.leaf.activation(
        op.h, op.x, IDENTITY if op.fused and step.loss_follows else op.activation, op.alpha, rows
    )
    op.leaf.clear_ended(op.h, rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    op.leaf.activation_backward(
        op.dh, op.h, op.x, op.activation, op.alpha, op.fused,
        &taps.layer if taps != NULL else NULL, rows,
    )
    pass_down(op, rows)


ACTIVATE = Kind(forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=NULL)


def operation(Py_ssize_t units, *, int activation, double alpha, Py_ssize_t real_bytes):
    """The activation of `units` features."""
    cdef Operation made = Operation()
    made.op.kind = &ACTIVATE
    made.op.leaf = leaf_table(real_bytes)
    made.op.activation = <Activation>activation
    made.op.alpha = alpha
    made.op.gates = 1
    made.op.in_place = True
    made.op.x.cols = made.op.h.cols = units
    return made
