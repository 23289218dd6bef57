"""Gated recurrent units (Cho et al. 2014), in PyTorch's parameters.

r, z = gate(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)        h_t = (1 - z) n + z h_{t-1}

reset after the product (PyTorch's):   m = W_hn h_{t-1} + b_hn        n = f(W_in x_t + b_in + r m)
reset before it (Cho's):               m = r h_{t-1}                  n = f(W_in x_t + b_in + W_hn m + b_hn)

Gates lie as r, z, m, n: of dL/dz the recurrent weights see r, z and m, the input's see r, z and n.
"""

from libc.string cimport memset

from .op cimport (
    Kind, Op, OpTaps, Operation, PER_ROW, PER_STEP, PER_THREAD, Step, add_buffer, add_parameter,
    block, from_row, of_thread, span_of, tap_delta, tap_outputs,
)
from .recurrent cimport (
    BIAS_HH, BIAS_IH, Moment, OWN_BUFFERS, PACKED, TOTAL, WEIGHT_HH, WEIGHT_IH, add_dropout_buffers,
    bring_back, drop_hidden, hidden_before, hidden_seen, initial_gradient, of_stretch,
    recurrent_operation, sum_biases, summed_bias, taps_at, walk_backward, walk_forward,
)
from .simd cimport Matrix, PACKED_SIZE, Rows, Span, Taps

cdef enum:
    R, Z, M, N, BLOCKS

cdef enum:
    GATES = 3    # r, z and n

cdef enum:
    SLOPES = OWN_BUFFERS  # of r, z, n; and dL/dm
    ACTIVATED    # the gates; then dL/dz

cdef Kind GRU


cdef inline Matrix pre_activation(const Op *op) noexcept nogil:
    """Where z lies: with the gates, unless their activations need it afterwards."""
    return op.z if op.keeps_z else op.buffer[ACTIVATED].matrix


cdef inline const void *shifted(const Op *op, const void *data, Py_ssize_t elements) noexcept nogil:
    if data == NULL:
        return NULL
    return <const char *>data + elements * <Py_ssize_t>op.leaf.real_bytes


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    sum_biases(op, step)
    pack(op, step, False)
    walk_forward(op, step, rows, input_forward, cell_forward)


cdef void input_forward(const Op *op, const Step *step, Py_ssize_t row, const Rows *some) noexcept nogil:
    cdef Py_ssize_t n = op.h.cols
    cdef Matrix w = op.parameter[WEIGHT_IH].value, x = from_row(op.x, row, op.leaf)
    cdef Matrix z = from_row(pre_activation(op), row, op.leaf)
    cdef const void *bias = summed_bias(op, step)
    cdef const void *candidate = shifted(op, bias, 2 * n)
    if op.variant and op.bias:
        candidate = shifted(op, op.parameter[BIAS_IH].value.data, 2 * n)
    op.leaf.affine(block(z, 0, 2 * n, op.leaf), x, block(w, 0, 2 * n, op.leaf), bias, False, some)
    op.leaf.affine(block(z, N * n, n, op.leaf), x, block(w, 2 * n, n, op.leaf), candidate, False, some)


cdef void pack(const Op *op, const Step *step, bint transposed) noexcept nogil:
    """The recurrent weights of r and z, then those of n; transposed and reset after: all at once."""
    cdef Py_ssize_t n = op.h.cols
    cdef Matrix w = op.parameter[WEIGHT_HH].value
    if transposed and op.variant:
        op.leaf.pack(of_thread(op, step, PACKED), w, n, True)
        return
    op.leaf.pack(of_thread(op, step, PACKED), block(w, 0, 2 * n, op.leaf), n, transposed)
    op.leaf.pack(packed_candidate(op, step), block(w, 2 * n, n, op.leaf), n, transposed)


cdef void *packed_candidate(const Op *op, const Step *step) noexcept nogil:
    cdef Py_ssize_t n = op.h.cols
    return <void *>shifted(
        op, of_thread(op, step, PACKED), PACKED_SIZE(n, 2 * n) + PACKED_SIZE(2 * n, n)
    )


