"""What the recurrent layers share: the walk through time, forwards and backwards."""

from .op cimport Kind, Op, OpTaps, Operation, Step
from .simd cimport Matrix, Rows

# Parameters of every recurrent op; biases are there if op.bias, others follow.
cdef enum:
    WEIGHT_IH, WEIGHT_HH, BIAS_IH, BIAS_HH

# Buffers that every recurrent op has first: dL/dh_t, its recurrent path included; the packed weights; the
# sum of both biases.
cdef enum:
    TOTAL, PACKED, BIAS, OWN_BUFFERS

# One timestep as a cell sees it.
ctypedef struct Moment:
    Rows rows            # this thread's rows that are alive
    Py_ssize_t row       # where the timestep begins in a matrix of every timestep
    Py_ssize_t before    # where the timestep that came before it begins
    Py_ssize_t chunk     # where its taps begin
    bint done            # the last one of a walk

# What the input adds to z of some timesteps, x W_ih^T + b, and what it gets of dL/dz; `row` begins the first.
ctypedef void (*InputDuty)(const Op *op, const Step *step, Py_ssize_t row, const Rows *some) noexcept nogil
ctypedef void (*CellForward)(const Op *op, const Step *step, const Moment *now) noexcept nogil
ctypedef void (*CellBackward)(
    const Op *op, const Step *step, const OpTaps *taps, const Moment *now
) noexcept nogil

# Runs the cell at each timestep, from the initial states to the final ones; z of as many timesteps as stay
# in cache is made ahead of it.
cdef void walk_forward(
    const Op *op, const Step *step, const Rows *rows, InputDuty input, CellForward cell
) noexcept nogil

# The same in reverse: at each timestep the cell finds dL/dh_t in buffer[TOTAL], and takes the states' carry
# one timestep back.
cdef void walk_backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows, CellBackward cell, InputDuty input
) noexcept nogil

# The duties of a layer all of whose gates see x and h in one product each: z is of all gates and timesteps,
# and so is delta, dL/dz.
cdef void joint_forward(
    const Op *op, const Step *step, const Rows *rows, InputDuty input, CellForward cell
) noexcept nogil
cdef void joint_input(
    const Op *op, const Step *step, Matrix z, Py_ssize_t row, const Rows *some
) noexcept nogil
cdef void joint_backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows, CellBackward cell, InputDuty input
) noexcept nogil
cdef void joint_input_backward(
    const Op *op, const Step *step, Matrix delta, Py_ssize_t row, const Rows *some
) noexcept nogil

# Of weights and biases; True if the parameter is one of them, or a learned initial state.
cdef bint joint_gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1, Matrix delta
) noexcept nogil

# The sum of both biases, once it was made; NULL without biases.
cdef void sum_biases(const Op *op, const Step *step) noexcept nogil
cdef const void *summed_bias(const Op *op, const Step *step) noexcept nogil

# Of every timestep, h as the recurrent weights see it: where units are dropped, without these (Gal and
# Ghahramani 2016, eq. 7: the same ones at every timestep).
cdef Matrix hidden_seen(const Op *op, const Step *step) noexcept nogil

# Drop the same units of what is like one timestep's h.
cdef void drop_hidden(const Op *op, const Step *step, Matrix m, const Rows *rows) noexcept nogil

# The part of dL/dh_{t-1} that comes through the recurrent weights: the carry, or, where `add`, added to it.
cdef void bring_back(
    const Op *op, const Step *step, Matrix delta, const void *packed, bint add, const Rows *rows
) noexcept nogil

# The rows that gradients are summed over now, from the first on.
cdef Matrix of_stretch(const Op *op, const Step *step, Matrix m) noexcept nogil

# A state one timestep earlier.
cdef Matrix before(const Op *op, const Step *step, Matrix sequence) noexcept nogil

# Of h one timestep earlier the rows of this stretch: what the recurrent weights multiplied.
cdef Matrix hidden_before(const Op *op, const Step *step) noexcept nogil

# The gradient of a learned initial state; False if the parameter is none.
cdef bint initial_gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil

# Copy a timestep's rows to where every timestep is kept, if that is wanted.
cdef void keep_moment(const Op *op, Matrix kept, Matrix values, const Moment *now) noexcept nogil

# The taps of one timestep.
cdef OpTaps taps_at(const Op *op, const OpTaps *taps, const Moment *now) noexcept nogil

# An operation of `units` with one state, the parameters above, and the gates' activation.
cdef Operation recurrent_operation(
    const Kind *kind, Py_ssize_t inputs, Py_ssize_t units, int blocks, dict options, Py_ssize_t real_bytes
)

# The last buffers of an operation that drops units.
cdef void add_dropout_buffers(Operation made)
