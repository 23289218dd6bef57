"""A network that is planned and runs: the object that Python holds."""

from cpython.object cimport PyObject
from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint16_t, uint64_t
from libc.string cimport memcpy, memset

import numpy as np

from .arrays cimport data_of, doubles_of, int64s_of
from .bins cimport lay_tables, most_entries
from .buffer_layout cimport lay_buffers
from .engine cimport forward, train
from .op cimport MAX_GATES, MAX_STATES, Op, Operation, Parameter, TIMESTEPS, from_row
from .parameter_layout cimport lay_parameters
from .plan cimport IGNORE, NOTICE, OpBook, Plan, REFUSE, Run, Sight, StateArrays
from .recurrent cimport TOTAL
from .sights cimport find_sights, open_op
from .sights import WHAT
from .simd cimport Factor, Judge, LossCall, LossKind, Matrix, Rule, leaf_table
from .team cimport MAX_THREADS, Pace
from .units cimport lay_units

cdef enum:
    # A team pays from this many floating-point operations between two barriers on; bench: D1, D2
    TEAM_FLOPS = 400_000


cdef int write_record(Run *run, record, op_record, parameter_record, time_record) except -1:
    """Have the engine write what the tracker sees."""
    run.record = int64s_of("record", record)
    run.op_record = doubles_of("op_record", op_record)
    run.parameter_record = doubles_of("parameter_record", parameter_record)
    run.time_record = doubles_of("time_record", time_record)
    run.record_times = time_record.shape[2]
    return 0


cdef int write_parts(Run *run, dict told) except -1:
    """Have the engine write what is told of some steps."""
    if "distributions" in told:
        record, places, entries = told["distributions"]
        run.bin_record = int64s_of("bin_record", record)
        run.bin_places = int64s_of("bin_places", places)
        run.bin_entries = <uint16_t *>data_of("bin_entries", entries, np.dtype(np.uint16))
        run.bin_room = len(entries)
    if "units" in told:
        record, fields = told["units"]
        run.unit_record = int64s_of("unit_record", record)
        run.unit_fields = doubles_of("unit_fields", fields)
    return 0


