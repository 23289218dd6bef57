"""Plans a network for the engine: where every parameter, activation and gradient lies."""

from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint64_t, uintptr_t
from libc.string cimport memset

import numpy as np

from .arrays cimport data_of
from .engine cimport forward, train
from .op cimport (
    MAX_STATES, Op, OpTaps, Operation, PER_CHUNK, PER_STATE, PER_STEP, PER_THREAD, Parameter, SHARED, State,
    TIMESTEPS, block, from_row, row_chunks,
)
from .gradient_buffers cimport GradientBuffers
from .plan cimport OpBook, Plan, Run, StateArrays, writes
from .simd cimport LossCall, LossKind, Matrix, Norms, Rule, Taps, leaf_table
from .team cimport MAX_THREADS, Pace

cdef enum:
    ALIGNMENT = 64         # bytes: a cache line, and the widest vector
    # Rows of a gradient that are updated while they are in cache: so many bytes, but enough rows that
    # a product over them pays for packing its other factor
    BLOCK_BYTES = 24_576
    BLOCK_ROWS = 128
    CHUNK_ELEMENTS = 1024  # of a parameter, about: the grain of threads and of norms
    # A team pays from this many floating-point operations between two barriers on; bench: D1, D2
    TEAM_FLOPS = 400_000


cdef Py_ssize_t padded(Py_ssize_t cols, Py_ssize_t real_bytes) noexcept:
    """Elements from row to row: whole vectors, but not so that all rows fall into one set of the cache."""
    cdef Py_ssize_t lanes = ALIGNMENT // real_bytes, ld = (cols + lanes - 1) // lanes * lanes
    return ld + lanes if ld * real_bytes % 2048 == 0 else ld


cdef Py_ssize_t whole_line(Py_ssize_t doubles) noexcept:
    """So many doubles, filled up to a cache line."""
    return (doubles + 7) & ~7