cdef void cell_forward(const Op *op, const Step *step, const Moment *now) noexcept nogil:
    cdef Py_ssize_t n = op.h.cols
    cdef Matrix h = from_row(op.state[0].sequence, now.row, op.leaf)
    cdef Matrix before = from_row(op.state[0].sequence, now.before, op.leaf)
    cdef Matrix seen = from_row(hidden_seen(op, step), now.before, op.leaf)
    cdef Matrix z = from_row(pre_activation(op), now.row, op.leaf)
    cdef Matrix gates = from_row(op.buffer[ACTIVATED].matrix, now.row, op.leaf)
    cdef Matrix m = block(gates, M * n, n, op.leaf), candidate = block(z, N * n, n, op.leaf)
    cdef const void *bias = op.parameter[BIAS_HH].value.data if op.bias else NULL
    op.leaf.affine_packed(
        block(z, 0, 2 * n, op.leaf), seen, of_thread(op, step, PACKED), NULL, True, &now.rows
    )
    op.leaf.activation(
        block(gates, 0, 2 * n, op.leaf), block(z, 0, 2 * n, op.leaf),
        &op.gate_activation, &now.rows,
    )
    if op.variant:
        op.leaf.affine_packed(
            m, seen, packed_candidate(op, step), shifted(op, bias, 2 * n), False, &now.rows
        )
        op.leaf.gru_reset(candidate, gates, &now.rows)
    else:
        op.leaf.gru_gate(m, gates, seen, &now.rows)
        op.leaf.affine_packed(candidate, m, packed_candidate(op, step), NULL, True, &now.rows)
    op.leaf.activation(
        block(gates, N * n, n, op.leaf), candidate, &op.activation, &now.rows
    )
    op.leaf.gru_output(h, gates, before, &now.rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    pack(op, step, True)
    walk_backward(op, step, taps, rows, cell_backward, input_backward)


cdef void input_backward(const Op *op, const Step *step, Py_ssize_t row, const Rows *some) noexcept nogil:
    cdef Py_ssize_t n = op.h.cols
    cdef Matrix delta = from_row(op.buffer[ACTIVATED].matrix, row, op.leaf), dx
    cdef Matrix w = op.parameter[WEIGHT_IH].value
    op.leaf.clear_ended(delta, some)
    if op.dx.data != NULL:
        dx = from_row(op.dx, row, op.leaf)
        op.leaf.affine_input(
            dx, block(delta, 0, 2 * n, op.leaf), block(w, 0, 2 * n, op.leaf), op.adds_dx, some
        )
        op.leaf.affine_input(
            dx, block(delta, N * n, n, op.leaf), block(w, 2 * n, n, op.leaf), True, some
        )


cdef void cell_backward(
    const Op *op, const Step *step, const OpTaps *taps, const Moment *now
) noexcept nogil:
    cdef Py_ssize_t n = op.h.cols
    cdef Matrix before = from_row(op.state[0].sequence, now.before, op.leaf)
    cdef Matrix z = from_row(pre_activation(op), now.row, op.leaf)
    cdef Matrix gates = from_row(op.buffer[ACTIVATED].matrix, now.row, op.leaf)
    cdef Matrix slopes = op.buffer[SLOPES].matrix, carry = op.state[0].carry
    cdef Matrix gated = block(slopes, GATES * n, n, op.leaf)
    cdef bint going_on = step.wants_initial or not now.done
    cdef OpTaps here
    cdef Taps layer
    cdef int gate, column
    memset(&here, 0, sizeof(OpTaps))  # nobody reads it where taps is NULL, which compilers do not see
    if taps != NULL:
        here = taps_at(op, taps, now)
        layer = here.layer
    for gate in range(GATES):
        column = op.gate_block[gate]
        layer.saturated = here.gate_saturated[gate] if taps != NULL else NULL
        op.leaf.slope(
            block(slopes, gate * n, n, op.leaf), block(gates, column * n, n, op.leaf),
            block(z, column * n, n, op.leaf),
            &op.activation if column == N else &op.gate_activation,
            &layer if taps != NULL else NULL, &now.rows,
        )
    op.leaf.gru_backward(gates, carry, op.buffer[TOTAL].matrix, slopes, before, &now.rows)
    if op.variant:
        op.leaf.gru_reset_backward(gates, slopes, &now.rows)
    else:
        op.leaf.affine_packed(
            gated, block(gates, N * n, n, op.leaf), packed_candidate(op, step), NULL, False, &now.rows
        )
        drop_hidden(op, step, gated, &now.rows)
        op.leaf.gru_gate_backward(gates, carry, gated, slopes, before, &now.rows)
    if going_on:
        bring_back(
            op, step, block(gates, 0, (3 if op.variant else 2) * n, op.leaf),
            of_thread(op, step, PACKED), True, &now.rows,
        )
    if taps != NULL:
        for gate in range(GATES):
            tap_delta(
                op, here.gate_norm[gate], &here.layer, block(gates, op.gate_block[gate] * n, n, op.leaf),
                &now.rows,
            )
        tap_outputs(op, &here.layer, from_row(op.state[0].sequence, now.row, op.leaf), &now.rows)


cdef void gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    cdef Span span = span_of(op, step, op.x_places)
    cdef Py_ssize_t n = op.h.cols
    cdef Matrix into = op.parameter[parameter].gradient
    cdef Matrix gates = of_stretch(op, step, op.buffer[ACTIVATED].matrix)
    cdef Matrix x = of_stretch(op, step, op.x), third = block(gates, N * n, n, op.leaf)
    if initial_gradient(op, step, parameter, row0, row1):
        return
    if op.variant and parameter in (WEIGHT_HH, BIAS_HH):
        third = block(gates, M * n, n, op.leaf)
    if parameter == WEIGHT_IH or parameter == WEIGHT_HH:
        if parameter == WEIGHT_HH:
            x = hidden_before(op, step)
        op.leaf.affine_weight(
            block(into, 0, 2 * n, op.leaf), x, block(gates, 0, 2 * n, op.leaf), &span, row0, row1
        )
        if parameter == WEIGHT_HH and not op.variant:
            x = block(gates, M * n, n, op.leaf)
        op.leaf.affine_weight(block(into, 2 * n, n, op.leaf), x, third, &span, row0, row1)
    else:
        op.leaf.column_sums(into.data, gates, &span, row0, min(row1, 2 * n))
        op.leaf.column_sums(
            <void *>shifted(op, into.data, 2 * n), third, &span, max(row0 - 2 * n, 0), row1 - 2 * n
        )


GRU = Kind(
    forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=gradient
)


def operation(Py_ssize_t inputs, Py_ssize_t units, *, bint learned, Py_ssize_t real_bytes, **options):
    """A GRU of `inputs` features to `units`; options: see `recurrent_operation`; variant: reset after."""
    cdef Operation made = recurrent_operation(&GRU, inputs, units, GATES, options, real_bytes)
    made.op.z.cols = BLOCKS * units
    made.op.gate_block[2] = N
    made.op.gate_buffer = made.op.delta_buffer = ACTIVATED
    add_buffer(made, PER_ROW, units)
    add_buffer(
        made, PER_THREAD,
        PACKED_SIZE(units, 2 * units) + PACKED_SIZE(2 * units, units) + PACKED_SIZE(units, units),
    )
    add_buffer(made, PER_THREAD, GATES * units)
    add_buffer(made, PER_ROW, (GATES + 1) * units)
    add_buffer(made, PER_STEP, BLOCKS * units)
    if learned:
        made.op.state[0].parameter = add_parameter(made, units, 1)
    add_dropout_buffers(made)
    return made
