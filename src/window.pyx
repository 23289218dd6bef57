"""A thread's share of a minibatch and of a window of time, and what goes in and out of it.

Inputs and targets are gathered into the arena, states come from outside, from the window before or from
where they were saved, and outputs and final states are written out; all for this thread's rows alone.
"""

from libc.stdint cimport int64_t
from libc.string cimport memcpy

from .op cimport MAX_STATES, Op, State, Step, TIMESTEPS, from_row, rows_end
from .plan cimport Plan, Run, StateArrays
from .simd cimport Matrix, ROW_CHUNK, Rows


cdef inline Py_ssize_t living_steps(const Run *run, const Share *share, Py_ssize_t row) noexcept nogil:
    """Timesteps of a row that lie behind the window's beginning."""
    return run.lengths[sample_of(run, share, row)] - share.time


cdef Share share_of(
    const Run *run, Py_ssize_t first, int thread, int threads
) noexcept nogil:
    cdef Share share
    cdef Py_ssize_t rows = min(run.batch, run.samples - first)
    cdef Py_ssize_t row0 = cut(rows, ROW_CHUNK, thread, threads)
    cdef Py_ssize_t row1 = cut(rows, ROW_CHUNK, thread + 1, threads)
    share.first_sample = first
    share.time = 0
    share.step = Step(
        rows=rows, times=1, time=0, thread=thread, key=0, training=False, updating=False, loss_follows=False,
        first=True, last=True, accumulating=False, counting=False,
        by_unit=False, begin=0, end=1, partial=run.plan.partial,
        stretch_begin=0, stretch_end=rows, wants_initial=False,
    )
    share.vectors = Rows(begin=row0, end=row1, times=1, stride=rows, ends=NULL)
    share.sequences = share.vectors
    return share


cdef void enter_window(const Run *run, Share *share, Py_ssize_t window) noexcept nogil:
    """Turn to a window of time: its extent, and where this thread's rows end in each timestep."""
    cdef const Plan *plan = run.plan
    cdef int64_t *ends = plan.ends + share.step.thread * (plan.times + 1)
    cdef Py_ssize_t end = share.vectors.end, t
    share.time = window * plan.times
    share.step.times = min(plan.times, run.times - share.time)
    share.step.time = share.time
    share.step.first = share.time == 0
    share.step.last = share.time + share.step.times == run.times
    share.sequences.times = share.step.times
    if run.lengths == NULL:
        return
    for t in range(share.step.times + 1):
        while end > share.vectors.begin and living_steps(run, share, end - 1) <= t:
            end -= 1
        ends[t] = end
    share.sequences.ends = ends


cdef void gather_integers(
    const Run *run, const Share *share, int64_t *to, const int64_t *source, Py_ssize_t places
) noexcept nogil:
    cdef Rows rows = rows_at(share, places)
    cdef Py_ssize_t length = sample_length(run, places), skipped, r, t
    skipped = share.time if places == TIMESTEPS else 0
    for r in range(rows.begin, rows.end):
        for t in range(rows.times):
            to[t * rows.stride + r] = source[sample_of(run, share, r) * length + skipped + t]


cdef inline Py_ssize_t place_of(
    const Run *run, const Share *share, Py_ssize_t row, bint by_row
) noexcept nogil:
    """Where a row lies in an array of all samples or, `by_row`, of the minibatch."""
    return row if by_row else sample_of(run, share, row)


cdef void gather_doubles(
    const Run *run, const Share *share, double *to, const double *source, Py_ssize_t places, bint by_place,
    bint by_row,
) noexcept nogil:
    cdef Rows rows = rows_at(share, places)
    cdef Py_ssize_t length = sample_length(run, places), skipped, sample, r, t
    skipped = share.time if places == TIMESTEPS else 0
    for r in range(rows.begin, rows.end):
        sample = place_of(run, share, r, by_row)
        for t in range(rows.times):
            to[t * rows.stride + r] = source[sample * length + skipped + t if by_place else sample]


cdef void gather_numbers(
    const Run *run, const Share *share, Matrix to, Matrix source, Py_ssize_t places, bint image,
    bint by_row,
) noexcept nogil:
    cdef const int64_t *order = NULL
    cdef Py_ssize_t length = sample_length(run, places)
    cdef Rows rows = rows_at(share, places)
    if run.order != NULL and not by_row:
        order = run.order + share.first_sample
    elif not by_row:
        source = from_row(source, share.first_sample * (1 if image else length), run.plan.leaf)
    if image:
        run.plan.leaf.gather_images(to, source, order, &rows)
    elif places == 1:
        run.plan.leaf.gather(to, source, order, &rows)
    else:
        run.plan.leaf.gather_sequences(
            to, source, order, share.time if places == TIMESTEPS else 0, length, &rows
        )


