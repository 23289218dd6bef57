"""What the recurrent layers share: the walk through time, forwards and backwards.

A thread walks its own rows through all timesteps and meets nobody. Where sequences end early, the living
rows of a timestep are the first ones, for the rows of a minibatch are ordered by falling length: walking
forwards rows drop out, and leave their final state behind; walking backwards they join, with the
gradient of that final state in their carry.

Timesteps at which a row is not alive hold the row's initial state in h: finite, and what a reversed
walk starts from. dL/dz is 0 there, so that the gradients of the weights are one product over all rows.
"""

from .function cimport ActivationFunction
from .op cimport (
    Kind, Op, OpTaps, Operation, PER_ROW, PER_STATE, State, Step, add_buffer, add_parameter,
    from_row, of_thread, row_chunks, rows_end, set_activation, set_gate_activation, set_up, span_of,
    taps_from,
)
from .simd cimport DEPTH_BLOCK, Matrix, ROW_CHUNK, Rows, Span, cached_bytes


cdef inline bint gives_sequence(const Op *op) noexcept nogil:
    """Whether the output is h of every timestep, not of the last one alone."""
    return op.h_places != 1


cdef Rows one_step(const Rows *rows, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    return Rows(begin=begin, end=end, times=1, stride=rows.stride, ends=NULL)


cdef Moment moment(const Op *op, const Step *step, const Rows *rows, Py_ssize_t t) noexcept nogil:
    cdef Moment now
    now.rows = one_step(rows, rows.begin, rows_end(rows, t))
    now.row = t * step.rows
    now.before = now.row + step.rows if op.reverse else now.row - step.rows
    now.chunk = t * row_chunks(step.rows)
    now.done = False
    return now


cdef void copy_rows(const Op *op, Matrix to, Matrix source, const Rows *rows) noexcept nogil:
    op.leaf.gather(to, source, NULL, rows)


cdef inline bint drops(const Op *op, const Step *step) noexcept nogil:
    return op.rate > 0 and step.training


cdef Matrix hidden_seen(const Op *op, const Step *step) noexcept nogil:
    return op.buffer[op.buffers - 2].matrix if drops(op, step) else op.state[0].sequence


cdef void drop_hidden(const Op *op, const Step *step, Matrix m, const Rows *rows) noexcept nogil:
    if drops(op, step):
        op.leaf.dropout(m, m, op.rate, step.key, op.stream, 0, True, rows)


cdef void hide(const Op *op, const Step *step, Py_ssize_t row, const Rows *rows) noexcept nogil:
    """What the recurrent weights see of h in the timestep that begins at a row."""
    cdef Matrix seen
    if drops(op, step):
        seen = from_row(hidden_seen(op, step), row, op.leaf)
        copy_rows(op, seen, from_row(op.state[0].sequence, row, op.leaf), rows)
        drop_hidden(op, step, seen, rows)


cdef void bring_back(
    const Op *op, const Step *step, Matrix delta, const void *packed, bint add, const Rows *rows
) noexcept nogil:
    cdef Matrix carry = op.state[0].carry, brought
    if not drops(op, step):
        op.leaf.affine_packed(carry, delta, packed, NULL, add, rows)
        return
    brought = op.buffer[op.buffers - 1].matrix
    op.leaf.affine_packed(brought, delta, packed, NULL, False, rows)
    drop_hidden(op, step, brought, rows)
    if not add:
        carry.data = NULL
    op.leaf.add(op.state[0].carry, carry, brought, rows)


cdef void lay_initial(const Op *op, const State *state, const Step *step, const Rows *rows) noexcept nogil:
    """The initial state, before the first timestep of the walk and wherever a row is not alive."""
    cdef Py_ssize_t edge = rows.times * step.rows if op.reverse else -step.rows, t
    cdef Rows ended = one_step(rows, rows.begin, rows.end)
    copy_rows(op, from_row(state.sequence, edge, op.leaf), state.initial, &ended)
    hide(op, step, edge, &ended)
    if rows.ends == NULL:
        return
    for t in range(rows.times):
        ended.begin = rows.ends[t]
        copy_rows(op, from_row(state.sequence, t * step.rows, op.leaf), state.initial, &ended)
        hide(op, step, t * step.rows, &ended)


cdef void keep_final(
    const Op *op, Matrix final, Matrix sequence, const Rows *rows, const Moment *now, Py_ssize_t alive
) noexcept nogil:
    """Of the rows alive now, those from `alive` on are done."""
    cdef Rows leaving = one_step(rows, alive, now.rows.end)
    copy_rows(op, final, from_row(sequence, now.row, op.leaf), &leaving)


cdef Py_ssize_t times_in_cache(const Op *op, const Rows *rows) noexcept nogil:
    """For how many timesteps x and z stay in cache together."""
    cdef Py_ssize_t each = (op.x.cols + op.parameter[WEIGHT_IH].value.cols) * op.leaf.real_bytes
    return max(1, cached_bytes() // max(1, each * (rows.end - rows.begin)))


cdef inline Py_ssize_t time_of(const Rows *rows, Py_ssize_t k, bint backwards) noexcept nogil:
    """The k-th timestep of a walk."""
    return rows.times - 1 - k if backwards else k


cdef void some_times(
    const Op *op, const Step *step, const Rows *rows, Py_ssize_t begin, Py_ssize_t end, InputDuty duty
) noexcept nogil:
    """A duty, over the timesteps between two of a walk, both included."""
    cdef Rows some = rows[0]
    begin, end = min(begin, end), max(begin, end)
    some.times = end + 1 - begin
    if some.ends != NULL:
        some.ends += begin
    duty(op, step, begin * step.rows, &some)


cdef void walk_forward(
    const Op *op, const Step *step, const Rows *rows, InputDuty input, CellForward cell
) noexcept nogil:
    cdef Py_ssize_t k, t, alive, ready = 0, most = times_in_cache(op, rows)
    cdef Rows never
    cdef Moment now
    cdef int i
    for i in range(op.states):
        lay_initial(op, &op.state[i], step, rows)
        never = one_step(rows, rows_end(rows, 0), rows.end)
        copy_rows(op, op.state[i].final, op.state[i].initial, &never)
    for k in range(rows.times):
        t = time_of(rows, k, op.reverse)
        if k == ready:
            ready = min(k + most, rows.times)
            some_times(op, step, rows, t, time_of(rows, ready - 1, op.reverse), input)
        now = moment(op, step, rows, t)
        cell(op, step, &now)
        hide(op, step, now.row, &now.rows)
        alive = rows.begin
        if k + 1 < rows.times:
            alive = now.rows.end if op.reverse else rows_end(rows, t + 1)
        for i in range(op.states):
            keep_final(op, op.state[i].final, op.state[i].sequence, rows, &now, alive)
        if op.loss_reads_z and not gives_sequence(op):
            keep_final(op, op.logits, op.z, rows, &now, alive)


cdef void walk_backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows, CellBackward cell, InputDuty input
) noexcept nogil:
    cdef Py_ssize_t k, t, first = 0, most = times_in_cache(op, rows)
    cdef Matrix total, direct = Matrix(data=NULL, ld=0, cols=0)
    cdef OpTaps here
    cdef Moment now
    for k in range(rows.times):
        t = time_of(rows, k, not op.reverse)
        now = moment(op, step, rows, t)
        now.done = k + 1 == rows.times
        if gives_sequence(op):
            direct = from_row(op.dh, now.row, op.leaf)
        total = total_now(op, &now)
        op.leaf.add(total, direct, op.state[0].carry, &now.rows)
        keep_moment(op, op.total, total, &now)
        if taps != NULL:
            here = taps_at(op, taps, &now)
            op.leaf.row_norms(here.total, total, &now.rows)
            if gives_sequence(op):
                op.leaf.row_norms(here.direct, direct, &now.rows)
            else:
                tap_last(op, step, rows, &now, t, here.direct)
        cell(op, step, taps, &now)
        if now.done or k + 1 == first + most:
            some_times(op, step, rows, time_of(rows, first, not op.reverse), t, input)
            first = k + 1


cdef void tap_last(
    const Op *op, const Step *step, const Rows *rows, const Moment *now, Py_ssize_t t, double *direct
) noexcept nogil:
    """Norms of what the layer above gave the rows whose last timestep this is."""
    cdef Py_ssize_t joined = rows.begin, chunk
    cdef Rows some
    if rows.ends != NULL and not op.reverse:
        joined = rows.ends[t + 1]
    elif t > 0 if op.reverse else not (step.last and t + 1 == rows.times):
        joined = now.rows.end
    for chunk in range(rows.begin // ROW_CHUNK, row_chunks(now.rows.end)):
        some = one_step(
            rows, max(joined, chunk * ROW_CHUNK), min(now.rows.end, (chunk + 1) * ROW_CHUNK)
        )
        direct[chunk] = 0
        if some.begin < some.end:
            op.leaf.row_norms(direct, op.state[0].carry, &some)


cdef void keep_moment(const Op *op, Matrix kept, Matrix values, const Moment *now) noexcept nogil:
    if kept.data != NULL:
        copy_rows(op, from_row(kept, now.row, op.leaf), values, &now.rows)


cdef Matrix total_now(const Op *op, const Moment *now) noexcept nogil:
    if op.buffer[TOTAL].scope == PER_ROW:
        return op.buffer[TOTAL].matrix
    return from_row(op.buffer[TOTAL].matrix, now.row, op.leaf)


cdef void sum_biases(const Op *op, const Step *step) noexcept nogil:
    cdef Py_ssize_t n = op.parameter[BIAS_IH].rows
    cdef Rows one = Rows(begin=0, end=1, times=1, stride=1, ends=NULL)
    if op.bias:
        op.leaf.add(
            Matrix(data=of_thread(op, step, BIAS), ld=n, cols=n),
            Matrix(data=op.parameter[BIAS_IH].value.data, ld=n, cols=n),
            Matrix(data=op.parameter[BIAS_HH].value.data, ld=n, cols=n),
            &one,
        )


cdef const void *summed_bias(const Op *op, const Step *step) noexcept nogil:
    return of_thread(op, step, BIAS) if op.bias else NULL


cdef void joint_forward(
    const Op *op, const Step *step, const Rows *rows, InputDuty input, CellForward cell
) noexcept nogil:
    sum_biases(op, step)
    op.leaf.pack(of_thread(op, step, PACKED), op.parameter[WEIGHT_HH].value, op.h.cols, False)
    walk_forward(op, step, rows, input, cell)


cdef void joint_input(
    const Op *op, const Step *step, Matrix z, Py_ssize_t row, const Rows *some
) noexcept nogil:
    op.leaf.affine(
        from_row(z, row, op.leaf), from_row(op.x, row, op.leaf), op.parameter[WEIGHT_IH].value,
        summed_bias(op, step), False, some,
    )


cdef void joint_backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows, CellBackward cell, InputDuty input
) noexcept nogil:
    op.leaf.pack(of_thread(op, step, PACKED), op.parameter[WEIGHT_HH].value, op.h.cols, True)
    walk_backward(op, step, taps, rows, cell, input)


cdef void joint_input_backward(
    const Op *op, const Step *step, Matrix delta, Py_ssize_t row, const Rows *some
) noexcept nogil:
    delta = from_row(delta, row, op.leaf)
    op.leaf.clear_ended(delta, some)
    if op.dx.data != NULL:
        op.leaf.affine_input(
            from_row(op.dx, row, op.leaf), delta, op.parameter[WEIGHT_IH].value, op.adds_dx, some
        )


cdef bint joint_gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1, Matrix delta
) noexcept nogil:
    cdef Matrix into = op.parameter[parameter].gradient
    cdef Span span = span_of(op, step, op.x_places)
    if initial_gradient(op, step, parameter, row0, row1):
        return True
    delta = of_stretch(op, step, delta)
    if parameter == WEIGHT_IH:
        op.leaf.affine_weight(into, of_stretch(op, step, op.x), delta, &span, row0, row1)
    elif parameter == WEIGHT_HH:
        op.leaf.affine_weight(into, hidden_before(op, step), delta, &span, row0, row1)
    elif op.bias and parameter <= BIAS_HH:
        op.leaf.column_sums(into.data, delta, &span, row0, row1)
    else:
        return False
    return True


