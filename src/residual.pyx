"""The ends of a block: a fork before two branches, and a join behind them.

fork:  both branches read x              dL/dx = what the body brings + what the skip brings
join:  h = f(skip + g body)              delta = dL/dh * f'(skip + g body)
       dL/d body = g delta               dL/d skip = delta          dL/dg = sum of delta * body

g is learned (ReZero starts it at 0) or, without a parameter, 1.
"""

from .function cimport ActivationFunction
from .op cimport (
    Kind, Op, OpTaps, Operation, SHARED, Step, add_buffer, add_parameter, block_of_places, from_row,
    loss_activates, row_chunks, set_activation, set_up, span_of, taps_from,
)
from .simd cimport Matrix, Rows, Span, Taps

cdef enum:
    GATE = 0

cdef enum:
    PRODUCTS    # of each column, summed
    UNFINISHED  # ... so far

cdef Kind FORK, JOIN


cdef void fork_forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    pass


cdef void fork_backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    if taps != NULL and op.branches:
        op.leaf.row_norms(taps.body, op.dh, rows)
        op.leaf.row_norms(taps.skip, op.dh2, rows)
    if op.dx.data != NULL:
        op.leaf.add(op.dx, op.dh, op.dh2, rows)


cdef inline const void *gate(const Op *op) noexcept nogil:
    return op.parameter[GATE].value.data if op.parameters > 0 else NULL


cdef inline Matrix at_place(const Op *op, Matrix m, Py_ssize_t place, const Rows *rows) noexcept nogil:
    return from_row(m, place * rows.stride, op.leaf)


cdef void join_forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    cdef Py_ssize_t p = 0
    cdef Matrix z
    cdef Rows some
    while p < rows.times:
        some = block_of_places(rows, p, op.z, op.leaf)
        z = at_place(op, op.z, p, rows)
        op.leaf.add_multiple(z, at_place(op, op.x2, p, rows), at_place(op, op.x, p, rows), gate(op), &some)
        if not loss_activates(op, step):
            op.leaf.activation(at_place(op, op.h, p, rows), z, &op.activation, &some)
        op.leaf.clear_ended(at_place(op, op.h, p, rows), &some)
        p += some.times


cdef void join_backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    cdef Py_ssize_t chunks = row_chunks(rows.stride), p = rows.times
    cdef Py_ssize_t together = block_of_places(rows, 0, op.dh, op.leaf).times
    cdef Matrix delta, dx, nothing = Matrix(data=NULL, ld=0, cols=0)
    cdef Taps layer
    cdef Rows some
    while p > 0:
        p = (p - 1) // together * together
        some = block_of_places(rows, p, op.dh, op.leaf)
        delta, dx = at_place(op, op.dh, p, rows), at_place(op, op.dx, p, rows)
        if taps != NULL:
            layer = taps_from(&taps.layer, p * chunks)
        op.leaf.activation_backward(
            delta, at_place(op, op.h, p, rows), at_place(op, op.z, p, rows), &op.activation,
            op.fused, &layer if taps != NULL else NULL, &some,
        )
        op.leaf.clear_ended(delta, &some)
        op.leaf.add_multiple(dx, nothing, delta, gate(op), &some)
        op.leaf.clear_ended(dx, &some)
        if op.dx2.data != op.dh.data:
            dx = at_place(op, op.dx2, p, rows)
            op.leaf.add(dx, nothing, delta, &some)
            op.leaf.clear_ended(dx, &some)


cdef void join_gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    """One number, so that one thread is asked for it: the sum of what each column brings."""
    cdef Span span = span_of(op, step, op.x_places)
    cdef Matrix products = op.buffer[PRODUCTS].matrix, into = op.parameter[GATE].gradient
    cdef Py_ssize_t j
    cdef double total = 0
    span.partial = <char *>op.buffer[UNFINISHED].matrix.data - <char *>products.data
    op.leaf.column_products(products.data, op.x, op.dh, &span, 0, op.h.cols)
    for j in range(op.h.cols):
        if op.leaf.real_bytes == sizeof(float):
            total += (<float *>products.data)[j]
        else:
            total += (<double *>products.data)[j]
    if op.leaf.real_bytes == sizeof(float):
        (<float *>into.data)[0] = <float>total
    else:
        (<double *>into.data)[0] = total


FORK = Kind(
    forward=fork_forward, meet_forward=NULL, backward=fork_backward, meet_backward=NULL,
    gradient=NULL,
)
JOIN = Kind(
    forward=join_forward, meet_forward=NULL, backward=join_backward, meet_backward=NULL,
    gradient=join_gradient,
)


def fork(Py_ssize_t units, *, bint tells, Py_ssize_t real_bytes):
    """Gives its input of `units` features to two branches; `tells`: the tracker what they bring back."""
    cdef Operation made = Operation()
    set_up(made, &FORK, units, units, real_bytes)
    made.op.fork = True
    made.op.branches = tells
    return made


def join(
    Py_ssize_t units, *, bint gated, ActivationFunction activation not None, Py_ssize_t real_bytes
):
    """Adds two branches of `units` features; the second is the skip."""
    cdef Operation made = Operation()
    set_up(made, &JOIN, units, units, real_bytes)
    set_activation(made, activation)
    if gated:
        add_parameter(made, 1, 1)
        add_buffer(made, SHARED, units)
        add_buffer(made, SHARED, units)
        add_buffer(made, SHARED, units)
        add_buffer(made, SHARED, units)
    return made
