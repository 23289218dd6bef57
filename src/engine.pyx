"""Runs a program: minibatches, steps, threads, taps.

A `Program` owns a planned arena and borrows the flat parameter vectors. One step, run by every thread of
the team on its own rows [row0, row1) of the batch:

    gather -> forward of each op -> loss
    for each op, last to first:
        backward (own rows)  |barrier|  gradient and update (own rows of each parameter)
    |barrier|

With `clip_norm` the updates wait for the norm of the whole gradient. Everything that is summed over rows
or elements is summed in fixed chunks, so a result is bitwise the same for any number of threads.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.math cimport INFINITY, NAN, pow, sqrt
from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memcpy, memset

import numpy as np

from .op cimport Op, Operation, Parameter, Step
from .simd cimport (
    Leaf, LossCall, LossKind, Matrix, Norms, ROW_CHUNK, Rule, Taps, Update, leaf_table,
)


cdef extern from "team.h" nogil:
    const int MAX_THREADS "VG_MAX_THREADS"
    ctypedef struct Barrier "vg_barrier":
        int threads
    ctypedef void (*Task "vg_task")(void *argument, int thread, Barrier *barrier) noexcept
    void team_run "vg_team_run"(int threads, Task task, void *argument)
    void barrier_wait "vg_barrier_wait"(Barrier *barrier)
    double seconds_now "vg_seconds"()

cdef enum:
    ALIGNMENT = 64            # bytes: a cache line, and the widest vector
    # Rows of a gradient that are updated while they are in cache: so many bytes, but enough rows that
    # a product over them pays for packing its other factor
    BLOCK_BYTES = 24_576
    BLOCK_ROWS = 128
    CHUNK_ELEMENTS = 1024     # of a parameter, about: the grain of threads and of norms
    OP_FIELDS = 5             # delta norm, mean, standard deviation, saturated, dead
    PARAMETER_FIELDS = 3      # norms of value, gradient, update
    # A team pays from this many floating-point operations between two barriers on; bench: D1, D2
    TEAM_FLOPS = 400_000


cdef struct OpTaps:
    Taps taps
    Py_ssize_t slope_stride   # bytes from one thread's slopes to the next


# All that the threads of a team share.
cdef struct Plan:
    const Leaf *leaf
    int ops
    Op *op
    OpTaps *op_taps
    Py_ssize_t batch
    Matrix input
    Matrix target
    int64_t *labels
    bint sparse
    double *row_loss
    LossCall loss
    double loss_rows_scale    # the scale of a loss is this over the rows of the batch
    double *gradient_norms    # of all chunks of all parameters, for clip_norm
    Py_ssize_t gradient_chunks
    Rule rule
    Update update
    double clip_norm
    int64_t time              # optimizer steps done


# One call of `Program.run`.
cdef struct Run:
    Plan *plan
    Matrix x
    Matrix y
    const int64_t *labels
    const int64_t *order      # sample of each row, or NULL
    Py_ssize_t samples
    Py_ssize_t batch
    Py_ssize_t begin          # first sample
    Py_ssize_t steps
    bint updating
    double deadline
    double *losses            # (steps,) or, forward only, (samples,)
    char *outputs             # forward only: (samples, outputs)
    const int64_t *record     # (steps,) row of the record, or -1
    double *op_record         # (rows, ops, OP_FIELDS)
    double *parameter_record  # (rows, parameters, PARAMETER_FIELDS)
    int parameters
    Py_ssize_t done
    bint stop


cdef inline Py_ssize_t cut(Py_ssize_t n, Py_ssize_t chunk, int part, int parts) noexcept nogil:
    """Where part `part` of n rows begins when whole chunks are dealt to `parts`."""
    return min(n, chunk * ((n + chunk - 1) // chunk * part // parts))


cdef double combined_norm(const double *norms, Py_ssize_t n) noexcept nogil:
    """The L2 norm of norms, padded with zeros to a cache line."""
    cdef double norm
    cdef Py_ssize_t padded = (n + 7) & ~7
    leaf_table(8).chunk_norms(&norm, norms, padded, padded)
    return norm


cdef void update_rows(Plan *plan, Parameter *p, Py_ssize_t row0, Py_ssize_t row1, bint tapped) noexcept nogil:
    """The optimizer's step on rows [row0, row1) of one parameter."""
    cdef Py_ssize_t begin = row0 * p.value.cols
    cdef Py_ssize_t end = p.padded if row1 == p.rows else row1 * p.value.cols
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
    cdef Py_ssize_t begin = row0 * p.value.cols
    cdef Py_ssize_t end = p.padded if row1 == p.rows else row1 * p.value.cols
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


