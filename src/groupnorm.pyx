"""Normalisation of each row by itself, over all of its places, in groups of columns: group and instance norm.

v = (x - mean) / sqrt(variance + epsilon)      z = weight v + bias      h = f(z)
delta = dL/dz = dL/dh * f'(z)
dL/dbias = sum of delta                        dL/dweight = sum of delta v
dL/dx = (e - mean of e - v mean of (e v)) / sqrt(variance + epsilon), e = delta weight

Means and variances are those of a group of columns at all places of one row, as far as its sequence reaches.
"""

from .function cimport ActivationFunction
from .normalisation cimport bias, gradient_from, set_up_normalisation, weight
from .op cimport (
    Kind, Op, OpTaps, Operation, PER_CHUNK, PER_ROW, PER_THREAD, Step, add_buffer, due_activation,
    of_thread, set_activation,
)
from .simd cimport GROUP_WORK, Matrix, PADDED, Rows

cdef enum:  # buffers
    NORMALISERS, WORK, SUMS

cdef enum:
    STATISTICS = 0  # there are none

cdef Kind GROUP_NORM


cdef class GroupNorm(Operation):
    cdef Py_ssize_t groups


cdef inline Py_ssize_t groups(const Op *op) noexcept nogil:
    return (<const Py_ssize_t *>op.tables)[0]


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    op.leaf.group_normalise(
        op.h, op.z, op.x, op.buffer[NORMALISERS].matrix, <double *>of_thread(op, step, WORK),
        weight(op, STATISTICS), bias(op, STATISTICS), op.epsilon, groups(op), due_activation(op, step),
        rows,
    )
    op.leaf.clear_ended(op.h, rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    cdef Matrix sums = Matrix(data=NULL, ld=0, cols=0)
    if op.parameters > 0:
        sums = op.buffer[SUMS].matrix
    op.leaf.group_normalise_backward(
        sums, op.dx, op.dh, op.h, op.z, op.x, op.buffer[NORMALISERS].matrix,
        <double *>of_thread(op, step, WORK), weight(op, STATISTICS), groups(op), &op.activation,
        op.fused, op.adds_dx, &taps.layer if taps != NULL else NULL, rows,
    )


cdef void gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    gradient_from(op, step, STATISTICS, op.buffer[SUMS].matrix, parameter, row0, row1)


GROUP_NORM = Kind(
    forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=gradient
)


def operation(
    Py_ssize_t units, *, Py_ssize_t groups, double epsilon, bint scale, bint shift,
    ActivationFunction activation not None, Py_ssize_t real_bytes,
):
    """Normalisation of `groups` groups of `units` columns in all, a divisor of them."""
    cdef GroupNorm made = GroupNorm()
    set_up_normalisation(made, &GROUP_NORM, units, STATISTICS, scale, shift, epsilon, real_bytes)
    set_activation(made, activation)
    made.groups = groups
    made.op.tables = &made.groups
    add_buffer(made, PER_ROW, 3 * PADDED(units))
    add_buffer(made, PER_THREAD, GROUP_WORK(units) * 8 // real_bytes)
    if made.op.parameters > 0:
        add_buffer(made, PER_CHUNK, 2 * PADDED(units))
    return made
