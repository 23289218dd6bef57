"""Normalisation of each row at each place over its columns: layer and root-mean-square normalisation.

layer norm:  v = (x - mean) / sqrt(variance + epsilon)      RMS norm:  v = x / sqrt(mean of x^2 + epsilon)
z = weight v + bias      h = f(z)      delta = dL/dz = dL/dh * f'(z)
dL/dbias = sum of delta                dL/dweight = sum of delta v
dL/dx = (e - mean of e - v mean of (e v)) / sqrt(variance + epsilon), e = delta weight; without the mean of e
        in RMS norm
"""

from .op cimport Kind, Op, OpTaps, Operation, PER_CHUNK, Step, add_buffer, add_parameter, row_chunks
from .simd cimport Activation, Matrix, PADDED, Rows, leaf_table
from .simd import ACTIVATIONS

cdef enum:
    SUMS = 0

cdef Activation IDENTITY = <Activation><int>ACTIVATIONS["identity"]
cdef Kind ROW_NORM


cdef inline const void *weight(const Op *op) noexcept nogil:
    return op.parameter[0].value.data if op.parameters > op.bias else NULL


cdef inline const void *bias(const Op *op) noexcept nogil:
    return op.parameter[op.parameters - 1].value.data if op.bias else NULL


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    op.leaf.row_normalise(
        op.h, op.z, op.x, weight(op), bias(op), op.epsilon, op.variant,
        IDENTITY if op.fused and step.loss_follows else op.activation, op.alpha, rows,
    )
    op.leaf.clear_ended(op.h, rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    cdef Matrix sums = Matrix(data=NULL, ld=0, cols=0)
    if op.parameters > 0:
        sums = op.buffer[SUMS].matrix
    op.leaf.row_normalise_backward(
        sums, op.dx, op.dh, op.h, op.z, op.x, weight(op), op.epsilon, op.variant, op.activation,
        op.alpha, op.fused, op.adds_dx, step.accumulating, &taps.layer if taps != NULL else NULL, rows,
    )


cdef void gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    cdef Matrix sums = op.buffer[SUMS].matrix
    if not (op.bias and parameter == op.parameters - 1):
        sums.data = <double *>sums.data + PADDED(op.x.cols)
    op.leaf.join_chunks(
        op.parameter[parameter].gradient.data, sums, row_chunks(step.rows), 1, row0, row1
    )


ROW_NORM = Kind(
    forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=gradient
)


def operation(
    Py_ssize_t units, *, bint centred, double epsilon, bint scale, bint shift, int activation, double alpha,
    bint keeps_z, Py_ssize_t real_bytes,
):
    """Normalisation of rows of `units` columns: layer norm if `centred`, else RMS norm."""
    cdef Operation made = Operation()
    cdef int _
    made.op.kind = &ROW_NORM
    made.op.leaf = leaf_table(real_bytes)
    made.op.activation = <Activation>activation
    made.op.alpha = alpha
    made.op.gates = 1
    made.op.keeps_z = keeps_z
    made.op.in_place = True
    made.op.variant = centred
    made.op.bias = shift
    made.op.epsilon = epsilon
    made.op.x.cols = made.op.h.cols = units
    for _ in range(scale + shift):
        add_parameter(made, units, 1)
    if made.op.parameters > 0:
        add_buffer(made, PER_CHUNK, 2 * PADDED(units))
    return made
