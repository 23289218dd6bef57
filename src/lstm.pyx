"""Long short-term memory (Hochreiter and Schmidhuber 1997, Gers et al. 2000), in PyTorch's parameters.

(z_i, z_f, z_g, z_o)_t = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh
c_t = f c_{t-1} + i g        h_t = o squash(c_t)        with i, f, o = gate(z), g = squash(z)

With peepholes (Gers and Schmidhuber 2000) z_i and z_f also see p_i c_{t-1} and p_f c_{t-1}, z_o sees p_o c_t.

dL/dc_t = dL/dc_t from t + 1  +  dL/dh_t o squash'(c_t)  +  p_o dL/dz_o
dL/dc_{t-1} = f dL/dc_t + p_i dL/dz_i + p_f dL/dz_f        dL/dh_{t-1} = W_hh^T dL/dz
"""

from libc.string cimport memset

from .op cimport (
    Kind, Op, OpTaps, Operation, PER_ROW, PER_STEP, PER_THREAD, Step, add_buffer, add_parameter,
    block, from_row, of_thread, span_of, tap_delta, tap_outputs,
)
from .recurrent cimport (
    BIAS_HH, BIAS_IH, Moment, OWN_BUFFERS, PACKED, TOTAL, add_dropout_buffers, before,
    bring_back, hidden_seen, joint_backward, joint_forward, joint_gradient, joint_input, joint_input_backward,
    keep_moment, of_stretch, recurrent_operation, taps_at,
)
from .simd cimport Function, Matrix, PACKED_SIZE, Rows, Span, Taps

cdef enum:
    I, F, G, O, GATES

cdef enum:
    SLOPES = OWN_BUFFERS  # of the four gates, and of squash(c)
    ACTIVATED    # the gates; then dL/dz
    SQUASHED     # squash(c)

cdef enum:
    H, C         # states

cdef Kind LSTM


cdef inline const Function *gate_activation(const Op *op, int gate) noexcept nogil:
    return &op.activation if gate == G else &op.gate_activation


cdef inline Matrix pre_activation(const Op *op) noexcept nogil:
    """Where z lies: with the gates, unless their activations need it afterwards."""
    return op.z if op.keeps_z else op.buffer[ACTIVATED].matrix


cdef inline const void *peephole(const Op *op, int index) noexcept nogil:
    """The weights of c in z_i, z_f or z_o: parameters behind the biases."""
    return op.parameter[first_peephole(op) + index].value.data


cdef inline int first_peephole(const Op *op) noexcept nogil:
    return BIAS_HH + 1 if op.bias else BIAS_IH


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    joint_forward(op, step, rows, input_forward, cell_forward)


cdef void input_forward(const Op *op, const Step *step, Py_ssize_t row, const Rows *some) noexcept nogil:
    joint_input(op, step, pre_activation(op), row, some)


cdef void activate(
    const Op *op, Matrix gates, Matrix z, int gate, int count, const Rows *rows
) noexcept nogil:
    cdef Py_ssize_t n = op.h.cols
    op.leaf.activation(
        block(gates, gate * n, count * n, op.leaf), block(z, gate * n, count * n, op.leaf),
        gate_activation(op, gate), rows,
    )


