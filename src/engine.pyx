"""Runs a program: minibatches, windows of time, steps, threads, taps.

One step, run by every thread of the team on its own rows [row0, row1) of the batch:

    gather -> forward of each op -> loss
    for each op, last to first:
        backward (own rows)  |barrier|  gradient and update (own rows of each parameter)
    |barrier|

Where gradients are clipped by a norm the updates wait for it (treatment.pyx). Everything that is summed over
rows or elements is summed in fixed chunks, so a result is bitwise the same for any number of threads.

Sequences that are longer than the plan's window are run window by window. Forward, a window starts from the
states in which the one before it ended. Backward, either every window is a step of its own (truncated
BPTT), or the windows are run again, last to first, from the states that they started from, and their
gradients add up (checkpointing). Sums over time run from the last timestep to the first, so cutting
time into windows changes no bit either.
"""

from libc.math cimport INFINITY
from libc.stdint cimport uint64_t
from libc.string cimport memset

from .bins cimport most_entries, record_bins, table_of
from .custom_loss cimport answered, hand_outputs, losses_of, take_answers
from .guard cimport is_sound, keep_statistics, take_back
from .op cimport Op, OpTaps, Parameter, Step, TIMESTEPS, places_in, rows_end
from .plan cimport DELTA_BINS, IGNORE, OUTPUT_BINS, Plan, REFUSE, Run, waits
from .record cimport record_window
from .sights cimport look
from .simd cimport LossCall, Rows, Units
from .team cimport (
    Barrier, Task, barrier_wait, dismiss, enter, leave, run_team, seconds_now, step_done, threads_now,
)
from .treatment cimport begin_update, measure, take_rows, update_all
from .units cimport measure_weights, record_units, units_of
from .window cimport (
    Share, clear_rows, cut, gather_inputs, gather_targets, leave_window, living_rows, next_window,
    prefetch_rows, rows_at, runs_now, sample_of, saved_window, share_of, write_places, write_states,
)


cdef inline Op *last_op(const Plan *plan) noexcept nogil:
    return &plan.op[plan.ops - 1]


cdef void clear_carry(const Plan *plan, const Share *share) noexcept nogil:
    """No gradient comes from behind the last timestep, but what the op above gives to the last output."""
    cdef int index, i
    for index in range(plan.ops):
        for i in range(plan.op[index].states):
            if i > 0 or plan.op[index].h_places != 1:
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
    if run.lengths == NULL or last_op(run.plan).h_places == TIMESTEPS:
        return last_window
    return max(0, run.lengths[sample_of(run, share, share.step.rows - 1)] - 1) // run.plan.times


cdef double counted_rows(
    const Run *run, const Share *share, Py_ssize_t time0, Py_ssize_t time1
) noexcept nogil:
    """Labels in timesteps [time0, time1) that count or, where the loss is a sum over them, rows with one."""
    cdef const Plan *plan = run.plan
    cdef Py_ssize_t places = last_op(plan).h_places, length = places, begin = 0, end = places
    cdef Py_ssize_t r, t, sample, mine
    cdef double count = 0
    if places == TIMESTEPS:
        length, begin = run.times, time0
    for r in range(share.step.rows):
        sample = sample_of(run, share, r)
        if places == TIMESTEPS:
            end = time1 if run.lengths == NULL else min(run.lengths[sample], time1)
        mine = 0
        for t in range(begin, end):
            mine += run.labels[sample * length + t] >= 0
        count += mine if plan.mean_over_places else min(mine, 1)
    return count


cdef double loss_scale(const Run *run, const Share *share, Py_ssize_t time0, Py_ssize_t time1) noexcept nogil:
    """What a row's loss is multiplied by, in a step over timesteps [time0, time1)."""
    cdef const Plan *plan = run.plan
    cdef double count = 0
    cdef Py_ssize_t r
    if plan.ignoring:
        count = counted_rows(run, share, time0, time1)
    elif not plan.mean_over_places and (last_op(plan).h_places != TIMESTEPS or run.lengths == NULL):
        count = share.step.rows
    elif not plan.mean_over_places:
        for r in range(share.step.rows):
            count += run.lengths[sample_of(run, share, r)] > 0
    elif last_op(plan).h_places != TIMESTEPS:
        count = share.step.rows * last_op(plan).h_places
    elif run.lengths == NULL:
        count = share.step.rows * (time1 - time0)
    else:
        for r in range(share.step.rows):
            count += max(0, min(run.lengths[sample_of(run, share, r)], time1) - time0)
    return plan.loss_rows_scale / count if count > 0 else 0


