"""Dense layers: h = f(x W^T + b), of each row and, in sequences, of each timestep.

z = x W^T + b        h = f(z)
delta = dL/dz = dL/dh * f'(z)
dL/dx = delta W      dL/dW = delta^T x      dL/db = sum of the rows of delta
"""

from .op cimport Kind, Op, OpTaps, Operation, Step, places_in
from .simd cimport Activation, Rows, leaf_table

cdef enum:
    WEIGHT, BIAS

cdef Kind DENSE


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    cdef void *bias = op.parameter[BIAS].value.data if op.bias else NULL
    op.leaf.affine(op.z, op.x, op.parameter[WEIGHT].value, bias, False, rows)
    if not (op.fused and step.loss_follows):
        op.leaf.activation(op.h, op.z, op.activation, op.alpha, rows)
    op.leaf.clear_ended(op.h, rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    op.leaf.activation_backward(
        op.dh, op.h, op.z, op.activation, op.alpha, op.fused,
        &taps.layer if taps != NULL else NULL, rows,
    )
    op.leaf.clear_ended(op.dh, rows)
    if op.dx.data != NULL:
        op.leaf.affine_input(op.dx, op.dh, op.parameter[WEIGHT].value, op.adds_dx, rows)


cdef void gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    cdef Py_ssize_t rows = step.rows * places_in(op.x_places, step)
    if parameter == WEIGHT:
        op.leaf.affine_weight(
            op.parameter[WEIGHT].gradient, op.x, op.dh, step.accumulating, rows, row0, row1
        )
    else:
        op.leaf.column_sums(
            op.parameter[BIAS].gradient.data, op.dh, step.accumulating, rows, row0, row1
        )


DENSE = Kind(
    forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=gradient
)


def operation(
    Py_ssize_t inputs, Py_ssize_t outputs, *, int activation, double alpha, bint keeps_z, bint bias,
    Py_ssize_t real_bytes,
):
    """A dense layer of `inputs` features to `outputs` units."""
    cdef Operation made = Operation()
    made.op.kind = &DENSE
    made.op.leaf = leaf_table(real_bytes)
    made.op.activation = <Activation>activation
    made.op.alpha = alpha
    made.op.gates = 1
    made.op.keeps_z = keeps_z
    made.op.bias = bias
    made.op.x.cols = inputs
    made.op.h.cols = outputs
    made.op.parameters = 2 if bias else 1
    made.op.parameter[WEIGHT].rows = inputs
    made.op.parameter[WEIGHT].value.cols = outputs
    made.op.parameter[BIAS].rows = outputs
    made.op.parameter[BIAS].value.cols = 1
    return made