cdef Matrix of_stretch(const Op *op, const Step *step, Matrix m) noexcept nogil:
    return from_row(m, step.stretch_begin, op.leaf)


cdef Matrix hidden_before(const Op *op, const Step *step) noexcept nogil:
    return of_stretch(op, step, before(op, step, hidden_seen(op, step)))


cdef Matrix before(const Op *op, const Step *step, Matrix sequence) noexcept nogil:
    return from_row(sequence, step.rows if op.reverse else -step.rows, op.leaf)


cdef bint initial_gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    cdef bint now = step.first and step.stretch_begin == 0
    cdef Span span = Span(rows=step.rows if now else 0, before=0, behind=0, partial=0, add=False)
    cdef int i
    for i in range(op.states):
        if op.state[i].parameter == parameter:
            op.leaf.column_sums(
                op.parameter[parameter].gradient.data, op.state[i].carry, &span, row0, row1
            )
            return True
    return False


cdef OpTaps taps_at(const Op *op, const OpTaps *taps, const Moment *now) noexcept nogil:
    cdef OpTaps here = taps[0]
    cdef int gate
    here.layer = taps_from(&taps.layer, now.chunk)
    here.total += now.chunk
    here.direct += now.chunk
    here.cell += now.chunk
    for gate in range(op.gates):
        here.gate_norm[gate] += now.chunk
        here.gate_saturated[gate] += now.chunk
    return here