cdef class Program:
    """A network, its loss and its optimizer, planned for minibatches of up to `batch` rows and, where it
    takes sequences, for windows of `times` timesteps.

    Longer sequences are run window by window; `windows` of them must be enough for the longest, but 1 is
    for updates that are `truncated` to one window each. It owns a planned arena and borrows the flat
    vectors of parameters. The caller has checked every argument of every method: shapes, dtypes,
    contiguity, ranges of integers.
    """
    cdef Plan plan
    cdef readonly object dtype  # of parameters and of samples
    cdef object ops_buffer, book_buffer, state_buffer, arena_buffer, sights_buffer, borrowed, tables, units
    cdef int total_parameters, time_ops, wanted_threads, most_threads
    cdef Py_ssize_t windows
    cdef double step_flops, row_flops
    cdef StateArrays *state
    cdef Pace training_pace, forward_pace
    cdef bint last_broken, custom, asking

    def __cinit__(
        self, list operations, list offsets, values, gradients, list states, *,
        Py_ssize_t batch, Py_ssize_t times, Py_ssize_t windows, bint truncated, bint input_gradient,
        bint image_input, bint image_output, bint open_inside,
        bint refuses, dict loss, bint custom, bint sparse, bint ignoring, bint fused, bint apply_activation,
        bint mean_over_outputs, bint mean_over_places, int rule, dict update, dict treatment, list rates,
        frozenset undecayed, int threads, uint64_t seed,
    ):
        """`offsets[i][j]`: the first element of parameter j of operation i in the flat vectors `values`,
        `gradients` and `states` (at most RULE_STATES). `input_gradient`: of x and of initial states, too.
        `open_inside`: `sights` may be copied. `refuses`: steps whose loss or gradient is not finite.
        `loss`: the numbers of a LossCall and of its Judge; `custom`: a function of Python's takes its place.
        `ignoring`: labels may be below 0. `image_input`, `image_output`: arrays outside have the channels
        before the places. `rates`: each operation's factor of the learning rate, 0 to leave it as it is.
        `undecayed`: the offsets of parameters without weight decay."""
        cdef Operation operation
        cdef Py_ssize_t real_bytes = values.itemsize
        self.dtype = np.dtype(f"f{real_bytes}")
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
            if open_inside:
                open_op(&self.plan.op[i])
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
        self.plan.open_inside = open_inside
        self.plan.wants_initial = input_gradient
        self.plan.guard = REFUSE if refuses else IGNORE
        self.plan.keeps = refuses or custom
        self.custom = custom
        self.plan.sparse = sparse
        self.plan.ignoring = ignoring
        self.plan.loss = LossCall(
            kind=<LossKind><int>loss["kind"], apply_activation=apply_activation, scale=1,
            parameter=loss["parameter"], kept=loss["kept"], spread=loss["spread"],
            labels=NULL, weights=NULL,
            judge=Judge(
                by_class=loss["by_class"], middle=loss["middle"], target_middle=loss["target_middle"],
                right=NULL,
            ),
        )
        self.plan.mean_over_places = mean_over_places
        self.plan.image_input = image_input
        self.plan.image_output = image_output
        self.plan.seed = seed
        self.plan.rule = <Rule>rule
        self.plan.update = update
        self.plan.treatment = treatment
        self.amplify([1.0] * self.plan.ops)
        self.total_parameters = lay_parameters(&self.plan, offsets, values, gradients, states, undecayed)
        self._count_flops()
        self.arena_buffer = lay_buffers(
            &self.plan, self.most_threads, windows, input_gradient, gradients
        )
        self.plan.loss_rows_scale = 1.0 / self.plan.output.cols if mean_over_outputs else 1.0

    def tell_bins(self, frozenset weights):
        """From now on distributions can be recorded, of the parameters whose offsets are `weights`; returns
        how many words those of a step may take."""
        if self.tables is None:
            self._count(weights)
            self.tables = lay_tables(&self.plan, self.most_threads)
        return most_entries(&self.plan)

    def tell_units(self, frozenset weights):
        """From now on units can be recorded; returns how many each operation has."""
        if self.units is None:
            self._count(weights)
            self.units = lay_units(&self.plan, self.most_threads)
        return [self.plan.op[i].h.cols for i in range(self.plan.ops)]

    cdef void _count(self, frozenset weights) except *:
        """Mark the parameters whose offsets are `weights`."""
        cdef Parameter *p
        cdef int i, j
        for i in range(self.plan.ops):
            for j in range(self.plan.op[i].parameters):
                p = &self.plan.op[i].parameter[j]
                p.counted = p.trained and p.offset in weights

    @property
    def arena_bytes(self):
        """Size of the arena."""
        return self.arena_buffer.nbytes

    @property
    def threads(self):
        """Threads it may use."""
        return self.wanted_threads

    @property
    def notices(self):
        """Whether a call stops behind a step whose loss is not finite, which is applied."""
        return self.plan.guard == NOTICE

    @notices.setter
    def notices(self, bint value):
        if self.plan.guard != REFUSE:
            self.plan.guard = NOTICE if value else IGNORE

    @property
    def broken(self):
        """Whether the last call stopped at a step that is not finite."""
        return self.last_broken

    def sights(self, int index):
        """What can be seen of an operation, (places, columns) of each by name; 0 places: all timesteps."""
        cdef Sight found[MAX_GATES]
        cdef int count
        seen = {}
        for what in WHAT:
            count = find_sights(&self.plan, index, what, found)
            if count > 0:
                seen[what] = found[0].places, count * found[0].source.cols
        return seen

    cdef object _sights(self, Run *run, list wanted):
        """Have the engine copy what is looked at; returns what must live as long as the run."""
        cdef Py_ssize_t real_bytes = self.plan.leaf.real_bytes, cols
        cdef int index, count = 0, more, i
        kept = bytearray(len(wanted) * MAX_GATES * sizeof(Sight))
        cdef Sight *sight = <Sight *><char *>kept
        for index, what, array in wanted:
            more = find_sights(&self.plan, index, what, sight + count)
            for i in range(count, count + more):
                cols = sight[i].source.cols
                sight[i].to = Matrix(
                    data=<char *>data_of(what, array, self.dtype) + (i - count) * cols * real_bytes,
                    ld=more * cols, cols=cols,
                )
            count += more
        run.sight = sight
        run.sights = count
        return kept

    def outputs(self, int index, Py_ssize_t rows, Py_ssize_t times):
        """What an operation made of the last window, (places, rows, columns): h; all of a walk."""
        cdef const Op *op = &self.plan.op[index]
        return self._copied(op.state[0].sequence if op.states > 0 else op.h, op, rows, times)

    def totals(self, int index, Py_ssize_t rows, Py_ssize_t times):
        """What an operation left of dL/dh of every timestep of the last window; None if it does not walk."""
        cdef const Op *op = &self.plan.op[index]
        if op.states == 0:
            return None
        return self._copied(op.buffer[TOTAL].matrix, op, rows, times)

    cdef object _copied(self, Matrix m, const Op *op, Py_ssize_t rows, Py_ssize_t times):
        cdef Py_ssize_t places = op.x_places if op.states > 0 else op.h_places, r
        cdef Py_ssize_t real_bytes = self.plan.leaf.real_bytes
        if places == TIMESTEPS:
            places = times
        copied = np.empty((places, rows, m.cols), self.dtype)
        cdef char *to = <char *>data_of("copied", copied, self.dtype)
        for r in range(places * rows):
            memcpy(to + r * m.cols * real_bytes, from_row(m, r, self.plan.leaf).data, m.cols * real_bytes)
        return copied

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
            self.plan.book[i].amplification = factor
            self.plan.book[i].factor = Factor(scale=factor, shrink=1)

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

    cdef void _count_flops(self) noexcept:
        """Of a row, and of a row at each timestep: 2 for each element of a parameter, unless an op knows."""
        cdef Parameter *p
        cdef Op *op
        cdef int i, j
        for i in range(self.plan.ops):
            op = &self.plan.op[i]
            self.row_flops += op.flops
            if op.flops > 0:
                continue
            for j in range(op.parameters):
                p = &op.parameter[j]
                if op.x_places == TIMESTEPS:
                    self.step_flops += 2 * p.rows * p.value.cols
                else:
                    self.row_flops += 2 * p.rows * p.value.cols * op.x_places

    cdef int _threads(self, Py_ssize_t rows, Py_ssize_t times) noexcept:
        """Threads that pay for minibatches of `rows`: a step meets once per operation."""
        if 3 * rows * (self.row_flops + self.step_flops * times) < TEAM_FLOPS * self.plan.ops:
            return 1
        return self.most_threads

    cdef Run _run(self, x, y, order, Py_ssize_t batch, dict extra) except *:
        """A run over samples x and their targets y (None: outputs only). extra: lengths; weights; states, a
        list of (initial, final, gradient, by_row) per state of each op, whose arrays may be None."""
        cdef Run run
        if self.asking:
            raise RuntimeError("loss: expected a function that does not run the model whose loss it is")
        memset(&run, 0, sizeof(Run))
        run.plan = &self.plan
        cdef Py_ssize_t places = self.plan.op[0].x_places
        run.times = x.shape[1] if places == TIMESTEPS else 1
        if self.plan.op[0].integers:
            run.tokens = int64s_of("x", x)
        else:
            run.x = self._outside("x", x, self.plan.input.cols, self.plan.image_input, places)
        run.samples = len(x) if order is None else len(order)
        run.batch = batch
        run.seconds = INFINITY
        run.parameters = self.total_parameters
        run.time_ops = self.time_ops
        if order is not None:
            run.order = int64s_of("order", order)
        if y is not None and self.plan.sparse:
            run.labels = int64s_of("y", y)
        elif y is not None and not self.custom:
            run.y = self._outside(
                "y", y, self.plan.target.cols, self.plan.image_output,
                self.plan.op[self.plan.ops - 1].h_places,
            )
        run.state = self.state
        if self.time_ops > 0:
            memset(self.state, 0, len(self.state_buffer))
        if extra:
            self._fill_extra(&run, extra)
        return run

    cdef int _settle(self, dict extra, bint failed) except -1:
        """Behind a run: raises what the loss's function has raised."""
        self.asking = False
        if failed:
            error, extra["function"].error = extra["function"].error, None
            raise error
        return 0

    cdef Matrix _outside(self, str name, array, Py_ssize_t cols, bint image, Py_ssize_t places) except *:
        """Samples outside: a row for each place, or for each image."""
        return Matrix(data=data_of(name, array, self.dtype), ld=cols * places if image else cols, cols=cols)

    cdef int _fill_extra(self, Run *run, dict extra) except -1:
        cdef StateArrays *arrays
        cdef int i, j
        if extra.get("lengths") is not None:
            run.lengths = int64s_of("lengths", extra["lengths"])
        if extra.get("weights") is not None:
            run.weights = doubles_of("weights", extra["weights"])
            run.weights_by_place = extra["weights"].ndim > 1
        states = iter(extra.get("states", ()))
        for i in range(self.plan.ops):
            for j in range(self.plan.op[i].states):
                initial, final, gradient, by_row = next(states, (None, None, None, False))
                arrays = self.state + i * MAX_STATES + j
                arrays.by_row = by_row
                if initial is not None:
                    arrays.initial = <const char *>data_of("initial", initial, self.dtype)
                if final is not None:
                    arrays.final = <char *>data_of("final", final, self.dtype)
                if gradient is not None:
                    arrays.gradient = <char *>data_of("gradient", gradient, self.dtype)
        if extra.get("function") is not None:
            function = extra["function"]
            run.function = <PyObject *>function
            run.function_outputs = <char *>data_of("outputs", function.outputs, self.dtype)
            run.function_gradients = <char *>data_of("gradients", function.gradients, self.dtype)
            run.function_losses = doubles_of("losses", function.losses)
        if extra.get("sights"):
            self.sights_buffer = self._sights(run, extra["sights"])
        if extra.get("input_gradient") is not None:
            run.input_gradient = <char *>data_of("input_gradient", extra["input_gradient"], self.dtype)
        return 0

    def train(
        self, x, y, order, losses, *,
        Py_ssize_t batch, places=None, bint updating=True, bint predicting=False, double seconds=INFINITY,
        rates=None, done=None, right=None, outputs=None, record=None, op_record=None, parameter_record=None,
        time_record=None, told=None, **extra,
    ):
        """Run len(losses) steps, or as many as fit into `seconds`; return how many were done.

        x (n, inputs), (n, times, inputs) or (n, times) int64, y (n, outputs), (n, times, outputs) or
        labels (n,) or (n, times) int64, order (m,) int64 or None. places (steps,) int64: the minibatch of
        each step or, truncated and with targets in time, where each window is a step, windows times the
        minibatch plus the window; by default one after the other.
        losses (steps,) float64 is written; rates (steps,) float64: learning rates, if not `rate`.
        done (1,) int64: counts them while they run.
        right (steps,) float64, is written: the sum over a step's rows of how right their outputs are.
        outputs: those of each step's samples are written, as `forward` does.
        predicting: layers are as `forward` has them, and no parameter's gradient is computed.
        record (steps,) int64: the row of op_record (rows, ops, 7), parameter_record (rows, parameters, 4)
        and time_record (rows, recurrent ops, times, 11) to write, or -1. told: what else is
        written of some of the recorded steps: a dict of parts, each a tuple that begins with such rows.
        "distributions": of places (rows, ops, 4) int64, which is where in the third, uint16, entries begin
        (simd/tables.h); the call ends when there may be no room for another step's (`tell_bins`). "units": of
        fields (rows, units, 4) float64, unit by unit of all operations. extra: lengths (n,) int64, not
        rising along the rows of a minibatch; weights (n,) or (n, places) float64 of the losses; states,
        see `_run`; input_gradient, like x, written; sights, a list of (operation, what, array), each array
        (n, places, columns) as `sights` tells, written; function, what computes a custom loss: an object with
        buffers `outputs` and `gradients`, a minibatch's as `forward` writes them, and `losses` (batch,
        places), which is called as function(first place in the order, rows, first timestep, one behind
        the last, scale of losses and gradients). What it raises is raised, its step as if it had not been.
        """
        cdef Run run = self._run(x, y, order, batch, extra)
        if places is not None:
            run.places = int64s_of("places", places)
        run.stepping = (
            updating and self.plan.truncated
            and self.plan.op[self.plan.ops - 1].h_places == TIMESTEPS
        )
        run.steps = len(losses)
        run.updating = updating
        run.predicting = predicting
        run.losses = doubles_of("losses", losses)
        run.first_step = self.plan.time
        if right is not None:
            run.right = doubles_of("right", right)
        if outputs is not None:
            run.outputs = <char *>data_of("outputs", outputs, self.dtype)
        if rates is not None:
            run.rates = doubles_of("rates", rates)
        if record is not None:
            write_record(&run, record, op_record, parameter_record, time_record)
        if told:
            write_parts(&run, told)
        run.seconds = seconds
        cdef int64_t count = 0
        run.done = &count if done is None else int64s_of("done", done)
        run.most_threads = self._threads(batch, run.times)
        run.pace = &self.training_pace
        self.asking = run.function != NULL
        with nogil:
            train(&run)
        self.last_broken = run.broken
        self._settle(extra, run.failed)
        return run.done[0]

    def train_batch(self, x, y, dict record=None):
        """One step on x and y, of one window; returns its loss. For callers in a hurry.

        `record`: where it is recorded, as `train` takes it; then nothing is updated.
        """
        cdef Run run = self._run(x, y, None, len(x), None)
        cdef double loss
        cdef int64_t count = 0
        run.steps = 1
        run.done = &count
        run.updating = record is None
        if record is not None:
            write_record(
                &run, record["record"], record["op_record"], record["parameter_record"],
                record["time_record"],
            )
            write_parts(&run, record["told"])
        run.first_step = self.plan.time
        run.losses = &loss
        run.most_threads = self._threads(run.batch, run.times)
        run.pace = &self.training_pace
        with nogil:
            train(&run)
        self.last_broken = run.broken
        return loss

    def forward(self, x, outputs, y=None, losses=None, *, order=None, batch=None, **extra):
        """Outputs of all rows of x, zeros before the call and, given targets y, the loss of each sample,
        added to losses: the sum over its outputs or their mean, and the sum over timesteps."""
        cdef Run run = self._run(x, y, order, self.plan.batch if batch is None else batch, extra)
        run.most_threads = self._threads(min(run.samples, self.plan.batch), run.times)
        run.pace = &self.forward_pace
        run.outputs = <char *>data_of("outputs", outputs, self.dtype)
        cdef int64_t count = 0
        run.done = &count
        if losses is not None:
            run.losses = doubles_of("losses", losses)
        self.asking = run.function != NULL
        with nogil:
            forward(&run)
        self._settle(extra, run.failed)
