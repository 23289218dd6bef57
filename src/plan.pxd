"""What a program is made of (`Plan`), and one call of it (`Run`)."""

from cpython.object cimport PyObject
from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint16_t, uint64_t

from .op cimport MAX_GATES, MAX_PARAMETERS, MAX_STATES, Op, OpTaps
from .simd cimport Bins, Factor, Leaf, LossCall, Matrix, Rule, Units, Update
from .team cimport Pace


cdef enum:
    ALIGNMENT = 64        # of all that is planned, in bytes: a cache line, and the widest vector
    OP_FIELDS = 7         # of a record: delta norm, mean, standard deviation, saturated, dead, skip, body
    PARAMETER_FIELDS = 4  # norms of value, gradient, update, treated gradient
    TIME_FIELDS = 3 + 2 * MAX_GATES  # of a timestep: total, direct, cell; of each gate: norm, saturated

# What the tracker keeps of an op over the windows of one step, last to first.
ctypedef struct Seen:
    double delta, count, mean, deviation, saturated, skip, body

# What becomes of gradients before the optimizer gets them; no clipping is INFINITY.
ctypedef struct Treatment:
    double clip_norm          # of all gradients together,
    double clip_layer_norm    # of each op's,
    double clip_adaptive      # of each unit's, relative to the norm of its weights
    double noise              # variance at the first step
    double noise_decay        # power of the number of the step by which it falls

# What is done about a step whose loss or gradient is not finite: nothing; stop behind it; or stop in front
# of its updates.
cdef enum Guard:
    IGNORE
    NOTICE
    REFUSE

# What distributions are told of: each op has a table for each, and for each thread.
cdef enum:
    DELTA_BINS
    WEIGHT_BINS   # of the gradient,
    OUTPUT_BINS
    RATIO_BINS    # of updates, relative to the value
    BIN_FIELDS

cdef enum:
    UNIT_FIELDS = 4  # of a record: norms of delta and of weights, shares of slopes that are flat, that are 0

# What the engine keeps for an op.
ctypedef struct OpBook:
    double rate               # times the optimizer's; 0: frozen
    double amplification      # of its gradient,
    Factor factor             # and of clipping it by a norm, too
    double *gradient_norms    # of all chunks of all its parameters
    Py_ssize_t gradient_chunks
    OpTaps taps
    Seen seen
    Units units               # flat, zero and unknown are those of the first thread
    double *unit_weights[MAX_PARAMETERS]  # sums of squares that make norms of units' weights, or NULL
    int first_unit            # of this op, in a row of the record of units
    Bins *tables              # (BIN_FIELDS, table_threads), or NULL where nobody has asked yet
    int first_parameter       # of this op, in a row of the parameter record
    int time_index            # of this op in a row of the time record, or -1
    Py_ssize_t slope_stride   # bytes from one thread's slopes to the next
    Matrix saved[MAX_STATES]  # the initial states of every window
    Matrix kept[MAX_STATES]   # those that were carried into a minibatch, where a step may be taken back


# All that the threads of a team share.
ctypedef struct Plan:
    const Leaf *leaf
    int ops
    Op *op
    OpBook *book
    Py_ssize_t batch
    Py_ssize_t times          # timesteps of a window
    bint truncated            # each window is backpropagated through by itself
    bint open_inside          # what a step overwrites is kept until it was looked at
    bint image_input          # samples come with their channels first
    bint image_output
    Matrix input
    Matrix input_gradient     # of the first op's x, if it is asked for
    int64_t *tokens           # the input, where it is integers
    Matrix output             # of the last layer
    Matrix logits             # what the loss reads: the output, or its z
    Matrix output_gradient
    Matrix target
    int64_t *labels
    int64_t *ends             # (threads, times + 1)
    bint sparse
    double *row_loss
    double *row_right         # how right each row's outputs are
    double *row_weight
    bint ignoring             # some labels may be below 0: such rows have no loss
    LossCall loss
    double loss_rows_scale    # the scale of a loss is this over the rows of the batch
    bint mean_over_places     # ... and over the timesteps or places
    Rule rule
    Update update
    Treatment treatment
    double noise_deviation    # at this step
    double *op_norms          # (ops,) of gradients, amplified; 0 of those that are frozen
    bint keeps                # what a step may have to give back
    Py_ssize_t partial        # bytes from a gradient to its unfinished part, where time is cut into windows
    bint wants_initial        # dL/d initial states are read when the step is complete
    int units                 # of all ops
    int table_threads
    char *ratios              # of the rows of a parameter that a thread updates at once
    Py_ssize_t ratio_stride   # bytes from one thread's to the next's
    Guard guard
    int64_t time              # optimizer steps done
    uint64_t seed             # of random numbers


