"""The contract between the engine and the layers' kernel files.

A program is an array of `Op`, one per layer and direction. A kernel file (dense.pyx, ...) fills in an `Op`
and hands over a `Kind`, its duties; the engine gives every Op its buffers, and calls the duties of each step
from all threads at once. A duty works on the rows it is given and meets no other thread.

Sequences lie timestep by timestep: row r of timestep t is row t * rows + r of a matrix. Images lie place by
place in the same way: place y * width + x is what a timestep is to a sequence, and columns are channels.

Names: x the input, z the pre-activation, h the output; a leading d means the gradient of the loss.
"""

from libc.stdint cimport int64_t, uint64_t

from .function cimport ActivationFunction
from .simd cimport Function, Leaf, Matrix, NO_ACTIVATION, Norms, ROW_CHUNK, RULE_STATES, Rows, Span, Taps

cdef enum:
    TIMESTEPS = 0  # of x or h: as many places as the window has timesteps
    MAX_PARAMETERS = 10
    MAX_STATES = 2
    MAX_BUFFERS = 8
    MAX_GATES = 4

# A parameter is stored as a matrix whose columns are output units: weight (out, in), in Fortran order, is
# `in` rows of `out`. Rows are dealt to threads in chunks of `chunk_rows`, and norms are kept per chunk.
ctypedef struct Parameter:
    bint trained           # else a statistic: the layer's own to change
    bint undecayed         # the optimizer's weight decay leaves it out
    bint counted           # it is of a layer's weights, whose distributions and units are told
    void *kept             # a statistic before the step, where a step may be taken back
    Matrix value
    Matrix gradient
    void *state[RULE_STATES]  # the optimizer's
    Py_ssize_t rows
    Py_ssize_t chunk_rows
    Py_ssize_t block_rows  # rows whose gradient is computed and applied in one go
    Py_ssize_t padded  # elements with the zeros that fill the last vector
    Norms norms
    double *treated_norms  # of the gradient as the optimizer gets it, where it is written
    void *factors          # of the columns of the gradient, for adaptive clipping
    Py_ssize_t offset      # of its first element in the flat vectors

# What an op carries from timestep to timestep. The engine fills `initial` before forward and reads `final`
# after it; it fills `carry` with dL/d final before backward, which leaves dL/d initial there.
ctypedef struct State:
    Matrix sequence  # of every timestep; there is room for the initial state before and behind it
    Matrix initial
    Matrix final
    Matrix carry
    int parameter    # the initial state that is learned, or -1

# Room that a kind asks for.
cdef enum Scope:
    PER_STEP    # a row for each row and place of x
    PER_STATE   # ... and for each row of the timesteps before the first and behind the last
    PER_ROW     # a row for each row
    PER_THREAD  # `cols` elements for each thread
    PER_CHUNK   # `cols` doubles for each chunk of rows: sums that no number of threads may change
    SHARED      # one row

ctypedef struct Buffer:
    Matrix matrix
    Scope scope

# What a duty is told of the step that runs.
ctypedef struct Step:
    Py_ssize_t rows     # of this minibatch
    Py_ssize_t times    # timesteps of this window
    Py_ssize_t time     # its first
    int thread
    uint64_t key        # of this step's random numbers
    bint training       # statistics are the minibatch's, and what is random is
    bint updating       # parameters change, and so do statistics
    bint loss_follows   # which may apply the output's activation itself
    bint first, last    # the window begins, ends the sequences
    bint accumulating   # gradients go on from those of a later window
    bint counting       # distributions are told
    bint by_unit        # what units do is told
    Py_ssize_t begin    # gradients are summed over timesteps [begin, end)
    Py_ssize_t end
    Py_ssize_t partial  # bytes from a gradient to its unfinished part
    Py_ssize_t stretch_begin  # ... and now over these rows of an op's timesteps
    Py_ssize_t stretch_end
    bint wants_initial  # dL/d initial state is read

# What the tracker hears of an op: one entry per place and row chunk.
ctypedef struct OpTaps:
    Taps layer
    double *skip            # of a block: norm of the gradient that reaches its input through the skip
    double *body            # ... and through the body
    double *total           # norm of dL/dh_t, the recurrent path included
    double *direct          # norm of the part of it that comes from the layers above
    double *cell            # norm of dL/dc_t
    double *gate_norm[MAX_GATES]       # of dL/dz of each gate; a layer without gates has one
    double *gate_saturated[MAX_GATES]

ctypedef struct Op