cdef Py_ssize_t stretch(Py_ssize_t seen, Py_ssize_t gates, Py_ssize_t real_bytes) noexcept:
    """How many rows stay in cache, what the gates see and dL/dz, while one gradient after the other is summed
    over them; all where the gradients would not stay there themselves."""
    cdef Py_ssize_t room = cached_bytes()
    if seen * gates * real_bytes > room:
        return 0
    return DEPTH_BLOCK * max(1, room // (DEPTH_BLOCK * (seen + gates) * real_bytes))


cdef Operation recurrent_operation(
    const Kind *kind, Py_ssize_t inputs, Py_ssize_t units, int blocks, dict options, Py_ssize_t real_bytes
):
    cdef Operation made = Operation()
    cdef int i
    set_up(made, kind, inputs, units, real_bytes)
    set_activation(made, options["activation"])
    cdef ActivationFunction gate_activation = options.get("gate_activation")
    if gate_activation is not None:
        set_gate_activation(made, gate_activation)
    made.op.gates = blocks
    made.op.reverse = options["reverse"]
    made.op.beside = options["beside"]
    made.op.variant = options.get("variant", False)
    made.op.rate = options["dropout"]
    made.op.bias = options["bias"]
    made.op.states = 1
    for i in range(2):
        made.op.state[i].parameter = -1
    made.op.stretch = stretch(inputs + units, blocks * units, real_bytes)
    add_parameter(made, inputs, blocks * units)
    add_parameter(made, units, blocks * units)
    if made.op.bias:
        add_parameter(made, blocks * units, 1)
        add_parameter(made, blocks * units, 1)
    return made


cdef void add_dropout_buffers(Operation made):
    if made.op.rate > 0:
        add_buffer(made, PER_STATE, made.op.h.cols)
        add_buffer(made, PER_ROW, made.op.h.cols)
