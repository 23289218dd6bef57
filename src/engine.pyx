"""Runs a program: minibatches, steps, threads, taps.

One step, run by every thread of the team on its own rows [row0, row1) of the batch:

    gather -> forward of each op -> loss
    for each op, last to first:
        backward (own rows)  |barrier|  gradient and update (own rows of each parameter)
    |barrier|

With `clip_norm` the updates wait for the norm of the whole gradient. Everything that is summed over rows
or elements is summed in fixed chunks, so a result is bitwise the same for any number of threads.
"""

from libc.math cimport INFINITY, NAN, hypot, pow, sqrt
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from .op cimport Op, Parameter, Step
from .simd cimport LossCall, Matrix, Norms, ROW_CHUNK, Taps, leaf_table


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
    """The L2 norm of norms, padded with zeros to a cache line."""
    cdef double norm
    cdef Py_ssize_t padded = (n + 7) & ~7
    leaf_table(8).chunk_norms(&norm, norms, padded, padded)
    return norm


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


cdef void backward_op(
    Plan *plan, Run *run, int index, Step *step, bint tapped, int thread, Barrier *barrier,
    Py_ssize_t row0, Py_ssize_t row1,
) noexcept nogil:
    """Backward, gradient and (unless it waits for clip_norm) update of one op."""
    cdef Op *op = &plan.op[index]
    cdef Taps taps = plan.op_taps[index].taps
    cdef Py_ssize_t i0, i1, end, slope_bytes = plan.op_taps[index].slope_stride
    cdef Parameter *p
    cdef int i
    if tapped:
        taps.slopes = <char *>taps.slopes + thread * slope_bytes
        memset(taps.slopes, 0, slope_bytes)
    op.kind.backward(op, step, &taps if tapped else NULL, row0, row1)
    barrier_wait(barrier)
    for i in range(op.parameters):
        p = &op.parameter[i]
        i1 = cut(p.rows, p.chunk_rows, thread, barrier.threads)
        end = cut(p.rows, p.chunk_rows, thread + 1, barrier.threads)
        while i1 < end:
            i0, i1 = i1, min(i1 + p.block_rows, end)
            op.kind.gradient(op, step, i, i0, i1)
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


cdef void record_op(
    const Op *op, const OpTaps *op_taps, Py_ssize_t rows, int threads, double *out
) noexcept nogil:
    """The tapped fields of one op; means and deviations are merged pairwise (Chan et al. 1979, eq. 2.1)."""
    cdef const Taps *taps = &op_taps.taps
    cdef Py_ssize_t chunks = (rows + ROW_CHUNK - 1) // ROW_CHUNK, c
    cdef double *between = op_taps.between
    cdef double count = 0, mean = 0, saturated = 0, new, apart
    for c in range(chunks):
        new = min(<double>ROW_CHUNK, <double>(rows - c * ROW_CHUNK)) * op.h.cols
        apart = taps.mean[c] - mean
        between[c] = apart * sqrt(count * new / (count + new))
        mean += apart * new / (count + new)
        count += new
        saturated += taps.saturated[c]
    for c in range(chunks, (chunks + 7) & ~7):
        taps.delta_norm[c] = taps.deviation[c] = between[c] = 0
    out[0] = combined_norm(taps.delta_norm, chunks)
    out[1] = mean
    out[2] = hypot(combined_norm(taps.deviation, chunks), combined_norm(between, chunks)) / sqrt(count)
    out[3] = saturated / count
    out[4] = <double>op.leaf.dead_units(
        taps.slopes, op_taps.slope_stride, threads, op.h.cols
    ) / op.h.cols


cdef void record_step(
    Run *run, Py_ssize_t row, Py_ssize_t rows, int thread, int threads
) noexcept nogil:
    """Writes what the taps of one step saw into row `row` of the records: this thread's share of the ops."""
    cdef Plan *plan = run.plan
    cdef OpTaps *op_taps
    cdef Parameter *p
    cdef double *out
    cdef Py_ssize_t chunks
    cdef int index, i
    for index in range(cut(plan.ops, 1, thread, threads), cut(plan.ops, 1, thread + 1, threads)):
        op_taps = &plan.op_taps[index]
        out = run.op_record + (row * plan.ops + index) * OP_FIELDS
        record_op(&plan.op[index], op_taps, rows, threads, out)
        out = run.parameter_record + (row * run.parameters + op_taps.first_parameter) * PARAMETER_FIELDS
        for i in range(plan.op[index].parameters):
            p = &plan.op[index].parameter[i]
            chunks = (p.rows + p.chunk_rows - 1) // p.chunk_rows
            out[0] = combined_norm(p.norms.weight, chunks)
            out[1] = combined_norm(p.norms.gradient, chunks)
            out[2] = combined_norm(p.norms.update, chunks) if run.updating else NAN
            out += PARAMETER_FIELDS


