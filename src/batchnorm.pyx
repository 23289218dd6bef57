"""Batch normalisation: each column by its mean and variance over the rows of the minibatch and all places.

v = (x - mean) / sqrt(variance + epsilon)      z = weight v + bias      h = f(z)
delta = dL/dz = dL/dh * f'(z)
dL/dbias = sum of delta                        dL/dweight = sum of delta v
dL/dx = weight / sqrt(variance + epsilon) (delta - mean of delta - v mean of (delta v))

The rows of all threads meet twice: each thread sums its own, chunk by chunk, and behind the barrier every
thread joins the sums of all chunks for itself.
"""

from libc.string cimport memset

from .function cimport ActivationFunction
from .normalisation cimport bias, gradient_from, set_up_normalisation, weight
from .op cimport (
    Kind, Op, OpTaps, Operation, PER_CHUNK, PER_THREAD, Step, add_buffer, due_activation, of_thread,
    row_chunks, set_activation,
)
from .simd cimport MOMENTS, PADDED, Rows

cdef enum:  # buffers
    ROW_MOMENTS, SUMS, WORK

cdef enum:
    STATISTICS = 2  # parameters behind weight and bias, where these are learned: running mean and variance

cdef enum:
    LINE = 8  # doubles of a cache line

cdef Kind BATCH_NORM


cdef inline void *running_mean(const Op *op) noexcept nogil:
    return op.parameter[op.parameters - 2].value.data


cdef inline void *running_variance(const Op *op) noexcept nogil:
    return op.parameter[op.parameters - 1].value.data


# A thread's own: mean, variance and count in double, the normaliser, and the means of backward.
cdef inline double *mean(const Op *op, const Step *step) noexcept nogil:
    return <double *>of_thread(op, step, WORK)


cdef inline double *variance(const Op *op, const Step *step) noexcept nogil:
    return mean(op, step) + PADDED(op.x.cols)


cdef inline double *count(const Op *op, const Step *step) noexcept nogil:
    return mean(op, step) + 2 * PADDED(op.x.cols)


cdef inline char *normaliser(const Op *op, const Step *step) noexcept nogil:
    return <char *>(count(op, step) + LINE)


cdef inline char *means(const Op *op, const Step *step) noexcept nogil:
    return normaliser(op, step) + 3 * PADDED(op.x.cols) * <Py_ssize_t>op.leaf.real_bytes


cdef void normalise(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    """h, from this thread's means and variances."""
    op.leaf.normaliser(
        normaliser(op, step), mean(op, step), variance(op, step), op.epsilon, op.x.cols
    )
    op.leaf.normalise(
        op.h, op.z, op.x, normaliser(op, step), weight(op, STATISTICS), bias(op, STATISTICS),
        due_activation(op, step), rows,
    )
    op.leaf.clear_ended(op.h, rows)


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    cdef Py_ssize_t n = op.x.cols
    if step.training:
        op.leaf.column_moments(op.buffer[ROW_MOMENTS].matrix, op.x, rows)
    else:
        op.leaf.widen(mean(op, step), running_mean(op), n)
        op.leaf.widen(variance(op, step), running_variance(op), n)
        normalise(op, step, rows)


cdef void meet_forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    cdef Py_ssize_t n = op.x.cols
    cdef double rows_met = op.leaf.merged_moments(
        mean(op, step), variance(op, step), op.buffer[ROW_MOMENTS].matrix, row_chunks(step.rows), n
    )
    count(op, step)[0] = rows_met
    normalise(op, step, rows)
    if step.updating and step.thread == 0:
        op.leaf.blend(running_mean(op), mean(op, step), op.momentum, 1, n)
        op.leaf.blend(
            running_variance(op), variance(op, step), op.momentum, rows_met / (rows_met - 1),
            n,
        )


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    op.leaf.normalise_backward(
        op.buffer[SUMS].matrix, op.dh, op.h, op.z, op.x, normaliser(op, step), weight(op, STATISTICS),
        bias(op, STATISTICS), &op.activation, op.fused, &taps.layer if taps != NULL else NULL, rows,
    )


cdef void meet_backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    if op.dx.data == NULL:
        return
    if step.training:
        op.leaf.join_chunks(
            means(op, step), op.buffer[SUMS].matrix, row_chunks(step.rows), 1 / count(op, step)[0], 0,
            2 * PADDED(op.x.cols),
        )
    else:  # running statistics do not move with x
        memset(means(op, step), 0, 2 * PADDED(op.x.cols) * op.leaf.real_bytes)
    op.leaf.normalise_input(
        op.dx, op.dh, op.x, normaliser(op, step), weight(op, STATISTICS), means(op, step), op.adds_dx, rows
    )


cdef void gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    gradient_from(op, step, STATISTICS, op.buffer[SUMS].matrix, parameter, row0, row1)


BATCH_NORM = Kind(
    forward=forward, meet_forward=meet_forward, backward=backward, meet_backward=meet_backward,
    gradient=gradient,
)


def operation(
    Py_ssize_t units, *, double momentum, double epsilon, bint scale, bint shift,
    ActivationFunction activation not None, Py_ssize_t real_bytes,
):
    """Batch normalisation of `units` columns."""
    cdef Operation made = Operation()
    set_up_normalisation(made, &BATCH_NORM, units, STATISTICS, scale, shift, epsilon, real_bytes)
    set_activation(made, activation)
    made.op.momentum = momentum
    add_buffer(made, PER_CHUNK, MOMENTS(units))
    add_buffer(made, PER_CHUNK, 2 * PADDED(units))
    add_buffer(made, PER_THREAD, (2 * PADDED(units) + LINE) * 8 // real_bytes + 5 * PADDED(units))
    return made
