"""What normalising layers share: weight and bias, learned or not, before parameters that are statistics.

dL/dbias = sum of delta      dL/dweight = sum of delta v, where v is x standardised

Backward leaves both sums, in this order, for each chunk of rows.
"""

from .op cimport Kind, Op, Operation, Step, add_parameter, row_chunks, set_up
from .simd cimport Matrix, PADDED


cdef inline const void *weight(const Op *op, int statistics) noexcept nogil:
    return op.parameter[0].value.data if op.parameters - op.bias > statistics else NULL


cdef inline const void *bias(const Op *op, int statistics) noexcept nogil:
    return op.parameter[op.parameters - statistics - 1].value.data if op.bias else NULL


cdef inline void gradient_from(
    const Op *op, const Step *step, int statistics, Matrix sums, int parameter, Py_ssize_t row0,
    Py_ssize_t row1,
) noexcept nogil:
    """Rows [row0, row1) of the gradient of weight or bias."""
    if not (op.bias and parameter == op.parameters - statistics - 1):
        sums.data = <double *>sums.data + PADDED(op.x.cols)
    op.leaf.join_chunks(op.parameter[parameter].gradient.data, sums, row_chunks(step.rows), 1, row0, row1)


cdef inline void set_up_normalisation(
    Operation made, const Kind *kind, Py_ssize_t units, int statistics, bint scale, bint shift,
    double epsilon, Py_ssize_t real_bytes,
):
    cdef int i
    set_up(made, kind, units, units, real_bytes)
    made.op.in_place = True
    made.op.bias = shift
    made.op.epsilon = epsilon
    for i in range(scale + shift + statistics):
        made.op.parameter[add_parameter(made, units, 1)].trained = i < scale + shift