cdef class Arena:
    """Hands out aligned pieces of one buffer; without a buffer it only measures."""
    cdef Py_ssize_t used
    cdef char *base

    cdef void *take(self, Py_ssize_t size) noexcept:
        cdef void *piece = self.base + self.used if self.base != NULL else NULL
        self.used += (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
        return piece

    cdef Matrix matrix(self, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t real_bytes) noexcept:
        cdef Py_ssize_t ld = padded(cols, real_bytes)
        return Matrix(data=self.take(rows * ld * real_bytes), ld=ld, cols=cols)

    cdef double *doubles(self, Py_ssize_t n) noexcept:
        return <double *>self.take(n * sizeof(double))


cdef Py_ssize_t rows_per_chunk(Py_ssize_t rows, Py_ssize_t cols) noexcept:
    """Rows of about CHUNK_ELEMENTS elements whose end falls on a whole vector of either dtype."""
    cdef Py_ssize_t unit = 16
    while unit > 1 and (unit // 2) * cols % 16 == 0:
        unit //= 2
    return unit * max(1, CHUNK_ELEMENTS // (unit * cols))


cdef Py_ssize_t chunk_count(const Parameter *p) noexcept:
    return (p.rows + p.chunk_rows - 1) // p.chunk_rows


cdef inline bint ends_walk(const Op *op) noexcept nogil:
    """Whether the output is but the last state of a walk."""
    return op.states > 0 and op.h_places == 1


cdef inline Matrix whole(Matrix m, Py_ssize_t cols) noexcept nogil:
    """As many columns as all ops side by side have."""
    return Matrix(data=m.data, ld=m.ld, cols=cols)


cdef class Program:
    """A network, its loss and its optimizer, planned for minibatches of up to `batch` rows and, where it
    takes sequences, for windows of `times` timesteps.

    Longer sequences are run window by window; `windows` of them must be enough for the longest, but 1 is
    for updates that are `truncated` to one window each. It owns a planned arena and borrows the flat
    vectors of parameters. The caller has checked every argument of every method: shapes, dtypes,
    contiguity, ranges of integers.
    """
    cdef Plan plan
    cdef object ops_buffer, book_buffer, state_buffer, arena_buffer, borrowed
    cdef int total_parameters, time_ops, wanted_threads, most_threads
    cdef Py_ssize_t windows
    cdef double step_flops, row_flops
    cdef StateArrays *state
    cdef Pace training_pace, forward_pace

    def __cinit__(
        self, list operations, list offsets, values, gradients, list states, *,
        Py_ssize_t batch, Py_ssize_t times, Py_ssize_t windows, bint truncated, bint input_gradient,
        bint image_input, bint image_output,
        int loss, bint sparse, bint fused, bint apply_activation, bint mean_over_outputs,
        bint mean_over_places, int rule, dict update, dict treatment, list rates, int threads, uint64_t seed,
    ):
        """`offsets[i][j]`: the first element of parameter j of operation i in the flat vectors `values`,
        `gradients` and `states` (at most RULE_STATES). `input_gradient`: of x and of initial states, too.
        `image_input`, `image_output`: arrays outside have the channels before the places. `rates`: each
        operation's factor of the learning rate, 0 to leave it as it is."""
        cdef Operation operation
        cdef Py_ssize_t real_bytes = values.itemsize
        cdef Arena arena
        self.borrowed = (operations, values, gradients, states)
        self.wanted_threads = threads
        self.most_threads = min(threads, MAX_THREADS)
        self.ops_buffer = bytearray(len(operations) * sizeof(Op))
        self.book_buffer = bytearray(len(operations) * sizeof(OpBook))
        self.state_buffer = bytearray(len(operations) * MAX_STATES * sizeof(StateArrays))
        self.state = <StateArrays *><char *>self.state_buffer
        self.plan.ops = len(operations)
        self.plan.op = <Op *><char *>self.ops_buffer
        self.plan.book = <OpBook *><char *>self.book_buffer
        for i, operation in enumerate(operations):
            self.plan.op[i] = operation.op
            self.plan.op[i].stream = i
            self.plan.book[i].time_index = -1
            self.plan.book[i].rate = rates[i]
            if rates[i] == 0:
                self.plan.op[i].momentum = 0
            if operation.op.states > 0:
                self.plan.book[i].time_index = self.time_ops
                self.time_ops += 1
        self.plan.op[self.plan.ops - 1].fused = fused
        self.plan.leaf = leaf_table(real_bytes)
        self.plan.batch = batch
        self.plan.times = times
        self.windows = windows
        self.plan.truncated = truncated
        self.plan.wants_initial = input_gradient
        self.plan.sparse = sparse
        self.plan.loss = LossCall(
            kind=<LossKind>loss, apply_activation=apply_activation, scale=1, labels=NULL
        )
        self.plan.mean_over_places = mean_over_places
        self.plan.image_input = image_input
        self.plan.image_output = image_output
        self.plan.seed = seed
        self.plan.rule = <Rule>rule
        self.plan.update = update
        self.plan.treatment = treatment
        self.amplify([1.0] * self.plan.ops)
        self._lay_parameters(offsets, values, gradients, states)

        arena = Arena()
        self._lay_buffers(arena, input_gradient)
        self.arena_buffer = np.zeros(arena.used + 2 * ALIGNMENT, np.uint8)
        arena.base = <char *>data_of(self.arena_buffer)
        arena.base += -<uintptr_t>arena.base % ALIGNMENT
        arena.used = 0
        self._lay_buffers(arena, input_gradient)
        self.plan.loss_rows_scale = 1.0 / self.plan.output.cols if mean_over_outputs else 1.0

    cdef void _lay_parameters(self, list offsets, values, gradients, list states) except *:
        cdef char *value = <char *>data_of(values)
        cdef char *gradient = <char *>data_of(gradients)
        cdef Py_ssize_t offset, cols, real_bytes = self.plan.leaf.real_bytes
        cdef Py_ssize_t lanes = ALIGNMENT // real_bytes
        cdef Parameter *p
        cdef int i, j, k
        for i in range(self.plan.ops):
            self.plan.book[i].first_parameter = self.total_parameters
            for j in range(self.plan.op[i].parameters):
                p = &self.plan.op[i].parameter[j]
                cols = p.value.cols
                p.offset = offsets[i][j]
                offset = p.offset * real_bytes
                p.value = Matrix(data=value + offset, ld=cols, cols=cols)
                p.gradient = Matrix(data=gradient + offset, ld=cols, cols=cols)
                for k in range(len(states)):
                    p.state[k] = <char *>data_of(states[k]) + offset
                p.padded = (p.rows * cols + lanes - 1) // lanes * lanes
                p.chunk_rows = rows_per_chunk(p.rows, cols)
                p.block_rows = max(BLOCK_ROWS, BLOCK_BYTES // (cols * real_bytes))
                p.block_rows = (p.block_rows + p.chunk_rows - 1) // p.chunk_rows * p.chunk_rows
                if self.plan.op[i].flops == 0 and self.plan.op[i].x_places == TIMESTEPS:
                    self.step_flops += 2 * p.rows * cols
                elif self.plan.op[i].flops == 0:
                    self.row_flops += 2 * p.rows * cols * self.plan.op[i].x_places
                self.total_parameters += 1
            self.row_flops += self.plan.op[i].flops
            for j in range(self.plan.op[i].states):
                if self.plan.op[i].state[j].parameter >= 0:
                    self.plan.wants_initial = True

    cdef void _lay_buffers(self, Arena arena, bint input_gradient) noexcept:
        """Plans the arena; run once to measure it and once to point into it."""
        cdef Plan *plan = &self.plan
        cdef Py_ssize_t real = plan.leaf.real_bytes
        cdef Op *first = &plan.op[0]
        cdef Op *last = &plan.op[plan.ops - 1]
        cdef Py_ssize_t inputs = self._rows(first.x_places), outputs = self._rows(last.h_places)
        plan.input = arena.matrix(inputs, first.x.cols, real)
        plan.tokens = <int64_t *>arena.take(inputs * sizeof(int64_t))
        plan.ends = <int64_t *>arena.take(self.most_threads * (plan.times + 1) * sizeof(int64_t))
        if input_gradient:
            plan.input_gradient = arena.matrix(inputs, first.x.cols, real)
        if plan.sparse:
            plan.labels = <int64_t *>arena.take(outputs * sizeof(int64_t))
            plan.loss.labels = plan.labels
        plan.row_loss = arena.doubles(outputs)
        self._lay_layers(arena)
        if not plan.sparse:
            plan.target = arena.matrix(outputs, plan.output.cols, real)
        self._lay_op_buffers(arena)
        self._lay_taps(arena)

    cdef Py_ssize_t _rows(self, Py_ssize_t places) noexcept:
        return self.plan.batch * (self.plan.times if places == TIMESTEPS else places)

    cdef void _lay_layers(self, Arena arena):
        """Inputs, outputs and states. Ops side by side share their input, and each writes its columns of
        one output."""
        cdef Plan *plan = &self.plan
        cdef Py_ssize_t real = plan.leaf.real_bytes, begin = 0, end, cols, rows
        cdef GradientBuffers gradients = self._plan_gradients()
        cdef Matrix h, dh
        cdef Op *op
        cdef int i
        gradients.lay(<char *>arena.take(gradients.total_bytes()))
        while begin < plan.ops:
            end, cols = self._layer(begin)
            op = &plan.op[begin]
            self._wire(gradients, begin, end)
            rows = self._rows(op.h_places)
            if op.fork:
                h = op.x
            else:
                h = from_row(arena.matrix(rows + 2 * plan.batch, cols, real), plan.batch, plan.leaf)
            if ends_walk(op):
                dh = arena.matrix(plan.batch, cols, real)
            else:
                dh = Matrix(data=gradients.place(begin), ld=padded(cols, real), cols=cols)
            op.dh2 = Matrix(data=gradients.place_of_second(begin), ld=dh.ld, cols=dh.cols)
            cols = 0
            for i in range(begin, end):
                self._lay_op(arena, &plan.op[i], h, dh, cols)
                cols += plan.op[i].h.cols
            plan.output, plan.output_gradient = h, dh
            begin = end

    cdef GradientBuffers _plan_gradients(self):
        """Where the gradients of outputs lie: see gradient_buffers.pyx.

        The gradient of an output that is but the last state is that state's carry, and has its own place.
        """
        cdef Plan *plan = &self.plan
        cdef GradientBuffers gradients = GradientBuffers(plan.ops)
        cdef Py_ssize_t begin = 0, end, cols, source, second
        cdef Op *op
        while begin < plan.ops:
            end, cols = self._layer(begin)
            op = &plan.op[begin]
            source = self._layer_of(begin + op.source)
            second = self._layer_of(begin + op.second) if op.second < 0 else -1
            gradients.add_layer(
                begin, end, source, second, fork=op.fork,
                size=0 if ends_walk(op) else (
                    self._rows(op.h_places) * padded(cols, plan.leaf.real_bytes) * plan.leaf.real_bytes
                ),
                in_place=op.in_place and source >= 0 and not ends_walk(&plan.op[source]),
            )
            begin = end
        return gradients

    cdef Py_ssize_t _layer_of(self, Py_ssize_t index) noexcept:
        """The first of the ops side by side with one; -1 is the input."""
        while index >= 0 and self.plan.op[index].beside:
            index -= 1
        return index

    cdef void _wire(self, GradientBuffers gradients, Py_ssize_t begin, Py_ssize_t end):
        """What the ops of a layer read, and where the gradients of that go."""
        cdef Plan *plan = &self.plan
        cdef Op *op = &plan.op[begin]
        cdef Op *giver
        cdef Py_ssize_t source = self._layer_of(begin + op.source), i
        cdef Matrix x = plan.input, dx = plan.input_gradient
        if source >= 0:
            giver = &plan.op[source]
            x = whole(giver.h, self._layer(source)[1])
            dx = whole(giver.dh2 if gradients.is_second(begin, source) else giver.dh, x.cols)
        for i in range(begin, end):
            plan.op[i].x, plan.op[i].dx = x, dx
            plan.op[i].adds_dx = i + 1 < end
        if op.second < 0:
            giver = &plan.op[self._layer_of(begin + op.second)]
            op.x2 = whole(giver.h, op.h.cols)
            op.dx2 = whole(giver.dh2 if giver.fork else giver.dh, op.h.cols)

    cdef (Py_ssize_t, Py_ssize_t) _layer(self, Py_ssize_t begin) noexcept:
        """Where the layer that begins with an op ends, and its columns."""
        cdef Py_ssize_t end = begin + 1, cols = self.plan.op[begin].h.cols
        while end < self.plan.ops and self.plan.op[end].beside:
            cols += self.plan.op[end].h.cols
            end += 1
        return end, cols

    cdef void _lay_op(
        self, Arena arena, Op *op, Matrix h, Matrix dh, Py_ssize_t col
    ) noexcept:
        """One op whose output is the columns from `col` on of its layer's output h."""
        cdef Plan *plan = &self.plan
        cdef Py_ssize_t real = plan.leaf.real_bytes, n = op.h.cols, rows
        cdef Matrix sequence
        cdef State *state
        cdef int i
        op.tokens = plan.tokens
        op.h = block(h, col, n, plan.leaf)
        op.dh = block(dh, col, n, plan.leaf)
        if op.keeps_z:
            rows = self._rows(op.x_places if op.states > 0 else op.h_places)
            op.z = arena.matrix(rows, op.z.cols if op.z.cols > 0 else n, real)
        else:
            op.z = op.h
        for i in range(op.states):
            state = &op.state[i]
            state.initial = arena.matrix(plan.batch, n, real)
            if i == 0 and op.h_places == 1:
                state.final, state.carry = op.h, op.dh
            else:
                state.final = arena.matrix(plan.batch, n, real)
                state.carry = arena.matrix(plan.batch, n, real)
            if i == 0 and op.h_places != 1:
                state.sequence = op.h
            else:
                sequence = arena.matrix(self._rows(op.x_places) + 2 * plan.batch, n, real)
                state.sequence = from_row(sequence, plan.batch, plan.leaf)

    cdef void _lay_op_buffers(self, Arena arena) noexcept:
        """What the kinds asked for, the norms of parameters, and the states that windows start from."""
        cdef Plan *plan = &self.plan
        cdef Py_ssize_t real = plan.leaf.real_bytes
        cdef Op *op
        cdef int i, j
        for i in range(plan.ops):
            op = &plan.op[i]
            for j in range(op.buffers):
                op.buffer[j].matrix = self._lay_buffer(arena, op, j)
            for j in range(op.states):
                if self.windows > 1 or plan.truncated:
                    plan.book[i].saved[j] = arena.matrix(self.windows * plan.batch, op.h.cols, real)
            self._lay_norms(arena, op, &plan.book[i])
        plan.op_norms = arena.doubles(plan.ops)

    cdef void _lay_norms(self, Arena arena, Op *op, OpBook *book) noexcept:
        """Of an op's parameters; those of the gradients side by side."""
        cdef Py_ssize_t real = self.plan.leaf.real_bytes, chunks
        cdef Parameter *p
        cdef int i
        book.gradient_chunks = 0
        for i in range(op.parameters):
            book.gradient_chunks += whole_line(chunk_count(&op.parameter[i]))
        book.gradient_norms = arena.doubles(book.gradient_chunks)
        cdef double *gradient_norms = book.gradient_norms
        for i in range(op.parameters):
            p = &op.parameter[i]
            chunks = whole_line(chunk_count(p))
            p.norms = Norms(
                weight=arena.doubles(chunks), gradient=gradient_norms, update=arena.doubles(chunks)
            )
            if gradient_norms != NULL:
                gradient_norms += chunks
            if writes(&self.plan, True):
                p.treated_norms = arena.doubles(chunks)
            if self.plan.treatment.clip_adaptive < INFINITY:
                p.factors = arena.take(padded(p.value.cols, real) * real)

    cdef Matrix _lay_buffer(self, Arena arena, const Op *op, int number) noexcept:
        cdef Py_ssize_t cols = op.buffer[number].matrix.cols, real = self.plan.leaf.real_bytes
        cdef Matrix sequence
        scope = op.buffer[number].scope
        if scope == PER_CHUNK:
            return arena.matrix(row_chunks(self.plan.batch), cols, sizeof(double))
        if scope == PER_STEP:
            return arena.matrix(self._rows(op.x_places), cols, real)
        if scope == PER_STATE:
            sequence = arena.matrix(self._rows(op.x_places) + 2 * self.plan.batch, cols, real)
            return from_row(sequence, self.plan.batch, self.plan.leaf)
        if scope == PER_THREAD:
            return arena.matrix(self.most_threads, cols, real)
        return arena.matrix(1 if scope == SHARED else self._rows(1), cols, real)

    cdef void _lay_taps(self, Arena arena) noexcept:
        cdef Plan *plan = &self.plan
        cdef Py_ssize_t real = plan.leaf.real_bytes, chunks, places
        cdef OpTaps *taps
        cdef Op *op
        cdef int i, gate
        for i in range(plan.ops):
            op = &plan.op[i]
            places = op.x_places if op.states > 0 else op.h_places
            chunks = row_chunks(self.plan.batch) * (plan.times if places == TIMESTEPS else places)
            plan.book[i].slope_stride = padded(op.h.cols, real) * real
            taps = &plan.book[i].taps
            taps.layer = Taps(
                delta_norm=arena.doubles(chunks), mean=arena.doubles(chunks),
                deviation=arena.doubles(chunks), saturated=arena.doubles(chunks),
                slopes=arena.take(self.most_threads * plan.book[i].slope_stride),
            )
            taps.gate_norm[0] = taps.layer.delta_norm
            taps.gate_saturated[0] = taps.layer.saturated
            for gate in range(1, op.gates):
                taps.gate_norm[gate] = arena.doubles(chunks)
                taps.gate_saturated[gate] = arena.doubles(chunks)
            if op.branches:
                taps.skip = arena.doubles(chunks)
                taps.body = arena.doubles(chunks)
            if op.states > 0:
                taps.total = arena.doubles(chunks)
                taps.direct = arena.doubles(chunks)
            if op.states > 1:
                taps.cell = arena.doubles(chunks)

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

    def amplify(self, list factors):
        """Multiply each operation's gradient by a factor before it is clipped and applied."""
        for i, factor in enumerate(factors):
            self.plan.book[i].amplification = self.plan.book[i].scale = factor

    @property
    def walks(self):
        """Timesteps of each walk, in order; 0 where they are those of the call."""
        return [self.plan.op[i].x_places for i in range(self.plan.ops) if self.plan.op[i].states > 0]

    @property
    def times(self):
        """Timesteps of a window."""
        return self.plan.times

    @property
    def longest(self):
        """Timesteps of the longest sequences that can be run: any, if each window is a step of its own."""
        return 2**63 - 1 if self.plan.truncated and self.windows == 1 else self.plan.times * self.windows

    cdef int _threads(self, Py_ssize_t rows, Py_ssize_t times) noexcept:
        """Threads that pay for minibatches of `rows`: a step meets once per operation."""
        if 3 * rows * (self.row_flops + self.step_flops * times) < TEAM_FLOPS * self.plan.ops:
            return 1
        return self.most_threads

    cdef Run _run(self, x, y, order, Py_ssize_t batch, dict extra) except *:
        """A run over samples x and their targets y (None: outputs only). extra: lengths; states, a list of
        (initial, final, gradient, by_row) per state of each op, whose arrays may be None."""
        cdef Run run
        memset(&run, 0, sizeof(Run))
        run.plan = &self.plan
        cdef Py_ssize_t places = self.plan.op[0].x_places
        run.times = x.shape[1] if places == TIMESTEPS else 1
        if self.plan.op[0].integers:
            run.tokens = <const int64_t *>data_of(x)
        else:
            run.x = self._outside(x, self.plan.input.cols, self.plan.image_input, places)
        run.samples = len(x) if order is None else len(order)
        run.batch = batch
        run.seconds = INFINITY
        run.parameters = self.total_parameters
        run.time_ops = self.time_ops
        if order is not None:
            run.order = <const int64_t *>data_of(order)
        if y is not None and self.plan.sparse:
            run.labels = <const int64_t *>data_of(y)
        elif y is not None:
            run.y = self._outside(
                y, self.plan.target.cols, self.plan.image_output,
                self.plan.op[self.plan.ops - 1].h_places,
            )
        run.state = self.state
        if self.time_ops > 0:
            memset(self.state, 0, len(self.state_buffer))
        if extra:
            self._fill_extra(&run, extra)
        return run

    cdef Matrix _outside(self, array, Py_ssize_t cols, bint image, Py_ssize_t places) except *:
        """Samples outside: a row for each place, or for each image."""
        return Matrix(data=<void *>data_of(array), ld=cols * places if image else cols, cols=cols)

    cdef int _fill_extra(self, Run *run, dict extra) except -1:
        cdef StateArrays *arrays
        cdef int i, j
        if extra.get("lengths") is not None:
            run.lengths = <const int64_t *>data_of(extra["lengths"])
        states = iter(extra.get("states", ()))
        for i in range(self.plan.ops):
            for j in range(self.plan.op[i].states):
                initial, final, gradient, by_row = next(states, (None, None, None, False))
                arrays = self.state + i * MAX_STATES + j
                arrays.by_row = by_row
                if initial is not None:
                    arrays.initial = <const char *>data_of(initial)
                if final is not None:
                    arrays.final = <char *>data_of(final)
                if gradient is not None:
                    arrays.gradient = <char *>data_of(gradient)
        if extra.get("input_gradient") is not None:
            run.input_gradient = <char *>data_of(extra["input_gradient"])
        return 0

    def train(
        self, x, y, order, losses, *, Py_ssize_t batch, Py_ssize_t begin=0,
        Py_ssize_t begin_window=0, bint updating=True, double seconds=INFINITY, rates=None,
        record=None, op_record=None, parameter_record=None, time_record=None, **extra,
    ):
        """Run len(losses) steps, or as many as fit into `seconds`; return how many were done.

        x (n, inputs), (n, times, inputs) or (n, times) int64, y (n, outputs), (n, times, outputs) or
        labels (n,) or (n, times) int64, order (m,) int64 or None; minibatches are taken in order from
        sample `begin` on, each as one step or, truncated and with targets in time, as one per window; the
        first of them from `begin_window` on, if an earlier call did the windows before.
        losses (steps,) float64 is written; rates (steps,) float64: learning rates, if not `rate`.
        record (steps,) int64: the row of op_record (rows, ops, 7), parameter_record (rows, parameters, 4)
        and time_record (rows, recurrent ops, times, 11) to write, or -1. extra: lengths (n,) int64, not
        rising along the rows of a minibatch; states, see `_run`; input_gradient, like x, written.
        """
        cdef Run run = self._run(x, y, order, batch, extra)
        run.begin = begin
        run.begin_window = begin_window
        run.stepping = (
            updating and self.plan.truncated
            and self.plan.op[self.plan.ops - 1].h_places == TIMESTEPS
        )
        run.steps = len(losses)
        run.updating = updating
        run.losses = <double *>data_of(losses)
        run.first_step = self.plan.time
        if rates is not None:
            run.rates = <const double *>data_of(rates)
        if record is not None:
            run.record = <const int64_t *>data_of(record)
            run.op_record = <double *>data_of(op_record)
            run.parameter_record = <double *>data_of(parameter_record)
            run.time_record = <double *>data_of(time_record)
            run.record_times = time_record.shape[2]
        run.seconds = seconds
        run.most_threads = self._threads(batch, run.times)
        run.pace = &self.training_pace
        with nogil:
            train(&run)
        return run.done

    def train_batch(self, x, y):
        """One step on x and y, of one window; returns its loss. For callers in a hurry."""
        cdef Run run = self._run(x, y, None, len(x), None)
        cdef double loss
        run.steps = 1
        run.updating = True
        run.first_step = self.plan.time
        run.losses = &loss
        run.most_threads = self._threads(run.batch, run.times)
        run.pace = &self.training_pace
        with nogil:
            train(&run)
        return loss

    def forward(self, x, outputs, y=None, losses=None, *, order=None, batch=None, **extra):
        """Outputs of all rows of x, zeros before the call and, given targets y, the loss of each sample,
        added to losses: the sum over its outputs or their mean, and the sum over timesteps."""
        cdef Run run = self._run(x, y, order, self.plan.batch if batch is None else batch, extra)
        run.most_threads = self._threads(min(run.samples, self.plan.batch), run.times)
        run.pace = &self.forward_pace
        run.outputs = <char *>data_of(outputs)
        if losses is not None:
            run.losses = <double *>data_of(losses)
        with nogil:
            forward(&run)