# What of an op somebody looks at, and the array outside that gets it: a row for each place of each sample.
ctypedef struct Sight:
    int op
    bint behind               # its backward, else in front of it
    Py_ssize_t places
    Matrix source
    Matrix to


# A state of an op outside the engine: (samples, units), or by row of the minibatch.
ctypedef struct StateArrays:
    const char *initial       # or NULL: what is learned, or 0
    char *final               # or NULL
    char *gradient            # dL/d initial, or NULL
    bint by_row


# One call of `Program.train` or `Program.forward`.
ctypedef struct Run:
    Plan *plan
    Matrix x
    Matrix y
    const int64_t *tokens     # x where it is integers
    const int64_t *labels
    const double *weights     # of each sample's loss or, by place, of each place's; or NULL
    bint weights_by_place
    const int64_t *order      # sample of each row, or NULL
    const int64_t *lengths    # of each sample, or NULL; they do not rise along the rows of a minibatch
    StateArrays *state        # (ops, MAX_STATES)
    const Sight *sight        # (sights,)
    int sights
    Py_ssize_t times          # of each sample
    Py_ssize_t samples
    Py_ssize_t batch
    bint stepping             # each window is a step: truncated, with targets at every timestep
    const int64_t *places     # (steps,) minibatch of each; stepping, times windows plus window; or NULL
    Py_ssize_t steps
    bint updating
    bint predicting           # derivatives of what is predicted, and of no parameter
    double seconds            # after which no new step begins
    double deadline           # of the engine's clock
    int most_threads          # that would pay with a CPU for each
    Pace *pace                # how many do
    double step_begin         # of the engine's clock
    int64_t first_step        # number of the first step
    const double *rates       # (steps,) learning rates, or NULL
    double *losses            # (steps,) or, forward only, (samples,)
    double *right             # (steps,) the sum of how right each row is, or NULL
    PyObject *function        # the loss is one of Python's (custom_loss.pyx), or NULL
    char *function_outputs    # (batch, [times,] outputs) of a minibatch, for it; as images, if they are,
    char *function_gradients  # and dL/d those from it
    double *function_losses   # (batch, places)
    bint failed               # it has raised
    char *outputs             # (samples, [times,] outputs), or NULL
    char *input_gradient      # (samples, [times,] inputs), or NULL
    const int64_t *record     # (steps,) row of the record, or -1
    double *op_record         # (rows, ops, OP_FIELDS)
    double *parameter_record  # (rows, parameters, PARAMETER_FIELDS)
    double *time_record       # (rows, recurrent ops, record_times, TIME_FIELDS)
    const int64_t *unit_record  # (steps,) row of the record of units, or -1; or NULL
    double *unit_fields        # (rows, units, UNIT_FIELDS)
    const int64_t *bin_record  # (steps,) row of bin_places, or -1; or NULL
    int64_t *bin_places        # (rows, ops, BIN_FIELDS) where entries begin
    uint16_t *bin_entries      # one after the other; see simd/tables.h
    Py_ssize_t bins_used
    Py_ssize_t bin_room        # of bin_entries
    Py_ssize_t record_times
    int time_ops
    int parameters
    Py_ssize_t first          # step, or sample, that the present team began with
    int64_t *done             # steps, or samples; whoever called may read it at any time
    bint stop
    bint broken               # the last step's loss or gradient is not finite, and the guard has seen it


cdef inline bint waits(const Plan *plan) noexcept nogil:
    """Whether a gradient must be known as a whole before any of it is applied."""
    cdef const Treatment *treatment = &plan.treatment
    return (
        plan.guard == REFUSE or treatment.clip_norm < INFINITY or treatment.clip_layer_norm < INFINITY
        or treatment.clip_adaptive < INFINITY
    )


cdef inline bint writes(const Plan *plan, bint tapped) noexcept nogil:
    """Whether the treated gradient takes the place of the raw one: where it is more than a multiple of it
    and the update cannot cut it on the fly, for the tracker wants its norm."""
    return (
        plan.treatment.noise > 0 or plan.treatment.clip_adaptive < INFINITY
        or (tapped and plan.update.gradient_limit < INFINITY)
    )
