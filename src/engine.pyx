"""Runs a program: minibatches, windows of time, steps, threads, taps.

One step, run by every thread of the team on its own rows [row0, row1) of the batch:

    gather -> forward of each op -> loss
    for each op, last to first:
        backward (own rows)  |barrier|  gradient and update (own rows of each parameter)
    |barrier|

With `clip_norm` the updates wait for the norm of the whole gradient. Everything that is summed over rows
or elements is summed in fixed chunks, so a result is bitwise the same for any number of threads.

Sequences that are longer than the plan's window are run window by window. Forward, a window starts from the
states in which the one before it ended. Backward, either every window is a step of its own (truncated
BPTT), or the windows are run again, last to first, from the states that they started from, and their
gradients add up (checkpointing). Sums over time run from the last timestep to the first, so cutting
time into windows changes no bit either.
"""

from libc.math cimport INFINITY, NAN, hypot, pow, sqrt
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from .op cimport Op, OpTaps, Parameter, State, Step, from_row
from .simd cimport LossCall, Matrix, Norms, ROW_CHUNK, Rows


cdef extern from "team.h" nogil:
    ctypedef struct Barrier "vg_barrier":
        int threads
    ctypedef void (*Task "vg_task")(void *argument, int thread, Barrier *barrier) noexcept
    void team_run "vg_team_run"(int threads, Task task, void *argument)
    void barrier_wait "vg_barrier_wait"(Barrier *barrier)
    double seconds_now "vg_seconds"()

