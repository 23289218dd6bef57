"""ReLU with a learned slope: h = max(x, 0) + a min(x, 0), for an a per column or one for all.

delta = dL/dx = dL/dh where x > 0, else a dL/dh      dL/da = sum of dL/dh min(x, 0)
"""

from .op cimport (
    Kind, Op, OpTaps, Operation, PER_CHUNK, Step, add_buffer, add_parameter, pass_down, row_chunks,
    set_up,
)
from .simd cimport PADDED, Rows

cdef enum:
    SLOPE = 0
    SUMS = 0

cdef Kind PRELU


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    op.leaf.prelu(op.h, op.x, op.parameter[SLOPE].value.data, op.variant, rows)
    op.leaf.clear_ended(op.h, rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    op.leaf.prelu_backward(
        op.buffer[SUMS].matrix, op.dh, op.x, op.parameter[SLOPE].value.data, op.variant,
        step.accumulating, rows,
    )
    if taps != NULL:
        op.leaf.activation_backward(
            op.dh, op.h, op.h, &op.activation, True, &taps.layer, rows
        )
    pass_down(op, rows)


cdef void gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    op.leaf.join_chunks(
        op.parameter[SLOPE].gradient.data, op.buffer[SUMS].matrix,
        row_chunks(step.rows), 1, row0, row1,
    )


PRELU = Kind(
    forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=gradient
)


def operation(Py_ssize_t units, *, bint shared, Py_ssize_t real_bytes):
    """PReLU of `units` columns, with one slope for each or, where `shared`, one for all."""
    cdef Operation made = Operation()
    cdef Py_ssize_t slopes = 1 if shared else units
    set_up(made, &PRELU, units, units, real_bytes)
    made.op.in_place = True
    made.op.z_is_x = True
    made.op.variant = shared
    add_parameter(made, slopes, 1)
    add_buffer(made, PER_CHUNK, PADDED(slopes))
    return made
