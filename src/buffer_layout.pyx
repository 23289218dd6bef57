"""Lays the buffers of a program in one arena: inputs, outputs, their gradients, states, norms and taps."""

from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uintptr_t

import numpy as np

from .arrays cimport data_of
from .gradient_buffers cimport GradientBuffers
from .op cimport (
    Op, OpTaps, PER_CHUNK, PER_STATE, PER_STEP, PER_THREAD, Parameter, SHARED, State, TIMESTEPS, block,
    chunk_count, from_row, row_chunks,
)
from .plan cimport ALIGNMENT, OpBook, Plan, writes
from .simd cimport BINARY_STATES, Matrix, Norms, PADDED, Taps


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


cdef inline bint ends_walk(const Op *op) noexcept nogil:
    """Whether the output is but the last state of a walk."""
    return op.states > 0 and op.h_places == 1


cdef inline Matrix whole(Matrix m, Py_ssize_t cols) noexcept nogil:
    """As many columns as all ops side by side have."""
    return Matrix(data=m.data, ld=m.ld, cols=cols)


cdef class BufferLayout:
    """Points a plan into an arena; laid twice, once to measure it and once to point into it."""
    cdef Plan *plan
    cdef Arena arena
    cdef int threads
    cdef Py_ssize_t windows
    cdef object gradients

    cdef void lay(self, bint input_gradient) except *:
        cdef Plan *plan = self.plan
        cdef Py_ssize_t real = plan.leaf.real_bytes
        cdef Op *first = &plan.op[0]
        cdef Op *last = &plan.op[plan.ops - 1]
        cdef Py_ssize_t inputs = self._rows(first.x_places), outputs = self._rows(last.h_places)
        cdef char *unfinished
        plan.input = self.arena.matrix(inputs, first.x.cols, real)
        plan.tokens = <int64_t *>self.arena.take(inputs * sizeof(int64_t))
        plan.ends = <int64_t *>self.arena.take(self.threads * (plan.times + 1) * sizeof(int64_t))
        if input_gradient:
            plan.input_gradient = self.arena.matrix(inputs, first.x.cols, real)
        if plan.sparse:
            plan.labels = <int64_t *>self.arena.take(outputs * sizeof(int64_t))
            plan.loss.labels = plan.labels
        plan.row_loss = self.arena.doubles(outputs)
        plan.row_right = self.arena.doubles(outputs)
        plan.row_weight = self.arena.doubles(outputs)
        if self.windows > 1:
            unfinished = <char *>self.arena.take(self.gradients.nbytes)
            plan.partial = unfinished - <char *>data_of("gradients", self.gradients, self.gradients.dtype)
        self._lay_layers()
        if not plan.sparse:
            plan.target = self.arena.matrix(outputs, plan.output.cols, real)
        self._lay_op_buffers()
        self._lay_taps()

    cdef Py_ssize_t _rows(self, Py_ssize_t places) noexcept:
        return self.plan.batch * (self.plan.times if places == TIMESTEPS else places)

    cdef void _lay_layers(self) except *:
        """Inputs, outputs and states. Ops side by side share their input, and each writes its columns of
        one output."""
        cdef Plan *plan = self.plan
        cdef Py_ssize_t real = plan.leaf.real_bytes, begin = 0, end, cols, rows
        cdef GradientBuffers gradients = self._plan_gradients()
        cdef Matrix h, dh
        cdef Op *op
        cdef int i
        gradients.lay(<char *>self.arena.take(gradients.total_bytes()))
        while begin < plan.ops:
            end, cols = self._layer(begin)
            op = &plan.op[begin]
            self._wire(gradients, begin, end)
            rows = self._rows(op.h_places)
            if op.fork:
                h = op.x
            else:
                h = from_row(self.arena.matrix(rows + 2 * plan.batch, cols, real), plan.batch, plan.leaf)
            if ends_walk(op):
                dh = self.arena.matrix(plan.batch, cols, real)
            else:
                dh = Matrix(data=gradients.place(begin), ld=padded(cols, real), cols=cols)
            op.dh2 = Matrix(data=gradients.place_of_second(begin), ld=dh.ld, cols=dh.cols)
            cols = 0
            for i in range(begin, end):
                self._lay_op(&plan.op[i], h, dh, cols)
                cols += plan.op[i].h.cols
            plan.output, plan.output_gradient = h, dh
            begin = end
        op = &plan.op[plan.ops - 1]
        plan.logits = plan.output
        if plan.loss.kind == BINARY_STATES:
            plan.logits = self._lay_logits()
        elif op.fused and op.keeps_z:
            plan.logits = op.z
            plan.loss.apply_activation = False

    cdef Matrix _lay_logits(self) noexcept:
        """The z of the last layer's walks, each of which writes its columns."""
        cdef Plan *plan = self.plan
        cdef int i = self._layer_of(plan.ops - 1)
        cdef Py_ssize_t real = plan.leaf.real_bytes, cols = plan.output.cols, col = 0
        cdef Matrix z = self.arena.matrix(self._rows(plan.op[i].x_places), cols, real), logits = z
        if ends_walk(&plan.op[i]):
            logits = self.arena.matrix(plan.batch, cols, real)
        for i in range(i, plan.ops):
            plan.op[i].loss_reads_z = True
            plan.op[i].z = block(z, col, plan.op[i].h.cols, plan.leaf)
            plan.op[i].logits = block(logits, col, plan.op[i].h.cols, plan.leaf)
            col += plan.op[i].h.cols
        return logits

    cdef GradientBuffers _plan_gradients(self):
        """Where the gradients of outputs lie: see gradient_buffers.pyx.

        The gradient of an output that is but the last state is that state's carry, and has its own place.
        """
        cdef Plan *plan = self.plan
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
        cdef Plan *plan = self.plan
        cdef Op *op = &plan.op[begin]
        cdef Op *giver
        cdef Py_ssize_t source = self._layer_of(begin + op.source), second, i
        cdef Matrix x = plan.input, dx = plan.input_gradient
        if source >= 0:
            giver = &plan.op[source]
            x = whole(giver.h, self._layer(source)[1])
            dx = whole(giver.dh2 if gradients.is_second(begin, source) else giver.dh, x.cols)
            if giver.fork and giver.dx.data == NULL and not giver.branches:
                dx.data = NULL  # nobody reads it
        for i in range(begin, end):
            plan.op[i].x, plan.op[i].dx = x, dx
            plan.op[i].adds_dx = i + 1 < end
        if op.second < 0:
            second = self._layer_of(begin + op.second)
            giver = &plan.op[second]
            op.x2 = whole(giver.h, self._layer(second)[1])
            op.dx2 = whole(giver.dh2 if giver.fork else giver.dh, op.x2.cols)

    cdef (Py_ssize_t, Py_ssize_t) _layer(self, Py_ssize_t begin) noexcept:
        """Where the layer that begins with an op ends, and its columns."""
        cdef Py_ssize_t end = begin + 1, cols = self.plan.op[begin].h.cols
        while end < self.plan.ops and self.plan.op[end].beside:
            cols += self.plan.op[end].h.cols
            end += 1
        return end, cols

    cdef void _lay_op(self, Op *op, Matrix h, Matrix dh, Py_ssize_t col) noexcept:
        """One op whose output is the columns from `col` on of its layer's output h."""
        cdef Plan *plan = self.plan
        cdef Py_ssize_t real = plan.leaf.real_bytes, n = op.h.cols, rows
        cdef Matrix sequence
        cdef State *state
        cdef int i
        op.tokens = plan.tokens
        op.h = block(h, col, n, plan.leaf)
        op.dh = block(dh, col, n, plan.leaf)
        if op.keeps_z:
            rows = self._rows(op.x_places if op.states > 0 else op.h_places)
            op.z = self.arena.matrix(rows, op.z.cols if op.z.cols > 0 else n, real)
        else:
            op.z = op.h
        if plan.open_inside and op.states > 0:
            op.total = self.arena.matrix(self._rows(op.x_places), n, real)
        if plan.open_inside and op.states > 1:
            op.cell = self.arena.matrix(self._rows(op.x_places), n, real)
        for i in range(op.states):
            state = &op.state[i]
            state.initial = self.arena.matrix(plan.batch, n, real)
            if i == 0 and op.h_places == 1:
                state.final, state.carry = op.h, op.dh
            else:
                state.final = self.arena.matrix(plan.batch, n, real)
                state.carry = self.arena.matrix(plan.batch, n, real)
            if i == 0 and op.h_places != 1:
                state.sequence = op.h
            else:
                sequence = self.arena.matrix(self._rows(op.x_places) + 2 * plan.batch, n, real)
                state.sequence = from_row(sequence, plan.batch, plan.leaf)

    cdef void _lay_op_buffers(self) noexcept:
        """What the kinds asked for, the norms of parameters, and the states that windows start from."""
        cdef Plan *plan = self.plan
        cdef Py_ssize_t real = plan.leaf.real_bytes
        cdef Op *op
        cdef int i, j
        for i in range(plan.ops):
            op = &plan.op[i]
            for j in range(op.buffers):
                op.buffer[j].matrix = self._lay_buffer(op, j)
            for j in range(op.states):
                if self.windows > 1 or plan.truncated:
                    plan.book[i].saved[j] = self.arena.matrix(self.windows * plan.batch, op.h.cols, real)
                if plan.keeps:
                    plan.book[i].kept[j] = self.arena.matrix(plan.batch, op.h.cols, real)
            self._lay_norms(op, &plan.book[i])
        plan.op_norms = self.arena.doubles(plan.ops)

    cdef void _lay_norms(self, Op *op, OpBook *book) noexcept:
        """Of an op's parameters; those of the gradients side by side."""
        cdef Py_ssize_t real = self.plan.leaf.real_bytes, chunks
        cdef Parameter *p
        cdef int i
        book.gradient_chunks = 0
        for i in range(op.parameters):
            book.gradient_chunks += whole_line(chunk_count(&op.parameter[i]))
        book.gradient_norms = self.arena.doubles(book.gradient_chunks)
        cdef double *gradient_norms = book.gradient_norms
        for i in range(op.parameters):
            p = &op.parameter[i]
            chunks = whole_line(chunk_count(p))
            p.norms = Norms(
                weight=self.arena.doubles(chunks), gradient=gradient_norms,
                update=self.arena.doubles(chunks), ratios=NULL,
            )
            if gradient_norms != NULL:
                gradient_norms += chunks
            if writes(self.plan, True):
                p.treated_norms = self.arena.doubles(chunks)
            if self.plan.keeps and not p.trained:
                p.kept = self.arena.take(p.padded * real)
            if self.plan.treatment.clip_adaptive < INFINITY:
                p.factors = self.arena.take(2 * PADDED(p.value.cols) * real)

    cdef Matrix _lay_buffer(self, const Op *op, int number) noexcept:
        cdef Py_ssize_t cols = op.buffer[number].matrix.cols, real = self.plan.leaf.real_bytes
        cdef Matrix sequence
        scope = op.buffer[number].scope
        if scope == PER_CHUNK:
            return self.arena.matrix(row_chunks(self.plan.batch), cols, sizeof(double))
        if scope == PER_STEP:
            return self.arena.matrix(self._rows(op.x_places), cols, real)
        if scope == PER_STATE:
            sequence = self.arena.matrix(self._rows(op.x_places) + 2 * self.plan.batch, cols, real)
            return from_row(sequence, self.plan.batch, self.plan.leaf)
        if scope == PER_THREAD:
            return self.arena.matrix(self.threads, cols, real)
        return self.arena.matrix(1 if scope == SHARED else self._rows(1), cols, real)

    cdef void _lay_taps(self) noexcept:
        cdef Plan *plan = self.plan
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
                delta_norm=self.arena.doubles(chunks), mean=self.arena.doubles(chunks),
                deviation=self.arena.doubles(chunks), saturated=self.arena.doubles(chunks),
                slopes=self.arena.take(self.threads * plan.book[i].slope_stride),
                delta_bins=NULL, output_bins=NULL, units=NULL,
            )
            taps.gate_norm[0] = taps.layer.delta_norm
            taps.gate_saturated[0] = taps.layer.saturated
            for gate in range(1, op.gates):
                taps.gate_norm[gate] = self.arena.doubles(chunks)
                taps.gate_saturated[gate] = self.arena.doubles(chunks)
            if op.branches:
                taps.skip = self.arena.doubles(chunks)
                taps.body = self.arena.doubles(chunks)
            if op.states > 0:
                taps.total = self.arena.doubles(chunks)
                taps.direct = self.arena.doubles(chunks)
            if op.states > 1:
                taps.cell = self.arena.doubles(chunks)


cdef object lay_buffers(Plan *plan, int threads, Py_ssize_t windows, bint input_gradient, gradients):
    cdef BufferLayout layout = BufferLayout()
    cdef Arena arena = Arena()
    layout.plan = plan
    layout.arena = arena
    layout.threads = threads
    layout.windows = windows
    layout.gradients = gradients
    layout.lay(input_gradient)
    memory = np.zeros(arena.used + 2 * ALIGNMENT, np.uint8)
    arena.base = <char *>data_of("memory", memory, memory.dtype)
    arena.base += -<uintptr_t>arena.base % ALIGNMENT
    arena.used = 0
    layout.lay(input_gradient)
    return memory
