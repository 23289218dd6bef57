"""The simple recurrent layer (Elman 1990), in PyTorch's parameters.

z_t = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh        h_t = f(z_t)
delta_t = dL/dz_t = (dL/dh_t from above + W_hh^T delta_{t+1}) * f'(z_t)

Where a cross-entropy follows sigmoid outputs, it makes dL/dh_t = (h - y) / f'(z_t) of the same z_t as
f'(z_t) is made of here, and neither rounds to 0: delta_t has all its digits, though h_t rounds to 1.

The regulariser of Pascanu, Mikolov and Bengio 2013 (eq. 9 and 10), all but W_hh held fixed:

Omega = sum over t of (r_t - 1)^2        r_t = |v_t| / |delta_t|        v_t = f'(z_{t-1}) * W_hh^T delta_t
dOmega/dW_hh = sum over t of 2 (r_t - 1) delta_t / |delta_t| (f'(z_{t-1}) * v_t / |v_t|)^T
"""

from libc.stdint cimport int64_t

from .op cimport (
    Kind, Op, OpTaps, Operation, PER_STEP, PER_THREAD, Step, add_buffer, add_parameter, from_row,
    of_thread, places_in,
)
from .recurrent cimport (
    Moment, OWN_BUFFERS, PACKED, TOTAL, WEIGHT_HH, add_dropout_buffers, bring_back, drop_hidden,
    hidden_seen, joint_backward, joint_forward, joint_gradient, joint_input, joint_input_backward,
    recurrent_operation, taps_at,
)
from .simd cimport Matrix, PACKED_SIZE, Rows, Span

# Buffers of a layer that is regularised: the factors of dOmega/dW_hh at each timestep.
cdef enum:
    STATE_FACTOR = OWN_BUFFERS
    DELTA_FACTOR

cdef Kind RNN


cdef inline Matrix pre_activation(const Op *op) noexcept nogil:
    """Where z lies: with h, unless the activation or the loss needs it afterwards."""
    return op.z if op.keeps_z or op.loss_reads_z else op.state[0].sequence


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    joint_forward(op, step, rows, input_forward, cell_forward)


cdef void input_forward(const Op *op, const Step *step, Py_ssize_t row, const Rows *some) noexcept nogil:
    joint_input(op, step, pre_activation(op), row, some)


cdef void cell_forward(const Op *op, const Step *step, const Moment *now) noexcept nogil:
    cdef Matrix h = op.state[0].sequence, z = from_row(pre_activation(op), now.row, op.leaf)
    op.leaf.affine_packed(
        z, from_row(hidden_seen(op, step), now.before, op.leaf), of_thread(op, step, PACKED), NULL, True,
        &now.rows,
    )
    op.leaf.activation(from_row(h, now.row, op.leaf), z, &op.activation, &now.rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    joint_backward(op, step, taps, rows, cell_backward, input_backward)
    if op.omega > 0:
        regularise(op, step, rows)


cdef void input_backward(const Op *op, const Step *step, Py_ssize_t row, const Rows *some) noexcept nogil:
    joint_input_backward(op, step, op.buffer[TOTAL].matrix, row, some)


cdef void regularise(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    """dOmega/dW_hh in two factors; 0 at the timestep that a row starts from."""
    cdef Matrix back = op.buffer[STATE_FACTOR].matrix, slopes = op.buffer[DELTA_FACTOR].matrix
    cdef Py_ssize_t later = 0 if op.reverse else step.rows, earlier = step.rows - later
    cdef Rows both = rows[0]
    clear(op, back, rows)
    clear(op, slopes, rows)
    both.times -= 1
    if rows.ends != NULL:
        both.ends = rows.ends + 1
    back, slopes = from_row(back, later, op.leaf), from_row(slopes, later, op.leaf)
    cdef Matrix delta = from_row(op.buffer[TOTAL].matrix, later, op.leaf)
    op.leaf.slope(
        slopes, from_row(op.state[0].sequence, earlier, op.leaf),
        from_row(pre_activation(op), earlier, op.leaf), &op.activation, NULL, &both,
    )
    drop_hidden(op, step, slopes, &both)
    op.leaf.affine_input(back, delta, op.parameter[WEIGHT_HH].value, False, &both)
    op.leaf.norm_ratio(back, slopes, delta, op.omega / step.rows, &both)


cdef void clear(const Op *op, Matrix m, const Rows *rows) noexcept nogil:
    """0 in all rows of all timesteps."""
    cdef int64_t none = rows.begin
    cdef Rows ended = Rows(begin=rows.begin, end=rows.end, times=1, stride=rows.stride, ends=&none)
    cdef Py_ssize_t t
    for t in range(rows.times):
        op.leaf.clear_ended(from_row(m, t * rows.stride, op.leaf), &ended)


cdef void cell_backward(
    const Op *op, const Step *step, const OpTaps *taps, const Moment *now
) noexcept nogil:
    cdef Matrix delta = from_row(op.buffer[TOTAL].matrix, now.row, op.leaf)
    cdef Matrix z = from_row(pre_activation(op), now.row, op.leaf)
    cdef OpTaps here
    if taps != NULL:
        here = taps_at(op, taps, now)
    if op.loss_reads_z:
        op.leaf.sigmoid_backward(delta, z, &now.rows)
    op.leaf.activation_backward(
        delta, from_row(op.state[0].sequence, now.row, op.leaf), z, &op.activation,
        op.loss_reads_z, &here.layer if taps != NULL else NULL, &now.rows,
    )
    if step.wants_initial or not now.done:
        bring_back(op, step, delta, of_thread(op, step, PACKED), False, &now.rows)


cdef void gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    cdef Span window = Span(
        rows=step.rows * places_in(op.x_places, step), before=0, behind=0, partial=0, add=True
    )
    joint_gradient(op, step, parameter, row0, row1, op.buffer[TOTAL].matrix)
    if op.omega > 0 and parameter == WEIGHT_HH and step.stretch_begin == 0:
        op.leaf.affine_weight(
            op.parameter[WEIGHT_HH].gradient, op.buffer[STATE_FACTOR].matrix,
            op.buffer[DELTA_FACTOR].matrix, &window, row0, row1,
        )


RNN = Kind(
    forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=gradient
)


def operation(
    Py_ssize_t inputs, Py_ssize_t units, *, bint learned, double omega, Py_ssize_t real_bytes, **options
):
    """A recurrent layer of `inputs` features to `units`, regularised by Omega times `omega`; options: see
    `recurrent_operation`."""
    cdef Operation made = recurrent_operation(&RNN, inputs, units, 1, options, real_bytes)
    made.op.delta_buffer = TOTAL
    add_buffer(made, PER_STEP, units)
    add_buffer(made, PER_THREAD, PACKED_SIZE(units, units))
    add_buffer(made, PER_THREAD, units)
    if omega > 0:
        made.op.omega = omega
        add_buffer(made, PER_STEP, units)
        add_buffer(made, PER_STEP, units)
    if learned:
        made.op.state[0].parameter = add_parameter(made, units, 1)
    add_dropout_buffers(made)
    return made