cdef void gather_inputs(const Run *run, const Share *share) noexcept nogil:
    """This thread's rows of the window's inputs, into the arena."""
    cdef const Plan *plan = run.plan
    if run.tokens != NULL:
        gather_integers(run, share, plan.tokens, run.tokens, plan.op[0].x_places)
    else:
        gather_numbers(run, share, plan.input, run.x, plan.op[0].x_places, plan.image_input, False)


cdef void gather_targets(const Run *run, const Share *share) noexcept nogil:
    """This thread's rows of the window's targets and their weights, into the arena."""
    cdef const Plan *plan = run.plan
    cdef Py_ssize_t places = plan.op[plan.ops - 1].h_places
    if run.labels != NULL:
        gather_integers(run, share, plan.labels, run.labels, places)
    elif run.y.data != NULL:
        gather_numbers(run, share, plan.target, run.y, places, plan.image_output, False)
    if run.weights != NULL:
        gather_doubles(
            run, share, plan.row_weight, run.weights, places, run.weights_by_place, False
        )


cdef void prefetch_rows(const Run *run, const Share *share) noexcept nogil:
    cdef Py_ssize_t first = share.first_sample + run.batch, r
    if run.order != NULL and run.tokens == NULL and run.plan.op[0].x_places == 1:
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
                    if plan.keeps:
                        plan.leaf.gather(plan.book[index].kept[i], given, NULL, &share.vectors)
                else:
                    gather_numbers(run, share, initial, given, 1, False, False)
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


# Where the states of a window come from, or go to.
cdef enum Exchange:
    CONTINUE   # the initial ones are the final ones of the window before
    SAVE       # the initial ones, for the window to be run again
    RESTORE
    KEEP       # the final ones, for the next step to go on from


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
            elif exchange == KEEP:
                plan.leaf.gather(saved, plan.op[index].state[i].final, NULL, &share.vectors)
            else:
                plan.leaf.gather(initial, saved, NULL, &share.vectors)


cdef void write_rows(
    const Run *run, const Share *share, char *to, Matrix source, const Rows *rows, Py_ssize_t length,
    bint by_row,
) noexcept nogil:
    cdef Py_ssize_t t, r, end, place, row_bytes = source.cols * <Py_ssize_t>run.plan.leaf.real_bytes
    for t in range(rows.times):
        end = rows_end(rows, t)
        for r in range(rows.begin, end):
            place = place_of(run, share, r, by_row)
            if length > 1:
                place = place * length + share.time + t
            memcpy(
                to + place * row_bytes,
                from_row(source, t * rows.stride + r, run.plan.leaf).data, row_bytes,
            )


cdef void write_states(const Run *run, const Share *share, bint gradients) noexcept nogil:
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


cdef void write_kept_states(const Run *run, const Share *share) noexcept nogil:
    cdef StateArrays *arrays
    cdef int index, i
    for index in range(run.plan.ops):
        for i in range(run.plan.op[index].states):
            arrays = run.state + index * MAX_STATES + i
            if arrays.by_row and arrays.final != NULL:
                write_rows(
                    run, share, arrays.final, run.plan.book[index].kept[i], &share.vectors, 1, True
                )


cdef void write_places(
    const Run *run, const Share *share, char *to, Matrix source, Py_ssize_t places, bint image,
    bint by_row,
) noexcept nogil:
    cdef Rows rows = rows_at(share, places)
    cdef Py_ssize_t sample_bytes, r
    if not image:
        write_rows(run, share, to, source, &rows, sample_length(run, places), by_row)
        return
    sample_bytes = places * source.cols * <Py_ssize_t>run.plan.leaf.real_bytes
    for r in range(rows.begin, rows.end):
        run.plan.leaf.write_image(
            to + place_of(run, share, r, by_row) * sample_bytes, from_row(source, r, run.plan.leaf),
            places, rows.stride,
        )


cdef void next_window(const Run *run, Share *share, Py_ssize_t window, bint saving) noexcept nogil:
    enter_window(run, share, window)
    if window == 0:
        begin_states(run, share)
    elif run.stepping:
        exchange_states(run.plan, share, RESTORE, 0)
    else:
        exchange_states(run.plan, share, CONTINUE, window)
    if saving:
        exchange_states(run.plan, share, SAVE, window)


cdef void leave_window(const Run *run, const Share *share) noexcept nogil:
    if share.step.last:
        write_states(run, share, False)
    elif run.stepping:
        exchange_states(run.plan, share, KEEP, 0)


cdef Py_ssize_t living_rows(const Run *run, const Share *share, Py_ssize_t t) noexcept nogil:
    cdef Py_ssize_t n = share.step.rows
    if run.lengths != NULL:
        while n > 0 and living_steps(run, share, n - 1) <= t:
            n -= 1
    return n


cdef void saved_window(const Run *run, Share *share, Py_ssize_t window) noexcept nogil:
    enter_window(run, share, window)
    exchange_states(run.plan, share, RESTORE, window)
