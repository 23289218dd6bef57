"""Dense layers: h = f(x W^T + b), of each row and, in sequences, of each timestep.

z = x W^T + b        h = f(z)
delta = dL/dz = dL/dh * f'(z)
dL/dx = delta W      dL/dW = delta^T x      dL/db = sum of the rows of delta
"""

from .function cimport ActivationFunction
from .op cimport (
    Kind, Op, OpTaps, Operation, Step, add_parameter, loss_activates, set_activation, set_up, span_of,
)
from .simd cimport Rows, Span

cdef enum:
    WEIGHT, BIAS

cdef Kind DENSE


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    cdef void *bias = op.parameter[BIAS].value.data if op.bias else NULL
    op.leaf.affine(op.z, op.x, op.parameter[WEIGHT].value, bias, False, rows)
    if not loss_activates(op, step):
        op.leaf.activation(op.h, op.z, &op.activation, rows)
    op.leaf.clear_ended(op.h, rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    op.leaf.activation_backward(
        op.dh, op.h, op.z, &op.activation, op.fused,
        &taps.layer if taps != NULL else NULL, rows,
    )
    op.leaf.clear_ended(op.dh, rows)
    if op.dx.data != NULL:
        op.leaf.affine_input(op.dx, op.dh, op.parameter[WEIGHT].value, op.adds_dx, rows)


cdef void gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    cdef Span span = span_of(op, step, op.x_places)
    if parameter == WEIGHT:
        op.leaf.affine_weight(op.parameter[WEIGHT].gradient, op.x, op.dh, &span, row0, row1)
    else:
        op.leaf.column_sums(op.parameter[BIAS].gradient.data, op.dh, &span, row0, row1)


DENSE = Kind(
    forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=gradient
)


def operation(
    Py_ssize_t inputs, Py_ssize_t outputs, *, ActivationFunction activation not None, bint bias,
    Py_ssize_t real_bytes,
):
    """A dense layer of `inputs` features to `outputs` units."""
    cdef Operation made = Operation()
    set_up(made, &DENSE, inputs, outputs, real_bytes)
    set_activation(made, activation)
    made.op.bias = bias
    add_parameter(made, inputs, outputs)
    if bias:
        add_parameter(made, outputs, 1)
    return made