cdef void cell_forward(const Op *op, const Step *step, const Moment *now) noexcept nogil:
    cdef Py_ssize_t n = op.h.cols
    cdef Matrix h = from_row(op.state[H].sequence, now.row, op.leaf)
    cdef Matrix c = from_row(op.state[C].sequence, now.row, op.leaf)
    cdef Matrix h_before = from_row(hidden_seen(op, step), now.before, op.leaf)
    cdef Matrix c_before = from_row(op.state[C].sequence, now.before, op.leaf)
    cdef Matrix z = from_row(pre_activation(op), now.row, op.leaf)
    cdef Matrix gates = from_row(op.buffer[ACTIVATED].matrix, now.row, op.leaf)
    cdef Matrix squashed = from_row(op.buffer[SQUASHED].matrix, now.row, op.leaf)
    op.leaf.affine_packed(z, h_before, of_thread(op, step, PACKED), NULL, True, &now.rows)
    if op.variant:
        op.leaf.add_scaled(block(z, I * n, n, op.leaf), c_before, peephole(op, 0), &now.rows)
        op.leaf.add_scaled(block(z, F * n, n, op.leaf), c_before, peephole(op, 1), &now.rows)
    activate(op, gates, z, I, 2, &now.rows)
    activate(op, gates, z, G, 1, &now.rows)
    op.leaf.lstm_cell(c, gates, c_before, &now.rows)
    if op.variant:
        op.leaf.add_scaled(block(z, O * n, n, op.leaf), c, peephole(op, 2), &now.rows)
    activate(op, gates, z, O, 1, &now.rows)
    op.leaf.activation(squashed, c, &op.activation, &now.rows)
    op.leaf.lstm_output(h, gates, squashed, &now.rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    joint_backward(op, step, taps, rows, cell_backward, input_backward)


cdef void input_backward(const Op *op, const Step *step, Py_ssize_t row, const Rows *some) noexcept nogil:
    joint_input_backward(op, step, op.buffer[ACTIVATED].matrix, row, some)


cdef void cell_backward(
    const Op *op, const Step *step, const OpTaps *taps, const Moment *now
) noexcept nogil:
    cdef Py_ssize_t n = op.h.cols
    cdef Matrix c = from_row(op.state[C].sequence, now.row, op.leaf)
    cdef Matrix c_before = from_row(op.state[C].sequence, now.before, op.leaf)
    cdef Matrix z = from_row(pre_activation(op), now.row, op.leaf)
    cdef Matrix gates = from_row(op.buffer[ACTIVATED].matrix, now.row, op.leaf)
    cdef Matrix squashed = from_row(op.buffer[SQUASHED].matrix, now.row, op.leaf)
    cdef Matrix slopes = op.buffer[SLOPES].matrix, dc = block(slopes, GATES * n, n, op.leaf)
    cdef const void *peepholes[3]
    cdef OpTaps here
    cdef Taps layer
    cdef int gate
    memset(&here, 0, sizeof(OpTaps))  # nobody reads it where taps is NULL, which compilers do not see
    if taps != NULL:
        here = taps_at(op, taps, now)
        layer = here.layer
    for gate in range(GATES):
        layer.saturated = here.gate_saturated[gate] if taps != NULL else NULL
        op.leaf.slope(
            block(slopes, gate * n, n, op.leaf), block(gates, gate * n, n, op.leaf),
            block(z, gate * n, n, op.leaf), gate_activation(op, gate),
            &layer if taps != NULL else NULL, &now.rows,
        )
    op.leaf.slope(dc, squashed, c, &op.activation, NULL, &now.rows)
    if op.variant:
        for gate in range(3):
            peepholes[gate] = peephole(op, gate)
    op.leaf.lstm_backward(
        gates, op.state[C].carry, op.buffer[TOTAL].matrix, slopes, c_before, squashed,
        peepholes if op.variant else NULL, &now.rows,
    )
    keep_moment(op, op.cell, dc, now)
    if taps != NULL:
        for gate in range(GATES):
            tap_delta(op, here.gate_norm[gate], &here.layer, block(gates, gate * n, n, op.leaf), &now.rows)
        op.leaf.row_norms(here.cell, dc, &now.rows)
        tap_outputs(op, &here.layer, from_row(op.state[H].sequence, now.row, op.leaf), &now.rows)
    if step.wants_initial or not now.done:
        bring_back(op, step, gates, of_thread(op, step, PACKED), False, &now.rows)


cdef void gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    cdef Matrix delta = op.buffer[ACTIVATED].matrix, c = op.state[C].sequence
    cdef Span span = span_of(op, step, op.x_places)
    cdef Py_ssize_t n = op.h.cols
    cdef int gate
    if joint_gradient(op, step, parameter, row0, row1, delta):
        return
    gate = I if parameter == first_peephole(op) else F if parameter == first_peephole(op) + 1 else O
    if gate != O:
        c = before(op, step, c)
    op.leaf.column_products(
        op.parameter[parameter].gradient.data, of_stretch(op, step, c),
        of_stretch(op, step, block(delta, gate * n, n, op.leaf)), &span, row0, row1,
    )


LSTM = Kind(
    forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=gradient
)


def operation(Py_ssize_t inputs, Py_ssize_t units, *, bint learned, Py_ssize_t real_bytes, **options):
    """An LSTM of `inputs` features to `units`; options: see `recurrent_operation`; variant: peepholes."""
    cdef Operation made = recurrent_operation(&LSTM, inputs, units, GATES, options, real_bytes)
    cdef int i
    made.op.states = 2
    made.op.z.cols = GATES * units
    made.op.gate_buffer = made.op.delta_buffer = ACTIVATED
    add_buffer(made, PER_ROW, units)
    add_buffer(made, PER_THREAD, PACKED_SIZE(GATES * units, units))
    add_buffer(made, PER_THREAD, GATES * units)
    add_buffer(made, PER_ROW, (GATES + 1) * units)
    add_buffer(made, PER_STEP, GATES * units)
    add_buffer(made, PER_STEP, units)
    if made.op.variant:
        for _ in range(3):
            add_parameter(made, units, 1)
    if learned:
        for i in range(2):
            made.op.state[i].parameter = add_parameter(made, units, 1)
    add_dropout_buffers(made)
    return made
