"""The simple recurrent layer (Elman 1990), in PyTorch's parameters.

z_t = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh        h_t = f(z_t)
delta_t = dL/dz_t = (dL/dh_t from above + W_hh^T delta_{t+1}) * f'(z_t)
"""

from .op cimport Kind, Op, OpTaps, Operation, PER_STEP, PER_THREAD, Step, from_row
from .recurrent cimport (
    Moment, TOTAL, WEIGHT_HH, WEIGHT_IH, add_buffer, add_parameter, hidden_before,
    initial_gradient, of_thread, recurrent_operation, summed_bias, taps_at, walk_backward,
    walk_forward,
)
from .simd cimport Matrix, PACKED_SIZE, Rows

cdef enum:
    PACKED = TOTAL + 1
    BIAS

cdef Kind RNN


cdef inline Matrix pre_activation(const Op *op) noexcept nogil:
    """Where z lies: with h, unless the activation needs it afterwards."""
    return op.z if op.keeps_z else op.state[0].sequence


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    op.leaf.affine(
        pre_activation(op), op.x, op.parameter[WEIGHT_IH].value, summed_bias(op, step, BIAS), False, rows
    )
    op.leaf.pack(of_thread(op, step, PACKED), op.parameter[WEIGHT_HH].value, op.h.cols, False)
    walk_forward(op, step, rows, cell_forward)


cdef void cell_forward(const Op *op, const Step *step, const Moment *now) noexcept nogil:
    cdef Matrix h = op.state[0].sequence, z = from_row(pre_activation(op), now.row, op.leaf)
    op.leaf.affine_packed(
        z, from_row(h, now.before, op.leaf), of_thread(op, step, PACKED), NULL, True, &now.rows
    )
    op.leaf.activation(from_row(h, now.row, op.leaf), z, op.activation, op.alpha, &now.rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    cdef Matrix delta = op.buffer[TOTAL].matrix
    op.leaf.pack(of_thread(op, step, PACKED), op.parameter[WEIGHT_HH].value, op.h.cols, True)
    walk_backward(op, step, taps, rows, cell_backward)
    op.leaf.clear_ended(delta, rows)
    if op.dx.data != NULL:
        op.leaf.affine_input(op.dx, delta, op.parameter[WEIGHT_IH].value, op.adds_dx, rows)


cdef void cell_backward(
    const Op *op, const Step *step, const OpTaps *taps, const Moment *now
) noexcept nogil:
    cdef Matrix delta = from_row(op.buffer[TOTAL].matrix, now.row, op.leaf)
    cdef OpTaps here
    if taps != NULL:
        here = taps_at(op, taps, now)
    op.leaf.activation_backward(
        delta, from_row(op.state[0].sequence, now.row, op.leaf),
        from_row(pre_activation(op), now.row, op.leaf), op.activation, op.alpha, False,
        &here.layer if taps != NULL else NULL, &now.rows,
    )
    if step.wants_initial or not now.done:
        op.leaf.affine_packed(
            op.state[0].carry, delta, of_thread(op, step, PACKED), NULL, False, &now.rows
        )


cdef void gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    cdef Matrix delta = op.buffer[TOTAL].matrix, into = op.parameter[parameter].gradient
    cdef Py_ssize_t rows = step.rows * step.times
    if initial_gradient(op, step, parameter, row0, row1):
        return
    if parameter == WEIGHT_IH:
        op.leaf.affine_weight(into, op.x, delta, step.accumulating, rows, row0, row1)
    elif parameter == WEIGHT_HH:
        op.leaf.affine_weight(into, hidden_before(op, step), delta, step.accumulating, rows, row0, row1)
    else:
        op.leaf.column_sums(into.data, delta, step.accumulating, rows, row0, row1)


RNN = Kind(forward=forward, backward=backward, gradient=gradient)


def operation(Py_ssize_t inputs, Py_ssize_t units, *, bint learned, Py_ssize_t real_bytes, **options):
    """A recurrent layer of `inputs` features to `units`; options: see `recurrent_operation`."""
    cdef Operation made = recurrent_operation(inputs, units, 1, options, real_bytes)
    made.op.kind = &RNN
    add_buffer(made, PER_STEP, units)
    add_buffer(made, PER_THREAD, PACKED_SIZE(units, units))
    add_buffer(made, PER_THREAD, units)
    if learned:
        made.op.state[0].parameter = add_parameter(made, units, 1)
    return made