cdef inline void gather_rows(
    Run *run, Py_ssize_t first, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    """Rows [row0, row1) of the minibatch that starts at sample `first`, into the arena."""
    cdef Plan *plan = run.plan
    cdef const int64_t *order = run.order + first if run.order != NULL else NULL
    cdef Matrix x = run.x, y = run.y
    cdef Py_ssize_t r
    if order == NULL:
        x.data = <char *>x.data + first * x.ld * plan.leaf.real_bytes
        if y.data != NULL:
            y.data = <char *>y.data + first * y.ld * plan.leaf.real_bytes
    plan.leaf.gather(plan.input, x, order, row0, row1)
    if run.labels != NULL:
        for r in range(row0, row1):
            plan.labels[r] = run.labels[order[r] if order != NULL else first + r]
    elif y.data != NULL:
        plan.leaf.gather(plan.target, y, order, row0, row1)


cdef inline void prefetch_rows(
    Run *run, Py_ssize_t first, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    """Rows [row0, row1) of the next minibatch, which starts at sample `first`: an order is random access."""
    cdef Py_ssize_t r
    if run.order != NULL:
        for r in range(first + row0, min(first + row1, run.samples)):
            run.plan.leaf.prefetch(run.x, run.order[r])


cdef void train_steps(void *argument, int thread, Barrier *barrier) noexcept nogil:
    """`run.steps` steps, or as many as end before the deadline: the task of every thread of the team."""
    cdef Run *run = <Run *>argument
    cdef Plan *plan = run.plan
    cdef Py_ssize_t s, r, first, row0, row1
    cdef Step step = Step(rows=0, training=True)
    cdef LossCall loss = plan.loss
    cdef Op *last = &plan.op[plan.ops - 1]
    cdef bint tapped
    cdef double total
    cdef int index
    for s in range(run.steps):
        first = run.begin + s * run.batch
        step.rows = min(run.batch, run.samples - first)
        row0 = cut(step.rows, ROW_CHUNK, thread, barrier.threads)
        row1 = cut(step.rows, ROW_CHUNK, thread + 1, barrier.threads)
        tapped = run.record != NULL and run.record[s] >= 0
        loss.scale = plan.loss_rows_scale / step.rows
        if thread == 0 and run.updating:
            plan.time += 1
            plan.update.correction1 = 1 - pow(plan.update.momentum, <double>plan.time)
            plan.update.correction2 = 1 - pow(plan.update.beta2, <double>plan.time)

        gather_rows(run, first, row0, row1)
        for index in range(plan.ops):
            plan.op[index].kind.forward(&plan.op[index], &step, row0, row1)
        prefetch_rows(run, first + run.batch, row0, row1)
        plan.leaf.loss(plan.row_loss, last.dh, last.h, plan.target, &loss, row0, row1)
        for index in range(plan.ops - 1, -1, -1):
            backward_op(plan, run, index, &step, tapped, thread, barrier, row0, row1)
        if run.updating and plan.clip_norm < INFINITY:
            update_clipped(plan, tapped, thread, barrier)
        if thread == 0:
            total = 0
            for r in range(step.rows):
                total += plan.row_loss[r]
            run.losses[s] = total
            run.done = s + 1
            run.stop = run.deadline < INFINITY and seconds_now() > run.deadline
        barrier_wait(barrier)
        if tapped:
            record_step(run, run.record[s], step.rows, thread, barrier.threads)
            barrier_wait(barrier)
        if run.stop:
            return


cdef void forward_batches(void *argument, int thread, Barrier *barrier) noexcept nogil:
    """Outputs of all samples and, given targets, each sample's loss: the task of every thread."""
    cdef Run *run = <Run *>argument
    cdef Plan *plan = run.plan
    cdef Op *last = &plan.op[plan.ops - 1]
    cdef LossCall loss = plan.loss
    cdef Step step = Step(rows=0, training=run.losses != NULL)
    cdef Py_ssize_t first = 0, row0, row1, r
    cdef int index
    cdef size_t row_bytes = last.h.cols * plan.leaf.real_bytes
    while first < run.samples:
        step.rows = min(plan.batch, run.samples - first)
        row0 = cut(step.rows, ROW_CHUNK, thread, barrier.threads)
        row1 = cut(step.rows, ROW_CHUNK, thread + 1, barrier.threads)
        gather_rows(run, first, row0, row1)
        for index in range(plan.ops):
            plan.op[index].kind.forward(&plan.op[index], &step, row0, row1)
        if run.losses != NULL:
            loss.scale = plan.loss_rows_scale
            plan.leaf.loss(plan.row_loss, last.dh, last.h, plan.target, &loss, row0, row1)
            for r in range(row0, row1):
                run.losses[first + r] = plan.row_loss[r]
        for r in range(row0, row1):
            memcpy(
                run.outputs + (first + r) * row_bytes,
                <char *>last.h.data + r * last.h.ld * plan.leaf.real_bytes, row_bytes,
            )
        first += plan.batch


cdef void train(Run *run, int threads) noexcept nogil:
    run.deadline = seconds_now() + run.seconds if run.seconds < INFINITY else INFINITY
    team_run(threads, train_steps, run)


cdef void forward(Run *run, int threads) noexcept nogil:
    team_run(threads, forward_batches, run)
