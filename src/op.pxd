"""The contract between the engine and the layers' kernel files.

A program is an array of `Op`, one per layer. A kernel file (dense.pyx, ...) fills in an `Op` and hands over
a `Kind`, its duties; the engine gives every Op its buffers, and calls the duties of each step from all
threads at once. A duty works on the rows it is given and meets no other thread.

Names: x the input, z the pre-activation, h the output; a leading d means the gradient of the loss.
"""

from .simd cimport Activation, Leaf, Matrix, Norms, Taps

cdef enum:
    MAX_PARAMETERS = 8

# A parameter is stored with its last index slowest (Fortran order), as a matrix whose columns are
# output units: weight (out, in) is `in` rows of `out`. Rows are dealt to threads in chunks of
# `chunk_rows`, and norms are kept per chunk.
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

# What a duty is told of the step that runs.
ctypedef struct Step:
    Py_ssize_t rows  # of this minibatch
    bint training    # a loss follows, which may apply the output's activation itself

ctypedef struct Op

ctypedef struct Kind:
    # h[r] from x[r]
    void (*forward)(const Op *op, const Step *step, Py_ssize_t row0, Py_ssize_t row1) noexcept nogil
    # dh[r] becomes dL/dz, dx[r] follows (unless dx.data is NULL); taps is NULL unless the step is tracked
    void (*backward)(
        const Op *op, const Step *step, const Taps *taps, Py_ssize_t row0, Py_ssize_t row1
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
    bint keeps_z       # z has a buffer of its own, else it shares h's
    bint fused         # the loss applies the activation and returns dL/dz
    Matrix x
    Matrix z
    Matrix h
    Matrix dx
    Matrix dh
    int parameters
    Parameter parameter[MAX_PARAMETERS]


cdef class Operation:
    """Python's handle on an Op before the engine has given it buffers."""
    cdef Op op
