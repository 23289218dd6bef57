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

from libc.math cimport INFINITY, pow
from libc.string cimport memset

from .op cimport Op, OpTaps, Parameter, rows_end
from .plan cimport Plan, Run
from .record cimport combined_norm, record_window
from .simd cimport LossCall, Norms, Rows
from .window cimport (
    Share, clear_rows, cut, gather_targets, living_rows, next_window, prefetch_rows, run_again,
    sample_of, share_of, write_rows, write_states,
)


cdef extern from "team.h" nogil:
    ctypedef struct Barrier "vg_barrier":
        int threads
    ctypedef void (*Task "vg_task")(void *argument, int thread, Barrier *barrier) noexcept
    void team_run "vg_team_run"(int threads, Task task, void *argument)
    void barrier_wait "vg_barrier_wait"(Barrier *barrier)
    double seconds_now "vg_seconds"()


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


cdef void clear_carry(const Plan *plan, const Share *share) noexcept nogil:
    """No gradient comes from behind the last timestep, but what the op above gives to the last output."""
    cdef int index, i
    for index in range(plan.ops):
        for i in range(plan.op[index].states):
            if i > 0 or plan.op[index].gives_time:
                clear_rows(plan, plan.op[index].state[i].carry, &share.vectors)


cdef void truncate_carry(const Plan *plan, const Share *share) noexcept nogil:
    """No gradient comes from behind the window into rows that go on there; others have not begun yet."""
    cdef Rows going_on = share.vectors
    cdef int index, i
    if share.sequences.ends != NULL:
        going_on.end = share.sequences.ends[share.step.times]
    for index in range(plan.ops):
        for i in range(plan.op[index].states):
            clear_rows(plan, plan.op[index].state[i].carry, &going_on)


cdef Py_ssize_t deepest_window(const Run *run, const Share *share, Py_ssize_t last_window) noexcept nogil:
    """The window of the shortest row's end: how far back a truncated step goes from the last one."""
    if run.lengths == NULL or run.plan.op[run.plan.ops - 1].gives_time:
        return last_window
    return (run.lengths[sample_of(run, share, share.step.rows - 1)] - 1) // run.plan.times


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


cdef double add_losses(const Run *run, const Share *share, double total) noexcept nogil:
    """`total` and the rows' losses, summed from the last timestep to the first."""
    cdef const Plan *plan = run.plan
    cdef Py_ssize_t times = share.step.times if plan.op[plan.ops - 1].gives_time else 1, t, r, alive
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


cdef void train_steps(void *argument, int thread, Barrier *barrier) noexcept nogil:
    """`run.steps` steps, or as many as end before the deadline: the task of every thread of the team."""
    cdef Run *run = <Run *>argument
    cdef Plan *plan = run.plan
    cdef Py_ssize_t windows = (run.times + plan.times - 1) // plan.times, steps_per_batch = 1
    cdef Py_ssize_t s, place, first_window, last_window, deepest
    cdef Share share
    cdef bint tapped
    if run.stepping:
        steps_per_batch = windows
    for s in range(run.steps):
        place = run.begin_window + s
        share = share_of(
            run, run.begin + place // steps_per_batch * run.batch, thread, barrier.threads, True
        )
        first_window = place % steps_per_batch
        last_window = first_window if steps_per_batch > 1 else windows - 1
        deepest = deepest_window(run, &share, last_window) if plan.truncated and run.updating else 0
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
            run.stop = run.deadline < INFINITY and seconds_now() > run.deadline
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
            run_again(run, share, window)
            if plan.truncated:
                truncate_carry(plan, share)
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
            run.losses[s] = add_losses(run, share, run.losses[s])
        barrier_wait(barrier)
        if tapped:
            record_window(run, share, run.record[s], time0, complete, barrier.threads)
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
        share = share_of(run, first, thread, barrier.threads, run.losses != NULL)
        for window in range(windows):
            next_window(run, &share, window, False)
            if not (last.gives_time or share.step.last):
                continue
            rows = &share.sequences if last.gives_time else &share.vectors
            if run.losses != NULL:
                gather_targets(run, &share)
                plan.leaf.loss(plan.row_loss, plan.output_gradient, plan.output, plan.target, &loss, rows)
                for t in range(rows.times):
                    for r in range(rows.begin, rows_end(rows, t)):
                        sample = sample_of(run, &share, r)
                        run.losses[sample] += plan.row_loss[t * rows.stride + r]
            write_rows(
                run, &share, run.outputs, plan.output, rows, run.times if last.gives_time else 1, False
            )
        first += run.batch
        barrier_wait(barrier)  # rows of the next minibatch may lie where others still write


cdef void train(Run *run, int threads) noexcept nogil:
    run.deadline = seconds_now() + run.seconds if run.seconds < INFINITY else INFINITY
    team_run(threads, train_steps, run)


cdef void forward(Run *run, int threads) noexcept nogil:
    team_run(threads, forward_batches, run)
