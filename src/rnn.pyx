"""The simple recurrent layer (Elman 1990), in PyTorch's parameters.

z_t = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh        h_t = f(z_t)
delta_t = dL/dz_t = (dL/dh_t from above + W_hh^T delta_{t+1}) * f'(z_t)
"""

from .op cimport (
    Kind, Op, OpTaps, Operation, PER_STEP, PER_THREAD, Step, add_buffer, add_parameter, from_row,
    of_thread,
)
from .recurrent cimport (
    Moment, PACKED, TOTAL, add_dropout_buffers, bring_back, hidden_seen, joint_backward,
    joint_forward, joint_gradient, recurrent_operation, taps_at,
)
from .simd cimport Matrix, PACKED_SIZE, Rows

cdef Kind RNN


cdef inline Matrix pre_activation(const Op *op) noexcept nogil:
    """Where z lies: with h, unless the activation needs it afterwards."""
    return op.z if op.keeps_z else op.state[0].sequence


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    joint_forward(op, step, rows, pre_activation(op), cell_forward)


cdef void cell_forward(const Op *op, const Step *step, const Moment *now) noexcept nogil:
    cdef Matrix h = op.state[0].sequence, z = from_row(pre_activation(op), now.row, op.leaf)
    op.leaf.affine_packed(
        z, from_row(hidden_seen(op, step), now.before, op.leaf), of_thread(op, step, PACKED), NULL, True,
        &now.rows,
    )
    op.leaf.activation(from_row(h, now.row, op.leaf), z, op.activation, op.alpha, &now.rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    joint_backward(op, step, taps, rows, op.buffer[TOTAL].matrix, cell_backward)


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
        bring_back(op, step, delta, of_thread(op, step, PACKED), False, &now.rows)


cdef void gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    joint_gradient(op, step, parameter, row0, row1, op.buffer[TOTAL].matrix)


RNN = Kind(
    forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=gradient
)


def operation(Py_ssize_t inputs, Py_ssize_t units, *, bint learned, Py_ssize_t real_bytes, **options):
    """A recurrent layer of `inputs` features to `units`; options: see `recurrent_operation`."""
    cdef Operation made = recurrent_operation(inputs, units, 1, options, real_bytes)
    made.op.kind = &RNN
    add_buffer(made, PER_STEP, units)
    add_buffer(made, PER_THREAD, PACKED_SIZE(units, units))
    add_buffer(made, PER_THREAD, units)
    if learned:
        made.op.state[0].parameter = add_parameter(made, units, 1)
    add_dropout_buffers(made)
    return made