cdef double add_rows(
    const Run *run, const Share *share, const double *values, double total
) noexcept nogil:
    """`total` and the values of rows, such as losses, summed from the last place to the first."""
    cdef const Plan *plan = run.plan
    cdef Py_ssize_t places = last_op(plan).h_places, t, r
    for t in range(places_in(places, &share.step) - 1, -1, -1):
        for r in range(living_rows(run, share, t) if places == TIMESTEPS else share.step.rows):
            total += values[t * share.step.rows + r]
    return total


cdef LossCall loss_call(const Run *run) noexcept nogil:
    """The loss as this run wants it."""
    cdef LossCall call = run.plan.loss
    if run.weights != NULL:
        call.weights = run.plan.row_weight
    if run.right != NULL:
        call.judge.right = run.plan.row_right
    return call


cdef void forward_ops(const Run *run, Share *share, Barrier *barrier) noexcept nogil:
    """Forward of every op that has work in this window."""
    cdef const Plan *plan = run.plan
    cdef Op *op
    cdef Rows rows
    cdef int index
    gather_inputs(run, share)
    for index in range(plan.ops):
        op = &plan.op[index]
        if runs_now(share, op.x_places):
            rows = rows_at(share, op.x_places)
            op.kind.forward(op, &share.step, &rows)
            if share.step.training and op.kind.meet_forward != NULL:
                barrier_wait(barrier)
                op.kind.meet_forward(op, &share.step, &rows)


cdef void backward_op(
    Plan *plan, Run *run, int index, Share *share, bint tapped, bint complete, Barrier *barrier
) noexcept nogil:
    """Backward and gradient of one op; its update too, if the gradient is complete and no treatment waits."""
    cdef Op *op = &plan.op[index]
    cdef OpTaps taps = plan.book[index].taps
    cdef Py_ssize_t slope_bytes = plan.book[index].slope_stride
    cdef Rows rows = rows_at(share, op.x_places)
    cdef int thread = share.step.thread
    cdef Units units
    if tapped:
        taps.layer.slopes = <char *>taps.layer.slopes + thread * slope_bytes
        if not share.step.accumulating:
            memset(taps.layer.slopes, 0, slope_bytes)
    if share.step.counting:
        taps.layer.delta_bins = table_of(plan, &plan.book[index], DELTA_BINS, thread)
        taps.layer.output_bins = table_of(plan, &plan.book[index], OUTPUT_BINS, thread)
    if share.step.by_unit:
        units = units_of(plan, index, &share.step, &share.vectors)
        taps.layer.units = &units
        if not share.step.accumulating:
            measure_weights(plan, index, thread, barrier.threads)
    look(run, share, index, False)
    op.kind.backward(op, &share.step, &taps if tapped else NULL, &rows)
    look(run, share, index, True)
    barrier_wait(barrier)
    if op.kind.meet_backward != NULL:
        op.kind.meet_backward(op, &share.step, &taps if tapped else NULL, &rows)
        barrier_wait(barrier)
    if run.predicting:
        return
    share.step.stretch_begin = share.step.rows * share.step.times
    while True:
        enter_stretch(op, &share.step)
        sum_gradients(plan, index, share, tapped, complete and share.step.stretch_begin == 0, barrier.threads)
        if share.step.stretch_begin == 0:
            return


