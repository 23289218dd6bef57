"""Pools: the largest or the mean of each window, channel by channel.

largest:  h[p] = max over the window of x[q]     dL/dx[q] = sum of dL/dh[p] where x[q] is the first of them
mean:     h[p] = factor[p] * sum of x[q]         dL/dx[q] = sum of factor[p] dL/dh[p]

or, over all places of a row, as far as its sequence reaches, into one.
"""

import numpy as np

from .arrays cimport data_of
from .neighbours cimport Table
from .neighbours import Window
from .op cimport Kind, Op, OpTaps, Operation, Step, set_up, spread
from .simd cimport Pairs, Rows

ctypedef struct Geometry:
    Pairs forward
    Pairs backward
    const void *factor

cdef Kind LARGEST, MEAN, OF_ALL


cdef class Pool(Operation):
    cdef Geometry geometry
    cdef object tables, factor


cdef void largest_forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    cdef const Geometry *geometry = <const Geometry *>op.tables
    op.leaf.max_pool(op.h, op.x, &geometry.forward, rows)


cdef void tap(const Op *op, const OpTaps *taps, const Rows *rows) noexcept nogil:
    cdef Rows outputs = spread(rows, op.h_places)
    if taps != NULL:
        op.leaf.activation_backward(
            op.dh, op.h, op.z, &op.activation, True, &taps.layer, &outputs
        )


cdef void largest_backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    cdef const Geometry *geometry = <const Geometry *>op.tables
    tap(op, taps, rows)
    if op.dx.data != NULL:
        op.leaf.max_pool_backward(op.dx, op.dh, op.h, op.x, &geometry.forward, op.adds_dx, rows)


cdef void mean_forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    cdef const Geometry *geometry = <const Geometry *>op.tables
    op.leaf.average_pool(op.h, op.x, &geometry.forward, geometry.factor, False, rows)


cdef void mean_backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    cdef const Geometry *geometry = <const Geometry *>op.tables
    tap(op, taps, rows)
    if op.dx.data != NULL:
        op.leaf.average_pool(op.dx, op.dh, &geometry.backward, geometry.factor, op.adds_dx, rows)


cdef void all_forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    op.leaf.pool_places(op.h, op.x, op.variant, rows)


cdef void all_backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    tap(op, taps, rows)
    if op.dx.data != NULL:
        op.leaf.pool_places_backward(op.dx, op.dh, op.h, op.x, op.variant, op.adds_dx, rows)


LARGEST = Kind(
    forward=largest_forward, meet_forward=NULL, backward=largest_backward, meet_backward=NULL,
    gradient=NULL,
)
MEAN = Kind(
    forward=mean_forward, meet_forward=NULL, backward=mean_backward, meet_backward=NULL, gradient=NULL
)
OF_ALL = Kind(
    forward=all_forward, meet_forward=NULL, backward=all_backward, meet_backward=NULL, gradient=NULL
)


def operation(
    window, Py_ssize_t channels, *, Py_ssize_t outputs, bint largest, bint counts_padding,
    Py_ssize_t real_bytes,
):
    """A pool of `channels`, of which `outputs` come out: those behind the inputs' are 0.

    `window`: the arguments of a Window. A mean is over all taps if it `counts_padding`, else over those
    that see a place of the image.
    """
    cdef Pool made = Pool()
    cdef Table forward, backward
    seen = Window(**window)
    forward, backward = made.tables = (
        Table(seen.p, seen.outputs, seen.q, seen.p), Table(seen.q, seen.inputs, seen.p, seen.p)
    )
    seeing = np.bincount(seen.p, minlength=seen.outputs)
    dtype = np.dtype(f"f{real_bytes}")
    made.factor = (1 / np.where(counts_padding, seen.taps, seeing)).astype(dtype)
    made.geometry = Geometry(
        forward=forward.pairs, backward=backward.pairs, factor=data_of("factor", made.factor, dtype)
    )
    made.op.tables = &made.geometry
    set_up(made, &LARGEST if largest else &MEAN, channels, outputs, real_bytes)
    return made


def of_all(Py_ssize_t channels, *, bint largest, Py_ssize_t real_bytes):
    """A pool of `channels` over all places, whatever their number."""
    cdef Operation made = Operation()
    set_up(made, &OF_ALL, channels, channels, real_bytes)
    made.op.variant = largest
    return made
