"""The contract between the engine and the layers' kernel files.

A program is an array of `Op`, one per layer and direction. A kernel file (dense.pyx, ...) fills in an `Op`
and hands over a `Kind`, its duties; the engine gives every Op its buffers, and calls the duties of each step
from all threads at once. A duty works on the rows it is given and meets no other thread.

Sequences lie timestep by timestep: row r of timestep t is row t * rows + r of a matrix.

Names: x the input, z the pre-activation, h the output; a leading d means the gradient of the loss.
"""

from libc.stdint cimport int64_t

from .simd cimport Activation, Leaf, Matrix, Norms, Rows, Taps

cdef enum:
    MAX_PARAMETERS = 10
    MAX_STATES = 2
    MAX_BUFFERS = 6
    MAX_GATES = 4

# A parameter is stored as a matrix whose columns are output units: weight (out, in), in Fortran order, is
# `in` rows of `out`. Rows are dealt to threads in chunks of `chunk_rows`, and norms are kept per chunk.
ctypedef struct Parameter:
    Matrix value
    Matrix gradient
    void *state1
    void *state2
    Py_ssize_t rows
    Py_ssize_t chunk_rows
    Py_ssize_t block_rows  # rows whose gradient is computed and applied in one go
    Py_ssize_t padded  # elements with the zeros that fill the last vector
    Norms norms

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
    PER_STEP    # a row for each row and timestep
    PER_ROW     # a row for each row
    PER_THREAD  # `cols` elements for each thread

ctypedef struct Buffer:
    Matrix matrix
    Scope scope

# What a duty is told of the step that runs.
ctypedef struct Step:
    Py_ssize_t rows     # of this minibatch
    Py_ssize_t times    # timesteps of this window
    int thread
    bint training       # a loss follows, which may apply the output's activation itself
    bint first, last    # the window begins, ends the sequences
    bint accumulating   # gradients go on from those of a later window
    bint wants_initial  # dL/d initial state is read

# What the tracker hears of an op: one entry per timestep and row chunk.
ctypedef struct OpTaps:
    Taps layer
    double *total           # norm of dL/dh_t, the recurrent path included
    double *direct          # norm of the part of it that comes from the layers above
    double *cell            # norm of dL/dc_t
    double *gate_norm[MAX_GATES]       # of dL/dz of each gate; a layer without gates has one
    double *gate_saturated[MAX_GATES]

ctypedef struct Op

ctypedef struct Kind:
    # h[r] from x[r]
    void (*forward)(const Op *op, const Step *step, const Rows *rows) noexcept nogil
    # dL/dz[r] from dh[r], then dx[r] (unless dx.data is NULL); taps is NULL unless the step is tracked
    void (*backward)(
        const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
    ) noexcept nogil
    # rows [row0, row1) of the gradient of one parameter, from all rows of the batch
    void (*gradient)(
        const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
    ) noexcept nogil

ctypedef struct Op:
    const Kind *kind
    const Leaf *leaf
    Activation activation
    double alpha       # the activation's parameter
    Activation gate_activation
    double gate_alpha
    int gates
    bint keeps_z       # z has a buffer of its own, else it shares h's
    bint fused         # the loss applies the activation and returns dL/dz
    bint takes_time    # x is of every timestep
    bint gives_time    # h is of every timestep, else of the last
    bint reverse       # time runs backwards
    bint beside        # reads the same x as the op before it, and writes the columns behind its h
    bint adds_dx       # dx += instead of dx =
    bint variant       # of a kind: an LSTM's peepholes, a GRU's reset after the product
    bint bias
    bint integers      # x is integers: tokens, below
    const int64_t *tokens
    Matrix x
    Matrix z
    Matrix h
    Matrix dx
    Matrix dh
    int states
    State state[MAX_STATES]
    int buffers
    Buffer buffer[MAX_BUFFERS]
    int parameters
    Parameter parameter[MAX_PARAMETERS]


cdef class Operation:
    """Python's handle on an Op before the engine has given it buffers."""
    cdef Op op


cdef inline Matrix from_row(Matrix m, Py_ssize_t row, const Leaf *leaf) noexcept nogil:
    """Rows `row` and behind."""
    return Matrix(
        data=<char *>m.data + row * m.ld * <Py_ssize_t>leaf.real_bytes, ld=m.ld, cols=m.cols
    )


cdef inline Matrix block(Matrix m, Py_ssize_t col, Py_ssize_t cols, const Leaf *leaf) noexcept nogil:
    """Columns [col, col + cols)."""
    return Matrix(data=<char *>m.data + col * <Py_ssize_t>leaf.real_bytes, ld=m.ld, cols=cols)


cdef inline Py_ssize_t rows_end(const Rows *rows, Py_ssize_t t) noexcept nogil:
    """Behind the last of a thread's rows at timestep t."""
    return rows.ends[t] if rows.ends != NULL else rows.end