cdef void record_op(const Op *op, const OpTaps *op_taps, Py_ssize_t rows, int threads, double *out) noexcept nogil:
    """The tapped fields of one op; means and deviations are merged pairwise (Chan et al. 1979, eq. 2.1)."""
    cdef const Taps *taps = &op_taps.taps
    cdef Py_ssize_t chunks = (rows + ROW_CHUNK - 1) // ROW_CHUNK, c
    cdef double count = 0, mean = 0, deviation = 0, saturated = 0, new, apart
    for c in range(chunks):
        new = min(<double>ROW_CHUNK, <double>(rows - c * ROW_CHUNK)) * op.h.cols
        apart = taps.mean[c] - mean
        deviation += taps.deviation[c] + apart * apart * count * new / (count + new)
        mean += apart * new / (count + new)
        count += new
        saturated += taps.saturated[c]
    for c in range(chunks, (chunks + 7) & ~7):
        taps.delta_norm[c] = 0
    out[0] = combined_norm(taps.delta_norm, chunks)
    out[1] = mean
    out[2] = sqrt(max(deviation, 0.0) / count)
    out[3] = saturated / count
    out[4] = <double>op.leaf.dead_units(
        taps.slopes, op_taps.slope_stride, threads, op.h.cols
    ) / op.h.cols


cdef void record_step(Run *run, Py_ssize_t row, Py_ssize_t rows, int threads) noexcept nogil:
    """Writes what the taps of one step saw into row `row` of the records."""
    cdef Plan *plan = run.plan
    cdef double *out = run.parameter_record + row * run.parameters * PARAMETER_FIELDS
    cdef Op *op
    cdef Parameter *p
    cdef Py_ssize_t chunks
    cdef int index, i
    for index in range(plan.ops):
        op = &plan.op[index]
        record_op(
            op, &plan.op_taps[index], rows, threads,
            run.op_record + (row * plan.ops + index) * OP_FIELDS,
        )
        for i in range(op.parameters):
            p = &op.parameter[i]
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
            if thread == 0:
                record_step(run, run.record[s], step.rows, barrier.threads)
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


cdef void *data_of(array) except? NULL:
    """Where a C-contiguous array's elements lie; the caller keeps the array alive."""
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, PyBUF_SIMPLE)
    PyBuffer_Release(&view)
    return view.buf


