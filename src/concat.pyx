"""Two outputs side by side: h = (x, second x), column by column, and dL/dh cut in two on the way back."""

from .op cimport Kind, Op, OpTaps, Operation, Step, block, set_up
from .simd cimport Matrix, Rows

cdef Kind CONCAT


cdef void copy(const Op *op, Matrix to, Matrix source, const Rows *rows) noexcept nogil:
    op.leaf.gather(to, source, NULL, rows)
    op.leaf.clear_ended(to, rows)


cdef inline Matrix left(const Op *op, Matrix m) noexcept nogil:
    return block(m, 0, op.x.cols, op.leaf)


cdef inline Matrix right(const Op *op, Matrix m) noexcept nogil:
    return block(m, op.x.cols, op.x2.cols, op.leaf)


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    copy(op, left(op, op.h), op.x, rows)
    copy(op, right(op, op.h), op.x2, rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    if taps != NULL:
        op.leaf.activation_backward(op.dh, op.h, op.z, &op.activation, True, &taps.layer, rows)
    copy(op, op.dx, left(op, op.dh), rows)
    copy(op, op.dx2, right(op, op.dh), rows)


CONCAT = Kind(forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=NULL)


def operation(Py_ssize_t first, Py_ssize_t second, *, Py_ssize_t real_bytes):
    """The features of two branches, so many of each, side by side."""
    cdef Operation made = Operation()
    set_up(made, &CONCAT, first, first + second, real_bytes)
    return made
