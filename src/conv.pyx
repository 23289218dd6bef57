"""Convolutions of images and sequences: h = f(x * W + b).

z[p] = b + sum over taps k of x[q] W_k        q the place that tap k of the window over p sees
delta = dL/dz = dL/dh * f'(z)
dL/dx[q] = sum of delta[p] W_k^T over all (p, k) that see q
dL/dW_k = sum of x[q]^T delta[p] over all (q, p) that meet in k        dL/db = sum of the rows of delta
"""

from .function cimport ActivationFunction
from .neighbours cimport Table
from .neighbours import Window
from .op cimport (
    Kind, Op, OpTaps, Operation, PER_THREAD, Step, add_buffer, add_parameter, loss_activates,
    of_thread, set_activation, set_up, span_of, spread,
)
from .simd cimport PACKED_SIZE, Pairs, Rows, Span

cdef enum:
    WEIGHT, BIAS

cdef enum:
    PACKED

ctypedef struct Geometry:
    Pairs forward
    Pairs backward
    Pairs weight
    Py_ssize_t taps
    Py_ssize_t groups

cdef Kind CONVOLUTION


cdef class Convolution(Operation):
    cdef Geometry geometry
    cdef object tables


cdef void pack(const Op *op, const Step *step, bint transposed) noexcept nogil:
    cdef const Geometry *geometry = <const Geometry *>op.tables
    op.leaf.pack_taps(
        of_thread(op, step, PACKED), op.parameter[WEIGHT].value, op.x.cols // geometry.groups,
        geometry.taps, geometry.groups, transposed,
    )


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    cdef const Geometry *geometry = <const Geometry *>op.tables
    cdef Rows outputs = spread(rows, op.h_places)
    pack(op, step, False)
    op.leaf.convolve(
        op.z, op.x, of_thread(op, step, PACKED), op.parameter[BIAS].value.data if op.bias else NULL,
        &geometry.forward, geometry.taps, geometry.groups, False, rows,
    )
    if not loss_activates(op, step):
        op.leaf.activation(op.h, op.z, &op.activation, &outputs)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    cdef const Geometry *geometry = <const Geometry *>op.tables
    cdef Rows outputs = spread(rows, op.h_places)
    op.leaf.activation_backward(
        op.dh, op.h, op.z, &op.activation, op.fused,
        &taps.layer if taps != NULL else NULL, &outputs,
    )
    if op.dx.data != NULL:
        pack(op, step, True)
        op.leaf.convolve(
            op.dx, op.dh, of_thread(op, step, PACKED), NULL,
            &geometry.backward, geometry.taps, geometry.groups, op.adds_dx, rows,
        )


cdef void gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    cdef const Geometry *geometry = <const Geometry *>op.tables
    cdef Span span = span_of(op, step, op.h_places)
    if parameter == WEIGHT:
        op.leaf.convolve_weight(
            op.parameter[WEIGHT].gradient, op.x, op.dh,
            &geometry.weight, geometry.taps, geometry.groups, step.rows, row0, row1,
        )
    else:
        op.leaf.column_sums(op.parameter[BIAS].gradient.data, op.dh, &span, row0, row1)


CONVOLUTION = Kind(
    forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=gradient
)


def operation(
    window, Py_ssize_t channels, Py_ssize_t filters, *, Py_ssize_t groups,
    ActivationFunction activation not None, bint bias, Py_ssize_t real_bytes,
):
    """A convolution of `channels` with `filters`; `window`: the arguments of a Window."""
    cdef Convolution made = Convolution()
    cdef Py_ssize_t depth = channels // groups, share = filters // groups
    cdef Table forward, backward, weight
    seen = Window(**window)
    forward, backward, weight = made.tables = seen.forward(), seen.backward(), seen.weight()
    made.geometry = Geometry(
        forward=forward.pairs, backward=backward.pairs, weight=weight.pairs,
        taps=seen.taps, groups=groups,
    )
    made.op.tables = &made.geometry
    set_up(made, &CONVOLUTION, channels, filters, real_bytes)
    set_activation(made, activation)
    made.op.bias = bias
    made.op.flops = 2.0 * len(seen.p) * depth * filters
    add_parameter(made, seen.taps * depth, filters)
    if bias:
        add_parameter(made, filters, 1)
    add_buffer(
        made, PER_THREAD,
        groups * max(PACKED_SIZE(seen.taps * depth, share), PACKED_SIZE(seen.taps * share, depth)),
    )
    return made
