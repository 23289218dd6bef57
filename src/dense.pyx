"""Dense layers: h = f(x W^T + b).

z = x W^T + b        h = f(z)
delta = dL/dz = dL/dh * f'(z)
dL/dx = delta W      dL/dW = delta^T x      dL/db = sum of the rows of delta
"""

from .op cimport Kind, Op, Operation, Step
from .simd cimport Activation, Taps, leaf_table

cdef enum:
    WEIGHT, BIAS

cdef Kind DENSE


cdef void forward(const Op *op, const Step *step, Py_ssize_t row0, Py_ssize_t row1) noexcept nogil:
    cdef void *bias = op.parameter[BIAS].value.data if op.parameters > BIAS else NULL
    op.leaf.affine(op.z, op.x, op.parameter[WEIGHT].value, bias, False, row0, row1)
    if not (op.fused and step.training):
        op.leaf.activation(op.h, op.z, op.activation, op.alpha, row0, row1)


cdef void backward(
    const Op *op, const Step *step, const Taps *taps, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    op.leaf.activation_backward(
        op.dh, op.h, op.z, op.activation, op.alpha, op.fused, taps, row0, row1
    )
    if op.dx.data != NULL:
        op.leaf.affine_input(op.dx, op.dh, op.parameter[WEIGHT].value, row0, row1)


cdef void gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    if parameter == WEIGHT:
        op.leaf.affine_weight(op.parameter[WEIGHT].gradient, op.x, op.dh, step.rows, row0, row1)
    else:
        op.leaf.column_sums(op.parameter[BIAS].gradient.data, op.dh, step.rows, row0, row1)


DENSE = Kind(forward=forward, backward=backward, gradient=gradient)


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
    made.op.keeps_z = keeps_z
    made.op.x.cols = inputs
    made.op.h.cols = outputs
    made.op.parameters = 2 if bias else 1
    made.op.parameter[WEIGHT].rows = inputs
    made.op.parameter[WEIGHT].value.cols = outputs
    made.op.parameter[BIAS].rows = outputs
    made.op.parameter[BIAS].value.cols = 1
    return made
