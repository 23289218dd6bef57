"""What is done about a step whose loss or gradient is not finite.

A guard that notices looks at the loss alone, which costs nothing, and stops behind the step. One that
refuses stops in front of its updates: they wait for the norms of all gradients, as they do where a norm is
clipped, and what forward has moved is put back.
"""

from libc.math cimport isfinite
from libc.string cimport memcpy

from .op cimport Parameter
from .plan cimport Plan, REFUSE, Run
from .record cimport combined_norm
from .window cimport Share, write_kept_states


cdef void keep_statistics(const Plan *plan) noexcept nogil:
    copy_statistics(plan, False)


cdef void copy_statistics(const Plan *plan, bint back) noexcept nogil:
    cdef const Parameter *p
    cdef Py_ssize_t size
    cdef int index, i
    for index in range(plan.ops):
        for i in range(plan.op[index].parameters):
            p = &plan.op[index].parameter[i]
            size = p.padded * plan.leaf.real_bytes
            if not p.trained and back:
                memcpy(p.value.data, p.kept, size)
            elif not p.trained:
                memcpy(p.kept, p.value.data, size)


cdef bint is_sound(const Run *run, Py_ssize_t s) noexcept nogil:
    if not isfinite(run.losses[s]):
        return False
    return run.plan.guard != REFUSE or isfinite(combined_norm(run.plan.op_norms, run.plan.ops))


cdef void take_back(Run *run, Share *share) noexcept nogil:
    share.step.updating = False
    write_kept_states(run, share)
    if share.step.thread == 0:
        copy_statistics(run.plan, True)
        run.plan.time -= 1
