"""A loss that is a function of Python's: asked once for each minibatch, on one thread, between barriers.

Outputs are written into an array that the function's keeper owns, in its user's layout, rows of the minibatch
in order; losses and gradients, scaled and weighted, are read from two others.
"""

from .op cimport TIMESTEPS
from .plan cimport Plan, Run
from .simd cimport Matrix
from .team cimport Barrier, barrier_wait, step_in, step_out
from .window cimport Share, gather_doubles, gather_numbers, write_places


cdef inline Py_ssize_t places_of(const Run *run) noexcept nogil:
    return run.plan.op[run.plan.ops - 1].h_places


cdef void hand_outputs(const Run *run, const Share *share) noexcept nogil:
    cdef const Plan *plan = run.plan
    write_places(run, share, run.function_outputs, plan.output, places_of(run), plan.image_output, True)


cdef void ask(
    Run *run, const Share *share, double scale, Py_ssize_t time0, Py_ssize_t time1
) noexcept with gil:
    cdef unsigned inside = step_out()
    function = <object>run.function
    try:
        function(share.first_sample, share.step.rows, time0, time1, scale)
    except BaseException as error:
        function.error = error
        run.failed = True
    step_in(inside)


cdef bint answered(
    Run *run, const Share *share, double scale, Py_ssize_t time0, Py_ssize_t time1, Barrier *barrier
) noexcept nogil:
    barrier_wait(barrier)
    if share.step.thread == 0:
        ask(run, share, scale, time0, time1)
    barrier_wait(barrier)
    return not run.failed


cdef void take_answers(const Run *run, const Share *share) noexcept nogil:
    cdef const Plan *plan = run.plan
    cdef Py_ssize_t cols = plan.output.cols, places = places_of(run)
    cdef Matrix gradients = Matrix(
        data=<void *>run.function_gradients, ld=cols * places if plan.image_output else cols, cols=cols
    )
    gather_numbers(run, share, plan.output_gradient, gradients, places, plan.image_output, True)
    gather_doubles(run, share, plan.row_loss, run.function_losses, places, True, True)


cdef double losses_of(const Run *run, Py_ssize_t row) noexcept nogil:
    cdef Py_ssize_t places = places_of(run), p
    cdef double sum = 0
    if places == TIMESTEPS:
        places = run.times
    for p in range(places):
        sum += run.function_losses[row * places + p]
    return sum
