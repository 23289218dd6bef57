"""What can be seen of an op from outside, and its copies: what `Sequential.internals` shows.

h and dL/dh lie in the arena when backward comes to an op, dL/dz when it is done, and next the op before may
overwrite them; so it is there that each thread copies those of its rows. A program that is open keeps apart
what others overwrite within the op: z, which else becomes h, dL/dh_t and dL/dc_t of a walk, and dx in dh's
place.
"""

from libc.string cimport memcpy

from .op cimport Op, TIMESTEPS, block, from_row, rows_end
from .simd cimport Matrix, NO_ACTIVATION, Rows
from .window cimport rows_at, runs_now, sample_length, sample_of

WHAT = ("h", "z", "c", "gates", "dh", "delta", "total", "cell", "skip", "body")


cdef inline bint bends(const Op *op) noexcept nogil:
    """Whether z and h differ."""
    return op.activation.kind != NO_ACTIVATION.kind or op.states > 0 or op.gates > 1


cdef void open_op(Op *op) noexcept:
    op.keeps_z = not op.z_is_x and bends(op)
    op.in_place = False


cdef Matrix matrix_of(const Op *op, str what):
    """Where it lies; without data, where there is no such thing."""
    cdef Matrix nothing = Matrix(data=NULL, ld=0, cols=0)
    if what == "h":
        return op.state[0].sequence if op.states > 0 else op.h
    if what == "z" and op.z_is_x:
        return op.x
    if what == "z" and op.activates:
        return op.z
    if what == "c" and op.states > 1:
        return op.state[1].sequence
    if what == "gates" and op.gate_buffer >= 0:
        return op.buffer[op.gate_buffer].matrix
    if what == "dh" and not (op.fused and bends(op)):
        return op.dh
    if what == "delta":
        return op.buffer[op.delta_buffer].matrix if op.delta_buffer >= 0 else op.dh
    if what == "total":
        return op.total
    if what == "cell":
        return op.cell
    if what == "skip" and op.branches:
        return op.dh2 if op.fork else op.dh
    if what == "body" and op.branches:
        return op.dh if op.fork else block(op.buffer[op.gate_buffer].matrix, 0, op.h.cols, op.leaf)
    return nothing


cdef bint lies_behind(const Op *op, str what):
    """Whether backward makes it: dL/dz, unless z and h are one."""
    if what == "delta":
        return op.activates or op.z_is_x
    return what in ("total", "cell") or (what in ("skip", "body") and not op.fork)


cdef int find_sights(const Plan *plan, int index, str what, Sight *found) except -1:
    cdef const Op *op = &plan.op[index]
    cdef Matrix source = matrix_of(op, what)
    cdef bint of_gates = what == "gates" or (what in ("z", "delta") and op.gates > 1)
    cdef bint at_outputs = what == "dh" or op.states == 0
    cdef int i
    if source.data == NULL:
        return 0
    for i in range(op.gates if of_gates else 1):
        found[i].op = index
        found[i].behind = lies_behind(op, what)
        found[i].places = op.h_places if at_outputs else op.x_places
        found[i].source = source
        if of_gates:
            found[i].source = block(source, op.gate_block[i] * op.h.cols, op.h.cols, op.leaf)
    return op.gates if of_gates else 1


cdef void copy_out(const Run *run, const Share *share, const Sight *sight) noexcept nogil:
    cdef Rows rows = rows_at(share, sight.places)
    cdef Py_ssize_t skipped = share.time if sight.places == TIMESTEPS else 0, t, r, to
    for t in range(rows.times):
        for r in range(rows.begin, rows_end(&rows, t)):
            to = sample_of(run, share, r) * sample_length(run, sight.places) + skipped + t
            memcpy(
                from_row(sight.to, to, run.plan.leaf).data,
                from_row(sight.source, t * rows.stride + r, run.plan.leaf).data,
                sight.source.cols * run.plan.leaf.real_bytes,
            )


cdef void look(const Run *run, const Share *share, int index, bint behind) noexcept nogil:
    cdef const Sight *sight
    cdef int i
    for i in range(run.sights):
        sight = &run.sight[i]
        if sight.op == index and sight.behind == behind and runs_now(share, sight.places):
            copy_out(run, share, sight)
