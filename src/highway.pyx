"""Highway layers (Srivastava, Greff and Schmidhuber 2015, arXiv 1505.00387, eq. 3).

g = f(x W^T + b)        t = gate(x W_t^T + b_t)        h = t g + (1 - t) x
dL/dg = dL/dh t         dL/dt = dL/dh (g - x)          dL/dx = dL/dh (1 - t) + delta_g W + delta_t W_t
"""

from .function cimport ActivationFunction
from .op cimport (
    Kind, Op, OpTaps, Operation, PER_STEP, Step, add_buffer, add_parameter, block, set_activation,
    set_gate_activation, set_up, span_of, tap_outputs,
)
from .simd cimport Matrix, Rows, Span, Taps

cdef enum:
    WEIGHT, WEIGHT_GATE, BIAS, BIAS_GATE

cdef enum:
    GATES  # g and t; then, in place of g, what the body brings to dL/dx
    DELTA  # dL/dz of both

cdef Kind HIGHWAY


cdef inline Matrix half(const Op *op, Matrix m, int side) noexcept nogil:
    """The columns of the candidate (0) or of the gate (1)."""
    return block(m, side * op.h.cols, op.h.cols, op.leaf)


cdef void forward(const Op *op, const Step *step, const Rows *rows) noexcept nogil:
    cdef Matrix gates = op.buffer[GATES].matrix
    cdef int side
    for side in range(2):
        op.leaf.affine(
            half(op, op.z, side), op.x, op.parameter[WEIGHT + side].value,
            op.parameter[BIAS + side].value.data, False, rows,
        )
    op.leaf.activation(half(op, gates, 0), half(op, op.z, 0), &op.activation, rows)
    op.leaf.activation(half(op, gates, 1), half(op, op.z, 1), &op.gate_activation, rows)
    op.leaf.highway_output(op.h, gates, op.x, rows)
    op.leaf.clear_ended(op.h, rows)


cdef void backward(
    const Op *op, const Step *step, const OpTaps *taps, const Rows *rows
) noexcept nogil:
    cdef Matrix gates = op.buffer[GATES].matrix, delta = op.buffer[DELTA].matrix
    cdef Matrix brought = half(op, gates, 0)
    cdef Taps of_gate, of_candidate
    if taps != NULL:
        of_gate = of_candidate = taps.layer
        of_gate.output_bins = of_candidate.output_bins = NULL
        of_gate.delta_norm = taps.gate_norm[1]
        of_gate.saturated = taps.gate_saturated[1]
    op.leaf.highway_backward(delta, op.dh, gates, op.x, rows)
    op.leaf.activation_backward(
        half(op, delta, 1), half(op, gates, 1), half(op, op.z, 1), &op.gate_activation,
        False, &of_gate if taps != NULL else NULL, rows,
    )
    op.leaf.activation_backward(
        half(op, delta, 0), brought, half(op, op.z, 0), &op.activation, False,
        &of_candidate if taps != NULL else NULL, rows,
    )
    op.leaf.clear_ended(delta, rows)
    op.leaf.clear_ended(op.dh, rows)
    if op.dx.data == NULL and taps == NULL:
        return
    op.leaf.affine_input(brought, half(op, delta, 0), op.parameter[WEIGHT].value, False, rows)
    op.leaf.affine_input(brought, half(op, delta, 1), op.parameter[WEIGHT_GATE].value, True, rows)
    if taps != NULL:
        tap_outputs(op, &taps.layer, op.h, rows)
        op.leaf.row_norms(taps.skip, op.dh, rows)
        op.leaf.row_norms(taps.body, brought, rows)
    if op.dx.data != NULL:
        op.leaf.add(op.dx, brought, op.dh, rows)


cdef void gradient(
    const Op *op, const Step *step, int parameter, Py_ssize_t row0, Py_ssize_t row1
) noexcept nogil:
    cdef Span span = span_of(op, step, op.x_places)
    cdef Matrix into = op.parameter[parameter].gradient, delta = op.buffer[DELTA].matrix
    if parameter <= WEIGHT_GATE:
        op.leaf.affine_weight(into, op.x, half(op, delta, parameter - WEIGHT), &span, row0, row1)
    else:
        op.leaf.column_sums(into.data, half(op, delta, parameter - BIAS), &span, row0, row1)


HIGHWAY = Kind(
    forward=forward, meet_forward=NULL, backward=backward, meet_backward=NULL, gradient=gradient
)


def operation(
    Py_ssize_t units, *, ActivationFunction activation not None, ActivationFunction gate_activation not None,
    Py_ssize_t real_bytes,
):
    """A highway layer of `units`."""
    cdef Operation made = Operation()
    set_up(made, &HIGHWAY, units, units, real_bytes)
    set_activation(made, activation)
    set_gate_activation(made, gate_activation)
    made.op.keeps_z = True
    made.op.gates = 2
    made.op.branches = True
    made.op.z.cols = 2 * units
    made.op.gate_buffer, made.op.delta_buffer = GATES, DELTA
    for rows_of, cols in ((units, units), (units, units), (units, 1), (units, 1)):
        add_parameter(made, rows_of, cols)
    add_buffer(made, PER_STEP, 2 * units)
    add_buffer(made, PER_STEP, 2 * units)
    return made
