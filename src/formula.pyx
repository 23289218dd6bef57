"""A formula with learned parameters by itself: h = f(x; p), for a number of each p per column or one for all.

delta = dL/dx = dL/dh df/dx      dL/dp = sum of dL/dh df/dp, by dual numbers of p
"""

from .function cimport ActivationFunction
from .op cimport (
    Kind, MAX_PARAMETERS, Op, OpTaps, Operation, PER_CHUNK, Step, add_buffer, add_parameter, pass_down,
    row_chunks, set_up,
)
from .simd cimport Formula, Matrix, PADDED, Rows

cdef enum:
    SUMS = 0

cdef Kind FORMULA


cdef inline void point_to(const void **values, const Op *op) noexcept nogil:
    """Where the parameters lie."""
    cdef int i
    for i in range(op.parameters):
        values[i] = op.parameter[i].value.data


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    cdef const void *values[MAX_PARAMETERS]
    point_to(values, op)
    op.leaf.formula(op.h, op.x, <const Formula *>op.tables, values, op.variant, rows)
    op.leaf.clear_ended(op.h, rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    cdef const void *values[MAX_PARAMETERS]
    point_to(values, op)
    op.leaf.formula_backward(
        op.buffer[SUMS].matrix, op.dh, op.x, <const Formula *>op.tables, values, op.variant,
        step.accumulating, rows,
    )
    if taps != NULL:
        op.leaf.activation_backward(op.dh, op.h, op.h, &op.activation, True, &taps.layer, rows)
    pass_down(op, rows)


cdef void gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    cdef Matrix sums = op.buffer[SUMS].matrix
    sums.data = <double *>sums.data + parameter * PADDED(op.parameter[parameter].rows)
    op.leaf.join_chunks(
        op.parameter[parameter].gradient.data, sums, row_chunks(step.rows), 1, row0, row1
    )


FORMULA = Kind(
    forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=gradient
)


def operation(
    Py_ssize_t units, *, ActivationFunction formula not None, bint shared, Py_ssize_t real_bytes
):
    """A formula of `units` columns, with parameters for each or, where `shared`, for all."""
    cdef Operation made = Operation()
    cdef Py_ssize_t width = 1 if shared else units
    set_up(made, &FORMULA, units, units, real_bytes)
    made.kept.append(formula)
    made.op.tables = &formula.program
    made.op.in_place = True
    made.op.z_is_x = True
    made.op.variant = shared
    for _ in range(formula.program.learned):
        add_parameter(made, width, 1)
    add_buffer(made, PER_CHUNK, formula.program.learned * PADDED(width))
    return made