ctypedef void (*Forward)(const Op *op, const Step *step, const Rows *rows) noexcept nogil
ctypedef void (*Backward)(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil

# The duties get a thread's rows at the places of x.
ctypedef struct Kind:
    # h[r] from x[r]
    Forward forward
    # in training, when all threads have done forward: what follows from rows that meet; or NULL
    Forward meet_forward
    # dL/dz[r] from dh[r], then dx[r] (unless dx.data is NULL); taps is NULL unless the step is tracked
    Backward backward
    # when all threads have done backward, or NULL
    Backward meet_backward
    # rows [row0, row1) of the gradient of one parameter, from all rows of the batch
    void (*gradient)(
        const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
    ) noexcept nogil

ctypedef struct Op:
    const Kind *kind
    const Leaf *leaf
    int stream         # its number in the program: random numbers are its own
    int source         # whose h is x, counted from this op: -1 is the one before
    int second         # whose h is x2, counted likewise; 0: there is none
    Function activation
    Function gate_activation
    int gates
    bint keeps_z       # z has a buffer of its own, else it shares h's
    bint fused         # the loss applies the activation and returns dL/dz
    bint loss_reads_z  # of a walk's outputs sigmoid(z): the loss makes dL/dh of it, and delta comes from z
    Py_ssize_t x_places  # 1: a vector; width x height of an image; or TIMESTEPS
    Py_ssize_t h_places
    Py_ssize_t stretch  # rows of timesteps that gradients are summed over at once: whole blocks of sums; or 0
    double flops       # of one row, where they are not 2 for every parameter and place
    bint reverse       # time runs backwards
    bint beside        # reads the same x as the op before it, and writes the columns behind its h
    bint adds_dx       # dx += instead of dx =
    bint in_place      # dx may be dh itself; then `gradient` must not read it
    bint fork          # h is x, and has two readers: the gradients of theirs are dh and dh2
    bint branches      # taps the gradient that its skip and its body bring
    bint variant       # of a kind: an LSTM's peepholes, a GRU's reset after the product
    bint activates     # there is an activation, if only the identity: z is a number of its own
    bint z_is_x        # x is the pre-activation
    int gate_block[MAX_GATES]  # of z, of the activated gates and of dL/dz: which block of columns is a gate's
    int gate_buffer    # the activated gates, until backward; -1: there are none
    int delta_buffer   # dL/dz, behind backward; -1: it is in dh's place
    double epsilon     # of a normalisation, beside the variance
    double momentum    # of its running statistics
    double rate        # of dropout; the deviation of noise
    double omega       # of an RNN: the factor of Pascanu's regulariser
    bint bias
    const void *tables  # the kind's own, which its Operation keeps
    bint integers      # x is integers: tokens, below
    const int64_t *tokens
    Matrix x
    Matrix z
    Matrix h
    Matrix logits      # z of each row's last timestep, or of all of them, as the output has them
    Matrix total       # room for dL/dh_t of every timestep
    Matrix cell        # ... and for dL/dc_t; both only where somebody looks inside
    Matrix dx
    Matrix dh
    Matrix x2
    Matrix dx2
    Matrix dh2
    int states
    State state[MAX_STATES]
    int buffers
    Buffer buffer[MAX_BUFFERS]
    int parameters
    Parameter parameter[MAX_PARAMETERS]


cdef class Operation:
    """Python's handle on an Op before the engine has given it buffers."""
    cdef Op op
    cdef list kept  # what the op points to


# What every operation has: duties, columns of x and of h. Until it is told otherwise its activation is the
# identity, and it has one gate.
cdef void set_up(
    Operation made, const Kind *kind, Py_ssize_t inputs, Py_ssize_t outputs, Py_ssize_t real_bytes
)

cdef void set_activation(Operation made, ActivationFunction activation)
cdef void set_gate_activation(Operation made, ActivationFunction activation)


cdef inline Py_ssize_t row_chunks(Py_ssize_t rows) noexcept nogil:
    """Chunks that so many rows make."""
    return (rows + ROW_CHUNK - 1) // ROW_CHUNK


cdef inline Py_ssize_t chunk_count(const Parameter *p) noexcept nogil:
    """Chunks of a parameter's rows."""
    return (p.rows + p.chunk_rows - 1) // p.chunk_rows


cdef inline Matrix from_row(Matrix m, Py_ssize_t row, const Leaf *leaf) noexcept nogil:
    """Rows `row` and behind."""
    return Matrix(
        data=<char *>m.data + row * m.ld * <Py_ssize_t>leaf.real_bytes, ld=m.ld, cols=m.cols
    )


cdef inline Matrix block(Matrix m, Py_ssize_t col, Py_ssize_t cols, const Leaf *leaf) noexcept nogil:
    """Columns [col, col + cols)."""
    return Matrix(data=<char *>m.data + col * <Py_ssize_t>leaf.real_bytes, ld=m.ld, cols=cols)


cdef inline Py_ssize_t places_in(Py_ssize_t places, const Step *step) noexcept nogil:
    """Places in this window."""
    return step.times if places == TIMESTEPS else places


cdef inline Span span_of(const Op *op, const Step *step, Py_ssize_t places) noexcept nogil:
    """The rows at so many places, which a gradient is summed over; of timesteps, those of this stretch."""
    cdef Span span = Span(
        rows=step.rows * places_in(places, step), before=0, behind=0, partial=step.partial, add=False
    )
    if places == TIMESTEPS:
        span.rows = step.stretch_end - step.stretch_begin
        span.before = step.rows * (step.time - step.begin) + step.stretch_begin
        span.behind = step.rows * (step.end - step.begin) - span.before - span.rows
    return span


cdef inline Rows spread(const Rows *rows, Py_ssize_t places) noexcept nogil:
    """A thread's rows at so many places."""
    cdef Rows wide = rows[0]
    if places != TIMESTEPS:
        wide.times = places
        wide.ends = NULL
    return wide


cdef inline Taps taps_from(const Taps *taps, Py_ssize_t chunk) noexcept nogil:
    """The entries of chunk `chunk` and behind."""
    cdef Taps here = taps[0]
    here.delta_norm += chunk
    here.mean += chunk
    here.deviation += chunk
    here.saturated += chunk
    return here


cdef inline void tap_delta(
    const Op *op, double *norms, const Taps *taps, Matrix delta, const Rows *rows
) noexcept nogil:
    """What activation_backward tells of delta, where it is not made there."""
    op.leaf.row_norms(norms, delta, rows)
    if taps.delta_bins != NULL:
        op.leaf.count_rows(taps.delta_bins, delta, rows)
    if taps.units != NULL:
        op.leaf.unit_squares(taps.units.squares, delta, rows)


cdef inline void tap_outputs(const Op *op, const Taps *taps, Matrix h, const Rows *rows) noexcept nogil:
    """... and of h."""
    op.leaf.moments(taps.mean, taps.deviation, h, rows)
    if taps.output_bins != NULL:
        op.leaf.count_rows(taps.output_bins, h, rows)


cdef enum:
    PASS_BYTES = 16_384  # of a matrix: what one pass leaves in the first-level cache for the next


cdef inline Rows block_of_places(
    const Rows *rows, Py_ssize_t first, Matrix m, const Leaf *leaf
) noexcept nogil:
    """A thread's rows at place `first` and as many behind it as several passes over m should take at once."""
    cdef Rows some = rows[0]
    cdef Py_ssize_t place_bytes = (rows.end - rows.begin) * m.ld * <Py_ssize_t>leaf.real_bytes
    some.times = min(rows.times - first, max(1, PASS_BYTES // max(1, place_bytes)))
    if rows.ends != NULL:
        some.ends = rows.ends + first
    return some


cdef inline Py_ssize_t rows_end(const Rows *rows, Py_ssize_t t) noexcept nogil:
    """Behind the last of a thread's rows at timestep t."""
    return rows.ends[t] if rows.ends != NULL else rows.end


cdef inline void *of_thread(const Op *op, const Step *step, int buffer) noexcept nogil:
    """This thread's elements of a PER_THREAD buffer."""
    cdef Matrix m = op.buffer[buffer].matrix
    return <char *>m.data + step.thread * m.ld * <Py_ssize_t>op.leaf.real_bytes


cdef inline bint loss_activates(const Op *op, const Step *step) noexcept nogil:
    """Whether the loss that follows makes h of z. Where z has a buffer of its own, it is read there."""
    return op.fused and step.loss_follows and not op.keeps_z


cdef inline const Function *due_activation(const Op *op, const Step *step) noexcept nogil:
    """The activation of h, unless the loss that follows applies it."""
    return &NO_ACTIVATION if loss_activates(op, step) else &op.activation


cdef inline void pass_down(const Op *op, const Rows *rows) noexcept nogil:
    """dx of an op whose backward has left it in dh."""
    cdef Matrix before = op.dx
    if op.dx.data == NULL or op.dx.data == op.dh.data:
        return
    if not op.adds_dx:
        before.data = NULL
    op.leaf.add(op.dx, before, op.dh, rows)


cdef inline int add_parameter(Operation made, Py_ssize_t rows, Py_ssize_t cols):
    """One more parameter of so many rows and columns; returns its number."""
    cdef int number = made.op.parameters
    made.op.parameter[number].rows = rows
    made.op.parameter[number].value.cols = cols
    made.op.parameters += 1
    return number


cdef inline int add_buffer(Operation made, int scope, Py_ssize_t cols):
    """One more buffer; returns its number."""
    cdef int number = made.op.buffers
    made.op.buffer[number].scope = <Scope>scope
    made.op.buffer[number].matrix.cols = cols
    made.op.buffers += 1
    return number
