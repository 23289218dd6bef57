"""Normalisation of each row at each place over its columns: layer and root-mean-square normalisation.

layer norm:  v = (x - mean) / sqrt(variance + epsilon)      RMS norm:  v = x / sqrt(mean of x^2 + epsilon)
z = weight v + bias      h = f(z)      delta = dL/dz = dL/dh * f'(z)
dL/dbias = sum of delta                dL/dweight = sum of delta v
dL/dx = (e - mean of e - v mean of (e v)) / sqrt(variance + epsilon), e = delta weight; without the mean of e
        in RMS norm
"""

from .function cimport ActivationFunction
from .normalisation cimport bias, gradient_from, set_up_normalisation, weight
from .op cimport (
    Kind, Op, OpTaps, Operation, PER_CHUNK, Step, add_buffer, due_activation, set_activation,
)
from .simd cimport Matrix, PADDED, Rows

cdef enum:
    SUMS = 0
    STATISTICS = 0  # there are none

cdef Kind ROW_NORM


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    op.leaf.row_normalise(
        op.h, op.z, op.x, weight(op, STATISTICS), bias(op, STATISTICS), op.epsilon, op.variant,
        due_activation(op, step), rows,
    )
    op.leaf.clear_ended(op.h, rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    cdef Matrix sums = Matrix(data=NULL, ld=0, cols=0)
    if op.parameters > 0:
        sums = op.buffer[SUMS].matrix
    op.leaf.row_normalise_backward(
        sums, op.dx, op.dh, op.h, op.z, op.x, weight(op, STATISTICS), op.epsilon, op.variant, &op.activation,
        op.fused, op.adds_dx, step.accumulating, &taps.layer if taps != NULL else NULL, rows,
    )


cdef void gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    gradient_from(op, step, STATISTICS, op.buffer[SUMS].matrix, parameter, row0, row1)


ROW_NORM = Kind(
    forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=gradient
)


def operation(
    Py_ssize_t units, *, bint centred, double epsilon, bint scale, bint shift,
    ActivationFunction activation not None, Py_ssize_t real_bytes,
):
    """Normalisation of rows of `units` columns: layer norm if `centred`, else RMS norm."""
    cdef Operation made = Operation()
    set_up_normalisation(made, &ROW_NORM, units, STATISTICS, scale, shift, epsilon, real_bytes)
    set_activation(made, activation)
    made.op.variant = centred
    if made.op.parameters > 0:
        add_buffer(made, PER_CHUNK, 2 * PADDED(units))
    return made