cdef inline Py_ssize_t cut(Py_ssize_t n, Py_ssize_t chunk, int part, int parts) noexcept nogil:
    """Where part `part` of n rows begins when whole chunks are dealt to `parts`."""
    return min(n, chunk * ((n + chunk - 1) // chunk * part // parts))


cdef double combined_norm(const double *norms, Py_ssize_t n) noexcept nogil:
    """The L2 norm of norms, which neither over- nor underflows."""
    cdef double top = 0, sum = 0
    cdef Py_ssize_t i
    if n == 1:
        return norms[0]
    for i in range(n):
        if not norms[i] <= top:
            top = norms[i]
    if not (0 < top < INFINITY):
        return top
    for i in range(n):
        sum += (norms[i] / top) * (norms[i] / top)
    return top * sqrt(sum)


cdef inline Py_ssize_t first_element(const Parameter *p, Py_ssize_t row) noexcept nogil:
    """Where row `row` of a parameter begins; behind the last row, the end of its padding."""
    return p.padded if row == p.rows else row * p.value.cols


cdef void update_rows(Plan *plan, Parameter *p, Py_ssize_t row0, Py_ssize_t row1, bint tapped) noexcept nogil:
    """The optimizer's step on rows [row0, row1) of one parameter."""
    cdef Py_ssize_t begin = first_element(p, row0), end = first_element(p, row1)
    cdef Py_ssize_t offset = begin * plan.leaf.real_bytes, chunk = row0 // p.chunk_rows
    cdef Norms norms = Norms(
        weight=p.norms.weight + chunk,
        gradient=p.norms.gradient + chunk,
        update=p.norms.update + chunk,
    )
    if row0 < row1:
        plan.leaf.update[<int>plan.rule](
            <char *>p.value.data + offset,
            <char *>p.state1 + offset if p.state1 != NULL else NULL,
            <char *>p.state2 + offset if p.state2 != NULL else NULL,
            <char *>p.gradient.data + offset,
            end - begin, p.chunk_rows * p.value.cols, &plan.update, &norms if tapped else NULL,
        )


cdef void norm_rows(
    Plan *plan, Parameter *p, double *norms, void *data, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    """Norms of the chunks in rows [row0, row1) of one parameter's value or gradient."""
    cdef Py_ssize_t begin = first_element(p, row0), end = first_element(p, row1)
    if row0 < row1:
        plan.leaf.chunk_norms(
            norms + row0 // p.chunk_rows, <char *>data + begin * plan.leaf.real_bytes,
            end - begin, p.chunk_rows * p.value.cols,
        )


# A step as one thread sees it: its rows, and the window of time it is at.
ctypedef struct Share:
    Step step
    Py_ssize_t first_sample
    Py_ssize_t time           # where the window begins
    Rows vectors
    Rows sequences


cdef inline Py_ssize_t sample_of(const Run *run, const Share *share, Py_ssize_t row) noexcept nogil:
    """The sample in row `row` of the minibatch."""
    cdef Py_ssize_t place = share.first_sample + row
    return run.order[place] if run.order != NULL else place


cdef inline Py_ssize_t living_steps(const Run *run, const Share *share, Py_ssize_t row) noexcept nogil:
    """Timesteps of a row that lie behind the window's beginning."""
    return run.lengths[sample_of(run, share, row)] - share.time


cdef Share share_of(
    const Run *run, Py_ssize_t first, int thread, const Barrier *barrier, bint training
) noexcept nogil:
    """This thread's share of the minibatch that starts at sample `first`."""
    cdef Share share
    cdef Py_ssize_t rows = min(run.batch, run.samples - first)
    cdef Py_ssize_t row0 = cut(rows, ROW_CHUNK, thread, barrier.threads)
    cdef Py_ssize_t row1 = cut(rows, ROW_CHUNK, thread + 1, barrier.threads)
    share.first_sample = first
    share.time = 0
    share.step = Step(
        rows=rows, times=1, thread=thread, training=training, first=True, last=True,
        accumulating=False, wants_initial=False,
    )
    share.vectors = Rows(begin=row0, end=row1, times=1, stride=rows, ends=NULL)
    share.sequences = share.vectors
    return share


cdef void enter_window(const Run *run, Share *share, Py_ssize_t window) noexcept nogil:
    """Turn to a window of time: its extent, and where this thread's rows end in each timestep."""
    cdef const Plan *plan = run.plan
    cdef int64_t *ends = plan.ends + share.step.thread * plan.times
    cdef Py_ssize_t end = share.vectors.end, t
    share.time = window * plan.times
    share.step.times = min(plan.times, run.times - share.time)
    share.step.first = share.time == 0
    share.step.last = share.time + share.step.times == run.times
    share.sequences.times = share.step.times
    if run.lengths == NULL:
        return
    for t in range(share.step.times):
        while end > share.vectors.begin and living_steps(run, share, end - 1) <= t:
            end -= 1
        ends[t] = end
    share.sequences.ends = ends


cdef void gather_integers(
    const Run *run, const Share *share, int64_t *to, const int64_t *source, const Rows *rows, bint time
) noexcept nogil:
    cdef Py_ssize_t r, t, place
    for r in range(rows.begin, rows.end):
        place = sample_of(run, share, r)
        if time:
            place = place * run.times + share.time
        for t in range(rows.times):
            to[t * rows.stride + r] = source[place + t]


cdef void gather_numbers(
    const Run *run, const Share *share, Matrix to, Matrix source, const Rows *rows, bint time
) noexcept nogil:
    cdef const int64_t *order = run.order + share.first_sample if run.order != NULL else NULL
    cdef Py_ssize_t length = run.times if time else 1
    if order == NULL:
        source = from_row(source, share.first_sample * length, run.plan.leaf)
    if time:
        run.plan.leaf.gather_sequences(to, source, order, share.time, run.times, rows)
    else:
        run.plan.leaf.gather(to, source, order, rows)


cdef void gather_inputs(const Run *run, const Share *share) noexcept nogil:
    """This thread's rows of the window's inputs, into the arena."""
    cdef const Plan *plan = run.plan
    cdef bint time = plan.op[0].takes_time
    cdef const Rows *rows = &share.sequences if time else &share.vectors
    if run.tokens != NULL:
        gather_integers(run, share, plan.tokens, run.tokens, rows, time)
    else:
        gather_numbers(run, share, plan.input, run.x, rows, time)


cdef void gather_targets(const Run *run, const Share *share) noexcept nogil:
    """This thread's rows of the window's targets, into the arena."""
    cdef const Plan *plan = run.plan
    cdef bint time = plan.op[plan.ops - 1].gives_time
    cdef const Rows *rows = &share.sequences if time else &share.vectors
    if run.labels != NULL:
        gather_integers(run, share, plan.labels, run.labels, rows, time)
    elif run.y.data != NULL:
        gather_numbers(run, share, plan.target, run.y, rows, time)


cdef inline void prefetch_rows(const Run *run, const Share *share) noexcept nogil:
    """This thread's rows of the next minibatch: an order is random access."""
    cdef Py_ssize_t first = share.first_sample + run.batch, r
    if run.order != NULL and run.tokens == NULL and not run.plan.op[0].takes_time:
        for r in range(first + share.vectors.begin, min(first + share.vectors.end, run.samples)):
            run.plan.leaf.prefetch(run.x, run.order[r])


cdef void begin_states(const Run *run, const Share *share) noexcept nogil:
    """The states before the first timestep: given, learned or 0."""
    cdef const Plan *plan = run.plan
    cdef StateArrays *arrays
    cdef Matrix initial, given
    cdef Op *op
    cdef int index, i
    for index in range(plan.ops):
        op = &plan.op[index]
        for i in range(op.states):
            arrays = run.state + index * MAX_STATES + i
            initial = op.state[i].initial
            if arrays.initial != NULL:
                given = Matrix(data=<void *>arrays.initial, ld=initial.cols, cols=initial.cols)
                if arrays.by_row:
                    plan.leaf.gather(initial, given, NULL, &share.vectors)
                else:
                    gather_numbers(run, share, initial, given, &share.vectors, False)
            elif op.state[i].parameter >= 0:
                plan.leaf.broadcast(
                    initial, op.parameter[op.state[i].parameter].value.data, &share.vectors
                )
            else:
                clear_rows(plan, initial, &share.vectors)


cdef void clear_rows(const Plan *plan, Matrix m, const Rows *rows) noexcept nogil:
    cdef int64_t none = rows.begin
    cdef Rows ended = Rows(begin=rows.begin, end=rows.end, times=1, stride=rows.stride, ends=&none)
    plan.leaf.clear_ended(m, &ended)


# Where the initial states of a window come from, or go to.
cdef enum Exchange:
    CONTINUE   # from the final states of the window before
    SAVE
    RESTORE


cdef void exchange_states(
    const Plan *plan, const Share *share, Exchange exchange, Py_ssize_t window
) noexcept nogil:
    cdef Matrix initial, saved
    cdef int index, i
    for index in range(plan.ops):
        for i in range(plan.op[index].states):
            initial = plan.op[index].state[i].initial
            saved = from_row(plan.book[index].saved[i], window * plan.batch, plan.leaf)
            if exchange == CONTINUE:
                plan.leaf.gather(initial, plan.op[index].state[i].final, NULL, &share.vectors)
            elif exchange == SAVE:
                plan.leaf.gather(saved, initial, NULL, &share.vectors)
            else:
                plan.leaf.gather(initial, saved, NULL, &share.vectors)


cdef void write_rows(
    const Run *run, const Share *share, char *to, Matrix source, const Rows *rows, Py_ssize_t length,
    bint by_row,
) noexcept nogil:
    """Rows to an array (samples, length, cols) outside."""
    cdef Py_ssize_t t, r, end, place, row_bytes = source.cols * <Py_ssize_t>run.plan.leaf.real_bytes
    for t in range(rows.times):
        end = rows.ends[t] if rows.ends != NULL else rows.end
        for r in range(rows.begin, end):
            place = r if by_row else sample_of(run, share, r)
            if length > 1:
                place = place * length + share.time + t
            memcpy(
                to + place * row_bytes,
                from_row(source, t * rows.stride + r, run.plan.leaf).data, row_bytes,
            )


cdef void write_states(const Run *run, const Share *share, bint gradients) noexcept nogil:
    """Final states, or the gradients of the initial ones, to the arrays outside."""
    cdef StateArrays *arrays
    cdef const State *state
    cdef int index, i
    for index in range(run.plan.ops):
        for i in range(run.plan.op[index].states):
            arrays = run.state + index * MAX_STATES + i
            state = &run.plan.op[index].state[i]
            if gradients and arrays.gradient != NULL:
                write_rows(run, share, arrays.gradient, state.carry, &share.vectors, 1, arrays.by_row)
            if not gradients and arrays.final != NULL:
                write_rows(run, share, arrays.final, state.final, &share.vectors, 1, arrays.by_row)


cdef void forward_window(const Run *run, Share *share) noexcept nogil:
    """Forward of every op; of those behind time, only where the sequences end."""
    cdef const Plan *plan = run.plan
    cdef Op *op
    cdef int index
    gather_inputs(run, share)
    for index in range(plan.ops):
        op = &plan.op[index]
        if op.takes_time:
            op.kind.forward(op, &share.step, &share.sequences)
        elif share.step.last:
            op.kind.forward(op, &share.step, &share.vectors)


cdef void next_window(const Run *run, Share *share, Py_ssize_t window, bint saving) noexcept nogil:
    """Forward through a window, from the states where the one before it ended; `saving`: it will be run
    again."""
    enter_window(run, share, window)
    if run.plan.times >= run.times:
        begin_states(run, share)
    else:
        if window == 0:
            begin_states(run, share)
        else:
            exchange_states(run.plan, share, CONTINUE, window)
        if saving:
            exchange_states(run.plan, share, SAVE, window)
    forward_window(run, share)
    if share.step.last:
        write_states(run, share, False)


cdef void clear_carry(const Plan *plan, const Share *share) noexcept nogil:
    """No gradient comes from behind the last timestep, but what the op above gives to the last output."""
    cdef int index, i
    for index in range(plan.ops):
        for i in range(plan.op[index].states):
            if i > 0 or plan.op[index].gives_time or not share.step.last:
                clear_rows(plan, plan.op[index].state[i].carry, &share.vectors)


cdef double loss_scale(const Run *run, const Share *share, Py_ssize_t time0, Py_ssize_t time1) noexcept nogil:
    """What a row's loss is multiplied by, in a step over timesteps [time0, time1)."""
    cdef const Plan *plan = run.plan
    cdef double count = 0
    cdef Py_ssize_t r
    if not (plan.op[plan.ops - 1].gives_time and plan.mean_over_time):
        count = share.step.rows
    elif run.lengths == NULL:
        count = share.step.rows * (time1 - time0)
    else:
        for r in range(share.step.rows):
            count += max(0, min(run.lengths[sample_of(run, share, r)], time1) - time0)
    return plan.loss_rows_scale / count if count > 0 else 0


cdef Py_ssize_t living_rows(const Run *run, const Share *share, Py_ssize_t t) noexcept nogil:
    """Rows of the minibatch that are alive at timestep t of the window."""
    cdef Py_ssize_t n = share.step.rows
    if run.lengths != NULL:
        while n > 0 and living_steps(run, share, n - 1) <= t:
            n -= 1
    return n


cdef double window_loss(const Run *run, const Share *share) noexcept nogil:
    """The rows' losses, summed from the last timestep to the first."""
    cdef const Plan *plan = run.plan
    cdef Py_ssize_t times = share.step.times if plan.op[plan.ops - 1].gives_time else 1, t, r, alive
    cdef double total = 0
    for t in range(times - 1, -1, -1):
        alive = living_rows(run, share, t) if plan.op[plan.ops - 1].gives_time else share.step.rows
        for r in range(alive):
            total += plan.row_loss[t * share.step.rows + r]
    return total


cdef void backward_op(
    Plan *plan, Run *run, int index, Share *share, bint tapped, bint complete, Barrier *barrier
) noexcept nogil:
    """Backward and gradient of one op; its update too, if the gradient is complete and clip_norm waits for
    nothing."""
    cdef Op *op = &plan.op[index]
    cdef OpTaps taps = plan.book[index].taps
    cdef Py_ssize_t i0, i1, end, slope_bytes = plan.book[index].slope_stride
    cdef Parameter *p
    cdef int i, thread = share.step.thread
    if tapped:
        taps.layer.slopes = <char *>taps.layer.slopes + thread * slope_bytes
        if not share.step.accumulating:
            memset(taps.layer.slopes, 0, slope_bytes)
    op.kind.backward(
        op, &share.step, &taps if tapped else NULL,
        &share.sequences if op.takes_time else &share.vectors,
    )
    barrier_wait(barrier)
    for i in range(op.parameters):
        p = &op.parameter[i]
        i1 = cut(p.rows, p.chunk_rows, thread, barrier.threads)
        end = cut(p.rows, p.chunk_rows, thread + 1, barrier.threads)
        while i1 < end:
            i0, i1 = i1, min(i1 + p.block_rows, end)
            op.kind.gradient(op, &share.step, i, i0, i1)
            if not complete:
                continue
            if not run.updating:
                if tapped:
                    norm_rows(plan, p, p.norms.weight, p.value.data, i0, i1)
                    norm_rows(plan, p, p.norms.gradient, p.gradient.data, i0, i1)
            elif plan.clip_norm < INFINITY:
                norm_rows(plan, p, p.norms.gradient, p.gradient.data, i0, i1)
            else:
                update_rows(plan, p, i0, i1, tapped)


cdef void update_clipped(Plan *plan, bint tapped, int thread, Barrier *barrier) noexcept nogil:
    """All updates, with the gradient scaled to clip_norm as torch.nn.utils.clip_grad_norm_ does."""
    cdef double norm
    cdef Op *op
    cdef Parameter *p
    cdef int index, i
    barrier_wait(barrier)
    norm = combined_norm(plan.gradient_norms, plan.gradient_chunks)
    if thread == 0:
        plan.update.gradient_scale = min(1.0, plan.clip_norm / (norm + 1e-6))
    barrier_wait(barrier)
    for index in range(plan.ops):
        op = &plan.op[index]
        for i in range(op.parameters):
            p = &op.parameter[i]
            update_rows(
                plan, p, cut(p.rows, p.chunk_rows, thread, barrier.threads),
                cut(p.rows, p.chunk_rows, thread + 1, barrier.threads), tapped,
            )


cdef void see_chunks(
    Seen *seen, const OpTaps *taps, Py_ssize_t first, Py_ssize_t rows, Py_ssize_t cols
) noexcept nogil:
    """Means and deviations of the chunks of one timestep, merged pairwise (Chan et al. 1979, eq. 2.1)."""
    cdef Py_ssize_t chunks = (rows + ROW_CHUNK - 1) // ROW_CHUNK, c
    cdef double new, apart
    for c in range(chunks):
        new = min(<double>ROW_CHUNK, <double>(rows - c * ROW_CHUNK)) * cols
        apart = taps.layer.mean[first + c] - seen.mean
        seen.deviation = hypot(
            hypot(seen.deviation, taps.layer.deviation[first + c]),
            apart * sqrt(seen.count * new / (seen.count + new)),
        )
        seen.mean += apart * new / (seen.count + new)
        seen.count += new


cdef void see_timestep(
    const Op *op, OpBook *book, Py_ssize_t first, Py_ssize_t rows, double *out
) noexcept nogil:
    """The taps of one timestep, whose chunks begin at `first`; with `out`, its row of the time record."""
    cdef Py_ssize_t chunks = (rows + ROW_CHUNK - 1) // ROW_CHUNK, c
    cdef const OpTaps *taps = &book.taps
    cdef double norm, saturated
    cdef int gate
    for gate in range(op.gates):
        norm = combined_norm(taps.gate_norm[gate] + first, chunks)
        saturated = 0
        for c in range(chunks):
            saturated += taps.gate_saturated[gate][first + c]
        book.seen.delta = hypot(book.seen.delta, norm)
        book.seen.saturated += saturated / op.gates
        if out != NULL:
            out[3 + gate] = norm
            out[3 + MAX_GATES + gate] = saturated / (rows * op.h.cols) if rows > 0 else 0
    see_chunks(&book.seen, taps, first, rows, op.h.cols)
    if out != NULL:
        out[0] = combined_norm(taps.total + first, chunks)
        out[1] = combined_norm(taps.direct + first, chunks)
        if op.states > 1:
            out[2] = combined_norm(taps.cell + first, chunks)


cdef void record_window(
    Run *run, Share *share, Py_ssize_t row, Py_ssize_t time0, bint complete, Barrier *barrier
) noexcept nogil:
    """What the taps saw in a window, this thread's share of the ops; into row `row` of the records, at once
    where it is of a timestep, and else when the step is complete."""
    cdef Plan *plan = run.plan
    cdef OpBook *book
    cdef Op *op
    cdef double *out
    cdef double *time_out
    cdef Py_ssize_t per_step = (share.step.rows + ROW_CHUNK - 1) // ROW_CHUNK, t
    cdef int index, thread = share.step.thread
    for index in range(cut(plan.ops, 1, thread, barrier.threads), cut(plan.ops, 1, thread + 1, barrier.threads)):
        op = &plan.op[index]
        book = &plan.book[index]
        if not share.step.accumulating:
            memset(&book.seen, 0, sizeof(Seen))
        if not op.takes_time:
            if share.step.last:
                see_timestep(op, book, 0, share.step.rows, NULL)
        else:
            for t in range(share.step.times - 1, -1, -1):
                time_out = NULL
                if book.time_index >= 0:
                    time_out = run.time_record + (
                        (row * run.time_ops + book.time_index) * run.record_times + share.time - time0 + t
                    ) * TIME_FIELDS
                see_timestep(op, book, t * per_step, living_rows(run, share, t), time_out)
        if complete:
            out = run.op_record + (row * plan.ops + index) * OP_FIELDS
            out[0] = book.seen.delta
            out[1] = book.seen.mean
            out[2] = book.seen.deviation / sqrt(book.seen.count)
            out[3] = book.seen.saturated / book.seen.count
            out[4] = <double>plan.leaf.dead_units(
                book.taps.layer.slopes, book.slope_stride, barrier.threads, op.h.cols
            ) / op.h.cols
            record_parameters(run, index, row)


cdef void record_parameters(Run *run, int index, Py_ssize_t row) noexcept nogil:
    """Norms of the parameters of one op, into row `row` of the record."""
    cdef Plan *plan = run.plan
    cdef Parameter *p
    cdef Py_ssize_t chunks
    cdef int i
    cdef double *out = run.parameter_record + (
        row * run.parameters + plan.book[index].first_parameter
    ) * PARAMETER_FIELDS
    for i in range(plan.op[index].parameters):
        p = &plan.op[index].parameter[i]
        chunks = (p.rows + p.chunk_rows - 1) // p.chunk_rows
        out[0] = combined_norm(p.norms.weight, chunks)
        out[1] = combined_norm(p.norms.gradient, chunks)
        out[2] = combined_norm(p.norms.update, chunks) if run.updating else NAN
        out += PARAMETER_FIELDS


cdef void train_steps(void *argument, int thread, Barrier *barrier) noexcept nogil:
    """`run.steps` steps, or as many as end before the deadline: the task of every thread of the team."""
    cdef Run *run = <Run *>argument
    cdef Plan *plan = run.plan
    cdef Py_ssize_t windows = (run.times + plan.times - 1) // plan.times, steps_per_batch = 1
    cdef Py_ssize_t s, first_window, last_window, deepest
    cdef Share share
    cdef bint tapped
    if plan.truncated and run.updating and plan.op[plan.ops - 1].gives_time:
        steps_per_batch = windows
    for s in range(run.steps):
        share = share_of(run, run.begin + s // steps_per_batch * run.batch, thread, barrier, True)
        first_window = s % steps_per_batch
        last_window = first_window if steps_per_batch > 1 else windows - 1
        deepest = last_window if plan.truncated and run.updating else 0
        tapped = run.record != NULL and run.record[s] >= 0
        if thread == 0:
            run.losses[s] = 0
            if run.updating:
                plan.time += 1
                plan.update.correction1 = 1 - pow(plan.update.momentum, <double>plan.time)
                plan.update.correction2 = 1 - pow(plan.update.beta2, <double>plan.time)
        train_windows(run, &share, s, first_window, last_window, deepest, tapped, barrier)
        if thread == 0:
            run.done = s + 1
            run.stop = (
                run.deadline < INFINITY and (s + 1) % steps_per_batch == 0 and seconds_now() > run.deadline
            )
        barrier_wait(barrier)
        if run.stop:
            return


cdef void train_windows(
    Run *run, Share *share, Py_ssize_t s, Py_ssize_t first_window, Py_ssize_t last_window,
    Py_ssize_t deepest, bint tapped, Barrier *barrier,
) noexcept nogil:
    """One step: forward through the windows, backward from the last of them to the deepest."""
    cdef Plan *plan = run.plan
    cdef Op *last = &plan.op[plan.ops - 1]
    cdef LossCall loss = plan.loss
    cdef Py_ssize_t window, time0 = first_window * plan.times
    cdef bint complete
    cdef int index
    loss.scale = loss_scale(run, share, time0, min((last_window + 1) * plan.times, run.times))
    for window in range(first_window, last_window + 1):
        next_window(run, share, window, deepest < last_window)
    prefetch_rows(run, share)
    clear_carry(plan, share)
    for window in range(last_window, deepest - 1, -1):
        complete = window == deepest
        share.step.accumulating = window < last_window
        share.step.wants_initial = not complete or plan.wants_initial
        if share.step.accumulating:
            enter_window(run, share, window)
            exchange_states(plan, share, RESTORE, window)
            forward_window(run, share)
            if plan.truncated:
                clear_carry(plan, share)
        if last.gives_time or share.step.last:
            gather_targets(run, share)
            plan.leaf.loss(
                plan.row_loss, plan.output_gradient, plan.output, plan.target, &loss,
                &share.sequences if last.gives_time else &share.vectors,
            )
        for index in range(plan.ops - 1, -1, -1):
            if plan.op[index].takes_time:
                backward_op(plan, run, index, share, tapped, complete, barrier)
            elif share.step.last:
                backward_op(plan, run, index, share, tapped, True, barrier)
        if run.input_gradient != NULL:
            plan.leaf.clear_ended(plan.input_gradient, &share.sequences)
            write_rows(
                run, share, run.input_gradient, plan.input_gradient,
                &share.sequences if plan.op[0].takes_time else &share.vectors, run.times, False,
            )
        if complete:
            write_states(run, share, True)
            if run.updating and plan.clip_norm < INFINITY:
                update_clipped(plan, tapped, share.step.thread, barrier)
        if share.step.thread == 0 and (last.gives_time or share.step.last):
            run.losses[s] += window_loss(run, share)
        barrier_wait(barrier)
        if tapped:
            record_window(run, share, run.record[s], time0, complete, barrier)
            barrier_wait(barrier)


cdef void forward_batches(void *argument, int thread, Barrier *barrier) noexcept nogil:
    """Outputs of all samples and, given targets, each sample's loss: the task of every thread."""
    cdef Run *run = <Run *>argument
    cdef Plan *plan = run.plan
    cdef Op *last = &plan.op[plan.ops - 1]
    cdef LossCall loss = plan.loss
    cdef Py_ssize_t first = 0, window, windows = (run.times + plan.times - 1) // plan.times, r, t, sample
    cdef Share share
    cdef const Rows *rows
    loss.scale = plan.loss_rows_scale
    while first < run.samples:
        share = share_of(run, first, thread, barrier, run.losses != NULL)
        for window in range(windows):
            next_window(run, &share, window, False)
            if not (last.gives_time or share.step.last):
                continue
            rows = &share.sequences if last.gives_time else &share.vectors
            if run.losses != NULL:
                gather_targets(run, &share)
                plan.leaf.loss(plan.row_loss, plan.output_gradient, plan.output, plan.target, &loss, rows)
                for t in range(rows.times):
                    for r in range(rows.begin, rows.ends[t] if rows.ends != NULL else rows.end):
                        sample = sample_of(run, &share, r)
                        run.losses[sample] += plan.row_loss[t * rows.stride + r]
            write_rows(
                run, &share, run.outputs, plan.output, rows, run.times if last.gives_time else 1, False
            )
        first += run.batch


cdef void train(Run *run, int threads) noexcept nogil:
    run.deadline = seconds_now() + run.seconds if run.seconds < INFINITY else INFINITY
    team_run(threads, train_steps, run)


cdef void forward(Run *run, int threads) noexcept nogil:
    team_run(threads, forward_batches, run)
