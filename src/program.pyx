"""Plans a network for the engine: where every parameter, activation and gradient lies."""

from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uintptr_t
from libc.string cimport memset

import numpy as np

from .arrays cimport data_of
from .engine cimport OpTaps, Plan, Run, forward, train
from .op cimport Op, Operation, Parameter
from .simd cimport LossCall, LossKind, Matrix, Norms, ROW_CHUNK, Rule, Taps, leaf_table


cdef extern from "team.h":
    const int MAX_THREADS "VG_MAX_THREADS"

cdef enum:
    ALIGNMENT = 64         # bytes: a cache line, and the widest vector
    # Rows of a gradient that are updated while they are in cache: so many bytes, but enough rows that
    # a product over them pays for packing its other factor
    BLOCK_BYTES = 24_576
    BLOCK_ROWS = 128
    CHUNK_ELEMENTS = 1024  # of a parameter, about: the grain of threads and of norms
    # A team pays from this many floating-point operations between two barriers on; bench: D1, D2
    TEAM_FLOPS = 400_000


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

    It owns a planned arena and borrows the flat vectors of parameters. The caller has checked every
    argument of every method: shapes, dtypes, contiguity, label ranges.
    """
    cdef Plan plan
    cdef object ops_buffer, taps_buffer, arena_buffer, borrowed
    cdef int total_parameters, wanted_threads, most_threads
    cdef Py_ssize_t row_flops

    def __cinit__(
        self, list operations, list offsets, values, gradients, list states, *,
        Py_ssize_t batch, int loss, bint sparse, bint fused, bint apply_activation,
        bint mean_over_outputs, int rule, dict update, double clip_norm, int threads,
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
        arena.base = <char *>data_of(self.arena_buffer)
        arena.base += -<uintptr_t>arena.base % ALIGNMENT
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
            self.plan.op_taps[i].first_parameter = self.total_parameters
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
                self.row_flops += 2 * p.rows * cols
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
            plan.op_taps[i].between = arena.doubles(chunks)
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
        if 3 * self.row_flops * rows < TEAM_FLOPS * self.plan.ops:
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
        run.seconds = INFINITY
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
        run.seconds = seconds
        cdef int threads = self._threads(batch)
        with nogil:
            train(&run, threads)
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
            train(&run, threads)
        return loss

    def forward(self, x, outputs, y=None, losses=None):
        """Outputs of all rows of x and, given targets y, the loss of each sample (of a batch of one)."""
        cdef Run run = self._run(x, y, None, self.plan.batch)
        cdef int threads = self._threads(min(run.samples, self.plan.batch))
        run.outputs = <char *>data_of(outputs)
        if losses is not None:
            run.losses = <double *>data_of(losses)
        with nogil:
            forward(&run, threads)
