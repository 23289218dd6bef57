"""Reshape: the same numbers of a sample, in the same order, as a vector, a sequence or an image."""

from .op cimport Kind, Op, OpTaps, Operation, Step, places_in, set_up, spread
from .simd cimport Layout, Matrix, Rows

ctypedef struct Images:
    bint x, h  # whether it is one, whose elements are counted channel by channel

cdef Kind RESHAPE


cdef class Reshaping(Operation):
    cdef Images images


cdef Layout layout(Matrix m, Py_ssize_t places, const Step *step, bint image) noexcept nogil:
    return Layout(matrix=m, places=places_in(places, step), by_channel=image, order=NULL)


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    cdef const Images *images = <const Images *>op.tables
    cdef Layout h = layout(op.h, op.h_places, step, images.h), x = layout(op.x, op.x_places, step, images.x)
    op.leaf.relayout(&h, &x, False, rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    cdef const Images *images = <const Images *>op.tables
    cdef Rows outputs = spread(rows, op.h_places)
    cdef Layout dh = layout(op.dh, op.h_places, step, images.h)
    cdef Layout dx = layout(op.dx, op.x_places, step, images.x)
    if taps != NULL:
        op.leaf.activation_backward(
            op.dh, op.h, op.z, &op.activation, True, &taps.layer, &outputs
        )
    if op.dx.data != NULL:
        op.leaf.relayout(&dx, &dh, op.adds_dx, rows)


RESHAPE = Kind(
    forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=NULL
)


def operation(
    Py_ssize_t inputs, Py_ssize_t outputs, *, bint from_image, bint to_image, Py_ssize_t real_bytes
):
    """From `inputs` columns to `outputs`, of as many places as their numbers take."""
    cdef Reshaping made = Reshaping()
    made.images = Images(x=from_image, h=to_image)
    made.op.tables = &made.images
    set_up(made, &RESHAPE, inputs, outputs, real_bytes)
    return made
