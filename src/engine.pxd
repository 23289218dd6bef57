"""What a program is made of (`Plan`), one call of it (`Run`), and what runs it."""

from libc.stdint cimport int64_t

from .op cimport Op
from .simd cimport Leaf, LossCall, Matrix, Rule, Taps, Update


cdef enum:
    OP_FIELDS = 5         # of a record: delta norm, mean, standard deviation, saturated, dead
    PARAMETER_FIELDS = 3  # norms of value, gradient, update

ctypedef struct OpTaps:
    Taps taps
    double *between           # per chunk: how far its mean is from that of the chunks before
    int first_parameter       # of this op, in a row of the parameter record
    Py_ssize_t slope_stride   # bytes from one thread's slopes to the next


# All that the threads of a team share.
ctypedef struct Plan:
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


# One call of `Program.train` or `Program.forward`.
ctypedef struct Run:
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
    double seconds            # after which no new step begins
    double deadline           # of the engine's clock
    double *losses            # (steps,) or, forward only, (samples,)
    char *outputs             # forward only: (samples, outputs)
    const int64_t *record     # (steps,) row of the record, or -1
    double *op_record         # (rows, ops, OP_FIELDS)
    double *parameter_record  # (rows, parameters, PARAMETER_FIELDS)
    int parameters
    Py_ssize_t done
    bint stop


# Run on up to `threads` threads; return when all is done.
cdef void train(Run *run, int threads) noexcept nogil
cdef void forward(Run *run, int threads) noexcept nogil