cdef class Arena:
    """Hands out aligned pieces of one buffer; without a buffer it only measures."""
    cdef Py_ssize_t used
    cdef char *base

    cdef void *take(self, Py_ssize_t size) noexcept:
        cdef void *piece = self.base + self.used if self.base != NULL else NULL
        self.used += (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
        return piece

    cdef Matrix matrix(self, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t real_bytes) noexcept:
        """A matrix whose rows are whole vectors and do not all fall into one set of the cache."""
        cdef Py_ssize_t lanes = ALIGNMENT // real_bytes, ld = (cols + lanes - 1) // lanes * lanes
        if ld * real_bytes % 2048 == 0:
            ld += lanes
        return Matrix(data=self.take(rows * ld * real_bytes), ld=ld, cols=cols)

    cdef double *doubles(self, Py_ssize_t n) noexcept:
        return <double *>self.take(n * sizeof(double))


cdef Py_ssize_t rows_per_chunk(Py_ssize_t rows, Py_ssize_t cols) noexcept:
    """Rows of about CHUNK_ELEMENTS elements whose end falls on a whole vector of either dtype."""
    cdef Py_ssize_t unit = 16
    while unit > 1 and (unit // 2) * cols % 16 == 0:
        unit //= 2
    return unit * max(1, CHUNK_ELEMENTS // (unit * cols))


cdef class Program:
    """A network, its loss and its optimizer, planned for minibatches of up to `batch` rows.

    The caller has checked every argument of every method: shapes, dtypes, contiguity, label ranges.
    """
    cdef Plan plan
    cdef object ops_buffer, taps_buffer, arena_buffer, borrowed
    cdef int total_parameters, wanted_threads, most_threads
    cdef Py_ssize_t sequential_flops

    def __cinit__(
        self, list operations, list offsets, values, gradients, list states, *,
        Py_ssize_t batch, int loss, bint sparse, bint fused, bint apply_activation, bint mean_over_outputs,
        int rule, dict update, double clip_norm, int threads,
    ):
        """`offsets[i][j]`: the first element of parameter j of operation i in the flat vectors `values`,
        `gradients` and `states` (at most two)."""
        cdef Operation operation
        cdef Py_ssize_t real_bytes = values.itemsize
        cdef Arena arena
        self.borrowed = (operations, values, gradients, states)
        self.wanted_threads = threads
        self.most_threads = min(threads, MAX_THREADS)
        self.ops_buffer = bytearray(len(operations) * sizeof(Op))
        self.taps_buffer = bytearray(len(operations) * sizeof(OpTaps))
        self.plan.ops = len(operations)
        self.plan.op = <Op *><char *>self.ops_buffer
        self.plan.op_taps = <OpTaps *><char *>self.taps_buffer
        for i, operation in enumerate(operations):
            self.plan.op[i] = operation.op
        self.plan.op[self.plan.ops - 1].fused = fused
        self.plan.leaf = leaf_table(real_bytes)
        self.plan.batch = batch
        self.plan.sparse = sparse
        self.plan.loss = LossCall(
            kind=<LossKind>loss, apply_activation=apply_activation, scale=1, labels=NULL
        )
        self.plan.loss_rows_scale = (
            1.0 / self.plan.op[self.plan.ops - 1].h.cols if mean_over_outputs else 1.0
        )
        self.plan.rule = <Rule>rule
        self.plan.update = update
        self.plan.clip_norm = clip_norm
        self._lay_parameters(offsets, values, gradients, states)

        arena = Arena()
        self._lay_buffers(arena)
        self.arena_buffer = np.zeros(arena.used + ALIGNMENT, np.uint8)
        arena.base = <char *>((<uintptr_t>data_of(self.arena_buffer) + ALIGNMENT - 1) & ~<uintptr_t>(ALIGNMENT - 1))
        arena.used = 0
        self._lay_buffers(arena)

    cdef void _lay_parameters(self, list offsets, values, gradients, list states) except *:
        cdef char *value = <char *>data_of(values)
        cdef char *gradient = <char *>data_of(gradients)
        cdef char *state1 = <char *>data_of(states[0]) if len(states) > 0 else NULL
        cdef char *state2 = <char *>data_of(states[1]) if len(states) > 1 else NULL
        cdef Py_ssize_t offset, cols, real_bytes = self.plan.leaf.real_bytes
        cdef Py_ssize_t lanes = ALIGNMENT // real_bytes
        cdef Parameter *p
        cdef int i, j
        for i in range(self.plan.ops):
            for j in range(self.plan.op[i].parameters):
                p = &self.plan.op[i].parameter[j]
                cols = p.value.cols
                offset = offsets[i][j] * real_bytes
                p.value = Matrix(data=value + offset, ld=cols, cols=cols)
                p.gradient = Matrix(data=gradient + offset, ld=cols, cols=cols)
                p.state1 = state1 + offset if state1 != NULL else NULL
                p.state2 = state2 + offset if state2 != NULL else NULL
                p.padded = (p.rows * cols + lanes - 1) // lanes * lanes
                p.chunk_rows = rows_per_chunk(p.rows, cols)
                p.block_rows = max(BLOCK_ROWS, BLOCK_BYTES // (cols * real_bytes))
                p.block_rows = (p.block_rows + p.chunk_rows - 1) // p.chunk_rows * p.chunk_rows
                self.sequential_flops += 2 * p.rows * cols
                self.total_parameters += 1

    cdef void _lay_buffers(self, Arena arena) noexcept:
        """Plans the arena; run once to measure it and once to point into it.

        The gradients of the hidden outputs rotate through three buffers: while threads still read one for
        the weights' gradient, the next op's backward writes the second and its input's gradient the third.
        """
        cdef Plan *plan = &self.plan
        cdef Py_ssize_t real = plan.leaf.real_bytes, batch = plan.batch, widest = 0, chunks, norms
        cdef Py_ssize_t row_chunks = (batch + ROW_CHUNK - 1) // ROW_CHUNK
        cdef Matrix rotating[3]
        cdef Matrix shared
        cdef double *gradient_norms
        cdef Parameter *p
        cdef Op *op
        cdef int i, j
        plan.input = arena.matrix(batch, plan.op[0].x.cols, real)
        if plan.sparse:
            plan.labels = <int64_t *>arena.take(batch * sizeof(int64_t))
            plan.loss.labels = plan.labels
        else:
            plan.target = arena.matrix(batch, plan.op[plan.ops - 1].h.cols, real)
        plan.row_loss = arena.doubles(batch)
        for i in range(plan.ops):
            widest = max(widest, plan.op[i].h.cols)
        for i in range(3):
            rotating[i] = arena.matrix(batch, widest, real)
        norms = 0
        for i in range(plan.ops):
            for j in range(plan.op[i].parameters):
                p = &plan.op[i].parameter[j]
                norms += (p.rows + p.chunk_rows - 1) // p.chunk_rows + 8
        plan.gradient_chunks = norms
        gradient_norms = plan.gradient_norms = arena.doubles((norms + 7) & ~7)
        for i in range(plan.ops):
            op = &plan.op[i]
            op.x = plan.op[i - 1].h if i > 0 else plan.input
            op.h = arena.matrix(batch, op.h.cols, real)
            op.z = arena.matrix(batch, op.h.cols, real) if op.keeps_z else op.h
            shared = rotating[i % 3]
            op.dh = Matrix(data=shared.data, ld=op.h.ld, cols=op.h.cols)
            if i > 0:
                op.dx = plan.op[i - 1].dh
            for j in range(op.parameters):
                p = &op.parameter[j]
                chunks = ((p.rows + p.chunk_rows - 1) // p.chunk_rows + 7) & ~7
                p.norms = Norms(
                    weight=arena.doubles(chunks), gradient=gradient_norms, update=arena.doubles(chunks)
                )
                if gradient_norms != NULL:
                    gradient_norms += chunks
            chunks = (row_chunks + 7) & ~7
            plan.op_taps[i].slope_stride = op.h.ld * real
            plan.op_taps[i].taps = Taps(
                delta_norm=arena.doubles(chunks), mean=arena.doubles(chunks),
                deviation=arena.doubles(chunks), saturated=arena.doubles(chunks),
                slopes=arena.take(self.most_threads * op.h.ld * real),
            )

    @property
    def arena_bytes(self):
        """Size of the arena."""
        return self.arena_buffer.nbytes

    @property
    def threads(self):
        """Threads it may use."""
        return self.wanted_threads

    @property
    def batch(self):
        """Rows of the largest minibatch this program can run."""
        return self.plan.batch

    @property
    def time(self):
        """Optimizer steps done."""
        return self.plan.time

    @time.setter
    def time(self, int64_t value):
        self.plan.time = value

    @property
    def rate(self):
        """The optimizer's learning rate."""
        return self.plan.update.rate

    @rate.setter
    def rate(self, double value):
        self.plan.update.rate = value

    cdef int _threads(self, Py_ssize_t rows) noexcept:
        """Threads that pay for minibatches of `rows`: a step meets once per operation."""
        if 3 * self.sequential_flops * rows < TEAM_FLOPS * self.plan.ops:
            return 1
        return self.most_threads

    cdef Run _run(self, x, y, order, Py_ssize_t batch) except *:
        """A run over samples x and their targets y (None: outputs only)."""
        cdef Run run
        memset(&run, 0, sizeof(Run))
        run.plan = &self.plan
        run.x = Matrix(
            data=<void *>data_of(x), ld=self.plan.input.cols, cols=self.plan.input.cols
        )
        run.samples = len(x) if order is None else len(order)
        run.batch = batch
        run.deadline = INFINITY
        run.parameters = self.total_parameters
        if order is not None:
            run.order = <const int64_t *>data_of(order)
        if y is not None and self.plan.sparse:
            run.labels = <const int64_t *>data_of(y)
        elif y is not None:
            run.y = Matrix(
                data=<void *>data_of(y),
                ld=self.plan.target.cols, cols=self.plan.target.cols,
            )
        return run

    def train(
        self, x, y, order, losses, *, Py_ssize_t batch, Py_ssize_t begin=0, bint updating=True,
        double seconds=INFINITY, record=None, op_record=None, parameter_record=None,
    ):
        """Run len(losses) steps, or as many as fit into `seconds`; return how many were done.

        x (n, inputs), y (n, outputs) or labels (n,) int64, order (m,) int64 or None; minibatches are taken
        in order from sample `begin` on. losses (steps,) float64 is written. record (steps,) int64: the row
        of op_record (rows, ops, 5) and parameter_record (rows, parameters, 3) to write, or -1.
        """
        cdef Run run = self._run(x, y, order, batch)
        run.begin = begin
        run.steps = len(losses)
        run.updating = updating
        run.losses = <double *>data_of(losses)
        if record is not None:
            run.record = <const int64_t *>data_of(record)
            run.op_record = <double *>data_of(op_record)
            run.parameter_record = <double *>data_of(parameter_record)
        cdef int threads = self._threads(batch)
        with nogil:
            if seconds < INFINITY:
                run.deadline = seconds_now() + seconds
            team_run(threads, train_steps, &run)
        return run.done

    def train_batch(self, x, y):
        """One step on x and y; returns its loss. For callers in a hurry: no arrays are made."""
        cdef Run run = self._run(x, y, None, len(x))
        cdef double loss
        run.steps = 1
        run.updating = True
        run.losses = &loss
        cdef int threads = self._threads(run.batch)
        with nogil:
            team_run(threads, train_steps, &run)
        return loss

    def forward(self, x, outputs, y=None, losses=None):
        """Outputs of all rows of x and, given their targets y, the loss of each sample (of a batch of one)."""
        cdef Run run = self._run(x, y, None, self.plan.batch)
        cdef int threads = self._threads(min(run.samples, self.plan.batch))
        run.outputs = <char *>data_of(outputs)
        if losses is not None:
            run.losses = <double *>data_of(losses)
        with nogil:
            team_run(threads, forward_batches, &run)


def all_finite(array):
    """True if a C-contiguous float32 or float64 array holds no NaN and no infinity."""
    cdef const void *data = <const void *>data_of(array)
    cdef Py_ssize_t n = array.size
    cdef const Leaf *leaf = leaf_table(array.itemsize)
    cdef bint finite
    with nogil:
        finite = leaf.all_finite(data, n)
    return finite


def label_range(labels):
    """(smallest, largest) of a C-contiguous int64 array that is not empty."""
    cdef const int64_t *data = <const int64_t *>data_of(labels)
    cdef int64_t low = data[0], high = data[0]
    cdef Py_ssize_t i
    for i in range(1, labels.size):
        low = min(low, data[i])
        high = max(high, data[i])
    return low, high