cdef inline void enter_stretch(const Op *op, Step *step) noexcept nogil:
    """Turn to the stretch of an op's timesteps before this one; it begins where a block of the sums does."""
    cdef Py_ssize_t before = step.rows * (step.time - step.begin)
    step.stretch_end = step.stretch_begin
    step.stretch_begin = 0
    if op.stretch > 0 and op.x_places == TIMESTEPS:
        step.stretch_begin = max(0, (before + step.stretch_end - 1) // op.stretch * op.stretch - before)


cdef void sum_gradients(
    Plan *plan, int index, const Share *share, bint tapped, bint complete, int threads
) noexcept nogil:
    """A thread's rows of an op's gradients, over one stretch of its timesteps."""
    cdef Op *op = &plan.op[index]
    cdef Py_ssize_t i0, i1, end
    cdef Parameter *p
    cdef int i, thread = share.step.thread
    for i in range(op.parameters):
        p = &op.parameter[i]
        if not p.trained:
            continue
        i1 = cut(p.rows, p.chunk_rows, thread, threads)
        end = cut(p.rows, p.chunk_rows, thread + 1, threads)
        while i1 < end:
            i0, i1 = i1, min(i1 + p.block_rows, end)
            op.kind.gradient(op, &share.step, i, i0, i1)
            if complete:
                take_rows(plan, index, p, &share.step, i0, i1, tapped)


cdef inline uint64_t step_key(const Plan *plan, uint64_t step) noexcept nogil:
    """The key of a step's random numbers: SplitMix64 (Steele et al. 2014) of the seed and the step."""
    cdef uint64_t z = plan.seed + (step + 1) * <uint64_t>0x9E3779B97F4A7C15
    z = (z ^ (z >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t>0x94D049BB133111EB
    return z ^ (z >> 31)


cdef void end_step(Run *run, Barrier *barrier, Py_ssize_t done) noexcept nogil:
    """So many steps are done: dismisses the team if time is up or another number of threads shall go on."""
    cdef double now
    run.done[0] = done
    if run.broken or (run.bin_record != NULL and run.bins_used + most_entries(run.plan) > run.bin_room):
        run.stop = True
        dismiss(barrier)
        return
    if run.most_threads == 1 and run.deadline == INFINITY:
        return
    now = seconds_now()
    run.stop = now > run.deadline
    if step_done(run.pace, run.most_threads, barrier, run.step_begin, now) or run.stop:
        dismiss(barrier)
    run.step_begin = now


cdef bint failed(Run *run, Barrier *barrier, int thread) noexcept nogil:
    """Whether the loss's function has raised, which dismisses the team."""
    if run.failed and thread == 0:
        run.stop = True
        dismiss(barrier)
    return run.failed


cdef void train_steps(void *argument, int thread, Barrier *barrier) noexcept nogil:
    """Steps, from `run.first` on, until the team is dismissed: the task of each of its threads."""
    cdef Run *run = <Run *>argument
    cdef Plan *plan = run.plan
    cdef Py_ssize_t windows = (run.times + plan.times - 1) // plan.times, steps_per_batch = 1
    cdef Py_ssize_t s, place, first_window, last_window, deepest
    cdef Share share
    cdef bint tapped
    if run.stepping:
        steps_per_batch = windows
    for s in range(run.first, run.steps):
        place = run.places[s] if run.places != NULL else s
        share = share_of(run, place // steps_per_batch * run.batch, thread, barrier.threads)
        share.step.key = step_key(plan, run.first_step + s)
        share.step.training = not run.predicting
        share.step.loss_follows = True
        share.step.updating = run.updating
        first_window = place % steps_per_batch
        last_window = first_window if steps_per_batch > 1 else windows - 1
        deepest = deepest_window(run, &share, last_window) if plan.truncated and run.updating else 0
        tapped = run.record != NULL and run.record[s] >= 0
        share.step.by_unit = tapped and run.unit_record != NULL and run.unit_record[s] >= 0
        share.step.counting = tapped and run.bin_record != NULL and run.bin_record[s] >= 0
        if thread == 0:
            run.losses[s] = 0
            if run.right != NULL:
                run.right[s] = 0
            if run.rates != NULL:
                plan.update.rate = run.rates[s]
            if run.updating:
                plan.time += 1
                begin_update(plan)
                if plan.keeps:
                    keep_statistics(plan)
        train_windows(run, &share, s, first_window, last_window, deepest, tapped, barrier)
        if not failed(run, barrier, thread) and thread == 0:
            run.broken = run.updating and plan.guard != IGNORE and not is_sound(run, s)
            end_step(run, barrier, s + 1)
        if barrier_wait(barrier):
            return


cdef void train_windows(
    Run *run, Share *share, Py_ssize_t s, Py_ssize_t first_window, Py_ssize_t last_window,
    Py_ssize_t deepest, bint tapped, Barrier *barrier,
) noexcept nogil:
    """One step: forward through the windows, backward from the last of them to the deepest."""
    cdef Plan *plan = run.plan
    cdef Op *last = last_op(plan)
    cdef LossCall loss = loss_call(run)
    cdef Rows rows
    cdef Py_ssize_t window, time0 = first_window * plan.times
    cdef Py_ssize_t time1 = min((last_window + 1) * plan.times, run.times)
    cdef bint complete
    cdef int index
    share.step.begin, share.step.end = deepest * plan.times, time1
    loss.scale = loss_scale(run, share, time0, time1)
    for window in range(first_window, last_window + 1):
        next_window(run, share, window, deepest < last_window)
        forward_ops(run, share, barrier)
        if run.function != NULL and runs_now(share, last.h_places):
            hand_outputs(run, share)
        leave_window(run, share)
    if run.function != NULL and not answered(run, share, loss.scale, time0, time1, barrier):
        if run.updating:
            take_back(run, share)
        return
    prefetch_rows(run, share)
    clear_carry(plan, share)
    for window in range(last_window, deepest - 1, -1):
        complete = window == deepest
        share.step.accumulating = window < last_window
        share.step.wants_initial = not complete or plan.wants_initial
        if share.step.accumulating:
            saved_window(run, share, window)
            forward_ops(run, share, barrier)
            if plan.truncated:
                truncate_carry(plan, share)
        if runs_now(share, last.h_places):
            if run.function != NULL:
                take_answers(run, share)
            else:
                gather_targets(run, share)
                rows = rows_at(share, last.h_places)
                plan.leaf.loss(
                    plan.row_loss, plan.output_gradient, plan.logits, plan.target, &loss, &rows
                )
            if run.outputs != NULL:
                write_places(
                    run, share, run.outputs, plan.output, last.h_places, plan.image_output, False
                )
        for index in range(plan.ops - 1, -1, -1):
            if runs_now(share, plan.op[index].x_places):
                backward_op(
                    plan, run, index, share, tapped,
                    complete or plan.op[index].x_places != TIMESTEPS, barrier,
                )
        if share.step.thread == 0 and runs_now(share, last.h_places):
            run.losses[s] = add_rows(run, share, plan.row_loss, run.losses[s])
            if run.right != NULL:
                run.right[s] = add_rows(run, share, plan.row_right, run.right[s])
        if run.input_gradient != NULL:
            plan.leaf.clear_ended(plan.input_gradient, &share.sequences)
            write_places(
                run, share, run.input_gradient, plan.input_gradient, plan.op[0].x_places,
                plan.image_input, False,
            )
        if complete:
            write_states(run, share, True)
            if run.updating and waits(plan):
                barrier_wait(barrier)
                measure(plan, share.step.thread, barrier.threads)
                barrier_wait(barrier)
                if plan.guard == REFUSE and not is_sound(run, s):
                    take_back(run, share)
                update_all(plan, &share.step, barrier.threads, tapped)
        barrier_wait(barrier)
        if tapped:
            record_window(run, share, run.record[s], time0, complete, barrier.threads)
            if complete and share.step.counting and share.step.thread == 0:
                record_bins(run, run.bin_record[s])
            if complete and share.step.by_unit:
                barrier_wait(barrier)  # what is seen of each op has been joined
                if share.step.thread == 0:
                    record_units(run, run.unit_record[s], share.step.rows, barrier.threads)
            barrier_wait(barrier)


cdef void forward_batches(void *argument, int thread, Barrier *barrier) noexcept nogil:
    """Outputs of all samples from `run.first` on and, given targets, each one's loss, until the team is
    dismissed: the task of each of its threads."""
    cdef Run *run = <Run *>argument
    cdef Plan *plan = run.plan
    cdef Op *last = last_op(plan)
    cdef LossCall loss = loss_call(run)
    cdef Py_ssize_t windows = (run.times + plan.times - 1) // plan.times
    cdef Py_ssize_t first = run.first, window, r, t, sample
    cdef int index
    cdef Share share
    cdef Rows rows
    loss.scale = plan.loss_rows_scale
    while first < run.samples:
        share = share_of(run, first, thread, barrier.threads)
        share.step.loss_follows = run.losses != NULL
        for window in range(windows):
            next_window(run, &share, window, False)
            forward_ops(run, &share, barrier)
            for index in range(plan.ops):
                look(run, &share, index, False)
            leave_window(run, &share)
            if not runs_now(&share, last.h_places):
                continue
            rows = rows_at(&share, last.h_places)
            if run.function != NULL:
                hand_outputs(run, &share)
            elif run.losses != NULL:
                gather_targets(run, &share)
                plan.leaf.loss(
                    plan.row_loss, plan.output_gradient, plan.logits, plan.target, &loss, &rows
                )
                for t in range(rows.times):
                    for r in range(rows.begin, rows_end(&rows, t)):
                        sample = sample_of(run, &share, r)
                        run.losses[sample] += plan.row_loss[t * rows.stride + r]
            write_places(
                run, &share, run.outputs, plan.output, last.h_places, plan.image_output, False
            )
        if run.function != NULL and answered(run, &share, loss.scale, 0, run.times, barrier):
            for r in range(share.vectors.begin, share.vectors.end):
                run.losses[sample_of(run, &share, r)] += losses_of(run, r)
        first += run.batch
        if not failed(run, barrier, thread) and thread == 0:
            end_step(run, barrier, first)
        if barrier_wait(barrier):  # rows of the next minibatch may lie where others still write
            return


cdef void run_all(Run *run, Py_ssize_t end, Task task) noexcept nogil:
    """Teams one after the other, each with as many threads as pay, until all is done or time is up."""
    enter()
    run.step_begin = seconds_now()
    run.deadline = run.step_begin + run.seconds
    while run.done[0] < end and not run.stop:
        run.first = run.done[0]
        run_team(threads_now(run.pace, run.most_threads, run.step_begin), task, run)
    leave()


cdef void train(Run *run) noexcept nogil:
    run_all(run, run.steps, train_steps)


cdef void forward(Run *run) noexcept nogil:
    run_all(run, run.samples, forward_batches)
